//! The running site: what every request can reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actors::Tree;

use crate::demo::DemoClock;

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
    draining: AtomicBool,
}

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
            draining: AtomicBool::new(false),
        }
    }

    /// Whether cookies may travel by TLS alone.
    pub fn secure(&self) -> bool {
        self.origin.starts_with("https://")
    }

    /// No new work: the process is about to end.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether it is about to end.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }
}
