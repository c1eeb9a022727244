//! The whole tree, in one function, and the world that every actor shares.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use documents::{Cashbook, Issuer, Keys as DocumentKeys};
use domain::applicant::Applicant;
use domain::calendar::Calendar;
use domain::command::Command;
use domain::effects::Channel;
use domain::ids::ApplicantId;
use gateways::identity::IdentityClient;
use gateways::mail::MailClient;
use gateways::sms::SmsClient;
use gateways::time_stamp::TimeStampClient;
use gateways::unionpay::UnionPay;
use proof::merkle::SignedHead;
use store::{Store, StoreError, TroubleState};
use supervision::{
    AskError, Backoff, Carried, ChildSpec, Clock, Directory, DirectorySpec, Hold, Intensity, Mailbox, Reconciler,
    Steer, Supervisor, System, Wake, Work,
};
use tokio::sync::broadcast;

use crate::blocking::Blocking;
use crate::case_clerk::CaseClerk;
use crate::certificate_issuer::CertificateIssuer;
use crate::clearing_clerk::ClearingClerk;
use crate::faults::{Effect, Faults};
use crate::identity_verifier::IdentityVerifier;
use crate::key_rotator::KeyRotator;
use crate::log_keeper::{Incoming, LogKeeper, flush};
use crate::notification_dispatcher::NotificationDispatcher;
use crate::parking::{Parking, Troubled};
use crate::payment_reconciler::PaymentReconciler;
use crate::refund_scheduler::RefundScheduler;
use crate::sampler::{Sampler, Samples};
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
    /// The time-stamp authority, if there is one.
    pub time_stamp: Option<TimeStampClient>,
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
    faults: Arc<Faults>,
}

struct Doors {
    notices: [Door<NotificationDispatcher>; 2],
    payments: Door<PaymentReconciler>,
    refunds: Door<RefundScheduler>,
    clearing: Door<ClearingClerk>,
    uploads: Door<UploadValidator>,
    identity: Door<IdentityVerifier>,
    certificates: Door<CertificateIssuer>,
    cases: Door<CaseClerk>,
}

type Door<W> = Mailbox<Reconciler<Parking<W>>>;

impl Wakes {
    /// Wake-ups that can be lost on order.
    pub fn new(faults: Arc<Faults>) -> Self {
        Self { doors: OnceLock::new(), faults }
    }

    fn open(&self, place: &str) -> Option<&Doors> {
        if self.faults.strike(place) == Some(Effect::Drop) {
            return None;
        }
        self.doors.get()
    }

    /// Notices wait.
    pub fn notices(&self) {
        if let Some(doors) = self.open("wake-notices") {
            for door in &doors.notices {
                door.nudge(Wake);
            }
        }
    }

    /// The gateway has something to say.
    pub fn payments(&self) {
        if let Some(doors) = self.open("wake-payments") {
            doors.payments.nudge(Wake);
        }
    }

    /// Money waits to go back.
    pub fn refunds(&self) {
        if let Some(doors) = self.open("wake-refunds") {
            doors.refunds.nudge(Wake);
        }
    }

    /// A clearing file may be there.
    pub fn clearing(&self) {
        if let Some(doors) = self.open("wake-clearing") {
            doors.clearing.nudge(Wake);
        }
    }

    /// Images wait.
    pub fn uploads(&self) {
        if let Some(doors) = self.open("wake-uploads") {
            doors.uploads.nudge(Wake);
        }
    }

    /// A verification waits.
    pub fn identity(&self) {
        if let Some(doors) = self.open("wake-identity") {
            doors.identity.nudge(Wake);
        }
    }

    /// A day came on which something was set for a case.
    pub fn cases(&self) {
        if let Some(doors) = self.open("wake-cases") {
            doors.cases.nudge(Wake);
        }
    }

    /// A certificate waits.
    pub fn certificates(&self) {
        if let Some(doors) = self.open("wake-certificates") {
            doors.certificates.nudge(Wake);
        }
    }

