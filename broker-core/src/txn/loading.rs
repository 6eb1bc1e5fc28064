//! Taking over and giving up partitions of `__transaction_state`.

use super::coordinator::{Cx, LogPartition, TransactionCoordinator};
use super::state::Transaction;
use super::{TRANSACTIONS_TOPIC, codec};
use crate::ids::{DiskOpId, LeaderEpoch, TopicPartition};
use crate::metadata::MetadataDelta;
use crate::plant::{Plant, planted};
use crate::records::RecordView;
use crate::replica::Partition;
use crate::seam::{DiskOpKind, DiskResult, TimerKey, TraceEvent};
use crate::step::Owner;
use std::collections::BTreeMap;

/// `transaction.state.log.load.buffer.size`.
const LOAD_BYTES: u32 = 5 << 20;

impl TransactionCoordinator {
    /// Loads partitions that this broker leads from now on, drops those that it leads no longer.
    pub(crate) fn apply_metadata(&mut self, cx: &mut Cx<'_, '_>, delta: &MetadataDelta) {
        if delta.removed_topics.iter().any(|topic| *topic.name == *TRANSACTIONS_TOPIC) {
            let led: Vec<_> = self.partitions.keys().copied().collect();
            led.into_iter().for_each(|index| self.unload(index));
        }
        let image = cx.image;
        let Some(topic) = image.topic_named(TRANSACTIONS_TOPIC) else { return };
        let node = cx.replicas.config.node;
        for tp in delta.partitions.iter().filter(|tp| tp.topic == topic.id) {
            let Some(state) = image.partition(*tp) else { continue };
            let known = self.partitions.get(&tp.partition);
            let is_newer = known.is_none_or(|p| p.epoch < state.leader_epoch);
            if state.leader != Some(node) {
                self.unload(tp.partition);
            } else if is_newer {
                self.unload(tp.partition);
                self.begin_load(cx, *tp, state.leader_epoch);
            }
        }
    }

    fn unload(&mut self, partition: i32) {
        self.partitions.remove(&partition);
        self.stalled.retain(|stalled| *stalled != partition);
        self.markers.forget(partition);
    }

    fn begin_load(&mut self, cx: &mut Cx<'_, '_>, tp: TopicPartition, epoch: LeaderEpoch) {
        let start = cx.replicas.find(tp).map_or(0, |p| p.log.log_start_offset());
        let transactions = BTreeMap::new();
        let loading = LogPartition { tp, epoch, loading: Some(start), transactions };
        self.partitions.insert(tp.partition, loading);
        self.arm_timeouts(cx.step);
        self.load_more(cx, tp.partition);
    }

    /// Reads on, up to the log's end, and waits until all of that is committed: what a former leader appended
    /// becomes so if this one stays, but is lost with it otherwise. Kafka does not wait, and writes markers of
    /// what was never decided (hunt seed 1011714).
    fn load_more(&mut self, cx: &mut Cx<'_, '_>, partition: i32) {
        let Some(state) = self.partitions.get_mut(&partition) else { return };
        let Some(from) = state.loading else { return };
        let Some(replica) = cx.replicas.find(state.tp) else { return };
        let end = replica.log.log_end_offset();
        match replica.log.read_plan(from, end, LOAD_BYTES) {
            Ok(Some(range)) => {
                let kind = DiskOpKind::Read { ranges: vec![range], max_bytes: LOAD_BYTES };
                let id = cx.step.disk(Owner::Transactions, kind);
                self.loads.insert(id.0, (partition, state.epoch));
            }
            Ok(None) | Err(_) => {
                if replica.leadership().is_none() {
                    return;
                }
                if is_committed(replica) {
                    state.loading = None;
                    self.loaded(cx, partition);
                } else {
                    self.stalled.push(partition);
                }
            }
        }
    }

    /// What was decided is carried out.
    fn loaded(&mut self, cx: &mut Cx<'_, '_>, partition: i32) {
        if planted(cx.replicas.config.plant, Plant::DecisionsNotResumed) {
            return;
        }
        let Some(state) = self.partitions.get(&partition) else { return };
        let decided: Vec<_> = state
            .transactions
            .iter()
            .filter(|(_, transaction)| transaction.values.state.is_ending())
            .map(|(id, transaction)| (id.clone(), transaction.values.clone()))
            .collect();
        for (id, values) in decided {
            self.send_markers(cx, partition, &id, &values);
        }
    }

    /// Goes on with loads that had to wait. Asked after every input, for as long as a replica is missing.
    pub(crate) fn resume_loads(&mut self, cx: &mut Cx<'_, '_>) {
        let Self { partitions, stalled, .. } = self;
        let goes_on = |partition: &mut i32| {
            let state = partitions.get(partition);
            state.and_then(|state| cx.replicas.find(state.tp)).is_none_or(is_committed)
        };
        let ready: Vec<i32> = stalled.extract_if(.., goes_on).collect();
        for partition in ready {
            self.load_more(cx, partition);
        }
    }

    /// Goes on with loads that could not read, when their pause is over.
    pub(crate) fn retry_loads(&mut self, cx: &mut Cx<'_, '_>) {
        for (partition, epoch) in self.failed_loads.take_due(cx.step.now) {
            if self.partitions.get(&partition).is_some_and(|state| state.epoch == epoch) {
                self.load_more(cx, partition);
            }
        }
    }

    /// A read of a load ended.
    pub(crate) fn disk_done(&mut self, cx: &mut Cx<'_, '_>, id: DiskOpId, result: DiskResult) {
        let Some((partition, epoch)) = self.loads.remove(&id.0) else { return };
        let Some(state) = self.partitions.get_mut(&partition) else { return };
        if state.epoch != epoch || state.loading.is_none() {
            return;
        }
        let DiskResult::Read(read) = result else {
            cx.step.trace(TraceEvent::Mark("coordinator-load-failed"));
            self.failed_loads.add(cx.step, (partition, epoch), TimerKey::TxnLoads);
            return;
        };
        // what begins in a gap that a cut has left finds nothing, and must get on
        state.loading = state.loading.map(|at| at + 1);
        for batch in read.iter().flat_map(|records| records.batches()) {
            state.loading = state.loading.map(|at| at.max(batch.next_offset()));
            let Ok(body) = batch.unpack() else { continue };
            let Ok(records) = batch.views(&body) else { continue };
            cx.step.effects.work.records_walked += records.len() as u64;
            for record in &records {
                state.replay(record);
            }
        }
        self.load_more(cx, partition);
    }
}

/// Whether all that a leader found in its log is committed; also where this replica leads no longer.
fn is_committed(replica: &Partition) -> bool {
    replica.leadership().is_none_or(|lead| replica.high_watermark >= lead.epoch_start)
}

impl LogPartition {
    /// Takes a record of the log. A value that cannot be read is none.
    pub(super) fn replay(&mut self, record: &RecordView<'_>) {
        let Some(id) = record.key.and_then(codec::decode_key) else { return };
        match record.value.and_then(codec::decode_value) {
            Some(values) => {
                self.transactions.insert(id, Transaction::loaded(values));
            }
            None => {
                self.transactions.remove(&id);
            }
        }
    }
}
