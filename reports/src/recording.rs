//! What a simulation (or a bench against a real cluster) hands over: raw measurements.
//!
//! Integers only: nanoseconds, bytes, records, parts per thousand. [`crate::result`] is the
//! published form made from it.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the event ends that tells of a broker which halts because its volume is full. Reports find it by these
/// words.
pub const VOLUME_FULL: &str = "log directory failed: Full";

/// Which latency is measured (DESIGN.md section 5). All per record, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LatencyKind {
    /// Intended -> handed to the client.
    Delay,
    /// Send -> ack.
    Service,
    /// Intended -> ack. Thresholds use this one.
    Response,
    /// Intended -> delivered to a consumer.
    EndToEnd,
}

/// A phase of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Load runs, nothing counts.
    Warmup,
    /// Load and events.
    Measure,
    /// Faults lifted, load goes on.
    Heal,
    /// Producers stopped, consumers catch up.
    Drain,
}

impl Phase {
    /// Whether what happens then counts for verdicts and figures: load runs, and the cluster is up.
    #[must_use]
    pub fn is_measured(self) -> bool {
        matches!(self, Self::Measure | Self::Heal)
    }
}

/// A histogram of one latency for one client group in one phase.
#[derive(Debug, Clone)]
pub struct LatencySeries {
    /// Which latency.
    pub kind: LatencyKind,
    /// Producer group, or consumer group for end-to-end.
    pub group: String,
    /// Topic.
    pub topic: String,
    /// Phase in which the record was *intended*.
    pub phase: Phase,
    /// Nanoseconds, 3 significant digits.
    pub histogram: Histogram<u64>,
}

/// Percentiles of one second, nanoseconds; zeros when `count` is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SecondLatency {
    /// Records that completed in this second.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// Largest.
    pub max_ns: u64,
}

/// One broker during one second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerSecond {
    /// Process is running and unfenced.
    pub up: bool,
    /// vCPU time used, parts per thousand of all vCPUs.
    pub cpu_permille: u32,
    /// t3 CPU credit balance, vCPU-milliseconds; 0 when not burstable.
    pub cpu_credits_ms: u64,
    /// Bytes produced by clients to leaders here.
    pub bytes_in: u64,
    /// Bytes fetched by consumers here.
    pub bytes_out: u64,
    /// Bytes replicated in, as a follower.
    pub replication_in: u64,
    /// Bytes replicated out, as a leader.
    pub replication_out: u64,
    /// Records produced here.
    pub messages_in: u64,
    /// NIC bytes received.
    pub net_rx: u64,
    /// NIC bytes sent.
    pub net_tx: u64,
    /// NIC utilisation of the busier direction, parts per thousand of the rate then available.
    pub net_permille: u32,
    /// NIC credits left, parts per thousand of the bucket.
    pub net_credits_permille: u32,
    /// Volume bytes read.
    pub disk_read: u64,
    /// Volume bytes written.
    pub disk_write: u64,
    /// Volume operations, reads and writes.
    pub disk_ops: u64,
    /// Volume busy time, parts per thousand.
    pub disk_permille: u32,
    /// Volume burst credits left, parts per thousand of the bucket (CloudWatch `BurstBalance`).
    pub burst_balance_permille: u32,
    /// Dirty bytes in the page cache at the second's end.
    pub dirty_bytes: u64,
    /// Bytes read by fetches that the page cache held.
    pub cache_hit_bytes: u64,
    /// Bytes read by fetches that came from the volume.
    pub cache_miss_bytes: u64,
    /// Request handler threads' idle share, parts per thousand.
    pub handler_idle_permille: u32,
    /// Network processor threads' idle share, parts per thousand.
    pub network_idle_permille: u32,
    /// Requests that wait for a handler at the second's end.
    pub request_queue: u32,
    /// Partitions led at the second's end.
    pub leaders: u32,
    /// Replicas hosted.
    pub partitions: u32,
    /// Partitions led with an ISR smaller than the replica set.
    pub under_replicated: u32,
    /// Partitions led with an ISR below min.insync.replicas.
    pub under_min_isr: u32,
    /// Log bytes on the volume at the second's end.
    pub log_bytes: u64,
    /// What CPU time went to.
    pub cpu_spent: CpuSpent,
    /// Answers to Fetch requests of followers that had records.
    pub follower_fetches: u64,
    /// Size of the largest of them on the wire, bytes.
    pub follower_fetch_bytes_max: u64,
    /// Bytes copied to remote storage (CloudWatch `RemoteCopyBytesPerSec`).
    pub remote_copied: u64,
    /// Bytes fetched from remote storage, read ahead included (`RemoteFetchBytesPerSec`).
    pub remote_fetched: u64,
    /// Requests that remote storage answered with 503.
    pub remote_rejected: u64,
}

