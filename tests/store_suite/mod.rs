//! One suite for both databases: SQLite always, PostgreSQL by `TEST_POSTGRES`, which `tests/run` sets.

mod documents;
mod tls;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use diesel::connection::{Connection, SimpleConnection};
use domain::applicant::{Account, Applicant};
use domain::application::Application;
use domain::calendar::Calendar;
use domain::case::Stage;
use domain::command::Command;
use domain::document_number::DocumentType;
use domain::effects::{Actor, Channel, Effects, Moment, Movement, Notice, NoticeKind};
use domain::ids::{ApplicantId, NoticeId};
use domain::money::FEE;
use domain::payment::{Attempt, AttemptState};
use domain::person::{Gender, Language};
use domain::refund::AskRefund;
use store::{
    Blobs, CodeCheck, EventFilter, EventRow, Holder, Instant, Keys, Limit, Queue, QueueCursor, QueueFilter, Realm,
    Store, StoreError, Task, TroubleState,
};
use tempfile::TempDir;

use crate::support::database::postgres;

struct Base {
    store: Arc<Store>,
    url: String,
    _folder: TempDir,
}

impl Base {
    /// A statement of somebody who is at the database itself.
    fn raw(&self, statement: &str) -> diesel::QueryResult<()> {
        if self.url.starts_with("postgres") {
            return diesel::PgConnection::establish(&self.url).unwrap().batch_execute(statement);
        }
        diesel::SqliteConnection::establish(&self.url).unwrap().batch_execute(statement)
    }
}

fn bases() -> Vec<(&'static str, Base)> {
    let open = |url: &dyn Fn(&TempDir) -> String| {
        let folder = TempDir::new().unwrap();
        let keys = Keys::from_master(&[7; 32]).unwrap();
        let url = url(&folder);
        let store = Store::open(&url, keys, Blobs::open(folder.path().join("blobs")).unwrap()).unwrap();
        Base { store: Arc::new(store), url, _folder: folder }
    };
    let mut bases = vec![("sqlite", open(&|folder| folder.path().join("rows").to_string_lossy().into_owned()))];
    bases.push(("postgres", open(&|_| postgres())));
    bases
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 24, 1, 2, 3).unwrap()
}

fn unique() -> String {
    let id = ApplicantId::fresh().to_string();
    id[20..].chars().map(|c| char::from_digit(c.to_digit(16).unwrap() % 10, 10).unwrap()).collect()
}

fn applicant() -> Applicant {
    let unique = unique();
    let account = Account {
        user_name: format!("RZ{unique}"),
        name: "样张三".into(),
        nationality: "CN".into(),
        gender: Gender::Male,
        document_type: DocumentType::CnId,
        document_number: format!("SAMPLE{unique}"),
        valid_from: "2020-01-01".parse().unwrap(),
        valid_to: None,
        phone: format!("13{}", &unique[..9]),
        email: format!("{unique}@example.com"),
        verified: vec![Channel::Sms],
        language: Language::Chinese,
        terms: "2026-11".into(),
        real_name_confirmed: true,
        registered_at: now(),
    };
    Applicant {
        id: ApplicantId::fresh(),
        version: 1,
        account: Arc::new(account),
        password_hash: "none".into(),
        applications: vec![],
    }
}

fn kept(store: &Store) -> Applicant {
    Applicant::clone(&store.commit(None, applicant(), Effects::default(), now()).unwrap().applicant)
}

#[test]
fn r1_10_one_account_per_document_phone_and_mail() {
    for (name, base) in bases() {
        let first = kept(&base.store);
        for change in 0..3 {
            let mut second = applicant();
            match change {
                0 => Arc::make_mut(&mut second.account).document_number = first.account.document_number.clone(),
                1 => Arc::make_mut(&mut second.account).phone = first.account.phone.clone(),
                _ => Arc::make_mut(&mut second.account).email = first.account.email.clone(),
            }
            assert!(base.store.is_registered(&second.account).unwrap(), "{name}");
            let refused = base.store.commit(None, second, Effects::default(), now());
            assert!(matches!(refused, Err(StoreError::Taken(_))), "{name}: {refused:?}");
        }
        for who in [&first.account.user_name, &first.account.phone, &first.account.email] {
            assert_eq!(base.store.find_login(who).unwrap().unwrap().0, first.id, "{name}");
        }
    }
}

