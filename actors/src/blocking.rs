//! Blocking work off the arbiters: bounded, so that a thousand uploads wait instead of starving everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use supervision::Carried;
use tokio::sync::Semaphore;

/// A bound on how much blocking work of one kind runs at once.
#[derive(Clone, Debug)]
pub struct Blocking {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
}

/// Counts one who waits for a turn, as long as that one waits.
struct Waits(Arc<AtomicUsize>);

impl Waits {
    fn begin(waiting: &Arc<AtomicUsize>) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(waiting))
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Work was cut off.
#[derive(thiserror::Error)]
pub enum CutOff {
    /// It panicked.
    #[error("the blocking work panicked")]
    Panicked(Carried),
    /// It was never run: the process ends.
    #[error("the blocking work was never run")]
    Never,
}

impl std::fmt::Debug for CutOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Blocking {
    /// At most `most` at once.
    pub fn new(most: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(most)), waiting: Arc::default() }
    }

    /// How many wait for a turn: whoever can be told to come again later need not join them.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Runs `work` on a thread of its own as soon as there is a turn.
    ///
    /// # Errors
    /// [`CutOff`] when it panicked or was never run.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, CutOff> {
        let waits = Waits::begin(&self.waiting);
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| CutOff::Never)?;
        drop(waits);
        // What is logged there belongs to the request that asked for it.
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            Carried::catch(|| span.in_scope(work))
        })
        .await
        .map_err(|_| CutOff::Never)?
        .map_err(CutOff::Panicked)
    }
}

/// Runs `work` and lets a panic in it crash the caller, so that supervision sees it.
pub async fn run<T: Send + 'static>(blocking: &Blocking, work: impl FnOnce() -> T + Send + 'static) -> T {
    match blocking.run(work).await {
        Ok(done) => done,
        // The panic goes on to whoever waited for the work.
        Err(CutOff::Panicked(panic)) => panic.go_on(),
        Err(CutOff::Never) => std::panic::resume_unwind(Box::new("blocking work was never run")),
    }
}
