//! `docs/OPERATING.md`, command by command, on a service for real: own settings, own secrets (R7.3).

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use domain::effects::NoticeKind;

/// Settings of one's own, with gateways that nobody answers at.
fn settings(folder: &Path, port: u16, name: &str, keys: &str) -> String {
    let example = include_str!("../docs/renzheng.example.toml");
    let at = |file: &str| folder.join(file).to_string_lossy().into_owned();
    let text = example
        .replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"))
        .replace("postgres://renzheng@db.example/renzheng", &at(&format!("{name}.sqlite")))
        .replace("/var/lib/renzheng/blobs", &at(&format!("{name}-blobs")))
        .replace("master_key = \"64 hexadecimal digits of your own\"", keys)
        .replace("behind_proxy = true", "behind_proxy = false")
        .replace("/etc/renzheng/merchant.key", &at("merchant.key"))
        .replace("/etc/renzheng/merchant.pem", &at("merchant.pem"))
        .replace("/etc/renzheng/unionpay-root.pem", &at("root.pem"))
        .replace("/etc/renzheng/unionpay-middle.pem", &at("root.pem"))
        .replace("/etc/renzheng/signer.key", &at("document.key"))
        .replace("/etc/renzheng/signer.pem", &at("document.pem"))
        .replace("/etc/renzheng/document-roots.pem", &at("document.pem"))
        .replace("/etc/renzheng/stamp-roots.pem", &at("document.pem"))
        .replace("/etc/renzheng/credential.key", &at("credential.key"))
        .replace("/etc/renzheng/proof.key", &at("proof.key"));
    let file = at(&format!("{name}.toml"));
    std::fs::write(&file, text).unwrap();
    file
}

fn certificate(folder: &Path, name: &str) {
    let subject = format!("/CN={name}.example");
    let (key, pem) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pem")));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "400", "-subj", &subject, "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(pem)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}

/// Keys for documents, as `docs/OPERATING.md` makes them.
fn document_keys(folder: &Path) {
    let at = |file: &str| folder.join(file).to_string_lossy().into_owned();
    let openssl = |arguments: &[&str]| {
        let made = Command::new("openssl").args(arguments).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    };
    let curve = "ec_paramgen_curve:P-256";
    for file in ["document.key", "credential.key"] {
        openssl(&["genpkey", "-algorithm", "EC", "-pkeyopt", curve, "-out", &at(file)]);
    }
    openssl(&["genpkey", "-algorithm", "ED25519", "-out", &at("proof.key")]);
    openssl(&[
        "req",
        "-x509",
        "-key",
        &at("document.key"),
        "-days",
        "400",
        "-subj",
        "/CN=documents.example",
        "-addext",
        "keyUsage=digitalSignature",
        "-out",
        &at("document.pem"),
    ]);
}

fn renzheng(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_renzheng")).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

struct Service {
    child: Child,
    log: std::path::PathBuf,
}

impl Service {
    async fn start(settings: &str, log: &Path, port: u16) -> Self {
        let file = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_renzheng"))
            .args(["serve", "--config", settings])
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        let service = Self { child, log: log.to_owned() };
        for _ in 0..400 {
            if curl(port, "/readyz").await == (200, "ready\n".into()) {
                return service;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it never was ready: {}", std::fs::read_to_string(log).unwrap());
    }

    fn terminate(mut self) {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    async fn logs(&self, words: &str) {
        for _ in 0..400 {
            if std::fs::read_to_string(&self.log).unwrap().contains(words) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the log never said {words}: {}", std::fs::read_to_string(&self.log).unwrap());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn curl(port: u16, path: &str) -> (u16, String) {
    match reqwest::get(format!("http://127.0.0.1:{port}{path}")).await {
        Ok(reply) => (reply.status().as_u16(), reply.text().await.unwrap()),
        Err(_) => (0, String::new()),
    }
}

#[actix_web::test]
async fn r7_3_what_the_operators_book_says_works_as_written() {
    let _ = crate::support::server::rustls_provider();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    certificate(folder, "merchant");
    certificate(folder, "root");
    document_keys(folder);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (old, new) = ("1f".repeat(32), "2e".repeat(32));
    let config = settings(folder, port, "live", &format!("master_key = \"{old}\""));
    let log = folder.join("log");
    let service = Service::start(&config, &log, port).await;
    assert_eq!(curl(port, "/healthz").await, (200, "alive\n".into()));
    assert!(curl(port, "/metrics").await.1.contains("renzheng_ready 1"));
    // What the demo alone has is not there.
    assert!(curl(port, "/operator/chaos").await.1.contains("staff_user"), "log in first");
    let words = ["--config", &config];
    let invited =
        renzheng(&["invite", "--config", &config, "--user", "first", "--name", "样管理员", "--roles", "administrator"]);
    assert!(said(&invited).contains("/staff/invitation/"), "{}", said(&invited));
    assert!(said(&renzheng(&["hooks", words[0], words[1]])).contains("/notices/"));
    assert!(said(&renzheng(&["verify-audit", words[0], words[1]])).contains("every link holds"));
    // A copy while it runs, and the drill beside.
    let copy = folder.join("copy").to_string_lossy().into_owned();
    let taken = renzheng(&["backup", "--config", &config, "--to", &copy]);
    assert!(taken.status.success(), "{}", said(&taken));
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(format!("{copy}/keys.json")).unwrap().permissions())
            & 0o777,
        0o600
    );
    let beside = settings(folder, port, "beside", &format!("master_key = \"{old}\""));
    let restored = renzheng(&["restore", "--config", &beside, "--from", &copy]);
    assert!(restored.status.success() && said(&restored).contains("all of them opened"), "{}", said(&restored));
    // With a newer key alone it can't be opened; that is told before the service is started.
    let other = settings(folder, port, "other", &format!("master_key = \"{new}\""));
    assert!(said(&renzheng(&["restore", "--config", &other, "--from", &copy])).contains("former_master_keys"));
    service.terminate();
    // Another key: the old one becomes a former one.
    let config = settings(folder, port, "live", &format!("master_key = \"{new}\"\nformer_master_keys = [\"{old}\"]"));
    let service = Service::start(&config, &log, port).await;
    service.logs("nothing: done").await;
    let log_of_documents = said(&renzheng(&["verify-log", "--config", &config, "--files"]));
    assert!(
        log_of_documents.contains("0 entries: each hash") && log_of_documents.contains("0 files"),
        "{log_of_documents}"
    );
    assert!(said(&renzheng(&["verify-audit", "--config", &config])).contains("every link holds"));
    service.terminate();
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(
        log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "each line is JSON: {log}"
    );
}

#[test]
fn r2_15_the_example_has_a_template_for_every_kind_of_notice() {
    let example = include_str!("../docs/renzheng.example.toml");
    for kind in NoticeKind::ALL {
        assert!(example.contains(&format!("\n{} = \"SMS_", kind.code())), "no template for {}", kind.code());
    }
}

#[test]
fn r7_3_every_alert_is_about_a_metric_there_is_and_says_what_to_do() {
    let book = include_str!("../docs/OPERATING.md");
    let metrics = include_str!("../docs/METRICS.md");
    let told = |word: &str| metrics.contains(&format!("| `{}", word.trim_end_matches("_bucket")));
    for word in
        book.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| word.starts_with("renzheng_"))
    {
        assert!(told(word), "{word} is no metric");
    }
    let alerts: Vec<&str> = book.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 5);
    for alert in alerts {
        assert!(book.contains(&format!("\n| {alert} | ")), "what is to be done about {alert}?");
    }
}
