//! Partitions that a coordinator could not read: it goes on after a pause. Kafka gives such a partition
//! up, until its next leader epoch.

use crate::ids::LeaderEpoch;
use crate::seam::TimerKey;
use crate::step::Step;
use crate::time::{Duration, Instant};
use rustc_hash::FxHashMap;

/// Pause before a load goes on.
const RETRY: Duration = Duration::from_millis(1000);

/// Loads whose read has failed.
#[derive(Debug, Default)]
pub(crate) struct FailedLoads {
    loads: Vec<(i32, LeaderEpoch)>,
    /// When they go on: one timer is armed for all of them.
    retry_at: Option<Instant>,
}

impl FailedLoads {
    /// One more: a partition, in the epoch in which it is led here.
    #[cold]
    pub(crate) fn add(&mut self, step: &mut Step<'_>, load: (i32, LeaderEpoch), timer: TimerKey) {
        self.loads.push(load);
        if self.retry_at.is_none() {
            let at = step.now + RETRY;
            self.retry_at = Some(at);
            step.timer(at, timer);
        }
    }

    /// Partition of the first of these loads that nothing goes on with: no read of it is under way, none is in
    /// line (`stalled`), and none is to come after a pause. For checkers.
    pub(crate) fn idle(
        &self,
        mut loading: impl Iterator<Item = (i32, LeaderEpoch)>,
        reads: &FxHashMap<u64, (i32, LeaderEpoch)>,
        stalled: &[i32],
    ) -> Option<i32> {
        let goes_on = |load: &(i32, LeaderEpoch)| {
            let pauses = self.retry_at.is_some() && self.loads.contains(load);
            pauses || stalled.contains(&load.0) || reads.values().any(|read| read == load)
        };
        loading.find(|load| !goes_on(load)).map(|(partition, _)| partition)
    }

    /// Takes what goes on now: nothing before the pause is over.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(i32, LeaderEpoch)> {
        if self.retry_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.retry_at = None;
        std::mem::take(&mut self.loads)
    }
}
