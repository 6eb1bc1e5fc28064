//! Positions in a topic that is deleted go with it: one that gets its name later begins without. Kafka's coordinator
//! sees to that when it hears of the deletion, once: not while it loads, nor where its log takes nothing at that
//! moment. Where all that the log has taken is committed, that has had its effect.

use super::{Moment, NodeView};
use crate::checkers::configured::{deleted_topics, operations};
use crate::checkers::history::{History, seconds};
use crate::checkers::ledger::{Check, Ledger};
use crate::checkers::suite::OFFSETS_TOPIC;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, TopicId};
use stormglass_broker_core::inspect::{PositionKey, ReplicaView};
use stormglass_broker_core::protocol::OffsetCommitRequest;
use stormglass_scenarios::plan::{Operation, Plan};

/// How long it may take in a healed cluster, ns.
const TAKES_NS: u64 = 3_000_000_000;
/// How long it may take where the log has nothing under way, ns: until the next look.
const QUIET_NS: u64 = 900_000_000;

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

/// What a log takes depends on, as its leader has it: while that stays as it is, it takes what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Led {
    partition_epoch: i32,
    in_sync: usize,
    min_isr: usize,
    /// Whether nothing is under way.
    is_quiet: bool,
}

impl Led {
    fn of(replica: &ReplicaView<'_>) -> Option<Self> {
        let lead = replica.lead.as_ref()?;
        Some(Self {
            partition_epoch: replica.partition_epoch,
            in_sync: lead.isr.len(),
            min_isr: lead.min_isr,
            is_quiet: replica.is_quiet(),
        })
    }

    /// Whether the log takes records, as it did at the last look, and at all times since.
    fn takes(self, before: Option<Self>) -> bool {
        let same = before.is_none_or(|before| Self { is_quiet: self.is_quiet, ..before } == self);
        same && self.in_sync >= self.min_isr
    }
}

/// A partition of `__consumer_offsets` at a look.
#[derive(Debug, Default)]
struct Known {
    led: Option<Led>,
    positions: BTreeMap<PositionKey, Seen>,
}

/// Positions in topics that an administrator deletes.
#[derive(Debug)]
pub(crate) struct Forgotten {
    /// Names of such topics.
    topics: BTreeSet<String>,
    /// Commits that members and others have asked for: group, topic, partition.
    asked: BTreeSet<(Arc<str>, TopicId, i32)>,
    seen: BTreeMap<Place, Known>,
}

impl Forgotten {
    /// `None`: nobody commits positions in a topic that is deleted.
    pub(crate) fn of(plan: &Plan) -> Option<Self> {
        let topics = deleted_topics(plan);
        let found = operations(plan).any(|operation| match operation {
            Operation::CommitPositions { topic, .. } => topics.contains(topic),
            _ => false,
        });
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
        // who is about to end takes nothing any more
        let stays_up = |view: &&NodeView<'_>| {
            view.broker.applies_metadata() && !view.broker.waits().is_closing
        };
        for view in nodes.iter().filter(stays_up) {
            for at in view.broker.coordinated().into_iter().filter(|at| at.is_loaded) {
                let place = (view.node, at.partition, at.epoch);
                let now = self.known(ledger.now_ns, view, (at.partition, before.get(&place)));
                let is_quiet = now.led.is_some_and(|led| led.is_quiet);
                let takes_ns = if is_quiet { QUIET_NS } else { TAKES_NS };
                let is_due = is_quiet || moment != Moment::Running;
                for (key, seen) in now.positions.iter().filter(|_| is_due) {
                    stays(ledger, view.node, key, (*seen, takes_ns));
                }
                self.seen.insert(place, now);
            }
        }
    }

    /// What a coordinator has in such topics.
    fn known(
        &self,
        now_ns: u64,
        view: &NodeView<'_>,
        (index, before): (i32, Option<&Known>),
    ) -> Known {
        let Some(image) = view.broker.metadata() else { return Known::default() };
        let led = view.offsets_log(index).and_then(|replica| Led::of(&replica));
        let takes = led.is_some_and(|led| led.takes(before.and_then(|before| before.led)));
        let known = view.broker.positions(index).into_keys();
        let known = known.filter(|(_, topic, _)| self.topics.contains(&**topic));
        let seen = known.map(|key| {
            let now = image.topic_named(&key.1).map(|topic| topic.id);
            let is_asked = |id: &TopicId| self.asked.contains(&(Arc::clone(&key.0), *id, key.2));
            let before = before.and_then(|before| before.positions.get(&key));
            let seen = next(before.copied(), (now, now.as_ref().is_some_and(is_asked)), now_ns);
            let topic = seen.topic.filter(|_| takes);
            (key, Seen { topic, ..seen })
        });
        Known { led, positions: seen.collect() }
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

/// `takes_ns`: how long it may.
fn stays(ledger: &mut Ledger, node: i32, key: &PositionKey, (seen, takes_ns): (Seen, u64)) {
    let Seen { topic: Some(_), since_ns: Some(since_ns) } = seen else { return };
    ledger.checked(Check::Metadata, 1);
    if ledger.now_ns - since_ns < takes_ns {
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
    fn a_log_takes_what_it_took_while_nothing_changes() {
        let led = Led { partition_epoch: 4, in_sync: 2, min_isr: 2, is_quiet: true };
        assert!(led.takes(None) && led.takes(Some(Led { is_quiet: false, ..led })));
        assert!(!led.takes(Some(Led { partition_epoch: 3, ..led })), "others were in sync");
        assert!(!led.takes(Some(Led { min_isr: 3, ..led })), "it took less");
        let short = Led { in_sync: 1, ..led };
        assert!(!short.takes(Some(short)));
    }

    #[test]
    fn a_position_that_stays_is_seen() {
        let key: PositionKey = ("g".into(), "t".into(), 0);
        let broken = |since_ns| {
            let (mut ledger, at_ns) = (Ledger::default(), 9_000_000_000);
            ledger.now_ns = at_ns;
            let seen = Seen { topic: Some(TopicId(7)), since_ns };
            stays(&mut ledger, 1, &key, (seen, TAKES_NS));
            ledger.finish().1.len()
        };
        assert_eq!((broken(None), broken(Some(8_000_000_000))), (0, 0));
        assert_eq!(broken(Some(5_000_000_000)), 1);
    }
}
