//! Bank transfers (R5.3, R5.4): one finance officer makes a batch, another releases it, the file goes to the bank, and
//! the bank's answers come back row by row.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, web};
use domain::Rejection;
use domain::effects::{Actor, AuditEntry};
use domain::ids::{BatchId, RefundId};
use domain::money::Fen;
use domain::refund::{MoveTransfer, Refund, RefundState, TransferStep};
use domain::staff::{Act, Officer};
use maud::html;
use sha2::{Digest, Sha256};
use store::{BatchRow, RefundPlace};

use crate::error::Failure;
use crate::staff::ledger;
use crate::web::Answer;
use crate::web::components::{instant, rows};
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// Most transfers in one batch.
const BATCH_MOST: i64 = 500;
const BATCHES_SHOWN: i64 = 50;

/// A transfer with whose it is.
struct Line {
    place: RefundPlace,
    refund: Refund,
    number: String,
}

async fn line(ctx: &Ctx, place: RefundPlace) -> Result<Line, Failure> {
    let applicant = ctx.site().tree.applicant(place.applicant).await?;
    let application = applicant.application(place.application)?;
    let refund = application.refunds.iter().find(|refund| refund.id == place.refund).ok_or(Rejection::NotFound)?;
    Ok(Line { place, refund: refund.clone(), number: application.number.clone().unwrap_or_default() })
}

async fn note(ctx: &Ctx, officer: &Officer, act: &'static str, batch: BatchId) -> Result<(), Failure> {
    let entry = AuditEntry { by: Actor::Staff(officer.id), act, subject: format!("batch:{batch}") };
    let now = ctx.now();
    ctx.db(move |store| store.note(&entry, now)).await
}

/// `GET /staff/transfers`
pub async fn show(ctx: Ctx) -> Answer {
    ctx.officer(Act::HandleMoney).await?;
    let (waiting, batches) =
        ctx.db(|store| Ok((store.refunds_for_transfer(BATCH_MOST)?, store.batches(BATCHES_SHOWN)?))).await?;
    let mut ready = 0;
    for place in waiting {
        ready += usize::from(line(&ctx, place).await?.refund.bank.is_some());
    }
    Ok(Page::new(ctx.t("transfers-title")).staff().show(
        &ctx,
        html! {
            (ledger::tabs(&ctx, "transfers"))
            h1 { (ctx.t("transfers-title")) }
            p { (ctx.with("transfers-ready", &[("count", &ready.to_string())])) }
            @if ready > 0 { form method="post" action="/staff/transfers" { (token(&ctx)) button type="submit" { (ctx.t("transfers-make")) } } }
            @if batches.is_empty() { p class="empty" { (ctx.t("transfers-empty")) } }
            ul { @for batch in &batches {
                li { a href={"/staff/transfers/" (batch.id)} { (instant(&ctx, batch.made_at)) } " "
                    span class="tag" { (ctx.t(match (&batch.released, &batch.dissolved) {
                        (Some(_), _) => "transfers-released",
                        (_, Some(_)) => "transfers-dissolved",
                        _ => "transfers-made",
                    })) } }
            } }
        },
    ))
}

/// `POST /staff/transfers`: puts all that wait into a new batch.
pub async fn make(ctx: Ctx, _: Posted) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let (by, now) = (officer.id, ctx.now());
    let mut ready = Vec::new();
    for place in ctx.db(|store| store.refunds_for_transfer(BATCH_MOST)).await? {
        let line = line(&ctx, place).await?;
        if line.refund.bank.is_some() {
            ready.push(line.place);
        }
    }
    if ready.is_empty() {
        return Ok(ctx.redirect("/staff/transfers"));
    }
    let batch = ctx.db(move |store| store.make_batch(by, now)).await?;
    note(&ctx, &officer, "batch-made", batch).await?;
    for place in ready {
        let (application, refund, step, answer) = (place.application, place.refund, TransferStep::Put, String::new());
        let put = MoveTransfer { application, refund, batch, step, answer };
        match ctx.site().tree.command(place.applicant, put).await {
            // Another batch was quicker.
            Ok(_) | Err(actors::Refusal::Rejected(_)) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    close(&ctx, batch).await?;
    Ok(ctx.redirect(&format!("/staff/transfers/{batch}")))
}

/// Freezes what is in a batch as the file for the bank.
async fn close(ctx: &Ctx, batch: BatchId) -> Result<(), Failure> {
    let file = find(ctx, &batch.to_string()).await?.file();
    ctx.db(move |store| store.close_batch(batch, file.as_bytes())).await
}

/// `POST /staff/transfers/{batch}/close`: finishes a batch whose making was cut off.
pub async fn finish(ctx: Ctx, id: web::Path<String>, _: Posted) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let batch: BatchId = id.parse().map_err(|_| Rejection::NotFound)?;
    note(&ctx, &officer, "batch-closed", batch).await?;
    close(&ctx, batch).await?;
    Ok(ctx.redirect(&format!("/staff/transfers/{batch}")))
}

