//! Rows that crashed their worker: counted, set aside after a few times, tried again or given up by an operator (R7.2).

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use diesel::prelude::*;
use domain::effects::AuditEntry;
use domain::ids::{ApplicantId, ApplicationId};
use sha2::{Digest, Sha256};

use crate::audit;
use crate::connection::{AnyConnection, Store};
use crate::error::StoreError;
use crate::schema::{application, attempt, certificate, material, notice, refund, trouble, verification};
use crate::time::{instant, stored};

/// Crashes after which a row waits for an operator.
pub const ROW_CRASHES_MOST: i32 = 3;
/// Rows of a queue that are counted one by one.
const COUNTED_MOST: i64 = 10_001;

/// A queue of rows that some actor works off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Queue {
    /// The outbox of notices.
    Notice,
    /// Payments about which the gateway is to be asked.
    Payment,
    /// Refunds.
    Refund,
    /// Uploaded images to be looked at.
    Upload,
    /// Certificates without their document.
    Certificate,
    /// Identity checks under way.
    Verification,
    /// Cases with a day on which something is to happen.
    Case,
    /// Days whose clearing file is to be compared.
    Clearing,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 8] = [
        Self::Notice,
        Self::Payment,
        Self::Refund,
        Self::Upload,
        Self::Certificate,
        Self::Verification,
        Self::Case,
        Self::Clearing,
    ];

    /// The word in a task's name, and in the keys of texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Upload => "upload",
            Self::Certificate => "certificate",
            Self::Verification => "verification",
            Self::Case => "case",
            Self::Clearing => "clearing",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.code() == code)
    }

    /// Whether a parked row may be given up. Money and documents that are owed may not: they are tried again.
    pub const fn may_be_discarded(self) -> bool {
        matches!(self, Self::Notice)
    }
}

/// The name of one row of work, `queue:id`; it holds nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Task {
    /// Which queue.
    pub queue: Queue,
    /// The row's key.
    pub id: String,
}

impl Task {
    /// The name of a row.
    pub fn new(queue: Queue, id: impl fmt::Display) -> Self {
        Self { queue, id: id.to_string() }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        let (queue, id) = text.split_once(':')?;
        let plain = !id.is_empty() && id.len() <= 40 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        plain.then_some(Self { queue: Queue::from_code(queue)?, id: id.to_owned() })
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.queue.code(), self.id)
    }
}

/// How a row that crashed its worker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleState {
    /// It is tried again.
    Trying,
    /// It waits for an operator.
    Parked,
    /// An operator gave it up.
    Discarded,
    /// It was worked off after all.
    Mended,
}

impl TroubleState {
    /// The word that is stored, and in the keys of texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Trying => "trying",
            Self::Parked => "parked",
            Self::Discarded => "discarded",
            Self::Mended => "mended",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        [Self::Trying, Self::Parked, Self::Discarded, Self::Mended].into_iter().find(|state| state.code() == code)
    }
}

/// A row that crashed its worker.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// Which row.
    pub task: Task,
    /// Whose work it was.
    pub child: String,
    /// How it stands.
    pub state: TroubleState,
    /// Crashes since it was last tried by hand.
    pub crashes: i32,
    /// The last failure: reference and place, or why it was parked.
    pub failure: String,
    /// When it last changed.
    pub at: DateTime<Utc>,
    /// What its body was when it was set aside.
    seen: String,
}

/// How much waits in a queue.
#[derive(Debug, Clone, Copy)]
pub struct QueueLook {
    /// Which queue.
    pub queue: Queue,
    /// Rows that wait, due or not yet; more than ten thousand are not told apart.
    pub waiting: i64,
    /// The instant at which the oldest became due, if any is due.
    pub oldest: Option<DateTime<Utc>>,
}

type Row = (String, String, String, i32, String, NaiveDateTime, String);

fn read((task, child, state, crashes, failure, at, seen): Row) -> Result<Trouble, StoreError> {
    Ok(Trouble {
        task: Task::parse(&task).ok_or(StoreError::Value("trouble.task"))?,
        child,
        state: TroubleState::from_code(&state).ok_or(StoreError::Value("trouble.state"))?,
        crashes,
        failure,
        at: instant(at),
        seen,
    })
}

fn put(connection: &mut AnyConnection, row: &Trouble) -> Result<(), StoreError> {
    let name = row.task.to_string();
    let set = (
        trouble::child.eq(&row.child),
        trouble::state.eq(row.state.code()),
        trouble::crashes.eq(row.crashes),
        trouble::failure.eq(&row.failure),
        trouble::at.eq(stored(row.at)),
        trouble::seen.eq(&row.seen),
    );
    if diesel::update(trouble::table.find(&name)).set(set).execute(connection)? == 0 {
        diesel::insert_into(trouble::table).values((trouble::task.eq(&name), set)).execute(connection)?;
    }
    Ok(())
}

