//! What an application writes: a child, the messages that it receives, and what it may do while it lives.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{ActorFutureExt, AsyncContext};
use chrono::{DateTime, Utc};

use crate::clock::Clock;
use crate::exit::Failure;
use crate::mailbox::Mailbox;
use crate::restart::{Backoff, Intensity, Restart};
use crate::slot::{Core, Slot};
use crate::vitals::Hold;

/// What can be sent to a child.
pub trait Message: Send + 'static {
    /// What comes back.
    type Answer: Send + 'static;

    /// Whether an operator may send it again when it was dropped unopened. Only for messages that do no harm twice and
    /// hold no personal data, for their content is kept.
    const RETRIABLE: bool = false;
}

/// Where an incarnation says which row it is working on, so that a crash names it. Clones are handles to the same one.
#[derive(Debug, Clone, Default)]
pub struct Desk {
    row: Rc<RefCell<String>>,
}

impl Desk {
    /// Work on `row` begins (`kind:id`; never personal data).
    pub fn take_up(&self, row: impl std::fmt::Display) {
        *self.row.borrow_mut() = row.to_string();
    }

    /// Nothing is being worked on.
    pub fn clear(&self) {
        self.row.borrow_mut().clear();
    }

    /// The row that is being worked on; empty without one.
    pub fn row(&self) -> String {
        self.row.borrow().clone()
    }
}

/// What an incarnation is told of the crash that made it necessary.
#[derive(Debug, Clone)]
pub struct Crash {
    /// The row on the desk; empty when there was none.
    pub row: String,
    /// What is known of the panic.
    pub failure: Failure,
}

/// The part of an actor that an application writes; it is made anew after each failure.
pub trait Child: Sized + Unpin + 'static {
    /// Runs once per incarnation, before any letter.
    fn started(&mut self, scope: &mut Scope<'_, Self>) {
        let _ = scope;
    }

    /// Runs at an orderly end, not after a panic.
    fn stopping(&mut self) {}
}

/// That a child understands a message.
pub trait Receive<M: Message>: Child {
    /// Handles one message. A panic here ends the incarnation, and the sender gets [`crate::AskError::Lost`].
    fn receive(&mut self, message: M, scope: &mut Scope<'_, Self>) -> Reply<Self, M::Answer>;
}

/// The last part of an exclusive reply: it has the child again and makes the answer.
pub type Finish<C, T> = Box<dyn FnOnce(&mut C, &mut Scope<'_, C>) -> T>;

/// How an answer comes about.
pub enum Reply<C: Child, T> {
    /// It is there.
    Now(T),
    /// It comes later; meanwhile the mailbox waits, so nothing else happens to this child.
    Exclusive(Pin<Box<dyn Future<Output = Finish<C, T>>>>),
    /// It comes later; meanwhile other letters are handled.
    Later(Pin<Box<dyn Future<Output = T>>>),
}

impl<C: Child, T: 'static> Reply<C, T> {
    /// Waits for `work` with the mailbox closed to others, then lets `finish` use its result on the child.
    pub fn exclusive<F, R>(work: F, finish: impl FnOnce(&mut C, &mut Scope<'_, C>, R) -> T + 'static) -> Self
    where
        F: Future<Output = R> + 'static,
        R: 'static,
    {
        Self::Exclusive(Box::pin(async move {
            let result = work.await;
            let finish: Finish<C, T> = Box::new(move |child, scope| finish(child, scope, result));
            finish
        }))
    }

    /// Answers when `work` ends, and goes on with other letters until then.
    pub fn later(work: impl Future<Output = T> + 'static) -> Self {
        Self::Later(Box::pin(work))
    }
}

/// How a child is made and kept.
pub struct ChildSpec<C: Child> {
    pub(crate) name: String,
    pub(crate) policy: Arc<Policy>,
    pub(crate) make: Box<dyn Fn() -> C + Send>,
    pub(crate) hold: Option<Hold>,
}

/// The part of a spec that many children share.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) restart: Restart,
    pub(crate) intensity: Intensity,
    pub(crate) backoff: Backoff,
    pub(crate) bound: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            restart: Restart::Permanent,
            intensity: Intensity { restarts: 10, within: Duration::from_secs(60) },
            backoff: Backoff { first: Duration::from_millis(50), most: Duration::from_secs(10) },
            bound: 64,
        }
    }
}

