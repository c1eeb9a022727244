//! The time-stamp authority (RFC 3161 over HTTP, §3.4).

use proof::time_stamp::{QUERY, Query, REPLY};

use crate::{GatewayError, called, http_client};

/// The largest answer that is read, in bytes: a token with its certificates has a few thousand.
const REPLY_MOST: usize = 64 * 1024;

/// Asks a time-stamp authority.
#[derive(Debug, Clone)]
pub struct TimeStampClient {
    url: String,
    http: reqwest::Client,
}

impl TimeStampClient {
    /// A client of the authority at this address.
    ///
    /// # Errors
    /// `Setup` when the HTTP client can't be made.
    pub fn new(url: String) -> Result<Self, GatewayError> {
        Ok(Self { url, http: http_client()? })
    }

    /// A time-stamp token of `message`, which answers this question; whether its authority is trusted is not looked at.
    /// Asking twice does no harm.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub async fn stamp(&self, message: &[u8]) -> Result<Vec<u8>, GatewayError> {
        called("time-stamp", "stamp", self.ask(Query::about(message, rand::random()))).await
    }

    async fn ask(&self, query: Query) -> Result<Vec<u8>, GatewayError> {
        let question = query.to_der().map_err(|error| GatewayError::Setup(error.to_string()))?;
        let asked = self.http.post(&self.url).header("Content-Type", QUERY).body(question);
        let mut answer = asked.send().await?;
        let kind = answer.headers().get("Content-Type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !answer.status().is_success() || kind.split(';').next() != Some(REPLY) {
            return Err(GatewayError::Unreachable(format!("status {}", answer.status().as_u16())));
        }
        let mut reply = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if reply.len() + chunk.len() > REPLY_MOST {
                return Err(GatewayError::Untrusted("answer too large".into()));
            }
            reply.extend_from_slice(&chunk);
        }
        query.token(&reply).map_err(|error| GatewayError::Untrusted(error.to_string()))
    }
}
