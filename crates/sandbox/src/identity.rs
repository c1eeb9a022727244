//! The identity service and its app (identity.md §5): signed calls, a phone page where the outcome is chosen.

use actix_web::http::header::ContentType;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{Datelike, NaiveDate, TimeDelta};
use gateways::acs3::Signable;
use gateways::identity::{
    ALGORITHM, Callback, FaceBegun, FaceRequest, FaceStatus, RealNameAnswer, RealNameRequest, RealNameResult,
    RecordEntry, RecordsBegun, RecordsRequest, RecordsStatus, document_hash,
};
use maud::html;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::pages::page;
use crate::people::{Plays, is_other, plays};
use crate::state::{Face, Query, State};
use crate::{APP_ID, APP_SECRET};

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/v1/realname-checks", web::post().to(real_name))
        .route("/v1/face-verifications", web::post().to(begin_face))
        .route("/v1/face-verifications/{id}", web::get().to(face))
        .route("/v1/face-verifications/{id}/cancel", web::post().to(cancel))
        .route("/v1/entry-exit-queries", web::post().to(begin_records))
        .route("/v1/entry-exit-queries/{id}", web::get().to(records))
        .route("/app/{token}", web::get().to(app))
        .route("/app/{token}", web::post().to(choose));
}

fn problem(status: u16, code: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).unwrap_or(actix_web::http::StatusCode::BAD_REQUEST);
    let body =
        json!({"type": "about:blank", "title": code, "status": status.as_u16(), "code": code, "requestId": "sandbox"});
    HttpResponse::build(status).content_type("application/problem+json").body(body.to_string())
}

fn signed(state: &State, request: &HttpRequest, body: &[u8]) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let date = chrono::NaiveDateTime::parse_from_str(header("x-govid-date"), "%Y-%m-%dT%H:%M:%SZ");
    let fresh = date.is_ok_and(|date| (state.now().naive_utc() - date).abs() <= TimeDelta::minutes(5));
    let headers =
        gateways::identity::signed_headers(header("host"), header("x-govid-date"), header("x-govid-nonce"), body);
    let signable =
        Signable { method: request.method().as_str(), path: request.path(), query: &[], headers: &headers, body };
    fresh && signable.authorization(ALGORITHM, APP_ID, APP_SECRET) == header("Authorization")
}

/// Checks the signature and reads the body.
fn read<T: DeserializeOwned>(state: &State, request: &HttpRequest, body: &[u8]) -> Result<T, (u16, &'static str)> {
    if !signed(state, request, body) {
        return Err((401, "signature"));
    }
    serde_json::from_slice(body).map_err(|_| (400, "body"))
}

async fn real_name(state: web::Data<State>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let wanted: RealNameRequest = match read(&state, &request, &body) {
        Ok(wanted) => wanted,
        Err((status, code)) => return problem(status, code),
    };
    let result = match plays(&wanted.document_no) {
        _ if is_other(&wanted.document_no, &wanted.name) => RealNameResult::Mismatch,
        Plays::Mismatch => RealNameResult::Mismatch,
        Plays::NotFound => RealNameResult::NotFound,
        Plays::Unsupported => RealNameResult::Unsupported,
        Plays::Well | Plays::NoRecords => RealNameResult::Match,
    };
    HttpResponse::Ok().json(RealNameAnswer { check_id: wanted.outer_no, result })
}

async fn begin_face(state: web::Data<State>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let wanted: FaceRequest = match read(&state, &request, &body) {
        Ok(wanted) => wanted,
        Err((status, code)) => return problem(status, code),
    };
    let id = wanted.outer_no.clone();
    let expires_at = state.now() + TimeDelta::seconds(i64::from(wanted.ttl_seconds.clamp(60, 600)));
    let face = state.change(|book| {
        let fresh = || Face {
            outer_no: wanted.outer_no,
            name: wanted.name,
            document_no: wanted.document_no,
            notify_url: wanted.notify_url,
            token: format!("{:032x}", rand::random::<u128>()),
            expires_at,
            status: "pending".into(),
            sub_code: None,
            verified_at: None,
            other_person: false,
        };
        book.faces.entry(id.clone()).or_insert_with(fresh).clone()
    });
    let qr_content = format!("{}/app/{}", state.origin, face.token);
    HttpResponse::Created().json(FaceBegun { verification_id: id, qr_content, expires_at: face.expires_at })
}

fn now_expired(state: &State, face: &Face) -> bool {
    matches!(face.status.as_str(), "pending" | "scanned" | "confirming") && face.expires_at <= state.now()
}

async fn face(state: web::Data<State>, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    if !signed(&state, &request, b"") {
        return problem(401, "signature");
    }
    let Some(face) = state.read(|book| book.faces.get(path.as_str()).cloned()) else { return problem(404, "unknown") };
    let status = if now_expired(&state, &face) { "expired".to_owned() } else { face.status };
    let passed = status == "passed";
    let seen = if face.other_person { "another person's document" } else { face.document_no.as_str() };
    HttpResponse::Ok().json(FaceStatus {
        passed,
        sub_code: face.sub_code,
        verified_at: face.verified_at,
        document_no_hash: passed.then(|| document_hash(APP_SECRET, seen)),
        evidence_id: passed.then(|| format!("EV{}", face.token.get(..12).unwrap_or_default())),
        status,
    })
}

