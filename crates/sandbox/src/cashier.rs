//! The cashier page: test cards, each of which plays one way that a payment can go.

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use chrono::TimeDelta;
use gateways::unionpay::wire::Fields;
use maud::{Markup, html};
use serde::Deserialize;

use crate::pages::page;
use crate::state::{Order, OrderState, State};
use crate::union_pay::{notification, notify, ripen};

/// A test card.
pub(crate) struct Card {
    pub(crate) number: &'static str,
    pub(crate) zh: &'static str,
    pub(crate) en: &'static str,
}

/// All of them.
pub(crate) const CARDS: [Card; 9] = [
    Card { number: "6216261000000000018", zh: "支付成功", en: "success" },
    Card { number: "6216261000000000026", zh: "余额不足（64）", en: "balance too low (64)" },
    Card { number: "6216261000000000034", zh: "发卡行拒绝（60）", en: "declined by the issuer (60)" },
    Card {
        number: "6216261000000000042",
        zh: "处理中，一分钟后成功（05）",
        en: "pending, success a minute later (05)",
    },
    Card { number: "6216261000000000059", zh: "成功，但不发通知", en: "success, but no notification" },
    Card { number: "6216261000000000067", zh: "成功，通知两次", en: "success, notified twice" },
    Card { number: "6216261000000000075", zh: "超时后成功（42）", en: "success after the allowed time (42)" },
    Card { number: "6216261000000000083", zh: "金额不符", en: "another amount" },
    Card { number: "6216261000000000091", zh: "成功有缺陷（A6）", en: "success with defect (A6)" },
];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/cashier/{order}/{time}", web::get().to(show)).route("/cashier/{order}/{time}", web::post().to(pay));
}

#[derive(Deserialize)]
struct Pay {
    card: String,
}

fn html(markup: Markup) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::html()).body(markup.into_string())
}

fn text<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map_or("", String::as_str)
}

fn yuan(order: &Order) -> String {
    let fen: u64 = text(&order.request, "txnAmt").parse().unwrap_or(0);
    format!("{}.{:02}", fen / 100, fen % 100)
}

async fn show(state: web::Data<State>, path: web::Path<(String, String)>) -> HttpResponse {
    let (order, time) = path.into_inner();
    match ripen(&state, &format!("{order}|{time}")) {
        Some(order) => html(cashier(&order, None)),
        None => HttpResponse::NotFound().body("no such order"),
    }
}

fn cashier(order: &Order, problem: Option<&str>) -> Markup {
    page(
        "中国银联在线支付（沙箱）",
        html! {
            h1 { "中国银联在线支付 " small { "沙箱 · sandbox" } }
            dl {
                dt { "商户 Merchant" } dd { (text(&order.request, "merId")) }
                dt { "订单 Order" } dd { (text(&order.request, "orderId")) }
                dt { "金额 Amount" } dd { strong { "¥" (yuan(order)) } }
            }
            @if let Some(problem) = problem { p role="alert" class="problem" { (problem) } }
            form method="post" {
                label for="card" { "银行卡号 Card number" }
                input id="card" name="card" inputmode="numeric" autocomplete="off" value=(CARDS.first().map_or("", |card| card.number));
                button type="submit" { "确认支付 Pay" }
            }
            h2 { "测试卡 Test cards" }
            table {
                thead { tr { th scope="col" { "卡号 Number" } th scope="col" { "结果 What happens" } } }
                tbody {
                    @for card in &CARDS {
                        tr { td { code { (card.number) } } td { (card.zh) " · " (card.en) } }
                    }
                }
            }
        },
    )
}

/// The page after the bank's: back to the merchant by a form post with signed fields, as the real one does it.
fn done(state: &State, order: &Order, code: &str, heading: &str) -> Markup {
    let fields = notification(state, order, code);
    page(
        heading,
        html! {
            h1 { (heading) }
            p { "¥" (yuan(order)) " · " (text(&order.request, "orderId")) }
            form method="post" action=(text(&order.request, "frontUrl")) {
                @for (name, value) in &fields { input type="hidden" name=(name) value=(value); }
                button type="submit" { "返回商户 Back to the merchant" }
            }
        },
    )
}

async fn pay(state: web::Data<State>, path: web::Path<(String, String)>, form: web::Form<Pay>) -> HttpResponse {
    let (order_id, time) = path.into_inner();
    let id = format!("{order_id}|{time}");
    let Some(order) = ripen(&state, &id) else { return HttpResponse::NotFound().body("no such order") };
    if order.state != OrderState::New {
        return html(cashier(&order, Some("此订单已有结果 This order has its result already")));
    }
    let card: String = form.card.chars().filter(char::is_ascii_digit).collect();
    let closes = chrono::NaiveDateTime::parse_from_str(text(&order.request, "payTimeout"), "%Y%m%d%H%M%S");
    let local = state.now().naive_utc() + TimeDelta::hours(8);
    if closes.is_ok_and(|closes| closes < local) {
        return html(cashier(&order, Some("订单已超时 The time for this order is over")));
    }
    let now = state.now();
    let settle = |to: OrderState, amount: Option<&str>| {
        state.change(|book| {
            let order = book.orders.get_mut(&id)?;
            order.paid_at = matches!(to, OrderState::Paid(_)).then_some(now);
            order.state = to;
            order.amount = amount.map(str::to_owned);
            Some(order.clone())
        })
    };
    let paid = |code: &str| OrderState::Paid(code.into());
    let tail = card.get(card.len().saturating_sub(2)..).unwrap_or_default();
    let known = CARDS.iter().any(|test| test.number == card);
    let outcome = match tail {
        _ if !known => return html(cashier(&order, Some("卡号无效（61） Unknown card (61)"))),
        "26" | "34" => {
            let code = if tail == "26" { "64" } else { "60" };
            let problem =
                if tail == "26" { "余额不足 Balance too low (64)" } else { "发卡行拒绝 Declined (60)" };
            settle(OrderState::Failed(code.into()), None);
            let back = text(&order.request, "frontUrl").to_owned();
            return html(page(
                "支付失败",
                html! {
                    h1 { "支付失败 Payment failed" }
                    p role="alert" { (problem) }
                    // A failed payment returns by a bare GET without data.
                    p { a href=(back) { "返回商户 Back to the merchant" } }
                },
            ));
        }
        "42" => {
            let order = settle(OrderState::PaidFrom(state.now() + TimeDelta::minutes(1)), None);
            return order.map_or_else(
                || HttpResponse::NotFound().finish(),
                |order| {
                    html(page(
                        "处理中",
                        html! {
                            h1 { "支付处理中 Payment under way" }
                            p { a href=(text(&order.request, "frontUrl")) { "返回商户 Back to the merchant" } }
                        },
                    ))
                },
            );
        }
        "75" => settle(paid("42"), None).map(|order| (order, "42", 1)),
        "83" => settle(paid("00"), Some("1")).map(|order| (order, "00", 1)),
        "91" => settle(paid("A6"), None).map(|order| (order, "A6", 1)),
        "59" => settle(paid("00"), None).map(|order| (order, "00", 0)),
        "67" => settle(paid("00"), None).map(|order| (order, "00", 2)),
        _ => settle(paid("00"), None).map(|order| (order, "00", 1)),
    };
    let Some((order, code, notifications)) = outcome else { return HttpResponse::NotFound().finish() };
    for _ in 0..notifications {
        notify(state.clone(), order.clone(), code.to_owned());
    }
    html(done(&state, &order, code, "支付成功 Payment succeeded"))
}
