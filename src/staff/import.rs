//! Import of programmes and students (R3.8): the file is read whole and reported row by row; only one without a fault can
//! be taken, and it is taken whole or not at all.

use std::sync::Arc;

use actix_multipart::Multipart;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use actors::run;
use domain::Rejection;
use domain::effects::{Actor, AuditEntry};
use domain::form::{Field, FieldError};
use domain::ids::ImportId;
use domain::import::{self, COMPLAINTS_MOST, Complaint, FILE_MOST, PROGRAMME, STUDENT, Unreadable};
use domain::staff::Act;
use futures_util::StreamExt;
use maud::{Markup, html};
use store::{Batch, Imported, StoreError};

use crate::applicant::upload::drain;
use crate::error::Failure;
use crate::staff::programmes::tabs;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::error_words;
use crate::web::layout::{Page, token};
use crate::web::posted::{Posted, TOKEN, is_ours, token_fits};

/// What can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Programmes,
    Students,
}

impl What {
    fn of(path: &str) -> Result<Self, Rejection> {
        match path {
            "programmes" => Ok(Self::Programmes),
            "students" => Ok(Self::Students),
            _ => Err(Rejection::NotFound),
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Programmes => "programmes",
            Self::Students => "students",
        }
    }

    const fn fields(self) -> &'static [Field] {
        match self {
            Self::Programmes => &PROGRAMME,
            Self::Students => &STUDENT,
        }
    }
}

/// `GET /staff/import`
pub async fn show(ctx: Ctx) -> Answer {
    ctx.officer(Act::KeepProgrammes).await?;
    Ok(page(&ctx, StatusCode::OK, &html! {}))
}

fn page(ctx: &Ctx, status: StatusCode, report: &Markup) -> HttpResponse {
    Page::new(ctx.t("import-title")).staff().status(status).show(
        ctx,
        html! {
            (tabs(ctx, "import"))
            h1 { (ctx.t("import-title")) }
            (report)
            @for what in [What::Programmes, What::Students] {
                section class="card" {
                    h2 { (ctx.t(&format!("{}-title", what.code()))) }
                    p class="hint" { (ctx.t("import-hint")) }
                    p { code { (what.fields().iter().map(|field| ctx.t(&format!("field-{}", field.name))).collect::<Vec<_>>().join(",")) } }
                    form method="post" action={"/staff/import/" (what.code())} enctype="multipart/form-data" {
                        (token(ctx))
                        label for={"file-" (what.code())} { (ctx.t("import-choose")) }
                        input type="file" id={"file-" (what.code())} name="file" accept=".csv,text/csv";
                        button type="submit" class="secondary" { (ctx.t("import-read")) }
                    }
                }
            }
        },
    )
}

/// `POST /staff/import/{what}`: reads the file and says what would become of it.
pub async fn read(ctx: Ctx, what: web::Path<String>, mut form: Multipart) -> Answer {
    let answer = preview(&ctx, &what, &mut form).await;
    drain(&mut form).await;
    answer
}

async fn file(ctx: &Ctx, form: &mut Multipart) -> Result<Option<Vec<u8>>, Failure> {
    let mut believed = false;
    while let Some(part) = form.next().await {
        let mut part = part.map_err(|_| Failure::Forged)?;
        let name = part.name().unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        while let Some(chunk) = part.next().await {
            bytes.extend_from_slice(&chunk.map_err(|_| Failure::Forged)?);
            if bytes.len() > FILE_MOST {
                return Ok(None);
            }
        }
        if name == TOKEN {
            believed = is_ours(ctx) && String::from_utf8(bytes).is_ok_and(|token| token_fits(ctx, &token));
        } else if !believed {
            return Err(Failure::Forged);
        } else if name == "file" {
            return Ok(Some(bytes));
        }
    }
    Ok(Some(Vec::new()))
}

/// A file with its complaints, and the batch if there are none.
struct Looked {
    rows: usize,
    complaints: Vec<Complaint>,
    batch: Option<Batch>,
}

