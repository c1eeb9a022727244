//! Reconciliation: what the gateway's daily files confirm, and each discrepancy until two people have resolved it.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Date, Text};
use domain::clearing::{self, Booked, ClearingKind, ClearingLine, Difference, Discrepancy};
use domain::ids::StaffId;
use domain::money::Fen;
use uuid::Uuid;

use crate::connection::{AnyConnection, Store, hold};
use crate::error::StoreError;
use crate::schema::{cleared, clearing_day, discrepancy, movement, refund};
use crate::time::{instant, stored};
use crate::trouble::{self, Queue, Task};

/// What stands in `lines` when a day's file could not be read.
const UNREAD: i32 = -1;
/// The end of the year 2199, later than any row.
const LAST_SECOND: i64 = 7_258_118_400;

/// A day whose file was compared.
#[derive(Debug, Clone)]
pub struct ClearingDayRow {
    /// Which.
    pub day: NaiveDate,
    /// When its file was fetched.
    pub fetched_at: DateTime<Utc>,
    /// Lines that concern us; none when the file could not be had.
    pub lines: Option<i32>,
    /// Of these, confirmed.
    pub matched: i32,
}

/// A discrepancy.
#[derive(Debug, Clone)]
pub struct DiscrepancyRow {
    /// Its name.
    pub id: String,
    /// Of which day's file.
    pub day: NaiveDate,
    /// The code of its kind.
    pub kind: String,
    /// Of which order.
    pub order: String,
    /// What the ledger says.
    pub here: Option<Fen>,
    /// What the file says.
    pub there: Option<Fen>,
    /// When it was found: its age counts from there.
    pub opened_at: DateTime<Utc>,
    /// Who looks into it.
    pub owner: Option<String>,
    /// Who proposed the resolution.
    pub proposed_by: Option<String>,
    /// The resolution, with its reason.
    pub resolution: Option<String>,
    /// Who confirmed it, when it was resolved.
    pub resolved: Option<(DateTime<Utc>, String)>,
}

/// The kind and the order of a movement of the gateway's account, from its key.
fn kind_and_order(key: &str) -> Option<(ClearingKind, &str)> {
    key.strip_prefix("settle:").map(|order| (ClearingKind::Payment, order))
}

fn open_movements(connection: &mut AnyConnection) -> Result<Vec<(String, i64, NaiveDateTime, String)>, StoreError> {
    // What is not confirmed by any file: little, for yesterday's is.
    Ok(movement::table
        .left_join(cleared::table.on(cleared::movement_key.eq(movement::key)))
        .filter(cleared::movement_key.is_null())
        .filter(movement::from_account.eq("gateway").or(movement::to_account.eq("gateway")))
        .order((movement::at, movement::key))
        .select((movement::key, movement::amount, movement::at, movement::to_account))
        .load(connection)?)
}

/// Notes what a file confirms. PostgreSQL gets it in one go: a hundred thousand ways there and back take their time.
fn confirm(connection: &mut AnyConnection, keys: &[String], day: NaiveDate) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Postgres(postgres) => {
            diesel::sql_query("INSERT INTO cleared (movement_key, day) SELECT unnest($1), $2")
                .bind::<Array<Text>, _>(keys)
                .bind::<Date, _>(day)
                .execute(postgres)?;
        }
        AnyConnection::Sqlite(sqlite) => {
            for key in keys {
                diesel::insert_into(cleared::table)
                    .values((cleared::movement_key.eq(key), cleared::day.eq(day)))
                    .execute(sqlite)?;
            }
        }
    }
    Ok(())
}

