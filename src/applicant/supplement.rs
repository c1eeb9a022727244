//! 补充材料 (R2.15): what is asked for, why and until when; the images; and sending them off.

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::web;
use actors::Refusal;
use domain::Rejection;
use domain::application::Application;
use domain::attachment::{self, AttachmentChange, ChangeAttachments};
use domain::case::Stage;
use domain::form::FieldError;
use domain::ids::MaterialId;
use domain::material::{Material, Purpose, Verdict};
use domain::supplement::{SendSupplement, Supplement};
use maud::{Markup, html};

use crate::applicant::upload::{self, Received, Wanted, drain, receive};
use crate::applicant::wizard::open;
use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::{button_link, day, rows};
use crate::web::ctx::Ctx;
use crate::web::form::error_words;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// The request that an applicant may answer now.
fn asked(application: &Application) -> Result<&Supplement, Failure> {
    let open = application.casework.supplement().filter(|_| application.stage() == Stage::Supplement);
    open.ok_or_else(|| Rejection::NotNow("supplement-ended").into())
}

/// `GET /case/{id}/supplement`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, application) = open(&ctx, &id).await?;
    if ctx.is_fragment() {
        let open = asked(&application)?;
        return Ok(ctx.poll(&known(&application, open), || slots(&ctx, &application, open, &[])));
    }
    page(&ctx, &application, Vec::new())
}

fn images<'a>(application: &'a Application, open: &Supplement) -> impl Iterator<Item = &'a Material> {
    attachment::of(application, Purpose::Supplement(open.id))
}

fn known(application: &Application, open: &Supplement) -> String {
    let waiting = images(application, open).filter(|image| image.verdict == Verdict::Waiting).count();
    format!("{}-{waiting}", images(application, open).count())
}

fn page(ctx: &Ctx, application: &Application, errors: Vec<FieldError>) -> Answer {
    let open = asked(application)?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(Page::new(ctx.t("supplement-title")).status(status).show(
        ctx,
        html! {
            p class="crumbs" { a href={"/case/" (application.id)} { (ctx.t("back")) } }
            h1 { (ctx.t("supplement-title")) }
            @if !errors.is_empty() {
                div class="summary" role="alert" tabindex="-1" { h2 { (ctx.t("error-summary")) }
                    ul { @for error in &errors { li { a href={"#slot-" (error.field)} { (ctx.slot(&error.field)) "：" (error_words(ctx, error)) } } } } }
            }
            (what(ctx, open))
            (slots(ctx, application, open, &errors))
            form method="post" action={"/case/" (application.id) "/supplement"} class="actions" {
                (token(ctx))
                button type="submit" name="act" value="send" { (ctx.t("supplement-send")) }
                a href={"/case/" (application.id)} { (ctx.t("later")) }
            }
            p class="hint" { (ctx.t("supplement-offline")) }
        },
    ))
}

/// What is asked for, why, until when.
pub fn what(ctx: &Ctx, open: &Supplement) -> Markup {
    html! {
        (rows(&[
            (ctx.t("supplement-why"), ctx.t(&format!("supplement-reason-{}", open.reason))),
            (ctx.t("supplement-what"), open.note.clone()),
            (ctx.t("supplement-until"), day(ctx, open.until)),
        ]))
        @if open.expired_at.is_some() { p class="advice" { (ctx.t("supplement-expired-words")) } }
    }
}

fn slots(ctx: &Ctx, application: &Application, open: &Supplement, errors: &[FieldError]) -> Markup {
    let at = format!("/case/{}/supplement", application.id);
    let waiting = images(application, open).any(|image| image.verdict == Verdict::Waiting);
    let poll = waiting.then(|| format!("{at}?known={}", known(application, open)));
    html! {
        div id="checklist" data-hx-get=[poll.as_deref()] data-hx-trigger=[poll.as_ref().map(|_| "every 2s")]
            data-hx-swap=[poll.as_ref().map(|_| "outerHTML")] data-hx-nonce=[poll.as_ref().map(|_| ctx.nonce())] {
            @if poll.is_some() { p { a class="button secondary" href=(at) { (ctx.t("materials-look")) } } }
            @for slot in &open.slots {
                section id={"slot-" (slot)} class="slot" aria-labelledby={"slot-" (slot) "-title"} {
                    h2 id={"slot-" (slot) "-title"} { (ctx.slot(slot)) }
                    p class="hint" { (ctx.slot_hint(slot)) }
                    @if let Some(error) = errors.iter().find(|error| error.field == *slot) { p class="error" { (error_words(ctx, error)) } }
                    ul class="images" { @for image in images(application, open).filter(|image| image.slot == *slot) {
                        li { (upload::receipt(ctx, &format!("/apply/{}/image", application.id), Some(&at), image, false)) }
                    } }
                    (upload::form(ctx, &format!("{at}/{slot}"), slot, "image/jpeg,image/png", true))
                }
            }
        }
    }
}

