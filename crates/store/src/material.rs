//! Images that wait for the upload validator.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::ids::{ApplicantId, ApplicationId, MaterialId};
use domain::material::Material;

use crate::connection::Store;
use crate::error::StoreError;
use crate::schema::material;
use crate::time::stored;

/// Crashes of the validator over one image after which the image counts as damaged.
pub const MATERIAL_CRASHES_MOST: i32 = 3;

/// An image to be looked at.
#[derive(Debug)]
pub struct DueMaterial {
    /// Of whom.
    pub applicant: ApplicantId,
    /// In which application.
    pub application: ApplicationId,
    /// The image.
    pub material: Material,
    /// How often the validator died over it.
    pub crashes: i32,
}

/// How long a claimed image is left to its claimer.
const LEASE: TimeDelta = TimeDelta::seconds(15);

impl Store {
    /// Claims the image that has waited longest. That it is being looked at is counted first, so an image that kills
    /// the validator is known by it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn claim_material(&self, now: DateTime<Utc>) -> Result<Option<DueMaterial>, StoreError> {
        type Row = (String, String, String, i32, Option<NaiveDateTime>, Vec<u8>);
        let columns = (
            material::id,
            material::applicant_id,
            material::application_id,
            material::crashes,
            material::due_at,
            material::body,
        );
        let row: Option<Row> = self.read(|connection| {
            let due = material::table.filter(material::due_at.le(stored(now)));
            Ok(due.order((material::due_at, material::id)).select(columns).first(connection).optional()?)
        })?;
        let Some((id, applicant, application, crashes, due, body)) = row else { return Ok(None) };
        let claimed = self.write(|connection| {
            let row = material::table.find(&id).filter(material::due_at.eq(due));
            let set = (material::due_at.eq(stored(now + LEASE)), material::crashes.eq(material::crashes + 1));
            Ok(diesel::update(row).set(set).execute(connection)? == 1)
        })?;
        if !claimed {
            return Ok(None);
        }
        Ok(Some(DueMaterial {
            applicant: applicant.parse().map_err(|_| StoreError::Value("material.applicant_id"))?,
            application: application.parse().map_err(|_| StoreError::Value("material.application_id"))?,
            material: self.keys.open_json(&format!("material:{id}"), &body)?,
            crashes,
        }))
    }

    /// Puts an image back that could not be looked at for a reason of ours; that was no crash.
    ///
    /// # Errors
    /// When the database fails.
    pub fn defer_material(&self, id: MaterialId, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = material::table.find(id.to_string()).filter(material::due_at.is_not_null());
            let set = (material::due_at.eq(stored(until)), material::crashes.eq(material::crashes - 1));
            diesel::update(row).set(set).execute(connection)?;
            Ok(())
        })
    }

    /// How many images wait.
    ///
    /// # Errors
    /// When the database fails.
    pub fn materials_waiting(&self) -> Result<i64, StoreError> {
        self.read(|connection| {
            Ok(material::table.filter(material::due_at.is_not_null()).count().get_result(connection)?)
        })
    }
}
