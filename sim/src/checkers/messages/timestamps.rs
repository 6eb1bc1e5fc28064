//! Lookups by time: the offset that is named is that of the first record which is young enough, of all that
//! could be read when somebody asked. Of logs with remote storage it is known only that there is one. Leaves out logs
//! that are compacted meanwhile.

use super::{Says, Speaker};
use std::sync::Arc;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::protocol::{
    IsolationLevel, ListOffsetsPartitionResponse, ListOffsetsRequest, OffsetSpec,
};
use stormglass_broker_core::records::Batch;

/// What can be read of a partition that is asked about by time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visible {
    tp: TopicPartition,
    start: Offset,
    end: Offset,
    /// Nothing is beyond.
    is_all: bool,
    /// Where the batch ends whose time is the newest that the log knows, deleted records and all.
    newest_at: Offset,
}

/// What can be read now of each partition that is asked about by time.
pub(super) fn visible(broker: &Broker, asked: &ListOffsetsRequest) -> Vec<Visible> {
    let by_time = asked.partitions.iter().filter(|(.., spec)| is_by_time(*spec));
    let end = |(tp, ..): &(TopicPartition, i32, OffsetSpec)| {
        let view = broker.replica_view(*tp)?;
        let end = match asked.isolation {
            IsolationLevel::ReadUncommitted => view.high_watermark,
            IsolationLevel::ReadCommitted => view.log.last_stable_offset(view.high_watermark),
        };
        let (start, is_all) = (view.log.log_start_offset(), end == view.log.next_offset());
        let (_, newest_at) = view.log.max_timestamp();
        Some(Visible { tp: *tp, start, end, is_all, newest_at })
    };
    by_time.filter_map(end).collect()
}

pub(super) fn is_by_time(spec: OffsetSpec) -> bool {
    matches!(spec, OffsetSpec::Timestamp(_) | OffsetSpec::MaxTimestamp)
}

/// A partition of ListOffsets. `visible`: what [`visible`] said when it was asked for. `has_lost`: it has been
/// cut below its high watermark, and may remember a newest time that is there no more (hunt seed 1802954).
pub(super) fn answer(
    says: &mut Says<'_>,
    by: Speaker<'_>,
    (asked, visible, has_lost): (&ListOffsetsRequest, &[Visible], bool),
    part: &ListOffsetsPartitionResponse,
) {
    let Some(visible) = visible.iter().find(|visible| visible.tp == part.tp) else { return };
    let Some((.., spec)) = asked.partitions.iter().find(|(tp, ..)| *tp == part.tp) else { return };
    says.rule(begins_before(*visible, *spec, part), &|| {
        format!(
            "broker {} finds a timestamp at {}, its log began at {} when it was asked",
            by.node, part.offset, visible.start
        )
    });
    let Some(view) = by.broker.replica_view(part.tp).filter(|view| view.lead.is_some()) else {
        return;
    };
    let start = view.log.log_start_offset();
    if part.error.is_ok() && view.log.is_tiered() {
        let local = start.max(view.log.local_log_start_offset());
        let batches = by.disk.batches(part.tp, &(local..visible.end.max(local)));
        finds_one(says, by.node, (*spec, part), &batches);
    } else if part.error.is_ok() && says.is_gapless {
        let batches = by.disk.batches(part.tp, &(start..visible.end));
        let is_all = visible.is_all && visible.start == start && !has_lost;
        let is_all = is_all && !is_newest_deleted(visible.newest_at, start, &batches);
        compare(says, by.node, (*spec, part), (&batches, is_all));
    }
}

/// Whatever is found, or has been deleted, in remote storage: who finds nothing there looks on the disk. `batches`: those
/// on it that could be read when it was asked for, and still can.
fn finds_one(
    says: &mut Says<'_>,
    node: i32,
    (spec, part): (OffsetSpec, &ListOffsetsPartitionResponse),
    batches: &[Arc<Batch>],
) {
    let OffsetSpec::Timestamp(wanted) = spec else { return };
    let mut records = batches.iter().filter(|batch| !batch.header.is_control());
    let young = records.find(|batch| batch.header.max_timestamp >= wanted);
    says.rule(part.offset >= 0 || young.is_none(), &|| {
        let young = young.map(|batch| (batch.base_offset(), batch.header.max_timestamp));
        format!("broker {node} is asked for time {wanted} and finds none; on its disk is {young:?}")
    });
}

