//! The transparency log as everybody sees it: a page for people, and the shapes of RFC 6962 (§4) for machines.

use std::sync::Arc;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use actors::run;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use maud::html;
use proof::merkle::SignedHead;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{LogEntry, Store, StoreError};

use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::instant;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// Entries on one page.
const PAGE: i64 = 25;
/// Entries in one answer to a machine.
pub const ENTRIES_MOST: i64 = 1_000;
/// `HashAlgorithm.sha256` and `SignatureAlgorithm.ecdsa` (RFC 5246 §7.4.1.4.1).
const SHA256_ECDSA: [u8; 2] = [4, 3];

/// A signed head as RFC 6962 §4.3 has it.
pub fn head_json(head: &SignedHead) -> Value {
    let length = u16::try_from(head.signature.len()).unwrap_or_default().to_be_bytes();
    let signature = [&SHA256_ECDSA[..], &length, &head.signature].concat();
    json!({
        "tree_size": head.size,
        "timestamp": head.at.timestamp_millis(),
        "sha256_root_hash": STANDARD.encode(head.root),
        "tree_head_signature": STANDARD.encode(signature),
    })
}

/// The same read back; `None` when it is no such head.
pub fn head_from_json(value: &Value) -> Option<SignedHead> {
    let bytes = |name: &str| STANDARD.decode(value.get(name)?.as_str()?).ok();
    let signature = bytes("tree_head_signature")?;
    Some(SignedHead {
        size: value.get("tree_size")?.as_u64()?,
        at: DateTime::from_timestamp_millis(value.get("timestamp")?.as_i64()?)?,
        root: bytes("sha256_root_hash")?.try_into().ok()?,
        signature: signature.strip_prefix(&SHA256_ECDSA[..])?.get(2..)?.to_vec(),
    })
}

async fn head(ctx: &Ctx) -> Result<SignedHead, Failure> {
    let world = Arc::clone(&ctx.site().tree.world);
    let rows = world.rows.clone();
    Ok(run(&rows, move || world.signed_head()).await?)
}

/// Which page of entries.
#[derive(Debug, Deserialize)]
pub struct From {
    from: Option<u64>,
}

/// `GET /log`
pub async fn show(ctx: Ctx, query: web::Query<From>) -> Answer {
    let head = head(&ctx).await?;
    let last = head.size.saturating_sub(PAGE.unsigned_abs());
    let from = query.from.map_or(last, |from| from.min(head.size.saturating_sub(1)));
    let entries = ctx.db(move |store| store.log_entries(from, PAGE)).await?;
    let field = |entry: &LogEntry, name: &str| -> String {
        let read: Value = serde_json::from_str(&entry.body).unwrap_or_default();
        read.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let at = |entry: &LogEntry| {
        let read = DateTime::parse_from_rfc3339(&field(entry, "at"));
        read.map(|at| instant(&ctx, at.to_utc())).unwrap_or_default()
    };
    let earlier = from.saturating_sub(PAGE.unsigned_abs());
    let later = from.saturating_add(PAGE.unsigned_abs());
    let facts = [
        (ctx.t("log-size"), head.size.to_string()),
        (ctx.t("log-root"), hex::encode(head.root)),
        (ctx.t("log-signed"), instant(&ctx, head.at)),
    ];
    Ok(Page::new(ctx.t("log-title")).show(
        &ctx,
        html! {
            h1 { (ctx.t("log-title")) }
            p class="lead" { (ctx.t("log-lead")) }
            (crate::web::components::rows(&facts))
            h2 { (ctx.t("log-entries")) }
            @if entries.is_empty() { p class="empty" { (ctx.t("log-empty")) } }
            @else {
                div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("log-entries")) { table {
                    thead { tr { th { "#" } th { (ctx.t("log-at")) } th { (ctx.t("log-kind")) } th { (ctx.t("certificate-number")) } th { (ctx.t("log-document")) } } }
                    tbody { @for entry in &entries { tr {
                        td { (entry.index + 1) }
                        td { (at(entry)) }
                        td { (ctx.t(&format!("log-kind-{}", entry.kind.code()))) }
                        td { span class="number" { (field(entry, "number")) } }
                        td { span class="number hint" { (field(entry, "document").chars().take(16).collect::<String>()) "…" } }
                    } } }
                } }
                p class="actions" {
                    @if from > 0 { a href={"/log?from=" (earlier)} { (ctx.t("log-earlier")) } }
                    @if later < head.size { a href={"/log?from=" (later)} { (ctx.t("log-later")) } }
                }
            }
            details { summary { (ctx.t("log-machines")) }
                p { (ctx.t("log-machines-words")) }
                ul { @for path in ["/log/v1/get-sth", "/log/v1/get-entries?start=0&end=99", "/log/v1/get-sth-consistency?first=1&second=2", "/log/v1/get-proof-by-hash", "/.well-known/jwks.json", "/.well-known/did.json", "/.well-known/renzheng-trust.json"] {
                    li { code { (path) } }
                } }
                p { code { "renzheng verify-log --site " (ctx.site().origin) " --kept head.json" } }
            }
        },
    ))
}

