//! Topics come into being by themselves only when somebody asks about them who allows it, and where brokers do, too
//! (`auto.create.topics.enable`): who looks whether a topic is gone does not bring it back. Those of coordinators are
//! compacted, as what is in them is needed for ever, and are as `offsets.topic.*` and `transaction.state.log.*` say.

use super::{Says, Speaker};
use crate::checkers::suite::{OFFSETS_TOPIC, TRANSACTIONS_TOPIC};
use std::sync::Arc;
use stormglass_broker_core::config::ServerConfig;
use stormglass_broker_core::protocol::{CreateTopicsRequest, NewTopic, Placement, Request};

const UNCLEAN: &str = "unclean.leader.election.enable";

/// Topics that the request which is being handled asks about, if they may be created.
#[derive(Debug, Default)]
pub(super) struct Creations {
    allowed: Vec<Arc<str>>,
}

impl Creations {
    /// A node begins to work on a request. `is_enabled`: `auto.create.topics.enable`.
    pub(super) fn asked(&mut self, request: &Request, is_enabled: bool) {
        self.allowed.clear();
        if let Request::Metadata(asked) = request
            && asked.allow_auto_topic_creation
            && is_enabled
        {
            self.allowed.extend(asked.topics.iter().flatten().cloned());
        }
    }

    /// It was something else than a request.
    pub(super) fn rest(&mut self) {
        self.allowed.clear();
    }

    /// It asks the controller for topics.
    pub(super) fn asks(&self, says: &mut Says<'_>, by: Speaker<'_>, asked: &CreateTopicsRequest) {
        self.asks_for(says, by.node, asked);
        let Some(server) = by.broker.properties() else { return };
        let mut topics = asked.topics.iter();
        let differs = topics.find_map(|topic| Some((topic, flaw(topic, server)?)));
        says.rule(differs.is_none(), &|| {
            format!(
                "broker {} has a topic of coordinators created, and not as its configs say: {differs:?}",
                by.node
            )
        });
    }

    fn asks_for(&self, says: &mut Says<'_>, node: i32, asked: &CreateTopicsRequest) {
        let is_allowed = |topic: &NewTopic| self.allowed.contains(&topic.name);
        let mut by_itself = asked.topics.iter().filter(|topic| comes_by_itself(topic));
        let forbidden = by_itself.find(|topic| !is_allowed(topic));
        says.rule(forbidden.is_none(), &|| {
            format!("broker {node} has a topic created that nobody wants created: {forbidden:?}")
        });
        let loses = asked.topics.iter().find(|topic| !may_coordinate(topic));
        says.rule(loses.is_none(), &|| {
            format!(
                "broker {node} has a topic of coordinators created that loses records: {loses:?}"
            )
        });
    }
}

/// Whether nobody says how many partitions and replicas a topic is to have; administrators of the simulator do.
fn comes_by_itself(topic: &NewTopic) -> bool {
    matches!(topic.placement, Placement::Automatic { partitions: -1, .. })
}

/// Whether a topic keeps the newest record of each key, if it is a broker that wants it for its coordinators; who sets a
/// simulation up says where each replica is.
fn may_coordinate(topic: &NewTopic) -> bool {
    let is_coordinators = matches!(&*topic.name, OFFSETS_TOPIC | TRANSACTIONS_TOPIC)
        && matches!(topic.placement, Placement::Automatic { .. });
    !is_coordinators || topic.config.get("cleanup.policy").is_some_and(|policy| policy == "compact")
}

