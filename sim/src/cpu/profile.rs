//! Cost profile: turns counts of work into CPU nanoseconds, linearly. Leaves out caches, memory
//! bandwidth and lock contention: a constant per unit stands for all of them.

use std::fmt;
use stormglass_broker_core::seam::Work;
use stormglass_reports::recording::CpuSpent;
use stormglass_scenarios::plan::ModelPlan;

const KIB: u64 = 1024;

/// A model constant that the plan does not hold, or holds with a negative value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingConstant(pub &'static str);

impl fmt::Display for MissingConstant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the plan has no usable model constant `{}`", self.0)
    }
}

impl std::error::Error for MissingConstant {}

/// A constant of the plan by its dotted name, in the unit that the name ends in.
///
/// # Errors
/// The constant is absent or negative.
pub fn constant(model: &ModelPlan, name: &'static str) -> Result<u64, MissingConstant> {
    model
        .constants
        .get(name)
        .and_then(|constant| u64::try_from(constant.value).ok())
        .ok_or(MissingConstant(name))
}

/// CPU costs of counted work by kind, in 1/1024 ns of a vCPU of reference speed: costs per KiB stay
/// whole until they are summed up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WorkCosts {
    /// Produce: partitions, batches, bytes, records that are walked.
    pub produce: u64,
    /// Fetch, whoever asks: partitions looked at, and sessions walked.
    pub fetch_partitions: u64,
    /// Bytes sent to consumers.
    pub consumer_fetch: u64,
    /// Bytes sent to followers.
    pub follower_fetch: u64,
    /// Bytes appended as a follower.
    pub follower_append: u64,
    /// Bytes copied on the way to the answer of a Fetch.
    pub fetch_copies: u64,
    /// Metadata and the log cleaner.
    pub other: u64,
}

impl WorkCosts {
    /// All kinds together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.produce
            + self.fetch_partitions
            + self.consumer_fetch
            + self.follower_fetch
            + self.follower_append
            + self.fetch_copies
            + self.other
    }

    /// Adds those of another step.
    pub fn add(&mut self, other: &Self) {
        self.produce += other.produce;
        self.fetch_partitions += other.fetch_partitions;
        self.consumer_fetch += other.consumer_fetch;
        self.follower_fetch += other.follower_fetch;
        self.follower_append += other.follower_append;
        self.fetch_copies += other.fetch_copies;
        self.other += other.other;
    }
}

/// CPU costs of a broker's work on one host, already scaled by the speed of its vCPUs: every
/// method answers in ns of that host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostProfile {
    network_request_ns: u64,
    network_ns_per_kib: u64,
    request_ns: u64,
    produce_partition_ns: u64,
    produce_batch_ns: u64,
    produce_ns_per_kib: u64,
    record_ns: u64,
    fetch_partition_ns: u64,
    fetch_ns_per_kib: u64,
    fetch_tls_ns_per_kib: u64,
    tls_ns_per_kib: u64,
    follower_append_ns_per_kib: u64,
    session_partition_ns: u64,
    tls_handshake_ns: u64,
    connection_ns: u64,
    speed_permille: u64,
}

impl CostProfile {
    /// Reads the `cpu.*` constants of a plan for a host of the given speed.
    ///
    /// # Errors
    /// Names the first constant that is missing.
    pub fn new(model: &ModelPlan, cpu_speed_permille: u32) -> Result<Self, MissingConstant> {
        Ok(Self {
            network_request_ns: constant(model, "cpu.network_request_ns")?,
            network_ns_per_kib: constant(model, "cpu.network_ns_per_kib")?,
            request_ns: constant(model, "cpu.request_ns")?,
            produce_partition_ns: constant(model, "cpu.produce_partition_ns")?,
            produce_batch_ns: constant(model, "cpu.produce_batch_ns")?,
            produce_ns_per_kib: constant(model, "cpu.produce_ns_per_kib")?,
            record_ns: constant(model, "cpu.record_ns")?,
            fetch_partition_ns: constant(model, "cpu.fetch_partition_ns")?,
            fetch_ns_per_kib: constant(model, "cpu.fetch_ns_per_kib")?,
            fetch_tls_ns_per_kib: constant(model, "cpu.fetch_tls_ns_per_kib")?,
            tls_ns_per_kib: constant(model, "cpu.tls_ns_per_kib")?,
            follower_append_ns_per_kib: constant(model, "cpu.follower_append_ns_per_kib")?,
            session_partition_ns: constant(model, "cpu.session_partition_ns")?,
            tls_handshake_ns: constant(model, "cpu.tls_handshake_ns")?,
            connection_ns: constant(model, "cpu.connection_ns")?,
            speed_permille: u64::from(cpu_speed_permille.max(1)),
        })
    }

