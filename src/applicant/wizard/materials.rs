//! Step 6, 上传认证材料 (R2.8): the checklist, plain multipart uploads, a receipt for each file.

use actix_multipart::Multipart;
use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::ids::MaterialId;
use domain::material::{Material, Purpose, SlotNeed, SlotRule, SlotState, Verdict, slot_state, slots, unfilled};
use domain::steps::StepName;
use domain::submission::{ChangeMaterials, MaterialChange};
use maud::{Markup, html};
use serde::Deserialize;

use super::{after, misplaced, open, step_page, title};
use crate::applicant::upload::{self, Received, Wanted, drain, receive};
use crate::error::Failure;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, error_words};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const STEP: StepName = StepName::Materials;

/// `GET /apply/{id}/materials`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = misplaced(&ctx, &me, &application, STEP) {
        return Ok(elsewhere);
    }
    if ctx.is_fragment() {
        return Ok(ctx.poll(&known(&application), || checklist(&ctx, &me, &application, &Shown::default())));
    }
    Ok(page(&ctx, &me, &application, &Shown::default()))
}

/// What a polling page knows, in a word: how many images there are and how many are still being checked.
fn known(application: &Application) -> String {
    let waiting = application.materials.iter().filter(|image| image.verdict == Verdict::Waiting).count();
    format!("{}-{waiting}", application.materials.len())
}

fn checking(application: &Application) -> bool {
    application.materials.iter().any(|image| image.verdict == Verdict::Waiting)
}

fn page(ctx: &Ctx, me: &Applicant, application: &Application, shown: &Shown) -> HttpResponse {
    let page = Page::new(title(ctx, STEP)).status(shown.status());
    step_page(
        ctx,
        application,
        STEP,
        page,
        &html! {
            @if !shown.errors.is_empty() {
                div class="summary" role="alert" tabindex="-1" {
                    h2 { (ctx.t("error-summary")) }
                    ul { @for error in &shown.errors { li { a href={"#slot-" (error.field)} { (ctx.slot(&error.field)) "：" (error_words(ctx, error)) } } } }
                }
            }
            p { (ctx.t("materials-words")) }
            (checklist(ctx, me, application, shown))
            form method="post" {
                (token(ctx))
                div class="actions" {
                    button type="submit" name="act" value="finish" { (ctx.t("next")) }
                    button type="submit" class="secondary" name="act" value="later" { (ctx.t("later")) }
                }
            }
        },
    )
}

/// The slots; it looks again by itself while images are being checked.
fn checklist(ctx: &Ctx, me: &Applicant, application: &Application, shown: &Shown) -> Markup {
    let slots = slots(application, &me.account.nationality, ctx.today());
    let open = unfilled(application, &me.account.nationality, ctx.today()).len();
    let required = slots.iter().filter(|rule| rule.need == SlotNeed::Required).count();
    let done = slots
        .iter()
        .filter(|rule| {
            rule.need == SlotNeed::Required
                && slot_state(application, Purpose::Application, &rule.slot) == SlotState::Filled
        })
        .count();
    let poll = (checking(application) && shown.errors.is_empty())
        .then(|| format!("/apply/{}/materials?known={}", application.id, known(application)));
    html! {
        div id="checklist" data-hx-get=[poll.as_deref()] data-hx-trigger=[poll.as_ref().map(|_| "every 2s")]
            data-hx-swap=[poll.as_ref().map(|_| "outerHTML")] data-hx-nonce=[poll.as_ref().map(|_| ctx.nonce())] {
            p role="status" { (ctx.with("materials-progress", &[("done", &done.to_string()), ("required", &required.to_string())]))
                @if open == 0 { " " (ctx.t("materials-complete")) } }
            @if poll.is_some() { p { a class="button secondary" href={"/apply/" (application.id) "/materials"} { (ctx.t("materials-look")) } } }
            (unasked(ctx, application, &slots))
            @for rule in slots { (slot(ctx, application, rule, shown)) }
        }
    }
}

fn receipt(ctx: &Ctx, application: &Application, image: &Material, movable: bool) -> Markup {
    let (images, act) = (format!("/apply/{}/image", application.id), format!("/apply/{}/materials", application.id));
    upload::receipt(ctx, &images, Some(&act), image, movable)
}

/// Images whose slot is not asked for any more, because an answer changed: they are not submitted.
fn unasked(ctx: &Ctx, application: &Application, asked: &[&SlotRule]) -> Markup {
    let left: Vec<&Material> =
        application.materials.iter().filter(|image| !asked.iter().any(|rule| rule.slot == image.slot)).collect();
    html! {
        @if !left.is_empty() {
            section class="slot" aria-labelledby="unasked-title" {
                h2 id="unasked-title" { (ctx.t("unasked-title")) }
                p class="hint" { (ctx.t("unasked-words")) }
                ul class="images" { @for image in left { li { (receipt(ctx, application, image, false)) } } }
            }
        }
    }
}

