//! Pages for everybody.

pub mod health;
pub mod home;
pub mod hooks;
pub mod language;
pub mod log;
pub mod shared;
pub mod texts;
pub mod verify;
pub mod well_known;

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
        .route("/verify/file", web::post().to(verify::by_file))
        .route("/verify/receipt/{order}/{code}", web::get().to(verify::receipt))
        .route("/verify/{token}", web::get().to(verify::by_token))
        .route("/shared/{token}", web::get().to(shared::ask))
        .route("/shared/{token}", web::post().to(shared::look))
        .route("/log", web::get().to(log::show))
        .route("/log/v1/get-sth", web::get().to(log::sth))
        .route("/log/v1/get-sth-consistency", web::get().to(log::consistency))
        .route("/log/v1/get-proof-by-hash", web::get().to(log::proof_by_hash))
        .route("/log/v1/get-entries", web::get().to(log::entries))
        .route("/.well-known/jwks.json", web::get().to(well_known::jwks))
        .route("/.well-known/keys/{thumbprint}", web::get().to(well_known::key))
        .route("/.well-known/did.json", web::get().to(well_known::did))
        .route("/.well-known/renzheng-trust.json", web::get().to(well_known::trust))
        .route("/credentials/v1", web::get().to(well_known::words))
        .route("/credentials/status/{list}/{purpose}", web::get().to(well_known::status))
        .route("/notices/{key}/receipts", web::post().to(hooks::receipts))
        .route("/notices/{key}/bounces", web::post().to(hooks::bounces))
        .route("/healthz", web::get().to(health::alive))
        .route("/readyz", web::get().to(health::ready));
}
