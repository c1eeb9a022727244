//! Settings: a file and the environment (`RENZHENG__…`), unknown keys refused, demo secrets refused by `serve`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::Deserialize;

/// All settings of `serve`. Every key is required unless it says otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on, such as `127.0.0.1:8080`.
    pub listen: String,
    /// Our origin as browsers see it, without a slash at its end.
    pub site: String,
    /// `postgres://…`, or the path of an SQLite file.
    pub database_url: String,
    /// Folder of the sealed files.
    pub blobs: PathBuf,
    /// 32 bytes in hexadecimal; everything sealed hangs on it.
    pub master_key: String,
    /// Master keys from before, newest first: they open what was sealed then, which is sealed anew little by little. The
    /// oldest one makes look-ups for ever. Optional.
    #[serde(default)]
    pub former_master_keys: Vec<String>,
    /// A newer calendar of working days, in place of the built-in one. Optional.
    #[serde(default)]
    pub calendar: Option<PathBuf>,
    /// `with-password`, as the guide promises, or `username-only` (R1.9). Optional.
    #[serde(default = "with_password")]
    pub registration_notice: String,
    /// Threads for actors. Optional.
    #[serde(default = "two")]
    pub arbiters: usize,
    /// Seconds between two looks of a reconciler that nobody woke. Optional.
    #[serde(default = "five")]
    pub sweep_seconds: u64,
    /// True when a proxy of ours stands in front: its `X-Forwarded-For` then says where requests come from. Optional.
    #[serde(default)]
    pub behind_proxy: bool,
    /// A word that lets a collector of metrics in from another machine (`Authorization: Bearer …`). Optional: without it
    /// `/metrics` answers to this machine alone.
    #[serde(default)]
    pub metrics_token: Option<String>,
    /// Where an OpenTelemetry collector takes traces (OTLP over HTTP), such as `http://127.0.0.1:4318/v1/traces`. Optional; the
    /// build must have the feature `otlp`.
    #[serde(default)]
    pub otlp_endpoint: Option<String>,
    /// Payments.
    pub union_pay: UnionPayConfig,
    /// Text messages.
    pub sms: SmsConfig,
    /// E-mail.
    pub mail: MailConfig,
    /// Identity.
    pub identity: IdentityConfig,
    /// What documents are signed with.
    pub documents: DocumentsConfig,
}

fn with_password() -> String {
    "with-password".into()
}

const fn two() -> usize {
    2
}

const fn five() -> u64 {
    5
}

/// UnionPay.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnionPayConfig {
    /// Where the browser posts the order.
    pub front_url: String,
    /// Where queries go.
    pub query_url: String,
    /// Where refunds go.
    pub back_url: String,
    /// Where clearing files come from.
    pub file_url: String,
    /// Merchant number.
    pub merchant: String,
    /// File with our key, PKCS#8 PEM.
    pub key: PathBuf,
    /// File with our certificate, PEM.
    pub certificate: PathBuf,
    /// File with the root of UnionPay's certificates, PEM.
    pub root: PathBuf,
    /// File with the certificate between root and signer, PEM.
    pub middle: PathBuf,
    /// Whether UnionPay's test name is accepted. Optional.
    #[serde(default)]
    pub test: bool,
}

/// SMS.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmsConfig {
    /// Address of the service.
    pub url: String,
    /// Access key.
    pub key_id: String,
    /// Its secret.
    pub key_secret: String,
    /// Approved sender.
    pub sign_name: String,
    /// Approved templates by kind of notice.
    pub templates: BTreeMap<String, String>,
}

/// Mail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// `smtps://host` or `smtp://host:port`.
    pub url: String,
    /// User name. Optional.
    #[serde(default)]
    pub user: String,
    /// Password. Optional.
    #[serde(default)]
    pub password: String,
    /// `Name <address>`.
    pub from: String,
}

/// Identity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityConfig {
    /// Address of the service, without a slash at its end.
    pub url: String,
    /// Our name there.
    pub app_id: String,
    /// Our secret there.
    pub app_secret: String,
}

