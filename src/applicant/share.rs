//! Links by which the holder shows a certificate to somebody (R2.16): they expire, can be ended, and show who looked.

use actix_web::web;
use chrono::{DateTime, TimeDelta, Utc};
use domain::Rejection;
use domain::application::Application;
use domain::certificate::Certificate;
use domain::form::{Field, FieldError, Kind, check, text};
use maud::{Markup, html};
use store::{LOOKS_SHOWN, NewShare, Share};
use uuid::Uuid;

use crate::applicant::wizard::open;
use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::instant;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// For how many days a link may be good.
const DAYS: [&str; 3] = ["7", "30", "90"];
const FIELDS: [Field; 2] = [Field::must("share_label", Kind::Text(60)), Field::must("share_days", Kind::Choice(&DAYS))];

/// The document that can be shown: the newest, once it is there.
fn shown(application: &Application) -> Result<&Certificate, Rejection> {
    application.certificate().filter(|certificate| certificate.document.is_some()).ok_or(Rejection::NotFound)
}

/// `GET /case/{id}/share`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, application) = open(&ctx, &id).await?;
    page(&ctx, &application, &Shown::of([("share_days".to_owned(), "30".to_owned())].into())).await
}

async fn page(ctx: &Ctx, application: &Application, form: &Shown) -> Answer {
    // Of every document of the case: a link to one that was replaced is still open, and is ended here.
    let of: Vec<_> = application.certificates.iter().map(|certificate| certificate.id).collect();
    if of.is_empty() {
        return Err(Rejection::NotFound.into());
    }
    let now = ctx.now();
    let shares = ctx.db(move |store| store.shares(&of, now)).await?;
    Ok(Page::new(ctx.t("share-title")).status(form.status()).with_form().show(
        ctx,
        html! {
            p class="crumbs" { a href={"/case/" (application.id)} { (ctx.t("back")) } }
            h1 { (ctx.t("share-title")) }
            p class="lead" { (ctx.t("share-lead")) }
            (summary(ctx, form))
            @if shown(application).is_err() { p class="advice" { (ctx.t("certificate-making")) } }
            form id="main" method="post" class="card" novalidate {
                (token(ctx))
                input type="hidden" name="id" value=(Uuid::now_v7());
                @for each in &FIELDS { (field(ctx, each, form)) }
                button type="submit" { (ctx.t("share-make")) }
            }
            h2 { (ctx.t("share-links")) }
            @if shares.is_empty() { p class="empty" { (ctx.t("share-none")) } }
            @for share in &shares { (one(ctx, application, share, now)) }
        },
    ))
}

fn one(ctx: &Ctx, application: &Application, share: &Share, now: DateTime<Utc>) -> Markup {
    let state = match share.ended_at {
        Some(_) => "ended",
        None if share.expires_at <= now => "expired",
        None if share.is_used_up() => "used-up",
        None => "open",
    };
    html! {
        section class="card" {
            h3 { (share.label) " " span class=(if state == "open" { "tag tag-done" } else { "tag tag-wait" }) { (ctx.t(&format!("share-{state}"))) } }
            @if state == "open" { p { a class="number" href={"/shared/" (share.token)} { (ctx.site().origin) "/shared/" (share.token) } } }
            p class="hint" {
                (ctx.with("share-when", &[("made", &instant(ctx, share.made_at)), ("expires", &instant(ctx, share.expires_at))]))
                @if let Some(at) = share.ended_at { " " (ctx.with("share-ended-at", &[("at", &instant(ctx, at))])) }
            }
            @if share.looks.is_empty() { p { (ctx.t("share-no-looks")) } }
            @else {
                p { (ctx.with("share-looks", &[("count", &share.looked.to_string())])) }
                ul class="timeline" { @for look in &share.looks {
                    li { span class="hint" { (instant(ctx, look.at)) } " " (look.who) @if !look.network.is_empty() { " " span class="hint number" { (look.network) } } }
                } }
                @if share.looked > LOOKS_SHOWN { p class="hint" { (ctx.with("share-looks-newest", &[("most", &LOOKS_SHOWN.to_string())])) } }
            }
            @if matches!(state, "open" | "used-up") {
                form method="post" action={"/case/" (application.id) "/share/" (share.id)} {
                    (token(ctx))
                    button type="submit" class="secondary" { (ctx.t("share-end")) span class="hidden" { " " (share.label) } }
                }
            }
        }
    }
}

/// `POST /case/{id}/share`
pub async fn make(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    let certificate = shown(&application)?.id;
    if let Some(language) = posted.some("switch_language").and_then(domain::person::Language::from_tag) {
        return page(&ctx.in_language(language), &application, &Shown::of(posted.0)).await;
    }
    let answers = match check(&FIELDS, &posted.0, ctx.today()) {
        Ok(answers) => answers,
        Err(errors) => return page(&ctx, &application, &Shown::wrong(posted.0, errors)).await,
    };
    let now = ctx.now();
    let days = text(&answers, "share_days").parse().unwrap_or(7);
    let new = NewShare {
        id: posted.get("id").parse().unwrap_or_else(|_| Uuid::now_v7()),
        applicant: me.id,
        certificate,
        label: text(&answers, "share_label").to_owned(),
        expires_at: now + TimeDelta::days(days),
    };
    if !ctx.db(move |store| store.make_share(&new, now)).await? {
        let errors = vec![FieldError::new("share_label", "too-many-links").with("most", store::SHARES_MOST)];
        return page(&ctx, &application, &Shown::wrong(posted.0, errors)).await;
    }
    Ok(ctx.redirect(&format!("/case/{}/share", application.id)))
}

/// `POST /case/{id}/share/{share}`: ends a link.
pub async fn end(ctx: Ctx, path: web::Path<(String, String)>, _: Posted) -> Result<actix_web::HttpResponse, Failure> {
    let (id, share) = path.into_inner();
    let (me, application) = open(&ctx, &id).await?;
    let (of, now) = (me.id, ctx.now());
    ctx.db(move |store| store.end_share(of, &share, now)).await?;
    Ok(ctx.redirect(&format!("/case/{}/share", application.id)))
}
