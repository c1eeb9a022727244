//! The finance queue (R5.4, R6.4): each refund is checked by one and approved by another; then the machine takes over.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web;
use actors::Refusal;
use chrono::DateTime;
use domain::Rejection;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::effects::{Actor, AuditEntry};
use domain::ids::{ApplicationId, RefundId};
use domain::refund::{FinanceAct, HandleRefund, Refund, RefundState};
use domain::staff::{Act, Officer};
use maud::{Markup, html};
use serde::Deserialize;

use crate::error::Failure;
use crate::staff::ledger;
use crate::web::Answer;
use crate::web::components::{cursor_instant, day, instant, rows};
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, error_words};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const ROWS: i64 = 50;
/// The tabs, in the order of work.
const STATES: [RefundState; 8] = [
    RefundState::Parked,
    RefundState::Asked,
    RefundState::Checked,
    RefundState::Approved,
    RefundState::Sent,
    RefundState::SentBack,
    RefundState::Arrived,
    RefundState::Refused,
];

/// What is looked at.
#[derive(Deserialize)]
pub struct View {
    state: Option<String>,
    after: Option<String>,
}

fn cursor(text: &str) -> Option<(DateTime<chrono::Utc>, RefundId)> {
    let (micros, id) = text.split_once('.')?;
    Some((cursor_instant(micros)?, id.parse().ok()?))
}

/// `GET /staff/refunds`
pub async fn show(ctx: Ctx, view: web::Query<View>) -> Answer {
    ctx.officer(Act::HandleMoney).await?;
    let state = view.state.as_deref().and_then(RefundState::from_code).unwrap_or(RefundState::Asked);
    let after = view.after.as_deref().and_then(cursor);
    let (found, counts) = ctx
        .db(move |store| {
            let found = store.refunds(state, after, ROWS)?;
            let counts = STATES.iter().map(|each| Ok((*each, store.count_refunds(*each)?)));
            Ok((found, counts.collect::<Result<Vec<_>, store::StoreError>>()?))
        })
        .await?;
    let more = found.last().filter(|_| found.len() == usize::try_from(ROWS).unwrap_or(0));
    let more = more.map(|row| {
        format!("/staff/refunds?state={}&after={}.{}", state.code(), row.asked_at.timestamp_micros(), row.place.refund)
    });
    Ok(Page::new(ctx.t("refunds-title")).staff().show(
        &ctx,
        html! {
            (ledger::tabs(&ctx, "refunds"))
            h1 { (ctx.t("refunds-title")) }
            nav class="tabs" aria-label=(ctx.t("queue-stages")) {
                @for (each, count) in counts {
                    a href={"/staff/refunds?state=" (each.code())} aria-current=[(each == state).then_some("page")] { (ctx.t(&format!("refund-state-{}", each.code()))) " (" (count) ")" }
                }
            }
            @if found.is_empty() { p class="empty" { (ctx.t("refunds-empty")) } }
            @else {
                table {
                    thead { tr { th scope="col" { (ctx.t("case-number")) } th scope="col" { (ctx.t("refund-stage-asked")) } } }
                    tbody { @for row in &found {
                        tr {
                            td { a href={"/staff/refund/" (row.place.application) "/" (row.place.refund)} { (row.number) } }
                            td { (instant(&ctx, row.asked_at)) }
                        }
                    } }
                }
            }
            @if let Some(more) = more { p { a href=(more) { (ctx.t("queue-more")) } } }
        },
    ))
}

/// A refund of an address, with whose it is.
struct Found {
    applicant: Arc<Applicant>,
    application: Arc<Application>,
    refund: Refund,
}

async fn find(ctx: &Ctx, path: &(String, String)) -> Result<Found, Failure> {
    let id: ApplicationId = path.0.parse().map_err(|_| Rejection::NotFound)?;
    let refund: RefundId = path.1.parse().map_err(|_| Rejection::NotFound)?;
    let owner = ctx.db(move |store| store.owner_of(id)).await?;
    let applicant = ctx.site().tree.applicant(owner).await?;
    let application = Arc::clone(applicant.application(id)?);
    let refund = application.refunds.iter().find(|known| known.id == refund).ok_or(Rejection::NotFound)?.clone();
    Ok(Found { applicant, application, refund })
}

/// `GET /staff/refund/{application}/{refund}`
pub async fn one(ctx: Ctx, path: web::Path<(String, String)>) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let found = find(&ctx, &path).await?;
    view(&ctx, &officer, &found, StatusCode::OK, &Shown::default()).await
}

