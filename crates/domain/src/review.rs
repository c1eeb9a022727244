//! Reviews (复核, R4): asked for within a year of the result, decided by other officers than those who decided before.

use chrono::{DateTime, Months, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Rejection;
use crate::applicant::Applicant;
use crate::application::Application;
use crate::calendar;
use crate::case::{Decision, Outcome, Proposal, Stage};
use crate::casework;
use crate::certificate::{Certificate, Standing};
use crate::command::Command;
use crate::decision::{Seen, known_reason, short_note};
use crate::effects::{Actor, Effects, Moment, NoticeKind};
use crate::form::FieldError;
use crate::ids::{ApplicationId, CertificateId, ReviewId, StaffId};
use crate::material::{Purpose, SlotState, slot_state};
use crate::refund::Cause;
use crate::staff::{Act, Officer};

/// A review can be asked for within so many months of the result (guide 四.1, R4.1).
pub const MONTHS: u32 = 12;
/// Most supplementary images (guide 四.2, R4.3).
pub const IMAGES_MOST: usize = 50;
/// Largest supplementary image in bytes: 1 MB (guide 四.2, R4.3).
pub const IMAGE_MOST: usize = 1_048_576;
/// The slot in which a review's images lie.
pub const SLOT: &str = "review";
/// Reasons to choose from; their texts are `choice-review_reason-CODE`.
pub const REASONS: [&str; 5] = ["wrong-facts", "new-material", "wrong-standing", "wrong-wording", "other"];
/// Longest explanation, in characters.
pub const WORDS_MOST: usize = 2_000;

/// What a reviewer proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewProposal {
    /// The result in place of the old one; none upholds it.
    pub revised: Option<(Outcome, Option<String>)>,
    /// Why.
    pub note: String,
    /// Who proposes.
    pub by: StaffId,
    /// When.
    pub at: DateTime<Utc>,
}

/// How a review ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewEnd {
    /// Whether the result was revised.
    pub revised: bool,
    /// Who approved.
    pub by: StaffId,
    /// When.
    pub at: DateTime<Utc>,
}

/// One review of one result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Its name.
    pub id: ReviewId,
    /// When the applicant began to prepare it.
    pub begun_at: DateTime<Utc>,
    /// One of [`REASONS`].
    pub reason: String,
    /// The applicant's words.
    pub words: String,
    /// When it was asked for; until then it is a draft.
    pub asked_at: Option<DateTime<Utc>>,
    /// What is proposed.
    pub proposal: Option<ReviewProposal>,
    /// Why the last proposal was sent back.
    pub sent_back: Option<(DateTime<Utc>, String)>,
    /// How it ended.
    pub ended: Option<ReviewEnd>,
    /// The decision that it is about.
    pub of: Decision,
}

impl Review {
    pub(crate) fn instants(&self) -> [Option<DateTime<Utc>>; 4] {
        let sent_back = self.sent_back.as_ref().map(|(at, _)| *at);
        [self.asked_at, self.proposal.as_ref().map(|it| it.at), sent_back, self.ended.as_ref().map(|it| it.at)]
    }

    /// Whether this officer decided what is reviewed (R4, casework.md §1).
    fn is_of(&self, officer: StaffId) -> bool {
        self.of.by == officer || self.of.proposal.by == officer
    }
}

/// Whether an officer decided what the open review is about, or evaluated it first or second, and so may not review it.
pub fn bars(application: &Application, officer: StaffId) -> bool {
    let review = application.casework.review();
    review.is_some_and(|review| review.is_of(officer)) || crate::second::took_part(application, officer)
}

/// Whether a review can be asked for now (R4.1); the error is the key of the words, after `rejection-`.
///
/// # Errors
/// Why not.
pub fn may_review(application: &Application, now: DateTime<Utc>) -> Result<&Decision, &'static str> {
    let decision = match application.stage() {
        Stage::Decided => application.decision.as_ref().ok_or("review-no-result")?,
        Stage::Reviewing | Stage::ReviewProposed => return Err("review-open"),
        Stage::Supplement if application.decision.is_some() => return Err("review-open"),
        _ => return Err("review-no-result"),
    };
    if application.refunds.iter().any(|refund| refund.cause == Cause::Asked && refund.is_open()) {
        return Err("review-refund");
    }
    if application.casework.reviews.iter().any(|review| review.ended.is_some()) {
        return Err("review-done");
    }
    let last = calendar::today(decision.at).checked_add_months(Months::new(MONTHS));
    if last.is_some_and(|last| calendar::today(now) > last) {
        return Err("review-late");
    }
    Ok(decision)
}

