//! The demo world: everything on one machine, made on the first start, with invented staff and known secrets.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use documents::KeySettings;
use domain::effects::{Actor, AuditEntry};
use domain::ids::StaffId;
use domain::import;
use domain::person::Language;
use domain::staff::Role;
use gateways::identity::IdentitySettings;
use gateways::mail::MailSettings;
use gateways::sms::SmsSettings;
use gateways::unionpay::UnionPaySettings;
use locales::Texts;
use sandbox::{Sandbox, StaffCode};
use serde::Deserialize;
use store::{Batch, Store};
use supervision::{Clock, ShiftedClock, Sleep};

use crate::boot::Parts;
use crate::cli::Cli;
use crate::web::site::Site;

/// The demo's master key; `serve` refuses it.
pub const MASTER_KEY: &str = "64656d6f2d6b65792d64656d6f2d6b65792d64656d6f2d6b65792d64656d6f21";
/// The password of every demo account of staff.
pub const STAFF_PASSWORD: &str = "demo-staff-2026";

const STAFF: [(&str, &str, &[Role], &[u8; 20]); 10] = [
    ("intake", "受理员甲", &[Role::Intake], b"demo-totp-intake-001"),
    ("evaluator", "评估员乙", &[Role::Intake, Role::Evaluator], b"demo-totp-evaluat-02"),
    ("approver", "复审员丙", &[Role::Evaluator, Role::Approver], b"demo-totp-approve-03"),
    ("finance", "财务丁", &[Role::Finance], b"demo-totp-finance-05"),
    ("cashier", "财务戊", &[Role::Finance], b"demo-totp-cashier-06"),
    ("operator", "运维员丁", &[Role::Operator], b"demo-totp-operato-04"),
    ("reviewer", "评估员己", &[Role::Evaluator], b"demo-totp-reviewe-07"),
    ("chief", "复审员庚", &[Role::Approver], b"demo-totp-chief00-08"),
    ("registrar", "登记员辛", &[Role::Registrar], b"demo-totp-registr-09"),
    ("admin", "管理员壬", &[Role::Administrator], b"demo-totp-admin00-10"),
];

/// SMS templates of the sandbox by kind of notice.
const TEMPLATES: [(&str, &str); 29] = [
    ("code", "SMS_100000001"),
    ("registered", "SMS_100000002"),
    ("submitted", "SMS_100000003"),
    ("paid", "SMS_100000004"),
    ("accepted", "SMS_100000005"),
    ("decided", "SMS_100000006"),
    ("not-accepted", "SMS_100000007"),
    ("surplus", "SMS_100000008"),
    ("password-changed", "SMS_100000009"),
    ("registered-name", "SMS_100000010"),
    ("contact-changed", "SMS_100000011"),
    ("refund-asked", "SMS_100000012"),
    ("refund-approved", "SMS_100000013"),
    ("refund-refused", "SMS_100000014"),
    ("refund-arrived", "SMS_100000015"),
    ("refund-sent-back", "SMS_100000016"),
    ("supplement-asked", "SMS_100000017"),
    ("supplement-reminder", "SMS_100000018"),
    ("supplement-expired", "SMS_100000019"),
    ("supplement-arrived", "SMS_100000020"),
    ("message", "SMS_100000021"),
    ("expected-changed", "SMS_100000022"),
    ("overdue", "SMS_100000023"),
    ("held", "SMS_100000024"),
    ("resumed", "SMS_100000025"),
    ("withdrawn", "SMS_100000026"),
    ("review-asked", "SMS_100000027"),
    ("review-ended", "SMS_100000028"),
    ("revoked", "SMS_100000029"),
];

/// The demo's staff, for the sandbox's page of codes.
pub fn staff_codes() -> Vec<StaffCode> {
    let code = |(user, _, roles, secret): &(&str, &str, &[Role], &[u8; 20])| StaffCode {
        user: (*user).into(),
        password: STAFF_PASSWORD.into(),
        roles: roles.iter().map(|role| role.code()).collect::<Vec<_>>().join(", "),
        secret: secret.to_vec(),
    };
    STAFF.iter().map(code).collect()
}

