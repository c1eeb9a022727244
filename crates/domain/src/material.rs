//! Materials (认证材料, R2.8): which are asked for comes from data, and each image has a life of its own.

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::Rejection;
use crate::application::Application;
use crate::country;
use crate::form::{self, FieldError};
use crate::ids::{MaterialId, ReviewId, SupplementId};
use crate::joint::{self, JointLevel};

/// Largest upload that is taken: 20 MiB; an applicant's image is shrunk by the server, not by the applicant.
pub const UPLOAD_MOST: usize = 20 * 1024 * 1024;
/// Most pixels on one side before decoding is refused.
pub const SIDE_MOST: u32 = 12_000;
/// Most pixels in all before decoding is refused (64 megapixels).
pub const PIXELS_MOST: u64 = 64_000_000;
/// Shortest side that can still be read.
pub const SIDE_LEAST: u32 = 100;

/// How much a slot matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotNeed {
    /// Without it nothing can be submitted.
    Required,
    /// It may save a fortnight.
    Advised,
}

impl SlotNeed {
    /// The code in forms and rows.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Advised => "advised",
        }
    }
}

/// What a slot that staff added is called; those of the built-in table have their texts in the locale files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotWords {
    /// Name in Chinese.
    pub zh: String,
    /// Name in English.
    pub en: String,
    /// What belongs into it, in Chinese.
    pub hint_zh: String,
    /// What belongs into it, in English.
    pub hint_en: String,
}

/// One row of the table of materials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotRule {
    /// Name of the slot; its texts are `slot-NAME` and `slot-NAME-hint`, or its own words.
    pub slot: String,
    /// How much it matters.
    pub need: SlotNeed,
    /// Most images in it.
    pub most: usize,
    /// Kinds of application that it is for; none is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// Levels that it is for; none is all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    /// `chinese` or `foreign`; none is both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nationality: Option<String>,
    /// One of [`CONDITIONS`] that must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// One of [`CONDITIONS`] that must not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
    /// Its words, where it is none of the built-in ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<SlotWords>,
}

/// What a row of the table can hang on, beside kind, level and nationality; the texts are `condition-NAME`.
pub const CONDITIONS: [&str; 9] = [
    "old_award_or_no_records",
    "long_abroad",
    "before_register",
    "junior_college",
    "assisted",
    "certificate_lost",
    "passport_lost",
    "name_changed",
    "credit_transfer",
];
/// Most images that any slot takes.
pub const SLOT_MOST: usize = 50;
/// Most rows of a table.
const RULES_MOST: usize = 60;

/// The table of materials (casework.md §2). Each change by staff makes a new version; an application keeps the one
/// with which it was begun.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    /// 0 is the built-in one.
    pub version: i64,
    /// Its rows, in the order of the page.
    pub rules: Vec<SlotRule>,
}

static BUILT_IN: LazyLock<Arc<Table>> = LazyLock::new(|| {
    let rules = serde_json::from_str(include_str!("../data/materials.json")).unwrap_or_default();
    Arc::new(Table { version: 0, rules })
});

/// One change of a table.
#[derive(Debug, Clone)]
pub enum TableChange {
    /// Puts a row in the place of the one with its name, or at the end.
    Put(Box<SlotRule>),
    /// Takes a row away: nobody is asked for it any more.
    Remove(String),
    /// Moves a row one place up.
    Up(String),
}

impl Table {
    /// The table that the service comes with.
    pub fn built_in() -> Arc<Self> {
        Arc::clone(&BUILT_IN)
    }

    /// The row of a slot.
    pub fn rule(&self, slot: &str) -> Option<&SlotRule> {
        self.rules.iter().find(|rule| rule.slot == slot)
    }

