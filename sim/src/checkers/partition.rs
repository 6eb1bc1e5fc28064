//! What the checkers know of one partition: its replicas' logs, the committed log, the ISR, the
//! readers. Made from trace events alone; a log that a power loss may have cut is unknown until its
//! replica says where it stands.

use super::ages::Ages;
use super::compaction::Keys;
use super::consumed::Reader;
use super::duplicates::Refused;
use super::epoch_log::EpochLog;
use super::history::{History, Turn};
use super::order::Producers;
use super::ownership::Reign;
use super::state::{Cleaned, FlushLimit, Horizons, Shapes, TakenLate, Tombstones};
use super::table::{EXCUSED, GIVEN_UP, Table};
use super::tiering::Stored;
use super::void::{Cause, Loss, Losses, Void};
use std::collections::{BTreeMap, BTreeSet};
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, NodeId, Offset};
use stormglass_reports::recording::Excuse;

/// Newest batches that stay although everybody has passed them: their producers may not know yet
/// that they are acknowledged.
const LATE_MAX: usize = 256;

/// Label of the quorum's log.
pub(crate) const METADATA: &str = "__cluster_metadata-0";

/// One replica.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) node: i32,
    pub(crate) log: EpochLog,
    /// Whether `log` is what the replica has; else what it had before a crash.
    pub(crate) known: bool,
    /// Where its next batch is in the table.
    pub(crate) hint: u64,
    /// Last high watermark as leader, and in which epoch.
    pub(crate) high_watermark: (LeaderEpoch, Offset),
    /// ISR that it knows as leader, and of which epoch.
    pub(crate) lead_isr: (LeaderEpoch, Vec<NodeId>),
    /// Epoch in which it takes itself for the leader.
    pub(crate) leads: Option<LeaderEpoch>,
    /// Where its log ended when it began to lead last.
    pub(crate) lead_start: Offset,
    /// Its log was cut, loaded or taken over since it was last compared with its disk.
    pub(crate) turned: bool,
    /// Markers that it has appended, by producer, of logs that may be compacted; whether more than their
    /// headers were left of them.
    pub(crate) markers: BTreeMap<(i64, Offset), bool>,
    /// It was cut below its high watermark: what it remembers of producers is a guess from then on, as
    /// its snapshots are.
    pub(crate) cut_deep: bool,
    /// How its host lost power last, with what was not on disk.
    pub(crate) power_lost: Option<Excuse>,
    /// Where its log ended when its process began, or what it copied last after something that its leader's
    /// cleaner had taken. Of what is below, it may know only the newest batch of each producer: its snapshots
    /// have no more, as Kafka's, and the cleaner leaves no more.
    pub(crate) one_known_below: Offset,
    /// Where its log began anew: it knows no producer's batches below.
    pub(crate) none_known_below: Offset,
    /// Where its log has just begun anew; not looked at since.
    pub(crate) begins_anew: Option<Offset>,
    /// What it took of producers long after they had written it.
    pub(crate) taken_late: TakenLate,
    /// Where its log begins, as far as it has said.
    pub(crate) log_start: Offset,
    /// It has come up again, and was not looked at since: what was on its way to its disk when its
    /// process ended may be there.
    pub(crate) recovered: bool,
    /// It proposed an ISR as leader; not looked at since.
    pub(crate) proposed: bool,
    /// Leader and partition epoch for which it proposed an ISR last, as looked at.
    pub(crate) proposed_for: (LeaderEpoch, i32),
    /// It deleted old segments while it led; not looked at since.
    pub(crate) deleted: bool,
    /// What its cleaner has gone over; not looked at since.
    pub(crate) cleaned: Option<Cleaned>,
    /// The same; what it leaves there was not looked at since.
    pub(crate) emptied: Option<Cleaned>,
    /// Where its log begins on its disk, and the leader epoch in which that was so, as looked at.
    pub(crate) local_start: Option<(LeaderEpoch, Offset)>,
    /// Until when it keeps tombstones and markers, as looked at.
    pub(crate) horizons: Horizons,
    /// Tombstones that its cleaner is to leave out, as looked at.
    pub(crate) tombstones: Tombstones,
    /// How many records it may leave unflushed, as looked at in this life of its process.
    pub(crate) unflushed: Option<FlushLimit>,
    /// Leader epochs, times (ns) and high watermarks of its leader, as looked at.
    pub(crate) leader_had: Vec<(LeaderEpoch, u64, Offset)>,
}

