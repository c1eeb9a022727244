//! Looks at cases on the day that something was set for: deadlines of further materials, holds that end, expected dates
//! that passed (casework.md §1).

use std::rc::Rc;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::casework::LookAtCase;
use store::{Queue, Task};
use supervision::{Desk, Step, Work};

use crate::blocking::run;
use crate::session::{Fault, settled};
use crate::tree::{Asks, World};

/// The work of the case clerk.
pub(crate) struct CaseClerk {
    world: Arc<World>,
    sessions: Asks,
}

impl CaseClerk {
    pub(crate) fn new(world: Arc<World>, sessions: Asks) -> Self {
        Self { world, sessions }
    }
}

impl Work for CaseClerk {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        let (store, now) = (Arc::clone(&self.world.store), self.world.clock.now());
        let (owner, application) = match run(&self.world.rows, move || store.due_case(now)).await {
            Ok(Some(due)) => due,
            Ok(None) => return Step::Idle,
            Err(error) => {
                Fault::new(error);
                return Step::Idle;
            }
        };
        desk.take_up(Task::new(Queue::Case, application));
        self.world.pass("case-due").await;
        match self.sessions.command(owner, LookAtCase { application }).await {
            Ok(late) => {
                if late {
                    tracing::warn!(%application, "a case has passed its expected date");
                }
                Step::Worked
            }
            Err(refusal) => {
                tracing::error!(%application, %refusal, "a case that could not be looked at");
                let (store, until) = (Arc::clone(&self.world.store), now + TimeDelta::minutes(5));
                settled(run(&self.world.rows, move || store.defer_case(application, now, until)).await)
            }
        }
    }
}
