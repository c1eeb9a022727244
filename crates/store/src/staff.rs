//! Accounts of staff (R6.1): password and second factor, roles.

use diesel::prelude::*;
use domain::ids::StaffId;
use domain::staff::{Officer, Role};

use crate::connection::Store;
use crate::error::StoreError;
use crate::schema::staff;

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
        let roles: Vec<&str> = roles.iter().map(|role| role.code()).collect();
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
                    staff::roles.eq(roles.join(",")),
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
                roles: roles.split(',').filter_map(Role::from_code).collect(),
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

    /// Names of staff by id, for timelines.
    ///
    /// # Errors
    /// When the database fails.
    pub fn staff_names(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|connection| Ok(staff::table.select((staff::id, staff::name)).limit(1_000).load(connection)?))
    }
}