impl Replica {
    /// Of which nothing is known yet.
    fn new(node: i32) -> Self {
        Self {
            node,
            log: EpochLog::default(),
            known: false,
            hint: 0,
            high_watermark: (NO_EPOCH, 0),
            lead_isr: (NO_EPOCH, Vec::new()),
            leads: None,
            lead_start: 0,
            turned: false,
            markers: BTreeMap::new(),
            cut_deep: false,
            power_lost: None,
            one_known_below: 0,
            none_known_below: 0,
            begins_anew: None,
            taken_late: TakenLate::default(),
            log_start: 0,
            recovered: false,
            proposed: false,
            proposed_for: (NO_EPOCH, -1),
            deleted: false,
            cleaned: None,
            emptied: None,
            local_start: None,
            horizons: Horizons::new(),
            tombstones: Tombstones::default(),
            unflushed: None,
            leader_had: Vec::new(),
        }
    }

    /// Its cleaner has gone over these offsets.
    pub(crate) fn was_cleaned(&mut self, part: (Offset, Offset), now_ns: u64) {
        self.turned = true;
        self.cleaned = Some(Cleaned::with(self.cleaned, part, now_ns));
        self.emptied = Some(Cleaned::with(self.emptied, part, now_ns));
        self.tombstones.cleaned(part);
    }

    /// Its log is another one from now on, or may be: what was seen of it does not count.
    pub(crate) fn forget_horizons(&mut self) {
        self.horizons.clear();
        self.tombstones.clear();
        self.unflushed = None;
    }
}

/// A member of the ISR.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) node: NodeId,
    /// What made it lose unsynced bytes that it may not have copied again since.
    pub(crate) lost: Option<Excuse>,
}

/// One partition.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) label: String,
    /// `min.insync.replicas`; 0 for the metadata log and other partitions without an ISR to check.
    pub(crate) min_isr: usize,
    /// `unclean.leader.election.enable`.
    pub(crate) unclean: bool,
    pub(crate) table: Table,
    pub(crate) replicas: Vec<Replica>,
    /// Everything below the highest high watermark that a leader has shown; after an election
    /// that voids promises, what is left of it. What a leader shows that an unclean election has
    /// deposed is not in it, as far as that election gave it up.
    pub(crate) committed: EpochLog,
    /// Of idempotent producers.
    pub(crate) refused: Refused,
    /// The highest high watermark ever shown: what a producer or consumer may know of.
    pub(crate) shown: Offset,
    /// Committed offsets below this one have to be consumed before the run ends.
    pub(crate) due: Option<Offset>,
    pub(crate) isr: Vec<Member>,
    /// Whether `isr` comes from the controller, which is ahead of the leaders.
    pub(crate) isr_from_controller: bool,
    /// Leader epoch of what the controller committed last.
    pub(crate) controller_epoch: LeaderEpoch,
    /// Whether offsets follow each other in its logs: compaction leaves gaps.
    pub(crate) is_gapless: bool,
    /// Whether an administrator deletes records of it: less is kept than retention would keep.
    pub(crate) is_trimmed: bool,
    /// Who led in which epoch.
    pub(crate) leaders: BTreeMap<LeaderEpoch, i32>,
    /// Leader epochs of replicas that were cut below their high watermark. Such a leader has forgotten producers,
    /// and takes what others would have refused, such as a marker of an older epoch. Whoever copies that keeps it
    /// when that replica is gone (hunt seed 12000154).
    pub(crate) guessed_in: BTreeSet<LeaderEpoch>,
    /// Why promises are void until the next election.
    pub(crate) void: Option<Void>,
    /// Leader epoch of the last election from outside the ISR: a leader of an earlier one, which hears late of
    /// its own, does not end what that voids (hunt seed 7009911).
    pub(crate) void_until: LeaderEpoch,
    /// What new leaders did not have.
    pub(crate) losses: Losses,
    pub(crate) readers: Vec<Reader>,
    pub(crate) producers: Producers,
    /// Where the next acknowledged batch is in the table.
    pub(crate) acked_hint: u64,
    pub(crate) history: History,
    /// What leaders have written, by key, where it is compacted.
    pub(crate) keys: Option<Keys>,
    /// Batches that leaders have written, where it is compacted.
    pub(crate) shapes: Shapes,
    /// Where retention by time alone deletes.
    pub(crate) ages: Option<Ages>,
    /// What remote storage holds of it.
    pub(crate) stored: Stored,
}

