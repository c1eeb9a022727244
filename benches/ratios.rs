//! What this costs over the raw thing beneath it, in one run and one table: `cargo bench`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    missing_docs
)]

use std::io::Cursor;
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use actix::prelude::*;
use actix_web::{App, HttpResponse, HttpServer, web};
use chrono::Utc;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use domain::applicant::{Account, Applicant};
use domain::application::Application;
use domain::document_number::DocumentType;
use domain::effects::Effects;
use domain::ids::ApplicantId;
use domain::person::{Gender, Language};
use renzheng::web::site::Site;
use supervision::{
    Backoff, Child, ChildSpec, Directory, DirectorySpec, Intensity, Message, Receive, Reply, Scope, SystemClock,
};

struct Add;

impl Message for Add {
    type Answer = u64;
}

struct Counter(u64);

impl Child for Counter {}

impl Receive<Add> for Counter {
    fn receive(&mut self, _: Add, _: &mut Scope<'_, Self>) -> Reply<Self, u64> {
        self.0 += 1;
        Reply::Now(self.0)
    }
}

struct Bare(u64);

impl Actor for Bare {
    type Context = Context<Self>;
}

struct BareAdd;

impl actix::Message for BareAdd {
    type Result = u64;
}

impl Handler<BareAdd> for Bare {
    type Result = u64;

    fn handle(&mut self, _: BareAdd, _: &mut Self::Context) -> u64 {
        self.0 += 1;
        self.0
    }
}

const CALM: Intensity = Intensity { restarts: 100, within: Duration::from_secs(60) };

/// Asks from the thread on which both actors live; the best of several rounds, taken in turns.
fn asks() -> f64 {
    const ASKS: u32 = 100_000;
    let system = supervision::System::start(Arc::new(SystemClock), 1);
    let root = system.supervisor("root", CALM, None);
    // The runtime starts children on its own arbiter: the asking is done there too, from inside a child's thread.
    let mailbox = root.start(ChildSpec::new("counter", || Counter(0)));
    let (send, receive) = mpsc::channel();
    mailbox.on_its_arbiter(move |mailbox| async move {
        let bare = Bare(0).start();
        let (mut ours, mut raw) = (f64::MAX, f64::MAX);
        for _ in 0..7 {
            let begun = Instant::now();
            for _ in 0..ASKS {
                bare.send(BareAdd).await.unwrap();
            }
            raw = raw.min(begun.elapsed().as_secs_f64());
            let begun = Instant::now();
            for _ in 0..ASKS {
                mailbox.ask(Add).await.unwrap();
            }
            ours = ours.min(begun.elapsed().as_secs_f64());
        }
        send.send(ours / raw).unwrap();
    });
    receive.recv().unwrap()
}

fn resident_bytes() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4_096.0
}

