//! Certificates: those that wait for their document, and what the public may see of one.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::certificate::{Certificate, Standing};
use domain::ids::{ApplicantId, ApplicationId, CertificateId};

use crate::connection::Store;
use crate::error::StoreError;
use crate::schema::certificate;
use crate::time::{instant, stored};
use crate::trouble::{self, Queue, Task};
use sealing::Keys;

/// How long a claimed certificate is left to its claimer. A time-stamp may take as long: then somebody else makes it, too,
/// and the first that is recorded counts.
const LEASE: TimeDelta = TimeDelta::seconds(15);

/// A certificate whose document must be made.
#[derive(Debug)]
pub struct DueCertificate {
    /// Of whom.
    pub applicant: ApplicantId,
    /// Of which application.
    pub application: ApplicationId,
    /// The certificate.
    pub certificate: Certificate,
    /// How often its making failed.
    pub crashes: i32,
    /// Until when it is its claimer's: whoever comes later with an older one changes nothing.
    pub lease: DateTime<Utc>,
}

/// What a verification finds.
#[derive(Debug, Clone)]
pub struct Verified {
    /// Of whom.
    pub applicant: ApplicantId,
    /// Of which application.
    pub application: ApplicationId,
    /// The certificate.
    pub certificate: Certificate,
}

/// Names are compared by their letters only (identity.md §2).
pub(crate) fn name_key(keys: &Keys, name: &str) -> String {
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    keys.find("certificate-name", &letters)
}

impl Store {
    /// Claims the certificate that has waited longest for its document; tries are counted first, and after `crashes_most`
    /// it is set aside.
    ///
    /// # Errors
    /// When the database fails.
    pub fn claim_certificate(
        &self,
        crashes_most: i32,
        now: DateTime<Utc>,
    ) -> Result<Option<DueCertificate>, StoreError> {
        type Row = (String, String, String, i32, Option<NaiveDateTime>, String);
        let columns = (
            certificate::id,
            certificate::applicant_id,
            certificate::application_id,
            certificate::crashes,
            certificate::due_at,
            certificate::body,
        );
        let row: Option<Row> = self.read(|connection| {
            let due = certificate::table.filter(certificate::due_at.le(stored(now)));
            Ok(due.order((certificate::due_at, certificate::id)).select(columns).first(connection).optional()?)
        })?;
        let Some((id, applicant, application, crashes, due, body)) = row else { return Ok(None) };
        let claimed = self.write(|connection| {
            if crashes >= crashes_most {
                let why = format!("{crashes} tries");
                trouble::park(connection, Task::new(Queue::Certificate, &id), "certificate_issuer", &why, now)?;
                return Ok(false);
            }
            let row = certificate::table.find(&id).filter(certificate::due_at.eq(due));
            let set = (certificate::due_at.eq(stored(now + LEASE)), certificate::crashes.eq(certificate::crashes + 1));
            Ok(diesel::update(row).set(set).execute(connection)? == 1)
        })?;
        if !claimed {
            // Somebody else has it, or it is set aside: the next is looked for.
            return self.claim_certificate(crashes_most, now);
        }
        Ok(Some(DueCertificate {
            applicant: applicant.parse().map_err(|_| StoreError::Value("certificate.applicant_id"))?,
            application: application.parse().map_err(|_| StoreError::Value("certificate.application_id"))?,
            certificate: serde_json::from_str(&body)?,
            crashes,
            lease: instant(stored(now + LEASE)),
        }))
    }

