//! Refunds: the scheduler's due ones, the finance queue, and the balances of the ledger.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::ids::{ApplicantId, ApplicationId, RefundId};
use domain::money::Fen;
use domain::refund::RefundState;

use crate::connection::Store;
use crate::error::StoreError;
use crate::schema::{application, movement, refund};
use crate::time::{instant, stored};

/// Where a refund is found.
#[derive(Debug, Clone, Copy)]
pub struct RefundPlace {
    /// Of whom.
    pub applicant: ApplicantId,
    /// In which application.
    pub application: ApplicationId,
    /// Which.
    pub refund: RefundId,
}

/// One row of the finance queue.
#[derive(Debug, Clone)]
pub struct RefundRow {
    /// Where it is found.
    pub place: RefundPlace,
    /// The application's number.
    pub number: String,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
}

/// One movement of the ledger.
#[derive(Debug, Clone)]
pub struct LedgerRow {
    /// What makes it one and the same movement.
    pub key: String,
    /// Of which application.
    pub number: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Which account gave.
    pub from: String,
    /// Which account took.
    pub to: String,
    /// How much.
    pub amount: Fen,
}

pub(crate) fn place(applicant: &str, application: &str, refund: &str) -> Result<RefundPlace, StoreError> {
    Ok(RefundPlace {
        applicant: applicant.parse().map_err(|_| StoreError::Value("refund.applicant_id"))?,
        application: application.parse().map_err(|_| StoreError::Value("refund.application_id"))?,
        refund: refund.parse().map_err(|_| StoreError::Value("refund.id"))?,
    })
}

impl Store {
    /// The refund that the scheduler must look at first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn due_refund(&self, now: DateTime<Utc>) -> Result<Option<RefundPlace>, StoreError> {
        self.read(|connection| {
            let row: Option<(String, String, String)> = refund::table
                .filter(refund::look_at.le(stored(now)))
                .order((refund::look_at, refund::id))
                .select((refund::applicant_id, refund::application_id, refund::id))
                .first(connection)
                .optional()?;
            row.map(|(applicant, application, id)| place(&applicant, &application, &id)).transpose()
        })
    }

    /// Looks at a refund later, because its applicant could not be reached: others must not wait behind it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn defer_refund(&self, id: RefundId, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = refund::table.find(id.to_string()).filter(refund::look_at.is_not_null());
            diesel::update(row).set(refund::look_at.eq(stored(until))).execute(connection)?;
            Ok(())
        })
    }

    /// The refund that an order of ours is about.
    ///
    /// # Errors
    /// When the database fails; an unknown order is `None`.
    pub fn refund_by_order(&self, order: &str) -> Result<Option<RefundPlace>, StoreError> {
        self.read(|connection| {
            let row: Option<(String, String, String)> = refund::table
                .filter(refund::order_id.eq(order))
                .select((refund::applicant_id, refund::application_id, refund::id))
                .first(connection)
                .optional()?;
            row.map(|(applicant, application, id)| place(&applicant, &application, &id)).transpose()
        })
    }

    /// The refunds in one state, oldest first, `after` the last row of the page before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn refunds(
        &self,
        state: RefundState,
        after: Option<(DateTime<Utc>, RefundId)>,
        most: i64,
    ) -> Result<Vec<RefundRow>, StoreError> {
        self.read(|connection| {
            let page = refund::table
                .inner_join(application::table.on(application::id.eq(refund::application_id)))
                .filter(refund::state.eq(state.code()))
                .order((refund::asked_at, refund::id))
                .select((
                    refund::applicant_id,
                    refund::application_id,
                    refund::id,
                    application::number,
                    refund::asked_at,
                ))
                .limit(most);
            type Row = (String, String, String, Option<String>, NaiveDateTime);
            let rows: Vec<Row> = match after {
                None => page.load(connection)?,
                Some((at, id)) => {
                    let at = stored(at);
                    let later = refund::asked_at.gt(at).or(refund::asked_at.eq(at).and(refund::id.gt(id.to_string())));
                    page.filter(later).load(connection)?
                }
            };
            rows.into_iter()
                .map(|(applicant, application, id, number, asked_at)| {
                    Ok(RefundRow {
                        place: place(&applicant, &application, &id)?,
                        number: number.unwrap_or_default(),
                        asked_at: instant(asked_at),
                    })
                })
                .collect()
        })
    }

    /// How many refunds are approved or with the bank, and not back yet.
    ///
    /// # Errors
    /// When the database fails.
    pub fn refunds_going(&self) -> Result<i64, StoreError> {
        Ok(self.count_refunds(RefundState::Approved)? + self.count_refunds(RefundState::Sent)?)
    }

    /// How many refunds are in one state.
    ///
    /// # Errors
    /// When the database fails.
    pub fn count_refunds(&self, state: RefundState) -> Result<i64, StoreError> {
        self.read(|connection| {
            Ok(refund::table.filter(refund::state.eq(state.code())).count().get_result(connection)?)
        })
    }

    /// The balance of each account, by name; together they are zero.
    ///
    /// # Errors
    /// When the database fails.
    pub fn balances(&self) -> Result<Vec<(String, Fen)>, StoreError> {
        #[derive(QueryableByName)]
        struct Balance {
            #[diesel(sql_type = diesel::sql_types::Text)]
            account: String,
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            balance: i64,
        }
        self.read(|connection| {
            // On PostgreSQL a sum of bigint is numeric.
            let sums = "SELECT account, CAST(SUM(amount) AS BIGINT) AS balance FROM ledger_entry GROUP BY account ORDER BY account";
            let rows: Vec<Balance> = diesel::sql_query(sums).load(connection)?;
            Ok(rows.into_iter().map(|row| (row.account, Fen(row.balance))).collect())
        })
    }

    /// Movements, newest first, `before` the last one of the page before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ledger(&self, before: Option<(DateTime<Utc>, String)>, most: i64) -> Result<Vec<LedgerRow>, StoreError> {
        self.read(|connection| {
            let page = movement::table
                .inner_join(application::table.on(application::id.eq(movement::application_id)))
                .order((movement::at.desc(), movement::key.desc()))
                .select((
                    movement::key,
                    application::number,
                    movement::at,
                    movement::from_account,
                    movement::to_account,
                    movement::amount,
                ))
                .limit(most);
            type Row = (String, Option<String>, NaiveDateTime, String, String, i64);
            let rows: Vec<Row> = match before {
                None => page.load(connection)?,
                Some((at, key)) => {
                    let at = stored(at);
                    page.filter(movement::at.lt(at).or(movement::at.eq(at).and(movement::key.lt(key))))
                        .load(connection)?
                }
            };
            let row = |(key, number, at, from, to, amount): Row| LedgerRow {
                key,
                number: number.unwrap_or_default(),
                at: instant(at),
                from,
                to,
                amount: Fen(amount),
            };
            Ok(rows.into_iter().map(row).collect())
        })
    }
}
