//! What an officer can do to a case (R6.3): the forms that the roles include, and their posts.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::web;
use actors::Refusal;
use domain::Rejection;
use domain::application::Application;
use domain::case::{Outcome, REASONS, Stage, curable};
use domain::casework::{CaseAct, HOLD_REASONS, WorkCase};
use domain::certificate::Standing;
use domain::decision::{Decide, OfficerAct, Seen};
use domain::form::{FieldError, parse_date};
use domain::review::{DecideReview, ReviewAct};
use domain::staff::{Act, Officer};
use domain::supplement::{AskSupplement, HandleSupplement, REASONS as SUPPLEMENT_REASONS, SupplementAct};
use maud::{Markup, html};

use crate::error::Failure;
use crate::staff::case::{load, view};
use crate::staff::materials;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, error_words};
use crate::web::layout::token;
use crate::web::posted::Posted;

/// Before the name of a slot in the form that asks for further materials.
const SLOT: &str = "slot_";

fn form(ctx: &Ctx, application: &Application, act: &str, body: &Markup) -> Markup {
    html! {
        form method="post" action={"/staff/case/" (application.id)} class="act" novalidate {
            (token(ctx))
            input type="hidden" name="seen" value=(Seen::of(application));
            input type="hidden" name="act" value=(act);
            (body)
        }
    }
}

/// A form that is folded away until it is wanted, or came back.
fn folded(ctx: &Ctx, application: &Application, shown: &Shown, act: &str, body: &Markup) -> Markup {
    let came_back = shown.raw.get("act").is_some_and(|posted| posted == act);
    html! {
        details id=(act) open[came_back] {
            summary { (ctx.t(&format!("act-{act}"))) }
            (form(ctx, application, act, body))
        }
    }
}

static NOTHING: LazyLock<Shown> = LazyLock::new(Shown::default);

/// What came back, for the form that was sent; the others stay as they were.
fn of<'a>(shown: &'a Shown, act: &str) -> &'a Shown {
    if shown.raw.get("act").is_some_and(|posted| posted == act) { shown } else { &NOTHING }
}

fn value<'a>(shown: &'a Shown, act: &str, name: &str) -> &'a str {
    of(shown, act).raw.get(name).map_or("", String::as_str)
}

fn error(ctx: &Ctx, shown: &Shown, act: &str, name: &str) -> Markup {
    let shown = of(shown, act);
    html! { @for error in shown.errors.iter().filter(|error| error.field == name) { p class="error" { (error_words(ctx, error)) } } }
}

/// A list to choose from; `act` keeps the ids of several forms apart.
fn choose(ctx: &Ctx, act: &str, name: &str, label: &str, codes: &[&str], texts: &str, shown: &Shown) -> Markup {
    let id = format!("{act}-{name}");
    html! {
        label for=(id) { (ctx.t(label)) }
        (error(ctx, shown, act, name))
        select id=(id) name=(name) {
            option value="" { (ctx.t("choose")) }
            @for code in codes { option value=(code) selected[*code == value(shown, act, name)] { (ctx.t(&format!("{texts}-{code}"))) } }
        }
    }
}

fn words(ctx: &Ctx, act: &str, name: &str, label: &str, shown: &Shown) -> Markup {
    let id = format!("{act}-{name}");
    html! {
        label for=(id) { (ctx.t(label)) }
        (error(ctx, shown, act, name))
        textarea id=(id) name=(name) rows="2" { (value(shown, act, name)) }
    }
}

fn date(ctx: &Ctx, act: &str, name: &str, label: &str, shown: &Shown) -> Markup {
    let id = format!("{act}-{name}");
    html! {
        label for=(id) { (ctx.t(label)) }
        (error(ctx, shown, act, name))
        input id=(id) name=(name) class="medium" placeholder="2027-01-31" value=(value(shown, act, name));
    }
}

fn submit(ctx: &Ctx, act: &str, class: &str) -> Markup {
    html! { button type="submit" class=(class) { (ctx.t(&format!("act-{act}"))) } }
}

