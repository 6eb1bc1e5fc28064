//! Nodes agree on the metadata, do what it says, and coordinators know what their log says.

use super::{Moment, NodeView, log_configs, positions};
use crate::checkers::commits;
use crate::checkers::history::{History, nodes as list, seconds};
use crate::checkers::ledger::{Check, Ledger, Promise};
use crate::checkers::partition::Partition;
use crate::checkers::unclean::Unclean;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, Offset, TopicPartition};
use stormglass_broker_core::inspect::{
    PositionKey, ReplicaView, TransactionView, positions_from_log, transactions_from_log,
};
use stormglass_broker_core::metadata::{ConfigResource, MetadataImage, PartitionImage};
use stormglass_broker_core::protocol::TransactionState;
use stormglass_broker_core::seam::FileName;

pub(crate) const PROMISE: Promise = Promise {
    name: "metadata-state",
    text: "nodes that know the metadata up to the same offset know the same, and do as it \
           says: they hold, lead and follow the replicas that it gives them, with their \
           topics' configs, and coordinate what they lead with what its log has; ISRs have \
           replicas only that are not fenced, what can be led is, and nothing is left of \
           topics that are gone; groups give each partition that is read to one member that \
           subscribes to it, and a generation keeps its members, leader and assignments",
};

const OFFSETS_TOPIC: &str = "__consumer_offsets";
const TRANSACTIONS_TOPIC: &str = "__transaction_state";

/// Images at one offset are equal.
pub(crate) fn images(ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
    let mut seen: BTreeMap<Offset, (i32, &MetadataImage)> = BTreeMap::new();
    for view in nodes {
        for image in [view.broker.metadata(), view.broker.standby_metadata()].into_iter().flatten()
        {
            let (first, theirs) = *seen.entry(image.offset()).or_insert((view.node, image));
            says(ledger, "", theirs == image, &|| {
                format!(
                    "nodes {first} and {} have different metadata at offset {}",
                    view.node,
                    image.offset()
                )
            });
        }
    }
}

/// Who is fenced or shuts down is in no ISR, unless it is its only member.
pub(crate) fn members(ledger: &mut Ledger, view: &NodeView<'_>) {
    let Some(image) = view.broker.metadata() else { return };
    for (tp, state) in image.partitions().filter(|(_, state)| state.isr.len() > 1) {
        let is_active = |id: &NodeId| image.broker(*id).is_some_and(|broker| broker.is_active());
        says_of(ledger, (image, tp), state.isr.iter().all(is_active), &|| {
            format!(
                "at metadata offset {} the ISR is {}, with a broker that is fenced or shutting down",
                image.offset(),
                list(&state.isr)
            )
        });
    }
}

/// What nobody may decide, whatever is asked for: an ISR of others than the replicas, a partition without
/// a leader of which an in-sync replica is active (any replica, where `unclean` says so: every broker may lead
/// what it has), configs of a topic that does not exist.
pub(crate) fn decided(ledger: &mut Ledger, view: &NodeView<'_>, unclean: &Unclean) {
    let Some(image) = view.broker.metadata() else { return };
    for (tp, state) in image.partitions() {
        says_of(ledger, (image, tp), state.isr.iter().all(|id| state.is_replica(*id)), &|| {
            format!(
                "at metadata offset {} the ISR {} has more than the replicas {}",
                image.offset(),
                list(&state.isr),
                list(&state.replicas)
            )
        });
        says_of(ledger, (image, tp), !state.recovering || state.isr.len() < 2, &|| {
            format!(
                "at metadata offset {} the ISR is {}, and the election from outside it is still to be \
                 recovered from",
                image.offset(),
                list(&state.isr)
            )
        });
        if let Some(leader) = state.leader {
            says_of(ledger, (image, tp), may_lead(image, state, leader), &|| {
                format!(
                    "at metadata offset {} leader {leader} is fenced, or not in the ISR {}",
                    image.offset(),
                    list(&state.isr)
                )
            });
            continue;
        }
        let any = image.topic(tp.topic).is_some_and(|topic| unclean.must_be(&topic.name));
        let could = could_lead(state, any);
        says_of(ledger, (image, tp), !could.iter().any(|id| image.is_active(*id)), &|| {
            format!(
                "at metadata offset {} nobody leads, though one of {} could",
                image.offset(),
                list(could)
            )
        });
    }
    for resource in image.configured() {
        let ConfigResource::Topic(name) = resource else { continue };
        says(ledger, name, image.topic_named(name).is_some(), &|| {
            format!(
                "at metadata offset {} there are configs of {name}, which does not exist",
                image.offset()
            )
        });
    }
}

