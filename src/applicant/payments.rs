//! 我的支付 (R2.11), the fee receipt, and the doors at which the gateway and the returning browser knock.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use actors::run;
use chrono::{DateTime, Utc};
use documents::ReceiptFacts;
use domain::Rejection;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::payment::{Attempt, AttemptState};
use domain::person::Language;
use domain::refund::RefundState;
use locales::Texts;
use maud::html;

use crate::web::Answer;
use crate::web::components::{button_link, instant, rows};
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// Characters of a gateway's message that are kept.
const MESSAGE_MOST: usize = 32 * 1024;

/// `GET /payments`
pub async fn list(ctx: Ctx) -> Answer {
    let me = ctx.me().await?;
    let mut attempts: Vec<(&Arc<Application>, &Attempt)> = Vec::new();
    for application in &me.applications {
        attempts.extend(application.attempts.iter().map(|attempt| (application, attempt)));
    }
    attempts.sort_by_key(|(_, attempt)| std::cmp::Reverse(attempt.opened_at));
    Ok(Page::new(ctx.t("payments-title")).show(
        &ctx,
        html! {
            p class="crumbs" { a href="/centre" { (ctx.t("nav-centre")) } }
            h1 { (ctx.t("payments-title")) }
            @if attempts.is_empty() { p class="empty" { (ctx.t("payments-empty")) } }
            ul class="cases" { @for (application, attempt) in attempts {
                li class="card" {
                    h2 { "¥" (attempt.amount) " " span class="tag" { (ctx.t(&format!("attempt-{}", attempt.state.code()))) } }
                    (rows(&[
                        (ctx.t("case-number"), application.number.clone().unwrap_or_default()),
                        (ctx.t("pay-order-number"), attempt.order.clone()),
                        (ctx.t("pay-opened"), instant(&ctx, attempt.opened_at)),
                    ]))
                    @match attempt.state {
                        AttemptState::Paid => p { a href={"/payments/" (attempt.order)} { (ctx.t("receipt-title")) } },
                        AttemptState::Open => p { a href={"/apply/" (application.id) "/payment"} { (ctx.t("pay-look")) } },
                        AttemptState::Surplus => p { a href={"/case/" (application.id) "/refund"} { (ctx.t("attempt-surplus-words")) } },
                        AttemptState::Parked => p { (ctx.t("pay-parked")) },
                        AttemptState::Failed => {}
                    }
                }
            } }
        },
    ))
}

/// The paid attempt with this order, of this applicant.
fn paid<'a>(me: &'a Applicant, order: &str) -> Result<(&'a Arc<Application>, &'a Attempt), Rejection> {
    let all = me
        .applications
        .iter()
        .flat_map(|application| application.attempts.iter().map(move |attempt| (application, attempt)));
    let mut paid = all.filter(|(_, attempt)| attempt.state == AttemptState::Paid);
    paid.find(|(_, attempt)| attempt.order == order).ok_or(Rejection::NotFound)
}

/// Where anybody can verify a receipt: the code in the address can't be made up.
pub fn verify_path(ctx: &Ctx, order: &str) -> String {
    format!("/verify/receipt/{order}/{}", receipt_code(ctx, order))
}

/// The code of a receipt.
pub fn receipt_code(ctx: &Ctx, order: &str) -> String {
    ctx.site().tree.world.store.keys().sign("receipt", order).chars().take(24).collect()
}

/// When the money of an attempt went back, if it did.
pub fn refunded_at(application: &Application, attempt: &Attempt) -> Option<DateTime<Utc>> {
    let mut refunds = application.refunds.iter().filter(|refund| refund.attempt == attempt.id);
    refunds.find(|refund| refund.state == RefundState::Arrived)?.ended_at
}

/// `GET /payments/{order}/receipt.pdf`
pub async fn receipt_pdf(ctx: Ctx, order: web::Path<String>) -> Answer {
    let me = ctx.me().await?;
    let (application, attempt) = paid(&me, &order)?;
    let facts = ReceiptFacts {
        payer: me.account.name.clone(),
        amount: attempt.amount,
        capitals: Texts::new(Language::Chinese).get("amount-360"),
        number: application.number.clone().unwrap_or_default(),
        order: attempt.order.clone(),
        serial: attempt.query_id.clone().unwrap_or_default(),
        verify: format!("{}{}", ctx.site().origin, verify_path(&ctx, &attempt.order)),
        refunded_at: refunded_at(application, attempt),
        paid_at: attempt.settled_at.unwrap_or_else(|| ctx.now()),
    };
    let world = Arc::clone(&ctx.site().tree.world);
    let heavy = world.heavy.clone();
    let name = format!("attachment; filename=\"{}.pdf\"", attempt.order);
    let pdf = run(&heavy, move || world.cashbook.receipt(&facts)).await.map_err(|error| ctx.fault(error))?;
    Ok(HttpResponse::Ok().content_type("application/pdf").insert_header((header::CONTENT_DISPOSITION, name)).body(pdf))
}

