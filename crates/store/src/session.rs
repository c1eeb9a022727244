//! Log-ins: the cookie's token is stored as a hash, so who reads the table can't be somebody else.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::ids::ApplicantId;

use crate::connection::Store;
use crate::error::StoreError;
use crate::recent::Recent;
use crate::schema::{applicant, session};
use crate::secrets::{random_token, token_hash};
use crate::time::{instant, stored};

/// At which side somebody is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realm {
    /// Applicants.
    Applicant,
    /// Staff who gave a password and owe the second factor.
    StaffHalf,
    /// Staff.
    Staff,
}

impl Realm {
    const fn code(self) -> &'static str {
        match self {
            Self::Applicant => "applicant",
            Self::StaffHalf => "staff-half",
            Self::Staff => "staff",
        }
    }

    /// How long a log-in lasts.
    pub const fn ttl(self) -> TimeDelta {
        match self {
            Self::Applicant => TimeDelta::hours(12),
            Self::StaffHalf => TimeDelta::minutes(10),
            Self::Staff => TimeDelta::hours(10),
        }
    }
}

/// A log-in.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// The id of the applicant or officer.
    pub holder: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// When the second factor was last given.
    pub confirmed: DateTime<Utc>,
}

impl Store {
    /// Logs `holder` in and returns the token for the cookie.
    ///
    /// # Errors
    /// When the database fails.
    pub fn begin_session(&self, realm: Realm, holder: &str, now: DateTime<Utc>) -> Result<String, StoreError> {
        let token = random_token();
        self.write(|connection| {
            diesel::delete(session::table.filter(session::expires_at.lt(stored(now)))).execute(connection)?;
            diesel::insert_into(session::table)
                .values((
                    session::token_hash.eq(token_hash(&token)),
                    session::realm.eq(realm.code()),
                    session::holder.eq(holder),
                    session::created_at.eq(stored(now)),
                    session::expires_at.eq(stored(now + realm.ttl())),
                ))
                .execute(connection)?;
            Ok(token.clone())
        })
    }

    /// The log-in behind a token.
    ///
    /// # Errors
    /// When the database fails; an unknown or expired token is `None`.
    pub fn session(&self, realm: Realm, token: &str, now: DateTime<Utc>) -> Result<Option<SessionRow>, StoreError> {
        self.read(|connection| {
            type Row = (String, NaiveDateTime, NaiveDateTime, Option<NaiveDateTime>);
            let row: Option<Row> = session::table
                .find(token_hash(token))
                .filter(session::realm.eq(realm.code()))
                .filter(session::expires_at.gt(stored(now)))
                .select((session::holder, session::created_at, session::expires_at, session::confirmed_at))
                .first(connection)
                .optional()?;
            Ok(row.map(|(holder, since, until, confirmed)| SessionRow {
                holder,
                since: instant(since),
                until: instant(until),
                confirmed: instant(confirmed.unwrap_or(since)),
            }))
        })
    }

    /// Notes that the second factor was given again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn confirm_session(&self, token: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = session::table.find(token_hash(token));
            diesel::update(row).set(session::confirmed_at.eq(Some(stored(now)))).execute(connection)?;
            Ok(())
        })
    }

    /// A holder's log-ins: a name for each that ends it, since when, and whether it is this one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn sessions_of(
        &self,
        holder: &str,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, DateTime<Utc>, bool)>, StoreError> {
        let mine = token_hash(token);
        self.read(|connection| {
            let rows: Vec<(String, NaiveDateTime)> = session::table
                .filter(session::holder.eq(holder))
                .filter(session::realm.ne(Realm::StaffHalf.code()))
                .filter(session::expires_at.gt(stored(now)))
                .order(session::created_at.desc())
                .select((session::token_hash, session::created_at))
                .limit(100)
                .load(connection)?;
            Ok(rows.into_iter().map(|(hash, at)| (hash.clone(), instant(at), hash == mine)).collect())
        })
    }

    /// Ends one of a holder's own log-ins by its name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_session_of(&self, holder: &str, name: &str) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = session::table.find(name).filter(session::holder.eq(holder));
            diesel::delete(row).execute(connection)?;
            Ok(())
        })
    }

    /// The applicant behind a token, with the present version of everything that belongs to it.
    ///
    /// # Errors
    /// When the database fails; an unknown or expired token is `None`.
    pub fn session_and_version(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<(ApplicantId, i64)>, StoreError> {
        let hash = token_hash(token);
        let endings = self.recent.as_ref().map_or(0, Recent::endings);
        let found: Option<(String, i64, NaiveDateTime)> = self.read(|connection| {
            Ok(session::table
                .inner_join(applicant::table.on(applicant::id.eq(session::holder)))
                .filter(session::token_hash.eq(&hash))
                .filter(session::realm.eq(Realm::Applicant.code()))
                .filter(session::expires_at.gt(stored(now)))
                .select((applicant::id, applicant::version, session::expires_at))
                .first(connection)
                .optional()?)
        })?;
        let Some((id, version, until)) = found else { return Ok(None) };
        let id = id.parse().map_err(|_| StoreError::Value("session.holder"))?;
        if let Some(recent) = &self.recent {
            recent.at_version(id, version);
            recent.logged_in(hash, id, instant(until), endings);
        }
        Ok(Some((id, version)))
    }

    /// Logs one browser out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_session(&self, token: &str) -> Result<(), StoreError> {
        self.write(|connection| {
            diesel::delete(session::table.find(token_hash(token))).execute(connection)?;
            Ok(())
        })?;
        if let Some(recent) = &self.recent {
            recent.ended(&token_hash(token));
        }
        Ok(())
    }

    /// Logs a holder out everywhere (R2.1).
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_sessions(&self, holder: &str) -> Result<usize, StoreError> {
        let ended = self.write(|connection| {
            Ok(diesel::delete(session::table.filter(session::holder.eq(holder))).execute(connection)?)
        })?;
        if let Some(recent) = &self.recent {
            recent.all_ended(holder);
        }
        Ok(ended)
    }

    /// How many browsers a holder is logged in at.
    ///
    /// # Errors
    /// When the database fails.
    pub fn count_sessions(&self, holder: &str, now: DateTime<Utc>) -> Result<i64, StoreError> {
        self.read(|connection| {
            Ok(session::table
                .filter(session::holder.eq(holder))
                .filter(session::expires_at.gt(stored(now)))
                .count()
                .get_result(connection)?)
        })
    }
}
