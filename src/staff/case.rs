//! The case page (R6.2): where it stands, answers, materials, identity, entry–exit beside the dates studied, notes,
//! timeline; what can be done is in [`super::acts`]. Each view of it is in the audit log.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web;
use domain::Rejection;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::case::{Stage, curable};
use domain::effects::{Actor, AuditEntry, TimelineEntry};
use domain::form;
use domain::ids::{ApplicationId, MaterialId, StaffId};
use domain::material::{Material, Purpose, Verdict};
use domain::staff::{Act, Officer};
use domain::verification::{Records, days_abroad};
use maud::{Markup, html};
use serde::Deserialize;
use store::{NoticeRow, QueueRow, StoreError};

use crate::applicant::upload;
use crate::applicant::wizard::{confirm, experience, verification};
use crate::error::Failure;
use crate::staff::{acts, live};
use crate::web::Answer;
use crate::web::components::{cursor_instant, day, instant, rows, stage_tag, whose_move};
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, error_words};
use crate::web::layout::Page;

/// Cases of other accounts that are pointed out.
const DOUBLES_MOST: i64 = 10;
/// Notices that are listed.
const NOTICES_MOST: i64 = 20;

/// The case of an address, with whose it is.
///
/// # Errors
/// `NotFound`.
pub async fn load(ctx: &Ctx, id: &str) -> Result<(Arc<Applicant>, Arc<Application>), Failure> {
    let id: ApplicationId = id.parse().map_err(|_| Rejection::NotFound)?;
    let owner = ctx.db(move |store| store.owner_of(id)).await?;
    let applicant = ctx.site().tree.applicant(owner).await?;
    let application = Arc::clone(applicant.application(id)?);
    // A draft is nobody's business yet.
    if application.number.is_none() || application.stage() == Stage::Draft {
        return Err(Rejection::NotFound.into());
    }
    Ok((applicant, application))
}

/// A reason against the case that further materials may cure: the request for them is filled in with it.
#[derive(Deserialize)]
pub struct Cure {
    cure: Option<String>,
}

