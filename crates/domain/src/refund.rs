//! Refunds (退费, R5): who may ask when, and the way of the money back, stage by stage.

use chrono::{DateTime, Months, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::Rejection;
use crate::applicant::Applicant;
use crate::application::Application;
use crate::calendar::{self, Calendar, Due};
use crate::case::{Outcome, Stage};
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment, Movement, NoticeKind};
use crate::form::FieldError;
use crate::ids::{ApplicationId, AttemptId, BatchId, RefundId, StaffId};
use crate::money::Fen;
use crate::payment::{Attempt, AttemptState, Meaning, meaning};
use crate::settlement::{BANK, FEES, GATEWAY, TO_GIVE_BACK};
use crate::staff::{Act, Officer};

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

/// Where a bank transfer goes when the card can't take the money back any more (R5.3).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankDetails {
    /// Card number, checked by Luhn's rule.
    pub card: String,
    /// The bank's name.
    pub bank: String,
    /// The branch's CNAPS code, twelve digits.
    pub branch: String,
    /// The holder: always the applicant.
    pub holder: String,
}

/// Never prints what it holds.
impl std::fmt::Debug for BankDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BankDetails").finish_non_exhaustive()
    }
}

/// Whether the digits of a card number follow Luhn's rule (ISO/IEC 7812-1).
pub fn luhn(card: &str) -> bool {
    let digits: Option<Vec<u32>> = card.chars().map(|c| c.to_digit(10)).collect();
    let Some(digits) = digits.filter(|digits| (13..=19).contains(&digits.len())) else { return false };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2 == 1, digit * 2) {
            (true, double) if double > 9 => double - 9,
            (true, double) => double,
            (false, _) => *digit,
        })
        .sum();
    sum.is_multiple_of(10)
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
        Stage::Assessing | Stage::Proposed => Err("refund-assessing"),
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

/// 申请退费 (R5.4).
#[derive(Debug, Clone)]
pub struct AskRefund {
    /// For which application.
    pub application: ApplicationId,
    /// One of [`REASONS`].
    pub reason: String,
    /// What else.
    pub words: String,
    /// Where to, if the card can't take it.
    pub bank: Option<BankInput>,
    /// Whether 《退费须知》 was read and the end of the case accepted.
    pub understood: bool,
}

/// Bank details as they were typed.
#[derive(Clone)]
pub struct BankInput {
    /// Card number.
    pub card: String,
    /// Bank.
    pub bank: String,
    /// CNAPS code.
    pub branch: String,
}

impl std::fmt::Debug for BankInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BankInput").finish_non_exhaustive()
    }
}

impl BankInput {
    fn check(&self, holder: &str) -> Result<BankDetails, Vec<FieldError>> {
        let bare = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect() };
        let (card, branch, bank) = (bare(&self.card), bare(&self.branch), self.bank.trim().to_owned());
        let mut errors = Vec::new();
        if card.is_empty() {
            errors.push(FieldError::new("bank_card", "missing"));
        } else if !luhn(&card) {
            errors.push(FieldError::new("bank_card", "luhn"));
        }
        if bank.is_empty() {
            errors.push(FieldError::new("bank_name", "missing"));
        } else if bank.chars().count() > 60 {
            errors.push(
                FieldError::new("bank_name", "too-long").with("most", 60).with("over", bank.chars().count() - 60),
            );
        }
        if branch.len() != 12 || !branch.bytes().all(|b| b.is_ascii_digit()) {
            errors.push(FieldError::new("bank_branch", "cnaps"));
        }
        if errors.is_empty() { Ok(BankDetails { card, bank, branch, holder: holder.to_owned() }) } else { Err(errors) }
    }
}

