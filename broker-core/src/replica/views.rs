//! What the replica manager shows to checkers.

use super::ReplicaManager;
use super::append::PendingAppend;
use super::partition::Watch;
use super::session::FetchSession;
use crate::ids::NodeId;
use crate::inspect::{FollowedView, SessionPartView, SessionView, ThrottledView, WaitsView};
use crate::time::Instant;
use std::collections::BTreeSet;

impl ReplicaManager {
    /// Fetch sessions in order of their slots.
    pub(crate) fn session_views(&self) -> Vec<SessionView> {
        self.sessions.slots().map(|(slot, session)| self.session_view(slot, session)).collect()
    }

    fn session_view(&self, slot: u32, session: &FetchSession) -> SessionView {
        let live = session.parts.iter().zip(0..).filter(|(part, _)| part.live);
        let parts = live.map(|(part, index)| {
            let watch = Watch { session: slot, part: index };
            let hosted = part.slot.filter(|at| self.hosts(*at, part.tp));
            let watched = hosted.and_then(|at| self.partition(at)).map(|partition| {
                let list = match session.replica {
                    Some(_) => &partition.follower_watch,
                    None => &partition.consumer_watch,
                };
                list.contains(&watch)
            });
            SessionPartView {
                tp: part.tp,
                fetch_offset: part.fetch_offset,
                current_leader_epoch: part.current_leader_epoch,
                last_fetched_epoch: part.last_fetched_epoch,
                log_start: part.log_start,
                told_high_watermark: part.told_high_watermark,
                told_log_start: part.told_log_start,
                is_queued: part.queued,
                is_watched: watched,
            }
        });
        SessionView {
            id: session.id,
            replica: session.replica.map(|replica| replica.id),
            isolation: session.isolation,
            min_bytes: session.min_bytes,
            parked_until: session.parked.map(|parked| parked.deadline),
            is_reading: session.reading,
            parts: parts.collect(),
        }
    }

    /// Brokers that may join an ISR, in order of their ids.
    pub(crate) fn eligible_brokers(&self) -> Vec<(NodeId, i64)> {
        self.eligible.iter().map(|(id, epoch)| (*id, *epoch)).collect()
    }

    /// Produces of clients that are still there, and are not answered.
    pub(crate) fn answers_owed(&self) -> usize {
        self.purgatory.answers_owed()
    }

    /// Appends of coordinators whose end is to come.
    pub(crate) fn coordinators_appends(&self) -> BTreeSet<u64> {
        self.purgatory.coordinators_appends()
    }

    /// Those of them that take too long.
    pub(crate) fn overdue_appends(&self) -> BTreeSet<u64> {
        self.purgatory.overdue_appends()
    }

    /// What is copied from whom.
    pub(crate) fn followed_views(&self) -> Vec<FollowedView> {
        self.fetchers.views()
    }

    /// Replicas with the replication quotas that they are under.
    pub(crate) fn throttled_views(&self) -> impl Iterator<Item = ThrottledView> {
        self.iter().map(|partition| ThrottledView {
            tp: partition.tp,
            as_leader: partition.throttled.as_leader,
            as_follower: partition.throttled.as_follower,
        })
    }

    /// Whether bytes that are sent to followers, and bytes that are copied, may have to be counted.
    pub(crate) fn counts_throttled(&self) -> (bool, bool) {
        (self.throttles.counts_sent(), self.throttles.counts_fetched())
    }

    /// When the timer for requests that wait is due.
    pub(crate) fn armed(&self) -> Option<Instant> {
        self.purgatory.armed()
    }

    /// Requests that wait.
    pub(crate) fn waits_view(&self) -> WaitsView {
        let passed = |p: &super::Partition| {
            let log_end = p.log.log_end_offset();
            p.ack_waiters.front().is_some_and(|waiter| waiter.required <= p.high_watermark)
                || p.duplicates.iter().any(|waiter| waiter.required <= log_end)
        };
        let is_open = |produce, index| self.purgatory.required(produce, index).is_some();
        let waiters = self.iter().flat_map(|p| p.ack_waiters.iter().chain(&p.duplicates));
        let replicating = waiters.filter(|waiter| is_open(waiter.produce, waiter.index)).count();
        let appends = || self.appends.values().chain(self.flushing.appends());
        let appending = appends().filter_map(PendingAppend::produce);
        let appending = appending.filter(|(produce, index)| is_open(*produce, *index)).count();
        let lost_acks = self.purgatory.open_parts().saturating_sub(replicating + appending);
        let copying = appends().filter(|append| append.produce().is_none()).count();
        let parked = self.sessions.slots().filter(|(_, session)| !session.reading);
        WaitsView {
            produce: self.purgatory.first_produce_deadline(),
            fetch: parked.filter_map(|(_, session)| Some(session.parked?.deadline)).min(),
            timer: self.purgatory.armed(),
            lost_acks,
            unwatched_produces: self.purgatory.unwatched_produces(),
            overdue_acks: self.iter().filter(|partition| passed(partition)).count(),
            unwatched_transactions: 0,
            lost_writes: 0,
            lost_remote: self.tier.as_ref().map_or(0, |tier| tier.lost()),
            lost_copies: self.fetchers.awaited_appends().abs_diff(copying),
            stuck_fetchers: self.fetchers.stuck(),
            unused_fetches: match self.log_dir_failed {
                Some(_) => 0, // it is about to end
                None => self.fetchers.unused(),
            },
            stuck_changes: 0,
            idle_ends: 0,
            is_closing: self.is_closing(),
            idle_load: None,
        }
    }
}
