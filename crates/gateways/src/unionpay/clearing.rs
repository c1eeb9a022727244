//! The daily clearing file (unionpay.md §6.6, §9): base64 of a deflated zip that holds fixed-width text, sliced by bytes.

use std::io::{Cursor, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::clearing::{ClearingKind, ClearingLine};

use crate::GatewayError;

/// Bytes of a line up to the field that we read last, the original order of a refund.
const LINE_LEAST: usize = 508;
/// Most bytes that a file may unpack to: three million lines.
const UNPACKED_MOST: u64 = 2 * 1024 * 1024 * 1024;

fn bad(what: impl std::fmt::Display) -> GatewayError {
    GatewayError::Untrusted(format!("clearing file: {what}"))
}

/// Unpacks `fileContent` and returns the text of the ZM file in it, as bytes: its names are in GBK.
///
/// # Errors
/// `Untrusted` when it is not what it should be.
pub fn unpack(content: &str) -> Result<Vec<u8>, GatewayError> {
    let deflated = STANDARD.decode(content.trim()).map_err(bad)?;
    let mut zipped = Vec::new();
    flate2::read::ZlibDecoder::new(deflated.as_slice()).take(UNPACKED_MOST).read_to_end(&mut zipped).map_err(bad)?;
    let mut archive = zip::ZipArchive::new(Cursor::new(zipped)).map_err(bad)?;
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    // `…ZME_…` holds adjustments; its layout is not published.
    let name = names.iter().find(|name| name.contains("ZM_")).ok_or_else(|| bad("no ZM file in it"))?;
    let mut text = Vec::new();
    archive.by_name(name).map_err(bad)?.take(UNPACKED_MOST).read_to_end(&mut text).map_err(bad)?;
    Ok(text)
}

/// Packs the text of a ZM file as the gateway does; for the sandbox and for tests.
///
/// # Errors
/// When it can't be packed.
pub fn pack(name: &str, text: &[u8]) -> Result<String, GatewayError> {
    use std::io::Write;
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    archive.start_file(name, options).map_err(bad)?;
    archive.write_all(text).map_err(bad)?;
    let zipped = archive.finish().map_err(bad)?.into_inner();
    let mut deflater = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    deflater.write_all(&zipped).map_err(bad)?;
    Ok(STANDARD.encode(deflater.finish().map_err(bad)?))
}

/// An amount with its side, as `C000000035784`: credits are positive.
fn signed(field: &str) -> Option<i64> {
    let (side, digits) = field.split_at_checked(1)?;
    let amount: i64 = digits.trim().parse().ok()?;
    match side {
        "C" => Some(amount),
        "D" => Some(-amount),
        _ => None,
    }
}

/// Reads the lines of a ZM file (§9); lines of other kinds of transactions are passed over.
///
/// # Errors
/// `Untrusted`, with the number of the line that can't be read: then nothing of the file is used.
pub fn parse(text: &[u8]) -> Result<Vec<ClearingLine>, GatewayError> {
    let mut lines = Vec::new();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let wrong = |what: &str| bad(format!("line {}: {what}", at + 1));
        if line.len() < LINE_LEAST {
            return Err(wrong("too short"));
        }
        // What we read is ASCII; the bytes are sliced first, for GBK letters elsewhere have two.
        let field = |offset: usize, length: usize| -> Result<&str, GatewayError> {
            let bytes = line.get(offset..offset + length).ok_or_else(|| wrong("too short"))?;
            std::str::from_utf8(bytes).map(str::trim).map_err(|_| wrong("no ASCII where it must be"))
        };
        let kind = match field(215, 2)? {
            "01" => ClearingKind::Payment,
            "04" => ClearingKind::Refund,
            _ => continue,
        };
        lines.push(ClearingLine {
            kind,
            amount: field(66, 12)?.parse().map_err(|_| wrong("amount"))?,
            query_id: field(87, 21)?.to_owned(),
            order: field(112, 32)?.to_owned(),
            fee: signed(field(166, 13)?).ok_or_else(|| wrong("fee"))?,
            settled: signed(field(180, 13)?).ok_or_else(|| wrong("settlement amount"))?,
            original: field(271, 21)?.to_owned(),
        });
    }
    Ok(lines)
}

/// Writes a line as the gateway does; for the sandbox and for tests.
pub fn write(line: &ClearingLine, merchant: &str, time: &str) -> Vec<u8> {
    let mut bytes = vec![b' '; 607];
    let side = |amount: i64| format!("{}{:012}", if amount < 0 { 'D' } else { 'C' }, amount.abs());
    let (code, kind) = match line.kind {
        ClearingKind::Payment => ("S22", "01"),
        ClearingKind::Refund => ("S30", "04"),
    };
    let fields = [
        (0, code.to_owned()),
        (35, time.to_owned()),
        (66, format!("{:012}", line.amount)),
        (87, line.query_id.clone()),
        (112, line.order.clone()),
        (166, side(line.fee)),
        (180, side(line.settled)),
        (215, kind.to_owned()),
        (218, "00".to_owned()),
        (221, "000201".to_owned()),
        (271, line.original.clone()),
        (293, merchant.to_owned()),
    ];
    for (offset, value) in fields {
        if let Some(place) = bytes.get_mut(offset..offset + value.len()) {
            place.copy_from_slice(value.as_bytes());
        }
    }
    bytes
}
