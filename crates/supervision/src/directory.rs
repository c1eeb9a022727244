//! Key → child: one live child a key, made when the first letter comes, put away when idle.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use crate::child::{Child, Message, Policy, Receive};
use crate::exit::ExitReason;
use crate::mailbox::{AskError, Mailbox, Refused, Steer};
use crate::restart::{Backoff, Intensity, Restart, Window};
use crate::slot::{Control, Order, Seed, Slot};
use crate::supervisor::{Parent, Supervisor};
use crate::system::{Group, System};
use crate::tally::{Tally, Totals};
use crate::vitals::{State, Vitals};

const SHARDS: usize = 64;

/// How a directory keeps its children.
#[derive(Debug, Clone)]
pub struct DirectorySpec {
    /// The children are called `name/…`.
    pub name: &'static str,
    /// A child that got no letter for so long is put away.
    pub idle: Duration,
    /// Restarts of one child before it is dropped (the next letter makes a new one).
    pub intensity: Intensity,
    /// Between restarts of one child.
    pub backoff: Backoff,
    /// Letters in one child's mailbox.
    pub bound: u32,
    /// Dropped children before the directory's supervisor is told.
    pub drops: Intensity,
}

/// The children by key; clones are handles to the same directory.
pub struct Directory<K, C: Child> {
    inner: Arc<Inner<K, C>>,
}

impl<K, C: Child> Clone for Directory<K, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

struct Inner<K, C: Child> {
    name: &'static str,
    idle: TimeDelta,
    policy: Arc<Policy>,
    make: Arc<dyn Fn(&K) -> C + Send + Sync>,
    shards: Vec<Mutex<Shard<K, C>>>,
    drops: Arc<Drops>,
    tally: Arc<Tally>,
    system: System,
}

/// A part of the children.
struct Shard<K, C: Child> {
    here: HashMap<K, Mailbox<C>>,
    /// Put away, and not gone yet: one of the same key begins when they are.
    leaving: HashMap<K, Arc<Vitals>>,
}

/// Counts the children that had to be dropped.
struct Drops {
    intensity: Intensity,
    window: Mutex<Window>,
    supervisor: Arc<Supervisor>,
    system: System,
}

impl Parent for Drops {
    fn escalated(&self, _: &Arc<Vitals>, control: &Arc<Control>) {
        control.order(Order::Stop(ExitReason::Escalated));
        control.notify();
        let now = self.system.now();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.crash(now, self.intensity).is_none() {
            window.clear();
            drop(window);
            self.supervisor.child_gave_up();
        }
    }
}