impl<C: Child> ChildSpec<C> {
    /// A permanent child called `name`, at most ten restarts a minute, a mailbox of 64 letters.
    pub fn new(name: impl Into<String>, make: impl Fn() -> C + Send + 'static) -> Self {
        Self { name: name.into(), policy: Arc::new(Policy::default()), make: Box::new(make), hold: None }
    }

    fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = (*self.policy).clone();
        change(&mut policy);
        self.policy = Arc::new(policy);
        self
    }

    /// Whether it is started again.
    #[must_use]
    pub fn restart(self, restart: Restart) -> Self {
        self.with(|policy| policy.restart = restart)
    }

    /// How many restarts are borne before the parent is told.
    #[must_use]
    pub fn intensity(self, intensity: Intensity) -> Self {
        self.with(|policy| policy.intensity = intensity)
    }

    /// How long a crash delays the next incarnation.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.with(|policy| policy.backoff = backoff)
    }

    /// Begins paused or drained, as an operator had left it before the process ended.
    #[must_use]
    pub fn held(mut self, hold: Option<Hold>) -> Self {
        self.hold = hold;
        self
    }

    /// How many letters the mailbox holds, the ones being handled included.
    #[must_use]
    pub fn bound(self, letters: u32) -> Self {
        self.with(|policy| policy.bound = letters)
    }
}

/// What a child may do: everything here ends with the incarnation that asked for it.
pub struct Scope<'a, C: Child> {
    pub(crate) core: &'a mut Core<C>,
    pub(crate) context: &'a mut actix::Context<Slot<C>>,
}

impl<C: Child> Scope<'_, C> {
    /// The present instant on the system's clock.
    pub fn now(&self) -> DateTime<Utc> {
        self.core.system().now()
    }

    /// The system's clock.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.core.system().clock()
    }

    /// The child's own mailbox, which stays valid over restarts.
    pub fn myself(&self) -> Mailbox<C> {
        self.core.mailbox(self.context.address())
    }

    /// Which incarnation this is, from 1.
    pub fn epoch(&self) -> u64 {
        self.core.epoch
    }

    /// The desk of this incarnation.
    pub fn desk(&mut self) -> Desk {
        self.core.desk.get_or_insert_with(Desk::default).clone()
    }

    /// The crash that made this incarnation necessary, if one did. It is told once.
    pub fn last_crash(&mut self) -> Option<Crash> {
        self.core.last_crash.take().map(|crash| *crash)
    }

    /// Ends the child in good order once this letter is done.
    pub fn stop(&mut self) {
        self.core.order_stop();
        self.context.notify(crate::slot::Obey);
    }

    /// Runs `work` beside the letters and hands its result to `then`; cancelled with the incarnation.
    pub fn spawn<F>(&mut self, work: F, then: impl FnOnce(&mut C, &mut Scope<'_, C>, F::Output) + 'static)
    where
        F: Future + 'static,
    {
        let task = self.core.next_task();
        let epoch = self.core.epoch;
        let guarded = crate::slot::guard(work);
        let future = actix::fut::wrap_future::<_, Slot<C>>(guarded).map(move |outcome, slot, context| {
            slot.core.forget_task(task);
            // Cancelled in the same turn in which it became ready: it belongs to an incarnation that is gone.
            if slot.core.epoch == epoch {
                slot.run(context, outcome, then);
            }
        });
        let handle = self.context.spawn(future);
        self.core.remember_task(task, handle);
    }

    /// Calls `then` once `span` has passed.
    pub fn after(&mut self, span: Duration, then: impl FnOnce(&mut C, &mut Scope<'_, C>) + 'static) {
        let sleep = self.core.system().clock().sleep(span);
        self.spawn(sleep, move |child, scope, ()| then(child, scope));
    }

    /// Calls `each` again and again, `span` after the last call ended.
    pub fn every(&mut self, span: Duration, mut each: impl FnMut(&mut C, &mut Scope<'_, C>) + 'static) {
        self.after(span, move |child, scope| {
            each(child, scope);
            scope.every(span, each);
        });
    }
}
