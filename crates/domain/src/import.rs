//! Files by which registrars bring programmes and students (R3.8): read whole, row by row, and taken only if every row
//! is right. Pure: bytes in, rows and complaints out.

use std::collections::{BTreeMap, HashSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::country;
use crate::document_number::{self, DocumentType};
use crate::form::{self, Answers, Field, FieldError, Kind, Raw, When};
use crate::ids::{ProgrammeId, StudentId};
use crate::joint::{JointLevel, Programme};

/// Most rows of one file.
pub const ROWS_MOST: usize = 100_000;
/// Most programmes of one file: there are a few thousand in the country.
pub const PROGRAMMES_MOST: usize = 20_000;
/// Largest file in bytes.
pub const FILE_MOST: usize = 32 * 1024 * 1024;
/// Complaints that are kept of one file; a file with more is wrong as a whole.
pub const COMPLAINTS_MOST: usize = 200;

/// Levels as codes of a form.
pub const LEVELS: [&str; 2] = ["bachelor-up", "junior"];
/// Documents that a student may be registered by.
pub const DOCUMENTS: [&str; 4] = ["CN_ID", "HKMT_PERMIT", "CN_PASSPORT", "PASSPORT"];

/// The columns of a programme: one declaration for form, file and page.
pub const PROGRAMME: [Field; 7] = [
    Field::must("approval", Kind::Text(40)),
    Field::must("programme_name", Kind::Text(160)),
    Field::must("partner", Kind::Text(160)),
    Field::must("foreign_institution", Kind::Text(160)),
    Field::must("foreign_institution_zh", Kind::Text(80)),
    Field::must("foreign_country", Kind::Country),
    Field::must("joint_level", Kind::Choice(&LEVELS)),
];

/// The columns of a student.
pub const STUDENT: [Field; 6] = [
    Field::must("approval", Kind::Text(40)),
    Field::must("student_name", Kind::Text(66)),
    Field::may("student_document_type", Kind::Choice(&DOCUMENTS)),
    Field::must("student_document_number", Kind::Text(30)),
    Field::must("joint_enrolled", Kind::Month(When::Past)),
    Field::may("student_number", Kind::Text(40)),
];

/// A programme out of checked answers.
///
/// # Errors
/// One entry a field.
pub fn programme(raw: &Raw, id: ProgrammeId, today: NaiveDate) -> Result<Programme, Vec<FieldError>> {
    let answers = form::check(&PROGRAMME, raw, today)?;
    let text = |name: &str| form::text(&answers, name).to_owned();
    let approval = text("approval").to_uppercase();
    if approval.len() < 6 || !approval.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(vec![FieldError::new("approval", "shape")]);
    }
    let level = JointLevel::from_code(&text("joint_level"));
    Ok(Programme {
        id,
        approval,
        name: text("programme_name"),
        partner: text("partner"),
        institution: text("foreign_institution"),
        institution_zh: text("foreign_institution_zh"),
        country: text("foreign_country"),
        level: level.ok_or_else(|| vec![FieldError::new("joint_level", "choose")])?,
    })
}

