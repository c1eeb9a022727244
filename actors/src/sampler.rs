//! Looks at the children every few seconds, so that the console can draw what they did in the last minutes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use supervision::{Child, Scope, Supervisor};

use crate::tree::World;

/// Between two looks.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Looks that are remembered: five minutes.
pub const SAMPLES: usize = 60;
/// The name under which commits of all sessions are counted.
pub const COMMITS: &str = "session";

/// Letters handled per look, by child, oldest first.
#[derive(Debug, Default)]
pub struct Samples {
    rings: Mutex<BTreeMap<String, (u64, VecDeque<u64>)>>,
}

impl Samples {
    fn note(&self, name: &str, count: u64) {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, ring) = rings.entry(name.to_owned()).or_insert_with(|| (count, VecDeque::new()));
        if ring.len() >= SAMPLES {
            ring.pop_front();
        }
        ring.push_back(count.saturating_sub(*last));
        *last = count;
    }

    /// What a child handled in each of the last looks, oldest first.
    pub fn of(&self, name: &str) -> Vec<u64> {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        rings.get(name).map(|(_, ring)| ring.iter().copied().collect()).unwrap_or_default()
    }

    /// Letters a minute, over the looks that are remembered.
    pub fn a_minute(&self, name: &str) -> f64 {
        let looks = self.of(name);
        if looks.is_empty() {
            return 0.0;
        }
        let (sum, count) = (looks.iter().sum::<u64>(), u32::try_from(looks.len()).unwrap_or(1));
        // Rates are shown rounded; what an f64 can't hold of a count does not matter.
        #[expect(clippy::cast_precision_loss)]
        let sum = sum as f64;
        sum / (f64::from(count) * SAMPLE_EVERY.as_secs_f64()) * 60.0
    }
}

/// The child that looks.
pub(crate) struct Sampler {
    pub(crate) world: Arc<World>,
    pub(crate) reconcilers: Arc<Supervisor>,
}

impl Child for Sampler {
    fn started(&mut self, scope: &mut Scope<'_, Self>) {
        scope.every(SAMPLE_EVERY, |sampler, _| {
            for child in sampler.reconcilers.children() {
                sampler.world.samples.note(child.name(), child.handled());
            }
            sampler.world.samples.note(COMMITS, sampler.world.commits.load(std::sync::atomic::Ordering::Relaxed));
        });
    }
}
