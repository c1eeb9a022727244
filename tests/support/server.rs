//! A sandbox in this process and the service in another, as it runs for real.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sandbox::State;
use tempfile::TempDir;

/// The outside world, which outlives the service.
pub struct Outside {
    pub http: u16,
    pub smtp: u16,
    pub state: Arc<State>,
    seconds: Arc<AtomicI64>,
}

impl Outside {
    /// Starts a sandbox on free ports, on a thread of its own that lives as long as the test process.
    pub fn start() -> Self {
        let (send, receive) = mpsc::channel();
        let seconds = Arc::new(AtomicI64::new(0));
        let moved = Arc::clone(&seconds);
        std::thread::spawn(move || {
            let _ = rustls_provider();
            actix_web::rt::System::new().block_on(async move {
                let settings = sandbox::Settings {
                    http_port: 0,
                    smtp_port: 0,
                    memory: None,
                    now: Arc::new(move || Utc::now() + TimeDelta::seconds(moved.load(Ordering::SeqCst))),
                    shift: Arc::new(|_| {}),
                    staff: renzheng::demo::staff_codes(),
                    site: String::new(),
                };
                let sandbox = sandbox::start(settings).unwrap();
                send.send((sandbox.http_port, sandbox.smtp_port, Arc::clone(&sandbox.state))).unwrap();
                std::future::pending::<()>().await;
            });
        });
        let (http, smtp, state) = receive.recv().unwrap();
        Self { http, smtp, state, seconds }
    }

    /// Where receipts and bounces go from now on.
    pub fn hear(&self, server: &Server) {
        let key = hook_key();
        self.state.change(|book| book.hook = Some(format!("{}/notices/{key}", server.site)));
    }

    /// What the moved clocks show.
    pub fn now(&self) -> chrono::DateTime<Utc> {
        Utc::now() + TimeDelta::seconds(self.seconds.load(Ordering::SeqCst))
    }

    /// Time passes: first out there, then in the service.
    pub async fn pass(&self, server: &Server, span: TimeDelta) {
        self.pass_at(&server.site, span).await;
    }

