//! The process killed at named places of the journey, as SIGKILL would; started again, the journey ends right.

mod kills;

use crate::support::client::{GOOD_CARD, Person, Visitor};
use crate::support::server::{Outside, Server, rustls_provider};
use crate::support::stubborn::Stubborn;

/// Where the process dies: before and after commits, and at every side of each reconciler's work.
const PLACES: [&str; 18] = [
    "commit#1",
    "committed#1",
    "commit#8",
    "committed#8",
    "commit#14",
    "committed#14",
    "verification-due#2",
    "upload-due#1",
    "upload-judged#1",
    "payment-due#1",
    "payment-asked#1",
    "payment-settled#1",
    "notification-arrived#1",
    "notification-kept#1",
    "notice-sent#4",
    "certificate-due#1",
    "certificate-made#1",
    "certificate-recorded#1",
];

async fn dies_at(place: &'static str) {
    let _ = rustls_provider();
    let outside = Outside::start();
    let server = Server::start_dying(&outside, place);
    let mut journey = Stubborn::new(server);
    journey.whole(&outside, &Person::sample()).await;
    assert_eq!(journey.restarts, 1, "{place} was never reached");
    assert_eq!(outside.taken(), 36_000, "{place}: paid once");
    println!("killed at {place}: the journey ended right");
}

async fn all(places: &[&'static str]) {
    for place in places {
        dies_at(place).await;
    }
}

#[actix_web::test]
async fn killed_around_commits() {
    all(&PLACES[..6]).await;
}

#[actix_web::test]
async fn killed_in_verification_and_uploads_and_payment() {
    all(&PLACES[6..12]).await;
}

#[actix_web::test]
async fn killed_in_notification_and_certificate() {
    all(&PLACES[12..]).await;
}

/// Nothing is arranged inside: somebody kills the process from outside, at instants that follow from a seed.
#[actix_web::test]
async fn killed_from_outside_again_and_again() {
    let _ = rustls_provider();
    for seed in [1, 2, 3] {
        let outside = Outside::start();
        let mut journey = Stubborn::hunted(Server::start(&outside), seed, 8);
        journey.whole(&outside, &Person::sample()).await;
        assert!(journey.restarts >= 4, "seed {seed}: killed {} times only", journey.restarts);
        assert_eq!(outside.taken(), 36_000, "seed {seed}: paid once");
        println!("seed {seed}: killed {} times from outside, and the journey ended right", journey.restarts);
    }
}

#[actix_web::test]
async fn r7_3_sigterm_finishes_and_exits_zero_and_everything_is_there_afterwards() {
    let _ = rustls_provider();
    let outside = Outside::start();
    let mut server = Server::start(&outside);
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    assert_eq!(visitor.get("/readyz").await.status, 200);
    assert_eq!(server.terminate(), Some(0));
    let server = server.restart();
    assert_eq!(visitor.get("/readyz").await.status, 200);
    visitor.pay_with(&app, GOOD_CARD).await;
    visitor.post(&format!("{app}/payment"), &[("act", "ask")]).await;
    visitor.until(&format!("{app}/payment"), "/done").await;
    drop(server);
}
