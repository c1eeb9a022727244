//! What every reconciler has in common: a row that crashes its worker again and again is set aside, and the rest of the
//! queue goes on (R7.2).

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use store::Task;
use supervision::{Crash, Desk, Step, System, Work};

use crate::blocking::run;
use crate::session::Fault;
use crate::tree::World;

/// The rows that crashed their worker and were not gone through since; a copy of what stands in the database, so that a
/// row without trouble costs no look.
#[derive(Debug, Default)]
pub struct Troubled(Mutex<BTreeSet<String>>);

impl Troubled {
    /// Those that are known at the start.
    pub(crate) fn new(tasks: impl IntoIterator<Item = Task>) -> Self {
        Self(Mutex::new(tasks.into_iter().map(|task| task.to_string()).collect()))
    }

    /// One is tried again by hand.
    pub fn insert(&self, task: &Task) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(task.to_string());
    }

    fn has(&self, task: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(task)
    }

    fn remove(&self, task: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(task);
    }
}

/// A reconciler's work, with rows that crash it set aside.
pub(crate) struct Parking<W> {
    name: String,
    work: Rc<W>,
    world: Arc<World>,
    system: System,
}

impl<W: Work> Parking<W> {
    pub(crate) fn new(name: &str, work: W, world: &Arc<World>, system: &System) -> Self {
        Self { name: name.to_owned(), work: Rc::new(work), world: Arc::clone(world), system: system.clone() }
    }

    async fn mended(&self, row: &str) {
        let Some(task) = Task::parse(row) else { return };
        let (store, now) = (Arc::clone(&self.world.store), self.world.clock.now());
        match run(&self.world.rows, move || store.row_mended(&task, now)).await {
            Ok(mended) => {
                self.world.troubled.remove(row);
                if mended {
                    self.system.work_mended(&self.name, row, "");
                }
            }
            Err(error) => {
                Fault::new(error);
            }
        }
    }
}

impl<W: Work> Work for Parking<W> {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        let step = Rc::clone(&self.work).step(desk.clone()).await;
        let row = desk.row();
        if !row.is_empty() && self.world.troubled.has(&row) {
            self.mended(&row).await;
        }
        step
    }

    async fn crashed(self: Rc<Self>, crash: Crash) {
        let Some(task) = Task::parse(&crash.row) else { return };
        self.world.troubled.insert(&task);
        let failure = format!("{} · {} · {}", crash.failure.reference, crash.failure.place, crash.failure.message);
        let (store, now, child) = (Arc::clone(&self.world.store), self.world.clock.now(), self.name.clone());
        let counted = {
            let (task, failure) = (task.clone(), failure.clone());
            run(&self.world.rows, move || store.row_crashed(&task, &child, &failure, now)).await
        };
        match counted {
            Ok(true) => self.system.work_parked(&self.name, &crash.row, &failure),
            Ok(false) => {}
            Err(error) => {
                Fault::new(error);
            }
        }
    }
}
