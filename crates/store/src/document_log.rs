//! The transparency log (RFC 6962): every document that is issued, superseded or revoked, in one append-only Merkle tree.
//!
//! An entry is written in the transaction that it tells of, so that there is none without the other. It names the
//! document by number and by the SHA-256 of its file, and no person.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use diesel::prelude::*;
use domain::certificate::{Certificate, Standing};
use proof::ProofError;
use proof::merkle::{self, Hash, Nodes, SignedHead};

use crate::connection::{AnyConnection, Store, hold};
use crate::error::StoreError;
use crate::schema::{certificate, log_entry, log_head, log_node, setting};
use crate::time::{instant, stored};

/// Under this name one entry is appended after the other.
const LOCK: &str = "document-log";
/// The setting that says that documents from before the log are in it.
const ADOPTED: &str = "document-log:adopted";
/// Its value when all of them are; before that, the last that is.
const ALL: &str = "~";
/// Rows that are gone through at a time.
const AT_ONCE: i64 = 1_000;

/// What happened to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogKind {
    /// It was made and handed out.
    Issued,
    /// Another one took its place.
    Superseded,
    /// It was taken back.
    Revoked,
}

impl LogKind {
    /// The word in entries.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
        }
    }

    fn from_code(code: &str) -> Result<Self, StoreError> {
        let all = [Self::Issued, Self::Superseded, Self::Revoked];
        all.into_iter().find(|kind| kind.code() == code).ok_or(StoreError::Value("log_entry.kind"))
    }
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its number, from 0 on.
    pub index: u64,
    /// What happened.
    pub kind: LogKind,
    /// The bytes that the tree is over: JSON.
    pub body: String,
    /// Their hash in the tree, in hexadecimal.
    pub hash: String,
}

/// What does not hold in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTrouble {
    /// An entry, or a hash of the tree, is not what follows from the entries.
    Entry(u64),
    /// A head that was signed for so many entries is not the head of these, or its signature does not hold.
    Head(u64),
    /// A document is not in the log as it stands, by its number; or an entry is of no document.
    Document(String),
}

impl From<ProofError> for StoreError {
    fn from(_: ProofError) -> Self {
        Self::Value("log_node")
    }
}

fn hash(text: &str) -> Result<Hash, StoreError> {
    let bytes = hex::decode(text).map_err(|_| StoreError::Value("log_node.hash"))?;
    bytes.try_into().map_err(|_| StoreError::Value("log_node.hash"))
}

fn signed(index: u64) -> Result<i64, StoreError> {
    i64::try_from(index).map_err(|_| StoreError::Value("log_entry.seq"))
}

fn unsigned(seq: i64) -> Result<u64, StoreError> {
    u64::try_from(seq).map_err(|_| StoreError::Value("log_entry.seq"))
}

/// The hashes of the tree, as they are kept.
struct Kept<'a>(&'a mut AnyConnection);

impl Nodes for Kept<'_> {
    type Error = StoreError;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, StoreError> {
        let row = log_node::table.find((i32::from(level), signed(index)?));
        hash(&row.select(log_node::hash).first::<String>(self.0)?)
    }
}

fn size(connection: &mut AnyConnection) -> Result<u64, StoreError> {
    let last: Option<i64> =
        log_entry::table.order(log_entry::seq.desc()).select(log_entry::seq).first(connection).optional()?;
    unsigned(last.map_or(0, |last| last + 1))
}