impl<K, C> Directory<K, C>
where
    K: Hash + Eq + Clone + std::fmt::Display + Send + Sync + 'static,
    C: Child,
{
    /// A directory whose children are made by `make`, under `supervisor`.
    pub fn new(
        spec: DirectorySpec,
        supervisor: &Arc<Supervisor>,
        system: &System,
        make: impl Fn(&K) -> C + Send + Sync + 'static,
    ) -> Self {
        let DirectorySpec { name, idle, intensity, backoff, bound, drops } = spec;
        let inner = Arc::new(Inner {
            name,
            idle: TimeDelta::from_std(idle).unwrap_or(TimeDelta::MAX),
            policy: Arc::new(Policy { restart: Restart::Permanent, intensity, backoff, bound }),
            make: Arc::new(make),
            shards: (0..SHARDS).map(|_| Mutex::new(Shard { here: HashMap::new(), leaving: HashMap::new() })).collect(),
            drops: Arc::new(Drops {
                intensity: drops,
                window: Mutex::new(Window::default()),
                supervisor: Arc::clone(supervisor),
                system: system.clone(),
            }),
            tally: Arc::default(),
            system: system.clone(),
        });
        system.register(Arc::clone(&inner) as Arc<dyn Group>);
        Self { inner }
    }

    /// The name under which the console lists it.
    pub fn name(&self) -> &'static str {
        self.inner.name
    }

    fn hash(key: &K) -> usize {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        usize::try_from(hasher.finish() >> 1).unwrap_or(0)
    }

    fn mailbox(&self, key: &K) -> Mailbox<C> {
        let inner = &self.inner;
        let hash = Self::hash(key);
        let Some(shard) = inner.shards.get(hash % SHARDS) else { return self.start(key, hash, None) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mailbox) = shard.here.get(key)
            && mailbox.vitals().state() != State::Stopped
        {
            return mailbox.clone();
        }
        let mailbox = self.start(key, hash, shard.leaving.remove(key));
        shard.here.insert(key.clone(), mailbox.clone());
        mailbox
    }

    fn start(&self, key: &K, hash: usize, after: Option<Arc<Vitals>>) -> Mailbox<C> {
        let (make, owned) = (Arc::clone(&self.inner.make), key.clone());
        let seed = Seed {
            name: format!("{}/{key}", self.inner.name),
            policy: Arc::clone(&self.inner.policy),
            make: Box::new(move || make(&owned)),
            parent: Some(Arc::clone(&self.inner.drops) as Arc<dyn Parent>),
            tally: Arc::clone(&self.inner.tally),
            after,
            hold: None,
        };
        Slot::start(seed, &self.inner.system, &self.inner.system.arbiter_for(hash / SHARDS))
    }

    /// Asks the child of `key`, which is made if need be; sends once more if it was just being put away.
    ///
    /// # Errors
    /// As [`Mailbox::ask_within`].
    pub async fn ask<M>(&self, key: &K, message: M, within: Duration) -> Result<M::Answer, AskError>
    where
        C: Receive<M>,
        M: Message,
    {
        let answer = match self.mailbox(key).send(message) {
            Ok(answer) => answer,
            Err(Refused::Full(_)) => return Err(AskError::Full),
            Err(Refused::Closed(message)) => {
                self.mailbox(key).send(message).map_err(|refused| refused.without_message())?
            }
        };
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| AskError::Lost),
            () = self.inner.system.clock().sleep(within) => Err(AskError::Late),
        }
    }

    /// Makes the child of `key` if it isn't there, without sending it anything.
    pub fn touch(&self, key: &K) {
        let _ = self.mailbox(key);
    }

    /// The child of `key` if it is resident, to be steered.
    pub fn child(&self, key: &K) -> Option<Arc<dyn Steer>> {
        let hash = Self::hash(key);
        let shard = self.inner.shards.get(hash % SHARDS)?.lock().unwrap_or_else(PoisonError::into_inner);
        shard.here.get(key).map(|mailbox| Arc::new(mailbox.clone()) as Arc<dyn Steer>)
    }

    /// How the children stand, counted as they change.
    pub fn totals(&self) -> Totals {
        self.inner.tally.totals()
    }

    /// The children that are down, suspended, paused or drained, by name.
    pub fn apart(&self, most: usize) -> Vec<Arc<Vitals>> {
        self.inner.tally.apart(most)
    }

    /// How many children are resident.
    pub fn len(&self) -> usize {
        let shards = self.inner.shards.iter();
        shards.map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).here.len()).sum()
    }

    /// Whether no child is resident.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The signs of life of at most `most` resident children.
    pub fn residents(&self, most: usize) -> Vec<Arc<Vitals>> {
        let mut residents = Vec::new();
        for shard in &self.inner.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let room = most.saturating_sub(residents.len());
            residents.extend(shard.here.values().take(room).map(|mailbox| Arc::clone(mailbox.vitals())));
        }
        residents
    }

    /// Puts away at most `batch` children that have been idle too long, and forgets the stopped ones.
    pub fn passivate(&self, batch: usize) -> usize {
        let now = self.inner.system.now();
        let mut put_away = 0;
        for shard in &self.inner.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let Shard { here, leaving } = &mut *shard;
            leaving.retain(|_, vitals| vitals.state() != State::Stopped);
            here.retain(|key, mailbox| {
                let vitals = mailbox.vitals();
                if vitals.state() == State::Stopped {
                    return false;
                }
                let idle = now.signed_duration_since(vitals.idle_since(now)) >= self.inner.idle;
                if put_away < batch && idle && vitals.close_if_idle() {
                    put_away += 1;
                    mailbox.control.order(Order::Stop(ExitReason::Passivated));
                    mailbox.obey();
                    leaving.insert(key.clone(), Arc::clone(mailbox.vitals()));
                    return false;
                }
                true
            });
            if put_away >= batch {
                break;
            }
        }
        put_away
    }
}

impl<K, C> Group for Inner<K, C>
where
    K: Hash + Eq + Send + Sync,
    C: Child,
{
    fn close(&self) {
        self.each(|mailbox| mailbox.vitals().close());
    }

    fn stop(&self) {
        self.each(|mailbox| {
            mailbox.control.order(Order::Stop(ExitReason::Normal));
            mailbox.obey();
        });
    }

    fn busy(&self) -> usize {
        let mut busy = 0;
        self.each(|mailbox| {
            busy += usize::from(mailbox.vitals().is_busy());
        });
        busy
    }

    fn alive(&self) -> usize {
        let mut alive = 0;
        self.each(|mailbox| alive += usize::from(mailbox.vitals().state() != State::Stopped));
        alive
    }
}

impl<K, C: Child> Inner<K, C> {
    fn each(&self, mut act: impl FnMut(&Mailbox<C>)) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).here.values().for_each(&mut act);
        }
    }
}
