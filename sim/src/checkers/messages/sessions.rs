//! What fetch sessions hold, from the requests alone (KIP-227).

use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use stormglass_broker_core::ids::TopicPartition;
use stormglass_broker_core::protocol::{FetchPartition, FetchRequest, FetchResponse};

/// Sessions by node and id.
#[derive(Debug, Default)]
pub(super) struct Sessions(FxHashMap<(i32, i32), Session>);

#[derive(Debug)]
struct Session {
    next_epoch: i32,
    /// By partition.
    positions: BTreeMap<TopicPartition, FetchPartition>,
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

fn is_full(fetch: &FetchRequest) -> bool {
    fetch.session_epoch <= 0
}

impl Sessions {
    /// A fetch is about to be handled.
    pub(super) fn asked(&mut self, node: i32, fetch: &FetchRequest) {
        if is_full(fetch) {
            self.0.remove(&(node, fetch.session_id));
            return;
        }
        let Some(session) = self.0.get_mut(&(node, fetch.session_id)) else { return };
        if session.next_epoch != fetch.session_epoch {
            return;
        }
        session.next_epoch = after(session.next_epoch);
        for tp in &fetch.forgotten {
            session.positions.remove(tp);
        }
        session.positions.extend(fetch.partitions.iter().map(|part| (part.tp, *part)));
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
            self.0.insert((node, answer.session_id), Session { next_epoch: 1, positions });
        }
        let session = self.0.get(&(node, fetch.session_id)).filter(|_| !is_full(fetch));
        let of = |tp| match session {
            Some(session) => session.positions.get(&tp).copied(),
            None => fetch.partitions.iter().find(|part| part.tp == tp).copied(),
        };
        answer.partitions.iter().map(|part| of(part.tp)).collect()
    }

    /// A node's process ended.
    pub(super) fn forget(&mut self, node: i32) {
        self.0.retain(|(of, _), _| *of != node);
    }
}