async fn view(ctx: &Ctx, officer: &Officer, found: &Found, status: StatusCode, shown: &Shown) -> Answer {
    let Found { applicant, application, refund } = found;
    let (by, now, id) = (officer.id, ctx.now(), refund.id);
    let entry = AuditEntry { by: Actor::Staff(by), act: "viewed-refund", subject: format!("refund:{id}") };
    let names = ctx
        .db(move |store| {
            store.note(&entry, now)?;
            store.staff_names()
        })
        .await?;
    let who = |id: domain::ids::StaffId| {
        names.iter().find(|(known, _)| *known == id.to_string()).map_or_else(String::new, |(_, name)| name.clone())
    };
    let mut facts = vec![
        (ctx.t("refund-cause"), ctx.t(&format!("refund-cause-{}", refund.cause.code()))),
        (ctx.t("pay-amount"), format!("¥{}", refund.amount)),
        (ctx.t("receipt-payer"), applicant.account.name.clone()),
        (ctx.t("refund-stage-asked"), instant(ctx, refund.asked_at)),
        (ctx.t("refund-due-short"), day(ctx, refund.due(&ctx.site().tree.world.calendar).date)),
    ];
    if !refund.reason.is_empty() {
        facts.push((ctx.t("field-refund_reason"), ctx.t(&format!("choice-refund_reason-{}", refund.reason))));
        facts.push((ctx.t("field-refund_words"), refund.words.clone()));
    }
    if let Some(bank) = &refund.bank {
        facts.push((ctx.t("field-bank_card"), bank.card.clone()));
        facts.push((ctx.t("field-bank_name"), bank.bank.clone()));
        facts.push((ctx.t("field-bank_branch"), bank.branch.clone()));
        facts.push((ctx.t("refund-holder"), bank.holder.clone()));
    }
    if let Some((checker, at)) = refund.checked {
        facts.push((ctx.t("refund-stage-checked"), format!("{} {}", who(checker), instant(ctx, at))));
    }
    if let Some((approver, at)) = refund.approved {
        let name = approver.map_or_else(|| ctx.t("by-system"), who);
        facts.push((ctx.t("refund-stage-approved"), format!("{name} {}", instant(ctx, at))));
    }
    for order in refund.earlier.iter().chain(&refund.order) {
        facts.push((ctx.t("pay-order-number"), order.order.clone()));
        facts.push((ctx.t("refund-code"), order.code.clone().unwrap_or_default()));
    }
    let number = application.number.clone().unwrap_or_default();
    Ok(Page::new(format!("{} {number}", ctx.t("refund-title"))).staff().status(status).show(
        ctx,
        html! {
            p class="crumbs" { a href="/staff/refunds" { (ctx.t("refunds-title")) } }
            h1 { (ctx.t("refund-title")) " " (number) " " span class={"tag tag-" (refund.state.code())} { (ctx.t(&format!("refund-state-{}", refund.state.code()))) } }
            @if status == StatusCode::CONFLICT { div class="summary" role="alert" { p { (ctx.t("staff-conflict")) } } }
            @if !shown.errors.is_empty() { div class="summary" role="alert" { ul { @for error in &shown.errors { li { a href={"#" (error.field)} { (error_words(ctx, error)) } } } } } }
            (acts(ctx, officer, found, shown))
            (rows(&facts))
            p { a href={"/staff/payment/" (application.id)} { (ctx.t("ledger-story")) } }
        },
    ))
}

fn acts(ctx: &Ctx, officer: &Officer, found: &Found, shown: &Shown) -> Markup {
    let refund = &found.refund;
    let own = refund.checked.is_some_and(|(checker, _)| checker == officer.id);
    let form = |act: &str, body: &Markup| {
        html! {
            form method="post" action={"/staff/refund/" (found.application.id) "/" (refund.id)} class="act" {
                (token(ctx))
                input type="hidden" name="seen" value=(refund.state.code());
                input type="hidden" name="act" value=(act);
                (body)
            }
        }
    };
    html! {
        section class="card acts" {
            h2 { (ctx.t("acts")) }
            @match refund.state {
                RefundState::Asked | RefundState::Parked => (form("check", &html! { p { (ctx.t("refund-check-words")) } button type="submit" { (ctx.t("refund-check")) } })),
                RefundState::Checked if own => p class="advice" { (ctx.t("refund-own-check")) },
                RefundState::Checked => (form("approve", &html! { p { (ctx.t("refund-approve-words")) } button type="submit" { (ctx.t("refund-approve")) } })),
                _ => p { (ctx.t("acts-none")) },
            }
            @if matches!(refund.state, RefundState::Asked | RefundState::Checked) {
                details open[!shown.errors.is_empty()] { summary { (ctx.t("refund-refuse")) }
                    (form("refuse", &html! {
                        label for="note" { (ctx.t("refund-refuse-why")) }
                        textarea id="note" name="note" rows="2" { (shown.raw.get("note").map_or("", String::as_str)) }
                        button type="submit" class="danger" { (ctx.t("refund-refuse")) }
                    }))
                }
            }
        }
    }
}

/// `POST /staff/refund/{application}/{refund}`
pub async fn act(ctx: Ctx, path: web::Path<(String, String)>, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let found = find(&ctx, &path).await?;
    let act = match posted.get("act") {
        "check" => FinanceAct::Check,
        "approve" => FinanceAct::Approve,
        "refuse" => FinanceAct::Refuse(posted.get("note").to_owned()),
        _ => return Err(Rejection::NotFound.into()),
    };
    if act == FinanceAct::Approve {
        ctx.confirmed(&posted.0).await?;
    }
    let shown = Shown::of(posted.0.clone());
    // A page that says nothing has seen nothing.
    let Some(seen) = RefundState::from_code(posted.get("seen")) else {
        return view(&ctx, &officer, &found, StatusCode::CONFLICT, &shown).await;
    };
    let command = HandleRefund {
        application: found.application.id,
        refund: found.refund.id,
        officer: officer.clone(),
        act,
        seen,
    };
    match ctx.site().tree.command(found.applicant.id, command).await {
        Ok(_) => {
            ctx.site().tree.world.wake.refunds();
            ctx.flash("flash-decided");
            Ok(ctx.redirect(&format!("/staff/refund/{}/{}", found.application.id, found.refund.id)))
        }
        Err(Refusal::Rejected(Rejection::Form(errors))) => {
            let shown = Shown::wrong(posted.0, errors);
            view(&ctx, &officer, &found, StatusCode::UNPROCESSABLE_ENTITY, &shown).await
        }
        Err(Refusal::Rejected(Rejection::Stale)) => {
            let found = find(&ctx, &path).await?;
            view(&ctx, &officer, &found, StatusCode::CONFLICT, &shown).await
        }
        Err(refusal) => Err(refusal.into()),
    }
}
