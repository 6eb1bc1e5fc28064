//! Logs that are to be made: a topic may have ten thousand partitions, and a node that made all their
//! directories at once would answer nobody meanwhile, on a busy volume for longer than the quorum waits
//! for it. A few are made between other events; a log that is needed sooner is made at once.

use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::seam::{DiskOp, DiskOpKind, FileName};

/// The first operations of logs, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Creations {
    order: VecDeque<TopicPartition>,
    by_log: FxHashMap<TopicPartition, Vec<DiskOp>>,
}

impl Creations {
    pub(super) fn is_empty(&self) -> bool {
        self.by_log.is_empty()
    }

    /// Takes an operation that can wait, or gives it back.
    pub(super) fn defer(&mut self, op: DiskOp) -> Result<(), DiskOp> {
        match &op.kind {
            DiskOpKind::CreateLog { tp, .. } => {
                let tp = *tp;
                self.order.push_back(tp);
                self.by_log.entry(tp).or_default().push(op);
                Ok(())
            }
            DiskOpKind::WriteFile { file: FileName::LeaderEpochs(tp), .. } => {
                match self.by_log.get_mut(tp) {
                    Some(ops) => {
                        ops.push(op);
                        Ok(())
                    }
                    None => Err(op),
                }
            }
            _ => Err(op),
        }
    }

    /// What must be done before that operation, which is of the same log.
    pub(super) fn before(&mut self, kind: &DiskOpKind) -> Vec<DiskOp> {
        if self.is_empty() {
            return Vec::new();
        }
        let of_log = log_of(kind).and_then(|tp| self.by_log.remove(&tp)).unwrap_or_default();
        let DiskOpKind::Read { ranges, .. } = kind else { return of_log };
        ranges.iter().filter_map(|range| self.by_log.remove(&range.tp)).flatten().collect()
    }

    /// The operations of the log that has waited longest.
    pub(super) fn pop(&mut self) -> Option<Vec<DiskOp>> {
        loop {
            // those that could not wait are gone
            let tp = self.order.pop_front()?;
            if let Some(ops) = self.by_log.remove(&tp) {
                return Some(ops);
            }
        }
    }
}

fn log_of(kind: &DiskOpKind) -> Option<TopicPartition> {
    match kind {
        DiskOpKind::CreateLog { tp, .. }
        | DiskOpKind::Append { tp, .. }
        | DiskOpKind::FindTimestamp { tp, .. }
        | DiskOpKind::Sync { tp, .. }
        | DiskOpKind::Truncate { tp, .. }
        | DiskOpKind::DeleteSegments { tp, .. }
        | DiskOpKind::AppendCleaned { tp, .. }
        | DiskOpKind::SyncCleaned { tp, .. }
        | DiskOpKind::ReplaceSegments { tp, .. }
        | DiskOpKind::DropCleaned { tp }
        | DiskOpKind::DeleteLog { tp }
        | DiskOpKind::SetLogAside { tp } => Some(*tp),
        DiskOpKind::WriteFile { file, .. }
        | DiskOpKind::ReadFile { file }
        | DiskOpKind::DeleteFile { file } => match file {
            FileName::LeaderEpochs(tp)
            | FileName::ProducerSnapshot(tp, _)
            | FileName::TransactionIndex(tp, _) => Some(*tp),
            _ => None,
        },
        DiskOpKind::Read { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use stormglass_broker_core::ids::{DiskOpId, TopicId};

    const fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new(TopicId(7), partition)
    }

    fn create(id: u64, partition: i32) -> DiskOp {
        let kind = DiskOpKind::CreateLog { tp: tp(partition), topic: "orders".into() };
        DiskOp { id: DiskOpId(id), kind }
    }

    fn epochs(id: u64, partition: i32) -> DiskOp {
        let file = FileName::LeaderEpochs(tp(partition));
        DiskOp { id: DiskOpId(id), kind: DiskOpKind::WriteFile { file, bytes: Bytes::new() } }
    }

    fn ids(ops: &[DiskOp]) -> Vec<u64> {
        ops.iter().map(|op| op.id.0).collect()
    }

    #[test]
    fn logs_are_made_in_order_and_before_what_needs_them() {
        let mut creations = Creations::default();
        assert!(creations.defer(epochs(0, 1)).is_err(), "nothing is made of that log");
        for (id, partition) in [(1, 1), (2, 2), (3, 3)] {
            creations.defer(create(id, partition)).unwrap();
        }
        creations.defer(epochs(4, 2)).unwrap();
        let truncate = DiskOpKind::Truncate { tp: tp(2), to: 0 };
        assert_eq!(ids(&creations.before(&truncate)), [2, 4]);
        assert!(creations.before(&truncate).is_empty(), "once");
        assert!(creations.before(&DiskOpKind::DeleteLog { tp: tp(9) }).is_empty());
        assert_eq!(ids(&creations.pop().unwrap()), [1]);
        assert_eq!(ids(&creations.pop().unwrap()), [3]);
        assert!(creations.pop().is_none() && creations.is_empty());
    }
}
