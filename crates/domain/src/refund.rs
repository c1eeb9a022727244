//! Refunds (退费, R5): who may ask when, and the way of the money back, stage by stage.
//!
//! [`asking`] is the applicant's side, [`handling`] finance's, [`gateway`] and [`transfer`] are the two ways back.

pub mod asking;
pub mod gateway;
pub mod handling;
pub mod transfer;

use chrono::{DateTime, Months, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::Rejection;
use crate::applicant::Applicant;
use crate::application::Application;
use crate::calendar::{self, Calendar, Due};
use crate::case::{Outcome, Stage};
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment, Movement};
use crate::ids::{ApplicationId, AttemptId, BatchId, RefundId, StaffId};
use crate::money::Fen;
use crate::payment::{Attempt, AttemptState};
use crate::settlement::{FEES, TO_GIVE_BACK};

pub use asking::{AskRefund, BankDetails, BankInput, GiveBankDetails, luhn};
pub use gateway::{LookAtRefund, RefundWord, SettleRefund, WriteRefundOrder};
pub use handling::{FinanceAct, HandleRefund};
pub use transfer::{MoveTransfer, TransferStep};

/// Within so many months of the payment the money goes back to the card that paid (guide 五, R5.3).
pub const CARD_MONTHS: u32 = 10;
/// Working days within which a refund normally arrives (guide 五, R5.4).
pub const WORKING_DAYS: u32 = 15;
/// After an order to refund was given to the gateway it is asked so many seconds later each time (unionpay.md §8.4).
pub const QUERY_SECONDS: [i64; 6] = [1, 2, 4, 8, 16, 32];
/// Afterwards every so often: the bank may take days.
pub const QUERY_LATER: TimeDelta = TimeDelta::minutes(30);
/// A refund that the gateway does not know so long after it was given is given again, under the same order and time: if
/// it was taken after all, the gateway says that it is a duplicate.
pub const UNKNOWN_FOR: TimeDelta = TimeDelta::minutes(2);
/// The gateway takes no order whose time is an hour off (unionpay.md §5): then a person must look.
pub const ORDER_HOLDS: TimeDelta = TimeDelta::minutes(55);
/// A gateway that takes no orders is tried again after so long.
pub const CLOSED_FOR: TimeDelta = TimeDelta::minutes(10);
/// Reasons that an applicant chooses from; their texts are `refund-reason-CODE`.
pub const REASONS: [&str; 5] = ["no-need", "wrong-application", "paid-twice", "not-recognised", "other"];
/// The reason after which there is never a refund (R5.1).
const FALSE: &str = "false-material";
/// Longest explanation, in characters.
pub const WORDS_MOST: usize = 500;

/// Why money goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The applicant asked.
    Asked,
    /// The application was not accepted.
    NotAccepted,
    /// The money came twice or too late.
    Surplus,
}

impl Cause {
    /// The key of its text, after `refund-cause-`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::NotAccepted => "not-accepted",
            Self::Surplus => "surplus",
        }
    }
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Asked for; finance checks it.
    Asked,
    /// Checked by one; a second one must approve.
    Checked,
    /// Approved: the order to the gateway is written down and about to be given.
    Approved,
    /// Given to the gateway, or released to the bank; it will say how it ended.
    Sent,
    /// The money is back.
    Arrived,
    /// The bank sent it back: other details are needed.
    SentBack,
    /// The gateway contradicts itself or says nothing for too long: finance must look, and check it anew.
    Parked,
    /// Finance refused it.
    Refused,
}

impl RefundState {
    /// The code in rows and texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Checked => "checked",
            Self::Approved => "approved",
            Self::Sent => "sent",
            Self::Arrived => "arrived",
            Self::SentBack => "sent-back",
            Self::Parked => "parked",
            Self::Refused => "refused",
        }
    }

    /// The state with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        let all = [
            Self::Asked,
            Self::Checked,
            Self::Approved,
            Self::Sent,
            Self::Arrived,
            Self::SentBack,
            Self::Parked,
            Self::Refused,
        ];
        all.into_iter().find(|state| state.code() == code)
    }
}

/// An order to the gateway: written down before it is given, and never given in another form (unionpay.md §8.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundOrder {
    /// `orderId`.
    pub order: String,
    /// `txnTime`, Beijing time.
    pub txn_time: String,
    /// When it was written down.
    pub at: DateTime<Utc>,
    /// Whether it is to be given again, in the same words.
    #[serde(default)]
    pub again: bool,
    /// Whether the gateway took it.
    pub accepted: bool,
    /// How often the gateway was asked about it.
    pub queries: u32,
    /// The last code that it gave.
    pub code: Option<String>,
}

