//! What the service signs with, what it publishes of that under `/.well-known/`, and what a verifier must trust.

use std::sync::Arc;

use proof::cms::{KeyFile, Signer};
use proof::merkle::{Hash, SignedHead};
use proof::path::Certificate;
use proof::{ProofError, integrity, jose, path};
use serde_json::{Value, json};

use chrono::{DateTime, Utc};

/// The settings of [`Keys`]: everything in PEM.
#[derive(Clone, Default)]
pub struct KeySettings {
    /// The key that signs PDFs (P-256, PKCS#8).
    pub signer_key: String,
    /// Its certificate, and those between it and the root.
    pub signer_certificates: String,
    /// Certificates that signed PDFs before.
    pub former_signer_certificates: Vec<String>,
    /// The authorities that our documents hang on, the ones of before among them.
    pub roots: String,
    /// The authorities that time-stamps hang on; empty when there are none.
    pub stamp_roots: String,
    /// The key that signs credentials and tree heads (P-256, PKCS#8).
    pub credential_key: String,
    /// Public keys that signed credentials before.
    pub former_credential_keys: Vec<String>,
    /// The key of embedded proofs (Ed25519, PKCS#8).
    pub proof_key: String,
    /// Public keys of embedded proofs from before.
    pub former_proof_keys: Vec<String>,
}

impl std::fmt::Debug for KeySettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySettings").finish_non_exhaustive()
    }
}

/// Everything that signs.
pub struct Keys {
    /// Signs PDFs.
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) credential: jose::SigningKey,
    pub(crate) proof: integrity::SigningKey,
    trust: Trust,
    /// Our origin, without a slash at its end.
    site: String,
    did: String,
}

/// Where a key is found by itself: badges name it so.
fn key_url(site: &str, key: &jose::VerifyingKey) -> String {
    format!("{site}/.well-known/keys/{}", key.thumbprint())
}

/// `did:web` of an origin: its host, the port's colon written as `%3A`.
pub fn did_of(site: &str) -> String {
    let host = site.split_once("://").map_or(site, |(_, host)| host);
    format!("did:web:{}", host.replace(':', "%3A"))
}

impl Keys {
    /// The keys of an origin.
    ///
    /// # Errors
    /// `Setup` when one can't be used.
    pub fn new(site: &str, settings: &KeySettings) -> Result<Self, ProofError> {
        let did = did_of(site);
        let signer = KeyFile::from_pem(&settings.signer_key, &settings.signer_certificates)?;
        let credential = jose::SigningKey::from_pem(&settings.credential_key)?;
        let proof = integrity::SigningKey::from_pem(&settings.proof_key)?;
        let mut credentials = vec![credential.public()];
        for pem in &settings.former_credential_keys {
            credentials.push(jose::VerifyingKey::from_pem(pem)?);
        }
        let mut proofs = vec![proof.public()];
        for pem in &settings.former_proof_keys {
            proofs.push(integrity::VerifyingKey::from_pem(pem)?);
        }
        let mut signers: Vec<Certificate> = signer.certificates().first().cloned().into_iter().collect();
        for pem in &settings.former_signer_certificates {
            signers.extend(path::certificates(pem)?.into_iter().next());
        }
        let stamps = settings.stamp_roots.trim();
        let trust = Trust {
            signers,
            roots: path::certificates(&settings.roots)?,
            stamp_roots: if stamps.is_empty() { Vec::new() } else { path::certificates(stamps)? },
            credential_keys: credentials
                .into_iter()
                .flat_map(|key| [(format!("{did}#{}", key.thumbprint()), key), (key_url(site, &key), key)])
                .collect(),
            proof_keys: proofs.into_iter().map(|key| (format!("{did}#{}", key.multikey()), key)).collect(),
        };
        Ok(Self { signer: Arc::new(signer), credential, proof, trust, site: site.to_owned(), did })
    }

    /// Our origin, without a slash at its end.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Who issues, as `did:web`.
    pub fn did(&self) -> &str {
        &self.did
    }

    /// The name of the key that signs credentials now.
    pub fn kid(&self) -> String {
        format!("{}#{}", self.did, self.credential.public().thumbprint())
    }

    /// The same by its address.
    pub fn key_url(&self) -> String {
        key_url(&self.site, &self.credential.public())
    }

    /// The JWK of the key with this thumbprint, retired ones too.
    pub fn jwk(&self, thumbprint: &str) -> Option<Value> {
        let wanted = format!("{}/.well-known/keys/{thumbprint}", self.site);
        self.trust.credential_keys.iter().find(|(name, _)| *name == wanted).map(|(name, key)| key.jwk(name))
    }

    /// When something of this instant is said to be signed: not before the certificate was there that signs it.
    pub fn signing_time(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.signer.certificates().first().map_or(at, |mine| at.max(path::not_before(mine)))
    }

    /// When the certificate ends that signs PDFs.
    pub fn certificate_expires(&self) -> DateTime<Utc> {
        self.signer.certificates().first().map(path::not_after).unwrap_or_default()
    }

    /// The address of the key that makes embedded proofs now.
    pub fn proof_method(&self) -> String {
        format!("{}#{}", self.did, self.proof.public().multikey())
    }

    /// What a verifier must trust.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// `/.well-known/jwks.json`: the keys that sign credentials, retired ones too.
    pub fn jwks(&self) -> Value {
        self.trust.jwks()
    }

