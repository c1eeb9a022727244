//! The service ended again and again, by SIGKILL, by SIGTERM and by SIGTERM twice, at random instants under a load of whole
//! journeys, with a hundred thousand rows due: nothing that was answered is lost, nothing is done twice, and it is ready
//! again within two seconds (R7.3). `KILLS=1000 tests/run random_kills` plays as many as it says.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::{Connection, SimpleConnection};
use diesel::prelude::*;
use store::{Blobs, Keys, Store};
use tempfile::TempDir;

use crate::support::client::Person;
use crate::support::server::{Outside, Server, rustls_provider};
use crate::support::stubborn::{Field, Stubborn};

/// Ends in a round: then the world begins anew, for log-ins and registrations are limited.
const ENDS_A_ROUND: usize = 25;
const USUALLY: usize = 50;
const DUE: u32 = 100_000;
const AT_ONCE: usize = 2;
const READY_WITHIN: Duration = Duration::from_secs(2);

/// Notices by mail that are all due.
fn fill(data: &Path) {
    let keys = Keys::from_master(&hex::decode(renzheng::demo::MASTER_KEY).unwrap()).unwrap();
    let file = data.join("renzheng.sqlite").to_string_lossy().into_owned();
    drop(Store::open(&file, keys, Blobs::open(data.join("blobs")).unwrap()).unwrap());
    let keys = Keys::from_master(&hex::decode(renzheng::demo::MASTER_KEY).unwrap()).unwrap();
    let mut raw = diesel::SqliteConnection::establish(&file).unwrap();
    raw.batch_execute("PRAGMA synchronous=OFF; BEGIN").unwrap();
    let body = br#"{"to":"due@example.com","params":[["number","RZ0"]]}"#;
    for n in 0..DUE {
        let id = format!("00000000-0000-7000-8000-{n:012}");
        let sealed = keys.seal(&format!("notice:{id}"), body).unwrap();
        diesel::sql_query(
            "INSERT INTO notice (id, channel, kind, language, state, due_at, body) VALUES (?, 'mail', 'message', 'en', 'queued', '2026-01-01 00:00:00', ?)",
        )
        .bind::<diesel::sql_types::Text, _>(id)
        .bind::<diesel::sql_types::Binary, _>(sealed)
        .execute(&mut raw)
        .unwrap();
    }
    raw.batch_execute("COMMIT").unwrap();
}

/// Somebody of whom there is only one.
fn person(n: usize) -> Person {
    // The digits before the last say a place, a day, a running number, and with its last one a man.
    let body = format!("11010119900307{:02}1", n % 100);
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: usize = body.chars().zip(weights).map(|(c, w)| c.to_digit(10).unwrap() as usize * w).sum();
    let number = body + &"10X98765432"[sum % 11..=sum % 11];
    Person {
        number: Box::leak(number.into_boxed_str()),
        phone: format!("139{n:08}"),
        email: format!("sample{n}@example.com"),
        ..Person::sample()
    }
}

struct Figures {
    kills: usize,
    terms: usize,
    twice: usize,
    ready: Vec<Duration>,
}

/// Ends the service and starts it again, so many times.
async fn keeper(mut server: Server, field: Arc<Field>, ends: usize, seed: u64, figures: &mut Figures) -> Server {
    let mut random = seed;
    for _ in 0..ends {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        tokio::time::sleep(Duration::from_millis(60 + (random >> 33) % 500)).await;
        let nobody_suffers = field.fair.write().await;
        let way = (random >> 20) % 5;
        let ended = tokio::task::spawn_blocking(move || {
            match way {
                0 | 1 => server.kill(),
                2 => assert!(matches!(server.terminate_twice(), Some(0 | 1)), "a second SIGTERM ends at once"),
                _ => assert_eq!(server.terminate(), Some(0), "SIGTERM ends in order"),
            }
            let begun = Instant::now();
            (server.restart(), begun)
        });
        let begun;
        (server, begun) = ended.await.unwrap();
        while reqwest::get(format!("{}/readyz", field.site)).await.map(|reply| reply.status().as_u16()).ok()
            != Some(200)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        figures.ready.push(begun.elapsed());
        match way {
            0 | 1 => figures.kills += 1,
            2 => figures.twice += 1,
            _ => figures.terms += 1,
        }
        drop(nobody_suffers);
    }
    server
}

async fn round(ends: usize, seed: u64, figures: &mut Figures) -> usize {
    let outside = Arc::new(Outside::start());
    let data = TempDir::new().unwrap();
    fill(data.path());
    let server = Server::start_on(&outside, data, None);
    let field = Field::new(&server.site);
    let over = Arc::new(AtomicBool::new(false));
    let next = Arc::new(AtomicUsize::new(0));
    let walkers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (field, outside, over, next) =
                (Arc::clone(&field), Arc::clone(&outside), Arc::clone(&over), Arc::clone(&next));
            actix_web::rt::spawn(async move {
                let mut done = 0;
                while !over.load(Ordering::SeqCst) {
                    let someone = person(next.fetch_add(1, Ordering::SeqCst));
                    Stubborn::on(&field).await.whole(&outside, &someone).await;
                    done += 1;
                }
                done
            })
        })
        .collect();
    let server = keeper(server, Arc::clone(&field), ends, seed, figures).await;
    over.store(true, Ordering::SeqCst);
    let mut journeys = 0;
    for walker in walkers {
        journeys += walker.await.unwrap();
    }
    assert_eq!(outside.taken(), 36_000 * i64::try_from(journeys).unwrap(), "seed {seed}: each paid once");
    drop(server);
    journeys
}

#[actix_web::test]
async fn r7_3_random_kills_under_load_lose_nothing_and_do_nothing_twice() {
    let _ = rustls_provider();
    let wanted = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(USUALLY);
    let mut figures = Figures { kills: 0, terms: 0, twice: 0, ready: Vec::new() };
    let (mut journeys, mut left, mut seed) = (0, wanted, 1);
    while left > 0 {
        let ends = left.min(ENDS_A_ROUND);
        journeys += round(ends, seed, &mut figures).await;
        (left, seed) = (left - ends, seed + 1);
    }
    figures.ready.sort();
    let (half, most) = (figures.ready[figures.ready.len() / 2], *figures.ready.last().unwrap());
    println!(
        "ended {wanted} times ({} SIGKILL, {} SIGTERM, {} SIGTERM twice) under {journeys} whole journeys: all of them right; \
         ready again with {DUE} rows due in {} ms at the median, {} ms at the most",
        figures.kills,
        figures.terms,
        figures.twice,
        half.as_millis(),
        most.as_millis()
    );
    assert!(most < READY_WITHIN, "ready again after {most:?}");
}