async fn memory(world: &World) -> f64 {
    const MANY: usize = 100_000;
    let system = supervision::System::start(Arc::new(SystemClock), 2);
    let root = system.supervisor("root", CALM, None);
    let spec = DirectorySpec {
        name: "session",
        idle: Duration::from_secs(600),
        intensity: CALM,
        backoff: Backoff::NONE,
        bound: 32,
        drops: CALM,
    };
    let shared = Arc::clone(&world.site.tree.world);
    let directory =
        Directory::new(spec, &root, &system, move |id: &ApplicantId| ::actors::Session::new(*id, Arc::clone(&shared)));
    let before = resident_bytes();
    for _ in 0..MANY {
        directory.touch(&ApplicantId::fresh());
    }
    while directory.residents(MANY).iter().any(|vitals| vitals.state() == supervision::State::Starting) {
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(directory.len(), MANY);
    (resident_bytes() - before) / MANY as f64
}

struct World {
    site: Arc<Site>,
    origin: String,
    token: String,
    /// Cookie and application of each.
    people: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

/// An applicant with a draft; returns who and which.
fn person(store: &store::Store, n: u32) -> (String, String) {
    let now = Utc::now();
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
        verified: vec![domain::effects::Channel::Sms],
        language: Language::Chinese,
        terms: "2026-11".into(),
        real_name_confirmed: true,
        registered_at: now,
    };
    let mut application = Application::begin(now);
    application.assisted = Some(now);
    application.verified = true;
    let id = application.id.to_string();
    let applicant = Applicant {
        id: ApplicantId::fresh(),
        version: 1,
        account: Arc::new(account),
        password_hash: "none".into(),
        applications: vec![Arc::new(application)],
    };
    let holder = applicant.id.to_string();
    store.commit(None, applicant, Effects::default(), now).unwrap();
    (holder, id)
}

/// The whole service in this process, with eight applicants who are logged in and have a draft each.
fn world() -> World {
    let folder = tempfile::TempDir::new().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let cli = <renzheng::cli::Cli as clap::Parser>::parse_from(["renzheng", "--data", folder.path().to_str().unwrap()]);
    let outside = renzheng::demo::Outside { sandbox: None, http_port: 9, smtp_port: 9 };
    let parts = renzheng::demo::parts(&cli, &origin, &outside);
    let store = renzheng::boot::store(&parts, Utc::now()).unwrap();
    let tree = renzheng::boot::tree(&parts, Arc::clone(&store), Arc::new(SystemClock)).unwrap();
    let site = Arc::new(Site::new(tree, origin.clone(), origin.clone(), None));
    let visit = "a".repeat(64);
    let token = store.keys().sign("form", &visit);
    let people = (0..8_u32)
        .map(|n| {
            let (holder, application) = person(&store, n);
            let session = store.begin_session(store::Realm::Applicant, &holder, Utc::now()).unwrap();
            (format!("rz_session={session}; rz_visit={visit}; rz_language=zh-CN"), application)
        })
        .collect();
    let shared = web::Data::from(Arc::clone(&site));
    serve(listener, move |config| {
        config.app_data(shared.clone()).configure(renzheng::boot::routes);
    });
    World { site, origin, token, people, folder }
}

fn serve(listener: TcpListener, configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) {
    let server = HttpServer::new(move || {
        let configure = configure.clone();
        App::new().configure(move |config| configure(config))
    });
    actix_web::rt::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
}

/// Requests a second, by eight askers for two seconds.
async fn rate(ask: impl Fn(u64) -> reqwest::RequestBuilder, expect: u16) -> f64 {
    let until = Instant::now() + Duration::from_secs(2);
    let begun = Instant::now();
    let askers = (0..8_u64).map(|asker| {
        let ask = &ask;
        async move {
            let mut done = 0_u64;
            while Instant::now() < until {
                let reply = ask(asker * 1_000_000 + done).send().await.unwrap();
                assert_eq!(reply.status().as_u16(), expect);
                reply.bytes().await.unwrap();
                done += 1;
            }
            done
        }
    });
    let done: u64 = futures_util::future::join_all(askers).await.into_iter().sum();
    done as f64 / begun.elapsed().as_secs_f64()
}

/// In turns with the raw thing, the best of each: other work on the machine hits both.
async fn saves(world: &World) -> f64 {
    let (mut ours, mut raw) = (0.0_f64, 0.0_f64);
    for round in 0..3 {
        ours = ours.max(saves_of_ours(world).await);
        raw = raw.max(saves_raw(world, round));
    }
    ours / raw
}

async fn saves_of_ours(world: &World) -> f64 {
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    rate(
        |n| {
            let (cookie, application) = &world.people[usize::try_from(n / 1_000_000).unwrap()];
            let url = format!("{}/apply/{application}/basic", world.origin);
            let place = format!("样例市 {n}");
            let form = [
                ("_token", world.token.as_str()),
                ("birth_date", "1990-03-07"),
                ("birthplace", &place),
                ("address", "样例路 1 号"),
                ("emergency_name", "样亲属"),
                ("emergency_relation", "parent"),
                ("emergency_phone", "010-12345678"),
                ("purpose", "study"),
            ];
            http.post(&url).header("Cookie", cookie).form(&form)
        },
        303,
    )
    .await
}

fn saves_raw(world: &World, round: u32) -> f64 {
    let file = world.folder.path().join(format!("raw{round}.sqlite"));
    let mut raw = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    raw.batch_execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB NOT NULL);").unwrap();
    let begun = Instant::now();
    let mut done = 0_u32;
    while begun.elapsed() < Duration::from_secs(2) {
        let insert = diesel::sql_query("INSERT INTO row (body) VALUES (?)")
            .bind::<diesel::sql_types::Binary, _>(vec![7_u8; 1_024]);
        raw.transaction(|raw| insert.execute(raw)).unwrap();
        done += 1;
    }
    f64::from(done) / begun.elapsed().as_secs_f64()
}

