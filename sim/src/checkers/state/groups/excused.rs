//! What a coordinator may take a group in the consumer protocol for otherwise than it is, in Kafka as here, as the log
//! that it has read lacks records: an election without promises took them away, or they were compacted away.

use crate::checkers::compaction::Keys;
use crate::checkers::partition::Partition;
use crate::checkers::suite::OFFSETS_TOPIC;
use std::collections::BTreeSet;
use stormglass_broker_core::ids::LeaderEpoch;
use stormglass_broker_core::inspect::ConsumerGroupView;

/// Whether something holds of the keys of a log in which coordinators keep groups.
pub(super) fn any_log(partitions: &[Partition], holds: impl Fn(&Partition, &Keys) -> bool) -> bool {
    let mut logs = partitions.iter().filter(|p| p.label.starts_with(OFFSETS_TOPIC));
    logs.any(|p| p.keys.as_ref().is_some_and(|keys| holds(p, keys)))
}

/// Whether a coordinator may know a group in part only: where an election without promises took away records of it,
/// the cleaner of a replica may have taken before what they replaced. Whoever leads with such a log may load a member
/// without its target, and equal epochs of the group and its targets, until something makes it share out anew, in Kafka
/// as here (hunt seed 9014942).
pub(super) fn may_be_torn(partitions: &[Partition], group: &str) -> bool {
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
pub(super) fn may_be_back(
    partitions: &[Partition],
    now_ns: u64,
    (group, member): (&str, &str),
) -> bool {
    let keys = [target_key(group, member), member_key(group, member)];
    keys.iter().any(|key| is_over(partitions, now_ns, key))
}

/// Whether what a member has may be what it had before it left: as [`may_be_back`] says, and whoever has it back has
/// found it a target anew, which says nothing of what it has; that may be another's by now (hunt seed 28000282).
pub(super) fn may_have_had(partitions: &[Partition], (group, member): (&str, &str)) -> bool {
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
pub(super) fn may_have_had_others(partitions: &[Partition], group: &ConsumerGroupView<'_>) -> bool {
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
pub(super) fn is_over(partitions: &[Partition], now_ns: u64, key: &[u8]) -> bool {
    any_log(partitions, |p, keys| keys.is_deleted(key, (&p.committed, p.exposed()), now_ns))
}

/// The key of the record that has a group's epoch (`ConsumerGroupMetadataKey`).
pub(super) fn group_key(group: &str) -> Vec<u8> {
    [&3_i16.to_be_bytes()[..], &sized(group)].concat()
}

/// How keys of the records begin that have what a group's members say of themselves (`ConsumerGroupMemberMetadataKey`).
fn members_key(group: &str) -> Vec<u8> {
    [&5_i16.to_be_bytes()[..], &sized(group)].concat()
}

/// The key of such a record.
pub(super) fn member_key(group: &str, member: &str) -> Vec<u8> {
    [members_key(group), sized(member)].concat()
}

/// The key of the record that has the epoch of a group's targets (`ConsumerGroupTargetAssignmentMetadataKey`).
pub(super) fn target_epoch_key(group: &str) -> Vec<u8> {
    [&6_i16.to_be_bytes()[..], &sized(group)].concat()
}

/// The key of the record that has a member's target (`ConsumerGroupTargetAssignmentMemberKey`).
pub(super) fn target_key(group: &str, member: &str) -> Vec<u8> {
    [&7_i16.to_be_bytes()[..], &sized(group), &sized(member)].concat()
}

/// The key of the record that has what a member has (`ConsumerGroupCurrentMemberAssignmentKey`).
pub(super) fn current_key(group: &str, member: &str) -> Vec<u8> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_log() {
        assert_eq!(target_key("g", "me"), [0, 7, 0, 1, b'g', 0, 2, b'm', b'e']);
    }
}
