//! Casework in Chromium, with scripts and without, in Chinese and in English: further materials asked for, sent and the
//! clock resumed; a review upheld and one revised; an officer's whole day (R2.15, R4, R6.2, R6.3).

use chrono::TimeDelta;
use domain::person::Language;
use locales::Texts;

use crate::support::browser::Browser;
use crate::support::client::{Person, Visitor};
use crate::support::pictures::{jpeg, page};
use crate::support::server::{Outside, Server, world};

struct Scene {
    outside: Outside,
    server: Server,
    /// Whoever is not in the browser.
    visitor: Visitor,
    b: Browser,
    t: Texts,
    /// The applicant's address of the case, and the officers'.
    mine: String,
    case: String,
}

impl Scene {
    /// A paid application, and a browser at the site.
    async fn begin(scripts: bool, language: Language) -> Self {
        let (outside, server) = world();
        let mut visitor = Visitor::new(&server.site);
        let app = visitor.paid(&outside).await;
        let (mine, case) = (app.replace("/apply/", "/case/"), app.replace("/apply/", "/staff/case/"));
        let b = Browser::start(scripts, language.tag()).await;
        Self { outside, server, visitor, b, t: Texts::new(language), mine, case }
    }

    async fn open(&mut self, path: &str) {
        self.b.go(&format!("{}{path}", self.server.site)).await;
    }

    async fn applicant_logs_in(&mut self) {
        self.open("/login").await;
        self.b.fill("who", &Person::sample().phone).await;
        self.b.fill("login_password", Person::sample().password).await;
        self.b.press_css("main button[type=submit]").await;
        self.b.see("main .card").await;
    }

    /// An officer in the browser.
    async fn officer_logs_in(&mut self, user: &str) {
        // A code is used once in its half minute.
        self.outside.pass(&self.server, TimeDelta::minutes(1)).await;
        self.open("/staff/login").await;
        self.b.audit().await;
        self.b.fill("staff_user", user).await;
        self.b.fill("login_password", renzheng::demo::STAFF_PASSWORD).await;
        self.b.press_css("main button[type=submit]").await;
        self.b.see("[name=totp]").await;
        self.b.audit().await;
        let codes = renzheng::demo::staff_codes();
        let secret = &codes.iter().find(|code| code.user == user).unwrap().secret;
        let code = domain::one_time::totp(secret, self.outside.now().timestamp()).unwrap();
        self.b.fill("totp", &code).await;
        self.b.press_css("main button[type=submit]").await;
        self.b.see(".tabs").await;
        self.b.audit().await;
    }

    /// An officer elsewhere.
    async fn officer(&self, user: &str, act: &[(&str, &str)]) {
        self.outside.pass(&self.server, TimeDelta::minutes(1)).await;
        let mut officer = Visitor::new(&self.server.site);
        officer.staff_at(user, self.outside.now()).await;
        let done = officer.act(&self.case, act).await;
        assert_eq!(done.status, 303, "{user} {act:?}: {}", done.body);
    }

    fn until(&self) -> String {
        (self.outside.now().date_naive() + chrono::Days::new(20)).to_string()
    }

    async fn attach(&mut self, slot: &str, name: &str, bytes: Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        self.b.attach(&format!("#file-{slot}"), &path).await;
        self.b.press_css(&format!("#slot-{slot} form[enctype] button")).await;
        // It has arrived once the page shows its receipt.
        self.b.see(&format!("#slot-{slot} .images li")).await;
    }

