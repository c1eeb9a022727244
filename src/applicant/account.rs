//! The account (R1.6): what can't be changed is shown masked, what can be is changed here, each proven anew.

use actix_web::HttpResponse;
use domain::account::{SetContact, SetPassword};
use domain::applicant::Applicant;
use domain::document_number;
use domain::effects::Channel;
use domain::form::{self, Field, FieldError, Kind};
use domain::person;
use maud::{Markup, html};
use serde::Deserialize;
use store::{Limit, NoticeRow};

use crate::applicant::login::account_key;
use crate::applicant::{code, forgotten};
use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::rows;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const PASSWORD: [Field; 3] = [
    Field::must("login_password", Kind::Password).autocomplete("current-password"),
    Field::must("password", Kind::Password).autocomplete("new-password"),
    Field::must("password_again", Kind::Password).autocomplete("new-password"),
];
const CONTACT: [Field; 3] = [
    Field::may("phone", Kind::Mobile),
    Field::may("email", Kind::Email),
    Field::must("contact_password", Kind::Password).autocomplete("current-password"),
];
const CODE: [Field; 1] = [Field::must("code", Kind::Text(20)).autocomplete("one-time-code")];

/// Notices that are looked at to see whether the last ones arrived.
const NOTICES_LOOKED_AT: i64 = 10;

/// That the last text or mail did not arrive, so that the owner can put the address right.
///
/// # Errors
/// When the database fails.
pub async fn undelivered(ctx: &Ctx, me: &Applicant) -> Result<Markup, Failure> {
    let owner = me.id;
    let notices = ctx.db(move |store| store.notices_to(owner, NOTICES_LOOKED_AT)).await?;
    let keys = ctx.site().tree.world.store.keys();
    let missed = [Channel::Sms, Channel::Mail].into_iter().filter(|channel| {
        let address = if *channel == Channel::Sms { &me.account.phone } else { &me.account.email };
        // Of the address as it now is; and a number that got too much at once is a good number.
        let mine = |notice: &&NoticeRow| notice.channel == *channel && notice.went_to(keys, address);
        let last = notices.iter().filter(mine).find(|notice| notice.state != "queued");
        last.is_some_and(|last| {
            matches!(last.state.as_str(), "undelivered" | "failed") && last.answer != "isv.BUSINESS_LIMIT_CONTROL"
        })
    });
    let missed: Vec<String> = missed
        .map(|channel| match channel {
            Channel::Sms => ctx.with("undelivered-sms", &[("to", &person::masked_phone(&me.account.phone))]),
            Channel::Mail => ctx.with("undelivered-mail", &[("to", &person::masked_email(&me.account.email))]),
        })
        .collect();
    Ok(html! {
        @if !missed.is_empty() {
            div class="advice" role="status" {
                @for words in &missed { p { (words) } }
                p { a href="/account" { (ctx.t("undelivered-change")) } }
            }
        }
    })
}

/// `GET /account`
pub async fn show(ctx: Ctx) -> Answer {
    let me = ctx.me().await?;
    Ok(page(&ctx, &me, &Shown::default()))
}

