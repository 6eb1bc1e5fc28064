//! Content of a host's log directories: segments of partitions, and small files. Knows what would
//! survive a power failure. Leaves out time, which is the device's matter, and directories: a
//! file's creation, truncation and deletion are durable at once.

use super::cleaned::Cleaned;
use super::content::{Content, Hot};
use super::dictionary::Dictionary;
use super::log_table::LogTable;
use super::run::Run;
use super::timestamp::first_at_or_after;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::{LeaderEpoch, Offset, TopicPartition};
use stormglass_broker_core::records::{BATCH_OVERHEAD, Batch, BodyTemplate, Records};
use stormglass_broker_core::seam::{FileName, ReadRange};

/// A segment's file, unique over the life of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(pub(crate) u32);

/// A backlog that was produced before the run.
#[derive(Debug, Clone)]
pub struct Preload {
    /// About this many bytes; whole batches, rounded down.
    pub bytes: u64,
    /// Body of every batch.
    pub template: Arc<BodyTemplate>,
    /// Records in that body.
    pub records_per_batch: u32,
    /// Timestamp of the first batch, ms since the epoch.
    pub first_timestamp_ms: i64,
    /// Timestamp that the last batch approaches, ms since the epoch.
    pub last_timestamp_ms: i64,
    /// Largest segment, bytes.
    pub segment_bytes: u32,
    /// Epoch of the leader that wrote it.
    pub leader_epoch: LeaderEpoch,
    /// Tag of the first body; the following ones count up.
    pub first_tag: u64,
}

/// A segment of a log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: Offset,
    pub(crate) file: FileId,
    pub(crate) content: Content,
    /// Bytes from the start that survive a power failure.
    pub(crate) durable: u64,
    /// End of what has reached the volume, possibly with gaps before it.
    reached: u64,
    /// Bytes of a torn batch behind the last whole one.
    pub(crate) torn: u64,
    pub(crate) max_timestamp: i64,
    pub(crate) max_timestamp_offset: Offset,
    /// Wall clock of its last append or cut, ms since the epoch.
    pub(super) modified_ms: i64,
}

/// A partition's log.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) tp: TopicPartition,
    /// Its log directory.
    pub(crate) volume: usize,
    /// Ascending by base offset; only the last one grows.
    pub(crate) segments: Vec<Segment>,
    /// What will replace segments.
    pub(super) cleaned: Option<Cleaned>,
    /// When the last append is confirmed, ns: later ones are not confirmed earlier.
    pub(crate) appended_ns: u64,
    /// That append had to wait when it came.
    pub(crate) append_waits: bool,
    /// First offset that a power failure has taken, until the log is cut or written to.
    pub(super) lost_from: Option<Offset>,
    /// Where a batch was appended behind a torn one: whoever reads the file again ends there.
    pub(super) buried: Option<Offset>,
}

/// A log's place in the store, until it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogIndex(pub(super) usize);

/// A stretch of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) volume: usize,
    pub(crate) file: FileId,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Length of the whole file.
    pub(crate) len: u64,
}

/// Files gone or cut, for the page cache: `(file, length now, length before)`.
pub(crate) type Cut = (FileId, u64, u64);

/// The store.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) logs: Vec<Option<Log>>,
    index: LogTable,
    /// Of each file, the log and segment that it belongs to.
    pub(super) owners: Vec<(usize, Offset)>,
    files: BTreeMap<FileName, Bytes>,
    pub(super) dictionary: Dictionary,
    /// Per volume.
    pub(super) used_bytes: Vec<u64>,
}

impl Segment {
    pub(super) fn new(base: Offset, file: FileId) -> Self {
        Self {
            base,
            file,
            content: Content::default(),
            durable: 0,
            reached: 0,
            torn: 0,
            max_timestamp: -1,
            max_timestamp_offset: base,
            modified_ms: 0,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.content.end_position())
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes() + self.torn
    }

    pub(crate) fn next_offset(&self) -> Offset {
        self.content.next_offset().unwrap_or(self.base)
    }

