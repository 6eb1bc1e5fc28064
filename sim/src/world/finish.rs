//! The end of a run: what is left in the logs, who is behind and why, and the recording.

use super::World;
use super::clients::ClientKind;
use super::node::Node;
use crate::checkers::{FinalPartition, FinalState, LogView, Moment};
use crate::disk::Disk;
use crate::object_storage::Objects;
use crate::recorder::Finish;
use stormglass_broker_core::ReplicaState;
use stormglass_broker_core::ids::{NodeId, Offset, TopicPartition};
use stormglass_broker_core::log::Log;
use stormglass_broker_core::records::Batch;
use stormglass_broker_core::seam::DiskImage;
use stormglass_reports::recording::Recording;

/// A leader's log as its disk holds it.
struct DiskLog<'a> {
    disk: &'a Disk,
    tp: TopicPartition,
    start: Offset,
    end: Offset,
    /// What lies below the disk's part in remote storage, and the log that says what belongs to it.
    remote: Option<(&'a Objects, &'a Log)>,
}

impl DiskLog<'_> {
    /// Batches of the log's history that are in remote storage and not on the disk. Copies may overlap.
    fn visit_remote(&self, from: Offset, visit: &mut dyn FnMut(&Batch)) {
        let Some((objects, log)) = self.remote else { return };
        let local = log.local_log_start_offset();
        let mut next = from;
        if local <= from {
            return;
        }
        objects.visit(self.tp, from, &mut |batch| {
            let base = batch.base_offset();
            let is_own = log.epoch_at(base) == batch.header.partition_leader_epoch;
            if is_own && batch.next_offset() > next && base < local {
                next = batch.next_offset();
                visit(batch);
            }
        });
    }
}

impl LogView for DiskLog<'_> {
    fn log_start(&self) -> Offset {
        self.start
    }

    fn visit(&self, from: Offset, visit: &mut dyn FnMut(&Batch)) {
        self.visit_remote(from, visit);
        let segments = self.disk.segments(self.tp);
        let first = segments.partition_point(|base| *base <= from).saturating_sub(1);
        for base in segments.into_iter().skip(first) {
            self.disk.scan(self.tp, base, &mut |_, batch| {
                if batch.last_offset() >= from && batch.base_offset() < self.end {
                    visit(batch);
                }
            });
        }
    }
}

impl World {
    /// Whether no producer has anything left to send.
    pub(super) fn producers_idle(&self) -> bool {
        self.clients.iter().filter(|c| c.running).all(|client| match &client.kind {
            ClientKind::Producer { machine, .. } => machine.is_drained(),
            ClientKind::Consumer { .. }
            | ClientKind::Admin(_)
            | ClientKind::Application(_)
            | ClientKind::Operator(_) => true,
        })
    }

    /// Compares what should be there with what is, and hands over everything measured.
    pub(super) fn finish(mut self, interrupted: bool) -> Recording {
        self.stop_applications();
        let sim_ns = self.now.saturating_sub(self.origin_ns.min(self.now));
        let mut story = std::mem::take(&mut self.story_out);
        self.story.flush(&mut story);
        for event in story {
            self.recorder.event(event);
        }
        self.check_final_state(sim_ns, interrupted);
        let quorum_comes_up = self.quorum_comes_up();
        if !interrupted && !quorum_comes_up {
            self.show_state(Moment::Drained);
        }
        self.count_unfinished(sim_ns);
        let quota_waits = self.quota_waits();
        let mut assumptions = Vec::new();
        if quorum_comes_up {
            let note = "most controllers were still on their way up when the run ended, so nothing was judged \
                        that takes a cluster which has healed: a longer heal or drain phase is needed";
            assumptions.push(note.to_owned());
        }
        let remote = self.remote.as_ref().map(|remote| remote.totals());
        let findings = self.checkers.finish();
        let event_hash = format!("{:016x}", self.audit.hash());
        let events_processed = self.audit.events();
        let checkpoints = self.audit.into_checkpoints();
        self.recorder.finish(Finish {
            checkers: findings.checkers,
            violations: findings.violations,
            lost_records: findings.lost_records,
            event_hash,
            checkpoints: checkpoints.iter().map(|c| (c.events, c.global)).collect(),
            events_processed,
            sim_ns,
            interrupted,
            quota_waits,
            assumptions,
            marks: self.marks.finish(),
            replicas: self.samples,
            remote,
        })
    }

    /// Records that producers still hold have been waiting until now.
    fn count_unfinished(&mut self, sim_ns: u64) {
        if self.origin_ns == u64::MAX {
            return;
        }
        let Self { clients, recorder, .. } = self;
        for client in clients.iter_mut().filter(|client| client.running) {
            if let ClientKind::Producer { group, machine } = &mut client.kind {
                machine.unfinished(sim_ns, &mut |held| recorder.unfinished(*group, held, sim_ns));
            }
        }
    }

