//! The operators' first view (R7.1): the tree, the log, dead letters, queues. The same without scripts.

use actix_web::web;
use chrono::TimeDelta;
use domain::staff::Act;
use maud::html;

use crate::web::Answer;
use crate::web::components::instant;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// Sessions that are listed; there may be a million.
const RESIDENTS_MOST: usize = 20;
const EVENTS_MOST: usize = 50;
/// The trading certificate is renewed by hand, and that takes its time.
const CERTIFICATE_WARNING: TimeDelta = TimeDelta::days(60);

/// The routes of this folder.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/operator", web::get().to(show));
}

/// `GET /operator`
pub async fn show(ctx: Ctx) -> Answer {
    ctx.officer(Act::ViewMachinery).await?;
    let tree = &ctx.site().tree;
    let queues = ctx
        .db(|store| {
            Ok([
                ("queue-notices", store.notices_waiting()?),
                ("queue-payments", store.attempts_waiting()?),
                ("queue-uploads", store.materials_waiting()?),
                ("queue-certificates", store.certificates_waiting()?),
                ("queue-refunds", store.refunds_going()?),
            ])
        })
        .await?;
    let parked = ctx.db(|store| store.attempts_parked()).await?;
    let expires = tree.world.outside.union_pay.certificate_expires();
    let soon = expires - ctx.now() < CERTIFICATE_WARNING;
    let mut children = tree.reconcilers.children();
    children.extend(tree.sessions.residents(RESIDENTS_MOST));
    Ok(Page::new(ctx.t("operator-title")).staff().show(
        &ctx,
        html! {
            h1 { (ctx.t("operator-title")) }
            div id="machinery" data-hx-get="/operator" data-hx-trigger="every 3s" data-hx-select="#machinery" data-hx-swap="outerHTML" data-hx-nonce=(ctx.nonce()) {
                @if parked > 0 || soon {
                    section class="summary" role="alert" {
                        h2 { (ctx.t("operator-alarms")) }
                        ul {
                            @if parked > 0 { li { (ctx.with("operator-parked", &[("count", &parked.to_string())])) } }
                            @if soon { li { (ctx.with("operator-certificate", &[("at", &instant(&ctx, expires))])) } }
                        }
                    }
                }
                section {
                    h2 { (ctx.t("operator-tree")) }
                    p { (ctx.with("operator-sessions", &[("count", &tree.sessions.len().to_string())])) }
                    div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("operator-tree")) { table {
                        thead { tr { @for head in ["operator-child", "operator-state", "operator-mailbox", "operator-handled", "operator-restarts", "operator-failure"] { th scope="col" { (ctx.t(head)) } } } }
                        tbody { @for child in &children {
                            tr {
                                td { code { (child.name()) } }
                                td { span class=(if child.healthy() { "tag tag-done" } else { "tag tag-next" }) { (child.state().name()) } }
                                td { (child.depth()) " / " (child.bound()) }
                                td { (child.handled()) }
                                td { (child.restarts()) }
                                td { @if let Some(failure) = child.last_failure() { (instant(&ctx, failure.at)) " " code { (failure.reference) } " " (failure.place) } }
                            }
                        } }
                    } }
                }
                section {
                    h2 { (ctx.t("operator-queues")) }
                    dl class="rows" { @for (name, count) in queues { div { dt { (ctx.t(name)) } dd { (count) } } } }
                }
                section {
                    h2 { (ctx.t("operator-dead")) " (" (tree.system.dead_letters().count()) ")" }
                    ul { @for letter in tree.system.dead_letters().newest(10) { li { (instant(&ctx, letter.at)) " " code { (letter.child) } " " (letter.message) } } }
                }
                section {
                    h2 { (ctx.t("operator-log")) }
                    div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("operator-log")) { table {
                        thead { tr { @for head in ["records-date", "operator-event", "operator-child", "operator-detail"] { th scope="col" { (ctx.t(head)) } } } }
                        tbody { @for event in tree.system.journal().newest(EVENTS_MOST) {
                            tr { td { (instant(&ctx, event.at)) } td { code { (event.kind.name()) } } td { code { (event.child) } " #" (event.epoch) } td { (event.detail) @if event.backoff_ms > 0 { " · " (event.backoff_ms) " ms" } } }
                        } }
                    } }
                }
            }
        },
    ))
}
