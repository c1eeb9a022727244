//! Certificates that prove themselves (R2.16, R4.5): verified by readers that are not ours, by the command, by the page, and
//! against a log that nobody rewrites.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chrono::TimeDelta;
use diesel::Connection;
use diesel::connection::SimpleConnection;
use serde_json::Value;

use crate::support::client::{Person, Visitor};
use crate::support::server::{Outside, Server, rustls_provider, world};

async fn staff(outside: &Outside, server: &Server, user: &str) -> Visitor {
    // A code is used once in its half minute.
    outside.pass(server, TimeDelta::minutes(1)).await;
    let mut officer = Visitor::new(&server.site);
    officer.staff_at(user, outside.now()).await;
    officer
}

/// A case with a proposal of this outcome; gives back the applicant and the path of the case.
async fn proposed(outside: &Outside, server: &Server, person: &Person, outcome: &str) -> (Visitor, String) {
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid_by(outside, person).await;
    let case = app.replace("/apply/", "/staff/case/");
    let mut evaluator = staff(outside, server, "evaluator").await;
    assert_eq!(evaluator.act(&case, &[("act", "accept")]).await.status, 303);
    let mut propose = vec![("act", "propose"), ("outcome", outcome)];
    if outcome != "certificate" {
        propose.push(("reason", "cannot-verify"));
    }
    assert_eq!(evaluator.act(&case, &propose).await.status, 303);
    (visitor, app.replace("/apply/", "/case/"))
}

/// The same decided. The document is on its way.
async fn decided(outside: &Outside, server: &Server, person: &Person, outcome: &str) -> (Visitor, String) {
    let (visitor, mine) = proposed(outside, server, person, outcome).await;
    let mut approver = staff(outside, server, "approver").await;
    let case = mine.replace("/case/", "/staff/case/");
    assert_eq!(approver.act(&case, &[("act", "approve")]).await.status, 303);
    (visitor, mine)
}

