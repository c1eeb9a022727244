//! SMS through Dysmsapi (sms.md): one send, and what its answer codes ask for.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use url::Url;

use crate::acs3::Signable;
use crate::{GatewayError, http_client};

/// The signature scheme.
pub const ALGORITHM: &str = "ACS3-HMAC-SHA256";
/// Version of the interface.
pub const VERSION: &str = "2017-05-25";

/// What the client must know.
#[derive(Debug, Clone)]
pub struct SmsSettings {
    /// `https://dysmsapi.aliyuncs.com/` or the sandbox.
    pub url: String,
    /// Access key.
    pub key_id: String,
    /// Its secret.
    pub key_secret: String,
    /// Approved sender (签名).
    pub sign_name: String,
}

/// One message: its text is the template's, only the variables are ours.
#[derive(Debug)]
pub struct Sms<'a> {
    /// Mainland number.
    pub phone: &'a str,
    /// Approved template.
    pub template: &'a str,
    /// JSON object of strings.
    pub params: &'a str,
    /// Our own id, which comes back in the receipt.
    pub out_id: &'a str,
}

/// What became of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Taken; the provider's name for it.
    Taken(String),
    /// Not now; try again later.
    Later(String),
    /// Never: number, template or account.
    Never(String),
}

/// The client.
pub struct SmsClient {
    url: Url,
    settings: SmsSettings,
    http: reqwest::Client,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    code: String,
    #[serde(default)]
    biz_id: String,
}

impl SmsClient {
    /// A client with these settings.
    ///
    /// # Errors
    /// `Setup` when the address is none.
    pub fn new(settings: SmsSettings) -> Result<Self, GatewayError> {
        let url = Url::parse(&settings.url).map_err(|error| GatewayError::Setup(error.to_string()))?;
        Ok(Self { url, settings, http: http_client()? })
    }

    /// Sends one message.
    ///
    /// # Errors
    /// `Unreachable` when there is no answer: it may have been sent.
    pub async fn send(&self, sms: &Sms<'_>, now: DateTime<Utc>) -> Result<Sent, GatewayError> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let query = [
            pair("PhoneNumbers", sms.phone),
            pair("SignName", &self.settings.sign_name),
            pair("TemplateCode", sms.template),
            pair("TemplateParam", sms.params),
            pair("OutId", sms.out_id),
        ];
        let host = match (self.url.host_str(), self.url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            _ => return Err(GatewayError::Setup("no host in the SMS address".into())),
        };
        let nonce = format!("{:032x}", rand::random::<u128>());
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let headers = [
            pair("host", &host),
            pair("x-acs-action", "SendSms"),
            pair("x-acs-content-sha256", empty),
            pair("x-acs-date", &now.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
            pair("x-acs-signature-nonce", &nonce),
            pair("x-acs-version", VERSION),
        ];
        let signable = Signable { method: "POST", path: "/", query: &query, headers: &headers, body: b"" };
        let authorization = signable.authorization(ALGORITHM, &self.settings.key_id, &self.settings.key_secret);
        let mut request = self.http.post(self.url.clone()).query(&query).header("Authorization", authorization);
        for (name, value) in headers.iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        let reply = request.send().await?;
        let answer: Answer = reply.json().await?;
        Ok(classify(&answer.code, answer.biz_id))
    }
}

fn classify(code: &str, biz_id: String) -> Sent {
    let code = code.to_owned();
    match code.as_str() {
        "OK" => Sent::Taken(biz_id),
        // Throttled, the platform's own faults, and the account's, which somebody will mend.
        "isv.BUSINESS_LIMIT_CONTROL"
        | "isp.SYSTEM_ERROR"
        | "Throttling.User"
        | "isv.AMOUNT_NOT_ENOUGH"
        | "isv.OUT_OF_SERVICE"
        | "InvalidTimeStamp.Expired"
        | "SignatureNonceUsed" => Sent::Later(code),
        _ => Sent::Never(code),
    }
}
