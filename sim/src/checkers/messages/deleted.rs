//! DeleteRecords takes what is committed, and no more (KIP-107): what is not may be committed yet, and acknowledged.

use super::{Says, Speaker};
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::protocol::{DeleteRecordsRequest, DeleteRecordsResponse};

/// "Up to the high watermark."
const ALL: Offset = -1;

/// A leader answers as it has deleted: its log and its high watermark are what they were then.
pub(super) fn answer(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    asked: &DeleteRecordsRequest,
    answer: &DeleteRecordsResponse,
) {
    for (part, (tp, before)) in answer.partitions.iter().zip(&asked.partitions) {
        let view = by.broker.replica_view(*tp).filter(|view| view.lead.is_some());
        if let Some(view) = view {
            partition(says, by.node, (&view, *before), *part);
        }
    }
}

fn partition(
    says: &mut Says<'_>,
    node: i32,
    (view, before): (&ReplicaView<'_>, Offset),
    (_, told, error): (TopicPartition, Offset, ErrorCode),
) {
    let (start, committed) = (view.log.log_start_offset(), view.high_watermark);
    match error {
        ErrorCode::None => {
            let due = if before == ALL { committed } else { before };
            says.rule(told == start && (due..=committed).contains(&told), &|| {
                format!(
                    "leader {node} is to delete what is before offset {before}, says that {told} is the first that \
                     is left, and has {start}; {committed} is its high watermark"
                )
            });
        }
        ErrorCode::OffsetOutOfRange => says.rule(before < ALL || before > committed, &|| {
            format!("leader {node} says that {before} is out of range; its high watermark is {committed}")
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{log, view};
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use crate::recorder::testing::tp;

    /// Of a log of offsets 0 to 29, of which 20 are committed.
    fn broken(before: Offset, (start, told): (Offset, Offset), error: ErrorCode) -> usize {
        let mut log = log();
        log.advance_log_start(start, &mut Vec::new());
        let (mut ledger, history) = (Ledger::default(), History::default());
        let mut says = Says { ledger: &mut ledger, label: "", history: &history, is_gapless: true };
        partition(&mut says, 1, (&view(&log), before), (tp(0), told, error));
        ledger.finish().1.len()
    }

    #[test]
    fn what_is_committed_goes_and_no_more() {
        assert_eq!(broken(ALL, (20, 20), ErrorCode::None), 0);
        assert_eq!(broken(15, (15, 15), ErrorCode::None), 0);
        assert_eq!(broken(5, (15, 15), ErrorCode::None), 0, "it had gone before");
        assert_eq!(broken(ALL, (30, 30), ErrorCode::None), 1, "it is not committed");
        assert_eq!(broken(ALL, (15, 15), ErrorCode::None), 1, "some is left");
        assert_eq!(broken(15, (0, 15), ErrorCode::None), 1, "it is still there");
    }

    #[test]
    fn what_is_committed_is_not_out_of_range() {
        let refused = ErrorCode::OffsetOutOfRange;
        assert_eq!([25, -2].map(|before| broken(before, (0, -1), refused)), [0, 0]);
        assert_eq!([20, ALL].map(|before| broken(before, (0, -1), refused)), [1, 1]);
    }
}
