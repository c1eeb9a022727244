//! Sealed values (XChaCha20-Poly1305) and keyed hashes to find them by.

use chacha20poly1305::aead::{Aead, AeadInOut, Generate, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Why something was not sealed, or does not open.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// A sealed value does not open: another key, another place, or damaged.
    #[error("a sealed value does not open ({0})")]
    Sealed(&'static str),
    /// Keys or randomness.
    #[error("cryptography failed: {0}")]
    Crypto(&'static str),
    /// What was sealed has a shape that this version does not know.
    #[error("a sealed value has an unknown shape: {0}")]
    Shape(#[from] serde_json::Error),
}

/// The keys, all from one master key.
pub struct Keys {
    seal: Zeroizing<[u8; 32]>,
    /// Keys that sealed before, newest first: they open, and seal nothing any more.
    former: Vec<Zeroizing<[u8; 32]>>,
    find: Zeroizing<[u8; 32]>,
    token: Zeroizing<[u8; 32]>,
}

fn derive(master: &[u8], purpose: &str) -> Result<[u8; 32], SealingError> {
    let mac = Hmac::<Sha256>::new_from_slice(master).map_err(|_| SealingError::Crypto("master key"))?;
    Ok(mac.chain_update(purpose.as_bytes()).finalize().into_bytes().into())
}

fn opened(key: &[u8; 32], place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealingError> {
    let (nonce, msg) = sealed.split_first_chunk::<24>().ok_or(SealingError::Sealed("too short"))?;
    let cipher = XChaCha20Poly1305::new_from_slice(key).map_err(|_| SealingError::Crypto("key"))?;
    let payload = Payload { msg, aad: place.as_bytes() };
    cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealingError::Sealed("wrong key, place or bits"))
}

impl Keys {
    /// Derives the keys from a master key of 32 bytes.
    ///
    /// # Errors
    /// When the key is shorter.
    pub fn from_master(master: &[u8]) -> Result<Self, SealingError> {
        Self::from_masters(master, &[])
    }

    /// Derives the keys from the master key and the ones before it, newest first: the first seals, all of them open, and
    /// the oldest makes look-ups and signatures, which can't change.
    ///
    /// # Errors
    /// When a key is shorter than 32 bytes.
    pub fn from_masters(master: &[u8], former: &[Vec<u8>]) -> Result<Self, SealingError> {
        if master.len() < 32 || former.iter().any(|key| key.len() < 32) {
            return Err(SealingError::Crypto("a master key must have 32 bytes"));
        }
        let oldest = former.last().map_or(master, Vec::as_slice);
        let seals = former.iter().map(|key| Ok(Zeroizing::new(derive(key, "renzheng seal 1")?)));
        Ok(Self {
            seal: Zeroizing::new(derive(master, "renzheng seal 1")?),
            former: seals.collect::<Result<_, SealingError>>()?,
            find: Zeroizing::new(derive(oldest, "renzheng find 1")?),
            token: Zeroizing::new(derive(oldest, "renzheng token 1")?),
        })
    }

    /// Whether there are keys that sealed before.
    pub fn has_former(&self) -> bool {
        !self.former.is_empty()
    }

    /// A name of the newest key that says nothing of it.
    pub fn newest(&self) -> String {
        Self::keyed(&self.seal, "key", "name").chars().take(16).collect()
    }

    /// The same sealed anew, if an older key had sealed it.
    ///
    /// # Errors
    /// As of [`Keys::open`] and [`Keys::seal`].
    pub fn renewed(&self, place: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>, SealingError> {
        if opened(&self.seal, place, sealed).is_ok() {
            return Ok(None);
        }
        let plain = Zeroizing::new(self.open(place, sealed)?);
        Ok(Some(self.seal(place, &plain)?))
    }

    /// Seals `plain` for one place (`table:row`): it opens nowhere else.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Result<Vec<u8>, SealingError> {
        let nonce = XNonce::try_generate().map_err(|_| SealingError::Crypto("no randomness"))?;
        let cipher = XChaCha20Poly1305::new_from_slice(&*self.seal).map_err(|_| SealingError::Crypto("key"))?;
        // In place: an original has megabytes, and need not be copied more than once.
        let mut out = Vec::with_capacity(nonce.len() + plain.len() + 16);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let body = out.get_mut(nonce.len()..).ok_or(SealingError::Crypto("seal"))?;
        let tag = cipher.encrypt_inout_detached(&nonce, place.as_bytes(), body.into());
        out.extend_from_slice(&tag.map_err(|_| SealingError::Crypto("seal"))?);
        Ok(out)
    }

    /// Opens what was sealed for `place`.
    ///
    /// # Errors
    /// `Sealed` when the key or the place is another, or a bit has changed.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealingError> {
        let newest = opened(&self.seal, place, sealed);
        match newest {
            Err(SealingError::Sealed(_)) => {
                self.former.iter().find_map(|key| opened(key, place, sealed).ok()).map_or(newest, Ok)
            }
            known => known,
        }
    }

    /// Seals a value as JSON.
    ///
    /// # Errors
    /// As of [`Keys::seal`]; `Shape` when the value is none that JSON can say.
    pub fn seal_json<T: Serialize>(&self, place: &str, value: &T) -> Result<Vec<u8>, SealingError> {
        self.seal(place, &Zeroizing::new(serde_json::to_vec(value)?))
    }

    /// Opens what was sealed as JSON.
    ///
    /// # Errors
    /// As of [`Keys::open`]; `Shape` when it is not this type's.
    pub fn open_json<T: DeserializeOwned>(&self, place: &str, sealed: &[u8]) -> Result<T, SealingError> {
        Ok(serde_json::from_slice(&Zeroizing::new(self.open(place, sealed)?))?)
    }

    fn keyed(key: &[u8; 32], kind: &str, value: &str) -> String {
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
        let tag = mac.chain_update(kind.as_bytes()).chain_update([0]).chain_update(value.as_bytes());
        hex::encode(tag.finalize().into_bytes())
    }

    /// A keyed hash by which a sealed value of this kind is found again.
    pub fn find(&self, kind: &str, value: &str) -> String {
        Self::keyed(&self.find, kind, value)
    }

    /// A keyed hash of something that must not be forged, such as a form's token.
    pub fn sign(&self, kind: &str, value: &str) -> String {
        Self::keyed(&self.token, kind, value)
    }
}
