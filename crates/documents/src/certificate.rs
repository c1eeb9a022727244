//! A decided case as a document: certificate, deferral notice or refusal notice.

use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use domain::calendar;
use domain::case::Outcome;
use domain::country;
use proof::cms::{Content, Message, sign};
use serde::Serialize;

use crate::credential::credential;
use crate::keys::Keys;
use crate::pades::{self, Prepared, RESERVED, RESERVED_STAMPED, Says};
use crate::press::{Press, PressError, Sheet, qr_svg};

pub(crate) const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/NotoSansSC-Regular.ttf");
pub(crate) const BOLD: &[u8] = include_bytes!("../../../assets/fonts/NotoSansSC-Bold.ttf");
const TEMPLATE: &str = include_str!("../../../assets/documents/certificate.typ");
const SEAL: &[u8] = include_bytes!("../../../assets/documents/seal.svg");
const GUILLOCHE: &[u8] = include_bytes!("../../../assets/documents/guilloche.svg");
pub(crate) const AUTHORITY_ZH: &str = "国（境）外学历学位认证服务平台";
pub(crate) const AUTHORITY_EN: &str = "Authentication Service for Foreign Degrees and Diplomas";

/// Everything that a document says, as the store has it.
#[derive(Debug, Clone)]
pub struct CertificateFacts {
    /// Its number.
    pub number: String,
    /// What it says.
    pub outcome: Outcome,
    /// When it was decided.
    pub issued_at: DateTime<Utc>,
    /// Where it can be checked.
    pub url: String,
    /// The person.
    pub name: String,
    /// Birth date.
    pub birth: Option<NaiveDate>,
    /// Alpha-2 code.
    pub country: String,
    /// Institution as on the credential.
    pub institution: String,
    /// Its Chinese name, or empty.
    pub institution_zh: String,
    /// Name of the credential.
    pub credential: String,
    /// Its Chinese name.
    pub credential_zh: String,
    /// Chinese and English words for the level.
    pub level: (String, String),
    /// Major, Chinese before the original.
    pub major: String,
    /// When it was awarded.
    pub awarded: Option<NaiveDate>,
    /// The first days of the first and the last month of study.
    pub studied: (Option<NaiveDate>, Option<NaiveDate>),
    /// Chinese and English words for the reason of a notice.
    pub reason: Option<(String, String)>,
}

impl CertificateFacts {
    /// The title in Chinese and English.
    pub(crate) const fn title(&self) -> (&'static str, &'static str) {
        match self.outcome {
            Outcome::Certificate => ("国（境）外学历学位认证书", "Certificate of Authentication"),
            Outcome::Deferral => ("暂不认证通知单", "Notice of Deferral"),
            Outcome::Refusal => ("不予认证通知单", "Notice of Refusal"),
        }
    }
}

/// The closest setting that the template knows, for documents that have more to say than one page holds at ease.
const DENSITY_MOST: u8 = 2;

#[derive(Serialize)]
pub(crate) struct Data {
    pub(crate) title: &'static str,
    pub(crate) title_en: &'static str,
    pub(crate) authority: &'static str,
    pub(crate) authority_en: &'static str,
    pub(crate) number: String,
    pub(crate) footer: &'static str,
    pub(crate) year: i32,
    pub(crate) month: u32,
    pub(crate) day: u32,
    pub(crate) date_zh: String,
    pub(crate) wording: Vec<String>,
    pub(crate) wording_en: String,
    pub(crate) rows: Vec<(&'static str, &'static str, String)>,
    pub(crate) url: String,
    pub(crate) verify_zh: &'static str,
    pub(crate) verify_en: &'static str,
    pub(crate) qr_alt: &'static str,
    pub(crate) seal_alt: &'static str,
    pub(crate) credential_words: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) justify: bool,
    pub(crate) density: u8,
}

/// Makes documents: typeset, with their credential attached, signed.
pub struct Issuer {
    press: Press,
    keys: Arc<Keys>,
}

