//! Leader elections: who leads when brokers come and go, ElectLeaders, the periodic return to
//! preferred leaders, and the periodic look at partitions that nobody leads (KAFKA-12670; Kafka's
//! `PartitionChangeBuilder` and `ReplicationControlManager`).

use super::reassignments::completed;
use super::state::Controller;
use crate::error::ErrorCode;
use crate::ids::{NodeId, TopicPartition};
use crate::metadata::{
    ConfigResource, LeaderUpdate, MetadataRecord, PartitionChangeRecord, PartitionImage,
};
use crate::plant::{Plant, planted};
use crate::protocol::{ElectLeadersRequest, ElectLeadersResponse, ElectionKind, Response};
use crate::raft::Raft;
use crate::step::Step;
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;

/// Most elections of one rebalance, and of one look at partitions that nobody leads, as in Kafka.
const ELECTIONS_MAX: usize = 1000;
/// When a look that has elected so many goes on, as in Kafka: others have a turn in between.
const MORE_ELECTIONS_AFTER: Duration = Duration::from_millis(10);
const UNCLEAN: &str = "unclean.leader.election.enable";

/// How a leader is to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Election {
    /// The current leader stays if it can; else the first replica in the ISR.
    Clean,
    /// As before; if there is none, any live replica, at the price of lost records.
    Unclean,
    /// The preferred replica, if it can; else as for a clean one.
    Preferred,
}

/// The change that gives `partition` the ISR `target` and a leader from it. An empty target
/// leaves the ISR as it is: the last member's log is the only one that is known to be complete. A
/// reassignment that only waited for this ISR ends with it.
pub(super) fn elect(
    tp: TopicPartition,
    partition: &PartitionImage,
    target: &[NodeId],
    election: Election,
    is_active: &dyn Fn(NodeId) -> bool,
) -> PartitionChangeRecord {
    let isr = if target.is_empty() { partition.isr.as_slice() } else { target };
    if let Some(after) = completed(partition, isr) {
        return elect(tp, &after, &[], election, is_active).assigning(partition, &after);
    }
    let eligible = |node: &NodeId| isr.contains(node) && is_active(*node);
    let keep = partition.leader.filter(eligible);
    let first = partition.replicas.iter().copied().find(eligible);
    let leader = match election {
        Election::Preferred => partition.preferred_leader().filter(eligible).or(keep).or(first),
        Election::Clean | Election::Unclean => keep.or(first),
    };
    let any = || partition.replicas.iter().copied().find(|node| is_active(*node));
    let mut change = PartitionChangeRecord::new(tp);
    if let (None, Election::Unclean, Some(leader)) = (leader, election, any()) {
        change.isr = Some(vec![leader]);
        change.leader = LeaderUpdate::Elected(leader);
        change.recovering = Some(true);
        return change;
    }
    if isr != partition.isr {
        change.isr = Some(isr.to_vec());
    }
    if leader != partition.leader {
        change.leader = leader.map_or(LeaderUpdate::NoLeader, LeaderUpdate::Elected);
    }
    change
}

/// Whether a partition has no leader from a record on.
fn leaves_leaderless(record: &MetadataRecord) -> bool {
    match record {
        MetadataRecord::Partition(partition) => partition.leader.is_none(),
        MetadataRecord::PartitionChange(change) => change.leader == LeaderUpdate::NoLeader,
        _ => false,
    }
}

impl Controller {
    /// What `unclean.leader.election.enable` says of a topic: its own config counts first, then what
    /// was set for this node, for all brokers, and server.properties (Kafka's
    /// `ConfigurationControlManager.getTopicConfig`).
    pub(super) fn election_for(&self, tp: TopicPartition) -> Election {
        let configs = |resource| self.image.configs(&resource)?.get(UNCLEAN);
        let topic = self.image.topic(tp.topic).map(|topic| topic.name.clone());
        let value = topic
            .and_then(|name| configs(ConfigResource::Topic(name)))
            .or_else(|| configs(ConfigResource::Broker(self.node)))
            .or_else(|| configs(ConfigResource::AllBrokers));
        let unclean = match value {
            Some(value) => value.trim().eq_ignore_ascii_case("true"),
            None => self.server.unclean_leader_election_enable,
        };
        let any = planted(self.plant, Plant::ElectsAnyReplica);
        if unclean || any { Election::Unclean } else { Election::Clean }
    }

