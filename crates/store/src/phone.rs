//! Phones that send images for somebody who sits at a desk (R2.8): a code for one slot, for ten minutes, for one phone.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::ids::{ApplicantId, ApplicationId};

use crate::connection::Store;
use crate::error::StoreError;
use crate::schema::phone;
use crate::secrets::{random_token, token_hash};
use crate::time::stored;

/// How long a code is good.
pub const PHONE_TTL: TimeDelta = TimeDelta::minutes(10);

/// What a phone may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// For whom.
    pub applicant: ApplicantId,
    /// In which application.
    pub application: ApplicationId,
    /// In which slot.
    pub slot: String,
}

impl Store {
    /// Makes a code.
    ///
    /// # Errors
    /// When the database fails.
    pub fn invite_phone(&self, wanted: &Phone, now: DateTime<Utc>) -> Result<String, StoreError> {
        let token = random_token();
        self.write(|connection| {
            diesel::delete(phone::table.filter(phone::expires_at.lt(stored(now)))).execute(connection)?;
            diesel::insert_into(phone::table)
                .values((
                    phone::token_hash.eq(token_hash(&token)),
                    phone::applicant_id.eq(wanted.applicant.to_string()),
                    phone::application_id.eq(wanted.application.to_string()),
                    phone::slot.eq(&wanted.slot),
                    phone::expires_at.eq(stored(now + PHONE_TTL)),
                ))
                .execute(connection)?;
            Ok(token.clone())
        })
    }

    /// What the browser `by` may do with a code: the first that opens it keeps it, nobody else gets in.
    ///
    /// # Errors
    /// `Missing` when the code is too old, another browser's, or none of ours.
    pub fn phone(&self, token: &str, by: &str, now: DateTime<Utc>) -> Result<Phone, StoreError> {
        let (hash, by) = (token_hash(token), self.keys.find("phone", by));
        self.write(|connection| {
            let row = phone::table.find(&hash).filter(phone::expires_at.gt(stored(now)));
            let fresh = row.filter(phone::opened_by.is_null());
            diesel::update(fresh).set(phone::opened_by.eq(Some(&by))).execute(connection)?;
            let (applicant, application, slot): (String, String, String) = row
                .filter(phone::opened_by.eq(&by))
                .select((phone::applicant_id, phone::application_id, phone::slot))
                .first(connection)?;
            Ok(Phone {
                applicant: applicant.parse().map_err(|_| StoreError::Value("phone.applicant_id"))?,
                application: application.parse().map_err(|_| StoreError::Value("phone.application_id"))?,
                slot,
            })
        })
    }
}
