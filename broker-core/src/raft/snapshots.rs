//! Snapshots of the metadata log (KIP-630): taken when enough has been committed, served in
//! chunks, fetched by nodes that are too far behind.
//!
//! A snapshot counts once its file and then its name in `quorum-state` are durable; only then
//! the log is trimmed or, for a fetched one, started over.

use super::node::Raft;
use super::outbox::Out;
use crate::error::ErrorCode;
use crate::ids::{DiskOpId, NodeId, TopicPartition};
use crate::metadata::{MetadataImage, decode_snapshot, encode_snapshot};
use crate::protocol::{
    FetchSnapshotRequest, FetchSnapshotResponse, LeaderAndEpoch, Response, SnapshotId,
};
use crate::seam::{DiskError, DiskImage, DiskOpKind, FileName, TraceEvent};
use crate::step::{Owner, ReplyTo, Step};
use bytes::Bytes;
use std::sync::Arc;

/// Snapshots of a node.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Bytes of the newest durable one, for nodes that ask.
    bytes: Bytes,
    /// Bytes committed since the last one.
    since: u64,
    /// For the state machine: its newest snapshot is not applied yet.
    delivery: Option<Arc<MetadataImage>>,
    download: Option<Download>,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Download {
    id: SnapshotId,
    bytes: Vec<u8>,
}

/// A snapshot on its way to being durable.
#[derive(Debug)]
struct Pending {
    id: SnapshotId,
    bytes: Bytes,
    /// Set for a fetched one.
    image: Option<Arc<MetadataImage>>,
    write: DiskOpId,
    /// The file is durable; its name is being written.
    named: bool,
    replaces: Option<SnapshotId>,
}

impl Snapshots {
    /// Reads the snapshot that `quorum-state` names.
    pub(super) fn recover(
        image: &dyn DiskImage,
        id: Option<SnapshotId>,
    ) -> Result<Self, DiskError> {
        let Some(id) = id else { return Ok(Self::default()) };
        let bytes = image.file(&file(id)).ok_or(DiskError::Damaged)?;
        let content = decode_snapshot(&bytes).map_err(|_| DiskError::Damaged)?;
        if (content.offset() + 1, content.epoch()) != (id.end_offset, id.epoch) {
            return Err(DiskError::Damaged);
        }
        Ok(Self { bytes, delivery: Some(Arc::new(content)), ..Self::default() })
    }

    pub(super) fn take_delivery(&mut self) -> Option<Arc<MetadataImage>> {
        self.delivery.take()
    }

    /// So much was committed.
    pub(super) fn count(&mut self, bytes: u32) {
        self.since += u64::from(bytes);
    }

    /// Whether a fetched snapshot is being put in place; the log must not move meanwhile.
    pub(super) fn is_installing(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.image.is_some())
    }

    /// Next chunk to ask for.
    pub(super) fn wanted(&self) -> Option<(SnapshotId, u64)> {
        self.download.as_ref().map(|download| (download.id, download.bytes.len() as u64))
    }

    /// Bytes of the newest durable one, unless another one is about to be named, for checkers.
    pub(super) fn held(&self) -> Option<usize> {
        let is_replaced = self.pending.as_ref().is_some_and(|pending| pending.named);
        (!is_replaced).then_some(self.bytes.len())
    }

    pub(super) fn abandon_download(&mut self) {
        self.download = None;
    }
}

fn file(id: SnapshotId) -> FileName {
    FileName::MetadataSnapshot(id.end_offset, id.epoch)
}

impl Raft {
    /// Whether enough was committed since the last snapshot; then [`Self::create_snapshot`] is
    /// to be called.
    pub(crate) fn snapshot_due(&self) -> bool {
        self.snapshots.since >= self.timing.snapshot_bytes && self.snapshots.pending.is_none()
    }

    /// Writes a snapshot; the log is trimmed once it is durable. `image` holds exactly what was
    /// taken from [`Self::take_committed`].
    pub(crate) fn create_snapshot(&mut self, step: &mut Step<'_>, image: &MetadataImage) {
        assert_eq!(image.offset() + 1, self.delivered, "label and content belong together");
        let id = SnapshotId { end_offset: self.delivered, epoch: image.epoch() };
        if self.snapshots.pending.is_some() || Some(id) == self.state.snapshot {
            return;
        }
        self.snapshots.since = 0;
        self.log.roll();
        self.write_snapshot(step, id, encode_snapshot(image), None);
    }

    fn write_snapshot(
        &mut self,
        step: &mut Step<'_>,
        id: SnapshotId,
        bytes: Bytes,
        image: Option<Arc<MetadataImage>>,
    ) {
        let kind = DiskOpKind::WriteFile { file: file(id), bytes: bytes.clone() };
        let write = step.disk(Owner::Raft, kind);
        let replaces = self.state.snapshot;
        self.snapshots.pending = Some(Pending { id, bytes, image, write, named: false, replaces });
    }

