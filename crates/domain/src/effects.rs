//! What a decision brings about beside the changed rows: written in the same transaction, carried out later.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::{ApplicationId, NoticeId, StaffId};
use crate::money::Fen;

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The applicant.
    Applicant,
    /// A member of staff.
    Staff(StaffId),
    /// The service itself.
    System,
}

impl Actor {
    /// The code in rows.
    pub fn code(self) -> String {
        match self {
            Self::Applicant => "applicant".into(),
            Self::Staff(id) => format!("staff:{id}"),
            Self::System => "system".into(),
        }
    }
}

/// One entry of a case's timeline; its text is `event-KIND`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEvent {
    /// Of which application.
    pub application: ApplicationId,
    /// What happened, in the past tense.
    pub kind: &'static str,
    /// Who did it.
    pub by: Actor,
    /// A reason code or number, never personal data.
    pub detail: String,
}

/// What stands on a case's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// What happened; its text is `event-KIND`.
    pub kind: String,
    /// Who: `applicant`, `system` or `staff:ID`.
    pub by: String,
    /// A reason code or number.
    pub detail: String,
}

/// What a notice is about; its texts are `notice-KIND-subject`, `-body` and `-sms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A six-digit code (R1.7).
    Code,
    /// The account is made (R1.9); its secret is destroyed once sent.
    Registered,
    /// The password was changed.
    PasswordChanged,
    /// Phone or e-mail was changed; told to the old ones.
    ContactChanged,
    /// The application is submitted and to be paid.
    Submitted,
    /// The money came.
    Paid,
    /// Money came twice or too late and goes back.
    Surplus,
    /// A refund was asked for.
    RefundAsked,
    /// A refund was approved.
    RefundApproved,
    /// A refund was refused.
    RefundRefused,
    /// The money is back.
    RefundArrived,
    /// The bank sent the money back: other details are needed.
    RefundSentBack,
    /// Evaluation began.
    Accepted,
    /// It was not accepted.
    NotAccepted,
    /// The result is there.
    Decided,
    /// Further materials are asked for.
    SupplementAsked,
    /// The deadline for further materials comes near.
    SupplementReminder,
    /// The deadline for further materials has passed.
    SupplementExpired,
    /// Further materials arrived, online or by hand.
    SupplementArrived,
    /// An officer has a message; it stands on the case page alone.
    Message,
    /// The expected completion date has changed.
    ExpectedChanged,
    /// The expected completion date has passed.
    Overdue,
    /// The case is put on hold.
    Held,
    /// The case goes on.
    Resumed,
    /// The application was withdrawn.
    Withdrawn,
    /// A review was asked for.
    ReviewAsked,
    /// A review has ended.
    ReviewEnded,
    /// A document was taken back.
    Revoked,
}

impl NoticeKind {
    /// All.
    pub const ALL: [Self; 28] = [
        Self::Code,
        Self::Registered,
        Self::PasswordChanged,
        Self::ContactChanged,
        Self::Submitted,
        Self::Paid,
        Self::Surplus,
        Self::RefundAsked,
        Self::RefundApproved,
        Self::RefundRefused,
        Self::RefundArrived,
        Self::RefundSentBack,
        Self::Accepted,
        Self::NotAccepted,
        Self::Decided,
        Self::SupplementAsked,
        Self::SupplementReminder,
        Self::SupplementExpired,
        Self::SupplementArrived,
        Self::Message,
        Self::ExpectedChanged,
        Self::Overdue,
        Self::Held,
        Self::Resumed,
        Self::Withdrawn,
        Self::ReviewAsked,
        Self::ReviewEnded,
        Self::Revoked,
    ];

