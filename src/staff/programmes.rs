//! The registrar's pages (R3.8): the list of joint programmes and the register of students: search, add, edit, retire.

use actix_web::{HttpResponse, web};
use domain::Rejection;
use domain::effects::{Actor, AuditEntry};
use domain::form::Raw;
use domain::ids::{ProgrammeId, StudentId};
use domain::import::{PROGRAMME, STUDENT, Student, programme, programme_answers, student};
use domain::staff::{Act, Officer};
use maud::{Markup, html};
use store::StoreError;

use crate::applicant::wizard::joint::View;
use crate::error::Failure;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const ROWS: i64 = 50;

/// The registrar's tabs.
pub fn tabs(ctx: &Ctx, here: &str) -> Markup {
    html! {
        nav class="tabs" aria-label=(ctx.t("programmes-title")) {
            @for (name, words) in [("programmes", "programmes-title"), ("students", "students-title"), ("import", "import-title")] {
                a href={"/staff/" (name)} aria-current=[(name == here).then_some("page")] { (ctx.t(words)) }
            }
        }
    }
}

fn entry(officer: &Officer, act: &'static str, subject: String) -> AuditEntry {
    AuditEntry { by: Actor::Staff(officer.id), act, subject }
}

/// `GET /staff/programmes`
pub async fn show(ctx: Ctx, view: web::Query<View>) -> Answer {
    ctx.officer(Act::KeepProgrammes).await?;
    let (query, after) = (view.query().to_owned(), view.cursor());
    let found = ctx.db(move |store| store.programmes(&query, None, true, after, ROWS)).await?;
    let more = view.more("/staff/programmes", &found, ROWS);
    Ok(Page::new(ctx.t("programmes-title")).staff().show(
        &ctx,
        html! {
            (tabs(&ctx, "programmes"))
            h1 { (ctx.t("programmes-title")) }
            form method="get" class="search" role="search" {
                label for="q" { (ctx.t("joint-search")) }
                input id="q" name="q" value=(view.query()) autocomplete="off";
                button type="submit" class="secondary" { (ctx.t("find")) }
            }
            p { a class="button" href="/staff/programmes/new" { (ctx.t("programmes-add")) } }
            @if found.is_empty() { p class="empty" { (ctx.t("programmes-empty")) } }
            @else { div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("programmes-title")) { table {
                thead { tr { th scope="col" { (ctx.t("field-approval")) } th scope="col" { (ctx.t("field-programme_name")) } th scope="col" { (ctx.t("field-partner")) } th scope="col" { (ctx.t("field-joint_level")) } } }
                tbody { @for row in &found {
                    tr {
                        td { a href={"/staff/programmes/" (row.programme.id)} { (row.programme.approval) } }
                        td { (row.programme.name) @if row.retired { " " span class="tag tag-withdrawn" { (ctx.t("programmes-retired")) } } }
                        td { (row.programme.partner) }
                        td { (ctx.t(&format!("choice-joint_level-{}", row.programme.level.code()))) }
                    }
                } }
            } } }
            @if let Some(more) = more { p { a href=(more) { (ctx.t("queue-more")) } } }
        },
    ))
}

/// The id of an address; `new` is one that is not there yet.
fn wanted(id: &str) -> Result<Option<ProgrammeId>, Rejection> {
    if id == "new" { Ok(None) } else { id.parse().map(Some).map_err(|_| Rejection::NotFound) }
}

/// `GET /staff/programmes/{id}`
pub async fn one(ctx: Ctx, id: web::Path<String>) -> Answer {
    ctx.officer(Act::KeepProgrammes).await?;
    let Some(wanted) = wanted(&id)? else { return Ok(form(&ctx, "new", None, &Shown::default())) };
    let row = ctx.db(move |store| store.programme(wanted)).await?;
    Ok(form(&ctx, &id, Some(row.retired), &Shown::of(programme_answers(&row.programme))))
}

