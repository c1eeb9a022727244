//! Study experience (学习经历), from senior high school on (R2.7).

use chrono::{Months, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::application::Application;
use crate::form::{self, Answers, Field, FieldError, Kind, When};
use crate::steps::LEVELS_OF_STUDY;

/// Fewest rows (guide 二.3(5)).
pub const ROWS_LEAST: usize = 2;
/// Most rows that a form takes.
pub const ROWS_MOST: usize = 20;
/// A gap longer than this many months is pointed out.
pub const GAP_MONTHS: u32 = 3;

/// The fields of one row.
pub const FIELDS: [Field; 6] = [
    Field::must("study_level", Kind::Choice(&LEVELS_OF_STUDY)),
    Field::must("study_institution", Kind::Text(120)),
    Field::must("study_country", Kind::Country),
    Field::may("study_major", Kind::Text(120)),
    Field::must("study_start", Kind::Month(When::Past)),
    Field::must("study_end", Kind::Month(When::Any)),
];

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experience {
    /// Its number within the application; never used twice.
    pub id: u32,
    /// The answers to [`FIELDS`].
    pub answers: Answers,
    /// Whether it is the credential of step 4, kept in step with it.
    pub from_credential: bool,
}

impl Experience {
    /// First month.
    pub fn start(&self) -> Option<NaiveDate> {
        form::month(&self.answers, "study_start")
    }

    /// Last month.
    pub fn end(&self) -> Option<NaiveDate> {
        form::month(&self.answers, "study_end")
    }
}

/// Something about the rows that an officer would ask about; it does not keep anybody from going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// Nothing is said about the months between two rows.
    Gap {
        /// End of the earlier row.
        from: NaiveDate,
        /// Start of the later row.
        to: NaiveDate,
    },
    /// Two rows lie over each other by more than a month.
    Overlap {
        /// Institution of the earlier row.
        first: String,
        /// Institution of the later row.
        second: String,
    },
}

/// Checks the months of one row against each other.
///
/// # Errors
/// When it ends before it starts.
pub fn check_row(answers: &Answers) -> Result<(), FieldError> {
    match (form::month(answers, "study_start"), form::month(answers, "study_end")) {
        (Some(start), Some(end)) if end < start => Err(FieldError::new("study_end", "before-start")),
        _ => Ok(()),
    }
}

/// Gaps and overlaps, in the order of time.
pub fn remarks(rows: &[Experience]) -> Vec<Remark> {
    let mut spans: Vec<_> = rows.iter().filter_map(|row| Some((row.start()?, row.end()?, row))).collect();
    spans.sort_by_key(|(start, end, _)| (*start, *end));
    let mut remarks = Vec::new();
    let mut spans = spans.into_iter();
    // Each row against the one that reaches furthest so far: a short one within a long one makes no gap.
    let Some(mut first) = spans.next() else { return remarks };
    for second in spans {
        let bridged = first.1.checked_add_months(Months::new(GAP_MONTHS + 1)).unwrap_or(first.1);
        if second.0 > bridged {
            remarks.push(Remark::Gap { from: first.1, to: second.0 });
        }
        let touching = second.0.checked_add_months(Months::new(1)).unwrap_or(second.0);
        if touching < first.1 {
            let name = |row: &Experience| form::text(&row.answers, "study_institution").to_owned();
            remarks.push(Remark::Overlap { first: name(first.2), second: name(second.2) });
        }
        if second.1 > first.1 {
            first = second;
        }
    }
    remarks
}

/// What is missing before step 5 is done.
pub fn missing(application: &Application) -> Option<&'static str> {
    let rows = &application.experience;
    if rows.len() < ROWS_LEAST {
        return Some("rows");
    }
    let school = rows.iter().any(|row| form::text(&row.answers, "study_level") == "senior_secondary");
    (!school).then_some("school")
}
