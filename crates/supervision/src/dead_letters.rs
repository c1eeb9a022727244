//! Letters that were accepted and then dropped unopened: counted always, remembered while there is room.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// What is remembered of a letter: never its content.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// When it was dropped.
    pub at: DateTime<Utc>,
    /// The type of the message.
    pub message: &'static str,
    /// Whose mailbox it lay in.
    pub child: String,
}

/// The dead letters of a system.
#[derive(Debug)]
pub struct DeadLetters {
    count: AtomicU64,
    last: Mutex<VecDeque<DeadLetter>>,
    room: usize,
}

impl DeadLetters {
    pub(crate) fn new(room: usize) -> Self {
        Self { count: AtomicU64::new(0), last: Mutex::new(VecDeque::new()), room }
    }

    pub(crate) fn record(&self, letter: DeadLetter) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= self.room {
            last.pop_front();
        }
        last.push_back(letter);
    }

    /// How many there have been since the start.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The remembered ones, newest first.
    pub fn newest(&self, most: usize) -> Vec<DeadLetter> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().rev().take(most).cloned().collect()
    }
}
