//! The contract of `README.md`, line by line, on the test clock: no test sleeps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::{TimeZone, Utc};
use supervision::{
    AskError, Backoff, Child, ChildSpec, Desk, Directory, DirectorySpec, EventKind, Intensity, Mailbox, Message,
    Receive, Reconciler, Refused, Reply, Restart, Scope, State, Step, System, TestClock, Wake, Work,
};

use common::until;

#[derive(Clone)]
struct Counter {
    started: Arc<AtomicU32>,
    stopped: Arc<AtomicU32>,
    fail_at_start: Arc<AtomicU32>,
    ticks: Arc<AtomicU32>,
    gate: Arc<tokio::sync::Semaphore>,
}

impl Counter {
    fn new() -> Self {
        let zero = || Arc::new(AtomicU32::new(0));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        Self { started: zero(), stopped: zero(), fail_at_start: zero(), ticks: zero(), gate }
    }
}

impl Child for Counter {
    fn started(&mut self, _: &mut Scope<'_, Self>) {
        self.started.fetch_add(1, Ordering::SeqCst);
        if self.fail_at_start.load(Ordering::SeqCst) > 0 {
            self.fail_at_start.fetch_sub(1, Ordering::SeqCst);
            panic!("in started");
        }
    }

    fn stopping(&mut self) {
        self.stopped.fetch_add(1, Ordering::SeqCst);
    }
}

