//! server.properties and topic configs, typed. Names and defaults are Kafka 3.9's; MSK's own
//! defaults come in as explicit keys of the plan.

mod cleanup;
mod client_metrics;
mod dynamic_keys;
mod group_config;
mod group_keys;
mod other_groups;
mod replica_selector;
mod server_keys;
mod throttled_replicas;
mod together;
mod told;
mod topic_keys;
mod unread_keys;

pub use crate::group::Assignor;
pub use cleanup::{CleanupPolicy, IoRate, Ratio};
pub use dynamic_keys::AT_START;
pub use group_config::{GROUP_KEYS, GroupConfig, GroupKey};
pub use group_keys::{ConsumerAssignors, MigrationPolicy, RebalanceProtocols};
pub use replica_selector::ReplicaSelector;
pub use throttled_replicas::ThrottledReplicas;
pub use told::{is_sensitive, told_value, type_number};
pub use topic_keys::{Rule, TOPIC_KEYS, TopicKey};
pub use unread_keys::UnreadKey;

pub(crate) use client_metrics::{CLIENT_METRICS_KEYS, check_client_metrics, shown_client_metrics};
pub(crate) use dynamic_keys::{BROKER_KEYS, CHANGED_IN_KAFKA, KEPT_POOLS, dynamic_key, why_static};
pub(crate) use other_groups::check_other_groups;
pub(crate) use server_keys::kind_of;
pub(crate) use together::{check_inherited, check_together, effective_topic};
pub(crate) use unread_keys::UNREAD_KEYS;

use crate::features::InitialLevels;
use crate::ids::NodeId;
use crate::plant::Plant;
use crate::protocol::BrokerEndpoint;
use crate::quota::BrokerLimits;
use crate::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a node is told at its start.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// `node.id`.
    pub node: NodeId,
    /// Runs the broker role.
    pub broker: bool,
    /// Runs the controller role; such a node is a voter.
    pub controller: bool,
    /// `controller.quorum.voters`.
    pub voters: Vec<NodeId>,
    /// `broker.rack`.
    pub rack: Option<Arc<str>>,
    /// `advertised.listeners`; `None` where the shell knows where nodes are.
    pub endpoint: Option<Arc<BrokerEndpoint>>,
    /// server.properties.
    pub server: ServerConfig,
    /// What the service lets this broker do; no limits in plain Kafka.
    pub limits: BrokerLimits,
    /// Levels of features if the cluster is new.
    pub features: InitialLevels,
    /// Seed of the few random choices (election jitter); different for each node and start.
    pub seed: u64,
    /// Unique per process start (`incarnation.id`).
    pub incarnation: u128,
    /// First epoch of a transactional id: 0, as in Kafka, unless a test is about the end of epochs.
    pub first_producer_epoch: i16,
    /// A planted bug, only with the feature `planted-bugs`.
    pub plant: Option<Plant>,
}

/// A config value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Key.
    pub key: String,
    /// Value as given.
    pub value: String,
    /// What would be right.
    pub expected: &'static str,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "config `{}` = `{}`: expected {}", self.key, self.value, self.expected)
    }
}

impl std::error::Error for ConfigError {}

