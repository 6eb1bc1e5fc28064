//! A group in the consumer protocol looks at topics that were created, deleted or got more partitions when it hears
//! from a member next: soon, where all is calm, and not before.

use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::LeaderEpoch;
use stormglass_scenarios::plan::{Action, Operation, Plan};

/// What a member that must find its coordinator anew is given beyond, ns.
const SLACK_NS: u64 = 2_000_000_000;

/// A node, the epoch in which it leads a group's log, and the group.
type Place = (i32, LeaderEpoch, Arc<str>);

/// Groups that do not know topics as they are.
#[derive(Debug)]
pub(crate) struct Unaware {
    /// Within what members are heard, ns.
    patience_ns: u64,
    /// What they do not know, in words, and since when, ns.
    since: BTreeMap<Place, (String, u64)>,
}

impl Unaware {
    /// With the intervals of a plan's members.
    pub(crate) fn new(plan: &Plan) -> Self {
        let server_ms = plan.cluster.config_ms("group.consumer.heartbeat.interval.ms", 5_000);
        let own_ms = plan.events.iter().filter_map(|event| match &event.action {
            Action::Admin {
                operation: Operation::SetGroupConfig { key, value: Some(value), .. },
            } if key == "consumer.heartbeat.interval.ms" => value.parse::<u64>().ok(),
            _ => None,
        });
        let longest_ms = own_ms.fold(server_ms, u64::max);
        let patience_ns = longest_ms.saturating_mul(2_000_000).saturating_add(SLACK_NS);
        Self { patience_ns, since: BTreeMap::new() }
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.since.retain(|(of, ..), _| *of != node);
    }

    /// Whether a group has not known the same for so long that some member must have been heard since. `differs`: what
    /// it does not know at this look.
    pub(super) fn is_late(&mut self, place: Place, differs: Option<&str>, now_ns: u64) -> bool {
        let Some(differs) = differs else {
            self.since.remove(&place);
            return false;
        };
        let (known, since_ns) = self.since.entry(place).or_default();
        if *known != differs {
            (*known, *since_ns) = (differs.to_owned(), now_ns);
        }
        now_ns.saturating_sub(*since_ns) >= self.patience_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::plan;
    use stormglass_scenarios::plan::EventPlan;

    const SECOND_NS: u64 = 1_000_000_000;

    fn place(epoch: LeaderEpoch) -> Place {
        (1, epoch, "g".into())
    }

    #[test]
    fn members_are_heard_twice_within_the_longest_interval() {
        let mut plan = plan();
        let with = |plan: &Plan| Unaware::new(plan).patience_ns / SECOND_NS;
        plan.cluster.config.insert("group.consumer.heartbeat.interval.ms".into(), "2000".into());
        assert_eq!(with(&plan), 6);
        for (key, value) in [("consumer.heartbeat.interval.ms", "3000"), ("other", "9000")] {
            let (group, key, value) = ("g".to_owned(), key.to_owned(), Some(value.to_owned()));
            let action =
                Action::Admin { operation: Operation::SetGroupConfig { group, key, value } };
            plan.events.push(EventPlan { at_ns: 0, for_ns: None, action, line: None });
        }
        assert_eq!(with(&plan), 8);
    }

    /// Hunt seed 17005523: a topic went, and a coordinator moved, less than an interval before a run ended.
    #[test]
    fn a_group_that_has_heard_nobody_since_topics_changed_cannot_know_them() {
        let mut of = Unaware { patience_ns: 3 * SECOND_NS, since: BTreeMap::new() };
        let mut late =
            |epoch, differs, second| of.is_late(place(epoch), differs, second * SECOND_NS);
        assert!(!late(1, Some("a"), 5) && !late(1, Some("a"), 7));
        assert!(late(1, Some("a"), 8));
        assert!(!late(1, Some("b"), 9), "it has looked since, or topics have changed again");
        assert!(!late(2, Some("b"), 12), "it was loaded anew");
        assert!(late(1, Some("b"), 12));
        assert!(!late(1, None, 13) && !late(1, Some("b"), 14), "it knew them");
        of.node_down(1);
        assert!(of.since.is_empty());
    }
}
