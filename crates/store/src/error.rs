//! What can go wrong below the domain.

use diesel::result::{DatabaseErrorKind, Error as Diesel};
use sealing::SealingError;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database says no.
    #[error("the database failed: {0}")]
    Database(Diesel),
    /// No connection within the time-out.
    #[error("no database connection: {0}")]
    Pool(String),
    /// Somebody committed first; load again and decide again.
    #[error("the version has moved on")]
    Stale,
    /// A unique value is taken.
    #[error("a unique value is taken: {0}")]
    Taken(String),
    /// No such row.
    #[error("no such row")]
    Missing,
    /// A sealed value does not open: wrong key or damaged.
    #[error("a sealed value does not open ({0})")]
    Sealed(&'static str),
    /// A stored value has a shape that this version does not know.
    #[error("a stored value has an unknown shape: {0}")]
    Shape(#[from] serde_json::Error),
    /// A row names something that does not exist.
    #[error("a row holds an impossible value in {0}")]
    Value(&'static str),
    /// A file could not be written or read.
    #[error("the blob store failed: {0}")]
    Blob(#[from] std::io::Error),
    /// Keys or passwords.
    #[error("cryptography failed: {0}")]
    Crypto(&'static str),
    /// Migrations.
    #[error("the migrations failed: {0}")]
    Migration(String),
}

impl From<SealingError> for StoreError {
    fn from(error: SealingError) -> Self {
        match error {
            SealingError::Sealed(why) => Self::Sealed(why),
            SealingError::Crypto(why) => Self::Crypto(why),
            SealingError::Shape(why) => Self::Shape(why),
        }
    }
}

impl From<Diesel> for StoreError {
    fn from(error: Diesel) -> Self {
        match error {
            Diesel::NotFound => Self::Missing,
            Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                // Names columns or the constraint, never a value.
                let columns = info.message().strip_prefix("UNIQUE constraint failed: ").map(str::to_owned);
                Self::Taken(info.constraint_name().map(str::to_owned).or(columns).unwrap_or_default())
            }
            Diesel::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Stale,
            Diesel::DatabaseError(_, info)
                if info.message() == "deadlock detected" || info.message().starts_with("database is locked") =>
            {
                Self::Stale
            }
            other => Self::Database(other),
        }
    }
}