    /// The code in rows and texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Registered => "registered",
            Self::PasswordChanged => "password-changed",
            Self::ContactChanged => "contact-changed",
            Self::Submitted => "submitted",
            Self::Paid => "paid",
            Self::Surplus => "surplus",
            Self::RefundAsked => "refund-asked",
            Self::RefundApproved => "refund-approved",
            Self::RefundRefused => "refund-refused",
            Self::RefundArrived => "refund-arrived",
            Self::RefundSentBack => "refund-sent-back",
            Self::Accepted => "accepted",
            Self::NotAccepted => "not-accepted",
            Self::Decided => "decided",
            Self::SupplementAsked => "supplement-asked",
            Self::SupplementReminder => "supplement-reminder",
            Self::SupplementExpired => "supplement-expired",
            Self::SupplementArrived => "supplement-arrived",
            Self::Message => "message",
            Self::ExpectedChanged => "expected-changed",
            Self::Overdue => "overdue",
            Self::Held => "held",
            Self::Resumed => "resumed",
            Self::Withdrawn => "withdrawn",
            Self::ReviewAsked => "review-asked",
            Self::ReviewEnded => "review-ended",
            Self::Revoked => "revoked",
        }
    }

    /// The kind with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// How a notice travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// Text message.
    Sms,
    /// E-mail.
    Mail,
}

impl Channel {
    /// The code in rows.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Mail => "mail",
        }
    }

    /// The channel with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Sms, Self::Mail].into_iter().find(|channel| channel.code() == code)
    }
}

/// One message to be sent, its address and its words' variables sealed at rest.
#[derive(Clone, PartialEq, Eq)]
pub struct Notice {
    /// Idempotency key, also the SMS provider's `OutId`.
    pub id: NoticeId,
    /// How.
    pub channel: Channel,
    /// About what.
    pub kind: NoticeKind,
    /// Phone number or e-mail address.
    pub to: String,
    /// BCP 47 tag of the language of its text.
    pub language: &'static str,
    /// Variables of the text.
    pub params: Vec<(String, String)>,
}

/// Never prints address or variables.
impl std::fmt::Debug for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notice").field("id", &self.id).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A movement of money: two entries that sum to zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// What makes it one and the same movement, however often it is booked.
    pub key: String,
    /// Of which application.
    pub application: ApplicationId,
    /// The account that gives.
    pub from: &'static str,
    /// The account that takes.
    pub to: &'static str,
    /// How much.
    pub amount: Fen,
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who.
    pub by: Actor,
    /// What was done, or viewed.
    pub act: &'static str,
    /// To what: a kind and a name, never personal data.
    pub subject: String,
}

/// Everything at once.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Effects {
    /// Timeline entries.
    pub timeline: Vec<TimelineEvent>,
    /// Messages to send.
    pub notices: Vec<Notice>,
    /// Movements of money.
    pub movements: Vec<Movement>,
    /// Audit entries.
    pub audit: Vec<AuditEntry>,
    /// Every log-in of the applicant ends.
    pub log_out: bool,
}

/// When something is decided, and by what calendar.
pub struct Moment<'a> {
    /// The instant.
    pub now: DateTime<Utc>,
    /// Working days.
    pub calendar: &'a crate::calendar::Calendar,
}

impl Moment<'_> {
    /// The date in Beijing.
    pub fn today(&self) -> chrono::NaiveDate {
        crate::calendar::today(self.now)
    }
}

impl Effects {
    /// Notes what happened on the timeline and in the audit log.
    pub fn happened(&mut self, application: ApplicationId, kind: &'static str, by: Actor, detail: impl Into<String>) {
        self.timeline.push(TimelineEvent { application, kind, by, detail: detail.into() });
        self.audited(by, kind, format!("application:{application}"));
    }

    /// Notes an act in the audit log alone.
    pub fn audited(&mut self, by: Actor, act: &'static str, subject: impl Into<String>) {
        self.audit.push(AuditEntry { by, act, subject: subject.into() });
    }

    /// Tells the applicant by SMS and e-mail (R2.15: on every such event).
    pub fn tell(&mut self, account: &crate::applicant::Account, kind: NoticeKind, params: &[(&str, &str)]) {
        for channel in [Channel::Sms, Channel::Mail] {
            self.notices.push(Notice {
                id: NoticeId::fresh(),
                channel,
                kind,
                to: account.address(channel).to_owned(),
                language: account.language.tag(),
                params: params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            });
        }
    }
}