macro_rules! configs {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty = $key:literal, $default:expr;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$field_doc])* #[doc = concat!("\n\n`", $key, "`")] pub $field: $ty,)* }

        impl $name {
            /// Kafka's defaults.
            #[must_use]
            pub fn kafka_defaults() -> Self {
                Self { $($field: $default,)* }
            }

            /// Keys that are understood.
            pub const KEYS: &'static [&'static str] = &[$($key),*];

            /// Overrides values by their keys; keys of other readers are left alone.
            ///
            /// # Errors
            /// A value that does not parse.
            pub fn apply(&mut self, properties: &BTreeMap<String, String>) -> Result<(), ConfigError> {
                $(if let Some(value) = properties.get($key) {
                    self.$field = ConfigValue::parse(value).ok_or_else(|| ConfigError {
                        key: $key.to_owned(),
                        value: value.clone(),
                        expected: <$ty as ConfigValue>::EXPECTED,
                    })?;
                })*
                Ok(())
            }

            /// The same of overrides, which were validated when they were set. One that cannot be
            /// read all the same, as another version's, leaves the others in force.
            pub(crate) fn apply_readable(&mut self, overrides: &BTreeMap<Arc<str>, Arc<str>>) {
                let value = |key: &str| overrides.get(key).map(|text| &**text);
                $(if let Some(value) = value($key).and_then(ConfigValue::parse) {
                    self.$field = value;
                })*
            }

            /// Keys with their values and types, in no particular order.
            #[must_use]
            pub fn entries(&self) -> Vec<(&'static str, String, ConfigKind)> {
                vec![$(($key, self.$field.show(), <$ty as ConfigValue>::KIND)),*]
            }
        }
    };
}

/// Type of a config; values are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub enum ConfigKind {
    /// Of a config that nobody knows.
    Unknown = 0,
    /// true or false.
    Boolean = 1,
    /// Text.
    String = 2,
    /// 32 bits.
    Int = 3,
    /// 16 bits.
    Short = 4,
    /// 64 bits.
    Long = 5,
    /// A floating-point number.
    Double = 6,
    /// Words with commas between them.
    List = 7,
}

/// `Integer.MAX_VALUE`: no limit.
pub(crate) const NO_BOUND: u32 = i32::MAX.unsigned_abs();

trait ConfigValue: Sized {
    const EXPECTED: &'static str;
    const KIND: ConfigKind;
    fn parse(text: &str) -> Option<Self>;
    fn show(&self) -> String;
}

