//! An idempotent producer's batch sits at one offset.

use super::history::History;
use super::ledger::{Check, Ledger, Promise};
use super::table::{Entry, Table};

pub(crate) const PROMISE: Promise = Promise {
    name: "no-duplicates",
    text: "a batch of an idempotent producer sits at one offset of the log only, by its sequence \
           and by its content; a consumer may see that offset again, but never the batch at another",
};

/// Looks for a batch in the log that is the same as one just added. Only called for batches that
/// do not come in order; the others cannot be duplicates.
pub(crate) fn find(
    ledger: &mut Ledger,
    entry: &Entry,
    (about, table): ((&str, &History), &Table),
) -> bool {
    let is_same = |old: &&Entry| {
        let by_tag = entry.tag != 0 && old.tag == entry.tag;
        let by_sequence = old.producer_id == entry.producer_id
            && old.producer_epoch == entry.producer_epoch
            && old.sequence == entry.sequence;
        old.base < entry.base && (by_tag || by_sequence)
    };
    let Some(old) = table.main.iter().rev().find(is_same) else { return false };
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
