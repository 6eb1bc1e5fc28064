//! What the recorder and the checkers get to see.

use super::event::Event;
use super::{SECOND_NS, World};
use crate::checkers::{Cause, Moment};
use crate::disk::DiskCounters;
use crate::recorder::SecondGauges;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::inspect::{CoordinatorView, TransactionsLogView};
use stormglass_broker_core::seam::{Effects, TraceEvent};
use stormglass_reports::recording::{BrokerSecond, Phase};

/// A cluster counts as healed so long after the last fault, ns: heal is longer.
const HEALED_NS: u64 = 8 * SECOND_NS;

impl World {
    /// Hands a step's trace to the checkers and to the story.
    pub(super) fn observe_trace(&mut self, node: u16, effects: &mut Effects) {
        let id = self.nodes[node as usize].id.0;
        let now = self.now.saturating_sub(self.origin_ns.min(self.now));
        let turns = self.watches
            && self.origin_ns != u64::MAX
            && effects.trace.iter().any(super::watch::is_turn);
        for event in &effects.trace {
            if let TraceEvent::HighWatermark { tp, offset, leader: true, epoch } = event {
                self.lags.high_watermark(*tp, *epoch, *offset);
                if *tp == TopicPartition::METADATA {
                    self.show_quorum(now, (id, *epoch, *offset));
                }
            }
            if let TraceEvent::LeaderAppended { records, .. } = event {
                self.nodes[node as usize].tally.messages_in += records.record_count();
            }
            self.checkers.trace(now, id, event);
            if self.origin_ns != u64::MAX {
                self.marks.trace(event);
                self.story.trace(now, id, event, &mut self.story_out);
            }
        }
        effects.trace.clear();
        if turns {
            self.show_node(node);
        }
        if !self.story_out.is_empty() {
            self.tell_story();
        }
    }

    fn tell_story(&mut self) {
        if self.story_out.is_empty() {
            return;
        }
        for event in self.story_out.drain(..) {
            self.recorder.event(event);
        }
    }

    /// A node lost its process.
    pub(super) fn node_down(&mut self, node: u16, lost_unsynced: bool, cause: &Cause) {
        let id = self.nodes[node as usize].id.0;
        let now = self.now.saturating_sub(self.origin_ns.min(self.now));
        self.checkers.node_down(now, id, (lost_unsynced, cause));
    }

    /// A simulated second ends.
    pub(super) fn end_of_second(&mut self) {
        let index = self.second;
        self.second += 1;
        let at_ns = u64::from(index) * SECOND_NS;
        let phase = self.phase_at(at_ns);
        let brokers = self.broker_seconds();
        let lags = (0..self.plan.consumers.len()).map(|group| self.lags.lag(group)).collect();
        let (offline, controller) = self.control_plane();
        // Cross-AZ bytes are counted by message; taking the network's own keeps its tables small.
        let _ = self.net.take_cross_az_bytes();
        self.tell_story();
        let healed = self.phase_at(at_ns.saturating_sub(HEALED_NS)) >= Phase::Heal;
        self.show_state(if healed { Moment::Healed } else { Moment::Running });
        let offline_partitions = offline;
        let gauges = SecondGauges { index, phase, brokers, lags, offline_partitions, controller };
        self.recorder.end_of_second(gauges);
        if is_deadline(self.now, self.ends_ns) {
            self.checkers.deadline();
        }
        self.at(self.now + SECOND_NS, Event::Second);
        self.check_drained();
    }

    fn broker_seconds(&mut self) -> Vec<BrokerSecond> {
        let brokers: Vec<usize> =
            (0..self.nodes.len()).filter(|at| self.nodes[*at].is_broker).collect();
        brokers.into_iter().map(|at| self.broker_second(at)).collect()
    }

