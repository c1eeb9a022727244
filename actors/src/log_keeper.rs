//! Keeps the supervision log in the database, a moment after it happened: operators look back over restarts (R7.1).

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use store::{EVENTS_KEPT, EventRow, StoreError};
use supervision::{Desk, Event, Step, Work};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use crate::blocking::run;
use crate::session::Fault;
use crate::tree::World;

/// Events that are written in one transaction.
const AT_ONCE: usize = 500;
/// Events that wait for a database that does not answer; older ones are then in the JSON log alone.
const WAITING_MOST: usize = 10_000;
/// How often old events are looked for.
const FORGET_EVERY: TimeDelta = TimeDelta::hours(1);
const FORGOTTEN_AT_ONCE: i64 = 2_000;

/// Events on their way into the database; it outlives incarnations of the keeper.
pub struct Incoming {
    heard: broadcast::Receiver<Event>,
    waiting: VecDeque<EventRow>,
    forget_at: Option<DateTime<Utc>>,
}

/// The row of an event.
pub fn row(event: Event) -> EventRow {
    EventRow {
        id: uuid::Uuid::now_v7().simple().to_string(),
        at: store::Instant(event.at),
        kind: event.kind.name().into(),
        child: event.child,
        epoch: i64::try_from(event.epoch).unwrap_or(i64::MAX),
        detail: event.detail,
        backoff_ms: i64::try_from(event.backoff_ms).unwrap_or(i64::MAX),
        task: event.row,
        by_whom: event.by,
    }
}

impl Incoming {
    pub(crate) fn new(heard: broadcast::Receiver<Event>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self { heard, waiting: VecDeque::new(), forget_at: None }))
    }

    fn take_in(&mut self) {
        loop {
            match self.heard.try_recv() {
                Ok(event) => {
                    if self.waiting.len() >= WAITING_MOST {
                        self.waiting.pop_front();
                    }
                    self.waiting.push_back(row(event));
                }
                Err(TryRecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "supervision events came faster than they could be kept");
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    fn next(&mut self) -> Vec<EventRow> {
        self.take_in();
        self.waiting.iter().take(AT_ONCE).cloned().collect()
    }

    fn kept(&mut self, rows: &[EventRow]) {
        while self.waiting.front().is_some_and(|first| rows.iter().any(|row| row.id == first.id)) {
            self.waiting.pop_front();
        }
    }

    fn forgets(&mut self, now: DateTime<Utc>) -> bool {
        let due = self.forget_at.is_none_or(|at| now >= at);
        if due {
            self.forget_at = Some(now + FORGET_EVERY);
        }
        due
    }
}

/// Writes what is left, at the end.
///
/// # Errors
/// When the database fails.
pub(crate) fn flush(incoming: &Mutex<Incoming>, world: &World) -> Result<(), StoreError> {
    loop {
        let rows = incoming.lock().unwrap_or_else(PoisonError::into_inner).next();
        if rows.is_empty() {
            return Ok(());
        }
        world.store.keep_events(&rows)?;
        incoming.lock().unwrap_or_else(PoisonError::into_inner).kept(&rows);
    }
}

/// The work of the log keeper.
pub(crate) struct LogKeeper {
    world: Arc<World>,
    incoming: Arc<Mutex<Incoming>>,
}

impl LogKeeper {
    pub(crate) fn new(world: Arc<World>, incoming: Arc<Mutex<Incoming>>) -> Self {
        Self { world, incoming }
    }

    fn incoming(&self) -> std::sync::MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work for LogKeeper {
    async fn step(self: Rc<Self>, _: Desk) -> Step {
        let (now, store) = (self.world.clock.now(), Arc::clone(&self.world.store));
        if self.incoming().forgets(now) {
            let forgotten = run(&self.world.rows, move || store.forget_events(now - EVENTS_KEPT, FORGOTTEN_AT_ONCE));
            match forgotten.await {
                // There may be more: the next step goes on.
                Ok(count) if i64::try_from(count).unwrap_or(0) >= FORGOTTEN_AT_ONCE => {
                    self.incoming().forget_at = None;
                }
                Ok(_) => {}
                Err(error) => {
                    Fault::new(error);
                }
            }
        }
        let rows = self.incoming().next();
        if rows.is_empty() {
            return Step::Idle;
        }
        let (store, given) = (Arc::clone(&self.world.store), rows.clone());
        match run(&self.world.rows, move || store.keep_events(&given)).await {
            Ok(()) => {
                self.incoming().kept(&rows);
                Step::Worked
            }
            // They wait here; an event about this fault would only add to them.
            Err(error) => {
                tracing::warn!(%error, "supervision events can't be kept at present");
                Step::Idle
            }
        }
    }
}
