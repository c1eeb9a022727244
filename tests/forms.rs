//! Bad input, over real HTTP: the page comes back with what was typed and the words that help; nothing gives a 500.

use chrono::TimeDelta;

use crate::support::client::{BASIC, CREDENTIAL, GOOD_CARD, Person, SILENT_CARD, Visitor};
use crate::support::pictures::jpeg;
use crate::support::server::world;

/// R1.2, R1.4, R1.5, R1.8 and R1.9 over real HTTP.
#[actix_web::test]
async fn r1_2_to_r1_8_registration_says_what_is_wrong_and_keeps_what_was_typed() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let person = Person::sample();
    let wrong = [
        ("name", "ZHANG SAN", "请填写中文姓名"),
        ("document_number", "110101199003070012", "最后一位校验码不对"),
        ("document_number", "110101900307001", "15 位身份证号码已停用"),
        ("gender", "female", "性别与证件号码不一致"),
        ("valid_to", "2019-01-01", "证件已过期"),
        ("valid_from", "2019-02-30", "请填写真实存在的日期"),
        ("phone", "+852 9123 4567", "11 位中国内地手机号码"),
        ("email", "nobody", "完整的邮箱地址"),
        ("password", "short1", "密码须为 8 至 20 个字符"),
        ("password", "onlyletters", "至少包含一个数字"),
        ("document_type", "PASSPORT", "该证件类型与国籍不符"),
    ];
    for (field, value, words) in wrong {
        let mut form = person.form();
        form.retain(|(name, _)| *name != field && !(field == "password" && *name == "password_again"));
        form.push((field, value.into()));
        if field == "password" {
            form.push(("password_again", value.into()));
        }
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let back = visitor.post("/register", &form).await;
        assert_eq!(back.status, 422, "{field}={value}");
        assert!(back.body.contains(words), "{field}={value}: {words}");
        assert!(back.body.contains("<title>错误："), "{field}");
        assert!(back.body.contains(&person.phone) || field == "phone", "{field}: what was typed is kept");
    }
    // R1.8: the box must be ticked, and the code survives that it was not.
    let form = person.form();
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = visitor.post("/register", &form).await;
    let code = outside.code_for(&person.phone, 0);
    let unticked = visitor.post(&sent.to, &[("code", &code)]).await;
    assert_eq!(unticked.status, 422);
    assert!(unticked.body.contains("请阅读并勾选同意"));
    let mistyped = visitor.post(&sent.to, &[("code", "000000"), ("agree", "yes")]).await;
    assert!(mistyped.body.contains("还可尝试 4 次"), "{}", mistyped.body);
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    assert_eq!(visitor.post(&sent.to, &[("code", &spaced), ("agree", "yes")]).await.to, sent.to);
    // What was typed is destroyed; the page of success is still there for whoever looks again.
    assert!(visitor.get(&sent.to).await.body.contains("RZ"));
    // R1.10: a second account with the same phone; whose it is is not said.
    let again = visitor.post("/register", &form).await;
    assert_eq!(again.status, 422);
    assert!(again.body.contains("已用于其他账户"));
    // R1.9: user name and password went out by SMS and mail; the password is nowhere in the clear.
    for _ in 0..400 {
        if outside.messages_to(&person.phone).iter().any(|text| text.contains("RZ")) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    let told = outside.messages_to(&person.phone);
    assert!(told.iter().any(|text| text.contains("RZ") && text.contains(person.password)));
    assert!(!server.log().contains(person.password) && !server.log().contains(&person.phone));
    let rows = std::fs::read(server.data.path().join("renzheng.sqlite")).unwrap();
    assert!(!rows.windows(person.password.len()).any(|part| part == person.password.as_bytes()));
}

