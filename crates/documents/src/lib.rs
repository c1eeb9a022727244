//! Documents that prove themselves (R2.16): certificates, notices and receipts as PDF/A-3b, signed by PAdES, with their
//! credential attached; the same decision as a credential and as a badge; and the examination of any of them, offline.
//!
//! Layout is in `assets/documents/*.typ`. [`Issuer`] makes a document of a decided case, [`Cashbook`] a receipt, [`Keys`]
//! signs, [`examine`] verifies. Signatures themselves are crate `proof`'s.

#[cfg(test)]
mod archive_tests;
mod certificate;
mod credential;
mod examine;
#[cfg(test)]
mod examine_tests;
mod keys;
mod pades;
mod press;
mod receipt;

pub use certificate::{CertificateFacts, Draft, Issuer};
pub use credential::{Place, Purpose, STATUS_TTL_MS, badge, context, context_url, credential, status_in};
pub use examine::{Check, Examined, Kind, examine};
pub use keys::{KeySettings, Keys, Trust, did_of};
pub use pades::FILE_MOST;
pub use press::PressError;
pub use receipt::{Cashbook, ReceiptFacts};
