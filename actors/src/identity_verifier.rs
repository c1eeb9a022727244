//! Asks the identity service how verifications and queries for entry–exit records stand (R2.3, identity.md §5).

use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, Months, TimeDelta, Utc};
use domain::calendar;
use domain::verification::{Finding, QR_SECONDS, RecordFinding, Records, VerificationState};
use gateways::GatewayError;
use gateways::identity::{FaceRequest, RecordsRequest};
use store::{DueVerification, Queue, Task};
use supervision::{Desk, Step, Work};

use crate::blocking::run;
use crate::session::{Fault, settled};
use crate::tree::{Asks, World};

/// The work of the identity verifier.
pub(crate) struct IdentityVerifier {
    world: Arc<World>,
    sessions: Asks,
}

impl IdentityVerifier {
    pub(crate) fn new(world: Arc<World>, sessions: Asks) -> Self {
        Self { world, sessions }
    }

    async fn look(&self, due: &DueVerification, now: DateTime<Utc>) -> Result<Finding, GatewayError> {
        let identity = &self.world.outside.identity;
        let attempt = &due.verification;
        let account = match self.sessions.applicant(due.applicant).await {
            Ok(applicant) => applicant.account.clone(),
            Err(error) => return Err(GatewayError::Setup(error.to_string())),
        };
        match (&attempt.state, &attempt.remote, &attempt.records) {
            (VerificationState::Asked, _, _) => {
                let request = FaceRequest {
                    outer_no: attempt.id.to_string(),
                    name: account.name.clone(),
                    document_type: account.document_type.code().into(),
                    document_no: account.document_number.clone(),
                    notify_url: format!("{}/identity/notify", self.world.settings.site),
                    ttl_seconds: u32::try_from(QR_SECONDS).unwrap_or(300),
                    scene: "degree-authentication".into(),
                };
                identity.begin_face(&request, now).await
            }
            (VerificationState::Passed, Some(remote), Records::Asked { .. }) => {
                let today = calendar::today(now);
                let request = RecordsRequest {
                    outer_no: attempt.id.to_string(),
                    verification_id: remote.clone(),
                    from: today.checked_sub_months(Months::new(120)).unwrap_or(today),
                    to: today,
                    consent_token: attempt.id.to_string(),
                };
                identity.begin_records(&request, now).await
            }
            (VerificationState::Passed, _, Records::Processing { query }) => identity.records(query, now).await,
            (_, Some(remote), _) => identity.face(remote, &account.document_number, now).await,
            _ => Ok(Finding::Unreachable),
        }
    }
}

impl Work for IdentityVerifier {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        let (store, now) = (Arc::clone(&self.world.store), self.world.clock.now());
        let due = match run(&self.world.rows, move || store.due_verification(now)).await {
            Ok(Some(due)) => due,
            Ok(None) => return Step::Idle,
            Err(error) => {
                Fault::new(error);
                return Step::Idle;
            }
        };
        desk.take_up(Task::new(Queue::Verification, due.verification.id));
        self.world.pass("verification-due").await;
        let finding = match self.look(&due, now).await {
            Ok(finding) => finding,
            Err(error) => {
                tracing::warn!(verification = %due.verification.id, %error, "the identity service gave no usable answer");
                match (error, due.verification.records.is_open()) {
                    // A refusal is definite: the records are asked for anew, or the code is.
                    (GatewayError::Refused(_), true) => Finding::Records(Records::None),
                    (GatewayError::Refused(_), false) => Finding::State {
                        state: VerificationState::Failed,
                        sub_code: None,
                        verified_at: None,
                        evidence: None,
                        same_person: false,
                    },
                    _ => Finding::Unreachable,
                }
            }
        };
        let command = RecordFinding { application: due.application, verification: due.verification.id, finding };
        match self.sessions.command(due.applicant, command).await {
            Ok(()) => Step::Worked,
            Err(refusal) => {
                tracing::error!(verification = %due.verification.id, %refusal, "a verification whose applicant can't be reached");
                let (store, id, until) =
                    (Arc::clone(&self.world.store), due.verification.id, now + TimeDelta::seconds(5));
                settled(run(&self.world.rows, move || store.defer_verification(id, until)).await)
            }
        }
    }
}
