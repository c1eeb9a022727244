//! The nine steps of an application (guide 二.3) and the forms of those that are forms.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::country;
use crate::form::{self, Answers, Field, FieldError, Kind, When};
use crate::joint::{self, Joint, JointLevel};

/// The steps in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// 1 实人认证
    Verification,
    /// 2 基本信息
    Basic,
    /// 3 申请类型
    Kind,
    /// 4 认证申请信息
    Credential,
    /// 5 学习经历
    Experience,
    /// 6 上传认证材料
    Materials,
    /// 7 确认
    Confirm,
    /// 8 支付
    Payment,
    /// 9 提交成功
    Done,
}

impl StepName {
    /// All nine.
    pub const ALL: [Self; 9] = [
        Self::Verification,
        Self::Basic,
        Self::Kind,
        Self::Credential,
        Self::Experience,
        Self::Materials,
        Self::Confirm,
        Self::Payment,
        Self::Done,
    ];

    /// 1 to 9.
    pub fn number(self) -> usize {
        Self::ALL.iter().position(|step| *step == self).map_or(1, |at| at + 1)
    }

    /// The last part of its address and of its texts' keys.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::Basic => "basic",
            Self::Kind => "type",
            Self::Credential => "credential",
            Self::Experience => "experience",
            Self::Materials => "materials",
            Self::Confirm => "confirm",
            Self::Payment => "payment",
            Self::Done => "done",
        }
    }

    /// The step with this slug.
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.slug() == slug)
    }

    /// The step after this one.
    pub fn next(self) -> Self {
        Self::ALL.get(self.number()).copied().unwrap_or(Self::Done)
    }

    /// The step before this one.
    pub fn previous(self) -> Option<Self> {
        Self::ALL.get(self.number().checked_sub(2)?).copied()
    }
}

/// What is to be authenticated (R2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationKind {
    /// 国外学历学位
    Foreign,
    /// 港澳台学历学位
    Hkmt,
    /// 国（境）外高等教育文凭
    Diploma,
    /// 中外合作办学学历学位
    Joint,
}

impl ApplicationKind {
    /// All, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Foreign, Self::Hkmt, Self::Diploma, Self::Joint];

    /// Code in forms and rows.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Hkmt => "hkmt",
            Self::Diploma => "diploma",
            Self::Joint => "joint",
        }
    }

    /// The kind with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// Levels of a row of study experience (data.md §2).
pub const LEVELS_OF_STUDY: [&str; 7] =
    ["senior_secondary", "higher_diploma", "bachelor", "pg_diploma", "master", "doctor", "other"];

/// Levels of a credential that can be authenticated as a degree.
pub const DEGREE_LEVELS: [&str; 3] = ["bachelor", "master", "doctor"];
/// Levels of a credential that can be authenticated as a diploma.
pub const DIPLOMA_LEVELS: [&str; 3] = ["higher_diploma", "pg_diploma", "other"];
/// All levels that a credential may have.
pub const LEVELS: [&str; 6] = ["bachelor", "master", "doctor", "higher_diploma", "pg_diploma", "other"];

/// Step 2 (R2.4). Name, gender and document come from the account and are not asked again.
pub const BASIC: [Field; 9] = [
    Field::must("birth_date", Kind::Date(When::Past)).autocomplete("bday"),
    Field::must("birthplace", Kind::Text(60)),
    Field::must("address", Kind::Text(200)).autocomplete("street-address"),
    Field::may("postcode", Kind::Text(10)).autocomplete("postal-code"),
    Field::must("emergency_name", Kind::Text(66)),
    Field::must("emergency_relation", Kind::Choice(&["parent", "spouse", "relative", "friend", "colleague"])),
    Field::must("emergency_phone", Kind::Phone),
    Field::may("employer", Kind::Text(120)).autocomplete("organization"),
    Field::must("purpose", Kind::Choice(&["employment", "settlement", "study", "civil_service", "other"])),
];

