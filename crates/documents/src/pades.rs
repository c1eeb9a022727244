//! Signatures in PDF by PAdES (ETSI EN 319 142-1): B-B, and B-T with a time-stamp.
//!
//! A printed file gets one update appended that holds the signature's dictionary with a gap; everything but the gap is
//! digested, and the gap is filled in place. Nothing is written again afterwards. What is read is read strictly: one
//! signature, over the whole file, and a gap filled in the one way in which it is filled here.

use std::ops::Range;

use chrono::{DateTime, Utc};
use domain::calendar;
use lopdf::{Dictionary, Document, IncrementalDocument, LoadOptions, Object, ObjectId, StringFormat, dictionary};
use proof::ProofError;
use sha2::{Digest, Sha256};

/// Bytes that are kept free for a signature without a time-stamp.
pub const RESERVED: usize = 16 * 1024;
/// Bytes that are kept free for a signature with one.
pub const RESERVED_STAMPED: usize = 32 * 1024;
/// The largest file that is looked at, in bytes: ours have a tenth of it.
pub const FILE_MOST: usize = 8 * 1024 * 1024;
/// What a compressed part of a file may unfold to, in bytes.
const UNFOLDED_MOST: usize = 16 * 1024 * 1024;
/// As wide as any place in a file that is looked at.
const WIDE: i64 = 9_999_999_999;
/// What an attached credential may unfold to, in bytes: ours have a few thousand.
const CREDENTIAL_MOST: usize = 256 * 1024;
/// The kind of signature.
const SUB_FILTER: &[u8] = b"ETSI.CAdES.detached";

fn pdf(error: impl std::fmt::Display) -> ProofError {
    ProofError::Malformed(format!("PDF: {error}"))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A file with a gap for its signature.
#[derive(Debug)]
pub struct Prepared {
    bytes: Vec<u8>,
    /// The gap, its angle brackets included.
    gap: Range<usize>,
}

/// What the signature's dictionary says.
#[derive(Debug, Clone, Copy)]
pub struct Says<'a> {
    /// Who signs.
    pub name: &'a str,
    /// What for: the number of the document.
    pub reason: &'a str,
    /// When.
    pub at: DateTime<Utc>,
}

/// A text as PDF has it: UTF-16 with its mark, unless it is ASCII.
fn text(value: &str) -> Object {
    if value.is_ascii() {
        return Object::string_literal(value);
    }
    let mut bytes = vec![0xfe, 0xff];
    bytes.extend(value.encode_utf16().flat_map(u16::to_be_bytes));
    Object::String(bytes, StringFormat::Hexadecimal)
}

/// An instant as PDF has it, in Beijing's time.
fn date(at: DateTime<Utc>) -> String {
    calendar::beijing(at).format("D:%Y%m%d%H%M%S+08'00'").to_string()
}

/// Appends a signature's dictionary with a gap of `reserved` bytes. The document is certified (DocMDP, P 2): readers
/// take what is drawn over it later for a change, and validation data can still be added.
///
/// # Errors
/// When the file is not as the press makes it.
pub fn prepare(printed: Vec<u8>, says: Says<'_>, reserved: usize) -> Result<Prepared, ProofError> {
    let length = printed.len();
    let before = Document::load_mem(&printed).map_err(pdf)?;
    let catalog = before.trailer.get(b"Root").and_then(Object::as_reference).map_err(pdf)?;
    let page = before.get_pages().values().next().copied().ok_or_else(|| pdf("no page"))?;
    let mut annotations = match before.get_dictionary(page).map_err(pdf)?.get(b"Annots") {
        Ok(known) => before.dereference(known).and_then(|(_, known)| known.as_array().cloned()).map_err(pdf)?,
        Err(_) => Vec::new(),
    };
    let mut update = IncrementalDocument::create_from(printed, before);
    let signature = update.new_document.add_object(dictionary! {
        "Type" => "Sig",
        "Filter" => "Adobe.PPKLite",
        "SubFilter" => Object::Name(SUB_FILTER.to_vec()),
        "ByteRange" => vec![0.into(), WIDE.into(), WIDE.into(), WIDE.into()],
        "Contents" => Object::String(vec![0; reserved], StringFormat::Hexadecimal),
        "M" => Object::string_literal(date(says.at)),
        "Name" => text(says.name),
        "Reason" => text(says.reason),
        "Reference" => vec![Object::Dictionary(dictionary! {
            "Type" => "SigRef",
            "TransformMethod" => "DocMDP",
            "TransformParams" => dictionary! { "Type" => "TransformParams", "P" => 2, "V" => "1.2" },
        })],
    });
    let field = update.new_document.add_object(dictionary! {
        "Type" => "Annot",
        "Subtype" => "Widget",
        "FT" => "Sig",
        "T" => Object::string_literal("Signature"),
        "TU" => text(says.name),
        "V" => signature,
        "P" => page,
        // Nothing to be seen: without extent, and beside the page, so that it need not stand in the order of reading.
        "Rect" => vec![(-1).into(), (-1).into(), (-1).into(), (-1).into()],
        "F" => 132,
    });
    update.opt_clone_object_to_new_document(catalog).map_err(pdf)?;
    update.opt_clone_object_to_new_document(page).map_err(pdf)?;
    let root = update.new_document.get_dictionary_mut(catalog).map_err(pdf)?;
    root.set("AcroForm", dictionary! { "Fields" => vec![field.into()], "SigFlags" => 3 });
    root.set("Perms", dictionary! { "DocMDP" => signature });
    annotations.push(field.into());
    update.new_document.get_dictionary_mut(page).map_err(pdf)?.set("Annots", annotations);
    let mut bytes = Vec::with_capacity(length + 2 * reserved + 4_096);
    update.save_to(&mut bytes).map_err(pdf)?;
    let appended = bytes.get(length..).ok_or_else(|| pdf("shorter than before"))?;
    let zeros = find(appended, &[b'0'; 64]).filter(|at| *at > 0).ok_or_else(|| pdf("no gap"))?;
    let start = length + zeros - 1;
    let gap = start..start + 2 * reserved + 2;
    let wide = format!("{WIDE} {WIDE} {WIDE}");
    let at = length + find(appended, wide.as_bytes()).ok_or_else(|| pdf("no ByteRange"))?;
    let range = format!("{} {} {}", gap.start, gap.end, bytes.len().saturating_sub(gap.end));
    let place = bytes.get_mut(at..at + wide.len()).ok_or_else(|| pdf("no ByteRange"))?;
    place.copy_from_slice(format!("{range:<width$}", width = wide.len()).as_bytes());
    Ok(Prepared { bytes, gap })
}