    /// A disk operation is done that may have been a snapshot's file.
    pub(super) fn on_snapshot_written(&mut self, id: DiskOpId) {
        let Some(pending) = &mut self.snapshots.pending else { return };
        if pending.write == id {
            pending.named = true;
            self.state.snapshot = Some(pending.id);
            self.outbox.mark_dirty();
        }
    }

    /// The quorum state on disk is the current one.
    pub(super) fn after_persisted(&mut self, step: &mut Step<'_>) {
        let Some(pending) = self.snapshots.pending.take_if(|pending| pending.named) else {
            return;
        };
        self.snapshots.bytes = pending.bytes;
        match pending.image {
            None => self.log.trim(step, pending.id),
            Some(image) => {
                self.note_restart(step, pending.id);
                self.log.reset(step, pending.id);
                self.delivered = pending.id.end_offset;
                self.snapshots.since = 0;
                self.snapshots.delivery = Some(image);
                self.commit(step, pending.id.end_offset);
            }
        }
        if let Some(old) = pending.replaces.filter(|old| *old != pending.id) {
            step.disk(Owner::Raft, DiskOpKind::DeleteFile { file: file(old) });
        }
    }

    /// The log will go on after a snapshot. What was committed before is in it, even what this node
    /// has not heard of since its restart; whatever else the log held is replaced or cut.
    fn note_restart(&self, step: &mut Step<'_>, snapshot: SnapshotId) {
        let (tp, to, high_watermark) =
            (TopicPartition::METADATA, snapshot.end_offset, self.high_watermark);
        let end = self.log.end_offset();
        if end > to {
            step.trace(TraceEvent::Truncated { tp, to, from: end, high_watermark });
        }
        let from = end.min(high_watermark);
        step.trace(TraceEvent::Truncated { tp, to, from, high_watermark });
    }

    /// The leader no longer has what this node needs next.
    pub(super) fn want_snapshot(&mut self, step: &mut Step<'_>, id: SnapshotId) {
        step.trace(TraceEvent::Mark("raft-snapshot-fetched"));
        if self.log.is_behind(id) && self.snapshots.pending.is_none() {
            self.snapshots.download = Some(Download { id, bytes: Vec::new() });
        }
    }

    pub(super) fn on_fetch_snapshot(
        &mut self,
        step: &mut Step<'_>,
        from: ReplyTo,
        request: FetchSnapshotRequest,
    ) {
        let size = self.snapshots.bytes.len();
        let position = usize::try_from(request.position).unwrap_or(usize::MAX);
        let error = match self.check_leadership(request.current_leader_epoch) {
            ErrorCode::None if self.state.snapshot != Some(request.snapshot_id) => {
                ErrorCode::SnapshotNotFound
            }
            ErrorCode::None if position >= size => ErrorCode::PositionOutOfRange,
            error => error,
        };
        let bytes = if error.is_ok() {
            self.hear_from(request.replica, step.now, None);
            let len = usize::try_from(request.max_bytes).unwrap_or(0).max(1);
            self.snapshots.bytes.slice(position..size.min(position.saturating_add(len)))
        } else {
            Bytes::new()
        };
        let epoch = self.state.epoch;
        let response = FetchSnapshotResponse {
            error,
            current_leader: self.leader().map(|leader| LeaderAndEpoch { leader, epoch }),
            snapshot_id: request.snapshot_id,
            size: size as u64,
            position: request.position,
            bytes,
        };
        self.out(Out::Reply(from, Response::FetchSnapshot(Box::new(response))));
    }

    /// Takes a chunk; false when it was of no use.
    pub(super) fn on_snapshot_chunk(
        &mut self,
        step: &mut Step<'_>,
        from: NodeId,
        response: &FetchSnapshotResponse,
    ) -> bool {
        if !response.error.is_ok() {
            self.snapshots.download = None;
            if let Some(current) = response.current_leader {
                self.learn(step, current.epoch, Some(current.leader));
            }
            return false;
        }
        let Some(download) = &mut self.snapshots.download else { return false };
        let fits = download.id == response.snapshot_id
            && download.bytes.len() as u64 == response.position
            && !response.bytes.is_empty();
        if !fits {
            self.snapshots.download = None;
            return false;
        }
        download.bytes.extend_from_slice(&response.bytes);
        let is_whole = download.bytes.len() as u64 >= response.size;
        if !self.touch(step.now, from) {
            return false;
        }
        if is_whole { self.put_in_place(step) } else { true }
    }

    fn put_in_place(&mut self, step: &mut Step<'_>) -> bool {
        let Some(download) = self.snapshots.download.take() else { return false };
        let bytes = Bytes::from(download.bytes);
        match decode_snapshot(&bytes) {
            Ok(image) if self.snapshots.pending.is_none() => {
                self.write_snapshot(step, download.id, bytes, Some(Arc::new(image)));
                true
            }
            _ => {
                step.trace(TraceEvent::Mark("raft-snapshot-refused"));
                false
            }
        }
    }
}
