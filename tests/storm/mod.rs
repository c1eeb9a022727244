//! The storm: random sequences of everything that can happen to money, against the real actors, store and gateway
//! client, with the sandbox at the other side and a clock that jumps. See the README beside this file.

mod world;

use chrono::TimeDelta;
use domain::Rejection;
use domain::application::Application;
use domain::calendar;
use domain::case::Outcome;
use domain::casework::{CaseAct, WithdrawApplication, WorkCase};
use domain::decision::{Decide, OfficerAct, Seen};
use domain::ids::{ApplicantId, ApplicationId, StaffId};
use domain::money::FEE;
use domain::payment::AttemptState;
use domain::refund::{
    AskRefund, BankInput, Cause, FinanceAct, HandleRefund, MoveTransfer, Refund, RefundState, TransferStep,
};
use domain::review::{AskReview, BeginReview, DecideReview, ReviewAct, WriteReview};
use domain::settlement::{AskGatewayNow, OpenAttempt};
use domain::staff::{Officer, Role};
use domain::supplement::{AskSupplement, HandleSupplement, SupplementAct};
use sandbox::{OrderState, RefundPlay};

use world::{Dice, World};

/// Sequences of one world: its clock must not outlive its certificates.
const SEQUENCES_OF_WORLD: u64 = 40;
/// Sequences that `tests/run` plays.
const SEQUENCES: u64 = 2_000;
/// Cards of the cashier: success four times as often as each other way.
const CARDS: [&str; 11] = [
    "6216261000000000018",
    "6216261000000000018",
    "6216261000000000018",
    "6216261000000000018",
    "6216261000000000026",
    "6216261000000000042",
    "6216261000000000059",
    "6216261000000000067",
    "6216261000000000075",
    "6216261000000000083",
    "6216261000000000091",
];
/// Where an incarnation is made to panic.
const PLACES: [&str; 9] = [
    "commit",
    "committed",
    "payment-due",
    "payment-asked",
    "payment-settled",
    "refund-due",
    "refund-written",
    "refund-given",
    "refund-settled",
];

struct Player<'a> {
    world: &'a mut World,
    dice: Dice,
    applicant: ApplicantId,
    application: ApplicationId,
    /// What was done, for whoever has to read a failure.
    log: Vec<String>,
}

fn officer(role: Role) -> Officer {
    Officer { id: StaffId::fresh(), name: "官员".into(), roles: vec![role] }
}