/// Whether the newest time of all is one of deleted records, whose segment was still there. It is told of (hunt seed
/// 14000269), unless the segment goes before it is looked into.
fn is_newest_deleted(newest_at: Offset, start: Offset, batches: &[Arc<Batch>]) -> bool {
    let mut whole = batches.iter().filter(|batch| batch.base_offset() >= start);
    whole.next().is_none_or(|first| newest_at < first.base_offset())
}

/// Whether what is found was not below the log's start when it was asked for. It may be now: whoever looks into remote
/// storage takes its time (hunt seed 2003332 with remote storage everywhere). The newest time of all may be one of
/// deleted records: `UnifiedLog.fetchOffsetByTimestamp` looks for it in whole segments.
fn begins_before(visible: Visible, spec: OffsetSpec, part: &ListOffsetsPartitionResponse) -> bool {
    let is_newest = spec == OffsetSpec::MaxTimestamp;
    is_newest || !part.error.is_ok() || part.offset < 0 || part.offset >= visible.start
}

/// `batches`: those that could be read when it was asked for, and still can. `is_all`: there were no others, and the
/// newest time is one of theirs.
fn compare(
    says: &mut Says<'_>,
    node: i32,
    (spec, part): (OffsetSpec, &ListOffsetsPartitionResponse),
    (batches, is_all): (&[Arc<Batch>], bool),
) {
    let ListOffsetsPartitionResponse { offset, timestamp, leader_epoch, .. } = *part;
    let holds = |batch: &&Arc<Batch>| (batch.base_offset()..batch.next_offset()).contains(&offset);
    if let Some(batch) = batches.iter().find(holds) {
        let (newest, epoch) = (batch.header.max_timestamp, batch.header.partition_leader_epoch);
        says.rule(timestamp <= newest && leader_epoch == epoch, &|| {
            format!(
                "broker {node} finds time {timestamp} at offset {offset} in epoch {leader_epoch}; \
                 the newest of that batch is {newest}, its epoch {epoch}"
            )
        });
    }
    let records = || batches.iter().filter(|batch| !batch.header.is_control());
    match spec {
        OffsetSpec::Timestamp(wanted) => {
            let young = records().find(|batch| batch.header.max_timestamp >= wanted);
            let upto = young.map(|batch| batch.next_offset());
            let is_early = upto.is_none_or(|upto| (0..upto).contains(&offset));
            says.rule(is_early && (offset < 0 || timestamp >= wanted), &|| {
                format!(
                    "broker {node} is asked for time {wanted} and finds {timestamp} at offset \
                     {offset}; the first batch with it ends at {upto:?}"
                )
            });
        }
        _ => {
            let newest = records().map(|batch| batch.header.max_timestamp).max().unwrap_or(-1);
            let may_be_none = !is_all || newest < 0;
            says.rule(timestamp >= newest || offset < 0 && may_be_none, &|| {
                format!("broker {node} says that {timestamp} is the newest time, {newest} is there")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::history::History;
    use crate::checkers::ledger::Ledger;
    use crate::recorder::testing::{batch, tp};
    use stormglass_broker_core::error::ErrorCode;

    /// Batches 0..10 and 10..20 of epoch 1, times 100 and 200.
    fn log() -> Vec<Arc<Batch>> {
        [(0, 100), (10, 200)]
            .map(|(base, time)| {
                let mut batch = Batch::clone(&batch(base, 10, 1));
                batch.header.max_timestamp = time;
                batch.header.partition_leader_epoch = 1;
                Arc::new(batch)
            })
            .to_vec()
    }

    fn broken(spec: OffsetSpec, (timestamp, offset, leader_epoch): (i64, Offset, i32)) -> usize {
        let error = ErrorCode::None;
        let part =
            ListOffsetsPartitionResponse { tp: tp(0), error, timestamp, offset, leader_epoch };
        let (mut ledger, history) = (Ledger::default(), History::default());
        let mut says = Says { ledger: &mut ledger, label: "", history: &history, is_gapless: true };
        compare(&mut says, 1, (spec, &part), (&log(), true));
        ledger.finish().1.len()
    }

    #[test]
    fn what_is_on_the_disk_is_found_if_nothing_else_is() {
        let broken = |spec, offset| {
            let (error, timestamp, leader_epoch) = (ErrorCode::None, -1, -1);
            let tp = tp(0);
            let part = ListOffsetsPartitionResponse { tp, error, timestamp, offset, leader_epoch };
            let (mut ledger, history) = (Ledger::default(), History::default());
            let mut says =
                Says { ledger: &mut ledger, label: "", history: &history, is_gapless: true };
            finds_one(&mut says, 1, (spec, &part), &log());
            ledger.finish().1.len()
        };
        assert_eq!(broken(OffsetSpec::Timestamp(200), -1), 1);
        assert_eq!(broken(OffsetSpec::Timestamp(201), -1), 0, "nothing is as young");
        assert_eq!(broken(OffsetSpec::Timestamp(50), 3), 0, "in remote storage, perhaps");
        assert_eq!(broken(OffsetSpec::MaxTimestamp, -1), 0);
    }

    #[test]
    fn nothing_is_found_below_what_was_there_when_it_was_asked_for() {
        let (start, end, newest_at) = (10, 20, 19);
        let visible = Visible { tp: tp(0), start, end, is_all: true, newest_at };
        let found = |spec, offset| {
            let (error, timestamp, leader_epoch) = (ErrorCode::None, 5, 1);
            let tp = tp(0);
            let part = ListOffsetsPartitionResponse { tp, error, timestamp, offset, leader_epoch };
            begins_before(visible, spec, &part)
        };
        let at = |offset| found(OffsetSpec::Timestamp(5), offset);
        assert!(at(10) && at(-1) && !at(9));
        assert!(found(OffsetSpec::MaxTimestamp, 9), "the newest of all may be deleted");
    }

    #[test]
    fn the_newest_time_may_be_one_of_deleted_records() {
        let of = |newest_at, start| {
            let left: Vec<Arc<Batch>> =
                log().into_iter().filter(|batch| batch.next_offset() > start).collect();
            is_newest_deleted(newest_at, start, &left)
        };
        assert!(of(9, 10) && of(9, 5), "of a batch that is deleted, or was cut into");
        assert!(!of(19, 10) && !of(19, 5) && !of(9, 0), "it is there");
    }

    #[test]
    fn the_first_record_that_is_young_enough_is_found() {
        use OffsetSpec::{MaxTimestamp, Timestamp};
        assert_eq!(broken(Timestamp(50), (60, 2, 1)), 0);
        assert_eq!(broken(Timestamp(101), (150, 12, 1)), 0);
        assert_eq!(broken(Timestamp(300), (-1, -1, -1)), 0);
        assert_eq!(broken(Timestamp(300), (310, 25, 2)), 0, "it was appended since");
        assert_eq!(broken(Timestamp(200), (-1, -1, -1)), 1, "a batch has just that time");
        assert_eq!(broken(Timestamp(50), (150, 12, 1)), 1, "one before is young enough");
        assert_eq!(broken(Timestamp(101), (100, 3, 1)), 1, "it is older");
        assert_eq!(broken(Timestamp(101), (150, 12, 2)), 1, "of another epoch");
        assert_eq!(broken(MaxTimestamp, (200, 19, 1)), 0);
        assert_eq!(broken(MaxTimestamp, (100, 9, 1)), 1);
        assert_eq!(broken(MaxTimestamp, (-1, -1, -1)), 1);
    }
}