fn form(ctx: &Ctx, id: &str, retired: Option<bool>, shown: &Shown) -> HttpResponse {
    Page::new(ctx.t("programmes-title")).staff().status(shown.status()).show(
        ctx,
        html! {
            p class="crumbs" { a href="/staff/programmes" { (ctx.t("programmes-title")) } }
            h1 { (ctx.t(if retired.is_some() { "programmes-edit" } else { "programmes-add" })) }
            (summary(ctx, shown))
            form method="post" action={"/staff/programmes/" (id)} novalidate {
                (token(ctx))
                @for each in &PROGRAMME { (field(ctx, each, shown)) }
                button type="submit" { (ctx.t("save")) }
            }
            @if let Some(retired) = retired {
                form method="post" action={"/staff/programmes/" (id) "/retire"} class="act" {
                    (token(ctx))
                    p class="hint" { (ctx.t("programmes-retire-words")) }
                    @if retired { button class="secondary" name="retire" value="" { (ctx.t("programmes-restore")) } }
                    @else { button class="danger" name="retire" value="yes" { (ctx.t("programmes-retire")) } }
                }
            }
        },
    )
}

/// `POST /staff/programmes/{id}`
pub async fn save(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer_keeping(Act::KeepProgrammes, &posted.0).await?;
    let known = wanted(&id)?;
    let key = known.unwrap_or_else(ProgrammeId::fresh);
    let retired = known.map(|_| false);
    let checked = match programme(&posted.0, key, ctx.today()) {
        Ok(programme) => programme,
        Err(errors) => return Ok(form(&ctx, &id, retired, &Shown::wrong(posted.0, errors))),
    };
    let act = if known.is_some() { "programme-changed" } else { "programme-added" };
    let (entry, now) = (entry(&officer, act, format!("programme:{key}")), ctx.now());
    let world = std::sync::Arc::clone(&ctx.site().tree.world);
    let saved = actors::run(&world.rows.clone(), move || world.store.save_programme(&checked, &entry, now)).await;
    match saved {
        Ok(()) => {
            ctx.flash("flash-saved");
            Ok(ctx.redirect("/staff/programmes"))
        }
        Err(StoreError::Taken(_)) => {
            let error = domain::form::FieldError::new("approval", "taken");
            Ok(form(&ctx, &id, retired, &Shown::wrong(posted.0, vec![error])))
        }
        Err(error) => Err(Failure::from(error)),
    }
}

/// `POST /staff/programmes/{id}/retire`
pub async fn retire(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::KeepProgrammes).await?;
    let id: ProgrammeId = id.parse().map_err(|_| Rejection::NotFound)?;
    let retire = posted.some("retire").is_some();
    let act = if retire { "programme-retired" } else { "programme-restored" };
    let (entry, now) = (entry(&officer, act, format!("programme:{id}")), ctx.now());
    ctx.db(move |store| store.retire_programme(id, retire, &entry, now)).await?;
    ctx.flash("flash-saved");
    Ok(ctx.redirect(&format!("/staff/programmes/{id}")))
}

/// `GET /staff/students`: nobody is listed unasked.
pub async fn students(ctx: Ctx) -> Answer {
    ctx.officer(Act::KeepProgrammes).await?;
    Ok(found(&ctx, None))
}

fn found(ctx: &Ctx, found: Option<&[(Student, bool)]>) -> HttpResponse {
    Page::new(ctx.t("students-title")).staff().show(
        ctx,
        html! {
            (tabs(ctx, "students"))
            h1 { (ctx.t("students-title")) }
            form method="post" action="/staff/students" class="search" role="search" {
                (token(ctx))
                label for="number" { (ctx.t("students-search")) }
                input id="number" name="number" class="medium" autocomplete="off";
                button type="submit" class="secondary" { (ctx.t("find")) }
            }
            p { a class="button" href="/staff/students/new" { (ctx.t("students-add")) } }
            @if let Some(found) = found {
                @if found.is_empty() { p class="empty" { (ctx.t("students-none")) } }
                ul class="cases" { @for (student, retired) in found {
                    li class="card" {
                        h2 { a href={"/staff/students/" (student.id)} { (student.name) } @if *retired { " " span class="tag tag-withdrawn" { (ctx.t("programmes-retired")) } } }
                        p { (student.approval) " · " (student.enrolled.format("%Y-%m")) " " span class="number" { (domain::document_number::masked(&student.document_number)) } }
                    }
                } }
            }
        },
    )
}

