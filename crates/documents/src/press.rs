//! The press: one typst template with its fonts, kept warm; data and QR code go in, a credential is attached, tagged PDF/A-3b comes out.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;
use typst::diag::{FileError, FileResult, Severity, SourceDiagnostic, Warned};
use typst::foundations::{Bytes, Datetime, Duration, Smart};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook, is_default_ignorable};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt, World, WorldExt};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};

/// Why a document could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PressError {
    /// Bad font, path or combination of standards.
    #[error("set-up: {0}")]
    Setup(String),
    /// The data are not JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// The QR code could not be made.
    #[error("qr: {0}")]
    Qr(#[from] qrcode::types::QrError),
    /// Characters that no embedded font has: found before issue, never a blank box on a certificate.
    #[error("no font has {0:?}")]
    Unprintable(BTreeSet<char>),
    /// Errors or warnings of the compiler or the export.
    #[error("{0}")]
    Typst(String),
    /// The file could not be signed.
    #[error(transparent)]
    Proof(#[from] proof::ProofError),
}

/// One template with its fonts; made once, used by all.
pub struct Press {
    library: LazyHash<Library>,
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
    main: Source,
    data: FileId,
    qr: FileId,
    credential: FileId,
    pictures: Vec<(FileId, Bytes)>,
    standards: PdfStandards,
}

/// All texts of a value, one after the other.
fn texts(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(all) => all.iter().map(texts).collect(),
        serde_json::Value::Object(all) => all.values().map(texts).collect(),
        _ => String::new(),
    }
}

fn file(path: &str) -> Result<FileId, PressError> {
    let path = VirtualPath::new(path).map_err(|error| PressError::Setup(error.to_string()))?;
    Ok(RootedPath::new(VirtualRoot::Project, path).intern())
}

impl Press {
    /// A press for `template`; `name` must differ between templates.
    ///
    /// # Errors
    /// `Setup` when a font or the name can't be used.
    pub fn new(
        name: &str,
        template: &str,
        fonts: &[&'static [u8]],
        pictures: &[(&str, &'static [u8])],
    ) -> Result<Self, PressError> {
        let fonts: Vec<Font> = fonts.iter().flat_map(|font| Font::iter(Bytes::new(*font))).collect();
        if fonts.is_empty() {
            return Err(PressError::Setup("no usable font".into()));
        }
        let standards = PdfStandards::new(&[PdfStandard::A_3b, PdfStandard::Ua_1])
            .map_err(|error| PressError::Setup(error.message().to_string()))?;
        Ok(Self {
            library: LazyHash::new(Library::builder().build()),
            book: LazyHash::new(FontBook::from_fonts(&fonts)),
            main: Source::new(file(name)?, template.to_owned()),
            data: file("data.json")?,
            qr: file("qr.svg")?,
            credential: file("credential.jwt")?,
            pictures: pictures
                .iter()
                .map(|(name, bytes)| Ok((file(name)?, Bytes::new(*bytes))))
                .collect::<Result<_, PressError>>()?,
            fonts,
            standards,
        })
    }

    /// The characters of `text` that can't be printed.
    pub fn unprintable(&self, text: &str) -> BTreeSet<char> {
        text.chars().filter(|character| !self.prints(*character)).collect()
    }

    fn prints(&self, character: char) -> bool {
        let forbidden = matches!(character, '\0' | '\u{FEFF}' | '\u{FFFE}' | '\u{E000}'..='\u{F8FF}'
            | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}');
        let code = u32::from(character);
        let unseen = character.is_control() && character != '\n' && character != '\t';
        if forbidden || unseen {
            return false;
        }
        character.is_whitespace()
            || is_default_ignorable(character)
            || self.fonts.iter().any(|font| font.info().coverage.contains(code))
    }

    /// Makes a PDF. Takes tens of milliseconds of one core: call it on a bounded pool.
    ///
    /// # Errors
    /// [`PressError`]; warnings count as errors, for they mean dropped text.
    pub fn print<T: Serialize>(&self, sheet: &Sheet<'_>, data: &T) -> Result<Printed, PressError> {
        let read = serde_json::to_value(data)?;
        let json = read.to_string();
        // In the texts themselves: JSON writes some characters as others.
        let unprintable = self.unprintable(&texts(&read));
        if !unprintable.is_empty() {
            return Err(PressError::Unprintable(unprintable));
        }
        let job = Job {
            press: self,
            data: Bytes::from_string(json),
            qr: Bytes::from_string(sheet.qr.clone()),
            credential: Bytes::from_string(sheet.credential.clone()),
        };
        let result = job.run(sheet.ident);
        typst::comemo::evict(10);
        result
    }
}

/// What goes into one file beside its data.
pub struct Sheet<'a> {
    /// What names the file for ever.
    pub ident: &'a str,
    /// Its QR code as SVG.
    pub qr: String,
    /// The credential that is attached, as a JWT.
    pub credential: String,
}

/// A printed file.
pub struct Printed {
    /// The file.
    pub pdf: Vec<u8>,
    /// How many pages it has.
    pub pages: usize,
}

struct Job<'a> {
    press: &'a Press,
    data: Bytes,
    qr: Bytes,
    credential: Bytes,
}

impl Job<'_> {
    fn run(&self, ident: &str) -> Result<Printed, PressError> {
        let Warned { output, warnings } = typst::compile::<PagedDocument>(self);
        let document = output.map_err(|errors| PressError::Typst(describe(self, &errors)))?;
        if !warnings.is_empty() {
            return Err(PressError::Typst(describe(self, &warnings)));
        }
        let options = PdfOptions {
            ident: Smart::Custom(ident.to_owned()),
            standards: self.press.standards.clone(),
            ..PdfOptions::default()
        };
        let pdf = typst_pdf::pdf(&document, &options).map_err(|errors| PressError::Typst(describe(self, &errors)))?;
        Ok(Printed { pdf, pages: document.pages().len() })
    }
}

