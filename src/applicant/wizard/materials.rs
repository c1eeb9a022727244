//! Step 6, 上传认证材料 (R2.8): the checklist, plain multipart uploads, a receipt for each file.

use std::sync::Arc;

use actix_multipart::{Field as Part, Multipart};
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use actors::{Refusal, run, turned};
use domain::Rejection;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::form::FieldError;
use domain::ids::MaterialId;
use domain::material::{Material, SlotNeed, SlotRule, SlotState, UPLOAD_MOST, Verdict, slot_state, slots, unfilled};
use domain::steps::StepName;
use domain::submission::{ChangeMaterials, MaterialChange};
use futures_util::StreamExt;
use maud::{Markup, html};
use serde::Deserialize;

use super::{after, misplaced, open, step_page, title};
use crate::error::Failure;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, error_words};
use crate::web::layout::{Page, token};
use crate::web::posted::{Posted, TOKEN, is_ours, token_fits};

const STEP: StepName = StepName::Materials;
/// Most files in one upload.
const FILES_MOST: usize = 20;
/// Bytes of an upload that are read although they are not wanted: a browser shows the answer only once it has sent all.
const DRAIN_MOST: usize = 256 * 1024 * 1024;
/// Longest file name that is kept, in characters.
const NAME_MOST: usize = 120;

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
                    ul { @for error in &shown.errors { li { a href={"#slot-" (error.field)} { (ctx.t(&format!("slot-{}", error.field))) "：" (error_words(ctx, error)) } } } }
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
        .filter(|rule| rule.need == SlotNeed::Required && slot_state(application, &rule.slot) == SlotState::Filled)
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
    let images: Vec<&Material> = application.materials.iter().filter(|image| image.slot == name).collect();
    let state = match slot_state(application, name) {
        SlotState::Filled => "filled",
        SlotState::Checking => "checking",
        SlotState::Flawed => "flawed",
        SlotState::Empty => "empty",
    };
    let error = shown.errors.iter().find(|error| error.field == name);
    let most = rule.most.to_string();
    html! {
        section id={"slot-" (name)} class={"slot slot-" (state)} aria-labelledby={"slot-" (name) "-title"} {
            h2 id={"slot-" (name) "-title"} { (ctx.t(&format!("slot-{name}")))
                " " span class="tag" { (ctx.t(if rule.need == SlotNeed::Required { "slot-required" } else { "slot-advised" })) } }
            p class="hint" { (ctx.t(&format!("slot-{name}-hint"))) " " (ctx.with("slot-most", &[("most", &most)])) }
            @if name == "authorisation" { p { a href={"/apply/" (application.id) "/authorisation"} target="_blank" rel="noopener" { (ctx.t("authorisation-link")) } } }
            @if let Some(error) = error { p class="error" { (error_words(ctx, error)) } }
            @if !images.is_empty() { ul class="images" { @for (at, image) in images.iter().enumerate() { li { (receipt(ctx, application, image, at > 0)) } } } }
            @if images.len() < rule.most {
                form method="post" action={"/apply/" (application.id) "/materials/" (name)} enctype="multipart/form-data" {
                    (token(ctx))
                    label for={"file-" (name)} { (ctx.t("upload-choose")) span class="hidden" { " " (ctx.t(&format!("slot-{name}"))) } }
                    input type="file" id={"file-" (name)} name="file" accept="image/jpeg,image/png" multiple[rule.most > 1];
                    button type="submit" class="secondary" { (ctx.t("upload-do")) span class="hidden" { " " (ctx.t(&format!("slot-{name}"))) } }
                }
            }
        }
    }
}

/// What became of one file.
fn receipt(ctx: &Ctx, application: &Application, image: &Material, movable: bool) -> Markup {
    let kilobytes = (image.size / 1_024).max(1).to_string();
    let act = |act: &str, words: &str| {
        html! {
            form method="post" action={"/apply/" (application.id) "/materials"} class="inline" {
                (token(ctx))
                input type="hidden" name="image" value=(image.id);
                button class="link" name="act" value=(act) { (ctx.t(words)) span class="hidden" { " " (image.file_name) } }
            }
        }
    };
    html! {
        @if let Verdict::Good { .. } = image.verdict {
            a href={"/apply/" (application.id) "/image/" (image.id) "?turns=" (image.turns)} target="_blank" rel="noopener" {
                img src={"/apply/" (application.id) "/image/" (image.id) "?small=1&turns=" (image.turns)} alt=(ctx.with("image-alt", &[("file", &image.file_name)])) width="120" height="120" loading="lazy";
            }
        }
        div {
            p class="file" { (image.file_name) " " span class="hint" { (kilobytes) " KB" } }
            @match &image.verdict {
                Verdict::Waiting => p class="hint" role="status" { (ctx.t("image-waiting")) },
                Verdict::Good { width, height, .. } => p class="hint" { (ctx.with("image-good", &[("width", &width.to_string()), ("height", &height.to_string())])) },
                Verdict::Bad { flaw } => p class="error" { (ctx.t(&format!("flaw-{}", flaw.code()))) },
            }
            @if let Verdict::Good { .. } = image.verdict {
                (act("rotate", "image-rotate"))
                @if movable { (act("forward", "image-forward")) }
            }
            (act("delete", "delete"))
        }
    }
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

/// A file as it arrived.
struct Arrived {
    name: String,
    bytes: Vec<u8>,
    /// More bytes came than are taken.
    over: bool,
}

async fn read(part: &mut Part, most: usize) -> Result<(Vec<u8>, bool), Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.next().await {
        let chunk = chunk.map_err(|_| Failure::Forged)?;
        if bytes.len() + chunk.len() > most {
            return Ok((Vec::new(), true));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes, false))
}

