//! Members of groups in the consumer protocol that are back although they have left: where the removal of one was
//! compacted away while a replica was away, that one has the member as it was, and goes by it once it leads.

use super::partition::Partition;
use super::suite::Checkers;
use stormglass_broker_core::records::{Batch, Records};

/// Begins the keys of what members say of themselves (`ConsumerGroupMemberMetadataKey`).
const MEMBER: [u8; 2] = [0, 5];
/// Begins the keys of what members have (`ConsumerGroupCurrentMemberAssignmentKey`).
const CURRENT: [u8; 2] = [0, 8];

/// Groups that have such a member: a leader writes what it has, and the newest that was written of itself is its
/// removal, which may be gone by now.
fn groups(p: &Partition, now_ns: u64, batch: &Batch) -> Vec<String> {
    let Some(keys) = p.keys.as_ref().filter(|keys| keys.forgets_after().is_some()) else {
        return Vec::new();
    };
    let written = batch.records().unwrap_or_default().into_iter();
    let written = written.filter(|record| record.value.is_some());
    let revived = written.filter_map(|record| {
        let key = record.key?;
        let names = key.strip_prefix(&CURRENT)?;
        let member = [&MEMBER[..], names].concat();
        let is_back = keys.is_over(&member, (&p.committed, p.exposed()), now_ns);
        group_of(names).filter(|_| is_back)
    });
    revived.collect()
}

/// The first name, which has its length before it.
fn group_of(names: &[u8]) -> Option<String> {
    let (length, rest) = names.split_first_chunk()?;
    let group = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    Some(String::from_utf8_lossy(group).into_owned())
}

impl Checkers {
    /// A leader of a partition has written.
    pub(super) fn look_for_revived(&mut self, at: usize, records: &Records) {
        if !self.positions.contains(&at) {
            return;
        }
        let (p, now_ns) = (&self.partitions[at], self.ledger.now_ns);
        for name in records.batches().iter().flat_map(|batch| groups(p, now_ns, batch)) {
            if let Some(group) = self.groups.iter().position(|group| *group == name) {
                self.ownership.revived(group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::compaction::Keys;
    use stormglass_broker_core::ids::{NodeId, Offset};
    use stormglass_broker_core::records::Record;

    /// Records of member `m` of group `g`: types, and whether they have values.
    fn batch(base: Offset, written: &[(i16, bool)]) -> Batch {
        let record = |(version, has_value): &(i16, bool)| {
            let key = [&version.to_be_bytes()[..], &[0, 1, b'g', 0, 1, b'm'][..]].concat();
            Record::new(Some(key.into()), has_value.then(|| vec![0_u8].into()))
        };
        let mut records: Vec<Record> = written.iter().map(record).collect();
        let mut batch = Batch::build(0, &mut records);
        (batch.header.base_offset, batch.header.partition_leader_epoch) = (base, 0);
        batch
    }

    /// What is seen in a new state of a member, so long after its removal.
    fn seen(was_away: bool, age_ms: u64, joins_again: bool) -> Vec<String> {
        let mut keys = Keys::new(1000);
        keys.in_sync(&[NodeId(1), NodeId(2)]);
        if was_away {
            keys.in_sync(&[NodeId(1)]);
        }
        keys.appended(0, &batch(0, &[(5, true), (8, true), (8, false), (5, false)]));
        let new = batch(4, if joins_again { &[(5, true), (8, true)] } else { &[(8, true)] });
        keys.appended(0, &new);
        let mut p = Partition::new("__consumer_offsets-0".to_owned(), 2);
        p.keys = Some(keys);
        p.committed.append(0, 0, 4);
        groups(&p, age_ms * 1_000_000, &new)
    }

    /// Hunt seed 12000734.
    #[test]
    fn a_member_is_back_whose_removal_may_be_gone() {
        assert_eq!(seen(true, 1000, false), ["g"]);
        assert_eq!(seen(true, 999, false), [""; 0], "its removal is there");
        assert_eq!(seen(false, 1000, false), [""; 0], "all replicas have it");
        assert_eq!(seen(true, 1000, true), [""; 0], "it has joined anew");
    }
}
