//! What administrators set, and what follows from it: the table of materials, the share of second evaluations (R2.8, R6.1, R6.5).

use chrono::Utc;

use crate::support::client::{Person, Visitor};
use crate::support::server::{Outside, Server, world};

async fn staff(outside: &Outside, server: &Server, user: &str) -> Visitor {
    let mut officer = Visitor::new(&server.site);
    officer.staff_at(user, outside.now()).await;
    officer
}

const NEW: [(&str, &str); 8] = [
    ("act", "save"),
    ("slot_zh", "导师推荐信"),
    ("slot_en", "Letter of the supervisor"),
    ("slot_hint_zh", "信笺纸原件"),
    ("slot_hint_en", "The original on headed paper"),
    ("need", "required"),
    ("slot_images", "2"),
    ("level_master", "yes"),
];

#[actix_web::test]
async fn r2_8_a_change_of_the_table_applies_to_new_applications_only() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    visitor.register(&outside, &Person::sample()).await;
    let old = visitor.begin().await;
    visitor.verify(&old).await;
    let mut admin = staff(&outside, &server, "admin").await;
    let page = admin.get("/staff/materials/new").await;
    let version = page.hidden("version");
    // Wrong: everything comes back with its words.
    let bad = [
        ("version", version.as_str()),
        ("act", "save"),
        ("slot_zh", "推荐信"),
        ("need", "required"),
        ("slot_images", "51"),
    ];
    let wrong = admin.post("/staff/materials/new", &bad).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("请填写不超过 50 的整数") && wrong.body.contains("value=\"推荐信\""));
    let mut form = NEW.to_vec();
    form.push(("version", &version));
    assert_eq!(admin.post("/staff/materials/new", &form).await.status, 303);
    // Two administrators: the second sees that the table has moved on.
    let stale = admin.post("/staff/materials/photo", &[("act", "up"), ("version", &version)]).await;
    assert!(stale.status == 409 && stale.body.contains("另一位管理员刚刚修改"));
    let mut late = NEW.to_vec();
    late.retain(|(name, _)| *name != "slot_zh");
    late.extend([("version", version.as_str()), ("slot_zh", "第二封推荐信")]);
    let late = admin.post("/staff/materials/new", &late).await;
    assert_eq!(late.status, 422);
    assert!(
        late.body.contains("他人已更改材料表") && late.body.contains("value=\"第二封推荐信\""),
        "nothing typed is lost"
    );
    let list = admin.get("/staff/materials").await.body;
    assert!(list.contains("导师推荐信") && list.contains("第 1 版") && list.contains("硕士"));
    // What has a name keeps it, whatever is posted; nothing that always holds may be taken away whole.
    let first = admin.get("/staff/materials/photo").await.hidden("version");
    for slot in ["photo", "authorisation"] {
        let version = admin.get("/staff/materials/authorisation").await.hidden("version");
        let gone = admin.post(&format!("/staff/materials/{slot}"), &[("act", "remove"), ("version", &version)]).await;
        assert_eq!(gone.status, if slot == "photo" { 303 } else { 422 }, "{slot}");
    }
    assert_eq!(first, "1");
    // The application that was there asks for what it asked for; a new one for what stands now.
    let new = visitor.begin().await;
    visitor.verify(&new).await;
    for (app, has_letter) in [(&old, false), (&new, true)] {
        visitor.post(&format!("{app}/basic"), &crate::support::client::BASIC).await;
        visitor.post(&format!("{app}/type"), &[("kind", "foreign")]).await;
        visitor.post(&format!("{app}/credential"), &crate::support::client::CREDENTIAL).await;
        visitor.post(&format!("{app}/experience/new"), &crate::support::client::SCHOOL).await;
        visitor.post(&format!("{app}/experience"), &[]).await;
        let page = visitor.get(&format!("{app}/materials")).await.body;
        assert_eq!(page.contains("导师推荐信") && page.contains("信笺纸原件"), has_letter, "{app}");
        assert_eq!(page.contains("id=\"slot-photo\""), !has_letter, "{app}");
    }
    let empty = visitor.post(&format!("{new}/materials"), &[("act", "finish")]).await;
    assert!(empty.status == 422 && empty.body.contains("导师推荐信"));
    // Nobody else may.
    let mut intake = staff(&outside, &server, "intake").await;
    assert_eq!(intake.get("/staff/materials").await.status, 403);
    assert_eq!(intake.post("/staff/materials", &[("second_share", "5")]).await.status, 403);
}