/// `GET /payments/{order}`: 《学历学位认证费用收讫证明》, to be viewed and printed at any time.
pub async fn receipt(ctx: Ctx, order: web::Path<String>) -> Answer {
    let me = ctx.me().await?;
    let (application, attempt) = paid(&me, &order)?;
    let facts = vec![
        (ctx.t("receipt-payer"), me.account.name.clone()),
        (ctx.t("pay-for"), ctx.t("pay-for-what")),
        (
            ctx.t("pay-amount"),
            ctx.with("receipt-amount", &[("amount", &attempt.amount.to_string()), ("words", &ctx.t("amount-360"))]),
        ),
        (ctx.t("case-number"), application.number.clone().unwrap_or_default()),
        (ctx.t("pay-order-number"), attempt.order.clone()),
        (ctx.t("receipt-serial"), attempt.query_id.clone().unwrap_or_default()),
        (ctx.t("receipt-date"), attempt.settled_at.map(|at| instant(&ctx, at)).unwrap_or_default()),
    ];
    let refunded = refunded_at(application, attempt);
    Ok(Page::new(ctx.t("receipt-title")).show(
        &ctx,
        html! {
            p class="crumbs" { a href="/payments" { (ctx.t("payments-title")) } }
            article class="receipt" {
                h1 { (ctx.t("receipt-title")) }
                p { (ctx.t("receipt-words")) }
                (rows(&facts))
                @if let Some(at) = refunded { p class="advice" { strong { (ctx.with("receipt-refunded", &[("at", &instant(&ctx, at))])) } } }
                p { (ctx.t("receipt-verify")) " " a href=(verify_path(&ctx, &attempt.order)) { (ctx.site().origin) (verify_path(&ctx, &attempt.order)) } }
                p class="hint" { (ctx.t("receipt-print")) }
            }
            div class="actions" { (button_link(&format!("/payments/{}/receipt.pdf", attempt.order), &ctx.t("receipt-pdf"))) }
        },
    ))
}

/// `POST /pay/notify`: kept as it came, then answered; what it means the reconciler finds out by asking (§8.2).
pub async fn notify(ctx: Ctx, form: web::Form<BTreeMap<String, String>>) -> HttpResponse {
    let fields = form.into_inner();
    let now = ctx.now();
    if let Err(error) = ctx.site().tree.world.outside.union_pay.verify(&fields, now) {
        // Not kept: anybody could fill the table. It is not even known whose order it would be about.
        tracing::warn!(%error, "a payment notification that can't be trusted");
        return HttpResponse::BadRequest().content_type("text/plain").body("untrusted");
    }
    let order = fields.get("orderId").cloned().unwrap_or_default();
    let about = order.clone();
    let raw: String = serde_json::to_string(&fields).unwrap_or_default().chars().take(MESSAGE_MOST).collect();
    ctx.site().tree.world.pass("notification-arrived").await;
    let kept = ctx.db(move |store| store.keep_gateway_message(&order, &raw, now)).await;
    ctx.site().tree.world.pass("notification-kept").await;
    match kept {
        Ok(()) if fields.get("txnType").is_some_and(|kind| kind == "04") => {
            // What it means the scheduler finds out by asking; if this look is lost, its schedule asks anyway.
            if let Ok(Some(found)) = ctx.db(move |store| store.refund_by_order(&about)).await {
                let look = domain::refund::LookAtRefund { application: found.application, refund: found.refund };
                let _ = ctx.site().tree.command(found.applicant, look).await;
                ctx.site().tree.world.wake.refunds();
            }
            HttpResponse::Ok().content_type("text/plain").body("ok")
        }
        Ok(()) => {
            ctx.site().tree.world.wake.payments();
            HttpResponse::Ok().content_type("text/plain").body("ok")
        }
        // Not kept: the gateway sends it again.
        Err(_) => HttpResponse::ServiceUnavailable().content_type("text/plain").body("later"),
    }
}

/// `POST /pay/return`: the browser comes back by a form post from the cashier. It proves nothing; it has the gateway
/// asked, and goes on to the page that waits for the answer.
pub async fn returned(ctx: Ctx, form: web::Form<BTreeMap<String, String>>) -> Answer {
    let order = form.get("orderId").cloned().unwrap_or_default();
    let found = ctx.db(move |store| store.attempt_by_order(&order)).await;
    let to = match found {
        Ok(found) => {
            let command = domain::settlement::AskGatewayNow { application: found.application };
            ctx.site().tree.command(found.applicant, command).await?;
            ctx.site().tree.world.wake.payments();
            format!("/apply/{}/payment?wait=1", found.application)
        }
        Err(_) => "/payments".to_owned(),
    };
    // Without cookies: this post comes from the bank's page, so the browser sent none of ours, and a new one would
    // make every other open page of ours a stranger's.
    Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish())
}

/// `GET /pay/return`: how a failed payment comes back, without data.
pub async fn returned_bare(ctx: Ctx) -> Answer {
    Ok(ctx.redirect("/payments"))
}