/// Who is to lead a partition before nobody does, where `any` replica may. One that is being moved may have got
/// replicas since nobody leads it: Kafka's `changePartitionReassignment` elects none that is not in sync.
fn could_lead(state: &PartitionImage, any: bool) -> &[NodeId] {
    if any && state.moving.is_none() { &state.replicas } else { &state.isr }
}

/// A leader is in sync, and not fenced. It may be about to end, where nobody else could lead.
fn may_lead(image: &MetadataImage, state: &PartitionImage, leader: NodeId) -> bool {
    let is_up = image.broker(leader).is_some_and(|broker| !broker.fenced);
    is_up && state.isr.contains(&leader)
}

/// Snapshots of one name hold the same.
pub(crate) fn snapshots(ledger: &mut Ledger, nodes: &[NodeView<'_>]) {
    let mut seen: BTreeMap<&FileName, (i32, &Bytes)> = BTreeMap::new();
    for view in nodes {
        for (name, bytes) in view.disk.metadata_snapshots() {
            let (first, theirs) = *seen.entry(name).or_insert((view.node, bytes));
            says(ledger, "", theirs == bytes, &|| {
                format!("nodes {first} and {} have different snapshots {name:?}", view.node)
            });
        }
    }
}

/// A snapshot is named for the epoch of the last record that is in it, by what is committed: a node that took it from
/// another one may have had others there (hunt seeds 4101054, 4101514, 4102013). `p`: the log of the metadata.
pub(crate) fn snapshot_epochs(p: &Partition, ledger: &mut Ledger, view: &NodeView<'_>) {
    for (name, _) in view.disk.metadata_snapshots() {
        let FileName::MetadataSnapshot(end, named) = name else { continue };
        let epoch = p.committed.epoch_at(end - 1);
        says(ledger, "", epoch.is_none_or(|epoch| epoch == *named), &|| {
            format!(
                "node {} has a snapshot for epoch {named}, whose last record is of epoch {epoch:?}",
                view.node
            )
        });
    }
}

/// What the newest coordinators know is what groups were told is committed, or later.
pub(crate) fn positions(
    p: &Partition,
    ledger: &mut Ledger,
    groups: &[String],
    known: &BTreeMap<PositionKey, Offset>,
) {
    let Some((topic, partition)) = p.label.rsplit_once('-') else { return };
    let Ok(partition) = partition.parse::<i32>() else { return };
    for reader in &p.readers {
        let Some((before, at_ns)) = reader.committed else { continue };
        let Some(group) = groups.get(reader.group) else { continue };
        let key = (Arc::from(group.as_str()), Arc::from(topic), partition);
        let found = known.get(&key).copied();
        // of what an election without promises took away: another member goes on below (hunt seed 887641)
        let is_lost = p.losses.iter().any(|(_, loss)| loss.void.is_some() && loss.from < before);
        let holds =
            is_lost || found.is_some_and(|offset| commits::may_be_known(reader, before, offset));
        says(ledger, &p.label, holds, &|| {
            format!(
                "group {group} was told at {} that position {before} of {} is committed; its \
                 coordinator knows {found:?}",
                seconds(at_ns),
                p.label
            )
        });
    }
}

/// A broker's replicas have the roles that its metadata gives them.
pub(crate) fn applied(ledger: &mut Ledger, view: &NodeView<'_>) {
    let Some(image) = view.broker.metadata().filter(|_| view.broker.applies_metadata()) else {
        return;
    };
    hosts(ledger, view, image);
    for replica in view.broker.replica_views() {
        let Some(state) = image.partition(replica.tp) else { continue };
        role(ledger, image, view.node, (&replica, state));
    }
}

/// A broker takes those for able to join an ISR whom its metadata has active.
pub(crate) fn eligible(ledger: &mut Ledger, view: &NodeView<'_>) {
    let Some(image) = view.broker.metadata().filter(|_| view.broker.applies_metadata()) else {
        return;
    };
    let active = image.brokers().filter(|(_, broker)| broker.is_active());
    let active: Vec<(NodeId, i64)> = active.map(|(id, broker)| (id, broker.epoch)).collect();
    let known = view.broker.eligible_brokers();
    says(ledger, "", known == active, &|| {
        format!(
            "broker {} takes {known:?} for active (with their epochs), its metadata has {active:?}",
            view.node
        )
    });
}

/// Logs go by their topics' configs.
pub(crate) fn all_configured(ledger: &mut Ledger, view: &NodeView<'_>) {
    let Some(image) = view.broker.metadata().filter(|_| view.broker.applies_metadata()) else {
        return;
    };
    for replica in view.broker.replica_views() {
        configured(ledger, &replica, image);
    }
}

/// A broker holds the replicas that its metadata gives it, and no others.
fn hosts(ledger: &mut Ledger, view: &NodeView<'_>, image: &MetadataImage) {
    let node = NodeId(view.node);
    let is_own = |tp| image.partition(tp).is_some_and(|state| state.is_replica(node));
    let given = image.partitions().filter(|(_, state)| state.is_replica(node)).count();
    let (mut held, mut stranger) = (0, None);
    for replica in view.broker.replica_views() {
        held += 1;
        if !is_own(replica.tp) {
            stranger = Some(replica.tp);
        }
    }
    says(ledger, "", held == given && stranger.is_none(), &|| {
        format!(
            "broker {node} holds {held} replicas, its metadata gives it {given}; held without that: \
             {stranger:?}"
        )
    });
}

/// A log goes by its topic's own configs.
fn configured(ledger: &mut Ledger, replica: &ReplicaView<'_>, image: &MetadataImage) {
    let Some(topic) = image.topic(replica.tp.topic) else { return };
    let Some(own) = image.configs(&ConfigResource::Topic(Arc::clone(&topic.name))) else { return };
    let number = |key: &str| own.get(key).and_then(|text| text.parse::<i64>().ok());
    let config = replica.log.config();
    let is = |key: &str, used: Option<u64>| {
        number(key).is_none_or(|value| used == u64::try_from(value).ok())
    };
    let segment = is("segment.bytes", Some(u64::from(config.segment_bytes)));
    let retention = !config.deletes || is("retention.bytes", config.retention_bytes);
    says(ledger, &topic.name, segment && retention, &|| {
        format!(
            "a log of {} has segments of {} bytes and keeps {:?}; the configs of its topic are {own:?}",
            topic.name, config.segment_bytes, config.retention_bytes
        )
    });
    let ignored = log_configs::ignored(own, config);
    says(ledger, &topic.name, ignored.is_none(), &|| {
        format!(
            "a log of {} does not go by {ignored:?}, but by {config:?}; the configs of its topic are {own:?}",
            topic.name
        )
    });
}

/// What holds once the cluster has healed: all partitions are led, and no reassignment goes on whose new
/// replicas are in sync, unless some broker that has to do with it is not there. Kafka sets no time for
/// replicas to catch up.
pub(crate) fn settled(ledger: &mut Ledger, view: &NodeView<'_>) {
    let Some(image) = view.broker.metadata().filter(|_| view.broker.applies_metadata()) else {
        return;
    };
    let all_active = |state: &PartitionImage| state.replicas.iter().all(|id| image.is_active(*id));
    for (tp, state) in image.partitions().filter(|(_, state)| all_active(state)) {
        let moving = state.moving.as_ref();
        let is_over =
            moving.is_some_and(|moving| moving.staying().all(|id| state.isr.contains(id)));
        says_of(ledger, (image, tp), state.leader.is_some() && !is_over, &|| {
            format!(
                "long after every fault is over, the partition is led by {:?}, and its replicas {}, \
                 {} of them in sync, change by {moving:?}",
                state.leader,
                list(&state.replicas),
                list(&state.isr),
            )
        });
    }
}

fn role(
    ledger: &mut Ledger,
    image: &MetadataImage,
    node: i32,
    (replica, state): (&ReplicaView<'_>, &PartitionImage),
) {
    let of = (image, replica.tp);
    let (leader, epoch) = (replica.leader, replica.leader_epoch);
    says_of(ledger, of, (leader, epoch) == (state.leader, state.leader_epoch), &|| {
        format!(
            "replica {node} follows {leader:?} in epoch {epoch}, the metadata says {:?} in epoch {}",
            state.leader, state.leader_epoch
        )
    });
    let leads = replica.lead.is_some();
    says_of(ledger, of, leads == (state.leader == Some(NodeId(node))), &|| {
        let does = if leads { "leads" } else { "does not lead" };
        format!("replica {node} {does}, the metadata names {:?} as leader", state.leader)
    });
    let partition_epoch = replica.partition_epoch;
    says_of(ledger, of, partition_epoch >= state.partition_epoch, &|| {
        format!(
            "replica {node} is at partition epoch {partition_epoch}, the metadata that it has \
             applied at {}",
            state.partition_epoch
        )
    });
    let Some(lead) = &replica.lead else { return };
    let mut others = state.replicas.iter().filter(|id| id.0 != node);
    let is_other = |id: NodeId| id.0 != node && state.replicas.contains(&id);
    let is_counted = |id: &NodeId| lead.followers.iter().any(|follower| follower.id == *id);
    let same = partition_epoch > state.partition_epoch
        || others.all(is_counted) && lead.followers.iter().all(|follower| is_other(follower.id));
    says_of(ledger, of, same, &|| {
        let counted: Vec<_> = lead.followers.iter().map(|follower| follower.id).collect();
        format!(
            "leader {node} counts followers {}, the replicas are {}",
            list(&counted),
            list(&state.replicas)
        )
    });
    let sorted = |isr: &[NodeId]| {
        let mut isr = isr.to_vec();
        isr.sort_unstable();
        isr
    };
    let differs = partition_epoch == state.partition_epoch
        && lead.isr != state.isr
        && sorted(lead.isr) != sorted(&state.isr);
    says_of(ledger, of, !differs, &|| {
        format!(
            "leader {node} has ISR {} at partition epoch {partition_epoch}, the metadata has {}",
            list(lead.isr),
            list(&state.isr)
        )
    });
}

/// A broker coordinates what it leads of `__consumer_offsets`. `from_both`: of positions from transactions and from
/// elsewhere the wrong ones may count for a short time.
pub(crate) fn coordinates(
    ledger: &mut Ledger,
    view: &NodeView<'_>,
    (moment, from_both, has_removed): (Moment, bool, bool),
    forgetful: &BTreeSet<i32>,
) {
    let Some(image) = view.broker.metadata().filter(|_| view.broker.applies_metadata()) else {
        return;
    };
    let Some(topic) = image.topic_named(OFFSETS_TOPIC) else { return };
    let mut led: Vec<(i32, i32)> = view
        .broker
        .replica_views()
        .filter(|replica| replica.tp.topic == topic.id && replica.lead.is_some())
        .map(|replica| (replica.tp.partition, replica.leader_epoch))
        .collect();
    led.sort_unstable();
    let coordinated = view.broker.coordinated();
    let has: Vec<(i32, i32)> = coordinated.iter().map(|at| (at.partition, at.epoch)).collect();
    says(ledger, OFFSETS_TOPIC, led == has, &|| {
        format!(
            "broker {} leads partitions {led:?} of __consumer_offsets (with their epochs), and \
             coordinates {has:?}",
            view.node
        )
    });
    for at in coordinated.iter().filter(|at| at.is_loaded && !forgetful.contains(&at.partition)) {
        let tp = TopicPartition::new(topic.id, at.partition);
        positions::look_open(ledger, view, tp);
        if from_both {
            positions::look(ledger, view, tp);
        }
        // positions that went with a group's other records, or should have, may be written over soon
        if has_removed && moment != Moment::Drained {
            replay(ledger, view, (tp, moment));
        }
    }
    if moment == Moment::Drained {
        for at in coordinated {
            let tp = TopicPartition::new(topic.id, at.partition);
            says(ledger, OFFSETS_TOPIC, at.is_loaded, &|| {
                format!("broker {} still loads partition {} of it", view.node, at.partition)
            });
            if !forgetful.contains(&at.partition) {
                replay(ledger, view, (tp, moment));
                if !from_both {
                    positions::look(ledger, view, tp);
                }
            }
        }
    }
}

/// What a coordinator is given beyond a transaction's time and its look for those that take too long, ms: its
/// log may be loading, or slow.
const LATE_MS: i64 = 6_000;

/// No transaction is open for longer than its producer has said, in a healed cluster whose clocks are right.
/// `check_ms`: how often coordinators look.
pub(crate) fn late(ledger: &mut Ledger, view: &NodeView<'_>, check_ms: i64) {
    let image = view.broker.metadata();
    let Some(topic) = image.and_then(|image| image.topic_named(TRANSACTIONS_TOPIC)) else { return };
    let now_ms = ledger.wall_ms(ledger.now_ns);
    for partition in (0..).take(topic.partitions.len()) {
        let known = view.broker.transactions(partition).unwrap_or_default();
        let late = known.iter().find(|(_, known)| is_late(known, now_ms - check_ms));
        says(ledger, TRANSACTIONS_TOPIC, late.is_none(), &|| {
            format!("coordinator {} leaves {late:?} open at {now_ms} ms", view.node)
        });
    }
}

fn is_late(known: &TransactionView, now_ms: i64) -> bool {
    let takes_ms = i64::from(known.timeout_ms) + LATE_MS;
    known.state == TransactionState::Ongoing && now_ms - known.began_ms > takes_ms
}

/// What a coordinator knows of transactional ids is what its log says.
pub(crate) fn transactions(ledger: &mut Ledger, view: &NodeView<'_>) {
    let image = view.broker.metadata();
    let Some(topic) = image.and_then(|image| image.topic_named(TRANSACTIONS_TOPIC)) else { return };
    let led = view.broker.replica_views().filter(|replica| {
        let settled = replica.high_watermark == replica.log.next_offset();
        replica.tp.topic == topic.id && replica.lead.is_some() && settled
    });
    for replica in led.filter(|replica| !replica.log.has_in_flight()) {
        let Some(memory) = view.broker.transactions(replica.tp.partition) else { continue };
        let batches = view.disk.batches(replica.tp, &(0..Offset::MAX));
        let log = transactions_from_log(batches.iter().map(Arc::as_ref));
        let is_over = |known: &&TransactionView| {
            use TransactionState::{CompleteAbort, CompleteCommit, Empty};
            matches!(known.state, CompleteAbort | CompleteCommit | Empty)
        };
        let left = memory.values().filter(is_over).find(|known| !known.partitions.is_empty());
        says(ledger, TRANSACTIONS_TOPIC, left.is_none(), &|| {
            format!(
                "coordinator {} would count partitions of a transaction that is over for the next one: \
                 {left:?}",
                view.node
            )
        });
        let differs = memory.iter().find(|(id, known)| log.get(*id) != Some(known));
        says(ledger, TRANSACTIONS_TOPIC, differs.is_none() && log.len() == memory.len(), &|| {
            let said = differs.map(|(id, _)| log.get(id));
            format!(
                "coordinator {} of partition {} knows {} transactional ids, its log {}; first \
                 difference: {differs:?}, by its log {said:?}",
                view.node,
                replica.tp.partition,
                memory.len(),
                log.len()
            )
        });
    }
}

/// What a coordinator answers is what its log says; at the end, members included.
fn replay(ledger: &mut Ledger, view: &NodeView<'_>, (tp, moment): (TopicPartition, Moment)) {
    if view.broker.replica_view(tp).is_none_or(|replica| !replica.is_quiet()) {
        return; // a commit is under way
    }
    let batches = view.disk.batches(tp, &(0..Offset::MAX));
    let log = positions_from_log(batches.iter().map(Arc::as_ref));
    let memory = view.broker.positions(tp.partition);
    let gone = log.iter().find(|(key, offset)| memory.get(*key) != Some(offset));
    let gone = gone.or_else(|| memory.iter().find(|(key, _)| !log.contains_key(*key)));
    let differs = || view.broker.groups_differ(tp.partition, batches.iter().map(Arc::as_ref));
    let differs = (moment == Moment::Drained).then(differs).flatten();
    says(ledger, OFFSETS_TOPIC, differs.is_none(), &|| {
        format!(
            "coordinator {} of partition {} knows something else than its log: {}",
            view.node,
            tp.partition,
            differs.as_deref().unwrap_or_default()
        )
    });
    says(ledger, OFFSETS_TOPIC, log.len() == memory.len() && gone.is_none(), &|| {
        let key = gone.map(|(key, _)| key);
        let offset = key.and_then(|key| log.get(key));
        format!(
            "coordinator {} of partition {} has {} positions, its log {}; first difference: {key:?} \
             is {offset:?} in the log, {:?} in memory",
            view.node,
            tp.partition,
            memory.len(),
            log.len(),
            key.and_then(|key| memory.get(key))
        )
    });
}

/// As [`says`], about a partition of an image, which nobody names unless the rule is broken.
pub(super) fn says_of(
    ledger: &mut Ledger,
    (image, tp): (&MetadataImage, TopicPartition),
    holds: bool,
    seen: &dyn Fn() -> String,
) {
    if holds {
        return says(ledger, "", true, seen);
    }
    let name = image.topic(tp.topic).map_or("?", |topic| &topic.name);
    says(ledger, &format!("{name}-{}", tp.partition), false, seen);
}

pub(super) fn says(ledger: &mut Ledger, label: &str, holds: bool, seen: &dyn Fn() -> String) {
    ledger.checked(Check::Metadata, 1);
    if !holds {
        ledger.broken(Check::Metadata, (label, &History::default()), seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::testing::registered;
    use stormglass_broker_core::metadata::{MetadataRecord, Moving, RegisterBrokerRecord};
    use stormglass_broker_core::protocol::ProducerIdAndEpoch;

    #[test]
    fn leaders_are_in_sync_and_not_fenced() {
        let mut image = MetadataImage::default();
        for (id, fenced) in [(1, false), (2, true)] {
            let record = RegisterBrokerRecord { fenced, ..registered(id) };
            image.apply(&MetadataRecord::RegisterBroker(record)).unwrap();
        }
        let leads = |leader: i32, isr: &[i32]| {
            let state = PartitionImage {
                replicas: [1, 2].map(NodeId).to_vec(),
                isr: isr.iter().copied().map(NodeId).collect(),
                moving: None,
                leader: Some(NodeId(leader)),
                leader_epoch: 0,
                partition_epoch: 0,
                recovering: false,
            };
            may_lead(&image, &state, NodeId(leader))
        };
        assert!(leads(1, &[1]));
        assert!(!leads(1, &[2]) && !leads(2, &[1, 2]) && !leads(3, &[3]));
    }

    #[test]
    fn who_is_added_while_nobody_leads_need_not_lead() {
        let ids = |of: &[i32]| -> Vec<NodeId> { of.iter().copied().map(NodeId).collect() };
        let state = |moving: Moving| PartitionImage {
            replicas: ids(&[2, 1]),
            isr: ids(&[1]),
            moving: moving.kept(),
            leader: None,
            leader_epoch: 0,
            partition_epoch: 0,
            recovering: false,
        };
        let (removing, adding) = (ids(&[1]), ids(&[2]));
        let (moved, stays) = (state(Moving { removing, adding }), state(Moving::default()));
        assert_eq!(could_lead(&moved, true), ids(&[1]));
        assert_eq!(could_lead(&stays, true), ids(&[2, 1]));
        assert_eq!(could_lead(&stays, false), ids(&[1]));
    }

    #[test]
    fn a_transaction_takes_no_longer_than_its_producer_has_said() {
        let of = |state| TransactionView {
            producer: ProducerIdAndEpoch { id: 7, epoch: 0 },
            state,
            partitions: Vec::new(),
            began_ms: 10_000,
            timeout_ms: 3_000,
            is_epoch_each: false,
            previous_producer_id: None,
            next_producer_id: None,
        };
        assert!(!is_late(&of(TransactionState::Ongoing), 19_000));
        assert!(is_late(&of(TransactionState::Ongoing), 19_001));
        assert!(!is_late(&of(TransactionState::CompleteAbort), 99_000));
    }
}
