//! Every error becomes a page here and nowhere else.
//!
//! Handlers return [`Failure`]; a middleware turns it, and whatever actix itself refuses, into a page in the
//! reader's language. No input gives a 500: only faults do, and they carry a reference.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError};
use actors::{Fault, Refusal};
use domain::Rejection;
use maud::html;
use store::StoreError;

use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// Why a handler has no page of its own to show.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The domain refused, and the handler has no better place for it.
    #[error(transparent)]
    Rejected(Rejection),
    /// Broken machinery.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Nobody is logged in; afterwards it goes on there, with what was typed.
    #[error("log in first")]
    LoginFirst {
        /// The path to go on at.
        next: String,
        /// What was typed, sealed.
        kept: Option<String>,
    },
    /// No member of staff is logged in.
    #[error("staff log in first")]
    StaffLoginFirst,
    /// Staff must log in, and what was typed is kept over it, sealed.
    #[error("log in first")]
    StaffLoginKept(String),
    /// Staff must give the second factor again; what was to be done is kept, sealed.
    #[error("confirm first")]
    ConfirmFirst(String),
    /// The form does not come from a page of ours.
    #[error("forged form")]
    Forged,
    /// Too many requests of one kind.
    #[error("too many")]
    TooMany(i64),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(rejection) => Self::Rejected(rejection),
            Refusal::Failed(fault) => Self::Fault(fault),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Rejected(Rejection::NotFound) => StatusCode::NOT_FOUND,
            Self::Rejected(Rejection::NotAllowed | Rejection::OwnProposal | Rejection::OwnDecision) => {
                StatusCode::FORBIDDEN
            }
            Self::Rejected(Rejection::Stale | Rejection::NotNow(_)) => StatusCode::CONFLICT,
            Self::Rejected(Rejection::Form(_) | Rejection::Duplicate) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Rejected(Rejection::TooMany(_)) | Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Fault(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::LoginFirst { .. } | Self::StaffLoginFirst | Self::StaffLoginKept(_) => StatusCode::SEE_OTHER,
            Self::Forged | Self::ConfirmFirst(_) => StatusCode::FORBIDDEN,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).finish()
    }
}

/// Turns errors into pages.
///
/// # Errors
/// Those of other middleware; handlers' have become responses.
pub async fn pages(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<actix_web::body::BoxBody>, actix_web::Error> {
    // The request is not cloned: it must be unique while it is routed. Handlers' errors are responses already here.
    if request.uri().to_string().contains("%00") {
        // No address of ours has it, and one database refuses it.
        let page = plain_page(&Ctx::of(request.request()), StatusCode::BAD_REQUEST);
        return Ok(request.into_response(page));
    }
    let answered = next.call(request).await?.map_into_boxed_body();
    let status = answered.status();
    let failure = answered.response().error().and_then(|error| error.as_error::<Failure>());
    let typed = answered.headers().contains_key(header::CONTENT_TYPE);
    let wants_page = failure.is_some()
        || ((status.is_client_error() || status.is_server_error()) && !typed)
        || answered.response().error().is_some();
    if !wants_page {
        return Ok(answered);
    }
    let ctx = Ctx::of(answered.request());
    let page = match failure {
        Some(Failure::LoginFirst { next, kept }) => crate::applicant::login::first(&ctx, next, kept.as_deref()),
        // A stream that can't go on: whoever listens waits longer from time to time, and follows no redirect.
        Some(Failure::StaffLoginFirst) if ctx.is_stream() => HttpResponse::Unauthorized().finish(),
        Some(Failure::StaffLoginFirst) => ctx.redirect("/staff/login"),
        Some(Failure::StaffLoginKept(kept)) => crate::staff::login::first(&ctx, kept),
        Some(Failure::ConfirmFirst(kept)) => {
            crate::staff::people::confirm_page(&ctx, kept, &crate::web::form::Shown::default())
        }
        Some(failure) => failure_page(&ctx, failure),
        None => plain_page(&ctx, status),
    };
    let http = answered.request().clone();
    Ok(ServiceResponse::new(http, page))
}

/// The frame of whichever side was asked, and whether it is the staff's.
fn frame(ctx: &Ctx, title: String) -> (Page, bool) {
    let staff = ctx.path().starts_with("/staff") || ctx.path().starts_with("/operator");
    let page = Page::new(title);
    (if staff { page.staff() } else { page }, staff)
}

fn failure_page(ctx: &Ctx, failure: &Failure) -> HttpResponse {
    let status = failure.status_code();
    let (code, seconds) = match failure {
        Failure::Rejected(Rejection::TooMany(seconds)) | Failure::TooMany(seconds) => ("too-many", *seconds),
        Failure::Rejected(rejection) => (rejection.code(), 0),
        Failure::Forged => ("forged", 0),
        Failure::Fault(_)
        | Failure::LoginFirst { .. }
        | Failure::StaffLoginFirst
        | Failure::StaffLoginKept(_)
        | Failure::ConfirmFirst(_) => ("fault", 0),
    };
    let minutes = ((seconds + 59) / 60).max(1).to_string();
    let words = ctx.with(&format!("rejection-{code}"), &[("minutes", &minutes)]);
    let title = ctx.t(&format!("failure-{}", status.as_u16()));
    let reference = match failure {
        Failure::Fault(fault) => Some(fault.reference.clone()),
        _ => None,
    };
    let (page, staff) = frame(ctx, title.clone());
    page.status(status).show(
        ctx,
        html! {
            h1 { (title) }
            p { (words) }
            @if let Some(reference) = reference { p { (ctx.with("failure-reference", &[("reference", &reference)])) } }
            @if staff { p { a href="/staff" { (ctx.t("nav-queue")) } } }
            @else { p { a href="/" { (ctx.t("failure-home")) } " · " a href="/centre" { (ctx.t("nav-centre")) } } }
        },
    )
}

fn plain_page(ctx: &Ctx, status: StatusCode) -> HttpResponse {
    let key = match status.as_u16() {
        400..=403 | 408 | 415 | 422 => "failure-400",
        404 => "failure-404",
        405 => "failure-405",
        413 => "failure-413",
        429 => "failure-429",
        500..=599 => "failure-500",
        _ => "failure-400",
    };
    let title = ctx.t(key);
    let (page, staff) = frame(ctx, title.clone());
    page.status(status).show(
        ctx,
        html! {
            h1 { (title) }
            p { (ctx.t(&format!("{key}-words"))) }
            @if staff { p { a href="/staff" { (ctx.t("nav-queue")) } } } @else { p { a href="/" { (ctx.t("failure-home")) } } }
        },
    )
}