#[actix_web::test]
async fn r1_6_the_identity_service_decides_on_name_and_number() {
    let (_outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    for (name, number, words) in [
        ("误不符", "110101198501010017", "核验不一致"),
        ("误查无", "110101198502020014", "未查到该证件"),
        ("别张三", "110101199003070011", "核验不一致"),
    ] {
        let person = Person { name, number, ..Person::sample() };
        let form = person.form();
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let back = visitor.post("/register", &form).await;
        assert_eq!(back.status, 422);
        assert!(back.body.contains(words), "{name}");
    }
}

#[actix_web::test]
async fn r2_1_login_locks_password_is_reset_and_all_log_ins_end() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let person = Person::sample();
    visitor.register(&outside, &person).await;
    let mut other = Visitor::new(&server.site);
    for typed in ["13800138000", "+86 13800138000", "138-0013-8000", "8613800138000"] {
        let wrong = other.post("/login", &[("who", typed), ("login_password", "wrong-1234")]).await;
        assert!(wrong.body.contains("用户名或密码不正确"), "{typed}");
        assert!(wrong.body.contains(typed));
    }
    other.post("/login", &[("who", "13800138000"), ("login_password", "wrong-1234")]).await;
    let locked = other.post("/login", &[("who", "138 0013 8000"), ("login_password", person.password)]).await;
    assert!(locked.body.contains("尝试次数过多"), "however it is written, it is one account");
    // Forgotten password: nothing is said about whether there is an account.
    let nobody = other.post("/forgotten", &[("who", "nobody@example.com"), ("channel", "mail")]).await;
    assert_eq!(nobody.status, 303);
    // The mailbox was never verified: whoever sits at it gets no code, and the phone does in its place.
    outside.pass(&server, TimeDelta::minutes(2)).await;
    let before = outside.messages_to(&person.phone).len();
    let asked = other.post("/forgotten", &[("who", &person.email), ("channel", "mail")]).await;
    let code = outside.code_for(&person.phone, before);
    assert!(outside.messages_to(&person.email).iter().all(|mail| !mail.contains(&code)));
    let new = [("code", code.as_str()), ("password", "moony-night-43"), ("password_again", "moony-night-43")];
    assert_eq!(other.post(&asked.to, &new).await.to, "/login");
    // Who has proven to be the owner is not locked out any more; and the way on leads to our own pages only.
    let elsewhere = [("who", "13800138000"), ("login_password", "moony-night-43"), ("next", "/\t/evil.example")];
    assert_eq!(other.post("/login", &elsewhere).await.to, "/centre");
    // The first browser is logged out by it; what it types is kept over the log-in.
    let app = "/centre/applications";
    assert!(visitor.get(app).await.body.contains("login_password"));
}

#[actix_web::test]
async fn r2_13_a_session_that_ran_out_loses_nothing_and_two_windows_see_both_versions() {
    let (outside, server) = world();
    let person = Person::sample();
    let mut visitor = Visitor::new(&server.site);
    visitor.register(&outside, &person).await;
    let app = visitor.begin().await;
    visitor.verify(&app).await;
    let basic = format!("{app}/basic");
    // 保存并稍后继续 keeps what is not right yet.
    let later = visitor.post(&basic, &[("birthplace", "样例市"), ("later", "yes")]).await;
    assert_eq!(later.to, app);
    assert!(visitor.get(&basic).await.body.contains("样例市"));
    // Two windows.
    let seen = visitor.get(&basic).await.hidden("seen");
    let mut first = BASIC.to_vec();
    first.push(("seen", &seen));
    assert_eq!(visitor.post(&basic, &first).await.status, 303);
    let mut second: Vec<_> = BASIC.iter().copied().filter(|(name, _)| *name != "birthplace").collect();
    second.extend([("birthplace", "另一城市"), ("seen", seen.as_str())]);
    let conflict = visitor.post(&basic, &second).await;
    assert_eq!(conflict.status, 409);
    assert!(conflict.body.contains("另一城市") && conflict.body.contains("样例市"));
    second.push(("mine", "yes"));
    assert_eq!(visitor.post(&basic, &second).await.status, 303);
    // The same form twice is no conflict.
    assert_eq!(visitor.post(&basic, &second).await.status, 303);
    // The session ends elsewhere; the form that is sent then comes along through the log-in.
    let mut other = Visitor::new(&server.site);
    other.login(&person).await;
    other.post("/account/logout-everywhere", &[]).await;
    let kept = visitor.post(&basic, &[("birthplace", "第三城市")]).await;
    assert!(kept.body.contains("已经保留"), "{}", kept.body);
    let sealed = kept.hidden("kept");
    let entered =
        visitor.post("/login", &[("who", &person.phone), ("login_password", person.password), ("kept", &sealed)]).await;
    assert!(entered.body.contains("第三城市"), "{}", entered.body);
    // Switching the language submits the form and keeps what was typed.
    let english = visitor.post(&basic, &[("birthplace", "第四城市"), ("switch_language", "en")]).await;
    assert!(english.body.contains("第四城市") && english.body.contains("Place of birth"));
}

