//! Staff: invitations, recovery codes, log-ins, the second factor before a decision, the audit chain, numbers (R6.1, R6.5).

use chrono::TimeDelta;
use diesel::connection::{Connection, SimpleConnection};
use renzheng::staff::statistics::guarded;

use crate::support::client::Visitor;
use crate::support::server::{Outside, Server, world};

async fn staff(outside: &Outside, server: &Server, user: &str) -> Visitor {
    let mut officer = Visitor::new(&server.site);
    officer.staff_at(user, outside.now()).await;
    officer
}

/// RFC 4648 base32, as authenticator apps read it.
fn base32(text: &str) -> Vec<u8> {
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for letter in text.chars() {
        let value = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).unwrap() as u32;
        held = (held << 5) | value;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
        }
    }
    bytes
}

#[actix_web::test]
async fn r6_1_staff_are_invited_set_up_their_second_factor_and_can_lose_it() {
    let (outside, server) = world();
    let mut admin = staff(&outside, &server, "admin").await;
    admin.get("/staff/people").await;
    let wrong = admin.post("/staff/people", &[("staff_name", "新同事"), ("staff_user", "in take")]).await;
    assert!(wrong.status == 422 && wrong.body.contains("新同事") && wrong.body.contains("用户名只能包含"));
    let taken = [("staff_name", "新同事"), ("staff_user", "intake"), ("role_intake", "yes")];
    assert!(admin.post("/staff/people", &taken).await.body.contains("已被使用"));
    let invite = [("staff_name", "新同事"), ("staff_user", "xin.tongshi"), ("role_evaluator", "yes")];
    let made = admin.post("/staff/people", &invite).await;
    let link = made.body.split("/staff/invitation/").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let link = format!("/staff/invitation/{link}");
    assert!(!admin.get("/staff/people").await.body.contains("/staff/invitation/"), "shown once");
    let mut new = Visitor::new(&server.site);
    let page = new.get(&link).await;
    assert!(page.status == 200 && page.body.contains("xin.tongshi"));
    let secret = page.body.split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let secret = base32(&secret);
    let code = || domain::one_time::totp(&secret, outside.now().timestamp()).unwrap();
    let short = [("password", "short"), ("password_again", "short"), ("totp", "000000")];
    let wrong = new.post(&link, &short).await;
    assert!(wrong.status == 422 && wrong.body.contains("密码至少 12 个字符"));
    let (password, now) = ("a-long-enough-one", code());
    let set = [("password", password), ("password_again", password), ("totp", now.as_str())];
    let done = new.post(&link, &set).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let recovery: Vec<String> =
        done.body.split("<li><code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    assert_eq!(recovery.len(), 10);
    assert_eq!(new.get(&link).await.status, 404, "used up");
    // A lost app: a recovery code stands in for it, once.
    for (expected, after) in [(303, "/staff"), (422, "")] {
        outside.pass(&server, TimeDelta::minutes(1)).await;
        let mut visitor = Visitor::new(&server.site);
        visitor.post("/staff/login", &[("staff_user", "xin.tongshi"), ("login_password", password)]).await;
        let entered = visitor.post("/staff/code", &[("totp", &recovery[0])]).await;
        assert_eq!((entered.status, entered.to.as_str()), (expected, after), "{}", entered.body);
    }
    // Log-ins are listed and can be ended; roles change at once, and a right that is gone ends where it stands.
    let mut visitor = Visitor::new(&server.site);
    visitor.post("/staff/login", &[("staff_user", "xin.tongshi"), ("login_password", password)]).await;
    visitor.post("/staff/code", &[("totp", &recovery[1])]).await;
    let me = visitor.get("/staff/me").await.body;
    assert!(me.contains("当前") && me.matches("name=\"session\"").count() == 1, "{me}");
    let people = admin.get("/staff/people").await.body;
    let card = people.split("<section class=\"card\">").find(|card| card.contains("xin.tongshi")).unwrap();
    let path = card.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(admin.post(&path, &[("act", "leave")]).await.status, 303);
    assert_eq!(visitor.get("/staff").await.to, "/staff/login");
    let mut gone = Visitor::new(&server.site);
    let refused = gone.post("/staff/login", &[("staff_user", "xin.tongshi"), ("login_password", password)]).await;
    assert_eq!(refused.status, 422);
    // Nobody closes the door behind themselves.
    let own = people.split("<section class=\"card\">").find(|card| card.contains("管理员壬")).unwrap();
    let own = own.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(admin.post(&own, &[("act", "leave")]).await.status, 409);
    // Who has not the right is told whom to ask, and it is in the log.
    let mut intake = staff(&outside, &server, "intake").await;
    let refused = intake.get("/staff/people").await;
    assert!(refused.status == 403 && refused.body.contains("请联系管理员"));
    let log = admin.get("/staff/audit").await.body;
    assert!(log.contains("refused") && log.contains("invited") && log.contains("recovery-code-used"), "{log}");
    // The calendar says what it covers.
    assert!(admin.get("/staff/calendar").await.body.contains("2026"));
}

#[actix_web::test]
async fn r6_1_a_decision_asks_for_the_second_factor_again_and_loses_nothing() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let case = app.replace("/apply/", "/staff/case/");
    let mut evaluator = staff(&outside, &server, "evaluator").await;
    evaluator.act(&case, &[("act", "accept")]).await;
    let mut approver = staff(&outside, &server, "approver").await;
    evaluator.act(&case, &[("act", "propose"), ("outcome", "certificate")]).await;
    outside.pass(&server, TimeDelta::minutes(20)).await;
    let asked = approver.act(&case, &[("act", "approve")]).await;
    assert!(asked.status == 403 && asked.body.contains("请再次确认身份"), "{}", asked.body);
    let kept = asked.hidden("kept");
    let wrong = approver.post("/staff/confirm", &[("kept", &kept), ("totp", "000000")]).await;
    assert!(wrong.status == 422 && wrong.hidden("kept") == kept);
    let codes = renzheng::demo::staff_codes();
    let secret = &codes.iter().find(|code| code.user == "approver").unwrap().secret;
    let code = domain::one_time::totp(secret, outside.now().timestamp()).unwrap();
    let go_on = approver.post("/staff/confirm", &[("kept", &kept), ("totp", &code)]).await;
    assert_eq!(go_on.status, 200, "{}", go_on.body);
    let seen = go_on.hidden("seen");
    assert_eq!(approver.post(&case, &[("act", "approve"), ("seen", &seen)]).await.status, 303);
    // A log-in that has ended loses nothing that was typed either.
    outside.pass(&server, TimeDelta::hours(11)).await;
    let note = [("act", "note"), ("remark", "一条很长的备注"), ("seen", seen.as_str())];
    let login = approver.post(&case, &note).await;
    assert!(login.body.contains("您填写的内容已保留"), "{}", login.body);
    let kept = login.hidden("kept");
    let password = renzheng::demo::STAFF_PASSWORD;
    let half = [("staff_user", "approver"), ("login_password", password), ("kept", &kept)];
    let half = approver.post("/staff/login", &half).await;
    assert_eq!((half.status, half.hidden("kept")), (200, kept.clone()));
    let code = domain::one_time::totp(secret, outside.now().timestamp()).unwrap();
    let go_on = approver.post("/staff/code", &[("totp", &code), ("kept", &kept)]).await;
    assert!(go_on.body.contains("一条很长的备注"), "{}", go_on.body);
    assert_eq!(approver.post(&case, &note).await.status, 303);
    assert!(approver.get(&case).await.body.contains("一条很长的备注"));
    assert!(approver.get(&case).await.body.contains("认证完成"));
    // R6.5: what happened is in the numbers, and can be taken away.
    let page = approver.get("/staff/statistics").await.body;
    assert!(page.contains("<svg") && page.contains("英国"), "{page}");
    let (status, csv) = approver.bytes("/staff/statistics/countries.csv").await;
    let csv = String::from_utf8(csv).unwrap();
    assert!(status == 200 && csv.starts_with('\u{feff}') && csv.contains("英国,1,0,0"), "{csv}");
    let (status, csv) = approver.bytes("/staff/statistics/cases.csv?stage=screening").await;
    assert!(status == 200 && String::from_utf8(csv).unwrap().lines().count() == 1);
    assert_eq!(approver.get("/staff/statistics/nothing.csv").await.status, 404);
    let mut finance = staff(&outside, &server, "finance").await;
    assert_eq!(finance.get("/staff/statistics").await.status, 403);
}

