//! Invented cases by the thousand, obviously invented, spread over stages, countries and time: to see how pages and
//! queries bear them.

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use domain::applicant::{Account, Applicant};
use domain::application::Application;
use domain::calendar::{Calendar, today};
use domain::case::{Decision, Outcome, Proposal};
use domain::casework::Expected;
use domain::document_number::DocumentType;
use domain::effects::{Channel, TimelineEntry};
use domain::form::Answers;
use domain::ids::{ApplicantId, StaffId};
use domain::person::{Gender, Language};
use domain::steps::ApplicationKind;
use store::{Store, StoreError};

/// Cases of one transaction.
const AT_ONCE: u64 = 2_000;
const COUNTRIES: [&str; 10] = ["GB", "US", "AU", "CA", "FR", "DE", "JP", "NZ", "SG", "IT"];

/// Makes so many cases, the newest at `now`.
///
/// # Errors
/// When the database fails.
pub fn cases(store: &Store, count: u64, now: DateTime<Utc>) -> Result<(), StoreError> {
    let calendar = Calendar::embedded();
    let officers = [StaffId::fresh(), StaffId::fresh()];
    // Whoever seeds twice gets other people.
    let start = u64::from(now.timestamp().unsigned_abs() as u32) << 24;
    let mut made = 0;
    while made < count {
        let some: Vec<Applicant> =
            (made..count.min(made + AT_ONCE)).map(|n| one(start, n, count, now, &calendar, officers)).collect();
        made += AT_ONCE;
        store.add_many(&some)?;
    }
    Ok(())
}

fn answers(pairs: &[(&str, &str)]) -> Answers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn entry(at: DateTime<Utc>, kind: &str, by: &str, detail: &str) -> TimelineEntry {
    TimelineEntry { at, kind: kind.into(), by: by.into(), detail: detail.into() }
}

fn one(
    start: u64,
    n: u64,
    count: u64,
    now: DateTime<Utc>,
    calendar: &Calendar,
    [first, second]: [StaffId; 2],
) -> Applicant {
    let id = ApplicantId::fresh();
    let key = format!("{:x}", start + n);
    // Three years back, evenly.
    let age = i64::try_from((count - n) * 1_095 * 86_400 / count.max(1)).unwrap_or(0);
    let begun = now - TimeDelta::seconds(age);
    let pick = |list: &[&'static str], salt: u64| -> &'static str {
        // Not in step with the stages, which go by the last digit.
        let at = usize::try_from((n / 10 + salt) % list.len().max(1) as u64).unwrap_or(0);
        list.get(at).copied().unwrap_or_default()
    };
    let country = pick(&COUNTRIES, 0);
    let mut application = Application::begin(begun);
    application.number = Some(format!("RS{}", key.to_uppercase()));
    application.kind = Some(if n.is_multiple_of(9) { ApplicationKind::Diploma } else { ApplicationKind::Foreign });
    application.verified = true;
    application.basic =
        answers(&[("birth_date", "1990-03-07"), ("birthplace", "样例市"), ("address", "样例市样例区样例路 1 号")]);
    let certificate_number = format!("NS-{key}");
    application.credential = answers(&[
        ("country", country),
        ("institution", "University of Northshire"),
        ("institution_zh", "北郡大学"),
        ("credential_name", "Master of Science"),
        ("credential_name_zh", "理学硕士"),
        ("level", "master"),
        ("major", "Data Science"),
        ("study_mode", "full_time"),
        ("start", "2017-09"),
        ("end", "2019-06"),
        ("award_date", "2019-07-12"),
        ("certificate_number", &certificate_number),
        ("study_places", "英国北郡"),
        ("days_abroad", "600"),
    ]);
    let at = |hours: i64| begun + TimeDelta::hours(hours);
    let spent = 24 * (8 + i64::try_from(n % 17).unwrap_or(0));
    application.submitted_at = Some(at(2));
    application.paid_at = Some(at(3));
    let mut told = vec![entry(at(2), "submitted", "applicant", ""), entry(at(3), "paid", "system", "")];
    // Nine in ten are decided; the rest stand in every open stage.
    let open = n % 10;
    let (by_first, by_second) = (format!("staff:{first}"), format!("staff:{second}"));
    if open != 0 {
        application.accepted_at = Some(at(30));
        told.push(entry(at(30), "accepted", &by_first, ""));
        let due = calendar.add(today(at(30)), application.working_days());
        application.casework.expected.push(Expected { at: at(30), due, cause: "accepted".into() });
        let outcome = match n % 40 {
            3 => Outcome::Deferral,
            7 => Outcome::Refusal,
            _ => Outcome::Certificate,
        };
        let reason = (outcome != Outcome::Certificate).then(|| "cannot-verify".to_owned());
        let proposal = Proposal { outcome, reason, note: String::new(), by: first, at: at(30 + spent) };
        match open {
            1 if n.is_multiple_of(3) => application.casework.claimed = Some((first, at(31))),
            1 => {}
            2 if n.is_multiple_of(2) => application.proposal = Some(proposal),
            _ => {
                told.push(entry(at(30 + spent), "proposed", &by_first, ""));
                told.push(entry(at(40 + spent), "decided", &by_second, outcome.code()));
                application.decision = Some(Decision { proposal, by: second, at: at(40 + spent) });
            }
        }
    }
    application.changed_at = at(40 + spent);
    application.timeline = told;
    let valid_from = NaiveDate::default() + Days::new(18_000);
    let account = Account {
        user_name: format!("RS{}", key.to_uppercase()),
        name: format!("样本{n}"),
        nationality: "CN".into(),
        gender: if n.is_multiple_of(2) { Gender::Female } else { Gender::Male },
        document_type: DocumentType::CnPassport,
        // Longer than any passport number: nobody real has it.
        document_number: format!("SAMPLE{}", key.to_uppercase()),
        valid_from,
        valid_to: None,
        phone: format!("1{:010}", (start + n) % 10_000_000_000),
        email: format!("sample-{key}@example.com"),
        verified: vec![Channel::Sms],
        language: Language::Chinese,
        terms: "2026-11".into(),
        real_name_confirmed: true,
        registered_at: begun,
    };
    Applicant {
        id,
        version: 1,
        account: Arc::new(account),
        password_hash: "none".into(),
        applications: vec![Arc::new(application)],
    }
}