#[test]
fn a_commit_keeps_everything_and_a_stale_one_nothing() {
    for (name, base) in bases() {
        let store = &base.store;
        let before = kept(store);
        let mut after = before.clone();
        let mut application = Application::begin(now());
        application.submitted_at = Some(now());
        application.attempts.push(Attempt::open(FEE, now()));
        let (id, order) = (application.id, application.attempts[0].order.clone());
        after.applications.push(Arc::new(application));
        let mut effects = Effects::default();
        effects.happened(id, "submitted", Actor::Applicant, "");
        effects.tell(&after.account, NoticeKind::Submitted, &[]);
        let committed = store.commit(Some(&before), after.clone(), effects.clone(), now()).unwrap();
        let number = committed.applicant.applications[0].number.clone().unwrap();
        assert!(number.starts_with("RZ2026"), "{name}");
        assert_eq!(store.load_applicant(before.id).unwrap(), committed.applicant, "{name}");
        assert_eq!(store.owner_of(id).unwrap(), before.id);
        assert_eq!(store.application_by_number(&number).unwrap(), id);
        assert_eq!(store.load_applicant(before.id).unwrap().applications[0].timeline.len(), 1);
        assert_eq!(store.audited(&format!("application:{id}"), 10).unwrap().len(), 1);
        assert_eq!(store.attempt_by_order(&order).unwrap().application, id);
        let queue = store.queue(&QueueFilter::of(Stage::Submitted), None, 1_000).unwrap();
        assert!(queue.iter().any(|row| row.application == id), "{name}");

        let stale = store.commit(Some(&before), after, effects, now());
        assert!(matches!(stale, Err(StoreError::Stale)), "{name}: {stale:?}");
        assert_eq!(
            store.load_applicant(before.id).unwrap().applications[0].timeline.len(),
            1,
            "{name}: nothing of the stale commit is kept"
        );
        assert_eq!(store.applicant_version(before.id).unwrap(), 2);
    }
}

#[test]
fn r2_10_a_movement_is_booked_once_and_stays() {
    for (name, base) in bases() {
        let before = kept(&base.store);
        let mut after = before.clone();
        let application = Application::begin(now());
        let id = application.id;
        after.applications.push(Arc::new(application));
        let mut effects = Effects::default();
        let key = format!("settle:{id}");
        effects.movements.push(Movement { key, application: id, from: "gateway", to: "fees", amount: FEE });
        let committed = base.store.commit(Some(&before), after, effects.clone(), now()).unwrap().applicant;
        let mut again = Applicant::clone(&committed);
        again.password_hash = "other".into();
        let twice = base.store.commit(Some(&committed), again, effects, now());
        assert!(matches!(twice, Err(StoreError::Taken(_))), "{name}");
        assert_eq!(base.store.movements(id).unwrap().len(), 1);
        assert_eq!(base.store.load_applicant(before.id).unwrap(), committed, "{name}");
    }
}

