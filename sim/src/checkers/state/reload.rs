//! A log that is loaded from its disk, as if its process had ended now, is the log that there is: what a
//! restart forgets is wrong however right it is in memory. Leaves out what the batches say by
//! themselves, which is looked at where logs are compared with those.

use super::logs::BYTES_MAX;
use super::replicas::Of;
use crate::checkers::ledger::{Check, Ledger};
use crate::checkers::partition::Partition;
use std::collections::BTreeMap;
use stormglass_broker_core::inspect::ProducerView;
use stormglass_broker_core::log::{EpochEntry, Log, Recover};
use stormglass_broker_core::seam::DiskImage;

/// Compares a log with what a process that starts now would load. No append may be in flight. Left out:
/// logs of which a replica was cut below its high watermark, as in `logs::rebuilt`, and those that are
/// in remote storage in part.
pub(crate) fn same(
    p: &Partition,
    ledger: &mut Ledger,
    Of { node, replica }: Of<'_>,
    disk: &dyn DiskImage,
) {
    let log = replica.log;
    let is_cut = p.replicas.iter().any(|known| known.cut_deep);
    if is_cut || log.size_bytes() > BYTES_MAX || log.is_tiered() {
        return;
    }
    let boot = Recover {
        recovery_point: log.recovery_point(),
        log_start_offset: log.log_start_offset(),
        ..Recover::default()
    };
    let (loaded, _) = Log::recover(replica.tp, *log.config(), disk, boot, &mut Vec::new());
    let young_ms = ledger.wall_ms(ledger.now_ns) - log.config().producer_expiration_ms;
    let mut says = |holds: bool, seen: &dyn Fn() -> String| {
        ledger.checked(Check::Logs, 1);
        if !holds {
            ledger.broken(Check::Logs, p.about(), &|| {
                format!("replica {node}, loaded anew: {}", seen())
            });
        }
    };
    let (known, again) = (log.producer_views(), loaded.producer_views());
    let differs = forgotten(&known, &again, p.is_gapless, &|producer| {
        was_idle(producer, loaded.newest_batch_ms(producer.id), young_ms)
    });
    says(differs.is_none(), &|| {
        format!("producer {differs:?} (in memory, then loaded) is another one")
    });
    let ends = (log.log_start_offset(), log.next_offset());
    let again = (loaded.log_start_offset(), loaded.next_offset());
    says(ends == again, &|| format!("it goes from {again:?} (start, end), it did from {ends:?}"));
    let markers = |log: &Log| -> BTreeMap<i64, i32> {
        log.active_producers().iter().map(|of| (of.id, of.coordinator_epoch)).collect()
    };
    let (known, again) = (markers(log), markers(&loaded));
    let differs = known.iter().find(|(id, epoch)| again.get(*id).is_some_and(|of| of < *epoch));
    says(!p.is_gapless || differs.is_none(), &|| {
        format!("a marker of an older coordinator would be taken: {differs:?} (producer, epoch)")
    });
    if !p.is_gapless {
        return; // what compaction has taken, nobody finds again
    }
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    // an epoch without a record is told again by the leader
    let begun = |entry: &&EpochEntry| entry.start_offset < end;
    let known: Vec<_> = log.epoch_entries().iter().filter(begun).collect();
    let again: Vec<_> = loaded.epoch_entries().iter().filter(begun).collect();
    says(known == again, &|| format!("epochs are {again:?}, they were {known:?}"));
    let known = log.aborted_transactions(start, end);
    let again = loaded.aborted_transactions(start, end);
    says(known == again, &|| {
        format!("{} transactions were aborted, there were {}", again.len(), known.len())
    });
}

