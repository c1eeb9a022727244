//! The address of a child: bounded, valid over restarts, and honest at once about what it can't take.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use actix::prelude::SendError;
use tokio::sync::oneshot;

use crate::child::{Child, Message, Receive};
use crate::dead_letters::Redo;
use crate::events::{Event, EventKind};
use crate::letter::{Letter, Permit};
use crate::slot::{Control, Obey, Order, Slot};
use crate::vitals::{Full, Hold, State, Vitals};

/// A mailbox did not take a message; here it is back.
#[derive(Debug, thiserror::Error)]
pub enum Refused<M> {
    /// As many letters wait as the bound allows.
    #[error("the mailbox is full")]
    Full(M),
    /// The child is stopped or about to.
    #[error("the mailbox is closed")]
    Closed(M),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The mailbox was full; nothing was done.
    #[error("the mailbox is full")]
    Full,
    /// The child is stopped; nothing was done.
    #[error("the mailbox is closed")]
    Closed,
    /// The child failed or ended after it took the message: what was done, only the rows know.
    #[error("the child failed while it had the message")]
    Lost,
    /// The deadline passed; the message is still being handled, or will be.
    #[error("no answer in time")]
    Late,
}

/// Sends to one child.
pub struct Mailbox<C: Child> {
    pub(crate) address: Addr<Slot<C>>,
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) control: Arc<Control>,
    pub(crate) arbiter: actix::ArbiterHandle,
}

impl<C: Child> Clone for Mailbox<C> {
    fn clone(&self) -> Self {
        Self {
            address: self.address.clone(),
            vitals: Arc::clone(&self.vitals),
            control: Arc::clone(&self.control),
            arbiter: self.arbiter.clone(),
        }
    }
}

impl<C: Child> Mailbox<C> {
    /// The child's signs of life.
    pub fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// Runs `work` on the arbiter on which the child lives, so that what is measured there crosses no thread.
    pub fn on_its_arbiter<F>(&self, work: impl FnOnce(Self) -> F + Send + 'static)
    where
        F: std::future::Future<Output = ()> + 'static,
    {
        let mailbox = self.clone();
        // An arbiter that has ended runs nothing any more.
        let _ = self.arbiter.spawn_fn(move || {
            actix_rt::spawn(work(mailbox));
        });
    }

    pub(crate) fn obey(&self) {
        self.control.notify();
        self.address.do_send(Obey);
    }

    #[inline]
    fn put<M>(&self, message: M, sender: Option<oneshot::Sender<M::Answer>>, loud: bool) -> Result<(), Refused<M>>
    where
        C: Receive<M>,
        M: Message,
    {
        if let Err(full) = self.vitals.enter() {
            if loud {
                self.vitals.system().emit(
                    EventKind::LetterRefused,
                    self.vitals.name(),
                    0,
                    std::any::type_name::<M>(),
                    0,
                );
            }
            return Err(match full {
                Full::Full => Refused::Full(message),
                Full::Closed => Refused::Closed(message),
            });
        }
        let again: Option<Redo> = if M::RETRIABLE { Some(redo::<C, M>) } else { None };
        let permit = Permit::taken(Arc::clone(&self.vitals), again);
        let letter = Letter::new(message, sender, permit);
        // A letter that was just made has its content, so the last arms are as good as unreachable.
        match self.address.try_send(letter) {
            Ok(()) => Ok(()),
            Err(SendError::Full(letter)) => letter.open().map_or(Ok(()), |(message, ..)| Err(Refused::Full(message))),
            Err(SendError::Closed(letter)) => {
                letter.open().map_or(Ok(()), |(message, ..)| Err(Refused::Closed(message)))
            }
        }
    }

    /// Sends without waiting for an answer.
    ///
    /// # Errors
    /// [`Refused`], with the message, when the mailbox is full or closed.
    pub fn offer<M>(&self, message: M) -> Result<(), Refused<M>>
    where
        C: Receive<M>,
        M: Message,
    {
        self.put(message, None, true)
    }

    /// Sends a wake-up: one that finds no room is not missed, for others wait already.
    pub fn nudge<M>(&self, message: M)
    where
        C: Receive<M>,
        M: Message,
    {
        // Refusal is the point: the letters before it do the same work.
        let _ = self.put(message, None, false);
    }

    /// Sends and waits for the answer. A caller that stops waiting cancels nothing.
    ///
    /// # Errors
    /// [`AskError`]: `Full` and `Closed` say that nothing was done, `Lost` that only the rows know.
    pub async fn ask<M>(&self, message: M) -> Result<M::Answer, AskError>
    where
        C: Receive<M>,
        M: Message,
    {
        self.send(message).map_err(|refused| refused.without_message())?.await.map_err(|_| AskError::Lost)
    }

    /// As [`Mailbox::ask`], for at most `within`.
    ///
    /// # Errors
    /// Those of [`Mailbox::ask`], and `Late`.
    pub async fn ask_within<M>(&self, message: M, within: Duration) -> Result<M::Answer, AskError>
    where
        C: Receive<M>,
        M: Message,
    {
        let answer = self.send(message).map_err(|refused| refused.without_message())?;
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| AskError::Lost),
            () = self.vitals.system().clock().sleep(within) => Err(AskError::Late),
        }
    }

    #[inline]
    pub(crate) fn send<M>(&self, message: M) -> Result<oneshot::Receiver<M::Answer>, Refused<M>>
    where
        C: Receive<M>,
        M: Message,
    {
        let (sender, answer) = oneshot::channel();
        self.put(message, Some(sender), true)?;
        Ok(answer)
    }
}

