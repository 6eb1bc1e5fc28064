//! The types of `result.json`. Field order here is key order there.
//!
//! Units stand in the names: `_ms`, `_s`, `_percent`, `_mb_per_s` (10^6 bytes), `_usd`.

use super::decimal::Milli;
use crate::cost::CostReport;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the shape of `result.json`. A reader refuses a newer one.
pub const RESULT_SCHEMA_VERSION: u32 = 1;

/// What a run showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// [`RESULT_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of Stormglass.
    pub version: String,
    /// What was asked.
    pub scenario: ScenarioRef,
    /// SHA-256 of the plan, hex.
    pub plan_digest: String,
    /// Digest of the models and their constants, hex.
    pub model_digest: String,
    /// Seed of the run.
    pub seed: u64,
    /// Rolling hash over every event, hex.
    pub event_hash: String,
    /// The answer.
    pub verdict: Verdict,
    /// Every threshold of the scenario, in its order.
    pub thresholds: Vec<ThresholdResult>,
    /// Percentiles. Rows with group and topic `*` cover all groups and topics.
    pub latency: Vec<LatencyRow>,
    /// Rates per phase.
    pub throughput: Vec<ThroughputRow>,
    /// Remote storage, where a topic has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_storage: Option<RemoteStorage>,
    /// Gaps and failures.
    pub availability: Availability,
    /// How the cluster came back from each fault or change of load, in order of time.
    pub recoveries: Vec<Recovery>,
    /// Acknowledged records that no consumer can read any more.
    pub lost_records: u64,
    /// Use of each broker's resources over measure and heal.
    pub resources: Vec<BrokerResources>,
    /// The first resource over 90 % in measure and heal, or a volume that was full before, if any.
    pub saturated_first: Option<Saturation>,
    /// What happened; the whole list is in `events.jsonl`.
    pub cluster_events: ClusterEvents,
    /// Where the time of a produce request goes, by band of latency.
    pub critical_path: Vec<PathBand>,
    /// What the brokers' CPU time went to; absent in results of versions that did not count it.
    #[serde(default)]
    pub work: Option<WorkResult>,
    /// What the checkers looked at.
    pub checkers: Vec<CheckerResult>,
    /// Broken promises.
    pub violations: Vec<ViolationResult>,
    /// The bill.
    pub cost: CostReport,
    /// Every constant behind the numbers.
    pub assumptions: Vec<Assumption>,
    /// Where the run left the range in which a model was validated.
    pub validity_notes: Vec<String>,
    /// How much was simulated.
    pub simulated: Simulated,
}

/// What went to remote storage and came from there. Rates are means over measure and heal, all brokers
/// together; the rest is over the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteStorage {
    /// Stored at the end, GB (10^9 bytes).
    pub stored_gb: Milli,
    /// Copied there, MB/s.
    pub copied_mb_per_s: Milli,
    /// Busiest second of copies, MB/s.
    pub copied_mb_per_s_max: Milli,
    /// Fetched from there, what was read ahead included, MB/s.
    pub fetched_mb_per_s: Milli,
    /// Busiest second of fetches, MB/s.
    pub fetched_mb_per_s_max: Milli,
    /// Copied, GB.
    pub copied_gb: Milli,
    /// Fetched, GB.
    pub fetched_gb: Milli,
    /// PUT and DELETE requests.
    pub puts: u64,
    /// GET requests.
    pub gets: u64,
    /// Requests answered with 503 Slow Down.
    pub slow_downs: u64,
}

/// The scenario behind a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioRef {
    /// Name.
    pub name: String,
    /// SHA-256 of its text after `--set`, hex.
    pub digest: String,
    /// The question that it answers.
    pub question: String,
    /// What to expect of a healthy cluster.
    pub expect: String,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Every promise kept, every threshold met.
    Ok,
    /// A threshold was missed; no promise was broken.
    ThresholdMissed,
    /// A safety or liveness promise was broken.
    Violated,
    /// Cut short; the figures cover what was simulated.
    Interrupted,
}

/// The answer, and the process's exit code that goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// How the run ended.
    pub status: Status,
    /// 0 ok, 4 threshold missed, 8 violated, 130 interrupted.
    pub exit_code: u8,
    /// Why, a sentence each; empty when ok.
    pub reasons: Vec<String>,
}

/// A threshold and what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThresholdResult {
    /// Metric's name, such as `response_latency`.
    pub metric: String,
    /// Phase covered: `measure+heal` or one phase.
    pub phase: String,
    /// As written in the scenario.
    pub text: String,
    /// Measured, in `unit`; absent when there was nothing to measure.
    pub actual: Option<Milli>,
    /// Limit, in `unit`.
    pub limit: Milli,
    /// `ms`, `MB/s`, `records`, `records/s`, `%`, `USD`.
    pub unit: String,
    /// Whether it holds. Without samples it does not.
    pub passed: bool,
    /// Distance to the limit in `unit`: positive has slack, negative missed by that much.
    pub margin: Option<Milli>,
}

