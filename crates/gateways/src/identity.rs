//! The identity service: real-name check, face verification, entry–exit records (identity.md §5, GovID adapter v1).

use chrono::{DateTime, NaiveDate, Utc};
use domain::verification::{Crossing, Finding, Records, VerificationState};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::acs3::Signable;
use crate::{GatewayError, called, http_client};

/// The signature scheme.
pub const ALGORITHM: &str = "GOVID1-HMAC-SHA256";

/// What the client must know.
#[derive(Debug, Clone)]
pub struct IdentitySettings {
    /// Address of the service, without a slash at its end.
    pub url: String,
    /// Our name there.
    pub app_id: String,
    /// Our secret there.
    pub app_secret: String,
}

/// Body of a real-name check.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RealNameRequest {
    /// Our name for the check.
    pub outer_no: String,
    /// Real name.
    pub name: String,
    /// Code of the document type.
    pub document_type: String,
    /// Its number.
    pub document_no: String,
    /// Valid from.
    pub valid_from: NaiveDate,
    /// Valid to; none is long-term.
    pub valid_to: Option<NaiveDate>,
    /// `male` or `female`.
    pub gender: String,
}

/// What a real-name check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RealNameResult {
    /// It is that person.
    Match,
    /// Name, number, gender or validity do not go together.
    Mismatch,
    /// No such document.
    NotFound,
    /// The service does not know this kind of document: staff must look.
    Unsupported,
}

/// Answer to a real-name check.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RealNameAnswer {
    /// The service's name for the check.
    pub check_id: String,
    /// What it says.
    pub result: RealNameResult,
}

/// Body of a face verification.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceRequest {
    /// Our name for it.
    pub outer_no: String,
    /// Real name.
    pub name: String,
    /// Code of the document type.
    pub document_type: String,
    /// Its number.
    pub document_no: String,
    /// Where the service calls when it is over.
    pub notify_url: String,
    /// How long the code lives, 60 to 600.
    pub ttl_seconds: u32,
    /// What for, shown in the app.
    pub scene: String,
}

/// Answer to a face verification that was begun.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceBegun {
    /// The service's name for it.
    pub verification_id: String,
    /// What the QR code holds.
    pub qr_content: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// How a face verification stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaceStatus {
    /// `pending|scanned|confirming|passed|failed|expired|cancelled`.
    pub status: String,
    /// Whether it ended well.
    pub passed: bool,
    /// Why not.
    pub sub_code: Option<u16>,
    /// When.
    pub verified_at: Option<DateTime<Utc>>,
    /// Keyed hash of the document of the person who was seen.
    pub document_no_hash: Option<String>,
    /// Evidence.
    pub evidence_id: Option<String>,
}

/// Body of a query for records.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordsRequest {
    /// Our name for it.
    pub outer_no: String,
    /// The verification that it rests on.
    pub verification_id: String,
    /// From this day.
    pub from: NaiveDate,
    /// To this day.
    pub to: NaiveDate,
    /// That the person consented.
    pub consent_token: String,
}

/// Answer to a query that was begun.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordsBegun {
    /// The service's name for it.
    pub query_id: String,
}

/// How a query stands.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordsStatus {
    /// `processing|ready|refused|no_record`.
    pub status: String,
    /// The records.
    #[serde(default)]
    pub records: Vec<RecordEntry>,
}

/// One record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordEntry {
    /// `exit|entry`.
    pub direction: String,
    /// The day.
    pub date: NaiveDate,
    /// Where.
    pub port: String,
    /// ISO 3166-1 alpha-3.
    pub destination_or_origin: String,
}

/// What the service calls us with; it decides nothing, we look ourselves.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Callback {
    /// `face_verification.finished`.
    pub event: String,
    /// The service's name for it.
    pub verification_id: String,
    /// Our name for it.
    pub outer_no: String,
}

/// How the service names the document of the person whom it saw, without saying the number.
pub fn document_hash(secret: &str, number: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let Ok(mac) = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    hex::encode(mac.chain_update(number.as_bytes()).finalize().into_bytes())
}

/// The signed headers of one call.
pub fn signed_headers(host: &str, date: &str, nonce: &str, body: &[u8]) -> Vec<(String, String)> {
    use sha2::{Digest, Sha256};
    vec![
        ("host".into(), host.into()),
        ("x-govid-content-sha256".into(), hex::encode(Sha256::digest(body))),
        ("x-govid-date".into(), date.into()),
        ("x-govid-nonce".into(), nonce.into()),
    ]
}

/// The client.
pub struct IdentityClient {
    settings: IdentitySettings,
    http: reqwest::Client,
}

