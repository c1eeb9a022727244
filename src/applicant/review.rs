//! 复核 (R4): whether and why not, 《复核需知》, the reason, supplementary images, and then how it stands.

use actix_multipart::Multipart;
use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::application::Application;
use domain::attachment::{self, AttachmentChange, ChangeAttachments};
use domain::form::{Field, Kind, Raw};
use domain::ids::MaterialId;
use domain::material::{Purpose, Verdict};
use domain::person::Language;
use domain::review::{
    AskReview, BeginReview, IMAGE_MOST, IMAGES_MOST, REASONS, Review, SLOT, WORDS_MOST, WriteReview, may_review,
};
use maud::{Markup, html};

use crate::applicant::supplement::add;
use crate::applicant::upload::{self, Wanted, drain, receive};
use crate::applicant::wizard::{open, open_keeping};
use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::{instant, rows};
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, error_words, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const REASON: Field = Field::must("review_reason", Kind::Choice(&REASONS));
const WORDS: Field = Field::must("review_words", Kind::Area(WORDS_MOST));
const UNDERSTOOD: Field = Field::must("review_understood", Kind::Tick);

/// The review that the applicant prepares.
fn draft(application: &Application) -> Option<&Review> {
    application.casework.reviews.last().filter(|last| last.asked_at.is_none())
}

fn stored(draft: &Review) -> Raw {
    let pairs = [("review_reason", &draft.reason), ("review_words", &draft.words)];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// `GET /case/{id}/review`: whether, and the first of two pages, the reason.
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, application) = open(&ctx, &id).await?;
    let shown = draft(&application).map(|draft| Shown::of(stored(draft))).unwrap_or_default();
    Ok(page(&ctx, &application, &shown))
}

fn page(ctx: &Ctx, application: &Application, shown: &Shown) -> HttpResponse {
    let allowed = may_review(application, ctx.now());
    let draft = draft(application).filter(|_| allowed.is_ok());
    let mut page = Page::new(ctx.t("review-title")).status(shown.status());
    if draft.is_some() {
        page = page.with_form();
    }
    let to = format!("/case/{}/review", application.id);
    page.show(
        ctx,
        html! {
            p class="crumbs" { a href={"/case/" (application.id)} { (ctx.t("back")) } }
            h1 { (ctx.t("review-title")) }
            (summary(ctx, shown))
            @for asked in application.casework.reviews.iter().filter(|review| review.asked_at.is_some()) { (standing(ctx, asked)) }
            @match (&allowed, draft) {
                (Ok(_), None) => {
                    (notice(ctx))
                    form method="post" action=(to) { (token(ctx)) button type="submit" name="act" value="begin" { (ctx.t("review-begin")) } }
                }
                (Ok(_), Some(_)) => {
                    details { summary { (ctx.t("review-notice-title")) } (notice(ctx)) }
                    form id="main" method="post" action=(to) novalidate {
                        (token(ctx))
                        (field(ctx, &REASON, shown))
                        (field(ctx, &WORDS, shown))
                        div class="actions" {
                            button type="submit" name="act" value="next" { (ctx.t("next")) }
                            button type="submit" class="secondary" name="act" value="later" formnovalidate { (ctx.t("later")) }
                        }
                    }
                }
                // What stands above says it already.
                (Err("review-open" | "review-done"), _) => {}
                (Err(why), _) => p class="advice" { (ctx.t(&format!("rejection-{why}"))) },
            }
        },
    )
}

/// `GET /case/{id}/review/materials`: the second page, images and asking.
pub async fn materials(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, application) = open(&ctx, &id).await?;
    let Some(draft) = draft(&application) else { return Ok(ctx.redirect(&format!("/case/{}/review", application.id))) };
    if ctx.is_fragment() {
        return Ok(ctx.poll(&known(&application, draft), || images(&ctx, &application, draft, &Shown::default())));
    }
    Ok(second(&ctx, &application, draft, &Shown::default()))
}