/// In turns as well, for the same reason.
async fn pages(world: &World) -> f64 {
    let http = reqwest::Client::new();
    let (cookie, application) = &world.people[0];
    let url = format!("{}/case/{application}", world.origin);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let raw = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let page: &'static str = Box::leak("x".repeat(8 * 1_024).into_boxed_str());
    serve(listener, move |config| {
        config
            .route("/", web::get().to(move || async move { HttpResponse::Ok().content_type("text/html").body(page) }));
    });
    let (mut ours, mut bare) = (0.0_f64, 0.0_f64);
    for _ in 0..3 {
        ours = ours.max(rate(|_| http.get(&url).header("Cookie", cookie), 200).await);
        bare = bare.max(rate(|_| http.get(&raw).header("Cookie", cookie), 200).await);
    }
    ours / bare
}

/// CPU seconds of all threads of this process; `/proc/self/stat` knows only hundredths.
fn cpu() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let spent = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("schedstat")).ok();
    let spent = threads.filter_map(|thread| spent(thread.unwrap()));
    spent.map(|spent| spent.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9).sum()
}

fn uploads(world: &World) -> f64 {
    let picture = image::RgbImage::from_fn(4_000, 3_000, |x, y| {
        let noise = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)).to_le_bytes();
        image::Rgb([(x / 16) as u8 ^ (noise[1] & 31), (y / 12) as u8 ^ (noise[2] & 31), noise[3] & 63])
    });
    let mut bytes = Vec::new();
    let quality = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 88);
    picture.write_with_encoder(quality).unwrap();
    assert!((4_500_000..5_500_000).contains(&bytes.len()), "the JPEG has {} bytes", bytes.len());
    let (mut ours, mut raw) = (f64::MAX, f64::MAX);
    let store = &world.site.tree.world.store;
    // One byte behind the end makes each a file of its own.
    let mut own = bytes.clone();
    own.push(0);
    for round in 0..15_u8 {
        let begun = cpu();
        for _ in 0..5 {
            let decoded = image::load(Cursor::new(&bytes), image::ImageFormat::Jpeg).unwrap();
            assert_eq!(decoded.width(), 4_000);
        }
        raw = raw.min(cpu() - begun);
        let begun = cpu();
        for turn in 0..5_u8 {
            *own.last_mut().unwrap() = round * 5 + turn;
            store.blobs().put(store.keys(), &own).unwrap();
            let pictures::Judged::Good { shown, .. } = pictures::judge(&own) else { panic!("not judged good") };
            store.blobs().put(store.keys(), &shown).unwrap();
        }
        ours = ours.min(cpu() - begun);
    }
    ours / raw
}

/// Certificates per second of one core (B-B, each of another person), and milliseconds to verify one.
fn certificates() -> (f64, f64) {
    const MADE: u32 = 200;
    let settings = documents::KeySettings { stamp_roots: String::new(), ..renzheng::demo::document_keys() };
    let keys = Arc::new(documents::Keys::new("https://renzheng.example", &settings).unwrap());
    let issuer = documents::Issuer::new(Arc::clone(&keys)).unwrap();
    let facts = |n: u32| documents::CertificateFacts {
        number: format!("RC2026{n:08}"),
        outcome: domain::case::Outcome::Certificate,
        issued_at: Utc::now(),
        url: format!("https://renzheng.example/verify/{n:032x}"),
        name: format!(
            "样{}{}",
            char::from_u32(0x4e00 + n % 400 * 7).unwrap(),
            char::from_u32(0x5200 + n % 400 * 3).unwrap()
        ),
        birth: chrono::NaiveDate::from_ymd_opt(1990, 3, 1 + n % 28),
        country: "GB".into(),
        institution: format!("University of Northshire No. {n}"),
        institution_zh: format!("北郡第{n}大学"),
        credential: "Master of Science".into(),
        credential_zh: "理学硕士".into(),
        level: ("硕士".into(), "Master".into()),
        major: "数据科学 Data Science".into(),
        awarded: chrono::NaiveDate::from_ymd_opt(2019, 7, 1 + n % 28),
        studied: (chrono::NaiveDate::from_ymd_opt(2017, 9, 1), chrono::NaiveDate::from_ymd_opt(2019, 6, 1)),
        reason: None,
    };
    let make = |n| issuer.draft(&facts(n)).unwrap().finish(None).unwrap();
    make(9_999);
    let begun = cpu();
    let made: Vec<Vec<u8>> = (1..=MADE).map(make).collect();
    let rate = f64::from(MADE) / (cpu() - begun);
    let begun = cpu();
    assert!(made.iter().all(|pdf| documents::examine(pdf, keys.trust()).holds()));
    (rate, (cpu() - begun) * 1_000.0 / f64::from(MADE))
}

