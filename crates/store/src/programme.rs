//! Joint programmes (R3.8): the list, its search by parts of names, the register of students, and imports that are taken
//! whole or not at all.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::document_number::{DocumentType, canonical};
use domain::effects::AuditEntry;
use domain::ids::{ImportId, ProgrammeId, StaffId, StudentId};
use domain::import::Student;
use domain::joint::{JointLevel, Programme, Registration};
use serde::{Deserialize, Serialize};

use crate::audit;
use crate::certificate::name_key;
use crate::connection::{AnyConnection, Store, hold};
use crate::error::StoreError;
use crate::schema::{import_file, programme, programme_gram, student};
use crate::time::stored;
use sealing::Keys;

/// Files that were read and not imported are kept so many hours.
const IMPORT_HOURS: i64 = 24;
/// Pairs of letters by which a search asks; more make it no sharper.
const GRAMS_ASKED: usize = 6;
/// Rows of one statement: SQLite takes 32,766 variables in one.
const ROWS_AT_ONCE: usize = 4_000;

/// A programme with whether it is still in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgrammeRow {
    /// The programme.
    pub programme: Programme,
    /// Whether it was retired: nobody chooses it any more.
    pub retired: bool,
}

/// What an import brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// Programmes, known by their approval numbers.
    Programmes(Vec<Programme>),
    /// Students, known by document and programme.
    Students(Vec<Student>),
}

/// What an import would do, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    /// Rows that are new.
    pub new: usize,
    /// Rows that changed.
    pub changed: usize,
    /// Rows that are as they were.
    pub same: usize,
}

/// The letters of a text that a search goes by, in pairs within each word.
fn grams(text: &str) -> Vec<String> {
    let mut grams = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        let letters: Vec<char> = word.chars().flat_map(char::to_lowercase).collect();
        match letters.as_slice() {
            // A single letter is a search too.
            [one] => grams.push(one.to_string()),
            letters => grams.extend(letters.windows(2).map(|pair| pair.iter().collect::<String>())),
        }
    }
    grams.sort();
    grams.dedup();
    grams
}

