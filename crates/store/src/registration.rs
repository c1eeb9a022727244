//! Registrations that wait for their code, the codes themselves, and the limits on both (R1.7).

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::effects::Notice;
use domain::one_time::{
    CODE_TRIES, CODE_TTL, CODES_PER_DAY, CODES_PER_HOUR, CODES_PER_HOUR_AND_NETWORK, CODES_PER_MINUTE,
};
use domain::registration::Registration;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::connection::{Store, hold};
use crate::error::StoreError;
use crate::notice;
use crate::schema::{code, registration};
use crate::time::{instant, stored};

/// How long a registration waits for its code.
const REGISTRATION_TTL: TimeDelta = TimeDelta::hours(2);
/// How far a registration is.
#[derive(Debug, Serialize, Deserialize)]
pub enum RegistrationState {
    /// It waits for its code.
    Waiting {
        /// What was typed, checked.
        registration: Registration,
        /// Whether the identity service confirmed name and document.
        confirmed: bool,
    },
    /// The account is made, with this user name; everything else is destroyed.
    Done(String),
}

/// What a typed code is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeCheck {
    /// It is the one that was sent, and now used.
    Right,
    /// It is not; so many tries are left.
    Wrong(i32),
    /// Too many wrong ones: a new code must be sent.
    Dead,
    /// It was right, but too late.
    Expired,
    /// None was sent, or it was used already.
    None,
}

impl Store {
    /// Keeps a registration, sealed, until its code comes.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keep_registration(
        &self,
        registration: Registration,
        confirmed: bool,
        now: DateTime<Utc>,
    ) -> Result<String, StoreError> {
        let id = Uuid::new_v4().simple().to_string();
        let state = RegistrationState::Waiting { registration, confirmed };
        let body = self.keys.seal_json(&format!("registration:{id}"), &state)?;
        self.write(|connection| {
            diesel::delete(registration::table.filter(registration::expires_at.lt(stored(now)))).execute(connection)?;
            diesel::insert_into(registration::table)
                .values((
                    registration::id.eq(&id),
                    registration::expires_at.eq(stored(now + REGISTRATION_TTL)),
                    registration::body.eq(body),
                ))
                .execute(connection)?;
            Ok(id.clone())
        })
    }

    /// The registration with this name, if it has not expired.
    ///
    /// # Errors
    /// `Missing` when there is none any more.
    pub fn registration(&self, id: &str, now: DateTime<Utc>) -> Result<RegistrationState, StoreError> {
        self.read(|connection| {
            let body: Vec<u8> = registration::table
                .find(id)
                .filter(registration::expires_at.ge(stored(now)))
                .select(registration::body)
                .first(connection)?;
            Ok(self.keys.open_json(&format!("registration:{id}"), &body)?)
        })
    }

    /// Destroys what was typed, password and all; who presses the button a second time still learns the user name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn finish_registration(&self, id: &str, user_name: &str) -> Result<(), StoreError> {
        let state = RegistrationState::Done(user_name.to_owned());
        let body = self.keys.seal_json(&format!("registration:{id}"), &state)?;
        self.write(|connection| {
            diesel::update(registration::table.find(id)).set(registration::body.eq(body)).execute(connection)?;
            Ok(())
        })
    }

    /// Makes a code and queues the notice that carries it, in one transaction, unless a limit forbids it.
    ///
    /// # Errors
    /// When the database fails. The inner error is the number of seconds to wait.
    pub fn send_code(
        &self,
        purpose: &str,
        notice: Notice,
        network: &str,
        six: &str,
        now: DateTime<Utc>,
    ) -> Result<Result<(), i64>, StoreError> {
        let address = self.keys.find("address", &notice.to);
        let hash = self.keys.sign("code", &format!("{purpose}:{address}:{six}"));
        self.write(|connection| {
            hold(connection, &address)?;
            let limits = [
                (TimeDelta::minutes(1), CODES_PER_MINUTE),
                (TimeDelta::hours(1), CODES_PER_HOUR),
                (TimeDelta::hours(24), CODES_PER_DAY),
            ];
            for (span, most) in limits {
                let since: Vec<chrono::NaiveDateTime> = code::table
                    .filter(code::address_key.eq(&address))
                    .filter(code::created_at.gt(stored(now - span)))
                    .order(code::created_at)
                    .select(code::created_at)
                    .load(connection)?;
                if i64::try_from(since.len()).unwrap_or(i64::MAX) >= most
                    && let Some(first) = since.first()
                {
                    return Ok(Err((instant(*first) + span - now).num_seconds().max(1)));
                }
            }
            let here: i64 = code::table
                .filter(code::network.eq(network))
                .filter(code::created_at.gt(stored(now - TimeDelta::hours(1))))
                .count()
                .get_result(connection)?;
            if here >= CODES_PER_HOUR_AND_NETWORK {
                return Ok(Err(600));
            }
            diesel::insert_into(code::table)
                .values((
                    code::id.eq(Uuid::now_v7().simple().to_string()),
                    code::purpose.eq(purpose),
                    code::address_key.eq(&address),
                    code::network.eq(network),
                    code::created_at.eq(stored(now)),
                    code::code_hash.eq(&hash),
                ))
                .execute(connection)?;
            notice::queue(connection, &self.keys, None, &notice, now)?;
            Ok(Ok(()))
        })
    }

    /// Checks a typed code against every code for this purpose and address that is still alive: sending again does
    /// not kill the earlier one. A right one is used up, with all the others.
    ///
    /// # Errors
    /// When the database fails.
    pub fn check_code(
        &self,
        purpose: &str,
        address: &str,
        six: &str,
        now: DateTime<Utc>,
    ) -> Result<CodeCheck, StoreError> {
        let address = self.keys.find("address", address);
        let hash = self.keys.sign("code", &format!("{purpose}:{address}:{six}"));
        self.write(|connection| {
            hold(connection, &address)?;
            let mine = code::table.filter(code::address_key.eq(&address)).filter(code::purpose.eq(purpose));
            let rows: Vec<(String, chrono::NaiveDateTime, String, i32, bool)> = mine
                .filter(code::created_at.gt(stored(now - TimeDelta::hours(24))))
                .order(code::created_at.desc())
                .select((code::id, code::created_at, code::code_hash, code::tries, code::used))
                .load(connection)?;
            let open: Vec<_> = rows.iter().filter(|(_, _, _, _, used)| !used).collect();
            let fresh = |at: &chrono::NaiveDateTime| instant(*at) + CODE_TTL > now;
            let hit = open.iter().find(|(_, _, stored, _, _)| *stored == hash);
            let alive: Vec<_> = open.iter().filter(|(_, at, _, tries, _)| fresh(at) && *tries < CODE_TRIES).collect();
            if let Some((_, at, _, tries, _)) = hit
                && *tries < CODE_TRIES
            {
                if !fresh(at) {
                    return Ok(CodeCheck::Expired);
                }
                diesel::update(mine).set(code::used.eq(true)).execute(connection)?;
                return Ok(CodeCheck::Right);
            }
            if alive.is_empty() {
                let dead = open.iter().any(|(_, at, _, tries, _)| fresh(at) && *tries >= CODE_TRIES);
                return Ok(if dead { CodeCheck::Dead } else { CodeCheck::None });
            }
            let mut left = 0;
            for (id, _, _, tries, _) in alive {
                diesel::update(code::table.find(id)).set(code::tries.eq(tries + 1)).execute(connection)?;
                left = left.max(CODE_TRIES - tries - 1);
            }
            Ok(if left > 0 { CodeCheck::Wrong(left) } else { CodeCheck::Dead })
        })
    }
}
