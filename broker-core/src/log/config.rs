//! What a log needs of its topic's and its broker's configs.

use crate::config::{Ratio, ServerConfig, TimestampType, TopicConfig};
use crate::plant::Plant;

/// Configs of one log, in the units that the log works in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// Size at which a segment is rolled, bytes.
    pub segment_bytes: u32,
    /// Age at which a segment is rolled, ms between the timestamps of its first and next batch; by the wall clock
    /// where the first one has none.
    pub segment_age_ms: i64,
    /// Records that may be appended before they are flushed (`flush.messages`).
    pub flush_messages: i64,
    /// Bytes between two index entries.
    pub index_interval_bytes: u32,
    /// Retention by age, ms.
    pub retention_ms: Option<i64>,
    /// Retention by size, bytes.
    pub retention_bytes: Option<u64>,
    /// Largest batch that a client or coordinator may append, bytes.
    pub max_message_bytes: u32,
    /// Who sets timestamps.
    pub timestamp_type: TimestampType,
    /// How far behind the broker's clock a producer's timestamps may be, ms.
    pub timestamp_before_max_ms: i64,
    /// How far ahead of it, ms.
    pub timestamp_after_max_ms: i64,
    /// Idle producers are forgotten after this long, ms.
    pub producer_expiration_ms: i64,
    /// Whether old segments may be deleted (`cleanup.policy`).
    pub deletes: bool,
    /// How the log is compacted, if it is (`cleanup.policy`).
    pub compaction: Option<Compaction>,
    /// What stays on the local disk, where older segments are in remote storage.
    pub tiering: Option<Tiering>,
    /// A planted bug, only with the feature `planted-bugs`.
    pub plant: Option<Plant>,
}

/// Configs of a log whose rolled segments go to remote storage (KIP-405).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiering {
    /// Local retention by age, ms.
    pub local_retention_ms: Option<i64>,
    /// Local retention by size, bytes.
    pub local_retention_bytes: Option<u64>,
}

impl Tiering {
    /// `-2` stands for the retention of the whole log, `-1` for no limit.
    fn new(topic: &TopicConfig) -> Self {
        let or_whole = |local, whole| if local == -2 { whole } else { local };
        let ms = or_whole(topic.local_retention_ms, topic.retention_ms);
        let bytes = or_whole(topic.local_retention_bytes, topic.retention_bytes);
        Self {
            local_retention_ms: (ms >= 0).then_some(ms),
            local_retention_bytes: u64::try_from(bytes).ok(),
        }
    }
}

/// Configs of compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Share of the log that must be dirty.
    pub min_dirty_ratio: Ratio,
    /// Age below which records are not compacted, ms.
    pub min_lag_ms: i64,
    /// Age above which records are compacted, however few they are, ms.
    pub max_lag_ms: i64,
    /// How long tombstones and markers stay after they were cleaned first, ms.
    pub delete_retention_ms: i64,
}

impl LogConfig {
    /// From a topic's effective config and the broker's.
    #[must_use]
    pub fn new(topic: &TopicConfig, server: &ServerConfig) -> Self {
        let unsigned = |value: i32| u32::try_from(value).unwrap_or(0);
        let millis = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let compaction = topic.cleanup_policy.compact.then(|| Compaction {
            min_dirty_ratio: topic.min_cleanable_dirty_ratio,
            min_lag_ms: millis(topic.min_compaction_lag.as_millis()),
            max_lag_ms: topic.max_compaction_lag_ms,
            delete_retention_ms: millis(topic.delete_retention.as_millis()),
        });
        let deletes = topic.cleanup_policy.delete;
        // Kafka's `maxSegmentMs`: what must be compacted in time must leave the active segment
        let age_limit_ms = compaction.map_or(i64::MAX, |c| c.max_lag_ms);
        let tiered = server.remote_log_storage_system_enable && topic.remote_storage_enable;
        Self {
            segment_bytes: unsigned(topic.segment_bytes),
            segment_age_ms: millis(topic.segment_age.as_millis()).min(age_limit_ms),
            flush_messages: topic.flush_messages.max(1),
            index_interval_bytes: unsigned(topic.index_interval_bytes),
            retention_ms: (deletes && topic.retention_ms >= 0).then_some(topic.retention_ms),
            retention_bytes: u64::try_from(topic.retention_bytes).ok().filter(|_| deletes),
            max_message_bytes: unsigned(topic.max_message_bytes),
            timestamp_type: topic.log_append_time,
            timestamp_before_max_ms: topic.timestamp_before_max_ms,
            timestamp_after_max_ms: topic.timestamp_after_max_ms,
            producer_expiration_ms: millis(server.producer_id_expiration.as_millis()),
            deletes,
            compaction,
            tiering: (tiered && compaction.is_none()).then(|| Tiering::new(topic)),
            plant: None,
        }
    }

    /// Kafka's defaults.
    #[must_use]
    pub fn kafka_defaults() -> Self {
        Self::new(&TopicConfig::kafka_defaults(), &ServerConfig::kafka_defaults())
    }

    /// For the metadata log: rolled by size, trimmed by snapshots only, no limit on a batch but
    /// the segment's size.
    #[must_use]
    pub fn metadata(segment_bytes: u32) -> Self {
        Self {
            segment_bytes,
            segment_age_ms: i64::MAX,
            flush_messages: i64::MAX,
            retention_ms: None,
            retention_bytes: None,
            max_message_bytes: segment_bytes,
            tiering: None,
            ..Self::kafka_defaults()
        }
    }
}
