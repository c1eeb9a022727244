//! When a failed child comes back, how soon, and when its parent must decide.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Whether a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// After a failure, not after a normal end.
    Transient,
    /// Never.
    Temporary,
}

/// At most `restarts` within `within`; one more is escalated.
#[derive(Debug, Clone, Copy)]
pub struct Intensity {
    /// How many restarts are borne.
    pub restarts: usize,
    /// In what span.
    pub within: Duration,
}

/// How long to wait before the next incarnation: doubled with each crash in a row, with jitter.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// After the first crash.
    pub first: Duration,
    /// Never longer than this.
    pub most: Duration,
}

impl Backoff {
    /// No waiting at all.
    pub const NONE: Self = Self { first: Duration::ZERO, most: Duration::ZERO };

    /// The wait before restart number `nth` (from 1) in the present window; between half of it and the whole.
    pub fn delay(&self, nth: usize) -> Duration {
        let doublings = u32::try_from(nth.saturating_sub(1)).unwrap_or(u32::MAX).min(20);
        let whole = self.first.saturating_mul(1_u32 << doublings).min(self.most);
        whole.mul_f64(0.5 + rand::random::<f64>() / 2.0)
    }
}

/// The crashes that still count against an intensity.
#[derive(Debug, Default)]
pub(crate) struct Window {
    crashes: VecDeque<DateTime<Utc>>,
}

impl Window {
    /// Counts a crash; `None` says that the intensity is exceeded.
    pub(crate) fn crash(&mut self, now: DateTime<Utc>, intensity: Intensity) -> Option<usize> {
        let span = TimeDelta::from_std(intensity.within).unwrap_or(TimeDelta::MAX);
        while self.crashes.front().is_some_and(|first| now.signed_duration_since(*first) > span) {
            self.crashes.pop_front();
        }
        self.crashes.push_back(now);
        (self.crashes.len() <= intensity.restarts).then_some(self.crashes.len())
    }

    /// Whether no crash counts at present: an incarnation that begins now was ordered.
    pub(crate) fn is_clear(&self) -> bool {
        self.crashes.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.crashes.clear();
    }
}
