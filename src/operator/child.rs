//! `/operator/child?name=…`: one child, its acts, its events.

use actix_web::web;
use domain::staff::Act;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use store::EventFilter;

use crate::error::Failure;
use crate::operator::acts;
use crate::operator::parts::{self, span, sparkline, standing};
use crate::operator::{COUNTERS_EVERY, tabs};
use crate::web::Answer;
use crate::web::components::{instant, rows};
use crate::web::ctx::Ctx;
use crate::web::layout::Page;
use crate::web::live::{Wake, part, stream};

const EVENTS_MOST: i64 = 50;
/// Longer than any name of a child.
const NAME_MOST: usize = 80;

/// Which child.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Named {
    name: String,
}

impl Named {
    fn checked(self) -> Result<String, Failure> {
        if self.name.is_empty() || self.name.len() > NAME_MOST || self.name.chars().any(char::is_control) {
            return Err(Failure::Rejected(domain::Rejection::NotFound));
        }
        Ok(self.name)
    }
}

/// `GET /operator/child`
pub async fn show(ctx: Ctx, named: web::Query<Named>) -> Answer {
    ctx.officer(Act::ViewMachinery).await?;
    ctx.site().looked.now(&ctx.site().tree.system);
    let live = format!("/operator/child/live?{}", serde_urlencoded::to_string(&*named).unwrap_or_default());
    let name = named.into_inner().checked()?;
    let body = body(&ctx, &name).await?;
    Ok(Page::new(name.clone()).staff().live().show(
        &ctx,
        html! {
            (tabs(&ctx, "child"))
            h1 { code { (name) } }
            (part(&ctx, &live, &body))
        },
    ))
}

/// `GET /operator/child/live`
pub async fn live(ctx: Ctx, named: web::Query<Named>) -> Answer {
    ctx.officer(Act::ViewMachinery).await?;
    let (at, name) = (ctx.clone(), named.into_inner().checked()?);
    let watch = std::rc::Rc::new(ctx.site().tree.system.watch());
    Ok(stream(&ctx, Wake::events(&ctx, COUNTERS_EVERY), move || {
        let (ctx, name, watch) = (at.clone(), name.clone(), std::rc::Rc::clone(&watch));
        async move {
            ctx.officer(Act::ViewMachinery).await.ok()?;
            let seen = body(&ctx, &name).await.ok();
            drop(watch);
            seen
        }
    }))
}

async fn body(ctx: &Ctx, name: &str) -> Result<Markup, Failure> {
    let tree = &ctx.site().tree;
    let filter = EventFilter { child: Some(name.to_owned()), ..EventFilter::default() };
    let events = ctx.db(move |store| parts::told(store, store.events(&filter, None, EVENTS_MOST)?)).await?;
    let child = tree.child(name);
    if child.is_none() && events.is_empty() {
        return Err(Failure::Rejected(domain::Rejection::NotFound));
    }
    let samples = &tree.world.samples;
    Ok(html! {
        div {
            @if let Some(child) = &child {
                @let vitals = child.vitals();
                p { (standing(ctx, vitals)) }
                @let rate = format!("{:.0}", samples.a_minute(name));
                @let drawn = samples.of(name);
                @if !drawn.is_empty() { (sparkline(&ctx.with("operator-drawn", &[("rate", &rate)]), &drawn)) p class="hint" { (ctx.with("operator-drawn", &[("rate", &rate)])) } }
                @let dash = || "–".to_owned();
                (rows(&[
                    (ctx.t("operator-mailbox"), format!("{} / {}", vitals.depth(), vitals.bound())),
                    (ctx.t("operator-oldest"), vitals.oldest().map_or_else(dash, span)),
                    (ctx.t("operator-handled"), vitals.handled().to_string()),
                    (ctx.t("operator-times"), vitals.handled_within(50).zip(vitals.handled_within(99)).map_or_else(dash, |(half, most)| format!("{} / {}", span(half), span(most)))),
                    (ctx.t("operator-restarts"), vitals.restarts().to_string()),
                    (ctx.t("operator-failure"), vitals.last_failure().map_or_else(dash, |failure| format!("{} {} · {} · {}", instant(ctx, failure.at), failure.reference, failure.place, failure.message))),
                ]))
                (acts::offers(ctx, name, vitals))
            } @else { p class="advice" { (ctx.t("operator-not-resident")) } }
            h2 { (ctx.t("operator-log")) }
            (parts::events(ctx, &ctx.t("operator-log"), &events))
        }
    })
}
