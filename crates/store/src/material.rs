//! Images that wait for the upload validator.

use diesel::prelude::*;
use domain::ids::{ApplicantId, ApplicationId};
use domain::material::Material;

use crate::connection::Store;
use crate::error::StoreError;
use crate::schema::material;

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

impl Store {
    /// The image that has waited longest; that it is being looked at is counted first, so an image that kills the
    /// validator is known by it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn due_material(&self) -> Result<Option<DueMaterial>, StoreError> {
        let row = self.read(|connection| {
            Ok(material::table
                .filter(material::state.eq("waiting"))
                .order(material::id)
                .select((
                    material::id,
                    material::applicant_id,
                    material::application_id,
                    material::crashes,
                    material::body,
                ))
                .first::<(String, String, String, i32, Vec<u8>)>(connection)
                .optional()?)
        })?;
        let Some((id, applicant, application, crashes, body)) = row else { return Ok(None) };
        self.write(|connection| {
            let set = material::crashes.eq(material::crashes + 1);
            Ok(diesel::update(material::table.find(&id)).set(set).execute(connection)?)
        })?;
        Ok(Some(DueMaterial {
            applicant: applicant.parse().map_err(|_| StoreError::Value("material.applicant_id"))?,
            application: application.parse().map_err(|_| StoreError::Value("material.application_id"))?,
            material: self.keys.open_json(&format!("material:{id}"), &body)?,
            crashes,
        }))
    }

    /// How many images wait.
    ///
    /// # Errors
    /// When the database fails.
    pub fn materials_waiting(&self) -> Result<i64, StoreError> {
        self.read(|connection| {
            Ok(material::table.filter(material::state.eq("waiting")).count().get_result(connection)?)
        })
    }
}