/// Makes the demo's staff, once.
///
/// # Errors
/// When the database fails.
pub fn seed(store: &Store) -> anyhow::Result<()> {
    let mut hash = None;
    for (user, name, roles, secret) in STAFF {
        if store.staff_by_name(user)?.is_none() {
            let hash = match &hash {
                Some(known) => known,
                None => hash.insert(store::hash_password(STAFF_PASSWORD)?),
            };
            store.add_staff(user, name, roles, hash, secret)?;
        }
    }
    seed_programmes(store)
}

/// Invented joint programmes and one student of one of them, by the same way as a registrar's files.
fn seed_programmes(store: &Store) -> anyhow::Result<()> {
    if !store.programmes("", None, true, None, 1)?.is_empty() {
        return Ok(());
    }
    let now = Utc::now();
    let today = domain::calendar::today(now);
    let texts = Texts::new(Language::Chinese);
    let label = |name: &str| texts.get(&format!("field-{name}"));
    let entry = AuditEntry { by: Actor::System, act: "imported", subject: "demo".into() };
    let take = |batch: &Batch| -> anyhow::Result<()> {
        let id = store.keep_import(batch, StaffId::fresh(), now)?;
        store.import(id, &entry, true, now)?;
        Ok(())
    };
    let programmes = import::programmes(include_bytes!("../assets/demo/programmes.csv"), &label, today)?;
    take(&Batch::Programmes(programmes.rows.into_iter().map(|(_, row)| row).collect()))?;
    let students = import::students(include_bytes!("../assets/demo/students.csv"), &label, today)?;
    take(&Batch::Students(students.rows.into_iter().map(|(_, row)| row).collect()))
}

/// Takes a port, or says which setting to change.
///
/// # Errors
/// When it is taken.
pub fn listen(port: u16, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port)).with_context(|| {
        format!("port {port} is taken by another program: choose another one with {setting} (0 takes any)")
    })
}

/// The clock of the demo and of its sandbox: it can be moved, and stays moved over restarts.
pub struct DemoClock {
    clock: ShiftedClock,
    file: PathBuf,
}

impl DemoClock {
    /// The clock whose offset in seconds is kept in the demo's folder.
    pub fn open(folder: &Path) -> Self {
        let file = folder.join("clock");
        let seconds = std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
        Self { clock: ShiftedClock::at(seconds.unwrap_or(0)), file }
    }

    /// Moves it by so many seconds.
    pub fn shift(&self, seconds: i64) {
        self.clock.shift(seconds);
        if let Err(error) = std::fs::write(&self.file, self.clock.offset().to_string()) {
            tracing::error!(%error, "the demo's clock could not be written down");
        }
    }
}

impl Clock for DemoClock {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn sleep(&self, span: Duration) -> Sleep {
        self.clock.sleep(span)
    }
}

/// By how much the clock is moved.
#[derive(Deserialize)]
pub struct Shift {
    seconds: i64,
}

/// `POST /demo/clock`, in the demo alone: moves the service's clock when the sandbox runs in a process of its own.
pub async fn shift(site: web::Data<Site>, shift: web::Json<Shift>) -> HttpResponse {
    match &site.demo_clock {
        Some(clock) => {
            clock.shift(shift.seconds);
            HttpResponse::NoContent().finish()
        }
        None => HttpResponse::NotFound().finish(),
    }
}

/// The sandbox of the demo, and the ports of whichever sandbox is used.
pub struct Outside {
    /// Its own sandbox, unless it uses one that runs elsewhere.
    pub sandbox: Option<Sandbox>,
    /// HTTP port.
    pub http_port: u16,
    /// SMTP port.
    pub smtp_port: u16,
}

