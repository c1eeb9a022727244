//! Bitstring Status List (W3C, 2025): a compressed string of bits, one an entry, the first bit leftmost.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::ProofError;

/// Entries of one list: the least that the specification allows, so that nobody learns much from which list it is.
pub const ENTRIES: usize = 131_072;

/// The list in which the bits at these places are set, as `encodedList`.
///
/// # Errors
/// `Malformed` when a place is beyond the list.
pub fn encode(set: impl IntoIterator<Item = usize>) -> Result<String, ProofError> {
    let mut bits = vec![0_u8; ENTRIES / 8];
    for place in set {
        let byte = bits.get_mut(place / 8).ok_or_else(|| ProofError::Malformed("place".into()))?;
        *byte |= 0x80 >> (place % 8);
    }
    let malformed = |error: std::io::Error| ProofError::Malformed(error.to_string());
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&bits).map_err(malformed)?;
    Ok(format!("u{}", URL_SAFE_NO_PAD.encode(gzip.finish().map_err(malformed)?)))
}

/// Whether the bit at `place` of an `encodedList` is set.
///
/// # Errors
/// `Malformed` when it is no such list, or has no such place.
pub fn is_set(list: &str, place: usize) -> Result<bool, ProofError> {
    let malformed = || ProofError::Malformed("status list".into());
    let packed = URL_SAFE_NO_PAD.decode(list.strip_prefix('u').ok_or_else(malformed)?).map_err(|_| malformed())?;
    let mut byte = [0_u8];
    // Read no further than asked: a list may claim to be huge.
    let mut bits = GzDecoder::new(packed.as_slice());
    let skipped = std::io::copy(&mut bits.by_ref().take(place as u64 / 8), &mut std::io::sink());
    if skipped.map_err(|_| malformed())? != place as u64 / 8 || bits.read_exact(&mut byte).is_err() {
        return Err(malformed());
    }
    Ok(byte.first().is_some_and(|byte| byte & (0x80 >> (place % 8)) != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_that_were_set_are_set_and_no_others() {
        let list = encode([0, 9, ENTRIES - 1]).unwrap();
        for (place, wanted) in [(0, true), (1, false), (8, false), (9, true), (ENTRIES - 1, true)] {
            assert_eq!(is_set(&list, place).unwrap(), wanted, "{place}");
        }
        assert!(is_set(&list, ENTRIES).is_err());
        assert!(encode([ENTRIES]).is_err());
        assert!(is_set("x", 0).is_err());
    }
}
