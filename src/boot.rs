//! From settings to a running service, and in order to its end. Read this first.
//!
//! pool → blobs → gateways → actor tree → HTTP server; backwards at the end: no new requests, then what was accepted,
//! then the reconcilers after their row, then the log.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, HttpServer, web};
use actors::{Blocking, Disorder, Faults, Outside, Tree, TreeSettings, World};
use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use documents::{Cashbook, Issuer, KeySettings, Keys as DocumentKeys};
use domain::calendar::Calendar;
use gateways::identity::{IdentityClient, IdentitySettings};
use gateways::mail::{MailClient, MailSettings};
use gateways::sms::{SmsClient, SmsSettings};
use gateways::time_stamp::TimeStampClient;
use gateways::unionpay::{UnionPay, UnionPaySettings};
use store::{Blobs, Keys, Store};
use supervision::{Clock, SystemClock};

use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::demo::DemoClock;
use crate::web::posted::FORM_MOST;
use crate::web::site::Site;
use crate::{backup, commands, demo, otlp, proofs, web as kit};

/// How long an orderly end may take.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(20);

/// Everything that a service is made of, wherever it came from.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Our origin.
    pub site: String,
    /// Database.
    pub database_url: String,
    /// Files.
    pub blobs: PathBuf,
    /// Master key in hexadecimal.
    pub master_key: String,
    /// The ones before it, newest first.
    pub former_master_keys: Vec<String>,
    /// A newer calendar.
    pub calendar: Option<PathBuf>,
    /// Whether the notice of registration holds the password.
    pub password_in_notice: bool,
    /// Threads for actors.
    pub arbiters: usize,
    /// Seconds between sweeps.
    pub sweep_seconds: u64,
    /// Payments.
    pub union_pay: UnionPaySettings,
    /// Text messages.
    pub sms: SmsSettings,
    /// Their templates.
    pub sms_templates: BTreeMap<String, String>,
    /// Mail.
    pub mail: MailSettings,
    /// Identity.
    pub identity: IdentitySettings,
    /// What documents are signed with.
    pub documents: KeySettings,
    /// Address of the time-stamp authority, if there is one.
    pub time_stamp_url: Option<String>,
    /// The sandbox's origin, in the demo.
    pub sandbox: Option<String>,
    /// Where a recovery test ends the process.
    pub die_at: Option<String>,
}

/// The store of these parts, migrated.
///
/// # Errors
/// When it can't be opened.
pub fn store(parts: &Parts, now: DateTime<Utc>) -> anyhow::Result<Arc<Store>> {
    let store = look(parts)?;
    store.take_over(now)?;
    store.adopt_documents(now)?;
    Ok(store)
}

/// The same beside a service that runs: what it has claimed stays its own.
///
/// # Errors
/// When it can't be opened.
pub fn look(parts: &Parts) -> anyhow::Result<Arc<Store>> {
    let blobs = Blobs::open(&parts.blobs).context("the folder of files can't be used")?;
    let store = Store::open(&parts.database_url, keys(parts)?, blobs).context("the database can't be used")?;
    Ok(Arc::new(store))
}

/// The keys of these parts.
///
/// # Errors
/// When one is not hexadecimal or too short.
pub fn keys(parts: &Parts) -> anyhow::Result<Keys> {
    let bytes = |key: &String| hex::decode(key).context("a master key is not hexadecimal");
    let former = parts.former_master_keys.iter().map(bytes).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Keys::from_masters(&bytes(&parts.master_key)?, &former)?)
}

/// What documents of these parts are signed with.
///
/// # Errors
/// When a key or certificate can't be used.
pub fn document_keys(parts: &Parts) -> anyhow::Result<Arc<DocumentKeys>> {
    Ok(Arc::new(DocumentKeys::new(&parts.site, &parts.documents).context("the keys of documents can't be used")?))
}

/// The running tree of these parts.
///
/// # Errors
/// When a gateway's settings or the calendar can't be used.
pub fn tree(parts: &Parts, store: Arc<Store>, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Tree>> {
    let calendar = match &parts.calendar {
        Some(path) => Calendar::parse(&std::fs::read_to_string(path).context("the calendar can't be read")?)?,
        None => Calendar::embedded(),
    };
    let outside = Outside {
        union_pay: UnionPay::new(&parts.union_pay)?,
        sms: SmsClient::new(parts.sms.clone())?,
        mail: MailClient::new(&parts.mail)?,
        identity: IdentityClient::new(parts.identity.clone())?,
        time_stamp: parts.time_stamp_url.clone().map(TimeStampClient::new).transpose()?,
    };
    let keys = document_keys(parts)?;
    let settings = TreeSettings {
        arbiters: parts.arbiters,
        sweep: Duration::from_secs(parts.sweep_seconds),
        idle: Duration::from_secs(600),
        site: parts.site.clone(),
        password_in_notice: parts.password_in_notice,
        sms_templates: parts.sms_templates.clone(),
    };
    let faults = Arc::new(Faults::new(parts.die_at.as_deref().map(Disorder::parse)));
    Ok(Tree::start(World {
        clock,
        calendar,
        outside,
        rows: Blocking::new(16),
        heavy: Blocking::new(2),
        hashing: Blocking::new(2),
        issuer: Issuer::new(Arc::clone(&keys))?,
        cashbook: Cashbook::new(keys)?,
        wake: actors::Wakes::new(Arc::clone(&faults)),
        changes: tokio::sync::broadcast::Sender::new(256),
        settings,
        faults,
        troubled: Tree::troubled(&store)?,
        samples: actors::Samples::default(),
        commits: std::sync::atomic::AtomicU64::new(0),
        store,
    })?)
}

/// All routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/assets/{version}/{path:.*}", web::get().to(kit::assets::serve))
        .route("/demo/clock", web::post().to(demo::shift))
        // In the order in which they are looked through: what is asked for most comes first.
        .configure(crate::applicant::routes)
        .configure(crate::public::routes)
        .configure(crate::staff::routes)
        .configure(crate::operator::routes);
}

