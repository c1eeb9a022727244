//! Joint programmes (中外合作办学, R3): the level, the look-up in the register of students, the border of September 2012,
//! and the list that a programme is chosen from.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::Rejection;
use crate::applicant::Applicant;
use crate::application::Application;
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment};
use crate::form;
use crate::ids::{ApplicationId, ProgrammeId};
use crate::steps::ApplicationKind;
use crate::submission::{Saved, carry_credential, change_draft};

/// Whoever enrolled from this month on must be in the register (guide 三.2).
pub fn border() -> NaiveDate {
    NaiveDate::from_ymd_opt(2012, 9, 1).unwrap_or_default()
}

/// Fewer days abroad than this, and the identity card stands in for passport and visa (casework.md §2).
pub const DAYS_ABROAD_FEW: i64 = 180;

/// 申请认证的证书层次 (R3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JointLevel {
    /// 本科及以上
    Bachelor,
    /// 专科
    Junior,
}

impl JointLevel {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Bachelor, Self::Junior];

    /// The code in forms, rows and texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Bachelor => "bachelor-up",
            Self::Junior => "junior",
        }
    }

    /// The level with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.code() == code)
    }
}

/// A programme of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Programme {
    /// Its name.
    pub id: ProgrammeId,
    /// 批准书编号
    pub approval: String,
    /// 中外合作办学项目名称
    pub name: String,
    /// The Chinese partner (中方院校).
    pub partner: String,
    /// The foreign institution, as it calls itself.
    pub institution: String,
    /// The foreign institution in Chinese.
    pub institution_zh: String,
    /// Where it is, alpha-2.
    pub country: String,
    /// Of which level.
    pub level: JointLevel,
}

/// What the register says of a student.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// In which programme.
    pub programme: Programme,
    /// When enrolled: the first day of that month.
    pub enrolled: NaiveDate,
}

/// What an applicant has settled of a joint programme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joint {
    /// Of which level.
    pub level: JointLevel,
    /// When the register was asked and had nothing.
    pub not_found_at: Option<DateTime<Utc>>,
    /// When enrolled: the first day of that month.
    pub enrolled: Option<NaiveDate>,
    /// Which programme.
    pub programme: Option<Programme>,
    /// Whether the register says so.
    pub registered: bool,
}

/// What an applicant has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// 查询: look into the register.
    LookUp,
    /// Not found: say when enrolled.
    Enrolment,
    /// Enrolled since the border, and not in the register: the Chinese partner must be asked (R3.4).
    Partner,
    /// Choose a programme from the list (R3.5).
    Choose,
    /// Nothing: step 4.
    Nothing,
}

impl Joint {
    /// Nothing but the level.
    pub fn begin(level: JointLevel) -> Self {
        Self { level, not_found_at: None, enrolled: None, programme: None, registered: false }
    }

    /// What has to be done next.
    pub fn next(&self) -> Next {
        match (self.level, &self.programme) {
            (_, Some(_)) => Next::Nothing,
            (JointLevel::Junior, None) => Next::Choose,
            (JointLevel::Bachelor, None) => match (self.not_found_at, self.enrolled) {
                (None, _) => Next::LookUp,
                (Some(_), None) => Next::Enrolment,
                (Some(_), Some(month)) if month >= border() => Next::Partner,
                (Some(_), Some(_)) => Next::Choose,
            },
        }
    }
}

impl Application {
    /// Whether the type of step 3 is settled with all that hangs on it.
    pub fn kind_is_settled(&self) -> bool {
        match self.kind {
            Some(ApplicationKind::Joint) => self.joint.as_ref().is_some_and(|joint| joint.next() == Next::Nothing),
            kind => kind.is_some(),
        }
    }

    /// Puts what the programme says into the answers of step 4: it can't be changed there (R3.3).
    pub(crate) fn fixed_by_programme(&self, raw: &mut form::Raw) {
        let Some(programme) = self.joint.as_ref().and_then(|joint| joint.programme.as_ref()) else { return };
        for (name, value) in [
            ("country", &programme.country),
            ("institution", &programme.institution),
            ("institution_zh", &programme.institution_zh),
        ] {
            raw.insert(name.to_owned(), value.clone());
        }
    }
}

/// The fields of step 4 that a programme fills in (R3.3).
pub const FIXED: [&str; 3] = ["country", "institution", "institution_zh"];

/// What an applicant does about a joint programme.
#[derive(Debug, Clone)]
pub enum JointChange {
    /// Says the level; whatever hung on another one is gone.
    Level(JointLevel),
    /// The register was asked: what it has of this person, or nothing.
    LookedUp(Option<Registration>),
    /// Says when enrolled.
    Enrolled(NaiveDate),
    /// Chooses from the list.
    Choose(Programme),
    /// Begins again.
    Again,
}

/// Settles the joint programme of a draft (R3.1–R3.6).
#[derive(Debug, Clone)]
pub struct SettleJoint {
    /// Of which application.
    pub application: ApplicationId,
    /// How.
    pub change: JointChange,
}

impl Command for SettleJoint {
    type Done = Saved;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<Saved, Rejection> {
        let id = self.application;
        change_draft(applicant, id, at, |application, _| {
            if application.kind != Some(ApplicationKind::Joint) {
                return Err(Rejection::NotNow("kind-first"));
            }
            let settled = application.joint.take();
            let next = settled.as_ref().map(Joint::next);
            application.joint = Some(match (&self.change, settled) {
                (JointChange::Level(level), Some(joint)) if joint.level == *level => joint,
                (JointChange::Level(level), _) => Joint::begin(*level),
                (JointChange::Again, Some(joint)) => Joint::begin(joint.level),
                // Looked up again after the partner was asked, it may be there.
                (JointChange::LookedUp(found), Some(mut joint)) if joint.level == JointLevel::Bachelor => {
                    effects.audited(Actor::Applicant, "register-looked-up", format!("application:{id}"));
                    match found {
                        Some(found) => {
                            joint.enrolled = Some(found.enrolled);
                            joint.programme = Some(found.programme.clone());
                            joint.registered = true;
                        }
                        None => joint.not_found_at = Some(at.now),
                    }
                    joint
                }
                (JointChange::Enrolled(month), Some(mut joint))
                    if matches!(next, Some(Next::Enrolment | Next::Partner | Next::Choose)) =>
                {
                    if *month > at.today() {
                        return Err(Rejection::field("joint_enrolled", "future"));
                    }
                    joint.enrolled = Some(*month);
                    joint
                }
                (JointChange::Choose(programme), Some(mut joint)) if next == Some(Next::Choose) => {
                    if programme.level != joint.level {
                        return Err(Rejection::NotFound);
                    }
                    joint.programme = Some(programme.clone());
                    joint
                }
                _ => return Err(Rejection::NotNow("kind-first")),
            });
            let mut answers = application.credential.clone();
            if !answers.is_empty() {
                application.fixed_by_programme(&mut answers);
                application.credential = answers;
                carry_credential(application);
            }
            Ok(())
        })
    }
}
