//! Verifications that the identity service must be asked about.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use domain::ids::{ApplicantId, ApplicationId};
use domain::verification::Verification;

use crate::connection::Store;
use crate::error::StoreError;
use crate::schema::verification;
use crate::time::stored;

/// A verification whose look is due.
#[derive(Debug)]
pub struct DueVerification {
    /// Of whom.
    pub applicant: ApplicantId,
    /// In which application.
    pub application: ApplicationId,
    /// The verification.
    pub verification: Verification,
}

impl Store {
    /// The verification whose look is due first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn due_verification(&self, now: DateTime<Utc>) -> Result<Option<DueVerification>, StoreError> {
        self.read(|connection| {
            let row: Option<(String, String, String, Vec<u8>)> = verification::table
                .filter(verification::look_at.le(stored(now)))
                .order((verification::look_at, verification::id))
                .select((
                    verification::id,
                    verification::applicant_id,
                    verification::application_id,
                    verification::body,
                ))
                .first(connection)
                .optional()?;
            let Some((id, applicant, application, body)) = row else { return Ok(None) };
            Ok(Some(DueVerification {
                applicant: applicant.parse().map_err(|_| StoreError::Value("verification.applicant_id"))?,
                application: application.parse().map_err(|_| StoreError::Value("verification.application_id"))?,
                verification: self.keys.open_json(&format!("verification:{id}"), &body)?,
            }))
        })
    }

    /// Looks later, because its applicant could not be reached: others must not wait behind it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn defer_verification(&self, id: domain::ids::VerificationId, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = verification::table.find(id.to_string()).filter(verification::look_at.is_not_null());
            diesel::update(row).set(verification::look_at.eq(stored(until))).execute(connection)?;
            Ok(())
        })
    }

    /// Has a verification looked at now, because its service called.
    ///
    /// # Errors
    /// When the database fails.
    pub fn look_now(&self, id: domain::ids::VerificationId, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = verification::table.find(id.to_string()).filter(verification::look_at.is_not_null());
            diesel::update(row).set(verification::look_at.eq(stored(now))).execute(connection)?;
            Ok(())
        })
    }
}
