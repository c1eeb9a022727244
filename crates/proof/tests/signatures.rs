//! Signatures, time-stamps and credentials: each holds, and nothing that was changed does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use chrono::{DateTime, Utc};
use proof::cms::{Content, KeyFile, Message, Signer, sign};
use proof::time_stamp::{Query, reply, verify};
use proof::{ProofError, jose, path};
use serde_json::json;

const ROOT: &str = include_str!("../../sandbox/keys/document-root.pem");
const SIGNER: &str = include_str!("../../sandbox/keys/document-signer.pem");
const SIGNER_KEY: &str = include_str!("../../sandbox/keys/document-signer.key");
const STAMP: &str = include_str!("../../sandbox/keys/stamp.pem");
const STAMP_KEY: &str = include_str!("../../sandbox/keys/stamp.key");
const CREDENTIAL_KEY: &str = include_str!("../../sandbox/keys/credential.key");
const POLICY: &str = "1.3.6.1.4.1.32473.1";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_651_200, 0).unwrap()
}

fn signer() -> KeyFile {
    KeyFile::from_pem(SIGNER_KEY, SIGNER).unwrap()
}

fn authority() -> KeyFile {
    KeyFile::from_pem(STAMP_KEY, STAMP).unwrap()
}

#[test]
fn a_signature_holds_over_what_was_signed_alone() {
    let roots = path::certificates(ROOT).unwrap();
    let der = sign(Content::Detached([7; 32]), &signer()).unwrap().to_der().unwrap();
    let message = Message::parse(&der).unwrap();
    let by = message.verify(Content::Detached([7; 32])).unwrap();
    assert!(path::common_name(&by).contains("演示"));
    assert_eq!(message.verify(Content::Detached([8; 32])), Err(ProofError::Refused("digest")));
    path::trusted(&by, &[], &roots, now()).unwrap();
    let early = DateTime::from_timestamp(1_600_000_000, 0).unwrap();
    assert_eq!(path::trusted(&by, &[], &roots, early), Err(ProofError::Refused("expired")));
    assert_eq!(path::trusted(&by, &[], &[], now()), Err(ProofError::Refused("untrusted")));
    let stray = path::certificates(STAMP).unwrap();
    assert_eq!(path::trusted(&by, &stray, &roots, now()), Err(ProofError::Refused("stray certificate")));
}

#[test]
fn keys_and_certificates_that_do_not_belong_together_are_refused() {
    assert!(KeyFile::from_pem(SIGNER_KEY, STAMP).is_err());
    assert!(KeyFile::from_pem(SIGNER, SIGNER).is_err());
    assert!(KeyFile::from_pem(SIGNER_KEY, "").is_err());
}

#[test]
fn a_time_stamp_holds_for_its_signature_and_no_byte_of_all_can_be_changed() {
    let roots = path::certificates(ROOT).unwrap();
    let message = sign(Content::Detached([7; 32]), &signer()).unwrap();
    let query = Query::about(message.signature(), u64::MAX);
    let answer = reply(&query.to_der().unwrap(), POLICY, 9, now(), &authority()).unwrap();
    let token = query.token(&answer).unwrap();
    let stamp = verify(&token, message.signature(), &roots).unwrap();
    assert_eq!((stamp.at, stamp.authority.as_str()), (now(), "Sandbox Time Stamp Authority"));
    assert!(verify(&token, b"something else", &roots).is_err());
    assert!(Query::about(message.signature(), 5).token(&answer).is_err());
    // A signer of documents is no authority for time.
    let wrong = reply(&query.to_der().unwrap(), POLICY, 9, now(), &signer()).unwrap();
    assert_eq!(verify(&query.token(&wrong).unwrap(), message.signature(), &roots), Err(ProofError::Refused("usage")));

    let der = message.with_time_stamp(&token).unwrap().to_der().unwrap();
    let holds = |der: &[u8]| -> Result<(), ProofError> {
        let message = Message::parse(der)?;
        let by = message.verify(Content::Detached([7; 32]))?;
        let (_, others) = message.signer()?;
        let token = message.time_stamp()?.ok_or(ProofError::Refused("none"))?;
        let stamp = verify(&token, message.signature(), &roots)?;
        path::trusted(&by, &others, &roots, stamp.at)
    };
    holds(&der).unwrap();
    for place in 0..der.len() {
        for bits in [1, 0x20, 0x80] {
            let mut changed = der.clone();
            changed[place] ^= bits;
            assert!(holds(&changed).is_err(), "byte {place} of {} changed by {bits} unseen", der.len());
        }
    }
}

#[test]
fn a_question_that_can_t_be_read_is_refused_in_the_protocol_s_own_way() {
    let query = Query::about(b"x", 1);
    let refusal = reply(b"not a question", POLICY, 1, now(), &authority()).unwrap();
    assert_eq!(query.token(&refusal), Err(ProofError::Refused("the time-stamp authority refused")));
    assert!(query.token(b"<html>").is_err());
    assert!(query.token(&[]).is_err());
}

#[test]
fn a_signer_has_its_certificate_with_it() {
    assert_eq!(signer().certificates().len(), 1);
}

#[test]
fn a_credential_holds_under_its_own_key_and_algorithm_alone() {
    let key = jose::SigningKey::from_pem(CREDENTIAL_KEY).unwrap();
    let keys = [("did:web:a#1".to_owned(), key.public())];
    let jwt = key.sign("did:web:a#1", &json!({"name": "张"})).unwrap();
    assert_eq!(jose::verify(&jwt, &keys).unwrap(), json!({"name": "张"}));
    for place in 0..jwt.len() {
        let mut changed = jwt.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        assert!(jose::verify(&String::from_utf8(changed).unwrap(), &keys).is_err(), "{place}");
    }
    let parts: Vec<&str> = jwt.split('.').collect();
    use base64::Engine as _;
    let encode = |header: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
    for header in [
        r#"{"alg":"none","typ":"vc+jwt","kid":"did:web:a#1"}"#,
        r#"{"alg":"HS256","typ":"vc+jwt","kid":"did:web:a#1"}"#,
        r#"{"alg":"ES256","typ":"vc+sd-jwt","kid":"did:web:a#1"}"#,
        r#"{"alg":"ES256","typ":"vc+jwt","kid":"did:web:b#1"}"#,
        r#"{"alg":"ES256","typ":"vc+jwt","kid":"did:web:a#1","crit":["b64"],"b64":false}"#,
    ] {
        for signature in [parts[2], ""] {
            assert!(jose::verify(&format!("{}.{}.{signature}", encode(header), parts[1]), &keys).is_err());
        }
    }
    // A key survives its JWK.
    assert_eq!(jose::VerifyingKey::from_jwk(&key.public().jwk("k")).unwrap(), key.public());
}