#[actix_web::test]
async fn r2_2_an_application_belongs_to_one_applicant() {
    let (outside, server) = world();
    let mut owner = Visitor::new(&server.site);
    owner.register(&outside, &Person::sample()).await;
    let app = owner.begin().await;
    let person = Person {
        name: "例李四",
        gender: "female",
        number: "310101200002290023",
        phone: "13800138001".into(),
        email: "li.lisi@example.com".into(),
        ..Person::sample()
    };
    let mut other = Visitor::new(&server.site);
    other.register(&outside, &person).await;
    for path in [app.clone(), format!("{app}/basic"), app.replace("/apply/", "/case/"), format!("{app}/payment")] {
        assert_eq!(other.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(other.post(&format!("{app}/delete"), &[]).await.status, 404);
    // A form from elsewhere is not believed.
    let forged =
        reqwest::Client::new().post(format!("{}/login", server.site)).form(&[("who", "x")]).send().await.unwrap();
    assert_eq!(forged.status().as_u16(), 403);
    // No 500, whatever is asked for.
    for path in
        ["/apply/x", "/verify/%00%00", "/case/..%2f..", "/register/%E4%B8%AD", "/staff?after=x.y", "/payments/'"]
    {
        assert!(other.get(path).await.status < 500, "{path}");
    }
    let nul = other.post("/login", &[("who", "a\0b"), ("login_password", "x")]).await;
    assert_eq!(nul.status, 422);
}

/// R2.5, R2.6, R2.7, R2.8 and R2.9 by their refusals.
#[actix_web::test]
async fn r2_5_to_r2_9_steps_check_their_answers_and_files_are_told_apart() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    visitor.register(&outside, &Person::sample()).await;
    let app = visitor.begin().await;
    // Step 2 before step 1 leads back to step 1.
    assert!(visitor.get(&format!("{app}/basic")).await.to.ends_with("/verification"));
    visitor.verify(&app).await;
    visitor.post(&format!("{app}/basic"), &BASIC).await;
    visitor.post(&format!("{app}/type"), &[("kind", "hkmt")]).await;
    let wrong = visitor.post(&format!("{app}/credential"), &CREDENTIAL).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("国家/地区与申请类型不符"));
    visitor.post(&format!("{app}/type"), &[("kind", "foreign")]).await;
    assert_eq!(visitor.post(&format!("{app}/credential"), &CREDENTIAL).await.status, 303);
    let alone = visitor.post(&format!("{app}/experience"), &[]).await;
    assert_eq!(alone.status, 422);
    assert!(alone.body.contains("至少填写两条"));
    visitor.post(&format!("{app}/experience/new"), &crate::support::client::SCHOOL).await;
    let rows = visitor.get(&format!("{app}/experience")).await;
    assert!(rows.body.contains("2008-06 至 2017-09 之间没有填写"), "a gap is pointed out");
    visitor.post(&format!("{app}/experience"), &[]).await;

    let photo = format!("{app}/materials/photo");
    let said = |body: &str, words: &str| assert!(body.contains(words), "{words}");
    visitor.get(&format!("{app}/materials")).await;
    said(&visitor.try_upload(&photo, &[]).await.unwrap().body, "请先选择要上传的图片");
    said(&visitor.try_upload(&photo, &[("空.jpg", vec![])]).await.unwrap().body, "空.jpg");
    let flood = vec![0_u8; 21 * 1024 * 1024];
    match visitor.try_upload(&photo, &[("大.jpg", flood)]).await {
        Ok(answer) => said(&answer.body, "超过 20 MB"),
        // The server does not wait for the rest of a flood.
        Err(error) => assert!(error.is_request() || error.is_body(), "{error}"),
    }
    let mut cut = jpeg(1, 600, 400);
    cut.truncate(cut.len() / 3);
    let mut bomb = jpeg(2, 200, 200);
    let frame = bomb.windows(2).position(|part| part == [0xff, 0xc0]).unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    let files = [
        ("截断.jpg", cut, "图片已损坏或不完整"),
        ("文字.jpg", b"not an image".to_vec(), "这不是 JPG 或 PNG 图片"),
        ("文件.jpg", b"%PDF-1.4 sample".to_vec(), "这是 PDF 文件"),
        ("巨大.jpg", bomb, "图片像素过大"),
        ("很小.jpg", jpeg(3, 20, 20), "图片太小"),
    ];
    for (name, bytes, words) in files {
        let sent = visitor.try_upload(&photo, &[(name, bytes)]).await.unwrap();
        assert_eq!(sent.status, 303, "{name}");
        let page = visitor.until(&format!("{app}/materials"), words).await;
        let id = page.hidden("image");
        assert!(page.body.contains(name));
        visitor.post(&format!("{app}/materials"), &[("act", "delete"), ("image", &id)]).await;
    }
    assert_eq!(visitor.try_upload(&photo, &[("ملف-样例.jpg", jpeg(9, 300, 300))]).await.unwrap().status, 303);
    let page = visitor.until(&format!("{app}/materials"), "检查通过").await;
    let id = page.hidden("image");
    visitor.post(&format!("{app}/materials"), &[("act", "rotate"), ("image", &id)]).await;
    let (status, turned) = visitor.bytes(&format!("{app}/image/{id}")).await;
    assert_eq!(status, 200);
    assert!(turned.starts_with(&[0xff, 0xd8]));
    let identity = format!("{app}/materials/identity");
    assert_eq!(visitor.try_upload(&identity, &[("once.jpg", jpeg(9, 300, 300))]).await.unwrap().status, 303);
    let twin = visitor.try_upload(&identity, &[("again.jpg", jpeg(9, 300, 300))]).await.unwrap();
    assert_eq!(twin.status, 422);
    assert!(twin.body.contains("内容相同"));
    let open = visitor.post(&format!("{app}/materials"), &[("act", "finish")]).await;
    assert_eq!(open.status, 422);
    assert!(open.body.contains("请上传这项材料"));
    // R2.9: nothing is submitted while a step is open.
    assert!(visitor.post(&format!("{app}/confirm"), &[("declaration", "yes")]).await.to.ends_with(&app));
}

