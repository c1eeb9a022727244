//! Asks the gateway about every attempt whose question is due, whether a notification came or not (unionpay.md §8).

use std::rc::Rc;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::payment::{AttemptState, GatewayAnswer};
use domain::settlement::SettleAttempt;
use gateways::GatewayError;
use store::{Queue, Task};
use supervision::{Desk, Step, Work};

use crate::blocking::run;
use crate::session::{Fault, settled};
use crate::tree::{Asks, World};

/// The work of the payment reconciler.
pub(crate) struct PaymentReconciler {
    world: Arc<World>,
    sessions: Asks,
}

impl PaymentReconciler {
    pub(crate) fn new(world: Arc<World>, sessions: Asks) -> Self {
        Self { world, sessions }
    }
}

impl Work for PaymentReconciler {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        let (store, now) = (Arc::clone(&self.world.store), self.world.clock.now());
        let due = match run(&self.world.rows, move || store.due_attempt(now)).await {
            Ok(Some(due)) => due,
            Ok(None) => return Step::Idle,
            Err(error) => {
                Fault::new(error);
                return Step::Idle;
            }
        };
        desk.take_up(Task::new(Queue::Payment, due.attempt.id));
        self.world.pass("payment-due").await;
        let answer: Option<GatewayAnswer> = match self.world.outside.union_pay.query(&due.attempt, now).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                // Unknown stays unknown: the schedule asks again.
                let level = matches!(error, GatewayError::Untrusted(_));
                tracing::warn!(order = %due.attempt.order, %error, untrusted = level, "the gateway gave no usable answer");
                None
            }
        };
        self.world.pass("payment-asked").await;
        let command = SettleAttempt { application: due.application, attempt: due.attempt.id, asked_at: now, answer };
        match self.sessions.command(due.applicant, command).await {
            Ok(state) => {
                tracing::info!(order = %due.attempt.order, state = state.code(), "payment looked at");
                if state == AttemptState::Surplus {
                    self.world.wake.refunds();
                }
                self.world.pass("payment-settled").await;
                let store = Arc::clone(&self.world.store);
                let followed = run(&self.world.rows, move || store.notification_followed(due.attempt.id, due.notified));
                settled(followed.await)
            }
            Err(refusal) => {
                tracing::error!(order = %due.attempt.order, %refusal, "an attempt whose applicant can't be reached");
                let store = Arc::clone(&self.world.store);
                settled(run(&self.world.rows, move || store.defer_attempt(&due, now + TimeDelta::seconds(5))).await)
            }
        }
    }
}