    pub(super) fn saw(&mut self, max_timestamp: i64, last_offset: Offset) {
        if max_timestamp > self.max_timestamp {
            self.max_timestamp = max_timestamp;
            self.max_timestamp_offset = last_offset;
        }
    }

    fn truncate(&mut self, to: Offset, dictionary: &Dictionary) {
        self.content.truncate(to, dictionary);
        self.torn = 0;
        self.durable = self.durable.min(self.bytes());
        self.reached = self.reached.min(self.bytes());
        (self.max_timestamp, self.max_timestamp_offset) = (-1, self.base);
        let largest = self
            .content
            .batches_from(self.base, dictionary)
            .map(|found| (found.max_timestamp(), found.last_offset()))
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        if let Some((timestamp, offset)) = largest {
            self.saw(timestamp, offset);
        }
    }

    /// Keeps `cut` bytes: whole batches, and the rest of them as a torn one.
    fn tear(&mut self, cut: u64, dictionary: &Dictionary) {
        if let Some((offset, position)) = self.content.batch_across(cut, dictionary) {
            self.truncate(offset, dictionary);
            self.torn = cut - u64::from(position);
        }
        self.durable = self.len();
        self.reached = self.durable;
    }
}

impl Store {
    pub(crate) fn new(volumes: usize) -> Self {
        Self {
            logs: Vec::new(),
            index: LogTable::default(),
            owners: Vec::new(),
            files: BTreeMap::new(),
            dictionary: Dictionary::default(),
            used_bytes: vec![0; volumes],
        }
    }

    pub(crate) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    /// Bytes in files of a volume.
    pub(crate) fn used_bytes(&self, volume: usize) -> u64 {
        self.used_bytes[volume]
    }

    pub(crate) fn logs(&self) -> impl Iterator<Item = &Log> {
        self.logs.iter().flatten()
    }

    pub(crate) fn log(&self, tp: TopicPartition) -> Option<&Log> {
        self.logs[self.index.get(tp)?].as_ref()
    }

    pub(super) fn log_mut(&mut self, tp: TopicPartition) -> Option<&mut Log> {
        self.logs[self.index.get(tp)?].as_mut()
    }

    pub(crate) fn segment(&self, tp: TopicPartition, base: Offset) -> Option<&Segment> {
        let segments = &self.log(tp)?.segments;
        Some(&segments[find(segments, base)?])
    }

    /// The log, made when absent in the directory with the fewest logs, as Kafka chooses it.
    pub(crate) fn log_or_create(&mut self, tp: TopicPartition) -> &mut Log {
        let at = match self.index.get(tp) {
            Some(at) => at,
            None => {
                let volume = self.emptiest_volume();
                let at = self.logs.len();
                self.logs.push(Some(Log {
                    tp,
                    volume,
                    segments: Vec::new(),
                    cleaned: None,
                    appended_ns: 0,
                    append_waits: false,
                    lost_from: None,
                    buried: None,
                }));
                self.index.insert(tp, at);
                at
            }
        };
        self.logs[at].as_mut().expect("the index names logs that exist")
    }

    fn emptiest_volume(&self) -> usize {
        let count = |volume: usize| self.logs().filter(|log| log.volume == volume).count();
        (0..self.used_bytes.len()).min_by_key(|&volume| count(volume)).unwrap_or(0)
    }

    /// Where a log is kept, made when absent.
    pub(crate) fn locate(&mut self, tp: TopicPartition) -> (LogIndex, usize) {
        if let Some(at) = self.index.get(tp)
            && let Some(log) = &self.logs[at]
        {
            return (LogIndex(at), log.volume);
        }
        let volume = self.log_or_create(tp).volume;
        (LogIndex(self.index.get(tp).expect("made above")), volume)
    }

    /// The volume that a file is on; `None` when its log is gone.
    pub(crate) fn volume_of(&self, file: FileId) -> Option<usize> {
        self.logs[self.owners[file.0 as usize].0].as_ref().map(|log| log.volume)
    }