fn find(connection: &mut AnyConnection, task: &Task) -> Result<Option<Trouble>, StoreError> {
    let row: Option<Row> = trouble::table.find(task.to_string()).first(connection).optional()?;
    row.map(read).transpose()
}

/// Makes a row due at `due`, or at no time.
fn set_due(connection: &mut AnyConnection, task: &Task, due: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    let (id, due) = (task.id.as_str(), due.map(stored));
    match task.queue {
        Queue::Notice => {
            let state = if due.is_some() { "queued" } else { "parked" };
            let row = notice::table.find(id).filter(notice::body.is_not_null()).filter(notice::sent_at.is_null());
            // One try is counted: before it is sent again, the provider is asked whether it was sent already.
            let set = (notice::due_at.eq(due), notice::state.eq(state), notice::tries.eq(1));
            diesel::update(row).set(set).execute(connection)?
        }
        Queue::Payment => {
            let set = (attempt::query_at.eq(due), attempt::notified_at.eq(None::<NaiveDateTime>));
            diesel::update(attempt::table.find(id)).set(set).execute(connection)?
        }
        Queue::Refund => diesel::update(refund::table.find(id)).set(refund::look_at.eq(due)).execute(connection)?,
        Queue::Upload => {
            let set = (material::due_at.eq(due), material::crashes.eq(0));
            diesel::update(material::table.find(id)).set(set).execute(connection)?
        }
        Queue::Certificate => {
            let set = (certificate::due_at.eq(due), certificate::crashes.eq(0));
            diesel::update(certificate::table.find(id)).set(set).execute(connection)?
        }
        Queue::Verification => {
            diesel::update(verification::table.find(id)).set(verification::look_at.eq(due)).execute(connection)?
        }
        Queue::Case => {
            diesel::update(application::table.find(id)).set(application::look_at.eq(due)).execute(connection)?
        }
        // A day has no row before it is compared: whether it is parked stands in its trouble alone.
        Queue::Clearing => 0,
    };
    Ok(())
}

/// What a row's body is at present, so that it is known later whether anything changed it.
fn body_of(connection: &mut AnyConnection, task: &Task) -> Result<Option<Vec<u8>>, StoreError> {
    let id = task.id.as_str();
    let text = |body: Option<String>| body.map(String::into_bytes);
    Ok(match task.queue {
        Queue::Payment => text(attempt::table.find(id).select(attempt::body).first(connection).optional()?),
        Queue::Certificate => text(certificate::table.find(id).select(certificate::body).first(connection).optional()?),
        Queue::Refund => refund::table.find(id).select(refund::body).first(connection).optional()?,
        Queue::Upload => material::table.find(id).select(material::body).first(connection).optional()?,
        Queue::Verification => verification::table.find(id).select(verification::body).first(connection).optional()?,
        Queue::Case => application::table.find(id).select(application::body).first(connection).optional()?,
        // Nothing but its sending changes a notice; a day has no body.
        Queue::Notice | Queue::Clearing => None,
    })
}

fn mark(body: Option<Vec<u8>>) -> String {
    body.map_or_else(String::new, |body| hex::encode(Sha256::digest(body)))
}

/// Sets a row aside.
pub(crate) fn park(
    connection: &mut AnyConnection,
    task: Task,
    child: &str,
    failure: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let crashes = find(connection, &task)?.map_or(0, |known| known.crashes);
    set_due(connection, &task, None)?;
    let seen = mark(body_of(connection, &task)?);
    let (child, failure) = (child.to_owned(), failure.to_owned());
    put(connection, &Trouble { task, child, state: TroubleState::Parked, crashes, failure, at: now, seen })
}

/// Whether a row is set aside.
pub(crate) fn is_parked(connection: &mut AnyConnection, task: &Task) -> Result<bool, StoreError> {
    Ok(find(connection, task)?.is_some_and(|known| known.state == TroubleState::Parked))
}

