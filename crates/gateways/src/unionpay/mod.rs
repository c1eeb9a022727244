//! UnionPay's online gateway, ACP 5.1.0 (unionpay.md): the form that takes the browser there, the query, and the
//! notification.

pub mod clearing;
pub mod trust;
pub mod wire;

use chrono::{DateTime, NaiveDate, Utc};
use domain::payment::{Attempt, GatewayAnswer, Meaning, meaning};
use domain::refund::{RefundOrder, RefundWord};

use crate::x509::{self, Cert};
use crate::{GatewayError, called, http_client};
use trust::Trust;
use wire::{Fields, digest, parse_reply};

/// What the client must know.
#[derive(Debug, Clone)]
pub struct UnionPaySettings {
    /// Where the browser posts the order.
    pub front_url: String,
    /// Where queries go.
    pub query_url: String,
    /// Where refunds go.
    pub back_url: String,
    /// Where clearing files come from.
    pub file_url: String,
    /// Merchant number.
    pub merchant: String,
    /// Merchant's signing key, PKCS#8 PEM.
    pub key_pem: String,
    /// Merchant's signing certificate, PEM.
    pub certificate_pem: String,
    /// Root of UnionPay's certificates, PEM.
    pub root_pem: String,
    /// Certificate between root and signer, PEM.
    pub middle_pem: String,
    /// Whether UnionPay's test name is accepted.
    pub test: bool,
}

/// The client.
pub struct UnionPay {
    front_url: String,
    query_url: String,
    back_url: String,
    file_url: String,
    merchant: String,
    certificate_id: String,
    certificate_expires: i64,
    key: rsa::PrivateKey,
    trust: Trust,
    http: reqwest::Client,
}

/// A form that the browser posts.
#[derive(Debug, Clone)]
pub struct FrontForm {
    /// Where to.
    pub action: String,
    /// Hidden fields, to be HTML-escaped.
    pub fields: Fields,
}

impl UnionPay {
    /// A client with these settings.
    ///
    /// # Errors
    /// `Setup` or `Untrusted` when a key or certificate can't be read.
    pub fn new(settings: &UnionPaySettings) -> Result<Self, GatewayError> {
        Ok(Self {
            front_url: settings.front_url.clone(),
            query_url: settings.query_url.clone(),
            back_url: settings.back_url.clone(),
            file_url: settings.file_url.clone(),
            merchant: settings.merchant.clone(),
            certificate_id: Cert::parse(&settings.certificate_pem)?.serial_decimal(),
            certificate_expires: Cert::parse(&settings.certificate_pem)?.validity().1,
            key: x509::private_key(&settings.key_pem)?,
            trust: Trust::new(&settings.root_pem, &settings.middle_pem, settings.test)?,
            http: http_client()?,
        })
    }

