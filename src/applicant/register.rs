//! Registration (guide 一, R1): the details, then the code that proves the phone or mailbox, then the account.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::applicant::{Account, Applicant};
use domain::effects::{Actor, Channel, Effects, NoticeKind};
use domain::form::{Field, FieldError, Kind, Raw};
use domain::ids::ApplicantId;
use domain::person::{self, Language};
use domain::registration::{self, FIELDS, Registration, TERMS_VERSION};
use gateways::identity::{RealNameRequest, RealNameResult};
use maud::html;
use store::{Limit, RegistrationState, StoreError};

use crate::applicant::code;
use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::button_link;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const PURPOSE: &str = "register";
/// Looks for the account that the other of two clicks is making, a tenth of a second apart.
const TWINS_PATIENCE: u32 = 10;
/// The code and the agreement.
const CONFIRM: [Field; 2] =
    [Field::must("code", Kind::Text(20)).autocomplete("one-time-code"), Field::must("agree", Kind::Tick)];

/// `GET /register`
pub async fn show(ctx: Ctx) -> Answer {
    let raw: Raw = [("nationality".to_owned(), "CN".to_owned()), ("channel".to_owned(), "sms".to_owned())].into();
    Ok(form(&ctx, &Shown::of(raw)))
}

fn form(ctx: &Ctx, shown: &Shown) -> HttpResponse {
    let group = |names: &[&str]| {
        html! { @for each in FIELDS.iter().filter(|each| names.contains(&each.name)) { (field(ctx, each, shown)) } }
    };
    let duplicate = shown.errors.iter().any(|error| error.code == "duplicate");
    Page::new(ctx.t("register-title")).status(shown.status()).with_form().show(
        ctx,
        html! {
            h1 { (ctx.t("register-title")) }
            p { (ctx.t("register-words")) }
            (summary(ctx, shown))
            @if duplicate { p { a href="/login" { (ctx.t("nav-login")) } " · " a href="/forgotten" { (ctx.t("forgotten-title")) } } }
            form id="main" method="post" action="/register" novalidate {
                (token(ctx))
                section { h2 { (ctx.t("register-who")) }
                    (group(&["nationality", "name", "gender", "document_type", "document_number", "valid_from", "valid_to", "permanent"])) }
                section { h2 { (ctx.t("register-contact")) } (group(&["phone", "email"])) }
                section { h2 { (ctx.t("register-password")) } (group(&["password", "password_again"])) }
                section { h2 { (ctx.t("register-channel")) } (group(&["channel"])) }
                button type="submit" { (ctx.t("code-get")) }
            }
        },
    )
}

/// `POST /register`: checks everything, asks the identity service (R1.6), sends the code.
pub async fn details(ctx: Ctx, posted: Posted) -> Answer {
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(form(&ctx.in_language(language), &Shown::of(posted.0)));
    }
    let wrong = |errors| Ok(form(&ctx, &Shown::wrong(posted.0.clone(), errors)));
    let pending = match registration::check(&posted.0, ctx.today()) {
        Ok(pending) => pending,
        Err(errors) => return wrong(errors),
    };
    let account = account(&ctx, &pending, String::new(), false);
    let limits = [
        (format!("registrations:{}", ctx.network()), Limit::REGISTRATIONS_OF_NETWORK),
        (format!("registrations:{}", account.document_number), Limit::REGISTRATIONS_OF_DOCUMENT),
    ];
    let now = ctx.now();
    let known = ctx
        .db(move |store| {
            for (whose, limit) in &limits {
                if let Err(seconds) = store.count_try(whose, *limit, now)? {
                    return Ok(Err(seconds));
                }
            }
            store.is_registered(&account).map(Ok)
        })
        .await?;
    match known {
        Ok(false) => {}
        Ok(true) => return wrong(vec![FieldError::new("document_number", "duplicate")]),
        Err(seconds) => {
            let error = FieldError::new("document_number", "registrations").with("minutes", (seconds + 59) / 60);
            return wrong(vec![error]);
        }
    }
    let confirmed = match real_name(&ctx, &pending).await {
        Ok(confirmed) => confirmed,
        Err(error) => return wrong(vec![error]),
    };
    let (channel, to) = chosen(&pending);
    if let Err(error) = code::send(&ctx, PURPOSE, channel, &to).await? {
        return wrong(vec![FieldError { field: "channel".into(), ..error }]);
    }
    let id = ctx.db(move |store| store.keep_registration(pending, confirmed, now)).await?;
    Ok(ctx.redirect(&format!("/register/{id}")))
}

fn chosen(pending: &Registration) -> (Channel, String) {
    match Channel::from_code(domain::form::text(&pending.answers, "channel")) {
        Some(Channel::Mail) => (Channel::Mail, domain::form::text(&pending.answers, "email").to_owned()),
        _ => (Channel::Sms, domain::form::text(&pending.answers, "phone").to_owned()),
    }
}

