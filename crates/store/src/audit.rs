//! The audit log (R6.1): every act, and every view of personal data by staff. A chain: each entry's hash holds the hash
//! of the one before, so that nothing can be changed, left out or put in between unseen.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::effects::AuditEntry;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::connection::{AnyConnection, Store, hold};
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

/// Where the chain begins.
const FIRST: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Entries that are verified at a time.
const VERIFIED_AT_ONCE: i64 = 5_000;

type Link = (i64, String, NaiveDateTime, String, String, String, Option<String>);

/// The hash of an entry, over the hash before it and everything that it says.
fn link(before: &str, seq: i64, id: &str, at: NaiveDateTime, by: &str, act: &str, subject: &str) -> String {
    // JSON tells where each part ends.
    let said = serde_json::json!([before, seq, id, at.and_utc().timestamp_micros(), by, act, subject]).to_string();
    hex::encode(Sha256::digest(said.as_bytes()))
}

fn last(connection: &mut AnyConnection) -> Result<(i64, String), StoreError> {
    let last: Option<(Option<i64>, Option<String>)> = audit::table
        .filter(audit::seq.is_not_null())
        .order(audit::seq.desc())
        .select((audit::seq, audit::hash))
        .first(connection)
        .optional()?;
    Ok(match last {
        Some((Some(seq), Some(hash))) => (seq, hash),
        _ => (0, FIRST.to_owned()),
    })
}

pub(crate) fn write(
    connection: &mut AnyConnection,
    entries: &[AuditEntry],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    // One after the other, to the end of the transaction: nobody else's link comes in between.
    hold(connection, "audit")?;
    let (mut seq, mut before) = last(connection)?;
    let at = stored(now);
    for entry in entries {
        let (id, by) = (Uuid::now_v7().simple().to_string(), entry.by.code());
        seq += 1;
        before = link(&before, seq, &id, at, &by, entry.act, &entry.subject);
        diesel::insert_into(audit::table)
            .values((
                audit::id.eq(id),
                audit::at.eq(at),
                audit::by_whom.eq(by),
                audit::act.eq(entry.act),
                audit::subject.eq(&entry.subject),
                audit::seq.eq(Some(seq)),
                audit::hash.eq(Some(&before)),
            ))
            .execute(connection)?;
    }
    Ok(())
}

/// What the whole chain came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// Every link holds; how many, and the hash of the last.
    Whole(i64, String),
    /// The first link that does not hold: its number.
    Broken(i64),
}

impl Store {
    /// Notes an act that changes nothing else, such as a view of personal data.
    ///
    /// # Errors
    /// When the database fails: then the view must not be shown.
    pub fn note(&self, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| write(connection, std::slice::from_ref(entry), now))
    }

    /// Walks the whole chain from its beginning.
    ///
    /// # Errors
    /// When the database fails.
    pub fn verify_audit(&self) -> Result<Chain, StoreError> {
        let (mut seq, mut before) = (0, FIRST.to_owned());
        loop {
            let links: Vec<Link> = self.read(|connection| {
                Ok(audit::table
                    .filter(audit::seq.gt(seq))
                    .order(audit::seq)
                    .select((
                        audit::seq.assume_not_null(),
                        audit::id,
                        audit::at,
                        audit::by_whom,
                        audit::act,
                        audit::subject,
                        audit::hash,
                    ))
                    .limit(VERIFIED_AT_ONCE)
                    .load(connection)?)
            })?;
            if links.is_empty() {
                return Ok(Chain::Whole(seq, before));
            }
            for (number, id, at, by, act, subject, hash) in links {
                let expected = link(&before, seq + 1, &id, at, &by, &act, &subject);
                if number != seq + 1 || hash.as_deref() != Some(&expected) {
                    return Ok(Chain::Broken(seq + 1));
                }
                (seq, before) = (number, expected);
            }
        }
    }

    /// The newest entries, of everything; `before` is the number of the last of the page before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn audit_log(&self, before: Option<i64>, most: i64) -> Result<Vec<(i64, AuditRow)>, StoreError> {
        self.read(|connection| {
            let rows: Vec<(i64, NaiveDateTime, String, String, String)> = audit::table
                .filter(audit::seq.lt(before.unwrap_or(i64::MAX)))
                .order(audit::seq.desc())
                .select((audit::seq.assume_not_null(), audit::at, audit::by_whom, audit::act, audit::subject))
                .limit(most)
                .load(connection)?;
            let row = |(seq, at, by, act, subject)| (seq, AuditRow { at: instant(at), by, act, subject });
            Ok(rows.into_iter().map(row).collect())
        })
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
