//! The outside world on one machine: payment gateway with its cashier, SMS, mail, identity service with its app,
//! time-stamp authority.
//!
//! Real HTTP and SMTP, true signatures, a memory on the disk. For demonstrations and tests; `serve` refuses its keys.
//! It shares the wire types with `gateways` and knows nothing else of the service.

mod cashier;
mod control;
mod identity;
mod mail;
mod pages;
pub mod people;
mod sms;
mod state;
mod time_stamp;
mod union_pay;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use chrono::{DateTime, Utc};

pub use state::{Fare, Message, Order, OrderState, Refund, RefundPlay, State};

/// The gateway's root certificate.
pub const ROOT_PEM: &str = include_str!("../keys/root.pem");
/// The certificate between root and signer.
pub const MIDDLE_PEM: &str = include_str!("../keys/middle.pem");
/// Our own certificate as a merchant.
pub const MERCHANT_PEM: &str = include_str!("../keys/merchant.pem");
/// Our own key as a merchant.
pub const MERCHANT_KEY: &str = include_str!("../keys/merchant.key");
/// The authority that documents and time-stamps hang on.
pub const DOCUMENT_ROOT_PEM: &str = include_str!("../keys/document-root.pem");
/// Its key, so that tests can have other certificates of it.
pub const DOCUMENT_ROOT_KEY: &str = include_str!("../keys/document-root.key");
/// Our own certificate as a signer of documents.
pub const DOCUMENT_SIGNER_PEM: &str = include_str!("../keys/document-signer.pem");
/// Our own key as a signer of documents.
pub const DOCUMENT_SIGNER_KEY: &str = include_str!("../keys/document-signer.key");
/// The time-stamp authority's certificate.
pub const STAMP_PEM: &str = include_str!("../keys/stamp.pem");
/// Its key.
pub const STAMP_KEY: &str = include_str!("../keys/stamp.key");
/// Our own key of credentials.
pub const CREDENTIAL_KEY: &str = include_str!("../keys/credential.key");
/// Our own key of embedded proofs.
pub const PROOF_KEY: &str = include_str!("../keys/proof.key");
/// Our merchant number.
pub const MERCHANT: &str = "777290058110048";
/// Access key of the SMS service.
pub const SMS_KEY_ID: &str = "SandboxKeyId";
/// Its secret.
pub const SMS_KEY_SECRET: &str = "SandboxKeySecret";
/// Our name at the identity service.
pub const APP_ID: &str = "renzheng-demo";
/// Our secret there.
pub const APP_SECRET: &str = "renzheng-demo-secret";

/// A member of staff whose codes the sandbox shows, in place of a telephone of their own.
#[derive(Debug, Clone)]
pub struct StaffCode {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
    /// What they are for.
    pub roles: String,
    /// Shared secret.
    pub secret: Vec<u8>,
}

/// How the sandbox is set up.
pub struct Settings {
    /// HTTP port, 0 for any.
    pub http_port: u16,
    /// SMTP port, 0 for any.
    pub smtp_port: u16,
    /// Where its memory is kept, or nowhere.
    pub memory: Option<PathBuf>,
    /// Time.
    pub now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// Moves time by so many seconds, for everybody who goes by it.
    pub shift: Arc<dyn Fn(i64) + Send + Sync>,
    /// Whose codes it shows.
    pub staff: Vec<StaffCode>,
    /// The site that it belongs to, for links.
    pub site: String,
}

/// A running sandbox.
pub struct Sandbox {
    /// Its HTTP port.
    pub http_port: u16,
    /// Its SMTP port.
    pub smtp_port: u16,
    /// What it remembers.
    pub state: Arc<State>,
    handle: actix_web::dev::ServerHandle,
}

impl Sandbox {
    /// Ends its HTTP side.
    pub async fn stop(&self) {
        self.handle.stop(false).await;
    }
}

/// Starts the sandbox; its servers run on the present actix system.
///
/// # Errors
/// When a port is taken or the memory can't be read.
pub fn start(settings: Settings) -> std::io::Result<Sandbox> {
    let http = TcpListener::bind(("127.0.0.1", settings.http_port))?;
    let smtp = TcpListener::bind(("127.0.0.1", settings.smtp_port))?;
    let (http_port, smtp_port) = (http.local_addr()?.port(), smtp.local_addr()?.port());
    let state = Arc::new(State::open(settings, http_port)?);
    mail::listen(smtp, Arc::clone(&state))?;
    let shared = web::Data::from(Arc::clone(&state));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(web::FormConfig::default().limit(64 * 1024))
            .configure(union_pay::routes)
            .configure(cashier::routes)
            .configure(identity::routes)
            .configure(pages::routes)
            .configure(control::routes)
            .configure(sms::routes)
            .configure(time_stamp::routes)
    })
    .workers(1)
    // Longer than clients keep theirs: a request on a connection that is closed just then is lost.
    .keep_alive(std::time::Duration::from_secs(120))
    .disable_signals()
    .listen(http)?
    .run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Ok(Sandbox { http_port, smtp_port, state, handle })
}
