//! Liveness and readiness (R7.3).

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use supervision::State;

use crate::web::ctx::Ctx;

fn plain(ok: bool, words: &str) -> HttpResponse {
    let mut response = if ok { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.content_type(ContentType::plaintext()).body(format!("{words}\n"))
}

/// `GET /healthz`: the process answers.
pub async fn alive() -> HttpResponse {
    plain(true, "alive")
}

/// `GET /readyz`: database, blobs and tree are there, and the process is not about to end.
pub async fn ready(ctx: Ctx) -> HttpResponse {
    match unready(&ctx).await {
        Some(why) => plain(false, why),
        None => plain(true, "ready"),
    }
}

/// What keeps the service from taking requests, if anything does.
pub async fn unready(ctx: &Ctx) -> Option<&'static str> {
    if ctx.site().is_draining() {
        return Some("draining");
    }
    let stores = ctx
        .db(|store| {
            store.ping()?;
            store.blobs().ping()
        })
        .await;
    if stores.is_err() {
        return Some("database or blobs");
    }
    let children = ctx.site().tree.reconcilers.children();
    if children.iter().any(|child| matches!(child.state(), State::Suspended | State::Stopped)) {
        return Some("tree");
    }
    None
}