impl Partition {
    pub(crate) fn new(label: String, min_isr: usize) -> Self {
        Self {
            label,
            min_isr,
            unclean: false,
            table: Table::default(),
            replicas: Vec::new(),
            committed: EpochLog::default(),
            refused: Refused::default(),
            shown: 0,
            due: None,
            isr: Vec::new(),
            isr_from_controller: false,
            controller_epoch: NO_EPOCH,
            is_gapless: true,
            is_trimmed: false,
            leaders: BTreeMap::new(),
            guessed_in: BTreeSet::new(),
            void: None,
            void_until: NO_EPOCH,
            losses: Losses::default(),
            readers: Vec::new(),
            producers: Producers::default(),
            acked_hint: 0,
            history: History::default(),
            keys: None,
            shapes: Shapes::default(),
            ages: None,
            stored: Stored::default(),
        }
    }

    /// Whether an unclean election took away what an epoch has at an offset; its leader may not have
    /// heard of that yet.
    pub(crate) fn was_given_up(&self, epoch: LeaderEpoch, offset: Offset) -> bool {
        self.losses.are_unclean(epoch, offset)
    }

    /// Whether what a replica holds at an offset was lost where Kafka does not promise to keep it; the
    /// replica may not have heard of that yet.
    pub(crate) fn holds_lost(&self, replica: &Replica, offset: Offset) -> bool {
        replica.log.epoch_at(offset).is_some_and(|epoch| self.losses.are_void(epoch, offset))
    }

    /// Whether an unclean election took something away.
    pub(crate) fn was_unclean(&self) -> bool {
        self.losses.iter().any(|(_, loss)| loss.void == Some(Void::Unclean))
    }

    /// Name and history, for an account.
    pub(crate) fn about(&self) -> (&str, &History) {
        (&self.label, &self.history)
    }

    /// Offset below which a leader has shown everything as committed.
    pub(crate) fn exposed(&self) -> Offset {
        self.committed.end()
    }

    /// Whether it is replicated by an ISR; else by a Raft quorum, or not known.
    pub(crate) fn has_isr(&self) -> bool {
        self.min_isr > 0
    }

    /// Newest leader and epoch.
    pub(crate) fn newest(&self) -> (LeaderEpoch, Option<i32>) {
        self.leaders
            .last_key_value()
            .map_or((NO_EPOCH, None), |(epoch, node)| (*epoch, Some(*node)))
    }

    /// Whether a replica that is up takes itself for the leader while a later one leads.
    pub(crate) fn has_stale_leader(&self) -> bool {
        let (newest, _) = self.newest();
        self.replicas.iter().any(|replica| replica.leads.is_some_and(|epoch| epoch < newest))
    }

    /// How it is led, as far as its newest leader has said.
    pub(crate) fn reign(&self) -> Reign {
        let (epoch, node) = self.newest();
        let leader = self.replicas.iter().find(|replica| Some(replica.node) == node);
        let is_unsure = leader.is_some_and(|replica| self.exposed() < replica.lead_start);
        Reign { epoch, is_unsure }
    }

    /// A replica leads no longer.
    pub(crate) fn resigns(&mut self, node: i32) {
        for replica in self.replicas.iter_mut().filter(|replica| replica.node == node) {
            replica.leads = None;
        }
    }

    /// Index of a node's replica.
    pub(crate) fn replica(&mut self, node: i32) -> usize {
        if let Some(at) = self.replicas.iter().position(|replica| replica.node == node) {
            return at;
        }
        self.replicas.push(Replica::new(node));
        self.replicas.len() - 1
    }

    /// A node holds nothing of it any more; what it may hold later begins anew.
    pub(crate) fn log_deleted(&mut self, node: i32) {
        if let Some(replica) = self.replicas.iter_mut().find(|replica| replica.node == node) {
            *replica = Replica::new(node);
        }
    }

    /// The replica of a node, if something is known of it.
    pub(crate) fn known_replica(&self, node: i32) -> Option<&Replica> {
        self.replicas.iter().find(|replica| replica.node == node && replica.known)
    }

    /// Whether a node is in the ISR, and has not lost unsynced bytes since it joined.
    pub(crate) fn is_in_sync(&self, node: i32) -> bool {
        self.isr.iter().any(|member| member.node.0 == node && member.lost.is_none())
    }

