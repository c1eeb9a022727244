//! The officers' pages.

pub mod case;
pub mod login;
pub mod queue;

use actix_web::web;

/// The routes of this folder.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/staff/login", web::get().to(login::show))
        .route("/staff/login", web::post().to(login::enter))
        .route("/staff/code", web::get().to(login::code))
        .route("/staff/code", web::post().to(login::second))
        .route("/staff/logout", web::post().to(login::leave))
        .route("/staff", web::get().to(queue::show))
        .route("/staff/case/{id}", web::get().to(case::show))
        .route("/staff/case/{id}", web::post().to(case::act))
        .route("/staff/case/{id}/image/{material}", web::get().to(case::image));
}
