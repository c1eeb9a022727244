//! A new key for everything that is sealed: row by row, resumable, beside the running service.
//!
//! What is written anew is sealed with the newest key at once; this goes through the rest. Look-ups and signatures stay
//! with the oldest key: they can't be told from what is sealed.

use diesel::prelude::*;
use diesel::sql_types::{Binary, Text};
use serde::{Deserialize, Serialize};

use crate::connection::{AnyConnection, Store, hold};
use crate::error::StoreError;
use crate::schema::{past, setting};
use sealing::{Keys, SealingError};

/// The setting that says how far it went.
const SETTING: &str = "rotation";
/// Rows that are sealed anew in one transaction.
const AT_ONCE: usize = 100;

/// A column of sealed values: table, key, column, and the place that its values are sealed for.
struct Sealed {
    table: &'static str,
    key: &'static str,
    column: &'static str,
    place: &'static str,
}

const fn body(table: &'static str) -> Sealed {
    Sealed { table, key: "id", column: "body", place: table }
}

/// Every sealed column but [`PAST`], whose key is of two columns.
const COLUMNS: [Sealed; 14] = [
    body("applicant"),
    body("application"),
    body("verification"),
    body("material"),
    body("refund"),
    body("notice"),
    body("registration"),
    body("student"),
    body("share"),
    body("share_look"),
    Sealed { table: "import_file", key: "id", column: "body", place: "import" },
    Sealed { table: "transfer_batch", key: "id", column: "file", place: "batch" },
    Sealed { table: "staff", key: "id", column: "totp", place: "staff" },
    Sealed { table: "invitation", key: "token_hash", column: "totp", place: "invitation" },
];
const PAST: &str = "past";
const BLOBS: &str = "blobs";

/// How far a rotation went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// Which key it is to.
    key: String,
    /// The table, `blobs`, or nothing when it is done.
    pub place: String,
    /// The last row that was gone through.
    after: String,
    /// What none of the keys opens, rows and files: it is left as it is.
    #[serde(default)]
    pub unopened: u64,
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = Text)]
    id: String,
    #[diesel(sql_type = Binary)]
    body: Vec<u8>,
}

/// The place after this one; empty at the end.
fn next(place: &str) -> &'static str {
    let mut places = COLUMNS.iter().map(|column| column.table).chain([PAST, BLOBS]);
    let found = places.by_ref().any(|known| known == place);
    if found { places.next().unwrap_or("") } else { "" }
}

impl Sealed {
    /// The rows after one, sealed anew where an older key had sealed them.
    fn renew(
        &self,
        connection: &mut AnyConnection,
        keys: &Keys,
        after: &str,
        unopened: &mut u64,
    ) -> Result<Option<String>, StoreError> {
        let Self { table, key, column, place } = self;
        let (one, two, three) = marks(connection);
        let rows = self.rows(connection, after)?;
        for Found { id, body } in &rows {
            if let Some(renewed) = opened(keys.renewed(&format!("{place}:{id}"), body), unopened)? {
                // A commit in between has sealed it with the newest key already.
                diesel::sql_query(format!(
                    "UPDATE {table} SET {column} = {one} WHERE {key} = {two} AND {column} = {three}"
                ))
                .bind::<Binary, _>(renewed)
                .bind::<Text, _>(id)
                .bind::<Binary, _>(body)
                .execute(connection)?;
            }
        }
        Ok(rows.into_iter().next_back().map(|row| row.id))
    }

    /// Some rows after one, in the order of their keys.
    fn rows(&self, connection: &mut AnyConnection, after: &str) -> Result<Vec<Found>, StoreError> {
        let Self { table, key, column, .. } = self;
        let (one, ..) = marks(connection);
        Ok(diesel::sql_query(format!(
            "SELECT {key} AS id, {column} AS body FROM {table} WHERE {key} > {one} AND {column} IS NOT NULL ORDER BY {key} LIMIT {AT_ONCE}"
        ))
        .bind::<Text, _>(after)
        .load(connection)?)
    }
}

/// How values stand in a statement.
const fn marks(connection: &AnyConnection) -> (&'static str, &'static str, &'static str) {
    match connection {
        AnyConnection::Postgres(_) => ("$1", "$2", "$3"),
        AnyConnection::Sqlite(_) => ("?", "?", "?"),
    }
}

/// What opens with none of the keys is counted and left: it holds up nothing else.
pub(crate) fn opened<T>(renewed: Result<Option<T>, SealingError>, unopened: &mut u64) -> Result<Option<T>, StoreError> {
    match renewed {
        Err(SealingError::Sealed(_)) => {
            *unopened += 1;
            Ok(None)
        }
        other => Ok(other?),
    }
}