    /// When our own trading certificate ends: after that the gateway takes nothing from us.
    pub fn certificate_expires(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.certificate_expires, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    fn signed(&self, pairs: &[(&str, &str)]) -> Result<Fields, GatewayError> {
        let common = [
            ("version", "5.1.0"),
            ("encoding", "UTF-8"),
            ("signMethod", "01"),
            ("accessType", "0"),
            ("merId", &self.merchant),
            ("certId", &self.certificate_id),
        ];
        let pairs = common.iter().chain(pairs).filter(|(_, value)| !value.is_empty());
        let mut fields: Fields = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let signature = x509::sign(&self.key, digest(&fields).as_bytes())?;
        fields.insert("signature".into(), signature);
        Ok(fields)
    }

    /// The form for one attempt (§6.1); `site` is our own origin, without a slash at its end.
    ///
    /// # Errors
    /// `Setup` when it can't be signed.
    pub fn front_form(&self, attempt: &Attempt, site: &str) -> Result<FrontForm, GatewayError> {
        let timeout = domain::calendar::beijing(attempt.timeout_at).format("%Y%m%d%H%M%S").to_string();
        let fields = self.signed(&[
            ("txnType", "01"),
            ("txnSubType", "01"),
            ("bizType", "000201"),
            ("channelType", "07"),
            ("currencyCode", domain::money::CNY),
            ("orderId", &attempt.order),
            ("txnTime", &attempt.txn_time),
            ("txnAmt", &attempt.amount.0.to_string()),
            ("payTimeout", &timeout),
            ("frontUrl", &format!("{site}/pay/return")),
            ("backUrl", &format!("{site}/pay/notify")),
            ("riskRateInfo", "{commodityName=学历学位认证费}"),
        ])?;
        Ok(FrontForm { action: self.front_url.clone(), fields })
    }

    /// Verifies a notification or a front return, over whatever fields it has.
    ///
    /// # Errors
    /// `Untrusted`, saying what is wrong.
    pub fn verify(&self, fields: &Fields, now: DateTime<Utc>) -> Result<(), GatewayError> {
        if fields.get("merId") != Some(&self.merchant) {
            return Err(GatewayError::Untrusted("another merchant".into()));
        }
        self.trust.verify(fields, now)
    }

    /// Asks how an attempt stands (§6.2). Order and time are those asked about, whatever the reply says of them.
    ///
    /// # Errors
    /// `Unreachable` when there is no answer, `Untrusted` when it is not the gateway's, `Refused` when it refuses the
    /// question itself.
    pub async fn query(&self, attempt: &Attempt, now: DateTime<Utc>) -> Result<GatewayAnswer, GatewayError> {
        self.query_order(&attempt.order, &attempt.txn_time, now).await
    }

    /// Posts a request and reads its reply, whose signature holds.
    async fn ask(&self, url: &str, pairs: &[(&str, &str)], now: DateTime<Utc>) -> Result<Fields, GatewayError> {
        let signed = self.signed(pairs)?;
        let action = pairs.iter().find(|(name, _)| *name == "txnType").map_or("", |(_, value)| *value);
        let posted = async { Ok(self.http.post(url).form(&signed).send().await?.error_for_status()?.text().await?) };
        let body = called("unionpay", action, posted).await?;
        if !body.contains('=') {
            // `Invalid request.`: unsigned and definite (§2).
            return Err(GatewayError::Refused(body.chars().take(60).collect()));
        }
        let reply = parse_reply(&body);
        self.verify(&reply, now)?;
        Ok(reply)
    }

    /// Gives the order to refund a payment (§6.4). Its answer says whether it was taken, never that it is done.
    ///
    /// # Errors
    /// Those of [`UnionPay::query`]; `Unreachable` and `Untrusted` mean that nothing is known.
    pub async fn refund(
        &self,
        order: &RefundOrder,
        payment: &Attempt,
        site: &str,
        now: DateTime<Utc>,
    ) -> Result<RefundWord, GatewayError> {
        let original = payment.query_id.as_deref().unwrap_or_default();
        let amount = payment.amount.0.to_string();
        let reply = self
            .ask(
                &self.back_url,
                &[
                    ("txnType", "04"),
                    ("txnSubType", "00"),
                    ("bizType", "000201"),
                    ("channelType", "07"),
                    ("orderId", &order.order),
                    ("txnTime", &order.txn_time),
                    ("origQryId", original),
                    ("txnAmt", &amount),
                    ("currencyCode", domain::money::CNY),
                    ("backUrl", &format!("{site}/pay/notify")),
                ],
                now,
            )
            .await?;
        if reply.get("orderId") != Some(&order.order) || reply.get("txnTime") != Some(&order.txn_time) {
            return Err(GatewayError::Untrusted("an answer about another order".into()));
        }
        let code = reply.get("respCode").cloned().unwrap_or_default();
        Ok(match code.as_str() {
            "00" => RefundWord::Accepted,
            "02" | "37" => RefundWord::NotNow(code),
            // The original is not as it should be: perhaps its money is gone already. Somebody must look.
            "35" | "36" => RefundWord::Contradiction(code),
            // Unknown, known already, or moved: the query says which.
            "12" | "" => RefundWord::Silence,
            _ if meaning(&code) != Meaning::Failure => RefundWord::Silence,
            _ => RefundWord::Refused(code),
        })
    }

    /// Asks how a refund stands, by its own order (§6.2).
    ///
    /// # Errors
    /// Those of [`UnionPay::query`].
    pub async fn query_refund(
        &self,
        order: &RefundOrder,
        payment: &Attempt,
        now: DateTime<Utc>,
    ) -> Result<RefundWord, GatewayError> {
        let answer = self.query_order(&order.order, &order.txn_time, now).await?;
        let moved = matches!(meaning(&answer.code), Meaning::Success | Meaning::LateSuccess);
        let agrees = answer.order == order.order && answer.txn_time == order.txn_time;
        if !agrees || (moved && answer.amount != Some(payment.amount.0)) {
            return Err(GatewayError::Untrusted("an answer about another order or amount".into()));
        }
        Ok(RefundWord::Code(answer.code))
    }

    /// Fetches the clearing file of one day (§6.6); none when the gateway has none.
    ///
    /// # Errors
    /// Those of [`UnionPay::query`].
    pub async fn clearing_file(&self, day: NaiveDate, now: DateTime<Utc>) -> Result<Option<String>, GatewayError> {
        let txn_time = domain::calendar::beijing(now).format("%Y%m%d%H%M%S").to_string();
        let pairs = [
            ("txnType", "76"),
            ("txnSubType", "01"),
            ("bizType", "000000"),
            ("txnTime", txn_time.as_str()),
            ("settleDate", &day.format("%m%d").to_string()),
            ("fileType", "00"),
        ];
        let reply = self.ask(&self.file_url, &pairs, now).await?;
        match reply.get("respCode").map(String::as_str) {
            Some("00") => Ok(Some(reply.get("fileContent").cloned().unwrap_or_default())),
            Some("98") => Ok(None),
            other => Err(GatewayError::Refused(format!("respCode {}", other.unwrap_or_default()))),
        }
    }

    async fn query_order(
        &self,
        order: &str,
        txn_time: &str,
        now: DateTime<Utc>,
    ) -> Result<GatewayAnswer, GatewayError> {
        let pairs =
            [("txnType", "00"), ("txnSubType", "00"), ("bizType", "000000"), ("orderId", order), ("txnTime", txn_time)];
        let reply = self.ask(&self.query_url, &pairs, now).await?;
        let field = |name: &str| reply.get(name).cloned().unwrap_or_default();
        let code = match field("respCode").as_str() {
            "00" if field("origRespCode").is_empty() => return Err(GatewayError::Untrusted("no origRespCode".into())),
            "00" => field("origRespCode"),
            // The gateway does not know the order: that is an answer about the transaction.
            "34" => "34".to_owned(),
            other => return Err(GatewayError::Refused(format!("respCode {other}"))),
        };
        Ok(GatewayAnswer {
            order: field("orderId"),
            txn_time: field("txnTime"),
            amount: reply.get("txnAmt").and_then(|amount| amount.parse().ok()),
            currency: reply.get("currencyCode").cloned(),
            code,
            query_id: reply.get("queryId").cloned(),
        })
    }
}