impl Player<'_> {
    async fn state(&self) -> Application {
        // A look that meets a crash is looked again.
        for _ in 0..50 {
            if let Ok(applicant) = self.world.tree.applicant(self.applicant).await {
                return Application::clone(applicant.application(self.application).unwrap());
            }
        }
        panic!("the applicant can't be looked at");
    }

    async fn decide(&mut self, role: Role, act: OfficerAct) {
        let seen = Seen::of(&self.state().await);
        let command = Decide { application: self.application, officer: officer(role), act, seen };
        let _ = self.world.tree.command(self.applicant, command).await;
        self.world.tree.world.wake.refunds();
    }

    async fn finance(&mut self, refund: &Refund) {
        let act = match refund.state {
            RefundState::Asked if self.dice.one_in(8) => FinanceAct::Refuse("不符合规定".into()),
            RefundState::Asked | RefundState::Parked => FinanceAct::Check,
            _ => FinanceAct::Approve,
        };
        let (application, seen) = (self.application, refund.state);
        let officer = officer(Role::Finance);
        let command = HandleRefund { application, refund: refund.id, officer, act, seen };
        let _ = self.world.tree.command(self.applicant, command).await;
        self.world.tree.world.wake.refunds();
    }

    /// The way of a refund by bank transfer: into a batch, released, paid out or sent back; each said twice at times.
    async fn transfer(&mut self, refund: &Refund) {
        let batch = match refund.batch {
            Some(batch) => batch,
            None => self.world.store.make_batch(StaffId::fresh(), refund.asked_at).unwrap(),
        };
        let end = if self.dice.one_in(5) { TransferStep::SentBack } else { TransferStep::PaidOut };
        // Some batches are dissolved, and what was in them waits for the next.
        let steps = if self.dice.one_in(4) {
            vec![TransferStep::Put, TransferStep::TakenOut, TransferStep::TakenOut]
        } else {
            vec![TransferStep::Put, TransferStep::Released, TransferStep::Released, end, end, TransferStep::PaidOut]
        };
        for step in steps {
            let (application, refund, answer) = (self.application, refund.id, "stormy".to_owned());
            let moved = MoveTransfer { application, refund, batch, step, answer };
            let _ = self.world.tree.command(self.applicant, moved).await;
        }
    }

    async fn ask_refund(&mut self) -> Result<(), Rejection> {
        let bank =
            BankInput {
                card: "6216261000000000018".into(), bank: "样例银行".into(), branch: "102100099996".into()
            };
        let command = AskRefund {
            application: self.application,
            reason: "other".into(),
            words: String::new(),
            bank: Some(bank),
            understood: true,
        };
        match self.world.tree.command(self.applicant, command).await {
            Err(actors::Refusal::Rejected(rejection)) => Err(rejection),
            _ => Ok(()),
        }
    }

    /// One thing that somebody does, or that happens.
    async fn step(&mut self) {
        let tree = std::sync::Arc::clone(&self.world.tree);
        let (applicant, application) = (self.applicant, self.application);
        match self.dice.below(26) {
            0..=4 => {
                let card = CARDS[self.dice.below(CARDS.len())];
                self.log.push(format!("pay {}", &card[17..]));
                if let Ok(attempt) = tree.command(applicant, OpenAttempt { application }).await {
                    // Some linger at the cashier until it is too late.
                    if self.dice.one_in(8) {
                        self.world.pass(TimeDelta::minutes(self.dice.below(30) as i64));
                    }
                    self.world.pay(&attempt, card).await;
                }
            }
            5 => {
                self.log.push("abandon".into());
                let _ = tree.command(applicant, OpenAttempt { application }).await;
            }
            6 => {
                self.log.push("支付成功".into());
                let _ = tree.command(applicant, AskGatewayNow { application }).await;
                tree.world.wake.payments();
            }
            7 => {
                self.log.push("a forged notification, and a return that proves nothing".into());
                if let Some(attempt) = self.state().await.attempts.last() {
                    self.world.forge(&attempt.order, &attempt.txn_time).await;
                }
            }
            8 => {
                let off = self.dice.one_in(2);
                self.log.push(format!("notifications {}", if off { "lost" } else { "sent" }));
                self.world.state.change(|book| book.notifications_off = off);
            }
            9..=10 => {
                let minutes = [1, 3, 11, 16, 61, 60 * 24, 60 * 24 * 30, 60 * 24 * 365][self.dice.below(8)];
                self.log.push(format!("{minutes} minutes pass"));
                self.world.pass(TimeDelta::minutes(minutes));
                self.world.wake();
            }
            11 => {
                let play = [
                    RefundPlay::Success,
                    RefundPlay::Failure,
                    RefundPlay::Never,
                    RefundPlay::Refused,
                    RefundPlay::Lost,
                ];
                let play = play[self.dice.below(play.len())];
                self.log.push(format!("refunds will be {play:?}"));
                self.world.state.change(|book| book.refund_play = play);
            }
            12..=13 => {
                self.log.push("ask for a refund".into());
                let _ = self.ask_refund().await;
            }
            14 => {
                self.log.push("finance".into());
                let open = self.state().await.refunds;
                let waits = |refund: &&Refund| {
                    matches!(refund.state, RefundState::Asked | RefundState::Checked | RefundState::Parked)
                };
                if let Some(refund) = open.iter().find(waits) {
                    self.finance(refund).await;
                }
            }
            15 => {
                self.log.push("accept or not".into());
                let act = if self.dice.one_in(2) {
                    OfficerAct::Accept { second: false }
                } else {
                    OfficerAct::NotAccept { reason: "outside-scope".into(), note: String::new() }
                };
                self.decide(Role::Intake, act).await;
            }
            16 => {
                self.log.push("decide".into());
                let outcome = Outcome::ALL[self.dice.below(3)];
                let reason = if self.dice.one_in(3) { "false-material" } else { "not-recognised" };
                let reason = Some(reason.to_owned());
                self.decide(Role::Evaluator, OfficerAct::Propose { outcome, reason, note: String::new() }).await;
                self.decide(Role::Approver, OfficerAct::Approve).await;
            }
            17 => {
                let place = PLACES[self.dice.below(PLACES.len())];
                let nth = 1 + self.dice.below(3);
                self.log.push(format!("panic at {place}#{nth}"));
                self.world.break_at(Some(&format!("panic:{place}#{nth}")));
            }
            19 => {
                self.log.push("withdraw".into());
                let _ = tree.command(applicant, WithdrawApplication { application }).await;
            }
            20 => {
                self.log.push("ask for further materials".into());
                let seen = Seen::of(&self.state().await);
                let command = AskSupplement {
                    application,
                    officer: officer(Role::Intake),
                    slots: vec!["transcript".into()],
                    reason: "missing".into(),
                    note: "请补成绩单".into(),
                    until: Some(calendar::today(tree.now()) + chrono::Days::new(20)),
                    seen,
                };
                let _ = tree.command(applicant, command).await;
            }
            21 => {
                let act = match self.dice.below(3) {
                    0 => SupplementAct::Arrived("窗口".into()),
                    1 => SupplementAct::GoOn("不再等待".into()),
                    _ => SupplementAct::Extend(Some(calendar::today(tree.now()) + chrono::Days::new(30))),
                };
                self.log.push(format!("{act:?}"));
                let (seen, officer) = (Seen::of(&self.state().await), officer(Role::Intake));
                let _ = tree.command(applicant, HandleSupplement { application, officer, act, seen }).await;
            }
            22 => {
                self.log.push("hold, or go on".into());
                let act = if self.state().await.casework.hold().is_some() {
                    CaseAct::Resume
                } else {
                    let until = Some(calendar::today(tree.now()) + chrono::Days::new(3));
                    CaseAct::Hold { reason: "other".into(), until }
                };
                let (seen, officer) = (Seen::of(&self.state().await), officer(Role::Intake));
                let _ = tree.command(applicant, WorkCase { application, officer, act, seen }).await;
            }
            23 => {
                self.log.push("ask for a review".into());
                let _ = tree.command(applicant, BeginReview { application }).await;
                let (reason, words) = ("other".to_owned(), "请复核".to_owned());
                let _ = tree.command(applicant, WriteReview { application, reason, words, later: false }).await;
                let _ = tree.command(applicant, AskReview { application, understood: true }).await;
            }
            24 => {
                let note = "复核".to_owned();
                let revised = [None, Some(Outcome::Certificate), Some(Outcome::Refusal)][self.dice.below(3)];
                self.log.push(format!("review: {revised:?}"));
                let reason = Some(if self.dice.one_in(2) { "false-material" } else { "not-recognised" }.to_owned());
                let propose = match revised {
                    None => ReviewAct::Uphold { note },
                    outcome => ReviewAct::Revise { outcome, reason, note },
                };
                for (role, act) in [(Role::Evaluator, propose), (Role::Approver, ReviewAct::Approve)] {
                    let (seen, officer) = (Seen::of(&self.state().await), officer(role));
                    let _ = tree.command(applicant, DecideReview { application, officer, act, seen }).await;
                }
            }
            18 if self.dice.one_in(4) => {
                self.log.push("the process ends and is started again".into());
                self.world.restart().await;
            }
            _ => {
                self.log.push("a moment passes".into());
                self.world.pass(TimeDelta::seconds(30));
                self.world.wake();
                self.world.settle().await;
            }
        }
    }

    /// Nobody does anything new; finance works off its queue, and time passes.
    async fn calm_down(&mut self) -> Result<(), String> {
        self.world.break_at(None);
        self.world.state.change(|book| {
            book.notifications_off = false;
            book.refund_play = RefundPlay::Success;
            // What was never heard of is heard of late.
            for refund in book.refunds.values_mut().filter(|refund| refund.play == RefundPlay::Never) {
                refund.play = RefundPlay::Success;
            }
        });
        for round in 0..40 {
            self.world.pass(TimeDelta::minutes(if round < 16 { 9 } else { 400 }));
            self.world.wake();
            self.world.settle().await;
            let state = self.state().await;
            for refund in &state.refunds {
                if matches!(refund.state, RefundState::Asked | RefundState::Checked | RefundState::Parked) {
                    self.finance(refund).await;
                }
            }
            for refund in state.refunds.iter().filter(|refund| refund.bank.is_some()) {
                self.transfer(refund).await;
            }
            let open = state.attempts.iter().any(|attempt| attempt.state == AttemptState::Open);
            let going = state.refunds.iter().any(|refund| match refund.state {
                RefundState::Asked | RefundState::Checked | RefundState::Sent | RefundState::Parked => true,
                RefundState::Approved => true,
                RefundState::Arrived | RefundState::SentBack | RefundState::Refused => false,
            });
            let asked = state.attempts.iter().any(|attempt| attempt.query_at.is_some());
            if !open && !going && !asked {
                return Ok(());
            }
        }
        Err(format!("something is left pending: {:#?}", self.state().await))
    }

    /// What must hold whatever happened.
    async fn check(&self) -> Result<(), String> {
        let state = self.state().await;
        let mut paid = 0;
        let mut net = 0;
        for attempt in &state.attempts {
            let order = self
                .world
                .state
                .read(|book| book.orders.get(&format!("{}|{}", attempt.order, attempt.txn_time)).cloned());
            let taken = order.as_ref().filter(|order| matches!(order.state, OrderState::Paid(_)));
            let amount = taken.map_or(0, |order| {
                let asked = &order.request["txnAmt"];
                order.amount.as_ref().unwrap_or(asked).parse::<i64>().unwrap()
            });
            match attempt.state {
                AttemptState::Paid | AttemptState::Surplus if amount != FEE.0 => {
                    return Err(format!("{} is believed to be paid, and the gateway took {amount}", attempt.order));
                }
                AttemptState::Failed | AttemptState::Open if amount != 0 => {
                    return Err(format!("the gateway took {amount} for {}, and nobody here knows", attempt.order));
                }
                _ => {}
            }
            paid += i32::from(attempt.state == AttemptState::Paid);
            if attempt.state == AttemptState::Parked {
                // An open discrepancy: an operator's.
                continue;
            }
            net += amount;
            let original = attempt.query_id.clone().unwrap_or_default();
            let back: Vec<i64> = self.world.state.read(|book| {
                let of_it = book.refunds.values().filter(|refund| refund.original == original && !original.is_empty());
                let moved = of_it.filter(|refund| refund.play != RefundPlay::Failure);
                moved.map(|refund| refund.request["txnAmt"].parse().unwrap()).collect()
            });
            if back.len() > 1 {
                return Err(format!("{} was given back {} times", attempt.order, back.len()));
            }
            net -= back.iter().sum::<i64>();
        }
        // A review and a refund never stand side by side, and a review never follows one (R5.2).
        if state.casework.review().is_some()
            && state.refunds.iter().any(|refund| refund.cause == Cause::Asked && refund.is_open())
        {
            return Err("a review and a refund are open at once".into());
        }
        if paid > 1 {
            return Err("the application is paid twice".into());
        }
        let owed: i64 = state
            .refunds
            .iter()
            .filter(|refund| !matches!(refund.state, RefundState::Arrived | RefundState::Refused))
            .map(|refund| refund.amount.0)
            .sum();
        // What our own bank paid out did not pass the gateway.
        let arrived = state.refunds.iter().filter(|refund| refund.state == RefundState::Arrived);
        let paid_out: i64 = arrived.filter(|refund| refund.bank.is_some()).map(|refund| refund.amount.0).sum();
        let kept = net - paid_out - owed;
        if kept != 0 && kept != FEE.0 {
            return Err(format!("net {net}, of which {owed} is owed"));
        }
        let movements = self.world.store.movements(self.application).unwrap();
        let balance = |account: &str| -> i64 {
            movements
                .iter()
                .map(|row| {
                    if row.to == account {
                        row.amount.0
                    } else if row.from == account {
                        -row.amount.0
                    } else {
                        0
                    }
                })
                .sum()
        };
        let (gateway, bank) = (balance("gateway"), balance("bank"));
        let (fees, give) = (balance("fees"), balance("to_give_back"));
        if gateway + bank + fees + give != 0 || -gateway != net || bank != paid_out || fees != kept || give != owed {
            return Err(format!(
                "the ledger says {gateway}, {bank}, {fees}, {give}; net {net}, paid out {paid_out}, owed {owed}"
            ));
        }
        Ok(())
    }
}

