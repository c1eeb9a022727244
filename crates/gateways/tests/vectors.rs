//! The vectors of `shared/protocols`, byte for byte.
#![allow(clippy::unwrap_used, missing_docs)]

use base64::Engine as _;
use gateways::acs3::Signable;
use gateways::unionpay::wire::{Fields, digest, parse_reply, string_to_sign, write_reply};
use rsa::pkcs8::DecodePublicKey;

const SIGNED: &str = "accessType=0&backUrl=http://127.0.0.1:8080/pay/notify&bizType=000201&certId=68759663125&channelType=07&currencyCode=156&encoding=UTF-8&frontUrl=http://127.0.0.1:8080/pay/return&merId=777290058110048&orderId=CSC20261123000001&payTimeout=20261123204500&riskRateInfo={commodityName=学历学位认证费}&signMethod=01&txnAmt=36000&txnSubType=01&txnTime=20261123203000&txnType=01&version=5.1.0";
const SIGNATURE: &str = "XNC+Xwi4bI5aGdusVfH4NlQOr9vDEobAbl9gFrr7KZWbtK8P4TsJZ3y0F2O7/SoTyXUkQOYKfDCKhZvF2LaG8UWQYpmJcCxAln+GMFcKDE2VfZ7fKoWegbsa2FQdKu9Is+nmgKyMw9vYvVxOhUnOd508NpyVFaeto2hD/qKLinmnfTtluYd0XWfHIaeetN+rzDEsUr9k1g02XRW5hgXhfu7TX1wGnmxcP4kLQzRMsINQL3HaVUpqZztHzikGPBxNUFkSenD1/tTmC9yJPTdJJxxklC/ntnxKYR314BVS8HBMnw645u2edbQjn99E9WMAbm3FrMQ6IBPt7jojoSj7Tw==";
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0q5VWdqF9aIYFHlr4onG
cN6egRsSGzYY1uI4QscaHE7LHC+xTvb8cdRP4joBvmxw1mBpdht6y0sNF0cghkt0
oXBltBfd9XjQwJLmx81o0twMkESJD4qUU6G+GNTcMl3wFKjWNzrJ/zrgO3f+zHMR
HSGAsMPQThS9Dz3TVSlDJKqYNo/CBh5WgVsb3Wed7UMbjZJHPOtkNl4NAwrENo8H
sRijl9Kmtl0B5xMnRczKW5DRlWZev7lX8cVI6vZIgpdgn2qVslY7yIopDTFdtSW1
fOsv8x+otM6RwObjayPmba9si6E+P25+wVzP4qBf2tAxIcYt8uF7WKsZc2NZZS9L
yQIDAQAB
-----END PUBLIC KEY-----";

#[test]
fn unionpay_worked_example() {
    let mut fields = parse_reply(SIGNED);
    fields.insert("signature".into(), SIGNATURE.into());
    fields.insert("reserved".into(), String::new());
    assert_eq!(string_to_sign(&fields), SIGNED);
    assert_eq!(digest(&fields), "7f0f5b3a7481bfc8e523ba6de7213170026cd6f70a1b1afa1feb255bf2c08909");
    let key = rsa::PublicKey::from_public_key_pem(PUBLIC_KEY).unwrap();
    let signature = base64::engine::general_purpose::STANDARD.decode(SIGNATURE).unwrap();
    key.pkcs1v15_verify::<sha2::Sha256>(digest(&fields).as_bytes(), &signature).unwrap();
}

#[test]
fn unionpay_replies_keep_plus_signs_brackets_and_line_ends() {
    let body = "a=1+2%20&b={x=1&y=[2&3]}&c=-----BEGIN-----\r\nMII+=\r\n&d=";
    let fields = parse_reply(body);
    let expected: Fields = [("a", "1+2%20"), ("b", "{x=1&y=[2&3]}"), ("c", "-----BEGIN-----\r\nMII+=\r\n"), ("d", "")]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert_eq!(fields, expected);
    assert_eq!(parse_reply(&write_reply(&fields)), fields);
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn sms_vendor_vector() {
    let query =
        pairs(&[("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"), ("RegionId", "cn-shanghai")]);
    let headers = pairs(&[
        ("host", "ecs.cn-shanghai.aliyuncs.com"),
        ("x-acs-action", "RunInstances"),
        ("x-acs-content-sha256", EMPTY),
        ("x-acs-date", "2023-10-26T10:22:32Z"),
        ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
        ("x-acs-version", "2014-05-26"),
    ]);
    let signable = Signable { method: "POST", path: "/", query: &query, headers: &headers, body: b"" };
    assert_eq!(
        signable.signature("ACS3-HMAC-SHA256", "YourAccessKeySecret"),
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    );
}

#[test]
fn sms_send_vector() {
    let query = pairs(&[
        ("PhoneNumbers", "13800138000"),
        ("SignName", "留学认证"),
        ("TemplateCode", "SMS_100000001"),
        ("TemplateParam", "{\"code\":\"493817\"}"),
        ("OutId", "otp-0001"),
    ]);
    let headers = pairs(&[
        ("host", "dysmsapi.aliyuncs.com"),
        ("x-acs-action", "SendSms"),
        ("x-acs-content-sha256", EMPTY),
        ("x-acs-date", "2026-11-23T12:30:00Z"),
        ("x-acs-signature-nonce", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        ("x-acs-version", "2017-05-25"),
    ]);
    let signable = Signable { method: "POST", path: "/", query: &query, headers: &headers, body: b"" };
    assert_eq!(
        signable.signature("ACS3-HMAC-SHA256", "SandboxKeySecret"),
        "fcce410f4ef40681115ac8bf2f1165d6b98b1515f3b205f5ea19ddd381fd8254"
    );
}

/// A notification of the gateway's test system that UnionPay published with its examples (unionpay.md §3).
#[test]
fn r2_10_unionpays_published_notification_holds_byte_for_byte() {
    let body = include_str!("data/published-notification.form").trim_end();
    let fields: Fields = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    assert_eq!(digest(&fields), "6a4caf90eb93b06e6879ff28b78c15b625063ef6b01028af3455263e71630950");
    let holds = |fields: &Fields| {
        let signer = gateways::x509::Cert::parse(&fields["signPubKeyCert"]).unwrap();
        signer.verify(digest(fields).as_bytes(), &fields["signature"])
    };
    holds(&fields).unwrap();
    // The certificate's line ends are part of what was signed.
    let mut tidied = fields.clone();
    tidied.insert("signPubKeyCert".into(), fields["signPubKeyCert"].replace("\r\n", "\n"));
    assert!(holds(&tidied).is_err());
    let mut dearer = fields.clone();
    dearer.insert("txnAmt".into(), "137".into());
    assert!(holds(&dearer).is_err());
    // Genuine as it is, it is no word of today's: its certificate ended in 2020.
    let trust = gateways::unionpay::trust::Trust::new(sandbox_root(), sandbox_root(), true).unwrap();
    assert!(trust.verify(&fields, chrono::Utc::now()).is_err());
}

/// Any root that is not theirs.
fn sandbox_root() -> &'static str {
    include_str!("../../sandbox/keys/root.pem")
}