#[test]
fn r5_5_the_database_itself_refuses_a_second_refund_and_a_changed_movement() {
    for (name, base) in bases() {
        let store = &base.store;
        let before = kept(store);
        let mut paid = Application::begin(now());
        let mut attempt = Attempt::open(FEE, now());
        attempt.state = AttemptState::Paid;
        attempt.settled_at = Some(now());
        paid.submitted_at = Some(now());
        paid.paid_at = Some(now());
        paid.attempts.push(attempt);
        let id = paid.id;
        let mut after = before.clone();
        after.applications.push(Arc::new(paid));
        let committed = store.commit(Some(&before), after, Effects::default(), now()).unwrap().applicant;
        let ask =
            AskRefund { application: id, reason: "no-need".into(), words: String::new(), bank: None, understood: true };
        let calendar = Calendar::embedded();
        let decide = |of: &Applicant| {
            let (mut after, mut effects) = (of.clone(), Effects::default());
            ask.decide(&mut after, &Moment { now: now(), calendar: &calendar }, &mut effects).unwrap();
            (after, effects)
        };
        // Two that were decided on the same state, as two nodes would: the second one's row is refused.
        let (one, effects) = decide(&committed);
        let asked = store.commit(Some(&committed), one, effects, now()).unwrap().applicant;
        let (mut two, _) = decide(&committed);
        two.version = asked.version;
        let own = Arc::make_mut(&mut two.applications[0]);
        own.refunds.extend(asked.applications[0].refunds.iter().cloned());
        let twice = store.commit(Some(&asked), two, Effects::default(), now());
        assert!(matches!(twice, Err(StoreError::Taken(_))), "{name}: {twice:?}");
        assert_eq!(store.load_applicant(before.id).unwrap().applications[0].refunds.len(), 1, "{name}");
        // The ledger: both entries of each movement, which sum to zero.
        let mine = store.movements(id).unwrap();
        assert_eq!(mine.len(), 1, "{name}");
        assert_eq!(store.balances().unwrap().iter().map(|(_, balance)| balance.0).sum::<i64>(), 0, "{name}");
        for statement in ["UPDATE movement SET amount = 1", "DELETE FROM movement"] {
            assert!(base.raw(statement).is_err(), "{name}: {statement}");
        }
        let unbalanced = "INSERT INTO movement (key, application_id, at, from_account, to_account, amount) \
                          VALUES ('x', 'x', '2026-11-24 00:00:00', 'gateway', 'fees', 0)";
        assert!(base.raw(unbalanced).is_err(), "{name}: nothing moves");
    }
}

#[test]
fn r2_10_a_notification_is_not_undone_by_an_older_answer() {
    for (name, base) in bases() {
        let store = &base.store;
        let before = kept(store);
        let mut after = before.clone();
        let mut application = Application::begin(now());
        application.attempts.push(Attempt::open(FEE, now()));
        let order = application.attempts[0].order.clone();
        after.applications.push(Arc::new(application));
        let committed = store.commit(Some(&before), after, Effects::default(), now()).unwrap().applicant;
        let read = store.attempt_by_order(&order).unwrap();
        store.keep_gateway_message(&order, "{}", now()).unwrap();
        // The session writes what an answer from before the notification says: nothing more to ask.
        let mut older = Applicant::clone(&committed);
        Arc::make_mut(&mut older.applications[0]).attempts[0].query_at = None;
        store.commit(Some(&committed), older, Effects::default(), now()).unwrap();
        store.notification_followed(read.attempt.id, read.notified).unwrap();
        let due = store.attempt_by_order(&order).unwrap();
        assert_eq!(due.notified, Some(now()), "{name}");
        store.notification_followed(due.attempt.id, due.notified).unwrap();
        assert_eq!(store.attempt_by_order(&order).unwrap().notified, None, "{name}");
        assert_eq!(store.gateway_messages(&order).unwrap().len(), 1);
    }
}

fn notice(to: &str) -> Notice {
    let params = vec![("code".into(), "123456".into())];
    let (channel, kind) = (Channel::Sms, NoticeKind::Code);
    Notice { id: NoticeId::fresh(), channel, kind, to: to.into(), language: "zh-CN", params }
}

