//! Step 3, 申请类型 (R2.5).

use actix_web::http::StatusCode;
use actix_web::web;
use domain::steps::{ApplicationKind, KIND, StepName};
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
    // The rest of a joint programme has a page of its own.
    let unsettled = application.kind == Some(ApplicationKind::Joint) && !application.kind_is_settled();
    if unsettled && super::change(&ctx).is_empty() {
        return Ok(ctx.redirect(&format!("/apply/{}/joint", application.id)));
    }
    let stored = kind_answers(&application);
    Ok(STEP.page(&ctx, &application, &intro(&ctx), &seen(&stored), &Shown::of(stored)))
}

/// `POST /apply/{id}/type`
pub async fn save(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    let stored = kind_answers(&application);
    let joint = posted.get("kind") == ApplicationKind::Joint.code() && posted.some("later").is_none();
    let saved = STEP.save(&ctx, &me, &application, posted, &intro(&ctx), &stored).await?;
    if joint && saved.status() == StatusCode::SEE_OTHER {
        return Ok(ctx.redirect(&format!("/apply/{}/joint", application.id)));
    }
    Ok(saved)
}