    /// Replicas that hold a batch, as bits by index; those beyond the eighth are left out.
    pub(crate) fn holders(&self, epoch: LeaderEpoch, base: Offset) -> u8 {
        let holds = |replica: &Replica| replica.known && replica.log.epoch_at(base) == Some(epoch);
        let bits = self.replicas.iter().take(8).enumerate();
        bits.fold(0, |bits, (at, replica)| bits | u8::from(holds(replica)) << at)
    }

    /// The nodes behind the bits of [`Self::holders`], rising.
    pub(crate) fn holder_nodes(&self, bits: u8) -> Vec<NodeId> {
        let held = self.replicas.iter().take(8).enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        let mut nodes: Vec<NodeId> = held.map(|(_, replica)| NodeId(replica.node)).collect();
        nodes.sort_unstable();
        nodes
    }

    /// A committed ISR. Members that were in it before keep their past.
    pub(crate) fn set_isr(&mut self, isr: &[NodeId]) {
        let members = isr.iter().map(|node| {
            let before = self.isr.iter().find(|member| member.node == *node);
            let lost = match before {
                Some(member) => member.lost.clone(),
                None => self.lost_before_joining(*node),
            };
            Member { node: *node, lost }
        });
        self.isr = members.collect();
        if self.void.is_none()
            && let Some(lost) = self.every_copy_lost()
        {
            // whoever is left cannot give back what only those had who are out (hunt seed 801003)
            self.void = Some(Void::PowerLost(lost));
            self.may_be_compacted_away();
        }
    }

    /// What is lost may have replaced older values, which compaction took away on a copy that is left.
    fn may_be_compacted_away(&mut self) {
        if let Some(keys) = &mut self.keys {
            keys.gave_up();
        }
    }

    /// How a new member lost what it had when it was proposed: the proposal may be committed by a
    /// later controller, when the member has lost power meanwhile (hunt seed 77045).
    fn lost_before_joining(&self, node: NodeId) -> Option<Excuse> {
        let replica = self.replicas.iter().find(|replica| replica.node == node.0)?;
        let has_all = replica.known && replica.log.agrees(&self.committed, self.committed.end());
        replica.power_lost.clone().filter(|_| !has_all)
    }

    /// A node that hosts a replica went down; with `lost_unsynced` its host lost power.
    pub(crate) fn node_down(
        &mut self,
        now_ns: u64,
        node: i32,
        (lost_unsynced, cause): (bool, &Cause),
    ) {
        let Some(at) = self.replicas.iter().position(|replica| replica.node == node) else {
            return;
        };
        self.history.push(now_ns, node, Turn::Down { lost_unsynced, why: cause.what.clone() });
        self.replicas[at].begins_anew = None;
        (self.replicas[at].cleaned, self.replicas[at].emptied) = (None, None);
        self.replicas[at].local_start = None;
        self.replicas[at].tombstones.clear();
        self.replicas[at].unflushed = None;
        if !lost_unsynced {
            return;
        }
        self.forgive_recovered();
        self.replicas[at].known = false;
        self.replicas[at].markers.clear();
        let (event, detail) = (cause.event, cause.what.clone());
        self.replicas[at].power_lost =
            Some(Excuse { at_ns: now_ns, node, event, detail: detail.clone() });
        for member in self.isr.iter_mut().filter(|member| member.node.0 == node) {
            member.lost = Some(Excuse { at_ns: now_ns, node, event, detail: detail.clone() });
        }
        if let Some(lost) = self.every_copy_lost() {
            self.make_void(now_ns, node, Void::PowerLost(lost));
            self.may_be_compacted_away();
        }
    }

    /// How each member of the ISR lost unsynced data, if all of them did.
    fn every_copy_lost(&self) -> Option<Vec<Excuse>> {
        let lost: Option<Vec<Excuse>> = self.isr.iter().map(|member| member.lost.clone()).collect();
        lost.filter(|lost| !lost.is_empty())
    }

    /// Members that have everything committed again after they had lost some of it.
    fn forgive_recovered(&mut self) {
        let Self { isr, replicas, committed, .. } = self;
        for member in isr.iter_mut().filter(|member| member.lost.is_some()) {
            let replica = replicas.iter().find(|r| r.node == member.node.0 && r.known);
            if replica.is_some_and(|replica| replica.log.agrees(committed, committed.end())) {
                member.lost = None;
            }
        }
    }

