//! Embedded proofs: W3C Data Integrity with the suite `eddsa-jcs-2022` (vc-di-eddsa §3.3).

use chrono::{DateTime, SecondsFormat, Utc};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::pkcs8::DecodePublicKey;
use ed25519_dalek::{Signature, Signer};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::ProofError;

const SUITE: &str = "eddsa-jcs-2022";
/// Characters of a signature in base58 at the most: decoding takes the square of it.
const SIGNATURE_MOST: usize = 90;
/// The multicodec prefix of an Ed25519 public key.
const ED25519: [u8; 2] = [0xed, 0x01];

/// An Ed25519 key that signs.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
}

/// An Ed25519 key that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey {
    key: ed25519_dalek::VerifyingKey,
}

impl SigningKey {
    /// From PKCS#8 PEM.
    ///
    /// # Errors
    /// `Setup` when it is none.
    pub fn from_pem(pem: &str) -> Result<Self, ProofError> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim());
        Ok(Self { key: key.map_err(|_| ProofError::Setup("not an Ed25519 key in PKCS#8 PEM".into()))? })
    }

    /// Its public half.
    pub fn public(&self) -> VerifyingKey {
        VerifyingKey { key: self.key.verifying_key() }
    }

    /// The document with a proof of its own; `method` is the address of the key.
    ///
    /// # Errors
    /// `Malformed` when the document is no object, or can't be put into canonical form.
    pub fn secure(&self, document: &Value, method: &str, created: DateTime<Utc>) -> Result<Value, ProofError> {
        let mut secured = plain(document)?;
        let mut proof = Map::new();
        if let Some(context) = secured.get("@context") {
            proof.insert("@context".into(), context.clone());
        }
        let made = json!({
            "type": "DataIntegrityProof",
            "cryptosuite": SUITE,
            "created": created.to_rfc3339_opts(SecondsFormat::Secs, true),
            "verificationMethod": method,
            "proofPurpose": "assertionMethod",
        });
        proof.extend(plain(&made)?);
        let signature = self.key.sign(&hashes(&proof, &secured)?);
        proof.insert("proofValue".into(), format!("z{}", bs58::encode(signature.to_bytes()).into_string()).into());
        secured.insert("proof".into(), Value::Object(proof));
        Ok(Value::Object(secured))
    }
}

impl VerifyingKey {
    /// From a public key in PEM (SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// `Setup` when it is none.
    pub fn from_pem(pem: &str) -> Result<Self, ProofError> {
        let key = ed25519_dalek::VerifyingKey::from_public_key_pem(pem.trim());
        Ok(Self { key: key.map_err(|_| ProofError::Setup("not a public Ed25519 key in PEM".into()))? })
    }

    /// As a Multikey: `z` and base58 of the codec and the key.
    pub fn multikey(&self) -> String {
        let mut bytes = ED25519.to_vec();
        bytes.extend(self.key.as_bytes());
        format!("z{}", bs58::encode(bytes).into_string())
    }

    /// From a Multikey.
    ///
    /// # Errors
    /// `Malformed` when it is none of an Ed25519 key.
    pub fn from_multikey(text: &str) -> Result<Self, ProofError> {
        let malformed = || ProofError::Malformed("Multikey".into());
        let bytes = bs58::decode(text.strip_prefix('z').ok_or_else(malformed)?).into_vec().map_err(|_| malformed())?;
        let key = bytes.strip_prefix(&ED25519).and_then(|key| key.try_into().ok()).ok_or_else(malformed)?;
        Ok(Self { key: ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| malformed())? })
    }
}

fn plain(value: &Value) -> Result<Map<String, Value>, ProofError> {
    value.as_object().cloned().ok_or_else(|| ProofError::Malformed("no object".into()))
}

/// SHA-256 of the proof's options, then of the document, both in canonical form (RFC 8785).
fn hashes(proof: &Map<String, Value>, document: &Map<String, Value>) -> Result<Vec<u8>, ProofError> {
    let mut both = Vec::with_capacity(64);
    for part in [proof, document] {
        let canonical =
            serde_json_canonicalizer::to_vec(part).map_err(|error| ProofError::Malformed(error.to_string()))?;
        both.extend(Sha256::digest(canonical));
    }
    Ok(both)
}

