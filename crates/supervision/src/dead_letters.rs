//! Letters that were accepted and then dropped unopened: counted always, remembered while there is room.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::mailbox::Steer;

/// Puts a message of a known type into a mailbox of a known type again; says whether it was taken.
pub(crate) type Redo = fn(Box<dyn Any + Send>, &dyn Any) -> bool;

/// What is remembered of a letter; its content can't be read, and is kept only if the message allows a retry.
#[derive(Debug, Clone)]
pub struct DeadLetter {
    /// Its number, from 1, in the order of the dead.
    pub number: u64,
    /// When it was dropped.
    pub at: DateTime<Utc>,
    /// The type of the message.
    pub message: &'static str,
    /// Whose mailbox it lay in.
    pub child: String,
    /// Whether it can be sent again.
    pub retriable: bool,
}

/// A dead letter in its coffin.
struct Kept {
    letter: DeadLetter,
    content: Option<(Box<dyn Any + Send>, Redo)>,
}

/// The dead letters of a system.
pub struct DeadLetters {
    count: AtomicU64,
    last: Mutex<VecDeque<Kept>>,
    room: usize,
}

impl DeadLetters {
    pub(crate) fn new(room: usize) -> Self {
        Self { count: AtomicU64::new(0), last: Mutex::new(VecDeque::new()), room }
    }

    pub(crate) fn record(
        &self,
        at: DateTime<Utc>,
        message: &'static str,
        child: String,
        content: Option<(Box<dyn Any + Send>, Redo)>,
    ) {
        // Numbered under the lock, so that they lie in their order; counted when it lies there, so that it can be found.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.count() + 1;
        if last.len() >= self.room {
            last.pop_front();
        }
        let letter = DeadLetter { number, at, message, child, retriable: content.is_some() };
        last.push_back(Kept { letter, content });
        self.count.store(number, Ordering::Release);
    }

    /// How many there have been since the start.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// The remembered ones, newest first.
    pub fn newest(&self, most: usize) -> Vec<DeadLetter> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().rev().take(most).map(|kept| kept.letter.clone()).collect()
    }

    /// What is remembered of one.
    pub fn find(&self, number: u64) -> Option<DeadLetter> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.iter().find(|kept| kept.letter.number == number).map(|kept| kept.letter.clone())
    }

    /// Sends one again, to the child that now has its address, and forgets it; false when it can't be sent again, or the
    /// child does not take it (then it is a dead letter still).
    pub fn retry(&self, number: u64, to: &dyn Steer) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = last.iter().position(|kept| kept.letter.number == number && kept.content.is_some()) else {
            return false;
        };
        if !to.takes_letters() {
            return false;
        }
        let content = last.remove(at).and_then(|kept| kept.content);
        // What is refused now is a dead letter anew, and recorded without this lock.
        drop(last);
        content.is_some_and(|(message, redo)| redo(message, to.as_any()))
    }

    /// Forgets one; false when it is not remembered.
    pub fn discard(&self, number: u64) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.len();
        last.retain(|kept| kept.letter.number != number);
        last.len() < before
    }
}