impl Command for AskRefund {
    type Done = RefundId;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<RefundId, Rejection> {
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        let payment = may_ask(application).map_err(Rejection::NotNow)?.clone();
        let paid_at = payment.settled_at.unwrap_or(payment.opened_at);
        let mut errors = Vec::new();
        if !REASONS.contains(&self.reason.as_str()) {
            errors.push(FieldError::new("refund_reason", "choose"));
        }
        let long = self.words.chars().count();
        if long > WORDS_MOST {
            errors.push(
                FieldError::new("refund_words", "too-long").with("most", WORDS_MOST).with("over", long - WORDS_MOST),
            );
        }
        let bank = if card_takes_it(paid_at, at.now) {
            None
        } else {
            let empty = BankInput { card: String::new(), bank: String::new(), branch: String::new() };
            match self.bank.as_ref().unwrap_or(&empty).check(&account.name) {
                Ok(bank) => Some(bank),
                Err(wrong) => {
                    errors.extend(wrong);
                    None
                }
            }
        };
        if !self.understood {
            errors.push(FieldError::new("refund_understood", "tick"));
        }
        if !errors.is_empty() {
            return Err(Rejection::Form(errors));
        }
        let mut refund = Refund::asked(&payment, Cause::Asked, at.now);
        refund.reason.clone_from(&self.reason);
        self.words.trim().clone_into(&mut refund.words);
        refund.bank = bank;
        refund.look_at = Some(refund.reminder(at));
        refund.owe(application.id, FEES, effects);
        let id = refund.id;
        application.refunds.push(refund);
        if application.stage() == Stage::Screening {
            // Evaluation has not begun: the case ends here (casework.md).
            application.withdrawn_at = Some(at.now);
        }
        application.changed_at = at.now;
        effects.happened(self.application, "refund-asked", Actor::Applicant, self.reason.clone());
        let number = application.number.clone().unwrap_or_default();
        effects.tell(&account, NoticeKind::RefundAsked, &[("number", &number)]);
        Ok(id)
    }
}

/// What finance does to a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinanceAct {
    /// It is right as it stands.
    Check,
    /// A second person lets the money go.
    Approve,
    /// It is not; why is told to the applicant.
    Refuse(String),
}

/// One act of a finance officer.
#[derive(Debug, Clone)]
pub struct HandleRefund {
    /// In which application.
    pub application: ApplicationId,
    /// Which refund.
    pub refund: RefundId,
    /// Who.
    pub officer: Officer,
    /// What.
    pub act: FinanceAct,
    /// The state that the page showed.
    pub seen: RefundState,
}

impl Command for HandleRefund {
    type Done = RefundState;

    fn decide(
        &self,
        applicant: &mut Applicant,
        at: &Moment<'_>,
        effects: &mut Effects,
    ) -> Result<RefundState, Rejection> {
        if !self.officer.may(Act::HandleMoney) {
            return Err(Rejection::NotAllowed);
        }
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        let number = application.number.clone().unwrap_or_default();
        let id = self.application;
        let refund = application.refunds.iter_mut().find(|refund| refund.id == self.refund);
        let refund = refund.ok_or(Rejection::NotFound)?;
        if refund.state != self.seen {
            return Err(Rejection::Stale);
        }
        let by = Actor::Staff(self.officer.id);
        let mut restored = None;
        match (&self.act, refund.state) {
            (FinanceAct::Check, RefundState::Asked | RefundState::Parked) => {
                // One that was parked begins a new round: a new order, once two people have looked.
                refund.earlier.extend(refund.order.take());
                refund.state = RefundState::Checked;
                refund.checked = Some((self.officer.id, at.now));
                effects.happened(id, "refund-checked", by, "");
            }
            (FinanceAct::Approve, RefundState::Checked) => {
                if refund.checked.is_some_and(|(checker, _)| checker == self.officer.id) {
                    return Err(Rejection::OwnProposal);
                }
                refund.state = RefundState::Approved;
                refund.approved = Some((Some(self.officer.id), at.now));
                // By card the scheduler gives the order; by transfer it waits for the next batch.
                refund.look_at = Some(if refund.bank.is_none() { at.now } else { refund.reminder(at) });
                effects.happened(id, "refund-approved", by, refund.cause.code());
                effects.tell(&account, NoticeKind::RefundApproved, &[("number", &number)]);
            }
            // This money is not ours to keep: what can be wrong is where it goes.
            (FinanceAct::Refuse(why), RefundState::Asked | RefundState::Checked) if refund.cause != Cause::Asked => {
                refund.state = RefundState::SentBack;
                refund.answer = Some(why.trim().chars().take(WORDS_MOST).collect());
                refund.look_at = Some(refund.reminder(at));
                effects.happened(id, "refund-sent-back", by, "");
                effects.tell(&account, NoticeKind::RefundSentBack, &[("number", &number)]);
            }
            (FinanceAct::Refuse(why), RefundState::Asked | RefundState::Checked) => {
                let why = why.trim();
                if why.is_empty() {
                    return Err(Rejection::field("note", "missing"));
                }
                if why.chars().count() > WORDS_MOST {
                    let over = why.chars().count() - WORDS_MOST;
                    let error = FieldError::new("note", "too-long").with("most", WORDS_MOST).with("over", over);
                    return Err(Rejection::Form(vec![error]));
                }
                refund.state = RefundState::Refused;
                refund.answer = Some(why.to_owned());
                refund.ended_at = Some(at.now);
                refund.look_at = None;
                restored = Some(refund.asked_at);
                let key = format!("owe-not:{}", refund.id);
                let (from, to, amount) = (TO_GIVE_BACK, FEES, refund.amount);
                effects.movements.push(Movement { key, application: id, from, to, amount });
                effects.happened(id, "refund-refused", by, "");
                effects.tell(&account, NoticeKind::RefundRefused, &[("number", &number)]);
            }
            _ => return Err(Rejection::NotNow("other-stage")),
        }
        let state = refund.state;
        // Without the refund the case goes on where asking for it ended it: nobody loses both.
        if restored.is_some() && application.withdrawn_at == restored {
            application.withdrawn_at = None;
            effects.happened(id, "resumed", by, "");
        }
        application.changed_at = at.now;
        Ok(state)
    }
}

