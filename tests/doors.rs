//! What an attacker tries at the doors, and what an honest person meets there by accident.

use chrono::TimeDelta;

use crate::support::client::{GOOD_CARD, Person, SLOTS, Visitor};
use crate::support::pictures::jpeg;
use crate::support::server::world;

#[actix_web::test]
async fn r1_6_a_contact_is_changed_with_the_password_and_the_old_one_is_told() {
    let (outside, server) = world();
    let person = Person::sample();
    let mut visitor = Visitor::new(&server.site);
    visitor.register(&outside, &person).await;
    let new = "new.address@example.com";
    for _ in 0..5 {
        let guess = visitor.post("/account/contact", &[("email", new), ("contact_password", "wrong-guess-1")]).await;
        assert_eq!(guess.status, 422);
        assert!(guess.body.contains(new), "what was typed stays");
    }
    // Guesses count together with those at the log-in page.
    let right = [("email", new), ("contact_password", person.password)];
    assert!(visitor.post("/account/contact", &right).await.body.contains("尝试次数过多"));
    outside.pass(&server, TimeDelta::minutes(16)).await;
    let sent = visitor.post("/account/contact", &right).await;
    assert_eq!(sent.status, 303, "{}", sent.body);
    let code = outside.code_for(new, 0);
    assert_eq!(visitor.post(&sent.to, &[("code", &code)]).await.to, "/account");
    for old in [&person.phone, &person.email] {
        outside.until(old, "已修改").await;
    }
    // Now that the mailbox has proven itself, the password can be reset by it.
    outside.pass(&server, TimeDelta::minutes(2)).await;
    let before = outside.messages_to(new).len();
    visitor.post("/forgotten", &[("who", new), ("channel", "mail")]).await;
    outside.code_for(new, before);
}

#[actix_web::test]
async fn r1_10_registrations_are_limited_by_network_and_by_document() {
    let (_outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let mut person = Person::sample();
    person.name = "样不符";
    let form = person.form();
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for _ in 0..10 {
        let answer = visitor.post("/register", &form).await;
        assert!(!answer.body.contains("注册尝试过于频繁"), "{}", answer.body);
    }
    let answer = visitor.post("/register", &form).await;
    assert_eq!(answer.status, 422);
    assert!(answer.body.contains("注册尝试过于频繁"));
    assert!(answer.body.contains("样不符"), "what was typed stays");
}

#[actix_web::test]
async fn r1_8_the_button_pressed_twice_makes_one_account_and_says_so_twice() {
    let (outside, server) = world();
    let person = Person::sample();
    let mut visitor = Visitor::new(&server.site);
    let form = person.form();
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = visitor.post("/register", &form).await;
    // A slip in the phone number can be put right; the rest is still there.
    let edit = visitor.post(&format!("{}/edit", sent.to), &[]).await;
    assert!(edit.body.contains(&person.phone) && edit.body.contains("样张三") && !edit.body.contains(person.password));
    let code = outside.code_for(&person.phone, 0);
    let fields = [("code", code.as_str()), ("agree", "yes")];
    let mut other = Visitor::new(&server.site);
    other.get("/login").await;
    let clicks = futures_util::future::join(visitor.post(&sent.to, &fields), other.post(&sent.to, &fields));
    let (first, second) = clicks.await;
    // Each ends at the page of success: sent there, or shown it.
    for answer in [first, second] {
        let shown = if answer.status == 303 { visitor.get(&answer.to).await } else { answer };
        assert!(shown.body.contains("RZ"), "{}", shown.body);
    }
    visitor.login(&person).await;
}

#[actix_web::test]
async fn r6_3_a_page_of_one_proposal_can_not_approve_another() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    visitor.pay_with(&app, GOOD_CARD).await;
    visitor.post(&format!("{app}/payment"), &[("act", "ask")]).await;
    visitor.until(&format!("{app}/payment"), "/done").await;
    // Who presses 支付 on a page that is left over is shown where things stand, not an error.
    assert!(visitor.post(&format!("{app}/payment"), &[("act", "pay")]).await.to.ends_with("/payment"));
    let case = app.replace("/apply/", "/staff/case/");
    let mut evaluator = Visitor::new(&server.site);
    evaluator.staff("evaluator").await;
    assert_eq!(evaluator.act(&case, &[("act", "accept")]).await.status, 303);
    let refusal = [("act", "propose"), ("outcome", "refusal"), ("reason", "not-recognised")];
    assert_eq!(evaluator.act(&case, &refusal).await.status, 303);
    let mut approver = Visitor::new(&server.site);
    approver.staff("approver").await;
    let old = approver.get(&case).await.hidden("seen");
    assert_eq!(approver.act(&case, &[("act", "send-back"), ("note", "请再核对")]).await.status, 303);
    let deferral = [("act", "propose"), ("outcome", "deferral"), ("reason", "incomplete")];
    assert_eq!(evaluator.act(&case, &deferral).await.status, 303);
    assert_eq!(approver.post(&case, &[("act", "approve"), ("seen", &old)]).await.status, 409);
    assert_eq!(approver.post(&case, &[("act", "approve")]).await.status, 409, "a page that says nothing saw nothing");
    assert_eq!(approver.act(&case, &[("act", "approve")]).await.status, 303);
}

