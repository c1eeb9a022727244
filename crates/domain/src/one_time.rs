//! Six-digit codes (R1.7, sms.md §6) and time-based ones for staff (RFC 6238).

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// A code can be used for so long.
pub const CODE_TTL: TimeDelta = TimeDelta::minutes(10);
/// Wrong tries after which a code is dead.
pub const CODE_TRIES: i32 = 5;
/// One code a minute to one address.
pub const CODES_PER_MINUTE: i64 = 1;
/// At most so many an hour to one address (the provider's limit, sms.md §5).
pub const CODES_PER_HOUR: i64 = 5;
/// At most so many in 24 hours to one address.
pub const CODES_PER_DAY: i64 = 10;
/// At most so many an hour asked for by one network address.
pub const CODES_PER_HOUR_AND_NETWORK: i64 = 30;

/// A typed code without spaces, if it has the shape of one (full-width digits are taken too).
pub fn typed_code(raw: &str) -> Option<String> {
    use unicode_normalization::UnicodeNormalization;
    let code: String = raw.nfkc().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit())).then_some(code)
}

/// The TOTP of `secret` for a Unix time: SHA-1, 30 seconds, six digits.
pub fn totp(secret: &[u8], unix: i64) -> Option<String> {
    let counter = u64::try_from(unix / 30).ok()?;
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).ok()?;
    mac.update(&counter.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest.last()? & 0x0f);
    let bytes: [u8; 4] = digest.get(offset..offset + 4)?.try_into().ok()?;
    Some(format!("{:06}", (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 1_000_000))
}

/// The step at which `code` is right, one step to either side allowed; each step may be used once.
pub fn totp_step(secret: &[u8], code: &str, unix: i64) -> Option<i64> {
    [0, -1, 1].into_iter().map(|shift| unix / 30 + shift).find(|step| totp(secret, step * 30).as_deref() == Some(code))
}
