//! Appends and cuts of replicas' logs. The hot path of all checkers: a batch that continues its log
//! costs a comparison or a push.

use super::duplicates::Before;
use super::history::Turn;
use super::ledger::Ledger;
use super::partition::{Partition, Replica, flags_of};
use super::table::{EXCUSED, Entry, GIVEN_UP};
use super::void::Loss;
use super::{completeness, log_matching, one_value};
use std::ops::Range;
use stormglass_broker_core::ids::{LeaderEpoch, NO_EPOCH, NodeId, Offset};
use stormglass_broker_core::records::Batch;

/// Who appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Leader,
    Follower,
}

/// A replica appended a batch.
pub(crate) fn appended(
    p: &mut Partition,
    ledger: &mut Ledger,
    (at, origin): (usize, Origin),
    entry: &Entry,
) {
    if p.keys.is_some() && origin == Origin::Follower {
        return followed_compacted(p, ledger, at, entry);
    }
    written(p, ledger, (at, origin), entry);
}

/// What is written as it was sent: nothing has cleaned it yet.
fn written(p: &mut Partition, ledger: &mut Ledger, (at, origin): (usize, Origin), entry: &Entry) {
    let past = if p.replicas[at].log.go_on(entry.epoch, entry.base, entry.next()) {
        Some(entry.epoch)
    } else {
        turn(p, ledger, (at, origin), entry)
    };
    let replica = &mut p.replicas[at];
    replica.known = true;
    let found = p.table.find(entry.base, &mut replica.hint);
    replica.hint += u64::from(found.is_none());
    let node = replica.node;
    match found {
        Some(found) if p.table.main[found].epoch == entry.epoch => {
            log_matching::same_batch(p, ledger, &p.table.main[found], entry, node);
            let before = found.checked_sub(1).map(|before| p.table.main[before]);
            let before = before.filter(|before| before.next() == entry.base);
            // what retention has deleted at the leader is compared with nobody's
            let is_kept = entry.base > p.producers.forgotten_below;
            let theirs = before.map(|before| before.epoch).filter(|_| is_kept);
            log_matching::same_past(p, ledger, (entry, node), (past, theirs));
        }
        _ => added(p, ledger, (at, origin), entry),
    }
}

/// A follower of a compacted partition takes what compaction has left: gaps, and batches with fewer
/// records. What is missing was committed, and counts as held.
fn followed_compacted(p: &mut Partition, ledger: &mut Ledger, at: usize, entry: &Entry) {
    let replica = &p.replicas[at];
    let is_below = entry.base < replica.log.end();
    // its log begins here, and not where it began to lead (hunt seed 50931)
    let begins = is_below && was_under_way(replica, Origin::Follower, entry);
    if is_below && !begins {
        completeness::cuts(p, ledger, at, entry.base);
    }
    let Partition { replicas, committed, .. } = p;
    let replica = &mut replicas[at];
    let log = &mut replica.log;
    if begins || entry.base > log.end() {
        // of what the cleaner took it knows nothing, of each producer the newest batch that was left there
        // (hunt seed 7006512)
        replica.one_known_below = entry.base;
        if !log.is_empty() {
            log.extend_from(committed, entry.base);
        }
    }
    let base = if log.is_empty() { entry.base } else { entry.base.min(log.end()) };
    log.append(entry.epoch, base, entry.next());
    replica.known = true;
}

/// A replica's log begins, goes on in another epoch, or elsewhere than at its end. The epoch of what
/// it holds before the batch.
fn turn(
    p: &mut Partition,
    ledger: &mut Ledger,
    (at, origin): (usize, Origin),
    entry: &Entry,
) -> Option<LeaderEpoch> {
    if was_under_way(&p.replicas[at], origin, entry) {
        p.replicas[at].log.restart(entry.base);
    } else if entry.base < p.replicas[at].log.end() {
        // Without a cut of its own: a log that was recovered, or written again.
        completeness::cuts(p, ledger, at, entry.base);
    } else if entry.base > p.replicas[at].log.end() {
        bridge(p, at, entry);
    }
    if origin == Origin::Leader {
        follow_unannounced(p, ledger, at, entry);
    }
    let log = &mut p.replicas[at].log;
    let past = log.epoch_at(entry.base - 1);
    log.append(entry.epoch, entry.base, entry.next());
    past
}

/// The first batches of a replica may be on their way to its disk when it begins to lead behind them: of such a
/// log only its end is known (hunt seed 9003445).
fn was_under_way(replica: &Replica, origin: Origin, entry: &Entry) -> bool {
    let leads_behind = replica.leads.is_some() && entry.next() <= replica.lead_start;
    leads_behind && origin == Origin::Follower && replica.log.is_empty()
}