    /// Time of a request handler for one request: its fixed cost and the work of its step, ns.
    #[must_use]
    pub fn handler_ns(&self, costs: &WorkCosts) -> u64 {
        self.scaled(self.request_ns + costs.total() / KIB)
    }

    /// Time of a step that no request caused (a timer, a disk completion, a peer's answer), ns.
    #[must_use]
    pub fn step_ns(&self, costs: &WorkCosts) -> u64 {
        self.scaled(costs.total() / KIB)
    }

    /// Time of a network processor for one request and its response, ns. With TLS, the request is
    /// decrypted and the response encrypted.
    #[must_use]
    pub fn network_ns(&self, request_bytes: u64, response_bytes: u64, tls: bool) -> u64 {
        let bytes = request_bytes + response_bytes;
        let crypto = if tls { bytes * self.tls_ns_per_kib / KIB } else { 0 };
        self.scaled(self.network_request_ns + bytes * self.network_ns_per_kib / KIB + crypto)
    }

    /// As [`Self::network_ns`] for a Fetch: with TLS the response cannot go from the page cache to
    /// the socket in the kernel; that costs `cpu.fetch_tls_ns_per_kib` on top.
    #[must_use]
    pub fn fetch_network_ns(&self, request_bytes: u64, response_bytes: u64, tls: bool) -> u64 {
        let copies = if tls { response_bytes * self.fetch_tls_ns_per_kib / KIB } else { 0 };
        self.network_ns(request_bytes, response_bytes, tls) + self.scaled(copies)
    }

    /// Time of a network processor for accepting a connection, ns.
    #[must_use]
    pub fn connection_ns(&self, tls: bool) -> u64 {
        let handshake = if tls { self.tls_handshake_ns } else { 0 };
        self.scaled(self.connection_ns + handshake)
    }

    /// What the work of a step costs, by kind.
    #[must_use]
    pub fn costs(&self, work: &Work) -> WorkCosts {
        let items = |count: u64, each: u64| count * each * KIB;
        // The cleaner checks, copies and sums up each byte, as a leader does with what it is sent.
        let cleaner = items(work.cleaner_records, self.record_ns)
            + work.cleaner_bytes * self.produce_ns_per_kib;
        WorkCosts {
            produce: items(u64::from(work.produce_partitions), self.produce_partition_ns)
                + items(u64::from(work.produce_batches), self.produce_batch_ns)
                + items(work.records_walked, self.record_ns)
                + work.produce_bytes * self.produce_ns_per_kib,
            fetch_partitions: items(u64::from(work.fetch_partitions), self.fetch_partition_ns)
                + items(u64::from(work.session_partitions), self.session_partition_ns),
            consumer_fetch: work.fetch_bytes * self.fetch_ns_per_kib,
            follower_fetch: work.replica_fetch_bytes * self.fetch_ns_per_kib,
            follower_append: work.follower_bytes * self.follower_append_ns_per_kib,
            // Two copies take as long as TLS's (`cpu.fetch_tls_ns_per_kib`).
            fetch_copies: work.fetch_copied_bytes * self.fetch_tls_ns_per_kib / 2,
            other: items(u64::from(work.metadata_records), self.record_ns) + cleaner,
        }
    }

