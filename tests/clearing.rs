//! Reconciliation (R6.4): the gateway's daily file against the ledger.

use chrono::TimeDelta;
use domain::clearing::{ClearingKind, ClearingLine};
use gateways::unionpay::clearing::{pack, parse, unpack, write};

use crate::support::client::{GOOD_CARD, Person, Visitor};
use crate::support::server::{Outside, Server, rustls_provider};

fn line(order: &str, amount: i64) -> ClearingLine {
    let fee = -(amount * 6 / 1_000);
    ClearingLine {
        kind: ClearingKind::Payment,
        amount,
        query_id: "952611250653055355183".into(),
        order: order.into(),
        fee,
        settled: amount + fee,
        original: String::new(),
    }
}

#[test]
fn r6_4_a_file_is_read_by_its_bytes_and_a_wrong_line_spoils_it() {
    let mut text = write(&line("RZ01a20fc345ad74408ee2f6fe2e9b43", 36_000), sandbox::MERCHANT, "1124120000");
    // A short name in GBK, two bytes a letter, where the layout has it.
    text[327..331].copy_from_slice(&[0xd1, 0xf9, 0xc0, 0xfd]);
    text.extend(b"\r\n");
    assert_eq!(text.len(), 609);
    let packed = pack("INN1124ZM_777290058110048", &text).unwrap();
    assert_eq!(parse(&unpack(&packed).unwrap()).unwrap(), [line("RZ01a20fc345ad74408ee2f6fe2e9b43", 36_000)]);
    assert!(parse(&text[..300]).is_err(), "too short");
    let mut wrong = text.clone();
    wrong[70] = b'x';
    assert!(parse(&wrong).is_err(), "no number where the amount must be");
    for spoiled in ["", "%%%", "AAAA"] {
        assert!(unpack(spoiled).is_err());
    }
    assert!(unpack(&pack("something else", &text).unwrap()).is_err(), "no ZM file in it");
}

#[actix_web::test]
async fn r6_4_what_differs_is_found_by_itself_and_resolved_by_two() {
    let _ = rustls_provider();
    let outside = Outside::start();
    let server = Server::start(&outside);
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    // Another amount than the order's: parked here, and in the gateway's file.
    visitor.pay_with(&app, "6216261000000000083").await;
    visitor.post(&format!("{app}/payment"), &[("act", "ask")]).await;
    visitor.pay_with(&app, GOOD_CARD).await;
    visitor.post(&format!("{app}/payment"), &[("act", "ask")]).await;
    visitor.until(&format!("{app}/payment"), "/done").await;
    outside.pass(&server, TimeDelta::hours(27)).await;
    let mut finance = Visitor::new(&server.site);
    finance.staff_at("finance", outside.now()).await;
    let page = finance.until("/staff/clearing", "文件有，总账无").await;
    assert!(page.body.contains("¥0.01") && page.body.contains("每日对账文件"));
    assert_eq!(page.body.matches("class=\"card\"").count(), 1, "the good payment is confirmed");
    let id = page.body.split("action=\"/staff/clearing/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let path = format!("/staff/clearing/{id}");
    let words = "测试卡金额不符，已与银联核对，由银联冲正";
    assert_eq!(finance.post(&path, &[("act", "propose"), ("words", words)]).await.status, 303);
    assert_eq!(finance.post(&path, &[("act", "confirm"), ("words", words)]).await.status, 409, "not one's own");
    let mut cashier = Visitor::new(&server.site);
    cashier.staff_at("cashier", outside.now()).await;
    assert_eq!(cashier.post(&path, &[("act", "confirm"), ("words", "别的话")]).await.status, 409, "only what was seen");
    assert_eq!(cashier.post(&path, &[("act", "confirm"), ("words", words)]).await.status, 303);
    assert!(!cashier.get("/staff/clearing").await.body.contains("文件有，总账无"));
    assert!(cashier.get("/staff/clearing?resolved=1").await.body.contains(words));
    // Finance has the gateway asked anew; the answer contradicts the order as before, and stays parked.
    let story = format!("/staff/payment/{}", app.trim_start_matches("/apply/"));
    assert_eq!(finance.post(&format!("{story}/ask"), &[]).await.status, 303);
    assert!(finance.get(&story).await.body.contains("款项全程"));
    // An operator is told of what was parked.
    let mut operator = Visitor::new(&server.site);
    operator.staff_at("operator", outside.now()).await;
    assert!(operator.get("/operator").await.body.contains("已搁置"));
}
