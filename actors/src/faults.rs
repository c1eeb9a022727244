//! Disorder on order: named places at which the process dies, an incarnation panics, work is delayed or a wake-up is
//! lost. For tests and for the demo's page of disorders; without the feature `chaos` nothing of it is built.

use std::time::Duration;

/// What a disorder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The process ends as by SIGKILL.
    Kill,
    /// The incarnation panics.
    Panic,
    /// The work waits for so long.
    Delay(Duration),
    /// What would have been told is not.
    Drop,
}

/// The places that can be named, with the actor that passes there; those of wake-ups can only be dropped.
pub const PLACES: [(&str, &str); 29] = [
    ("commit", "session"),
    ("committed", "session"),
    ("payment-due", "payment_reconciler"),
    ("payment-asked", "payment_reconciler"),
    ("payment-settled", "payment_reconciler"),
    ("notice-claimed", "notification_dispatcher"),
    ("notice-sent", "notification_dispatcher"),
    ("upload-due", "upload_validator"),
    ("upload-judged", "upload_validator"),
    ("verification-due", "identity_verifier"),
    ("certificate-due", "certificate_issuer"),
    ("certificate-signed", "certificate_issuer"),
    ("certificate-stamped", "certificate_issuer"),
    ("certificate-made", "certificate_issuer"),
    ("certificate-recorded", "certificate_issuer"),
    ("refund-due", "refund_scheduler"),
    ("refund-written", "refund_scheduler"),
    ("refund-given", "refund_scheduler"),
    ("refund-settled", "refund_scheduler"),
    ("clearing-fetched", "clearing_clerk"),
    ("case-due", "case_clerk"),
    ("notification-arrived", "pay/notify"),
    ("notification-kept", "pay/notify"),
    ("wake-notices", "notification_dispatcher"),
    ("wake-payments", "payment_reconciler"),
    ("wake-uploads", "upload_validator"),
    ("wake-identity", "identity_verifier"),
    ("wake-certificates", "certificate_issuer"),
    ("wake-refunds", "refund_scheduler"),
];

/// An order: what happens at the nth passage of a place.
#[derive(Debug, Clone)]
pub struct Disorder {
    /// Which place.
    pub place: String,
    /// At which passage, from 1, counted from the order on.
    pub nth: i64,
    /// How many passages in a row, from that one on.
    pub times: i64,
    /// What happens.
    pub effect: Effect,
}

impl Disorder {
    /// Reads an order: `place#n` kills there, `panic:place#n` panics; without a number the first passage is meant.
    pub fn parse(text: &str) -> Self {
        let (effect, rest) = match text.split_once(':') {
            Some(("panic", rest)) => (Effect::Panic, rest),
            Some(("drop", rest)) => (Effect::Drop, rest),
            _ => (Effect::Kill, text),
        };
        let (place, nth) = rest.split_once('#').unwrap_or((rest, "1"));
        Self { place: place.to_owned(), nth: nth.parse().unwrap_or(1), times: 1, effect }
    }
}

#[cfg(feature = "chaos")]
mod armed {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    use supervision::Carried;

    use super::{Disorder, Effect};

    /// The disorder that was ordered, if any; it can be set while the tree runs.
    #[derive(Debug, Default)]
    pub struct Faults {
        armed: AtomicBool,
        order: Mutex<Option<(Disorder, i64)>>,
    }

    impl Faults {
        /// Breaks as ordered, or not at all.
        pub fn new(order: Option<Disorder>) -> Self {
            let faults = Self::default();
            faults.arm(order);
            faults
        }

        /// Sets or takes back the order.
        pub fn arm(&self, order: Option<Disorder>) {
            self.armed.store(order.is_some(), Ordering::SeqCst);
            *self.order.lock().unwrap_or_else(PoisonError::into_inner) = order.map(|order| (order, 0));
        }

        /// The order that has not been carried out yet, and how often its place was passed.
        pub fn ordered(&self) -> Option<(Disorder, i64)> {
            self.order.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }

        fn reached(&self, place: &str) -> Option<Effect> {
            if !self.armed.load(Ordering::Relaxed) {
                return None;
            }
            let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            let (disorder, passed) = order.as_mut().filter(|(disorder, _)| disorder.place == place)?;
            *passed += 1;
            let due = *passed >= disorder.nth && *passed < disorder.nth + disorder.times;
            let effect = due.then_some(disorder.effect);
            if *passed + 1 >= disorder.nth + disorder.times {
                *order = None;
                self.armed.store(false, Ordering::SeqCst);
            }
            effect
        }

        /// A place of work on a thread that may wait.
        pub(crate) fn at(&self, place: &str) {
            if let Some(Effect::Delay(span)) = self.strike(place) {
                std::thread::sleep(span);
            }
        }

        /// A place of work on an arbiter; what is returned must be waited for.
        pub(crate) fn strike(&self, place: &str) -> Option<Effect> {
            let effect = self.reached(place)?;
            tracing::warn!(place, ?effect, "a disorder, as ordered");
            match effect {
                Effect::Panic => Carried::wanted("a disorder, as ordered", place).go_on(),
                Effect::Kill => {
                    // As from outside: no unwinding, no handler, no last word.
                    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
                    std::process::abort();
                }
                Effect::Delay(Duration::ZERO) => None,
                other => Some(other),
            }
        }
    }
}

#[cfg(not(feature = "chaos"))]
mod armed {
    use super::{Disorder, Effect};

    /// Nothing ever breaks on order in this build.
    #[derive(Debug, Default)]
    pub struct Faults;

    impl Faults {
        /// Orders are not followed.
        pub fn new(_: Option<Disorder>) -> Self {
            Self
        }

        /// Orders are not followed.
        pub fn arm(&self, _: Option<Disorder>) {}

        /// There is none.
        pub fn ordered(&self) -> Option<(Disorder, i64)> {
            None
        }

        pub(crate) fn at(&self, _: &str) {}

        pub(crate) fn strike(&self, _: &str) -> Option<Effect> {
            None
        }
    }
}

pub use armed::Faults;
