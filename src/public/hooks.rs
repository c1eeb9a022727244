//! What others tell us of notices that were sent (R2.15): delivery receipts of the SMS provider, mails that bounced.
//!
//! Both come unsigned: the address holds a key that nobody can guess, and what they say is a hint that changes nothing
//! but how a notice is shown.

use actix_web::{HttpResponse, web};
use domain::Rejection;
use domain::ids::NoticeId;
use gateways::sms::{Fate, Receipt};
use mail_parser::{MessageParser, MimeHeaders, PartType};
use serde_json::json;
use store::Delivery;

use crate::web::Answer;
use crate::web::ctx::Ctx;

/// Receipts that are read of one push.
const RECEIPTS_MOST: usize = 1_000;

/// The part that nobody can guess.
pub fn key(store: &store::Store) -> String {
    store.keys().sign("notice-hook", "1")
}

fn let_in(ctx: &Ctx, given: &str) -> Result<(), Rejection> {
    if given == key(&ctx.site().tree.world.store) { Ok(()) } else { Err(Rejection::NotFound) }
}

/// `POST /notices/{key}/receipts` (sms.md §4): an array. What can't be read in it is nobody's to push again; what is about
/// a text that is being sent this very moment is.
pub async fn receipts(ctx: Ctx, path: web::Path<String>, body: web::Bytes) -> Answer {
    let_in(&ctx, &path)?;
    let Ok(reports) = serde_json::from_slice::<Vec<serde_json::Value>>(&body) else {
        return Ok(HttpResponse::BadRequest().json(json!({"code": 1, "msg": "no array of reports"})));
    };
    let reports = reports.into_iter().take(RECEIPTS_MOST).filter_map(|report| serde_json::from_value(report).ok());
    let known = reports.filter_map(|report: Receipt| {
        let what = match report.fate() {
            Fate::Failed(code) => Delivery::Failed(code),
            _ => Delivery::Arrived,
        };
        Some((report.out_id.as_deref()?.parse().ok()?, Some(report.biz_id.unwrap_or_default()), what))
    });
    let known: Vec<(NoticeId, Option<String>, Delivery)> = known.collect();
    let early = ctx.db(move |store| store.notice_receipts(&known)).await?;
    if early {
        return Ok(HttpResponse::ServiceUnavailable().json(json!({"code": 2, "msg": "not yet: push it again"})));
    }
    Ok(HttpResponse::Ok().json(json!({"code": 0, "msg": "接收成功"})))
}

/// `POST /notices/{key}/bounces`: a delivery status notification (RFC 3464), as a mail server hands it on.
pub async fn bounces(ctx: Ctx, path: web::Path<String>, body: web::Bytes) -> Answer {
    let_in(&ctx, &path)?;
    if let Some((id, status)) = bounced(&body) {
        let bounce = [(id, None, Delivery::Failed(status))];
        if ctx.db(move |store| store.notice_receipts(&bounce)).await? {
            return Ok(HttpResponse::ServiceUnavailable().finish());
        }
    }
    // What is no bounce of ours is nobody's to send again.
    Ok(HttpResponse::NoContent().finish())
}

/// Which notice bounced for good, and the status code that says why (RFC 3464).
pub fn bounced(raw: &[u8]) -> Option<(NoticeId, String)> {
    let mail = MessageParser::default().parse(raw)?;
    if mail.content_type()?.subtype() != Some("report") {
        return None;
    }
    let (mut id, mut status, mut failed) = (None, String::new(), false);
    for part in &mail.parts {
        let text = match &part.body {
            PartType::Message(inner) => {
                id = id.or_else(|| ours(inner.message_id()?));
                continue;
            }
            PartType::Multipart(_) => continue,
            _ => String::from_utf8_lossy(part.contents()).into_owned(),
        };
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else { continue };
            match name.trim().to_ascii_lowercase().as_str() {
                "action" => failed |= value.trim().eq_ignore_ascii_case("failed"),
                "status" if status.is_empty() => {
                    status = value.chars().filter(|c| c.is_ascii_digit() || *c == '.').take(12).collect();
                }
                "message-id" => id = id.or_else(|| ours(value)),
                _ => {}
            }
        }
    }
    id.filter(|_| failed).map(|id| (id, status))
}

/// The notice that a message id names, if it is one of ours.
fn ours(message_id: &str) -> Option<NoticeId> {
    message_id.trim().trim_matches(['<', '>']).strip_suffix("@renzheng")?.parse().ok()
}
