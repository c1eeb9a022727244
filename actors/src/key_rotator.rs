//! Seals everything anew once there is a newer key: some rows at a time, beside everything else, and
//! after a restart from where it was.

use std::rc::Rc;
use std::sync::Arc;

use supervision::{Desk, Step, Work};

use crate::blocking::run;
use crate::session::Fault;
use crate::tree::World;

/// The work of the key rotator.
pub(crate) struct KeyRotator {
    world: Arc<World>,
}

impl KeyRotator {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

impl Work for KeyRotator {
    async fn step(self: Rc<Self>, _: Desk) -> Step {
        let store = Arc::clone(&self.world.store);
        let went = run(&self.world.heavy, move || {
            let before = store.rotation()?;
            let more = store.rotate_some()?;
            Ok::<_, store::StoreError>((before, more, store.rotation()?))
        });
        match went.await {
            Ok((before, true, after)) => {
                let unopened = before.as_ref().map_or(0, |it| it.unopened);
                if before.map(|it| it.place) != after.as_ref().map(|it| it.place.clone()) {
                    let place = after.map_or_else(|| "nothing: done".to_owned(), |it| it.place);
                    tracing::info!(next = place, unopened, "keys are being rotated");
                }
                Step::Worked
            }
            Ok((_, false, _)) => Step::Idle,
            Err(error) => {
                Fault::new(error);
                Step::Idle
            }
        }
    }
}
