//! A child that works off rows: a message is only a wake-up, and a sweep finds what every wake-up missed.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crate::child::{Child, Message, Receive, Reply, Scope};

/// What one step of work came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A row (or a batch) was worked off; there may be more.
    Worked,
    /// Nothing is due.
    Idle,
}

/// The work of a reconciler, one row or one small batch at a time.
///
/// Each step must leave the rows in a state from which it can be done again: it may be cut off anywhere.
pub trait Work: 'static {
    /// Does what is due first.
    fn step(self: Rc<Self>) -> impl Future<Output = Step> + 'static;
}

/// The wake-up; it carries nothing.
#[derive(Debug, Clone, Copy)]
pub struct Wake;

impl Message for Wake {
    type Answer = ();
}

/// The child that keeps a [`Work`] going.
pub struct Reconciler<W: Work> {
    work: Rc<W>,
    sweep: Duration,
}

impl<W: Work> Reconciler<W> {
    /// Steps on each wake-up, and every `sweep` without one.
    pub fn new(work: W, sweep: Duration) -> Self {
        Self { work: Rc::new(work), sweep }
    }
}

impl<W: Work> Child for Reconciler<W> {
    fn started(&mut self, scope: &mut Scope<'_, Self>) {
        scope.myself().nudge(Wake);
        scope.every(self.sweep, |_, scope| scope.myself().nudge(Wake));
    }
}

impl<W: Work> Receive<Wake> for Reconciler<W> {
    fn receive(&mut self, _: Wake, _: &mut Scope<'_, Self>) -> Reply<Self, ()> {
        Reply::exclusive(Rc::clone(&self.work).step(), |_, scope, step| {
            if step == Step::Worked {
                scope.myself().nudge(Wake);
            }
        })
    }
}
