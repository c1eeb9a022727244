//! A panic put into a session actor and into each reconciler, in the middle of its work: the applicant's next click
//! works, the log shows crash and restart, nothing is lost.

use crate::support::client::Person;
use crate::support::server::{Outside, Server, rustls_provider};
use crate::support::stubborn::Stubborn;

async fn panics_at(place: &'static str, child: &str) {
    let _ = rustls_provider();
    let outside = Outside::start();
    let server = Server::start_dying(&outside, &format!("panic:{place}"));
    let mut journey = Stubborn::new(server);
    journey.whole(&outside, &Person::sample()).await;
    assert_eq!(journey.restarts, 0, "{place}: the process lives on");
    assert_eq!(outside.taken(), 36_000);
    let log = journey.server.as_ref().unwrap().log();
    let tells =
        |event: &str| log.lines().any(|line| line.contains(&format!("\"event\":\"{event}\"")) && line.contains(child));
    assert!(tells("child.crashed") && tells("child.restarted"), "{place}: the log does not tell of {child}");
    println!(
        "panic at {place}: {child} crashed, was restarted, and the journey ended right ({} fault pages)",
        journey.faults
    );
}

#[actix_web::test]
async fn a_session_actor_panics_before_its_commit() {
    panics_at("commit#6", "session/").await;
}

#[actix_web::test]
async fn a_session_actor_panics_after_its_commit() {
    panics_at("committed#9", "session/").await;
}

#[actix_web::test]
async fn each_reconciler_panics_in_the_middle_of_its_work() {
    panics_at("payment-asked#1", "payment_reconciler").await;
    panics_at("upload-judged#2", "upload_validator").await;
    panics_at("verification-due#1", "identity_verifier").await;
    panics_at("notice-claimed#3", "notification_dispatcher").await;
    panics_at("certificate-due#1", "certificate_issuer").await;
}
