//! One message on its way: its place in the mailbox, its own way back, and a record if nobody opens it.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::child::Message;
use crate::dead_letters::DeadLetter;
use crate::events::EventKind;
use crate::vitals::Vitals;

/// A place in a mailbox, given back when dropped.
pub(crate) struct Permit {
    vitals: Arc<Vitals>,
}

impl Permit {
    /// Wraps a place that was already taken with [`Vitals::enter`].
    pub(crate) fn taken(vitals: Arc<Vitals>) -> Self {
        Self { vitals }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.vitals.leave();
    }
}

/// The way back to the sender; the place in the mailbox is held until it is used or dropped.
pub(crate) struct Answer<T> {
    sender: Option<oneshot::Sender<T>>,
    permit: Permit,
}

impl<T> Answer<T> {
    /// Answers. A sender that went away is no failure: its message was handled all the same.
    pub(crate) fn send(self, answer: T) {
        let Self { sender, permit } = self;
        // First the place, then the answer: whoever has the answer may count on the place.
        drop(permit);
        if let Some(sender) = sender {
            let _ = sender.send(answer);
        }
    }
}

/// A message in a mailbox.
pub(crate) struct Letter<M: Message> {
    content: Option<(M, Answer<M::Answer>)>,
}

impl<M: Message> Letter<M> {
    pub(crate) fn new(message: M, sender: Option<oneshot::Sender<M::Answer>>, permit: Permit) -> Self {
        let answer = Answer { sender, permit };
        Self { content: Some((message, answer)) }
    }

    /// Takes the content out; from here on the letter can't become a dead one.
    pub(crate) fn open(mut self) -> Option<(M, Answer<M::Answer>)> {
        self.content.take()
    }
}

impl<M: Message> Drop for Letter<M> {
    fn drop(&mut self) {
        if let Some((_, answer)) = self.content.take() {
            let vitals = &answer.permit.vitals;
            let (system, child) = (vitals.system(), vitals.name().to_owned());
            let message = std::any::type_name::<M>();
            let at = system.now();
            system.emit(EventKind::LetterDead, &child, 0, message, 0);
            system.dead_letters().record(DeadLetter { at, message, child });
        }
    }
}

impl<M: Message> actix::Message for Letter<M> {
    type Result = ();
}