/// The kept states of the next case.
fn renew_past(
    connection: &mut AnyConnection,
    keys: &Keys,
    after: &str,
    unopened: &mut u64,
) -> Result<Option<String>, StoreError> {
    let id: Option<String> = past::table
        .filter(past::application_id.gt(after))
        .order(past::application_id)
        .select(past::application_id)
        .first(connection)
        .optional()?;
    let Some(id) = id else { return Ok(None) };
    let rows: Vec<(i64, Vec<u8>)> =
        past::table.filter(past::application_id.eq(&id)).select((past::version, past::body)).load(connection)?;
    for (version, body) in rows {
        if let Some(renewed) = opened(keys.renewed(&format!("{PAST}:{id}"), &body), unopened)? {
            diesel::update(past::table.find((&id, version))).set(past::body.eq(renewed)).execute(connection)?;
        }
    }
    Ok(Some(id))
}

impl Store {
    /// How far a rotation to the newest key went; none when there is none to make, or it is done.
    ///
    /// # Errors
    /// When the database fails.
    pub fn rotation(&self) -> Result<Option<Rotation>, StoreError> {
        if !self.keys.has_former() {
            return Ok(None);
        }
        let key = self.keys.newest();
        let kept = self.setting(SETTING)?.and_then(|kept| serde_json::from_str::<Rotation>(&kept).ok());
        let first = COLUMNS.first().map_or("", |column| column.table);
        let rotation = kept.filter(|kept| kept.key == key).unwrap_or_else(|| Rotation {
            key,
            place: first.to_owned(),
            after: String::new(),
            unopened: 0,
        });
        Ok((!rotation.place.is_empty()).then_some(rotation))
    }

    /// Seals some more of what an older key had sealed; how far it went is kept with it. False when nothing is left.
    ///
    /// # Errors
    /// When the database or a file fails, or something opens with none of the keys.
    pub fn rotate_some(&self) -> Result<bool, StoreError> {
        let Some(mut rotation) = self.rotation()? else { return Ok(false) };
        if rotation.place == BLOBS {
            // Files are named by their content: sealing one anew twice is no harm.
            match self.blobs().renew_folder(&self.keys, &rotation.after, &mut rotation.unopened)? {
                Some(folder) => rotation.after = folder,
                None => rotation = Rotation { place: String::new(), after: String::new(), ..rotation },
            }
        }
        self.write(|connection| {
            hold(connection, SETTING)?;
            let mut unopened = rotation.unopened;
            let last = match COLUMNS.iter().find(|column| column.table == rotation.place) {
                Some(column) => column.renew(connection, &self.keys, &rotation.after, &mut unopened)?,
                None if rotation.place == PAST => renew_past(connection, &self.keys, &rotation.after, &mut unopened)?,
                None => Some(rotation.after.clone()),
            };
            let now = match last {
                Some(after) => Rotation { after, unopened, ..rotation.clone() },
                None => {
                    let place = next(&rotation.place).to_owned();
                    Rotation { place, after: String::new(), unopened, ..rotation.clone() }
                }
            };
            let value = serde_json::to_string(&now)?;
            let row = diesel::update(setting::table.find(SETTING));
            if row.set(setting::value.eq(&value)).execute(connection)? == 0 {
                let row = (setting::name.eq(SETTING), setting::value.eq(&value));
                diesel::insert_into(setting::table).values(row).execute(connection)?;
            }
            Ok(())
        })?;
        Ok(true)
    }

    /// Opens every sealed value of every table; says how many there are.
    ///
    /// # Errors
    /// `Sealed` when one opens with none of the keys.
    pub(crate) fn open_sealed(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        for column in &COLUMNS {
            let mut after = String::new();
            loop {
                let rows = self.read(|connection| column.rows(connection, &after))?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.id);
                for Found { id, body } in &rows {
                    self.keys.open(&format!("{}:{id}", column.place), body)?;
                    count += 1;
                }
            }
        }
        let mut after = String::new();
        loop {
            let rows: Vec<(String, Vec<u8>)> = self.read(|connection| {
                let next: Option<String> = past::table
                    .filter(past::application_id.gt(&after))
                    .order(past::application_id)
                    .select(past::application_id)
                    .first(connection)
                    .optional()?;
                let Some(next) = next else { return Ok(Vec::new()) };
                let kept = past::table.filter(past::application_id.eq(next));
                Ok(kept.select((past::application_id, past::body)).load(connection)?)
            })?;
            let Some((last, _)) = rows.last() else { break };
            after.clone_from(last);
            for (id, body) in &rows {
                self.keys.open(&format!("{PAST}:{id}"), body)?;
                count += 1;
            }
        }
        Ok(count)
    }
}
