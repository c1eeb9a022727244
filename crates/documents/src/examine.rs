//! Whether a file is one of ours and unchanged, offline: check by check, so that a person can be told what was looked at.
//! What has become of it since (replaced, taken back) only the service knows.
//!
//! A PDF is interpreted only once its signature is known to be ours; until then it is bytes. Who signs must be one of our
//! own certificates: an authority has other customers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, SecondsFormat, Utc};
use proof::cms::{Content, Message};
use proof::time_stamp::Stamp;
use proof::{ProofError, integrity, jose, path, time_stamp};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::keys::Trust;
use crate::pades::{self, FILE_MOST};

/// The largest credential or badge that is looked at, in bytes: ours have a few thousand.
const CREDENTIAL_MOST: usize = 64 * 1024;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A PDF.
    Pdf,
    /// A credential or badge as a JWT.
    Jwt,
    /// A credential with a proof of its own.
    Json,
    /// None of these.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What: `file`, `signature`, `authority`, `time-stamp`, `credential`, `agreement`.
    pub what: &'static str,
    /// What was found, if there is more to say than that it holds; or why it does not.
    pub found: Result<String, String>,
}

/// What an examination came to.
#[derive(Debug, Clone)]
pub struct Examined {
    /// What the file is.
    pub kind: Kind,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// What was looked at, in order; it ends with the first that does not hold.
    pub checks: Vec<Check>,
    /// What the credential says, once it is verified.
    pub credential: Option<Value>,
    /// When it was signed: by the time-stamp if there is one, else as the signer says.
    pub signed_at: Option<DateTime<Utc>>,
}

impl Examined {
    /// Whether everything holds.
    pub fn holds(&self) -> bool {
        self.kind != Kind::Unknown && !self.checks.is_empty() && self.checks.iter().all(|check| check.found.is_ok())
    }

    /// The number of the document, once its credential is verified: of a certificate or notice, or the order of a receipt.
    pub fn number(&self) -> Option<&str> {
        number(self.credential.as_ref()?)
    }
}

fn number(credential: &Value) -> Option<&str> {
    let subject = credential.get("credentialSubject")?;
    let stated = subject.get("authentication").and_then(|stated| stated.get("number")).or_else(|| subject.get("order"));
    stated.and_then(Value::as_str)
}

struct Examination<'a> {
    trust: &'a Trust,
    examined: Examined,
}

impl Examination<'_> {
    /// Notes a check; gives back what was found unless it does not hold.
    fn note<T>(&mut self, what: &'static str, found: Result<(T, String), ProofError>) -> Option<T> {
        let (value, found) = match found {
            Ok((value, words)) => (Some(value), Ok(words)),
            Err(error) => (None, Err(error.to_string())),
        };
        self.examined.checks.push(Check { what, found });
        value
    }

    fn pdf(&mut self, file: &[u8]) -> Option<()> {
        let sealed = self.note("file", pades::sealed(file).map(|sealed| (sealed, String::new())))?;
        let signed = Message::parse(&sealed.signature).and_then(|message| {
            let signer = message.verify(Content::Detached(sealed.digest))?;
            if message.is_plain() { Ok(((signer, message), String::new())) } else { Err(ProofError::Refused("form")) }
        });
        let (signer, message) = self.note("signature", signed)?;
        if !self.trust.signers.contains(&signer) {
            return self.note("authority", Err(ProofError::Refused("untrusted")));
        }
        let said = match pades::said(file, &sealed) {
            Ok(said) => said,
            Err(error) => return self.note("file", Err(error)),
        };
        let stamp = self.time_stamp(&message)?;
        let at = stamp.as_ref().map_or(said.at, |stamp| stamp.at);
        let trusted = message.signer().and_then(|(_, others)| {
            if others.iter().any(|other| self.trust.roots.contains(other)) {
                return Err(ProofError::Refused("stray certificate"));
            }
            path::trusted(&signer, &others, &self.trust.roots, at)
        });
        self.note("authority", trusted.map(|()| ((), path::common_name(&signer))))?;
        self.examined.signed_at = Some(at);
        let attached = said.credential.ok_or(ProofError::Refused("no credential attached"));
        let credential = self.note(
            "credential",
            attached.and_then(|jwt| jose::verify(jwt.trim(), &self.trust.credential_keys)).map(|read| {
                let words = number(&read).unwrap_or_default().to_owned();
                (read, words)
            }),
        )?;
        let agrees = match number(&credential) {
            Some(number) if number == said.reason => Ok(((), number.to_owned())),
            _ => Err(ProofError::Refused("the credential is of another document")),
        };
        self.examined.credential = Some(credential);
        self.note("agreement", agrees)
    }

    /// The time-stamp; the outer nothing is one that does not hold.
    fn time_stamp(&mut self, message: &Message) -> Option<Option<Stamp>> {
        match message.time_stamp() {
            Ok(None) => Some(None),
            Ok(Some(token)) => {
                let stamp = time_stamp::verify(&token, message.signature(), &self.trust.stamp_roots);
                let words = |stamp: &Stamp| {
                    format!("{}, {}", stamp.at.to_rfc3339_opts(SecondsFormat::Secs, true), stamp.authority)
                };
                self.note("time-stamp", stamp.map(|stamp| (stamp.clone(), words(&stamp)))).map(Some)
            }
            Err(error) => self.note::<()>("time-stamp", Err(error)).map(|()| None),
        }
    }

    fn credential(&mut self, read: Result<Value, ProofError>) -> Option<()> {
        let credential = self.note(
            "credential",
            read.map(|read| {
                let words = number(&read).unwrap_or_default().to_owned();
                (read, words)
            }),
        )?;
        let from = credential.get("validFrom").and_then(Value::as_str).unwrap_or_default();
        self.examined.signed_at = DateTime::parse_from_rfc3339(from).ok().map(|at| at.to_utc());
        self.examined.credential = Some(credential);
        Some(())
    }
}

