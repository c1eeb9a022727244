//! How the children of one group stand, counted as they change: a look at a million costs what a look at ten does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::vitals::{State, Vitals};

/// The counts of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Children in each state, in the order of [`State::ALL`]; those that are gone are not counted.
    pub states: [u64; State::ALL.len()],
    /// Children that an operator paused or drained, whatever their state.
    pub held: u64,
    /// Incarnations that panicked, of all children since the start.
    pub crashes: u64,
}

/// Keeps the counts, and the few children that are not simply at work.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    states: [AtomicI64; State::ALL.len()],
    crashes: AtomicU64,
    apart: Mutex<BTreeMap<Box<str>, Arc<Vitals>>>,
}

impl Tally {
    fn count(&self, state: State, by: i64) {
        if let Some(count) = self.states.get(state as usize) {
            count.fetch_add(by, Ordering::Relaxed);
        }
    }

    pub(crate) fn born(&self) {
        self.count(State::Starting, 1);
    }

    pub(crate) fn crashed(&self) {
        self.crashes.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn moved(&self, before: State, after: State) {
        self.count(before, -1);
        self.count(after, 1);
    }

    /// Lists a child apart as long as it is not simply at work.
    pub(crate) fn sort(&self, child: &Arc<Vitals>) {
        let mut apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        let ordinary = matches!(child.state(), State::Starting | State::Running) && child.hold().is_none();
        if ordinary || child.state() == State::Stopped {
            // Another child may have taken the name meanwhile.
            if apart.get(child.name()).is_some_and(|known| Arc::ptr_eq(known, child)) {
                apart.remove(child.name());
            }
        } else {
            apart.insert(child.name().into(), Arc::clone(child));
        }
    }

    /// The children that are down, suspended, paused or drained, by name.
    pub(crate) fn apart(&self, most: usize) -> Vec<Arc<Vitals>> {
        self.apart.lock().unwrap_or_else(PoisonError::into_inner).values().take(most).cloned().collect()
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals { crashes: self.crashes.load(Ordering::Relaxed), ..Totals::default() };
        for (count, kept) in totals.states.iter_mut().zip(&self.states) {
            // While a child changes its state it may be counted twice or not at all.
            *count = u64::try_from(kept.load(Ordering::Relaxed)).unwrap_or(0);
        }
        if let Some(gone) = totals.states.get_mut(State::Stopped as usize) {
            *gone = 0;
        }
        let apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
        totals.held = apart.values().filter(|child| child.hold().is_some()).count() as u64;
        totals
    }
}
