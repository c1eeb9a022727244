//! Step 5, 学习经历 (R2.7): rows, the credential's own among them; gaps and overlaps are pointed out.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::application::Application;
use domain::experience::{FIELDS, Remark, remarks};
use domain::form::{self, FieldError, Raw, fingerprint};
use domain::person::Language;
use domain::steps::StepName;
use domain::submission::{ChangeExperience, RowChange};
use maud::{Markup, html};

use super::{after, buttons, change, conflict, misplaced, open, open_keeping, step_page, title};
use crate::web::Answer;
use crate::web::components::button_link;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, answer, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const STEP: StepName = StepName::Experience;

/// `GET /apply/{id}/experience`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, STEP) {
        return Ok(elsewhere);
    }
    Ok(list(&ctx, &application, None))
}

/// The rows as a table.
pub fn table(ctx: &Ctx, application: &Application, editable: bool) -> Markup {
    let id = application.id;
    html! {
        div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("step-experience")) {
            table {
                thead { tr {
                    th scope="col" { (ctx.t("field-study_start")) } th scope="col" { (ctx.t("field-study_end")) }
                    th scope="col" { (ctx.t("field-study_level")) } th scope="col" { (ctx.t("field-study_institution")) }
                    @if editable { th scope="col" { (ctx.t("actions")) } }
                } }
                tbody { @for row in &application.experience {
                    @let say = |name: &str| FIELDS.iter().find(|field| field.name == name).map(|field| answer(ctx, field, form::text(&row.answers, name))).unwrap_or_default();
                    tr {
                        td { (say("study_start")) } td { (say("study_end")) } td { (say("study_level")) }
                        td { (say("study_institution")) " " span class="hint" { (say("study_country")) } }
                        @if editable { td {
                            @if row.from_credential { a href={"/apply/" (id) "/credential"} { (ctx.t("experience-from-credential")) } }
                            @else {
                                a href={"/apply/" (id) "/experience/" (row.id) (change(ctx))} { (ctx.t("edit")) span class="hidden" { " " (say("study_institution")) } }
                                form method="post" action={"/apply/" (id) "/experience/" (row.id) (change(ctx))} class="inline" {
                                    (token(ctx))
                                    button class="link" name="delete" value="yes" { (ctx.t("delete")) span class="hidden" { " " (say("study_institution")) } }
                                }
                            }
                        } }
                    }
                } }
            }
        }
    }
}

/// Gaps and overlaps in words.
pub fn pointed_out(ctx: &Ctx, application: &Application) -> Markup {
    let month = |date: chrono::NaiveDate| date.format("%Y-%m").to_string();
    html! {
        @for remark in remarks(&application.experience) {
            p class="advice" {
                @match remark {
                    Remark::Gap { from, to } => (ctx.with("experience-gap", &[("from", &month(from)), ("to", &month(to))])),
                    Remark::Overlap { first, second } => (ctx.with("experience-overlap", &[("first", &first), ("second", &second)])),
                }
            }
        }
    }
}

fn list(ctx: &Ctx, application: &Application, problem: Option<&str>) -> HttpResponse {
    let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    step_page(
        ctx,
        application,
        STEP,
        Page::new(title(ctx, STEP)).status(status),
        &html! {
            @if let Some(problem) = problem { div class="summary" role="alert" { p { (ctx.t(&format!("rejection-{problem}"))) } } }
            p { (ctx.t("experience-words")) }
            (table(ctx, application, true))
            (pointed_out(ctx, application))
            p { a class="button secondary" href={"/apply/" (application.id) "/experience/new" (change(ctx))} { (ctx.t("experience-add")) } }
            form method="post" { (token(ctx)) (buttons(ctx)) }
        },
    )
}

