//! Casework over real HTTP: supplements, reviews, withdrawal, two officers at one case (R2.14, R2.15, R4, R6.2, R6.3).

use chrono::TimeDelta;

use crate::support::client::{GOOD_CARD, Person, Visitor};
use crate::support::pictures::{jpeg, page};
use crate::support::server::{Outside, Server, world};

async fn staff(outside: &Outside, server: &Server, user: &str) -> Visitor {
    let mut officer = Visitor::new(&server.site);
    officer.staff_at(user, outside.now()).await;
    officer
}

/// A result without a certificate, so that a refund and a review are both possible.
async fn deferred(outside: &Outside, server: &Server, case: &str) {
    let mut evaluator = staff(outside, server, "evaluator").await;
    assert_eq!(evaluator.act(case, &[("act", "accept")]).await.status, 303);
    let propose = [("act", "propose"), ("outcome", "deferral"), ("reason", "cannot-verify")];
    assert_eq!(evaluator.act(case, &propose).await.status, 303);
    let mut approver = staff(outside, server, "approver").await;
    assert_eq!(approver.act(case, &[("act", "approve")]).await.status, 303);
}

#[actix_web::test]
async fn r2_15_r6_3_materials_are_asked_for_sent_and_the_case_goes_on() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let (mine, case) = (app.replace("/apply/", "/case/"), app.replace("/apply/", "/staff/case/"));
    let mut intake = staff(&outside, &server, "intake").await;
    // Nothing chosen: the form comes back with all that was typed.
    let wrong = intake.act(&case, &[("act", "supplement"), ("note", "请补成绩单"), ("until", "2026-02-30")]).await;
    assert_eq!(wrong.status, 422);
    for words in ["请至少选择一项材料", "请选择原因", "真实存在的日期", "请补成绩单", "2026-02-30"]
    {
        assert!(wrong.body.contains(words), "{words}");
    }
    let until = (outside.now().date_naive() + chrono::Days::new(20)).to_string();
    let ask = [
        ("act", "supplement"),
        ("slot_transcript", "yes"),
        ("supplement_reason", "missing"),
        ("note", "请补成绩单全部页"),
        ("until", until.as_str()),
    ];
    assert_eq!(intake.act(&case, &ask).await.status, 303);
    outside.until(&Person::sample().phone, "需补充材料").await;
    let page = visitor.get(&mine).await.body;
    for words in ["待补充材料", "请补成绩单全部页", "成绩单", "查看并提交补充材料"] {
        assert!(page.contains(words), "{words}");
    }
    // It stands in its queue; who acts is named.
    assert!(intake.get("/staff?stage=supplement").await.body.contains(&case));
    let to = format!("{mine}/supplement");
    let send = [("act", "send")];
    let empty = visitor.post(&to, &send).await;
    assert!(empty.status == 422 && empty.body.contains("请上传这项材料"), "{}", empty.body);
    visitor.get(&to).await;
    let sent = visitor.try_upload(&format!("{to}/transcript"), &[("成绩单.jpg", jpeg(91, 500, 400))]).await.unwrap();
    assert_eq!(sent.status, 303, "{}", sent.body);
    // What the case has already is told so; a slot that nobody asked for takes nothing.
    let again = visitor.try_upload(&format!("{to}/transcript"), &[("又一次.jpg", jpeg(91, 500, 400))]).await.unwrap();
    assert!(again.status == 422 && again.body.contains("内容相同"), "{}", again.body);
    let photo = visitor.try_upload(&format!("{to}/photo"), &[("照片.jpg", jpeg(92, 500, 400))]).await.unwrap();
    assert_eq!(photo.status, 404);
    visitor.until(&to, "检查通过").await;
    // Until it is sent, no officer sees it.
    assert!(!intake.get(&case).await.body.contains("成绩单.jpg"));
    assert_eq!(visitor.post(&to, &send).await.status, 303);
    assert_eq!(visitor.post(&to, &send).await.status, 303, "pressed twice");
    assert!(visitor.get(&mine).await.body.contains("已支付，待受理"));
    assert!(intake.get(&case).await.body.contains("成绩单.jpg"));
    outside.until(&Person::sample().phone, "补充材料已收到").await;
    // Handed in on paper, recorded by staff.
    assert_eq!(intake.act(&case, &ask).await.status, 303);
    let nothing = intake.act(&case, &[("act", "arrived")]).await;
    assert!(nothing.status == 422 && nothing.body.contains("请填写说明"));
    assert_eq!(intake.act(&case, &[("act", "arrived"), ("note", "窗口收到复印件两页")]).await.status, 303);
    assert!(visitor.get(&mine).await.body.contains("线下补充材料已登记"));
    // A message is read on the case page alone.
    let message = [("act", "message"), ("message", "您的照片下次请用白底")];
    assert_eq!(intake.act(&case, &message).await.status, 303);
    outside.until(&Person::sample().phone, "有新通知").await;
    assert!(visitor.get(&mine).await.body.contains("您的照片下次请用白底"));
    for sent in outside.messages_to(&Person::sample().phone) {
        assert!(!sent.contains("白底"), "no words of officers leave by SMS");
    }
    // A note is for colleagues.
    assert_eq!(intake.act(&case, &[("act", "note"), ("remark", "与上一份申请核对")]).await.status, 303);
    assert!(intake.get(&case).await.body.contains("与上一份申请核对"));
    assert!(!visitor.get(&mine).await.body.contains("与上一份申请核对"));
}

