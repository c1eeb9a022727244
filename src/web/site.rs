//! The running site: what every request can reach.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actors::Tree;
use chrono::{DateTime, TimeDelta, Utc};
use store::Durations;
use tokio::sync::watch;

use crate::demo::DemoClock;
use crate::operator::Looked;
use crate::operator::metrics::Meters;
use crate::staff::live::Meeting;

/// Durations with the instant of their counting.
type Counted = (DateTime<Utc>, Durations);

/// Shared by all workers.
pub struct Site {
    /// The actors.
    pub tree: Arc<Tree>,
    /// Our origin, without a slash at its end.
    pub origin: String,
    /// Where the payment gateway lives, for the content security policy.
    pub gateway_origin: String,
    /// Where the sandbox's pages are, in the demo.
    pub sandbox: Option<String>,
    /// Whether a proxy of ours stands in front and says where requests come from.
    pub behind_proxy: bool,
    /// The demo's clock, which can be moved.
    pub demo_clock: Option<Arc<DemoClock>>,
    draining: watch::Sender<bool>,
    /// Whether an operator looked lately.
    pub looked: Looked,
    /// What is counted of requests.
    pub meters: Meters,
    /// Who may read the metrics from elsewhere than this machine: whoever knows this word.
    pub metrics_token: Option<String>,
    /// Who has which case open.
    meeting: Arc<Meeting>,
    /// How long cases of a kind and country took; counted anew each hour.
    usual: Mutex<HashMap<(String, String), Counted>>,
}

/// How long counted durations are shown before they are counted anew.
const USUAL_FOR: TimeDelta = TimeDelta::hours(1);

impl Site {
    /// A site.
    pub fn new(tree: Arc<Tree>, origin: String, gateway_origin: String, sandbox: Option<String>) -> Self {
        Self {
            tree,
            origin,
            gateway_origin,
            sandbox,
            behind_proxy: false,
            demo_clock: None,
            draining: watch::Sender::new(false),
            looked: Looked::default(),
            meters: Meters::default(),
            metrics_token: None,
            meeting: Arc::default(),
            usual: Mutex::default(),
        }
    }

    /// What was counted within the hour of cases like these.
    pub fn usual(&self, kind: &str, country: &str, now: DateTime<Utc>) -> Option<Durations> {
        let known = self.usual.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, counted) = known.get(&(kind.to_owned(), country.to_owned()))?;
        (now - *at < USUAL_FOR && now >= *at).then(|| counted.clone())
    }

    /// Keeps what was counted.
    pub fn set_usual(&self, kind: &str, country: &str, now: DateTime<Utc>, counted: Durations) {
        let mut known = self.usual.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert((kind.to_owned(), country.to_owned()), (now, counted));
    }

    /// Whether cookies may travel by TLS alone.
    pub fn secure(&self) -> bool {
        self.origin.starts_with("https://")
    }

    /// No new work: the process is about to end.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Whether it is about to end.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Tells when it is about to end.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Who has which case open.
    pub fn meeting(&self) -> Arc<Meeting> {
        Arc::clone(&self.meeting)
    }
}
