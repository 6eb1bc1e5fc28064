//! The consumer: fetch sessions, positions, one polling thread, commits. Java's semantics.

mod commits;
mod fetcher;
mod machine;
mod partition;
mod poll;
mod positions;
mod session;
#[cfg(test)]
mod tests;

pub use machine::{Assignment, Consumer, ConsumerSetup};
