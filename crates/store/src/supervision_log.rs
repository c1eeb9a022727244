//! The supervision log, kept: operators look back over restarts of the process (R7.1).

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::prelude::*;

use crate::connection::Store;
use crate::error::StoreError;
use crate::schema::supervision_event;
use crate::time::{instant, stored};

/// So long events are kept; the JSON log may keep them for longer.
pub const EVENTS_KEPT: TimeDelta = TimeDelta::days(90);

/// One event, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable)]
#[diesel(table_name = supervision_event)]
pub struct EventRow {
    /// Its key; newer ones are greater.
    pub id: String,
    /// When.
    #[diesel(serialize_as = NaiveDateTime, deserialize_as = NaiveDateTime)]
    pub at: Instant,
    /// What happened: the name in supervision's catalogue.
    pub kind: String,
    /// To whom.
    pub child: String,
    /// Which incarnation.
    pub epoch: i64,
    /// Reason, type of message, reference.
    pub detail: String,
    /// Milliseconds until the next incarnation.
    pub backoff_ms: i64,
    /// The row that was being worked on.
    pub task: String,
    /// Who ordered it.
    pub by_whom: String,
}

/// An instant of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub DateTime<Utc>);

impl From<NaiveDateTime> for Instant {
    fn from(at: NaiveDateTime) -> Self {
        Self(instant(at))
    }
}

impl From<Instant> for NaiveDateTime {
    fn from(at: Instant) -> Self {
        stored(at.0)
    }
}

/// Which events are wanted; empty says "all".
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// One kind.
    pub kind: Option<String>,
    /// One child.
    pub child: Option<String>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

impl Store {
    /// Keeps events; one that is kept already is left as it is.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_events(&self, events: &[EventRow]) -> Result<(), StoreError> {
        self.write(|connection| {
            let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
            let known: Vec<String> = supervision_event::table
                .filter(supervision_event::id.eq_any(ids))
                .select(supervision_event::id)
                .load(connection)?;
            for event in events.iter().filter(|event| !known.contains(&event.id)) {
                diesel::insert_into(supervision_event::table).values(event.clone()).execute(connection)?;
            }
            Ok(())
        })
    }

    /// Events, newest first; `after` is the last of the page before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn events(
        &self,
        filter: &EventFilter,
        after: Option<(DateTime<Utc>, String)>,
        most: i64,
    ) -> Result<Vec<EventRow>, StoreError> {
        self.read(|connection| {
            let mut query = supervision_event::table.into_boxed();
            if let Some(kind) = &filter.kind {
                query = query.filter(supervision_event::kind.eq(kind));
            }
            if let Some(child) = &filter.child {
                query = query.filter(supervision_event::child.eq(child));
            }
            if let Some(from) = filter.from {
                query = query.filter(supervision_event::at.ge(stored(from)));
            }
            if let Some(to) = filter.to {
                query = query.filter(supervision_event::at.lt(stored(to)));
            }
            if let Some((at, id)) = after {
                let at = stored(at);
                query = query.filter(supervision_event::at.le(at));
                query = query.filter(
                    supervision_event::at.lt(at).or(supervision_event::at.eq(at).and(supervision_event::id.lt(id))),
                );
            }
            Ok(query
                .order((supervision_event::at.desc(), supervision_event::id.desc()))
                .limit(most)
                .load(connection)?)
        })
    }

    /// Forgets events from before `until`, at most `most` at a time; says how many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_events(&self, until: DateTime<Utc>, most: i64) -> Result<usize, StoreError> {
        self.write(|connection| {
            let old: Vec<String> = supervision_event::table
                .filter(supervision_event::at.lt(stored(until)))
                .order((supervision_event::at, supervision_event::id))
                .select(supervision_event::id)
                .limit(most)
                .load(connection)?;
            Ok(diesel::delete(supervision_event::table.filter(supervision_event::id.eq_any(old)))
                .execute(connection)?)
        })
    }
}
