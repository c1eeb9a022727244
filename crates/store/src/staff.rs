//! Accounts of staff (R6.1): invitations, password and second factor, codes for a lost one, roles.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::effects::AuditEntry;
use domain::ids::StaffId;
use domain::staff::{Officer, Role};

use crate::audit;
use crate::connection::Store;
use crate::error::StoreError;
use crate::schema::{invitation, recovery_code, session, staff};
use crate::secrets::{random_token, token_hash};
use crate::time::{instant, stored};

/// How long an invitation is good.
pub const INVITATION: TimeDelta = TimeDelta::hours(72);
/// Codes that stand in for a lost second factor, each once.
pub const RECOVERY_CODES: usize = 10;

/// An account as pages see it.
pub type StaffRow = Officer;

/// What a log-in is checked against.
pub struct StaffSecret {
    /// Whose.
    pub officer: Officer,
    /// Argon2id in PHC form.
    pub password_hash: String,
    /// Shared secret of the second factor.
    pub totp: Vec<u8>,
    /// The last time step that was used; none is used twice.
    pub last_step: i64,
}

type Row = (String, String, String, String, i64, Vec<u8>);

/// Whoever may become staff.
pub struct Invitation {
    /// The user name that was chosen.
    pub user_name: String,
    /// For pages.
    pub name: String,
    /// What they are for.
    pub roles: Vec<Role>,
    /// The secret of the second factor, to be put into an app.
    pub totp: Vec<u8>,
}

/// An account in the list of staff.
#[derive(Debug, Clone)]
pub struct PersonRow {
    /// Who.
    pub officer: Officer,
    /// User name.
    pub user_name: String,
    /// When they left, if they did.
    pub left: Option<DateTime<Utc>>,
}

fn roles_of(text: &str) -> Vec<Role> {
    text.split(',').filter_map(Role::from_code).collect()
}

fn codes(roles: &[Role]) -> String {
    roles.iter().map(|role| role.code()).collect::<Vec<_>>().join(",")
}

