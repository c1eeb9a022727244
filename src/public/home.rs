//! The home page (R1.1): 在线办理 leads to registration, 登录 stands at the top right.

use domain::money::FEE;
use maud::html;

use crate::web::Answer;
use crate::web::components::button_link;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// `GET /`
pub async fn show(ctx: Ctx) -> Answer {
    let fee = (FEE.0 / 100).to_string();
    let entry = if ctx.seems_logged_in() { "/centre" } else { "/register" };
    Ok(Page::new(ctx.t("home-title")).show(
        &ctx,
        html! {
            section class="hero" {
                h1 { (ctx.t("home-title")) }
                p class="lead" { (ctx.t("home-lead")) }
                p { (button_link(entry, &ctx.t("home-start"))) }
            }
            section {
                h2 { (ctx.t("home-how")) }
                ol class="way" {
                    @for step in ["register", "apply", "pay", "follow", "certificate"] {
                        li { strong { (ctx.t(&format!("home-way-{step}"))) } " " (ctx.with(&format!("home-way-{step}-words"), &[("fee", &fee)])) }
                    }
                }
            }
            section {
                h2 { (ctx.t("home-verify")) }
                p { (ctx.t("home-verify-words")) " " a href="/verify" { (ctx.t("nav-verify")) } }
            }
        },
    ))
}
