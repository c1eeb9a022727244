//! One declaration of a form's fields: page, check, check-answers, staff view and export all read it.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};
use unicode_normalization::UnicodeNormalization;

use crate::{country, person};

/// Checked answers by field name; what was not given is absent.
pub type Answers = BTreeMap<String, String>;

/// What came from the browser, by field name.
pub type Raw = BTreeMap<String, String>;

/// When a field must be filled in.
#[derive(Debug, Clone, Copy)]
pub enum Need {
    /// Always.
    Always,
    /// Never.
    Optional,
}

/// Which dates make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Today or earlier.
    Past,
    /// Today or later.
    Future,
    /// Any.
    Any,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One line of at most so many characters.
    Text(usize),
    /// Several lines of at most so many characters.
    Area(usize),
    /// One of these codes; shown as radio buttons up to five, as a list beyond.
    Choice(&'static [&'static str]),
    /// A country or region by alpha-2 code.
    Country,
    /// A day, written in any usual way.
    Date(When),
    /// A month, written in any usual way.
    Month(When),
    /// A mainland mobile number.
    Mobile,
    /// Any telephone number.
    Phone,
    /// An e-mail address.
    Email,
    /// A whole number from 0 to this.
    Number(u32),
    /// Ticked or not.
    Tick,
    /// A password; checked elsewhere, for it needs to know the other fields.
    Password,
}

/// One field of a form. Its texts are `field-NAME` and, where there is one, `hint-NAME` in the locale files.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name in the form, in the answers and in the keys of its texts.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it must be filled in.
    pub need: Need,
    /// The value of the `autocomplete` attribute, or empty.
    pub autocomplete: &'static str,
}

impl Field {
    /// A field that must be filled in.
    pub const fn must(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, need: Need::Always, autocomplete: "" }
    }

    /// A field that may stay empty.
    pub const fn may(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, need: Need::Optional, autocomplete: "" }
    }

    /// The same with an `autocomplete` token.
    #[must_use]
    pub const fn autocomplete(mut self, token: &'static str) -> Self {
        self.autocomplete = token;
        self
    }
}

/// What is wrong with one field; the text is `error-FIELD-CODE` or else `error-CODE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name.
    pub field: String,
    /// What is wrong.
    pub code: &'static str,
    /// Numbers for the text.
    pub args: Vec<(&'static str, String)>,
}

impl FieldError {
    /// An error without numbers.
    pub fn new(field: &str, code: &'static str) -> Self {
        Self { field: field.into(), code, args: Vec::new() }
    }

    /// The same with one more number.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name, value.to_string()));
        self
    }
}

/// A day out of what people write: 2019-06-30, 2019/6/30, 20190630, 2019年6月30日, 2019.6.30.
pub fn parse_date(raw: &str) -> Option<NaiveDate> {
    let text: String = raw.nfkc().filter(|c| !c.is_whitespace()).collect();
    if text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()) {
        return NaiveDate::parse_from_str(&text, "%Y%m%d").ok();
    }
    let parts: Vec<&str> = text.trim_end_matches('日').split(['-', '/', '.', '年', '月']).collect();
    let [year, month, day] = parts.as_slice() else { return None };
    NaiveDate::from_ymd_opt(year_of(year)?, month.parse().ok()?, day.parse().ok()?)
}

/// The first day of a month out of what people write: 2019-06, 2019/6, 201906, 2019年6月.
pub fn parse_month(raw: &str) -> Option<NaiveDate> {
    let text: String = raw.nfkc().filter(|c| !c.is_whitespace()).collect();
    if text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit()) {
        return parse_date(&format!("{text}01"));
    }
    let parts: Vec<&str> = text.trim_end_matches('月').split(['-', '/', '.', '年']).collect();
    let [year, month] = parts.as_slice() else { return None };
    NaiveDate::from_ymd_opt(year_of(year)?, month.parse().ok()?, 1)
}

fn year_of(text: &str) -> Option<i32> {
    (text.len() == 4).then(|| text.parse().ok())?
}

/// A month that was stored.
pub fn month(answers: &Answers, name: &str) -> Option<NaiveDate> {
    answers.get(name).and_then(|text| parse_month(text))
}

/// A day that was stored.
pub fn date(answers: &Answers, name: &str) -> Option<NaiveDate> {
    answers.get(name).and_then(|text| parse_date(text))
}

/// A stored answer, or the empty text.
pub fn text<'a>(answers: &'a Answers, name: &str) -> &'a str {
    answers.get(name).map_or("", String::as_str)
}

