//! The seam of a simulated client: what goes in, what comes out. Pure data.

use super::asks::{Answer, Ask};
use super::templates::Templates;
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, Offset, TopicId, TopicPartition};
use stormglass_broker_core::protocol::{Request, Response};
use stormglass_broker_core::records::Batch;

/// Something that happened to a client.
#[derive(Debug)]
pub enum ClientInput {
    /// The process has started; first input of a client's life.
    Start,
    /// A connection asked for is set up.
    Connected {
        /// Broker.
        node: NodeId,
    },
    /// A connection asked for was refused or reset before it was set up.
    ConnectFailed {
        /// Broker.
        node: NodeId,
    },
    /// A connection was closed or reset by the other side. Not sent after the client's own close.
    Disconnected {
        /// Broker.
        node: NodeId,
    },
    /// An answer, in the order of the requests on this connection.
    Response {
        /// Broker.
        node: NodeId,
        /// As in [`ClientSend`].
        correlation: u64,
        /// Answer.
        response: Response,
    },
    /// A timer is due. Stale ones are ignored.
    Timer(ClientTimer),
    /// The offered load changes to this many parts per thousand of the curve's.
    LoadChanged {
        /// Parts per thousand.
        rate_permille: u32,
    },
    /// End of the load: no new records, what is buffered is flushed.
    StopLoad,
    /// The application stops: a producer hands over nothing, a consumer polls nothing.
    Pause,
    /// It goes on.
    Resume,
    /// An application under test calls.
    Asked {
        /// Names the call; no other of this client has it.
        id: u64,
        /// What.
        ask: Box<Ask>,
    },
}

/// The one timer of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientTimer {
    /// Only the newest one counts.
    pub generation: u64,
}

/// A request to be sent on the connection to a broker.
#[derive(Debug)]
pub struct ClientSend {
    /// Broker.
    pub node: NodeId,
    /// Unique over the client's life.
    pub correlation: u64,
    /// What.
    pub request: Request,
    /// `false` for `acks=0`.
    pub expects_response: bool,
}

/// What a client wants done. Reused between steps; the world drains it.
#[derive(Debug, Default)]
pub struct ClientEffects {
    /// Connections to close, half-open ones included. Carried out before `connects`.
    pub closes: Vec<NodeId>,
    /// Connections to set up.
    pub connects: Vec<NodeId>,
    /// Requests, in order per broker.
    pub sends: Vec<ClientSend>,
    /// Timers to arm: when (ns), which. At most one per step.
    pub timers: Vec<(u64, ClientTimer)>,
    /// Client CPU time used by this step, ns.
    pub cpu_ns: u64,
    /// What became of records.
    pub outcomes: Vec<Outcome>,
    /// Rare branches taken (*sometimes* marks).
    pub marks: Vec<&'static str>,
}

/// Things that the clients of one simulation share.
#[derive(Debug, Default)]
pub struct ClientShared {
    /// Bodies.
    pub templates: Templates,
    /// Spare buffers for record times.
    spare_times: Vec<Vec<RecordTimes>>,
}

/// Spare buffers kept; more are freed.
const SPARE_TIMES_MAX: usize = 4096;

impl ClientShared {
    /// Gives the buffer of an outcome back for reuse.
    pub fn recycle(&mut self, mut times: Vec<RecordTimes>) {
        if self.spare_times.len() < SPARE_TIMES_MAX {
            times.clear();
            self.spare_times.push(times);
        }
    }

    /// An empty buffer.
    pub(crate) fn times(&mut self) -> Vec<RecordTimes> {
        self.spare_times.pop().unwrap_or_default()
    }
}

/// The current step: time, shared things, and where effects go.
#[derive(Debug)]
pub struct ClientCx<'a> {
    /// Monotonic time, ns.
    pub now_ns: u64,
    /// Wall clock of the client's host, ms since the epoch.
    pub wall_ms: i64,
    /// Shared by all clients.
    pub shared: &'a mut ClientShared,
    /// Where effects go.
    pub effects: &'a mut ClientEffects,
}

