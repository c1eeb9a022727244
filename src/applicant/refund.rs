//! 退费 (R5): who may ask and why not, 《退费须知》, the page between, the reason, and then each stage on the way.

use actix_web::{HttpResponse, web};
use actors::Refusal;
use domain::Rejection;
use domain::application::Application;
use domain::case::Stage;
use domain::form::{Field, Kind, Raw};
use domain::person::Language;
use domain::refund::{
    AskRefund, BankInput, GiveBankDetails, REASONS, Refund, RefundState, WORDS_MOST, card_takes_it, may_ask,
};
use maud::{Markup, html};

use crate::applicant::wizard::{open, open_keeping};
use crate::web::Answer;
use crate::web::components::{day, instant, rows};
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, field, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

const REASON: Field = Field::must("refund_reason", Kind::Choice(&REASONS));
const WORDS: Field = Field::may("refund_words", Kind::Area(WORDS_MOST));
const UNDERSTOOD: Field = Field::must("refund_understood", Kind::Tick);
/// Where the money goes when the card can't take it (R5.3).
const BANK: [Field; 3] = [
    Field::must("bank_card", Kind::Text(30)),
    Field::must("bank_name", Kind::Text(60)),
    Field::must("bank_branch", Kind::Text(20)),
];

/// `GET /case/{id}/refund`
pub async fn show(ctx: Ctx, id: web::Path<String>) -> Answer {
    let (_, application) = open(&ctx, &id).await?;
    Ok(page(&ctx, &application, &Shown::default()))
}

fn page(ctx: &Ctx, application: &Application, shown: &Shown) -> HttpResponse {
    let allowed = may_ask(application);
    let mut page = Page::new(ctx.t("refund-title")).status(shown.status());
    if allowed.is_ok() {
        page = page.with_form();
    }
    page.show(
        ctx,
        html! {
            p class="crumbs" { a href={"/case/" (application.id)} { (ctx.t("back")) } }
            h1 { (ctx.t("refund-title")) }
            (summary(ctx, shown))
            @for refund in &application.refunds { (standing(ctx, application, refund, shown)) }
            @match &allowed {
                Ok(payment) => {
                    section { h2 { (ctx.t("refund-notice-title")) }
                        ul { @for line in ["refund-notice-1", "refund-notice-2", "refund-notice-3", "refund-notice-4", "refund-notice-5"] { li { (ctx.t(line)) } } }
                    }
                    @if application.stage() == Stage::Screening || application.stage() == Stage::Decided { p class="advice" { strong { (ctx.t("refund-ends-case")) } } }
                    form id="main" method="post" action={"/case/" (application.id) "/refund"} novalidate {
                        (token(ctx))
                        (field(ctx, &REASON, shown))
                        (field(ctx, &WORDS, shown))
                        @if card_takes_it(payment.settled_at.unwrap_or(payment.opened_at), ctx.now()) { p { (ctx.t("refund-to-card")) } }
                        @else {
                            section { h2 { (ctx.t("refund-bank-title")) } p { (ctx.t("refund-bank-words")) }
                                @for each in &BANK { (field(ctx, each, shown)) } }
                        }
                        (field(ctx, &UNDERSTOOD, shown))
                        div class="actions" {
                            button type="submit" class="danger" { (ctx.t("refund-do")) }
                            a href={"/case/" (application.id)} { (ctx.t("refund-rather-not")) }
                        }
                    }
                }
                // What stands above says it already.
                Err("refund-asked") => {}
                Err(why) => p class="advice" { (ctx.t(&format!("rejection-{why}"))) },
            }
        },
    )
}

