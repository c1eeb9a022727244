//! locales_agree
