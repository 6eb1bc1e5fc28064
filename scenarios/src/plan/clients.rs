//! The clients of a plan: producers and consumers, what they send, and how they share work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Where sequences begin that a broker knows nothing of, so that some may reach their end, and go on at 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub first_sequence: i32,
}

impl ProducerPlan {
    /// Highest rate of a curve, thousandths of a record per second: 10^7 records/s, which simulations are made for.
    pub const MILLI_RECORDS_PER_SEC_MAX: u64 = 10_000_000_000;
}

fn is_zero(number: &i32) -> bool {
    *number == 0
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
    /// Each transaction has an epoch of its own, and leaders add its partitions (KIP-890, second part).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub epoch_each: bool,
    /// Each transaction commits a position of a group of its producer's own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub positions: bool,
    /// One in eight of those names a member that its group does not have. Where groups are in the consumer protocol,
    /// every other one is instead for the first of these, and names its first member in an epoch that it never reaches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub former_members: bool,
    /// `transaction.timeout.ms` of every other life of a producer, from the second one on, ms; none: of all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart_timeout_ms: Option<i32>,
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

impl ConsumerPlan {
    /// As `client.rack`: each member names its own AZ.
    pub const OWN_AZ: &str = "own";
}

/// Membership of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MembershipPlan {
    /// Who gets what.
    pub assignor: Assignor,
    /// Members keep their identity over a restart (`group.instance.id`, KIP-345).
    pub static_members: bool,
    /// What members read of the group's topics, in the consumer protocol.
    #[serde(default, skip_serializing_if = "Subscriptions::is_same")]
    pub subscriptions: Subscriptions,
    /// A static member that is paused closes its consumer, and makes another one when it goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closes: bool,
    /// Who divides partitions after a restart of a member, if that is another one: the group goes over to the other
    /// protocol, or back after another restart, once none of its members is left (KIP-848).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts_as: Option<Assignor>,
}

/// What members of a group read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Subscriptions {
    /// All of them all topics.
    #[default]
    Same,
    /// The first one all of them, the others one topic each, in turn.
    Different,
    /// The same, but every other one, the first included, subscribes by a regular expression, which matches topics
    /// that are called `spare`, too.
    Patterns,
    /// All of them all topics, by one regular expression, which matches topics that are called `spare`, too.
    Pattern,
    /// All of them all topics, until they are back as other members: then all but the first one leave out one topic, and
    /// the next one each time after that.
    Changing,
    /// The same by regular expressions, which match topics that are called `spare`, too.
    ChangingPattern,
    /// All of them all topics, and one more, which may not be there yet.
    Ahead,
}

impl Subscriptions {
    /// The topic that is not there yet.
    pub const AHEAD: &str = "spare-ahead";

    fn is_same(&self) -> bool {
        *self == Self::Same
    }
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
