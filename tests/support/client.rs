//! A browser without a screen: cookies, form tokens, redirects by hand. Quick enough for a thousand requests.

use std::collections::BTreeMap;

use reqwest::multipart;
use reqwest::redirect::Policy;

use super::pictures::jpeg;
use super::server::Outside;

/// One browser.
pub struct Visitor {
    http: reqwest::Client,
    pub site: String,
    token: String,
    /// The birth date of whoever registered last.
    birth: Option<String>,
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub to: String,
    pub body: String,
}

impl Answer {
    /// The value of a hidden field.
    pub fn hidden(&self, name: &str) -> String {
        let mark = format!("name=\"{name}\" value=\"");
        self.body.split(mark.as_str()).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
    }
}

/// Whom a journey is made by.
#[derive(Clone)]
pub struct Person {
    pub name: &'static str,
    pub gender: &'static str,
    pub number: &'static str,
    pub phone: String,
    pub email: String,
    pub password: &'static str,
}

impl Person {
    pub fn sample() -> Self {
        Self {
            name: "样张三",
            gender: "male",
            number: "110101199003070011",
            phone: "13800138000".into(),
            email: "yang.zhangsan@example.com".into(),
            password: "sunny-day-42",
        }
    }

    /// Somebody who is in the demo's register of joint programmes.
    pub fn registered() -> Self {
        Self {
            name: "例李四",
            gender: "female",
            number: "310101200002290023",
            phone: "13800138001".into(),
            email: "li.lisi@example.com".into(),
            ..Self::sample()
        }
    }

    pub fn form(&self) -> Vec<(&'static str, String)> {
        vec![
            ("nationality", "CN".into()),
            ("name", self.name.into()),
            ("gender", self.gender.into()),
            ("document_type", "CN_ID".into()),
            ("document_number", self.number.into()),
            ("valid_from", "2020-01-01".into()),
            ("valid_to", "2040-01-01".into()),
            ("phone", self.phone.clone()),
            ("email", self.email.clone()),
            ("password", self.password.into()),
            ("password_again", self.password.into()),
            ("channel", "sms".into()),
        ]
    }
}

pub const BASIC: [(&str, &str); 7] = [
    ("birth_date", "1990-03-07"),
    ("birthplace", "样例市"),
    ("address", "样例市样例区样例路 1 号"),
    ("emergency_name", "样亲属"),
    ("emergency_relation", "parent"),
    ("emergency_phone", "010-12345678"),
    ("purpose", "employment"),
];

pub const CREDENTIAL: [(&str, &str); 14] = [
    ("country", "GB"),
    ("institution", "University of Northshire"),
    ("institution_zh", "北郡大学"),
    ("credential_name", "Master of Science"),
    ("credential_name_zh", "理学硕士"),
    ("level", "master"),
    ("major", "Data Science"),
    ("major_zh", "数据科学"),
    ("study_mode", "full_time"),
    ("start", "2017-09"),
    ("end", "2019-06"),
    ("award_date", "2019-07-12"),
    ("study_places", "英国北郡"),
    ("days_abroad", "600"),
];

pub const SCHOOL: [(&str, &str); 5] = [
    ("study_level", "senior_secondary"),
    ("study_institution", "样例中学"),
    ("study_country", "CN"),
    ("study_start", "2005-09"),
    ("study_end", "2008-06"),
];

pub const SLOTS: [&str; 5] = ["photo", "identity", "stay", "certificate", "authorisation"];

impl Visitor {
    pub fn new(site: &str) -> Self {
        let http = reqwest::Client::builder()
            .cookie_store(true)
            .pool_max_idle_per_host(0)
            .redirect(Policy::none())
            .build()
            .unwrap();
        Self { http, site: site.to_owned(), token: String::new(), birth: None }
    }

    /// The headers of a page.
    pub async fn headers(&self, path: &str) -> (u16, reqwest::header::HeaderMap) {
        let response = self.http.get(format!("{}{path}", self.site)).send().await.unwrap();
        (response.status().as_u16(), response.headers().clone())
    }

    /// A stream of events, as it begins.
    pub async fn stream(&self, path: &str) -> reqwest::Response {
        let response = self.http.get(format!("{}{path}", self.site)).header("Accept-Language", "zh-CN").send().await;
        response.unwrap()
    }

