//! Groups in the consumer protocol (KIP-848): who shall have what.

mod ahead;
mod excused;
mod shares;
#[cfg(test)]
mod testing;

use super::metadata::says;
use super::{Moment, NodeView, Unaware};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use crate::checkers::suite::OFFSETS_TOPIC;
pub(super) use ahead::epochs;
use excused::{group_key, is_over, may_be_back, may_be_torn, may_have_had, may_have_had_others};
use shares::{misowned, shared, stranger, uneven, unknown, unowned, unranged, unsettled, vanished};
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::inspect::{ConsumerGroupView, ReplicaView};
use stormglass_broker_core::metadata::MetadataImage;

/// Looks at all groups that a node coordinates. `is_revived`: whether a group may have a member again which had left.
pub(super) fn look(
    (ledger, partitions): (&mut Ledger, &[Partition]),
    unaware: &mut Unaware,
    (view, moment): (&NodeView<'_>, Moment),
    is_revived: impl Fn(&str) -> bool,
) {
    let Some(image) = view.broker.metadata() else { return };
    let now_ns = ledger.now_ns;
    for group in view.broker.consumer_groups() {
        let flaw = misgiven(&group, image, (partitions, now_ns), &is_revived);
        let unknown = unknown(&group, image);
        let place = (view.node, group.epoch, Arc::clone(group.group));
        let is_late = unaware.is_late(place, unknown.as_deref(), now_ns);
        // whoever has looked since topics changed last knows them
        let has_looked = group.knows_topics && view.broker.applies_metadata();
        let is_due = has_looked || (is_late && moment == Moment::Drained);
        let flaw = flaw.or_else(|| unknown.filter(|_| is_due));
        says(ledger, OFFSETS_TOPIC, flaw.is_none(), &|| {
            let flaw = flaw.as_deref().unwrap_or_default();
            format!("in group {} of coordinator {}, {flaw}", group.group, view.node)
        });
    }
}

/// A group that has gone over to the classic protocol, or is gone, is not in its coordinator's log as it was: whoever
/// reads that would have it again. Looked at once some group was removed.
pub(super) fn left_over((ledger, partitions): (&mut Ledger, &[Partition]), view: &NodeView<'_>) {
    let now_ns = ledger.now_ns;
    if !view.broker.applies_metadata() {
        return;
    }
    for at in view.broker.coordinated().into_iter().filter(|at| at.is_loaded) {
        let log = view.offsets_log(at.partition).filter(ReplicaView::is_quiet);
        let Some(tp) = log.map(|log| log.tp) else { continue };
        let batches = view.disk.batches(tp, &(0..Offset::MAX));
        let group = view.broker.left_over_group(at.partition, batches.iter().map(Arc::as_ref));
        let is_excused = |group: &Arc<str>| {
            may_be_torn(partitions, group) || is_over(partitions, now_ns, &group_key(group))
        };
        let group = group.filter(|group| !is_excused(group));
        says(ledger, OFFSETS_TOPIC, group.is_none(), &|| {
            format!(
                "whoever reads the log of coordinator {} finds {group:?} in the consumer protocol, which it has left",
                view.node
            )
        });
    }
}

/// What is wrong with who shall have what. Members that have left, and are back for a while, are known to have what is
/// another's, and leave that to nobody.
fn misgiven(
    group: &ConsumerGroupView<'_>,
    image: &MetadataImage,
    (partitions, now_ns): (&[Partition], u64),
    is_revived: impl Fn(&str) -> bool,
) -> Option<String> {
    let has_left = |member: &str| may_be_back(partitions, now_ns, (group.group, member));
    let had_others = || may_have_had_others(partitions, group);
    let has_had = |member: &str| may_have_had(partitions, (group.group, member));
    let is_sure = || !group.members.iter().any(|member| has_left(member.id));
    stranger(group, image)
        .or_else(|| vanished(group).filter(|_| is_sure()))
        .or_else(|| unowned(group, has_left, had_others))
        .or_else(|| {
            uneven(group).or_else(|| unranged(group)).filter(|_| is_sure() && !had_others())
        })
        .or_else(|| unsettled(group).or_else(|| shared(group, has_had)).filter(|_| is_sure()))
        .or_else(|| {
            let is_excused = || is_revived(group.group) || had_others();
            misowned(group).filter(|_| is_sure() && !is_excused())
        })
        .filter(|_| !may_be_torn(partitions, group.group))
}

#[cfg(test)]
mod tests {
    use super::excused::{current_key, member_key, target_epoch_key, target_key};
    use super::testing::{TOPIC, group, member, partitions, with, with_in};
    use super::*;
    use crate::checkers::compaction::Keys;
    use crate::checkers::void::{Loss, Void};
    use std::collections::{BTreeMap, BTreeSet};
    use stormglass_broker_core::ids::{LeaderEpoch, NodeId, TopicPartition};
    use stormglass_broker_core::inspect::ConsumerMemberView;
    use stormglass_broker_core::records::{Batch, Record};

    /// A partition of the groups' topic where a record with a key was written at offset 20 in epoch 0, and a leader
    /// of epoch 2 has nothing from `from` on.
    fn cut(key: Vec<u8>, from: Offset, void: Option<Void>) -> [Partition; 1] {
        let mut p = Partition::new(format!("{OFFSETS_TOPIC}-0"), 2);
        let record = Record::new(Some(key.into()), Some(vec![0_u8].into()));
        let mut batch = Batch::build(0, &mut [record]);
        (batch.header.base_offset, batch.header.partition_leader_epoch) = (20, 0);
        let mut keys = Keys::new(1000);
        keys.appended(0, &batch);
        p.keys = Some(keys);
        let leader = NodeId(2);
        p.losses.push(Loss { at_ns: 0, leader, epoch: 2, from, void, is_empty: false, folded: 0 });
        [p]
    }

    /// Hunt seed 9014942: the cleaner of a replica had used what an unclean election took away then.
    #[test]
    fn a_group_of_which_records_were_given_up_may_be_known_in_part() {
        let image = MetadataImage::default();
        let is_seen = |of: &[Partition]| {
            with(&[&[0], &[1]], |group| misgiven(group, &image, (of, 0), |_| false).is_some())
        };
        let (target, unclean) = (target_key("m", "me"), Some(Void::Unclean));
        assert!(is_seen(&[]), "nobody is to have the third");
        assert!(!is_seen(&cut(target.clone(), 20, unclean.clone())));
        assert!(is_seen(&cut(target.clone(), 21, unclean.clone())), "it was kept");
        assert!(is_seen(&cut(target.clone(), 20, None)), "it was promised");
        assert!(is_seen(&cut(target_key("mm", "me"), 20, unclean.clone())), "of another group");
        let position = [&[0, 1][..], &target[2..]].concat();
        assert!(is_seen(&cut(position, 20, unclean)), "of what a group has read");
    }

    /// The log of group `m`, from which a member was removed in epoch 0, and whose targets were found in an epoch, so
    /// many ms later.
    fn shared_out(member: &str, then: (LeaderEpoch, u64), left_behind: bool) -> Partition {
        written_after((member_key("m", member), target_epoch_key("m")), then, left_behind)
    }

    /// A log in which a key was deleted in epoch 0, and another one written in an epoch, so many ms later.
    fn written_after(
        (deleted, key): (Vec<u8>, Vec<u8>),
        (epoch, ms): (LeaderEpoch, u64),
        left_behind: bool,
    ) -> Partition {
        let mut p = Partition::new(format!("{OFFSETS_TOPIC}-0"), 2);
        let mut keys = Keys::new(1000);
        let value = Some(vec![0_u8].into());
        let written = [(0, 0, deleted, None), (epoch, ms, key, value)];
        for (offset, (epoch, ms, key, value)) in (20..).zip(written) {
            let mut batch = Batch::build(0, &mut [Record::new(Some(key.into()), value)]);
            (batch.header.base_offset, batch.header.partition_leader_epoch) = (offset, epoch);
            keys.appended(ms * 1_000_000, &batch);
            p.committed.append(epoch, offset, offset + 1);
        }
        keys.in_sync(&[NodeId(1), NodeId(2)]);
        if left_behind {
            keys.in_sync(&[NodeId(1)]);
        }
        p.keys = Some(keys);
        p
    }

    /// Hunt seed 17003250: a coordinator had members that had left, and gave them what is nobody's where that is known.
    #[test]
    fn what_who_had_left_was_given_is_nobodys_with_the_next_coordinator() {
        let image = MetadataImage::default();
        let is_seen = |of: Partition, epoch: LeaderEpoch| {
            let of = [of];
            with_in(epoch, &[&[0], &[1]], |group| {
                misgiven(group, &image, (&of[..], 0), |_| false).is_some()
            })
        };
        assert!(!is_seen(shared_out("gone", (1, 1000), true), 2), "nobody is to have the third");
        assert!(is_seen(shared_out("gone", (1, 1000), true), 1), "it has shared out itself");
        assert!(is_seen(shared_out("gone", (0, 1000), true), 2), "that one knew");
        assert!(is_seen(shared_out("gone", (1, 999), true), 2), "the tombstone was there");
        assert!(is_seen(shared_out("gone", (1, 1000), false), 2), "all replicas had it");
        assert!(is_seen(shared_out("m", (1, 1000), true), 2), "the member is here");
    }

    /// Hunt seed 28000282: a coordinator had a member back that had left, and shared out to it anew.
    #[test]
    fn who_is_back_may_be_known_to_have_what_is_anothers() {
        let (topics, image) = (BTreeSet::new(), MetadataImage::default());
        let ids = ["a", "back", "c"].map(Arc::<str>::from);
        let is_seen = |owned: [&[i32]; 3], log: Partition| {
            let has = |(id, owned): (_, &[i32])| ConsumerMemberView {
                owned: partitions(owned),
                ..member(id, &topics)
            };
            let members = ids.iter().zip(owned).map(has).collect();
            let id: Arc<str> = "m".into();
            let group = ConsumerGroupView { is_assigned: false, ..group(&id, members) };
            misgiven(&group, &image, (&[log], 0), |_| false).is_some()
        };
        let (current, target) = (current_key("m", "back"), target_key("m", "back"));
        let log =
            |then, left_behind| written_after((current.clone(), target.clone()), then, left_behind);
        assert!(!is_seen([&[0], &[0], &[]], log((1, 1000), true)));
        assert!(!is_seen([&[], &[0], &[0]], log((1, 1000), true)));
        assert!(is_seen([&[0], &[], &[0]], log((1, 1000), true)), "both are here");
        assert!(is_seen([&[0], &[0], &[0]], log((1, 1000), true)), "two of them are here");
        assert!(is_seen([&[0], &[0], &[]], log((0, 1000), true)), "that one knew");
        assert!(is_seen([&[0], &[0], &[]], log((1, 999), true)), "the tombstone was there");
        assert!(is_seen([&[0], &[0], &[]], log((1, 1000), false)), "all replicas had it");
        for kept in [current_key("m", "a"), member_key("m", "back")] {
            let log = written_after((kept, target.clone()), (1, 1000), true);
            assert!(is_seen([&[0], &[0], &[]], log), "what it has was not deleted");
        }
    }

    /// Hunt seed 30015987: a coordinator had a member back that had left, and found it a target anew; the next one that
    /// had it back went by that target, of which others had been given everything since.
    #[test]
    fn who_has_left_may_be_back_with_a_target_that_was_found_since() {
        let image = MetadataImage::default();
        let is_seen = |of: Partition, now_ms: u64| {
            let (of, now_ns) = ([of], now_ms * 1_000_000);
            with(&[&[0, 1, 2], &[1]], |group| {
                misgiven(group, &image, (&of[..], now_ns), |_| false).is_some()
            })
        };
        let target = target_key("m", "m");
        let log = |deleted: Vec<u8>, left_behind| {
            written_after((deleted, target.clone()), (1, 500), left_behind)
        };
        assert!(!is_seen(log(member_key("m", "m"), true), 1000));
        assert!(is_seen(log(member_key("m", "m"), true), 999), "the tombstone is there");
        assert!(is_seen(log(member_key("m", "m"), false), 1000), "all replicas have it");
        assert!(is_seen(log(member_key("m", "other"), true), 1000), "another one has left");
        assert!(is_seen(log(target.clone(), true), 1000), "the member has not left");
    }

    /// KAFKA-19862.
    #[test]
    fn a_partition_is_its_readers_unless_one_that_had_left_is_back() {
        let image = MetadataImage::default();
        let (id, topics): (Arc<str>, _) = ("m".into(), BTreeSet::from([Arc::from("t")]));
        let is_seen = |misowned: Option<TopicPartition>, log: Partition, is_revived: bool| {
            let all = partitions(&[0, 1, 2]);
            let reader =
                ConsumerMemberView { target: all.clone(), owned: all, ..member(&id, &topics) };
            let topics = BTreeMap::from([("t", (TOPIC, 3))]);
            let group = ConsumerGroupView { misowned, topics, ..group(&id, vec![reader]) };
            misgiven(&group, &image, (&[log], 1_000_000_000), |_| is_revived).is_some()
        };
        let log = |left_behind| {
            written_after((member_key("m", "m"), target_key("m", "m")), (1, 500), left_behind)
        };
        let some = Some(TopicPartition::new(TOPIC, 1));
        assert!(is_seen(some, log(false), false));
        assert!(!is_seen(None, log(false), false), "each is");
        assert!(!is_seen(some, log(false), true), "it has left that to nobody");
        assert!(!is_seen(some, log(true), false), "the member has left");
    }
}