/// Sends a dead letter's message again. One that is refused is a dead letter anew.
fn redo<C, M>(content: Box<dyn Any + Send>, to: &dyn Any) -> bool
where
    C: Receive<M>,
    M: Message,
{
    let (Ok(message), Some(mailbox)) = (content.downcast::<M>(), to.downcast_ref::<Mailbox<C>>()) else { return false };
    match mailbox.put(*message, None, true) {
        Ok(()) => true,
        Err(Refused::Full(message) | Refused::Closed(message)) => {
            let (vitals, content) = (mailbox.vitals(), Box::new(message) as Box<dyn Any + Send>);
            let (system, name) = (vitals.system(), std::any::type_name::<M>());
            system.dead_letters().record(system.now(), name, vitals.name().to_owned(), Some((content, redo::<C, M>)));
            false
        }
    }
}

/// A child as an operator has it in hand, whatever letters it understands. `by` stands in the supervision log.
///
/// Each act says whether it applied: nothing applies to a child that is gone or about to be.
pub trait Steer: Send + Sync {
    /// The child's signs of life.
    fn vitals(&self) -> &Arc<Vitals>;
    /// No letter is opened any more; they are taken, up to the bound, and keep.
    fn pause(&self, by: &str) -> bool;
    /// No letter is taken any more; those that were are finished.
    fn drain(&self, by: &str) -> bool;
    /// Undoes [`Steer::pause`] and [`Steer::drain`].
    fn resume(&self, by: &str) -> bool;
    /// A new incarnation now, even in the middle of an exclusive reply (its caller gets [`AskError::Lost`]). A handler
    /// that never returns can't be broken off.
    fn renew(&self, by: &str) -> bool;
    /// Whether a letter that came now would be taken.
    fn takes_letters(&self) -> bool;
    /// The mailbox itself.
    fn as_any(&self) -> &dyn Any;
}

impl<C: Child> Mailbox<C> {
    fn ordered(&self, kind: EventKind, by: &str) -> bool {
        let by = by.to_owned();
        let system = self.vitals.system();
        system.report(Event { by, ..Event::new(system.now(), kind, self.vitals.name()) });
        true
    }

    fn is_ending(&self) -> bool {
        self.vitals.state() == State::Stopped || self.control.stops() || self.vitals.system().is_ending()
    }
}

impl<C: Child> Steer for Mailbox<C> {
    fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    fn pause(&self, by: &str) -> bool {
        if self.is_ending() || self.vitals.hold() == Some(Hold::Paused) {
            return false;
        }
        if self.vitals.hold() == Some(Hold::Draining) {
            // From now on letters keep instead of being refused.
            self.vitals.reopen();
        }
        self.vitals.set_hold(Some(Hold::Paused));
        // One that gets no letters stands still all the same.
        self.address.do_send(Obey);
        self.ordered(EventKind::Paused, by)
    }

    fn drain(&self, by: &str) -> bool {
        if self.is_ending() || self.vitals.hold() == Some(Hold::Draining) {
            return false;
        }
        self.vitals.close();
        self.vitals.set_hold(Some(Hold::Draining));
        self.control.notify();
        self.ordered(EventKind::Draining, by)
    }

    fn resume(&self, by: &str) -> bool {
        if self.is_ending() || self.vitals.hold().is_none() {
            return false;
        }
        self.vitals.reopen();
        self.vitals.set_hold(None);
        self.control.notify();
        self.ordered(EventKind::Resumed, by)
    }

    fn renew(&self, by: &str) -> bool {
        if self.is_ending() {
            return false;
        }
        self.ordered(EventKind::Renewed, by);
        self.control.order(Order::Break);
        self.obey();
        true
    }

    fn takes_letters(&self) -> bool {
        self.vitals.has_room()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<M> Refused<M> {
    pub(crate) fn without_message(self) -> AskError {
        match self {
            Self::Full(_) => AskError::Full,
            Self::Closed(_) => AskError::Closed,
        }
    }
}
