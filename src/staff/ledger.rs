//! The ledger for finance (R6.4): balances, movements, and one payment's whole story.

use actix_web::web;
use domain::Rejection;
use domain::effects::{Actor, AuditEntry};
use domain::ids::ApplicationId;
use domain::settlement::AskAboutAll;
use domain::staff::Act;
use maud::{Markup, html};
use serde::Deserialize;

use crate::web::Answer;
use crate::web::components::{cursor_instant, instant, rows};
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const ROWS: i64 = 50;

/// The last row of the page before.
#[derive(Deserialize)]
pub struct View {
    before: Option<String>,
}

/// What finance can look at.
pub fn tabs(ctx: &Ctx, here: &str) -> Markup {
    html! {
        nav class="tabs" aria-label=(ctx.t("finance-pages")) {
            @for (name, to) in [("refunds", "/staff/refunds"), ("transfers", "/staff/transfers"), ("ledger", "/staff/ledger"), ("clearing", "/staff/clearing")] {
                a href=(to) aria-current=[(name == here).then_some("page")] { (ctx.t(&format!("{name}-title"))) }
            }
        }
    }
}

/// `GET /staff/ledger`
pub async fn show(ctx: Ctx, view: web::Query<View>) -> Answer {
    ctx.officer(Act::HandleMoney).await?;
    let before = view.before.as_deref().and_then(|text| {
        let (micros, key) = text.split_once('.')?;
        Some((cursor_instant(micros)?, key.to_owned()))
    });
    let (balances, movements) = ctx.db(move |store| Ok((store.balances()?, store.ledger(before, ROWS)?))).await?;
    let more = movements.last().filter(|_| movements.len() == usize::try_from(ROWS).unwrap_or(0));
    let more = more.map(|row| format!("/staff/ledger?before={}.{}", row.at.timestamp_micros(), row.key));
    let sum: i64 = balances.iter().map(|(_, balance)| balance.0).sum();
    Ok(Page::new(ctx.t("ledger-title")).staff().show(
        &ctx,
        html! {
            (tabs(&ctx, "ledger"))
            h1 { (ctx.t("ledger-title")) }
            p class="hint" { (ctx.t("ledger-hint")) }
            table {
                caption { (ctx.t("ledger-balances")) }
                thead { tr { th scope="col" { (ctx.t("ledger-account")) } th scope="col" class="amount" { (ctx.t("pay-amount")) } } }
                tbody {
                    @for (account, balance) in &balances { tr { td { (ctx.t(&format!("account-{account}"))) } td class="amount" { (balance) } } }
                    tr { th scope="row" { (ctx.t("ledger-sum")) } td class="amount" { (domain::money::Fen(sum)) } }
                }
            }
            @if movements.is_empty() { p class="empty" { (ctx.t("ledger-empty")) } }
            @else {
                table {
                    caption { (ctx.t("ledger-movements")) }
                    thead { tr {
                        th scope="col" { (ctx.t("ledger-at")) } th scope="col" { (ctx.t("case-number")) }
                        th scope="col" { (ctx.t("ledger-from")) } th scope="col" { (ctx.t("ledger-to")) } th scope="col" class="amount" { (ctx.t("pay-amount")) }
                    } }
                    tbody { @for row in &movements {
                        tr {
                            td { (instant(&ctx, row.at)) } td { a href={"/staff/payment/by/" (row.number)} { (row.number) } }
                            td { (ctx.t(&format!("account-{}", row.from))) } td { (ctx.t(&format!("account-{}", row.to))) } td class="amount" { (row.amount) }
                        }
                    } }
                }
            }
            @if let Some(more) = more { p { a href=(more) { (ctx.t("queue-more")) } } }
        },
    ))
}

/// `GET /staff/payment/by/{number}`
pub async fn by_number(ctx: Ctx, number: web::Path<String>) -> Answer {
    ctx.officer(Act::HandleMoney).await?;
    let id = ctx.db(move |store| store.application_by_number(&number)).await?;
    Ok(ctx.redirect(&format!("/staff/payment/{id}")))
}

