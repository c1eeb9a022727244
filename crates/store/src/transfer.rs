//! Batches of bank transfers (R5.3): made by one finance officer, released by another.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::ids::{BatchId, StaffId};
use sha2::{Digest, Sha256};

use crate::connection::Store;
use crate::error::StoreError;
use crate::refund::{RefundPlace, place};
use crate::schema::{refund, transfer_batch};
use crate::time::{instant, stored};

/// A batch.
#[derive(Debug, Clone)]
pub struct BatchRow {
    /// Its name.
    pub id: BatchId,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// By whom.
    pub made_by: String,
    /// The hash of its file, once it is closed.
    pub hash: Option<String>,
    /// When it was released to the bank, and by whom.
    pub released: Option<(DateTime<Utc>, String)>,
    /// When it was dissolved: it is never released then.
    pub dissolved: Option<DateTime<Utc>>,
}

type Row =
    (String, NaiveDateTime, String, Option<String>, Option<NaiveDateTime>, Option<String>, Option<NaiveDateTime>);

const COLUMNS: (
    transfer_batch::id,
    transfer_batch::made_at,
    transfer_batch::made_by,
    transfer_batch::hash,
    transfer_batch::released_at,
    transfer_batch::released_by,
    transfer_batch::dissolved_at,
) = (
    transfer_batch::id,
    transfer_batch::made_at,
    transfer_batch::made_by,
    transfer_batch::hash,
    transfer_batch::released_at,
    transfer_batch::released_by,
    transfer_batch::dissolved_at,
);

fn batch((id, made_at, made_by, hash, released_at, released_by, dissolved_at): Row) -> Result<BatchRow, StoreError> {
    Ok(BatchRow {
        id: id.parse().map_err(|_| StoreError::Value("transfer_batch.id"))?,
        made_at: instant(made_at),
        made_by,
        hash,
        released: released_at.map(instant).zip(released_by),
        dissolved: dissolved_at.map(instant),
    })
}

impl Store {
    /// Makes an empty batch.
    ///
    /// # Errors
    /// When the database fails.
    pub fn make_batch(&self, by: StaffId, now: DateTime<Utc>) -> Result<BatchId, StoreError> {
        let id = BatchId::fresh();
        self.write(|connection| {
            diesel::insert_into(transfer_batch::table)
                .values((
                    transfer_batch::id.eq(id.to_string()),
                    transfer_batch::made_at.eq(stored(now)),
                    transfer_batch::made_by.eq(by.to_string()),
                ))
                .execute(connection)?;
            Ok(id)
        })
    }

    /// Closes a batch with its file: from here on nothing comes in and nothing changes. Closed once, it stays so.
    ///
    /// # Errors
    /// When the database fails.
    pub fn close_batch(&self, id: BatchId, file: &[u8]) -> Result<(), StoreError> {
        let sealed = self.keys.seal(&format!("batch:{id}"), file)?;
        let hash = hex::encode(Sha256::digest(file));
        self.write(|connection| {
            let row = transfer_batch::table.find(id.to_string()).filter(transfer_batch::hash.is_null());
            let set = (transfer_batch::file.eq(Some(&sealed)), transfer_batch::hash.eq(Some(&hash)));
            diesel::update(row).set(set).execute(connection)?;
            Ok(())
        })
    }

    /// The file of a released batch.
    ///
    /// # Errors
    /// `Missing` when it is not released.
    pub fn batch_file(&self, id: BatchId) -> Result<Vec<u8>, StoreError> {
        let sealed: Option<Vec<u8>> = self.read(|connection| {
            Ok(transfer_batch::table
                .find(id.to_string())
                .filter(transfer_batch::released_at.is_not_null())
                .select(transfer_batch::file)
                .first(connection)?)
        })?;
        Ok(self.keys.open(&format!("batch:{id}"), &sealed.ok_or(StoreError::Missing)?)?)
    }

    /// Releases a closed batch whose file has the hash that was seen, unless `by` made it; says whether it did.
    ///
    /// # Errors
    /// When the database fails.
    pub fn release_batch(&self, id: BatchId, by: StaffId, seen: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.write(|connection| {
            let row = transfer_batch::table
                .find(id.to_string())
                .filter(transfer_batch::released_at.is_null())
                .filter(transfer_batch::dissolved_at.is_null())
                .filter(transfer_batch::hash.eq(seen))
                .filter(transfer_batch::made_by.ne(by.to_string()));
            let set = (
                transfer_batch::released_at.eq(Some(stored(now))),
                transfer_batch::released_by.eq(Some(by.to_string())),
            );
            Ok(diesel::update(row).set(set).execute(connection)? == 1)
        })
    }