struct Batch {
    row: BatchRow,
    lines: Vec<Line>,
}

impl Batch {
    fn total(&self) -> Fen {
        Fen(self.lines.iter().map(|line| line.refund.amount.0).sum())
    }

    /// The file for the bank: a line each, then count, total and the hash of all that stands before.
    fn file(&self) -> String {
        let mut file = String::from("no,refund,amount_fen,card,bank,cnaps,holder\r\n");
        for (at, line) in self.lines.iter().enumerate() {
            if let Some(bank) = &line.refund.bank {
                let clean = |text: &str| text.replace([',', '"', '\r', '\n'], " ");
                file.push_str(&format!(
                    "{},{},{},{},{},{},{}\r\n",
                    at + 1,
                    line.refund.id,
                    line.refund.amount.0,
                    bank.card,
                    clean(&bank.bank),
                    bank.branch,
                    clean(&bank.holder)
                ));
            }
        }
        let hash = hex::encode(Sha256::digest(file.as_bytes()));
        format!("{file}TOTAL,{},{},{hash}\r\n", self.lines.len(), self.total().0)
    }
}

async fn find(ctx: &Ctx, id: &str) -> Result<Batch, Failure> {
    let id: BatchId = id.parse().map_err(|_| Rejection::NotFound)?;
    let (row, places) = ctx.db(move |store| store.batch(id)).await?;
    let mut lines = Vec::new();
    for place in places {
        lines.push(line(ctx, place).await?);
    }
    Ok(Batch { row, lines })
}

/// One row of the bank's answer that can't be taken, by its place.
struct Wrong {
    at: usize,
    words: String,
}

/// `GET /staff/transfers/{batch}`
pub async fn one(ctx: Ctx, id: web::Path<String>) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let batch = find(&ctx, &id).await?;
    note(&ctx, &officer, "viewed-batch", batch.row.id).await?;
    Ok(page(&ctx, &officer, &batch, "", &[]))
}

fn page(ctx: &Ctx, officer: &Officer, batch: &Batch, typed: &str, wrong: &[Wrong]) -> HttpResponse {
    let status = if wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let own = batch.row.made_by == officer.id.to_string();
    let to = format!("/staff/transfers/{}", batch.row.id);
    Page::new(ctx.t("transfers-title")).staff().status(status).show(
        ctx,
        html! {
            p class="crumbs" { a href="/staff/transfers" { (ctx.t("transfers-title")) } }
            h1 { (ctx.t("transfers-title")) " " (instant(ctx, batch.row.made_at)) }
            @if !wrong.is_empty() {
                div class="summary" role="alert" { h2 { (ctx.t("transfers-nothing-taken")) }
                    ul { @for each in wrong { li { (ctx.with("transfers-row", &[("row", &each.at.to_string())])) " " (each.words) } } } }
            }
            (rows(&[
                (ctx.t("transfers-count"), batch.lines.len().to_string()),
                (ctx.t("pay-amount"), format!("¥{}", batch.total())),
            ]))
            section class="card acts" {
                h2 { (ctx.t("acts")) }
                @if batch.row.released.is_some() {
                    p { a class="button" href={(to) "/file.csv"} { (ctx.t("transfers-file")) } }
                    form method="post" action={(to) "/answers"} class="act" {
                        (token(ctx))
                        label for="answers" { (ctx.t("transfers-answers")) }
                        p class="hint" { (ctx.t("transfers-answers-hint")) }
                        textarea id="answers" name="answers" rows="5" spellcheck="false" { (typed) }
                        button type="submit" { (ctx.t("transfers-answers-do")) }
                    }
                } @else if batch.row.dissolved.is_some() { p { (ctx.t("transfers-dissolved-words")) } }
                @else if batch.row.hash.is_none() {
                    form method="post" action={(to) "/close"} class="act" { (token(ctx)) p { (ctx.t("transfers-open")) } button type="submit" { (ctx.t("transfers-close")) } }
                } @else if own { p class="advice" { (ctx.t("transfers-own")) } }
                @else {
                    form method="post" action={(to) "/release"} class="act" { (token(ctx)) input type="hidden" name="seen" value=(batch.row.hash.clone().unwrap_or_default()); p { (ctx.t("refund-approve-words")) } button type="submit" { (ctx.t("transfers-release")) } }
                }
                @if batch.row.released.is_none() && batch.row.dissolved.is_none() {
                    form method="post" action={(to) "/dissolve"} class="act" { (token(ctx)) p { (ctx.t("transfers-dissolve-words")) } button type="submit" class="secondary" { (ctx.t("transfers-dissolve")) } }
                }
            }
            table {
                thead { tr { th scope="col" { (ctx.t("case-number")) } th scope="col" { (ctx.t("transfers-refund")) } th scope="col" class="amount" { (ctx.t("pay-amount")) } th scope="col" { (ctx.t("refund-stage-sent")) } } }
                tbody { @for line in &batch.lines {
                    tr {
                        td { a href={"/staff/refund/" (line.place.application) "/" (line.place.refund)} { (line.number) } }
                        td { code { (line.refund.id) } } td class="amount" { (line.refund.amount) }
                        td { (ctx.t(&format!("refund-state-{}", line.refund.state.code()))) }
                    }
                } }
            }
        },
    )
}

