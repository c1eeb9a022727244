//! Where two officers meet (R6.2): a case page says who else has it open and that it has changed; a queue, that it has
//! moved. Server-sent events; without scripts a reload says the same.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use domain::decision::Seen;
use domain::ids::{ApplicantId, ApplicationId, StaffId};
use domain::staff::{Act, Officer};
use futures_util::stream;
use maud::{Markup, html};
use serde::Deserialize;
use tokio::sync::{broadcast, watch};

use crate::staff::case::load;
use crate::web::Answer;
use crate::web::ctx::Ctx;

/// After so long without a change a stream looks by itself: another node may have changed something. It also finds out
/// whether anybody still listens.
const LOOK_EVERY: Duration = Duration::from_secs(15);

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

/// The place on a page that a stream fills.
pub fn place(ctx: &Ctx, address: &str) -> Markup {
    html! {
        div class="meeting" role="status" data-hx-sse:connect=(address) data-hx-swap="innerHTML" data-hx-nonce=(ctx.nonce()) {}
    }
}

/// One event whose data is a fragment; always some markup, for nothing empty is put into a page.
fn event(markup: &Markup) -> Bytes {
    let mut text = String::new();
    for line in markup.0.lines() {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    Bytes::from(text)
}

/// A stream of what `look` sees: sent when it differs from what was sent last. It ends when the service does.
pub fn stream<L, F>(ctx: &Ctx, woken: Wake, look: L) -> HttpResponse
where
    L: Fn() -> F + 'static,
    F: Future<Output = Option<Markup>> + 'static,
{
    struct Running<L> {
        look: L,
        woken: Wake,
        draining: watch::Receiver<bool>,
        sent: Option<String>,
        first: bool,
    }
    let draining = ctx.site().draining();
    let running = Running { look, woken, draining, sent: None, first: true };
    let body = stream::unfold(running, |mut running| async move {
        loop {
            if !running.first {
                tokio::select! {
                    () = ended(&mut running.draining) => return None,
                    () = running.woken.wait() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {
                        // A comment: whoever is gone is found out.
                        running.first = true;
                        return Some((Ok::<_, Infallible>(Bytes::from_static(b": \n\n")), running));
                    }
                }
            }
            running.first = false;
            let seen = (running.look)().await?;
            if running.sent.as_deref() != Some(seen.0.as_str()) {
                running.sent = Some(seen.0.clone());
                return Some((Ok(event(&seen)), running));
            }
        }
    });
    ctx.seal(
        HttpResponse::Ok()
            .content_type("text/event-stream")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            // Not compressed: what is said must be heard at once.
            .insert_header((header::CONTENT_ENCODING, "identity"))
            .streaming(body),
    )
}

/// Returns once the service is about to end.
async fn ended(draining: &mut watch::Receiver<bool>) {
    // A sender that is gone is an end, too.
    let _ = draining.wait_for(|draining| *draining).await;
}

/// What wakes a stream: commits of applicants, and pages that open or close.
pub struct Wake {
    changes: broadcast::Receiver<ApplicantId>,
    of: Option<ApplicantId>,
    moved: Option<watch::Receiver<u64>>,
}

impl Wake {
    /// Every commit.
    pub fn any(ctx: &Ctx) -> Self {
        Self { changes: ctx.site().tree.world.changes.subscribe(), of: None, moved: None }
    }

    async fn wait(&mut self) {
        loop {
            let moved = async {
                match self.moved.as_mut() {
                    Some(moved) => moved.changed().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.changes.recv() => match changed {
                    Ok(who) if self.of.is_none_or(|of| of == who) => return,
                    Ok(_) => {}
                    // Too many at once to be told one by one: look.
                    Err(_) => return,
                },
                // A meeting that is gone says nothing any more: the interval goes on.
                alive = moved => if alive { return } else { self.moved = None },
            }
        }
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
    let woken = Wake {
        changes: ctx.site().tree.world.changes.subscribe(),
        of: Some(owner),
        moved: Some(meeting.moved.subscribe()),
    };
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
