//! Step 7, 确认 (R2.9): everything on one page, each with a way back; the declaration; 提交.

use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::completeness::{Concern, concerns};
use domain::form::{Field, Kind};
use domain::material::{Purpose, slots};
use domain::person::Language;
use domain::steps::{BASIC, CREDENTIAL, StepName};
use domain::submission::{ReopenApplication, SubmitApplication};
use maud::{Markup, html};

use super::{experience, joint, misplaced, open, open_keeping, step_page, title, verification};
use crate::applicant::wizard::basic;
use crate::web::Answer;
use crate::web::components::{answers, rows};
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const STEP: StepName = StepName::Confirm;
const DECLARATION: Field = Field::must("declaration", Kind::Tick);

/// `GET /apply/{id}/confirm`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, STEP) {
        return Ok(elsewhere);
    }
    Ok(page(&ctx, &me, &application, &Shown::default()))
}

/// All answers and materials in sections; `change` adds the ways back.
pub fn sections(ctx: &Ctx, me: &Applicant, application: &Application, change: bool) -> Markup {
    let id = application.id;
    let head = |step: StepName| {
        html! {
            h2 { (ctx.t(&format!("step-{}", step.slug()))) }
            @if change { p class="change" { a href={"/apply/" (id) "/" (step.slug()) "?change=1"} { (ctx.t("change")) span class="hidden" { " " (ctx.t(&format!("step-{}", step.slug()))) } } } }
        }
    };
    let kind = application.kind.map(|kind| ctx.t(&format!("choice-kind-{}", kind.code()))).unwrap_or_default();
    html! {
        section class="check" { (head(StepName::Verification)) (rows(&[(ctx.t("step-verification"), verification::state(ctx, application))])) }
        section class="check" {
            (head(StepName::Basic))
            (rows(&basic::known(ctx, &me.account)))
            (rows(&answers(ctx, &BASIC, &application.basic)))
        }
        section class="check" { (head(StepName::Kind)) (rows(&[(ctx.t("field-kind"), kind)])) @if let Some(joint) = &application.joint { (joint::facts(ctx, joint)) } }
        section class="check" { (head(StepName::Credential)) (rows(&answers(ctx, &CREDENTIAL, &application.credential))) }
        section class="check" { (head(StepName::Experience)) (experience::table(ctx, application, false)) @if change { (experience::pointed_out(ctx, application)) } }
        section class="check" {
            (head(StepName::Materials))
            dl class="rows" {
                @for rule in slots(application, &me.account.nationality, ctx.today()) {
                    @let images: Vec<_> = application.materials.iter().filter(|image| image.slot == rule.slot && image.purpose == Purpose::Application).collect();
                    div { dt { (ctx.slot(&rule.slot)) } dd {
                        @if images.is_empty() { (ctx.t("not-given")) }
                        @else if !change { (ctx.with("images-count", &[("count", &images.len().to_string())])) }
                        @for image in images.iter().filter(|_| change) {
                            p class="file" { a href={"/apply/" (id) "/image/" (image.id) "?turns=" (image.turns)} target="_blank" rel="noopener" { (image.file_name) } }
                        }
                    } }
                }
            }
        }
    }
}

fn page(ctx: &Ctx, me: &Applicant, application: &Application, shown: &Shown) -> HttpResponse {
    step_page(
        ctx,
        application,
        STEP,
        Page::new(title(ctx, STEP)).status(shown.status()).with_form(),
        &html! {
            (summary(ctx, shown))
            p { (ctx.t("confirm-words")) }
            (sections(ctx, me, application, true))
            (likely(ctx, me, application))
            section {
                h2 { (ctx.t("declaration-title")) }
                p { (ctx.t("declaration-1")) }
                p { (ctx.t("declaration-2")) }
                form id="main" method="post" action={"/apply/" (application.id) "/confirm"} novalidate {
                    (token(ctx))
                    (field(ctx, &DECLARATION, shown))
                    button type="submit" { (ctx.t("submit-do")) }
                }
            }
        },
    )
}

/// What an officer would probably ask for, each with the way to mend it.
fn likely(ctx: &Ctx, me: &Applicant, application: &Application) -> Markup {
    let found = concerns(application, &me.account.nationality, ctx.today());
    let slot = |slot: &str| ctx.slot(slot);
    let words = |concern: &Concern| match concern {
        Concern::Image { slot: of, file, advice } => {
            let why = ctx.t(&format!("advice-{}", advice.code()));
            (StepName::Materials, format!("{}（{file}）：{why}", slot(of)))
        }
        Concern::OneSide(of) => (StepName::Materials, ctx.with("concern-one-side", &[("slotname", &slot(of))])),
        Concern::Missing(of) => (StepName::Materials, ctx.with("concern-missing", &[("slotname", &slot(of))])),
        Concern::Dates => (StepName::Experience, ctx.t("concern-dates")),
        Concern::DaysAbroad { said, counted } => {
            let (said, counted) = (said.to_string(), counted.to_string());
            (StepName::Credential, ctx.with("concern-days", &[("said", &said), ("counted", &counted)]))
        }
        Concern::NoNumber => (StepName::Credential, ctx.t("concern-number")),
    };
    html! {
        @if !found.is_empty() {
            section class="advice" {
                h2 { (ctx.t("concerns-title")) }
                p { (ctx.t("concerns-words")) }
                ul { @for concern in &found {
                    @let (step, words) = words(concern);
                    li { (words) " " a href={"/apply/" (application.id) "/" (step.slug()) "?change=1"} { (ctx.t("change")) span class="hidden" { " " (words) } } }
                } }
            }
        }
    }
}

/// `POST /apply/{id}/confirm`: 提交.
pub async fn submit(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(page(&ctx.in_language(language), &me, &application, &Shown::of(posted.0)));
    }
    let declared = posted.some("declaration").is_some();
    match ctx.site().tree.command(me.id, SubmitApplication { application: application.id, declared }).await {
        Ok(()) => Ok(ctx.redirect(&format!("/apply/{}/payment", application.id))),
        Err(Refusal::Rejected(Rejection::Form(errors))) => {
            Ok(page(&ctx, &me, &application, &Shown::wrong(posted.0, errors)))
        }
        Err(Refusal::Rejected(Rejection::NotNow("steps-open"))) => {
            ctx.flash("flash-step-first");
            Ok(ctx.redirect(&format!("/apply/{}", application.id)))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// `POST /apply/{id}/reopen`: back to the draft, as long as nothing is paid.
pub async fn reopen(ctx: Ctx, id: web::Path<String>, _: Posted) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    ctx.site().tree.command(me.id, ReopenApplication { application: application.id }).await?;
    ctx.flash("flash-reopened-draft");
    Ok(ctx.redirect(&format!("/apply/{}", application.id)))
}
