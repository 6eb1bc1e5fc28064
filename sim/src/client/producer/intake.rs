//! How records get into the accumulator: the application's `send()` calls.
//!
//! One application thread calls `send()` for each record at its intended time. While a call blocks
//! (no metadata, `buffer.memory` full) the records behind it wait: that is *delay* latency. Records
//! are pulled lazily: a step takes in everything intended up to now, and looks ahead only to find
//! the time at which a batch will be full, so no record costs an event of its own.

use super::accumulator::Append;
use super::ahead::{Ahead, Kind};
use super::machine::Producer;
use crate::client::arrivals::Arrivals;
use crate::client::config::Partitioner;
use crate::client::io::{ClientCx, Outcome, RecordTimes, RejectReason};
use crate::client::wakeup::NEVER;

/// Arrivals looked ahead at most.
const AHEAD_MAX: usize = 4_096;
/// Arrivals looked at, at most, to find one that could be sent.
const PROBE_MAX: usize = 64;

/// Records on their way to `send()`.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Pulled, not handed over.
    ahead: Ahead,
    /// How many of `ahead` have been looked at and leave every batch open. Where records differ,
    /// their bytes are counted as planned.
    planned: usize,
    /// Planned bytes of records without a key.
    planned_unkeyed_bytes: u32,
    /// When the last `send()` returned, ns.
    returned_ns: u64,
    /// A call that blocks: when it gives up, ns.
    blocked_until_ns: Option<u64>,
    /// The blocked call waits for memory.
    pub(crate) exhausted: bool,
}

impl Intake {
    /// Nothing pulled yet.
    pub(crate) fn new(arrivals: Box<dyn Arrivals>, compression_permille: u32) -> Self {
        Self {
            ahead: Ahead::new(arrivals, compression_permille),
            planned: 0,
            planned_unkeyed_bytes: 0,
            returned_ns: 0,
            blocked_until_ns: None,
            exhausted: false,
        }
    }

    /// Whether a call blocks.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked_until_ns.is_some()
    }

    /// Records end; closed loops go on.
    pub(crate) fn completed(&mut self, now_ns: u64, records: u64) {
        self.ahead.completed(now_ns, records);
    }

    /// No records intended later than now, as [`Ahead::stop`].
    pub(crate) fn stop(&mut self, now_ns: u64, goes_on: bool) {
        self.ahead.stop(now_ns, goes_on);
    }

    /// Whether every record has been handed over for good.
    pub(crate) fn is_done(&self) -> bool {
        self.ahead.is_done()
    }

    /// Shows the records that `send()` never got, as [`Ahead::unsent`].
    pub(crate) fn unsent(&mut self, now_ns: u64, show: &mut dyn FnMut(&[u64], u64)) {
        self.ahead.unsent(now_ns, show);
    }

    /// The application calls `send()` again after a pause.
    pub(crate) fn resume(&mut self, now_ns: u64) {
        self.returned_ns = self.returned_ns.max(now_ns);
    }
}

impl Producer {
    /// Hands over every record that is due and does not block.
    pub(crate) fn ingest(&mut self, cx: &mut ClientCx<'_>) {
        if !self.is_sending() {
            return;
        }
        while let Some((intended_ns, kind)) = self.intake.ahead.get(0, cx.now_ns) {
            if intended_ns > cx.now_ns {
                break;
            }
            if !self.intake.is_blocked() && self.ingest_run(kind, cx) {
                continue;
            }
            let call_ns = intended_ns.max(self.intake.returned_ns);
            let handed_ns = if self.intake.is_blocked() { cx.now_ns } else { call_ns };
            match self.offer(kind, RecordTimes { intended_ns, handed_ns }, cx) {
                Append::Done { .. } => self.returned(kind, handed_ns),
                Append::TooLarge => {
                    self.reject(RejectReason::TooLarge, cx);
                    self.returned(kind, handed_ns);
                }
                Append::NoMemory | Append::Closed => {
                    let until_ns = call_ns.saturating_add(self.config.max_block_ns);
                    if cx.now_ns < until_ns {
                        self.intake.blocked_until_ns = Some(until_ns);
                        return;
                    }
                    self.reject(RejectReason::BlockedTooLong, cx);
                    self.returned(kind, until_ns);
                }
            }
        }
    }

