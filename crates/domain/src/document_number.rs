//! Identity documents: which numbers are possible (identity.md §1). Possible is not authentic.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::country;

/// The kinds of document that an account can be made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DocumentType {
    /// 居民身份证, GB 11643-1999.
    CnId,
    /// 港澳台居民居住证.
    HkmtPermit,
    /// 港澳居民来往内地通行证.
    HkmPass,
    /// 台湾居民来往大陆通行证.
    TwPass,
    /// 外国人永久居留身份证, 2023 version.
    FprNew,
    /// 外国人永久居留身份证, 2004 and 2017 versions.
    FprOld,
    /// 中国护照.
    CnPassport,
    /// A foreign passport.
    Passport,
}

impl DocumentType {
    /// All of them, in the order of the form.
    pub const ALL: [Self; 8] = [
        Self::CnId,
        Self::CnPassport,
        Self::HkmPass,
        Self::HkmtPermit,
        Self::TwPass,
        Self::Passport,
        Self::FprNew,
        Self::FprOld,
    ];

    /// The code in forms, rows and gateways.
    pub const fn code(self) -> &'static str {
        match self {
            Self::CnId => "CN_ID",
            Self::HkmtPermit => "HKMT_PERMIT",
            Self::HkmPass => "HKM_PASS",
            Self::TwPass => "TW_PASS",
            Self::FprNew => "FPR_NEW",
            Self::FprOld => "FPR_OLD",
            Self::CnPassport => "CN_PASSPORT",
            Self::Passport => "PASSPORT",
        }
    }

    /// The type with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether a person of this nationality can hold it (R1.3: the types offered follow the nationality).
    pub fn fits(self, nationality: &str) -> bool {
        match self {
            Self::CnId | Self::CnPassport => nationality == "CN",
            Self::HkmPass => matches!(nationality, "HK" | "MO"),
            Self::HkmtPermit => country::HKMT.contains(&nationality),
            Self::TwPass => nationality == "TW",
            Self::Passport | Self::FprNew | Self::FprOld => !country::is_chinese(nationality),
        }
    }
}

/// What a number says about its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Says {
    /// Birth date, where the number holds one.
    pub birth: Option<NaiveDate>,
    /// Male or not, where the number holds it.
    pub male: Option<bool>,
}

/// Why a number is impossible; each has words of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// Not the length or the characters of such a number.
    Shape,
    /// The old 15-digit resident number, without force since 2013-01-01.
    Fifteen,
    /// The first two digits name no province.
    Province,
    /// The date of birth in it does not exist or lies ahead.
    Birth,
    /// The last character does not follow from the others.
    CheckDigit,
}

/// NFKC, no spaces, ASCII upper case.
pub fn normalise(raw: &str) -> String {
    raw.nfkc().filter(|c| !c.is_whitespace()).flat_map(char::to_uppercase).collect()
}

const PROVINCES: [u32; 37] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
    64, 65, 71, 81, 82, 83, 91, 99,
];

fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|c| c.to_digit(10)).collect()
}

/// The check character of GB 11643 (MOD 11-2) over the first seventeen digits.
pub fn check_character(seventeen: &str) -> Option<char> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = digits(seventeen)?;
    if digits.len() != WEIGHTS.len() {
        return None;
    }
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    "10X98765432".chars().nth(usize::try_from(sum % 11).ok()?)
}

/// The check character of ICAO 9303 (weights 7-3-1).
fn icao_check(text: &str) -> Option<char> {
    let mut sum = 0;
    for (character, weight) in text.chars().zip([7, 3, 1].into_iter().cycle()) {
        sum += character.to_digit(36)? * weight;
    }
    char::from_digit(sum % 10, 10)
}

