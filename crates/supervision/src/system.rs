//! The whole: clock, journal, dead letters, arbiters, supervisors, and an end in order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::dead_letters::DeadLetters;
use crate::events::{Event, EventKind, Journal};
use crate::restart::Intensity;
use crate::supervisor::Supervisor;
use crate::vitals::{Hold, State, Vitals};

/// A running system of supervised children; clones are handles to the same one.
#[derive(Clone)]
pub struct System {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    journal: Journal,
    dead_letters: DeadLetters,
    arbiters: Vec<actix::Arbiter>,
    handles: Vec<actix::ArbiterHandle>,
    turn: AtomicUsize,
    groups: Mutex<Vec<Arc<dyn Group>>>,
    given_up: watch::Sender<bool>,
    ending: AtomicBool,
    watchers: AtomicUsize,
}

/// As long as this is held, letters are measured.
pub struct Watch {
    system: System,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.system.inner.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Something with children that a shutdown ends.
pub(crate) trait Group: Send + Sync {
    fn close(&self);
    fn stop(&self);
    fn busy(&self) -> usize;
    fn alive(&self) -> usize;
}

impl Group for Supervisor {
    fn close(&self) {
        Self::close(self);
    }

    fn stop(&self) {
        Self::stop(self);
    }

    fn busy(&self) -> usize {
        let at_work = |vitals: &&Arc<Vitals>| vitals.is_busy();
        self.children().iter().filter(at_work).count()
    }

    fn alive(&self) -> usize {
        self.children().iter().filter(|vitals| vitals.state() != State::Stopped).count()
    }
}

/// How an ordered end went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Children that were still at work when the deadline came.
    pub cut_off: usize,
}

impl System {
    /// Starts a system with its own arbiters (threads). To be called inside an actix system.
    pub fn start(clock: Arc<dyn Clock>, arbiters: usize) -> Self {
        let arbiters: Vec<_> = (0..arbiters.max(1)).map(|_| actix::Arbiter::new()).collect();
        let handles = arbiters.iter().map(actix::Arbiter::handle).collect();
        Self {
            inner: Arc::new(Inner {
                clock,
                journal: Journal::new(1_000),
                dead_letters: DeadLetters::new(200),
                arbiters,
                handles,
                turn: AtomicUsize::new(0),
                groups: Mutex::new(Vec::new()),
                given_up: watch::Sender::new(false),
                ending: AtomicBool::new(false),
                watchers: AtomicUsize::new(0),
            }),
        }
    }

    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    /// The clock that everything here goes by.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// The supervision log.
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// What was dropped unopened.
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.inner.dead_letters
    }

    /// A supervisor under `parent`, or under the root: if that fails too often the whole system gives up.
    pub fn supervisor(&self, name: &str, intensity: Intensity, parent: Option<Arc<Supervisor>>) -> Arc<Supervisor> {
        let supervisor = Supervisor::new(name, intensity, parent, self.clone());
        self.register(Arc::clone(&supervisor) as Arc<dyn Group>);
        supervisor
    }

    pub(crate) fn register(&self, group: Arc<dyn Group>) {
        self.inner.groups.lock().unwrap_or_else(PoisonError::into_inner).push(group);
    }

    pub(crate) fn next_arbiter(&self) -> actix::ArbiterHandle {
        self.arbiter_for(self.inner.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// The arbiter on which everything with this hash lives.
    pub(crate) fn arbiter_for(&self, hash: usize) -> actix::ArbiterHandle {
        let handles = &self.inner.handles;
        handles.get(hash % handles.len().max(1)).cloned().unwrap_or_else(actix::Arbiter::current)
    }

    /// Reports that a row crashed its worker too often and is set aside; `why` is the last failure's reference.
    pub fn work_parked(&self, child: &str, row: &str, why: &str) {
        let (row, detail) = (row.to_owned(), why.to_owned());
        self.report(Event { row, detail, ..Event::new(self.now(), EventKind::WorkParked, child) });
    }

    /// Reports that a row was worked off after all; `by` is who had it tried again, if anybody had.
    pub fn work_mended(&self, child: &str, row: &str, by: &str) {
        let (row, by) = (row.to_owned(), by.to_owned());
        self.report(Event { row, by, ..Event::new(self.now(), EventKind::WorkMended, child) });
    }

    pub(crate) fn emit(&self, kind: EventKind, child: &str, epoch: u64, detail: &str, backoff_ms: u64) {
        let detail = detail.to_owned();
        self.report(Event { epoch, detail, backoff_ms, ..Event::new(self.now(), kind, child) });
    }

    pub(crate) fn report(&self, event: Event) {
        self.inner.journal.record(event);
    }

    /// Has letters measured from now on: the age of the oldest, the time that handling takes. Nothing is measured while
    /// nobody holds a watch.
    pub fn watch(&self) -> Watch {
        self.inner.watchers.fetch_add(1, Ordering::Relaxed);
        Watch { system: self.clone() }
    }

    /// Whether anybody watches.
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.inner.watchers.load(Ordering::Relaxed) > 0
    }

    /// Whether the end has begun.
    pub fn is_ending(&self) -> bool {
        self.inner.ending.load(Ordering::Relaxed)
    }

    pub(crate) fn give_up(&self) {
        self.inner.given_up.send_replace(true);
    }

    /// Ends when the root's intensity is exceeded: the process should exit non-zero and be started again.
    pub async fn given_up(&self) {
        let mut given_up = self.inner.given_up.subscribe();
        // The sender lives as long as the system does.
        let _ = given_up.wait_for(|up| *up).await;
    }

    /// Ends everything, the last started group first: no new letters, then the accepted ones, then the children.
    ///
    /// `deadline` is on the machine's clock, for a test clock would never get there.
    pub async fn shutdown(&self, deadline: Duration) -> Shutdown {
        self.inner.ending.store(true, Ordering::Relaxed);
        let until = tokio::time::Instant::now() + deadline;
        let mut groups = self.inner.groups.lock().unwrap_or_else(PoisonError::into_inner).clone();
        groups.reverse();
        let mut cut_off = 0;
        for group in groups {
            group.close();
            while group.busy() > 0 && tokio::time::Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            cut_off += group.busy();
            group.stop();
            while group.alive() > group.busy() && tokio::time::Instant::now() < until {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        for arbiter in &self.inner.arbiters {
            arbiter.stop();
        }
        Shutdown { cut_off }
    }

    /// The signs of life of the children of every supervisor are reached through it; this counts all threads.
    pub fn arbiters(&self) -> usize {
        self.inner.handles.len()
    }
}

impl Vitals {
    /// Whether letters are inside that will be answered: a suspended child answers nobody, a paused one not now.
    pub(crate) fn is_busy(&self) -> bool {
        self.depth() > 0
            && !matches!(self.state(), State::Stopped | State::Suspended)
            && self.hold() != Some(Hold::Paused)
    }

    /// True unless the child is down, suspended or gone.
    pub fn healthy(&self) -> bool {
        matches!(self.state(), State::Running | State::Starting)
    }
}
