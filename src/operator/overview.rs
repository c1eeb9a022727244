//! `/operator`: alarms, totals, the tree, what stands apart, queues, the newest events.

use actix_web::web;
use chrono::TimeDelta;
use domain::ids::ApplicantId;
use domain::staff::Act;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::EventFilter;
use supervision::{State, Vitals};

use crate::error::Failure;
use crate::operator::parts::{self, ago, child_link, span, sparkline, standing};
use crate::operator::{COUNTERS_EVERY, queues, tabs};
use crate::web::Answer;
use crate::web::components::instant;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;
use crate::web::live::{Wake, part, stream};

/// Sessions that stand apart and are listed; there may be a million.
const APART_MOST: usize = 50;
const EVENTS_MOST: i64 = 15;
/// The trading certificate is renewed by hand, and that takes its time.
const CERTIFICATE_WARNING: TimeDelta = TimeDelta::days(60);

/// Which children are wanted.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
pub struct View {
    /// A part of the name; for sessions an applicant's id or a case's number.
    #[serde(default)]
    name: String,
    /// A state's word, or `held`.
    #[serde(default)]
    state: String,
}

/// The words of the filter by state.
const STATES: [(&str, &str); 6] = [
    ("starting", "state-starting"),
    ("running", "state-running"),
    ("backing-off", "state-backing-off"),
    ("suspended", "state-suspended"),
    ("stopped", "state-stopped"),
    ("held", "state-held"),
];

impl View {
    fn wants(&self, child: &Vitals) -> bool {
        let state = match self.state.as_str() {
            "" => true,
            "held" => child.hold().is_some(),
            word => parts::state_key(child.state()).strip_prefix("state-") == Some(word),
        };
        state && child.name().contains(self.name.trim())
    }

    /// The sessions that are listed: the one that was named, or those that are not simply at work.
    async fn sessions(&self, ctx: &Ctx) -> Result<Vec<Arc<Vitals>>, Failure> {
        let sessions = &ctx.site().tree.sessions;
        let name = self.name.trim().trim_start_matches("session/");
        let name: String = name.chars().filter(|c| !c.is_control()).collect();
        if name.is_empty() {
            let mut listed = sessions.apart(APART_MOST);
            if self.state == "running" || self.state == "starting" {
                listed.extend(sessions.residents(APART_MOST));
            }
            listed.retain(|child| self.wants(child));
            listed.truncate(APART_MOST);
            return Ok(listed);
        }
        let id: Option<ApplicantId> = match name.parse() {
            Ok(id) => Some(id),
            Err(_) => {
                ctx.db(move |store| Ok(store.application_by_number(&name).and_then(|case| store.owner_of(case)).ok()))
                    .await?
            }
        };
        Ok(id.and_then(|id| sessions.child(&id)).map(|child| Arc::clone(child.vitals())).into_iter().collect())
    }
}

/// `GET /operator`
pub async fn show(ctx: Ctx, view: web::Query<View>) -> Answer {
    ctx.officer(Act::ViewMachinery).await?;
    ctx.site().looked.now(&ctx.site().tree.system);
    let view = view.into_inner();
    let body = body(&ctx, &view).await?;
    let live = format!("/operator/live?{}", serde_urlencoded::to_string(&view).unwrap_or_default());
    Ok(Page::new(ctx.t("operator-title")).staff().live().show(
        &ctx,
        html! {
            (tabs(&ctx, ""))
            h1 { (ctx.t("operator-title")) }
            form method="get" action="/operator" class="filters" {
                div { label for="name" { (ctx.t("operator-find")) } input id="name" name="name" value=(view.name) autocomplete="off"; }
                div { label for="state" { (ctx.t("operator-state")) } select id="state" name="state" {
                    option value="" { (ctx.t("filter-any")) }
                    @for (word, key) in STATES { option value=(word) selected[view.state == word] { (ctx.t(key)) } }
                } }
                button class="secondary" { (ctx.t("filter-do")) }
            }
            (part(&ctx, &live, &body))
        },
    ))
}

/// `GET /operator/live`: the same, whenever it changes.
pub async fn live(ctx: Ctx, view: web::Query<View>) -> Answer {
    ctx.officer(Act::ViewMachinery).await?;
    let (at, view) = (ctx.clone(), view.into_inner());
    let watch = std::rc::Rc::new(ctx.site().tree.system.watch());
    Ok(stream(&ctx, Wake::events(&ctx, COUNTERS_EVERY), move || {
        let (ctx, view, watch) = (at.clone(), view.clone(), std::rc::Rc::clone(&watch));
        async move {
            ctx.officer(Act::ViewMachinery).await.ok()?;
            let seen = body(&ctx, &view).await.ok();
            drop(watch);
            seen
        }
    }))
}

