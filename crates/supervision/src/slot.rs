//! The machine: an actix actor that owns the mailbox and keeps a child in it, one incarnation after another.
//!
//! Unwinding never reaches actix: every call into the child is caught here. While a failed child waits to be
//! started again, `Context::wait` pauses the mailbox, so that queued letters keep and the address stays valid.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, SpawnHandle};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio::sync::Notify;
use tracing::Instrument;

use crate::child::{Child, Crash, Desk, Finish, Message, Policy, Receive, Reply, Scope};
use crate::events::{Event, EventKind};
use crate::exit::{ExitReason, describe};
use crate::letter::{Answer, Letter, Trace};
use crate::mailbox::Mailbox;
use crate::restart::{Restart, Window};
use crate::supervisor::Parent;
use crate::system::System;
use crate::tally::Tally;
use crate::vitals::{Hold, State, Vitals};

type Payload = Box<dyn Any + Send>;

/// What a parent orders its child to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// A new incarnation once the present letter is done.
    Renew,
    /// A new incarnation now, whatever is being done.
    Break,
    Stop(ExitReason),
}

impl Order {
    const fn rank(&self) -> u8 {
        match self {
            Self::Renew => 1,
            Self::Break => 2,
            Self::Stop(_) => 3,
        }
    }
}

/// The way around the mailbox, for a child that is not reading it.
#[derive(Debug, Default)]
pub(crate) struct Control {
    order: Mutex<Option<Order>>,
    notify: Notify,
}

impl Control {
    pub(crate) fn order(&self, order: Order) {
        let mut slot = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        // A stop is final, and no gentler order takes the place of one that breaks off.
        if slot.as_ref().map_or(0, Order::rank) <= order.rank() && !matches!(*slot, Some(Order::Stop(_))) {
            *slot = Some(order);
        }
    }

    pub(crate) fn notify(&self) {
        self.notify.notify_one();
    }

    fn waits(&self) -> bool {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn stops(&self) -> bool {
        matches!(*self.order.lock().unwrap_or_else(PoisonError::into_inner), Some(Order::Stop(_)))
    }

    /// Ends when the present work is to be broken off.
    async fn broken(&self) {
        loop {
            if *self.order.lock().unwrap_or_else(PoisonError::into_inner) == Some(Order::Break) {
                return;
            }
            self.notify.notified().await;
        }
    }

    fn take(&self) -> Option<Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The letter that says: an order waits at your [`Control`].
pub(crate) struct Obey;

impl actix::Message for Obey {
    type Result = ();
}

/// Everything of a slot but the child, so that both can be borrowed at once.
pub(crate) struct Core<C: Child> {
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) control: Arc<Control>,
    pub(crate) epoch: u64,
    pub(crate) desk: Option<Desk>,
    pub(crate) last_crash: Option<Box<Crash>>,
    policy: Arc<Policy>,
    make: Box<dyn Fn() -> C + Send>,
    parent: Option<Arc<dyn Parent>>,
    window: Window,
    tasks: HashMap<u64, SpawnHandle>,
    last_task: u64,
}

impl<C: Child> Core<C> {
    pub(crate) fn mailbox(&self, address: Addr<Slot<C>>) -> Mailbox<C> {
        Mailbox {
            address,
            vitals: Arc::clone(&self.vitals),
            control: Arc::clone(&self.control),
            arbiter: actix::Arbiter::current(),
        }
    }

    pub(crate) fn system(&self) -> &System {
        self.vitals.system()
    }

    pub(crate) fn next_task(&mut self) -> u64 {
        self.last_task += 1;
        self.last_task
    }

    pub(crate) fn remember_task(&mut self, task: u64, handle: SpawnHandle) {
        self.tasks.insert(task, handle);
    }

    pub(crate) fn forget_task(&mut self, task: u64) {
        self.tasks.remove(&task);
    }

    pub(crate) fn order_stop(&self) {
        self.vitals.close();
        self.control.order(Order::Stop(ExitReason::Normal));
    }

    fn emit(&self, kind: EventKind, detail: &str, backoff_ms: u64) {
        self.system().emit(kind, self.vitals.name(), self.epoch, detail, backoff_ms);
    }