    /// An append that comes at `now_ns` would be confirmed at `at_ns`: not before the one that came
    /// before it. If that one had to wait, and until this very moment, the event that confirms it
    /// may still be due: then one ns later.
    pub(crate) fn confirm_append(
        &mut self,
        LogIndex(at): LogIndex,
        now_ns: u64,
        at_ns: u64,
    ) -> u64 {
        let log = self.logs[at].as_mut().expect("the log was appended to");
        let is_due = log.append_waits && log.appended_ns == now_ns;
        log.appended_ns = at_ns.max(log.appended_ns + u64::from(is_due));
        log.append_waits = log.appended_ns > now_ns;
        log.appended_ns
    }

    /// Largest timestamp of a segment's first batch, ms; `-1` when there is none.
    pub(super) fn first_timestamp(&self, segment: &Segment) -> i64 {
        let first = segment.content.batches_from(segment.base, &self.dictionary).next();
        first.map_or(-1, |found| found.max_timestamp())
    }

    /// Appends to a segment, made when absent; where the bytes went.
    pub(crate) fn append(
        &mut self,
        LogIndex(at): LogIndex,
        base: Offset,
        wall_ms: i64,
        batches: impl Iterator<Item = Arc<Batch>>,
    ) -> Extent {
        let log = self.logs[at].as_mut().expect("the log was located");
        log.lost_from = None;
        if log.segments.last().is_none_or(|last| last.base != base) {
            open(log, base, at, &mut self.owners, &mut self.dictionary);
        }
        let segment = log.segments.last_mut().expect("opened above");
        if std::mem::take(&mut segment.torn) > 0 {
            log.buried = log.buried.or(Some(segment.next_offset()));
        }
        let from = segment.bytes();
        for batch in batches {
            segment.saw(batch.header.max_timestamp, batch.last_offset());
            segment.content.push(batch, &mut self.dictionary);
        }
        segment.modified_ms = wall_ms;
        let to = segment.bytes();
        self.used_bytes[log.volume] += to - from;
        Extent { volume: log.volume, file: segment.file, from, to, len: to }
    }

    /// Reads ranges, in order; the stretches read are added to `extents`.
    pub(crate) fn read(
        &self,
        ranges: &[ReadRange],
        max_bytes: u32,
        extents: &mut Vec<Extent>,
    ) -> Vec<Records> {
        let mut left = max_bytes;
        let mut first = true;
        let mut answer = Vec::with_capacity(ranges.len());
        for range in ranges {
            let (records, extent) = self.read_range(range, left, first);
            left = left.saturating_sub(records.size_bytes());
            first &= records.is_empty();
            extents.extend(extent);
            answer.push(records);
        }
        answer
    }

    /// `first`: a batch that is larger than the limits is returned all the same.
    fn read_range(&self, range: &ReadRange, left: u32, first: bool) -> (Records, Option<Extent>) {
        let mut records = Records::default();
        let Some(log) = self.log(range.tp) else { return (records, None) };
        let Some(at) = find(&log.segments, range.segment) else { return (records, None) };
        let segment = &log.segments[at];
        let limit = range.max_bytes.min(left);
        // From the first batch to the end of the last one.
        let mut span = (u32::MAX, 0);
        let mut take = |last_offset, position, size_bytes| {
            let over = span.1 - span.0.min(span.1) + size_bytes > limit;
            let exempt = first && span.1 == 0;
            let takes = last_offset < range.upto && (exempt || !over);
            if takes {
                span = (span.0.min(position), position + size_bytes);
            }
            takes
        };
        match segment.content.tail_from(range.from) {
            Some(tail) => {
                for Hot { position, batch, .. } in tail {
                    if !take(batch.last_offset(), *position, batch.size_bytes()) {
                        break;
                    }
                    records.push(Arc::clone(batch));
                }
            }
            None => {
                for found in segment.content.batches_from(range.from, &self.dictionary) {
                    if !take(found.last_offset(), found.position(), found.size_bytes()) {
                        break;
                    }
                    records.push(found.into_batch(&self.dictionary));
                }
            }
        }
        let (from, to) = (u64::from(span.0), u64::from(span.1));
        let (volume, file, len) = (log.volume, segment.file, segment.len());
        let extent = (to > 0).then_some(Extent { volume, file, from, to, len });
        (records, extent)
    }

