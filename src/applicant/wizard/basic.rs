//! Step 2, 基本信息 (R2.4): the account's data are shown, the rest is asked.

use actix_web::web;
use domain::applicant::Account;
use domain::steps::{BASIC, StepName};
use maud::{Markup, html};

use super::{FormStep, misplaced, open, open_keeping, seen, standing};
use crate::web::Answer;
use crate::web::components::rows;
use crate::web::ctx::Ctx;
use crate::web::posted::Posted;

const STEP: FormStep = FormStep { step: StepName::Basic, fields: &BASIC };

/// What the account says already.
pub fn known(ctx: &Ctx, account: &Account) -> Vec<(String, String)> {
    vec![
        (ctx.t("field-name"), account.name.clone()),
        (ctx.t("field-gender"), ctx.t(&format!("choice-gender-{}", account.gender.code()))),
        (ctx.t("field-nationality"), ctx.texts().country(&account.nationality)),
        (ctx.t("field-document_type"), ctx.t(&format!("choice-document_type-{}", account.document_type.code()))),
        (ctx.t("field-document_number"), domain::document_number::masked(&account.document_number)),
        (ctx.t("field-phone"), domain::person::masked_phone(&account.phone)),
        (ctx.t("field-email"), domain::person::masked_email(&account.email)),
    ]
}

fn intro(ctx: &Ctx, account: &Account) -> Markup {
    html! { p { (ctx.t("basic-words")) } (rows(&known(ctx, account))) }
}

/// `GET /apply/{id}/basic`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, STEP.step) {
        return Ok(elsewhere);
    }
    let mut shown = standing(&application, STEP.step, &application.basic);
    if let Some(born) = me.account.birth_date(ctx.today()) {
        shown.raw.entry("birth_date".into()).or_insert_with(|| born.to_string());
    }
    Ok(STEP.page(&ctx, &application, &intro(&ctx, &me.account), &seen(&application.basic), &shown))
}

/// `POST /apply/{id}/basic`
pub async fn save(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    let intro = intro(&ctx, &me.account);
    STEP.save(&ctx, &me, &application, posted, &intro, &application.basic).await
}
