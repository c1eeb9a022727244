//! What is refused: every byte that is changed, and everything that looks like one of our documents and is none.

use std::sync::Arc;

use chrono::{DateTime, TimeZone, Utc};
use proof::ProofError;
use proof::cms::KeyFile;
use proof::time_stamp::{Query, reply};
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer as Authority, KeyPair, KeyUsagePurpose};

use crate::certificate::Issuer;
use crate::certificate::tests::{facts, issue};
use crate::keys::{KeySettings, Keys, demo, demo_settings};
use crate::{Examined, Kind, Purpose, badge, credential, examine, status_in};

const STAMP: &str = include_str!("../../sandbox/keys/stamp.pem");
const STAMP_KEY: &str = include_str!("../../sandbox/keys/stamp.key");
const ROOT: &str = include_str!("../../sandbox/keys/document-root.pem");
const ROOT_KEY: &str = include_str!("../../sandbox/keys/document-root.key");

fn at(year: i32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(year, 6, 1, 0, 0, 0).unwrap()
}

/// The same with a time-stamp of the sandbox's authority.
fn stamped(keys: &Arc<Keys>) -> Vec<u8> {
    let draft = Issuer::new(Arc::clone(keys)).unwrap().draft(&facts("样张三")).unwrap();
    let query = Query::about(draft.signature(), 77);
    let authority = KeyFile::from_pem(STAMP_KEY, STAMP).unwrap();
    let answer = reply(&query.to_der().unwrap(), "1.3.6.1.4.1.32473.1", 1, at(2026), &authority).unwrap();
    draft.finish(Some(&query.token(&answer).unwrap())).unwrap()
}

fn failed(examined: &Examined) -> String {
    assert!(!examined.holds());
    let check = examined.checks.last().unwrap();
    format!("{}: {}", check.what, check.found.as_ref().unwrap_err())
}

/// Keys whose certificate comes from an authority, and is good between two years.
fn signer(authority: &Authority<'_, KeyPair>, root: &str, years: (i32, i32)) -> KeySettings {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Another signer");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    let certificate = params.signed_by(&key, authority).unwrap();
    KeySettings {
        signer_key: key.serialize_pem(),
        signer_certificates: certificate.pem(),
        roots: root.into(),
        ..demo_settings()
    }
}

fn ours() -> Authority<'static, KeyPair> {
    Authority::from_ca_cert_pem(ROOT, KeyPair::from_pem(ROOT_KEY).unwrap()).unwrap()
}

fn keys(settings: &KeySettings) -> Arc<Keys> {
    Arc::new(Keys::new("https://renzheng.example", settings).unwrap())
}

#[test]
fn r2_16_with_a_time_stamp_the_instant_is_the_authority_s() {
    let examined = examine(&stamped(&demo()), demo().trust());
    assert!(examined.holds(), "{:?}", examined.checks);
    assert_eq!(examined.signed_at, Some(at(2026)));
    let whats: Vec<&str> = examined.checks.iter().map(|check| check.what).collect();
    assert_eq!(whats, ["file", "signature", "time-stamp", "authority", "credential", "agreement"]);
}

/// Every 97th byte of the file, every byte of the signature and of the dictionary around it.
#[test]
fn r2_16_no_byte_of_a_document_can_be_changed() {
    let pdf = stamped(&demo());
    let gap = pdf.windows(20).rposition(|window| window.iter().all(|byte| *byte == b'0')).unwrap()
        - 2 * crate::pades::RESERVED_STAMPED;
    let places = (0..pdf.len()).step_by(97).chain(gap - 600..gap + 4_000).chain(pdf.len() - 400..pdf.len());
    for place in places {
        let mut changed = pdf.clone();
        changed[place] ^= 1;
        assert!(!examine(&changed, demo().trust()).holds(), "byte {place} of {} was changed unseen", pdf.len());
    }
}

#[test]
fn r2_16_what_is_appended_or_cut_off_is_refused() {
    let pdf = stamped(&demo());
    let appended = |more: &[u8]| failed(&examine(&[&pdf[..], more].concat(), demo().trust()));
    assert!(appended(b"\n").contains("whole file"), "{}", appended(b"\n"));
    // An update as an editor appends it: the page is drawn anew.
    let document = lopdf::Document::load_mem(&pdf).unwrap();
    let mut update = lopdf::IncrementalDocument::create_from(pdf.clone(), document);
    let page = *update.get_prev_documents().get_pages().values().next().unwrap();
    update.opt_clone_object_to_new_document(page).unwrap();
    let mut changed = Vec::new();
    update.save_to(&mut changed).unwrap();
    assert!(failed(&examine(&changed, demo().trust())).contains("whole file"));
    for cut in [1, 100, 70_000, pdf.len() / 2] {
        assert!(!examine(&pdf[..pdf.len() - cut], demo().trust()).holds());
    }
}

