//! Makes the document of each decided case: row first (its number was given with the decision), then the PDF, its
//! signature, its time-stamp, and last the row that says so, in one commit with its entry in the transparency log.
//!
//! Whatever dies in between leaves the row due, and nothing that anybody saw: the next try makes the same document under
//! the same number.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use documents::{CertificateFacts, PressError};
use domain::applicant::Applicant;
use domain::calendar;
use domain::certificate::Certificate;
use domain::decision::RecordDocument;
use domain::form;
use domain::ids::ApplicationId;
use domain::person::Language;
use locales::Texts;
use proof::time_stamp;
use store::{DueCertificate, Queue, Task};
use supervision::{Desk, Step, Work};

use crate::blocking::run;
use crate::session::{Fault, Refusal, settled};
use crate::tree::{Asks, World};

/// Failures after which a certificate waits for an operator.
const TRIES_MOST: i32 = 5;
/// How far the time-stamp authority's clock may be from ours.
const STAMP_OFF_MOST: TimeDelta = TimeDelta::hours(1);
/// The largest time-stamp that is put into a document, in bytes: with the signature it must fit into its gap.
const TOKEN_MOST: usize = 24 * 1024;

/// What a document says, from the case as it stands; `None` when it has no number yet, or is of another applicant.
pub fn certificate_facts(
    site: &str,
    applicant: &Applicant,
    of: ApplicationId,
    certificate: &Certificate,
) -> Option<CertificateFacts> {
    let application = applicant.application(of).ok()?;
    let said = |name: &str| form::text(&application.credential, name).to_owned();
    let texts = |language, key: &str| Texts::new(language).get(key);
    let both = |key: &str| (texts(Language::Chinese, key), texts(Language::English, key));
    let reason = application.decision.as_ref().and_then(|decision| decision.proposal.reason.clone());
    let major = match (said("major_zh"), said("major")) {
        (zh, original) if zh.is_empty() || zh == original => original,
        (zh, original) => format!("{zh} {original}"),
    };
    Some(CertificateFacts {
        number: certificate.number.clone()?,
        outcome: certificate.outcome,
        issued_at: certificate.issued_at,
        url: format!("{site}/verify/{}", certificate.token),
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
        studied: (form::month(&application.credential, "start"), form::month(&application.credential, "end")),
        reason: reason.map(|code| both(&format!("reason-{code}"))),
    })
}

/// The work of the certificate issuer.
pub(crate) struct CertificateIssuer {
    world: Arc<World>,
    sessions: Asks,
}

/// Why a document is not there yet.
enum Delay {
    /// It can't be made as it is: it is set aside at once, with the reason.
    Park(String),
    /// It failed; tried again, up to the limit.
    Failed(String),
    /// Somebody else is at fault: tried again as long as it takes.
    Wait(String),
}

impl CertificateIssuer {
    pub(crate) fn new(world: Arc<World>, sessions: Asks) -> Self {
        Self { world, sessions }
    }

    /// Puts a certificate back; `ours` says that it is no fault of its own.
    async fn later(&self, due: &DueCertificate, now: DateTime<Utc>, ours: bool) -> Step {
        let (store, id, lease) = (Arc::clone(&self.world.store), due.certificate.id, due.lease);
        let until = now + TimeDelta::seconds(5);
        settled(run(&self.world.rows, move || store.defer_certificate(id, lease, until, ours)).await)
    }

    async fn delayed(&self, due: &DueCertificate, now: DateTime<Utc>, delay: Delay) -> Step {
        let id = due.certificate.id;
        match delay {
            Delay::Park(why) => {
                Fault::new(format!("certificate {id} is set aside: {why}"));
                let store = Arc::clone(&self.world.store);
                settled(run(&self.world.rows, move || store.park_certificate(id, &why, now)).await)
            }
            Delay::Failed(why) => {
                Fault::new(format!("certificate {id}: {why}"));
                self.later(due, now, false).await
            }
            Delay::Wait(why) => {
                Fault::new(format!("certificate {id} waits: {why}"));
                self.later(due, now, true).await
            }
        }
    }

