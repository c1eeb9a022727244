//! `/operator/letters`: letters that were accepted and dropped unopened, without what was in them.

use domain::staff::Act;
use maud::html;

use crate::operator::parts::child_link;
use crate::operator::tabs;
use crate::web::Answer;
use crate::web::components::instant;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// As many as the runtime remembers.
const LETTERS_MOST: usize = 200;

/// `GET /operator/letters`
pub async fn show(ctx: Ctx) -> Answer {
    ctx.officer(Act::ViewMachinery).await?;
    let dead = ctx.site().tree.system.dead_letters();
    let letters = dead.newest(LETTERS_MOST);
    let label = ctx.t("operator-dead");
    Ok(Page::new(label.clone()).staff().show(
        &ctx,
        html! {
            (tabs(&ctx, "/letters"))
            h1 { (label) }
            p class="hint" { (ctx.with("letters-words", &[("count", &dead.count().to_string())])) }
            @if letters.is_empty() { p class="empty" { (ctx.t("letters-none")) } } @else {
                div class="wide-table" tabindex="0" role="region" aria-label=(label) { table {
                    thead { tr { th scope="col" { "#" } @for head in ["records-date", "operator-child", "letters-message", "operator-acts"] { th scope="col" { (ctx.t(head)) } } } }
                    tbody { @for letter in &letters {
                        tr {
                            td { (letter.number) }
                            td { (instant(&ctx, letter.at)) }
                            td { (child_link(&letter.child)) }
                            td { code { (letter.message) } }
                            td {
                                @if letter.retriable { a href={"/operator/act?what=retry-letter&on=" (letter.number)} { (ctx.t("steer-retry")) } " · " }
                                a href={"/operator/act?what=discard-letter&on=" (letter.number)} { (ctx.t("steer-discard")) }
                            }
                        }
                    } }
                } }
            }
        },
    ))
}