/// `POST /case/{id}/supplement`: sends it off, or changes one image.
pub async fn act(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    let open = match asked(&application) {
        Ok(open) => open,
        // Pressed twice: it is sent already.
        Err(_) if posted.get("act") == "send" => return Ok(ctx.redirect(&format!("/case/{}", application.id))),
        Err(failure) => return Err(failure),
    };
    let image = posted.get("image").parse::<MaterialId>().map_err(|_| Failure::from(Rejection::NotFound));
    let change = match posted.get("act") {
        "rotate" => AttachmentChange::Rotate(image?),
        "delete" => AttachmentChange::Delete(image?),
        _ => {
            let command = SendSupplement { application: application.id, supplement: open.id };
            return match ctx.site().tree.command(me.id, command).await {
                Ok(()) => {
                    ctx.flash("flash-supplement-sent");
                    Ok(ctx.redirect(&format!("/case/{}", application.id)))
                }
                Err(Refusal::Rejected(Rejection::Form(errors))) => page(&ctx, &application, errors),
                Err(refusal) => Err(refusal.into()),
            };
        }
    };
    let command = ChangeAttachments { application: application.id, purpose: Purpose::Supplement(open.id), change };
    ctx.site().tree.command(me.id, command).await?;
    Ok(ctx.redirect(&format!("/case/{}/supplement", application.id)))
}

/// `POST /case/{id}/supplement/{slot}`
pub async fn upload(ctx: Ctx, path: web::Path<(String, String)>, mut form: Multipart) -> Answer {
    let (id, slot) = path.into_inner();
    let answer = take(&ctx, &id, &slot, &mut form).await;
    drain(&mut form).await;
    answer
}

async fn take(ctx: &Ctx, id: &str, slot: &str, form: &mut Multipart) -> Answer {
    let (me, application) = open(ctx, id).await?;
    let purpose = Purpose::Supplement(asked(&application)?.id);
    let most = attachment::room(&application, purpose, slot)?;
    let held = attachment::of(&application, purpose).filter(|image| image.slot == slot).count();
    let wanted = Wanted { slot, purpose, most, held, bytes_most: None, jpeg_only: false };
    let received = receive(ctx, wanted, form).await?;
    let errors = add(ctx, me.id, &application, purpose, received).await?;
    if errors.is_empty() {
        return Ok(ctx.redirect(&format!("/case/{}/supplement#slot-{slot}", application.id)));
    }
    let me = ctx.site().tree.applicant(me.id).await?;
    page(ctx, me.application(application.id)?, errors)
}

/// Puts what was received into the case; what could not be taken is told.
///
/// # Errors
/// What is no fault of a file.
pub async fn add(
    ctx: &Ctx,
    me: domain::ids::ApplicantId,
    application: &Application,
    purpose: Purpose,
    Received { images, mut errors }: Received,
) -> Result<Vec<FieldError>, Failure> {
    for image in images {
        let change = AttachmentChange::Add(image);
        let command = ChangeAttachments { application: application.id, purpose, change };
        match ctx.site().tree.command(me, command).await {
            Ok(()) => {}
            Err(Refusal::Rejected(Rejection::Form(more))) => errors.extend(more),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    ctx.site().tree.world.wake.uploads();
    Ok(errors)
}

/// What the case page shows of it: the open request, and how earlier ones ended.
pub fn standing(ctx: &Ctx, application: &Application) -> Markup {
    let open = application.casework.supplement().filter(|_| application.stage() == Stage::Supplement);
    html! {
        @if let Some(open) = open {
            section class="card" {
                h2 { (ctx.t("supplement-title")) }
                (what(ctx, open))
                ul { @for slot in &open.slots { li { (ctx.slot(slot)) } } }
                (button_link(&format!("/case/{}/supplement", application.id), &ctx.t("supplement-go")))
            }
        }
    }
}