#[test]
fn r1_7_codes_expire_are_single_use_and_limited_in_rate_and_tries() {
    for (name, base) in bases() {
        let store = &base.store;
        let to = format!("13{}", &unique()[..9]);
        let send = |at, six| store.send_code("register", notice(&to), &to, six, at).unwrap();
        let check = |at, six| store.check_code("register", &to, six, at).unwrap();
        let minute = |n| now() + TimeDelta::minutes(n);
        assert_eq!(check(now(), "111111"), CodeCheck::None, "{name}");
        assert_eq!(send(now(), "111111"), Ok(()));
        assert_eq!(send(now() + TimeDelta::seconds(30), "222222"), Err(30), "{name}: one a minute");
        assert_eq!(send(minute(2), "222222"), Ok(()));
        assert_eq!(
            store.check_code("other", &to, "111111", minute(3)).unwrap(),
            CodeCheck::None,
            "{name}: bound to its purpose"
        );
        assert_eq!(check(minute(3), "111111"), CodeCheck::Right, "{name}: sending again does not kill the earlier one");
        assert_eq!(check(minute(3), "111111"), CodeCheck::None, "{name}: single use");
        assert_eq!(send(minute(4), "333333"), Ok(()));
        for left in [4, 3, 2, 1] {
            assert_eq!(check(minute(4), "000000"), CodeCheck::Wrong(left), "{name}");
        }
        assert_eq!(check(minute(4), "000000"), CodeCheck::Dead, "{name}");
        assert_eq!(check(minute(4), "333333"), CodeCheck::Dead, "{name}: dead is dead");
        assert_eq!(send(minute(6), "444444"), Ok(()));
        assert_eq!(check(minute(17), "444444"), CodeCheck::Expired, "{name}");
        assert_eq!(send(minute(18), "555555"), Ok(()));
        assert!(send(minute(20), "666666").is_err(), "{name}: five an hour");
    }
}

#[test]
fn r1_9_a_notice_is_sealed_claimed_by_one_and_empty_once_sent() {
    for (name, base) in bases() {
        let store = &base.store;
        let queued = notice("13800138000");
        let id = queued.id;
        store.send_code("notice", queued, name, "123456", now()).unwrap().unwrap();
        let claimed = store.claim_notice(Channel::Sms, now()).unwrap().unwrap();
        assert_eq!((claimed.notice.id, claimed.notice.params[0].1.as_str()), (id, "123456"), "{name}");
        assert!(store.claim_notice(Channel::Sms, now()).unwrap().is_none(), "{name}: claimed is claimed");
        // Whoever claimed it may be dead: it is due again after the lease.
        let after_lease = now() + TimeDelta::hours(1);
        let claimed = store.claim_notice(Channel::Sms, after_lease).unwrap().unwrap();
        assert_eq!((claimed.notice.id, claimed.tries), (id, 2), "{name}");
        store.notice_sent(&claimed.notice, "remote", after_lease).unwrap();
        let much_later = after_lease + TimeDelta::days(300);
        assert!(store.claim_notice(Channel::Sms, much_later).unwrap().is_none(), "{name}: sent is sent");
    }
}

#[test]
fn r2_1_locks_and_sessions() {
    for (name, base) in bases() {
        let store = &base.store;
        let who = unique();
        for _ in 0..5 {
            assert_eq!(store.count_try(&who, Limit::GUESSES, now()).unwrap(), Ok(()), "{name}");
        }
        assert_eq!(store.count_try(&who, Limit::GUESSES, now()).unwrap(), Err(900), "{name}");
        let later = now() + TimeDelta::minutes(16);
        assert_eq!(store.count_try(&who, Limit::GUESSES, later).unwrap(), Ok(()), "{name}");
        store.forget_tries(&who).unwrap();
        assert_eq!(store.count_try(&who, Limit::GUESSES, now()).unwrap(), Ok(()), "{name}");
        let token = store.begin_session(Realm::Applicant, &who, now()).unwrap();
        store.begin_session(Realm::Applicant, &who, now()).unwrap();
        assert_eq!(store.session(Realm::Applicant, &token, now()).unwrap().unwrap().holder, who);
        assert!(store.session(Realm::Staff, &token, now()).unwrap().is_none(), "{name}: realms are apart");
        assert!(store.session(Realm::Applicant, &token, now() + TimeDelta::hours(13)).unwrap().is_none());
        assert_eq!(store.count_sessions(&who, now()).unwrap(), 2);
        assert_eq!(store.end_sessions(&who).unwrap(), 2, "{name}: log out everywhere");
        assert!(store.session(Realm::Applicant, &token, now()).unwrap().is_none());
    }
}