/// The document without its proof, if one of `keys` (by their addresses) made the proof.
///
/// # Errors
/// `Malformed` when there is no such proof, `Refused` when it does not hold.
pub fn verify(secured: &Value, keys: &[(String, VerifyingKey)]) -> Result<Value, ProofError> {
    let mut document = plain(secured)?;
    let mut proof = plain(&document.remove("proof").ok_or_else(|| ProofError::Malformed("no proof".into()))?)?;
    let value = proof.remove("proofValue").ok_or_else(|| ProofError::Malformed("no proofValue".into()))?;
    let said = |name: &str| proof.get(name).and_then(Value::as_str).unwrap_or_default();
    if (said("type"), said("cryptosuite"), said("proofPurpose")) != ("DataIntegrityProof", SUITE, "assertionMethod") {
        return Err(ProofError::Refused("proof of another kind"));
    }
    // The document's contexts must begin with the proof's; then the proof's count.
    if let Some(context) = proof.get("@context") {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        let begins = document.get("@context").is_some_and(|known| list(known).starts_with(&list(context)));
        if !begins {
            return Err(ProofError::Refused("context"));
        }
        document.insert("@context".into(), context.clone());
    }
    let method = said("verificationMethod").to_owned();
    let key = keys.iter().find(|(name, _)| *name == method).ok_or(ProofError::Refused("unknown key"))?;
    let text = value.as_str().and_then(|text| text.strip_prefix('z')).unwrap_or_default();
    if text.len() > SIGNATURE_MOST {
        return Err(ProofError::Malformed("proofValue".into()));
    }
    let bytes = bs58::decode(text).into_vec().map_err(|_| ProofError::Malformed("base58".into()))?;
    let signature = Signature::from_slice(&bytes).map_err(|_| ProofError::Refused("signature"))?;
    let message = hashes(&proof, &document)?;
    key.1.key.verify_strict(&message, &signature).map_err(|_| ProofError::Refused("signature"))?;
    Ok(Value::Object(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published example of vc-di-eddsa (its test vectors, `eddsa-jcs-2022/signedJCS.json`).
    #[test]
    fn the_published_example_holds() {
        let secured: Value = serde_json::from_str(include_str!("../tests/vectors/eddsa-jcs-2022.json")).unwrap();
        let name = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";
        let key = VerifyingKey::from_multikey(name).unwrap();
        assert_eq!(key.multikey(), name);
        let keys = [(format!("did:key:{name}#{name}"), key)];
        assert_eq!(verify(&secured, &keys).unwrap()["name"], "Alumni Credential");
        assert!(VerifyingKey::from_multikey("z6Mk").is_err());
        // What is far too long is not even decoded.
        let mut long = secured;
        long["proof"]["proofValue"] = format!("z{}", "2".repeat(8 << 20)).into();
        assert!(matches!(verify(&long, &keys), Err(ProofError::Malformed(_))));
    }

    #[test]
    fn a_proof_holds_and_nothing_that_was_changed_does() {
        let key = SigningKey { key: ed25519_dalek::SigningKey::from_bytes(&[7; 32]) };
        let keys = [("did:web:a#p".to_owned(), key.public())];
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let document = json!({"@context": ["https://www.w3.org/ns/credentials/v2"], "name": "张", "n": 1});
        let secured = key.secure(&document, "did:web:a#p", at).unwrap();
        assert_eq!(verify(&secured, &keys).unwrap(), document);
        let mut changed = secured.clone();
        changed["n"] = json!(2);
        assert_eq!(verify(&changed, &keys), Err(ProofError::Refused("signature")));
        let mut later = secured.clone();
        later["proof"]["created"] = json!("2030-01-01T00:00:00Z");
        assert_eq!(verify(&later, &keys), Err(ProofError::Refused("signature")));
        let other = SigningKey { key: ed25519_dalek::SigningKey::from_bytes(&[8; 32]) };
        assert!(verify(&other.secure(&document, "did:web:a#p", at).unwrap(), &keys).is_err());
        assert!(verify(&document, &keys).is_err());
    }
}