/// `POST /staff/students`: by document number, which belongs in no address.
pub async fn find_student(ctx: Ctx, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::KeepProgrammes).await?;
    let number = posted.get("number").to_owned();
    let (entry, now) = (entry(&officer, "searched", "students".into()), ctx.now());
    let rows = ctx
        .db(move |store| {
            store.note(&entry, now)?;
            store.students(Some(&number), None, None, ROWS)
        })
        .await?;
    Ok(found(&ctx, Some(&rows)))
}

fn student_answers(student: &Student) -> Raw {
    let enrolled = student.enrolled.format("%Y-%m").to_string();
    let pairs = [
        ("approval", student.approval.as_str()),
        ("student_name", &student.name),
        ("student_document_type", student.document_type.code()),
        ("student_document_number", &student.document_number),
        ("joint_enrolled", &enrolled),
        ("student_number", &student.number),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// `GET /staff/students/{id}`
pub async fn one_student(ctx: Ctx, id: web::Path<String>) -> Answer {
    let officer = ctx.officer(Act::KeepProgrammes).await?;
    if id.as_str() == "new" {
        return Ok(student_form(&ctx, "new", None, &Shown::default()));
    }
    let key: StudentId = id.parse().map_err(|_| Rejection::NotFound)?;
    let (entry, now) = (entry(&officer, "viewed", format!("student:{key}")), ctx.now());
    let (student, retired) = ctx
        .db(move |store| {
            store.note(&entry, now)?;
            store.student(key)
        })
        .await?;
    Ok(student_form(&ctx, &id, Some(retired), &Shown::of(student_answers(&student))))
}

fn student_form(ctx: &Ctx, id: &str, retired: Option<bool>, shown: &Shown) -> HttpResponse {
    Page::new(ctx.t("students-title")).staff().status(shown.status()).show(
        ctx,
        html! {
            p class="crumbs" { a href="/staff/students" { (ctx.t("students-title")) } }
            h1 { (ctx.t(if retired.is_some() { "students-edit" } else { "students-add" })) }
            (summary(ctx, shown))
            form method="post" action={"/staff/students/" (id)} novalidate {
                (token(ctx))
                @for each in &STUDENT { (field(ctx, each, shown)) }
                button type="submit" { (ctx.t("save")) }
            }
            @if let Some(retired) = retired {
                form method="post" action={"/staff/students/" (id) "/retire"} class="act" {
                    (token(ctx))
                    @if retired { button class="secondary" name="retire" value="" { (ctx.t("programmes-restore")) } }
                    @else { button class="danger" name="retire" value="yes" { (ctx.t("programmes-retire")) } }
                }
            }
        },
    )
}

/// `POST /staff/students/{id}`: document and programme say which student it is.
pub async fn save_student(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer_keeping(Act::KeepProgrammes, &posted.0).await?;
    let known = (id.as_str() != "new").then_some(false);
    let checked = match student(&posted.0, ctx.today()) {
        Ok(student) => student,
        Err(errors) => return Ok(student_form(&ctx, &id, known, &Shown::wrong(posted.0, errors))),
    };
    let old: Option<StudentId> = id.parse().ok();
    let (entry, now) = (entry(&officer, "student-saved", format!("student:{}", checked.id)), ctx.now());
    let world = std::sync::Arc::clone(&ctx.site().tree.world);
    let saved = actors::run(&world.rows.clone(), move || world.store.save_student(&checked, old, &entry, now)).await;
    match saved {
        Ok(()) => {
            ctx.flash("flash-saved");
            Ok(ctx.redirect("/staff/students"))
        }
        Err(StoreError::Missing) => {
            let error = domain::form::FieldError::new("approval", "unknown");
            Ok(student_form(&ctx, &id, known, &Shown::wrong(posted.0, vec![error])))
        }
        Err(error) => Err(Failure::from(error)),
    }
}

/// `POST /staff/students/{id}/retire`
pub async fn retire_student(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::KeepProgrammes).await?;
    let id: StudentId = id.parse().map_err(|_| Rejection::NotFound)?;
    let retire = posted.some("retire").is_some();
    let act = if retire { "student-retired" } else { "student-restored" };
    let (entry, now) = (entry(&officer, act, format!("student:{id}")), ctx.now());
    ctx.db(move |store| store.retire_student(id, retire, &entry, now)).await?;
    ctx.flash("flash-saved");
    Ok(ctx.redirect(&format!("/staff/students/{id}")))
}
