//! A group finds the position that it committed.

use super::consumed::Reader;
use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use std::collections::btree_map::Entry;
use stormglass_broker_core::ids::Offset;

pub(crate) const PROMISE: Promise = Promise {
    name: "committed-positions",
    text: "a group that asks where it was is told the position that it was last told is committed, \
           a later one, or one whose commit was never answered and may have arrived late, unless \
           __consumer_offsets itself lost records that Kafka does not promise to keep",
};

/// Positions whose commits had no answer that are remembered per reader.
const IN_DOUBT_MAX: usize = 256;

/// A commit is on its way. A request that its client has given up may still arrive, after later ones
/// of another connection: a group without a generation is not fenced from its own past (hunt seed
/// 121).
pub(crate) fn sent(reader: &mut Reader, offset: Offset) {
    // a group that is not answered commits one position again and again (hunt seed 840637)
    *reader.in_doubt.entry(offset).or_default() += 1;
    if reader.in_doubt.len() > IN_DOUBT_MAX {
        reader.in_doubt.pop_first();
    }
}

/// Whether a coordinator may know this position after `before` was acknowledged.
pub(crate) fn may_be_known(reader: &Reader, before: Offset, offset: Offset) -> bool {
    offset >= before || reader.in_doubt.contains_key(&offset)
}

/// The coordinator acknowledged a commit of reader `reader`. `shared`: the group's members divide its
/// partitions, so the answer to one that has lost the partition since may come after the answers to
/// its heir, who began where it had left off. A lower position counts all the same once a member was
/// sent back by a log that has lost its end (hunt seed 110119).
pub(crate) fn acked(
    p: &mut Partition,
    ledger: &mut Ledger,
    (reader, offset): (usize, Offset),
    shared: bool,
) {
    ledger.checked(Check::Commits, 1);
    let reader = &mut p.readers[reader];
    reader.first_committed_ns.get_or_insert(ledger.now_ns);
    if let Entry::Occupied(mut sent) = reader.in_doubt.entry(offset) {
        *sent.get_mut() -= 1;
        if *sent.get() == 0 {
            sent.remove();
        }
    }
    if shared && !reader.fell_back && reader.committed.is_some_and(|(before, _)| before > offset) {
        return;
    }
    reader.committed = Some((offset, ledger.now_ns));
}

/// A reader that starts has a position; `committed` when a commit said so, else that there was none when it asked
/// is what counts: the log's leader may have had it wait since, and another member may have begun there meanwhile
/// (hunt seed 30001624). `void` when positions may be gone.
pub(crate) fn found(
    p: &Partition,
    ledger: &mut Ledger,
    (reader, offset): (usize, Offset),
    (committed, asked_ns): (bool, u64),
    void: bool,
) {
    let reader = &p.readers[reader];
    let Some((before, at_ns)) = reader.committed.filter(|_| !void) else { return };
    ledger.checked(Check::Commits, 1);
    let may_be_told = match committed {
        true => may_be_known(reader, before, offset),
        false => reader.first_committed_ns.is_some_and(|first_ns| asked_ns < first_ns),
    };
    if may_be_told {
        return;
    }
    ledger.broken(Check::Commits, p.about(), &|| {
        let told = match committed {
            true => format!("was told {offset}"),
            false => "was told that it has none".to_owned(),
        };
        format!(
            "a group that asked for its position of {} {told}, after position {before} was \
             acknowledged as committed at {}",
            p.label,
            super::history::seconds(at_ns)
        )
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Position 20 was committed; then a member commits 10, and a coordinator knows that.
    fn violations(sent_back: bool) -> usize {
        let (mut p, mut ledger) = (Partition::new("orders-0".to_owned(), 0), Ledger::default());
        p.readers.push(Reader::new(0));
        acked(&mut p, &mut ledger, (0, 20), true);
        if sent_back {
            p.readers[0].truncated(10);
        }
        sent(&mut p.readers[0], 10);
        acked(&mut p, &mut ledger, (0, 10), true);
        found(&p, &mut ledger, (0, 10), (true, 0), false);
        ledger.finish().1.len()
    }

    #[test]
    fn members_positions_go_back_only_with_the_log() {
        assert_eq!((violations(false), violations(true)), (1, 0));
    }

    /// Hunt seed 21008231: position 20 is on its way when its member is sent back to 5, and is acknowledged after
    /// that; then the member commits 10.
    #[test]
    fn a_commit_is_acknowledged_after_its_member_was_sent_back() {
        let violations = |back_to: Offset| {
            let (mut p, mut ledger) = (Partition::new("orders-0".to_owned(), 0), Ledger::default());
            p.readers.push(Reader::new(0));
            acked(&mut p, &mut ledger, (0, 4), true);
            sent(&mut p.readers[0], 20);
            p.readers[0].truncated(back_to);
            acked(&mut p, &mut ledger, (0, 20), true);
            sent(&mut p.readers[0], 10);
            acked(&mut p, &mut ledger, (0, 10), true);
            found(&p, &mut ledger, (0, 10), (true, 0), false);
            ledger.finish().1.len()
        };
        assert_eq!((violations(5), violations(20)), (0, 1));
    }

    /// Hunt seed 30001624: a member was told that there is no position, and its log's leader did not say where the log
    /// ends. It stood still until another one had its partition, and had committed 20 and 30 at 5 and 8.
    #[test]
    fn who_asked_before_anything_was_committed_may_begin_by_policy_later() {
        let violations = |asked_ns, committed| {
            let (mut p, mut ledger) = (Partition::new("orders-0".to_owned(), 0), Ledger::default());
            p.readers.push(Reader::new(0));
            for (at_ns, offset) in [(5, 20), (8, 30)] {
                ledger.now_ns = at_ns;
                acked(&mut p, &mut ledger, (0, offset), true);
            }
            ledger.now_ns = 9;
            found(&p, &mut ledger, (0, 10), (committed, asked_ns), false);
            ledger.finish().1.len()
        };
        assert_eq!(violations(4, false), 0);
        assert_eq!((violations(5, false), violations(6, false)), (1, 1), "20 was committed");
        assert_eq!(violations(4, true), 1, "10 was never committed");
    }

    /// Hunt seed 840637: the log of a group's topic had lost its end, and the coordinator nobody to replicate to.
    #[test]
    fn an_unanswered_commit_is_remembered_however_often_later_ones_are_repeated() {
        let mut reader = Reader::new(0);
        sent(&mut reader, 4);
        (0..1000).for_each(|_| sent(&mut reader, 9));
        assert!(may_be_known(&reader, 7, 4) && !may_be_known(&reader, 7, 5));
    }
}
