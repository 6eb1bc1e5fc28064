//! The log of a partition: segments, indexes, leader epochs, producer state, recovery, retention,
//! compaction.
//!
//! Pure bookkeeping that yields disk operations; the shell stores the bytes.

mod aborted;
mod append;
mod awaited;
mod compact;
mod config;
mod describe;
mod epochs;
mod index;
mod invalid;
mod marks;
mod partition_log;
mod producers;
mod read;
mod recover;
mod retention;
mod roll;
mod segment;
mod snapshot;
mod tier;
mod truncate;
mod types;
mod views;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use compact::{CleaningDone, CleaningError, CleaningStart, Dirty, Pass, Progress};
pub use config::{Compaction, LogConfig, Tiering};
pub use describe::ActiveProducer;
pub use epochs::EpochEntry;
pub use partition_log::Log;
pub(crate) use tier::{TierStart, aborted_in};
pub use types::{
    AppendContext, AppendError, Appended, OffsetOutOfRange, Origin, Recover, RecoveryStats,
    TimestampLookup,
};
pub use views::SegmentView;
