//! After healing, everything committed reaches every group, and the cluster is whole again.

use super::final_state::{FinalPartition, FinalState};
use super::history::{History, nodes};
use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{NodeId, Offset};

pub(crate) const PROMISE: Promise = Promise {
    name: "everything-consumed",
    text: "after heal and drain every partition has a leader and all replicas in sync, and every \
           running group has received every record below the high watermark, without holes, and \
           producers are answered",
};

/// Holes of one reader that are remembered.
const HOLES_MAX: usize = 256;

/// A consumer group that reads a partition.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// Index into the plan.
    pub(crate) group: usize,
    /// Offset after the highest one delivered; at first the position found.
    pub(crate) reached: Option<Offset>,
    /// Where its next batch is in the table.
    pub(crate) hint: u64,
    /// Position that was last acknowledged as committed, and when, ns.
    pub(crate) committed: Option<(Offset, u64)>,
    /// When one was acknowledged first, ns.
    pub(crate) first_committed_ns: Option<u64>,
    /// Positions whose commit was sent and not acknowledged, and how often.
    pub(crate) in_doubt: BTreeMap<Offset, u32>,
    /// The log was cut, or the position reset, below what was committed, or sent to be: positions may go back.
    pub(crate) fell_back: bool,
    /// Offsets that were jumped over, `from..to`.
    holes: Vec<(Offset, Offset)>,
}

impl Reader {
    pub(crate) fn new(group: usize) -> Self {
        Self { group, ..Self::default() }
    }

    /// A position to begin with. A member that comes back before its group has committed anything
    /// begins where the reset policy says: what lies between is given up on purpose. So does one
    /// whose commit was lost where Kafka does not promise to keep it (`void`).
    pub(crate) fn found(&mut self, offset: Offset, committed: bool, void: bool) {
        if !committed && (void || self.committed.is_none()) {
            return self.reset(offset);
        }
        self.reached.get_or_insert(offset);
    }

    /// The position was moved by a reset policy: what lies between is given up on purpose.
    pub(crate) fn reset(&mut self, to: Offset) {
        self.reached = Some(self.reached.map_or(to, |reached| reached.max(to)));
        self.falls_back(to);
    }

    /// A commit that is on its way may be acknowledged yet, and before those of lower positions that follow (hunt
    /// seed 21008231).
    fn falls_back(&mut self, to: Offset) {
        let committed = self.committed.map(|(offset, _)| offset);
        let sent = self.in_doubt.last_key_value().map(|(offset, _)| *offset);
        self.fell_back |= committed.max(sent).is_some_and(|highest| to < highest);
    }

    /// The log was cut below the position. A leader that does not know where says `-1`, as one does which has
    /// not heard that it leads no longer (hunt seed 894291): then the reset policy says where to go on.
    pub(crate) fn truncated(&mut self, to: Offset) {
        if to < 0 {
            return;
        }
        self.falls_back(to);
        self.reached = Some(self.reached.map_or(to, |reached| reached.min(to)));
    }

    /// Records `from..to` were delivered.
    pub(crate) fn delivered(&mut self, from: Offset, to: Offset) {
        let reached = self.reached.unwrap_or(from);
        if from > reached && self.holes.len() < HOLES_MAX {
            self.holes.push((reached, from));
        }
        self.reached = Some(reached.max(to));
        if from < reached && !self.holes.is_empty() {
            self.fill(from, to);
        }
    }

    fn fill(&mut self, from: Offset, to: Offset) {
        let rest = self.holes.iter().flat_map(|&(start, end)| {
            [(start, end.min(from)), (start.max(to), end)]
                .into_iter()
                .filter(|(start, end)| start < end)
        });
        let mut rest: Vec<(Offset, Offset)> = rest.collect();
        rest.dedup();
        self.holes = rest;
    }

    /// First offset that is missing in `start..end`. After an unclean election only the end counts:
    /// whoever has read what it gave up goes on behind, whatever is there now (hunt seed 72070).
    fn missing(&self, start: Offset, end: Offset, was_unclean: bool) -> Option<Offset> {
        let hole = self.holes.iter().find(|(_, to)| *to > start).map(|(from, _)| *from.max(&start));
        let hole = hole.filter(|_| !was_unclean);
        let tail = self.reached.map_or(start, |reached| reached.max(start));
        hole.or((tail < end).then_some(tail))
    }
}