macro_rules! message {
    ($($name:ident),*) => {$(#[derive(Debug)] struct $name; impl Message for $name { type Answer = u32; })*};
}
message!(Add, PanicNow, PanicLater, PanicExclusively, PanicInFinish, PanicInTimer, Hold, Tick, End);

#[derive(Debug)]
struct Echo(u32);
impl Message for Echo {
    type Answer = u32;
}
impl Receive<Echo> for Counter {
    fn receive(&mut self, message: Echo, _: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        Reply::Now(message.0)
    }
}
impl Receive<Add> for Counter {
    fn receive(&mut self, _: Add, _: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        Reply::Now(self.ticks.fetch_add(1, Ordering::SeqCst) + 1)
    }
}
impl Receive<PanicNow> for Counter {
    fn receive(&mut self, _: PanicNow, _: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        panic!("in a handler")
    }
}
impl Receive<PanicLater> for Counter {
    fn receive(&mut self, _: PanicLater, _: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        Reply::later(async { panic!("in a future") })
    }
}
impl Receive<PanicExclusively> for Counter {
    fn receive(&mut self, _: PanicExclusively, _: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        Reply::exclusive(async { panic!("in an exclusive future") }, |_, _, ()| 0)
    }
}
impl Receive<PanicInFinish> for Counter {
    fn receive(&mut self, _: PanicInFinish, _: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        Reply::exclusive(async {}, |_, _, ()| panic!("at the end of an exclusive reply"))
    }
}
impl Receive<PanicInTimer> for Counter {
    fn receive(&mut self, _: PanicInTimer, scope: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        scope.after(Duration::from_secs(1), |_, _| panic!("in a timer"));
        Reply::Now(0)
    }
}
impl Receive<Tick> for Counter {
    fn receive(&mut self, _: Tick, scope: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        scope.every(Duration::from_secs(1), |child, _| {
            child.ticks.fetch_add(1, Ordering::SeqCst);
        });
        Reply::Now(0)
    }
}
impl Receive<Hold> for Counter {
    fn receive(&mut self, _: Hold, _: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        let gate = Arc::clone(&self.gate);
        Reply::exclusive(async move { gate.acquire().await.unwrap().forget() }, |child: &mut Self, _, ()| {
            child.ticks.fetch_add(100, Ordering::SeqCst);
            100
        })
    }
}
impl Receive<End> for Counter {
    fn receive(&mut self, _: End, scope: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        scope.stop();
        Reply::Now(0)
    }
}

const CALM: Intensity = Intensity { restarts: 1_000, within: Duration::from_secs(3_600) };

struct World {
    clock: Arc<TestClock>,
    system: System,
}

impl World {
    fn new() -> Self {
        let clock = TestClock::at(Utc.with_ymd_and_hms(2026, 11, 24, 9, 0, 0).unwrap());
        let system = System::start(clock.clone(), 2);
        Self { clock, system }
    }

    fn child(
        &self,
        counter: &Counter,
        change: impl FnOnce(ChildSpec<Counter>) -> ChildSpec<Counter>,
    ) -> Mailbox<Counter> {
        let counter = counter.clone();
        let spec = ChildSpec::new("counter", move || counter.clone()).backoff(Backoff::NONE).intensity(CALM);
        self.system.supervisor("root", CALM, None).start(change(spec))
    }

    fn saw(&self, kind: EventKind) -> usize {
        self.system.journal().newest(1_000).iter().filter(|event| event.kind == kind).count()
    }
}

#[actix_rt::test]
async fn restart_after_a_panic_in_every_place_keeps_the_address() {
    let world = World::new();
    let counter = Counter::new();
    let mailbox = world.child(&counter, |spec| spec);
    assert_eq!(mailbox.ask(PanicNow).await, Err(AskError::Lost));
    assert_eq!(mailbox.ask(PanicLater).await, Err(AskError::Lost));
    assert_eq!(mailbox.ask(PanicExclusively).await, Err(AskError::Lost));
    assert_eq!(mailbox.ask(PanicInFinish).await, Err(AskError::Lost));
    assert_eq!(mailbox.ask(PanicInTimer).await, Ok(0));
    until(|| world.clock.sleepers() == 1).await;
    world.clock.advance(Duration::from_secs(1));
    until(|| mailbox.vitals().restarts() == 5).await;
    assert_eq!(mailbox.ask(Add).await, Ok(1));
    assert_eq!(world.saw(EventKind::Crashed), 5);
    assert_eq!(world.saw(EventKind::Restarted), 5);
    assert_eq!(counter.started.load(Ordering::SeqCst), 6);
    let failure = mailbox.vitals().last_failure().unwrap();
    assert_eq!(failure.message, "in a timer");
}

#[actix_rt::test]
async fn restart_after_a_panic_in_started() {
    let world = World::new();
    let counter = Counter::new();
    counter.fail_at_start.store(3, Ordering::SeqCst);
    let mailbox = world.child(&counter, |spec| spec);
    assert_eq!(mailbox.ask(Add).await, Ok(1));
    assert_eq!(world.saw(EventKind::Crashed), 3);
}

#[actix_rt::test]
async fn ordering_letters_queued_behind_a_panic_are_answered_by_the_next_incarnation_in_order() {
    let world = World::new();
    let counter = Counter::new();
    let mailbox = world
        .child(&counter, |spec| spec.backoff(Backoff { first: Duration::from_secs(4), most: Duration::from_secs(4) }));
    let lost = mailbox.ask(PanicNow);
    let answers = async { (mailbox.ask(Add).await, mailbox.ask(Add).await) };
    let moved = async {
        until(|| mailbox.vitals().state() == State::BackingOff && world.clock.sleepers() == 1).await;
        world.clock.advance(Duration::from_secs(4));
    };
    let (lost, answers, ()) = tokio::join!(lost, answers, moved);
    assert_eq!(lost, Err(AskError::Lost));
    assert_eq!(answers, (Ok(1), Ok(2)));
}

#[actix_rt::test]
async fn back_pressure_a_full_mailbox_refuses_at_once_and_gives_the_message_back() {
    let world = World::new();
    let counter = Counter::new();
    let mailbox = world.child(&counter, |spec| spec.bound(2));
    mailbox.offer(Hold).unwrap();
    mailbox.offer(Echo(7)).unwrap();
    match mailbox.offer(Echo(8)) {
        Err(Refused::Full(Echo(content))) => assert_eq!(content, 8),
        other => panic!("expected a refusal, not {other:?}", other = other.is_ok()),
    }
    assert_eq!(mailbox.ask(Add).await, Err(AskError::Full));
    counter.gate.add_permits(1);
    until(|| mailbox.vitals().depth() == 0).await;
    assert_eq!(mailbox.ask(Echo(9)).await, Ok(9));
    assert_eq!(world.saw(EventKind::LetterRefused), 2);
}

#[actix_rt::test]
async fn delivery_a_caller_that_goes_away_cancels_nothing() {
    let world = World::new();
    let counter = Counter::new();
    let mailbox = world.child(&counter, |spec| spec);
    let mut asked = Box::pin(mailbox.ask(Hold));
    let queued = mailbox.clone();
    let mut second = Box::pin(queued.ask(Add));
    assert!(futures_util::poll!(&mut asked).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(asked);
    drop(second);
    counter.gate.add_permits(1);
    until(|| counter.ticks.load(Ordering::SeqCst) == 101).await;
}

#[actix_rt::test]
async fn delivery_an_answer_that_does_not_come_in_time_is_late_and_the_work_goes_on() {
    let world = World::new();
    let counter = Counter::new();
    let mailbox = world.child(&counter, |spec| spec);
    let late = mailbox.ask_within(Hold, Duration::from_secs(5));
    let moved = async {
        until(|| world.clock.sleepers() == 1).await;
        world.clock.advance(Duration::from_secs(5));
    };
    let (late, ()) = tokio::join!(late, moved);
    assert_eq!(late, Err(AskError::Late));
    counter.gate.add_permits(1);
    assert_eq!(mailbox.ask(Add).await, Ok(101));
}

#[actix_rt::test]
async fn exclusive_replies_keep_other_letters_waiting() {
    let world = World::new();
    let counter = Counter::new();
    let mailbox = world.child(&counter, |spec| spec);
    mailbox.offer(Hold).unwrap();
    let mut add = Box::pin(mailbox.ask(Add));
    assert!(futures_util::poll!(&mut add).is_pending());
    counter.gate.add_permits(1);
    assert_eq!(add.await, Ok(101));
}

#[actix_rt::test]
async fn scope_timers_end_with_their_incarnation() {
    let world = World::new();
    let counter = Counter::new();
    let mailbox = world.child(&counter, |spec| spec);
    mailbox.ask(Tick).await.unwrap();
    until(|| world.clock.sleepers() == 1).await;
    world.clock.advance(Duration::from_secs(1));
    until(|| counter.ticks.load(Ordering::SeqCst) == 1).await;
    assert_eq!(mailbox.ask(PanicNow).await, Err(AskError::Lost));
    assert_eq!(mailbox.ask(Echo(1)).await, Ok(1));
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(mailbox.ask(Echo(2)).await, Ok(2));
    assert_eq!(counter.ticks.load(Ordering::SeqCst), 1);
}

#[actix_rt::test]
async fn escalation_beyond_the_intensity_the_parent_renews_all_then_the_root_gives_up() {
    let world = World::new();
    let (first, second) = (Counter::new(), Counter::new());
    let twice = Intensity { restarts: 2, within: Duration::from_secs(60) };
    let root = world.system.supervisor("root", Intensity { restarts: 1, within: Duration::from_secs(60) }, None);
    let start = |name: &str, counter: &Counter| {
        let counter = counter.clone();
        root.start(ChildSpec::new(name, move || counter.clone()).intensity(twice).backoff(Backoff::NONE))
    };
    let (failing, sibling) = (start("failing", &first), start("sibling", &second));
    sibling.ask(Add).await.unwrap();
    for _ in 0..3 {
        assert_eq!(failing.ask(PanicNow).await, Err(AskError::Lost));
    }
    // The parent renewed both; the address is the same and the count of crashes starts again.
    assert_eq!(failing.ask(Echo(3)).await, Ok(3));
    until(|| second.started.load(Ordering::SeqCst) == 2).await;
    for _ in 0..3 {
        assert_eq!(failing.ask(PanicNow).await, Err(AskError::Lost));
    }
    world.system.given_up().await;
    assert_eq!(failing.vitals().state(), State::Suspended);
}

#[actix_rt::test]
async fn escalation_over_two_levels_renews_the_group_until_the_root_has_enough() {
    let world = World::new();
    let counter = Counter::new();
    let once = Intensity { restarts: 1, within: Duration::from_secs(60) };
    let root = world.system.supervisor("root", once, None);
    let group =
        world.system.supervisor("group", Intensity { restarts: 0, within: Duration::from_secs(60) }, Some(root));
    let shared = counter.clone();
    let none = Intensity { restarts: 0, within: Duration::from_secs(60) };
    let mailbox = group.start(ChildSpec::new("child", move || shared.clone()).intensity(none).backoff(Backoff::NONE));
    assert_eq!(mailbox.ask(PanicNow).await, Err(AskError::Lost));
    assert_eq!(mailbox.ask(Echo(1)).await, Ok(1));
    assert_eq!(mailbox.ask(PanicNow).await, Err(AskError::Lost));
    world.system.given_up().await;
    assert_eq!(mailbox.vitals().state(), State::Suspended);
}

#[actix_rt::test]
async fn restart_a_temporary_child_is_not_started_again_and_its_letters_are_dead() {
    let world = World::new();
    let counter = Counter::new();
    let mailbox = world.child(&counter, |spec| spec.restart(Restart::Temporary));
    mailbox.offer(Hold).unwrap();
    mailbox.offer(PanicNow).unwrap();
    let mut queued = Box::pin(mailbox.ask(Add));
    // An ask is sent when it is first polled: it must lie in the mailbox before the child goes on and ends.
    assert!(futures_util::poll!(&mut queued).is_pending());
    counter.gate.add_permits(1);
    assert_eq!(queued.await, Err(AskError::Lost));
    until(|| world.system.dead_letters().count() == 1).await;
    assert!(world.system.dead_letters().newest(1).first().unwrap().message.ends_with("Add"));
    assert_eq!(mailbox.ask(Add).await, Err(AskError::Closed));
}

#[actix_rt::test]
async fn loss_every_letter_is_answered_or_dead_never_both() {
    let world = World::new();
    let counter = Counter::new();
    let mailbox = world.child(&counter, |spec| spec.bound(1_000));
    mailbox.offer(Hold).unwrap();
    let asks: Vec<_> = (0..500).map(|_| mailbox.ask(Add)).chain([]).collect();
    let answers = futures_util::future::join_all(asks);
    let end = async {
        until(|| mailbox.vitals().depth() == 501).await;
        mailbox.offer(End).unwrap();
        counter.gate.add_permits(1);
    };
    let (answers, ()) = tokio::join!(answers, end);
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    until(|| mailbox.vitals().depth() == 0).await;
    assert_eq!(answered + usize::try_from(world.system.dead_letters().count()).unwrap(), 500);
}

fn sessions(world: &World, counter: &Counter, idle: Duration) -> Directory<u32, Counter> {
    let counter = counter.clone();
    let root = world.system.supervisor("sessions", CALM, None);
    let spec = DirectorySpec {
        name: "session",
        idle,
        intensity: Intensity { restarts: 2, within: Duration::from_secs(60) },
        backoff: Backoff::NONE,
        bound: 8,
        drops: CALM,
    };
    Directory::new(spec, &root, &world.system, move |_| counter.clone())
}

const SOON: Duration = Duration::from_secs(5);

#[actix_rt::test]
async fn passivation_idle_children_are_put_away_and_come_back() {
    let world = World::new();
    let counter = Counter::new();
    let directory = sessions(&world, &counter, Duration::from_secs(60));
    for key in 0..10 {
        directory.ask(&key, Add, SOON).await.unwrap();
    }
    assert_eq!(directory.passivate(100), 0);
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(directory.passivate(4), 4);
    assert_eq!(directory.passivate(100), 6);
    assert!(directory.is_empty());
    until(|| counter.stopped.load(Ordering::SeqCst) == 10).await;
    directory.ask(&3, Add, SOON).await.unwrap();
    assert_eq!(directory.len(), 1);
    assert_eq!(counter.started.load(Ordering::SeqCst), 11);
}

#[actix_rt::test]
async fn passivation_never_takes_a_child_that_has_a_letter() {
    let world = World::new();
    let counter = Counter::new();
    let directory = sessions(&world, &counter, Duration::from_secs(60));
    let asked = directory.ask(&1, Hold, Duration::from_secs(10_000));
    let checked = async {
        until(|| directory.residents(1).iter().any(|vitals| vitals.handled() == 1)).await;
        world.clock.advance(Duration::from_secs(3_600));
        assert_eq!(directory.passivate(10), 0);
        counter.gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(asked, checked);
    assert_eq!(answer, Ok(100));
}

#[actix_rt::test]
async fn escalation_a_child_that_keeps_failing_is_dropped_and_made_anew_for_the_next_letter() {
    let world = World::new();
    let counter = Counter::new();
    let directory = sessions(&world, &counter, Duration::from_secs(60));
    for _ in 0..3 {
        assert_eq!(directory.ask(&1, PanicNow, SOON).await, Err(AskError::Lost));
    }
    until(|| directory.residents(1).iter().all(|vitals| vitals.state() == State::Stopped)).await;
    assert_eq!(directory.ask(&1, Add, SOON).await, Ok(1));
}

#[actix_rt::test]
async fn shutdown_finishes_what_was_accepted_and_refuses_the_rest() {
    let world = World::new();
    let counter = Counter::new();
    let mailbox = world.child(&counter, |spec| spec);
    let held = mailbox.ask(Hold);
    let queued = mailbox.ask(Add);
    let end = world.system.shutdown(Duration::from_secs(30));
    let open = async {
        until(|| mailbox.vitals().depth() == 2).await;
        until(|| matches!(mailbox.offer(Add), Err(Refused::Closed(_)))).await;
        counter.gate.add_permits(1);
    };
    let (held, queued, end, ()) = tokio::join!(held, queued, end, open);
    assert_eq!(held, Ok(100));
    assert!(queued.unwrap() >= 101);
    assert_eq!(end.cut_off, 0);
    assert_eq!(counter.stopped.load(Ordering::SeqCst), 1);
}

struct Rows {
    due: Arc<AtomicU32>,
    done: Arc<AtomicU32>,
    poison: Arc<AtomicU32>,
}

impl Work for Rows {
    async fn step(self: std::rc::Rc<Self>, _: Desk) -> Step {
        if self.due.load(Ordering::SeqCst) == 0 {
            return Step::Idle;
        }
        if self.poison.load(Ordering::SeqCst) > 0 {
            self.poison.fetch_sub(1, Ordering::SeqCst);
            panic!("a row that can't be worked off");
        }
        self.due.fetch_sub(1, Ordering::SeqCst);
        self.done.fetch_add(1, Ordering::SeqCst);
        Step::Worked
    }
}

#[actix_rt::test]
async fn reconcilers_work_off_all_rows_after_one_wake_and_after_none_and_after_crashes() {
    let world = World::new();
    let (due, done, poison) = (Arc::new(AtomicU32::new(50)), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(2)));
    let shared = (due.clone(), done.clone(), poison.clone());
    let root = world.system.supervisor("reconcilers", CALM, None);
    let spec = ChildSpec::new("rows", move || {
        let (due, done, poison) = shared.clone();
        Reconciler::new(Rows { due, done, poison }, Duration::from_secs(5))
    });
    let mailbox = root.start(spec.backoff(Backoff::NONE));
    until(|| done.load(Ordering::SeqCst) == 50).await;
    assert_eq!(mailbox.vitals().restarts(), 2);
    due.store(3, Ordering::SeqCst);
    mailbox.nudge(Wake);
    until(|| done.load(Ordering::SeqCst) == 53).await;
    due.store(4, Ordering::SeqCst);
    until(|| world.clock.sleepers() >= 1).await;
    world.clock.advance(Duration::from_secs(5));
    until(|| done.load(Ordering::SeqCst) == 57).await;
}