#[test]
fn r2_16_another_authority_an_expired_and_an_earlier_certificate() {
    // Another authority of the same name.
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Sandbox Document CA");
    let root = params.self_signed(&key).unwrap().pem();
    let forger = Authority::new(params, key);
    let forged = stamped(&keys(&signer(&forger, &root, (2025, 2050))));
    assert_eq!(failed(&examine(&forged, demo().trust())), "authority: does not hold: untrusted");
    // Expired at the time of the stamp.
    let settings = signer(&ours(), ROOT, (2020, 2026));
    let expired = stamped(&keys(&settings));
    let now = KeySettings { former_signer_certificates: vec![settings.signer_certificates.clone()], ..demo_settings() };
    assert_eq!(failed(&examine(&expired, keys(&now).trust())), "authority: does not hold: expired");
    // Another customer of the same authority.
    let customer = signer(&ours(), ROOT, (2020, 2027));
    let theirs = stamped(&keys(&customer));
    assert_eq!(failed(&examine(&theirs, demo().trust())), "authority: does not hold: untrusted");
    // Ours from before: good then, so good for ever.
    let now = KeySettings { former_signer_certificates: vec![customer.signer_certificates.clone()], ..demo_settings() };
    assert!(examine(&theirs, keys(&now).trust()).holds());
    // The credential's key is another: a PDF of somebody else's service under the same authority.
    let other = KeySettings { credential_key: KeyPair::generate().unwrap().serialize_pem(), ..demo_settings() };
    assert_eq!(failed(&examine(&stamped(&keys(&other)), demo().trust())), "credential: does not hold: unknown key");
    // A retired key of credentials is still published.
    let retired = keys(&other);
    let public = KeyPair::from_pem(&other.credential_key).unwrap().public_key_pem();
    let now = keys(&KeySettings { former_credential_keys: vec![public], ..demo_settings() });
    assert!(examine(&stamped(&retired), now.trust()).holds());
    assert_eq!(now.jwks()["keys"].as_array().unwrap().len(), 4, "each by both its names");
}

#[test]
fn r2_16_credentials_and_badges_hold_under_our_keys_alone() {
    let keys = demo();
    let stated = credential(&keys, &facts("样张三")).unwrap();
    let jwt = keys.sign(&stated).unwrap();
    let json = keys.secure(&stated, at(2026)).unwrap().to_string();
    let badge = keys.sign_badge(&badge(&keys, &facts("样张三")).unwrap()).unwrap();
    for (text, kind) in [(&jwt, Kind::Jwt), (&json, Kind::Json), (&badge, Kind::Jwt)] {
        let examined = examine(text.as_bytes(), keys.trust());
        assert!(examined.holds() && examined.kind == kind, "{:?}", examined.checks);
    }
    // No number of an identity document, and no name in a badge.
    assert!(!serde_json::to_string(&crate::badge(&keys, &facts("样张三")).unwrap()).unwrap().contains("样张三"));
    // Somebody else's key under our name.
    let other = KeySettings { credential_key: KeyPair::generate().unwrap().serialize_pem(), ..demo_settings() };
    let forged = self::keys(&other).sign(&stated).unwrap();
    assert_eq!(failed(&examine(forged.as_bytes(), keys.trust())), "credential: does not hold: unknown key");
    let forged = json.replace("样张三", "样李四");
    assert_eq!(failed(&examine(forged.as_bytes(), keys.trust())), "credential: does not hold: signature");
}

