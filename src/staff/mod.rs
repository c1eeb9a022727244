//! The officers' pages.

pub mod acts;
pub mod case;
pub mod clearing;
pub mod import;
pub mod ledger;
pub mod live;
pub mod login;
pub mod materials;
pub mod people;
pub mod programmes;
pub mod queue;
pub mod records;
pub mod refunds;
pub mod statistics;
pub mod transfers;

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
        .route("/staff/search", web::post().to(queue::find))
        .route("/staff/claims", web::post().to(queue::claim))
        .route("/staff/confirm", web::post().to(people::confirm))
        .route("/staff/me", web::get().to(people::me))
        .route("/staff/me", web::post().to(people::change_me))
        .route("/staff/people", web::get().to(people::show))
        .route("/staff/people", web::post().to(people::invite))
        .route("/staff/people/{id}", web::post().to(people::change))
        .route("/staff/invitation/{token}", web::get().to(people::invited))
        .route("/staff/invitation/{token}", web::post().to(people::accept))
        .route("/staff/audit", web::get().to(records::audit))
        .route("/staff/calendar", web::get().to(records::calendar))
        .route("/staff/materials", web::get().to(materials::show))
        .route("/staff/materials", web::post().to(materials::set_share))
        .route("/staff/materials/{slot}", web::get().to(materials::one))
        .route("/staff/materials/{slot}", web::post().to(materials::save))
        .route("/staff/live", web::get().to(live::queue))
        .route("/staff/statistics", web::get().to(statistics::show))
        .route("/staff/statistics/{name}.csv", web::get().to(statistics::export))
        .route("/staff/programmes", web::get().to(programmes::show))
        .route("/staff/programmes/{id}", web::get().to(programmes::one))
        .route("/staff/programmes/{id}", web::post().to(programmes::save))
        .route("/staff/programmes/{id}/retire", web::post().to(programmes::retire))
        .route("/staff/students", web::get().to(programmes::students))
        .route("/staff/students", web::post().to(programmes::find_student))
        .route("/staff/students/{id}", web::get().to(programmes::one_student))
        .route("/staff/students/{id}", web::post().to(programmes::save_student))
        .route("/staff/students/{id}/retire", web::post().to(programmes::retire_student))
        .route("/staff/import", web::get().to(import::show))
        .route("/staff/import/{what}", web::post().to(import::read))
        .route("/staff/import/{id}/apply", web::post().to(import::apply))
        .route("/staff/refunds", web::get().to(refunds::show))
        .route("/staff/refund/{application}/{refund}", web::get().to(refunds::one))
        .route("/staff/refund/{application}/{refund}", web::post().to(refunds::act))
        .route("/staff/transfers", web::get().to(transfers::show))
        .route("/staff/transfers", web::post().to(transfers::make))
        .route("/staff/transfers/{batch}", web::get().to(transfers::one))
        .route("/staff/transfers/{batch}/close", web::post().to(transfers::finish))
        .route("/staff/transfers/{batch}/dissolve", web::post().to(transfers::dissolve))
        .route("/staff/transfers/{batch}/release", web::post().to(transfers::release))
        .route("/staff/transfers/{batch}/file.csv", web::get().to(transfers::file))
        .route("/staff/transfers/{batch}/answers", web::post().to(transfers::answers))
        .route("/staff/clearing", web::get().to(clearing::show))
        .route("/staff/clearing/{id}", web::post().to(clearing::act))
        .route("/staff/ledger", web::get().to(ledger::show))
        .route("/staff/payment/by/{number}", web::get().to(ledger::by_number))
        .route("/staff/payment/{application}/ask", web::post().to(ledger::ask))
        .route("/staff/payment/{application}", web::get().to(ledger::story))
        .route("/staff/case/{id}", web::get().to(case::show))
        .route("/staff/case/{id}", web::post().to(acts::act))
        .route("/staff/case/{id}/live", web::get().to(live::case))
        .route("/staff/case/{id}/at", web::get().to(case::past))
        .route("/staff/case/{id}/view/{material}", web::get().to(case::look))
        .route("/staff/case/{id}/image/{material}", web::get().to(case::image));
}
