//! Pages for visitors: what arrived, who can be played, which cards there are, which codes staff need.

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use crate::cashier::CARDS;
use crate::people::{PEOPLE, Plays};
use crate::state::State;

const CSS: &str = include_str!("sandbox.css");

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/inbox", web::get().to(inbox))
        .route("/people", web::get().to(people))
        .route("/staff", web::get().to(staff))
        .route("/sandbox.css", web::get().to(css));
}

async fn css() -> HttpResponse {
    HttpResponse::Ok().content_type("text/css; charset=utf-8").body(CSS)
}

/// The frame of every page here, unlike the service's own on purpose.
pub(crate) fn page(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="/sandbox.css";
            }
            body {
                header {
                    nav aria-label="沙箱" {
                        strong { "沙箱 Sandbox" }
                        a href="/inbox" { "收件箱 Inbox" }
                        a href="/people" { "样例人员与测试卡 People and cards" }
                        a href="/staff" { "工作人员动态码 Staff codes" }
                        a href="/control" { "控制台 Control" }
                    }
                }
                main { (body) }
            }
        }
    }
}

fn show(title: &str, body: Markup) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::html()).body(page(title, body).into_string())
}

#[derive(Deserialize)]
struct Filter {
    to: Option<String>,
}

async fn inbox(state: web::Data<State>, filter: web::Query<Filter>) -> HttpResponse {
    let to = filter.to.clone().unwrap_or_default();
    let messages = state.read(|book| {
        let mine = book.messages.iter().rev().filter(|message| to.is_empty() || message.to == to);
        mine.take(50).cloned().collect::<Vec<_>>()
    });
    show(
        "收件箱",
        html! {
            h1 { "收件箱 Inbox" }
            form method="get" {
                label for="to" { "收件人 To" }
                input id="to" name="to" value=(to);
                button type="submit" { "筛选 Filter" }
            }
            @if messages.is_empty() { p { "还没有消息。Nothing has arrived yet." } }
            @for message in messages {
                article {
                    p class="meta" { (message.channel) " · " (message.to) " · " (message.at.format("%Y-%m-%d %H:%M:%S UTC")) }
                    h2 { (message.subject) }
                    pre { (message.text) }
                }
            }
        },
    )
}

async fn people() -> HttpResponse {
    show(
        "样例人员",
        html! {
            h1 { "样例人员 Invented people" }
            p { "全部为虚构。有效期可填 2020-01-01 至 2040-01-01。其他号码只要校验位正确，也可通过核验。" }
            p lang="en" { "All invented. Use 2020-01-01 to 2040-01-01 as validity. Any other number with a right check digit passes too." }
            div class="wide" tabindex="0" role="region" aria-label="样例人员" {
                table {
                    thead { tr {
                        @for head in ["姓名 Name", "国籍", "性别", "证件", "号码 Number", "手机 Phone", "邮箱 E-mail", "结果 What happens"] {
                            th scope="col" { (head) }
                        }
                    } }
                    tbody { @for person in &PEOPLE {
                        tr {
                            td { (person.name) } td { (person.nationality) } td { (person.gender) } td { (person.document) }
                            td { code { (person.number) } } td { code { (person.phone) } } td { (person.email) }
                            td { (match person.plays {
                                Plays::Well => "一切顺利 all goes well",
                                Plays::Mismatch => "实名不符 real-name mismatch",
                                Plays::NotFound => "查无此证 no such document",
                                Plays::NoRecords => "无出入境记录 no entry–exit records",
                                Plays::Unsupported => "实名服务不支持该证件，由工作人员核对 checked by staff",
                            }) }
                        }
                    } }
                }
            }
            h2 { "测试卡 Test cards" }
            table {
                thead { tr { th scope="col" { "卡号 Number" } th scope="col" { "结果 What happens" } } }
                tbody { @for card in &CARDS { tr { td { code { (card.number) } } td { (card.zh) " · " (card.en) } } } }
            }
        },
    )
}

async fn staff(state: web::Data<State>) -> HttpResponse {
    let unix = state.now().timestamp();
    show(
        "工作人员动态码",
        html! {
            h1 { "工作人员动态码 Staff codes" }
            p { "代替工作人员自己的手机应用；每 30 秒更新。In place of an authenticator app; new every 30 seconds." }
            p { a href={(state.site) "/staff/login"} { "工作人员登录 Staff log-in" } " · " a href="" { "刷新 Refresh" } }
            table {
                thead { tr { th scope="col" { "用户 User" } th scope="col" { "密码 Password" } th scope="col" { "角色 Roles" } th scope="col" { "动态码 Code" } } }
                tbody { @for member in &state.staff {
                    tr {
                        td { code { (member.user) } } td { code { (member.password) } } td { (member.roles) }
                        td { code { (domain::one_time::totp(&member.secret, unix).unwrap_or_default()) } }
                    }
                } }
            }
        },
    )
}
