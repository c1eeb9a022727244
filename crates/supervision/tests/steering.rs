//! What an operator does to a running tree, and what it looks like: the lines of `README.md` about steering.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{TimeZone, Utc};
use supervision::{
    AskError, Backoff, Child, ChildSpec, Crash, Desk, Directory, DirectorySpec, EventKind, Hold, Intensity, Message,
    Receive, Reconciler, Refused, Reply, Scope, State, Steer, Step, System, TestClock, Work,
};

use common::until;

/// Counts what it is told to add, in each incarnation anew.
struct Sum(u32);

impl Child for Sum {}

#[derive(Debug)]
struct Add;
impl Message for Add {
    type Answer = u32;
    const RETRIABLE: bool = true;
}
impl Receive<Add> for Sum {
    fn receive(&mut self, _: Add, _: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        self.0 += 1;
        Reply::Now(self.0)
    }
}

#[derive(Debug)]
struct Panic;
impl Message for Panic {
    type Answer = ();
}
impl Receive<Panic> for Sum {
    fn receive(&mut self, _: Panic, scope: &mut Scope<'_, Self>) -> Reply<Self, ()> {
        scope.desk().take_up("order:17");
        panic!("as asked");
    }
}

/// Never ends by itself.
struct Hang;
impl Message for Hang {
    type Answer = ();
}
impl Receive<Hang> for Sum {
    fn receive(&mut self, _: Hang, _: &mut Scope<'_, Self>) -> Reply<Self, ()> {
        Reply::exclusive(std::future::pending::<()>(), |_, _, ()| ())
    }
}

const CALM: Intensity = Intensity { restarts: 1_000, within: Duration::from_secs(3_600) };
const SOON: Duration = Duration::from_secs(5);

fn system() -> (Arc<TestClock>, System) {
    let clock = TestClock::at(Utc.with_ymd_and_hms(2026, 11, 24, 9, 0, 0).unwrap());
    (clock.clone(), System::start(clock, 2))
}

fn kinds(system: &System) -> Vec<(EventKind, String)> {
    system.journal().newest(1_000).into_iter().rev().map(|event| (event.kind, event.by)).collect()
}

#[actix_rt::test]
async fn pause_letters_keep_in_order_until_the_child_goes_on() {
    let (_, system) = system();
    let root = system.supervisor("root", CALM, None);
    let sum = root.start(ChildSpec::new("sum", || Sum(0)).bound(3));
    let steer = root.child("sum").unwrap();
    assert!(root.child("nobody").is_none());
    assert!(steer.pause("RZ operator") && !steer.pause("RZ operator"), "paused once");
    let answers = async { tokio::join!(sum.ask(Add), sum.ask(Add), sum.ask(Add)) };
    let look = async {
        until(|| steer.vitals().depth() == 3).await;
        assert_eq!((steer.vitals().hold(), steer.vitals().handled()), (Some(Hold::Paused), 0));
        assert!(matches!(sum.offer(Add), Err(Refused::Full(_))), "the bound holds");
        assert!(steer.resume("RZ operator") && !steer.resume("RZ operator"));
    };
    let (answers, ()) = tokio::join!(answers, look);
    assert_eq!(answers, (Ok(1), Ok(2), Ok(3)));
    let by = "RZ operator".to_owned();
    let seen = kinds(&system);
    assert!(seen.contains(&(EventKind::Paused, by.clone())) && seen.contains(&(EventKind::Resumed, by)));
}

#[actix_rt::test]
async fn pause_can_be_there_from_the_start() {
    let (_, system) = system();
    let root = system.supervisor("root", CALM, None);
    let sum = root.start(ChildSpec::new("sum", || Sum(0)).held(Some(Hold::Paused)));
    let shut = root.start(ChildSpec::new("shut", || Sum(0)).held(Some(Hold::Draining)));
    assert!(matches!(shut.offer(Add), Err(Refused::Closed(_))));
    let asked = sum.ask(Add);
    let look = async {
        until(|| sum.vitals().depth() == 1 && sum.vitals().state() == State::Running).await;
        assert_eq!(sum.vitals().handled(), 0);
        assert!(sum.resume("x") && shut.resume("x"));
    };
    let (asked, ()) = tokio::join!(asked, look);
    assert_eq!((asked, shut.ask(Add).await), (Ok(1), Ok(1)));
}

#[actix_rt::test]
async fn drain_finishes_what_was_taken_and_takes_no_more() {
    let (_, system) = system();
    let root = system.supervisor("root", CALM, None);
    let sum = root.start(ChildSpec::new("sum", || Sum(0)));
    assert!(sum.pause("x"));
    let taken = sum.ask(Add);
    let rest = async {
        until(|| sum.vitals().depth() == 1).await;
        assert!(sum.drain("x"), "from a pause, too");
        assert_eq!(sum.ask(Add).await, Err(AskError::Closed));
    };
    let (taken, ()) = tokio::join!(taken, rest);
    assert_eq!(taken, Ok(1));
    assert_eq!(sum.vitals().state(), State::Running);
    // Paused after that it keeps letters again.
    assert!(sum.pause("x"));
    let kept = sum.ask(Add);
    let rest = async {
        until(|| sum.vitals().depth() == 1).await;
        assert!(sum.resume("x"));
    };
    let (kept, ()) = tokio::join!(kept, rest);
    assert_eq!(kept, Ok(2), "the same incarnation");
}

