//! The entries that PDF/A-3b (ISO 19005-3) asks for, one by one, and the text of each document as an outside reader finds it
//! (R2.16). No validator of PDF/A is in the package registries: this stands in for one.

use std::process::Command;

use lopdf::{Dictionary, Document, Object};

use crate::certificate::tests::{facts, issue, notices};
use crate::certificate::{Issuer, data};
use crate::keys::demo;
use crate::receipt::tests::receipt;

fn pdfs() -> Vec<(String, Vec<u8>)> {
    let mut all = vec![
        ("certificate".to_owned(), issue(&facts("㛃𬭎·阿卜杜热依木·买买提")).unwrap()),
        ("receipt".to_owned(), receipt()),
    ];
    all.extend(notices().into_iter().map(|(name, facts)| (name.to_owned(), issue(&facts).unwrap())));
    all
}

fn get<'a>(document: &'a Document, dictionary: &'a Dictionary, key: &[u8]) -> &'a Object {
    let found = dictionary.get(key).unwrap_or_else(|_| panic!("no {}", String::from_utf8_lossy(key)));
    document.dereference(found).unwrap().1
}

#[test]
fn r2_16_every_document_has_what_pdf_a_3b_asks_for() {
    for (name, pdf) in pdfs() {
        let document = Document::load_mem(&pdf).unwrap();
        // 6.1.2, 6.1.3: the header's second line has bytes above 127, the file ends with its mark, it is not encrypted and
        // has an identifier.
        let lines: Vec<&[u8]> = pdf.splitn(3, |byte| *byte == b'\n').collect();
        assert!(
            lines[0].starts_with(b"%PDF-1.7") && lines[1].starts_with(b"%") && lines[1][1..5].iter().all(|b| *b > 127)
        );
        assert!(pdf.ends_with(b"%%EOF") || pdf.ends_with(b"%%EOF\n"), "{name}");
        assert!(document.trailer.get(b"Encrypt").is_err() && document.trailer.get(b"ID").is_ok(), "{name}");
        let catalog = document.catalog().unwrap();
        // 6.6.2: XMP says which part and level, and agrees with the information dictionary.
        let metadata = get(&document, catalog, b"Metadata").as_stream().unwrap();
        assert!(metadata.dict.get(b"Filter").is_err(), "metadata must be plain");
        let xmp = String::from_utf8(metadata.content.clone()).unwrap();
        assert!(
            xmp.contains("<pdfaid:part>3</pdfaid:part>") && xmp.contains("<pdfaid:conformance>B</pdfaid:conformance>"),
            "{name}: {xmp}"
        );
        assert!(xmp.contains("<pdfuaid:part>1</pdfuaid:part>"));
        // 6.2.3: colours have a meaning.
        let intents = get(&document, catalog, b"OutputIntents").as_array().unwrap();
        let intent = document.dereference(&intents[0]).unwrap().1.as_dict().unwrap();
        assert_eq!(get(&document, intent, b"S").as_name().unwrap(), b"GTS_PDFA1");
        assert!(get(&document, intent, b"DestOutputProfile").as_stream().is_ok());
        // Tagged: in an order of reading, in a language.
        let marks = get(&document, catalog, b"MarkInfo").as_dict().unwrap();
        assert!(get(&document, marks, b"Marked").as_bool().unwrap());
        assert!(get(&document, catalog, b"StructTreeRoot").as_dict().is_ok());
        assert!(!get(&document, catalog, b"Lang").as_str().unwrap().is_empty());
        // 6.8: the attached file says what it is and how it belongs to the document.
        let files = get(&document, catalog, b"AF").as_array().unwrap();
        assert_eq!(files.len(), 1, "{name}");
        let file = document.dereference(&files[0]).unwrap().1.as_dict().unwrap();
        assert_eq!(get(&document, file, b"AFRelationship").as_name().unwrap(), b"Alternative");
        for key in [&b"F"[..], b"UF", b"Desc"] {
            assert!(!get(&document, file, key).as_str().unwrap().is_empty());
        }
        let embedded = get(&document, get(&document, file, b"EF").as_dict().unwrap(), b"F").as_stream().unwrap();
        assert_eq!(embedded.dict.get(b"Subtype").unwrap().as_name().unwrap(), b"application/vc+jwt");
        // 6.5.1, 6.6.1: nothing that acts by itself.
        assert!(catalog.get(b"OpenAction").is_err() && catalog.get(b"AA").is_err());
        let names = get(&document, catalog, b"Names").as_dict().unwrap();
        assert!(names.get(b"JavaScript").is_err());
        for object in document.objects.values() {
            let Some(dictionary) = object.as_dict().ok().or_else(|| object.as_stream().ok().map(|stream| &stream.dict))
            else {
                continue;
            };
            let is = |key: &[u8], value: &[u8]| {
                dictionary.get(key).and_then(Object::as_name).is_ok_and(|name| name == value)
            };
            // 6.2.11.4: every font is embedded; 6.2.11.7: its characters are known.
            if is(b"Type", b"Font") && is(b"Subtype", b"Type0") {
                assert!(dictionary.get(b"ToUnicode").is_ok(), "{name}: a font without ToUnicode");
            }
            if is(b"Type", b"FontDescriptor") {
                assert!(
                    [&b"FontFile2"[..], b"FontFile3"].iter().any(|key| dictionary.get(key).is_ok()),
                    "{name}: a font is not embedded"
                );
            }
            // 6.3.2: annotations are printed, and none is hidden.
            if is(b"Type", b"Annot") {
                let flags = dictionary.get(b"F").unwrap().as_i64().unwrap();
                assert_eq!((flags & 4, flags & (1 | 2 | 32)), (4, 0), "{name}");
            }
            // 6.1.7, 6.1.10: nothing outside of the file, no compression that is not allowed.
            assert!(!is(b"Filter", b"LZWDecode") && !is(b"S", b"JavaScript") && !is(b"S", b"Launch"), "{name}");
            // 6.2.8.3: pictures are not smoothed by the reader.
            assert!(!dictionary.get(b"Interpolate").and_then(Object::as_bool).unwrap_or(false));
        }
    }
}

