//! UnionPay's side of the wire (unionpay.md §2–8): front request, query, signed raw replies, notifications.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use gateways::unionpay::wire::{Fields, digest, write_reply};
use gateways::x509;

use crate::MERCHANT;
use crate::state::{Order, OrderState, State};

/// Pauses before the second to the fifth send of a notification (§8.3).
const SEND_AGAIN: [u64; 4] = [60, 120, 240, 480];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/gateway/api/frontTransReq.do", web::post().to(front))
        .route("/gateway/api/queryTrans.do", web::post().to(query))
        .route("/gateway/api/backTransReq.do", web::post().to(back));
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

/// The name of an order in the book.
pub(crate) fn key(fields: &Fields) -> String {
    format!("{}|{}", field(fields, "orderId"), field(fields, "txnTime"))
}

/// What is wrong with a request, as a code of §7; `None` when nothing is.
fn refusal(state: &State, fields: &Fields) -> Option<&'static str> {
    if field(fields, "signMethod") != "01" || field(fields, "certId") != state.merchant.serial_decimal() {
        return Some("11");
    }
    if state.merchant.verify(digest(fields).as_bytes(), field(fields, "signature")).is_err() {
        return Some("11");
    }
    if field(fields, "merId") != MERCHANT {
        return Some("31");
    }
    let order = field(fields, "orderId");
    let order_ok = (8..=40).contains(&order.len()) && order.bytes().all(|b| b.is_ascii_alphanumeric());
    let time = chrono::NaiveDateTime::parse_from_str(field(fields, "txnTime"), "%Y%m%d%H%M%S");
    if !order_ok || time.is_err() || fields.values().any(String::is_empty) {
        return Some("10");
    }
    None
}

/// The five fields without which the gateway does not even answer in its own format (§2).
fn is_request(fields: &Fields) -> bool {
    ["version", "txnType", "txnSubType", "signMethod", "signature"].iter().all(|name| fields.contains_key(*name))
        && field(fields, "version") == "5.1.0"
}

fn plain(text: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=UTF-8").body(text)
}

/// Signs a message of the gateway's.
pub(crate) fn signed(state: &State, mut fields: Fields) -> Fields {
    for gone in ["certId", "signature"] {
        fields.remove(gone);
    }
    fields.retain(|_, value| !value.is_empty());
    fields.insert("signPubKeyCert".into(), state.signer_pem.clone());
    match x509::sign(&state.signer, digest(&fields).as_bytes()) {
        Ok(signature) => {
            fields.insert("signature".into(), signature);
        }
        Err(error) => tracing::error!(%error, "the sandbox gateway could not sign"),
    }
    fields
}

fn reply(state: &State, mut fields: Fields, code: &str, message: &str) -> HttpResponse {
    fields.insert("respCode".into(), code.into());
    fields.insert("respMsg".into(), format!("{message}[{code}00000]"));
    HttpResponse::Ok().content_type("text/html;charset=UTF-8").body(write_reply(&signed(state, fields)))
}

async fn front(state: web::Data<State>, form: web::Form<Fields>) -> HttpResponse {
    let fields = form.into_inner();
    if !is_request(&fields) {
        return plain("Invalid request.");
    }
    if field(&fields, "txnType") != "01" {
        return plain("Invalid request URI.");
    }
    if let Some(code) = refusal(&state, &fields) {
        return reply(&state, fields, code, "refused");
    }
    if !field(&fields, "txnAmt").parse::<u64>().is_ok_and(|amount| amount > 0)
        || field(&fields, "currencyCode") != "156"
    {
        return reply(&state, fields, "10", "amount or currency");
    }
    let id = key(&fields);
    let order = field(&fields, "orderId").to_owned();
    let time = field(&fields, "txnTime").to_owned();
    let known = state.read(|book| book.orders.get(&id).map(|order| order.state != OrderState::New));
    match known {
        Some(true) => return reply(&state, fields, "12", "duplicate"),
        Some(false) => {}
        None => {
            let at = state.now();
            let local = at.with_timezone(
                &chrono::FixedOffset::east_opt(8 * 3_600).unwrap_or_else(|| chrono::Offset::fix(&chrono::Utc)),
            );
            let trace: u32 = rand::random_range(100_000..999_999);
            let query_id = format!("95{}{trace}{}", local.format("%y%m%d%H%M%S"), rand::random_range(0..10));
            let order = Order { request: fields, state: OrderState::New, query_id, amount: None, at };
            state.change(|book| book.orders.insert(id, order));
        }
    }
    HttpResponse::SeeOther().insert_header(("Location", format!("/cashier/{order}/{time}"))).finish()
}