fn slot(ctx: &Ctx, application: &Application, rule: &SlotRule, shown: &Shown) -> Markup {
    let name = rule.slot.as_str();
    let images: Vec<&Material> = of_slot(application, name).collect();
    let state = match slot_state(application, Purpose::Application, name) {
        SlotState::Filled => "filled",
        SlotState::Checking => "checking",
        SlotState::Flawed => "flawed",
        SlotState::Empty => "empty",
    };
    let error = shown.errors.iter().find(|error| error.field == name);
    let most = rule.most.to_string();
    html! {
        section id={"slot-" (name)} class={"slot slot-" (state)} aria-labelledby={"slot-" (name) "-title"} {
            h2 id={"slot-" (name) "-title"} { (ctx.slot(name))
                " " span class="tag" { (ctx.t(if rule.need == SlotNeed::Required { "slot-required" } else { "slot-advised" })) } }
            p class="hint" { (ctx.slot_hint(name)) " " (ctx.with("slot-most", &[("most", &most)])) }
            @if name == "authorisation" { p { a href={"/apply/" (application.id) "/authorisation"} target="_blank" rel="noopener" { (ctx.t("authorisation-link")) } } }
            @if let Some(error) = error { p class="error" { (error_words(ctx, error)) } }
            @if !images.is_empty() { ul class="images" { @for (at, image) in images.iter().enumerate() { li { (receipt(ctx, application, image, at > 0)) } } } }
            @if images.len() < rule.most {
                (upload::form(ctx, &format!("/apply/{}/materials/{name}", application.id), name, "image/jpeg,image/png", rule.most > 1))
                form method="post" action={"/apply/" (application.id) "/phone/" (name)} { (token(ctx)) button class="link" { (ctx.t("phone-title")) span class="hidden" { " " (ctx.slot(name)) } } }
            }
        }
    }
}

/// The images of step 6 in one slot.
pub fn of_slot<'a>(application: &'a Application, slot: &'a str) -> impl Iterator<Item = &'a Material> {
    application.materials.iter().filter(move |image| image.slot == slot && image.purpose == Purpose::Application)
}

/// `POST /apply/{id}/materials`
pub async fn act(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    let image = posted.get("image").parse::<MaterialId>().map_err(|_| Failure::from(Rejection::NotFound));
    let change = match posted.get("act") {
        "rotate" => MaterialChange::Rotate(image?),
        "forward" => MaterialChange::Forward(image?),
        "delete" => MaterialChange::Delete(image?),
        "later" => return Ok(ctx.redirect(&format!("/apply/{}", application.id))),
        _ => MaterialChange::Finish,
    };
    let finishing = matches!(change, MaterialChange::Finish);
    match ctx.site().tree.command(me.id, ChangeMaterials { application: application.id, change }).await {
        Ok(saved) if finishing => Ok(after(&ctx, application.id, STEP, &saved, false)),
        Ok(_) => Ok(ctx.redirect(&format!("/apply/{}/materials", application.id))),
        Err(Refusal::Rejected(Rejection::Form(errors))) => {
            Ok(page(&ctx, &me, &application, &Shown::wrong(Default::default(), errors)))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// `POST /apply/{id}/materials/{slot}`
pub async fn upload(ctx: Ctx, path: web::Path<(String, String)>, mut form: Multipart) -> Answer {
    let (id, slot) = path.into_inner();
    let answer = take(&ctx, &id, &slot, &mut form).await;
    drain(&mut form).await;
    answer
}

async fn take(ctx: &Ctx, id: &str, slot: &str, form: &mut Multipart) -> Answer {
    let (me, application) = open(ctx, id).await?;
    if let Some(elsewhere) = misplaced(ctx, &me, &application, STEP) {
        return Ok(elsewhere);
    }
    let asked = slots(&application, &me.account.nationality, ctx.today());
    let rule = asked.into_iter().find(|rule| rule.slot == slot).ok_or(Rejection::NotFound)?;
    let held = of_slot(&application, slot).count();
    let purpose = Purpose::Application;
    let wanted = Wanted { slot, purpose, most: rule.most, held, bytes_most: None, jpeg_only: false };
    let Received { images, mut errors } = receive(ctx, wanted, form).await?;
    for image in images {
        let change = MaterialChange::Add(vec![image]);
        match ctx.site().tree.command(me.id, ChangeMaterials { application: application.id, change }).await {
            Ok(_) => {}
            Err(Refusal::Rejected(Rejection::Form(more))) => errors.extend(more),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    ctx.site().tree.world.wake.uploads();
    if errors.is_empty() {
        return Ok(ctx.redirect(&format!("/apply/{}/materials#slot-{slot}", application.id)));
    }
    let me = ctx.site().tree.applicant(me.id).await?;
    let application = me.application(application.id)?;
    let response = page(ctx, &me, application, &Shown::wrong(Default::default(), errors));
    Ok(response)
}

/// How an image is wanted.
#[derive(Deserialize)]
pub struct View {
    small: Option<u8>,
}

/// `GET /apply/{id}/image/{material}`
pub async fn image(ctx: Ctx, path: web::Path<(String, String)>, view: web::Query<View>) -> Answer {
    let (id, material) = path.into_inner();
    let (_, application) = open(&ctx, &id).await?;
    let wanted: MaterialId = material.parse().map_err(|_| Rejection::NotFound)?;
    let image = application.materials.iter().find(|image| image.id == wanted).ok_or(Rejection::NotFound)?;
    upload::serve(&ctx, image, view.small.is_some()).await
}
