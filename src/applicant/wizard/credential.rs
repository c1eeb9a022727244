//! Step 4, 认证申请信息 (R2.6): the credential.

use std::sync::LazyLock;

use actix_web::web;
use domain::application::Application;
use domain::form::Field;
use domain::joint::FIXED;
use domain::steps::{CREDENTIAL, StepName};
use maud::{Markup, html};

use super::joint::facts;
use super::{FormStep, misplaced, open, open_keeping, seen, standing};
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::posted::Posted;

const STEP: FormStep = FormStep { step: StepName::Credential, fields: &CREDENTIAL };

/// What a joint programme leaves to be filled in (R3.3).
static BESIDE_PROGRAMME: LazyLock<Vec<Field>> =
    LazyLock::new(|| CREDENTIAL.into_iter().filter(|field| !FIXED.contains(&field.name)).collect());

/// The form of this application, and what stands above it.
fn form(ctx: &Ctx, application: &Application) -> (FormStep, Markup) {
    let joint = application.joint.as_ref().filter(|joint| joint.programme.is_some());
    let fields = if joint.is_some() { BESIDE_PROGRAMME.as_slice() } else { &CREDENTIAL };
    let intro = html! {
        p { (ctx.t("credential-words")) }
        @if let Some(joint) = joint { section class="card" { h2 { (ctx.t("joint-fixed")) } (facts(ctx, joint)) } }
    };
    (FormStep { step: STEP.step, fields }, intro)
}

/// `GET /apply/{id}/credential`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, STEP.step) {
        return Ok(elsewhere);
    }
    let shown = standing(&application, STEP.step, &application.credential);
    let (step, intro) = form(&ctx, &application);
    Ok(step.page(&ctx, &application, &intro, &seen(&application.credential), &shown))
}

/// `POST /apply/{id}/credential`
pub async fn save(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    let (step, intro) = form(&ctx, &application);
    step.save(&ctx, &me, &application, posted, &intro, &application.credential).await
}
