//! Public verification (R2.16): by the QR code's address, or by number and name. A wrong name looks like no document.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::form::{Field, Kind, text};
use domain::payment::AttemptState;
use domain::person;
use maud::{Markup, html};
use store::{Limit, Verified};

use crate::applicant::payments;
use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::{day, instant, rows};
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const FIELDS: [Field; 2] = [Field::must("verify_number", Kind::Text(40)), Field::must("verify_name", Kind::Text(66))];

/// `GET /verify`
pub async fn ask(ctx: Ctx) -> Answer {
    Ok(asking(&ctx, &Shown::default()))
}

fn asking(ctx: &Ctx, shown: &Shown) -> HttpResponse {
    Page::new(ctx.t("verify-title")).status(shown.status()).with_form().show(
        ctx,
        html! {
            h1 { (ctx.t("verify-title")) }
            p { (ctx.t("verify-words")) }
            (summary(ctx, shown))
            form id="main" method="post" novalidate {
                (token(ctx))
                @for each in &FIELDS { (field(ctx, each, shown)) }
                button type="submit" { (ctx.t("verify-do")) }
            }
        },
    )
}

/// `POST /verify`
pub async fn by_number(ctx: Ctx, posted: Posted) -> Answer {
    if let Some(language) = posted.some("switch_language").and_then(person::Language::from_tag) {
        return Ok(asking(&ctx.in_language(language), &Shown::of(posted.0)));
    }
    let answers = match domain::form::check(&FIELDS, &posted.0, ctx.today()) {
        Ok(answers) => answers,
        Err(errors) => return Ok(asking(&ctx, &Shown::wrong(posted.0, errors))),
    };
    let (number, name) = (text(&answers, "verify_number").to_owned(), text(&answers, "verify_name").to_owned());
    let (who, now) = (format!("verify:{}", ctx.network()), ctx.now());
    let found = ctx
        .db(move |store| {
            if let Err(seconds) = store.count_try(&who, Limit::GUESSES, now)? {
                return Ok(Err(seconds));
            }
            let found = store.certificate_by_number(&number, &name)?;
            if found.is_some() {
                store.forget_try(&who)?;
            }
            Ok(Ok(found))
        })
        .await?;
    match found {
        Err(seconds) => Err(Failure::TooMany(seconds)),
        Ok(Some(found)) => result(&ctx, &found).await,
        Ok(None) => Ok(unknown(&ctx)),
    }
}

/// `GET /verify/{token}`
pub async fn by_token(ctx: Ctx, path: web::Path<String>) -> Answer {
    let token = path.into_inner();
    if token.len() != 32 {
        return Ok(unknown(&ctx));
    }
    match ctx.db(move |store| store.certificate_by_token(&token)).await? {
        Some(found) => result(&ctx, &found).await,
        None => Ok(unknown(&ctx)),
    }
}

fn unknown(ctx: &Ctx) -> HttpResponse {
    Page::new(ctx.t("verify-unknown")).status(StatusCode::NOT_FOUND).show(
        ctx,
        html! {
            h1 { (ctx.t("verify-title")) }
            div class="verdict verdict-unknown" { p { strong { (ctx.t("verify-unknown")) } } p { (ctx.t("verify-unknown-words")) } }
            p { a href="/verify" { (ctx.t("verify-again")) } }
        },
    )
}

async fn result(ctx: &Ctx, found: &Verified) -> Answer {
    let applicant = ctx.site().tree.applicant(found.applicant).await?;
    let application = applicant.application(found.application)?;
    let certificate = &found.certificate;
    let said = |name: &str| domain::form::text(&application.credential, name).to_owned();
    let standing = certificate.standing.code();
    let facts = vec![
        (ctx.t("certificate-number"), certificate.number.clone().unwrap_or_default()),
        (ctx.t("certificate-kind"), ctx.t(&format!("outcome-{}", certificate.outcome.code()))),
        (ctx.t("field-name"), person::masked_name(&applicant.account.name)),
        (ctx.t("field-institution"), said("institution")),
        (ctx.t("field-credential_name"), said("credential_name")),
        (ctx.t("certificate-date"), day(ctx, domain::calendar::today(certificate.issued_at))),
    ];
    let verdict: Markup = html! {
        div class={"verdict verdict-" (standing)} {
            p { strong { (ctx.t(&format!("verify-{standing}"))) } }
            p { (ctx.t(&format!("verify-{standing}-words"))) }
        }
    };
    Ok(Page::new(ctx.t(&format!("verify-{standing}"))).show(
        ctx,
        html! {
            h1 { (ctx.t("verify-title")) }
            (verdict)
            (rows(&facts))
            p class="hint" { (ctx.with("verify-at", &[("at", &instant(ctx, ctx.now()))])) }
            p { a href="/verify" { (ctx.t("verify-again")) } }
        },
    ))
}

/// `GET /verify/receipt/{order}/{code}`: whether a fee receipt is ours, and whether its money went back (R2.11).
pub async fn receipt(ctx: Ctx, path: web::Path<(String, String)>) -> Answer {
    let (order, code) = path.into_inner();
    let expected = payments::receipt_code(&ctx, &order);
    let same =
        expected.len() == code.len() && expected.bytes().zip(code.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0;
    if !same {
        return Ok(unknown(&ctx));
    }
    let key = order.clone();
    let found = ctx.db(move |store| store.attempt_by_order(&key)).await?;
    let applicant = ctx.site().tree.applicant(found.applicant).await?;
    let application = applicant.application(found.application)?;
    let attempt =
        application.attempts.iter().find(|attempt| attempt.order == order && attempt.state == AttemptState::Paid);
    let Some(attempt) = attempt else { return Ok(unknown(&ctx)) };
    let refunded = payments::refunded_at(application, attempt);
    let mut facts = vec![
        (ctx.t("receipt-payer"), person::masked_name(&applicant.account.name)),
        (ctx.t("pay-for"), ctx.t("pay-for-what")),
        (ctx.t("pay-amount"), format!("¥{}", attempt.amount)),
        (ctx.t("pay-order-number"), attempt.order.clone()),
        (ctx.t("receipt-date"), attempt.settled_at.map(|at| instant(&ctx, at)).unwrap_or_default()),
    ];
    if let Some(at) = refunded {
        facts.push((ctx.t("refund-state-arrived"), instant(&ctx, at)));
    }
    let verdict = if refunded.is_some() { "refunded" } else { "valid" };
    Ok(Page::new(ctx.t("receipt-title")).show(
        &ctx,
        html! {
            h1 { (ctx.t("receipt-title")) }
            div class={"verdict verdict-" (if refunded.is_some() { "superseded" } else { "valid" })} role="status" { p { strong { (ctx.t(&format!("receipt-verdict-{verdict}"))) } } }
            (rows(&facts))
        },
    ))
}
