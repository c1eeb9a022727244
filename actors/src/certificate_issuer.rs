//! Makes the document of each decided case: row first (its number was given with the decision), then the PDF.

use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use documents::{CertificateFacts, Issuer};
use domain::applicant::Applicant;
use domain::calendar;
use domain::decision::RecordDocument;
use domain::form;
use domain::ids::CertificateId;
use domain::person::Language;
use locales::Texts;
use store::{DueCertificate, Queue, Task};
use supervision::{Desk, Step, Work};

use crate::blocking::run;
use crate::session::{Fault, settled};
use crate::tree::{Asks, World};

/// Failures after which a certificate waits for an operator.
const TRIES_MOST: i32 = 5;

/// The work of the certificate issuer.
pub(crate) struct CertificateIssuer {
    world: Arc<World>,
    sessions: Asks,
    issuer: Arc<Issuer>,
}

impl CertificateIssuer {
    pub(crate) fn new(world: Arc<World>, sessions: Asks, issuer: Arc<Issuer>) -> Self {
        Self { world, sessions, issuer }
    }

    fn facts(&self, applicant: &Applicant, due: &DueCertificate) -> Option<CertificateFacts> {
        let application = applicant.application(due.application).ok()?;
        let certificate = &due.certificate;
        let said = |name: &str| form::text(&application.credential, name).to_owned();
        let texts = |language, key: &str| Texts::new(language).get(key);
        let both = |key: &str| (texts(Language::Chinese, key), texts(Language::English, key));
        let month = |name: &str| {
            form::month(&application.credential, name)
                .map(|month| month.format("%Y年%-m月").to_string())
                .unwrap_or_default()
        };
        let reason = application.decision.as_ref().and_then(|decision| decision.proposal.reason.clone());
        let major = match (said("major_zh"), said("major")) {
            (zh, original) if zh.is_empty() || zh == original => original,
            (zh, original) => format!("{zh} {original}"),
        };
        Some(CertificateFacts {
            number: certificate.number.clone()?,
            outcome: certificate.outcome,
            issued_at: certificate.issued_at,
            url: format!("{}/verify/{}", self.world.settings.site, certificate.token),
            name: applicant.account.name.clone(),
            birth: form::date(&application.basic, "birth_date")
                .or_else(|| applicant.account.birth_date(calendar::today(certificate.issued_at))),
            country: said("country"),
            institution: said("institution"),
            institution_zh: said("institution_zh"),
            credential: said("credential_name"),
            credential_zh: said("credential_name_zh"),
            level: both(&format!("choice-level-{}", said("level"))),
            major,
            awarded: form::date(&application.credential, "award_date"),
            studied: (month("start"), month("end")),
            reason: reason.map(|code| both(&format!("reason-{code}"))),
        })
    }
}

impl CertificateIssuer {
    /// Puts a certificate back; `ours` says that it is no fault of its own.
    async fn later(&self, id: CertificateId, now: DateTime<Utc>, ours: bool) -> Step {
        let store = Arc::clone(&self.world.store);
        let until = now + TimeDelta::seconds(5);
        settled(run(&self.world.rows, move || store.defer_certificate(id, until, ours)).await)
    }
}

impl Work for CertificateIssuer {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        let (store, now) = (Arc::clone(&self.world.store), self.world.clock.now());
        let due = match run(&self.world.rows, move || store.claim_certificate(TRIES_MOST, now)).await {
            Ok(Some(due)) => due,
            Ok(None) => return Step::Idle,
            Err(error) => {
                Fault::new(error);
                return Step::Idle;
            }
        };
        desk.take_up(Task::new(Queue::Certificate, due.certificate.id));
        self.world.pass("certificate-due").await;
        let id = due.certificate.id;
        let Ok(applicant) = self.sessions.applicant(due.applicant).await else {
            return self.later(id, now, true).await;
        };
        let Some(facts) = self.facts(&applicant, &due) else {
            Fault::new(format!("certificate {id} lacks its facts"));
            return self.later(id, now, false).await;
        };
        let (issuer, store) = (Arc::clone(&self.issuer), Arc::clone(&self.world.store));
        let made = run(&self.world.heavy, move || {
            let pdf = issuer.issue(&facts).map_err(|error| error.to_string())?;
            store.blobs().put(store.keys(), &pdf).map_err(|error| error.to_string())
        })
        .await;
        self.world.pass("certificate-made").await;
        let document = match made {
            Ok(document) => document,
            Err(error) => {
                // Tried again later, up to the limit; then it waits for an operator.
                Fault::new(format!("certificate {id}: {error}"));
                return self.later(id, now, false).await;
            }
        };
        let command = RecordDocument { application: due.application, certificate: due.certificate.id, document };
        match self.sessions.command(due.applicant, command).await {
            Ok(()) => {
                self.world.pass("certificate-recorded").await;
                Step::Worked
            }
            Err(_) => self.later(id, now, true).await,
        }
    }
}
