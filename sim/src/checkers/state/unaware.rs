//! A group in the consumer protocol looks at topics that were created, deleted or got more partitions when it hears
//! from a member next: soon, where all is calm, and not before.

use super::GroupKey;
use crate::checkers::configured::{group_heartbeat_ms, operations};
use std::collections::BTreeMap;
use stormglass_scenarios::plan::{Operation, Plan};

/// What a member that must find its coordinator anew is given beyond, ns.
const SLACK_NS: u64 = 2_000_000_000;
/// Nodes are looked at every second: a group that was not seen for longer is another one, ns.
const UNSEEN_NS: u64 = 1_500_000_000;

/// Groups that do not know topics as they are.
#[derive(Debug)]
pub(crate) struct Unaware {
    /// Within what members are heard, ns.
    patience_ns: u64,
    known: BTreeMap<GroupKey, Differs>,
}

/// What a group does not know, in words.
#[derive(Debug)]
struct Differs {
    what: String,
    since_ns: u64,
    seen_ns: u64,
}

impl Unaware {
    /// With the intervals of a plan's members.
    pub(crate) fn new(plan: &Plan) -> Self {
        let own_ms = operations(plan).filter_map(|operation| match operation {
            Operation::SetGroupConfig { key, value: Some(value), .. }
                if key == "consumer.heartbeat.interval.ms" =>
            {
                value.parse::<u64>().ok()
            }
            _ => None,
        });
        let longest_ms = own_ms.fold(group_heartbeat_ms(plan).unsigned_abs().into(), u64::max);
        let patience_ns = longest_ms.saturating_mul(2_000_000).saturating_add(SLACK_NS);
        Self { patience_ns, known: BTreeMap::new() }
    }

    /// A node's process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.known.retain(|(of, ..), _| *of != node);
    }

    /// Whether a group has not known the same for so long that some member must have been heard since. `differs`: what
    /// it does not know at this look.
    pub(super) fn is_late(&mut self, group: GroupKey, differs: Option<&str>, now_ns: u64) -> bool {
        let Some(what) = differs else {
            self.known.remove(&group);
            return false;
        };
        let fresh = || Differs { what: what.to_owned(), since_ns: now_ns, seen_ns: now_ns };
        let known = self.known.entry(group).or_insert_with(fresh);
        if known.what != what || now_ns.saturating_sub(known.seen_ns) > UNSEEN_NS {
            *known = fresh();
        }
        known.seen_ns = now_ns;
        now_ns.saturating_sub(known.since_ns) >= self.patience_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::plan;
    use stormglass_broker_core::ids::LeaderEpoch;
    use stormglass_scenarios::plan::{Action, EventPlan};

    const SECOND_NS: u64 = 1_000_000_000;

    fn place(epoch: LeaderEpoch) -> GroupKey {
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
        let mut of = Unaware { patience_ns: 3 * SECOND_NS, known: BTreeMap::new() };
        // whether it is late at the last of some looks, one a second, from a second on
        let mut late = |epoch, differs, seconds: std::ops::RangeInclusive<u64>| {
            let looks = seconds.map(|second| of.is_late(place(epoch), differs, second * SECOND_NS));
            looks.last().unwrap()
        };
        assert!(!late(1, Some("a"), 5..=7));
        assert!(late(1, Some("a"), 8..=8));
        assert!(!late(1, Some("b"), 9..=9), "it has looked since, or topics have changed again");
        assert!(!late(2, Some("b"), 10..=12), "it was loaded anew");
        assert!(late(2, Some("b"), 13..=13));
        assert!(!late(2, None, 14..=14) && !late(2, Some("b"), 15..=15), "it knew them");
        assert!(!late(2, Some("b"), 18..=18), "it was gone meanwhile: another one has its name");
        of.node_down(2);
        assert!(!of.known.is_empty());
        of.node_down(1);
        assert!(of.known.is_empty());
    }
}