/// Percentiles of one latency, milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LatencyRow {
    /// `measure+heal` or one phase, by when the record was intended.
    pub phase: String,
    /// `delay`, `service`, `response` or `end_to_end`.
    pub kind: String,
    /// Client group, or `*`.
    pub group: String,
    /// Topic, or `*`.
    pub topic: String,
    /// Records.
    pub count: u64,
    /// Mean.
    pub mean_ms: Milli,
    /// Smallest.
    pub min_ms: Milli,
    /// 50th percentile.
    pub p50_ms: Milli,
    /// 75th percentile.
    pub p75_ms: Milli,
    /// 90th percentile.
    pub p90_ms: Milli,
    /// 95th percentile.
    pub p95_ms: Milli,
    /// 99th percentile.
    pub p99_ms: Milli,
    /// 99.9th percentile.
    pub p99_9_ms: Milli,
    /// 99.99th percentile; absent below 100,000 records, where it would be noise.
    pub p99_99_ms: Option<Milli>,
    /// Largest.
    pub max_ms: Milli,
}

/// A rate over the seconds of a phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Mean records per second.
    pub records_per_s_avg: Milli,
    /// Records in the busiest second.
    pub records_per_s_max: u64,
    /// Mean megabytes per second.
    pub mb_per_s_avg: Milli,
    /// Megabytes in the busiest second.
    pub mb_per_s_max: Milli,
}

/// Rates in one phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ThroughputRow {
    /// `measure+heal` or one phase.
    pub phase: String,
    /// Timeline seconds covered.
    pub seconds: u64,
    /// Intended by the workload.
    pub offered: Rate,
    /// Acknowledged.
    pub acked: Rate,
    /// Delivered to consumers, all groups together.
    pub consumed: Rate,
}

/// Gaps and failures in measure and heal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Availability {
    /// Records intended.
    pub offered_records: u64,
    /// Records acknowledged.
    pub acked_records: u64,
    /// Records failed for good.
    pub failed_records: u64,
    /// Failed share of acknowledged and failed records.
    pub failed_percent: Milli,
    /// Records without an outcome when the run ended, of whatever phase, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unresolved_records: Option<u64>,
    /// Seconds in which some partition had no leader.
    pub seconds_with_offline_partitions: u64,
    /// Seconds in which some partition was under-replicated.
    pub seconds_with_under_replicated: u64,
    /// What made the longest gap as long as it is, where the recording tells.
    pub longest_gap_reason: Option<String>,
    /// The longest gaps, worst first, at most ten.
    pub worst_partitions: Vec<PartitionGap>,
}

/// The longest time without an acknowledgement on a partition while records waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartitionGap {
    /// `topic-partition`.
    pub partition: String,
    /// Length.
    pub longest_ms: Milli,
    /// Start, seconds since the run began.
    pub from_s: Milli,
}

/// What happened after a fault or a change of load, until the next one or the end of the run.
/// Times count from its beginning; those of [`Return`] are rounded up to a timeline second's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    /// What it was.
    pub fault: String,
    /// Begin, seconds since the run began.
    pub at_s: Milli,
    /// End, seconds since the run began.
    pub until_s: Option<Milli>,
    /// Until a broker was fenced: detection. Absent when none was.
    pub detected_after_s: Option<Milli>,
    /// Until the last of the partitions that needed a new leader had one. Absent when none did.
    pub leaders_after_s: Option<Milli>,
    /// Partitions that got a new leader then.
    pub leaders_moved: u64,
    /// Producers: disturbed below half of the offered records in a second, back at nine tenths.
    pub produce: Return,
    /// Records that wait for an acknowledgement: back when no more wait than before.
    pub backlog: Return,
    /// Response p99 of each second: back when it stays within three times its level before.
    pub latency: Return,
    /// In-sync replicas: back when no partition misses one any more.
    pub replicas: Return,
    /// Lag of all groups: back when it stays as small as before.
    pub consumers: Return,
}

/// Whether and when something was normal again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Return {
    /// It always was.
    Undisturbed,
    /// Normal again.
    Back {
        /// Seconds since the fault began.
        after_s: Milli,
    },
    /// Not before the next fault or the end of the run.
    NotBack,
}

