//! Joint programmes over real HTTP (R3.1–R3.8): the look-up, the border of September 2012, the list, and the registrar's
//! register, list and imports.

use crate::support::client::{BASIC, CREDENTIAL, Person, SCHOOL, Visitor};
use crate::support::pictures::jpeg;
use crate::support::server::{Outside, world};

const HEADER: &str = "批准书编号,项目名称,中方院校,外方院校,外方院校中文名,外方国家/地区,证书层次";
const STUDENTS: &str = "批准书编号,姓名,证件类型,证件号码,入学年月,学号";

/// Up to step 3, and the type chosen.
async fn up_to_type(outside: &crate::support::server::Outside, visitor: &mut Visitor, person: &Person) -> String {
    visitor.register(outside, person).await;
    let app = visitor.begin().await;
    visitor.verify(&app).await;
    let basic = BASIC.map(|(name, value)| match name {
        "birth_date" if person.number.starts_with("3101") => (name, "2000-02-29"),
        _ => (name, value),
    });
    assert!(visitor.post(&format!("{app}/basic"), &basic).await.to.ends_with("/type"));
    assert!(visitor.post(&format!("{app}/type"), &[("kind", "joint")]).await.to.ends_with("/joint"));
    app
}

fn rest<'a>(level: &'a str, start: &'a str, end: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut rest: Vec<(&str, &str)> = CREDENTIAL
        .into_iter()
        .filter(|(name, _)| {
            !["country", "institution", "institution_zh", "level", "start", "end", "days_abroad"].contains(name)
        })
        .collect();
    rest.extend([("level", level), ("start", start), ("end", end), ("days_abroad", "20")]);
    rest
}

/// An application of somebody whom the register knows, looked up.
async fn looked_up(outside: &Outside, visitor: &mut Visitor) -> String {
    let app = up_to_type(outside, visitor, &Person::registered()).await;
    let joint = format!("{app}/joint");
    visitor.post(&joint, &[("act", "level"), ("joint_level", "bachelor-up")]).await;
    visitor.post(&joint, &[("act", "look")]).await;
    app
}

#[actix_web::test]
async fn r3_1_r3_2_the_level_comes_first_then_the_register_is_asked() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = up_to_type(&outside, &mut visitor, &Person::registered()).await;
    let joint = format!("{app}/joint");
    // R3.1: the level first; the type alone leads nowhere.
    assert!(visitor.get(&format!("{app}/credential")).await.to.ends_with("/type"));
    let page = visitor.get(&joint).await.body;
    assert!(page.contains("本科及以上") && page.contains("专科"));
    let nothing = visitor.post(&joint, &[("act", "level")]).await;
    assert!(nothing.status == 422 && nothing.body.contains("请选择证书层次"));
    assert_eq!(visitor.post(&joint, &[("act", "level"), ("joint_level", "bachelor-up")]).await.status, 303);
    assert!(visitor.get(&joint).await.body.contains("查询"));
    // R3.2
    assert_eq!(visitor.post(&joint, &[("act", "look")]).await.status, 303);
    let page = visitor.get(&joint).await.body;
    for words in ["已查询到您的注册信息", "样例大学与北郡大学合作举办", "University of Northshire", "2017-09"]
    {
        assert!(page.contains(words), "{words}");
    }
}

#[actix_web::test]
async fn r3_3_programme_and_institution_are_filled_in_and_can_t_be_changed() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = looked_up(&outside, &mut visitor).await;
    let credential = visitor.get(&format!("{app}/credential")).await.body;
    assert!(credential.contains("合作办学项目（不能修改）") && !credential.contains("name=\"institution\""));
    // What a browser sends for them all the same is not taken.
    let mut forged = rest("bachelor", "2017-09", "2019-06");
    forged.extend([("institution", "Another University"), ("country", "DE")]);
    let saved = visitor.post(&format!("{app}/credential"), &forged).await;
    assert!(saved.to.ends_with("/experience"), "{}", saved.body);
    let kept = visitor.get(&format!("{app}/credential?change=1")).await.body;
    assert!(kept.contains("University of Northshire") && !kept.contains("Another University"));
}