#[actix_rt::test]
async fn renew_breaks_off_what_hangs_and_answers_what_waited() {
    let (_, system) = system();
    let root = system.supervisor("root", CALM, None);
    let sum = root.start(ChildSpec::new("sum", || Sum(0)));
    sum.ask(Add).await.unwrap();
    let hangs = sum.ask(Hang);
    let waits = sum.ask(Add);
    let renew = async {
        until(|| sum.vitals().depth() == 2).await;
        assert!(sum.renew("RZ operator"));
    };
    let (hangs, waits, ()) = tokio::join!(hangs, waits, renew);
    assert_eq!((hangs, waits), (Err(AskError::Lost), Ok(1)), "a new incarnation counts anew");
    assert_eq!(sum.vitals().restarts(), 1);
    assert!(kinds(&system).contains(&(EventKind::Renewed, "RZ operator".into())));
}

#[actix_rt::test]
async fn renew_reaches_a_child_that_is_suspended_backing_off_or_paused() {
    let (_, system) = system();
    let root = system.supervisor("root", Intensity { restarts: 0, within: SOON }, None);
    let none = Intensity { restarts: 0, within: SOON };
    let suspended = root.start(ChildSpec::new("suspended", || Sum(0)).intensity(none).backoff(Backoff::NONE));
    assert_eq!(suspended.ask(Panic).await, Err(AskError::Lost));
    until(|| suspended.vitals().state() == State::Suspended).await;
    assert!(suspended.renew("x"));
    assert_eq!(suspended.ask(Add).await, Ok(1));
    let long = Backoff { first: Duration::from_secs(900), most: Duration::from_secs(900) };
    let down = root.start(ChildSpec::new("down", || Sum(0)).intensity(CALM).backoff(long));
    assert_eq!(down.ask(Panic).await, Err(AskError::Lost));
    until(|| down.vitals().state() == State::BackingOff).await;
    assert!(down.renew("x"));
    assert_eq!(down.ask(Add).await, Ok(1));
    let paused = root.start(ChildSpec::new("paused", || Sum(0)));
    assert!(paused.pause("x"));
    let kept = paused.ask(Add);
    let renewed = async {
        until(|| paused.vitals().depth() == 1).await;
        assert!(paused.renew("x"));
        until(|| paused.vitals().restarts() == 1).await;
        assert_eq!(paused.vitals().depth(), 1, "a renewed child stands still as before");
        assert!(paused.resume("x"));
    };
    let (kept, ()) = tokio::join!(kept, renewed);
    assert_eq!(kept, Ok(1));
}

#[actix_rt::test]
async fn shutdown_does_not_wait_for_a_paused_child_and_records_its_letters() {
    let (_, system) = system();
    let root = system.supervisor("root", CALM, None);
    let sum = root.start(ChildSpec::new("sum", || Sum(0)));
    assert!(sum.pause("x"));
    let asked = sum.ask(Add);
    let end = async {
        until(|| sum.vitals().depth() == 1).await;
        system.shutdown(Duration::from_secs(60)).await
    };
    let (asked, end) = tokio::join!(asked, end);
    assert_eq!((asked, end.cut_off), (Err(AskError::Lost), 0));
    assert_eq!(system.dead_letters().count(), 1);
    assert!(!sum.resume("x") && !sum.renew("x"), "nothing applies after the end");
}

#[actix_rt::test]
async fn loss_a_dead_letter_is_sent_again_or_discarded_if_its_message_allows_it() {
    let (_, system) = system();
    let root = system.supervisor("root", CALM, None);
    let first = root.start(ChildSpec::new("first", || Sum(0)).restart(supervision::Restart::Temporary));
    assert!(first.pause("x"));
    first.offer(Panic).unwrap();
    first.offer(Add).unwrap();
    first.offer(Panic).unwrap();
    until(|| first.vitals().depth() == 3).await;
    assert!(first.resume("x"));
    until(|| system.dead_letters().count() == 2).await;
    let dead = system.dead_letters().newest(10);
    let of = |name: &str| dead.iter().find(|letter| letter.message.ends_with(name)).cloned().unwrap();
    let (add, panic) = (of("Add"), of("Panic"));
    assert!(add.retriable && !panic.retriable);
    let second = root.start(ChildSpec::new("second", || Sum(0)));
    assert!(!system.dead_letters().retry(add.number, &first), "nobody is there to take it");
    assert!(!system.dead_letters().retry(panic.number, &second), "its message does not allow it");
    assert!(system.dead_letters().retry(add.number, &second) && !system.dead_letters().retry(add.number, &second));
    assert_eq!(second.ask(Add).await, Ok(2), "it was handled");
    assert!(system.dead_letters().discard(panic.number) && !system.dead_letters().discard(panic.number));
    assert_eq!((system.dead_letters().newest(10).len(), system.dead_letters().count()), (0, 2), "the count stays");
}