    /// Stages the election's outcome unless nothing changes; whether something did.
    fn stage_election(
        &mut self,
        tp: TopicPartition,
        target: &[NodeId],
        election: Election,
    ) -> bool {
        let Some(partition) = self.image.partition(tp) else { return false };
        let change = elect(tp, partition, target, election, &|node| self.image.is_active(node));
        let changes = !change.is_empty();
        if changes {
            self.stage(MetadataRecord::PartitionChange(change));
        }
        changes
    }

    /// A broker is fenced or shutting down, which the image says already: others lead, and the
    /// ISRs do without it where they can.
    pub(super) fn remove_from_isrs(&mut self, broker: NodeId) {
        let concerned: Vec<TopicPartition> = self
            .image
            .partitions()
            .filter(|(_, partition)| partition.in_isr(broker) || partition.leader == Some(broker))
            .map(|(tp, _)| tp)
            .collect();
        for tp in concerned {
            let Some(partition) = self.image.partition(tp) else { continue };
            let target: Vec<NodeId> =
                partition.isr.iter().copied().filter(|member| *member != broker).collect();
            self.stage_election(tp, &target, self.election_for(tp));
        }
    }

    /// Bug ISR-18: each broker's partitions are decided from what held before the others' were.
    pub(super) fn fence_from_one_base(
        &mut self,
        step: &mut Step<'_>,
        raft: &mut Raft,
        brokers: &[NodeId],
    ) {
        let mut changes = Vec::new();
        for broker in brokers {
            let others = |node| node != *broker && self.image.is_active(node);
            for (tp, partition) in self.image.partitions() {
                if partition.in_isr(*broker) || partition.leader == Some(*broker) {
                    let members = partition.isr.iter().copied();
                    let target: Vec<NodeId> = members.filter(|member| member != broker).collect();
                    changes.push(elect(tp, partition, &target, self.election_for(tp), &others));
                }
            }
        }
        for broker in brokers {
            self.change_registration(*broker, Some(true), false);
        }
        for change in changes.into_iter().filter(|change| !change.is_empty()) {
            self.stage(MetadataRecord::PartitionChange(change));
        }
        self.submit(step, raft);
    }

    /// A broker is back: it may lead what nobody could.
    pub(super) fn elect_for_leaderless(&mut self, broker: NodeId) {
        let could = self.leaderless().filter(|(_, partition)| partition.is_replica(broker));
        let could: Vec<TopicPartition> = could.map(|(tp, _)| tp).collect();
        for tp in could {
            self.stage_election(tp, &[], self.election_for(tp));
        }
    }

    fn leaderless(&self) -> impl Iterator<Item = (TopicPartition, &PartitionImage)> {
        self.image.partitions().filter(|(_, partition)| partition.leader.is_none())
    }

    /// `unclean.leader.election.interval.ms`, at least what Kafka takes.
    pub(super) fn unclean_interval(&self) -> Duration {
        self.server.unclean_leader_election_interval.max(Duration::from_millis(1))
    }

    /// When partitions that nobody leads are looked at next, if there are some.
    pub(super) fn next_unclean_look(&self, now: Instant, pause: Duration) -> Option<Instant> {
        self.leaderless().next().map(|_| now + pause)
    }

    /// A partition has lost its leader: the time until the look begins, unless it has begun for
    /// others, as with Kafka's `maybeScheduleNextElectUncleanLeaders`. While all have leaders there
    /// is nothing to look at, and no timer.
    pub(super) fn note_leaderless(&mut self, now: Instant, records: &[MetadataRecord]) {
        let at = now + self.unclean_interval();
        if let Some(active) = &mut self.active
            && active.unclean_at.is_none()
            && records.iter().any(leaves_leaderless)
        {
            active.unclean_at = Some(at);
        }
    }

    /// Elects from outside the ISR where nobody leads and the config allows it by now: when it
    /// changes, nobody is elected at once (KAFKA-12670, `maybeElectUncleanLeaders`).
    pub(super) fn elect_unclean_leaders(&mut self, step: &mut Step<'_>, raft: &mut Raft) {
        let due = self.active.as_ref().and_then(|active| active.unclean_at);
        if due.is_none_or(|at| step.now < at) {
            return;
        }
        let leaderless: Vec<TopicPartition> = self.leaderless().map(|(tp, _)| tp).collect();
        for tp in leaderless {
            if self.staged() == ELECTIONS_MAX {
                break;
            }
            if self.election_for(tp) == Election::Unclean {
                self.elect_unclean(tp);
            }
        }
        let is_cut = self.staged() == ELECTIONS_MAX;
        let pause = if is_cut { MORE_ELECTIONS_AFTER } else { self.unclean_interval() };
        let next = self.next_unclean_look(step.now, pause);
        if let Some(active) = &mut self.active {
            active.unclean_at = next;
        }
        self.submit(step, raft);
    }