/// A leader of the quorum says so with its first batch only: what others appended in epochs that
/// came to nothing is not in its log. A log that lost power and still ends where it did is what it was
/// (hunt seed 750293).
fn follow_unannounced(p: &mut Partition, ledger: &mut Ledger, at: usize, entry: &Entry) {
    let replica = &p.replicas[at];
    let Some(last) = p.table.main.back().filter(|last| last.epoch < entry.epoch) else { return };
    let log = &replica.log;
    let goes_on = log.end() == last.next() && log.last_epoch() == Some(last.epoch);
    if goes_on || log.is_empty() || log.end() != entry.base || !p.is_metadata() {
        return;
    }
    completeness::leads(p, ledger, at, entry.epoch);
    p.follow_new_leader(ledger.now_ns, at, entry.epoch);
}

/// The batch is not in the newest leader's log as far as it is known.
fn added(p: &mut Partition, ledger: &mut Ledger, (at, origin): (usize, Origin), entry: &Entry) {
    let node = p.replicas[at].node;
    let (newest_epoch, newest_leader) = p.newest();
    let last_epoch = p.table.main.back().map_or(entry.epoch, |last| last.epoch);
    let is_current =
        entry.epoch >= last_epoch && (entry.epoch >= newest_epoch || newest_leader == Some(node));
    let end = p.table.end().unwrap_or(entry.base);
    let overwrites = entry.base < end;
    if p.table.start().is_some_and(|start| entry.base < start) {
        return; // far behind: folded already
    }
    if !is_current || overwrites && origin == Origin::Follower {
        let old = *p.table.forks.entry((entry.base, entry.epoch)).or_insert(*entry);
        log_matching::same_batch(p, ledger, &old, entry, node);
        return;
    }
    if overwrites {
        overwrite(p, ledger, node, entry);
    }
    push(p, ledger, at, entry);
}

fn overwrite(p: &mut Partition, ledger: &mut Ledger, node: i32, entry: &Entry) {
    if let Some(at) = p.table.find(entry.base, &mut 0) {
        let old = p.table.main[at];
        one_value::overwritten(p, ledger, &old, entry, node);
    }
    let flags = flags_of(p.void.as_ref());
    p.losses.push(Loss {
        at_ns: ledger.now_ns,
        leader: NodeId(node),
        epoch: entry.epoch,
        from: entry.base,
        void: p.void.clone(),
        is_empty: false,
        folded: 0,
    });
    while p.table.main.back().is_some_and(|last| last.next() > entry.base) {
        p.table.displace_last(flags);
    }
    p.producers.rebuild(&p.table);
}

fn push(p: &mut Partition, ledger: &mut Ledger, at: usize, entry: &Entry) {
    // A fork that became the leader's log may have been acknowledged already.
    let fork = p.table.forks.remove(&(entry.base, entry.epoch));
    let entry = match fork {
        Some(fork) => Entry { flags: fork.flags & !(EXCUSED | GIVEN_UP), ..fork },
        None => *entry,
    };
    p.table.main.push_back(entry);
    let before = Before {
        about: (&p.label, &p.history),
        table: &p.table,
        losses: &p.losses,
        refused: &p.refused,
        one_known_below: p.replicas[at].one_known_below,
        none_known_below: p.replicas[at].none_known_below,
    };
    p.producers.appended(ledger, &entry, before);
}

/// A replica goes on with a batch behind its known end, as after a crash with appends in flight: what lies
/// between is taken from the leader's log, or from that of an earlier leader where the present one's is of a later
/// epoch than the batch (hunt seed 1020303).
fn bridge(p: &mut Partition, at: usize, batch: &Entry) {
    let (table, log) = (&p.table, &mut p.replicas[at].log);
    while !log.is_empty() && log.end() < batch.base {
        let end = log.end();
        let main = table.main.get(table.main.partition_point(|entry| entry.base < end));
        let main = main.filter(|entry| entry.base == end && entry.epoch <= batch.epoch);
        let mut forks = table.forks.range((end, LeaderEpoch::MIN)..=(end, batch.epoch));
        let next = main.or_else(|| forks.next_back().map(|(_, entry)| entry));
        let Some(next) = next.filter(|next| next.next() <= batch.base) else { return };
        log.append(next.epoch, next.base, next.next());
    }
}