/// `POST /staff/transfers/{batch}/release`: by a second person.
pub async fn release(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    ctx.confirmed(&posted.0).await?;
    let batch: BatchId = id.parse().map_err(|_| Rejection::NotFound)?;
    let (by, now) = (officer.id, ctx.now());
    let (row, _) = ctx.db(move |store| store.batch(batch)).await?;
    if row.made_by == by.to_string() {
        return Err(Rejection::OwnProposal.into());
    }
    note(&ctx, &officer, "batch-released", batch).await?;
    // What is released is the file that was seen; released already is released.
    let seen = posted.get("seen").to_owned();
    let done = ctx.db(move |store| store.release_batch(batch, by, &seen, now)).await?;
    if !done && row.released.is_none() {
        return Err(Rejection::Stale.into());
    }
    ctx.site().tree.world.wake.refunds();
    ctx.flash("flash-decided");
    Ok(ctx.redirect(&format!("/staff/transfers/{batch}")))
}

/// `POST /staff/transfers/{batch}/dissolve`: one that is not to be released; what was in it waits for the next.
pub async fn dissolve(ctx: Ctx, id: web::Path<String>, _: Posted) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let batch: BatchId = id.parse().map_err(|_| Rejection::NotFound)?;
    let now = ctx.now();
    note(&ctx, &officer, "batch-dissolved", batch).await?;
    if !ctx.db(move |store| store.dissolve_batch(batch, now)).await? {
        return Err(Rejection::Stale.into());
    }
    ctx.site().tree.world.wake.refunds();
    ctx.flash("flash-decided");
    Ok(ctx.redirect(&format!("/staff/transfers/{batch}")))
}

/// `GET /staff/transfers/{batch}/file.csv`: only what was released.
pub async fn file(ctx: Ctx, id: web::Path<String>) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let batch = find(&ctx, &id).await?;
    if batch.row.released.is_none() {
        return Err(Rejection::NotNow("other-stage").into());
    }
    note(&ctx, &officer, "batch-downloaded", batch.row.id).await?;
    let key = batch.row.id;
    let bytes = ctx.db(move |store| store.batch_file(key)).await?;
    let name = format!("attachment; filename=\"transfers-{}.csv\"", batch.row.id);
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, name))
        .body(bytes))
}

/// `POST /staff/transfers/{batch}/answers`: every row is read before any is taken.
pub async fn answers(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::HandleMoney).await?;
    let batch = find(&ctx, &id).await?;
    if batch.row.released.is_none() {
        return Err(Rejection::NotNow("other-stage").into());
    }
    let typed = posted.get("answers").to_owned();
    let (mut steps, mut wrong) = (Vec::new(), Vec::new());
    for (at, text) in typed.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let mut parts = text.splitn(3, ',').map(str::trim);
        let refund = parts.next().and_then(|id| id.parse::<RefundId>().ok());
        let known = refund.and_then(|id| batch.lines.iter().find(|line| line.refund.id == id));
        let step = match parts.next() {
            Some("paid") => Some(TransferStep::PaidOut),
            Some("returned") => Some(TransferStep::SentBack),
            _ => None,
        };
        let mut complain = |key: &str| wrong.push(Wrong { at: at + 1, words: ctx.t(key) });
        match (known, step) {
            (None, _) => complain("transfers-unknown"),
            (_, None) => complain("transfers-result"),
            (Some(line), Some(_)) if line.refund.state == RefundState::Approved => complain("transfers-too-early"),
            (Some(line), Some(step)) => steps.push((line.place, step, parts.next().unwrap_or_default().to_owned())),
        }
    }
    if steps.is_empty() && wrong.is_empty() {
        wrong.push(Wrong { at: 1, words: ctx.t("transfers-result") });
    }
    if !wrong.is_empty() {
        return Ok(page(&ctx, &officer, &batch, &typed, &wrong));
    }
    note(&ctx, &officer, "batch-answers", batch.row.id).await?;
    for (at, (place, step, answer)) in steps.into_iter().enumerate() {
        let (application, refund, batch) = (place.application, place.refund, batch.row.id);
        let moved = MoveTransfer { application, refund, batch, step, answer };
        match ctx.site().tree.command(place.applicant, moved).await {
            Ok(_) => {}
            // It has gone another way meanwhile: told, not dropped.
            Err(actors::Refusal::Rejected(_)) => wrong.push(Wrong { at: at + 1, words: ctx.t("transfers-elsewhere") }),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    if !wrong.is_empty() {
        let batch = find(&ctx, &batch.row.id.to_string()).await?;
        return Ok(page(&ctx, &officer, &batch, &typed, &wrong));
    }
    ctx.flash("flash-decided");
    Ok(ctx.redirect(&format!("/staff/transfers/{}", batch.row.id)))
}
