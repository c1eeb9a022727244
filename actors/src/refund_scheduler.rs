//! Sends money back: gives each approved order to the gateway, asks how it ended, and says what is late (R5.4, R5.5).

use std::rc::Rc;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::payment::Attempt;
use domain::refund::{
    ChaseRefund, MoveTransfer, Refund, RefundOrder, RefundState, RefundWord, SettleRefund, TransferStep,
    WriteRefundOrder,
};
use store::{Queue, RefundPlace, Task};
use supervision::{Desk, Step, Work};

use crate::blocking::run;
use crate::session::{Fault, Refusal, settled};
use crate::tree::{Asks, World};

/// Refunds that follow their batch in one step.
const FOLLOWED_AT_ONCE: i64 = 100;

/// The work of the refund scheduler.
pub(crate) struct RefundScheduler {
    world: Arc<World>,
    sessions: Asks,
}

impl RefundScheduler {
    pub(crate) fn new(world: Arc<World>, sessions: Asks) -> Self {
        Self { world, sessions }
    }

    /// The refund with its order written down, its payment, and whether the order is ours to give.
    async fn prepared(&self, due: RefundPlace) -> Result<Option<(Refund, RefundOrder, Attempt, bool)>, Refusal> {
        let write = WriteRefundOrder { application: due.application, refund: due.refund };
        let (refund, give) = self.sessions.command(due.applicant, write).await?;
        if !matches!(refund.state, RefundState::Approved | RefundState::Sent) || refund.bank.is_some() {
            return Ok(None);
        }
        let Some(order) = refund.order.clone() else { return Ok(None) };
        let applicant = self.sessions.applicant(due.applicant).await?;
        let attempts = &applicant.application(due.application)?.attempts;
        let Some(payment) = attempts.iter().find(|attempt| attempt.id == refund.attempt).cloned() else {
            return Ok(None);
        };
        Ok(Some((refund, order, payment, give)))
    }

    async fn look(&self, due: RefundPlace) -> Result<(), Refusal> {
        let chase = ChaseRefund { application: due.application, refund: due.refund };
        if self.sessions.command(due.applicant, chase).await? {
            tracing::warn!(refund = %due.refund, "a refund is late");
        }
        // Somebody else's turn: it was only to be seen whether it is late.
        let Some((refund, order, payment, give)) = self.prepared(due).await? else { return Ok(()) };
        self.world.pass("refund-written").await;
        let (gateway, now) = (&self.world.outside.union_pay, self.world.clock.now());
        // Given once, right after it was written down. Whoever finds it written asks first: it may have been given by
        // somebody who died before the answer (unionpay.md §8.5).
        let answer = if give {
            gateway.refund(&order, &payment, &self.world.settings.site, now).await
        } else {
            gateway.query_refund(&order, &payment, now).await
        };
        self.world.pass("refund-given").await;
        let word = answer.unwrap_or_else(|error| {
            tracing::warn!(order = %order.order, %error, "the gateway gave no usable answer about a refund");
            RefundWord::Silence
        });
        let settle = SettleRefund { application: due.application, refund: refund.id, order: order.order.clone(), word };
        let state = self.sessions.command(due.applicant, settle).await?;
        tracing::info!(order = %order.order, state = state.code(), "refund looked at");
        self.world.pass("refund-settled").await;
        Ok(())
    }
}

impl RefundScheduler {
    /// Tells refunds that their batch was released or dissolved: that stands in the batch's row, this only follows it.
    /// Says whether any followed; one that can't doesn't hold up the others.
    async fn follow_batches(&self) -> Result<bool, Refusal> {
        let store = Arc::clone(&self.world.store);
        let behind = run(&self.world.rows, move || store.refunds_behind_their_batch(FOLLOWED_AT_ONCE)).await?;
        let mut followed = false;
        for (place, batch, released) in behind {
            let (application, refund, answer) = (place.application, place.refund, String::new());
            let step = if released { TransferStep::Released } else { TransferStep::TakenOut };
            let moved = MoveTransfer { application, refund, batch, step, answer };
            match self.sessions.command(place.applicant, moved).await {
                Ok(_) => followed = true,
                Err(refusal) => tracing::error!(%refund, %refusal, "a refund does not follow its batch"),
            }
        }
        Ok(followed)
    }
}

impl Work for RefundScheduler {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        match self.follow_batches().await {
            Ok(true) => return Step::Worked,
            Ok(false) => {}
            Err(refusal) => tracing::error!(%refusal, "refunds can't follow their batches"),
        }
        let (store, now) = (Arc::clone(&self.world.store), self.world.clock.now());
        let due = match run(&self.world.rows, move || store.due_refund(now)).await {
            Ok(Some(due)) => due,
            Ok(None) => return Step::Idle,
            Err(error) => {
                Fault::new(error);
                return Step::Idle;
            }
        };
        desk.take_up(Task::new(Queue::Refund, due.refund));
        self.world.pass("refund-due").await;
        match self.look(due).await {
            Ok(()) => Step::Worked,
            Err(refusal) => {
                tracing::error!(refund = %due.refund, %refusal, "a refund that could not be looked at");
                let store = Arc::clone(&self.world.store);
                settled(
                    run(&self.world.rows, move || store.defer_refund(due.refund, now + TimeDelta::seconds(30))).await,
                )
            }
        }
    }
}
