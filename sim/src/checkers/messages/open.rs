//! Requests whose answers are compared with them, and what is noted of each as a node begins to work on it.

use super::looked::Looked;
use super::noted::Noted;
use super::timestamps::{self, Visible};
use super::unsure::{self, Unsure};
use super::{answers, fetches, led, placed, transactional};
use rustc_hash::FxHashMap;
use stormglass_broker_core::Broker;
use stormglass_broker_core::ids::{LeaderEpoch, Offset, TopicPartition};
use stormglass_broker_core::protocol::{EpochEndOffset, FetchPartition, Request};

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) request: Request,
    /// Of a produce: partitions whose batch was in order as it came.
    pub(super) in_order: Vec<TopicPartition>,
    /// Of ListOffsets: what could be read of partitions that are asked about by time.
    pub(super) visible: Vec<Visible>,
    /// Of ListOffsets: partitions whose ends their leader does not know yet.
    pub(super) unsure: Vec<Unsure>,
    /// Of ConsumerGroupHeartbeat: how often members of the group are to be heard, ms.
    pub(super) interval_ms: i32,
    /// Of what may change a transactional id: what that was.
    pub(super) transactional: Option<Box<transactional::Before>>,
    /// Partitions that others lead, or in another epoch.
    pub(super) unled: Vec<TopicPartition>,
    /// Of a follower's fetch: positions that were looked at and found to agree at once.
    pub(super) agreed: Vec<(TopicPartition, Offset)>,
    /// Of a fetch: positions whose logs differed as it came, and what was to be told of that.
    differing: Vec<(TopicPartition, Offset, EpochEndOffset)>,
    /// Of a fetch: what was unknown as it came, by [`fetches::knows_less`].
    pub(super) unknown: Vec<(TopicPartition, LeaderEpoch)>,
    /// Of a fetch: replicas that were cut since it came, and their high watermarks before.
    cut: Vec<(TopicPartition, Offset)>,
    /// What else its answer is compared with.
    pub(super) noted: Noted,
}

impl Open {
    /// As a node begins to work on it. Of a fetch, what it names is `looked` at, and of all in its session some is
    /// `unknown`. `interval_ms`: how often members of groups without a config of their own are to be heard; `wall_ms`:
    /// the time, where clocks are right.
    pub(super) fn new(
        broker: &Broker,
        (request, looked, unknown): (Request, &[Looked<'_>], Vec<(TopicPartition, LeaderEpoch)>),
        interval_ms: i32,
        wall_ms: Option<i64>,
    ) -> Self {
        let in_order = match &request {
            Request::Produce(asked) => answers::in_order(broker, asked),
            _ => Vec::new(),
        };
        let (visible, unsure) = match &request {
            Request::ListOffsets(asked) => {
                (timestamps::visible(broker, asked), unsure::of(broker, asked))
            }
            _ => (Vec::new(), Vec::new()),
        };
        let interval_ms = match &request {
            Request::ConsumerGroupHeartbeat(asked) => {
                placed::interval_ms(broker, &asked.group, interval_ms)
            }
            _ => 0,
        };
        let transactional = transactional::Before::of(broker, &request, wall_ms).map(Box::new);
        let unled = led::unled(broker, &request);
        let (agreed, differing) = match &request {
            Request::Fetch(fetch) => {
                (fetches::agreed(broker, fetch, looked), fetches::differing(looked))
            }
            _ => (Vec::new(), Vec::new()),
        };
        let noted = Noted::of(broker, (&request, looked), wall_ms.is_some());
        Self {
            request,
            in_order,
            visible,
            unsure,
            interval_ms,
            transactional,
            unled,
            agreed,
            differing,
            unknown,
            cut: Vec::new(),
            noted,
        }
    }

    /// The highest high watermark that a replica had before it was cut while a fetch of it waits.
    pub(super) fn had(&self, tp: TopicPartition) -> Option<Offset> {
        self.cut.iter().filter(|(of, _)| *of == tp).map(|(_, had)| *had).max()
    }

    /// What was to be told of a position of a fetch as it came, if logs differed then.
    pub(super) fn differed(&self, position: &FetchPartition) -> Option<EpochEndOffset> {
        let at = (position.tp, position.fetch_offset);
        let found = self.differing.iter().find(|(tp, offset, _)| (*tp, *offset) == at);
        found.map(|(.., told)| *told)
    }
}

/// A node cuts a replica's log, and with it the high watermark that it `had`.
pub(super) fn was_cut(
    open: &mut FxHashMap<(i32, u64, u64), Box<Open>>,
    node: i32,
    (tp, had): (TopicPartition, Offset),
) {
    let of_node = open.iter_mut().filter(|((of, ..), _)| *of == node).map(|(_, open)| open);
    for open in of_node.filter(|open| matches!(open.request, Request::Fetch(_))) {
        open.cut.push((tp, had));
    }
}

/// Whether the answer to a request is compared with it.
pub(super) fn is_looked_at(request: &Request) -> bool {
    matches!(
        request,
        Request::Fetch(_)
            | Request::Produce(_)
            | Request::ListOffsets(_)
            | Request::OffsetForLeaderEpoch(_)
            | Request::BrokerHeartbeat(_)
            | Request::Metadata(_)
            | Request::Vote(_)
            | Request::ConsumerGroupHeartbeat(_)
            | Request::SyncGroup(_)
            | Request::JoinGroup(_)
            | Request::Heartbeat(_)
            | Request::DeleteGroups(_)
            | Request::OffsetDelete(_)
            | Request::DescribeClientQuotas(_)
            | Request::DescribeConfigs(_)
            | Request::InitProducerId(_)
            | Request::AddPartitionsToTxn(_)
            | Request::AddOffsetsToTxn(_)
            | Request::EndTxn(_)
            | Request::TransactionalProduce(_)
            | Request::OffsetCommit(_)
            | Request::LeaveGroup(_)
            | Request::FindCoordinator(_)
            | Request::OffsetFetch(_)
            | Request::TxnOffsetCommit(_)
            | Request::DeleteRecords(_)
            | Request::WriteTxnMarkers(_)
            | Request::DescribeTopicPartitions(_)
            | Request::CreateTopics(_)
    )
}
