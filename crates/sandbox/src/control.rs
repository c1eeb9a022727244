//! The control port for tests and curious visitors: what is remembered, and how the world misbehaves.

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use maud::html;
use serde::Deserialize;
use serde_json::json;

use crate::pages::page;
use crate::state::{Fare, RefundPlay, State};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/control", web::get().to(show))
        .route("/control", web::post().to(act))
        .route("/control/messages", web::get().to(messages))
        .route("/control/orders", web::get().to(orders))
        .route("/control/faces", web::get().to(faces))
        .route("/control/clock", web::post().to(clock))
        .route("/control/switch", web::post().to(switch));
}

/// The same for a visitor's hand: the clock, and how the world misbehaves.
async fn show(state: web::Data<State>) -> HttpResponse {
    let (play, notifications, messages, fare, stamps) = state
        .read(|book| (book.refund_play, !book.notifications_off, !book.messages_down, book.fare, !book.stamps_down));
    let fares = [
        (Fare::Arrive, "arrive", "送达 arrive"),
        (Fare::Fail, "fail", "未送达 fail"),
        (Fare::Silent, "silent", "无回执 no receipt"),
    ];
    let button = |name: &str, value: &str, words: &str, pressed: bool| {
        html! { button name=(name) value=(value) aria-pressed=(pressed) { @if pressed { "✓ " } (words) } " " }
    };
    let hour = 3_600_i64;
    let spans = [
        ("一分钟 a minute", 60),
        ("一小时 an hour", hour),
        ("一天 a day", 24 * hour),
        ("三十天 30 days", 30 * 24 * hour),
        ("十个月 10 months", 305 * 24 * hour),
        ("一年 a year", 365 * 24 * hour),
    ];
    let plays = [
        (RefundPlay::Success, "success", "成功 done"),
        (RefundPlay::Failure, "failure", "银行退回 sent back"),
        (RefundPlay::Never, "never", "无结果 never heard of"),
        (RefundPlay::Refused, "refused", "当即拒绝 refused at once"),
        (RefundPlay::Lost, "lost", "应答丢失 the answer is lost"),
    ];
    let body = html! {
        h1 { "控制台 Control" }
        h2 { "时钟 Clock: " time { (state.now().format("%Y-%m-%d %H:%M:%S UTC")) } }
        form method="post" { @for (words, seconds) in spans { (button("seconds", &seconds.to_string(), words, false)) } }
        h2 { "退款 Refunds" }
        form method="post" { @for (each, code, words) in plays { (button("refunds", code, words, each == play)) } }
        h2 { "支付通知 Payment notifications" }
        form method="post" { (button("notifications", "on", "发送 sent", notifications)) (button("notifications", "off", "丢失 lost", !notifications)) }
        h2 { "短信与邮件 SMS and mail" }
        form method="post" { (button("messages", "on", "正常 taken", messages)) (button("messages", "off", "故障 refused", !messages)) }
        form method="post" { @for (each, code, words) in fares { (button("fare", code, words, each == fare)) } }
        h2 { "时间戳 Time-stamps" }
        form method="post" { (button("stamps", "on", "正常 given", stamps)) (button("stamps", "off", "故障 away", !stamps)) }
    };
    HttpResponse::Ok().content_type(ContentType::html()).body(page("控制台 Control", body).into_string())
}

#[derive(Deserialize)]
struct Press {
    seconds: Option<i64>,
    refunds: Option<RefundPlay>,
    notifications: Option<String>,
    messages: Option<String>,
    stamps: Option<String>,
    fare: Option<Fare>,
}

async fn act(state: web::Data<State>, press: web::Form<Press>) -> HttpResponse {
    if let Some(seconds) = press.seconds {
        (state.shift)(seconds);
    }
    state.change(|book| {
        book.refund_play = press.refunds.unwrap_or(book.refund_play);
        book.fare = press.fare.unwrap_or(book.fare);
        book.notifications_off = press.notifications.as_ref().map_or(book.notifications_off, |word| word == "off");
        book.messages_down = press.messages.as_ref().map_or(book.messages_down, |word| word == "off");
        book.stamps_down = press.stamps.as_ref().map_or(book.stamps_down, |word| word == "off");
    });
    HttpResponse::SeeOther().insert_header(("Location", "/control")).finish()
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
    fare: Option<Fare>,
    hook: Option<String>,
}

async fn switch(state: web::Data<State>, wanted: web::Json<Switch>) -> HttpResponse {
    state.change(|book| {
        book.notifications_off = wanted.notifications_off.unwrap_or(book.notifications_off);
        book.refund_play = wanted.refunds.unwrap_or(book.refund_play);
        book.messages_down = wanted.messages_down.unwrap_or(book.messages_down);
        book.fare = wanted.fare.unwrap_or(book.fare);
        if wanted.hook.is_some() {
            book.hook.clone_from(&wanted.hook);
        }
    });
    HttpResponse::NoContent().finish()
}