/// Step 3.
pub const KIND: [Field; 1] = [Field::must("kind", Kind::Choice(&["foreign", "hkmt", "diploma", "joint"]))];

/// Step 4 (R2.6).
pub const CREDENTIAL: [Field; 19] = [
    Field::must("country", Kind::Country),
    Field::must("institution", Kind::Text(160)),
    Field::may("institution_zh", Kind::Text(80)),
    Field::must("credential_name", Kind::Text(160)),
    Field::must("credential_name_zh", Kind::Text(80)),
    Field::must("level", Kind::Choice(&LEVELS)),
    Field::must("major", Kind::Text(120)),
    Field::may("major_zh", Kind::Text(80)),
    Field::must("study_mode", Kind::Choice(&["full_time", "part_time", "distance"])),
    Field::must("start", Kind::Month(When::Past)),
    Field::must("end", Kind::Month(When::Past)),
    Field::must("award_date", Kind::Date(When::Past)),
    Field::may("certificate_number", Kind::Text(60)),
    Field::must("study_places", Kind::Area(500)),
    Field::must("days_abroad", Kind::Number(9_999)),
    Field::may("certificate_lost", Kind::Tick),
    Field::may("passport_lost", Kind::Tick),
    Field::may("name_changed", Kind::Tick),
    Field::may("credit_transfer", Kind::Tick),
];

/// Checks step 4 as a whole: fields, their order in time, and that they agree with the type of step 3.
///
/// # Errors
/// One entry a field.
pub fn check_credential(
    kind: ApplicationKind,
    joint: Option<&Joint>,
    raw: &form::Raw,
    today: NaiveDate,
) -> Result<Answers, Vec<FieldError>> {
    let answers = form::check(&CREDENTIAL, raw, today)?;
    let mut errors = Vec::new();
    let from = form::text(&answers, "country");
    let fits = match kind {
        ApplicationKind::Hkmt => country::HKMT.contains(&from),
        ApplicationKind::Foreign => !country::is_chinese(from),
        ApplicationKind::Diploma | ApplicationKind::Joint => from != "CN",
    };
    if !fits {
        errors.push(FieldError::new("country", "kind"));
    }
    let level = form::text(&answers, "level");
    let level_fits = match kind {
        ApplicationKind::Diploma => DIPLOMA_LEVELS.contains(&level),
        ApplicationKind::Foreign | ApplicationKind::Hkmt => DEGREE_LEVELS.contains(&level),
        ApplicationKind::Joint => match joint.map(|joint| joint.level) {
            Some(JointLevel::Junior) => DIPLOMA_LEVELS.contains(&level),
            _ => DEGREE_LEVELS.contains(&level),
        },
    };
    if !level_fits {
        errors.push(FieldError::new("level", "kind"));
    }
    let (start, end) = (form::month(&answers, "start"), form::month(&answers, "end"));
    // Whoever is not in the register said to have enrolled before the border (R3.5); the studies must say the same.
    let unregistered = joint.is_some_and(|joint| joint.level == JointLevel::Bachelor && !joint.registered);
    if unregistered && start.is_some_and(|start| start >= joint::border()) {
        errors.push(FieldError::new("start", "border"));
    }
    if end < start {
        errors.push(FieldError::new("end", "before-start"));
    }
    if form::date(&answers, "award_date") < start {
        errors.push(FieldError::new("award_date", "before-start"));
    }
    if errors.is_empty() { Ok(answers) } else { Err(errors) }
}

/// Working days from acceptance to the result (casework.md §2, defaults).
pub fn working_days(kind: ApplicationKind, country: &str) -> u32 {
    match country {
        _ if kind == ApplicationKind::Joint => 10,
        "US" | "CA" => 10,
        "GB" | "FR" | "IT" | "AU" | "NZ" | "SG" => 15,
        _ => 20,
    }
}
