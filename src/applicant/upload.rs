//! Files as they arrive, for whichever page takes them: plain multipart, told apart in plain words, sealed at once.

use std::sync::Arc;

use actix_multipart::{Field as Part, Multipart};
use actix_web::HttpResponse;
use actix_web::http::header;
use actors::run;
use domain::Rejection;
use domain::form::FieldError;
use domain::ids::MaterialId;
use domain::material::{Material, Purpose, UPLOAD_MOST, Verdict};
use futures_util::StreamExt;
use maud::{Markup, html};

use crate::error::Failure;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::layout::token;
use crate::web::posted::{TOKEN, is_ours, token_fits};

/// Most files in one upload.
const FILES_MOST: usize = 50;
/// Bytes of an upload that are read although they are not wanted: a browser shows the answer only once it has sent all.
const DRAIN_MOST: usize = 256 * 1024 * 1024;
/// Longest file name that is kept, in characters.
const NAME_MOST: usize = 120;
/// How a JPEG begins.
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

/// What is wanted of an upload.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The slot, which is also the field that errors are shown at.
    pub slot: &'a str,
    /// What the images are sent for.
    pub purpose: Purpose,
    /// Most images in the slot.
    pub most: usize,
    /// Images that lie there already.
    pub held: usize,
    /// Largest file in bytes, if it is less than what is taken at all.
    pub bytes_most: Option<usize>,
    /// Whether nothing but JPEG is taken.
    pub jpeg_only: bool,
}

/// What came of an upload: images whose originals are sealed, and what is wrong with the others.
#[derive(Debug, Default)]
pub struct Received {
    /// Images to be put into the case.
    pub images: Vec<Material>,
    /// The rest.
    pub errors: Vec<FieldError>,
}

/// Reads an upload.
///
/// # Errors
/// `Forged` when it does not come from a page of ours.
pub async fn receive(ctx: &Ctx, wanted: Wanted<'_>, form: &mut Multipart) -> Result<Received, Failure> {
    let slot = wanted.slot;
    let mut believed = false;
    let mut received = Received::default();
    while let Some(part) = form.next().await {
        let Ok(mut part) = part else {
            received.errors.push(FieldError::new(slot, "upload-broken"));
            break;
        };
        let disposition = part.content_disposition().cloned();
        let field = disposition.as_ref().and_then(|known| known.get_name()).unwrap_or_default().to_owned();
        if field == TOKEN {
            let (token, _) = read(&mut part, 200).await?;
            believed = is_ours(ctx) && String::from_utf8(token).is_ok_and(|token| token_fits(ctx, &token));
            continue;
        }
        // The token stands before the files: what comes without it is not even read.
        if !believed {
            return Err(Failure::Forged);
        }
        if field != "file" {
            continue;
        }
        if received.images.len() + received.errors.len() >= FILES_MOST {
            received.errors.push(FieldError::new(slot, "too-many-at-once").with("most", FILES_MOST));
            break;
        }
        if wanted.held + received.images.len() >= wanted.most {
            // Nothing is kept for which there is no place.
            received.errors.push(FieldError::new(slot, "too-many").with("most", wanted.most));
            break;
        }
        let name = disposition.as_ref().and_then(|known| known.get_filename()).unwrap_or_default().to_owned();
        let (bytes, over) = read(&mut part, UPLOAD_MOST).await?;
        if name.is_empty() && bytes.is_empty() && !over {
            continue;
        }
        match keep(ctx, wanted, Arrived { name: file_name(&name), bytes, over }).await? {
            Ok(image) => received.images.push(image),
            Err(error) => received.errors.push(error),
        }
        if over {
            // The rest of a flood is not waited for.
            break;
        }
    }
    if received.images.is_empty() && received.errors.is_empty() {
        received.errors.push(FieldError::new(slot, "file-none"));
    }
    Ok(received)
}

/// Reads what is left of an upload that was answered before its end.
pub async fn drain(form: &mut Multipart) {
    let mut read = 0;
    while let Some(Ok(mut part)) = form.next().await {
        while let Some(Ok(chunk)) = part.next().await {
            read += chunk.len();
            if read > DRAIN_MOST {
                return;
            }
        }
    }
}

/// A file as it arrived.
struct Arrived {
    name: String,
    bytes: Vec<u8>,
    /// More bytes came than are taken.
    over: bool,
}

/// Reads one part, at the most so many bytes of it; the flag says that there were more.
pub async fn read(part: &mut Part, most: usize) -> Result<(Vec<u8>, bool), Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = part.next().await {
        let chunk = chunk.map_err(|_| Failure::Forged)?;
        if bytes.len() + chunk.len() > most {
            return Ok((Vec::new(), true));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes, false))
}

/// The last part of a path of any system, without what can't be shown.
fn file_name(raw: &str) -> String {
    let last = raw.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String =
        last.chars().filter(|c| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}')).take(NAME_MOST).collect();
    if clean.is_empty() { "?".into() } else { clean }
}

