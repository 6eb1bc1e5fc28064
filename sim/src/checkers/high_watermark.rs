//! High watermarks only rise, and nothing above them is shown.

use super::ledger::{Check, Ledger, Promise};
use super::partition::Partition;
use stormglass_broker_core::ids::{LeaderEpoch, Offset};

pub(crate) const PROMISE: Promise = Promise {
    name: "high-watermark-monotone",
    text: "a leader's high watermark never falls within its epoch and never passes its log end, \
           followers and consumers never go beyond what a leader has committed, and the last \
           leader's ends at or above every earlier one's",
};

/// A leader's high watermark moved.
pub(crate) fn leader_moved(
    p: &mut Partition,
    ledger: &mut Ledger,
    at: usize,
    (epoch, offset): (LeaderEpoch, Offset),
) {
    ledger.checked(Check::HighWatermark, 1);
    let replica = &mut p.replicas[at];
    let (last_epoch, last) = std::mem::replace(&mut replica.high_watermark, (epoch, offset));
    let (node, end, known) = (replica.node, replica.log.end(), replica.known);
    if last_epoch == epoch && offset < last {
        ledger.broken(Check::HighWatermark, p.about(), &|| {
            format!("leader {node} moves its high watermark back from {last} to {offset} in epoch {epoch}")
        });
    }
    if p.has_isr() && known && offset > end {
        ledger.broken(Check::HighWatermark, p.about(), &|| {
            format!("leader {node} has high watermark {offset}, but its log ends at {end}")
        });
    }
}

/// A follower's high watermark moved.
pub(crate) fn follower_moved(p: &Partition, ledger: &mut Ledger, at: usize, offset: Offset) {
    if !p.has_isr() || p.void.is_some() || p.committed.is_empty() {
        return;
    }
    ledger.checked(Check::HighWatermark, 1);
    let replica = &p.replicas[at];
    let (node, end) = (replica.node, replica.log.end());
    if replica.known && offset > end {
        ledger.broken(Check::HighWatermark, p.about(), &|| {
            format!("follower {node} has high watermark {offset}, but its log ends at {end}")
        });
    }
    if offset > p.shown {
        beyond(p, ledger, &format!("follower {node} has high watermark {offset}"));
    }
}

/// A consumer received records below `next`.
pub(crate) fn delivered(p: &Partition, ledger: &mut Ledger, next: Offset) {
    if !p.has_isr() || p.void.is_some() || p.committed.is_empty() {
        return;
    }
    ledger.checked(Check::HighWatermark, 1);
    if next > p.shown {
        beyond(p, ledger, &format!("a consumer received offset {}", next - 1));
    }
}

fn beyond(p: &Partition, ledger: &mut Ledger, what: &str) {
    ledger.broken(Check::HighWatermark, p.about(), &|| {
        format!("{what}, but no leader has committed anything from offset {} on", p.shown)
    });
}

/// The run is over.
pub(crate) fn check_final(p: &Partition, ledger: &mut Ledger, high_watermark: Offset) {
    ledger.checked(Check::HighWatermark, 1);
    if high_watermark < p.exposed() && p.void.is_none() {
        ledger.broken(Check::HighWatermark, p.about(), &|| {
            format!(
                "the final high watermark is {high_watermark}, but {} was shown before",
                p.exposed()
            )
        });
    }
}
