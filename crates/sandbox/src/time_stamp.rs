//! The time-stamp authority (RFC 3161 over HTTP), and the certificate of the authority that it and our documents hang on.

use actix_web::{HttpResponse, web};
use proof::cms::KeyFile;
use proof::time_stamp::{QUERY, REPLY, reply};

use crate::state::State;
use crate::{DOCUMENT_ROOT_PEM, STAMP_KEY, STAMP_PEM};

/// A policy of nobody: the enterprise number that is kept for examples (RFC 5612).
const POLICY: &str = "1.3.6.1.4.1.32473.1";

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/tsa", web::post().to(stamp)).route("/ca/root.pem", web::get().to(root));
}

async fn stamp(state: web::Data<State>, request: actix_web::HttpRequest, question: web::Bytes) -> HttpResponse {
    if state.read(|book| book.stamps_down) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    let kind = request.headers().get("Content-Type").and_then(|kind| kind.to_str().ok());
    if kind != Some(QUERY) {
        return HttpResponse::UnsupportedMediaType().finish();
    }
    let serial = state.change(|book| {
        book.stamps += 1;
        book.stamps
    });
    let signer = KeyFile::from_pem(STAMP_KEY, STAMP_PEM);
    match signer.and_then(|signer| reply(&question, POLICY, serial, state.now(), &signer)) {
        Ok(answer) => HttpResponse::Ok().content_type(REPLY).body(answer),
        Err(error) => {
            tracing::error!(%error, "the sandbox could not stamp");
            HttpResponse::InternalServerError().finish()
        }
    }
}

async fn root() -> HttpResponse {
    HttpResponse::Ok().content_type("application/x-pem-file").body(DOCUMENT_ROOT_PEM)
}
