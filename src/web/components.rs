//! Pieces that pages share: functions from values to markup.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use domain::application::Application;
use domain::calendar;
use domain::case::Stage;
use domain::form::{Answers, Field};
use domain::person::Language;
use maud::{Markup, html};

use crate::web::ctx::Ctx;
use crate::web::form::answer;

/// A day in the reader's language.
pub fn day(ctx: &Ctx, date: NaiveDate) -> String {
    match ctx.language() {
        Language::Chinese => format!("{}年{}月{}日", date.year(), date.month(), date.day()),
        Language::English => date.format("%-d %B %Y").to_string(),
    }
}

/// An instant in Beijing time.
pub fn instant(ctx: &Ctx, at: DateTime<Utc>) -> String {
    let local = calendar::beijing(at);
    format!("{} {}", day(ctx, local.date_naive()), local.format("%H:%M"))
}

/// The instant of a page's cursor, in microseconds; none of it when it lies where no row can.
pub fn cursor_instant(micros: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
    (2_000..2_200).contains(&at.year()).then_some(at)
}

/// Rows of name and value.
pub fn rows(pairs: &[(String, String)]) -> Markup {
    html! {
        dl class="rows" { @for (name, value) in pairs { div { dt { (name) } dd { (value) } } } }
    }
}

/// The answers of a form in words, each field with a name and a value.
pub fn answers(ctx: &Ctx, fields: &[Field], answers: &Answers) -> Vec<(String, String)> {
    let value = |field: &Field| answers.get(field.name).map_or("", String::as_str);
    let shown =
        fields.iter().filter(|field| !(matches!(field.kind, domain::form::Kind::Tick) && value(field).is_empty()));
    shown.map(|field| (ctx.t(&format!("field-{}", field.name)), answer(ctx, field, value(field)))).collect()
}

/// The stage in words, with whose move it is.
pub fn stage_tag(ctx: &Ctx, stage: Stage) -> Markup {
    html! { span class={"tag tag-" (stage.code())} { (ctx.t(&format!("stage-{}", stage.code()))) } }
}

/// Whose move it is, since when, by when.
pub fn whose_move(ctx: &Ctx, application: &Application) -> Markup {
    let stage = application.stage();
    let expected = application.expected(&ctx.site().tree.world.calendar, ctx.today());
    let days = application.working_days().to_string();
    html! {
        dl class="move" {
            div { dt { (ctx.t("move-who")) } dd { (ctx.t(&format!("mover-{}", application.mover().code()))) } }
            div { dt { (ctx.t("move-since")) } dd { (instant(ctx, application.since())) } }
            @if let Some(open) = application.casework.supplement().filter(|_| stage == Stage::Supplement) {
                div { dt { (ctx.t("supplement-until")) } dd { (day(ctx, open.until)) } }
            }
            @if stage == Stage::Draft || stage == Stage::Submitted || stage == Stage::Screening {
                div { dt { (ctx.t("expected")) } dd { (ctx.with("expected-before", &[("days", &days)])) } }
            } @else if let Some(due) = expected.filter(|_| matches!(stage, Stage::Assessing | Stage::Verifying | Stage::Supplement | Stage::Proposed)) {
                div { dt { (ctx.t("expected")) } dd {
                    (day(ctx, due.date))
                    @if stage == Stage::Supplement { " " span class="hint" { (ctx.t("expected-paused")) } }
                    @if due.date < ctx.today() { " " span class="hint" { (ctx.t("expected-passed")) } }
                    @if due.provisional { " " span class="hint" { (ctx.t("expected-provisional")) } }
                } }
            }
        }
    }
}

/// A link that looks like a button.
pub fn button_link(href: &str, words: &str) -> Markup {
    html! { a class="button" href=(href) { (words) } }
}
