//! What happens to a case beside its stages: who has it, holds, enquiries abroad, messages, notes; the expected date
//! with its causes; and what the clerk does when a day has come (casework.md §1).

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::Rejection;
use crate::applicant::{Account, Applicant};
use crate::application::Application;
use crate::calendar::{Due, midnight};
use crate::case::Stage;
use crate::command::Command;
use crate::decision::{Seen, short_note};
use crate::effects::{Actor, Effects, Moment, NoticeKind};
use crate::form::FieldError;
use crate::ids::{ApplicationId, StaffId};
use crate::review::Review;
use crate::second::SecondEvaluation;
use crate::staff::{Act, Officer};
use crate::supplement::{REMIND_DAYS, Supplement};

/// Working days of an enhanced review (casework.md §2).
pub const ENHANCED_DAYS: u32 = 60;
/// The longest hold, in days.
pub const HOLD_MOST_DAYS: u64 = 365;
/// Reasons of a hold; their texts are `hold-reason-CODE`.
pub const HOLD_REASONS: [&str; 4] = ["applicant-asked", "other-case", "authority", "other"];

/// A case that waits for something else; it wakes by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// One of [`HOLD_REASONS`].
    pub reason: String,
    /// The day on which it wakes.
    pub until: NaiveDate,
    /// Who held it.
    pub by: StaffId,
    /// When.
    pub at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// A question to an institution abroad (境外核查).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inquiry {
    /// Whom.
    pub institution: String,
    /// Who asked.
    pub by: StaffId,
    /// When.
    pub asked_at: DateTime<Utc>,
    /// What they said, and when it was recorded.
    pub answer: Option<(DateTime<Utc>, String)>,
}

/// Words of an officer: a note for colleagues, or a message to the applicant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// Who.
    pub by: StaffId,
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub text: String,
    /// Whether the applicant sees them.
    pub to_applicant: bool,
}

/// One value of the expected completion date, with its cause; the one before it is the old one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// When it was computed.
    pub at: DateTime<Utc>,
    /// The date.
    pub due: Due,
    /// Why it moved; its text is `expected-cause-CODE`.
    pub cause: String,
}

/// Everything of a case that is neither an answer of the applicant nor a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Casework {
    /// Which officer has it, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed: Option<(StaffId, DateTime<Utc>)>,
    /// Requests for further materials, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub supplements: Vec<Supplement>,
    /// Questions to institutions abroad.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inquiries: Vec<Inquiry>,
    /// Holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Hold>,
    /// Since when it is in enhanced review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enhanced_at: Option<DateTime<Utc>>,
    /// Notes and messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Words>,
    /// The expected date and how it moved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected: Vec<Expected>,
    /// The date whose passing was told last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overdue: Option<NaiveDate>,
    /// Reviews of the result.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reviews: Vec<Review>,
    /// Two evaluations, where the case was drawn for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<SecondEvaluation>,
    /// When the clerk looks at it next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look_at: Option<DateTime<Utc>>,
}

impl Casework {
    /// The request for further materials that stands open.
    pub fn supplement(&self) -> Option<&Supplement> {
        self.supplements.last().filter(|last| last.ended.is_none())
    }

    pub(crate) fn supplement_mut(&mut self) -> Option<&mut Supplement> {
        self.supplements.last_mut().filter(|last| last.ended.is_none())
    }

    /// The question abroad that is not answered.
    pub fn inquiry(&self) -> Option<&Inquiry> {
        self.inquiries.last().filter(|last| last.answer.is_none())
    }

    /// The hold that stands.
    pub fn hold(&self) -> Option<&Hold> {
        self.holds.last().filter(|last| last.ended_at.is_none())
    }

    /// The review that was asked for and has not ended.
    pub fn review(&self) -> Option<&Review> {
        self.reviews.last().filter(|last| last.asked_at.is_some() && last.ended.is_none())
    }

    /// When something last came into the file that an evaluator judges by: further materials, or an answer from abroad.
    pub(crate) fn file_changed_at(&self) -> Option<DateTime<Utc>> {
        let supplements = self.supplements.iter().filter_map(|one| one.ended.as_ref().map(|(at, _)| *at));
        let answers = self.inquiries.iter().filter_map(|one| one.answer.as_ref().map(|(at, _)| *at));
        supplements.chain(answers).max()
    }