#[test]
fn blobs_are_sealed_and_named_by_content() {
    let (_, base) = bases().remove(0);
    let (store, content) = (&base.store, b"an invented certificate".as_slice());
    let hash = store.blobs().put(store.keys(), content).unwrap();
    assert_eq!(store.blobs().put(store.keys(), content).unwrap(), hash);
    assert_eq!(store.blobs().get(store.keys(), &hash).unwrap(), content);
    let file = base._folder.path().join("blobs").join(&hash[..2]).join(&hash);
    let sealed = std::fs::read(&file).unwrap();
    assert!(!sealed.windows(8).any(|part| part == b"invented"));
    let mut broken = sealed;
    broken[30] ^= 1;
    std::fs::write(&file, broken).unwrap();
    assert!(matches!(store.blobs().get(store.keys(), &hash), Err(StoreError::Sealed(_))));
    assert!(matches!(store.blobs().get(store.keys(), "../../etc/passwd"), Err(StoreError::Value(_))));
}

#[test]
fn personal_data_is_sealed_at_rest() {
    let (_, base) = bases().remove(0);
    let someone = kept(&base.store);
    let mut all = Vec::new();
    for file in ["rows", "rows-wal"] {
        all.extend(std::fs::read(base._folder.path().join(file)).unwrap_or_default());
    }
    for secret in
        [&someone.account.name, &someone.account.document_number, &someone.account.phone, &someone.account.email]
    {
        assert!(!all.windows(secret.len()).any(|part| part == secret.as_bytes()), "found in the file");
    }
    assert!(!format!("{someone:?}").contains(&someone.account.phone));
}

#[test]
fn r6_2_queues_are_filtered_sorted_and_paged_and_cases_are_found_by_name_document_and_paper() {
    for (name, base) in bases() {
        let store = &base.store;
        let country = if name == "sqlite" { "AU" } else { "NZ" };
        let officer = domain::ids::StaffId::fresh();
        let person = unique();
        let mut made = Vec::new();
        for n in 0..7_i64 {
            let before = kept(store);
            let mut after = before.clone();
            Arc::make_mut(&mut after.account).name = format!("样本{person}");
            let mut draft = Application::begin(now());
            draft.submitted_at = Some(now());
            draft.paid_at = Some(now() + TimeDelta::minutes(n));
            draft.kind = Some(domain::steps::ApplicationKind::Foreign);
            let said = [
                ("country", country),
                ("institution", "University of Northshire"),
                ("certificate_number", "NS-2019/7"),
            ];
            draft.credential = said.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            if n == 2 {
                draft.casework.claimed = Some((officer, now()));
            }
            let due = now().date_naive() + chrono::Days::new(30 - u64::try_from(n).unwrap());
            let due = domain::calendar::Due { date: due, provisional: false };
            draft.casework.expected.push(domain::casework::Expected { at: now(), due, cause: "accepted".into() });
            if n == 3 {
                draft.casework.look_at = Some(now());
            }
            made.push(draft.id);
            after.applications.push(Arc::new(draft));
            store.commit(Some(&before), after, Effects::default(), now()).unwrap();
        }
        let filter = QueueFilter { country: Some(country.into()), ..QueueFilter::of(Stage::Screening) };
        let page = |filter: &QueueFilter, after| store.queue(filter, after, 3).unwrap();
        let ids = |rows: &[store::QueueRow]| rows.iter().map(|row| row.application).collect::<Vec<_>>();
        // Page after page, nothing twice and nothing left out.
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let rows = page(&filter, after);
            let Some(last) = rows.last() else { break };
            after = Some(QueueCursor::Since(last.since, last.application));
            seen.extend(ids(&rows));
        }
        assert_eq!(seen, made, "{name}");
        let by_due = QueueFilter { by_due: true, ..filter.clone() };
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let rows = page(&by_due, after);
            let Some(last) = rows.last() else { break };
            after = Some(QueueCursor::Due(last.due.unwrap(), last.application));
            seen.extend(ids(&rows));
        }
        seen.reverse();
        assert_eq!(seen, made, "{name}: the soonest due first");
        let mine = QueueFilter { holder: Holder::Officer(officer), ..filter.clone() };
        assert_eq!(ids(&page(&mine, None)), [made[2]]);
        let nobodys = QueueFilter { holder: Holder::Nobody, ..filter.clone() };
        assert_eq!(store.queue(&nobodys, None, 10).unwrap().len(), 6);
        assert!(store.count_in(Stage::Screening).unwrap() >= 7);
        // The clerk finds what is due, and comes back later to what could not be looked at.
        let (_, due) = store.due_case(now()).unwrap().unwrap();
        assert_eq!(due, made[3]);
        store.defer_case(due, now(), now() + TimeDelta::days(4_000)).unwrap();
        store.defer_case(due, now(), now()).unwrap();
        assert!(store.due_case(now()).unwrap().is_none(), "{name}");
        // By document and name, and the same paper in other accounts.
        let owner = store.load_applicant(store.owner_of(made[0]).unwrap()).unwrap();
        let found = store.cases_of(&owner.account.document_number, 10).unwrap();
        assert_eq!(ids(&found), [made[0]], "{name}");
        assert_eq!(store.cases_of(&format!("样本{person}"), 100).unwrap().len(), 7, "{name}");
        let doubles = ids(&store.doubles(made[0], 100).unwrap());
        assert!(made[1..].iter().all(|id| doubles.contains(id)) && !doubles.contains(&made[0]));
    }
}

