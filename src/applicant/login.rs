//! Logging in and out (R2.1); what was typed before a session ran out comes along.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, web};
use domain::form::{Field, FieldError, Kind};
use domain::ids::ApplicantId;
use domain::person::Language;
use maud::html;
use serde::Deserialize;
use store::{Limit, Realm};

use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::kept::go_on;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const FIELDS: [Field; 2] = [
    Field::must("who", Kind::Text(200)).autocomplete("username"),
    Field::must("login_password", Kind::Password).autocomplete("current-password"),
];
/// Checked when there is no such account, so that both answers take as long.
pub const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$Zm9yIG5vYm9keSBhdCBhbGwgLSAzMiBieXRlcyE";

/// Where to go afterwards.
#[derive(Deserialize)]
pub struct Next {
    next: Option<String>,
}

/// The name by which guesses at an account's password are counted, wherever they are made.
pub fn account_key(id: ApplicantId) -> String {
    format!("password:{id}")
}

/// Whether a path leads nowhere but to a page of ours: browsers drop control characters, so none may be in it.
pub fn own(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// `GET /login`
pub async fn show(ctx: Ctx, next: web::Query<Next>) -> Answer {
    let next = next.next.clone().unwrap_or_default();
    Ok(page(&ctx, &next, None, false, &Shown::default()))
}

/// The log-in page in place of one that needs it.
pub fn first(ctx: &Ctx, next: &str, kept: Option<&str>) -> HttpResponse {
    page(ctx, next, kept, true, &Shown::default())
}

fn page(ctx: &Ctx, next: &str, kept: Option<&str>, interrupted: bool, shown: &Shown) -> HttpResponse {
    let [who, password] = &FIELDS;
    Page::new(ctx.t("login-title")).status(shown.status()).with_form().show(
        ctx,
        html! {
            h1 { (ctx.t("login-title")) }
            @if kept.is_some() { p class="advice" { (ctx.t("login-kept")) } }
            @else if interrupted { p class="advice" { (ctx.t("login-first")) } }
            (summary(ctx, shown))
            form id="main" method="post" action="/login" novalidate {
                (token(ctx))
                input type="hidden" name="next" value=(next);
                @if let Some(kept) = kept { input type="hidden" name="kept" value=(kept); }
                (field(ctx, who, shown))
                (field(ctx, password, shown))
                button type="submit" { (ctx.t("login-do")) }
            }
            p { a href="/forgotten" { (ctx.t("forgotten-title")) } " · " a href="/register" { (ctx.t("nav-register")) } }
        },
    )
}

/// `POST /login`
pub async fn enter(ctx: Ctx, posted: Posted) -> Answer {
    let (next, kept) = (posted.get("next").to_owned(), posted.some("kept").map(str::to_owned));
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(page(&ctx.in_language(language), &next, kept.as_deref(), false, &Shown::of(posted.0)));
    }
    let mut raw = posted.0.clone();
    let password = raw.remove("login_password").unwrap_or_default();
    let wrong = |errors| Ok(page(&ctx, &next, kept.as_deref(), false, &Shown::wrong(raw.clone(), errors)));
    let who = posted.get("who").trim().to_owned();
    let mut missing = Vec::new();
    if who.is_empty() {
        missing.push(FieldError::new("who", "missing"));
    }
    if password.is_empty() {
        missing.push(FieldError::new("login_password", "missing"));
    }
    if !missing.is_empty() {
        return wrong(missing);
    }
    let (name, network, now) = (who.clone(), format!("logins:{}", ctx.network()), ctx.now());
    let door = network.clone();
    let (key, found) = ctx
        .db(move |store| {
            let found = store.find_login(&name)?;
            // By account, however it was written; a name without an account locks as well, so that neither shows.
            let key =
                found.as_ref().map_or_else(|| format!("name:{}", name.to_lowercase()), |(id, _)| account_key(*id));
            let here = store.count_try(&door, Limit::LOGINS_OF_NETWORK, now)?;
            let allowed = if here.is_ok() { store.count_try(&key, Limit::GUESSES, now)? } else { here };
            Ok((key, allowed.map(|()| found)))
        })
        .await?;
    let found = match found {
        Ok(found) => found,
        Err(seconds) => {
            let minutes = (seconds + 59) / 60;
            return wrong(vec![FieldError::new("who", "locked").with("minutes", minutes)]);
        }
    };
    let hash = found.as_ref().map_or_else(|| NOBODY.to_owned(), |(_, hash)| hash.clone());
    let right = ctx.hashing(move || Ok(store::verify_password(&password, &hash).unwrap_or(false))).await?;
    let Some((id, _)) = found.filter(|_| right) else {
        return wrong(vec![FieldError::new("who", "login")]);
    };
    let holder = id.to_string();
    let session = ctx
        .db(move |store| {
            store.forget_tries(&key)?;
            store.forget_try(&network)?;
            store.begin_session(Realm::Applicant, &holder, now)
        })
        .await?;
    ctx.set_session(&session);
    if let Some((path, typed)) = kept.as_deref().and_then(|kept| ctx.kept(kept)) {
        return Ok(go_on(&ctx, &path, &typed, ("/centre", "nav-centre")));
    }
    let next = if own(&next) { next.as_str() } else { "/centre" };
    Ok(ctx.redirect(next))
}

/// `POST /logout`
pub async fn leave(ctx: Ctx, _: Posted) -> Answer {
    if let Some(session) = ctx.session_token() {
        ctx.db(move |store| store.end_session(&session)).await?;
    }
    ctx.forget_session();
    ctx.flash("flash-logged-out");
    // Images of documents may lie in the cache of a shared computer.
    let mut gone = ctx.redirect("/");
    gone.headers_mut().insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\""));
    Ok(gone)
}
