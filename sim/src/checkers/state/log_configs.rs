//! A log goes by its topic's own configs, which are read here once more, apart from the core.

use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::log::LogConfig;

/// A topic's own configs, by key.
type Own = BTreeMap<Arc<str>, Arc<str>>;

/// Longer spans than this are as good as for ever, ms.
const EVER_MS: i64 = 1_000_000_000_000;

/// A config of a topic's own by which its log does not go.
pub(super) fn ignored<'a>(own: &'a Own, config: &LogConfig) -> Option<&'a str> {
    let mut all = own.iter().map(|(key, text)| (&**key, &**text));
    all.find(|one| !goes_by(*one, config)).map(|(key, _)| key)
}

/// Whether a log goes by one of its topic's own configs. Of others than these nothing is said.
fn goes_by((key, text): (&str, &str), config: &LogConfig) -> bool {
    let Ok(number) = text.trim().parse::<i64>() else {
        return key != "cleanup.policy" || is_policy(text, config);
    };
    let is_span = |used: i64| used == number || number > EVER_MS;
    let compaction = config.compaction.as_ref();
    match key {
        "retention.ms" => !config.deletes || config.retention_ms.unwrap_or(-1) == number,
        // what must be compacted in time has to leave the active segment before
        "segment.ms" => compaction.is_some() || is_span(config.segment_age_ms),
        "index.interval.bytes" => i64::from(config.index_interval_bytes) == number,
        "max.message.bytes" => i64::from(config.max_message_bytes) == number,
        "message.timestamp.before.max.ms" => config.timestamp_before_max_ms == number,
        "message.timestamp.after.max.ms" => config.timestamp_after_max_ms == number,
        "min.compaction.lag.ms" => compaction.is_none_or(|of| is_span(of.min_lag_ms)),
        "max.compaction.lag.ms" => compaction.is_none_or(|of| is_span(of.max_lag_ms)),
        "delete.retention.ms" => compaction.is_none_or(|of| is_span(of.delete_retention_ms)),
        _ => true,
    }
}

/// `cleanup.policy` is a list, in any order.
fn is_policy(text: &str, config: &LogConfig) -> bool {
    let has = |word: &str| text.split(',').any(|of| of.trim() == word);
    (config.compaction.is_some(), config.deletes) == (has("compact"), has("delete"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::config::{CleanupPolicy, ServerConfig, TopicConfig};

    fn config(cleanup_policy: CleanupPolicy) -> LogConfig {
        let server = ServerConfig::kafka_defaults();
        let topic = TopicConfig { cleanup_policy, ..TopicConfig::from_server(&server) };
        LogConfig::new(&topic, &server)
    }

    #[test]
    fn both_policies_count_in_any_order() {
        let both = config(CleanupPolicy { compact: true, delete: true });
        let compacts = config(CleanupPolicy::COMPACT);
        let own = |text: &str| Own::from([("cleanup.policy".into(), text.into())]);
        for text in ["compact,delete", "delete, compact"] {
            assert_eq!(ignored(&own(text), &both), None);
            assert_eq!(ignored(&own(text), &compacts), Some("cleanup.policy"));
            let deletes = config(CleanupPolicy::DELETE);
            assert_eq!(ignored(&own(text), &deletes), Some("cleanup.policy"));
        }
        assert_eq!(ignored(&own("compact"), &compacts), None);
    }

    #[test]
    fn numbers_are_those_that_were_set() {
        let deletes = config(CleanupPolicy::DELETE);
        let own = |key: &str, text: &str| Own::from([(key.into(), text.into())]);
        assert_eq!(ignored(&own("retention.ms", "604800000"), &deletes), None);
        assert_eq!(ignored(&own("retention.ms", "1000"), &deletes), Some("retention.ms"));
        let compacts = config(CleanupPolicy::COMPACT);
        assert_eq!(ignored(&own("retention.ms", "1000"), &compacts), None, "it does not count");
        assert_eq!(ignored(&own("delete.retention.ms", "500"), &deletes), None, "nor does this");
        assert!(ignored(&own("delete.retention.ms", "500"), &compacts).is_some());
        assert_eq!(ignored(&own("some.other.key", "5"), &deletes), None);
    }
}
