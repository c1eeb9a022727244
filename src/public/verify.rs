//! Public verification (R2.16): by the QR code's address, by number and name, or by the file itself. A wrong name looks like
//! no document; of the person no more is shown than a masked name. Machines get the same as JSON.

use std::sync::Arc;

use actix_multipart::Multipart;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use actors::{Fault, run};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use documents::{Examined, FILE_MOST, Kind as FileKind, examine};
use domain::case::Outcome;
use domain::certificate::{Certificate, Standing};
use domain::form::{Field, FieldError, Kind, text};
use domain::payment::AttemptState;
use domain::person;
use maud::{Markup, html};
use proof::merkle::SignedHead;
use serde_json::{Value, json};
use store::{Limit, LogEntry, StoreError, Verified};

use crate::applicant::{payments, upload};
use crate::error::Failure;
use crate::public::log;
use crate::web::Answer;
use crate::web::components::{day, instant, rows};
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, error_words, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::{Asked, TOKEN, is_ours, token_fits};

const FIELDS: [Field; 2] = [Field::must("verify_number", Kind::Text(40)), Field::must("verify_name", Kind::Text(66))];
/// The field of the file.
const FILE: &str = "verify_file";

/// `GET /verify`
pub async fn ask(ctx: Ctx) -> Answer {
    Ok(asking(&ctx, &Shown::default()))
}

fn asking(ctx: &Ctx, shown: &Shown) -> HttpResponse {
    let wrong = shown.errors.iter().find(|error| error.field == FILE);
    Page::new(ctx.t("verify-title")).status(shown.status()).with_form().show(
        ctx,
        html! {
            h1 { (ctx.t("verify-title")) }
            p class="lead" { (ctx.t("verify-lead")) }
            (summary(ctx, shown))
            section class="card" {
                h2 { (ctx.t("verify-by-number")) }
                p { (ctx.t("verify-words")) }
                form id="main" method="post" action="/verify" novalidate {
                    (token(ctx))
                    @for each in &FIELDS { (field(ctx, each, shown)) }
                    button type="submit" { (ctx.t("verify-do")) }
                }
            }
            section class="card" {
                h2 { (ctx.t("verify-by-file")) }
                p { (ctx.t("verify-file-words")) }
                form method="post" action="/verify/file" enctype="multipart/form-data" {
                    (token(ctx))
                    div class=(if wrong.is_some() { "field wrong" } else { "field" }) {
                        label for=(FILE) { (ctx.t("field-verify_file")) }
                        p class="hint" id={(FILE) "-hint"} { (ctx.t("hint-verify_file")) }
                        @if let Some(error) = wrong { p class="error" id={(FILE) "-error"} { (error_words(ctx, error)) } }
                        input type="file" id=(FILE) name="file" aria-invalid=[wrong.map(|_| "true")] accept="application/pdf,.pdf,.jwt,.json"
                            aria-describedby=(if wrong.is_some() { format!("{FILE}-hint {FILE}-error") } else { format!("{FILE}-hint") });
                    }
                    button type="submit" class="secondary" { (ctx.t("verify-file-do")) }
                }
            }
            section {
                h2 { (ctx.t("verify-by-code")) }
                p { (ctx.t("verify-code-words")) }
                p class="hint" { (ctx.t("verify-log-words")) " " a href="/log" { (ctx.t("log-title")) } }
            }
        },
    )
}

