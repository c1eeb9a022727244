//! Documents on both databases: the log that is written with them, links by which they are shown, no oracle.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::case::Outcome;
use domain::certificate::{Certificate, Standing};
use domain::effects::Effects;
use domain::ids::{ApplicantId, CertificateId};
use store::{Blobs, Keys, LogKind, LogTrouble, NewShare, Store, StoreError};
use tempfile::TempDir;

use super::{Base, bases, kept, now};
use crate::support::database::postgres;

/// A document of a case of somebody's.
fn certificate() -> Certificate {
    Certificate {
        id: CertificateId::fresh(),
        number: None,
        token: uuid::Uuid::new_v4().simple().to_string(),
        outcome: Outcome::Certificate,
        standing: Standing::Valid,
        issued_at: now(),
        document: None,
        revoked_for: None,
    }
}

/// An applicant who has a case with a document that is not made yet.
fn with_certificate(store: &Store) -> Applicant {
    let before = kept(store);
    let mut after = before.clone();
    let mut application = Application::begin(now());
    application.certificates.push(certificate());
    after.applications.push(Arc::new(application));
    Applicant::clone(&store.commit(Some(&before), after, Effects::default(), now()).unwrap().applicant)
}

/// Commits the one document of the first application anew.
fn change(store: &Store, before: &Applicant, change: impl FnOnce(&mut Certificate)) -> Applicant {
    let mut after = before.clone();
    change(&mut Arc::make_mut(&mut after.applications[0]).certificates[0]);
    Applicant::clone(&store.commit(Some(before), after, Effects::default(), now()).unwrap().applicant)
}

#[test]
fn r2_16_the_log_of_documents_is_written_with_them_and_whatever_is_changed_afterwards_is_found() {
    let folder = TempDir::new().unwrap();
    let key = proof::jose::SigningKey::from_pem(sandbox::CREDENTIAL_KEY).unwrap();
    let public = [key.public()];
    for url in [folder.path().join("log").to_string_lossy().into_owned(), postgres()] {
        let blobs = Blobs::open(folder.path().join(format!("log-blobs{}", url.len()))).unwrap();
        let base = Base {
            store: Arc::new(Store::open(&url, Keys::from_master(&[7; 32]).unwrap(), blobs).unwrap()),
            url,
            _folder: TempDir::new().unwrap(),
        };
        let store = &base.store;
        let head = || store.signed_head(|size, root| proof::merkle::SignedHead::sign(&key, size, now(), root)).unwrap();
        let verified = || store.verify_log(|head| head.holds(&public)).unwrap();
        assert_eq!((head().size, verified()), (0, (0, vec![])));
        let mut people = Vec::new();
        for n in 0..9_u8 {
            let owned = with_certificate(store);
            assert_eq!(store.log_size().unwrap(), u64::from(n), "not before it is made");
            people.push(change(store, &owned, |it| it.document = Some(format!("{n:064x}"))));
            assert_eq!(head().size, u64::from(n) + 1);
        }
        people[2] = change(store, &people[2], |it| it.standing = Standing::Superseded);
        people[5] = change(store, &people[5], |it| it.standing = Standing::Revoked);
        let last = head();
        assert_eq!((last.size, verified()), (11, (11, vec![])));
        assert_eq!(head(), last, "signed once");
        // Found by file; told by number.
        let of = &people[5].applications[0].certificates[0];
        assert_eq!(store.certificate_by_document(&format!("{:064x}", 5)).unwrap().unwrap().certificate, *of);
        let numbers = |replaced| store.numbers_not_valid("RC202600000001", "RC202600131072", replaced).unwrap();
        assert_eq!((numbers(false).len(), numbers(true).len()), (2, 1));
        let entries = store.vouched(of).unwrap().unwrap();
        assert_eq!(entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(), [LogKind::Issued, LogKind::Revoked]);
        for entry in &entries {
            let proof = store.log_inclusion(entry.index, last.size).unwrap();
            let leaf = proof::merkle::leaf(entry.body.as_bytes());
            assert!(proof::merkle::includes(&last.root, last.size, entry.index, &leaf, &proof));
            assert_eq!(store.log_index(&entry.hash).unwrap(), Some(entry.index));
        }
        for before in 1..=last.size {
            let proof = store.log_consistency(before, last.size).unwrap();
            assert!(proof::merkle::consistent(&store.log_root(before).unwrap(), before, &last.root, last.size, &proof));
        }
        assert!(
            store.log_inclusion(11, 11).is_err()
                && store.log_consistency(0, 11).is_err()
                && store.log_root(12).is_err()
        );
        // Whoever is at the database can't change an entry, unless they take its guard away; then it is found.
        assert!(base.raw("UPDATE log_entry SET kind = 'issued' WHERE seq = 3").is_err());
        assert!(base.raw("DELETE FROM log_entry WHERE seq = 10").is_err());
        base.raw("UPDATE log_node SET hash = replace(hash, '0', '1') WHERE level = 1 AND place = 2").unwrap();
        assert_eq!(verified().1, [LogTrouble::Entry(5)]);
        // Documents from before the log are taken into it, once, by whichever start comes first.
        let unguarded = if base.url.starts_with("postgres") {
            "ALTER TABLE log_entry DISABLE TRIGGER ALL; ALTER TABLE log_head DISABLE TRIGGER ALL"
        } else {
            "DROP TRIGGER log_entry_stays_u; DROP TRIGGER log_entry_stays_d; DROP TRIGGER log_head_stays_u; DROP TRIGGER log_head_stays_d"
        };
        base.raw(unguarded).unwrap();
        base.raw("DELETE FROM log_entry; DELETE FROM log_node; DELETE FROM log_head").unwrap();
        store.adopt_documents(now()).unwrap();
        store.adopt_documents(now()).unwrap();
        head();
        assert_eq!(verified(), (11, vec![]));
        // A column alone, a body alone, a kind alone: each is found.
        let number = of.number.clone().unwrap();
        for (there, back) in [
            ("standing = 'valid'", "standing = 'revoked'"),
            ("token = 'x'", &format!("token = '{}'", of.token)),
            ("body = replace(body, '\"revoked\"', '\"valid\"')", "body = replace(body, '\"valid\"', '\"revoked\"')"),
        ] {
            base.raw(&format!("UPDATE certificate SET {there} WHERE number = '{number}'")).unwrap();
            assert_eq!(verified().1, [LogTrouble::Document(number.clone())], "{there}");
            assert!(store.vouched(of).unwrap().is_none());
            base.raw(&format!("UPDATE certificate SET {back} WHERE number = '{number}'")).unwrap();
        }
        assert!(store.vouched(of).unwrap().is_some());
        base.raw("DROP INDEX log_entry_by_certificate").unwrap();
        base.raw("UPDATE log_entry SET kind = 'issued' WHERE kind = 'revoked'").unwrap();
        assert_eq!(verified().1, [LogTrouble::Document(number)]);
    }
}

