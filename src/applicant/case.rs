//! 查看 (R2.14): one case whole, whose move it is, its timeline; and the certificate (R2.16).

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use actors::certificate_facts;
use chrono::TimeDelta;
use documents::{CertificateFacts, badge, credential};
use domain::Rejection;
use domain::application::Application;
use domain::case::{Outcome, Stage};
use domain::certificate::Standing;
use domain::effects::TimelineEntry;
use domain::form;
use domain::ids::ApplicationId;
use domain::second::INTERNAL;
use maud::{Markup, html};
use proof::jose::VC_JWT;

use crate::applicant::wizard::{confirm, open};
use crate::applicant::{refund, review, supplement};
use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::{button_link, day, instant, stage_tag, whose_move};
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// `GET /case/{id}`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let key: ApplicationId = id.parse().map_err(|_| Rejection::NotFound)?;
    let me = ctx.me().await?;
    let application = me.application(key)?;
    let title = application.title(ctx.language());
    let title = if title.is_empty() { ctx.t("case-untitled") } else { title.to_owned() };
    let usual = usual(&ctx, application).await?;
    Ok(Page::new(title.clone()).show(
        &ctx,
        html! {
            p class="crumbs" { a href="/centre/applications" { (ctx.t("centre-applications")) } }
            h1 { (title) }
            p { (stage_tag(&ctx, application.stage())) " " @if let Some(number) = &application.number { span class="number" { (number) } } }
            (whose_move(&ctx, application))
            @if let Some(usual) = &usual { p class="hint" { (usual) } }
            (next(&ctx, application))
            (supplement::standing(&ctx, application))
            (held(&ctx, application))
            (result(&ctx, application))
            (messages(&ctx, application))
            (review::link(&ctx, application))
            (refund::link(&ctx, application))
            (track(&ctx, application))
            (expected(&ctx, application))
            section { h2 { (ctx.t("timeline")) } (events(&ctx, &application.timeline)) }
            details { summary { (ctx.t("case-answers")) } (confirm::sections(&ctx, &me, application, false)) }
        },
    ))
}

fn next(ctx: &Ctx, application: &Application) -> Markup {
    let id = application.id;
    html! {
        @match application.stage() {
            Stage::Draft => (button_link(&format!("/apply/{id}"), &ctx.t("case-go-on"))),
            Stage::Submitted => {
                (button_link(&format!("/apply/{id}/payment"), &ctx.t("pay-now")))
                p { a href={"/case/" (id) "/withdraw"} { (ctx.t("withdraw-title")) } }
            }
            _ => {}
        }
    }
}

/// Cases from which on it is said how long they took: fewer say nothing (casework.md §3).
const USUAL_LEAST: i64 = 30;
/// Days that are looked back for it.
const USUAL_DAYS: i64 = 365;

/// How long cases like this one took, from our own that are closed: the median, and nine in ten.
async fn usual(ctx: &Ctx, application: &Application) -> Result<Option<String>, Failure> {
    let stages = [Stage::Screening, Stage::Supplement, Stage::Assessing, Stage::Verifying, Stage::Proposed];
    if !stages.contains(&application.stage()) {
        return Ok(None);
    }
    let kind = application.kind.map_or("", |kind| kind.code());
    let country = form::text(&application.credential, "country").to_owned();
    let now = ctx.now();
    let counted = match ctx.site().usual(kind, &country, now) {
        Some(counted) => counted,
        None => {
            let of = country.clone();
            let from = now - TimeDelta::days(USUAL_DAYS);
            let counted = ctx.db(move |store| store.durations(Some((kind, &of)), from, now)).await?;
            ctx.site().set_usual(kind, &country, now, counted.clone());
            counted
        }
    };
    if counted.count() < USUAL_LEAST {
        return Ok(None);
    }
    let days = |share| counted.within(share).unwrap_or(0).to_string();
    let (count, half, most) = (counted.count().to_string(), days(50), days(90));
    Ok(Some(ctx.with("usual-words", &[("count", &count), ("half", &half), ("most", &most)])))
}

