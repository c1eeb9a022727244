//! Step 3 of a joint programme (R3.1–R3.6): the level, the look-up in the register of students, the border of September
//! 2012, and the list that a programme is chosen from.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::form::{Field, FieldError, Kind, Raw, When, parse_month};
use domain::ids::{ApplicationId, ProgrammeId};
use domain::import::LEVELS;
use domain::joint::{Joint, JointChange, JointLevel, Next, Programme, Registration, SettleJoint};
use domain::person::Language;
use domain::steps::{ApplicationKind, StepName};
use maud::{Markup, html};
use serde::Deserialize;
use store::{Limit, ProgrammeRow};

use super::{misplaced, open, open_keeping, step_page, title};
use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::{button_link, rows};
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// Programmes on a page of the list.
const ROWS: i64 = 20;
const LEVEL: Field = Field::must("joint_level", Kind::Choice(&LEVELS));
const ENROLLED: Field = Field::must("joint_enrolled", Kind::Month(When::Past));

fn here(id: ApplicationId) -> String {
    format!("/apply/{id}/joint")
}

/// Sends away who has no business here.
fn elsewhere(ctx: &Ctx, me: &Applicant, application: &Application) -> Option<HttpResponse> {
    misplaced(ctx, me, application, StepName::Kind).or_else(|| {
        let other = application.kind != Some(ApplicationKind::Joint);
        other.then(|| ctx.redirect(&format!("/apply/{}/type", application.id)))
    })
}

/// `GET /apply/{id}/joint`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = elsewhere(&ctx, &me, &application) {
        return Ok(elsewhere);
    }
    Ok(page(&ctx, &application, &Shown::default(), &[]))
}

/// The page; `found` are registrations to choose among.
fn page(ctx: &Ctx, application: &Application, shown: &Shown, found: &[Registration]) -> HttpResponse {
    let joint = application.joint.as_ref();
    let page = Page::new(title(ctx, StepName::Kind)).status(shown.status()).with_form();
    step_page(
        ctx,
        application,
        StepName::Kind,
        page,
        &html! {
            h2 { (ctx.t("choice-kind-joint")) }
            (summary(ctx, shown))
            @if let Some(joint) = joint {
                p { (ctx.t("field-joint_level")) " " strong { (ctx.t(&format!("choice-joint_level-{}", joint.level.code()))) } }
            }
            form id="main" method="post" action=(here(application.id)) novalidate {
                (token(ctx))
                @match joint.map(|joint| (joint, joint.next())) {
                    None => { (field(ctx, &LEVEL, shown)) (button(ctx, "level", "next")) },
                    Some(_) if !found.is_empty() => (choose(ctx, found)),
                    Some((_, Next::LookUp)) => { p { (ctx.t("joint-look-words")) } (button(ctx, "look", "joint-look")) },
                    Some((_, Next::Enrolment)) => {
                        p class="advice" { (ctx.t("joint-not-found")) }
                        (field(ctx, &ENROLLED, shown)) (button(ctx, "enrolled", "next"))
                    },
                    Some((_, Next::Partner)) => {
                        p class="advice" { strong { (ctx.t("joint-partner")) } }
                        div class="actions" {
                            button type="submit" name="act" value="look" { (ctx.t("joint-look-again")) }
                            button type="submit" class="secondary" name="act" value="again" { (ctx.t("joint-again")) }
                        }
                    },
                    Some((joint, Next::Choose)) => {
                        @if joint.not_found_at.is_some() { p class="advice" { (ctx.t("joint-before-border")) } }
                        p { (ctx.t("joint-choose-words")) }
                        div class="actions" {
                            (button_link(&format!("/apply/{}/programmes", application.id), &ctx.t("joint-choose")))
                            button type="submit" class="secondary" name="act" value="again" { (ctx.t("joint-again")) }
                        }
                    },
                    Some((joint, Next::Nothing)) => {
                        @if joint.registered { p class="flash" { (ctx.t("joint-found")) } }
                        (facts(ctx, joint))
                        div class="actions" {
                            (button_link(&format!("/apply/{}/credential", application.id), &ctx.t("next")))
                            button type="submit" class="secondary" name="act" value="again" { (ctx.t("joint-again")) }
                        }
                    },
                }
            }
            p { a href={"/apply/" (application.id) "/type?change=1"} { (ctx.t("joint-other-kind")) } }
        },
    )
}

