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
    /// What most letters have nothing of; apart, for a letter is moved several times.
    extra: Option<Box<Extra>>,
}

/// What is known of a letter when somebody watches or traces, or when its message allows a retry.
struct Extra {
    came: Option<Instant>,
    opened: Option<Instant>,
    /// What the sender was doing: handling belongs to the same trace.
    span: Option<Box<Span>>,
    redo: Option<Redo>,
}

impl Extra {
    #[cold]
    fn new(vitals: &Vitals, redo: Option<Redo>) -> Box<Self> {
        let span = Span::current();
        let span = (!span.is_disabled()).then(|| Box::new(span));
        Box::new(Self { came: vitals.came(), opened: None, span, redo })
    }

    #[cold]
    fn open(&mut self) -> Trace {
        if self.came.is_some() {
            self.opened = Some(Instant::now());
        }
        self.span.take()
    }
}

/// The span in which a letter is handled.
pub(crate) type Trace = Option<Box<Span>>;

impl Permit {
    /// Wraps a place that was already taken with [`Vitals::enter`].
    #[inline]
    pub(crate) fn taken(vitals: Arc<Vitals>, redo: Option<Redo>) -> Self {
        let plain = redo.is_none() && !vitals.system().is_watched() && !tracing::dispatcher::has_been_set();
        let extra = if plain { None } else { Some(Extra::new(&vitals, redo)) };
        Self { vitals, extra }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        self.vitals.leave();
        if let Some((came, opened)) = self.extra.as_ref().and_then(|extra| Some((extra.came?, extra.opened))) {
            self.vitals.went(came, opened);
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
    #[inline]
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
    #[inline]
    pub(crate) fn new(message: M, sender: Option<oneshot::Sender<M::Answer>>, permit: Permit) -> Self {
        let answer = Answer { sender, permit };
        Self { content: Some((message, answer)) }
    }

    /// Takes the content out; from here on the letter can't become a dead one.
    #[inline]
    pub(crate) fn open(mut self) -> Option<(M, Answer<M::Answer>, Trace)> {
        let (message, mut answer) = self.content.take()?;
        let trace = answer.permit.extra.as_mut().and_then(|extra| extra.open());
        Some((message, answer, trace))
    }
}

impl<M: Message> Drop for Letter<M> {
    fn drop(&mut self) {
        if let Some((message, answer)) = self.content.take() {
            let vitals = &answer.permit.vitals;
            let (system, child) = (vitals.system(), vitals.name().to_owned());
            let name = std::any::type_name::<M>();
            system.emit(EventKind::LetterDead, &child, 0, name, 0);
            let redo = answer.permit.extra.as_ref().and_then(|extra| extra.redo);
            let content = redo.map(|redo| (Box::new(message) as Box<dyn Any + Send>, redo));
            system.dead_letters().record(system.now(), name, child, content);
        }
    }
}

impl<M: Message> actix::Message for Letter<M> {
    type Result = ();
}
