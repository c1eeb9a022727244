//! The whole tree, in one function, and the world that every actor shares.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use documents::{AsItIs, Cashbook, Issuer};
use domain::applicant::Applicant;
use domain::calendar::Calendar;
use domain::command::Command;
use domain::effects::Channel;
use domain::ids::ApplicantId;
use gateways::identity::IdentityClient;
use gateways::mail::MailClient;
use gateways::sms::SmsClient;
use gateways::unionpay::UnionPay;
use store::Store;
use supervision::{
    AskError, Backoff, ChildSpec, Clock, Directory, DirectorySpec, Intensity, Mailbox, Reconciler, Supervisor, System,
    Wake,
};
use tokio::sync::broadcast;

use crate::blocking::Blocking;
use crate::case_clerk::CaseClerk;
use crate::certificate_issuer::CertificateIssuer;
use crate::clearing_clerk::ClearingClerk;
use crate::identity_verifier::IdentityVerifier;
use crate::notification_dispatcher::NotificationDispatcher;
use crate::payment_reconciler::PaymentReconciler;
use crate::refund_scheduler::RefundScheduler;
use crate::session::{Do, Fault, Load, Refusal, Session};
use crate::upload_validator::UploadValidator;

/// How long a page waits for a session actor.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The clients of the outside world.
pub struct Outside {
    /// Payments.
    pub union_pay: UnionPay,
    /// Text messages.
    pub sms: SmsClient,
    /// E-mail.
    pub mail: MailClient,
    /// Identity.
    pub identity: IdentityClient,
}

/// The order to die at the nth passage of a named place: `place#n`, or `panic:place#n` to panic there instead.
#[derive(Debug, Clone)]
pub struct DieAt {
    place: String,
    left: Arc<AtomicI64>,
    panics: bool,
}

impl DieAt {
    /// Reads an order.
    pub fn parse(text: &str) -> Self {
        let (panics, rest) = text.strip_prefix("panic:").map_or((false, text), |rest| (true, rest));
        let (place, nth) = rest.split_once('#').unwrap_or((rest, "1"));
        let left = Arc::new(AtomicI64::new(nth.parse().unwrap_or(1)));
        Self { place: place.to_owned(), left, panics }
    }

    fn reached(&self, place: &str) {
        if self.place != place || self.left.fetch_sub(1, Ordering::SeqCst) != 1 {
            return;
        }
        tracing::warn!(place, "dying here, as a test ordered");
        if self.panics {
            std::panic::resume_unwind(Box::new("ordered by a fault test"));
        }
        // As from outside: no unwinding, no handler, no last word.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        std::process::abort();
    }
}

/// The place at which something is to break, if any; it can be set while the tree runs.
#[derive(Debug, Default)]
pub struct Faults {
    armed: AtomicBool,
    order: Mutex<Option<DieAt>>,
}

impl Faults {
    /// Breaks as ordered, or not at all.
    pub fn new(order: Option<DieAt>) -> Self {
        Self { armed: AtomicBool::new(order.is_some()), order: Mutex::new(order) }
    }

    /// Sets or takes back the order.
    pub fn arm(&self, order: Option<DieAt>) {
        self.armed.store(order.is_some(), Ordering::SeqCst);
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = order;
    }

    fn at(&self, place: &str) {
        if !self.armed.load(Ordering::Relaxed) {
            return;
        }
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(order) = order {
            order.reached(place);
        }
    }
}

/// Settings of the tree.
#[derive(Debug, Clone)]
pub struct TreeSettings {
    /// Threads for actors.
    pub arbiters: usize,
    /// How often reconcilers look without being woken.
    pub sweep: Duration,
    /// A session that got no letter for so long is put away.
    pub idle: Duration,
    /// Our own origin as browsers see it, without a slash at its end.
    pub site: String,
    /// Whether the notice of registration holds the password (R1.9).
    pub password_in_notice: bool,
    /// SMS templates by kind of notice.
    pub sms_templates: std::collections::BTreeMap<String, String>,
}

/// Wakes the reconcilers; a wake-up that is lost costs nothing but time.
#[derive(Default)]
pub struct Wakes {
    doors: OnceLock<Doors>,
}

struct Doors {
    notices: [Mailbox<Reconciler<NotificationDispatcher>>; 2],
    payments: Mailbox<Reconciler<PaymentReconciler>>,
    refunds: Mailbox<Reconciler<RefundScheduler>>,
    clearing: Mailbox<Reconciler<ClearingClerk>>,
    uploads: Mailbox<Reconciler<UploadValidator>>,
    identity: Mailbox<Reconciler<IdentityVerifier>>,
    certificates: Mailbox<Reconciler<CertificateIssuer>>,
    cases: Mailbox<Reconciler<CaseClerk>>,
}