/// Serves a site until it is told to end.
///
/// # Errors
/// When the server can't run.
pub async fn serve(site: Arc<Site>, listener: TcpListener, workers: usize) -> anyhow::Result<()> {
    let shared = web::Data::from(Arc::clone(&site));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .app_data(web::FormConfig::default().limit(FORM_MOST))
            .app_data(web::JsonConfig::default().limit(16 * 1024))
            .wrap(from_fn(crate::error::pages))
            .wrap(from_fn(kit::security::headers))
            .wrap(from_fn(kit::trace::requests))
            .wrap(Compress::default())
            .configure(routes)
    })
    .workers(workers)
    .shutdown_timeout(10)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    let gave_up = tokio::select! {
        () = signal() => false,
        () = site.tree.system.given_up() => true,
    };
    site.drain();
    tracing::info!(gave_up, "ending: finishing what was accepted");
    actix_web::rt::spawn(async {
        signal().await;
        tracing::warn!("told twice: ending at once; the rows have what was answered");
        std::process::exit(1);
    });
    handle.stop(true).await;
    let _ = running.await;
    let end = site.tree.end(SHUTDOWN_WITHIN).await;
    tracing::info!(cut_off = end.cut_off, "ended");
    if gave_up {
        bail!("the actor tree gave up: see the supervision log");
    }
    Ok(())
}

