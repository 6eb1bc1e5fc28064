//! The quorum commits what a majority has on disk.

use super::NodeView;
use crate::checkers::configured::has_right_clocks;
use crate::checkers::history::History;
use crate::checkers::ledger::{Check, Ledger, Promise};
use crate::checkers::partition::Partition;
use crate::checkers::timeouts::hurry_ppm;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{LeaderEpoch, Offset, TopicPartition};
use stormglass_broker_core::protocol::{Request, Response};
use stormglass_broker_core::seam::FileName;
use stormglass_scenarios::plan::Plan;

pub(crate) const PROMISE: Promise = Promise {
    name: "quorum-durability",
    text: "the metadata quorum commits only what a majority of its voters has on disk and agrees \
           on, and only when that ends with a record of its leader's own epoch; what goes is in a snapshot on disk; \
           who leads it hears from a majority, \
           and once all is well again, all controllers learn of it",
};

/// The quorum's leader commits up to an offset.
pub(crate) fn commits(
    p: &Partition,
    ledger: &mut Ledger,
    (node, epoch, offset): (i32, LeaderEpoch, Offset),
    durable: &[(i32, Offset)],
) {
    ledger.checked(Check::Quorum, 1);
    let leader = p.known_replica(node);
    let agrees = |voter: i32| match (leader, p.known_replica(voter)) {
        (Some(leader), Some(replica)) => replica.log.agrees(&leader.log, offset),
        _ => true,
    };
    let have = durable.iter().filter(|(voter, end)| *end >= offset && agrees(*voter)).count();
    if have * 2 <= durable.len() {
        ledger.broken(Check::Quorum, p.about(), &|| {
            let ends: Vec<String> =
                durable.iter().map(|(voter, end)| format!("{voter} up to {end}")).collect();
            format!(
                "controller {node} commits metadata up to {offset} in epoch {epoch}, but of the \
                 voters only {have} would keep its records after a power failure: on disk have {}",
                ends.join(", ")
            )
        });
    }
    let last = leader.and_then(|leader| leader.log.epoch_at(offset - 1));
    if let Some(last) = last.filter(|last| *last != epoch) {
        ledger.broken(Check::Quorum, p.about(), &|| {
            format!(
                "controller {node} commits metadata up to {offset} in epoch {epoch}, and the last \
                 record below is of epoch {last}: a later leader may still replace it"
            )
        });
    }
}

/// What a node knows of its own log of the metadata agrees.
pub(crate) fn agrees(ledger: &mut Ledger, view: &NodeView<'_>) {
    let (node, audit) = (view.node, view.broker.quorum_audit());
    let mut says = |holds: bool, seen: &dyn Fn() -> String| {
        ledger.checked(Check::Quorum, 1);
        if !holds {
            ledger.broken(Check::Quorum, ("", &History::default()), seen);
        }
    };
    says(audit.durable_end <= audit.log_end, &|| {
        format!("node {node} takes more metadata for flushed than it has: {audit:?}")
    });
    says(audit.newest_batch.is_none_or(|epoch| epoch == audit.last_epoch), &|| {
        format!("node {node} takes its metadata to end in another epoch than it does: {audit:?}")
    });
    says(audit.empty_epoch.is_none(), &|| {
        format!("node {node} has an epoch on record of which its log has nothing: {audit:?}")
    });
    let gone = view.disk.named_gone();
    says(gone.is_none(), &|| {
        format!(
            "node {node} has deleted {gone:?}, which it would have looked for after a power failure"
        )
    });
    let early = view.disk.trimmed_early();
    says(early.is_none(), &|| {
        format!(
            "node {node} has deleted metadata that is in no snapshot which it would have found after a power failure \
             (where its log began, and where that snapshot ended): {early:?}"
        )
    });
    says(audit.stale_fetches == 0, &|| {
        format!("controller {node} lets fetches wait that there is news for: {audit:?}")
    });
    let has_all = audit.snapshot.is_none_or(|held| has_all(held, view.disk.metadata_snapshots()));
    says(has_all, &|| {
        format!(
            "node {node} has not the snapshot for nodes that are far behind which it has on its disk (KIP-630): {audit:?}"
        )
    });
}

/// Whether a node has as much of its snapshot at hand, as it says, as its disk has of that.
fn has_all<'a>(
    (end, epoch, held): (Offset, LeaderEpoch, usize),
    mut files: impl Iterator<Item = (&'a FileName, &'a Bytes)>,
) -> bool {
    let of = FileName::MetadataSnapshot(end, epoch);
    files.find(|(name, _)| **name == of).is_none_or(|(_, bytes)| bytes.len() == held)
}

/// How late a controller may learn of the metadata, ns.
const PATIENCE_NS: u64 = 3_000_000_000;

/// Who is there in a healed cluster, and what is known of the metadata there.
#[derive(Debug, Default)]
pub(crate) struct Learners {
    /// Since when a node has been there, ns.
    since: BTreeMap<i32, u64>,
    /// The highest high watermark of any of them, and when it was seen, ns.
    shown: VecDeque<(u64, Offset)>,
}