/// A document that is signed, and may still get a time-stamp.
pub struct Draft {
    prepared: Prepared,
    message: Message,
}

impl Draft {
    /// What a time-stamp is about: the signature.
    pub fn signature(&self) -> &[u8] {
        self.message.signature()
    }

    /// The finished file, which is never written again; with a time-stamp token if there is one.
    ///
    /// # Errors
    /// When the token can't be read, or is larger than what was kept free.
    pub fn finish(self, token: Option<&[u8]>) -> Result<Vec<u8>, PressError> {
        let message = match token {
            Some(token) => self.message.with_time_stamp(token)?,
            None => self.message,
        };
        Ok(self.prepared.seal(&message.to_der()?)?)
    }
}

/// Signs a printed file, all but the time-stamp.
pub(crate) fn draft(keys: &Keys, printed: Vec<u8>, says: Says<'_>, reserved: usize) -> Result<Draft, PressError> {
    let prepared = pades::prepare(printed, says, reserved)?;
    let message = sign(Content::Detached(prepared.digest()?), keys.signer.as_ref())?;
    Ok(Draft { prepared, message })
}

pub(crate) fn day_zh(date: NaiveDate) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

fn both(zh: &str, other: &str) -> String {
    if zh.is_empty() || zh == other { other.to_owned() } else { format!("{zh}（{other}）") }
}

/// A month as it is written.
fn month_zh(date: Option<NaiveDate>) -> String {
    date.map(|date| format!("{}年{}月", date.year(), date.month())).unwrap_or_default()
}

impl Issuer {
    /// An issuer with the embedded template and fonts.
    ///
    /// # Errors
    /// `Setup` when they can't be used.
    pub fn new(keys: Arc<Keys>) -> Result<Self, PressError> {
        let pictures = [("seal.svg", SEAL), ("guilloche.svg", GUILLOCHE)];
        Ok(Self { press: Press::new("certificate.typ", TEMPLATE, &[REGULAR, BOLD], &pictures)?, keys })
    }

    /// The keys that it signs with.
    pub const fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Whether its documents get a time-stamp of an authority.
    pub fn stamps(&self) -> bool {
        !self.keys.trust().stamp_roots.is_empty()
    }

    /// Makes the document, all but its time-stamp; the same facts and keys make the same.
    ///
    /// # Errors
    /// `Unprintable` names characters that no font has; anything else is an operator's.
    pub fn draft(&self, facts: &CertificateFacts) -> Result<Draft, PressError> {
        let jwt = self.keys.sign(&credential(&self.keys, facts)?)?;
        let sheet = Sheet { ident: &facts.number, qr: qr_svg(&facts.url)?, credential: jwt };
        let mut data = data(facts);
        let mut printed = self.press.print(&sheet, &data)?;
        while printed.pages > 1 && data.density < DENSITY_MOST {
            data.density += 1;
            printed = self.press.print(&sheet, &data)?;
        }
        let says = Says { name: AUTHORITY_ZH, reason: &facts.number, at: self.keys.signing_time(facts.issued_at) };
        draft(&self.keys, printed.pdf, says, if self.stamps() { RESERVED_STAMPED } else { RESERVED })
    }
}

