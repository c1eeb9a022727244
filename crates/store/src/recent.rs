//! What was just read or written, remembered where nobody else writes: on SQLite this process is the only one, so what
//! it knows of log-ins and versions stays true until it changes them itself. On PostgreSQL there are other nodes, and
//! nothing is remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use chrono::{DateTime, Utc};
use domain::applicant::Applicant;
use domain::ids::ApplicantId;

/// Entries of one kind at the most; beyond, the memory begins anew.
const ENTRIES_MOST: usize = 50_000;

#[derive(Default)]
pub(crate) struct Recent {
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// Who is logged in by a token's hash, and until when.
    logins: HashMap<String, (ApplicantId, DateTime<Utc>)>,
    /// The newest version, and a copy of it as long as a session actor holds one.
    applicants: HashMap<ApplicantId, (i64, Weak<Applicant>)>,
    /// How many log-ins were ended: a log-in that was read before is not remembered after.
    endings: u64,
}

impl Recent {
    fn with<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        work(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The applicant behind a token, as it now stands, if all of that is known.
    pub(crate) fn recall(&self, token_hash: &str, now: DateTime<Utc>) -> Option<Arc<Applicant>> {
        self.with(|memory| {
            let (id, _) = memory.logins.get(token_hash).filter(|(_, until)| *until > now)?;
            let (version, copy) = memory.applicants.get(id)?;
            copy.upgrade().filter(|copy| copy.version == *version)
        })
    }

    /// The newest version of an applicant, if it is known.
    pub(crate) fn version(&self, id: ApplicantId) -> Option<i64> {
        self.with(|memory| memory.applicants.get(&id).map(|(version, _)| *version))
    }

    /// To be asked before a log-in is read from the rows, and given back with it.
    pub(crate) fn endings(&self) -> u64 {
        self.with(|memory| memory.endings)
    }

    /// A log-in was read, when so many had ended.
    pub(crate) fn logged_in(&self, token_hash: String, id: ApplicantId, until: DateTime<Utc>, endings: u64) {
        self.with(|memory| {
            if memory.endings != endings {
                return;
            }
            if memory.logins.len() >= ENTRIES_MOST {
                memory.logins.clear();
            }
            memory.logins.insert(token_hash, (id, until));
        });
    }

    /// One log-in ended.
    pub(crate) fn ended(&self, token_hash: &str) {
        self.with(|memory| {
            memory.endings += 1;
            memory.logins.remove(token_hash);
        });
    }

    /// All log-ins of a holder ended.
    pub(crate) fn all_ended(&self, holder: &str) {
        self.with(|memory| {
            memory.endings += 1;
            memory.logins.retain(|_, (id, _)| id.to_string() != holder);
        });
    }

    /// A version was read: a copy that is older is not given any more.
    pub(crate) fn at_version(&self, id: ApplicantId, version: i64) {
        self.with(|memory| {
            let entry = memory.applicants.entry(id).or_insert_with(|| (version, Weak::new()));
            entry.0 = entry.0.max(version);
        });
    }

    /// An applicant was loaded or committed.
    pub(crate) fn stands(&self, applicant: &Arc<Applicant>) {
        self.with(|memory| {
            if memory.applicants.len() >= ENTRIES_MOST {
                memory.applicants.retain(|_, (_, copy)| copy.strong_count() > 0);
            }
            let entry = memory.applicants.entry(applicant.id).or_insert_with(|| (0, Weak::new()));
            if applicant.version >= entry.0 {
                *entry = (applicant.version, Arc::downgrade(applicant));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_log_in_that_ended_while_it_was_read_is_not_remembered() {
        let (recent, now) = (Recent::default(), Utc::now());
        let id = ApplicantId::fresh();
        let before = recent.endings();
        recent.ended("hash");
        recent.logged_in("hash".into(), id, now + TimeDelta::hours(1), before);
        recent.with(|memory| assert!(memory.logins.is_empty()));
        recent.logged_in("hash".into(), id, now + TimeDelta::hours(1), recent.endings());
        recent.with(|memory| assert_eq!(memory.logins.len(), 1));
        recent.all_ended(&id.to_string());
        recent.with(|memory| assert!(memory.logins.is_empty()));
    }
}
