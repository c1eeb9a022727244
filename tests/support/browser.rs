//! Debian's Chromium, driven from Rust; scripts on or off, wide or narrow, audited by axe-core.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(20);

/// What of a page reaches beyond its right edge, and the measures that say so.
const STICKS_OUT: &str = "
    const root = document.documentElement, edge = root.clientWidth;
    const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > edge);
    return {
        widths: [root.scrollWidth, edge, innerWidth, visualViewport.width, visualViewport.scale],
        wide: wide.map(e => Math.round(e.getBoundingClientRect().right) + ' ' + e.outerHTML.slice(0, 120)).slice(-8),
    };";

/// A browser with a profile of its own.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    pub client: Client,
    scripts: bool,
    pub downloads: TempDir,
    axe: String,
    /// Page and bytes over the wire, as the browser counted them.
    pub sizes: Vec<(String, u64)>,
    pub audited: usize,
}

#[derive(Debug)]
struct Cdp(Value);

impl WebDriverCompatibleCommand for Cdp {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/goog/cdp/execute", session.unwrap()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.0.to_string()))
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Browser {
    pub async fn start(scripts: bool, language: &str) -> Self {
        let port = free_port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver: install Debian's chromium and chromium-driver (tests/run does)");
        let downloads = TempDir::new().unwrap();
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1100,900",
        ];
        let options = json!({
            "goog:chromeOptions": {
                "args": args,
                "binary": "/usr/bin/chromium",
                "prefs": {
                    "intl.accept_languages": language,
                    "download.default_directory": downloads.path(),
                    "plugins.always_open_pdf_externally": true,
                },
            }
        });
        let Value::Object(options) = options else { unreachable!() };
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(options);
        let mut client = None;
        for _ in 0..1_200 {
            match builder.connect(&format!("http://127.0.0.1:{port}")).await {
                Ok(connected) => {
                    client = Some(connected);
                    break;
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        let axe = std::env::var("AXE").unwrap_or_else(|_| {
            concat!(env!("CARGO_MANIFEST_DIR"), "/target/axe/node_modules/axe-core/axe.min.js").to_owned()
        });
        let axe = std::fs::read_to_string(axe).expect("axe-core: tests/run installs it");
        let client = client.expect("chromedriver did not start");
        let session = client.session_id().await.unwrap().unwrap();
        let browser = Self { driver, port, session, client, scripts, downloads, axe, sizes: Vec::new(), audited: 0 };
        browser.scripting(scripts).await;
        browser
    }

    pub async fn cdp(&self, cmd: &str, params: Value) -> Value {
        self.client.issue_cmd(Cdp(json!({"cmd": cmd, "params": params}))).await.unwrap()
    }

    async fn scripting(&self, on: bool) {
        self.cdp("Emulation.setScriptExecutionDisabled", json!({"value": !on})).await;
    }

    pub async fn go(&mut self, url: &str) {
        self.client.goto(url).await.unwrap();
        self.audit().await;
    }

    /// Waits for something to be on the page.
    pub async fn see(&self, css: &str) -> fantoccini::elements::Element {
        match self.found(Locator::Css(css)).await {
            Some(element) => element,
            None => self.lost(css).await,
        }
    }

    /// Waits for it; whatever the driver says against a page that is just going away is "not yet".
    async fn found(&self, by: Locator<'_>) -> Option<fantoccini::elements::Element> {
        let until = Instant::now() + WAIT;
        while Instant::now() < until {
            if let Ok(element) = self.client.find(by).await {
                return Some(element);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    async fn lost(&self, wanted: &str) -> ! {
        let url = self.client.current_url().await.unwrap();
        let png = self.client.screenshot().await.unwrap();
        let _ = std::fs::write("/tmp/lost.png", png);
        let source = self.client.source().await.unwrap();
        let text = source.split("<main").nth(1).unwrap_or(&source);
        panic!("{wanted} is not on {url}:\n{}", text.chars().take(3_000).collect::<String>());
    }

    /// Waits for words anywhere on the page.
    pub async fn read(&self, words: &str) {
        let xpath = format!("//main[contains(normalize-space(.), {})]", quoted(words));
        if self.found(Locator::XPath(&xpath)).await.is_none() {
            self.lost(words).await;
        }
    }

    /// Waits for words anywhere in a page that need not be ours.
    pub async fn read_anywhere(&self, words: &str) {
        let xpath = format!("//body[contains(normalize-space(.), {})]", quoted(words));
        if self.found(Locator::XPath(&xpath)).await.is_none() {
            self.lost(words).await;
        }
    }

    /// Presses the link or button with these words.
    pub async fn press(&mut self, words: &str) {
        let quoted = quoted(words);
        let xpath = format!(
            "(//*[self::a or self::button][normalize-space(.)={quoted}] | //*[self::a or self::button][contains(normalize-space(.), {quoted})])[1]"
        );
        let exact = format!("//*[self::a or self::button][normalize-space(.)={quoted}]");
        let element = match self.client.find(Locator::XPath(&exact)).await {
            Ok(element) => element,
            Err(_) => match self.found(Locator::XPath(&xpath)).await {
                Some(element) => element,
                None => self.lost(words).await,
            },
        };
        element.click().await.unwrap();
    }

    /// Presses what a selector finds.
    pub async fn press_css(&mut self, css: &str) {
        self.see(css).await.click().await.unwrap();
    }

    pub async fn fill(&self, name: &str, value: &str) {
        let element = self.see(&format!("[name='{name}']")).await;
        element.clear().await.unwrap();
        element.send_keys(value).await.unwrap();
    }

    pub async fn choose(&self, name: &str, value: &str) {
        let radio = format!("input[type=radio][name='{name}'][value='{value}']");
        if let Ok(element) = self.client.find(Locator::Css(&radio)).await {
            element.click().await.unwrap();
            return;
        }
        self.see(&format!("select[name='{name}']")).await.select_by_value(value).await.unwrap();
    }

    pub async fn tick(&self, name: &str) {
        self.see(&format!("input[type=checkbox][name='{name}']")).await.click().await.unwrap();
    }

    pub async fn attach(&self, css: &str, path: &std::path::Path) {
        self.see(css).await.send_keys(path.to_str().unwrap()).await.unwrap();
    }

    pub async fn path(&self) -> String {
        self.client.current_url().await.unwrap().path().to_owned()
    }

    /// Checks the page that is shown: axe-core finds nothing, nothing scrolls sideways at 360 pixels; notes its size.
    pub async fn audit(&mut self) {
        self.scripting(true).await;
        let path = self.path().await;
        let size = self
            .client
            .execute(
                "const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
                 return all.filter(entry => !entry.name.includes('/image/')).reduce((sum, entry) => sum + (entry.transferSize || 0), 0);",
                vec![],
            )
            .await
            .unwrap();
        self.sizes.push((path.clone(), size.as_u64().unwrap_or(0)));
        // The audit needs its own script on the page; the page's policy stays as it is for everything else.
        let script = format!(
            "const done = arguments[0]; {}; axe.run(document, {{runOnly: {{type: 'tag', values: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa']}}}})\
             .then(found => done(found.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' ').slice(0, 400))), error => done(['axe: ' + error]));",
            self.axe
        );
        let violations = self.client.execute_async(&script, vec![]).await.unwrap();
        assert_eq!(violations, json!([]), "axe-core on {path}");
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": 360, "height": 780, "deviceScaleFactor": 1, "mobile": true}),
        )
        .await;
        let mut over = Value::Null;
        // The browser may still be laying the page out for its new width.
        for _ in 0..200 {
            let script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth;";
            over = self.client.execute(script, vec![]).await.unwrap();
            if over == json!(0) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if over != json!(0) {
            let wide = self.client.execute(STICKS_OUT, vec![]).await.unwrap();
            panic!("{path} scrolls sideways at 360 pixels, by {over}: {wide:#}");
        }
        self.cdp("Emulation.clearDeviceMetricsOverride", json!({})).await;
        self.audited += 1;
        self.scripting(self.scripts).await;
    }

    /// Pictures of the whole page, light, dark and as printed, for people to look at; kept where `SHOTS` says.
    pub async fn shot(&self, name: &str, narrow: bool) {
        let Ok(folder) = std::env::var("SHOTS") else { return };
        let width = if narrow { 360 } else { 1_100 };
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": 1_400, "deviceScaleFactor": 1, "mobile": narrow}),
        )
        .await;
        std::fs::create_dir_all(&folder).unwrap();
        for (style, media, scheme) in
            [("", "screen", "light"), ("-dark", "screen", "dark"), ("-print", "print", "light")]
        {
            let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
            self.cdp("Emulation.setEmulatedMedia", json!({"media": media, "features": features})).await;
            let png = self.client.screenshot().await.unwrap();
            std::fs::write(format!("{folder}/{name}{style}.png"), png).unwrap();
        }
        self.cdp("Emulation.setEmulatedMedia", json!({"media": "", "features": []})).await;
        self.cdp("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    /// Asks the driver, in few words for one that may be unwinding, to end the browser: killed, it would leave it running.
    fn end_session(&self) -> std::io::Result<()> {
        let mut driver = TcpStream::connect(("127.0.0.1", self.port))?;
        driver.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(driver, "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", self.session)?;
        driver.read(&mut [0; 64]).map(|_| ())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.end_session();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn quoted(words: &str) -> String {
    assert!(!words.contains('"'));
    format!("\"{words}\"")
}
