//! What verifiers fetch: keys, the DID document, what to trust, the context of our credentials, status lists.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use documents::{Place, Purpose, STATUS_TTL_MS, context};
use domain::Rejection;
use serde_json::Value;

use crate::web::Answer;
use crate::web::ctx::Ctx;

/// How long keys may be kept, in seconds: a new one is published before it signs.
const KEYS_MAX_AGE: u64 = 3_600;

fn published(kind: &'static str, max_age: u64, body: impl Into<Vec<u8>>) -> HttpResponse {
    HttpResponse::build(StatusCode::OK)
        .content_type(kind)
        .insert_header((header::CACHE_CONTROL, format!("public, max-age={max_age}")))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .body(body.into())
}

fn json(kind: &'static str, body: &Value) -> HttpResponse {
    published(kind, KEYS_MAX_AGE, body.to_string())
}

/// `GET /.well-known/jwks.json`
pub async fn jwks(ctx: Ctx) -> Answer {
    Ok(json("application/jwk-set+json", &ctx.site().tree.world.document_keys().jwks()))
}

/// `GET /.well-known/keys/{thumbprint}`: one key, as badges name it.
pub async fn key(ctx: Ctx, thumbprint: web::Path<String>) -> Answer {
    let jwk = ctx.site().tree.world.document_keys().jwk(&thumbprint).ok_or(Rejection::NotFound)?;
    Ok(json("application/jwk+json", &jwk))
}

/// `GET /.well-known/did.json`
pub async fn did(ctx: Ctx) -> Answer {
    Ok(json("application/did+json", &ctx.site().tree.world.document_keys().did_document()))
}

/// `GET /.well-known/renzheng-trust.json`: what `renzheng verify --trust` takes.
pub async fn trust(ctx: Ctx) -> Answer {
    let trust = ctx.site().tree.world.document_keys().trust().to_json().map_err(|error| ctx.fault(error))?;
    Ok(json("application/json", &trust))
}

/// `GET /credentials/v1`: the context of our own words.
pub async fn words(ctx: Ctx) -> Answer {
    Ok(json("application/ld+json", &context(ctx.site().tree.world.document_keys())))
}

/// `GET /credentials/status/{list}/{purpose}`
pub async fn status(ctx: Ctx, path: web::Path<(String, String)>) -> Answer {
    let (list, purpose) = path.into_inner();
    let purpose = Purpose::from_code(&purpose).ok_or(Rejection::NotFound)?;
    let (first, last) = Place::numbers(&list).ok_or(Rejection::NotFound)?;
    let set = ctx.db(move |store| store.numbers_not_valid(&first, &last, purpose == Purpose::Message)).await?;
    let keys = ctx.site().tree.world.document_keys();
    let signed = keys.status_list(&list, purpose, &set, ctx.now()).map_err(|error| ctx.fault(error))?;
    Ok(published(proof::jose::VC_JWT, STATUS_TTL_MS / 1_000, signed))
}
