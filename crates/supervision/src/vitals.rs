//! What can be seen of a child from outside, without asking it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::exit::Failure;
use crate::system::System;

/// The bit of `places` that says: no more letters. The others count the letters inside.
const SHUT: u32 = 1 << 31;

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Made, and not started yet.
    Starting = 0,
    /// At work or waiting for letters.
    Running = 1,
    /// Crashed, and waiting to be started again; its letters keep.
    BackingOff = 2,
    /// Crashed too often; its parent decides.
    Suspended = 3,
    /// Gone.
    Stopped = 4,
}

impl State {
    /// The word that the console shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::BackingOff => "backing off",
            Self::Suspended => "suspended",
            Self::Stopped => "stopped",
        }
    }
}

/// The signs of life of one child; small, for there may be a million.
pub struct Vitals {
    system: System,
    name: Box<str>,
    state: AtomicU8,
    /// Whether a letter was opened since the last sweep.
    used: AtomicBool,
    places: AtomicU32,
    bound: u32,
    restarts: AtomicU32,
    handled: AtomicU64,
    touched: AtomicI64,
    failure: Mutex<Option<Box<Failure>>>,
}

impl std::fmt::Debug for Vitals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vitals").field("name", &self.name).field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Vitals {
    pub(crate) fn new(name: &str, bound: u32, system: System) -> Self {
        Self {
            touched: AtomicI64::new(system.now().timestamp()),
            system,
            name: name.into(),
            state: AtomicU8::new(State::Starting as u8),
            used: AtomicBool::new(false),
            places: AtomicU32::new(0),
            bound: bound.min(SHUT >> 1),
            restarts: AtomicU32::new(0),
            handled: AtomicU64::new(0),
            failure: Mutex::new(None),
        }
    }

    pub(crate) fn system(&self) -> &System {
        &self.system
    }

    /// The child's name in the tree.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        match self.state.load(Ordering::SeqCst) {
            0 => State::Starting,
            1 => State::Running,
            2 => State::BackingOff,
            3 => State::Suspended,
            _ => State::Stopped,
        }
    }

    /// Letters accepted and not yet answered.
    pub fn depth(&self) -> u32 {
        self.places.load(Ordering::SeqCst) & !SHUT
    }

    /// How many letters the mailbox holds at the most.
    pub fn bound(&self) -> u32 {
        self.bound
    }

    /// Incarnations after the first.
    pub fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Letters opened since the start.
    pub fn handled(&self) -> u64 {
        self.handled.load(Ordering::Relaxed)
    }

    /// When a sweep last found that letters had been opened (second precision): never too early, at the most one
    /// sweep too late. Reading the clock for each letter would cost as much as the letter.
    pub fn touched(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.touched.load(Ordering::Relaxed), 0).unwrap_or_default()
    }

    /// The last crash, if there was one.
    pub fn last_failure(&self) -> Option<Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).as_deref().cloned()
    }

    pub(crate) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::SeqCst);
    }

    pub(crate) fn failed(&self, failure: Failure) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(failure));
    }

    pub(crate) fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes an opened letter. Only the child's own thread calls this, so no locked addition is needed.
    pub(crate) fn opened(&self) {
        self.handled.store(self.handled.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.used.store(true, Ordering::Relaxed);
    }

    /// Since when no letter was opened, as a sweep at `now` sees it.
    pub(crate) fn idle_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        if self.used.swap(false, Ordering::Relaxed) {
            self.touched.store(now.timestamp(), Ordering::Relaxed);
        }
        self.touched()
    }

    /// Takes a place in the mailbox, if there is one.
    pub(crate) fn enter(&self) -> Result<(), Full> {
        let before = self.places.fetch_add(1, Ordering::SeqCst);
        if before < self.bound {
            return Ok(());
        }
        self.leave();
        Err(if before & SHUT == 0 { Full::Full } else { Full::Closed })
    }

    pub(crate) fn leave(&self) {
        self.places.fetch_sub(1, Ordering::SeqCst);
    }

    /// Refuses letters from now on.
    pub(crate) fn close(&self) {
        self.places.fetch_or(SHUT, Ordering::SeqCst);
    }

    /// Refuses letters from now on if none is under way: one step, so that no letter can slip in between.
    pub(crate) fn close_if_idle(&self) -> bool {
        self.state() == State::Running
            && self.places.compare_exchange(0, SHUT, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// Why there is no place in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Full,
    Closed,
}