fn append(
    connection: &mut AnyConnection,
    kind: LogKind,
    about: &Certificate,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    hold(connection, LOCK)?;
    let id = about.id.to_string();
    let known = log_entry::table.filter(log_entry::certificate_id.eq(&id)).filter(log_entry::kind.eq(kind.code()));
    if let Some(body) = known.select(log_entry::body).first::<String>(connection).optional()? {
        // The same told twice stands once; another document in its place does not get in.
        let read: serde_json::Value = serde_json::from_str(&body)?;
        let same = read.get("document").and_then(serde_json::Value::as_str) == about.document.as_deref();
        return if same { Ok(()) } else { Err(StoreError::Value("log_entry.document")) };
    }
    let index = size(connection)?;
    // The names in their order, nothing between them: the canonical form of RFC 8785.
    let body = serde_json::json!({
        "at": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "document": about.document,
        "kind": kind.code(),
        "number": about.number,
    })
    .to_string();
    let leaf = merkle::leaf(body.as_bytes());
    diesel::insert_into(log_entry::table)
        .values((
            log_entry::seq.eq(signed(index)?),
            log_entry::hash.eq(hex::encode(leaf)),
            log_entry::kind.eq(kind.code()),
            log_entry::certificate_id.eq(id),
            log_entry::body.eq(body),
        ))
        .execute(connection)?;
    for (level, place, hash) in merkle::appended(&mut Kept(connection), index, leaf)? {
        diesel::insert_into(log_node::table)
            .values((
                log_node::level.eq(i32::from(level)),
                log_node::place.eq(signed(place)?),
                log_node::hash.eq(hex::encode(hash)),
            ))
            .execute(connection)?;
    }
    Ok(())
}

/// Notes in the log what became of a document in this transaction.
pub(crate) fn note(
    connection: &mut AnyConnection,
    before: Option<&Certificate>,
    after: &Certificate,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let had = before.and_then(|before| before.document.as_ref());
    if after.document.is_some() && had.is_none() {
        append(connection, LogKind::Issued, after, at)?;
    }
    let stood = before.map_or(Standing::Valid, |before| before.standing);
    match after.standing {
        standing if standing == stood => Ok(()),
        Standing::Superseded => append(connection, LogKind::Superseded, after, at),
        Standing::Revoked => append(connection, LogKind::Revoked, after, at),
        Standing::Valid => Err(StoreError::Value("certificate.standing")),
    }
}

type EntryRow = (i64, String, String, String);

fn entry((seq, hash, kind, body): EntryRow) -> Result<LogEntry, StoreError> {
    Ok(LogEntry { index: unsigned(seq)?, kind: LogKind::from_code(&kind)?, body, hash })
}

type HeadRow = (i64, chrono::NaiveDateTime, String, String);

fn head((size, at, root, signature): HeadRow) -> Result<SignedHead, StoreError> {
    let signature = hex::decode(signature).map_err(|_| StoreError::Value("log_head.signature"))?;
    Ok(SignedHead { size: unsigned(size)?, at: instant(at), root: hash(&root)?, signature })
}

impl Store {
    /// Takes documents from before the log into it, page by page, and each once; what is left undone is done by the next
    /// start.
    ///
    /// # Errors
    /// When the database fails.
    pub fn adopt_documents(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        while self.setting(ADOPTED)?.as_deref() != Some(ALL) {
            self.write(|connection| {
                hold(connection, LOCK)?;
                // Another node may have come further meanwhile.
                let kept: Option<String> =
                    setting::table.find(ADOPTED).select(setting::value).first(connection).optional()?;
                let after = kept.clone().unwrap_or_default();
                if after == ALL {
                    return Ok(());
                }
                let page: Vec<(String, String)> = certificate::table
                    .filter(certificate::id.gt(&after))
                    .order(certificate::id)
                    .select((certificate::id, certificate::body))
                    .limit(AT_ONCE)
                    .load(connection)?;
                for (_, body) in &page {
                    note(connection, None, &serde_json::from_str(body)?, now)?;
                }
                let reached = page.last().map_or(ALL, |(id, _)| id.as_str());
                match kept {
                    None => diesel::insert_into(setting::table)
                        .values((setting::name.eq(ADOPTED), setting::value.eq(reached)))
                        .execute(connection)?,
                    Some(_) => diesel::update(setting::table.find(ADOPTED))
                        .set(setting::value.eq(reached))
                        .execute(connection)?,
                };
                Ok(())
            })?;
        }
        Ok(())
    }