async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (term, int) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    match (term, int) {
        (Ok(mut term), Ok(mut int)) => {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}

/// Sets the log up, and the export of traces if an address for them is given; what is returned sends the last ones when it
/// is dropped.
fn log(json: bool, otlp: Option<&str>) -> anyhow::Result<Option<otlp::Export>> {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    use tracing_subscriber::{EnvFilter, Layer, fmt};
    let filter = EnvFilter::try_from_env("RENZHENG_LOG").unwrap_or_else(|_| EnvFilter::new("info,actix_server=warn"));
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = if json { lines.json().flatten_event(true).boxed() } else { lines.compact().boxed() };
    let (traces, export) = otlp.map(otlp::layer).transpose()?.unzip();
    // A second subscriber in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(filter).with(lines).with(traces).try_init();
    Ok(export)
}

/// Runs a command line.
///
/// # Errors
/// In plain words, for whoever started it.
pub async fn run(cli: Cli) -> anyhow::Result<()> {
    let (for_real, otlp) = match &cli.command {
        Some(Command::Serve { config }) => (true, Config::load(config)?.otlp_endpoint),
        _ => (false, cli.otlp.clone()),
    };
    let _export = log(cli.json_log || for_real, otlp.as_deref())?;
    match &cli.command {
        None => run_demo(&cli).await,
        Some(Command::Serve { config }) => run_serve(&Config::load(config)?).await,
        Some(Command::VerifyAudit { config }) => commands::verify_audit(&cli, config.as_deref()),
        Some(Command::Verify { files, trust, status, config }) => {
            proofs::verify(&cli, files, trust.as_deref(), status.as_deref(), config.as_deref())
        }
        Some(Command::VerifyLog { config, files, site, kept, trust }) => match site {
            Some(site) => proofs::verify_log_of(site, kept.as_deref(), trust.as_deref()).await,
            None => proofs::verify_log(&cli, config.as_deref(), *files),
        },
        Some(Command::Invite { config, user, name, roles }) => {
            commands::invite(&cli, config.as_deref(), user, name, roles)
        }
        Some(Command::Seed { cases }) => commands::seed(&cli, *cases),
        Some(Command::Hooks { config }) => commands::hooks(&cli, config.as_deref()),
        Some(Command::Backup { config, to, without_keys }) => backup::take(&cli, config.as_deref(), to, *without_keys),
        Some(Command::Restore { config, from }) => backup::restore(&cli, config.as_deref(), from),
    }
}

async fn run_demo(cli: &Cli) -> anyhow::Result<()> {
    let begun = Instant::now();
    demo::folder(&cli.data)?;
    let listener = demo::listen(cli.port, "--port or RENZHENG_PORT")?;
    let origin = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
    let clock = Arc::new(DemoClock::open(&cli.data));
    let outside = demo::outside(cli, &origin, &clock)?;
    let parts = demo::parts(cli, &origin, &outside);
    let store = store(&parts, clock.now())?;
    demo::seed(&store)?;
    if let Some(sandbox) = &outside.sandbox {
        let hook = format!("{origin}/notices/{}", crate::public::hooks::key(&store));
        sandbox.state.change(|book| book.hook = Some(hook));
    }
    let tree = tree(&parts, store, Arc::clone(&clock) as Arc<dyn Clock>)?;
    let sandbox = parts.sandbox.clone().unwrap_or_default();
    let mut site = Site::new(tree, origin.clone(), sandbox.clone(), Some(sandbox.clone()));
    site.demo_clock = Some(clock);
    let site = Arc::new(site);
    let words = format!(
        "\n  site       {origin}/\n  sandbox    {sandbox}/inbox (SMS and mail), {sandbox}/people (whom to play, test cards)\n  \
         staff      {origin}/staff  users intake, evaluator, approver, finance, cashier, operator; password {}\n  codes      {sandbox}/staff\n  \
         data       {}\n  ready in   {} ms\n\n",
        demo::STAFF_PASSWORD,
        cli.data.display(),
        begun.elapsed().as_millis(),
    );
    std::io::stdout().write_all(words.as_bytes())?;
    std::io::stdout().flush()?;
    serve(site, listener, 2).await
}

/// What the settings make of a service.
///
/// # Errors
/// When a file that they name can't be read, or a secret is the demo's.
pub fn parts(config: &Config) -> anyhow::Result<Parts> {
    config.refuse_demo_secrets()?;
    let read =
        |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()));
    let (bank, signing) = (&config.union_pay, &config.documents);
    Ok(Parts {
        site: config.site.trim_end_matches('/').to_owned(),
        database_url: config.database_url.clone(),
        blobs: config.blobs.clone(),
        master_key: config.master_key.clone(),
        former_master_keys: config.former_master_keys.clone(),
        calendar: config.calendar.clone(),
        password_in_notice: config.registration_notice != "username-only",
        arbiters: config.arbiters,
        sweep_seconds: config.sweep_seconds,
        union_pay: UnionPaySettings {
            front_url: bank.front_url.clone(),
            query_url: bank.query_url.clone(),
            back_url: bank.back_url.clone(),
            file_url: bank.file_url.clone(),
            merchant: bank.merchant.clone(),
            key_pem: read(&bank.key)?,
            certificate_pem: read(&bank.certificate)?,
            root_pem: read(&bank.root)?,
            middle_pem: read(&bank.middle)?,
            test: bank.test,
        },
        sms: SmsSettings {
            url: config.sms.url.clone(),
            key_id: config.sms.key_id.clone(),
            key_secret: config.sms.key_secret.clone(),
            sign_name: config.sms.sign_name.clone(),
        },
        sms_templates: config.sms.templates.clone(),
        mail: MailSettings {
            url: config.mail.url.clone(),
            user: config.mail.user.clone(),
            password: config.mail.password.clone(),
            from: config.mail.from.clone(),
        },
        identity: IdentitySettings {
            url: config.identity.url.clone(),
            app_id: config.identity.app_id.clone(),
            app_secret: config.identity.app_secret.clone(),
        },
        documents: KeySettings {
            signer_key: read(&signing.signer_key)?,
            signer_certificates: read(&signing.signer_certificates)?,
            former_signer_certificates: signing
                .former_signer_certificates
                .iter()
                .map(&read)
                .collect::<Result<_, _>>()?,
            roots: read(&signing.roots)?,
            stamp_roots: signing.time_stamp_roots.as_ref().map(&read).transpose()?.unwrap_or_default(),
            credential_key: read(&signing.credential_key)?,
            former_credential_keys: signing.former_credential_keys.iter().map(&read).collect::<Result<_, _>>()?,
            proof_key: read(&signing.proof_key)?,
            former_proof_keys: signing.former_proof_keys.iter().map(&read).collect::<Result<_, _>>()?,
        },
        time_stamp_url: signing.time_stamp_url.clone(),
        sandbox: None,
        die_at: None,
    })
}

async fn run_serve(config: &Config) -> anyhow::Result<()> {
    let parts = parts(config)?;
    let gateway = origin_of(&parts.union_pay.front_url)?;
    let listener = TcpListener::bind(&config.listen)
        .with_context(|| format!("{} can't be listened on: change `listen` in the settings", config.listen))?;
    let tree = tree(&parts, store(&parts, Utc::now())?, Arc::new(SystemClock))?;
    let mut site = Site::new(tree, parts.site.clone(), gateway, None);
    site.behind_proxy = config.behind_proxy;
    site.metrics_token = config.metrics_token.clone();
    let site = Arc::new(site);
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    serve(site, listener, workers).await
}

fn origin_of(url: &str) -> anyhow::Result<String> {
    let (scheme, rest) =
        url.split_once("://").with_context(|| format!("`union_pay.front_url`: {url} is no address"))?;
    let host = rest.split('/').next().unwrap_or_default();
    Ok(format!("{scheme}://{host}"))
}