async fn cancel(
    state: web::Data<State>,
    request: HttpRequest,
    body: web::Bytes,
    path: web::Path<String>,
) -> HttpResponse {
    if !signed(&state, &request, &body) {
        return problem(401, "signature");
    }
    state.change(|book| {
        if let Some(face) = book.faces.get_mut(path.as_str()) {
            face.status = "cancelled".into();
        }
    });
    HttpResponse::NoContent().finish()
}

async fn begin_records(state: web::Data<State>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    let wanted: RecordsRequest = match read(&state, &request, &body) {
        Ok(wanted) => wanted,
        Err((status, code)) => return problem(status, code),
    };
    let face = state.read(|book| book.faces.get(&wanted.verification_id).cloned());
    let now = state.now();
    let Some(face) = face.filter(|face| face.verified_at.is_some_and(|at| now - at <= TimeDelta::minutes(30))) else {
        return problem(409, "verification");
    };
    let query = Query { document_no: face.document_no, looks: 0 };
    state.change(|book| book.queries.entry(wanted.outer_no.clone()).or_insert(query).looks);
    HttpResponse::Accepted().json(RecordsBegun { query_id: wanted.outer_no })
}

async fn records(state: web::Data<State>, request: HttpRequest, path: web::Path<String>) -> HttpResponse {
    if !signed(&state, &request, b"") {
        return problem(401, "signature");
    }
    let query = state.change(|book| {
        let query = book.queries.get_mut(path.as_str())?;
        query.looks += 1;
        Some(query.clone())
    });
    let Some(query) = query else { return problem(404, "unknown") };
    let (status, records) = match plays(&query.document_no) {
        _ if query.looks < 2 => ("processing", Vec::new()),
        Plays::NoRecords => ("no_record", Vec::new()),
        _ => ("ready", journeys(state.now().year())),
    };
    HttpResponse::Ok().json(RecordsStatus { status: status.into(), records })
}

/// Two years abroad with a summer at home.
fn journeys(year: i32) -> Vec<RecordEntry> {
    let entry = |direction: &str, years: i32, month: u32, day: u32| RecordEntry {
        direction: direction.into(),
        date: NaiveDate::from_ymd_opt(year - years, month, day).unwrap_or_default(),
        port: "北京首都机场口岸".into(),
        destination_or_origin: "GBR".into(),
    };
    vec![entry("exit", 4, 9, 12), entry("entry", 3, 6, 28), entry("exit", 3, 9, 8), entry("entry", 2, 7, 15)]
}

fn by_token(state: &State, token: &str) -> Option<(String, Face)> {
    state.read(|book| {
        book.faces.iter().find(|(_, face)| face.token == token).map(|(id, face)| (id.clone(), face.clone()))
    })
}

async fn app(state: web::Data<State>, path: web::Path<String>) -> HttpResponse {
    let Some((id, face)) = by_token(&state, &path) else { return HttpResponse::NotFound().body("unknown code") };
    let over = now_expired(&state, &face) || !matches!(face.status.as_str(), "pending" | "scanned" | "confirming");
    if !over {
        state.change(|book| {
            if let Some(face) = book.faces.get_mut(&id) {
                face.status = "scanned".into();
            }
        });
    }
    let body = html! {
        h1 { "中国政务服务平台 " small { "沙箱应用 · sandbox app" } }
        @if over {
            p role="alert" { "此二维码已失效，请在电脑页面上重新获取。This code is over; get a new one." }
        } @else {
            p { strong { "学历学位认证服务" } " 请求核验您的身份，用于国（境）外学历学位认证。" }
            p lang="en" { "The degree authentication service asks to verify that you are " (face.name) "." }
            form method="post" {
                @for (value, zh, en) in [
                    ("pass", "确认并完成人脸识别", "Confirm: the face is mine"),
                    ("fail", "识别失败", "Face not recognised"),
                    ("other", "由他人识别", "Somebody else's face"),
                    ("refuse", "拒绝", "Refuse"),
                ] {
                    p { button type="submit" name="outcome" value=(value) { (zh) " · " (en) } }
                }
            }
        }
    };
    HttpResponse::Ok().content_type(ContentType::html()).body(page("实人认证", body).into_string())
}

#[derive(Deserialize)]
struct Choice {
    outcome: String,
}

async fn choose(state: web::Data<State>, path: web::Path<String>, form: web::Form<Choice>) -> HttpResponse {
    let Some((id, face)) = by_token(&state, &path) else { return HttpResponse::NotFound().body("unknown code") };
    if now_expired(&state, &face) || matches!(face.status.as_str(), "passed" | "failed" | "cancelled") {
        return HttpResponse::Conflict().body("this code is over");
    }
    let now = state.now();
    state.change(|book| {
        let Some(face) = book.faces.get_mut(&id) else { return };
        match form.outcome.as_str() {
            "pass" | "other" => {
                face.status = "passed".into();
                face.verified_at = Some(now);
                face.other_person = form.outcome == "other";
                face.sub_code = Some(200);
            }
            "refuse" => {
                face.status = "failed".into();
                face.sub_code = Some(207);
            }
            _ => {
                face.status = "failed".into();
                face.sub_code = Some(202);
            }
        }
    });
    let call = Callback { event: "face_verification.finished".into(), verification_id: id, outer_no: face.outer_no };
    let shared = state.clone();
    actix_web::rt::spawn(async move {
        if let Err(error) = shared.http.post(&face.notify_url).json(&call).send().await {
            tracing::debug!(%error, "nobody took the call of the identity service; it will look itself");
        }
    });
    let body = html! { h1 { "已完成" } p { "请回到电脑页面继续。Go on in your browser." } };
    HttpResponse::Ok().content_type(ContentType::html()).body(page("已完成", body).into_string())
}