    fn emit_crash(&self, at: DateTime<Utc>, detail: &str, backoff_ms: u64, row: &str) {
        let event = Event::new(at, EventKind::Crashed, self.vitals.name());
        let (detail, row) = (detail.to_owned(), row.to_owned());
        self.system().report(Event { epoch: self.epoch, detail, backoff_ms, row, ..event });
    }
}

/// The actor that actix sees.
pub(crate) struct Slot<C: Child> {
    child: Option<C>,
    after: Option<Arc<Vitals>>,
    pub(crate) core: Core<C>,
}

/// What it takes to start a slot.
pub(crate) struct Seed<C: Child> {
    pub(crate) name: String,
    pub(crate) policy: Arc<Policy>,
    pub(crate) make: Box<dyn Fn() -> C + Send>,
    pub(crate) parent: Option<Arc<dyn Parent>>,
    pub(crate) tally: Arc<Tally>,
    /// One of the same name on the same arbiter that must be gone before this one begins.
    pub(crate) after: Option<Arc<Vitals>>,
    pub(crate) hold: Option<Hold>,
}

impl<C: Child> Slot<C> {
    /// Starts a slot on `arbiter` and returns its mailbox at once.
    pub(crate) fn start(seed: Seed<C>, system: &System, arbiter: &actix::ArbiterHandle) -> Mailbox<C> {
        let vitals = Arc::new(Vitals::new(&seed.name, seed.policy.bound, seed.tally, system.clone()));
        if seed.hold == Some(Hold::Draining) {
            vitals.close();
        }
        if seed.hold.is_some() {
            vitals.set_hold(seed.hold);
        }
        let control = Arc::new(Control::default());
        let (theirs, ours) = (Arc::clone(&vitals), Arc::clone(&control));
        // The permits are the bound; actix's own, in force before `started`, must never be the smaller one.
        let bound = usize::try_from(seed.policy.bound).unwrap_or(usize::MAX);
        let (sender, receiver) = actix::dev::channel::channel(bound.saturating_add(16));
        let slot = move || Self {
            child: None,
            after: seed.after,
            core: Core {
                vitals: theirs,
                control: ours,
                epoch: 0,
                desk: None,
                last_crash: None,
                policy: seed.policy,
                make: seed.make,
                parent: seed.parent,
                window: Window::default(),
                tasks: HashMap::new(),
                last_task: 0,
            },
        };
        // On an arbiter that has ended the letters are dropped, and so recorded as dead.
        let _ = arbiter.spawn_fn(move || {
            Context::with_receiver(receiver).run(slot());
        });
        let address = Addr::new(sender);
        Mailbox { address, vitals, control, arbiter: arbiter.clone() }
    }

    fn begin(&mut self, context: &mut Context<Self>) {
        self.core.epoch += 1;
        let core = &mut self.core;
        let born = catch_unwind(AssertUnwindSafe(|| {
            let mut child = (core.make)();
            child.started(&mut Scope { core: &mut *core, context: &mut *context });
            child
        }));
        match born {
            Ok(child) => {
                self.child = Some(child);
                self.core.vitals.set_state(State::Running);
                if self.core.epoch == 1 {
                    self.core.emit(EventKind::Started, "", 0);
                } else {
                    self.core.vitals.restarted();
                    let why = if self.core.window.is_clear() { ExitReason::Renewed } else { ExitReason::Panicked };
                    self.core.emit(EventKind::Restarted, why.name(), 0);
                }
            }
            Err(payload) => self.crash(&payload, context),
        }
    }

    /// Ends the incarnation: its child, its timers and its futures.
    fn discard(&mut self, context: &mut Context<Self>) {
        for (_, handle) in self.core.tasks.drain() {
            context.cancel_future(handle);
        }
        let child = self.child.take();
        // A child whose drop panics is as gone as any other.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(child)));
    }

