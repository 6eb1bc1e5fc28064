//! Records that the workload wants sent and `send()` has not got yet, pulled lazily.
//!
//! Nearly every source has records of one size and no keys. Of those only the times are kept, and
//! they are pulled by the run; of the others each has its size and key beside its time.

use super::batch::RecordSizes;
use crate::client::arrivals::Arrivals;
use crate::client::wakeup::NEVER;
use crate::workload::Take;
use std::collections::VecDeque;

/// How far ahead arrivals are pulled at most, so that a change of load takes effect soon, ns.
const HORIZON_NS: u64 = 100_000_000;
/// Times that are handed over are let go of when they are so many, and half of all.
const GONE_MAX: usize = 256;

/// Records that are pulled at once to be counted only.
const UNSENT_RUN: usize = 4_096;

/// What a record is like, apart from its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Its sizes.
    pub(crate) sizes: RecordSizes,
    /// murmur2 of its key; `None` without one.
    pub(crate) key_hash: Option<u32>,
}

#[derive(Debug)]
enum Kinds {
    /// All records there will ever be are of this kind.
    Alike(Kind),
    /// One for each record ahead.
    Mixed(VecDeque<Kind>),
}

/// Records pulled from a source and not handed over.
#[derive(Debug)]
pub(crate) struct Ahead {
    arrivals: Box<dyn Arrivals>,
    /// Intended times, rising. Those before `first` are handed over.
    times: Vec<u64>,
    first: usize,
    kinds: Kinds,
    compression_permille: u32,
    /// The load stops: no records intended later than then, ns.
    stopped_ns: Option<u64>,
    /// Those intended by then are pulled all the same, as the application still sends them.
    goes_on: bool,
}

impl Ahead {
    /// Nothing pulled yet.
    pub(crate) fn new(arrivals: Box<dyn Arrivals>, compression_permille: u32) -> Self {
        let kinds = match arrivals.bytes_of_all() {
            Some(bytes) => Kinds::Alike(Kind {
                sizes: RecordSizes::new(bytes, compression_permille),
                key_hash: None,
            }),
            None => Kinds::Mixed(VecDeque::new()),
        };
        let (times, first) = (Vec::new(), 0);
        let (stopped_ns, goes_on) = (None, false);
        Self { arrivals, times, first, kinds, compression_permille, stopped_ns, goes_on }
    }

    /// The kind of all records, if the source has only one.
    pub(crate) fn alike(&self) -> Option<Kind> {
        match self.kinds {
            Kinds::Alike(kind) => Some(kind),
            Kinds::Mixed(_) => None,
        }
    }

    /// Intended times of the records ahead, ns, rising.
    pub(crate) fn times(&self) -> &[u64] {
        &self.times[self.first..]
    }

    /// Intended time and kind of a record by its place, pulled when need be. `None` beyond the
    /// horizon.
    pub(crate) fn get(&mut self, at: usize, now_ns: u64) -> Option<(u64, Kind)> {
        if self.first + at >= self.times.len() {
            self.pull(at, NEVER, now_ns);
        }
        let intended_ns = *self.times.get(self.first + at)?;
        match &self.kinds {
            Kinds::Alike(kind) => Some((intended_ns, *kind)),
            Kinds::Mixed(kinds) => kinds.get(at).map(|kind| (intended_ns, *kind)),
        }
    }

    /// Pulls until the record at a place is there, but none after the first one that comes at
    /// `enough_ns` or later, and none beyond the horizon or the end of the load.
    pub(crate) fn pull(&mut self, at: usize, enough_ns: u64, now_ns: u64) {
        let max = (at + 1).saturating_sub(self.times.len() - self.first);
        let is_enough = self.times().last().is_some_and(|last_ns| *last_ns >= enough_ns);
        if max == 0 || is_enough || self.is_closed() {
            return;
        }
        let horizon_ns = now_ns.saturating_add(HORIZON_NS);
        let until_ns = horizon_ns.min(self.stopped_ns.unwrap_or(NEVER));
        let take = Take { until_ns, enough_ns, max };
        match &mut self.kinds {
            Kinds::Alike(_) => self.arrivals.pull_run(take, &mut self.times),
            Kinds::Mixed(kinds) => {
                for _ in 0..max {
                    let Some(arrival) = self.arrivals.pull_due(take.until_ns) else { break };
                    let sizes = match kinds.back() {
                        Some(last) if last.sizes.raw == arrival.bytes => last.sizes,
                        _ => RecordSizes::new(arrival.bytes, self.compression_permille),
                    };
                    self.times.push(arrival.intended_ns);
                    kinds.push_back(Kind { sizes, key_hash: arrival.key_hash });
                    if arrival.intended_ns >= enough_ns {
                        break;
                    }
                }
            }
        }
    }