fn outcomes(ctx: &Ctx, act: &str, shown: &Shown) -> Markup {
    html! {
        fieldset class="field" { legend { (ctx.t("act-propose")) }
            (error(ctx, shown, act, "outcome"))
            @for outcome in Outcome::ALL {
                div class="choice" {
                    input type="radio" id={"outcome-" (outcome.code())} name="outcome" value=(outcome.code()) checked[value(shown, act, "outcome") == outcome.code()];
                    label for={"outcome-" (outcome.code())} { (ctx.t(&format!("outcome-{}", outcome.code()))) }
                }
            }
        }
    }
}

fn reason(ctx: &Ctx, application: &Application, act: &str, shown: &Shown) -> Markup {
    html! {
        (choose(ctx, act, "reason", "decision-reason", &REASONS, "reason", shown))
        // A reason that further materials may cure: asking for them is one press away.
        @if matches!(application.stage(), Stage::Screening | Stage::Assessing) {
            p class="hint" { (ctx.t("curable-words"))
                @for code in REASONS.iter().filter(|code| curable(code).is_some()) { " " a href={"/staff/case/" (application.id) "?cure=" (code) "#supplement"} { (ctx.t(&format!("reason-{code}"))) } }
            }
        }
    }
}

fn note(ctx: &Ctx, act: &str, shown: &Shown) -> Markup {
    words(ctx, act, "note", "decision-note", shown)
}

/// Everything that this officer can do to this case now.
pub fn card(
    ctx: &Ctx,
    officer: &Officer,
    application: &Application,
    shown: &Shown,
    colleagues: &[(String, String)],
) -> Markup {
    let stage = application.stage();
    let on = |act| officer.may(act);
    html! {
        section class="card acts" {
            h2 { (ctx.t("acts")) }
            @match stage {
                Stage::Screening if on(Act::Accept) => {
                    (form(ctx, application, "accept", &html! { p { (ctx.t("act-accept-words")) } (submit(ctx, "accept", "")) }))
                    (folded(ctx, application, shown, "not-accept", &html! { (reason(ctx, application, "not-accept", shown)) (note(ctx, "not-accept", shown)) (submit(ctx, "not-accept", "danger")) }))
                }
                Stage::Assessing if on(Act::Propose) && domain::second::waits(application, officer.id) => p class="advice" { (ctx.t("second-waits")) },
                Stage::Assessing if on(Act::Propose) => {
                    @if application.casework.second.as_ref().is_some_and(|pair| pair.is_open() && pair.first.is_some()) { p class="advice" { (ctx.t("second-words")) } }
                    @if let Some(why) = &application.sent_back { p class="advice" { (ctx.t("sent-back-words")) " " (why) } }
                    (form(ctx, application, "propose", &html! {
                        (outcomes(ctx, "propose", shown)) (reason(ctx, application, "propose", shown)) (note(ctx, "propose", shown)) (submit(ctx, "propose", ""))
                    }))
                    (folded(ctx, application, shown, "abroad", &html! { (words(ctx, "abroad", "institution", "abroad-whom", shown)) (submit(ctx, "abroad", "secondary")) }))
                }
                Stage::Verifying if on(Act::Propose) => {
                    @if let Some(inquiry) = application.casework.inquiry() { p { (ctx.t("abroad-asked")) " " (inquiry.institution) } }
                    (form(ctx, application, "answered", &html! { (words(ctx, "answered", "answer", "abroad-answer", shown)) (submit(ctx, "answered", "")) }))
                }
                Stage::Proposed => (approval(ctx, officer, application, shown)),
                Stage::Supplement if on(Act::Correspond) => (supplement(ctx, application, shown)),
                Stage::Reviewing | Stage::ReviewProposed => (review(ctx, officer, application, shown)),
                Stage::Screening | Stage::Assessing | Stage::Verifying | Stage::Supplement => p { (ctx.t("acts-others")) },
                Stage::Decided if on(Act::Approve) && application.certificate().is_some_and(|issued| issued.standing == Standing::Valid && issued.document.is_some()) => {
                    (folded(ctx, application, shown, "revoke", &html! {
                        p class="advice" { (ctx.t("act-revoke-words")) }
                        (choose(ctx, "revoke", "reason", "decision-reason", &REASONS, "reason", shown)) (note(ctx, "revoke", shown)) (submit(ctx, "revoke", "danger"))
                    }))
                }
                _ => p { (ctx.t("acts-none")) },
            }
            @if matches!(stage, Stage::Screening | Stage::Assessing | Stage::Reviewing) && on(Act::Correspond) { (ask(ctx, application, shown)) }
            @if stage == Stage::Assessing && on(Act::Approve) && application.casework.second.as_ref().is_some_and(|pair| pair.is_open()) {
                (folded(ctx, application, shown, "waive-second", &html! { p class="hint" { (ctx.t("act-waive-second-words")) } (submit(ctx, "waive-second", "secondary")) }))
            }
            (beside(ctx, officer, application, shown, colleagues))
        }
    }
}

