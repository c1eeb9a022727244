//! The queue: cases by stage, the longest waiting first, paged by key; the view is in the address.

use actix_web::web;
use chrono::{DateTime, Utc};
use domain::case::Stage;
use domain::ids::ApplicationId;
use domain::staff::Act;
use maud::html;
use serde::Deserialize;

use crate::web::Answer;
use crate::web::components::{cursor_instant, instant};
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// Rows on a page.
const ROWS: i64 = 25;
const STAGES: [Stage; 5] = [Stage::Screening, Stage::Assessing, Stage::Proposed, Stage::Decided, Stage::NotAccepted];

/// The view.
#[derive(Deserialize)]
pub struct View {
    stage: Option<String>,
    after: Option<String>,
    number: Option<String>,
}

fn cursor(text: &str) -> Option<(DateTime<Utc>, ApplicationId)> {
    let (micros, id) = text.split_once('.')?;
    Some((cursor_instant(micros)?, id.parse().ok()?))
}

/// `GET /staff`
pub async fn show(ctx: Ctx, view: web::Query<View>) -> Answer {
    let officer = ctx.officer(Act::ViewCases).await?;
    let mut missed = false;
    if let Some(number) = view.number.clone().filter(|number| !number.trim().is_empty()) {
        match ctx.db(move |store| store.application_by_number(&number)).await {
            Ok(id) => return Ok(ctx.redirect(&format!("/staff/case/{id}"))),
            Err(_) => missed = true,
        }
    }
    let first = if officer.may(Act::Accept) {
        Stage::Screening
    } else if officer.may(Act::Propose) {
        Stage::Assessing
    } else {
        Stage::Proposed
    };
    let stage =
        view.stage.as_deref().and_then(Stage::from_code).filter(|stage| STAGES.contains(stage)).unwrap_or(first);
    let after = view.after.as_deref().and_then(cursor);
    let (rows, counts) = ctx
        .db(move |store| {
            let rows = store.queue(stage, after, ROWS)?;
            let counts = STAGES
                .iter()
                .map(|stage| Ok((*stage, store.count_in(*stage)?)))
                .collect::<Result<Vec<_>, store::StoreError>>()?;
            Ok((rows, counts))
        })
        .await?;
    let more = rows.last().filter(|_| rows.len() == usize::try_from(ROWS).unwrap_or(0));
    let more = more
        .map(|row| format!("/staff?stage={}&after={}.{}", stage.code(), row.since.timestamp_micros(), row.application));
    Ok(Page::new(ctx.t("nav-queue")).staff().show(
        &ctx,
        html! {
            h1 { (ctx.t("nav-queue")) }
            p { (ctx.with("staff-hello", &[("name", &officer.name)])) }
            form method="get" class="search" {
                label for="number" { (ctx.t("case-number")) }
                input id="number" name="number" class="medium" value=(view.number.clone().unwrap_or_default());
                button type="submit" class="secondary" { (ctx.t("find")) }
            }
            @if missed { p class="error" role="alert" { (ctx.t("find-none")) } }
            nav class="tabs" aria-label=(ctx.t("queue-stages")) {
                @for (each, count) in counts {
                    a href={"/staff?stage=" (each.code())} aria-current=[(each == stage).then_some("page")] { (ctx.t(&format!("stage-{}", each.code()))) " (" (count) ")" }
                }
            }
            @if rows.is_empty() { p class="empty" { (ctx.t("queue-empty")) } }
            @else {
                table {
                    thead { tr {
                        th scope="col" { (ctx.t("case-number")) } th scope="col" { (ctx.t("field-kind")) }
                        th scope="col" { (ctx.t("field-country")) } th scope="col" { (ctx.t("move-since")) }
                    } }
                    tbody { @for row in &rows {
                        tr {
                            td { a href={"/staff/case/" (row.application)} { (row.number) } }
                            td { (ctx.t(&format!("choice-kind-{}", row.kind))) }
                            td { (ctx.texts().country(&row.country)) }
                            td { (instant(&ctx, row.since)) }
                        }
                    } }
                }
            }
            @if let Some(more) = more { p { a href=(more) { (ctx.t("queue-more")) } } }
        },
    ))
}