/// Records of a producer that have no outcome when the run is over.
#[derive(Debug, Clone, Copy)]
pub struct Unfinished<'a> {
    /// Their partition, if they are in a batch.
    pub tp: Option<TopicPartition>,
    /// When they were intended, rising, ns.
    pub times_ns: &'a [u64],
    /// Keys and values of all of them.
    pub bytes: u64,
}

/// Times of one record, ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordTimes {
    /// When the workload wanted it sent.
    pub intended_ns: u64,
    /// When the client accepted it (`send()` returned).
    pub handed_ns: u64,
}

/// A producer batch at its end, acknowledged or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchDone {
    /// Partition.
    pub tp: TopicPartition,
    /// Base offset that the broker gave, `-1` when unknown (`acks=0`, old duplicate, failure).
    pub base_offset: Offset,
    /// The batch as last sent: producer id, epoch, sequence, body. `None` when it was never sent.
    pub batch: Option<Arc<Batch>>,
    /// Unique per batch over the run.
    pub tag: u64,
    /// One entry per record, in order. To be given back with [`ClientShared::recycle`].
    pub records: Vec<RecordTimes>,
    /// Bytes of keys and values before compression.
    pub raw_bytes: u64,
    /// First send, ns; 0 when never sent.
    pub first_sent_ns: u64,
    /// Last send, ns; 0 when never sent.
    pub sent_ns: u64,
    /// Now: acknowledged or given up, ns.
    pub done_ns: u64,
    /// Sends after the first.
    pub retries: u32,
    /// Whether some send ended without an answer, so that the log may hold the batch although it
    /// failed, or more than once without idempotence.
    pub ambiguous: bool,
    /// Broker of the last send.
    pub broker: NodeId,
    /// Correlation of the last send, to join with a sampled critical path.
    pub correlation: u64,
}

/// What became of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A batch is acknowledged as `acks` demands.
    Acked(BatchDone),
    /// A batch failed for good.
    Failed(BatchDone, FailReason),
    /// Records were refused before they got into a batch.
    Rejected {
        /// How many.
        records: u64,
        /// Why.
        reason: RejectReason,
    },
    /// A consumer has its first position of a partition.
    PositionFound {
        /// Partition.
        tp: TopicPartition,
        /// Position.
        offset: Offset,
        /// From a commit, not from the reset policy.
        committed: bool,
        /// When its group's coordinator was asked for a commit, ns; 0 without a group. The reset policy may take long
        /// after that.
        asked_ns: u64,
    },
    /// `poll()` gave records of a batch to the application.
    Delivered {
        /// Partition.
        tp: TopicPartition,
        /// The whole batch.
        batch: Arc<Batch>,
        /// First offset delivered now.
        first_offset: Offset,
        /// Records delivered now.
        count: u32,
        /// When, ns.
        delivered_ns: u64,
        /// Replica that sent it.
        from_broker: NodeId,
    },
    /// A position out of the log's range was reset by policy.
    OffsetReset {
        /// Partition.
        tp: TopicPartition,
        /// Position before.
        from: Offset,
        /// Position now.
        to: Offset,
    },
    /// The log was truncated below the position (KIP-320).
    TruncationDetected {
        /// Partition.
        tp: TopicPartition,
        /// Position before.
        position: Offset,
        /// First offset known to differ; the new position.
        to: Offset,
    },
    /// A request to commit leaves: it may be carried out late, whatever becomes of its answer.
    CommitSent {
        /// Partition.
        tp: TopicPartition,
        /// Next offset to read.
        offset: Offset,
    },
    /// Positions are committed.
    Committed {
        /// Partition.
        tp: TopicPartition,
        /// Next offset to read.
        offset: Offset,
    },
    /// A member learned its share of a group's partitions.
    Assigned {
        /// Generation of the group, or the member's epoch.
        generation: i32,
        /// Instance id of a static member, else member id.
        member: Arc<str>,
        /// Everything that it has now; in the consumer protocol everything that it shall have.
        partitions: Vec<TopicPartition>,
        /// It asked then or later, ns.
        asked_ns: u64,
        /// By the protocol of KIP-848.
        consumer_protocol: bool,
    },
    /// A member in the consumer protocol was told to keep these partitions, which it had said that it
    /// has: nobody else may be given one before the coordinator has had time to give the member up.
    Holds {
        /// As in `Assigned`.
        member: Arc<str>,
        /// Which.
        partitions: Vec<TopicPartition>,
        /// The member's epoch.
        epoch: i32,
        /// When the member asked first since it was answered last, ns.
        since_ns: u64,
        /// The same, as it was first told in this epoch to give up others that its coordinator knows it to have still,
        /// ns.
        gives_up_since_ns: Option<u64>,
    },
    /// It has given these up.
    Released {
        /// As in `Assigned`.
        member: Arc<str>,
        /// Which.
        partitions: Vec<TopicPartition>,
    },
    /// A transaction of a producer has got further.
    Transaction(TransactionStep),
    /// Offsets that `poll()` does not show: markers, and batches of aborted transactions.
    Skipped {
        /// Partition.
        tp: TopicPartition,
        /// The whole batch.
        batch: Arc<Batch>,
        /// First offset passed over now.
        first_offset: Offset,
        /// Next offset.
        next: Offset,
    },
    /// A call of an application under test is over.
    Answered {
        /// As in [`ClientInput::Asked`].
        id: u64,
        /// How.
        answer: Answer,
    },
    /// The topics asked for exist and every partition has a leader.
    TopicsReady(Vec<CreatedTopic>),
}

