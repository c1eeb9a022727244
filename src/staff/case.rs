//! The case page (R6.2, R6.3): answers, materials, timeline, and the acts that the officer's roles include.
//! Each view of it is in the audit log.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::case::{Outcome, REASONS, Stage};
use domain::decision::{Decide, OfficerAct, Seen};
use domain::effects::{Actor, AuditEntry, TimelineEntry};
use domain::form::FieldError;
use domain::ids::{ApplicationId, MaterialId};
use domain::material::Verdict;
use domain::staff::{Act, Officer};
use domain::verification::Records;
use maud::{Markup, html};

use crate::applicant::wizard::{confirm, experience, materials, verification};
use crate::error::Failure;
use crate::web::Answer;
use crate::web::components::{day, instant, rows, stage_tag, whose_move};
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, error_words};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

async fn load(ctx: &Ctx, id: &str) -> Result<(Arc<Applicant>, Arc<Application>), Failure> {
    let id: ApplicationId = id.parse().map_err(|_| Rejection::NotFound)?;
    let owner = ctx.db(move |store| store.owner_of(id)).await?;
    let applicant = ctx.site().tree.applicant(owner).await?;
    let application = Arc::clone(applicant.application(id)?);
    Ok((applicant, application))
}

/// `GET /staff/case/{id}`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let officer = ctx.officer(Act::ViewCases).await?;
    let (applicant, application) = load(&ctx, &id).await?;
    view(&ctx, &officer, &applicant, &application, StatusCode::OK, &Shown::default()).await
}

async fn view(
    ctx: &Ctx,
    officer: &Officer,
    applicant: &Applicant,
    application: &Application,
    status: StatusCode,
    shown: &Shown,
) -> Answer {
    let (key, by, now) = (application.id, officer.id, ctx.now());
    let names = ctx
        .db(move |store| {
            let entry = AuditEntry { by: Actor::Staff(by), act: "viewed", subject: format!("application:{key}") };
            store.note(&entry, now)?;
            store.staff_names()
        })
        .await?;
    let number = application.number.clone().unwrap_or_default();
    Ok(Page::new(number.clone()).staff().status(status).show(
        ctx,
        html! {
            p class="crumbs" { a href="/staff" { (ctx.t("nav-queue")) } }
            h1 { (number) " " (stage_tag(ctx, application.stage())) }
            @if status == StatusCode::CONFLICT { div class="summary" role="alert" { p { (ctx.t("staff-conflict")) } } }
            @if !shown.errors.is_empty() { div class="summary" role="alert" { ul { @for error in &shown.errors { li { a href={"#" (error.field)} { (error_words(ctx, error)) } } } } } }
            (whose_move(ctx, application))
            (acts(ctx, officer, application, shown))
            (identity(ctx, applicant, application))
            (viewer(ctx, application))
            (confirm::sections(ctx, applicant, application, false))
            (experience::pointed_out(ctx, application))
            section { h2 { (ctx.t("timeline")) } (who_did(ctx, &application.timeline, &names)) }
        },
    ))
}

fn who_did(ctx: &Ctx, timeline: &[TimelineEntry], names: &[(String, String)]) -> Markup {
    let name = |by: &str| match by.split_once(':') {
        Some((_, id)) => {
            names.iter().find(|(known, _)| known == id).map_or_else(|| ctx.t("by-staff"), |(_, name)| name.clone())
        }
        None => ctx.t(&format!("by-{by}")),
    };
    html! {
        ol class="timeline" { @for event in timeline.iter().rev() {
            li { span class="hint" { (instant(ctx, event.at)) " · " (name(&event.by)) } " " (ctx.t(&format!("event-{}", event.kind))) }
        } }
    }
}

