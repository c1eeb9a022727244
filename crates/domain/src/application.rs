//! One authentication application (认证申请): facts and times; stage, steps and dates are derived from them.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::calendar::{self, Calendar, Due};
use crate::case::{Decision, Mover, NotAccepted, Proposal, Stage};
use crate::casework::{Casework, ENHANCED_DAYS};
use crate::certificate::Certificate;
use crate::effects::TimelineEntry;
use crate::experience::{self, Experience};
use crate::form::{self, Answers};
use crate::ids::ApplicationId;
use crate::joint::Joint;
use crate::material::{self, Material, Table};
use crate::payment::{Attempt, AttemptState};
use crate::person::Language;
use crate::refund::Refund;
use crate::steps::{self, ApplicationKind, StepName};
use crate::supplement::Supplement;
use crate::verification::{Records, Verification, VerificationState};

/// Everything of one application. Attempts, materials, verifications, certificates and timeline have rows of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    /// Its name in addresses.
    pub id: ApplicationId,
    /// Its number for people; given by the store when it is submitted.
    pub number: Option<String>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When anything of it was last changed.
    pub changed_at: DateTime<Utc>,
    /// Step 1 by staff instead of the app: since when.
    pub assisted: Option<DateTime<Utc>>,
    /// Whether the applicant has left step 1 with all that it needs.
    pub verified: bool,
    /// Step 2.
    pub basic: Answers,
    /// Step 3.
    pub kind: Option<ApplicationKind>,
    /// Step 3 of a joint programme.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joint: Option<Joint>,
    /// Step 4.
    pub credential: Answers,
    /// What was typed in a step that was left before it was right, by the step's slug.
    #[serde(default)]
    pub unfinished: std::collections::BTreeMap<String, form::Raw>,
    /// Step 5.
    pub experience: Vec<Experience>,
    /// The last number that a row of step 5 got.
    pub last_experience: u32,
    /// Whether step 5 was left with 下一步.
    pub experience_done: bool,
    /// Whether step 6 was left with 下一步.
    pub materials_done: bool,
    /// When the declaration (保证书) was signed and the application submitted.
    pub submitted_at: Option<DateTime<Utc>>,
    /// What was submitted: answers and hashes of the materials, as JSON (R2.9).
    pub snapshot: Option<String>,
    /// When the gateway confirmed the money.
    pub paid_at: Option<DateTime<Utc>>,
    /// When evaluation began: the refund boundary, and where the clock starts.
    pub accepted_at: Option<DateTime<Utc>>,
    /// That it was not accepted.
    pub not_accepted: Option<NotAccepted>,
    /// What is proposed at present.
    pub proposal: Option<Proposal>,
    /// Why the last proposal was sent back.
    pub sent_back: Option<String>,
    /// When it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_back_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub decision: Option<Decision>,
    /// When the applicant left it.
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// What officers and applicant did to the case beside its stages.
    #[serde(default)]
    pub casework: Casework,
    /// Which version of the table of materials it was begun with.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub table_version: i64,
    /// That table; the store finds it by the version.
    #[serde(skip, default = "Table::built_in")]
    pub table: Arc<Table>,
    /// Attempts at step 1.
    #[serde(skip)]
    pub verifications: Vec<Verification>,
    /// Images of step 6.
    #[serde(skip)]
    pub materials: Vec<Material>,
    /// Attempts at step 8.
    #[serde(skip)]
    pub attempts: Vec<Attempt>,
    /// Money on its way back.
    #[serde(skip)]
    pub refunds: Vec<Refund>,
    /// What was issued.
    #[serde(skip)]
    pub certificates: Vec<Certificate>,
    /// What happened, oldest first; written by the store alone, from the effects of commands.
    #[serde(skip)]
    pub timeline: Vec<TimelineEntry>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
const fn is_zero(version: &i64) -> bool {
    *version == 0
}

impl Application {
    /// A new draft.
    pub fn begin(now: DateTime<Utc>) -> Self {
        Self {
            id: ApplicationId::fresh(),
            number: None,
            created_at: now,
            changed_at: now,
            assisted: None,
            verified: false,
            basic: Answers::new(),
            kind: None,
            joint: None,
            credential: Answers::new(),
            unfinished: std::collections::BTreeMap::new(),
            experience: Vec::new(),
            last_experience: 0,
            experience_done: false,
            materials_done: false,
            submitted_at: None,
            snapshot: None,
            paid_at: None,
            accepted_at: None,
            not_accepted: None,
            proposal: None,
            sent_back: None,
            sent_back_at: None,
            decision: None,
            withdrawn_at: None,
            casework: Casework::default(),
            table_version: 0,
            table: Table::built_in(),
            verifications: Vec::new(),
            materials: Vec::new(),
            attempts: Vec::new(),
            refunds: Vec::new(),
            certificates: Vec::new(),
            timeline: Vec::new(),
        }
    }