#[actix_web::test]
async fn r2_10_r2_11_however_a_payment_goes_it_ends_right() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    let paying = format!("{app}/payment");
    // Declined: nothing is paid, another attempt is possible.
    assert!(visitor.pay_with(&app, "6216261000000000034").await.contains("发卡行拒绝"));
    // The browser's return proves nothing.
    let order = outside.state.read(|book| book.orders.values().next().unwrap().request["orderId"].clone());
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let back =
        http.post(format!("{}/pay/return", server.site)).form(&[("orderId", order.as_str()), ("respCode", "00")]);
    assert_eq!(back.send().await.unwrap().status().as_u16(), 303);
    // A forged notification is refused.
    let forged = [
        ("orderId", order.as_str()),
        ("respCode", "00"),
        ("merId", sandbox::MERCHANT),
        ("version", "5.1.0"),
        ("signMethod", "01"),
        ("signature", "AAAA"),
        ("signPubKeyCert", sandbox::MERCHANT_PEM),
    ];
    let refused = http.post(format!("{}/pay/notify", server.site)).form(&forged).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 400);
    assert!(!visitor.get(&paying).await.to.ends_with("/done"));
    // Paid without a notification: 支付成功 has the gateway asked.
    visitor.pay_with(&app, SILENT_CARD).await;
    visitor.post(&paying, &[("act", "ask")]).await;
    visitor.until(&paying, "/done").await;
    assert!(visitor.post(&paying, &[("act", "pay")]).await.to.ends_with("/payment"), "paid is paid");
    let list = visitor.get("/payments").await;
    let receipt = list.body.split("href=\"/payments/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (status, pdf) = visitor.bytes(&format!("/payments/{receipt}/receipt.pdf")).await;
    assert!(status == 200 && pdf.starts_with(b"%PDF"));
    let receipt = visitor.get(&format!("/payments/{receipt}")).await;
    assert!(receipt.body.contains("叁佰陆拾元整") && receipt.body.contains("样张三"));
    assert_eq!(outside.taken(), 36_000);
}