    /// How many of the first records are of a kind and intended by `now_ns`.
    pub(crate) fn due(&self, kind: Kind, now_ns: u64) -> usize {
        let times = self.times();
        let mut count = times.len();
        if let Kinds::Mixed(kinds) = &self.kinds {
            count = kinds.iter().take_while(|other| **other == kind).count();
        }
        match times[..count].last() {
            Some(last_ns) if *last_ns > now_ns => {
                times[..count].iter().take_while(|time_ns| **time_ns <= now_ns).count()
            }
            _ => count,
        }
    }

    /// Lets go of the first records.
    pub(crate) fn hand_over(&mut self, count: usize) {
        self.first += count;
        if let Kinds::Mixed(kinds) = &mut self.kinds {
            kinds.drain(..count);
        }
        if self.first == self.times.len() {
            self.times.clear();
            self.first = 0;
        } else if self.first >= GONE_MAX && self.first * 2 >= self.times.len() {
            self.times.drain(..self.first);
            self.first = 0;
        }
    }

    /// When the next arrival comes that is not pulled yet, ns.
    pub(crate) fn beyond_ns(&self) -> u64 {
        let due_ns = if self.is_closed() { None } else { self.arrivals.peek_ns() };
        let is_offered = |due_ns: &u64| self.stopped_ns.is_none_or(|stop_ns| *due_ns <= stop_ns);
        due_ns.filter(is_offered).unwrap_or(NEVER)
    }

    /// Whether nothing is pulled any more.
    fn is_closed(&self) -> bool {
        self.stopped_ns.is_some() && !self.goes_on
    }

    /// Records end; closed loops go on.
    pub(crate) fn completed(&mut self, now_ns: u64, records: u64) {
        if self.stopped_ns.is_none() {
            self.arrivals.completed(now_ns, records);
        }
    }

    /// The load changes for records that are not pulled yet.
    pub(crate) fn set_rate(&mut self, now_ns: u64, rate_permille: u32) {
        self.arrivals.set_rate(now_ns, rate_permille);
    }

    /// No records intended later than now. With `goes_on`, those that are due and not pulled yet will be;
    /// else they are never handed over.
    pub(crate) fn stop(&mut self, now_ns: u64, goes_on: bool) {
        (self.stopped_ns, self.goes_on) = (Some(now_ns), goes_on);
        let left = self.times().iter().take_while(|time_ns| **time_ns <= now_ns).count();
        self.times.truncate(self.first + left);
        if let Kinds::Mixed(kinds) = &mut self.kinds {
            kinds.truncate(left);
        }
    }

    /// Whether every record there will ever be has been handed over.
    pub(crate) fn is_done(&self) -> bool {
        self.stopped_ns.is_some() && self.times().is_empty() && self.beyond_ns() == NEVER
    }

    /// Shows the records that were intended by now, or until the load stopped, and never handed over: their
    /// times, rising, and their bytes, keys and values. To be asked once, when the run is over.
    pub(crate) fn unsent(&mut self, now_ns: u64, show: &mut dyn FnMut(&[u64], u64)) {
        let until_ns = self.stopped_ns.map_or(now_ns, |stopped_ns| stopped_ns.min(now_ns));
        let pulled = self.times().partition_point(|time_ns| *time_ns <= until_ns);
        let raw = |kind: &Kind| u64::from(kind.sizes.raw);
        let bytes = match &self.kinds {
            Kinds::Alike(kind) => pulled as u64 * raw(kind),
            Kinds::Mixed(kinds) => kinds.iter().take(pulled).map(raw).sum(),
        };
        show(&self.times()[..pulled], bytes);
        let mut times = Vec::new();
        loop {
            let bytes = self.pull_unsent(until_ns, &mut times);
            if times.is_empty() {
                return;
            }
            show(&times, bytes);
            times.clear();
        }
    }

    /// Pulls some of the records up to a time; their bytes.
    fn pull_unsent(&mut self, until_ns: u64, times: &mut Vec<u64>) -> u64 {
        if let Kinds::Alike(kind) = self.kinds {
            let take = Take { until_ns, enough_ns: NEVER, max: UNSENT_RUN };
            self.arrivals.pull_run(take, times);
            return times.len() as u64 * u64::from(kind.sizes.raw);
        }
        let due = std::iter::from_fn(|| self.arrivals.pull_due(until_ns)).take(UNSENT_RUN);
        let bytes = due.map(|arrival| {
            times.push(arrival.intended_ns);
            u64::from(arrival.bytes)
        });
        bytes.sum()
    }
}