pub(crate) fn data(facts: &CertificateFacts) -> Data {
    let date = calendar::today(facts.issued_at);
    let place = country::find(&facts.country);
    let (country_zh, country_en) = place.map_or(("", ""), |place| (place.zh, place.en));
    let institution = both(&facts.institution_zh, &facts.institution);
    let credential = both(&facts.credential_zh, &facts.credential);
    let (title, title_en) = facts.title();
    let who =
        format!("{}{}", facts.name, facts.birth.map(|born| format!("，{}出生", day_zh(born))).unwrap_or_default());
    let mut wording = Vec::new();
    let mut wording_en = String::new();
    match facts.outcome {
        Outcome::Certificate => {
            wording.push(format!(
                "{who}，{}至{}在{country_zh}{institution}学习，获得该校颁发的{credential}。",
                month_zh(facts.studied.0),
                month_zh(facts.studied.1)
            ));
            wording.push(format!(
                "经核查，{}具有颁发该证书的资格，所颁证书真实，证书层次为{}。",
                institution, facts.level.0
            ));
            let _ = write!(
                wording_en,
                "This is to certify that the credential named below was awarded to {} by {}, {country_en}, that the \
                 institution is entitled to award it, and that its level is: {}.",
                facts.name, facts.institution, facts.level.1
            );
        }
        Outcome::Deferral | Outcome::Refusal => {
            let decided = if facts.outcome == Outcome::Deferral { "暂不予认证" } else { "不予认证" };
            let (zh, en) = facts.reason.clone().unwrap_or_default();
            wording.push(format!(
                "{who}，就其持有的{country_zh}{institution}{credential}提出的认证申请，经评估，{decided}。"
            ));
            wording.push(format!("原因：{zh}。"));
            wording.push("如有异议，可自获得本结果之日起一年内在系统内提出复核申请。".to_owned());
            let verb = if facts.outcome == Outcome::Deferral { "deferred" } else { "refused" };
            let _ = write!(
                wording_en,
                "The application of {} for the authentication of the credential named below is {verb}. Reason: {en}. A \
                 review can be asked for within one year.",
                facts.name
            );
        }
    }
    let standing = match facts.outcome {
        Outcome::Certificate => "具有颁发该证书的资格 Entitled to award it",
        Outcome::Deferral | Outcome::Refusal => "",
    };
    let rows = vec![
        ("证书持有人", "Holder", facts.name.clone()),
        ("国家/地区", "Country or region", format!("{country_zh} {country_en}")),
        ("颁证院校", "Institution", institution),
        ("院校资质", "Standing", standing.to_owned()),
        ("证书名称", "Credential", credential),
        ("证书层次", "Level", format!("{} {}", facts.level.0, facts.level.1)),
        ("专业", "Major", facts.major.clone()),
        ("颁证日期", "Date of award", facts.awarded.map(day_zh).unwrap_or_default()),
        (
            "学习时间",
            "Studied",
            if facts.studied.0.is_some() {
                format!("{}至{}", month_zh(facts.studied.0), month_zh(facts.studied.1))
            } else {
                String::new()
            },
        ),
    ];
    let rows: Vec<_> = rows.into_iter().filter(|(_, _, value)| !value.is_empty()).collect();
    Data {
        title,
        title_en,
        authority: AUTHORITY_ZH,
        authority_en: AUTHORITY_EN,
        number: facts.number.clone(),
        footer: "本文件由系统电子签发，打印件以在线核验结果为准",
        year: date.year(),
        month: date.month(),
        day: date.day(),
        date_zh: day_zh(date),
        wording,
        wording_en,
        rows,
        url: facts.url.clone(),
        verify_zh: "扫描二维码，或凭编号和姓名在线核验，亦可上传本文件核验。",
        verify_en: "Scan the code, use number and name, or upload this file, to see whether it holds.",
        qr_alt: "核验本文件的二维码，内容为旁边的网址",
        seal_alt: "国（境）外学历学位认证服务平台电子印章",
        credential_words: "本文件所附的可验证凭证 The verifiable credential of this document",
        kind: facts.outcome.code(),
        // A name that can't be broken would tear its line apart.
        justify: facts.name.chars().count() < 24,
        density: 0,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use chrono::TimeZone;

    use super::*;
    use crate::examine;
    use crate::keys::demo;

    pub(crate) fn facts(name: &str) -> CertificateFacts {
        CertificateFacts {
            number: "RC202600000001".into(),
            outcome: Outcome::Certificate,
            issued_at: Utc.with_ymd_and_hms(2026, 11, 24, 4, 0, 0).unwrap(),
            url: "https://renzheng.example/verify/0123456789abcdef0123456789abcdef".into(),
            name: name.into(),
            birth: NaiveDate::from_ymd_opt(1990, 3, 7),
            country: "GB".into(),
            institution: "University of Northshire".into(),
            institution_zh: "北郡大学".into(),
            credential: "Master of Science".into(),
            credential_zh: "理学硕士".into(),
            level: ("硕士".into(), "Master".into()),
            major: "数据科学 Data Science".into(),
            awarded: NaiveDate::from_ymd_opt(2019, 7, 12),
            studied: (NaiveDate::from_ymd_opt(2017, 9, 1), NaiveDate::from_ymd_opt(2019, 6, 1)),
            reason: None,
        }
    }

    pub(crate) fn issue(facts: &CertificateFacts) -> Result<Vec<u8>, PressError> {
        Issuer::new(demo()).unwrap().draft(facts)?.finish(None)
    }

    fn keep(name: &str, pdf: &[u8]) {
        if let Ok(folder) = std::env::var("DOCUMENTS_OUT") {
            std::fs::write(format!("{folder}/{name}.pdf"), pdf).unwrap();
        }
    }

    #[test]
    fn r2_16_a_certificate_with_rare_characters_proves_itself_and_the_same_facts_make_the_same_file() {
        let first = issue(&facts("㛃𬭎·阿卜杜热依木")).unwrap();
        keep("certificate", &first);
        assert!(first.starts_with(b"%PDF-1.7"));
        assert!(first == issue(&facts("㛃𬭎·阿卜杜热依木")).unwrap());
        let examined = examine(&first, demo().trust());
        assert!(examined.holds(), "{:?}", examined.checks);
        assert_eq!(examined.number(), Some("RC202600000001"));
        assert_eq!(examined.credential.unwrap()["credentialSubject"]["name"], "㛃𬭎·阿卜杜热依木");
    }

    #[test]
    fn r2_16_a_character_that_no_font_has_is_named_before_issue() {
        match issue(&facts("张\u{10400}")) {
            Err(PressError::Unprintable(characters)) => {
                assert_eq!(characters.into_iter().collect::<String>(), "\u{10400}")
            }
            other => panic!("{:?}", other.map(|pdf| pdf.len())),
        }
    }

    /// Both notices, and a certificate with more to say than is usual.
    pub(crate) fn notices() -> Vec<(&'static str, CertificateFacts)> {
        let long = |outcome, reason| CertificateFacts {
            number: match outcome {
                Outcome::Certificate => "RC202600000002",
                Outcome::Deferral => "RD202600000001",
                Outcome::Refusal => "RN202600000001",
            }
            .into(),
            outcome,
            reason,
            institution:
                "The Long Winded University of Applied Sciences and Fine Arts of the Northern Shires and Isles".into(),
            institution_zh: "北方诸郡及群岛应用科学与美术联合大学（原北郡皇家高等工程技术与艺术设计学院）".into(),
            ..facts("ABCDEFGHIJKLMNOPQRSTUVWXYZ ABCDEFGHIJKLMNOPQRSTUVWXYZ ABCDEFGHIJKL")
        };
        let why = || Some(("材料不齐".to_owned(), "incomplete material".to_owned()));
        let plain = |outcome, number: &str| CertificateFacts {
            outcome,
            number: number.into(),
            reason: why(),
            ..facts("样张三")
        };
        vec![
            ("deferral", plain(Outcome::Deferral, "RD202600000002")),
            ("refusal", plain(Outcome::Refusal, "RN202600000002")),
            ("long", long(Outcome::Certificate, None)),
            ("long-deferral", long(Outcome::Deferral, why())),
            ("long-refusal", long(Outcome::Refusal, why())),
        ]
    }

    #[test]
    fn notices_and_long_names_fit_one_page() {
        for (name, facts) in notices() {
            let pdf = issue(&facts).unwrap();
            keep(name, &pdf);
            assert_eq!(lopdf::Document::load_mem(&pdf).unwrap().get_pages().len(), 1, "{name}");
            assert!(examine(&pdf, demo().trust()).holds());
        }
    }
}
