//! UnionPay's side of the wire (unionpay.md §2–8): front request, query, signed raw replies, notifications.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use domain::clearing::{ClearingKind, ClearingLine};
use gateways::unionpay::clearing;
use gateways::unionpay::wire::{Fields, digest, write_reply};
use gateways::x509;

use crate::MERCHANT;
use crate::state::{Order, OrderState, Refund, RefundPlay, State};

/// Queries about one order in one minute; more are refused (§7, 37).
const QUERIES_PER_MINUTE: u32 = 30;
/// Months within which a payment can be refunded (§6.4).
const REFUND_MONTHS: u32 = 11;
/// Seconds after which a refund has ended; the real one takes days.
const REFUND_SECONDS: i64 = 2;
/// Pauses before the second to the fifth send of a notification (§8.3).
const SEND_AGAIN: [i64; 4] = [60, 120, 240, 480];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/gateway/api/frontTransReq.do", web::post().to(front))
        .route("/gateway/api/queryTrans.do", web::post().to(query))
        .route("/gateway/api/backTransReq.do", web::post().to(back))
        .route("/filedownload/", web::post().to(file));
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
            let query_id = serial(at);
            let order = Order { request: fields, state: OrderState::New, query_id, amount: None, at, paid_at: None };
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
                order.paid_at = Some(now);
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
    let (id, now) = (key(&fields), state.now());
    let too_many = state.change(|book| {
        book.asked += 1;
        let (since, count) = book.queried.entry(id).or_insert((now, 0));
        if now - *since >= chrono::TimeDelta::minutes(1) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > QUERIES_PER_MINUTE
    });
    if too_many {
        return reply(&state, fields, "37", "too many queries");
    }
    if let Some(refund) = state.read(|book| book.refunds.get(&key(&fields)).cloned()) {
        let mut answer = fields;
        let amount = field(&refund.request, "txnAmt").to_owned();
        for (name, value) in [
            ("txnType", "04"),
            ("txnAmt", amount.as_str()),
            ("currencyCode", "156"),
            ("queryId", refund.query_id.as_str()),
            ("origRespCode", refund_code(&state, &refund)),
            ("origRespMsg", "see origRespCode"),
        ] {
            answer.insert(name.into(), value.into());
        }
        return reply(&state, answer, "00", "success");
    }
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

fn beijing(at: chrono::DateTime<chrono::Utc>) -> chrono::NaiveDateTime {
    at.naive_utc() + chrono::TimeDelta::hours(8)
}

/// UnionPay's serial, in the shape that was seen (§5).
fn serial(at: chrono::DateTime<chrono::Utc>) -> String {
    let trace: u32 = rand::random_range(100_000..999_999);
    format!("95{}{trace}{}", beijing(at).format("%y%m%d%H%M%S"), rand::random_range(0..10))
}

/// Why a refund can't be taken (§6.4, §7).
fn refund_refusal(state: &State, fields: &Fields) -> Option<(&'static str, &'static str)> {
    let time = chrono::NaiveDateTime::parse_from_str(field(fields, "txnTime"), "%Y%m%d%H%M%S");
    let now = beijing(state.now());
    if time.is_ok_and(|time| (time - now).abs() > chrono::TimeDelta::hours(1)) {
        return Some(("10", "txnTime is not now"));
    }
    let amount: u64 = field(fields, "txnAmt").parse().unwrap_or(0);
    let original = field(fields, "origQryId");
    state.read(|book| {
        let paid =
            book.orders.values().find(|order| order.query_id == original && matches!(order.state, OrderState::Paid(_)));
        let Some(paid) = paid else { return Some(("35", "original missing or in another state")) };
        let months = chrono::Months::new(REFUND_MONTHS);
        if paid.at.checked_add_months(months).is_some_and(|limit| limit < state.now()) {
            return Some(("39", "outside the window"));
        }
        let whole = paid.amount.clone().unwrap_or_else(|| field(&paid.request, "txnAmt").to_owned());
        let gone: u64 = book
            .refunds
            .values()
            .filter(|refund| refund.original == original && refund.play != RefundPlay::Failure)
            .filter_map(|refund| field(&refund.request, "txnAmt").parse::<u64>().ok())
            .sum();
        let left = whole.parse::<u64>().unwrap_or(0).saturating_sub(gone);
        (amount == 0 || amount > left).then_some(("36", "more than is left"))
    })
}

async fn back(state: web::Data<State>, form: web::Form<Fields>) -> HttpResponse {
    let fields = form.into_inner();
    if !is_request(&fields) {
        return plain("Invalid request.");
    }
    if field(&fields, "txnType") != "04" {
        return plain("Invalid request URI.");
    }
    if let Some(code) = refusal(&state, &fields) {
        return reply(&state, fields, code, "refused");
    }
    let id = key(&fields);
    if state.read(|book| book.refunds.contains_key(&id) || book.orders.contains_key(&id)) {
        return reply(&state, fields, "12", "duplicate");
    }
    if let Some((code, words)) = refund_refusal(&state, &fields) {
        return reply(&state, fields, code, words);
    }
    let play = state.read(|book| book.refund_play);
    if play == RefundPlay::Refused {
        return reply(&state, fields, "60", "declined by the issuer");
    }
    let at = state.now();
    let original = field(&fields, "origQryId").to_owned();
    let refund = Refund { request: fields.clone(), original, play, query_id: serial(at), at };
    state.change(|book| book.refunds.insert(id, refund.clone()));
    // The transaction notifies of success and of failure (§8.1).
    match play {
        RefundPlay::Success | RefundPlay::Lost => tell_refund(state.clone(), refund, "00"),
        RefundPlay::Failure => tell_refund(state.clone(), refund, "60"),
        RefundPlay::Never | RefundPlay::Refused => {}
    }
    if play == RefundPlay::Lost {
        return HttpResponse::GatewayTimeout().finish();
    }
    reply(&state, fields, "00", "accepted")
}

