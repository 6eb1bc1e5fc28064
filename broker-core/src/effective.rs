//! What configs come to, and where each value is from: the topic's or group's own, what was set for a
//! broker or for all of them, server.properties, Kafka's default.

use crate::config::{
    BROKER_KEYS, ConfigKind, GROUP_KEYS, GroupConfig, GroupKey, ServerConfig, TOPIC_KEYS,
    TopicConfig, TopicKey, dynamic_key,
};
use crate::ids::NodeId;
use crate::metadata::{ConfigResource, MetadataImage};
use crate::protocol::{ConfigEntry, ConfigSource};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys and values.
type Overrides = BTreeMap<Arc<str>, Arc<str>>;

/// What was set while brokers run, over server.properties.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dynamic<'a> {
    all: Option<&'a Overrides>,
    own: Option<&'a Overrides>,
}

impl<'a> Dynamic<'a> {
    /// For all brokers.
    pub(crate) fn of_all(image: &'a MetadataImage) -> Self {
        Self { all: image.configs(&ConfigResource::AllBrokers), own: None }
    }

    /// For a broker, which counts more.
    pub(crate) fn of(image: &'a MetadataImage, broker: NodeId) -> Self {
        Self { own: image.configs(&ConfigResource::Broker(broker)), ..Self::of_all(image) }
    }

    /// For all brokers, when something else will be set for them.
    pub(crate) fn of_all_after(after: &'a Overrides) -> Self {
        Self { all: Some(after), own: None }
    }

    /// For a broker, when something else will be set for all.
    pub(crate) fn of_with_all(
        image: &'a MetadataImage,
        broker: NodeId,
        all: &'a Overrides,
    ) -> Self {
        Self { all: Some(all), ..Self::of(image, broker) }
    }

    /// For a broker, when something else will be set for it.
    pub(crate) fn of_after(image: &'a MetadataImage, after: &'a Overrides) -> Self {
        Self { own: Some(after), ..Self::of_all(image) }
    }

    /// A value, and for whom it was set.
    fn find(&self, key: &str) -> Option<(&'a Arc<str>, ConfigSource)> {
        let of = |overrides: Option<&'a Overrides>, source| {
            overrides.and_then(|overrides| overrides.get(key)).map(|value| (value, source))
        };
        of(self.own, ConfigSource::Broker).or_else(|| of(self.all, ConfigSource::AllBrokers))
    }

    /// Bytes per second that something may take; `None`: no limit was set.
    pub(crate) fn rate(&self, key: &str) -> Option<u64> {
        let (value, _) = self.find(key)?;
        value.parse().ok().filter(|rate: &u64| *rate < i64::MAX.unsigned_abs())
    }

    /// What server.properties comes to.
    pub(crate) fn over(&self, server: &ServerConfig) -> ServerConfig {
        let mut now = server.clone();
        for overrides in [self.all, self.own].into_iter().flatten() {
            now.apply_readable(overrides);
        }
        now
    }

    /// What was set for all brokers, in order of key.
    pub(crate) fn entries_of_all(&self) -> Vec<ConfigEntry> {
        let set = self.all.into_iter().flatten();
        let entry = |(key, value): (&Arc<str>, &Arc<str>)| {
            let known = dynamic_key(key)?;
            Some(ConfigEntry {
                key: known.server,
                value: Arc::clone(value),
                source: ConfigSource::AllBrokers,
                kind: known.kind,
                read_only: false,
                inherited: None,
            })
        };
        set.filter_map(entry).collect()
    }
}

/// A topic's configs with its overrides, in order of key.
pub(crate) fn of_topic(
    server: &ServerConfig,
    dynamic: Dynamic<'_>,
    overrides: Option<&Overrides>,
) -> Vec<ConfigEntry> {
    let configured = TopicConfig::from_server(&dynamic.over(server)).entries().into_iter();
    let inherited: BTreeMap<_, _> = configured.map(|(key, value, _)| (key, value)).collect();
    let entry = |known: &'static TopicKey| {
        let value = inherited.get(known.name).map_or(known.default, String::as_str);
        let is_default = value == known.default;
        let below = if is_default { ConfigSource::Default } else { ConfigSource::Static };
        let source = dynamic.find(known.server).map_or(below, |(_, source)| source);
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
pub(crate) fn of_broker(server: &ServerConfig, dynamic: Dynamic<'_>) -> Vec<ConfigEntry> {
    let defaults = ServerConfig::kafka_defaults().entries();
    let mut entries: Vec<_> = server
        .entries()
        .into_iter()
        .zip(defaults)
        .map(|((key, value, kind), (_, default, _))| broker_entry(key, kind, &value, default))
        .collect();
    for entry in &mut entries {
        entry.read_only = dynamic_key(entry.key).is_none();
        if let Some((value, source)) = dynamic.find(entry.key) {
            entry.inherited = Some((entry.key, Arc::clone(&entry.value), entry.source));
            (entry.value, entry.source) = (Arc::clone(value), source);
        }
    }
    entries.extend(BROKER_KEYS.iter().filter_map(|key| only_dynamic(dynamic, key)));
    entries.sort_by_key(|entry| entry.key);
    entries
}

/// A config that no server.properties has, if it is set.
fn only_dynamic(dynamic: Dynamic<'_>, key: &'static TopicKey) -> Option<ConfigEntry> {
    if ServerConfig::KEYS.contains(&key.server) {
        return None;
    }
    let (value, source) = dynamic.find(key.server)?;
    Some(ConfigEntry {
        key: key.server,
        value: Arc::clone(value),
        source,
        kind: key.kind,
        read_only: false,
        inherited: None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_leaves_a_brokers_other_configs_in_force() {
        let set = |configs: &[(&str, &str)]| -> Overrides {
            configs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
        };
        let all = set(&[("log.retention.ms", "5"), ("num.network.threads", "many")]);
        let own = set(&[("log.retention.ms", "soon"), ("num.io.threads", "9")]);
        let dynamic = Dynamic { all: Some(&all), own: Some(&own) };
        let now = dynamic.over(&ServerConfig::kafka_defaults());
        assert_eq!((now.log_retention_ms, now.num_network_threads, now.num_io_threads), (5, 3, 9));
    }
}
