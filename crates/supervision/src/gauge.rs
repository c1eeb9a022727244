//! What is measured of a child while somebody watches: how old its letters are, how long handling takes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Two buckets for each doubling, from a microsecond to more than an hour.
const BUCKETS: usize = 64;

/// The measurements of one child; made when the first watched letter comes.
#[derive(Debug)]
pub(crate) struct Gauge {
    inside: Mutex<VecDeque<Instant>>,
    spans: [AtomicU32; BUCKETS],
}

impl Default for Gauge {
    fn default() -> Self {
        Self { inside: Mutex::default(), spans: [const { AtomicU32::new(0) }; BUCKETS] }
    }
}

/// The bucket of a span, and the span up to which a bucket reaches.
fn bucket(span: Duration) -> usize {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
    let doublings = micros.ilog2();
    // The upper half of a doubling is a bucket of its own.
    let upper = doublings > 0 && micros >> (doublings - 1) & 1 == 1;
    (usize::try_from(doublings).unwrap_or(BUCKETS) * 2 + usize::from(upper)).min(BUCKETS - 1)
}

fn reach(bucket: usize) -> Duration {
    let whole = 1_u64 << (bucket / 2).min(62);
    Duration::from_micros(if bucket.is_multiple_of(2) { whole + whole / 2 } else { whole * 2 })
}

impl Gauge {
    pub(crate) fn came(&self) -> Instant {
        let now = Instant::now();
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).push_back(now);
        now
    }

    pub(crate) fn went(&self, came: Instant, opened: Option<Instant>) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = inside.iter().position(|known| *known == came) {
            inside.remove(at);
        }
        drop(inside);
        if let Some(count) = opened.and_then(|opened| self.spans.get(bucket(opened.elapsed()))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn oldest(&self) -> Option<Duration> {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.iter().min().map(Instant::elapsed)
    }

    /// The span within which `percent` of the measured letters were handled.
    pub(crate) fn within(&self, percent: u64) -> Option<Duration> {
        let counts: Vec<u64> = self.spans.iter().map(|count| u64::from(count.load(Ordering::Relaxed))).collect();
        let all: u64 = counts.iter().sum();
        let wanted = (all * percent).div_ceil(100).max(1);
        let mut seen = 0;
        counts
            .iter()
            .position(|count| {
                seen += count;
                seen >= wanted
            })
            .map(reach)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn a_bucket_reaches_to_where_the_next_begins() {
        for micros in [1_u64, 2, 3, 5, 6, 7, 100, 999, 65_536, 10_000_000] {
            let at = bucket(Duration::from_micros(micros));
            let micros = Duration::from_micros(micros);
            assert!(micros <= reach(at), "{micros:?} lies in bucket {at}, which reaches to {:?}", reach(at));
            assert!(at == 0 || reach(at) <= micros * 2, "a bucket is no wider than a half");
        }
        assert!(bucket(Duration::MAX) < BUCKETS);
    }

    #[test]
    fn quantiles_come_from_what_was_measured() {
        let gauge = Gauge::default();
        assert_eq!(gauge.within(50), None);
        for (micros, times) in [(10, 98), (5_000, 2)] {
            for _ in 0..times {
                gauge.spans[bucket(Duration::from_micros(micros))].fetch_add(1, Ordering::Relaxed);
            }
        }
        assert!(gauge.within(50).unwrap() < Duration::from_micros(20));
        assert!(gauge.within(99).unwrap() >= Duration::from_millis(5));
    }
}
