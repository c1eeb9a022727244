//! The control port for tests and curious visitors: what is remembered, and how the world misbehaves.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;

use crate::state::{RefundPlay, State};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/control/messages", web::get().to(messages))
        .route("/control/orders", web::get().to(orders))
        .route("/control/faces", web::get().to(faces))
        .route("/control/clock", web::post().to(clock))
        .route("/control/switch", web::post().to(switch));
}

#[derive(Deserialize)]
struct To {
    to: String,
}

async fn messages(state: web::Data<State>, to: web::Query<To>) -> HttpResponse {
    let mine =
        state.read(|book| book.messages.iter().filter(|message| message.to == to.to).cloned().collect::<Vec<_>>());
    HttpResponse::Ok().json(mine)
}

async fn orders(state: web::Data<State>) -> HttpResponse {
    let orders = state.read(|book| json!({"orders": book.orders, "asked": book.asked}));
    HttpResponse::Ok().json(orders)
}

async fn faces(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(state.read(|book| json!(book.faces)))
}

#[derive(Deserialize)]
struct Shift {
    seconds: i64,
}

/// Moves the clock: ten months pass in a moment.
async fn clock(state: web::Data<State>, shift: web::Json<Shift>) -> HttpResponse {
    (state.shift)(shift.seconds);
    HttpResponse::Ok().json(json!({"now": state.now()}))
}

#[derive(Deserialize)]
struct Switch {
    notifications_off: Option<bool>,
    messages_down: Option<bool>,
    refunds: Option<RefundPlay>,
}

async fn switch(state: web::Data<State>, wanted: web::Json<Switch>) -> HttpResponse {
    state.change(|book| {
        book.notifications_off = wanted.notifications_off.unwrap_or(book.notifications_off);
        book.refund_play = wanted.refunds.unwrap_or(book.refund_play);
        book.messages_down = wanted.messages_down.unwrap_or(book.messages_down);
    });
    HttpResponse::NoContent().finish()
}