/// A replica is looked at, with its log up to `end`. For the first time since its process had ended
/// appends that nobody heard confirmed may be in it. They are those of its leader, where its epochs say
/// so. Of what lies behind that only its disk knows: who appended it, and its offsets. What it had written itself
/// as a leader, nobody else may have (hunt seed 107). What it had copied of a compacted log may leave out what its
/// leader's cleaner had taken, and then epochs do not tell where it goes on (hunt seed 30007379).
pub(crate) fn recovered(
    p: &mut Partition,
    at: usize,
    end: Offset,
    epoch_at: &dyn Fn(Offset) -> LeaderEpoch,
) -> Option<(Origin, Range<Offset>)> {
    let replica = &mut p.replicas[at];
    if !std::mem::take(&mut replica.recovered) {
        return None;
    }
    let log_end = replica.log.end();
    let ends_alike = || replica.log.last_epoch() == Some(epoch_at(log_end - 1));
    // all before is deleted: nothing is left to say of what epoch it was (hunt seed 27001723)
    let is_all_gone = || log_end <= replica.log_start && epoch_at(log_end - 1) == NO_EPOCH;
    // power took nothing from a log that reaches as far as before (hunt seed 1003742)
    if !replica.known && (log_end > end || !(ends_alike() || is_all_gone())) {
        return None;
    }
    let (table, log) = (&p.table, &mut replica.log);
    let first = table.main.partition_point(|entry| entry.base < log.end());
    for entry in table.main.iter().skip(first).take_while(|entry| entry.next() <= end) {
        if entry.base != log.end() || epoch_at(entry.base) != entry.epoch {
            break;
        }
        log.append(entry.epoch, entry.base, entry.next());
    }
    // what was still under way when it began to lead went to the forks then (hunt seeds 10000219, 10001271)
    while let Some(entry) = table.forks.get(&(log.end(), epoch_at(log.end()))) {
        if entry.next() > end {
            break;
        }
        log.append(entry.epoch, entry.base, entry.next());
    }
    replica.known |= log.end() == end;
    // in whatever epoch: who was elected again meanwhile goes on with it (seed 83 of storms that flush each batch)
    let (node, from, last) = (replica.node, log.end(), log.last_epoch());
    let was_led = |at: Offset| p.leaders.get(&epoch_at(at)) == Some(&node);
    let is_own = last <= Some(epoch_at(from)) && (from..end).all(was_led);
    // a cleaner takes only what is committed
    let is_copied = replica.known && p.keys.is_some() && from < p.committed.end();
    // the newest leader's own batches go on from there: without what lies before them the table had a gap
    if p.newest().1 == Some(node) && p.table.bring_back(&p.replicas[at].log) < p.table.main.len() {
        p.producers.rebuild(&p.table);
    }
    let origin = if is_own { Origin::Leader } else { Origin::Follower };
    (from < end && (is_own || is_copied)).then_some((origin, from..end))
}

/// What was found so on its disk: as a leader had written it there, or as a follower of a compacted partition had
/// copied it, which counts as if its disk had confirmed that before the crash.
pub(crate) fn found(
    p: &mut Partition,
    ledger: &mut Ledger,
    (at, origin): (usize, Origin),
    batch: &Batch,
) {
    let entry = Entry::of(batch);
    if origin == Origin::Follower {
        return followed_compacted(p, ledger, at, &entry);
    }
    let now_ns = ledger.now_ns;
    if let Some(keys) = &mut p.keys {
        keys.appended(now_ns, batch);
    }
    written(p, ledger, (at, Origin::Follower), &entry);
}

