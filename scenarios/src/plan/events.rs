//! What happens to the cluster of a plan, and when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
        /// Hosts lose power (unsynced bytes are gone, but on MSK Express) or only their network.
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
        /// Only this one of its members, counted from 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<u32>,
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
    /// An administrator asks for a change of the cluster, once. Whether it gets through is left to what
    /// else happens; it breaks no promise.
    Admin {
        /// What is asked for.
        operation: Operation,
    },
}

/// A change that an administrator asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Every partition is to be led by its first replica.
    ElectPreferred,
    /// A partition gets other replicas.
    Reassign {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u32,
        /// Node ids, preferred leader first.
        replicas: Vec<i32>,
    },
    /// A reassignment that is under way is taken back.
    CancelReassignment {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u32,
    },
    /// A config of a topic changes.
    SetTopicConfig {
        /// Topic.
        topic: String,
        /// Kafka's name of the config.
        key: String,
        /// Value; `None` puts the inherited one back.
        value: Option<String>,
    },
    /// A config of all brokers, or of one, changes while they run.
    SetBrokerConfig {
        /// Node id; `None`: all of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<i32>,
        /// Kafka's name of the config.
        key: String,
        /// Value; `None` puts back what counts without it.
        value: Option<String>,
    },
    /// A topic that no client of the plan has.
    CreateTopic {
        /// Topic.
        topic: String,
        /// Node ids of each partition's replicas.
        assignment: Vec<Vec<i32>>,
    },
    /// Such a topic gets more partitions, whose replicas the controller places.
    AddPartitions {
        /// Topic.
        topic: String,
        /// Partitions that there shall be.
        partitions: u32,
    },
    /// Such a topic goes.
    DeleteTopic {
        /// Topic.
        topic: String,
    },
    /// Some broker is asked to delete records of all partitions of a topic that it leads.
    DeleteRecords {
        /// Topic.
        topic: String,
        /// Offset before which they go; `None`: all that is committed.
        before: Option<u32>,
    },
    /// Some broker is asked for the last offset of partitions of a topic, or where their newest timestamp is.
    ListOffsets {
        /// Topic.
        topic: String,
        /// Asks for the first record of so long ago, ms, and where logs begin, too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        back_ms: Option<u32>,
        /// Asks as a reader of committed records.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        committed: bool,
    },
    /// A broker's registration is ended: it may be gone for good, or not.
    UnregisterBroker {
        /// Node id.
        node: i32,
    },
    /// A group without members gets a position in each partition of a topic.
    CommitPositions {
        /// Group id.
        group: String,
        /// Topic.
        topic: String,
        /// The position.
        offset: u32,
    },
    /// Somebody asks for a group's positions in a topic, as a reader of committed records.
    FetchPositions {
        /// Group id.
        group: String,
        /// Topic.
        topic: String,
    },
    /// Somebody begins a transaction in a topic of its own, and leaves it to the coordinator to end it.
    BeginTransaction {
        /// Topic.
        topic: String,
    },
    /// A group loses its positions in a topic.
    DeletePositions {
        /// Group id.
        group: String,
        /// Topic.
        topic: String,
    },
    /// A group goes with all its positions.
    DeleteGroup {
        /// Group id.
        group: String,
    },
    /// Who had a static member's name (`group.instance.id`) before says that it leaves. Its heir has that name by now.
    LeaveLate {
        /// Group id.
        group: String,
        /// Which member, from 0.
        member: u32,
    },
    /// Static members are taken out of their group by their names, in one request (KIP-345): those that there are.
    RemoveMembers {
        /// Group id.
        group: String,
        /// How many of its members, from the first on.
        count: u32,
    },
    /// Somebody asks to join a group in the classic protocol, is given a member id, and never comes again with it
    /// (KIP-394).
    TakeMemberId {
        /// Group id.
        group: String,
        /// `session.timeout.ms`: for so long its coordinator waits for it, ms.
        session_ms: u32,
    },
    /// Some broker is asked for the groups that it coordinates.
    ListGroups,
    /// A clumsy producer sends a batch that its leader must refuse.
    ProduceFlawed {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u32,
        /// What is wrong with the batch.
        flaw: Flaw,
    },
    /// A topic that no client of the plan has, whose replicas the controller places.
    PlaceTopic {
        /// Topic.
        topic: String,
        /// Partitions.
        partitions: u32,
        /// Replicas of each.
        replicas: u32,
    },
    /// Topics are asked for in one request, and the controller places their replicas. Some may be there already.
    PlaceTopics {
        /// Topics.
        topics: Vec<String>,
        /// Partitions of each.
        partitions: u32,
        /// Replicas of each partition.
        replicas: u32,
        /// Configs of each, with Kafka's names.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        config: BTreeMap<String, String>,
    },
    /// Words are added to a list among a topic's configs, or taken out of it.
    ChangeTopicList {
        /// Topic.
        topic: String,
        /// Kafka's name of the config.
        key: String,
        /// With commas between them.
        words: String,
        /// Whether they are taken out.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        subtracts: bool,
    },
    /// A config of a group changes.
    SetGroupConfig {
        /// Group id.
        group: String,
        /// Kafka's name of the config.
        key: String,
        /// Value; `None` puts the inherited one back.
        value: Option<String>,
    },
    /// Some broker is asked for the configs of a topic, of a group, and of all brokers.
    DescribeConfigs {
        /// Topic.
        topic: String,
        /// Group id.
        group: String,
    },
    /// A partition without a leader gets one, at the price of lost records if need be.
    ElectUnclean {
        /// Topic.
        topic: String,
        /// Partition.
        partition: u32,
    },
    /// A quota of clients is set, or taken away. Asked for until it is answered.
    SetClientQuota {
        /// Whose.
        of: QuotaOf,
        /// Kafka's name of the quota.
        key: String,
        /// A number; `None` takes it away.
        value: Option<String>,
    },
    /// Some broker is asked for quotas of clients.
    DescribeClientQuotas {
        /// Whose; `<any>` is any of its type.
        of: QuotaOf,
        /// Not of those that are of further types.
        strict: bool,
    },
}

/// Whom a quota is for: users, client ids, or both, or addresses. `<default>` is the default of its type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaOf {
    /// User.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Client id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
}

impl QuotaOf {
    /// The default of a type.
    pub const DEFAULT: &str = "<default>";
    /// Any of a type, where quotas are asked for.
    pub const ANY: &str = "<any>";

    /// Types, as Kafka names them, with what is said of each.
    pub fn parts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let parts = [("user", &self.user), ("client-id", &self.client_id), ("ip", &self.ip)];
        parts.into_iter().filter_map(|(kind, part)| Some((kind, part.as_deref()?)))
    }
}

/// Why a batch of a client must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// Its last offset delta says that it has one record more.
    RecordCount,
    /// Its offsets do not begin at 0.
    BaseOffset,
    /// It is a marker.
    Control,
    /// It has a producer id, and no sequence.
    NoSequence,
    /// It is of a transaction, and has no producer id.
    NoProducer,
    /// It is larger than `max.message.bytes`.
    TooLarge,
    /// It is younger than `message.timestamp.after.max.ms` allows.
    FromTheFuture,
    /// There are two.
    TwoBatches,
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
