//! Members of groups in the consumer protocol (KIP-848), and how far their groups are.

use super::excused::{any_log, group_key, may_be_back, may_be_torn};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use crate::checkers::state::NodeView;
use crate::checkers::state::metadata::says;
use crate::checkers::suite::OFFSETS_TOPIC;

/// No member is in an epoch that its group has not got to. Where the newest epochs are lost, the cleaner may have taken
/// the ones before (hunt seed 9004155).
pub(in crate::checkers::state) fn epochs(
    (ledger, partitions): (&mut Ledger, &[Partition]),
    view: &NodeView<'_>,
) {
    let now_ns = ledger.now_ns;
    let mut ahead = view.broker.members_ahead();
    let ahead = ahead.find(|(group, member)| {
        !may_be_torn(partitions, group) && !may_be_ahead(partitions, now_ns, (group, member))
    });
    says(ledger, OFFSETS_TOPIC, ahead.is_none(), &|| {
        format!(
            "coordinator {} knows a member in an epoch that its group has not got to: {ahead:?}",
            view.node
        )
    });
}

/// Whether a member may be in an epoch that its group has not got to: it may be back, as [`may_be_back`] says, and its
/// group was removed, which has no epoch any more then, or has begun again at 1. In Kafka as here, where the group's
/// removal is compacted away, too; while that is in the log, Kafka's load ends at it (`GroupMetadataManager.replay`,
/// KAFKA-21102), and the one here goes on (hunt seed 41000633).
fn may_be_ahead(partitions: &[Partition], now_ns: u64, (group, member): (&str, &str)) -> bool {
    let key = group_key(group);
    any_log(partitions, |p, keys| keys.was_deleted(&key, (&p.committed, p.exposed())))
        && may_be_back(partitions, now_ns, (group, member))
}

#[cfg(test)]
mod tests {
    use super::super::excused::member_key;
    use super::*;
    use crate::checkers::compaction::Keys;
    use stormglass_broker_core::ids::NodeId;
    use stormglass_broker_core::records::{Batch, Record};

    /// Hunt seed 41000633: a coordinator had a member back in epoch 2 of a group that was removed since.
    #[test]
    fn who_has_left_a_group_that_is_gone_may_be_back_in_its_epoch() {
        let log = |written: &[(&[u8], bool)], left_behind: bool| {
            let mut p = Partition::new(format!("{OFFSETS_TOPIC}-0"), 2);
            let mut keys = Keys::new(1000);
            for (offset, (key, has_value)) in (20..).zip(written) {
                let value = has_value.then(|| vec![0_u8].into());
                let record = Record::new(Some(key.to_vec().into()), value);
                let mut batch = Batch::build(0, &mut [record]);
                (batch.header.base_offset, batch.header.partition_leader_epoch) = (offset, 0);
                keys.appended(0, &batch);
                p.committed.append(0, offset, offset + 1);
            }
            keys.in_sync(&[NodeId(1), NodeId(2)]);
            if left_behind {
                keys.in_sync(&[NodeId(1)]);
            }
            p.keys = Some(keys);
            p
        };
        let is_excused =
            |log: Partition, now_ms: u64| may_be_ahead(&[log], now_ms * 1_000_000, ("m", "me"));
        let (group, member) = (group_key("m"), member_key("m", "me"));
        let (group, member) = (&group[..], &member[..]);
        let removed = [(group, true), (member, true), (member, false), (group, false)];
        assert!(is_excused(log(&removed, true), 1000));
        assert!(!is_excused(log(&removed, true), 999), "the member's removal is there");
        assert!(!is_excused(log(&removed, false), 1000), "all replicas have it");
        assert!(!is_excused(log(&removed[..3], true), 1000), "the group is there");
        let begun_again = [&removed[..], &[(group, true)]].concat();
        assert!(is_excused(log(&begun_again, true), 1000), "in epoch 1");
        let back = [&removed[..], &[(group, true), (member, true)]].concat();
        assert!(!is_excused(log(&back, true), 1000), "the member has joined again");
        let other = group_key("mm");
        let others = [(group, true), (member, true), (member, false), (&other[..], false)];
        assert!(!is_excused(log(&others, true), 1000), "another group was removed");
    }
}
