//! What fetch sessions hold, from the requests alone (KIP-227).

use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::protocol::{FetchPartition, FetchRequest, FetchResponse};

/// Sessions by node and id.
#[derive(Debug, Default)]
pub(super) struct Sessions(FxHashMap<(i32, i32), Session>);

#[derive(Debug)]
struct Session {
    next_epoch: i32,
    /// By partition.
    positions: BTreeMap<TopicPartition, FetchPartition>,
    /// High watermarks that a follower was told last, with answers that it takes.
    told: BTreeMap<TopicPartition, Offset>,
    /// Of a follower: partitions whose state it may not know, whatever it was told. It has dropped the last answer, as
    /// it asks for the same again, or has had to cut its log first.
    untold: BTreeSet<TopicPartition>,
    /// Epoch of the follower's registration, `-1` for a consumer.
    broker_epoch: i64,
}

impl Session {
    /// A partition is named: anew, where it was, or further on.
    fn named(&mut self, part: &FetchPartition) {
        let before = self.positions.get(&part.tp).map(|before| before.fetch_offset);
        if before.is_none_or(|before| before == part.fetch_offset) {
            self.untold.insert(part.tp);
        }
    }

    /// Whether the last fetch that it took had this epoch.
    fn follows(&self, epoch: i32) -> bool {
        self.next_epoch == after(epoch)
    }
}