#[actix_web::test]
async fn r2_8_the_statement_is_printed_and_images_that_are_not_asked_for_are_not_submitted() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    visitor.register(&outside, &Person::sample()).await;
    let app = visitor.begin().await;
    visitor.verify(&app).await;
    visitor.fill_in(&app).await;
    let statement = visitor.get(&format!("{app}/authorisation")).await;
    assert!(statement.body.contains("110101199003070011") && statement.body.contains("University of Northshire"));
    // The same scan serves two slots, but not one slot twice.
    let (one, two) = (format!("{app}/materials/{}", SLOTS[1]), format!("{app}/materials/{}", SLOTS[3]));
    let scan = jpeg(90, 500, 400);
    assert_eq!(visitor.try_upload(&one, &[("扫描.jpg", scan.clone())]).await.unwrap().status, 303);
    assert_eq!(visitor.try_upload(&two, &[("扫描.jpg", scan.clone())]).await.unwrap().status, 303);
    assert_eq!(visitor.try_upload(&two, &[("扫描.jpg", scan)]).await.unwrap().status, 422);
    // More than fit are refused before anything is kept of them.
    let photo = format!("{app}/materials/{}", SLOTS[0]);
    let more = visitor.try_upload(&photo, &[("多.jpg", jpeg(91, 400, 300)), ("多.jpg", jpeg(92, 400, 300))]).await;
    assert_eq!(more.unwrap().status, 422);
}

#[actix_web::test]
async fn r2_13_whoever_must_log_in_first_comes_back_to_a_page_that_exists() {
    let (outside, server) = world();
    let person = Person::sample();
    let mut visitor = Visitor::new(&server.site);
    visitor.register(&outside, &person).await;
    let app = visitor.begin().await;
    visitor.verify(&app).await;
    visitor.fill_in(&app).await;
    visitor.post("/logout", &[]).await;
    let posts = [format!("{app}/reopen"), "/account/password".into(), "/account/contact".into()];
    for path in posts {
        let next = visitor.post(&path, &[("email", "a@example.com")]).await.hidden("next");
        assert!(!next.is_empty(), "{path}");
        visitor.login(&person).await;
        assert!([200, 303].contains(&visitor.get(&next).await.status), "{path} leads to {next}");
        visitor.post("/logout", &[]).await;
    }
    // A large upload by somebody who is logged out gets its answer, not a broken connection.
    let scan = vec![0_u8; 8 * 1024 * 1024];
    let answer = visitor.try_upload(&format!("{app}/materials/photo"), &[("大.jpg", scan)]).await.unwrap();
    assert!(answer.body.contains("login_password"));
    assert!(answer.hidden("next").ends_with("/materials"));
}

#[actix_web::test]
async fn pages_of_refusal_are_pages_of_ours_and_the_bank_s_post_sets_no_cookie() {
    let (_outside, server) = world();
    let visitor = Visitor::new(&server.site);
    let (status, headers) = visitor.headers("/%00").await;
    assert_eq!(status, 400);
    assert!(headers.contains_key("content-security-policy") && headers.contains_key("x-content-type-options"));
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let back = http.post(format!("{}/pay/return", server.site)).form(&[("orderId", "none")]).send().await.unwrap();
    assert_eq!(back.status(), 303);
    assert!(!back.headers().contains_key("set-cookie"));
}

#[actix_web::test]
async fn r6_1_log_ins_of_staff_are_limited_and_a_second_factor_is_used_once() {
    let (outside, server) = world();
    let mut guesser = Visitor::new(&server.site);
    for _ in 0..5 {
        let wrong = [("staff_user", "intake"), ("login_password", "wrong-guess-1")];
        assert_eq!(guesser.post("/staff/login", &wrong).await.status, 422);
    }
    let right = [("staff_user", "intake"), ("login_password", renzheng::demo::STAFF_PASSWORD)];
    assert!(guesser.post("/staff/login", &right).await.body.contains("尝试次数过多"));
    outside.pass(&server, TimeDelta::minutes(16)).await;
    let mut officer = Visitor::new(&server.site);
    let at = outside.now();
    officer.staff_at("intake", at).await;
    assert_eq!(officer.get("/staff").await.status, 200);
    // The same six digits again, within their half minute: somebody looked over a shoulder.
    let codes = renzheng::demo::staff_codes();
    let secret = &codes.iter().find(|code| code.user == "intake").unwrap().secret;
    let code = domain::one_time::totp(secret, at.timestamp()).unwrap();
    assert_eq!(guesser.post("/staff/login", &right).await.to, "/staff/code");
    assert_eq!(guesser.post("/staff/code", &[("totp", &code)]).await.status, 422);
}
