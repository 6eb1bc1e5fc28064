//! Lags: followers leave the ISR when they have not had all for `replica.lag.time.max.ms`, and not before. Reckoned anew
//! from what leaders hear.

use super::{SLACK_NS, hurry_ppm, says, soonest};
use crate::checkers::ledger::Ledger;
use crate::checkers::messages::is_told;
use crate::checkers::state::NodeView;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{NodeId, Offset, TopicPartition};
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::protocol::{FetchPartition, FetchRequest};
use stormglass_broker_core::seam::TraceEvent;
use stormglass_scenarios::plan::Plan;

/// When a leader last knew that a follower had all.
#[derive(Debug, Clone, Copy, Default)]
struct Lag {
    caught_up_ns: u64,
    /// When it said that it has all, in a fetch that named the partition: no reckoning is stricter. 0 for never.
    complete_ns: u64,
    /// The same of any other fetch of its session, as long as that has the partition, and its leader knew it:
    /// Kafka's counts every fetch, this one's looks when the log grows.
    idle_ns: u64,
    fetched_ns: u64,
    /// When its leader reckoned the high watermark, as it heard a position of it, or with its ISR. A fetch that
    /// does not name the partition makes nobody reckon: Kafka does so if the follower has got on.
    reckoned_ns: u64,
    /// Whether it was in an ISR that its leader had proposed when that reckoned last: it held it back. If the
    /// controller refuses the proposal, nobody reckons anew (Kafka's `Partition.handleAlterPartitionError`).
    was_proposed: bool,
    end_at_fetch: Offset,
}

impl Lag {
    /// Of a member as its leader begins to lead, or takes it in.
    fn fresh(now_ns: u64) -> Self {
        let (caught_up_ns, complete_ns) = (now_ns, now_ns.max(1));
        let (reckoned_ns, end_at_fetch) = (now_ns, Offset::MAX);
        Self { caught_up_ns, complete_ns, reckoned_ns, end_at_fetch, ..Self::default() }
    }

    /// Since when a follower that lags has been seen to lag, ns. It may lag only since an append just
    /// now; and if it had all after it was last `seen` to lag, that was another time (hunt seed 110264).
    fn seen_since(&self, seen_ns: Option<u64>, now_ns: u64) -> u64 {
        seen_ns.filter(|seen_ns| *seen_ns >= self.caught_up_ns).unwrap_or(now_ns)
    }
}

/// How far the followers of a partition are, by their ids.
#[derive(Debug, Default)]
struct Followers(Vec<(i32, Lag)>);

impl Followers {
    fn get(&self, id: i32) -> Option<&Lag> {
        self.0.iter().find(|(follower, _)| *follower == id).map(|(_, lag)| lag)
    }

    /// A follower does not fetch for now.
    fn leave_out(&mut self, id: i32) {
        let own = self.0.iter_mut().filter(|(follower, _)| *follower == id);
        own.for_each(|(_, lag)| lag.idle_ns = 0);
    }

    /// Their leader reckons, while it has proposed this ISR, if any.
    fn reckoned(&mut self, pending: &[NodeId]) {
        for (id, lag) in &mut self.0 {
            lag.was_proposed = pending.contains(&NodeId(*id));
        }
    }