fn searched(programme: &Programme) -> Vec<String> {
    let texts =
        [&programme.approval, &programme.name, &programme.partner, &programme.institution, &programme.institution_zh];
    let mut all: Vec<String> = texts
        .into_iter()
        .flat_map(|text| {
            let singles = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).map(String::from);
            singles.chain(grams(text)).collect::<Vec<_>>()
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

fn read_row((body, retired): (String, bool)) -> Result<ProgrammeRow, StoreError> {
    Ok(ProgrammeRow { programme: serde_json::from_str(&body)?, retired })
}

fn document_key(keys: &Keys, kind: DocumentType, number: &str) -> String {
    keys.find("document", &format!("{}:{}", kind.code(), canonical(kind, number)))
}

fn put_programme(connection: &mut AnyConnection, wanted: &Programme) -> Result<Option<bool>, StoreError> {
    let known: Option<(String, String)> = programme::table
        .filter(programme::approval.eq(&wanted.approval))
        .select((programme::id, programme::body))
        .first(connection)
        .optional()?;
    let id = match &known {
        Some((id, _)) => id.clone(),
        None => wanted.id.to_string(),
    };
    let wanted = Programme { id: id.parse().map_err(|_| StoreError::Value("programme.id"))?, ..wanted.clone() };
    let body = serde_json::to_string(&wanted)?;
    let new = known.is_none();
    match known {
        Some((_, old)) if old == body => return Ok(None),
        Some(_) => {
            let set =
                (programme::name.eq(&wanted.name), programme::level.eq(wanted.level.code()), programme::body.eq(&body));
            diesel::update(programme::table.find(&id)).set(set).execute(connection)?;
            diesel::delete(programme_gram::table.filter(programme_gram::programme_id.eq(&id))).execute(connection)?;
        }
        None => {
            diesel::insert_into(programme::table)
                .values((
                    programme::id.eq(&id),
                    programme::approval.eq(&wanted.approval),
                    programme::name.eq(&wanted.name),
                    programme::level.eq(wanted.level.code()),
                    programme::body.eq(&body),
                ))
                .execute(connection)?;
        }
    }
    let rows: Vec<_> = searched(&wanted)
        .into_iter()
        .map(|gram| (programme_gram::gram.eq(gram), programme_gram::programme_id.eq(id.clone())))
        .collect();
    for some in rows.chunks(ROWS_AT_ONCE) {
        insert_grams(connection, some)?;
    }
    Ok(Some(new))
}

type GramRow = (diesel::dsl::Eq<programme_gram::gram, String>, diesel::dsl::Eq<programme_gram::programme_id, String>);

fn insert_grams(connection: &mut AnyConnection, rows: &[GramRow]) -> Result<(), StoreError> {
    let insert = diesel::insert_into(programme_gram::table).values(rows.to_vec());
    match connection {
        AnyConnection::Postgres(postgres) => insert.execute(postgres)?,
        AnyConnection::Sqlite(sqlite) => insert.execute(sqlite)?,
    };
    Ok(())
}

/// A programme in the list by its approval number: its id.
fn programme_id(connection: &mut AnyConnection, approval: &str) -> Result<Option<String>, StoreError> {
    let found = programme::table.filter(programme::approval.eq(approval)).select(programme::id);
    Ok(found.first(connection).optional()?)
}

fn put_student(
    connection: &mut AnyConnection,
    keys: &Keys,
    wanted: &Student,
    of: &str,
) -> Result<(StudentId, Option<bool>), StoreError> {
    let key = document_key(keys, wanted.document_type, &wanted.document_number);
    let known: Option<(String, Vec<u8>, bool)> = student::table
        .filter(student::document_key.eq(&key))
        .filter(student::programme_id.eq(of))
        .select((student::id, student::body, student::retired_at.is_not_null()))
        .first(connection)
        .optional()?;
    if let Some((id, body, retired)) = known {
        let old: Student = keys.open_json(&format!("student:{id}"), &body)?;
        let wanted = Student { id: old.id, ..wanted.clone() };
        if old == wanted && !retired {
            return Ok((old.id, None));
        }
        let body = keys.seal_json(&format!("student:{id}"), &wanted)?;
        // Registered anew, they are in the register again.
        let set = (student::body.eq(body), student::retired_at.eq(None::<chrono::NaiveDateTime>));
        diesel::update(student::table.find(&id)).set(set).execute(connection)?;
        return Ok((old.id, Some(false)));
    }
    let id = wanted.id.to_string();
    diesel::insert_into(student::table)
        .values((
            student::id.eq(&id),
            student::document_key.eq(key),
            student::programme_id.eq(of),
            student::body.eq(keys.seal_json(&format!("student:{id}"), wanted)?),
        ))
        .execute(connection)?;
    Ok((wanted.id, Some(true)))
}

impl Store {
    /// Programmes whose names or number hold all the letters of `query` pair by pair, by name; `after` is the last of the
    /// page before. Without a query, all. Applicants see what is not retired.
    ///
    /// # Errors
    /// When the database fails.
    pub fn programmes(
        &self,
        query: &str,
        level: Option<JointLevel>,
        retired_too: bool,
        after: Option<(String, ProgrammeId)>,
        most: i64,
    ) -> Result<Vec<ProgrammeRow>, StoreError> {
        let asked: Vec<String> = grams(query).into_iter().take(GRAMS_ASKED).collect();
        macro_rules! page {
            ($connection:expr) => {{
                let mut page = programme::table
                    .select((programme::body, programme::retired_at.is_not_null()))
                    .order((programme::name, programme::id))
                    .limit(most)
                    .into_boxed();
                for gram in &asked {
                    let with = programme_gram::table
                        .filter(programme_gram::gram.eq(gram.clone()))
                        .select(programme_gram::programme_id);
                    page = page.filter(programme::id.eq_any(with));
                }
                if let Some(level) = level {
                    page = page.filter(programme::level.eq(level.code()));
                }
                if !retired_too {
                    page = page.filter(programme::retired_at.is_null());
                }
                if let Some((name, id)) = &after {
                    page = page.filter(
                        programme::name
                            .gt(name.clone())
                            .or(programme::name.eq(name.clone()).and(programme::id.gt(id.to_string()))),
                    );
                }
                page.load::<(String, bool)>($connection)?
            }};
        }
        let rows = self.read(|connection| {
            Ok(match connection {
                AnyConnection::Postgres(postgres) => page!(postgres),
                AnyConnection::Sqlite(sqlite) => page!(sqlite),
            })
        })?;
        rows.into_iter().map(read_row).collect()
    }

    /// One programme.
    ///
    /// # Errors
    /// `Missing` when there is none.
    pub fn programme(&self, id: ProgrammeId) -> Result<ProgrammeRow, StoreError> {
        let row = self.read(|connection| {
            let found = programme::table.find(id.to_string());
            Ok(found.select((programme::body, programme::retired_at.is_not_null())).first(connection)?)
        })?;
        read_row(row)
    }

    /// Adds a programme, or changes the one with this id.
    ///
    /// # Errors
    /// `Taken` when another one has the approval number.
    pub fn save_programme(&self, wanted: &Programme, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            let other = programme_id(connection, &wanted.approval)?.filter(|id| *id != wanted.id.to_string());
            if other.is_some() {
                return Err(StoreError::Taken("programme.approval".into()));
            }
            // Under another number it is the same programme still.
            let id = wanted.id.to_string();
            diesel::update(programme::table.find(&id))
                .set(programme::approval.eq(&wanted.approval))
                .execute(connection)?;
            put_programme(connection, wanted)?;
            audit::write(connection, std::slice::from_ref(entry), now)
        })
    }

    /// Takes a programme out of the list, or puts it back.
    ///
    /// # Errors
    /// When the database fails.
    pub fn retire_programme(
        &self,
        id: ProgrammeId,
        retire: bool,
        entry: &AuditEntry,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = programme::table.find(id.to_string());
            diesel::update(row).set(programme::retired_at.eq(retire.then(|| stored(now)))).execute(connection)?;
            audit::write(connection, std::slice::from_ref(entry), now)
        })
    }

    /// What the register has of this person: document and name must both agree (R3.2).
    ///
    /// # Errors
    /// When the database fails.
    pub fn registrations(&self, kind: DocumentType, number: &str, name: &str) -> Result<Vec<Registration>, StoreError> {
        let key = document_key(&self.keys, kind, number);
        let rows: Vec<(String, Vec<u8>, String)> = self.read(|connection| {
            Ok(student::table
                .inner_join(programme::table.on(programme::id.eq(student::programme_id)))
                .filter(student::document_key.eq(key))
                .filter(student::retired_at.is_null())
                .order(student::id)
                .select((student::id, student::body, programme::body))
                .limit(20)
                .load(connection)?)
        })?;
        let mut found = Vec::new();
        for (id, body, programme) in rows {
            let known: Student = self.keys.open_json(&format!("student:{id}"), &body)?;
            if name_key(&self.keys, &known.name) == name_key(&self.keys, name) {
                found.push(Registration { programme: serde_json::from_str(&programme)?, enrolled: known.enrolled });
            }
        }
        Ok(found)
    }

    /// Students of a programme, or those with a document number; each with whether it was retired.
    ///
    /// # Errors
    /// When the database fails.
    pub fn students(
        &self,
        document: Option<&str>,
        of: Option<ProgrammeId>,
        after: Option<StudentId>,
        most: i64,
    ) -> Result<Vec<(Student, bool)>, StoreError> {
        let keys: Option<Vec<String>> = document.map(|number| {
            let number = domain::document_number::normalise(number);
            DocumentType::ALL.iter().map(|kind| document_key(&self.keys, *kind, &number)).collect()
        });
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows: Vec<(String, Vec<u8>, bool)> = self.read(|connection| {
            let columns = (student::id, student::body, student::retired_at.is_not_null());
            Ok(match (keys, of) {
                (Some(keys), _) => student::table
                    .filter(student::document_key.eq_any(keys))
                    .filter(student::id.gt(after))
                    .order(student::id)
                    .select(columns)
                    .limit(most)
                    .load(connection)?,
                (None, Some(of)) => student::table
                    .filter(student::programme_id.eq(of.to_string()))
                    .filter(student::id.gt(after))
                    .order(student::id)
                    .select(columns)
                    .limit(most)
                    .load(connection)?,
                (None, None) => student::table
                    .filter(student::id.gt(after))
                    .order(student::id)
                    .select(columns)
                    .limit(most)
                    .load(connection)?,
            })
        })?;
        rows.into_iter()
            .map(|(id, body, gone)| Ok((self.keys.open_json(&format!("student:{id}"), &body)?, gone)))
            .collect()
    }

    /// One student.
    ///
    /// # Errors
    /// `Missing` when there is none.
    pub fn student(&self, id: StudentId) -> Result<(Student, bool), StoreError> {
        let (body, gone): (Vec<u8>, bool) = self.read(|connection| {
            let found = student::table.find(id.to_string());
            Ok(found.select((student::body, student::retired_at.is_not_null())).first(connection)?)
        })?;
        Ok((self.keys.open_json(&format!("student:{id}"), &body)?, gone))
    }

    /// Adds a student, or changes the one with this document in this programme; the one that stood in `place` of it before,
    /// under another document or programme, is retired.
    ///
    /// # Errors
    /// `Missing` when there is no such programme.
    pub fn save_student(
        &self,
        wanted: &Student,
        place: Option<StudentId>,
        entry: &AuditEntry,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write(|connection| {
            let of = programme_id(connection, &wanted.approval)?.ok_or(StoreError::Missing)?;
            let (kept, _) = put_student(connection, &self.keys, wanted, &of)?;
            if let Some(old) = place.filter(|old| *old != kept) {
                let row = student::table.find(old.to_string());
                diesel::update(row).set(student::retired_at.eq(Some(stored(now)))).execute(connection)?;
            }
            audit::write(connection, std::slice::from_ref(entry), now)
        })
    }

    /// Takes a student out of the register, or puts it back.
    ///
    /// # Errors
    /// When the database fails.
    pub fn retire_student(
        &self,
        id: StudentId,
        retire: bool,
        entry: &AuditEntry,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = student::table.find(id.to_string());
            diesel::update(row).set(student::retired_at.eq(retire.then(|| stored(now)))).execute(connection)?;
            audit::write(connection, std::slice::from_ref(entry), now)
        })
    }

    /// Which of these approval numbers are in the list.
    ///
    /// # Errors
    /// When the database fails.
    pub fn known_approvals(&self, approvals: &[String]) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            let mut known = Vec::new();
            for some in approvals.chunks(ROWS_AT_ONCE) {
                let found = programme::table.filter(programme::approval.eq_any(some)).select(programme::approval);
                known.extend(found.load::<String>(connection)?);
            }
            Ok(known)
        })
    }

    /// Keeps a file that was read, until it is imported; nothing of it is in force.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_import(&self, batch: &Batch, by: StaffId, now: DateTime<Utc>) -> Result<ImportId, StoreError> {
        let id = ImportId::fresh();
        let body = self.keys.seal_json(&format!("import:{id}"), batch)?;
        self.write(|connection| {
            let old = stored(now - chrono::TimeDelta::hours(IMPORT_HOURS));
            diesel::delete(import_file::table.filter(import_file::made_at.lt(old))).execute(connection)?;
            diesel::insert_into(import_file::table)
                .values((
                    import_file::id.eq(id.to_string()),
                    import_file::made_at.eq(stored(now)),
                    import_file::made_by.eq(by.to_string()),
                    import_file::body.eq(body),
                ))
                .execute(connection)?;
            Ok(id)
        })
    }

    /// A file that was kept.
    ///
    /// # Errors
    /// `Missing` when it is imported already, or too old.
    pub fn kept_import(&self, id: ImportId) -> Result<Batch, StoreError> {
        let body: Vec<u8> = self.read(|connection| {
            Ok(import_file::table.find(id.to_string()).select(import_file::body).first(connection)?)
        })?;
        Ok(self.keys.open_json(&format!("import:{id}"), &body)?)
    }

    /// Imports a kept file, whole or not at all; without `really` it only says what it would do.
    ///
    /// # Errors
    /// `Missing` when it is imported already.
    pub fn import(
        &self,
        id: ImportId,
        entry: &AuditEntry,
        really: bool,
        now: DateTime<Utc>,
    ) -> Result<Imported, StoreError> {
        let batch = self.kept_import(id)?;
        let mut done = Imported::default();
        let mut count = |put: Option<bool>| match put {
            Some(true) => done.new += 1,
            Some(false) => done.changed += 1,
            None => done.same += 1,
        };
        let outcome = self.write(|connection| {
            hold(connection, "import")?;
            match &batch {
                Batch::Programmes(programmes) => {
                    for each in programmes {
                        count(put_programme(connection, each)?);
                    }
                }
                Batch::Students(students) => {
                    let mut programmes: HashMap<&str, String> = HashMap::new();
                    for each in students {
                        let of = match programmes.get(each.approval.as_str()) {
                            Some(of) => of.clone(),
                            None => {
                                let of = programme_id(connection, &each.approval)?.ok_or(StoreError::Missing)?;
                                programmes.insert(&each.approval, of.clone());
                                of
                            }
                        };
                        count(put_student(connection, &self.keys, each, &of)?.1);
                    }
                }
            }
            if !really {
                // Rolled back: it was only to be seen.
                return Err(StoreError::Stale);
            }
            if diesel::delete(import_file::table.find(id.to_string())).execute(connection)? != 1 {
                return Err(StoreError::Missing);
            }
            audit::write(connection, std::slice::from_ref(entry), now)
        });
        match outcome {
            Err(StoreError::Stale) if !really => Ok(done),
            Ok(()) => Ok(done),
            Err(error) => Err(error),
        }
    }
}