/// `GET /staff/payment/{application}`: attempts, what the gateway sent, refunds, entries.
pub async fn story(ctx: Ctx, id: web::Path<String>) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let id: ApplicationId = id.parse().map_err(|_| Rejection::NotFound)?;
    let (by, now) = (officer.id, ctx.now());
    let owner = ctx
        .db(move |store| {
            let owner = store.owner_of(id)?;
            let entry = AuditEntry { by: Actor::Staff(by), act: "viewed-money", subject: format!("application:{id}") };
            store.note(&entry, now)?;
            Ok(owner)
        })
        .await?;
    let applicant = ctx.site().tree.applicant(owner).await?;
    let application = applicant.application(id)?;
    let mut orders: Vec<String> = application.attempts.iter().map(|attempt| attempt.order.clone()).collect();
    orders.extend(application.refunds.iter().filter_map(|refund| Some(refund.order.as_ref()?.order.clone())));
    let (messages, movements) = ctx
        .db(move |store| {
            let mut messages = Vec::new();
            for order in orders {
                messages.extend(store.gateway_messages(&order)?);
            }
            Ok((messages, store.movements(id)?))
        })
        .await?;
    let number = application.number.clone().unwrap_or_default();
    Ok(Page::new(format!("{} {number}", ctx.t("ledger-story"))).staff().show(
        &ctx,
        html! {
            p class="crumbs" { a href="/staff/ledger" { (ctx.t("ledger-title")) } }
            h1 { (ctx.t("ledger-story")) " " (number) }
            form method="post" action={"/staff/payment/" (id) "/ask"} { (token(&ctx)) p { button type="submit" class="secondary" { (ctx.t("ledger-ask")) } } }
            section { h2 { (ctx.t("payments-title")) }
                @for attempt in &application.attempts {
                    article class="card" {
                        h3 { "¥" (attempt.amount) " " span class="tag" { (ctx.t(&format!("attempt-{}", attempt.state.code()))) } }
                        (rows(&[
                            (ctx.t("pay-order-number"), attempt.order.clone()),
                            (ctx.t("pay-opened"), instant(&ctx, attempt.opened_at)),
                            (ctx.t("ledger-queries"), attempt.queries.to_string()),
                            (ctx.t("refund-code"), attempt.resp_code.clone().unwrap_or_default()),
                            (ctx.t("receipt-serial"), attempt.query_id.clone().unwrap_or_default()),
                        ]))
                    }
                }
            }
            section { h2 { (ctx.t("refunds-title")) }
                @if application.refunds.is_empty() { p class="empty" { (ctx.t("refunds-empty")) } }
                ul { @for refund in &application.refunds {
                    li { a href={"/staff/refund/" (id) "/" (refund.id)} { "¥" (refund.amount) " " (ctx.t(&format!("refund-state-{}", refund.state.code()))) } }
                } }
            }
            section { h2 { (ctx.t("ledger-movements")) }
                ol { @for row in &movements { li { (instant(&ctx, row.at)) " · " (ctx.t(&format!("account-{}", row.from))) " → " (ctx.t(&format!("account-{}", row.to))) " · " (row.amount) } } }
            }
            section { h2 { (ctx.t("ledger-messages")) }
                @if messages.is_empty() { p class="empty" { (ctx.t("ledger-no-messages")) } }
                @for message in &messages { details { summary { (instant(&ctx, message.at)) } pre { (message.raw) } } }
            }
        },
    ))
}

/// `POST /staff/payment/{application}/ask`: the gateway is asked now about all that is not settled.
pub async fn ask(ctx: Ctx, id: web::Path<String>, _: Posted) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let id: ApplicationId = id.parse().map_err(|_| Rejection::NotFound)?;
    let (by, now) = (officer.id, ctx.now());
    let owner = ctx
        .db(move |store| {
            let owner = store.owner_of(id)?;
            let entry = AuditEntry { by: Actor::Staff(by), act: "asked-gateway", subject: format!("application:{id}") };
            store.note(&entry, now)?;
            Ok(owner)
        })
        .await?;
    ctx.site().tree.command(owner, AskAboutAll { application: id }).await?;
    ctx.site().tree.world.wake.payments();
    ctx.flash("flash-decided");
    Ok(ctx.redirect(&format!("/staff/payment/{id}")))
}
