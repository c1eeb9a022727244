//! SMS through Dysmsapi (sms.md): sending, what the answer codes ask for, receipts, and the question how one fared.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use url::Url;

use crate::acs3::Signable;
use crate::{GatewayError, called, http_client};

/// The signature scheme.
pub const ALGORITHM: &str = "ACS3-HMAC-SHA256";
/// Version of the interface.
pub const VERSION: &str = "2017-05-25";

/// Details on a page of `QuerySendDetails`, the most that the service gives.
const DETAILS_ON_PAGE: usize = 50;
/// Pages that are looked through: one number gets at most 40 texts a day.
const DETAIL_PAGES_MOST: u32 = 3;

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
    /// Never: the number, or its limits.
    Never(String),
    /// Not until somebody mends something of ours: template, signature, account, key.
    Ours(String),
}

/// What is known of a text that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Still on its way.
    Waiting,
    /// It arrived.
    Arrived,
    /// It did not; the network's own code says why.
    Failed(String),
}

/// One delivery receipt (SmsReport, sms.md §4). It is pushed unsigned: a hint, never a proof.
#[derive(Debug, Clone, Deserialize)]
pub struct Receipt {
    /// Whether it arrived.
    pub success: bool,
    /// The network's code.
    pub err_code: Option<String>,
    /// The provider's name of the send.
    pub biz_id: Option<String>,
    /// Our own id.
    pub out_id: Option<String>,
}

impl Receipt {
    /// What it says.
    pub fn fate(&self) -> Fate {
        if self.success { Fate::Arrived } else { Fate::Failed(code(self.err_code.as_deref().unwrap_or_default())) }
    }
}

/// A code of somebody else's, fit for a row and a page.
fn code(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':')).take(60).collect()
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
    #[serde(default, rename = "SmsSendDetailDTOs")]
    details: Details,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    #[serde(rename = "SmsSendDetailDTO")]
    list: Vec<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Detail {
    send_status: u8,
    #[serde(default)]
    err_code: String,
    #[serde(default)]
    out_id: String,
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
        let answer = self.call("SendSms", &query, now).await?;
        Ok(classify(&answer.code, answer.biz_id))
    }

    /// Asks how a text fared that went to `phone` on the day of `sent_at` under our own id; none is one that the
    /// provider does not know.
    ///
    /// # Errors
    /// `Unreachable` when there is no answer, `Refused` when the provider does not say.
    pub async fn fate(
        &self,
        phone: &str,
        biz_id: &str,
        out_id: &str,
        sent_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Option<Fate>, GatewayError> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        // Days are Beijing's.
        let day = (sent_at + TimeDelta::hours(8)).format("%Y%m%d").to_string();
        for page in 1..=DETAIL_PAGES_MOST {
            let mut query = vec![
                pair("PhoneNumber", phone),
                pair("SendDate", &day),
                pair("PageSize", &DETAILS_ON_PAGE.to_string()),
                pair("CurrentPage", &page.to_string()),
            ];
            if !biz_id.is_empty() {
                query.push(pair("BizId", biz_id));
            }
            let answer = self.call("QuerySendDetails", &query, now).await?;
            if answer.code != "OK" {
                return Err(GatewayError::Refused(code(&answer.code)));
            }
            let found = answer.details.list.iter().find(|detail| detail.out_id == out_id);
            if let Some(detail) = found {
                return Ok(Some(match detail.send_status {
                    3 => Fate::Arrived,
                    2 => Fate::Failed(code(&detail.err_code)),
                    _ => Fate::Waiting,
                }));
            }
            if answer.details.list.len() < DETAILS_ON_PAGE {
                break;
            }
        }
        Ok(None)
    }

    async fn call(&self, action: &str, query: &[(String, String)], now: DateTime<Utc>) -> Result<Answer, GatewayError> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let host = match (self.url.host_str(), self.url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            _ => return Err(GatewayError::Setup("no host in the SMS address".into())),
        };
        let nonce = format!("{:032x}", rand::random::<u128>());
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let headers = [
            pair("host", &host),
            pair("x-acs-action", action),
            pair("x-acs-content-sha256", empty),
            pair("x-acs-date", &now.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
            pair("x-acs-signature-nonce", &nonce),
            pair("x-acs-version", VERSION),
        ];
        let signable = Signable { method: "POST", path: "/", query, headers: &headers, body: b"" };
        let authorization = signable.authorization(ALGORITHM, &self.settings.key_id, &self.settings.key_secret);
        let mut request = self.http.post(self.url.clone()).query(query).header("Authorization", authorization);
        for (name, value) in headers.iter().filter(|(name, _)| name != "host") {
            request = request.header(name, value);
        }
        called("sms", action, async { Ok(request.send().await?.json().await?) }).await
    }
}

fn classify(code: &str, biz_id: String) -> Sent {
    let code = code.to_owned();
    match code.as_str() {
        "OK" => Sent::Taken(biz_id),
        // Throttled, and the platform's own faults.
        "isp.SYSTEM_ERROR" | "Throttling.User" | "InvalidTimeStamp.Expired" | "SignatureNonceUsed" => Sent::Later(code),
        // Our account: it is filled up or opened again by somebody, and nothing is lost until then.
        "isv.AMOUNT_NOT_ENOUGH" | "isv.OUT_OF_SERVICE" | "isv.ACCOUNT_ABNORMAL" => Sent::Later(code),
        // The number, and the flow control of one number, which is not to be retried.
        "isv.MOBILE_NUMBER_ILLEGAL" | "isv.BUSINESS_LIMIT_CONTROL" | "isv.BLACK_KEY_CONTROL_LIMIT" => Sent::Never(code),
        // Templates, signatures, parameters, the account: ours to mend, and sent again after that.
        _ => Sent::Ours(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r2_15_each_code_asks_for_what_the_table_says() {
        for code in ["isp.SYSTEM_ERROR", "Throttling.User", "isv.AMOUNT_NOT_ENOUGH", "isv.OUT_OF_SERVICE"] {
            assert_eq!(classify(code, String::new()), Sent::Later(code.into()));
        }
        for code in ["isv.BUSINESS_LIMIT_CONTROL", "isv.MOBILE_NUMBER_ILLEGAL"] {
            assert_eq!(classify(code, String::new()), Sent::Never(code.into()));
        }
        for code in ["isv.SMS_TEMPLATE_ILLEGAL", "SignatureDoesNotMatch", "something.NEW"] {
            assert_eq!(classify(code, String::new()), Sent::Ours(code.into()));
        }
        assert_eq!(classify("OK", "1^0".into()), Sent::Taken("1^0".into()));
    }
}