    /// When anything of this was last done that changes where the case stands.
    pub(crate) fn since(&self) -> Option<DateTime<Utc>> {
        let supplements = self.supplements.last().into_iter();
        let supplements = supplements.flat_map(|last| {
            [Some(last.asked_at), last.extended_at, last.expired_at, last.ended.as_ref().map(|(at, _)| *at)]
        });
        let inquiries = self.inquiries.last().into_iter();
        let inquiries = inquiries.flat_map(|last| [Some(last.asked_at), last.answer.as_ref().map(|(at, _)| *at)]);
        let reviews = self.reviews.last().into_iter().flat_map(Review::instants);
        let first = self.second.as_ref().and_then(|pair| pair.first.as_ref()).map(|first| first.at);
        supplements.chain(inquiries).chain(reviews).chain([first]).flatten().max()
    }
}

/// Tells the applicant; the case's number is always among the variables.
pub(crate) fn told(
    application: &Application,
    account: &Account,
    kind: NoticeKind,
    params: &[(&str, &str)],
    effects: &mut Effects,
) {
    let number = application.number.clone().unwrap_or_default();
    let params: Vec<(&str, &str)> = [("number", number.as_str())].into_iter().chain(params.iter().copied()).collect();
    effects.tell(account, kind, &params);
}

/// Notes the expected date if it moved, with the cause, and tells the applicant unless it is the first.
pub(crate) fn moved(
    application: &mut Application,
    account: &Account,
    cause: &str,
    at: &Moment<'_>,
    effects: &mut Effects,
) {
    application.plan(at);
    let Some(due) = application.expected(at.calendar, at.today()) else { return };
    let first = match application.casework.expected.last() {
        Some(last) if last.due == due => return,
        last => last.is_none(),
    };
    application.casework.expected.push(Expected { at: at.now, due, cause: cause.to_owned() });
    if !first {
        let day = due.date.to_string();
        effects.happened(application.id, "expected-changed", Actor::System, day.clone());
        told(application, account, NoticeKind::ExpectedChanged, &[("day", &day)], effects);
    }
}

impl Application {
    /// Sets when the clerk looks at the case next.
    pub(crate) fn plan(&mut self, at: &Moment<'_>) {
        self.changed_at = at.now;
        let stage = self.stage();
        let mut days = Vec::new();
        let open = self.casework.supplement().filter(|open| stage == Stage::Supplement && open.expired_at.is_none());
        if let Some(open) = open {
            let before = REMIND_DAYS.get(open.reminded);
            days.extend(before.and_then(|days| open.until.checked_sub_days(Days::new(*days))));
            days.extend(open.until.succ_opt());
        }
        days.extend(self.casework.hold().map(|hold| hold.until));
        let runs = matches!(stage, Stage::Assessing | Stage::Verifying | Stage::Proposed);
        if let Some(due) = self.expected(at.calendar, at.today()).filter(|_| runs) {
            days.extend(due.date.succ_opt().filter(|_| self.casework.overdue != Some(due.date)));
        }
        self.casework.look_at = days.into_iter().min().map(midnight);
    }
}

/// What an officer does to a case beside deciding it.
#[derive(Debug, Clone)]
pub enum CaseAct {
    /// Takes it on; nobody else has it then.
    Claim,
    /// Takes it from a colleague who can't go on with it; whoever approves may.
    TakeOver,
    /// Gives it to a colleague; whoever approves may.
    Assign(Officer),
    /// Gives it back to the queue.
    Release,
    /// Notes something for colleagues.
    Note(String),
    /// Writes to the applicant.
    Message(String),
    /// Puts it on hold.
    Hold {
        /// One of [`HOLD_REASONS`].
        reason: String,
        /// The day on which it wakes.
        until: Option<NaiveDate>,
    },
    /// Takes the hold away.
    Resume,
    /// Begins enhanced review, or ends it.
    Enhance(bool),
    /// Asks an institution abroad.
    AskAbroad(String),
    /// Records its answer.
    Answered(String),
}

/// One act of one officer on a case.
#[derive(Debug, Clone)]
pub struct WorkCase {
    /// Which case.
    pub application: ApplicationId,
    /// Who.
    pub officer: Officer,
    /// What.
    pub act: CaseAct,
    /// What the page showed.
    pub seen: Seen,
}

fn words(field: &str, text: &str) -> Result<String, Rejection> {
    match short_note(text)? {
        empty if empty.is_empty() => Err(Rejection::field(field, "missing")),
        text => Ok(text),
    }
}