/// Use of one broker's resources over the seconds of measure and heal in which it was up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BrokerResources {
    /// Broker id.
    pub broker: i32,
    /// Its AZ.
    pub az: String,
    /// Its instance type.
    pub instance: String,
    /// Share of the measured seconds in which it was up.
    pub up_percent: Milli,
    /// vCPU time used.
    pub cpu_percent_avg: Milli,
    /// vCPU time used in the busiest second.
    pub cpu_percent_max: Milli,
    /// NIC, busier direction.
    pub network_percent_avg: Milli,
    /// NIC, busier direction, busiest second.
    pub network_percent_max: Milli,
    /// Volume busy time.
    pub disk_percent_avg: Milli,
    /// Volume busy time, busiest second.
    pub disk_percent_max: Milli,
    /// Client bytes in.
    pub in_mb_per_s_avg: Milli,
    /// Bytes to consumers.
    pub out_mb_per_s_avg: Milli,
    /// Least t3 CPU credit balance, credits (a vCPU for a minute); absent when not burstable.
    pub cpu_credits_min: Option<Milli>,
    /// Least NIC credits; absent when the NIC has no burst.
    pub network_credits_percent_min: Option<Milli>,
    /// Least volume burst balance; absent when no volume has a burst.
    pub burst_balance_percent_min: Option<Milli>,
    /// Share of fetched bytes that the page cache held; absent when nothing was fetched.
    pub cache_hit_percent: Option<Milli>,
    /// Request handler threads' idle share.
    pub handler_idle_percent_avg: Milli,
    /// Request handler threads' idle share, busiest second.
    pub handler_idle_percent_min: Milli,
    /// Network threads' idle share.
    pub network_idle_percent_avg: Milli,
    /// Longest request queue.
    pub request_queue_max: u32,
    /// Log bytes at the end.
    pub log_bytes_end: u64,
}

/// What the brokers did, all together, over the seconds of measure and heal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkResult {
    /// CPU time by kind of work; pauses of the JVM are not among it.
    pub cpu: Vec<CpuShare>,
    /// Answers with records to followers, per second.
    pub follower_fetches_per_s: Milli,
    /// Their mean size, KiB of records.
    pub follower_fetch_kib_avg: Milli,
    /// The largest, KiB on the wire.
    pub follower_fetch_kib_max: Milli,
}

/// CPU time of a kind of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuShare {
    /// `network`, `requests`, `produce`, `fetch partitions`, `consumer fetch`, `follower fetch`,
    /// `follower append`, `fetch copies` or `other`.
    pub work: String,
    /// Milliseconds of vCPUs per second.
    pub ms_per_s: Milli,
}

impl WorkResult {
    /// CPU time of a kind of work; nought of one that is not there.
    #[must_use]
    pub fn ms_of(&self, work: &str) -> Milli {
        self.cpu.iter().find(|one| one.work == work).map_or(Milli::ZERO, |one| one.ms_per_s)
    }
}

/// The first resource over 90 %.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Saturation {
    /// `cpu`, `network`, `disk`, `request handlers`, `network threads`, or `volume`, which is full.
    pub resource: String,
    /// Broker id.
    pub broker: i32,
    /// Second since the run began.
    pub second: u32,
    /// Use in that second.
    pub percent: Milli,
    /// Seconds in which that resource of that broker was over 90 %, or it was down for a full volume.
    pub seconds_above: u64,
}

/// The resource of a [`Saturation`] that is a full volume.
pub const FULL_VOLUME: &str = "volume";

/// Cluster events, capped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterEvents {
    /// All events of the run.
    pub total: u64,
    /// Count by kind.
    pub by_kind: BTreeMap<String, u64>,
    /// The first events in order of time; `events.jsonl` has them all.
    pub listed: Vec<EventRow>,
}

/// One cluster event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventRow {
    /// Seconds since the run began.
    pub at_s: Milli,
    /// Such as `leader-elected`.
    pub kind: String,
    /// Node concerned.
    pub node: Option<i32>,
    /// `topic-partition` concerned.
    pub partition: Option<String>,
    /// Sentence for people.
    pub detail: String,
    /// When a fault ends, seconds since the run began.
    pub until_s: Option<Milli>,
}

/// Mean parts of the sampled requests whose latency lies in a band.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathBand {
    /// `all`, `p50`, `p90`, `p99` or `max`.
    pub band: String,
    /// Samples in the band.
    pub samples: u64,
    /// Sum of the parts.
    pub total_ms: Milli,
    /// Client: accumulator, linger, in-flight limit, back-off.
    pub client_queue_ms: Milli,
    /// Request on the wire.
    pub network_ms: Milli,
    /// Waits for a thread or a core.
    pub cpu_queue_ms: Milli,
    /// Threads work.
    pub cpu_ms: Milli,
    /// Append waits for the volume.
    pub disk_ms: Milli,
    /// Waits for followers.
    pub replication_ms: Milli,
    /// Waits in the purgatory after replication.
    pub purgatory_ms: Milli,
    /// Response on its way back.
    pub response_ms: Milli,
}