/// Under way turns into paid when its instant has come.
pub(crate) fn ripen(state: &State, id: &str) -> Option<Order> {
    let now = state.now();
    let ripe = state.read(
        |book| matches!(book.orders.get(id).map(|order| &order.state), Some(OrderState::PaidFrom(at)) if *at <= now),
    );
    if ripe {
        state.change(|book| {
            if let Some(order) = book.orders.get_mut(id) {
                order.state = OrderState::Paid("00".into());
            }
        });
    }
    state.read(|book| book.orders.get(id).cloned())
}

async fn query(state: web::Data<State>, form: web::Form<Fields>) -> HttpResponse {
    let fields = form.into_inner();
    if !is_request(&fields) {
        return plain("Invalid request.");
    }
    if field(&fields, "txnType") != "00" {
        return plain("Invalid request URI.");
    }
    if let Some(code) = refusal(&state, &fields) {
        return reply(&state, fields, code, "refused");
    }
    state.change(|book| book.asked += 1);
    let Some(order) = ripen(&state, &key(&fields)) else {
        return reply(&state, fields, "34", "no such transaction");
    };
    let mut answer = fields;
    let mut put = |name: &str, value: &str| answer.insert(name.into(), value.into());
    put("txnType", "01");
    put("txnSubType", "01");
    put("bizType", "000201");
    put("currencyCode", "156");
    put("settleCurrencyCode", "156");
    let asked = field(&order.request, "txnAmt").to_owned();
    let amount = order.amount.clone().unwrap_or(asked);
    put("txnAmt", &amount);
    put("settleAmt", &amount);
    let code = match &order.state {
        OrderState::New => "34",
        OrderState::Paid(code) | OrderState::Failed(code) => code,
        OrderState::PaidFrom(_) => "05",
    };
    put("origRespCode", code);
    put("origRespMsg", "see origRespCode");
    if matches!(order.state, OrderState::Paid(_)) {
        put("queryId", &order.query_id);
        put("accNo", "6216***********0018");
    }
    reply(&state, answer, "00", "success")
}

async fn back(form: web::Form<Fields>, _: HttpRequest) -> HttpResponse {
    // Refunds belong to a part of the service that is not there yet.
    let fields = form.into_inner();
    if is_request(&fields) { plain("Invalid request URI.") } else { plain("Invalid request.") }
}

/// What the gateway says of a paid order, in a notification and in the browser's return (§6.5).
pub(crate) fn notification(state: &State, order: &Order, code: &str) -> Fields {
    let copied = [
        "accessType",
        "bizType",
        "currencyCode",
        "encoding",
        "merId",
        "orderId",
        "txnTime",
        "txnType",
        "txnSubType",
        "version",
        "signMethod",
    ];
    let mut fields: Fields = copied
        .iter()
        .filter_map(|name| order.request.get(*name).map(|value| ((*name).to_owned(), value.clone())))
        .collect();
    let amount = order.amount.clone().unwrap_or_else(|| field(&order.request, "txnAmt").to_owned());
    let mut put = |name: &str, value: String| fields.insert(name.into(), value);
    put("txnAmt", amount.clone());
    put("settleAmt", amount);
    put("settleCurrencyCode", "156".into());
    put("queryId", order.query_id.clone());
    put("accNo", "6216***********0018".into());
    put("traceNo", order.query_id.chars().skip(14).take(6).collect());
    put("respCode", code.into());
    put("respMsg", format!("成功[{code}00000]"));
    signed(state, fields)
}

/// Sends a notification until it is taken, at most five times.
pub(crate) fn notify(state: web::Data<State>, order: Order, code: String) {
    if state.read(|book| book.notifications_off) {
        return;
    }
    actix_web::rt::spawn(async move {
        let url = field(&order.request, "backUrl").to_owned();
        for pause in [0].into_iter().chain(SEND_AGAIN) {
            tokio::time::sleep(Duration::from_secs(pause)).await;
            let sent = state.http.post(&url).form(&notification(&state, &order, &code)).send().await;
            if sent.is_ok_and(|reply| matches!(reply.status().as_u16(), 200 | 302)) {
                return;
            }
        }
    });
}
