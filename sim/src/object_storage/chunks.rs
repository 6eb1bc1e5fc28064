//! Chunks of segments that a broker has read from object storage and keeps, oldest dropped first.
//! Leaves out hits that make a chunk younger: readers that are far behind go through once.

use std::collections::{BTreeMap, VecDeque};
use stormglass_broker_core::ids::RemoteSegmentId;

/// Which chunk of which segment.
pub(crate) type Chunk = (RemoteSegmentId, u64);

/// Where a chunk is.
#[derive(Debug)]
enum State {
    /// On its way, and the readers that wait for it.
    Coming(Vec<u32>),
    Here,
}

/// The chunks of one broker.
#[derive(Debug, Default)]
pub(crate) struct ChunkCache {
    chunks: BTreeMap<Chunk, State>,
    here: VecDeque<Chunk>,
}

impl ChunkCache {
    /// Whether a chunk is here or on its way.
    pub(crate) fn knows(&self, chunk: Chunk) -> bool {
        self.chunks.contains_key(&chunk)
    }

    /// A reader needs a chunk. Returns whether it has to wait; the chunk is on its way, or must be
    /// asked for by [`Self::ask`] before.
    pub(crate) fn wants(&mut self, chunk: Chunk, reader: u32) -> bool {
        match self.chunks.get_mut(&chunk) {
            Some(State::Coming(readers)) => {
                readers.push(reader);
                true
            }
            Some(State::Here) | None => false,
        }
    }

    /// A chunk is asked for.
    pub(crate) fn ask(&mut self, chunk: Chunk) {
        self.chunks.entry(chunk).or_insert_with(|| State::Coming(Vec::new()));
    }

    /// A chunk has come; who waited for it. `most` chunks are kept.
    pub(crate) fn came(&mut self, chunk: Chunk, most: usize) -> Vec<u32> {
        let Some(State::Coming(readers)) = self.chunks.insert(chunk, State::Here) else {
            return Vec::new();
        };
        self.here.push_back(chunk);
        while self.here.len() > most {
            if let Some(oldest) = self.here.pop_front() {
                self.chunks.remove(&oldest);
            }
        }
        readers
    }

    /// A chunk cannot be had; who waited for it.
    pub(crate) fn failed(&mut self, chunk: Chunk) -> Vec<u32> {
        match self.chunks.remove(&chunk) {
            Some(State::Coming(readers)) => readers,
            Some(State::Here) | None => Vec::new(),
        }
    }
}
