//! Groups in the consumer protocol (KIP-848): who shall have what.

use super::metadata::says;
use super::{Moment, NodeView, Unaware};
use crate::checkers::compaction::Keys;
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use crate::checkers::suite::OFFSETS_TOPIC;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, Offset, TopicId, TopicPartition};
use stormglass_broker_core::inspect::{ConsumerGroupView, ConsumerMemberView, ReplicaView};
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
        let flaw = misgiven(&group, image, (partitions, now_ns));
        let flaw =
            flaw.or_else(|| misowned(&group, (partitions, now_ns), || is_revived(group.group)));
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

/// No member is in an epoch that its group has not got to. Where the newest epochs are lost, the cleaner may have taken
/// the ones before (hunt seed 9004155).
pub(super) fn epochs((ledger, partitions): (&mut Ledger, &[Partition]), view: &NodeView<'_>) {
    let ahead = view.broker.member_ahead();
    let ahead = ahead.filter(|(group, _)| !may_be_torn(partitions, group));
    says(ledger, OFFSETS_TOPIC, ahead.is_none(), &|| {
        format!(
            "coordinator {} knows a member in an epoch that its group has not got to: {ahead:?}",
            view.node
        )
    });
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

/// What is wrong with who shall have what.
fn misgiven(
    group: &ConsumerGroupView<'_>,
    image: &MetadataImage,
    (partitions, now_ns): (&[Partition], u64),
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
        .filter(|_| !may_be_torn(partitions, group.group))
}

/// A partition that is given away as if nobody had it, while a member reads it, or that nobody is ever given, as it
/// counts as that of a member which does not have it (KAFKA-19862). Members that have left, and are back for a while, are
/// known to have what is another's, and leave that to nobody.
fn misowned(
    group: &ConsumerGroupView<'_>,
    (partitions, now_ns): (&[Partition], u64),
    is_revived: impl Fn() -> bool,
) -> Option<String> {
    let tp = group.misowned?;
    let has_left =
        |member: &ConsumerMemberView<'_>| may_be_back(partitions, now_ns, (group.group, member.id));
    let is_excused = is_revived()
        || group.members.iter().any(has_left)
        || may_have_had_others(partitions, group)
        || may_be_torn(partitions, group.group);
    (!is_excused).then(|| format!("{tp:?} counts as another's than it is: {:?}", group.members))
}

/// Whether something holds of the keys of a log in which coordinators keep groups.
fn any_log(partitions: &[Partition], holds: impl Fn(&Partition, &Keys) -> bool) -> bool {
    let mut logs = partitions.iter().filter(|p| p.label.starts_with(OFFSETS_TOPIC));
    logs.any(|p| p.keys.as_ref().is_some_and(|keys| holds(p, keys)))
}

/// Whether a coordinator may know a group in part only: where an election without promises took away records of it,
/// the cleaner of a replica may have taken before what they replaced. Whoever leads with such a log may load a member
/// without its target, and equal epochs of the group and its targets, until something makes it share out anew, in Kafka
/// as here (hunt seed 9014942).
fn may_be_torn(partitions: &[Partition], group: &str) -> bool {
    any_log(partitions, |p, keys| {
        let is_lost = |epoch, offset| p.losses.are_void(epoch, offset);
        keys.lost_any(|key| is_of(key, group), is_lost)
    })
}

/// Whether a coordinator may have a member that has left: where a replica was away while the removal was compacted
/// away, whoever leads with it loads the member as it was, until its session is over, in Kafka as here (hunt seeds
/// 7000364, 7013343, 7014974). The three records of a member are removed together; that of its target may be written
/// anew without the member by a coordinator that had it back (`TargetAssignmentBuilder.build`), and is what the next
/// one that has it back goes by (hunt seed 30015987).
fn may_be_back(partitions: &[Partition], now_ns: u64, (group, member): (&str, &str)) -> bool {
    let keys = [target_key(group, member), member_key(group, member)];
    keys.iter().any(|key| is_over(partitions, now_ns, key))
}

/// Whether what a member has may be what it had before it left: as [`may_be_back`] says, and whoever has it back has
/// found it a target anew, which says nothing of what it has; that may be another's by now (hunt seed 28000282).
fn may_have_had(partitions: &[Partition], (group, member): (&str, &str)) -> bool {
    let (target, current) = (target_key(group, member), current_key(group, member));
    any_log(partitions, |p, keys| {
        let of = (&target[..], |key: &[u8]| *key == current[..]);
        keys.may_rest_on_deleted(of, (&p.committed, p.exposed()), LeaderEpoch::MAX)
    })
}

/// Whether the coordinator that found a group's targets, before the one of this epoch, may have had members that had
/// left, as [`may_be_back`] says. Where their removal is known, what they were given is nobody's then, until something
/// makes the group share out anew: a target that stays as it was is not written again, and one that is written makes
/// nobody a member, in Kafka as here (`TargetAssignmentBuilder.build`; hunt seed 17003250).
fn may_have_had_others(partitions: &[Partition], group: &ConsumerGroupView<'_>) -> bool {
    let (id, target_epoch) = (group.group, target_epoch_key(group.group));
    let known: BTreeSet<_> = group.members.iter().map(|of| member_key(id, of.id)).collect();
    let members = members_key(id);
    let is_other = |key: &[u8]| key.starts_with(&members) && !known.contains(key);
    any_log(partitions, |p, keys| {
        let of = (&target_epoch[..], is_other);
        keys.may_rest_on_deleted(of, (&p.committed, p.exposed()), group.epoch)
    })
}

/// Whether a record was deleted, and that may have been compacted away while a replica was away, which has the record
/// still.
fn is_over(partitions: &[Partition], now_ns: u64, key: &[u8]) -> bool {
    any_log(partitions, |p, keys| keys.is_deleted(key, (&p.committed, p.exposed()), now_ns))
}

/// The key of the record that has a group's epoch (`ConsumerGroupMetadataKey`).
fn group_key(group: &str) -> Vec<u8> {
    [&3_i16.to_be_bytes()[..], &sized(group)].concat()
}

/// How keys of the records begin that have what a group's members say of themselves (`ConsumerGroupMemberMetadataKey`).
fn members_key(group: &str) -> Vec<u8> {
    [&5_i16.to_be_bytes()[..], &sized(group)].concat()
}

/// The key of such a record.
fn member_key(group: &str, member: &str) -> Vec<u8> {
    [members_key(group), sized(member)].concat()
}

/// The key of the record that has the epoch of a group's targets (`ConsumerGroupTargetAssignmentMetadataKey`).
fn target_epoch_key(group: &str) -> Vec<u8> {
    [&6_i16.to_be_bytes()[..], &sized(group)].concat()
}

/// The key of the record that has a member's target (`ConsumerGroupTargetAssignmentMemberKey`).
fn target_key(group: &str, member: &str) -> Vec<u8> {
    [&7_i16.to_be_bytes()[..], &sized(group), &sized(member)].concat()
}

/// The key of the record that has what a member has (`ConsumerGroupCurrentMemberAssignmentKey`).
fn current_key(group: &str, member: &str) -> Vec<u8> {
    [&8_i16.to_be_bytes()[..], &sized(group), &sized(member)].concat()
}

/// Whether a record with this key is of a group in the consumer protocol: those of positions, and of groups in the
/// classic one, have lower versions.
fn is_of(key: &[u8], group: &str) -> bool {
    let Some((version, rest)) = key.split_first_chunk() else { return false };
    i16::from_be_bytes(*version) > 2 && rest.starts_with(&sized(group))
}

/// A text with its length before it, as keys have it.
fn sized(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// Whether a member subscribes to a topic: it names it, or an alternative of its regular expression is the name, or
/// what comes before `.*` in one begins it. Members of the simulator have no others.
fn reads(member: &ConsumerMemberView<'_>, name: &str) -> bool {
    let matches = |part: &str| match part.strip_suffix(".*") {
        Some(prefix) => name.starts_with(prefix),
        None => name == part,
    };
    member.topics.contains(name) || member.regex.is_some_and(|regex| regex.split('|').any(matches))
}

/// A member that has a partition of a topic that it does not subscribe to, or is to have it.
fn stranger(group: &ConsumerGroupView<'_>, image: &MetadataImage) -> Option<String> {
    let name = |id: TopicId| image.topic(id).map(|topic| &*topic.name);
    group.members.iter().find_map(|member| {
        let of = member.target.iter().chain(&member.owned);
        let mut of = of.filter(|tp| name(tp.topic).is_some_and(|name| !reads(member, name)));
        let tp = of.next()?;
        Some(format!(
            "member {} is given {:?}-{}, and subscribes to {:?} and {:?}",
            member.id,
            name(tp.topic),
            tp.partition,
            member.topics,
            member.regex
        ))
    })
}

/// Whether targets are found for topics as they are. Of those as they were the group has kept but the hash (KIP-1101).
fn has_shared_out(group: &ConsumerGroupView<'_>) -> bool {
    group.is_assigned && group.hash == group.hash_of_topics
}

/// A partition that a member is to have, once targets are found, and that is in none of the topics that the group goes
/// by: it is deleted, or nobody reads it any more.
fn vanished(group: &ConsumerGroupView<'_>) -> Option<String> {
    let sizes: BTreeMap<TopicId, i32> = group.topics.values().copied().collect();
    let is_there = |tp: &&TopicPartition| {
        sizes.get(&tp.topic).is_some_and(|partitions| (0..*partitions).contains(&tp.partition))
    };
    group.members.iter().filter(|_| has_shared_out(group)).find_map(|member| {
        let tp = member.target.iter().find(|tp| !is_there(tp))?;
        Some(format!("member {} is to have {tp:?}, and it goes by {:?}", member.id, group.topics))
    })
}

/// A partition that somebody reads, and not exactly one member is to have, once targets are found; who has left may
/// be another one, or the only one where the group had others.
fn unowned(
    group: &ConsumerGroupView<'_>,
    has_left: impl Fn(&str) -> bool,
    had_others: impl Fn() -> bool,
) -> Option<String> {
    if !has_shared_out(group) {
        return None;
    }
    let mut owners: BTreeMap<TopicPartition, Vec<&str>> = BTreeMap::new();
    for member in &group.members {
        for tp in &member.target {
            owners.entry(*tp).or_default().push(member.id);
        }
    }
    group.topics.iter().find_map(|(name, (id, partitions))| {
        let is_read = group.members.iter().any(|member| reads(member, name));
        let mut all = (0..*partitions).filter(|_| is_read);
        let of = |partition: i32| owners.get(&TopicPartition::new(*id, partition));
        let has_one = |partition: i32| match of(partition).map_or(&[][..], Vec::as_slice) {
            [] => had_others(),
            [_] => true,
            several => several.iter().filter(|member| !has_left(member)).count() <= 1,
        };
        let partition = all.find(|partition| !has_one(*partition))?;
        Some(format!("{:?} members are to have {name}-{partition}", of(partition).map(Vec::len)))
    })
}

/// A member that is to have two more than another one that reads one of its partitions, where all ask for `uniform`.
fn uneven(group: &ConsumerGroupView<'_>) -> Option<String> {
    let members = &group.members;
    if !has_shared_out(group) || members.iter().any(|of| of.assignor != Some("uniform")) {
        return None;
    }
    group.topics.iter().find_map(|(name, (id, _))| {
        let of = members.iter().filter(|member| reads(member, name));
        let least = of.clone().min_by_key(|member| member.target.len())?;
        let mut has_one = of.filter(|member| member.target.iter().any(|tp| tp.topic == *id));
        let more = has_one.find(|member| member.target.len() > least.target.len() + 1)?;
        Some(format!("{} is to have more than {} by more than one: {members:?}", more.id, least.id))
    })
}

/// A topic whose partitions are not shared out in ranges, where all ask for `range`: as many for one as for the other,
/// or one more for the first ones, static members before others, by their names, so that topics of the same size with
/// the same readers are read together (Kafka's `RangeAssignor`; KAFKA-16944).
fn unranged(group: &ConsumerGroupView<'_>) -> Option<String> {
    let members = &group.members;
    let is_due = group.knows_topics && has_shared_out(group);
    if !is_due || members.iter().any(|of| of.assignor != Some("range")) {
        return None; // of a topic that has come, not everybody who subscribes by an expression may know yet
    }
    let mut order: Vec<&ConsumerMemberView<'_>> = members.iter().collect();
    order.sort_by_key(|member| (member.instance.is_none(), member.instance, member.id));
    group.topics.iter().find_map(|(name, (id, count))| {
        let readers: Vec<_> = order.iter().filter(|member| reads(member, name)).collect();
        let (total, all) = (usize::try_from(*count).unwrap_or(0), readers.len().max(1));
        let mut first = 0;
        let other = readers.into_iter().enumerate().find(|(index, member)| {
            let next = first + total / all + usize::from(*index < total % all);
            let is_in = |partition: i32| {
                usize::try_from(partition).is_ok_and(|at| (first..next).contains(&at))
            };
            let of = member.target.iter().filter(|tp| tp.topic == *id);
            let (has, is_range) = (of.clone().count(), of.clone().all(|tp| is_in(tp.partition)));
            let is_other = has != next - first || !is_range;
            first = next;
            is_other
        })?;
        Some(format!("{} is to have no range of {name}: {members:?}", other.1.id))
    })
}

/// A member that has reached its target, and has something else.
fn unsettled(group: &ConsumerGroupView<'_>) -> Option<String> {
    let as_set = |of: &[TopicPartition]| of.iter().copied().collect::<BTreeSet<_>>();
    let mut settled = group.members.iter().filter(|member| member.is_settled);
    let member = settled.find(|member| as_set(&member.owned) != as_set(&member.target))?;
    Some(format!("a member is where it should be, and has something else: {member:?}"))
}

/// A partition that two members have, be it to give it up. `has_had`: whether a member may have nothing any more of
/// what it is known to have.
fn shared(group: &ConsumerGroupView<'_>, has_had: impl Fn(&str) -> bool) -> Option<String> {
    let mut owners: BTreeMap<TopicPartition, &str> = BTreeMap::new();
    for member in &group.members {
        for tp in &member.owned {
            let Some(other) = owners.insert(*tp, member.id) else { continue };
            if !has_had(other) && !has_had(member.id) {
                return Some(format!("members {} and {other} have {tp:?}", member.id));
            }
            if !has_had(other) {
                owners.insert(*tp, other);
            }
        }
    }
    None
}

/// A topic that members read and that exists, and the group does not know it, its size, or where its replicas are.
fn unknown(group: &ConsumerGroupView<'_>, image: &MetadataImage) -> Option<String> {
    let is_read = |name: &str| group.members.iter().any(|member| reads(member, name));
    let known = image.topics().filter(|topic| is_read(&topic.name));
    let of = known.map(|topic| (&*topic.name, (topic.id, topic.partitions.len())));
    let of = of.map(|(name, (id, count))| (name, (id, i32::try_from(count).unwrap_or(i32::MAX))));
    let of: BTreeMap<&str, (TopicId, i32)> = of.collect();
    let ConsumerGroupView { members, topics, hash, hash_of_topics, .. } = group;
    (!members.is_empty() && (of != *topics || hash != hash_of_topics)).then(|| {
        let of = format!("members read {of:?} ({hash_of_topics:x})");
        format!("{of}, and it knows {topics:?}, and goes by {hash:x}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::void::{Loss, Void};
    use stormglass_broker_core::ids::NodeId;
    use stormglass_broker_core::metadata::{MetadataRecord, PartitionRecord};
    use stormglass_broker_core::records::{Batch, Record};

    const TOPIC: TopicId = TopicId(7);

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

    fn with<R>(targets: &[&[i32]], check: impl FnOnce(&ConsumerGroupView<'_>) -> R) -> R {
        with_in(3, targets, check)
    }

    /// Of a coordinator whose log is led in an epoch.
    fn with_in<R>(
        epoch: LeaderEpoch,
        targets: &[&[i32]],
        check: impl FnOnce(&ConsumerGroupView<'_>) -> R,
    ) -> R {
        with_hash((epoch, 1), targets, check)
    }

    /// Of one whose group goes by topics of a hash; that of what there is is 1.
    fn with_hash<R>(
        (epoch, hash): (LeaderEpoch, i64),
        targets: &[&[i32]],
        check: impl FnOnce(&ConsumerGroupView<'_>) -> R,
    ) -> R {
        let (id, topics): (Arc<str>, _) = ("m".into(), BTreeSet::from([Arc::from("t")]));
        let member = |target: &&[i32]| ConsumerMemberView {
            id: &id,
            instance: None,
            topics: &topics,
            regex: None,
            assignor: Some("uniform"),
            target: target.iter().map(|index| TopicPartition::new(TOPIC, *index)).collect(),
            owned: Vec::new(),
            is_settled: false,
        };
        check(&ConsumerGroupView {
            group: &id,
            epoch,
            is_assigned: true,
            knows_topics: true,
            hash,
            hash_of_topics: 1,
            topics: BTreeMap::from([("t", (TOPIC, 3))]),
            misowned: None,
            members: targets.iter().map(member).collect(),
        })
    }

    #[test]
    fn each_partition_has_one_owner() {
        let nobody = |group: &ConsumerGroupView<'_>| unowned(group, |_| false, || false);
        assert_eq!(with(&[&[0, 2], &[1]], nobody), None);
        assert!(with(&[&[0], &[1]], nobody).is_some());
        assert!(with(&[&[0, 1, 2], &[1]], nobody).is_some());
    }

    #[test]
    fn nobody_is_to_have_what_is_not_there() {
        assert_eq!(with(&[&[0, 2], &[1]], vanished), None);
        assert!(with(&[&[0, 3], &[1]], vanished).is_some(), "the topic has three");
    }

    #[test]
    fn who_has_left_may_be_another_one() {
        let all = |group: &ConsumerGroupView<'_>| unowned(group, |_| true, || false);
        assert_eq!(with(&[&[0, 1, 2], &[1]], all), None);
        assert!(with(&[&[0], &[1]], all).is_some(), "nobody is to have the third");
        assert_eq!(target_key("g", "me"), [0, 7, 0, 1, b'g', 0, 2, b'm', b'e']);
    }

    /// Hunt seed 9014942: the cleaner of a replica had used what an unclean election took away then.
    #[test]
    fn a_group_of_which_records_were_given_up_may_be_known_in_part() {
        let image = MetadataImage::default();
        let is_seen = |of: &[Partition]| {
            with(&[&[0], &[1]], |group| misgiven(group, &image, (of, 0)).is_some())
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
            with_in(epoch, &[&[0], &[1]], |group| misgiven(group, &image, (&of[..], 0)).is_some())
        };
        assert!(!is_seen(shared_out("gone", (1, 1000), true), 2), "nobody is to have the third");
        assert!(is_seen(shared_out("gone", (1, 1000), true), 1), "it has shared out itself");
        assert!(is_seen(shared_out("gone", (0, 1000), true), 2), "that one knew");
        assert!(is_seen(shared_out("gone", (1, 999), true), 2), "the tombstone was there");
        assert!(is_seen(shared_out("gone", (1, 1000), false), 2), "all replicas had it");
        assert!(is_seen(shared_out("m", (1, 1000), true), 2), "the member is here");
    }

    #[test]
    fn nobody_has_two_more_than_who_could_have_one_of_them() {
        assert_eq!(with(&[&[0, 2], &[1]], uneven), None);
        assert!(with(&[&[0, 1, 2], &[]], uneven).is_some());
    }

    #[test]
    fn who_has_reached_its_target_has_that_and_nobody_else_has_it() {
        let (id, topics): (Arc<str>, _) = ("m".into(), BTreeSet::new());
        let of = |owned: &[&[i32]], check: fn(&ConsumerGroupView<'_>) -> Option<String>| {
            let some = |of: &[i32]| of.iter().map(|at| TopicPartition::new(TOPIC, *at)).collect();
            let member = |owned: &&[i32]| ConsumerMemberView {
                id: &id,
                instance: None,
                topics: &topics,
                regex: None,
                assignor: None,
                target: some(&[0]),
                owned: some(owned),
                is_settled: true,
            };
            let members = owned.iter().map(member).collect();
            let (is_assigned, topics) = (true, BTreeMap::new());
            let (group, epoch) = (&id, 3);
            check(&ConsumerGroupView {
                group,
                epoch,
                is_assigned,
                knows_topics: true,
                hash: 1,
                hash_of_topics: 1,
                topics,
                misowned: None,
                members,
            })
        };
        assert_eq!(of(&[&[0]], unsettled), None);
        assert!(of(&[&[]], unsettled).is_some() && of(&[&[0, 1]], unsettled).is_some());
        let shared = |group: &ConsumerGroupView<'_>| shared(group, |_| false);
        assert_eq!(of(&[&[0], &[1, 2]], shared), None);
        assert!(of(&[&[0, 1], &[1]], shared).is_some());
    }

    /// Hunt seed 28000282: a coordinator had a member back that had left, and shared out to it anew.
    #[test]
    fn who_is_back_may_be_known_to_have_what_is_anothers() {
        let (topics, image) = (BTreeSet::new(), MetadataImage::default());
        let ids = ["a", "back", "c"].map(Arc::<str>::from);
        let is_seen = |owned: [&[i32]; 3], log: Partition| {
            let some = |of: &[i32]| of.iter().map(|at| TopicPartition::new(TOPIC, *at)).collect();
            let member = |(id, owned): (_, &[i32])| ConsumerMemberView {
                id,
                instance: None,
                topics: &topics,
                regex: None,
                assignor: None,
                target: Vec::new(),
                owned: some(owned),
                is_settled: false,
            };
            let members = ids.iter().zip(owned).map(member).collect();
            let (group, topics): (Arc<str>, _) = ("m".into(), BTreeMap::new());
            let group = ConsumerGroupView {
                group: &group,
                epoch: 3,
                is_assigned: false,
                knows_topics: true,
                hash: 1,
                hash_of_topics: 1,
                topics,
                misowned: None,
                members,
            };
            misgiven(&group, &image, (&[log], 0)).is_some()
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
            with(&[&[0, 1, 2], &[1]], |group| misgiven(group, &image, (&of[..], now_ns)).is_some())
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

    #[test]
    fn a_partition_is_its_readers_unless_one_that_had_left_is_back() {
        let is_seen = |tp: Option<TopicPartition>, log: Partition, is_revived: bool| {
            with(&[&[0, 1, 2]], |group| {
                let topics = group.topics.clone();
                let members = group.members.iter().map(|of| ConsumerMemberView {
                    target: of.target.clone(),
                    owned: of.target.clone(),
                    ..*of
                });
                let group = ConsumerGroupView {
                    misowned: tp,
                    topics,
                    members: members.collect(),
                    ..*group
                };
                misowned(&group, (&[log], 1_000_000_000), || is_revived).is_some()
            })
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

    /// Of members `b` and `a`, `b` perhaps with a name, that read topics of three and of two partitions.
    #[test]
    fn topics_are_shared_out_in_ranges() {
        let topics = BTreeSet::from(["t", "u"].map(Arc::<str>::from));
        let [b, a, name, group] = ["b", "a", "z", "m"].map(Arc::<str>::from);
        let ids = [b, a];
        let is_seen = |targets: [(&[i32], &[i32]); 2], assignor, is_static: bool| {
            let member = |(at, (t, u)): (usize, (&[i32], &[i32]))| {
                let of = |id, indices: &[i32]| -> Vec<TopicPartition> {
                    indices.iter().map(|index| TopicPartition::new(id, *index)).collect()
                };
                ConsumerMemberView {
                    id: &ids[at],
                    instance: Some(&name).filter(|_| is_static && at == 0),
                    topics: &topics,
                    regex: None,
                    assignor: Some(assignor),
                    target: [of(TOPIC, t), of(TopicId(8), u)].concat(),
                    owned: Vec::new(),
                    is_settled: false,
                }
            };
            let members = targets.into_iter().enumerate().map(member).collect();
            let of_group = ConsumerGroupView {
                group: &group,
                epoch: 3,
                is_assigned: true,
                knows_topics: true,
                hash: 1,
                hash_of_topics: 1,
                topics: BTreeMap::from([("t", (TOPIC, 3)), ("u", (TopicId(8), 2))]),
                misowned: None,
                members,
            };
            unranged(&of_group).is_some()
        };
        let (first, last) = ((&[0, 1][..], &[0][..]), (&[2][..], &[1][..]));
        assert!(!is_seen([last, first], "range", false), "by their ids");
        assert!(!is_seen([first, last], "range", true), "who has a name comes first");
        assert!(is_seen([first, last], "range", false) && is_seen([last, first], "range", true));
        let apart = [(&[2][..], &[0][..]), (&[0, 1][..], &[1][..])];
        assert!(is_seen(apart, "range", false), "they are not read together");
        let holes = [(&[1][..], &[1][..]), (&[0, 2][..], &[0][..])];
        assert!(is_seen(holes, "range", false) && !is_seen(holes, "uniform", false));
    }

    #[test]
    fn names_and_patterns_are_read() {
        let (id, topics): (Arc<str>, _) = ("m".into(), BTreeSet::from([Arc::from("a")]));
        let member = ConsumerMemberView {
            id: &id,
            instance: None,
            topics: &topics,
            regex: Some("b|spare.*"),
            assignor: None,
            target: Vec::new(),
            owned: Vec::new(),
            is_settled: false,
        };
        let is_read = ["a", "b", "spare", "spare-2"].map(|name| reads(&member, name));
        assert_eq!((is_read, reads(&member, "bb")), ([true; 4], false));
    }

    #[test]
    fn who_has_given_up_a_topic_is_to_have_nothing_of_it() {
        let stranger = |name: &str| {
            let mut image = MetadataImage::default();
            image.apply(&MetadataRecord::Topic { name: name.into(), id: TOPIC }).unwrap();
            with(&[&[], &[0]], |group| stranger(group, &image))
        };
        assert_eq!(stranger("t"), None);
        assert!(stranger("other").is_some());
    }

    #[test]
    fn a_topic_that_members_do_not_read_is_nothing_to_give() {
        let image = MetadataImage::default();
        assert_eq!(with(&[&[0]], |group| stranger(group, &image)), None, "it is gone");
        assert!(with(&[&[0]], |group| unknown(group, &image)).is_some());
    }

    /// KIP-1101: the group's epoch has a hash of its topics, in which racks count, too.
    #[test]
    fn a_group_knows_where_replicas_of_its_topics_are() {
        let mut image = MetadataImage::default();
        image.apply(&MetadataRecord::Topic { name: "t".into(), id: TOPIC }).unwrap();
        for index in 0..3 {
            let record = PartitionRecord {
                tp: TopicPartition::new(TOPIC, index),
                replicas: vec![NodeId(1)],
                isr: vec![NodeId(1)],
                moving: None,
                leader: Some(NodeId(1)),
                recovering: false,
                leader_epoch: 0,
                partition_epoch: 0,
            };
            image.apply(&MetadataRecord::Partition(record)).unwrap();
        }
        let unknown = |group: &ConsumerGroupView<'_>| unknown(group, &image);
        assert_eq!(with(&[&[0, 2], &[1]], unknown), None);
        assert!(with_hash((3, 2), &[&[0, 2], &[1]], unknown).is_some());
        assert_eq!(with_hash((3, 2), &[&[0, 3], &[1]], vanished), None, "of others");
    }
}
