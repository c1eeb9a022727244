//! The nine steps (guide 二.3): one file a step; here is what they share.

pub mod authorisation;
pub mod basic;
pub mod confirm;
pub mod credential;
pub mod done;
pub mod experience;
pub mod joint;
pub mod kind;
pub mod materials;
pub mod payment;
pub mod phone;
pub mod tasks;
pub mod verification;

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::case::Stage;
use domain::form::{Answers, Field, Raw, fingerprint};
use domain::ids::ApplicationId;
use domain::person::Language;
use domain::steps::StepName;
use domain::submission::{KeepUnfinished, SaveStep, Saved};
use maud::{Markup, html};

use crate::error::Failure;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, answer, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// The routes of this folder.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/apply/{id}", web::get().to(tasks::show))
        .route("/apply/{id}/delete", web::get().to(tasks::ask_delete))
        .route("/apply/{id}/delete", web::post().to(tasks::delete))
        .route("/apply/{id}/verification", web::get().to(verification::show))
        .route("/apply/{id}/verification", web::post().to(verification::act))
        .route("/apply/{id}/verification/assisted", web::get().to(verification::ask_assisted))
        .route("/apply/{id}/basic", web::get().to(basic::show))
        .route("/apply/{id}/basic", web::post().to(basic::save))
        .route("/apply/{id}/type", web::get().to(kind::show))
        .route("/apply/{id}/type", web::post().to(kind::save))
        .route("/apply/{id}/joint", web::get().to(joint::show))
        .route("/apply/{id}/joint", web::post().to(joint::act))
        .route("/apply/{id}/programmes", web::get().to(joint::list))
        .route("/apply/{id}/programmes", web::post().to(joint::take))
        .route("/apply/{id}/credential", web::get().to(credential::show))
        .route("/apply/{id}/credential", web::post().to(credential::save))
        .route("/apply/{id}/experience", web::get().to(experience::show))
        .route("/apply/{id}/experience", web::post().to(experience::finish))
        .route("/apply/{id}/experience/{row}", web::get().to(experience::edit))
        .route("/apply/{id}/experience/{row}", web::post().to(experience::save))
        .route("/apply/{id}/materials", web::get().to(materials::show))
        .route("/apply/{id}/materials", web::post().to(materials::act))
        .route("/apply/{id}/materials/{slot}", web::post().to(materials::upload))
        .route("/apply/{id}/phone/{slot}", web::post().to(phone::invite))
        .route("/apply/{id}/phone/{slot}", web::get().to(phone::look))
        .route("/phone/{token}", web::get().to(phone::show))
        .route("/phone/{token}", web::post().to(phone::upload))
        .route("/apply/{id}/authorisation", web::get().to(authorisation::show))
        .route("/apply/{id}/image/{material}", web::get().to(materials::image))
        .route("/apply/{id}/confirm", web::get().to(confirm::show))
        .route("/apply/{id}/confirm", web::post().to(confirm::submit))
        .route("/apply/{id}/reopen", web::post().to(confirm::reopen))
        .route("/apply/{id}/payment", web::get().to(payment::show))
        .route("/apply/{id}/payment", web::post().to(payment::act))
        .route("/apply/{id}/done", web::get().to(done::show));
}

/// The application of an address, of the logged-in applicant.
pub async fn open(ctx: &Ctx, id: &str) -> Result<(Arc<Applicant>, Arc<Application>), Failure> {
    open_keeping(ctx, id, None).await
}

/// The same; what was typed is kept if the session ran out.
pub async fn open_keeping(
    ctx: &Ctx,
    id: &str,
    typed: Option<&Raw>,
) -> Result<(Arc<Applicant>, Arc<Application>), Failure> {
    let me = ctx.me_keeping(typed).await?;
    let id: ApplicationId = id.parse().map_err(|_| Rejection::NotFound)?;
    let application = Arc::clone(me.application(id)?);
    Ok((me, application))
}

