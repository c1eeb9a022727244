//! The bank's way: a refund by transfer, in a batch.

use super::{RefundState, WORDS_MOST, refund_mut};
use crate::Rejection;
use crate::applicant::Applicant;
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment, Movement, NoticeKind};
use crate::ids::{ApplicationId, BatchId, RefundId};
use crate::settlement::{BANK, TO_GIVE_BACK};

/// What happens to a refund that goes by bank transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferStep {
    /// It is put into a batch.
    Put,
    /// The batch was dissolved: it waits for the next.
    TakenOut,
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
        let refund = refund_mut(application, self.refund)?;
        if refund.bank.is_none() || refund.batch.is_some_and(|batch| batch != self.batch) {
            return Err(Rejection::NotNow("other-stage"));
        }
        match (self.step, refund.state) {
            (TransferStep::Put, RefundState::Approved) => refund.batch = Some(self.batch),
            (TransferStep::TakenOut, RefundState::Approved) => refund.batch = None,
            (TransferStep::Released, RefundState::Approved) if refund.batch.is_some() => {
                refund.state = RefundState::Sent;
                refund.sent_at = Some(at.now);
                refund.look_at = Some(refund.reminder(at));
                effects.happened(id, "refund-sent", Actor::System, "");
            }
            // What came back after it was paid out is owed again: an older answer, read twice, changes nothing.
            (TransferStep::PaidOut, RefundState::SentBack) if refund.paid_by.contains(&self.answer) => {}
            (TransferStep::PaidOut, RefundState::Sent | RefundState::SentBack) if refund.batch.is_some() => {
                refund.state = RefundState::Arrived;
                refund.paid_by.push(self.answer.clone());
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