/// Starts the sandbox, or finds the one named.
///
/// # Errors
/// When a port is taken.
pub fn outside(cli: &Cli, site: &str, clock: &Arc<DemoClock>) -> anyhow::Result<Outside> {
    let (shared, moved) = (Arc::clone(clock), Arc::clone(clock));
    if let Some(ports) = &cli.sandbox {
        let Some((http, smtp)) = ports.split_once(':') else { bail!("--sandbox wants HTTP-PORT:SMTP-PORT") };
        return Ok(Outside { sandbox: None, http_port: http.parse()?, smtp_port: smtp.parse()? });
    }
    // Asked here, so that a port that is taken is told with its setting.
    drop(listen(cli.sandbox_port, "--sandbox-port or RENZHENG_SANDBOX_PORT")?);
    drop(listen(cli.smtp_port, "--smtp-port or RENZHENG_SMTP_PORT")?);
    let settings = sandbox::Settings {
        http_port: cli.sandbox_port,
        smtp_port: cli.smtp_port,
        memory: Some(cli.data.join("sandbox.json")),
        now: Arc::new(move || shared.now()),
        shift: Arc::new(move |seconds| moved.shift(seconds)),
        staff: staff_codes(),
        site: site.to_owned(),
    };
    let sandbox = sandbox::start(settings).context("the sandbox could not be started")?;
    let (http_port, smtp_port) = (sandbox.http_port, sandbox.smtp_port);
    Ok(Outside { sandbox: Some(sandbox), http_port, smtp_port })
}

/// What the demo's documents are signed with: everybody knows it, and `serve` refuses it.
pub fn document_keys() -> KeySettings {
    KeySettings {
        signer_key: sandbox::DOCUMENT_SIGNER_KEY.into(),
        signer_certificates: sandbox::DOCUMENT_SIGNER_PEM.into(),
        former_signer_certificates: Vec::new(),
        roots: sandbox::DOCUMENT_ROOT_PEM.into(),
        stamp_roots: sandbox::DOCUMENT_ROOT_PEM.into(),
        credential_key: sandbox::CREDENTIAL_KEY.into(),
        former_credential_keys: Vec::new(),
        proof_key: sandbox::PROOF_KEY.into(),
        former_proof_keys: Vec::new(),
    }
}

/// The settings of the demo.
pub fn parts(cli: &Cli, site: &str, outside: &Outside) -> Parts {
    let sandbox = format!("http://127.0.0.1:{}", outside.http_port);
    let database = cli.data.join("renzheng.sqlite");
    Parts {
        site: site.to_owned(),
        database_url: cli.database_url.clone().unwrap_or_else(|| database.to_string_lossy().into_owned()),
        blobs: cli.data.join("blobs"),
        master_key: MASTER_KEY.into(),
        former_master_keys: Vec::new(),
        calendar: None,
        password_in_notice: true,
        arbiters: 2,
        sweep_seconds: 2,
        union_pay: UnionPaySettings {
            front_url: format!("{sandbox}/gateway/api/frontTransReq.do"),
            query_url: format!("{sandbox}/gateway/api/queryTrans.do"),
            back_url: format!("{sandbox}/gateway/api/backTransReq.do"),
            file_url: format!("{sandbox}/filedownload/"),
            merchant: sandbox::MERCHANT.into(),
            key_pem: sandbox::MERCHANT_KEY.into(),
            certificate_pem: sandbox::MERCHANT_PEM.into(),
            root_pem: sandbox::ROOT_PEM.into(),
            middle_pem: sandbox::MIDDLE_PEM.into(),
            test: true,
        },
        sms: SmsSettings {
            url: format!("{sandbox}/"),
            key_id: sandbox::SMS_KEY_ID.into(),
            key_secret: sandbox::SMS_KEY_SECRET.into(),
            sign_name: "留学认证".into(),
        },
        sms_templates: TEMPLATES.iter().map(|(kind, code)| ((*kind).into(), (*code).into())).collect(),
        mail: MailSettings {
            url: format!("smtp://127.0.0.1:{}", outside.smtp_port),
            user: String::new(),
            password: String::new(),
            from: "认证服务 <no-reply@renzheng.example>".into(),
        },
        identity: IdentitySettings {
            url: sandbox.clone(),
            app_id: sandbox::APP_ID.into(),
            app_secret: sandbox::APP_SECRET.into(),
        },
        documents: document_keys(),
        time_stamp_url: Some(format!("{sandbox}/tsa")),
        sandbox: Some(sandbox),
        die_at: cli.die_at.clone(),
    }
}

/// Makes the demo's folder.
///
/// # Errors
/// When it can't be made.
pub fn folder(path: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| format!("the folder {} can't be made", path.display()))
}