/// One refund of one payment. At most one of a payment ever takes effect (R5.5): there is never a second one beside one
/// that is not refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// Its name.
    pub id: RefundId,
    /// Which payment.
    pub attempt: AttemptId,
    /// How much.
    pub amount: Fen,
    /// Why.
    pub cause: Cause,
    /// The applicant's reason, one of [`REASONS`].
    pub reason: String,
    /// The applicant's words.
    pub words: String,
    /// The bank account, when the card can't take it.
    pub bank: Option<BankDetails>,
    /// Where it stands.
    pub state: RefundState,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
    /// Who checked it, and when.
    pub checked: Option<(StaffId, DateTime<Utc>)>,
    /// Who approved it, and when; nobody where it goes by itself.
    pub approved: Option<(Option<StaffId>, DateTime<Utc>)>,
    /// The order to the gateway.
    pub order: Option<RefundOrder>,
    /// Orders of earlier rounds, for whoever has to look.
    #[serde(default)]
    pub earlier: Vec<RefundOrder>,
    /// How often a transfer that was paid out came back.
    #[serde(default)]
    pub returns: u32,
    /// What the bank said each time that it paid out: said again, it is the same payment.
    #[serde(default)]
    pub paid_by: Vec<String>,
    /// The batch of bank transfers that it is in.
    #[serde(default)]
    pub batch: Option<BatchId>,
    /// When it was given to the gateway or released to the bank.
    pub sent_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why finance refused, or what the bank said.
    pub answer: Option<String>,
    /// When the scheduler looks at it next; never when nothing is to be done by it.
    pub look_at: Option<DateTime<Utc>>,
    /// When it was last said to be late.
    #[serde(default)]
    pub chased_at: Option<DateTime<Utc>>,
}

impl Refund {
    /// Whether it may still end, or has ended, with the money back.
    pub fn is_open(&self) -> bool {
        self.state != RefundState::Refused
    }

    /// The day by which it should have arrived (R5.4).
    pub fn due(&self, calendar: &Calendar) -> Due {
        calendar.add(calendar::today(self.asked_at), WORKING_DAYS)
    }

    /// A refund that nobody need ask for and nobody need approve: by law and guide there is nothing to decide.
    fn automatic(attempt: &Attempt, cause: Cause, now: DateTime<Utc>) -> Self {
        let mut refund = Self::asked(attempt, cause, now);
        refund.state = RefundState::Approved;
        refund.approved = Some((None, now));
        refund.look_at = Some(now);
        refund
    }

    fn asked(attempt: &Attempt, cause: Cause, now: DateTime<Utc>) -> Self {
        Self {
            id: RefundId::fresh(),
            attempt: attempt.id,
            amount: attempt.amount,
            cause,
            reason: String::new(),
            words: String::new(),
            bank: None,
            state: RefundState::Asked,
            asked_at: now,
            checked: None,
            approved: None,
            order: None,
            earlier: Vec::new(),
            returns: 0,
            paid_by: Vec::new(),
            batch: None,
            sent_at: None,
            ended_at: None,
            answer: None,
            look_at: None,
            chased_at: None,
        }
    }

    /// When somebody who does not act is reminded: the day after it is due, then every day.
    fn reminder(&self, at: &Moment<'_>) -> DateTime<Utc> {
        let after = self.due(at.calendar).date.succ_opt().and_then(|day| day.and_hms_opt(0, 0, 0));
        // Midnight in Beijing.
        let first = after.map_or(at.now, |local| local.and_utc() - TimeDelta::hours(8));
        first.max(at.now + TimeDelta::hours(24))
    }

    /// Whether the scheduler has something to give or to ask.
    fn is_the_schedulers(&self) -> bool {
        matches!(self.state, RefundState::Approved | RefundState::Sent) && self.bank.is_none()
    }

    /// The payment's money is owed from now on: it is not ours any more.
    fn owe(&self, application: ApplicationId, from: &'static str, effects: &mut Effects) {
        if from != TO_GIVE_BACK {
            let key = format!("owe:{}", self.id);
            effects.movements.push(Movement { key, application, from, to: TO_GIVE_BACK, amount: self.amount });
        }
    }
}

