//! Staff and their access (R6.1): who is there and what for, invitations, log-ins, recovery codes, and the second factor
//! asked for again before a decision.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::Rejection;
use domain::effects::{Actor, AuditEntry};
use domain::form::{Field, FieldError, Kind};
use domain::ids::StaffId;
use domain::one_time::{totp_step, typed_code};
use domain::staff::{Act, Officer, Role};
use maud::{Markup, html};
use store::{Limit, Realm, StaffSecret, StoreError};

use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::instant;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::kept::go_on;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;
use crate::web::qr;

const USER: Field = Field::must("staff_user", Kind::Text(40));
const NAME: Field = Field::must("staff_name", Kind::Text(40));
const PASSWORD: Field = Field::must("password", Kind::Password).autocomplete("new-password");
const AGAIN: Field = Field::must("password_again", Kind::Password).autocomplete("new-password");
const CODE: Field = Field::must("totp", Kind::Text(20)).autocomplete("one-time-code");
/// Shortest password of staff, in characters: it opens other people's papers.
const PASSWORD_LEAST: usize = 12;

/// The administrator's tabs.
pub fn tabs(ctx: &Ctx, here: &str) -> Markup {
    html! {
        nav class="tabs" aria-label=(ctx.t("people-title")) {
            @for (name, words) in [("people", "people-title"), ("statistics", "statistics-title"), ("materials", "rules-title"), ("audit", "audit-title"), ("calendar", "calendar-title")] {
                a href={"/staff/" (name)} aria-current=[(name == here).then_some("page")] { (ctx.t(words)) }
            }
        }
    }
}

/// `GET /staff/people`
pub async fn show(ctx: Ctx) -> Answer {
    ctx.officer(Act::Administer).await?;
    page(&ctx, &Shown::default(), None).await
}

fn roles(ctx: &Ctx, prefix: &str, held: &dyn Fn(Role) -> bool) -> Markup {
    html! {
        @for role in Role::ALL {
            @let id = format!("{prefix}-{}", role.code());
            div class="choice" {
                input type="checkbox" id=(id) name={"role_" (role.code())} value="yes" checked[held(role)];
                label for=(id) { (ctx.t(&format!("role-{}", role.code()))) }
            }
        }
    }
}

async fn page(ctx: &Ctx, shown: &Shown, link: Option<&str>) -> Answer {
    let people = ctx.db(|store| store.people()).await?;
    let mut page = Page::new(ctx.t("people-title")).staff().status(shown.status());
    if link.is_some() {
        page = page.once();
    }
    Ok(page.show(
        ctx,
        html! {
            (tabs(ctx, "people"))
            h1 { (ctx.t("people-title")) }
            @if let Some(link) = link {
                section class="done" { h2 { (ctx.t("invited-title")) } p { (ctx.t("invited-words")) } p { code { (link) } } }
            }
            (summary(ctx, shown))
            section class="card" {
                h2 { (ctx.t("people-invite")) }
                form method="post" action="/staff/people" novalidate {
                    (token(ctx))
                    (field(ctx, &NAME, shown)) (field(ctx, &USER, shown))
                    fieldset class="field" { legend { (ctx.t("people-roles")) } (roles(ctx, "new", &|role| shown.raw.contains_key(&format!("role_{}", role.code())))) }
                    button type="submit" { (ctx.t("people-invite")) }
                }
            }
            @for person in &people {
                section class="card" {
                    h2 { (person.officer.name) " " span class="hint" { (person.user_name) } @if person.left.is_some() { " " span class="tag tag-withdrawn" { (ctx.t("people-left")) } } }
                    p { (person.officer.roles.iter().map(|role| ctx.t(&format!("role-{}", role.code()))).collect::<Vec<_>>().join(" · ")) }
                    details { summary { (ctx.t("people-change")) span class="hidden" { " " (person.officer.name) } }
                        form method="post" action={"/staff/people/" (person.officer.id)} class="act" {
                            (token(ctx))
                            fieldset class="field" { legend { (ctx.t("people-roles")) } (roles(ctx, &person.officer.id.to_string(), &|role| person.officer.roles.contains(&role))) }
                            button name="act" value="roles" class="secondary" { (ctx.t("people-save-roles")) }
                            @if person.left.is_some() { button name="act" value="back" class="secondary" { (ctx.t("people-back")) } }
                            @else { button name="act" value="leave" class="danger" { (ctx.t("people-leave")) } }
                        }
                    }
                }
            }
        },
    ))
}

fn ticked(posted: &Posted) -> Vec<Role> {
    Role::ALL.into_iter().filter(|role| posted.some(&format!("role_{}", role.code())).is_some()).collect()
}

