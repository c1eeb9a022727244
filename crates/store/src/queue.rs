//! The officers' queues (R6.2): cases by stage and filter, paged by key; look-ups by number, name and document; and the
//! cases at which the clerk looks next.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use domain::case::Stage;
use domain::document_number::DocumentType;
use domain::ids::{ApplicantId, ApplicationId, StaffId};

use crate::certificate::name_key;
use crate::connection::{AnyConnection, Store};
use crate::error::StoreError;
use crate::schema::{applicant, application};
use crate::time::{instant, stored};
use sealing::Keys;

/// Cases of one stage are counted no further than this: a page needs no more, and a count must not cost what a million
/// cases cost.
pub const COUNTED_MOST: i64 = 1_000;

/// One row of the officers' queue.
#[derive(Debug, Clone)]
pub struct QueueRow {
    /// Of whom.
    pub applicant: ApplicantId,
    /// Which application.
    pub application: ApplicationId,
    /// Its number.
    pub number: String,
    /// Where it stands.
    pub stage: Stage,
    /// Kind code.
    pub kind: String,
    /// Alpha-2 code.
    pub country: String,
    /// Since when it has stood there.
    pub since: DateTime<Utc>,
    /// Who has it.
    pub claimed_by: Option<String>,
    /// The expected date.
    pub due: Option<NaiveDate>,
}

/// Whose cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Anybody's.
    Any,
    /// Nobody's.
    Nobody,
    /// This officer's.
    Officer(StaffId),
}

/// What a queue shows.
#[derive(Debug, Clone)]
pub struct QueueFilter {
    /// One stage.
    pub stage: Stage,
    /// One kind.
    pub kind: Option<String>,
    /// One country.
    pub country: Option<String>,
    /// Whose.
    pub holder: Holder,
    /// By expected date, the first first; only what has one.
    pub by_due: bool,
}

impl QueueFilter {
    /// All of one stage, the longest waiting first.
    pub fn of(stage: Stage) -> Self {
        Self { stage, kind: None, country: None, holder: Holder::Any, by_due: false }
    }
}

/// Where the next page begins: the last row of the one before.
#[derive(Debug, Clone, Copy)]
pub enum QueueCursor {
    /// Sorted by how long it has waited.
    Since(DateTime<Utc>, ApplicationId),
    /// Sorted by expected date.
    Due(NaiveDate, ApplicationId),
}

/// The keyed hash by which the same paper is found in another account: letters and digits alone, in capitals.
pub(crate) fn paper_key(keys: &Keys, paper: &str) -> String {
    let bare: String = paper.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    keys.find("paper", &bare)
}

const COLUMNS: (
    application::applicant_id,
    application::id,
    application::number,
    application::stage,
    application::kind,
    application::country,
    application::since_at,
    application::claimed_by,
    application::due_on,
) = (
    application::applicant_id,
    application::id,
    application::number,
    application::stage,
    application::kind,
    application::country,
    application::since_at,
    application::claimed_by,
    application::due_on,
);

type Row = (
    String,
    String,
    Option<String>,
    String,
    Option<String>,
    Option<String>,
    NaiveDateTime,
    Option<String>,
    Option<NaiveDate>,
);

fn queue_row((owner, id, number, stage, kind, country, since, claimed_by, due): Row) -> Result<QueueRow, StoreError> {
    Ok(QueueRow {
        applicant: owner.parse().map_err(|_| StoreError::Value("application.applicant_id"))?,
        application: id.parse().map_err(|_| StoreError::Value("application.id"))?,
        number: number.unwrap_or_default(),
        stage: Stage::from_code(&stage).ok_or(StoreError::Value("application.stage"))?,
        kind: kind.unwrap_or_default(),
        country: country.unwrap_or_default(),
        since: instant(since),
        claimed_by,
        due,
    })
}

impl Store {
    /// Whose application this is.
    ///
    /// # Errors
    /// `Missing` when there is none.
    pub fn owner_of(&self, id: ApplicationId) -> Result<ApplicantId, StoreError> {
        self.read(|connection| {
            let owner: String =
                application::table.find(id.to_string()).select(application::applicant_id).first(connection)?;
            owner.parse().map_err(|_| StoreError::Value("application.applicant_id"))
        })
    }

    /// One page of a queue.
    ///
    /// # Errors
    /// When the database fails.
    pub fn queue(
        &self,
        filter: &QueueFilter,
        after: Option<QueueCursor>,
        most: i64,
    ) -> Result<Vec<QueueRow>, StoreError> {
        // Boxed by backend, for what is asked differs: each combination has the index that it leads with.
        macro_rules! page {
            ($connection:expr) => {{
                let mut page = application::table
                    .filter(application::stage.eq(filter.stage.code()))
                    .select(COLUMNS)
                    .limit(most)
                    .into_boxed();
                if let Some(kind) = &filter.kind {
                    page = page.filter(application::kind.eq(kind));
                }
                if let Some(country) = &filter.country {
                    page = page.filter(application::country.eq(country));
                }
                page = match filter.holder {
                    Holder::Any => page,
                    Holder::Nobody => page.filter(application::claimed_by.is_null()),
                    Holder::Officer(id) => page.filter(application::claimed_by.eq(id.to_string())),
                };
                page = match after {
                    Some(QueueCursor::Since(since, id)) => {
                        let (since, id) = (stored(since), id.to_string());
                        page.filter(
                            application::since_at.ge(since).and(
                                application::since_at
                                    .gt(since)
                                    .or(application::since_at.eq(since).and(application::id.gt(id))),
                            ),
                        )
                    }
                    Some(QueueCursor::Due(due, id)) => page.filter(
                        application::due_on.ge(due).and(
                            application::due_on
                                .gt(due)
                                .or(application::due_on.eq(due).and(application::id.gt(id.to_string()))),
                        ),
                    ),
                    None => page,
                };
                if filter.by_due {
                    page.filter(application::due_on.is_not_null())
                        .order((application::due_on, application::id))
                        .load::<Row>($connection)?
                } else {
                    page.order((application::since_at, application::id)).load::<Row>($connection)?
                }
            }};
        }
        let rows = self.read(|connection| {
            Ok(match connection {
                AnyConnection::Postgres(postgres) => page!(postgres),
                AnyConnection::Sqlite(sqlite) => page!(sqlite),
            })
        })?;
        rows.into_iter().map(queue_row).collect()
    }

