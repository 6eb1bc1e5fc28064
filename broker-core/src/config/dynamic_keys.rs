//! Configs of brokers that take effect while they run (Kafka's `DynamicBrokerConfig`): what topics
//! inherit, and what concerns the broker alone. Leaves out listeners, TLS, SASL and metric reporters. What
//! Kafka does not know either is kept, and told without its value (`DynamicConfig.Broker.validate`):
//! plugins may have configs of their own.

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

/// Sizes of pools of threads that there are none of, by name: kept and shown, without effect.
/// server.properties has no other values than Kafka's defaults ([`UnreadKey`]).
#[rustfmt::skip]
pub(crate) const KEPT_POOLS: &[TopicKey] = &[
    own("background.threads", ConfigKind::Int, "10", Rule::AtLeast(1)),
    own("log.cleaner.threads", ConfigKind::Int, "1", Rule::AtLeast(1)),
    own("num.recovery.threads.per.data.dir", ConfigKind::Int, "2", Rule::AtLeast(1)),
    own("remote.log.manager.expiration.thread.pool.size", ConfigKind::Int, "10", Rule::AtLeast(1)),
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
    inherited.or_else(|| BROKER_KEYS.iter().chain(KEPT_POOLS).find(|key| key.server == name))
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

/// Configs that Kafka knows and tells nobody of. It changes none of them while a broker runs. By name.
const HIDDEN_IN_KAFKA: [&str; 17] = [
    "controller.performance.always.log.threshold.ms",
    "controller.performance.sample.period.ms",
    "group.consumer.regex.refresh.interval.ms",
    "group.share.enable",
    "group.share.persister.class.name",
    "internal.metadata.delete.delay.millis",
    "internal.metadata.log.segment.bytes",
    "internal.metadata.max.batch.size.in.bytes",
    "internal.metadata.max.fetch.size.in.bytes",
    "log.initial.task.delay.ms",
    "remote.log.manager.task.retry.backoff.max.ms",
    "remote.log.manager.task.retry.backoff.ms",
    "remote.log.manager.task.retry.jitter",
    "share.coordinator.cold.partition.snapshot.interval.ms",
    "share.coordinator.state.topic.prune.interval.ms",
    "unstable.api.versions.enable",
    "unstable.feature.versions.enable",
];

/// Why a config that is none of [`dynamic_key`]'s is not changed, for the client; `None`: nobody knows it, and
/// it is kept as it is.
pub(crate) fn why_static(name: &str) -> Option<String> {
    let is_among = |known: &[&str]| known.contains(&name);
    let of_all = of_any_listener(name);
    let (is_listeners, unread) = (of_all != name, UnreadKey::find(of_all));
    // a listener's own value of what may change for all listeners
    let may_be_own =
        is_listeners && (dynamic_key(of_all).is_some() || CHANGED_IN_KAFKA.contains(&of_all));
    let why = if is_among(&CHANGED_IN_KAFKA) {
        "can be changed while brokers run in Kafka, but not here."
    } else if is_among(&AT_START) || is_among(ServerConfig::KEYS) || is_among(&HIDDEN_IN_KAFKA) {
        "cannot be changed while brokers run."
    } else if may_be_own || unread.is_some_and(|key| key.dynamic) {
        "can be changed in Kafka, but has no effect in this broker."
    } else if unread.is_some() && !is_listeners {
        "cannot be changed while brokers run, and has no effect in this broker."
    } else {
        return None;
    };
    Some(format!("Config {name} {why}"))
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
            ("compression.type", "can be changed in Kafka, but has no effect"),
            ("listener.name.ours.max.connections", "can be changed in Kafka, but has no effect"),
            ("listener.name.tls.ssl.keystore.location", "has no effect"),
            ("queued.max.requests", "cannot be changed while brokers run, and has no effect"),
            ("node.id", "cannot be changed while brokers run."),
            ("num.partitions", "cannot be changed while brokers run."),
            ("log.retention.hours", "cannot be changed while brokers run."),
            ("listeners", "in Kafka, but not here"),
            ("remote.log.reader.threads", "in Kafka, but not here"),
            ("unstable.api.versions.enable", "cannot be changed while brokers run."),
        ] {
            let said = why_static(name).unwrap();
            assert!(said.contains(why) && said.contains(name), "{said}");
        }
    }

    #[test]
    fn what_nobody_knows_is_no_reason() {
        for name in ["foo.bar", "retention.ms", "listener.name.ours.nope", ""] {
            assert_eq!(why_static(name), None, "{name}");
            assert_eq!(dynamic_key(name), None, "{name}");
        }
        for name in HIDDEN_IN_KAFKA {
            assert!(UnreadKey::find(name).is_none() && dynamic_key(name).is_none(), "{name}");
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
        assert!(KEPT_POOLS.is_sorted_by(|a, b| a.name < b.name));
        for key in BROKER_KEYS.iter().chain(KEPT_POOLS) {
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