    fn broker_second(&mut self, at: usize) -> BrokerSecond {
        let now = self.now;
        let net = self.net.take_counters(now, self.nodes[at].host);
        let node = &mut self.nodes[at];
        let cpu = node.cpu.take_counters(now);
        let disk = DiskUse::new(&node.disk.take_counters(now));
        let gauges = node.broker.as_ref().map(|b| b.gauges()).unwrap_or_default();
        let tally = std::mem::take(&mut node.tally);
        let nic = node.nic;
        let used = net.rx_bytes.max(net.tx_bytes);
        let has_credits = net.tx_credits_permille > 0 && net.rx_credits_permille > 0;
        let rate = if has_credits { nic.burst_per_sec } else { nic.baseline_per_sec };
        let permille = |part: u64, whole: u64| {
            u32::try_from(part.saturating_mul(1000) / whole.max(1)).unwrap_or(u32::MAX)
        };
        let waiting: usize = node.queues.iter().map(|q| q.waiting.len()).sum();
        BrokerSecond {
            up: node.is_up() && gauges.unfenced,
            cpu_permille: cpu.cpu_permille,
            cpu_credits_ms: u64::from(cpu.credit_permille) * node.credit_cap_ms / 1000,
            bytes_in: tally.bytes_in,
            bytes_out: tally.bytes_out,
            replication_in: tally.replication_in,
            replication_out: tally.replication_out,
            messages_in: tally.messages_in,
            net_rx: net.rx_bytes,
            net_tx: net.tx_bytes,
            // What a burst sent before its credits ran out is more than the rate left: full is full.
            net_permille: permille(used, rate).min(1000),
            net_credits_permille: net.tx_credits_permille.min(net.rx_credits_permille),
            disk_read: disk.read_bytes,
            disk_write: disk.write_bytes,
            disk_ops: disk.ops,
            disk_permille: disk.busy_permille,
            burst_balance_permille: disk.burst_balance_permille,
            dirty_bytes: disk.dirty_bytes,
            cache_hit_bytes: disk.hit_bytes,
            cache_miss_bytes: disk.miss_bytes,
            handler_idle_permille: cpu.handler_idle_permille,
            network_idle_permille: cpu.network_idle_permille,
            request_queue: u32::try_from(waiting).unwrap_or(u32::MAX),
            leaders: gauges.leaders,
            partitions: gauges.partitions,
            under_replicated: gauges.under_replicated,
            under_min_isr: gauges.under_min_isr,
            log_bytes: gauges.log_bytes,
            cpu_spent: node.profile.spent(&tally.costs, tally.handled, tally.network_ns),
            follower_fetches: tally.follower_fetches,
            follower_fetch_bytes_max: tally.follower_fetch_bytes_max,
            remote_copied: tally.remote_copied,
            remote_fetched: tally.remote_fetched,
            remote_rejected: tally.remote_rejected,
        }
    }

    /// Offline partitions and the active controller, as the active controller sees it.
    fn control_plane(&self) -> (u32, Option<i32>) {
        let active = self.nodes.iter().find(|n| {
            n.broker.as_ref().is_some_and(|b| !n.is_broker && b.active_controller() == Some(n.id))
        });
        match active {
            Some(node) => {
                (node.broker.as_ref().map_or(0, |b| b.offline_partitions()), Some(node.id.0))
            }
            None => (0, None),
        }
    }

    /// Partitions whose ISR is smaller than their replica set.
    pub(super) fn under_replicated(&self) -> u32 {
        self.nodes
            .iter()
            .filter_map(|n| n.broker.as_ref())
            .map(|b| b.gauges().under_replicated)
            .sum()
    }

    /// During the drain: whether everything is consumed, from partitions that are all led.
    fn check_drained(&mut self) {
        let since = self.now.saturating_sub(self.origin_ns);
        if since <= self.plan.phases.drain_starts_ns() + SECOND_NS {
            return;
        }
        let lag: u64 = (0..self.plan.consumers.len()).map(|group| self.lags.lag(group).0).sum();
        // applications have until the end
        self.drained = self.apps.is_none()
            && lag == 0
            && self.under_replicated() == 0
            && self.producers_idle()
            && self.is_all_led()
            && self.is_all_loaded();
    }

    /// Whether no coordinator still loads: leaders move back when all is well (hunt seed 897648), or when an
    /// administrator goes on who had no answer for `request.timeout.ms` (hunt seed 30010965).
    fn is_all_loaded(&self) -> bool {
        let mut brokers = self.nodes.iter().filter_map(|node| node.broker.as_ref());
        brokers.all(|broker| has_loaded(&broker.coordinated(), &broker.transactions_logs()))
    }

