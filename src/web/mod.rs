//! The kit: what every page is made of.

pub mod assets;
pub mod components;
pub mod ctx;
pub mod form;
pub mod kept;
pub mod layout;
pub mod posted;
pub mod qr;
pub mod security;
pub mod site;

use actix_web::HttpResponse;

/// What a handler gives back.
pub type Answer = Result<HttpResponse, crate::error::Failure>;
