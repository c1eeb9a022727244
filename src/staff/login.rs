//! Staff log in with password and second factor (R6.1); a time step is used once.

use actix_web::HttpResponse;
use domain::effects::{Actor, AuditEntry};
use domain::form::{Field, FieldError, Kind};
use domain::ids::StaffId;
use maud::{Markup, html};
use store::{Limit, Realm};

use crate::error::Failure;
use crate::staff::people::{home, second_factor};
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::kept::go_on;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const LOGIN: [Field; 2] = [
    Field::must("staff_user", Kind::Text(60)).autocomplete("username"),
    Field::must("login_password", Kind::Password).autocomplete("current-password"),
];
const CODE: Field = Field::must("totp", Kind::Text(20)).autocomplete("one-time-code");

/// `GET /staff/login`
pub async fn show(ctx: Ctx) -> Answer {
    Ok(page(&ctx, &Shown::default()))
}

/// The page for somebody whose log-in has ended; what was typed goes with it.
pub fn first(ctx: &Ctx, kept: &str) -> HttpResponse {
    page(ctx, &Shown::of([("kept".to_owned(), kept.to_owned())].into()))
}

/// What is carried through both pages.
fn carried(shown: &Shown) -> Markup {
    html! { @if let Some(kept) = shown.raw.get("kept").filter(|kept| !kept.is_empty()) { input type="hidden" name="kept" value=(kept); } }
}

fn page(ctx: &Ctx, shown: &Shown) -> HttpResponse {
    Page::new(ctx.t("staff-login")).staff().status(shown.status()).show(
        ctx,
        html! {
            h1 { (ctx.t("staff-login")) }
            (summary(ctx, shown))
            form method="post" action="/staff/login" novalidate {
                (token(ctx))
                (carried(shown))
                @if shown.raw.contains_key("kept") { p class="advice" { (ctx.t("kept-login")) } }
                @for each in &LOGIN { (field(ctx, each, shown)) }
                button type="submit" { (ctx.t("next")) }
            }
        },
    )
}

/// `POST /staff/login`
pub async fn enter(ctx: Ctx, posted: Posted) -> Answer {
    let mut raw = posted.0.clone();
    let password = raw.remove("login_password").unwrap_or_default();
    let wrong = |error| Ok(page(&ctx, &Shown::wrong(raw.clone(), vec![error])));
    let user = posted.get("staff_user").trim().to_lowercase();
    if user.is_empty() {
        return wrong(FieldError::new("staff_user", "missing"));
    }
    let (name, now) = (user.clone(), ctx.now());
    let limits =
        [(format!("logins:{}", ctx.network()), Limit::LOGINS_OF_NETWORK), (format!("staff:{user}"), Limit::GUESSES)];
    let tried = limits.clone();
    let found = ctx
        .db(move |store| {
            for (whose, limit) in &tried {
                if let Err(seconds) = store.count_try(whose, *limit, now)? {
                    return Ok(Err(seconds));
                }
            }
            store.staff_by_name(&name).map(Ok)
        })
        .await?;
    let found = match found {
        Ok(found) => found,
        Err(seconds) => return wrong(FieldError::new("staff_user", "locked").with("minutes", (seconds + 59) / 60)),
    };
    let hash = found.as_ref().map(|secret| secret.password_hash.clone());
    // An unknown name takes as long as a known one.
    let hash = hash.unwrap_or_else(|| crate::applicant::login::NOBODY.to_owned());
    let right = ctx.hashing(move || Ok(store::verify_password(&password, &hash).unwrap_or(false))).await?;
    let known = found.as_ref().map(|secret| secret.officer.id);
    let Some(secret) = found.filter(|_| right) else {
        if let Some(id) = known {
            refused(&ctx, id).await?;
        }
        return wrong(FieldError::new("staff_user", "login"));
    };
    let holder = secret.officer.id.to_string();
    let session = ctx
        .db(move |store| {
            let [(network, _), (guesses, _)] = &limits;
            store.forget_try(network)?;
            store.forget_tries(guesses)?;
            store.begin_session(Realm::StaffHalf, &holder, now)
        })
        .await?;
    ctx.set_staff(&session, Realm::StaffHalf);
    match posted.some("kept") {
        Some(kept) => Ok(code_page(&ctx, &Shown::of([("kept".to_owned(), kept.to_owned())].into()))),
        None => Ok(ctx.redirect("/staff/code")),
    }
}

/// Notes a log-in that failed at a member of staff's name, for the audit log.
async fn refused(ctx: &Ctx, id: StaffId) -> Result<(), Failure> {
    let entry = AuditEntry { by: Actor::System, act: "log-in-refused", subject: format!("staff:{id}") };
    let now = ctx.now();
    ctx.db(move |store| store.note(&entry, now)).await
}

fn code_page(ctx: &Ctx, shown: &Shown) -> HttpResponse {
    Page::new(ctx.t("staff-code")).staff().status(shown.status()).show(
        ctx,
        html! {
            h1 { (ctx.t("staff-code")) }
            (summary(ctx, shown))
            form method="post" action="/staff/code" novalidate {
                (token(ctx))
                (carried(shown))
                (field(ctx, &CODE, shown))
                button type="submit" { (ctx.t("login-do")) }
            }
        },
    )
}

/// `GET /staff/code`
pub async fn code(ctx: Ctx) -> Answer {
    Ok(code_page(&ctx, &Shown::default()))
}

/// `POST /staff/code`
pub async fn second(ctx: Ctx, posted: Posted) -> Answer {
    let wrong = |error| Ok(code_page(&ctx, &Shown::wrong(posted.0.clone(), vec![error])));
    let Some(half) = ctx.staff_token() else { return Err(Failure::StaffLoginFirst) };
    let (token, now) = (half.clone(), ctx.now());
    let found = ctx
        .db(move |store| match store.session(Realm::StaffHalf, &token, now)? {
            Some(row) => {
                let secret = store.staff(&row.holder)?;
                let locked = store.count_try(&format!("totp:{}", row.holder), Limit::GUESSES, now)?;
                Ok(Some((secret, locked)))
            }
            None => Ok(None),
        })
        .await?;
    let Some((secret, locked)) = found else { return Err(Failure::StaffLoginFirst) };
    if let Err(seconds) = locked {
        return wrong(FieldError::new("totp", "locked").with("minutes", (seconds + 59) / 60));
    }
    let id = secret.officer.id;
    if !second_factor(&ctx, &secret, posted.get("totp")).await? {
        refused(&ctx, id).await?;
        return wrong(FieldError::new("totp", "totp"));
    }
    let session = ctx
        .db(move |store| {
            store.forget_tries(&format!("totp:{id}"))?;
            store.end_session(&half)?;
            let by = Actor::Staff(id);
            store.note(&AuditEntry { by, act: "logged-in", subject: format!("staff:{id}") }, now)?;
            store.begin_session(Realm::Staff, &id.to_string(), now)
        })
        .await?;
    ctx.set_staff(&session, Realm::Staff);
    if let Some((path, typed)) = posted.some("kept").and_then(|kept| ctx.kept(kept)) {
        return Ok(go_on(&ctx, &path, &typed, ("/staff", "nav-queue")));
    }
    Ok(ctx.redirect(home(&secret.officer)))
}

/// `POST /staff/logout`
pub async fn leave(ctx: Ctx, _: Posted) -> Answer {
    if let Some(session) = ctx.staff_token() {
        ctx.db(move |store| store.end_session(&session)).await?;
    }
    ctx.forget_staff();
    Ok(ctx.redirect("/staff/login"))
}
