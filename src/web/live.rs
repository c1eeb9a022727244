//! Pages that fill themselves: server-sent events whose data is a fragment. Without scripts a reload says the same.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::Bytes;
use domain::ids::ApplicantId;
use futures_util::stream;
use maud::{Markup, html};
use supervision::Event;
use tokio::sync::{broadcast, watch};

use crate::web::ctx::Ctx;

/// After so long without a change a stream looks by itself: another node may have changed something. It also finds out
/// whether anybody still listens.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// What happens within so long is looked at together.
const TOGETHER: Duration = Duration::from_millis(250);

/// A short word beside the page's content that a stream fills.
pub fn place(ctx: &Ctx, address: &str) -> Markup {
    html! {
        div class="meeting" role="status" data-hx-sse:connect=(address) data-hx-swap="innerHTML" data-hx-nonce=(ctx.nonce()) {}
    }
}

/// A part of the page that a stream keeps as it now is; what changes is put in without touching the rest.
pub fn part(ctx: &Ctx, address: &str, now: &Markup) -> Markup {
    html! {
        div class="live" data-hx-sse:connect=(address) data-hx-swap="innerMorph" data-hx-nonce=(ctx.nonce()) { (now) }
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
                let every = running.woken.every;
                tokio::select! {
                    () = ended(&mut running.draining) => return None,
                    // Many events in one moment are one look.
                    () = running.woken.wait() => tokio::time::sleep(TOGETHER).await,
                    () = tokio::time::sleep(every) => {
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

/// What wakes a stream: commits of applicants, something of its own, events of supervision; and an interval.
pub struct Wake {
    changes: Option<broadcast::Receiver<ApplicantId>>,
    of: Option<ApplicantId>,
    moved: Option<watch::Receiver<u64>>,
    events: Option<broadcast::Receiver<Event>>,
    every: Duration,
}

impl Wake {
    /// Every commit.
    pub fn any(ctx: &Ctx) -> Self {
        let changes = Some(ctx.site().tree.world.changes.subscribe());
        Self { changes, of: None, moved: None, events: None, every: LOOK_EVERY }
    }

    /// Commits of one applicant.
    pub fn of(ctx: &Ctx, of: ApplicantId) -> Self {
        Self { of: Some(of), ..Self::any(ctx) }
    }

    /// Events of supervision, and an interval that is short enough for counters.
    pub fn events(ctx: &Ctx, every: Duration) -> Self {
        let events = Some(ctx.site().tree.system.journal().subscribe());
        Self { changes: None, of: None, moved: None, events, every }
    }

    /// Also when this number changes.
    #[must_use]
    pub fn or_when(self, moved: watch::Receiver<u64>) -> Self {
        Self { moved: Some(moved), ..self }
    }

    async fn wait(&mut self) {
        loop {
            let changed = async {
                match self.changes.as_mut() {
                    Some(changes) => changes.recv().await,
                    None => std::future::pending().await,
                }
            };
            let moved = async {
                match self.moved.as_mut() {
                    Some(moved) => moved.changed().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            let happened = async {
                match self.events.as_mut() {
                    Some(events) => events.recv().await.map(|_| ()),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = changed => match changed {
                    Ok(who) if self.of.is_none_or(|of| of == who) => return,
                    Ok(_) => {}
                    // Too many at once to be told one by one: look.
                    Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => self.changes = None,
                },
                // A meeting that is gone says nothing any more: the interval goes on.
                alive = moved => if alive { return } else { self.moved = None },
                happened = happened => match happened {
                    Ok(()) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => self.events = None,
                },
            }
        }
    }
}