/// A topic that an [`super::Admin`] created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Name.
    pub name: Arc<str>,
    /// Id.
    pub id: TopicId,
    /// Number of partitions.
    pub partitions: u32,
}

/// What a producer does about a transaction. Numbers are unique over the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStep {
    /// It begins.
    Began {
        /// Which.
        number: u64,
        /// An EndTxn of the same producer epoch was never answered: if it arrives late it ends this
        /// transaction (KAFKA-17754), which no broker without the second part of KIP-890 can tell.
        endangered: bool,
    },
    /// A batch of it goes out for the first time.
    Wrote {
        /// Which.
        number: u64,
        /// Partition.
        tp: TopicPartition,
        /// Tag of the batch.
        tag: u64,
    },
    /// A group's coordinator has taken a position of it (`group_of`, `position_of`).
    Positioned {
        /// Which.
        number: u64,
    },
    /// A request to commit leaves: from now on the transaction may be committed.
    CommitSent {
        /// Which.
        number: u64,
    },
    /// The coordinator has confirmed the end.
    Ended {
        /// Which.
        number: u64,
        /// Committed, not aborted.
        committed: bool,
    },
    /// The producer was told that it is fenced, or another fatal error, and begins anew.
    Abandoned {
        /// Which.
        number: u64,
    },
}

/// Bits of a transaction's number that count up, below those of its producer.
const NUMBER_BITS: u32 = 40;

impl TransactionStep {
    /// How the names of groups begin whose positions a load's transactions commit.
    pub(crate) const GROUPS: &str = "positions-";
    /// The number of a load's first producer among the clients of a run: the one before it makes the topics. Where some
    /// have a backlog there is one more.
    pub(crate) const FIRST_PRODUCER: u32 = 1;

    /// The group whose positions a load's transactions commit.
    pub(crate) fn group_of(number: u64) -> Arc<str> {
        format!("{}{}", Self::GROUPS, number >> NUMBER_BITS).into()
    }

    /// The position that one commits: they go up.
    pub(crate) fn position_of(number: u64) -> Offset {
        Offset::try_from(number & ((1 << NUMBER_BITS) - 1)).unwrap_or(Offset::MAX)
    }
}

/// Why a batch failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailReason {
    /// `delivery.timeout.ms` is over.
    DeliveryTimeout,
    /// Retries are used up; the last error.
    RetriesExhausted(stormglass_broker_core::error::ErrorCode),
    /// An error that a retry does not help against.
    Fatal(stormglass_broker_core::error::ErrorCode),
    /// The connection was lost and no retries are left.
    Disconnected,
    /// Its transaction is aborted.
    TransactionAborted,
}

/// Why a record was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectReason {
    /// `buffer.memory` was full, or metadata was missing, for `max.block.ms`.
    BlockedTooLong,
    /// Larger than `max.request.size` or `buffer.memory`.
    TooLarge,
}