    /// How many entries there are.
    ///
    /// # Errors
    /// When the database fails.
    pub fn log_size(&self) -> Result<u64, StoreError> {
        self.read(size)
    }

    /// Entries from a number on, at the most so many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn log_entries(&self, from: u64, most: i64) -> Result<Vec<LogEntry>, StoreError> {
        let from = signed(from)?;
        self.read(|connection| {
            let rows: Vec<EntryRow> = log_entry::table
                .filter(log_entry::seq.ge(from))
                .order(log_entry::seq)
                .select((log_entry::seq, log_entry::hash, log_entry::kind, log_entry::body))
                .limit(most)
                .load(connection)?;
            rows.into_iter().map(entry).collect()
        })
    }

    /// The entries about one document, oldest first; `None` when row and log do not say the same of it: the public is
    /// answered by both, and then nothing is vouched for.
    ///
    /// # Errors
    /// When the database fails.
    pub fn vouched(&self, about: &Certificate) -> Result<Option<Vec<LogEntry>>, StoreError> {
        self.vouched_by_id(&about.id.to_string())
    }

    fn vouched_by_id(&self, id: &str) -> Result<Option<Vec<LogEntry>>, StoreError> {
        self.read(|connection| {
            let row: Row = certificate::table.find(id).select(Row::as_select()).first(connection)?;
            let mut entries: Vec<EntryRow> = log_entry::table
                .filter(log_entry::certificate_id.eq(id))
                .select((log_entry::seq, log_entry::hash, log_entry::kind, log_entry::body))
                .load(connection)?;
            entries.sort_by_key(|row| row.0);
            let entries = entries.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?;
            let told: Vec<Told> = entries.iter().map(Told::of).collect();
            Ok(agrees(&row, &told)?.then_some(entries))
        })
    }

    /// The number of the entry with this hash, in hexadecimal.
    ///
    /// # Errors
    /// When the database fails; none is `None`.
    pub fn log_index(&self, hash: &str) -> Result<Option<u64>, StoreError> {
        let found: Option<i64> = self.read(|connection| {
            let row = log_entry::table.filter(log_entry::hash.eq(hash));
            Ok(row.select(log_entry::seq).first(connection).optional()?)
        })?;
        found.map(unsigned).transpose()
    }

    /// The root over the first `size` entries.
    ///
    /// # Errors
    /// `Missing` when there are fewer.
    pub fn log_root(&self, size: u64) -> Result<Hash, StoreError> {
        self.read(|connection| merkle::root(&mut Kept(connection), size))
    }

    /// The proof that an entry is among the first `size`.
    ///
    /// # Errors
    /// `Missing` or `Value` when it is not.
    pub fn log_inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
        self.read(|connection| merkle::inclusion(&mut Kept(connection), index, size))
    }

    /// The proof that the first `size` entries begin with the first `before`.
    ///
    /// # Errors
    /// `Missing` or `Value` when there are no such sizes.
    pub fn log_consistency(&self, before: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
        self.read(|connection| merkle::consistency(&mut Kept(connection), before, size))
    }

    /// The signed head over all entries; signs one, by `sign`, if the last one is over fewer. Each head that was signed is
    /// kept, so that the log can be held to it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn signed_head(&self, sign: impl FnOnce(u64, Hash) -> SignedHead) -> Result<SignedHead, StoreError> {
        let last = |connection: &mut AnyConnection| -> Result<Option<SignedHead>, StoreError> {
            let columns = (log_head::size, log_head::at, log_head::root, log_head::signature);
            let row: Option<HeadRow> =
                log_head::table.order(log_head::size.desc()).select(columns).first(connection).optional()?;
            row.map(head).transpose()
        };
        let known = self.read(|connection| {
            let (size, known) = (size(connection)?, last(connection)?);
            Ok(known.filter(|known| known.size >= size))
        })?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.write(|connection| {
            hold(connection, LOCK)?;
            let size = size(connection)?;
            if let Some(known) = last(connection)?.filter(|known| known.size == size) {
                return Ok(known);
            }
            let head = sign(size, merkle::root(&mut Kept(connection), size)?);
            diesel::insert_into(log_head::table)
                .values((
                    log_head::size.eq(signed(size)?),
                    log_head::at.eq(stored(head.at)),
                    log_head::root.eq(hex::encode(head.root)),
                    log_head::signature.eq(hex::encode(&head.signature)),
                ))
                .execute(connection)?;
            Ok(head)
        })
    }

    /// Goes through the whole log: each entry, each hash of the tree, each head that was ever signed (`holds` looks at its
    /// signature), and each document against its entries. Gives back the number of entries and what does not hold.
    ///
    /// # Errors
    /// When the database fails.
    pub fn verify_log(&self, holds: impl Fn(&SignedHead) -> bool) -> Result<(u64, Vec<LogTrouble>), StoreError> {
        let mut troubles = Vec::new();
        let mut heads = self.log_heads()?;
        let mut tree = Grown::default();
        let mut said: BTreeMap<String, Vec<Told>> = BTreeMap::new();
        let mut check_head = |tree: &Grown, troubles: &mut Vec<LogTrouble>| -> Result<(), StoreError> {
            if let Some(head) = heads.remove(&tree.size) {
                let root = merkle::root(&mut tree.clone(), tree.size)?;
                if root != head.root || !holds(&head) {
                    troubles.push(LogTrouble::Head(head.size));
                }
            }
            Ok(())
        };
        check_head(&tree, &mut troubles)?;
        loop {
            let page = self.log_rows(tree.size)?;
            if page.is_empty() {
                break;
            }
            for (entry, certificate) in page {
                let sound = entry.index == tree.size
                    && hex::encode(merkle::leaf(entry.body.as_bytes())) == entry.hash
                    && self.grow(&mut tree, &entry)?;
                if !sound {
                    troubles.push(LogTrouble::Entry(entry.index));
                    return Ok((tree.size, troubles));
                }
                said.entry(certificate).or_default().push(Told::of(&entry));
                check_head(&tree, &mut troubles)?;
            }
        }
        // A head over more entries than there are: some were taken away.
        troubles.extend(heads.into_keys().map(LogTrouble::Head));
        self.compare(said, &mut troubles)?;
        Ok((tree.size, troubles))
    }

    fn log_heads(&self) -> Result<BTreeMap<u64, SignedHead>, StoreError> {
        self.read(|connection| {
            let columns = (log_head::size, log_head::at, log_head::root, log_head::signature);
            let rows: Vec<HeadRow> = log_head::table.order(log_head::size).select(columns).load(connection)?;
            rows.into_iter().map(|row| head(row).map(|head| (head.size, head))).collect()
        })
    }

    fn log_rows(&self, from: u64) -> Result<Vec<(LogEntry, String)>, StoreError> {
        let from = signed(from)?;
        self.read(|connection| {
            let rows: Vec<(EntryRow, String)> = log_entry::table
                .filter(log_entry::seq.ge(from))
                .order(log_entry::seq)
                .select((
                    (log_entry::seq, log_entry::hash, log_entry::kind, log_entry::body),
                    log_entry::certificate_id,
                ))
                .limit(AT_ONCE)
                .load(connection)?;
            rows.into_iter().map(|(row, id)| entry(row).map(|entry| (entry, id))).collect()
        })
    }

    /// Adds an entry to a tree that grows beside the kept one; says whether the kept hashes are the same.
    fn grow(&self, tree: &mut Grown, entry: &LogEntry) -> Result<bool, StoreError> {
        let made = merkle::appended(tree, entry.index, hash(&entry.hash)?)?;
        let same = self.read(|connection| {
            for (level, place, hash) in &made {
                match Kept(connection).node(*level, *place) {
                    Ok(kept) if kept == *hash => {}
                    Ok(_) | Err(StoreError::Missing) => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
            Ok(true)
        })?;
        tree.take(&made);
        Ok(same)
    }

    /// Compares each document with what the log says of it.
    fn compare(&self, mut said: BTreeMap<String, Vec<Told>>, troubles: &mut Vec<LogTrouble>) -> Result<(), StoreError> {
        let mut after = String::new();
        loop {
            let page: Vec<Row> = self.read(|connection| {
                let next = certificate::table.filter(certificate::id.gt(&after)).order(certificate::id);
                Ok(next.select(Row::as_select()).limit(AT_ONCE).load(connection)?)
            })?;
            let Some(last) = page.last() else { break };
            after.clone_from(&last.id);
            for row in page {
                let told = said.remove(&row.id).unwrap_or_default();
                // The service may have gone on since the entries were read: what looks wrong is looked at again.
                if !agrees(&row, &told)? && self.vouched_by_id(&row.id)?.is_none() {
                    troubles.push(LogTrouble::Document(row.number.clone()));
                }
            }
        }
        troubles.extend(said.into_keys().map(LogTrouble::Document));
        Ok(())
    }
}

/// What an entry tells, by its body alone: the columns beside it are for finding it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    kind: Option<LogKind>,
    number: Option<String>,
    document: Option<String>,
}