/// Whether the card that paid can take the money back, by the guide's ten months (R5.3).
pub fn card_takes_it(paid_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let limit = calendar::today(paid_at).checked_add_months(Months::new(CARD_MONTHS));
    limit.is_none_or(|limit| calendar::today(now) <= limit)
}

/// Whether a refund can be asked for now (casework.md, table of refunds); the error is the key of the words, after
/// `rejection-`.
///
/// # Errors
/// Why not.
pub fn may_ask(application: &Application) -> Result<&Attempt, &'static str> {
    let Some(payment) = application.payment() else { return Err("refund-not-paid") };
    if application.refunds.iter().any(|refund| refund.attempt == payment.id && refund.is_open()) {
        return Err("refund-asked");
    }
    match application.stage() {
        Stage::Screening => Ok(payment),
        Stage::Supplement if application.decision.is_some() => Err("refund-review"),
        Stage::Reviewing | Stage::ReviewProposed => Err("refund-review"),
        Stage::Supplement if application.accepted_at.is_none() => Ok(payment),
        Stage::Supplement | Stage::Assessing | Stage::Verifying | Stage::Proposed => Err("refund-assessing"),
        Stage::Decided => match &application.decision {
            Some(decision) if decision.proposal.false_material() => Err("refund-false-material"),
            Some(decision) if decision.proposal.outcome == Outcome::Certificate => Err("refund-certificate"),
            Some(_) => Ok(payment),
            None => Err("refund-assessing"),
        },
        Stage::NotAccepted if application.not_accepted.as_ref().is_some_and(|refusal| refusal.reason == FALSE) => {
            Err("refund-false-material")
        }
        // Withdrawn and not accepted have their refund already, unless finance refused it.
        Stage::Withdrawn | Stage::NotAccepted => Ok(payment),
        Stage::Draft | Stage::Submitted => Err("refund-not-paid"),
    }
}

/// One refund of an application, to be changed.
fn refund_mut(application: &mut Application, id: RefundId) -> Result<&mut Refund, Rejection> {
    application.refunds.iter_mut().find(|refund| refund.id == id).ok_or(Rejection::NotFound)
}

/// Gives back what came twice or too late, by itself.
pub(crate) fn surplus(application: &mut Application, attempt: &Attempt, at: &Moment<'_>, effects: &mut Effects) {
    let refund = Refund::automatic(attempt, Cause::Surplus, at.now);
    effects.happened(application.id, "refund-approved", Actor::System, refund.cause.code());
    application.refunds.push(refund);
}

/// Gives back the fee of an application that was not accepted, by itself.
pub(crate) fn not_accepted(application: &mut Application, at: &Moment<'_>, effects: &mut Effects) {
    let Ok(payment) = may_ask(application).cloned() else { return };
    let refund = Refund::automatic(&payment, Cause::NotAccepted, at.now);
    refund.owe(application.id, FEES, effects);
    effects.happened(application.id, "refund-approved", Actor::System, refund.cause.code());
    application.refunds.push(refund);
}

/// Says that a refund is late, once a working day (R5.4: chased by itself).
#[derive(Debug, Clone)]
pub struct ChaseRefund {
    /// In which application.
    pub application: ApplicationId,
    /// Which refund.
    pub refund: RefundId,
}

impl Command for ChaseRefund {
    type Done = bool;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<bool, Rejection> {
        let application = applicant.application_mut(self.application)?;
        let refund = refund_mut(application, self.refund)?;
        let ended = matches!(refund.state, RefundState::Arrived | RefundState::Refused);
        let late = !ended && calendar::today(at.now) > refund.due(at.calendar).date;
        let chased = refund.chased_at.is_some_and(|last| at.now - last < TimeDelta::hours(24));
        if late && !chased {
            refund.chased_at = Some(at.now);
            effects.happened(self.application, "refund-late", Actor::System, refund.state.code());
        }
        if !ended && !refund.is_the_schedulers() {
            refund.look_at = Some(refund.reminder(at));
        }
        Ok(late && !chased)
    }
}

/// The paid attempts of an application whose money has not gone back.
pub fn held(application: &Application) -> impl Iterator<Item = &Attempt> {
    application.attempts.iter().filter(|attempt| {
        matches!(attempt.state, AttemptState::Paid | AttemptState::Surplus)
            && !application
                .refunds
                .iter()
                .any(|refund| refund.attempt == attempt.id && refund.state == RefundState::Arrived)
    })
}
