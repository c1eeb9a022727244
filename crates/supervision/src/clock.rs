//! Time as something that is handed in, so that tests and demonstrations move it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::oneshot;

/// A future that ends when its time has come.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The source of "now" and of waiting.
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;
    /// Ends once `span` has passed on this clock.
    fn sleep(&self, span: Duration) -> Sleep;
}

/// The clock of the machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn sleep(&self, span: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(span))
    }
}

/// The clock of the machine, moved by an offset that can be changed while it runs.
///
/// Waits are measured in machine time: moving the offset changes what is due, and whoever sweeps finds it.
#[derive(Debug, Default)]
pub struct ShiftedClock {
    seconds: AtomicI64,
}

impl ShiftedClock {
    /// A clock that is so many seconds from the machine's.
    pub fn at(seconds: i64) -> Self {
        Self { seconds: AtomicI64::new(seconds) }
    }

    /// Moves the clock by so many seconds from where it is now.
    pub fn shift(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    /// How far, in seconds, this clock is from the machine's.
    pub fn offset(&self) -> i64 {
        self.seconds.load(Ordering::SeqCst)
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> DateTime<Utc> {
        let offset = TimeDelta::try_seconds(self.offset()).unwrap_or_default();
        Utc::now().checked_add_signed(offset).unwrap_or_else(Utc::now)
    }

    fn sleep(&self, span: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(span))
    }
}

/// A clock that stands still until it is told to advance.
#[derive(Debug)]
pub struct TestClock {
    inner: Mutex<Standing>,
}

#[derive(Debug)]
struct Standing {
    now: DateTime<Utc>,
    next: u64,
    sleepers: BTreeMap<(DateTime<Utc>, u64), oneshot::Sender<()>>,
}

impl TestClock {
    /// A clock that stands at `now`.
    pub fn at(now: DateTime<Utc>) -> Arc<Self> {
        let inner = Mutex::new(Standing { now, next: 0, sleepers: BTreeMap::new() });
        Arc::new(Self { inner })
    }

    /// Moves on by `span` and wakes, in order, whoever waited for an instant up to then.
    pub fn advance(&self, span: Duration) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
        inner.now = inner.now.checked_add_signed(span).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let now = inner.now;
        let later = inner.sleepers.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut inner.sleepers, later);
        drop(inner);
        for sleeper in due.into_values() {
            // A sleeper that is gone needs no waking.
            let _ = sleeper.send(());
        }
    }

    /// How many waits are under way.
    pub fn sleepers(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).sleepers.len()
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).now
    }

    fn sleep(&self, span: Duration) -> Sleep {
        let (wake, woken) = oneshot::channel();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let span = TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX);
        let due = inner.now.checked_add_signed(span).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let place = inner.next;
        inner.next += 1;
        inner.sleepers.insert((due, place), wake);
        Box::pin(async move {
            let _ = woken.await;
        })
    }
}
