//! The gateway's sandbox, called as public clients of UnionPay call it: signed by OpenSSL, sent by curl, the reply
//! split as plain text. Nothing of ours stands between them and the sandbox (unionpay.md §2–3).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::server::Outside;

type Fields = BTreeMap<String, String>;

/// Runs a program on some input; it must succeed.
fn program(name: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(name).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{name} {arguments:?}");
    done.stdout
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap().trim_end_matches('\n').to_owned()
}

/// Lower-case hexadecimal SHA-256 of the sorted fields.
fn digest(fields: &Fields) -> String {
    let pairs = fields.iter().filter(|(name, value)| *name != "signature" && !value.is_empty());
    let line = pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let hashed = text(program("openssl", &["dgst", "-sha256", "-r"], line.as_bytes()));
    hashed.split(' ').next().unwrap().to_owned()
}

/// Posts a request, form-urlencoded, and reads the reply as it stands: split at `&`, then at the first `=`.
fn call(outside: &Outside, folder: &tempfile::TempDir, path: &str, mut fields: Fields) -> (Fields, String) {
    let key = folder.path().join("merchant.key");
    std::fs::write(&key, sandbox::MERCHANT_KEY).unwrap();
    let signature =
        program("openssl", &["dgst", "-sha256", "-sign", key.to_str().unwrap()], digest(&fields).as_bytes());
    let signature = text(program("openssl", &["base64", "-A"], &signature));
    fields.entry("signature".into()).or_insert(signature);
    let mut arguments = vec!["--silent".to_owned(), "--show-error".into()];
    for (name, value) in &fields {
        arguments.extend(["--data-urlencode".into(), format!("{name}={value}")]);
    }
    arguments.push(format!("http://127.0.0.1:{}{path}", outside.http));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let body = String::from_utf8(program("curl", &arguments, b"")).unwrap();
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    (pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), body)
}

/// Whether the reply is signed by the certificate in it, and that one by the sandbox's chain.
fn genuine(folder: &tempfile::TempDir, reply: &Fields) -> bool {
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let signer = file("signer.pem", reply["signPubKeyCert"].as_bytes());
    let (root, middle) =
        (file("root.pem", sandbox::ROOT_PEM.as_bytes()), file("middle.pem", sandbox::MIDDLE_PEM.as_bytes()));
    let chain = Command::new("openssl").args(["verify", "-CAfile", &root, "-untrusted", &middle, &signer]).output();
    let key = file("signer.key", &program("openssl", &["x509", "-in", &signer, "-pubkey", "-noout"], b""));
    let signature = program("openssl", &["base64", "-A", "-d"], reply["signature"].as_bytes());
    let (signature, signed) = (file("signature", &signature), file("digest", digest(reply).as_bytes()));
    let holds =
        Command::new("openssl").args(["dgst", "-sha256", "-verify", &key, "-signature", &signature, &signed]).output();
    chain.unwrap().status.success() && holds.unwrap().status.success()
}

fn request(pairs: &[(&str, &str)], order: &str, time: &str) -> Fields {
    let number = text(program("openssl", &["x509", "-noout", "-serial"], sandbox::MERCHANT_PEM.as_bytes()));
    // `certId` is decimal; the sandbox's serial numbers fit into 128 bits.
    let serial = u128::from_str_radix(number.trim_start_matches("serial="), 16).unwrap().to_string();
    let common = [
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("signMethod", "01"),
        ("accessType", "0"),
        ("channelType", "07"),
        ("merId", sandbox::MERCHANT),
        ("certId", serial.as_str()),
        ("orderId", order),
        ("txnTime", time),
    ];
    common.iter().chain(pairs).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[actix_web::test]
async fn r2_10_a_public_clients_way_of_calling_works_against_the_sandbox() {
    let outside = Outside::start();
    let folder = tempfile::tempdir().unwrap();
    let time = domain::calendar::beijing(outside.now()).format("%Y%m%d%H%M%S").to_string();
    let order = "FOREIGN2026112500001";
    let pay = [
        ("txnType", "01"),
        ("txnSubType", "01"),
        ("bizType", "000201"),
        ("txnAmt", "36000"),
        ("currencyCode", "156"),
        ("backUrl", "http://127.0.0.1:9/pay/notify"),
        ("riskRateInfo", "{commodityName=学历学位认证费}"),
    ];
    let (_, page) = call(&outside, &folder, "/gateway/api/frontTransReq.do", request(&pay, order, &time));
    assert!(!page.contains("respCode"), "the front request leads to the cashier: {page}");
    let ask = [("txnType", "00"), ("txnSubType", "00"), ("bizType", "000000")];
    let (reply, body) = call(&outside, &folder, "/gateway/api/queryTrans.do", request(&ask, order, &time));
    assert_eq!((reply["respCode"].as_str(), reply["origRespCode"].as_str()), ("00", "34"));
    assert!(!body.contains("%0D") && body.contains("-----BEGIN CERTIFICATE-----\r\n"), "the reply is not encoded");
    assert!(genuine(&folder, &reply));
    let mut changed = reply.clone();
    changed.insert("origRespCode".into(), "00".into());
    assert!(!genuine(&folder, &changed));
    // An order that is not there; a signature that is not ours; a field without which nothing is answered in kind.
    let (none, _) = call(&outside, &folder, "/gateway/api/queryTrans.do", request(&ask, "FOREIGN2026112500009", &time));
    assert_eq!(none["respCode"], "34");
    let mut forged = request(&ask, order, &time);
    forged.insert("signature".into(), "AAAA".into());
    assert_eq!(call(&outside, &folder, "/gateway/api/queryTrans.do", forged).0["respCode"], "11");
    let mut bare = request(&ask, order, &time);
    bare.remove("version");
    assert_eq!(call(&outside, &folder, "/gateway/api/queryTrans.do", bare).1, "Invalid request.");
}