fn eighteen(number: &str, today: NaiveDate) -> Result<Says, NumberError> {
    if number.len() == 15 && digits(number).is_some() {
        return Err(NumberError::Fifteen);
    }
    let (body, check) = number.split_at_checked(17).ok_or(NumberError::Shape)?;
    let digits = digits(body).ok_or(NumberError::Shape)?;
    if check.len() != 1 || !check.chars().all(|c| c.is_ascii_digit() || c == 'X') {
        return Err(NumberError::Shape);
    }
    let date = body.get(6..14).and_then(|date| NaiveDate::parse_from_str(date, "%Y%m%d").ok());
    let oldest = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap_or_default();
    let birth = date.filter(|date| *date >= oldest && *date <= today).ok_or(NumberError::Birth)?;
    if check.chars().next() != check_character(body) {
        return Err(NumberError::CheckDigit);
    }
    let male = digits.get(16).map(|digit| digit % 2 == 1);
    Ok(Says { birth: Some(birth), male })
}

fn province(number: &str) -> Option<u32> {
    number.get(..2)?.parse().ok()
}

/// Checks a normalised number and tells what it says of its holder.
///
/// # Errors
/// [`NumberError`]: the first thing that is wrong, as a person would look.
pub fn check(kind: DocumentType, number: &str, today: NaiveDate) -> Result<Says, NumberError> {
    let all = |test: fn(char) -> bool, part: &str| part.chars().all(test);
    let digit = |c: char| c.is_ascii_digit();
    let plain = |ok: bool| if ok { Ok(Says::default()) } else { Err(NumberError::Shape) };
    match kind {
        DocumentType::CnId => {
            let says = eighteen(number, today)?;
            let known = province(number).is_some_and(|code| code < 81 && PROVINCES.contains(&code));
            if known { Ok(says) } else { Err(NumberError::Province) }
        }
        DocumentType::HkmtPermit => {
            let says = eighteen(number, today)?;
            let known = ["810000", "820000", "830000"].iter().any(|code| number.starts_with(code));
            if known { Ok(says) } else { Err(NumberError::Province) }
        }
        DocumentType::FprNew => {
            if !number.starts_with('9') {
                return Err(NumberError::Shape);
            }
            eighteen(number, today)
        }
        DocumentType::FprOld => {
            let (letters, rest) = number.split_at_checked(3).ok_or(NumberError::Shape)?;
            // The check character is only advice: a widely copied sample fails it (identity.md §1).
            plain(letters.chars().all(|c| c.is_ascii_uppercase()) && rest.len() == 12 && all(digit, rest))
        }
        DocumentType::HkmPass => {
            let (letter, rest) = number.split_at_checked(1).ok_or(NumberError::Shape)?;
            plain(matches!(letter, "H" | "M") && matches!(rest.len(), 8 | 10) && all(digit, rest))
        }
        DocumentType::TwPass => plain(number.len() == 8 && all(digit, number)),
        DocumentType::CnPassport => plain(cn_passport(number)),
        DocumentType::Passport => plain(
            (5..=17).contains(&number.len()) && number.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()),
        ),
    }
}

fn cn_passport(number: &str) -> bool {
    let shape: String = number.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let letter = shape.chars().nth(1);
    match shape.chars().next() {
        Some('E') if shape.ends_with("99999999") => shape.len() == 9,
        Some('E') => {
            shape.len() == 9
                && shape.ends_with("9999999")
                && letter.is_some_and(|c| c.is_ascii_uppercase() && c != 'I' && c != 'O')
        }
        Some('G') => shape == "G99999999",
        Some('D' | 'S' | 'P') => shape.len() == 9 && shape.ends_with("9999999") && matches!(letter, Some('E' | '9')),
        _ => false,
    }
}

/// Whether the old permanent-residence number also has the right check character; advice only.
pub fn fpr_old_check(number: &str) -> bool {
    number.split_at_checked(14).is_some_and(|(body, check)| icao_check(body) == check.chars().next())
}

/// What identifies the person for life: the replacement count of a Hong Kong or Macao pass is cut off (R1.10).
pub fn canonical(kind: DocumentType, number: &str) -> &str {
    match kind {
        DocumentType::HkmPass => number.get(..9).unwrap_or(number),
        _ => number,
    }
}

/// For screens: the first and the last four characters at most, never more than half of the number.
pub fn masked(number: &str) -> String {
    let count = number.chars().count();
    let shown = (count / 4).min(4);
    number.chars().enumerate().map(|(i, c)| if i < shown || i + shown >= count { c } else { '*' }).collect()
}