/// The partition's part of the promise. `waits_for_ever`: groups that an open transaction may hold (hunt seed
/// 110757), or whose members leave the partition alone.
pub(crate) fn check_final(
    p: &Partition,
    ledger: &mut Ledger,
    (state, last): (&FinalState<'_>, &FinalPartition<'_>),
    waits_for_ever: impl Fn(usize) -> bool,
) {
    let waits = || waiting(state, &p.label);
    ledger.checked(Check::Consumed, 2);
    let comes_up = |id: &NodeId| state.coming_up.contains(id);
    let Some(leader) = last.leader else {
        if !last.isr.is_empty() && last.isr.iter().all(comes_up) {
            return; // nobody else may lead
        }
        return ledger.broken(Check::Consumed, p.about(), &|| {
            format!("{} has no leader at the end{}", p.label, waits())
        });
    };
    // a node that still loads its logs has had no time (tiered-catch-up, seed 108)
    if last.replicas.iter().any(|id| !last.isr.contains(id) && !comes_up(id)) {
        ledger.broken(Check::Consumed, p.about(), &|| {
            format!(
                "{}, led by {leader}, has replicas {} but only {} in sync at the end{}",
                p.label,
                nodes(&last.replicas),
                nodes(&last.isr),
                waits()
            )
        });
    }
    let start = last.log.map_or(0, |log| log.log_start());
    for reader in &p.readers {
        let is_running = state.running.get(reader.group).copied().unwrap_or(true);
        if !is_running || waits_for_ever(reader.group) {
            continue;
        }
        ledger.checked(Check::Consumed, 1);
        // what was committed in the last seconds may still be under way
        let mut due = p.due.map_or(last.high_watermark, |due| due.min(last.high_watermark));
        // Whoever is held at a quota gets there later, but jumps over nothing. A quota may stay longer than planned: the
        // administrator that is to take it away waits for its own, minutes after a batch that is too large (hunt seed
        // 9016096).
        if state.is_throttled(reader.group, &last.replicas) {
            due = due.min(reader.reached.unwrap_or(start));
        }
        let Some(missing) = reader.missing(start, due, p.was_unclean()) else { continue };
        ledger.broken(Check::Consumed, p.about(), &|| {
            let group = state.groups.get(reader.group).map_or("?", String::as_str);
            format!(
                "group {group} has not received offset {missing} of {}, whose log begins at {start} \
                 and is committed up to {}; the group got as far as {}{}",
                p.label,
                last.high_watermark,
                reader.reached.map_or("nowhere".to_owned(), |offset| offset.to_string()),
                waits()
            )
        });
    }
}

/// Producers that wait in vain: the cluster is healed, so acknowledgements must come.
pub(crate) fn check_producers(ledger: &mut Ledger, state: &FinalState<'_>) {
    ledger.checked(Check::Consumed, 1);
    let Some(first) = state.stuck.first() else { return };
    ledger.broken(Check::Consumed, ("", &History::default()), &|| {
        let waits = waiting(state, "a producer");
        format!("{first}, although every fault is over{waits}")
    });
}

/// Who waits for whom, as the world says.
fn waiting(state: &FinalState<'_>, label: &str) -> String {
    let about_it = state.notes.iter().filter(|note| note.contains(label));
    let general = state.notes.iter().filter(|note| !note.contains(label));
    let notes: Vec<&str> = about_it.chain(general).take(6).map(String::as_str).collect();
    if notes.is_empty() {
        String::new()
    } else {
        format!("\n  waits: {}", notes.join("\n  waits: "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_found_and_filled() {
        let mut reader = Reader::new(0);
        reader.found(5, false, false);
        reader.delivered(5, 10);
        reader.delivered(20, 30);
        assert_eq!(reader.missing(0, 30, false), Some(10));
        assert_eq!((reader.missing(0, 30, true), reader.missing(0, 31, true)), (None, Some(30)));
        assert_eq!(reader.missing(25, 30, false), None);
        reader.delivered(12, 20);
        assert_eq!(reader.missing(0, 30, false), Some(10));
        reader.delivered(10, 12);
        assert_eq!((reader.missing(0, 30, false), reader.missing(0, 31, false)), (None, Some(30)));
    }

    #[test]
    fn a_cut_that_nobody_knows_goes_nowhere() {
        let mut reader = Reader::new(0);
        reader.delivered(0, 60);
        reader.truncated(-1);
        reader.reset(20);
        reader.found(60, true, false);
        reader.delivered(60, 70);
        assert_eq!(reader.missing(0, 70, false), None);
    }

    #[test]
    fn a_second_delivery_and_a_reset_leave_no_hole() {
        let mut reader = Reader::new(0);
        reader.delivered(0, 10);
        reader.delivered(4, 10);
        reader.reset(50);
        reader.delivered(50, 60);
        assert_eq!(reader.missing(0, 60, false), None);
        reader.truncated(55);
        assert_eq!(reader.missing(0, 60, false), Some(55));
        reader.found(58, false, false);
        assert_eq!(reader.missing(0, 60, false), Some(58), "nothing was committed");
        reader.committed = Some((55, 0));
        reader.found(60, false, false);
        assert_eq!(reader.missing(0, 60, false), Some(58), "a lost commit is no reset");
        reader.found(60, false, true);
        assert_eq!(
            reader.missing(0, 60, false),
            None,
            "unless positions may be gone (hunt seed 20286)"
        );
    }
}
