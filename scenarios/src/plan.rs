//! The plan: a scenario with every range, default, recipe and model constant resolved.
//!
//! A plan alone reproduces a run, without the scenario, the catalogue or the seed's swarm draws.
//! It is plain data with integers only: durations in nanoseconds, sizes in bytes, rates in bytes
//! or records per second. Units stand in the field's name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of this document's shape. A reader refuses a newer one.
pub const PLAN_SCHEMA_VERSION: u32 = 1;

/// Everything that a simulation needs. Written as `plan.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The question that the scenario answers.
    pub question: String,
    /// What to expect from a healthy cluster.
    pub expect: String,
    /// SHA-256 of the scenario text as given (after `--set`), hex.
    pub scenario_digest: String,
    /// Seed of every random stream of the run.
    pub seed: u64,
    /// What clients and brokers say to each other goes through Kafka's wire protocol. That checks
    /// the codec; results are the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wire: bool,
    /// What happens at the same time happens in an order drawn from the seed, instead of in that in
    /// which it was begun. Hunts set this: other seeds try other interleavings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shuffled: bool,
    /// Model constants, each with its source.
    pub model: ModelPlan,
    /// Brokers, controllers, hosts and zones.
    pub cluster: ClusterPlan,
    /// Topics that exist when the run begins.
    pub topics: Vec<TopicPlan>,
    /// One entry per producer group.
    pub producers: Vec<ProducerPlan>,
    /// One entry per consumer group.
    pub consumers: Vec<ConsumerPlan>,
    /// Faults and load changes in order of time.
    pub events: Vec<EventPlan>,
    /// How the run's time is divided.
    pub phases: PhasesPlan,
    /// What the run must meet.
    pub thresholds: Vec<Threshold>,
    /// Prices of this cluster, resolved from the catalogue, for the cost table.
    pub prices: Vec<Price>,
}

/// How the run's time is divided. Phases follow one another in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhasesPlan {
    /// Load runs, measurements are discarded.
    pub warmup_ns: u64,
    /// Load and events run, measurements count. Event times count from its start.
    pub measure_ns: u64,
    /// Every fault is lifted, load goes on.
    pub heal_ns: u64,
    /// Producers stop, consumers must catch up: at most this long.
    pub drain_ns: u64,
}

/// A model constant as used in the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Constant {
    /// Value in the unit stated.
    pub value: i64,
    /// Unit, such as `ns`, `bytes/s`, `ns/KiB`.
    pub unit: String,
    /// Where the figure comes from.
    pub source: String,
    /// A first-party, B second-party, C third-party measurement, D digitised, M measured here,
    /// X derived by arithmetic, U assumption.
    pub confidence: String,
}

/// A latency distribution: piecewise linear inverse CDF through `(parts per million, ns)`.
/// First point at 0, last at 1,000,000. Integers only, so that every machine draws the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// Points in rising order.
    pub points: Vec<(u32, u64)>,
    /// Where the figures come from.
    pub source: String,
    /// As in [`Constant`].
    pub confidence: String,
}

/// The constants behind the models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelPlan {
    /// Version of the models' formulas.
    pub version: String,
    /// SHA-256 of the values of the catalogue that resolved this plan, hex: without the wording of
    /// sources and without the scenario's own overrides. Runs that share it are comparable.
    #[serde(default)]
    pub catalogue_digest: String,
    /// Name of the CPU cost profile.
    pub cpu_profile: String,
    /// Constants by dotted name, such as `cpu.request_fixed_ns`. The list of names that the
    /// simulator reads is in docs/model.md.
    pub constants: BTreeMap<String, Constant>,
    /// One-way latency within an AZ.
    pub latency_same_az: Quantiles,
    /// One-way latency between AZs.
    pub latency_cross_az: Quantiles,
    /// Service latency of a volume read (16 KiB random).
    pub volume_read: Quantiles,
    /// Service latency of a volume write or flush.
    pub volume_write: Quantiles,
    /// Time to the first byte of object storage; only where a topic has remote storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_request: Option<Quantiles>,
}

/// What kind of cluster is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterKind {
    /// Amazon MSK provisioned, Standard brokers.
    MskStandard,
    /// Amazon MSK provisioned, Express brokers.
    MskExpress,
    /// Amazon MSK Serverless.
    MskServerless,
    /// Kafka on EC2 instances that the user runs.
    SelfManaged,
}

impl ClusterKind {
    /// Whether AWS runs it.
    #[must_use]
    pub const fn is_msk(self) -> bool {
        !matches!(self, Self::SelfManaged)
    }

