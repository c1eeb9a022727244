//! Attempts to pay and what the gateway says of them (R2.10, unionpay.md §7–8).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::AttemptId;
use crate::money::Fen;

/// How long the cashier page takes money: 15 minutes (unionpay.md §5, payTimeout).
pub const PAY_WITHIN: TimeDelta = TimeDelta::minutes(15);
/// When nothing comes, the gateway is asked so many minutes after the start (unionpay.md §8.4).
pub const QUERY_MINUTES: [i64; 5] = [5, 10, 30, 60, 120];

/// The end of the schedule.
pub const LAST_QUERY: TimeDelta = TimeDelta::minutes(120);

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// The browser was sent to the cashier; the gateway has not said how it ended.
    Open,
    /// Money came, and it pays for the application.
    Paid,
    /// Money came for an application that was paid or closed already: to be given back.
    Surplus,
    /// No money came and none can come any more.
    Failed,
    /// The gateway's answer contradicts the order; an operator must look.
    Parked,
}

impl AttemptState {
    /// The code in rows and texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Surplus => "surplus",
            Self::Failed => "failed",
            Self::Parked => "parked",
        }
    }
}

/// One attempt: one order at the gateway, never used twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Our name for it.
    pub id: AttemptId,
    /// The gateway's `orderId`: letters and digits, at most 32.
    pub order: String,
    /// `txnTime`, Beijing time; with the order it names the transaction.
    pub txn_time: String,
    /// What it is to bring.
    pub amount: Fen,
    /// Where it stands.
    pub state: AttemptState,
    /// When the browser left.
    pub opened_at: DateTime<Utc>,
    /// After this the cashier takes no money.
    pub timeout_at: DateTime<Utc>,
    /// When the gateway is asked next; none when all is known.
    pub query_at: Option<DateTime<Utc>>,
    /// How often it was asked.
    pub queries: u32,
    /// When it was last asked.
    pub asked_at: Option<DateTime<Utc>>,
    /// The last code that it gave.
    pub resp_code: Option<String>,
    /// UnionPay's serial, once money came.
    pub query_id: Option<String>,
    /// When money came.
    pub settled_at: Option<DateTime<Utc>>,
}

impl Attempt {
    /// A fresh attempt at `now`.
    pub fn open(amount: Fen, now: DateTime<Utc>) -> Self {
        let id = AttemptId::fresh();
        let order = format!("RZ{}", id.0.simple()).chars().take(32).collect();
        Self {
            id,
            order,
            txn_time: crate::calendar::beijing(now).format("%Y%m%d%H%M%S").to_string(),
            amount,
            state: AttemptState::Open,
            opened_at: now,
            timeout_at: now + PAY_WITHIN,
            query_at: next_query(now, now),
            queries: 0,
            asked_at: None,
            resp_code: None,
            query_id: None,
            settled_at: None,
        }
    }
}

/// The next instant of the schedule after `now`; once it is over, every six hours, for nothing is ever guessed.
pub fn next_query(opened_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let schedule = QUERY_MINUTES.iter().map(|minutes| opened_at + TimeDelta::minutes(*minutes));
    Some(schedule.into_iter().find(|at| *at > now).unwrap_or(now + TimeDelta::hours(6)))
}

/// A gateway's word about one order, its signature verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayAnswer {
    /// `orderId`.
    pub order: String,
    /// `txnTime`.
    pub txn_time: String,
    /// `txnAmt` in fen, if it was said.
    pub amount: Option<i64>,
    /// `currencyCode`, if it was said.
    pub currency: Option<String>,
    /// The code of the *transaction*: `respCode` of a notification, `origRespCode` of a query, or 34 when the
    /// gateway does not know the order.
    pub code: String,
    /// `queryId`.
    pub query_id: Option<String>,
}

/// What a code means for the money (unionpay.md §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It came.
    Success,
    /// It came after the allowed time.
    LateSuccess,
    /// Not known yet.
    Pending,
    /// Debited, but whether it was written off is not known: somebody must look.
    Unclear,
    /// It did not come.
    Failure,
}

/// Reads a code of a transaction.
pub fn meaning(code: &str) -> Meaning {
    match code {
        "00" | "A6" => Meaning::Success,
        "42" => Meaning::LateSuccess,
        "03" | "04" | "05" | "06" | "34" | "70" => Meaning::Pending,
        "74" | "75" => Meaning::Unclear,
        _ => Meaning::Failure,
    }
}
