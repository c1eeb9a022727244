//! A large clearing file, in a process of its own, for its memory is measured (R6.4).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

use std::sync::Arc;
use std::time::Instant;

use chrono::{TimeDelta, TimeZone, Utc};
use domain::applicant::{Account, Applicant};
use domain::clearing::{ClearingKind, ClearingLine};
use domain::document_number::DocumentType;
use domain::effects::{Channel, Effects, Movement};
use domain::ids::{ApplicantId, ApplicationId};
use domain::money::FEE;
use domain::person::{Gender, Language};
use gateways::unionpay::clearing::{pack, parse, unpack, write};
use store::{Blobs, Keys, Store};
use tempfile::TempDir;

fn line(order: &str) -> ClearingLine {
    ClearingLine {
        kind: ClearingKind::Payment,
        amount: 36_000,
        query_id: "952611250653055355183".into(),
        order: order.into(),
        fee: -216,
        settled: 35_784,
        original: String::new(),
    }
}

fn applicant(mark: &str) -> Applicant {
    let now = Utc::now();
    let account = Account {
        user_name: mark.into(),
        name: "样张三".into(),
        nationality: "CN".into(),
        gender: Gender::Male,
        document_type: DocumentType::CnPassport,
        document_number: mark.into(),
        valid_from: "2020-01-01".parse().unwrap(),
        valid_to: None,
        phone: mark.into(),
        email: format!("{mark}@example.com"),
        verified: vec![Channel::Sms],
        language: Language::Chinese,
        terms: "2026-11".into(),
        real_name_confirmed: true,
        registered_at: now,
    };
    let account = Arc::new(account);
    let (id, password_hash) = (ApplicantId::fresh(), String::new());
    Applicant { id, version: 1, account, password_hash, applications: Vec::new() }
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap();
    status.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[test]
fn r6_4_a_hundred_thousand_lines_are_matched_in_ten_seconds_and_two_hundred_megabytes() {
    const LINES: usize = 100_000;
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("rows.sqlite").to_string_lossy().into_owned();
    for (name, url) in [("sqlite", Some(file)), ("postgres", std::env::var("TEST_POSTGRES").ok())] {
        let Some(url) = url else { panic!("{name}: tests/run starts a cluster and says where it is") };
        let keys = Keys::from_master(&[7; 32]).unwrap();
        let store = Store::open(&url, keys, Blobs::open(folder.path().join("blobs")).unwrap()).unwrap();
        let before = applicant(&ApplicantId::fresh().to_string());
        let before = store.commit(None, before, Effects::default(), Utc::now()).unwrap().applicant;
        let at = Utc.with_ymd_and_hms(2031, 5, 6, 4, 0, 0).unwrap();
        let application = ApplicationId::fresh();
        let mark = application.to_string();
        let order = |n: usize| format!("RZ{}{n:08}", &mark[..20]);
        let mut effects = Effects::default();
        for n in 0..LINES {
            let key = format!("settle:{}", order(n));
            effects.movements.push(Movement { key, application, from: "gateway", to: "fees", amount: FEE });
        }
        let mut after = Applicant::clone(&before);
        after.password_hash = "other".into();
        store.commit(Some(&before), after, effects, at).unwrap();
        let mut text = Vec::with_capacity(LINES * 609);
        for n in 0..LINES {
            text.extend(write(&line(&order(n)), sandbox::MERCHANT, "0506120000"));
            text.extend(b"\r\n");
        }
        // One that we know nothing of.
        text.extend(write(&line(&order(LINES)), sandbox::MERCHANT, "0506120000"));
        let packed = pack("INN0506ZM_777290058110048", &text).unwrap();
        drop(text);
        let (begun, memory) = (Instant::now(), resident_bytes());
        let lines = parse(&unpack(&packed).unwrap()).unwrap();
        let day = "2031-05-06".parse().unwrap();
        let found = store.keep_clearing_day(day, &lines, at + TimeDelta::hours(14)).unwrap();
        let (took, grew) = (begun.elapsed(), resident_bytes().saturating_sub(memory));
        println!("{name}: {LINES} lines in {took:.1?}, {} MB more", grew / 1_000_000);
        assert!(found >= 1, "{name}");
        assert!(took.as_secs() < 10, "{name}: {took:?}");
        assert!(grew < 200_000_000, "{name}: {grew} bytes");
        assert_eq!(store.keep_clearing_day(day, &lines, at).unwrap(), 0, "{name}: a day is compared once");
        let days = store.clearing_days(10).unwrap();
        assert!(days.iter().any(|row| row.day == day && row.matched == i32::try_from(LINES).unwrap()), "{name}");
    }
}
