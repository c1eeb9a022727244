//! Static files, embedded; their addresses hold their hash, so browsers may keep them for good.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "assets/"]
#[include = "css/*.css"]
#[include = "js/*.js"]
#[include = "vendor/*.js"]
#[include = "icons/*.svg"]
struct Files;

/// The address of a file.
pub fn url(path: &str) -> String {
    let version = Files::get(path).map(|file| hex::encode(file.metadata.sha256_hash()));
    let short = version.as_deref().and_then(|hash| hash.get(..10)).unwrap_or("0");
    format!("/assets/{short}/{path}")
}

/// Serves a file.
pub async fn serve(path: web::Path<(String, String)>) -> HttpResponse {
    let (_, path) = path.into_inner();
    let kind = match path.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    match Files::get(&path) {
        Some(file) => HttpResponse::Ok()
            .content_type(kind)
            .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .body(file.data.into_owned()),
        None => HttpResponse::NotFound().finish(),
    }
}