impl Store {
    /// Makes an account, or leaves the one that is there.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_staff(
        &self,
        user_name: &str,
        name: &str,
        roles: &[Role],
        password_hash: &str,
        totp: &[u8],
    ) -> Result<(), StoreError> {
        let id = StaffId::fresh().to_string();
        let roles = codes(roles);
        let sealed = self.keys.seal(&format!("staff:{id}"), totp)?;
        self.write(|connection| {
            let known: i64 = staff::table.filter(staff::user_name.eq(user_name)).count().get_result(connection)?;
            if known > 0 {
                return Ok(());
            }
            diesel::insert_into(staff::table)
                .values((
                    staff::id.eq(&id),
                    staff::user_name.eq(user_name),
                    staff::name.eq(name),
                    staff::roles.eq(roles),
                    staff::password_hash.eq(password_hash),
                    staff::totp.eq(sealed),
                ))
                .execute(connection)?;
            Ok(())
        })
    }

    /// The account with this user name.
    ///
    /// # Errors
    /// When the database fails; none is `None`.
    pub fn staff_by_name(&self, user_name: &str) -> Result<Option<StaffSecret>, StoreError> {
        let row: Option<Row> = self.read(|connection| {
            Ok(staff::table
                .filter(staff::user_name.eq(user_name.trim().to_lowercase()))
                .filter(staff::left_at.is_null())
                .select((staff::id, staff::name, staff::roles, staff::password_hash, staff::last_step, staff::totp))
                .first(connection)
                .optional()?)
        })?;
        row.map(|row| self.secret(row)).transpose()
    }

    /// The account with this id.
    ///
    /// # Errors
    /// `Missing` when there is none.
    pub fn staff(&self, id: &str) -> Result<StaffSecret, StoreError> {
        let row: Row = self.read(|connection| {
            Ok(staff::table
                .find(id)
                .filter(staff::left_at.is_null())
                .select((staff::id, staff::name, staff::roles, staff::password_hash, staff::last_step, staff::totp))
                .first(connection)?)
        })?;
        self.secret(row)
    }

    fn secret(&self, (id, name, roles, password_hash, last_step, totp): Row) -> Result<StaffSecret, StoreError> {
        Ok(StaffSecret {
            totp: self.keys.open(&format!("staff:{id}"), &totp)?,
            officer: Officer {
                id: id.parse().map_err(|_| StoreError::Value("staff.id"))?,
                name,
                roles: roles_of(&roles),
            },
            password_hash,
            last_step,
        })
    }

    /// Uses up a time step; false when it, or a later one, was used already.
    ///
    /// # Errors
    /// When the database fails.
    pub fn use_step(&self, id: StaffId, step: i64) -> Result<bool, StoreError> {
        self.write(|connection| {
            let row = staff::table.find(id.to_string()).filter(staff::last_step.lt(step));
            Ok(diesel::update(row).set(staff::last_step.eq(step)).execute(connection)? == 1)
        })
    }

    /// Invites somebody; the token goes into a link that is shown once.
    ///
    /// # Errors
    /// `Taken` when the user name belongs to somebody.
    pub fn invite(
        &self,
        user_name: &str,
        name: &str,
        roles: &[Role],
        entry: &AuditEntry,
        now: DateTime<Utc>,
    ) -> Result<String, StoreError> {
        let (token, secret) = (random_token(), random_token());
        let hash = token_hash(&token);
        // 160 bits, as RFC 4226 wants them.
        let totp = hex::decode(secret.get(..40).unwrap_or_default()).unwrap_or_default();
        let sealed = self.keys.seal(&format!("invitation:{hash}"), &totp)?;
        self.write(|connection| {
            let known: i64 = staff::table.filter(staff::user_name.eq(user_name)).count().get_result(connection)?;
            if known > 0 {
                return Err(StoreError::Taken("staff.user_name".into()));
            }
            diesel::delete(invitation::table.filter(invitation::expires_at.lt(stored(now)))).execute(connection)?;
            diesel::delete(invitation::table.filter(invitation::user_name.eq(user_name))).execute(connection)?;
            diesel::insert_into(invitation::table)
                .values((
                    invitation::token_hash.eq(&hash),
                    invitation::user_name.eq(user_name),
                    invitation::name.eq(name),
                    invitation::roles.eq(codes(roles)),
                    invitation::expires_at.eq(stored(now + INVITATION)),
                    invitation::totp.eq(sealed),
                ))
                .execute(connection)?;
            audit::write(connection, std::slice::from_ref(entry), now)?;
            Ok(token.clone())
        })
    }

    /// What a link invites to.
    ///
    /// # Errors
    /// `Missing` when it is used, too old, or none of ours.
    pub fn invitation(&self, token: &str, now: DateTime<Utc>) -> Result<Invitation, StoreError> {
        let hash = token_hash(token);
        let (user_name, name, roles, totp): (String, String, String, Vec<u8>) = self.read(|connection| {
            Ok(invitation::table
                .find(&hash)
                .filter(invitation::expires_at.gt(stored(now)))
                .select((invitation::user_name, invitation::name, invitation::roles, invitation::totp))
                .first(connection)?)
        })?;
        let totp = self.keys.open(&format!("invitation:{hash}"), &totp)?;
        Ok(Invitation { user_name, name, roles: roles_of(&roles), totp })
    }

    /// Makes the account that a link invites to, uses the link up, and gives the recovery codes, which are shown once.
    ///
    /// # Errors
    /// `Missing` when the link is used up.
    pub fn accept_invitation(
        &self,
        token: &str,
        password_hash: &str,
        now: DateTime<Utc>,
    ) -> Result<(StaffId, Vec<String>), StoreError> {
        let invited = self.invitation(token, now)?;
        let (hash, id) = (token_hash(token), StaffId::fresh());
        let key = id.to_string();
        let sealed = self.keys.seal(&format!("staff:{key}"), &invited.totp)?;
        let made = self.write(|connection| {
            if diesel::delete(invitation::table.find(&hash)).execute(connection)? != 1 {
                return Err(StoreError::Missing);
            }
            diesel::insert_into(staff::table)
                .values((
                    staff::id.eq(&key),
                    staff::user_name.eq(&invited.user_name),
                    staff::name.eq(&invited.name),
                    staff::roles.eq(codes(&invited.roles)),
                    staff::password_hash.eq(password_hash),
                    staff::totp.eq(sealed),
                ))
                .execute(connection)?;
            let by = domain::effects::Actor::Staff(id);
            let entry = AuditEntry { by, act: "invitation-accepted", subject: format!("staff:{id}") };
            audit::write(connection, &[entry], now)
        });
        made?;
        Ok((id, self.fresh_recovery_codes(id)?))
    }

    /// Makes new recovery codes; older ones are void.
    ///
    /// # Errors
    /// When the database fails.
    pub fn fresh_recovery_codes(&self, id: StaffId) -> Result<Vec<String>, StoreError> {
        let fresh: Vec<String> = (0..RECOVERY_CODES)
            .map(|_| random_token())
            .map(|token| format!("{}-{}", token.get(..5).unwrap_or_default(), token.get(5..10).unwrap_or_default()))
            .collect();
        let key = id.to_string();
        self.write(|connection| {
            let old = recovery_code::table.filter(recovery_code::staff_id.eq(&key));
            diesel::delete(old).execute(connection)?;
            for code in &fresh {
                let hash = self.keys.find("recovery", &format!("{key}:{code}"));
                diesel::insert_into(recovery_code::table)
                    .values((recovery_code::code_hash.eq(hash), recovery_code::staff_id.eq(&key)))
                    .execute(connection)?;
            }
            Ok(())
        })?;
        Ok(fresh)
    }

    /// Uses a recovery code up; false when it is none.
    ///
    /// # Errors
    /// When the database fails.
    pub fn use_recovery_code(&self, id: StaffId, code: &str) -> Result<bool, StoreError> {
        let bare: String = code.trim().to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
        let hash = self.keys.find("recovery", &format!("{id}:{bare}"));
        self.write(|connection| Ok(diesel::delete(recovery_code::table.find(hash)).execute(connection)? == 1))
    }

    /// Everybody on the staff, by user name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn people(&self) -> Result<Vec<PersonRow>, StoreError> {
        type Row = (String, String, String, String, Option<NaiveDateTime>);
        let rows: Vec<Row> = self.read(|connection| {
            Ok(staff::table
                .order(staff::user_name)
                .select((staff::id, staff::user_name, staff::name, staff::roles, staff::left_at))
                .limit(1_000)
                .load(connection)?)
        })?;
        rows.into_iter()
            .map(|(id, user_name, name, roles, left)| {
                let id = id.parse().map_err(|_| StoreError::Value("staff.id"))?;
                let officer = Officer { id, name, roles: roles_of(&roles) };
                Ok(PersonRow { officer, user_name, left: left.map(instant) })
            })
            .collect()
    }

    /// Changes what somebody is for; every log-in of theirs ends.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_roles(
        &self,
        id: StaffId,
        roles: &[Role],
        entry: &AuditEntry,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write(|connection| {
            let key = id.to_string();
            diesel::update(staff::table.find(&key)).set(staff::roles.eq(codes(roles))).execute(connection)?;
            diesel::delete(session::table.filter(session::holder.eq(&key))).execute(connection)?;
            audit::write(connection, std::slice::from_ref(entry), now)
        })
    }

    /// Somebody leaves, or comes back; every log-in of theirs ends.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_left(&self, id: StaffId, left: bool, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            let key = id.to_string();
            let at = left.then(|| stored(now));
            diesel::update(staff::table.find(&key)).set(staff::left_at.eq(at)).execute(connection)?;
            diesel::delete(session::table.filter(session::holder.eq(&key))).execute(connection)?;
            audit::write(connection, std::slice::from_ref(entry), now)
        })
    }

    /// Names of staff by id, for timelines.
    ///
    /// # Errors
    /// When the database fails.
    pub fn staff_names(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|connection| Ok(staff::table.select((staff::id, staff::name)).limit(1_000).load(connection)?))
    }
}