    /// First record of a segment (by its base) from a position on, at or after an offset and a
    /// timestamp, and the stretch that was read for it.
    pub(crate) fn find_timestamp(
        &self,
        (tp, base, position): (TopicPartition, Offset, u32),
        from: Offset,
        timestamp: i64,
    ) -> (Option<(i64, Offset)>, Option<Extent>) {
        let Some(log) = self.log(tp) else { return (None, None) };
        let Some(at) = find(&log.segments, base) else { return (None, None) };
        let segment = &log.segments[at];
        let start = segment.content.batch_across(u64::from(position), &self.dictionary);
        let Some((first, _)) = start else { return (None, None) };
        let mut young = segment
            .content
            .batches_from(first.max(from), &self.dictionary)
            .filter(|found| found.max_timestamp() >= timestamp && found.has_records());
        let found = young.find_map(|found| {
            let to = u64::from(found.position() + found.size_bytes());
            let batch = found.into_batch(&self.dictionary);
            Some((first_at_or_after(&batch, from, timestamp)?, to))
        });
        let to = found.map_or(segment.bytes(), |(_, to)| to);
        let extent = Extent {
            volume: log.volume,
            file: segment.file,
            from: u64::from(position),
            to,
            len: segment.len(),
        };
        (found.map(|(found, _)| found), Some(extent))
    }

    /// Cuts a log as [`stormglass_broker_core::seam::DiskOpKind::Truncate`] says.
    pub(crate) fn truncate(
        &mut self,
        (tp, to): (TopicPartition, Offset),
        wall_ms: i64,
        cuts: &mut Vec<Cut>,
    ) {
        let Some(at) = self.index.get(tp) else { return };
        let log = self.logs[at].as_mut().expect("the index names logs that exist");
        log.lost_from = None;
        let used = &mut self.used_bytes[log.volume];
        let empties = log.segments.first().is_none_or(|first| to <= first.base);
        let keep = if empties { 0 } else { log.segments.partition_point(|s| s.base < to) };
        for segment in log.segments.drain(keep..) {
            *used -= segment.len();
            cuts.push((segment.file, 0, segment.len()));
        }
        if empties {
            open(log, to, at, &mut self.owners, &mut self.dictionary);
        } else if let Some(segment) = log.segments.last_mut() {
            let before = segment.len();
            if segment.torn > 0 || segment.next_offset() > to {
                segment.truncate(to, &self.dictionary);
                segment.modified_ms = wall_ms;
                *used -= before - segment.len();
                cuts.push((segment.file, segment.len(), before));
            }
        }
    }

    pub(crate) fn delete_segments(
        &mut self,
        tp: TopicPartition,
        bases: &[Offset],
        cuts: &mut Vec<Cut>,
    ) {
        let Some(at) = self.index.get(tp) else { return };
        let log = self.logs[at].as_mut().expect("the index names logs that exist");
        for &base in bases {
            if let Some(at) = find(&log.segments, base) {
                let segment = log.segments.remove(at);
                self.used_bytes[log.volume] -= segment.len();
                cuts.push((segment.file, 0, segment.len()));
            }
        }
    }

    /// Deletes a log and the small files of its directory.
    pub(crate) fn delete_log(&mut self, tp: TopicPartition, cuts: &mut Vec<Cut>) {
        let Some(log) = self.take_log(tp) else { return };
        for segment in log.segments.iter().chain(log.cleaned.as_ref().map(|c| &c.segment)) {
            self.used_bytes[log.volume] -= segment.len();
            cuts.push((segment.file, 0, segment.len()));
        }
    }

    /// Nobody reads the log any more; its bytes still take room.
    pub(crate) fn set_log_aside(&mut self, tp: TopicPartition) {
        self.take_log(tp);
    }

    fn take_log(&mut self, tp: TopicPartition) -> Option<Log> {
        let at = self.index.remove(tp)?;
        let log = self.logs[at].take().expect("the index names logs that exist");
        self.files.retain(|name, _| match name {
            FileName::LeaderEpochs(owner)
            | FileName::ProducerSnapshot(owner, _)
            | FileName::TransactionIndex(owner, _) => *owner != tp,
            _ => true,
        });
        Some(log)
    }