#[test]
fn r2_16_a_link_is_made_once_shows_who_looked_expires_and_ends() {
    for (name, base) in bases() {
        let store = &base.store;
        let before = with_certificate(store);
        let of = before.applications[0].certificates[0].id;
        let new = |id| NewShare {
            id,
            applicant: before.id,
            certificate: of,
            label: "样例公司".into(),
            expires_at: now() + TimeDelta::days(7),
        };
        let id = uuid::Uuid::now_v7();
        assert!(store.make_share(&new(id), now()).unwrap() && store.make_share(&new(id), now()).unwrap(), "{name}");
        let shares = store.shares(&[of], now()).unwrap();
        assert_eq!((shares.len(), shares[0].label.as_str()), (1, "样例公司"));
        let token = shares[0].token.clone();
        let found = store.shared(&token, now()).unwrap();
        assert_eq!(found.found.certificate.id, of);
        assert!(store.note_look(&found.id, "王五", "127.0.0.*", now()).unwrap());
        assert_eq!(store.shares(&[of], now()).unwrap()[0].looks[0].who, "王五");
        assert!(matches!(store.shared(&token, now() + TimeDelta::days(8)), Err(StoreError::Missing)));
        // Nobody else ends it.
        store.end_share(ApplicantId::fresh(), &found.id, now()).unwrap();
        assert!(store.shared(&token, now()).is_ok());
        store.end_share(before.id, &found.id, now()).unwrap();
        assert!(matches!(store.shared(&token, now()), Err(StoreError::Missing)), "{name}");
        for _ in 0..store::SHARES_MOST {
            assert!(store.make_share(&new(uuid::Uuid::now_v7()), now()).unwrap());
        }
        assert!(!store.make_share(&new(uuid::Uuid::now_v7()), now()).unwrap(), "{name}: too many");
        // Nobody looks unseen: a link that was opened too often leads nowhere.
        let other = store.shares(&[of], now()).unwrap()[0].clone();
        let id = store.shared(&other.token, now()).unwrap().id;
        for n in 0..501 {
            assert_eq!(store.note_look(&id, "x", "", now()).unwrap(), n < 500, "{name}: {n}");
        }
        // A year after a link has expired nobody remembers it, nor who looked.
        let later = now() + TimeDelta::days(7 + 366);
        while store.shares(&[of], later).unwrap().iter().any(|share| share.expires_at < later - TimeDelta::days(365)) {
            let new = NewShare { expires_at: later + TimeDelta::days(7), ..new(uuid::Uuid::now_v7()) };
            assert!(store.make_share(&new, later).unwrap(), "{name}");
        }
        assert!(store.note_look(&id, "x", "", now()).is_ok_and(|good| !good), "{name}");
    }
}

/// No oracle: a wrong name for a right number takes the time of a number that nobody has.
#[test]
fn r2_16_a_wrong_name_takes_the_time_of_an_unknown_number() {
    for (name, base) in bases() {
        let store = &base.store;
        let owned = with_certificate(store);
        let number = owned.applications[0].certificates[0].number.clone().unwrap();
        let spent = |number: &str| {
            let begun = std::time::Instant::now();
            assert!(store.certificate_by_number(number, "样李四").unwrap().is_none());
            begun.elapsed()
        };
        // In turns, and the quick tenth of each: whatever else the machine does only adds.
        let (mut wrong, mut unknown): (Vec<_>, Vec<_>) =
            (0..200).map(|_| (spent(&number), spent("RC209900000001"))).unzip();
        wrong.sort_unstable();
        unknown.sort_unstable();
        let (wrong, unknown) = (wrong[20], unknown[20]);
        let apart = wrong.abs_diff(unknown);
        assert!(apart < std::time::Duration::from_millis(1), "{name}: {wrong:?} and {unknown:?}");
    }
}
