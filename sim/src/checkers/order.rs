//! A producer's records keep their order in a partition.

use super::duplicates::{self, Before};
use super::ledger::{Check, Ledger, Promise};
use super::table::{Entry, Table};
use rustc_hash::FxHashMap;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::Batch;

pub(crate) const PROMISE: Promise = Promise {
    name: "producer-order",
    text: "sequences of one idempotent producer rise along the log of a partition",
};

/// Bits of a tag below the client's index.
const TAG_BITS: u32 = 40;
/// Producers known by id only, as they have no tags.
const BY_ID: u64 = 1 << 63;

/// The last batch of each idempotent producer in a partition's log.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    /// Everything below is deleted somewhere, and with it may be what was known of its producers:
    /// Kafka takes any sequence of those, even one that was there before.
    pub(crate) forgotten_below: Offset,
    /// Transactional producers write here, and their coordinators have lost records that Kafka does
    /// not promise to keep: an epoch whose record is gone is given out a second time, and whoever gets
    /// it begins at 0 with other batches (hunt seed 101573771).
    pub(crate) epochs_return: bool,
    last: FxHashMap<u64, Entry>,
}

impl Producers {
    /// A batch was added to the log.
    pub(crate) fn appended(&mut self, ledger: &mut Ledger, entry: &Entry, before: Before<'_>) {
        let Some(client) = client_of(entry) else { return };
        ledger.checked(Check::Order, 1);
        ledger.checked(Check::Duplicates, 1);
        let Some(last) = self.last.insert(client, *entry) else { return };
        let returns = self.epochs_return && entry.sequence == 0 && entry.tag > last.tag;
        if last.base < self.forgotten_below || returns {
            return;
        }
        let same_life =
            (last.producer_id, last.producer_epoch) == (entry.producer_id, entry.producer_epoch);
        let backwards = same_life && !follows(&last, entry);
        if !backwards && (entry.tag == 0 || entry.tag > last.tag) {
            return;
        }
        if duplicates::find(ledger, entry, before) || !backwards {
            return;
        }
        ledger.broken(Check::Order, before.about, &|| {
            format!(
                "producer {} (epoch {}) has sequence {} at offset {} after sequence {} at offset {}",
                entry.producer_id,
                entry.producer_epoch,
                entry.sequence,
                entry.base,
                last.sequence,
                last.base
            )
        });
    }

    /// Whether a leader may take a batch for one that is there, and acknowledge it as a duplicate: with
    /// an epoch that was given out twice nobody can tell them apart (hunt seed 400259).
    pub(crate) fn may_mistake(&self, batch: &Batch, there: &Entry) -> bool {
        let new = Entry::of(batch);
        let identity =
            |entry: &Entry| (entry.producer_id, entry.producer_epoch, entry.sequence, entry.count);
        self.epochs_return && identity(&new) == identity(there)
    }

    /// The log was cut or replaced: the last batches are those that are left.
    pub(crate) fn rebuild(&mut self, table: &Table) {
        self.last.clear();
        for entry in &table.main {
            if let Some(client) = client_of(entry) {
                self.last.insert(client, *entry);
            }
        }
    }
}

/// Identity of an idempotent producer over changes of its id and epoch.
fn client_of(entry: &Entry) -> Option<u64> {
    if entry.producer_id < 0 || entry.sequence < 0 {
        return None;
    }
    let by_id = BY_ID | entry.producer_id.unsigned_abs();
    Some(if entry.tag == 0 { by_id } else { entry.tag >> TAG_BITS })
}

/// Whether a sequence lies behind all of the last batch's, at most half the circle ahead.
fn follows(last: &Entry, entry: &Entry) -> bool {
    is_ahead(i64::from(last.sequence) + i64::from(last.count), entry.sequence)
}

/// Whether a sequence is `of`, or lies less than half the circle ahead of it.
pub(crate) fn is_ahead(of: i64, sequence: i32) -> bool {
    let circle = i64::from(i32::MAX) + 1;
    (i64::from(sequence) - of).rem_euclid(circle) < circle / 2
}