fn button(ctx: &Ctx, act: &str, words: &str) -> Markup {
    html! { div class="actions" { button type="submit" name="act" value=(act) { (ctx.t(words)) } } }
}

/// Somebody who studied in two programmes says which one this application is about.
fn choose(ctx: &Ctx, found: &[Registration]) -> Markup {
    html! {
        fieldset class="field" { legend { (ctx.t("joint-which")) }
            @for (at, each) in found.iter().enumerate() {
                div class="choice" {
                    input type="radio" id={"programme-" (at)} name="programme" value=(each.programme.id) checked[at == 0];
                    label for={"programme-" (at)} { (each.programme.name) " " span class="hint" { (each.programme.partner) } }
                }
            }
        }
        (button(ctx, "look", "next"))
    }
}

/// What is settled, in words: for this page, the check page and officers.
pub fn facts(ctx: &Ctx, joint: &Joint) -> Markup {
    let mut facts = vec![(ctx.t("field-joint_level"), ctx.t(&format!("choice-joint_level-{}", joint.level.code())))];
    if let Some(programme) = &joint.programme {
        facts.push((ctx.t("field-programme_name"), programme.name.clone()));
        facts.push((ctx.t("field-approval"), programme.approval.clone()));
        facts.push((ctx.t("field-partner"), programme.partner.clone()));
        facts.push((ctx.t("field-institution"), format!("{} {}", programme.institution, programme.institution_zh)));
    }
    if let Some(month) = joint.enrolled {
        facts.push((ctx.t("field-joint_enrolled"), month.format("%Y-%m").to_string()));
    }
    if joint.level == JointLevel::Bachelor {
        facts.push((ctx.t("joint-register"), ctx.t(if joint.registered { "yes" } else { "joint-register-not" })));
    }
    rows(&facts)
}

/// `POST /apply/{id}/joint`
pub async fn act(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    if let Some(elsewhere) = elsewhere(&ctx, &me, &application) {
        return Ok(elsewhere);
    }
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(page(&ctx.in_language(language), &application, &Shown::of(posted.0), &[]));
    }
    let wrong = |raw: Raw, error| Ok(page(&ctx, &application, &Shown::wrong(raw, vec![error]), &[]));
    let change = match posted.get("act") {
        "level" => match JointLevel::from_code(posted.get("joint_level")) {
            Some(level) => JointChange::Level(level),
            None => return wrong(posted.0.clone(), FieldError::new("joint_level", "choose")),
        },
        "enrolled" => match parse_month(posted.get("joint_enrolled")) {
            Some(month) => JointChange::Enrolled(month),
            None => return wrong(posted.0.clone(), FieldError::new("joint_enrolled", "month")),
        },
        "look" => {
            let found = look_up(&ctx, &me).await?;
            let wanted = posted.get("programme").parse::<ProgrammeId>().ok();
            let chosen = found.iter().find(|each| Some(each.programme.id) == wanted);
            match (chosen, found.as_slice()) {
                (Some(chosen), _) => JointChange::LookedUp(Some(chosen.clone())),
                (None, []) => JointChange::LookedUp(None),
                (None, [one]) => JointChange::LookedUp(Some(one.clone())),
                (None, several) => return Ok(page(&ctx, &application, &Shown::default(), several)),
            }
        }
        _ => JointChange::Again,
    };
    settle(&ctx, &me, &application, change, posted.0).await
}

/// By the account's own document alone, and not too often (R3.2).
async fn look_up(ctx: &Ctx, me: &Applicant) -> Result<Vec<Registration>, Failure> {
    let (account, who, now) = (me.account.clone(), format!("register:{}", me.id), ctx.now());
    let found = ctx
        .db(move |store| {
            if let Err(seconds) = store.count_try(&who, Limit::LOOK_UPS, now)? {
                return Ok(Err(seconds));
            }
            Ok(Ok(store.registrations(account.document_type, &account.document_number, &account.name)?))
        })
        .await?;
    found.map_err(Failure::TooMany)
}

