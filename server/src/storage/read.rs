//! Reading records: by offset for fetches, by timestamp for ListOffsets.

use super::segment::Segment;
use super::walk::{Walk, WalkError};
use std::io;
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::{BATCH_OVERHEAD, Batch, Records};
use stormglass_broker_core::seam::ReadRange;

/// Bytes read at a time at least: a batch or two more than the index's distance.
const CHUNK_MIN: usize = 16 << 10;
/// And at most.
const CHUNK_MAX: usize = 1 << 20;

/// Bytes read at a time while so many are wanted. Batches keep the chunks that they are slices of: what is
/// read beyond the limit takes memory for as long as the answer.
fn chunk(wanted: u32) -> usize {
    (wanted as usize).clamp(CHUNK_MIN, CHUNK_MAX)
}

/// Batches of a range, until `limit` bytes. With `exempt` the first one may be larger.
pub(super) fn range(
    segment: &mut Segment,
    range: &ReadRange,
    limit: u32,
    exempt: bool,
) -> io::Result<Records> {
    let file = segment.file()?;
    let from = segment.index()?.floor(range.from).max(u64::from(range.position));
    let mut walk = Walk::new(&file, segment.size(), from, chunk(limit));
    let mut records = Records::default();
    while let Some(head) = walk.head()? {
        if head.last_offset < range.from {
            walk.skip(&head);
            continue;
        }
        let over = u64::from(records.size_bytes()) + head.size > u64::from(limit);
        let is_exempt = exempt && records.is_empty();
        if head.last_offset >= range.upto || (over && !is_exempt) {
            break;
        }
        match walk.take(&head) {
            Ok(batch) => records.push(Arc::new(batch)),
            Err(WalkError::Io(error)) => return Err(error),
            Err(WalkError::Corrupt) => {
                tracing::error!(
                    topic_id = ?range.tp.topic, partition = range.tp.partition,
                    offset = head.base_offset, position = head.position,
                    "a batch on disk is damaged; records before it are served"
                );
                if records.is_empty() {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                break;
            }
        }
        let left = limit.saturating_sub(records.size_bytes());
        if left < BATCH_OVERHEAD {
            break; // no batch is as short: the next header need not be read
        }
        walk.set_chunk(chunk(left));
    }
    Ok(records)
}

/// First record at or after a timestamp.
pub(super) fn find_timestamp(
    segment: &mut Segment,
    position: u32,
    from: Offset,
    timestamp: i64,
) -> io::Result<Option<(i64, Offset)>> {
    let file = segment.file()?;
    let start = segment.index()?.floor_timestamp(timestamp).max(u64::from(position));
    let mut walk = Walk::new(&file, segment.size(), start, CHUNK_MIN);
    while let Some(head) = walk.head()? {
        if head.max_timestamp < timestamp || head.last_offset < from {
            walk.skip(&head);
            continue;
        }
        match walk.take(&head) {
            // compaction has left its header alone
            Ok(batch) if batch.header.record_count == 0 => {}
            Ok(batch) => {
                if let Some(found) = first_in(&batch, from, timestamp) {
                    return Ok(Some(found));
                }
            }
            Err(WalkError::Io(error)) => return Err(error),
            Err(WalkError::Corrupt) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    Ok(None)
}

/// First record of a batch at or after an offset and a timestamp, which one of its records reaches.
/// Where records cannot be read, the batch is named: it begins at or before the record.
fn first_in(batch: &Batch, from: Offset, timestamp: i64) -> Option<(i64, Offset)> {
    let header = &batch.header;
    let first = (header.max_timestamp, header.base_offset.max(from));
    if header.is_log_append_time() {
        return Some(first);
    }
    let Ok(records) = batch.records() else { return Some(first) };
    let mut times = records.iter().map(|record| {
        let at = header.base_timestamp.saturating_add(record.timestamp_delta);
        (at, header.base_offset + Offset::from(record.offset_delta))
    });
    let Some(found) = times.find(|(at, offset)| *at >= timestamp && *offset >= from) else {
        // no record is what its header says, or those that are have gone
        return (header.base_offset >= from).then_some(first);
    };
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::records::Record;

    #[test]
    fn timestamps_at_the_ends_of_their_range_do_not_wrap_around() {
        let record = |timestamp_delta| Record { timestamp_delta, ..Record::default() };
        let batch = Batch::build(i64::MAX - 1, &mut [record(0), record(i64::MAX)]);
        assert_eq!(first_in(&batch, 0, i64::MAX - 1), Some((i64::MAX - 1, 0)));
        assert_eq!(first_in(&batch, 0, i64::MAX), Some((i64::MAX, 1)));
        let batch = Batch::build(i64::MIN + 1, &mut [record(i64::MIN), record(0)]);
        assert_eq!(first_in(&batch, 0, i64::MIN + 1), Some((i64::MIN + 1, 1)));
    }

    #[test]
    fn what_is_below_the_logs_start_is_not_found() {
        let record = |timestamp_delta| Record { timestamp_delta, ..Record::default() };
        let batch = Batch::build(1000, &mut [record(0), record(30), record(10)]);
        assert_eq!(first_in(&batch, 0, 1005), Some((1030, 1)));
        assert_eq!(first_in(&batch, 2, 1005), Some((1010, 2)));
        assert_eq!(first_in(&batch, 2, 1020), None, "only the second is as young");
    }
}