/// `POST /apply/{id}/experience`: 下一步.
pub async fn finish(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    if posted.some("later").is_some() {
        return Ok(ctx.redirect(&format!("/apply/{}", application.id)));
    }
    let command = ChangeExperience { application: application.id, change: RowChange::Finish };
    match ctx.site().tree.command(me.id, command).await {
        Ok(saved) => Ok(after(&ctx, application.id, STEP, &saved, false)),
        Err(Refusal::Rejected(Rejection::NotNow(problem @ ("rows-missing" | "school-missing")))) => {
            Ok(list(&ctx, &application, Some(problem)))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

fn list_address(ctx: &Ctx, application: &Application) -> String {
    format!("/apply/{}/experience{}", application.id, change(ctx))
}

fn row_page(ctx: &Ctx, application: &Application, row: &str, seen: &str, shown: &Shown) -> HttpResponse {
    step_page(
        ctx,
        application,
        STEP,
        Page::new(title(ctx, STEP)).status(shown.status()).with_form(),
        &html! {
            h2 { (ctx.t(if row == "new" { "experience-add" } else { "edit" })) }
            (summary(ctx, shown))
            form id="main" method="post" action={"/apply/" (application.id) "/experience/" (row) (change(ctx))} novalidate {
                (token(ctx))
                input type="hidden" name="seen" value=(seen);
                @for each in &FIELDS { (field(ctx, each, shown)) }
                div class="actions" {
                    button type="submit" { (ctx.t("save")) }
                    (button_link(&list_address(ctx, application), &ctx.t("cancel")))
                }
            }
        },
    )
}

/// `GET /apply/{id}/experience/{row}`
pub async fn edit(ctx: Ctx, path: web::Path<(String, String)>) -> Answer {
    let (id, row) = path.into_inner();
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, STEP) {
        return Ok(elsewhere);
    }
    let stored: Raw = match row.parse::<u32>() {
        Ok(number) => {
            let known = application.experience.iter().find(|known| known.id == number);
            known.ok_or(Rejection::NotFound)?.answers.clone()
        }
        Err(_) if row == "new" => Raw::new(),
        Err(_) => return Err(Rejection::NotFound.into()),
    };
    Ok(row_page(&ctx, &application, &row, &fingerprint(&stored), &Shown::of(stored)))
}

/// `POST /apply/{id}/experience/{row}`
pub async fn save(ctx: Ctx, path: web::Path<(String, String)>, posted: Posted) -> Answer {
    let (id, row) = path.into_inner();
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    let seen = posted.get("seen").to_owned();
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(row_page(&ctx.in_language(language), &application, &row, &seen, &Shown::of(posted.0)));
    }
    let raw = posted.0.clone();
    let change = match row.parse::<u32>() {
        Ok(id) if posted.some("delete").is_some() => RowChange::Delete { id },
        Ok(id) => {
            let mine = posted.some("mine").is_some();
            RowChange::Edit { id, raw, seen: posted.some("seen").filter(|_| !mine).map(str::to_owned) }
        }
        Err(_) => RowChange::Add { raw },
    };
    match ctx.site().tree.command(me.id, ChangeExperience { application: application.id, change }).await {
        Ok(_) => Ok(ctx.redirect(&list_address(&ctx, &application))),
        Err(Refusal::Rejected(Rejection::NotNow(full @ "too-many-rows"))) => {
            let errors = vec![FieldError::new("study_level", full)];
            Ok(row_page(&ctx, &application, &row, &seen, &Shown::wrong(posted.0, errors)))
        }
        Err(Refusal::Rejected(Rejection::Stale)) => {
            let me = ctx.site().tree.applicant(me.id).await?;
            let application = me.application(application.id)?;
            let stored = application.experience.iter().find(|known| known.id.to_string() == row);
            let stored = stored.ok_or(Rejection::NotFound)?.answers.clone();
            let back = list_address(&ctx, application);
            Ok(conflict(&ctx, application, STEP, &FIELDS, &posted.0, &stored, &back))
        }
        Err(Refusal::Rejected(Rejection::Form(errors))) => {
            Ok(row_page(&ctx, &application, &row, &seen, &Shown::wrong(posted.0, errors)))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
