//! Configs of brokers that take effect while they run (Kafka's `DynamicBrokerConfig`): what topics
//! inherit. Leaves out threads, listeners, the cleaner's own and throttles.

use super::{ServerConfig, TOPIC_KEYS, TopicConfig, TopicKey};

/// The topics' config that inherits a config of brokers which may change while they run; `None` for
/// all others.
#[must_use]
pub fn dynamic_key(name: &str) -> Option<&'static TopicKey> {
    let is_read = |key: &TopicKey| {
        TopicConfig::KEYS.contains(&key.name) && ServerConfig::KEYS.contains(&key.server)
    };
    TOPIC_KEYS.iter().find(|key| key.server == name && is_read(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_topics_inherit_may_change_and_threads_may_not() {
        let inherits = |name| dynamic_key(name).map(|key| key.name);
        assert_eq!(inherits("log.retention.ms"), Some("retention.ms"));
        assert_eq!(inherits("message.max.bytes"), Some("max.message.bytes"));
        assert_eq!(inherits("min.insync.replicas"), Some("min.insync.replicas"));
        assert_eq!(inherits("num.io.threads"), None);
        assert_eq!(inherits("retention.ms"), None, "that is the topic's name of it");
    }
}
