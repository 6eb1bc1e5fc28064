//! An idempotent producer's batch sits at one offset.

use super::history::History;
use super::ledger::{Check, Ledger, Promise};
use super::order;
use super::table::{Entry, Table};
use super::void::Losses;
use std::collections::VecDeque;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::log::EpochEntry;
use stormglass_broker_core::records::BatchHeader;

pub(crate) const PROMISE: Promise = Promise {
    name: "no-duplicates",
    text: "a batch of an idempotent producer sits at one offset of the log only, by its sequence \
           and by its content; a consumer may see that offset again, but never the batch at another",
};

/// Batches of a producer that a leader remembers (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`).
const REMEMBERED: usize = 5;

/// What a batch is added to.
#[derive(Clone, Copy)]
pub(crate) struct Before<'a> {
    pub(crate) about: (&'a str, &'a History),
    pub(crate) table: &'a Table,
    pub(crate) losses: &'a Losses,
    /// Batches that a leader has refused for their sequence.
    pub(crate) refused: &'a Refused,
    /// Below it the leader may know only the newest batch of each producer.
    pub(crate) one_known_below: Offset,
    /// Below it the leader knows none: its log has begun anew there (hunt seed 2301529).
    pub(crate) none_known_below: Offset,
}

impl Before<'_> {
    /// Batches of each producer that the leader surely knows of those up to an offset.
    fn known_at(&self, offset: Offset) -> usize {
        if offset < self.none_known_below {
            0
        } else if offset < self.one_known_below {
            1
        } else {
            REMEMBERED
        }
    }
}

/// Refusals that are remembered.
const REFUSED_MAX: usize = 256;

/// Batches that leaders have refused for their sequence.
#[derive(Debug, Default)]
pub(crate) struct Refused(VecDeque<Refusal>);

/// A batch that was refused, and the log of the leader that did so.
#[derive(Debug)]
struct Refusal {
    /// Producer, its epoch, and the sequence.
    of: (i64, i16, i32),
    end: Offset,
    epochs: Vec<EpochEntry>,
}

impl Refused {
    /// Notes a refusal by a leader whose log ends at `end`, and has these epochs.
    pub(crate) fn push(&mut self, header: &BatchHeader, end: Offset, epochs: &[EpochEntry]) {
        if self.0.len() == REFUSED_MAX {
            self.0.pop_front();
        }
        let of = (header.producer_id, header.producer_epoch, header.base_sequence);
        self.0.push_back(Refusal { of, end, epochs: epochs.to_vec() });
    }

    /// Whether a batch, or one that must come before it, was refused by a leader that did not have it.
    fn has(&self, entry: &Entry) -> bool {
        let concerns = |refusal: &&Refusal| refusal.is_of(entry) || refusal.is_before(entry);
        self.0.iter().filter(concerns).any(|refusal| refusal.lacked(entry))
    }

    /// Whether a batch that must come before `first` was refused by a leader that had both `first` and `entry`.
    fn has_late(&self, first: &Entry, entry: &Entry) -> bool {
        let is_late = |refusal: &&Refusal| refusal.is_earlier(first) && !refusal.is_of(first);
        let had_both = |refusal: &Refusal| !refusal.lacked(first) && !refusal.lacked(entry);
        self.0.iter().filter(is_late).any(had_both)
    }
}

impl Refusal {
    fn is_of(&self, entry: &Entry) -> bool {
        self.of == (entry.producer_id, entry.producer_epoch, entry.sequence)
    }

    /// Whether a later leader than the one that had written a batch refused an earlier one of its producer.
    fn is_before(&self, entry: &Entry) -> bool {
        self.is_earlier(entry) && self.epochs.last().is_some_and(|last| last.epoch > entry.epoch)
    }

    /// Whether it was a batch or one that must come before it.
    fn is_earlier(&self, entry: &Entry) -> bool {
        let (id, epoch, sequence) = self.of;
        let is_same = (id, epoch) == (entry.producer_id, entry.producer_epoch);
        is_same && order::is_ahead(sequence.into(), entry.sequence)
    }