    /// Whether a controller is active, and knows of a leader for each partition. While the quorum's hosts boot
    /// brokers cannot tell.
    fn is_all_led(&self) -> bool {
        let mut images =
            self.nodes.iter().filter_map(|node| node.broker.as_ref()?.active_metadata());
        images.any(|image| image.partitions().all(|(_, state)| state.leader.is_some()))
    }
}

/// Whether this end of a second is the last one that leaves clients the time which they have. A plan that was made
/// small need not end with a second; without a deadline, what is committed as it ends would be asked for.
fn is_deadline(now_ns: u64, ends_ns: u64) -> bool {
    let left_ns = ends_ns.saturating_sub(now_ns);
    (super::DEADLINE_NS..super::DEADLINE_NS + SECOND_NS).contains(&left_ns)
}

/// Whether what a broker coordinates is all loaded. A leader of `__transaction_state` has to wait for followers whose
/// fetches are on their way, for up to `replica.fetch.wait.max.ms`, until what it has found is committed.
fn has_loaded(groups: &[CoordinatorView], transactions: &[TransactionsLogView]) -> bool {
    groups.iter().all(|at| at.is_loaded) && transactions.iter().all(|log| log.is_loaded)
}

/// A second's use of all volumes of a host.
struct DiskUse {
    read_bytes: u64,
    write_bytes: u64,
    ops: u64,
    busy_permille: u32,
    burst_balance_permille: u32,
    dirty_bytes: u64,
    hit_bytes: u64,
    miss_bytes: u64,
}

impl DiskUse {
    fn new(counters: &DiskCounters) -> Self {
        let volumes = &counters.volumes;
        let busiest = volumes.iter().map(|v| v.busy_ns).max().unwrap_or(0);
        let credits = volumes.iter().map(|v| {
            v.throughput_credit_permille.min(v.iops_credit_permille).min(v.instance_credit_permille)
        });
        Self {
            read_bytes: volumes.iter().map(|v| v.read_bytes).sum(),
            write_bytes: volumes.iter().map(|v| v.write_bytes).sum(),
            ops: volumes.iter().map(|v| v.read_ops + v.write_ops).sum(),
            busy_permille: u32::try_from(busiest / 1_000_000).unwrap_or(1000).min(1000),
            burst_balance_permille: credits.min().unwrap_or(1000),
            dirty_bytes: counters.dirty_bytes,
            hit_bytes: counters.hit_bytes,
            miss_bytes: counters.miss_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;

    #[test]
    fn every_run_has_one_deadline_whether_or_not_it_ends_with_a_second() {
        let deadlines = |ends_ns: u64| -> Vec<u64> {
            (0..20)
                .map(|second| second * SECOND_NS)
                .filter(|at| is_deadline(*at, ends_ns))
                .collect()
        };
        assert_eq!(deadlines(13 * SECOND_NS), [7 * SECOND_NS]);
        assert_eq!(deadlines(13 * SECOND_NS + 125_000_000), [7 * SECOND_NS]);
        assert_eq!(deadlines(14 * SECOND_NS - 1), [7 * SECOND_NS]);
        assert!(deadlines(5 * SECOND_NS).is_empty(), "it ends before anybody has had that long");
    }

    /// Hunt seed 30010965: a run ended while a leader of `__transaction_state` waited.
    #[test]
    fn a_run_goes_on_until_groups_and_transactions_are_loaded() {
        let group = |is_loaded| CoordinatorView { partition: 0, epoch: 12, is_loaded };
        let log = |partition, is_loaded, is_stalled| TransactionsLogView {
            tp: tp(partition),
            epoch: 12,
            is_loaded,
            is_stalled,
        };
        let loaded = log(0, true, false);
        let (reads, waits) = (log(1, false, false), log(1, false, true));
        assert!(has_loaded(&[], &[]), "it coordinates nothing");
        assert!(has_loaded(&[group(true)], &[loaded]));
        assert!(!has_loaded(&[group(false)], &[loaded]));
        assert!(!has_loaded(&[group(true)], &[loaded, reads]));
        assert!(!has_loaded(&[group(true)], &[loaded, waits]));
    }
}