    pub(super) fn elect_leaders(&mut self, request: &ElectLeadersRequest) -> Response {
        let all = request.partitions.is_none();
        let asked: Vec<TopicPartition> = match &request.partitions {
            Some(partitions) => partitions.clone(),
            None => self.image.partitions().map(|(tp, _)| tp).collect(),
        };
        let mut partitions = Vec::new();
        for tp in asked {
            let error = match request.kind {
                ElectionKind::Preferred => self.elect_preferred(tp),
                ElectionKind::Unclean => self.elect_unclean(tp),
            };
            // who asks for all is told only of those that were not where they belong
            if !(all && error == ErrorCode::ElectionNotNeeded) {
                partitions.push((tp, error));
            }
        }
        Response::ElectLeaders(ElectLeadersResponse { error: ErrorCode::None, partitions })
    }

    /// The preferred replica leads if it can; else who leads already, or another one in sync where nobody does
    /// (`PartitionChangeBuilder.electPreferredLeader`).
    fn elect_preferred(&mut self, tp: TopicPartition) -> ErrorCode {
        let Some(partition) = self.image.partition(tp) else {
            return ErrorCode::UnknownTopicOrPartition;
        };
        if partition.leader == partition.preferred_leader() {
            ErrorCode::ElectionNotNeeded
        } else if self.stage_election(tp, &[], Election::Preferred) {
            ErrorCode::None
        } else {
            ErrorCode::PreferredLeaderNotAvailable
        }
    }

    /// A leader for a partition that has none, whatever `unclean.leader.election.enable` says.
    fn elect_unclean(&mut self, tp: TopicPartition) -> ErrorCode {
        let Some(partition) = self.image.partition(tp) else {
            return ErrorCode::UnknownTopicOrPartition;
        };
        if partition.leader.is_some() {
            ErrorCode::ElectionNotNeeded
        } else if self.stage_election(tp, &[], Election::Unclean) {
            ErrorCode::None
        } else {
            ErrorCode::EligibleLeadersNotAvailable
        }
    }

    /// Returns leaderships to preferred replicas of brokers that miss too many of theirs. A look that has elected
    /// as many as it may goes on soon (`ReplicationControlManager.maybeBalancePartitionLeaders`).
    pub(super) fn balance_leaders(&mut self, step: &mut Step<'_>, raft: &mut Raft) {
        let interval = self.server.leader_imbalance_check_interval_seconds.max(1).unsigned_abs();
        let Some(active) = &mut self.active else { return };
        if step.now < active.balance_at {
            return;
        }
        active.balance_at = step.now + Duration::from_millis(interval * 1000);
        if !self.server.auto_leader_rebalance_enable {
            return;
        }
        for tp in self.imbalanced() {
            if self.staged() == ELECTIONS_MAX {
                break;
            }
            self.elect_preferred(tp);
        }
        if self.staged() == ELECTIONS_MAX
            && let Some(active) = &mut self.active
        {
            active.balance_at = step.now + MORE_ELECTIONS_AFTER;
        }
        self.submit(step, raft);
    }

    /// Partitions whose preferred leader is alive, does not lead, and misses more of its
    /// partitions than `leader.imbalance.per.broker.percentage` allows.
    fn imbalanced(&self) -> Vec<TopicPartition> {
        let mut count: BTreeMap<NodeId, (u64, u64)> = BTreeMap::new();
        for (_, partition) in self.image.partitions() {
            if let Some(preferred) = partition.preferred_leader() {
                let (all, missed) = count.entry(preferred).or_default();
                *all += 1;
                *missed += u64::from(partition.leader != Some(preferred));
            }
        }
        let percentage = self.server.leader_imbalance_per_broker_percentage.max(0).unsigned_abs();
        let over = |broker: NodeId| {
            let (all, missed) = count.get(&broker).copied().unwrap_or_default();
            missed * 100 > all * u64::from(percentage) && self.image.is_active(broker)
        };
        self.image
            .partitions()
            .filter(|(_, partition)| {
                partition
                    .preferred_leader()
                    .is_some_and(|node| partition.leader != Some(node) && over(node))
            })
            .map(|(tp, _)| tp)
            .collect()
    }
}