/// Writes the order to the gateway down, before it is given; what was written down is never written anew while the
/// gateway may know it.
#[derive(Debug, Clone)]
pub struct WriteRefundOrder {
    /// In which application.
    pub application: ApplicationId,
    /// Which refund.
    pub refund: RefundId,
}

impl Command for WriteRefundOrder {
    /// The refund, and whether whoever asked is to give its order: nobody else is.
    type Done = (Refund, bool);

    fn decide(
        &self,
        applicant: &mut Applicant,
        at: &Moment<'_>,
        effects: &mut Effects,
    ) -> Result<(Refund, bool), Rejection> {
        let application = applicant.application_mut(self.application)?;
        let refund = application.refunds.iter_mut().find(|refund| refund.id == self.refund);
        let refund = refund.ok_or(Rejection::NotFound)?;
        let mut give = false;
        if let Some(order) = refund.order.as_mut().filter(|_| refund.state == RefundState::Approved) {
            give = std::mem::take(&mut order.again);
        } else if refund.state == RefundState::Approved && refund.bank.is_none() {
            give = true;
            let order: String = format!("RR{}", uuid::Uuid::new_v4().simple()).chars().take(32).collect();
            effects.audited(Actor::System, "refund-ordered", format!("order:{order}"));
            refund.order = Some(RefundOrder {
                order,
                txn_time: calendar::beijing(at.now).format("%Y%m%d%H%M%S").to_string(),
                at: at.now,
                again: false,
                accepted: false,
                queries: 0,
                code: None,
            });
        }
        Ok((refund.clone(), give))
    }
}

/// What the gateway says of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundWord {
    /// It took the order; how it ends it says later.
    Accepted,
    /// The code of the refund itself, by query: verified, and about this order and amount.
    Code(String),
    /// It refused the order: definite, nothing moves.
    Refused(String),
    /// It takes no orders at present: definite too, and the same order is given again.
    NotNow(String),
    /// It says that the payment is not there to be refunded: somebody must look.
    Contradiction(String),
    /// No answer, or none that can be trusted: unknown stays unknown.
    Silence,
}

/// Takes the gateway's word about a refund.
#[derive(Debug, Clone)]
pub struct SettleRefund {
    /// In which application.
    pub application: ApplicationId,
    /// Which refund.
    pub refund: RefundId,
    /// About which order: an older one says nothing about a newer.
    pub order: String,
    /// The word.
    pub word: RefundWord,
}

impl Command for SettleRefund {
    type Done = RefundState;