    /// Seconds of work in ns of this host, by kind. `handled` requests had their fixed cost,
    /// `network_ns` went to network processors.
    #[must_use]
    pub fn spent(&self, costs: &WorkCosts, handled: u64, network_ns: u64) -> CpuSpent {
        let of = |cost: u64| self.scaled(cost / KIB);
        CpuSpent {
            network_ns,
            requests_ns: self.scaled(handled * self.request_ns),
            produce_ns: of(costs.produce),
            fetch_partitions_ns: of(costs.fetch_partitions),
            consumer_fetch_ns: of(costs.consumer_fetch),
            follower_fetch_ns: of(costs.follower_fetch),
            follower_append_ns: of(costs.follower_append),
            fetch_copies_ns: of(costs.fetch_copies),
            other_ns: of(costs.other),
        }
    }

    fn scaled(&self, ns: u64) -> u64 {
        if self.speed_permille == 1000 { ns } else { ns * 1000 / self.speed_permille }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::model;

    #[test]
    fn work_is_the_sum_of_its_parts() {
        let profile = CostProfile::new(&model(), 1000).unwrap();
        let nothing = profile.costs(&Work::default());
        assert_eq!(profile.handler_ns(&nothing), 10_000, "cpu.request_ns alone");
        let work = Work {
            produce_partitions: 2,
            produce_batches: 3,
            produce_bytes: 4096,
            follower_bytes: 2048,
            fetch_bytes: 1024,
            ..Work::default()
        };
        let parts = 2 * 3_000 + 3 * 2_000 + 4 * 500 + 2 * 300 + 50;
        let costs = profile.costs(&work);
        assert_eq!(profile.step_ns(&costs), parts);
        assert_eq!(profile.handler_ns(&costs), 10_000 + parts);
        let spent = profile.spent(&costs, 2, 500);
        assert_eq!((spent.requests_ns, spent.network_ns), (20_000, 500));
        assert_eq!((spent.produce_ns, spent.follower_append_ns), (6_000 + 6_000 + 2_000, 600));
        assert_eq!((spent.consumer_fetch_ns, spent.follower_fetch_ns), (50, 0));
        assert_eq!(spent.total_ns(), 20_500 + parts);
    }

    #[test]
    fn a_copy_costs_half_of_the_two_that_tls_takes() {
        let profile = CostProfile::new(&model(), 1000).unwrap();
        let copied = profile.costs(&Work { fetch_copied_bytes: 1 << 20, ..Work::default() });
        let tls = profile.fetch_network_ns(0, 1 << 20, true) - profile.network_ns(0, 1 << 20, true);
        assert_eq!(2 * profile.step_ns(&copied), tls);
        assert_eq!(profile.spent(&copied, 0, 0).fetch_copies_ns, tls / 2);
    }

    #[test]
    fn tls_costs_more_and_most_on_fetch() {
        let profile = CostProfile::new(&model(), 1000).unwrap();
        let plain = profile.network_ns(100, 1 << 20, false);
        let tls = profile.network_ns(100, 1 << 20, true);
        let fetch = profile.fetch_network_ns(100, 1 << 20, true);
        assert!(plain < tls && tls < fetch, "{plain} {tls} {fetch}");
        assert_eq!(plain, profile.fetch_network_ns(100, 1 << 20, false));
    }

    #[test]
    fn a_slower_cpu_takes_longer_in_proportion() {
        let fast = CostProfile::new(&model(), 1000).unwrap();
        let slow = CostProfile::new(&model(), 500).unwrap();
        assert_eq!(slow.network_ns(0, 4096, true), 2 * fast.network_ns(0, 4096, true));
    }

    #[test]
    fn a_missing_constant_is_named() {
        let mut model = model();
        model.constants.remove("cpu.record_ns");
        assert_eq!(CostProfile::new(&model, 1000), Err(MissingConstant("cpu.record_ns")));
    }
}
