//! A posted form: parsed leniently, and believed only from a page of ours.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use domain::form::Raw;

use crate::error::Failure;
use crate::web::ctx::Ctx;

/// Largest form without files, in bytes.
pub const FORM_MOST: usize = 128 * 1024;
/// The name of the token's field.
pub const TOKEN: &str = "_token";

/// The fields of a posted form, the token taken out.
#[derive(Debug, Clone)]
pub struct Posted(pub Raw);

impl Posted {
    /// A field, or the empty text.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A field, if it is there and not empty.
    pub fn some(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Whether the browser says that the request comes from one of our own pages.
pub fn is_ours(ctx: &Ctx) -> bool {
    // By whatever name the site was reached, the form must come from a page reached by the same one.
    let host = ctx.header("Host").unwrap_or_default();
    let same = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| authority == host);
    let origin = ctx.header("Origin").is_none_or(|origin| origin == ctx.site().origin || same(origin));
    let fetch = ctx.header("Sec-Fetch-Site").is_none_or(|site| matches!(site, "same-origin" | "none"));
    origin && fetch
}

/// Whether `token` belongs to this browser.
pub fn token_fits(ctx: &Ctx, token: &str) -> bool {
    let expected = ctx.form_token();
    // Both are keyed hashes in hexadecimal: comparing digests of them leaks nothing about either.
    expected.len() == token.len() && expected.bytes().zip(token.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

impl FromRequest for Posted {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let ctx = Ctx::of(request);
        let body = web::Form::<Vec<(String, String)>>::from_request(request, payload);
        Box::pin(async move {
            let pairs = body.await?.into_inner();
            // A name that comes twice keeps its last value, as a ticked box does over its hidden twin.
            // NUL is no character of any answer, and one database refuses it.
            let mut raw: Raw = pairs.into_iter().map(|(name, value)| (name, value.replace('\0', ""))).collect();
            let token = raw.remove(TOKEN).unwrap_or_default();
            if !is_ours(&ctx) || !token_fits(&ctx, &token) {
                return Err(Failure::Forged.into());
            }
            Ok(Self(raw))
        })
    }
}

/// A posted question that changes nothing: from a page of ours, or by a machine that asks for JSON and needs no page before.
#[derive(Debug, Clone)]
pub struct Asked(pub Raw);

impl FromRequest for Asked {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        if !Ctx::of(request).wants_json() {
            let posted = Posted::from_request(request, payload);
            return Box::pin(async move { Ok(Self(posted.await?.0)) });
        }
        // A machine has no origin; a page of somebody else's asks through a browser, which tells.
        if !is_ours(&Ctx::of(request)) {
            return Box::pin(async { Err(Failure::Forged.into()) });
        }
        let body = web::Form::<Vec<(String, String)>>::from_request(request, payload);
        Box::pin(async move {
            let pairs = body.await?.into_inner();
            Ok(Self(pairs.into_iter().map(|(name, value)| (name, value.replace('\0', ""))).collect()))
        })
    }
}