#[actix_web::test]
async fn r3_7_then_come_experience_materials_and_the_rest_as_for_everybody() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = looked_up(&outside, &mut visitor).await;
    let mut forged = rest("bachelor", "2017-09", "2019-06");
    forged.extend([("institution", "Another University"), ("country", "DE")]);
    visitor.post(&format!("{app}/credential"), &forged).await;
    visitor.post(&format!("{app}/experience/new"), &SCHOOL).await;
    assert!(visitor.post(&format!("{app}/experience"), &[]).await.to.ends_with("/materials"));
    let materials = visitor.get(&format!("{app}/materials")).await.body;
    // Few days abroad: the identity card stands in for passport and visa; in the register: no letter of the partner.
    assert!(materials.contains("slot-identity") && !materials.contains("slot-joint_stay"));
    assert!(!materials.contains("slot-study_letter") && !materials.contains("slot-provincial_approval"));
    for (seed, slot) in ["photo", "identity", "certificate", "authorisation"].into_iter().enumerate() {
        let picture = jpeg(u8::try_from(seed).unwrap(), 400, 300);
        let sent = visitor.try_upload(&format!("{app}/materials/{slot}"), &[("样例.jpg", picture)]).await.unwrap();
        assert_eq!(sent.status, 303, "{}", sent.body);
    }
    visitor.until(&format!("{app}/materials"), "材料已齐全").await;
    assert!(visitor.post(&format!("{app}/materials"), &[("act", "finish")]).await.to.ends_with("/confirm"));
    let check = visitor.get(&format!("{app}/confirm")).await.body;
    assert!(check.contains("样例大学与北郡大学合作举办") && check.contains("University of Northshire"));
    assert!(!check.contains("Another University"));
    visitor.submit(&app).await;
}

#[actix_web::test]
async fn r3_4_not_found_and_enrolled_from_september_2012_on_goes_to_the_partner() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = up_to_type(&outside, &mut visitor, &Person::sample()).await;
    let joint = format!("{app}/joint");
    visitor.post(&joint, &[("act", "level"), ("joint_level", "bachelor-up")]).await;
    visitor.post(&joint, &[("act", "look")]).await;
    assert!(visitor.get(&joint).await.body.contains("未查询到您的注册信息"));
    for wrong in ["", "2012-13", "2099-01"] {
        let answer = visitor.post(&joint, &[("act", "enrolled"), ("joint_enrolled", wrong)]).await;
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.body);
        assert!(answer.body.contains(&format!("value=\"{wrong}\"")), "{wrong}");
    }
    visitor.post(&joint, &[("act", "enrolled"), ("joint_enrolled", "2012年9月")]).await;
    let page = visitor.get(&joint).await.body;
    assert!(page.contains("请与合作办学的中方院校联系") && !page.contains("/programmes"));
    // There is no way around it.
    assert!(visitor.get(&format!("{app}/programmes")).await.to.ends_with("/joint"));
    assert!(visitor.get(&format!("{app}/credential")).await.to.ends_with("/type"));
    // The partner registers her; looked up again, she is found.
    let mut registrar = Visitor::new(&server.site);
    registrar.staff("registrar").await;
    let form = [
        ("approval", "DEMO11US2A20050002N"),
        ("student_name", "样张三"),
        ("student_document_number", "110101199003070011"),
        ("joint_enrolled", "2012-09"),
    ];
    let saved = registrar.post("/staff/students/new", &form).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    visitor.post(&joint, &[("act", "look")]).await;
    assert!(visitor.get(&joint).await.body.contains("已查询到您的注册信息"));
    // Looked up too often, it is limited in rate.
    for _ in 0..8 {
        visitor.post(&joint, &[("act", "again")]).await;
        visitor.post(&joint, &[("act", "look")]).await;
    }
    visitor.post(&joint, &[("act", "again")]).await;
    assert_eq!(visitor.post(&joint, &[("act", "look")]).await.status, 429);
}