/// One refund: where it stands, whose move it is, by when; each stage with its instant.
pub fn standing(ctx: &Ctx, application: &Application, refund: &Refund, shown: &Shown) -> Markup {
    let due = refund.due(&ctx.site().tree.world.calendar);
    let stages = [
        ("refund-stage-asked", Some(refund.asked_at)),
        ("refund-stage-checked", refund.checked.map(|(_, at)| at)),
        ("refund-stage-approved", refund.approved.map(|(_, at)| at)),
        ("refund-stage-sent", refund.sent_at),
        ("refund-stage-arrived", refund.ended_at.filter(|_| refund.state == RefundState::Arrived)),
    ];
    let automatic = refund.approved.is_some_and(|(by, _)| by.is_none());
    let ended = matches!(refund.state, RefundState::Arrived | RefundState::Refused);
    html! {
        section class="card" {
            h2 { "¥" (refund.amount) " " span class={"tag tag-" (refund.state.code())} { (ctx.t(&format!("refund-state-{}", refund.state.code()))) } }
            (rows(&[
                (ctx.t("refund-cause"), ctx.t(&format!("refund-cause-{}", refund.cause.code()))),
                (ctx.t("refund-to"), ctx.t(if refund.bank.is_some() { "refund-to-bank" } else { "refund-to-card-short" })),
                (ctx.t("move-who"), ctx.t(&format!("refund-mover-{}", refund.state.code()))),
            ]))
            @if !ended { p { (ctx.with("refund-due", &[("day", &day(ctx, due.date))])) } }
            ol class="track" {
                @for (name, at) in stages.iter().filter(|(name, _)| !automatic || *name != "refund-stage-checked") {
                    li class=(if at.is_some() { "past" } else { "" }) { (ctx.t(name)) @if let Some(at) = at { " " span class="hint" { (instant(ctx, *at)) } } }
                }
            }
            @if refund.state == RefundState::Refused { @if let Some(why) = &refund.answer { p class="advice" { (ctx.t("refund-refused-words")) " " (why) } } }
            @if refund.state == RefundState::SentBack {
                p class="advice" { (ctx.t("refund-sent-back-words")) }
                form method="post" action={"/case/" (application.id) "/refund/bank"} novalidate {
                    (token(ctx))
                    input type="hidden" name="refund" value=(refund.id);
                    @for each in &BANK { (field(ctx, each, shown)) }
                    button type="submit" { (ctx.t("refund-bank-do")) }
                }
            }
        }
    }
}

fn bank(raw: &Raw) -> BankInput {
    let text = |name: &str| raw.get(name).cloned().unwrap_or_default();
    BankInput { card: text("bank_card"), bank: text("bank_name"), branch: text("bank_branch") }
}

/// `POST /case/{id}/refund`
pub async fn ask(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    if let Some(language) = posted.some("switch_language").and_then(Language::from_tag) {
        return Ok(page(&ctx.in_language(language), &application, &Shown::of(posted.0)));
    }
    let command = AskRefund {
        application: application.id,
        reason: posted.get("refund_reason").to_owned(),
        words: posted.get("refund_words").to_owned(),
        bank: Some(bank(&posted.0)),
        understood: posted.some("refund_understood").is_some(),
    };
    match ctx.site().tree.command(me.id, command).await {
        Ok(_) => {
            ctx.flash("flash-refund-asked");
            Ok(ctx.redirect(&format!("/case/{}/refund", application.id)))
        }
        // Pressed twice: it was asked for once, and the page shows it.
        Err(Refusal::Rejected(Rejection::NotNow(_))) => Ok(ctx.redirect(&format!("/case/{}/refund", application.id))),
        Err(Refusal::Rejected(Rejection::Form(errors))) => {
            Ok(page(&ctx, &application, &Shown::wrong(posted.0, errors)))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// `POST /case/{id}/refund/bank`: other details after the bank sent the money back.
pub async fn details(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let (me, application) = open_keeping(&ctx, &id, Some(&posted.0)).await?;
    let refund = posted.get("refund").parse().map_err(|_| Rejection::NotFound)?;
    let command = GiveBankDetails { application: application.id, refund, bank: bank(&posted.0) };
    match ctx.site().tree.command(me.id, command).await {
        Ok(()) | Err(Refusal::Rejected(Rejection::NotNow(_))) => {
            Ok(ctx.redirect(&format!("/case/{}/refund", application.id)))
        }
        Err(Refusal::Rejected(Rejection::Form(errors))) => {
            Ok(page(&ctx, &application, &Shown::wrong(posted.0, errors)))
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// A short line for pages that lead here; none when there is nothing to refund.
pub fn link(ctx: &Ctx, application: &Application) -> Markup {
    let asked = application.refunds.last();
    html! {
        @if asked.is_some() || may_ask(application).is_ok() {
            p { a href={"/case/" (application.id) "/refund"} { (ctx.t(if asked.is_some() { "refund-look" } else { "refund-ask" })) } }
        }
    }
}
