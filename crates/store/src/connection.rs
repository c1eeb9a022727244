//! One type for both databases, chosen by the address, and one way to write: a transaction, started as a writer.

use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::backend::Backend;
use diesel::connection::{AnsiTransactionManager as Ansi, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::r2d2::{self, R2D2Connection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::blobs::Blobs;
use crate::error::StoreError;
use crate::notice::CLAIMED;
use crate::recent::Recent;
use crate::rules::Tables;
use crate::schema::{certificate, material, notice};
use crate::time::stored;
use sealing::Keys;

const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// A connection to either.
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    /// PostgreSQL.
    Postgres(PgConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

struct Manager {
    url: String,
}

impl Manager {
    fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres://") || self.url.starts_with("postgresql://")
    }
}

impl r2d2::ManageConnection for Manager {
    type Connection = AnyConnection;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<AnyConnection, r2d2::Error> {
        if self.is_postgres() {
            return Ok(AnyConnection::Postgres(PgConnection::establish(&self.url)?));
        }
        let mut connection = SqliteConnection::establish(&self.url)?;
        // An answered command is on the disk: FULL. The time-out first, for the others may have to wait.
        for pragma in ["busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"] {
            connection.batch_execute(&format!("PRAGMA {pragma};"))?;
        }
        Ok(AnyConnection::Sqlite(connection))
    }

    fn is_valid(&self, connection: &mut AnyConnection) -> Result<(), r2d2::Error> {
        Ok(connection.ping()?)
    }

    fn has_broken(&self, connection: &mut AnyConnection) -> bool {
        std::thread::panicking() || connection.is_broken()
    }
}

/// Holds a name until the end of the transaction: what is counted under it can't be counted twice at once. SQLite has
/// one writer anyway.
pub(crate) fn hold(connection: &mut AnyConnection, name: &str) -> Result<(), StoreError> {
    if let AnyConnection::Postgres(postgres) = connection {
        diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 36000))")
            .bind::<diesel::sql_types::Text, _>(name)
            .execute(postgres)?;
    }
    Ok(())
}

/// A query whose prepared form is kept, although diesel does not keep updates by itself: its text must depend on
/// nothing but its type.
pub(crate) struct Kept<Q>(pub(crate) Q);

impl<DB: Backend, Q: QueryFragment<DB>> QueryFragment<DB> for Kept<Q> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q> QueryId for Kept<Q> {
    type QueryId = ();
    // Kept by its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, C> RunQueryDsl<C> for Kept<Q> {}

type Pooled = r2d2::PooledConnection<Manager>;

/// The store: rows by diesel, blobs beside them, and the keys to what is sealed.
pub struct Store {
    pool: r2d2::Pool<Manager>,
    /// SQLite has one writer at a time, and it keeps its connection: what that remembers of the file stays true. Waiting
    /// here is fair, waiting there is a lottery.
    writer: Option<Mutex<Pooled>>,
    pub(crate) recent: Option<Recent>,
    pub(crate) keys: Keys,
    pub(crate) tables: Tables,
    blobs: Blobs,
}

impl Store {
    /// Opens the database at `url` (`postgres://…`, or the path of an SQLite file) and migrates it.
    ///
    /// # Errors
    /// When it can't be reached, or a migration fails.
    pub fn open(url: &str, keys: Keys, blobs: Blobs) -> Result<Self, StoreError> {
        let manager = Manager { url: url.to_owned() };
        let postgres = manager.is_postgres();
        let pool = r2d2::Pool::builder()
            .max_size(9)
            .min_idle(Some(1))
            .test_on_check_out(postgres)
            .connection_timeout(Duration::from_secs(10))
            .build(manager)
            .map_err(|error| StoreError::Pool(error.to_string()))?;
        let take = || pool.get().map_err(|error| StoreError::Pool(error.to_string()));
        let writer = if postgres { None } else { Some(Mutex::new(take()?)) };
        let recent = (!postgres).then(Recent::default);
        let store = Self { pool, writer, recent, keys, tables: Tables::default(), blobs };
        store.migrate()?;
        Ok(store)
    }

    fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.take()?;
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| StoreError::Migration(error.to_string());
        match &mut *connection {
            AnyConnection::Postgres(postgres) => {
                // Two nodes may start at once.
                postgres.batch_execute("SELECT pg_advisory_lock(36000)")?;
                let done = postgres.run_pending_migrations(POSTGRES).map(|_| ()).map_err(failed);
                postgres.batch_execute("SELECT pg_advisory_unlock(36000)")?;
                done
            }
            AnyConnection::Sqlite(sqlite) => sqlite.run_pending_migrations(SQLITE).map(|_| ()).map_err(failed),
        }
    }

    /// On SQLite there is one node: whatever was claimed when this process starts was claimed by a dead one, and is due
    /// at once. On PostgreSQL other nodes live, and the leases run out.
    ///
    /// # Errors
    /// When the database fails.
    pub fn take_over(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        if self.writer.is_none() {
            return Ok(());
        }
        let at = stored(now);
        self.write(|connection| {
            let images = material::table.filter(material::due_at.gt(at));
            diesel::update(images).set(material::due_at.eq(at)).execute(connection)?;
            let documents = certificate::table.filter(certificate::due_at.gt(at));
            diesel::update(documents).set(certificate::due_at.eq(at)).execute(connection)?;
            let notices = notice::table.filter(notice::due_at.gt(at)).filter(notice::answer.eq(CLAIMED));
            diesel::update(notices).set(notice::due_at.eq(at)).execute(connection)?;
            Ok(())
        })
    }

    /// The blob store.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn ping(&self) -> Result<(), StoreError> {
        self.read(|connection| Ok(connection.batch_execute("SELECT 1")?))
    }

    fn take(&self) -> Result<Pooled, StoreError> {
        self.pool.get().map_err(|error| StoreError::Pool(error.to_string()))
    }

    /// Runs `work` on a connection, outside any transaction of ours.
    pub(crate) fn read<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        work(&mut *self.take()?)
    }

    /// Runs `work` in one transaction that is a writer's from the start; what it returns is on the disk.
    pub(crate) fn write<T>(
        &self,
        work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Some(writer) = &self.writer else { return transact(&mut *self.take()?, work) };
        let mut turn = match writer.lock() {
            Ok(turn) => turn,
            Err(poisoned) => {
                // A panic left a transaction open: another connection takes this one's place, which rolls back as it goes.
                let mut turn = poisoned.into_inner();
                *turn = self.take()?;
                writer.clear_poison();
                turn
            }
        };
        let done = transact(&mut turn, work);
        if done.is_err() && turn.is_broken() {
            *turn = self.take()?;
        }
        done
    }
}

fn transact<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    match connection {
        AnyConnection::Postgres(postgres) => Ansi::begin_transaction_sql(postgres, "BEGIN")?,
        AnyConnection::Sqlite(sqlite) => Ansi::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")?,
    }
    match work(connection) {
        Ok(done) => {
            <AnyConnection as TransactionManager<AnyConnection>>::commit_transaction(connection)?;
            Ok(done)
        }
        Err(error) => {
            // The first error tells more than a failed roll-back; a broken connection leaves the pool anyway.
            let _ = <AnyConnection as TransactionManager<AnyConnection>>::rollback_transaction(connection);
            Err(error)
        }
    }
}