fn page(ctx: &Ctx, me: &Applicant, shown: &Shown) -> HttpResponse {
    let account = &me.account;
    let until = account.valid_to.map_or_else(|| ctx.t("field-permanent"), |day| day.to_string());
    let fixed = vec![
        (ctx.t("field-user_name"), account.user_name.clone()),
        (ctx.t("field-name"), account.name.clone()),
        (ctx.t("field-nationality"), ctx.texts().country(&account.nationality)),
        (ctx.t("field-gender"), ctx.t(&format!("choice-gender-{}", account.gender.code()))),
        (ctx.t("field-document_type"), ctx.t(&format!("choice-document_type-{}", account.document_type.code()))),
        (ctx.t("field-document_number"), document_number::masked(&account.document_number)),
        (ctx.t("field-valid_to"), until),
        (ctx.t("field-phone"), person::masked_phone(&account.phone)),
        (ctx.t("field-email"), person::masked_email(&account.email)),
    ];
    Page::new(ctx.t("account-title")).status(shown.status()).show(
        ctx,
        html! {
            p class="crumbs" { a href="/centre" { (ctx.t("nav-centre")) } }
            h1 { (ctx.t("account-title")) }
            (summary(ctx, shown))
            p { (ctx.t("account-fixed")) }
            (rows(&fixed))
            section {
                h2 { (ctx.t("account-contact")) }
                form method="post" action="/account/contact" novalidate {
                    (token(ctx))
                    p class="hint" { (ctx.t("account-contact-words")) }
                    @for each in &CONTACT { (field(ctx, each, shown)) }
                    button type="submit" class="secondary" { (ctx.t("code-get")) }
                }
            }
            section {
                h2 { (ctx.t("account-password")) }
                form method="post" action="/account/password" novalidate {
                    (token(ctx))
                    @for each in &PASSWORD { (field(ctx, each, shown)) }
                    button type="submit" class="secondary" { (ctx.t("password-set")) }
                }
            }
            section {
                h2 { (ctx.t("account-everywhere")) }
                form method="post" action="/account/logout-everywhere" {
                    (token(ctx))
                    p { (ctx.t("account-everywhere-words")) }
                    button type="submit" class="secondary" { (ctx.t("account-everywhere-do")) }
                }
            }
        },
    )
}

/// What is wrong with the present password as it was typed in `field`; guesses are limited.
async fn own_password(ctx: &Ctx, me: &Applicant, posted: &Posted, field: &str) -> Result<Option<FieldError>, Failure> {
    let (typed, hash) = (posted.get(field).to_owned(), me.password_hash.clone());
    if typed.is_empty() {
        return Ok(Some(FieldError::new(field, "missing")));
    }
    let (key, now) = (account_key(me.id), ctx.now());
    if let Err(seconds) = ctx.db(move |store| store.count_try(&key, Limit::GUESSES, now)).await? {
        return Ok(Some(FieldError::new(field, "locked").with("minutes", (seconds + 59) / 60)));
    }
    if !ctx.hashing(move || store::verify_password(&typed, &hash)).await? {
        return Ok(Some(FieldError::new(field, "wrong-password")));
    }
    let key = account_key(me.id);
    ctx.db(move |store| store.forget_tries(&key)).await?;
    Ok(None)
}

/// `POST /account/password`
pub async fn password(ctx: Ctx, posted: Posted) -> Answer {
    let me = ctx.me().await?;
    let mut errors = Vec::new();
    errors.extend(own_password(&ctx, &me, &posted, "login_password").await?);
    errors.extend(forgotten::new_password(&posted, &[&me.account.user_name, &me.account.phone, &me.account.email]));
    if !errors.is_empty() {
        return Ok(page(&ctx, &me, &Shown::wrong(posted.0, errors)));
    }
    let password = posted.get("password").to_owned();
    let hash = ctx.hashing(move || store::hash_password(&password)).await?;
    ctx.site().tree.command(me.id, SetPassword { hash }).await?;
    let (holder, now) = (me.id.to_string(), ctx.now());
    let session = ctx.db(move |store| store.begin_session(store::Realm::Applicant, &holder, now)).await?;
    ctx.set_session(&session);
    ctx.flash("flash-password");
    Ok(ctx.redirect("/account"))
}