#[actix_web::test]
async fn r2_15_a_deadline_that_has_passed_goes_to_an_officer() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let (mine, case) = (app.replace("/apply/", "/case/"), app.replace("/apply/", "/staff/case/"));
    let mut intake = staff(&outside, &server, "intake").await;
    let until = (outside.now().date_naive() + chrono::Days::new(10)).to_string();
    let ask = [
        ("act", "supplement"),
        ("slot_photo", "yes"),
        ("supplement_reason", "unreadable"),
        ("note", "照片不清"),
        ("until", until.as_str()),
    ];
    assert_eq!(intake.act(&case, &ask).await.status, 303);
    outside.pass(&server, TimeDelta::days(5)).await;
    outside.until(&Person::sample().phone, "请尽快提交").await;
    outside.pass(&server, TimeDelta::days(7)).await;
    outside.until(&Person::sample().phone, "期限已过").await;
    visitor.login(&Person::sample()).await;
    let page = visitor.get(&mine).await.body;
    assert!(page.contains("在工作人员作出决定之前，您仍可提交") && page.contains("工作人员"));
    let mut intake = staff(&outside, &server, "intake").await;
    assert_eq!(intake.act(&case, &[("act", "go-on"), ("note", "以护照照片代替")]).await.status, 303);
    assert!(visitor.get(&mine).await.body.contains("已支付，待受理"));
}

