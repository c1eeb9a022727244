//! What administrators look up: the audit log, and the calendar of working days with the end of what it covers.

use actix_web::web;
use chrono::Datelike;
use domain::staff::Act;
use maud::html;
use serde::Deserialize;

use crate::staff::people::tabs;
use crate::web::Answer;
use crate::web::components::instant;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

const ROWS: i64 = 100;
/// From this month on the next year's notice is due, and its absence is a warning (calendar.md).
const NOTICE_MONTH: u32 = 10;

/// Where the page of the log begins.
#[derive(Deserialize)]
pub struct View {
    before: Option<i64>,
}

/// `GET /staff/audit`
pub async fn audit(ctx: Ctx, view: web::Query<View>) -> Answer {
    ctx.officer(Act::Administer).await?;
    let before = view.before;
    let (rows, names) = ctx.db(move |store| Ok((store.audit_log(before, ROWS)?, store.staff_names()?))).await?;
    let name = |by: &str| match by.split_once(':') {
        Some((_, id)) => {
            names.iter().find(|(known, _)| known == id).map_or_else(|| by.to_owned(), |(_, name)| name.clone())
        }
        None => ctx.t(&format!("by-{by}")),
    };
    let more = rows.last().filter(|_| rows.len() == usize::try_from(ROWS).unwrap_or(0)).map(|(seq, _)| *seq);
    Ok(Page::new(ctx.t("audit-title")).staff().show(
        &ctx,
        html! {
            (tabs(&ctx, "audit"))
            h1 { (ctx.t("audit-title")) }
            p class="hint" { (ctx.t("audit-words")) }
            div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("audit-title")) { table {
                thead { tr { th scope="col" { "#" } th scope="col" { (ctx.t("records-date")) } th scope="col" { (ctx.t("audit-who")) } th scope="col" { (ctx.t("audit-act")) } th scope="col" { (ctx.t("audit-subject")) } } }
                tbody { @for (seq, row) in &rows {
                    tr { td { (seq) } td { (instant(&ctx, row.at)) } td { (name(&row.by)) } td { code { (row.act) } } td { code { (row.subject) } } }
                } }
            } }
            @if let Some(more) = more { p { a href={"/staff/audit?before=" (more)} { (ctx.t("queue-more")) } } }
        },
    ))
}

/// `GET /staff/calendar`
pub async fn calendar(ctx: Ctx) -> Answer {
    ctx.officer(Act::Administer).await?;
    let calendar = &ctx.site().tree.world.calendar;
    let today = ctx.today();
    let until = calendar.covered_until();
    let missing = until.is_none_or(|until| until < today.year())
        || (today.month() >= NOTICE_MONTH && until.is_none_or(|until| until <= today.year()));
    let year = until.map_or_else(|| ctx.t("clearing-nothing"), |until| until.to_string());
    Ok(Page::new(ctx.t("calendar-title")).staff().show(
        &ctx,
        html! {
            (tabs(&ctx, "calendar"))
            h1 { (ctx.t("calendar-title")) }
            p { (ctx.with("calendar-until", &[("year", &year)])) }
            @if missing { p class="advice" { strong { (ctx.with("calendar-missing", &[("year", &(today.year() + 1).to_string())])) } } }
            p class="hint" { (ctx.t("calendar-words")) }
        },
    ))
}
