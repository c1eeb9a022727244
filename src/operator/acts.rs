//! What operators do: each act asks again, is in the audit log and in the supervision log, and says who did it (R7.2).

use actix_web::web;
use actors::Act as Steering;
use domain::effects::{Actor, AuditEntry};
use domain::staff::{Act, Officer};
use maud::{Markup, html};
use serde::Deserialize;
use store::Task;
use supervision::Vitals;

use crate::error::Failure;
use crate::operator::parts::{child_link, standing};
use crate::operator::tabs;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// What is to be done, and to what.
enum What {
    Steer(Steering, String),
    RetryRow(Task),
    DiscardRow(Task),
    RetryLetter(u64),
    DiscardLetter(u64),
}

impl What {
    fn parse(what: &str, on: &str) -> Option<Self> {
        Some(match what {
            "retry" => Self::RetryRow(Task::parse(on)?),
            "discard" => Self::DiscardRow(Task::parse(on).filter(|task| task.queue.may_be_discarded())?),
            "retry-letter" => Self::RetryLetter(on.parse().ok()?),
            "discard-letter" => Self::DiscardLetter(on.parse().ok()?),
            _ => Self::Steer(Steering::from_code(what)?, on.to_owned()),
        })
    }

    /// The word in the audit log.
    const fn audited(&self) -> &'static str {
        match self {
            Self::Steer(Steering::Pause, _) => "machinery-pause",
            Self::Steer(Steering::Drain, _) => "machinery-drain",
            Self::Steer(Steering::Resume, _) => "machinery-resume",
            Self::Steer(Steering::Restart, _) => "machinery-restart",
            Self::RetryRow(_) => "row-retry",
            Self::DiscardRow(_) => "row-discard",
            Self::RetryLetter(_) => "letter-retry",
            Self::DiscardLetter(_) => "letter-discard",
        }
    }

    /// What it is done to, in the audit log.
    fn subject(&self) -> String {
        match self {
            Self::Steer(_, name) => format!("child:{name}"),
            Self::RetryRow(task) | Self::DiscardRow(task) => task.to_string(),
            Self::RetryLetter(number) | Self::DiscardLetter(number) => format!("letter:{number}"),
        }
    }

    /// The page to come back to.
    fn place(&self) -> String {
        match self {
            Self::Steer(_, name) => {
                format!("/operator/child?{}", serde_urlencoded::to_string([("name", name)]).unwrap_or_default())
            }
            Self::RetryRow(_) | Self::DiscardRow(_) => "/operator/queues".into(),
            Self::RetryLetter(_) | Self::DiscardLetter(_) => "/operator/letters".into(),
        }
    }

    /// Whether it would do anything at present.
    async fn applies(&self, ctx: &Ctx) -> Result<bool, Failure> {
        let tree = &ctx.site().tree;
        Ok(match self {
            Self::Steer(act, name) => {
                let child = tree.child(name).ok_or(Failure::Rejected(domain::Rejection::NotFound))?;
                act.applies(child.vitals().hold()) && tree.may(name, *act)
            }
            Self::RetryRow(task) | Self::DiscardRow(task) => {
                let task = task.clone();
                let known = ctx.db(move |store| store.trouble(&task)).await?;
                let known = known.ok_or(Failure::Rejected(domain::Rejection::NotFound))?;
                known.state == store::TroubleState::Parked
            }
            Self::RetryLetter(number) => tree.system.dead_letters().find(*number).is_some_and(|found| found.retriable),
            Self::DiscardLetter(number) => tree.system.dead_letters().find(*number).is_some(),
        })
    }

    /// Does it: the row or the entry first, then the machinery. False when it does not apply any more.
    async fn carry_out(self, ctx: &Ctx, officer: &Officer) -> Result<bool, Failure> {
        let (tree, now) = (&ctx.site().tree, ctx.now());
        let entry = AuditEntry { by: Actor::Staff(officer.id), act: self.audited(), subject: self.subject() };
        let dead = tree.system.dead_letters();
        match self {
            Self::Steer(act, name) => {
                match tree.kept_act(&name, act) {
                    Some((setting, value)) => {
                        ctx.db(move |store| store.set_setting(&setting, value, &entry, now)).await?;
                    }
                    None => ctx.db(move |store| store.note(&entry, now)).await?,
                }
                Ok(tree.steer(&name, act, &officer.name))
            }
            Self::RetryRow(task) => {
                tree.world.troubled.insert(&task);
                let queue = task.queue;
                let done = ctx.db(move |store| store.retry_row(&task, &entry, now)).await?;
                tree.world.wake.queue(queue);
                Ok(done)
            }
            Self::DiscardRow(task) => ctx.db(move |store| store.discard_row(&task, &entry, now)).await,
            Self::RetryLetter(number) => {
                ctx.db(move |store| store.note(&entry, now)).await?;
                let child = dead.find(number).and_then(|letter| tree.child(&letter.child));
                Ok(child.is_some_and(|child| dead.retry(number, child.as_ref())))
            }
            Self::DiscardLetter(number) => {
                ctx.db(move |store| store.note(&entry, now)).await?;
                Ok(dead.discard(number))
            }
        }
    }
}