/// A producer that is not the same once it is loaded. Of a compacted log older batches are gone, and may be
/// remembered all the same; older ones of who was idle for too long are forgotten, and may be found: all of them
/// where a late marker has made it known again (`was_idle`).
fn forgotten(
    known: &[ProducerView],
    loaded: &[ProducerView],
    is_gapless: bool,
    was_idle: &dyn Fn(&ProducerView) -> bool,
) -> Option<(ProducerView, Option<ProducerView>)> {
    let loaded: BTreeMap<i64, ProducerView> = loaded.iter().map(|view| (view.id, *view)).collect();
    let is_same = |known: &ProducerView| {
        let again = loaded.get(&known.id);
        match is_gapless {
            true => again.is_some_and(|again| {
                let is_back = known.batches == 0 && was_idle(again);
                let newest = if is_back { None } else { again.newest };
                again.batches >= known.batches
                    && *known == ProducerView { batches: known.batches, newest, ..*again }
            }),
            false => known.newest.is_none() || again.is_some_and(|a| a.newest == known.newest),
        }
    };
    let differs = known.iter().find(|known| !is_same(known))?;
    Some((*differs, loaded.get(&differs.id).copied()))
}

/// Whether a producer with batches up to `newest_ms` may have been forgotten before its newest marker, which makes it
/// known again without them (hunt seed 13002530), as in Kafka. Who wrote after `young_ms` was not idle for long enough.
fn was_idle(loaded: &ProducerView, newest_ms: Option<i64>, young_ms: i64) -> bool {
    newest_ms.is_some_and(|newest_ms| newest_ms <= young_ms && newest_ms < loaded.last_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn producer(id: i64, batches: usize, newest: Option<(i32, i64)>) -> ProducerView {
        ProducerView { id, epoch: 0, batches, newest, last_ms: 0, is_open: false }
    }

    #[test]
    fn a_producer_that_is_not_found_again_is_seen() {
        let forgotten = |known: &[ProducerView], again: &[ProducerView], is_gapless| {
            forgotten(known, again, is_gapless, &|_| true)
        };
        let known = [producer(1, 2, Some((9, 19))), producer(2, 1, Some((4, 24)))];
        assert_eq!(forgotten(&known, &known, true), None);
        let lost = forgotten(&known, &known[..1], true);
        assert_eq!(lost, Some((known[1], None)));
        assert_eq!(forgotten(&known, &known[..1], false), lost);
        let fewer = [producer(1, 1, Some((9, 19))), known[1]];
        assert_eq!(forgotten(&known, &fewer, false), None, "older batches may be compacted away");
        assert_eq!(forgotten(&known, &fewer, true), Some((known[0], Some(fewer[0]))));
        let more = [producer(1, 3, Some((9, 19))), known[1]];
        assert_eq!(forgotten(&known, &more, true), None, "it was idle for too long before");
        let newer = [known[0], known[1], producer(3, 1, Some((0, 29)))];
        assert_eq!(forgotten(&known, &newer, true), None, "memory may know fewer");
    }

    #[test]
    fn a_late_marker_makes_an_idle_producer_known_without_its_batches() {
        let known = producer(1, 0, None);
        let seen = |known: ProducerView, again: ProducerView, is_idle: bool| {
            forgotten(&[known], &[again], true, &|_| is_idle).is_some()
        };
        let again = producer(1, 5, Some((9, 19)));
        assert!(!seen(known, again, true));
        assert!(seen(known, again, false), "it was not idle");
        assert!(seen(producer(1, 1, Some((4, 9))), again, true), "older batches only");
        assert!(seen(known, ProducerView { last_ms: 1, ..again }, true), "of another marker");
        assert!(seen(known, ProducerView { epoch: 1, ..again }, true));
    }

    #[test]
    fn who_was_idle_wrote_long_ago_and_has_a_marker_since() {
        let loaded = ProducerView { last_ms: 900, ..producer(1, 5, Some((9, 19))) };
        assert!(was_idle(&loaded, Some(500), 500));
        assert!(!was_idle(&loaded, Some(501), 500), "it wrote after that");
        assert!(!was_idle(&loaded, Some(900), 1_000), "no marker has come");
        assert!(!was_idle(&loaded, None, 500), "it has no batch");
    }
}