    /// Rows of a queue were made due by hand.
    pub fn queue(&self, queue: store::Queue) {
        match queue {
            store::Queue::Notice => self.notices(),
            store::Queue::Payment => self.payments(),
            store::Queue::Refund => self.refunds(),
            store::Queue::Upload => self.uploads(),
            store::Queue::Certificate => self.certificates(),
            store::Queue::Verification => self.identity(),
            store::Queue::Case => self.cases(),
            store::Queue::Clearing => self.clearing(),
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
    /// Makes certificates and notices.
    pub issuer: Issuer,
    /// Prints receipts.
    pub cashbook: Cashbook,
    /// Wake-ups.
    pub wake: Wakes,
    /// Tells whom each commit was about, for pages that are open.
    pub changes: broadcast::Sender<ApplicantId>,
    /// Settings.
    pub settings: TreeSettings,
    /// Disorders on order, in tests and in the demo.
    pub faults: Arc<Faults>,
    /// Rows that crashed their worker.
    pub troubled: Troubled,
    /// What the children did in the last minutes.
    pub samples: Samples,
    /// Commits of all sessions since the start.
    pub commits: AtomicU64,
}

impl World {
    /// What documents, credentials and tree heads are signed with.
    pub fn document_keys(&self) -> &DocumentKeys {
        self.issuer.keys()
    }

    /// The signed head over all entries of the transparency log; blocks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn signed_head(&self) -> Result<SignedHead, StoreError> {
        let now = self.clock.now();
        self.store.signed_head(|size, root| self.document_keys().sign_head(size, now, root))
    }

    /// A named place on a thread that may wait: what was ordered for it happens here.
    pub(crate) fn at(&self, place: &str) {
        self.faults.at(place);
    }

    /// The same on an arbiter or a web worker.
    pub async fn pass(&self, place: &str) {
        if let Some(Effect::Delay(span)) = self.faults.strike(place) {
            self.clock.sleep(span).await;
        }
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
    events: Arc<Mutex<Incoming>>,
}

/// The child that puts idle sessions away, and the one that looks at the others: they hold no rows, so they are not paused.
const HELPERS: [&str; 2] = ["passivator", "sampler"];

/// The setting that keeps a child paused or drained over a restart of the process.
fn held_setting(child: &str) -> String {
    format!("held:{child}")
}

/// What an operator does to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Letters keep.
    Pause,
    /// No letter is taken any more.
    Drain,
    /// It goes on.
    Resume,
    /// A new incarnation now.
    Restart,
}

impl Act {
    /// Every act.
    pub const ALL: [Self; 4] = [Self::Pause, Self::Drain, Self::Resume, Self::Restart];

    /// The word in addresses, in the audit log and in the keys of texts.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Drain => "drain",
            Self::Resume => "resume",
            Self::Restart => "restart",
        }
    }

    /// Reads a word.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.code() == code)
    }

    /// Whether it would do anything to a child that is held so.
    pub fn applies(self, hold: Option<Hold>) -> bool {
        match self {
            Self::Pause => hold != Some(Hold::Paused),
            Self::Drain => hold != Some(Hold::Draining),
            Self::Resume => hold.is_some(),
            Self::Restart => true,
        }
    }
}

/// Starts reconcilers under one supervisor, as operators left them.
struct Starter<'a> {
    reconcilers: &'a Arc<Supervisor>,
    world: &'a Arc<World>,
    system: &'a System,
}

