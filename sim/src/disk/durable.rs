//! What of a log would survive a power failure, for checkers: what has reached the volume. Storage that is apart from
//! its host keeps more, on which no broker may count.

use super::device::Disk;
use super::segment::Segment;
use bytes::Bytes;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::inspect::named_snapshot;
use stormglass_broker_core::seam::FileName;

impl Disk {
    /// Takes note of what has reached the volume by now, as every operation does before anything
    /// else.
    pub fn catch_up(&mut self, now_ns: u64) {
        self.settle(now_ns);
    }

    /// How long the volumes still work at what they have been given, ns.
    #[must_use]
    pub fn backlog_ns(&self, now_ns: u64) -> u64 {
        self.volumes.busy_until_ns().saturating_sub(now_ns)
    }

    /// A small file as it would be after a power failure, if nothing that is under way gets through.
    #[must_use]
    pub fn durable_file(&self, now_ns: u64, name: &FileName) -> Option<&Bytes> {
        let mut pending = self.pending_files.iter();
        match pending.find(|pending| pending.name == *name && pending.at_ns > now_ns) {
            Some(pending) => pending.before.as_ref(),
            None => self.store.file(name),
        }
    }

    /// First offset of a log that a power failure has taken, as long as nothing was written or cut since.
    #[must_use]
    pub fn lost_from(&self, tp: TopicPartition) -> Option<Offset> {
        self.store.log(tp)?.lost_from
    }

    /// First offset of a log that a real file would not give back: it was appended behind a torn batch, which nobody
    /// has cut off.
    #[must_use]
    pub fn buried(&self, tp: TopicPartition) -> Option<Offset> {
        self.store.log(tp)?.buried
    }

    /// A file is deleted: nothing that a restart would look for may go.
    pub(super) fn note_named(&mut self, now_ns: u64, file: &FileName) {
        let FileName::MetadataSnapshot(end, epoch) = file else { return };
        let state = self.durable_file(now_ns, &FileName::QuorumState);
        if state.and_then(|bytes| named_snapshot(bytes)) == Some((*end, *epoch)) {
            self.named_gone = Some(file.clone());
        }
    }

    /// A snapshot of the metadata that was deleted while a restart after a power failure would have looked for it.
    #[must_use]
    pub fn named_gone(&self) -> Option<&FileName> {
        self.named_gone.as_ref()
    }

    /// First segments of a log are deleted: where it is the metadata's, what was in them must be in the snapshot that a
    /// restart would look for.
    pub(super) fn note_trimmed(&mut self, now_ns: u64, tp: TopicPartition) {
        if tp != TopicPartition::METADATA {
            return;
        }
        let first = self.store.log(tp).and_then(|log| log.segments.first());
        let Some(begins) = first.map(|segment| segment.base) else { return };
        let state = self.durable_file(now_ns, &FileName::QuorumState);
        let named = state.and_then(|bytes| named_snapshot(bytes)).map_or(0, |(end, _)| end);
        if begins > named {
            self.trimmed_early = Some((begins, named));
        }
    }

    /// Where the metadata's log was made to begin, and where the snapshot ended that a restart after a power failure
    /// would have found: the log began behind that.
    #[must_use]
    pub fn trimmed_early(&self) -> Option<(Offset, Offset)> {
        self.trimmed_early
    }

    /// Snapshots of the cluster's metadata.
    pub fn metadata_snapshots(&self) -> impl Iterator<Item = (&FileName, &Bytes)> {
        self.store.files().filter(|(name, _)| matches!(name, FileName::MetadataSnapshot(..)))
    }

    /// Whether all segments that begin below an offset are on the volume, as for
    /// [`Self::durable_end`], which is slower. A log that is not there is not.
    #[must_use]
    pub fn has_synced(&self, tp: TopicPartition, below: Offset) -> bool {
        let Some(log) = self.store.log(tp) else { return false };
        let mut segments = log.segments.iter().take_while(|segment| segment.base < below);
        segments.all(|segment| segment.durable >= segment.bytes())
    }

    /// First offset of the segment around an offset that is not on the volume yet. `None`: there is none, or no such
    /// segment.
    #[must_use]
    pub fn unsynced_from(&self, tp: TopicPartition, around: Offset) -> Option<Offset> {
        let log = self.store.log(tp)?;
        let segment = log.segments.iter().rev().find(|segment| segment.base <= around)?;
        (segment.durable < segment.bytes()).then(|| self.durable_in(segment))
    }

    /// Offset of the first batch of a segment that is not on the volume as a whole.
    fn durable_in(&self, segment: &Segment) -> Offset {
        let across = segment.content.batch_across(segment.durable, self.store.dictionary());
        across.map_or(segment.base, |(offset, _)| offset)
    }

    /// Offset below which everything that a log holds is on the volume, as of the last operation or
    /// [`Self::catch_up`]. `None` when there is no such log.
    #[must_use]
    pub fn durable_end(&self, tp: TopicPartition) -> Option<Offset> {
        let log = self.store.log(tp)?;
        let lost = log.segments.iter().find(|segment| segment.durable < segment.bytes());
        match lost {
            Some(segment) => Some(self.durable_in(segment)),
            None => log.segments.last().map(Segment::next_offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::testing::{Maker, Shape, config};
    use crate::rng::Streams;
    use stormglass_broker_core::ids::DiskOpId;
    use stormglass_broker_core::records::Records;
    use stormglass_broker_core::seam::{DiskOp, DiskOpKind};

    /// A snapshot of what is below offset 160.
    const NAMED: &[u8] = b"{\"leaderId\":1,\"leaderEpoch\":3,\"votedId\":1,\"snapshotOffset\":160,\
                           \"snapshotEpoch\":3,\"data_version\":0}";

    #[test]
    fn metadata_goes_once_its_snapshot_is_named_on_the_volume() {
        let early = |is_named: bool| {
            let mut disk = Disk::new(config(), &Streams::new(5), 1);
            let mut submit = |now_ns: u64, kind: DiskOpKind| {
                let done = disk.submit(now_ns, DiskOp { id: DiskOpId(1), kind });
                (done.at_ns, disk.trimmed_early())
            };
            let tp = TopicPartition::METADATA;
            let batches = Maker::new(Shape::default()).batches(20);
            for (segment, part) in [(0, &batches[..10]), (160, &batches[10..])] {
                let records = Records::new(part.to_vec());
                submit(0, DiskOpKind::Append { tp, segment, records });
            }
            let (file, bytes) = (FileName::QuorumState, Bytes::from_static(NAMED));
            let (named_ns, _) = submit(0, DiskOpKind::WriteFile { file, bytes });
            let now_ns = if is_named { named_ns } else { named_ns - 1 };
            submit(now_ns, DiskOpKind::DeleteSegments { tp, segments: vec![0] }).1
        };
        assert_eq!((early(true), early(false)), (None, Some((160, 0))));
    }
}
