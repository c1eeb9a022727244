//! The journey of the guide, word by word, in Chromium: with scripts, without, and in English.

mod casework;
mod joint;
mod money;
mod operator;

use domain::person::Language;
use locales::Texts;

use crate::support::browser::Browser;
use crate::support::client::{BASIC, CREDENTIAL, GOOD_CARD, Person, SCHOOL, SLOTS};
use crate::support::pictures::jpeg;
use crate::support::server::{Outside, Server, rustls_provider};

/// Bytes that a first visit may cost (R-house: 60 KB), and a step (12 KB).
const FIRST_VISIT_MOST: u64 = 60 * 1_024;
const STEP_MOST: u64 = 12 * 1_024;
/// Looks at what comes by itself: a minute of pauses, for a machine that has other work.
const TRIES: usize = 600;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// R2.4 (the account's data are shown in step 2), R2.6 (the credential), R2.7 (it is a row of step 5 already), R2.8
/// (checklist and uploads), R2.12 (number and what comes next), R2.14 (status and expected date) on their pages.
async fn journey(scripts: bool, language: Language, name: &str) {
    let _ = rustls_provider();
    let outside = Outside::start();
    let server = Server::start(&outside);
    let t = Texts::new(language);
    let person = Person::sample();
    let mut b = Browser::start(scripts, language.tag()).await;

    // 一.1 首页，在线办理
    b.go(&server.site).await;
    b.shot(&format!("{name}-home"), false).await;
    let first = b.sizes[0].1;
    assert!(first <= FIRST_VISIT_MOST, "a first visit costs {first} bytes");
    b.press(&t.get("home-start")).await;
    b.see("[name=nationality]").await;
    b.audit().await;

    // 一.2 一项填错：页面带着所填内容回来
    for (field, value) in person.form() {
        match field {
            "nationality" | "document_type" | "gender" | "channel" => b.choose(field, &value).await,
            "document_number" => b.fill(field, "110101199003070012").await,
            _ => b.fill(field, &value).await,
        }
    }
    b.press(&t.get("code-get")).await;
    b.see(".summary").await;
    b.audit().await;
    b.shot(&format!("{name}-register-error"), true).await;
    b.fill("document_number", person.number).await;
    b.press(&t.get("code-get")).await;

    // 一.3 获取验证码、同意条款、立即注册
    b.see("[name=code]").await;
    b.audit().await;
    b.fill("code", &outside.code_for(&person.phone, 0)).await;
    b.tick("agree").await;
    b.press(&t.get("register-do")).await;
    b.see(".done").await;
    b.audit().await;
    let user = b.see(".done .number").await.text().await.unwrap();

    // 二.1 登录
    b.press_css("main .button").await;
    b.see("[name=who]").await;
    b.audit().await;
    b.fill("who", &user).await;
    b.fill("login_password", person.password).await;
    b.press_css("main button[type=submit]").await;
    b.see("main .card").await;
    b.audit().await;
    b.shot(&format!("{name}-centre"), false).await;

    // 二.2 立即办理；二.3 增添认证申请办理
    b.press(&t.get("centre-go")).await;
    b.read(&t.get("centre-empty")).await;
    b.audit().await;
    b.press(&t.get("centre-add")).await;
    b.see(".tasks").await;
    b.audit().await;
    b.shot(&format!("{name}-tasks"), true).await;
    b.press(&t.get("case-go-on")).await;

    // 第一步 实人认证
    b.see("[name=act][value=ask]").await;
    b.audit().await;
    b.press(&t.get("verification-get")).await;
    let qr = b.see("a[href*='/app/']").await.attr("href").await.unwrap().unwrap();
    b.shot(&format!("{name}-verification"), true).await;
    if !scripts {
        // With scripts the page may change under the audit: it polls.
        b.audit().await;
    }
    reqwest::Client::new().post(qr).form(&[("outcome", "pass")]).send().await.unwrap();
    if !scripts {
        look_until(&mut b, &t.get("verification-look"), "[name=consent]").await;
    }
    b.see("[name=consent]").await;
    b.audit().await;
    b.tick("consent").await;
    b.press(&t.get("records-get")).await;
    if !scripts {
        look_until(&mut b, &t.get("verification-look"), "[name=act][value=next]").await;
    }
    b.see("[name=act][value=next]").await;
    b.audit().await;
    b.press(&t.get("next")).await;

    // 第二步 基本信息
    b.see("[name=birthplace]").await;
    b.audit().await;
    b.shot(&format!("{name}-basic"), false).await;
    b.read("1101**********0011").await;
    fill(&b, &BASIC).await;
    b.press(&t.get("next")).await;

    // 第三步 申请类型
    b.see("[name=kind]").await;
    b.audit().await;
    b.choose("kind", "foreign").await;
    b.press(&t.get("next")).await;

    // 第四步 认证申请信息
    b.see("[name=institution]").await;
    b.audit().await;
    fill(&b, &CREDENTIAL).await;
    b.press(&t.get("next")).await;

    // 第五步 学习经历：上一步的已在，新增一条
    b.read("University of Northshire").await;
    b.audit().await;
    b.press(&t.get("experience-add")).await;
    b.see("[name=study_institution]").await;
    b.audit().await;
    fill(&b, &SCHOOL).await;
    b.press(&t.get("save")).await;
    b.read("样例中学").await;
    b.audit().await;
    b.shot(&format!("{name}-experience"), true).await;
    b.press(&t.get("next")).await;

    // 第六步 上传认证材料
    b.see("#slot-photo").await;
    b.audit().await;
    for (seed, slot) in SLOTS.into_iter().enumerate() {
        let path = b.downloads.path().join(format!("{slot}.jpg"));
        std::fs::write(&path, jpeg(u8::try_from(seed).unwrap(), 700, 500)).unwrap();
        b.attach(&format!("#file-{slot}"), &path).await;
        b.press_css(&format!("#slot-{slot} form[enctype] button")).await;
        for _ in 0..TRIES {
            if b.client.find(fantoccini::Locator::Css(&format!("#slot-{slot} img"))).await.is_ok() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            if !scripts {
                b.client.goto(&format!("{}{}", server.site, b.path().await)).await.unwrap();
            }
        }
        b.see(&format!("#slot-{slot} img")).await;
    }
    b.audit().await;
    b.shot(&format!("{name}-materials"), false).await;
    b.press(&t.get("next")).await;

    // 第七步 确认
    b.see("[name=declaration]").await;
    b.audit().await;
    b.shot(&format!("{name}-confirm"), true).await;
    b.tick("declaration").await;
    b.press(&t.get("submit-do")).await;

    // 第八步 支付
    b.see("button[value=pay]").await;
    b.audit().await;
    b.press(&t.get("pay-now")).await;
    if !scripts {
        // Not before it is there: an audit lets scripts run, and this page would leave by itself.
        b.see("form[data-auto]").await;
        b.audit().await;
        b.press(&t.get("pay-go")).await;
    }
    b.see("#card").await;
    b.audit().await;
    b.fill("card", GOOD_CARD).await;
    b.press_css("form button").await;
    b.press("返回商户").await;
    for _ in 0..TRIES {
        if b.path().await.ends_with("/done") {
            break;
        }
        // The page asks by itself too, and may be gone by the time its button is pressed.
        if let Ok(button) = b.client.find(fantoccini::Locator::Css("button[value=ask]")).await {
            let _ = button.click().await;
        }
        tokio::time::sleep(PAUSE).await;
    }

    // 第九步 提交成功
    b.read(&t.get("done-words")).await;
    b.audit().await;
    b.shot(&format!("{name}-done"), false).await;
    let number = b.see(".done .number").await.text().await.unwrap();
    assert!(number.starts_with("RZ2"), "{number}");
    b.read(&t.with("expected-before", &[("days", "15")])).await;
    b.press(&t.get("receipt-title")).await;
    b.see(".receipt").await;
    b.audit().await;
    b.shot(&format!("{name}-receipt"), false).await;
    b.go(&format!("{}/payments", server.site)).await;

    // 工作人员：受理、评估、提出结果，另一人复审
    officer(&mut b, &server.site, "intake", &number, "act-accept", t).await;
    officer(&mut b, &server.site, "evaluator", &number, "act-propose", t).await;
    officer(&mut b, &server.site, "approver", &number, "act-approve", t).await;

    // 二.5 下载电子认证书
    b.go(&format!("{}/centre/applications", server.site)).await;
    b.press(&t.get("case-view")).await;
    let download = t.get("certificate-download");
    for _ in 0..TRIES {
        let ready = format!("//a[normalize-space(.)=\"{download}\"]");
        if b.client.find(fantoccini::Locator::XPath(&ready)).await.is_ok() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        b.client.refresh().await.unwrap();
    }
    b.audit().await;
    b.shot(&format!("{name}-case"), false).await;
    let case = b.path().await;
    let certificate = b.see(".result .number").await.text().await.unwrap();
    b.press(&download).await;
    let pdf = b.downloads.path().join(format!("{certificate}.pdf"));
    for _ in 0..TRIES {
        if pdf.exists() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    assert!(std::fs::read(&pdf).unwrap().starts_with(b"%PDF-1.7"));

    // 核验：二维码的地址，编号和姓名，以及错误的姓名
    b.press(&t.get("certificate-verify")).await;
    b.see(".verdict-valid").await;
    b.audit().await;
    b.shot(&format!("{name}-verify"), true).await;
    b.go(&format!("{}/verify", server.site)).await;
    b.fill("verify_number", &certificate).await;
    b.fill("verify_name", "别人").await;
    b.press(&t.get("verify-do")).await;
    b.see(".verdict-unknown").await;
    b.audit().await;
    b.go(&format!("{}/verify", server.site)).await;
    b.fill("verify_number", &certificate).await;
    b.fill("verify_name", person.name).await;
    b.press(&t.get("verify-do")).await;
    b.see(".verdict-valid").await;

    // 核验：文件本身；改动一个字节；没有选择文件
    b.go(&format!("{}/verify", server.site)).await;
    b.audit().await;
    b.shot(&format!("{name}-verify-ask"), true).await;
    b.press(&t.get("verify-file-do")).await;
    b.see(".summary a[href='#verify_file']").await;
    b.audit().await;
    b.attach("#verify_file", &pdf).await;
    b.press(&t.get("verify-file-do")).await;
    b.see(".verdict-valid").await;
    b.see(".checks .held").await;
    b.audit().await;
    b.shot(&format!("{name}-verify-file"), false).await;
    let mut changed = std::fs::read(&pdf).unwrap();
    changed[20_000] ^= 1;
    let copy = b.downloads.path().join("changed.pdf");
    std::fs::write(&copy, changed).unwrap();
    b.go(&format!("{}/verify", server.site)).await;
    b.attach("#verify_file", &copy).await;
    b.press(&t.get("verify-file-do")).await;
    b.see(".verdict-unknown").await;
    b.audit().await;
    b.shot(&format!("{name}-verify-changed"), true).await;

    // 出示给他人：链接、查看人、记录
    b.go(&format!("{}{case}/share", server.site)).await;
    b.audit().await;
    b.fill("share_label", "样例公司").await;
    b.press(&t.get("share-make")).await;
    let link = b.see("a[href^='/shared/']").await.attr("href").await.unwrap().unwrap();
    b.go(&format!("{}{link}", server.site)).await;
    b.press(&t.get("shared-do")).await;
    b.see(".summary a[href='#share_looker']").await;
    b.audit().await;
    b.fill("share_looker", "样例公司 王五").await;
    b.press(&t.get("shared-do")).await;
    b.see(".verdict-valid").await;
    b.read(person.name).await;
    b.audit().await;
    b.shot(&format!("{name}-shared"), true).await;
    b.go(&format!("{}{case}/share", server.site)).await;
    b.read("样例公司 王五").await;
    b.audit().await;
    b.shot(&format!("{name}-share"), true).await;
    b.go(&format!("{}/log", server.site)).await;
    b.read(&certificate).await;
    b.audit().await;
    b.shot(&format!("{name}-log-of-documents"), true).await;

    // 注册完成、提交、支付、受理、结果：每次都有短信和邮件
    assert!(outside.messages_to(&person.phone).iter().any(|text| text.contains(person.password)));
    assert!(outside.messages_to(&person.phone).len() >= 6);
    assert!(outside.messages_to(&person.email).len() >= 5);
    let steps: Vec<_> = b.sizes.iter().filter(|(path, _)| path.starts_with("/apply")).collect();
    let (path, most) = steps.iter().max_by_key(|(_, size)| size).unwrap();
    println!("{name}: {} pages audited; first visit {first} bytes, dearest step {most} bytes ({path})", b.audited);
    assert!(*most <= STEP_MOST, "{path} costs {most} bytes");
}

async fn look_until(b: &mut Browser, look: &str, css: &str) {
    for _ in 0..TRIES {
        if b.client.find(fantoccini::Locator::Css(css)).await.is_ok() {
            return;
        }
        let link = format!("//a[normalize-space(.)=\"{look}\"]");
        if b.client.find(fantoccini::Locator::XPath(&link)).await.is_ok() {
            b.press(look).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn fill(b: &Browser, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        let choice =
            ["emergency_relation", "purpose", "country", "level", "study_mode", "study_level", "study_country"];
        if choice.contains(name) {
            b.choose(name, value).await;
        } else {
            b.fill(name, value).await;
        }
    }
}

async fn officer(b: &mut Browser, site: &str, user: &str, number: &str, act: &str, t: Texts) {
    b.go(&format!("{site}/staff/login")).await;
    b.fill("staff_user", user).await;
    b.fill("login_password", renzheng::demo::STAFF_PASSWORD).await;
    b.press_css("main button[type=submit]").await;
    b.see("[name=totp]").await;
    b.audit().await;
    let codes = renzheng::demo::staff_codes();
    let secret = &codes.iter().find(|code| code.user == user).unwrap().secret;
    b.fill("totp", &domain::one_time::totp(secret, chrono::Utc::now().timestamp()).unwrap()).await;
    b.press_css("main button[type=submit]").await;
    b.see(".tabs").await;
    b.audit().await;
    b.shot(&format!("staff-queue-{user}"), false).await;
    b.fill("who", number).await;
    b.press_css(".search button").await;
    b.see(".acts").await;
    b.audit().await;
    b.shot(&format!("staff-case-{user}"), false).await;
    if act == "act-propose" {
        b.choose("outcome", "certificate").await;
    }
    b.press(&t.get(act)).await;
    b.see(".flash").await;
}

#[actix_web::test]
async fn r1_1_r2_1_r2_16_journey_with_scripts() {
    journey(true, Language::Chinese, "zh").await;
}

#[actix_web::test]
async fn r2_3_r2_13_journey_without_scripts() {
    journey(false, Language::Chinese, "zh-plain").await;
}

#[actix_web::test]
async fn journey_in_english() {
    journey(true, Language::English, "en").await;
}
