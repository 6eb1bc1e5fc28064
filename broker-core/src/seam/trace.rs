//! What changes inside of a broker, told for those who watch.

use crate::ids::{LeaderEpoch, NodeId, Offset, TopicPartition};
use crate::records::Records;
use std::sync::Arc;

/// What changed inside, for checkers, traces and the cluster's story. Not needed to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceEvent {
    /// A leader appended batches (after the disk confirmed, unless they have been cut off before).
    LeaderAppended {
        /// Partition.
        tp: TopicPartition,
        /// What, with the epoch in which each batch was written.
        records: Records,
    },
    /// A follower appended batches.
    FollowerAppended {
        /// Partition.
        tp: TopicPartition,
        /// What.
        records: Records,
    },
    /// A replica cut its log; or dropped it, to go on at `to`, above where it ended (`from`).
    Truncated {
        /// Partition.
        tp: TopicPartition,
        /// First offset that went, or offset at which the log goes on.
        to: Offset,
        /// Log end before.
        from: Offset,
        /// High watermark at that time.
        high_watermark: Offset,
    },
    /// The high watermark moved.
    HighWatermark {
        /// Partition.
        tp: TopicPartition,
        /// New value.
        offset: Offset,
        /// Whether this replica leads.
        leader: bool,
        /// Leader epoch.
        epoch: LeaderEpoch,
    },
    /// The log start moved (retention).
    LogStart {
        /// Partition.
        tp: TopicPartition,
        /// New value.
        offset: Offset,
    },
    /// A log whose older segments are in remote storage deleted local ones.
    LocalLogStart {
        /// Partition.
        tp: TopicPartition,
        /// First offset that is still on the local disk.
        offset: Offset,
    },
    /// The log cleaner replaced the segments that hold these offsets.
    Compacted {
        /// Partition.
        tp: TopicPartition,
        /// Base offset of the first segment.
        from: Offset,
        /// Offset after the last one's last record.
        upto: Offset,
    },
    /// This broker leads a partition now.
    BecameLeader {
        /// Partition.
        tp: TopicPartition,
        /// Epoch.
        epoch: LeaderEpoch,
        /// Where the epoch starts.
        start: Offset,
        /// ISR.
        isr: Vec<NodeId>,
    },
    /// This broker follows now.
    BecameFollower {
        /// Partition.
        tp: TopicPartition,
        /// Epoch.
        epoch: LeaderEpoch,
        /// Leader.
        leader: Option<NodeId>,
    },
    /// The leader asked for another ISR.
    IsrProposed {
        /// Partition.
        tp: TopicPartition,
        /// Epoch.
        epoch: LeaderEpoch,
        /// Proposed.
        isr: Vec<NodeId>,
    },
    /// The leader knows of a committed ISR.
    IsrCommitted {
        /// Partition.
        tp: TopicPartition,
        /// Epoch.
        epoch: LeaderEpoch,
        /// Before.
        old: Vec<NodeId>,
        /// Now.
        isr: Vec<NodeId>,
    },
    /// The active controller committed a partition change.
    PartitionChanged {
        /// Partition.
        tp: TopicPartition,
        /// Leader, if any.
        leader: Option<NodeId>,
        /// Epoch.
        epoch: LeaderEpoch,
        /// ISR.
        isr: Vec<NodeId>,
        /// Whether the leader was elected from outside the ISR.
        unclean: bool,
    },
    /// A controller became active.
    ControllerElected {
        /// Raft epoch.
        epoch: LeaderEpoch,
    },
    /// A controller resigned or lost its leadership.
    ControllerResigned {
        /// Raft epoch.
        epoch: LeaderEpoch,
    },
    /// A Raft node voted.
    Voted {
        /// Epoch.
        epoch: LeaderEpoch,
        /// For whom.
        candidate: NodeId,
    },
    /// The active controller fenced or unfenced a broker.
    BrokerFenced {
        /// Broker.
        broker: NodeId,
        /// State now.
        fenced: bool,
    },
    /// A coordinator writes that a group is gone, which a later one may be the first to know of: one of this
    /// name begins anew.
    GroupRemoved {
        /// Its id.
        group: Arc<str>,
    },
    /// A broker finished loading its logs.
    Recovered {
        /// Bytes scanned.
        scanned_bytes: u64,
        /// Bytes cut from torn tails.
        truncated_bytes: u64,
    },
    /// A rare branch was taken (a *sometimes* mark).
    Mark(&'static str),
}