/// JSON in which no name stands twice: one reader takes the first, another the last.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Unambiguous;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Unambiguous, E> {
                Ok(Unambiguous(Value::Null))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Unambiguous, E> {
                Ok(Unambiguous(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Unambiguous, E> {
                Ok(Unambiguous(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Unambiguous, E> {
                Ok(Unambiguous(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Unambiguous, E> {
                Ok(Unambiguous(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Unambiguous, E> {
                Ok(Unambiguous(value.into()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unambiguous, A::Error> {
                let mut all = Vec::new();
                while let Some(Unambiguous(each)) = list.next_element()? {
                    all.push(each);
                }
                Ok(Unambiguous(all.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unambiguous, A::Error> {
                let mut all = serde_json::Map::new();
                while let Some((name, Unambiguous(value))) = map.next_entry::<String, Unambiguous>()? {
                    if all.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a name stands twice"));
                    }
                }
                Ok(Unambiguous(all.into()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Examines a file.
pub fn examine(file: &[u8], trust: &Trust) -> Examined {
    let mut examination = Examination {
        trust,
        examined: Examined {
            kind: Kind::Unknown,
            sha256: hex::encode(Sha256::digest(file)),
            checks: Vec::new(),
            credential: None,
            signed_at: None,
        },
    };
    let text = std::str::from_utf8(file).map(str::trim).unwrap_or_default();
    if file.len() > FILE_MOST {
        examination.note::<()>("file", Err(ProofError::Refused("too large")));
    } else if file.starts_with(b"%PDF-") {
        examination.examined.kind = Kind::Pdf;
        // What is interpreted was signed by us; should its reader fall all the same, the service does not.
        let fell = catch_unwind(AssertUnwindSafe(|| examination.pdf(file))).is_err();
        if fell {
            examination.note::<()>("file", Err(ProofError::Malformed("PDF".into())));
        }
    } else if text.len() > CREDENTIAL_MOST {
        examination.note::<()>("file", Err(ProofError::Refused("too large")));
    } else if text.starts_with("eyJ") {
        examination.examined.kind = Kind::Jwt;
        examination.credential(jose::verify(text, &trust.credential_keys));
    } else if text.starts_with('{') {
        examination.examined.kind = Kind::Json;
        let read = serde_json::from_str::<Unambiguous>(text).map_err(|error| ProofError::Malformed(error.to_string()));
        examination.credential(read.and_then(|read| integrity::verify(&read.0, &trust.proof_keys)));
    } else {
        examination.note::<()>("file", Err(ProofError::Refused("neither a PDF nor a credential")));
    }
    examination.examined
}