impl ConfigValue for i64 {
    const EXPECTED: &'static str = "a whole number";
    const KIND: ConfigKind = ConfigKind::Long;
    fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl ConfigValue for i32 {
    const EXPECTED: &'static str = "a whole number";
    const KIND: ConfigKind = ConfigKind::Int;
    fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl ConfigValue for u16 {
    const EXPECTED: &'static str = "a whole number from 1 to 65535";
    const KIND: ConfigKind = ConfigKind::Int;
    fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|n| *n > 0)
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl ConfigValue for u32 {
    const EXPECTED: &'static str = "a whole number from 0 to 2147483647";
    const KIND: ConfigKind = ConfigKind::Int;
    fn parse(text: &str) -> Option<Self> {
        text.trim().parse::<i32>().ok()?.try_into().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl ConfigValue for bool {
    const EXPECTED: &'static str = "true or false";
    const KIND: ConfigKind = ConfigKind::Boolean;
    fn parse(text: &str) -> Option<Self> {
        text.trim().to_ascii_lowercase().parse().ok()
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl ConfigValue for Duration {
    const EXPECTED: &'static str = "milliseconds, a whole number from 0";
    const KIND: ConfigKind = ConfigKind::Long;
    fn parse(text: &str) -> Option<Self> {
        text.trim().parse().ok().map(Self::from_millis)
    }
    fn show(&self) -> String {
        self.as_millis().to_string()
    }
}

configs! {
    /// server.properties as far as this broker reads them.
    ServerConfig {
        /// Request handler threads.
        num_io_threads: u16 = "num.io.threads", 8;
        /// Network processor threads.
        num_network_threads: u16 = "num.network.threads", 3;
        /// Connections at one time, which the shell counts.
        max_connections: u32 = "max.connections", NO_BOUND;
        /// Connections at one time of one address.
        max_connections_per_ip: u32 = "max.connections.per.ip", NO_BOUND;
        /// New connections per second.
        max_connection_creation_rate: u32 = "max.connection.creation.rate", NO_BOUND;
        /// Fetcher threads per source broker.
        num_replica_fetchers: u16 = "num.replica.fetchers", 1;
        /// Which replica consumers are sent to.
        replica_selector: ReplicaSelector = "replica.selector.class", ReplicaSelector::Leader;
        /// Follower out of sync after this long.
        replica_lag_time_max: Duration = "replica.lag.time.max.ms", Duration::from_millis(30_000);
        /// Followers' long poll.
        replica_fetch_wait_max_ms: i32 = "replica.fetch.wait.max.ms", 500;
        /// Followers' smallest answer.
        replica_fetch_min_bytes: i32 = "replica.fetch.min.bytes", 1;
        /// Followers' limit per partition.
        replica_fetch_max_bytes: i32 = "replica.fetch.max.bytes", 1 << 20;
        /// Followers' limit per response.
        replica_fetch_response_max_bytes: i32 = "replica.fetch.response.max.bytes", 10 << 20;
        /// Followers' pause after an error.
        replica_fetch_backoff: Duration = "replica.fetch.backoff.ms", Duration::from_millis(1000);
        /// Followers' request timeout.
        replica_socket_timeout: Duration = "replica.socket.timeout.ms", Duration::from_millis(30_000);
        /// Brokers' requests to the controller, apart from registration and heartbeats: a controller
        /// whose host has lost power is found out after this long.
        controller_socket_timeout: Duration = "controller.socket.timeout.ms", Duration::from_millis(30_000);
        /// Brokers' liveness signal.
        broker_heartbeat_interval: Duration = "broker.heartbeat.interval.ms", Duration::from_millis(2000);
        /// Silence after which a broker is fenced.
        broker_session_timeout: Duration = "broker.session.timeout.ms", Duration::from_millis(9000);
        /// Whether shutdown moves leaders first.
        controlled_shutdown_enable: bool = "controlled.shutdown.enable", true;
        /// How often high watermarks are checkpointed.
        replica_high_watermark_checkpoint_interval: Duration = "replica.high.watermark.checkpoint.interval.ms", Duration::from_millis(5000);
        /// How often recovery points are checkpointed.
        log_flush_offset_checkpoint_interval: Duration = "log.flush.offset.checkpoint.interval.ms", Duration::from_millis(60_000);
        /// How often retention looks.
        log_retention_check_interval: Duration = "log.retention.check.interval.ms", Duration::from_millis(300_000);
        /// Whether leaders move back to preferred replicas.
        auto_leader_rebalance_enable: bool = "auto.leader.rebalance.enable", true;
        /// How often leader imbalance is looked at, seconds.
        leader_imbalance_check_interval_seconds: i64 = "leader.imbalance.check.interval.seconds", 300;
        /// Imbalance tolerated per broker, percent.
        leader_imbalance_per_broker_percentage: i32 = "leader.imbalance.per.broker.percentage", 10;
        /// Partitions of `__consumer_offsets`.
        offsets_topic_num_partitions: i32 = "offsets.topic.num.partitions", 50;
        /// Replicas of `__consumer_offsets`.
        offsets_topic_replication_factor: i32 = "offsets.topic.replication.factor", 3;
        /// Size of the segments of `__consumer_offsets`.
        offsets_topic_segment_bytes: i32 = "offsets.topic.segment.bytes", 100 << 20;
        /// Positions of a group without members are kept this long, minutes.
        offsets_retention_minutes: i32 = "offsets.retention.minutes", 10_080;
        /// How often positions that are too old are looked for.
        offsets_retention_check_interval: Duration = "offsets.retention.check.interval.ms", Duration::from_millis(600_000);
        /// Longest metadata of a committed offset, bytes.
        offset_metadata_max_bytes: i32 = "offset.metadata.max.bytes", 4096;
        /// Partitions of `__transaction_state`.
        transaction_topic_num_partitions: i32 = "transaction.state.log.num.partitions", 50;
        /// Replicas of `__transaction_state`.
        transaction_topic_replication_factor: i32 = "transaction.state.log.replication.factor", 3;
        /// ISR that `__transaction_state` needs.
        transaction_topic_min_isr: i32 = "transaction.state.log.min.isr", 2;
        /// Size of the segments of `__transaction_state`.
        transaction_topic_segment_bytes: i32 = "transaction.state.log.segment.bytes", 100 << 20;
        /// Longest `transaction.timeout.ms` of a producer.
        transaction_max_timeout_ms: i32 = "transaction.max.timeout.ms", 900_000;
        /// How often transactions that take too long are looked for.
        transaction_timeout_check_interval: Duration = "transaction.abort.timed.out.transaction.cleanup.interval.ms", Duration::from_millis(10_000);
        /// Transactional ids that nobody uses are forgotten after this long.
        transactional_id_expiration: Duration = "transactional.id.expiration.ms", Duration::from_millis(604_800_000);
        /// How often they are looked for.
        transactional_id_expiration_check_interval: Duration = "transaction.remove.expired.transaction.cleanup.interval.ms", Duration::from_millis(3_600_000);
        /// Whether leaders ask before a transaction begins in a partition (KIP-890).
        transaction_partition_verification: bool = "transaction.partition.verification.enable", true;
        /// How long the first rebalance of a group waits for more members.
        group_initial_rebalance_delay: Duration = "group.initial.rebalance.delay.ms", Duration::from_millis(3000);
        /// Shortest session of a member.
        group_min_session_timeout_ms: i32 = "group.min.session.timeout.ms", 6000;
        /// Longest session of a member.
        group_max_session_timeout_ms: i32 = "group.max.session.timeout.ms", 1_800_000;
        /// Members that a group may have.
        group_max_size: i32 = "group.max.size", i32::MAX;
        /// Protocols that groups may speak.
        group_coordinator_rebalance_protocols: RebalanceProtocols = "group.coordinator.rebalance.protocols", RebalanceProtocols { consumer: true };
        /// Silence after which a member in the consumer protocol is taken for dead, ms.
        group_consumer_session_timeout_ms: i32 = "group.consumer.session.timeout.ms", 45_000;
        /// Shortest such session, ms.
        group_consumer_min_session_timeout_ms: i32 = "group.consumer.min.session.timeout.ms", 45_000;
        /// Longest such session, ms.
        group_consumer_max_session_timeout_ms: i32 = "group.consumer.max.session.timeout.ms", 60_000;
        /// How often members in the consumer protocol say that they are alive, ms.
        group_consumer_heartbeat_interval_ms: i32 = "group.consumer.heartbeat.interval.ms", 5000;
        /// Shortest such interval, ms.
        group_consumer_min_heartbeat_interval_ms: i32 = "group.consumer.min.heartbeat.interval.ms", 5000;
        /// Longest such interval, ms.
        group_consumer_max_heartbeat_interval_ms: i32 = "group.consumer.max.heartbeat.interval.ms", 15_000;
        /// Members that a group in the consumer protocol may have.
        group_consumer_max_size: i32 = "group.consumer.max.size", i32::MAX;
        /// Assignors of the coordinator's.
        group_consumer_assignors: ConsumerAssignors = "group.consumer.assignors", ConsumerAssignors(Assignor::ALL.to_vec());
        /// Which groups with members may change their protocol.
        group_consumer_migration_policy: MigrationPolicy = "group.consumer.migration.policy", MigrationPolicy::Bidirectional;
        /// Partitions of a new topic.
        num_partitions: i32 = "num.partitions", 1;
        /// Replicas of a new topic.
        default_replication_factor: i32 = "default.replication.factor", 1;
        /// Whether topics may be deleted.
        delete_topic_enable: bool = "delete.topic.enable", true;
        /// Whether asking for a topic's metadata may create it.
        auto_create_topics_enable: bool = "auto.create.topics.enable", true;
        /// Fetch sessions kept.
        max_incremental_fetch_session_cache_slots: i32 = "max.incremental.fetch.session.cache.slots", 1000;
        /// Limit of a consumer's response.
        fetch_max_bytes: i32 = "fetch.max.bytes", 55 << 20;
        /// Idle producer ids are forgotten after this long.
        producer_id_expiration: Duration = "producer.id.expiration.ms", Duration::from_millis(86_400_000);
        /// How often they are looked for.
        producer_id_expiration_check_interval: Duration = "producer.id.expiration.check.interval.ms", Duration::from_millis(600_000);
        /// How long a broker waits for another one's answer about a transaction, and for its markers to be replicated.
        request_timeout: Duration = "request.timeout.ms", Duration::from_millis(30_000);
        /// Raft: silence before an election.
        quorum_election_timeout: Duration = "controller.quorum.election.timeout.ms", Duration::from_millis(1000);
        /// Raft: leader not fetched by a majority, or follower without a fetch answer, for this long.
        quorum_fetch_timeout: Duration = "controller.quorum.fetch.timeout.ms", Duration::from_millis(2000);
        /// Raft: largest back-off between elections.
        quorum_election_backoff_max: Duration = "controller.quorum.election.backoff.max.ms", Duration::from_millis(1000);
        /// Raft: request timeout.
        quorum_request_timeout: Duration = "controller.quorum.request.timeout.ms", Duration::from_millis(2000);
        /// Raft: pause after a failed request.
        quorum_retry_backoff: Duration = "controller.quorum.retry.backoff.ms", Duration::from_millis(20);
        /// Bytes of metadata records between snapshots.
        metadata_log_max_record_bytes_between_snapshots: i64 = "metadata.log.max.record.bytes.between.snapshots", 20 << 20;
        /// The controller writes a no-op at least this often while idle.
        metadata_max_idle_interval: Duration = "metadata.max.idle.interval.ms", Duration::from_millis(500);
        /// Log segments' size.
        log_segment_bytes: i32 = "log.segment.bytes", 1 << 30;
        /// Log segments' age.
        log_roll: Duration = "log.roll.ms", Duration::from_millis(604_800_000);
        /// Index density.
        log_index_interval_bytes: i32 = "log.index.interval.bytes", 4096;
        /// Retention by age, ms; -1 = none.
        log_retention_ms: i64 = "log.retention.ms", 604_800_000;
        /// Retention by size per partition, bytes; -1 = none.
        log_retention_bytes: i64 = "log.retention.bytes", -1;
        /// Largest batch.
        message_max_bytes: i32 = "message.max.bytes", 1_048_588;
        /// ISR needed by acks=all.
        min_insync_replicas: i32 = "min.insync.replicas", 1;
        /// Whether a replica outside the ISR may lead when nobody else can.
        unclean_leader_election_enable: bool = "unclean.leader.election.enable", false;
        /// How often partitions that nobody leads are looked at: whether a replica outside the ISR may lead by now.
        unclean_leader_election_interval: Duration = "unclean.leader.election.interval.ms", Duration::from_millis(300_000);
        /// What becomes of old records.
        log_cleanup_policy: CleanupPolicy = "log.cleanup.policy", CleanupPolicy::DELETE;
        /// Whether logs are compacted at all.
        log_cleaner_enable: bool = "log.cleaner.enable", true;
        /// How long the cleaner rests when no log needs it.
        log_cleaner_backoff: Duration = "log.cleaner.backoff.ms", Duration::from_millis(15_000);
        /// What the cleaner may read and write.
        log_cleaner_io_rate_max: IoRate = "log.cleaner.io.max.bytes.per.second", IoRate::UNLIMITED;
        /// Memory of the cleaner's map of keys, bytes.
        log_cleaner_dedupe_buffer_size: i64 = "log.cleaner.dedupe.buffer.size", 128 << 20;
        /// What the cleaner reads at once, bytes.
        log_cleaner_io_buffer_size: i32 = "log.cleaner.io.buffer.size", 512 << 10;
        /// Share of a log that must be dirty.
        log_cleaner_min_cleanable_ratio: Ratio = "log.cleaner.min.cleanable.ratio", Ratio::HALF;
        /// Age below which records are not compacted.
        log_cleaner_min_compaction_lag: Duration = "log.cleaner.min.compaction.lag.ms", Duration::ZERO;
        /// Age above which records are compacted, however few they are, ms.
        log_cleaner_max_compaction_lag_ms: i64 = "log.cleaner.max.compaction.lag.ms", i64::MAX;
        /// How long tombstones and markers stay after they were cleaned first.
        log_cleaner_delete_retention: Duration = "log.cleaner.delete.retention.ms", Duration::from_millis(86_400_000);
        /// Records that may be appended to a log before it is flushed, and before they are acknowledged.
        log_flush_interval_messages: i64 = "log.flush.interval.messages", i64::MAX;
        /// How far behind the broker's clock a producer's timestamp may be, ms.
        log_message_timestamp_before_max_ms: i64 = "log.message.timestamp.before.max.ms", i64::MAX;
        /// How far ahead of it; an hour from Kafka 4.0 on (KIP-937, KIP-1030).
        log_message_timestamp_after_max_ms: i64 = "log.message.timestamp.after.max.ms", 3_600_000;
        /// Whether the shell has remote storage (KIP-405).
        remote_log_storage_system_enable: bool = "remote.log.storage.system.enable", false;
        /// How often is looked for what to copy to remote storage, and to delete there.
        remote_log_manager_task_interval: Duration = "remote.log.manager.task.interval.ms", Duration::from_millis(30_000);
        /// Copies to remote storage at one time.
        remote_log_manager_copier_threads: i32 = "remote.log.manager.copier.thread.pool.size", 10;
        /// Reads from remote storage at one time.
        remote_log_reader_threads: i32 = "remote.log.reader.threads", 10;
        /// Reads from remote storage that may wait for others.
        remote_log_reader_max_pending_tasks: i32 = "remote.log.reader.max.pending.tasks", 100;
        /// How long a fetch waits for remote storage.
        remote_fetch_max_wait_ms: i32 = "remote.fetch.max.wait.ms", 500;
        /// Retention on the local disk by age, ms; -1 = none, -2 = as `log.retention.ms`.
        log_local_retention_ms: i64 = "log.local.retention.ms", -2;
        /// Retention on the local disk by size per partition, bytes; -1 = none, -2 = as
        /// `log.retention.bytes`.
        log_local_retention_bytes: i64 = "log.local.retention.bytes", -2;
    }
}

configs! {
    /// Topic configs as far as this broker reads them.
    TopicConfig {
        /// Segment size.
        segment_bytes: i32 = "segment.bytes", 1 << 30;
        /// Segment age.
        segment_age: Duration = "segment.ms", Duration::from_millis(604_800_000);
        /// Index density.
        index_interval_bytes: i32 = "index.interval.bytes", 4096;
        /// Retention by age, ms; -1 = none.
        retention_ms: i64 = "retention.ms", 604_800_000;
        /// Retention by size, bytes; -1 = none.
        retention_bytes: i64 = "retention.bytes", -1;
        /// Largest batch.
        max_message_bytes: i32 = "max.message.bytes", 1_048_588;
        /// ISR needed by acks=all.
        min_insync_replicas: i32 = "min.insync.replicas", 1;
        /// Whether a replica outside the ISR may lead when nobody else can.
        unclean_leader_election_enable: bool = "unclean.leader.election.enable", false;
        /// Broker sets timestamps.
        log_append_time: TimestampType = "message.timestamp.type", TimestampType::CreateTime;
        /// What becomes of old records.
        cleanup_policy: CleanupPolicy = "cleanup.policy", CleanupPolicy::DELETE;
        /// Share of the log that must be dirty.
        min_cleanable_dirty_ratio: Ratio = "min.cleanable.dirty.ratio", Ratio::HALF;
        /// Age below which records are not compacted.
        min_compaction_lag: Duration = "min.compaction.lag.ms", Duration::ZERO;
        /// Age above which records are compacted, however few they are, ms.
        max_compaction_lag_ms: i64 = "max.compaction.lag.ms", i64::MAX;
        /// How long tombstones and markers stay after they were cleaned first.
        delete_retention: Duration = "delete.retention.ms", Duration::from_millis(86_400_000);
        /// As `log.flush.interval.messages`.
        flush_messages: i64 = "flush.messages", i64::MAX;
        /// How far behind the broker's clock a producer's timestamp may be, ms.
        timestamp_before_max_ms: i64 = "message.timestamp.before.max.ms", i64::MAX;
        /// How far ahead of it.
        timestamp_after_max_ms: i64 = "message.timestamp.after.max.ms", 3_600_000;
        /// Whether rolled segments go to remote storage.
        remote_storage_enable: bool = "remote.storage.enable", false;
        /// Retention on the local disk by age, ms; -1 = none, -2 = as `retention.ms`.
        local_retention_ms: i64 = "local.retention.ms", -2;
        /// Retention on the local disk by size, bytes; -1 = none, -2 = as `retention.bytes`.
        local_retention_bytes: i64 = "local.retention.bytes", -2;
        /// Replicas whose leaders count what they send them, and hold it back above a rate.
        leader_throttled: ThrottledReplicas = "leader.replication.throttled.replicas", ThrottledReplicas::NONE;
        /// Replicas that count what they fetch, and hold it back above a rate.
        follower_throttled: ThrottledReplicas = "follower.replication.throttled.replicas", ThrottledReplicas::NONE;
    }
}

/// `message.timestamp.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    /// Set by the producer.
    CreateTime,
    /// Set by the leader.
    LogAppendTime,
}

impl ConfigValue for TimestampType {
    const EXPECTED: &'static str = "CreateTime or LogAppendTime";
    const KIND: ConfigKind = ConfigKind::String;
    fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "CreateTime" => Some(Self::CreateTime),
            "LogAppendTime" => Some(Self::LogAppendTime),
            _ => None,
        }
    }
    fn show(&self) -> String {
        match self {
            Self::CreateTime => "CreateTime".to_owned(),
            Self::LogAppendTime => "LogAppendTime".to_owned(),
        }
    }
}

impl TopicConfig {
    /// Broker-wide values, before a topic's own overrides.
    #[must_use]
    pub fn from_server(server: &ServerConfig) -> Self {
        Self {
            segment_bytes: server.log_segment_bytes,
            segment_age: server.log_roll,
            index_interval_bytes: server.log_index_interval_bytes,
            retention_ms: server.log_retention_ms,
            retention_bytes: server.log_retention_bytes,
            max_message_bytes: server.message_max_bytes,
            min_insync_replicas: server.min_insync_replicas,
            unclean_leader_election_enable: server.unclean_leader_election_enable,
            log_append_time: TimestampType::CreateTime,
            cleanup_policy: server.log_cleanup_policy,
            min_cleanable_dirty_ratio: server.log_cleaner_min_cleanable_ratio,
            min_compaction_lag: server.log_cleaner_min_compaction_lag,
            max_compaction_lag_ms: server.log_cleaner_max_compaction_lag_ms,
            delete_retention: server.log_cleaner_delete_retention,
            flush_messages: server.log_flush_interval_messages,
            timestamp_before_max_ms: server.log_message_timestamp_before_max_ms,
            timestamp_after_max_ms: server.log_message_timestamp_after_max_ms,
            remote_storage_enable: false,
            local_retention_ms: server.log_local_retention_ms,
            local_retention_bytes: server.log_local_retention_bytes,
            leader_throttled: ThrottledReplicas::NONE,
            follower_throttled: ThrottledReplicas::NONE,
        }
    }
}
