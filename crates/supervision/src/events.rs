//! The one catalogue of what supervision reports; the console, the log and the metrics are views of it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::broadcast;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// An incarnation began.
    Started,
    /// An incarnation panicked.
    Crashed,
    /// A new incarnation follows a crash.
    Restarted,
    /// Too many crashes: the parent was told.
    Escalated,
    /// The child ended for good.
    Stopped,
    /// The child was put away because it was idle.
    Passivated,
    /// A mailbox was full or closed and said so at once.
    LetterRefused,
    /// A letter was dropped unopened.
    LetterDead,
    /// A row crashed its worker too often and waits for an operator.
    WorkParked,
    /// A row that had crashed its worker, or was parked, was worked off.
    WorkMended,
    /// An operator stopped the handling of letters; they keep.
    Paused,
    /// An operator let a child finish its letters and take no more.
    Draining,
    /// An operator let a paused or drained child go on.
    Resumed,
    /// A new incarnation was ordered, by an operator or by a parent.
    Renewed,
}

impl EventKind {
    /// Every kind, in the order of the catalogue.
    pub const ALL: [Self; 14] = [
        Self::Started,
        Self::Crashed,
        Self::Restarted,
        Self::Escalated,
        Self::Stopped,
        Self::Passivated,
        Self::LetterRefused,
        Self::LetterDead,
        Self::WorkParked,
        Self::WorkMended,
        Self::Paused,
        Self::Draining,
        Self::Resumed,
        Self::Renewed,
    ];

    /// The name that stands in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "child.started",
            Self::Crashed => "child.crashed",
            Self::Restarted => "child.restarted",
            Self::Escalated => "child.escalated",
            Self::Stopped => "child.stopped",
            Self::Passivated => "child.passivated",
            Self::LetterRefused => "letter.refused",
            Self::LetterDead => "letter.dead",
            Self::WorkParked => "work.parked",
            Self::WorkMended => "work.mended",
            Self::Paused => "child.paused",
            Self::Draining => "child.draining",
            Self::Resumed => "child.resumed",
            Self::Renewed => "child.renewed",
        }
    }
}

/// One entry of the supervision log.
#[derive(Debug, Clone)]
pub struct Event {
    /// When, on the system's clock.
    pub at: DateTime<Utc>,
    /// What happened.
    pub kind: EventKind,
    /// To whom.
    pub child: String,
    /// Which incarnation, from 1.
    pub epoch: u64,
    /// Reason, message type or row, as the kind has it; never personal data.
    pub detail: String,
    /// Milliseconds until the next incarnation, after a crash.
    pub backoff_ms: u64,
    /// The row that was being worked on, or that this is about; empty without one.
    pub row: String,
    /// Who ordered it, if anybody did; empty when it happened by itself.
    pub by: String,
}

impl Event {
    /// An event of a kind, to be filled in.
    pub(crate) fn new(at: DateTime<Utc>, kind: EventKind, child: &str) -> Self {
        let nothing = String::new;
        Self {
            at,
            kind,
            child: child.to_owned(),
            epoch: 0,
            detail: nothing(),
            backoff_ms: 0,
            row: nothing(),
            by: nothing(),
        }
    }
}

/// Events that a subscriber may be behind before it misses some.
const BEHIND_MOST: usize = 4_096;

/// The last events, kept in memory; whoever wants them all subscribes.
#[derive(Debug)]
pub struct Journal {
    last: Mutex<VecDeque<Event>>,
    room: usize,
    told: broadcast::Sender<Event>,
    counts: [AtomicU64; EventKind::ALL.len()],
}

impl Journal {
    /// A journal that remembers the last `room` events.
    pub fn new(room: usize) -> Self {
        Self {
            last: Mutex::new(VecDeque::new()),
            room,
            told: broadcast::Sender::new(BEHIND_MOST),
            counts: [const { AtomicU64::new(0) }; EventKind::ALL.len()],
        }
    }

    /// Hears every event from now on that is remembered.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.told.subscribe()
    }

    /// How many events of each kind there have been since the start, in the order of [`EventKind::ALL`].
    pub fn counts(&self) -> impl Iterator<Item = (EventKind, u64)> {
        EventKind::ALL.into_iter().zip(self.counts.iter().map(|count| count.load(Ordering::Relaxed)))
    }

    /// Writes an event to the log and remembers it.
    pub fn record(&self, event: Event) {
        let Event { kind, child, epoch, detail, backoff_ms, row, by, .. } = &event;
        let name = kind.name();
        if let Some(count) = EventKind::ALL.iter().position(|known| known == kind).and_then(|at| self.counts.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        match kind {
            EventKind::Crashed | EventKind::Escalated | EventKind::WorkParked => {
                tracing::error!(target: "supervision", event = name, child.name = %child, child.epoch = epoch, exit.reason = %detail, backoff_ms, row, "{name}");
            }
            EventKind::WorkMended
            | EventKind::Paused
            | EventKind::Draining
            | EventKind::Resumed
            | EventKind::Renewed => {
                tracing::warn!(target: "supervision", event = name, child.name = %child, child.epoch = epoch, exit.reason = %detail, row, by, "{name}");
            }
            EventKind::LetterRefused | EventKind::LetterDead | EventKind::Restarted => {
                tracing::warn!(target: "supervision", event = name, child.name = %child, child.epoch = epoch, exit.reason = %detail, "{name}");
            }
            EventKind::Started | EventKind::Stopped | EventKind::Passivated => {
                tracing::debug!(target: "supervision", event = name, child.name = %child, child.epoch = epoch, exit.reason = %detail, "{name}");
                // Comings and goings of the many would push out what matters.
                if *kind == EventKind::Passivated || (*kind == EventKind::Started && child.contains('/')) {
                    return;
                }
            }
        }
        // Nobody may be listening.
        let _ = self.told.send(event.clone());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= self.room {
            last.pop_front();
        }
        last.push_back(event);
    }

    /// The remembered events, newest first.
    pub fn newest(&self, most: usize) -> Vec<Event> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().rev().take(most).cloned().collect()
    }
}
