//! Record batches of format v2: parsed header, opaque body.

mod batch;
mod body;
mod build;
mod codec;
mod compression;
mod marker;
mod run;
mod walk;

pub use batch::{BATCH_OVERHEAD, Batch, BatchHeader};
pub use body::{Body, BodyTemplate};
pub use build::{Record, RecordError, RecordHeader, varint_len};
pub use codec::{BatchError, BatchWalk};
pub use marker::EndTxnMarker;
pub use run::Records;
pub(crate) use walk::RecordView;