impl Told {
    fn of(entry: &LogEntry) -> Self {
        let read: serde_json::Value = serde_json::from_str(&entry.body).unwrap_or_default();
        let text = |name: &str| read.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let kind = text("kind").and_then(|code| LogKind::from_code(&code).ok());
        Self { kind: kind.filter(|kind| *kind == entry.kind), number: text("number"), document: text("document") }
    }
}

/// A certificate's row: what it says in columns, and in its body.
#[derive(Queryable, Selectable)]
#[diesel(table_name = certificate)]
struct Row {
    id: String,
    number: String,
    token: String,
    standing: String,
    document: Option<String>,
    body: String,
}

/// Whether row, columns and entries of one document say the same.
fn agrees(row: &Row, told: &[Told]) -> Result<bool, StoreError> {
    let document: Certificate = serde_json::from_str(&row.body)?;
    let standing_told = match document.standing {
        Standing::Valid => None,
        Standing::Superseded => Some(LogKind::Superseded),
        Standing::Revoked => Some(LogKind::Revoked),
    };
    let expected: Vec<LogKind> = document.document.iter().map(|_| LogKind::Issued).chain(standing_told).collect();
    let mut kinds: Vec<LogKind> = told.iter().filter_map(|told| told.kind).collect();
    kinds.sort_unstable();
    let issued = told.iter().find(|told| told.kind == Some(LogKind::Issued));
    Ok(document.id.to_string() == row.id
        && document.number.as_ref() == Some(&row.number)
        && document.token == row.token
        && document.standing.code() == row.standing
        && document.document == row.document
        && kinds == expected
        && told.len() == expected.len()
        && told.iter().all(|told| told.number == document.number)
        && issued.is_none_or(|issued| issued.document == document.document))
}

/// A tree that is grown anew: the hashes at its right edge, from which everything else follows.
#[derive(Debug, Clone, Default)]
struct Grown {
    size: u64,
    /// The last whole subtree of each level.
    edge: BTreeMap<u8, (u64, Hash)>,
}

impl Grown {
    fn take(&mut self, made: &[(u8, u64, Hash)]) {
        self.size += 1;
        self.edge.extend(made.iter().map(|(level, place, hash)| (*level, (*place, *hash))));
    }
}

impl Nodes for Grown {
    type Error = StoreError;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, StoreError> {
        self.edge.get(&level).filter(|(place, _)| *place == index).map(|(_, hash)| *hash).ok_or(StoreError::Missing)
    }
}