/// Sends somebody who is at the wrong place to the right one: submitted applications have no steps to fill in, and
/// steps build on each other.
pub fn misplaced(ctx: &Ctx, me: &Applicant, application: &Application, step: StepName) -> Option<HttpResponse> {
    if application.stage() != Stage::Draft {
        let to = if application.stage() == Stage::Submitted { "payment" } else { "done" };
        return Some(ctx.redirect(&format!("/apply/{}/{to}", application.id)));
    }
    let next = application.next_step(&me.account.nationality, ctx.today());
    (step > next).then(|| {
        ctx.flash("flash-step-first");
        ctx.redirect(&format!("/apply/{}/{}", application.id, next.slug()))
    })
}

/// The page of a step.
pub fn step_page(ctx: &Ctx, application: &Application, step: StepName, page: Page, body: &Markup) -> HttpResponse {
    let number = step.number().to_string();
    let back = match step.previous().filter(|_| application.stage() == Stage::Draft) {
        Some(previous) => format!("/apply/{}/{}", application.id, previous.slug()),
        None => "/centre/applications".to_owned(),
    };
    page.show(
        ctx,
        html! {
            nav class="crumbs" aria-label=(ctx.t("crumbs")) {
                a href=(back) { (ctx.t("back")) }
                @if application.stage() == Stage::Draft { " · " a href={"/apply/" (application.id)} { (ctx.t("case-steps")) } }
            }
            p class="step" { (ctx.with("step-of", &[("number", &number)])) }
            div class="progress" aria-hidden="true" { @for at in 1..=9 { span class=(if at <= step.number() { "on" } else { "" }) {} } }
            h1 { (ctx.t(&format!("step-{}", step.slug()))) }
            (body)
        },
    )
}

/// The title of a step's page.
pub fn title(ctx: &Ctx, step: StepName) -> String {
    let number = step.number().to_string();
    format!("{} - {}", ctx.t(&format!("step-{}", step.slug())), ctx.with("step-of", &[("number", &number)]))
}

/// The buttons at the end of a step.
pub fn buttons(ctx: &Ctx) -> Markup {
    html! {
        div class="actions" {
            button type="submit" { (ctx.t("next")) }
            button type="submit" class="secondary" name="later" value="yes" formnovalidate { (ctx.t("later")) }
        }
    }
}

/// A step that is one form of declared fields.
pub struct FormStep {
    /// Which.
    pub step: StepName,
    /// Its fields.
    pub fields: &'static [Field],
}

impl FormStep {
    /// The page with `shown` in its fields; `intro` stands above, `seen` is the fingerprint of what is stored.
    pub fn page(
        &self,
        ctx: &Ctx,
        application: &Application,
        intro: &Markup,
        seen: &str,
        shown: &Shown,
    ) -> HttpResponse {
        let page = Page::new(title(ctx, self.step)).status(shown.status()).with_form();
        let action = format!("/apply/{}/{}{}", application.id, self.step.slug(), change(ctx));
        step_page(
            ctx,
            application,
            self.step,
            page,
            &html! {
                (summary(ctx, shown))
                (intro)
                form id="main" method="post" action=(action) novalidate {
                    (token(ctx))
                    input type="hidden" name="seen" value=(seen);
                    @for each in self.fields { (field(ctx, each, shown)) }
                    (buttons(ctx))
                }
            },
        )
    }

