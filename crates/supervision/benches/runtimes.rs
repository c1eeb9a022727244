//! What supervision costs: beside a bare actix actor, and beside ractor and kameo, on one thread and in one run.
//! `cargo bench -p supervision --features contestants`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::cast_precision_loss, missing_docs)]

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use actix::Actor as _;
use kameo::prelude::Spawn as _;
use supervision::{
    Backoff, Child, ChildSpec, Directory, DirectorySpec, Intensity, Mailbox, Message, Receive, Reply, Scope, System,
    SystemClock,
};

const ASKS: u32 = 50_000;
/// Tells before an ask that waits for them.
const TELLS: u32 = 31;
const BATCHES: u32 = 1_500;
const SPAWNS: u32 = 5_000;
const PANICS: u32 = 5_000;
const ROUNDS: u32 = 7;
const CALM: Intensity = Intensity { restarts: 100_000_000, within: Duration::from_secs(3_600) };

/// Ours.
struct Counter(u64);
impl Child for Counter {}
struct Add;
impl Message for Add {
    type Answer = u64;
}
impl Receive<Add> for Counter {
    fn receive(&mut self, _: Add, _: &mut Scope<'_, Self>) -> Reply<Self, u64> {
        self.0 += 1;
        Reply::Now(self.0)
    }
}
struct Panic;
impl Message for Panic {
    type Answer = ();
}
impl Receive<Panic> for Counter {
    fn receive(&mut self, _: Panic, _: &mut Scope<'_, Self>) -> Reply<Self, ()> {
        panic!("as asked")
    }
}

/// A bare actix actor.
struct Bare(u64);
impl actix::Actor for Bare {
    type Context = actix::Context<Self>;
}
struct BareAdd;
impl actix::Message for BareAdd {
    type Result = u64;
}
impl actix::Handler<BareAdd> for Bare {
    type Result = u64;
    fn handle(&mut self, _: BareAdd, _: &mut Self::Context) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// ractor's.
struct Ractor;
enum RactorMessage {
    Add(ractor::RpcReplyPort<u64>),
    Tell,
}
impl ractor::Actor for Ractor {
    type Msg = RactorMessage;
    type State = u64;
    type Arguments = ();
    async fn pre_start(&self, _: ractor::ActorRef<Self::Msg>, (): ()) -> Result<u64, ractor::ActorProcessingErr> {
        Ok(0)
    }
    async fn handle(
        &self,
        _: ractor::ActorRef<Self::Msg>,
        message: Self::Msg,
        count: &mut u64,
    ) -> Result<(), ractor::ActorProcessingErr> {
        *count += 1;
        if let RactorMessage::Add(port) = message {
            port.send(*count)?;
        }
        Ok(())
    }
}

/// kameo's.
#[derive(kameo::Actor)]
struct Kameo(u64);
struct KameoAdd;
impl kameo::message::Message<KameoAdd> for Kameo {
    type Reply = u64;
    async fn handle(&mut self, _: KameoAdd, _: &mut kameo::message::Context<Self, u64>) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// The quickest of several rounds, in seconds, of each contestant in turn.
struct Best([f64; 4]);

impl Best {
    fn new() -> Self {
        Self([f64::MAX; 4])
    }

    fn note(&mut self, contestant: usize, begun: Instant) {
        if let Some(best) = self.0.get_mut(contestant) {
            *best = best.min(begun.elapsed().as_secs_f64());
        }
    }

    fn rows(&self, what: &str, wanted: &str) {
        let [ours, bare, ractor, kameo] = self.0;
        println!("| {what}: slot ÷ bare actix (time) | {:.2} | {wanted} |", ours / bare);
        println!("| {what}: slot ÷ ractor (time) | {:.2} | |", ours / ractor);
        println!("| {what}: slot ÷ kameo (time) | {:.2} | |", ours / kameo);
    }
}

async fn asks(mailbox: &Mailbox<Counter>) -> Best {
    let mut best = Best::new();
    let bare = Bare(0).start();
    let (ractor, _) = ractor::Actor::spawn(None, Ractor, ()).await.unwrap();
    let kameo = Kameo::spawn(Kameo(0));
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..ASKS {
            mailbox.ask(Add).await.unwrap();
        }
        best.note(0, begun);
        let begun = Instant::now();
        for _ in 0..ASKS {
            bare.send(BareAdd).await.unwrap();
        }
        best.note(1, begun);
        let begun = Instant::now();
        for _ in 0..ASKS {
            ractor.call(RactorMessage::Add, None).await.unwrap().unwrap();
        }
        best.note(2, begun);
        let begun = Instant::now();
        for _ in 0..ASKS {
            kameo.ask(KameoAdd).await.unwrap();
        }
        best.note(3, begun);
    }
    best
}

/// Asks while somebody watches, beside asks while nobody does.
async fn watched(mailbox: &Mailbox<Counter>, system: &System) -> f64 {
    let (mut with, mut without) = (f64::MAX, f64::MAX);
    for _ in 0..ROUNDS {
        for looked_at in [false, true] {
            let watch = looked_at.then(|| system.watch());
            let begun = Instant::now();
            for _ in 0..ASKS {
                mailbox.ask(Add).await.unwrap();
            }
            let best = if watch.is_some() { &mut with } else { &mut without };
            *best = best.min(begun.elapsed().as_secs_f64());
        }
    }
    with / without
}

/// Batches of tells, each ended by an ask that comes after them.
async fn tells(mailbox: &Mailbox<Counter>) -> Best {
    let mut best = Best::new();
    let bare = Bare(0).start();
    let (ractor, _) = ractor::Actor::spawn(None, Ractor, ()).await.unwrap();
    let kameo = Kameo::spawn(Kameo(0));
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..BATCHES {
            for _ in 0..TELLS {
                mailbox.offer(Add).map_err(|_| ()).unwrap();
            }
            mailbox.ask(Add).await.unwrap();
        }
        best.note(0, begun);
        let begun = Instant::now();
        for _ in 0..BATCHES {
            for _ in 0..TELLS {
                bare.do_send(BareAdd);
            }
            bare.send(BareAdd).await.unwrap();
        }
        best.note(1, begun);
        let begun = Instant::now();
        for _ in 0..BATCHES {
            for _ in 0..TELLS {
                ractor.cast(RactorMessage::Tell).map_err(|_| ()).unwrap();
            }
            ractor.call(RactorMessage::Add, None).await.unwrap().unwrap();
        }
        best.note(2, begun);
        let begun = Instant::now();
        for _ in 0..BATCHES {
            for _ in 0..TELLS {
                kameo.tell(KameoAdd).await.unwrap();
            }
            kameo.ask(KameoAdd).await.unwrap();
        }
        best.note(3, begun);
    }
    best
}

