//! What fetch sessions hold, from the requests alone (KIP-227).

use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
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
    /// Epoch of the follower's registration, `-1` for a consumer.
    broker_epoch: i64,
}

impl Session {
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
        }
        for part in &fetch.partitions {
            session.told.remove(&part.tp);
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
            let session = Session { next_epoch: 1, positions, told, broker_epoch };
            self.0.insert((node, answer.session_id), session);
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
            match is_taken {
                true => session.told.insert(part.tp, part.high_watermark),
                false => session.told.remove(&part.tp),
            };
        }
    }

    /// The high watermark that a follower was told last in a session.
    pub(super) fn told(&self, node: i32, session: i32, tp: TopicPartition) -> Option<Offset> {
        self.0.get(&(node, session))?.told.get(&tp).copied()
    }

    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.0.retain(|(of, _), _| *of != node);
    }
}