fn second(ctx: &Ctx, application: &Application, draft: &Review, shown: &Shown) -> HttpResponse {
    let first = format!("/case/{}/review", application.id);
    Page::new(ctx.t("review-title")).status(shown.status()).with_form().show(
        ctx,
        html! {
            p class="crumbs" { a href=(first) { (ctx.t("back")) } }
            h1 { (ctx.t("review-title")) }
            (summary(ctx, shown))
            (facts(ctx, draft))
            p { a href=(first) { (ctx.t("change")) span class="hidden" { " " (ctx.t("field-review_reason")) } } }
            (images(ctx, application, draft, shown))
            form id="main" method="post" action={(first) "/materials"} novalidate {
                (token(ctx))
                (field(ctx, &UNDERSTOOD, shown))
                div class="actions" {
                    button type="submit" name="act" value="ask" { (ctx.t("review-do")) }
                    a href={"/case/" (application.id)} { (ctx.t("later")) }
                }
            }
        },
    )
}

/// Reason and explanation.
fn facts(ctx: &Ctx, review: &Review) -> Markup {
    let reason = if review.reason.is_empty() {
        ctx.t("not-given")
    } else {
        ctx.t(&format!("choice-review_reason-{}", review.reason))
    };
    rows(&[(ctx.t("field-review_reason"), reason), (ctx.t("field-review_words"), review.words.clone())])
}

fn notice(ctx: &Ctx) -> Markup {
    html! {
        section { h2 { (ctx.t("review-notice-title")) }
            ul { @for line in 1..=5 { li { (ctx.t(&format!("review-notice-{line}"))) } } }
        }
    }
}

fn known(application: &Application, draft: &Review) -> String {
    let mine = || attachment::of(application, Purpose::Review(draft.id));
    format!("{}-{}", mine().count(), mine().filter(|image| image.verdict == Verdict::Waiting).count())
}

fn images(ctx: &Ctx, application: &Application, draft: &Review, shown: &Shown) -> Markup {
    let at = format!("/case/{}/review/materials", application.id);
    let mine: Vec<_> = attachment::of(application, Purpose::Review(draft.id)).collect();
    let waiting = mine.iter().any(|image| image.verdict == Verdict::Waiting);
    let poll = waiting.then(|| format!("{at}?known={}", known(application, draft)));
    html! {
        section id={"slot-" (SLOT)} class="slot" aria-labelledby="review-images"
            data-hx-get=[poll.as_deref()] data-hx-trigger=[poll.as_ref().map(|_| "every 2s")]
            data-hx-swap=[poll.as_ref().map(|_| "outerHTML")] data-hx-nonce=[poll.as_ref().map(|_| ctx.nonce())] {
            h2 id="review-images" { (ctx.t("slot-review")) " " span class="hint" { (mine.len()) " / " (IMAGES_MOST) } }
            p class="hint" { (ctx.t("slot-review-hint")) }
            @for error in shown.errors.iter().filter(|error| error.field == SLOT) { p class="error" id=(SLOT) { (error_words(ctx, error)) } }
            @if poll.is_some() { p { a class="button secondary" href=(at) { (ctx.t("materials-look")) } } }
            ul class="images" { @for image in mine {
                li { (upload::receipt(ctx, &format!("/apply/{}/image", application.id), Some(&at), image, false)) }
            } }
            (upload::form(ctx, &format!("/case/{}/review/images", application.id), SLOT, "image/jpeg", true))
        }
    }
}

/// How a review stands: whose move, since when, how it ended (R4.5).
fn standing(ctx: &Ctx, review: &Review) -> Markup {
    let state = match (&review.ended, &review.proposal) {
        (Some(end), _) if end.revised => "review-state-revised",
        (Some(_), _) => "review-state-upheld",
        (None, Some(_)) => "review-state-proposed",
        (None, None) => "review-state-open",
    };
    let mut times = Vec::new();
    times.extend(review.asked_at.map(|at| (ctx.t("review-asked"), instant(ctx, at))));
    times.extend(review.ended.as_ref().map(|end| (ctx.t("review-ended"), instant(ctx, end.at))));
    html! {
        section class="card" {
            h2 { (ctx.t("review-title")) " " span class="tag" { (ctx.t(state)) } }
            (facts(ctx, review))
            (rows(&times))
        }
    }
}