fn machine(status: StatusCode, body: &Value) -> HttpResponse {
    HttpResponse::build(status).insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")).json(body)
}

fn refused(why: &str) -> HttpResponse {
    machine(StatusCode::BAD_REQUEST, &json!({"success": false, "error_message": why}))
}

/// What is asked of the store for a machine: what is not there was asked wrongly.
async fn asked(
    ctx: &Ctx,
    work: impl FnOnce(&Store) -> Result<Value, StoreError> + Send + 'static,
) -> Result<HttpResponse, Failure> {
    let looked = ctx
        .db(move |store| match work(store) {
            Err(StoreError::Missing | StoreError::Value(_)) => Ok(None),
            other => other.map(Some),
        })
        .await?;
    Ok(looked.map_or_else(|| refused("no such entries"), |body| machine(StatusCode::OK, &body)))
}

/// `GET /log/v1/get-sth`
pub async fn sth(ctx: Ctx) -> Answer {
    Ok(machine(StatusCode::OK, &head_json(&head(&ctx).await?)))
}

/// Two sizes.
#[derive(Debug, Deserialize)]
pub struct Sizes {
    first: u64,
    second: u64,
}

fn encoded(hashes: &[proof::merkle::Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}

/// `GET /log/v1/get-sth-consistency?first=…&second=…`
pub async fn consistency(ctx: Ctx, sizes: Option<web::Query<Sizes>>) -> Answer {
    let Some(sizes) = sizes else { return Ok(refused("first and second are wanted")) };
    let (first, second) = (sizes.first, sizes.second);
    asked(&ctx, move |store| {
        if second > store.log_size()? {
            return Err(StoreError::Missing);
        }
        Ok(json!({"consistency": encoded(&store.log_consistency(first, second)?)}))
    })
    .await
}

/// An entry's hash in base64, and a size.
#[derive(Debug, Deserialize)]
pub struct ByHash {
    hash: String,
    tree_size: u64,
}

/// `GET /log/v1/get-proof-by-hash?hash=…&tree_size=…`
pub async fn proof_by_hash(ctx: Ctx, query: Option<web::Query<ByHash>>) -> Answer {
    let Some(query) = query else { return Ok(refused("hash and tree_size are wanted")) };
    let Ok(hash) = STANDARD.decode(&query.hash) else { return Ok(refused("hash is not base64")) };
    let (hash, size) = (hex::encode(hash), query.tree_size);
    asked(&ctx, move |store| {
        if size > store.log_size()? {
            return Err(StoreError::Missing);
        }
        let index = store.log_index(&hash)?.ok_or(StoreError::Missing)?;
        Ok(json!({"leaf_index": index, "audit_path": encoded(&store.log_inclusion(index, size)?)}))
    })
    .await
}

/// The first and the last entry that are wanted.
#[derive(Debug, Deserialize)]
pub struct Range {
    start: u64,
    end: u64,
}

/// `GET /log/v1/get-entries?start=…&end=…`: both included, at the most [`ENTRIES_MOST`]
pub async fn entries(ctx: Ctx, range: Option<web::Query<Range>>) -> Answer {
    let Some(range) = range else { return Ok(refused("start and end are wanted")) };
    let (start, end) = (range.start, range.end);
    if end < start {
        return Ok(refused("end lies before start"));
    }
    let most = i64::try_from(end - start).unwrap_or(i64::MAX).saturating_add(1).min(ENTRIES_MOST);
    asked(&ctx, move |store| {
        let entries = store.log_entries(start, most)?;
        if entries.is_empty() {
            return Err(StoreError::Missing);
        }
        let each = |entry: &LogEntry| json!({"leaf_input": STANDARD.encode(&entry.body), "extra_data": ""});
        Ok(json!({"entries": entries.iter().map(each).collect::<Vec<_>>()}))
    })
    .await
}