fn account(ctx: &Ctx, pending: &Registration, user_name: String, real_name_confirmed: bool) -> Account {
    let said = |name: &str| domain::form::text(&pending.answers, name).to_owned();
    Account {
        user_name,
        name: pending.name.clone(),
        nationality: said("nationality"),
        gender: pending.gender,
        document_type: pending.document_type,
        document_number: pending.document_number.clone(),
        valid_from: pending.valid_from,
        valid_to: pending.valid_to,
        phone: said("phone"),
        email: said("email"),
        verified: vec![chosen(pending).0],
        language: ctx.language(),
        terms: TERMS_VERSION.into(),
        real_name_confirmed,
        registered_at: ctx.now(),
    }
}

/// Whether the identity service confirms name and document; a kind that it does not know is left to staff.
async fn real_name(ctx: &Ctx, pending: &Registration) -> Result<bool, FieldError> {
    let request = RealNameRequest {
        outer_no: ApplicantId::fresh().to_string(),
        name: pending.name.clone(),
        document_type: pending.document_type.code().into(),
        document_no: pending.document_number.clone(),
        valid_from: pending.valid_from,
        valid_to: pending.valid_to,
        gender: pending.gender.code().into(),
    };
    match ctx.site().tree.world.outside.identity.real_name(&request, ctx.now()).await {
        Ok(RealNameResult::Match) => Ok(true),
        Ok(RealNameResult::Unsupported) => Ok(false),
        Ok(RealNameResult::Mismatch) => Err(FieldError::new("name", "real-name-mismatch")),
        Ok(RealNameResult::NotFound) => Err(FieldError::new("document_number", "real-name-not-found")),
        Err(error) => {
            tracing::warn!(%error, "the identity service gave no answer to a registration");
            Err(FieldError::new("document_number", "real-name-unreachable"))
        }
    }
}

/// A registration that waits for its code.
struct Waiting {
    id: String,
    registration: Registration,
    confirmed: bool,
}

/// The registration of an address, or the page to show in its place: it is done, or gone.
async fn waiting(ctx: &Ctx, id: &str) -> Result<Result<Waiting, HttpResponse>, Failure> {
    let (key, now) = (id.to_owned(), ctx.now());
    match ctx.db(move |store| store.registration(&key, now)).await {
        Ok(RegistrationState::Waiting { registration, confirmed }) => {
            Ok(Ok(Waiting { id: id.to_owned(), registration, confirmed }))
        }
        Ok(RegistrationState::Done(user_name)) => Ok(Err(done(ctx, &user_name))),
        Err(Failure::Rejected(_)) => Ok(Err(gone(ctx))),
        Err(failure) => Err(failure),
    }
}

fn done(ctx: &Ctx, user_name: &str) -> HttpResponse {
    let sent = ctx.site().tree.world.settings.password_in_notice;
    Page::new(ctx.t("registered-title")).show(
        ctx,
        html! {
            h1 { (ctx.t("registered-title")) }
            div class="done" { p { (ctx.t("registered-user")) " " strong class="number" { (user_name) } } }
            p { (ctx.t(if sent { "registered-words" } else { "registered-words-name" })) }
            p { (button_link("/login", &ctx.t("nav-login"))) }
        },
    )
}

fn gone(ctx: &Ctx) -> HttpResponse {
    Page::new(ctx.t("register-gone")).status(StatusCode::NOT_FOUND).show(
        ctx,
        html! {
            h1 { (ctx.t("register-gone")) }
            p { (ctx.t("register-gone-words")) }
            p { (button_link("/register", &ctx.t("register-title"))) " " a href="/login" { (ctx.t("nav-login")) } }
        },
    )
}

fn confirm_page(ctx: &Ctx, pending: &Waiting, shown: &Shown) -> HttpResponse {
    let (channel, to) = chosen(&pending.registration);
    let masked = match channel {
        Channel::Sms => person::masked_phone(&to),
        Channel::Mail => person::masked_email(&to),
    };
    let email = domain::form::text(&pending.registration.answers, "email");
    let [code, agree] = &CONFIRM;
    Page::new(ctx.t("confirm-code-title")).status(shown.status()).with_form().show(
        ctx,
        html! {
            h1 { (ctx.t("confirm-code-title")) }
            (summary(ctx, shown))
            p { (ctx.with(&format!("code-sent-{}", channel.code()), &[("to", &masked)])) }
            @if person::email_may_not_arrive(email) { p class="advice" { (ctx.t("advice-mail")) } }
            form id="main" method="post" action={"/register/" (pending.id)} novalidate {
                (token(ctx))
                (field(ctx, code, shown))
                p { (ctx.t("agree-words")) " " a href="/terms" target="_blank" rel="noopener" { (ctx.t("terms-title")) } " · "
                    a href="/privacy" target="_blank" rel="noopener" { (ctx.t("privacy-title")) } }
                (field(ctx, agree, shown))
                div class="actions" {
                    button type="submit" { (ctx.t("register-do")) }
                    button type="submit" class="secondary" formaction={"/register/" (pending.id) "/code"} formnovalidate { (ctx.t("code-again")) }
                    button type="submit" class="link" formaction={"/register/" (pending.id) "/edit"} formnovalidate { (ctx.t("register-edit")) }
                }
            }
        },
    )
}

