//! `[[events]]`: faults, operations and load changes.
//!
//! An event's `fault` decides which further keys it takes; each fault's keys are a section of
//! their own, so that a key of another fault is reported as unknown.

use super::decode::{At, Decode, Errors, Field, List, Place, choice, section, unknown_choice};
use super::scalar::{Count, Duration, Name, Share, Text};
use crate::text::diagnostic::Diagnostic;
use crate::text::source::Span;
use crate::text::tree::{Node, Table};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::borrow::Cow;

/// Something that happens at a time.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// When and for how long.
    pub(crate) time: EventTime,
    /// What.
    pub(crate) action: Action,
}

section! {
    /// When an event happens.
    "[[events]]" EventTime {
        /// When, counted from the begin of the measure phase.
        at: At<Duration>,
        /// How long. Default: until the heal phase.
        r#for: Option<At<Duration>>,
    }
}

choice! {
    /// How an AZ is lost.
    "a mode of `az-down`" AzMode {
        /// Hosts lose power: unsynced bytes are gone, but on MSK Express. They boot when the event ends.
        "power-off" PowerOff,
        /// Hosts run on, no packet enters or leaves the AZ.
        "isolate" Isolate,
    }
}

choice! {
    /// A credit bucket of a host.
    "a credit bucket" Resource {
        /// CPU credits of burstable instances.
        "cpu" Cpu,
        /// Network interface.
        "network" Network,
        /// Path to the volumes, and gp2 burst.
        "volume" Volume,
    }
}

section! {
    /// An AZ is lost.
    "fault `az-down`" AzDown {
        /// Name of the AZ.
        az: At<Name>,
        /// How it is lost. Default: `power-off`.
        mode: Option<At<AzMode>>,
        /// Whether clients in that AZ are lost too. Default: false.
        clients: Option<At<bool>>,
    }
}

section! {
    /// A fault of one node.
    "this fault" OneNode {
        /// Broker id from 1, or controller id from 10001.
        node: At<NodeId>,
    }
}

section! {
    /// A link passes nothing; connections are not reset.
    "fault `link-cut`" LinkCut {
        /// One side: `az:a`, `node:1`, `brokers`, `controllers`, `clients`.
        from: At<List<Text>>,
        /// Other side.
        to: At<List<Text>>,
        /// Only from -> to. Default: false.
        one_way: Option<At<bool>>,
    }
}

section! {
    /// A link is slower.
    "fault `link-delay`" LinkDelay {
        /// One side: `az:a`, `node:1`, `brokers`, `controllers`, `clients`.
        from: At<List<Text>>,
        /// Other side.
        to: At<List<Text>>,
        /// Only from -> to. Default: false.
        one_way: Option<At<bool>>,
        /// Added to each message.
        extra: At<Duration>,
        /// Uniform jitter on top. Default: none.
        jitter: Option<At<Duration>>,
    }
}

section! {
    /// A link loses packets.
    "fault `link-loss`" LinkLoss {
        /// One side: `az:a`, `node:1`, `brokers`, `controllers`, `clients`.
        from: At<List<Text>>,
        /// Other side.
        to: At<List<Text>>,
        /// Only from -> to. Default: false.
        one_way: Option<At<bool>>,
        /// Lost packets.
        loss: At<Share>,
    }
}

section! {
    /// A volume is slower.
    "fault `slow-disk`" SlowDisk {
        /// Broker id from 1, or controller id from 10001.
        node: At<NodeId>,
        /// Throughput and IOPS that remain. Default: 100%.
        rate: Option<At<Share>>,
        /// Added to each operation. Default: none.
        extra_latency: Option<At<Duration>>,
    }
}

section! {
    /// Object storage, where a topic has remote storage, is slow or answers with 503 Slow Down.
    "fault `object-storage`" ObjectStorage {
        /// Requests that are answered with 503; `"100%"` is an outage. Default: 0%.
        rejects: Option<At<Share>>,
        /// Added to the time to the first byte of every answer. Default: none.
        extra_latency: Option<At<Duration>>,
    }
}

