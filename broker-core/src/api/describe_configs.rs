//! DescribeConfigs (key 32): topics, groups and subscriptions to metrics, from metadata; this broker, from its
//! server.properties and what was set since. Of a broker, all configs that Kafka lists are told, also
//! those that it does not go by, but for those that its shell alone knows.

use crate::config::{
    CHANGED_IN_KAFKA, ConfigKind, NodeConfig, UNREAD_KEYS, UnreadKey, dynamic_key, kind_of,
    told_value,
};
use crate::controller::why_illegal;
use crate::effective::{Dynamic, of_broker, of_client_metrics, of_group, of_topic};
use crate::error::ErrorCode;
use crate::metadata::ConfigResource;
use crate::protocol::{
    ConfigEntry, ConfigSource, ConfigTarget, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribedConfigs, Response,
};
use crate::role::BrokerRole;
use crate::step::{ReplyTo, Step};
use std::sync::Arc;

pub(crate) fn handle(
    role: &mut BrokerRole,
    step: &mut Step<'_>,
    to: ReplyTo,
    request: &DescribeConfigsRequest,
) {
    let described = request.resources.iter().map(|(target, keys)| {
        let wanted = |key: &str| keys.as_ref().is_none_or(|keys| keys.iter().any(|k| **k == *key));
        let (error, message, entries) = match describe(role, target) {
            Ok(entries) => (ErrorCode::None, None, entries),
            Err((error, message)) => (error, Some(message.into()), Vec::new()),
        };
        let entries = entries.into_iter().filter(|entry| wanted(&entry.key)).collect();
        DescribedConfigs { target: target.clone(), error, message, entries }
    });
    let response = DescribeConfigsResponse { resources: described.collect() };
    step.reply(to, Response::DescribeConfigs(response));
}

fn describe(
    role: &BrokerRole,
    target: &ConfigTarget,
) -> Result<Vec<ConfigEntry>, (ErrorCode, String)> {
    let ConfigTarget { kind, name } = target;
    let dynamic = Dynamic::of(&role.image, role.config.node);
    if *kind == ConfigTarget::TOPIC
        && let Some(why) = why_illegal(name)
    {
        return Err((ErrorCode::InvalidTopic, why));
    }
    match *kind {
        ConfigTarget::TOPIC if role.image.topic_named(name).is_none() => {
            let message = format!("The topic '{name}' does not exist.");
            Err((ErrorCode::UnknownTopicOrPartition, message))
        }
        ConfigTarget::TOPIC => {
            let overrides = role.image.configs(&ConfigResource::Topic(Arc::clone(name)));
            Ok(of_topic(&role.config.server, dynamic, overrides))
        }
        ConfigTarget::GROUP | ConfigTarget::CLIENT_METRICS if name.is_empty() => {
            let what =
                if *kind == ConfigTarget::GROUP { "Group" } else { "Client metrics subscription" };
            Err((ErrorCode::InvalidRequest, format!("{what} name must not be empty")))
        }
        // neither groups nor subscriptions need exist
        ConfigTarget::CLIENT_METRICS => {
            let own = role.image.configs(&ConfigResource::ClientMetrics(Arc::clone(name)));
            Ok(of_client_metrics(own))
        }
        ConfigTarget::GROUP => {
            let overrides = role.image.configs(&ConfigResource::Group(Arc::clone(name)));
            Ok(of_group(&role.config.server, overrides))
        }
        ConfigTarget::BROKER if name.is_empty() => {
            Ok(dynamic.entries_of_all().into_iter().map(as_kafka_tells).collect())
        }
        ConfigTarget::BROKER if **name == role.config.node.to_string() => {
            Ok(of_node(&role.config, dynamic))
        }
        ConfigTarget::BROKER => {
            let own = role.config.node;
            let message = match name.parse::<i32>() {
                Ok(_) => format!(
                    "Unexpected broker id, expected {own} or empty string, but received {name}"
                ),
                Err(_) => format!("Broker id must be an integer, but it is: {name}"),
            };
            Err((ErrorCode::InvalidRequest, message))
        }
        other => Err((ErrorCode::InvalidRequest, format!("Unsupported resource type {other}"))),
    }
}

/// Configs that Kafka hides, as they are its own affair, or has given up: told only where they are set.
const HIDDEN: [&str; 3] = [
    "leader.imbalance.per.broker.percentage",
    "producer.id.expiration.check.interval.ms",
    "unclean.leader.election.interval.ms",
];

/// Kafka takes changes of these at any time, and calls them read-only all the same.
const RATES: [&str; 3] = [
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "replica.alter.log.dirs.io.max.bytes.per.second",
];