    fn or_insert(&mut self, id: i32, lag: Lag) -> &mut Lag {
        let at = self.0.iter().position(|(follower, _)| *follower == id).unwrap_or_else(|| {
            self.0.push((id, lag));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

/// What leaders have heard of their followers.
#[derive(Debug)]
pub(in crate::checkers) struct Lags {
    /// How long followers' fetches wait at most, ns.
    fetch_wait_ns: u64,
    /// By how much the fastest clock of the plan may be fast, parts per million.
    hurry_ppm: u64,
    /// By leader and partition: leaders begin and end by the thousand where topics are large.
    lags: FxHashMap<(i32, TopicPartition), Followers>,
    /// Since when a follower that should have left the ISR has been in it as far as was seen, ns.
    overdue: BTreeMap<(i32, TopicPartition, i32), u64>,
    /// When a leader last learnt of a change of its ISR, ns.
    isr_changed: BTreeMap<(i32, TopicPartition), u64>,
}

impl Lags {
    pub(super) fn new(plan: &Plan) -> Self {
        let wait_ms = plan.cluster.config_ms("replica.fetch.wait.max.ms", 500);
        Self {
            fetch_wait_ns: wait_ms.saturating_mul(1_000_000),
            hurry_ppm: hurry_ppm(plan),
            lags: FxHashMap::default(),
            overdue: BTreeMap::new(),
            isr_changed: BTreeMap::new(),
        }
    }

    /// Partitions that a follower takes out of its session, or that its next one has not: its leader knows no more
    /// when it was heard of them.
    pub(in crate::checkers) fn leaves_out(
        &mut self,
        (node, follower): (i32, NodeId),
        fetch: &FetchRequest,
    ) {
        for tp in &fetch.forgotten {
            if let Some(followers) = self.lags.get_mut(&(node, *tp)) {
                followers.leave_out(follower.0);
            }
        }
        let is_raft = fetch.partitions.first().is_some_and(|at| at.tp == TopicPartition::METADATA);
        if fetch.session_epoch <= 0 && !is_raft {
            let is_named = |tp: &TopicPartition| fetch.partitions.iter().any(|at| at.tp == *tp);
            let own = self.lags.iter_mut().filter(|((of, tp), _)| *of == node && !is_named(tp));
            own.for_each(|(_, followers)| followers.leave_out(follower.0));
        }
    }

    /// A replica leads anew, or no longer.
    fn forget(&mut self, node: i32, tp: TopicPartition) {
        self.lags.remove(&(node, tp));
        self.overdue.retain(|(of, at, _), _| (*of, *at) != (node, tp));
    }

    /// Whether a follower outside the ISR had had all within `lag_max_ns` when its leader reckoned the
    /// high watermark last, as far as is known: as some follower named the partition, or with the last change of
    /// the ISR (hunt seeds 21006857, 21007103, 21007610, 21007837, 21008295: it went on to fetch, and said nothing
    /// new of the partition). Or was proposed for the ISR then, and has been refused since (hunt seed 23009919).
    pub(in crate::checkers) fn was_joining(
        &self,
        of: (i32, TopicPartition, i32),
        lag_max_ns: u64,
    ) -> bool {
        let Some(followers) = self.lags.get(&(of.0, of.1)) else { return false };
        let changed_ns = self.isr_changed.get(&(of.0, of.1)).copied().unwrap_or(0);
        let reckoned_ns = followers.0.iter().map(|(_, lag)| lag.reckoned_ns);
        let reckoned_ns = reckoned_ns.fold(changed_ns, u64::max);
        let lag_max_ns = 2 * lag_max_ns - soonest(lag_max_ns, self.hurry_ppm);
        let counted = |lag: &Lag| lag.was_proposed || lag.caught_up_ns + lag_max_ns >= reckoned_ns;
        followers.get(of.2).is_some_and(counted)
    }

    /// A leader proposes an ISR. Whoever is to join has just been heard: the leader reckons with that.
    pub(super) fn proposes(&mut self, of: (i32, TopicPartition), isr: &[NodeId]) {
        let own = self.lags.get_mut(&of).into_iter().flat_map(|followers| &mut followers.0);
        own.for_each(|(id, lag)| lag.was_proposed |= isr.contains(&NodeId(*id)));
    }

    /// Whether a leader has learnt of a change of its ISR while a fetch waited that may wait yet.
    pub(in crate::checkers) fn has_fresh_isr(
        &self,
        now_ns: u64,
        node: i32,
        tp: TopicPartition,
    ) -> bool {
        let changed_ns = self.isr_changed.get(&(node, tp));
        changed_ns.is_some_and(|at_ns| now_ns <= at_ns + self.fetch_wait_ns + SLACK_NS)
    }

    fn lag(&self, (node, tp, follower): (i32, TopicPartition, i32)) -> Option<&Lag> {
        self.lags.get(&(node, tp))?.get(follower)
    }

    /// A node works on a follower's fetch, which is about this replica of its own: the fetch names the partition, or
    /// its session has it.
    pub(in crate::checkers) fn hears_position(
        &mut self,
        now_ns: u64,
        (node, follower): (i32, NodeId),
        view: &ReplicaView<'_>,
        (part, is_named): (&FetchPartition, bool),
    ) {
        let end = view.log.log_end_offset();
        let Some(lead) = &view.lead else { return };
        if part.current_leader_epoch != view.leader_epoch {
            return;
        }
        let offset = part.fetch_offset;
        // who is told where its log differs, or to begin anew, has said nothing (hunt seed 923544). Its last epoch may
        // begin where its log ends, if it has copied more, which its disk has not confirmed yet: that says how far it
        // is, as its leader knows the epoch, and holds it back like any other (hunt seed 40000824)
        if offset > end || is_told(view.log, part).is_some() {
            return;
        }
        let unknown = Lag { end_at_fetch: Offset::MAX, ..Lag::default() };
        let followers = self.lags.entry((node, part.tp)).or_default();
        let lag = followers.or_insert(follower.0, unknown);
        if offset >= end {
            lag.caught_up_ns = now_ns;
            if is_named {
                lag.complete_ns = now_ns;
            } else if knows_all(view, follower) {
                lag.idle_ns = now_ns;
            }
        } else if offset >= lag.end_at_fetch {
            lag.caught_up_ns = lag.caught_up_ns.max(lag.fetched_ns);
        }
        (lag.fetched_ns, lag.end_at_fetch) = (now_ns, end);
        if is_named && lead.followers.iter().any(|known| known.id == follower) {
            lag.reckoned_ns = now_ns;
            followers.reckoned(lead.pending_isr.unwrap_or_default());
        }
    }

    /// Something changed inside a node.
    pub(super) fn trace(&mut self, now_ns: u64, node: i32, event: &TraceEvent) {
        match event {
            TraceEvent::BecameLeader { tp, isr, .. } => {
                self.forget(node, *tp);
                let followers = self.lags.entry((node, *tp)).or_default();
                for member in isr {
                    followers.or_insert(member.0, Lag::fresh(now_ns));
                }
            }
            TraceEvent::BecameFollower { tp, .. } => {
                self.forget(node, *tp);
            }
            TraceEvent::IsrCommitted { tp, old, isr, .. } => {
                self.isr_changed.insert((node, *tp), now_ns);
                let followers = self.lags.entry((node, *tp)).or_default();
                followers.reckoned(&[]);
                // who joins has what is committed, and perhaps never had all (seed 732954)
                for member in isr.iter().filter(|member| !old.contains(member)) {
                    followers.or_insert(member.0, Lag { complete_ns: 0, ..Lag::fresh(now_ns) });
                }
                // who left was seen to; whoever comes back lags anew, however far behind (seed 300351)
                self.overdue.retain(|(of, at, member), _| {
                    let is_in = |isr: &[NodeId]| isr.iter().any(|id| id.0 == *member);
                    (*of, *at) != (node, *tp) || is_in(old) && is_in(isr)
                });
            }
            _ => {}
        }
    }

    /// A leader proposes an ISR without `member`.
    pub(super) fn left(
        &self,
        (ledger, now_ns): (&mut Ledger, u64),
        (node, tp, member): (i32, TopicPartition, NodeId),
        (before, lag_max_ns): (&[NodeId], u64),
    ) {
        let Some(lag) = self.lag((node, tp, member.0)) else { return };
        let had_ns = lag.complete_ns.max(lag.idle_ns);
        if had_ns == 0 {
            return; // whoever was taken in and never had all may leave at once (hunt seed 17001763)
        }
        let ago_ns = now_ns.saturating_sub(had_ns);
        says(ledger, ago_ns >= soonest(lag_max_ns, self.hurry_ppm), &|| {
            format!(
                "leader {node} proposes an ISR of {tp:?} without {member}, which had all {} ms ago \
                 (before: {before:?}); replica.lag.time.max.ms is {}; {lag:?} at {now_ns}",
                ago_ns / 1_000_000,
                lag_max_ns / 1_000_000
            )
        });
    }

    /// A node's process ended.
    pub(super) fn node_down(&mut self, node: i32) {
        self.lags.retain(|(of, _), _| *of != node);
        self.sees_nothing(node);
    }

    /// A node has not been awake for long enough to see who lags.
    pub(super) fn sees_nothing(&mut self, node: i32) {
        self.overdue.retain(|(of, ..), _| *of != node);
    }

    /// Which followers a node that is awake should have put out of the ISR.
    pub(super) fn overdue(
        &mut self,
        (ledger, now_ns): (&mut Ledger, u64),
        view: &NodeView<'_>,
        lag_max_ns: u64,
    ) {
        let node = view.node;
        for replica in view.broker.replica_views() {
            let Some(lead) = &replica.lead else { continue };
            let end = replica.log.log_end_offset();
            if lead.pending_isr.is_some() {
                self.overdue.retain(|(of, tp, _), _| (*of, *tp) != (node, replica.tp));
                continue;
            }
            for member in lead.isr {
                let Some(lag) = self.lag((node, replica.tp, member.0)) else { continue };
                let known = lead.followers.iter().find(|follower| follower.id == *member);
                let lags = known.is_some_and(|follower| follower.log_end < end);
                let ago_ns = now_ns.saturating_sub(lag.caught_up_ns);
                let key = (node, replica.tp, member.0);
                if !lags || ago_ns <= lag_max_ns {
                    self.overdue.remove(&key);
                    continue;
                }
                let seen_ns = lag.seen_since(self.overdue.get(&key).copied(), now_ns);
                self.overdue.insert(key, seen_ns);
                says(ledger, now_ns - seen_ns <= lag_max_ns / 2 + SLACK_NS, &|| {
                    format!(
                        "leader {node} keeps {member} in the ISR, which had all {} ms ago; \
                         replica.lag.time.max.ms is {}",
                        ago_ns / 1_000_000,
                        lag_max_ns / 1_000_000
                    )
                });
            }
        }
    }
}

/// Whether a leader knows that a follower has all.
fn knows_all(leader: &ReplicaView<'_>, follower: NodeId) -> bool {
    let end = leader.log.log_end_offset();
    let mut known = leader.lead.iter().flat_map(|lead| lead.followers.iter());
    known.any(|known| known.id == follower && known.log_end >= end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::{batch, plan};
    use std::sync::Arc;
    use stormglass_broker_core::config::{ServerConfig, TopicConfig};
    use stormglass_broker_core::ids::LeaderEpoch;
    use stormglass_broker_core::inspect::{Follower, LeadView};
    use stormglass_broker_core::log::{Log, LogConfig};
    use stormglass_broker_core::records::{Batch, Records};

    const MS: u64 = 1_000_000;

    /// A batch of ten records.
    fn records(base: Offset, epoch: LeaderEpoch) -> Records {
        let mut batch: Batch = (*batch(base, 10, 1)).clone();
        batch.header.partition_leader_epoch = epoch;
        Records::new(vec![Arc::new(batch)])
    }

    /// Epoch 1 up to 10, and 3 from there on, of which the disk has confirmed nothing yet.
    fn log() -> Log {
        let server = ServerConfig::kafka_defaults();
        let config = LogConfig::new(&TopicConfig::from_server(&server), &server);
        let mut log = Log::create(crate::recorder::testing::tp(0), config, 0);
        let first = log.append_as_follower(records(0, 1), 0, &mut Vec::new()).unwrap();
        log.append_done(first.number);
        log.append_as_follower(records(10, 3), 0, &mut Vec::new()).unwrap();
        log
    }

    #[test]
    fn a_follower_with_more_on_the_way_to_its_disk_says_how_far_it_is() {
        let (tp, log, isr) = (crate::recorder::testing::tp(0), log(), [NodeId(1)]);
        let lead = LeadView {
            epoch_start: 20,
            isr: &isr,
            pending_isr: None,
            min_isr: 1,
            followers: vec![Follower::unknown(NodeId(2))].into(),
        };
        let view = ReplicaView {
            tp,
            log: &log,
            leader: Some(NodeId(1)),
            leader_epoch: 4,
            partition_epoch: 0,
            high_watermark: 10,
            lead: Some(lead),
        };
        let counts = |last_fetched_epoch: LeaderEpoch| {
            let part = FetchPartition {
                tp,
                current_leader_epoch: 4,
                fetch_offset: 10,
                last_fetched_epoch,
                log_start_offset: 0,
                max_bytes: 1 << 20,
            };
            let mut lags = Lags::new(&plan());
            lags.hears_position(100 * MS, (1, NodeId(2)), &view, (&part, true));
            lags.was_joining((1, tp, 2), 500 * MS)
        };
        assert_eq!([1, 2, 3].map(counts), [true, false, true], "epoch 2 is unknown");
    }

    #[test]
    fn a_follower_that_caught_up_meanwhile_lags_anew() {
        let lag = Lag::fresh(500);
        assert_eq!([None, Some(400), Some(600)].map(|at| lag.seen_since(at, 900)), [900, 900, 600]);
    }

    #[test]
    fn a_follower_that_left_and_came_back_is_seen_to_lag_anew() {
        let (tp, ids) = (crate::recorder::testing::tp(0), |ids: &[i32]| {
            ids.iter().map(|id| NodeId(*id)).collect::<Vec<_>>()
        });
        let kept = |old: &[i32], isr: &[i32]| {
            let mut lags = Lags::new(&plan());
            lags.overdue = [2, 3].map(|member| ((1, tp, member), 7)).into();
            let (old, isr) = (ids(old), ids(isr));
            let event = TraceEvent::IsrCommitted { tp, epoch: 0, old, isr };
            lags.trace(9, 1, &event);
            lags.overdue.keys().map(|(.., member)| *member).collect::<Vec<_>>()
        };
        assert_eq!(kept(&[1, 2, 3], &[1, 3]), [3], "left");
        assert_eq!(kept(&[1, 3], &[1, 2, 3]), [3], "came back");
        assert_eq!(kept(&[1, 2, 3, 4], &[1, 2, 3]), [2, 3], "another one left");
    }

    #[test]
    fn a_follower_leaves_when_it_has_lagged() {
        let (tp, isr) = (crate::recorder::testing::tp(0), vec![NodeId(1), NodeId(2)]);
        let mut lags = Lags::new(&plan());
        let leads = TraceEvent::BecameLeader { tp, epoch: 1, start: 0, isr };
        lags.trace(100 * MS, 1, &leads);
        let broken = |at_ms: u64| {
            let mut ledger = Ledger::default();
            lags.left((&mut ledger, at_ms * MS), (1, tp, NodeId(2)), (&[], 500 * MS));
            ledger.finish().1.len()
        };
        assert_eq!((broken(599), broken(600)), (1, 0));
    }

    #[test]
    fn a_follower_holds_its_leader_back_until_that_reckons_without_it() {
        let tp = crate::recorder::testing::tp(0);
        let was_joining = |other_ms: u64, changed_ms: u64| {
            let mut lags = Lags::new(&plan());
            let known = |caught_up_ms: u64, reckoned_ms: u64| Lag {
                caught_up_ns: caught_up_ms * MS,
                fetched_ns: 9_000 * MS,
                reckoned_ns: reckoned_ms * MS,
                ..Lag::default()
            };
            let followers = lags.lags.entry((1, tp)).or_default();
            followers.or_insert(2, known(100, 100));
            followers.or_insert(3, known(other_ms, other_ms));
            lags.isr_changed.insert((1, tp), changed_ms * MS);
            lags.was_joining((1, tp, 2), 500 * MS)
        };
        assert!(was_joining(600, 600), "it went on to fetch, which makes nobody reckon");
        assert!(!was_joining(601, 0), "another one was heard of when it no longer counted");
        assert!(!was_joining(0, 601), "the ISR changed when it no longer counted");
    }

    #[test]
    fn a_follower_that_was_proposed_and_refused_holds_its_leader_back_until_that_reckons() {
        let tp = crate::recorder::testing::tp(0);
        let mut lags = Lags::new(&plan());
        let followers = lags.lags.entry((1, tp)).or_default();
        for id in [2, 3] {
            followers.or_insert(id, Lag { reckoned_ns: 900 * MS, ..Lag::default() });
        }
        let hold = |lags: &Lags| [2, 3].map(|id| lags.was_joining((1, tp, id), 500 * MS));
        let ids = |ids: &[i32]| ids.iter().map(|id| NodeId(*id)).collect::<Vec<_>>();
        assert_eq!(hold(&lags), [false, false]);
        lags.proposes((1, tp), &ids(&[1, 2]));
        assert_eq!(hold(&lags), [true, false]);
        lags.proposes((1, tp), &ids(&[1]));
        assert_eq!(hold(&lags), [true, false], "nobody reckons when another one is to leave");
        let followers = lags.lags.entry((1, tp)).or_default();
        followers.reckoned(&ids(&[1, 2]));
        assert_eq!(hold(&lags), [true, false], "not answered yet");
        lags.lags.entry((1, tp)).or_default().reckoned(&[]);
        assert_eq!(hold(&lags), [false, false], "reckoned without it");
        lags.proposes((1, tp), &ids(&[1, 2]));
        let event = TraceEvent::IsrCommitted { tp, epoch: 0, old: ids(&[1, 3]), isr: ids(&[1]) };
        lags.trace(1_000 * MS, 1, &event);
        assert_eq!(hold(&lags), [false, false], "the ISR has changed");
    }

    #[test]
    fn a_fetch_that_names_nothing_counts_while_the_session_has_the_partition() {
        let tp = crate::recorder::testing::tp(0);
        let left = |leaves_out: bool| {
            let mut lags = Lags::new(&plan());
            let lag = Lag { complete_ns: 100 * MS, idle_ns: 800 * MS, ..Lag::default() };
            lags.lags.entry((1, tp)).or_default().or_insert(2, lag);
            if leaves_out {
                lags.lags.entry((1, tp)).or_default().leave_out(2);
            }
            let mut ledger = Ledger::default();
            lags.left((&mut ledger, 1_000 * MS), (1, tp, NodeId(2)), (&[], 500 * MS));
            ledger.finish().1.len()
        };
        assert_eq!((left(false), left(true)), (1, 0));
    }
}
