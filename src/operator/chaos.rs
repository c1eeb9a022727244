//! `/operator/chaos`, in the demo alone: puts a disorder at a named place, so that anyone can watch the tree heal.

use std::time::Duration;

use actors::{Disorder, Effect, PLACES};
use domain::Rejection;
use domain::form::Raw;
use domain::staff::Act;
use maud::{Markup, html};

use crate::error::Failure;
use crate::operator::tabs;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, error_words, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const EFFECTS: [&str; 3] = ["panic", "delay", "drop"];
/// Passages that can be counted on.
const TIMES_MOST: i64 = 100;
/// A delay is at most this long, in seconds.
const SECONDS_MOST: u64 = 60;

/// Whether there is such a page: in the demo, if the build has the feature.
pub fn offered(ctx: &Ctx) -> bool {
    cfg!(feature = "chaos") && ctx.site().demo_clock.is_some()
}

async fn let_in(ctx: &Ctx) -> Result<(), Failure> {
    ctx.officer(Act::SteerMachinery).await?;
    if offered(ctx) { Ok(()) } else { Err(Failure::Rejected(Rejection::NotFound)) }
}

/// `GET /operator/chaos`
pub async fn show(ctx: Ctx) -> Answer {
    let_in(&ctx).await?;
    Ok(page(&ctx, &Shown::default()))
}

fn page(ctx: &Ctx, shown: &Shown) -> actix_web::HttpResponse {
    let ordered = ctx.site().tree.world.faults.ordered();
    let value = |name: &str, usual: &'static str| shown.raw.get(name).cloned().unwrap_or_else(|| usual.to_owned());
    let (effect, place) = (value("effect", "panic"), value("place", "commit"));
    Page::new(ctx.t("chaos-title")).staff().status(shown.status()).show(
        ctx,
        html! {
            (tabs(ctx, "/chaos"))
            (summary(ctx, shown))
            h1 { (ctx.t("chaos-title")) }
            p { (ctx.t("chaos-words")) }
            @if let Some((disorder, passed)) = &ordered {
                section class="advice" {
                    p { (ctx.with("chaos-ordered", &[("effect", &ctx.t(&format!("chaos-effect-{}", effect_word(disorder.effect)))), ("place", &disorder.place), ("nth", &disorder.nth.to_string()), ("passed", &passed.to_string())])) }
                    form method="post" action="/operator/chaos" { (token(ctx)) button class="secondary" name="act" value="calm" { (ctx.t("chaos-calm")) } }
                }
            }
            form method="post" action="/operator/chaos" {
                (token(ctx))
                fieldset class="field" id="effect" {
                    legend { (ctx.t("chaos-effect")) }
                    @for code in EFFECTS { div class="choice" {
                        input type="radio" name="effect" id={"effect-" (code)} value=(code) checked[effect == code];
                        label for={"effect-" (code)} { (ctx.t(&format!("chaos-effect-{code}"))) }
                    } }
                }
                div class="field" {
                    label for="place" { (ctx.t("chaos-place")) }
                    p class="hint" { (ctx.t("chaos-place-hint")) }
                    (error(ctx, shown, "place"))
                    select id="place" name="place" { @for (name, child) in PLACES { option value=(name) selected[place == name] { (name) " · " (child) } } }
                }
                (number(ctx, shown, "nth", &value("nth", "1")))
                (number(ctx, shown, "times", &value("times", "1")))
                (number(ctx, shown, "seconds", &value("seconds", "5")))
                div class="actions" { button name="act" value="order" { (ctx.t("chaos-do")) } a href="/operator" { (ctx.t("chaos-watch")) } }
            }
        },
    )
}

fn error(ctx: &Ctx, shown: &Shown, name: &str) -> Markup {
    html! { @for error in shown.errors.iter().filter(|error| error.field == name) { p class="error" id={(name) "-error"} { (error_words(ctx, error)) } } }
}

fn number(ctx: &Ctx, shown: &Shown, name: &str, value: &str) -> Markup {
    let wrong = shown.errors.iter().any(|error| error.field == name);
    html! {
        div class=(if wrong { "field wrong" } else { "field" }) {
            label for=(name) { (ctx.t(&format!("field-{name}"))) }
            (error(ctx, shown, name))
            input class="short" id=(name) name=(name) value=(value) inputmode="numeric" autocomplete="off" aria-invalid=[wrong.then_some("true")] aria-describedby=[wrong.then(|| format!("{name}-error"))];
        }
    }
}

const fn effect_word(effect: Effect) -> &'static str {
    match effect {
        Effect::Kill => "kill",
        Effect::Panic => "panic",
        Effect::Delay(_) => "delay",
        Effect::Drop => "drop",
    }
}

fn disorder(raw: &Raw) -> Result<Disorder, Rejection> {
    let given = |name: &str| raw.get(name).map_or("", |value| value.trim());
    let count = |name: &'static str, most: i64| {
        let number = given(name).parse().ok().filter(|number| (1..=most).contains(number));
        number.ok_or_else(|| Rejection::field(name, "count"))
    };
    let (nth, times) = (count("nth", TIMES_MOST)?, count("times", TIMES_MOST)?);
    let seconds = count("seconds", i64::try_from(SECONDS_MOST).unwrap_or(60))?;
    let known = PLACES.iter().find(|(place, _)| *place == given("place"));
    let place = known.map(|(place, _)| (*place).to_owned()).ok_or_else(|| Rejection::field("place", "choose"))?;
    let effect = match given("effect") {
        "delay" => Effect::Delay(Duration::from_secs(u64::try_from(seconds).unwrap_or(1))),
        "drop" => Effect::Drop,
        _ => Effect::Panic,
    };
    // Only a wake-up can be lost, and there is nothing else to it; elsewhere an incarnation is there to panic.
    if place.starts_with("wake-") != (effect == Effect::Drop) {
        return Err(Rejection::field("place", "does-not-fit"));
    }
    Ok(Disorder { place, nth, times, effect })
}

/// `POST /operator/chaos`
pub async fn order(ctx: Ctx, posted: Posted) -> Answer {
    let_in(&ctx).await?;
    let faults = &ctx.site().tree.world.faults;
    if posted.get("act") == "calm" {
        faults.arm(None);
        ctx.flash("flash-chaos-calm");
        return Ok(ctx.redirect("/operator/chaos"));
    }
    match disorder(&posted.0) {
        Ok(order) => {
            faults.arm(Some(order));
            ctx.flash("flash-chaos-ordered");
            Ok(ctx.redirect("/operator/chaos"))
        }
        Err(Rejection::Form(errors)) => Ok(page(&ctx, &Shown::wrong(posted.0, errors))),
        Err(other) => Err(other.into()),
    }
}
