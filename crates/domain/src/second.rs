//! The blind second evaluation: a share of cases is evaluated twice, the second time by somebody who does not see what
//! the first came to. It costs a day and shows how far evaluators agree (R6.5).

use serde::{Deserialize, Serialize};

use crate::case::Proposal;
use crate::effects::{Actor, Effects};
use crate::ids::{ApplicationId, StaffId};
use crate::{Rejection, application::Application};

/// The timeline's kinds of this, which no applicant sees.
pub const INTERNAL: [&str; 3] = ["evaluated", "evaluations-agree", "evaluations-differ"];

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

    /// Whether this officer made the first and waits for somebody else.
    pub fn is_first_of(&self, officer: StaffId) -> bool {
        self.is_open() && self.first.as_ref().is_some_and(|first| first.by == officer)
    }
}

/// Whether a case is drawn at a share of so many in a hundred: always the same for the same case.
pub fn is_drawn(application: ApplicationId, share: u8) -> bool {
    // The low half of a version 7 UUID is random.
    application.0.as_u128() % (1 << 62) % 100 < u128::from(share)
}

/// Takes an evaluation, if the case waits for one of two; true when it is not a proposal yet, or was made one here.
pub(crate) fn evaluated(
    application: &mut Application,
    evaluation: &Proposal,
    effects: &mut Effects,
) -> Result<bool, Rejection> {
    let id = application.id;
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
