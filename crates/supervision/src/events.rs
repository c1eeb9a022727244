//! The one catalogue of what supervision reports; the console, the log and the metrics are views of it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

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
}

impl EventKind {
    /// Every kind, in the order of the catalogue.
    pub const ALL: [Self; 9] = [
        Self::Started,
        Self::Crashed,
        Self::Restarted,
        Self::Escalated,
        Self::Stopped,
        Self::Passivated,
        Self::LetterRefused,
        Self::LetterDead,
        Self::WorkParked,
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
}

/// The last events, kept in memory for the console; the log has them all.
#[derive(Debug)]
pub struct Journal {
    last: Mutex<VecDeque<Event>>,
    room: usize,
}

impl Journal {
    /// A journal that remembers the last `room` events.
    pub fn new(room: usize) -> Self {
        Self { last: Mutex::new(VecDeque::new()), room }
    }

    /// Writes an event to the log and remembers it.
    pub fn record(&self, event: Event) {
        let Event { kind, child, epoch, detail, backoff_ms, .. } = &event;
        let name = kind.name();
        match kind {
            EventKind::Crashed | EventKind::Escalated | EventKind::WorkParked => {
                tracing::error!(target: "supervision", event = name, child.name = %child, child.epoch = epoch, exit.reason = %detail, backoff_ms, "{name}");
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
