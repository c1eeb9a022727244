//! An applicant and everything that belongs to one: the unit that one session actor owns and one version guards.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::Rejection;
use crate::application::Application;
use crate::document_number::DocumentType;
use crate::effects::Channel;
use crate::ids::{ApplicantId, ApplicationId};
use crate::person::{Gender, Language};

/// The account: what was checked at registration, and how to reach its owner.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The user name that the service gave.
    pub user_name: String,
    /// Real name (R1.3).
    pub name: String,
    /// ISO 3166-1 alpha-2.
    pub nationality: String,
    /// As on the document.
    pub gender: Gender,
    /// Which document.
    pub document_type: DocumentType,
    /// Its normalised number.
    pub document_number: String,
    /// Valid from.
    pub valid_from: NaiveDate,
    /// Valid to; none is 长期.
    pub valid_to: Option<NaiveDate>,
    /// Mainland mobile number.
    pub phone: String,
    /// E-mail address.
    pub email: String,
    /// By which of the two the owner has proven to read it; a forgotten password is reset by no other (R2.1).
    #[serde(default)]
    pub verified: Vec<Channel>,
    /// In which language notices are written.
    pub language: Language,
    /// Which version of terms and privacy policy was accepted (R1.8).
    pub terms: String,
    /// Whether the identity service confirmed name and document; where it can't, staff look (R1.6).
    pub real_name_confirmed: bool,
    /// When the account was made.
    pub registered_at: DateTime<Utc>,
}

/// Never prints what it holds (design.md, rule 4).
impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("document_type", &self.document_type).finish_non_exhaustive()
    }
}

impl Account {
    /// The phone number or the e-mail address.
    pub fn address(&self, channel: Channel) -> &str {
        match channel {
            Channel::Sms => &self.phone,
            Channel::Mail => &self.email,
        }
    }

    /// The birth date that the document number holds, if it does.
    pub fn birth_date(&self, today: NaiveDate) -> Option<NaiveDate> {
        crate::document_number::check(self.document_type, &self.document_number, today).ok()?.birth
    }
}

/// The whole. Its parts are shared between copies: a command copies what it changes, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// Who.
    pub id: ApplicantId,
    /// Goes up by one with each commit; whoever commits on an old one decides again.
    pub version: i64,
    /// The account.
    pub account: Arc<Account>,
    /// Argon2id in PHC form.
    pub password_hash: String,
    /// Applications, oldest first.
    pub applications: Vec<Arc<Application>>,
}

impl Applicant {
    /// One of the applicant's applications.
    ///
    /// # Errors
    /// `NotFound`, whether it does not exist or is somebody else's.
    pub fn application(&self, id: ApplicationId) -> Result<&Arc<Application>, Rejection> {
        self.applications.iter().find(|application| application.id == id).ok_or(Rejection::NotFound)
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn application_mut(&mut self, id: ApplicationId) -> Result<&mut Application, Rejection> {
        let application = self.applications.iter_mut().find(|application| application.id == id);
        application.map(Arc::make_mut).ok_or(Rejection::NotFound)
    }
}
