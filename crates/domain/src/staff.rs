//! Staff: roles, and which role includes which act (R6.1), in one place.

use serde::{Deserialize, Serialize};

use crate::ids::StaffId;

/// A role; one person may have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Accepts cases or not.
    Intake,
    /// Evaluates and proposes.
    Evaluator,
    /// Approves what others proposed.
    Approver,
    /// Answers for the money.
    Finance,
    /// Keeps register and programme list.
    Registrar,
    /// Keeps accounts of staff and tables.
    Administrator,
    /// Watches the machinery.
    Operator,
}

impl Role {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Intake,
        Self::Evaluator,
        Self::Approver,
        Self::Finance,
        Self::Registrar,
        Self::Administrator,
        Self::Operator,
    ];

    /// The code in rows and texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Evaluator => "evaluator",
            Self::Approver => "approver",
            Self::Finance => "finance",
            Self::Registrar => "registrar",
            Self::Administrator => "administrator",
            Self::Operator => "operator",
        }
    }

    /// The role with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.code() == code)
    }
}

/// Something that not everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// See the queue and the cases, answers and materials included.
    ViewCases,
    /// Accept a case, or not.
    Accept,
    /// Ask for further materials, record what arrived, send messages, hold a case.
    Correspond,
    /// Propose a result.
    Propose,
    /// Approve a proposal or send it back.
    Approve,
    /// Check, approve and release refunds; see the ledger.
    HandleMoney,
    /// See numbers and plots, and take them away.
    ViewNumbers,
    /// Keep the register of students and the list of joint programmes.
    KeepProgrammes,
    /// Keep the accounts of staff and the tables; see the audit log.
    Administer,
    /// See the machinery.
    ViewMachinery,
    /// Pause, drain, resume and restart actors; retry and discard what was set aside.
    SteerMachinery,
}

impl Act {
    /// All.
    pub const ALL: [Self; 11] = [
        Self::ViewCases,
        Self::Accept,
        Self::Correspond,
        Self::Propose,
        Self::Approve,
        Self::HandleMoney,
        Self::ViewNumbers,
        Self::KeepProgrammes,
        Self::Administer,
        Self::ViewMachinery,
        Self::SteerMachinery,
    ];

    /// Whether `role` includes it.
    pub const fn is_of(self, role: Role) -> bool {
        match self {
            Self::ViewCases => matches!(role, Role::Intake | Role::Evaluator | Role::Approver),
            Self::Accept => matches!(role, Role::Intake),
            Self::Correspond => matches!(role, Role::Intake | Role::Evaluator),
            Self::Propose => matches!(role, Role::Evaluator),
            Self::Approve => matches!(role, Role::Approver),
            Self::HandleMoney => matches!(role, Role::Finance),
            Self::ViewNumbers => matches!(role, Role::Approver | Role::Administrator),
            Self::KeepProgrammes => matches!(role, Role::Registrar),
            Self::Administer => matches!(role, Role::Administrator),
            Self::ViewMachinery | Self::SteerMachinery => matches!(role, Role::Operator),
        }
    }
}

/// Whoever is logged in at the staff's side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Officer {
    /// Who.
    pub id: StaffId,
    /// For pages.
    pub name: String,
    /// What they are for.
    pub roles: Vec<Role>,
}

impl Officer {
    /// Whether any role includes the act.
    pub fn may(&self, act: Act) -> bool {
        self.roles.iter().any(|role| act.is_of(*role))
    }
}
