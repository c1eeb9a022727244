//! Pieces of the console.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::calendar;
use domain::ids::ApplicationId;
use maud::{Markup, html};
use store::{EventRow, Store, StoreError, Task, Trouble};
use supervision::{EventKind, Hold, State, Vitals};

use crate::web::components::instant;
use crate::web::ctx::Ctx;

/// Cases of one applicant that are named beside a crash of their session.
const CASES_NAMED: i64 = 5;

/// A span for people: milliseconds, seconds, minutes, hours or days.
pub fn span(span: Duration) -> String {
    match span.as_secs() {
        0 if span.as_millis() == 0 => format!("{} µs", span.as_micros()),
        0..10 => format!("{} ms", span.as_millis()),
        10..600 => format!("{} s", span.as_secs()),
        600..7_200 => format!("{} min", span.as_secs() / 60),
        7_200..172_800 => format!("{} h", span.as_secs() / 3_600),
        days => format!("{} d", days / 86_400),
    }
}

/// How long ago something was, for people.
pub fn ago(now: DateTime<Utc>, at: DateTime<Utc>) -> String {
    span((now - at).to_std().unwrap_or_default())
}

/// The address of a child's page.
pub fn child_link(name: &str) -> Markup {
    let address = format!("/operator/child?{}", serde_urlencoded::to_string([("name", name)]).unwrap_or_default());
    html! { a href=(address) { code { (name) } } }
}

/// Where a child stands, in a word.
pub fn standing(ctx: &Ctx, vitals: &Vitals) -> Markup {
    let (state, hold) = (vitals.state(), vitals.hold());
    let words = match hold {
        Some(Hold::Paused) => "state-paused",
        Some(Hold::Draining) if vitals.depth() == 0 => "state-drained",
        Some(Hold::Draining) => "state-draining",
        None => state_key(state),
    };
    let class = match (state, hold) {
        (_, Some(_)) => "tag tag-next",
        (State::Running | State::Starting, None) => "tag tag-done",
        _ => "tag tag-late",
    };
    html! { span class=(class) { (ctx.t(words)) } }
}

/// The text of a state.
pub const fn state_key(state: State) -> &'static str {
    match state {
        State::Starting => "state-starting",
        State::Running => "state-running",
        State::BackingOff => "state-backing-off",
        State::Suspended => "state-suspended",
        State::Stopped => "state-stopped",
    }
}

/// What was done in each of the last looks, as a line; the number beside it says the same in words.
pub fn sparkline(title: &str, values: &[u64]) -> Markup {
    // What an f64 can't hold of a count is not seen in a line of this height.
    #[expect(clippy::cast_precision_loss)]
    let heights: Vec<f64> = {
        let most = values.iter().copied().max().unwrap_or(0).max(1) as f64;
        values.iter().map(|value| 18.0 - *value as f64 / most * 16.0).collect()
    };
    let start = actors::SAMPLES.saturating_sub(heights.len());
    let points: Vec<String> =
        heights.iter().enumerate().map(|(at, high)| format!("{},{high:.1}", (start + at) * 2)).collect();
    html! {
        svg class="spark" viewBox="0 0 120 20" role="img" aria-label=(title) { polyline points=(points.join(" ")) {} }
    }
}

/// An event with what it touched.
pub struct Told {
    /// The event.
    pub row: EventRow,
    /// The cases that a crash may have touched.
    pub cases: Vec<(ApplicationId, Option<String>)>,
    /// How the row stands that was being worked on.
    pub trouble: Option<Trouble>,
}

/// Looks up what crashes touched, and what became of it.
///
/// # Errors
/// When the database fails.
pub fn told(store: &Store, rows: Vec<EventRow>) -> Result<Vec<Told>, StoreError> {
    let about_work = [EventKind::Crashed.name(), EventKind::WorkParked.name(), EventKind::WorkMended.name()];
    rows.into_iter()
        .map(|row| {
            if !about_work.contains(&row.kind.as_str()) {
                return Ok(Told { row, cases: Vec::new(), trouble: None });
            }
            let (mut cases, mut trouble) = (Vec::new(), None);
            if let Some(task) = Task::parse(&row.task) {
                cases.extend(store.case_of(&task)?);
                trouble = store.trouble(&task)?;
            } else if let Some(owner) = row.child.strip_prefix("session/").and_then(|id| id.parse().ok()) {
                cases = store.cases_owned(owner, CASES_NAMED)?;
            }
            Ok(Told { row, cases, trouble })
        })
        .collect()
}

/// Events as rows of a table, newest first.
pub fn events(ctx: &Ctx, label: &str, events: &[Told]) -> Markup {
    html! {
        @if events.is_empty() { p class="empty" { (ctx.t("operator-no-events")) } } @else {
            div class="wide-table" tabindex="0" role="region" aria-label=(label) { table class="log" {
                thead { tr { @for head in ["records-date", "operator-event", "operator-child", "operator-detail"] { th scope="col" { (ctx.t(head)) } } } }
                tbody { @for told in events { (event(ctx, told)) } }
            } }
        }
    }
}

fn event(ctx: &Ctx, told: &Told) -> Markup {
    let row = &told.row;
    let seconds = calendar::beijing(row.at.0).format("%S%.3f").to_string();
    let backoff = (row.backoff_ms > 0).then(|| ctx.with("operator-backoff", &[("ms", &row.backoff_ms.to_string())]));
    let by = (!row.by_whom.is_empty()).then(|| ctx.with("operator-by", &[("who", &row.by_whom)]));
    let detail = Some(row.detail.clone()).filter(|detail| !detail.is_empty());
    let said: Vec<String> = [detail, backoff, by].into_iter().flatten().collect();
    html! {
        tr id={"e" (row.id)} {
            td { (instant(ctx, row.at.0)) ":" (seconds) }
            td { code { (row.kind) } }
            td { (child_link(&row.child)) @if row.epoch > 0 { " #" (row.epoch) } }
            td {
                (said.join(" · "))
                @if !row.task.is_empty() { " · " code { (row.task) } }
                @if let Some(trouble) = &told.trouble {
                    " · " a href={"/operator/queues#" (trouble.task)} { (ctx.t(&format!("trouble-{}", trouble.state.code()))) }
                }
                @for (_, number) in &told.cases {
                    " · " @match number { Some(number) => span class="number" { (number) }, None => (ctx.t("operator-draft")) }
                }
            }
        }
    }
}