/// A hold in words: why, and until when.
fn held(ctx: &Ctx, application: &Application) -> Markup {
    html! {
        @if let Some(hold) = application.casework.hold() {
            p class="advice" { (ctx.with("held-words", &[("day", &day(ctx, hold.until))])) " " (ctx.t(&format!("hold-reason-{}", hold.reason))) }
        }
    }
}

/// What officers wrote to the applicant.
fn messages(ctx: &Ctx, application: &Application) -> Markup {
    let messages: Vec<_> = application.casework.words.iter().filter(|words| words.to_applicant).collect();
    html! {
        @if !messages.is_empty() {
            section class="card" id="messages" {
                h2 { (ctx.t("messages-title")) }
                @for words in messages.iter().rev() { p class="hint" { (instant(ctx, words.at)) } p class="words" { (words.text) } }
            }
        }
    }
}

/// How the expected date moved, and why (R2.14).
fn expected(ctx: &Ctx, application: &Application) -> Markup {
    let log = &application.casework.expected;
    html! {
        @if log.len() > 1 {
            details { summary { (ctx.t("expected-history")) }
                ol class="timeline" { @for entry in log.iter().rev() {
                    li { span class="hint" { (instant(ctx, entry.at)) } " " (day(ctx, entry.due.date)) " · " (ctx.t(&format!("expected-cause-{}", entry.cause))) }
                } }
            }
        }
    }
}

fn result(ctx: &Ctx, application: &Application) -> Markup {
    html! {
        @if let Some(refusal) = &application.not_accepted {
            div class="advice" { p { strong { (ctx.t("not-accepted-words")) } } p { (ctx.t(&format!("reason-{}", refusal.reason))) } @if !refusal.note.is_empty() { p { (refusal.note) } } }
        }
        @if let Some(certificate) = application.certificate() {
            section class="card result" {
                h2 { (ctx.t(&format!("outcome-{}", certificate.outcome.code()))) }
                p { (ctx.t("certificate-number")) " " strong class="number" { (certificate.number.clone().unwrap_or_default()) } }
                @if let Some(reason) = application.decision.as_ref().and_then(|decision| decision.proposal.reason.as_ref()) { p { (ctx.t(&format!("reason-{reason}"))) } }
                @if certificate.standing != Standing::Valid {
                    div class="advice" {
                        p { strong { (ctx.t(&format!("verify-{}", certificate.standing.code()))) } " " (ctx.t(&format!("verify-{}-words", certificate.standing.code()))) }
                        @if let Some(reason) = &certificate.revoked_for { p { (ctx.t(&format!("reason-{reason}"))) } }
                    }
                }
                @if certificate.document.is_some() {
                    div class="actions" {
                        (button_link(&format!("/case/{}/certificate.pdf", application.id), &ctx.t("certificate-download")))
                        a href={"/verify/" (certificate.token)} { (ctx.t("certificate-verify")) }
                        a href={"/case/" (application.id) "/share"} { (ctx.t("share-title")) }
                    }
                    details { summary { (ctx.t("credential-title")) }
                        p { (ctx.t("credential-what")) }
                        ul {
                            li { a href={"/case/" (application.id) "/credential.jwt"} { (ctx.t("credential-jwt")) } }
                            li { a href={"/case/" (application.id) "/credential.json"} { (ctx.t("credential-json")) } }
                            @if certificate.outcome == Outcome::Certificate { li { a href={"/case/" (application.id) "/badge.jwt"} { (ctx.t("credential-badge")) } } }
                        }
                    }
                } @else { p role="status" { (ctx.t("certificate-making")) } }
            }
        }
    }
}

/// The tracker: an ordered list, the current step marked in words.
fn track(ctx: &Ctx, application: &Application) -> Markup {
    const TRACK: [Stage; 5] = [Stage::Submitted, Stage::Screening, Stage::Assessing, Stage::Proposed, Stage::Decided];
    // What waits for somebody outside waits within the step from which it was asked.
    let step = match application.stage() {
        Stage::Supplement if application.decision.is_some() => Stage::Decided,
        Stage::Supplement if application.accepted_at.is_none() => Stage::Screening,
        Stage::Supplement | Stage::Verifying => Stage::Assessing,
        Stage::Reviewing | Stage::ReviewProposed => Stage::Decided,
        stage => stage,
    };
    let at = TRACK.iter().position(|stage| *stage == step);
    html! {
        @if let Some(at) = at {
            section {
                h2 { (ctx.t("track")) }
                ol class="track" { @for (place, stage) in TRACK.iter().enumerate() {
                    li class=(if place == at { "current" } else if place < at { "past" } else { "" }) aria-current=[(place == at).then_some("step")] {
                        (ctx.t(&format!("track-{}", stage.code())))
                        @if place == at { " " span class="tag tag-next" { (ctx.t("track-now")) } }
                    }
                } }
            }
        }
    }
}

