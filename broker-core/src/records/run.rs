//! A run of batches. Models what Kafka's `MemoryRecords` holds, without its bytes.

use super::Batch;
use crate::ids::Offset;
use std::sync::Arc;

/// A run of batches as Produce, Fetch and the log carry it. Batches are shared, never copied.
#[derive(Debug, Clone)]
pub struct Records {
    repr: Repr,
    size_bytes: u32,
}

/// One batch is by far the most frequent run, and needs no list.
#[derive(Debug, Clone)]
enum Repr {
    One(Arc<Batch>),
    Many(Vec<Arc<Batch>>),
}

impl Records {
    /// From batches in order.
    #[must_use]
    pub fn new(batches: Vec<Arc<Batch>>) -> Self {
        let size_bytes = batches.iter().map(|batch| batch.size_bytes()).sum();
        Self { repr: Repr::Many(batches), size_bytes }
    }

    /// One batch.
    #[must_use]
    pub fn single(batch: Arc<Batch>) -> Self {
        let size_bytes = batch.size_bytes();
        Self { repr: Repr::One(batch), size_bytes }
    }

    /// The batches.
    #[must_use]
    pub fn batches(&self) -> &[Arc<Batch>] {
        match &self.repr {
            Repr::One(batch) => std::slice::from_ref(batch),
            Repr::Many(batches) => batches,
        }
    }

    /// Adds a batch at the end.
    pub fn push(&mut self, batch: Arc<Batch>) {
        self.size_bytes += batch.size_bytes();
        match &mut self.repr {
            Repr::One(first) => {
                let mut batches = Vec::with_capacity(4);
                batches.push(Arc::clone(first));
                batches.push(batch);
                self.repr = Repr::Many(batches);
            }
            Repr::Many(batches) if batches.is_empty() => self.repr = Repr::One(batch),
            Repr::Many(batches) => batches.push(batch),
        }
    }

    /// The last batch, without a count of its users going up and down.
    #[must_use]
    pub fn into_last(self) -> Option<Arc<Batch>> {
        match self.repr {
            Repr::One(batch) => Some(batch),
            Repr::Many(mut batches) => batches.pop(),
        }
    }

    /// The batches, without counts of their users going up and down.
    pub fn into_batches(self) -> impl Iterator<Item = Arc<Batch>> {
        let (one, many) = match self.repr {
            Repr::One(batch) => (Some(batch), Vec::new()),
            Repr::Many(batches) => (None, batches),
        };
        one.into_iter().chain(many)
    }

    /// Encoded size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u32 {
        self.size_bytes
    }

    /// Whether there is no batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches().is_empty()
    }

    /// Number of records in all batches.
    #[must_use]
    pub fn record_count(&self) -> u64 {
        self.batches().iter().map(|batch| u64::from(batch.header.record_count.unsigned_abs())).sum()
    }

    /// Offset of the first record, if there is one.
    #[must_use]
    pub fn first_offset(&self) -> Option<Offset> {
        self.batches().first().map(|batch| batch.base_offset())
    }

    /// Offset of the last record, if there is one.
    #[must_use]
    pub fn last_offset(&self) -> Option<Offset> {
        self.batches().last().map(|batch| batch.last_offset())
    }
}

impl Default for Records {
    fn default() -> Self {
        Self { repr: Repr::Many(Vec::new()), size_bytes: 0 }
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.batches() == other.batches()
    }
}

impl Eq for Records {}
