//! What nodes hold in memory, compared with their disks, with each other and with the rules that it
//! must obey. Looked at between events, once a simulated second and at the end.

mod answered;
mod as_found;
mod asks;
mod changes;
mod chores;
mod cleaned;
mod coordinating;
mod elections;
mod emptied;
mod expired;
mod forgotten;
mod goes_on;
mod groups;
mod heartbeats;
mod held;
mod horizons;
mod idle;
mod in_touch;
mod internal;
mod kept;
mod lasting;
mod log_configs;
mod logs;
mod metadata;
mod overdue;
mod positions;
mod promised;
mod quorum;
mod recorded;
mod registered;
mod reload;
mod remembered;
mod replicas;
mod segments;
mod session_ends;
mod settings;
mod shapes;
mod standing;
#[cfg(test)]
mod tests;
mod throttled;
mod tiered;
mod timers;
mod tombstones;
mod transactions;
mod unaware;
mod uncleanable;
mod unflushed;
mod waits;

use super::appends;
use super::ledger::Ledger;
use super::partition::Partition;
use super::suite::{Checkers, OFFSETS_TOPIC};
use crate::disk::Disk;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{LeaderEpoch, Offset, TopicPartition};
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::seam::TimerKey;
use stormglass_broker_core::time::Instant;

pub(crate) use as_found::AsFound;
pub(crate) use changes::Changes;
pub(crate) use chores::Chores;
pub(crate) use cleaned::Cleaned;
pub(crate) use elections::Elections;
pub(crate) use expired::Expired;
pub(crate) use forgotten::Forgotten;
pub(crate) use heartbeats::Heartbeats;
pub(crate) use horizons::Horizons;
pub(crate) use idle::TakenLate;
pub(crate) use in_touch::InTouch;
pub(crate) use kept::Kept;
pub(crate) use lasting::Lasting;
pub(crate) use logs::PROMISE as LOGS;
pub(crate) use metadata::PROMISE as METADATA;
pub(crate) use overdue::Overdue;
pub(crate) use positions::{open_differs, open_positions, said_positions};
pub(crate) use quorum::{Followed, Learners, PROMISE as QUORUM};
pub(crate) use recorded::Recorded;
pub(crate) use replicas::PROMISE as REPLICAS;
pub(crate) use segments::Segments;
pub(crate) use session_ends::SessionEnds;
pub(crate) use shapes::Shapes;
pub(crate) use standing::Standing;
pub(crate) use tiered::Waits;
pub(crate) use tombstones::Tombstones;
pub(crate) use unaware::Unaware;
pub(crate) use uncleanable::Chooses;
pub(crate) use unflushed::Limit as FlushLimit;
pub(crate) use waits::PROMISE as WAITS;

/// A node that is up.
#[derive(Debug, Clone, Copy)]
pub struct NodeView<'a> {
    /// Node id.
    pub node: i32,
    /// Its process.
    pub broker: &'a Broker,
    /// Its disk.
    pub disk: &'a Disk,
    /// Since when it has not been stopped, ns; `u64::MAX` when it never was.
    pub awake_ns: u64,
    /// How long its disk still works at what it has been given, ns.
    pub backlog_ns: u64,
    /// Time on its monotonic clock.
    pub mono: Instant,
}

impl<'a> NodeView<'a> {
    /// Its replica of a partition of `__consumer_offsets`.
    fn offsets_log(&self, partition: i32) -> Option<ReplicaView<'a>> {
        let topic = self.broker.metadata()?.topic_named(OFFSETS_TOPIC)?;
        self.broker.replica_view(TopicPartition::new(topic.id, partition))
    }
}

/// A node, the epoch in which it leads a group's log, and the group.
type GroupKey = (i32, LeaderEpoch, Arc<str>);

/// When the nodes are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A simulated second ends.
    Running,
    /// The same, and every fault has been over for a while.
    Healed,
    /// The run is over, healed and drained.
    Drained,
}