/// The acts that apply to a child, as links to the page that asks again.
pub fn offers(ctx: &Ctx, name: &str, vitals: &Vitals) -> Markup {
    let offered = Steering::ALL.into_iter().filter(|act| act.applies(vitals.hold()) && ctx.site().tree.may(name, *act));
    html! {
        div class="actions" { @for act in offered {
            @let query = serde_urlencoded::to_string([("what", act.code()), ("on", name)]).unwrap_or_default();
            a class="button secondary" href={"/operator/act?" (query)} { (ctx.t(&format!("steer-{}", act.code()))) }
        } }
    }
}

/// An act that is being asked about.
#[derive(Debug, Deserialize)]
pub struct Asked {
    what: String,
    on: String,
}

/// `GET /operator/act`: asks again, and says what will happen.
pub async fn ask(ctx: Ctx, asked: web::Query<Asked>) -> Answer {
    ctx.officer(Act::SteerMachinery).await?;
    let what = What::parse(&asked.what, &asked.on).ok_or(Failure::Rejected(domain::Rejection::NotFound))?;
    let (applies, place) = (what.applies(&ctx).await?, what.place());
    let title = ctx.t(&format!("steer-{}-title", asked.what));
    let child = ctx.site().tree.child(&asked.on);
    Ok(Page::new(title.clone()).staff().show(
        &ctx,
        html! {
            (tabs(&ctx, ""))
            h1 { (title) }
            p { @match &child { Some(child) => { (child_link(&asked.on)) " " (standing(&ctx, child.vitals())) }, None => code { (asked.on) } } }
            @if applies {
                p class="lead" { (ctx.t(&format!("steer-{}-words", asked.what))) }
                p class="hint" { (ctx.t("steer-noted")) }
                form method="post" action="/operator/act" {
                    (token(&ctx))
                    input type="hidden" name="what" value=(asked.what);
                    input type="hidden" name="on" value=(asked.on);
                    div class="actions" {
                        button class=(if asked.what.starts_with("discard") { "danger" } else { "" }) { (ctx.t(&format!("steer-{}-do", asked.what))) }
                        a href=(place) { (ctx.t("steer-not")) }
                    }
                }
            } @else {
                p class="advice" { (ctx.t("steer-does-not-apply")) }
                p { a href=(place) { (ctx.t("steer-back")) } }
            }
        },
    ))
}

/// `POST /operator/act`
pub async fn act(ctx: Ctx, posted: Posted) -> Answer {
    let officer = ctx.officer_keeping(Act::SteerMachinery, &posted.0).await?;
    let what = What::parse(posted.get("what"), posted.get("on"));
    let what = what.ok_or(Failure::Rejected(domain::Rejection::NotFound))?;
    let place = what.place();
    let done = what.applies(&ctx).await? && what.carry_out(&ctx, &officer).await?;
    ctx.flash(if done { "flash-act-done" } else { "flash-act-not" });
    Ok(ctx.redirect(&place))
}
