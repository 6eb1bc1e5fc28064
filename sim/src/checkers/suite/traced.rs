//! What happens inside of nodes: each trace event goes to the checkers that it concerns.

use super::Checkers;
use crate::checkers::appends::{self, Origin};
use crate::checkers::history::Turn;
use crate::checkers::roles::{self, Change};
use crate::checkers::table::Entry;
use crate::checkers::{log_starts, tiering};
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::records::Records;
use stormglass_broker_core::seam::TraceEvent;

/// A partition is trimmed after this many appends.
const TRIM_EVERY: u32 = 512;

impl Checkers {
    /// Something changed inside a node.
    pub fn trace(&mut self, now_ns: u64, node: i32, event: &TraceEvent) {
        self.ledger.now_ns = now_ns;
        match event {
            TraceEvent::LeaderAppended { tp, records } => {
                let at = self.partition(*tp);
                let p = &mut self.partitions[at];
                if let Some(keys) = &mut p.keys {
                    for batch in records.batches() {
                        keys.appended(now_ns, batch);
                        p.shapes.appended(batch);
                    }
                }
                if let Some(ages) = &mut p.ages {
                    records.batches().iter().for_each(|batch| ages.appended(batch));
                }
                if let Some(transactions) = &mut self.transactions {
                    transactions.written.appended(now_ns, *tp, records);
                }
                self.lets_go(node, records);
                self.appended(*tp, node, Origin::Leader, records);
                self.look_for_revived(at, records);
                self.lets_in(node, (at, *tp), records);
            }
            TraceEvent::FollowerAppended { tp, records } => {
                self.appended(*tp, node, Origin::Follower, records);
            }
            TraceEvent::HighWatermark { tp, offset, leader, epoch } => {
                let at = self.partition(*tp);
                let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
                let replica = p.replica(node);
                if *leader {
                    roles::leader_high_watermark(p, ledger, replica, (*epoch, *offset));
                } else {
                    roles::follower_high_watermark(p, ledger, replica, *offset);
                }
            }
            TraceEvent::ControllerElected { epoch } => {
                self.timeouts.trace((&mut self.ledger, now_ns), node, event);
                self.quorum.elected(&mut self.ledger, node, *epoch);
            }
            TraceEvent::Voted { epoch, candidate } => {
                self.quorum.voted(&mut self.ledger, node, (*epoch, *candidate));
            }
            TraceEvent::BrokerFenced { .. } | TraceEvent::ControllerResigned { .. } => {
                self.timeouts.trace((&mut self.ledger, now_ns), node, event);
            }
            TraceEvent::GroupRemoved { group } => {
                let index = self.groups.iter().position(|name| **name == **group);
                index.into_iter().for_each(|index| self.ownership.removed(index, now_ns));
                self.standing.removed(group);
            }
            TraceEvent::IsrProposed { tp, isr, .. } => self.proposed(node, *tp, isr),
            TraceEvent::Recovered { truncated_bytes, .. } => {
                for p in &mut self.partitions {
                    if let Some(replica) = p.replicas.iter_mut().find(|r| r.node == node) {
                        replica.known &= *truncated_bytes == 0;
                        replica.forget_horizons();
                        (replica.turned, replica.recovered) = (true, true);
                        replica.one_known_below = replica.log.end();
                    }
                }
            }
            _ => {
                self.talk.traced(now_ns, node, event);
                self.turned(node, event);
            }
        }
    }

    fn appended(&mut self, tp: TopicPartition, node: i32, origin: Origin, records: &Records) {
        let at = self.partition(tp);
        let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
        let replica = p.replica(node);
        let now_ms = ledger.wall_ms(ledger.now_ns);
        for batch in records.batches() {
            appends::appended(p, ledger, (replica, origin), &Entry::of(batch));
            p.replicas[replica].taken_late.appended(&batch.header, now_ms);
            if !p.is_gapless && batch.header.is_control() {
                let marker = (batch.header.producer_id, batch.base_offset());
                let is_whole = batch.header.record_count > 0;
                p.replicas[replica].markers.insert(marker, is_whole);
            }
        }
        self.appends[at] += 1;
        if self.appends[at] >= TRIM_EVERY {
            self.appends[at] = 0;
            p.trim(self.window_max);
        }
    }

    /// Turning points: rare.
    fn turned(&mut self, node: i32, event: &TraceEvent) {
        let now_ns = self.ledger.now_ns;
        self.timeouts.trace((&mut self.ledger, now_ns), node, event);
        let tp = match event {
            TraceEvent::Truncated { tp, .. }
            | TraceEvent::LogStart { tp, .. }
            | TraceEvent::LocalLogStart { tp, .. }
            | TraceEvent::Compacted { tp, .. }
            | TraceEvent::BecameLeader { tp, .. }
            | TraceEvent::BecameFollower { tp, .. }
            | TraceEvent::IsrCommitted { tp, .. }
            | TraceEvent::PartitionChanged { tp, .. } => *tp,
            _ => return,
        };
        let at = self.partition(tp);
        let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
        match event {
            TraceEvent::PartitionChanged { leader, epoch, isr, unclean, .. } => {
                if let Some(keys) = &mut p.keys {
                    keys.in_sync(isr);
                    if let Some((after_ns, of)) =
                        keys.forgets_after().zip(self.transactions.as_mut())
                    {
                        of.left_behind(&p.label, after_ns);
                    }
                }
                let change = Change { leader: *leader, epoch: *epoch, isr, unclean: *unclean };
                roles::changed(p, ledger, node, change);
                return self.note_positions_void();
            }
            TraceEvent::LocalLogStart { offset, .. } => {
                return tiering::deleted(p, ledger, node, *offset);
            }
            TraceEvent::LogStart { offset, .. } => {
                return log_starts::begins(p, ledger, node, *offset);
            }
            TraceEvent::BecameFollower { epoch, leader, .. } => {
                let turn = Turn::Follows { epoch: *epoch, leader: *leader };
                p.history.push(now_ns, node, turn);
                // a replica that comes again has another log
                let replica = p.replica(node);
                p.replicas[replica].forget_horizons();
                return self.resigns(at, node, now_ns);
            }
            _ => {}
        }
        let replica = p.replica(node);
        match event {
            TraceEvent::Compacted { from, upto, .. } => {
                p.replicas[replica].was_cleaned((*from, *upto), now_ns);
            }
            TraceEvent::Truncated { to, from, high_watermark, .. } => {
                self.kept.cut(node, tp);
                self.segments.cut(node, tp);
                p.replicas[replica].markers.retain(|(_, marker), _| marker < to);
                p.replicas[replica].forget_horizons();
                (p.replicas[replica].cleaned, p.replicas[replica].emptied) = (None, None);
                appends::truncated(p, ledger, (replica, *to), (*from, *high_watermark));
            }
            TraceEvent::BecameLeader { epoch, start, isr, .. } => {
                roles::leads(p, ledger, (replica, *epoch), (*start, isr));
            }
            TraceEvent::IsrCommitted { epoch, old, isr, .. } => {
                roles::isr_committed(p, ledger, (replica, *epoch), (old, isr));
            }
            _ => {}
        }
    }
}
