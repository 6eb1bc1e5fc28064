//! A log with remote storage: what is rolled goes there, and as much is kept of the whole as the topic's configs say.

use super::NodeView;
use super::replicas::{Of, check};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use crate::checkers::void::Void;
use stormglass_broker_core::ids::{LeaderEpoch, Offset};
use stormglass_broker_core::inspect::ReplicaView;

/// What a leader is given beyond two runs of the task that copies, in a healed cluster, ns: it lists what is there
/// first, and copies one segment after another.
const COPIES_NS: u64 = 5_000_000_000;

/// Something is rolled and not in remote storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waits {
    /// Leader and epoch.
    led: (i32, LeaderEpoch),
    /// The first such offset.
    offset: Offset,
    since_ns: u64,
}

impl Waits {
    /// What is not there now, and since when it is waited for.
    fn next(before: Option<Self>, now: Self) -> Self {
        let is_same = |before: &Self| (before.led, before.offset) == (now.led, now.offset);
        before.filter(is_same).unwrap_or(now)
    }
}

/// In a healed cluster: what a leader has rolled is copied before long, whatever went wrong with copies before
/// (`RLMCopyTask` tries again).
pub(crate) fn copied(
    p: &mut Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    view: &NodeView<'_>,
) {
    let led = (replica.leader_epoch, Some(node));
    if !replica.log.is_tiered() || replica.lead.is_none() || p.newest() != led {
        return;
    }
    let Some(server) = view.broker.properties() else { return };
    let every_ns = server.remote_log_manager_task_interval.as_nanos();
    let patience_ns = every_ns.saturating_mul(2).saturating_add(COPIES_NS);
    let Some(offset) = uncopied(p, replica) else {
        p.stored.waits = None;
        return;
    };
    let fresh = Waits { led: (node, replica.leader_epoch), offset, since_ns: ledger.now_ns };
    let waits = Waits::next(p.stored.waits, fresh);
    p.stored.waits = Some(waits);
    let waited_ns = ledger.now_ns - waits.since_ns;
    let is_late = waited_ns >= patience_ns && view.awake_ns >= patience_ns;
    // rot, or a crash, may have left a hole in the log
    let is_here = || {
        let batches = view.disk.batches(replica.tp, &(0..Offset::MAX));
        batches.iter().any(|batch| (batch.base_offset()..batch.next_offset()).contains(&offset))
    };
    let holds = !is_late || !is_here();
    check(p, ledger, holds, &|| {
        format!(
            "leader {node} has rolled what is at offset {offset}, and it is not in remote storage after {} ms",
            waited_ns / 1_000_000
        )
    });
}

/// The first offset that is rolled, stable and flushed, and not in remote storage.
fn uncopied(p: &Partition, replica: &ReplicaView<'_>) -> Option<Offset> {
    let log = replica.log;
    let rolled = log.active_segment();
    let stable = log.last_stable_offset(replica.high_watermark).min(log.recovery_point());
    if stable < rolled || p.void.is_some() || p.was_unclean() {
        return None;
    }
    // a leader before it may have deleted more than it has heard of
    p.stored.missing(log.log_start_offset().max(p.stored.log_start), rolled)
}

/// What a leader has taken from its disk since the last look is in remote storage in the epochs that its log has:
/// segments of a history that an unclean election has ended stand for nothing (KAFKA-15241). Where there was one such
/// election at most: with more, others may have deleted since what a leader has found there.
pub(super) fn gone(p: &mut Partition, ledger: &mut Ledger, Of { node, replica }: Of<'_>) {
    let log = replica.log;
    if !log.is_tiered() {
        return;
    }
    let (epoch, upto) = (replica.leader_epoch, log.local_log_start_offset());
    let mine = p.replica(node);
    let before = p.replicas[mine].local_start.replace((epoch, upto));
    let before = before.filter(|(led, from)| *led == epoch && *from < upto);
    let Some((_, from)) = before.filter(|_| replica.lead.is_some()) else { return };
    let is_sure = matches!(p.void, None | Some(Void::Unclean)) && p.losses.iter().count() <= 1;
    if !is_sure || p.newest() != (epoch, Some(node)) {
        return;
    }
    let from = from.max(log.log_start_offset()).max(p.stored.log_start);
    let epoch_of = |offset: Offset| {
        let known = log.epoch_at(offset);
        (known, log.end_offset_for_epoch(known).end_offset)
    };
    let uncovered = p.stored.uncovered(from..upto, &epoch_of);
    check(p, ledger, uncovered.is_none(), &|| {
        format!(
            "leader {node} has deleted what is below {upto} from its disk, and remote storage has offset {uncovered:?} \
             in other epochs at most; it knows {:?}",
            log.epoch_entries()
        )
    });
}

/// Bytes that a leader keeps that has just deleted, local and remote ones; `None` where that cannot be told.
pub(super) fn left(p: &Partition, node: i32, replica: &ReplicaView<'_>) -> Option<u64> {
    let is_newest = p.newest() == (replica.leader_epoch, Some(node));
    let is_sure = is_newest && replica.lead.is_some() && p.void.is_none() && !p.was_unclean();
    let left = p.stored.bytes_from(replica.log.log_start_offset(), replica.only_local_bytes());
    left.filter(|_| is_sure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_waits_for_one_copy_after_another() {
        let waits = |led, offset, since_ns| Waits { led, offset, since_ns };
        let before = Some(waits((1, 7), 20, 100));
        assert_eq!(Waits::next(before, waits((1, 7), 20, 900)).since_ns, 100);
        assert_eq!(Waits::next(before, waits((1, 7), 40, 900)).since_ns, 900, "one was copied");
        assert_eq!(Waits::next(before, waits((2, 8), 20, 900)).since_ns, 900, "another leads");
        assert_eq!(Waits::next(None, waits((1, 7), 20, 900)).since_ns, 900);
    }
}