    /// Hands over the first records that are of a kind and leave both the open batch open and the
    /// sticky partition as it is: nothing else happens at such a record. Only what is ahead already;
    /// the rest goes one by one. Whether there were any.
    fn ingest_run(&mut self, kind: Kind, cx: &mut ClientCx<'_>) -> bool {
        if kind.key_hash.is_some() {
            return false;
        }
        let Some(partition) = self.sticky.current() else { return false };
        let bytes = kind.sizes.record;
        let room = self.accumulator.room(partition, kind.sizes, &self.config);
        let room = room.min(self.sticky.room(&self.config));
        if room < bytes {
            return false;
        }
        let intake = &mut self.intake;
        let count = intake.ahead.due(kind, cx.now_ns);
        let fits = |count: usize| count as u64 * u64::from(bytes) <= u64::from(room);
        let count = if fits(count) { count } else { (room / bytes) as usize };
        let total = u32::try_from(count).unwrap_or(u32::MAX);
        let mut handed_ns = intake.returned_ns;
        let run = intake.ahead.times()[..count].iter().map(|intended_ns| {
            handed_ns = handed_ns.max(*intended_ns);
            RecordTimes { intended_ns: *intended_ns, handed_ns }
        });
        self.accumulator.append_run(partition, run, kind.sizes);
        intake.returned_ns = handed_ns;
        intake.ahead.hand_over(count);
        let planned = count.min(intake.planned);
        intake.planned -= planned;
        let planned_bytes = bytes.saturating_mul(u32::try_from(planned).unwrap_or(u32::MAX));
        intake.planned_unkeyed_bytes = intake.planned_unkeyed_bytes.saturating_sub(planned_bytes);
        self.sticky.count(bytes * total);
        cx.effects.cpu_ns += self.costs.record_ns * u64::from(total);
        true
    }

    /// `send()` of the first record ahead has returned.
    fn returned(&mut self, kind: Kind, at_ns: u64) {
        self.intake.returned_ns = at_ns;
        self.intake.blocked_until_ns = None;
        self.intake.exhausted = false;
        self.intake.ahead.hand_over(1);
        if self.intake.planned > 0 {
            self.intake.planned -= 1;
            let planned = self.planned_bytes(kind);
            *planned = planned.saturating_sub(kind.sizes.record);
        }
    }

    fn planned_bytes(&mut self, kind: Kind) -> &mut u32 {
        match self.keyed_partition(kind) {
            Some(partition) => &mut self.accumulator.partitions[partition].planned_bytes,
            None => &mut self.intake.planned_unkeyed_bytes,
        }
    }

    /// Java's `toPositive(murmur2(key)) % partitions`.
    fn keyed_partition(&self, kind: Kind) -> Option<usize> {
        let hash = kind.key_hash? & 0x7fff_ffff;
        Some(hash as usize % self.accumulator.partitions.len())
    }

    fn reject(&mut self, reason: RejectReason, cx: &mut ClientCx<'_>) {
        cx.effects.outcomes.push(Outcome::Rejected { records: 1, reason });
        self.intake.completed(cx.now_ns, 1);
    }

    fn offer(&mut self, kind: Kind, times: RecordTimes, cx: &mut ClientCx<'_>) -> Append {
        if self.accumulator.partitions.is_empty() {
            self.network.view.want_refresh();
            return Append::NoMemory;
        }
        cx.effects.cpu_ns += self.costs.record_ns;
        let keyed = self.keyed_partition(kind);
        let handed_ns = times.handed_ns;
        let mut result = Append::Closed;
        while result == Append::Closed {
            let (view, draws) = (&self.network.view, &mut self.network.draws);
            let partition = keyed.unwrap_or_else(|| {
                self.sticky.partition(handed_ns, &self.accumulator, view, &self.config, draws)
            });
            result = self.accumulator.append(partition, times, kind.sizes, &self.config, cx);
        }
        match result {
            Append::Done { appended_bytes } => {
                // the batch may be older than every deadline known so far
                let expiry_ns = handed_ns.saturating_add(self.config.delivery_timeout_ns);
                self.expiry_floor_ns = self.expiry_floor_ns.min(expiry_ns);
                if keyed.is_none() {
                    let (view, draws) = (&self.network.view, &mut self.network.draws);
                    let accumulator = &self.accumulator;
                    let config = &self.config;
                    self.sticky.appended(
                        appended_bytes,
                        handed_ns,
                        accumulator,
                        view,
                        config,
                        draws,
                    );
                }
            }
            Append::NoMemory => self.intake.exhausted = true,
            Append::TooLarge | Append::Closed => {}
        }
        result
    }

    /// The load changes for arrivals that are not pulled yet.
    pub(crate) fn change_load(&mut self, now_ns: u64, rate_permille: u32) {
        self.intake.ahead.set_rate(now_ns, rate_permille);
    }