fn approval(ctx: &Ctx, officer: &Officer, application: &Application, shown: &Shown) -> Markup {
    html! {
        @if let Some(proposal) = &application.proposal {
            p { (ctx.t("act-proposed")) " " strong { (ctx.t(&format!("outcome-{}", proposal.outcome.code()))) }
                @if let Some(reason) = &proposal.reason { " · " (ctx.t(&format!("reason-{reason}"))) } }
            @if !proposal.note.is_empty() { p { (proposal.note) } }
            @let second = application.casework.second.as_ref().and_then(|pair| Some((pair.agrees(), pair.second.as_ref()?)));
            @if let Some((agrees, second)) = second {
                p class=(if agrees { "hint" } else { "advice" }) {
                    (ctx.t(if agrees { "second-agrees" } else { "second-differs" })) " "
                    strong { (ctx.t(&format!("outcome-{}", second.outcome.code()))) }
                    @if let Some(reason) = &second.reason { " · " (ctx.t(&format!("reason-{reason}"))) }
                    @if !second.note.is_empty() { " · " (second.note) }
                }
            }
            @let own = proposal.by == officer.id || domain::second::took_part(application, officer.id);
            @if officer.may(Act::Approve) && own { p class="advice" { (ctx.t("rejection-own-proposal")) } }
            @else if officer.may(Act::Approve) {
                (form(ctx, application, "approve", &submit(ctx, "approve", "")))
                (folded(ctx, application, shown, "send-back", &html! { (note(ctx, "send-back", shown)) (submit(ctx, "send-back", "secondary")) }))
            } @else { p { (ctx.t("acts-others")) } }
        }
    }
}

fn review(ctx: &Ctx, officer: &Officer, application: &Application, shown: &Shown) -> Markup {
    let Some(open) = application.casework.review() else { return html! {} };
    let own = domain::review::bars(application, officer.id);
    let proposed = open.proposal.as_ref();
    html! {
        p { (ctx.t("review-title")) " · " (ctx.t(&format!("choice-review_reason-{}", open.reason))) }
        p class="words" { (open.words) }
        @if let Some(proposal) = proposed {
            p { (ctx.t("act-proposed")) " "
                strong { @match &proposal.revised {
                    None => (ctx.t("act-uphold")),
                    Some((outcome, _)) => (ctx.t(&format!("outcome-{}", outcome.code()))),
                } }
                @if let Some((_, Some(reason))) = &proposal.revised { " · " (ctx.t(&format!("reason-{reason}"))) }
            }
            p { (proposal.note) }
        }
        @if own { p class="advice" { (ctx.t("rejection-own-decision")) } }
        @else if proposed.is_none() && officer.may(Act::Propose) {
            @if let Some((_, why)) = &open.sent_back { p class="advice" { (ctx.t("sent-back-words")) " " (why) } }
            (folded(ctx, application, shown, "uphold", &html! { (note(ctx, "uphold", shown)) (submit(ctx, "uphold", "")) }))
            (folded(ctx, application, shown, "revise", &html! { (outcomes(ctx, "revise", shown)) (reason(ctx, application, "revise", shown)) (note(ctx, "revise", shown)) (submit(ctx, "revise", "")) }))
        } @else if proposed.is_some_and(|proposal| proposal.by == officer.id) { p class="advice" { (ctx.t("rejection-own-proposal")) } }
        @else if proposed.is_some() && officer.may(Act::Approve) {
            (form(ctx, application, "review-approve", &submit(ctx, "review-approve", "")))
            (folded(ctx, application, shown, "review-send-back", &html! { (note(ctx, "review-send-back", shown)) (submit(ctx, "review-send-back", "secondary")) }))
        } @else { p { (ctx.t("acts-others")) } }
    }
}

