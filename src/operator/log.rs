//! `/operator/log`: the supervision log, filtered by kind, child and time, paged; the first page streams.

use actix_web::web;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use domain::staff::Act;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use store::EventFilter;
use supervision::EventKind;

use crate::error::Failure;
use crate::operator::parts;
use crate::operator::{COUNTERS_EVERY, tabs};
use crate::web::Answer;
use crate::web::components::cursor_instant;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;
use crate::web::live::{Wake, part, stream};

const ROWS: i64 = 50;
/// Longer than any name of a child.
const NAME_MOST: usize = 80;

/// What is wanted of the log.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct View {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    child: String,
    /// Beijing time, as `datetime-local` writes it.
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    /// The last of the page before: microseconds and key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    after: String,
}

/// A local instant of a form, in Beijing.
fn local(text: &str) -> Option<DateTime<Utc>> {
    let at = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok()?;
    at.and_utc().checked_sub_signed(TimeDelta::hours(8))
}

impl View {
    fn filter(&self) -> EventFilter {
        let known = EventKind::ALL.into_iter().map(EventKind::name).find(|name| *name == self.kind);
        // No name of a child holds a control character, and one database refuses some of them.
        let child: String = self.child.trim().chars().filter(|c| !c.is_control()).take(NAME_MOST).collect();
        EventFilter {
            kind: known.map(ToOwned::to_owned),
            child: Some(child).filter(|child| !child.is_empty()),
            from: local(&self.from),
            to: local(&self.to),
        }
    }

    fn cursor(&self) -> Option<(DateTime<Utc>, String)> {
        let (micros, id) = self.after.split_once('.')?;
        Some((cursor_instant(micros)?, id.chars().filter(char::is_ascii_alphanumeric).take(40).collect()))
    }

    fn address(&self, base: &str, after: &str) -> String {
        let view = Self { after: after.to_owned(), ..self.clone() };
        format!("{base}?{}", serde_urlencoded::to_string(&view).unwrap_or_default())
    }
}

/// `GET /operator/log`
pub async fn show(ctx: Ctx, view: web::Query<View>) -> Answer {
    ctx.officer(Act::ViewMachinery).await?;
    let view = view.into_inner();
    let body = body(&ctx, &view).await?;
    let time_wrong = |text: &str| !text.is_empty() && local(text).is_none();
    let wrong = time_wrong(&view.from) || time_wrong(&view.to);
    Ok(Page::new(ctx.t("operator-log")).staff().live().show(
        &ctx,
        html! {
            (tabs(&ctx, "/log"))
            h1 { (ctx.t("operator-log")) }
            form method="get" action="/operator/log" class="filters" {
                div { label for="kind" { (ctx.t("operator-event")) } select id="kind" name="kind" {
                    option value="" { (ctx.t("filter-any")) }
                    @for kind in EventKind::ALL { option value=(kind.name()) selected[view.kind == kind.name()] { (kind.name()) " " (ctx.t(&format!("event-kind-{}", kind.name().replace('.', "-")))) } }
                } }
                div { label for="child" { (ctx.t("operator-child")) } input id="child" name="child" value=(view.child) autocomplete="off" list="children"; datalist id="children" { @for child in ctx.site().tree.reconcilers.children() { option value=(child.name()) {} } } }
                div { label for="from" { (ctx.t("filter-from")) } input id="from" name="from" type="datetime-local" value=(view.from); }
                div { label for="to" { (ctx.t("filter-to")) } input id="to" name="to" type="datetime-local" value=(view.to); }
                button class="secondary" { (ctx.t("filter-do")) }
            }
            @if wrong { p class="advice" role="alert" { (ctx.t("operator-time-wrong")) } }
            @if view.after.is_empty() && view.to.is_empty() {
                (part(&ctx, &view.address("/operator/log/live", ""), &body))
            } @else { (body) }
        },
    ))
}

/// `GET /operator/log/live`: the newest page, whenever it changes.
pub async fn live(ctx: Ctx, view: web::Query<View>) -> Answer {
    ctx.officer(Act::ViewMachinery).await?;
    let (at, view) = (ctx.clone(), view.into_inner());
    Ok(stream(&ctx, Wake::events(&ctx, COUNTERS_EVERY), move || {
        let (ctx, view) = (at.clone(), view.clone());
        async move {
            ctx.officer(Act::ViewMachinery).await.ok()?;
            body(&ctx, &view).await.ok()
        }
    }))
}

async fn body(ctx: &Ctx, view: &View) -> Result<Markup, Failure> {
    let (filter, cursor) = (view.filter(), view.cursor());
    let events = ctx.db(move |store| parts::told(store, store.events(&filter, cursor, ROWS)?)).await?;
    let full = events.len() == usize::try_from(ROWS).unwrap_or(0);
    let next =
        events.last().filter(|_| full).map(|last| format!("{}.{}", last.row.at.0.timestamp_micros(), last.row.id));
    Ok(html! {
        div {
            (parts::events(ctx, &ctx.t("operator-log"), &events))
            @if let Some(next) = next { p { a href=(view.address("/operator/log", &next)) { (ctx.t("queue-more")) } } }
        }
    })
}
