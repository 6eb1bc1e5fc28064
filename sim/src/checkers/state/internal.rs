//! The logs of coordinators are compacted and nothing else, whatever the brokers' default is, unless somebody wants it
//! otherwise: what they hold is needed for ever.

use super::NodeView;
use super::metadata::says;
use crate::checkers::ledger::Ledger;
use crate::checkers::suite::{OFFSETS_TOPIC, TRANSACTIONS_TOPIC};
use std::sync::Arc;
use stormglass_broker_core::log::LogConfig;
use stormglass_broker_core::metadata::ConfigResource;

/// Looks at a broker's logs of coordinators.
pub(super) fn compacted(ledger: &mut Ledger, view: &NodeView<'_>) {
    let broker = view.broker;
    let Some(image) = broker.metadata().filter(|_| broker.applies_metadata()) else { return };
    for replica in broker.replica_views() {
        let topic = image.topic(replica.tp.topic);
        let Some(topic) = topic.filter(|topic| is_of_coordinators(&topic.name)) else { continue };
        let own = image.configs(&ConfigResource::Topic(Arc::clone(&topic.name)));
        let is_set = own.is_some_and(|own| own.contains_key("cleanup.policy"));
        let config = replica.log.config();
        says(ledger, &topic.name, is_set || is_only_compacted(config), &|| {
            format!("a log of {} at broker {} may lose records: {config:?}", topic.name, view.node)
        });
    }
}

fn is_of_coordinators(topic: &str) -> bool {
    matches!(topic, OFFSETS_TOPIC | TRANSACTIONS_TOPIC)
}

fn is_only_compacted(config: &LogConfig) -> bool {
    config.compaction.is_some() && !config.deletes
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::config::{CleanupPolicy, ServerConfig, TopicConfig};

    #[test]
    fn nothing_is_deleted() {
        let server = ServerConfig::kafka_defaults();
        let is_kept = |cleanup_policy| {
            let topic = TopicConfig { cleanup_policy, ..TopicConfig::from_server(&server) };
            is_only_compacted(&LogConfig::new(&topic, &server))
        };
        assert!(is_kept(CleanupPolicy::COMPACT) && !is_kept(CleanupPolicy::DELETE));
        assert!(!is_kept(CleanupPolicy { compact: true, delete: true }));
    }
}