/// `POST /verify`
pub async fn by_number(ctx: Ctx, asked: Asked) -> Answer {
    if let Some(language) = asked.0.get("switch_language").and_then(|tag| person::Language::from_tag(tag)) {
        return Ok(asking(&ctx.in_language(language), &Shown::of(asked.0)));
    }
    let answers = match domain::form::check(&FIELDS, &asked.0, ctx.today()) {
        Ok(answers) => answers,
        Err(errors) if ctx.wants_json() => {
            let fields: Vec<_> =
                errors.iter().map(|error| json!({"field": error.field, "error": error.code})).collect();
            return Ok(answer(&ctx, StatusCode::UNPROCESSABLE_ENTITY, "invalid", json!({"errors": fields})));
        }
        Err(errors) => return Ok(asking(&ctx, &Shown::wrong(asked.0, errors))),
    };
    let (number, name) = (text(&answers, "verify_number").to_owned(), text(&answers, "verify_name").to_owned());
    let plain: String = number.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    let (who, of, now) = (format!("verify:{}", ctx.limited_network()), format!("verify-number:{plain}"), ctx.now());
    let found = ctx
        .db(move |store| {
            if let Err(seconds) = store.count_try(&who, Limit::GUESSES, now)? {
                return Ok(Err(seconds));
            }
            // From many networks at once nobody gets further, and whether the number is one of ours makes no difference.
            if let Err(seconds) = store.count_try(&of, Limit::GUESSES_OF_NUMBER, now)? {
                return Ok(Err(seconds));
            }
            let found = store.certificate_by_number(&number, &name)?;
            if found.is_some() {
                store.forget_try(&who)?;
                store.forget_try(&of)?;
            }
            Ok(Ok(found))
        })
        .await?;
    match found {
        Err(seconds) => too_many(&ctx, seconds),
        Ok(Some(found)) => result(&ctx, &found, By::Number).await,
        Ok(None) => Ok(unknown(&ctx, "unknown")),
    }
}

/// `GET /verify/{token}`
pub async fn by_token(ctx: Ctx, path: web::Path<String>) -> Answer {
    let token = path.into_inner();
    let (who, now) = (format!("verify-miss:{}", ctx.limited_network()), ctx.now());
    let found = ctx
        .db(move |store| {
            let found = if token.len() == 32 { store.certificate_by_token(&token)? } else { None };
            // Only misses are counted: a lecture hall may look at one certificate at once.
            match found {
                None => Ok(store.count_try(&who, Limit::MISSES, now)?.map(|()| None)),
                found => Ok(Ok(found)),
            }
        })
        .await?;
    match found {
        Err(seconds) => too_many(&ctx, seconds),
        Ok(Some(found)) => result(&ctx, &found, By::Address).await.map(readable),
        Ok(None) => Ok(unknown(&ctx, "unknown-address")),
    }
}

/// What was asked by an address that nobody guesses may be read by pages of others, too.
fn readable(mut answer: HttpResponse) -> HttpResponse {
    let anybody = header::HeaderValue::from_static("*");
    answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anybody);
    answer
}

/// `POST /verify/file`: nothing of the file is kept.
pub async fn by_file(ctx: Ctx, mut form: Multipart) -> Answer {
    let mut believed = ctx.wants_json() && is_ours(&ctx);
    let mut file: Option<(Vec<u8>, bool)> = None;
    while let Some(part) = futures_util::StreamExt::next(&mut form).await {
        let Ok(mut part) = part else { break };
        match part.content_disposition().and_then(|known| known.get_name()).unwrap_or_default() {
            TOKEN => {
                let (token, _) = upload::read(&mut part, 200).await?;
                believed = is_ours(&ctx) && String::from_utf8(token).is_ok_and(|token| token_fits(&ctx, &token));
            }
            "file" if believed => {
                file = Some(upload::read(&mut part, FILE_MOST).await?);
                break;
            }
            _ => {}
        }
    }
    if !believed {
        return Err(Failure::Forged);
    }
    // A browser shows the answer only once it has sent all.
    upload::drain(&mut form).await;
    let refuse = |code: &'static str| {
        if ctx.wants_json() {
            return answer(
                &ctx,
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                json!({"errors": [{"field": "file", "error": code}]}),
            );
        }
        let error = FieldError::new(FILE, code).with("most", FILE_MOST / 1024 / 1024);
        asking(&ctx, &Shown::wrong(Default::default(), vec![error]))
    };
    let bytes = match file {
        None => return Ok(refuse("file-none")),
        Some((_, true)) => return Ok(refuse("too-large")),
        Some((bytes, _)) if bytes.is_empty() => return Ok(refuse("file-none")),
        Some((bytes, _)) => bytes,
    };
    let (who, now) = (format!("verify-file:{}", ctx.limited_network()), ctx.now());
    if let Err(seconds) = ctx.db(move |store| store.count_try(&who, Limit::FILES, now)).await? {
        return too_many(&ctx, seconds);
    }
    let world = Arc::clone(&ctx.site().tree.world);
    let heavy = world.heavy.clone();
    let examined = run(&heavy, move || Ok::<_, StoreError>(examine(&bytes, world.document_keys().trust()))).await?;
    // The very file that was issued is known by its hash, one from before there were signatures, too.
    match recorded(&ctx, &examined).await? {
        Some(found) => result(&ctx, &found, By::File(&examined)).await,
        None if examined.holds() => by_receipt(&ctx, &examined).await,
        None => Ok(broken(&ctx, &examined)),
    }
}