section! {
    /// A node's wall clock is wrong until the event ends; its monotonic clock is not.
    "fault `clock-jump`" ClockJump {
        /// Broker id from 1, or controller id from 10001.
        node: At<NodeId>,
        /// How far.
        by: At<Duration>,
        /// Into the past. Default: false.
        back: Option<At<bool>>,
    }
}

section! {
    /// A node's clocks, the wall clock and the one that timers go by, run fast or slow until the event
    /// ends. What they have gained or lost stays.
    "fault `clock-drift`" ClockDrift {
        /// Broker id from 1, or controller id from 10001.
        node: At<NodeId>,
        /// By how much: `"0.02%"` is what a crystal does. At most 50%.
        by: At<Share>,
        /// Slow instead of fast. Default: false.
        slow: Option<At<bool>>,
    }
}

section! {
    /// Bytes of partitions' logs rot on a volume: read again, they fail their checksum until the event
    /// ends. Only what had been flushed to the volume when the event began; what is still in the page
    /// cache of it, too.
    "fault `bit-rot`" BitRot {
        /// Broker id from 1.
        node: At<NodeId>,
        /// Batches that are hit. Default: 100%.
        share: Option<At<Share>>,
    }
}

section! {
    /// Brokers restart one after another with controlled shutdown.
    "fault `rolling-restart`" RollingRestart {
        /// Broker ids in order. Default: all, by id.
        nodes: Option<At<List<NodeId>>>,
        /// Time that each is away.
        down: At<Duration>,
        /// Time between a broker's return and the next one's shutdown, which also waits until no
        /// partition is under-replicated, at most this long again. Default: 30s.
        pause: Option<At<Duration>>,
    }
}

section! {
    /// Credits of a resource are set, so that a run need not wait hours for their exhaustion.
    "fault `set-credits`" SetCredits {
        /// Broker id from 1. Default: every broker.
        node: Option<At<NodeId>>,
        /// Which bucket.
        resource: At<Resource>,
        /// Share of the full bucket.
        level: At<Share>,
    }
}

section! {
    /// A consumer group stops reading, and goes on when the event ends.
    "fault `consumer-pause`" ConsumerPause {
        /// Group id.
        group: At<Name>,
    }
}

section! {
    /// The processes of a producer or of a consumer group are killed and start anew when the event
    /// ends.
    "fault `client-crash`" ClientCrash {
        /// Name of the producer, or group id.
        client: At<Name>,
    }
}

section! {
    /// The processes of a producer or of a consumer group are stopped (SIGSTOP), connections open, and
    /// go on where they were when the event ends.
    "fault `client-pause`" ClientPause {
        /// Name of the producer, or group id.
        client: At<Name>,
        /// Only this one of its processes, counted from 0. Default: all.
        instance: Option<At<Count<0, 9_999>>>,
    }
}

section! {
    /// An administrator asks for other replicas of a partition.
    "operation `reassign`" Reassign {
        /// Topic.
        topic: At<Name>,
        /// Partition, counted from 0.
        partition: At<Count<0, 99_999>>,
        /// Broker ids, preferred leader first; as many as the partition has.
        replicas: At<List<NodeId>>,
    }
}

section! {
    /// An administrator changes a config of a topic.
    "operation `topic-config`" TopicConfig {
        /// Topic.
        topic: At<Name>,
        /// Kafka's name of the config.
        key: At<Text>,
        /// Value as Kafka reads it. Default: the inherited one.
        value: Option<At<Text>>,
    }
}

section! {
    /// Producers' rate is multiplied.
    "a load change" Load {
        /// New rate as a share of the curve's.
        load: At<Share>,
        /// Producer group. Default: all.
        producer: Option<At<Name>>,
    }
}

