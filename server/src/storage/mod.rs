//! Log directories as Kafka lays them out: a directory per partition, segments with their indexes,
//! small files beside them.
//!
//! Appends, reads and cuts go through the page cache and run on the node's thread, in order.
//! Whatever waits for the volume (fsync, files that are replaced whole, directories of logs) runs on
//! worker threads.

mod chunks;
mod image;
mod index;
mod layout;
mod log_dir;
mod open_files;
mod place;
mod read;
mod read_memory;
mod segment;
mod store;
mod swap;
#[cfg(test)]
mod tests;
mod walk;
mod workers;

pub(crate) use store::{Store, Submitted};
pub(crate) use workers::write_durably;