#[actix_web::test]
async fn r6_5_a_second_evaluation_is_blind_and_its_agreement_is_counted() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let case = app.replace("/apply/", "/staff/case/");
    let mut admin = staff(&outside, &server, "admin").await;
    for wrong in ["101", "-1", "many", ""] {
        let back = admin.post("/staff/materials", &[("second_share", wrong)]).await;
        assert!(back.status == 422 && back.body.contains("请填写不超过 100 的整数"), "{wrong}");
    }
    assert_eq!(admin.post("/staff/materials", &[("second_share", "100 %")]).await.status, 303);
    let mut evaluator = staff(&outside, &server, "evaluator").await;
    assert_eq!(evaluator.act(&case, &[("act", "accept")]).await.status, 303);
    let first = [("act", "propose"), ("outcome", "deferral"), ("reason", "cannot-verify"), ("note", "查无此人甲")];
    assert_eq!(evaluator.act(&case, &first).await.status, 303);
    // It waits for somebody else, who sees nothing of the first.
    let waits = evaluator.get(&case).await.body;
    assert!(waits.contains("等待另一位评估人员") && !waits.contains("value=\"propose\""));
    assert_eq!(evaluator.act(&case, &first).await.status, 403, "not by the same");
    let mut reviewer = staff(&outside, &server, "reviewer").await;
    let blind = reviewer.get(&case).await.body;
    assert!(
        blind.contains("您看不到另一位的结论")
            && !blind.contains("查无此人甲")
            && !blind.contains("暂不认证通知单</strong>")
    );
    let moment = (Utc::now().timestamp_micros() + 1_000_000).to_string();
    assert!(!reviewer.get(&format!("{case}/at?moment={moment}")).await.body.contains("查无此人甲"));
    let mut approver = staff(&outside, &server, "approver").await;
    assert!(!approver.get(&case).await.body.contains("查无此人甲"));
    let second = [("act", "propose"), ("outcome", "certificate"), ("note", "核实无误乙")];
    assert_eq!(reviewer.act(&case, &second).await.status, 303);
    // The approver sees both; neither of the two may approve.
    let both = approver.get(&case).await.body;
    for words in ["查无此人甲", "核实无误乙", "第二位评估人员的结论不同"] {
        assert!(both.contains(words), "{words}");
    }
    assert_eq!(reviewer.act(&case, &[("act", "approve")]).await.status, 403);
    // The applicant learns nothing of it.
    let mine = visitor.get(&app.replace("/apply/", "/case/")).await.body;
    assert!(!mine.contains("独立评估") && !mine.contains("结论不同"));
    // Sent back, it is evaluated once more and no third time.
    assert_eq!(approver.act(&case, &[("act", "send-back"), ("note", "请商定")]).await.status, 303);
    assert_eq!(evaluator.act(&case, &second).await.status, 303);
    assert_eq!(approver.act(&case, &[("act", "approve")]).await.status, 303);
    let numbers = approver.get("/staff/statistics").await.body;
    assert!(numbers.contains("两次评估的一致程度"));
    let csv = approver.get("/staff/statistics/agreement-countries.csv").await.body;
    assert!(csv.contains("英国,1,0,0"), "{csv}");
    let csv = approver.get("/staff/statistics/agreement.csv").await.body;
    assert_eq!(csv.lines().count(), 3, "one row for each of the two: {csv}");
}