#[actix_web::test]
async fn r3_6_whose_programme_is_not_in_the_list_is_told_whom_to_ask() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = before_the_border(&outside, &mut visitor).await;
    let list = format!("{app}/programmes");
    let told = "列表中没有您就读的项目时，请联系合作办学的中方院校";
    for search in ["", "?q=%E6%97%A0%E6%AD%A4%E9%A1%B9%E7%9B%AE"] {
        let page = visitor.get(&format!("{list}{search}")).await.body;
        assert!(page.contains(told), "{search}");
        assert_eq!(page.contains("没有找到符合的项目"), !search.is_empty());
    }
    // One that is in no list can't be chosen either.
    visitor.post(&list, &[("programme", "DEMO99XX9A99999999N")]).await;
    assert!(visitor.get(&format!("{app}/credential")).await.to.ends_with("/type"));
}

/// An application of somebody whom the register does not know, enrolled before the border of R3.5.
async fn before_the_border(outside: &Outside, visitor: &mut Visitor) -> String {
    let app = up_to_type(outside, visitor, &Person::sample()).await;
    let joint = format!("{app}/joint");
    visitor.post(&joint, &[("act", "level"), ("joint_level", "bachelor-up")]).await;
    visitor.post(&joint, &[("act", "look")]).await;
    visitor.post(&joint, &[("act", "enrolled"), ("joint_enrolled", "2012-08")]).await;
    assert!(visitor.get(&joint).await.body.contains("可以继续"));
    app
}

#[actix_web::test]
async fn r3_5_not_found_before_september_2012_a_programme_is_chosen_from_the_list() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = before_the_border(&outside, &mut visitor).await;
    let joint = format!("{app}/joint");
    let list = format!("{app}/programmes");
    let all = visitor.get(&list).await.body;
    assert!(!all.contains("高等专科教育项目"), "of this level alone");
    let found = visitor.get(&format!("{list}?q=%E5%8C%97%E9%83%A1+%E6%95%B0%E6%8D%AE")).await.body;
    assert!(
        found.contains("数据科学")
            && found.matches("name=\"programme\"").count() < all.matches("name=\"programme\"").count()
    );
    assert!(
        visitor
            .get(&format!("{list}?q=%E6%97%A0%E6%AD%A4%E9%A1%B9%E7%9B%AE"))
            .await
            .body
            .contains("没有找到符合的项目")
    );
    let id = found.split("name=\"programme\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(visitor.post(&list, &[("programme", &id)]).await.to.ends_with("/joint"));
    // The studies can't say something else than the border allows.
    let late = visitor.post(&format!("{app}/credential"), &rest("bachelor", "2012-09", "2016-06")).await;
    assert!(late.status == 422 && late.body.contains("须先由中方院校完成注册"), "{}", late.body);
    let saved = visitor.post(&format!("{app}/credential"), &rest("bachelor", "2010-09", "2014-06")).await;
    assert!(saved.to.ends_with("/experience"), "{}", saved.body);
    visitor.post(&format!("{app}/experience/new"), &SCHOOL).await;
    visitor.post(&format!("{app}/experience"), &[]).await;
    assert!(visitor.get(&format!("{app}/materials")).await.body.contains("slot-study_letter"));
    // Another level: what hung on the first is gone, and the list is the other one.
    assert_eq!(visitor.post(&joint, &[("act", "level"), ("joint_level", "junior")]).await.status, 303);
    assert!(visitor.get(&list).await.body.contains("高等专科教育项目"), "R3.5: junior college chooses from the list");
}