/// Id of a broker or controller.
pub(crate) type NodeId = Count<1, 20_000>;

/// Declares the faults once: reading, names and schema follow.
macro_rules! faults {
    ($( $doc:literal $text:literal $variant:ident($section:ident), )*) => {
        /// A fault or an operation.
        #[derive(Debug, Clone)]
        pub(crate) enum Action {
            $( #[doc = $doc] $variant($section), )*
            /// Producers' rate is multiplied.
            Load(Load),
        }

        /// Names of the faults.
        pub(crate) const FAULTS: &[&str] = &[$( $text ),*];

        fn read_fault(
            name: &str,
            table: &Table,
            span: Span,
            errors: &mut Errors,
        ) -> Option<Action> {
            $(
                if name == $text {
                    refuse_others(table, &format!("fault `{name}`"), $section::KEYS, errors);
                    return $section::read(table, span, errors).map(Action::$variant);
                }
            )*
            None
        }

        fn fault_schemas(generator: &mut SchemaGenerator) -> Vec<Schema> {
            vec![$( variant_schema::<$section>(generator, Some(($text, $doc))), )*]
        }
    };
}

faults! {
    "An AZ is lost."
    "az-down" AzDown(AzDown),

    "The host of a node loses power, then boots when the event ends."
    "host-crash" HostCrash(OneNode),

    "The process is killed (the page cache survives) and starts again when the event ends."
    "process-crash" ProcessCrash(OneNode),

    "The process is stopped and goes on when the event ends; connections stay open."
    "process-pause" ProcessPause(OneNode),

    "Nothing passes between two sides; connections are not reset."
    "link-cut" LinkCut(LinkCut),

    "Each message between two sides takes longer."
    "link-delay" LinkDelay(LinkDelay),

    "Packets between two sides are lost; each costs a retransmission delay."
    "link-loss" LinkLoss(LinkLoss),

    "A volume is slower."
    "slow-disk" SlowDisk(SlowDisk),

    "A volume is full: appends fail."
    "disk-full" DiskFull(OneNode),

    "Every operation on a volume fails: a process that uses it ends, and starts again when the event ends."
    "disk-error" DiskError(OneNode),

    "Every fsync of a volume fails: a process that needs one ends, and starts again when the event ends. What it had written and not synced may be gone, as the kernel takes failed pages for clean."
    "sync-error" SyncError(OneNode),

    "Bytes of partitions' logs rot on a volume: read again, they fail their checksum until the event ends. Only what had been flushed to the volume when the event began; what is still in the page cache of it, too."
    "bit-rot" BitRot(BitRot),

    "Object storage is slow or answers with 503 Slow Down."
    "object-storage" ObjectStorage(ObjectStorage),

    "A node's wall clock is wrong until the event ends; its monotonic clock is not."
    "clock-jump" ClockJump(ClockJump),

    "A node's clocks, the wall clock and the one that timers go by, run fast or slow until the event ends. What they have gained or lost stays."
    "clock-drift" ClockDrift(ClockDrift),

    "Brokers restart one after another with controlled shutdown."
    "rolling-restart" RollingRestart(RollingRestart),

    "Credits of a resource are set, so that a run need not wait hours for their exhaustion."
    "set-credits" SetCredits(SetCredits),

    "A consumer group stops reading, and goes on when the event ends."
    "consumer-pause" ConsumerPause(ConsumerPause),

    "The processes of a producer or of a consumer group are killed and start anew when the event ends."
    "client-crash" ClientCrash(ClientCrash),

    "The processes of a producer or of a consumer group are stopped and go on where they were when the event ends."
    "client-pause" ClientPause(ClientPause),

    "An administrator asks for other replicas of a partition, once; replicas move as fast as they can."
    "reassign" Reassign(Reassign),

    "An administrator changes a config of a topic, once."
    "topic-config" TopicConfig(TopicConfig),
}

/// Faults whose length is not the scenario's to choose: `check` refuses their `for`.
const WITHOUT_LENGTH: &[&str] = &["set-credits", "rolling-restart", "reassign", "topic-config"];

/// Refuses keys that neither every event nor this action has.
fn refuse_others(table: &Table, title: &str, keys: &[&str], errors: &mut Errors) {
    let known: Vec<&str> = EventTime::KEYS.iter().chain(keys).chain(&["fault"]).copied().collect();
    super::decode::refuse_unknown(table, title, &known, errors);
}

impl Decode for Event {
    fn decode(node: &Node, errors: &mut Errors) -> Option<Self> {
        let table = super::decode::table(node, EventTime::TITLE, errors)?;
        let time = EventTime::read(table, node.span, errors);
        let action = read_action(table, node, errors);
        Some(Self { time: time?, action: action? })
    }
}

fn read_action(table: &Table, node: &Node, errors: &mut Errors) -> Option<Action> {
    match (table.entry("fault"), table.entry("load")) {
        (None, None) => {
            // A misspelt `falut` is named before the missing key is.
            let keys: Vec<&str> = table.keys().collect();
            let help = match crate::text::diagnostic::closest("fault", keys) {
                Some(key) => format!("did you mean `fault` instead of `{key}`?"),
                None => format!("faults: {}", FAULTS.join(", ")),
            };
            let message = "[[events]] needs `fault` or `load`";
            errors.push(Diagnostic::new(node.span, message, "no action").help(help));
            None
        }
        (Some(fault), Some(load)) => {
            let message = "an event is a `fault` or a `load` change, not both";
            errors.push(
                Diagnostic::new(load.key_span, message, "load change")
                    .related(fault.key_span, "fault")
                    .help("write two events"),
            );
            None
        }
        (None, Some(_)) => {
            refuse_others(table, "a load change", Load::KEYS, errors);
            Load::read(table, node.span, errors).map(Action::Load)
        }
        (fault @ Some(entry), None) => {
            let place = Place { title: EventTime::TITLE, span: node.span, key: "fault" };
            let name: At<Text> = Field::read(fault, &place, errors)?;
            let name = name.value.0;
            if !FAULTS.contains(&name.as_str()) {
                errors.push(unknown_choice(&entry.node, &name, "a fault", FAULTS));
                return None;
            }
            read_fault(&name, table, node.span, errors)
        }
    }
}

/// Schema of one kind of event: its own keys, `at`, `for`, and its name as a constant.
fn variant_schema<T: JsonSchema>(
    generator: &mut SchemaGenerator,
    fault: Option<(&str, &str)>,
) -> Schema {
    let mut schema = T::json_schema(generator);
    let time = EventTime::json_schema(generator);
    let object = schema.ensure_object();
    let mut properties = serde_json::Map::new();
    let mut required = Vec::new();
    if let Some((name, doc)) = fault {
        properties.insert("fault".into(), serde_json::json!({ "const": name }));
        required.push("fault".into());
        object.insert("description".into(), doc.into());
    }
    for part in [time.as_object(), Some(&*object)].into_iter().flatten() {
        if let Some(serde_json::Value::Object(own)) = part.get("properties") {
            properties.extend(own.clone());
        }
        if let Some(serde_json::Value::Array(own)) = part.get("required") {
            required.extend(own.clone());
        }
    }
    if fault.is_some_and(|(name, _)| WITHOUT_LENGTH.contains(&name)) {
        properties.shift_remove("for");
    }
    object.insert("properties".into(), properties.into());
    object.insert("required".into(), required.into());
    schema
}

impl JsonSchema for Event {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut variants = fault_schemas(generator);
        variants.push(variant_schema::<Load>(generator, None));
        schemars::json_schema!({
            "description": "Something that happens at a time: a fault or a load change.",
            "oneOf": variants
        })
    }
}
