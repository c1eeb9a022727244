//! The ways in which a child can end, each with a name.

use std::any::Any;
use std::cell::RefCell;
use std::panic;

use chrono::{DateTime, Utc};

/// Why an incarnation of a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// It was asked to stop, or stopped by itself: no failure.
    Normal,
    /// It had been idle and was put away; the next letter brings it back.
    Passivated,
    /// A handler, a future, a timer or `started` panicked.
    Panicked,
    /// It failed more often than its intensity allows, and its parent was told.
    Escalated,
    /// Its parent ordered a new incarnation.
    Renewed,
}

impl ExitReason {
    /// The name that stands in events and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Passivated => "passivated",
            Self::Panicked => "panicked",
            Self::Escalated => "escalated",
            Self::Renewed => "renewed",
        }
    }
}

/// What is known of a panic, without anything that was computed at run time (it could be personal data).
#[derive(Debug, Clone)]
pub struct Failure {
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Source file and line.
    pub place: String,
    /// The message, if it is a literal of the source; formatted messages are withheld.
    pub message: &'static str,
    /// The name under which the log and the operators' console show it.
    pub reference: String,
}

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Replaces the panic hook by one that remembers the place for [`Failure`] and prints nothing.
///
/// Call it once, first thing in `main`. Panics outside supervised children are logged as `panic.unsupervised`
/// by nobody but their own thread's owner, hence the error event here.
pub fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
        let shown = place.clone().unwrap_or_default();
        tracing::error!(target: "supervision", place = %shown, "panic");
        PLACE.with(|slot| *slot.borrow_mut() = place);
    }));
}

/// A panic that was caught on one thread and goes on on another, with the place where it happened.
pub struct Carried {
    payload: Box<dyn Any + Send>,
    place: Option<String>,
}

impl Carried {
    /// Runs `work`; its panic becomes a value.
    ///
    /// # Errors
    /// The panic.
    pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Self> {
        panic::catch_unwind(panic::AssertUnwindSafe(work))
            .map_err(|payload| Self { payload, place: PLACE.with(|slot| slot.borrow_mut().take()) })
    }

    /// A panic that is wanted, such as a disorder that somebody ordered for a named place.
    pub fn wanted(message: &'static str, place: &str) -> Self {
        Self { payload: Box::new(message), place: Some(place.to_owned()) }
    }

    /// Goes on with the panic here, where supervision sees it with its place.
    pub fn go_on(self) -> ! {
        PLACE.with(|slot| *slot.borrow_mut() = self.place);
        panic::resume_unwind(self.payload)
    }
}

/// Describes the panic whose payload was just caught on this thread.
pub(crate) fn describe(payload: &(dyn Any + Send), at: DateTime<Utc>) -> Failure {
    let place = PLACE.with(|slot| slot.borrow_mut().take()).unwrap_or_else(|| "unknown place".into());
    let message = payload.downcast_ref::<&'static str>().copied().unwrap_or("formatted message withheld");
    let reference = format!("F-{:08X}", rand::random::<u32>());
    Failure { at, place, message, reference }
}
