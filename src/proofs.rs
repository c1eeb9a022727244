//! The commands by which anybody verifies: a file offline, and the log of documents, ours or somebody else's.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use documents::{Examined, FILE_MOST, Keys as DocumentKeys, Trust, examine, status_in};
use domain::person::Language;
use locales::Texts;
use proof::ProofError;
use proof::merkle::{self, Hash, Nodes, SignedHead};
use serde_json::Value;
use store::{LogTrouble, Store};

use crate::boot;
use crate::cli::Cli;
use crate::commands::{open, parts, say};
use crate::demo;
use crate::public::log::{ENTRIES_MOST, head_from_json, head_json};

fn read_trust(path: &Path) -> anyhow::Result<Trust> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))?;
    Ok(Trust::from_json(&serde_json::from_str(&text)?)?)
}

/// `renzheng verify FILE…`
///
/// # Errors
/// When one of them does not hold: then the process fails.
pub fn verify(
    cli: &Cli,
    files: &[PathBuf],
    trust: Option<&Path>,
    status: Option<&Path>,
    config: Option<&Path>,
) -> anyhow::Result<()> {
    let trust = match (trust, config) {
        (Some(path), _) => {
            say(&format!("trusting what {} says", path.display()))?;
            read_trust(path)?
        }
        (None, Some(config)) => {
            say("trusting the keys of the settings")?;
            boot::document_keys(&parts(cli, Some(config))?)?.trust().clone()
        }
        (None, None) => {
            say(
                "trusting the demo's keys, which everybody knows: it proves nothing outside of the demo (see --trust)",
            )?;
            let site = format!("http://127.0.0.1:{}", cli.port);
            DocumentKeys::new(&site, &demo::document_keys())?.trust().clone()
        }
    };
    let mut failed = 0;
    for file in files {
        let named = || format!("{} can't be read", file.display());
        let size = std::fs::metadata(file).with_context(named)?.len();
        // What is too large is not read; one byte too much says so.
        let bytes =
            if size > FILE_MOST as u64 { vec![0; FILE_MOST + 1] } else { std::fs::read(file).with_context(named)? };
        let examined = examine(&bytes, &trust);
        tell(file, &examined)?;
        let revoked = match (status, &examined.credential) {
            (Some(list), Some(credential)) => revoked_in(list, credential, &trust)?,
            _ => false,
        };
        failed += usize::from(!examined.holds() || revoked);
    }
    if failed > 0 {
        bail!("{failed} of {} files do not hold", files.len());
    }
    Ok(())
}

/// Whether a list that was kept says that a credential no longer holds; one that says nothing of it is told as such.
fn revoked_in(list: &Path, credential: &Value, trust: &Trust) -> anyhow::Result<bool> {
    let text = std::fs::read_to_string(list).with_context(|| format!("{} can't be read", list.display()))?;
    match status_in(credential, &text, trust) {
        Ok((false, at)) => say(&format!("  ok    Not revoked when the list was signed: {at}")).map(|()| false),
        Ok((true, at)) => say(&format!("  FAIL  Revoked by the list that was signed at {at}")).map(|()| true),
        Err(error) => say(&format!("  FAIL  The status list: {error}")).map(|()| true),
    }
}

/// What a check is about, in the words of the verification page.
fn meaning(what: &str) -> String {
    Texts::new(Language::English).get(&format!("check-{what}"))
}

fn tell(file: &Path, examined: &Examined) -> anyhow::Result<()> {
    let verdict = if examined.holds() { "HOLDS" } else { "DOES NOT HOLD" };
    say(&format!("{}: {verdict}", file.display()))?;
    for check in &examined.checks {
        match &check.found {
            Ok(found) if found.is_empty() => say(&format!("  ok    {}", meaning(check.what)))?,
            Ok(found) => say(&format!("  ok    {}: {found}", meaning(check.what)))?,
            Err(why) => say(&format!("  FAIL  {}: {why}", meaning(check.what)))?,
        }
    }
    if examined.holds() {
        if let Some(at) = examined.signed_at {
            say(&format!("  signed {at}"))?;
        }
        if let Some(address) = examined.credential.as_ref().and_then(|read| read.get("id")).and_then(Value::as_str) {
            say(&format!("  whether it was replaced or taken back since: {address}"))?;
        }
    }
    Ok(())
}

/// `renzheng verify-log`
///
/// # Errors
/// When something does not hold: then the process fails.
pub fn verify_log(cli: &Cli, config: Option<&Path>, files: bool) -> anyhow::Result<()> {
    let (parts, store) = open(cli, config)?;
    let keys = boot::document_keys(&parts)?;
    let held = |head: &SignedHead| head.holds(keys.trust().credential_keys.iter().map(|(_, key)| key));
    let (size, troubles) = store.verify_log(held)?;
    for trouble in &troubles {
        match trouble {
            LogTrouble::Entry(index) => say(&format!("entry {index} is not what was written"))?,
            LogTrouble::Head(size) => say(&format!("the head that was signed over {size} entries is not theirs"))?,
            LogTrouble::Document(number) => say(&format!("document {number} is not in the log as it stands"))?,
        }
    }
    if !troubles.is_empty() {
        bail!("the log of documents does not hold");
    }
    say(&format!("{size} entries: each hash, each signed head and each document holds"))?;
    if files { verify_files(&store, keys.trust()) } else { Ok(()) }
}

