//! The partition for records without a key: Java's sticky partitioners by bytes (KIP-794) and by
//! batch (KIP-480), its round robin, and librdkafka's, which changes by time.

use super::accumulator::Accumulator;
use crate::client::backoff::pick;
use crate::client::cluster_view::ClusterView;
use crate::client::config::{Partitioner, ProducerConfig};
use crate::rng::Stream;

/// Tries to draw a partition with a leader before any will do.
const DRAWS_MAX: u32 = 64;

/// The current sticky partition.
#[derive(Debug, Default)]
pub(crate) struct Sticky {
    current: Option<usize>,
    /// Bytes given to it since it was chosen (by bytes).
    produced_bytes: u64,
    /// When it was chosen, ns.
    chosen_ns: u64,
}

impl Sticky {
    /// The partition chosen last.
    pub(crate) fn current(&self) -> Option<usize> {
        self.current
    }

    /// The partition for a record that comes at `at_ns`.
    pub(crate) fn partition(
        &mut self,
        at_ns: u64,
        accumulator: &Accumulator,
        view: &ClusterView,
        config: &ProducerConfig,
        draws: &mut Stream,
    ) -> usize {
        if let Some(current) = self.current {
            let all_full = accumulator.partitions[current].all_full();
            let switch = match config.partitioner {
                Partitioner::Bytes => all_full && self.is_used_up(config),
                Partitioner::Batch => all_full,
                Partitioner::Record => return self.next_in_turn(current, accumulator, view),
                Partitioner::Time(linger_ns) => at_ns >= self.chosen_ns + linger_ns,
            };
            if !switch {
                return current;
            }
        }
        self.switch(at_ns, accumulator, view, config, draws)
    }

    fn is_used_up(&self, config: &ProducerConfig) -> bool {
        self.produced_bytes >= u64::from(config.batch_bytes)
    }

    /// Bytes of records that can be counted before the partition might change, if its open batch
    /// stays open. None where time or each record decides.
    pub(crate) fn room(&self, config: &ProducerConfig) -> u32 {
        match config.partitioner {
            Partitioner::Bytes => {}
            Partitioner::Batch => return u32::MAX,
            Partitioner::Record | Partitioner::Time(_) => return 0,
        }
        let left = (2 * u64::from(config.batch_bytes)).saturating_sub(self.produced_bytes + 1);
        u32::try_from(left).unwrap_or(u32::MAX)
    }

    /// Counts records within [`Sticky::room`].
    pub(crate) fn count(&mut self, appended_bytes: u32) {
        self.produced_bytes += u64::from(appended_bytes);
    }

    /// Counts a record. Java leaves the partition at the end of a batch once it has got
    /// `batch.size` bytes, and in any case after twice as many.
    pub(crate) fn appended(
        &mut self,
        appended_bytes: u32,
        at_ns: u64,
        accumulator: &Accumulator,
        view: &ClusterView,
        config: &ProducerConfig,
        draws: &mut Stream,
    ) {
        let Some(current) = self.current else { return };
        if config.partitioner != Partitioner::Bytes {
            return;
        }
        self.produced_bytes += u64::from(appended_bytes);
        let full = accumulator.partitions[current].all_full();
        let twice = 2 * u64::from(config.batch_bytes);
        if self.produced_bytes >= twice || (full && self.is_used_up(config)) {
            self.switch(at_ns, accumulator, view, config, draws);
        }
    }

    /// The next partition with a leader; the very next one when there is none.
    fn next_in_turn(
        &mut self,
        current: usize,
        accumulator: &Accumulator,
        view: &ClusterView,
    ) -> usize {
        let count = accumulator.partitions.len();
        let mut turns = (1..=count).map(|step| (current + step) % count);
        let led = |at: &usize| view.partition(0, *at).is_some_and(|known| known.leader.is_some());
        let next = turns.find(led).unwrap_or((current + 1) % count);
        self.current = Some(next);
        next
    }

    fn switch(
        &mut self,
        at_ns: u64,
        accumulator: &Accumulator,
        view: &ClusterView,
        config: &ProducerConfig,
        draws: &mut Stream,
    ) -> usize {
        let count = accumulator.partitions.len();
        let waiting = |partition: usize| accumulator.partitions[partition].waiting.len() as u64;
        let by_bytes = config.partitioner == Partitioner::Bytes;
        // with each batch another partition, if there is one
        let left = self.current.filter(|_| config.partitioner == Partitioner::Batch && count > 1);
        let longest = if config.adaptive && by_bytes {
            accumulator.active.iter().map(|partition| waiting(*partition as usize)).max()
        } else {
            None
        };
        // a partition's chance falls with its queue: (longest + 1 - queue) / (longest + 1)
        let longest = longest.unwrap_or(0);
        let mut chosen = pick(draws, count);
        for _ in 0..DRAWS_MAX {
            let led = view.partition(0, chosen).is_some_and(|known| known.leader.is_some());
            let queue = if longest == 0 { 0 } else { waiting(chosen) };
            let fits = led && left != Some(chosen);
            if fits && (queue == 0 || draws.below(longest + 1) >= queue) {
                break;
            }
            chosen = pick(draws, count);
        }
        self.current = Some(chosen);
        self.produced_bytes = 0;
        self.chosen_ns = at_ns;
        chosen
    }
}
