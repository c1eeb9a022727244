//! What an applicant (or an officer) did that can't be done: a stable code, and words that help, in the locale files.

use crate::form::FieldError;

/// A command that was refused. Each has a `rejection-…` text that says how to put it right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Fields to be put right, each with its own text.
    #[error("{} fields to be put right", .0.len())]
    Form(Vec<FieldError>),
    /// What was changed had been changed elsewhere meanwhile; both versions are shown (HTTP 409).
    #[error("changed elsewhere meanwhile")]
    Stale,
    /// There is no such thing, or it is somebody else's; the two look the same.
    #[error("not found")]
    NotFound,
    /// The case is not where this act belongs; the code says which act.
    #[error("not possible now: {0}")]
    NotNow(&'static str),
    /// An account with this document, phone or e-mail exists; which of them is not said (R1.10).
    #[error("duplicate")]
    Duplicate,
    /// The role does not include this act (R6.1).
    #[error("not allowed")]
    NotAllowed,
    /// Whoever proposed a result can't approve it (R6.3).
    #[error("proposer can't approve")]
    OwnProposal,
    /// Whoever decided a case can't review it (R4).
    #[error("decider can't review")]
    OwnDecision,
    /// Too many tries; after so many seconds again.
    #[error("too many tries, again in {0} s")]
    TooMany(i64),
}

impl Rejection {
    /// One field, one code.
    pub fn field(field: &str, code: &'static str) -> Self {
        Self::Form(vec![FieldError::new(field, code)])
    }

    /// The key of its text, after `rejection-`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form(_) => "form",
            Self::Stale => "stale",
            Self::NotFound => "not-found",
            Self::NotNow(code) => code,
            Self::Duplicate => "duplicate",
            Self::NotAllowed => "not-allowed",
            Self::OwnProposal => "own-proposal",
            Self::OwnDecision => "own-decision",
            Self::TooMany(_) => "too-many",
        }
    }
}
