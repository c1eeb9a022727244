//! Certificates and receipts as PDF.