/// CPU time of a broker by what it was spent on, ns. Pauses of the JVM are not among it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuSpent {
    /// Network processors: parse, copy, encrypt what comes and goes.
    pub network_ns: u64,
    /// Request handlers: fixed cost of each request.
    pub requests_ns: u64,
    /// Produce: partitions, batches and bytes.
    pub produce_ns: u64,
    /// Fetch: partitions looked at, sessions walked.
    pub fetch_partitions_ns: u64,
    /// Bytes sent to consumers.
    pub consumer_fetch_ns: u64,
    /// Bytes sent to followers.
    pub follower_fetch_ns: u64,
    /// Bytes appended as a follower.
    pub follower_append_ns: u64,
    /// Bytes copied on the way to the answer of a Fetch.
    pub fetch_copies_ns: u64,
    /// Metadata, log cleaner.
    pub other_ns: u64,
}

impl CpuSpent {
    /// The kinds with their names for people, in a fixed order.
    #[must_use]
    pub const fn parts(&self) -> [(&'static str, u64); 9] {
        [
            ("network", self.network_ns),
            ("requests", self.requests_ns),
            ("produce", self.produce_ns),
            ("fetch partitions", self.fetch_partitions_ns),
            ("consumer fetch", self.consumer_fetch_ns),
            ("follower fetch", self.follower_fetch_ns),
            ("follower append", self.follower_append_ns),
            ("fetch copies", self.fetch_copies_ns),
            ("other", self.other_ns),
        ]
    }

    /// All kinds together.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.parts().iter().map(|(_, ns)| ns).sum()
    }
}

/// Lag of one consumer group at a second's end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupSecond {
    /// Sum over partitions, records (CloudWatch `SumOffsetLag`).
    pub sum_lag: u64,
    /// Largest partition, records (`MaxOffsetLag`).
    pub max_lag: u64,
    /// Bytes delivered in this second.
    pub bytes: u64,
}

/// One simulated second of the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Second {
    /// Second since the run began (0 = first).
    pub index: u32,
    /// Phase at its start.
    pub phase: Phase,
    /// Records intended.
    pub offered_records: u64,
    /// Bytes intended.
    pub offered_bytes: u64,
    /// Records acknowledged.
    pub acked_records: u64,
    /// Bytes acknowledged.
    pub acked_bytes: u64,
    /// Records failed for good (delivery timeout, fatal error).
    pub failed_records: u64,
    /// Bytes delivered to consumers, all groups.
    pub consumed_bytes: u64,
    /// Partitions without a leader at the second's end, as the active controller sees it.
    pub offline_partitions: u32,
    /// Active controller's id, if any.
    pub controller: Option<i32>,
    /// Response latency of records acknowledged in this second.
    pub response: SecondLatency,
    /// End-to-end latency of records delivered in this second.
    pub end_to_end: SecondLatency,
    /// One entry per broker, in order of id.
    pub brokers: Vec<BrokerSecond>,
    /// One entry per consumer group, in plan order.
    pub groups: Vec<GroupSecond>,
}