    /// Whether brokers have storage that is apart from them, instead of volumes.
    #[must_use]
    pub const fn has_elastic_storage(self) -> bool {
        matches!(self, Self::MskExpress | Self::MskServerless)
    }
}

/// Brokers, controllers and the hosts that they run on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterPlan {
    /// Kind.
    pub kind: ClusterKind,
    /// Region, such as `us-east-1`.
    pub region: String,
    /// AZ names, such as `a`, `b`, `c`.
    pub azs: Vec<String>,
    /// Brokers in order of id, which starts at 1.
    pub brokers: Vec<NodePlan>,
    /// Controllers; ids follow MSK's habit and start at 10001.
    pub controllers: Vec<NodePlan>,
    /// server.properties that are set, by name. Unset keys have MSK's or Kafka's default.
    pub config: BTreeMap<String, String>,
    /// TLS between clients and brokers.
    pub tls_client: bool,
    /// TLS between brokers.
    pub tls_in_cluster: bool,
    /// What the service lets each broker do; absent: what its hardware can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsPlan>,
}

/// Quotas of a managed service for each broker, all of its clients together. What is above them is
/// throttled as Kafka throttles clients above their quotas; absent: not limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsPlan {
    /// From producers, without degradation; nothing happens above it but a note in the report.
    pub in_sustained_bytes_per_sec: Option<u64>,
    /// From producers at most.
    pub in_bytes_per_sec: Option<u64>,
    /// To consumers, without degradation; nothing happens above it but a note in the report.
    pub out_sustained_bytes_per_sec: Option<u64>,
    /// To consumers at most.
    pub out_bytes_per_sec: Option<u64>,
    /// To one partition at most.
    pub partition_in_bytes_per_sec: Option<u64>,
    /// From one partition at most.
    pub partition_out_bytes_per_sec: Option<u64>,
    /// Requests of clients per second at most.
    pub requests_per_sec: Option<u64>,
    /// Where the figures come from.
    pub source: String,
}

/// One broker or controller and its host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// Kafka's node id.
    pub id: i32,
    /// Index into `azs`.
    pub az: usize,
    /// The host's resources.
    pub host: HostPlan,
}

/// A host's resources, resolved from the instance catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostPlan {
    /// Instance type, such as `kafka.m5.large`.
    pub instance: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Relative speed of a vCPU in parts per thousand of the profile's reference.
    pub cpu_speed_permille: u32,
    /// Baseline fraction of a vCPU for burstable instances (t3), parts per thousand; 1000 otherwise.
    pub cpu_baseline_permille: u32,
    /// CPU credits at the start, vCPU-nanoseconds; 0 when not burstable.
    pub cpu_credits_ns: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// JVM heap in bytes; the rest less a reserve is page cache.
    pub heap_bytes: u64,
    /// NIC, each direction.
    pub nic: RatePlan,
    /// Highest rate of a single flow, bytes per second.
    pub flow_cap_bytes_per_sec: u64,
    /// Data volumes (log directories).
    pub volumes: Vec<VolumePlan>,
}

/// A rate with a baseline, a burst and a bucket of credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RatePlan {
    /// Rate that is always there, units per second.
    pub baseline_per_sec: u64,
    /// Rate while credits last, units per second.
    pub burst_per_sec: u64,
    /// Size of the credit bucket, units. Credits are spent at (rate - baseline) and earned at
    /// (baseline - rate).
    pub bucket: u64,
    /// Credits at the start of the run, units.
    pub initial: u64,
}

/// A volume as the disk model sees it. Volume and instance EBS limits apply both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumePlan {
    /// `gp2`, `gp3`, `provisioned`, `nvme`, or `elastic`: storage apart from the broker, which
    /// grows with what is kept and survives the broker.
    pub kind: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Throughput of the volume, bytes per second.
    pub throughput: RatePlan,
    /// Operations per second of the volume (up to `io_size_bytes` each).
    pub iops: RatePlan,
    /// The instance's path to its volumes, bytes per second.
    pub instance_throughput: RatePlan,
    /// Largest I/O that counts as one operation.
    pub io_size_bytes: u64,
}

/// A topic with its replica assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicPlan {
    /// Name.
    pub name: String,
    /// Replicas of each partition, broker ids, preferred leader first.
    pub assignment: Vec<Vec<i32>>,
    /// Topic configs with Kafka's names.
    pub config: BTreeMap<String, String>,
    /// Bytes per partition that exist before the run (a backlog for catch-up); written as if
    /// produced long ago, so none of it is in the page cache.
    pub preload_bytes: u64,
    /// Record size of the preloaded records, bytes.
    pub preload_record_bytes: u64,
}

