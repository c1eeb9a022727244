//! The session actor: one per applicant, through which every change to that applicant goes.
//!
//! It holds a copy of the applicant and trusts it only after a look at the version (another node may have
//! committed). A command is decided on a copy, committed in one transaction, and only then answered.

use std::sync::Arc;

use domain::Rejection;
use domain::applicant::Applicant;
use domain::command::Command;
use domain::effects::{Effects, Moment};
use domain::ids::ApplicantId;
use store::{Committed, StoreError};
use supervision::{Child, Message, Receive, Reply, Scope};

use crate::blocking::run;
use crate::tree::World;

/// How often a command is decided again because somebody else committed first.
const DECISIONS_MOST: usize = 5;

/// Something that is the operators' to mend; its reference is on the page and in the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("fault {reference}: {internal}")]
pub struct Fault {
    /// What the page shows.
    pub reference: String,
    /// What the log says.
    pub internal: String,
}

impl Fault {
    /// A fault, logged here once.
    pub fn new(internal: impl std::fmt::Display) -> Self {
        let id = domain::ids::NoticeId::fresh().to_string();
        let reference = format!("E-{}", id.get(20..28).unwrap_or("00000000").to_uppercase());
        let internal = internal.to_string();
        tracing::error!(target: "fault", reference = %reference, error = %internal, "fault");
        Self { reference, internal }
    }
}

/// Why a command was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// The asker's to put right.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The operators'.
    #[error(transparent)]
    Failed(#[from] Fault),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Missing => Self::Rejected(Rejection::NotFound),
            StoreError::Taken(_) => Self::Rejected(Rejection::Duplicate),
            other => Self::Failed(Fault::new(other)),
        }
    }
}

/// The end of a step whose row has been moved on; if even that failed, the next sweep comes back to it.
pub(crate) fn settled(written: Result<(), StoreError>) -> supervision::Step {
    match written {
        Ok(()) => supervision::Step::Worked,
        Err(error) => {
            Fault::new(error);
            supervision::Step::Idle
        }
    }
}

/// Carries out a command.
#[derive(Debug)]
pub struct Do<C>(pub C);

impl<C: Command> Message for Do<C> {
    type Answer = Result<C::Done, Refusal>;
}

/// Asks for the applicant as it now stands; with the version that the asker has just seen, a copy that is as new is
/// given at once.
#[derive(Debug)]
pub struct Load(pub Option<i64>);

impl Message for Load {
    type Answer = Result<Arc<Applicant>, Refusal>;
}

/// The actor.
pub struct Session {
    id: ApplicantId,
    world: Arc<World>,
    held: Option<Arc<Applicant>>,
}

impl Session {
    /// The session of one applicant; nothing is loaded before the first letter.
    pub fn new(id: ApplicantId, world: Arc<World>) -> Self {
        Self { id, world, held: None }
    }
}

impl Child for Session {}

/// The held copy if it is still true, else a fresh one.
fn current(world: &World, id: ApplicantId, held: Option<Arc<Applicant>>) -> Result<Arc<Applicant>, StoreError> {
    if let Some(held) = held
        && world.store.applicant_version(id)? == held.version
    {
        return Ok(held);
    }
    world.store.load_applicant(id)
}

/// What goes back to the asker, and what the actor holds from now on.
type Outcome<T> = (Result<T, Refusal>, Option<Arc<Applicant>>);

fn carry_out<C: Command>(
    world: &World,
    id: ApplicantId,
    mut held: Option<Arc<Applicant>>,
    command: &C,
) -> Outcome<C::Done> {
    for _ in 0..DECISIONS_MOST {
        let before = match current(world, id, held.take()) {
            Ok(before) => before,
            Err(error) => return (Err(error.into()), None),
        };
        let mut after = Applicant::clone(&before);
        let mut effects = Effects::default();
        let moment = Moment { now: world.clock.now(), calendar: &world.calendar };
        let done = match command.decide(&mut after, &moment, &mut effects) {
            Ok(done) => done,
            Err(rejection) => return (Err(rejection.into()), Some(before)),
        };
        if after == *before && effects == Effects::default() {
            return (Ok(done), Some(before));
        }
        world.at("commit");
        match world.store.commit(Some(&before), after, effects, moment.now) {
            Ok(Committed { applicant, notices }) => {
                world.at("committed");
                world.commits.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if notices {
                    world.wake.notices();
                }
                // Nobody listens, mostly.
                let _ = world.changes.send(id);
                return (Ok(done), Some(applicant));
            }
            // Another node was quicker: decide again on what it left.
            Err(StoreError::Stale) => {}
            Err(error) => return (Err(error.into()), None),
        }
    }
    (Err(Fault::new("the applicant changed under each of several decisions").into()), None)
}

impl<C: Command> Receive<Do<C>> for Session {
    fn receive(&mut self, Do(command): Do<C>, _: &mut Scope<'_, Self>) -> Reply<Self, Result<C::Done, Refusal>> {
        let (world, id, held) = (Arc::clone(&self.world), self.id, self.held.take());
        let work = async move {
            let blocking = world.rows.clone();
            run(&blocking, move || carry_out(&world, id, held, &command)).await
        };
        Reply::exclusive(work, |session: &mut Self, _, (answer, held)| {
            session.held = held;
            answer
        })
    }
}

impl Receive<Load> for Session {
    fn receive(&mut self, Load(seen): Load, _: &mut Scope<'_, Self>) -> Reply<Self, Result<Arc<Applicant>, Refusal>> {
        if let Some(held) = self.held.as_ref().filter(|held| seen.is_some_and(|seen| held.version >= seen)) {
            return Reply::Now(Ok(Arc::clone(held)));
        }
        let (world, id, held) = (Arc::clone(&self.world), self.id, self.held.take());
        let work = async move {
            let blocking = world.rows.clone();
            run(&blocking, move || current(&world, id, held)).await
        };
        Reply::exclusive(work, |session: &mut Self, _, loaded| {
            session.held = loaded.as_ref().ok().cloned();
            loaded.map_err(Refusal::from)
        })
    }
}
