//! Step 1, 实人认证 (R2.3): the code to scan, the page that learns of it by itself, the records, and the staffed way.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::application::Application;
use domain::steps::StepName;
use domain::verification::{
    AskRecords, AskVerification, ChooseWay, LeaveVerification, Records, Verification, VerificationState,
};
use gateways::identity::Callback;
use maud::{Markup, html};

use super::{after, misplaced, open, open_keeping, step_page, title};
use crate::web::Answer;
use crate::web::components::{button_link, day, instant};
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;
use crate::web::qr;

const STEP: StepName = StepName::Verification;
/// How long a page waits for the identity service before it shows that it is waiting.
const PATIENCE: u32 = 20;

/// `GET /apply/{id}/verification`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, STEP) {
        return Ok(elsewhere);
    }
    if ctx.is_fragment() {
        return Ok(ctx.poll(&known(&application), || panel(&ctx, &application, None)));
    }
    Ok(page(&ctx, &application, None))
}

fn waiting(application: &Application) -> bool {
    let open = |last: &Verification| last.state.is_open() || last.records.is_open();
    application.assisted.is_none() && application.verification().is_some_and(open)
}

/// What a polling page knows, in a word.
fn known(application: &Application) -> String {
    application.verification().map_or_else(String::new, |last| {
        let records = if last.records.is_final() {
            "final"
        } else if last.records.is_open() {
            "open"
        } else {
            "none"
        };
        format!("{}-{}-{records}", last.id, last.state.code())
    })
}

fn page(ctx: &Ctx, application: &Application, problem: Option<&str>) -> HttpResponse {
    let mut page = Page::new(title(ctx, STEP));
    if problem.is_some() {
        page = page.status(StatusCode::UNPROCESSABLE_ENTITY);
    }
    step_page(ctx, application, STEP, page, &panel(ctx, application, problem))
}

/// The part that changes by itself: looked at every two seconds while something is open.
fn panel(ctx: &Ctx, application: &Application, problem: Option<&str>) -> Markup {
    let poll =
        waiting(application).then(|| format!("/apply/{}/verification?known={}", application.id, known(application)));
    html! {
        div id="verification" aria-live="polite" data-hx-get=[poll.as_deref()] data-hx-trigger=[poll.as_ref().map(|_| "every 2s")]
            data-hx-swap=[poll.as_ref().map(|_| "outerHTML")] data-hx-nonce=[poll.as_ref().map(|_| ctx.nonce())] {
            @if let Some(problem) = problem { div class="summary" role="alert" { p { (ctx.t(problem)) } } }
            @if application.assisted.is_some() {
                p class="advice" { (ctx.t("assisted-words")) }
                (go_on(ctx, application))
                (act_form(ctx, application, "unassisted", &html! { p { button class="link" { (ctx.t("assisted-undo")) } } }))
            } @else {
                ol class="doing" {
                    li { (ctx.t("verification-1")) }
                    li { (ctx.t("verification-2")) }
                    li { (ctx.t("verification-3")) }
                }
                @match application.verification() {
                    None => (ask(ctx, application, "verification-get")),
                    Some(last) => (stand(ctx, application, last)),
                }
                p { a href={"/apply/" (application.id) "/verification/assisted"} { (ctx.t("assisted-link")) } }
            }
        }
    }
}

/// How the identity was looked at, in words.
pub fn state(ctx: &Ctx, application: &Application) -> String {
    match (application.assisted, application.verification()) {
        (Some(_), _) => ctx.t("assisted-title"),
        (None, Some(last)) => ctx.t(&format!("verification-{}", last.state.code())),
        (None, None) => ctx.t("not-given"),
    }
}

fn act_form(ctx: &Ctx, application: &Application, act: &str, body: &Markup) -> Markup {
    html! {
        form method="post" action={"/apply/" (application.id) "/verification"} {
            (token(ctx))
            input type="hidden" name="act" value=(act);
            (body)
        }
    }
}

fn ask(ctx: &Ctx, application: &Application, words: &str) -> Markup {
    act_form(ctx, application, "ask", &html! { button type="submit" { (ctx.t(words)) } })
}

fn go_on(ctx: &Ctx, application: &Application) -> Markup {
    act_form(ctx, application, "next", &html! { button type="submit" { (ctx.t("next")) } })
}

fn stand(ctx: &Ctx, application: &Application, last: &Verification) -> Markup {
    let state = last.state.code();
    html! {
        p class="state" role="status" { strong { (ctx.t(&format!("verification-{state}"))) } }
        @match last.state {
            VerificationState::Asked => { p { (ctx.t("verification-asked-words")) } (look(ctx, application)) }
            VerificationState::Pending | VerificationState::Scanned | VerificationState::Confirming => {
                @if let Some(code) = &last.qr {
                    (qr::code(code, &ctx.t("verification-qr")))
                    p { (ctx.with("verification-until", &[("at", &instant(ctx, last.expires_at))])) }
                    p { a href=(code) target="_blank" rel="noopener" { (ctx.t("verification-open")) } }
                }
                (look(ctx, application))
            }
            VerificationState::Passed => (records(ctx, application, last)),
            VerificationState::Failed | VerificationState::Expired | VerificationState::Cancelled => {
                @if let Some(code) = last.sub_code.filter(|_| last.state == VerificationState::Failed) {
                    p { (ctx.texts().find(&format!("sub-code-{code}")).unwrap_or_else(|| ctx.t("sub-code-other"))) }
                }
                (ask(ctx, application, "verification-again"))
            }
        }
    }
}