    /// Dissolves a batch that was not released; says whether it did. What was in it follows by itself.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dissolve_batch(&self, id: BatchId, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.write(|connection| {
            let row = transfer_batch::table
                .find(id.to_string())
                .filter(transfer_batch::released_at.is_null())
                .filter(transfer_batch::dissolved_at.is_null());
            Ok(diesel::update(row).set(transfer_batch::dissolved_at.eq(Some(stored(now)))).execute(connection)? == 1)
        })
    }

    /// The newest batches.
    ///
    /// # Errors
    /// When the database fails.
    pub fn batches(&self, most: i64) -> Result<Vec<BatchRow>, StoreError> {
        self.read(|connection| {
            let rows: Vec<Row> = transfer_batch::table
                .select(COLUMNS)
                .order((transfer_batch::made_at.desc(), transfer_batch::id.desc()))
                .limit(most)
                .load(connection)?;
            rows.into_iter().map(batch).collect()
        })
    }

    /// One batch, and the refunds in it.
    ///
    /// # Errors
    /// `Missing` when there is none.
    pub fn batch(&self, id: BatchId) -> Result<(BatchRow, Vec<RefundPlace>), StoreError> {
        self.read(|connection| {
            let row: Row = transfer_batch::table.find(id.to_string()).select(COLUMNS).first(connection)?;
            let inside: Vec<(String, String, String)> = refund::table
                .filter(refund::batch_id.eq(id.to_string()))
                .order(refund::id)
                .select((refund::applicant_id, refund::application_id, refund::id))
                .load(connection)?;
            let inside = inside.iter().map(|(applicant, application, id)| place(applicant, application, id));
            Ok((batch(row)?, inside.collect::<Result<_, _>>()?))
        })
    }

    /// Approved refunds that wait for a batch: the card can't take them.
    ///
    /// # Errors
    /// When the database fails.
    pub fn refunds_for_transfer(&self, most: i64) -> Result<Vec<RefundPlace>, StoreError> {
        self.read(|connection| {
            let rows: Vec<(String, String, String)> = refund::table
                .filter(refund::state.eq("approved"))
                .filter(refund::batch_id.is_null())
                .filter(refund::by_bank.eq(true))
                .order((refund::asked_at, refund::id))
                .select((refund::applicant_id, refund::application_id, refund::id))
                .limit(most)
                .load(connection)?;
            rows.iter().map(|(applicant, application, id)| place(applicant, application, id)).collect()
        })
    }

    /// Refunds whose batch is released or dissolved and which don't know it yet, each with whether the bank has it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn refunds_behind_their_batch(&self, most: i64) -> Result<Vec<(RefundPlace, BatchId, bool)>, StoreError> {
        type Row = (String, String, String, String, Option<NaiveDateTime>);
        let rows = self.read(|connection| {
            let rows: Vec<Row> = refund::table
                .inner_join(transfer_batch::table.on(refund::batch_id.eq(transfer_batch::id.nullable())))
                .filter(refund::state.eq("approved"))
                .filter(transfer_batch::released_at.is_not_null().or(transfer_batch::dissolved_at.is_not_null()))
                .order(refund::id)
                .select((
                    refund::applicant_id,
                    refund::application_id,
                    refund::id,
                    transfer_batch::id,
                    transfer_batch::released_at,
                ))
                .limit(most)
                .load(connection)?;
            Ok(rows)
        })?;
        // What came into a batch after its file was frozen is not in what the bank has: it waits for the next.
        let mut files: HashMap<BatchId, String> = HashMap::new();
        let mut behind = Vec::new();
        for (applicant, application, id, batch, released) in &rows {
            let batch: BatchId = batch.parse().map_err(|_| StoreError::Value("transfer_batch.id"))?;
            let paid = match (released, files.get(&batch)) {
                (None, _) => false,
                (Some(_), Some(file)) => file.contains(id),
                (Some(_), None) => {
                    let file = String::from_utf8_lossy(&self.batch_file(batch)?).into_owned();
                    let inside = file.contains(id);
                    files.insert(batch, file);
                    inside
                }
            };
            behind.push((place(applicant, application, id)?, batch, paid));
        }
        Ok(behind)
    }
}
