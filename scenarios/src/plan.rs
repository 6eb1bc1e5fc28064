//! The plan: a scenario with every range, default, recipe and model constant resolved.
//!
//! A plan alone reproduces a run, without the scenario, the catalogue or the seed's swarm draws.
//! It is plain data with integers only: durations in nanoseconds, sizes in bytes, rates in bytes
//! or records per second. Units stand in the field's name.

mod clients;
mod cluster;
mod events;
mod soundness;

pub use clients::*;
pub use cluster::*;
pub use events::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of this document's shape. A reader refuses another one.
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
    /// First epoch of a transactional id: 0, as in Kafka, unless epochs are to end.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first_producer_epoch: i16,
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

fn is_zero(number: &i16) -> bool {
    *number == 0
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
    /// sources and without the scenario's own overrides. What only some clusters use has a part of its
    /// own, `+name:digest`. Runs are comparable whose parts of the same name are the same.
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

impl TopicPlan {
    /// Whether it has remote storage: what its brokers have on their volumes is only the newest part.
    #[must_use]
    pub fn is_tiered(&self) -> bool {
        let enabled = self.config.get("remote.storage.enable");
        enabled.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }
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