    /// Rows after a change; a fresh row has an empty name and gets one here.
    ///
    /// # Errors
    /// What is wrong with the row, by the fields of its form; `Rejection::NotFound` for a name that is not there.
    pub fn changed(&self, change: TableChange) -> Result<Vec<SlotRule>, Rejection> {
        let mut rules = self.rules.clone();
        let place = |slot: &str| rules.iter().position(|rule| rule.slot == slot).ok_or(Rejection::NotFound);
        match change {
            TableChange::Put(mut rule) => {
                let errors = wrong(&rule);
                if !errors.is_empty() {
                    return Err(Rejection::Form(errors));
                }
                if rule.slot.is_empty() {
                    if rules.len() >= RULES_MOST {
                        return Err(Rejection::field("slot_zh", "too-many-rows"));
                    }
                    let last = rules.iter().filter_map(|rule| rule.slot.strip_prefix(OWN)?.parse::<u32>().ok()).max();
                    rule.slot = format!("{OWN}{}", self.version.max(i64::from(last.unwrap_or(0))) + 1);
                    rules.push(*rule);
                } else {
                    let place = place(&rule.slot)?;
                    if let Some(known) = rules.get_mut(place) {
                        // What a name stands for never changes: older cases show it too.
                        rule.words.clone_from(&known.words);
                        *known = *rule;
                    }
                }
            }
            TableChange::Remove(slot) => {
                let place = place(&slot)?;
                rules.remove(place);
            }
            TableChange::Up(slot) => {
                let place = place(&slot)?;
                if place > 0 {
                    rules.swap(place, place - 1);
                }
            }
        }
        // Something must always be asked for, whatever the kind.
        let always = |rule: &SlotRule| {
            rule.need == SlotNeed::Required
                && rule.kinds.is_empty()
                && rule.levels.is_empty()
                && rule.nationality.is_none()
                && rule.when.is_none()
                && rule.unless.is_none()
        };
        if rules.iter().any(always) { Ok(rules) } else { Err(Rejection::field("need", "nothing-required")) }
    }
}

/// Before the names of slots that staff added.
const OWN: &str = "own_";

fn wrong(rule: &SlotRule) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !(1..=SLOT_MOST).contains(&rule.most) {
        errors.push(FieldError::new("slot_images", "range").with("most", SLOT_MOST));
    }
    let known = |name: &Option<String>| name.as_deref().is_none_or(|name| CONDITIONS.contains(&name));
    for (field, condition) in [("slot_when", &rule.when), ("slot_unless", &rule.unless)] {
        if !known(condition) {
            errors.push(FieldError::new(field, "choose"));
        }
    }
    if rule.when.is_some() && rule.when == rule.unless {
        errors.push(FieldError::new("slot_unless", "contradiction"));
    }
    if rule.slot.is_empty() {
        let words = rule.words.as_ref();
        let said = |of: fn(&SlotWords) -> &str| words.map_or("", of);
        let fields: [(&str, &str, usize); 4] = [
            ("slot_zh", said(|words| &words.zh), 40),
            ("slot_en", said(|words| &words.en), 80),
            ("slot_hint_zh", said(|words| &words.hint_zh), 200),
            ("slot_hint_en", said(|words| &words.hint_en), 400),
        ];
        for (field, text, most) in fields {
            if text.is_empty() {
                errors.push(FieldError::new(field, "missing"));
            } else if text.chars().count() > most {
                let over = text.chars().count() - most;
                errors.push(FieldError::new(field, "too-long").with("most", most).with("over", over));
            }
        }
    }
    errors
}

/// The slots of an application, in the order of the page; `nationality` is the account's.
pub fn slots<'a>(application: &'a Application, nationality: &str, today: NaiveDate) -> Vec<&'a SlotRule> {
    let kind = application.kind.map_or("", |kind| kind.code());
    let holds = |condition: &str| match condition {
        // A joint programme without long stays abroad has hardly any stamps to show.
        "old_award_or_no_records" if kind == "joint" && !long_abroad(application) => false,
        "old_award_or_no_records" => old_award(application, today) || application.records_missing(),
        "long_abroad" => long_abroad(application),
        "before_register" => enrolled(application).is_some_and(|month| month < joint::border()),
        "junior_college" => application.joint.as_ref().is_some_and(|joint| joint.level == JointLevel::Junior),
        "assisted" => application.assisted.is_some(),
        answer => application.credential.contains_key(answer),
    };
    let level = form::text(&application.credential, "level");
    let of_nation = if country::is_chinese(nationality) { "chinese" } else { "foreign" };
    let any = |list: &[String], value: &str| list.is_empty() || list.iter().any(|entry| entry == value);
    application
        .table
        .rules
        .iter()
        .filter(|rule| {
            any(&rule.kinds, kind)
                && any(&rule.levels, level)
                && rule.nationality.as_deref().is_none_or(|nation| nation == of_nation)
                && rule.when.as_deref().is_none_or(holds)
                && !rule.unless.as_deref().is_some_and(holds)
        })
        .collect()
}