#[test]
fn r7_2_a_row_is_set_aside_after_three_crashes_and_money_is_never_discarded() {
    for (name, base) in bases() {
        let store = &base.store;
        let entry = |act| domain::effects::AuditEntry { by: Actor::System, act, subject: "test".into() };
        let notice = Notice {
            id: NoticeId::fresh(),
            channel: Channel::Mail,
            kind: NoticeKind::Accepted,
            to: "a@example.com".into(),
            language: "en",
            params: vec![],
        };
        let someone = kept(store);
        let mut after = someone.clone();
        Arc::make_mut(&mut after.account).email = format!("b{}@example.com", unique());
        let effects = Effects { notices: vec![notice.clone()], ..Effects::default() };
        store.commit(Some(&someone), after, effects, now()).unwrap();
        let task = Task::new(Queue::Notice, notice.id);
        let crash = |n: i64| store.row_crashed(&task, "dispatcher", "F-1", now() + TimeDelta::minutes(n)).unwrap();
        assert!(!crash(1) && !crash(2) && crash(3), "{name}");
        let parked = store.trouble(&task).unwrap().unwrap();
        assert_eq!((parked.state, parked.crashes), (TroubleState::Parked, 3), "{name}");
        assert!(store.troubles(TroubleState::Parked, None, 500).unwrap().iter().any(|one| one.task == task), "{name}");
        // Nobody claims it, however late it is; retried it is due at once, and asked about before it is sent.
        let claimed = |at| {
            std::iter::from_fn(|| store.claim_notice(Channel::Mail, at).unwrap()).find(|due| due.notice.id == notice.id)
        };
        assert!(claimed(now() + TimeDelta::days(2)).is_none(), "{name}");
        assert!(store.retry_row(&task, &entry("row-retry"), now()).unwrap(), "{name}");
        assert!(!store.retry_row(&task, &entry("row-retry"), now()).unwrap(), "{name}: once");
        assert_eq!(claimed(now()).map(|due| due.tries), Some(2), "{name}");
        assert!(store.row_mended(&task, now()).unwrap(), "{name}");
        // It crashes anew: the count begins anew; given up, its words are gone.
        assert!(!crash(4) && !crash(5) && crash(6), "{name}");
        assert!(store.discard_row(&task, &entry("row-discard"), now()).unwrap(), "{name}");
        assert!(!store.retry_row(&task, &entry("row-retry"), now()).unwrap(), "{name}: it is gone");
        let payment = Task::new(Queue::Payment, unique());
        for _ in 0..3 {
            store.row_crashed(&payment, "payment_reconciler", "F-2", now()).unwrap();
        }
        assert!(!store.discard_row(&payment, &entry("row-discard"), now()).unwrap(), "{name}: money");
        assert!(store.queue_looks(now()).unwrap().len() == Queue::ALL.len());
    }
}

