//! `[[topics]]`, `[[producers]]` and `[[consumers]]`.

use super::decode::{At, Decode, Errors, List, choice, section, unknown_choice, wrong_kind};
use super::scalar::{Config, ConfigEntry, Count, Duration, Factor, Name, Rate, Share, Size};
use crate::bounds::{
    CLIENTS_MAX, KEYS_MAX, OUTSTANDING_MAX, PARTITIONS_MAX, TRANSACTION_RECORDS_MAX,
};
use crate::text::diagnostic::Diagnostic;
use crate::text::tree::{Node, Value};
use schemars::JsonSchema;

section! {
    /// A topic that exists when the run begins.
    "[[topics]]" Topic {
        /// Name.
        name: At<Name>,
        /// Number of partitions.
        partitions: At<Count<1, PARTITIONS_MAX>>,
        /// Replication factor. Default: `default.replication.factor` of the cluster.
        replication: Option<At<Count<1, 32>>>,
        /// Topic configs with Kafka's names.
        config: Option<At<Config>>,
        /// Bytes that the whole topic holds before the run, evenly over its partitions and not in
        /// the page cache. Default: none.
        preload: Option<At<Size>>,
        /// Size of the preloaded records. Default: 1 KiB.
        preload_record_size: Option<At<Size>>,
    }
}

impl Topic {
    /// Where remote storage is turned on, if it is.
    pub(crate) fn remote_storage(&self) -> Option<&ConfigEntry> {
        let entry = self.config.as_ref()?.value.entry("remote.storage.enable")?;
        (entry.value == "true").then_some(entry)
    }
}

choice! {
    /// Client library whose defaults and behaviour apply.
    "a client profile" Profile {
        /// Apache Kafka's Java client, of the cluster's version.
        "java" Java,
        /// librdkafka; its own config names are accepted.
        "librdkafka" Librdkafka,
    }
}

choice! {
    /// How a rate moves between the points of a curve.
    "an interpolation" Interpolation {
        /// Straight lines.
        "linear" Linear,
        /// The rate jumps at each point.
        "step" Step,
    }
}

choice! {
    /// Where a consumer group starts.
    "a start position" From {
        /// The beginning of the log.
        "beginning" Beginning,
        /// The end of the log.
        "end" End,
    }
}

section! {
    /// A group of identical producers.
    "[[producers]]" Producer {
        /// Name, used as client id prefix.
        name: At<Name>,
        /// Topic produced to.
        topic: At<Name>,
        /// Number of client instances; the rate is divided evenly. Default: 1.
        count: Option<At<Count<1, CLIENTS_MAX>>>,
        /// Total rate of all instances, in bytes or records per second.
        rate: Option<At<Rate>>,
        /// Total rate over time, instead of `rate`.
        curve: Option<At<List<CurvePoint>>>,
        /// How the rate moves between the points of `curve`. Default: `linear`.
        interpolation: Option<At<Interpolation>>,
        /// Size of a record's key and value. Default: 1 KiB.
        record_size: Option<At<RecordSize>>,
        /// When records are handed to the client. Default: `poisson`.
        arrival: Option<At<Arrival>>,
        /// Keys. In a compacted topic every eighth batch ends in a tombstone. Default: none (sticky
        /// partitioner).
        keys: Option<At<Keys>>,
        /// Records go in transactions; each instance has its own transactional id. Default: false.
        transactional: Option<At<bool>>,
        /// How long transactions are, and how many are aborted; needs `transactional`.
        transaction: Option<At<Transaction>>,
        /// Compressed size as a share of the raw size; needs `compression.type`. Default: 100%.
        compressed_to: Option<At<Share>>,
        /// Client library. Default: `java`.
        profile: Option<At<Profile>>,
        /// AZs of the instances, dealt out in turn. Default: all AZs.
        azs: Option<At<List<Name>>>,
        /// Client config with the client library's names.
        config: Option<At<Config>>,
    }
}

