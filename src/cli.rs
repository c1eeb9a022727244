//! The commands: none is the demo.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "renzheng", version, about = "Authentication of foreign degrees as an online service")]
pub struct Cli {
    /// What to do; without a command, the demo with its own sandbox.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Folder of the demo: rows, files, memory of the sandbox.
    #[arg(long, default_value = "data")]
    pub data: PathBuf,
    /// Port of the demo's site (0 takes any).
    #[arg(long, default_value_t = 8080, env = "RENZHENG_PORT")]
    pub port: u16,
    /// Port of the demo's sandbox (0 takes any).
    #[arg(long, default_value_t = 8081, env = "RENZHENG_SANDBOX_PORT")]
    pub sandbox_port: u16,
    /// Port of the demo's mail server (0 takes any).
    #[arg(long, default_value_t = 8025, env = "RENZHENG_SMTP_PORT")]
    pub smtp_port: u16,
    /// A sandbox that runs elsewhere, as `HTTP-PORT:SMTP-PORT`, in place of one of its own.
    #[arg(long)]
    pub sandbox: Option<String>,
    /// Database of the demo in place of its own file.
    #[arg(long)]
    pub database_url: Option<String>,
    /// Sends traces to an OpenTelemetry collector at this address; the build must have the feature `otlp`.
    #[arg(long, value_name = "URL")]
    pub otlp: Option<String>,
    /// Ends the process at the place with this name, for recovery tests.
    #[arg(long, hide = true)]
    pub die_at: Option<String>,
    /// Logs as JSON, one event a line.
    #[arg(long)]
    pub json_log: bool,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks the audit log link by link, and names the first that does not hold.
    VerifyAudit {
        /// The file with the settings; without it, the demo's folder.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Invites the first administrator, or anybody: prints a link that is good once.
    Invite {
        /// The file with the settings; without it, the demo's folder.
        #[arg(long)]
        config: Option<PathBuf>,
        /// User name.
        #[arg(long)]
        user: String,
        /// Name for pages.
        #[arg(long)]
        name: String,
        /// What for: intake, evaluator, approver, finance, registrar, administrator, operator; several with commas.
        #[arg(long, value_delimiter = ',')]
        roles: Vec<String>,
    },
    /// Fills the demo's database with so many invented cases, to see how it bears them.
    Seed {
        /// How many.
        #[arg(long)]
        cases: u64,
    },
    /// Prints the addresses at which providers report what became of texts and mails; they hold a secret.
    Hooks {
        /// The file with the settings; without it, the demo's folder.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Copies database, files and keys into a new folder while the service runs, and proves the copy by opening all of it.
    Backup {
        /// The file with the settings; without it, the demo's folder.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The folder, which must not be there yet.
        #[arg(long)]
        to: PathBuf,
        /// Leaves the keys out: without them nothing of it can be opened.
        #[arg(long)]
        without_keys: bool,
    },
    /// Puts a copy into an empty place, and proves it there.
    Restore {
        /// The file with the settings that say where; without it, the demo's folder.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The folder that `backup` made.
        #[arg(long)]
        from: PathBuf,
    },
    /// Says offline whether files are documents of this service and unchanged: PDF, credential or badge; prints each check.
    Verify {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// What to trust, from `/.well-known/renzheng-trust.json` of the site; without it, what the settings say.
        #[arg(long, conflicts_with = "config")]
        trust: Option<PathBuf>,
        /// A status list that was kept, from the address that the credential names: says what was revoked when it was
        /// signed. It must be the list of the one file that is verified.
        #[arg(long)]
        status: Option<PathBuf>,
        /// The file with the settings; without it, the demo's keys.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Goes through the log of documents: here, each entry, hash, head and document; with `--site`, somebody else's, as
    /// anybody can.
    VerifyLog {
        /// The file with the settings; without it, the demo's folder.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Opens each file, too, and compares what it says with its row; takes some milliseconds a file.
        #[arg(long, conflicts_with = "site")]
        files: bool,
        /// The site whose log is fetched, such as `https://renzheng.example`.
        #[arg(long, conflicts_with = "config")]
        site: Option<String>,
        /// The head that was kept the last time: the log must go on from it. The new head is written there.
        #[arg(long, requires = "site")]
        kept: Option<PathBuf>,
        /// What to trust; without it, what the site says of itself.
        #[arg(long, requires = "site")]
        trust: Option<PathBuf>,
    },
    /// The service for real: database, gateways and secrets come from the settings.
    Serve {
        /// The file with the settings.
        #[arg(long)]
        config: PathBuf,
    },
}
