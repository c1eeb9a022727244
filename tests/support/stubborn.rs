//! An applicant who tries again: after a lost connection or a fault page, the same click once more.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use super::client::{Answer, BASIC, CREDENTIAL, GOOD_CARD, Person, SCHOOL, SLOTS, Visitor};
use super::pictures::jpeg;
use super::server::{Outside, Server};

/// Ends the service by SIGKILL, from outside, whenever it likes.
pub struct Killer {
    /// Whom; nobody while it is being started.
    pid: Arc<Mutex<Option<u32>>>,
    done: Arc<AtomicBool>,
}

impl Killer {
    /// Kills at most `most` times, after spans that follow from the seed.
    fn start(seed: u64, most: usize) -> Self {
        let (pid, done) = (Arc::new(Mutex::new(None::<u32>)), Arc::new(AtomicBool::new(false)));
        let (whom, over) = (Arc::clone(&pid), Arc::clone(&done));
        std::thread::spawn(move || {
            let mut random = seed;
            for _ in 0..most {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                std::thread::sleep(Duration::from_millis(120 + (random >> 33) % 500));
                while whom.lock().unwrap().is_none() {
                    if over.load(Ordering::SeqCst) {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
                if let Some(pid) = whom.lock().unwrap().take() {
                    Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
                }
            }
        });
        Self { pid, done }
    }
}

/// Where several are at it while somebody kills the service and starts it again.
pub struct Field {
    pub site: String,
    /// Whoever does not try again holds this: meanwhile nobody kills.
    pub fair: Arc<RwLock<()>>,
    log_ins: Arc<tokio::sync::Mutex<()>>,
}

impl Field {
    pub fn new(site: &str) -> Arc<Self> {
        Arc::new(Self { site: site.to_owned(), fair: Arc::default(), log_ins: Arc::default() })
    }
}

pub struct Stubborn {
    pub server: Option<Server>,
    killer: Option<Killer>,
    /// Where somebody else kills the service and starts it again, for several journeys at once.
    field: Option<Arc<Field>>,
    quiet: Option<OwnedRwLockReadGuard<()>>,
    /// Whether the killer may kill at present.
    fair: bool,
    visitor: Visitor,
    /// How often the service had to be started again.
    pub restarts: usize,
    /// How often a page said that something broke.
    pub faults: usize,
}

impl Stubborn {
    pub fn new(server: Server) -> Self {
        let visitor = Visitor::new(&server.site);
        Self {
            server: Some(server),
            killer: None,
            field: None,
            quiet: None,
            fair: false,
            visitor,
            restarts: 0,
            faults: 0,
        }
    }

    /// One of several on a field where the service comes and goes.
    pub async fn on(field: &Arc<Field>) -> Self {
        let visitor = Visitor::new(&field.site);
        let quiet = Some(Arc::clone(&field.fair).read_owned().await);
        let field = Some(Arc::clone(field));
        Self { server: None, killer: None, field, quiet, fair: false, visitor, restarts: 0, faults: 0 }
    }

    /// The same with somebody who kills the service at most `most` times on the way.
    pub fn hunted(server: Server, seed: u64, most: usize) -> Self {
        Self { killer: Some(Killer::start(seed, most)), ..Self::new(server) }
    }

    /// Whether the service may be killed at present: not while somebody is at it who does not try again.
    async fn fair_game(&mut self, fair: bool) {
        self.fair = fair;
        if let Some(field) = &self.field {
            self.quiet = if fair { None } else { Some(Arc::clone(&field.fair).read_owned().await) };
        }
        if let (Some(killer), Some(server)) = (&self.killer, &self.server) {
            *killer.pid.lock().unwrap() = fair.then(|| server.id());
        }
    }

    async fn again(&mut self) {
        if self.field.is_some() {
            self.restarts += 1;
            tokio::time::sleep(Duration::from_millis(40)).await;
            return;
        }
        let mut server = self.server.take().unwrap();
        assert!(server.ended(), "the connection broke, and the service still runs");
        self.server = Some(server.restart());
        self.restarts += 1;
        self.fair_game(self.fair).await;
    }

    /// From here on nobody kills; and if somebody just did, the service is up again.
    async fn calm(&mut self) {
        self.fair_game(false).await;
        self.get("/healthz").await;
    }

    async fn get(&mut self, path: &str) -> Answer {
        loop {
            match self.visitor.try_get(path).await {
                Ok(answer) if answer.status >= 500 => self.faults += 1,
                Ok(answer) => return answer,
                Err(_) => self.again().await,
            }
            assert!(self.faults < if self.field.is_some() { 200 } else { 10 });
        }
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        loop {
            match self.visitor.try_post(path, fields).await {
                Ok(answer) if answer.status >= 500 => self.faults += 1,
                Ok(answer) => return answer,
                Err(_) => self.again().await,
            }
            assert!(self.faults < if self.field.is_some() { 200 } else { 10 });
        }
    }

    /// Looks until the page says it; the service may die while it is waited for.
    async fn until(&mut self, path: &str, wanted: &str) -> Answer {
        // What died under way is due again after its lease.
        for _ in 0..1_200 {
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
        self.fair_game(true).await;
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
                    Err(_) => self.again().await,
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
            self.calm().await;
            let mut officer = Visitor::new(&self.visitor.site);
            match &self.field {
                Some(field) => {
                    // A code is used once in its half minute, whoever logs in.
                    let turn = Arc::clone(&field.log_ins).lock_owned().await;
                    outside.pass_at(&field.site, chrono::TimeDelta::minutes(1)).await;
                    officer.staff_at(user, outside.now()).await;
                    drop(turn);
                }
                None => officer.staff(user).await,
            }
            self.fair_game(true).await;
            std::mem::swap(&mut self.visitor, &mut officer);
            case = self.get(&format!("/staff?number={number}")).await.to;
            let seen = self.get(&case).await.hidden("seen");
            self.post(&case, &[("act", act), ("seen", &seen), ("outcome", "certificate")]).await;
            std::mem::swap(&mut self.visitor, &mut officer);
        }
        assert!(case.starts_with("/staff/case/"));
        let own = app.replace("/apply/", "/case/");
        let page = self.until(&own, "certificate.pdf").await;
        self.calm().await;
        let (status, pdf) = self.visitor.bytes(&format!("{own}/certificate.pdf")).await;
        assert_eq!(status, 200);
        assert!(pdf.starts_with(b"%PDF"));
        let link = page.body.split("href=\"/verify/").nth(1).unwrap().split('"').next().unwrap();
        assert!(self.get(&format!("/verify/{link}")).await.body.contains("verdict-valid"));
        if let Some(killer) = &self.killer {
            killer.done.store(true, Ordering::SeqCst);
        }
    }
}