    /// Looks again until the page has what is wanted.
    async fn reload_until(&mut self, path: &str, css: &str) {
        for _ in 0..150 {
            self.b.client.goto(&format!("{}{path}", self.server.site)).await.unwrap();
            if self.b.client.find(fantoccini::Locator::Css(css)).await.is_ok() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{path} never had {css}");
    }
}

/// Asked for, sent, and the clock goes on.
async fn supplement(scripts: bool, language: Language, name: &str) {
    let mut scene = Scene::begin(scripts, language).await;
    scene.officer("evaluator", &[("act", "accept")]).await;
    let until = scene.until();
    let ask = [
        ("act", "supplement"),
        ("slot_transcript", "yes"),
        ("supplement_reason", "missing"),
        ("note", "请补成绩单全部页"),
        ("until", until.as_str()),
    ];
    scene.officer("intake", &ask).await;
    scene.outside.pass(&scene.server, TimeDelta::days(12)).await;
    scene.applicant_logs_in().await;
    let (mine, to) = (scene.mine.clone(), format!("{}/supplement", scene.mine));
    scene.open(&mine).await;
    scene.b.read(&scene.t.get("stage-supplement")).await;
    scene.b.read(&scene.t.get("expected-paused")).await;
    scene.b.audit().await;
    scene.b.shot(&format!("{name}-case"), true).await;
    scene.b.press(&scene.t.get("supplement-go")).await;
    scene.b.see("button[value=send]").await;
    scene.b.audit().await;
    // Sent off with nothing in it: the page says what is missing.
    scene.b.press_css("button[value=send]").await;
    scene.b.see(".summary").await;
    scene.b.audit().await;
    scene.b.shot(&format!("{name}-error"), true).await;
    scene.attach("transcript", "成绩单.jpg", jpeg(90, 900, 1_200)).await;
    scene.reload_until(&to, "#slot-transcript button[value=rotate]").await;
    scene.b.audit().await;
    scene.b.shot(&format!("{name}-filled"), true).await;
    scene.b.press_css("button[value=send]").await;
    scene.b.see(".flash").await;
    scene.b.read(&scene.t.get("stage-assessing")).await;
    // Old date, new date and why (R2.14).
    scene.b.read(&scene.t.get("expected-history")).await;
    scene.b.audit().await;
}

#[actix_web::test]
async fn r2_15_materials_are_asked_for_and_sent_in_the_browser() {
    supplement(true, Language::Chinese, "supplement").await;
}

#[actix_web::test]
async fn r2_15_materials_are_asked_for_and_sent_without_scripts_in_english() {
    supplement(false, Language::English, "supplement-plain").await;
}

/// A review is asked for in the browser, and decided by two others.
async fn review(scripts: bool, language: Language, name: &str, revised: bool) {
    let mut scene = Scene::begin(scripts, language).await;
    scene.officer("evaluator", &[("act", "accept")]).await;
    let propose = [("act", "propose"), ("outcome", "refusal"), ("reason", "cannot-verify")];
    scene.officer("evaluator", &propose).await;
    scene.officer("approver", &[("act", "approve")]).await;
    scene.applicant_logs_in().await;
    let (mine, to) = (scene.mine.clone(), format!("{}/review", scene.mine));
    scene.reload_until(&mine, "a[href^='/verify/']").await;
    scene.b.press(&scene.t.get("review-ask")).await;
    scene.b.read(&scene.t.get("review-notice-1")).await;
    scene.b.audit().await;
    scene.b.press(&scene.t.get("review-begin")).await;
    scene.b.see("[name=review_words]").await;
    scene.b.audit().await;
    // On with nothing in it.
    scene.b.press_css("button[value=next]").await;
    scene.b.see(".summary").await;
    scene.b.audit().await;
    scene.b.shot(&format!("{name}-error"), true).await;
    scene.b.choose("review_reason", "new-material").await;
    scene.b.fill("review_words", "学校来函，请复核").await;
    scene.b.press_css("button[value=next]").await;
    scene.b.see("#slot-review").await;
    scene.b.audit().await;
    scene.attach("review", "来函.jpg", page(3)).await;
    scene.reload_until(&format!("{to}/materials"), "#slot-review button[value=rotate]").await;
    scene.b.tick("review_understood").await;
    scene.b.shot(&format!("{name}-materials"), true).await;
    scene.b.press_css("button[value=ask]").await;
    scene.b.see(".flash").await;
    scene.b.read(&scene.t.get("review-state-open")).await;
    scene.b.audit().await;
    scene.b.shot(&format!("{name}-asked"), true).await;
    // No refund meanwhile, and the page says why (R5.2).
    scene.open(&format!("{mine}/refund")).await;
    scene.b.read(&scene.t.get("rejection-refund-review")).await;
    scene.b.audit().await;
    if revised {
        scene.officer("reviewer", &[("act", "revise"), ("outcome", "certificate"), ("note", "可证")]).await;
    } else {
        scene.officer("reviewer", &[("act", "uphold"), ("note", "维持")]).await;
    }
    scene.officer("chief", &[("act", "review-approve")]).await;
    scene.open(&to).await;
    scene.b.read(&scene.t.get(if revised { "review-state-revised" } else { "review-state-upheld" })).await;
    scene.b.audit().await;
    let outcome = if revised { "outcome-certificate" } else { "outcome-refusal" };
    scene.reload_until(&mine, "a[href^='/verify/']").await;
    scene.b.read(&scene.t.get(outcome)).await;
    scene.b.audit().await;
    scene.b.shot(&format!("{name}-ended"), false).await;
}

#[actix_web::test]
async fn r4_a_review_is_revised_in_the_browser() {
    review(true, Language::English, "review", true).await;
}

#[actix_web::test]
async fn r4_a_review_is_upheld_without_scripts() {
    review(false, Language::Chinese, "review-plain", false).await;
}

/// An officer's whole day: claim, view, ask for materials, begin, propose; a second one approves.
async fn day(scripts: bool, language: Language, name: &str) {
    let mut scene = Scene::begin(scripts, language).await;
    let case = scene.case.clone();
    let id = case.replace("/staff/case/", "");
    scene.officer_logs_in("intake").await;
    scene.b.shot(&format!("{name}-queue"), true).await;
    scene.b.tick(&format!("case_{id}")).await;
    scene.b.press(&scene.t.get("queue-claim")).await;
    scene.b.see(".flash").await;
    scene.open(&case).await;
    scene.b.audit().await;
    scene.b.shot(&format!("{name}-case"), true).await;
    scene.b.press_css(".images a").await;
    scene.b.see(".pane img").await;
    scene.b.audit().await;
    scene.b.press("200%").await;
    scene.b.see(".zoom-200").await;
    scene.b.shot(&format!("{name}-viewer"), true).await;
    scene.open(&case).await;
    scene.b.press_css("details:has([value=supplement]) > summary").await;
    scene.b.tick("slot_transcript").await;
    scene.b.choose("supplement_reason", "unreadable").await;
    scene.b.press_css("form:has([value=supplement]) button").await;
    scene.b.see(".summary").await;
    scene.b.audit().await;
    scene.b.shot(&format!("{name}-error"), true).await;
    let until = scene.until();
    scene.b.see("#supplement-note").await.send_keys("成绩单第二页看不清").await.unwrap();
    scene.b.see("#supplement-until").await.send_keys(&until).await.unwrap();
    scene.b.press_css("form:has([value=supplement]) button").await;
    scene.b.see(".flash").await;
    scene.b.read(&scene.t.get("stage-supplement")).await;
    scene.b.audit().await;
    let to = format!("{}/supplement", scene.mine);
    scene.visitor.get(&to).await;
    let sent = scene.visitor.try_upload(&format!("{to}/transcript"), &[("成绩单.jpg", page(7))]).await.unwrap();
    assert_eq!(sent.status, 303, "{}", sent.body);
    scene.visitor.until(&to, "检查通过").await;
    assert_eq!(scene.visitor.post(&to, &[("act", "send")]).await.status, 303);
    scene.open(&case).await;
    scene.b.press_css("form:has([value=accept]) button").await;
    scene.b.see(".flash").await;
    scene.b.read(&scene.t.get("stage-assessing")).await;
    scene.b.audit().await;
    scene.officer_logs_in("evaluator").await;
    scene.open(&case).await;
    scene.b.press_css("#outcome-certificate").await;
    scene.b.press_css("form:has([value=propose]) button").await;
    scene.b.see(".flash").await;
    scene.b.audit().await;
    scene.officer_logs_in("approver").await;
    scene.open(&case).await;
    scene.b.audit().await;
    scene.b.press_css("form:has([value=approve]) button").await;
    scene.b.see(".flash").await;
    scene.b.read(&scene.t.get("stage-decided")).await;
    scene.b.audit().await;
}

#[actix_web::test]
async fn r6_2_r6_3_an_officers_day_in_the_browser() {
    day(true, Language::Chinese, "day").await;
}

#[actix_web::test]
async fn r6_2_r6_3_an_officers_day_without_scripts_in_english() {
    day(false, Language::English, "day-plain").await;
}

/// An administrator adds a row to the table of materials; an officer looks at the file as it stood before.
async fn table(scripts: bool, language: Language, name: &str) {
    let mut scene = Scene::begin(scripts, language).await;
    scene.officer_logs_in("admin").await;
    scene.open("/staff/materials").await;
    scene.b.shot(&format!("{name}-table"), false).await;
    scene.b.shot(&format!("{name}-table-narrow"), true).await;
    scene.open("/staff/materials/new").await;
    scene.b.press_css("button[value=save]").await;
    scene.b.see(".summary").await;
    scene.b.audit().await;
    scene.b.shot(&format!("{name}-row-error"), true).await;
    for (field, words) in [("slot_zh", "推荐信"), ("slot_en", "Letter of recommendation")] {
        scene.b.fill(field, words).await;
    }
    for (field, words) in [("slot_hint_zh", "由导师签名"), ("slot_hint_en", "Signed by a teacher")] {
        scene.b.fill(field, words).await;
    }
    scene.b.press_css("button[value=save]").await;
    scene.b.see(".flash").await;
    scene.b.audit().await;
    let case = scene.case.clone();
    scene.officer("intake", &[("act", "message"), ("message", "请留意")]).await;
    scene.officer_logs_in("intake").await;
    scene.open(&case).await;
    scene.b.press_css("a[href*='/at?moment=']").await;
    scene.b.see("main h1").await;
    scene.b.audit().await;
    scene.b.shot(&format!("{name}-past"), true).await;
}

#[actix_web::test]
async fn r2_8_r6_2_the_table_is_changed_and_the_past_seen_in_the_browser() {
    table(true, Language::Chinese, "table").await;
}

#[actix_web::test]
async fn r2_8_r6_2_the_table_is_changed_and_the_past_seen_without_scripts_in_english() {
    table(false, Language::English, "table-plain").await;
}
