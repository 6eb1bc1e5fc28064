//! DescribeQuorum (KIP-595, KIP-836): what the leader knows of everybody who fetches the metadata
//! log, as Kafka's `LeaderState` keeps it.

use super::node::Raft;
use super::outbox::Out;
use super::role::Role;
use crate::error::ErrorCode;
use crate::ids::{NO_OFFSET, NodeId, Offset};
use crate::protocol::{DescribeQuorumResponse, QuorumReplica, Response};
use crate::step::{ReplyTo, Step};
use crate::time::{Duration, Instant};

/// An observer that has not fetched for this long is none any more (Kafka's
/// `OBSERVER_SESSION_TIMEOUT_MS`).
const OBSERVER_SESSION: Duration = Duration::from_millis(300_000);

/// What the leader has seen of a node that fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Offset up to which it has the log.
    end: Offset,
    /// When it fetched last.
    fetched: Instant,
    /// End of the leader's log at that time.
    leader_end: Offset,
    /// When it had last all that the leader had.
    caught_up: Option<Instant>,
}

impl Seen {
    /// A fetch at an offset of the leader's log. Who has now what the leader had at the last fetch
    /// was caught up then.
    pub(super) fn note(
        before: Option<Self>,
        end: Offset,
        leader_end: Offset,
        now: Instant,
    ) -> Self {
        let caught_up = match before {
            _ if end >= leader_end => Some(now),
            Some(last) if end >= last.leader_end => last.caught_up.max(Some(last.fetched)),
            Some(last) => last.caught_up,
            None => None,
        };
        Self { end, fetched: now, leader_end, caught_up }
    }
}

impl Raft {
    /// A node fetches; a position counts that was found on this log.
    pub(super) fn note_fetch(&mut self, node: NodeId, now: Instant, end: Option<Offset>) {
        let leader_end = self.log.durable_end();
        if let (Role::Leader(leader), Some(end)) = (&mut self.role, end) {
            let before = leader.seen.get(&node).copied();
            if before.is_none() {
                // as many as there are at one time: a new one may stand for one that is gone
                let voters = &self.voters;
                leader.seen.retain(|id, seen| {
                    voters.contains(id) || now.since(seen.fetched) < OBSERVER_SESSION
                });
            }
            leader.seen.insert(node, Seen::note(before, end, leader_end, now));
        }
    }

    /// Answers at once: nothing of it is decided by the quorum.
    pub(super) fn on_describe(&mut self, step: &Step<'_>, from: ReplyTo) {
        let response = self.described(step.now, step.wall_ms);
        self.out(Out::Reply(from, Response::DescribeQuorum(Box::new(response))));
    }

    /// What there is to tell.
    pub(super) fn described(&self, now: Instant, wall_ms: i64) -> DescribeQuorumResponse {
        let Role::Leader(leader) = &self.role else {
            return DescribeQuorumResponse::refused(ErrorCode::NotLeaderOrFollower);
        };
        let wall =
            |at: Instant| wall_ms - i64::try_from((now.since(at)).as_millis()).unwrap_or(i64::MAX);
        let of = |node: NodeId, seen: Option<&Seen>| QuorumReplica {
            node,
            log_end_offset: seen.map_or(NO_OFFSET, |seen| seen.end),
            last_fetch_ms: seen.map_or(-1, |seen| wall(seen.fetched)),
            last_caught_up_ms: seen.and_then(|seen| seen.caught_up).map_or(-1, wall),
        };
        let own = QuorumReplica {
            node: self.node,
            log_end_offset: self.log.durable_end(),
            last_fetch_ms: wall_ms,
            last_caught_up_ms: wall_ms,
        };
        let voter = |id: &NodeId| match *id == self.node {
            true => own,
            false => of(*id, leader.seen.get(id)),
        };
        let observes = |id: &NodeId, seen: &Seen| {
            !self.voters.contains(id) && now.since(seen.fetched) < OBSERVER_SESSION
        };
        let observers = leader.seen.iter().filter(|(id, seen)| observes(id, seen));
        DescribeQuorumResponse {
            error: ErrorCode::None,
            leader: Some(self.node),
            epoch: self.state.epoch,
            high_watermark: self.high_watermark,
            voters: self.voters.iter().map(voter).collect(),
            observers: observers.map(|(id, seen)| of(*id, Some(seen))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(1000 * seconds)
    }

    #[test]
    fn who_has_what_the_leader_had_at_the_last_fetch_was_caught_up_then() {
        let seen = Seen::note(None, 5, 9, at(1));
        assert_eq!(seen.caught_up, None, "it has never had everything");
        let seen = Seen::note(Some(seen), 9, 12, at(2));
        assert_eq!(seen.caught_up, Some(at(1)));
        let seen = Seen::note(Some(seen), 11, 14, at(3));
        assert_eq!(seen.caught_up, Some(at(1)), "the leader had 12");
        let seen = Seen::note(Some(seen), 14, 14, at(4));
        assert_eq!((seen.caught_up, seen.fetched, seen.end), (Some(at(4)), at(4), 14));
    }
}
