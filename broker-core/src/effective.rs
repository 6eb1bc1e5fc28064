//! What configs come to, and where each value is from: the topic's or group's own,
//! server.properties, Kafka's default.

use crate::config::{
    ConfigKind, GROUP_KEYS, GroupConfig, GroupKey, ServerConfig, TOPIC_KEYS, TopicConfig, TopicKey,
};
use crate::protocol::{ConfigEntry, ConfigSource};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A topic's configs with its overrides, in order of key.
pub(crate) fn of_topic(
    server: &ServerConfig,
    overrides: Option<&BTreeMap<Arc<str>, Arc<str>>>,
) -> Vec<ConfigEntry> {
    let configured = |server| TopicConfig::from_server(server).entries().into_iter();
    let inherited: BTreeMap<_, _> =
        configured(server).map(|(key, value, _)| (key, value)).collect();
    let entry = |known: &'static TopicKey| {
        let value = inherited.get(known.name).map_or(known.default, String::as_str);
        let is_default = value == known.default;
        let source = if is_default { ConfigSource::Default } else { ConfigSource::Static };
        let below = (known.server, Arc::from(value), source);
        let own = overrides.and_then(|overrides| overrides.get(known.name));
        ConfigEntry {
            key: known.name,
            value: own.map_or_else(|| Arc::clone(&below.1), Arc::clone),
            source: if own.is_some() { ConfigSource::Topic } else { source },
            kind: known.kind,
            read_only: false,
            inherited: Some(below),
        }
    };
    TOPIC_KEYS.iter().map(entry).collect()
}

/// A group's configs with its overrides, in order of key.
pub(crate) fn of_group(
    server: &ServerConfig,
    overrides: Option<&BTreeMap<Arc<str>, Arc<str>>>,
) -> Vec<ConfigEntry> {
    let value = |server: &ServerConfig, key: &GroupKey| {
        GroupConfig::new(server, None).map_or(0, |config| config.value(key)).to_string()
    };
    let defaults = ServerConfig::kafka_defaults();
    let entry = |key: &'static GroupKey| {
        let inherited = value(server, key);
        let is_default = inherited == value(&defaults, key);
        let source = if is_default { ConfigSource::Default } else { ConfigSource::Static };
        let own = overrides.and_then(|overrides| overrides.get(key.name));
        ConfigEntry {
            key: key.name,
            value: own.map_or_else(|| inherited.as_str().into(), Arc::clone),
            source: if own.is_some() { ConfigSource::Group } else { source },
            kind: ConfigKind::Int,
            read_only: false,
            inherited: Some((key.server, inherited.into(), source)),
        }
    };
    GROUP_KEYS.iter().map(entry).collect()
}

/// A broker's configs, in order of key.
pub(crate) fn of_broker(server: &ServerConfig) -> Vec<ConfigEntry> {
    let defaults = ServerConfig::kafka_defaults().entries();
    let mut entries: Vec<_> = server
        .entries()
        .into_iter()
        .zip(defaults)
        .map(|((key, value, kind), (_, default, _))| broker_entry(key, kind, &value, default))
        .collect();
    entries.sort_by_key(|entry| entry.key);
    entries
}

fn broker_entry(key: &'static str, kind: ConfigKind, value: &str, default: String) -> ConfigEntry {
    let is_default = value == default;
    ConfigEntry {
        key,
        value: value.into(),
        source: if is_default { ConfigSource::Default } else { ConfigSource::Static },
        kind,
        read_only: true,
        inherited: Some((key, default.into(), ConfigSource::Default)),
    }
}