/// Begins to prepare a review, so that images can be sent for it; nothing is asked for yet.
#[derive(Debug, Clone)]
pub struct BeginReview {
    /// Of which application.
    pub application: ApplicationId,
}

impl Command for BeginReview {
    type Done = ReviewId;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<ReviewId, Rejection> {
        let application = applicant.application_mut(self.application)?;
        let of = may_review(application, at.now).map_err(Rejection::NotNow)?.clone();
        if let Some(draft) = application.casework.reviews.last().filter(|last| last.asked_at.is_none()) {
            return Ok(draft.id);
        }
        let id = ReviewId::fresh();
        application.casework.reviews.push(Review {
            id,
            begun_at: at.now,
            reason: String::new(),
            words: String::new(),
            asked_at: None,
            proposal: None,
            sent_back: None,
            ended: None,
            of,
        });
        effects.audited(Actor::Applicant, "review-begun", format!("application:{}", self.application));
        Ok(id)
    }
}

/// The draft of a review, if a review can still be asked for.
fn draft<'a>(application: &'a mut Application, at: &Moment<'_>) -> Result<&'a mut Review, Rejection> {
    may_review(application, at.now).map_err(Rejection::NotNow)?;
    let last = application.casework.reviews.last_mut().filter(|last| last.asked_at.is_none());
    last.ok_or(Rejection::NotFound)
}

/// Writes down reason and explanation (R4.2); later there is time to be right.
#[derive(Debug, Clone)]
pub struct WriteReview {
    /// Of which application.
    pub application: ApplicationId,
    /// One of [`REASONS`].
    pub reason: String,
    /// The explanation.
    pub words: String,
    /// Whether it is only to be kept for now.
    pub later: bool,
}

impl Command for WriteReview {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, _: &mut Effects) -> Result<(), Rejection> {
        let application = applicant.application_mut(self.application)?;
        let draft = draft(application, at)?;
        let words = self.words.trim();
        let mut errors = Vec::new();
        if !self.later && !REASONS.contains(&self.reason.as_str()) {
            errors.push(FieldError::new("review_reason", "choose"));
        }
        if !self.later && words.is_empty() {
            errors.push(FieldError::new("review_words", "missing"));
        }
        let long = words.chars().count();
        if long > WORDS_MOST {
            let error = FieldError::new("review_words", "too-long").with("most", WORDS_MOST);
            errors.push(error.with("over", long - WORDS_MOST));
        }
        if !errors.is_empty() {
            return Err(Rejection::Form(errors));
        }
        draft.reason.clone_from(&self.reason);
        words.clone_into(&mut draft.words);
        application.changed_at = at.now;
        Ok(())
    }
}

/// 提交复核申请 (R4.2).
#[derive(Debug, Clone)]
pub struct AskReview {
    /// Of which application.
    pub application: ApplicationId,
    /// Whether 《复核需知》 was read.
    pub understood: bool,
}

impl Command for AskReview {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        let draft = draft(application, at)?;
        let (id, reason) = (draft.id, draft.reason.clone());
        if !REASONS.contains(&reason.as_str()) || draft.words.is_empty() {
            return Err(Rejection::NotNow("review-unwritten"));
        }
        let mut errors = Vec::new();
        match slot_state(application, Purpose::Review(id), SLOT) {
            SlotState::Empty | SlotState::Filled => {}
            SlotState::Checking => errors.push(FieldError::new(SLOT, "checking")),
            SlotState::Flawed => errors.push(FieldError::new(SLOT, "flawed")),
        }
        if !self.understood {
            errors.push(FieldError::new("review_understood", "tick"));
        }
        if !errors.is_empty() {
            return Err(Rejection::Form(errors));
        }
        self::draft(application, at)?.asked_at = Some(at.now);
        // Another officer than before has to have it.
        application.casework.claimed = None;
        application.changed_at = at.now;
        effects.happened(self.application, "review-asked", Actor::Applicant, reason);
        casework::told(application, &account, NoticeKind::ReviewAsked, &[], effects);
        Ok(())
    }
}