/// The certificate that a file is of. A PDF must be the very file that was issued; a credential that is signed by us names
/// the document that it is of.
async fn recorded(ctx: &Ctx, examined: &Examined) -> Result<Option<Verified>, Failure> {
    let hash = examined.sha256.clone();
    if examined.kind == FileKind::Pdf {
        return ctx.db(move |store| store.certificate_by_document(&hash)).await;
    }
    if !examined.holds() {
        return Ok(None);
    }
    let id = examined.credential.as_ref().and_then(|credential| credential.get("id")).and_then(Value::as_str);
    let token = id.and_then(|id| id.rsplit('/').next()).and_then(|last| last.split('#').next()).unwrap_or_default();
    let token = token.to_owned();
    ctx.db(move |store| if token.len() == 32 { store.certificate_by_token(&token) } else { Ok(None) }).await
}

/// A file that we signed, and that is no certificate: a receipt, or something that is not in our records.
async fn by_receipt(ctx: &Ctx, examined: &Examined) -> Answer {
    let kinds = examined.credential.as_ref().and_then(|credential| credential.get("type")).and_then(Value::as_array);
    let is_receipt = kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "ReceiptCredential"));
    if is_receipt && let Some(order) = examined.number() {
        let code = payments::receipt_code(ctx, order);
        return receipt_of(ctx, order, &code, Some(examined)).await;
    }
    Ok(verdict_page(ctx, "unrecorded", html! { (checks(ctx, examined)) }, Some(examined)))
}

/// What does not hold of a file.
fn broken(ctx: &Ctx, examined: &Examined) -> HttpResponse {
    // What never was ours is told apart from what was ours and is no longer as it was.
    let ours = examined.checks.iter().any(|check| check.what == "file" && check.found.is_ok());
    let state = if examined.kind == FileKind::Unknown || !ours && examined.kind == FileKind::Pdf {
        "foreign"
    } else {
        "changed"
    };
    verdict_page(ctx, state, checks(ctx, examined), Some(examined))
}

/// A page with a verdict that no record stands behind.
fn verdict_page(ctx: &Ctx, state: &'static str, body: Markup, examined: Option<&Examined>) -> HttpResponse {
    if ctx.wants_json() {
        return answer(ctx, StatusCode::OK, state, examined.map(told).unwrap_or_default());
    }
    // Its file is not sent again: the language is chosen before.
    Page::new(ctx.t(&format!("verify-{state}"))).once().show(
        ctx,
        html! {
            h1 { (ctx.t("verify-title")) }
            (verdict(ctx, "unknown", state))
            (body)
            (ending(ctx))
        },
    )
}

/// The verdict, in a box of its look.
pub fn verdict(ctx: &Ctx, look: &str, state: &str) -> Markup {
    html! {
        div class={"verdict verdict-" (look)} role="status" {
            p { strong { (ctx.t(&format!("verify-{state}"))) } }
            p { (ctx.t(&format!("verify-{state}-words"))) }
        }
    }
}

