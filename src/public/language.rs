//! The language switch of pages without a form of their own.

use domain::account::SetLanguage;
use domain::person::Language;

use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::posted::Posted;

/// `POST /language`
pub async fn switch(ctx: Ctx, posted: Posted) -> Answer {
    let language = Language::from_tag(posted.get("language")).unwrap_or_default();
    let ctx = ctx.in_language(language);
    // Notices follow the language that the applicant reads.
    if let Some(id) = ctx.who().await? {
        ctx.site().tree.command(id, SetLanguage { language }).await?;
    }
    let back = posted.get("back");
    Ok(ctx.redirect(if crate::applicant::login::own(back) { back } else { "/" }))
}
