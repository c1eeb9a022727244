//! JOSE as credentials use it (RFC 7515–7518, 7638; W3C vc-jose-cose): ES256 alone, compact form, keys as JWK.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::Signature;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::ProofError;

/// Media type of a credential in this form, and `typ` of its header without `application/`.
pub const VC_JWT: &str = "application/vc+jwt";
const TYPE: &str = "vc+jwt";
/// `typ` of a badge (Open Badges 3.0, "Create the JOSE Header": no other value, and no further headers).
const BADGE_TYPE: &str = "JWT";
const ALGORITHM: &str = "ES256";

/// A P-256 key that signs.
pub struct SigningKey {
    key: p256::ecdsa::SigningKey,
}

impl SigningKey {
    /// From PKCS#8 PEM.
    ///
    /// # Errors
    /// `Setup` when it is none.
    pub fn from_pem(pem: &str) -> Result<Self, ProofError> {
        let key = p256::ecdsa::SigningKey::from_pkcs8_pem(pem.trim());
        Ok(Self { key: key.map_err(|_| ProofError::Setup("not a P-256 key in PKCS#8 PEM".into()))? })
    }

    /// Its public half.
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey { key: *self.key.verifying_key() }
    }

    /// A signature in DER.
    pub fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.key.sign(message);
        signature.normalize_s().to_der().as_bytes().to_vec()
    }

    /// The payload, signed: `kid` names the key, the type is [`VC_JWT`].
    ///
    /// # Errors
    /// When the payload can't be written.
    pub fn sign(&self, kid: &str, payload: &Value) -> Result<String, ProofError> {
        self.compact(&json!({"alg": ALGORITHM, "typ": TYPE, "cty": "vc", "kid": kid}), payload)
    }

    /// The payload of a badge, signed, with the headers that Open Badges 3.0 allows; `kid` is where the key is found.
    ///
    /// # Errors
    /// When the payload can't be written.
    pub fn sign_badge(&self, kid: &str, payload: &Value) -> Result<String, ProofError> {
        self.compact(&json!({"alg": ALGORITHM, "typ": BADGE_TYPE, "kid": kid}), payload)
    }

    fn compact(&self, header: &Value, payload: &Value) -> Result<String, ProofError> {
        let encode = |value: &Value| serde_json::to_vec(value).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let malformed = |error: serde_json::Error| ProofError::Malformed(error.to_string());
        let signed = format!("{}.{}", encode(header).map_err(malformed)?, encode(payload).map_err(malformed)?);
        let signature: Signature = self.key.sign(signed.as_bytes());
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.normalize_s().to_bytes())))
    }
}

/// A P-256 key that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey {
    key: p256::ecdsa::VerifyingKey,
}

impl VerifyingKey {
    /// From a public key in PEM (SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// `Setup` when it is none.
    pub fn from_pem(pem: &str) -> Result<Self, ProofError> {
        let key = p256::ecdsa::VerifyingKey::from_public_key_pem(pem.trim());
        Ok(Self { key: key.map_err(|_| ProofError::Setup("not a public P-256 key in PEM".into()))? })
    }

    /// The key itself.
    pub(crate) const fn raw(&self) -> &p256::ecdsa::VerifyingKey {
        &self.key
    }

    fn coordinates(&self) -> (String, String) {
        let point = self.key.to_sec1_point(false);
        let part = |bytes: Option<&_>| bytes.map(|bytes: &p256::FieldBytes| URL_SAFE_NO_PAD.encode(bytes));
        (part(point.x()).unwrap_or_default(), part(point.y()).unwrap_or_default())
    }

    /// Its thumbprint (RFC 7638): a name that follows from the key.
    pub fn thumbprint(&self) -> String {
        let (x, y) = self.coordinates();
        // The members that RFC 7638 §3.2 names, in its order.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        URL_SAFE_NO_PAD.encode(Sha256::digest(members.as_bytes()))
    }

    /// As a JWK under this name.
    pub fn jwk(&self, kid: &str) -> Value {
        let (x, y) = self.coordinates();
        json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": kid, "alg": ALGORITHM, "use": "sig"})
    }

    /// From a JWK.
    ///
    /// # Errors
    /// `Malformed` when it is no key of this kind.
    pub fn from_jwk(jwk: &Value) -> Result<Self, ProofError> {
        let malformed = || ProofError::Malformed("JWK".into());
        let part = |name: &str| jwk.get(name).and_then(Value::as_str).ok_or_else(malformed);
        if (part("kty")?, part("crv")?) != ("EC", "P-256") {
            return Err(malformed());
        }
        let mut point = vec![4];
        for name in ["x", "y"] {
            let bytes = URL_SAFE_NO_PAD.decode(part(name)?).map_err(|_| malformed())?;
            if bytes.len() != 32 {
                return Err(malformed());
            }
            point.extend(bytes);
        }
        Ok(Self { key: p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| malformed())? })
    }
}

fn object(part: &str) -> Result<Map<String, Value>, ProofError> {
    let malformed = |what: &str| ProofError::Malformed(what.into());
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("base64url"))?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(malformed("JSON")),
    }
}

/// The payload of a signed credential, if one of `keys` (by their names) signed it. The header decides nothing: another
/// algorithm than ours, `none` among them, is refused.
///
/// # Errors
/// `Malformed` when it is no JWT, `Refused` when it does not hold.
pub fn verify(jwt: &str, keys: &[(String, VerifyingKey)]) -> Result<Value, ProofError> {
    let mut parts = jwt.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(ProofError::Malformed("three parts".into()));
    };
    let read = object(header)?;
    let said = |name: &str| read.get(name).and_then(Value::as_str).unwrap_or_default();
    if said("alg") != ALGORITHM || read.contains_key("crit") {
        return Err(ProofError::Refused("algorithm"));
    }
    if ![TYPE, BADGE_TYPE].contains(&said("typ")) {
        return Err(ProofError::Refused("type"));
    }
    let key = keys.iter().find(|(kid, _)| kid == said("kid")).ok_or(ProofError::Refused("unknown key"))?;
    let bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| ProofError::Malformed("base64url".into()))?;
    let signature = Signature::from_slice(&bytes).map_err(|_| ProofError::Refused("signature"))?;
    if signature.normalize_s() != signature {
        return Err(ProofError::Refused("signature"));
    }
    let signed = format!("{header}.{payload}");
    key.1.raw().verify(signed.as_bytes(), &signature).map_err(|_| ProofError::Refused("signature"))?;
    Ok(Value::Object(object(payload)?))
}