fn tool(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|_| panic!("{program} is needed: tests/run gets it"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    said
}

#[test]
fn r2_16_outside_readers_call_each_document_sound_and_signed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, pdf) in pdfs() {
        let path = folder.path().join(format!("{name}.pdf"));
        std::fs::write(&path, pdf).unwrap();
        let path = path.to_str().unwrap();
        assert!(tool("qpdf", &["--check", path]).contains("No syntax or stream encoding errors found"), "{name}");
        let said = tool("pdfsig", &[path]);
        assert!(said.contains("Signature is Valid.") && said.contains("Total document signed"), "{name}: {said}");
        assert!(said.contains("ETSI.CAdES.detached") && !said.contains("Signature #2"), "{name}: {said}");
    }
}

/// What `pdftotext` reads is what was meant: every character of every text, once, and no other.
#[test]
fn r2_16_the_text_of_a_certificate_is_what_was_meant_rare_characters_included() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pdf");
    let plain = |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).collect() };
    let mut all: Vec<_> =
        ["㛃𬭎·阿卜杜热依木·买买提", "ABCDEFGHIJKLMNOPQRSTUVWXYZ ABCDEFGHIJKLMNOPQRSTUVWXYZ ABCDEFGHIJKL"]
            .into_iter()
            .map(facts)
            .collect();
    all.extend(notices().into_iter().map(|(_, facts)| facts));
    for facts in all {
        std::fs::write(&path, Issuer::new(demo()).unwrap().draft(&facts).unwrap().finish(None).unwrap()).unwrap();
        let mut read = plain(&tool("pdftotext", &[path.to_str().unwrap(), "-"]));
        let data = data(&facts);
        let mut meant: Vec<String> = data.wording.clone();
        meant.extend(data.rows.iter().flat_map(|(zh, en, value)| [(*zh).to_owned(), (*en).to_owned(), value.clone()]));
        meant.extend(
            [data.title, data.title_en, data.authority, data.authority, data.authority_en, data.footer]
                .map(str::to_owned),
        );
        meant.extend([data.verify_zh, data.verify_en, "编号", "No."].map(str::to_owned));
        meant.extend([
            data.number.clone(),
            data.number.clone(),
            data.date_zh.clone(),
            data.wording_en.clone(),
            data.url.clone(),
        ]);
        // The longest first: a short text may be part of a longer one.
        meant.sort_by_key(|text| std::cmp::Reverse(text.chars().count()));
        for text in meant {
            let text = plain(&text);
            let at = read.find(&text).unwrap_or_else(|| panic!("{text} is not in {read}"));
            read.replace_range(at..at + text.len(), "\u{1}");
        }
        assert!(read.chars().all(|c| c == '\u{1}'), "nobody meant {read}");
    }
}