    /// Puts a certificate back that is still the claimer's by this lease; `ours` says that it is no fault of its own.
    ///
    /// # Errors
    /// When the database fails.
    pub fn defer_certificate(
        &self,
        id: CertificateId,
        lease: DateTime<Utc>,
        until: DateTime<Utc>,
        ours: bool,
    ) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = certificate::table.find(id.to_string()).filter(certificate::due_at.eq(stored(lease)));
            let set = (
                certificate::due_at.eq(stored(until)),
                certificate::crashes.eq(certificate::crashes - i32::from(ours)),
            );
            diesel::update(row).set(set).execute(connection)?;
            Ok(())
        })
    }

    /// The certificate behind a QR code.
    ///
    /// # Errors
    /// When the database fails; none is `None`.
    pub fn certificate_by_token(&self, token: &str) -> Result<Option<Verified>, StoreError> {
        self.read(|connection| {
            let row: Option<(String, String, String)> = certificate::table
                .filter(certificate::token.eq(token))
                .select((certificate::applicant_id, certificate::application_id, certificate::body))
                .first(connection)
                .optional()?;
            row.map(verified).transpose()
        })
    }

    /// The certificate with this number, if it is made out to this name; a wrong name looks like no certificate.
    ///
    /// # Errors
    /// When the database fails; none is `None`.
    pub fn certificate_by_number(&self, number: &str, name: &str) -> Result<Option<Verified>, StoreError> {
        let key = name_key(&self.keys, name);
        let number: String = number.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
        self.read(|connection| {
            let row: Option<(String, String, String)> = certificate::table
                .filter(certificate::number.eq(number))
                .filter(certificate::name_key.eq(key))
                .select((certificate::applicant_id, certificate::application_id, certificate::body))
                .first(connection)
                .optional()?;
            row.map(verified).transpose()
        })
    }

    /// The certificate whose document has this SHA-256.
    ///
    /// # Errors
    /// When the database fails; none is `None`.
    pub fn certificate_by_document(&self, sha256: &str) -> Result<Option<Verified>, StoreError> {
        self.read(|connection| {
            let row: Option<(String, String, String)> = certificate::table
                .filter(certificate::document.eq(sha256))
                .select((certificate::applicant_id, certificate::application_id, certificate::body))
                .first(connection)
                .optional()?;
            row.map(verified).transpose()
        })
    }

    /// Certificates in the order of their ids, after one of them.
    ///
    /// # Errors
    /// When the database fails.
    pub fn documents_after(&self, after: Option<CertificateId>, most: i64) -> Result<Vec<Verified>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.read(|connection| {
            let rows: Vec<(String, String, String)> = certificate::table
                .filter(certificate::id.gt(after))
                .order(certificate::id)
                .select((certificate::applicant_id, certificate::application_id, certificate::body))
                .limit(most)
                .load(connection)?;
            rows.into_iter().map(verified).collect()
        })
    }

    /// The numbers between two numbers whose documents no longer hold; of those, only the replaced ones if it is so
    /// wanted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn numbers_not_valid(&self, from: &str, to: &str, replaced: bool) -> Result<Vec<String>, StoreError> {
        let (valid, superseded) = (Standing::Valid.code(), Standing::Superseded.code());
        self.read(|connection| {
            let rows: Vec<(String, String)> = certificate::table
                .filter(certificate::number.between(from, to))
                .filter(certificate::standing.ne(valid))
                .order(certificate::number)
                .select((certificate::number, certificate::standing))
                .load(connection)?;
            Ok(rows.into_iter().filter(|(_, code)| !replaced || code == superseded).map(|(number, _)| number).collect())
        })
    }

    /// Sets a certificate aside that can't be made as it is: an operator reads why, mends it and has it tried again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn park_certificate(&self, id: CertificateId, why: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let task = Task::new(Queue::Certificate, id);
        self.write(|connection| trouble::park(connection, task, "certificate_issuer", why, now))
    }

    /// How many certificates wait for their document.
    ///
    /// # Errors
    /// When the database fails.
    pub fn certificates_waiting(&self) -> Result<i64, StoreError> {
        self.read(|connection| {
            Ok(certificate::table.filter(certificate::due_at.is_not_null()).count().get_result(connection)?)
        })
    }
}

pub(crate) fn verified((applicant, application, body): (String, String, String)) -> Result<Verified, StoreError> {
    Ok(Verified {
        applicant: applicant.parse().map_err(|_| StoreError::Value("certificate.applicant_id"))?,
        application: application.parse().map_err(|_| StoreError::Value("certificate.application_id"))?,
        certificate: serde_json::from_str(&body)?,
    })
}
