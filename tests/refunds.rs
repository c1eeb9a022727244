//! Refunds, over real HTTP, with the gateway's sandbox at the other side (R5).

use chrono::TimeDelta;
use sandbox::RefundPlay;

use crate::support::client::{GOOD_CARD, Person, Visitor};
use crate::support::server::{Outside, Server, rustls_provider, world};

const ASK: [(&str, &str); 2] = [("refund_reason", "no-need"), ("refund_understood", "yes")];

/// Checks and approves the only refund that waits; the service may die of the approval if it `dies`.
async fn approve(outside: &Outside, server: &Server, dies: bool) {
    for (user, state, act) in [("finance", "asked", "check"), ("cashier", "checked", "approve")] {
        let mut officer = Visitor::new(&server.site);
        officer.staff_at(user, outside.now()).await;
        let queue = officer.get(&format!("/staff/refunds?state={state}")).await;
        let refund = queue.body.split("href=\"/staff/refund/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let page = format!("/staff/refund/{refund}");
        let seen = officer.get(&page).await.hidden("seen");
        match officer.try_post(&page, &[("act", act), ("seen", &seen)]).await {
            Ok(done) => assert_eq!(done.status, 303, "{}", done.body),
            // Dead before it answered: what was committed counts.
            Err(error) => assert!(dies && act == "approve", "{error}"),
        }
    }
}

/// What the gateway gave back, in fen, and by how many refunds.
fn given_back(outside: &Outside) -> (i64, usize) {
    outside.state.read(|book| {
        let sum = book.refunds.values().map(|refund| refund.request["txnAmt"].parse::<i64>().unwrap()).sum();
        (sum, book.refunds.len())
    })
}

#[actix_web::test]
async fn r5_1_r5_3_r5_4_a_refund_before_evaluation_goes_to_the_card_and_ends_the_case() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let refund = format!("{}/refund", app.replace("/apply/", "/case/"));
    let page = visitor.get(&refund).await;
    assert!(page.body.contains("《退费须知》") && page.body.contains("360") && !page.body.contains("bank_card"));
    // Nothing ticked, nothing chosen: the page comes back.
    let wrong = visitor.post(&refund, &[("refund_words", "计划有变")]).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("计划有变") && wrong.body.contains("请阅读《退费须知》"));
    assert_eq!(visitor.post(&refund, &ASK).await.status, 303);
    // Pressed twice it is asked for once.
    assert_eq!(visitor.post(&refund, &ASK).await.status, 303);
    let page = visitor.get(&refund).await;
    assert!(page.body.contains("待审核") && page.body.contains("一般在"));
    assert!(visitor.get(&refund.replace("/refund", "")).await.body.contains("已退出"));
    // R5.4: nobody approves what they checked.
    let mut finance = Visitor::new(&server.site);
    finance.staff("finance").await;
    let queue = finance.get("/staff/refunds").await;
    let one = queue.body.split("href=\"/staff/refund/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let one = format!("/staff/refund/{one}");
    assert_eq!(finance.act(&one, &[("act", "check")]).await.status, 303);
    assert!(finance.get(&one).await.body.contains("须由另一位财务人员批准"));
    assert_eq!(finance.post(&one, &[("act", "approve"), ("seen", "checked")]).await.status, 403);
    assert_eq!(finance.post(&one, &[("act", "approve"), ("seen", "asked")]).await.status, 409);
    assert_eq!(given_back(&outside), (0, 0));
    let mut cashier = Visitor::new(&server.site);
    cashier.staff("cashier").await;
    assert_eq!(cashier.act(&one, &[("act", "approve")]).await.status, 303);
    visitor.until(&refund, "已退款").await;
    assert_eq!(given_back(&outside), (36_000, 1));
    // R2.11: the receipt says that the money went back; the ledger is in balance.
    let list = visitor.get("/payments").await;
    let receipt = list.body.split("href=\"/payments/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = visitor.get(&format!("/payments/{receipt}")).await.body;
    assert!(page.contains("退回"));
    // Anybody can verify it, and nobody can make one up.
    let verify = page.split("href=\"/verify/receipt/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut anybody = Visitor::new(&server.site);
    let shown = anybody.get(&format!("/verify/receipt/{verify}")).await.body;
    assert!(shown.contains("款项已经退回") && !shown.contains("样张三"));
    let made_up = format!("/verify/receipt/{receipt}/{}", "0".repeat(24));
    assert!(anybody.get(&made_up).await.body.contains("verdict-unknown"));
    let ledger = finance.get("/staff/ledger").await;
    assert!(ledger.body.contains("银联待结算") && ledger.body.contains("合计"));
    assert_eq!(ledger.body.matches("<td class=\"amount\">0.00</td>").count(), 4, "{}", ledger.body);
    for words in ["退费申请已收到", "退费已批准", "退费已完成"] {
        outside.until(&Person::sample().phone, words).await;
    }
    // Only finance sees the money.
    let mut intake = Visitor::new(&server.site);
    intake.staff("intake").await;
    assert_eq!(intake.get("/staff/ledger").await.status, 403);
}

#[actix_web::test]
async fn r5_1_r5_2_under_evaluation_or_with_a_certificate_there_is_none_and_the_page_says_why() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let (case, refund) = (app.replace("/apply/", "/staff/case/"), app.replace("/apply/", "/case/") + "/refund");
    let mut evaluator = Visitor::new(&server.site);
    evaluator.staff("evaluator").await;
    evaluator.act(&case, &[("act", "accept")]).await;
    assert!(visitor.get(&refund).await.body.contains("认证评估已经开始"));
    visitor.post(&refund, &ASK).await;
    let mut approver = Visitor::new(&server.site);
    approver.staff("approver").await;
    let forged = [("act", "propose"), ("outcome", "refusal"), ("reason", "false-material")];
    evaluator.act(&case, &forged).await;
    approver.act(&case, &[("act", "approve")]).await;
    assert!(visitor.get(&refund).await.body.contains("因提供虚假材料不予认证的，不予退费"));
    visitor.post(&refund, &ASK).await;
    assert_eq!(given_back(&outside), (0, 0));
}

#[actix_web::test]
async fn r5_5_paid_twice_or_not_accepted_the_money_goes_back_by_itself_and_once() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    let paying = format!("{app}/payment");
    let one = visitor.post(&paying, &[("act", "pay")]).await;
    let two = visitor.post(&paying, &[("act", "pay")]).await;
    Visitor::play(&one, GOOD_CARD).await;
    Visitor::play(&two, GOOD_CARD).await;
    visitor.post(&paying, &[("act", "ask")]).await;
    visitor.until(&paying, "/done").await;
    let refund = app.replace("/apply/", "/case/") + "/refund";
    visitor.until(&refund, "已退款").await;
    assert_eq!(given_back(&outside), (36_000, 1), "the second payment, and not the first");
    // Not accepted: the first one goes back too, by itself.
    let mut intake = Visitor::new(&server.site);
    intake.staff("intake").await;
    let case = app.replace("/apply/", "/staff/case/");
    intake.act(&case, &[("act", "not-accept"), ("reason", "outside-scope"), ("note", "")]).await;
    for _ in 0..400 {
        if given_back(&outside).1 == 2 && visitor.get(&refund).await.body.matches("已退款").count() == 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(given_back(&outside), (72_000, 2));
}

#[actix_web::test]
async fn r5_3_after_ten_months_a_bank_account_is_asked_for_and_checked() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    outside.pass(&server, TimeDelta::days(320)).await;
    visitor.login(&Person::sample()).await;
    let refund = app.replace("/apply/", "/case/") + "/refund";
    assert!(visitor.get(&refund).await.body.contains("bank_card"));
    let mut form = ASK.to_vec();
    form.extend([("bank_card", "6216261000000000019"), ("bank_name", "样例银行"), ("bank_branch", "12345")]);
    let wrong = visitor.post(&refund, &form).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("卡号有误") && wrong.body.contains("联行号须为 12 位数字"));
    assert!(wrong.body.contains("6216261000000000019"), "what was typed stays");
    let mut form = ASK.to_vec();
    form.extend([("bank_card", "6216 2610 0000 0000 018"), ("bank_name", "样例银行"), ("bank_branch", "102100099996")]);
    assert_eq!(visitor.post(&refund, &form).await.status, 303);
    assert!(visitor.get(&refund).await.body.contains("银行转账"));
    // By transfer: checked, approved, put into a batch by one, released by another, paid out by the bank.
    approve(&outside, &server, false).await;
    let (mut finance, mut cashier) = (Visitor::new(&server.site), Visitor::new(&server.site));
    outside.pass(&server, TimeDelta::minutes(1)).await;
    finance.staff_at("finance", outside.now()).await;
    cashier.staff_at("cashier", outside.now()).await;
    assert!(finance.get("/staff/transfers").await.body.contains("1 笔"));
    let batch = finance.post("/staff/transfers", &[]).await.to;
    assert_eq!(finance.post(&format!("{batch}/release"), &[]).await.status, 403, "not whoever made it");
    assert_eq!(
        cashier.post(&format!("{batch}/release"), &[("seen", "another")]).await.status,
        409,
        "not what was seen"
    );
    assert_eq!(finance.get(&format!("{batch}/file.csv")).await.status, 409, "not before it is released");
    let seen = cashier.get(&batch).await.hidden("seen");
    assert_eq!(cashier.post(&format!("{batch}/release"), &[("seen", &seen)]).await.status, 303);
    visitor.until(&refund, "退款中").await;
    let file = finance.get(&format!("{batch}/file.csv")).await.body;
    assert!(file.contains(",36000,6216261000000000018,") && file.contains("TOTAL,1,36000,"), "{file}");
    let id = file.lines().nth(1).unwrap().split(',').nth(1).unwrap().to_owned();
    // One line that can't be read: nothing is taken, and each wrong line is told.
    let mixed = format!("{id},paid,\nunknown,paid,\n{id},perhaps,");
    let report = finance.post(&format!("{batch}/answers"), &[("answers", &mixed)]).await;
    assert_eq!(report.status, 422);
    assert!(report.body.contains("第 2 行") && report.body.contains("第 3 行") && !report.body.contains("第 1 行"));
    assert!(visitor.get(&refund).await.body.contains("退款中"));
    let paid = format!("{id},paid,银行流水 1");
    for _ in 0..2 {
        assert_eq!(finance.post(&format!("{batch}/answers"), &[("answers", &paid)]).await.status, 303);
    }
    assert!(visitor.get(&refund).await.body.contains("已退款"));
    assert_eq!(given_back(&outside), (0, 0), "the gateway had nothing to do with it");
    // Days later the bank has it back, and then pays it out after all: each is booked, nothing is dropped.
    for (result, words) in [("returned", "银行未能将款项退回原卡"), ("paid", "已退款")] {
        let later = format!("{id},{result},");
        assert_eq!(finance.post(&format!("{batch}/answers"), &[("answers", &later)]).await.status, 303);
        assert!(visitor.get(&refund).await.body.contains(words), "{result}");
    }
    let ledger = finance.get("/staff/ledger").await.body;
    assert!(ledger.contains("银行存款") && ledger.contains("360.00"));
    let rows = std::fs::read(server.data.path().join("renzheng.sqlite")).unwrap();
    assert!(!rows.windows(19).any(|part| part == b"6216261000000000018"), "sealed at rest");
}

