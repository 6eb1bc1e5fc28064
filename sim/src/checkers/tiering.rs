//! Nothing leaves a local disk that is not in remote storage.

use super::ledger::{Check, Ledger, Promise};
use super::partition::{Partition, Replica};
use std::collections::BTreeMap;
use stormglass_broker_core::ids::{Offset, RemoteSegmentId};
use stormglass_broker_core::seam::RemoteSegment;

pub(crate) const PROMISE: Promise = Promise {
    name: "remote-before-local",
    text: "of a log with remote storage, no segment leaves a replica's disk before it is in remote \
           storage, unless the log begins above it",
};

/// What remote storage holds of a partition: first and last offsets.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    segments: BTreeMap<RemoteSegmentId, (Offset, Offset)>,
    /// Where the log starts, as far as any replica has said.
    pub(crate) log_start: Offset,
}

impl Stored {
    /// A copy was finished.
    pub(crate) fn add(&mut self, segment: &RemoteSegment) {
        self.segments.insert(segment.id, (segment.base, segment.end));
    }

    /// A segment was deleted.
    pub(crate) fn remove(&mut self, segment: &RemoteSegment) {
        self.segments.remove(&segment.id);
    }

    /// A replica's log starts here now.
    pub(crate) fn log_starts(&mut self, offset: Offset) {
        self.log_start = self.log_start.max(offset);
    }

    /// The first offset in `from..upto` that is not there.
    fn missing(&self, from: Offset, upto: Offset) -> Option<Offset> {
        let mut next = from;
        while next < upto {
            let holds = |range: &&(Offset, Offset)| (range.0..=range.1).contains(&next);
            let ends = self.segments.values().filter(holds).map(|(_, end)| *end);
            match ends.max() {
                Some(end) => next = end + 1,
                None => return Some(next),
            }
        }
        None
    }
}

/// A replica deleted local segments: its disk begins at `offset` now.
pub(crate) fn deleted(p: &Partition, ledger: &mut Ledger, node: i32, offset: Offset) {
    ledger.checked(Check::Tiering, 1);
    let Some(missing) = p.stored.missing(p.stored.log_start, offset) else { return };
    // Who was elected out of sync deletes remote segments of the history that it ended; a replica of that
    // history may not have heard of it yet (hunt seed 4100042).
    let holds_lost = |replica: &Replica| replica.node == node && p.holds_lost(replica, missing);
    if p.void.is_some() || p.replicas.iter().any(holds_lost) {
        return;
    }
    ledger.broken(Check::Tiering, p.about(), &|| {
        format!(
            "replica {node} deletes what is below {offset} from its disk, but offset {missing} is not \
             in remote storage, and the log starts at {}",
            p.stored.log_start
        )
    });
}