    /// When arrivals make the next step worthwhile, at most `limit_ns`.
    pub(crate) fn arrivals_wake_ns(&mut self, limit_ns: u64, now_ns: u64) -> u64 {
        if !self.is_sending() {
            return limit_ns;
        }
        if let Some(until_ns) = self.intake.blocked_until_ns {
            return limit_ns.min(until_ns);
        }
        if self.accumulator.partitions.is_empty() {
            let first = self.intake.ahead.get(0, now_ns).map(|(intended_ns, _)| intended_ns);
            let first_ns = first.unwrap_or_else(|| self.intake.ahead.beyond_ns());
            return limit_ns.min(first_ns.saturating_add(self.config.max_block_ns));
        }
        let limit_ns = limit_ns.min(self.linger_wake_ns(now_ns));
        match self.intake.ahead.alike() {
            Some(kind) => self.alike_full_wake_ns(kind, limit_ns, now_ns),
            None => self.full_wake_ns(limit_ns, now_ns),
        }
    }

    /// When the first arrival that could be sent will have lingered.
    fn linger_wake_ns(&mut self, now_ns: u64) -> u64 {
        let mut at = 0;
        while let Some((intended_ns, kind)) = self.intake.ahead.get(at, now_ns) {
            let from_ns = self.arrival_sendable_ns(kind);
            if from_ns != NEVER || at >= PROBE_MAX {
                let lingered_ns = intended_ns.saturating_add(self.config.linger_ns);
                return if from_ns == NEVER { lingered_ns } else { lingered_ns.max(from_ns) };
            }
            if kind.key_hash.is_none() {
                // all records without a key share a partition; the full batch decides
                return NEVER;
            }
            at += 1;
        }
        self.intake.ahead.beyond_ns()
    }

    fn arrival_sendable_ns(&self, kind: Kind) -> u64 {
        let elsewhere = [Partitioner::Batch, Partitioner::Record];
        if kind.key_hash.is_none() && elsewhere.contains(&self.config.partitioner) {
            return 0; // it may go to a partition whose broker takes requests
        }
        let partition = self.keyed_partition(kind).or(self.sticky.current());
        let Some(partition) = partition else { return 0 };
        let leader = self.network.view.partition(0, partition).and_then(|known| known.leader);
        leader.map_or(NEVER, |leader| {
            self.network.connections.sendable_ns(leader, self.config.in_flight_max)
        })
    }

    fn sticky_open_bytes(&self) -> u32 {
        self.sticky.current().map_or(0, |at| self.accumulator.partitions[at].open_bytes())
    }

    /// When the first batch will be full. Goes on where the last call stopped: planned bytes stay
    /// true as records are handed over in order.
    fn full_wake_ns(&mut self, limit_ns: u64, now_ns: u64) -> u64 {
        let batch_bytes = self.config.batch_bytes;
        let sticky_open = self.sticky_open_bytes();
        while let Some((intended_ns, kind)) = self.intake.ahead.get(self.intake.planned, now_ns) {
            if intended_ns >= limit_ns {
                return limit_ns;
            }
            if self.intake.planned >= AHEAD_MAX {
                return intended_ns;
            }
            let (open, matters) = match self.keyed_partition(kind) {
                None => (sticky_open, true),
                Some(at) => {
                    let sendable_ns = self.arrival_sendable_ns(kind);
                    let open = self.accumulator.partitions[at].open_bytes();
                    (open, sendable_ns <= intended_ns)
                }
            };
            let planned = self.planned_bytes(kind);
            let sum = *planned + kind.sizes.record;
            if matters && open.saturating_add(sum) >= batch_bytes {
                return intended_ns.max(now_ns);
            }
            *planned = sum;
            self.intake.planned += 1;
        }
        limit_ns.min(self.intake.ahead.beyond_ns())
    }

    /// [`Producer::full_wake_ns`] where all records are alike: their number tells which one fills
    /// the batch.
    fn alike_full_wake_ns(&mut self, kind: Kind, limit_ns: u64, now_ns: u64) -> u64 {
        let room = self.config.batch_bytes.saturating_sub(self.sticky_open_bytes());
        let full_at = (room.div_ceil(kind.sizes.record.max(1)) as usize).saturating_sub(1);
        let Intake { ahead, planned, .. } = &mut self.intake;
        if ahead.get(*planned, now_ns).is_none() {
            return limit_ns.min(ahead.beyond_ns());
        }
        let last = full_at.min(AHEAD_MAX).max(*planned);
        ahead.pull(last, limit_ns, now_ns);
        let times = ahead.times();
        let end = times.len().min(last + 1);
        let is_late = |intended_ns: &u64| *intended_ns >= limit_ns;
        if is_late(&times[end - 1]) {
            *planned += times[*planned..end].iter().take_while(|time_ns| !is_late(time_ns)).count();
            return limit_ns;
        }
        if end > last {
            *planned = last;
            return times[last].max(now_ns);
        }
        *planned = end;
        limit_ns.min(ahead.beyond_ns())
    }
}
