//! Just enough of X.509: parse, validity, names, and whether one certificate signed another (RSA with SHA-256).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use sha2::Sha256;
use x509_cert::Certificate;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::referenced::OwnedToRef;
use x509_cert::der::{self, Decode, Reader, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};

use crate::GatewayError;

const SHA256_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// Weakest RSA key that is trusted, in bytes.
const MODULUS_LEAST: usize = 256;

/// A parsed certificate and its exact bytes.
#[derive(Debug, Clone)]
pub struct Cert {
    der: Vec<u8>,
    parsed: Certificate,
}

fn bad(what: impl std::fmt::Display) -> GatewayError {
    GatewayError::Untrusted(format!("certificate: {what}"))
}

fn blocks(pem: &str, label: &str) -> Result<Vec<Vec<u8>>, GatewayError> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let (mut rest, mut found) = (pem, Vec::new());
    while let Some((_, after)) = rest.split_once(begin.as_str()) {
        let (body, tail) = after.split_once(end.as_str()).ok_or_else(|| bad("PEM without an end"))?;
        let base64: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        found.push(STANDARD.decode(base64).map_err(bad)?);
        rest = tail;
    }
    Ok(found)
}

/// Loads a private key in PKCS#8 PEM.
///
/// # Errors
/// `Setup` when it is none.
pub fn private_key(pem: &str) -> Result<rsa::PrivateKey, GatewayError> {
    rsa::PrivateKey::from_pkcs8_pem(pem.trim()).map_err(|_| GatewayError::Setup("not a PKCS#8 RSA key".into()))
}

/// Signs with RSASSA-PKCS1-v1_5 and SHA-256, in standard base64.
///
/// # Errors
/// `Setup` when the key can't sign.
pub fn sign(key: &rsa::PrivateKey, message: &[u8]) -> Result<String, GatewayError> {
    let signature = key.pkcs1v15_sign::<Sha256>(message).map_err(|error| GatewayError::Setup(error.to_string()))?;
    Ok(STANDARD.encode(signature))
}

impl Cert {
    /// Parses the first certificate of a PEM text with any line ends.
    ///
    /// # Errors
    /// `Untrusted` when there is none or it does not parse.
    pub fn parse(pem: &str) -> Result<Self, GatewayError> {
        let der = blocks(pem, "CERTIFICATE")?.into_iter().next().ok_or_else(|| bad("none in the PEM"))?;
        let parsed = Certificate::from_der(&der).map_err(bad)?;
        Ok(Self { der, parsed })
    }

    /// The first common name of the subject.
    pub fn common_name(&self) -> Option<String> {
        self.parsed.tbs_certificate().subject().common_name().ok().flatten().map(String::from)
    }

    /// Seconds since 1970 from which and until which it is valid.
    pub fn validity(&self) -> (i64, i64) {
        let validity = self.parsed.tbs_certificate().validity();
        let seconds =
            |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        (seconds(validity.not_before), seconds(validity.not_after))
    }

    /// The serial number in decimal, as UnionPay's `certId` has it.
    pub fn serial_decimal(&self) -> String {
        const BASE: u64 = 1_000_000_000;
        let mut limbs = vec![0_u64];
        for byte in self.parsed.tbs_certificate().serial_number().as_bytes() {
            let mut carry = u64::from(*byte);
            for limb in &mut limbs {
                let value = *limb * 256 + carry;
                *limb = value % BASE;
                carry = value / BASE;
            }
            if carry > 0 {
                limbs.push(carry);
            }
        }
        let mut text = String::new();
        for (place, limb) in limbs.iter().rev().enumerate() {
            text += &if place == 0 { limb.to_string() } else { format!("{limb:09}") };
        }
        text
    }

    fn key(&self) -> Result<rsa::PublicKey, GatewayError> {
        let info = self.parsed.tbs_certificate().subject_public_key_info();
        // The parser would also take RSASSA-PSS keys, which sign something else.
        if info.algorithm.oid != rsa::pkcs1::ALGORITHM_OID {
            return Err(bad("not an RSA key"));
        }
        let key = rsa::PublicKey::try_from(info.owned_to_ref()).map_err(bad)?;
        if key.size() < MODULUS_LEAST { Err(bad("RSA key too short")) } else { Ok(key) }
    }

    /// Verifies a base64 signature over `message`.
    ///
    /// # Errors
    /// `Untrusted` when it does not hold.
    pub fn verify(&self, message: &[u8], base64: &str) -> Result<(), GatewayError> {
        let signature = STANDARD.decode(base64).map_err(bad)?;
        self.key()?.pkcs1v15_verify::<Sha256>(message, &signature).map_err(|_| bad("the signature does not hold"))
    }

    /// The bytes that were signed, as they are: encoding them anew could change them.
    fn signed_bytes(&self) -> Result<&[u8], GatewayError> {
        let read = |der: &'_ [u8]| -> der::Result<(usize, usize)> {
            let mut reader = SliceReader::new(der)?;
            reader.sequence::<_, _, der::Error>(|reader| {
                let tbs = reader.tlv_bytes()?;
                let start = tbs.as_ptr() as usize - der.as_ptr() as usize;
                reader.tlv_bytes()?;
                reader.tlv_bytes()?;
                Ok((start, tbs.len()))
            })
        };
        let (start, length) = read(&self.der).map_err(bad)?;
        self.der.get(start..start + length).ok_or_else(|| bad("its length"))
    }

    /// Whether `authority` may sign certificates and signed this one; `seconds` is now.
    ///
    /// # Errors
    /// `Untrusted`, saying what is wrong.
    pub fn signed_by(&self, authority: &Self, seconds: i64) -> Result<(), GatewayError> {
        let (mine, theirs) = (self.parsed.tbs_certificate(), authority.parsed.tbs_certificate());
        if mine.issuer() != theirs.subject() {
            return Err(bad("issued by another"));
        }
        if self.parsed.signature_algorithm() != mine.signature() || mine.signature().oid != SHA256_RSA {
            return Err(bad("signature algorithm"));
        }
        match theirs.get_extension::<BasicConstraints>().map_err(bad)? {
            Some((_, constraints)) if constraints.ca => {}
            _ => return Err(bad("issued by a certificate that is no authority")),
        }
        if let Some((_, usage)) = theirs.get_extension::<KeyUsage>().map_err(bad)?
            && !usage.key_cert_sign()
        {
            return Err(bad("its issuer may not sign certificates"));
        }
        let (from, until) = authority.validity();
        if seconds < from || seconds > until {
            return Err(bad("its issuer is not valid now"));
        }
        let signature = self.parsed.signature().as_bytes().ok_or_else(|| bad("signature bits"))?;
        let message = self.signed_bytes()?;
        authority.key()?.pkcs1v15_verify::<Sha256>(message, signature).map_err(|_| bad("not signed by its issuer"))
    }
}
