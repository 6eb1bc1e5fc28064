//! Where a replica outside the ISR may lead, and must when none in it can: `unclean.leader.election.enable` of a topic
//! counts before that of the brokers, and an administrator may ask for any leader once. `__transaction_state` is made
//! with one that says no.

use super::suite::TRANSACTIONS_TOPIC;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_scenarios::plan::{Action, Operation, Plan};

const KEY: &str = "unclean.leader.election.enable";

/// What a plan says of that.
#[derive(Debug)]
pub(crate) struct Unclean {
    /// Of the brokers.
    all: bool,
    /// Of topics with a config of their own.
    own: BTreeMap<String, bool>,
    /// Topics for which an administrator asks for any leader.
    asked: BTreeSet<String>,
    /// The config changes while brokers run: it may be this or that.
    changes: bool,
}

impl Unclean {
    pub(super) fn of(plan: &Plan) -> Self {
        let value = |config: &BTreeMap<String, String>| {
            config.get(KEY).map(|value| value.trim().eq_ignore_ascii_case("true"))
        };
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
        let is_change = |operation: &Operation| match operation {
            Operation::SetTopicConfig { key, .. } | Operation::SetBrokerConfig { key, .. } => {
                key == KEY
            }
            _ => false,
        };
        Self {
            all: value(&plan.cluster.config).unwrap_or(false),
            own: own.chain([(TRANSACTIONS_TOPIC.to_owned(), false)]).collect(),
            asked: asked.collect(),
            changes: operations().any(is_change),
        }
    }

    fn is_enabled(&self, topic: &str) -> bool {
        self.own.get(topic).copied().unwrap_or(self.all)
    }

    /// Whether a replica of a topic may be elected that is not in sync.
    pub(super) fn may_be(&self, topic: &str) -> bool {
        self.changes || self.asked.contains(topic) || self.is_enabled(topic)
    }

    /// Whether any replica of a topic that is up leads before nobody does.
    pub(super) fn must_be(&self, topic: &str) -> bool {
        !self.changes && self.is_enabled(topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::plan;
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
}
