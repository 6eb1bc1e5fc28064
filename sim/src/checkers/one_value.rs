//! An offset has one value, to everybody, for ever.

use super::acked_loss::Acked;
use super::history::seconds;
use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use super::table::{EXCUSED, Entry};
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::Batch;

pub(crate) const PROMISE: Promise = Promise {
    name: "one-value-per-offset",
    text: "nobody ever sees two different batches at one committed offset: not in a log below its \
           high watermark, not in an acknowledgement, not as a consumer",
};

/// A leader writes a batch over another one of its partition's log.
pub(crate) fn overwritten(p: &Partition, ledger: &mut Ledger, old: &Entry, new: &Entry, node: i32) {
    if old.base >= p.exposed() || old.fingerprint == new.fingerprint || p.void.is_some() {
        return;
    }
    ledger.broken(Check::OneValue, p.about(), &|| {
        format!(
            "offset {} was committed as batch {:016x} of epoch {}; leader {node} writes batch \
             {:016x} of epoch {} there",
            old.base, old.fingerprint, old.epoch, new.fingerprint, new.epoch
        )
    });
}

/// A producer was told an offset.
pub(crate) fn acked(p: &Partition, ledger: &mut Ledger, acked: &Acked<'_>) {
    let Acked { done, fingerprint, found } = *acked;
    ledger.checked(Check::OneValue, 1);
    let base = done.base_offset;
    if base >= p.exposed() || p.table.start().is_none_or(|start| base < start) {
        return;
    }
    let found = found.map(|at| &p.table.main[at]);
    if found.is_some_and(|entry| entry.fingerprint == fingerprint)
        || p.table.fork_of(base, fingerprint).is_some()
    {
        return;
    }
    let twin = done.batch.as_ref().zip(found);
    if twin.is_some_and(|(batch, entry)| p.producers.may_mistake(batch, entry)) {
        return;
    }
    ledger.broken(Check::OneValue, p.about(), &|| {
        format!(
            "broker {} acknowledged batch tag {:#x} at offset {base} at {}; committed there is {}",
            done.broker,
            done.tag,
            seconds(done.done_ns),
            describe(found)
        )
    });
}

/// A consumer received a batch.
pub(crate) fn delivered(p: &Partition, ledger: &mut Ledger, (batch, hint): (&Batch, &mut u64)) {
    let base = batch.base_offset();
    if p.keys.is_some() {
        return; // what compaction leaves of a batch is another one
    }
    if p.table.start().is_none_or(|start| base < start) {
        return;
    }
    ledger.checked(Check::OneValue, 1);
    let found = p.table.find(base, hint).map(|at| &p.table.main[at]);
    if found.is_some_and(|entry| entry.fingerprint == batch.fingerprint()) {
        return;
    }
    let fork = p.table.forks.get(&(base, batch.header.partition_leader_epoch));
    let excused = fork
        .is_some_and(|fork| fork.flags & EXCUSED != 0 && fork.fingerprint == batch.fingerprint());
    let given_up = p.losses.are_void(batch.header.partition_leader_epoch, base);
    if base >= p.exposed() || p.void.is_some() || excused || given_up {
        return; // the high-watermark checker's business, or nobody's
    }
    ledger.broken(Check::OneValue, p.about(), &|| {
        let epoch = batch.header.partition_leader_epoch;
        format!(
            "a consumer received batch {:016x} of epoch {epoch} at offset {base}; committed \
             there is {}",
            batch.fingerprint(),
            describe(found)
        )
    });
}

/// A follower says that its log is committed up to an offset.
pub(crate) fn follower_committed(p: &Partition, ledger: &mut Ledger, at: usize, upto: Offset) {
    let replica = &p.replicas[at];
    ledger.checked(Check::OneValue, 1);
    let upto = upto.min(p.exposed()).min(replica.log.end());
    if !replica.known || p.void.is_some() || replica.log.agrees(&p.committed, upto) {
        return;
    }
    let differs = replica.log.first_missing_in(&p.committed, upto).unwrap_or(upto - 1);
    if p.holds_lost(replica, differs) {
        return; // it, or its leader, has not heard of the next one (hunt seed 500247)
    }
    let is_older = replica.log.epoch_at(differs) < p.committed.epoch_at(differs);
    if !p.is_gapless && is_older {
        // a follower that gets only what compaction has left of an epoch takes it for younger than it is,
        // and as a leader lets others keep what they have in the gap before it (hunt seed 735732)
        return;
    }
    if differs < p.producers.forgotten_below {
        return; // deleted where it leads: what is left of it goes with the leader's log start
    }
    ledger.broken(Check::OneValue, p.about(), &|| {
        format!(
            "follower {} has high watermark {upto} or more, but at offset {differs} holds epoch \
             {:?} where epoch {:?} was committed",
            replica.node,
            replica.log.epoch_at(differs),
            p.committed.epoch_at(differs)
        )
    });
}

fn describe(entry: Option<&Entry>) -> String {
    entry.map_or_else(
        || "no batch that begins there".to_owned(),
        |entry| format!("batch {:016x} of epoch {}", entry.fingerprint, entry.epoch),
    )
}