/// The epoch of the next fetch of a session.
fn after(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

fn broker_epoch(fetch: &FetchRequest) -> i64 {
    fetch.replica.map_or(-1, |replica| replica.epoch)
}

fn is_full(fetch: &FetchRequest) -> bool {
    fetch.session_epoch <= 0
}

impl Sessions {
    /// A fetch is about to be handled. Whether its follower has registered anew since the one before.
    pub(super) fn asked(&mut self, node: i32, fetch: &FetchRequest) -> bool {
        if is_full(fetch) {
            self.0.remove(&(node, fetch.session_id));
            return false;
        }
        let Some(session) = self.0.get_mut(&(node, fetch.session_id)) else { return false };
        if session.next_epoch != fetch.session_epoch {
            return false;
        }
        session.next_epoch = after(session.next_epoch);
        for tp in &fetch.forgotten {
            session.positions.remove(tp);
            session.told.remove(tp);
            session.untold.remove(tp);
        }
        for part in &fetch.partitions {
            session.told.remove(&part.tp);
            if fetch.replica.is_some() {
                session.named(part);
            }
        }
        session.positions.extend(fetch.partitions.iter().map(|part| (part.tp, *part)));
        let epoch = broker_epoch(fetch);
        std::mem::replace(&mut session.broker_epoch, epoch) != epoch
    }

    /// What a fetch that is about to be handled is about; nothing if it will be refused.
    pub(super) fn positions<'a>(
        &'a self,
        node: i32,
        fetch: &'a FetchRequest,
    ) -> impl Iterator<Item = &'a FetchPartition> {
        let session = self.0.get(&(node, fetch.session_id)).filter(|_| !is_full(fetch));
        let taken = session.filter(|session| session.follows(fetch.session_epoch));
        let named = if is_full(fetch) { fetch.partitions.as_slice() } else { &[] };
        named.iter().chain(taken.into_iter().flat_map(|session| session.positions.values()))
    }

    /// A fetch was answered: what it had asked, in the order of the answer.
    pub(super) fn answered(
        &mut self,
        node: i32,
        fetch: &FetchRequest,
        answer: &FetchResponse,
    ) -> Vec<Option<FetchPartition>> {
        if is_full(fetch) && answer.session_id != 0 {
            let positions = fetch.partitions.iter().map(|part| (part.tp, *part)).collect();
            let (told, broker_epoch) = (BTreeMap::new(), broker_epoch(fetch));
            let untold = BTreeSet::new();
            let session = Session { next_epoch: 1, positions, told, untold, broker_epoch };
            self.0.insert((node, answer.session_id), session);
        }
        if !answer.error.is_ok()
            && let Some(session) = self.0.get_mut(&(node, fetch.session_id))
        {
            session.untold.clear(); // what was asked has not been taken
        }
        self.tells(node, fetch, answer);
        let session = self.0.get(&(node, fetch.session_id)).filter(|_| !is_full(fetch));
        let of = |tp| match session {
            Some(session) => session.positions.get(&tp).copied(),
            None => fetch.partitions.iter().find(|part| part.tp == tp).copied(),
        };
        answer.partitions.iter().map(|part| of(part.tp)).collect()
    }

    /// A follower was told something. Who must cut its log first takes nothing else from an answer.
    fn tells(&mut self, node: i32, fetch: &FetchRequest, answer: &FetchResponse) {
        if fetch.replica.is_none() {
            return;
        }
        let Some(session) = self.0.get_mut(&(node, answer.session_id)) else { return };
        for part in &answer.partitions {
            let is_taken = part.error.is_ok() && part.diverging_epoch.is_none();
            if is_taken {
                session.told.insert(part.tp, part.high_watermark);
                session.untold.remove(&part.tp);
            } else {
                session.told.remove(&part.tp);
                session.untold.insert(part.tp);
            }
        }
    }

    /// The high watermark that a follower was told last in a session.
    pub(super) fn told(&self, node: i32, session: i32, tp: TopicPartition) -> Option<Offset> {
        self.0.get(&(node, session))?.told.get(&tp).copied()
    }

    /// Whether a follower is to be told of a partition's state whatever it was told before.
    pub(super) fn is_untold(&self, node: i32, session: i32, tp: TopicPartition) -> bool {
        self.0.get(&(node, session)).is_some_and(|session| session.untold.contains(&tp))
    }

    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.0.retain(|(of, _), _| *of != node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::testing::tp;
    use stormglass_broker_core::error::ErrorCode;
    use stormglass_broker_core::ids::NodeId;
    use stormglass_broker_core::protocol::{
        EpochEndOffset, FetchPartitionResponse, IsolationLevel, ReplicaState,
    };
    use stormglass_broker_core::records::Records;

    fn fetch(session_epoch: i32, offset: Option<Offset>) -> FetchRequest {
        let part = |fetch_offset| FetchPartition {
            tp: tp(0),
            current_leader_epoch: 1,
            fetch_offset,
            last_fetched_epoch: 0,
            log_start_offset: 0,
            max_bytes: 1_000,
        };
        FetchRequest {
            replica: Some(ReplicaState { id: NodeId(2), epoch: 7 }),
            max_wait_ms: 500,
            min_bytes: 1,
            max_bytes: 1_000,
            isolation: IsolationLevel::ReadUncommitted,
            session_id: if session_epoch == 0 { 0 } else { 9 },
            session_epoch,
            partitions: offset.map(part).into_iter().collect(),
            forgotten: Vec::new(),
            rack: None,
        }
    }

    fn answer(error: ErrorCode, diverging: bool) -> FetchResponse {
        let part = FetchPartitionResponse {
            tp: tp(0),
            error: ErrorCode::None,
            high_watermark: 5,
            last_stable_offset: 5,
            log_start_offset: 0,
            diverging_epoch: diverging.then_some(EpochEndOffset { epoch: 0, end_offset: 3 }),
            snapshot_id: None,
            current_leader: None,
            preferred_read_replica: None,
            aborted: None,
            records: Records::default(),
        };
        FetchResponse { throttle_ms: 0, error, session_id: 9, partitions: vec![part] }
    }

    #[test]
    fn who_has_dropped_an_answer_or_cuts_its_log_is_to_be_told_again() {
        let mut sessions = Sessions::default();
        let told = |sessions: &Sessions| !sessions.is_untold(1, 9, tp(0));
        let next = |sessions: &mut Sessions, epoch, offset, answer: &FetchResponse| {
            let fetch = fetch(epoch, offset);
            sessions.asked(1, &fetch);
            let before = told(sessions);
            sessions.answered(1, &fetch, answer);
            (before, told(sessions))
        };
        let fine = answer(ErrorCode::None, false);
        assert_eq!(next(&mut sessions, 0, Some(5), &fine), (true, true));
        assert_eq!(next(&mut sessions, 1, Some(6), &fine), (true, true), "it has taken that");
        assert_eq!(next(&mut sessions, 2, Some(6), &fine), (false, true), "it has not");
        assert_eq!(next(&mut sessions, 3, None, &answer(ErrorCode::None, true)), (true, false));
        assert_eq!(next(&mut sessions, 4, Some(3), &fine), (false, true), "it has been cut");
        let refused = answer(ErrorCode::InvalidFetchSessionEpoch, false);
        assert_eq!(next(&mut sessions, 5, Some(3), &refused), (false, true));
    }
}
