//! What becomes of an uploaded image: type by content, limits before decoding, an upright copy without EXIF to show, and
//! what may be wrong with it (R2.8).

use std::io::Cursor;

use domain::material::{Advice, Flaw, LOOK_SIDE, Look, PIXELS_MOST, SIDE_LEAST, SIDE_MOST, UPLOAD_MOST};
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, imageops};

/// The longer side of the copy that is shown: an A4 page at 150 dots an inch, small enough for a telephone.
const SHOWN_MOST: u32 = 1_754;
/// Bytes that decoding may allocate.
const ALLOCATION_MOST: u64 = 320 * 1024 * 1024;
const JPEG_QUALITY: u8 = 84;

/// What looking at an image came to.
#[derive(Debug)]
pub enum Judged {
    /// An image, with a clean copy of it as JPEG.
    Good {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The copy.
        shown: Vec<u8>,
        /// The picture from afar.
        look: Look,
        /// What may be wrong with it.
        advice: Vec<Advice>,
    },
    /// No image that can be used.
    Bad(Flaw),
}

/// Looks at the bytes of an upload. Takes up to a second of one core: call it on a bounded pool.
pub fn judge(bytes: &[u8]) -> Judged {
    match open(bytes) {
        Ok(Seen { width, height, shown }) => {
            let (look, advice) = looked_at(&shown, width.max(height));
            match encode(&shown) {
                Ok(shown) => Judged::Good { width, height, shown, look, advice },
                Err(flaw) => Judged::Bad(flaw),
            }
        }
        Err(flaw) => Judged::Bad(flaw),
    }
}

/// A decoded image: the size of the original once it stands upright, and the upright copy that is shown.
struct Seen {
    width: u32,
    height: u32,
    shown: RgbImage,
}

fn open(bytes: &[u8]) -> Result<Seen, Flaw> {
    if bytes.is_empty() {
        return Err(Flaw::Empty);
    }
    if bytes.len() > UPLOAD_MOST {
        return Err(Flaw::TooLarge);
    }
    if bytes.starts_with(b"%PDF") {
        return Err(Flaw::Document);
    }
    if bytes.starts_with(&[0xff, 0xd8]) && !is_whole_jpeg(bytes) {
        return Err(Flaw::Damaged);
    }
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| Flaw::WrongType)?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png)) {
        return Err(Flaw::WrongType);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MOST);
    limits.max_image_height = Some(SIDE_MOST);
    limits.max_alloc = Some(ALLOCATION_MOST);
    reader.limits(limits);
    let flaw = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => Flaw::TooManyPixels,
        _ => Flaw::Damaged,
    };
    let mut decoder = reader.into_decoder().map_err(flaw)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS_MOST {
        return Err(Flaw::TooManyPixels);
    }
    if width.min(height) < SIDE_LEAST {
        return Err(Flaw::TooSmall);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(flaw)?.into_rgb8();
    let mut image = DynamicImage::from(shrunk(&image, SHOWN_MOST)?.unwrap_or(image));
    image.apply_orientation(orientation);
    let lies = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (width, height) = if lies { (height, width) } else { (width, height) };
    Ok(Seen { width, height, shown: image.into_rgb8() })
}

/// An image at most `most` pixels wide and high, if this one is larger; each new pixel is the average of those that it
/// stands for.
fn shrunk(image: &RgbImage, most: u32) -> Result<Option<RgbImage>, Flaw> {
    let (width, height) = image.dimensions();
    let longer = width.max(height);
    if longer <= most {
        return Ok(None);
    }
    let scaled =
        |side: u32| u32::try_from(u64::from(side) * u64::from(most) / u64::from(longer)).map(|side| side.max(1));
    let (wide, high) = scaled(width).and_then(|wide| Ok((wide, scaled(height)?))).map_err(|_| Flaw::TooManyPixels)?;
    let mut shrunk = RgbImage::new(wide, high);
    // Typed: the other way has the resizer built for every kind of pixel, which takes most of a minute.
    let from = TypedImageRef::<U8x3>::from_buffer(width, height, image.as_raw()).map_err(|_| Flaw::Damaged)?;
    let mut to = TypedImage::<U8x3>::from_buffer(wide, high, &mut shrunk).map_err(|_| Flaw::Damaged)?;
    let how = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Box));
    Resizer::new().resize_typed(&from, &mut to, &how).map_err(|_| Flaw::Damaged)?;
    Ok(Some(shrunk))
}