async fn preview(ctx: &Ctx, what: &str, form: &mut Multipart) -> Answer {
    let officer = ctx.officer(Act::KeepProgrammes).await?;
    let what = What::of(what)?;
    let wrong = |words: String| {
        let report = html! { div class="summary" role="alert" { h2 { (ctx.t("import-unreadable")) } p { (words) } } };
        Ok(page(ctx, StatusCode::UNPROCESSABLE_ENTITY, &report))
    };
    let Some(bytes) = file(ctx, form).await? else { return wrong(ctx.t("import-too-large")) };
    let (texts, today, world) = (ctx.texts(), ctx.today(), Arc::clone(&ctx.site().tree.world));
    let heavy = world.heavy.clone();
    let looked = run(&heavy, move || {
        let label = |name: &str| texts.get(&format!("field-{name}"));
        Ok(match what {
            What::Programmes => {
                let read = import::programmes(&bytes, &label, today)?;
                let rows = read.rows.len() + read.complaints.len();
                let batch = Batch::Programmes(read.rows.into_iter().map(|(_, row)| row).collect());
                Looked { rows, batch: read.complaints.is_empty().then_some(batch), complaints: read.complaints }
            }
            What::Students => {
                let mut read = import::students(&bytes, &label, today)?;
                let rows = read.rows.len() + read.complaints.len();
                // Each programme must be in the list before its students.
                let mut approvals: Vec<String> = read.rows.iter().map(|(_, row)| row.approval.clone()).collect();
                approvals.sort();
                approvals.dedup();
                let known = world.store.known_approvals(&approvals).unwrap_or_default();
                for (line, row) in &read.rows {
                    if !known.contains(&row.approval) && read.complaints.len() < COMPLAINTS_MOST {
                        read.complaints.push(Complaint { line: *line, error: FieldError::new("approval", "unknown") });
                    }
                }
                let students = read.rows.into_iter().map(|(_, row)| row).collect();
                let batch = Batch::Students(students);
                Looked { rows, batch: read.complaints.is_empty().then_some(batch), complaints: read.complaints }
            }
        })
    })
    .await;
    let looked = match looked {
        Ok(looked) => looked,
        Err(Unreadable::Empty) => return wrong(ctx.t("import-empty")),
        Err(Unreadable::Letters) => return wrong(ctx.t("import-letters")),
        Err(Unreadable::TooMany(most)) => return wrong(ctx.with("import-too-many", &[("most", &most.to_string())])),
        Err(Unreadable::Column(name)) => {
            let column = ctx.t(&format!("field-{name}"));
            return wrong(ctx.with("import-column", &[("column", &column)]));
        }
        Err(Unreadable::Unknown(column)) => return wrong(ctx.with("import-unknown", &[("column", &column)])),
    };
    let Some(batch) = looked.batch else { return Ok(refused(ctx, what, &looked)) };
    let (by, now) = (officer.id, ctx.now());
    let kept = ctx
        .db(move |store| {
            let id = store.keep_import(&batch, by, now)?;
            let entry = AuditEntry { by: Actor::Staff(by), act: "import-read", subject: format!("import:{id}") };
            store.note(&entry, now)?;
            Ok((id, store.import(id, &entry, false, now)?))
        })
        .await?;
    Ok(page(ctx, StatusCode::OK, &confirm(ctx, what, kept)))
}

/// The report of a file with faults: nothing of it is taken.
fn refused(ctx: &Ctx, what: What, looked: &Looked) -> HttpResponse {
    let count = looked.complaints.len().to_string();
    let report = html! {
        div class="summary" role="alert" {
            h2 { (ctx.t("import-refused")) }
            p { (ctx.t(&format!("{}-title", what.code()))) " · " (ctx.with("import-faults", &[("rows", &looked.rows.to_string()), ("count", &count)])) }
        }
        div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("import-refused")) { table {
            thead { tr { th scope="col" { (ctx.t("import-line")) } th scope="col" { (ctx.t("import-field")) } th scope="col" { (ctx.t("import-fault")) } } }
            tbody { @for each in &looked.complaints {
                tr { td { (each.line) } td { (ctx.texts().find(&format!("field-{}", each.error.field)).unwrap_or_default()) } td { (error_words(ctx, &each.error)) } }
            } }
        } }
    };
    page(ctx, StatusCode::UNPROCESSABLE_ENTITY, &report)
}

/// The report of a file without faults, with the button that takes it.
fn confirm(ctx: &Ctx, what: What, (id, would): (ImportId, Imported)) -> Markup {
    html! {
        section class="card" {
            h2 { (ctx.t("import-preview")) " · " (ctx.t(&format!("{}-title", what.code()))) }
            (counts(ctx, would))
            form method="post" action={"/staff/import/" (id) "/apply"} {
                (token(ctx))
                button type="submit" { (ctx.t("import-do")) }
            }
        }
    }
}

fn counts(ctx: &Ctx, done: Imported) -> Markup {
    crate::web::components::rows(&[
        (ctx.t("import-new"), done.new.to_string()),
        (ctx.t("import-changed"), done.changed.to_string()),
        (ctx.t("import-same"), done.same.to_string()),
    ])
}

/// `POST /staff/import/{id}/apply`
pub async fn apply(ctx: Ctx, id: web::Path<String>, _: Posted) -> Answer {
    let officer = ctx.officer(Act::KeepProgrammes).await?;
    let id: ImportId = id.parse().map_err(|_| Rejection::NotFound)?;
    let entry = AuditEntry { by: Actor::Staff(officer.id), act: "imported", subject: format!("import:{id}") };
    let (world, now) = (Arc::clone(&ctx.site().tree.world), ctx.now());
    let done = run(&world.rows.clone(), move || world.store.import(id, &entry, true, now)).await;
    match done {
        Ok(done) => {
            let report = html! { section class="card" { h2 { (ctx.t("import-done")) } (counts(&ctx, done)) } };
            Ok(page(&ctx, StatusCode::OK, &report))
        }
        // Pressed twice, or left lying too long.
        Err(StoreError::Missing) => {
            let report = html! { p class="advice" { (ctx.t("import-gone")) } };
            Ok(page(&ctx, StatusCode::CONFLICT, &report))
        }
        Err(error) => Err(Failure::from(error)),
    }
}
