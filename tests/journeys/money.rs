//! Money in Chromium: the browser that is lost at the bank, paying twice, refunds within and after ten months, a refund
//! refused with its reason, the receipt printed (R2.10, R2.11, R5.1–R5.5). Every page is audited on the way.

use chrono::TimeDelta;
use serde_json::json;

use crate::support::browser::Browser;
use crate::support::client::{GOOD_CARD, Person, Visitor};
use crate::support::server::{Outside, Server, rustls_provider};

struct Scene {
    outside: Outside,
    server: Server,
    b: Browser,
    /// The application's path under `/apply`.
    app: String,
}

/// A submitted application, and a browser that is logged in.
async fn scene() -> Scene {
    let _ = rustls_provider();
    let outside = Outside::start();
    let server = Server::start(&outside);
    let app = Visitor::new(&server.site).apply(&outside, &Person::sample()).await;
    let b = Browser::start(true, "zh-CN").await;
    let mut scene = Scene { outside, server, b, app };
    scene.log_in().await;
    scene
}

impl Scene {
    async fn log_in(&mut self) {
        self.b.go(&format!("{}/login", self.server.site)).await;
        self.b.fill("who", &Person::sample().phone).await;
        self.b.fill("login_password", Person::sample().password).await;
        self.b.press_css("main button[type=submit]").await;
        self.b.see("main .card").await;
    }

    async fn open(&mut self, path: &str) {
        self.b.go(&format!("{}{path}", self.server.site)).await;
    }

    fn refund(&self) -> String {
        self.app.replace("/apply/", "/case/") + "/refund"
    }

    /// To the cashier and through it, up to the page that says that the bank is done.
    async fn pay(&mut self) {
        self.open(&format!("{}/payment", self.app)).await;
        self.b.press_css("button[value=pay]").await;
        self.b.see("#card").await;
        self.b.fill("card", GOOD_CARD).await;
        self.b.press_css("form button").await;
        self.b.read_anywhere("支付成功").await;
    }

    /// Looks again until the page says it.
    async fn until(&mut self, path: &str, words: &str) {
        for _ in 0..100 {
            self.b.client.goto(&format!("{}{path}", self.server.site)).await.unwrap();
            if self.b.client.source().await.unwrap().contains(words) {
                self.b.audit().await;
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{path} never said {words}");
    }

    async fn finance(&self, user: &str, state: &str, act: &[(&str, &str)]) {
        // A code is used once in its half minute.
        self.outside.pass(&self.server, TimeDelta::minutes(1)).await;
        let mut officer = Visitor::new(&self.server.site);
        officer.staff_at(user, self.outside.now()).await;
        let queue = officer.get(&format!("/staff/refunds?state={state}")).await;
        let one = queue.body.split("href=\"/staff/refund/").nth(1).unwrap().split('"').next().unwrap().to_owned();
        let done = officer.act(&format!("/staff/refund/{one}"), act).await;
        assert_eq!(done.status, 303, "{}", done.body);
    }
}

#[actix_web::test]
async fn r2_10_the_browser_is_lost_at_the_bank_and_the_payment_is_not() {
    let mut scene = scene().await;
    scene.pay().await;
    // Nobody presses 返回商户: another browser, another day.
    let (outside, server, app) = (scene.outside, scene.server, scene.app);
    drop(scene.b);
    let mut later = Scene { outside, server, b: Browser::start(false, "zh-CN").await, app };
    later.log_in().await;
    let case = later.app.replace("/apply/", "/case/");
    later.until(&case, "已支付").await;
}

#[actix_web::test]
async fn r2_10_r5_5_paid_twice_in_the_browser_the_second_goes_back() {
    let mut scene = scene().await;
    scene.open(&format!("{}/payment", scene.app)).await;
    scene.b.press_css("button[value=pay]").await;
    scene.b.see("#card").await;
    let first = scene.b.client.current_url().await.unwrap().to_string();
    scene.pay().await;
    // The first cashier is still open in another tab.
    scene.b.client.goto(&first).await.unwrap();
    scene.b.fill("card", GOOD_CARD).await;
    scene.b.press_css("form button").await;
    scene.b.press("返回商户").await;
    let refund = scene.refund();
    scene.until(&refund, "已退款").await;
    scene.b.shot("money-twice", true).await;
    let case = scene.app.replace("/apply/", "/case/");
    scene.until(&case, "已支付").await;
}

#[actix_web::test]
async fn r5_1_r5_4_a_refund_is_asked_for_refused_and_asked_for_again_and_the_receipt_says_so() {
    let mut scene = scene().await;
    scene.pay().await;
    scene.b.press("返回商户").await;
    let (case, refund) = (scene.app.replace("/apply/", "/case/"), scene.refund());
    scene.until(&case, "申请退费").await;
    scene.b.press("申请退费").await;
    scene.b.read("《退费须知》").await;
    scene.b.audit().await;
    scene.b.shot("money-refund", true).await;
    // Sent without a reason: the page says what is missing.
    scene.b.press("确认申请退费").await;
    scene.b.see(".summary").await;
    scene.b.audit().await;
    scene.b.choose("refund_reason", "no-need").await;
    scene.b.fill("refund_words", "工作地点变更").await;
    scene.b.tick("refund_understood").await;
    scene.b.press("确认申请退费").await;
    scene.b.read("待审核").await;
    scene.b.audit().await;
    scene.b.shot("money-asked", false).await;
    scene.finance("finance", "asked", &[("act", "refuse"), ("note", "请先联系受理人员")]).await;
    scene.until(&refund, "请先联系受理人员").await;
    scene.b.choose("refund_reason", "no-need").await;
    scene.b.tick("refund_understood").await;
    scene.b.press("确认申请退费").await;
    scene.b.read("待审核").await;
    scene.finance("finance", "asked", &[("act", "check")]).await;
    scene.finance("cashier", "checked", &[("act", "approve")]).await;
    scene.until(&refund, "已退款").await;
    scene.open("/payments").await;
    scene.b.press("收讫证明").await;
    scene.b.read("退回").await;
    scene.b.audit().await;
    scene.b.shot("money-receipt", false).await;
    let printed = scene.b.cdp("Page.printToPDF", json!({})).await;
    assert!(printed["data"].as_str().unwrap().starts_with("JVBERi0"), "a PDF in base64");
}

#[actix_web::test]
async fn r5_3_after_ten_months_the_page_asks_for_a_bank_account() {
    let mut scene = scene().await;
    scene.pay().await;
    scene.b.press("返回商户").await;
    let case = scene.app.replace("/apply/", "/case/");
    scene.until(&case, "申请退费").await;
    scene.outside.pass(&scene.server, TimeDelta::days(320)).await;
    scene.log_in().await;
    let refund = scene.refund();
    scene.open(&refund).await;
    scene.b.choose("refund_reason", "no-need").await;
    scene.b.fill("bank_card", "6216 2610 0000 0000 019").await;
    scene.b.fill("bank_name", "样例银行北京支行").await;
    scene.b.fill("bank_branch", "102100099996").await;
    scene.b.tick("refund_understood").await;
    scene.b.press("确认申请退费").await;
    scene.b.read("卡号有误").await;
    scene.b.audit().await;
    scene.b.shot("money-bank", true).await;
    scene.b.fill("bank_card", "6216 2610 0000 0000 018").await;
    scene.b.press("确认申请退费").await;
    scene.b.read("银行转账").await;
    scene.b.audit().await;
}
