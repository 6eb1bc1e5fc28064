//! ISR changes: the leader proposes with AlterPartition, the controller decides (KIP-497).

use super::{ReplicaManager, is_eligible};
use crate::error::ErrorCode;
use crate::ids::{CorrelationId, NodeId};
use crate::plant::{Plant, planted};
use crate::protocol::{
    AlterPartitionData, AlterPartitionRequest, AlterPartitionResult, Request, Response,
};
use crate::seam::{Channel, PeerError, TimerKey, TraceEvent};
use crate::step::{Owner, Step};
use crate::time::Duration;

/// Proposals on their way to the controller.
#[derive(Debug, Default)]
pub(super) struct AlterPartitions {
    queue: Vec<u32>,
    in_flight: Option<(CorrelationId, Vec<u32>)>,
    backing_off: bool,
}

/// Pause after a refused or failed request.
const RETRY_BACKOFF: Duration = Duration::from_millis(50);

impl ReplicaManager {
    /// A follower caught up: proposes it for the ISR if it may join.
    pub(super) fn maybe_expand_isr(&mut self, step: &mut Step<'_>, slot: u32, id: NodeId) {
        let Some(partition) = self.partition(slot) else { return };
        if !partition.may_expand_isr(id) {
            return;
        }
        let Some(lead) = partition.leadership() else { return };
        let Some(follower) = lead.followers.iter().find(|f| f.id == id) else { return };
        let trusts = planted(self.config.plant, Plant::StaleFetchNewBroker)
            && self.eligible.contains_key(&id);
        if !is_eligible(&self.eligible, follower) && !trusts {
            return;
        }
        let mut isr = lead.isr.clone();
        isr.push(id);
        self.propose_isr(step, slot, isr);
    }

    /// A follower fetches: whatever kept it out of an ISR before may be over (it was fenced, or the
    /// proposal was refused).
    pub(super) fn retry_expansions(&mut self, step: &mut Step<'_>, id: NodeId) {
        if self.incomplete.is_empty() {
            return;
        }
        let slots: Vec<u32> = self.incomplete.iter().copied().collect();
        for slot in slots {
            self.maybe_expand_isr(step, slot, id);
        }
    }

    /// Keeps track of the ISRs that lack a replica.
    pub(super) fn note_isr(&mut self, slot: u32) {
        let lacks = self
            .partition(slot)
            .and_then(|p| Some(p.leadership()?.isr.len() < p.replicas.len()))
            .unwrap_or(false);
        if lacks {
            self.incomplete.insert(slot);
        } else {
            self.incomplete.remove(&slot);
        }
    }

    /// Timer: followers that fell behind leave the ISR.
    pub(crate) fn check_isr(&mut self, step: &mut Step<'_>) {
        let lag_max = self.config.server.replica_lag_time_max;
        let mut found = false;
        for slot in 0..u32::try_from(self.partitions.len()).unwrap_or(u32::MAX) {
            let Some(partition) = self.partition(slot) else { continue };
            let behind = partition.out_of_sync(step.now, lag_max);
            let Some(lead) = partition.leadership().filter(|_| !behind.is_empty()) else {
                continue;
            };
            let isr = lead.isr.iter().copied().filter(|id| !behind.contains(id)).collect();
            self.propose_isr(step, slot, isr);
            found = true;
        }
        if found && planted(self.config.plant, Plant::IsrCheckNotArmed) {
            return;
        }
        self.arm_isr_check(step);
    }

    /// Kafka looks every half `replica.lag.time.max.ms`.
    pub(super) fn arm_isr_check(&self, step: &mut Step<'_>) {
        let half = self.config.server.replica_lag_time_max.as_nanos() / 2;
        step.timer(step.now + Duration::from_nanos(half.max(1)), TimerKey::IsrCheck);
    }

    #[cold]
    fn propose_isr(&mut self, step: &mut Step<'_>, slot: u32, isr: Vec<NodeId>) {
        let Some(partition) = self.partition_mut(slot) else { return };
        let (tp, epoch) = (partition.tp, partition.leader_epoch);
        let Some(lead) = partition.leadership_mut() else { return };
        step.trace(TraceEvent::IsrProposed { tp, epoch, isr: isr.clone() });
        lead.pending_isr = Some(isr);
        self.alter.queue.push(slot);
    }

    /// Sends the queued proposals, one request at a time.
    pub(super) fn send_alter_partitions(
        &mut self,
        step: &mut Step<'_>,
        controller: Option<NodeId>,
        broker_epoch: i64,
    ) {
        let waits = self.alter.queue.is_empty()
            || self.alter.in_flight.is_some()
            || self.alter.backing_off
            || broker_epoch < 0;
        let Some(controller) = controller.filter(|_| !waits) else { return };
        let mut slots = std::mem::take(&mut self.alter.queue);
        slots.sort_unstable();
        slots.dedup();
        let partitions: Vec<_> =
            slots.iter().filter_map(|slot| self.proposal(*slot, broker_epoch)).collect();
        if partitions.is_empty() {
            return;
        }
        let request = AlterPartitionRequest { broker: self.config.node, broker_epoch, partitions };
        let id = step.send(
            Owner::AlterPartition,
            controller,
            Channel::Controller,
            self.config.server.controller_socket_timeout,
            Request::AlterPartition(request),
        );
        self.alter.in_flight = Some((id, slots));
    }

