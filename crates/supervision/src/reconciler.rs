//! A child that works off rows: a message is only a wake-up, and a sweep finds what every wake-up missed.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crate::child::{Child, Crash, Desk, Message, Receive, Reply, Scope};

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
    /// Does what is due first, and says at the desk what that is.
    fn step(self: Rc<Self>, desk: Desk) -> impl Future<Output = Step> + 'static;

    /// Hears, before its first step, of the crash that made this incarnation necessary: a row that crashes its worker
    /// again and again is to be set aside here. A crash in here comes back here.
    fn crashed(self: Rc<Self>, crash: Crash) -> impl Future<Output = ()> + 'static {
        let _ = crash;
        async {}
    }
}

/// The wake-up; it carries nothing.
#[derive(Debug, Clone, Copy)]
pub struct Wake;

impl Message for Wake {
    type Answer = ();
    const RETRIABLE: bool = true;
}

/// The child that keeps a [`Work`] going.
pub struct Reconciler<W: Work> {
    work: Rc<W>,
    sweep: Duration,
    crash: Option<Crash>,
}

impl<W: Work> Reconciler<W> {
    /// Steps on each wake-up, and every `sweep` without one.
    pub fn new(work: W, sweep: Duration) -> Self {
        Self { work: Rc::new(work), sweep, crash: None }
    }
}

impl<W: Work> Child for Reconciler<W> {
    fn started(&mut self, scope: &mut Scope<'_, Self>) {
        self.crash = scope.last_crash();
        scope.myself().nudge(Wake);
        scope.every(self.sweep, |_, scope| scope.myself().nudge(Wake));
    }
}

impl<W: Work> Receive<Wake> for Reconciler<W> {
    fn receive(&mut self, _: Wake, scope: &mut Scope<'_, Self>) -> Reply<Self, ()> {
        let (work, desk, crash) = (Rc::clone(&self.work), scope.desk(), self.crash.take());
        let steps = async move {
            if let Some(crash) = crash {
                desk.take_up(&crash.row);
                Rc::clone(&work).crashed(crash).await;
                desk.clear();
            }
            let step = work.step(desk.clone()).await;
            desk.clear();
            step
        };
        Reply::exclusive(steps, |_, scope, step| {
            if step == Step::Worked {
                scope.myself().nudge(Wake);
            }
        })
    }
}
