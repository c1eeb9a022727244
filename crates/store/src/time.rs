//! Instants as both databases store them: UTC without a zone, to the microsecond.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};

/// To be stored.
pub(crate) fn stored(at: DateTime<Utc>) -> NaiveDateTime {
    at.naive_utc().trunc_subsecs(6)
}

/// From the store.
pub(crate) fn instant(at: NaiveDateTime) -> DateTime<Utc> {
    at.and_utc()
}
