//! Every text that a person reads, from `assets/locales/{zh-CN,en}/*.ftl`.
//!
//! Pages and notices ask for a text by key; a key that is missing shows itself, and a test keeps both languages
//! alike.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use domain::person::Language;
use fluent_templates::fluent_bundle::FluentValue;
use fluent_templates::{LanguageIdentifier, Loader, langid, static_loader};

static_loader! {
    static TEXTS = {
        locales: "../../assets/locales",
        fallback_language: "zh-CN",
        // Isolation marks would show up in titles, in mails and in what is copied.
        customise: |bundle| bundle.set_use_isolating(false),
    };
}

static CHINESE: LanguageIdentifier = langid!("zh-CN");
static ENGLISH: LanguageIdentifier = langid!("en");

/// The texts without variables, resolved once: a page asks for dozens.
fn resolved(source: &'static str, id: &LanguageIdentifier) -> HashMap<&'static str, String> {
    let plain = source.lines().filter(|line| !line.starts_with('#') && !line.contains('$'));
    let keys = plain.filter_map(|line| line.split_once(" = ").map(|(key, _)| key));
    keys.filter_map(|key| Some((key, TEXTS.try_lookup(id, key)?))).collect()
}

static PLAIN_CHINESE: LazyLock<HashMap<&'static str, String>> =
    LazyLock::new(|| resolved(include_str!("../../../assets/locales/zh-CN/main.ftl"), &CHINESE));
static PLAIN_ENGLISH: LazyLock<HashMap<&'static str, String>> =
    LazyLock::new(|| resolved(include_str!("../../../assets/locales/en/main.ftl"), &ENGLISH));

/// The texts of one language; copies are free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts {
    /// Which.
    pub language: Language,
}

impl Texts {
    /// The texts of `language`.
    pub const fn new(language: Language) -> Self {
        Self { language }
    }

    fn id(self) -> &'static LanguageIdentifier {
        match self.language {
            Language::Chinese => &CHINESE,
            Language::English => &ENGLISH,
        }
    }

    /// The text with this key.
    pub fn get(self, key: &str) -> String {
        self.find(key).unwrap_or_else(|| key.to_owned())
    }

    /// The text with this key, if there is one.
    pub fn find(self, key: &str) -> Option<String> {
        let plain = match self.language {
            Language::Chinese => &PLAIN_CHINESE,
            Language::English => &PLAIN_ENGLISH,
        };
        plain.get(key).cloned().or_else(|| TEXTS.try_lookup(self.id(), key))
    }

    /// The text with this key and these variables.
    pub fn with(self, key: &str, args: &[(&'static str, &str)]) -> String {
        self.find_with(key, args).unwrap_or_else(|| key.to_owned())
    }

    /// The text with this key and these variables, if there is one.
    pub fn find_with(self, key: &str, args: &[(&'static str, &str)]) -> Option<String> {
        let args: HashMap<Cow<'static, str>, FluentValue<'_>> =
            args.iter().map(|(name, value)| (Cow::Borrowed(*name), FluentValue::from(*value))).collect();
        TEXTS.try_lookup_with_args(self.id(), key, &args)
    }

    /// The name of a country or region by its alpha-2 code, or the code.
    pub fn country(self, alpha2: &str) -> String {
        domain::country::find(alpha2).map_or_else(
            || alpha2.to_owned(),
            |country| match self.language {
                Language::Chinese => country.zh.to_owned(),
                Language::English => country.en.to_owned(),
            },
        )
    }
}
