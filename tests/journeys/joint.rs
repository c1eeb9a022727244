//! Joint programmes in Chromium (R3): found in the register; not found and enrolled 2012-09; not found and 2012-08; junior
//! college; and the registrar's import, with errors and then clean. With scripts and without, in both languages.

use domain::person::Language;
use locales::Texts;

use crate::support::browser::Browser;
use crate::support::client::{BASIC, Person, Visitor};
use crate::support::server::{Outside, Server, world};

struct Scene {
    _server: Server,
    b: Browser,
    t: Texts,
    app: String,
    _outside: Outside,
}

impl Scene {
    /// Up to step 3 elsewhere; the browser logged in at the type.
    async fn begin(scripts: bool, language: Language, person: &Person) -> Self {
        let (outside, server) = world();
        let mut visitor = Visitor::new(&server.site);
        visitor.register(&outside, person).await;
        let app = visitor.begin().await;
        visitor.verify(&app).await;
        let basic = BASIC.map(|(name, value)| match name {
            "birth_date" if person.number.starts_with("3101") => (name, "2000-02-29"),
            _ => (name, value),
        });
        visitor.post(&format!("{app}/basic"), &basic).await;
        let mut b = Browser::start(scripts, language.tag()).await;
        b.go(&format!("{}/login", server.site)).await;
        b.fill("who", &person.phone).await;
        b.fill("login_password", person.password).await;
        b.press_css("main button[type=submit]").await;
        b.see("main .card").await;
        b.go(&format!("{}{app}/type", server.site)).await;
        b.choose("kind", "joint").await;
        b.press_css("main button[type=submit]").await;
        b.see("[name=joint_level]").await;
        b.audit().await;
        Self { _server: server, b, t: Texts::new(language), app, _outside: outside }
    }

    async fn level(&mut self, level: &str) {
        self.b.choose("joint_level", level).await;
        self.b.press_css("button[value=level]").await;
    }

    async fn look_up(&mut self) {
        self.b.press_css("button[value=look]").await;
    }

    async fn enrolled(&mut self, month: &str) {
        self.b.see("[name=joint_enrolled]").await;
        self.b.audit().await;
        self.b.fill("joint_enrolled", month).await;
        self.b.press_css("button[value=enrolled]").await;
    }

    /// From the list, by a search.
    async fn choose(&mut self, words: &str) {
        self.b.press(&self.t.get("joint-choose")).await;
        self.b.see("#q").await;
        self.b.audit().await;
        self.b.fill("q", words).await;
        self.b.press_css("[role=search] button").await;
        // Of the result: the whole list has such buttons too.
        self.b.see(&format!("#q[value='{words}']")).await;
        self.b.see("button[name=programme]").await;
        self.b.audit().await;
        self.b.press_css("button[name=programme]").await;
        self.b.see("dl.rows").await;
        self.b.audit().await;
    }
}

#[actix_web::test]
async fn r3_2_r3_3_found_in_the_register() {
    let mut scene = Scene::begin(true, Language::Chinese, &Person::registered()).await;
    scene.level("bachelor-up").await;
    scene.b.see("button[value=look]").await;
    scene.b.audit().await;
    scene.look_up().await;
    scene.b.read(&scene.t.get("joint-found")).await;
    scene.b.read("样例大学与北郡大学合作举办").await;
    scene.b.audit().await;
    scene.b.shot("joint-found", true).await;
    scene.b.press(&scene.t.get("next")).await;
    scene.b.see("[name=credential_name]").await;
    scene.b.read(&scene.t.get("joint-fixed")).await;
    scene.b.audit().await;
}

#[actix_web::test]
async fn r3_4_not_found_and_enrolled_in_2012_09_without_scripts_in_english() {
    let mut scene = Scene::begin(false, Language::English, &Person::sample()).await;
    scene.level("bachelor-up").await;
    scene.look_up().await;
    scene.enrolled("2012-09").await;
    scene.b.read(&scene.t.get("joint-partner")).await;
    scene.b.audit().await;
    scene.b.shot("joint-partner", true).await;
}