/// Milliseconds that the operators' page takes at the median with a million resident sessions, and what all of them hold
/// in memory, in GiB.
async fn million(world: &World) -> (f64, f64) {
    const MANY: usize = 1_000_000;
    let (site, store) = (&world.site, &world.site.tree.world.store);
    renzheng::demo::seed(store).unwrap();
    let people = store.people().unwrap();
    let operator = people.iter().find(|person| person.user_name == "operator").unwrap().officer.id.to_string();
    let token = store.begin_session(store::Realm::Staff, &operator, Utc::now()).unwrap();
    let before = resident_bytes();
    for _ in 0..MANY {
        site.tree.sessions.touch(&ApplicantId::fresh());
    }
    let starting = |totals: supervision::Totals| totals.states[supervision::State::Starting as usize];
    while starting(site.tree.sessions.totals()) > 0 {
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(site.tree.sessions.len() >= MANY);
    let held = (resident_bytes() - before) / f64::from(1 << 30);
    let http = reqwest::Client::new();
    let mut spent = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        let page = http.get(format!("{}/operator", world.origin)).header("Cookie", format!("rz_staff={token}"));
        let page = page.send().await.unwrap();
        assert_eq!(page.status().as_u16(), 200);
        let text = page.text().await.unwrap();
        assert!(text.contains("payment_reconciler") && text.contains("1000"), "it is the tree");
        spent.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    spent.sort_by(f64::total_cmp);
    (spent[10], held)
}

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    // `cargo bench -- pages` measures one of them alone.
    let only = std::env::args().nth(1).filter(|name| !name.starts_with('-'));
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    actix_web::rt::System::new().block_on(async {
        println!("| measure | this run | wanted |");
        println!("|---|---|---|");
        if wanted("asks") {
            println!(
                "| ask through a slot ÷ ask of a bare actix address, same arbiter (time) | {:.2} | ≤ 1.15 |",
                asks()
            );
        }
        let world = world();
        if wanted("saves") {
            let rate = saves(&world).await;
            println!("| saved wizard step over HTTP ÷ bare diesel insert transactions (rate) | {rate:.2} | ≥ 0.5 |");
        }
        if wanted("pages") {
            let rate = pages(&world).await;
            println!("| rendered status page over HTTP ÷ constant page of bare actix-web (rate) | {rate:.2} | ≥ 0.4 |");
        }
        if wanted("uploads") {
            let time = uploads(&world);
            println!("| upload of a large JPEG, sealed and validated ÷ bare decode (CPU time) | {time:.2} | ≤ 1.5 |");
        }
        if wanted("certificates") {
            let (rate, time) = certificates();
            println!("| certificates typeset, with their credential, signed (B-B), in a second of one core | {rate:.0} | ≥ 40 |");
            println!("| verification of a certificate, credential included (CPU time) | {time:.1} ms | ≤ 20 ms |");
        }
        // Last: a hundred thousand actors would stand in the way of the others.
        if wanted("memory") {
            let bytes = memory(&world).await;
            println!("| memory of an idle session actor, 100,000 resident | {bytes:.0} B | ≤ 1,536 B |");
        }
        if wanted("million") {
            let (page, held) = million(&world).await;
            println!("| operators' page with a million resident sessions (median) | {page:.1} ms | < 50 ms |");
            println!("| memory of a million resident sessions | {held:.2} GiB | ≤ 2 GiB |");
        }
    });
    std::process::exit(0);
}