    /// How many cases stand in this stage, counted up to [`COUNTED_MOST`].
    ///
    /// # Errors
    /// When the database fails.
    pub fn count_in(&self, stage: Stage) -> Result<i64, StoreError> {
        #[derive(QueryableByName)]
        struct Counted {
            #[diesel(sql_type = BigInt)]
            counted: i64,
        }
        self.read(|connection| {
            let few = |text: &str| {
                let inner = format!("SELECT 1 FROM application WHERE stage = {text} LIMIT {COUNTED_MOST}");
                format!("SELECT COUNT(*) AS counted FROM ({inner}) AS few")
            };
            let counted: Counted = match connection {
                AnyConnection::Postgres(postgres) => {
                    diesel::sql_query(few("$1")).bind::<Text, _>(stage.code()).get_result(postgres)?
                }
                AnyConnection::Sqlite(sqlite) => {
                    diesel::sql_query(few("?")).bind::<Text, _>(stage.code()).get_result(sqlite)?
                }
            };
            Ok(counted.counted)
        })
    }

    /// Finds a case by its number.
    ///
    /// # Errors
    /// `Missing` when there is none.
    pub fn application_by_number(&self, number: &str) -> Result<ApplicationId, StoreError> {
        self.read(|connection| {
            let id: String = application::table
                .filter(application::number.eq(number.trim().to_uppercase()))
                .select(application::id)
                .first(connection)?;
            id.parse().map_err(|_| StoreError::Value("application.id"))
        })
    }

    /// The submitted cases of whoever has this name, or a document with this number; at most `most`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn cases_of(&self, who: &str, most: i64) -> Result<Vec<QueueRow>, StoreError> {
        let typed = domain::document_number::normalise(who);
        let documents: Vec<String> = DocumentType::ALL
            .iter()
            .map(|kind| (kind, domain::document_number::canonical(*kind, &typed)))
            .map(|(kind, number)| self.keys.find("document", &format!("{}:{number}", kind.code())))
            .collect();
        let name = name_key(&self.keys, who);
        let rows: Vec<Row> = self.read(|connection| {
            let mut people: Vec<String> = applicant::table
                .filter(applicant::document_key.eq_any(documents))
                .select(applicant::id)
                .limit(most)
                .load(connection)?;
            let named: Vec<String> = applicant::table
                .filter(applicant::name_key.eq(name))
                .order(applicant::id)
                .select(applicant::id)
                .limit(most)
                .load(connection)?;
            people.extend(named);
            Ok(application::table
                .filter(application::applicant_id.eq_any(people))
                .filter(application::number.is_not_null())
                .filter(application::stage.ne(Stage::Draft.code()))
                .order(application::id.desc())
                .select(COLUMNS)
                .limit(most)
                .load(connection)?)
        })?;
        rows.into_iter().map(queue_row).collect()
    }

    /// Cases of other accounts about the same paper: certificate number and institution agree.
    ///
    /// # Errors
    /// When the database fails.
    pub fn doubles(&self, id: ApplicationId, most: i64) -> Result<Vec<QueueRow>, StoreError> {
        let rows: Vec<Row> = self.read(|connection| {
            let (owner, key): (String, Option<String>) = application::table
                .find(id.to_string())
                .select((application::applicant_id, application::paper_key))
                .first(connection)?;
            let Some(key) = key else { return Ok(Vec::new()) };
            Ok(application::table
                .filter(application::paper_key.eq(key))
                .filter(application::applicant_id.ne(owner))
                .filter(application::stage.ne(Stage::Draft.code()))
                .order(application::id.desc())
                .select(COLUMNS)
                .limit(most)
                .load(connection)?)
        })?;
        rows.into_iter().map(queue_row).collect()
    }

    /// The case at which the clerk should have looked first.
    ///
    /// # Errors
    /// When the database fails; none is `None`.
    pub fn due_case(&self, now: DateTime<Utc>) -> Result<Option<(ApplicantId, ApplicationId)>, StoreError> {
        self.read(|connection| {
            let row: Option<(String, String)> = application::table
                .filter(application::look_at.le(stored(now)))
                .order(application::look_at)
                .select((application::applicant_id, application::id))
                .first(connection)
                .optional()?;
            row.map(|(owner, id)| {
                let owner = owner.parse().map_err(|_| StoreError::Value("application.applicant_id"))?;
                Ok((owner, id.parse().map_err(|_| StoreError::Value("application.id"))?))
            })
            .transpose()
        })
    }

    /// Has the clerk come back to a case later: it could not be looked at.
    ///
    /// # Errors
    /// When the database fails.
    pub fn defer_case(&self, id: ApplicationId, now: DateTime<Utc>, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            // Looked at after all, it has its next day already.
            let row = application::table.find(id.to_string()).filter(application::look_at.le(stored(now)));
            diesel::update(row).set(application::look_at.eq(stored(until))).execute(connection)?;
            Ok(())
        })
    }
}