    fn check_final_state(&mut self, sim_ns: u64, interrupted: bool) {
        let leaders = self.leaders();
        let logs: Vec<(TopicPartition, Option<DiskLog<'_>>, Offset, Option<NodeId>)> = self
            .planned_partitions()
            .map(|tp| match leaders.iter().find(|(_, state)| state.tp == tp) {
                Some((node, state)) => {
                    let node = &self.nodes[*node];
                    let (start, end) = (state.log_start_offset, state.log_end_offset);
                    let objects = self.remote.as_ref().map(|remote| &remote.storage.objects);
                    let log = node.broker.as_ref().and_then(|b| b.replica_view(tp)).map(|v| v.log);
                    let remote = objects.zip(log.filter(|log| log.is_tiered()));
                    let log = DiskLog { disk: &node.disk, tp, start, end, remote };
                    (tp, Some(log), state.high_watermark, Some(node.id))
                }
                None => (tp, None, 0, None),
            })
            .collect();
        let partitions = logs
            .iter()
            .map(|(tp, log, high_watermark, leader)| FinalPartition {
                tp: *tp,
                leader: *leader,
                replicas: self.replicas_of(*tp),
                isr: self.isr_of(*tp),
                high_watermark: *high_watermark,
                log: log.as_ref().map(|log| log as &dyn LogView),
            })
            .collect();
        let groups = self.plan.consumers.iter().map(|group| group.group.clone()).collect();
        let state = FinalState {
            partitions,
            groups,
            running: self.plan.consumers.iter().map(|_| true).collect(),
            throttled: (0..self.plan.consumers.len()).map(|of| self.throttlers(of)).collect(),
            stuck: self.stuck_producers(),
            coming_up: self
                .nodes
                .iter()
                .filter(|node| node.starting.is_some())
                .map(|node| node.id)
                .collect(),
            notes: self.who_waits(),
            drained: !interrupted && self.origin_ns != u64::MAX && !self.quorum_comes_up(),
        };
        self.checkers.final_state(sim_ns, &state);
        if let Some(apps) = &self.apps {
            let copied = apps.copied(self.origin_ns, &self.topics, &state);
            copied.iter().for_each(|copied| self.checkers.copies(copied, &state));
        }
    }

    /// Whether so many controllers are still on their way up that nobody can decide anything.
    fn quorum_comes_up(&self) -> bool {
        let controllers = || self.nodes.iter().zip(0..).filter(|(node, _)| !node.is_broker);
        let comes_up =
            |(node, index): &(&Node, u16)| node.starting.is_some() || self.booting.contains(index);
        let coming_up = controllers().filter(comes_up).count();
        coming_up > 0 && 2 * coming_up >= controllers().count()
    }

    /// Leaders of the newest epoch, with their node's index.
    fn leaders(&self) -> Vec<(usize, ReplicaState)> {
        let mut leaders: Vec<(usize, ReplicaState)> = Vec::new();
        for (index, node) in self.nodes.iter().enumerate() {
            let states = node.broker.as_ref().map(|b| b.replicas()).unwrap_or_default();
            for state in states.into_iter().filter(|state| state.is_leader) {
                match leaders.iter_mut().find(|(_, known)| known.tp == state.tp) {
                    Some(known) if known.1.leader_epoch < state.leader_epoch => {
                        *known = (index, state);
                    }
                    Some(_) => {}
                    None => leaders.push((index, state)),
                }
            }
        }
        leaders
    }

    fn planned_partitions(&self) -> impl Iterator<Item = TopicPartition> {
        let of_topic = |name: &String, count: usize| {
            let id = self.topics.get(name).copied();
            (0..i32::try_from(count).unwrap_or(0))
                .filter_map(move |partition| Some(TopicPartition::new(id?, partition)))
        };
        self.plan.topics.iter().flat_map(move |t| of_topic(&t.name, t.assignment.len()))
    }

    /// Replicas as the cluster has them: they may have been reassigned.
    fn replicas_of(&self, tp: TopicPartition) -> Vec<NodeId> {
        let plan = self.plan.topics.iter().find(|t| self.topics.get(&t.name) == Some(&tp.topic));
        let index = usize::try_from(tp.partition).unwrap_or(usize::MAX);
        let planned = plan.and_then(|t| t.assignment.get(index));
        let images = self.nodes.iter().filter_map(|node| node.broker.as_ref()?.metadata());
        let newest = images.max_by_key(|image| image.offset());
        match newest.and_then(|image| image.partition(tp)) {
            Some(state) => state.replicas.clone(),
            None => planned.into_iter().flatten().map(|id| NodeId(*id)).collect(),
        }
    }

    /// ISR as the active controller sees it; any controller's view when none is active.
    fn isr_of(&self, tp: TopicPartition) -> Vec<NodeId> {
        let controllers = || self.nodes.iter().filter(|n| !n.is_broker && n.is_up());
        let active = controllers()
            .find(|n| n.broker.as_ref().is_some_and(|b| b.active_controller() == Some(n.id)));
        let node = active.or_else(|| controllers().next());
        node.and_then(|n| n.broker.as_ref()?.isr(tp)).unwrap_or_default()
    }

    /// Brokers whose quotas have made a member of a group wait since what has to be consumed was committed. One that
    /// has waited for less has had the time that anybody has.
    fn throttlers(&self, of: usize) -> Vec<NodeId> {
        let since_ns = self.now.saturating_sub(super::DEADLINE_NS);
        let members = self.clients.iter().filter(|client| client.running);
        let by = members.filter_map(|client| match &client.kind {
            ClientKind::Consumer { group, machine } if *group == of => {
                Some(machine.throttled_after(since_ns.saturating_sub(client.origin_ns)))
            }
            _ => None,
        });
        by.flatten().collect()
    }

    /// Producers that have something to send, and were not answered for a while in which every fault was over and no
    /// quota made them wait. That may take minutes, also once the quota is gone: a few full batches at once, or one of
    /// an administrator of the same user, are that much more than it (hunt seeds 7006513, 7009003, 7011182).
    ///
    /// Where a run heals and drains for less than [`super::DEADLINE_NS`], as most plans that were made small do, there
    /// are none. The end of the last fault cannot stand for the time of healing: it does not tell when what the fault
    /// left behind is over (a host that boots, a log that is recovered, a back-off).
    fn stuck_producers(&self) -> Vec<String> {
        let healed_ns = self.origin_ns.saturating_add(self.plan.phases.heal_starts_ns());
        let mut stuck = Vec::new();
        for client in self.clients.iter().filter(|c| c.running) {
            let ClientKind::Producer { group, machine } = &client.kind else { continue };
            let free_ns = client.origin_ns + machine.throttled_ns();
            if !machine.is_drained() && is_stuck(self.now, [client.acked_at_ns, free_ns, healed_ns])
            {
                let name = &self.plan.producers[*group].name;
                let silent_ms = (self.now - client.acked_at_ns) / 1_000_000;
                stuck.push(format!(
                    "a producer of {name} has had no acknowledgement for {silent_ms} ms"
                ));
            }
        }
        stuck
    }

    /// Who waits for whom, in sentences: read when a run is stuck.
    fn who_waits(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for node in self.nodes.iter().filter(|n| !n.is_up()) {
            notes.push(format!("node {} does not run", node.id));
        }
        for (group, plan) in self.plan.consumers.iter().enumerate() {
            for (tp, lag) in self.lags.behind(group) {
                let name = self.partition_names.get(&tp).cloned().unwrap_or_default();
                notes.push(format!("group {} misses {lag} records of {name}", plan.group));
            }
        }
        for client in self.clients.iter().filter(|c| c.running) {
            if let ClientKind::Producer { group, machine } = &client.kind
                && !machine.is_drained()
            {
                let name = &self.plan.producers[*group].name;
                let bytes = machine.buffered_bytes();
                notes.push(format!("a producer of {name} holds {bytes} bytes without an answer"));
                notes.extend(machine.transaction_waits());
            }
            if let ClientKind::Consumer { machine, .. } = &client.kind {
                notes.extend(machine.membership_waits());
            }
            if let ClientKind::Application(app) = &client.kind {
                notes.extend(app.waits());
            }
        }
        notes
    }
}

/// Whether a client has waited in vain: since its last acknowledgement, the end of what quotas ask for, and that of the
/// faults, ns each.
fn is_stuck(now_ns: u64, since_ns: [u64; 3]) -> bool {
    since_ns.iter().all(|since_ns| now_ns.saturating_sub(*since_ns) >= super::DEADLINE_NS)
}

#[cfg(test)]
mod tests {
    use super::is_stuck;
    use crate::world::{DEADLINE_NS, SECOND_NS};

    /// Plans that were made small have 3 s from healing to their end: a producer that was fenced during a fault is not
    /// stuck by then, though nothing was acknowledged for longer.
    #[test]
    fn nobody_is_stuck_before_the_faults_have_been_over_for_as_long() {
        let (now, acked) = (100 * SECOND_NS, 50 * SECOND_NS);
        assert!(!is_stuck(now, [acked, 0, now - 3 * SECOND_NS]));
        assert!(!is_stuck(now, [acked, 0, now - DEADLINE_NS + 1]));
        assert!(is_stuck(now, [acked, 0, now - DEADLINE_NS]));
        assert!(!is_stuck(now, [acked, now - 1, now - DEADLINE_NS]), "its quota is over just now");
        assert!(!is_stuck(now, [now - DEADLINE_NS + 1, 0, acked]));
    }
}