fn ending(ctx: &Ctx) -> Markup {
    html! {
        p class="hint" { (ctx.with("verify-at", &[("at", &instant(ctx, ctx.now()))])) span class="no-print" { " · " (ctx.t("verify-print")) } }
        p class="no-print" { a href="/verify" { (ctx.t("verify-again")) } }
    }
}

/// Check by check, in words; the technical words beneath are the same in every language.
fn checks(ctx: &Ctx, examined: &Examined) -> Markup {
    html! {
        section {
            h2 { (ctx.t("check-title")) }
            ul class="checks" { @for check in &examined.checks {
                @let held = check.found.is_ok();
                li class=(if held { "held" } else { "failed" }) {
                    span class="hidden" { (ctx.t(if held { "check-held" } else { "check-failed" })) " " }
                    (ctx.t(&format!("check-{}{}", check.what, if held { "" } else { "-failed" })))
                    @let detail = check.found.as_ref().unwrap_or_else(|why| why);
                    @if !detail.is_empty() { " " span class="hint" lang="en" { (detail) } }
                }
            } }
            p class="hint" { "SHA-256 " span class="number" { (examined.sha256) } }
        }
    }
}

fn told(examined: &Examined) -> Value {
    let each = |check: &documents::Check| json!({"check": check.what, "holds": check.found.is_ok(), "detail": check.found.as_ref().unwrap_or_else(|why| why)});
    json!({
        "sha256": examined.sha256,
        "signedAt": examined.signed_at,
        "checks": examined.checks.iter().map(each).collect::<Vec<_>>(),
    })
}

/// An answer for machines.
fn answer(ctx: &Ctx, status: StatusCode, state: &str, more: Value) -> HttpResponse {
    let mut body = json!({"state": state, "checkedAt": ctx.now()});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    HttpResponse::build(status).json(body)
}

fn too_many(ctx: &Ctx, seconds: i64) -> Answer {
    if !ctx.wants_json() {
        return Err(Failure::TooMany(seconds));
    }
    let mut refused = answer(ctx, StatusCode::TOO_MANY_REQUESTS, "too-many", json!({"retryAfterSeconds": seconds}));
    refused.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    Ok(refused)
}

fn unknown(ctx: &Ctx, words: &str) -> HttpResponse {
    if ctx.wants_json() {
        return answer(ctx, StatusCode::NOT_FOUND, "unknown", json!({}));
    }
    Page::new(ctx.t(&format!("verify-{words}"))).status(StatusCode::NOT_FOUND).show(
        ctx,
        html! {
            h1 { (ctx.t("verify-title")) }
            (verdict(ctx, "unknown", words))
            (ending(ctx))
        },
    )
}

/// A document's place in the transparency log, with the proof of it.
pub struct Logged {
    entry: LogEntry,
    head: SignedHead,
    proof: Vec<proof::merkle::Hash>,
}

/// Whether there is something to say of a document at all.
pub enum Vouched {
    /// Row and log agree; the place of its last entry, unless it is still being made.
    Yes(Option<Logged>),
    /// They do not: somebody changed one of them, and nothing is said.
    No,
}

impl Logged {
    /// The last entry about a document.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(ctx: &Ctx, found: &Verified) -> Result<Vouched, Failure> {
        let world = Arc::clone(&ctx.site().tree.world);
        let (rows, about) = (world.rows.clone(), found.certificate.clone());
        let looked = run(&rows, move || {
            let Some(mut entries) = world.store.vouched(&about)? else { return Ok::<_, StoreError>(Vouched::No) };
            let Some(entry) = entries.pop() else { return Ok(Vouched::Yes(None)) };
            let head = world.signed_head()?;
            let proof = world.store.log_inclusion(entry.index, head.size)?;
            Ok(Vouched::Yes(Some(Self { entry, head, proof })))
        });
        let vouched = looked.await?;
        if matches!(vouched, Vouched::No) {
            Fault::new(format!("certificate {} is not as the log of documents has it", found.certificate.id));
        }
        Ok(vouched)
    }

    fn json(&self) -> Value {
        json!({
            "entry": self.entry.body,
            "leaf_index": self.entry.index,
            "audit_path": self.proof.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>(),
            "sth": log::head_json(&self.head),
        })
    }
}

