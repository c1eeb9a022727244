//! The operator's night in Chromium (R7.1, R7.2): a session actor and the dispatcher crash by the page for disorders, and
//! crash, back-off and restart arrive without a reload; without scripts after one. Pause, the queue grows, resume.

use chrono::TimeDelta;
use domain::person::Language;
use fantoccini::Locator;
use locales::Texts;

use crate::support::browser::Browser;
use crate::support::client::Visitor;
use crate::support::server::{Outside, Server, world};

struct Night {
    outside: Outside,
    server: Server,
    b: Browser,
    t: Texts,
    scripts: bool,
    case: String,
    intake: Visitor,
}

impl Night {
    async fn begin(scripts: bool, language: Language) -> Self {
        let (outside, server) = world();
        let mut visitor = Visitor::new(&server.site);
        let case = visitor.paid(&outside).await.replace("/apply/", "/staff/case/");
        let mut intake = Visitor::new(&server.site);
        intake.staff_at("intake", outside.now()).await;
        let b = Browser::start(scripts, language.tag()).await;
        let mut night = Self { outside, server, b, t: Texts::new(language), scripts, case, intake };
        night.outside.pass(&night.server, TimeDelta::minutes(1)).await;
        night.open("/staff/login").await;
        night.b.fill("staff_user", "operator").await;
        night.b.fill("login_password", renzheng::demo::STAFF_PASSWORD).await;
        night.b.press_css("main button[type=submit]").await;
        night.b.see("[name=totp]").await;
        let codes = renzheng::demo::staff_codes();
        let secret = &codes.iter().find(|code| code.user == "operator").unwrap().secret;
        let code = domain::one_time::totp(secret, night.outside.now().timestamp()).unwrap();
        night.b.fill("totp", &code).await;
        night.b.press_css("main button[type=submit]").await;
        night.b.see(".totals").await;
        night
    }

    async fn open(&mut self, path: &str) {
        self.b.go(&format!("{}{path}", self.server.site)).await;
    }

    /// Orders a disorder by its page.
    async fn order(&mut self, effect: &str, place: &str, times: &str) {
        self.open("/operator/chaos").await;
        self.b.choose("effect", effect).await;
        self.b.choose("place", place).await;
        self.b.fill("times", times).await;
        self.b.press_css("button[value=order]").await;
        self.b.see(".flash").await;
    }

    /// Waits for an event in the log on the page: it arrives by itself where there are scripts, else after a reload.
    async fn arrives(&mut self, kind: &str, child: &str, words: &str) {
        let xpath = format!(
            "//table[contains(@class, 'log')]//tr[td[2][contains(., '{kind}')] and td[3][contains(., '{child}')] and td[4][contains(., '{words}')]]"
        );
        for _ in 0..150 {
            if !self.scripts {
                self.b.client.refresh().await.unwrap();
            }
            if self.b.client.find(Locator::XPath(&xpath)).await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("no {kind} of {child} with {words} arrived:\n{}", self.b.client.source().await.unwrap());
    }

    /// Asked again, and done.
    async fn act(&mut self, name: &str, act: &str) {
        self.open(&format!("/operator/child?name={name}")).await;
        self.b.press(&self.t.get(&format!("steer-{act}"))).await;
        self.b.see("form[action='/operator/act']").await;
        self.b.audit().await;
        self.b.press(&self.t.get(&format!("steer-{act}-do"))).await;
        self.b.see(".flash").await;
    }

    async fn message(&mut self) -> u16 {
        self.intake.act(&self.case, &[("act", "message"), ("message", "请留意")]).await.status
    }
}

async fn night(scripts: bool, language: Language, name: &str) {
    let mut night = Night::begin(scripts, language).await;
    // A session actor: its crash, and the next click works.
    night.order("panic", "commit", "1").await;
    night.open("/operator/log").await;
    assert_eq!(night.message().await, 500);
    let again = night.t.with("operator-backoff", &[("ms", "|")]);
    let again = again.rsplit('|').next().unwrap().trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    night.arrives("child.crashed", "session/", &again).await;
    night.arrives("child.restarted", "session/", "").await;
    assert_eq!(night.message().await, 303);
    night.b.audit().await;
    night.b.shot(&format!("{name}-log"), false).await;
    // The dispatcher: crash, back-off, restart.
    night.order("panic", "notice-claimed", "2").await;
    night.open("/operator").await;
    assert_eq!(night.message().await, 303);
    night.arrives("child.crashed", "notification_dispatcher.sms", &again).await;
    night.arrives("child.restarted", "notification_dispatcher.sms", "").await;
    night.b.audit().await;
    night.b.shot(&format!("{name}-tree"), false).await;
    night.b.shot(&format!("{name}-tree-narrow"), true).await;
    // Pause: the queue grows; resume: it drains.
    night.act("notification_dispatcher.sms", "pause").await;
    let paused = night.t.get("state-paused");
    night.b.read(&paused).await;
    let before = night.outside.messages_to("13800138000").len();
    night.open("/operator/queues").await;
    assert_eq!(night.message().await, 303);
    let words = night.t.get("queue-of-notice");
    for _ in 0..60 {
        if !night.scripts {
            night.b.client.goto(&format!("{}/operator/queues", night.server.site)).await.unwrap();
        }
        let source = night.b.client.source().await.unwrap();
        let row = source.split(&words).nth(1).unwrap().split("</tr>").next().unwrap().to_owned();
        if !row.contains(">0<") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    night.b.audit().await;
    night.b.shot(&format!("{name}-queues"), false).await;
    assert_eq!(night.outside.messages_to("13800138000").len(), before, "nothing is sent while it is paused");
    night.act("notification_dispatcher.sms", "resume").await;
    for _ in 0..400 {
        if night.outside.messages_to("13800138000").len() > before {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert!(night.outside.messages_to("13800138000").len() > before, "it drains");
    night.open("/operator/child?name=notification_dispatcher.sms").await;
    night.arrives("child.resumed", "notification_dispatcher.sms", "").await;
    night.b.shot(&format!("{name}-child"), false).await;
    night.open("/operator/letters").await;
}

#[actix_web::test]
async fn r7_1_r7_2_an_operators_night_arrives_by_itself() {
    night(true, Language::Chinese, "operator").await;
}

#[actix_web::test]
async fn r7_1_r7_2_an_operators_night_without_scripts_in_english() {
    night(false, Language::English, "operator-en").await;
}