/// Client library whose defaults and semantics apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientProfile {
    /// Apache Kafka's Java client.
    Java,
    /// librdkafka.
    Librdkafka,
}

/// A group of identical producers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProducerPlan {
    /// Name, used as client id prefix.
    pub name: String,
    /// Topic produced to.
    pub topic: String,
    /// Number of client instances; the rate is divided evenly.
    pub count: u32,
    /// Index into `azs` of each instance.
    pub azs: Vec<usize>,
    /// Client library.
    pub profile: ClientProfile,
    /// Client config with Kafka's names, defaults filled in.
    pub config: BTreeMap<String, String>,
    /// When records are handed to the client.
    pub arrival: Arrival,
    /// Total rate over time, all instances together: piecewise linear `(ns since the run began,
    /// milli-records per second)`, constant after the last point. A step is two points at one time.
    pub rate_curve: Vec<(u64, u64)>,
    /// Size of a record's value and key as Kafka sees them, bytes.
    pub record_size: SizeDist,
    /// Keys.
    pub keys: KeyDist,
    /// Compressed size in parts per thousand of the raw size (1000 = incompressible or none).
    pub compression_permille: u32,
    /// Records go in transactions. Each instance has a transactional id of its own, its name and
    /// number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<TransactionsPlan>,
}

/// How a producer's records are divided into transactions: one ends with whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TransactionsPlan {
    /// Records after which a transaction ends. Those handed over in one go are not divided.
    pub records: u32,
    /// Time after which it ends, from its first record, ns.
    pub length_ns: u64,
    /// Transactions that the application aborts, parts per thousand.
    pub aborted_permille: u32,
}

/// Arrival process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Arrival {
    /// Evenly spaced.
    Uniform,
    /// Poisson process.
    Poisson,
    /// On-off bursts: `on_ns` at the rate that keeps the mean, then `off_ns` silent.
    Bursty {
        /// Length of a burst.
        on_ns: u64,
        /// Length of the silence after it.
        off_ns: u64,
    },
    /// Closed loop: each instance keeps this many records outstanding; the rate curve is ignored.
    Closed {
        /// Records in flight per instance.
        outstanding: u32,
    },
}

/// Distribution of record sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum SizeDist {
    /// Always this many bytes.
    Fixed {
        /// Bytes.
        bytes: u32,
    },
    /// Uniform between the two.
    Uniform {
        /// Smallest, bytes.
        min_bytes: u32,
        /// Largest, bytes.
        max_bytes: u32,
    },
}

/// Distribution of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeyDist {
    /// No key: sticky partitioner.
    None,
    /// Uniform over `count` keys.
    Uniform {
        /// Number of keys.
        count: u64,
    },
    /// Zipf over `count` keys.
    Zipf {
        /// Number of keys.
        count: u64,
        /// Exponent in parts per thousand (1000 = classic).
        exponent_permille: u32,
    },
}

/// A consumer group: with `membership` its members divide the partitions among themselves, else they
/// are dealt out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsumerPlan {
    /// Group id.
    pub group: String,
    /// Topics read.
    pub topics: Vec<String>,
    /// Members; without `membership` partitions are dealt out by range.
    pub count: u32,
    /// Index into `azs` of each member.
    pub azs: Vec<usize>,
    /// Client library.
    pub profile: ClientProfile,
    /// Client config with Kafka's names, defaults filled in.
    pub config: BTreeMap<String, String>,
    /// When the group starts reading, ns since the run began.
    pub start_ns: u64,
    /// Processing time per record, ns; 0 = infinitely fast.
    pub process_ns_per_record: u64,
    /// `true`: starts at the log's beginning, `false`: at its end.
    pub from_beginning: bool,
    /// Members divide the partitions among themselves, or have their coordinator do so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership: Option<MembershipPlan>,
}

/// Membership of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MembershipPlan {
    /// Who gets what.
    pub assignor: Assignor,
    /// Members keep their identity over a restart (`group.instance.id`, KIP-345).
    pub static_members: bool,
}

