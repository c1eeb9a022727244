//! What administrators set: the table of materials, version by version, and single values.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::effects::AuditEntry;
use domain::ids::StaffId;
use domain::material::{SlotRule, SlotWords, Table};

use crate::audit;
use crate::connection::{AnyConnection, Store, hold};
use crate::error::StoreError;
use crate::schema::{material_table, setting};
use crate::time::{instant, stored};

/// The tables that were read; they never change.
#[derive(Default)]
pub(crate) struct Tables(Mutex<BTreeMap<i64, Arc<Table>>>);

impl Tables {
    fn known(&self, version: i64) -> Option<Arc<Table>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&version).cloned()
    }

    /// The table with this version.
    pub(crate) fn get(&self, connection: &mut AnyConnection, version: i64) -> Result<Arc<Table>, StoreError> {
        if version == 0 {
            return Ok(Table::built_in());
        }
        if let Some(known) = self.known(version) {
            return Ok(known);
        }
        let body: String = material_table::table.find(version).select(material_table::body).first(connection)?;
        let table = Arc::new(Table { version, rules: serde_json::from_str(&body)? });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(version, Arc::clone(&table));
        Ok(table)
    }
}

fn newest(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let newest: Option<i64> = material_table::table
        .order(material_table::version.desc())
        .select(material_table::version)
        .first(connection)
        .optional()?;
    Ok(newest.unwrap_or(0))
}

impl Store {
    /// The table of materials that new applications get.
    ///
    /// # Errors
    /// When the database fails.
    pub fn materials_table(&self) -> Result<Arc<Table>, StoreError> {
        self.read(|connection| {
            let version = newest(connection)?;
            self.tables.get(connection, version)
        })
    }

    /// Makes a new version of the table, on top of `seen`.
    ///
    /// # Errors
    /// `Stale` when somebody made another version meanwhile.
    pub fn change_materials(
        &self,
        seen: i64,
        rules: &[SlotRule],
        by: StaffId,
        entry: &AuditEntry,
        now: DateTime<Utc>,
    ) -> Result<i64, StoreError> {
        let body = serde_json::to_string(rules)?;
        self.write(|connection| {
            hold(connection, "material_table")?;
            if newest(connection)? != seen {
                return Err(StoreError::Stale);
            }
            diesel::insert_into(material_table::table)
                .values((
                    material_table::version.eq(seen + 1),
                    material_table::made_at.eq(stored(now)),
                    material_table::made_by.eq(by.to_string()),
                    material_table::body.eq(&body),
                ))
                .execute(connection)?;
            audit::write(connection, std::slice::from_ref(entry), now)?;
            Ok(seen + 1)
        })
    }

    /// The newest versions of the table: number, when, by whom.
    ///
    /// # Errors
    /// When the database fails.
    pub fn materials_versions(&self, most: i64) -> Result<Vec<(i64, DateTime<Utc>, String)>, StoreError> {
        let rows: Vec<(i64, NaiveDateTime, String)> = self.read(|connection| {
            Ok(material_table::table
                .order(material_table::version.desc())
                .select((material_table::version, material_table::made_at, material_table::made_by))
                .limit(most)
                .load(connection)?)
        })?;
        Ok(rows.into_iter().map(|(version, at, by)| (version, instant(at), by)).collect())
    }

    /// What a slot that staff added is called, as far as any table that was read names it.
    pub fn slot_words(&self, slot: &str) -> Option<SlotWords> {
        let known = self.tables.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().rev().find_map(|table| table.rule(slot)?.words.clone())
    }

    /// A value that was set.
    ///
    /// # Errors
    /// When the database fails; none is `None`.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|connection| Ok(setting::table.find(name).select(setting::value).first(connection).optional()?))
    }

    /// Sets a value.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_setting(
        &self,
        name: &str,
        value: &str,
        entry: &AuditEntry,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write(|connection| {
            hold(connection, "setting")?;
            let changed =
                diesel::update(setting::table.find(name)).set(setting::value.eq(value)).execute(connection)?;
            if changed == 0 {
                diesel::insert_into(setting::table)
                    .values((setting::name.eq(name), setting::value.eq(value)))
                    .execute(connection)?;
            }
            audit::write(connection, std::slice::from_ref(entry), now)
        })
    }
}
