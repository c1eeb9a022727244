//! Images from the phone (R2.8): a code on the desk's page opens a page on the phone that photographs the papers into one
//! slot; the desk's page fills itself.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::form::FieldError;
use domain::material::{Purpose, SlotRule, Verdict, slots};
use domain::steps::StepName;
use domain::submission::{ChangeMaterials, MaterialChange};
use maud::{Markup, html};
use store::Phone;

use super::materials::of_slot;
use super::{misplaced, open, step_page, title};
use crate::applicant::upload::{self, Received, Wanted, drain, receive};
use crate::error::Failure;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::error_words;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;
use crate::web::qr;

fn rule<'a>(ctx: &Ctx, me: &Applicant, application: &'a Application, slot: &str) -> Result<&'a SlotRule, Rejection> {
    let asked = slots(application, &me.account.nationality, ctx.today());
    asked.into_iter().find(|rule| rule.slot == slot).ok_or(Rejection::NotFound)
}

/// `POST /apply/{id}/phone/{slot}`: a new code.
pub async fn invite(ctx: Ctx, path: web::Path<(String, String)>, _: Posted) -> Answer {
    let (id, slot) = path.into_inner();
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, StepName::Materials) {
        return Ok(elsewhere);
    }
    rule(&ctx, &me, &application, &slot)?;
    let wanted = Phone { applicant: me.id, application: application.id, slot: slot.clone() };
    let now = ctx.now();
    let link = ctx.db(move |store| store.invite_phone(&wanted, now)).await?;
    let address = format!("{}/phone/{link}", ctx.site().origin);
    Ok(step_page(
        &ctx,
        &application,
        StepName::Materials,
        Page::new(title(&ctx, StepName::Materials)),
        &html! {
            h2 { (ctx.t("phone-title")) "：" (ctx.slot(&slot)) }
            p { (ctx.t("phone-words")) }
            (qr::code(&address, &ctx.t("phone-scan")))
            // For whoever reads this page without a camera: the same address.
            p class="hint" { (ctx.t("phone-address")) " " a href=(address) { (ctx.t("phone-open")) } }
            (arrived(&ctx, &application, &slot))
            p { a class="button" href={"/apply/" (application.id) "/materials#slot-" (slot)} { (ctx.t("phone-back")) } }
        },
    ))
}

/// What has arrived so far; it looks again by itself.
fn arrived(ctx: &Ctx, application: &Application, slot: &str) -> Markup {
    let at = format!("/apply/{}/phone/{slot}?known={}", application.id, known(application, slot));
    html! {
        div id="arrived" data-hx-get=(at) data-hx-trigger="every 2s" data-hx-swap="outerHTML" data-hx-nonce=(ctx.nonce()) {
            ul class="images" { @for image in of_slot(application, slot) {
                li { (upload::receipt(ctx, &format!("/apply/{}/image", application.id), None, image, false)) }
            } }
        }
    }
}

fn known(application: &Application, slot: &str) -> String {
    let waiting = of_slot(application, slot).filter(|image| image.verdict == Verdict::Waiting).count();
    format!("{}-{waiting}", of_slot(application, slot).count())
}

/// `GET /apply/{id}/phone/{slot}`: for the desk's page; without scripts, back to the materials.
pub async fn look(ctx: Ctx, path: web::Path<(String, String)>) -> Answer {
    let (id, slot) = path.into_inner();
    let (me, application) = open(&ctx, &id).await?;
    rule(&ctx, &me, &application, &slot)?;
    if ctx.is_fragment() {
        return Ok(ctx.poll(&known(&application, &slot), || arrived(&ctx, &application, &slot)));
    }
    Ok(ctx.redirect(&format!("/apply/{}/materials#slot-{slot}", application.id)))
}

/// The phone's right, and what it is about.
async fn held(ctx: &Ctx, link: &str) -> Result<(Phone, std::sync::Arc<Applicant>), Failure> {
    let (link, by, now) = (link.to_owned(), ctx.form_token(), ctx.now());
    let phone = match ctx.db(move |store| store.phone(&link, &by, now)).await {
        Err(Failure::Rejected(Rejection::NotFound)) => return Err(Rejection::NotNow("phone-gone").into()),
        phone => phone?,
    };
    let applicant = ctx.site().tree.applicant(phone.applicant).await?;
    Ok((phone, applicant))
}

/// `GET /phone/{token}`
pub async fn show(ctx: Ctx, link: web::Path<String>) -> Answer {
    let (phone, applicant) = held(&ctx, &link).await?;
    Ok(page(&ctx, &link, applicant.application(phone.application)?, &phone.slot, &[]))
}

fn page(ctx: &Ctx, link: &str, application: &Application, slot: &str, errors: &[FieldError]) -> HttpResponse {
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Page::new(ctx.slot(slot)).status(status).show(
        ctx,
        html! {
            h1 { (ctx.slot(slot)) }
            p class="hint" { (ctx.slot_hint(slot)) }
            @for error in errors { p class="error" { (error_words(ctx, error)) } }
            // Names and states alone: who holds the phone sees no papers that were sent before.
            ul { @for image in of_slot(application, slot) {
                li { (image.file_name) " " @match &image.verdict {
                    Verdict::Waiting => span class="hint" { (ctx.t("image-waiting")) },
                    Verdict::Good { .. } => span class="tag tag-done" { (ctx.t("phone-arrived")) },
                    Verdict::Bad { flaw } => span class="error" { (ctx.t(&format!("flaw-{}", flaw.code()))) },
                } }
            } }
            form method="post" action={"/phone/" (link)} enctype="multipart/form-data" {
                (token(ctx))
                label for="file" { (ctx.t("phone-take")) }
                input type="file" id="file" name="file" accept="image/jpeg,image/png" capture="environment" multiple;
                button type="submit" { (ctx.t("upload-do")) }
            }
            p class="hint" { (ctx.t("phone-hint")) }
        },
    )
}

/// `POST /phone/{token}`
pub async fn upload(ctx: Ctx, link: web::Path<String>, mut form: Multipart) -> Answer {
    let answer = take(&ctx, &link, &mut form).await;
    drain(&mut form).await;
    answer
}

async fn take(ctx: &Ctx, link: &str, form: &mut Multipart) -> Answer {
    let (phone, applicant) = held(ctx, link).await?;
    let application = applicant.application(phone.application)?;
    let rule = rule(ctx, &applicant, application, &phone.slot)?;
    let slot = phone.slot.as_str();
    let held = of_slot(application, slot).count();
    let purpose = Purpose::Application;
    let wanted = Wanted { slot, purpose, most: rule.most, held, bytes_most: None, jpeg_only: false };
    let Received { images, mut errors } = receive(ctx, wanted, form).await?;
    for image in images {
        let change = MaterialChange::Add(vec![image]);
        let command = ChangeMaterials { application: phone.application, change };
        match ctx.site().tree.command(phone.applicant, command).await {
            Ok(_) => {}
            Err(Refusal::Rejected(Rejection::Form(more))) => errors.extend(more),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    ctx.site().tree.world.wake.uploads();
    if errors.is_empty() {
        return Ok(ctx.redirect(&format!("/phone/{link}")));
    }
    let applicant = ctx.site().tree.applicant(phone.applicant).await?;
    Ok(page(ctx, link, applicant.application(phone.application)?, slot, &errors))
}
