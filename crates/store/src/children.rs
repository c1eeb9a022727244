//! What belongs to an application and has rows of its own, for it is looked for by itself: verifications, materials,
//! attempts, refunds, certificates.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use domain::applicant::Applicant;
use domain::application::Application;
use domain::certificate::{Certificate, Standing};
use domain::ids::ApplicationId;
use domain::material::{Material, Verdict};
use domain::payment::Attempt;
use domain::refund::Refund;
use domain::verification::Verification;
use serde::de::DeserializeOwned;

use crate::applicant::place;
use crate::certificate::name_key;
use crate::connection::AnyConnection;
use crate::document_log;
use crate::error::StoreError;
use crate::schema::{attempt, certificate, material, refund, verification};
use crate::time::stored;
use crate::timeline;
use sealing::Keys;

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = verification, treat_none_as_default_value = false, treat_none_as_null = true)]
struct VerificationRow {
    id: String,
    application_id: String,
    applicant_id: String,
    look_at: Option<NaiveDateTime>,
    body: Vec<u8>,
}

#[derive(Insertable)]
#[diesel(table_name = material, treat_none_as_default_value = false)]
struct MaterialRow {
    id: String,
    application_id: String,
    applicant_id: String,
    state: &'static str,
    due_at: Option<NaiveDateTime>,
    body: Vec<u8>,
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = attempt, treat_none_as_default_value = false, treat_none_as_null = true)]
struct AttemptRow {
    id: String,
    application_id: String,
    applicant_id: String,
    order_id: String,
    state: String,
    query_at: Option<NaiveDateTime>,
    body: String,
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = refund, treat_none_as_default_value = false, treat_none_as_null = true)]
struct RefundRow {
    id: String,
    application_id: String,
    applicant_id: String,
    attempt_id: String,
    order_id: Option<String>,
    state: String,
    asked_at: NaiveDateTime,
    look_at: Option<NaiveDateTime>,
    body: Vec<u8>,
    batch_id: Option<String>,
    by_bank: bool,
}

/// The children that differ from what is stored, each with whether it is new.
fn changed<'a, T: PartialEq, I: PartialEq>(
    old: &'a [T],
    new: &'a [T],
    id: impl Fn(&T) -> I + 'a,
) -> impl Iterator<Item = (bool, &'a T)> {
    new.iter().filter_map(move |child| match old.iter().find(|known| id(known) == id(child)) {
        Some(known) if known == child => None,
        Some(_) => Some((false, child)),
        None => Some((true, child)),
    })
}

/// Writes a row whole: inserts it or puts it in the place of the old one.
macro_rules! put {
    ($connection:expr, $table:ident, $new:expr, $row:expr) => {
        if $new {
            diesel::insert_into($table::table).values(&$row).execute($connection)?
        } else {
            diesel::update($table::table.find(&$row.id)).set(&$row).execute($connection)?
        }
    };
}