#[actix_web::test]
async fn r2_10_two_tabs_pay_twice_and_the_second_is_surplus_another_amount_is_parked() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    let paying = format!("{app}/payment");
    // The second tab's order is opened before the first one's money is known.
    outside.state.change(|book| book.notifications_off = true);
    visitor.pay_with(&app, GOOD_CARD).await;
    visitor.pay_with(&app, GOOD_CARD).await;
    visitor.post(&paying, &[("act", "ask")]).await;
    visitor.until(&paying, "/done").await;
    let list = visitor.until("/payments", "多付，将退回").await;
    assert!(list.body.contains("已支付"));
    outside.state.change(|book| book.notifications_off = false);
    assert_eq!(outside.taken(), 72_000, "both were taken; one is to be given back, and says so");

    let person = Person {
        name: "例李四",
        gender: "female",
        number: "310101200002290023",
        phone: "13800138001".into(),
        email: "li.lisi@example.com".into(),
        ..Person::sample()
    };
    let mut other = Visitor::new(&server.site);
    let form = person.clone();
    other.register(&outside, &form).await;
    let app = other.begin().await;
    other.verify(&app).await;
    let mut basic = BASIC.to_vec();
    basic[0] = ("birth_date", "2000-02-29");
    other.post(&format!("{app}/basic"), &basic).await;
    other.post(&format!("{app}/type"), &[("kind", "foreign")]).await;
    other.post(&format!("{app}/credential"), &CREDENTIAL).await;
    other.post(&format!("{app}/experience/new"), &crate::support::client::SCHOOL).await;
    other.post(&format!("{app}/experience"), &[]).await;
    for (seed, slot) in crate::support::client::SLOTS.into_iter().enumerate() {
        let picture = jpeg(u8::try_from(seed).unwrap(), 400, 300);
        other.try_upload(&format!("{app}/materials/{slot}"), &[("样例.jpg", picture)]).await.unwrap();
    }
    other.until(&format!("{app}/materials"), "材料已齐全").await;
    other.post(&format!("{app}/materials"), &[("act", "finish")]).await;
    other.submit(&app).await;
    other.pay_with(&app, "6216261000000000083").await;
    let paying = format!("{app}/payment");
    other.post(&paying, &[("act", "ask")]).await;
    other.until(&paying, "与订单不符").await;
}

#[actix_web::test]
async fn r6_3_nobody_approves_an_own_proposal_and_two_officers_see_the_conflict() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    visitor.pay_with(&app, GOOD_CARD).await;
    visitor.post(&format!("{app}/payment"), &[("act", "ask")]).await;
    visitor.until(&format!("{app}/payment"), "/done").await;
    let case = app.replace("/apply/", "/staff/case/");
    assert_eq!(visitor.get(&case).await.to, "/staff/login");
    let mut intake = Visitor::new(&server.site);
    intake.staff("intake").await;
    assert_eq!(intake.act(&case, &[("act", "approve")]).await.status, 403);
    let unclear = intake.act(&case, &[("act", "not-accept"), ("note", "缺少说明")]).await;
    assert_eq!(unclear.status, 422);
    assert!(unclear.body.contains("缺少说明"));
    assert_eq!(intake.act(&case, &[("act", "accept")]).await.status, 303);
    let late = intake.post(&case, &[("act", "accept"), ("seen", "screening@1")]).await;
    assert_eq!(late.status, 409);
    assert!(visitor.get(&app.replace("/apply/", "/case/")).await.body.contains("认证评估中"));
    // The approver is an evaluator too, and proposes; then somebody else must approve.
    let mut approver = Visitor::new(&server.site);
    approver.staff("approver").await;
    assert_eq!(approver.act(&case, &[("act", "propose"), ("outcome", "deferral")]).await.status, 422);
    let deferral = [("act", "propose"), ("outcome", "deferral"), ("reason", "incomplete")];
    assert_eq!(approver.act(&case, &deferral).await.status, 303);
    let own = approver.get(&case).await;
    assert!(
        own.body.contains("须由另一位同事复审") && !own.body.contains("value=\"approve\""),
        "there is nothing to press"
    );
    // R7.1: the operator's page, and only theirs.
    assert_eq!(approver.get("/operator").await.status, 403);
    let mut operator = Visitor::new(&server.site);
    operator.staff("operator").await;
    let page = operator.get("/operator").await;
    assert!(page.body.contains("payment_reconciler") && page.body.contains("驻留会话"));
    assert_eq!(operator.get(&case).await.status, 403);
}