    /// The same by the service's address.
    pub async fn pass_at(&self, site: &str, span: TimeDelta) {
        self.seconds.fetch_add(span.num_seconds(), Ordering::SeqCst);
        let body = format!(r#"{{"seconds": {}}}"#, span.num_seconds());
        let moved = reqwest::Client::new()
            .post(format!("{site}/demo/clock"))
            .header("Content-Type", "application/json")
            .body(body);
        assert_eq!(moved.send().await.unwrap().status(), 204);
    }

    /// The last code that was sent to an address; waits for it.
    pub fn code_for(&self, to: &str, seen: usize) -> String {
        for _ in 0..TRIES {
            let found = self.state.read(|book| {
                let mine: Vec<_> = book.messages.iter().filter(|message| message.to == to).collect();
                mine.iter().skip(seen).rev().find_map(|message| six_digits(&message.text))
            });
            if let Some(code) = found {
                return code;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("no code arrived for {to}");
    }

    /// Waits until a message with these words has arrived.
    pub async fn until(&self, to: &str, words: &str) {
        for _ in 0..TRIES {
            if self.messages_to(to).iter().any(|message| message.contains(words)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no message with {words} arrived for {to}");
    }

    pub fn messages_to(&self, to: &str) -> Vec<String> {
        self.state.read(|book| {
            book.messages.iter().filter(|message| message.to == to).map(|message| message.text.clone()).collect()
        })
    }

    /// The money that the gateway took, in fen.
    pub fn taken(&self) -> i64 {
        self.state.read(|book| {
            let paid = book.orders.values().filter(|order| matches!(order.state, sandbox::OrderState::Paid(_)));
            paid.map(|order| order.request["txnAmt"].parse::<i64>().unwrap()).sum()
        })
    }
}

/// Looks, 25 ms apart: a minute, for a machine that has other work.
const TRIES: usize = 2_400;

/// The part of the address for receipts that nobody can guess.
pub fn hook_key() -> String {
    let master = hex::decode(renzheng::demo::MASTER_KEY).unwrap();
    store::Keys::from_master(&master).unwrap().sign("notice-hook", "1")
}

pub fn rustls_provider() -> Result<(), Arc<rustls::crypto::CryptoProvider>> {
    rustls::crypto::ring::default_provider().install_default()
}

fn six_digits(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6).map(str::to_owned)
}

/// The service, in a process of its own.
pub struct Server {
    child: Child,
    pub site: String,
    pub data: Arc<TempDir>,
    port: u16,
    sandbox: String,
}

impl Server {
    pub fn start(outside: &Outside) -> Self {
        Self::start_on(outside, TempDir::new().unwrap(), None)
    }

    /// A server with data that are there already, and with another database than its own file.
    pub fn start_on(outside: &Outside, data: TempDir, database: Option<&str>) -> Self {
        Self::launch(format!("{}:{}", outside.http, outside.smtp), Arc::new(data), 0, None, database)
    }

    /// A server that ends itself, as SIGKILL would, at the named place.
    pub fn start_dying(outside: &Outside, place: &str) -> Self {
        let data = Arc::new(TempDir::new().unwrap());
        Self::launch(format!("{}:{}", outside.http, outside.smtp), data, 0, Some(place), None)
    }

    /// A server that sends its traces to a collector.
    pub fn start_traced(outside: &Outside, collector: &str) -> Self {
        let data = Arc::new(TempDir::new().unwrap());
        let sandbox = format!("{}:{}", outside.http, outside.smtp);
        Self::launch_with(sandbox, data, 0, &["--otlp", collector])
    }

    fn launch(sandbox: String, data: Arc<TempDir>, port: u16, die_at: Option<&str>, database: Option<&str>) -> Self {
        let die_at = die_at.map(|place| ["--die-at", place]);
        let database = database.map(|url| ["--database-url", url]);
        let more: Vec<&str> = die_at.into_iter().chain(database).flatten().collect();
        Self::launch_with(sandbox, data, port, &more)
    }

    fn launch_with(sandbox: String, data: Arc<TempDir>, port: u16, more: &[&str]) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(data.path().join("log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_renzheng"));
        command
            .args(["--port", &port.to_string(), "--sandbox", &sandbox, "--json-log", "--data"])
            .arg(data.path())
            .args(more)
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let site = loop {
            let line = lines.next().expect("the server ended before it was ready").unwrap();
            if let Some(site) = line.trim().strip_prefix("site ") {
                break site.trim().trim_end_matches('/').to_owned();
            }
        };
        std::thread::spawn(move || lines.count());
        let port = site.rsplit(':').next().unwrap().parse().unwrap();
        Self { child, site, data, port, sandbox }
    }

    /// Whether the process is still there.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The process, for whoever ends it from outside.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process has ended by itself.
    pub fn ended(&mut self) -> bool {
        for _ in 0..1_200 {
            if !self.is_alive() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        false
    }

    /// SIGKILL, whatever it is doing.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same service again: same data, same port.
    pub fn restart(mut self) -> Self {
        if self.is_alive() {
            self.kill();
        }
        let (sandbox, data, port) = (self.sandbox.clone(), Arc::clone(&self.data), self.port);
        drop(self);
        Self::launch(sandbox, data, port, None, None)
    }

    /// SIGTERM; returns the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        self.child.wait().unwrap().code()
    }

    /// SIGTERM, and again until it is gone; returns the exit code.
    pub fn terminate_twice(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        // Two in a row are one to a process that has not looked yet.
        for _ in 0..1_000 {
            Command::new("kill").arg(&pid).stderr(Stdio::null()).status().unwrap();
            if !self.is_alive() {
                return self.child.wait().unwrap().code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("told for five seconds, it did not end");
    }

    /// Waits until the log has these words.
    pub async fn logged(&self, words: &str) {
        for _ in 0..TRIES {
            if self.log().contains(words) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the log never said {words}");
    }

    /// The most memory that the process has held so far, in bytes.
    pub fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Everything that was logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("log")).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The outside world, and a service in it.
pub fn world() -> (Outside, Server) {
    let _ = rustls_provider();
    let outside = Outside::start();
    let server = Server::start(&outside);
    outside.hear(&server);
    (outside, server)
}
