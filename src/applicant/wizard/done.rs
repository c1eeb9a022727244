//! Step 9 (R2.12): the case enters the process; its number, what comes next and when.

use actix_web::web;
use domain::case::Stage;
use domain::steps::StepName;
use maud::html;

use super::{open, step_page, title};
use crate::web::Answer;
use crate::web::components::{button_link, whose_move};
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// `GET /apply/{id}/done`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, application) = open(&ctx, &id).await?;
    match application.stage() {
        Stage::Draft => return Ok(ctx.redirect(&format!("/apply/{}", application.id))),
        Stage::Submitted => return Ok(ctx.redirect(&format!("/apply/{}/payment", application.id))),
        _ => {}
    }
    let order = application.payment().map(|attempt| attempt.order.clone());
    Ok(step_page(
        &ctx,
        &application,
        StepName::Done,
        Page::new(title(&ctx, StepName::Done)),
        &html! {
            div class="done" {
                p { (ctx.t("done-words")) }
                p { (ctx.t("case-number")) " " strong class="number" { (application.number.clone().unwrap_or_default()) } }
            }
            h2 { (ctx.t("done-next")) }
            (whose_move(&ctx, &application))
            div class="actions" {
                (button_link(&format!("/case/{}", application.id), &ctx.t("case-view")))
                @if let Some(order) = order { a href={"/payments/" (order)} { (ctx.t("receipt-title")) } }
            }
        },
    ))
}
