//! Further materials (补充材料, R2.15): asked for by an officer, sent online or handed in, with a deadline after which
//! an officer decides, never the machine.

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::Rejection;
use crate::applicant::Applicant;
use crate::application::Application;
use crate::case::Stage;
use crate::casework;
use crate::command::Command;
use crate::decision::{Seen, short_note};
use crate::effects::{Actor, Effects, Moment, NoticeKind};
use crate::form::FieldError;
use crate::ids::{ApplicationId, StaffId, SupplementId};
use crate::material::{self, Purpose, SlotState};
use crate::staff::{Act, Officer};

/// Why further materials are asked for; their texts are `supplement-reason-CODE`.
pub const REASONS: [&str; 7] =
    ["missing", "unreadable", "incomplete", "name-differs", "dates-differ", "no-translation", "other"];
/// The least time that an applicant is given, in days.
pub const LEAST_DAYS: u64 = 5;
/// The most, in days.
pub const MOST_DAYS: u64 = 180;
/// So many days before the deadline the applicant is reminded.
pub const REMIND_DAYS: [u64; 2] = [7, 1];
/// Most images in one slot of a supplement.
pub const IMAGES_MOST: usize = 30;

/// How a request for further materials ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum How {
    /// The applicant sent them online.
    Sent,
    /// They were handed in; an officer recorded it.
    Offline {
        /// Who recorded it.
        by: StaffId,
        /// What came, and where it lies.
        note: String,
    },
    /// An officer goes on without them.
    Without {
        /// Who decided.
        by: StaffId,
        /// Why.
        note: String,
    },
}

impl How {
    /// The code in texts.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Offline { .. } => "offline",
            Self::Without { .. } => "without",
        }
    }
}

/// One request for further materials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supplement {
    /// Its name.
    pub id: SupplementId,
    /// Which slots are to be filled.
    pub slots: Vec<String>,
    /// One of [`REASONS`].
    pub reason: String,
    /// What exactly.
    pub note: String,
    /// The last day.
    pub until: NaiveDate,
    /// Who asked.
    pub by: StaffId,
    /// When.
    pub asked_at: DateTime<Utc>,
    /// How many of [`REMIND_DAYS`] were sent.
    pub reminded: usize,
    /// When the deadline was last moved.
    #[serde(default)]
    pub extended_at: Option<DateTime<Utc>>,
    /// When the deadline was found to have passed.
    pub expired_at: Option<DateTime<Utc>>,
    /// When and how it ended.
    pub ended: Option<(DateTime<Utc>, How)>,
}