pub(crate) fn write(
    connection: &mut AnyConnection,
    keys: &Keys,
    after: &Applicant,
    known: Option<&Application>,
    application: &Application,
) -> Result<(), StoreError> {
    let (owner, parent) = (after.id.to_string(), application.id.to_string());
    let old = known.map_or(&[][..], |known| &known.verifications);
    for (new, child) in changed(old, &application.verifications, |child| child.id) {
        let id = child.id.to_string();
        let row = VerificationRow {
            body: keys.seal_json(&place("verification", &id), child)?,
            application_id: parent.clone(),
            applicant_id: owner.clone(),
            look_at: child.look_at.map(stored),
            id,
        };
        put!(connection, verification, new, row);
    }
    let old = known.map_or(&[][..], |known| &known.materials);
    for gone in old.iter().filter(|gone| !application.materials.iter().any(|kept| kept.id == gone.id)) {
        diesel::delete(material::table.find(gone.id.to_string())).execute(connection)?;
    }
    for (new, child) in changed(old, &application.materials, |child| child.id) {
        let id = child.id.to_string();
        let state = match child.verdict {
            Verdict::Waiting => "waiting",
            Verdict::Good { .. } => "good",
            Verdict::Bad { .. } => "bad",
        };
        let due_at = (child.verdict == Verdict::Waiting).then(|| stored(child.received_at));
        let body = keys.seal_json(&place("material", &id), child)?;
        if new {
            let (application_id, applicant_id) = (parent.clone(), owner.clone());
            let row = MaterialRow { id, application_id, applicant_id, state, due_at, body };
            diesel::insert_into(material::table).values(&row).execute(connection)?;
        } else {
            // How often the validator died over it stays.
            let set = (material::state.eq(state), material::due_at.eq(due_at), material::body.eq(body));
            diesel::update(material::table.find(&id)).set(set).execute(connection)?;
        }
    }
    let old = known.map_or(&[][..], |known| &known.attempts);
    for (new, child) in changed(old, &application.attempts, |child| child.id) {
        let row = AttemptRow {
            id: child.id.to_string(),
            application_id: parent.clone(),
            applicant_id: owner.clone(),
            order_id: child.order.clone(),
            state: child.state.code().to_owned(),
            query_at: child.query_at.map(stored),
            body: serde_json::to_string(child)?,
        };
        put!(connection, attempt, new, row);
    }
    let old = known.map_or(&[][..], |known| &known.refunds);
    for (new, child) in changed(old, &application.refunds, |child| child.id) {
        let id = child.id.to_string();
        let row = RefundRow {
            body: keys.seal_json(&place("refund", &id), child)?,
            application_id: parent.clone(),
            applicant_id: owner.clone(),
            attempt_id: child.attempt.to_string(),
            order_id: child.order.as_ref().map(|order| order.order.clone()),
            state: child.state.code().to_owned(),
            asked_at: stored(child.asked_at),
            look_at: child.look_at.map(stored),
            batch_id: child.batch.map(|batch| batch.to_string()),
            by_bank: child.bank.is_some(),
            id,
        };
        put!(connection, refund, new, row);
    }
    let old = known.map_or(&[][..], |known| &known.certificates);
    for (new, child) in changed(old, &application.certificates, |child| child.id) {
        let id = child.id.to_string();
        // What another one replaced before it was made is not made any more.
        let due = (child.document.is_none() && child.standing == Standing::Valid).then(|| stored(child.issued_at));
        let body = serde_json::to_string(child)?;
        if new {
            diesel::insert_into(certificate::table)
                .values((
                    certificate::id.eq(&id),
                    certificate::application_id.eq(&parent),
                    certificate::applicant_id.eq(&owner),
                    certificate::number.eq(child.number.clone().unwrap_or_default()),
                    certificate::token.eq(&child.token),
                    certificate::name_key.eq(name_key(keys, &after.account.name)),
                    certificate::due_at.eq(due),
                    certificate::body.eq(body),
                    certificate::standing.eq(child.standing.code()),
                    certificate::document.eq(&child.document),
                ))
                .execute(connection)?;
        } else {
            let set = (
                certificate::due_at.eq(due),
                certificate::body.eq(body),
                certificate::standing.eq(child.standing.code()),
                certificate::document.eq(&child.document),
            );
            diesel::update(certificate::table.find(&id)).set(set).execute(connection)?;
        }
        let before = old.iter().find(|before| before.id == child.id);
        document_log::note(connection, before, child, application.changed_at)?;
    }
    Ok(())
}

pub(crate) fn parent<'a>(applications: &'a mut [Application], id: &str) -> Option<&'a mut Application> {
    let id: Option<ApplicationId> = id.parse().ok();
    applications.iter_mut().find(|application| Some(application.id) == id)
}

/// The rows of one child table that belong to an applicant: id, application, body.
macro_rules! rows {
    ($connection:expr, $table:ident, $owner:expr) => {
        $table::table
            .filter($table::applicant_id.eq($owner))
            .order($table::id)
            .select(($table::id, $table::application_id, $table::body))
            .load($connection)?
    };
}

/// Gives each child to its application.
fn give<T>(
    applications: &mut [Application],
    rows: Vec<(String, String, T)>,
    mut put: impl FnMut(&mut Application, &str, T) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for (id, application, body) in rows {
        if let Some(parent) = parent(applications, &application) {
            put(parent, &id, body)?;
        }
    }
    Ok(())
}

pub(crate) fn load(
    connection: &mut AnyConnection,
    keys: &Keys,
    owner: &str,
    applications: &mut [Application],
) -> Result<(), StoreError> {
    fn open<T: DeserializeOwned>(keys: &Keys, table: &str, id: &str, body: &[u8]) -> Result<T, StoreError> {
        Ok(keys.open_json(&place(table, id), body)?)
    }
    let found: Vec<(String, String, Vec<u8>)> = rows!(connection, verification, owner);
    give(applications, found, |parent, id, body| {
        parent.verifications.push(open::<Verification>(keys, "verification", id, &body)?);
        Ok(())
    })?;
    let found: Vec<(String, String, Vec<u8>)> = rows!(connection, material, owner);
    give(applications, found, |parent, id, body| {
        parent.materials.push(open::<Material>(keys, "material", id, &body)?);
        Ok(())
    })?;
    let found: Vec<(String, String, String)> = rows!(connection, attempt, owner);
    give(applications, found, |parent, _, body| {
        parent.attempts.push(serde_json::from_str::<Attempt>(&body)?);
        Ok(())
    })?;
    let found: Vec<(String, String, Vec<u8>)> = rows!(connection, refund, owner);
    give(applications, found, |parent, id, body| {
        parent.refunds.push(open::<Refund>(keys, "refund", id, &body)?);
        Ok(())
    })?;
    let found: Vec<(String, String, String)> = rows!(connection, certificate, owner);
    give(applications, found, |parent, _, body| {
        parent.certificates.push(serde_json::from_str::<Certificate>(&body)?);
        Ok(())
    })?;
    timeline::load(connection, owner, applications)?;
    for application in applications.iter_mut() {
        application.materials.sort_by(|a, b| (&a.slot, a.place).cmp(&(&b.slot, b.place)));
    }
    Ok(())
}
