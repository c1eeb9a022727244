//! Passwords (Argon2id) and random tokens.

use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier, password_hash};
use sha2::{Digest, Sha256};

use crate::error::StoreError;

/// Hashes a password; takes tens of milliseconds on purpose.
///
/// # Errors
/// When the system has no randomness.
pub fn hash_password(password: &str) -> Result<String, StoreError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|_| StoreError::Crypto("argon2"))?.to_string())
}

/// Whether `password` is the one that was hashed.
///
/// # Errors
/// When the stored hash has no known shape.
pub fn verify_password(password: &str, phc: &str) -> Result<bool, StoreError> {
    let hash = PasswordHash::new(phc).map_err(|_| StoreError::Value("password_hash"))?;
    match Argon2::default().verify_password(password.as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(StoreError::Value("password_hash")),
    }
}

/// 256 random bits in hexadecimal.
pub fn random_token() -> String {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes);
    hex::encode(bytes)
}

/// What is stored of a token: who reads the table can't use it.
pub(crate) fn token_hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}