struct Rows {
    left: Mutex<Vec<u32>>,
    crashed: Mutex<Vec<Crash>>,
}

struct Worker(Arc<Rows>);

impl Work for Worker {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        let Some(row) = self.0.left.lock().unwrap().first().copied() else { return Step::Idle };
        desk.take_up(format_args!("row:{row}"));
        assert_ne!(row, 2, "this row is poison");
        self.0.left.lock().unwrap().retain(|known| *known != row);
        Step::Worked
    }

    async fn crashed(self: Rc<Self>, crash: Crash) {
        let mut crashed = self.0.crashed.lock().unwrap();
        crashed.push(crash);
        if crashed.len() == 3 {
            self.0.left.lock().unwrap().retain(|row| *row != 2);
        }
    }
}

#[actix_rt::test]
async fn reconcilers_the_next_incarnation_hears_of_the_row_and_can_set_it_aside() {
    let (_, system) = system();
    let root = system.supervisor("root", CALM, None);
    let rows = Arc::new(Rows { left: Mutex::new(vec![1, 2, 3]), crashed: Mutex::default() });
    let shared = Arc::clone(&rows);
    root.start(
        ChildSpec::new("rows", move || Reconciler::new(Worker(Arc::clone(&shared)), Duration::from_secs(60)))
            .backoff(Backoff::NONE),
    );
    until(|| rows.left.lock().unwrap().is_empty()).await;
    let crashed = rows.crashed.lock().unwrap();
    assert_eq!(crashed.iter().map(|crash| crash.row.as_str()).collect::<Vec<_>>(), ["row:2", "row:2", "row:2"]);
    let events = system.journal().newest(100);
    let told: Vec<_> = events.iter().filter(|event| event.kind == EventKind::Crashed).collect();
    assert!(told.len() == 3 && told.iter().all(|event| event.row == "row:2"));
    assert!(told.first().unwrap().detail.contains(&crashed.last().unwrap().failure.reference));
}

#[actix_rt::test]
async fn watching_measures_letters_and_nothing_is_measured_otherwise() {
    let (_, system) = system();
    let root = system.supervisor("root", CALM, None);
    let sum = root.start(ChildSpec::new("sum", || Sum(0)));
    sum.ask(Add).await.unwrap();
    assert_eq!((sum.vitals().handled_within(50), sum.vitals().oldest()), (None, None));
    let watch = system.watch();
    assert!(sum.pause("x"));
    let asked = sum.ask(Add);
    let look = async {
        until(|| sum.vitals().depth() == 1).await;
        assert!(sum.vitals().oldest().is_some());
        assert!(sum.resume("x"));
    };
    let (asked, ()) = tokio::join!(asked, look);
    assert_eq!(asked, Ok(2));
    assert!(sum.vitals().handled_within(99).is_some() && sum.vitals().oldest().is_none());
    drop(watch);
    assert!(!system.is_watched());
}

#[actix_rt::test]
async fn totals_are_counted_as_children_change() {
    let (clock, system) = system();
    let root = system.supervisor("sessions", CALM, None);
    let spec = DirectorySpec {
        name: "session",
        idle: Duration::from_secs(60),
        intensity: CALM,
        backoff: Backoff { first: Duration::from_secs(4), most: Duration::from_secs(4) },
        bound: 8,
        drops: CALM,
    };
    let directory = Directory::new(spec, &root, &system, |_: &u32| Sum(0));
    for key in 0..5 {
        directory.ask(&key, Add, SOON).await.unwrap();
    }
    let running = |n| directory.totals().states == [0, n, 0, 0, 0];
    assert!(running(5) && directory.apart(10).is_empty());
    assert_eq!(directory.ask(&1, Panic, SOON).await, Err(AskError::Lost));
    // The totals change before the list of those that are not running does.
    until(|| directory.totals().states == [0, 4, 1, 0, 0] && !directory.apart(10).is_empty()).await;
    assert_eq!(directory.totals().crashes, 1);
    let apart = directory.apart(10);
    assert_eq!(apart.iter().map(|vitals| vitals.name()).collect::<Vec<_>>(), ["session/1"]);
    // It may not be asleep yet: time goes on until it is back.
    until(|| {
        clock.advance(Duration::from_secs(1));
        running(5) && directory.apart(10).is_empty()
    })
    .await;
    assert!(directory.child(&2).unwrap().pause("x") && directory.child(&99).is_none());
    assert_eq!((directory.totals().held, directory.apart(10).len()), (1, 1));
    clock.advance(Duration::from_secs(120));
    directory.passivate(100);
    clock.advance(Duration::from_secs(120));
    directory.passivate(100);
    until(|| running(1)).await;
    assert_eq!(directory.len(), 1, "a paused child is not put away");
}
