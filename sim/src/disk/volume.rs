//! Volumes of a host: a queue with limits on bytes and operations per second and a service
//! latency per operation. Leaves out geometry, merging of requests and priorities among them.
//!
//! An operation of `n` bytes counts as `ceil(n / io_size)` I/Os, at least one. It ends when the
//! volume's throughput, its IOPS and the instance's path have all let it through in order of
//! submission, and not before its service latency has passed in one of [`QUEUE_DEPTH`] places:
//! latencies overlap, rates do not.
//!
//! A fault tells when it ends ([`Slow`]): an operation that is submitted while a volume is slow ends as what is left
//! of its queue by then is served at the full rates. What was submitted before a fault keeps the end that it was told.

use super::bucket::RateServer;
use super::config::DiskConfig;
use super::latency::Latency;
use crate::rng::Streams;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use stormglass_scenarios::plan::{Quantiles, VolumePlan};

/// Operations that a volume serves at once. An assumption: of the order of the queue depths that
/// block devices are driven with; rates bind before it on network volumes.
pub const QUEUE_DEPTH: usize = 32;

/// Kinds of volume operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Io {
    /// Read this many bytes.
    Read(u64),
    /// Write this many bytes.
    Write(u64),
    /// Make what was written durable.
    Flush,
}

/// Use of a volume since the counters were last taken. Bytes and I/Os count when their operation has
/// ended, busy time when it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VolumeCounters {
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// I/Os for reads.
    pub read_ops: u64,
    /// I/Os for writes and flushes.
    pub write_ops: u64,
    /// Time in which at least one operation was queued or served, ns.
    pub busy_ns: u64,
    /// Time from submission to end, summed over the operations submitted, ns: over a window's length
    /// it is the mean queue length.
    pub sojourn_ns: u64,
    /// Credits of the volume's throughput, parts per thousand.
    pub throughput_credit_permille: u32,
    /// Credits of the volume's IOPS, parts per thousand.
    pub iops_credit_permille: u32,
    /// Credits of the instance's path, parts per thousand.
    pub instance_credit_permille: u32,
}

impl VolumeCounters {
    /// Mean number of operations queued or served over a window, in thousandths.
    #[must_use]
    pub fn queue_length_milli(&self, window_ns: u64) -> u64 {
        let milli = u128::from(self.sojourn_ns) * 1000 / u128::from(window_ns.max(1));
        u64::try_from(milli).unwrap_or(u64::MAX)
    }
}

/// How much slower than itself a volume is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slow {
    /// Its rates, parts per thousand.
    pub rate_permille: u32,
    /// Each operation takes so much longer, ns.
    pub extra_latency_ns: u64,
    /// What is served from then on takes no longer any more, ns: what waits in the queue of a slow volume is soon
    /// through when that is over.
    pub until_ns: u64,
}

impl Slow {
    /// Not at all.
    pub const NOT: Self = Self { rate_permille: 1000, extra_latency_ns: 0, until_ns: 0 };
}

/// What an operation counts for once it has ended: a volume that was asked for more than it does in a
/// second has not done it in that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    end_ns: u64,
    is_read: bool,
    bytes: u64,
    ops: u64,
}

/// One volume.
#[derive(Debug)]
struct Volume {
    throughput: RateServer,
    iops: RateServer,
    io_size_bytes: u64,
    read: Latency,
    write: Latency,
    slow: Slow,
    stalled_until_ns: u64,
    /// When each place in the queue is free.
    places: BinaryHeap<Reverse<u64>>,
    busy_until_ns: u64,
    /// Operations that have not ended, or not been counted yet.
    pending: BinaryHeap<Reverse<Pending>>,
    counters: VolumeCounters,
}

/// The volumes of a host and the instance's path to them.
#[derive(Debug)]
pub struct Volumes {
    instance: RateServer,
    volumes: Vec<Volume>,
}

impl Volumes {
    /// Idle volumes of a node. The instance's path is the first volume's, all share it.
    #[must_use]
    pub fn new(config: &DiskConfig, streams: &Streams, node: u64) -> Self {
        Self::with_depth(config, streams, node, QUEUE_DEPTH)
    }