fn ask(ctx: &Ctx, application: &Application, shown: &Shown) -> Markup {
    folded(
        ctx,
        application,
        shown,
        "supplement",
        &html! {
            fieldset class="field" { legend { (ctx.t("supplement-slots")) }
                (error(ctx, shown, "supplement", "slots"))
                @for rule in &application.table.rules {
                    @let name = format!("{SLOT}{}", rule.slot);
                    div class="choice" {
                        input type="checkbox" id=(name) name=(name) value="yes" checked[!value(shown, "supplement", &name).is_empty()];
                        label for=(name) { (ctx.slot(&rule.slot)) }
                    }
                }
            }
            (choose(ctx, "supplement", "supplement_reason", "supplement-why", &SUPPLEMENT_REASONS, "supplement-reason", shown))
            (words(ctx, "supplement", "note", "supplement-what", shown))
            (date(ctx, "supplement", "until", "supplement-until", shown))
            (submit(ctx, "supplement", "secondary"))
        },
    )
}

fn supplement(ctx: &Ctx, application: &Application, shown: &Shown) -> Markup {
    html! {
        @if let Some(open) = application.casework.supplement() {
            (crate::applicant::supplement::what(ctx, open))
            ul { @for slot in &open.slots { li { (ctx.slot(slot)) } } }
            (folded(ctx, application, shown, "arrived", &html! { (note(ctx, "arrived", shown)) (submit(ctx, "arrived", "")) }))
            (folded(ctx, application, shown, "extend", &html! { (date(ctx, "extend", "until", "supplement-until", shown)) (submit(ctx, "extend", "secondary")) }))
            (folded(ctx, application, shown, "go-on", &html! { (note(ctx, "go-on", shown)) (submit(ctx, "go-on", "secondary")) }))
        }
    }
}

/// What can be done beside the way of the case: who has it, words, holds, enhanced review.
fn beside(
    ctx: &Ctx,
    officer: &Officer,
    application: &Application,
    shown: &Shown,
    colleagues: &[(String, String)],
) -> Markup {
    let work = &application.casework;
    let over = matches!(application.stage(), Stage::Decided | Stage::NotAccepted | Stage::Withdrawn);
    html! {
        @match work.claimed {
            None => (form(ctx, application, "claim", &submit(ctx, "claim", "secondary"))),
            Some((holder, _)) if holder == officer.id => (form(ctx, application, "release", &submit(ctx, "release", "secondary"))),
            Some(_) if officer.may(Act::Approve) => (form(ctx, application, "take-over", &submit(ctx, "take-over", "secondary"))),
            Some(_) => {},
        }
        @if officer.may(Act::Approve) && !over {
            (folded(ctx, application, shown, "assign", &html! {
                label for="assign-assign_to" { (ctx.t("assign-to")) }
                (error(ctx, shown, "assign", "assign_to"))
                select id="assign-assign_to" name="assign_to" {
                    option value="" { (ctx.t("choose")) }
                    @for (id, name) in colleagues { option value=(id) { (name) } }
                }
                (submit(ctx, "assign", "secondary"))
            }))
        }
        (folded(ctx, application, shown, "note", &html! { (words(ctx, "note", "remark", "act-note", shown)) (submit(ctx, "note", "secondary")) }))
        @if officer.may(Act::Correspond) {
            (folded(ctx, application, shown, "message", &html! { p class="hint" { (ctx.t("message-hint")) } (words(ctx, "message", "message", "act-message", shown)) (submit(ctx, "message", "secondary")) }))
            @if work.hold().is_some() { (form(ctx, application, "resume", &submit(ctx, "resume", "secondary"))) }
            @else if !over {
                (folded(ctx, application, shown, "hold", &html! {
                    (choose(ctx, "hold", "hold_reason", "hold-why", &HOLD_REASONS, "hold-reason", shown))
                    (date(ctx, "hold", "hold_until", "hold-until", shown))
                    (submit(ctx, "hold", "secondary"))
                }))
            }
        }
        @if officer.may(Act::Propose) && !over {
            @if work.enhanced_at.is_some() { (form(ctx, application, "plain", &submit(ctx, "plain", "secondary"))) }
            @else { (form(ctx, application, "enhance", &submit(ctx, "enhance", "secondary"))) }
        }
    }
}