section! {
    /// Transactions of a producer: one ends with whichever comes first, records or time.
    "transaction" Transaction {
        /// Records after which it ends; those handed over in one go are not divided. Default: 100.
        records: Option<At<Count<1, TRANSACTION_RECORDS_MAX>>>,
        /// Time after which it ends, from its first record. Default: 100ms.
        length: Option<At<Duration>>,
        /// Share of transactions that the application aborts. Default: 0%.
        aborted: Option<At<Share>>,
    }
}

section! {
    /// A point of a rate curve.
    "a point of `curve`" CurvePoint {
        /// When, counted from the begin of the measure phase.
        at: At<Duration>,
        /// Total rate of all instances.
        rate: At<Rate>,
    }
}

/// Size of a record: fixed, or uniform between two.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub(crate) enum RecordSize {
    /// Always the same.
    Fixed(Size),
    /// Uniform between two.
    Between(SizeRange),
}

section! {
    /// Sizes between two bounds.
    "record_size" SizeRange {
        /// Smallest.
        min: At<Size>,
        /// Largest.
        max: At<Size>,
    }
}

impl Decode for RecordSize {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        match &node.value {
            Value::Table(_) => SizeRange::decode(node, errors).map(Self::Between),
            _ => Size::decode(node, errors).map(Self::Fixed),
        }
    }
}

/// Arrival process.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(crate) enum Arrival {
    /// Evenly spaced.
    Uniform,
    /// Poisson process.
    Poisson,
    /// On-off bursts with the same mean.
    Bursty(Bursty),
    /// Closed loop: each instance keeps records outstanding; the rate is ignored.
    Closed(Closed),
}

section! {
    /// On-off bursts.
    "arrival.bursty" Bursty {
        /// Length of a burst.
        on: At<Duration>,
        /// Length of the silence after it.
        off: At<Duration>,
    }
}

section! {
    /// Closed loop.
    "arrival.closed" Closed {
        /// Records in flight per instance.
        outstanding: At<Count<1, OUTSTANDING_MAX>>,
    }
}

/// Keys of records.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub(crate) enum Keys {
    /// No key.
    None,
    /// Uniform over a number of keys.
    Uniform(UniformKeys),
    /// Zipf over a number of keys.
    Zipf(ZipfKeys),
}

section! {
    /// Uniform keys.
    "keys.uniform" UniformKeys {
        /// Number of keys.
        count: At<Count<1, KEYS_MAX>>,
    }
}

section! {
    /// Zipf keys.
    "keys.zipf" ZipfKeys {
        /// Number of keys.
        count: At<Count<1, KEYS_MAX>>,
        /// Exponent: 1 is the classic law, more is more skewed. Default: 1.
        exponent: Option<At<Factor>>,
    }
}

/// The one entry of a table such as `{ zipf = {..} }`, by its name.
fn variant<'a>(
    node: &'a Node,
    what: &str,
    names: &[&str],
    errors: &mut Errors,
) -> Option<(&'a str, Option<&'a Node>)> {
    match &node.value {
        Value::String(text) => Some((text, None)),
        Value::Table(table) => {
            let [entry] = table.entries.as_slice() else {
                let message = format!("{what} is exactly one of {}", names.join(", "));
                errors.push(Diagnostic::new(node.span, message, "one key expected"));
                return None;
            };
            Some((&entry.key, Some(&entry.node)))
        }
        _ => {
            errors.push(wrong_kind(node, "a string or a table"));
            None
        }
    }
}

impl Decode for Arrival {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let names = ["uniform", "poisson", "bursty", "closed"];
        match variant(node, "arrival", &names, errors)? {
            ("uniform", None) => Some(Self::Uniform),
            ("poisson", None) => Some(Self::Poisson),
            ("bursty", Some(node)) => Bursty::decode(node, errors).map(Self::Bursty),
            ("closed", Some(node)) => Closed::decode(node, errors).map(Self::Closed),
            (name, inner) => {
                errors.push(misplaced(node, name, inner.is_some(), "an arrival process", &names));
                None
            }
        }
    }
}

