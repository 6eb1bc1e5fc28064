//! Where a replica outside the ISR may lead, and must when none in it can: `unclean.leader.election.enable` of a topic
//! counts before that of the brokers, and an administrator may ask for any leader once. `__transaction_state` is made
//! with one that says no.

use super::suite::TRANSACTIONS_TOPIC;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::inspect::ControllerView;
use stormglass_broker_core::metadata::ConfigResource;
use stormglass_scenarios::plan::{Action, Operation, Plan};

const KEY: &str = "unclean.leader.election.enable";

/// Whether an active controller may elect any replica of a partition that is up, by the configs that it knows: its
/// topic's own counts first, then what was set for the controller's node, for all brokers, and server.properties
/// (Kafka's `KafkaConfigSchema.resolveEffectiveTopicConfig`).
pub(super) fn in_force(by: &ControllerView<'_>, tp: TopicPartition) -> bool {
    let value = |resource: ConfigResource| by.image.configs(&resource)?.get(KEY);
    let topic = by.image.topic(tp.topic).map(|topic| Arc::clone(&topic.name));
    let set = topic
        .and_then(|name| value(ConfigResource::Topic(name)))
        .or_else(|| value(ConfigResource::Broker(by.node)))
        .or_else(|| value(ConfigResource::AllBrokers));
    set.map_or(by.server.unclean_leader_election_enable, |value| is_true(value))
}

fn is_true(value: &str) -> bool {
    value.trim().eq_ignore_ascii_case("true")
}

/// What a plan says of that.
#[derive(Debug)]
pub(crate) struct Unclean {
    /// Of the brokers.
    all: bool,
    /// Of topics with a config of their own.
    own: BTreeMap<String, bool>,
    /// Topics for which an administrator asks for any leader.
    asked: BTreeSet<String>,
    /// Topics whose own config changes while brokers run: it may be this or that, or not be there.
    changed: BTreeSet<String>,
    /// The same of what is set for brokers, which counts for topics without a config of their own.
    all_changes: bool,
}

impl Unclean {
    pub(super) fn of(plan: &Plan) -> Self {
        let value = |config: &BTreeMap<String, String>| config.get(KEY).map(|value| is_true(value));
        let own = plan.topics.iter();
        let own = own.filter_map(|topic| Some((topic.name.clone(), value(&topic.config)?)));
        let operations = || {
            plan.events.iter().filter_map(|event| match &event.action {
                Action::Admin { operation } => Some(operation),
                _ => None,
            })
        };
        let asked = operations().filter_map(|operation| match operation {
            Operation::ElectUnclean { topic, .. } => Some(topic.clone()),
            _ => None,
        });
        let changed = operations().filter_map(|operation| match operation {
            Operation::SetTopicConfig { topic, key, .. } => (key == KEY).then(|| topic.clone()),
            _ => None,
        });
        let is_of_brokers = |operation: &Operation| match operation {
            Operation::SetBrokerConfig { key, .. } => key == KEY,
            _ => false,
        };
        Self {
            all: value(&plan.cluster.config).unwrap_or(false),
            own: own.chain([(TRANSACTIONS_TOPIC.to_owned(), false)]).collect(),
            asked: asked.collect(),
            changed: changed.collect(),
            all_changes: operations().any(is_of_brokers),
        }
    }

    fn is_enabled(&self, topic: &str) -> bool {
        self.own.get(topic).copied().unwrap_or(self.all)
    }

    /// Whether the config of a topic is the same all the time.
    fn is_constant(&self, topic: &str) -> bool {
        !self.changed.contains(topic) && (self.own.contains_key(topic) || !self.all_changes)
    }

    /// Whether a replica of a topic may be elected that is not in sync.
    pub(super) fn may_be(&self, topic: &str) -> bool {
        !self.is_constant(topic) || self.asked.contains(topic) || self.is_enabled(topic)
    }

    /// Whether any replica of a topic that is up leads before nobody does.
    pub(super) fn must_be(&self, topic: &str) -> bool {
        self.is_constant(topic) && self.is_enabled(topic)
    }
}