/// Seals the original and makes its row; what can be said at once is said at once.
async fn keep(ctx: &Ctx, wanted: Wanted<'_>, arrived: Arrived) -> Result<Result<Material, FieldError>, Failure> {
    let error = |code| Ok(Err(FieldError::new(wanted.slot, code).with("file", &arrived.name)));
    if arrived.over {
        return error("file-too-large");
    }
    if arrived.bytes.is_empty() {
        return error("file-empty");
    }
    if wanted.bytes_most.is_some_and(|most| arrived.bytes.len() > most) {
        return error("file-over-limit");
    }
    if wanted.jpeg_only && !arrived.bytes.starts_with(&JPEG) {
        return error("file-not-jpeg");
    }
    let size = arrived.bytes.len() as u64;
    let world = Arc::clone(&ctx.site().tree.world);
    let heavy = world.heavy.clone();
    let bytes = arrived.bytes;
    let original = run(&heavy, move || world.store.blobs().put(world.store.keys(), &bytes)).await?;
    Ok(Ok(Material {
        id: MaterialId::fresh(),
        slot: wanted.slot.to_owned(),
        purpose: wanted.purpose,
        place: 0,
        file_name: arrived.name,
        size,
        original,
        turns: 0,
        verdict: Verdict::Waiting,
        received_at: ctx.now(),
    }))
}

/// The form by which files are sent to `action`.
pub fn form(ctx: &Ctx, action: &str, slot: &str, accept: &str, many: bool) -> Markup {
    html! {
        form method="post" action=(action) enctype="multipart/form-data" {
            (token(ctx))
            label for={"file-" (slot)} { (ctx.t("upload-choose")) span class="hidden" { " " (ctx.slot(slot)) } }
            input type="file" id={"file-" (slot)} name="file" accept=(accept) multiple[many];
            button type="submit" class="secondary" { (ctx.t("upload-do")) span class="hidden" { " " (ctx.slot(slot)) } }
        }
    }
}

/// What became of one file; `act` posts one of `rotate`, `forward` and `delete` for it to an address.
pub fn receipt(ctx: &Ctx, images: &str, act: Option<&str>, image: &Material, movable: bool) -> Markup {
    let kilobytes = (image.size / 1_024).max(1).to_string();
    let button = |to: &str, act: &str, words: &str| {
        html! {
            form method="post" action=(to) class="inline" {
                (token(ctx))
                input type="hidden" name="image" value=(image.id);
                button class="link" name="act" value=(act) { (ctx.t(words)) span class="hidden" { " " (image.file_name) } }
            }
        }
    };
    html! {
        @if let Verdict::Good { .. } = image.verdict {
            a href={(images) "/" (image.id) "?turns=" (image.turns)} target="_blank" rel="noopener" {
                img src={(images) "/" (image.id) "?small=1&turns=" (image.turns)} alt=(ctx.with("image-alt", &[("file", &image.file_name)])) width="120" height="120" loading="lazy";
            }
        }
        div {
            p class="file" { (image.file_name) " " span class="hint" { (kilobytes) " KB" } }
            @match &image.verdict {
                Verdict::Waiting => p class="hint" role="status" { (ctx.t("image-waiting")) },
                Verdict::Good { width, height, advice, .. } => {
                    p class="hint" { (ctx.with("image-good", &[("width", &width.to_string()), ("height", &height.to_string())])) }
                    @for each in advice { p class="caution" { (ctx.t(&format!("advice-{}", each.code()))) } }
                },
                Verdict::Bad { flaw } => p class="error" { (ctx.t(&format!("flaw-{}", flaw.code()))) },
            }
            @if let Some(to) = act {
                @if let Verdict::Good { .. } = image.verdict {
                    (button(to, "rotate", "image-rotate"))
                    @if movable { (button(to, "forward", "image-forward")) }
                }
                (button(to, "delete", "delete"))
            }
        }
    }
}

/// The shown copy of an image, turned as it should be.
///
/// # Errors
/// `NotFound` when the image is not good (yet).
pub async fn serve(ctx: &Ctx, image: &Material, small: bool) -> Answer {
    let Verdict::Good { shown, .. } = &image.verdict else { return Err(Rejection::NotFound.into()) };
    let (world, shown, turns) = (Arc::clone(&ctx.site().tree.world), shown.clone(), image.turns);
    let heavy = world.heavy.clone();
    let bytes = run(&heavy, move || {
        let bytes = world.store.blobs().get(world.store.keys(), &shown)?;
        if turns == 0 && !small {
            return Ok(bytes);
        }
        pictures::turned(&bytes, turns, small.then_some(240)).map_err(|_| store::StoreError::Value("image"))
    })
    .await?;
    Ok(HttpResponse::Ok()
        .content_type("image/jpeg")
        .insert_header((header::CACHE_CONTROL, "private, max-age=300"))
        .body(bytes))
}