impl Learners {
    /// A process ended.
    pub(crate) fn node_down(&mut self, node: i32) {
        self.since.remove(&node);
    }

    /// Every controller knows to be committed what one of them knew a while ago. Brokers are left out: one whose
    /// volume was slow may need longer than a cluster takes to heal (hunt seed 921470).
    pub(crate) fn look(&mut self, ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
        let controllers = nodes.iter().filter(|view| view.broker.metadata().is_none());
        let known = controllers.map(|view| (view.node, view.broker.quorum().high_watermark));
        self.learn(ledger, &known.collect::<Vec<_>>());
    }

    fn learn(&mut self, ledger: &mut Ledger, known: &[(i32, Offset)]) {
        let now_ns = ledger.now_ns;
        while self.shown.get(1).is_some_and(|(at_ns, _)| now_ns - at_ns >= PATIENCE_NS) {
            self.shown.pop_front();
        }
        let past = self.shown.front().filter(|(at_ns, _)| now_ns - at_ns >= PATIENCE_NS).copied();
        for (node, high_watermark) in known {
            let since_ns = *self.since.entry(*node).or_insert(now_ns);
            let Some((at_ns, due)) = past.filter(|(at_ns, _)| since_ns <= *at_ns) else { continue };
            ledger.checked(Check::Quorum, 1);
            if *high_watermark < due {
                ledger.broken(Check::Quorum, ("", &History::default()), &|| {
                    format!(
                        "node {node} knows the metadata to be committed up to {high_watermark}; another \
                         one knew of {due} {} ms ago, in a healed cluster",
                        (now_ns - at_ns) / 1_000_000
                    )
                });
            }
        }
        let highest = known.iter().map(|(_, high_watermark)| *high_watermark).max();
        self.shown.extend(highest.map(|highest| (now_ns, highest)));
    }
}

/// What a leader of the quorum is given beyond the time in which it must hear from a majority, ns.
const SLACK_NS: u64 = 1_500_000_000;

/// When leaders of the quorum heard from the other voters.
#[derive(Debug)]
pub(crate) struct Followed {
    voters: BTreeSet<i32>,
    /// One and a half times `controller.quorum.fetch.timeout.ms` by the slowest clock, and the slack, ns.
    patience_ns: u64,
    /// By leader and voter.
    heard: BTreeMap<(i32, i32), u64>,
    /// Since when a node leads in which epoch, ns.
    leads: BTreeMap<i32, (LeaderEpoch, u64)>,
    /// Whom a voter has been answered by last when it fetched, and when, ns.
    answered: BTreeMap<i32, (i32, u64)>,
    /// A voter that was answered within this time stays with its leader, ns; 0: clocks are wrong.
    stays_ns: u64,
}

impl Followed {
    pub(crate) fn new(plan: &Plan) -> Self {
        let timeout_ms = plan.cluster.config_ms("controller.quorum.fetch.timeout.ms", 2_000);
        let exact_ns = u128::from(timeout_ms) * 1_500_000;
        let slow = u128::from(1_000_000 + hurry_ppm(plan));
        let patience_ns = u64::try_from(exact_ns * slow / 1_000_000).unwrap_or(u64::MAX / 2);
        Self {
            voters: plan.cluster.controllers.iter().map(|node| node.id).collect(),
            patience_ns: patience_ns + SLACK_NS,
            heard: BTreeMap::new(),
            leads: BTreeMap::new(),
            answered: BTreeMap::new(),
            stays_ns: if has_right_clocks(plan) { timeout_ms * 900_000 } else { 0 },
        }
    }

    /// A node works on a request.
    pub(crate) fn asked(&mut self, now_ns: u64, node: i32, request: &Request) {
        let voter = match request {
            Request::FetchSnapshot(asked) => asked.replica,
            Request::Fetch(asked) => match (asked.replica, asked.partitions.as_slice()) {
                (Some(replica), [part]) if part.tp == TopicPartition::METADATA => replica.id,
                _ => return,
            },
            _ => return,
        };
        if self.voters.contains(&voter.0) {
            self.heard.insert((node, voter.0), now_ns);
        }
    }

    /// A voter is answered when it fetches.
    pub(crate) fn hears(&mut self, now_ns: u64, node: i32, from: i32, answer: &Response) {
        let Response::Fetch(answer) = answer else { return };
        let [part] = answer.partitions.as_slice() else { return };
        if part.tp == TopicPartition::METADATA && part.error.is_ok() {
            self.answered.insert(node, (from, now_ns));
        }
    }

    /// Why a voter must not say that it would vote for a candidate, as it stands before it is asked: it hears from
    /// its leader (KIP-996).
    pub(crate) fn objection(
        &self,
        now_ns: u64,
        (node, broker): (i32, &Broker),
        request: &Request,
    ) -> Option<String> {
        let Request::Vote(asked) = request else { return None };
        let knows = broker.quorum();
        if !asked.pre_vote || asked.epoch > knows.epoch || !knows.in_touch {
            return None;
        }
        let ago_ns = self.hears_from(now_ns, node, knows.leader.map(|leader| leader.0))?;
        Some(format!("its leader has answered it {} ms ago", ago_ns / 1_000_000))
    }

