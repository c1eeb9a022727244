//! The audit log (R6.1): every act, and every view of personal data by staff.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::effects::AuditEntry;
use uuid::Uuid;

use crate::connection::{AnyConnection, Store};
use crate::error::StoreError;
use crate::schema::audit;
use crate::time::{instant, stored};

/// One entry.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub by: String,
    /// What.
    pub act: String,
    /// To what.
    pub subject: String,
}

pub(crate) fn write(
    connection: &mut AnyConnection,
    entries: &[AuditEntry],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for entry in entries {
        diesel::insert_into(audit::table)
            .values((
                audit::id.eq(Uuid::now_v7().simple().to_string()),
                audit::at.eq(stored(now)),
                audit::by_whom.eq(entry.by.code()),
                audit::act.eq(entry.act),
                audit::subject.eq(&entry.subject),
            ))
            .execute(connection)?;
    }
    Ok(())
}

impl Store {
    /// Notes an act that changes nothing else, such as a view of personal data.
    ///
    /// # Errors
    /// When the database fails: then the view must not be shown.
    pub fn note(&self, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| write(connection, std::slice::from_ref(entry), now))
    }

    /// What the log says of one subject, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn audited(&self, subject: &str, most: i64) -> Result<Vec<AuditRow>, StoreError> {
        self.read(|connection| {
            let rows: Vec<(NaiveDateTime, String, String, String)> = audit::table
                .filter(audit::subject.eq(subject))
                .order(audit::id.desc())
                .select((audit::at, audit::by_whom, audit::act, audit::subject))
                .limit(most)
                .load(connection)?;
            let row = |(at, by, act, subject)| AuditRow { at: instant(at), by, act, subject };
            Ok(rows.into_iter().map(row).collect())
        })
    }
}
