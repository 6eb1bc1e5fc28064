//! Rules for what a replica, and a leader of its followers, holds in memory.

use super::{NodeView, tiered};
use crate::checkers::history::{History, nodes as list};
use crate::checkers::ledger::{Check, Ledger, Promise};
use crate::checkers::partition::Partition;
use stormglass_broker_core::ids::{NodeId, Offset};
use stormglass_broker_core::inspect::{Follower, LeadView, ReplicaView};
use stormglass_broker_core::seam::{DiskImage, FileName};

pub(crate) const PROMISE: Promise = Promise {
    name: "replica-state",
    text: "a replica's high watermark lies in its log and is no higher than a leader has shown, its \
           recovery point is on disk, no producer snapshot or aborted transaction lies beyond its log, its cleaner leaves \
           open transactions alone, an orderly shutdown leaves nothing unflushed, its leader epoch is on \
           record, epochs begin one after another, a leader is in its own ISR, knows no more of a \
           follower than that one has, and commits what all in-sync replicas have",
};

/// A replica and where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) node: i32,
    pub(crate) replica: &'a ReplicaView<'a>,
}

/// What holds at any time. `durable`: where the disk would end after a power failure.
pub(crate) fn rules(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    durable: Option<Offset>,
) {
    let log = replica.log;
    snapshot(p, ledger, node, (log.newest_snapshot(), log.next_offset()));
    let beyond = log.aborted_transactions(log.next_offset(), Offset::MAX);
    let beyond = beyond.first().map(|aborted| (aborted.producer_id, aborted.first_offset));
    aborted(p, ledger, node, (beyond, log.next_offset()));
    let mut says = |holds: bool, seen: &dyn Fn() -> String| check(p, ledger, holds, seen);
    let (start, end, next) = (log.log_start_offset(), log.log_end_offset(), log.next_offset());
    let high_watermark = replica.high_watermark;
    says((start..=end).contains(&high_watermark), &|| {
        format!("replica {node} has high watermark {high_watermark}, but its log is {start}..{end}")
    });
    let is_shown = p.shown >= high_watermark || p.shown == 0 || high_watermark == start;
    says(!p.has_isr() || is_shown, &|| {
        format!(
            "replica {node} has high watermark {high_watermark}, but no leader has shown more than {}",
            p.shown
        )
    });
    says(start <= end && end <= next, &|| {
        format!("replica {node} has a log from {start} to {end}, and appends at {next}")
    });
    let epochs = log.epoch_entries();
    let in_order = epochs
        .windows(2)
        .all(|two| two[0].epoch < two[1].epoch && two[0].start_offset < two[1].start_offset);
    says(in_order, &|| {
        format!("replica {node} has leader epochs that do not begin one after another: {epochs:?}")
    });
    let point = log.recovery_point();
    if let Some(durable) = durable {
        says(point <= durable, &|| {
            format!(
                "replica {node} has recovery point {point}, as if everything below were flushed, \
                 but its disk would keep only what is below {durable}"
            )
        });
    }
    let Some(lead) = &replica.lead else { return };
    let epoch = replica.leader_epoch;
    says(log.last_epoch() == epoch, &|| {
        format!(
            "replica {node} leads in epoch {epoch}, but the last epoch that its log has on record \
             is {}",
            log.last_epoch()
        )
    });
    says(lead.isr.contains(&NodeId(node)), &|| {
        format!("replica {node} leads with ISR {}, without itself", list(lead.isr))
    });
    says(!lead.followers.is_empty() || high_watermark == end, &|| {
        format!(
            "leader {node} has no followers, its log ends at {end}, and its high watermark is \
             {high_watermark}"
        )
    });
    for follower in lead.followers.iter() {
        says(follower.log_end <= end, &|| {
            format!(
                "leader {node} takes follower {} for {} long, its own log ends at {end}",
                follower.id, follower.log_end
            )
        });
    }
}

