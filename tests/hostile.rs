//! Malformed and hostile images through the real upload (R2.8): made by mutation of good ones with a fixed seed, and known
//! bombs. Nothing panics, nothing is a 500, memory stays bounded.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

use crate::support::client::{Person, Visitor};
use crate::support::pictures::{jpeg, page};
use crate::support::server::world;

/// Most memory of the service at its peak, in kilobytes.
const MEMORY_MOST: u64 = 400 * 1_024;
/// Files of one upload.
const AT_ONCE: usize = 20;

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_fn(width, height, |x, y| Rgb([(x % 256) as u8, (y % 256) as u8, 7]))
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

/// CRC-32 of a PNG chunk.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
    })
}

/// A PNG of a few bytes that says it is `side` pixels square.
fn bomb(side: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(side.to_be_bytes());
    header.extend(side.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.extend(13_u32.to_be_bytes());
    bytes.extend(&header);
    bytes.extend(crc(&header).to_be_bytes());
    bytes.extend(b"\x00\x00\x00\x0cIDAT\x78\x9c\x63\x60\x60\x60\x00\x00\x00\x04\x00\x01");
    bytes
}

/// A JPEG whose header says another size.
fn lying_jpeg(side: u16) -> Vec<u8> {
    let mut bytes = jpeg(9, 200, 200);
    let at = bytes.windows(2).position(|pair| pair[0] == 0xff && (pair[1] == 0xc0 || pair[1] == 0xc2)).unwrap();
    bytes[at + 5..at + 7].copy_from_slice(&side.to_be_bytes());
    bytes[at + 7..at + 9].copy_from_slice(&side.to_be_bytes());
    bytes
}

/// At least three hundred files.
fn zoo() -> Vec<Vec<u8>> {
    let mut state = 2_026_u64;
    let mut dice = move |most: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % most.max(1)
    };
    let good = [jpeg(1, 640, 480), jpeg(2, 300, 900), page(4), png(320, 240), png(101, 700)];
    let mut all = vec![
        Vec::new(),
        b"\xff\xd8".to_vec(),
        b"\xff\xd8\xff\xd9".to_vec(),
        b"\x89PNG\r\n\x1a\n".to_vec(),
        b"%PDF-1.7\n".to_vec(),
        b"GIF89a\x01\x00\x01\x00".to_vec(),
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>".to_vec(),
        b"PK\x03\x04".to_vec(),
        vec![0; 70_000],
        vec![0xff; 70_000],
        bomb(30_000),
        bomb(u32::MAX / 2),
        bomb(0),
        bomb(11_999),
        lying_jpeg(65_500),
        lying_jpeg(11_900),
        lying_jpeg(0),
    ];
    while all.len() < 320 {
        let mut bytes = good[dice(good.len())].clone();
        match dice(6) {
            // Bits turned, anywhere or in the header alone.
            0 => (0..1 + dice(40)).for_each(|_| {
                let at = dice(bytes.len());
                bytes[at] ^= 1 << dice(8);
            }),
            1 => (0..1 + dice(6)).for_each(|_| {
                let at = dice(bytes.len().min(200));
                bytes[at] = dice(256) as u8;
            }),
            2 => bytes.truncate(dice(bytes.len())),
            3 => {
                let (at, len) = (dice(bytes.len()), dice(400));
                let end = (at + len).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let at = dice(bytes.len());
                let piece: Vec<u8> = (0..dice(900)).map(|_| dice(256) as u8).collect();
                bytes.splice(at..at, piece);
            }
            _ => {
                let other = &good[dice(good.len())];
                let (a, b) = (dice(bytes.len()), dice(other.len()));
                bytes.truncate(a);
                bytes.extend_from_slice(&other[b..]);
            }
        }
        all.push(bytes);
    }
    all
}

#[actix_web::test]
async fn r2_8_hostile_images_are_told_apart_and_hurt_nobody() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    visitor.register(&outside, &Person::sample()).await;
    let app = visitor.begin().await;
    visitor.verify(&app).await;
    visitor.post(&format!("{app}/basic"), &crate::support::client::BASIC).await;
    visitor.post(&format!("{app}/type"), &[("kind", "foreign")]).await;
    visitor.post(&format!("{app}/credential"), &crate::support::client::CREDENTIAL).await;
    visitor.post(&format!("{app}/experience/new"), &crate::support::client::SCHOOL).await;
    visitor.post(&format!("{app}/experience"), &[]).await;
    let materials = format!("{app}/materials");
    let zoo = zoo();
    let count = zoo.len();
    for some in zoo.chunks(AT_ONCE) {
        visitor.get(&materials).await;
        let files: Vec<(&str, Vec<u8>)> = some.iter().map(|bytes| ("材料.jpg", bytes.clone())).collect();
        let answer = visitor.try_upload(&format!("{materials}/stay"), &files).await.unwrap();
        assert!(matches!(answer.status, 303 | 422), "{}: {}", answer.status, answer.body);
        // Every one is judged; then the slot is emptied for the next.
        for _ in 0..600 {
            if !visitor.get(&materials).await.body.contains("正在检查") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let page = visitor.get(&materials).await.body;
        assert!(!page.contains("正在检查"), "an image is never judged");
        let ids: Vec<String> = page
            .split("name=\"image\" value=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect();
        for id in ids.into_iter().collect::<std::collections::BTreeSet<_>>() {
            assert_eq!(visitor.post(&materials, &[("act", "delete"), ("image", &id)]).await.status, 303);
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{count} hostile images; peak memory {} MB", peak / 1_024);
    assert!(peak < MEMORY_MOST, "{peak} kB at the peak");
    let log = server.log();
    assert!(!log.contains("panick") && !log.contains("\"crashed\""), "nothing panicked");
}
