//! Materials (认证材料, R2.8): which are asked for comes from data, and each image has a life of its own.

use std::sync::LazyLock;

use chrono::{DateTime, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::application::Application;
use crate::country;
use crate::form;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotNeed {
    /// Without it nothing can be submitted.
    Required,
    /// It may save a fortnight.
    Advised,
}

/// One row of the table of materials.
#[derive(Debug, Clone, Deserialize)]
pub struct SlotRule {
    /// Name of the slot; its texts are `slot-NAME` and `slot-NAME-hint`.
    pub slot: String,
    /// How much it matters.
    pub need: SlotNeed,
    /// Most images in it.
    pub most: usize,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    levels: Vec<String>,
    #[serde(default)]
    nationality: Option<String>,
    #[serde(default)]
    when: Option<String>,
    #[serde(default)]
    unless: Option<String>,
}

static RULES: LazyLock<Vec<SlotRule>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../data/materials.json")).unwrap_or_default());

/// The whole table.
pub fn rules() -> &'static [SlotRule] {
    &RULES
}

/// The slots of an application, in the order of the page; `nationality` is the account's.
pub fn slots(application: &Application, nationality: &str, today: NaiveDate) -> Vec<&'static SlotRule> {
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
    RULES
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
pub fn unfilled(application: &Application, nationality: &str, today: NaiveDate) -> Vec<&'static SlotRule> {
    let mut slots = slots(application, nationality, today);
    slots.retain(|rule| match slot_state(application, Purpose::Application, &rule.slot) {
        SlotState::Filled => false,
        SlotState::Empty => rule.need == SlotNeed::Required,
        SlotState::Checking | SlotState::Flawed => true,
    });
    slots
}