/// What producers have is not kept for offsets that the log does not have: other batches may get them.
pub(crate) fn snapshot(
    p: &Partition,
    ledger: &mut Ledger,
    node: i32,
    (newest, next): (Option<Offset>, Offset),
) {
    check(p, ledger, newest.is_none_or(|newest| newest <= next), &|| {
        format!(
            "replica {node} appends at {next}, and has a producer snapshot of offset {newest:?}"
        )
    });
}

/// No transaction is known to have been aborted where the log has nothing yet: readers would skip what comes there.
pub(crate) fn aborted(
    p: &Partition,
    ledger: &mut Ledger,
    node: i32,
    (beyond, next): (Option<(i64, Offset)>, Offset),
) {
    check(p, ledger, beyond.is_none(), &|| {
        format!(
            "replica {node} appends at {next}, and knows a transaction that was aborted behind it: \
             {beyond:?} (producer, first offset)"
        )
    });
}

/// Who shuts down in order leaves nothing that a power failure could take: the next start does not look.
pub(crate) fn closed(p: &Partition, ledger: &mut Ledger, node: i32, is_synced: bool) {
    check(p, ledger, is_synced, &|| {
        format!("replica {node} is shut down in order, and its log is not on the volume yet")
    });
}

/// Clocks jump by less, ms: a record is no older than the run and this.
const JUMPS_MS_MAX: u64 = 3_600_000;

/// A leader that deletes keeps `retention.bytes`, unless it may delete by time, too.
pub(crate) fn deleted(p: &mut Partition, ledger: &mut Ledger, Of { node, replica }: Of<'_>) {
    let mine = p.replica(node);
    if !std::mem::take(&mut p.replicas[mine].deleted) {
        return;
    }
    if p.keys.is_some() || p.is_trimmed {
        return; // the cleaner, or an administrator, makes a log smaller, too
    }
    let config = replica.log.config();
    let age_ms_max = ledger.now_ns / 1_000_000 + JUMPS_MS_MAX;
    if config.retention_ms.is_some_and(|ms| u64::try_from(ms).is_ok_and(|ms| ms < age_ms_max)) {
        return;
    }
    let Some(limit) = config.retention_bytes else { return };
    let left = match replica.log.is_tiered() {
        false => Some(replica.log.size_bytes()),
        true => tiered::left(p, node, replica),
    };
    let Some(left) = left else { return };
    check(p, ledger, left >= limit, &|| {
        format!("leader {node} deletes segments and keeps {left} bytes; retention.bytes is {limit}")
    });
}

/// Who is proposed for the ISR has what is committed, and what its leader began with. Looked at as it is
/// proposed: a fetch from before, that comes late, may make it seem shorter until the proposal is sent
/// (hunt seed 110459).
pub(crate) fn proposed(p: &mut Partition, ledger: &mut Ledger, Of { node, replica }: Of<'_>) {
    let mine = p.replica(node);
    let state = (replica.leader_epoch, replica.partition_epoch);
    let is_new = std::mem::take(&mut p.replicas[mine].proposed);
    if is_new {
        p.replicas[mine].proposed_for = state;
    }
    let Some(lead) = &replica.lead else { return };
    let proposed_for = p.replicas[mine].proposed_for;
    check(p, ledger, lead.pending_isr.is_none() || proposed_for == state, &|| {
        format!(
            "leader {node} is at leader and partition epoch {state:?}, and still counts on an ISR that it \
             proposed for {proposed_for:?}"
        )
    });
    if !is_new {
        return;
    }
    let needs = replica.high_watermark.max(lead.epoch_start);
    let pending = lead.pending_isr.unwrap_or_default();
    let joins =
        |follower: &&Follower| pending.contains(&follower.id) && !lead.isr.contains(&follower.id);
    for follower in lead.followers.iter().filter(joins) {
        check(p, ledger, follower.log_end >= needs, &|| {
            format!(
                "leader {node} proposes broker {}, which has fetched up to {}; its high watermark is \
                 {}, its epoch began at {}",
                follower.id, follower.log_end, replica.high_watermark, lead.epoch_start
            )
        });
    }
}

