//! A copy of everything at one instant, taken while the service runs, and the proof that a copy can be lived from.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::audit::Chain;
use crate::connection::{AnyConnection, Store};
use crate::error::StoreError;
use crate::schema::applicant;

/// What was found in a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inventory {
    /// Applicants, each of whom was opened.
    pub applicants: usize,
    /// Files, each of which was opened and is what its name says.
    pub files: usize,
    /// Entries of the audit log, whose links all hold.
    pub audit: i64,
}

#[derive(QueryableByName)]
struct Check {
    #[diesel(sql_type = Text)]
    integrity_check: String,
}

impl Store {
    /// Writes a copy of the database as it stands at this instant; writers go on meanwhile.
    ///
    /// # Errors
    /// `Value` on PostgreSQL, whose own tools do this; when the copy can't be written.
    pub fn snapshot(&self, to: &Path) -> Result<(), StoreError> {
        let to = to.to_string_lossy().replace('\'', "''");
        self.read(|connection| match connection {
            AnyConnection::Postgres(_) => Err(StoreError::Value("a database that pg_dump copies")),
            AnyConnection::Sqlite(sqlite) => Ok(sqlite.batch_execute(&format!("VACUUM INTO '{to}'"))?),
        })
    }

    /// Opens everything: each applicant with their cases, each file, each link of the audit log.
    ///
    /// # Errors
    /// `Sealed` or `Missing` when something does not open or is not there; `Value` when the database itself is damaged or
    /// a link is broken.
    pub fn open_everything(&self) -> Result<Inventory, StoreError> {
        let sound = self.read(|connection| match connection {
            AnyConnection::Postgres(_) => Ok(true),
            AnyConnection::Sqlite(sqlite) => {
                let found: Vec<Check> = diesel::sql_query("PRAGMA integrity_check").load(sqlite)?;
                Ok(found.iter().all(|check| check.integrity_check == "ok"))
            }
        })?;
        if !sound {
            return Err(StoreError::Value("the database file"));
        }
        let Chain::Whole(audit, _) = self.verify_audit()? else { return Err(StoreError::Value("the audit log")) };
        self.open_sealed()?;
        let (mut applicants, mut after) = (0, String::new());
        loop {
            let page: Vec<String> = self.read(|connection| {
                let next = applicant::table.filter(applicant::id.gt(&after)).order(applicant::id);
                Ok(next.select(applicant::id).limit(500).load(connection)?)
            })?;
            let Some(last) = page.last().cloned() else { break };
            for id in &page {
                let loaded = self.load_applicant(id.parse().map_err(|_| StoreError::Value("applicant.id"))?)?;
                // What a row names must be there.
                for application in &loaded.applications {
                    for certificate in &application.certificates {
                        certificate.document.as_deref().map(|hash| self.blobs().get(&self.keys, hash)).transpose()?;
                    }
                    for material in &application.materials {
                        self.blobs().get(&self.keys, &material.original)?;
                    }
                }
            }
            (applicants, after) = (applicants + page.len(), last);
        }
        let names = self.blobs().names()?;
        for name in &names {
            let content = self.blobs().get(&self.keys, name)?;
            if !crate::blobs::is_named(&content, name) {
                return Err(StoreError::Value("a file's content"));
            }
        }
        Ok(Inventory { applicants, files: names.len(), audit })
    }
}
