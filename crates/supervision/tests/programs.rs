//! Random programs of ask, crash, stop, hang, pause, renew, passivate and time, on the test clock; then what must hold
//! whatever happened.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use supervision::{
    AskError, Backoff, Child, ChildSpec, Directory, DirectorySpec, EventKind, Intensity, Message, Receive, Reply,
    Scope, Steer, System, TestClock,
};

const KEYS: u8 = 3;
const MOST: Intensity = Intensity { restarts: 2, within: Duration::from_secs(60) };
const CALM: Intensity = Intensity { restarts: 100_000, within: Duration::from_secs(60) };

/// What everybody writes down.
#[derive(Default)]
struct Book {
    opened: Mutex<Vec<u32>>,
    alive: [AtomicI64; KEYS as usize],
    most_alive: AtomicI64,
}

struct Clerk {
    key: u8,
    book: Arc<Book>,
}

impl Clerk {
    fn new(key: u8, book: &Arc<Book>) -> Self {
        let alive = book.alive.get(usize::from(key)).unwrap().fetch_add(1, Ordering::SeqCst) + 1;
        book.most_alive.fetch_max(alive, Ordering::SeqCst);
        Self { key, book: Arc::clone(book) }
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        self.book.alive.get(usize::from(self.key)).unwrap().fetch_sub(1, Ordering::SeqCst);
    }
}

impl Child for Clerk {}

#[derive(Debug, Clone, Copy)]
enum What {
    Answer,
    Crash,
    CrashInFuture,
    Wait(u8),
    Later(u8),
    Stop,
}

struct Job {
    number: u32,
    what: What,
}

impl Message for Job {
    type Answer = u32;
}