    fn decide(
        &self,
        applicant: &mut Applicant,
        at: &Moment<'_>,
        effects: &mut Effects,
    ) -> Result<RefundState, Rejection> {
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        let id = self.application;
        let number = application.number.clone().unwrap_or_default();
        let refund = application.refunds.iter_mut().find(|refund| refund.id == self.refund);
        let refund = refund.ok_or(Rejection::NotFound)?;
        let open = matches!(refund.state, RefundState::Approved | RefundState::Sent);
        let Some(order) = refund.order.as_mut().filter(|order| open && order.order == self.order) else {
            if !open {
                // Nothing is to be looked at here any more, or not by the scheduler.
                refund.look_at = refund.look_at.filter(|look| *look > at.now);
            }
            return Ok(refund.state);
        };
        order.queries += 1;
        let seconds = usize::try_from(order.queries).ok().and_then(|nth| QUERY_SECONDS.get(nth - 1)).copied();
        let later = seconds.map_or(QUERY_LATER, TimeDelta::seconds);
        let mut sent = false;
        let holds = at.now - order.at <= ORDER_HOLDS;
        match &self.word {
            RefundWord::Silence => {}
            // What was said to a second giving takes nothing back.
            RefundWord::Refused(_) | RefundWord::NotNow(_) | RefundWord::Contradiction(_) if order.accepted => {}
            RefundWord::Contradiction(code) => {
                order.code = Some(code.clone());
                refund.state = RefundState::Parked;
            }
            RefundWord::Accepted => {
                sent = !order.accepted;
                order.accepted = true;
            }
            RefundWord::NotNow(code) => {
                order.code = Some(code.clone());
                order.again = holds;
                refund.look_at = Some(at.now + CLOSED_FOR);
                if holds {
                    return Ok(refund.state);
                }
                refund.state = RefundState::Parked;
            }
            RefundWord::Refused(code) => {
                order.code = Some(code.clone());
                refund.state = RefundState::SentBack;
            }
            RefundWord::Code(code) => {
                order.code = Some(code.clone());
                match meaning(code) {
                    Meaning::Success | Meaning::LateSuccess => {
                        refund.state = RefundState::Arrived;
                        sent |= !order.accepted;
                    }
                    Meaning::Pending if code == "34" => {
                        if !order.accepted && !holds {
                            refund.state = RefundState::Parked;
                        } else if !order.accepted && at.now - order.at > UNKNOWN_FOR {
                            order.again = true;
                        }
                    }
                    Meaning::Pending | Meaning::Unclear => {
                        sent = !order.accepted;
                        order.accepted = true;
                    }
                    Meaning::Failure => refund.state = RefundState::SentBack,
                }
            }
        }
        if sent {
            refund.sent_at.get_or_insert(at.now);
            if refund.state == RefundState::Approved {
                refund.state = RefundState::Sent;
            }
            effects.happened(id, "refund-sent", Actor::System, "");
        }
        match refund.state {
            RefundState::Arrived => {
                refund.ended_at = Some(at.now);
                refund.look_at = None;
                // One key a payment: whatever is retried or delivered twice, the money goes out once (R5.5).
                let key = format!("refund:{}", refund.attempt);
                let amount = refund.amount;
                effects.movements.push(Movement { key, application: id, from: TO_GIVE_BACK, to: GATEWAY, amount });
                effects.happened(id, "refund-arrived", Actor::System, "");
                effects.tell(&account, NoticeKind::RefundArrived, &[("number", &number)]);
            }
            RefundState::Parked => {
                refund.look_at = Some(refund.reminder(at));
                effects.happened(id, "refund-parked", Actor::System, "");
            }
            RefundState::SentBack => {
                refund.look_at = Some(refund.reminder(at));
                refund.answer = refund.order.as_ref().and_then(|order| order.code.clone());
                effects.happened(id, "refund-sent-back", Actor::System, "");
                effects.tell(&account, NoticeKind::RefundSentBack, &[("number", &number)]);
            }
            // To be given again: at once, while its time still holds.
            _ if refund.order.as_ref().is_some_and(|order| order.again) => refund.look_at = Some(at.now),
            _ => refund.look_at = Some(at.now + later),
        }
        let state = refund.state;
        application.changed_at = at.now;
        Ok(state)
    }
}

/// The gateway has something to say about a refund: it is asked now.
#[derive(Debug, Clone)]
pub struct LookAtRefund {
    /// In which application.
    pub application: ApplicationId,
    /// Which refund.
    pub refund: RefundId,
}

impl Command for LookAtRefund {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, _: &mut Effects) -> Result<(), Rejection> {
        let application = applicant.application_mut(self.application)?;
        for refund in application.refunds.iter_mut().filter(|refund| refund.id == self.refund) {
            if refund.look_at.is_some() {
                refund.look_at = Some(at.now);
            }
        }
        Ok(())
    }
}

/// The applicant gives other bank details after the bank sent a refund back.
#[derive(Debug, Clone)]
pub struct GiveBankDetails {
    /// In which application.
    pub application: ApplicationId,
    /// Which refund.
    pub refund: RefundId,
    /// Where to.
    pub bank: BankInput,
}