impl Command for WorkCase {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let needed = match self.act {
            CaseAct::Claim | CaseAct::Release | CaseAct::Note(_) => Act::ViewCases,
            CaseAct::Message(_) | CaseAct::Hold { .. } | CaseAct::Resume => Act::Correspond,
            CaseAct::TakeOver | CaseAct::Assign(_) => Act::Approve,
            CaseAct::Enhance(_) | CaseAct::AskAbroad(_) | CaseAct::Answered(_) => Act::Propose,
        };
        if !self.officer.may(needed) {
            return Err(Rejection::NotAllowed);
        }
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        let (id, me) = (self.application, self.officer.id);
        let by = Actor::Staff(me);
        let stage = application.stage();
        let decided = matches!(stage, Stage::Decided | Stage::NotAccepted | Stage::Withdrawn);
        // Words are added, whatever happened meanwhile; everything else is about the case as it was seen.
        let additive = matches!(
            self.act,
            CaseAct::Note(_)
                | CaseAct::Message(_)
                | CaseAct::Claim
                | CaseAct::TakeOver
                | CaseAct::Assign(_)
                | CaseAct::Release
        );
        if !additive && Seen::of(application) != self.seen {
            return Err(Rejection::Stale);
        }
        if matches!(stage, Stage::Draft | Stage::Submitted) {
            return Err(Rejection::NotNow("other-stage"));
        }
        match &self.act {
            CaseAct::Claim => match application.casework.claimed {
                Some((holder, _)) if holder != me => return Err(Rejection::NotNow("claimed")),
                Some(_) => return Ok(()),
                None => {
                    application.casework.claimed = Some((me, at.now));
                    effects.audited(by, "claimed", format!("application:{id}"));
                }
            },
            CaseAct::TakeOver => {
                application.casework.claimed = Some((me, at.now));
                effects.audited(by, "taken-over", format!("application:{id}"));
            }
            CaseAct::Assign(to) => {
                if !to.may(Act::ViewCases) {
                    return Err(Rejection::field("assign_to", "choose"));
                }
                application.casework.claimed = Some((to.id, at.now));
                effects.audited(by, "assigned", format!("application:{id}"));
            }
            CaseAct::Release => match application.casework.claimed {
                Some((holder, _)) if holder != me => return Err(Rejection::NotNow("claimed")),
                _ => {
                    application.casework.claimed = None;
                    effects.audited(by, "released", format!("application:{id}"));
                }
            },
            CaseAct::Note(text) | CaseAct::Message(text) => {
                let to_applicant = matches!(self.act, CaseAct::Message(_));
                let field = if to_applicant { "message" } else { "remark" };
                let text = words(field, text)?;
                application.casework.words.push(Words { by: me, at: at.now, text, to_applicant });
                if to_applicant {
                    effects.happened(id, "message", by, "");
                    told(application, &account, NoticeKind::Message, &[], effects);
                } else {
                    effects.audited(by, "noted", format!("application:{id}"));
                }
            }
            CaseAct::Hold { reason, until } => {
                if decided || application.casework.hold().is_some() {
                    return Err(Rejection::NotNow("other-stage"));
                }
                let mut errors = Vec::new();
                if !HOLD_REASONS.contains(&reason.as_str()) {
                    errors.push(FieldError::new("hold_reason", "choose"));
                }
                let most = at.today() + Days::new(HOLD_MOST_DAYS);
                let fits = until.filter(|until| *until > at.today() && *until <= most);
                if fits.is_none() {
                    let least = at.today() + Days::new(1);
                    errors.push(FieldError::new("hold_until", "deadline").with("least", least).with("most", most));
                }
                let Some(until) = fits.filter(|_| errors.is_empty()) else { return Err(Rejection::Form(errors)) };
                let reason = reason.clone();
                effects.happened(id, "held", by, reason.clone());
                application.casework.holds.push(Hold { reason, until, by: me, at: at.now, ended_at: None });
                told(application, &account, NoticeKind::Held, &[("day", &until.to_string())], effects);
            }
            CaseAct::Resume => {
                wake(application, at).ok_or(Rejection::NotNow("other-stage"))?;
                effects.happened(id, "hold-ended", by, "");
                told(application, &account, NoticeKind::Resumed, &[], effects);
            }
            CaseAct::Enhance(on) => {
                if decided || application.decision.is_some() || application.casework.enhanced_at.is_some() == *on {
                    return Err(Rejection::NotNow("other-stage"));
                }
                application.casework.enhanced_at = on.then_some(at.now);
                effects.happened(id, if *on { "enhanced" } else { "enhanced-ended" }, by, "");
                moved(application, &account, "enhanced", at, effects);
            }
            CaseAct::AskAbroad(institution) => {
                if stage != Stage::Assessing {
                    return Err(Rejection::NotNow("other-stage"));
                }
                let institution = words("institution", institution)?;
                application.casework.inquiries.push(Inquiry { institution, by: me, asked_at: at.now, answer: None });
                effects.happened(id, "asked-abroad", by, "");
            }
            CaseAct::Answered(text) => {
                let text = words("answer", text)?;
                let open = application.casework.inquiries.last_mut().filter(|last| last.answer.is_none());
                open.ok_or(Rejection::NotNow("other-stage"))?.answer = Some((at.now, text));
                effects.happened(id, "answered-abroad", by, "");
            }
        }
        application.plan(at);
        Ok(())
    }
}