#[test]
fn r2_16_a_list_that_was_kept_says_what_was_revoked_and_another_list_nothing() {
    let keys = demo();
    let stated = credential(&keys, &facts("样张三")).unwrap();
    let list = |list: &str, purpose, set: &[&str]| {
        let set: Vec<String> = set.iter().map(|number| (*number).to_owned()).collect();
        keys.status_list(list, purpose, &set, at(2026)).unwrap()
    };
    let clean = list("RC2026-1", Purpose::Revocation, &["RC202600000002"]);
    assert_eq!(status_in(&stated, &clean, keys.trust()).unwrap(), (false, "2026-06-01T00:00:00Z".into()));
    let set = list("RC2026-1", Purpose::Revocation, &["RC202600000001"]);
    assert!(status_in(&stated, &set, keys.trust()).unwrap().0);
    assert!(status_in(&stated, &list("RC2026-1", Purpose::Message, &[]), keys.trust()).is_ok());
    for another in [list("RC2026-2", Purpose::Revocation, &[]), list("RD2026-1", Purpose::Revocation, &[])] {
        assert_eq!(status_in(&stated, &another, keys.trust()), Err(ProofError::Refused("another list")));
    }
    // A list of somebody else's, under our address.
    let other = KeySettings { credential_key: KeyPair::generate().unwrap().serialize_pem(), ..demo_settings() };
    let forged = self::keys(&other).status_list("RC2026-1", Purpose::Revocation, &[], at(2026)).unwrap();
    assert_eq!(status_in(&stated, &forged, keys.trust()), Err(ProofError::Refused("unknown key")));
    assert!(keys.status_list("RC2026-1", Purpose::Revocation, &["RD202600000001".into()], at(2026)).is_err());
}

#[test]
fn r2_16_trust_survives_its_file() {
    let trust = demo().trust().to_json().unwrap();
    let read = crate::Trust::from_json(&serde_json::from_str(&trust.to_string()).unwrap()).unwrap();
    assert!(examine(&stamped(&demo()), &read).holds());
    assert!(crate::Trust::from_json(&serde_json::json!({})).is_err());
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let mut huge = issue(&facts("样张三")).unwrap();
    huge.resize(crate::FILE_MOST + 1, 0);
    assert_eq!(failed(&examine(&huge, demo().trust())), "file: does not hold: too large");
}

/// Seconds that this thread has computed: whatever else the machine does is not counted.
fn spent() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    spent.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// What leads readers of PDF astray is never read: long chains of lengths, streams that unfold without end, one object
/// listed again and again.
#[test]
fn r2_16_files_that_would_lead_a_reader_astray_are_refused_at_once() {
    let mut chain = b"%PDF-1.7\n".to_vec();
    for n in 1..100_000 {
        chain.extend(format!("{n} 0 obj<</Length {} 0 R>>stream\n", n + 1).into_bytes());
    }
    let ranged = |mut file: Vec<u8>| {
        let gap = file.len() + 60;
        file.extend(format!("/ByteRange[0 {gap} {} 0]", gap + 4).into_bytes());
        file.resize(gap, b' ');
        file.extend(b"<00>");
        file
    };
    let mut trailing = chain.clone();
    trailing.extend(b"\nxref\n0 1\n0000000000 65535 f \ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF");
    let nested = [b"{".to_vec(), b"\"a\":[".repeat(9_000)].concat();
    let wide = format!("[{}]", "{\"\":0},".repeat(900_000)).into_bytes();
    for file in [
        chain.clone(),
        trailing,
        ranged(chain),
        nested,
        [b"eyJ".to_vec(), wide.clone()].concat(),
        [b"{\"a\":".to_vec(), wide].concat(),
    ] {
        let begun = spent();
        assert!(!examine(&file, demo().trust()).holds());
        assert!(spent() - begun < 2.0, "{} s of one core", spent() - begun);
    }
    // A name that stands twice: the one that was signed, and one before it.
    let keys = demo();
    let secured = keys.secure(&credential(&keys, &facts("样张三")).unwrap(), at(2026)).unwrap().to_string();
    assert!(examine(secured.as_bytes(), keys.trust()).holds());
    let forged = secured.replacen('{', "{\"credentialSubject\":{\"name\":\"样李四\"},", 1);
    assert!(failed(&examine(forged.as_bytes(), keys.trust())).contains("a name stands twice"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No input of any kind makes it fall, nor one of ours with parts of it exchanged.
    #[test]
    fn anything_can_be_examined(bytes in prop::collection::vec(any::<u8>(), 1..300), head in 0_usize..5, place in any::<prop::sample::Index>()) {
        let ours = stamped_once();
        let file = match [&b""[..], b"%PDF-1.7\n", b"eyJ", b"{\"proof\":"].get(head) {
            Some(begun) => [begun, &bytes[..]].concat(),
            None => {
                let at = place.index(ours.len() - bytes.len());
                let mut file = ours.to_vec();
                file[at..at + bytes.len()].copy_from_slice(&bytes);
                prop_assume!(file != ours);
                file
            }
        };
        prop_assert!(!examine(&file, demo().trust()).holds());
    }
}

fn stamped_once() -> &'static [u8] {
    static ONCE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    ONCE.get_or_init(|| stamped(&demo()))
}