#[test]
fn r7_1_events_are_kept_once_filtered_paged_and_forgotten_in_time() {
    for (name, base) in bases() {
        let (store, child) = (&base.store, format!("child{}", unique()));
        let event = |n: i64, kind: &str| EventRow {
            id: uuid(),
            at: Instant(now() + TimeDelta::seconds(n)),
            kind: kind.into(),
            child: child.clone(),
            epoch: n,
            detail: "panicked".into(),
            backoff_ms: 50,
            task: String::new(),
            by_whom: String::new(),
        };
        let rows: Vec<EventRow> =
            (0..25).map(|n| event(n / 2, if n % 2 == 0 { "child.crashed" } else { "child.restarted" })).collect();
        store.keep_events(&rows).unwrap();
        store.keep_events(&rows).unwrap();
        let filter = EventFilter { child: Some(child.clone()), ..EventFilter::default() };
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = store.events(&filter, after.clone(), 7).unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.at.0, last.id.clone()));
            seen.extend(page);
        }
        assert_eq!(seen.len(), 25, "{name}: each once, over the pages");
        assert!(seen.is_sorted_by(|a, b| (a.at, &a.id) > (b.at, &b.id)), "{name}: newest first");
        let crashes = EventFilter {
            kind: Some("child.crashed".into()),
            to: Some(now() + TimeDelta::seconds(6)),
            ..filter.clone()
        };
        assert_eq!(store.events(&crashes, None, 100).unwrap().len(), 6, "{name}");
        while store.forget_events(now() + TimeDelta::seconds(10), 3).unwrap() > 0 {}
        assert!(store.events(&filter, None, 100).unwrap().iter().all(|row| row.at.0 >= now() + TimeDelta::seconds(10)));
    }
}

fn uuid() -> String {
    NoticeId::fresh().to_string().replace('-', "")
}

#[test]
fn r7_3_keys_are_changed_under_way_and_a_rotation_goes_on_where_it_was() {
    let folder = TempDir::new().unwrap();
    for url in [folder.path().join("rows").to_string_lossy().into_owned(), postgres()] {
        let blobs = || Blobs::open(folder.path().join(format!("blobs{}", url.len()))).unwrap();
        let (old, new) = ([7_u8; 32], [8_u8; 32]);
        let store = Store::open(&url, Keys::from_master(&old).unwrap(), blobs()).unwrap();
        let people: Vec<Applicant> = (0..250).map(|_| kept(&store)).collect();
        let files: Vec<String> = (0..40_u8).map(|n| store.blobs().put(store.keys(), &[n; 100]).unwrap()).collect();
        assert!(store.rotation().unwrap().is_none() && !store.rotate_some().unwrap(), "there is no newer key");
        drop(store);
        let ring = || Keys::from_masters(&new, &[old.to_vec()]).unwrap();
        let store = Store::open(&url, ring(), blobs()).unwrap();
        assert!(store.rotate_some().unwrap());
        // What is written meanwhile is sealed with the newest key; look-ups find everybody as before.
        let mut changed = people[200].clone();
        Arc::make_mut(&mut changed.account).email = "moved@example.com".into();
        store.commit(Some(&people[200]), changed, Effects::default(), now()).unwrap();
        assert!(store.find_login(&people[3].account.phone).unwrap().is_some());
        drop(store);
        // The process died; it goes on, and ends.
        let store = Store::open(&url, ring(), blobs()).unwrap();
        let place = store.rotation().unwrap().unwrap();
        let mut steps = 0;
        while store.rotate_some().unwrap() {
            steps += 1;
            assert!(steps < 2_000);
        }
        assert!(place.place == "applicant" && store.rotation().unwrap().is_none());
        drop(store);
        // The new key alone opens everything.
        let store = Store::open(&url, Keys::from_master(&new).unwrap(), blobs()).unwrap();
        for person in &people {
            store.load_applicant(person.id).unwrap();
        }
        assert_eq!(store.load_applicant(people[200].id).unwrap().account.email, "moved@example.com");
        for (n, file) in files.iter().enumerate() {
            assert_eq!(store.blobs().get(store.keys(), file).unwrap(), vec![u8::try_from(n).unwrap(); 100]);
        }
        let alone = Keys::from_master(&old).unwrap();
        assert!(store.blobs().get(&alone, &files[0]).is_err(), "the old key opens nothing any more");
    }
}
