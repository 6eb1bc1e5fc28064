//! What a Raft node must never forget: its epoch and its vote (Kafka's `quorum-state` file), and
//! the name of its newest snapshot, as a node here cannot list its directory.

use crate::ids::{LeaderEpoch, NodeId, Offset};
use crate::protocol::SnapshotId;
use bytes::Bytes;

/// Content of `quorum-state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct QuorumState {
    /// Current epoch.
    pub(super) epoch: LeaderEpoch,
    /// Vote given in this epoch; only a higher epoch clears it (RAFT-01).
    pub(super) voted: Option<NodeId>,
    /// Leader of this epoch, if known.
    pub(super) leader: Option<NodeId>,
    /// Newest durable snapshot.
    pub(super) snapshot: Option<SnapshotId>,
}

impl QuorumState {
    /// Enters a higher epoch.
    pub(super) fn enter(&mut self, epoch: LeaderEpoch) {
        assert!(epoch > self.epoch, "epochs only grow");
        *self = Self { epoch, voted: None, leader: None, snapshot: self.snapshot };
    }

    /// JSON with Kafka's keys and two of our own.
    pub(super) fn encode(&self) -> Bytes {
        let id = |node: Option<NodeId>| node.map_or(-1, |node| node.0);
        let (offset, epoch) = self.snapshot.map_or((-1, -1), |s| (s.end_offset, s.epoch));
        Bytes::from(format!(
            "{{\"leaderId\":{},\"leaderEpoch\":{},\"votedId\":{},\"snapshotOffset\":{offset},\
             \"snapshotEpoch\":{epoch},\"data_version\":0}}",
            id(self.leader),
            self.epoch,
            id(self.voted),
        ))
    }

    /// From [`Self::encode`]'s bytes, in one walk: checkers ask with every vote.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        const KEYS: [&str; 5] = [
            "\"leaderId\"",
            "\"leaderEpoch\"",
            "\"votedId\"",
            "\"snapshotOffset\"",
            "\"snapshotEpoch\"",
        ];
        let mut numbers: [Option<i64>; KEYS.len()] = [None; KEYS.len()];
        for field in std::str::from_utf8(bytes).ok()?.split(['{', ',', '}']) {
            let Some((key, number)) = field.split_once(':') else { continue };
            if let Some(at) = KEYS.iter().position(|known| *known == key.trim()) {
                numbers[at] = number.trim().parse().ok();
            }
        }
        let [leader, epoch, voted, end_offset, snapshot_epoch] = numbers;
        let int = |number: Option<i64>| i32::try_from(number?).ok();
        let id = |number| int(number).map(|id| (id >= 0).then_some(NodeId(id)));
        let (end_offset, snapshot): (Offset, _) = (end_offset?, int(snapshot_epoch)?);
        Some(Self {
            epoch: int(epoch)?,
            voted: id(voted)?,
            leader: id(leader)?,
            snapshot: (end_offset >= 0).then_some(SnapshotId { end_offset, epoch: snapshot }),
        })
    }
}

/// End and epoch of the snapshot that a `quorum-state` file names, for checkers.
pub(crate) fn named_snapshot(bytes: &[u8]) -> Option<(Offset, LeaderEpoch)> {
    let snapshot = QuorumState::decode(bytes)?.snapshot?;
    Some((snapshot.end_offset, snapshot.epoch))
}

/// Epoch and vote of a `quorum-state` file, for checkers.
pub(crate) fn persisted(bytes: &[u8]) -> Option<(LeaderEpoch, Option<NodeId>)> {
    QuorumState::decode(bytes).map(|state| (state.epoch, state.voted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_the_round_trip_and_refuses_junk() {
        for state in [
            QuorumState::default(),
            QuorumState {
                epoch: 7,
                voted: Some(NodeId(0)),
                leader: Some(NodeId(2)),
                snapshot: Some(SnapshotId { end_offset: 90, epoch: 6 }),
            },
        ] {
            assert_eq!(QuorumState::decode(&state.encode()), Some(state));
        }
        assert_eq!(QuorumState::decode(b"{\"leaderId\":1}"), None);
        let spaced = b"{ \"snapshotEpoch\": 6, \"snapshotOffset\": 90, \"data_version\": 0,\n \
                       \"votedId\": -1, \"leaderEpoch\": 7, \"leaderId\": 2 }";
        let read = QuorumState {
            epoch: 7,
            voted: None,
            leader: Some(NodeId(2)),
            snapshot: Some(SnapshotId { end_offset: 90, epoch: 6 }),
        };
        assert_eq!(QuorumState::decode(spaced), Some(read), "in any order");
        let broken = String::from_utf8_lossy(&read.encode()).replace("90", "9x");
        assert_eq!(QuorumState::decode(broken.as_bytes()), None);
    }

    #[test]
    fn raft_01_only_a_higher_epoch_clears_the_vote() {
        let mut state = QuorumState { epoch: 3, voted: Some(NodeId(1)), ..QuorumState::default() };
        state.enter(4);
        assert_eq!((state.epoch, state.voted), (4, None));
    }
}