    /// A time-stamp of a signature that holds, if there is an authority. One that is away, or gives what can't be used, is
    /// not the document's fault.
    async fn stamped(&self, signature: &[u8]) -> Result<Option<Vec<u8>>, Delay> {
        let Some(authority) = &self.world.outside.time_stamp else { return Ok(None) };
        let token = authority.stamp(signature).await.map_err(|error| Delay::Wait(error.to_string()))?;
        let roots = &self.world.document_keys().trust().stamp_roots;
        let stamp = time_stamp::verify(&token, signature, roots).map_err(|error| Delay::Wait(error.to_string()))?;
        if (stamp.at - self.world.clock.now()).abs() > STAMP_OFF_MOST {
            return Err(Delay::Wait(format!("the time-stamp authority's clock says {}", stamp.at)));
        }
        if token.len() > TOKEN_MOST {
            return Err(Delay::Wait(format!("a time-stamp of {} bytes", token.len())));
        }
        Ok(Some(token))
    }

    /// Typeset, signed, stamped and kept: the SHA-256 of the file.
    async fn make(&self, facts: CertificateFacts) -> Result<String, Delay> {
        let world = Arc::clone(&self.world);
        let drafted = run(&self.world.heavy, move || {
            world.issuer.draft(&facts).map_err(|error| match error {
                // Found before issue: never a blank box on a certificate.
                PressError::Unprintable(characters) => Delay::Park(format!("no font has {}", named(&characters))),
                other => Delay::Failed(other.to_string()),
            })
        });
        let draft = drafted.await?;
        self.world.pass("certificate-signed").await;
        let token = self.stamped(draft.signature()).await?;
        self.world.pass("certificate-stamped").await;
        let world = Arc::clone(&self.world);
        run(&self.world.heavy, move || {
            let pdf = draft.finish(token.as_deref()).map_err(|error| Delay::Failed(error.to_string()))?;
            // Whatever leaves the house holds: what it was made with may be broken or out of date.
            let examined = documents::examine(&pdf, world.document_keys().trust());
            if let Some((what, why)) =
                examined.checks.iter().find_map(|check| check.found.as_ref().err().map(|why| (check.what, why)))
            {
                return Err(Delay::Failed(format!("{what} {why}")));
            }
            let store = &world.store;
            store.blobs().put(store.keys(), &pdf).map_err(|error| Delay::Failed(error.to_string()))
        })
        .await
    }
}

/// Characters by their code points: whoever reads it need not have them either, and no log has a part of a name.
fn named(characters: &BTreeSet<char>) -> String {
    let each = |character: &char| format!("U+{:04X}", u32::from(*character));
    characters.iter().map(each).collect::<Vec<_>>().join(", ")
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
        let Ok(applicant) = self.sessions.applicant(due.applicant).await else {
            return self.later(&due, now, true).await;
        };
        let Some(facts) = certificate_facts(&self.world.settings.site, &applicant, due.application, &due.certificate)
        else {
            return self.delayed(&due, now, Delay::Failed("its facts are not there".into())).await;
        };
        let document = match self.make(facts).await {
            Ok(document) => document,
            Err(delay) => return self.delayed(&due, now, delay).await,
        };
        self.world.pass("certificate-made").await;
        let command = RecordDocument { application: due.application, certificate: due.certificate.id, document };
        match self.sessions.command(due.applicant, command).await {
            Ok(()) => {
                self.world.pass("certificate-recorded").await;
                self.head().await;
                Step::Worked
            }
            Err(Refusal::Rejected(rejection)) => {
                self.delayed(&due, now, Delay::Failed(format!("it can't be recorded: {rejection}"))).await
            }
            Err(Refusal::Failed(fault)) => {
                self.delayed(&due, now, Delay::Wait(format!("it could not be recorded: {}", fault.reference))).await
            }
        }
    }
}

impl CertificateIssuer {
    /// Signs the head of the log; should it fail, whoever asks for the head signs it.
    async fn head(&self) {
        let world = Arc::clone(&self.world);
        if let Err(error) = run(&self.world.rows, move || world.signed_head()).await {
            Fault::new(error);
        }
    }
}
