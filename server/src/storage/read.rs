//! Reading records: by offset for fetches, by timestamp for ListOffsets.

use super::segment::Segment;
use super::walk::{Walk, WalkError};
use std::io;
use std::sync::Arc;
use stormglass_broker_core::ids::Offset;
use stormglass_broker_core::records::{Batch, Records};
use stormglass_broker_core::seam::ReadRange;

/// Bytes read at a time at least: a batch or two more than the index's distance.
const CHUNK_MIN: usize = 16 << 10;
/// And at most.
const CHUNK_MAX: usize = 1 << 20;

/// Batches of a range, until `limit` bytes. With `exempt` the first one may be larger.
pub(super) fn range(
    segment: &mut Segment,
    range: &ReadRange,
    limit: u32,
    exempt: bool,
) -> io::Result<Records> {
    let file = segment.file()?;
    let from = segment.index()?.floor(range.from).max(u64::from(range.position));
    let chunk = (limit as usize).clamp(CHUNK_MIN, CHUNK_MAX);
    let mut walk = Walk::new(&file, segment.size(), from, chunk);
    let mut records = Records::default();
    while let Some(head) = walk.head()? {
        if head.last_offset < range.from {
            walk.skip(&head);
            continue;
        }
        let over = u64::from(records.size_bytes()) + head.size > u64::from(limit);
        let is_exempt = exempt && records.is_empty();
        if head.base_offset >= range.upto || (over && !is_exempt) {
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
    }
    Ok(records)
}

/// First record at or after a timestamp.
pub(super) fn find_timestamp(
    segment: &mut Segment,
    position: u32,
    timestamp: i64,
) -> io::Result<Option<(i64, Offset)>> {
    let file = segment.file()?;
    let from = segment.index()?.floor_timestamp(timestamp).max(u64::from(position));
    let mut walk = Walk::new(&file, segment.size(), from, CHUNK_MIN);
    while let Some(head) = walk.head()? {
        if head.max_timestamp < timestamp {
            walk.skip(&head);
            continue;
        }
        return match walk.take(&head) {
            // compaction has left its header alone
            Ok(batch) if batch.header.record_count == 0 => continue,
            Ok(batch) => Ok(Some(first_in(&batch, timestamp))),
            Err(WalkError::Io(error)) => Err(error),
            Err(WalkError::Corrupt) => Err(io::ErrorKind::InvalidData.into()),
        };
    }
    Ok(None)
}

/// First record of a batch at or after a timestamp that one of them reaches. Where records cannot
/// be read, the batch is named: it begins at or before the record.
fn first_in(batch: &Batch, timestamp: i64) -> (i64, Offset) {
    let header = &batch.header;
    if header.is_log_append_time() {
        return (header.max_timestamp, header.base_offset);
    }
    let records = batch.records().unwrap_or_default();
    let found = records
        .iter()
        .map(|r| (header.base_timestamp.saturating_add(r.timestamp_delta), r.offset_delta))
        .find(|(at, _)| *at >= timestamp);
    found.map_or((header.max_timestamp, header.base_offset), |(at, delta)| {
        (at, header.base_offset + Offset::from(delta))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stormglass_broker_core::records::Record;

    #[test]
    fn timestamps_at_the_ends_of_their_range_do_not_wrap_around() {
        let record = |timestamp_delta| Record { timestamp_delta, ..Record::default() };
        let batch = Batch::build(i64::MAX - 1, &mut [record(0), record(i64::MAX)]);
        assert_eq!(first_in(&batch, i64::MAX - 1), (i64::MAX - 1, 0));
        assert_eq!(first_in(&batch, i64::MAX), (i64::MAX, 1));
        let batch = Batch::build(i64::MIN + 1, &mut [record(i64::MIN), record(0)]);
        assert_eq!(first_in(&batch, i64::MIN + 1), (i64::MIN + 1, 1));
    }
}
