//! Each submitted case as it stood after each change (R6.2): what an officer saw when they decided can be seen again.

use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::applicant::{Account, Applicant};
use domain::application::Application;
use domain::certificate::Certificate;
use domain::ids::{ApplicantId, ApplicationId};
use domain::material::Material;
use domain::verification::Verification;
use serde::{Deserialize, Serialize};

use crate::applicant::place;
use crate::connection::{AnyConnection, Store};
use crate::error::StoreError;
use crate::schema::past;
use crate::time::{instant, stored};
use crate::timeline;
use sealing::Keys;

/// What is kept: everything that the case page shows, in one.
#[derive(Serialize)]
struct Kept<'a> {
    account: &'a Account,
    application: &'a Application,
    verifications: &'a [Verification],
    materials: &'a [Material],
    certificates: &'a [Certificate],
}

#[derive(Deserialize)]
struct Found {
    account: Account,
    application: Application,
    verifications: Vec<Verification>,
    materials: Vec<Material>,
    certificates: Vec<Certificate>,
}

/// Whether states of it are kept: a draft is nobody's business yet.
pub(crate) fn is_kept(application: &Application) -> bool {
    application.submitted_at.is_some()
}

pub(crate) fn seal(keys: &Keys, account: &Account, application: &Application) -> Result<Vec<u8>, StoreError> {
    let kept = Kept {
        account,
        application,
        verifications: &application.verifications,
        materials: &application.materials,
        certificates: &application.certificates,
    };
    Ok(keys.seal_json(&place("past", application.id), &kept)?)
}

pub(crate) fn write(
    connection: &mut AnyConnection,
    body: &[u8],
    id: ApplicationId,
    version: i64,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    diesel::insert_into(past::table)
        .values((
            past::application_id.eq(id.to_string()),
            past::version.eq(version),
            past::at.eq(stored(now)),
            past::body.eq(body),
        ))
        .execute(connection)?;
    Ok(())
}

impl Store {
    /// The case as it stood at a moment, and since when it had stood so; the applicant holds that one case alone.
    ///
    /// # Errors
    /// `Missing` when nothing of that time is kept.
    pub fn case_at(
        &self,
        owner: ApplicantId,
        id: ApplicationId,
        at: DateTime<Utc>,
    ) -> Result<(DateTime<Utc>, Applicant), StoreError> {
        self.read(|connection| {
            let (since, version, body): (NaiveDateTime, i64, Vec<u8>) = past::table
                .filter(past::application_id.eq(id.to_string()))
                .filter(past::at.le(stored(at)))
                .order((past::at.desc(), past::version.desc()))
                .select((past::at, past::version, past::body))
                .first(connection)?;
            let found: Found = self.keys.open_json(&place("past", id), &body)?;
            let mut application = found.application;
            application.verifications = found.verifications;
            application.materials = found.materials;
            application.certificates = found.certificates;
            application.table = self.tables.get(connection, application.table_version)?;
            let mut one = [application];
            timeline::load(connection, &owner.to_string(), &mut one)?;
            let [mut application] = one;
            let since = instant(since);
            application.timeline.retain(|entry| entry.at <= at);
            Ok((
                since,
                Applicant {
                    id: owner,
                    version,
                    account: Arc::new(found.account),
                    password_hash: String::new(),
                    applications: vec![Arc::new(application)],
                },
            ))
        })
    }
}
