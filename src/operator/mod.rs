//! The operators' console (R7.1, R7.2): the tree, one child, the supervision log, queues with what was set aside, dead
//! letters. Everything arrives by itself where there are scripts; without them the same page is complete after a reload.

mod acts;
mod chaos;
mod child;
mod letters;
mod log;
pub mod metrics;
mod overview;
mod parts;
mod queues;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix_web::web;
use maud::{Markup, html};
use supervision::System;

use crate::web::ctx::Ctx;

/// Counters on an open page are renewed so often.
const COUNTERS_EVERY: Duration = Duration::from_secs(1);
/// After a page was looked at without a stream, letters are measured for so long: the next look shows ages and times.
const WATCHED_FOR: Duration = Duration::from_secs(120);

/// The routes of this folder.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/operator", web::get().to(overview::show))
        .route("/operator/live", web::get().to(overview::live))
        .route("/operator/child", web::get().to(child::show))
        .route("/operator/child/live", web::get().to(child::live))
        .route("/operator/log", web::get().to(log::show))
        .route("/operator/log/live", web::get().to(log::live))
        .route("/operator/queues", web::get().to(queues::show))
        .route("/operator/queues/live", web::get().to(queues::live))
        .route("/operator/letters", web::get().to(letters::show))
        .route("/operator/act", web::get().to(acts::ask))
        .route("/operator/act", web::post().to(acts::act))
        .route("/operator/chaos", web::get().to(chaos::show))
        .route("/operator/chaos", web::post().to(chaos::order))
        .route("/metrics", web::get().to(metrics::show));
}

/// The console's pages, each one click away.
fn tabs(ctx: &Ctx, here: &str) -> Markup {
    let chaos = chaos::offered(ctx);
    let pages = ["", "/log", "/queues", "/letters", "/chaos"];
    html! {
        nav class="tabs" aria-label=(ctx.t("operator-title")) {
            @for page in pages.into_iter().filter(|page| chaos || *page != "/chaos") {
                @let words = if page.is_empty() { "operator-tree".to_owned() } else { page.replacen('/', "operator-tab-", 1) };
                a href={"/operator" (page)} aria-current=[(page == here).then_some("page")] { (ctx.t(&words)) }
            }
        }
    }
}

/// Keeps letters measured for a while after a page was looked at: one watch for all looks.
#[derive(Default)]
pub struct Looked {
    until: Arc<AtomicI64>,
}

impl Looked {
    /// Somebody looks now.
    fn now(&self, system: &System) {
        let now = chrono::Utc::now().timestamp();
        let span = i64::try_from(WATCHED_FOR.as_secs()).unwrap_or(0);
        if self.until.swap(now + span, Ordering::SeqCst) > now {
            return;
        }
        let (until, watch) = (Arc::clone(&self.until), system.watch());
        actix_web::rt::spawn(async move {
            while chrono::Utc::now().timestamp() < until.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            drop(watch);
        });
    }
}
