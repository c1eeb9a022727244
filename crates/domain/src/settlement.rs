//! Paying (R2.10): an attempt before the browser leaves, and what the gateway's word does to it.

use chrono::{DateTime, TimeDelta, Utc};

use crate::Rejection;
use crate::applicant::Applicant;
use crate::case::Stage;
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment, Movement, NoticeKind};
use crate::ids::{ApplicationId, AttemptId};
use crate::money::{CNY, FEE};
use crate::payment::{Attempt, AttemptState, GatewayAnswer, LAST_QUERY, Meaning, meaning, next_query};
use crate::refund;

/// The account of what the gateway holds for us.
pub const GATEWAY: &str = "gateway";
/// The account of what our own bank pays out.
pub const BANK: &str = "bank";
/// The account of fees earned.
pub const FEES: &str = "fees";
/// The account of money that must be given back.
pub const TO_GIVE_BACK: &str = "to_give_back";
/// Most attempts that may be open at once; more is no person any more.
pub const OPEN_MOST: usize = 5;

/// 立即支付: opens an attempt with an order of its own.
#[derive(Debug, Clone)]
pub struct OpenAttempt {
    /// For which application.
    pub application: ApplicationId,
}

impl Command for OpenAttempt {
    type Done = Attempt;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<Attempt, Rejection> {
        let application = applicant.application_mut(self.application)?;
        match application.stage() {
            Stage::Submitted => {}
            Stage::Draft => return Err(Rejection::NotNow("not-submitted")),
            Stage::Withdrawn => return Err(Rejection::NotNow("withdrawn")),
            _ => return Err(Rejection::NotNow("paid")),
        }
        let open = |attempt: &&Attempt| attempt.state == AttemptState::Open && attempt.timeout_at > at.now;
        if application.attempts.iter().filter(open).count() >= OPEN_MOST {
            return Err(Rejection::NotNow("too-many-attempts"));
        }
        let attempt = Attempt::open(FEE, at.now);
        application.attempts.push(attempt.clone());
        effects.audited(Actor::Applicant, "payment-opened", format!("order:{}", attempt.order));
        Ok(attempt)
    }
}

/// 支付成功: have the gateway asked now (unionpay.md §8.7); it marks nothing paid.
#[derive(Debug, Clone)]
pub struct AskGatewayNow {
    /// For which application.
    pub application: ApplicationId,
}

impl Command for AskGatewayNow {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, _: &mut Effects) -> Result<(), Rejection> {
        let application = applicant.application_mut(self.application)?;
        for attempt in application.attempts.iter_mut().filter(|attempt| attempt.state == AttemptState::Open) {
            // Not more than once in three seconds, however often it is pressed: the gateway counts queries.
            let asked_just_now = attempt.asked_at.is_some_and(|last| at.now - last < chrono::TimeDelta::seconds(3));
            if !asked_just_now {
                attempt.query_at = Some(at.now);
            }
        }
        Ok(())
    }
}

/// 立即查询 by finance: has the gateway asked about every attempt that is not settled, parked and failed ones too.
#[derive(Debug, Clone)]
pub struct AskAboutAll {
    /// Of which application.
    pub application: ApplicationId,
}

impl Command for AskAboutAll {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, _: &mut Effects) -> Result<(), Rejection> {
        let application = applicant.application_mut(self.application)?;
        let settled = |attempt: &&mut Attempt| matches!(attempt.state, AttemptState::Paid | AttemptState::Surplus);
        for attempt in application.attempts.iter_mut().filter(|attempt| !settled(attempt)) {
            attempt.query_at = Some(at.now);
        }
        Ok(())
    }
}

/// What the gateway says of an order, verified: by query, after a notification or by itself.
#[derive(Debug, Clone)]
pub struct SettleAttempt {
    /// Of which application.
    pub application: ApplicationId,
    /// Which attempt.
    pub attempt: AttemptId,
    /// When the gateway was asked: its word is no younger than that.
    pub asked_at: DateTime<Utc>,
    /// The gateway's word, or none where it could not be reached.
    pub answer: Option<GatewayAnswer>,
}

impl Command for SettleAttempt {
    type Done = AttemptState;