    fn crash(&mut self, payload: &Payload, context: &mut Context<Self>) {
        let now = self.core.system().now();
        let failure = describe(payload.as_ref(), now);
        self.discard(context);
        // The desk belongs to the incarnation; what lay on it goes to the next.
        let row = self.core.desk.take().map(|desk| desk.row()).unwrap_or_default();
        let detail = format!(
            "{} at {}: {} ({})",
            ExitReason::Panicked.name(),
            failure.place,
            failure.message,
            failure.reference
        );
        self.core.last_crash = Some(Box::new(Crash { row: row.clone(), failure: failure.clone() }));
        self.core.vitals.failed(failure);
        if self.core.policy.restart == Restart::Temporary {
            self.core.emit_crash(now, &detail, 0, &row);
            self.end(ExitReason::Panicked, context);
            return;
        }
        match self.core.window.crash(now, self.core.policy.intensity) {
            Some(nth) => {
                let delay = self.core.policy.backoff.delay(nth);
                let backoff_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                self.core.emit_crash(now, &detail, backoff_ms, &row);
                self.core.vitals.set_state(State::BackingOff);
                if delay.is_zero() {
                    self.begin(context);
                } else {
                    let sleep = self.core.system().clock().sleep(delay);
                    self.pause(sleep, context);
                }
            }
            None => {
                self.core.emit_crash(now, &detail, 0, &row);
                self.core.emit(EventKind::Escalated, ExitReason::Escalated.name(), 0);
                self.core.vitals.set_state(State::Suspended);
                match self.core.parent.clone() {
                    Some(parent) => {
                        self.pause(std::future::pending(), context);
                        parent.escalated(&self.core.vitals, &self.core.control);
                    }
                    None => self.end(ExitReason::Escalated, context),
                }
            }
        }
    }

    /// Keeps the mailbox shut until `over` or until an order comes.
    fn pause(&mut self, over: impl Future<Output = ()> + 'static, context: &mut Context<Self>) {
        let control = Arc::clone(&self.core.control);
        let wait = async move {
            tokio::pin!(over);
            loop {
                tokio::select! {
                    () = &mut over => break,
                    // A notification may be left over from an order that was obeyed long ago.
                    () = control.notify.notified() => if control.waits() { break },
                }
            }
        };
        context.wait(actix::fut::wrap_future::<_, Self>(wait).map(
            |(), slot, context| match slot.core.control.take() {
                Some(Order::Stop(reason)) => slot.end(reason, context),
                Some(Order::Renew | Order::Break) => {
                    slot.core.window.clear();
                    slot.begin(context);
                }
                None => slot.begin(context),
            },
        ));
    }

    /// Keeps the mailbox shut as long as the child is paused, then goes on with `then`.
    fn stand_still(&mut self, then: impl FnOnce(&mut Self, &mut Context<Self>) + 'static, context: &mut Context<Self>) {
        let (control, vitals) = (Arc::clone(&self.core.control), Arc::clone(&self.core.vitals));
        let wait = async move {
            while vitals.hold() == Some(Hold::Paused) && !control.waits() {
                control.notify.notified().await;
            }
        };
        context.wait(actix::fut::wrap_future::<_, Self>(wait).map(
            |(), slot, context| match slot.core.control.take() {
                // What was kept is dropped, and so recorded.
                Some(Order::Stop(reason)) => slot.end(reason, context),
                Some(Order::Renew | Order::Break) => {
                    // What waits last is done first: the new incarnation, then the letter.
                    slot.stand_still(then, context);
                    slot.renew(context);
                }
                None => then(slot, context),
            },
        ));
    }

    /// A letter of a paused child.
    #[cold]
    #[inline(never)]
    fn keep<M: Message>(&mut self, letter: Letter<M>, context: &mut Context<Self>)
    where
        C: Receive<M>,
    {
        self.stand_still(move |slot, context| slot.handle(letter, context), context);
    }

    fn renew(&mut self, context: &mut Context<Self>) {
        self.discard(context);
        self.core.desk = None;
        self.core.window.clear();
        self.begin(context);
    }

    fn end(&mut self, reason: ExitReason, context: &mut Context<Self>) {
        self.core.vitals.close();
        if let Some(child) = self.child.as_mut() {
            // What a child does at its end can't keep it from ending.
            let _ = catch_unwind(AssertUnwindSafe(|| child.stopping()));
        }
        self.discard(context);
        self.core.vitals.set_state(State::Stopped);
        let kind = if reason == ExitReason::Passivated { EventKind::Passivated } else { EventKind::Stopped };
        self.core.emit(kind, reason.name(), 0);
        context.stop();
    }