impl Store {
    /// Counts a crash of a row's worker; after [`ROW_CRASHES_MOST`] the row is set aside, and `true` says so.
    ///
    /// # Errors
    /// When the database fails.
    pub fn row_crashed(&self, task: &Task, child: &str, failure: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.write(|connection| {
            let known = find(connection, task)?;
            let before = known.filter(|known| known.state != TroubleState::Mended).map_or(0, |known| known.crashes);
            let crashes = before + 1;
            // An image that the validator can't look at gets its verdict instead: the applicant is told why.
            let parked = crashes >= ROW_CRASHES_MOST && task.queue != Queue::Upload;
            if parked {
                set_due(connection, task, None)?;
            }
            let seen = mark(body_of(connection, task)?);
            let state = if parked { TroubleState::Parked } else { TroubleState::Trying };
            let (task, child, failure) = (task.clone(), child.to_owned(), failure.to_owned());
            put(connection, &Trouble { task, child, state, crashes, failure, at: now, seen })?;
            Ok(parked)
        })
    }

    /// A row that had crashed its worker was gone through without a crash: also one that was set aside and became due again
    /// because somebody changed it. False when it had not.
    ///
    /// # Errors
    /// When the database fails.
    pub fn row_mended(&self, task: &Task, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.write(|connection| {
            let open = [TroubleState::Trying.code(), TroubleState::Parked.code()];
            let row = trouble::table.find(task.to_string()).filter(trouble::state.eq_any(open));
            let set = (trouble::state.eq(TroubleState::Mended.code()), trouble::at.eq(stored(now)));
            Ok(diesel::update(row).set(set).execute(connection)? == 1)
        })
    }

    /// An operator has a parked row tried again. False when it is not parked.
    ///
    /// # Errors
    /// When the database fails.
    pub fn retry_row(&self, task: &Task, entry: &AuditEntry, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.write(|connection| {
            let row = trouble::table.find(task.to_string()).filter(trouble::state.eq(TroubleState::Parked.code()));
            let set =
                (trouble::state.eq(TroubleState::Trying.code()), trouble::crashes.eq(0), trouble::at.eq(stored(now)));
            if diesel::update(row).set(set).execute(connection)? == 0 {
                return Ok(false);
            }
            // Whatever changed the row meanwhile also said when it is due, or that it no longer is: that stands.
            let known = find(connection, task)?.map(|known| known.seen).unwrap_or_default();
            if mark(body_of(connection, task)?) == known {
                set_due(connection, task, Some(now))?;
            } else {
                let set = trouble::state.eq(TroubleState::Mended.code());
                diesel::update(trouble::table.find(task.to_string())).set(set).execute(connection)?;
            }
            audit::write(connection, std::slice::from_ref(entry), now)?;
            Ok(true)
        })
    }

    /// An operator gives a parked row up; a notice's words are destroyed. False when it is not parked, or may not be
    /// given up.
    ///
    /// # Errors
    /// When the database fails.
    pub fn discard_row(&self, task: &Task, entry: &AuditEntry, now: DateTime<Utc>) -> Result<bool, StoreError> {
        if !task.queue.may_be_discarded() {
            return Ok(false);
        }
        self.write(|connection| {
            let row = trouble::table.find(task.to_string()).filter(trouble::state.eq(TroubleState::Parked.code()));
            let set = (trouble::state.eq(TroubleState::Discarded.code()), trouble::at.eq(stored(now)));
            if diesel::update(row).set(set).execute(connection)? == 0 {
                return Ok(false);
            }
            let set = (notice::state.eq("failed"), notice::body.eq(None::<Vec<u8>>));
            diesel::update(notice::table.find(&task.id)).set(set).execute(connection)?;
            audit::write(connection, std::slice::from_ref(entry), now)?;
            Ok(true)
        })
    }

    /// Rows in a state, those that changed last first; `after` is the last of the page before.
    ///
    /// # Errors
    /// When the database fails.
    pub fn troubles(
        &self,
        state: TroubleState,
        after: Option<&Trouble>,
        most: i64,
    ) -> Result<Vec<Trouble>, StoreError> {
        let rows: Vec<Row> = self.read(|connection| {
            let mut query = trouble::table.filter(trouble::state.eq(state.code())).into_boxed();
            if let Some(last) = after {
                let (at, task) = (stored(last.at), last.task.to_string());
                query = query.filter(trouble::at.lt(at).or(trouble::at.eq(at).and(trouble::task.lt(task))));
            }
            Ok(query.order((trouble::at.desc(), trouble::task.desc())).limit(most).load(connection)?)
        })?;
        rows.into_iter().map(read).collect()
    }

    /// What is known of one row's crashes.
    ///
    /// # Errors
    /// When the database fails; none is `None`.
    pub fn trouble(&self, task: &Task) -> Result<Option<Trouble>, StoreError> {
        self.read(|connection| find(connection, task))
    }

