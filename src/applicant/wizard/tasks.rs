//! The task list of an application (R2.13): what is done, what is next; and deleting a draft.

use actix_web::web;
use domain::case::Stage;
use domain::steps::StepName;
use domain::submission::DeleteDraft;
use maud::html;

use super::open;
use crate::web::Answer;
use crate::web::components::button_link;
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// `GET /apply/{id}`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if application.stage() != Stage::Draft {
        return Ok(ctx.redirect(&format!("/case/{}", application.id)));
    }
    let (nationality, today) = (me.account.nationality.as_str(), ctx.today());
    let next = application.next_step(nationality, today);
    Ok(Page::new(ctx.t("tasks-title")).show(
        &ctx,
        html! {
            p class="crumbs" { a href="/centre/applications" { (ctx.t("centre-applications")) } }
            h1 { (ctx.t("tasks-title")) }
            p { (ctx.t("tasks-words")) }
            ol class="tasks" {
                @for step in StepName::ALL {
                    @let done = application.is_done(step, nationality, today);
                    li class=(if step == next { "current" } else { "" }) {
                        @if done || step <= next { a href={"/apply/" (application.id) "/" (step.slug())} { (ctx.t(&format!("step-{}", step.slug()))) } }
                        @else { span { (ctx.t(&format!("step-{}", step.slug()))) } }
                        span class={"tag " (if done { "tag-done" } else if step == next { "tag-next" } else { "tag-wait" })} {
                            (ctx.t(if done { "task-done" } else if application.unfinished.contains_key(step.slug()) { "task-begun" } else if step == next { "task-next" } else { "task-wait" }))
                        }
                    }
                }
            }
            div class="actions" {
                (button_link(&format!("/apply/{}/{}", application.id, next.slug()), &ctx.t("case-go-on")))
                a href={"/apply/" (application.id) "/delete"} { (ctx.t("draft-delete")) }
            }
        },
    ))
}

/// `GET /apply/{id}/delete`
pub async fn ask_delete(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, application) = open(&ctx, &id).await?;
    Ok(Page::new(ctx.t("draft-delete")).show(
        &ctx,
        html! {
            h1 { (ctx.t("draft-delete")) }
            p { (ctx.t("draft-delete-words")) }
            form method="post" {
                (token(&ctx))
                div class="actions" {
                    button type="submit" class="danger" { (ctx.t("draft-delete-do")) }
                    (button_link(&format!("/apply/{}", application.id), &ctx.t("keep")))
                }
            }
        },
    ))
}

/// `POST /apply/{id}/delete`
pub async fn delete(ctx: Ctx, id: web::Path<String>, _: Posted) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    ctx.site().tree.command(me.id, DeleteDraft { application: application.id }).await?;
    ctx.flash("flash-deleted");
    Ok(ctx.redirect("/centre/applications"))
}
