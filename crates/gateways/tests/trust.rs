//! Whom the payment client believes: every way of signing that is not the gateway's is refused (unionpay.md §3).
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, missing_docs)]

use std::sync::OnceLock;

use chrono::{DateTime, TimeZone, Utc};
use gateways::GatewayError;
use gateways::unionpay::trust::Trust;
use gateways::unionpay::wire::{Fields, digest, parse_reply, string_to_sign, write_reply};
use gateways::x509;
use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, PublicKeyData, date_time_ymd,
};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};

const NAME: &str = "041@Z2026-11-24@00040000:SIGN@00000001";

/// A key in both shapes in which it is needed.
struct Pair {
    signs: rsa::PrivateKey,
    certifies: KeyPair,
}

/// A public key that the certificate's maker would not make itself.
struct Short(Vec<u8>);

impl PublicKeyData for Short {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

fn pair(bits: usize) -> Pair {
    let signs = rsa::PrivateKey::new(&mut rand::rng(), bits).unwrap();
    let pem = signs.to_pkcs8_pem(LineEnding::LF).unwrap();
    let certifies = KeyPair::from_pkcs8_pem_and_sign_algo(&pem, &PKCS_RSA_SHA256).unwrap();
    Pair { signs, certifies }
}

fn params(name: &str, ca: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if !name.is_empty() {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2035, 1, 1);
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    }
    params
}

struct World {
    root_pem: String,
    middle_pem: String,
    middle: (CertificateParams, Pair),
    root: (CertificateParams, Pair),
    leaf: Pair,
}

/// Root, middle and a signer's key; made once, for such keys take their time.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let (root_key, middle_key) = (pair(2_048), pair(2_048));
        let (root, middle) = (params("root", true), params("middle", true));
        let root_pem = root.self_signed(&root_key.certifies).unwrap().pem();
        let issuer = Issuer::from_params(&root, &root_key.certifies);
        let middle_pem = middle.signed_by(&middle_key.certifies, &issuer).unwrap().pem();
        World { root_pem, middle_pem, middle: (middle, middle_key), root: (root, root_key), leaf: pair(2_048) }
    })
}

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 24, 4, 0, 0).unwrap()
}

/// A notification that carries `pem` and is signed by `key`.
fn message(pem: &str, key: &rsa::PrivateKey) -> Fields {
    let pairs = [
        ("version", "5.1.0"),
        ("signMethod", "01"),
        ("orderId", "RZ01a20fc345ad74408ee2f6fe2e9b43"),
        ("txnAmt", "36000"),
        ("respCode", "00"),
        ("signPubKeyCert", pem),
    ];
    let mut fields: Fields = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let signature = x509::sign(key, digest(&fields).as_bytes()).unwrap();
    fields.insert("signature".into(), signature);
    fields
}

fn leaf(name: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
    let world = world();
    let mut leaf = params(name, false);
    change(&mut leaf);
    let issuer = Issuer::from_params(&world.middle.0, &world.middle.1.certifies);
    leaf.signed_by(&world.leaf.certifies, &issuer).unwrap().pem().replace('\n', "\r\n")
}

fn verify(fields: &Fields, at: DateTime<Utc>) -> Result<(), GatewayError> {
    Trust::new(&world().root_pem, &world().middle_pem, true).unwrap().verify(fields, at)
}

fn refused(what: &str, fields: &Fields) {
    let answer = verify(fields, now());
    assert!(matches!(answer, Err(GatewayError::Untrusted(_))), "{what}: {answer:?}");
}

#[test]
fn r2_10_the_gateway_itself_is_believed() {
    let good = message(&leaf(NAME, |_| {}), &world().leaf.signs);
    verify(&good, now()).unwrap();
    let production = leaf("041@Z2026-11-24@中国银联股份有限公司@00000001", |_| {});
    verify(&message(&production, &world().leaf.signs), now()).unwrap();
    // In production the test name says nothing.
    let strict = Trust::new(&world().root_pem, &world().middle_pem, false).unwrap();
    assert!(strict.verify(&good, now()).is_err());
}

