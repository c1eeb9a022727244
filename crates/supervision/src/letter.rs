//! One message on its way: its place in the mailbox, its own way back, and a record if nobody opens it.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use tracing::Span;

use crate::child::Message;
use crate::dead_letters::Redo;
use crate::events::EventKind;
use crate::vitals::Vitals;

/// A place in a mailbox, given back when dropped.
pub(crate) struct Permit {
    vitals: Arc<Vitals>,
    /// When the letter came and when it was opened, while somebody watches.
    came: Option<Instant>,
    opened: Option<Instant>,
}

impl Permit {
    /// Wraps a place that was already taken with [`Vitals::enter`].
    pub(crate) fn taken(vitals: Arc<Vitals>) -> Self {
        let came = vitals.came();
        Self { vitals, came, opened: None }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.vitals.leave();
        if let Some(came) = self.came {
            self.vitals.went(came, self.opened);
        }
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
    /// What the sender was doing: handling belongs to the same trace.
    span: Span,
    redo: Redo,
}

impl<M: Message> Letter<M> {
    pub(crate) fn new(message: M, sender: Option<oneshot::Sender<M::Answer>>, permit: Permit, redo: Redo) -> Self {
        let answer = Answer { sender, permit };
        Self { content: Some((message, answer)), span: Span::current(), redo }
    }

    /// Takes the content out; from here on the letter can't become a dead one.
    pub(crate) fn open(mut self) -> Option<(M, Answer<M::Answer>, Span)> {
        let (message, mut answer) = self.content.take()?;
        if answer.permit.came.is_some() {
            answer.permit.opened = Some(Instant::now());
        }
        Some((message, answer, std::mem::replace(&mut self.span, Span::none())))
    }
}

impl<M: Message> Drop for Letter<M> {
    fn drop(&mut self) {
        if let Some((message, answer)) = self.content.take() {
            let vitals = &answer.permit.vitals;
            let (system, child) = (vitals.system(), vitals.name().to_owned());
            let name = std::any::type_name::<M>();
            system.emit(EventKind::LetterDead, &child, 0, name, 0);
            let content = M::RETRIABLE.then(|| (Box::new(message) as Box<dyn Any + Send>, self.redo));
            system.dead_letters().record(system.now(), name, child, content);
        }
    }
}

impl<M: Message> actix::Message for Letter<M> {
    type Result = ();
}
