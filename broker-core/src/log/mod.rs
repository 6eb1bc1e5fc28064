//! The log of a partition: segments, indexes, leader epochs, producer state, recovery, retention.
//!
//! Pure bookkeeping that yields disk operations; the shell stores the bytes.

mod aborted;
mod append;
mod config;
mod describe;
mod epochs;
mod index;
mod marks;
mod partition_log;
mod producers;
mod read;
mod recover;
mod retention;
mod roll;
mod segment;
mod snapshot;
mod truncate;
mod types;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use config::LogConfig;
pub use describe::ActiveProducer;
pub use epochs::EpochEntry;
pub use partition_log::Log;
pub use types::{
    AppendContext, AppendError, Appended, OffsetOutOfRange, Origin, Recover, RecoveryStats,
    TimestampLookup,
};
