//! What can be seen of a child from outside, without asking it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::exit::Failure;
use crate::gauge::Gauge;
use crate::system::System;
use crate::tally::Tally;

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

/// That an operator keeps a child from working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Hold {
    /// Letters are taken and keep; none is opened.
    Paused = 1,
    /// No letter is taken; those that were are finished.
    Draining = 2,
}

impl Hold {
    /// The word that the console shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Draining => "draining",
        }
    }
}

impl State {
    /// Every state, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Starting, Self::Running, Self::BackingOff, Self::Suspended, Self::Stopped];

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
    tally: Arc<Tally>,
    gauge: OnceLock<Box<Gauge>>,
    state: AtomicU8,
    /// 0, or the number of a [`Hold`].
    held: AtomicU8,
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
    pub(crate) fn new(name: &str, bound: u32, tally: Arc<Tally>, system: System) -> Self {
        tally.born();
        Self {
            tally,
            gauge: OnceLock::new(),
            held: AtomicU8::new(0),
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

    #[inline]
    pub(crate) fn system(&self) -> &System {
        &self.system
    }

    /// The child's name in the tree.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        state(self.state.load(Ordering::SeqCst))
    }

    /// Whether an operator keeps it from working.
    #[inline]
    pub fn hold(&self) -> Option<Hold> {
        match self.held.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Hold::Paused),
            _ => Some(Hold::Draining),
        }
    }

    /// How long the oldest letter inside has been there; only of those that came while somebody watched.
    pub fn oldest(&self) -> Option<Duration> {
        self.gauge.get()?.oldest()
    }

    /// The span within which `percent` of the letters were handled that came while somebody watched.
    pub fn handled_within(&self, percent: u64) -> Option<Duration> {
        self.gauge.get()?.within(percent)
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

    pub(crate) fn set_state(self: &Arc<Self>, after: State) {
        let before = state(self.state.swap(after as u8, Ordering::SeqCst));
        if before != after {
            self.tally.moved(before, after);
            if !(before == State::Starting && after == State::Running) {
                self.tally.sort(self);
            }
        }
    }

    pub(crate) fn set_hold(self: &Arc<Self>, hold: Option<Hold>) {
        self.held.store(hold.map_or(0, |hold| hold as u8), Ordering::SeqCst);
        self.tally.sort(self);
    }

    /// A watched letter came.
    pub(crate) fn came(&self) -> Option<Instant> {
        if self.system.is_watched() { Some(self.gauge()) } else { None }
    }

    #[cold]
    fn gauge(&self) -> Instant {
        self.gauge.get_or_init(Box::default).came()
    }

    /// A watched letter was answered or dropped; `opened` says since when it was handled.
    #[cold]
    pub(crate) fn went(&self, came: Instant, opened: Option<Instant>) {
        if let Some(gauge) = self.gauge.get() {
            gauge.went(came, opened);
        }
    }

    pub(crate) fn failed(&self, failure: Failure) {
        self.tally.crashed();
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(failure));
    }

    pub(crate) fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes an opened letter. Only the child's own thread calls this, so no locked addition is needed.
    #[inline]
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
    #[inline]
    pub(crate) fn enter(&self) -> Result<(), Full> {
        let before = self.places.fetch_add(1, Ordering::SeqCst);
        if before < self.bound {
            return Ok(());
        }
        self.leave();
        Err(if before & SHUT == 0 { Full::Full } else { Full::Closed })
    }

    /// Whether a letter that came now would be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.places.load(Ordering::SeqCst) < self.bound
    }

    #[inline]
    pub(crate) fn leave(&self) {
        self.places.fetch_sub(1, Ordering::SeqCst);
    }

    /// Refuses letters from now on.
    pub(crate) fn close(&self) {
        self.places.fetch_or(SHUT, Ordering::SeqCst);
    }

    /// Takes letters again.
    pub(crate) fn reopen(&self) {
        self.places.fetch_and(!SHUT, Ordering::SeqCst);
    }

    /// Refuses letters from now on if none is under way: one step, so that no letter can slip in between.
    pub(crate) fn close_if_idle(&self) -> bool {
        self.state() == State::Running
            && self.hold().is_none()
            && self.places.compare_exchange(0, SHUT, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

const fn state(number: u8) -> State {
    match number {
        0 => State::Starting,
        1 => State::Running,
        2 => State::BackingOff,
        3 => State::Suspended,
        _ => State::Stopped,
    }
}

/// Why there is no place in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Full,
    Closed,
}