impl Checkers {
    /// Looks at all nodes that are up.
    pub fn state(&mut self, now_ns: u64, nodes: &[NodeView<'_>], moment: Moment) {
        self.ledger.now_ns = now_ns;
        let lag_max_ns = self.lag_max_ns;
        let forgetful = self.forgetful_positions();
        for view in nodes {
            self.look(view, Some(moment));
            // what takes the high watermarks is due only then
            let is_due = moment != Moment::Running;
            let checkpoints = self.kept.read(view.node, view.disk, is_due);
            let due = is_due.then_some(&checkpoints);
            for replica in view.broker.replica_views() {
                let at = self.partition(replica.tp);
                let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
                let of = replicas::Of { node: view.node, replica: &replica };
                if moment == Moment::Drained {
                    replicas::settled(p, ledger, of);
                    if self.has_right_clocks {
                        idle::forgotten(p, ledger, of, self.expiry_check_ms);
                    }
                }
                self.kept.look(p, ledger, (of, view.backlog_ns), due);
                self.segments.look(p, ledger, of);
                replicas::followers(p, ledger, of, nodes);
                if moment != Moment::Running {
                    waits::learns(p, ledger, view.node, &replica, nodes);
                    tiered::copied(p, ledger, of, view);
                }
            }
            self.recorded(view, &checkpoints);
            self.kept.put_back(view.node, checkpoints);
            self.keeps_what_it_found(view);
            let now = (&mut self.ledger, now_ns);
            self.timeouts.overdue(now, view, lag_max_ns);
            held::in_sync(&mut self.ledger, view, &self.timeouts);
            replicas::marker(&mut self.ledger, view);
            self.goes_by(view);
            metadata::eligible(&mut self.ledger, view);
            metadata::members(&mut self.ledger, view);
            metadata::decided(&mut self.ledger, view, &self.unclean);
            self.coordinates(view, moment, &forgetful);
            if moment == Moment::Drained {
                metadata::settled(&mut self.ledger, view);
            }
        }
        self.heard(nodes, moment);
        self.standing.look(&mut self.ledger, nodes);
        self.lasting.look(&mut self.ledger, nodes);
        if let Some(forgotten) = &mut self.forgotten {
            forgotten.look(&mut self.ledger, nodes, moment);
        }
        metadata::images(&mut self.ledger, nodes);
        self.changes.look(&mut self.ledger, nodes);
        metadata::snapshots(&mut self.ledger, nodes);
        let quorum = self.partition(TopicPartition::METADATA);
        for view in nodes {
            metadata::snapshot_epochs(&self.partitions[quorum], &mut self.ledger, view);
        }
        let sure = forgetful.is_empty();
        self.compare_positions(nodes, (moment != Moment::Running, sure));
        if moment == Moment::Drained {
            self.compare_transactions(nodes);
            self.compare_logs(nodes);
        }
    }

    /// Groups and transactions that a node coordinates. `forgetful`: partitions of positions of which not all is known.
    fn coordinates(&mut self, view: &NodeView<'_>, moment: Moment, forgetful: &BTreeSet<i32>) {
        let otherwise = self.talk.otherwise_decided(view.node);
        let (ledger, partitions) = (&mut self.ledger, &self.partitions[..]);
        groups::epochs((&mut *ledger, partitions), view);
        let is_revived = |group: &str| {
            let known = self.groups.iter().position(|of| of == group);
            known.is_none_or(|at| self.ownership.has_revived(at))
        };
        groups::look((&mut *ledger, partitions), &mut self.unaware, (view, moment), is_revived);
        if moment != Moment::Running && self.has_right_clocks {
            metadata::late(ledger, view, self.late_check_ms);
        }
        let from_both = self.transactions.as_ref().is_some_and(|of| of.positions.has_shared());
        let has_removed = self.standing.has_removed();
        metadata::coordinates(ledger, view, (moment, from_both, has_removed), forgetful);
        if has_removed || moment == Moment::Drained {
            groups::left_over((&mut *ledger, partitions), view);
        }
        coordinating::look(ledger, view, moment);
        coordinating::as_written(ledger, view.node, &otherwise);
    }

    /// Configs that a node goes by, and what it does from time to time.
    fn goes_by(&mut self, view: &NodeView<'_>) {
        let ledger = &mut self.ledger;
        metadata::all_configured(ledger, view);
        settings::look(ledger, view);
        throttled::look(ledger, view);
        internal::compacted(ledger, view);
        self.chores.look(ledger, view);
        self.session_ends.look(ledger, &self.changed_sessions, view);
    }

    /// What nodes have heard of each other.
    fn heard(&mut self, nodes: &[NodeView<'_>], moment: Moment) {
        if moment != Moment::Running {
            self.learners.look(&mut self.ledger, nodes);
        }
        self.followed.look(&mut self.ledger, nodes);
        self.heartbeats.look(&mut self.ledger, nodes);
    }

    /// What a node has on record of logs that are there, or were.
    fn recorded(&mut self, view: &NodeView<'_>, checkpoints: &kept::Checkpoints) {
        for tp in self.recorded.known(view) {
            let at = self.partition(tp);
            let (p, ledger) = (&self.partitions[at], &mut self.ledger);
            self.recorded.look(p, ledger, (view, tp), checkpoints);
        }
    }

    /// A node's process has started: its logs are loaded, and nothing is written yet.
    pub(crate) fn loaded(&mut self, node: i32, broker: &Broker, disk: &Disk) {
        let end = |of: ReplicaView<'_>| (of.tp, of.log.log_end_offset());
        let ends: BTreeMap<_, _> = broker.replica_views().map(end).collect();
        self.recorded.started(node, &kept::Checkpoints::without_marks(disk).points.rows, &ends);
        self.as_found.started((node, disk), |tp| ends.contains_key(tp));
        let now_ms = self.ledger.wall_ms(self.ledger.now_ns);
        for tp in ends.keys() {
            let at = self.partition(*tp);
            let p = &mut self.partitions[at];
            let mine = p.replica(node);
            p.replicas[mine].taken_late.loaded(now_ms);
        }
    }

    /// A node has armed a timer, for a time on its monotonic clock.
    pub(crate) fn armed(&mut self, node: i32, at: Instant, key: TimerKey) {
        self.chores.armed(node, at, key);
    }

    /// A node's timer rings.
    pub fn rings(&mut self, now_ns: u64, (node, broker): (i32, &Broker), key: TimerKey) {
        if self.has_right_clocks {
            self.overdue.rings(now_ns, node, key);
        }
        self.expired.rings(now_ns, (node, broker), key);
        self.elections.rings(now_ns, (node, broker), key);
        self.chooses.rings(node, key);
    }

    /// A node has taken an input.
    pub fn stepped(&mut self, node: i32, broker: &Broker) {
        if !self.changed_sessions.is_empty() {
            self.session_ends.stepped(&self.changed_sessions, node, broker);
        }
        self.has_looked(node, broker);
        self.has_chosen(node, broker);
        self.has_elected(node, broker);
    }

    /// Something has changed at a node: looks at it alone.
    pub fn node_state(&mut self, now_ns: u64, view: &NodeView<'_>) {
        self.ledger.now_ns = now_ns;
        self.look(view, None);
    }

    /// A process has shut down in order.
    pub fn node_closed(&mut self, now_ns: u64, view: &NodeView<'_>) {
        self.ledger.now_ns = now_ns;
        for replica in view.broker.replica_views() {
            let at = self.partition(replica.tp);
            let is_synced = view.disk.has_synced(replica.tp, Offset::MAX);
            replicas::closed(&self.partitions[at], &mut self.ledger, view.node, is_synced);
        }
    }

    fn look(&mut self, view: &NodeView<'_>, moment: Option<Moment>) {
        for replica in view.broker.replica_views() {
            let log = replica.log;
            let at = self.partition(replica.tp);
            let (p, ledger) = (&mut self.partitions[at], &mut self.ledger);
            let mine = p.replica(view.node);
            let end = log.log_end_offset();
            let unheard = appends::recovered(p, mine, end, &|offset| log.epoch_at(offset));
            if let Some((origin, offsets)) = unheard {
                for batch in view.disk.batches(replica.tp, &offsets) {
                    appends::found(p, ledger, (mine, origin), &batch);
                }
            }
            let of = replicas::Of { node: view.node, replica: &replica };
            let point = replica.log.recovery_point();
            let durable = match view.disk.has_synced(replica.tp, point) {
                true => Some(point),
                false => view.disk.durable_end(replica.tp),
            };
            replicas::rules(p, ledger, of, durable);
            replicas::deleted(p, ledger, of);
            replicas::proposed(p, ledger, of);
            replicas::progress(p, ledger, of, |id| {
                self.timeouts.lags.was_joining((view.node, replica.tp, id.0), self.lag_max_ns)
            });
            remembered::look(p, ledger, of, self.has_right_clocks);
            unflushed::look(p, ledger, (view.node, log), |around| {
                view.disk.unsynced_from(replica.tp, around)
            });
            if self.has_right_clocks {
                tombstones::look(p, ledger, of, view.disk);
            }
            cleaned::look(p, ledger, of, self.has_right_clocks, |from, upto| {
                view.disk.batches(replica.tp, &(from..upto))
            });
            tiered::gone(p, ledger, of);
            if moment.is_some() {
                emptied::look(p, ledger, of, view.disk);
                logs::nothing_buried(p, ledger, view.node, view.disk.buried(replica.tp));
            }
            let is_due = p.replicas[mine].turned || moment == Some(Moment::Drained);
            if is_due && moment.is_some() && !replica.log.has_in_flight() {
                p.replicas[mine].turned = false;
                if let Some(found) = logs::rebuilt(p, ledger, of, view.disk) {
                    remembered::newest(p, ledger, of, (&found, self.has_right_clocks));
                    if p.keys.is_some() {
                        compacted(p, ledger, of, (&found, self.has_right_clocks));
                    }
                }
                if moment == Some(Moment::Drained) {
                    reload::same(p, ledger, of, view.disk);
                }
            }
        }
        metadata::applied(&mut self.ledger, view);
        quorum::agrees(&mut self.ledger, view);
        coordinating::has_read(&mut self.ledger, view);
        waits::node(&mut self.ledger, view, &self.talk);
        timers::ring(&mut self.ledger, view);
        elections::are_ahead(&mut self.ledger, view);
        goes_on::voter(&mut self.ledger, view);
        asks::under_way(&mut self.ledger, view);
        answered::look(&mut self.ledger, view, &self.talk);
        registered::goes_on(&mut self.ledger, view);
        promised::comes(&mut self.ledger, view);
    }

    /// Partitions of `__consumer_offsets` of which some replica may never get the marker of a transaction, as it
    /// is compacted away before: what is in that, nobody who loads such a log can tell, in Kafka as here (hunt
    /// seed 1104517).
    pub(super) fn forgetful_positions(&self) -> BTreeSet<i32> {
        let Some(transactions) = &self.transactions else { return BTreeSet::new() };
        let of = self.partitions.iter().filter(|p| p.label.starts_with(OFFSETS_TOPIC));
        let forgetful = of.filter(|p| transactions.may_hang(&p.label, self.ledger.now_ns));
        let index = |p: &Partition| p.label.rsplit_once('-').and_then(|(_, n)| n.parse().ok());
        forgetful.filter_map(index).collect()
    }

    /// Only while every partition of `__consumer_offsets` is led, and loaded, by its newest leader.
    fn compare_positions(&mut self, nodes: &[NodeView<'_>], (is_healed, sure): (bool, bool)) {
        if self.positions_void {
            return;
        }
        let mut known = BTreeMap::new();
        let mut newest = Vec::new();
        for p in self.partitions.iter().filter(|p| p.label.starts_with(OFFSETS_TOPIC)) {
            let (epoch, leader) = p.newest();
            let index = p.label.rsplit_once('-').and_then(|(_, index)| index.parse::<i32>().ok());
            newest.extend(index.zip(leader).map(|(index, leader)| (index, leader, epoch)));
        }
        for (index, leader, epoch) in newest {
            let view = nodes.iter().find(|view| view.node == leader);
            let is_ready = |view: &&NodeView<'_>| {
                let mut coordinated = view.broker.coordinated().into_iter();
                coordinated.any(|at| (at.partition, at.epoch, at.is_loaded) == (index, epoch, true))
            };
            let Some(view) = view.filter(is_ready) else { return };
            known.extend(view.broker.positions(index));
        }
        for p in &self.partitions {
            metadata::positions(p, &mut self.ledger, &self.groups, &known);
        }
        if let Some(transactions) = self.transactions.as_deref().filter(|of| sure && !of.is_void) {
            transactions.positions.look(&mut self.ledger, &known, is_healed);
        }
    }

    /// What coordinators know of transactional ids, where nothing of it may be gone.
    fn compare_transactions(&mut self, nodes: &[NodeView<'_>]) {
        if self.has_sound_transactions() {
            nodes.iter().for_each(|view| metadata::transactions(&mut self.ledger, view));
        }
    }

    fn compare_logs(&mut self, nodes: &[NodeView<'_>]) {
        for view in nodes {
            for replica in view.broker.replica_views().filter(|replica| replica.lead.is_some()) {
                let at = self.partition(replica.tp);
                logs::equal(&self.partitions[at], &mut self.ledger, (view, &replica), nodes);
            }
        }
    }

    /// The leader of the quorum commits metadata up to an offset; `durable` has what each voter's
    /// disk would keep.
    pub fn quorum_commits(
        &mut self,
        now_ns: u64,
        (node, epoch, offset): (i32, i32, i64),
        durable: &[(i32, i64)],
    ) {
        self.ledger.now_ns = now_ns;
        let at = self.partition(TopicPartition::METADATA);
        let (p, ledger) = (&self.partitions[at], &mut self.ledger);
        quorum::commits(p, ledger, (node, epoch, offset), durable);
    }
}

/// Looks at the log of a compacted partition, as it was read.
fn compacted(
    p: &mut Partition,
    ledger: &mut Ledger,
    of: replicas::Of<'_>,
    (found, has_right_clocks): (&[logs::Found], bool),
) {
    let batches = || found.iter().map(|found| &*found.batch);
    shapes::kept(p, ledger, of.node, batches());
    if has_right_clocks {
        horizons::kept(p, ledger, of, batches());
    }
    if of.replica.lead.is_some() && p.newest() == (of.replica.leader_epoch, Some(of.node)) {
        logs::compacted(p, ledger, of, found);
    }
}