    /// A stretch of a file has reached the volume. Durable is what lies before `to` and before
    /// `barrier`, where an earlier stretch is still on its way.
    pub(crate) fn written_back(&mut self, file: FileId, to: u64, barrier: u64) {
        let (at, base) = self.owners[file.0 as usize];
        let Some(log) = self.logs[at].as_mut() else { return };
        let segment = match &mut log.cleaned {
            Some(cleaned) if cleaned.segment.file == file => Some(&mut cleaned.segment),
            _ => find(&log.segments, base).map(|at| &mut log.segments[at]),
        };
        let Some(segment) = segment else { return };
        if segment.file == file {
            segment.reached = segment.reached.max(to.min(segment.bytes()));
            segment.durable = segment.durable.max(segment.reached.min(barrier));
        }
    }

    /// The host loses power: of what was not written back, a part drawn by `below(n)` (uniform in
    /// `0..n`) survives, the last batch of it torn every other time.
    pub(crate) fn crash_power(&mut self, below: &mut dyn FnMut(u64) -> u64) {
        self.forget_appends();
        self.tear_unsynced(&mut Vec::new(), below); // the page cache goes as a whole
    }

    /// The host lost power, its storage did not: all that was written is there, and counts as written back, as the
    /// page cache that would do that is gone.
    pub(crate) fn outlive_power(&mut self) {
        self.forget_appends();
        for segment in self.logs.iter_mut().flatten().flat_map(|log| &mut log.segments) {
            segment.durable = segment.len();
            segment.reached = segment.durable;
        }
    }

    /// No append waits for the one before it.
    fn forget_appends(&mut self) {
        for log in self.logs.iter_mut().flatten() {
            log.appended_ns = 0;
            log.append_waits = false;
        }
    }

    /// Of what was not written back, a part survives, and the host goes on.
    pub(super) fn tear_unsynced(&mut self, cuts: &mut Vec<Cut>, below: &mut dyn FnMut(u64) -> u64) {
        for log in self.logs.iter_mut().flatten() {
            for segment in log.segments.iter_mut().filter(|segment| segment.durable < segment.len())
            {
                let (len, end) = (segment.len(), segment.next_offset());
                let cut = segment.durable + below(len - segment.durable + 1);
                segment.tear(cut, &self.dictionary);
                if cut.is_multiple_of(2) {
                    // the file's length was last noted between two appends
                    (segment.torn, segment.durable) = (0, segment.bytes());
                    segment.reached = segment.durable;
                }
                if segment.next_offset() < end {
                    let lost = segment.next_offset();
                    log.lost_from = Some(log.lost_from.map_or(lost, |known| known.min(lost)));
                }
                self.used_bytes[log.volume] -= len - segment.len();
                cuts.push((segment.file, segment.len(), len));
            }
        }
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (&FileName, &Bytes)> {
        self.files.iter()
    }

    pub(crate) fn file(&self, name: &FileName) -> Option<&Bytes> {
        self.files.get(name)
    }

    /// Offsets of a log's producer snapshots, ascending.
    pub(crate) fn producer_snapshots(&self, tp: TopicPartition) -> impl Iterator<Item = Offset> {
        let name = |offset| FileName::ProducerSnapshot(tp, offset);
        let found = self.files.range(name(Offset::MIN)..=name(Offset::MAX));
        found.filter_map(|(name, _)| match name {
            FileName::ProducerSnapshot(_, offset) => Some(*offset),
            _ => None,
        })
    }

    /// Sets or removes a small file; what was there before.
    pub(crate) fn set_file(&mut self, name: &FileName, bytes: Option<Bytes>) -> Option<Bytes> {
        match bytes {
            Some(bytes) => self.files.insert(name.clone(), bytes),
            None => self.files.remove(name),
        }
    }

    /// Adds a backlog at the end of a log, durable and in no cache.
    pub(crate) fn preload(&mut self, tp: TopicPartition, preload: &Preload) {
        assert!(preload.records_per_batch > 0, "a batch has records");
        let body = u32::try_from(preload.template.len()).expect("a batch is below 4 GiB");
        let batch_bytes = body + BATCH_OVERHEAD;
        let total = preload.bytes / u64::from(batch_bytes);
        let span_ms = preload.last_timestamp_ms.saturating_sub(preload.first_timestamp_ms).max(0);
        let step_ns = span_ms.unsigned_abs().saturating_mul(1_000_000) / total.max(1);
        let per_segment = (preload.segment_bytes / batch_bytes).max(1);
        let template = self.dictionary.template_index(&preload.template);
        self.log_or_create(tp);
        let at = self.index.get(tp).expect("made above");
        let log = self.logs[at].as_mut().expect("made above");
        let start = log.segments.last().map_or(0, Segment::next_offset);
        let mut done = 0;
        while done < total {
            let count = u32::try_from((total - done).min(u64::from(per_segment)))
                .expect("at most per_segment");
            let records = i64::from(preload.records_per_batch);
            let since_ms = u128::from(step_ns) * u128::from(done) / 1_000_000;
            let run = Run {
                count,
                batch_bytes,
                records: i32::try_from(records).expect("records fit a batch"),
                template,
                first_tag: preload.first_tag.wrapping_add(done),
                base_offset: start + i64::try_from(done).expect("fits an offset") * records,
                leader_epoch: preload.leader_epoch,
                first_timestamp_ms: preload.first_timestamp_ms
                    + i64::try_from(since_ms).expect("within the span"),
                step_ns,
            };
            open(log, run.base_offset, at, &mut self.owners, &mut self.dictionary);
            let segment = log.segments.last_mut().expect("opened above");
            segment.saw(run.timestamp_ms(count - 1), run.next_offset() - 1);
            segment.modified_ms = run.timestamp_ms(count - 1);
            segment.content.push_run(run);
            segment.durable = segment.bytes();
            self.used_bytes[log.volume] += segment.bytes();
            done += u64::from(count);
        }
    }

    /// Memory that the content takes, bytes; approximate.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.logs().flat_map(|log| &log.segments).map(|s| s.content.memory_bytes()).sum()
    }
}