/// A timeline in words, newest first.
fn events(ctx: &Ctx, timeline: &[TimelineEntry]) -> Markup {
    html! {
        ol class="timeline" { @for event in timeline.iter().rev().filter(|event| !INTERNAL.contains(&event.kind.as_str())) {
            li {
                span class="hint" { (instant(ctx, event.at)) }
                " " (ctx.t(&format!("event-{}", event.kind)))
            }
        } }
    }
}

/// `GET /case/{id}/certificate.pdf`
pub async fn certificate(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, application) = open(&ctx, &id).await?;
    let certificate = application.certificate().ok_or(Rejection::NotFound)?;
    let hash = certificate.document.clone().ok_or(Rejection::NotNow("certificate-making"))?;
    let name = format!("attachment; filename=\"{}.pdf\"", certificate.number.clone().unwrap_or_default());
    let pdf = ctx.db(move |store| store.blobs().get(store.keys(), &hash)).await?;
    Ok(HttpResponse::Ok().content_type("application/pdf").insert_header((header::CONTENT_DISPOSITION, name)).body(pdf))
}

/// What the newest document says, once it is there.
async fn stated(ctx: &Ctx, id: &str) -> Result<CertificateFacts, Failure> {
    let (me, application) = open(ctx, id).await?;
    let certificate = application.certificate().ok_or(Rejection::NotFound)?;
    if certificate.document.is_none() {
        return Err(Rejection::NotNow("certificate-making").into());
    }
    Ok(certificate_facts(&ctx.site().origin, &me, application.id, certificate).ok_or(Rejection::NotFound)?)
}

/// A file to be kept, named after its document.
fn kept(kind: &'static str, number: &str, ending: &str, body: String) -> HttpResponse {
    let name = format!("attachment; filename=\"{number}{ending}\"");
    HttpResponse::Ok().content_type(kind).insert_header((header::CONTENT_DISPOSITION, name)).body(body)
}

/// `GET /case/{id}/credential.jwt`: the credential that the PDF holds, too.
pub async fn credential_jwt(ctx: Ctx, id: web::Path<String>) -> Answer {
    let facts = stated(&ctx, &id).await?;
    let keys = ctx.site().tree.world.document_keys();
    let signed = credential(keys, &facts).and_then(|read| keys.sign(&read)).map_err(|error| ctx.fault(error))?;
    Ok(kept(VC_JWT, &facts.number, ".jwt", signed))
}

/// `GET /case/{id}/credential.json`: the same with a proof of its own.
pub async fn credential_json(ctx: Ctx, id: web::Path<String>) -> Answer {
    let facts = stated(&ctx, &id).await?;
    let keys = ctx.site().tree.world.document_keys();
    let secured = credential(keys, &facts).and_then(|read| keys.secure(&read, facts.issued_at));
    let secured = secured.map_err(|error| ctx.fault(error))?;
    Ok(kept("application/vc", &facts.number, ".json", secured.to_string()))
}

/// `GET /case/{id}/badge.jwt`: a certificate as an Open Badge; a notice is none.
pub async fn badge_jwt(ctx: Ctx, id: web::Path<String>) -> Answer {
    let facts = stated(&ctx, &id).await?;
    if facts.outcome != Outcome::Certificate {
        return Err(Rejection::NotFound.into());
    }
    let keys = ctx.site().tree.world.document_keys();
    let signed = badge(keys, &facts).and_then(|read| keys.sign_badge(&read)).map_err(|error| ctx.fault(error))?;
    Ok(kept("application/jwt", &facts.number, "-badge.jwt", signed))
}