impl Wakes {
    /// Notices wait.
    pub fn notices(&self) {
        if let Some(doors) = self.doors.get() {
            for door in &doors.notices {
                door.nudge(Wake);
            }
        }
    }

    /// The gateway has something to say.
    pub fn payments(&self) {
        if let Some(doors) = self.doors.get() {
            doors.payments.nudge(Wake);
        }
    }

    /// Money waits to go back.
    pub fn refunds(&self) {
        if let Some(doors) = self.doors.get() {
            doors.refunds.nudge(Wake);
        }
    }

    /// A clearing file may be there.
    pub fn clearing(&self) {
        if let Some(doors) = self.doors.get() {
            doors.clearing.nudge(Wake);
        }
    }

    /// Images wait.
    pub fn uploads(&self) {
        if let Some(doors) = self.doors.get() {
            doors.uploads.nudge(Wake);
        }
    }

    /// A verification waits.
    pub fn identity(&self) {
        if let Some(doors) = self.doors.get() {
            doors.identity.nudge(Wake);
        }
    }

    /// A day came on which something was set for a case.
    pub fn cases(&self) {
        if let Some(doors) = self.doors.get() {
            doors.cases.nudge(Wake);
        }
    }

    /// A certificate waits.
    pub fn certificates(&self) {
        if let Some(doors) = self.doors.get() {
            doors.certificates.nudge(Wake);
        }
    }
}

/// What every actor shares.
pub struct World {
    /// Rows and blobs.
    pub store: Arc<Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Working days.
    pub calendar: Calendar,
    /// The outside.
    pub outside: Outside,
    /// Bound on database work.
    pub rows: Blocking,
    /// Bound on images and documents.
    pub heavy: Blocking,
    /// Bound on password hashing.
    pub hashing: Blocking,
    /// Prints receipts.
    pub cashbook: Cashbook,
    /// Wake-ups.
    pub wake: Wakes,
    /// Tells whom each commit was about, for pages that are open.
    pub changes: broadcast::Sender<ApplicantId>,
    /// Settings.
    pub settings: TreeSettings,
    /// Kill switch of recovery and fault tests.
    pub faults: Faults,
}

impl World {
    /// A named place: recovery tests end the process here, as SIGKILL would, and fault tests the incarnation.
    pub fn at(&self, place: &str) {
        self.faults.at(place);
    }
}

