//! What an officer would probably ask for (R2.8): told before the application is submitted, so that it is mended before it
//! costs a fortnight. None of it hinders.

use chrono::{Months, NaiveDate};

use crate::application::Application;
use crate::experience::{self, Remark};
use crate::form;
use crate::material::{self, Advice, Purpose, SlotNeed, SlotState, Verdict};
use crate::verification::{Records, days_abroad};

/// Slots whose papers mostly have two sides.
const TWO_SIDED: [&str; 2] = ["identity", "certificate"];
/// Days by which statement and records may differ.
pub const DAYS_APART: i64 = 30;

/// One thing that an officer would probably ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// An image may not be usable.
    Image {
        /// In which slot.
        slot: String,
        /// Its file.
        file: String,
        /// Why.
        advice: Advice,
    },
    /// Only one side of a paper that mostly has two.
    OneSide(String),
    /// Advised, and not there.
    Missing(String),
    /// Studies have a gap or lie over each other.
    Dates,
    /// Days abroad differ from the records.
    DaysAbroad {
        /// By the applicant.
        said: i64,
        /// By the records.
        counted: i64,
    },
    /// The certificate's number is not given.
    NoNumber,
}

/// Everything at once, in the order of the steps.
pub fn concerns(application: &Application, nationality: &str, today: NaiveDate) -> Vec<Concern> {
    let mut found = Vec::new();
    let credential = &application.credential;
    if form::text(credential, "certificate_number").is_empty() {
        found.push(Concern::NoNumber);
    }
    let records = application.verification().map(|last| &last.records);
    let span = (form::month(credential, "start"), form::month(credential, "end"));
    if let (Some(Records::Ready { crossings }), (Some(from), Some(to))) = (records, span) {
        let to = to.checked_add_months(Months::new(1)).unwrap_or(to);
        let counted = days_abroad(crossings, from, to).days;
        let said = form::text(credential, "days_abroad").parse().unwrap_or(0);
        if (said - counted).abs() > DAYS_APART {
            found.push(Concern::DaysAbroad { said, counted });
        }
    }
    let odd = |remark: &Remark| matches!(remark, Remark::Gap { .. } | Remark::Overlap { .. });
    if experience::remarks(&application.experience).iter().any(odd) {
        found.push(Concern::Dates);
    }
    for rule in material::slots(application, nationality, today) {
        let images: Vec<_> = application
            .materials
            .iter()
            .filter(|image| image.slot == rule.slot && image.purpose == Purpose::Application)
            .collect();
        let state = material::slot_state(application, Purpose::Application, &rule.slot);
        if rule.need == SlotNeed::Advised && state == SlotState::Empty {
            found.push(Concern::Missing(rule.slot.clone()));
        }
        if images.len() == 1 && TWO_SIDED.contains(&rule.slot.as_str()) {
            found.push(Concern::OneSide(rule.slot.clone()));
        }
        for image in images {
            let Verdict::Good { advice, .. } = &image.verdict else { continue };
            found.extend(advice.iter().map(|advice| Concern::Image {
                slot: rule.slot.clone(),
                file: image.file_name.clone(),
                advice: *advice,
            }));
        }
    }
    found
}
