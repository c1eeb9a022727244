//! Certificates and whether one hangs on an authority that is trusted (RFC 5280, the part that is used here): names,
//! signatures, times, what a key may be used for. Revocation of a signer's certificate is not asked for.

use chrono::{DateTime, Utc};
use der::asn1::ObjectIdentifier;
use der::referenced::OwnedToRef;
use der::{Encode, Tag, Tagged};
use p256::ecdsa::signature::Verifier;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256, Sha384, Sha512};
pub use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::spki::{AlgorithmIdentifierOwned, DecodePublicKey, SubjectPublicKeyInfoOwned};

use crate::ProofError;

/// ecdsa-with-SHA256 (RFC 5758).
pub const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
/// id-kp-timeStamping (RFC 3161 §2.3).
pub const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// Weakest RSA key that is trusted, in bytes.
const MODULUS_LEAST: usize = 256;
/// Longest path from a signer to a root.
const STEPS_MOST: usize = 6;

/// The certificates of a PEM text, in its order.
///
/// # Errors
/// `Setup` when there is none, or one can't be read.
pub fn certificates(pem: &str) -> Result<Vec<Certificate>, ProofError> {
    let found = Certificate::load_pem_chain(pem.trim().as_bytes())
        .map_err(|error| ProofError::Setup(format!("certificate: {error}")))?;
    if found.is_empty() { Err(ProofError::Setup("no certificate in the PEM".into())) } else { Ok(found) }
}

/// Whether `signature` over `message` was made with the key of `info`, by the algorithm named.
///
/// # Errors
/// `Refused` when it was not, or when the algorithm is none of those that are trusted.
pub fn signature_holds(
    info: &SubjectPublicKeyInfoOwned,
    algorithm: &AlgorithmIdentifierOwned,
    message: &[u8],
    signature: &[u8],
) -> Result<(), ProofError> {
    let wrong = ProofError::Refused("signature");
    // Nothing but the very encodings that the standards name: what else a reader forgave could be changed unseen.
    let bare = algorithm.parameters.is_none();
    let null = algorithm.parameters.as_ref().is_some_and(|any| any.tag() == Tag::Null && any.value().is_empty());
    if algorithm.oid == ECDSA_SHA256 && bare {
        let key = p256::ecdsa::VerifyingKey::from_public_key_der(&info.to_der()?).map_err(|_| wrong.clone())?;
        let signature = p256::ecdsa::Signature::from_der(signature).map_err(|_| wrong.clone())?;
        return key.verify(message, &signature).map_err(|_| wrong);
    }
    if info.algorithm.oid != RSA || !(null || bare && algorithm.oid == RSA) {
        return Err(ProofError::Refused("algorithm"));
    }
    let key = rsa::PublicKey::try_from(info.owned_to_ref()).map_err(|_| wrong.clone())?;
    if key.size() < MODULUS_LEAST {
        return Err(ProofError::Refused("algorithm"));
    }
    let held = match algorithm.oid {
        RSA | RSA_SHA256 => key.pkcs1v15_verify::<Sha256>(message, signature),
        RSA_SHA384 => key.pkcs1v15_verify::<Sha384>(message, signature),
        RSA_SHA512 => key.pkcs1v15_verify::<Sha512>(message, signature),
        _ => return Err(ProofError::Refused("algorithm")),
    };
    held.map_err(|_| wrong)
}

fn valid_at(certificate: &Certificate, at: DateTime<Utc>) -> bool {
    (not_before(certificate).timestamp()..=not_after(certificate).timestamp()).contains(&at.timestamp())
}

fn signed_by(certificate: &Certificate, authority: &Certificate) -> Result<(), ProofError> {
    let (mine, theirs) = (certificate.tbs_certificate(), authority.tbs_certificate());
    if mine.issuer() != theirs.subject() {
        return Err(ProofError::Refused("issuer"));
    }
    if certificate.signature_algorithm() != mine.signature() {
        return Err(ProofError::Refused("algorithm"));
    }
    match theirs.get_extension::<BasicConstraints>()? {
        Some((_, constraints)) if constraints.ca => {}
        _ => return Err(ProofError::Refused("issuer is no authority")),
    }
    if let Some((_, usage)) = theirs.get_extension::<KeyUsage>()?
        && !usage.key_cert_sign()
    {
        return Err(ProofError::Refused("issuer is no authority"));
    }
    let signature = certificate.signature().as_bytes().ok_or(ProofError::Refused("signature"))?;
    signature_holds(theirs.subject_public_key_info(), mine.signature(), &mine.to_der()?, signature)
}

