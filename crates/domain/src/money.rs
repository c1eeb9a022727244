//! Money in fen, never in floating point.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in fen (a hundredth of a yuan).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Fen(pub i64);

/// What one authentication costs: 360 yuan (guide 二.3(8), R2.10).
pub const FEE: Fen = Fen(36_000);

/// ISO 4217 numeric code of the yuan, as UnionPay wants it (unionpay.md §5).
pub const CNY: &str = "156";

impl fmt::Display for Fen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, fen) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        write!(f, "{sign}{}.{:02}", fen / 100, fen % 100)
    }
}