    /// Whether the leader's log ended before a batch, or had there what another leader had written. What is
    /// below its first known epoch it may have had.
    fn lacked(&self, entry: &Entry) -> bool {
        let there = self.epochs.iter().rfind(|known| known.start_offset <= entry.base);
        entry.base >= self.end || there.is_some_and(|there| there.epoch != entry.epoch)
    }
}

/// Looks for a batch in the log that is the same as one just added. Only called for batches that
/// do not come in order; the others cannot be duplicates.
pub(crate) fn find(ledger: &mut Ledger, entry: &Entry, before: Before<'_>) -> bool {
    let Before { about, table, losses, refused, .. } = before;
    let is_same = |old: &&Entry| {
        let by_tag = entry.tag != 0 && old.tag == entry.tag;
        let by_sequence = old.producer_id == entry.producer_id
            && old.producer_epoch == entry.producer_epoch
            && old.sequence == entry.sequence;
        old.base < entry.base && (by_tag || by_sequence)
    };
    let Some(at) = table.main.iter().rposition(|old| is_same(&old)) else { return false };
    let old = &table.main[at];
    let later = table.main.iter().skip(at + 1);
    let is_forgotten = is_forgotten(entry, old, later, before.known_at(old.base));
    if is_forgotten || comes_back(entry, old, losses) || was_refused(entry, old, refused) {
        return true;
    }
    if came_too_early(entry, old, table, refused) {
        return true;
    }
    ledger.broken(Check::Duplicates, about, &|| {
        format!(
            "producer {} (epoch {}): sequence {} with batch tag {:#x} is at offset {}, and \
             sequence {} with batch tag {:#x} at offset {}",
            entry.producer_id,
            entry.producer_epoch,
            old.sequence,
            old.tag,
            old.base,
            entry.sequence,
            entry.tag,
            entry.base
        )
    });
    true
}

/// Whether no leader could know the old batch any more when its producer, which did not know that it
/// had been appended, wrote it again in a newer epoch. Five may be in flight per connection, so when
/// the leader moves more than five per partition are: the first answers get lost, all are written, and
/// the repeated ones are out of order. Java's producer then begins a new epoch (KIP-360) with what it
/// takes for lost (hunt seed 73015). A leader that has restarted since knows one only (734871).
fn is_forgotten<'a>(
    entry: &Entry,
    old: &Entry,
    later: impl Iterator<Item = &'a Entry>,
    known: usize,
) -> bool {
    let of_epoch = |batch: &&Entry| {
        (batch.producer_id, batch.producer_epoch) == (old.producer_id, old.producer_epoch)
    };
    entry.producer_epoch > old.producer_epoch && later.filter(of_epoch).count() >= known
}

/// Whether the old batch is of an earlier try, on a connection that its producer had given up: it came after
/// a later try had been refused, as those before it were missing. Java's producer begins a new epoch then
/// (KIP-360), and the old one is fenced only by its first batch (hunt seed 887053). Or it is of a leader that
/// nobody had copied it from yet: the next one, which had later batches of the producer instead, refused it; and the
/// first, still in sync, led again with its log as it was (hunt seed 10000736). It need not have come as far as to
/// refuse this one: with the first that it refuses, all that wait behind it get the new epoch (hunt seed 21001170).
fn was_refused(entry: &Entry, old: &Entry, refused: &Refused) -> bool {
    entry.producer_epoch > old.producer_epoch && refused.has(old)
}

/// Whether the old batch is the first that its log has of its producer, or follows it in the same epoch, and one before
/// the first was refused since, by a leader that had both. While that was on its way to a leader that was stopped or
/// replaced, the first was sent to the next, who takes any sequence of a producer that it does not know
/// (`ProducerAppendInfo.checkSequence`), and what follows it then; the answer to the old one got lost. Java's producer
/// begins a new epoch (KIP-360) with all that it has no answer to (hunt seed 23002642), also when the first was
/// acknowledged (hunt seed 31000835).
fn came_too_early(entry: &Entry, old: &Entry, table: &Table, refused: &Refused) -> bool {
    let first = table.main.iter().find(|other| other.producer_id == old.producer_id);
    let is_late =
        |first: &Entry| first.producer_epoch == old.producer_epoch && refused.has_late(first, old);
    entry.producer_epoch > old.producer_epoch
        && table.blocks.is_empty()
        && first.is_some_and(is_late)
}