/// `POST /staff/people`: invites; the link is shown once, and to nobody else.
pub async fn invite(ctx: Ctx, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::Administer).await?;
    ctx.confirmed(&posted.0).await?;
    let (name, user) = (posted.get("staff_name").trim().to_owned(), posted.get("staff_user").trim().to_lowercase());
    let wanted = ticked(&posted);
    let mut errors = Vec::new();
    for (each, value) in [(&NAME, &name), (&USER, &user)] {
        errors.extend(domain::form::one(each, value, ctx.today()).err());
    }
    if errors.is_empty() && !user.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        errors.push(FieldError::new("staff_user", "shape"));
    }
    if wanted.is_empty() {
        errors.push(FieldError::new("people-roles", "choose"));
    }
    if !errors.is_empty() {
        return page(&ctx, &Shown::wrong(posted.0, errors), None).await;
    }
    let entry = AuditEntry { by: Actor::Staff(officer.id), act: "invited", subject: format!("staff:{user}") };
    let (world, now) = (std::sync::Arc::clone(&ctx.site().tree.world), ctx.now());
    let made = actors::run(&world.rows.clone(), move || world.store.invite(&user, &name, &wanted, &entry, now)).await;
    match made {
        Ok(token) => {
            let link = format!("{}/staff/invitation/{token}", ctx.site().origin);
            page(&ctx, &Shown::default(), Some(&link)).await
        }
        Err(StoreError::Taken(_)) => {
            let error = FieldError::new("staff_user", "taken");
            page(&ctx, &Shown::wrong(posted.0, vec![error]), None).await
        }
        Err(error) => Err(Failure::from(error)),
    }
}

/// `POST /staff/people/{id}`: roles, leaving, coming back. Nobody takes away their own right to do this.
pub async fn change(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::Administer).await?;
    ctx.confirmed(&posted.0).await?;
    let id: StaffId = id.parse().map_err(|_| Rejection::NotFound)?;
    let (wanted, now) = (ticked(&posted), ctx.now());
    let entry = |act| AuditEntry { by: Actor::Staff(officer.id), act, subject: format!("staff:{id}") };
    let own = id == officer.id;
    match posted.get("act") {
        "roles" if !wanted.is_empty() && (!own || wanted.contains(&Role::Administrator)) => {
            let entry = entry("roles-changed");
            ctx.db(move |store| store.set_roles(id, &wanted, &entry, now)).await?;
        }
        "leave" if !own => {
            let entry = entry("left");
            ctx.db(move |store| store.set_left(id, true, &entry, now)).await?;
        }
        "back" => {
            let entry = entry("came-back");
            ctx.db(move |store| store.set_left(id, false, &entry, now)).await?;
        }
        _ => return Err(Rejection::NotNow("own-account").into()),
    }
    ctx.flash("flash-saved");
    Ok(ctx.redirect("/staff/people"))
}

/// The address by which an app takes up a secret (Key Uri Format of authenticator apps).
fn enrolment(user: &str, secret: &[u8]) -> String {
    format!("otpauth://totp/renzheng:{user}?secret={}&issuer=renzheng&digits=6&period=30", base32(secret))
}

/// RFC 4648 base32 without padding.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0);
    let mut push = |five: u32| text.extend(LETTERS.get(five as usize & 31).map(|letter| char::from(*letter)));
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(held >> bits);
        }
        held &= (1 << bits) - 1;
    }
    if bits > 0 {
        push(held << (5 - bits));
    }
    text
}

/// `GET /staff/invitation/{token}`
pub async fn invited(ctx: Ctx, token: web::Path<String>) -> Answer {
    invitation_page(&ctx, &token, &Shown::default()).await
}

async fn invitation_page(ctx: &Ctx, link: &str, shown: &Shown) -> Answer {
    let (wanted, now) = (link.to_owned(), ctx.now());
    let invited = ctx.db(move |store| store.invitation(&wanted, now)).await?;
    let address = enrolment(&invited.user_name, &invited.totp);
    Ok(Page::new(ctx.t("invitation-title")).staff().status(shown.status()).show(
        ctx,
        html! {
            h1 { (ctx.t("invitation-title")) }
            (summary(ctx, shown))
            p { (ctx.with("staff-hello", &[("name", &invited.name)])) " " strong { (invited.user_name) } }
            p { (invited.roles.iter().map(|role| ctx.t(&format!("role-{}", role.code()))).collect::<Vec<_>>().join(" · ")) }
            h2 { (ctx.t("invitation-app")) }
            (qr::code(&address, &ctx.t("invitation-app")))
            p class="hint" { (ctx.t("invitation-secret")) " " code { (base32(&invited.totp)) } }
            form method="post" action={"/staff/invitation/" (link)} novalidate {
                (token(ctx))
                (field(ctx, &PASSWORD, shown)) (field(ctx, &AGAIN, shown)) (field(ctx, &CODE, shown))
                button type="submit" { (ctx.t("invitation-do")) }
            }
        },
    ))
}

