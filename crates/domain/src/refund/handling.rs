//! Finance's side: check, approve by a second person, refuse.

use super::{Cause, RefundState, WORDS_MOST, refund_mut};
use crate::Rejection;
use crate::applicant::Applicant;
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment, Movement, NoticeKind};
use crate::form::FieldError;
use crate::ids::{ApplicationId, RefundId};
use crate::settlement::{FEES, TO_GIVE_BACK};
use crate::staff::{Act, Officer};

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
        let refund = refund_mut(application, self.refund)?;
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
        application.plan(at);
        Ok(state)
    }
}