/// Whether somebody in a joint programme was abroad so long that passport and visa are asked for (casework.md §2).
fn long_abroad(application: &Application) -> bool {
    form::text(&application.credential, "days_abroad").parse::<i64>().is_ok_and(|days| days >= joint::DAYS_ABROAD_FEW)
}

/// When studies in a joint programme began.
fn enrolled(application: &Application) -> Option<NaiveDate> {
    let registered = application.joint.as_ref().and_then(|joint| joint.enrolled);
    registered.or_else(|| form::month(&application.credential, "start"))
}

/// Entry–exit records reach back ten years (casework.md §2).
fn old_award(application: &Application, today: NaiveDate) -> bool {
    let award = form::date(&application.credential, "award_date");
    award.and_then(|day| day.checked_add_months(Months::new(120))).is_some_and(|limit| limit < today)
}

/// Why an image is no material; each has words of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// No bytes at all.
    Empty,
    /// Not a JPEG or PNG image, whatever its name says.
    WrongType,
    /// It ends too early or does not decode.
    Damaged,
    /// More pixels than can be taken.
    TooManyPixels,
    /// Too small to be read.
    TooSmall,
    /// More bytes than can be taken.
    TooLarge,
    /// A PDF that was named like an image, or sent as it is: pages must be images.
    Document,
    /// The same picture is in the case already, perhaps turned or saved anew (R4.4).
    Known,
}

impl Flaw {
    /// The key of its text, after `flaw-`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::WrongType => "wrong-type",
            Self::Damaged => "damaged",
            Self::TooManyPixels => "too-many-pixels",
            Self::TooSmall => "too-small",
            Self::TooLarge => "too-large",
            Self::Document => "document",
            Self::Known => "known",
        }
    }
}

/// What may be wrong with an image that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// Hardly anything on it.
    Blank,
    /// Too dark to read well.
    Dark,
    /// Out of focus.
    Blurred,
    /// Few pixels: small print will not be readable.
    Tiny,
    /// The same picture lies in the case already.
    Twin,
}

impl Advice {
    /// The key of its text, after `advice-`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::Dark => "dark",
            Self::Blurred => "blurred",
            Self::Tiny => "tiny",
            Self::Twin => "twin",
        }
    }
}

/// Rows and columns of a [`Look`].
pub const LOOK_SIDE: usize = 16;
/// Two pictures are the same if their cells differ by no more than so much on average, of 255.
const LOOK_DIFFERS: u32 = 2;
/// A page whose cells vary less than this on average is too empty to be told from another.
const LOOK_EMPTY: u32 = 4;

/// A picture from afar: the brightness of [`LOOK_SIDE`]² cells, in hexadecimal; empty where nobody looked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Look(pub String);

impl Look {
    /// The look of these cells, row by row.
    pub fn of(cells: &[u8]) -> Self {
        Self(cells.iter().map(|cell| format!("{cell:02x}")).collect())
    }

