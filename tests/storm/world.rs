//! One world of the storm: sandbox, store, actors and the site's doors, all in this process, and a clock that jumps.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use actors::{Disorder, Tree};
use chrono::TimeDelta;
use clap::Parser;
use domain::applicant::{Account, Applicant};
use domain::application::Application;
use domain::document_number::DocumentType;
use domain::effects::{Channel, Effects};
use domain::ids::{ApplicantId, ApplicationId};
use domain::payment::Attempt;
use domain::person::{Gender, Language};
use renzheng::web::site::Site;
use store::Store;
use supervision::{Clock, ShiftedClock};
use tempfile::TempDir;

/// Numbers that follow from a seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % most as u64) as usize
    }

    pub fn one_in(&mut self, most: usize) -> bool {
        self.below(most) == 0
    }
}

pub struct World {
    pub state: Arc<sandbox::State>,
    pub store: Arc<Store>,
    pub tree: Arc<Tree>,
    clock: Arc<ShiftedClock>,
    parts: renzheng::boot::Parts,
    server: actix_web::dev::ServerHandle,
    http: reqwest::Client,
    people: u32,
    end: Option<mpsc::Sender<()>>,
    folder: TempDir,
}

fn serve(tree: &Arc<Tree>, listener: TcpListener, origin: &str) -> actix_web::dev::ServerHandle {
    let site = web::Data::new(Site::new(Arc::clone(tree), origin.to_owned(), origin.to_owned(), None));
    let server = HttpServer::new(move || App::new().app_data(site.clone()).configure(renzheng::boot::routes));
    let running = server.workers(1).disable_signals().listen(listener).unwrap().run();
    let handle = running.handle();
    actix_web::rt::spawn(running);
    handle
}

