//! An applicant, loaded whole and committed as a difference, guarded by one version.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::applicant::{Account, Applicant};
use domain::application::Application;
use domain::calendar;
use domain::effects::Effects;
use domain::ids::ApplicantId;

use crate::certificate::name_key;
use crate::connection::{AnyConnection, Kept, Store, hold};
use crate::error::StoreError;
use crate::rules::Tables;
use crate::schema::{applicant, application, counter, session, timeline as timeline_table};
use crate::secrets::token_hash;
use crate::time::stored;
use crate::{audit, children, notice, past, payment, timeline};
use sealing::Keys;

#[derive(Queryable, Insertable, AsChangeset, PartialEq)]
#[diesel(table_name = application, treat_none_as_default_value = false, treat_none_as_null = true)]
struct ApplicationRow {
    id: String,
    applicant_id: String,
    number: Option<String>,
    stage: String,
    kind: Option<String>,
    country: Option<String>,
    since_at: NaiveDateTime,
    body: Vec<u8>,
    look_at: Option<NaiveDateTime>,
    claimed_by: Option<String>,
    due_on: Option<NaiveDate>,
    paper_key: Option<String>,
}

/// What a commit came to.
#[derive(Debug)]
pub struct Committed {
    /// The applicant as it now stands, numbers included.
    pub applicant: Arc<Applicant>,
    /// Whether notices wait to be sent.
    pub notices: bool,
}

pub(crate) fn place(table: &str, id: impl std::fmt::Display) -> String {
    format!("{table}:{id}")
}

impl Store {
    /// The version of an applicant, to see whether a copy in memory is still true.
    ///
    /// # Errors
    /// `Missing` when there is no such applicant.
    pub fn applicant_version(&self, id: ApplicantId) -> Result<i64, StoreError> {
        if let Some(version) = self.recent.as_ref().and_then(|recent| recent.version(id)) {
            return Ok(version);
        }
        self.read(|connection| {
            Ok(applicant::table.find(id.to_string()).select(applicant::version).first(connection)?)
        })
    }

    /// Loads an applicant with everything that belongs to it.
    ///
    /// # Errors
    /// `Missing` when there is no such applicant.
    pub fn load_applicant(&self, id: ApplicantId) -> Result<Arc<Applicant>, StoreError> {
        let applicant = Arc::new(self.read(|connection| load(connection, &self.keys, &self.tables, id))?);
        if let Some(recent) = &self.recent {
            recent.stands(&applicant);
        }
        Ok(applicant)
    }

    /// The logged-in applicant as it now stands, if that is known without a look at the rows.
    pub fn recall(&self, token: &str, now: DateTime<Utc>) -> Option<Arc<Applicant>> {
        self.recent.as_ref()?.recall(&token_hash(token), now)
    }