#[test]
fn r2_10_forged_certificates_are_refused() {
    let world = world();
    let signs = &world.leaf.signs;
    let good = leaf(NAME, |_| {});

    // 1 A chain of the same names under another root.
    let other = (pair(2_048), pair(2_048));
    let foreign = Issuer::from_params(&world.middle.0, &other.1.certifies);
    let pem = params(NAME, false).signed_by(&world.leaf.certifies, &foreign).unwrap().pem();
    refused("another root", &message(&pem, signs));
    // 2 Signed by itself, with the right name.
    let pem = params(NAME, false).self_signed(&world.leaf.certifies).unwrap().pem();
    refused("self-signed", &message(&pem, signs));
    // 3 By the root, past the configured middle.
    let root = Issuer::from_params(&world.root.0, &world.root.1.certifies);
    let pem = params(NAME, false).signed_by(&world.leaf.certifies, &root).unwrap().pem();
    refused("by the root itself", &message(&pem, signs));
    // 4 By a leaf that plays the authority.
    let parent = params(NAME, false);
    let child = Issuer::from_params(&parent, &world.leaf.certifies);
    let pem = params(NAME, false).signed_by(&other.0.certifies, &child).unwrap().pem();
    refused("by a leaf", &message(&pem, &other.0.signs));
    // 5, 6 Out of its time.
    let pem = leaf(NAME, |leaf| leaf.not_after = date_time_ymd(2026, 11, 23));
    refused("expired", &message(&pem, signs));
    let pem = leaf(NAME, |leaf| leaf.not_before = date_time_ymd(2026, 11, 25));
    refused("not valid yet", &message(&pem, signs));
    // 7 to 10 Names that say nothing, or another.
    for name in ["041@Z2026-11-24@777290058110048:SIGN@00000003", "041@Z2026-11-24", "", "00040000:SIGN"] {
        refused(&format!("name {name}"), &message(&leaf(name, |_| {}), signs));
    }
    // 11 A key that is too short for anybody to believe.
    let weak = rsa::PrivateKey::new(&mut rand::rng(), 1_024).unwrap();
    let issuer = Issuer::from_params(&world.middle.0, &world.middle.1.certifies);
    let short = Short(weak.to_public_key().to_pkcs1_der().unwrap().as_bytes().to_vec());
    let pem = params(NAME, false).signed_by(&short, &issuer).unwrap().pem();
    refused("1,024 bits", &message(&pem, &weak));
    // 12 No RSA key at all.
    let curve = KeyPair::generate().unwrap();
    let pem = params(NAME, false).signed_by(&curve, &issuer).unwrap().pem();
    refused("an elliptic key", &message(&pem, signs));
    // 13 The right certificate, another's signature.
    refused("another's signature", &message(&good, &other.0.signs));
    // 14 The right message, its line ends made the same.
    let mut tidied = message(&good, signs);
    tidied.insert("signPubKeyCert".into(), good.replace("\r\n", "\n"));
    refused("line ends", &tidied);
    // 15 A field changed after it was signed.
    let mut more = message(&good, signs);
    more.insert("txnAmt".into(), "1".into());
    refused("another amount", &more);
    // 16 Half a certificate, and none.
    let mut half = message(&good, signs);
    half.insert("signPubKeyCert".into(), good.chars().take(400).collect());
    refused("half a certificate", &half);
    half.remove("signPubKeyCert");
    refused("no certificate", &half);
    // 17 An older version, or another method.
    for (name, value) in [("version", "5.0.0"), ("signMethod", "11")] {
        let mut old = message(&good, signs);
        old.insert(name.into(), value.into());
        refused(value, &old);
    }
    // Once believed is not for ever: the certificate is remembered, and still expires.
    let trust = Trust::new(&world.root_pem, &world.middle_pem, true).unwrap();
    let message = message(&good, signs);
    trust.verify(&message, now()).unwrap();
    assert!(trust.verify(&message, Utc.with_ymd_and_hms(2036, 1, 1, 0, 0, 0).unwrap()).is_err());
}

proptest! {
    /// Whatever a reply holds, it is read without a panic, and what was written is read again.
    #[test]
    fn replies_are_read_whatever_they_hold(body in ".{0,400}") {
        let fields = parse_reply(&body);
        let _ = string_to_sign(&fields);
    }

    #[test]
    fn what_is_written_is_read(
        names in prop::collection::btree_set("[a-zA-Z]{1,12}", 0..8),
        plain in "[ -%'-<>-Z^-z|~\r\n]{0,40}",
        group in "[a-z=&+]{0,20}",
    ) {
        let values = [plain, format!("{{{group}}}"), format!("[{group}]")];
        let fields: Fields = names.into_iter().enumerate().map(|(at, name)| (name, values[at % 3].clone())).collect();
        prop_assert_eq!(parse_reply(&write_reply(&fields)), fields);
    }

    /// A certificate's text may be anything.
    #[test]
    fn certificates_are_read_whatever_they_hold(pem in ".{0,300}") {
        let _ = x509::Cert::parse(&pem);
        let _ = x509::Cert::parse(&format!("-----BEGIN CERTIFICATE-----{pem}-----END CERTIFICATE-----"));
    }
}
