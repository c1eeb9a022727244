//! Registration (guide 一, R1): what is asked, and how the answers hang together.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::country;
use crate::document_number::{self, DocumentType, NumberError};
use crate::form::{self, Answers, Field, FieldError, Kind, Raw, When};
use crate::person::{self, Gender, PasswordError};

/// The version of terms and privacy policy that is accepted at present (R1.8).
pub const TERMS_VERSION: &str = "2026-11";

/// The form (R1.2).
pub const FIELDS: [Field; 13] = [
    Field::must("nationality", Kind::Country).autocomplete("country"),
    Field::must("name", Kind::Text(66)).autocomplete("name"),
    Field::must("gender", Kind::Choice(&["male", "female"])).autocomplete("sex"),
    Field::must(
        "document_type",
        Kind::Choice(&["CN_ID", "CN_PASSPORT", "HKM_PASS", "HKMT_PERMIT", "TW_PASS", "PASSPORT", "FPR_NEW", "FPR_OLD"]),
    ),
    Field::must("document_number", Kind::Text(40)),
    Field::must("valid_from", Kind::Date(When::Past)),
    Field::may("valid_to", Kind::Date(When::Any)),
    Field::may("permanent", Kind::Tick),
    Field::must("phone", Kind::Mobile).autocomplete("tel-national"),
    Field::must("email", Kind::Email).autocomplete("email"),
    Field::must("password", Kind::Password).autocomplete("new-password"),
    Field::must("password_again", Kind::Password).autocomplete("new-password"),
    Field::must("channel", Kind::Choice(&["sms", "mail"])),
];

/// A registration whose form is right; it waits for its code. Sealed at rest, for it holds the password (R1.9).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The checked answers, the passwords left out.
    pub answers: Answers,
    /// The chosen password.
    pub password: String,
    /// Real name, normalised.
    pub name: String,
    /// Which document.
    pub document_type: DocumentType,
    /// Its normalised number.
    pub document_number: String,
    /// Valid from.
    pub valid_from: NaiveDate,
    /// Valid to; none is 长期.
    pub valid_to: Option<NaiveDate>,
    /// Male or female.
    pub gender: Gender,
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}

/// Checks the whole form (R1.2–R1.5).
///
/// # Errors
/// One entry a field, in the order of the form.
pub fn check(raw: &Raw, today: NaiveDate) -> Result<Registration, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut answers = Answers::new();
    for field in &FIELDS {
        let typed = raw.get(field.name).map_or("", String::as_str);
        match form::one(field, typed, today) {
            Ok(Some(value)) => {
                answers.insert(field.name.into(), value);
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    let given = |name: &str| answers.get(name).cloned();
    let failed = |errors: &[FieldError], name: &str| errors.iter().any(|error| error.field == name);

    let nationality = given("nationality").unwrap_or_default();
    let name = given("name").and_then(|typed| {
        let chinese = nationality.is_empty() || country::is_chinese(&nationality);
        let name = if chinese { person::chinese_name(&typed) } else { person::latin_name(&typed) };
        if name.is_none() && !nationality.is_empty() {
            errors.push(FieldError::new("name", if chinese { "chinese" } else { "latin" }));
        }
        name
    });

    let gender = given("gender").and_then(|code| Gender::from_code(&code));
    let kind = given("document_type").and_then(|code| DocumentType::from_code(&code));
    // A number can only be judged by the rules of a document that fits.
    let kind = kind.filter(|kind| {
        let fits = nationality.is_empty() || kind.fits(&nationality);
        if !fits {
            errors.push(FieldError::new("document_type", "nationality"));
        }
        fits
    });
    let number = given("document_number").map(|typed| document_number::normalise(&typed));
    if let (Some(kind), Some(number)) = (kind, &number) {
        match document_number::check(kind, number, today) {
            Err(wrong) => errors.push(FieldError::new("document_number", number_code(wrong))),
            Ok(says) => {
                if let (Some(male), Some(gender)) = (says.male, gender)
                    && male != (gender == Gender::Male)
                {
                    errors.push(FieldError::new("gender", "disagrees"));
                }
            }
        }
    }

    let permanent = answers.contains_key("permanent");
    let from = form::date(&answers, "valid_from");
    let to = form::date(&answers, "valid_to");
    if !failed(&errors, "valid_to") {
        match (to, permanent) {
            (None, false) => errors.push(FieldError::new("valid_to", "missing")),
            (Some(_), true) => errors.push(FieldError::new("valid_to", "and-permanent")),
            (Some(to), false) if to < today => errors.push(FieldError::new("valid_to", "expired")),
            (Some(to), false) if from.is_some_and(|from| to <= from) => {
                errors.push(FieldError::new("valid_to", "before-start"));
            }
            _ => {}
        }
    }

    let password = given("password").unwrap_or_default();
    if !failed(&errors, "password") {
        let own = [given("phone"), given("email"), number.clone(), given("name")];
        let own: Vec<&str> = own.iter().flatten().map(String::as_str).collect();
        if let Err(wrong) = person::password(&password, &own) {
            errors.push(FieldError::new("password", password_code(wrong)));
        }
    }
    if !failed(&errors, "password_again") && given("password_again").unwrap_or_default() != password {
        errors.push(FieldError::new("password_again", "differs"));
    }

    let order = |error: &FieldError| FIELDS.iter().position(|field| field.name == error.field);
    errors.sort_by_key(order);
    match (name, gender, kind, number, from) {
        (Some(name), Some(gender), Some(document_type), Some(document_number), Some(valid_from))
            if errors.is_empty() =>
        {
            answers.remove("password");
            answers.remove("password_again");
            let valid_to = to;
            Ok(Registration { answers, password, name, document_type, document_number, valid_from, valid_to, gender })
        }
        _ => Err(errors),
    }
}

/// The code of a number's error.
pub const fn number_code(wrong: NumberError) -> &'static str {
    match wrong {
        NumberError::Shape => "number-shape",
        NumberError::Fifteen => "number-fifteen",
        NumberError::Province => "number-province",
        NumberError::Birth => "number-birth",
        NumberError::CheckDigit => "number-check",
    }
}

/// The code of a password's error.
pub const fn password_code(wrong: PasswordError) -> &'static str {
    match wrong {
        PasswordError::Length => "password-length",
        PasswordError::NoLetter => "password-letter",
        PasswordError::NoDigit => "password-digit",
        PasswordError::Characters => "password-characters",
        PasswordError::Guessable => "password-guessable",
    }
}