    /// Writes what differs between `before` and `after`, and the effects, in one transaction.
    ///
    /// # Errors
    /// `Stale` when another commit came first, `Taken` when a unique value belongs to somebody else.
    pub fn commit(
        &self,
        before: Option<&Applicant>,
        mut after: Applicant,
        mut effects: Effects,
        now: DateTime<Utc>,
    ) -> Result<Committed, StoreError> {
        let keys = &self.keys;
        let log_out = effects.log_out;
        // Sealed before the turn at the database begins, for the others wait meanwhile. What gets a number is sealed
        // once it has it.
        let mut sealed = HashMap::new();
        let old = before.map_or(&[][..], |before| &before.applications);
        for changed in after.applications.iter().filter(|changed| !old.contains(changed) && !wants_number(changed)) {
            let whole = past::is_kept(changed).then(|| past::seal(keys, &after.account, changed)).transpose()?;
            sealed.insert(changed.id, (seal_application(keys, changed)?, whole));
        }
        let (applicant, notices) = self.write(move |connection| {
            match before {
                None => insert_applicant(connection, keys, &after)?,
                Some(before) => {
                    after.version = before.version + 1;
                    update_applicant(connection, keys, before, &after)?;
                }
            }
            number_what_is_new(connection, &mut after, &mut effects, now)?;
            let owner = after.id.to_string();
            let old = before.map_or(&[][..], |before| &before.applications);
            let gone = old.iter().filter(|known| !after.applications.iter().any(|kept| kept.id == known.id));
            for known in gone {
                diesel::delete(application::table.find(known.id.to_string())).execute(connection)?;
            }
            for changed in &after.applications {
                let known = old.iter().find(|known| known.id == changed.id);
                if known != Some(changed) {
                    let known = known.map(|known| &**known);
                    let (body, whole) = match sealed.remove(&changed.id) {
                        Some((body, whole)) => (body, whole),
                        None => (seal_application(keys, changed)?, None),
                    };
                    write_application(connection, keys, body, &owner, known, changed)?;
                    children::write(connection, keys, &after, known, changed)?;
                    if past::is_kept(changed) {
                        let whole = match whole {
                            Some(whole) => whole,
                            None => past::seal(keys, &after.account, changed)?,
                        };
                        past::write(connection, &whole, changed.id, after.version, now)?;
                    }
                }
            }
            if effects.log_out {
                diesel::delete(session::table.filter(session::holder.eq(&owner))).execute(connection)?;
            }
            payment::book(connection, &effects.movements, now)?;
            for event in &effects.timeline {
                let entry = timeline::write(connection, event, now)?;
                if let Ok(application) = after.application_mut(event.application) {
                    application.timeline.push(entry);
                }
            }
            audit::write(connection, &effects.audit, now)?;
            let notices = !effects.notices.is_empty();
            for queued in &effects.notices {
                notice::queue(connection, keys, Some(&owner), queued, now)?;
            }
            Ok((Arc::new(after), notices))
        })?;
        if let Some(recent) = &self.recent {
            recent.stands(&applicant);
            if log_out {
                recent.all_ended(&applicant.id.to_string());
            }
        }
        Ok(Committed { applicant, notices })
    }

    /// Adds many applicants with all that belongs to them, timelines included, in one transaction: for invented worlds
    /// and for what comes from another system.
    ///
    /// # Errors
    /// `Taken` when a unique value belongs to somebody else; then nobody is added.
    pub fn add_many(&self, many: &[Applicant]) -> Result<(), StoreError> {
        let keys = &self.keys;
        // Sealed before the turn at the database begins.
        let mut people = Vec::new();
        let mut cases = Vec::new();
        for new in many {
            let owner = new.id.to_string();
            for application in &new.applications {
                cases.push(application_row(keys, application, &owner, seal_application(keys, application)?));
            }
            people.push(applicant_row(keys, new)?);
        }
        let entries: Vec<_> = many
            .iter()
            .flat_map(|new| &new.applications)
            .flat_map(|application| application.timeline.iter().map(|entry| timeline::row(application.id, entry)))
            .collect();
        // Rows of one statement: PostgreSQL takes 65,535 variables in one, SQLite half as many.
        macro_rules! insert {
            ($connection:expr, $table:ident, $rows:expr) => {
                for some in $rows.chunks(1_000) {
                    match $connection {
                        AnyConnection::Postgres(known) => {
                            diesel::insert_into($table::table).values(some).execute(known)?
                        }
                        AnyConnection::Sqlite(known) => {
                            diesel::insert_into($table::table).values(some).execute(known)?
                        }
                    };
                }
            };
        }
        self.write(|connection| {
            insert!(connection, applicant, people);
            insert!(connection, application, cases);
            insert!(connection, timeline_table, entries);
            for new in many {
                for application in new.applications.iter().filter(|application| has_children(application)) {
                    children::write(connection, keys, new, None, application)?;
                }
            }
            Ok(())
        })
    }

    /// Finds an account by user name, phone or e-mail, whichever `who` is.
    ///
    /// # Errors
    /// When the database fails; nobody found is `None`.
    pub fn find_login(&self, who: &str) -> Result<Option<(ApplicantId, String)>, StoreError> {
        let typed = who.trim();
        let phone = domain::person::mobile(typed).map(|phone| self.keys.find("phone", &phone)).unwrap_or_default();
        let email = domain::person::email(typed).map(|email| self.keys.find("email", &email)).unwrap_or_default();
        let name = typed.to_uppercase();
        self.read(|connection| {
            let found: Option<(String, String)> = applicant::table
                .filter(
                    applicant::user_name
                        .eq(&name)
                        .or(applicant::phone_key.eq(&phone))
                        .or(applicant::email_key.eq(&email)),
                )
                .select((applicant::id, applicant::password_hash))
                .first(connection)
                .optional()?;
            found.map(|(id, hash)| Ok((id.parse().map_err(|_| StoreError::Value("applicant.id"))?, hash))).transpose()
        })
    }