    /// How long ago a voter was answered by its leader, if that counts, ns.
    fn hears_from(&self, now_ns: u64, node: i32, leader: Option<i32>) -> Option<u64> {
        let (from, at_ns) = *self.answered.get(&node)?;
        let ago_ns = now_ns - at_ns;
        (leader == Some(from) && ago_ns < self.stays_ns).then_some(ago_ns)
    }

    /// Who leads the quorum hears from a majority, or else resigns (KIP-835): others may have another leader.
    pub(crate) fn look(&mut self, ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
        for view in nodes {
            let epoch = view.broker.quorum().epoch;
            let is_active = view.broker.active_metadata().is_some();
            self.leads(ledger, view.node, is_active.then_some(epoch), view.awake_ns);
        }
    }

    fn leads(&mut self, ledger: &mut Ledger, node: i32, epoch: Option<LeaderEpoch>, awake_ns: u64) {
        let now_ns = ledger.now_ns;
        let Some(epoch) = epoch else {
            self.leads.remove(&node);
            return;
        };
        let since = self.leads.entry(node).or_insert((epoch, now_ns));
        if since.0 != epoch {
            *since = (epoch, now_ns);
        }
        if awake_ns < self.patience_ns || now_ns - since.1 < self.patience_ns {
            return;
        }
        let is_recent = |at_ns: &u64| now_ns - *at_ns <= self.patience_ns;
        let others = self.voters.iter().filter(|voter| **voter != node);
        let heard = others.filter_map(|voter| self.heard.get(&(node, *voter)));
        let heard = heard.filter(|at_ns| is_recent(at_ns)).count();
        ledger.checked(Check::Quorum, 1);
        if heard < self.voters.len() / 2 {
            ledger.broken(Check::Quorum, ("", &History::default()), &|| {
                format!(
                    "controller {node} is active in epoch {epoch}, and only {heard} of {} voters beside it \
                     have asked it for metadata in the last {} ms",
                    self.voters.len(),
                    self.patience_ns / 1_000_000
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::plan;

    /// A node that was started again knew its snapshot, and had none of it to hand out.
    #[test]
    fn a_node_has_the_snapshot_that_its_disk_has() {
        let (one, other) = (FileName::MetadataSnapshot(7, 1), FileName::MetadataSnapshot(9, 1));
        let bytes = Bytes::from_static(b"metadata");
        let files = [(one, bytes.clone()), (other, bytes.slice(..3))];
        let holds = |held| has_all(held, files.iter().map(|(name, bytes)| (name, bytes)));
        assert!(holds((7, 1, 8)) && holds((9, 1, 3)));
        assert!(!holds((7, 1, 0)) && !holds((9, 1, 8)));
        assert!(holds((8, 1, 0)), "that is another rule's");
    }

    #[test]
    fn who_leads_without_a_majority_is_seen() {
        let broken = |heard_ms: &[u64]| {
            let (mut followed, mut ledger) = (Followed::new(&plan()), Ledger::default());
            followed.voters = BTreeSet::from([1, 2, 3]);
            followed.patience_ns = 2_000_000_000;
            for second in 0..5 {
                ledger.now_ns = second * 1_000_000_000;
                let heard = heard_ms.iter().map(|ms| ms * 1_000_000);
                for at_ns in heard.filter(|at_ns| *at_ns <= ledger.now_ns) {
                    followed.heard.insert((1, 2), at_ns);
                }
                followed.leads(&mut ledger, 1, Some(7), u64::MAX);
            }
            ledger.finish().1.len()
        };
        assert_eq!((broken(&[500, 1_500, 2_500]), broken(&[500])), (0, 2), "at seconds 3 and 4");
    }

    #[test]
    fn who_was_answered_a_while_ago_may_have_another_leader() {
        let mut followed = Followed::new(&plan());
        followed.stays_ns = 100;
        followed.answered.insert(2, (1, 1_000));
        let leads = |now_ns, leader: Option<i32>| followed.hears_from(now_ns, 2, leader);
        assert_eq!((leads(1_099, Some(1)), leads(1_100, Some(1))), (Some(99), None));
        assert_eq!((leads(1_050, Some(3)), leads(1_050, None)), (None, None));
    }

    #[test]
    fn who_does_not_learn_of_the_metadata_is_seen() {
        let (mut learners, mut ledger) = (Learners::default(), Ledger::default());
        for second in 0..6 {
            ledger.now_ns = second * PATIENCE_NS / 3;
            let end = 10 + i64::try_from(second).unwrap();
            // node 2 is late, node 3 is there since second 4, and knows nothing yet
            let mut known = vec![(1, end), (2, end - 2)];
            known.extend((second >= 4).then_some((3, 0)));
            learners.learn(&mut ledger, &known);
        }
        assert_eq!(ledger.finish().1.len(), 0);
        let mut ledger = Ledger::default();
        ledger.now_ns = 2 * PATIENCE_NS;
        learners.learn(&mut ledger, &[(1, 16), (2, 12)]);
        assert_eq!(ledger.finish().1.len(), 1);
    }
}
