//! The wire of ACP 5.1.0: fields, the string that is signed, and bodies that are not url-encoded (unionpay.md §2–3).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// The fields of a message. `BTreeMap` sorts by byte, as the signature wants it.
pub type Fields = BTreeMap<String, String>;

/// The string that is signed: sorted, without `signature`, without empty values, raw.
pub fn string_to_sign(fields: &Fields) -> String {
    let parts = fields.iter().filter(|(name, value)| *name != "signature" && !value.is_empty());
    parts.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// What goes into the signature: the hexadecimal SHA-256 of [`string_to_sign`], which is hashed once more by it.
pub fn digest(fields: &Fields) -> String {
    hex::encode(Sha256::digest(string_to_sign(fields)))
}

/// Reads a synchronous reply: `k=v&k=v`, **not** url-encoded; `&` and `=` may stand inside `{…}` and `[…]`.
pub fn parse_reply(body: &str) -> Fields {
    let mut fields = Fields::new();
    let (mut depth, mut start) = (0_i32, 0);
    let mut take = |part: &str| {
        if let Some((name, value)) = part.split_once('=') {
            fields.insert(name.to_owned(), value.to_owned());
        }
    };
    for (at, character) in body.char_indices() {
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = (depth - 1).max(0),
            '&' if depth == 0 => {
                take(body.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    take(body.get(start..).unwrap_or_default());
    fields
}

/// Writes a synchronous reply, as raw as it is read.
pub fn write_reply(fields: &Fields) -> String {
    fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}
