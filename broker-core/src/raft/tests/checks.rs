//! What must hold after every event, whatever happens.

use super::cluster::Node;
use crate::ids::{LeaderEpoch, NodeId, Offset};
use crate::metadata::{MetadataImage, encode_snapshot};
use crate::raft::{Committed, Content, RoleName};
use crate::seam::TraceEvent;
use std::collections::BTreeMap;

pub(super) struct Checks {
    voters: usize,
    leaders: BTreeMap<LeaderEpoch, usize>,
    votes: BTreeMap<(usize, LeaderEpoch), NodeId>,
    /// Identity of records: (epoch, offset) names one batch, on every node, for ever.
    written: BTreeMap<(LeaderEpoch, Offset), u64>,
    /// Committed batches by the offset after them: epoch and content.
    committed: BTreeMap<Offset, (LeaderEpoch, u64)>,
    images: BTreeMap<Offset, u64>,
    high_watermarks: BTreeMap<usize, Offset>,
    pub(super) snapshots_loaded: u32,
    pub(super) truncations: u32,
}

impl Checks {
    pub(super) fn new(voters: usize) -> Self {
        Self {
            voters,
            leaders: BTreeMap::new(),
            votes: BTreeMap::new(),
            written: BTreeMap::new(),
            committed: BTreeMap::new(),
            images: BTreeMap::new(),
            high_watermarks: BTreeMap::new(),
            snapshots_loaded: 0,
            truncations: 0,
        }
    }

    pub(super) fn committed_end(&self) -> Offset {
        self.committed.last_key_value().map_or(0, |(end, _)| *end)
    }

    pub(super) fn restarted(&mut self, n: usize, high_watermark: Offset) {
        assert!(high_watermark <= self.committed_end(), "node {n} invents committed records");
        self.high_watermarks.insert(n, high_watermark);
    }

    pub(super) fn traced(&mut self, n: usize, event: &TraceEvent) {
        match event {
            TraceEvent::Voted { epoch, candidate } => {
                let known = *self.votes.entry((n, *epoch)).or_insert(*candidate);
                assert_eq!(known, *candidate, "node {n} voted twice in epoch {epoch}");
            }
            TraceEvent::LeaderAppended { records, .. }
            | TraceEvent::FollowerAppended { records, .. } => {
                for batch in records.batches() {
                    let name = (batch.header.partition_leader_epoch, batch.base_offset());
                    let content = batch.fingerprint();
                    let known = *self.written.entry(name).or_insert(content);
                    assert_eq!(known, content, "{name:?} names two batches");
                }
            }
            TraceEvent::Truncated { to, high_watermark, .. } => {
                assert!(to >= high_watermark, "node {n} cuts committed records");
                self.truncations += 1;
            }
            _ => {}
        }
    }

    pub(super) fn committed(&mut self, n: usize, batch: &Committed, image: &MetadataImage) {
        let end = batch.last_offset + 1;
        match &batch.content {
            Content::Snapshot(_) => self.snapshots_loaded += 1,
            Content::Records(records) => {
                let content = digest(format!("{records:?}").as_bytes());
                let known = *self.committed.entry(end).or_insert((batch.epoch, content));
                assert_eq!(known, (batch.epoch, content), "node {n} committed another batch");
            }
        }
        let is_snapshot = matches!(batch.content, Content::Snapshot(_));
        if is_snapshot || batch.last_offset % 8 == 0 {
            let state = digest(&encode_snapshot(image));
            let known = *self.images.entry(batch.last_offset).or_insert(state);
            assert_eq!(known, state, "node {n} has another image at {}", batch.last_offset);
        }
    }

    /// After each step of node `n`.
    pub(super) fn check(&mut self, n: usize, nodes: &[Node]) {
        let Some(raft) = &nodes[n].raft else { return };
        if raft.role() == RoleName::Leader {
            let known = *self.leaders.entry(raft.epoch()).or_insert(n);
            assert_eq!(known, n, "two leaders in epoch {}", raft.epoch());
        }
        let before = self.high_watermarks.insert(n, raft.high_watermark());
        assert!(before <= Some(raft.high_watermark()), "high watermark of node {n} fell");
        assert!(raft.high_watermark() <= raft.log_end_offset());
        assert_eq!(nodes[n].image.offset() + 1, raft.high_watermark(), "all committed is applied");
        self.check_durable(nodes);
    }

    /// The last committed batch, and with it all before, is fsynced on a majority.
    fn check_durable(&self, nodes: &[Node]) {
        let Some((end, (epoch, _))) = self.committed.last_key_value() else { return };
        let holds = |node: &Node| {
            node.disk
                .durable_batch_ending_at(*end)
                .is_some_and(|batch| batch.header.partition_leader_epoch == *epoch)
                || node.disk.has_snapshot_at(*end)
        };
        let count = nodes[..self.voters].iter().filter(|node| holds(node)).count();
        assert!(count > self.voters / 2, "offset {end} is fsynced on {count} voters only");
    }
}

fn digest(bytes: &[u8]) -> u64 {
    u64::from(crc32c::crc32c(bytes)) << 32 | bytes.len() as u64
}
