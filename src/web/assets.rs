//! Static files, embedded; their addresses hold their hash, so browsers may keep them for good.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

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

/// The addresses, once known; a new build has new ones.
static ADDRESSES: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);

/// The address of a file.
pub fn url(path: &str) -> String {
    if let Some(known) = ADDRESSES.lock().unwrap_or_else(PoisonError::into_inner).get(path) {
        return known.clone();
    }
    let version = Files::get(path).map(|file| hex::encode(file.metadata.sha256_hash()));
    let short = version.as_deref().and_then(|hash| hash.get(..10)).unwrap_or("0");
    let address = format!("/assets/{short}/{path}");
    ADDRESSES.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), address.clone());
    address
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