impl IdentityClient {
    /// A client with these settings.
    ///
    /// # Errors
    /// `Setup` when it can't be made.
    pub fn new(settings: IdentitySettings) -> Result<Self, GatewayError> {
        Ok(Self { settings, http: http_client()? })
    }

    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        method: reqwest::Method,
        path: &str,
        key: &str,
        body: Vec<u8>,
        now: DateTime<Utc>,
    ) -> Result<T, GatewayError> {
        let setup = |error: &dyn std::fmt::Display| GatewayError::Setup(error.to_string());
        let url = Url::parse(&format!("{}{path}", self.settings.url)).map_err(|error| setup(&error))?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = format!("{}{port}", url.host_str().unwrap_or_default());
        let nonce = format!("{:032x}", rand::random::<u128>());
        let date = now.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let headers = signed_headers(&host, &date, &nonce, &body);
        let signable = Signable { method: method.as_str(), path, query: &[], headers: &headers, body: &body };
        let authorization = signable.authorization(ALGORITHM, &self.settings.app_id, &self.settings.app_secret);
        let mut request = self.http.request(method.clone(), url).header("Authorization", authorization);
        for (name, value) in headers.iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        if !body.is_empty() {
            request = request.header("Content-Type", "application/json; charset=utf-8").body(body);
        }
        if !key.is_empty() {
            request = request.header("Idempotency-Key", key);
        }
        let answered = async {
            let reply = request.send().await?;
            let status = reply.status();
            if status.is_client_error() {
                return Err(GatewayError::Refused(format!("HTTP {}", status.as_u16())));
            }
            Ok(reply.error_for_status()?.json().await?)
        };
        called("identity", method.as_str(), answered).await
    }

    async fn post<B: Serialize, T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        key: &str,
        body: &B,
        now: DateTime<Utc>,
    ) -> Result<T, GatewayError> {
        let body = serde_json::to_vec(body).map_err(|error| GatewayError::Setup(error.to_string()))?;
        self.call(reqwest::Method::POST, path, key, body, now).await
    }

    /// Checks that name and document belong together (R1.6).
    ///
    /// # Errors
    /// When the service gives no answer.
    pub async fn real_name(
        &self,
        request: &RealNameRequest,
        now: DateTime<Utc>,
    ) -> Result<RealNameResult, GatewayError> {
        let answer: RealNameAnswer = self.post("/v1/realname-checks", &request.outer_no, request, now).await?;
        Ok(answer.result)
    }

    /// Begins a face verification; the same `outer_no` begins the same one.
    ///
    /// # Errors
    /// When the service gives no answer or refuses.
    pub async fn begin_face(&self, request: &FaceRequest, now: DateTime<Utc>) -> Result<Finding, GatewayError> {
        let begun: FaceBegun = self.post("/v1/face-verifications", &request.outer_no, request, now).await?;
        Ok(Finding::Opened { remote: begun.verification_id, qr: begun.qr_content, expires_at: begun.expires_at })
    }

    /// Looks how a face verification stands, and whether it saw the holder of `document_number`.
    ///
    /// # Errors
    /// When the service gives no answer.
    pub async fn face(&self, remote: &str, document_number: &str, now: DateTime<Utc>) -> Result<Finding, GatewayError> {
        let path = format!("/v1/face-verifications/{remote}");
        let status: FaceStatus = self.call(reqwest::Method::GET, &path, "", Vec::new(), now).await?;
        let state = match status.status.as_str() {
            "pending" => VerificationState::Pending,
            "scanned" => VerificationState::Scanned,
            "confirming" => VerificationState::Confirming,
            "passed" if status.passed => VerificationState::Passed,
            "failed" => VerificationState::Failed,
            "expired" => VerificationState::Expired,
            "cancelled" => VerificationState::Cancelled,
            other => {
                return Err(GatewayError::Untrusted(format!("status {}", other.chars().take(20).collect::<String>())));
            }
        };
        let expected = document_hash(&self.settings.app_secret, document_number);
        Ok(Finding::State {
            state,
            sub_code: status.sub_code,
            verified_at: status.verified_at,
            evidence: status.evidence_id,
            same_person: status.document_no_hash.as_deref() == Some(expected.as_str()),
        })
    }

    /// Begins a query for entry–exit records.
    ///
    /// # Errors
    /// When the service gives no answer or refuses.
    pub async fn begin_records(&self, request: &RecordsRequest, now: DateTime<Utc>) -> Result<Finding, GatewayError> {
        let begun: RecordsBegun = self.post("/v1/entry-exit-queries", &request.outer_no, request, now).await?;
        Ok(Finding::Records(Records::Processing { query: begun.query_id }))
    }

    /// Looks how a query for records stands.
    ///
    /// # Errors
    /// When the service gives no answer.
    pub async fn records(&self, query: &str, now: DateTime<Utc>) -> Result<Finding, GatewayError> {
        let path = format!("/v1/entry-exit-queries/{query}");
        let status: RecordsStatus = self.call(reqwest::Method::GET, &path, "", Vec::new(), now).await?;
        let crossing = |entry: RecordEntry| Crossing {
            exit: entry.direction == "exit",
            date: entry.date,
            port: entry.port,
            elsewhere: entry.destination_or_origin,
        };
        Ok(Finding::Records(match status.status.as_str() {
            "processing" => Records::Processing { query: query.to_owned() },
            "ready" => Records::Ready { crossings: status.records.into_iter().map(crossing).collect() },
            "no_record" => Records::NoRecord,
            _ => Records::Refused,
        }))
    }
}