/// Who divides a group's partitions, and how. The protocol follows from it: in the classic one (JoinGroup,
/// SyncGroup, Heartbeat) the group's leader does (`partition.assignment.strategy`), in the consumer
/// protocol (KIP-848) the coordinator (`group.remote.assignor`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Assignor {
    /// The leader, by `RangeAssignor`: everything is given up before each rebalance.
    Range,
    /// The leader, by `CooperativeStickyAssignor` (KIP-429): only what moves is given up.
    CooperativeSticky,
    /// The coordinator, evenly.
    RemoteUniform,
    /// The coordinator, in ranges of each topic.
    RemoteRange,
}

impl Assignor {
    /// Whether members speak the consumer protocol (KIP-848).
    #[must_use]
    pub fn is_remote(self) -> bool {
        matches!(self, Self::RemoteUniform | Self::RemoteRange)
    }
}

/// Something that happens at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventPlan {
    /// When, ns since the run began (warm-up included).
    pub at_ns: u64,
    /// How long; the effect is lifted at `at_ns + for_ns`. `None`: until the heal phase.
    pub for_ns: Option<u64>,
    /// What.
    pub action: Action,
    /// Line of the scenario that says so, for messages.
    pub line: Option<u32>,
}

/// A fault or an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// An AZ is lost.
    AzDown {
        /// Index into `azs`.
        az: usize,
        /// Hosts lose power (unsynced bytes are gone) or only their network.
        mode: AzDownMode,
        /// Whether clients in that AZ are lost too.
        clients: bool,
    },
    /// The host of a node loses power, then boots after `for_ns`.
    HostCrash {
        /// Node id.
        node: i32,
    },
    /// The process is killed (page cache survives), then starts again after `for_ns`.
    ProcessCrash {
        /// Node id.
        node: i32,
    },
    /// SIGSTOP, SIGCONT after `for_ns`; connections stay open.
    ProcessPause {
        /// Node id.
        node: i32,
    },
    /// Link between two sets of nodes.
    Link {
        /// One side.
        from: Vec<Endpoint>,
        /// Other side.
        to: Vec<Endpoint>,
        /// Only from -> to.
        one_way: bool,
        /// What the link does.
        effect: LinkEffect,
    },
    /// A volume is slower.
    SlowDisk {
        /// Node id.
        node: i32,
        /// Throughput and IOPS become this many parts per thousand.
        rate_permille: u32,
        /// Added to each operation's latency, ns.
        extra_latency_ns: u64,
    },
    /// A volume is full: appends fail with ENOSPC.
    DiskFull {
        /// Node id.
        node: i32,
    },
    /// Every operation on a volume fails with EIO; a process that uses it ends, as its only log
    /// directory has failed, and starts again when the event ends.
    DiskError {
        /// Node id.
        node: i32,
    },
    /// Every fsync of a volume fails with EIO, once for each write: a process that needs one ends, as its
    /// only log directory has failed, and starts again when the event ends. What was written and not synced
    /// may be gone, as the kernel takes the pages for clean: promises as with a power failure.
    SyncError {
        /// Node id.
        node: i32,
    },
    /// Batches that were on a volume when the event began fail their checksum whenever they are read from
    /// a partition's log, until it ends. Nothing is lost: who would read them is told of an error.
    BitRot {
        /// Node id.
        node: i32,
        /// Batches that are hit, parts per thousand.
        share_permille: u32,
    },
    /// Object storage is slow, or answers a share of the requests with 503.
    ObjectStorage {
        /// Share of requests answered with 503, parts per thousand.
        reject_permille: u32,
        /// Added to every latency, ns.
        extra_latency_ns: u64,
    },
    /// The wall clock of a node is wrong until the event ends; its monotonic clock is not.
    ClockJump {
        /// Node id.
        node: i32,
        /// By how much it is ahead, ns; negative: behind.
        by_ns: i64,
    },
    /// The clocks of a node, the monotonic one included, have another rate until the event ends. Breaks no
    /// promise: time-outs are counted by the clock of who waits.
    ClockDrift {
        /// Node id.
        node: i32,
        /// By how much they are fast, parts per million; negative: slow. At most half a million.
        ppm: i32,
    },
    /// Brokers restart one after another with controlled shutdown.
    RollingRestart {
        /// Node ids in order.
        nodes: Vec<i32>,
        /// Time that each is away.
        down_ns: u64,
        /// Time between a broker's return and the next one's shutdown, ns. The next one also
        /// waits until no partition is under-replicated, at most this long again.
        pause_ns: u64,
    },
    /// Producers' rate is multiplied.
    Load {
        /// Producer group; `None` = all.
        producer: Option<String>,
        /// New rate in parts per thousand of the curve's.
        rate_permille: u32,
    },
    /// Credits of a resource are set, so that a run need not wait hours for their exhaustion.
    SetCredits {
        /// Node id.
        node: i32,
        /// Which bucket.
        resource: CreditResource,
        /// Parts per thousand of the full bucket.
        level_permille: u32,
    },
    /// A consumer group stops reading, and goes on after `for_ns`.
    ConsumerPause {
        /// Group id.
        group: String,
    },
    /// The processes of a producer or of a consumer group are killed, and start again after
    /// `for_ns` with nothing but their configs.
    ClientCrash {
        /// Name of the producer, or group id.
        client: String,
    },
    /// The processes of a producer or of a consumer group are stopped, and go on after `for_ns` where
    /// they were: zombies, if the cluster has given them up meanwhile.
    ClientPause {
        /// Name of the producer, or group id.
        client: String,
        /// Only this one of its processes, counted from 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instance: Option<u32>,
    },
}

