//! Supervised actors on actix: slots that outlive the panics of the children in them.
//!
//! actix restarts nothing when a handler panics, bounds nothing that is sent by `send`, and forgets a message
//! whose sender went away. This crate puts a small, honest layer on top: read `README.md` for the contract and
//! [`slot`] for the machine. It knows no word of any application.

mod child;
mod clock;
mod dead_letters;
mod directory;
mod events;
mod exit;
mod gauge;
mod letter;
mod mailbox;
mod reconciler;
mod restart;
mod slot;
mod supervisor;
mod system;
mod tally;
mod vitals;

pub use child::{Child, ChildSpec, Crash, Desk, Message, Receive, Reply, Scope};
pub use clock::{Clock, ShiftedClock, Sleep, SystemClock, TestClock};
pub use dead_letters::{DeadLetter, DeadLetters};
pub use directory::{Directory, DirectorySpec};
pub use events::{Event, EventKind, Journal};
pub use exit::{Carried, ExitReason, Failure, install_panic_hook};
pub use mailbox::{AskError, Mailbox, Refused, Steer};
pub use reconciler::{Reconciler, Step, Wake, Work};
pub use restart::{Backoff, Intensity, Restart};
pub use supervisor::Supervisor;
pub use system::{Shutdown, System, Watch};
pub use tally::Totals;
pub use vitals::{Hold, State, Vitals};