    pub(crate) fn with_depth(
        config: &DiskConfig,
        streams: &Streams,
        node: u64,
        depth: usize,
    ) -> Self {
        assert!(!config.volumes.is_empty(), "a host has at least one volume");
        let volumes = config.volumes.iter().enumerate().map(|(index, plan)| {
            let latency = |quantiles: &Quantiles, kind: &str| {
                let purpose = format!("volume {index} {kind}");
                Latency::new(quantiles, streams.stream(("disk", node), &purpose))
            };
            let (read, write) = (latency(&config.read, "read"), latency(&config.write, "write"));
            Volume::new(plan, read, write, depth)
        });
        Self {
            instance: RateServer::new(&config.volumes[0].instance_throughput),
            volumes: volumes.collect(),
        }
    }

    /// Number of volumes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.volumes.len()
    }

    /// Whether there is none; never the case.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.volumes.is_empty()
    }

    /// Submits an operation to a volume; when it ends, ns.
    pub fn submit(&mut self, now_ns: u64, volume: usize, io: Io) -> u64 {
        self.volumes[volume].submit(now_ns, now_ns, io, &mut self.instance)
    }

    /// Submits an operation that is served only after `after_ns`, as a flush is after the writes
    /// that it covers; when it ends, ns.
    pub fn submit_after(&mut self, now_ns: u64, after_ns: u64, volume: usize, io: Io) -> u64 {
        self.volumes[volume].submit(now_ns, after_ns, io, &mut self.instance)
    }

    /// From `now_ns` on, a volume is as slow as this.
    pub fn set_slow(&mut self, now_ns: u64, volume: usize, slow: Slow) {
        let volume = &mut self.volumes[volume];
        volume.throughput.set_scale(now_ns, slow.rate_permille, slow.until_ns);
        volume.iops.set_scale(now_ns, slow.rate_permille, slow.until_ns);
        volume.slow = slow;
    }

    /// A volume ends no operation submitted from now on before `until_ns`.
    pub fn stall_until(&mut self, volume: usize, until_ns: u64) {
        self.volumes[volume].stall_until(until_ns);
    }

    /// Sets all credits to parts per thousand of their buckets.
    pub fn set_credit_level(&mut self, now_ns: u64, permille: u32) {
        self.instance.set_level(now_ns, permille);
        for volume in &mut self.volumes {
            volume.throughput.set_level(now_ns, permille);
            volume.iops.set_level(now_ns, permille);
        }
    }

    /// The host lost power: queues are empty. Credits and faults stay.
    pub fn reset(&mut self, now_ns: u64) {
        self.instance.reset(now_ns);
        for volume in &mut self.volumes {
            volume.reset(now_ns);
        }
    }

    /// When all that was submitted so far has ended, ns.
    #[must_use]
    pub fn busy_until_ns(&self) -> u64 {
        self.volumes.iter().map(|volume| volume.busy_until_ns).max().unwrap_or(0)
    }

    /// Use of a volume since the last call.
    pub fn take_counters(&mut self, now_ns: u64, volume: usize) -> VolumeCounters {
        let instance_credit_permille = self.instance.level_permille(now_ns);
        let mut counters = self.volumes[volume].take_counters(now_ns);
        counters.instance_credit_permille = instance_credit_permille;
        counters
    }
}

impl Volume {
    fn new(plan: &VolumePlan, read: Latency, write: Latency, depth: usize) -> Self {
        Self {
            throughput: RateServer::new(&plan.throughput),
            iops: RateServer::new(&plan.iops),
            io_size_bytes: plan.io_size_bytes.max(1),
            read,
            write,
            slow: Slow::NOT,
            stalled_until_ns: 0,
            places: std::iter::repeat_n(Reverse(0), depth.max(1)).collect(),
            busy_until_ns: 0,
            pending: BinaryHeap::new(),
            counters: VolumeCounters::default(),
        }
    }