/// What holds once the cluster has healed.
pub(crate) fn settled(p: &Partition, ledger: &mut Ledger, Of { node, replica }: Of<'_>) {
    let Some(lead) = &replica.lead else { return };
    check(p, ledger, lead.pending_isr.is_none(), &|| {
        format!(
            "leader {node} still waits for an answer to its proposal of ISR {}, long after every \
             fault is over",
            list(lead.pending_isr.unwrap_or_default())
        )
    });
}

/// A leader commits what all in sync have as soon as it knows that they have it. `was_joining`: whether a follower
/// seemed in sync when the leader reckoned last.
pub(crate) fn progress(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    was_joining: impl Fn(NodeId) -> bool,
) {
    let lead = replica.lead.as_ref().filter(|lead| lead.pending_isr.is_none());
    let Some(lead) = lead.filter(|lead| lead.isr.len() >= lead.min_isr) else { return };
    let high_watermark = replica.high_watermark;
    let could = could_commit(lead, replica.log.log_end_offset());
    // a follower that was about to join holds it back, also when it is gone: nothing makes the leader
    // reckon again before the next append or fetch, in Kafka as here (hunt seeds 50053, 110713)
    let holds = |f: &Follower| (0..=high_watermark).contains(&f.log_end) && was_joining(f.id);
    let is_held = || lead.followers.iter().any(|f| !lead.isr.contains(&f.id) && holds(f));
    check(p, ledger, could <= high_watermark || is_held(), &|| {
        format!(
            "leader {node} keeps its high watermark at {high_watermark}, although all of ISR {} have told it \
             that they have everything below {could}",
            list(lead.isr)
        )
    });
}

fn could_commit(lead: &LeadView<'_>, end: Offset) -> Offset {
    let members = lead.followers.iter().filter(|follower| lead.isr.contains(&follower.id));
    members.map(|follower| follower.log_end).fold(end, Offset::min)
}

/// What a leader believes of a follower in its epoch and of its present life is so.
pub(crate) fn followers(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    nodes: &[NodeView<'_>],
) {
    let Some(lead) = &replica.lead else { return };
    for follower in lead.followers.iter() {
        let (id, log_end, broker_epoch) = (follower.id, follower.log_end, follower.broker_epoch);
        let view = nodes.iter().find(|view| view.node == id.0);
        let Some(view) = view.filter(|_| log_end >= 0 && broker_epoch >= 0) else { continue };
        let registered = view.broker.metadata().and_then(|image| image.broker(id));
        if registered.is_none_or(|broker| broker.epoch != broker_epoch) {
            continue; // of an earlier life
        }
        let theirs = view.broker.replica_views().find(|theirs| theirs.tp == replica.tp);
        let Some(theirs) = theirs.filter(|t| t.leader_epoch == replica.leader_epoch) else {
            continue;
        };
        let has = theirs.log.log_end_offset();
        // who began where its leader's log ends, amid a batch, takes that as a whole (hunt seed 2419372)
        let is_empty = has == theirs.log.log_start_offset();
        let begins = is_empty && !lead.isr.contains(&id);
        check(p, ledger, has >= log_end || begins, &|| {
            format!(
                "leader {node} counts follower {id} up to {log_end} in epoch {}, but that one's log \
                 ends at {has}",
                replica.leader_epoch
            )
        });
    }
}

/// The marker of a clean shutdown is gone while a broker runs.
pub(crate) fn marker(ledger: &mut Ledger, view: &NodeView<'_>) {
    ledger.checked(Check::Replicas, 1);
    if view.broker.metadata().is_some() && view.disk.file(&FileName::CleanShutdown).is_some() {
        ledger.broken(Check::Replicas, ("", &History::default()), &|| {
            format!(
                "broker {} runs, and its disk says that it was shut down cleanly: after a crash \
                 its logs would not be looked at",
                view.node
            )
        });
    }
}

pub(super) fn check(p: &Partition, ledger: &mut Ledger, holds: bool, seen: &dyn Fn() -> String) {
    ledger.checked(Check::Replicas, 1);
    if !holds {
        ledger.broken(Check::Replicas, p.about(), seen);
    }
}
