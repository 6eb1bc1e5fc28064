//! What a log needs of its topic's and its broker's configs. Leaves out compaction.

use crate::config::{ServerConfig, TimestampType, TopicConfig};
use crate::plant::Plant;

/// Configs of one log, in the units that the log works in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// Size at which a segment is rolled, bytes.
    pub segment_bytes: u32,
    /// Age at which a segment is rolled, ms between the timestamps of its first and next batch.
    pub segment_age_ms: i64,
    /// Bytes between two index entries.
    pub index_interval_bytes: u32,
    /// Retention by age, ms.
    pub retention_ms: Option<i64>,
    /// Retention by size, bytes.
    pub retention_bytes: Option<u64>,
    /// Largest batch that a client may append, bytes.
    pub max_message_bytes: u32,
    /// Who sets timestamps.
    pub timestamp_type: TimestampType,
    /// Idle producers are forgotten after this long, ms.
    pub producer_expiration_ms: i64,
    /// A planted bug, only with the feature `planted-bugs`.
    pub plant: Option<Plant>,
}

impl LogConfig {
    /// From a topic's effective config and the broker's.
    #[must_use]
    pub fn new(topic: &TopicConfig, server: &ServerConfig) -> Self {
        let unsigned = |value: i32| u32::try_from(value).unwrap_or(0);
        let millis = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        Self {
            segment_bytes: unsigned(topic.segment_bytes),
            segment_age_ms: millis(topic.segment_age.as_millis()),
            index_interval_bytes: unsigned(topic.index_interval_bytes),
            retention_ms: (topic.retention_ms >= 0).then_some(topic.retention_ms),
            retention_bytes: u64::try_from(topic.retention_bytes).ok(),
            max_message_bytes: unsigned(topic.max_message_bytes),
            timestamp_type: topic.log_append_time,
            producer_expiration_ms: millis(server.producer_id_expiration.as_millis()),
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
            retention_ms: None,
            retention_bytes: None,
            max_message_bytes: segment_bytes,
            ..Self::kafka_defaults()
        }
    }
}