/// What a posted form asks for.
enum Wish {
    Decide(OfficerAct),
    Work(CaseAct),
    Assign(String),
    Supplement(SupplementAct),
    Review(ReviewAct),
    Ask,
}

fn wish(posted: &Posted, second: bool) -> Result<Wish, Rejection> {
    let text = |name: &str| posted.get(name).to_owned();
    let reason = || posted.some("reason").map(str::to_owned);
    let day = |name: &str| parse_date(posted.get(name));
    Ok(match posted.get("act") {
        "accept" => Wish::Decide(OfficerAct::Accept { second }),
        "assign" => Wish::Assign(text("assign_to")),
        "revoke" => Wish::Decide(OfficerAct::Revoke { reason: text("reason"), note: text("note") }),
        "waive-second" => Wish::Decide(OfficerAct::WaiveSecond),
        "not-accept" => Wish::Decide(OfficerAct::NotAccept { reason: text("reason"), note: text("note") }),
        "propose" => match Outcome::from_code(posted.get("outcome")) {
            Some(outcome) => Wish::Decide(OfficerAct::Propose { outcome, reason: reason(), note: text("note") }),
            None => return Err(Rejection::field("outcome", "choose")),
        },
        "approve" => Wish::Decide(OfficerAct::Approve),
        "send-back" => Wish::Decide(OfficerAct::SendBack { note: text("note") }),
        "supplement" => Wish::Ask,
        "arrived" => Wish::Supplement(SupplementAct::Arrived(text("note"))),
        "extend" => Wish::Supplement(SupplementAct::Extend(day("until"))),
        "go-on" => Wish::Supplement(SupplementAct::GoOn(text("note"))),
        "uphold" => Wish::Review(ReviewAct::Uphold { note: text("note") }),
        "revise" => {
            let outcome = Outcome::from_code(posted.get("outcome"));
            Wish::Review(ReviewAct::Revise { outcome, reason: reason(), note: text("note") })
        }
        "review-approve" => Wish::Review(ReviewAct::Approve),
        "review-send-back" => Wish::Review(ReviewAct::SendBack { note: text("note") }),
        "claim" => Wish::Work(CaseAct::Claim),
        "take-over" => Wish::Work(CaseAct::TakeOver),
        "release" => Wish::Work(CaseAct::Release),
        "note" => Wish::Work(CaseAct::Note(text("remark"))),
        "message" => Wish::Work(CaseAct::Message(text("message"))),
        "hold" => Wish::Work(CaseAct::Hold { reason: text("hold_reason"), until: day("hold_until") }),
        "resume" => Wish::Work(CaseAct::Resume),
        "enhance" => Wish::Work(CaseAct::Enhance(true)),
        "plain" => Wish::Work(CaseAct::Enhance(false)),
        "abroad" => Wish::Work(CaseAct::AskAbroad(text("institution"))),
        "answered" => Wish::Work(CaseAct::Answered(text("answer"))),
        _ => return Err(Rejection::NotFound),
    })
}

