//! Reconciliation (R6.4): each day's clearing file, and each discrepancy with its age, its owner and its resolution, which
//! one person proposes and another confirms.

use actix_web::web;
use chrono::{DateTime, Utc};
use domain::Rejection;
use domain::effects::{Actor, AuditEntry};
use domain::money::Fen;
use domain::staff::Act;
use maud::{Markup, html};
use serde::Deserialize;
use store::DiscrepancyRow;

use crate::staff::ledger;
use crate::web::Answer;
use crate::web::components::{cursor_instant, day, instant};
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const DAYS: i64 = 31;
const ROWS: i64 = 50;
/// Longest resolution, in characters.
const WORDS_MOST: usize = 500;

/// What is looked at.
#[derive(Deserialize)]
pub struct View {
    resolved: Option<u8>,
    after: Option<String>,
}

fn cursor(text: &str) -> Option<(DateTime<Utc>, String)> {
    let (micros, id) = text.split_once('.')?;
    Some((cursor_instant(micros)?, id.to_owned()))
}

/// `GET /staff/clearing`
pub async fn show(ctx: Ctx, view: web::Query<View>) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let open = view.resolved.is_none();
    let after = view.after.as_deref().and_then(cursor);
    let (days, found, names) = ctx
        .db(move |store| {
            Ok((store.clearing_days(DAYS)?, store.discrepancies(open, after, ROWS)?, store.staff_names()?))
        })
        .await?;
    let more = found.last().filter(|_| found.len() == usize::try_from(ROWS).unwrap_or(0)).map(|row| {
        let at = row.resolved.as_ref().map_or(row.opened_at, |(at, _)| *at).timestamp_micros();
        let view = if open { "" } else { "resolved=1&" };
        format!("/staff/clearing?{view}after={at}.{}", row.id)
    });
    let name = |id: &Option<String>| {
        let known = names.iter().find(|(known, _)| Some(known) == id.as_ref());
        known.map_or_else(String::new, |(_, name)| name.clone())
    };
    let me = officer.id.to_string();
    Ok(Page::new(ctx.t("clearing-title")).staff().show(
        &ctx,
        html! {
            (ledger::tabs(&ctx, "clearing"))
            h1 { (ctx.t("clearing-title")) }
            nav class="tabs" aria-label=(ctx.t("clearing-title")) {
                a href="/staff/clearing" aria-current=[open.then_some("page")] { (ctx.t("clearing-open")) }
                a href="/staff/clearing?resolved=1" aria-current=[(!open).then_some("page")] { (ctx.t("clearing-resolved")) }
            }
            @if found.is_empty() { p class="empty" { (ctx.t("clearing-none")) } }
            @for row in &found { (one(&ctx, row, &me, &name)) }
            @if let Some(more) = more { p { a href=(more) { (ctx.t("queue-more")) } } }
            table {
                caption { (ctx.t("clearing-days")) }
                thead { tr { th scope="col" { (ctx.t("records-date")) } th scope="col" { (ctx.t("clearing-fetched")) } th scope="col" class="amount" { (ctx.t("clearing-lines")) } th scope="col" class="amount" { (ctx.t("clearing-matched")) } } }
                tbody { @for row in &days { tr { td { (day(&ctx, row.day)) } td { (instant(&ctx, row.fetched_at)) } td class="amount" { @match row.lines { Some(lines) => (lines), None => strong { (ctx.t("clearing-unread")) } } } td class="amount" { (row.matched) } } } }
            }
        },
    ))
}

fn one(ctx: &Ctx, row: &DiscrepancyRow, me: &str, name: &dyn Fn(&Option<String>) -> String) -> Markup {
    let age = (ctx.now() - row.opened_at).num_days().to_string();
    let amount = |fen: &Option<Fen>| fen.map_or_else(|| ctx.t("clearing-nothing"), |fen| format!("¥{fen}"));
    let form = |act: &str, body: &Markup| {
        html! {
            form method="post" action={"/staff/clearing/" (row.id)} class="act" {
                (token(ctx)) input type="hidden" name="act" value=(act); (body)
            }
        }
    };
    html! {
        article class="card" {
            h2 { (ctx.t(&format!("difference-{}", row.kind))) " " span class="hint" { (ctx.with("clearing-age", &[("days", &age)])) } }
            dl class="rows" {
                div { dt { (ctx.t("pay-order-number")) } dd { code { (row.order) } } }
                div { dt { (ctx.t("clearing-day")) } dd { (day(ctx, row.day)) } }
                div { dt { (ctx.t("clearing-here")) } dd { (amount(&row.here)) } }
                div { dt { (ctx.t("clearing-there")) } dd { (amount(&row.there)) } }
                @if row.owner.is_some() { div { dt { (ctx.t("clearing-owner")) } dd { (name(&row.owner)) } } }
                @if let Some(words) = &row.resolution { div { dt { (ctx.t("clearing-resolution")) } dd { (words) } } }
                @if let Some((at, by)) = &row.resolved { div { dt { (ctx.t("clearing-confirmed")) } dd { (name(&Some(by.clone()))) " " (instant(ctx, *at)) } } }
            }
            @if row.resolved.is_none() {
                @if let Some(words) = row.resolution.as_ref().filter(|_| row.proposed_by.as_deref() != Some(me)) {
                    (form("confirm", &html! { input type="hidden" name="words" value=(words); button type="submit" { (ctx.t("clearing-confirm")) } }))
                }
                details { summary { (ctx.t("clearing-propose")) }
                    (form("propose", &html! {
                        label for={"words-" (row.id)} { (ctx.t("clearing-words")) }
                        textarea id={"words-" (row.id)} name="words" rows="2" { (row.resolution.clone().unwrap_or_default()) }
                        button type="submit" class="secondary" { (ctx.t("clearing-propose")) }
                    }))
                }
            }
        }
    }
}

/// `POST /staff/clearing/{id}`
pub async fn act(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let words: String = posted.get("words").trim().chars().take(WORDS_MOST).collect();
    let (id, by, now) = (id.into_inner(), officer.id, ctx.now());
    let confirms = posted.get("act") == "confirm";
    if confirms {
        ctx.confirmed(&posted.0).await?;
    }
    if words.is_empty() {
        return Err(Rejection::field("note", "missing").into());
    }
    let act = if confirms { "resolution-confirmed" } else { "resolution-proposed" };
    let entry = AuditEntry { by: Actor::Staff(by), act, subject: format!("discrepancy:{id}") };
    let done = ctx
        .db(move |store| {
            let done = if confirms {
                store.confirm_resolution(&id, by, &words, now)?
            } else {
                store.propose_resolution(&id, by, &words)?
            };
            if done {
                store.note(&entry, now)?;
            }
            Ok(done)
        })
        .await?;
    if !done {
        // Somebody else was quicker, or it is one's own.
        return Err(Rejection::Stale.into());
    }
    ctx.flash("flash-decided");
    Ok(ctx.redirect("/staff/clearing"))
}
