//! 退出: the page between, before an application that is not paid for is given up; with money in it the way out is the
//! refund (casework.md §1).

use actix_web::web;
use domain::case::Stage;
use domain::casework::WithdrawApplication;
use maud::html;

use crate::applicant::wizard::open;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// `GET /case/{id}/withdraw`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, application) = open(&ctx, &id).await?;
    if application.stage() != Stage::Submitted {
        return Ok(ctx.redirect(&format!("/case/{}", application.id)));
    }
    Ok(Page::new(ctx.t("withdraw-title")).show(
        &ctx,
        html! {
            p class="crumbs" { a href={"/case/" (application.id)} { (ctx.t("back")) } }
            h1 { (ctx.t("withdraw-title")) }
            p class="advice" { strong { (ctx.t("withdraw-words")) } }
            form method="post" class="actions" {
                (token(&ctx))
                button type="submit" class="danger" { (ctx.t("withdraw-do")) }
                a href={"/case/" (application.id)} { (ctx.t("refund-rather-not")) }
            }
        },
    ))
}

/// `POST /case/{id}/withdraw`
pub async fn act(ctx: Ctx, id: web::Path<String>, _: Posted) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    ctx.site().tree.command(me.id, WithdrawApplication { application: application.id }).await?;
    Ok(ctx.redirect(&format!("/case/{}", application.id)))
}
