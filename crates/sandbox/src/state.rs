//! What the sandbox remembers, over restarts too: a gateway never forgets an order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use gateways::unionpay::wire::Fields;
use gateways::x509::{self, Cert};
use serde::{Deserialize, Serialize};

use crate::{MERCHANT_PEM, Settings, StaffCode};

/// Messages that are remembered.
const MESSAGES_MOST: usize = 2_000;

/// How an order at the gateway stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Waiting for the person at the cashier.
    New,
    /// Paid, with the code that says so (00, A6 or 42).
    Paid(String),
    /// Under way; paid once this instant has come.
    PaidFrom(DateTime<Utc>),
    /// Refused with this code.
    Failed(String),
}

/// An order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The merchant's request.
    pub request: Fields,
    /// How it stands.
    pub state: OrderState,
    /// UnionPay's serial.
    pub query_id: String,
    /// What the gateway says was paid, where that is not what was asked.
    pub amount: Option<String>,
    /// When it came.
    pub at: DateTime<Utc>,
    /// When it was paid.
    #[serde(default)]
    pub paid_at: Option<DateTime<Utc>>,
}

/// How refunds end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundPlay {
    /// Taken, and done a moment later.
    #[default]
    Success,
    /// Taken, and sent back by the bank.
    Failure,
    /// Taken, and never heard of again.
    Never,
    /// Refused at once.
    Refused,
    /// Taken, but the answer is lost.
    Lost,
}

/// A refund.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refund {
    /// The merchant's request.
    pub request: Fields,
    /// UnionPay's serial of the payment.
    pub original: String,
    /// How it ends.
    pub play: RefundPlay,
    /// UnionPay's serial.
    pub query_id: String,
    /// When it came.
    pub at: DateTime<Utc>,
}

/// A message that arrived.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// When.
    pub at: DateTime<Utc>,
    /// `sms` or `mail`.
    pub channel: String,
    /// To whom.
    pub to: String,
    /// Subject of a mail, or the template of an SMS.
    pub subject: String,
    /// What it says.
    pub text: String,
    /// Our service's own id of it.
    #[serde(default)]
    pub out_id: String,
    /// The provider's name for it.
    #[serde(default)]
    pub biz_id: String,
    /// How it fared: 1 on its way, 2 failed, 3 arrived.
    #[serde(default)]
    pub status: u8,
}

/// How texts and mails fare once they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fare {
    /// They arrive, and a receipt says so.
    #[default]
    Arrive,
    /// They do not: a receipt with an error, a mail that bounces.
    Fail,
    /// They arrive, but no receipt comes.
    Silent,
}

/// A face verification.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Face {
    /// Our service's name for it.
    pub outer_no: String,
    /// Whom it is about.
    pub name: String,
    /// Which document.
    pub document_no: String,
    /// Whom to call when it is over.
    pub notify_url: String,
    /// What the QR code holds, the last part.
    pub token: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// How it stands.
    pub status: String,
    /// Why.
    pub sub_code: Option<u16>,
    /// When it ended well.
    pub verified_at: Option<DateTime<Utc>>,
    /// Whether somebody else's face was seen.
    pub other_person: bool,
}

/// A query for entry–exit records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Query {
    /// Of the holder of which document.
    pub document_no: String,
    /// How often it was looked at: the first look finds it still being worked on.
    pub looks: u32,
}

/// All of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Book {
    /// Orders by `orderId|txnTime`.
    pub orders: BTreeMap<String, Order>,
    /// Refunds by `orderId|txnTime`.
    #[serde(default)]
    pub refunds: BTreeMap<String, Refund>,
    /// How refunds that come end.
    #[serde(default)]
    pub refund_play: RefundPlay,
    /// Messages, oldest first.
    pub messages: Vec<Message>,
    /// Verifications by id.
    pub faces: BTreeMap<String, Face>,
    /// Queries by id.
    pub queries: BTreeMap<String, Query>,
    /// How often anybody asked how an order stands.
    pub asked: u64,
    /// Since when each order was asked about how often.
    #[serde(skip)]
    pub queried: BTreeMap<String, (DateTime<Utc>, u32)>,
    /// When true, no notification leaves.
    pub notifications_off: bool,
    /// When true, SMS and mail are refused for now.
    pub messages_down: bool,
    /// How they fare once taken.
    #[serde(default)]
    pub fare: Fare,
    /// When true, the time-stamp authority is away.
    #[serde(default)]
    pub stamps_down: bool,
    /// How many time-stamps were given.
    #[serde(default)]
    pub stamps: u64,
    /// Where receipts and bounces go, without a slash at its end.
    #[serde(default)]
    pub hook: Option<String>,
}