    fn proposal(&self, slot: u32, broker_epoch: i64) -> Option<AlterPartitionData> {
        let partition = self.partition(slot)?;
        let lead = partition.leadership()?;
        let epoch_of = |id: NodeId| {
            if id == self.config.node {
                return broker_epoch;
            }
            if planted(self.config.plant, Plant::StaleFetchNewBroker) {
                return self.eligible.get(&id).copied().unwrap_or(-1);
            }
            lead.followers.iter().find(|f| f.id == id).map_or(-1, |f| f.broker_epoch)
        };
        let new_isr = lead.pending_isr.as_ref()?.iter().map(|id| (*id, epoch_of(*id))).collect();
        Some(AlterPartitionData {
            tp: partition.tp,
            leader_epoch: partition.leader_epoch,
            new_isr,
            partition_epoch: partition.partition_epoch,
        })
    }

    /// The controller answered, or did not.
    pub(crate) fn alter_partition_response(
        &mut self,
        step: &mut Step<'_>,
        id: CorrelationId,
        result: Result<Response, PeerError>,
    ) {
        let Some((_, slots)) = self.alter.in_flight.take_if(|(sent, _)| *sent == id) else {
            return;
        };
        match result {
            Ok(Response::AlterPartition(response)) if response.error.is_ok() => {
                for answer in response.partitions {
                    self.take_isr(step, answer);
                }
            }
            _ => self.retry_proposals(step, slots),
        }
    }

    /// Still pending: the same proposals go out again, to whoever is the controller.
    fn retry_proposals(&mut self, step: &mut Step<'_>, slots: Vec<u32>) {
        self.alter.queue.extend(slots);
        self.alter.backing_off = true;
        step.timer(step.now + RETRY_BACKOFF, TimerKey::AlterPartition);
    }

    /// Back-off is over.
    pub(crate) fn alter_partition_due(&mut self) {
        self.alter.backing_off = false;
    }

    fn take_isr(&mut self, step: &mut Step<'_>, answer: AlterPartitionResult) {
        let Some(slot) = self.slot(answer.tp) else { return };
        let Some(partition) = self.partition_mut(slot) else { return };
        let (epoch, partition_epoch) = (partition.leader_epoch, partition.partition_epoch);
        let plant = partition.plant;
        let Some(lead) = partition.leadership_mut() else { return };
        match answer.error {
            ErrorCode::None if answer.leader_epoch == epoch => {
                // An equal partition epoch means that nothing had to change (ISR-08).
                let no_op = answer.partition_epoch == partition_epoch;
                let ignored = no_op && planted(plant, Plant::NoOpIsrIgnored);
                if answer.partition_epoch >= partition_epoch && !ignored {
                    self.commit_isr(step, slot, answer.isr, answer.partition_epoch);
                }
            }
            // The one error which says that the proposal was not applied and never will be.
            ErrorCode::IneligibleReplica => {
                step.trace(TraceEvent::Mark("isr-change-refused"));
                lead.pending_isr = None;
            }
            // It may have been applied, by an earlier try or another controller: until the metadata
            // says so, whoever is proposed counts for the high watermark (ISR-01).
            ErrorCode::None
            | ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::InvalidUpdateVersion
            | ErrorCode::InvalidRequest
            | ErrorCode::NewLeaderElected => {
                step.trace(TraceEvent::Mark("isr-change-outdated"));
                if planted(plant, Plant::RefusalIsFinal) {
                    lead.pending_isr = None;
                }
            }
            _ => self.retry_proposals(step, vec![slot]),
        }
    }

    /// The ISR that the controller has committed, by answer or by metadata.
    pub(super) fn commit_isr(
        &mut self,
        step: &mut Step<'_>,
        slot: u32,
        isr: Vec<NodeId>,
        partition_epoch: i32,
    ) {
        let Some(partition) = self.partition_mut(slot) else { return };
        partition.partition_epoch = partition_epoch;
        let (tp, epoch) = (partition.tp, partition.leader_epoch);
        let Some(lead) = partition.leadership_mut() else { return };
        lead.pending_isr = None;
        let old = std::mem::replace(&mut lead.isr, isr.clone());
        if old != isr {
            step.trace(TraceEvent::IsrCommitted { tp, epoch, old, isr });
        }
        self.note_isr(slot);
        // A smaller ISR may let the high watermark move (ISR-10).
        if !planted(self.config.plant, Plant::NoMoveAfterShrink) {
            self.try_advance_high_watermark(step, slot);
        }
    }
}