fn digest(bytes: &[u8], gap: &Range<usize>) -> Option<[u8; 32]> {
    let hasher = Sha256::new().chain_update(bytes.get(..gap.start)?).chain_update(bytes.get(gap.end..)?);
    Some(hasher.finalize().into())
}

fn filled(der: &[u8], width: usize) -> Option<Vec<u8>> {
    let mut inside = hex::encode(der).into_bytes();
    if inside.len() + 2 > width {
        return None;
    }
    inside.resize(width - 2, b'0');
    Some([&b"<"[..], &inside, &b">"[..]].concat())
}

impl Prepared {
    /// SHA-256 of everything but the gap.
    ///
    /// # Errors
    /// When the gap is not within the file.
    pub fn digest(&self) -> Result<[u8; 32], ProofError> {
        digest(&self.bytes, &self.gap).ok_or_else(|| pdf("gap"))
    }

    /// Fills the gap with a signature.
    ///
    /// # Errors
    /// When it is larger than the gap.
    pub fn seal(mut self, signature: &[u8]) -> Result<Vec<u8>, ProofError> {
        let inside = filled(signature, self.gap.len()).ok_or_else(|| pdf("the signature is larger than its gap"))?;
        self.bytes.get_mut(self.gap.clone()).ok_or_else(|| pdf("gap"))?.copy_from_slice(&inside);
        Ok(self.bytes)
    }
}

/// The signature of a file, found byte by byte: nothing of a file is interpreted before it is known to be ours, for what
/// interprets PDF can be led astray by who wrote it.
#[derive(Debug)]
pub struct Sealed {
    /// SHA-256 of what is signed.
    pub digest: [u8; 32],
    /// The signature.
    pub signature: Vec<u8>,
    gap: Range<usize>,
}

/// What a signed file says of itself.
#[derive(Debug)]
pub struct Said {
    /// When it says that it was signed.
    pub at: DateTime<Utc>,
    /// What it says that it is: the number of the document.
    pub reason: String,
    /// The attached credential.
    pub credential: Option<String>,
}

struct Reader<'a>(&'a Document);