/// The colleague with this id who works on cases.
async fn colleague(ctx: &Ctx, id: &str) -> Result<Option<Officer>, Failure> {
    let id = id.to_owned();
    let found = ctx
        .db(move |store| match store.staff(&id) {
            Ok(secret) => Ok(Some(secret.officer)),
            Err(store::StoreError::Missing) => Ok(None),
            Err(error) => Err(error),
        })
        .await?;
    Ok(found.filter(|officer| officer.may(Act::ViewCases)))
}

/// `POST /staff/case/{id}`
pub async fn act(ctx: Ctx, id: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer_keeping(Act::ViewCases, &posted.0).await?;
    let (applicant, case) = load(&ctx, &id).await?;
    let shown = Shown::of(posted.0.clone());
    // A page that says nothing has seen nothing.
    let Some(seen) = Seen::parse(posted.get("seen")) else {
        return view(&ctx, &officer, &applicant, &case, StatusCode::CONFLICT, &shown).await;
    };
    if matches!(posted.get("act"), "approve" | "review-approve" | "not-accept" | "revoke") {
        ctx.confirmed(&posted.0).await?;
    }
    let (tree, owner, application) = (&ctx.site().tree, applicant.id, case.id);
    let officer_of = || officer.clone();
    let share = materials::second_share(&ctx).await?;
    // Nobody who begins an application knows the key, so nobody chooses its lot.
    let lot = tree.world.store.keys().sign("second-evaluation", &application.to_string());
    let lot = lot.get(..12).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or(0);
    let done = match wish(&posted, domain::second::is_drawn(lot, share)) {
        Err(rejection) => Err(Refusal::Rejected(rejection)),
        Ok(Wish::Decide(act)) => {
            let command = Decide { application, officer: officer_of(), act, seen };
            tree.command(owner, command).await.map(|_| ())
        }
        Ok(Wish::Work(act)) => tree.command(owner, WorkCase { application, officer: officer_of(), act, seen }).await,
        Ok(Wish::Assign(to)) => match colleague(&ctx, &to).await? {
            Some(to) => {
                let act = CaseAct::Assign(to);
                tree.command(owner, WorkCase { application, officer: officer_of(), act, seen }).await
            }
            None => Err(Refusal::Rejected(Rejection::field("assign_to", "choose"))),
        },
        Ok(Wish::Supplement(act)) => {
            tree.command(owner, HandleSupplement { application, officer: officer_of(), act, seen }).await
        }
        Ok(Wish::Review(act)) => {
            let command = DecideReview { application, officer: officer_of(), act, seen };
            tree.command(owner, command).await.map(|_| ())
        }
        Ok(Wish::Ask) => {
            let ticked = posted.0.iter().filter(|(_, value)| !value.is_empty());
            let command = AskSupplement {
                application,
                officer: officer_of(),
                slots: ticked.filter_map(|(name, _)| name.strip_prefix(SLOT)).map(str::to_owned).collect(),
                reason: posted.get("supplement_reason").to_owned(),
                note: posted.get("note").to_owned(),
                until: parse_date(posted.get("until")),
                seen,
            };
            tree.command(owner, command).await.map(|_| ())
        }
    };
    let (status, errors): (StatusCode, Vec<FieldError>) = match done {
        Ok(()) => {
            tree.world.wake.certificates();
            tree.world.wake.refunds();
            ctx.flash("flash-decided");
            return Ok(ctx.redirect(&format!("/staff/case/{application}")));
        }
        Err(Refusal::Rejected(Rejection::Form(errors))) => (StatusCode::UNPROCESSABLE_ENTITY, errors),
        Err(Refusal::Rejected(Rejection::Stale)) => (StatusCode::CONFLICT, Vec::new()),
        Err(refusal) => return Err(refusal.into()),
    };
    // What stands now, beside what was typed: two officers may have met.
    let (applicant, case) = load(&ctx, &id).await?;
    view(&ctx, &officer, &applicant, &case, status, &Shown::wrong(posted.0, errors)).await
}