/// `POST /case/{id}/review`: begins, or writes down the reason.
pub async fn act(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(page(&ctx.in_language(language), &application, &Shown::of(posted.0)));
    }
    let (to, application) = (format!("/case/{}/review", application.id), &application);
    if posted.get("act") == "begin" {
        ctx.site().tree.command(me.id, BeginReview { application: application.id }).await?;
        return Ok(ctx.redirect(&to));
    }
    let later = posted.get("act") == "later";
    let (reason, words) = (posted.get("review_reason").to_owned(), posted.get("review_words").to_owned());
    let command = WriteReview { application: application.id, reason, words, later };
    match ctx.site().tree.command(me.id, command).await {
        Ok(()) if later => {
            ctx.flash("flash-kept");
            Ok(ctx.redirect(&format!("/case/{}", application.id)))
        }
        Ok(()) => Ok(ctx.redirect(&format!("{to}/materials"))),
        Err(Refusal::Rejected(Rejection::Form(errors))) => Ok(page(&ctx, application, &Shown::wrong(posted.0, errors))),
        Err(refusal) => Err(refusal.into()),
    }
}

/// `POST /case/{id}/review/materials`: asks, or changes one image.
pub async fn finish(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    let to = format!("/case/{}/review", application.id);
    // Pressed twice: it is asked for already.
    let Some(draft) = draft(&application) else { return Ok(ctx.redirect(&to)) };
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(second(&ctx.in_language(language), &application, draft, &Shown::of(posted.0)));
    }
    let image = posted.get("image").parse::<MaterialId>().map_err(|_| Failure::from(Rejection::NotFound));
    let change = match posted.get("act") {
        "rotate" => AttachmentChange::Rotate(image?),
        "delete" => AttachmentChange::Delete(image?),
        _ => {
            let understood = posted.some("review_understood").is_some();
            let command = AskReview { application: application.id, understood };
            return match ctx.site().tree.command(me.id, command).await {
                Ok(()) => {
                    ctx.flash("flash-review-asked");
                    Ok(ctx.redirect(&to))
                }
                Err(Refusal::Rejected(Rejection::NotNow(_))) => Ok(ctx.redirect(&to)),
                Err(Refusal::Rejected(Rejection::Form(errors))) => {
                    Ok(second(&ctx, &application, draft, &Shown::wrong(posted.0, errors)))
                }
                Err(refusal) => Err(refusal.into()),
            };
        }
    };
    let command = ChangeAttachments { application: application.id, purpose: Purpose::Review(draft.id), change };
    ctx.site().tree.command(me.id, command).await?;
    Ok(ctx.redirect(&format!("{to}/materials")))
}

/// `POST /case/{id}/review/images`
pub async fn upload(ctx: Ctx, id: web::Path<String>, mut form: Multipart) -> Answer {
    let answer = take(&ctx, &id, &mut form).await;
    drain(&mut form).await;
    answer
}

async fn take(ctx: &Ctx, id: &str, form: &mut Multipart) -> Answer {
    let (me, application) = open(ctx, id).await?;
    let purpose = Purpose::Review(draft(&application).ok_or(Rejection::NotNow("review-open"))?.id);
    let held = attachment::of(&application, purpose).count();
    let wanted = Wanted { slot: SLOT, purpose, most: IMAGES_MOST, held, bytes_most: Some(IMAGE_MOST), jpeg_only: true };
    let received = receive(ctx, wanted, form).await?;
    let errors = add(ctx, me.id, &application, purpose, received).await?;
    if errors.is_empty() {
        return Ok(ctx.redirect(&format!("/case/{}/review/materials#slot-{SLOT}", application.id)));
    }
    let me = ctx.site().tree.applicant(me.id).await?;
    let application = me.application(application.id)?;
    let draft = draft(application).ok_or(Rejection::NotNow("review-open"))?;
    Ok(second(ctx, application, draft, &Shown::wrong(Raw::new(), errors)))
}

/// A short line for pages that lead here; none when there is nothing to review.
pub fn link(ctx: &Ctx, application: &Application) -> Markup {
    let asked = application.casework.reviews.iter().any(|review| review.asked_at.is_some());
    html! {
        @if asked || may_review(application, ctx.now()).is_ok() {
            p { a href={"/case/" (application.id) "/review"} { (ctx.t(if asked { "review-look" } else { "review-ask" })) } }
        }
    }
}