fn identity(ctx: &Ctx, applicant: &Applicant, application: &Application) -> Markup {
    let state = verification::state(ctx, application);
    let real_name = ctx.t(if applicant.account.real_name_confirmed { "real-name-confirmed" } else { "real-name-open" });
    html! {
        section {
            h2 { (ctx.t("step-verification")) }
            (rows(&[(ctx.t("real-name"), real_name), (ctx.t("step-verification"), state)]))
            @if let Some(Records::Ready { crossings }) = application.verification().map(|last| &last.records) {
                table {
                    caption { (ctx.t("records-title")) }
                    thead { tr { th scope="col" { (ctx.t("records-date")) } th scope="col" { (ctx.t("records-direction")) } th scope="col" { (ctx.t("records-port")) } } }
                    tbody { @for crossing in crossings {
                        tr { td { (day(ctx, crossing.date)) } td { (ctx.t(if crossing.exit { "records-exit" } else { "records-entry" })) } td { (crossing.port) } }
                    } }
                }
            }
        }
    }
}

fn viewer(ctx: &Ctx, application: &Application) -> Markup {
    html! {
        section {
            h2 { (ctx.t("step-materials")) }
            ul class="images" { @for image in &application.materials { @if let Verdict::Good { .. } = image.verdict {
                li {
                    a href={"/staff/case/" (application.id) "/image/" (image.id)} target="_blank" rel="noopener" {
                        img src={"/staff/case/" (application.id) "/image/" (image.id)} alt={(ctx.t(&format!("slot-{}", image.slot))) " " (image.file_name)} width="160" height="160" loading="lazy";
                    }
                    div { p { (ctx.t(&format!("slot-{}", image.slot))) } p class="hint" { (image.file_name) } }
                }
            } } }
        }
    }
}

/// `GET /staff/case/{id}/image/{material}`
pub async fn image(ctx: Ctx, path: web::Path<(String, String)>) -> Answer {
    let officer = ctx.officer(Act::ViewCases).await?;
    let (id, material) = path.into_inner();
    let (_, application) = load(&ctx, &id).await?;
    let wanted: MaterialId = material.parse().map_err(|_| Rejection::NotFound)?;
    let image = application.materials.iter().find(|image| image.id == wanted).ok_or(Rejection::NotFound)?;
    let (by, now) = (officer.id, ctx.now());
    let entry = AuditEntry { by: Actor::Staff(by), act: "viewed-material", subject: format!("material:{wanted}") };
    ctx.db(move |store| store.note(&entry, now)).await?;
    materials::serve(&ctx, image, false).await
}

fn form(ctx: &Ctx, application: &Application, act: &str, body: &Markup) -> Markup {
    html! {
        form method="post" action={"/staff/case/" (application.id)} class="act" {
            (token(ctx))
            input type="hidden" name="seen" value=(Seen::of(application));
            input type="hidden" name="act" value=(act);
            (body)
        }
    }
}

fn reasons(ctx: &Ctx, id: &str, shown: &Shown) -> Markup {
    let chosen = shown.raw.get("reason").map_or("", String::as_str);
    html! {
        label for=(id) { (ctx.t("decision-reason")) }
        select id=(id) name="reason" {
            option value="" { (ctx.t("choose")) }
            @for reason in REASONS { option value=(reason) selected[reason == chosen] { (ctx.t(&format!("reason-{reason}"))) } }
        }
    }
}

fn note(ctx: &Ctx, id: &str, shown: &Shown) -> Markup {
    html! {
        label for=(id) { (ctx.t("decision-note")) }
        textarea id=(id) name="note" rows="2" { (shown.raw.get("note").map_or("", String::as_str)) }
    }
}