/// Opens each file that was issued, and compares what it says with the rows by which the public is answered.
fn verify_files(store: &Store, trust: &Trust) -> anyhow::Result<()> {
    let (mut after, mut opened, mut wrong) = (None, 0, 0);
    loop {
        let page = store.documents_after(after, 200)?;
        let Some(last) = page.last() else { break };
        after = Some(last.certificate.id);
        for found in page {
            let Some(hash) = &found.certificate.document else { continue };
            let examined = examine(&store.blobs().get(store.keys(), hash)?, trust);
            let applicant = store.load_applicant(found.applicant)?;
            let application = applicant.application(found.application)?;
            let said = |name: &str| domain::form::text(&application.credential, name);
            let read =
                |path: &str| examined.credential.as_ref().and_then(|read| read.pointer(path)).and_then(Value::as_str);
            let same = read("/credentialSubject/name") == Some(applicant.account.name.as_str())
                && read("/credentialSubject/authentication/number") == found.certificate.number.as_deref()
                && read("/credentialSubject/authentication/institution") == Some(said("institution"))
                && read("/credentialSubject/authentication/credentialName") == Some(said("credential_name"))
                && read("/credentialSubject/authentication/outcome") == Some(found.certificate.outcome.code())
                && read("/id").is_some_and(|id| id.ends_with(&found.certificate.token));
            opened += 1;
            if !same {
                wrong += 1;
                let number = found.certificate.number.as_deref().unwrap_or_default();
                say(&format!("the file of {number} does not say what its row says, or is not signed"))?;
            }
        }
    }
    if wrong > 0 {
        bail!("{wrong} of {opened} files are not what their rows say");
    }
    say(&format!("{opened} files, each of them signed, and each says what its row says"))
}

/// The right edge of a tree that grows entry by entry.
#[derive(Default)]
struct Edge(std::collections::BTreeMap<u8, (u64, Hash)>);

impl Nodes for Edge {
    type Error = ProofError;

    fn node(&mut self, level: u8, index: u64) -> Result<Hash, ProofError> {
        let known = self.0.get(&level).filter(|(place, _)| *place == index);
        known.map(|(_, hash)| *hash).ok_or(ProofError::Refused("missing"))
    }
}

struct Site {
    http: reqwest::Client,
    origin: String,
}

impl Site {
    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let address = format!("{}{path}", self.origin);
        let answer = self.http.get(&address).send().await.with_context(|| format!("{address} can't be reached"))?;
        let status = answer.status();
        if !status.is_success() {
            bail!("{address} answers {status}");
        }
        Ok(serde_json::from_str(&answer.text().await?)?)
    }
}

/// `renzheng verify-log --site`: fetches the whole log of a site, works its root out anew, looks at the signature of its
/// head, and has it proved that it goes on from the head that was kept.
///
/// # Errors
/// When something does not hold, or the site can't be reached.
pub async fn verify_log_of(origin: &str, kept: Option<&Path>, trust: Option<&Path>) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30)).build()?;
    let site = Site { http, origin: origin.trim_end_matches('/').to_owned() };
    let trust = match trust {
        Some(path) => read_trust(path)?,
        None => {
            say("the site's own word is taken for its keys: keep them, and name them with --trust the next time")?;
            Trust::from_json(&site.get("/.well-known/renzheng-trust.json").await?)?
        }
    };
    let said = site.get("/log/v1/get-sth").await?;
    let head = head_from_json(&said).context("the head of the log can't be read")?;
    if !head.holds(trust.credential_keys.iter().map(|(_, key)| key)) {
        bail!("the signature of the log's head does not hold");
    }
    let (mut edge, mut size) = (Edge::default(), 0);
    while size < head.size {
        let end = (size + ENTRIES_MOST.unsigned_abs()).min(head.size) - 1;
        let page = site.get(&format!("/log/v1/get-entries?start={size}&end={end}")).await?;
        let entries = page.get("entries").and_then(Value::as_array).cloned().unwrap_or_default();
        if entries.is_empty() {
            bail!("entry {size} is missing");
        }
        for entry in entries {
            let body = entry.get("leaf_input").and_then(Value::as_str).context("an entry can't be read")?;
            let made = merkle::appended(&mut edge, size, merkle::leaf(&STANDARD.decode(body)?))?;
            edge.0.extend(made.into_iter().map(|(level, place, hash)| (level, (place, hash))));
            size += 1;
        }
    }
    if merkle::root(&mut edge, size)? != head.root {
        bail!("the entries are not those that the head was signed over");
    }
    if let Some(path) = kept {
        go_on_from(&site, path, &head, &trust).await?;
        std::fs::write(path, serde_json::to_vec_pretty(&head_json(&head))?)?;
    }
    say(&format!("{size} entries, as signed at {}: root {}", head.at, hex::encode(head.root)))
}

/// Whether the log goes on from the head that was kept.
async fn go_on_from(site: &Site, kept: &Path, head: &SignedHead, trust: &Trust) -> anyhow::Result<()> {
    if !kept.exists() {
        return Ok(());
    }
    let old: Value = serde_json::from_slice(&std::fs::read(kept)?)?;
    let old = head_from_json(&old).with_context(|| format!("{} holds no head", kept.display()))?;
    if !old.holds(trust.credential_keys.iter().map(|(_, key)| key)) {
        bail!("the signature of the head that was kept does not hold");
    }
    if old.size > head.size {
        bail!("the log has fewer entries than before: {} and not {}", head.size, old.size);
    }
    if old.size == 0 {
        return Ok(());
    }
    let answer = site.get(&format!("/log/v1/get-sth-consistency?first={}&second={}", old.size, head.size)).await?;
    let hashes = answer.get("consistency").and_then(Value::as_array).cloned().unwrap_or_default();
    let hashes: Option<Vec<Hash>> =
        hashes.iter().map(|hash| STANDARD.decode(hash.as_str()?).ok()?.try_into().ok()).collect();
    let proof = hashes.context("the proof can't be read")?;
    if !merkle::consistent(&old.root, old.size, &head.root, head.size, &proof) {
        bail!("the log does not go on from the head that was kept: it was rewritten");
    }
    Ok(())
}