/// `POST /account/contact`: sends a code to the new address.
pub async fn contact(ctx: Ctx, posted: Posted) -> Answer {
    let me = ctx.me().await?;
    let wrong = |errors| Ok(page(&ctx, &me, &Shown::wrong(posted.0.clone(), errors)));
    let answers = match form::check(&CONTACT, &posted.0, ctx.today()) {
        Ok(answers) => answers,
        Err(errors) => return wrong(errors),
    };
    let (channel, to) = match (answers.get("phone"), answers.get("email")) {
        (Some(phone), None) => (Channel::Sms, phone.clone()),
        (None, Some(email)) => (Channel::Mail, email.clone()),
        (None, None) => return wrong(vec![FieldError::new("phone", "missing")]),
        (Some(_), Some(_)) => return wrong(vec![FieldError::new("email", "one-at-a-time")]),
    };
    if let Some(error) = own_password(&ctx, &me, &posted, "contact_password").await? {
        return wrong(vec![error]);
    }
    if let Err(error) = code::send(&ctx, &format!("contact:{}", me.id), channel, &to).await? {
        let name = if channel == Channel::Sms { "phone" } else { "email" };
        return wrong(vec![FieldError { field: name.into(), ..error }]);
    }
    let ticket = ctx.ticket("contact", format!("{} {to}", channel.code()).as_bytes())?;
    Ok(ctx.redirect(&format!("/account/contact/confirm?ticket={ticket}")))
}

/// The new address, sealed.
#[derive(Deserialize)]
pub struct Ticket {
    ticket: String,
}

fn open(ctx: &Ctx, ticket: &str) -> Option<(Channel, String)> {
    let plain = String::from_utf8(ctx.open_ticket("contact", ticket)?).ok()?;
    let (channel, to) = plain.split_once(' ')?;
    Some((Channel::from_code(channel)?, to.to_owned()))
}

fn confirm_page(ctx: &Ctx, ticket: &str, shown: &Shown) -> HttpResponse {
    let fields: Markup = html! { @for each in &CODE { (field(ctx, each, shown)) } };
    Page::new(ctx.t("confirm-code-title")).status(shown.status()).show(
        ctx,
        html! {
            p class="crumbs" { a href="/account" { (ctx.t("account-title")) } }
            h1 { (ctx.t("confirm-code-title")) }
            (summary(ctx, shown))
            form method="post" action={"/account/contact/confirm?ticket=" (ticket)} novalidate {
                (token(ctx))
                (fields)
                button type="submit" { (ctx.t("save")) }
            }
        },
    )
}

/// `GET /account/contact/confirm`
pub async fn confirm(ctx: Ctx, ticket: actix_web::web::Query<Ticket>) -> Answer {
    ctx.me().await?;
    Ok(confirm_page(&ctx, &ticket.ticket, &Shown::default()))
}

/// `POST /account/contact/confirm`
pub async fn finish(ctx: Ctx, ticket: actix_web::web::Query<Ticket>, posted: Posted) -> Answer {
    let me = ctx.me().await?;
    let wrong = |error| Ok(confirm_page(&ctx, &ticket.ticket, &Shown::wrong(posted.0.clone(), vec![error])));
    let Some((channel, to)) = open(&ctx, &ticket.ticket) else { return wrong(FieldError::new("code", "code-none")) };
    if let Err(error) = code::check(&ctx, &format!("contact:{}", me.id), &to, posted.get("code")).await? {
        return wrong(error);
    }
    match ctx.site().tree.command(me.id, SetContact { channel, to }).await {
        Ok(()) => {}
        Err(actors::Refusal::Rejected(domain::Rejection::Duplicate)) => {
            return wrong(FieldError::new("code", "duplicate"));
        }
        Err(refusal) => return Err(refusal.into()),
    }
    ctx.flash("flash-contact");
    Ok(ctx.redirect("/account"))
}

/// `POST /account/logout-everywhere` (R2.1)
pub async fn logout_everywhere(ctx: Ctx, _: Posted) -> Answer {
    let me = ctx.me().await?;
    let holder = me.id.to_string();
    ctx.db(move |store| store.end_sessions(&holder)).await?;
    ctx.forget_session();
    ctx.flash("flash-logged-out");
    Ok(ctx.redirect("/login"))
}