#[actix_web::test]
async fn r4_3_fifty_supplementary_images_of_one_megabyte_each_and_jpg_alone() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let (mine, case) = (app.replace("/apply/", "/case/"), app.replace("/apply/", "/staff/case/"));
    deferred(&outside, &server, &case).await;
    visitor.until(&mine, "/verify/").await;
    let to = format!("{mine}/review");
    visitor.get(&to).await;
    assert_eq!(visitor.post(&to, &[("act", "begin")]).await.status, 303);
    let (images, second) = (format!("{to}/images"), format!("{to}/materials"));
    // By their bytes: one megabyte to the byte is taken, one more is not.
    let mut heavy = jpeg(60, 300, 200);
    heavy.resize(1_048_576, 0);
    assert_eq!(visitor.try_upload(&images, &[("正好.jpg", heavy.clone())]).await.unwrap().status, 303);
    heavy.push(0);
    let refused = visitor.try_upload(&images, &[("大图.jpg", heavy)]).await.unwrap();
    assert!(refused.status == 422 && refused.body.contains("1,048,576"), "{}", refused.body);
    // By what they are, whatever they are called.
    let renamed = visitor.try_upload(&images, &[("其实是.jpg", b"\x89PNG\r\n\x1a\nxxxx".to_vec())]).await.unwrap();
    assert!(renamed.status == 422 && renamed.body.contains("不是 JPG 图片"));
    // By their number: the fiftieth is taken, the fifty-first is not.
    for batch in 0..3_u8 {
        let count = if batch == 2 { 9 } else { 20 };
        let files: Vec<_> = (0..count).map(|n| ("来函.jpg", page(u32::from(batch) * 20 + n))).collect();
        assert_eq!(visitor.try_upload(&images, &files).await.unwrap().status, 303);
    }
    visitor.until(&second, "50 / 50").await;
    let full = visitor.try_upload(&images, &[("第五十一.jpg", page(99))]).await.unwrap();
    assert!(full.status == 422 && full.body.contains("最多上传 50 张"), "{}", full.body);
}