/// Checks everything that a field can say by itself and normalises it.
///
/// # Errors
/// One [`FieldError`] a field, in the order of the form.
pub fn check(fields: &[Field], raw: &Raw, today: NaiveDate) -> Result<Answers, Vec<FieldError>> {
    let mut answers = Answers::new();
    let mut errors = Vec::new();
    for field in fields {
        let typed = raw.get(field.name).map_or("", String::as_str);
        match one(field, typed, today) {
            Ok(Some(value)) => {
                answers.insert(field.name.into(), value);
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(answers) } else { Err(errors) }
}

/// Checks one field; `None` when nothing was given and nothing need be.
///
/// # Errors
/// What is wrong with it.
pub fn one(field: &Field, typed: &str, today: NaiveDate) -> Result<Option<String>, FieldError> {
    let fail = |code| Err(FieldError::new(field.name, code));
    let tidy = tidy(field.kind, typed);
    if tidy.is_empty() {
        return match (field.need, field.kind) {
            (Need::Optional, _) => Ok(None),
            (Need::Always, Kind::Choice(_) | Kind::Country) => fail("choose"),
            (Need::Always, Kind::Tick) => fail("tick"),
            (Need::Always, _) => fail("missing"),
        };
    }
    let value = match field.kind {
        Kind::Text(most) | Kind::Area(most) => {
            let count = tidy.chars().count();
            if count > most {
                return Err(FieldError::new(field.name, "too-long").with("most", most).with("over", count - most));
            }
            tidy
        }
        Kind::Choice(codes) if codes.contains(&tidy.as_str()) => tidy,
        Kind::Choice(_) => return fail("choose"),
        Kind::Country if country::find(&tidy).is_some() => tidy,
        Kind::Country => return fail("choose"),
        Kind::Date(when) => day(field.name, parse_date(&tidy), when, today)?.format("%Y-%m-%d").to_string(),
        Kind::Month(when) => {
            let first = parse_month(&tidy).ok_or_else(|| FieldError::new(field.name, "month"))?;
            day(field.name, Some(first), when, today)?.format("%Y-%m").to_string()
        }
        Kind::Mobile => person::mobile(&tidy).ok_or_else(|| FieldError::new(field.name, "mobile"))?,
        Kind::Phone => phone(&tidy).ok_or_else(|| FieldError::new(field.name, "phone"))?,
        Kind::Email => person::email(&tidy).ok_or_else(|| FieldError::new(field.name, "email"))?,
        Kind::Number(most) => match tidy.parse::<u32>() {
            Ok(number) if number <= most => number.to_string(),
            _ => return Err(FieldError::new(field.name, "number").with("most", most)),
        },
        Kind::Tick => "yes".into(),
        Kind::Password => typed.to_owned(),
    };
    Ok(Some(value))
}

fn tidy(kind: Kind, typed: &str) -> String {
    let clean =
        |c: &char| !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}');
    match kind {
        Kind::Area(_) => {
            let lines = typed.replace("\r\n", "\n");
            lines.nfc().filter(|c| *c == '\n' || clean(c)).collect::<String>().trim().to_owned()
        }
        Kind::Password => typed.to_owned(),
        _ => {
            let line: String = typed.nfc().filter(clean).collect();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        }
    }
}

fn phone(text: &str) -> Option<String> {
    let bare: String = text.nfkc().filter(|c| !c.is_whitespace() && !"-()（）".contains(*c)).collect();
    let digits = bare.strip_prefix('+').unwrap_or(&bare);
    (digits.bytes().all(|b| b.is_ascii_digit()) && (6..=15).contains(&digits.len())).then_some(bare)
}

fn day(name: &str, parsed: Option<NaiveDate>, when: When, today: NaiveDate) -> Result<NaiveDate, FieldError> {
    let day = parsed.ok_or_else(|| FieldError::new(name, "date"))?;
    let earliest = NaiveDate::from_ymd_opt(1900, 1, 1).unwrap_or_default();
    let latest = today.checked_add_months(Months::new(1_200)).unwrap_or(today);
    if day < earliest || day > latest {
        return Err(FieldError::new(name, "date"));
    }
    match when {
        When::Past if day > today => Err(FieldError::new(name, "future")),
        When::Future if day < today => Err(FieldError::new(name, "past").with("year", day.year())),
        _ => Ok(day),
    }
}

/// A short name for a set of answers: a page carries it, so that saving can tell whether they changed meanwhile.
pub fn fingerprint(answers: &Answers) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for (name, value) in answers {
        hash.update(name.len().to_be_bytes());
        hash.update(name);
        hash.update(value.len().to_be_bytes());
        hash.update(value);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