/// Sends a file to be imported.
async fn import(registrar: &mut Visitor, what: &str, file: Vec<u8>) -> crate::support::client::Answer {
    registrar.get("/staff/import").await;
    registrar.try_upload(&format!("/staff/import/{what}"), &[("名单.csv", file)]).await.unwrap()
}

async fn apply(registrar: &mut Visitor, preview: &str) -> crate::support::client::Answer {
    let action = preview.split("action=\"").find(|part| part.contains("/apply\"")).unwrap();
    let action = action.split('"').next().unwrap().to_owned();
    registrar.post(&action, &[]).await
}

#[actix_web::test]
async fn r3_8_imports_are_reported_row_by_row_and_taken_whole_or_not_at_all() {
    let (_, server) = world();
    let mut registrar = Visitor::new(&server.site);
    registrar.staff("registrar").await;
    let row = |n: u32| {
        format!("TEST11US2A2010{n:04}N,测试项目{n},样例大学,Eastlake State University,东湖州立大学,美国,本科及以上")
    };
    // A broken row, a duplicate, a wrong country, an open quotation mark: each by its line; nothing is imported.
    let wrong =
        format!("{HEADER}\n{}\n短,行\n{}\n{},某国\n\"没有结束", row(1), row(1), row(2).replace(",美国", ",某国"));
    let report = import(&mut registrar, "programmes", wrong.into_bytes()).await;
    assert_eq!(report.status, 422);
    for words in ["没有导入任何内容", "这一行有 2 列，应为 7 列", "与前面的某一行重复", "<td>3</td>", "<td>4</td>"]
    {
        assert!(report.body.contains(words), "{words}: {}", report.body);
    }
    assert!(!report.body.contains("/apply"));
    assert!(registrar.get("/staff/programmes?q=%E6%B5%8B%E8%AF%95").await.body.contains("没有项目"));
    for (file, words) in [
        ("".to_owned(), "没有数据行"),
        (format!("{HEADER}\n"), "没有数据行"),
        (HEADER.replace("中方院校", "学校") + "\n" + &row(1), "不认识的列"),
        (HEADER.replace(",证书层次", "") + "\n" + &row(1), "缺少列"),
    ] {
        let answer = import(&mut registrar, "programmes", file.into_bytes()).await;
        assert!(answer.status == 422 && answer.body.contains(words), "{words}: {}", answer.body);
    }
    let broken = import(&mut registrar, "programmes", vec![0xff, 0xfe, 0x00, 0x81]).await;
    assert!(broken.status == 422 && broken.body.contains("UTF-8"), "{}", broken.body);
    // The clean file, in UTF-8 with a mark and in GBK: first a preview, then taken, once.
    let clean = format!("\u{feff}{HEADER}\n{}\n{}\n", row(1), row(2));
    let preview = import(&mut registrar, "programmes", clean.clone().into_bytes()).await;
    assert!(preview.status == 200 && preview.body.contains("检查通过"), "{}", preview.body);
    assert!(registrar.get("/staff/programmes?q=%E6%B5%8B%E8%AF%95").await.body.contains("没有项目"), "only a preview");
    assert_eq!(apply(&mut registrar, &preview.body).await.status, 200);
    assert_eq!(apply(&mut registrar, &preview.body).await.status, 409, "pressed twice");
    assert!(registrar.get("/staff/programmes?q=%E6%B5%8B%E8%AF%95").await.body.contains("测试项目2"));
    let changed = clean.trim_start_matches('\u{feff}').replace("测试项目2", "测试项目二");
    let (gbk, _, _) = encoding_rs::GBK.encode(&changed);
    let preview = import(&mut registrar, "programmes", gbk.into_owned()).await;
    let counts = |body: &str| {
        body.split("<dd>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(counts(&preview.body), ["0", "1", "1"], "new, changed, unchanged: {}", preview.body);
    apply(&mut registrar, &preview.body).await;
    assert!(registrar.get("/staff/programmes?q=%E9%A1%B9%E7%9B%AE%E4%BA%8C").await.body.contains("测试项目二"));
    // Students of a programme that is not in the list.
    let student = |approval: &str| format!("{STUDENTS}\n{approval},样张三,,110101199003070011,2011-09,7\n");
    let report = import(&mut registrar, "students", student("NOSUCH0001").into_bytes()).await;
    assert!(report.status == 422 && report.body.contains("项目列表中没有这个批准书编号"), "{}", report.body);
    let bad_number = student("TEST11US2A20100001N").replace("0011,", "0012,");
    let report = import(&mut registrar, "students", bad_number.into_bytes()).await;
    assert!(report.status == 422 && report.body.contains("证件号码不正确"));
    let preview = import(&mut registrar, "students", student("TEST11US2A20100001N").into_bytes()).await;
    assert_eq!(apply(&mut registrar, &preview.body).await.status, 200);
    let found = registrar.post("/staff/students", &[("number", "110101199003070011")]).await.body;
    assert!(found.contains("样张三") && !found.contains("110101199003070011"), "masked on screen");
    // Edited and retired by hand.
    let list = registrar.get("/staff/programmes?q=TEST11US2A20100001N").await.body;
    let one = list.split("href=\"/staff/programmes/").skip(1).find(|part| part.contains("TEST11US")).unwrap();
    let one = format!("/staff/programmes/{}", one.split('"').next().unwrap());
    let page = registrar.get(&one).await.body;
    assert!(page.contains("测试项目1"));
    let edited = [
        ("approval", "TEST11US2A20100001N"),
        ("programme_name", "改名的项目"),
        ("partner", "样例大学"),
        ("foreign_institution", "Eastlake State University"),
        ("foreign_institution_zh", "东湖州立大学"),
        ("foreign_country", "US"),
        ("joint_level", "bachelor-up"),
    ];
    assert_eq!(registrar.post(&one, &edited).await.status, 303);
    let taken = [edited[0], ("approval", "TEST11US2A20100002N")].into_iter().chain(edited[1..].iter().copied());
    let taken: Vec<_> = taken.collect();
    let answer = registrar.post(&one, &taken).await;
    assert!(answer.status == 422 && answer.body.contains("已属于另一个项目"), "{}", answer.body);
    assert_eq!(registrar.post(&format!("{one}/retire"), &[("retire", "yes")]).await.status, 303);
    assert!(registrar.get(&one).await.body.contains("恢复使用"));
    // Nobody else keeps the list; and the page says whom to ask.
    let mut intake = Visitor::new(&server.site);
    intake.staff("intake").await;
    let refused = intake.get("/staff/programmes").await;
    assert!(refused.status == 403 && refused.body.contains("请联系管理员"));
}

#[actix_web::test]
async fn r3_8_a_hundred_thousand_students_are_imported_at_once() {
    let (_, server) = world();
    let mut registrar = Visitor::new(&server.site);
    registrar.staff("registrar").await;
    let mut file = String::from(STUDENTS) + "\n";
    for n in 0..100_000_u32 {
        file.push_str(&format!("DEMO11GB2A20040001N,样本{n},护照,E{n:08},2010-09,{n}\n"));
    }
    let begun = std::time::Instant::now();
    let preview = import(&mut registrar, "students", file.clone().into_bytes()).await;
    assert!(preview.body.contains("<dd>100000</dd>"), "{}", &preview.body[..2_000]);
    assert_eq!(apply(&mut registrar, &preview.body).await.status, 200);
    println!("100,000 students read, tried and imported in {:.1} s", begun.elapsed().as_secs_f64());
    file.push_str("DEMO11GB2A20040001N,多余,护照,E99999999,2010-09,\n");
    let many = import(&mut registrar, "students", file.into_bytes()).await;
    assert!(many.status == 422 && many.body.contains("超过 100000 行"), "{}", &many.body[..2_000]);
}