/// What documents, credentials and tree heads are signed with. Every file is PEM.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsConfig {
    /// File with the key that signs PDFs (P-256, PKCS#8).
    pub signer_key: PathBuf,
    /// File with its certificate, and those between it and the root.
    pub signer_certificates: PathBuf,
    /// Files with certificates that signed PDFs before. Optional.
    #[serde(default)]
    pub former_signer_certificates: Vec<PathBuf>,
    /// File with the authorities that our documents hang on, the ones of before among them.
    pub roots: PathBuf,
    /// Address of the time-stamp authority. Optional, together with its roots.
    #[serde(default)]
    pub time_stamp_url: Option<String>,
    /// File with the authorities that time-stamps hang on.
    #[serde(default)]
    pub time_stamp_roots: Option<PathBuf>,
    /// File with the key that signs credentials and tree heads (P-256, PKCS#8).
    pub credential_key: PathBuf,
    /// Files with public keys that signed credentials before. Optional.
    #[serde(default)]
    pub former_credential_keys: Vec<PathBuf>,
    /// File with the key of embedded proofs (Ed25519, PKCS#8).
    pub proof_key: PathBuf,
    /// Files with public keys of embedded proofs from before. Optional.
    #[serde(default)]
    pub former_proof_keys: Vec<PathBuf>,
}

/// Why the settings won't do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key is missing, unknown or of the wrong kind.
    #[error("{0}")]
    Shape(Box<figment::Error>),
    /// A secret of the demo in a real service.
    #[error("`{0}` holds a secret of the demo, which everybody knows: set one of your own")]
    DemoSecret(&'static str),
    /// A value that can't be used.
    #[error("`{0}`: {1}")]
    Value(&'static str, String),
}

impl Config {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        if !file.exists() {
            return Err(ConfigError::Value("--config", format!("there is no file {}", file.display())));
        }
        let figment = Figment::from(Toml::file_exact(file)).merge(Env::prefixed("RENZHENG__").split("__"));
        figment.extract().map_err(|error| ConfigError::Shape(Box::new(error)))
    }

    /// Refuses what everybody knows.
    ///
    /// # Errors
    /// `DemoSecret`.
    pub fn refuse_demo_secrets(&self) -> Result<(), ConfigError> {
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        let same = |path: &Path, pem: &str| read(path).trim() == pem.trim();
        if self.master_key == crate::demo::MASTER_KEY {
            return Err(ConfigError::DemoSecret("master_key"));
        }
        if same(&self.union_pay.key, sandbox::MERCHANT_KEY) {
            return Err(ConfigError::DemoSecret("union_pay.key"));
        }
        if same(&self.union_pay.root, sandbox::ROOT_PEM) {
            return Err(ConfigError::DemoSecret("union_pay.root"));
        }
        if self.sms.key_secret == sandbox::SMS_KEY_SECRET {
            return Err(ConfigError::DemoSecret("sms.key_secret"));
        }
        // Its key is known to everybody, wherever in a file it stands.
        let trusts_demo = |path: &Path| {
            let demo = proof::path::certificates(sandbox::DOCUMENT_ROOT_PEM).unwrap_or_default();
            proof::path::certificates(&read(path)).is_ok_and(|all| all.iter().any(|root| demo.contains(root)))
        };
        if trusts_demo(&self.documents.roots) {
            return Err(ConfigError::DemoSecret("documents.roots"));
        }
        if self.documents.time_stamp_roots.as_ref().is_some_and(|path| trusts_demo(path)) {
            return Err(ConfigError::DemoSecret("documents.time_stamp_roots"));
        }
        let keys = [
            ("documents.signer_key", &self.documents.signer_key, sandbox::DOCUMENT_SIGNER_KEY),
            ("documents.credential_key", &self.documents.credential_key, sandbox::CREDENTIAL_KEY),
            ("documents.proof_key", &self.documents.proof_key, sandbox::PROOF_KEY),
        ];
        if let Some((name, _, _)) = keys.into_iter().find(|(_, path, pem)| same(path, pem)) {
            return Err(ConfigError::DemoSecret(name));
        }
        if self.documents.time_stamp_url.is_some() != self.documents.time_stamp_roots.is_some() {
            let why = "an address and its roots go together".to_owned();
            return Err(ConfigError::Value("documents.time_stamp_url", why));
        }
        if self.identity.app_secret == sandbox::APP_SECRET {
            return Err(ConfigError::DemoSecret("identity.app_secret"));
        }
        Ok(())
    }
}