/// Times that Kafka has no default for, with those in larger units whose default counts.
const IN_HOURS: [(&str, &str); 2] =
    [("log.retention.ms", "log.retention.hours"), ("log.roll.ms", "log.roll.hours")];

/// A broker's configs, in order of key.
fn of_node(config: &NodeConfig, dynamic: Dynamic<'_>) -> Vec<ConfigEntry> {
    let is_told = |entry: &ConfigEntry| {
        entry.source != ConfigSource::Default || !HIDDEN.contains(&&*entry.key)
    };
    let read = of_broker(&config.server, dynamic).into_iter().filter(is_told).map(as_kafka_tells);
    let who = who_and_where(config).into_iter();
    let unread = UNREAD_KEYS.iter().map(|key| unread(key, dynamic));
    let mut entries: Vec<_> = read.chain(who).chain(unread).collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries
}

/// A config that is read, with Kafka's type, flag and default.
fn as_kafka_tells(mut entry: ConfigEntry) -> ConfigEntry {
    let key = &*entry.key;
    entry.kind = kind_of(key).unwrap_or(entry.kind);
    if RATES.contains(&key) {
        entry.read_only = true;
    } else if CHANGED_IN_KAFKA.contains(&key) {
        entry.read_only = false;
    }
    if let Some((_, in_hours)) = IN_HOURS.iter().find(|(known, _)| *known == key) {
        let week = (*in_hours, "168".into(), ConfigSource::Default);
        if entry.source == ConfigSource::Default {
            (entry.value, entry.inherited) = ("".into(), None);
        } else if entry.inherited.as_ref().is_some_and(|(.., of)| *of == ConfigSource::Default) {
            entry.inherited = Some(week);
        }
    }
    // what is null is no value to fall back to
    let kind = entry.kind;
    let is_told =
        |(key, value, _): &(&'static str, Arc<str>, _)| told_value(key, kind, value).is_some();
    entry.inherited = entry.inherited.filter(is_told);
    entry
}

/// A config that the broker does not go by, or that its shell has made another one of. Some change while it runs,
/// without effect.
fn unread(key: &'static UnreadKey, dynamic: Dynamic<'_>) -> ConfigEntry {
    let inherited = key.default.map(|value| (key.name, value.into(), ConfigSource::Default));
    let default = || (key.default.unwrap_or("").into(), ConfigSource::Default);
    let set = dynamic.find(key.name).map(|(value, source)| (Arc::clone(value), source));
    let (value, source) = set.unwrap_or_else(default);
    ConfigEntry {
        key: key.name.into(),
        value,
        source,
        kind: key.kind(),
        read_only: dynamic_key(key.name).is_none(),
        inherited,
    }
}

/// What a node was told at its start, beside server.properties.
fn who_and_where(config: &NodeConfig) -> Vec<ConfigEntry> {
    let entry = |key: &'static str, value: Option<Arc<str>>, kind| ConfigEntry {
        key: key.into(),
        source: if value.is_some() { ConfigSource::Static } else { ConfigSource::Default },
        value: value.unwrap_or_else(|| "".into()),
        kind,
        read_only: true,
        inherited: None,
    };
    let id: Arc<str> = config.node.to_string().into();
    let roles = [(config.broker, "broker"), (config.controller, "controller")];
    let roles: Vec<_> = roles.iter().filter(|(has, _)| *has).map(|(_, role)| *role).collect();
    let mut entries = vec![
        entry("broker.id", Some(Arc::clone(&id)), ConfigKind::Int),
        entry("broker.rack", config.rack.clone(), ConfigKind::String),
        entry("node.id", Some(id), ConfigKind::Int),
        entry("process.roles", Some(roles.join(",").into()), ConfigKind::List),
    ];
    if let Some(endpoint) = &config.endpoint {
        let host = if endpoint.host.contains(':') {
            format!("[{}]", endpoint.host)
        } else {
            endpoint.host.to_string()
        };
        let listener = format!("PLAINTEXT://{host}:{}", endpoint.port);
        entries.push(entry("advertised.listeners", Some(listener.into()), ConfigKind::String));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;
    use crate::metadata::{MetadataImage, MetadataRecord};
    use crate::protocol::BrokerEndpoint;
    use crate::raft::tests::config;

    /// What broker 0 tells, when this was set for it.
    fn told(config: &NodeConfig, set: &[(&str, &str)]) -> Vec<ConfigEntry> {
        let mut image = MetadataImage::default();
        for (key, value) in set {
            let resource = ConfigResource::Broker(NodeId(0));
            let (key, value) = (Arc::from(*key), Some(Arc::from(*value)));
            image.apply(&MetadataRecord::Config { resource, key, value }).unwrap();
        }
        of_node(config, Dynamic::of(&image, NodeId(0)))
    }

    fn find<'a>(entries: &'a [ConfigEntry], key: &str) -> &'a ConfigEntry {
        entries.iter().find(|entry| entry.key == key).unwrap_or_else(|| panic!("{key}"))
    }

    #[test]
    fn all_that_kafka_lists_is_told_once_and_in_order() {
        let entries = told(&config(1), &[]);
        assert!(entries.is_sorted_by(|a, b| a.key < b.key));
        // Kafka has 316; of directory, listeners and sockets 8 are the shell's, and here nobody has said
        // what clients are told
        assert_eq!(entries.len(), 316 - 9);
        for (key, value, kind) in [
            ("background.threads", Some("10"), ConfigKind::Int),
            ("compression.type", Some("producer"), ConfigKind::String),
            ("log.retention.hours", Some("168"), ConfigKind::Int),
            ("log.retention.minutes", None, ConfigKind::Int),
            ("ssl.key.password", None, ConfigKind::String),
            ("ssl.keystore.location", None, ConfigKind::String),
        ] {
            let entry = find(&entries, key);
            let told = told_value(key, entry.kind, &entry.value);
            assert_eq!((told, entry.kind), (value, kind), "{key}");
            assert_eq!(entry.read_only, key != "background.threads", "{key}");
            assert_eq!(entry.source, ConfigSource::Default, "{key}");
            assert_eq!(entry.inherited.is_some(), value.is_some(), "{key}");
        }
    }

    #[test]
    fn what_kafka_hides_is_told_where_it_is_set() {
        let mut config = config(1);
        let is_told =
            |config: &NodeConfig, key: &str| told(config, &[]).iter().any(|of| of.key == key);
        assert!(HIDDEN.iter().all(|key| !is_told(&config, key)));
        config.server.leader_imbalance_per_broker_percentage = 11;
        assert!(is_told(&config, HIDDEN[0]) && !is_told(&config, HIDDEN[1]));
    }

    #[test]
    fn times_in_hours_are_below_those_in_milliseconds() {
        let key = "log.retention.ms";
        let entries = told(&config(1), &[]);
        let unset = find(&entries, key);
        assert_eq!(
            (&*unset.value, unset.source, unset.read_only),
            ("", ConfigSource::Default, false)
        );
        assert_eq!(unset.inherited, None);
        let entries = told(&config(1), &[(key, "5")]);
        let set = find(&entries, key);
        assert_eq!((&*set.value, set.source), ("5", ConfigSource::Broker));
        let week = ("log.retention.hours", Arc::from("168"), ConfigSource::Default);
        assert_eq!(set.inherited, Some(week));
    }

    #[test]
    fn flags_and_types_are_kafkas() {
        let rate = "follower.replication.throttled.rate";
        let entries = told(&config(1), &[(rate, "5")]);
        let flag = |key| find(&entries, key).read_only;
        assert!(flag(rate) && flag("num.partitions"));
        for key in [
            "num.io.threads",
            "remote.log.manager.copier.thread.pool.size",
            "remote.log.reader.threads",
        ] {
            assert!(!flag(key), "{key}");
        }
        let threads = "log.cleaner.threads";
        assert!(!flag(threads));
        let entries = told(&config(1), &[(threads, "2")]);
        let set = find(&entries, threads);
        assert_eq!((&*set.value, set.source), ("2", ConfigSource::Broker));
        assert_eq!(set.inherited, Some((threads, "1".into(), ConfigSource::Default)));
        let kind = |key| find(&entries, key).kind;
        assert_eq!(kind("broker.session.timeout.ms"), ConfigKind::Int);
        assert_eq!(kind("offsets.topic.replication.factor"), ConfigKind::Short);
        assert_eq!(kind("replica.lag.time.max.ms"), ConfigKind::Long);
        let selector = find(&entries, "replica.selector.class");
        assert_eq!((&*selector.value, selector.inherited.as_ref()), ("", None));
    }

    #[test]
    fn who_a_node_is_and_where_is_told() {
        let rack = |entries: &[ConfigEntry]| find(entries, "broker.rack").value.to_string();
        assert_eq!(rack(&told(&config(1), &[])), "");
        let endpoint = BrokerEndpoint { host: "::1".into(), port: 9092 };
        let config = NodeConfig {
            rack: Some("a".into()),
            endpoint: Some(Arc::new(endpoint)),
            broker: true,
            ..config(1)
        };
        let entries = told(&config, &[]);
        for (key, value) in [
            ("node.id", "0"),
            ("broker.id", "0"),
            ("broker.rack", "a"),
            ("process.roles", "broker,controller"),
            ("advertised.listeners", "PLAINTEXT://[::1]:9092"),
        ] {
            let entry = find(&entries, key);
            assert_eq!((&*entry.value, entry.source), (value, ConfigSource::Static), "{key}");
        }
    }
}
