//! What configs come to, and where each value is from: the topic's, group's or subscription's own, what was set for a
//! broker or for all of them, server.properties, Kafka's default.

use crate::config::{
    BROKER_KEYS, CLIENT_METRICS_KEYS, ConfigKind, GROUP_KEYS, GroupKey, KEPT_POOLS, ServerConfig,
    TOPIC_KEYS, TopicConfig, TopicKey, dynamic_key, shown_client_metrics,
};
use crate::ids::NodeId;
use crate::metadata::{ConfigResource, MetadataImage};
use crate::protocol::{ConfigEntry, ConfigSource};
use std::borrow::Cow;
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
    pub(crate) fn find(&self, key: &str) -> Option<(&'a Arc<str>, ConfigSource)> {
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

    /// Sizes of the pools of threads that are kept without effect, by their keys.
    pub(crate) fn kept_pools(&self) -> impl Iterator<Item = (&'static str, u32)> {
        KEPT_POOLS.iter().map(move |key| {
            let size = self.find(key.name).map_or(key.default, |(value, _)| value);
            (key.name, size.parse().unwrap_or(0))
        })
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
            let source = ConfigSource::AllBrokers;
            let Some(known) = dynamic_key(key) else {
                return unknown_entry(key, value, source);
            };
            ConfigEntry {
                key: known.server.into(),
                value: Arc::clone(value),
                source,
                kind: known.kind,
                read_only: false,
                inherited: None,
            }
        };
        set.map(entry).collect()
    }

    /// What was set that nobody knows, in no particular order.
    fn unknown(&self) -> impl Iterator<Item = ConfigEntry> {
        let sets = [(self.own, ConfigSource::Broker), (self.all, ConfigSource::AllBrokers)];
        let counts = move |key: &str, source: ConfigSource| {
            self.find(key).is_some_and(|(_, of)| of == source)
        };
        let each = sets.into_iter().flat_map(|(set, source)| {
            set.into_iter().flatten().map(move |(key, value)| (key, value, source))
        });
        let unknown =
            each.filter(move |(key, _, source)| dynamic_key(key).is_none() && counts(key, *source));
        unknown.map(|(key, value, source)| unknown_entry(key, value, source))
    }
}

