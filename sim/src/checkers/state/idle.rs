//! Producers that were idle for too long are forgotten. Who is forgotten too soon is seen where a log's producers
//! are compared with its batches.

use super::replicas::{Of, check};
use crate::checkers::ledger::Ledger;
use crate::checkers::partition::Partition;
use stormglass_broker_core::inspect::ProducerView;

/// What a look for idle producers is given beyond its interval, ms.
const SLACK_MS: i64 = 3_000;

/// What holds once the cluster has healed, where no clock is wrong. `check_ms`:
/// `producer.id.expiration.check.interval.ms`.
pub(crate) fn forgotten(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    check_ms: i64,
) {
    let kept_ms = replica.log.config().producer_expiration_ms.saturating_add(check_ms);
    let now_ms = ledger.wall_ms(ledger.now_ns);
    let producers = replica.log.producer_views();
    let idle = producers.iter().find(|producer| is_overdue(producer, now_ms, kept_ms));
    check(p, ledger, idle.is_none(), &|| {
        format!(
            "replica {node} still knows {idle:?}, of which it should have known for {kept_ms} ms; it is \
             {now_ms} ms now"
        )
    });
}

fn is_overdue(producer: &ProducerView, now_ms: i64, kept_ms: i64) -> bool {
    !producer.is_open && now_ms.saturating_sub(producer.last_ms) > kept_ms.saturating_add(SLACK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_idle_for_too_long_is_forgotten_unless_it_has_a_transaction() {
        let producer = |last_ms, is_open| ProducerView {
            id: 7,
            epoch: 0,
            batches: 1,
            newest: Some((3, 9)),
            last_ms,
            is_open,
        };
        assert!(!is_overdue(&producer(10_000, false), 38_000, 25_000), "it may be looked at soon");
        assert!(is_overdue(&producer(9_999, false), 38_000, 25_000));
        assert!(!is_overdue(&producer(0, true), 38_000, 25_000));
    }
}