    fn submit(&mut self, now_ns: u64, after_ns: u64, io: Io, instance: &mut RateServer) -> u64 {
        let (bytes, latency_ns) = match io {
            Io::Read(bytes) => (bytes, self.read.draw()),
            Io::Write(bytes) => (bytes, self.write.draw()),
            Io::Flush => (0, self.write.draw()),
        };
        let ops = bytes.div_ceil(self.io_size_bytes).max(1);
        let Reverse(place_ns) = self.places.pop().unwrap_or(Reverse(0));
        let begins_ns = now_ns.max(after_ns).max(place_ns).max(self.stalled_until_ns);
        let is_slow = begins_ns < self.slow.until_ns;
        let extra_ns = if is_slow { self.slow.extra_latency_ns } else { 0 };
        let finish_ns = begins_ns
            .saturating_add(latency_ns)
            .saturating_add(extra_ns)
            .max(self.throughput.finish(now_ns, bytes))
            .max(self.iops.finish(now_ns, ops))
            .max(instance.finish(now_ns, bytes));
        self.places.push(Reverse(finish_ns));
        self.count(now_ns, io, ops, finish_ns);
        finish_ns
    }

    fn count(&mut self, now_ns: u64, io: Io, ops: u64, finish_ns: u64) {
        // controllers' counters are never taken: nothing may pile up
        self.count_ended(now_ns);
        let (is_read, bytes) = match io {
            Io::Read(bytes) => (true, bytes),
            Io::Write(bytes) => (false, bytes),
            Io::Flush => (false, 0),
        };
        self.pending.push(Reverse(Pending { end_ns: finish_ns, is_read, bytes, ops }));
        let counters = &mut self.counters;
        counters.sojourn_ns += finish_ns - now_ns;
        let idle_until_ns = self.busy_until_ns.max(now_ns);
        counters.busy_ns += finish_ns.saturating_sub(idle_until_ns);
        self.busy_until_ns = idle_until_ns.max(finish_ns);
    }

    /// Counts the operations that have ended by now.
    fn count_ended(&mut self, now_ns: u64) {
        let counters = &mut self.counters;
        while self.pending.peek().is_some_and(|Reverse(first)| first.end_ns <= now_ns) {
            let Some(Reverse(ended)) = self.pending.pop() else { return };
            let (bytes, ops) = match ended.is_read {
                true => (&mut counters.read_bytes, &mut counters.read_ops),
                false => (&mut counters.write_bytes, &mut counters.write_ops),
            };
            *bytes += ended.bytes;
            *ops += ended.ops;
        }
    }

    fn stall_until(&mut self, until_ns: u64) {
        self.stalled_until_ns = self.stalled_until_ns.max(until_ns);
        self.throughput.stall_until(until_ns);
        self.iops.stall_until(until_ns);
    }

    fn reset(&mut self, now_ns: u64) {
        self.throughput.reset(now_ns);
        self.iops.reset(now_ns);
        self.throughput.stall_until(self.stalled_until_ns);
        self.iops.stall_until(self.stalled_until_ns);
        let depth = self.places.len();
        self.places = std::iter::repeat_n(Reverse(now_ns), depth).collect();
        // what was on its way never ends
        self.count_ended(now_ns);
        self.pending.clear();
        let future_ns = self.busy_until_ns.saturating_sub(now_ns);
        self.counters.busy_ns = self.counters.busy_ns.saturating_sub(future_ns);
        self.busy_until_ns = now_ns;
    }

    fn take_counters(&mut self, now_ns: u64) -> VolumeCounters {
        self.count_ended(now_ns);
        let mut counters = std::mem::take(&mut self.counters);
        let future_ns = self.busy_until_ns.saturating_sub(now_ns).min(counters.busy_ns);
        counters.busy_ns -= future_ns;
        self.counters.busy_ns = future_ns;
        counters.throughput_credit_permille = self.throughput.level_permille(now_ns);
        counters.iops_credit_permille = self.iops.level_permille(now_ns);
        counters
    }
}
