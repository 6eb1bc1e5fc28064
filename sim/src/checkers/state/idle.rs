//! Producers that were idle for too long are forgotten. Who is forgotten too soon is seen where a log's producers
//! are compared with its batches.

use super::replicas::{Of, check};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use std::collections::BTreeMap;
use stormglass_broker_core::inspect::ProducerView;
use stormglass_broker_core::records::BatchHeader;

/// What a look for idle producers is given beyond its interval, ms.
const SLACK_MS: i64 = 3_000;

/// What is younger than this when a replica takes it does not put off when its producer is forgotten, ms: hunts keep
/// producers for longer, and the slack is longer than this where they are kept for less.
const LATE_MS: i64 = 1_000;

/// When a replica last took what a producer had written long before, ms since 1970. Whoever copies such a batch learns
/// of its producer however long that was idle (`ProducerStateManager.update`): a replica that is new to a partition
/// copies them all (hunt seed 30001195), and one whose process starts reads them back from its disk. From a snapshot in
/// remote storage it learns of nobody who is idle for too long (`ProducerStateManager.loadFromSnapshot`).
#[derive(Debug, Default)]
pub(crate) struct TakenLate {
    /// By producer id, what it has appended.
    appended_ms: BTreeMap<i64, i64>,
    /// All that its log had when that was loaded last, whoever has written it.
    loaded_ms: Option<i64>,
}

impl TakenLate {
    /// The replica has a batch or marker since now.
    pub(crate) fn appended(&mut self, header: &BatchHeader, now_ms: i64) {
        if header.has_producer_id() && now_ms.saturating_sub(header.max_timestamp) > LATE_MS {
            self.appended_ms.insert(header.producer_id, now_ms);
        }
    }

    /// The replica's process starts. It looks for who is idle once it goes by metadata, and when it has run for the
    /// interval.
    pub(crate) fn loaded(&mut self, now_ms: i64) {
        self.appended_ms.clear();
        self.loaded_ms = Some(now_ms);
    }

    /// From when a producer that a replica knows is idle for too long.
    fn idle_from(&self, producer: &ProducerView, expiration_ms: i64) -> i64 {
        let idle_ms = producer.last_ms.saturating_add(expiration_ms);
        let taken_ms = self.appended_ms.get(&producer.id).copied().max(self.loaded_ms);
        taken_ms.map_or(idle_ms, |taken_ms| idle_ms.max(taken_ms))
    }
}

/// What holds once the cluster has healed, where no clock is wrong. `check_ms`:
/// `producer.id.expiration.check.interval.ms`.
pub(crate) fn forgotten(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    check_ms: i64,
) {
    let known = p.replicas.iter().find(|known| known.node == node);
    let Some(known) = known.filter(|_| !replica.log.has_in_flight()) else {
        return; // of what is on its way to its disk it knows already, and says so when it is there
    };
    let expiration_ms = replica.log.config().producer_expiration_ms;
    let kept_ms = expiration_ms.saturating_add(check_ms);
    let now_ms = ledger.wall_ms(ledger.now_ns);
    let producers = replica.log.producer_views();
    let idle = producers.iter().find(|producer| {
        let idle_from = known.taken_late.idle_from(producer, expiration_ms);
        is_overdue(producer, now_ms, idle_from.saturating_add(check_ms))
    });
    check(p, ledger, idle.is_none(), &|| {
        format!(
            "replica {node} still knows {idle:?}, of which it should have known for {kept_ms} ms; it is \
             {now_ms} ms now"
        )
    });
}

/// `due_ms`: until when it is looked at after it was idle for too long.
fn is_overdue(producer: &ProducerView, now_ms: i64, due_ms: i64) -> bool {
    !producer.is_open && now_ms > due_ms.saturating_add(SLACK_MS)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{LOG, log, view};
    use super::*;
    use crate::checkers::Checkers;
    use crate::recorder::testing::{batch, plan, tp};
    use stormglass_broker_core::records::Records;
    use stormglass_broker_core::seam::TraceEvent;

    fn producer(last_ms: i64, is_open: bool) -> ProducerView {
        ProducerView { id: 7, epoch: 0, batches: 1, newest: Some((3, 9)), last_ms, is_open }
    }

    #[test]
    fn who_is_idle_for_too_long_is_forgotten_unless_it_has_a_transaction() {
        let is_overdue = |last_ms, is_open| {
            let producer = producer(last_ms, is_open);
            let idle_from = TakenLate::default().idle_from(&producer, 20_000);
            is_overdue(&producer, 38_000, idle_from + 5_000)
        };
        assert!(!is_overdue(10_000, false), "it may be looked at soon");
        assert!(is_overdue(9_999, false));
        assert!(!is_overdue(0, true));
    }

    #[test]
    fn who_is_learned_of_late_is_forgotten_with_the_next_look() {
        let header = |max_timestamp| {
            let mut header = batch(0, 10, 1).header;
            (header.producer_id, header.max_timestamp) = (7, max_timestamp);
            header
        };
        let mut late = TakenLate::default();
        late.appended(&header(8_000), 9_000);
        assert!(late.appended_ms.is_empty(), "as it was written");
        late.appended(&header(8_000), 37_000);
        assert_eq!(late.idle_from(&producer(8_000, false), 20_000), 37_000);
        assert_eq!(late.idle_from(&producer(30_000, false), 20_000), 50_000, "it wrote again");
        let other = ProducerView { id: 8, ..producer(8_000, false) };
        assert_eq!(late.idle_from(&other, 20_000), 28_000);
        late.loaded(60_000);
        assert_eq!(late.idle_from(&other, 20_000), 60_000, "it was read back");
        assert_eq!(late.idle_from(&producer(50_000, false), 20_000), 70_000);
        late.appended(&header(8_000), 65_000);
        assert_eq!(late.idle_from(&producer(8_000, false), 20_000), 65_000);
    }

    /// Accounts of a replica at 60 s that has copied a batch of 1970 at `taken_ns`.
    fn seen(taken_ns: u64) -> usize {
        let mut checkers = Checkers::new(&plan());
        let records = Records::new(vec![batch(0, 10, 1)]);
        checkers.trace(taken_ns, 1, &TraceEvent::FollowerAppended { tp: tp(0), records });
        let at = checkers.partition(tp(0));
        let (p, ledger) = (&checkers.partitions[at], &mut checkers.ledger);
        ledger.now_ns = 60_000_000_000;
        forgotten(p, ledger, Of { node: 1, replica: &view(&log(&LOG)) }, 2_000);
        checkers.finish().violations.len()
    }

    #[test]
    fn who_copies_old_batches_may_know_their_producers_until_it_looks() {
        assert_eq!(seen(55_000_000_000), 0, "hunt seed 30001195");
        assert_eq!(seen(54_999_000_000), 1, "it has looked meanwhile");
    }
}
