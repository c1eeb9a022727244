//! Attempts that are due to be asked about, the gateway's messages as they came, and the movements of money.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::effects::Movement;
use domain::ids::{ApplicantId, ApplicationId, AttemptId};
use domain::money::Fen;
use domain::payment::Attempt;
use uuid::Uuid;

use crate::connection::{AnyConnection, Store};
use crate::error::StoreError;
use crate::schema::{attempt, gateway_message, movement};
use crate::time::{instant, stored};

/// An attempt of which the gateway must be asked.
#[derive(Debug)]
pub struct DueAttempt {
    /// Of whom.
    pub applicant: ApplicantId,
    /// Of which application.
    pub application: ApplicationId,
    /// The attempt.
    pub attempt: Attempt,
    /// When the gateway last called about it, if nobody has looked since.
    pub notified: Option<DateTime<Utc>>,
}

/// A message of the gateway, raw.
#[derive(Debug, Clone)]
pub struct GatewayMessage {
    /// When it came.
    pub at: DateTime<Utc>,
    /// Whether its signature held.
    pub verified: bool,
    /// As it came.
    pub raw: String,
}

/// A booked movement.
#[derive(Debug, Clone)]
pub struct MovementRow {
    /// When.
    pub at: DateTime<Utc>,
    /// Which account gave.
    pub from: String,
    /// Which account took.
    pub to: String,
    /// How much.
    pub amount: Fen,
}

pub(crate) fn book(
    connection: &mut AnyConnection,
    movements: &[Movement],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for booked in movements {
        diesel::insert_into(movement::table)
            .values((
                movement::key.eq(&booked.key),
                movement::application_id.eq(booked.application.to_string()),
                movement::at.eq(stored(now)),
                movement::from_account.eq(booked.from),
                movement::to_account.eq(booked.to),
                movement::amount.eq(booked.amount.0),
            ))
            .execute(connection)?;
    }
    Ok(())
}

type Row = (String, String, String, Option<NaiveDateTime>);

fn due((applicant, application, body, notified): Row) -> Result<DueAttempt, StoreError> {
    Ok(DueAttempt {
        applicant: applicant.parse().map_err(|_| StoreError::Value("attempt.applicant_id"))?,
        application: application.parse().map_err(|_| StoreError::Value("attempt.application_id"))?,
        attempt: serde_json::from_str(&body)?,
        notified: notified.map(instant),
    })
}

impl Store {
    /// The attempt whose question is due first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn due_attempt(&self, now: DateTime<Utc>) -> Result<Option<DueAttempt>, StoreError> {
        self.read(|connection| {
            let row: Option<Row> = attempt::table
                .filter(attempt::query_at.le(stored(now)).or(attempt::notified_at.is_not_null()))
                .order((attempt::query_at, attempt::id))
                .select((attempt::applicant_id, attempt::application_id, attempt::body, attempt::notified_at))
                .first(connection)
                .optional()?;
            row.map(due).transpose()
        })
    }

    /// The attempt with this order, whoever asks.
    ///
    /// # Errors
    /// `Missing` when there is none.
    pub fn attempt_by_order(&self, order: &str) -> Result<DueAttempt, StoreError> {
        self.read(|connection| {
            let row: Row = attempt::table
                .filter(attempt::order_id.eq(order))
                .select((attempt::applicant_id, attempt::application_id, attempt::body, attempt::notified_at))
                .first(connection)?;
            due(row)
        })
    }

    /// The call about an attempt has been followed up, unless another one came meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub fn notification_followed(&self, id: AttemptId, seen: Option<DateTime<Utc>>) -> Result<(), StoreError> {
        let Some(seen) = seen else { return Ok(()) };
        self.write(|connection| {
            let row = attempt::table.find(id.to_string()).filter(attempt::notified_at.eq(stored(seen)));
            diesel::update(row).set(attempt::notified_at.eq(None::<NaiveDateTime>)).execute(connection)?;
            Ok(())
        })
    }

    /// Asks about an attempt later, because its applicant could not be reached: others must not wait behind it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn defer_attempt(&self, due: &DueAttempt, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = attempt::table.find(due.attempt.id.to_string());
            diesel::update(row).set(attempt::query_at.eq(stored(until))).execute(connection)?;
            Ok(())
        })?;
        self.notification_followed(due.attempt.id, due.notified)
    }

    /// Keeps a verified message of the gateway as it came, before anything is made of it, and has its order asked about
    /// at once. From here on it can't be lost: the mark stays until somebody asked after it was set.
    ///
    /// # Errors
    /// When the database fails: then the gateway must be told to send it again.
    pub fn keep_gateway_message(&self, order: &str, raw: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            let same: i64 = gateway_message::table
                .filter(gateway_message::order_id.eq(order))
                .filter(gateway_message::raw.eq(raw))
                .count()
                .get_result(connection)?;
            // Sent again, by the gateway or by whoever saw it pass: it is kept once, and says nothing new.
            if same > 0 {
                return Ok(());
            }
            diesel::insert_into(gateway_message::table)
                .values((
                    gateway_message::id.eq(Uuid::now_v7().simple().to_string()),
                    gateway_message::order_id.eq(order),
                    gateway_message::at.eq(stored(now)),
                    gateway_message::verified.eq(true),
                    gateway_message::raw.eq(raw),
                ))
                .execute(connection)?;
            // A column of its own: the attempt itself is the session actor's, whose commit must not undo the mark.
            let row = attempt::table.filter(attempt::order_id.eq(order));
            diesel::update(row).set(attempt::notified_at.eq(stored(now))).execute(connection)?;
            Ok(())
        })
    }

    /// What the gateway sent about an order.
    ///
    /// # Errors
    /// When the database fails.
    pub fn gateway_messages(&self, order: &str) -> Result<Vec<GatewayMessage>, StoreError> {
        self.read(|connection| {
            let rows: Vec<(NaiveDateTime, bool, String)> = gateway_message::table
                .filter(gateway_message::order_id.eq(order))
                .order(gateway_message::id)
                .select((gateway_message::at, gateway_message::verified, gateway_message::raw))
                .limit(100)
                .load(connection)?;
            let row = |(at, verified, raw)| GatewayMessage { at: instant(at), verified, raw };
            Ok(rows.into_iter().map(row).collect())
        })
    }

    /// The movements of one application.
    ///
    /// # Errors
    /// When the database fails.
    pub fn movements(&self, application: ApplicationId) -> Result<Vec<MovementRow>, StoreError> {
        self.read(|connection| {
            let rows: Vec<(NaiveDateTime, String, String, i64)> = movement::table
                .filter(movement::application_id.eq(application.to_string()))
                .order(movement::at)
                .select((movement::at, movement::from_account, movement::to_account, movement::amount))
                .load(connection)?;
            let row = |(at, from, to, amount)| MovementRow { at: instant(at), from, to, amount: Fen(amount) };
            Ok(rows.into_iter().map(row).collect())
        })
    }

    /// How many attempts contradict their order, or the gateway itself, and wait for somebody to look.
    ///
    /// # Errors
    /// When the database fails.
    pub fn attempts_parked(&self) -> Result<i64, StoreError> {
        self.read(|connection| Ok(attempt::table.filter(attempt::state.eq("parked")).count().get_result(connection)?))
    }

    /// How many attempts wait for the gateway's word.
    ///
    /// # Errors
    /// When the database fails.
    pub fn attempts_waiting(&self) -> Result<i64, StoreError> {
        self.read(|connection| {
            Ok(attempt::table.filter(attempt::query_at.is_not_null()).count().get_result(connection)?)
        })
    }
}
