//! Real-person verification (实人认证) and the entry–exit records that follow it (R2.3, identity.md §5).

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::VerificationId;

/// A QR code can be used for five minutes (identity.md §5).
pub const QR_SECONDS: i64 = 300;
/// Records can be fetched for thirty minutes after the face was verified (identity.md §5).
pub const RECORDS_WITHIN: TimeDelta = TimeDelta::minutes(30);

/// Where a verification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationState {
    /// Wanted; the identity service has not been asked yet.
    Asked,
    /// The QR code is there and waits to be scanned.
    Pending,
    /// Scanned.
    Scanned,
    /// The person is in front of the camera.
    Confirming,
    /// It is that person.
    Passed,
    /// It is not, or could not be told; the sub-code says why.
    Failed,
    /// Nobody scanned it in time.
    Expired,
    /// Given up.
    Cancelled,
}

impl VerificationState {
    /// The code in rows and texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Pending => "pending",
            Self::Scanned => "scanned",
            Self::Confirming => "confirming",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the identity service may still change it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Asked | Self::Pending | Self::Scanned | Self::Confirming)
    }
}

/// How far the fetching of the records is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Records {
    /// Not asked for.
    #[default]
    None,
    /// Asked for, with the applicant's consent; the service has not been told yet.
    Asked {
        /// When.
        at: DateTime<Utc>,
    },
    /// The service works on it.
    Processing {
        /// Its name for the query.
        query: String,
    },
    /// Here they are.
    Ready {
        /// Crossings of the border, oldest first.
        crossings: Vec<Crossing>,
    },
    /// The service knows of none.
    NoRecord,
    /// The service won't tell.
    Refused,
}

impl Records {
    /// Whether the service has answered.
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Ready { .. } | Self::NoRecord | Self::Refused)
    }

    /// Whether the service must be asked (again).
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Asked { .. } | Self::Processing { .. })
    }
}

/// One entry–exit record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossing {
    /// True when leaving the mainland.
    pub exit: bool,
    /// The day.
    pub date: NaiveDate,
    /// Where.
    pub port: String,
    /// To or from, ISO 3166-1 alpha-3.
    pub elsewhere: String,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Our name for it, also the idempotency key at the service.
    pub id: VerificationId,
    /// Where it stands.
    pub state: VerificationState,
    /// The service's name for it.
    pub remote: Option<String>,
    /// What the QR code holds: an address that opens in the app.
    pub qr: Option<String>,
    /// When the QR code ends.
    pub expires_at: DateTime<Utc>,
    /// The service's reason.
    pub sub_code: Option<u16>,
    /// When the person was verified.
    pub verified_at: Option<DateTime<Utc>>,
    /// The service's name for the evidence; pictures are never kept here.
    pub evidence: Option<String>,
    /// The records.
    pub records: Records,
    /// When the verifier looks again; none when nothing is open.
    pub look_at: Option<DateTime<Utc>>,
}

impl Verification {
    /// One that was just asked for.
    pub fn asked(now: DateTime<Utc>) -> Self {
        Self {
            id: VerificationId::fresh(),
            state: VerificationState::Asked,
            remote: None,
            qr: None,
            expires_at: now + TimeDelta::seconds(QR_SECONDS),
            sub_code: None,
            verified_at: None,
            evidence: None,
            records: Records::None,
            look_at: Some(now),
        }
    }

    /// Whether the records may be asked for now.
    pub fn may_fetch_records(&self, now: DateTime<Utc>) -> bool {
        self.state == VerificationState::Passed && self.verified_at.is_some_and(|at| now - at <= RECORDS_WITHIN)
    }
}

/// What the identity service said when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It made a QR code.
    Opened {
        /// Its name for the verification.
        remote: String,
        /// What the QR code holds.
        qr: String,
        /// When that ends.
        expires_at: DateTime<Utc>,
    },
    /// How far it is.
    State {
        /// Where it stands.
        state: VerificationState,
        /// Why.
        sub_code: Option<u16>,
        /// When it ended well.
        verified_at: Option<DateTime<Utc>>,
        /// Evidence.
        evidence: Option<String>,
        /// Whether the person whom it saw is the one of the account.
        same_person: bool,
    },
    /// How far the records are.
    Records(Records),
    /// The service could not be reached; look again later.
    Unreachable,
}
