//! Topics that come into being because somebody asks for them (Kafka's
//! `AutoTopicCreationManager`). Leaves out quotas and the forwarding of the client's identity.

use crate::config::ServerConfig;
use crate::group::OFFSETS_TOPIC;
use crate::protocol::{CreateTopicsRequest, NewTopic, Placement, Request};
use crate::role::BrokerRole;
use crate::step::Step;
use crate::txn::TRANSACTIONS_TOPIC;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Asks the controller for topics, except for those that were asked for already.
pub(super) fn create(role: &mut BrokerRole, step: &mut Step<'_>, names: &[Arc<str>]) {
    let mut topics = Vec::new();
    for name in names {
        if role.creating_topics.insert(Arc::clone(name)) {
            topics.push(new_topic(&role.config.server, name));
        }
    }
    if !topics.is_empty() {
        let request = CreateTopicsRequest { topics, validate_only: false };
        role.ask_controller(step, Request::CreateTopics(request));
    }
}

/// Topics of coordinators are as these need them, whatever the brokers' configs say of others
/// (`groupMetadataTopicConfigs`, `transactionTopicConfigs`).
fn new_topic(server: &ServerConfig, name: &Arc<str>) -> NewTopic {
    let internal = |partitions, factor: i32| Placement::Automatic {
        partitions,
        replication_factor: i16::try_from(factor).unwrap_or(3),
    };
    let (placement, config) = if **name == *TRANSACTIONS_TOPIC {
        let config = [
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", "uncompressed".to_owned()),
            ("min.insync.replicas", server.transaction_topic_min_isr.to_string()),
            ("segment.bytes", server.transaction_topic_segment_bytes.to_string()),
            // who loses what was decided would decide otherwise
            ("unclean.leader.election.enable", "false".to_owned()),
        ];
        let partitions = server.transaction_topic_num_partitions;
        let config = config.map(|(key, value)| (key.to_owned(), value));
        let factor = server.transaction_topic_replication_factor;
        (internal(partitions, factor), BTreeMap::from(config))
    } else if **name == *OFFSETS_TOPIC {
        let partitions = server.offsets_topic_num_partitions;
        let placement = internal(partitions, server.offsets_topic_replication_factor);
        let config = [
            ("cleanup.policy", "compact".to_owned()),
            ("compression.type", "producer".to_owned()),
            ("segment.bytes", server.offsets_topic_segment_bytes.to_string()),
        ];
        (placement, BTreeMap::from(config.map(|(key, value)| (key.to_owned(), value))))
    } else {
        (Placement::Automatic { partitions: -1, replication_factor: -1 }, BTreeMap::new())
    };
    NewTopic { name: Arc::clone(name), placement, config }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(topic: &str) -> Vec<(String, String)> {
        let server =
            ServerConfig { transaction_topic_min_isr: 3, ..ServerConfig::kafka_defaults() };
        new_topic(&server, &topic.into()).config.into_iter().collect()
    }

    fn owned(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn topics_of_coordinators_have_configs_of_their_own() {
        let transactions = [
            ("cleanup.policy", "compact"),
            ("compression.type", "uncompressed"),
            ("min.insync.replicas", "3"),
            ("segment.bytes", "104857600"),
            ("unclean.leader.election.enable", "false"),
        ];
        assert_eq!(config(TRANSACTIONS_TOPIC), owned(&transactions));
        let positions = [
            ("cleanup.policy", "compact"),
            ("compression.type", "producer"),
            ("segment.bytes", "104857600"),
        ];
        assert_eq!(config(OFFSETS_TOPIC), owned(&positions));
        assert!(config("orders").is_empty());
    }
}
