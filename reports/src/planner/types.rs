//! What is asked of a plan and what it answers, as `--json` prints it.

use crate::cost::CostLine;
use crate::result::{Cents, Milli};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stormglass_scenarios::plan::ClusterKind;

/// Version of the shape of a plan's report.
pub const PLANNER_SCHEMA_VERSION: u32 = 5;

/// What a cluster must stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// Average bytes per second from producers.
    pub ingress_bytes_per_sec: u64,
    /// Groups that each read all of it.
    pub groups: u32,
    /// Peak over average, parts per thousand.
    pub peak_permille: u64,
    /// Size of a record, bytes.
    pub record_bytes: u64,
    /// How long records are kept, seconds.
    pub retention_seconds: u64,
    /// Replicas of each partition.
    pub replication: u32,
    /// Response p99 must stay below this, nanoseconds.
    pub p99_ns: u64,
    /// Failure states in which it must.
    pub states: Vec<State>,
    /// Growth of the load in a year, parts per thousand; 0 for none.
    pub growth_permille: u64,
    /// AWS region, whose prices count.
    pub region: String,
}

/// A state in which the thresholds must hold.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All is well, peak load.
    None,
    /// A broker's host lost power, average load.
    Broker,
    /// Brokers restart one after another, average load.
    Rolling,
    /// An AZ lost power, average load.
    Az,
    /// An AZ lost power, peak load.
    AzAtPeak,
}

impl State {
    /// All, the hardest first.
    pub const ALL: [Self; 5] = [Self::AzAtPeak, Self::Az, Self::None, Self::Broker, Self::Rolling];

    /// As written on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Broker => "broker",
            Self::Rolling => "rolling",
            Self::Az => "az",
            Self::AzAtPeak => "az-at-peak",
        }
    }

    /// Load in parts per thousand of the average.
    #[must_use]
    pub const fn load_permille(self, peak_permille: u64) -> u64 {
        match self {
            Self::None | Self::AzAtPeak => peak_permille,
            Self::Broker | Self::Rolling | Self::Az => 1000,
        }
    }

    /// Brokers that are left of so many in so many AZs.
    #[must_use]
    pub fn survivors(self, brokers: u64, azs: u64) -> u64 {
        match self {
            Self::None => brokers,
            Self::Broker | Self::Rolling => brokers.saturating_sub(1),
            Self::Az | Self::AzAtPeak => brokers - brokers / azs.max(1),
        }
    }
}

/// A cluster that is considered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Kind.
    pub kind: ClusterKind,
    /// Instance type.
    pub instance: String,
    /// Brokers.
    pub brokers: u32,
    /// Storage of each, GiB; where it grows by itself, a broker's share of what is kept.
    pub storage_gib: u64,
    /// Partitions of the topic.
    pub partitions: u32,
    /// US dollars a month, with the traffic of the average load.
    pub monthly_usd: Cents,
    /// Of it, traffic across AZs.
    pub traffic_usd: Cents,
}

/// A kind of which every cluster is ruled out without a simulation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuledOut {
    /// Kind.
    pub kind: ClusterKind,
    /// One of its clusters: the nearest one, where arithmetic decides.
    pub cluster: String,
    /// What it lacks.
    pub reason: String,
}

/// A resource's use by arithmetic alone: at least this much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// `network`, `disk`, `cpu`, `partitions`, `storage` or a quota.
    pub resource: String,
    /// State in which it is highest.
    pub state: State,
    /// Use of the busiest survivor, percent of what is always there.
    pub percent: Milli,
}

/// How a cluster behaved in a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// The state.
    pub state: State,
    /// Load, parts per thousand of the average.
    pub load_permille: u64,
    /// Whether every threshold holds.
    pub holds: bool,
    /// What does not hold.
    pub reason: Option<String>,
    /// Response p50 once the state has settled: of its median second.
    pub p50_ms: Option<Milli>,
    /// Response p99 once the state has settled: of its median second.
    pub p99_ms: Option<Milli>,
    /// Acknowledged share of the offered load once settled, percent.
    pub acked_percent: Milli,
    /// Longest time without an acknowledgement on a partition, transition included.
    pub longest_gap_ms: Milli,
    /// Acknowledged records that were lost.
    pub lost_records: u64,
    /// Use of each resource by the busiest broker once settled, percent.
    pub uses: Vec<Use>,
}

/// A resource's use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Use {
    /// `cpu`, `network` or `disk`.
    pub resource: String,
    /// Mean over the settled seconds, busiest broker.
    pub percent: Milli,
}

/// A cluster and its states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The cluster.
    pub cluster: Cluster,
    /// Bounds, the tightest first.
    pub bounds: Vec<Bound>,
    /// States that were simulated, the hardest first; the first that fails is the last.
    pub states: Vec<Judgement>,
    /// Whether it meets the requirements in every state.
    pub fits: bool,
    /// The largest multiple of the load at which every state still holds, as far as it was looked
    /// for.
    pub headroom: Option<Headroom>,
    /// The state that breaks first at rising load, as far as it was simulated.
    pub curve: Vec<Judgement>,
    /// When growth uses the headroom up.
    pub growth: Option<Growth>,
    /// Brokers of this instance type by Equation 1; Serverless has none to count.
    pub equation_1: Option<u32>,
    /// The bill of a month, line by line.
    pub bill: Vec<CostLine>,
}