impl Receive<Job> for Clerk {
    fn receive(&mut self, job: Job, scope: &mut Scope<'_, Self>) -> Reply<Self, u32> {
        self.book.opened.lock().unwrap().push(job.number);
        let number = job.number;
        match job.what {
            What::Answer => Reply::Now(number),
            What::Crash => panic!("as the program says"),
            What::CrashInFuture => Reply::exclusive(async { panic!("as the program says") }, move |_, _, ()| number),
            What::Wait(seconds) => {
                Reply::exclusive(scope.clock().sleep(Duration::from_secs(seconds.into())), move |_, _, ()| number)
            }
            What::Later(seconds) => {
                let sleep = scope.clock().sleep(Duration::from_secs(seconds.into()));
                Reply::later(async move {
                    sleep.await;
                    number
                })
            }
            What::Stop => {
                scope.stop();
                Reply::Now(number)
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Move {
    Ask(u8, What),
    Pause(u8),
    Resume(u8),
    Drain(u8),
    Renew(u8),
    Passivate,
    Advance(u8),
    Settle,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let key = 0..KEYS;
    let what = prop_oneof![
        4 => Just(What::Answer),
        2 => Just(What::Crash),
        1 => Just(What::CrashInFuture),
        2 => (1_u8..20).prop_map(What::Wait),
        2 => (1_u8..20).prop_map(What::Later),
        1 => Just(What::Stop),
    ];
    let one = prop_oneof![
        8 => (key.clone(), what).prop_map(|(key, what)| Move::Ask(key, what)),
        1 => key.clone().prop_map(Move::Pause),
        2 => key.clone().prop_map(Move::Resume),
        1 => key.clone().prop_map(Move::Drain),
        1 => key.prop_map(Move::Renew),
        1 => Just(Move::Passivate),
        3 => (1_u8..90).prop_map(Move::Advance),
        3 => Just(Move::Settle),
    ];
    prop::collection::vec(one, 1..60)
}

async fn turns(most: u32) {
    for _ in 0..most {
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}

/// What became of an ask, by its number.
type Fates = Arc<Mutex<BTreeMap<u32, Result<u32, AskError>>>>;

async fn play(program: Vec<Move>) {
    let clock = TestClock::at(Utc.with_ymd_and_hms(2026, 11, 24, 9, 0, 0).unwrap());
    let system = System::start(clock.clone(), 2);
    let root = system.supervisor("root", CALM, None);
    let book = Arc::new(Book::default());
    root.start(ChildSpec::new("elder", || Clerk::new(0, &Arc::new(Book::default()))));
    let spec = DirectorySpec {
        name: "clerk",
        idle: Duration::from_secs(30),
        intensity: MOST,
        backoff: Backoff { first: Duration::from_secs(1), most: Duration::from_secs(8) },
        bound: 4,
        drops: CALM,
    };
    let shared = Arc::clone(&book);
    let clerks = Directory::new(spec, &root, &system, move |key: &u8| Clerk::new(*key, &shared));
    let fates = Fates::default();
    let last = AtomicU32::new(0);
    let steer = |key: u8, act: fn(&dyn Steer, &str) -> bool| {
        if let Some(child) = clerks.child(&key) {
            act(child.as_ref(), "program");
        }
    };
    for one in program {
        match one {
            Move::Ask(key, what) => {
                let number = last.fetch_add(1, Ordering::SeqCst);
                let (clerks, fates) = (clerks.clone(), Arc::clone(&fates));
                actix_rt::spawn(async move {
                    let fate = clerks.ask(&key, Job { number, what }, Duration::from_secs(100_000)).await;
                    assert!(fates.lock().unwrap().insert(number, fate).is_none());
                });
            }
            Move::Pause(key) => steer(key, |child, by| child.pause(by)),
            Move::Resume(key) => steer(key, |child, by| child.resume(by)),
            Move::Drain(key) => steer(key, |child, by| child.drain(by)),
            Move::Renew(key) => steer(key, |child, by| child.renew(by)),
            Move::Passivate => {
                clerks.passivate(10);
            }
            Move::Advance(seconds) => clock.advance(Duration::from_secs(seconds.into())),
            Move::Settle => turns(50).await,
        }
    }
    // The end: everybody goes on, time passes until every ask has its fate, then everything stops.
    let asked = usize::try_from(last.load(Ordering::SeqCst)).unwrap();
    for step in 0..10_000 {
        if fates.lock().unwrap().len() == asked {
            break;
        }
        (0..KEYS).for_each(|key| steer(key, |child, by| child.resume(by)));
        turns(30).await;
        if step > 500 {
            // A busy machine: as many steps, but later ones.
            std::thread::sleep(Duration::from_millis(5));
        }
        clock.advance(Duration::from_secs(5));
    }
    let before = clerks.residents(100);
    let end = system.shutdown(Duration::from_secs(20)).await;
    assert_eq!(end.cut_off, 0);
    check(&system, &book, &fates.lock().unwrap(), asked);
    assert!(before.iter().all(|vitals| vitals.depth() == 0), "no place stays taken");
}

fn check(system: &System, book: &Book, fates: &BTreeMap<u32, Result<u32, AskError>>, asked: usize) {
    assert_eq!(fates.len(), asked, "an ask hangs for ever");
    let opened = book.opened.lock().unwrap();
    let mut once = opened.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), opened.len(), "a letter was opened twice");
    let mut dead = 0;
    for (number, fate) in fates {
        let was_opened = once.binary_search(number).is_ok();
        match fate {
            Ok(answer) => assert!(answer == number && was_opened, "answered with what it asked"),
            // Refused at once: nothing was done.
            Err(AskError::Full | AskError::Closed) => assert!(!was_opened, "{fate:?}"),
            Err(AskError::Lost) => dead += u64::from(!was_opened),
            Err(AskError::Late) => panic!("nobody waited that long"),
        }
    }
    assert_eq!(system.dead_letters().count(), dead, "each letter is opened, refused, or recorded as dead");
    let events: Vec<_> = system.journal().newest(10_000).into_iter().rev().collect();
    if book.most_alive.load(Ordering::SeqCst) > 1 {
        panic!("one live child a key");
    }
    let mut restarts: BTreeMap<(String, u64), Vec<DateTime<Utc>>> = BTreeMap::new();
    let mut life: BTreeMap<String, u64> = BTreeMap::new();
    for event in &events {
        match event.kind {
            // Ordered, or another child under the same name: the count begins anew.
            EventKind::Stopped | EventKind::Passivated => *life.entry(event.child.clone()).or_default() += 1,
            EventKind::Restarted if event.detail == "renewed" => {
                *life.entry(event.child.clone()).or_default() += 1;
            }
            EventKind::Crashed if event.backoff_ms > 0 => {
                let life = life.get(&event.child).copied().unwrap_or(0);
                restarts.entry((event.child.clone(), life)).or_default().push(event.at);
            }
            _ => {}
        }
    }
    let span = TimeDelta::from_std(MOST.within).unwrap();
    for ((child, _), at) in restarts {
        for (first, last) in at.iter().zip(at.iter().skip(MOST.restarts)) {
            assert!(*last - *first > span, "{child} was started again more often than its intensity allows");
        }
    }
    let stopped =
        |name: &str| events.iter().rposition(|event| event.kind == EventKind::Stopped && event.child.starts_with(name));
    if let (Some(clerk), Some(elder)) = (stopped("clerk/"), stopped("elder")) {
        assert!(clerk < elder, "children stop before parents");
    }
}

#[test]
fn whatever_is_done_no_letter_is_lost_and_no_rule_is_broken() {
    let cases = std::env::var("PROGRAMS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let played = TestRunner::new(config).run(&moves(), |program| {
        let outcome = std::panic::catch_unwind(|| {
            actix_rt::System::new().block_on(play(program));
        });
        outcome.map_err(|payload| {
            let said = payload.downcast_ref::<String>().cloned();
            TestCaseError::fail(
                said.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default(),
            )
        })
    });
    std::panic::set_hook(hook);
    if let Err(error) = played {
        panic!("{error}");
    }
}
