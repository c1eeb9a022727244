//! `ACS3-HMAC-SHA256` (sms.md §2), also used with another prefix by the identity contract (identity.md §5).

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// RFC 3986: everything but letters, digits and `-_.~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Percent-encodes by RFC 3986.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// The query as it is signed: decoded pairs, encoded anew and sorted.
pub fn canonical_query(pairs: &[(String, String)]) -> String {
    let mut encoded: Vec<_> = pairs.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    encoded.sort();
    encoded.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A request as it is signed.
#[derive(Debug)]
pub struct Signable<'a> {
    /// Upper-case method.
    pub method: &'a str,
    /// Path.
    pub path: &'a str,
    /// Decoded query pairs.
    pub query: &'a [(String, String)],
    /// The signed headers with lower-case names, sorted.
    pub headers: &'a [(String, String)],
    /// Body.
    pub body: &'a [u8],
}

impl Signable<'_> {
    fn canonical(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let payload = hex::encode(Sha256::digest(self.body));
        let query = canonical_query(self.query);
        format!("{}\n{}\n{query}\n{headers}\n{}\n{payload}", self.method, self.path, names.join(";"))
    }

    /// The hexadecimal signature under `algorithm`, such as `ACS3-HMAC-SHA256`.
    pub fn signature(&self, algorithm: &str, secret: &str) -> String {
        let hashed = hex::encode(Sha256::digest(self.canonical()));
        let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
        hex::encode(mac.chain_update(format!("{algorithm}\n{hashed}")).finalize().into_bytes())
    }

    /// The value of the `Authorization` header.
    pub fn authorization(&self, algorithm: &str, credential: &str, secret: &str) -> String {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let signature = self.signature(algorithm, secret);
        format!("{algorithm} Credential={credential},SignedHeaders={},Signature={signature}", names.join(";"))
    }
}