impl World for Job<'_> {
    fn library(&self) -> &LazyHash<Library> {
        &self.press.library
    }

    fn book(&self) -> &LazyHash<FontBook> {
        &self.press.book
    }

    fn main(&self) -> FileId {
        self.press.main.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.press.main.id() { Ok(self.press.main.clone()) } else { Err(missing(id)) }
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        match id {
            id if id == self.press.data => Ok(self.data.clone()),
            id if id == self.press.qr => Ok(self.qr.clone()),
            id if id == self.press.credential => Ok(self.credential.clone()),
            id => {
                let picture = self.press.pictures.iter().find(|(known, _)| *known == id);
                picture.map(|(_, bytes)| bytes.clone()).ok_or_else(|| missing(id))
            }
        }
    }

    fn font(&self, index: usize) -> Option<Font> {
        self.press.fonts.get(index).cloned()
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        // The same data make the same file.
        None
    }
}

fn missing(id: FileId) -> FileError {
    FileError::NotFound(id.vpath().get_without_slash().into())
}

fn describe(world: &dyn World, diagnostics: &[SourceDiagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        let kind = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = diagnostic.span.id().and_then(|id| {
            let range = world.range(diagnostic.span)?;
            let (line, column) = world.source(id).ok()?.lines().byte_to_line_column(range.start)?;
            Some(format!("{}:{}:{}: ", id.vpath().get_without_slash(), line + 1, column + 1))
        });
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}{kind}: {}", place.unwrap_or_default(), diagnostic.message);
    }
    text
}

/// A QR code as SVG: black on opaque white, with its quiet zone.
///
/// # Errors
/// `Qr` when the text is too long.
pub fn qr_svg(text: &str) -> Result<String, PressError> {
    use qrcode::render::svg;
    use qrcode::{EcLevel, QrCode};
    let code = QrCode::with_error_correction_level(text, EcLevel::M)?;
    Ok(code.render::<svg::Color<'_>>().module_dimensions(1, 1).build())
}
