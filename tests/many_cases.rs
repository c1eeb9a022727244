//! Many cases, in a process of its own, for times are measured and every query is listened to: queues, search and case
//! page with 200,000 cases against 2,000, on both databases; and the plan of each query (R6.2).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]
#![allow(dead_code)]

#[path = "support/mod.rs"]
mod support;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use diesel::connection::{Connection, Instrumentation, InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use domain::case::Stage;
use domain::ids::{ApplicationId, StaffId};
use domain::joint::JointLevel;
use domain::refund::RefundState;
use store::{Blobs, Holder, Keys, QueueCursor, QueueFilter, Realm, Store};
use support::client::Visitor;
use support::database::postgres;
use support::server::{Outside, Server, rustls_provider};
use tempfile::TempDir;

const FEW: u64 = 2_000;
const MANY: u64 = 200_000;
/// A page's time at the median.
const PAGE_MOST: Duration = Duration::from_millis(50);
const LOOKS: usize = 25;

fn keys() -> Keys {
    Keys::from_master(&hex::decode(renzheng::demo::MASTER_KEY).unwrap()).unwrap()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A service's folder and database, with so many cases in it.
struct Filled {
    data: TempDir,
    url: Option<String>,
    /// One case of the queue: its id and its number.
    some: (ApplicationId, String),
    /// The way to the next page.
    next: String,
}

fn filled(url: Option<String>, cases: u64) -> Filled {
    let data = TempDir::new().unwrap();
    let file = data.path().join("renzheng.sqlite").to_string_lossy().into_owned();
    let store =
        Store::open(url.as_deref().unwrap_or(&file), keys(), Blobs::open(data.path().join("blobs")).unwrap()).unwrap();
    let begun = Instant::now();
    renzheng::seed::cases(&store, cases, Utc::now()).unwrap();
    println!("{cases} cases in {:.0} s", begun.elapsed().as_secs_f64());
    let middle = store.queue(&QueueFilter::of(Stage::Screening), None, 60).unwrap();
    let some = (middle[middle.len() / 2].application, middle[middle.len() / 2].number.clone());
    let after = &middle[24];
    let next = format!("/staff?stage=screening&after={}.{}", after.since.timestamp_micros(), after.application);
    drop(store);
    if let Some(url) = &url {
        diesel::PgConnection::establish(url).unwrap().batch_execute("VACUUM ANALYZE").unwrap();
    }
    Filled { data, url, some, next }
}

/// A service with so many cases, and what an officer looks at in it.
struct Looks {
    _server: Server,
    officer: Visitor,
    pages: Vec<(&'static str, String)>,
    searches: [String; 4],
}

async fn looks(outside: &Outside, filled: Filled) -> Looks {
    let Filled { data, url, some: (some, number), next } = filled;
    let server = Server::start_on(outside, data, url.as_deref());
    let mut officer = Visitor::new(&server.site);
    officer.staff("evaluator").await;
    let case = format!("/staff/case/{some}");
    let pages = vec![
        ("queue", "/staff?stage=screening".into()),
        ("next page", next),
        ("by due date", "/staff?stage=assessing&sort=due".into()),
        ("filtered", "/staff?stage=decided&country=GB&kind=foreign".into()),
        ("nobody's", "/staff?stage=assessing&holder=nobody".into()),
        ("case", case),
    ];
    let searches = ["样本17", "样本4321", "SAMPLE1", &number].map(str::to_owned);
    Looks { _server: server, officer, pages, searches }
}

impl Looks {
    async fn page(&mut self, at: usize) -> Duration {
        let begun = Instant::now();
        assert_eq!(self.officer.get(&self.pages[at].1).await.status, 200, "{}", self.pages[at].1);
        begun.elapsed()
    }

    async fn search(&mut self, turn: usize) -> Duration {
        let begun = Instant::now();
        let who = &self.searches[turn % self.searches.len()];
        assert!(matches!(self.officer.post("/staff/search", &[("who", who)]).await.status, 200 | 303));
        begun.elapsed()
    }
}

/// Medians with few cases and with many, by what was looked at: in turns, for whatever else the machine does slows both.
async fn medians(few: &mut Looks, many: &mut Looks) -> Vec<(&'static str, Duration, Duration)> {
    let mut found = Vec::new();
    for at in 0..few.pages.len() {
        let (mut with_few, mut with_many) = (Vec::new(), Vec::new());
        for _ in 0..LOOKS {
            with_few.push(few.page(at).await);
            with_many.push(many.page(at).await);
        }
        found.push((few.pages[at].0, median(with_few), median(with_many)));
    }
    let (mut with_few, mut with_many) = (Vec::new(), Vec::new());
    for turn in 0..8 * few.searches.len() {
        with_few.push(few.search(turn).await);
        with_many.push(many.search(turn).await);
    }
    found.push(("search", median(with_few), median(with_many)));
    found
}

#[actix_web::test]
async fn r6_2_two_hundred_thousand_cases_cost_a_page_what_two_thousand_do() {
    let _ = rustls_provider();
    let outside = Outside::start();
    let (few, many) = (postgres(), postgres());
    // Filling takes longest, and both can be filled at once; measuring can't.
    let sqlite = std::thread::spawn(|| (filled(None, FEW), filled(None, MANY)));
    let postgres = (filled(Some(few), FEW), filled(Some(many), MANY));
    for (name, (few, many)) in [("sqlite", sqlite.join().unwrap()), ("postgres", postgres)] {
        let (mut few, mut many) = (looks(&outside, few).await, looks(&outside, many).await);
        for (page, few, many) in medians(&mut few, &mut many).await {
            println!(
                "{name:9} {page:12} {:6.1} ms, with few {:6.1} ms",
                many.as_secs_f64() * 1e3,
                few.as_secs_f64() * 1e3
            );
            assert!(many < PAGE_MOST, "{name} {page}: {many:?}");
            // A few milliseconds are the machine's.
            assert!(many < few.mul_f64(1.5) + Duration::from_millis(4), "{name} {page}: {many:?} against {few:?}");
        }
    }
}

static HEARD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
thread_local!(static LISTENS: Cell<bool> = const { Cell::new(false) });

/// Hears every query of the thread that listens: the other test asks too.
struct Ear;

impl Instrumentation for Ear {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event
            && LISTENS.get()
        {
            let text = query.to_string();
            let text = text.split(" -- binds").next().unwrap_or_default().trim().to_owned();
            HEARD.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
        }
    }
}

/// Asks everything that pages and reconcilers ask.
fn ask_everything(store: &Store) {
    let (now, id) = (Utc::now(), StaffId::fresh());
    let case = store.queue(&QueueFilter::of(Stage::Screening), None, 1).unwrap()[0].clone();
    let base = QueueFilter::of(Stage::Assessing);
    for filter in [
        base.clone(),
        QueueFilter { kind: Some("foreign".into()), ..base.clone() },
        QueueFilter { country: Some("GB".into()), ..base.clone() },
        QueueFilter { holder: Holder::Nobody, ..base.clone() },
        QueueFilter { holder: Holder::Officer(id), ..base.clone() },
        QueueFilter { by_due: true, ..base.clone() },
    ] {
        let cursor = if filter.by_due {
            QueueCursor::Due(now.date_naive(), case.application)
        } else {
            QueueCursor::Since(now, case.application)
        };
        store.queue(&filter, None, 25).unwrap();
        store.queue(&filter, Some(cursor), 25).unwrap();
    }
    store.count_in(Stage::Decided).unwrap();
    store.cases_of("样本1", 10).unwrap();
    store.doubles(case.application, 10).unwrap();
    let _ = store.application_by_number("RZ1");
    store.owner_of(case.application).unwrap();
    store.load_applicant(case.applicant).unwrap();
    store.due_case(now).unwrap();
    store.due_attempt(now).unwrap();
    store.due_refund(now).unwrap();
    store.claim_material(now).unwrap();
    store.claim_certificate(5, now).unwrap();
    store.claim_notice(domain::effects::Channel::Sms, now).unwrap();
    store.claim_unconfirmed(now).unwrap();
    store.queue_looks(now).unwrap();
    store.rows_parked().unwrap();
    store.troubles(store::TroubleState::Parked, None, 10).unwrap();
    for filter in [
        store::EventFilter::default(),
        store::EventFilter { kind: Some("child.crashed".into()), ..Default::default() },
        store::EventFilter { child: Some("x".into()), to: Some(now), ..Default::default() },
    ] {
        store.events(&filter, None, 10).unwrap();
        store.events(&filter, Some((now, "x".into())), 10).unwrap();
    }
    store.notices_to(case.applicant, 10).unwrap();
    store.notices_waiting().unwrap();
    store.materials_table().unwrap();
    store.materials_versions(10).unwrap();
    store.setting("second-share").unwrap();
    let _ = store.case_at(case.applicant, case.application, now);
    store.agreement(now - chrono::TimeDelta::days(30), now).unwrap();
    store.refunds(RefundState::Asked, None, 10).unwrap();
    store.refunds(RefundState::Asked, Some((now, domain::ids::RefundId::fresh())), 10).unwrap();
    store.count_refunds(RefundState::Asked).unwrap();
    store.refunds_for_transfer(10).unwrap();
    store.refunds_behind_their_batch(10).unwrap();
    store.batches(10).unwrap();
    store.discrepancies(true, None, 10).unwrap();
    store.discrepancies(false, Some((now, String::new())), 10).unwrap();
    store.clearing_days(10).unwrap();
    store.movements(case.application).unwrap();
    store.audited("application:x", 10).unwrap();
    store.audit_log(Some(7), 10).unwrap();
    store.find_login("13800138000").unwrap();
    store.session(Realm::Staff, "x", now).unwrap();
    store.certificate_by_token("x").unwrap();
    store.certificate_by_number("RC1", "样张三").unwrap();
    store.certificate_by_document("x").unwrap();
    store.numbers_not_valid("RC1", "RC2", true).unwrap();
    let document = domain::certificate::Certificate {
        id: domain::ids::CertificateId::fresh(),
        number: None,
        token: String::new(),
        outcome: domain::case::Outcome::Certificate,
        standing: domain::certificate::Standing::Valid,
        issued_at: now,
        document: None,
        revoked_for: None,
    };
    store.log_entries(0, 10).unwrap();
    store.log_index("x").unwrap();
    let key = proof::jose::SigningKey::from_pem(sandbox::CREDENTIAL_KEY).unwrap();
    store.signed_head(|size, root| proof::merkle::SignedHead::sign(&key, size, now, root)).unwrap();
    store.shares(&[document.id], now).unwrap();
    let _ = store.vouched(&document);
    store.documents_after(Some(document.id), 10).unwrap();
    let _ = store.shared("x", now);
    assert!(!store.note_look("x", "x", "x", now).unwrap());
    store
        .programmes(
            "北郡数据",
            Some(JointLevel::Bachelor),
            false,
            Some(("样".into(), domain::ids::ProgrammeId::fresh())),
            10,
        )
        .unwrap();
    store.registrations(domain::document_number::DocumentType::CnId, "1", "样张三").unwrap();
    store.students(Some("E1"), None, None, 10).unwrap();
    store.by_day(now - chrono::TimeDelta::days(30), now).unwrap();
    store.by_country(now - chrono::TimeDelta::days(30), now).unwrap();
    store.durations(None, now - chrono::TimeDelta::days(30), now).unwrap();
    store.durations(Some(("foreign", "GB")), now - chrono::TimeDelta::days(30), now).unwrap();
    store.ages(&[Stage::Screening], now).unwrap();
}

#[derive(QueryableByName)]
struct Plan {
    #[diesel(sql_type = diesel::sql_types::Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct Lines {
    #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
    line: String,
}

/// Tables that hold a handful of rows, whatever happens.
const SMALL: [&str; 4] = ["staff", "counter", "clearing_day", "transfer_batch"];

fn selects() -> Vec<String> {
    let heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    let ours = heard.iter().filter(|text| text.starts_with("SELECT") && text.contains(" FROM "));
    ours.filter(|text| !text.contains("__diesel") && !text.contains("pg_") && !text.contains("version()"))
        .cloned()
        .collect()
}

#[test]
fn r6_2_every_query_has_an_index() {
    LISTENS.set(true);
    diesel::connection::set_default_instrumentation(|| Some(Box::new(Ear) as Box<dyn Instrumentation>)).unwrap();
    let folder = TempDir::new().unwrap();
    let blobs = || Blobs::open(folder.path().join("blobs")).unwrap();
    let file = folder.path().join("rows").to_string_lossy().into_owned();
    let sqlite = Store::open(&file, keys(), blobs()).unwrap();
    renzheng::seed::cases(&sqlite, 500, Utc::now()).unwrap();
    // R2.14: how long cases like these took, from our own that are closed.
    {
        let took =
            sqlite.durations(Some(("foreign", "GB")), Utc::now() - chrono::TimeDelta::days(900), Utc::now()).unwrap();
        let (half, most) = (took.within(50).unwrap(), took.within(90).unwrap());
        assert!(took.count() > 10 && (8..=26).contains(&half) && half <= most && most <= 26, "{took:?}");
    }
    HEARD.lock().unwrap().clear();
    ask_everything(&sqlite);
    let asked = selects();
    assert!(asked.len() > 40, "{} queries were heard", asked.len());
    let mut raw = diesel::SqliteConnection::establish(&file).unwrap();
    let mut scans = Vec::new();
    for query in &asked {
        let plan: Vec<Plan> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(&mut raw).unwrap();
        for step in plan {
            let small = SMALL.iter().any(|table| step.detail.contains(table));
            if step.detail.starts_with("SCAN")
                && !step.detail.contains("INDEX")
                && !small
                && !step.detail.contains("few")
            {
                scans.push(format!("{}\n  {query}", step.detail));
            }
        }
    }
    assert!(scans.is_empty(), "SQLite:\n{}", scans.join("\n"));
    // PostgreSQL: whoever has an index takes it when scans are forbidden.
    let url = postgres();
    let store = Store::open(&url, keys(), blobs()).unwrap();
    let now = Utc::now();
    renzheng::seed::cases(&store, 500, now).unwrap();
    let since = now - chrono::TimeDelta::days(900);
    let (here, there) = (store.durations(None, since, now).unwrap(), sqlite.durations(None, since, now).unwrap());
    assert_eq!((here.count(), here.within(50)), (there.count(), there.within(50)), "both databases count alike");
    HEARD.lock().unwrap().clear();
    ask_everything(&store);
    let asked = selects();
    let mut raw = diesel::PgConnection::establish(&url).unwrap();
    raw.batch_execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; ANALYZE").unwrap();
    let mut scans = Vec::new();
    for (at, query) in asked.iter().enumerate() {
        let count = (1..60).rev().find(|n| query.contains(&format!("${n}"))).unwrap_or(0);
        let nulls = vec!["NULL"; count].join(", ");
        let of = if count == 0 { String::new() } else { format!("({nulls})") };
        raw.batch_execute(&format!("PREPARE q{at} AS {query}")).unwrap();
        let plan: Vec<Lines> = diesel::sql_query(format!("EXPLAIN EXECUTE q{at}{of}")).load(&mut raw).unwrap();
        for step in plan {
            let small = SMALL.iter().any(|table| step.line.contains(&format!(" on {table} ")));
            if step.line.contains("Seq Scan") && !small {
                scans.push(format!("{}\n  {query}", step.line.trim()));
            }
        }
    }
    assert!(scans.is_empty(), "PostgreSQL:\n{}", scans.join("\n"));
    println!("{} queries on PostgreSQL, each by an index", asked.len());
}
