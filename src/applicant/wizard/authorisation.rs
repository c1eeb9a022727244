//! The authorisation statement (授权声明, casework.md §2): filled in from the application, to be printed, signed by hand
//! and uploaded in step 6.

use actix_web::web;
use maud::html;

use super::{misplaced, open};
use crate::web::Answer;
use crate::web::components::rows;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;
use domain::form::text;
use domain::steps::StepName;

/// `GET /apply/{id}/authorisation`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, StepName::Materials) {
        return Ok(elsewhere);
    }
    let account = &me.account;
    let facts = vec![
        (ctx.t("field-name"), account.name.clone()),
        (ctx.t("field-document_type"), ctx.t(&format!("choice-document_type-{}", account.document_type.code()))),
        (ctx.t("field-document_number"), account.document_number.clone()),
        (ctx.t("field-institution"), text(&application.credential, "institution").to_owned()),
        (ctx.t("field-credential_name"), text(&application.credential, "credential_name").to_owned()),
        (ctx.t("field-award_date"), text(&application.credential, "award_date").to_owned()),
    ];
    Ok(Page::new(ctx.t("authorisation-title")).show(
        &ctx,
        html! {
            p class="crumbs" { a href={"/apply/" (application.id) "/materials"} { (ctx.t("back")) } }
            p class="advice screen" { (ctx.t("authorisation-print")) }
            article class="receipt letter" {
                h1 { (ctx.t("authorisation-title")) }
                (rows(&facts))
                p { (ctx.t("authorisation-1")) }
                p { (ctx.t("authorisation-2")) }
                p { (ctx.t("authorisation-3")) }
                p class="signature" { (ctx.t("authorisation-signature")) }
                p class="signature" { (ctx.t("authorisation-date")) }
            }
        },
    ))
}