fn acts(ctx: &Ctx, officer: &Officer, application: &Application, shown: &Shown) -> Markup {
    html! {
        section class="card acts" {
            h2 { (ctx.t("acts")) }
            @match application.stage() {
                Stage::Screening if officer.may(Act::Accept) => {
                    (form(ctx, application, "accept", &html! { p { (ctx.t("act-accept-words")) } button type="submit" { (ctx.t("act-accept")) } }))
                    details open[!shown.errors.is_empty()] { summary { (ctx.t("act-not-accept")) }
                        (form(ctx, application, "not-accept", &html! { (reasons(ctx, "reason", shown)) (note(ctx, "note", shown)) button type="submit" class="danger" { (ctx.t("act-not-accept")) } }))
                    }
                }
                Stage::Assessing if officer.may(Act::Propose) => {
                    @if let Some(why) = &application.sent_back { p class="advice" { (ctx.t("sent-back-words")) " " (why) } }
                    (form(ctx, application, "propose", &html! {
                        fieldset class="field" { legend { (ctx.t("act-propose")) }
                            @for outcome in Outcome::ALL {
                                div class="choice" {
                                    input type="radio" id={"outcome-" (outcome.code())} name="outcome" value=(outcome.code()) checked[shown.raw.get("outcome").is_some_and(|code| code == outcome.code())];
                                    label for={"outcome-" (outcome.code())} { (ctx.t(&format!("outcome-{}", outcome.code()))) }
                                }
                            }
                        }
                        (reasons(ctx, "reason", shown)) (note(ctx, "note", shown))
                        button type="submit" { (ctx.t("act-propose")) }
                    }))
                }
                Stage::Proposed => {
                    @if let Some(proposal) = &application.proposal {
                        p { (ctx.t("act-proposed")) " " strong { (ctx.t(&format!("outcome-{}", proposal.outcome.code()))) }
                            @if let Some(reason) = &proposal.reason { " · " (ctx.t(&format!("reason-{reason}"))) } }
                        @if !proposal.note.is_empty() { p { (proposal.note) } }
                        @if officer.may(Act::Approve) && proposal.by == officer.id { p class="advice" { (ctx.t("rejection-own-proposal")) } }
                        @else if officer.may(Act::Approve) {
                            (form(ctx, application, "approve", &html! { button type="submit" { (ctx.t("act-approve")) } }))
                            details open[!shown.errors.is_empty()] { summary { (ctx.t("act-send-back")) }
                                (form(ctx, application, "send-back", &html! { (note(ctx, "note", shown)) button type="submit" class="secondary" { (ctx.t("act-send-back")) } }))
                            }
                        } @else { p { (ctx.t("acts-others")) } }
                    }
                }
                Stage::Screening | Stage::Assessing => p { (ctx.t("acts-others")) },
                _ => p { (ctx.t("acts-none")) },
            }
        }
    }
}

/// `POST /staff/case/{id}`
pub async fn act(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::ViewCases).await?;
    let (applicant, application) = load(&ctx, &id).await?;
    let text = |name: &str| posted.get(name).to_owned();
    let act = match posted.get("act") {
        "accept" => OfficerAct::Accept,
        "not-accept" => OfficerAct::NotAccept { reason: text("reason"), note: text("note") },
        "propose" => match Outcome::from_code(posted.get("outcome")) {
            Some(outcome) => {
                OfficerAct::Propose { outcome, reason: posted.some("reason").map(str::to_owned), note: text("note") }
            }
            None => {
                let shown = Shown::wrong(posted.0.clone(), vec![FieldError::new("outcome-certificate", "choose")]);
                return view(&ctx, &officer, &applicant, &application, StatusCode::UNPROCESSABLE_ENTITY, &shown).await;
            }
        },
        "approve" => OfficerAct::Approve,
        "send-back" => OfficerAct::SendBack { note: text("note") },
        _ => return Err(Rejection::NotFound.into()),
    };
    // A page that says nothing has seen nothing.
    let Some(seen) = Seen::parse(posted.get("seen")) else {
        return view(&ctx, &officer, &applicant, &application, StatusCode::CONFLICT, &Shown::of(posted.0.clone()))
            .await;
    };
    let command = Decide { application: application.id, officer: officer.clone(), act, seen };
    match ctx.site().tree.command(applicant.id, command).await {
        Ok(stage) => {
            if stage == Stage::Decided {
                ctx.site().tree.world.wake.certificates();
            }
            ctx.site().tree.world.wake.refunds();
            ctx.flash("flash-decided");
            Ok::<HttpResponse, Failure>(ctx.redirect(&format!("/staff/case/{}", application.id)))
        }
        Err(Refusal::Rejected(Rejection::Form(errors))) => {
            let shown = Shown::wrong(posted.0.clone(), errors);
            view(&ctx, &officer, &applicant, &application, StatusCode::UNPROCESSABLE_ENTITY, &shown).await
        }
        Err(Refusal::Rejected(Rejection::Stale)) => {
            let (applicant, application) = load(&ctx, &id).await?;
            view(&ctx, &officer, &applicant, &application, StatusCode::CONFLICT, &Shown::of(posted.0.clone())).await
        }
        Err(refusal) => Err(refusal.into()),
    }
}