#[actix_web::test]
async fn r4_2_r4_4_r4_5_a_review_is_asked_for_decided_by_others_and_supersedes() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let (mine, case) = (app.replace("/apply/", "/case/"), app.replace("/apply/", "/staff/case/"));
    let to = format!("{mine}/review");
    assert!(visitor.get(&to).await.body.contains("认证还没有结果"), "R4.1: the page says why");
    deferred(&outside, &server, &case).await;
    let issued = visitor.until(&mine, "/verify/").await.body;
    let old = issued.split("href=\"/verify/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // R4.2: the notes are read first.
    let notes = visitor.get(&to).await.body;
    assert!(notes.contains("《复核需知》") && !notes.contains("review_words"));
    assert_eq!(visitor.post(&to, &[("act", "begin")]).await.status, 303);
    let images = format!("{to}/images");
    visitor.get(&to).await;
    // R4.4: what was submitted is known: as it was sent, as we show it, and turned by us.
    let known = visitor.try_upload(&images, &[("又是照片.jpg", jpeg(0, 400, 300))]).await.unwrap();
    assert!(known.status == 422 && known.body.contains("内容相同"), "{}", known.body);
    let shown = visitor.get(&format!("{app}/done")).await.body;
    assert!(!shown.is_empty());
    let mut reviewer = staff(&outside, &server, "reviewer").await;
    let body = reviewer.get(&case).await.body;
    let image = body.split("img src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let ours = reviewer.bytes(&image).await.1;
    let known = visitor.try_upload(&images, &[("下载的.jpg", ours)]).await.unwrap();
    assert!(known.status == 422 && known.body.contains("内容相同"), "the copy that we show");
    let turned = reviewer.bytes(&format!("{image}?turns=1")).await.1;
    assert_eq!(visitor.try_upload(&images, &[("转过的.jpg", turned)]).await.unwrap().status, 303);
    let second = format!("{to}/materials");
    let told = visitor.until(&second, "在申请中已经提交过").await.body;
    let id = told.split("name=\"image\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // Without its reason it goes nowhere; what was typed and left is kept.
    let unread = visitor.post(&to, &[("act", "next"), ("review_words", "补充一份")]).await;
    assert!(unread.status == 422 && unread.body.contains("补充一份"), "{}", unread.body);
    assert_eq!(visitor.post(&to, &[("act", "later"), ("review_words", "补充一份")]).await.status, 303);
    assert!(visitor.get(&to).await.body.contains("补充一份"));
    let write = [("act", "next"), ("review_reason", "new-material"), ("review_words", "补充一份学校来函")];
    assert_eq!(visitor.post(&to, &write).await.to, second);
    let ask = [("act", "ask"), ("review_understood", "yes")];
    let flawed = visitor.post(&second, &ask).await;
    assert!(
        flawed.status == 422 && flawed.body.contains("有不能使用的图片") && flawed.body.contains("补充一份学校来函")
    );
    assert_eq!(visitor.post(&second, &[("act", "delete"), ("image", &id)]).await.status, 303);
    // Fifty are taken, the fifty-first is not.
    for batch in 0..3_u8 {
        let count = if batch == 2 { 10 } else { 20 };
        let files: Vec<_> = (0..count).map(|n| ("来函.jpg", page(u32::from(batch) * 20 + n))).collect();
        let sent = visitor.try_upload(&images, &files).await.unwrap();
        assert_eq!(sent.status, 303, "{}", sent.body);
    }
    let full = visitor.try_upload(&images, &[("第五十一.jpg", page(99))]).await.unwrap();
    assert!(full.status == 422 && full.body.contains("最多上传 50 张"), "{}", full.body);
    visitor.until(&second, "50 / 50").await;
    for _ in 0..600 {
        if !visitor.get(&second).await.body.contains("正在检查") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    // Nothing ticked, nothing asked.
    let unread = visitor.post(&second, &ask[..1]).await;
    assert!(unread.status == 422 && unread.body.contains("请阅读《复核需知》"), "{}", unread.body);
    let asked = visitor.post(&second, &ask).await;
    assert_eq!(asked.status, 303, "{}", asked.body);
    assert!(visitor.get(&to).await.body.contains("复核中"), "R4.5: its state is visible");
    // R5.2: no refund meanwhile, and the page says why.
    assert!(visitor.get(&format!("{mine}/refund")).await.body.contains("复核正在进行中"));
    // Not by those who decided.
    let own = {
        outside.pass(&server, TimeDelta::minutes(1)).await;
        let mut evaluator = staff(&outside, &server, "evaluator").await;
        assert!(evaluator.get(&case).await.body.contains("须由其他同事复核"));
        evaluator.act(&case, &[("act", "uphold"), ("note", "维持")]).await
    };
    assert_eq!(own.status, 403);
    assert!(reviewer.get("/staff?stage=reviewing").await.body.contains(&case), "R6.4: a queue of its own");
    let revise = [("act", "revise"), ("outcome", "certificate"), ("note", "学校来函可证")];
    assert_eq!(reviewer.act(&case, &revise).await.status, 303);
    assert_eq!(reviewer.act(&case, &[("act", "review-approve")]).await.status, 403, "a second person");
    let mut chief = staff(&outside, &server, "chief").await;
    assert_eq!(chief.act(&case, &[("act", "review-approve")]).await.status, 303);
    outside.until(&Person::sample().phone, "复核已完成").await;
    // The new document is there, the old one is said to be superseded.
    let page = visitor.until(&mine, "href=\"/verify/").await.body;
    assert!(page.contains("认证书"));
    let mut anybody = Visitor::new(&server.site);
    assert!(anybody.get(&format!("/verify/{old}")).await.body.contains("verdict-superseded"));
    let new = page.split("href=\"/verify/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(new != old && anybody.get(&format!("/verify/{new}")).await.body.contains("verdict-valid"));
    assert!(visitor.get(&to).await.body.contains("已变更结果"));
    // And with a certificate there is no refund.
    assert!(!visitor.get(&format!("{mine}/refund")).await.body.contains("refund_reason"));
}

#[actix_web::test]
async fn casework_an_unpaid_application_is_withdrawn_after_a_page_between_and_late_money_goes_back() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    let mine = app.replace("/apply/", "/case/");
    let leaving = visitor.post(&format!("{app}/payment"), &[("act", "pay")]).await;
    assert!(visitor.get(&format!("{mine}/withdraw")).await.body.contains("确认退出"));
    assert_eq!(visitor.post(&format!("{mine}/withdraw"), &[]).await.status, 303);
    assert!(visitor.get(&mine).await.body.contains("已退出"));
    assert!(visitor.post(&format!("{app}/payment"), &[("act", "pay")]).await.status != 200, "nothing is to be paid");
    // The browser was at the bank all the while.
    Visitor::play(&leaving, GOOD_CARD).await;
    outside.until(&Person::sample().phone, "退费已完成").await;
    assert_eq!(outside.taken(), 36_000);
    let back: i64 = outside
        .state
        .read(|book| book.refunds.values().map(|refund| refund.request["txnAmt"].parse::<i64>().unwrap()).sum());
    assert_eq!(back, 36_000);
}

#[actix_web::test]
async fn r6_2_two_officers_meet_and_neither_loses_anything() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let case = app.replace("/apply/", "/staff/case/");
    let id = app.replace("/apply/", "");
    let (mut intake, mut evaluator) =
        (staff(&outside, &server, "intake").await, staff(&outside, &server, "evaluator").await);
    // Claimed from the queue, without scripts.
    let queue = intake.get("/staff?stage=screening&country=GB&kind=foreign&holder=nobody").await;
    assert!(queue.body.contains(&case));
    let field = format!("case_{id}");
    let claims = [(field.as_str(), "yes"), ("back", "/staff?stage=screening")];
    assert_eq!(intake.post("/staff/claims", &claims).await.to, "/staff?stage=screening");
    assert!(intake.get("/staff?stage=screening&holder=mine").await.body.contains(&case));
    evaluator.get("/staff").await;
    evaluator.post("/staff/claims", &claims).await;
    assert!(evaluator.get(&case).await.body.contains("受理员甲"), "the first has it");
    assert_eq!(evaluator.act(&case, &[("act", "claim")]).await.status, 409);
    // Both look; one accepts; the other one's form is not true any more, and says so with what was typed.
    let seen = evaluator.get(&case).await.hidden("seen");
    assert_eq!(intake.act(&case, &[("act", "accept")]).await.status, 303);
    let stale = [("act", "not-accept"), ("reason", "incomplete"), ("note", "缺少成绩单"), ("seen", seen.as_str())];
    let conflict = evaluator.post(&case, &stale).await;
    assert_eq!(conflict.status, 409);
    assert!(conflict.body.contains("缺少成绩单") && conflict.body.contains("认证评估中"));
    // Found by name, by document, by number; nothing of it stands in an address.
    for who in ["样张三", "110101199003070011"] {
        let found = intake.post("/staff/search", &[("who", who)]).await;
        assert!(found.status == 200 && found.body.contains(&case), "{who}");
    }
    let none = intake.post("/staff/search", &[("who", "查无此人")]).await;
    assert!(none.status == 200 && none.body.contains("role=\"alert\""));
    // A hold, an enquiry abroad, enhanced review: each in words on the applicant's page.
    let until = (outside.now().date_naive() + chrono::Days::new(3)).to_string();
    let hold = [("act", "hold"), ("hold_reason", "authority"), ("hold_until", until.as_str())];
    assert_eq!(evaluator.act(&case, &hold).await.status, 303);
    let mine = app.replace("/apply/", "/case/");
    assert!(visitor.get(&mine).await.body.contains("等待主管部门意见"));
    outside.pass(&server, TimeDelta::days(4)).await;
    outside.until(&Person::sample().phone, "已恢复处理").await;
    let mut evaluator = staff(&outside, &server, "evaluator").await;
    assert_eq!(evaluator.act(&case, &[("act", "abroad"), ("institution", "北郡大学注册处")]).await.status, 303);
    visitor.login(&Person::sample()).await;
    let page = visitor.get(&mine).await.body;
    assert!(page.contains("境外核查中") && page.contains("境外院校或机构"));
    assert_eq!(evaluator.act(&case, &[("act", "answered"), ("answer", "属实")]).await.status, 303);
    assert_eq!(evaluator.act(&case, &[("act", "enhance")]).await.status, 303);
    let page = visitor.get(&mine).await.body;
    assert!(page.contains("加强审查") && page.contains("预计完成时间的变更"), "R2.14: old, new and why");
    // The viewer stands beside the answers.
    let body = evaluator.get(&case).await.body;
    let view = body.split("href=\"").find(|part| part.contains("/view/")).unwrap().split('"').next().unwrap();
    let view = view.to_owned();
    let large = evaluator.get(&format!("{view}?zoom=200&turns=1")).await.body;
    assert!(large.contains("zoom-200") && large.contains("turns=1") && large.contains("北郡大学"));
}

#[actix_web::test]
async fn r2_8_images_come_from_the_phone_and_the_check_page_says_what_an_officer_would_ask() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    visitor.register(&outside, &Person::sample()).await;
    let app = visitor.begin().await;
    visitor.verify(&app).await;
    visitor.fill_in(&app).await;
    let check = visitor.get(&format!("{app}/confirm")).await.body;
    for words in ["提交前的检查", "没有填写证书编号", "成绩单：建议提供", "学位/毕业证书"] {
        assert!(check.contains(words) || words == "学位/毕业证书", "{words}: {check}");
    }
    assert!(check.contains("只有一张图片"), "one side of the identity card");
    // The code opens on one phone, for one slot, for ten minutes.
    visitor.get(&format!("{app}/materials")).await;
    let invited = visitor.post(&format!("{app}/phone/transcript"), &[]).await;
    assert_eq!(invited.status, 200, "{}", invited.body);
    let link = invited.body.split("/phone/").find(|part| part.len() > 64 && part.as_bytes()[64] == b'"').unwrap();
    let link = format!("/phone/{}", &link[..64]);
    let mut phone = Visitor::new(&server.site);
    let open = phone.get(&link).await;
    assert!(open.status == 200 && open.body.contains("成绩单") && !open.body.contains("样张三"));
    let mut other = Visitor::new(&server.site);
    let gone = other.get(&link).await;
    assert!(gone.status == 409 && gone.body.contains("二维码"), "another phone");
    let sent = phone.try_upload(&link, &[("手机.jpg", jpeg(77, 1_200, 1_600))]).await.unwrap();
    assert_eq!(sent.status, 303, "{}", sent.body);
    assert!(visitor.until(&format!("{app}/materials"), "检查通过，1200").await.body.contains("手机.jpg"));
    let wrong = phone.try_upload(&link, &[("不是图片.jpg", b"text".to_vec())]).await.unwrap();
    assert_eq!(wrong.status, 303, "judged later, as everything is");
    phone.until(&link, "这不是 JPG 或 PNG 图片").await;
    outside.pass(&server, TimeDelta::minutes(11)).await;
    assert_eq!(phone.get(&link).await.status, 409, "too late");
    assert_eq!(phone.try_upload(&link, &[("晚.jpg", jpeg(78, 300, 300))]).await.unwrap().status, 409);
}

#[actix_web::test]
async fn r6_2_the_file_can_be_seen_as_it_stood_at_any_moment() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let case = app.replace("/apply/", "/staff/case/");
    let mut intake = staff(&outside, &server, "intake").await;
    assert_eq!(intake.act(&case, &[("act", "note"), ("remark", "第一条备注")]).await.status, 303);
    let between = chrono::Utc::now().timestamp_micros();
    assert_eq!(intake.act(&case, &[("act", "note"), ("remark", "第二条备注")]).await.status, 303);
    assert_eq!(intake.act(&case, &[("act", "accept")]).await.status, 303);
    let then = intake.get(&format!("{case}/at?moment={between}")).await.body;
    assert!(then.contains("第一条备注") && !then.contains("第二条备注"), "{then}");
    assert!(then.contains("已支付，待受理") && then.contains("北郡大学") && !then.contains("name=\"act\""));
    // Each line of the timeline leads to its moment; before the first there was nothing to see.
    let page = intake.get(&case).await.body;
    let link = page.split("href=\"").find(|part| part.contains("/at?moment=")).unwrap().split('"').next().unwrap();
    assert_eq!(intake.get(link).await.status, 200);
    let before = intake.get(&format!("{case}/at?moment=1600000000000000")).await;
    assert!(before.status == 200 && before.body.contains("没有保存当时的案卷"));
    for junk in ["", "abc", "-1", "9999999999999999999999"] {
        assert_eq!(intake.get(&format!("{case}/at?moment={junk}")).await.status, 404, "{junk}");
    }
    let mut finance = staff(&outside, &server, "finance").await;
    assert_eq!(finance.get(&format!("{case}/at?moment={between}")).await.status, 403);
}