/// What an officer does to a review.
#[derive(Debug, Clone)]
pub enum ReviewAct {
    /// Proposes that the result stands.
    Uphold {
        /// Why.
        note: String,
    },
    /// Proposes another result.
    Revise {
        /// Which.
        outcome: Option<Outcome>,
        /// One of [`crate::case::REASONS`], unless it is a certificate.
        reason: Option<String>,
        /// Why.
        note: String,
    },
    /// Approves what another one proposed.
    Approve,
    /// Sends it back.
    SendBack {
        /// Why.
        note: String,
    },
}

/// One act of one officer on a review.
#[derive(Debug, Clone)]
pub struct DecideReview {
    /// Of which application.
    pub application: ApplicationId,
    /// Who.
    pub officer: Officer,
    /// What.
    pub act: ReviewAct,
    /// What the page showed.
    pub seen: Seen,
}

impl Command for DecideReview {
    /// Whether a new document is to be made.
    type Done = bool;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<bool, Rejection> {
        let proposes = matches!(self.act, ReviewAct::Uphold { .. } | ReviewAct::Revise { .. });
        if !self.officer.may(if proposes { Act::Propose } else { Act::Approve }) {
            return Err(Rejection::NotAllowed);
        }
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        if Seen::of(application) != self.seen {
            return Err(Rejection::Stale);
        }
        let (me, stage, id) = (self.officer.id, application.stage(), self.application);
        let took_part = crate::second::took_part(application, me);
        let review = application.casework.reviews.last_mut().filter(|last| last.ended.is_none());
        let review = review.ok_or(Rejection::NotNow("other-stage"))?;
        if review.is_of(me) || took_part {
            return Err(Rejection::OwnDecision);
        }
        let by = Actor::Staff(me);
        let mut issues = false;
        match (&self.act, stage) {
            (ReviewAct::Uphold { note } | ReviewAct::Revise { note, .. }, Stage::Reviewing) => {
                let note = required(note)?;
                let revised = match &self.act {
                    ReviewAct::Revise { outcome: None, .. } => return Err(Rejection::field("outcome", "choose")),
                    ReviewAct::Revise { outcome: Some(Outcome::Certificate), .. } => Some((Outcome::Certificate, None)),
                    ReviewAct::Revise { outcome: Some(outcome), reason, .. } => match reason {
                        Some(reason) => Some((*outcome, Some(known_reason(reason)?))),
                        None => return Err(Rejection::field("reason", "choose")),
                    },
                    _ => None,
                };
                let what = if revised.is_some() { "revise" } else { "uphold" };
                review.proposal = Some(ReviewProposal { revised, note, by: me, at: at.now });
                effects.happened(id, "review-proposed", by, what);
            }
            (ReviewAct::Approve, Stage::ReviewProposed) => {
                let Some(proposal) = review.proposal.clone() else { return Err(Rejection::Stale) };
                if proposal.by == me {
                    return Err(Rejection::OwnProposal);
                }
                review.ended = Some(ReviewEnd { revised: proposal.revised.is_some(), by: me, at: at.now });
                let word = if proposal.revised.is_some() { "review-revised" } else { "review-upheld" };
                if let Some((outcome, reason)) = proposal.revised {
                    revise(application, outcome, reason, proposal.note, (proposal.by, me), at);
                    issues = true;
                }
                effects.happened(id, word, by, "");
                casework::told(application, &account, NoticeKind::ReviewEnded, &[], effects);
            }
            (ReviewAct::SendBack { note }, Stage::ReviewProposed) => {
                let note = required(note)?;
                review.proposal = None;
                review.sent_back = Some((at.now, note));
                effects.happened(id, "review-sent-back", by, "");
            }
            _ => return Err(Rejection::NotNow("other-stage")),
        }
        application.casework.claimed = None;
        application.plan(at);
        Ok(issues)
    }
}

fn required(note: &str) -> Result<String, Rejection> {
    match short_note(note)? {
        empty if empty.is_empty() => Err(Rejection::field("note", "missing")),
        note => Ok(note),
    }
}

/// The new result takes the old one's place: the old document is superseded in the same transaction (R4.5).
fn revise(
    application: &mut Application,
    outcome: Outcome,
    reason: Option<String>,
    note: String,
    (proposed, approved): (StaffId, StaffId),
    at: &Moment<'_>,
) {
    for old in application.certificates.iter_mut().filter(|old| old.standing == Standing::Valid) {
        old.standing = Standing::Superseded;
    }
    let proposal = Proposal { outcome, reason, note, by: proposed, at: at.now };
    application.decision = Some(Decision { proposal, by: approved, at: at.now });
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
}
