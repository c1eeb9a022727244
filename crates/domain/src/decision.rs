//! The officers' commands: accept or not, propose, approve or send back (R6.3, casework.md §1).

use uuid::Uuid;

use crate::Rejection;
use crate::applicant::Applicant;
use crate::application::Application;
use crate::case::{Decision, NotAccepted, Outcome, Proposal, REASONS, Stage};
use crate::casework::{self, Words};
use crate::certificate::{Certificate, Standing};
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment, NoticeKind};
use crate::ids::{ApplicationId, CertificateId};
use crate::refund;
use crate::second;
use crate::staff::{Act, Officer};

/// Longest note of an officer, in characters.
pub const NOTE_MOST: usize = 2_000;

/// What an officer does to a case.
#[derive(Debug, Clone)]
pub enum OfficerAct {
    /// Accepts it and begins evaluation: from here on there is no refund for the asking.
    Accept {
        /// It is evaluated by a second person too, who does not see what the first came to.
        second: bool,
    },
    /// Does not accept it.
    NotAccept {
        /// One of [`REASONS`].
        reason: String,
        /// What else.
        note: String,
    },
    /// Proposes a result.
    Propose {
        /// Which.
        outcome: Outcome,
        /// One of [`REASONS`], unless it is a certificate.
        reason: Option<String>,
        /// What else.
        note: String,
    },
    /// Lets a case go on that nobody is there to evaluate a second time.
    WaiveSecond,
    /// Approves the proposal.
    Approve,
    /// Sends the proposal back to evaluation.
    SendBack {
        /// Why.
        note: String,
    },
    /// Takes the document back that was issued.
    Revoke {
        /// One of [`REASONS`].
        reason: String,
        /// Why, in words for the applicant.
        note: String,
    },
}

/// Where a case stood, and since when, to the microsecond: a proposal that was sent back and made anew is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    stage: Stage,
    micros: i64,
}

impl Seen {
    /// What a page of `application` shows at present.
    pub fn of(application: &Application) -> Self {
        Self { stage: application.stage(), micros: application.since().timestamp_micros() }
    }

    /// Reads what [`Display`](std::fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (stage, micros) = text.split_once('@')?;
        Some(Self { stage: Stage::from_code(stage)?, micros: micros.parse().ok()? })
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.stage.code(), self.micros)
    }
}

/// One act of one officer on the case as it was when the page was made.
#[derive(Debug, Clone)]
pub struct Decide {
    /// Which case.
    pub application: ApplicationId,
    /// Who.
    pub officer: Officer,
    /// What.
    pub act: OfficerAct,
    /// What the page showed: anything else meanwhile, another proposal included, is a conflict, shown as one.
    pub seen: Seen,
}

pub(crate) fn known_reason(reason: &str) -> Result<String, Rejection> {
    if REASONS.contains(&reason) { Ok(reason.to_owned()) } else { Err(Rejection::field("reason", "choose")) }
}

pub(crate) fn short_note(note: &str) -> Result<String, Rejection> {
    let note = note.trim();
    if note.chars().count() > NOTE_MOST {
        let error = crate::form::FieldError::new("note", "too-long").with("most", NOTE_MOST);
        return Err(Rejection::Form(vec![error.with("over", note.chars().count() - NOTE_MOST)]));
    }
    Ok(note.to_owned())
}

