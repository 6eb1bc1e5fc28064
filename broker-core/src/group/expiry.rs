//! Positions that nobody uses any more, and groups that have nothing left (KIP-211, Kafka's
//! `cleanupGroupMetadata`).
//!
//! Positions are kept for `offsets.retention.minutes` after the group lost its last member; those
//! of a group that never had members, and of one in the consumer protocol, after their commit.
//! Positions of a group with members are kept; Kafka drops those in topics that no member reads.

use super::admin::Deletion;
use super::codec::{OffsetKey, encode_offset_key};
use super::coordinator::{Group, GroupCoordinator};
use super::membership::Membership;
use super::writes::{Write, batch_bytes_max, in_batches};
use crate::records::Record;
use crate::replica::ReplicaManager;
use crate::seam::{TimerKey, TraceEvent};
use crate::step::Step;
use std::sync::Arc;

impl GroupCoordinator {
    /// Timer: lets positions expire, and looks again later.
    pub(crate) fn expiry_due(&mut self, step: &mut Step<'_>, replicas: &mut ReplicaManager) {
        let oldest_ms = step.wall_ms.saturating_sub(self.limits.retention_ms);
        let mut expired = Vec::new();
        for partition in self.partitions.values().filter(|p| p.loading.is_none()) {
            for (id, group) in &partition.groups {
                if !group.roster.is_empty()
                    || !group.pending.is_empty()
                    || self.writes.commits_of(id).next().is_some()
                {
                    continue;
                }
                let keys = group.expired(id, oldest_ms);
                let is_over = keys.len() == group.positions.len();
                if is_over || !keys.is_empty() {
                    let place = (partition.tp, partition.epoch);
                    let over = is_over.then(|| group.roster.tombstones(id));
                    expired.push((place, Arc::clone(id), keys, over));
                }
            }
        }
        for (place, group, keys, over) in expired {
            let is_over = over.is_some();
            let tombstone = |key: &OffsetKey| Record::new(Some(encode_offset_key(key)), None);
            let mut records: Vec<_> = keys.iter().map(tombstone).collect();
            records.extend(over.into_iter().flatten());
            if is_over {
                step.trace(TraceEvent::GroupRemoved { group: Arc::clone(&group) });
            }
            let batches = in_batches(records, batch_bytes_max(replicas, place.0));
            let (last, mut keys) = (batches.len() - 1, keys.into_iter());
            for (nth, records) in batches.into_iter().enumerate() {
                let keys = keys.by_ref().take(records.len()).collect();
                let (group, is_over) = (Arc::clone(&group), is_over && nth == last);
                let write = Write::Deletion(Deletion::Expired { group, keys, is_over });
                self.writes.append(step, replicas, place, records, write);
            }
        }
        self.arm_expiry(step);
    }

    /// Looks for what has expired every `offsets.retention.check.interval.ms` from now on.
    pub(super) fn arm_expiry(&mut self, step: &mut Step<'_>) {
        self.looks_for_expired = true;
        step.timer(step.now + self.limits.retention_check, TimerKey::GroupExpiry);
    }
}

impl Group {
    /// Positions that are too old; all of them when there are none.
    fn expired(&self, id: &Arc<str>, oldest_ms: i64) -> Vec<OffsetKey> {
        let classic = self.roster.classic().filter(|group| !group.protocol_type().is_empty());
        // logs of before Kafka 2.1 do not say since when (`ClassicGroup.offsetExpirationCondition`)
        let since_ms = classic.map(Membership::state_since_ms).filter(|since_ms| *since_ms >= 0);
        if since_ms.is_some_and(|since_ms| since_ms > oldest_ms) {
            return Vec::new();
        }
        let has_begun = since_ms.is_some();
        let too_old =
            self.positions.iter().filter(|(_, v)| has_begun || v.value.commit_ms <= oldest_ms);
        let key = |((topic, partition), _): (&(Arc<str>, i32), _)| OffsetKey {
            group: Arc::clone(id),
            topic: Arc::clone(topic),
            partition: *partition,
        };
        too_old.map(key).collect()
    }
}
