//! Step 8, 支付 (R2.10): the attempt before the browser leaves, the cashier, and the truth from the gateway alone.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::application::Application;
use domain::case::Stage;
use domain::money::FEE;
use domain::payment::{Attempt, AttemptState};
use domain::settlement::{AskGatewayNow, OpenAttempt};
use domain::steps::StepName;
use maud::{Markup, html};

use super::{open, step_page, title};
use crate::web::Answer;
use crate::web::components::{button_link, instant, rows};
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const STEP: StepName = StepName::Payment;
/// Looks before the waiting page is shown, a tenth of a second apart.
const PATIENCE: u32 = 20;

/// `GET /apply/{id}/payment`; who comes back from the bank (`?wait=1`) is let wait for the answer, scripts or not: a
/// page that reloads itself would take the reader's place away (WCAG 2.2.1).
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, mut application) = open(&ctx, &id).await?;
    for _ in 0..PATIENCE {
        if !ctx.path().ends_with("wait=1") || open_attempt(&application).is_none() {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(100)).await;
        application = open(&ctx, &id).await?.1;
    }
    match application.stage() {
        Stage::Draft => return Ok(ctx.redirect(&format!("/apply/{}", application.id))),
        Stage::Submitted => {}
        _ => {
            if ctx.is_fragment() {
                let to = format!("/apply/{}/done", application.id);
                return Ok(ctx.seal(HttpResponse::Ok().insert_header(("HX-Redirect", to)).finish()));
            }
            return Ok(ctx.redirect(&format!("/apply/{}/done", application.id)));
        }
    }
    if ctx.is_fragment() {
        return Ok(ctx.poll(&known(&application), || attempts(&ctx, &application)));
    }
    let waiting = open_attempt(&application).is_some();
    let page = Page::new(title(&ctx, STEP));
    let fee = vec![
        (ctx.t("pay-for"), ctx.t("pay-for-what")),
        (ctx.t("case-number"), application.number.clone().unwrap_or_default()),
        (ctx.t("pay-amount"), format!("¥{FEE}")),
    ];
    Ok(step_page(
        &ctx,
        &application,
        STEP,
        page,
        &html! {
            p { (ctx.t("pay-words")) }
            (rows(&fee))
            (attempts(&ctx, &application))
            form method="post" {
                (token(&ctx))
                button type="submit" name="act" value="pay" class=(if waiting { "secondary" } else { "" }) { (ctx.t(if waiting { "pay-again" } else { "pay-now" })) }
            }
            @if !waiting {
                form method="post" action={"/apply/" (application.id) "/reopen"} { (token(&ctx)) p { button class="link" { (ctx.t("reopen")) } } }
            }
            p { a href={"/case/" (application.id)} { (ctx.t("case-view")) } }
        },
    ))
}

/// What a polling page knows, in a word.
fn known(application: &Application) -> String {
    let word = |attempt: &Attempt| format!("{}-{}", attempt.state.code(), attempt.queries);
    application.attempts.iter().map(word).collect::<Vec<_>>().join(".")
}

fn open_attempt(application: &Application) -> Option<&Attempt> {
    application.attempts.iter().rev().find(|attempt| attempt.state == AttemptState::Open)
}

/// What is known of the attempts: being asked, when last, what comes next.
fn attempts(ctx: &Ctx, application: &Application) -> Markup {
    let open = open_attempt(application);
    let poll = open.map(|_| format!("/apply/{}/payment?known={}", application.id, known(application)));
    html! {
        div id="attempts" aria-live="polite" data-hx-get=[poll.as_deref()] data-hx-trigger=[poll.as_ref().map(|_| "every 3s")]
            data-hx-swap=[poll.as_ref().map(|_| "outerHTML")] data-hx-nonce=[poll.as_ref().map(|_| ctx.nonce())] {
            @if let Some(attempt) = open {
                div class="advice" {
                    p { strong { (ctx.t("pay-confirming")) } }
                    p { (ctx.t("pay-confirming-words")) }
                    p class="hint" {
                        (ctx.with("pay-order", &[("order", &attempt.order)])) " "
                        @match attempt.asked_at {
                            Some(at) => (ctx.with("pay-asked", &[("at", &instant(ctx, at))])),
                            None => (ctx.t("pay-not-asked")),
                        }
                    }
                    form method="post" action={"/apply/" (application.id) "/payment"} {
                        (token(ctx))
                        button type="submit" name="act" value="ask" { (ctx.t("pay-succeeded")) }
                    }
                }
            } @else if application.attempts.last().is_some_and(|last| last.state == AttemptState::Failed) {
                p class="advice" { (ctx.t("pay-failed")) }
            } @else if application.attempts.last().is_some_and(|last| last.state == AttemptState::Parked) {
                p class="advice" { (ctx.t("pay-parked")) }
            }
        }
    }
}

/// `POST /apply/{id}/payment`
pub async fn act(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    let tree = &ctx.site().tree;
    if posted.get("act") == "ask" {
        tree.command(me.id, AskGatewayNow { application: application.id }).await?;
        tree.world.wake.payments();
        return Ok(ctx.redirect(&format!("/apply/{}/payment?wait=1", application.id)));
    }
    let attempt = match tree.command(me.id, OpenAttempt { application: application.id }).await {
        Ok(attempt) => attempt,
        // Paid already, or taken back: the page of the step knows where that leads.
        Err(Refusal::Rejected(Rejection::NotNow("paid" | "not-submitted"))) => {
            return Ok(ctx.redirect(&format!("/apply/{}/payment", application.id)));
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let site = tree.world.settings.site.clone();
    let form = tree.world.outside.union_pay.front_form(&attempt, &site).map_err(|error| ctx.fault(error))?;
    Ok(Page::new(ctx.t("pay-leaving")).submits_itself().show(
        &ctx,
        html! {
            h1 { (ctx.t("pay-leaving")) }
            p { (ctx.t("pay-leaving-words")) }
            form method="post" action=(form.action) data-auto="yes" {
                @for (name, value) in &form.fields { input type="hidden" name=(name) value=(value); }
                div class="actions" {
                    button type="submit" { (ctx.t("pay-go")) }
                    (button_link(&format!("/apply/{}/payment", application.id), &ctx.t("back")))
                }
            }
        },
    ))
}