async fn body(ctx: &Ctx, view: &View) -> Result<Markup, Failure> {
    let (tree, now) = (&ctx.site().tree, ctx.now());
    let (looks, alarms, events) = ctx
        .db(move |store| {
            let events = parts::told(store, store.events(&EventFilter::default(), None, EVENTS_MOST)?)?;
            Ok((store.queue_looks(now)?, (store.attempts_parked()?, store.rows_parked()?), events))
        })
        .await?;
    let (money, rows) = alarms;
    let expires = tree.world.outside.union_pay.certificate_expires();
    let soon = expires - now < CERTIFICATE_WARNING;
    let mut children = tree.reconcilers.children();
    children.retain(|child| view.wants(child));
    let sessions = view.sessions(ctx).await?;
    let (of_sessions, down) = (tree.sessions.totals(), tree.reconcilers.totals());
    let count = |state: State| of_sessions.states.get(state as usize).copied().unwrap_or(0);
    let crashes = of_sessions.crashes + down.crashes;
    let totals = [
        ("total-sessions", tree.sessions.len().to_string()),
        ("total-down", (count(State::BackingOff) + count(State::Suspended)).to_string()),
        ("total-held", (of_sessions.held + down.held).to_string()),
        ("total-crashes", crashes.to_string()),
        ("total-commits", format!("{:.0}", tree.world.samples.a_minute(actors::COMMITS))),
        ("total-dead", tree.system.dead_letters().count().to_string()),
        ("total-parked", rows.to_string()),
    ];
    Ok(html! {
        div {
            @if money > 0 || rows > 0 || soon {
                section class="summary" role="alert" {
                    h2 { (ctx.t("operator-alarms")) }
                    ul {
                        @if rows > 0 { li { a href="/operator/queues#parked" { (ctx.with("operator-rows-parked", &[("count", &rows.to_string())])) } } }
                        @if money > 0 { li { (ctx.with("operator-parked", &[("count", &money.to_string())])) } }
                        @if soon { li { (ctx.with("operator-certificate", &[("at", &instant(ctx, expires))])) } }
                    }
                }
            }
            dl class="totals" { @for (name, value) in &totals { div { dt { (ctx.t(name)) } dd class="number" { (value) } } } }
            h2 { (ctx.t("operator-tree")) }
            @if children.is_empty() { p class="empty" { (ctx.t("operator-no-children")) } } @else { (table(ctx, &ctx.t("operator-tree"), &children, true)) }
            h2 { (ctx.t("operator-sessions-apart")) }
            @if sessions.is_empty() { p class="hint" { (ctx.t("operator-no-sessions")) } } @else { (table(ctx, &ctx.t("operator-sessions-apart"), &sessions, false)) }
            h2 { (ctx.t("operator-queues")) }
            (queues::table(ctx, now, &looks))
            h2 { (ctx.t("operator-log")) }
            (parts::events(ctx, &ctx.t("operator-log"), &events))
            p { a href="/operator/log" { (ctx.t("operator-whole-log")) } }
        }
    })
}

/// The children, one a row.
fn table(ctx: &Ctx, label: &str, children: &[Arc<Vitals>], drawn: bool) -> Markup {
    let samples = &ctx.site().tree.world.samples;
    let heads = [
        "operator-child",
        "operator-state",
        "operator-mailbox",
        "operator-oldest",
        "operator-rate",
        "operator-times",
        "operator-restarts",
        "operator-failure",
    ];
    html! {
        div class="wide-table" tabindex="0" role="region" aria-label=(label) { table class="tree" {
            thead { tr { @for head in heads { th scope="col" { (ctx.t(head)) } } } }
            tbody { @for child in children {
                tr {
                    td { (child_link(child.name())) }
                    td { (standing(ctx, child)) }
                    td { (child.depth()) " / " (child.bound()) }
                    td { @match child.oldest() { Some(age) => (span(age)), None => "–" } }
                    td {
                        @if drawn {
                            @let rate = format!("{:.0}", samples.a_minute(child.name()));
                            (sparkline(&ctx.with("operator-drawn", &[("rate", &rate)]), &samples.of(child.name()))) " " (rate)
                        } @else { (ctx.with("operator-handled-count", &[("count", &child.handled().to_string())])) }
                    }
                    td { @match (child.handled_within(50), child.handled_within(99)) { (Some(half), Some(most)) => { (span(half)) " / " (span(most)) }, _ => "–" } }
                    td { (child.restarts()) }
                    td { @if let Some(failure) = child.last_failure() { code { (failure.reference) } " · " (ctx.with("operator-ago", &[("span", &ago(ctx.now(), failure.at))])) } }
                }
            } }
        } }
    }
}
