//! End-to-end latency and bytes: joins delivered batches with the intended times of their records, and
//! with what they were before compression.
//!
//! A batch is kept by its tag as four numbers: first and last intended time, count and bytes. Records in
//! between are taken as evenly spread, which is exact for uniform arrivals and off by at most the
//! time that the batch was open otherwise. A batch is freed when every group that reads its topic
//! has had all of its records. A delivery before the producer knows of its success waits for the
//! outcome. Both sides are bounded; what falls out is counted and has no end-to-end latency.
//! A record that is delivered twice counts twice.

use crate::client::RecordTimes;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use stormglass_broker_core::records::{BATCH_OVERHEAD, Batch, Body};

/// Batches kept until they are consumed.
const KNOWN_MAX: usize = 1 << 21;
/// Batches with deliveries that wait for the producer's outcome.
const EARLY_MAX: usize = 1 << 16;

/// Bits of a step below the nanosecond. A batch spans far less than 2^48 ns, three days.
const STEP_BITS: u32 = 16;

/// Tags from here on are those of a backlog (`World::preload`), which no producer has compressed.
pub(crate) const BACKLOG_TAGS: u64 = 1 << 62;

/// Intended times of a batch, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread {
    first_ns: u64,
    /// Time between two records, in 2^-16 ns.
    step: u64,
    count: u32,
    /// Keys and values before compression.
    raw_bytes: u64,
}

impl Spread {
    fn of(records: &[RecordTimes], raw_bytes: u64) -> Option<Self> {
        let (first, last) = (records.first()?.intended_ns, records.last()?.intended_ns);
        let count = u32::try_from(records.len()).ok()?;
        let steps = u64::from(count.saturating_sub(1)).max(1);
        let step = (last.saturating_sub(first) << STEP_BITS) / steps;
        Some(Self { first_ns: first, step, count, raw_bytes })
    }

    /// Intended time of a record by its place in the batch, ns, rounded down.
    pub(crate) fn intended_ns(&self, index: u32) -> u64 {
        self.first_ns + ((self.step * u64::from(index)) >> STEP_BITS)
    }

