//! Step 3, 申请类型 (R2.5).

use actix_web::web;
use domain::steps::{KIND, StepName};
use domain::submission::kind_answers;
use maud::{Markup, html};

use super::{FormStep, misplaced, open, open_keeping, seen};
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::Shown;
use crate::web::posted::Posted;

const STEP: FormStep = FormStep { step: StepName::Kind, fields: &KIND };

fn intro(ctx: &Ctx) -> Markup {
    html! {
        p { (ctx.t("kind-words")) }
        dl class="rows" {
            @for kind in ["foreign", "hkmt", "diploma", "joint"] {
                div { dt { (ctx.t(&format!("choice-kind-{kind}"))) } dd { (ctx.t(&format!("kind-{kind}-needs"))) } }
            }
        }
    }
}

/// `GET /apply/{id}/type`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, STEP.step) {
        return Ok(elsewhere);
    }
    let stored = kind_answers(&application);
    Ok(STEP.page(&ctx, &application, &intro(&ctx), &seen(&stored), &Shown::of(stored)))
}

/// `POST /apply/{id}/type`
pub async fn save(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    let stored = kind_answers(&application);
    STEP.save(&ctx, &me, &application, posted, &intro(&ctx), &stored).await
}
