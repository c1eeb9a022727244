//! The kit: what every page is made of.

pub mod assets;
pub mod components;
pub mod ctx;
pub mod form;
pub mod kept;
pub mod layout;
pub mod live;
pub mod posted;
pub mod qr;
pub mod security;
pub mod site;
pub mod trace;

use actix_web::HttpResponse;

/// What a handler gives back.
pub type Answer = Result<HttpResponse, crate::error::Failure>;
