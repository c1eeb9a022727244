//! A panic put into a session actor and into each reconciler, in the middle of its work: the applicant's next click
//! works, the log shows crash and restart, nothing is lost.

use chrono::TimeDelta;

use crate::support::client::{Person, Visitor};
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

/// The same for what works on later days: refunds, the clearing file, deadlines.
#[actix_web::test]
async fn the_reconcilers_of_later_days_panic_in_the_middle_of_their_work() {
    let _ = rustls_provider();
    for (place, child) in
        [("refund-given#1", "refund_scheduler"), ("clearing-fetched#1", "clearing_clerk"), ("case-due#1", "case_clerk")]
    {
        let outside = Outside::start();
        let server = Server::start_dying(&outside, &format!("panic:{place}"));
        let mut visitor = Visitor::new(&server.site);
        let app = visitor.paid(&outside).await;
        let case = app.replace("/apply/", "/staff/case/");
        let mut intake = Visitor::new(&server.site);
        intake.staff_at("intake", outside.now()).await;
        let until = (outside.now().date_naive() + chrono::Days::new(2)).to_string();
        let hold = [("act", "hold"), ("hold_reason", "other"), ("hold_until", until.as_str())];
        assert_eq!(intake.act(&case, &hold).await.status, 303, "{place}");
        outside.pass(&server, TimeDelta::days(3)).await;
        outside.until(&Person::sample().phone, "已恢复处理").await;
        let mut intake = Visitor::new(&server.site);
        intake.staff_at("intake", outside.now()).await;
        let not = [("act", "not-accept"), ("reason", "outside-scope"), ("note", "")];
        assert_eq!(intake.act(&case, &not).await.status, 303, "{place}");
        outside.until(&Person::sample().phone, "退费已完成").await;
        let back: i64 = outside
            .state
            .read(|book| book.refunds.values().map(|refund| refund.request["txnAmt"].parse::<i64>().unwrap()).sum());
        assert_eq!(back, 36_000, "{place}: once");
        let mut finance = Visitor::new(&server.site);
        finance.staff_at("finance", outside.now()).await;
        finance.until("/staff/clearing", "<td class=\"amount\">1</td>").await;
        let log = server.log();
        let tells = |event: &str| {
            log.lines().any(|line| line.contains(&format!("\"event\":\"{event}\"")) && line.contains(child))
        };
        assert!(tells("child.crashed") && tells("child.restarted"), "{place}: the log does not tell of {child}");
        println!("panic at {place}: {child} crashed, was restarted, and everything was done");
    }
}
