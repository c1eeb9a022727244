//! Pages for everybody.

pub mod health;
pub mod home;
pub mod hooks;
pub mod language;
pub mod texts;
pub mod verify;

use actix_web::web;

/// The routes of this folder.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(home::show))
        .route("/terms", web::get().to(texts::terms))
        .route("/privacy", web::get().to(texts::privacy))
        .route("/language", web::post().to(language::switch))
        .route("/verify", web::get().to(verify::ask))
        .route("/verify", web::post().to(verify::by_number))
        .route("/verify/receipt/{order}/{code}", web::get().to(verify::receipt))
        .route("/verify/{token}", web::get().to(verify::by_token))
        .route("/notices/{key}/receipts", web::post().to(hooks::receipts))
        .route("/notices/{key}/bounces", web::post().to(hooks::bounces))
        .route("/healthz", web::get().to(health::alive))
        .route("/readyz", web::get().to(health::ready));
}