/// When growth uses a cluster up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Months until the load is at the headroom.
    pub load_months: Milli,
    /// Whether the cluster holds longer than that: nothing broke as far as was looked.
    pub is_beyond: bool,
    /// Months until the volumes are full; absent where storage grows by itself.
    pub volume_months: Option<Milli>,
}

/// An instance type's brokers by different ways of reckoning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Formulas {
    /// Instance type.
    pub instance: String,
    /// The least that holds here; absent when none was found.
    pub simulated: Option<u32>,
    /// Its bill, US dollars a month.
    pub simulated_usd: Option<Cents>,
    /// Equation 1 of AWS's right-sizing article.
    pub equation_1: u32,
    /// AWS's sizing script; absent when it does not know the type.
    pub aws_script: Option<u64>,
    /// The script's bill, US dollars a month; absent where other prices count than the script's.
    pub aws_script_usd: Option<Cents>,
}

/// Where a cluster's thresholds break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Headroom {
    /// State that breaks first; the hardest one when none did.
    pub state: State,
    /// Every state holds at this multiple of the required load.
    pub holds_at: Milli,
    /// One breaks at this multiple; absent when all held as far as was looked.
    pub breaks_at: Option<Milli>,
    /// What binds there: the most used resource.
    pub binds: Option<Use>,
    /// What does not hold there.
    pub reason: Option<String>,
    /// The answer simulated once more beside its own headroom; only of the first cluster.
    pub verified: Option<Verified>,
}

/// A headroom, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// Whether every state holds at 0.9 times the stated headroom.
    pub holds_below: bool,
    /// What does not hold there, with its state.
    pub reason_below: Option<String>,
    /// Whether a state breaks at 1.3 times of it, simulated, or by a service's quotas; absent when no
    /// limit was found.
    pub breaks_above: Option<bool>,
    /// What does not hold there, with its state.
    pub reason_above: Option<String>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanReport {
    /// [`PLANNER_SCHEMA_VERSION`].
    pub schema_version: u32,
    /// 0, 7 when no cluster meets the requirements, or 130 when it was interrupted.
    pub exit_code: u8,
    /// What was asked.
    pub requirements: Requirements,
    /// Clusters that meet it, the cheapest first.
    pub fits: Vec<Candidate>,
    /// Clusters that were simulated and do not, the cheapest first.
    pub misses: Vec<Candidate>,
    /// Brokers by other people's formulas.
    pub formulas: Vec<Formulas>,
    /// Clusters that are ruled out without a simulation.
    pub cut_by_bounds: u32,
    /// Kinds of which every cluster is ruled out so, with one cluster of each.
    pub ruled_out: Vec<RuledOut>,
    /// Whether it was interrupted: what was found until then.
    pub interrupted: bool,
    /// Simulations that this took; those known from earlier are not counted.
    pub runs: u32,
    /// What is to be kept in mind.
    pub assumptions: Vec<String>,
    /// The command that repeats this.
    pub command: String,
}

impl Cluster {
    /// `6 x kafka.m7g.xlarge`; Serverless has no brokers to name.
    #[must_use]
    pub fn name_of(kind: ClusterKind, brokers: u32, instance: &str) -> String {
        match kind {
            ClusterKind::MskServerless => "MSK Serverless".to_owned(),
            _ => format!("{brokers} x {instance}"),
        }
    }
}

impl Bound {
    /// Whether more is needed than there is.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.percent > Milli::from_units(100_000)
    }

    /// `disk needs at least 120 % of what is always there, by arithmetic`.
    #[must_use]
    pub fn says(&self) -> String {
        let percent = self.percent.units() / 1000;
        format!(
            "{} needs at least {percent} % of what is always there, by arithmetic",
            self.resource
        )
    }
}

impl Candidate {
    /// `6 x kafka.m7g.xlarge`.
    #[must_use]
    pub fn name(&self) -> String {
        let cluster = &self.cluster;
        Cluster::name_of(cluster.kind, cluster.brokers, &cluster.instance)
    }

    /// The state that failed, if one did.
    #[must_use]
    pub fn failed(&self) -> Option<&Judgement> {
        self.states.iter().find(|judgement| !judgement.holds)
    }
}

impl PlanReport {
    /// The miss whose failed state comes nearest to its threshold.
    #[must_use]
    pub fn nearest_miss(&self) -> Option<&Candidate> {
        let distance = |candidate: &&Candidate| {
            let failed = candidate.failed()?;
            Some((
                std::cmp::Reverse(candidate.states.len()),
                failed.p99_ms.unwrap_or(Milli::from_units(i64::MAX)),
            ))
        };
        self.misses.iter().filter(|one| distance(one).is_some()).min_by_key(distance)
    }
}