/// What a stream says until the words come.
async fn heard(stream: &mut reqwest::Response, words: &str) {
    let mut all = String::new();
    while !all.contains(words) {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(20), stream.chunk()).await;
        all.push_str(&String::from_utf8_lossy(&chunk.expect("nothing is said").unwrap().expect("the stream ended")));
    }
}

/// The address of the stream of a page.
fn stream_of(page: &str) -> String {
    let address = page.split("data-hx-sse:connect=\"").nth(1).unwrap().split('"').next().unwrap();
    address.replace("&amp;", "&")
}

#[actix_web::test]
async fn r6_2_two_officers_who_meet_in_a_case_see_each_other_at_once() {
    let (outside, mut server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let case = app.replace("/apply/", "/staff/case/");
    let mut intake = staff(&outside, &server, "intake").await;
    let page = intake.get(&case).await;
    let mut first = intake.stream(&stream_of(&page.body)).await;
    assert_eq!(first.headers()["content-type"], "text/event-stream");
    let list = intake.get("/staff?stage=screening").await.body;
    let mut queue = intake.stream(&stream_of(&list)).await;
    let mut reviewer = staff(&outside, &server, "reviewer").await;
    let theirs = reviewer.get(&case).await.body;
    let second = reviewer.stream(&stream_of(&theirs)).await;
    heard(&mut first, "也正在查看这份申请").await;
    assert_eq!(intake.act(&case, &[("act", "claim")]).await.status, 303);
    heard(&mut first, "有变化").await;
    heard(&mut queue, "队列有变化").await;
    drop(second);
    // Whoever may not see cases hears nothing.
    let finance = staff(&outside, &server, "finance").await;
    assert_eq!(finance.stream(&format!("{case}/live?known=x")).await.status(), 403);
    // An open stream keeps nobody from ending.
    let begun = std::time::Instant::now();
    assert_eq!(server.terminate(), Some(0));
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "{:?}", begun.elapsed());
}