/// Whether a leader that an unclean election made did not have the old batch, so that its producer wrote it
/// again in a newer epoch; and a second one brought back a log that has it (hunt seed 827792).
fn comes_back(entry: &Entry, old: &Entry, losses: &Losses) -> bool {
    entry.producer_epoch > old.producer_epoch && losses.are_unclean(old.epoch, old.base)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::batch;
    use stormglass_broker_core::ids::LeaderEpoch;

    #[test]
    fn who_was_refused_may_begin_a_new_epoch_with_what_came_late() {
        let of = |producer_epoch: i16, sequence: i32| {
            let entry = Entry::of(&batch(0, 10, 1));
            Entry { producer_id: 7, producer_epoch, sequence, ..entry }
        };
        let mut header = batch(0, 10, 1).header;
        (header.producer_id, header.producer_epoch, header.base_sequence) = (7, 1, 360);
        let mut refused = Refused::default();
        refused.push(&header, 1, &[]);
        assert!(!was_refused(&of(2, 0), &of(1, 360), &refused), "it was there already");
        refused.push(&header, 0, &[]);
        assert!(was_refused(&of(2, 0), &of(1, 360), &refused));
        assert!(!was_refused(&of(1, 360), &of(1, 360), &refused), "the same epoch twice");
        assert!(!was_refused(&of(2, 0), &of(1, 351), &refused), "never refused");
        (0..256).for_each(|sequence| {
            header.base_sequence = sequence;
            refused.push(&header, 0, &[]);
        });
        assert!(!was_refused(&of(2, 0), &of(1, 360), &refused), "long ago");
    }

    #[test]
    fn who_was_refused_by_a_leader_with_another_history_may_begin_a_new_epoch() {
        let entry = Entry::of(&batch(489, 10, 1));
        let of = |epoch: LeaderEpoch, producer_epoch: i16| Entry {
            epoch,
            producer_epoch,
            sequence: 0,
            ..entry
        };
        let mut header = batch(489, 10, 1).header;
        header.base_sequence = 0;
        let refused_by = |epochs: &[(LeaderEpoch, Offset)]| {
            let known = |&(epoch, start_offset)| EpochEntry { epoch, start_offset };
            let epochs: Vec<EpochEntry> = epochs.iter().map(known).collect();
            let mut refused = Refused::default();
            refused.push(&header, 550, &epochs);
            refused
        };
        let (old, new) = (of(2, 0), of(4, 1));
        assert!(was_refused(&new, &old, &refused_by(&[(0, 0), (1, 428), (3, 550)])));
        let had = refused_by(&[(0, 0), (2, 489), (3, 550)]);
        assert!(!was_refused(&new, &old, &had), "it had copied the batch");
        let from_later = refused_by(&[(3, 540)]);
        assert!(!was_refused(&new, &old, &from_later), "its epochs do not reach back so far");
    }

    /// Hunt seed 23002642.
    #[test]
    fn who_was_unknown_may_begin_a_new_epoch_when_what_comes_first_comes_last() {
        let entry = |producer_id: i64, producer_epoch: i16, sequence: i32, base: Offset| {
            let entry = Entry::of(&batch(base, 10, 1));
            Entry { producer_id, producer_epoch, sequence, ..entry }
        };
        let refused_at = |sequence: i32, end: Offset| {
            let mut header = batch(0, 10, 1).header;
            (header.producer_id, header.producer_epoch, header.base_sequence) = (7, 0, sequence);
            let mut refused = Refused::default();
            refused.push(&header, end, &[]);
            refused
        };
        let (old, new) = (entry(7, 0, 62, 96), entry(7, 2, 0, 388));
        let mut table = Table::default();
        table.main.extend([entry(6, 0, 0, 0), old]);
        assert!(came_too_early(&new, &old, &table, &refused_at(0, 237)));
        assert!(!came_too_early(&entry(7, 0, 72, 388), &old, &table, &refused_at(0, 237)));
        assert!(!came_too_early(&new, &old, &table, &refused_at(62, 237)), "it was there already");
        assert!(!came_too_early(&new, &old, &table, &refused_at(72, 237)), "a later one");
        assert!(!came_too_early(&new, &old, &table, &refused_at(0, 96)), "by another log");
        table.main[0].producer_id = 7;
        assert!(!came_too_early(&new, &old, &table, &refused_at(0, 237)), "it was known");
        table.main[0].producer_id = 6;
        table.trim(10);
        assert!(!came_too_early(&new, &old, &table, &refused_at(0, 237)), "it may have been known");
    }

    /// Hunt seed 31000835.
    #[test]
    fn what_follows_a_first_batch_that_came_too_early_may_get_a_new_epoch_too() {
        let of = |producer_epoch: i16, sequence: i32, base: Offset| {
            let entry = Entry::of(&batch(base, 17, 1));
            Entry { epoch: 3, producer_id: 7, producer_epoch, sequence, ..entry }
        };
        let refused_at = |sequence: i32, end: Offset| {
            let mut header = batch(0, 6, 1).header;
            (header.producer_id, header.producer_epoch, header.base_sequence) = (7, 0, sequence);
            let epochs = [(0, 160), (3, 1592)];
            let epochs = epochs.map(|(epoch, start_offset)| EpochEntry { epoch, start_offset });
            let mut refused = Refused::default();
            refused.push(&header, end, &epochs);
            refused
        };
        let (first, old, new) = (of(0, 9, 1592), of(0, 26, 1615), of(2, 0, 2056));
        let mut table = Table::default();
        table.main.extend([first, old, new]);
        assert!(came_too_early(&new, &old, &table, &refused_at(3, 2035)));
        assert!(!came_too_early(&new, &old, &table, &refused_at(9, 2035)), "it was the first");
        assert!(!came_too_early(&new, &old, &table, &refused_at(20, 2035)), "behind the first");
        assert!(!came_too_early(&new, &old, &table, &refused_at(3, 1615)), "it had the first only");
        assert!(!came_too_early(&of(0, 43, 2056), &old, &table, &refused_at(3, 2035)));
        let later = of(1, 26, 1615);
        assert!(!came_too_early(&new, &later, &table, &refused_at(3, 2035)), "of a later epoch");
        table.main[0].sequence = 0;
        assert!(!came_too_early(&new, &old, &table, &refused_at(3, 2035)), "none is before it");
    }

    #[test]
    fn what_waits_behind_a_refused_batch_gets_the_new_epoch_too() {
        let entry = Entry::of(&batch(1673, 18, 1));
        let of = |epoch: LeaderEpoch, producer_epoch: i16, sequence: i32| Entry {
            epoch,
            producer_epoch,
            sequence,
            ..entry
        };
        let mut header = batch(1659, 14, 1).header;
        header.producer_epoch = 10;
        let refused_at = |sequence: i32, end: Offset| {
            let header = BatchHeader { base_sequence: sequence, ..header };
            let epochs = [(7, 1456), (8, 1474), (9, 1541)];
            let epochs = epochs.map(|(epoch, start_offset)| EpochEntry { epoch, start_offset });
            let mut refused = Refused::default();
            refused.push(&header, end, &epochs);
            refused
        };
        let (old, new) = (of(8, 10, 226), of(11, 13, 0));
        assert!(was_refused(&new, &old, &refused_at(212, 1541)));
        assert!(
            was_refused(&new, &of(8, 10, 12), &refused_at(i32::MAX - 1, 1541)),
            "after the turn"
        );
        assert!(!was_refused(&new, &old, &refused_at(244, 1541)), "a later one");
        assert!(!was_refused(&new, &of(8, 9, 226), &refused_at(212, 1541)), "of another epoch");
        assert!(!was_refused(&new, &of(9, 10, 226), &refused_at(212, 1541)), "it came after that");
        assert!(
            !was_refused(&of(11, 10, 226), &old, &refused_at(212, 1541)),
            "the same epoch twice"
        );
        let mut had = refused_at(212, 1700);
        had.0[0].epochs[2].start_offset = 1691;
        assert!(!was_refused(&new, &old, &had), "it had this one");
    }
}