impl Starter<'_> {
    fn hold(&self, name: &str) -> Result<Option<Hold>, Fault> {
        let kept = self.world.store.setting(&held_setting(name)).map_err(Fault::new)?;
        Ok(match kept.as_deref() {
            Some("paused") => Some(Hold::Paused),
            Some("draining") => Some(Hold::Draining),
            _ => None,
        })
    }

    fn start<W: Work>(
        &self,
        name: &str,
        sweep: Duration,
        make: impl Fn() -> W + Send + 'static,
    ) -> Result<Door<W>, Fault> {
        let (world, system, called) = (Arc::clone(self.world), self.system.clone(), name.to_owned());
        let spec = ChildSpec::new(name, move || Reconciler::new(Parking::new(&called, make(), &world, &system), sweep));
        Ok(self.reconcilers.start(spec.held(self.hold(name)?)))
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// An applicant waits in front of the page while their identity is checked.
const IDENTITY_SWEEP: Duration = Duration::from_millis(700);
/// How often it is looked whether there is a newer key; what is left to be sealed anew goes on by itself.
const ROTATE_EVERY: Duration = Duration::from_secs(60);
/// How long an event may wait before it is kept.
const KEEP_EVERY: Duration = Duration::from_millis(300);

impl Tree {
    /// Starts everything: sessions, then the reconcilers that send to them.
    ///
    /// # Errors
    /// When the issuer's fonts or templates can't be used.
    pub fn start(world: World) -> Result<Arc<Self>, Fault> {
        let system = System::start(Arc::clone(&world.clock), world.settings.arbiters);
        let events = Incoming::new(system.journal().subscribe());
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
        let sweep = world.settings.sweep;
        let asks = Asks { sessions: sessions.clone() };

        let starter = Starter { reconcilers: &reconcilers, world: &world, system: &system };
        let with = || (Arc::clone(&world), asks.clone());

        let (shared, to) = with();
        let payments = starter
            .start("payment_reconciler", sweep, move || PaymentReconciler::new(Arc::clone(&shared), to.clone()))?;
        let (shared, to) = with();
        let refunds =
            starter.start("refund_scheduler", sweep, move || RefundScheduler::new(Arc::clone(&shared), to.clone()))?;
        let (shared, _) = with();
        let clearing = starter.start("clearing_clerk", sweep, move || ClearingClerk::new(Arc::clone(&shared)))?;
        let dispatcher = |channel: Channel| {
            let (shared, _) = with();
            let name = format!("notification_dispatcher.{}", channel.code());
            starter.start(&name, sweep, move || NotificationDispatcher::new(Arc::clone(&shared), channel))
        };
        let notices = [dispatcher(Channel::Sms)?, dispatcher(Channel::Mail)?];
        let (shared, to) = with();
        let uploads =
            starter.start("upload_validator", sweep, move || UploadValidator::new(Arc::clone(&shared), to.clone()))?;
        let (shared, to) = with();
        let identity = starter.start("identity_verifier", sweep.min(IDENTITY_SWEEP), move || {
            IdentityVerifier::new(Arc::clone(&shared), to.clone())
        })?;
        let (shared, to) = with();
        let cases = starter.start("case_clerk", sweep, move || CaseClerk::new(Arc::clone(&shared), to.clone()))?;
        let (shared, to) = with();
        let certificates = starter
            .start("certificate_issuer", sweep, move || CertificateIssuer::new(Arc::clone(&shared), to.clone()))?;
        let (shared, incoming) = (Arc::clone(&world), Arc::clone(&events));
        reconcilers.start(ChildSpec::new("log_keeper", move || {
            Reconciler::new(LogKeeper::new(Arc::clone(&shared), Arc::clone(&incoming)), KEEP_EVERY)
        }));
        let (shared, _) = with();
        starter.start("key_rotator", ROTATE_EVERY, move || KeyRotator::new(Arc::clone(&shared)))?;
        // The doors are opened once; before that a wake-up finds none, and the first sweep does the work.
        let doors = Doors { notices, payments, refunds, clearing, uploads, identity, certificates, cases };
        let _ = world.wake.doors.set(doors);
        let passivator = sessions.clone();
        reconcilers.start(ChildSpec::new(HELPERS[0], move || Passivator { sessions: passivator.clone() }));
        let (shared, looked_at) = (Arc::clone(&world), Arc::clone(&reconcilers));
        reconcilers.start(ChildSpec::new(HELPERS[1], move || Sampler {
            world: Arc::clone(&shared),
            reconcilers: Arc::clone(&looked_at),
        }));
        Ok(Arc::new(Self { system, world, sessions, reconcilers, events }))
    }

    /// The rows that are known to have crashed their worker.
    ///
    /// # Errors
    /// When the database fails.
    pub fn troubled(store: &Store) -> Result<Troubled, Fault> {
        let mut tasks = Vec::new();
        for state in [TroubleState::Trying, TroubleState::Parked] {
            let mut last = None;
            loop {
                let page = store.troubles(state, last.as_ref(), 500).map_err(Fault::new)?;
                let Some(end) = page.last().cloned() else { break };
                tasks.extend(page.into_iter().map(|trouble| trouble.task));
                last = Some(end);
            }
        }
        Ok(Troubled::new(tasks))
    }

    /// The child of this name, if it is resident: a reconciler, or `session/…`.
    pub fn child(&self, name: &str) -> Option<Arc<dyn Steer>> {
        match name.strip_prefix("session/") {
            Some(id) => self.sessions.child(&id.parse().ok()?),
            None => self.reconcilers.child(name),
        }
    }

    /// Whether an act can be done to the child of this name: what holds no rows is restarted at the most.
    pub fn may(&self, name: &str, act: Act) -> bool {
        act == Act::Restart || (!HELPERS.contains(&name) && name != "log_keeper")
    }

    /// The setting and the value that keep an act over a restart of the process; sessions begin anew anyway.
    pub fn kept_act(&self, name: &str, act: Act) -> Option<(String, &'static str)> {
        let value = match act {
            Act::Pause => "paused",
            Act::Drain => "draining",
            Act::Resume => "",
            Act::Restart => return None,
        };
        (!name.starts_with("session/")).then(|| (held_setting(name), value))
    }

    /// Does an act to a child; false when it does not apply any more.
    pub fn steer(&self, name: &str, act: Act, by: &str) -> bool {
        let Some(child) = self.child(name).filter(|_| self.may(name, act)) else { return false };
        match act {
            Act::Pause => child.pause(by),
            Act::Drain => child.drain(by),
            Act::Resume => child.resume(by),
            Act::Restart => child.renew(by),
        }
    }

    /// Ends everything in order, and keeps what the log says of it.
    pub async fn end(&self, deadline: Duration) -> supervision::Shutdown {
        let end = self.system.shutdown(deadline).await;
        let (events, world) = (Arc::clone(&self.events), Arc::clone(&self.world));
        let flushed = self.world.rows.run(move || flush(&events, &world)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the last supervision events are in this log alone");
        }
        end
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

/// An answer, or the end of whoever asked, if whom they asked came to an end over it.
fn together<T>(answer: Result<T, AskError>) -> Result<T, AskError> {
    match answer {
        Err(AskError::Lost) => Carried::wanted("the session actor failed over this row", "session actor").go_on(),
        other => other,
    }
}

/// How reconcilers reach the sessions.
#[derive(Clone)]
pub(crate) struct Asks {
    sessions: Directory<ApplicantId, Session>,
}

impl Asks {
    /// As [`Tree::command`], but a session that failed over the row fails whoever asked: the row is on their desk, and so
    /// it is counted and set aside like any other that crashes its worker.
    pub(crate) async fn command<C: Command>(&self, id: ApplicantId, command: C) -> Result<C::Done, Refusal> {
        asked(together(self.sessions.ask(&id, Do(command), ANSWER_WITHIN).await))
    }

    /// As [`Tree::applicant`], with the same exception.
    pub(crate) async fn applicant(&self, id: ApplicantId) -> Result<Arc<Applicant>, Refusal> {
        asked(together(self.sessions.ask(&id, Load(None), ANSWER_WITHIN).await))
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