/// How an AZ is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AzDownMode {
    /// Hosts lose power; they boot when the event ends.
    PowerOff,
    /// Hosts run on, no packet enters or leaves the AZ.
    Isolate,
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Endpoint {
    /// A broker or controller.
    Node(i32),
    /// Every host of an AZ (index into `azs`).
    Az(usize),
    /// All clients.
    Clients,
    /// All controllers.
    Controllers,
    /// All brokers.
    Brokers,
}

/// What a faulty link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum LinkEffect {
    /// Nothing passes; connections are not reset.
    Cut,
    /// Each message takes this much longer, with uniform jitter.
    Delay {
        /// Added, ns.
        extra_ns: u64,
        /// Uniform jitter on top, ns.
        jitter_ns: u64,
    },
    /// Packets are lost: each costs a retransmission delay.
    Loss {
        /// Lost packets, parts per million.
        ppm: u32,
    },
}

/// A credit bucket of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CreditResource {
    /// t3 CPU credits.
    Cpu,
    /// NIC, both directions.
    Network,
    /// Instance path to its volumes and gp2 burst.
    Volume,
}

/// What a threshold measures.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Intended -> ack, ns.
    ResponseLatency,
    /// Send -> ack, ns.
    ServiceLatency,
    /// Intended -> handed to the client, ns.
    DelayLatency,
    /// Intended -> delivered to a consumer, ns.
    EndToEndLatency,
    /// Acknowledged bytes per second.
    ProduceThroughput,
    /// Delivered bytes per second.
    ConsumeThroughput,
    /// Produce errors after retries, records.
    ProduceErrors,
    /// Longest time in which no record of some partition was acknowledged although offered, ns.
    Unavailability,
    /// Records behind at the end of each second, largest partition.
    ConsumerLag,
    /// Acknowledged records that no consumer can read any more.
    LostRecords,
    /// Share of vCPU time used on the busiest broker, parts per thousand.
    CpuUtilisation,
    /// US dollars a month, in cents.
    MonthlyCost,
}

/// How samples become one number (k6's names).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Mean.
    Avg,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Median.
    Med,
    /// Percentile, in parts per million (p(99.9) = 999000).
    P(u32),
    /// Number of samples or sum of a counter.
    Count,
    /// Counter per second of measured time.
    Rate,
    /// The gauge's value.
    Value,
}

/// Comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `==`
    Eq,
    /// `!=`
    Ne,
}

/// `metric{phase:x} = ["agg op limit"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// What is measured.
    pub metric: Metric,
    /// Only this phase (`warmup`, `measure`, `heal`, `drain`); `None`: measure and heal together.
    pub phase: Option<String>,
    /// How samples become one number.
    pub aggregate: Aggregate,
    /// Comparison that must hold.
    pub op: Comparison,
    /// Limit in the metric's unit.
    pub limit: i64,
    /// As written, such as `p(99) < 50ms`.
    pub text: String,
}

/// A price used for the cost table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Which meter: `broker-hour`, `storage-gb-month`, `provisioned-throughput-mbps-month`,
    /// `cross-az-gb`, `ec2-hour`, `ebs-gp3-gb-month`, ...
    pub meter: String,
    /// US dollars, in billionths (nano-dollars), so that 0.0000004 is exact.
    pub nano_usd: i64,
    /// Unit in words, such as `USD per broker-hour`.
    pub unit: String,
    /// Where from.
    pub source: String,
    /// Date of the source, `YYYY-MM-DD` or `YYYY-MM`.
    pub date: String,
    /// As in [`Constant`].
    pub confidence: String,
}
