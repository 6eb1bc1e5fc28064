//! Configs of brokers that take effect while they run (Kafka's `DynamicBrokerConfig`): what topics
//! inherit, and what concerns the broker alone. Leaves out listeners, TLS, SASL, metric reporters, and
//! pools of threads that this broker does not have (`background.threads`, `log.cleaner.threads`).

use super::topic_keys::{LONG_MAX, key};
use super::{ConfigKind, IoRate, Rule, ServerConfig, TOPIC_KEYS, TopicConfig, TopicKey, UnreadKey};

const INT_MAX: &str = "2147483647";

const fn own(name: &'static str, kind: ConfigKind, default: &'static str, rule: Rule) -> TopicKey {
    key(name, name, kind, default, rule)
}

/// Those that no topic inherits, by name. Kept and shown, without effect: the sizes of thread pools that
/// there are none of (`num.io.threads`, `num.network.threads`), and
/// `replica.alter.log.dirs.io.max.bytes.per.second`, as replicas do not move between log directories.
#[rustfmt::skip]
pub(crate) const BROKER_KEYS: &[TopicKey] = &[
    own("follower.replication.throttled.rate", ConfigKind::Long, LONG_MAX, Rule::AtLeast(0)),
    own("leader.replication.throttled.rate", ConfigKind::Long, LONG_MAX, Rule::AtLeast(0)),
    own("log.cleaner.backoff.ms", ConfigKind::Long, "15000", Rule::AtLeast(0)),
    own("log.cleaner.dedupe.buffer.size", ConfigKind::Long, "134217728", Rule::AtLeast(0)),
    own("log.cleaner.io.buffer.size", ConfigKind::Int, "524288", Rule::AtLeast(0)),
    own("log.cleaner.io.max.bytes.per.second", ConfigKind::Double, IoRate::UNLIMITED_TEXT, Rule::Rate),
    own("max.connection.creation.rate", ConfigKind::Int, INT_MAX, Rule::AtLeast(0)),
    own("max.connections", ConfigKind::Int, INT_MAX, Rule::AtLeast(0)),
    own("max.connections.per.ip", ConfigKind::Int, INT_MAX, Rule::AtLeast(0)),
    own("num.io.threads", ConfigKind::Int, "8", Rule::Between(1, 65_535)),
    own("num.network.threads", ConfigKind::Int, "3", Rule::Between(1, 65_535)),
    own("num.replica.fetchers", ConfigKind::Int, "1", Rule::Between(1, 65_535)),
    own("producer.id.expiration.ms", ConfigKind::Int, "86400000", Rule::AtLeast(1)),
    own("remote.fetch.max.wait.ms", ConfigKind::Int, "500", Rule::AtLeast(1)),
    own("replica.alter.log.dirs.io.max.bytes.per.second", ConfigKind::Long, LONG_MAX, Rule::AtLeast(0)),
    own("transaction.partition.verification.enable", ConfigKind::Boolean, "true", Rule::Any),
];

impl ServerConfig {
    /// Sizes of thread pools by their keys: they change to twice or half of what they are at most
    /// (Kafka's `DynamicThreadPool`).
    pub(crate) fn thread_pools(&self) -> [(&'static str, u16); 3] {
        [
            ("num.io.threads", self.num_io_threads),
            ("num.network.threads", self.num_network_threads),
            ("num.replica.fetchers", self.num_replica_fetchers),
        ]
    }
}

/// A config of brokers that may change while they run, by its name in server.properties; `None` for
/// all others.
pub(crate) fn dynamic_key(name: &str) -> Option<&'static TopicKey> {
    let is_read = |key: &TopicKey| {
        TopicConfig::KEYS.contains(&key.name) && ServerConfig::KEYS.contains(&key.server)
    };
    let inherited = TOPIC_KEYS.iter().find(|key| key.server == name && is_read(key));
    inherited.or_else(|| BROKER_KEYS.iter().find(|key| key.server == name))
}