impl Store {
    /// The clearing day whose file must be fetched next, if any is due at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn due_clearing_day(&self, now: DateTime<Utc>) -> Result<Option<NaiveDate>, StoreError> {
        let ready = clearing::last_ready(now);
        self.read(|connection| {
            let last: Option<NaiveDate> = clearing_day::table
                .order(clearing_day::day.desc())
                .select(clearing_day::day)
                .first(connection)
                .optional()?;
            let next = match last {
                Some(last) => last.succ_opt(),
                None => {
                    let first: Option<NaiveDateTime> = movement::table
                        .order((movement::at, movement::key))
                        .select(movement::at)
                        .first(connection)
                        .optional()?;
                    first.map(|at| clearing::day_of(instant(at)))
                }
            };
            let Some(next) = next.filter(|next| *next <= ready) else { return Ok(None) };
            // A day that is set aside keeps the later ones waiting: they are compared in order.
            let parked = trouble::is_parked(connection, &Task::new(Queue::Clearing, next))?;
            Ok((!parked).then_some(next))
        })
    }

    /// Compares one day's file with the ledger, in one transaction: what it confirms, and what it does not. A day that
    /// was compared before is not compared again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_clearing_day(
        &self,
        day: NaiveDate,
        lines: &[ClearingLine],
        now: DateTime<Utc>,
    ) -> Result<usize, StoreError> {
        self.write(|connection| {
            hold(connection, "clearing")?;
            let known: i64 = clearing_day::table.filter(clearing_day::day.eq(day)).count().get_result(connection)?;
            if known > 0 {
                return Ok(0);
            }
            let open = open_movements(connection)?;
            let mut booked: Vec<Booked> = Vec::with_capacity(open.len());
            for (key, amount, _, _) in &open {
                if let Some((kind, order)) = kind_and_order(key) {
                    booked.push(Booked { key: key.clone(), kind, order: order.to_owned(), amount: *amount });
                }
            }
            // A refund's movement is named by its payment; its order is found through the refund.
            let amounts: HashMap<&str, i64> = open.iter().map(|(key, amount, ..)| (key.as_str(), *amount)).collect();
            for line in lines.iter().filter(|line| line.kind == ClearingKind::Refund) {
                let attempt: Option<String> = refund::table
                    .filter(refund::order_id.eq(&line.order))
                    .select(refund::attempt_id)
                    .first(connection)
                    .optional()?;
                let key = attempt.map(|attempt| format!("refund:{attempt}")).unwrap_or_default();
                if let Some(amount) = amounts.get(key.as_str()) {
                    let (order, amount) = (line.order.clone(), *amount);
                    booked.push(Booked { key, kind: ClearingKind::Refund, order, amount });
                }
            }
            let mut matched = clearing::compare(lines, &booked);
            // Booked before this day began, and in no file so far: the day's own may stand in the next one.
            let begins = day.pred_opt().map(clearing::ends).unwrap_or(now);
            let confirmed: HashSet<String> = matched.keys.iter().cloned().collect();
            for (key, amount, at, _) in &open {
                if instant(*at) < begins && !confirmed.contains(key) {
                    let order = kind_and_order(key).map_or(key.as_str(), |(_, order)| order).to_owned();
                    let (difference, here) = (Difference::MissingThere, Some(*amount));
                    matched.discrepancies.push(Discrepancy { difference, order, here, there: None });
                }
            }
            // What an earlier file had before we knew of it is confirmed by that file.
            let early: Vec<String> = discrepancy::table
                .filter(discrepancy::kind.eq(Difference::MissingHere.code()))
                .select(discrepancy::order_id)
                .load(connection)?;
            let early: HashSet<String> = early.into_iter().collect();
            matched.discrepancies.retain(|each| {
                let key = format!("settle:{}", each.order);
                let late = each.there.is_none() && early.contains(&each.order) && amounts.contains_key(key.as_str());
                if late {
                    matched.keys.push(key);
                }
                !late
            });
            let count = |length: usize| i32::try_from(length).unwrap_or(i32::MAX);
            diesel::insert_into(clearing_day::table)
                .values((
                    clearing_day::day.eq(day),
                    clearing_day::fetched_at.eq(stored(now)),
                    clearing_day::lines.eq(count(lines.len())),
                    clearing_day::matched.eq(count(matched.keys.len())),
                ))
                .execute(connection)?;
            confirm(connection, &matched.keys, day)?;
            let found = matched.discrepancies.len();
            for each in matched.discrepancies {
                let same: i64 = discrepancy::table
                    .filter(discrepancy::kind.eq(each.difference.code()))
                    .filter(discrepancy::order_id.eq(&each.order))
                    .filter(discrepancy::resolved_at.is_null())
                    .count()
                    .get_result(connection)?;
                // It is open already: its age goes on.
                if same > 0 {
                    continue;
                }
                diesel::insert_into(discrepancy::table)
                    .values((
                        discrepancy::id.eq(Uuid::now_v7().simple().to_string()),
                        discrepancy::day.eq(day),
                        discrepancy::kind.eq(each.difference.code()),
                        discrepancy::order_id.eq(&each.order),
                        discrepancy::here.eq(each.here),
                        discrepancy::there.eq(each.there),
                        discrepancy::opened_at.eq(stored(now)),
                    ))
                    .execute(connection)?;
            }
            Ok(found)
        })
    }

    /// Notes that a day's file could not be had or read, so that the later days are not held up; finance sees it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn skip_clearing_day(&self, day: NaiveDate, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            diesel::insert_into(clearing_day::table)
                .values((
                    clearing_day::day.eq(day),
                    clearing_day::fetched_at.eq(stored(now)),
                    clearing_day::lines.eq(UNREAD),
                    clearing_day::matched.eq(0),
                ))
                .execute(connection)?;
            Ok(())
        })
    }

    /// Whether money moved on a clearing day, as the ledger has it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn moved_on(&self, day: NaiveDate) -> Result<bool, StoreError> {
        let from = day.pred_opt().map_or_else(|| clearing::ends(day), clearing::ends);
        self.read(|connection| {
            let moved: i64 = movement::table
                .filter(movement::at.ge(stored(from)))
                .filter(movement::at.lt(stored(clearing::ends(day))))
                .filter(movement::from_account.eq("gateway").or(movement::to_account.eq("gateway")))
                .count()
                .get_result(connection)?;
            Ok(moved > 0)
        })
    }

    /// The newest days that were compared.
    ///
    /// # Errors
    /// When the database fails.
    pub fn clearing_days(&self, most: i64) -> Result<Vec<ClearingDayRow>, StoreError> {
        self.read(|connection| {
            let rows: Vec<(NaiveDate, NaiveDateTime, i32, i32)> =
                clearing_day::table.order(clearing_day::day.desc()).limit(most).load(connection)?;
            let row = |(day, at, lines, matched): (NaiveDate, NaiveDateTime, i32, i32)| {
                let lines = (lines != UNREAD).then_some(lines);
                ClearingDayRow { day, fetched_at: instant(at), lines, matched }
            };
            Ok(rows.into_iter().map(row).collect())
        })
    }

    /// Discrepancies: the open ones, oldest first, or the resolved ones, newest first; `after` is the last row of the
    /// page before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn discrepancies(
        &self,
        open: bool,
        after: Option<(DateTime<Utc>, String)>,
        most: i64,
    ) -> Result<Vec<DiscrepancyRow>, StoreError> {
        type Row = (
            String,
            NaiveDate,
            String,
            String,
            Option<i64>,
            Option<i64>,
            NaiveDateTime,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<String>,
            Option<NaiveDateTime>,
        );
        self.read(|connection| {
            // From the beginning of time, or its end.
            let (at, id) = match after {
                Some((at, id)) => (stored(at), id),
                None if open => (DateTime::UNIX_EPOCH.naive_utc(), String::new()),
                None => (stored(DateTime::from_timestamp(LAST_SECOND, 0).unwrap_or_default()), String::new()),
            };
            let rows: Vec<Row> = if open {
                let later = discrepancy::opened_at.gt(at).or(discrepancy::opened_at.eq(at).and(discrepancy::id.gt(id)));
                let page = discrepancy::table.filter(discrepancy::resolved_at.is_null()).filter(later);
                page.order((discrepancy::opened_at, discrepancy::id)).limit(most).load(connection)?
            } else {
                let earlier =
                    discrepancy::resolved_at.lt(at).or(discrepancy::resolved_at.eq(at).and(discrepancy::id.lt(id)));
                let page = discrepancy::table.filter(discrepancy::resolved_at.is_not_null()).filter(earlier);
                page.order((discrepancy::resolved_at.desc(), discrepancy::id.desc())).limit(most).load(connection)?
            };
            let row = |(
                id,
                day,
                kind,
                order,
                here,
                there,
                opened,
                owner,
                proposed_by,
                resolution,
                confirmed,
                resolved,
            ): Row| {
                DiscrepancyRow {
                    id,
                    day,
                    kind,
                    order,
                    here: here.map(Fen),
                    there: there.map(Fen),
                    opened_at: instant(opened),
                    owner,
                    proposed_by,
                    resolution,
                    resolved: resolved.map(instant).zip(confirmed),
                }
            };
            Ok(rows.into_iter().map(row).collect())
        })
    }

    /// Takes a discrepancy on, and proposes how it is resolved.
    ///
    /// # Errors
    /// When the database fails; false when it is resolved already.
    pub fn propose_resolution(&self, id: &str, by: StaffId, words: &str) -> Result<bool, StoreError> {
        self.write(|connection| {
            let row = discrepancy::table.find(id).filter(discrepancy::resolved_at.is_null());
            let by = by.to_string();
            let set = (
                discrepancy::owner.eq(Some(&by)),
                discrepancy::proposed_by.eq(Some(&by)),
                discrepancy::resolution.eq(Some(words)),
            );
            Ok(diesel::update(row).set(set).execute(connection)? == 1)
        })
    }

    /// Confirms a proposed resolution; never by whoever proposed it, and only in the words that were seen.
    ///
    /// # Errors
    /// When the database fails; false when there is nothing for this person to confirm.
    pub fn confirm_resolution(
        &self,
        id: &str,
        by: StaffId,
        words: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        self.write(|connection| {
            let by = by.to_string();
            let row = discrepancy::table
                .find(id)
                .filter(discrepancy::resolved_at.is_null())
                .filter(discrepancy::resolution.eq(words))
                .filter(discrepancy::proposed_by.ne(&by));
            let set = (discrepancy::confirmed_by.eq(Some(&by)), discrepancy::resolved_at.eq(Some(stored(now))));
            if diesel::update(row).set(set).execute(connection)? != 1 {
                return Ok(false);
            }
            // A movement that no file has is explained from now on, and not found again each day.
            let (day, kind, order): (NaiveDate, String, String) = discrepancy::table
                .find(id)
                .select((discrepancy::day, discrepancy::kind, discrepancy::order_id))
                .first(connection)?;
            if kind == Difference::MissingThere.code() {
                for key in [format!("settle:{order}"), order] {
                    let known: i64 = movement::table.filter(movement::key.eq(&key)).count().get_result(connection)?;
                    let cleared: i64 =
                        cleared::table.filter(cleared::movement_key.eq(&key)).count().get_result(connection)?;
                    if known == 1 && cleared == 0 {
                        confirm(connection, &[key], day)?;
                    }
                }
            }
            Ok(true)
        })
    }
}
