//! A decided case as a document: certificate, deferral notice or refusal notice.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use domain::calendar;
use domain::case::Outcome;
use domain::country;
use serde::Serialize;

use crate::Finish;
use crate::press::{Press, PressError, qr_svg};

pub(crate) const REGULAR: &[u8] = include_bytes!("../../../assets/fonts/NotoSansSC-Regular.ttf");
pub(crate) const BOLD: &[u8] = include_bytes!("../../../assets/fonts/NotoSansSC-Bold.ttf");
const TEMPLATE: &str = include_str!("../../../assets/documents/certificate.typ");
pub(crate) const AUTHORITY_ZH: &str = "国（境）外学历学位认证服务平台";
const AUTHORITY_EN: &str = "Authentication Service for Foreign Degrees and Diplomas";

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
    /// First and last month of study.
    pub studied: (String, String),
    /// Chinese and English words for the reason of a notice.
    pub reason: Option<(String, String)>,
}

#[derive(Serialize)]
struct Data {
    title: &'static str,
    title_en: &'static str,
    authority: &'static str,
    authority_en: &'static str,
    number: String,
    footer: &'static str,
    year: i32,
    month: u32,
    day: u32,
    date_zh: String,
    wording: Vec<String>,
    wording_en: String,
    rows: Vec<(&'static str, &'static str, String)>,
    url: String,
    verify_zh: &'static str,
    verify_en: &'static str,
    qr_alt: &'static str,
}

/// Makes documents.
pub struct Issuer {
    press: Press,
    finish: Box<dyn Finish>,
}

pub(crate) fn day_zh(date: NaiveDate) -> String {
    format!("{}年{}月{}日", date.year(), date.month(), date.day())
}

fn both(zh: &str, other: &str) -> String {
    if zh.is_empty() || zh == other { other.to_owned() } else { format!("{zh}（{other}）") }
}

impl Issuer {
    /// An issuer with the embedded template and fonts.
    ///
    /// # Errors
    /// `Setup` when they can't be used.
    pub fn new(finish: impl Finish + 'static) -> Result<Self, PressError> {
        Ok(Self { press: Press::new("certificate.typ", TEMPLATE, &[REGULAR, BOLD])?, finish: Box::new(finish) })
    }

    /// Makes the document; the same facts make the same file.
    ///
    /// # Errors
    /// `Unprintable` names characters that no font has; anything else is an operator's.
    pub fn issue(&self, facts: &CertificateFacts) -> Result<Vec<u8>, PressError> {
        let pdf = self.press.print(&facts.number, &data(facts), qr_svg(&facts.url)?)?;
        self.finish.finish(pdf)
    }
}

fn data(facts: &CertificateFacts) -> Data {
    let date = calendar::today(facts.issued_at);
    let place = country::find(&facts.country);
    let (country_zh, country_en) = place.map_or(("", ""), |place| (place.zh, place.en));
    let institution = both(&facts.institution_zh, &facts.institution);
    let credential = both(&facts.credential_zh, &facts.credential);
    let (title, title_en) = match facts.outcome {
        Outcome::Certificate => ("国（境）外学历学位认证书", "Certificate of Authentication"),
        Outcome::Deferral => ("暂不认证通知单", "Notice of Deferral"),
        Outcome::Refusal => ("不予认证通知单", "Notice of Refusal"),
    };
    let who =
        format!("{}{}", facts.name, facts.birth.map(|born| format!("，{}出生", day_zh(born))).unwrap_or_default());
    let mut wording = Vec::new();
    let mut wording_en = String::new();
    match facts.outcome {
        Outcome::Certificate => {
            wording.push(format!(
                "{who}，{}至{}在{country_zh}{institution}学习，获得该校颁发的{credential}。",
                facts.studied.0, facts.studied.1
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
    let rows = vec![
        ("证书持有人", "Holder", facts.name.clone()),
        ("国家/地区", "Country or region", format!("{country_zh} {country_en}")),
        ("颁证院校", "Institution", institution),
        ("证书名称", "Credential", credential),
        ("证书层次", "Level", format!("{} {}", facts.level.0, facts.level.1)),
        ("专业", "Major", facts.major.clone()),
        ("颁证日期", "Date of award", facts.awarded.map(day_zh).unwrap_or_default()),
        ("编号", "Number", facts.number.clone()),
    ];
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
        verify_zh: "扫描二维码，或凭编号和姓名在线核验本文件是否有效：",
        verify_en: "Scan the code, or use number and name, to see whether this document is valid:",
        qr_alt: "核验本文件的二维码，内容为下方网址",
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;
    use crate::AsItIs;

    fn facts(name: &str) -> CertificateFacts {
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
            studied: ("2017年9月".into(), "2019年6月".into()),
            reason: None,
        }
    }

    #[test]
    fn r2_16_a_certificate_is_a_pdf_with_rare_characters_and_the_same_facts_make_the_same_file() {
        let issuer = Issuer::new(AsItIs).unwrap();
        let first = issuer.issue(&facts("㛃𬭎·阿卜杜热依木")).unwrap();
        assert!(first.starts_with(b"%PDF-1.7"));
        assert_eq!(first, issuer.issue(&facts("㛃𬭎·阿卜杜热依木")).unwrap());
        if let Ok(folder) = std::env::var("DOCUMENTS_OUT") {
            std::fs::write(format!("{folder}/certificate.pdf"), &first).unwrap();
        }
    }

    #[test]
    fn r2_16_a_character_that_no_font_has_is_named_before_issue() {
        let issuer = Issuer::new(AsItIs).unwrap();
        match issuer.issue(&facts("张\u{10400}")) {
            Err(PressError::Unprintable(characters)) => {
                assert_eq!(characters.into_iter().collect::<String>(), "\u{10400}")
            }
            other => panic!("{:?}", other.map(|pdf| pdf.len())),
        }
    }

    #[test]
    fn notices_and_long_names_fit() {
        let issuer = Issuer::new(AsItIs).unwrap();
        for outcome in [Outcome::Deferral, Outcome::Refusal] {
            let reason = Some(("材料不齐".to_owned(), "incomplete material".to_owned()));
            let name = "ABCDEFGHIJKLMNOPQRSTUVWXYZ ABCDEFGHIJKLMNOPQRSTUVWXYZ ABCDEFGHIJKL";
            let institution =
                "The Long Winded University of Applied Sciences and Fine Arts of the Northern Shires".into();
            issuer.issue(&CertificateFacts { outcome, reason, institution, ..facts(name) }).unwrap();
        }
    }
}
