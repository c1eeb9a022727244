//! What is issued at the end: certificate (认证书), deferral and refusal notice, and what became of them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::case::Outcome;
use crate::ids::CertificateId;

/// Whether a document still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It holds.
    Valid,
    /// A review brought another one in its place.
    Superseded,
    /// It was taken back.
    Revoked,
}

impl Standing {
    /// The code in rows and texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
        }
    }

    /// The standing with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Valid, Self::Superseded, Self::Revoked].into_iter().find(|standing| standing.code() == code)
    }
}

/// One issued document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its name.
    pub id: CertificateId,
    /// Its number; given by the store, without gaps, when the row is written.
    pub number: Option<String>,
    /// What can't be guessed, in the address that its QR code holds.
    pub token: String,
    /// What it says.
    pub outcome: Outcome,
    /// Whether it still holds.
    pub standing: Standing,
    /// When it was decided.
    pub issued_at: DateTime<Utc>,
    /// SHA-256 of the PDF in the blob store, once the issuer has made it.
    pub document: Option<String>,
    /// Why it was taken back: one of [`crate::case::REASONS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_for: Option<String>,
}