#[actix_web::test]
async fn r6_1_the_audit_log_is_a_chain_and_its_first_broken_link_is_named() {
    let (outside, mut server) = world();
    let mut admin = staff(&outside, &server, "admin").await;
    admin.get("/staff/audit").await;
    let mut intake = staff(&outside, &server, "intake").await;
    intake.get("/staff/people").await;
    assert_eq!(server.terminate(), Some(0));
    let verify = || {
        let command = std::process::Command::new(env!("CARGO_BIN_EXE_renzheng"))
            .args(["--data", server.data.path().to_str().unwrap(), "verify-audit"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&command.stdout).into_owned() + &String::from_utf8_lossy(&command.stderr);
        (command.status.success(), text)
    };
    let (whole, text) = verify();
    assert!(whole && text.contains("every link holds"), "{text}");
    let file = server.data.path().join("renzheng.sqlite");
    let mut raw = diesel::SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let change = "UPDATE audit SET act = 'nothing' WHERE seq = 3";
    assert!(raw.batch_execute(change).is_err(), "the database itself refuses");
    assert!(raw.batch_execute("DELETE FROM audit WHERE seq = 3").is_err());
    // Whoever takes the guard away is found out.
    raw.batch_execute("DROP TRIGGER audit_final_update").unwrap();
    raw.batch_execute(change).unwrap();
    drop(raw);
    let (whole, text) = verify();
    assert!(!whole && text.contains("entry 3"), "{text}");
}

#[test]
fn r6_5_no_cell_is_a_formula() {
    for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
        assert!(guarded(cell).starts_with('\''), "{cell}");
    }
    assert_eq!(guarded("英国"), "英国");
}
