//! A kiosk that hands out numbered tickets: what a child is, what a crash does, what survives it, how it ends.
//!
//! `cargo run -p supervision --example kiosk`
#![allow(clippy::print_stdout, clippy::panic)]

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use supervision::{
    AskError, Child, ChildSpec, Desk, Intensity, Message, Receive, Reconciler, Reply, Scope, Step, System, SystemClock,
    Wake, Work,
};

/// What would be rows in a database: all that has to survive is here, and is written before anybody is answered.
#[derive(Default)]
struct Rows {
    tickets: Vec<String>,
    printed: usize,
}

type Shared = Arc<Mutex<Rows>>;

fn rows(shared: &Shared) -> std::sync::MutexGuard<'_, Rows> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The child: one incarnation after another has the same address, and none has anything that the rows have not.
struct Kiosk {
    shared: Shared,
}

impl Child for Kiosk {
    fn started(&mut self, scope: &mut Scope<'_, Self>) {
        println!("kiosk: incarnation {} begins, {} tickets are there", scope.epoch(), rows(&self.shared).tickets.len());
    }
}

/// A message, and what comes back.
struct Draw(&'static str);

impl Message for Draw {
    type Answer = usize;
}

impl Receive<Draw> for Kiosk {
    fn receive(&mut self, Draw(who): Draw, _: &mut Scope<'_, Self>) -> Reply<Self, usize> {
        assert_ne!(who, "trouble", "the paper is jammed");
        let mut rows = rows(&self.shared);
        rows.tickets.push(who.to_owned());
        // Row first, answer second.
        Reply::Now(rows.tickets.len())
    }
}

/// A reconciler works off rows: the wake-up only makes it sooner.
struct Printer {
    shared: Shared,
}

impl Work for Printer {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        let mut rows = rows(&self.shared);
        let Some(who) = rows.tickets.get(rows.printed).cloned() else { return Step::Idle };
        // A crash from here on would name this row.
        desk.take_up(format_args!("ticket:{}", rows.printed + 1));
        rows.printed += 1;
        println!("printer: ticket {} for {who}", rows.printed);
        Step::Worked
    }
}

#[actix_rt::main]
async fn main() {
    // Once, first thing: panics are described by supervision and not printed.
    supervision::install_panic_hook();
    let system = System::start(Arc::new(SystemClock), 2);
    // Five failures a minute below the root are borne; one more ends the system, and the process should begin anew.
    let root = system.supervisor("root", Intensity { restarts: 5, within: Duration::from_secs(60) }, None);
    let shared = Shared::default();

    let theirs = Arc::clone(&shared);
    let printer = root.start(ChildSpec::new("printer", move || {
        Reconciler::new(Printer { shared: Arc::clone(&theirs) }, Duration::from_secs(1))
    }));
    let theirs = Arc::clone(&shared);
    let kiosk = root.start(ChildSpec::new("kiosk", move || Kiosk { shared: Arc::clone(&theirs) }));

    println!("ada has ticket {:?}", kiosk.ask(Draw("ada")).await);
    // The message that panicked is not tried again: whoever sent it is told, looks at the rows, and decides.
    assert_eq!(kiosk.ask(Draw("trouble")).await, Err(AskError::Lost));
    // The same address; the next incarnation answers, a moment later.
    println!("bob has ticket {:?}", kiosk.ask(Draw("bob")).await);
    printer.nudge(Wake);

    // An operator looks, and has a hand in it.
    if let Some(steer) = root.child("kiosk") {
        steer.pause("the operator");
        println!("the kiosk is {:?}", steer.vitals().hold());
        steer.resume("the operator");
    }
    for event in system.journal().newest(20).iter().rev() {
        println!("log: {} {} {}", event.kind.name(), event.child, event.detail);
    }
    // No new letters, then the accepted ones, then the children.
    let end = system.shutdown(Duration::from_secs(5)).await;
    println!("ended, {} cut off; {} tickets are there", end.cut_off, rows(&shared).tickets.len());
}