    /// Saves the form: next step, or the page again, or both versions when somebody else was quicker.
    pub async fn save(
        &self,
        ctx: &Ctx,
        me: &Applicant,
        application: &Application,
        posted: Posted,
        intro: &Markup,
        stored: &Answers,
    ) -> Answer {
        let raw: Raw = posted.0.clone();
        let seen = posted.get("seen").to_owned();
        if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
            return Ok(self.page(&ctx.in_language(language), application, intro, &seen, &Shown::of(raw)));
        }
        let later = posted.some("later").is_some();
        let mine = posted.some("mine").is_some();
        let command = SaveStep {
            application: application.id,
            step: self.step,
            raw: raw.clone(),
            seen: (!mine && !seen.is_empty()).then_some(seen.clone()),
        };
        match ctx.site().tree.command(me.id, command).await {
            Ok(saved) => Ok(after(ctx, application.id, self.step, &saved, later)),
            Err(Refusal::Rejected(Rejection::Form(_))) if later && self.step != StepName::Kind => {
                let keep = KeepUnfinished { application: application.id, step: self.step, raw };
                ctx.site().tree.command(me.id, keep).await?;
                ctx.flash("flash-kept");
                Ok(ctx.redirect(&format!("/apply/{}", application.id)))
            }
            Err(Refusal::Rejected(Rejection::Form(errors))) => {
                Ok(self.page(ctx, application, intro, &seen, &Shown::wrong(raw, errors)))
            }
            Err(Refusal::Rejected(Rejection::Stale)) => Ok(self.conflict(ctx, application, &raw, stored)),
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn conflict(&self, ctx: &Ctx, application: &Application, raw: &Raw, stored: &Answers) -> HttpResponse {
        let back = format!("/apply/{}/{}", application.id, self.step.slug());
        conflict(ctx, application, self.step, self.fields, raw, stored, &back)
    }
}

/// Both versions side by side (HTTP 409); nothing of either is lost. `back` keeps what is stored.
pub fn conflict(
    ctx: &Ctx,
    application: &Application,
    step: StepName,
    fields: &[Field],
    raw: &Raw,
    stored: &Answers,
    back: &str,
) -> HttpResponse {
    let show = |field: &Field, values: &Answers| answer(ctx, field, values.get(field.name).map_or("", String::as_str));
    let differing: Vec<&Field> = fields.iter().filter(|field| show(field, raw) != show(field, stored)).collect();
    let page = Page::new(ctx.t("conflict-title")).status(StatusCode::CONFLICT);
    step_page(
        ctx,
        application,
        step,
        page,
        &html! {
            h2 { (ctx.t("conflict-title")) }
            p { (ctx.t("conflict-words")) }
            table class="compare" {
                thead { tr { th scope="col" { (ctx.t("conflict-field")) } th scope="col" { (ctx.t("conflict-stored")) } th scope="col" { (ctx.t("conflict-mine")) } } }
                tbody { @for field in differing {
                    tr { th scope="row" { (ctx.t(&format!("field-{}", field.name))) } td { (show(field, stored)) } td { (show(field, raw)) } }
                } }
            }
            form method="post" {
                (token(ctx))
                @for (name, value) in raw { @if name != "seen" && name != "later" { input type="hidden" name=(name) value=(value); } }
                div class="actions" {
                    button type="submit" name="mine" value="yes" { (ctx.t("conflict-take-mine")) }
                    a class="button secondary" href=(back) { (ctx.t("conflict-take-stored")) }
                }
            }
        },
    )
}

/// What an address carries on from the check page: there it goes back to.
pub fn change(ctx: &Ctx) -> &'static str {
    if ctx.path().contains("change=1") { "?change=1" } else { "" }
}

/// Where to go after a step was saved; steps that were reopened by it are named.
pub fn after(ctx: &Ctx, id: ApplicationId, step: StepName, saved: &Saved, later: bool) -> HttpResponse {
    if !saved.reopened.is_empty() {
        ctx.flash("flash-reopened");
    } else if later {
        ctx.flash("flash-kept");
    }
    if later {
        return ctx.redirect(&format!("/apply/{id}"));
    }
    let next = if !change(ctx).is_empty() && saved.reopened.is_empty() { StepName::Confirm } else { step.next() };
    ctx.redirect(&format!("/apply/{id}/{}", next.slug()))
}

/// What stands in a form: what was typed and left, else what is stored.
pub fn standing(application: &Application, step: StepName, stored: &Answers) -> Shown {
    Shown::of(application.unfinished.get(step.slug()).unwrap_or(stored).clone())
}

/// The fingerprint that a page carries.
pub fn seen(stored: &Answers) -> String {
    fingerprint(stored)
}