#[actix_web::test]
async fn r5_4_the_bank_sends_it_back_and_the_applicant_gives_other_details() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    outside.state.change(|book| book.refund_play = RefundPlay::Failure);
    let refund = app.replace("/apply/", "/case/") + "/refund";
    visitor.post(&refund, &ASK).await;
    approve(&outside, &server, false).await;
    let page = visitor.until(&refund, "银行未能将款项退回原卡").await;
    let id = page.hidden("refund");
    let details = [
        ("refund", id.as_str()),
        ("bank_card", "6216261000000000018"),
        ("bank_name", "样例银行"),
        ("bank_branch", "102100099996"),
    ];
    assert_eq!(visitor.post(&format!("{refund}/bank"), &details).await.status, 303);
    assert!(visitor.get(&refund).await.body.contains("待审核"));
}

#[actix_web::test]
async fn r5_5_an_answer_that_is_lost_is_asked_for_and_never_given_again() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    outside.state.change(|book| {
        book.refund_play = RefundPlay::Lost;
        book.notifications_off = true;
    });
    let refund = app.replace("/apply/", "/case/") + "/refund";
    visitor.post(&refund, &ASK).await;
    approve(&outside, &server, false).await;
    visitor.until(&refund, "已退款").await;
    assert_eq!(given_back(&outside), (36_000, 1));
}

/// Dead around every step of the way back: the money goes back once.
#[actix_web::test]
async fn r5_5_killed_on_the_way_back_the_money_goes_back_once() {
    let _ = rustls_provider();
    for place in ["refund-due#2", "refund-written#1", "refund-given#1", "refund-settled#1", "refund-given#2"] {
        let outside = Outside::start();
        let mut server = Server::start_dying(&outside, place);
        let mut visitor = Visitor::new(&server.site);
        let app = visitor.paid(&outside).await;
        let refund = app.replace("/apply/", "/case/") + "/refund";
        visitor.post(&refund, &ASK).await;
        approve(&outside, &server, true).await;
        if server.ended() {
            server = server.restart();
        }
        // What was written down but perhaps never given is asked about; given anew only when it surely never arrived.
        outside.pass(&server, TimeDelta::minutes(21)).await;
        visitor.until(&refund, "已退款").await;
        assert_eq!(given_back(&outside), (36_000, 1), "{place}");
        println!("killed at {place}: given back once");
    }
}
