//! The records of one client instance: intended time, size and key, pulled one at a time.
//! Leaves out what the client does with them.

use super::{Arrivals, KeySampler, RateCurve, SizeSampler, Take, partition_hash};
use crate::rng::Streams;
use stormglass_scenarios::plan::ProducerPlan;

/// A record that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// When it should be handed to the client, ns since the run began.
    pub intended_ns: u64,
    /// Key and value, bytes.
    pub bytes: u32,
    /// Hash of its key, to be taken modulo the number of partitions; `None` without a key.
    pub key_hash: Option<u32>,
}

/// The records of one client instance.
#[derive(Debug)]
pub struct RecordSource {
    arrivals: Arrivals,
    sizes: SizeSampler,
    keys: KeySampler,
}

impl RecordSource {
    /// Records of instance `instance` of a producer group. Its draws depend on the group's name
    /// and the instance only.
    #[must_use]
    pub fn new(plan: &ProducerPlan, instance: u32, streams: &Streams) -> Self {
        let stream = |purpose| streams.stream((plan.name.as_str(), u64::from(instance)), purpose);
        let curve = RateCurve::new(&plan.rate_curve);
        let turn = (instance, plan.count);
        Self {
            arrivals: Arrivals::new(plan.arrival, curve, turn, stream("arrivals")),
            sizes: SizeSampler::new(plan.record_size, stream("sizes")),
            keys: KeySampler::new(plan.keys, stream("keys")),
        }
    }

    /// When the next record is due, ns; `None` while the rate stays at zero or in a closed loop.
    #[must_use]
    #[inline]
    pub fn peek_ns(&self) -> Option<u64> {
        self.arrivals.peek_ns()
    }

    /// The next record if it is due by `now_ns`.
    #[inline]
    pub fn next_due(&mut self, now_ns: u64) -> Option<Record> {
        if self.peek_ns()? > now_ns {
            return None;
        }
        let intended_ns = self.arrivals.next_ns()?;
        Some(self.record_at(intended_ns))
    }

    /// Size of every record, bytes, if all have one size and no key.
    #[must_use]
    pub fn bytes_of_all(&self) -> Option<u32> {
        self.sizes.fixed().filter(|_| self.keys.is_none())
    }

    /// Takes the next records within the bounds and adds their times to `times`: as
    /// [`RecordSource::next_due`], where [`RecordSource::bytes_of_all`] says the rest.
    pub fn next_run(&mut self, take: Take, times: &mut Vec<u64>) {
        debug_assert!(self.bytes_of_all().is_some(), "no size or key is left undrawn");
        self.arrivals.next_run(take, times);
    }

    /// A record of a closed loop, whose time the client decides.
    #[inline]
    pub fn record_at(&mut self, intended_ns: u64) -> Record {
        let bytes = self.sizes.next_bytes();
        let key_hash = self.keys.next_key().map(partition_hash);
        Record { intended_ns, bytes, key_hash }
    }

    /// Multiplies the planned rate from `now_ns` on, parts per thousand.
    pub fn set_multiplier(&mut self, now_ns: u64, permille: u32) {
        self.arrivals.set_multiplier(now_ns, permille);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use stormglass_scenarios::plan::{Arrival, ClientProfile, KeyDist, SizeDist};

    fn plan(name: &str) -> ProducerPlan {
        ProducerPlan {
            name: name.into(),
            topic: "t".into(),
            count: 2,
            azs: vec![0, 1],
            profile: ClientProfile::Java,
            config: BTreeMap::new(),
            arrival: Arrival::Poisson,
            rate_curve: vec![(0, 1_000_000)],
            record_size: SizeDist::Uniform { min_bytes: 100, max_bytes: 200 },
            keys: KeyDist::Zipf { count: 1_000, exponent_permille: 1_000 },
            compression_permille: 1_000,
            transactions: None,
            first_sequence: 0,
        }
    }

    fn first_second(plan: &ProducerPlan, instance: u32) -> Vec<Record> {
        let mut source = RecordSource::new(plan, instance, &Streams::new(3));
        std::iter::from_fn(|| source.next_due(1_000_000_000)).collect()
    }

    #[test]
    fn records_come_when_due_and_carry_size_and_key() {
        let records = first_second(&plan("p"), 0);
        assert!(records.len().abs_diff(500) < 112, "{}", records.len());
        assert!(records.is_sorted_by_key(|record| record.intended_ns));
        assert!(records.iter().all(|record| (100..=200).contains(&record.bytes)));
        let hot = Some(partition_hash(0));
        let share = records.iter().filter(|record| record.key_hash == hot).count();
        assert!(share > records.len() / 20, "key 0 has 1 / H(1000) = 13 %: {share}");
    }

    #[test]
    fn a_size_that_is_not_drawn_moves_no_arrival() {
        let mut fixed = plan("p");
        fixed.record_size = SizeDist::Fixed { bytes: 10 };
        fixed.keys = KeyDist::None;
        let times = |records: Vec<Record>| -> Vec<u64> {
            records.into_iter().map(|record| record.intended_ns).collect()
        };
        assert_eq!(times(first_second(&plan("p"), 1)), times(first_second(&fixed, 1)));
        assert_ne!(times(first_second(&plan("p"), 1)), times(first_second(&plan("q"), 1)));
    }
}
