//! Where two officers meet (R6.2): a case page says who else has it open and that it has changed; a queue, that it has
//! moved. Server-sent events; without scripts a reload says the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::web;
use domain::decision::Seen;
use domain::ids::{ApplicationId, StaffId};
use domain::staff::{Act, Officer};
use maud::html;
use serde::Deserialize;
use tokio::sync::watch;

use crate::staff::case::load;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::live::{Wake, stream};

/// Who has which case open.
#[derive(Default)]
pub struct Meeting {
    open: Mutex<HashMap<ApplicationId, Vec<Open>>>,
    moved: watch::Sender<u64>,
}

/// One open page: its number, whose it is, and their name.
type Open = (u64, StaffId, String);

/// A place at the table; it is given up when the page's stream ends.
struct Seat {
    meeting: Arc<Meeting>,
    case: ApplicationId,
    number: u64,
}

impl Meeting {
    fn enter(self: &Arc<Self>, case: ApplicationId, officer: &Officer) -> Seat {
        let mut number = 0;
        self.moved.send_modify(|last| {
            *last += 1;
            number = *last;
        });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.entry(case).or_default().push((number, officer.id, officer.name.clone()));
        drop(open);
        self.moved.send_modify(|last| *last += 1);
        Seat { meeting: Arc::clone(self), case, number }
    }

    fn others(&self, case: ApplicationId, me: StaffId) -> Vec<String> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = open
            .get(&case)
            .into_iter()
            .flatten()
            .filter(|(_, officer, _)| *officer != me)
            .map(|(_, _, name)| name.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.meeting.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seats) = open.get_mut(&self.case) {
            seats.retain(|(number, _, _)| *number != self.number);
            if seats.is_empty() {
                open.remove(&self.case);
            }
        }
        drop(open);
        self.meeting.moved.send_modify(|last| *last += 1);
    }
}

/// What the page showed.
#[derive(Deserialize)]
pub struct Known {
    known: String,
}

/// What changes on a case beside where it stands: who has it, what was written.
pub fn fingerprint(application: &domain::application::Application) -> String {
    let work = &application.casework;
    let holder = work.claimed.map_or_else(String::new, |(officer, _)| officer.to_string());
    format!("{}.{}.{}.{}", Seen::of(application), holder, work.words.len(), application.certificates.len())
}

/// `GET /staff/case/{id}/live`
pub async fn case(ctx: Ctx, id: web::Path<String>, known: web::Query<Known>) -> Answer {
    let officer = ctx.officer(Act::ViewCases).await?;
    let (applicant, application) = load(&ctx, &id).await?;
    let (owner, key) = (applicant.id, application.id);
    let meeting = ctx.site().meeting();
    let woken = Wake::of(&ctx, owner).or_when(meeting.moved.subscribe());
    let seat = std::rc::Rc::new(meeting.enter(key, &officer));
    let (at, known) = (ctx.clone(), known.into_inner().known);
    Ok(stream(&ctx, woken, move || {
        let (ctx, seat, me, known) = (at.clone(), std::rc::Rc::clone(&seat), officer.id, known.clone());
        async move {
            // An officer who may not look any more hears no more.
            ctx.officer(Act::ViewCases).await.ok()?;
            let applicant = ctx.site().tree.applicant(owner).await.ok()?;
            let changed = applicant.application(key).is_ok_and(|application| fingerprint(application) != known);
            let others = seat.meeting.others(key, me);
            Some(html! {
                span {
                    @if !others.is_empty() { p class="advice" { (ctx.with("meeting-others", &[("names", &others.join("、"))])) } }
                    @if changed { p class="advice" { (ctx.t("meeting-changed")) " " a href={"/staff/case/" (key)} { (ctx.t("meeting-reload")) } } }
                }
            })
        }
    }))
}

/// The view whose rows the page shows, and what they were.
#[derive(Deserialize)]
pub struct Rows {
    known: String,
    #[serde(flatten)]
    view: super::queue::View,
}

/// `GET /staff/live`: a queue that has moved since the page was made. Nothing on the page is changed under the hand.
pub async fn queue(ctx: Ctx, rows: web::Query<Rows>) -> Answer {
    let officer = ctx.officer(Act::ViewCases).await?;
    let Rows { known, view } = rows.into_inner();
    let (filter, after, back) = (view.filter(&officer), view.cursor(), view.here(&officer));
    let at = ctx.clone();
    Ok(stream(&ctx, Wake::any(&ctx), move || {
        let (ctx, filter, known, back) = (at.clone(), filter.clone(), known.clone(), back.clone());
        async move {
            ctx.officer(Act::ViewCases).await.ok()?;
            // Many commits in one moment are one look.
            tokio::time::sleep(Duration::from_millis(500)).await;
            let rows = ctx.db(move |store| store.queue(&filter, after, super::queue::ROWS)).await.ok()?;
            let moved = super::queue::fingerprint(&rows) != known;
            Some(
                html! { span { @if moved { p class="advice" { (ctx.t("meeting-queue")) " " a href=(back) { (ctx.t("meeting-reload")) } } } } },
            )
        }
    }))
}