    /// Goes on in the child with what a guarded future brought.
    pub(crate) fn run<R>(
        &mut self,
        context: &mut Context<Self>,
        outcome: Result<R, Payload>,
        then: impl FnOnce(&mut C, &mut Scope<'_, C>, R),
    ) {
        let result = match outcome {
            Ok(result) => result,
            Err(payload) => return self.crash(&payload, context),
        };
        let Some(child) = self.child.as_mut() else { return };
        let core = &mut self.core;
        let ran = catch_unwind(AssertUnwindSafe(|| then(child, &mut Scope { core, context: &mut *context }, result)));
        if let Err(payload) = ran {
            self.crash(&payload, context);
        }
    }

    fn answer_exclusively<T: Send + 'static>(
        &mut self,
        work: std::pin::Pin<Box<dyn Future<Output = Finish<C, T>>>>,
        answer: Answer<T>,
        context: &mut Context<Self>,
    ) {
        let (control, guarded) = (Arc::clone(&self.core.control), guard(work));
        let work = async move {
            tokio::select! {
                biased;
                outcome = guarded => Some(outcome),
                () = control.broken() => None,
            }
        };
        context.wait(actix::fut::wrap_future::<_, Self>(work).map(move |outcome, slot, context| match outcome {
            Some(outcome) => {
                slot.run(context, outcome, move |child, scope, finish| answer.send(finish(child, scope)));
            }
            None => {
                drop(answer);
                // The order is obeyed here; its letter will find nothing to do.
                match slot.core.control.take() {
                    Some(Order::Stop(reason)) => slot.end(reason, context),
                    _ => slot.renew(context),
                }
            }
        }));
    }

    fn answer_later<T: Send + 'static>(
        &mut self,
        work: std::pin::Pin<Box<dyn Future<Output = T>>>,
        answer: Answer<T>,
        context: &mut Context<Self>,
    ) {
        let mut scope = Scope { core: &mut self.core, context };
        scope.spawn(work, move |_, _, result| answer.send(result));
    }
}

/// Work in the trace of whoever sent the letter.
fn within<T: 'static>(
    span: Trace,
    work: std::pin::Pin<Box<dyn Future<Output = T>>>,
) -> std::pin::Pin<Box<dyn Future<Output = T>>> {
    match span {
        Some(span) => Box::pin(work.instrument(*span)),
        None => work,
    }
}

/// A future whose panic is a value.
pub(crate) fn guard<F: Future>(work: F) -> impl Future<Output = Result<F::Output, Payload>> {
    AssertUnwindSafe(work).catch_unwind()
}

impl<C: Child> Actor for Slot<C> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let Some(after) = self.after.take() else { return self.begin(context) };
        // It has no letter, and an order to stop: it is gone in a turn or two.
        let gone = async move {
            while after.state() != State::Stopped {
                tokio::task::yield_now().await;
            }
        };
        context.wait(actix::fut::wrap_future::<_, Self>(gone).map(
            |(), slot, context| match slot.core.control.take() {
                Some(Order::Stop(reason)) => slot.end(reason, context),
                _ => slot.begin(context),
            },
        ));
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.core.vitals.set_state(State::Stopped);
    }
}

impl<C, M> Handler<Letter<M>> for Slot<C>
where
    C: Receive<M>,
    M: Message,
{
    type Result = ();

    fn handle(&mut self, letter: Letter<M>, context: &mut Self::Context) {
        if self.core.vitals.hold() == Some(Hold::Paused) {
            return self.keep(letter, context);
        }
        let Some(child) = self.child.as_mut() else { return };
        let Some((message, answer, span)) = letter.open() else { return };
        let core = &mut self.core;
        core.vitals.opened();
        let receive = || child.receive(message, &mut Scope { core: &mut *core, context: &mut *context });
        let reply = match &span {
            None => catch_unwind(AssertUnwindSafe(receive)),
            Some(span) => catch_unwind(AssertUnwindSafe(|| span.in_scope(receive))),
        };
        match reply {
            Ok(Reply::Now(result)) => answer.send(result),
            Ok(Reply::Exclusive(work)) => self.answer_exclusively(within(span, work), answer, context),
            Ok(Reply::Later(work)) => self.answer_later(within(span, work), answer, context),
            Err(payload) => {
                drop(answer);
                self.crash(&payload, context);
            }
        }
    }
}

impl<C: Child> Handler<Obey> for Slot<C> {
    type Result = ();

    fn handle(&mut self, _: Obey, context: &mut Self::Context) {
        match self.core.control.take() {
            Some(Order::Stop(reason)) => self.end(reason, context),
            Some(Order::Renew | Order::Break) => self.renew(context),
            None if self.core.vitals.hold() == Some(Hold::Paused) => self.stand_still(|_, _| {}, context),
            None => {}
        }
    }
}
