//! The applicant's side: asking for a refund, and where the money is to go.

use serde::{Deserialize, Serialize};

use super::{Cause, REASONS, Refund, WORDS_MOST, card_takes_it, may_ask, refund_mut};
use crate::Rejection;
use crate::applicant::Applicant;
use crate::case::Stage;
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment, NoticeKind};
use crate::form::FieldError;
use crate::ids::{ApplicationId, RefundId};
use crate::refund::RefundState;
use crate::settlement::FEES;

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
        if matches!(application.stage(), Stage::Screening | Stage::Supplement) {
            // Evaluation has not begun: the case ends here (casework.md).
            application.withdrawn_at = Some(at.now);
        }
        application.plan(at);
        effects.happened(self.application, "refund-asked", Actor::Applicant, self.reason.clone());
        let number = application.number.clone().unwrap_or_default();
        effects.tell(&account, NoticeKind::RefundAsked, &[("number", &number)]);
        Ok(id)
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
        let refund = refund_mut(application, self.refund)?;
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