/// The token of the newest document of a case.
async fn token(visitor: &mut Visitor, case: &str) -> String {
    let page = visitor.until(case, "href=\"/verify/").await.body;
    page.split("href=\"/verify/").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

fn renzheng(server: &Server, arguments: &[&str]) -> (bool, String) {
    let data = server.data.path().to_str().unwrap();
    said(Command::new(env!("CARGO_BIN_EXE_renzheng")).args(["--data", data]).args(arguments).output().unwrap())
}

fn said(output: Output) -> (bool, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// `tests/outside/check.py`, with the readers that `tests/run` gets.
fn outside_reader(arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var("OUTSIDE").map_or_else(|_| root.join("target/outside/bin/python"), PathBuf::from);
    let script = root.join("tests/outside/check.py");
    let (good, text) = said(Command::new(python).arg(script).args(arguments).output().expect("tests/run gets it"));
    assert!(good, "{text}");
    text
}

fn keep(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_string_lossy().into_owned()
}

async fn json(site: &str, path: &str) -> (u16, Value) {
    let answer = reqwest::Client::new().get(format!("{site}{path}")).header("Accept", "application/json");
    let answer = answer.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// What the page says of a file, as a machine asks it.
async fn by_file(site: &str, name: &str, bytes: Vec<u8>) -> (u16, Value) {
    let part = reqwest::multipart::Part::bytes(bytes).file_name(name.to_owned());
    let form = reqwest::multipart::Form::new().part("file", part);
    let asked = reqwest::Client::new().post(format!("{site}/verify/file")).header("Accept", "application/json");
    let answer = asked.multipart(form).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn bit(list: &str, place: usize) -> bool {
    use base64::Engine as _;
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(list.split('.').nth(1).unwrap()).unwrap();
    let read: Value = serde_json::from_slice(&payload).unwrap();
    proof::status::is_set(read["credentialSubject"]["encodedList"].as_str().unwrap(), place).unwrap()
}

#[actix_web::test]
async fn r2_16_readers_that_are_not_ours_verify_certificate_credential_badge_and_receipt() {
    let (outside, server) = world();
    let (mut visitor, case) = decided(&outside, &server, &Person::sample(), "certificate").await;
    let token = token(&mut visitor, &case).await;
    let folder = tempfile::tempdir().unwrap();
    let (status, pdf) = visitor.bytes(&format!("{case}/certificate.pdf")).await;
    assert_eq!(status, 200);
    let path = keep(folder.path(), "certificate.pdf", &pdf);
    let root = keep(folder.path(), "root.pem", sandbox::DOCUMENT_ROOT_PEM.as_bytes());
    let told = outside_reader(&["pdf", &path, &root, "stamped"]);
    assert!(told.contains("The signature is judged VALID") && told.contains("covers the entire file"), "{told}");
    let (good, told) = said(Command::new("pdfsig").arg(&path).output().unwrap());
    assert!(good && told.contains("Signature is Valid.") && told.contains("Total document signed"), "{told}");
    let (good, told) = said(Command::new("qpdf").args(["--check", &path]).output().unwrap());
    assert!(good, "{told}");
    // Our own command, with what the site says is to be trusted, and nothing else.
    let trust = visitor.bytes("/.well-known/renzheng-trust.json").await.1;
    let trust = keep(folder.path(), "trust.json", &trust);
    let (good, told) = renzheng(&server, &["verify", "--trust", &trust, &path]);
    assert!(
        good && told.contains("HOLDS")
            && told.contains("ok    An independent authority confirms when")
            && told.contains(&token),
        "{told}"
    );

    let jwt = visitor.bytes(&format!("{case}/credential.jwt")).await.1;
    let jwt = keep(folder.path(), "credential.jwt", &jwt);
    let read: Value =
        serde_json::from_str(&outside_reader(&["jwt", &jwt, &format!("{}/.well-known/jwks.json", server.site)]))
            .unwrap();
    assert_eq!(read["credentialSubject"]["name"], "样张三");
    assert_eq!(read["credentialSubject"]["authentication"]["institution"], "University of Northshire");
    assert!(!read.to_string().contains(Person::sample().number), "no number of an identity document");
    let secured = visitor.bytes(&format!("{case}/credential.json")).await.1;
    let secured = keep(folder.path(), "credential.json", &secured);
    let did = format!("{}/.well-known/did.json", server.site);
    let proved: Value = serde_json::from_str(&outside_reader(&["proof", &secured, &did])).unwrap();
    assert_eq!(proved, read, "one decision, one credential");
    let badge = visitor.bytes(&format!("{case}/badge.jwt")).await.1;
    let badge = keep(folder.path(), "badge.jwt", &badge);
    outside_reader(&["jwt", &badge, &format!("{}/.well-known/jwks.json", server.site)]);
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/outside/ob_v3p0_achievementcredential_schema.json");
    outside_reader(&["badge", &badge, schema]);
    // A status list that was kept: this one's, another's, and something that is none.
    let list = |kind: &str| {
        format!("/credentials/status/{kind}{}-1/revocation", domain::calendar::beijing(outside.now()).format("%Y"))
    };
    let mine = keep(folder.path(), "mine.jwt", &visitor.bytes(&list("RC")).await.1);
    let (good, told) = renzheng(&server, &["verify", "--trust", &trust, "--status", &mine, &path]);
    assert!(good && told.contains("ok    Not revoked"), "{told}");
    for other in [&keep(folder.path(), "other.jwt", &visitor.bytes(&list("RD")).await.1), &jwt] {
        let (good, told) = renzheng(&server, &["verify", "--trust", &trust, "--status", other, &path]);
        assert!(!good && told.contains("FAIL  The status list: does not hold: another list"), "{told}");
    }
    // Every word of ours is explained by our context.
    let (_, context) = json(&server.site, "/credentials/v1").await;
    for word in read["credentialSubject"]["authentication"].as_object().unwrap().keys().filter(|word| *word != "type") {
        assert!(context["@context"].get(word).is_some(), "{word}");
    }
    let (good, told) = renzheng(&server, &["verify", "--trust", &trust, &jwt, &secured, &badge]);
    assert!(good && told.matches(": HOLDS").count() == 3, "{told}");
    for (name, path) in [("a.pdf", &path), ("a.jwt", &jwt), ("a.json", &secured), ("b.jwt", &badge)] {
        let (status, answer) = by_file(&server.site, name, std::fs::read(path).unwrap()).await;
        assert_eq!((status, answer["state"].as_str().unwrap()), (200, "valid"), "{name}: {answer}");
    }
    let (good, told) = renzheng(&server, &["--port", server.site.rsplit(':').next().unwrap(), "verify-log", "--files"]);
    assert!(good && told.contains("1 files, each of them signed"), "{told}");
    // The receipt.
    let payments = visitor.get("/payments").await.body;
    let order = payments.split("href=\"/payments/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let receipt = visitor.bytes(&format!("/payments/{order}/receipt.pdf")).await.1;
    let path = keep(folder.path(), "receipt.pdf", &receipt);
    assert!(outside_reader(&["pdf", &path, &root]).contains("judged VALID"));
    let (_, answer) = by_file(&server.site, "receipt.pdf", receipt).await;
    assert_eq!((answer["state"].as_str(), answer["kind"].as_str()), (Some("valid"), Some("receipt")), "{answer}");
}

#[actix_web::test]
async fn r2_16_every_97th_byte_changed_is_refused_by_the_command_and_by_the_page() {
    let (outside, server) = world();
    let (mut visitor, case) = decided(&outside, &server, &Person::sample(), "certificate").await;
    token(&mut visitor, &case).await;
    let pdf = visitor.bytes(&format!("{case}/certificate.pdf")).await.1;
    let folder = tempfile::tempdir().unwrap();
    let places: Vec<usize> = (0..pdf.len()).step_by(97).collect();
    for batch in places.chunks(60) {
        // So many an address may have looked at in ten minutes.
        outside.pass(&server, TimeDelta::minutes(11)).await;
        let mut files = Vec::new();
        for place in batch {
            let mut changed = pdf.clone();
            changed[*place] ^= 1;
            let (status, answer) = by_file(&server.site, "a.pdf", changed.clone()).await;
            let state = answer["state"].as_str().unwrap();
            assert!(status == 200 && ["changed", "foreign"].contains(&state), "byte {place}: {answer}");
            files.push(keep(folder.path(), &format!("{place}.pdf"), &changed));
        }
        let mut arguments = vec!["verify"];
        arguments.extend(files.iter().map(String::as_str));
        let (good, told) = renzheng(&server, &arguments);
        assert!(!good && told.matches(".pdf: DOES NOT HOLD").count() == batch.len(), "{told}");
    }
    // One more within the ten minutes is one too many, and says when to come again.
    let mut last = (0, Value::Null);
    for _ in 0..61 {
        last = by_file(&server.site, "a.pdf", pdf.clone()).await;
    }
    assert!(last.0 == 429 && last.1["retryAfterSeconds"].as_i64().unwrap() > 0, "{last:?}");
    println!("{} changes, none unseen", places.len());
}

#[actix_web::test]
async fn r2_16_a_wrong_name_looks_like_no_document_and_no_file_is_too_strange() {
    let (outside, server) = world();
    let (mut visitor, case) = decided(&outside, &server, &Person::sample(), "certificate").await;
    token(&mut visitor, &case).await;
    let page = visitor.get(&case).await.body;
    let number = page.split("RC20").nth(1).unwrap().split('<').next().unwrap();
    let number = format!("RC20{number}");
    let mut anybody = Visitor::new(&server.site);
    anybody.get("/verify").await;
    let mut bodies = Vec::new();
    for (number, name) in [(number.as_str(), "样李四"), ("RC202699999999", "样张三"), (number.as_str(), "样张三")]
    {
        let answer = anybody.post("/verify", &[("verify_number", number), ("verify_name", name)]).await;
        bodies.push((answer.status, answer.body));
    }
    let plain = |body: &str| {
        body.split("nonce=\"").map(|part| part.split_once('"').map_or(part, |(_, rest)| rest)).collect::<String>()
    };
    assert_eq!((bodies[0].0, bodies[1].0, bodies[2].0), (404, 404, 200));
    assert_eq!(plain(&bodies[0].1), plain(&bodies[1].1), "a wrong name and no document are answered alike");
    assert!(bodies[2].1.contains("verdict-valid") && !bodies[2].1.contains("样张三"), "the name is masked");
    // A machine needs no page before.
    let asked = reqwest::Client::new().post(format!("{}/verify", server.site)).header("Accept", "application/json");
    let answer = asked.form(&[("verify_number", number.as_str()), ("verify_name", "样张三")]).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["state"], "valid", "{answer}");
    // A page of somebody else's may not ask through its visitors.
    let foreign = reqwest::Client::new().post(format!("{}/verify", server.site)).header("Accept", "application/json");
    let foreign = foreign.header("Origin", "https://evil.example").form(&[("verify_number", number.as_str())]);
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    // A browser's form needs its token.
    let forged =
        reqwest::Client::new().post(format!("{}/verify/file", server.site)).multipart(reqwest::multipart::Form::new());
    assert_eq!(forged.send().await.unwrap().status(), 403);
    // Strange files are told in words by the field.
    for (bytes, wanted) in [(Vec::new(), "请先选择文件"), (vec![b'%'; 9 << 20], "文件超过 8 MB")] {
        let answer = anybody.try_upload("/verify/file", &[("a.pdf", bytes)]).await.unwrap();
        assert!(answer.status == 422 && answer.body.contains(wanted), "{}", answer.body);
    }
    for bytes in [
        b"%PDF-1.7\n".to_vec(),
        b"GIF89a".to_vec(),
        vec![0; 5000],
        b"eyJhbGciOiJub25lIn0.e30.".to_vec(),
        b"{}".to_vec(),
    ] {
        let answer = anybody.try_upload("/verify/file", &[("a.pdf", bytes)]).await.unwrap();
        assert!(answer.status == 200 && answer.body.contains("verdict-unknown"), "{}", answer.body);
    }
}

/// 200 MB that call themselves a PDF: refused in words, and not held in memory.
#[actix_web::test]
async fn r2_16_a_pdf_of_200_mb_is_refused_and_the_service_lives_on() {
    let (_outside, server) = world();
    let mut anybody = Visitor::new(&server.site);
    anybody.get("/verify").await;
    let before = server.memory();
    let answer = anybody.try_upload("/verify/file", &[("huge.pdf", vec![b'%'; 200 << 20])]).await.unwrap();
    assert!(answer.status == 422 && answer.body.contains("文件超过 8 MB"), "{}", answer.body);
    assert!(server.memory() < before + (80 << 20), "{} bytes before, {} after", before, server.memory());
    assert_eq!(anybody.get("/verify").await.status, 200);
}

#[actix_web::test]
async fn r4_5_what_is_replaced_is_told_by_page_list_and_log_and_the_log_goes_on_from_the_head_that_was_kept() {
    let (outside, server) = world();
    let (mut visitor, mine) = decided(&outside, &server, &Person::sample(), "deferral").await;
    let case = mine.replace("/case/", "/staff/case/");
    let old = token(&mut visitor, &mine).await;
    let old_pdf = visitor.bytes(&format!("{mine}/certificate.pdf")).await.1;
    let (_, answer) = json(&server.site, &format!("/verify/{old}")).await;
    assert_eq!((answer["state"].as_str(), answer["kind"].as_str()), (Some("valid"), Some("deferral")));
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("head.json").to_string_lossy().into_owned();
    let monitor = |site: &str| renzheng(&server, &["verify-log", "--site", site, "--kept", &kept]);
    let (good, told) = monitor(&server.site);
    assert!(good && told.contains("1 entries"), "{told}");
    let list = |purpose: &str| {
        format!("/credentials/status/RD{}-1/{purpose}", domain::calendar::beijing(outside.now()).format("%Y"))
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(!bit(&text(visitor.bytes(&list("revocation")).await.1), 0));
    let (status, headers) = visitor.headers(&list("revocation")).await;
    assert!(
        status == 200
            && headers["content-type"] == "application/vc+jwt"
            && headers["cache-control"] == "public, max-age=300"
    );

    // Shown by a link it is no certificate either.
    let id = visitor.get(&format!("{mine}/share")).await.hidden("id");
    visitor.post(&format!("{mine}/share"), &[("id", &id), ("share_label", "样例公司"), ("share_days", "90")]).await;
    let page = visitor.get(&format!("{mine}/share")).await.body;
    let link = format!("/shared/{}", page.split("href=\"/shared/").nth(1).unwrap().split('"').next().unwrap());
    let mut employer = Visitor::new(&server.site);
    employer.get(&link).await;
    let shown = employer.post(&link, &[("share_looker", "样例公司 王五")]).await.body;
    assert!(shown.contains("暂不认证通知单属实") && !shown.contains("verdict-valid"));

    // A review brings a certificate in its place.
    let to = format!("{mine}/review");
    assert_eq!(visitor.post(&to, &[("act", "begin")]).await.status, 303);
    let write = [("act", "next"), ("review_reason", "new-material"), ("review_words", "补充一份学校来函")];
    let second = visitor.post(&to, &write).await.to;
    let asked = visitor.post(&second, &[("act", "ask"), ("review_understood", "yes")]).await;
    assert_eq!(asked.status, 303, "{}", asked.body);
    let mut reviewer = staff(&outside, &server, "reviewer").await;
    let revise = [("act", "revise"), ("outcome", "certificate"), ("note", "学校来函可证")];
    assert_eq!(reviewer.act(&case, &revise).await.status, 303);
    let mut chief = staff(&outside, &server, "chief").await;
    assert_eq!(chief.act(&case, &[("act", "review-approve")]).await.status, 303);
    visitor.login(&Person::sample()).await;
    visitor.until(&mine, "RC20").await;
    let new = token(&mut visitor, &mine).await;
    assert_ne!(new, old);
    assert!(
        visitor.get(&format!("{mine}/share")).await.body.contains(&link),
        "an old link is still seen and can be ended"
    );
    let (_, answer) = json(&server.site, &format!("/verify/{old}")).await;
    assert_eq!(answer["state"], "superseded");
    let (_, answer) = by_file(&server.site, "old.pdf", old_pdf).await;
    assert_eq!(answer["state"], "superseded", "the old file says so, too: {answer}");
    assert!(
        bit(&text(visitor.bytes(&list("revocation")).await.1), 0)
            && bit(&text(visitor.bytes(&list("message")).await.1), 0)
    );
    assert_eq!(visitor.headers("/credentials/status/RD2026-0/revocation").await.0, 404);

    // The log: three entries, and a proof of each in its answer.
    let (_, answer) = json(&server.site, &format!("/verify/{new}")).await;
    let log = &answer["log"];
    assert_eq!((log["leaf_index"].as_u64(), log["sth"]["tree_size"].as_u64()), (Some(2), Some(3)), "{answer}");
    let head = renzheng::public::log::head_from_json(&log["sth"]).unwrap();
    let keys = documents::Keys::new(&server.site, &renzheng::demo::document_keys()).unwrap();
    assert!(head.holds(keys.trust().credential_keys.iter().map(|(_, key)| key)));
    use base64::Engine as _;
    let standard = base64::engine::general_purpose::STANDARD;
    let proof: Vec<_> = log["audit_path"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hash| standard.decode(hash.as_str().unwrap()).unwrap().try_into().unwrap())
        .collect();
    let leaf = proof::merkle::leaf(log["entry"].as_str().unwrap().as_bytes());
    assert!(proof::merkle::includes(&head.root, 3, 2, &leaf, &proof));
    let by_hash = format!(
        "/log/v1/get-proof-by-hash?tree_size=3&hash={}",
        standard.encode(leaf).replace('+', "%2B").replace('/', "%2F")
    );
    assert_eq!(json(&server.site, &by_hash).await.1["leaf_index"], 2);
    for wrong in [
        "/log/v1/get-entries?start=9&end=3",
        "/log/v1/get-entries",
        "/log/v1/get-entries?start=99&end=100",
        "/log/v1/get-sth-consistency?first=0&second=3",
        "/log/v1/get-sth-consistency?first=2&second=9",
        "/log/v1/get-proof-by-hash?hash=x&tree_size=1",
    ] {
        assert_eq!(json(&server.site, wrong).await.0, 400, "{wrong}");
    }
    let (good, told) = monitor(&server.site);
    assert!(good && told.contains("3 entries"), "{told}");
    let (good, told) = renzheng(&server, &["verify-log"]);
    assert!(good && told.contains("3 entries: each hash, each signed head and each document holds"), "{told}");
    let page = visitor.get("/log").await.body;
    assert!(page.contains("被替代") && !page.contains("样张三"));

    // The operator rewrites the whole of it: the log fits the documents, and not the heads that were given out.
    let file = server.data.path().join("renzheng.sqlite");
    let mut raw = diesel::SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    raw.batch_execute("PRAGMA busy_timeout=10000").unwrap();
    assert!(
        raw.batch_execute("UPDATE log_entry SET kind = 'revoked' WHERE seq = 1").is_err(),
        "the database itself refuses"
    );
    raw.batch_execute("DROP TRIGGER log_entry_stays_u; DROP TRIGGER log_entry_stays_d; DROP TRIGGER log_head_stays_u; DROP TRIGGER log_head_stays_d").unwrap();
    raw.batch_execute("UPDATE certificate SET body = replace(body, '\"superseded\"', '\"valid\"')").unwrap();
    let (good, told) = renzheng(&server, &["verify-log"]);
    assert!(!good && told.contains("is not in the log as it stands"), "{told}");
    raw.batch_execute("DELETE FROM log_entry WHERE seq = 2; DELETE FROM log_entry WHERE seq = 1").unwrap();
    let (good, told) = renzheng(&server, &["verify-log"]);
    assert!(!good && told.contains("the head that was signed over"), "{told}");
    raw.batch_execute("DELETE FROM log_head; DELETE FROM log_node WHERE level = 1 OR place > 0").unwrap();
    let (good, told) = monitor(&server.site);
    assert!(!good && told.contains("fewer entries than before"), "{told}");
}

/// Each time the issuer dies at another side of its work, there is one document under one number, and one entry of it.
#[actix_web::test]
async fn r2_16_killed_at_any_side_of_its_work_the_issuer_makes_one_document() {
    let _ = rustls_provider();
    for place in [
        "certificate-due#1",
        "certificate-signed#1",
        "certificate-stamped#1",
        "certificate-made#1",
        "certificate-recorded#1",
    ] {
        let outside = Outside::start();
        let mut server = Server::start_dying(&outside, place);
        let (mut visitor, case) = proposed(&outside, &server, &Person::sample(), "certificate").await;
        let mut approver = staff(&outside, &server, "approver").await;
        let at = case.replace("/case/", "/staff/case/");
        let seen = approver.get(&at).await.hidden("seen");
        // The process may be gone before it has answered: what was committed counts.
        let _ = approver.try_post(&at, &[("act", "approve"), ("seen", &seen)]).await;
        assert!(server.ended(), "{place} was never reached");
        let server = server.restart();
        let token = token(&mut visitor, &case).await;
        let pdf = visitor.bytes(&format!("{case}/certificate.pdf")).await.1;
        let (_, answer) = by_file(&server.site, "a.pdf", pdf).await;
        assert_eq!(answer["state"], "valid", "{place}: {answer}");
        assert!(answer["number"].as_str().unwrap().ends_with("00000001") && !token.is_empty(), "{place}");
        let (good, told) = renzheng(&server, &["verify-log"]);
        assert!(good && told.starts_with("1 entries"), "{place}: {told}");
    }
}

#[actix_web::test]
async fn r2_16_without_a_time_stamp_authority_a_document_waits_and_is_not_set_aside() {
    let (outside, server) = world();
    outside.state.change(|book| book.stamps_down = true);
    let (mut visitor, case) = decided(&outside, &server, &Person::sample(), "certificate").await;
    for _ in 0..8 {
        outside.pass(&server, TimeDelta::seconds(40)).await;
        server.logged("waits: no answer: status 503").await;
    }
    assert!(visitor.get(&case).await.body.contains("文件正在生成"));
    outside.state.change(|book| book.stamps_down = false);
    outside.pass(&server, TimeDelta::seconds(40)).await;
    token(&mut visitor, &case).await;
}

#[actix_web::test]
async fn r2_16_a_character_that_no_font_has_is_named_and_the_document_set_aside_before_issue() {
    let (outside, server) = world();
    let person = Person { name: "样\u{20BB7}", number: "110101199003070134", ..Person::sample() };
    let (mut visitor, case) = decided(&outside, &server, &person, "certificate").await;
    let mut operator = staff(&outside, &server, "operator").await;
    let queues = operator.until("/operator/queues", "U+20BB7").await.body;
    assert!(queues.contains("no font has U+20BB7") && !queues.contains('\u{20BB7}'));
    let page = visitor.get(&case).await.body;
    assert!(page.contains("文件正在生成"), "never a blank box on a certificate");
    // Its number is known already, and is not called valid.
    let number = format!("RC20{}", page.split("RC20").nth(1).unwrap().split('<').next().unwrap());
    let asked = reqwest::Client::new().post(format!("{}/verify", server.site)).header("Accept", "application/json");
    let answer = asked.form(&[("verify_number", number.as_str()), ("verify_name", person.name)]).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["state"], "making");
    let (good, told) = renzheng(&server, &["verify-log"]);
    assert!(good && told.starts_with("0 entries"), "{told}");
}

#[actix_web::test]
async fn r2_16_a_holder_shares_by_a_link_that_shows_who_looked_and_ends() {
    let (outside, server) = world();
    let (mut visitor, case) = decided(&outside, &server, &Person::sample(), "certificate").await;
    token(&mut visitor, &case).await;
    let to = format!("{case}/share");
    let page = visitor.get(&to).await;
    assert!(page.body.contains("您还没有生成过链接"));
    let id = page.hidden("id");
    assert_eq!(visitor.post(&to, &[("id", &id), ("share_label", ""), ("share_days", "30")]).await.status, 422);
    for _ in 0..2 {
        // Clicked twice, made once.
        let form = [("id", id.as_str()), ("share_label", "样例公司"), ("share_days", "7")];
        assert_eq!(visitor.post(&to, &form).await.status, 303);
    }
    let page = visitor.get(&to).await.body;
    assert_eq!(page.matches("href=\"/shared/").count(), 1);
    let link = format!("/shared/{}", page.split("href=\"/shared/").nth(1).unwrap().split('"').next().unwrap());
    let mut employer = Visitor::new(&server.site);
    let ask = employer.get(&link).await.body;
    assert!(!ask.contains("样张三") && !ask.contains("RC20"), "nothing before it is said who looks");
    assert_eq!(employer.post(&link, &[("share_looker", " ")]).await.status, 422);
    let shown = employer.post(&link, &[("share_looker", "样例公司 王五")]).await.body;
    assert!(shown.contains("样张三") && shown.contains("北郡大学") && shown.contains("verdict-valid"));
    let file = employer.post(&link, &[("share_looker", "样例公司 王五"), ("act", "file")]).await;
    assert_eq!(file.status, 200);
    let page = visitor.get(&to).await.body;
    assert!(page.contains("样例公司 王五") && page.contains("样例公司 王五 (PDF)") && page.contains("127.0.0.*"));
    // Who looked is sealed at rest.
    for file in ["renzheng.sqlite", "renzheng.sqlite-wal"] {
        let rows = std::fs::read(server.data.path().join(file)).unwrap();
        assert!(!rows.windows("王五".len()).any(|window| window == "王五".as_bytes()), "{file}");
    }
    // Nobody else ends it; its holder does.
    let end =
        page.split("action=\"").find(|part| part.contains("/share/")).unwrap().split('"').next().unwrap().to_owned();
    let mut other = Visitor::new(&server.site);
    other.register(&outside, &Person::registered()).await;
    assert_eq!(other.post(&end, &[]).await.status, 404);
    assert_eq!(employer.get(&link).await.status, 200);
    assert_eq!(visitor.post(&end, &[]).await.status, 303);
    let gone = employer.get(&link).await;
    assert!(gone.status == 404 && gone.body.contains("链接无效"));
    assert_eq!(employer.post(&link, &[("share_looker", "样例公司 王五")]).await.status, 404);
    // One that expires looks the same.
    let id = visitor.get(&to).await.hidden("id");
    visitor.post(&to, &[("id", &id), ("share_label", "样例大学"), ("share_days", "7")]).await;
    let page = visitor.get(&to).await.body;
    let link = format!("/shared/{}", page.split("href=\"/shared/").nth(1).unwrap().split('"').next().unwrap());
    assert_eq!(employer.get(&link).await.status, 200);
    outside.pass(&server, TimeDelta::days(8)).await;
    assert_eq!(employer.get(&link).await.status, 404);
}

#[actix_web::test]
async fn r2_16_r6_3_a_document_is_taken_back_by_somebody_who_did_not_decide_on_it_and_everybody_learns_of_it() {
    let (outside, server) = world();
    let (mut visitor, mine) = decided(&outside, &server, &Person::sample(), "certificate").await;
    let token = token(&mut visitor, &mine).await;
    let case = mine.replace("/case/", "/staff/case/");
    let revoke = [("act", "revoke"), ("reason", "false-material"), ("note", "颁证机构来函更正")];
    let mut approver = staff(&outside, &server, "approver").await;
    assert_eq!(approver.act(&case, &revoke).await.status, 403, "not by those who decided");
    let mut chief = staff(&outside, &server, "chief").await;
    assert_eq!(chief.act(&case, &[("act", "revoke"), ("reason", "false-material"), ("note", "")]).await.status, 422);
    assert_eq!(chief.act(&case, &revoke).await.status, 303);
    assert_eq!(chief.act(&case, &revoke).await.status, 409, "once");
    outside.until(&Person::sample().phone, "已被撤销").await;
    visitor.login(&Person::sample()).await;
    let page = visitor.get(&mine).await.body;
    assert!(page.contains("本文件已被撤销") && page.contains("颁证机构来函更正"));
    let (_, answer) = json(&server.site, &format!("/verify/{token}")).await;
    assert_eq!(answer["state"], "revoked");
    let list = |purpose: &str| {
        format!("/credentials/status/RC{}-1/{purpose}", domain::calendar::beijing(outside.now()).format("%Y"))
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    assert!(bit(&text(visitor.bytes(&list("revocation")).await.1), 0), "it no longer holds");
    assert!(!bit(&text(visitor.bytes(&list("message")).await.1), 0), "and nothing took its place");
    let (good, told) = renzheng(&server, &["verify-log"]);
    assert!(good && told.starts_with("2 entries"), "{told}");
    assert!(visitor.get("/log").await.body.contains("撤销"));
    // An operator undoes it in the database: nobody is told that it holds, by no way.
    let id = visitor.get(&format!("{mine}/share")).await.hidden("id");
    visitor.post(&format!("{mine}/share"), &[("id", &id), ("share_label", "样例公司"), ("share_days", "7")]).await;
    let page = visitor.get(&format!("{mine}/share")).await.body;
    let link = format!("/shared/{}", page.split("href=\"/shared/").nth(1).unwrap().split('"').next().unwrap());
    let file = server.data.path().join("renzheng.sqlite");
    let mut raw = diesel::SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    raw.batch_execute("PRAGMA busy_timeout=10000").unwrap();
    raw.batch_execute("UPDATE certificate SET standing = 'valid', body = replace(body, '\"revoked\"', '\"valid\"')")
        .unwrap();
    let (_, answer) = json(&server.site, &format!("/verify/{token}")).await;
    assert_eq!(answer["state"], "unconfirmed", "{answer}");
    let mut employer = Visitor::new(&server.site);
    employer.get(&link).await;
    let shown = employer.post(&link, &[("share_looker", "样例公司 王五")]).await.body;
    assert!(shown.contains("暂时无法确认") && !shown.contains("verdict-valid") && !shown.contains("样张三"));
    assert!(!renzheng(&server, &["verify-log"]).0);
}