/// Configs that only the shell reads, once: who and where a node is, its sockets, and times in larger
/// units. By name.
pub const AT_START: [&str; 16] = [
    "advertised.listeners",
    "broker.id",
    "broker.rack",
    "connections.max.idle.ms",
    "controller.listener.names",
    "controller.quorum.voters",
    "listener.security.protocol.map",
    "listeners",
    "log.dir",
    "log.dirs",
    "log.retention.hours",
    "log.retention.minutes",
    "log.roll.hours",
    "node.id",
    "process.roles",
    "socket.request.max.bytes",
];

/// Configs that are read here, and that Kafka changes while a broker runs.
pub(crate) const CHANGED_IN_KAFKA: [&str; 4] = [
    "listener.security.protocol.map",
    "listeners",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.reader.threads",
];

/// Why a config that is none of [`dynamic_key`]'s is not changed, for the client.
pub(crate) fn why_static(name: &str) -> String {
    if CHANGED_IN_KAFKA.contains(&name) {
        return format!("Config {name} can be changed while brokers run in Kafka, but not here.");
    }
    if AT_START.contains(&name) || ServerConfig::KEYS.contains(&name) {
        return format!("Config {name} cannot be changed while brokers run.");
    }
    match UnreadKey::find(of_any_listener(name)) {
        None => format!("Unknown broker config name: {name}"),
        Some(key) if key.dynamic => {
            format!("Config {name} can be changed in Kafka, but has no effect in this broker.")
        }
        Some(_) => format!(
            "Config {name} cannot be changed while brokers run, and has no effect in this broker."
        ),
    }
}

/// The config that `listener.name.LISTENER.CONFIG` is a listener's own value of.
fn of_any_listener(name: &str) -> &str {
    let own = name.strip_prefix("listener.name.").and_then(|rest| rest.split_once('.'));
    own.map_or(name, |(_, config)| config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_config_does_not_change_is_said_of_each_kind() {
        for (name, why) in [
            ("nope", "Unknown broker config name"),
            ("retention.ms", "Unknown broker config name"),
            ("listener.name.ours.nope", "Unknown broker config name"),
            ("compression.type", "can be changed in Kafka, but has no effect"),
            ("log.cleaner.threads", "can be changed in Kafka, but has no effect"),
            ("listener.name.tls.ssl.keystore.location", "has no effect"),
            ("queued.max.requests", "cannot be changed while brokers run, and has no effect"),
            ("node.id", "cannot be changed while brokers run."),
            ("num.partitions", "cannot be changed while brokers run."),
            ("log.retention.hours", "cannot be changed while brokers run."),
            ("listeners", "in Kafka, but not here"),
            ("remote.log.reader.threads", "in Kafka, but not here"),
        ] {
            let said = why_static(name);
            assert!(said.contains(why) && said.contains(name), "{said}");
        }
    }

    #[test]
    fn what_topics_inherit_may_change_and_listeners_may_not() {
        let inherits = |name| dynamic_key(name).map(|key| key.name);
        assert_eq!(inherits("log.retention.ms"), Some("retention.ms"));
        assert_eq!(inherits("message.max.bytes"), Some("max.message.bytes"));
        assert_eq!(inherits("min.insync.replicas"), Some("min.insync.replicas"));
        assert_eq!(inherits("listeners"), None);
        assert_eq!(inherits("retention.ms"), None, "that is the topic's name of it");
    }

    #[test]
    fn the_table_is_in_order_and_its_defaults_pass_their_own_rules() {
        assert!(BROKER_KEYS.is_sorted_by(|a, b| a.name < b.name));
        for key in BROKER_KEYS {
            assert_eq!(key.check(key.default), Ok(()), "{}", key.name);
        }
    }

    #[test]
    fn what_server_properties_has_too_has_the_same_default() {
        let defaults = ServerConfig::kafka_defaults().entries();
        for key in BROKER_KEYS {
            if let Some((_, value, _)) = defaults.iter().find(|(name, ..)| *name == key.name) {
                assert_eq!(value, key.default, "{}", key.name);
            }
        }
        for (key, size) in ServerConfig::kafka_defaults().thread_pools() {
            assert_eq!(dynamic_key(key).map(|key| key.default), Some(&*size.to_string()), "{key}");
        }
    }
}