/// The button that looks again, for browsers that don't do it by themselves.
fn look(ctx: &Ctx, application: &Application) -> Markup {
    html! { p { a class="button secondary" href={"/apply/" (application.id) "/verification"} { (ctx.t("verification-look")) } } }
}

fn records(ctx: &Ctx, application: &Application, last: &Verification) -> Markup {
    html! {
        @match &last.records {
            Records::None if !last.may_fetch_records(ctx.now()) => { p { (ctx.t("records-late")) } (ask(ctx, application, "verification-again")) }
            Records::None => (act_form(ctx, application, "records", &html! {
                div class="choice" {
                    input type="checkbox" id="consent" name="consent" value="yes";
                    label for="consent" { (ctx.t("records-consent")) }
                }
                button type="submit" { (ctx.t("records-get")) }
            })),
            Records::Asked { .. } | Records::Processing { .. } => { p role="status" { (ctx.t("records-waiting")) } (look(ctx, application)) }
            Records::Ready { crossings } => {
                p { (ctx.with("records-ready", &[("count", &crossings.len().to_string())])) }
                table {
                    caption { (ctx.t("records-title")) }
                    thead { tr { th scope="col" { (ctx.t("records-date")) } th scope="col" { (ctx.t("records-direction")) } th scope="col" { (ctx.t("records-port")) } } }
                    tbody { @for crossing in crossings {
                        tr { td { (day(ctx, crossing.date)) } td { (ctx.t(if crossing.exit { "records-exit" } else { "records-entry" })) } td { (crossing.port) } }
                    } }
                }
                (go_on(ctx, application))
            }
            Records::NoRecord | Records::Refused => { p class="advice" { (ctx.t("records-none")) } (go_on(ctx, application)) }
        }
    }
}

/// `POST /apply/{id}/verification`
pub async fn act(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    let (tree, id) = (&ctx.site().tree, application.id);
    let problem = match posted.get("act") {
        "ask" => {
            tree.command(me.id, AskVerification { application: id }).await?;
            tree.world.wake.identity();
            settle(&ctx, &application).await?;
            None
        }
        "records" => {
            let consent = posted.some("consent").is_some();
            match tree.command(me.id, AskRecords { application: id, consent }).await {
                Ok(_) => {
                    tree.world.wake.identity();
                    None
                }
                Err(Refusal::Rejected(Rejection::Form(_))) => Some("records-consent-first"),
                Err(Refusal::Rejected(Rejection::NotNow(_))) => Some("records-late"),
                Err(refusal) => return Err(refusal.into()),
            }
        }
        way @ ("assisted" | "unassisted") => {
            tree.command(me.id, ChooseWay { application: id, assisted: way == "assisted" }).await?;
            None
        }
        _ => match tree.command(me.id, LeaveVerification { application: id }).await {
            Ok(saved) => return Ok(after(&ctx, id, STEP, &saved, false)),
            Err(Refusal::Rejected(Rejection::NotNow(_))) => Some("verification-first"),
            Err(refusal) => return Err(refusal.into()),
        },
    };
    match problem {
        None => Ok(ctx.redirect(&format!("/apply/{id}/verification"))),
        Some(problem) => {
            let me = tree.applicant(me.id).await?;
            Ok(page(&ctx, me.application(id)?, Some(problem)))
        }
    }
}

/// Waits a moment for the QR code, so that the next page already shows it.
async fn settle(ctx: &Ctx, application: &Application) -> Result<(), crate::error::Failure> {
    for _ in 0..PATIENCE {
        let me = ctx.me().await?;
        let state = me.application(application.id)?.verification().map(|last| last.state);
        if state != Some(VerificationState::Asked) {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// `GET /apply/{id}/verification/assisted`: the page between, before identity is left to staff.
pub async fn ask_assisted(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, application) = open(&ctx, &id).await?;
    Ok(Page::new(ctx.t("assisted-title")).show(
        &ctx,
        html! {
            h1 { (ctx.t("assisted-title")) }
            p { (ctx.t("assisted-1")) }
            p { (ctx.t("assisted-2")) }
            (act_form(&ctx, &application, "assisted", &html! {
                div class="actions" {
                    button type="submit" { (ctx.t("assisted-do")) }
                    (button_link(&format!("/apply/{}/verification", application.id), &ctx.t("back")))
                }
            }))
        },
    ))
}

/// `POST /identity/notify`: the identity service says that something ended. It decides nothing; we look ourselves.
pub async fn called(ctx: Ctx, call: web::Json<Callback>) -> HttpResponse {
    if let Ok(id) = call.outer_no.parse() {
        let now = ctx.now();
        if ctx.db(move |store| store.look_now(id, now)).await.is_ok() {
            ctx.site().tree.world.wake.identity();
        }
    }
    HttpResponse::NoContent().finish()
}