    fn decide(
        &self,
        applicant: &mut Applicant,
        at: &Moment<'_>,
        effects: &mut Effects,
    ) -> Result<AttemptState, Rejection> {
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        let payable = application.stage() == Stage::Submitted;
        let number = application.number.clone().unwrap_or_default();
        let attempt = application.attempts.iter_mut().find(|attempt| attempt.id == self.attempt);
        let attempt = attempt.ok_or(Rejection::NotFound)?;
        if matches!(attempt.state, AttemptState::Paid | AttemptState::Surplus) {
            // Said twice: booked once. The count changes, so that the row is written and its question is closed.
            attempt.queries += 1;
            attempt.query_at = None;
            return Ok(attempt.state);
        }
        attempt.queries += 1;
        attempt.asked_at = Some(at.now);
        let Some(answer) = &self.answer else {
            // Asked again within a minute at first, then on the schedule.
            let soon = at.now + TimeDelta::seconds(if attempt.queries < 5 { 20 } else { 600 });
            attempt.query_at = next_query(attempt.opened_at, at.now).map(|next| next.min(soon));
            return Ok(attempt.state);
        };
        attempt.resp_code = Some(answer.code.clone());
        let meaning = meaning(&answer.code);
        let brought_money = matches!(meaning, Meaning::Success | Meaning::LateSuccess);
        let agrees = answer.order == attempt.order
            && answer.txn_time == attempt.txn_time
            && (!brought_money || answer.amount == Some(attempt.amount.0))
            && (!brought_money || answer.currency.as_deref() == Some(CNY));
        if !agrees || meaning == Meaning::Unclear {
            attempt.state = AttemptState::Parked;
            // Debited, and it is not known whether for us: the gateway will know one day.
            let unclear = agrees && meaning == Meaning::Unclear;
            attempt.query_at = unclear.then(|| at.now + TimeDelta::hours(6));
            effects.audited(Actor::System, "payment-parked", format!("order:{}:{}", attempt.order, answer.code));
            return Ok(attempt.state);
        }
        if brought_money {
            attempt.state = if payable { AttemptState::Paid } else { AttemptState::Surplus };
            attempt.query_id.clone_from(&answer.query_id);
            attempt.settled_at = Some(at.now);
            attempt.query_at = None;
            let (order, amount) = (attempt.order.clone(), attempt.amount);
            let to = if payable { FEES } else { TO_GIVE_BACK };
            let key = format!("settle:{order}");
            effects.movements.push(Movement { key, application: self.application, from: GATEWAY, to, amount });
            if payable {
                application.paid_at = Some(at.now);
                application.changed_at = at.now;
                effects.happened(self.application, "paid", Actor::System, order);
                effects.tell(&account, NoticeKind::Paid, &[("number", &number)]);
                return Ok(AttemptState::Paid);
            }
            let surplus = attempt.clone();
            effects.happened(self.application, "surplus", Actor::System, order);
            refund::surplus(application, &surplus, at, effects);
            effects.tell(&account, NoticeKind::Surplus, &[("number", &number)]);
            return Ok(AttemptState::Surplus);
        }
        // Until the cashier closes, "failed" and "not found" may be passing states (unionpay.md §5, §7).
        // and what was asked before it closed says nothing about afterwards, nor do clocks that differ a little.
        let closed = self.asked_at > attempt.timeout_at + TimeDelta::seconds(60);
        if closed && matches!(answer.code.as_str(), "03" | "04" | "05" | "06" | "70") {
            attempt.query_at = next_query(attempt.opened_at, at.now);
        } else if closed {
            attempt.state = AttemptState::Failed;
            // A late success (42) may still come: the rest of the schedule is kept.
            let next = next_query(attempt.opened_at, at.now);
            attempt.query_at = next.filter(|next| *next <= attempt.opened_at + LAST_QUERY);
        } else {
            let after_close = attempt.timeout_at + TimeDelta::minutes(2);
            let next = next_query(attempt.opened_at, at.now).unwrap_or(after_close);
            attempt.query_at = Some(if next > attempt.timeout_at { after_close.min(next) } else { next });
        }
        Ok(attempt.state)
    }
}