    /// From here to the next election promises are void. What the configuration gave up stays so.
    pub(crate) fn make_void(&mut self, now_ns: u64, node: i32, void: Void) {
        self.history.push(now_ns, node, Turn::Void { reason: void.reason() });
        if self.void != Some(Void::Unclean) {
            self.void = Some(void);
        }
        self.may_be_compacted_away(); // whatever is cut for it, committed or not (hunt seed 861242)
    }

    /// Whether this is the log of the quorum.
    pub(crate) fn is_metadata(&self) -> bool {
        self.label == METADATA
    }

    /// The log of a new leader is the truth now: what it does not hold is gone.
    pub(crate) fn follow_new_leader(&mut self, now_ns: u64, leader: usize, epoch: LeaderEpoch) {
        let void = if epoch < self.void_until { self.void.clone() } else { self.void.take() };
        let flags = flags_of(void.as_ref());
        let node = self.replicas[leader].node;
        for member in self.isr.iter_mut().filter(|member| member.node.0 == node) {
            member.lost = None; // nobody has more
        }
        let log = &self.replicas[leader].log;
        let (displaced, returned_from) = self.table.adopt(log, flags);
        let mut from = displaced;
        let mut folded = 0;
        // nothing is committed beyond the log's end, also where the committed one is known only from beyond that on,
        // as it went on in a log that retention had shortened (hunt seed 61015)
        if !log.agrees(&self.committed, self.committed.end()) {
            let missing = parts_at(log, &self.committed);
            self.committed.truncate(missing);
            folded = self.table.cut_blocks(missing);
            from = Some(from.map_or(missing, |from| from.min(missing)));
        }
        // an old leader that has not heard of an election where promises were void may go on where its log
        // and the new one's part (hunt seeds 733681, 887641)
        let leaders = self.replicas.iter().filter(|other| other.leads.is_some());
        let end = leaders.map(|other| parts_at(log, &other.log)).min();
        let end = end.filter(|_| void.is_some());
        if let Some(at) = from.or(end) {
            let (leader, is_empty) = (NodeId(self.replicas[leader].node), from.is_none());
            let loss = Loss { at_ns: now_ns, leader, epoch, from: at, void, is_empty, folded };
            self.losses.push(loss);
        }
        if displaced.is_some() || returned_from < self.table.main.len() {
            self.producers.rebuild(&self.table);
        }
    }

    /// A replica hears late that it was elected, after the one that was elected from outside the ISR since. What it
    /// shows was given up with that, from where their logs part (hunt seed 17004804).
    pub(crate) fn leads_late(&mut self, now_ns: u64, late: usize, epoch: LeaderEpoch) {
        let (newest, Some(node)) = self.newest() else { return };
        if self.void_until <= epoch || self.void_until > newest {
            return;
        }
        let Some(leader) = self.replicas.iter().find(|replica| replica.node == node) else {
            return;
        };
        let from = parts_at(&leader.log, &self.replicas[late].log);
        let (leader, epoch, void) = (NodeId(node), self.void_until, Some(Void::Unclean));
        let loss = Loss { at_ns: now_ns, leader, epoch, from, void, is_empty: true, folded: 0 };
        self.losses.push(loss);
    }

    /// Lets go of batches that everybody has passed, and of the oldest when there are too many.
    pub(crate) fn trim(&mut self, window_max: usize) {
        let readers = self.readers.iter().map(|reader| reader.reached.unwrap_or(0));
        let replicas = self.replicas.iter().map(|replica| replica.log.end());
        let late = self.table.main.len().checked_sub(LATE_MAX);
        let late = late.map_or(0, |at| self.table.main[at].base);
        let upto = readers.chain(replicas).chain([self.exposed(), late]).min().unwrap_or(0);
        self.table.trim(upto);
        if self.table.main.len() > window_max {
            let cut = self.table.main.len() - window_max * 3 / 4;
            let upto = self.table.main[cut].base.min(self.exposed());
            self.table.trim(upto);
        }
    }
}

/// The first offset of a log that another one does not hold, or in another epoch; its end, if there is none.
fn parts_at(log: &EpochLog, other: &EpochLog) -> Offset {
    other.first_missing_in(log, Offset::MAX).unwrap_or(other.end()).min(log.end())
}

/// Flags of batches that are displaced while promises are void.
pub(crate) fn flags_of(void: Option<&Void>) -> u8 {
    match void {
        None => 0,
        Some(Void::PowerLost(_)) => EXCUSED,
        Some(Void::Unclean) => EXCUSED | GIVEN_UP,
    }
}
