//! Notices after they were sent (R2.15): receipts, the question when none comes, bounces, and what people see of it.

use chrono::TimeDelta;
use domain::ids::NoticeId;
use renzheng::public::hooks::bounced;
use sandbox::Fare;

use crate::support::client::{Person, Visitor};
use crate::support::server::{hook_key, world};

#[actix_web::test]
async fn r2_15_receipts_and_bounces_are_shown_to_staff_and_to_the_applicant() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let case = app.replace("/apply/", "/staff/case/");
    let mut intake = Visitor::new(&server.site);
    intake.staff("intake").await;
    // A receipt for the text about the payment came by itself.
    let page = intake.until(&case, "已送达").await.body;
    assert!(page.contains("发给申请人的通知") && !page.contains("未送达"));
    assert!(!visitor.get("/centre").await.body.contains("没有送达"));
    // From here on nothing arrives: the network says so, and the mail bounces.
    outside.state.change(|book| book.fare = Fare::Fail);
    intake.act(&case, &[("act", "message"), ("message", "请留意")]).await;
    let page = intake.until(&case, "MOBILE_NOT_ON_SERVICE").await.body;
    assert!(page.contains("未送达"));
    intake.until(&case, "5.1.1").await;
    let centre = visitor.get("/centre").await.body;
    assert!(centre.contains("短信没有送达") && centre.contains("邮件没有送达") && centre.contains("138****8000"));
    // The next that arrives takes the words away.
    outside.state.change(|book| book.fare = Fare::Arrive);
    intake.act(&case, &[("act", "message"), ("message", "再次通知")]).await;
    for _ in 0..400 {
        if !visitor.get("/centre").await.body.contains("没有送达") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the words stay");
}

#[actix_web::test]
async fn r2_15_when_no_receipt_comes_the_provider_is_asked() {
    let (outside, server) = world();
    outside.state.change(|book| book.fare = Fare::Silent);
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let case = app.replace("/apply/", "/staff/case/");
    let mut intake = Visitor::new(&server.site);
    intake.staff("intake").await;
    intake.until(&case, "已发出").await;
    assert!(!intake.get(&case).await.body.contains("已送达"));
    outside.pass(&server, TimeDelta::minutes(25)).await;
    intake.until(&case, "已送达").await;
}

#[actix_web::test]
async fn r2_15_receipts_are_hints_from_nobody_in_particular() {
    let (outside, server) = world();
    outside.state.change(|book| book.fare = Fare::Silent);
    let mut visitor = Visitor::new(&server.site);
    visitor.register(&outside, &Person::sample()).await;
    let phone = Person::sample().phone;
    outside.until(&phone, "已完成注册").await;
    let (out_id, biz_id) = outside.state.read(|book| {
        let last = book.messages.iter().rfind(|message| message.to == phone).unwrap();
        (last.out_id.clone(), last.biz_id.clone())
    });
    let report = |biz: &str| {
        format!(
            r#"[{{"phone_number":"{phone}","success":false,"err_code":"<b>X</b>","biz_id":"{biz}","out_id":"{out_id}"}}]"#
        )
    };
    let hook = format!("/notices/{}", hook_key());
    // A wrong address is no address; what is no array is told so; a wrong name of the send changes nothing.
    let (status, _) =
        visitor.post_raw("/notices/guess/receipts", "application/json", report(&biz_id).into_bytes()).await;
    assert_eq!(status, 404);
    // What can't be read in an array holds up nothing else in it.
    let odd = format!(r#"[1, null, {{"out_id": null}}, {{"success": false, "out_id": "{out_id}", "err_code": null}}]"#);
    // It is told to come again while the send is not written down yet.
    let mut status = 503;
    let receipts = format!("{hook}/receipts");
    for _ in 0..400 {
        status = visitor.post_raw(&receipts, "application/json", odd.clone().into_bytes()).await.0;
        if status != 503 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(status, 200);
    for junk in [&b"{}"[..], b"", b"\xff\xfe"] {
        let (status, _) = visitor.post_raw(&format!("{hook}/receipts"), "application/json", junk.to_vec()).await;
        assert_eq!(status, 400);
        let (status, _) = visitor.post_raw(&format!("{hook}/bounces"), "message/rfc822", junk.to_vec()).await;
        assert_eq!(status, 204);
    }
    let (status, body) = visitor.post_raw(&receipts, "application/json", report("1^0").into_bytes()).await;
    assert!(status == 200 && body.contains("\"code\":0"));
    assert!(!visitor.get("/centre").await.body.contains("没有送达"));
    // The right one is taken, twice as once; nothing of its words is believed to be markup.
    for _ in 0..2 {
        let (status, _) = visitor.post_raw(&receipts, "application/json", report(&biz_id).into_bytes()).await;
        assert_eq!(status, 200);
    }
    let centre = visitor.get("/centre").await.body;
    assert!(centre.contains("短信没有送达") && !centre.contains("<b>X"));
}

fn bounce(action: &str, id: &str) -> String {
    format!(
        "Subject: failed\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nno\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; a@example.com\r\nAction: {action}\r\nStatus: 5.1.1\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\nMessage-ID: <{id}@renzheng>\r\n\r\nhello\r\n--b--\r\n"
    )
}

#[test]
fn r2_15_a_bounce_names_its_notice() {
    let id = NoticeId::fresh();
    assert_eq!(bounced(bounce("failed", &id.to_string()).as_bytes()), Some((id, "5.1.1".into())));
    assert_eq!(bounced(bounce("delayed", &id.to_string()).as_bytes()), None, "it may still arrive");
    assert_eq!(bounced(bounce("failed", "somebody-else").as_bytes()), None);
    assert_eq!(bounced(b"From: a\r\n\r\nhello"), None);
    assert_eq!(bounced(&[0xff, 0x00, 0x80]), None);
}
