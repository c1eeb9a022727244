//! Where a case stands, whose move it is, and what officers decide (casework.md §1).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::StaffId;

/// The state of a case, derived from its facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// 草稿
    Draft,
    /// 待支付
    Submitted,
    /// 已支付，待受理
    Screening,
    /// 待补充材料
    Supplement,
    /// 认证评估中
    Assessing,
    /// 境外核查中
    Verifying,
    /// 复审中
    Proposed,
    /// 认证完成
    Decided,
    /// 复核中
    Reviewing,
    /// 复核结果待批准
    ReviewProposed,
    /// 不予受理
    NotAccepted,
    /// 已退出
    Withdrawn,
}

/// Who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mover {
    /// The applicant.
    Applicant,
    /// An officer.
    Officer,
    /// A second officer.
    SecondOfficer,
    /// An institution abroad.
    Institution,
    /// Nobody.
    Nobody,
}

impl Mover {
    /// The key of its text, after `mover-`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Applicant => "applicant",
            Self::Officer => "officer",
            Self::SecondOfficer => "second-officer",
            Self::Institution => "institution",
            Self::Nobody => "nobody",
        }
    }
}

impl Stage {
    /// All, in the order of a case's life.
    pub const ALL: [Self; 12] = [
        Self::Draft,
        Self::Submitted,
        Self::Screening,
        Self::Supplement,
        Self::Assessing,
        Self::Verifying,
        Self::Proposed,
        Self::Decided,
        Self::Reviewing,
        Self::ReviewProposed,
        Self::NotAccepted,
        Self::Withdrawn,
    ];

    /// The code in rows and texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Screening => "screening",
            Self::Supplement => "supplement",
            Self::Assessing => "assessing",
            Self::Verifying => "verifying",
            Self::Proposed => "proposed",
            Self::Decided => "decided",
            Self::Reviewing => "reviewing",
            Self::ReviewProposed => "review-proposed",
            Self::NotAccepted => "not-accepted",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The stage with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.code() == code)
    }

    /// Whose move it is; in [`Stage::Supplement`] an officer's once the deadline has passed.
    pub const fn mover(self) -> Mover {
        match self {
            Self::Draft | Self::Submitted | Self::Supplement => Mover::Applicant,
            Self::Screening | Self::Assessing | Self::Reviewing => Mover::Officer,
            Self::Proposed | Self::ReviewProposed => Mover::SecondOfficer,
            Self::Verifying => Mover::Institution,
            Self::Decided | Self::NotAccepted | Self::Withdrawn => Mover::Nobody,
        }
    }
}

/// What an authentication ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// 认证书
    Certificate,
    /// 暂不认证通知单
    Deferral,
    /// 不予认证通知单
    Refusal,
}

impl Outcome {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Certificate, Self::Deferral, Self::Refusal];

    /// The code in rows and texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Deferral => "deferral",
            Self::Refusal => "refusal",
        }
    }

    /// The outcome with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }
}

/// Reasons for not accepting, deferring or refusing; their texts are `reason-CODE`.
pub const REASONS: [&str; 6] =
    ["not-recognised", "cannot-verify", "incomplete", "outside-scope", "contradiction", "false-material"];

/// The reason for which further materials can be asked, where a reason against a case may be cured by them: both for
/// not accepting and for refusing it (casework.md §3).
pub fn curable(reason: &str) -> Option<&'static str> {
    match reason {
        "incomplete" => Some("incomplete"),
        "cannot-verify" => Some("missing"),
        "contradiction" => Some("dates-differ"),
        _ => None,
    }
}

/// What an evaluator proposes, and an approver decides on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The result.
    pub outcome: Outcome,
    /// Why, unless it is a certificate.
    pub reason: Option<String>,
    /// What else the approver should know.
    pub note: String,
    /// Who proposes.
    pub by: StaffId,
    /// When.
    pub at: DateTime<Utc>,
}

impl Proposal {
    /// Whether the reason is false material, after which there is no refund (R5.1).
    pub fn false_material(&self) -> bool {
        self.reason.as_deref() == Some("false-material")
    }
}

/// A decision: a proposal that a second person approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What was proposed.
    pub proposal: Proposal,
    /// Who approved.
    pub by: StaffId,
    /// When.
    pub at: DateTime<Utc>,
}

/// That a case was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotAccepted {
    /// Why.
    pub reason: String,
    /// What else.
    pub note: String,
    /// Who decided.
    pub by: StaffId,
    /// When.
    pub at: DateTime<Utc>,
}
