//! QR codes as inline SVG.

use maud::{Markup, PreEscaped, html};
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

/// The code for `text`, described for readers who can't see it.
pub fn code(text: &str, description: &str) -> Markup {
    match QrCode::with_error_correction_level(text, EcLevel::M) {
        Ok(code) => {
            let svg = code.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
            let svg = svg.split_once("?>").map_or(svg.as_str(), |(_, rest)| rest).to_owned();
            html! { div class="qr" role="img" aria-label=(description) { (PreEscaped(svg)) } }
        }
        Err(_) => html! { p { (text) } },
    }
}
