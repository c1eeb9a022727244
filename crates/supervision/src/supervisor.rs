//! Parents: who decides when a child failed too often.

use std::sync::{Arc, Mutex, PoisonError};

use crate::child::{Child, ChildSpec};
use crate::events::EventKind;
use crate::exit::ExitReason;
use crate::mailbox::{Mailbox, Steer};
use crate::restart::{Intensity, Window};
use crate::slot::{Control, Order, Seed, Slot};
use crate::system::System;
use crate::tally::{Tally, Totals};
use crate::vitals::Vitals;

/// Whoever is told of an escalation.
pub(crate) trait Parent: Send + Sync {
    /// `child` exceeded its intensity and waits for an order.
    fn escalated(&self, child: &Arc<Vitals>, control: &Arc<Control>);
}

/// A child as its parent sees it.
struct Held {
    steer: Arc<dyn Steer>,
    order: Box<dyn Fn(Order) + Send + Sync>,
}

/// A group of children that is renewed as one when any of them fails too often.
pub struct Supervisor {
    name: String,
    intensity: Intensity,
    window: Mutex<Window>,
    children: Mutex<Vec<Held>>,
    parent: Option<Arc<Supervisor>>,
    tally: Arc<Tally>,
    system: System,
}

impl Supervisor {
    pub(crate) fn new(name: &str, intensity: Intensity, parent: Option<Arc<Self>>, system: System) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            intensity,
            window: Mutex::new(Window::default()),
            children: Mutex::new(Vec::new()),
            parent,
            tally: Arc::default(),
            system,
        })
    }

    /// The name in the tree.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts a child under this supervisor, on the next arbiter in turn.
    pub fn start<C: Child>(self: &Arc<Self>, spec: ChildSpec<C>) -> Mailbox<C> {
        let parent: Arc<dyn Parent> = Arc::clone(self) as Arc<dyn Parent>;
        let ChildSpec { name, policy, make, hold } = spec;
        let seed = Seed { name, policy, make, parent: Some(parent), tally: Arc::clone(&self.tally), after: None, hold };
        let mailbox = Slot::start(seed, &self.system, &self.system.next_arbiter());
        let ordered = mailbox.clone();
        let order = Box::new(move |order| {
            ordered.control.order(order);
            ordered.obey();
        });
        let held = Held { steer: Arc::new(mailbox.clone()), order };
        self.children.lock().unwrap_or_else(PoisonError::into_inner).push(held);
        mailbox
    }

    /// The children's signs of life, in the order of their start.
    pub fn children(&self) -> Vec<Arc<Vitals>> {
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.iter().map(|held| Arc::clone(held.steer.vitals())).collect()
    }

    /// The child of this name, to be steered.
    pub fn child(&self, name: &str) -> Option<Arc<dyn Steer>> {
        let children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        children.iter().find(|held| held.steer.vitals().name() == name).map(|held| Arc::clone(&held.steer))
    }

    /// How the children stand, counted.
    pub fn totals(&self) -> Totals {
        self.tally.totals()
    }

    pub(crate) fn close(&self) {
        for held in self.children.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            held.steer.vitals().close();
        }
    }

    pub(crate) fn stop(&self) {
        for held in self.children.lock().unwrap_or_else(PoisonError::into_inner).iter().rev() {
            (held.order)(Order::Stop(ExitReason::Normal));
        }
    }

    /// A child gave up: its group begins anew, or its parent decides.
    pub(crate) fn child_gave_up(&self) {
        if self.bears() || self.parent_bears() {
            for held in self.children.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                (held.order)(Order::Renew);
            }
        }
    }

    /// Counts a failure below; false when there were too many.
    fn bears(&self) -> bool {
        let now = self.system.now();
        self.window.lock().unwrap_or_else(PoisonError::into_inner).crash(now, self.intensity).is_some()
    }

    /// Tells the parent that this group gave up; true when the group is to begin anew. Above the root there is only the
    /// end of the process.
    fn parent_bears(&self) -> bool {
        self.system.emit(EventKind::Escalated, &self.name, 0, ExitReason::Escalated.name(), 0);
        let borne = match &self.parent {
            Some(parent) => parent.bears() || parent.parent_bears(),
            None => {
                self.system.give_up();
                false
            }
        };
        if borne {
            self.window.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        borne
    }
}

impl Parent for Supervisor {
    fn escalated(&self, _: &Arc<Vitals>, _: &Arc<Control>) {
        self.child_gave_up();
    }
}