/// The answers that a programme would be given by.
pub fn programme_answers(programme: &Programme) -> Answers {
    let pairs = [
        ("approval", programme.approval.as_str()),
        ("programme_name", &programme.name),
        ("partner", &programme.partner),
        ("foreign_institution", &programme.institution),
        ("foreign_institution_zh", &programme.institution_zh),
        ("foreign_country", &programme.country),
        ("joint_level", programme.level.code()),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A student in the register.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Student {
    /// Its name.
    pub id: StudentId,
    /// Approval number of the programme.
    pub approval: String,
    /// Name.
    pub name: String,
    /// Which document.
    pub document_type: DocumentType,
    /// Its normalised number.
    pub document_number: String,
    /// The month of enrolment.
    pub enrolled: NaiveDate,
    /// The partner's number of the student, or empty.
    pub number: String,
}

/// Never prints what it holds.
impl std::fmt::Debug for Student {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Student").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A student out of checked answers.
///
/// # Errors
/// One entry a field.
pub fn student(raw: &Raw, today: NaiveDate) -> Result<Student, Vec<FieldError>> {
    let answers = form::check(&STUDENT, raw, today)?;
    let text = |name: &str| form::text(&answers, name).to_owned();
    let kind = Some(text("student_document_type")).filter(|code| !code.is_empty());
    let kind = kind.and_then(|code| DocumentType::from_code(&code)).unwrap_or(DocumentType::CnId);
    let number = document_number::normalise(&text("student_document_number"));
    if document_number::check(kind, &number, today).is_err() {
        return Err(vec![FieldError::new("student_document_number", "shape")]);
    }
    let enrolled = form::month(&answers, "joint_enrolled");
    Ok(Student {
        id: StudentId::fresh(),
        approval: text("approval").to_uppercase(),
        name: text("student_name"),
        document_type: kind,
        document_number: number,
        enrolled: enrolled.ok_or_else(|| vec![FieldError::new("joint_enrolled", "month")])?,
        number: text("student_number"),
    })
}

/// What is wrong with one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The line of the file, from 1; the header is line 1.
    pub line: u64,
    /// The field and the code of what is wrong.
    pub error: FieldError,
}

/// Why a file can't be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Nothing in it.
    #[error("empty")]
    Empty,
    /// A column that must be there is not.
    #[error("column {0} is missing")]
    Column(&'static str),
    /// A column that nobody knows.
    #[error("column {0} is not known")]
    Unknown(String),
    /// More rows than are taken.
    #[error("more than {0} rows")]
    TooMany(usize),
    /// Neither UTF-8 nor GBK.
    #[error("neither UTF-8 nor GBK")]
    Letters,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<T> {
    /// The right rows, with their lines.
    pub rows: Vec<(u64, T)>,
    /// The wrong ones; the first [`COMPLAINTS_MOST`].
    pub complaints: Vec<Complaint>,
}

/// The text of a file in UTF-8, with or without a byte order mark, or in GBK.
///
/// # Errors
/// `Letters` when it is neither.
pub fn decode(bytes: &[u8]) -> Result<String, Unreadable> {
    let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bare) {
        return Ok(text.to_owned());
    }
    let (text, _, broken) = encoding_rs::GBK.decode(bytes);
    if broken { Err(Unreadable::Letters) } else { Ok(text.into_owned()) }
}

/// Cells as people write them, in the codes of the form.
fn cell(field: &Field, typed: &str) -> String {
    let typed = typed.trim();
    match field.kind {
        Kind::Country => {
            let named = |row: &&country::Country| row.zh == typed || row.en.eq_ignore_ascii_case(typed);
            country::all().iter().find(named).map_or_else(|| typed.to_uppercase(), |row| row.alpha2.to_owned())
        }
        Kind::Choice(codes) if codes == LEVELS => match typed {
            "本科及以上" => "bachelor-up".into(),
            "专科" => "junior".into(),
            other => other.to_lowercase(),
        },
        Kind::Choice(_) => match typed {
            "" | "居民身份证" | "身份证" => "CN_ID".into(),
            "港澳台居民居住证" => "HKMT_PERMIT".into(),
            "普通护照" => "CN_PASSPORT".into(),
            "护照" => "PASSPORT".into(),
            other => other.to_uppercase(),
        },
        _ => typed.to_owned(),
    }
}

/// Reads a file: a header with the fields' names, or their labels, then a row each.
///
/// # Errors
/// [`Unreadable`] when it can't be read at all; wrong rows are complaints.
fn read<T>(
    bytes: &[u8],
    fields: &[Field],
    label: &dyn Fn(&str) -> String,
    most: usize,
    mut make: impl FnMut(&Raw) -> Result<(T, String), Vec<FieldError>>,
) -> Result<Read<T>, Unreadable> {
    let text = decode(bytes)?;
    if text.trim().is_empty() {
        return Err(Unreadable::Empty);
    }
    let first = text.lines().next().unwrap_or_default();
    // Whatever stands between the columns of the header stands between all.
    let between = [',', '\t', ';'].into_iter().max_by_key(|mark| first.matches(*mark).count()).unwrap_or(',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(u8::try_from(between).unwrap_or(b','))
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = reader.headers().map_err(|_| Unreadable::Empty)?.clone();
    let known = |column: &str| {
        let column = column.trim();
        fields.iter().find(|field| field.name == column || label(field.name) == column)
    };
    let mut columns = Vec::new();
    for column in &header {
        match known(column) {
            Some(field) => columns.push(field),
            None if column.trim().is_empty() => return Err(Unreadable::Empty),
            None => return Err(Unreadable::Unknown(column.trim().chars().take(40).collect())),
        }
    }
    for field in fields.iter().filter(|field| matches!(field.need, form::Need::Always)) {
        if !columns.iter().any(|column| column.name == field.name) {
            return Err(Unreadable::Column(field.name));
        }
    }
    let mut read = Read { rows: Vec::new(), complaints: Vec::new() };
    let mut seen: HashSet<String> = HashSet::new();
    let mut count = 0;
    for record in reader.records() {
        let complain = |read: &mut Read<T>, line: u64, errors: Vec<FieldError>| {
            let room = COMPLAINTS_MOST.saturating_sub(read.complaints.len());
            read.complaints.extend(errors.into_iter().take(room).map(|error| Complaint { line, error }));
        };
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                complain(&mut read, line, vec![FieldError::new("row", "broken")]);
                break;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        count += 1;
        if count > most {
            return Err(Unreadable::TooMany(most));
        }
        if record.len() != columns.len() {
            let error = FieldError::new("row", "cells").with("wanted", columns.len()).with("found", record.len());
            complain(&mut read, line, vec![error]);
            continue;
        }
        let raw: BTreeMap<String, String> =
            columns.iter().zip(&record).map(|(field, typed)| (field.name.to_owned(), cell(field, typed))).collect();
        match make(&raw) {
            Ok((row, key)) => {
                if seen.insert(key) {
                    read.rows.push((line, row));
                } else {
                    complain(&mut read, line, vec![FieldError::new("row", "twice")]);
                }
            }
            Err(errors) => complain(&mut read, line, errors),
        }
    }
    if count == 0 { Err(Unreadable::Empty) } else { Ok(read) }
}

/// Reads a file of programmes; `label` gives a field's label.
///
/// # Errors
/// [`Unreadable`].
pub fn programmes(
    bytes: &[u8],
    label: &dyn Fn(&str) -> String,
    today: NaiveDate,
) -> Result<Read<Programme>, Unreadable> {
    read(bytes, &PROGRAMME, label, PROGRAMMES_MOST, |raw| {
        let row = programme(raw, ProgrammeId::fresh(), today)?;
        let key = row.approval.clone();
        Ok((row, key))
    })
}

/// Reads a file of students.
///
/// # Errors
/// [`Unreadable`].
pub fn students(bytes: &[u8], label: &dyn Fn(&str) -> String, today: NaiveDate) -> Result<Read<Student>, Unreadable> {
    read(bytes, &STUDENT, label, ROWS_MOST, |raw| {
        let row = student(raw, today)?;
        let key = format!("{}:{}:{}", row.approval, row.document_type.code(), row.document_number);
        Ok((row, key))
    })
}