/// The running tree.
pub struct Tree {
    /// The runtime.
    pub system: System,
    /// What the actors share.
    pub world: Arc<World>,
    /// Sessions by applicant.
    pub sessions: Directory<ApplicantId, Session>,
    /// The reconcilers' supervisor.
    pub reconcilers: Arc<Supervisor>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Tree {
    /// Starts everything: sessions, then the reconcilers that send to them.
    ///
    /// # Errors
    /// When the issuer's fonts or templates can't be used.
    pub fn start(world: World) -> Result<Arc<Self>, Fault> {
        let system = System::start(Arc::clone(&world.clock), world.settings.arbiters);
        let world = Arc::new(world);
        let root = system.supervisor("root", Intensity { restarts: 5, within: MINUTE }, None);
        let of_sessions =
            system.supervisor("sessions", Intensity { restarts: 10, within: MINUTE }, Some(Arc::clone(&root)));
        let shared = Arc::clone(&world);
        let sessions = Directory::new(
            DirectorySpec {
                name: "session",
                idle: world.settings.idle,
                intensity: Intensity { restarts: 5, within: MINUTE },
                backoff: Backoff { first: Duration::from_millis(5), most: Duration::from_secs(2) },
                bound: 32,
                drops: Intensity { restarts: 100, within: MINUTE },
            },
            &of_sessions,
            &system,
            move |id| Session::new(*id, Arc::clone(&shared)),
        );
        let reconcilers =
            system.supervisor("reconcilers", Intensity { restarts: 5, within: MINUTE }, Some(Arc::clone(&root)));
        let issuer = Arc::new(Issuer::new(AsItIs).map_err(Fault::new)?);
        let sweep = world.settings.sweep;
        let asks = Asks { sessions: sessions.clone() };

        let (shared, to) = (Arc::clone(&world), asks.clone());
        let payments = reconcilers.start(ChildSpec::new("payment_reconciler", move || {
            Reconciler::new(PaymentReconciler::new(Arc::clone(&shared), to.clone()), sweep)
        }));
        let (shared, to) = (Arc::clone(&world), asks.clone());
        let refunds = reconcilers.start(ChildSpec::new("refund_scheduler", move || {
            Reconciler::new(RefundScheduler::new(Arc::clone(&shared), to.clone()), sweep)
        }));
        let shared = Arc::clone(&world);
        let clearing = reconcilers.start(ChildSpec::new("clearing_clerk", move || {
            Reconciler::new(ClearingClerk::new(Arc::clone(&shared)), sweep)
        }));
        let notices = [Channel::Sms, Channel::Mail].map(|channel| {
            let shared = Arc::clone(&world);
            reconcilers.start(ChildSpec::new(format!("notification_dispatcher.{}", channel.code()), move || {
                Reconciler::new(NotificationDispatcher::new(Arc::clone(&shared), channel), sweep)
            }))
        });
        let (shared, to) = (Arc::clone(&world), asks.clone());
        let uploads = reconcilers.start(ChildSpec::new("upload_validator", move || {
            Reconciler::new(UploadValidator::new(Arc::clone(&shared), to.clone()), sweep)
        }));
        let (shared, to) = (Arc::clone(&world), asks.clone());
        let identity = reconcilers.start(ChildSpec::new("identity_verifier", move || {
            Reconciler::new(IdentityVerifier::new(Arc::clone(&shared), to.clone()), Duration::from_millis(700))
        }));
        let (shared, to) = (Arc::clone(&world), asks.clone());
        let cases = reconcilers.start(ChildSpec::new("case_clerk", move || {
            Reconciler::new(CaseClerk::new(Arc::clone(&shared), to.clone()), sweep)
        }));
        let (shared, to) = (Arc::clone(&world), asks);
        let certificates = reconcilers.start(ChildSpec::new("certificate_issuer", move || {
            let (shared, to, issuer) = (Arc::clone(&shared), to.clone(), Arc::clone(&issuer));
            Reconciler::new(CertificateIssuer::new(shared, to, issuer), sweep)
        }));
        // The doors are opened once; before that a wake-up finds none, and the first sweep does the work.
        let doors = Doors { notices, payments, refunds, clearing, uploads, identity, certificates, cases };
        let _ = world.wake.doors.set(doors);
        let passivator = sessions.clone();
        reconcilers.start(ChildSpec::new("passivator", move || Passivator { sessions: passivator.clone() }));
        Ok(Arc::new(Self { system, world, sessions, reconcilers }))
    }

    /// Has `id`'s session carry out a command.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn command<C: Command>(&self, id: ApplicantId, command: C) -> Result<C::Done, Refusal> {
        asked(self.sessions.ask(&id, Do(command), ANSWER_WITHIN).await)
    }

    /// The applicant as it now stands.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn applicant(&self, id: ApplicantId) -> Result<Arc<Applicant>, Refusal> {
        self.load(id, None).await
    }

    /// The applicant at `version`, which was just seen, or later.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn applicant_at(&self, id: ApplicantId, version: i64) -> Result<Arc<Applicant>, Refusal> {
        self.load(id, Some(version)).await
    }

    async fn load(&self, id: ApplicantId, seen: Option<i64>) -> Result<Arc<Applicant>, Refusal> {
        match self.sessions.ask(&id, Load(seen), ANSWER_WITHIN).await {
            // A look that was lost is safely looked again.
            Err(AskError::Lost) => asked(self.sessions.ask(&id, Load(seen), ANSWER_WITHIN).await),
            answer => asked(answer),
        }
    }

    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        self.world.clock.now()
    }
}

fn asked<T>(answer: Result<Result<T, Refusal>, AskError>) -> Result<T, Refusal> {
    answer.unwrap_or_else(|error| Err(Fault::new(format!("session actor: {error}")).into()))
}

/// How reconcilers reach the sessions.
#[derive(Clone)]
pub(crate) struct Asks {
    sessions: Directory<ApplicantId, Session>,
}

impl Asks {
    /// As [`Tree::command`].
    pub(crate) async fn command<C: Command>(&self, id: ApplicantId, command: C) -> Result<C::Done, Refusal> {
        asked(self.sessions.ask(&id, Do(command), ANSWER_WITHIN).await)
    }

    /// As [`Tree::applicant`].
    pub(crate) async fn applicant(&self, id: ApplicantId) -> Result<Arc<Applicant>, Refusal> {
        asked(self.sessions.ask(&id, Load(None), ANSWER_WITHIN).await)
    }
}

/// Puts idle sessions away, a few at a time.
struct Passivator {
    sessions: Directory<ApplicantId, Session>,
}

impl supervision::Child for Passivator {
    fn started(&mut self, scope: &mut supervision::Scope<'_, Self>) {
        scope.every(Duration::from_secs(5), |passivator, _| {
            passivator.sessions.passivate(500);
        });
    }
}
