//! What can be seen of a child from outside, without asking it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::exit::Failure;

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
#[derive(Debug)]
pub struct Vitals {
    name: Box<str>,
    state: AtomicU8,
    accepting: AtomicBool,
    depth: AtomicU32,
    bound: u32,
    restarts: AtomicU32,
    handled: AtomicU64,
    touched: AtomicI64,
    failure: Mutex<Option<Box<Failure>>>,
}

impl Vitals {
    pub(crate) fn new(name: &str, bound: u32, now: DateTime<Utc>) -> Self {
        Self {
            name: name.into(),
            state: AtomicU8::new(State::Starting as u8),
            accepting: AtomicBool::new(true),
            depth: AtomicU32::new(0),
            bound,
            restarts: AtomicU32::new(0),
            handled: AtomicU64::new(0),
            touched: AtomicI64::new(now.timestamp()),
            failure: Mutex::new(None),
        }
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
        self.depth.load(Ordering::SeqCst)
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

    /// When the last letter was opened (second precision).
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

    pub(crate) fn opened(&self, now: DateTime<Utc>) {
        self.handled.fetch_add(1, Ordering::Relaxed);
        self.touched.store(now.timestamp(), Ordering::Relaxed);
    }

    /// Takes a place in the mailbox, if there is one.
    pub(crate) fn enter(&self) -> Result<(), Full> {
        let before = self.depth.fetch_add(1, Ordering::SeqCst);
        if !self.accepting.load(Ordering::SeqCst) {
            self.leave();
            return Err(Full::Closed);
        }
        if before >= self.bound {
            self.leave();
            return Err(Full::Full);
        }
        Ok(())
    }

    pub(crate) fn leave(&self) {
        self.depth.fetch_sub(1, Ordering::SeqCst);
    }

    /// Refuses letters from now on.
    pub(crate) fn close(&self) {
        self.accepting.store(false, Ordering::SeqCst);
    }

    /// Refuses letters from now on if none is under way; both sides order these two steps the same way, so that
    /// no letter can slip in between.
    pub(crate) fn close_if_idle(&self) -> bool {
        self.close();
        if self.depth() == 0 && self.state() == State::Running {
            return true;
        }
        self.accepting.store(true, Ordering::SeqCst);
        false
    }
}

/// Why there is no place in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Full,
    Closed,
}
