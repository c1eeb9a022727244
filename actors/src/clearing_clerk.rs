//! Fetches the gateway's clearing file of each day after its cut and compares it with the ledger (unionpay.md §9).

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use domain::clearing::ClearingLine;
use gateways::GatewayError;
use gateways::unionpay::clearing;
use store::{Queue, Task};
use supervision::{Desk, Step, Work};

use crate::blocking::run;
use crate::session::Fault;
use crate::tree::World;

/// A day's file may come so late.
const PATIENCE: TimeDelta = TimeDelta::hours(24);
/// A file that can't be had is asked for again after so long.
const AGAIN: TimeDelta = TimeDelta::minutes(10);

/// The work of the clearing clerk.
pub(crate) struct ClearingClerk {
    world: Arc<World>,
    not_before: Cell<Option<DateTime<Utc>>>,
}

impl ClearingClerk {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world, not_before: Cell::new(None) }
    }

    async fn lines(&self, day: NaiveDate, now: DateTime<Utc>) -> Result<Vec<ClearingLine>, GatewayError> {
        let Some(content) = self.world.outside.union_pay.clearing_file(day, now).await? else {
            // Late, or a day without any money: believed once a whole day has gone by, or when we know of none either.
            let store = Arc::clone(&self.world.store);
            let moved = run(&self.world.rows, move || store.moved_on(day)).await;
            if now < domain::clearing::ends(day) + PATIENCE && moved.unwrap_or(true) {
                return Err(GatewayError::Refused("no file yet".into()));
            }
            return Ok(Vec::new());
        };
        run(&self.world.heavy, move || clearing::parse(&clearing::unpack(&content)?)).await
    }

    async fn compare(&self, day: NaiveDate, now: DateTime<Utc>) -> Result<usize, String> {
        let lines = self.lines(day, now).await.map_err(|error| error.to_string())?;
        self.world.pass("clearing-fetched").await;
        let store = Arc::clone(&self.world.store);
        run(&self.world.heavy, move || store.keep_clearing_day(day, &lines, now))
            .await
            .map_err(|error| error.to_string())
    }
}

impl Work for ClearingClerk {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        let (store, now) = (Arc::clone(&self.world.store), self.world.clock.now());
        if self.not_before.get().is_some_and(|until| now < until) {
            return Step::Idle;
        }
        let due = match run(&self.world.rows, move || store.due_clearing_day(now)).await {
            Ok(Some(due)) => due,
            Ok(None) => return Step::Idle,
            Err(error) => {
                Fault::new(error);
                return Step::Idle;
            }
        };
        desk.take_up(Task::new(Queue::Clearing, due));
        match self.compare(due, now).await {
            Ok(found) => {
                tracing::info!(day = %due, discrepancies = found, "clearing file compared");
                Step::Worked
            }
            Err(error) => {
                tracing::error!(day = %due, %error, "a clearing file that can't be had");
                if now > domain::clearing::ends(due) + PATIENCE * 3 {
                    let store = Arc::clone(&self.world.store);
                    if run(&self.world.rows, move || store.skip_clearing_day(due, now)).await.is_ok() {
                        return Step::Worked;
                    }
                }
                self.not_before.set(Some(now + AGAIN));
                Step::Idle
            }
        }
    }
}
