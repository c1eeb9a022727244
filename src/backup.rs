//! `renzheng backup` and `renzheng restore`: everything at one instant, and the proof that it can be lived from.
//!
//! The database first, then the files: a file is written before the row that names it and never changed, so whatever the
//! copied rows name is there. PostgreSQL is copied by its own tools; the files still by these commands' way.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{Blobs, Inventory, Store};

use crate::boot::{self, Parts};
use crate::cli::Cli;
use crate::commands::{parts, say};

const DATABASE: &str = "renzheng.sqlite";
const FILES: &str = "blobs";
const KEYS: &str = "keys.json";
const MANIFEST: &str = "manifest.json";

/// What a copy holds.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// The version of the program that made it.
    version: String,
    at: chrono::DateTime<Utc>,
    /// SHA-256 of each file, by its path in the copy.
    sums: BTreeMap<String, String>,
    applicants: usize,
    files: usize,
    audit: i64,
}

/// The keys, newest first, in hexadecimal.
#[derive(Serialize, Deserialize)]
struct KeyRing {
    master_keys: Vec<String>,
}

fn sum(path: &Path) -> anyhow::Result<String> {
    let content = fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
    Ok(hex::encode(Sha256::digest(content)))
}

/// Every file of a copy but the manifest, by its path in it.
fn sums(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
            if name != MANIFEST {
                sums.insert(name, sum(&path)?);
            }
        }
    }
    Ok(sums)
}

fn is_postgres(parts: &Parts) -> bool {
    parts.database_url.starts_with("postgres")
}

/// Opens a copy with these keys, all of it.
fn prove(database: &Path, files: &Path, parts: &Parts) -> anyhow::Result<Inventory> {
    let url = database.to_string_lossy().into_owned();
    let store = Store::open(&url, boot::keys(parts)?, Blobs::open(files)?)?;
    store.open_everything().context("the copy can't be lived from")
}

/// `renzheng backup --to FOLDER`
///
/// # Errors
/// When the folder is there already, something can't be copied, or the copy does not open.
pub fn take(cli: &Cli, config: Option<&Path>, to: &Path, without_keys: bool) -> anyhow::Result<()> {
    let parts = parts(cli, config)?;
    if is_postgres(&parts) {
        bail!("PostgreSQL is copied by pg_dump, and the folder of files by any tool after it: see docs/OPERATING.md");
    }
    ensure!(!to.exists(), "{} is there already: a copy goes into a new folder", to.display());
    // Made under another name first: a folder that stands is a whole copy.
    let draft = to.with_extension("part");
    ensure!(!draft.exists(), "{} is left over from a copy that was cut off: remove it", draft.display());
    fs::create_dir_all(draft.join(FILES)).with_context(|| format!("{} can't be made", draft.display()))?;
    let store = boot::look(&parts)?;
    store.snapshot(&draft.join(DATABASE)).context("the database can't be copied")?;
    let copies = Blobs::open(draft.join(FILES))?;
    for name in store.blobs().names()? {
        store.blobs().copy(&name, &copies)?;
    }
    if !without_keys {
        let master_keys = [vec![parts.master_key.clone()], parts.former_master_keys.clone()].concat();
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft.join(KEYS))?;
        file.write_all(&serde_json::to_vec_pretty(&KeyRing { master_keys })?)?;
        file.sync_all()?;
    }
    // Proved on a copy of the copy: opening a database writes beside it.
    let proof = tempfile_beside(&draft)?;
    fs::copy(draft.join(DATABASE), proof.join(DATABASE))?;
    let found = prove(&proof.join(DATABASE), &draft.join(FILES), &parts);
    fs::remove_dir_all(&proof)?;
    let Inventory { applicants, files, audit } = found?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { version, at: Utc::now(), sums: sums(&draft)?, applicants, files, audit };
    fs::write(draft.join(MANIFEST), serde_json::to_vec_pretty(&manifest)?)?;
    fs::rename(&draft, to)?;
    say(&format!(
        "{applicants} applicants, {files} files and {audit} audit entries copied to {} and opened there",
        to.display()
    ))
}

fn tempfile_beside(draft: &Path) -> anyhow::Result<std::path::PathBuf> {
    let proof = draft.with_extension("proof");
    if proof.exists() {
        fs::remove_dir_all(&proof)?;
    }
    fs::create_dir_all(&proof)?;
    Ok(proof)
}

/// `renzheng restore --from FOLDER`
///
/// # Errors
/// When the place is not empty, the copy is not what it was, or it does not open there.
pub fn restore(cli: &Cli, config: Option<&Path>, from: &Path) -> anyhow::Result<()> {
    let mut parts = parts(cli, config)?;
    if is_postgres(&parts) {
        bail!("PostgreSQL is restored by pg_restore: see docs/OPERATING.md");
    }
    let manifest = fs::read(from.join(MANIFEST)).with_context(|| format!("{} is no copy", from.display()))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).context("the manifest can't be read")?;
    let now = sums(from)?;
    for (name, kept) in &manifest.sums {
        match now.get(name) {
            Some(sum) if sum == kept => {}
            Some(_) => bail!("{name} is not what was copied"),
            // Whoever keeps the keys elsewhere has them in the settings.
            None if name == KEYS => {}
            None => bail!("{name} is missing from the copy"),
        }
    }
    let database = Path::new(&parts.database_url).to_owned();
    ensure!(!database.exists(), "{} is there already: a copy goes into an empty place", database.display());
    for end in ["-wal", "-shm", "-journal"] {
        let left = parts.database_url.clone() + end;
        ensure!(!Path::new(&left).exists(), "{left} is left over from another database: move it away first");
    }
    let empty = fs::read_dir(&parts.blobs).map_or(true, |mut entries| entries.next().is_none());
    ensure!(empty, "{} is not empty: a copy goes into an empty place", parts.blobs.display());
    let mut lacking = Vec::new();
    if let Ok(ring) = fs::read(from.join(KEYS)) {
        let ring: KeyRing = serde_json::from_slice(&ring).context("the keys can't be read")?;
        // The settings may have a newer key: those of the copy open what was sealed then.
        let known = [vec![parts.master_key.clone()], parts.former_master_keys.clone()].concat();
        lacking.extend(ring.master_keys.into_iter().filter(|key| !known.contains(key)));
        parts.former_master_keys.extend(lacking.iter().cloned());
    }
    let (from_files, to_files) = (Blobs::open(from.join(FILES))?, Blobs::open(&parts.blobs)?);
    for name in from_files.names()? {
        from_files.copy(&name, &to_files)?;
    }
    if let Some(folder) = database.parent() {
        fs::create_dir_all(folder)?;
    }
    // Proved under another name: a database that stands was opened whole.
    let draft = database.with_extension("part");
    fs::copy(from.join(DATABASE), &draft)?;
    let found = prove(&draft, &parts.blobs, &parts)?;
    let whole =
        (found.applicants, found.files) == (manifest.applicants, manifest.files) && found.audit == manifest.audit;
    ensure!(whole, "what was restored is not what was copied: {found:?}");
    for end in ["-wal", "-shm"] {
        // SQLite takes them away with its last connection; what is left is empty.
        let _ = fs::remove_file(format!("{}{end}", draft.display()));
    }
    fs::File::open(&draft)?.sync_all()?;
    fs::rename(&draft, &database)?;
    if !lacking.is_empty() {
        say(
            "the settings lack the keys of this copy: put them into `former_master_keys` before the service is started",
        )?;
    }
    say(&format!(
        "restored: {} applicants, {} files and {} audit entries, all of them opened; copied at {}",
        found.applicants, found.files, found.audit, manifest.at
    ))
}