/// Extensions that may be critical, for they are looked at here.
const UNDERSTOOD: [ObjectIdentifier; 3] = [
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];

/// Whether nothing critical stands in it that is not looked at (RFC 5280 §4.2).
fn understood(certificate: &Certificate) -> bool {
    let extensions = certificate.tbs_certificate().extensions();
    extensions.is_none_or(|all| all.iter().all(|each| !each.critical || UNDERSTOOD.contains(&each.extn_id)))
}

/// Whether an authority may stand above so many others (pathLenConstraint).
fn allows(authority: &Certificate, beneath: usize) -> bool {
    let constraints = authority.tbs_certificate().get_extension::<BasicConstraints>().ok().flatten();
    let most = constraints.and_then(|(_, constraints)| constraints.path_len_constraint);
    most.is_none_or(|most| beneath <= usize::from(most))
}

/// Whether `signer` hangs on one of `roots`, over `others` alone, at an instant; every one of `others` must be of use, a
/// root among them is let pass.
///
/// # Errors
/// `Refused`, saying what does not hold: `untrusted`, `expired`, `usage`, `stray certificate` among them.
pub fn trusted(
    signer: &Certificate,
    others: &[Certificate],
    roots: &[Certificate],
    at: DateTime<Utc>,
) -> Result<(), ProofError> {
    let usage = signer.tbs_certificate().get_extension::<KeyUsage>()?;
    if !usage.is_some_and(|(_, usage)| usage.digital_signature() || usage.non_repudiation()) {
        return Err(ProofError::Refused("usage"));
    }
    let mut left: Vec<&Certificate> = others.iter().filter(|other| !roots.contains(other)).collect();
    let mut at_hand = signer;
    let mut expired = false;
    for beneath in 0..STEPS_MOST {
        expired |= !valid_at(at_hand, at);
        if !understood(at_hand) {
            return Err(ProofError::Refused("unknown extension"));
        }
        let above: Vec<&Certificate> = roots
            .iter()
            .filter(|root| *root == at_hand || signed_by(at_hand, root).is_ok() && allows(root, beneath))
            .collect();
        if !above.is_empty() {
            if !left.is_empty() {
                return Err(ProofError::Refused("stray certificate"));
            }
            // A root may have been renewed under its name and key: one that was good then is enough.
            let good = !expired && above.iter().any(|root| valid_at(root, at));
            return if good { Ok(()) } else { Err(ProofError::Refused("expired")) };
        }
        let next = left.iter().position(|other| signed_by(at_hand, other).is_ok() && allows(other, beneath));
        let Some(place) = next else { return Err(ProofError::Refused("untrusted")) };
        at_hand = left.swap_remove(place);
    }
    Err(ProofError::Refused("untrusted"))
}

fn day(time: x509_cert::time::Time) -> DateTime<Utc> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// From when on a certificate is valid.
pub fn not_before(certificate: &Certificate) -> DateTime<Utc> {
    day(certificate.tbs_certificate().validity().not_before)
}

/// Until when a certificate is valid.
pub fn not_after(certificate: &Certificate) -> DateTime<Utc> {
    day(certificate.tbs_certificate().validity().not_after)
}

/// Whether a certificate is for time-stamps, and for nothing else (RFC 3161 §2.3).
pub fn stamps(certificate: &Certificate) -> bool {
    let found = certificate.tbs_certificate().get_extension::<ExtendedKeyUsage>();
    matches!(found, Ok(Some((true, ExtendedKeyUsage(uses)))) if uses == [TIME_STAMPING])
}

/// SHA-256 of a certificate.
///
/// # Errors
/// When it can't be encoded.
pub fn fingerprint(certificate: &Certificate) -> Result<[u8; 32], ProofError> {
    Ok(Sha256::digest(certificate.to_der()?).into())
}

/// The common name of a certificate's subject, or nothing.
pub fn common_name(certificate: &Certificate) -> String {
    certificate.tbs_certificate().subject().common_name().ok().flatten().map(String::from).unwrap_or_default()
}

/// A certificate in PEM.
///
/// # Errors
/// When it can't be encoded.
pub fn to_pem(certificate: &Certificate) -> Result<String, ProofError> {
    use der::EncodePem;
    Ok(certificate.to_pem(der::pem::LineEnding::LF)?)
}
