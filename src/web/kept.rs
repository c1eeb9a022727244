//! What was typed and could not be taken at once: shown again after somebody logged in or confirmed who they are.

use actix_web::HttpResponse;
use domain::form::Raw;
use maud::html;

use crate::web::components::button_link;
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};

/// Shows that what was typed is still there, and sends it where it was going; `home` is the way out.
pub fn go_on(ctx: &Ctx, path: &str, typed: &Raw, home: (&str, &str)) -> HttpResponse {
    let mut page = Page::new(ctx.t("kept-title")).once();
    if path.starts_with("/staff") {
        page = page.staff();
    }
    page.show(
        ctx,
        html! {
            h1 { (ctx.t("kept-title")) }
            p { (ctx.t("kept-words")) }
            form method="post" action=(path) {
                (token(ctx))
                @for (name, value) in typed { input type="hidden" name=(name) value=(value); }
                div class="actions" {
                    button type="submit" { (ctx.t("kept-do")) }
                    (button_link(home.0, &ctx.t(home.1)))
                }
            }
        },
    )
}
