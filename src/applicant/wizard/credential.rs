//! Step 4, 认证申请信息 (R2.6): the credential.

use actix_web::web;
use domain::steps::{CREDENTIAL, StepName};
use maud::{Markup, html};

use super::{FormStep, misplaced, open, open_keeping, seen, standing};
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::posted::Posted;

const STEP: FormStep = FormStep { step: StepName::Credential, fields: &CREDENTIAL };

fn intro(ctx: &Ctx) -> Markup {
    html! { p { (ctx.t("credential-words")) } }
}

/// `GET /apply/{id}/credential`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, STEP.step) {
        return Ok(elsewhere);
    }
    let shown = standing(&application, STEP.step, &application.credential);
    Ok(STEP.page(&ctx, &application, &intro(&ctx), &seen(&application.credential), &shown))
}

/// `POST /apply/{id}/credential`
pub async fn save(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    STEP.save(&ctx, &me, &application, posted, &intro(&ctx), &application.credential).await
}