impl Command for Decide {
    type Done = Stage;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<Stage, Rejection> {
        let needed = match self.act {
            OfficerAct::Accept { .. } | OfficerAct::NotAccept { .. } => Act::Accept,
            OfficerAct::Propose { .. } => Act::Propose,
            OfficerAct::Approve | OfficerAct::SendBack { .. } | OfficerAct::WaiveSecond | OfficerAct::Revoke { .. } => {
                Act::Approve
            }
        };
        if !self.officer.may(needed) {
            return Err(Rejection::NotAllowed);
        }
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        if Seen::of(application) != self.seen {
            return Err(Rejection::Stale);
        }
        let by = Actor::Staff(self.officer.id);
        let number = application.number.clone().unwrap_or_default();
        match (&self.act, application.stage()) {
            (OfficerAct::Accept { second }, Stage::Screening) => {
                application.accepted_at = Some(at.now);
                if *second {
                    application.casework.second = Some(second::SecondEvaluation::default());
                }
                casework::moved(application, &account, "accepted", at, effects);
                effects.happened(self.application, "accepted", by, "");
                effects.tell(&account, NoticeKind::Accepted, &[("number", &number)]);
            }
            (OfficerAct::NotAccept { reason, note }, Stage::Screening) => {
                let (reason, note) = (known_reason(reason)?, short_note(note)?);
                if reason == "false-material" {
                    // It costs the applicant the fee: a refusal that a second person approves, not this.
                    return Err(Rejection::field("reason", "needs-decision"));
                }
                effects.happened(self.application, "not-accepted", by, reason.clone());
                effects.tell(&account, NoticeKind::NotAccepted, &[("number", &number)]);
                application.not_accepted = Some(NotAccepted { reason, note, by: self.officer.id, at: at.now });
                refund::not_accepted(application, at, effects);
            }
            (OfficerAct::Propose { outcome, reason, note }, Stage::Assessing) => {
                let note = short_note(note)?;
                let reason = match (outcome, reason) {
                    (Outcome::Certificate, _) => None,
                    (_, Some(reason)) => Some(known_reason(reason)?),
                    (_, None) => return Err(Rejection::field("reason", "choose")),
                };
                let proposal = Proposal { outcome: *outcome, reason, note, by: self.officer.id, at: at.now };
                if !second::evaluated(application, &proposal, effects)? {
                    effects.happened(self.application, "proposed", by, outcome.code());
                    application.proposal = Some(proposal);
                }
            }
            (OfficerAct::WaiveSecond, Stage::Assessing) => second::waive(application, self.officer.id, effects)?,
            (OfficerAct::Approve, Stage::Proposed) => {
                let Some(proposal) = application.proposal.clone() else { return Err(Rejection::Stale) };
                if proposal.by == self.officer.id || second::took_part(application, self.officer.id) {
                    return Err(Rejection::OwnProposal);
                }
                let outcome = proposal.outcome;
                application.decision = Some(Decision { proposal, by: self.officer.id, at: at.now });
                application.certificates.push(Certificate {
                    id: CertificateId::fresh(),
                    number: None,
                    token: Uuid::new_v4().simple().to_string(),
                    outcome,
                    standing: Standing::Valid,
                    issued_at: at.now,
                    document: None,
                    revoked_for: None,
                });
                effects.happened(self.application, "decided", by, outcome.code());
            }
            (OfficerAct::SendBack { note }, Stage::Proposed) => {
                let note = short_note(note)?;
                if note.is_empty() {
                    return Err(Rejection::field("note", "missing"));
                }
                application.proposal = None;
                application.sent_back = Some(note);
                application.sent_back_at = Some(at.now);
                effects.happened(self.application, "sent-back", by, "");
            }
            (OfficerAct::Revoke { reason, note }, Stage::Decided) => {
                let (reason, note) = (known_reason(reason)?, short_note(note)?);
                if note.is_empty() {
                    return Err(Rejection::field("note", "missing"));
                }
                revoke(application, &self.officer, &reason)?;
                application.casework.words.push(Words {
                    at: at.now,
                    by: self.officer.id,
                    to_applicant: true,
                    text: note,
                });
                effects.happened(self.application, "revoked", by, reason);
                casework::told(application, &account, NoticeKind::Revoked, &[], effects);
            }
            _ => return Err(Rejection::NotNow("other-stage")),
        }
        if matches!(self.act, OfficerAct::Propose { .. } | OfficerAct::Approve | OfficerAct::SendBack { .. }) {
            // It is somebody else's turn.
            application.casework.claimed = None;
        }
        application.plan(at);
        Ok(application.stage())
    }
}

/// Takes the document back that holds: not by those who decided on it, so that two more eyes see it.
fn revoke(application: &mut Application, officer: &Officer, reason: &str) -> Result<(), Rejection> {
    let decided = application.decision.as_ref();
    let own = decided.is_some_and(|decision| decision.by == officer.id || decision.proposal.by == officer.id);
    if own || second::took_part(application, officer.id) {
        return Err(Rejection::OwnDecision);
    }
    let holds =
        |certificate: &&mut Certificate| certificate.standing == Standing::Valid && certificate.document.is_some();
    let certificate =
        application.certificates.last_mut().filter(holds).ok_or(Rejection::NotNow("nothing-to-revoke"))?;
    certificate.standing = Standing::Revoked;
    certificate.revoked_for = Some(reason.to_owned());
    Ok(())
}

/// The issuer made the document; only now is the applicant told that it is there.
#[derive(Debug, Clone)]
pub struct RecordDocument {
    /// Of which application.
    pub application: ApplicationId,
    /// Of which certificate.
    pub certificate: CertificateId,
    /// SHA-256 of the PDF in the blob store.
    pub document: String,
}

impl Command for RecordDocument {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        let number = application.number.clone().unwrap_or_default();
        let certificate = application.certificates.iter_mut().find(|certificate| certificate.id == self.certificate);
        let certificate = certificate.ok_or(Rejection::NotFound)?;
        if certificate.document.is_some() || certificate.standing != Standing::Valid {
            return Ok(());
        }
        certificate.document = Some(self.document.clone());
        application.changed_at = at.now;
        effects.happened(self.application, "issued", Actor::System, certificate.number.clone().unwrap_or_default());
        effects.tell(&account, NoticeKind::Decided, &[("number", &number)]);
        Ok(())
    }
}
