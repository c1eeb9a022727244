//! One trace a request: an id that goes with it through messages, rows and gateway calls into every line of the log.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use tracing::Instrument;

use crate::web::ctx::Ctx;

/// The header that carries the id, from a proxy of ours and back to the browser.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// No method that there is has a longer name.
const METHOD_MOST: usize = 10;
/// An id is no longer than this.
const ID_MOST: usize = 64;

/// The id that a proxy gave, if it is one and the proxy is ours; else a fresh one.
fn id(ctx: &Ctx, given: Option<&HeaderValue>) -> String {
    let given = given.filter(|_| ctx.site().behind_proxy).and_then(|value| value.to_str().ok());
    let good = |text: &&str| {
        (8..=ID_MOST).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    given.filter(good).map_or_else(
        || {
            let mut fresh = store::random_token();
            fresh.truncate(16);
            fresh
        },
        ToOwned::to_owned,
    )
}

/// Gives each request its id and its span, and counts its answer.
///
/// # Errors
/// What the service below says.
pub async fn requests<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let ctx = Ctx::of(request.request());
    let id = id(&ctx, request.headers().get(&REQUEST_ID));
    let method: String = request.method().as_str().chars().take(METHOD_MOST).collect();
    let begun = Instant::now();
    // The path may hold a token or a name: what is logged is the route's pattern.
    let span =
        tracing::info_span!("request", request.id = %id, http.method = %method, http.route = tracing::field::Empty);
    let answered = async {
        let mut response = next.call(request).await?;
        let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".into());
        tracing::Span::current().record("http.route", &route);
        let (status, spent) = (response.status().as_u16(), begun.elapsed());
        ctx.site().meters.answered(&method, &route, status, spent.as_secs_f64());
        let ms = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        if route.starts_with("/assets") || route == "/healthz" || route == "/readyz" || route == "/metrics" {
            tracing::debug!(status, ms, "answered");
        } else {
            tracing::info!(status, ms, "answered");
        }
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        Ok(response)
    };
    answered.instrument(span).await
}
