//! Brokers go by what was set for them while they run: what is for one of them counts more than what is for all, and
//! that more than server.properties (KIP-226). Logs inherit it unless their topics have something of their own.

use super::NodeView;
use super::metadata::says;
use crate::checkers::ledger::Ledger;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::config::ServerConfig;
use stormglass_broker_core::ids::NodeId;
use stormglass_broker_core::inspect::InForceView;
use stormglass_broker_core::log::LogConfig;
use stormglass_broker_core::metadata::{ConfigResource, MetadataImage};

type Overrides = BTreeMap<Arc<str>, Arc<str>>;

/// Looks at what a broker, and its logs, go by.
pub(super) fn look(ledger: &mut Ledger, view: &NodeView<'_>) {
    let broker = view.broker;
    let image = broker.metadata().filter(|_| broker.applies_metadata());
    let known = image.zip(broker.properties()).zip(broker.in_force());
    let Some(((image, properties), in_force)) = known else { return };
    let set = Set::of(image, view.node);
    let wrong = set.wrong(properties, &in_force);
    says(ledger, "", wrong.is_none(), &|| {
        format!("broker {} goes by {wrong:?}, and what was set for it is {set:?}", view.node)
    });
    for replica in broker.replica_views() {
        let Some(topic) = image.topic(replica.tp.topic) else { continue };
        let own = image.configs(&ConfigResource::Topic(Arc::clone(&topic.name)));
        let wrong = not_inherited(own, in_force.server, replica.log.config());
        says(ledger, &topic.name, wrong.is_none(), &|| {
            let node = view.node;
            format!(
                "a log of {} at broker {node} does not inherit {wrong:?}: {:?}",
                topic.name,
                replica.log.config()
            )
        });
    }
}

/// What was set while brokers run.
#[derive(Debug)]
struct Set<'a> {
    own: Option<&'a Overrides>,
    all: Option<&'a Overrides>,
}

impl<'a> Set<'a> {
    fn of(image: &'a MetadataImage, node: i32) -> Self {
        Self {
            own: image.configs(&ConfigResource::Broker(NodeId(node))),
            all: image.configs(&ConfigResource::AllBrokers),
        }
    }

    fn value(&self, key: &str) -> Option<&'a str> {
        let of = |overrides: Option<&'a Overrides>| overrides?.get(key).map(|value| &**value);
        of(self.own).or_else(|| of(self.all))
    }

    /// A config that is in force, and should not be, with its value.
    fn wrong(&self, properties: &ServerConfig, in_force: &InForceView<'_>) -> Option<String> {
        for (key, used) in [
            ("leader.replication.throttled.rate", in_force.leader_rate),
            ("follower.replication.throttled.rate", in_force.follower_rate),
        ] {
            let rate = self.value(key).and_then(|text| text.parse::<u64>().ok());
            // the largest number is no limit
            if rate.filter(|rate| *rate < i64::MAX.unsigned_abs()) != used {
                return Some(format!("{key}={used:?}"));
            }
        }
        if self.own.is_none() && self.all.is_none() {
            return (properties != in_force.server).then(|| "other properties".to_owned());
        }
        let both = properties.entries().into_iter().zip(in_force.server.entries());
        let wrong = both.map(|((_, written, _), used)| (written, used)).find(|(written, used)| {
            let (key, used, _) = used;
            match self.value(key) {
                Some(set) => !is_same(set, used),
                None => written != used,
            }
        });
        wrong.map(|(_, (key, used, _))| format!("{key}={used}"))
    }
}

/// Whether a value is what was set; of others than numbers and switches nothing is said, as they may be written in
/// several ways.
fn is_same(set: &str, used: &str) -> bool {
    let number = |text: &str| text.trim().parse::<i64>().ok();
    let switch = |text: &str| text.trim().to_ascii_lowercase().parse::<bool>().ok();
    let numbers = number(set).zip(number(used)).is_none_or(|(set, used)| set == used);
    numbers && switch(set).zip(switch(used)).is_none_or(|(set, used)| set == used)
}

/// A config that a log should have from its broker, and has not.
fn not_inherited(
    own: Option<&Overrides>,
    server: &ServerConfig,
    config: &LogConfig,
) -> Option<&'static str> {
    let segment = i64::from(server.log_segment_bytes) == i64::from(config.segment_bytes);
    let index =
        i64::from(server.log_index_interval_bytes) == i64::from(config.index_interval_bytes);
    let retention = u64::try_from(server.log_retention_bytes).ok() == config.retention_bytes;
    let age = config.retention_ms.unwrap_or(-1) == server.log_retention_ms;
    let largest = i64::from(server.message_max_bytes) == i64::from(config.max_message_bytes);
    let inherited = [
        ("segment.bytes", segment),
        ("index.interval.bytes", index),
        ("retention.bytes", retention || !config.deletes),
        ("retention.ms", age || !config.deletes),
        ("max.message.bytes", largest),
    ];
    let is_inherited = |key: &str| !own.is_some_and(|own| own.contains_key(key));
    inherited.into_iter().find(|(key, holds)| !holds && is_inherited(key)).map(|(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::config::TopicConfig;

    const KEY: &str = "num.replica.fetchers";

    fn of(pairs: &[(&str, &str)]) -> Overrides {
        pairs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
    }

    #[test]
    fn what_is_set_for_one_broker_counts_more_than_what_is_for_all() {
        let (own, all) = (of(&[(KEY, " 3")]), of(&[(KEY, "2")]));
        let set = |own, all| Set { own, all };
        let properties = ServerConfig::kafka_defaults();
        let wrong = |fetchers: u16, set: Set<'_>| {
            let server = ServerConfig { num_replica_fetchers: fetchers, ..properties.clone() };
            let in_force = InForceView { server: &server, leader_rate: None, follower_rate: None };
            set.wrong(&properties, &in_force).is_some()
        };
        assert!(!wrong(1, set(None, None)) && wrong(2, set(None, None)));
        assert!(!wrong(2, set(None, Some(&all))) && wrong(1, set(None, Some(&all))));
        assert!(!wrong(3, set(Some(&own), Some(&all))) && wrong(2, set(Some(&own), Some(&all))));
    }

    #[test]
    fn rates_of_throttled_replicas_are_in_force() {
        let own = of(&[("leader.replication.throttled.rate", "30000")]);
        let properties = ServerConfig::kafka_defaults();
        let wrong = |leader_rate, own| {
            let in_force = InForceView { server: &properties, leader_rate, follower_rate: None };
            Set { own, all: None }.wrong(&properties, &in_force).is_some()
        };
        assert!(!wrong(Some(30_000), Some(&own)) && wrong(None, Some(&own)));
        assert!(!wrong(None, None) && wrong(Some(30_000), None));
    }

    #[test]
    fn logs_inherit_what_their_topics_have_not() {
        let server = ServerConfig { log_segment_bytes: 20_000, ..ServerConfig::kafka_defaults() };
        let config = LogConfig::new(&TopicConfig::from_server(&server), &server);
        assert_eq!(not_inherited(None, &server, &config), None);
        let other = LogConfig { segment_bytes: 40_000, ..config };
        assert_eq!(not_inherited(None, &server, &other), Some("segment.bytes"));
        let for_ever = ServerConfig { log_retention_ms: -1, ..server.clone() };
        assert_eq!(not_inherited(None, &for_ever, &config), Some("retention.ms"));
        let own = of(&[("segment.bytes", "40000")]);
        assert_eq!(not_inherited(Some(&own), &server, &other), None);
    }
}