/// `POST /staff/invitation/{token}`: the account is made once the app has shown that it knows the secret.
pub async fn accept(ctx: Ctx, link: web::Path<String>, posted: Posted) -> Answer {
    let (wanted, now) = (link.to_string(), ctx.now());
    let (invited, allowed) = ctx
        .db(move |store| {
            let allowed = store.count_try(&format!("invitation:{wanted}"), Limit::GUESSES, now)?;
            Ok((store.invitation(&wanted, now)?, allowed))
        })
        .await?;
    allowed.map_err(Failure::TooMany)?;
    let (password, again) = (posted.get("password").to_owned(), posted.get("password_again"));
    let mut errors = Vec::new();
    if password.chars().count() < PASSWORD_LEAST || password.contains(&invited.user_name) {
        errors.push(FieldError::new("password", "staff").with("least", PASSWORD_LEAST));
    } else if password != again {
        errors.push(FieldError::new("password_again", "differs"));
    }
    let code = typed_code(posted.get("totp"));
    if code.and_then(|code| totp_step(&invited.totp, &code, now.timestamp())).is_none() {
        errors.push(FieldError::new("totp", "totp"));
    }
    if !errors.is_empty() {
        let mut raw = posted.0.clone();
        raw.remove("totp");
        return invitation_page(&ctx, &link, &Shown::wrong(raw, errors)).await;
    }
    let hash = ctx.hashing(move || store::hash_password(&password)).await?;
    let wanted = link.to_string();
    let (_, codes) = ctx.db(move |store| store.accept_invitation(&wanted, &hash, now)).await?;
    Ok(recovery_page(&ctx, &codes))
}

fn recovery_page(ctx: &Ctx, codes: &[String]) -> HttpResponse {
    Page::new(ctx.t("recovery-title")).staff().once().show(
        ctx,
        html! {
            h1 { (ctx.t("recovery-title")) }
            p { (ctx.t("recovery-words")) }
            ul class="codes" { @for code in codes { li { code { (code) } } } }
            p { a class="button" href="/staff/login" { (ctx.t("staff-login")) } }
        },
    )
}

/// Where the work of this officer is.
pub fn home(officer: &Officer) -> &'static str {
    let first = [
        (Act::ViewCases, "/staff"),
        (Act::HandleMoney, "/staff/refunds"),
        (Act::KeepProgrammes, "/staff/programmes"),
        (Act::Administer, "/staff/people"),
        (Act::ViewMachinery, "/operator"),
    ];
    first.iter().find(|(act, _)| officer.may(*act)).map_or("/staff/me", |(_, to)| to)
}

/// Any member of staff, whatever for.
///
/// # Errors
/// `StaffLoginFirst`.
pub async fn anybody(ctx: &Ctx) -> Result<(Officer, String), Failure> {
    let Some(token) = ctx.staff_token() else { return Err(Failure::StaffLoginFirst) };
    let (mine, now) = (token.clone(), ctx.now());
    let found = ctx
        .db(move |store| match store.session(Realm::Staff, &mine, now)? {
            Some(row) => store.staff(&row.holder).map(Some),
            None => Ok(None),
        })
        .await?;
    found.map(|secret| (secret.officer, token)).ok_or(Failure::StaffLoginFirst)
}

/// `GET /staff/me`: one's own log-ins and recovery codes.
pub async fn me(ctx: Ctx) -> Answer {
    let (officer, mine) = anybody(&ctx).await?;
    let (holder, now) = (officer.id.to_string(), ctx.now());
    let sessions = ctx.db(move |store| store.sessions_of(&holder, &mine, now)).await?;
    Ok(Page::new(ctx.t("me-title")).staff().show(
        &ctx,
        html! {
            h1 { (officer.name) }
            p { (officer.roles.iter().map(|role| ctx.t(&format!("role-{}", role.code()))).collect::<Vec<_>>().join(" · ")) }
            section { h2 { (ctx.t("me-sessions")) }
                ul class="cases" { @for (name, since, this) in &sessions {
                    li class="card" {
                        p { (instant(&ctx, *since)) @if *this { " " span class="tag" { (ctx.t("me-this")) } } }
                        @if !this { form method="post" action="/staff/me" { (token(&ctx)) input type="hidden" name="session" value=(name); button class="secondary" name="act" value="end" { (ctx.t("me-end")) } } }
                    }
                } }
            }
            section { h2 { (ctx.t("recovery-title")) }
                p { (ctx.t("recovery-again-words")) }
                form method="post" action="/staff/me" { (token(&ctx)) button class="secondary" name="act" value="codes" { (ctx.t("recovery-again")) } }
            }
        },
    ))
}