/// What a checker looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckerResult {
    /// Name.
    pub name: String,
    /// The promise.
    pub promise: String,
    /// Facts checked.
    pub checked: u64,
    /// Violations found.
    pub violations: u64,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViolationResult {
    /// Checker.
    pub checker: String,
    /// When it happened, or was detected where that is not known; seconds since the run began.
    pub at_s: Milli,
    /// `topic-partition` concerned.
    pub partition: Option<String>,
    /// What was promised, what was seen, and how it came to it.
    pub account: String,
    /// Faults that it took, where Kafka itself does not promise to survive all of them; empty when
    /// it does.
    pub excused_by: Vec<ExcuseResult>,
}

/// A fault that ended what Kafka promises for one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExcuseResult {
    /// When it hit, seconds since the run began.
    pub at_s: Milli,
    /// Broker that it hit.
    pub node: i32,
    /// Index of the event in the plan, if one did it.
    pub event: Option<u32>,
    /// In words.
    pub detail: String,
}

/// A constant behind the numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Assumption {
    /// Dotted name.
    pub name: String,
    /// Value in `unit`.
    pub value: String,
    /// Unit.
    pub unit: String,
    /// Where it comes from.
    pub source: String,
    /// A first-party, B second-party, C third-party, D digitised, M measured here, X derived,
    /// U assumption.
    pub confidence: String,
}

/// How much was simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Simulated {
    /// Simulated seconds.
    pub seconds: Milli,
    /// Events processed.
    pub events: u64,
    /// Whether it was cut short, whatever else the verdict says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// The JSON Schema of `result.json`, as committed in `reports/schema/result.schema.json`.
#[must_use]
pub fn result_schema() -> serde_json::Value {
    schemars::schema_for!(RunResult).to_value()
}

impl RunResult {
    /// Whether a simulation gave it. A measurement of a real cluster has no events to hash.
    #[must_use]
    pub fn is_simulated(&self) -> bool {
        !self.event_hash.is_empty()
    }

    /// Whether it was cut short, whatever else its verdict says. Results of earlier versions say it there
    /// alone.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.simulated.interrupted || self.verdict.status == Status::Interrupted
    }

    /// What its seconds are, in words.
    #[must_use]
    pub fn kind_of_time(&self) -> &'static str {
        if self.is_simulated() { "simulated seconds" } else { "seconds on a real cluster" }
    }

    /// The text of `result.json`: the same bytes for the same version, scenario and seed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text =
            serde_json::to_string_pretty(self).expect("a result holds only JSON's own types");
        text.push('\n');
        text
    }

    /// The row over all groups and topics, if that latency was measured in that phase
    /// (`measure+heal` or one phase; `delay`, `service`, `response` or `end_to_end`).
    #[must_use]
    pub fn latency_of(&self, phase: &str, kind: &str) -> Option<&LatencyRow> {
        self.latency.iter().find(|row| {
            row.phase == phase && row.kind == kind && row.group == "*" && row.topic == "*"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{LatencyKind, Recording};
    use crate::result;
    use crate::testing;

    fn result_of(recording: &Recording) -> RunResult {
        result::build(&"1f".repeat(32), &"9a".repeat(32), &testing::plan(), recording)
    }

    /// After a change of the types: `stormglass schema result` prints the new text.
    #[test]
    fn the_committed_schema_is_the_types_schema() {
        let committed = include_str!("../../schema/result.schema.json");
        let mut current = serde_json::to_string_pretty(&result_schema()).unwrap();
        current.push('\n');
        assert!(committed == current, "reports/schema/result.schema.json is out of date");
    }

    #[test]
    fn results_satisfy_their_schema() {
        let validator = jsonschema::validator_for(&result_schema()).unwrap();
        for recording in [testing::az_outage(), testing::empty_recording()] {
            let value: serde_json::Value =
                serde_json::from_str(&result_of(&recording).to_json()).unwrap();
            let errors: Vec<String> =
                validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:?}");
        }
        let mut broken: serde_json::Value =
            serde_json::from_str(&result_of(&testing::az_outage()).to_json()).unwrap();
        broken["seed"] = "seven".into();
        assert!(!validator.is_valid(&broken));
    }

    #[test]
    fn a_result_survives_json() {
        let result = result_of(&testing::az_outage());
        let text = result.to_json();
        let read: RunResult = serde_json::from_str(&text).unwrap();
        assert_eq!(read, result);
        assert_eq!(read.to_json(), text);
    }

    #[test]
    fn the_shape_and_order_of_result_json() {
        let mut recording = testing::az_outage();
        recording.events.truncate(3);
        recording.unavailability.truncate(2);
        recording.latency.retain(|series| series.kind == LatencyKind::Response);
        recording.violations = testing::violations();
        insta::assert_snapshot!(result_of(&recording).to_json());
    }
}
