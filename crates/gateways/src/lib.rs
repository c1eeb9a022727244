//! Clients of the outside world: UnionPay, SMS, mail, identity, time-stamps. Each speaks the wire as `shared/protocols` has it.
//!
//! Answers are facts, never guesses: what could not be learnt is an error that says whether anything may have
//! happened. The wire modules are shared with the sandbox, which plays the other side.

pub mod acs3;
pub mod identity;
pub mod mail;
pub mod sms;
pub mod time_stamp;
pub mod unionpay;
pub mod x509;

use std::future::Future;
use std::time::{Duration, Instant};

/// How long a call may take in all.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a gateway could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// No answer: what was asked may have happened or not.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// An answer that is not of the protocol, or not signed by whom it should be.
    #[error("an answer that can't be trusted: {0}")]
    Untrusted(String),
    /// A refusal with the gateway's own code.
    #[error("refused: {0}")]
    Refused(String),
    /// Our own settings or keys.
    #[error("set-up: {0}")]
    Setup(String),
}

impl From<reqwest::Error> for GatewayError {
    fn from(error: reqwest::Error) -> Self {
        // Without the address: it can hold a phone number.
        Self::Unreachable(error.without_url().to_string())
    }
}

/// Notes a call in the trace of whoever makes it: which gateway, what was asked, how long it took, how it ended.
pub(crate) async fn called<T>(
    gateway: &'static str,
    action: &str,
    call: impl Future<Output = Result<T, GatewayError>>,
) -> Result<T, GatewayError> {
    let begun = Instant::now();
    let answer = call.await;
    let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let outcome = match &answer {
        Ok(_) => "answered",
        Err(GatewayError::Unreachable(_)) => "unreachable",
        Err(GatewayError::Untrusted(_)) => "untrusted",
        Err(GatewayError::Refused(_)) => "refused",
        Err(GatewayError::Setup(_)) => "set-up",
    };
    tracing::info!(target: "gateway", gateway, action, ms, outcome, "gateway called");
    answer
}

pub(crate) fn http_client() -> Result<reqwest::Client, GatewayError> {
    let builder = reqwest::Client::builder().timeout(CALL_TIMEOUT).redirect(reqwest::redirect::Policy::none());
    builder.build().map_err(|error| GatewayError::Setup(error.to_string()))
}
