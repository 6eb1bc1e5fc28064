//! The disk of a host: volumes, page cache and content.

mod bucket;
mod cleaned;
mod cold_bytes;
mod config;
mod content;
mod damage;
#[cfg(test)]
mod damage_tests;
mod device;
#[cfg(test)]
mod device_tests;
mod dictionary;
mod durable;
mod flusher;
mod image;
mod latency;
mod log_table;
#[cfg(test)]
mod model_tests;
mod packed;
mod page_cache;
mod reader;
mod run;
mod segment;
mod store;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod theory;
mod timestamp;
mod varint;
mod volume;

pub use bucket::RateServer;
pub use config::DiskConfig;
pub(crate) use config::recovery_permille;
pub(crate) use content::Content;
pub use device::{Completion, Disk, DiskCounters};
pub(crate) use dictionary::Dictionary;
pub use latency::Latency;
pub use store::Preload;
pub(crate) use timestamp::first_at_or_after;
pub use volume::{Io, QUEUE_DEPTH, Slow, VolumeCounters, Volumes};