/// The last part of a path of any system, without what can't be shown.
fn file_name(raw: &str) -> String {
    let last = raw.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String =
        last.chars().filter(|c| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}')).take(NAME_MOST).collect();
    if clean.is_empty() { "?".into() } else { clean }
}

/// Reads what is left of an upload that was answered before its end.
async fn drain(form: &mut Multipart) {
    let mut read = 0;
    while let Some(Ok(mut part)) = form.next().await {
        while let Some(Ok(chunk)) = part.next().await {
            read += chunk.len();
            if read > DRAIN_MOST {
                return;
            }
        }
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
    let held = application.materials.iter().filter(|image| image.slot == slot).count();
    let mut believed = false;
    let mut errors: Vec<FieldError> = Vec::new();
    let mut images = Vec::new();
    while let Some(part) = form.next().await {
        let Ok(mut part) = part else {
            errors.push(FieldError::new(slot, "upload-broken"));
            break;
        };
        let disposition = part.content_disposition().cloned();
        let field = disposition.as_ref().and_then(|known| known.get_name()).unwrap_or_default().to_owned();
        if field == TOKEN {
            let (token, _) = read(&mut part, 200).await?;
            believed = is_ours(ctx) && String::from_utf8(token).is_ok_and(|token| token_fits(ctx, &token));
            continue;
        }
        // The token stands before the files: what comes without it is not even read.
        if !believed {
            return Err(Failure::Forged);
        }
        if field != "file" || images.len() + errors.len() >= FILES_MOST {
            continue;
        }
        if held + images.len() >= rule.most {
            // Nothing is kept for which there is no place.
            errors.push(FieldError::new(slot, "too-many").with("most", rule.most));
            break;
        }
        let name = disposition.as_ref().and_then(|known| known.get_filename()).unwrap_or_default().to_owned();
        let (bytes, over) = read(&mut part, UPLOAD_MOST).await?;
        if name.is_empty() && bytes.is_empty() && !over {
            continue;
        }
        match keep(ctx, slot, Arrived { name: file_name(&name), bytes, over }).await? {
            Ok(image) => images.push(image),
            Err(error) => errors.push(error),
        }
        if over {
            // The rest of a flood is not waited for.
            break;
        }
    }
    if images.is_empty() && errors.is_empty() {
        errors.push(FieldError::new(slot, "file-none"));
    }
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

/// Seals the original and makes its row; what can be said at once is said at once.
async fn keep(ctx: &Ctx, slot: &str, arrived: Arrived) -> Result<Result<Material, FieldError>, Failure> {
    let error = |code| Ok(Err(FieldError::new(slot, code).with("file", &arrived.name)));
    if arrived.over {
        return error("file-too-large");
    }
    if arrived.bytes.is_empty() {
        return error("file-empty");
    }
    let size = arrived.bytes.len() as u64;
    let world = Arc::clone(&ctx.site().tree.world);
    let heavy = world.heavy.clone();
    let bytes = arrived.bytes;
    let original = run(&heavy, move || world.store.blobs().put(world.store.keys(), &bytes)).await?;
    Ok(Ok(Material {
        id: MaterialId::fresh(),
        slot: slot.to_owned(),
        place: 0,
        file_name: arrived.name,
        size,
        original,
        turns: 0,
        verdict: Verdict::Waiting,
        received_at: ctx.now(),
    }))
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
    serve(&ctx, image, view.small.is_some()).await
}

/// The shown copy of an image, turned as it should be.
///
/// # Errors
/// `NotFound` when the image is not good (yet).
pub async fn serve(ctx: &Ctx, image: &Material, small: bool) -> Answer {
    let Verdict::Good { shown, .. } = &image.verdict else { return Err(Rejection::NotFound.into()) };
    let (world, shown, turns) = (Arc::clone(&ctx.site().tree.world), shown.clone(), image.turns);
    let heavy = world.heavy.clone();
    let bytes = run(&heavy, move || {
        let bytes = world.store.blobs().get(world.store.keys(), &shown)?;
        if turns == 0 && !small {
            return Ok(bytes);
        }
        turned(&bytes, turns, small.then_some(240)).map_err(|_| store::StoreError::Value("image"))
    })
    .await?;
    Ok(HttpResponse::Ok()
        .content_type("image/jpeg")
        .insert_header((header::CACHE_CONTROL, "private, max-age=300"))
        .body(bytes))
}