/// Ends the hold that stands.
fn wake(application: &mut Application, at: &Moment<'_>) -> Option<()> {
    let hold = application.casework.holds.last_mut().filter(|hold| hold.ended_at.is_none())?;
    hold.ended_at = Some(at.now);
    Some(())
}

/// The clerk's look at a case on a day that something was set for; looked at twice, nothing is done twice.
#[derive(Debug, Clone)]
pub struct LookAtCase {
    /// Which case.
    pub application: ApplicationId,
}

impl Command for LookAtCase {
    /// Whether the expected date was found to have passed.
    type Done = bool;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<bool, Rejection> {
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        let (id, today, stage) = (self.application, at.today(), application.stage());
        if let Some(open) = application.casework.supplement_mut().filter(|_| stage == Stage::Supplement) {
            let until = open.until;
            if open.expired_at.is_none() && today > until {
                open.expired_at = Some(at.now);
                effects.happened(id, "supplement-expired", Actor::System, "");
                told(application, &account, NoticeKind::SupplementExpired, &[], effects);
            } else if open.expired_at.is_none() {
                let reached = |days: &&u64| until.checked_sub_days(Days::new(**days)).is_some_and(|day| day <= today);
                let reached = REMIND_DAYS.iter().filter(reached).count();
                if reached > open.reminded {
                    open.reminded = reached;
                    effects.audited(Actor::System, "supplement-reminded", format!("application:{id}"));
                    let day = until.to_string();
                    told(application, &account, NoticeKind::SupplementReminder, &[("day", &day)], effects);
                }
            }
        }
        if application.casework.hold().is_some_and(|hold| hold.until <= today) && wake(application, at).is_some() {
            effects.happened(id, "hold-ended", Actor::System, "");
            if !matches!(stage, Stage::Decided | Stage::NotAccepted | Stage::Withdrawn) {
                told(application, &account, NoticeKind::Resumed, &[], effects);
            }
        }
        let runs = matches!(stage, Stage::Assessing | Stage::Verifying | Stage::Proposed);
        let due = application.expected(at.calendar, today).map(|due| due.date);
        let late = due.filter(|due| runs && *due < today && application.casework.overdue != Some(*due));
        if let Some(date) = late {
            application.casework.overdue = Some(date);
            effects.happened(id, "overdue", Actor::System, date.to_string());
            told(application, &account, NoticeKind::Overdue, &[], effects);
        }
        application.plan(at);
        // Whatever a look could not change is looked at again tomorrow, not at once.
        let tomorrow = today.succ_opt().map_or(at.now, midnight);
        application.casework.look_at = application.casework.look_at.map(|look| look.max(tomorrow));
        Ok(late.is_some())
    }
}

/// 退出 before it is paid: the application ends, nothing is owed (casework.md §1).
#[derive(Debug, Clone)]
pub struct WithdrawApplication {
    /// Which.
    pub application: ApplicationId,
}

impl Command for WithdrawApplication {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        match application.stage() {
            Stage::Withdrawn => return Ok(()),
            Stage::Submitted => {}
            Stage::Draft => return Err(Rejection::NotNow("not-submitted")),
            // With money in it the way out is the refund, which ends the case too.
            _ => return Err(Rejection::NotNow("withdraw-by-refund")),
        }
        application.withdrawn_at = Some(at.now);
        effects.happened(self.application, "withdrawn", Actor::Applicant, "");
        told(application, &account, NoticeKind::Withdrawn, &[], effects);
        application.plan(at);
        Ok(())
    }
}
