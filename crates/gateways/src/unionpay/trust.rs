//! Whom to believe: the chain from `signPubKeyCert` to the configured root, and the name in it (unionpay.md §3).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::wire::{Fields, digest};
use crate::GatewayError;
use crate::x509::Cert;

/// Whom UnionPay's production certificates name.
pub const PRODUCTION_NAME: &str = "中国银联股份有限公司";
/// Whom its test certificates name.
pub const TEST_NAME: &str = "00040000:SIGN";
/// Certificates remembered as good; there are one or two at a time.
const REMEMBERED_MOST: usize = 16;

/// Verifies signed messages.
pub struct Trust {
    root: Cert,
    middle: Cert,
    names: Vec<String>,
    known: Mutex<HashMap<String, Cert>>,
}

impl Trust {
    /// Trust in certificates below `middle`, which is below `root`; `test` also accepts the test name.
    ///
    /// # Errors
    /// When one of them is no certificate.
    pub fn new(root: &str, middle: &str, test: bool) -> Result<Self, GatewayError> {
        let mut names = vec![PRODUCTION_NAME.to_owned()];
        if test {
            names.push(TEST_NAME.to_owned());
        }
        Ok(Self { root: Cert::parse(root)?, middle: Cert::parse(middle)?, names, known: Mutex::new(HashMap::new()) })
    }

    /// Verifies a message over whatever fields it has.
    ///
    /// # Errors
    /// `Untrusted`, saying what is wrong.
    pub fn verify(&self, fields: &Fields, now: DateTime<Utc>) -> Result<(), GatewayError> {
        let untrusted = |what: &str| GatewayError::Untrusted(what.to_owned());
        let field = |name: &str| fields.get(name).map(String::as_str);
        if field("version") != Some("5.1.0") || field("signMethod") != Some("01") {
            return Err(untrusted("version or signMethod"));
        }
        let signature = field("signature").ok_or_else(|| untrusted("no signature"))?;
        // Byte for byte as it came: its line ends are part of what is signed.
        let pem = field("signPubKeyCert").ok_or_else(|| untrusted("no certificate"))?;
        let cert = self.certificate(pem, now)?;
        cert.verify(digest(fields).as_bytes(), signature)
    }

    fn certificate(&self, pem: &str, now: DateTime<Utc>) -> Result<Cert, GatewayError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(pem).cloned();
        let fresh = known.is_none();
        let cert = match known {
            Some(cert) => cert,
            None => Cert::parse(pem)?,
        };
        let (from, until) = cert.validity();
        if now.timestamp() < from || now.timestamp() > until {
            return Err(GatewayError::Untrusted("the certificate is not valid now".into()));
        }
        if fresh {
            cert.signed_by(&self.middle, now.timestamp())?;
            self.middle.signed_by(&self.root, now.timestamp())?;
            self.name(&cert)?;
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED_MOST {
                known.clear();
            }
            known.insert(pem.to_owned(), cert.clone());
        }
        Ok(cert)
    }

    fn name(&self, cert: &Cert) -> Result<(), GatewayError> {
        let name = cert.common_name().unwrap_or_default();
        // `041@Z2017-11-1@00040000:SIGN@00000001`: the third part says who it is; fewer parts say nothing.
        let third = name.split('@').nth(2).ok_or_else(|| GatewayError::Untrusted("the certificate's name".into()))?;
        if self.names.iter().any(|accepted| accepted == third) {
            Ok(())
        } else {
            Err(GatewayError::Untrusted("the certificate names another".into()))
        }
    }
}
