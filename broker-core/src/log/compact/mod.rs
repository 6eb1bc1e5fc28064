//! Compaction of a log (Kafka's `Cleaner`): which part is dirty, what of it stays, and the swap.
//! Leaves out which log is cleaned when, and how fast: see `replica/cleaner`.
//!
//! A [`Pass`] reads the dirty part to learn the newest offset of each key, then copies segments
//! from the log's beginning into new ones without what is outdated, and puts those in their place.

mod dirty;
mod filter;
mod offset_map;
mod pass;
mod swap;
mod transactions;

#[cfg(test)]
mod tests;

pub(crate) use dirty::Dirty;
pub(crate) use pass::{
    CleaningError, Done as CleaningDone, Pass, Progress, Start as CleaningStart,
};