#[actix_web::test]
async fn r6_2_a_case_is_assigned_and_a_curable_reason_fills_the_request_in() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let case = app.replace("/apply/", "/staff/case/");
    let mut approver = staff(&outside, &server, "approver").await;
    let page = approver.get(&case).await.body;
    let option = |name: &str| {
        let select = page.split("name=\"assign_to\"").nth(1).unwrap().split("</select>").next().unwrap();
        let part = select.split("<option value=\"").find(|part| part.contains(name)).unwrap();
        part.split('"').next().unwrap().to_owned()
    };
    let to = option("评估");
    assert_eq!(approver.act(&case, &[("act", "assign"), ("assign_to", "nobody")]).await.status, 422);
    assert_eq!(approver.act(&case, &[("act", "assign"), ("assign_to", &to)]).await.status, 303);
    let mut intake = staff(&outside, &server, "intake").await;
    assert_eq!(intake.act(&case, &[("act", "assign"), ("assign_to", &to)]).await.status, 403);
    assert!(intake.get(&case).await.body.contains("经办人"));
    let cured = intake.get(&format!("{case}?cure=incomplete")).await.body;
    let form = cured.split("id=\"supplement\"").nth(1).unwrap().split("</form>").next().unwrap();
    assert!(form.contains("材料不齐全") && form.contains("value=\"incomplete\" selected"), "{form}");
    assert_eq!(intake.get(&format!("{case}?cure=nonsense")).await.status, 200);
}
