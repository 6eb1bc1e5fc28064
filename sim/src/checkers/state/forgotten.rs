//! Positions in a topic that is deleted go with it: one that gets its name later begins without. Kafka's coordinator sees
//! to that when it hears of the deletion, once: not while it loads, nor where its log takes nothing at that moment.

use super::{Moment, NodeView};
use crate::checkers::history::{History, seconds};
use crate::checkers::ledger::{Check, Ledger};
use crate::checkers::suite::OFFSETS_TOPIC;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, TopicId, TopicPartition};
use stormglass_broker_core::inspect::PositionKey;
use stormglass_broker_core::protocol::OffsetCommitRequest;
use stormglass_scenarios::plan::{Action, EventPlan, Operation, Plan};

/// How long it may take in a healed cluster, ns.
const TAKES_NS: u64 = 3_000_000_000;

/// A node, a partition of `__consumer_offsets`, and the epoch in which it leads that.
type Place = (i32, i32, LeaderEpoch);

/// A position that a coordinator has.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The topic that it is in; `None`: it came with the log, or has an excuse to stay.
    topic: Option<TopicId>,
    /// Since when that is deleted, ns.
    since_ns: Option<u64>,
}

/// Positions in topics that an administrator deletes.
#[derive(Debug)]
pub(crate) struct Forgotten {
    /// Names of such topics.
    topics: BTreeSet<String>,
    /// Commits that members and others have asked for: group, topic, partition.
    asked: BTreeSet<(Arc<str>, TopicId, i32)>,
    seen: BTreeMap<Place, BTreeMap<PositionKey, Seen>>,
}

impl Forgotten {
    /// `None`: nobody commits positions in a topic that is deleted.
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        let operations = || {
            plan.events.iter().filter_map(|event: &EventPlan| match &event.action {
                Action::Admin { operation } => Some(operation),
                _ => None,
            })
        };
        let deleted = operations().filter_map(|operation| match operation {
            Operation::DeleteTopic { topic } => Some(topic.clone()),
            _ => None,
        });
        let topics: BTreeSet<String> = deleted.collect();
        let is_one = |operation: &Operation| matches!(operation, Operation::CommitPositions { topic, .. } if topics.contains(topic));
        let found = operations().any(is_one);
        found.then(|| Self { topics, asked: BTreeSet::new(), seen: BTreeMap::new() })
    }

    /// Positions are to be committed.
    pub(crate) fn asked(&mut self, commit: &OffsetCommitRequest) {
        let of = commit.offsets.iter();
        let of = of.map(|at| (Arc::clone(&commit.group), at.tp.topic, at.tp.partition));
        self.asked.extend(of);
    }

    /// Looks at what the coordinators know.
    pub(super) fn look(&mut self, ledger: &mut Ledger, nodes: &[NodeView<'_>], moment: Moment) {
        let before = std::mem::take(&mut self.seen);
        for view in nodes.iter().filter(|view| view.broker.applies_metadata()) {
            for at in view.broker.coordinated().into_iter().filter(|at| at.is_loaded) {
                let place = (view.node, at.partition, at.epoch);
                let now = self.positions(ledger.now_ns, view, (at.partition, before.get(&place)));
                if moment != Moment::Running {
                    now.iter().for_each(|(key, seen)| stays(ledger, view.node, key, *seen));
                }
                self.seen.insert(place, now);
            }
        }
    }

    /// Positions of a coordinator in such topics.
    fn positions(
        &self,
        now_ns: u64,
        view: &NodeView<'_>,
        (index, before): (i32, Option<&BTreeMap<PositionKey, Seen>>),
    ) -> BTreeMap<PositionKey, Seen> {
        let Some(image) = view.broker.metadata() else { return BTreeMap::new() };
        let led = image.topic_named(OFFSETS_TOPIC);
        let led = led.and_then(|of| view.broker.replica_view(TopicPartition::new(of.id, index)));
        let lead = led.and_then(|replica| replica.lead);
        let takes = lead.is_some_and(|lead| lead.isr.len() >= lead.min_isr);
        let known = view.broker.positions(index).into_keys();
        let known = known.filter(|(_, topic, _)| self.topics.contains(&**topic));
        let seen = known.map(|key| {
            let now = image.topic_named(&key.1).map(|topic| topic.id);
            let is_asked = |id: &TopicId| self.asked.contains(&(Arc::clone(&key.0), *id, key.2));
            let before = before.and_then(|before| before.get(&key));
            let seen = next(before.copied(), (now, now.as_ref().is_some_and(is_asked)), now_ns);
            let topic = seen.topic.filter(|_| takes);
            (key, Seen { topic, ..seen })
        });
        seen.collect()
    }
}

/// What is known of a position: its topic has the id `now`, if it is there, and somebody has committed in that or not.
fn next(before: Option<Seen>, (now, is_asked): (Option<TopicId>, bool), now_ns: u64) -> Seen {
    if is_asked {
        return Seen { topic: now, since_ns: None };
    }
    match before {
        Some(Seen { topic: Some(topic), since_ns }) if now != Some(topic) => {
            Seen { topic: Some(topic), since_ns: since_ns.or(Some(now_ns)) }
        }
        _ => Seen { topic: None, since_ns: None },
    }
}

fn stays(ledger: &mut Ledger, node: i32, key: &PositionKey, seen: Seen) {
    let Seen { topic: Some(_), since_ns: Some(since_ns) } = seen else { return };
    ledger.checked(Check::Metadata, 1);
    if ledger.now_ns - since_ns < TAKES_NS {
        return;
    }
    ledger.broken(Check::Metadata, (OFFSETS_TOPIC, &History::default()), &|| {
        format!(
            "coordinator {node} still has the position of {key:?}, whose topic was deleted before {}",
            seconds(since_ns)
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_of_the_topic_in_which_it_was_committed() {
        let (old, new) = (TopicId(7), TopicId(8));
        let first = next(None, (Some(old), true), 0);
        assert_eq!((first.topic, first.since_ns), (Some(old), None));
        let gone = next(Some(first), (None, false), 5);
        assert_eq!((gone.topic, gone.since_ns), (Some(old), Some(5)));
        let again = next(Some(gone), (Some(new), false), 9);
        assert_eq!((again.topic, again.since_ns), (Some(old), Some(5)), "it is another topic");
        let fresh = next(Some(again), (Some(new), true), 11);
        assert_eq!((fresh.topic, fresh.since_ns), (Some(new), None));
        assert_eq!(next(None, (Some(new), false), 0).topic, None, "it came with the log");
    }

    #[test]
    fn a_position_that_stays_is_seen() {
        let key: PositionKey = ("g".into(), "t".into(), 0);
        let broken = |since_ns| {
            let (mut ledger, at_ns) = (Ledger::default(), 9_000_000_000);
            ledger.now_ns = at_ns;
            stays(&mut ledger, 1, &key, Seen { topic: Some(TopicId(7)), since_ns });
            ledger.finish().1.len()
        };
        assert_eq!((broken(None), broken(Some(8_000_000_000))), (0, 0));
        assert_eq!(broken(Some(5_000_000_000)), 1);
    }
}
