//! The gateway's way: an order that is written down, given once, and asked about until it has ended.

use chrono::TimeDelta;

use super::{
    CLOSED_FOR, ORDER_HOLDS, QUERY_LATER, QUERY_SECONDS, Refund, RefundOrder, RefundState, UNKNOWN_FOR, refund_mut,
};
use crate::Rejection;
use crate::applicant::Applicant;
use crate::calendar;
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment, Movement, NoticeKind};
use crate::ids::{ApplicationId, RefundId};
use crate::payment::{Meaning, meaning};
use crate::settlement::{GATEWAY, TO_GIVE_BACK};

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
        let refund = refund_mut(application, self.refund)?;
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
        let refund = refund_mut(application, self.refund)?;
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
