//! `/operator/queues`: what waits, since when, how fast it goes; and the rows that were set aside.

use actix_web::web;
use chrono::{DateTime, Utc};
use domain::staff::Act;
use maud::{Markup, html};
use serde::Deserialize;
use store::{Queue, QueueLook, Task, Trouble, TroubleState};

use crate::error::Failure;
use crate::operator::parts::{ago, child_link};
use crate::operator::{COUNTERS_EVERY, tabs};
use crate::web::Answer;
use crate::web::components::instant;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;
use crate::web::live::{Wake, part, stream};

const ROWS: i64 = 50;
/// From here on a queue is not counted one by one.
const COUNTED: i64 = 10_000;

/// Where the list of rows that were set aside begins.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct View {
    /// The last row of the page before.
    #[serde(default)]
    after: String,
}

/// `GET /operator/queues`
pub async fn show(ctx: Ctx, view: web::Query<View>) -> Answer {
    ctx.officer(Act::ViewMachinery).await?;
    let body = body(&ctx, &view.after).await?;
    Ok(Page::new(ctx.t("operator-tab-queues")).staff().live().show(
        &ctx,
        html! {
            (tabs(&ctx, "/queues"))
            h1 { (ctx.t("operator-tab-queues")) }
            @if view.after.is_empty() { (part(&ctx, "/operator/queues/live", &body)) } @else { (body) }
        },
    ))
}

/// `GET /operator/queues/live`
pub async fn live(ctx: Ctx) -> Answer {
    ctx.officer(Act::ViewMachinery).await?;
    let at = ctx.clone();
    Ok(stream(&ctx, Wake::events(&ctx, COUNTERS_EVERY), move || {
        let ctx = at.clone();
        async move {
            ctx.officer(Act::ViewMachinery).await.ok()?;
            body(&ctx, "").await.ok()
        }
    }))
}

/// A row that was set aside, with its case's number.
type Aside = (Trouble, Option<String>);

async fn body(ctx: &Ctx, after: &str) -> Result<Markup, Failure> {
    let (now, after) = (ctx.now(), Task::parse(after));
    let (looks, parked, trying) = ctx
        .db(move |store| {
            let last = after.map(|task| store.trouble(&task)).transpose()?.flatten();
            let with_case = |trouble: Trouble| {
                let case = store.case_of(&trouble.task)?.and_then(|(_, number)| number);
                Ok::<Aside, store::StoreError>((trouble, case))
            };
            let page = |state, last: Option<&Trouble>, most| {
                store.troubles(state, last, most)?.into_iter().map(with_case).collect::<Result<Vec<Aside>, _>>()
            };
            let parked = page(TroubleState::Parked, last.as_ref(), ROWS)?;
            Ok((store.queue_looks(now)?, parked, page(TroubleState::Trying, None, 10)?))
        })
        .await?;
    let more = parked.last().filter(|_| parked.len() == usize::try_from(ROWS).unwrap_or(0));
    Ok(html! {
        div {
            (table(ctx, now, &looks))
            h2 id="parked" { (ctx.t("queues-parked")) }
            p class="hint" { (ctx.t("queues-parked-words")) }
            @if parked.is_empty() { p class="empty" { (ctx.t("queues-none-parked")) } } @else { (rows(ctx, &ctx.t("queues-parked"), &parked, true)) }
            @if let Some((last, _)) = more { p { a href={"/operator/queues?after=" (last.task) "#parked"} { (ctx.t("queue-more")) } } }
            @if !trying.is_empty() {
                h2 { (ctx.t("queues-trying")) }
                (rows(ctx, &ctx.t("queues-trying"), &trying, false))
            }
        }
    })
}

fn rows(ctx: &Ctx, label: &str, aside: &[Aside], acts: bool) -> Markup {
    html! {
        div class="wide-table" tabindex="0" role="region" aria-label=(label) { table {
            thead { tr { @for head in ["queues-row", "operator-child", "queues-crashes", "operator-failure", "records-date"] { th scope="col" { (ctx.t(head)) } } @if acts { th scope="col" { (ctx.t("operator-acts")) } } } }
            tbody { @for (trouble, number) in aside {
                tr id=(trouble.task) {
                    td { code { (trouble.task) } @if let Some(number) = number { br; span class="number" { (number) } } }
                    td { (child_link(&trouble.child)) }
                    td { (trouble.crashes) }
                    td { (trouble.failure) }
                    td { (instant(ctx, trouble.at)) }
                    @if acts { td {
                        a href={"/operator/act?what=retry&on=" (trouble.task)} { (ctx.t("steer-retry")) }
                        @if trouble.task.queue.may_be_discarded() { " · " a href={"/operator/act?what=discard&on=" (trouble.task)} { (ctx.t("steer-discard")) } }
                    } }
                }
            } }
        } }
    }
}

/// The workers of a queue.
const fn workers(queue: Queue) -> &'static [&'static str] {
    match queue {
        Queue::Notice => &["notification_dispatcher.sms", "notification_dispatcher.mail"],
        Queue::Payment => &["payment_reconciler"],
        Queue::Refund => &["refund_scheduler"],
        Queue::Upload => &["upload_validator"],
        Queue::Certificate => &["certificate_issuer"],
        Queue::Verification => &["identity_verifier"],
        Queue::Case => &["case_clerk"],
        Queue::Clearing => &["clearing_clerk"],
    }
}

/// The queues: what waits, the age of the oldest that is due, letters a minute of whoever works it off.
pub fn table(ctx: &Ctx, now: DateTime<Utc>, looks: &[QueueLook]) -> Markup {
    let samples = &ctx.site().tree.world.samples;
    let count = |waiting: i64| if waiting > COUNTED { format!("> {COUNTED}") } else { waiting.to_string() };
    html! {
        div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("operator-queues")) { table {
            thead { tr { @for head in ["queues-queue", "queues-waiting", "queues-oldest", "operator-rate", "queues-worker"] { th scope="col" { (ctx.t(head)) } } } }
            tbody { @for look in looks {
                tr {
                    td { (ctx.t(&format!("queue-of-{}", look.queue.code()))) }
                    td class="number" { (count(look.waiting)) }
                    td { @match look.oldest { Some(due) => (ago(now, due)), None => "–" } }
                    td { (format!("{:.0}", workers(look.queue).iter().map(|name| samples.a_minute(name)).sum::<f64>())) }
                    td { @for name in workers(look.queue) { (child_link(name)) " " } }
                }
            } }
        } }
    }
}
