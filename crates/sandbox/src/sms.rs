//! The SMS service (sms.md §1–2): any official client's way of calling, true signatures, an inbox instead of phones.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use gateways::acs3::Signable;
use serde_json::json;

use crate::state::{Fare, Message, State};
use crate::{SMS_KEY_ID, SMS_KEY_SECRET};

/// The texts of the approved templates.
const TEMPLATES: [(&str, &str); 29] = [
    ("SMS_100000001", "您的验证码为 ${code}，10 分钟内有效，请勿告知他人。"),
    ("SMS_100000002", "您已完成注册。用户名 ${username}，密码 ${password}，请妥善保存。"),
    ("SMS_100000003", "您的认证申请 ${number} 已提交，请尽快在线支付认证费用。"),
    ("SMS_100000004", "您的认证申请 ${number} 已支付，等待受理。"),
    ("SMS_100000005", "您的认证申请 ${number} 已受理，进入认证评估。"),
    ("SMS_100000006", "您的认证申请 ${number} 已有结果，请登录系统查看。"),
    ("SMS_100000007", "您的认证申请 ${number} 未被受理，请登录系统查看原因。"),
    ("SMS_100000008", "您为认证申请 ${number} 多支付的费用将退回原卡。"),
    ("SMS_100000009", "您的登录密码已修改。如非本人操作，请立即找回密码。"),
    ("SMS_100000010", "您已完成注册。用户名 ${username}。"),
    ("SMS_100000011", "您账户登记的联系方式已修改。如非本人操作，请立即找回密码。"),
    ("SMS_100000012", "您的认证申请 ${number} 的退费申请已收到，将由财务审核。"),
    ("SMS_100000013", "您的认证申请 ${number} 的退费已批准，即将退款。"),
    ("SMS_100000014", "您的认证申请 ${number} 的退费申请未获批准，请登录系统查看原因。"),
    ("SMS_100000015", "您的认证申请 ${number} 的退费已完成，请留意银行到账。"),
    ("SMS_100000016", "您的认证申请 ${number} 的退款被银行退回，请登录系统补充收款信息。"),
    ("SMS_100000017", "您的认证申请 ${number} 需补充材料，截止 ${day}，请登录系统查看。"),
    ("SMS_100000018", "您的认证申请 ${number} 的补充材料 ${day} 到期，请尽快提交。"),
    ("SMS_100000019", "您的认证申请 ${number} 的补充材料期限已过，请登录系统查看。"),
    ("SMS_100000020", "您的认证申请 ${number} 的补充材料已收到。"),
    ("SMS_100000021", "您的认证申请 ${number} 有新通知，请登录系统查看。"),
    ("SMS_100000022", "您的认证申请 ${number} 的预计完成时间变更为 ${day}。"),
    ("SMS_100000023", "您的认证申请 ${number} 未能按预计时间完成，我们正在尽快办理。"),
    ("SMS_100000024", "您的认证申请 ${number} 暂缓处理至 ${day}，请登录系统查看。"),
    ("SMS_100000025", "您的认证申请 ${number} 已恢复处理。"),
    ("SMS_100000026", "您的认证申请 ${number} 已退出。"),
    ("SMS_100000027", "您的认证申请 ${number} 的复核申请已收到。"),
    ("SMS_100000028", "您的认证申请 ${number} 的复核已完成，请登录系统查看。"),
    ("SMS_100000029", "认证申请 ${number} 的文件已被撤销，请登录系统查看原因。"),
];

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/", web::post().to(send)).route("/", web::get().to(send));
}

fn refused(status: u16, code: &str) -> HttpResponse {
    let body = json!({"RequestId": "sandbox", "HostId": "sandbox", "Code": code, "Message": code});
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or(actix_web::http::StatusCode::BAD_REQUEST);
    HttpResponse::build(status).json(body)
}

fn answer(code: &str, biz: &str) -> HttpResponse {
    HttpResponse::Ok().json(json!({"Code": code, "Message": code, "BizId": biz, "RequestId": "sandbox"}))
}

/// Checks the signature over the headers that it names.
fn signed(request: &HttpRequest, query: &[(String, String)], body: &[u8]) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = header("Authorization");
    let part = |name: &str| {
        let found = authorization.split([' ', ',']).find_map(|part| part.trim().strip_prefix(name));
        found.and_then(|rest| rest.strip_prefix('=')).unwrap_or_default()
    };
    if part("Credential") != SMS_KEY_ID {
        return false;
    }
    let headers: Vec<(String, String)> =
        part("SignedHeaders").split(';').map(|name| (name.to_owned(), header(name).to_owned())).collect();
    let signable = Signable { method: request.method().as_str(), path: "/", query, headers: &headers, body };
    signable.signature(gateways::sms::ALGORITHM, SMS_KEY_SECRET) == part("Signature")
}