/// Something that happened, for events.jsonl, the fault bands and the narrative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterEvent {
    /// Nanoseconds since the run began.
    pub at_ns: u64,
    /// `fault-begin`, `fault-end`, `broker-fenced`, `broker-unfenced`, `leader-elected`,
    /// `isr-shrink`, `isr-expand`, `controller-elected`, `broker-up`, `broker-down`,
    /// `truncation`, `violation`, ...
    pub kind: String,
    /// Node concerned.
    pub node: Option<i32>,
    /// `topic-partition` concerned.
    pub partition: Option<String>,
    /// How many partitions are concerned; they need not all be named.
    pub partitions: u64,
    /// Sentence for people.
    pub detail: String,
    /// For a `fault-begin`: when it ends, if known; drawn as a band.
    pub until_ns: Option<u64>,
}

/// Parts of a produce request's critical path, nanoseconds. They add up to the response latency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PathParts {
    /// Record waits in the client: accumulator, linger, in-flight limit, back-off.
    pub client_queue_ns: u64,
    /// Request on the wire, NIC queues included.
    pub network_ns: u64,
    /// Request waits for a network or handler thread or a core.
    pub cpu_queue_ns: u64,
    /// Network and handler threads work.
    pub cpu_ns: u64,
    /// Append waits for the volume (write throttling).
    pub disk_ns: u64,
    /// Waits for followers (acks=all).
    pub replication_ns: u64,
    /// Waits in the purgatory after replication is satisfied (delayed completion).
    pub purgatory_ns: u64,
    /// Response on its way back and handled by the client.
    pub response_ns: u64,
}

impl PathParts {
    /// Sum of all parts.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.client_queue_ns
            + self.network_ns
            + self.cpu_queue_ns
            + self.cpu_ns
            + self.disk_ns
            + self.replication_ns
            + self.purgatory_ns
            + self.response_ns
    }
}

/// A sampled request: its first record's response latency, split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathSample {
    /// When the record was intended, ns since the run began.
    pub at_ns: u64,
    /// Phase at that time.
    pub phase: Phase,
    /// Producer group.
    pub group: String,
    /// Leader that answered.
    pub broker: i32,
    /// The parts.
    pub parts: PathParts,
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Checker's name, such as `no-acked-loss`.
    pub checker: String,
    /// When it happened, or was detected where that is not known; ns since the run began.
    pub at_ns: u64,
    /// `topic-partition` concerned.
    pub partition: Option<String>,
    /// What was promised, what was seen, and the history that led there; several lines.
    pub account: String,
    /// Faults that it took, when Kafka itself does not promise to survive them all together; empty
    /// when it does, so that the broker is to blame.
    pub excused_by: Vec<Excuse>,
}

/// A fault that ended what Kafka promises for one replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excuse {
    /// When it hit, ns since the run began.
    pub at_ns: u64,
    /// Broker that it hit.
    pub node: i32,
    /// Index of the plan's event; `None` when no event did it.
    pub event: Option<u32>,
    /// In words.
    pub detail: String,
}

/// What a checker looked at, so that a green verdict shows its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckerSummary {
    /// Name.
    pub name: String,
    /// The promise, in a sentence.
    pub promise: String,
    /// How many facts were checked. A checker that checked nothing proves nothing.
    pub checked: u64,
    /// Violations found.
    pub violations: u64,
}

/// Unavailability of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailability {
    /// `topic-partition`.
    pub partition: String,
    /// Longest time between two acknowledgements while records waited, ns.
    pub longest_ns: u64,
    /// When that gap began, ns since the run began.
    pub from_ns: u64,
}

/// Totals of the measured time (measure and heal phases) that prices multiply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransferTotals {
    /// Length of the measured time, ns.
    pub measured_ns: u64,
    /// Bytes that producers brought in.
    pub in_bytes: u64,
    /// Bytes that consumers took out.
    pub out_bytes: u64,
    /// Client -> broker bytes that crossed AZs.
    pub produce_cross_az_bytes: u64,
    /// Broker -> client bytes that crossed AZs.
    pub consume_cross_az_bytes: u64,
    /// Broker <-> broker bytes that crossed AZs (free on MSK, billed when self-managed).
    pub replication_cross_az_bytes: u64,
    /// Bytes that brokers fetched from remote storage.
    pub remote_fetched_bytes: u64,
}