/// `GET /staff/case/{id}`
pub async fn show(ctx: Ctx, id: web::Path<String>, cure: web::Query<Cure>) -> Answer {
    let officer = ctx.officer(Act::ViewCases).await?;
    let (applicant, application) = load(&ctx, &id).await?;
    let cured = cure.cure.as_deref().and_then(|reason| Some((reason, curable(reason)?)));
    let shown = cured.map_or_else(Shown::default, |(reason, why)| {
        let said = [
            ("act", "supplement".to_owned()),
            ("supplement_reason", why.to_owned()),
            ("note", ctx.t(&format!("reason-{reason}"))),
            ("until", (ctx.today() + chrono::Days::new(CURE_DAYS)).to_string()),
        ];
        Shown::of(said.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    });
    view(&ctx, &officer, &applicant, &application, StatusCode::OK, &shown).await
}

/// Days until the deadline of a request that was filled in for the officer.
const CURE_DAYS: u64 = 30;

/// Names of staff by id.
pub struct Names(Vec<(String, String)>);

impl Names {
    fn of(&self, ctx: &Ctx, id: StaffId) -> String {
        let known = self.0.iter().find(|(known, _)| *known == id.to_string());
        known.map_or_else(|| ctx.t("by-staff"), |(_, name)| name.clone())
    }
}

/// The page, with what was typed if it came back.
///
/// # Errors
/// When the view can't be noted in the audit log: then it is not shown.
pub async fn view(
    ctx: &Ctx,
    officer: &Officer,
    applicant: &Applicant,
    application: &Application,
    status: StatusCode,
    shown: &Shown,
) -> Answer {
    let (key, by, now) = (application.id, officer.id, ctx.now());
    let owner = applicant.id;
    let (names, doubles, notices, people) = ctx
        .db(move |store| {
            let entry = AuditEntry { by: Actor::Staff(by), act: "viewed", subject: format!("application:{key}") };
            store.note(&entry, now)?;
            let (names, doubles) = (Names(store.staff_names()?), store.doubles(key, DOUBLES_MOST)?);
            Ok((names, doubles, store.notices_to(owner, NOTICES_MOST)?, store.people()?))
        })
        .await?;
    let number = application.number.clone().unwrap_or_default();
    let work = &application.casework;
    let colleagues: Vec<(String, String)> = people
        .into_iter()
        .filter(|person| person.left.is_none() && person.officer.may(Act::ViewCases))
        .map(|person| (person.officer.id.to_string(), person.officer.name))
        .collect();
    let live = format!("/staff/case/{key}/live?known={}", live::fingerprint(application));
    Ok(Page::new(number.clone()).staff().live().status(status).show(
        ctx,
        html! {
            p class="crumbs" { a href="/staff" { (ctx.t("nav-queue")) } }
            h1 { (number) " " (stage_tag(ctx, application.stage()))
                @if work.enhanced_at.is_some() { " " span class="tag" { (ctx.t("flag-enhanced")) } }
                @if work.hold().is_some() { " " span class="tag" { (ctx.t("flag-held")) } }
            }
            @if status == StatusCode::CONFLICT { div class="summary" role="alert" { p { (ctx.t("staff-conflict")) } (typed(ctx, shown)) } }
            @if !shown.errors.is_empty() { div class="summary" role="alert" { ul { @for error in &shown.errors { li { (error_words(ctx, error)) } } } } }
            (crate::web::live::place(ctx, &live))
            (whose_move(ctx, application))
            @if let Some((holder, at)) = work.claimed { p { (ctx.t("claimed-by")) " " strong { (names.of(ctx, holder)) } " " span class="hint" { (instant(ctx, at)) } } }
            @if let Some(hold) = work.hold() { p class="advice" { (ctx.with("held-words", &[("day", &day(ctx, hold.until))])) " " (ctx.t(&format!("hold-reason-{}", hold.reason))) } }
            (pointed_out(ctx, &doubles))
            (acts::card(ctx, officer, application, shown, &colleagues))
            (notes(ctx, application, &names))
            (identity(ctx, applicant, application))
            (viewer(ctx, application))
            (confirm::sections(ctx, applicant, application, false))
            (experience::pointed_out(ctx, application))
            (supplements(ctx, application, &names))
            (others(ctx, applicant, application))
            (told(ctx, &notices))
            section { h2 { (ctx.t("timeline")) } p class="hint" { (ctx.t("past-hint")) } (who_did(ctx, application, &names)) }
        },
    ))
}

/// What was typed on a page that is not true any more: nothing of it is lost.
fn typed(ctx: &Ctx, shown: &Shown) -> Markup {
    let words = ["note", "remark", "message", "answer", "institution"];
    let kept: Vec<&String> = words.iter().filter_map(|name| shown.raw.get(*name)).filter(|v| !v.is_empty()).collect();
    html! { @if !kept.is_empty() { p { (ctx.t("conflict-typed")) } @for words in kept { p class="words" { (words) } } } }
}

/// The same paper in another account.
fn pointed_out(ctx: &Ctx, doubles: &[QueueRow]) -> Markup {
    html! {
        @if !doubles.is_empty() {
            div class="advice" {
                p { strong { (ctx.t("doubles-words")) } }
                ul { @for row in doubles { li { a href={"/staff/case/" (row.application)} { (row.number) } " " (stage_tag(ctx, row.stage)) } } }
            }
        }
    }
}

fn notes(ctx: &Ctx, application: &Application, names: &Names) -> Markup {
    let words = &application.casework.words;
    html! {
        @if !words.is_empty() {
            section { h2 { (ctx.t("notes-title")) }
                @for entry in words.iter().rev() {
                    article class="note" {
                        p class="hint" { (instant(ctx, entry.at)) " · " (names.of(ctx, entry.by)) " "
                            @if entry.to_applicant { span class="tag" { (ctx.t("note-to-applicant")) } } }
                        p class="words" { (entry.text) }
                    }
                }
            }
        }
    }
}

fn who_did(ctx: &Ctx, application: &Application, names: &Names) -> Markup {
    let timeline: &[TimelineEntry] = &application.timeline;
    let name = |by: &str| match by.split_once(':') {
        Some((_, id)) => id.parse().map_or_else(|_| ctx.t("by-staff"), |id| names.of(ctx, id)),
        None => ctx.t(&format!("by-{by}")),
    };
    html! {
        ol class="timeline" { @for event in timeline.iter().rev() {
            li { span class="hint" { a href={"/staff/case/" (application.id) "/at?moment=" (event.at.timestamp_micros())} { (instant(ctx, event.at)) } " · " (name(&event.by)) } " " (ctx.t(&format!("event-{}", event.kind))) }
        } }
    }
}

/// Identity, and the records beside what the applicant says of studies and days abroad.
fn identity(ctx: &Ctx, applicant: &Applicant, application: &Application) -> Markup {
    let state = verification::state(ctx, application);
    let real_name = ctx.t(if applicant.account.real_name_confirmed { "real-name-confirmed" } else { "real-name-open" });
    let said = |name: &str| form::text(&application.credential, name).to_owned();
    html! {
        section {
            h2 { (ctx.t("step-verification")) }
            (rows(&[(ctx.t("real-name"), real_name), (ctx.t("step-verification"), state)]))
            @if let Some(Records::Ready { crossings }) = application.verification().map(|last| &last.records) {
                @let span = (form::month(&application.credential, "start"), form::month(&application.credential, "end"));
                @if let (Some(from), Some(to)) = span {
                    // Up to the end of the last month.
                    @let to = to.checked_add_months(chrono::Months::new(1)).unwrap_or(to);
                    @let counted = days_abroad(crossings, from, to);
                    (rows(&[
                        (ctx.t("field-days_abroad"), said("days_abroad")),
                        (ctx.t("days-counted"), counted.days.to_string()),
                    ]))
                    @if form::text(&application.credential, "days_abroad").parse::<i64>().is_ok_and(|said| (said - counted.days).abs() > 30) { p class="advice" { (ctx.t("days-differ")) } }
                    @for gap in &counted.gaps { p class="caution" { (ctx.with("days-gap", &[("from", &day(ctx, gap.0)), ("to", &day(ctx, gap.1))])) } }
                }
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

/// Whether an officer may see it: what is being prepared for a supplement or a review is not sent yet.
fn is_sent(application: &Application, image: &Material) -> bool {
    match image.purpose {
        Purpose::Application => true,
        Purpose::Supplement(id) => {
            application.casework.supplements.iter().any(|known| known.id == id && known.ended.is_some())
        }
        Purpose::Review(id) => {
            application.casework.reviews.iter().any(|known| known.id == id && known.asked_at.is_some())
        }
    }
}

fn viewer(ctx: &Ctx, application: &Application) -> Markup {
    let sent = |image: &&Material| matches!(image.verdict, Verdict::Good { .. }) && is_sent(application, image);
    html! {
        section {
            h2 { (ctx.t("step-materials")) }
            ul class="images" { @for image in application.materials.iter().filter(sent) {
                li {
                    a href={"/staff/case/" (application.id) "/view/" (image.id)} {
                        img src={"/staff/case/" (application.id) "/image/" (image.id)} alt={(ctx.slot(&image.slot)) " " (image.file_name)} width="160" height="160" loading="lazy";
                    }
                    div { p { (ctx.slot(&image.slot))
                            @if image.purpose != Purpose::Application { " " span class="tag" { (ctx.t("image-later")) } } }
                        p class="hint" { (image.file_name) }
                        @if let Verdict::Good { advice, .. } = &image.verdict { @for each in advice { p class="caution" { (ctx.t(&format!("advice-{}", each.code()))) } } } }
                }
            } }
        }
    }
}

fn supplements(ctx: &Ctx, application: &Application, names: &Names) -> Markup {
    let ended = application.casework.supplements.iter().filter_map(|known| Some((known, known.ended.as_ref()?)));
    html! {
        @for (known, (at, how)) in ended {
            section class="card" {
                h2 { (ctx.t("supplement-title")) " " span class="tag" { (ctx.t(&format!("supplement-how-{}", how.code()))) } }
                p class="hint" { (names.of(ctx, known.by)) " " (instant(ctx, known.asked_at)) " → " (instant(ctx, *at)) }
                p { (ctx.t(&format!("supplement-reason-{}", known.reason))) " " (known.note) }
            }
        }
    }
}

/// What the applicant was told, and whether it arrived; without its words.
fn told(ctx: &Ctx, notices: &[NoticeRow]) -> Markup {
    html! {
        @if !notices.is_empty() {
            details { summary { (ctx.t("told-title")) }
                div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("told-title")) { table {
                    thead { tr { @for head in ["told-when", "told-how", "told-what", "told-fate"] { th scope="col" { (ctx.t(head)) } } } }
                    tbody { @for notice in notices {
                        tr {
                            td { @if let Some(at) = notice.sent_at { (instant(ctx, at)) } }
                            td { (ctx.t(&format!("channel-{}", notice.channel.code()))) }
                            td { (ctx.t(&format!("notice-{}-subject", notice.kind))) }
                            td { (ctx.t(&format!("notice-state-{}", notice.state))) @if matches!(notice.state.as_str(), "undelivered" | "failed" | "parked") { " " code { (notice.answer) } } }
                        }
                    } }
                } }
            }
        }
    }
}

/// Which moment.
#[derive(Deserialize)]
pub struct Moment {
    moment: String,
}

/// `GET /staff/case/{id}/at`: the file as it stood at a moment, as an officer saw it then.
pub async fn past(ctx: Ctx, id: web::Path<String>, moment: web::Query<Moment>) -> Answer {
    let officer = ctx.officer(Act::ViewCases).await?;
    let (applicant, now) = load(&ctx, &id).await?;
    let (owner, key, by, at) = (applicant.id, now.id, officer.id, ctx.now());
    let moment = cursor_instant(&moment.moment).ok_or(Rejection::NotFound)?;
    let entry = AuditEntry { by: Actor::Staff(by), act: "viewed-past", subject: format!("application:{key}") };
    let (names, found) = ctx
        .db(move |store| {
            store.note(&entry, at)?;
            let found = match store.case_at(owner, key, moment) {
                Ok(found) => Some(found),
                Err(StoreError::Missing) => None,
                Err(error) => return Err(error),
            };
            Ok((Names(store.staff_names()?), found))
        })
        .await?;
    let number = now.number.clone().unwrap_or_default();
    let title = ctx.with("past-title", &[("number", &number)]);
    let crumbs = html! { p class="crumbs" { a href={"/staff/case/" (key)} { (number) } } h1 { (title) } };
    let Some((since, then)) = found else {
        return Ok(Page::new(title.clone())
            .staff()
            .show(&ctx, html! { (crumbs) p class="empty" { (ctx.t("past-none")) } }));
    };
    let application = then.application(key)?;
    let work = &application.casework;
    Ok(Page::new(title.clone()).staff().show(
        &ctx,
        html! {
            (crumbs)
            p class="advice" { (ctx.with("past-words", &[("at", &instant(&ctx, moment)), ("since", &instant(&ctx, since))])) }
            p { (stage_tag(&ctx, application.stage()))
                @if work.enhanced_at.is_some() { " " span class="tag" { (ctx.t("flag-enhanced")) } }
                @if work.hold().is_some() { " " span class="tag" { (ctx.t("flag-held")) } } }
            @if let Some((holder, at)) = work.claimed { p { (ctx.t("claimed-by")) " " strong { (names.of(&ctx, holder)) } " " span class="hint" { (instant(&ctx, at)) } } }
            @if let Some(due) = work.expected.last() { p { (ctx.t("expected")) " " (day(&ctx, due.due.date)) } }
            @if let Some(proposal) = &application.proposal {
                p { (ctx.t("act-proposed")) " " strong { (ctx.t(&format!("outcome-{}", proposal.outcome.code()))) } " · " (names.of(&ctx, proposal.by))
                    @if let Some(reason) = &proposal.reason { " · " (ctx.t(&format!("reason-{reason}"))) } }
                @if !proposal.note.is_empty() { p class="words" { (proposal.note) } }
            }
            (notes(&ctx, application, &names))
            (identity(&ctx, &then, application))
            (viewer(&ctx, application))
            (confirm::sections(&ctx, &then, application, false))
            (supplements(&ctx, application, &names))
            section { h2 { (ctx.t("timeline")) } (who_did(&ctx, application, &names)) }
        },
    ))
}

/// Other cases of the same person.
fn others(ctx: &Ctx, applicant: &Applicant, application: &Application) -> Markup {
    let others: Vec<_> = applicant
        .applications
        .iter()
        .filter(|other| other.id != application.id && other.number.is_some() && other.stage() != Stage::Draft)
        .collect();
    html! {
        @if !others.is_empty() {
            section { h2 { (ctx.t("other-cases")) }
                ul { @for other in others { li { a href={"/staff/case/" (other.id)} { (other.number.clone().unwrap_or_default()) } " " (other.title(ctx.language())) " " (stage_tag(ctx, other.stage())) } } }
            }
        }
    }
}

async fn one_image(ctx: &Ctx, path: (String, String)) -> Result<(Arc<Applicant>, Arc<Application>, Material), Failure> {
    let officer = ctx.officer(Act::ViewCases).await?;
    let (applicant, application) = load(ctx, &path.0).await?;
    let wanted: MaterialId = path.1.parse().map_err(|_| Rejection::NotFound)?;
    let image = application.materials.iter().find(|image| image.id == wanted && is_sent(&application, image));
    let image = image.ok_or(Rejection::NotFound)?.clone();
    let (by, now) = (officer.id, ctx.now());
    let entry = AuditEntry { by: Actor::Staff(by), act: "viewed-material", subject: format!("material:{wanted}") };
    ctx.db(move |store| store.note(&entry, now)).await?;
    Ok((applicant, application, image))
}

/// How an image is looked at.
#[derive(Deserialize)]
pub struct Look {
    turns: Option<u8>,
    zoom: Option<u16>,
}

/// `GET /staff/case/{id}/image/{material}`
pub async fn image(ctx: Ctx, path: web::Path<(String, String)>, look: web::Query<Look>) -> Answer {
    let (_, _, mut image) = one_image(&ctx, path.into_inner()).await?;
    image.turns = (image.turns + look.turns.unwrap_or(0) % 4) % 4;
    upload::serve(&ctx, &image, false).await
}

/// `GET /staff/case/{id}/view/{material}`: large, turned and zoomed by links, beside the answers.
pub async fn look(ctx: Ctx, path: web::Path<(String, String)>, look: web::Query<Look>) -> Answer {
    let (applicant, application, image) = one_image(&ctx, path.into_inner()).await?;
    let turns = look.turns.unwrap_or(0) % 4;
    let zoom = look.zoom.filter(|zoom| [100, 150, 200, 300].contains(zoom)).unwrap_or(100);
    let here = format!("/staff/case/{}/view", application.id);
    let sent: Vec<_> = application
        .materials
        .iter()
        .filter(|image| matches!(image.verdict, Verdict::Good { .. }) && is_sent(&application, image))
        .collect();
    let at = sent.iter().position(|known| known.id == image.id).unwrap_or(0);
    let beside =
        |place: Option<usize>| place.and_then(|place| sent.get(place)).map(|image| format!("{here}/{}", image.id));
    let title = format!("{} {}", ctx.slot(&image.slot), image.file_name);
    Ok(Page::new(title.clone()).staff().show(
        &ctx,
        html! {
            p class="crumbs" { a href={"/staff/case/" (application.id)} { (application.number.clone().unwrap_or_default()) } }
            h1 { (title) }
            nav class="tabs" aria-label=(ctx.t("viewer-title")) {
                @if let Some(before) = beside(at.checked_sub(1)) { a href=(before) rel="prev" { (ctx.t("viewer-before")) } }
                @if let Some(after) = beside(at.checked_add(1)) { a href=(after) rel="next" { (ctx.t("viewer-after")) } }
                a href={(here) "/" (image.id) "?turns=" ((turns + 1) % 4) "&zoom=" (zoom)} { (ctx.t("image-rotate")) }
                @for each in [100, 150, 200, 300] {
                    a href={(here) "/" (image.id) "?turns=" (turns) "&zoom=" (each)} aria-current=[(each == zoom).then_some("page")] { (each) "%" }
                }
            }
            div class="beside" {
                div class="pane" tabindex="0" role="region" aria-label=(ctx.t("viewer-title")) {
                    img class={"zoom-" (zoom)} src={"/staff/case/" (application.id) "/image/" (image.id) "?turns=" (turns)} alt=(title);
                }
                div class="pane" tabindex="0" role="region" aria-label=(ctx.t("case-answers")) { (confirm::sections(&ctx, &applicant, &application, false)) }
            }
        },
    ))
}