/// Plays the sequence of one seed.
async fn play(world: &mut World, seed: u64) -> Result<(), String> {
    let (applicant, application) = world.submitted();
    let mut player = Player { world, dice: Dice::new(seed), applicant, application, log: Vec::new() };
    let steps = 3 + player.dice.below(12);
    for _ in 0..steps {
        player.step().await;
    }
    let calm = player.calm_down().await;
    let checked = match calm {
        Ok(()) => player.check().await,
        Err(error) => Err(error),
    };
    checked.map_err(|error| format!("seed {seed}: {error}\nwhat was done: {}", player.log.join("; ")))
}

/// Plays the seeds from `first` on, in worlds of their own.
async fn lane(first: u64, count: u64) -> Result<(), String> {
    let mut done = 0;
    while done < count {
        let mut world = World::start().await;
        for seed in first + done..first + count.min(done + SEQUENCES_OF_WORLD) {
            play(&mut world, seed).await?;
        }
        done += SEQUENCES_OF_WORLD;
        world.end().await;
    }
    Ok(())
}

#[test]
fn r2_10_r5_5_the_storm() {
    let _ = crate::support::server::rustls_provider();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    // `STORM_SEED=17 STORM=1` plays one sequence again; `STORM=1000000` plays a million.
    let first = number("STORM_SEED").unwrap_or(1);
    let count = number("STORM").unwrap_or(SEQUENCES);
    let lanes = count.min(3);
    let share = count.div_ceil(lanes.max(1));
    let begun = std::time::Instant::now();
    // Each lane on a thread of its own.
    let lanes = (0..lanes).map(|nth| {
        let (first, count) = (first + nth * share, share.min(count - (nth * share).min(count)));
        std::thread::spawn(move || actix_web::rt::System::new().block_on(lane(first, count)))
    });
    for played in lanes.collect::<Vec<_>>() {
        if let Err(error) = played.join().unwrap() {
            panic!("{error}\nplay it again with STORM_SEED=… STORM=1");
        }
    }
    println!("{count} sequences from seed {first} on, in {:.0} s", begun.elapsed().as_secs_f64());
}