impl<'a> Reader<'a> {
    fn at(&self, dictionary: &'a Dictionary, key: &[u8]) -> Result<&'a Object, ProofError> {
        let found = dictionary.get(key).map_err(pdf)?;
        self.0.dereference(found).map(|(_, object)| object).map_err(pdf)
    }

    fn dictionary(&self, dictionary: &'a Dictionary, key: &[u8]) -> Result<&'a Dictionary, ProofError> {
        self.at(dictionary, key)?.as_dict().map_err(pdf)
    }

    fn array(&self, dictionary: &'a Dictionary, key: &[u8]) -> Result<&'a Vec<Object>, ProofError> {
        self.at(dictionary, key)?.as_array().map_err(pdf)
    }

    fn one(&self, list: &'a [Object]) -> Result<&'a Dictionary, ProofError> {
        match list {
            [one] => self.0.dereference(one).and_then(|(_, object)| object.as_dict()).map_err(pdf),
            _ => Err(ProofError::Refused("more than one")),
        }
    }

    fn text(&self, dictionary: &'a Dictionary, key: &[u8]) -> Result<String, ProofError> {
        let bytes = self.at(dictionary, key)?.as_str().map_err(pdf)?;
        match bytes.strip_prefix(&[0xfe, 0xff]) {
            Some(wide) => {
                let units = wide.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair));
                char::decode_utf16(units).collect::<Result<String, _>>().map_err(pdf)
            }
            None => String::from_utf8(bytes.to_vec()).map_err(pdf),
        }
    }

    /// The first attached file.
    fn attachment(&self, catalog: &'a Dictionary) -> Result<Option<String>, ProofError> {
        if catalog.get(b"AF").is_err() {
            return Ok(None);
        }
        let file = self.one(self.array(catalog, b"AF")?)?;
        let stream = self.at(self.dictionary(file, b"EF")?, b"F")?.as_stream().map_err(pdf)?;
        let bytes = if stream.dict.get(b"Filter").is_ok() {
            stream.decompressed_content_with_limit(CREDENTIAL_MOST).map_err(pdf)?
        } else {
            stream.content.clone()
        };
        String::from_utf8(bytes).map(Some).map_err(pdf)
    }
}

fn instant(said: &str) -> Result<DateTime<Utc>, ProofError> {
    let plain = said.strip_prefix("D:").unwrap_or(said).replace('\'', "");
    DateTime::parse_from_str(&plain, "%Y%m%d%H%M%S%z").map(|at| at.to_utc()).map_err(pdf)
}

/// Finds the signature of a file.
///
/// # Errors
/// `Refused` when there is none of the kind that is made here, or when it leaves some of the file out.
pub fn sealed(file: &[u8]) -> Result<Sealed, ProofError> {
    const NAME: &[u8] = b"/ByteRange";
    if file.len() > FILE_MOST {
        return Err(ProofError::Refused("too large"));
    }
    let at = file.windows(NAME.len()).rposition(|window| window == NAME).ok_or(ProofError::Refused("no signature"))?;
    let rest = file.get(at + NAME.len()..).unwrap_or_default();
    let text = rest.get(..rest.len().min(80)).and_then(|head| head.split(|byte| *byte == b']').next());
    let text = text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default().trim_start();
    let range: Option<Vec<usize>> = text
        .strip_prefix('[')
        .map(|text| text.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().unwrap_or_default());
    let gap = match range.as_deref() {
        Some([0, start, after, rest]) if after.checked_add(*rest) == Some(file.len()) && start < after => {
            *start..*after
        }
        _ => return Err(ProofError::Refused("signature does not cover the whole file")),
    };
    let refused = || ProofError::Refused("gap");
    let inside = file.get(gap.clone()).ok_or_else(refused)?;
    let hexadecimal = inside.strip_prefix(b"<").and_then(|inside| inside.strip_suffix(b">")).ok_or_else(refused)?;
    let said = hex::decode(hexadecimal).map_err(|_| refused())?;
    // DER says how long it is; the rest of the gap is zeros.
    let der = der_length(&said).and_then(|length| said.get(..length)).ok_or_else(refused)?;
    if filled(der, gap.len()).as_deref() != Some(inside) {
        return Err(refused());
    }
    Ok(Sealed { digest: digest(file, &gap).ok_or_else(refused)?, signature: der.to_vec(), gap })
}

/// Reads what a file says, once its signature is known to be ours.
///
/// # Errors
/// `Malformed` when it is no PDF as it is made here; `Refused` when its signature is another than was found.
pub fn said(file: &[u8], sealed: &Sealed) -> Result<Said, ProofError> {
    let options = LoadOptions { max_decompressed_size: Some(UNFOLDED_MOST), ..LoadOptions::default() };
    let document = Document::load_mem_with_options(file, options).map_err(pdf)?;
    let reader = Reader(&document);
    let root: ObjectId = document.trailer.get(b"Root").and_then(Object::as_reference).map_err(pdf)?;
    let catalog = document.get_dictionary(root).map_err(pdf)?;
    let form = reader.dictionary(catalog, b"AcroForm").map_err(|_| ProofError::Refused("no signature"))?;
    let field = reader.one(reader.array(form, b"Fields")?)?;
    let signature = reader.dictionary(field, b"V").map_err(|_| ProofError::Refused("no signature"))?;
    if reader.at(signature, b"SubFilter")?.as_name().map_err(pdf)? != SUB_FILTER {
        return Err(ProofError::Refused("kind of signature"));
    }
    let place = |object: &Object| object.as_i64().ok().and_then(|place| usize::try_from(place).ok());
    let range: Vec<usize> = reader.array(signature, b"ByteRange")?.iter().filter_map(place).collect();
    if range != [0, sealed.gap.start, sealed.gap.end, file.len() - sealed.gap.end] {
        return Err(ProofError::Refused("another signature"));
    }
    Ok(Said {
        at: instant(&reader.text(signature, b"M")?)?,
        reason: reader.text(signature, b"Reason")?,
        credential: reader.attachment(catalog)?,
    })
}

/// How many bytes the DER value at the beginning of `bytes` has, its header included.
fn der_length(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.get(1)?;
    if first < 0x80 {
        return Some(2 + usize::from(first));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return None;
    }
    let length = bytes.get(2..2 + count)?.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    length.checked_add(2 + count)
}
