//! Where a producer's records come from: a lazily pulled sequence of intended times.

use crate::rng::Streams;
use crate::workload::{RecordSource, Take};
use std::collections::VecDeque;
use std::fmt::Debug;
use stormglass_scenarios::plan::{Arrival as Process, ProducerPlan};

/// One record that the workload wants sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When, ns. Never earlier than the arrival before it.
    pub intended_ns: u64,
    /// Size of key and value as Kafka sees them, bytes.
    pub bytes: u32,
    /// murmur2 of the key; `None` without a key.
    pub key_hash: Option<u32>,
}

/// The arrivals of one producer instance.
pub trait Arrivals: Debug + Send {
    /// When the next record is due, ns. `None`: none for now; asked again at each step.
    fn peek_ns(&self) -> Option<u64>;

    /// Takes the next record.
    fn pull(&mut self) -> Option<Arrival>;

    /// Takes the next record if it is due by `until_ns`.
    fn pull_due(&mut self, until_ns: u64) -> Option<Arrival> {
        if self.peek_ns()? > until_ns {
            return None;
        }
        self.pull()
    }

    /// Size of every record there will ever be, bytes, if all have one size and no key.
    fn bytes_of_all(&self) -> Option<u32> {
        None
    }

    /// Takes records within the bounds and adds their times to `times`. Only where
    /// [`Arrivals::bytes_of_all`] says what they are like.
    fn pull_run(&mut self, take: Take, times: &mut Vec<u64>) {
        for _ in 0..take.max {
            let Some(arrival) = self.pull_due(take.until_ns) else { break };
            times.push(arrival.intended_ns);
            if arrival.intended_ns >= take.enough_ns {
                break;
            }
        }
    }

    /// The load changes. Records pulled already keep their times: a tenth of a second at most.
    fn set_rate(&mut self, now_ns: u64, rate_permille: u32);

    /// Records ended (closed loops start new ones).
    fn completed(&mut self, now_ns: u64, records: u64) {
        let _ = (now_ns, records);
    }
}

/// The arrivals of a plan's producer instance.
#[derive(Debug)]
pub struct PlannedArrivals {
    source: RecordSource,
    /// Closed loop: when its next records are sent, ns.
    closed: Option<VecDeque<u64>>,
}

impl PlannedArrivals {
    /// Arrivals of instance `instance` from `start_ns` on: nobody was there for earlier ones.
    #[must_use]
    pub fn new(plan: &ProducerPlan, instance: u32, streams: &Streams, start_ns: u64) -> Self {
        let closed = match plan.arrival {
            Process::Closed { outstanding } => Some((0..outstanding).map(|_| start_ns).collect()),
            Process::Uniform | Process::Poisson | Process::Bursty { .. } => None,
        };
        let mut source = RecordSource::new(plan, instance, streams);
        while closed.is_none() && source.peek_ns().is_some_and(|due_ns| due_ns < start_ns) {
            source.next_due(start_ns);
        }
        Self { source, closed }
    }
}

impl Arrivals for PlannedArrivals {
    fn peek_ns(&self) -> Option<u64> {
        match &self.closed {
            Some(due) => due.front().copied(),
            None => self.source.peek_ns(),
        }
    }

    fn pull(&mut self) -> Option<Arrival> {
        self.pull_due(u64::MAX)
    }

    fn pull_due(&mut self, until_ns: u64) -> Option<Arrival> {
        let record = match &mut self.closed {
            Some(due) => self.source.record_at(due.pop_front_if(|due_ns| *due_ns <= until_ns)?),
            None => self.source.next_due(until_ns)?,
        };
        let (intended_ns, bytes, key_hash) = (record.intended_ns, record.bytes, record.key_hash);
        Some(Arrival { intended_ns, bytes, key_hash })
    }

    fn bytes_of_all(&self) -> Option<u32> {
        self.source.bytes_of_all().filter(|_| self.closed.is_none())
    }

    fn pull_run(&mut self, take: Take, times: &mut Vec<u64>) {
        self.source.next_run(take, times);
    }

    fn set_rate(&mut self, now_ns: u64, rate_permille: u32) {
        self.source.set_multiplier(now_ns, rate_permille);
    }

    fn completed(&mut self, now_ns: u64, records: u64) {
        if let Some(due) = &mut self.closed {
            due.extend((0..records).map(|_| now_ns));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use stormglass_scenarios::plan::{ClientProfile, KeyDist, SizeDist};

    fn plan(arrival: Process) -> ProducerPlan {
        ProducerPlan {
            name: "p".to_owned(),
            topic: "t".to_owned(),
            count: 1,
            azs: vec![0],
            profile: ClientProfile::Java,
            config: BTreeMap::new(),
            arrival,
            // a record per second
            rate_curve: vec![(0, 1_000)],
            record_size: SizeDist::Fixed { bytes: 10 },
            keys: KeyDist::None,
            compression_permille: 1_000,
            transactions: None,
            first_sequence: 0,
        }
    }

    #[test]
    fn a_late_start_skips_what_was_due_before() {
        let second = 1_000_000_000;
        let mut arrivals =
            PlannedArrivals::new(&plan(Process::Uniform), 0, &Streams::new(1), 90 * second);
        assert_eq!(arrivals.pull().map(|arrival| arrival.intended_ns), Some(90 * second));
        assert_eq!(arrivals.peek_ns(), Some(91 * second));
    }

    #[test]
    fn a_closed_loop_keeps_its_records_outstanding() {
        let plan = plan(Process::Closed { outstanding: 2 });
        let mut arrivals = PlannedArrivals::new(&plan, 0, &Streams::new(1), 5);
        assert_eq!(arrivals.pull().map(|arrival| arrival.intended_ns), Some(5));
        assert!(arrivals.pull().is_some());
        assert_eq!(arrivals.peek_ns(), None);
        arrivals.completed(70, 1);
        assert_eq!(arrivals.peek_ns(), Some(70));
        let arrival = Arrival { intended_ns: 70, bytes: 10, key_hash: None };
        assert_eq!((arrivals.pull(), arrivals.pull()), (Some(arrival), None));
    }
}