#[actix_web::test]
async fn r3_5_not_found_and_enrolled_in_2012_08_without_scripts() {
    let mut scene = Scene::begin(false, Language::Chinese, &Person::sample()).await;
    scene.level("bachelor-up").await;
    scene.look_up().await;
    scene.enrolled("2012-08").await;
    scene.b.read(&scene.t.get("joint-before-border")).await;
    scene.b.audit().await;
    scene.choose("北郡").await;
    scene.b.read("北郡大学").await;
    scene.b.shot("joint-chosen", true).await;
}

#[actix_web::test]
async fn r3_5_junior_college_in_english() {
    let mut scene = Scene::begin(true, Language::English, &Person::sample()).await;
    scene.level("junior").await;
    scene.choose("南港").await;
    scene.b.read("高等专科教育项目").await;
    scene.b.press(&scene.t.get("next")).await;
    scene.b.see("[name=credential_name]").await;
    assert!(scene.b.path().await.ends_with(&format!("{}/credential", scene.app)));
}

/// A file with errors, then a clean one.
async fn import(scripts: bool, language: Language, name: &str) {
    let (_outside, server) = world();
    let t = Texts::new(language);
    let mut b = Browser::start(scripts, language.tag()).await;
    b.go(&format!("{}/staff/login", server.site)).await;
    b.fill("staff_user", "registrar").await;
    b.fill("login_password", renzheng::demo::STAFF_PASSWORD).await;
    b.press_css("main button[type=submit]").await;
    b.see("[name=totp]").await;
    let codes = renzheng::demo::staff_codes();
    let secret = &codes.iter().find(|code| code.user == "registrar").unwrap().secret;
    b.fill("totp", &domain::one_time::totp(secret, chrono::Utc::now().timestamp()).unwrap()).await;
    b.press_css("main button[type=submit]").await;
    b.see(".tabs").await;
    b.audit().await;
    b.go(&format!("{}/staff/import", server.site)).await;
    b.audit().await;
    let header =
        "approval,programme_name,partner,foreign_institution,foreign_institution_zh,foreign_country,joint_level";
    let row = |n: u32, country: &str| {
        format!(
            "TEST11US2A2010{n:04}N,测试项目{n},样例大学,Eastlake State University,东湖州立大学,{country},本科及以上\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("programmes.csv");
    std::fs::write(&path, format!("{header}\n{}{}{}", row(1, "美国"), row(2, "某国"), row(1, "美国"))).unwrap();
    b.attach("#file-programmes", &path).await;
    b.press_css("form[action$='/import/programmes'] button").await;
    b.see(".summary").await;
    b.read(&t.get("import-refused")).await;
    b.audit().await;
    b.shot(&format!("{name}-errors"), true).await;
    std::fs::write(&path, format!("{header}\n{}{}", row(1, "美国"), row(2, "US"))).unwrap();
    b.attach("#file-programmes", &path).await;
    b.press_css("form[action$='/import/programmes'] button").await;
    b.read(&t.get("import-preview")).await;
    b.audit().await;
    b.shot(&format!("{name}-preview"), true).await;
    b.press_css("form[action$='/apply'] button").await;
    b.read(&t.get("import-done")).await;
    b.audit().await;
    b.go(&format!("{}/staff/programmes", server.site)).await;
    b.audit().await;
    b.fill("q", "测试项目2").await;
    b.press_css("[role=search] button").await;
    b.read("TEST11US2A20100002N").await;
}

#[actix_web::test]
async fn r3_8_an_import_with_errors_and_then_clean() {
    import(true, Language::Chinese, "import").await;
}

#[actix_web::test]
async fn r3_8_an_import_with_errors_and_then_clean_without_scripts_in_english() {
    import(false, Language::English, "import-plain").await;
}
