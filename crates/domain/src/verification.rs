//! Real-person verification (实人认证) and the entry–exit records that follow it (R2.3, identity.md §5).

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::Rejection;
use crate::applicant::Applicant;
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment};
use crate::ids::{ApplicationId, VerificationId};
use crate::submission::{Saved, change_draft};

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

/// Days outside the mainland within a span of studies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abroad {
    /// Whole days between an exit and the entry after it, within the span.
    pub days: i64,
    /// Crossings of one direction in a row: between the two something is missing.
    pub gaps: Vec<(NaiveDate, NaiveDate)>,
}

/// Counts the days abroad between `from` and `to` (R6.2); whoever was abroad before the first crossing is counted from
/// it on, whoever never came back until `to`.
pub fn days_abroad(crossings: &[Crossing], from: NaiveDate, to: NaiveDate) -> Abroad {
    let mut sorted: Vec<&Crossing> = crossings.iter().collect();
    sorted.sort_by_key(|crossing| crossing.date);
    let mut abroad = Abroad { days: 0, gaps: Vec::new() };
    let mut left = None;
    let mut count = |out: NaiveDate, back: NaiveDate| {
        abroad.days += (back.min(to) - out.max(from)).num_days().max(0);
    };
    let mut last: Option<&Crossing> = None;
    let mut gaps = Vec::new();
    for crossing in sorted {
        if let Some(last) = last.filter(|last| last.exit == crossing.exit) {
            gaps.push((last.date, crossing.date));
        }
        match (crossing.exit, left) {
            (true, _) => left = Some(crossing.date),
            (false, Some(out)) => {
                count(out, crossing.date);
                left = None;
            }
            // The first record is an entry: abroad since before.
            (false, None) if last.is_none() => count(from, crossing.date),
            (false, None) => {}
        }
        last = Some(crossing);
    }
    if let Some(out) = left {
        count(out, to);
    }
    abroad.gaps = gaps;
    abroad
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

/// Asks for a QR code (R2.3).
#[derive(Debug, Clone)]
pub struct AskVerification {
    /// For which application.
    pub application: ApplicationId,
}

impl Command for AskVerification {
    type Done = VerificationId;

    fn decide(
        &self,
        applicant: &mut Applicant,
        at: &Moment<'_>,
        effects: &mut Effects,
    ) -> Result<Self::Done, Rejection> {
        let mut asked = None;
        change_draft(applicant, self.application, at, |application, _| {
            if let Some(last) = application.verifications.last_mut() {
                let records = last.records.is_final() || last.records.is_open();
                if last.state == VerificationState::Passed && (records || last.may_fetch_records(at.now)) {
                    return Err(Rejection::NotNow("verified"));
                }
                if last.state.is_open() && last.expires_at > at.now {
                    // Pressed twice: the code that is there will do.
                    asked = Some(last.id);
                    return Ok(());
                }
                if last.state.is_open() {
                    last.state = VerificationState::Expired;
                    last.look_at = None;
                }
            }
            let verification = Verification::asked(at.now);
            asked = Some(verification.id);
            application.verifications.push(verification);
            Ok(())
        })?;
        effects.audited(Actor::Applicant, "verification-asked", format!("application:{}", self.application));
        asked.ok_or(Rejection::NotFound)
    }
}

/// Takes the staffed way because the app can't be used, or goes back to the app (R2.3).
#[derive(Debug, Clone)]
pub struct ChooseWay {
    /// For which application.
    pub application: ApplicationId,
    /// Whether staff look at the identity.
    pub assisted: bool,
}

impl Command for ChooseWay {
    type Done = Saved;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<Saved, Rejection> {
        let kind = if self.assisted { "assisted" } else { "unassisted" };
        effects.happened(self.application, kind, Actor::Applicant, "");
        change_draft(applicant, self.application, at, |application, _| {
            if self.assisted {
                application.assisted.get_or_insert(at.now);
            } else {
                application.assisted = None;
                application.verified &= application.may_leave_verification();
            }
            Ok(())
        })
    }
}

/// 获取出入境记录, with the separate consent that the law asks for (R2.3).
#[derive(Debug, Clone)]
pub struct AskRecords {
    /// For which application.
    pub application: ApplicationId,
    /// Whether the consent was ticked.
    pub consent: bool,
}

impl Command for AskRecords {
    type Done = Saved;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<Saved, Rejection> {
        if !self.consent {
            return Err(Rejection::field("consent", "tick"));
        }
        effects.happened(self.application, "records-consented", Actor::Applicant, "");
        change_draft(applicant, self.application, at, |application, _| {
            let last = application.verifications.last_mut().ok_or(Rejection::NotNow("not-verified"))?;
            if last.records.is_final() || last.records.is_open() {
                return Ok(());
            }
            if !last.may_fetch_records(at.now) {
                return Err(Rejection::NotNow("verification-old"));
            }
            last.records = Records::Asked { at: at.now };
            last.look_at = Some(at.now);
            Ok(())
        })
    }
}

/// What the identity verifier found.
#[derive(Debug, Clone)]
pub struct RecordFinding {
    /// For which application.
    pub application: ApplicationId,
    /// For which attempt.
    pub verification: VerificationId,
    /// What it is.
    pub finding: Finding,
}

impl Command for RecordFinding {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let application = applicant.application_mut(self.application)?;
        let last = application.verifications.iter_mut().find(|attempt| attempt.id == self.verification);
        let attempt = last.ok_or(Rejection::NotFound)?;
        let soon = at.now + chrono::TimeDelta::seconds(2);
        match &self.finding {
            Finding::Opened { remote, qr, expires_at } if attempt.state == VerificationState::Asked => {
                attempt.state = VerificationState::Pending;
                attempt.remote = Some(remote.clone());
                attempt.qr = Some(qr.clone());
                attempt.expires_at = *expires_at;
                attempt.look_at = Some(soon);
            }
            Finding::State { state, sub_code, verified_at, evidence, same_person } if attempt.state.is_open() => {
                let passed = *state == VerificationState::Passed;
                // A face that belongs to another document is no proof of this one.
                attempt.state = if passed && !same_person { VerificationState::Failed } else { *state };
                attempt.sub_code = if passed && !same_person { Some(201) } else { *sub_code };
                attempt.verified_at = verified_at.or(passed.then_some(at.now));
                attempt.evidence.clone_from(evidence);
                attempt.look_at = attempt.state.is_open().then_some(soon);
                if !attempt.state.is_open() {
                    effects.happened(self.application, "verification-ended", Actor::System, attempt.state.code());
                }
            }
            Finding::Records(records) if attempt.records.is_open() => {
                attempt.records = records.clone();
                attempt.look_at = records.is_open().then_some(soon);
                if records.is_final() {
                    effects.happened(self.application, "records-fetched", Actor::System, "");
                }
            }
            Finding::Unreachable => {
                if attempt.state.is_open() && attempt.expires_at <= at.now {
                    attempt.state = VerificationState::Expired;
                    attempt.look_at = None;
                } else if attempt.look_at.is_some() {
                    attempt.look_at = Some(at.now + chrono::TimeDelta::seconds(10));
                }
            }
            // An answer that comes twice, or too late, changes nothing but when to look again.
            _ => {
                let open = attempt.state.is_open() || attempt.records.is_open();
                attempt.look_at = open.then_some(soon);
            }
        }
        Ok(())
    }
}

/// 下一步 of step 1.
#[derive(Debug, Clone)]
pub struct LeaveVerification {
    /// Of which application.
    pub application: ApplicationId,
}

impl Command for LeaveVerification {
    type Done = Saved;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, _: &mut Effects) -> Result<Saved, Rejection> {
        change_draft(applicant, self.application, at, |application, _| {
            if !application.may_leave_verification() {
                return Err(Rejection::NotNow("not-verified"));
            }
            application.verified = true;
            Ok(())
        })
    }
}
