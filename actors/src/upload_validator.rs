//! Looks at each uploaded image, and writes down what became of it (R2.8).

use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::MaterialId;
use domain::material::{Flaw, Verdict};
use domain::submission::RecordVerdict;
use pictures::{Judged, judge};
use store::{MATERIAL_CRASHES_MOST, Queue, Task};
use supervision::{Desk, Step, Work};

use crate::blocking::run;
use crate::session::{Fault, settled};
use crate::tree::{Asks, World};

/// The work of the upload validator.
pub(crate) struct UploadValidator {
    world: Arc<World>,
    sessions: Asks,
}

impl UploadValidator {
    pub(crate) fn new(world: Arc<World>, sessions: Asks) -> Self {
        Self { world, sessions }
    }
}

impl UploadValidator {
    /// Puts an image back that could not be looked at for a reason of ours.
    async fn later(&self, id: MaterialId, now: DateTime<Utc>) -> Step {
        let store = Arc::clone(&self.world.store);
        settled(run(&self.world.rows, move || store.defer_material(id, now + TimeDelta::seconds(5))).await)
    }
}

impl Work for UploadValidator {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        let (store, now) = (Arc::clone(&self.world.store), self.world.clock.now());
        let due = match run(&self.world.rows, move || store.claim_material(now)).await {
            Ok(Some(due)) => due,
            Ok(None) => return Step::Idle,
            Err(error) => {
                Fault::new(error);
                return Step::Idle;
            }
        };
        desk.take_up(Task::new(Queue::Upload, due.material.id));
        self.world.pass("upload-due").await;
        let (store, hash, crashes) = (Arc::clone(&self.world.store), due.material.original.clone(), due.crashes);
        let looked = run(&self.world.heavy, move || {
            if crashes >= MATERIAL_CRASHES_MOST {
                return Ok(Verdict::Bad { flaw: Flaw::Damaged });
            }
            let original = store.blobs().get(store.keys(), &hash)?;
            Ok::<_, store::StoreError>(match judge(&original) {
                Judged::Good { width, height, shown, look, advice } => {
                    let shown = store.blobs().put(store.keys(), &shown)?;
                    Verdict::Good { width, height, shown, look, advice }
                }
                Judged::Bad(flaw) => Verdict::Bad { flaw },
            })
        })
        .await;
        self.world.pass("upload-judged").await;
        let verdict = match looked {
            Ok(verdict) => verdict,
            Err(error) => {
                Fault::new(error);
                return self.later(due.material.id, now).await;
            }
        };
        if crashes >= MATERIAL_CRASHES_MOST {
            tracing::error!(material = %due.material.id, "an image that the validator can't look at is set aside");
        }
        let command = RecordVerdict { application: due.application, material: due.material.id, verdict };
        match self.sessions.command(due.applicant, command).await {
            Ok(()) => Step::Worked,
            Err(_) => self.later(due.material.id, now).await,
        }
    }
}