    /// How many rows wait for an operator.
    ///
    /// # Errors
    /// When the database fails.
    pub fn rows_parked(&self) -> Result<i64, StoreError> {
        self.read(|connection| {
            let parked = trouble::table.filter(trouble::state.eq(TroubleState::Parked.code()));
            Ok(parked.count().get_result(connection)?)
        })
    }

    /// The case that a row belongs to, if it belongs to one: its id and number.
    ///
    /// # Errors
    /// When the database fails.
    pub fn case_of(&self, task: &Task) -> Result<Option<(ApplicationId, Option<String>)>, StoreError> {
        let id = task.id.as_str();
        self.read(|connection| {
            let case: Option<String> = match task.queue {
                Queue::Payment => {
                    attempt::table.find(id).select(attempt::application_id).first(connection).optional()?
                }
                Queue::Refund => refund::table.find(id).select(refund::application_id).first(connection).optional()?,
                Queue::Upload => {
                    material::table.find(id).select(material::application_id).first(connection).optional()?
                }
                Queue::Certificate => {
                    certificate::table.find(id).select(certificate::application_id).first(connection).optional()?
                }
                Queue::Verification => {
                    verification::table.find(id).select(verification::application_id).first(connection).optional()?
                }
                Queue::Case => Some(id.to_owned()),
                Queue::Notice => {
                    let owner: Option<Option<String>> =
                        notice::table.find(id).select(notice::applicant_id).first(connection).optional()?;
                    match owner.flatten() {
                        Some(owner) => application::table
                            .filter(application::applicant_id.eq(owner))
                            .order(application::id.desc())
                            .select(application::id)
                            .first(connection)
                            .optional()?,
                        None => None,
                    }
                }
                Queue::Clearing => None,
            };
            let Some(case) = case else { return Ok(None) };
            let number: Option<Option<String>> =
                application::table.find(&case).select(application::number).first(connection).optional()?;
            Ok(case.parse().ok().zip(number))
        })
    }

    /// The cases of an applicant, newest first: those that a crash of their session may have touched.
    ///
    /// # Errors
    /// When the database fails.
    pub fn cases_owned(
        &self,
        owner: ApplicantId,
        most: i64,
    ) -> Result<Vec<(ApplicationId, Option<String>)>, StoreError> {
        let rows: Vec<(String, Option<String>)> = self.read(|connection| {
            Ok(application::table
                .filter(application::applicant_id.eq(owner.to_string()))
                .order(application::id.desc())
                .select((application::id, application::number))
                .limit(most)
                .load(connection)?)
        })?;
        Ok(rows.into_iter().filter_map(|(id, number)| Some((id.parse().ok()?, number))).collect())
    }

    /// How much waits in each queue, and since when.
    ///
    /// # Errors
    /// When the database fails.
    pub fn queue_looks(&self, now: DateTime<Utc>) -> Result<Vec<QueueLook>, StoreError> {
        /// Counts the rows whose column is set, up to a bound, and finds the first of them that is due.
        macro_rules! look {
            ($connection:expr, $table:ident, $due:ident, $queue:expr) => {{
                let some = $table::table.filter($table::$due.is_not_null()).select($table::id).limit(COUNTED_MOST);
                let waiting = some.load::<String>($connection)?.len();
                let oldest: Option<Option<NaiveDateTime>> = $table::table
                    .filter($table::$due.le(stored(now)))
                    .order($table::$due)
                    .select($table::$due)
                    .first($connection)
                    .optional()?;
                let waiting = i64::try_from(waiting).unwrap_or(COUNTED_MOST);
                QueueLook { queue: $queue, waiting, oldest: oldest.flatten().map(instant) }
            }};
        }
        let clearing = self.due_clearing_day(now)?;
        self.read(|connection| {
            Ok(vec![
                look!(connection, notice, due_at, Queue::Notice),
                look!(connection, attempt, query_at, Queue::Payment),
                look!(connection, refund, look_at, Queue::Refund),
                look!(connection, material, due_at, Queue::Upload),
                look!(connection, certificate, due_at, Queue::Certificate),
                look!(connection, verification, look_at, Queue::Verification),
                look!(connection, application, look_at, Queue::Case),
                QueueLook {
                    queue: Queue::Clearing,
                    waiting: i64::from(clearing.is_some()),
                    oldest: clearing.map(domain::clearing::ends),
                },
            ])
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_task_is_read_as_it_was_written() {
        for queue in Queue::ALL {
            let task = Task::new(queue, "0199-abc");
            assert_eq!(Task::parse(&task.to_string()), Some(task));
        }
        for text in ["", "notice", "notice:", "nothing:1", "notice:a b", "notice:<b>"] {
            assert_eq!(Task::parse(text), None, "{text}");
        }
    }
}
