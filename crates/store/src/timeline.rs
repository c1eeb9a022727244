//! A case's timeline: append-only.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::effects::TimelineEvent;
use domain::ids::ApplicationId;
use uuid::Uuid;

use crate::connection::{AnyConnection, Store};
use crate::error::StoreError;
use crate::schema::timeline;
use crate::time::{instant, stored};

/// One entry.
#[derive(Debug, Clone)]
pub struct TimelineRow {
    /// When.
    pub at: DateTime<Utc>,
    /// What; its text is `event-KIND`.
    pub kind: String,
    /// Who: `applicant`, `system` or `staff:ID`.
    pub by: String,
    /// Reason code or number.
    pub detail: String,
}

pub(crate) fn write(
    connection: &mut AnyConnection,
    events: &[TimelineEvent],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    for event in events {
        diesel::insert_into(timeline::table)
            .values((
                timeline::id.eq(Uuid::now_v7().simple().to_string()),
                timeline::application_id.eq(event.application.to_string()),
                timeline::at.eq(stored(now)),
                timeline::kind.eq(event.kind),
                timeline::by_whom.eq(event.by.code()),
                timeline::detail.eq(&event.detail),
            ))
            .execute(connection)?;
    }
    Ok(())
}

impl Store {
    /// The timeline of a case, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn timeline(&self, application: ApplicationId, most: i64) -> Result<Vec<TimelineRow>, StoreError> {
        self.read(|connection| {
            let rows: Vec<(NaiveDateTime, String, String, String)> = timeline::table
                .filter(timeline::application_id.eq(application.to_string()))
                .order(timeline::id.desc())
                .select((timeline::at, timeline::kind, timeline::by_whom, timeline::detail))
                .limit(most)
                .load(connection)?;
            let row = |(at, kind, by, detail)| TimelineRow { at: instant(at), kind, by, detail };
            Ok(rows.into_iter().map(row).collect())
        })
    }
}