impl Supplement {
    /// Checks that everything asked for is there and good.
    fn complete(&self, application: &Application) -> Result<(), Vec<FieldError>> {
        let entry = |slot: &String| {
            let code = match material::slot_state(application, Purpose::Supplement(self.id), slot) {
                SlotState::Filled => return None,
                SlotState::Checking => "checking",
                SlotState::Flawed => "flawed",
                SlotState::Empty => "slot-empty",
            };
            Some(FieldError::new(slot, code))
        };
        let errors: Vec<FieldError> = self.slots.iter().filter_map(entry).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// Checks a deadline.
fn deadline(until: Option<NaiveDate>, today: NaiveDate) -> Result<NaiveDate, FieldError> {
    let until = until.ok_or_else(|| FieldError::new("until", "date"))?;
    let (least, most) = (today + Days::new(LEAST_DAYS), today + Days::new(MOST_DAYS));
    if until < least || until > most {
        return Err(FieldError::new("until", "deadline").with("least", least).with("most", most));
    }
    Ok(until)
}

/// An officer asks for further materials: the clock pauses, the applicant is told.
#[derive(Debug, Clone)]
pub struct AskSupplement {
    /// Which case.
    pub application: ApplicationId,
    /// Who asks.
    pub officer: Officer,
    /// Which slots.
    pub slots: Vec<String>,
    /// One of [`REASONS`].
    pub reason: String,
    /// What exactly.
    pub note: String,
    /// The last day.
    pub until: Option<NaiveDate>,
    /// What the page showed.
    pub seen: Seen,
}

impl Command for AskSupplement {
    type Done = SupplementId;

    fn decide(
        &self,
        applicant: &mut Applicant,
        at: &Moment<'_>,
        effects: &mut Effects,
    ) -> Result<SupplementId, Rejection> {
        if !self.officer.may(Act::Correspond) {
            return Err(Rejection::NotAllowed);
        }
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        if Seen::of(application) != self.seen {
            return Err(Rejection::Stale);
        }
        if !matches!(application.stage(), Stage::Screening | Stage::Assessing | Stage::Reviewing) {
            return Err(Rejection::NotNow("other-stage"));
        }
        let mut errors = Vec::new();
        let mut slots: Vec<String> = self.slots.clone();
        slots.dedup();
        if slots.is_empty() || slots.iter().any(|slot| application.table.rule(slot).is_none()) {
            errors.push(FieldError::new("slots", "choose"));
        }
        if !REASONS.contains(&self.reason.as_str()) {
            errors.push(FieldError::new("supplement_reason", "choose"));
        }
        let until = deadline(self.until, at.today()).map_err(|error| errors.push(error)).unwrap_or(at.today());
        let note = short_note(&self.note)?;
        if note.is_empty() {
            errors.push(FieldError::new("note", "missing"));
        }
        if !errors.is_empty() {
            return Err(Rejection::Form(errors));
        }
        let id = SupplementId::fresh();
        let (reason, by) = (self.reason.clone(), self.officer.id);
        effects.happened(self.application, "supplement-asked", Actor::Staff(by), reason.clone());
        application.casework.supplements.push(Supplement {
            id,
            slots,
            reason,
            note,
            until,
            by,
            asked_at: at.now,
            reminded: 0,
            extended_at: None,
            expired_at: None,
            ended: None,
        });
        casework::told(application, &account, NoticeKind::SupplementAsked, &[("day", &until.to_string())], effects);
        application.plan(at);
        Ok(id)
    }
}

/// The applicant sends what was asked for; the clock goes on.
#[derive(Debug, Clone)]
pub struct SendSupplement {
    /// In which application.
    pub application: ApplicationId,
    /// Which request.
    pub supplement: SupplementId,
}

impl Command for SendSupplement {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        let known = application.casework.supplements.iter().find(|known| known.id == self.supplement);
        let known = known.ok_or(Rejection::NotFound)?;
        match &known.ended {
            // Sent twice, it is sent once.
            Some((_, How::Sent)) => return Ok(()),
            Some(_) => return Err(Rejection::NotNow("supplement-ended")),
            None if application.stage() != Stage::Supplement => return Err(Rejection::NotNow("withdrawn")),
            None => known.complete(application).map_err(Rejection::Form)?,
        }
        end(application, self.supplement, How::Sent, at, effects);
        effects.happened(self.application, "supplement-sent", Actor::Applicant, "");
        casework::told(application, &account, NoticeKind::SupplementArrived, &[], effects);
        casework::moved(application, &account, "supplement", at, effects);
        Ok(())
    }
}

fn end(application: &mut Application, id: SupplementId, how: How, at: &Moment<'_>, _: &mut Effects) {
    for known in application.casework.supplements.iter_mut().filter(|known| known.id == id) {
        known.ended = Some((at.now, how.clone()));
    }
    // What was begun and not sent is no part of the case.
    if how != How::Sent {
        application.materials.retain(|image| image.purpose != Purpose::Supplement(id));
    }
}

/// What an officer does about a request that stands open.
#[derive(Debug, Clone)]
pub enum SupplementAct {
    /// Gives more time.
    Extend(Option<NaiveDate>),
    /// Records that it was handed in.
    Arrived(String),
    /// Goes on without.
    GoOn(String),
}

/// One act of an officer about the open request.
#[derive(Debug, Clone)]
pub struct HandleSupplement {
    /// In which application.
    pub application: ApplicationId,
    /// Who.
    pub officer: Officer,
    /// What.
    pub act: SupplementAct,
    /// What the page showed.
    pub seen: Seen,
}

impl Command for HandleSupplement {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        if !self.officer.may(Act::Correspond) {
            return Err(Rejection::NotAllowed);
        }
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        if Seen::of(application) != self.seen {
            return Err(Rejection::Stale);
        }
        if application.stage() != Stage::Supplement {
            return Err(Rejection::NotNow("other-stage"));
        }
        let by = self.officer.id;
        let words = |note: &str| match short_note(note)? {
            empty if empty.is_empty() => Err(Rejection::field("note", "missing")),
            note => Ok(note),
        };
        let open = application.casework.supplement_mut().ok_or(Rejection::NotFound)?;
        let id = open.id;
        match &self.act {
            SupplementAct::Extend(until) => {
                let until = deadline(*until, at.today()).map_err(|error| Rejection::Form(vec![error]))?;
                open.until = until;
                open.reminded = 0;
                open.extended_at = Some(at.now);
                open.expired_at = None;
                effects.happened(self.application, "supplement-extended", Actor::Staff(by), until.to_string());
                let day = until.to_string();
                casework::told(application, &account, NoticeKind::SupplementAsked, &[("day", &day)], effects);
            }
            SupplementAct::Arrived(note) => {
                let note = words(note)?;
                end(application, id, How::Offline { by, note }, at, effects);
                effects.happened(self.application, "supplement-arrived", Actor::Staff(by), "");
                casework::told(application, &account, NoticeKind::SupplementArrived, &[], effects);
                casework::moved(application, &account, "supplement", at, effects);
            }
            SupplementAct::GoOn(note) => {
                let note = words(note)?;
                end(application, id, How::Without { by, note }, at, effects);
                effects.happened(self.application, "supplement-without", Actor::Staff(by), "");
                casework::told(application, &account, NoticeKind::Resumed, &[], effects);
                casework::moved(application, &account, "supplement", at, effects);
            }
        }
        application.plan(at);
        Ok(())
    }
}