/// An actor made, asked once, and dropped.
async fn spawns(directory: &Directory<u64, Counter>) -> Best {
    let mut best = Best::new();
    let mut key = 0;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..SPAWNS {
            // The directory has one arbiter, on which this runs, too.
            key += 1;
            directory.ask(&key, Add, Duration::from_secs(5)).await.unwrap();
        }
        best.note(0, begun);
        let begun = Instant::now();
        for _ in 0..SPAWNS {
            Bare(0).start().send(BareAdd).await.unwrap();
        }
        best.note(1, begun);
        let begun = Instant::now();
        for _ in 0..SPAWNS {
            let (actor, _) = ractor::Actor::spawn(None, Ractor, ()).await.unwrap();
            actor.call(RactorMessage::Add, None).await.unwrap().unwrap();
            actor.stop(None);
        }
        best.note(2, begun);
        let begun = Instant::now();
        for _ in 0..SPAWNS {
            Kameo::spawn(Kameo(0)).ask(KameoAdd).await.unwrap();
        }
        best.note(3, begun);
    }
    best
}

/// Microseconds from a panic until the next incarnation has answered.
async fn restarts(mailbox: &Mailbox<Counter>) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..PANICS {
            mailbox.ask(Panic).await.unwrap_err();
            mailbox.ask(Add).await.unwrap();
        }
        best = best.min(begun.elapsed().as_secs_f64());
    }
    best / f64::from(PANICS) * 1e6
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4_096.0
}

fn directory(system: &System, name: &'static str) -> Directory<u64, Counter> {
    let root = system.supervisor(name, CALM, None);
    let spec = DirectorySpec {
        name,
        idle: Duration::from_secs(600),
        intensity: CALM,
        backoff: Backoff::NONE,
        bound: 32,
        drops: CALM,
    };
    Directory::new(spec, &root, system, |_| Counter(0))
}

/// Bytes a child, so many idle ones resident, and the time that their totals take in microseconds.
fn residents(many: u64) -> (f64, f64) {
    let system = System::start(Arc::new(SystemClock), 2);
    let directory = directory(&system, "resident");
    let before = resident_bytes();
    for key in 0..many {
        directory.touch(&key);
    }
    let all = |totals: supervision::Totals| totals.states.get(1).copied() == Some(many);
    while !all(directory.totals()) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let bytes = (resident_bytes() - before) / many as f64;
    let begun = Instant::now();
    assert!(all(directory.totals()) && directory.apart(50).is_empty());
    (bytes, begun.elapsed().as_secs_f64() * 1e6)
}

fn main() {
    supervision::install_panic_hook();
    actix_rt::System::new().block_on(async {
        let system = System::start(Arc::new(SystemClock), 1);
        let root = system.supervisor("root", CALM, None);
        let spec = ChildSpec::new("counter", || Counter(0)).backoff(Backoff::NONE).intensity(CALM);
        let mailbox = root.start(spec);
        let children = directory(&system, "child");
        let (send, receive) = mpsc::channel();
        let theirs = system.clone();
        // Everything runs on the one arbiter on which our children live.
        mailbox.on_its_arbiter(move |mailbox| async move {
            let ask = asks(&mailbox).await;
            let tell = tells(&mailbox).await;
            let watch = watched(&mailbox, &theirs).await;
            let spawn = spawns(&children).await;
            let restart = restarts(&mailbox).await;
            send.send((ask, tell, watch, spawn, restart)).unwrap();
        });
        let (ask, tell, watch, spawn, restart) = receive.recv().unwrap();
        println!("| measure | this run | wanted |");
        println!("|---|---|---|");
        ask.rows("ask", "≤ 1.15");
        println!("| ask: while somebody watches ÷ while nobody does (time) | {watch:.2} | |");
        tell.rows("tell", "");
        spawn.rows("spawn", "");
        println!("| restart after a panic, without back-off, until the next answer | {restart:.1} µs | ≤ 50 µs |");
        let (bytes, _) = residents(100_000);
        println!("| memory of an idle child, 100,000 resident | {bytes:.0} B | ≤ 1,536 B |");
        let (bytes, totals) = residents(1_000_000);
        println!("| memory of one million resident children | {:.2} GiB | ≤ 2 GiB |", bytes * 1e6 / f64::from(1 << 30));
        println!("| totals of one million resident children | {totals:.1} µs | |");
    });
    std::process::exit(0);
}
