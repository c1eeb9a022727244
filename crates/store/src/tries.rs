//! Limits on what can be guessed or flooded: log-ins, codes, registrations, look-ups.
//!
//! A try is counted before it is made, in the same transaction in which the limit is looked at: tries at once count as
//! many. What succeeds may be forgotten, so that only failures count.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::connection::{Store, hold};
use crate::error::StoreError;
use crate::schema::tries;
use crate::time::{instant, stored};

/// So many tries in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Tries.
    pub most: i64,
    /// The time, at the longest [`Limit::LONGEST`].
    pub within: TimeDelta,
}

impl Limit {
    /// What is older is forgotten.
    pub const LONGEST: TimeDelta = TimeDelta::hours(24);
    /// Guesses at one secret: a password, a second factor, a certificate's holder (R2.1).
    pub const GUESSES: Self = Self { most: 5, within: TimeDelta::minutes(15) };
    /// Failed log-ins from one network; a university may be one.
    pub const LOGINS_OF_NETWORK: Self = Self { most: 100, within: TimeDelta::minutes(15) };
    /// Registrations from one network: each asks the identity service, and says whether somebody is registered (R1.10).
    pub const REGISTRATIONS_OF_NETWORK: Self = Self { most: 40, within: TimeDelta::hours(1) };
    /// Look-ups of oneself in the register of joint programmes (R3.2).
    pub const LOOK_UPS: Self = Self { most: 10, within: TimeDelta::hours(1) };
    /// Files that one network has verified: each costs a signature or two.
    pub const FILES: Self = Self { most: 60, within: TimeDelta::minutes(10) };
    /// Names that are tried for one number, from wherever.
    pub const GUESSES_OF_NUMBER: Self = Self { most: 40, within: TimeDelta::minutes(15) };
    /// Looks at one shared document from one network.
    pub const LOOKS: Self = Self { most: 20, within: TimeDelta::minutes(10) };
    /// Addresses of documents that are none: nobody hits one by guessing.
    pub const MISSES: Self = Self { most: 60, within: TimeDelta::minutes(10) };
    /// Registrations with one document.
    pub const REGISTRATIONS_OF_DOCUMENT: Self = Self { most: 10, within: Self::LONGEST };
}

impl Store {
    /// Counts a try of `who`, a name with its purpose before it, and says whether it may be made.
    ///
    /// # Errors
    /// When the database fails. The inner error is the number of seconds to wait.
    pub fn count_try(&self, who: &str, limit: Limit, now: DateTime<Utc>) -> Result<Result<(), i64>, StoreError> {
        let who = self.keys.find("tries", who);
        self.write(|connection| {
            hold(connection, &who)?;
            diesel::delete(tries::table.filter(tries::at.lt(stored(now - Limit::LONGEST)))).execute(connection)?;
            let made: Vec<NaiveDateTime> = tries::table
                .filter(tries::who.eq(&who))
                .filter(tries::at.gt(stored(now - limit.within)))
                .order(tries::at.desc())
                .select(tries::at)
                .limit(limit.most)
                .load(connection)?;
            if i64::try_from(made.len()).unwrap_or(i64::MAX) >= limit.most {
                let oldest = made.last().map_or(now, |at| instant(*at));
                return Ok(Err((oldest + limit.within - now).num_seconds().max(1)));
            }
            diesel::insert_into(tries::table)
                .values((
                    tries::id.eq(Uuid::now_v7().simple().to_string()),
                    tries::who.eq(&who),
                    tries::at.eq(stored(now)),
                ))
                .execute(connection)?;
            Ok(Ok(()))
        })
    }

    /// Forgets the last try of `who`: it was no guess.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_try(&self, who: &str) -> Result<(), StoreError> {
        let who = self.keys.find("tries", who);
        self.write(|connection| {
            let last: Option<String> = tries::table
                .filter(tries::who.eq(&who))
                .order(tries::at.desc())
                .select(tries::id)
                .first(connection)
                .optional()?;
            if let Some(id) = last {
                diesel::delete(tries::table.find(id)).execute(connection)?;
            }
            Ok(())
        })
    }

    /// Forgets all tries of `who`: a right password makes up for the wrong ones.
    ///
    /// # Errors
    /// When the database fails.
    pub fn forget_tries(&self, who: &str) -> Result<(), StoreError> {
        let who = self.keys.find("tries", who);
        self.write(|connection| {
            diesel::delete(tries::table.filter(tries::who.eq(&who))).execute(connection)?;
            Ok(())
        })
    }
}
