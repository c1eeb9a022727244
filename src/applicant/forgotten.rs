//! A forgotten password (R2.1): a code by the verified channel, then a new one. Whether an account exists is not said.

use actix_web::{HttpResponse, web};
use domain::account::SetPassword;
use domain::effects::Channel;
use domain::form::{Field, FieldError, Kind};
use domain::ids::ApplicantId;
use domain::person::{self, Language};
use domain::registration::password_code;
use maud::html;
use serde::Deserialize;

use crate::applicant::code;
use crate::applicant::login::account_key;
use crate::error::Failure;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const ASK: [Field; 2] = [
    Field::must("who", Kind::Text(200)).autocomplete("username"),
    Field::must("channel", Kind::Choice(&["sms", "mail"])),
];
const FINISH: [Field; 3] = [
    Field::must("code", Kind::Text(20)).autocomplete("one-time-code"),
    Field::must("password", Kind::Password).autocomplete("new-password"),
    Field::must("password_again", Kind::Password).autocomplete("new-password"),
];

/// `GET /forgotten`
pub async fn show(ctx: Ctx) -> Answer {
    let raw = [("channel".to_owned(), "sms".to_owned())].into();
    Ok(ask_page(&ctx, &Shown::of(raw)))
}

fn ask_page(ctx: &Ctx, shown: &Shown) -> HttpResponse {
    Page::new(ctx.t("forgotten-title")).status(shown.status()).with_form().show(
        ctx,
        html! {
            h1 { (ctx.t("forgotten-title")) }
            p { (ctx.t("forgotten-words")) }
            (summary(ctx, shown))
            form id="main" method="post" action="/forgotten" novalidate {
                (token(ctx))
                @for each in &ASK { (field(ctx, each, shown)) }
                button type="submit" { (ctx.t("code-get")) }
            }
        },
    )
}

/// Which account, and by which channel: sealed in the address, so that nothing is kept for nobody.
#[derive(Deserialize)]
pub struct Ticket {
    ticket: String,
}

fn seal(ctx: &Ctx, id: Option<ApplicantId>, channel: Channel) -> Result<String, Failure> {
    let plain = format!("{} {}", id.unwrap_or_else(ApplicantId::fresh), channel.code());
    ctx.ticket("forgotten", plain.as_bytes())
}

fn open(ctx: &Ctx, ticket: &str) -> Option<(ApplicantId, Channel)> {
    let plain = String::from_utf8(ctx.open_ticket("forgotten", ticket)?).ok()?;
    let (id, channel) = plain.split_once(' ')?;
    Some((id.parse().ok()?, Channel::from_code(channel)?))
}

/// Where the account's code goes, if there is an account: the chosen channel if its address has proven itself by a
/// code, else the one that has. An address that was only typed may be a stranger's.
async fn address(ctx: &Ctx, id: ApplicantId, chosen: Channel) -> Option<(Channel, String)> {
    let applicant = ctx.site().tree.applicant(id).await.ok()?;
    let verified = &applicant.account.verified;
    let channel = if verified.contains(&chosen) { chosen } else { *verified.first()? };
    Some((channel, applicant.account.address(channel).to_owned()))
}

/// `POST /forgotten`
pub async fn ask(ctx: Ctx, posted: Posted) -> Answer {
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(ask_page(&ctx.in_language(language), &Shown::of(posted.0)));
    }
    let answers = match domain::form::check(&ASK, &posted.0, ctx.today()) {
        Ok(answers) => answers,
        Err(errors) => return Ok(ask_page(&ctx, &Shown::wrong(posted.0, errors))),
    };
    let who = domain::form::text(&answers, "who").to_owned();
    let channel = Channel::from_code(domain::form::text(&answers, "channel")).unwrap_or(Channel::Sms);
    let found = ctx.db(move |store| store.find_login(&who)).await?.map(|(id, _)| id);
    if let Some(id) = found
        && let Some((channel, to)) = address(&ctx, id, channel).await
    {
        // A limit that is reached is not told: it would say that there is an account.
        let _ = code::send(&ctx, &format!("forgotten:{id}"), channel, &to).await?;
    }
    let ticket = seal(&ctx, found, channel)?;
    Ok(ctx.redirect(&format!("/forgotten/code?ticket={ticket}")))
}

fn finish_page(ctx: &Ctx, ticket: &str, shown: &Shown) -> HttpResponse {
    Page::new(ctx.t("forgotten-title")).status(shown.status()).with_form().show(
        ctx,
        html! {
            h1 { (ctx.t("forgotten-title")) }
            p { (ctx.t("forgotten-sent")) }
            (summary(ctx, shown))
            form id="main" method="post" action={"/forgotten/code?ticket=" (ticket)} novalidate {
                (token(ctx))
                @for each in &FINISH { (field(ctx, each, shown)) }
                button type="submit" { (ctx.t("password-set")) }
            }
            p { a href="/forgotten" { (ctx.t("code-again")) } }
        },
    )
}

/// `GET /forgotten/code`
pub async fn code(ctx: Ctx, ticket: web::Query<Ticket>) -> Answer {
    Ok(finish_page(&ctx, &ticket.ticket, &Shown::default()))
}

/// The errors of a new password and its repetition.
pub fn new_password(posted: &Posted, own: &[&str]) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (password, again) = (posted.get("password"), posted.get("password_again"));
    if password.is_empty() {
        errors.push(FieldError::new("password", "missing"));
    } else if let Err(wrong) = person::password(password, own) {
        errors.push(FieldError::new("password", password_code(wrong)));
    }
    if password != again {
        errors.push(FieldError::new("password_again", "differs"));
    }
    errors
}

/// `POST /forgotten/code`
pub async fn finish(ctx: Ctx, ticket: web::Query<Ticket>, posted: Posted) -> Answer {
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(finish_page(&ctx.in_language(language), &ticket.ticket, &Shown::of(posted.0)));
    }
    let wrong = |errors| Ok(finish_page(&ctx, &ticket.ticket, &Shown::wrong(posted.0.clone(), errors)));
    let errors = new_password(&posted, &[]);
    if !errors.is_empty() {
        return wrong(errors);
    }
    // One answer for every failure: another would say whether there is an account.
    let none = || vec![FieldError::new("code", "code-refused")];
    let Some((id, channel)) = open(&ctx, &ticket.ticket) else { return wrong(none()) };
    let Some((_, to)) = address(&ctx, id, channel).await else { return wrong(none()) };
    if code::check(&ctx, &format!("forgotten:{id}"), &to, posted.get("code")).await?.is_err() {
        return wrong(none());
    }
    let password = posted.get("password").to_owned();
    let hash = ctx.hashing(move || store::hash_password(&password)).await?;
    ctx.site().tree.command(id, SetPassword { hash }).await?;
    ctx.db(move |store| {
        // Who has proven to be the owner is not locked out any more.
        store.forget_tries(&account_key(id))
    })
    .await?;
    ctx.flash("flash-password");
    Ok(ctx.redirect("/login"))
}
