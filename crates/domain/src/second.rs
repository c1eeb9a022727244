//! The blind second evaluation: a share of cases is evaluated twice, the second time by somebody who does not see what
//! the first came to. It costs a day and shows how far evaluators agree (R6.5).

use serde::{Deserialize, Serialize};

use crate::case::Proposal;
use crate::effects::{Actor, Effects};
use crate::ids::StaffId;
use crate::{Rejection, application::Application};

/// The timeline's kinds of this, which no applicant sees.
pub const INTERNAL: [&str; 4] = ["evaluated", "evaluations-agree", "evaluations-differ", "second-waived"];

/// Two evaluations of one case; made empty when the case is accepted, if it is drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondEvaluation {
    /// The first, kept aside until the second is there.
    pub first: Option<Proposal>,
    /// The second.
    pub second: Option<Proposal>,
}

impl SecondEvaluation {
    /// Whether one of the two is missing.
    pub fn is_open(&self) -> bool {
        self.second.is_none()
    }

    /// Whether both came to the same: the result, and its reason.
    pub fn agrees(&self) -> bool {
        match (&self.first, &self.second) {
            (Some(first), Some(second)) => first.outcome == second.outcome && first.reason == second.reason,
            _ => false,
        }
    }

    /// Whether this officer made the first.
    pub fn is_first_of(&self, officer: StaffId) -> bool {
        self.is_open() && self.first.as_ref().is_some_and(|first| first.by == officer)
    }
}

/// Whether a case is drawn at a share of so many in a hundred. `lot` is a keyed hash of the case, which nobody who begins
/// an application can choose: always the same for the same case.
pub const fn is_drawn(lot: u64, share: u8) -> bool {
    lot % 100 < share as u64
}

/// Whether this officer made the first evaluation and waits for somebody else; not once something came into the file that
/// it did not know of.
pub fn waits(application: &Application, officer: StaffId) -> bool {
    let work = &application.casework;
    let first = work.second.as_ref().filter(|pair| pair.is_first_of(officer)).and_then(|pair| pair.first.as_ref());
    first.is_some_and(|first| work.file_changed_at().is_none_or(|came| came <= first.at))
}

/// Whether an officer took part in evaluating what is decided, first or second.
pub fn took_part(application: &Application, officer: StaffId) -> bool {
    let pair = application.casework.second.as_ref();
    pair.is_some_and(|pair| [&pair.first, &pair.second].into_iter().flatten().any(|one| one.by == officer))
}

/// An approver lets a case go on that nobody is there to evaluate a second time: what was found first is proposed.
pub(crate) fn waive(application: &mut Application, by: StaffId, effects: &mut Effects) -> Result<(), Rejection> {
    let id = application.id;
    let open = application.casework.second.take_if(|pair| pair.is_open()).ok_or(Rejection::Stale)?;
    effects.happened(id, "second-waived", Actor::Staff(by), "");
    if let Some(first) = open.first {
        effects.happened(id, "proposed", Actor::Staff(first.by), first.outcome.code());
        application.proposal = Some(first);
    }
    Ok(())
}

/// Takes an evaluation, if the case waits for one of two; true when it is not a proposal yet, or was made one here.
pub(crate) fn evaluated(
    application: &mut Application,
    evaluation: &Proposal,
    effects: &mut Effects,
) -> Result<bool, Rejection> {
    let id = application.id;
    // Materials or an answer that came since the first evaluation: it was of another file, and is made anew.
    let came = application.casework.file_changed_at();
    if let Some(pair) = application.casework.second.as_mut().filter(|pair| pair.is_open()) {
        pair.first.take_if(|first| came.is_some_and(|came| came > first.at));
    }
    let Some(pair) = application.casework.second.as_mut().filter(|pair| pair.is_open()) else { return Ok(false) };
    if pair.is_first_of(evaluation.by) {
        return Err(Rejection::OwnProposal);
    }
    effects.happened(id, "evaluated", Actor::Staff(evaluation.by), "");
    let Some(first) = pair.first.clone() else {
        pair.first = Some(evaluation.clone());
        return Ok(true);
    };
    pair.second = Some(evaluation.clone());
    let kind = if pair.agrees() { "evaluations-agree" } else { "evaluations-differ" };
    effects.happened(id, kind, Actor::Staff(evaluation.by), first.by.to_string());
    effects.happened(id, "proposed", Actor::Staff(first.by), first.outcome.code());
    // What is proposed is the first; the approver sees both.
    application.proposal = Some(Proposal { at: evaluation.at, ..first });
    Ok(true)
}