    /// Where the case stands.
    pub fn stage(&self) -> Stage {
        if self.withdrawn_at.is_some() {
            Stage::Withdrawn
        } else if self.not_accepted.is_some() {
            Stage::NotAccepted
        } else if self.decision.is_some() {
            match self.casework.review() {
                Some(_) if self.casework.supplement().is_some() => Stage::Supplement,
                Some(review) if review.proposal.is_some() => Stage::ReviewProposed,
                Some(_) => Stage::Reviewing,
                None => Stage::Decided,
            }
        } else if self.proposal.is_some() {
            Stage::Proposed
        } else if self.paid_at.is_some() && self.casework.supplement().is_some() {
            Stage::Supplement
        } else if self.accepted_at.is_some() && self.casework.inquiry().is_some() {
            Stage::Verifying
        } else if self.accepted_at.is_some() {
            Stage::Assessing
        } else if self.paid_at.is_some() {
            Stage::Screening
        } else if self.submitted_at.is_some() {
            Stage::Submitted
        } else {
            Stage::Draft
        }
    }

    /// Since when the case has stood where it stands.
    pub fn since(&self) -> DateTime<Utc> {
        let proposed = self.proposal.as_ref().map(|proposal| proposal.at);
        let decided = self.decision.as_ref().map(|decision| decision.at);
        let refused = self.not_accepted.as_ref().map(|refusal| refusal.at);
        let worked = self.casework.since();
        let facts = [
            self.submitted_at,
            self.paid_at,
            self.accepted_at,
            proposed,
            self.sent_back_at,
            decided,
            refused,
            self.withdrawn_at,
            worked,
        ];
        facts.into_iter().flatten().max().unwrap_or(self.created_at)
    }

    /// Whose move it is: after a deadline that passed an officer's, who decides how it goes on.
    pub fn mover(&self) -> Mover {
        let stage = self.stage();
        let expired = self.casework.supplement().is_some_and(|open| open.expired_at.is_some());
        if stage == Stage::Supplement && expired { Mover::Officer } else { stage.mover() }
    }

    /// The verification that counts: the last one.
    pub fn verification(&self) -> Option<&Verification> {
        self.verifications.last()
    }

    /// Whether entry–exit records could not be had, so that stamps are asked for.
    pub fn records_missing(&self) -> bool {
        if self.assisted.is_some() {
            return true;
        }
        matches!(self.verification().map(|last| &last.records), Some(Records::NoRecord | Records::Refused))
    }

    /// Whether step 1 has all that it needs: the face and the records, or the staffed way.
    pub fn may_leave_verification(&self) -> bool {
        self.assisted.is_some()
            || self
                .verification()
                .is_some_and(|last| last.state == VerificationState::Passed && last.records.is_final())
    }

    /// Whether a step is done: not while newer words for it lie unfinished. The applicant's nationality decides which materials are asked for.
    pub fn is_done(&self, step: StepName, nationality: &str, today: NaiveDate) -> bool {
        match step {
            StepName::Verification => self.verified,
            StepName::Basic => !self.basic.is_empty() && !self.unfinished.contains_key(step.slug()),
            StepName::Kind => self.kind_is_settled(),
            StepName::Credential => {
                let right = |kind| steps::check_credential(kind, self.joint.as_ref(), &self.credential, today).is_ok();
                !self.unfinished.contains_key(step.slug()) && self.kind.is_some_and(right)
            }
            StepName::Experience => self.experience_done && experience::missing(self).is_none(),
            StepName::Materials => self.materials_done && material::unfilled(self, nationality, today).is_empty(),
            StepName::Confirm => self.submitted_at.is_some(),
            StepName::Payment | StepName::Done => self.paid_at.is_some(),
        }
    }

    /// The first step that is not done: where the applicant goes on.
    pub fn next_step(&self, nationality: &str, today: NaiveDate) -> StepName {
        let open = StepName::ALL.into_iter().find(|step| !self.is_done(*step, nationality, today));
        open.unwrap_or(StepName::Done)
    }

    /// Working days from acceptance to the result, for this kind and country.
    pub fn working_days(&self) -> u32 {
        if self.casework.enhanced_at.is_some() {
            return ENHANCED_DAYS;
        }
        steps::working_days(self.kind.unwrap_or(ApplicationKind::Foreign), form::text(&self.credential, "country"))
    }

    /// 预计完成时间 (R2.14): none before acceptance, for then nobody can know. Every working day on which further
    /// materials were waited for comes on top.
    pub fn expected(&self, calendar: &Calendar, today: NaiveDate) -> Option<Due> {
        let accepted = calendar::today(self.accepted_at?);
        // What a review asks for comes after the result, and moves nothing.
        let decided = self.casework.reviews.first().map(|review| review.of.at);
        let counts = |supplement: &&Supplement| decided.is_none_or(|decided| supplement.asked_at < decided);
        let paused = self.casework.supplements.iter().filter(counts).map(|supplement| {
            let from = calendar::today(supplement.asked_at).max(accepted);
            let to = supplement.ended.as_ref().map_or(today, |(at, _)| calendar::today(*at));
            calendar.count(from, to)
        });
        let paused: u32 = paused.sum();
        Some(calendar.add(accepted, self.working_days() + paused))
    }

    /// The attempt that paid.
    pub fn payment(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.state == AttemptState::Paid)
    }

    /// The document that holds at present.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificates.last()
    }

    /// What a short line calls it: the credential's name in the reader's language or else the other, or nothing yet.
    pub fn title(&self, language: Language) -> &str {
        let (zh, own) =
            (form::text(&self.credential, "credential_name_zh"), form::text(&self.credential, "credential_name"));
        let (first, second) = if language == Language::Chinese { (zh, own) } else { (own, zh) };
        if first.is_empty() { second } else { first }
    }
}