/// Whose requests a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaOf {
    /// Those of producers.
    Producers,
    /// Those of consumers.
    Consumers,
}

/// Answers after which a broker's quotas made clients wait, in the measured phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaWait {
    /// The broker.
    pub broker: i32,
    /// Who waited.
    pub of: QuotaOf,
    /// How many answers; at least one.
    pub answers: u64,
    /// How long they made clients wait, all together, ms.
    pub wait_ms: u64,
}

/// Remote storage over the whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoteTotals {
    /// Bytes stored at the end.
    pub stored_bytes: u64,
    /// Writes and deletions that were admitted.
    pub puts: u64,
    /// Reads that were admitted.
    pub gets: u64,
    /// Requests answered with 503.
    pub rejected: u64,
    /// Bytes written.
    pub put_bytes: u64,
    /// Bytes read.
    pub get_bytes: u64,
}

/// Everything measured in a run.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Latency histograms by kind, group, topic and phase.
    pub latency: Vec<LatencySeries>,
    /// Timeline, one entry per simulated second, without gaps.
    pub seconds: Vec<Second>,
    /// Response latency per second as V2+deflate interval-log rows are written from these.
    pub response_intervals: Vec<Interval>,
    /// Cluster events in order of time.
    pub events: Vec<ClusterEvent>,
    /// Sampled critical paths.
    pub paths: Vec<PathSample>,
    /// Broken promises; empty is good.
    pub violations: Vec<Violation>,
    /// What was checked.
    pub checkers: Vec<CheckerSummary>,
    /// Acknowledged records that are gone, those whose loss breaks no promise included.
    pub lost_records: u64,
    /// Records that producers still held when the run ended.
    pub unresolved_records: u64,
    /// Unavailability per partition, worst first.
    pub unavailability: Vec<Unavailability>,
    /// Bytes that cost money.
    pub transfer: TransferTotals,
    /// Rolling hash over every event, hex.
    pub event_hash: String,
    /// Hash after every N events, for the first divergence: `(events so far, hash)`.
    pub checkpoints: Vec<(u64, u64)>,
    /// Events processed.
    pub events_processed: u64,
    /// Simulated time at the end, ns.
    pub sim_ns: u64,
    /// Whether the run was cut short (Ctrl-C).
    pub interrupted: bool,
    /// What quotas did, in order of brokers.
    pub quota_waits: Vec<QuotaWait>,
    /// Notes on model validity: which ranges the run left.
    pub assumptions: Vec<String>,
    /// Rare situations that the run reached (*sometimes* marks), and how often.
    pub marks: BTreeMap<String, u64>,
    /// Replicas at the end of each second, for the timeline of a broken promise; empty when the
    /// cluster is too large for that.
    pub replicas: Vec<ReplicaSecond>,
    /// Remote storage, where a topic has it.
    pub remote: Option<RemoteTotals>,
}

/// A replica at the end of a simulated second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaSecond {
    /// Second since the run began (0 = first).
    pub second: u32,
    /// `topic-partition`.
    pub partition: Arc<str>,
    /// Broker that holds it.
    pub node: i32,
    /// Whether it takes itself for the leader.
    pub leads: bool,
    /// Whether it is in the ISR, as the newest leader knows it.
    pub in_sync: bool,
    /// Its leader epoch; `-1` before any.
    pub epoch: i32,
    /// Offset after the last record of its log.
    pub log_end: i64,
    /// Its high watermark.
    pub high_watermark: i64,
}

/// A second's response-latency counts in compressed form: `(value ns, count)` of the buckets hit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// Second since the run began.
    pub index: u32,
    /// Bucket value (as `Histogram::value_for` returns) and count.
    pub counts: Vec<(u64, u64)>,
}