async fn send(state: web::Data<State>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    if request.headers().get("x-acs-action").is_none() {
        return HttpResponse::SeeOther().insert_header(("Location", "/inbox")).finish();
    }
    let Ok(query) = web::Query::<Vec<(String, String)>>::from_query(request.query_string()) else {
        return refused(400, "InvalidParameter");
    };
    let query = query.into_inner();
    if !signed(&request, &query, &body) {
        return refused(400, "SignatureDoesNotMatch");
    }
    if request.headers().get("x-acs-action").is_some_and(|action| action == "QuerySendDetails") {
        return details(&state, &query);
    }
    let value = |name: &str| query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    if state.read(|book| book.messages_down) {
        return answer("isp.SYSTEM_ERROR", "");
    }
    let phone = value("PhoneNumbers");
    if domain::person::mobile(phone).is_none() {
        return answer("isv.MOBILE_NUMBER_ILLEGAL", "");
    }
    let Some((_, template)) = TEMPLATES.iter().find(|(code, _)| *code == value("TemplateCode")) else {
        return answer("isv.SMS_TEMPLATE_ILLEGAL", "");
    };
    let Ok(params) = serde_json::from_str::<BTreeMap<String, String>>(value("TemplateParam")) else {
        return answer("isv.INVALID_JSON_PARAM", "");
    };
    let mut text = (*template).to_owned();
    for (name, value) in &params {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    if text.contains("${") {
        return answer("isv.TEMPLATE_MISSING_PARAMETERS", "");
    }
    let biz_id = format!("{}^0", rand::random_range(100_000_000_000_u64..999_999_999_999));
    let fare = state.read(|book| book.fare);
    let message = Message {
        at: state.now(),
        channel: "sms".into(),
        to: phone.to_owned(),
        subject: value("TemplateCode").to_owned(),
        text: format!("【{}】{text}", value("SignName")),
        out_id: value("OutId").to_owned(),
        biz_id: biz_id.clone(),
        status: if fare == Fare::Fail { 2 } else { 3 },
    };
    if fare != Fare::Silent {
        state.report("receipts", "application/json", receipt(&message).to_string().into_bytes());
    }
    state.keep(message);
    answer("OK", &biz_id)
}

fn beijing(at: chrono::DateTime<chrono::Utc>) -> chrono::NaiveDateTime {
    (at + chrono::TimeDelta::hours(8)).naive_utc()
}

/// What the networks say of a text that did not arrive.
fn err_code(message: &Message) -> &'static str {
    if message.status == 3 { "DELIVERED" } else { "MOBILE_NOT_ON_SERVICE" }
}

/// A delivery receipt (sms.md §4): an array of one.
fn receipt(message: &Message) -> serde_json::Value {
    let at = beijing(message.at).format("%Y-%m-%d %H:%M:%S").to_string();
    let size = (message.text.chars().count() / 67 + 1).to_string();
    json!([{
        "phone_number": message.to, "send_time": at, "report_time": at, "success": message.status == 3,
        "err_code": err_code(message), "err_msg": err_code(message), "sms_size": size,
        "biz_id": message.biz_id, "out_id": message.out_id,
    }])
}

/// `QuerySendDetails`: what was sent to one number on one day.
fn details(state: &State, query: &[(String, String)]) -> HttpResponse {
    let value = |name: &str| query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    let number = |name: &str, most: usize| value(name).parse::<usize>().ok().filter(|n| (1..=most).contains(n));
    let (Some(size), Some(page)) = (number("PageSize", 50), number("CurrentPage", 1_000)) else {
        return answer("isv.INVALID_PARAMETERS", "");
    };
    let wanted = |message: &&Message| {
        message.channel == "sms"
            && message.to == value("PhoneNumber")
            && beijing(message.at).format("%Y%m%d").to_string() == value("SendDate")
            && (value("BizId").is_empty() || message.biz_id == value("BizId"))
    };
    let found: Vec<Message> = state.read(|book| book.messages.iter().filter(wanted).cloned().collect());
    let list: Vec<_> = found
        .iter()
        .skip((page - 1) * size)
        .take(size)
        .map(|message| {
            json!({
                "SendStatus": message.status, "ErrCode": err_code(message), "PhoneNum": message.to,
                "OutId": message.out_id, "TemplateCode": message.subject, "Content": message.text,
                "SendDate": beijing(message.at).format("%Y-%m-%d %H:%M:%S").to_string(),
                "ReceiveDate": beijing(message.at).format("%Y-%m-%d %H:%M:%S").to_string(),
            })
        })
        .collect();
    HttpResponse::Ok().json(json!({
        "Code": "OK", "Message": "OK", "RequestId": "sandbox", "TotalCount": found.len().to_string(),
        "SmsSendDetailDTOs": { "SmsSendDetailDTO": list },
    }))
}
