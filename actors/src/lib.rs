//! The actors of the service: one session actor per applicant, and reconcilers that work off rows.
//!
//! Start with [`tree`]: the whole tree in one function. An actor is an agent noun and a file; the rules of
//! `docs/ARCHITECTURE.md` hold: row first, message second, sweep always.

mod blocking;
mod case_clerk;
mod certificate_issuer;
mod clearing_clerk;
mod faults;
mod identity_verifier;
mod key_rotator;
mod log_keeper;
mod notification_dispatcher;
mod parking;
mod payment_reconciler;
mod refund_scheduler;
mod sampler;
pub mod session;
mod tree;
mod upload_validator;

pub use blocking::{Blocking, run};
pub use certificate_issuer::certificate_facts;
pub use faults::{Disorder, Effect, Faults, PLACES};
pub use parking::Troubled;
pub use sampler::{COMMITS, SAMPLE_EVERY, SAMPLES, Samples};
pub use session::{Do, Fault, Load, Refusal, Session};
pub use tree::{Act, Outside, Tree, TreeSettings, Wakes, World};