    /// Whether an account with this document, phone or e-mail exists (R1.10).
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_registered(&self, account: &Account) -> Result<bool, StoreError> {
        let [document, phone, email] = look_ups(&self.keys, account);
        self.read(|connection| {
            let known: i64 = applicant::table
                .filter(
                    applicant::document_key
                        .eq(document)
                        .or(applicant::phone_key.eq(phone))
                        .or(applicant::email_key.eq(email)),
                )
                .count()
                .get_result(connection)?;
            Ok(known > 0)
        })
    }
}

fn look_ups(keys: &Keys, account: &Account) -> [String; 3] {
    let number = domain::document_number::canonical(account.document_type, &account.document_number);
    [
        keys.find("document", &format!("{}:{number}", account.document_type.code())),
        keys.find("phone", &account.phone),
        keys.find("email", &account.email),
    ]
}

#[derive(Insertable)]
#[diesel(table_name = applicant, treat_none_as_default_value = false)]
struct ApplicantRow {
    id: String,
    version: i64,
    user_name: String,
    document_key: String,
    phone_key: String,
    email_key: String,
    password_hash: String,
    body: Vec<u8>,
    name_key: Option<String>,
}

fn applicant_row(keys: &Keys, new: &Applicant) -> Result<ApplicantRow, StoreError> {
    let id = new.id.to_string();
    let [document_key, phone_key, email_key] = look_ups(keys, &new.account);
    Ok(ApplicantRow {
        version: new.version,
        user_name: new.account.user_name.clone(),
        document_key,
        phone_key,
        email_key,
        password_hash: new.password_hash.clone(),
        body: keys.seal_json(&place("applicant", &id), &*new.account)?,
        name_key: Some(name_key(keys, &new.account.name)),
        id,
    })
}

fn has_children(application: &Application) -> bool {
    !(application.verifications.is_empty()
        && application.materials.is_empty()
        && application.attempts.is_empty()
        && application.refunds.is_empty()
        && application.certificates.is_empty())
}

fn insert_applicant(connection: &mut AnyConnection, keys: &Keys, new: &Applicant) -> Result<(), StoreError> {
    diesel::insert_into(applicant::table).values(applicant_row(keys, new)?).execute(connection)?;
    Ok(())
}

fn update_applicant(
    connection: &mut AnyConnection,
    keys: &Keys,
    before: &Applicant,
    after: &Applicant,
) -> Result<(), StoreError> {
    let id = after.id.to_string();
    let row = applicant::table.find(&id).filter(applicant::version.eq(before.version));
    let changed = if before.account == after.account && before.password_hash == after.password_hash {
        Kept(diesel::update(row).set(applicant::version.eq(after.version))).execute(connection)?
    } else {
        let [document, phone, email] = look_ups(keys, &after.account);
        diesel::update(row)
            .set((
                applicant::version.eq(after.version),
                applicant::document_key.eq(document),
                applicant::phone_key.eq(phone),
                applicant::email_key.eq(email),
                applicant::password_hash.eq(&after.password_hash),
                applicant::body.eq(keys.seal_json(&place("applicant", &id), &*after.account)?),
                applicant::name_key.eq(Some(name_key(keys, &after.account.name))),
            ))
            .execute(connection)?
    };
    if changed == 1 { Ok(()) } else { Err(StoreError::Stale) }
}

/// The next value of a named counter; taken in the transaction that uses it, so that there are no gaps.
fn next(connection: &mut AnyConnection, name: &str) -> Result<i64, StoreError> {
    hold(connection, name)?;
    let row = counter::table.find(name);
    let updated = diesel::update(row).set(counter::value.eq(counter::value + 1)).execute(connection)?;
    if updated == 0 {
        diesel::insert_into(counter::table)
            .values((counter::name.eq(name), counter::value.eq(1_i64)))
            .execute(connection)?;
    }
    Ok(row.select(counter::value).first(connection)?)
}

fn wants_number(application: &Application) -> bool {
    (application.submitted_at.is_some() && application.number.is_none())
        || application.certificates.iter().any(|issued| issued.number.is_none())
}