/// A config that nobody knows: it may be a plugin's, and a secret.
fn unknown_entry(key: &Arc<str>, value: &Arc<str>, source: ConfigSource) -> ConfigEntry {
    ConfigEntry {
        key: Cow::Owned(key.to_string()),
        value: Arc::clone(value),
        source,
        kind: ConfigKind::Unknown,
        read_only: true,
        inherited: None,
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
        // what brokers do not know by that name may be set all the same, and nobody inherits it
        let set = dynamic.find(known.server).filter(|_| dynamic_key(known.server).is_some());
        let source = set.map_or(below, |(_, source)| source);
        let below = (known.server, Arc::from(value), source);
        let own = overrides.and_then(|overrides| overrides.get(known.name));
        ConfigEntry {
            key: known.name.into(),
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
    let entry = |key: &'static GroupKey| {
        let inherited = key.inherited(server);
        let is_default = inherited == key.default;
        let source = if is_default { ConfigSource::Default } else { ConfigSource::Static };
        let own = overrides.and_then(|overrides| overrides.get(key.name));
        ConfigEntry {
            key: key.name.into(),
            value: own.map_or_else(|| inherited.as_str().into(), Arc::clone),
            source: if own.is_some() { ConfigSource::Group } else { source },
            kind: key.kind,
            read_only: false,
            inherited: Some((key.server, inherited.into(), source)),
        }
    };
    GROUP_KEYS.iter().map(entry).collect()
}

/// Configs of a subscription to metrics of clients, in order of key. What is not set falls back to nothing else.
pub(crate) fn of_client_metrics(overrides: Option<&Overrides>) -> Vec<ConfigEntry> {
    let entry = |(key, kind, default): (&'static str, ConfigKind, &'static str)| {
        let own = overrides.and_then(|overrides| overrides.get(key));
        let (value, source) = match own {
            Some(value) => (shown_client_metrics(kind, value).into(), ConfigSource::ClientMetrics),
            None => (default.into(), ConfigSource::Default),
        };
        ConfigEntry { key: key.into(), value, source, kind, read_only: false, inherited: None }
    };
    CLIENT_METRICS_KEYS.map(entry).into()
}

/// A broker's configs, in order of key.
pub(crate) fn of_broker(server: &ServerConfig, dynamic: Dynamic<'_>) -> Vec<ConfigEntry> {
    let defaults = ServerConfig::kafka_defaults().entries();
    let mut entries: Vec<_> = server
        .entries()
        .into_iter()
        .zip(defaults)
        .map(|((key, value, kind), (_, default, _))| {
            let mut entry = broker_entry(key, kind, &value, default);
            entry.read_only = dynamic_key(key).is_none();
            if let Some((value, source)) = dynamic.find(key) {
                entry.inherited = Some((key, Arc::clone(&entry.value), entry.source));
                (entry.value, entry.source) = (Arc::clone(value), source);
            }
            entry
        })
        .collect();
    entries.extend(BROKER_KEYS.iter().filter_map(|key| only_dynamic(dynamic, key)));
    entries.extend(dynamic.unknown());
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries
}

/// A config that no server.properties has, if it is set.
fn only_dynamic(dynamic: Dynamic<'_>, key: &'static TopicKey) -> Option<ConfigEntry> {
    if ServerConfig::KEYS.contains(&key.server) {
        return None;
    }
    let (value, source) = dynamic.find(key.server)?;
    Some(ConfigEntry {
        key: key.server.into(),
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
        key: key.into(),
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

    fn set(configs: &[(&str, &str)]) -> Overrides {
        configs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
    }

    #[test]
    fn what_nobody_knows_is_told_with_who_has_set_it_and_may_be_a_secret() {
        let all = set(&[("foo.bar", "1"), ("foo.all", "2"), ("log.retention.ms", "5")]);
        let own = set(&[("foo.bar", "3")]);
        let dynamic = Dynamic { all: Some(&all), own: Some(&own) };
        let unknown = |entries: Vec<ConfigEntry>| -> Vec<_> {
            let unknown = entries.into_iter().filter(|entry| entry.kind == ConfigKind::Unknown);
            unknown
                .map(|entry| {
                    assert!(entry.read_only && entry.inherited.is_none());
                    (entry.key.to_string(), entry.value.to_string(), entry.source)
                })
                .collect()
        };
        let told = |key: &str, value: &str, source| (key.to_owned(), value.to_owned(), source);
        let server = ServerConfig::kafka_defaults();
        let entries = of_broker(&server, dynamic);
        assert!(entries.is_sorted_by(|a, b| a.key < b.key));
        assert_eq!(
            unknown(entries),
            [
                told("foo.all", "2", ConfigSource::AllBrokers),
                told("foo.bar", "3", ConfigSource::Broker)
            ]
        );
        assert_eq!(
            unknown(dynamic.entries_of_all()),
            [
                told("foo.all", "2", ConfigSource::AllBrokers),
                told("foo.bar", "1", ConfigSource::AllBrokers)
            ]
        );
        assert_eq!(dynamic.entries_of_all().len(), 3);
    }

    #[test]
    fn groups_have_all_of_kafkas_configs() {
        let own = set(&[("share.isolation.level", "read_committed")]);
        let entries = of_group(&ServerConfig::kafka_defaults(), Some(&own));
        assert_eq!(entries.len(), 10);
        let find = |key: &str| entries.iter().find(|entry| entry.key == key).unwrap();
        let set = find("share.isolation.level");
        assert_eq!((&*set.value, set.source), ("read_committed", ConfigSource::Group));
        let replicas = find("streams.num.standby.replicas");
        assert_eq!((&*replicas.value, replicas.source), ("0", ConfigSource::Default));
        assert_eq!(replicas.kind, ConfigKind::Int);
        assert_eq!(find("share.auto.offset.reset").kind, ConfigKind::String);
    }

    #[test]
    fn a_subscription_has_what_was_set_and_defaults() {
        let own = set(&[("metrics", "a., b.")]);
        let told = |own: Option<&Overrides>| -> Vec<_> {
            let entries = of_client_metrics(own).into_iter();
            entries
                .map(|entry| (entry.key.to_string(), entry.value.to_string(), entry.source))
                .collect()
        };
        let of = |key: &str, value: &str, source| (key.to_owned(), value.to_owned(), source);
        let mut expected = vec![
            of("interval.ms", "300000", ConfigSource::Default),
            of("match", "", ConfigSource::Default),
            of("metrics", "", ConfigSource::Default),
        ];
        assert_eq!(told(None), expected);
        expected[2] = of("metrics", "a.,b.", ConfigSource::ClientMetrics);
        assert_eq!(told(Some(&own)), expected);
    }

    #[test]
    fn what_cannot_be_read_leaves_a_brokers_other_configs_in_force() {
        let all = set(&[("log.retention.ms", "5"), ("num.network.threads", "many")]);
        let own = set(&[("log.retention.ms", "soon"), ("num.io.threads", "9")]);
        let dynamic = Dynamic { all: Some(&all), own: Some(&own) };
        let now = dynamic.over(&ServerConfig::kafka_defaults());
        assert_eq!((now.log_retention_ms, now.num_network_threads, now.num_io_threads), (5, 3, 9));
    }
}