/// How a refund stands, as a code of a query.
fn refund_code(state: &State, refund: &Refund) -> &'static str {
    let ripe = state.now() - refund.at >= chrono::TimeDelta::seconds(REFUND_SECONDS);
    match refund.play {
        RefundPlay::Success | RefundPlay::Lost if ripe => "00",
        RefundPlay::Failure if ripe => "60",
        _ => "05",
    }
}

/// Says how a refund ended, a moment after it was taken.
fn tell_refund(state: web::Data<State>, refund: Refund, code: &'static str) {
    if state.read(|book| book.notifications_off) {
        return;
    }
    actix_web::rt::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let order = Order {
            request: refund.request.clone(),
            state: OrderState::Paid(code.into()),
            query_id: refund.query_id.clone(),
            amount: None,
            at: refund.at,
            paid_at: None,
        };
        notify(state, order, code.to_owned());
    });
}

/// The merchant's fee in fen: 0.6 per cent.
fn fee(amount: i64) -> i64 {
    -(amount * 6 / 1_000)
}

/// The clearing file of one day (§6.6, §9): from 23:00 to 23:00 in Beijing.
async fn file(state: web::Data<State>, form: web::Form<Fields>) -> HttpResponse {
    let fields = form.into_inner();
    if !is_request(&fields) {
        return plain("Invalid request.");
    }
    if field(&fields, "txnType") != "76" {
        return plain("Invalid request URI.");
    }
    // A request for a file has no order of its own, so it is its signature alone that is checked.
    if state.merchant.verify(digest(&fields).as_bytes(), field(&fields, "signature")).is_err() {
        return reply(&state, fields, "11", "refused");
    }
    let wanted = field(&fields, "settleDate").to_owned();
    let of_day = |at: chrono::DateTime<chrono::Utc>| {
        let shifted = beijing(at) + chrono::TimeDelta::hours(1);
        shifted.format("%m%d").to_string() == wanted
    };
    let lines: Vec<(ClearingLine, String)> = state.read(|book| {
        let time = |at: chrono::DateTime<chrono::Utc>| beijing(at).format("%m%d%H%M%S").to_string();
        let paid =
            book.orders.values().filter(|order| matches!(order.state, OrderState::Paid(_))).filter_map(|order| {
                let at = order.paid_at.filter(|at| of_day(*at))?;
                let asked = field(&order.request, "txnAmt");
                let amount: i64 = order.amount.as_deref().unwrap_or(asked).parse().ok()?;
                let line = ClearingLine {
                    kind: ClearingKind::Payment,
                    amount,
                    query_id: order.query_id.clone(),
                    order: field(&order.request, "orderId").to_owned(),
                    fee: fee(amount),
                    settled: amount + fee(amount),
                    original: String::new(),
                };
                Some((line, time(at)))
            });
        let back = book.refunds.values().filter_map(|refund| {
            let done = matches!(refund.play, RefundPlay::Success | RefundPlay::Lost) && of_day(refund.at);
            let amount: i64 = field(&refund.request, "txnAmt").parse().ok().filter(|_| done)?;
            let line = ClearingLine {
                kind: ClearingKind::Refund,
                amount,
                query_id: refund.query_id.clone(),
                order: field(&refund.request, "orderId").to_owned(),
                fee: 0,
                settled: -amount,
                original: refund.original.clone(),
            };
            Some((line, time(refund.at)))
        });
        paid.chain(back).collect()
    });
    if lines.is_empty() {
        return reply(&state, fields, "98", "no file");
    }
    let mut text = Vec::new();
    for (line, time) in &lines {
        text.extend(clearing::write(line, MERCHANT, time));
        text.extend(b"\r\n");
    }
    let name = format!("INN{wanted}88ZM_{MERCHANT}");
    match clearing::pack(&name, &text) {
        Ok(content) => {
            let mut answer = fields;
            answer.insert("fileName".into(), format!("{MERCHANT}_{wanted}.zip"));
            answer.insert("fileContent".into(), content);
            reply(&state, answer, "00", "success")
        }
        Err(error) => {
            tracing::error!(%error, "the sandbox could not pack a clearing file");
            reply(&state, fields, "99", "no file")
        }
    }
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

/// Waits until the sandbox's clock, which can be moved, shows `at`.
async fn until(state: &State, at: chrono::DateTime<chrono::Utc>) {
    while state.now() < at {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Sends a notification until it is taken, at most five times.
pub(crate) fn notify(state: web::Data<State>, order: Order, code: String) {
    if state.read(|book| book.notifications_off) {
        return;
    }
    actix_web::rt::spawn(async move {
        let url = field(&order.request, "backUrl").to_owned();
        for pause in [0].into_iter().chain(SEND_AGAIN) {
            until(&state, state.now() + chrono::TimeDelta::seconds(pause)).await;
            let sent = state.http.post(&url).form(&notification(&state, &order, &code)).send().await;
            if sent.is_ok_and(|reply| matches!(reply.status().as_u16(), 200 | 302)) {
                return;
            }
        }
    });
}