fn number_what_is_new(
    connection: &mut AnyConnection,
    after: &mut Applicant,
    effects: &mut Effects,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let year = calendar::beijing(now).format("%Y").to_string();
    for changed in &mut after.applications {
        if !wants_number(changed) {
            continue;
        }
        let changed = Arc::make_mut(changed);
        if changed.submitted_at.is_some() && changed.number.is_none() {
            let number = format!("RZ{year}{:07}", next(connection, &format!("application:{year}"))?);
            for notice in effects.notices.iter_mut().filter(|notice| notice.params.is_empty()) {
                notice.params.push(("number".into(), number.clone()));
            }
            changed.number = Some(number);
        }
        for issued in &mut changed.certificates {
            if issued.number.is_none() {
                let kind = match issued.outcome {
                    domain::case::Outcome::Certificate => "RC",
                    domain::case::Outcome::Deferral => "RD",
                    domain::case::Outcome::Refusal => "RN",
                };
                issued.number = Some(format!("{kind}{year}{:08}", next(connection, &format!("{kind}:{year}"))?));
            }
        }
    }
    Ok(())
}

fn seal_application(keys: &Keys, application: &Application) -> Result<Vec<u8>, StoreError> {
    Ok(keys.seal_json(&place("application", application.id), application)?)
}

fn application_row(keys: &Keys, application: &Application, owner: &str, body: Vec<u8>) -> ApplicationRow {
    let said = |name: &str| application.credential.get(name).map_or("", String::as_str);
    let paper = format!("{}:{}", said("institution"), said("certificate_number"));
    // Only what was submitted is looked for elsewhere, and drafts are saved often.
    let submitted = application.submitted_at.is_some() && !said("certificate_number").is_empty();
    ApplicationRow {
        id: application.id.to_string(),
        applicant_id: owner.to_owned(),
        number: application.number.clone(),
        stage: application.stage().code().to_owned(),
        kind: application.kind.map(|kind| kind.code().to_owned()),
        country: application.credential.get("country").cloned(),
        since_at: stored(application.since()),
        body,
        look_at: application.casework.look_at.map(stored),
        claimed_by: application.casework.claimed.map(|(officer, _)| officer.to_string()),
        due_on: application.casework.expected.last().map(|last| last.due.date),
        paper_key: submitted.then(|| crate::queue::paper_key(keys, &paper)),
    }
}

fn write_application(
    connection: &mut AnyConnection,
    keys: &Keys,
    body: Vec<u8>,
    owner: &str,
    known: Option<&Application>,
    changed: &Application,
) -> Result<(), StoreError> {
    let mut row = application_row(keys, changed, owner, Vec::new());
    // Most saves change nothing that can be searched for, and so need touch no index.
    let body_alone = known.is_some_and(|known| application_row(keys, known, owner, Vec::new()) == row);
    row.body = body;
    let place = application::table.find(&row.id);
    match known {
        None => diesel::insert_into(application::table).values(&row).execute(connection)?,
        Some(_) if body_alone => {
            Kept(diesel::update(place).set(application::body.eq(&row.body))).execute(connection)?
        }
        Some(_) => diesel::update(place).set(&row).execute(connection)?,
    };
    Ok(())
}

fn load(
    connection: &mut AnyConnection,
    keys: &Keys,
    tables: &Tables,
    id: ApplicantId,
) -> Result<Applicant, StoreError> {
    let owner = id.to_string();
    let (version, password_hash, body): (i64, String, Vec<u8>) = applicant::table
        .find(&owner)
        .select((applicant::version, applicant::password_hash, applicant::body))
        .first(connection)?;
    let account = Arc::new(keys.open_json(&place("applicant", &owner), &body)?);
    let rows: Vec<ApplicationRow> =
        application::table.filter(application::applicant_id.eq(&owner)).order(application::id).load(connection)?;
    let mut applications = rows
        .into_iter()
        .map(|row| keys.open_json::<Application>(&place("application", &row.id), &row.body))
        .collect::<Result<Vec<_>, _>>()?;
    for application in applications.iter_mut().filter(|application| application.table_version != 0) {
        application.table = tables.get(connection, application.table_version)?;
    }
    if !applications.is_empty() {
        children::load(connection, keys, &owner, &mut applications)?;
    }
    let applications = applications.into_iter().map(Arc::new).collect();
    Ok(Applicant { id, version, account, password_hash, applications })
}