    /// Keys and values of the records delivered. The parts of a batch add up to it.
    pub(crate) fn bytes_of(&self, delivery: Delivery) -> u64 {
        let Delivery { first, count, .. } = delivery;
        if count == self.count {
            return self.raw_bytes;
        }
        let until = |index: u64| self.raw_bytes * index / u64::from(self.count);
        until(u64::from(first) + u64::from(count)) - until(u64::from(first))
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
    /// Second of the timeline in which it counts.
    pub(crate) second: usize,
    /// Keys and values: exactly, or as far as the batch alone tells ([`about_bytes`]).
    pub(crate) bytes: u64,
}

/// Keys and values of `count` records of a batch before compression, by its encoded size: about, as what the
/// format adds is that of short batches, and sizes are rounded where they differ. For batches without an outcome:
/// it may still come, or they are of a backlog, cleaned, or of a producer that is gone.
pub(crate) fn about_bytes(batch: &Batch, count: u32, compression_permille: u32) -> u64 {
    let records = u64::from(batch.header.record_count.unsigned_abs()).max(1);
    let body = u64::from(batch.size_bytes() - BATCH_OVERHEAD);
    // bytes of a length up to this one
    let length = match body / records {
        0..64 => 1,
        64..8_192 => 2,
        _ => 3,
    };
    // lengths of record and value; attributes, timestamp, offset, length of the key, headers
    let payload = body.saturating_sub(records * (2 * length + 5));
    let is_backlog = matches!(batch.body, Body::Template { tag, .. } if tag >= BACKLOG_TAGS);
    let permille = if is_backlog { 1_000 } else { u64::from(compression_permille.max(1)) };
    payload * 1_000 / permille * u64::from(count) / records
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
    /// A group received so many records. Yields the intended times when they are known; else the delivery
    /// is to [wait](BatchRegistry::wait).
    pub(crate) fn take(&mut self, tag: u64, count: u32) -> Option<Spread> {
        let known = self.known.get_mut(&tag)?;
        known.left = known.left.saturating_sub(u64::from(count));
        let (spread, left) = (known.spread, known.left);
        if left == 0 {
            self.known.remove(&tag);
        }
        Some(spread)
    }

    /// A batch that may be in the log has its outcome: its records and their bytes, keys and values
    /// before compression. `groups` read its topic. Yields deliveries that waited for it.
    pub(crate) fn ended(
        &mut self,
        tag: u64,
        (records, raw_bytes): (&[RecordTimes], u64),
        groups: u32,
    ) -> Option<(Spread, Vec<Delivery>)> {
        let spread = Spread::of(records, raw_bytes)?;
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

    /// A delivery comes back from [`BatchRegistry::ended`].
    pub(crate) fn wait(&mut self, tag: u64, delivery: Delivery) {
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
    use crate::client::Templates;

    fn times(intended: &[u64]) -> Vec<RecordTimes> {
        intended.iter().map(|&ns| RecordTimes { intended_ns: ns, handed_ns: ns }).collect()
    }

    fn delivery(first: u32, count: u32) -> Delivery {
        Delivery { consumer: 0, first, count, at_ns: 1_000, second: 0, bytes: 0 }
    }

    fn ended(
        registry: &mut BatchRegistry,
        tag: u64,
        intended: &[u64],
        groups: u32,
    ) -> Option<(Spread, Vec<Delivery>)> {
        registry.ended(tag, (&times(intended), 100), groups)
    }

    #[test]
    fn records_lie_evenly_between_the_first_and_the_last() {
        let spread = Spread::of(&times(&[100, 105, 190, 400]), 10).unwrap();
        assert_eq!([0, 1, 2, 3].map(|index| spread.intended_ns(index)), [100, 200, 300, 400]);
        assert_eq!(Spread::of(&times(&[7]), 10).unwrap().intended_ns(0), 7);
        assert_eq!(Spread::of(&[], 0), None);
    }

    #[test]
    fn the_parts_of_a_batch_have_all_of_its_bytes() {
        let spread = Spread::of(&times(&[1, 2, 3]), 100).unwrap();
        let parts = [delivery(0, 1), delivery(1, 1), delivery(2, 1)];
        assert_eq!(parts.map(|part| spread.bytes_of(part)), [33, 33, 34]);
        let wholes = [delivery(0, 3), delivery(1, 2)];
        assert_eq!(wholes.map(|part| spread.bytes_of(part)), [100, 67]);
    }

    #[test]
    fn a_batch_tells_how_much_it_was_before_compression() {
        let mut header = crate::recorder::testing::batch(0, 16, 0).header;
        let mut batch = |value: u32, count: i32, tag: u64| {
            let template = Templates::default().body(value, count.unsigned_abs());
            header.record_count = count;
            Batch { header, body: Body::Template { template, tag } }
        };
        assert_eq!(about_bytes(&batch(400, 16, 5 << 40), 16, 400), 16 * 1_000);
        assert_eq!(about_bytes(&batch(400, 16, 5 << 40), 4, 400), 4 * 1_000);
        assert_eq!(about_bytes(&batch(20, 16, 5 << 40), 16, 1_000), 16 * 20);
        assert_eq!(about_bytes(&batch(20_000, 2, 5 << 40), 1, 1_000), 20_000);
        assert_eq!(
            about_bytes(&batch(400, 16, BACKLOG_TAGS | 7 << 40), 16, 400),
            16 * 400,
            "a backlog"
        );
        // offsets above 63 take another byte each
        let many = about_bytes(&batch(100, 200, 0), 200, 1_000);
        assert!((200 * 100..200 * 101).contains(&many), "{many}");
    }

    #[test]
    fn a_batch_is_freed_when_every_group_has_had_it() {
        let mut registry = BatchRegistry::default();
        ended(&mut registry, 9, &[1, 2, 3], 2);
        assert!(registry.take(9, 3).is_some());
        assert!(registry.take(9, 1).is_some());
        assert_eq!(registry.known.len(), 1);
        assert!(registry.take(9, 2).is_some());
        assert_eq!(registry.known.len(), 0);
    }

    #[test]
    fn a_delivery_before_the_ack_waits_for_it() {
        let mut registry = BatchRegistry::default();
        assert_eq!(registry.take(4, 2), None);
        registry.wait(4, delivery(0, 2));
        let (spread, early) = ended(&mut registry, 4, &[5, 6], 1).unwrap();
        assert_eq!((spread.intended_ns(1), early.as_slice()), (6, &[delivery(0, 2)][..]));
        assert!(registry.known.is_empty() && registry.early.is_empty());
    }

    #[test]
    fn memory_stays_small_when_consumers_keep_up_and_when_they_do_not() {
        let mut registry = BatchRegistry::default();
        for tag in 0..100_000 {
            ended(&mut registry, tag, &[1], 1);
            if tag >= 10 {
                registry.take(tag - 10, 1);
            }
        }
        assert!(registry.known.len() == 10 && registry.known_order.len() < 2_000);
        for tag in 0..200_000 {
            registry.wait(1 << 40 | tag, delivery(0, 1));
        }
        assert!(registry.early.len() <= EARLY_MAX && registry.early_order.len() <= 2 * EARLY_MAX);
        assert_eq!(registry.forgotten, 200_000 - EARLY_MAX as u64);
    }
}