/// The longer side of the small copy by which a picture is judged.
const JUDGED_MOST: u32 = 512;
/// Longer side in pixels of an original below which small print is lost: A4 at 85 dots an inch.
const TINY_BELOW: u32 = 1_000;
/// Mean brightness, of 255, below which a page is dark.
const DARK_BELOW: f32 = 70.0;
/// Spread of brightness below which there is hardly anything on a page.
const BLANK_BELOW: f32 = 5.0;
/// Mean step from pixel to pixel, as a share of the spread, below which a page is out of focus.
const BLURRED_BELOW: f32 = 0.045;

/// What the picture looks like from afar, and what may be wrong with it; none of it refuses it.
fn looked_at(shown: &RgbImage, longer: u32) -> (Look, Vec<Advice>) {
    let mut advice = Vec::new();
    if longer < TINY_BELOW {
        advice.push(Advice::Tiny);
    }
    let Ok(small) = shrunk(shown, JUDGED_MOST) else { return (Look::default(), advice) };
    let luma = imageops::grayscale(small.as_ref().unwrap_or(shown));
    let side = u32::try_from(LOOK_SIDE).unwrap_or(1);
    let cells = imageops::resize(&luma, side, side, imageops::FilterType::Triangle);
    let pixels = luma.as_raw();
    let count = pixels.len() as f32;
    let mean = pixels.iter().map(|p| f32::from(*p)).sum::<f32>() / count;
    let spread = (pixels.iter().map(|p| (f32::from(*p) - mean).powi(2)).sum::<f32>() / count).sqrt();
    let steps = pixels.iter().zip(pixels.iter().skip(1)).map(|(a, b)| f32::from(a.abs_diff(*b))).sum::<f32>() / count;
    if spread < BLANK_BELOW {
        advice.push(Advice::Blank);
    } else if steps / spread < BLURRED_BELOW {
        advice.push(Advice::Blurred);
    }
    if mean < DARK_BELOW {
        advice.push(Advice::Dark);
    }
    (Look::of(cells.as_raw()), advice)
}

/// Whether a JPEG has its end: the decoder fills up what is missing, and an applicant would learn of it from an officer.
/// Segments are skipped by their length, for a thumbnail in one of them has an end of its own.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some([0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if *marker == 0xda {
            // From behind, where it mostly is.
            return bytes.get(at..).is_some_and(|scan| scan.windows(2).rev().any(|pair| pair == [0xff, 0xd9]));
        }
        at += 2 + usize::from(u16::from_be_bytes([*high, *low]));
    }
    false
}

/// Encodes as JPEG, which has no transparency: what was transparent shows as the decoder left it.
fn encode(image: &RgbImage) -> Result<Vec<u8>, Flaw> {
    let side = |pixels: u32| u16::try_from(pixels).map_err(|_| Flaw::TooManyPixels);
    let (width, height) = (side(image.width())?, side(image.height())?);
    // A quarter of a byte a pixel is more than most pages take: it need not grow on the way.
    let mut bytes = Vec::with_capacity(image.as_raw().len() / 12);
    let encoder = jpeg_encoder::Encoder::new(&mut bytes, JPEG_QUALITY);
    let encoded = encoder.encode(image, width, height, jpeg_encoder::ColorType::Rgb);
    encoded.map(|()| bytes).map_err(|_| Flaw::Damaged)
}

/// A shown copy, turned by so many quarter turns to the right and, if wanted, shrunk to `most` pixels a side.
///
/// # Errors
/// When the bytes are no image; they were one when they were kept.
pub fn turned(bytes: &[u8], quarter_turns: u8, most: Option<u32>) -> Result<Vec<u8>, Flaw> {
    let decoded = image::load_from_memory_with_format(bytes, ImageFormat::Jpeg);
    let mut image = decoded.map_err(|_| Flaw::Damaged)?.into_rgb8();
    if let Some(most) = most {
        image = shrunk(&image, most)?.unwrap_or(image);
    }
    let image = match quarter_turns % 4 {
        1 => imageops::rotate90(&image),
        2 => imageops::rotate180(&image),
        3 => imageops::rotate270(&image),
        _ => image,
    };
    encode(&image)
}
