//! What makes a document prove itself: CMS signatures and certificate paths ([`cms`], [`path`]), RFC 3161 time-stamps
//! ([`time_stamp`]), JOSE ([`jose`]), embedded proofs ([`integrity`]), status lists ([`status`]) and a Merkle log
//! ([`merkle`]). Knows no word of the domain, and does no I/O.

pub mod cms;
pub mod integrity;
pub mod jose;
pub mod merkle;
pub mod path;
pub mod status;
pub mod time_stamp;

/// Why something does not prove itself, or can't be made to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A key, certificate or address that can't be used: an operator's mistake.
    #[error("set-up: {0}")]
    Setup(String),
    /// What should be read can't be read.
    #[error("can't be read: {0}")]
    Malformed(String),
    /// It can be read, and does not hold.
    #[error("does not hold: {0}")]
    Refused(&'static str),
}

impl From<der::Error> for ProofError {
    fn from(error: der::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}