/// Makes `base` the last segment of a log. Empty segments at and behind it go, the one before is
/// packed.
fn open(
    log: &mut Log,
    base: Offset,
    at: usize,
    owners: &mut Vec<(usize, Offset)>,
    dictionary: &mut Dictionary,
) {
    while log.segments.pop_if(|last| last.base > base && last.len() == 0).is_some() {}
    match log.segments.last_mut() {
        Some(last) if last.base == base => return,
        Some(last) => {
            assert!(last.base < base, "segments are appended to in order");
            last.content.seal(dictionary);
        }
        None => {}
    }
    let file = FileId(u32::try_from(owners.len()).expect("fewer than 2^32 files"));
    owners.push((at, base));
    log.segments.push(Segment::new(base, file));
}

pub(super) fn find(segments: &[Segment], base: Offset) -> Option<usize> {
    match segments.last() {
        Some(last) if last.base == base => Some(segments.len() - 1),
        _ => segments.binary_search_by_key(&base, |segment| segment.base).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::testing::{Maker, Shape, tp};

    #[test]
    fn durable_has_no_gaps() {
        let mut store = Store::new(1);
        let (log, _) = store.locate(tp(0));
        let batches = Maker::new(Shape::default()).batches(192);
        let extent = store.append(log, 0, 0, batches.into_iter());
        let mib = 1 << 20;
        // the second MiB arrives first
        store.written_back(extent.file, 2 * mib, 0);
        assert_eq!(store.segment(tp(0), 0).unwrap().durable, 0);
        store.written_back(extent.file, mib, u64::MAX);
        assert_eq!(store.segment(tp(0), 0).unwrap().durable, 2 * mib);
    }

    #[test]
    fn logs_spread_over_volumes() {
        let mut store = Store::new(2);
        let volumes: Vec<usize> = (0..4).map(|at| store.log_or_create(tp(at)).volume).collect();
        assert_eq!(volumes, [0, 1, 0, 1]);
        store.delete_log(tp(1), &mut Vec::new());
        assert_eq!(store.log_or_create(tp(9)).volume, 1, "the directory with the fewest logs");
    }
}