/// A replica cut its log.
pub(crate) fn truncated(
    p: &mut Partition,
    ledger: &mut Ledger,
    (at, to): (usize, Offset),
    (from, high_watermark): (Offset, Offset),
) {
    let node = p.replicas[at].node;
    if to < from {
        completeness::cuts(p, ledger, at, to);
    }
    let replica = &mut p.replicas[at];
    if to < replica.log_start {
        // nothing is left, of whatever epoch it was: the log goes on there (hunt seed 723541)
        replica.log.restart(to);
        replica.log_start = to;
    } else if to > from {
        p.producers.forgotten_below = p.producers.forgotten_below.max(to);
        replica.none_known_below = to;
        replica.log.restart(to); // too far behind: it goes on where its leader's log, or a snapshot, ends
    } else {
        replica.log.truncate(to);
    }
    replica.known = true;
    replica.turned = true;
    replica.begins_anew = (to >= from).then_some(to);
    replica.cut_deep |= to < high_watermark;
    if let Some(keys) = p.keys.as_mut().filter(|_| to < high_watermark) {
        keys.gave_up();
    }
    p.history.push(ledger.now_ns, node, Turn::Truncated { to, from, high_watermark });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::compaction::Keys;
    use crate::checkers::{high_watermark, roles};
    use crate::recorder::testing::batch;
    use std::collections::BTreeMap;

    #[test]
    fn what_a_leader_has_written_follows_what_was_under_way_when_it_began_to_lead() {
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        let of = |base: Offset, epoch: LeaderEpoch| {
            let mut batch = (*batch(base, 10, base.unsigned_abs() + 1)).clone();
            batch.header.partition_leader_epoch = epoch;
            batch.header.base_sequence = i32::try_from(base).unwrap();
            batch
        };
        p.leaders = BTreeMap::from([(0, 1), (1, 3)]);
        let at = p.replica(3);
        appended(&mut p, &mut ledger, (at, Origin::Follower), &Entry::of(&of(0, 0)));
        p.table.forks.insert((10, 0), Entry::of(&of(10, 0)));
        p.replicas[at].recovered = true;
        let own = recovered(&mut p, at, 30, &|offset| LeaderEpoch::from(offset >= 20));
        assert_eq!(own, Some((Origin::Leader, 20..30)));
        found(&mut p, &mut ledger, (at, Origin::Leader), &of(20, 1));
        let bases: Vec<Offset> = p.table.main.iter().map(|entry| entry.base).collect();
        assert_eq!(bases, [0, 10, 20]);
    }

    /// Hunt seed 30007379: of the leader's epoch 3 its cleaner had taken the first batch, and the follower was killed
    /// as it copied the second one.
    #[test]
    fn a_copy_behind_what_the_cleaner_took_is_on_the_disk_of_who_is_killed_amid_it() {
        let of = |base: Offset, epoch: LeaderEpoch| {
            let mut batch = (*batch(base, 10, base.unsigned_abs() + 1)).clone();
            batch.header.partition_leader_epoch = epoch;
            batch.header.base_sequence = i32::try_from(base).unwrap();
            batch
        };
        let goes_on = |is_compacted: bool| {
            let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
            p.keys = is_compacted.then(|| Keys::new(1000));
            p.leaders = BTreeMap::from([(0, 1), (3, 1)]);
            let (leader, at) = (p.replica(1), p.replica(3));
            for batch in [of(0, 0), of(10, 3), of(20, 3)] {
                appended(&mut p, &mut ledger, (leader, Origin::Leader), &Entry::of(&batch));
            }
            (p.shown, p.replicas[at].recovered) = (30, true);
            p.committed.extend_from(&p.replicas[leader].log, 30);
            appended(&mut p, &mut ledger, (at, Origin::Follower), &Entry::of(&of(0, 0)));
            let copied = recovered(&mut p, at, 30, &|offset| 3 * LeaderEpoch::from(offset >= 20));
            if let Some((origin, _)) = copied {
                found(&mut p, &mut ledger, (at, origin), &of(20, 3));
            }
            high_watermark::follower_moved(&p, &mut ledger, at, 30);
            one_value::follower_committed(&p, &mut ledger, at, 30);
            (copied, p.replicas[at].log.epoch_at(10), ledger.finish().1.len())
        };
        assert_eq!(goes_on(true), (Some((Origin::Follower, 10..30)), Some(3), 0));
        assert_eq!(goes_on(false), (None, None, 1), "nothing is taken where nothing is compacted");
    }

    /// Hunt seed 50931: the first batches of a replica were on their way to a slow volume when it began to lead, and
    /// its log seemed to be cut as they arrived.
    #[test]
    fn the_first_copies_of_a_compacted_log_may_be_under_way_when_their_replica_begins_to_lead() {
        let copies = |bases: &[Offset]| {
            let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
            p.keys = Some(Keys::new(1000));
            let at = p.replica(3);
            let isr = [1, 2, 3].map(NodeId);
            roles::leads(&mut p, &mut ledger, (at, 1), (20, &isr));
            for base in bases {
                let entry = Entry::of(&batch(*base, 10, 1));
                appended(&mut p, &mut ledger, (at, Origin::Follower), &entry);
            }
            let replica = &p.replicas[at];
            (replica.log.end(), replica.one_known_below, ledger.finish().1.len())
        };
        assert_eq!(copies(&[0]), (10, 0, 0));
        assert_eq!(copies(&[0, 10]), (20, 0, 0));
        assert_eq!(copies(&[10]), (20, 10, 0), "the cleaner had taken what lay before");
        assert_eq!(copies(&[0, 10, 10]), (20, 0, 1), "what the leader has is written again");
        assert_eq!(copies(&[15]), (25, 0, 1), "it goes on behind where it began to lead");
    }

    #[test]
    fn who_copied_what_the_cleaner_has_left_knows_one_batch_of_each_producer() {
        let (mut p, mut ledger) = (Partition::new("t-0".to_owned(), 2), Ledger::default());
        p.keys = Some(Keys::new(1000));
        let at = p.replica(3);
        for (base, one_known_below) in [(0, 0), (10, 0), (30, 30), (40, 30)] {
            let entry = Entry::of(&batch(base, 10, 1));
            appended(&mut p, &mut ledger, (at, Origin::Follower), &entry);
            assert_eq!(p.replicas[at].one_known_below, one_known_below, "after {base}");
        }
    }
}
