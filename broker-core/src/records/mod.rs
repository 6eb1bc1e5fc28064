//! Record batches of format v2: parsed header, opaque body.

mod batch;
mod body;

pub use batch::{Batch, BatchHeader, BATCH_OVERHEAD};
pub use body::{Body, BodyTemplate};

use std::sync::Arc;

/// A run of batches as Produce, Fetch and the log carry it. Batches are shared, never copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Records {
    batches: Vec<Arc<Batch>>,
    size_bytes: u32,
}

impl Records {
    /// From batches in order.
    #[must_use]
    pub fn new(batches: Vec<Arc<Batch>>) -> Self {
        let size_bytes = batches.iter().map(|batch| batch.size_bytes()).sum();
        Self { batches, size_bytes }
    }

    /// One batch.
    #[must_use]
    pub fn single(batch: Arc<Batch>) -> Self {
        let size_bytes = batch.size_bytes();
        Self { batches: vec![batch], size_bytes }
    }

    /// The batches.
    #[must_use]
    pub fn batches(&self) -> &[Arc<Batch>] {
        &self.batches
    }

    /// Adds a batch at the end.
    pub fn push(&mut self, batch: Arc<Batch>) {
        self.size_bytes += batch.size_bytes();
        self.batches.push(batch);
    }

    /// Encoded size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u32 {
        self.size_bytes
    }

    /// Whether there is no batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Number of records in all batches.
    #[must_use]
    pub fn record_count(&self) -> u64 {
        self.batches.iter().map(|batch| u64::from(batch.header.record_count.unsigned_abs())).sum()
    }
}
