//! Images of invented papers.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

/// A JPEG whose content hangs on `seed`.
pub fn jpeg(seed: u8, width: u32, height: u32) -> Vec<u8> {
    let shade = |x: u32, y: u32| {
        let wave = |n: u32| u8::try_from((n / 3 + u32::from(seed) * 7) % 256).unwrap();
        Rgb([wave(x), wave(y), seed])
    };
    let picture = RgbImage::from_fn(width, height, shade);
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}