/// By what somebody came to a document.
#[derive(Clone, Copy)]
enum By<'a> {
    /// Its address, from the QR code.
    Address,
    /// Number and name.
    Number,
    /// Its file.
    File(&'a Examined),
}

/// What is said where nothing is vouched for.
pub fn unconfirmed(ctx: &Ctx) -> HttpResponse {
    verdict_page(ctx, "unconfirmed", html! {}, None)
}

/// How a document is told to a layman: a state whose words are `verify-{state}`, and the look of it.
pub fn state_of(certificate: &Certificate) -> (String, &'static str) {
    match (certificate.standing, certificate.outcome) {
        // A number is given with the decision; there is nothing to rely on before the document is there.
        (Standing::Valid, _) if certificate.document.is_none() => ("making".into(), "superseded"),
        (Standing::Valid, Outcome::Certificate) => ("valid".into(), "valid"),
        // A notice that holds is no certificate, and a layman must not take it for one.
        (Standing::Valid, outcome) => (format!("valid-{}", outcome.code()), "superseded"),
        (other, _) => (other.code().into(), other.code()),
    }
}

async fn result(ctx: &Ctx, found: &Verified, by: By<'_>) -> Answer {
    let applicant = ctx.site().tree.applicant(found.applicant).await?;
    let application = applicant.application(found.application)?;
    let certificate = &found.certificate;
    let Vouched::Yes(logged) = Logged::of(ctx, found).await? else { return Ok(unconfirmed(ctx)) };
    let said = |name: &str| domain::form::text(&application.credential, name).to_owned();
    let number = certificate.number.clone().unwrap_or_default();
    let issued = domain::calendar::today(certificate.issued_at);
    let (state, look) = state_of(certificate);
    let examined = match by {
        By::File(examined) => Some(examined),
        By::Address | By::Number => None,
    };
    if ctx.wants_json() {
        let mut more = json!({
            "number": number,
            "kind": certificate.outcome.code(),
            "holder": person::masked_name(&applicant.account.name),
            "institution": said("institution"),
            "credential": said("credential_name"),
            "issuedOn": issued,
            "log": logged.as_ref().map(Logged::json),
        });
        if let (Some(more), Some(Value::Object(file))) = (more.as_object_mut(), examined.map(told)) {
            more.extend(file);
        }
        let state = if state == "making" { "making" } else { certificate.standing.code() };
        return Ok(answer(ctx, StatusCode::OK, state, more));
    }
    let mut facts = vec![
        (ctx.t("certificate-number"), number),
        (ctx.t("certificate-kind"), ctx.t(&format!("outcome-{}", certificate.outcome.code()))),
        (ctx.t("certificate-holder"), person::masked_name(&applicant.account.name)),
        (ctx.t("certificate-institution"), said("institution")),
        (ctx.t("certificate-credential"), said("credential_name")),
        (ctx.t("certificate-date"), day(ctx, issued)),
    ];
    // Whoever has number and name alone does not get the address, which asks for neither.
    if !matches!(by, By::Number) {
        facts.push((ctx.t("verify-address"), format!("{}/verify/{}", ctx.site().origin, certificate.token)));
    }
    let page = Page::new(ctx.t(&format!("verify-{state}")));
    let page = if matches!(by, By::Address) { page } else { page.once() };
    Ok(page.show(
        ctx,
        html! {
            h1 { (ctx.t("verify-title")) }
            (verdict(ctx, look, &state))
            (rows(&facts))
            @if let Some(examined) = examined {
                @if !examined.holds() { p class="advice" { (ctx.t("verify-before-signatures")) } }
                (checks(ctx, examined))
            } @else { p class="hint" { (ctx.t("verify-compare")) } }
            (logged_words(ctx, logged.as_ref()))
            (ending(ctx))
        },
    ))
}

