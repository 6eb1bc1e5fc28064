//! End-to-end latency: joins delivered batches with the intended times of their records.
//!
//! A batch is kept by its tag as three numbers: first and last intended time and count. Records in
//! between are taken as evenly spread, which is exact for uniform arrivals and off by at most the
//! time that the batch was open otherwise. A batch is freed when every group that reads its topic
//! has had all of its records. A delivery before the producer knows of its success waits for the
//! outcome. Both sides are bounded; what falls out is counted and has no end-to-end latency.
//! A record that is delivered twice counts twice.

use crate::client::RecordTimes;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// Batches kept until they are consumed.
const KNOWN_MAX: usize = 1 << 21;
/// Batches with deliveries that wait for the producer's outcome.
const EARLY_MAX: usize = 1 << 16;

/// Bits of a step below the nanosecond. A batch spans far less than 2^48 ns, three days.
const STEP_BITS: u32 = 16;

/// Intended times of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread {
    first_ns: u64,
    /// Time between two records, in 2^-16 ns.
    step: u64,
    count: u32,
}

impl Spread {
    fn of(records: &[RecordTimes]) -> Option<Self> {
        let (first, last) = (records.first()?.intended_ns, records.last()?.intended_ns);
        let count = u32::try_from(records.len()).ok()?;
        let steps = u64::from(count.saturating_sub(1)).max(1);
        let step = (last.saturating_sub(first) << STEP_BITS) / steps;
        Some(Self { first_ns: first, step, count })
    }

    /// Intended time of a record by its place in the batch, ns, rounded down.
    pub(crate) fn intended_ns(&self, index: u32) -> u64 {
        self.first_ns + ((self.step * u64::from(index)) >> STEP_BITS)
    }
}

/// Records of one batch that a group received at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Consumer group, index into the plan.
    pub(crate) consumer: usize,
    /// Place of the first one in the batch.
    pub(crate) first: u32,
    /// How many.
    pub(crate) count: u32,
    /// When, ns.
    pub(crate) at_ns: u64,
}

#[derive(Debug)]
struct Known {
    spread: Spread,
    /// Records still to be delivered, all groups together.
    left: u64,
}

/// Batches by tag, from their outcome until they are consumed.
#[derive(Debug, Default)]
pub(crate) struct BatchRegistry {
    known: FxHashMap<u64, Known>,
    known_order: VecDeque<u64>,
    early: FxHashMap<u64, Vec<Delivery>>,
    early_order: VecDeque<u64>,
    /// Batches forgotten before they were consumed, and deliveries given up.
    pub(crate) forgotten: u64,
}

impl BatchRegistry {
    /// A group received records. Yields the intended times when they are known; else the delivery
    /// comes back from [`BatchRegistry::ended`].
    pub(crate) fn delivered(&mut self, tag: u64, delivery: Delivery) -> Option<Spread> {
        let Some(known) = self.known.get_mut(&tag) else {
            self.wait(tag, delivery);
            return None;
        };
        known.left = known.left.saturating_sub(u64::from(delivery.count));
        let (spread, left) = (known.spread, known.left);
        if left == 0 {
            self.known.remove(&tag);
        }
        Some(spread)
    }

    /// A batch that may be in the log has its outcome; `groups` read its topic. Yields deliveries
    /// that waited for it.
    pub(crate) fn ended(
        &mut self,
        tag: u64,
        records: &[RecordTimes],
        groups: u32,
    ) -> Option<(Spread, Vec<Delivery>)> {
        let spread = Spread::of(records)?;
        let early = self.early.remove(&tag).unwrap_or_default();
        let had: u64 = early.iter().map(|delivery| u64::from(delivery.count)).sum();
        let left = (u64::from(spread.count) * u64::from(groups)).saturating_sub(had);
        if left > 0 {
            self.known.insert(tag, Known { spread, left });
            self.known_order.push_back(tag);
            self.trim_known();
        }
        Some((spread, early))
    }

    fn wait(&mut self, tag: u64, delivery: Delivery) {
        let waiting = self.early.entry(tag).or_default();
        if waiting.is_empty() {
            self.early_order.push_back(tag);
        }
        waiting.push(delivery);
        while self.early.len() > EARLY_MAX {
            let Some(oldest) = self.early_order.pop_front() else { break };
            self.forgotten += u64::from(self.early.remove(&oldest).is_some());
        }
        if self.early_order.len() > 2 * EARLY_MAX {
            self.early_order.retain(|tag| self.early.contains_key(tag));
        }
    }

    fn trim_known(&mut self) {
        while self.known.len() > KNOWN_MAX {
            let Some(oldest) = self.known_order.pop_front() else { break };
            self.forgotten += u64::from(self.known.remove(&oldest).is_some());
        }
        if self.known_order.len() > 2 * self.known.len() + 1_024 {
            self.known_order.retain(|tag| self.known.contains_key(tag));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(intended: &[u64]) -> Vec<RecordTimes> {
        intended.iter().map(|&ns| RecordTimes { intended_ns: ns, handed_ns: ns }).collect()
    }

    fn delivery(first: u32, count: u32) -> Delivery {
        Delivery { consumer: 0, first, count, at_ns: 1_000 }
    }

    #[test]
    fn records_lie_evenly_between_the_first_and_the_last() {
        let spread = Spread::of(&times(&[100, 105, 190, 400])).unwrap();
        assert_eq!([0, 1, 2, 3].map(|index| spread.intended_ns(index)), [100, 200, 300, 400]);
        assert_eq!(Spread::of(&times(&[7])).unwrap().intended_ns(0), 7);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_batch_is_freed_when_every_group_has_had_it() {
        let mut registry = BatchRegistry::default();
        registry.ended(9, &times(&[1, 2, 3]), 2);
        assert!(registry.delivered(9, delivery(0, 3)).is_some());
        assert!(registry.delivered(9, delivery(0, 1)).is_some());
        assert_eq!(registry.known.len(), 1);
        assert!(registry.delivered(9, delivery(1, 2)).is_some());
        assert_eq!(registry.known.len(), 0);
    }

    #[test]
    fn a_delivery_before_the_ack_waits_for_it() {
        let mut registry = BatchRegistry::default();
        assert_eq!(registry.delivered(4, delivery(0, 2)), None);
        let (spread, early) = registry.ended(4, &times(&[5, 6]), 1).unwrap();
        assert_eq!((spread.intended_ns(1), early.as_slice()), (6, &[delivery(0, 2)][..]));
        assert!(registry.known.is_empty() && registry.early.is_empty());
    }

    #[test]
    fn memory_stays_small_when_consumers_keep_up_and_when_they_do_not() {
        let mut registry = BatchRegistry::default();
        for tag in 0..100_000 {
            registry.ended(tag, &times(&[1]), 1);
            if tag >= 10 {
                registry.delivered(tag - 10, delivery(0, 1));
            }
        }
        assert!(registry.known.len() == 10 && registry.known_order.len() < 2_000);
        for tag in 0..200_000 {
            registry.delivered(1 << 40 | tag, delivery(0, 1));
        }
        assert!(registry.early.len() <= EARLY_MAX && registry.early_order.len() <= 2 * EARLY_MAX);
        assert_eq!(registry.forgotten, 200_000 - EARLY_MAX as u64);
    }
}