/// The shared state.
pub struct State {
    book: Mutex<Book>,
    memory: Option<PathBuf>,
    now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// Moves time.
    pub(crate) shift: Arc<dyn Fn(i64) + Send + Sync>,
    /// Own origin.
    pub(crate) origin: String,
    /// The site's origin.
    pub(crate) site: String,
    /// Whose codes are shown.
    pub(crate) staff: Vec<StaffCode>,
    /// The gateway's key.
    pub(crate) signer: rsa::PrivateKey,
    /// The gateway's certificate with CRLF, as it is sent.
    pub(crate) signer_pem: String,
    /// The merchant's certificate.
    pub(crate) merchant: Cert,
    /// For notifications.
    pub(crate) http: reqwest::Client,
}

fn other(error: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::other(error.to_string())
}

impl State {
    pub(crate) fn open(settings: Settings, port: u16) -> std::io::Result<Self> {
        let kept = settings.memory.as_ref().and_then(|path| std::fs::read(path).ok());
        let book = match kept {
            Some(kept) => serde_json::from_slice(&kept).map_err(other)?,
            None => Book::default(),
        };
        let http = reqwest::Client::builder()
            .timeout(std::time::Duration::from_secs(10))
            // A connection that was idle may be closed just when a notification leaves: each gets its own.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(other)?;
        Ok(Self {
            book: Mutex::new(book),
            memory: settings.memory,
            now: settings.now,
            shift: settings.shift,
            origin: format!("http://127.0.0.1:{port}"),
            site: settings.site,
            staff: settings.staff,
            signer: x509::private_key(include_str!("../keys/signer.key")).map_err(other)?,
            signer_pem: include_str!("../keys/signer.pem").replace("\r\n", "\n").replace('\n', "\r\n"),
            merchant: Cert::parse(MERCHANT_PEM).map_err(other)?,
            http,
        })
    }

    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        (self.now)()
    }

    /// Looks at what is remembered.
    pub fn read<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what is remembered, and writes it down before anybody is told.
    pub fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut book);
        if book.messages.len() > MESSAGES_MOST {
            book.messages.remove(0);
        }
        if let Some(path) = &self.memory {
            let draft = path.with_extension("draft");
            let written = serde_json::to_vec(&*book).map_err(other).and_then(|json| {
                std::fs::write(&draft, json)?;
                std::fs::rename(&draft, path)
            });
            if let Err(error) = written {
                tracing::error!(%error, "the sandbox could not write down what it remembers");
            }
        }
        result
    }

    /// Keeps a message.
    pub(crate) fn keep(&self, message: Message) {
        self.change(|book| book.messages.push(message));
    }

    /// Tells the service what became of a message: at once, and again after 1, 5 and 10 minutes if it does not answer.
    pub(crate) fn report(&self, path: &str, kind: &'static str, body: Vec<u8>) {
        let Some(url) = self.read(|book| book.hook.as_ref().map(|hook| format!("{hook}/{path}"))) else { return };
        let http = self.http.clone();
        actix_web::rt::spawn(async move {
            // The provider's minutes (sms.md §4) are seconds here: nobody waits ten minutes in front of a demo.
            for minutes in [0, 1, 5, 10] {
                tokio::time::sleep(std::time::Duration::from_secs(minutes)).await;
                let sent = http.post(&url).header("Content-Type", kind).body(body.clone()).send().await;
                if sent.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
            }
        });
    }
}