/// `POST /staff/me`
pub async fn change_me(ctx: Ctx, posted: Posted) -> Answer {
    let (officer, _) = anybody(&ctx).await?;
    let id = officer.id;
    if posted.get("act") == "codes" {
        ctx.confirmed(&posted.0).await?;
        note(&ctx, id, "recovery-codes-made").await?;
        let codes = ctx.db(move |store| store.fresh_recovery_codes(id)).await?;
        return Ok(recovery_page(&ctx, &codes));
    }
    let name = posted.get("session").to_owned();
    note(&ctx, id, "session-ended").await?;
    ctx.db(move |store| store.end_session_of(&id.to_string(), &name)).await?;
    Ok(ctx.redirect("/staff/me"))
}

/// Notes what an officer did with their own account.
async fn note(ctx: &Ctx, id: StaffId, act: &'static str) -> Result<(), Failure> {
    let (entry, now) = (AuditEntry { by: Actor::Staff(id), act, subject: format!("staff:{id}") }, ctx.now());
    ctx.db(move |store| store.note(&entry, now)).await
}

/// Whether what was typed is the second factor of this account, or one of its recovery codes; either is used up.
///
/// # Errors
/// When the database fails.
pub async fn second_factor(ctx: &Ctx, secret: &StaffSecret, typed: &str) -> Result<bool, Failure> {
    let (id, now) = (secret.officer.id, ctx.now());
    if let Some(step) = typed_code(typed).and_then(|code| totp_step(&secret.totp, &code, now.timestamp())) {
        return ctx.db(move |store| store.use_step(id, step)).await;
    }
    if !typed.contains('-') {
        return Ok(false);
    }
    let typed = typed.to_owned();
    let used = ctx.db(move |store| store.use_recovery_code(id, &typed)).await?;
    if used {
        let entry = AuditEntry { by: Actor::Staff(id), act: "recovery-code-used", subject: format!("staff:{id}") };
        ctx.db(move |store| store.note(&entry, now)).await?;
    }
    Ok(used)
}

/// The page that asks for the second factor again; what was to be done is kept.
pub fn confirm_page(ctx: &Ctx, kept: &str, shown: &Shown) -> HttpResponse {
    Page::new(ctx.t("confirm-title"))
        .staff()
        .once()
        .status(if shown.errors.is_empty() { StatusCode::FORBIDDEN } else { shown.status() })
        .show(
            ctx,
            html! {
                h1 { (ctx.t("confirm-title")) }
                p { (ctx.t("confirm-identity-words")) }
                (summary(ctx, shown))
                form method="post" action="/staff/confirm" novalidate {
                    (token(ctx))
                    input type="hidden" name="kept" value=(kept);
                    (field(ctx, &CODE, shown))
                    button type="submit" { (ctx.t("next")) }
                }
            },
        )
}

/// `POST /staff/confirm`
pub async fn confirm(ctx: Ctx, posted: Posted) -> Answer {
    let (officer, mine) = anybody(&ctx).await?;
    let (holder, now) = (officer.id.to_string(), ctx.now());
    let (secret, allowed) = ctx
        .db(move |store| {
            let allowed = store.count_try(&format!("totp:{holder}"), Limit::GUESSES, now)?;
            Ok((store.staff(&holder)?, allowed))
        })
        .await?;
    let kept = posted.get("kept");
    let wrong = |error| Ok(confirm_page(&ctx, kept, &Shown::wrong(Default::default(), vec![error])));
    if let Err(seconds) = allowed {
        return wrong(FieldError::new("totp", "locked").with("minutes", (seconds + 59) / 60));
    }
    if !second_factor(&ctx, &secret, posted.get("totp")).await? {
        note(&ctx, officer.id, "confirmation-refused").await?;
        return wrong(FieldError::new("totp", "totp"));
    }
    note(&ctx, officer.id, "confirmed").await?;
    let holder = officer.id.to_string();
    ctx.db(move |store| {
        store.forget_tries(&format!("totp:{holder}"))?;
        store.confirm_session(&mine, now)
    })
    .await?;
    match ctx.kept(kept) {
        Some((path, typed)) => Ok(go_on(&ctx, &path, &typed, ("/staff", "nav-queue"))),
        None => Ok(ctx.redirect("/staff")),
    }
}