/// `GET /register/{id}`
pub async fn confirm(ctx: Ctx, path: web::Path<String>) -> Answer {
    Ok(match waiting(&ctx, &path).await? {
        Ok(waiting) => confirm_page(&ctx, &waiting, &Shown::default()),
        Err(instead) => instead,
    })
}

/// `POST /register/{id}/code`: sends another code; the earlier one stays good.
pub async fn again(ctx: Ctx, path: web::Path<String>, posted: Posted) -> Answer {
    let waiting = match waiting(&ctx, &path).await? {
        Ok(waiting) => waiting,
        Err(instead) => return Ok(instead),
    };
    let (channel, to) = chosen(&waiting.registration);
    let errors = code::send(&ctx, PURPOSE, channel, &to).await?.err().into_iter().collect();
    Ok(confirm_page(&ctx, &waiting, &Shown::wrong(posted.0, errors)))
}

/// `POST /register/{id}/edit`: back to the form, with everything but the passwords in it.
pub async fn edit(ctx: Ctx, path: web::Path<String>, _: Posted) -> Answer {
    Ok(match waiting(&ctx, &path).await? {
        Ok(waiting) => form(&ctx, &Shown::of(waiting.registration.answers)),
        Err(instead) => instead,
    })
}

/// `POST /register/{id}`: 立即注册. Pressed twice, it makes one account, and says so both times.
pub async fn finish(ctx: Ctx, path: web::Path<String>, posted: Posted) -> Answer {
    let id = path.into_inner();
    let pending = match waiting(&ctx, &id).await? {
        Ok(waiting) => waiting,
        Err(instead) => return Ok(instead),
    };
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(confirm_page(&ctx.in_language(language), &pending, &Shown::of(posted.0)));
    }
    let wrong = |errors| Ok(confirm_page(&ctx, &pending, &Shown::wrong(posted.0.clone(), errors)));
    if posted.some("agree").is_none() {
        // The code is not touched: it can still be used once the box is ticked.
        return wrong(vec![FieldError::new("agree", "tick")]);
    }
    let (_, to) = chosen(&pending.registration);
    if let Err(error) = code::check(&ctx, PURPOSE, &to, posted.get("code")).await? {
        // The first of two clicks may have used the code a moment ago.
        for _ in 0..TWINS_PATIENCE {
            if error.code != "code-none" {
                break;
            }
            if let Err(instead) = waiting(&ctx, &id).await? {
                return Ok(instead);
            }
            actix_web::rt::time::sleep(Duration::from_millis(100)).await;
        }
        return wrong(vec![error]);
    }
    let Some(user_name) = create(&ctx, &pending.registration, pending.confirmed).await? else {
        let error = FieldError::new("document_number", "duplicate");
        return Ok(form(&ctx, &Shown::wrong(pending.registration.answers.clone(), vec![error])));
    };
    let key = id.clone();
    ctx.db(move |store| store.finish_registration(&key, &user_name)).await?;
    ctx.site().tree.world.wake.notices();
    Ok(ctx.redirect(&format!("/register/{id}")))
}

/// Makes the account; `None` when document, phone or e-mail are taken.
async fn create(ctx: &Ctx, pending: &Registration, confirmed: bool) -> Result<Option<String>, Failure> {
    let password = pending.password.clone();
    let password_hash = ctx.hashing(move || store::hash_password(&password)).await?;
    for _ in 0..5 {
        let user_name = format!("RZ{:08}", rand::random_range(0..100_000_000_u32));
        let account = account(ctx, pending, user_name.clone(), confirmed);
        let mut effects = Effects::default();
        let shown = if ctx.site().tree.world.settings.password_in_notice { pending.password.as_str() } else { "" };
        effects.tell(&account, NoticeKind::Registered, &[("username", &user_name), ("password", shown)]);
        let id = ApplicantId::fresh();
        effects.audited(Actor::Applicant, "registered", format!("applicant:{id}"));
        let new = Applicant {
            id,
            version: 1,
            account: Arc::new(account),
            password_hash: password_hash.clone(),
            applications: Vec::new(),
        };
        let now = ctx.now();
        let made = ctx
            .db(move |store| match store.commit(None, new, effects, now) {
                Ok(_) => Ok(Some(true)),
                Err(StoreError::Taken(what)) if what.contains("user_name") => Ok(None),
                Err(StoreError::Taken(_)) => Ok(Some(false)),
                Err(error) => Err(error),
            })
            .await?;
        match made {
            Some(true) => return Ok(Some(user_name)),
            Some(false) => return Ok(None),
            None => {}
        }
    }
    Err(ctx.fault("no free user name in five tries"))
}