impl World {
    pub async fn start() -> Self {
        let clock = Arc::new(ShiftedClock::at(0));
        let (end, ended) = mpsc::channel::<()>();
        let (send, receive) = tokio::sync::oneshot::channel();
        let theirs = Arc::clone(&clock);
        // The other side on a thread of its own, which ends with the world.
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let settings = sandbox::Settings {
                    http_port: 0,
                    smtp_port: 0,
                    memory: None,
                    now: Arc::new(move || theirs.now()),
                    shift: Arc::new(|_| {}),
                    staff: Vec::new(),
                    site: String::new(),
                };
                let sandbox = sandbox::start(settings).unwrap();
                let _ = send.send((sandbox.http_port, sandbox.smtp_port, Arc::clone(&sandbox.state)));
                while matches!(ended.try_recv(), Err(mpsc::TryRecvError::Empty)) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                sandbox.stop().await;
            });
        });
        let (http_port, smtp_port, state) = receive.await.unwrap();
        let folder = TempDir::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let cli = renzheng::cli::Cli::parse_from(["renzheng", "--data", folder.path().to_str().unwrap()]);
        let outside = renzheng::demo::Outside { sandbox: None, http_port, smtp_port };
        let parts = renzheng::demo::parts(&cli, &origin, &outside);
        let store = renzheng::boot::store(&parts, clock.now()).unwrap();
        let tree = renzheng::boot::tree(&parts, Arc::clone(&store), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let server = serve(&tree, listener, &origin);
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { state, store, tree, clock, parts, server, http, people: 0, end: Some(end), folder }
    }

    pub async fn end(mut self) {
        self.server.stop(false).await;
        self.tree.system.shutdown(Duration::ZERO).await;
        drop(self.end.take());
        drop(self.folder);
    }

    /// Everything in memory is gone; what is in the rows goes on.
    pub async fn restart(&mut self) {
        self.server.stop(false).await;
        self.tree.system.shutdown(Duration::ZERO).await;
        let address = self.parts.site.trim_start_matches("http://");
        let mut listener = TcpListener::bind(address);
        for _ in 0..100 {
            if listener.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            listener = TcpListener::bind(address);
        }
        self.store = renzheng::boot::store(&self.parts, self.clock.now()).unwrap();
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.tree = renzheng::boot::tree(&self.parts, Arc::clone(&self.store), clock).unwrap();
        self.server = serve(&self.tree, listener.unwrap(), &self.parts.site);
    }

    pub fn pass(&self, span: TimeDelta) {
        self.clock.shift(span.num_seconds());
    }

    pub fn wake(&self) {
        self.tree.world.wake.payments();
        self.tree.world.wake.refunds();
        self.tree.world.wake.cases();
    }

    pub fn break_at(&self, order: Option<&str>) {
        self.tree.world.faults.arm(order.map(Disorder::parse));
    }

    /// Waits until nothing is due at the present instant and nobody is at work.
    pub async fn settle(&self) {
        // Far more than it ever takes: the machine may have other work.
        for _ in 0..20_000 {
            let now = self.clock.now();
            let due = self.store.due_attempt(now).unwrap().is_some()
                || self.store.due_refund(now).unwrap().is_some()
                || self.store.due_case(now).unwrap().is_some();
            let busy = self.tree.reconcilers.children().iter().any(|child| {
                let ours = ["payment", "refund", "case"].iter().any(|name| child.name().starts_with(name));
                ours && (child.depth() > 0 || !child.healthy())
            });
            if !due && !busy {
                return;
            }
            if due && !busy {
                self.wake();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("it never settles");
    }

    /// An applicant with a submitted application.
    pub fn submitted(&mut self) -> (ApplicantId, ApplicationId) {
        self.people += 1;
        let (n, now) = (self.people, self.clock.now());
        let account = Account {
            user_name: format!("RZ{n:08}"),
            name: "样张三".into(),
            nationality: "CN".into(),
            gender: Gender::Male,
            document_type: DocumentType::CnPassport,
            document_number: format!("E{n:08}"),
            valid_from: "2020-01-01".parse().unwrap(),
            valid_to: None,
            phone: format!("138{n:08}"),
            email: format!("sample{n}@example.com"),
            verified: vec![Channel::Sms],
            language: Language::Chinese,
            terms: "2026-11".into(),
            real_name_confirmed: true,
            registered_at: now,
        };
        let mut application = Application::begin(now);
        application.submitted_at = Some(now);
        let (id, of) = (ApplicantId::fresh(), application.id);
        let new = Applicant {
            id,
            version: 1,
            account: Arc::new(account),
            password_hash: "none".into(),
            applications: vec![Arc::new(application)],
        };
        self.store.commit(None, new, Effects::default(), now).unwrap();
        (id, of)
    }

    /// What a browser does: the form to the cashier, and there the card.
    pub async fn pay(&self, attempt: &Attempt, card: &str) {
        let form = self.tree.world.outside.union_pay.front_form(attempt, &self.parts.site).unwrap();
        let cashier = self.http.post(&form.action).form(&form.fields).send().await.unwrap();
        let Some(to) = cashier.headers().get("location").map(|to| to.to_str().unwrap().to_owned()) else { return };
        let origin = form.action.split("/gateway").next().unwrap().to_owned();
        self.http.post(format!("{origin}{to}")).form(&[("card", card)]).send().await.unwrap();
    }

    /// Somebody without the gateway's key says that it is paid, and a browser comes back and says so too.
    pub async fn forge(&self, order: &str, txn_time: &str) {
        let fields = [
            ("version", "5.1.0"),
            ("signMethod", "01"),
            ("merId", sandbox::MERCHANT),
            ("orderId", order),
            ("txnTime", txn_time),
            ("txnAmt", "36000"),
            ("currencyCode", "156"),
            ("respCode", "00"),
            ("queryId", "952611250000000000001"),
            ("signature", "Zm9yZ2Vk"),
            ("signPubKeyCert", sandbox::MERCHANT_PEM),
        ];
        for door in ["notify", "return"] {
            let _ = self.http.post(format!("{}/pay/{door}", self.parts.site)).form(&fields).send().await;
        }
    }
}