    /// The body as it is, with these bytes and this type.
    pub async fn post_raw(&self, path: &str, kind: &str, body: Vec<u8>) -> (u16, String) {
        let request = self.http.post(format!("{}{path}", self.site)).header("Content-Type", kind).body(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn answer(&mut self, response: reqwest::Response) -> Answer {
        let status = response.status().as_u16();
        let to = response.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
        let body = response.text().await.unwrap_or_default();
        let answer = Answer { status, to, body };
        let token = answer.hidden("_token");
        if !token.is_empty() {
            self.token = token;
        }
        answer
    }

    pub async fn try_get(&mut self, path: &str) -> Result<Answer, reqwest::Error> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.site) };
        let response = self.http.get(url).header("Accept-Language", "zh-CN").send().await?;
        Ok(self.answer(response).await)
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.try_get(path).await.unwrap()
    }

    pub async fn bytes(&self, path: &str) -> (u16, Vec<u8>) {
        let response = self.http.get(format!("{}{path}", self.site)).send().await.unwrap();
        (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
    }

    pub async fn try_post(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, reqwest::Error> {
        if self.token.is_empty() {
            self.try_get("/login").await?;
        }
        let mut form: BTreeMap<&str, &str> = fields.iter().copied().collect();
        let token = self.token.clone();
        form.insert("_token", &token);
        let url = format!("{}{path}", self.site);
        let response = self.http.post(url).header("Accept-Language", "zh-CN").form(&form).send().await?;
        Ok(self.answer(response).await)
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.try_post(path, fields).await.unwrap()
    }

    pub async fn try_upload(&mut self, path: &str, files: &[(&str, Vec<u8>)]) -> Result<Answer, reqwest::Error> {
        let mut form = multipart::Form::new().text("_token", self.token.clone());
        for (name, bytes) in files {
            form = form.part("file", multipart::Part::bytes(bytes.clone()).file_name((*name).to_owned()));
        }
        let response = self.http.post(format!("{}{path}", self.site)).multipart(form).send().await?;
        Ok(self.answer(response).await)
    }

    /// Registers and logs in.
    pub async fn register(&mut self, outside: &Outside, person: &Person) {
        let digits = |at: std::ops::Range<usize>| &person.number[at];
        self.birth = Some(format!("{}-{}-{}", digits(6..10), digits(10..12), digits(12..14)));
        let form = person.form();
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let seen = outside.messages_to(&person.phone).len();
        let sent = self.post("/register", &form).await;
        assert_eq!(sent.status, 303, "{}", sent.body);
        let code = outside.code_for(&person.phone, seen);
        let done = self.post(&sent.to, &[("code", &code), ("agree", "yes")]).await;
        assert_eq!((done.status, done.to.as_str()), (303, sent.to.as_str()), "{}", done.body);
        self.login(person).await;
    }

    pub async fn login(&mut self, person: &Person) {
        let entered = self.post("/login", &[("who", &person.phone), ("login_password", person.password)]).await;
        assert_eq!((entered.status, entered.to.as_str()), (303, "/centre"), "{}", entered.body);
    }

    /// Begins an application; returns its path.
    pub async fn begin(&mut self) -> String {
        let list = self.get("/centre/applications").await;
        let begun = self.post("/centre/applications", &[("id", &list.hidden("id"))]).await;
        assert_eq!(begun.status, 303);
        begun.to
    }

    /// Asks until the page says what is wanted.
    pub async fn until(&mut self, path: &str, wanted: &str) -> Answer {
        for _ in 0..400 {
            let answer = self.get(path).await;
            if answer.body.contains(wanted) || answer.to.contains(wanted) {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{path} never said {wanted}");
    }

    /// Step 1, with the phone's part.
    pub async fn verify(&mut self, app: &str) {
        let step = format!("{app}/verification");
        self.post(&step, &[("act", "ask")]).await;
        let page = self.until(&step, "/app/").await;
        let qr = page.body.split("href=\"").find(|part| part.contains("/app/")).unwrap();
        let qr = qr.split('"').next().unwrap().to_owned();
        let phone = reqwest::Client::new();
        phone.post(qr).form(&[("outcome", "pass")]).send().await.unwrap();
        self.until(&step, "name=\"consent\"").await;
        self.post(&step, &[("act", "records"), ("consent", "yes")]).await;
        self.until(&step, "value=\"next\"").await;
        assert!(self.post(&step, &[("act", "next")]).await.to.ends_with("/basic"));
    }

    /// Steps 2 to 6.
    pub async fn fill_in(&mut self, app: &str) {
        let mut basic = BASIC;
        if let Some(birth) = self.birth.clone() {
            let field = basic.iter_mut().find(|(name, _)| *name == "birth_date").unwrap();
            field.1 = Box::leak(birth.into_boxed_str());
        }
        assert!(self.post(&format!("{app}/basic"), &basic).await.to.ends_with("/type"));
        assert!(self.post(&format!("{app}/type"), &[("kind", "foreign")]).await.to.ends_with("/credential"));
        let saved = self.post(&format!("{app}/credential"), &CREDENTIAL).await;
        assert!(saved.to.ends_with("/experience"), "{}", saved.body);
        self.post(&format!("{app}/experience/new"), &SCHOOL).await;
        assert!(self.post(&format!("{app}/experience"), &[]).await.to.ends_with("/materials"));
        for (seed, slot) in SLOTS.into_iter().enumerate() {
            let picture = jpeg(u8::try_from(seed).unwrap(), 400, 300);
            let sent = self.try_upload(&format!("{app}/materials/{slot}"), &[("样例.jpg", picture)]).await.unwrap();
            assert_eq!(sent.status, 303, "{}", sent.body);
        }
        self.until(&format!("{app}/materials"), "材料已齐全").await;
        assert!(self.post(&format!("{app}/materials"), &[("act", "finish")]).await.to.ends_with("/confirm"));
    }

    pub async fn submit(&mut self, app: &str) {
        let submitted = self.post(&format!("{app}/confirm"), &[("declaration", "yes")]).await;
        assert!(submitted.to.ends_with("/payment"), "{}", submitted.body);
    }

    /// Opens an attempt and plays it at the cashier with a card; returns what the cashier showed.
    pub async fn pay_with(&mut self, app: &str, card: &str) -> String {
        let leaving = self.post(&format!("{app}/payment"), &[("act", "pay")]).await;
        Self::play(&leaving, card).await
    }

    /// What happens at the bank, from the page that takes the browser there.
    pub async fn play(leaving: &Answer, card: &str) -> String {
        assert_eq!(leaving.status, 200, "{}", leaving.body);
        let action = leaving.body.split("data-auto").next().unwrap().rsplit("action=\"").next().unwrap();
        let action = action.split('"').next().unwrap().to_owned();
        let fields = leaving.body.split("data-auto").nth(1).unwrap();
        let mut form = Vec::new();
        for part in fields.split("type=\"hidden\" name=\"").skip(1) {
            let name = part.split('"').next().unwrap();
            let value = part.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
            form.push((
                name.to_owned(),
                value.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">"),
            ));
        }
        let bank = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        let cashier = bank.post(&action).form(&form).send().await.unwrap();
        let to = cashier.headers().get("location").unwrap().to_str().unwrap().to_owned();
        let origin = action.split("/gateway").next().unwrap();
        bank.post(format!("{origin}{to}")).form(&[("card", card)]).send().await.unwrap().text().await.unwrap()
    }

    /// A whole application up to the payment page.
    pub async fn apply(&mut self, outside: &Outside, person: &Person) -> String {
        self.register(outside, person).await;
        let app = self.begin().await;
        self.verify(&app).await;
        self.fill_in(&app).await;
        self.submit(&app).await;
        app
    }

    /// A paid application; returns its path.
    pub async fn paid(&mut self, outside: &Outside) -> String {
        self.paid_by(outside, &Person::sample()).await
    }

    /// The same of this person.
    pub async fn paid_by(&mut self, outside: &Outside, person: &Person) -> String {
        let app = self.apply(outside, person).await;
        self.pay_with(&app, GOOD_CARD).await;
        self.post(&format!("{app}/payment"), &[("act", "ask")]).await;
        self.until(&format!("{app}/payment"), "/done").await;
        app
    }

    /// Logs a member of the demo's staff in.
    pub async fn staff(&mut self, user: &str) {
        self.staff_at(user, chrono::Utc::now()).await;
    }

    /// The same when the clocks have been moved.
    pub async fn staff_at(&mut self, user: &str, now: chrono::DateTime<chrono::Utc>) {
        let half = self
            .post("/staff/login", &[("staff_user", user), ("login_password", renzheng::demo::STAFF_PASSWORD)])
            .await;
        assert_eq!(half.to, "/staff/code", "{}", half.body);
        let codes = renzheng::demo::staff_codes();
        let secret = &codes.iter().find(|code| code.user == user).unwrap().secret;
        let code = domain::one_time::totp(secret, now.timestamp()).unwrap();
        let entered = self.post("/staff/code", &[("totp", &code)]).await;
        assert_eq!(entered.status, 303, "{}", entered.body);
    }

    /// One act of an officer on a case.
    pub async fn act(&mut self, case: &str, act: &[(&str, &str)]) -> Answer {
        let page = self.get(case).await;
        let seen = page.hidden("seen");
        let mut form = act.to_vec();
        form.push(("seen", &seen));
        self.post(case, &form).await
    }
}

pub const GOOD_CARD: &str = "6216261000000000018";
pub const SILENT_CARD: &str = "6216261000000000059";
