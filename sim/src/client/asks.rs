//! What an application under test asks of its clients, and what they answer. Pure data.
//!
//! Simulated load needs none of this: there the machines decide by themselves.

use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::protocol::CommittedOffset;
use stormglass_broker_core::records::Record;

use super::io::FailReason;

/// A call of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Write a record.
    Send {
        /// Key, value and headers.
        record: Record,
        /// Where to; `None`: by the key, or in turn.
        partition: Option<u32>,
    },
    /// `initTransactions()`: whoever had the transactional id before is fenced.
    InitTransactions,
    /// `beginTransaction()`.
    Begin,
    /// `sendOffsetsToTransaction()`.
    SendOffsets {
        /// For whom.
        group: GroupMember,
        /// Positions.
        offsets: Vec<CommittedOffset>,
    },
    /// `commitTransaction()` or `abortTransaction()`.
    End {
        /// Commit, or else abort.
        commit: bool,
    },
    /// `poll()`: answered when there is at least one record.
    Poll {
        /// At most so many.
        records_max: u32,
    },
    /// Nobody waits for the last `poll()` any more.
    CancelPoll,
    /// `seek()`.
    Seek {
        /// Partition.
        tp: TopicPartition,
        /// Next offset to read.
        offset: Offset,
        /// Only if the position is behind it.
        only_back: bool,
    },
    /// `commitSync()`.
    Commit {
        /// Positions.
        offsets: Vec<CommittedOffset>,
    },
}

/// `ConsumerGroupMetadata`: who commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// `group.id`
    pub group: Arc<str>,
    /// Generation or member epoch, `-1` where partitions are assigned by hand.
    pub generation: i32,
    /// Member id.
    pub member: Arc<str>,
    /// `group.instance.id`
    pub instance: Option<Arc<str>>,
}

/// How a call ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// As asked.
    Done,
    /// The record is in the log.
    Sent {
        /// Partition.
        partition: i32,
        /// Offset, `-1` when the broker did not say.
        offset: Offset,
    },
    /// The records are in the `Delivered` outcomes before this one.
    Polled(GroupMember),
    /// Not as asked.
    Refused(Refusal),
}

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody else has the transactional id now: this producer is of no use any more.
    Fenced,
    /// An error after which the producer is of no use.
    Fatal(ErrorCode),
    /// The transaction cannot be committed; it is aborted, or is to be.
    Aborted,
    /// The record was given up.
    NotSent(FailReason),
    /// The record fits in no request.
    TooLarge,
    /// The group does not take the positions: it has another member or generation.
    CommitFailed(ErrorCode),
    /// The call makes no sense now.
    Misused(&'static str),
}