/// What an active controller knows, for tests.
#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::checkers::testing::{partition_record, registered};
    use crate::recorder::testing::{TOPIC, tp};
    use stormglass_broker_core::config::ServerConfig;
    use stormglass_broker_core::ids::NodeId;
    use stormglass_broker_core::metadata::{
        MetadataImage, MetadataRecord, Moving, PartitionRecord, RegisterBrokerRecord,
    };
    use stormglass_broker_core::time::Instant;

    /// Replicas and ISR, those that are added, and the leader.
    pub(crate) type State<'a> = (&'a [i32], &'a [i32], &'a [i32], Option<i32>);

    fn ids(of: &[i32]) -> Vec<NodeId> {
        of.iter().copied().map(NodeId).collect()
    }

    /// Topic `t` on brokers 1 to 4, of which only some are up.
    pub(crate) fn image(up: &[i32], partitions: &[State<'_>]) -> MetadataImage {
        let mut image = MetadataImage::default();
        for id in 1..=4 {
            let record = RegisterBrokerRecord { fenced: !up.contains(&id), ..registered(id) };
            image.apply(&MetadataRecord::RegisterBroker(record)).unwrap();
        }
        image.apply(&MetadataRecord::Topic { name: "t".into(), id: TOPIC }).unwrap();
        for (partition, (replicas, isr, adding, leader)) in (0..).zip(partitions) {
            let moving = Moving { removing: Vec::new(), adding: ids(adding) };
            let record = PartitionRecord {
                isr: ids(isr),
                moving: moving.kept(),
                leader: leader.map(NodeId),
                ..partition_record(tp(partition), replicas)
            };
            image.apply(&MetadataRecord::Partition(record)).unwrap();
        }
        image
    }

    /// Sets `unclean.leader.election.enable`.
    pub(crate) fn enable(image: &mut MetadataImage, resource: ConfigResource, value: &str) {
        let (key, value) = (KEY.into(), Some(value.into()));
        image.apply(&MetadataRecord::Config { resource, key, value }).unwrap();
    }

    /// Controller 9, 5 s after its clock began, with a look a second ahead, and its timer armed for that.
    pub(crate) fn controller<'a>(
        image: &'a MetadataImage,
        server: &'a ServerConfig,
    ) -> ControllerView<'a> {
        let next = Instant::from_nanos(6_000_000_000);
        ControllerView {
            node: NodeId(9),
            epoch: 3,
            server,
            image,
            balance_at: next,
            unclean_at: None,
            session_ends_at: None,
            idle_at: None,
            rings_at: Some(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::{plan, tp};
    use stormglass_broker_core::config::ServerConfig;
    use stormglass_broker_core::ids::NodeId;
    use stormglass_scenarios::plan::{EventPlan, TopicPlan};

    fn of(all: &str, own: Option<&str>, operation: Option<Operation>) -> (bool, bool) {
        let mut plan = plan();
        plan.cluster.config.insert(KEY.to_owned(), all.to_owned());
        plan.topics = vec![TopicPlan {
            name: "t".to_owned(),
            assignment: Vec::new(),
            config: own.map(|own| (KEY.to_owned(), own.to_owned())).into_iter().collect(),
            preload_bytes: 0,
            preload_record_bytes: 0,
        }];
        let event = |operation| {
            let action = Action::Admin { operation };
            EventPlan { at_ns: 0, for_ns: None, action, line: None }
        };
        plan.events = operation.map(event).into_iter().collect();
        let unclean = Unclean::of(&plan);
        (unclean.may_be("t"), unclean.must_be("t"))
    }

    #[test]
    fn a_topics_own_config_counts_more_than_that_of_the_brokers() {
        assert_eq!(of("false", None, None), (false, false));
        assert_eq!(of("true", None, None), (true, true));
        assert_eq!(of("false", Some("true"), None), (true, true));
        assert_eq!(of("true", Some("false"), None), (false, false));
    }

    #[test]
    fn what_transactions_have_come_to_is_not_given_up_whatever_brokers_say() {
        let mut plan = plan();
        plan.cluster.config.insert(KEY.to_owned(), "true".to_owned());
        let unclean = Unclean::of(&plan);
        assert!(unclean.may_be("t") && unclean.must_be("t"));
        assert!(!unclean.may_be(TRANSACTIONS_TOPIC) && !unclean.must_be(TRANSACTIONS_TOPIC));
    }

    #[test]
    fn who_is_asked_for_any_leader_may_elect_one() {
        let ask = Operation::ElectUnclean { topic: "t".to_owned(), partition: 0 };
        assert_eq!(of("false", None, Some(ask)), (true, false));
        let (key, value) = (KEY.to_owned(), Some("true".to_owned()));
        let change = Operation::SetTopicConfig { topic: "t".to_owned(), key, value };
        assert_eq!(of("true", Some("false"), Some(change)), (true, false), "it is not known when");
    }

    #[test]
    fn what_is_set_for_all_brokers_counts_for_topics_without_a_config_of_their_own() {
        let set = |node| {
            let (key, value) = (KEY.to_owned(), Some("true".to_owned()));
            Some(Operation::SetBrokerConfig { node, key, value })
        };
        assert_eq!(of("false", None, set(None)), (true, false), "it is not known when");
        assert_eq!(of("true", None, set(Some(1))), (true, false));
        assert_eq!(of("false", Some("false"), set(None)), (false, false));
        assert_eq!(of("false", Some("true"), set(None)), (true, true));
        let (topic, key) = ("other".to_owned(), KEY.to_owned());
        let other = Operation::SetTopicConfig { topic, key, value: None };
        assert_eq!(of("false", None, Some(other)), (false, false), "it is another topic's");
    }

    /// As `election_for` in the controller, and not by its code.
    #[test]
    fn a_controller_goes_by_a_topics_own_config_first() {
        let mut server = ServerConfig::kafka_defaults();
        let mut image = testing::image(&[1], &[(&[1], &[1], &[], Some(1))]);
        let is = |image: &_, server: &_| in_force(&testing::controller(image, server), tp(0));
        assert!(!is(&image, &server));
        server.unclean_leader_election_enable = true;
        assert!(is(&image, &server));
        testing::enable(&mut image, ConfigResource::AllBrokers, "false");
        assert!(!is(&image, &server));
        testing::enable(&mut image, ConfigResource::Broker(NodeId(1)), "true");
        assert!(!is(&image, &server), "that is another node's");
        testing::enable(&mut image, ConfigResource::Broker(NodeId(9)), " TRUE");
        assert!(is(&image, &server));
        testing::enable(&mut image, ConfigResource::Topic("t".into()), "false");
        assert!(!is(&image, &server));
    }
}
