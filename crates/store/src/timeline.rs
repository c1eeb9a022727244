//! A case's timeline: append-only.

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::application::Application;
use domain::effects::{TimelineEntry, TimelineEvent};
use uuid::Uuid;

use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::{application, timeline};
use crate::time::{instant, stored};

/// Entries of one applicant that are loaded, the newest; a case has about a dozen.
const LOADED_MOST: i64 = 2_000;

pub(crate) fn write(
    connection: &mut AnyConnection,
    event: &TimelineEvent,
    now: DateTime<Utc>,
) -> Result<TimelineEntry, StoreError> {
    let by = event.by.code();
    diesel::insert_into(timeline::table)
        .values((
            timeline::id.eq(Uuid::now_v7().simple().to_string()),
            timeline::application_id.eq(event.application.to_string()),
            timeline::at.eq(stored(now)),
            timeline::kind.eq(event.kind),
            timeline::by_whom.eq(&by),
            timeline::detail.eq(&event.detail),
        ))
        .execute(connection)?;
    Ok(TimelineEntry { at: instant(stored(now)), kind: event.kind.to_owned(), by, detail: event.detail.clone() })
}

/// A row for an entry that was made elsewhere.
#[derive(Insertable)]
#[diesel(table_name = timeline)]
pub(crate) struct TimelineRow {
    id: String,
    application_id: String,
    at: NaiveDateTime,
    kind: String,
    by_whom: String,
    detail: String,
}

pub(crate) fn row(application: domain::ids::ApplicationId, entry: &TimelineEntry) -> TimelineRow {
    TimelineRow {
        id: Uuid::now_v7().simple().to_string(),
        application_id: application.to_string(),
        at: stored(entry.at),
        kind: entry.kind.clone(),
        by_whom: entry.by.clone(),
        detail: entry.detail.clone(),
    }
}

/// Loads the timelines of all of an applicant's applications.
pub(crate) fn load(
    connection: &mut AnyConnection,
    owner: &str,
    applications: &mut [Application],
) -> Result<(), StoreError> {
    type Row = (String, NaiveDateTime, String, String, String);
    let newest: Vec<Row> = timeline::table
        .inner_join(application::table.on(application::id.eq(timeline::application_id)))
        .filter(application::applicant_id.eq(owner))
        .order(timeline::id.desc())
        .select((timeline::application_id, timeline::at, timeline::kind, timeline::by_whom, timeline::detail))
        .limit(LOADED_MOST)
        .load(connection)?;
    for (id, at, kind, by, detail) in newest.into_iter().rev() {
        if let Some(parent) = crate::children::parent(applications, &id) {
            parent.timeline.push(TimelineEntry { at: instant(at), kind, by, detail });
        }
    }
    Ok(())
}
