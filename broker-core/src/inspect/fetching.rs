//! Fetch sessions, what a follower copies from whom, and requests that wait.

use crate::broker::Broker;
use crate::ids::{LeaderEpoch, NodeId, Offset, TopicPartition};
use crate::protocol::IsolationLevel;
use crate::time::Instant;

/// A fetch session, or (with `id` 0) a fetch without one.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// Session id.
    pub id: i32,
    /// Follower that fetches; `None` for a consumer.
    pub replica: Option<NodeId>,
    /// What it may read.
    pub isolation: IsolationLevel,
    /// Bytes that it waits for.
    pub min_bytes: u64,
    /// Until when its fetch waits at most, on the node's monotonic clock.
    pub parked_until: Option<Instant>,
    /// Whether a read of it is at the disk.
    pub is_reading: bool,
    /// Partitions in it.
    pub parts: Vec<SessionPartView>,
}

/// A partition of a fetch session.
#[derive(Debug, Clone, Copy)]
pub struct SessionPartView {
    /// Partition.
    pub tp: TopicPartition,
    /// Next offset wanted.
    pub fetch_offset: Offset,
    /// Leader epoch as the fetcher knows it.
    pub current_leader_epoch: LeaderEpoch,
    /// Epoch of the last record that the fetcher has, `-1` for most consumers.
    pub last_fetched_epoch: LeaderEpoch,
    /// Where a follower's log begins, `-1` of a consumer.
    pub log_start: Offset,
    /// High watermark that the fetcher was told last.
    pub told_high_watermark: Offset,
    /// Log start that the fetcher was told last.
    pub told_log_start: Offset,
    /// Whether it is looked at before the next answer.
    pub is_queued: bool,
    /// Whether its replica tells the session of news; `None` when there is no replica here.
    pub is_watched: Option<bool>,
}

/// A partition that a follower copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowedView {
    /// Partition.
    pub tp: TopicPartition,
    /// From whom.
    pub leader: NodeId,
    /// In which leader epoch.
    pub epoch: LeaderEpoch,
    /// Whether it was asked for in this session, and not taken back since.
    pub is_asked: bool,
    /// Whether it is left out until a back-off ends.
    pub is_delayed: bool,
    /// Whether nobody will look whether that has ended.
    pub is_forgotten: bool,
}

/// The oldest deadlines of requests that wait, on the node's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct WaitsView {
    /// Of produces.
    pub produce: Option<Instant>,
    /// Of fetches.
    pub fetch: Option<Instant>,
    /// When the timer that ends them is due.
    pub timer: Option<Instant>,
    /// Partitions whose high watermark has passed what an acknowledgement waits for.
    pub overdue_acks: usize,
    /// Parts of produces that wait for something that nobody has under way.
    pub lost_acks: usize,
    /// Produces that wait for all replicas, and nothing ends that when their time is over.
    pub unwatched_produces: usize,
    /// Appends of coordinators whose end nobody will tell them.
    pub lost_writes: usize,
    /// Operations on remote storage that logs wait for, or that keep a reader thread busy, and that are not under
    /// way.
    pub lost_remote: usize,
    /// Appends that fetchers wait for, and that are not under way, or the other way round.
    pub lost_copies: usize,
    /// Fetchers that wait for an answer which nobody will hand them, or that could ask and wait for nothing.
    pub stuck_fetchers: usize,
    /// Fetchers that wait for the answer of a leader from which they have nothing to copy any more.
    pub unused_fetches: usize,
    /// Transactional ids that wait for an append that is not under way, or do not wait for one that is.
    pub stuck_changes: usize,
    /// Transactions whose end is decided, and nothing brings it about.
    pub idle_ends: usize,
    /// Whether logs take nothing more, as the broker is about to end.
    pub is_closing: bool,
    /// Open transactions at a coordinator that will not look whether they take too long.
    pub unwatched_transactions: usize,
    /// A partition of `__consumer_offsets` or `__transaction_state` whose load nothing goes on with.
    pub idle_load: Option<i32>,
}

impl Broker {
    /// Epoch of this broker's registration, `-1` before it and for a controller.
    #[must_use]
    pub fn registered_epoch(&self) -> i64 {
        self.role().map_or(-1, |role| role.broker_epoch)
    }

    /// Fetch sessions and fetches without one.
    #[must_use]
    pub fn fetch_sessions(&self) -> Vec<SessionView> {
        self.role().map(|role| role.replicas.session_views()).unwrap_or_default()
    }

    /// Brokers that this one takes for able to join an ISR, with the epochs of their registrations.
    #[must_use]
    pub fn eligible_brokers(&self) -> Vec<(NodeId, i64)> {
        self.role().map(|role| role.replicas.eligible_brokers()).unwrap_or_default()
    }

    /// What this broker copies from others.
    #[must_use]
    pub fn followed(&self) -> Vec<FollowedView> {
        self.role().map(|role| role.replicas.followed_views()).unwrap_or_default()
    }

    /// Whether this broker coordinates a group and has read all that the log says of it. Also true
    /// when there is no `__consumer_offsets` yet.
    #[must_use]
    pub fn has_loaded_group(&self, group: &str) -> bool {
        let Some(role) = self.role() else { return false };
        let Some(TopicPartition { partition, .. }) = self.partition_of_group(group) else {
            return true;
        };
        let views = role.groups.views();
        views.iter().any(|view| view.partition == partition && view.is_loaded)
    }

    /// Partition of `__consumer_offsets` that has a group, as far as this broker knows.
    #[must_use]
    pub fn partition_of_group(&self, group: &str) -> Option<TopicPartition> {
        let topic = self.role()?.image.topic_named(crate::group::OFFSETS_TOPIC)?;
        let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        let partition = crate::group::partition_for(group, count);
        Some(TopicPartition { topic: topic.id, partition })
    }

    /// Requests that wait for replication or for data.
    #[must_use]
    pub fn waits(&self) -> WaitsView {
        let Some(role) = self.role() else { return WaitsView::default() };
        let unwatched_transactions = role.transactions.unwatched();
        let idle_load = role.groups.idle_load().or_else(|| role.transactions.idle_load());
        let open = role.replicas.coordinators_appends();
        let lost_writes = role.transactions.lost_writes(&open)
            + role.markers.lost_writes(&open)
            + role.groups.lost_writes(&open);
        let stuck_changes = role.transactions.stuck_changes();
        let idle_ends = role.transactions.idle_ends();
        WaitsView {
            unwatched_transactions,
            idle_load,
            lost_writes,
            stuck_changes,
            idle_ends,
            ..role.replicas.waits_view()
        }
    }
}
