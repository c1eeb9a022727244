//! The applicant's pages.

pub mod account;
pub mod case;
pub mod centre;
pub mod code;
pub mod forgotten;
pub mod login;
pub mod payments;
pub mod refund;
pub mod register;
pub mod review;
pub mod share;
pub mod supplement;
pub mod upload;
pub mod withdraw;
pub mod wizard;

use actix_web::web;

/// The routes of this folder.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/case/{id}", web::get().to(case::show))
        .configure(wizard::routes)
        .route("/register", web::get().to(register::show))
        .route("/register", web::post().to(register::details))
        .route("/register/{id}", web::get().to(register::confirm))
        .route("/register/{id}", web::post().to(register::finish))
        .route("/register/{id}/code", web::post().to(register::again))
        .route("/register/{id}/edit", web::post().to(register::edit))
        .route("/login", web::get().to(login::show))
        .route("/login", web::post().to(login::enter))
        .route("/logout", web::post().to(login::leave))
        .route("/forgotten", web::get().to(forgotten::show))
        .route("/forgotten", web::post().to(forgotten::ask))
        .route("/forgotten/code", web::get().to(forgotten::code))
        .route("/forgotten/code", web::post().to(forgotten::finish))
        .route("/centre", web::get().to(centre::show))
        .route("/centre/applications", web::get().to(centre::applications))
        .route("/centre/applications", web::post().to(centre::begin))
        .route("/account", web::get().to(account::show))
        .route("/account/password", web::post().to(account::password))
        .route("/account/contact", web::post().to(account::contact))
        .route("/account/contact/confirm", web::get().to(account::confirm))
        .route("/account/contact/confirm", web::post().to(account::finish))
        .route("/account/logout-everywhere", web::post().to(account::logout_everywhere))
        .route("/payments", web::get().to(payments::list))
        .route("/payments/{order}", web::get().to(payments::receipt))
        .route("/payments/{order}/receipt.pdf", web::get().to(payments::receipt_pdf))
        .route("/pay/notify", web::post().to(payments::notify))
        .route("/pay/return", web::post().to(payments::returned))
        .route("/pay/return", web::get().to(payments::returned_bare))
        .route("/identity/notify", web::post().to(wizard::verification::called))
        .route("/case/{id}/refund", web::get().to(refund::show))
        .route("/case/{id}/refund", web::post().to(refund::ask))
        .route("/case/{id}/refund/bank", web::post().to(refund::details))
        .route("/case/{id}/supplement", web::get().to(supplement::show))
        .route("/case/{id}/supplement", web::post().to(supplement::act))
        .route("/case/{id}/supplement/{slot}", web::post().to(supplement::upload))
        .route("/case/{id}/review", web::get().to(review::show))
        .route("/case/{id}/review", web::post().to(review::act))
        .route("/case/{id}/review/materials", web::get().to(review::materials))
        .route("/case/{id}/review/materials", web::post().to(review::finish))
        .route("/case/{id}/review/images", web::post().to(review::upload))
        .route("/case/{id}/withdraw", web::get().to(withdraw::show))
        .route("/case/{id}/withdraw", web::post().to(withdraw::act))
        .route("/case/{id}/certificate.pdf", web::get().to(case::certificate))
        .route("/case/{id}/credential.jwt", web::get().to(case::credential_jwt))
        .route("/case/{id}/credential.json", web::get().to(case::credential_json))
        .route("/case/{id}/badge.jwt", web::get().to(case::badge_jwt))
        .route("/case/{id}/share", web::get().to(share::show))
        .route("/case/{id}/share", web::post().to(share::make))
        .route("/case/{id}/share/{share}", web::post().to(share::end));
}