/// Where the document stands in the log, in words.
pub fn logged_words(ctx: &Ctx, logged: Option<&Logged>) -> Markup {
    html! {
        @if let Some(logged) = logged {
            p class="hint" {
                (ctx.with("verify-logged", &[("place", &(logged.entry.index + 1).to_string()), ("size", &logged.head.size.to_string())]))
                " " a href={"/log?from=" (logged.entry.index)} { (ctx.t("log-title")) }
            }
            details class="no-print" { summary { (ctx.t("verify-proof")) }
                p { (ctx.t("verify-proof-words")) }
                pre class="number" tabindex="0" { (serde_json::to_string_pretty(&logged.json()).unwrap_or_default()) }
            }
        }
    }
}

/// `GET /verify/receipt/{order}/{code}`: whether a fee receipt is ours, and whether its money went back (R2.11).
pub async fn receipt(ctx: Ctx, path: web::Path<(String, String)>) -> Answer {
    let (order, code) = path.into_inner();
    receipt_of(&ctx, &order, &code, None).await
}

async fn receipt_of(ctx: &Ctx, order: &str, code: &str, examined: Option<&Examined>) -> Answer {
    let expected = payments::receipt_code(ctx, order);
    let same =
        expected.len() == code.len() && expected.bytes().zip(code.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0;
    if !same {
        return Ok(unknown(ctx, "unknown-address"));
    }
    let key = order.to_owned();
    let found = ctx.db(move |store| store.attempt_by_order(&key)).await?;
    let applicant = ctx.site().tree.applicant(found.applicant).await?;
    let application = applicant.application(found.application)?;
    let attempt =
        application.attempts.iter().find(|attempt| attempt.order == order && attempt.state == AttemptState::Paid);
    let Some(attempt) = attempt else { return Ok(unknown(ctx, "unknown-address")) };
    let refunded = payments::refunded_at(application, attempt);
    let once = examined.is_some();
    let state = if refunded.is_some() { "refunded" } else { "valid" };
    if ctx.wants_json() {
        let mut more = json!({
            "kind": "receipt",
            "payer": person::masked_name(&applicant.account.name),
            "amountFen": attempt.amount.0,
            "order": attempt.order,
            "paidAt": attempt.settled_at,
            "refundedAt": refunded,
        });
        if let (Some(more), Some(Value::Object(file))) = (more.as_object_mut(), examined.map(told)) {
            more.extend(file);
        }
        return Ok(answer(ctx, StatusCode::OK, state, more));
    }
    let mut facts = vec![
        (ctx.t("receipt-payer"), person::masked_name(&applicant.account.name)),
        (ctx.t("pay-for"), ctx.t("pay-for-what")),
        (ctx.t("pay-amount"), format!("¥{}", attempt.amount)),
        (ctx.t("pay-order-number"), attempt.order.clone()),
        (ctx.t("receipt-date"), attempt.settled_at.map(|at| instant(ctx, at)).unwrap_or_default()),
    ];
    if let Some(at) = refunded {
        facts.push((ctx.t("refund-state-arrived"), instant(ctx, at)));
    }
    let page = Page::new(ctx.t("receipt-title"));
    let page = if once { page.once() } else { page };
    Ok(page.show(
        ctx,
        html! {
            h1 { (ctx.t("receipt-title")) }
            div class={"verdict verdict-" (if refunded.is_some() { "superseded" } else { "valid" })} role="status" { p { strong { (ctx.t(&format!("receipt-verdict-{state}"))) } } }
            (rows(&facts))
            @if let Some(examined) = examined { (checks(ctx, examined)) }
            (ending(ctx))
        },
    ))
}