impl Decode for Keys {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let names = ["none", "uniform", "zipf"];
        match variant(node, "keys", &names, errors)? {
            ("none", None) => Some(Self::None),
            ("uniform", Some(node)) => UniformKeys::decode(node, errors).map(Self::Uniform),
            ("zipf", Some(node)) => ZipfKeys::decode(node, errors).map(Self::Zipf),
            (name, inner) => {
                errors.push(misplaced(node, name, inner.is_some(), "a kind of keys", &names));
                None
            }
        }
    }
}

/// A wrong name, or a right one with or without the parameters that it needs.
fn misplaced(
    node: &Node,
    name: &str,
    has_parameters: bool,
    what: &str,
    names: &[&str],
) -> Diagnostic {
    if !names.contains(&name) {
        return unknown_choice(node, name, what, names);
    }
    if has_parameters {
        let message = format!("`{name}` takes no parameters");
        return Diagnostic::new(node.span, message, "here").help(format!("write \"{name}\""));
    }
    let message = format!("`{name}` needs parameters");
    Diagnostic::new(node.span, message, "here").help(format!("write {{ {name} = {{ .. }} }}"))
}

choice! {
    /// What readers see of transactions.
    "an isolation level" Isolation {
        /// Committed transactions only, up to the first one that is open.
        "read_committed" ReadCommitted,
        /// Everything up to the high watermark.
        "read_uncommitted" ReadUncommitted,
    }
}

choice! {
    /// How partitions come to members.
    "a kind of membership" Membership {
        /// Dealt out by range before the run.
        "none" None,
        /// The classic group protocol: join, sync, heartbeats, rebalances.
        "classic" Classic,
        /// The consumer protocol (KIP-848): the coordinator assigns, heartbeats tell.
        "consumer" Consumer,
    }
}

choice! {
    /// How partitions are divided.
    "an assignor" AssignorName {
        /// In ranges of each topic: Java's `RangeAssignor`, or the coordinator's.
        "range" Range,
        /// Java's `CooperativeStickyAssignor` (KIP-429), of the classic protocol.
        "cooperative-sticky" CooperativeSticky,
        /// The coordinator's `UniformAssignor`, of the consumer protocol.
        "uniform" Uniform,
    }
}

section! {
    /// A consumer group.
    "[[consumers]]" Consumer {
        /// Group id.
        group: At<Name>,
        /// Topics read.
        topics: At<List<Name>>,
        /// Members. Default: 1.
        count: Option<At<Count<1, CLIENTS_MAX>>>,
        /// When the group starts, counted from the begin of the measure phase. Default: with the
        /// run.
        start_at: Option<At<Duration>>,
        /// Where the group starts. Default: `end`.
        from: Option<At<From>>,
        /// Processing time per record. Default: none.
        process_time: Option<At<Duration>>,
        /// What the group sees of transactions; `isolation.level` of its config. Default: what the
        /// client library does.
        isolation: Option<At<Isolation>>,
        /// How partitions come to members. Default: `none`, dealt out by range.
        membership: Option<At<Membership>>,
        /// How the group's leader, or its coordinator, divides partitions; needs `membership`.
        /// Default: `range` with `classic`, `uniform` with `consumer`.
        assignor: Option<At<AssignorName>>,
        /// Members keep their identity over a restart (`group.instance.id`); needs `membership`.
        /// Default: false.
        static_members: Option<At<bool>>,
        /// Client library. Default: `java`.
        profile: Option<At<Profile>>,
        /// AZs of the members, dealt out in turn. Default: all AZs.
        azs: Option<At<List<Name>>>,
        /// Client config with the client library's names. `client.rack = "own"` stands for each member's own AZ.
        config: Option<At<Config>>,
    }
}
