//! Who somebody is: names, phones, e-mail addresses, passwords (R1.2–R1.5, identity.md §2–3).

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};

/// Longest Chinese name in characters (identity.md §2).
pub const CHINESE_NAME_MOST: usize = 50;
/// Longest Latin name in characters, as machine-readable passports have room for.
pub const LATIN_NAME_MOST: usize = 66;
/// Shortest password (R1.4, guide 一.2).
pub const PASSWORD_LEAST: usize = 8;
/// Longest password (R1.4, guide 一.2).
pub const PASSWORD_MOST: usize = 20;

/// Male or female, as identity documents have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// 男
    Male,
    /// 女
    Female,
}

impl Gender {
    /// The code in forms and gateways.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Male => "male",
            Self::Female => "female",
        }
    }

    /// The gender with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Male, Self::Female].into_iter().find(|gender| gender.code() == code)
    }
}

/// The languages of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Language {
    /// 简体中文
    #[default]
    #[serde(rename = "zh-CN")]
    Chinese,
    /// English
    #[serde(rename = "en")]
    English,
}

impl Language {
    /// BCP 47 tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// The language with this tag.
    pub fn from_tag(tag: &str) -> Option<Self> {
        [Self::Chinese, Self::English].into_iter().find(|language| language.tag() == tag)
    }
}

fn is_dot(c: char) -> bool {
    matches!(c, '·' | '\u{2022}' | '\u{2027}' | '\u{30fb}' | '\u{ff65}' | '\u{2219}' | '\u{ff0e}' | '.')
}

fn is_han(c: char) -> bool {
    c.script() == Script::Han || c == '〇'
}

/// A Chinese name with its dots made U+00B7, or `None` where it holds anything but Han characters and such dots.
pub fn chinese_name(raw: &str) -> Option<String> {
    // NFC, not NFKC: compatibility forms would change rare characters of real names.
    let name: String =
        raw.trim().nfc().filter(|c| !c.is_whitespace()).map(|c| if is_dot(c) { '·' } else { c }).collect();
    let fits = name.chars().all(|c| c == '·' || is_han(c));
    let dots = !name.starts_with('·') && !name.ends_with('·') && !name.contains("··");
    (fits && dots && !name.is_empty() && name.chars().count() <= CHINESE_NAME_MOST).then_some(name)
}

/// A Latin name as in a passport: upper case, words apart by one space, hyphen or apostrophe (R1.3).
pub fn latin_name(raw: &str) -> Option<String> {
    let name = raw.nfkc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ").replace('’', "'");
    let words =
        name.split([' ', '\'', '-']).all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase()));
    (words && name.len() <= LATIN_NAME_MOST).then_some(name)
}

/// A mainland mobile number without prefix or separators (R1.5).
pub fn mobile(raw: &str) -> Option<String> {
    let bare: String = raw.nfkc().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let number = ["+86", "0086"].iter().find_map(|prefix| bare.strip_prefix(prefix)).unwrap_or(&bare);
    let number = if number.len() == 13 { number.strip_prefix("86").unwrap_or(number) } else { number };
    let mainland = number.len() == 11
        && number.starts_with('1')
        && matches!(number.as_bytes().get(1), Some(b'3'..=b'9'))
        && number.bytes().all(|b| b.is_ascii_digit());
    mainland.then(|| number.to_owned())
}

/// An e-mail address in lower case, if it looks like one.
pub fn email(raw: &str) -> Option<String> {
    let address = raw.trim().nfkc().collect::<String>().to_lowercase();
    let (local, domain) = address.rsplit_once('@')?;
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    let labels = domain.split('.').collect::<Vec<_>>();
    let domain_ok = labels.len() >= 2
        && domain.len() <= 190
        && labels.iter().all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        });
    (local_ok && domain_ok).then_some(address)
}

/// Providers whose users often get no mail from the service (R1.5, guide 一.2): advice, no refusal.
pub fn email_may_not_arrive(address: &str) -> bool {
    let domain = address.rsplit('@').next().unwrap_or_default();
    matches!(domain, "qq.com" | "vip.qq.com" | "foxmail.com" | "hotmail.com" | "outlook.com" | "live.com" | "msn.com")
}

/// Why a password won't do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordError {
    /// Not 8 to 20 characters.
    Length,
    /// No letter in it.
    NoLetter,
    /// No digit in it.
    NoDigit,
    /// Characters that can't be typed everywhere.
    Characters,
    /// One that everybody tries first, or the user's own name, phone or address.
    Guessable,
}

/// Checks a new password (R1.4) against the rule and what an attacker would try first.
///
/// # Errors
/// [`PasswordError`]: the first that applies.
pub fn password(password: &str, own: &[&str]) -> Result<(), PasswordError> {
    const WORN_OUT: [&str; 14] = [
        "a1234567",
        "a12345678",
        "abc12345",
        "abcd1234",
        "password1",
        "passw0rd",
        "qwerty123",
        "1q2w3e4r",
        "1qaz2wsx",
        "woaini1314",
        "woaini520",
        "admin123",
        "iloveyou1",
        "aa123456",
    ];
    if !password.chars().all(|c| c.is_ascii_graphic()) {
        return Err(PasswordError::Characters);
    }
    if !(PASSWORD_LEAST..=PASSWORD_MOST).contains(&password.len()) {
        return Err(PasswordError::Length);
    }
    if !password.chars().any(|c| c.is_ascii_alphabetic()) {
        return Err(PasswordError::NoLetter);
    }
    if !password.chars().any(|c| c.is_ascii_digit()) {
        return Err(PasswordError::NoDigit);
    }
    let lower = password.to_ascii_lowercase();
    if WORN_OUT.contains(&lower.as_str()) || own.iter().any(|mine| !mine.is_empty() && mine.to_lowercase() == lower) {
        return Err(PasswordError::Guessable);
    }
    Ok(())
}

/// For screens: `138****8000`.
pub fn masked_phone(phone: &str) -> String {
    phone.chars().enumerate().map(|(i, c)| if (3..7).contains(&i) { '*' } else { c }).collect()
}

/// For screens: `z***@example.com`.
pub fn masked_email(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    format!("{}***@{domain}", local.chars().next().unwrap_or('*'))
}

/// For lists: the first character of a Chinese name, the surname of a Latin one.
pub fn masked_name(name: &str) -> String {
    if name.is_ascii() {
        let (surname, given) = name.split_once(' ').unwrap_or((name, ""));
        return format!("{surname} {}", given.chars().map(|c| if c == ' ' { ' ' } else { '*' }).collect::<String>())
            .trim()
            .into();
    }
    name.chars().enumerate().map(|(i, c)| if i == 0 || c == '·' { c } else { '*' }).collect()
}
