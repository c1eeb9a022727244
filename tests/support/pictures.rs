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

/// A JPEG of a page with lines of "print" that hang on `seed`, no two alike from afar.
pub fn page(seed: u32) -> Vec<u8> {
    let dark = |x: u32, y: u32| {
        // Blocks of a chequered board, each dark or light by its own bits of the seed's hash.
        let block = (x / 20) + (y / 20) * 8;
        (seed.wrapping_mul(2_654_435_761).wrapping_add(block.wrapping_mul(40_503 + seed * 7)) >> 7) % 5 < 2
    };
    let picture = RgbImage::from_fn(160, 160, |x, y| if dark(x, y) { Rgb([30, 30, 30]) } else { Rgb([240, 240, 240]) });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}
