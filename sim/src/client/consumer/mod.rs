//! The consumer: fetch sessions, positions, one polling thread, commits. Java's semantics.

mod aborted;
mod application;
mod assignors;
mod commits;
mod fetcher;
mod machine;
mod membership;
mod partition;
mod poll;
mod positions;
mod session;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_membership;

pub use assignors::Assignor;
pub use machine::{Assignment, Consumer, ConsumerSetup};
pub(crate) use membership::COORDINATOR_IDS;
pub use membership::{ClassicSetup, HeartbeatSetup, MembershipSetup};