async fn settle(ctx: &Ctx, me: &Applicant, application: &Application, change: JointChange, raw: Raw) -> Answer {
    match ctx.site().tree.command(me.id, SettleJoint { application: application.id, change }).await {
        Ok(saved) => {
            if !saved.reopened.is_empty() {
                ctx.flash("flash-reopened");
            }
            Ok(ctx.redirect(&here(application.id)))
        }
        Err(Refusal::Rejected(Rejection::Form(errors))) => Ok(page(ctx, application, &Shown::wrong(raw, errors), &[])),
        // Pressed twice, or in two tabs: what stands now is shown.
        Err(Refusal::Rejected(Rejection::NotNow("kind-first"))) => Ok(ctx.redirect(&here(application.id))),
        Err(refusal) => Err(refusal.into()),
    }
}

/// A view of the list.
#[derive(Deserialize)]
pub struct View {
    #[serde(default)]
    q: String,
    #[serde(default)]
    after: String,
}

impl View {
    /// Where the page begins, from the address.
    pub fn cursor(&self) -> Option<(String, ProgrammeId)> {
        let (id, name) = self.after.split_once('.')?;
        Some((name.to_owned(), id.parse().ok()?))
    }

    /// What is searched for.
    pub fn query(&self) -> &str {
        self.q.trim()
    }

    /// The address of the page after these rows, if there may be one.
    pub fn more(&self, base: &str, rows: &[ProgrammeRow], most: i64) -> Option<String> {
        let last = rows.last().filter(|_| rows.len() == usize::try_from(most).unwrap_or(0))?;
        let after = format!("{}.{}", last.programme.id, last.programme.name);
        let query = serde_urlencoded::to_string([("q", self.q.as_str()), ("after", after.as_str())]).ok()?;
        Some(format!("{base}?{query}"))
    }
}

/// `GET /apply/{id}/programmes`: the searchable list (R3.5), without scripts too.
pub async fn list(ctx: Ctx, id: web::Path<String>, view: web::Query<View>) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = elsewhere(&ctx, &me, &application) {
        return Ok(elsewhere);
    }
    let Some(joint) = application.joint.as_ref().filter(|joint| joint.next() == Next::Choose) else {
        return Ok(ctx.redirect(&here(application.id)));
    };
    let (query, level, after) = (view.query().to_owned(), joint.level, view.cursor());
    let found = ctx.db(move |store| store.programmes(&query, Some(level), false, after, ROWS)).await?;
    let base = format!("/apply/{}/programmes", application.id);
    let more = view.more(&base, &found, ROWS);
    Ok(step_page(
        &ctx,
        &application,
        StepName::Kind,
        Page::new(ctx.t("joint-choose")).status(StatusCode::OK),
        &html! {
            h2 { (ctx.t("joint-choose")) }
            form method="get" action=(base) class="search" role="search" {
                label for="q" { (ctx.t("joint-search")) }
                input id="q" name="q" value=(view.query()) autocomplete="off";
                button type="submit" class="secondary" { (ctx.t("find")) }
            }
            @if found.is_empty() { p class="empty" { (ctx.t("joint-none")) } }
            @else { form method="post" action=(base) {
                (token(&ctx))
                ul class="cases" { @for row in &found { li class="card" { (entry(&ctx, &row.programme)) } } }
            } }
            @if let Some(more) = more { p { a href=(more) { (ctx.t("queue-more")) } } }
            // R3.6
            p class="advice" { (ctx.t("joint-not-listed")) }
        },
    ))
}

fn entry(ctx: &Ctx, programme: &Programme) -> Markup {
    html! {
        h3 { (programme.name) }
        p { (programme.partner) " · " (programme.institution_zh) " " (programme.institution) }
        p class="hint" { (programme.approval) " · " (ctx.texts().country(&programme.country)) }
        button type="submit" class="secondary" name="programme" value=(programme.id) { (ctx.t("joint-take")) span class="hidden" { " " (programme.name) } }
    }
}

/// `POST /apply/{id}/programmes`
pub async fn take(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open(&ctx, &id).await?;
    if let Some(elsewhere) = elsewhere(&ctx, &me, &application) {
        return Ok(elsewhere);
    }
    let wanted: ProgrammeId = posted.get("programme").parse().map_err(|_| Rejection::NotFound)?;
    let row = ctx.db(move |store| store.programme(wanted)).await?;
    if row.retired {
        return Err(Rejection::NotFound.into());
    }
    settle(&ctx, &me, &application, JointChange::Choose(row.programme), posted.0).await
}
