//! Commands beside the service itself: check the audit log, invite staff, fill the demo.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use chrono::Utc;
use domain::effects::{Actor, AuditEntry};
use domain::staff::Role;
use store::{Chain, Store};

use crate::boot::{self, Parts};
use crate::cli::Cli;
use crate::config::Config;
use crate::{demo, seed};

/// What a command is about: the settings, or the demo's folder.
pub(crate) fn parts(cli: &Cli, config: Option<&Path>) -> anyhow::Result<Parts> {
    match config {
        Some(config) => boot::parts(&Config::load(config)?),
        None => {
            demo::folder(&cli.data)?;
            let nowhere = demo::Outside { sandbox: None, http_port: cli.sandbox_port, smtp_port: cli.smtp_port };
            Ok(demo::parts(cli, &format!("http://127.0.0.1:{}", cli.port), &nowhere))
        }
    }
}

/// The store that a command is about; the service may be running on it.
pub(crate) fn open(cli: &Cli, config: Option<&Path>) -> anyhow::Result<(Parts, Arc<Store>)> {
    let parts = parts(cli, config)?;
    let store = boot::look(&parts)?;
    Ok((parts, store))
}

pub(crate) fn say(words: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{words}")?)
}

/// `renzheng verify-audit`
///
/// # Errors
/// When a link does not hold: then the process fails.
pub fn verify_audit(cli: &Cli, config: Option<&Path>) -> anyhow::Result<()> {
    let (_, store) = open(cli, config)?;
    match store.verify_audit()? {
        Chain::Whole(count, hash) => say(&format!("{count} entries, every link holds; the last is {hash}")),
        Chain::Broken(at) => bail!("the audit log is broken: entry {at} is not what was written"),
    }
}

/// `renzheng invite`
///
/// # Errors
/// When a role is not known or the user name is taken.
pub fn invite(cli: &Cli, config: Option<&Path>, user: &str, name: &str, roles: &[String]) -> anyhow::Result<()> {
    let roles = roles
        .iter()
        .map(|code| Role::from_code(code).with_context(|| format!("{code} is no role")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    if roles.is_empty() {
        bail!("--roles says what for");
    }
    let (parts, store) = open(cli, config)?;
    let entry = AuditEntry { by: Actor::System, act: "invited", subject: format!("staff:{user}") };
    let token = store.invite(&user.to_lowercase(), name, &roles, &entry, Utc::now())?;
    say(&format!("{}/staff/invitation/{token}", parts.site))
}

/// `renzheng hooks`
///
/// # Errors
/// When the store can't be opened.
pub fn hooks(cli: &Cli, config: Option<&Path>) -> anyhow::Result<()> {
    let (parts, store) = open(cli, config)?;
    let address = format!("{}/notices/{}", parts.site, crate::public::hooks::key(&store));
    say(&format!("receipts of texts (SmsReport)        {address}/receipts"))?;
    say(&format!("mails that bounced (RFC 3464, POST)  {address}/bounces"))
}

/// `renzheng seed --cases`
///
/// # Errors
/// When the database fails.
pub fn seed(cli: &Cli, cases: u64) -> anyhow::Result<()> {
    let (_, store) = open(cli, None)?;
    let begun = std::time::Instant::now();
    seed::cases(&store, cases, Utc::now())?;
    say(&format!("{cases} invented cases in {:.0} s", begun.elapsed().as_secs_f64()))
}
