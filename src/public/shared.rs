//! What a holder's link leads to (R2.16): whoever looks says who they are, for the holder sees it; then all that the document
//! says, and the file.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use domain::Rejection;
use domain::form::{Field, Kind, check, text};
use domain::person::Language;
use maud::html;
use store::{Limit, SharedWith, StoreError};

use crate::error::Failure;
use crate::public::verify::{Logged, Vouched, logged_words, state_of, unconfirmed, verdict};
use crate::web::Answer;
use crate::web::components::{day, instant, rows};
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const FIELDS: [Field; 1] = [Field::must("share_looker", Kind::Text(60))];

/// What the link is good for; the outer nothing is an end of its own: none, expired and ended look the same.
async fn open(ctx: &Ctx, link: &str) -> Result<Option<SharedWith>, Failure> {
    let (link, who, now) = (link.to_owned(), format!("share-miss:{}", ctx.limited_network()), ctx.now());
    let found = ctx
        .db(move |store| match store.shared(&link, now) {
            Ok(found) => Ok(Ok(Some(found))),
            Err(StoreError::Missing) => Ok(store.count_try(&who, Limit::MISSES, now)?.map(|()| None)),
            Err(error) => Err(error),
        })
        .await?;
    found.map_err(Failure::TooMany)
}

fn gone(ctx: &Ctx) -> HttpResponse {
    Page::new(ctx.t("shared-gone")).status(StatusCode::NOT_FOUND).show(
        ctx,
        html! { h1 { (ctx.t("shared-gone")) } p { (ctx.t("shared-gone-words")) } p { a href="/verify" { (ctx.t("nav-verify")) } } },
    )
}

/// `GET /shared/{token}`
pub async fn ask(ctx: Ctx, path: web::Path<String>) -> Answer {
    Ok(match open(&ctx, &path).await? {
        Some(found) => asking(&ctx, &found, &Shown::default()),
        None => gone(&ctx),
    })
}

fn asking(ctx: &Ctx, found: &SharedWith, shown: &Shown) -> HttpResponse {
    Page::new(ctx.t("shared-title")).status(shown.status()).with_form().show(
        ctx,
        html! {
            h1 { (ctx.t("shared-title")) }
            p class="lead" { (ctx.t("shared-lead")) }
            (summary(ctx, shown))
            form id="main" method="post" novalidate {
                (token(ctx))
                @for each in &FIELDS { (field(ctx, each, shown)) }
                button type="submit" { (ctx.t("shared-do")) }
            }
            p class="hint" { (ctx.with("shared-until", &[("at", &instant(ctx, found.expires_at))])) }
        },
    )
}

/// `POST /shared/{token}`: the look is noted before anything is shown.
pub async fn look(ctx: Ctx, path: web::Path<String>, posted: Posted) -> Answer {
    let Some(found) = open(&ctx, &path).await? else { return Ok(gone(&ctx)) };
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(asking(&ctx.in_language(language), &found, &Shown::of(posted.0)));
    }
    let answers = match check(&FIELDS, &posted.0, ctx.today()) {
        Ok(answers) => answers,
        Err(errors) => return Ok(asking(&ctx, &found, &Shown::wrong(posted.0, errors))),
    };
    let who = text(&answers, "share_looker").to_owned();
    let file = posted.get("act") == "file";
    let noted = if file { format!("{who} (PDF)") } else { who.clone() };
    let (share, network, now) = (found.id.clone(), ctx.network_shortened(), ctx.now());
    let looker = format!("share-look:{share}:{}", ctx.limited_network());
    let looked = ctx.db(move |store| {
        if let Err(seconds) = store.count_try(&looker, Limit::LOOKS, now)? {
            return Ok(Err(seconds));
        }
        store.note_look(&share, &noted, &network, now).map(Ok)
    });
    if !looked.await?.map_err(Failure::TooMany)? {
        return Ok(gone(&ctx));
    }
    if file { pdf(&ctx, &found).await } else { whole(&ctx, &found, &who).await }
}

async fn pdf(ctx: &Ctx, found: &SharedWith) -> Answer {
    let certificate = &found.found.certificate;
    let hash = certificate.document.clone().ok_or(Rejection::NotFound)?;
    let name = format!("attachment; filename=\"{}.pdf\"", certificate.number.clone().unwrap_or_default());
    let pdf = ctx.db(move |store| store.blobs().get(store.keys(), &hash)).await?;
    Ok(HttpResponse::Ok().content_type("application/pdf").insert_header((header::CONTENT_DISPOSITION, name)).body(pdf))
}

async fn whole(ctx: &Ctx, found: &SharedWith, who: &str) -> Answer {
    let applicant = ctx.site().tree.applicant(found.found.applicant).await?;
    let application = applicant.application(found.found.application)?;
    let certificate = &found.found.certificate;
    let (state, look) = state_of(certificate);
    let said = |name: &str| domain::form::text(&application.credential, name).to_owned();
    let both = |zh: &str, original: &str| match (said(zh), said(original)) {
        (zh, original) if zh.is_empty() || zh == original => original,
        (zh, original) => format!("{zh} {original}"),
    };
    let Vouched::Yes(logged) = Logged::of(ctx, &found.found).await? else { return Ok(unconfirmed(ctx)) };
    let date =
        |name: &str| domain::form::date(&application.credential, name).map(|date| day(ctx, date)).unwrap_or_default();
    let facts = vec![
        (ctx.t("certificate-number"), certificate.number.clone().unwrap_or_default()),
        (ctx.t("certificate-kind"), ctx.t(&format!("outcome-{}", certificate.outcome.code()))),
        (ctx.t("certificate-holder"), applicant.account.name.clone()),
        (ctx.t("certificate-institution"), both("institution_zh", "institution")),
        (ctx.t("certificate-credential"), both("credential_name_zh", "credential_name")),
        (ctx.t("field-level"), ctx.t(&format!("choice-level-{}", said("level")))),
        (ctx.t("certificate-major"), both("major_zh", "major")),
        (ctx.t("field-award_date"), date("award_date")),
        (ctx.t("certificate-date"), day(ctx, domain::calendar::today(certificate.issued_at))),
    ];
    // Shown to whoever said who they are: to see it in another language they say it again.
    Ok(Page::new(ctx.t("shared-title")).once().show(
        ctx,
        html! {
            h1 { (ctx.t("shared-title")) }
            (verdict(ctx, look, &state))
            (rows(&facts))
            form method="post" class="actions no-print" {
                (token(ctx))
                input type="hidden" name="share_looker" value=(who);
                button type="submit" name="act" value="file" { (ctx.t("shared-file")) }
            }
            (logged_words(ctx, logged.as_ref()))
            p class="hint" { (ctx.with("verify-at", &[("at", &instant(ctx, ctx.now()))])) }
            p class="hint" { (ctx.with("shared-until", &[("at", &instant(ctx, found.expires_at))])) }
        },
    ))
}
