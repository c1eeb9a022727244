//! Certificates, notices and receipts as PDF (R2.16): typst templates, embedded fonts, a QR code.
//!
//! Layout is in `assets/documents/*.typ`. [`Issuer`] makes a document of a decided case; whatever must happen to the
//! finished file (a signature, a credential attached) is a [`Finish`].

mod certificate;
mod press;
mod receipt;

pub use certificate::{CertificateFacts, Issuer};
pub use press::{Press, PressError, qr_svg};
pub use receipt::{Cashbook, ReceiptFacts};

/// What is done to a finished PDF before it is kept: the place of signature and credential.
pub trait Finish: Send + Sync {
    /// Gives back the file that is kept and handed out.
    ///
    /// # Errors
    /// When it can't be done: then the document is not issued.
    fn finish(&self, pdf: Vec<u8>) -> Result<Vec<u8>, PressError>;
}

/// Leaves the file as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsItIs;

impl Finish for AsItIs {
    fn finish(&self, pdf: Vec<u8>) -> Result<Vec<u8>, PressError> {
        Ok(pdf)
    }
}