impl Command for GiveBankDetails {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let holder = applicant.account.name.clone();
        let application = applicant.application_mut(self.application)?;
        let refund = application.refunds.iter_mut().find(|refund| refund.id == self.refund);
        let refund = refund.ok_or(Rejection::NotFound)?;
        if refund.state != RefundState::SentBack {
            return Err(Rejection::NotNow("other-stage"));
        }
        refund.bank = Some(self.bank.check(&holder).map_err(Rejection::Form)?);
        // Checked and approved anew: it goes another way.
        refund.state = RefundState::Asked;
        refund.checked = None;
        refund.approved = None;
        refund.earlier.extend(refund.order.take());
        refund.batch = None;
        refund.look_at = Some(refund.reminder(at));
        application.changed_at = at.now;
        effects.happened(self.application, "refund-details", Actor::Applicant, "");
        Ok(())
    }
}

/// What happens to a refund that goes by bank transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferStep {
    /// It is put into a batch.
    Put,
    /// The batch was released by a second person: the bank has it.
    Released,
    /// The bank says that it was paid out.
    PaidOut,
    /// The bank sent it back.
    SentBack,
}

/// Moves a refund along by bank transfer; done twice, it is done once.
#[derive(Debug, Clone)]
pub struct MoveTransfer {
    /// In which application.
    pub application: ApplicationId,
    /// Which refund.
    pub refund: RefundId,
    /// In which batch.
    pub batch: BatchId,
    /// What happens.
    pub step: TransferStep,
    /// What the bank said.
    pub answer: String,
}

impl Command for MoveTransfer {
    type Done = RefundState;

    fn decide(
        &self,
        applicant: &mut Applicant,
        at: &Moment<'_>,
        effects: &mut Effects,
    ) -> Result<RefundState, Rejection> {
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        let number = application.number.clone().unwrap_or_default();
        let id = self.application;
        let refund = application.refunds.iter_mut().find(|refund| refund.id == self.refund);
        let refund = refund.ok_or(Rejection::NotFound)?;
        if refund.bank.is_none() || refund.batch.is_some_and(|batch| batch != self.batch) {
            return Err(Rejection::NotNow("other-stage"));
        }
        match (self.step, refund.state) {
            (TransferStep::Put, RefundState::Approved) => refund.batch = Some(self.batch),
            (TransferStep::Released, RefundState::Approved) if refund.batch.is_some() => {
                refund.state = RefundState::Sent;
                refund.sent_at = Some(at.now);
                refund.look_at = Some(refund.reminder(at));
                effects.happened(id, "refund-sent", Actor::System, "");
            }
            (TransferStep::PaidOut, RefundState::Sent | RefundState::SentBack) if refund.batch.is_some() => {
                refund.state = RefundState::Arrived;
                refund.ended_at = Some(at.now);
                refund.look_at = None;
                // The same key as by card: whichever way, the money goes out once (R5.5).
                let again = if refund.returns == 0 { String::new() } else { format!(":{}", refund.returns) };
                let key = format!("refund:{}{again}", refund.attempt);
                let amount = refund.amount;
                effects.movements.push(Movement { key, application: id, from: TO_GIVE_BACK, to: BANK, amount });
                effects.happened(id, "refund-arrived", Actor::System, "");
                effects.tell(&account, NoticeKind::RefundArrived, &[("number", &number)]);
            }
            (TransferStep::SentBack, RefundState::Sent | RefundState::Arrived) => {
                if refund.state == RefundState::Arrived {
                    // Paid out, and days later it is back on our account.
                    refund.returns += 1;
                    let key = format!("returned:{}:{}", refund.attempt, refund.returns);
                    let amount = refund.amount;
                    effects.movements.push(Movement { key, application: id, from: BANK, to: TO_GIVE_BACK, amount });
                    refund.ended_at = None;
                }
                refund.state = RefundState::SentBack;
                refund.answer = Some(self.answer.chars().take(WORDS_MOST).collect());
                refund.look_at = Some(refund.reminder(at));
                effects.happened(id, "refund-sent-back", Actor::System, "");
                effects.tell(&account, NoticeKind::RefundSentBack, &[("number", &number)]);
            }
            // Said before: nothing changes.
            (TransferStep::Put | TransferStep::Released, RefundState::Sent | RefundState::Arrived)
            | (TransferStep::PaidOut, RefundState::Arrived)
            | (TransferStep::SentBack, RefundState::SentBack) => {}
            _ => return Err(Rejection::NotNow("other-stage")),
        }
        application.changed_at = at.now;
        Ok(application
            .refunds
            .iter()
            .find(|refund| refund.id == self.refund)
            .map_or(RefundState::Sent, |refund| refund.state))
    }
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
        let refund = application.refunds.iter_mut().find(|refund| refund.id == self.refund);
        let refund = refund.ok_or(Rejection::NotFound)?;
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