/// What of a topic of coordinators, that a broker wants for itself, is not as its configs say
/// (`AutoTopicCreationManager.creatableTopic`): with one replica in sync, what is acknowledged may be lost.
fn flaw(topic: &NewTopic, server: &ServerConfig) -> Option<&'static str> {
    let Placement::Automatic { partitions, replication_factor } = topic.placement else {
        return None;
    };
    let (count, factor, segment_bytes, min_isr) = match &*topic.name {
        OFFSETS_TOPIC => (
            server.offsets_topic_num_partitions,
            server.offsets_topic_replication_factor,
            server.offsets_topic_segment_bytes,
            None,
        ),
        TRANSACTIONS_TOPIC => (
            server.transaction_topic_num_partitions,
            server.transaction_topic_replication_factor,
            server.transaction_topic_segment_bytes,
            Some(server.transaction_topic_min_isr),
        ),
        _ => return None,
    };
    let is = |key: &str, value: i32| {
        topic.config.get(key).is_some_and(|text| text.parse::<i32>().ok() == Some(value))
    };
    if partitions != count || i32::from(replication_factor) != factor {
        return Some("its partitions or replicas");
    }
    if !is("segment.bytes", segment_bytes) {
        return Some("segment.bytes");
    }
    if !is("min.insync.replicas", min_isr?) {
        return Some("min.insync.replicas");
    }
    // whatever the brokers' config is
    let is_clean = topic.config.get(UNCLEAN).is_some_and(|text| text == "false");
    (!is_clean).then_some(UNCLEAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use std::collections::BTreeMap;
    use stormglass_broker_core::protocol::MetadataRequest;

    #[test]
    fn both_must_allow_it() {
        let broken = |is_enabled: bool, allows: bool, partitions: i32| {
            let mut creations = Creations::default();
            let (topics, allow_auto_topic_creation) = (Some(vec!["t".into()]), allows);
            let request = MetadataRequest { topics, allow_auto_topic_creation };
            creations.asked(&Request::Metadata(request), is_enabled);
            let placement = Placement::Automatic { partitions, replication_factor: -1 };
            let topic = NewTopic { name: "t".into(), placement, config: BTreeMap::new() };
            let asked = CreateTopicsRequest { topics: vec![topic], validate_only: false };
            let (mut ledger, history) = (Ledger::default(), History::default());
            let mut says =
                Says { ledger: &mut ledger, label: "", history: &history, is_gapless: true };
            creations.asks_for(&mut says, 1, &asked);
            ledger.finish().1.len()
        };
        assert_eq!(broken(true, true, -1), 0);
        assert_eq!((broken(true, false, -1), broken(false, true, -1)), (1, 1));
        assert_eq!(broken(false, false, 3), 0, "an administrator makes it");
    }

    #[test]
    fn what_coordinators_write_is_compacted() {
        let may = |name: &str, policy: Option<&str>| {
            let placement = Placement::Automatic { partitions: 50, replication_factor: 3 };
            let config = policy.map(|policy| ("cleanup.policy".to_owned(), policy.to_owned()));
            let config = config.into_iter().collect();
            may_coordinate(&NewTopic { name: name.into(), placement, config })
        };
        assert!(may("t", None) && may(OFFSETS_TOPIC, Some("compact")));
        assert!(!may(OFFSETS_TOPIC, None) && !may(TRANSACTIONS_TOPIC, Some("compact,delete")));
    }

    #[test]
    fn topics_of_coordinators_are_as_configs_say() {
        let server = ServerConfig {
            transaction_topic_min_isr: 3,
            transaction_topic_num_partitions: 2,
            ..ServerConfig::kafka_defaults()
        };
        let flaw = |name: &str, partitions: i32, configs: &[(&str, &str)]| {
            let placement = Placement::Automatic { partitions, replication_factor: 3 };
            let config = configs.iter().map(|(key, value)| ((*key).into(), (*value).into()));
            flaw(&NewTopic { name: name.into(), placement, config: config.collect() }, &server)
        };
        let (segments, in_sync) = (("segment.bytes", "104857600"), ("min.insync.replicas", "3"));
        let clean = (UNCLEAN, "false");
        assert_eq!(flaw(TRANSACTIONS_TOPIC, 2, &[segments, in_sync, clean]), None);
        assert!(flaw(TRANSACTIONS_TOPIC, 2, &[segments, clean]).is_some(), "one in sync would do");
        let less = ("min.insync.replicas", "2");
        assert!(flaw(TRANSACTIONS_TOPIC, 2, &[segments, less, clean]).is_some());
        assert!(flaw(TRANSACTIONS_TOPIC, 50, &[segments, in_sync, clean]).is_some());
        assert!(flaw(TRANSACTIONS_TOPIC, 2, &[in_sync, clean]).is_some());
        assert!(flaw(TRANSACTIONS_TOPIC, 2, &[segments, in_sync]).is_some(), "as the brokers say");
        let unclean = (UNCLEAN, "true");
        assert!(flaw(TRANSACTIONS_TOPIC, 2, &[segments, in_sync, unclean]).is_some());
        assert_eq!(flaw(OFFSETS_TOPIC, 50, &[segments]), None, "those go by the cluster's");
        assert_eq!(flaw("t", -1, &[]), None);
    }
}