    /// `/.well-known/did.json` (did:web): all keys, retired ones too, for what they signed goes on to hold.
    pub fn did_document(&self) -> Value {
        let named = || self.trust.credential_keys.iter().filter(|(id, _)| id.starts_with("did:"));
        let credentials = named().map(
            |(id, key)| json!({"id": id, "type": "JsonWebKey", "controller": self.did, "publicKeyJwk": key.jwk(id)}),
        );
        let proofs = self.trust.proof_keys.iter().map(
            |(id, key)| json!({"id": id, "type": "Multikey", "controller": self.did, "publicKeyMultibase": key.multikey()}),
        );
        let ids: Vec<&String> =
            named().map(|(id, _)| id).chain(self.trust.proof_keys.iter().map(|(id, _)| id)).collect();
        json!({
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/jwk/v1", "https://w3id.org/security/multikey/v1"],
            "id": self.did,
            "verificationMethod": credentials.chain(proofs).collect::<Vec<_>>(),
            "assertionMethod": ids,
        })
    }

    /// Signs a head of the log.
    pub fn sign_head(&self, size: u64, at: DateTime<Utc>, root: Hash) -> SignedHead {
        SignedHead::sign(&self.credential, size, at, root)
    }
}

/// What a verifier must trust to verify offline: authorities for PDFs and for time-stamps, keys of credentials and proofs.
#[derive(Debug, Clone)]
pub struct Trust {
    /// The certificates that sign our PDFs, and those that did.
    pub signers: Vec<Certificate>,
    /// The authorities that documents hang on.
    pub roots: Vec<Certificate>,
    /// The authorities that time-stamps hang on.
    pub stamp_roots: Vec<Certificate>,
    /// Keys of credentials and of tree heads by their names, the present one first.
    pub credential_keys: Vec<(String, jose::VerifyingKey)>,
    /// Keys of embedded proofs by their addresses, the present one first.
    pub proof_keys: Vec<(String, integrity::VerifyingKey)>,
}

impl Trust {
    fn jwks(&self) -> Value {
        json!({"keys": self.credential_keys.iter().map(|(kid, key)| key.jwk(kid)).collect::<Vec<_>>()})
    }

    /// As it is handed on, in `/.well-known/renzheng-trust.json`.
    ///
    /// # Errors
    /// When a certificate can't be written.
    pub fn to_json(&self) -> Result<Value, ProofError> {
        let pem = |list: &[Certificate]| list.iter().map(path::to_pem).collect::<Result<Vec<_>, _>>();
        Ok(json!({
            "signers": pem(&self.signers)?,
            "roots": pem(&self.roots)?,
            "timeStampRoots": pem(&self.stamp_roots)?,
            "jwks": self.jwks(),
            "proofKeys": self.proof_keys.iter().map(|(id, key)| json!({"id": id, "publicKeyMultibase": key.multikey()})).collect::<Vec<_>>(),
        }))
    }

    /// From what [`Trust::to_json`] made.
    ///
    /// # Errors
    /// `Malformed` when something is missing or can't be used.
    pub fn from_json(value: &Value) -> Result<Self, ProofError> {
        let malformed = |what: &str| ProofError::Malformed(what.into());
        let list =
            |value: Option<&Value>, name: &str| value.and_then(Value::as_array).cloned().ok_or_else(|| malformed(name));
        let text = |value: &Value, name: &str| {
            value.get(name).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| malformed(name))
        };
        let certificates = |name: &str| {
            let mut found = Vec::new();
            for pem in list(value.get(name), name)? {
                found.extend(path::certificates(pem.as_str().unwrap_or_default())?);
            }
            Ok::<_, ProofError>(found)
        };
        let mut credential_keys = Vec::new();
        for jwk in list(value.get("jwks").and_then(|set| set.get("keys")), "jwks")? {
            credential_keys.push((text(&jwk, "kid")?, jose::VerifyingKey::from_jwk(&jwk)?));
        }
        let mut proof_keys = Vec::new();
        for key in list(value.get("proofKeys"), "proofKeys")? {
            let multikey = text(&key, "publicKeyMultibase")?;
            proof_keys.push((text(&key, "id")?, integrity::VerifyingKey::from_multikey(&multikey)?));
        }
        Ok(Self {
            signers: certificates("signers")?,
            roots: certificates("roots")?,
            stamp_roots: certificates("timeStampRoots")?,
            credential_keys,
            proof_keys,
        })
    }
}

/// The sandbox's keys, for tests.
#[cfg(test)]
pub(crate) fn demo_settings() -> KeySettings {
    KeySettings {
        signer_key: include_str!("../../sandbox/keys/document-signer.key").into(),
        signer_certificates: include_str!("../../sandbox/keys/document-signer.pem").into(),
        roots: include_str!("../../sandbox/keys/document-root.pem").into(),
        stamp_roots: include_str!("../../sandbox/keys/document-root.pem").into(),
        credential_key: include_str!("../../sandbox/keys/credential.key").into(),
        proof_key: include_str!("../../sandbox/keys/proof.key").into(),
        ..KeySettings::default()
    }
}

/// The same, ready to sign.
#[cfg(test)]
pub(crate) fn demo() -> Arc<Keys> {
    Arc::new(Keys::new("https://renzheng.example", &demo_settings()).unwrap())
}
