//! Six-digit codes as pages use them (R1.7): sending, and what to say of a typed one.

use domain::effects::{Channel, Notice, NoticeKind};
use domain::form::FieldError;
use domain::ids::NoticeId;
use domain::one_time::typed_code;
use store::CodeCheck;

use crate::error::Failure;
use crate::web::ctx::Ctx;

/// Sends a code to an address; the inner error is what to say at the field.
///
/// # Errors
/// When the database fails.
pub async fn send(ctx: &Ctx, purpose: &str, channel: Channel, to: &str) -> Result<Result<(), FieldError>, Failure> {
    let six = format!("{:06}", rand::random_range(0..1_000_000));
    let notice = Notice {
        id: NoticeId::fresh(),
        channel,
        kind: NoticeKind::Code,
        to: to.to_owned(),
        language: ctx.language().tag(),
        params: vec![("code".into(), six.clone())],
    };
    let (purpose, network, now) = (purpose.to_owned(), ctx.network(), ctx.now());
    let sent = ctx.db(move |store| store.send_code(&purpose, notice, &network, &six, now)).await?;
    if sent.is_ok() {
        ctx.site().tree.world.wake.notices();
    }
    Ok(sent.map_err(|seconds| {
        let unit = if seconds < 120 { ("seconds", seconds) } else { ("minutes", (seconds + 59) / 60) };
        let code = if unit.0 == "seconds" { "code-wait-seconds" } else { "code-wait-minutes" };
        FieldError::new("code", code).with("count", unit.1)
    }))
}

/// Checks a typed code; the inner error is what to say at the field.
///
/// # Errors
/// When the database fails.
pub async fn check(ctx: &Ctx, purpose: &str, to: &str, typed: &str) -> Result<Result<(), FieldError>, Failure> {
    if typed.trim().is_empty() {
        return Ok(Err(FieldError::new("code", "missing")));
    }
    let Some(six) = typed_code(typed) else { return Ok(Err(FieldError::new("code", "code-shape"))) };
    let (purpose, to, now) = (purpose.to_owned(), to.to_owned(), ctx.now());
    let checked = ctx.db(move |store| store.check_code(&purpose, &to, &six, now)).await?;
    let error = |code| Err(FieldError::new("code", code));
    Ok(match checked {
        CodeCheck::Right => Ok(()),
        CodeCheck::Wrong(left) => Err(FieldError::new("code", "code-wrong").with("left", left)),
        CodeCheck::Dead => error("code-dead"),
        CodeCheck::Expired => error("code-expired"),
        CodeCheck::None => error("code-none"),
    })
}