    fn cells(&self) -> Option<Vec<u32>> {
        let pairs = self.0.as_bytes().chunks(2);
        let cells: Option<Vec<u32>> = pairs
            .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u32::from_str_radix(pair, 16).ok()))
            .collect();
        cells.filter(|cells| cells.len() == LOOK_SIDE * LOOK_SIDE)
    }

    /// Whether both show the same picture, however turned and saved.
    pub fn is_same(&self, other: &Self) -> bool {
        let (Some(mut mine), Some(theirs)) = (self.cells(), other.cells()) else { return false };
        let count = u32::try_from(mine.len()).unwrap_or(1);
        let mean = mine.iter().sum::<u32>() / count;
        if mine.iter().map(|cell| cell.abs_diff(mean)).sum::<u32>() / count < LOOK_EMPTY {
            return false;
        }
        for _ in 0..4 {
            let apart: u32 = mine.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).sum();
            if apart < LOOK_DIFFERS * count {
                return true;
            }
            let turned = (0..mine.len()).filter_map(|at| {
                let (row, column) = (at / LOOK_SIDE, at % LOOK_SIDE);
                mine.get((LOOK_SIDE - 1 - column) * LOOK_SIDE + row).copied()
            });
            mine = turned.collect();
        }
        false
    }
}

/// What the upload validator found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Not looked at yet.
    Waiting,
    /// An image; what is shown is a cleaned copy of it.
    Good {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Hash of the cleaned copy in the blob store.
        shown: String,
        /// What the picture looks like from afar, to know it again.
        #[serde(default)]
        look: Look,
        /// What may be wrong with it; none of it refuses it.
        #[serde(default)]
        advice: Vec<Advice>,
    },
    /// No image that can be used.
    Bad {
        /// Why.
        flaw: Flaw,
    },
}

/// What an image was sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Step 6 of the application.
    #[default]
    Application,
    /// Further materials that were asked for (R2.15).
    Supplement(SupplementId),
    /// A review (R4.3).
    Review(ReviewId),
}

/// One uploaded image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Material {
    /// Its name.
    pub id: MaterialId,
    /// The slot that it lies in.
    pub slot: String,
    /// What it was sent for.
    #[serde(default)]
    pub purpose: Purpose,
    /// Place within the slot, ascending.
    pub place: u32,
    /// The name of the file as it was sent.
    pub file_name: String,
    /// Bytes of the original.
    pub size: u64,
    /// SHA-256 of the original, which is kept sealed in the blob store.
    pub original: String,
    /// Quarter turns to the right, 0 to 3.
    pub turns: u8,
    /// What the validator says.
    pub verdict: Verdict,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
}

impl Material {
    /// Whether `other` has the same content: the same bytes, or those of the copy that we show.
    pub fn is_copy(&self, other: &Self) -> bool {
        let shown = match &self.verdict {
            Verdict::Good { shown, .. } => shown.as_str(),
            _ => "",
        };
        self.id != other.id && (self.original == other.original || shown == other.original)
    }

    /// Whether both show the same picture, as far as both were looked at.
    pub fn looks_like(&self, other: &Look) -> bool {
        matches!(&self.verdict, Verdict::Good { look, .. } if look.is_same(other))
    }
}

/// How far a slot is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// At least one good image and none that is bad.
    Filled,
    /// Something is still being looked at.
    Checking,
    /// An image can't be used.
    Flawed,
    /// Nothing in it.
    Empty,
}

/// How far `slot` is filled by what was sent for `purpose`.
pub fn slot_state(application: &Application, purpose: Purpose, slot: &str) -> SlotState {
    let mut state = SlotState::Empty;
    let of_it = |material: &&Material| material.slot == slot && material.purpose == purpose;
    for material in application.materials.iter().filter(of_it) {
        match material.verdict {
            Verdict::Bad { .. } => return SlotState::Flawed,
            Verdict::Waiting => state = SlotState::Checking,
            Verdict::Good { .. } if state == SlotState::Empty => state = SlotState::Filled,
            Verdict::Good { .. } => {}
        }
    }
    state
}

/// The required slots that are not filled, in the order of the page.
pub fn unfilled<'a>(application: &'a Application, nationality: &str, today: NaiveDate) -> Vec<&'a SlotRule> {
    let mut slots = slots(application, nationality, today);
    slots.retain(|rule| match slot_state(application, Purpose::Application, &rule.slot) {
        SlotState::Filled => false,
        SlotState::Empty => rule.need == SlotNeed::Required,
        SlotState::Checking | SlotState::Flawed => true,
    });
    slots
}
