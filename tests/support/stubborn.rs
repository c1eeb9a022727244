//! An applicant who tries again: after a lost connection or a fault page, the same click once more.

use super::client::{Answer, BASIC, CREDENTIAL, GOOD_CARD, Person, SCHOOL, SLOTS, Visitor};
use super::pictures::jpeg;
use super::server::{Outside, Server};

pub struct Stubborn {
    pub server: Option<Server>,
    visitor: Visitor,
    /// How often the service had to be started again.
    pub restarts: usize,
    /// How often a page said that something broke.
    pub faults: usize,
}

impl Stubborn {
    pub fn new(server: Server) -> Self {
        let visitor = Visitor::new(&server.site);
        Self { server: Some(server), visitor, restarts: 0, faults: 0 }
    }

    fn again(&mut self) {
        let mut server = self.server.take().unwrap();
        assert!(server.ended(), "the connection broke, and the service still runs");
        self.server = Some(server.restart());
        self.restarts += 1;
    }

    async fn get(&mut self, path: &str) -> Answer {
        loop {
            match self.visitor.try_get(path).await {
                Ok(answer) if answer.status >= 500 => self.faults += 1,
                Ok(answer) => return answer,
                Err(_) => self.again(),
            }
            assert!(self.faults < 10);
        }
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        loop {
            match self.visitor.try_post(path, fields).await {
                Ok(answer) if answer.status >= 500 => self.faults += 1,
                Ok(answer) => return answer,
                Err(_) => self.again(),
            }
            assert!(self.faults < 10);
        }
    }

    /// Looks until the page says it; the service may die while it is waited for.
    async fn until(&mut self, path: &str, wanted: &str) -> Answer {
        for _ in 0..400 {
            let answer = self.get(path).await;
            if answer.body.contains(wanted) || answer.to.contains(wanted) {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{path} never said {wanted}:\n{}", self.server.as_ref().unwrap().log());
    }

    /// From registration to the certificate and its verification.
    pub async fn whole(&mut self, outside: &Outside, person: &Person) {
        self.visitor.register(outside, person).await;
        let list = self.get("/centre/applications").await;
        let app = self.post("/centre/applications", &[("id", &list.hidden("id"))]).await.to;

        let step = format!("{app}/verification");
        self.post(&step, &[("act", "ask")]).await;
        let page = self.until(&step, "/app/").await;
        let qr = page.body.split("href=\"").find(|part| part.contains("/app/")).unwrap().split('"').next().unwrap();
        reqwest::Client::new().post(qr).form(&[("outcome", "pass")]).send().await.unwrap();
        self.until(&step, "name=\"consent\"").await;
        self.post(&step, &[("act", "records"), ("consent", "yes")]).await;
        self.until(&step, "value=\"next\"").await;
        self.post(&step, &[("act", "next")]).await;

        self.post(&format!("{app}/basic"), &BASIC).await;
        self.post(&format!("{app}/type"), &[("kind", "foreign")]).await;
        self.post(&format!("{app}/credential"), &CREDENTIAL).await;
        self.post(&format!("{app}/experience/new"), &SCHOOL).await;
        self.post(&format!("{app}/experience"), &[]).await;
        for (seed, slot) in SLOTS.into_iter().enumerate() {
            let picture = jpeg(u8::try_from(seed).unwrap(), 400, 300);
            loop {
                let path = format!("{app}/materials/{slot}");
                match self.visitor.try_upload(&path, &[("样例.jpg", picture.clone())]).await {
                    // 422: it had arrived before the service died, and says so.
                    Ok(answer) if answer.status == 303 || answer.status == 422 => break,
                    Ok(answer) => {
                        assert_eq!(answer.status, 500, "{}", answer.body);
                        self.faults += 1;
                    }
                    Err(_) => self.again(),
                }
            }
        }
        self.until(&format!("{app}/materials"), "材料已齐全").await;
        self.post(&format!("{app}/materials"), &[("act", "finish")]).await;
        self.post(&format!("{app}/confirm"), &[("declaration", "yes")]).await;

        let paying = format!("{app}/payment");
        self.get(&paying).await;
        let leaving = self.post(&paying, &[("act", "pay")]).await;
        Visitor::play(&leaving, GOOD_CARD).await;
        self.post(&paying, &[("act", "ask")]).await;
        self.until(&paying, "/done").await;

        let done = self.get(&format!("{app}/done")).await;
        let number = done.body.split("class=\"number\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let mut case = String::new();
        for (user, act) in [("intake", "accept"), ("evaluator", "propose"), ("approver", "approve")] {
            let mut officer = Visitor::new(&self.visitor.site);
            officer.staff(user).await;
            std::mem::swap(&mut self.visitor, &mut officer);
            case = self.get(&format!("/staff?number={number}")).await.to;
            let seen = self.get(&case).await.hidden("seen");
            self.post(&case, &[("act", act), ("seen", &seen), ("outcome", "certificate")]).await;
            std::mem::swap(&mut self.visitor, &mut officer);
        }
        assert!(case.starts_with("/staff/case/"));
        let own = app.replace("/apply/", "/case/");
        let page = self.until(&own, "certificate.pdf").await;
        let (status, pdf) = self.visitor.bytes(&format!("{own}/certificate.pdf")).await;
        assert_eq!(status, 200);
        assert!(pdf.starts_with(b"%PDF"));
        let link = page.body.split("href=\"/verify/").nth(1).unwrap().split('"').next().unwrap();
        assert!(self.get(&format!("/verify/{link}")).await.body.contains("verdict-valid"));
    }
}
