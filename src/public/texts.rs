//! Terms of service and privacy policy (R1.8): both can be read before they are agreed to.

use domain::registration::TERMS_VERSION;
use maud::html;

use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// `GET /terms`
pub async fn terms(ctx: Ctx) -> Answer {
    Ok(text(&ctx, "terms", 6))
}

/// `GET /privacy`
pub async fn privacy(ctx: Ctx) -> Answer {
    Ok(text(&ctx, "privacy", 7))
}

fn text(ctx: &Ctx, name: &str, paragraphs: usize) -> actix_web::HttpResponse {
    let title = ctx.t(&format!("{name}-title"));
    Page::new(title.clone()).show(
        ctx,
        html! {
            h1 { (title) }
            p class="hint" { (ctx.with("terms-version", &[("version", TERMS_VERSION)])) }
            @for number in 1..=paragraphs { p { (ctx.t(&format!("{name}-{number}"))) } }
        },
    )
}
