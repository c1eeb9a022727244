//! Time-stamps (RFC 3161): asking, answering, and whether one holds.

use chrono::{DateTime, NaiveDateTime, Utc};
use der::asn1::{Any, Int, ObjectIdentifier, OctetString};
use der::{Decode, Encode, Sequence, Tag, Tagged};
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::ext::Extensions;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::cms::{self, Content, Message, Signer};
use crate::{ProofError, path};

/// Media type of a question.
pub const QUERY: &str = "application/timestamp-query";
/// Media type of an answer.
pub const REPLY: &str = "application/timestamp-reply";
/// id-ct-TSTInfo.
const INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// PKIStatus `granted`, and `grantedWithMods`.
const GRANTED: [u8; 2] = [0, 1];
/// PKIStatus `rejection`.
const REJECTED: u8 = 2;

#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct Imprint {
    algorithm: AlgorithmIdentifierOwned,
    digest: OctetString,
}

const fn never() -> bool {
    false
}

#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct Question {
    version: u8,
    imprint: Imprint,
    #[asn1(optional = "true")]
    policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(default = "never")]
    certificates: bool,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct Accuracy {
    #[asn1(optional = "true")]
    seconds: Option<u32>,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    millis: Option<u16>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    micros: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
struct Info {
    version: u8,
    policy: ObjectIdentifier,
    imprint: Imprint,
    serial: Int,
    time: Any,
    #[asn1(optional = "true")]
    accuracy: Option<Accuracy>,
    #[asn1(default = "never")]
    ordering: bool,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    authority: Option<Any>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    extensions: Option<Extensions>,
}

/// What an authority is asked: a digest, and a number that its answer must repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// SHA-256 of what is stamped.
    pub digest: [u8; 32],
    /// Any number.
    pub nonce: u64,
}

fn imprint(digest: [u8; 32]) -> Result<Imprint, ProofError> {
    let algorithm = AlgorithmIdentifierOwned { oid: SHA256, parameters: None };
    Ok(Imprint { algorithm, digest: OctetString::new(digest.to_vec())? })
}

/// A number as DER has it: without needless zeros, and not negative.
fn number(value: u64) -> Result<Int, ProofError> {
    Ok(Int::from_der(&value.to_der()?)?)
}

impl Query {
    /// A question about `message`.
    pub fn about(message: &[u8], nonce: u64) -> Self {
        Self { digest: Sha256::digest(message).into(), nonce }
    }

    /// As it is sent.
    ///
    /// # Errors
    /// When it can't be encoded.
    pub fn to_der(&self) -> Result<Vec<u8>, ProofError> {
        let question = Question {
            version: 1,
            imprint: imprint(self.digest)?,
            policy: None,
            nonce: Some(number(self.nonce)?),
            certificates: true,
            extensions: None,
        };
        Ok(question.to_der()?)
    }

    /// The token in an answer to this question.
    ///
    /// # Errors
    /// `Refused` when the authority refused, or answered another question; `Malformed` when it is no answer.
    pub fn token(&self, reply: &[u8]) -> Result<Vec<u8>, ProofError> {
        let parts = Vec::<Any>::from_der(reply)?;
        let status = parts.first().map(Encode::to_der).transpose()?.unwrap_or_default();
        let status = Vec::<Any>::from_der(&status)?;
        let code: u8 = status.first().ok_or(ProofError::Refused("time-stamp status"))?.decode_as()?;
        if !GRANTED.contains(&code) {
            return Err(ProofError::Refused("the time-stamp authority refused"));
        }
        let token = parts.get(1).ok_or(ProofError::Refused("time-stamp"))?.to_der()?;
        let info = Info::from_der(&Message::parse_any(&token)?.held(INFO)?)?;
        if info.nonce != Some(number(self.nonce)?) || info.imprint.digest.as_bytes() != self.digest {
            return Err(ProofError::Refused("time-stamp of another question"));
        }
        Ok(token)
    }
}

/// Answers a question as an authority does: what can't be read or granted is refused in the protocol's own way.
///
/// # Errors
/// When the signer can't sign.
pub fn reply(
    question: &[u8],
    policy: &str,
    serial: u64,
    at: DateTime<Utc>,
    signer: &dyn Signer,
) -> Result<Vec<u8>, ProofError> {
    let refused = || Ok(vec![vec![REJECTED]].to_der()?);
    let Ok(question) = Question::from_der(question) else { return refused() };
    if question.version != 1
        || question.policy.is_some_and(|wanted| wanted.to_string() != policy)
        || question.imprint.algorithm.oid != SHA256
        || question.imprint.digest.as_bytes().len() != 32
        || question.extensions.is_some()
    {
        return refused();
    }
    let policy = ObjectIdentifier::new(policy).map_err(|_| ProofError::Setup("policy".into()))?;
    let info = Info {
        version: 1,
        policy,
        imprint: question.imprint,
        serial: number(serial)?,
        time: Any::new(Tag::GeneralizedTime, at.format("%Y%m%d%H%M%SZ").to_string().into_bytes())?,
        accuracy: Some(Accuracy { seconds: Some(1), millis: None, micros: None }),
        ordering: false,
        nonce: question.nonce,
        authority: None,
        extensions: None,
    };
    let token = cms::sign(Content::Held(INFO, &info.to_der()?), signer)?;
    let token = if question.certificates { token } else { token.without_certificates() }.to_der()?;
    let status = Any::from_der(&vec![0_u8].to_der()?)?;
    Ok(vec![status, Any::from_der(&token)?].to_der()?)
}

/// A time-stamp that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// When.
    pub at: DateTime<Utc>,
    /// Whose: the common name of its certificate.
    pub authority: String,
}

fn instant(time: &Any) -> Result<DateTime<Utc>, ProofError> {
    let wrong = || ProofError::Malformed("genTime".into());
    let text = std::str::from_utf8(time.value()).map_err(|_| wrong())?;
    let text = text.strip_suffix('Z').filter(|_| time.tag() == Tag::GeneralizedTime).ok_or_else(wrong)?;
    // RFC 3161 allows a fraction of a second.
    let known = NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S%.f").map_err(|_| wrong())?;
    Ok(known.and_utc())
}

/// Whether `token` stamps `message`, by an authority that hangs on one of `roots`.
///
/// # Errors
/// `Refused`, saying what does not hold.
pub fn verify(token: &[u8], message: &[u8], roots: &[Certificate]) -> Result<Stamp, ProofError> {
    let token = Message::parse(token)?;
    let held = token.held(INFO)?;
    let info = Info::from_der(&held)?;
    if info.version != 1 {
        return Err(ProofError::Refused("version"));
    }
    if info.imprint.algorithm.oid != SHA256 || info.imprint.digest.as_bytes() != Sha256::digest(message).as_slice() {
        return Err(ProofError::Refused("time-stamp of something else"));
    }
    if token.time_stamp()?.is_some() {
        return Err(ProofError::Refused("unsigned attributes"));
    }
    let authority = token.verify(Content::Held(INFO, &held))?;
    if !path::stamps(&authority) {
        return Err(ProofError::Refused("usage"));
    }
    let at = instant(&info.time)?;
    let (_, others) = token.signer()?;
    path::trusted(&authority, &others, roots, at)?;
    Ok(Stamp { at, authority: path::common_name(&authority) })
}
