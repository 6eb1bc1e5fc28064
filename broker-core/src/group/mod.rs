//! Group coordinator: members and positions, in `__consumer_offsets`.
//! Everything is appended with `acks=all` and rebuilt from the log by whoever leads it.
//!
//! - `coordinator`: which groups this broker has; appends, timers
//! - `membership/`: the state machine of a group's members in the classic protocol
//! - `consumer/`: the state machine of a group in the consumer protocol (KIP-848), which writes its
//!   changes as records; `consumers`: what clients ask of it
//! - `roster`: members in whichever protocol
//! - `members`, `positions`, `admin`: what clients ask
//! - `loading`: taking over partitions; `writes`: appends under way; `timers`: deadlines
//! - `expiry`: positions and groups that nobody uses
//! - `transactions`: positions that wait for the end of a transaction
//!
//! Left out for now: conversion of groups with members from one protocol to the other.

mod admin;
mod audit;
mod codec;
mod consumer;
mod consumers;
mod coordinator;
mod expiry;
mod loading;
mod members;
mod membership;
mod positions;
mod roster;
mod timers;
mod transactions;
mod writes;

pub(crate) use audit::{replay_consumer_epochs, replay_member_epoch, replay_positions};
pub use consumer::Assignor;
pub(crate) use coordinator::GroupCoordinator;

/// Name of the topic that holds positions.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Partition of `__consumer_offsets` for a group, and of `__transaction_state` for a transactional id:
/// the absolute value of Java's `String.hashCode`. The one hash that has none counts as 0.
pub(crate) fn partition_for(group: &str, partitions: i32) -> i32 {
    let hash = group
        .encode_utf16()
        .fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % partitions.max(1)
}

#[cfg(test)]
mod consumers_tests;
#[cfg(test)]
mod loading_tests;
#[cfg(test)]
mod slow_log_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_go_where_kafka_puts_them() {
        // hashes in Java: -995215426, and that of the number without an absolute value
        assert_eq!(partition_for("payers", 50), 26);
        assert_eq!(partition_for("polygenelubricants", 50), 0);
        assert_eq!(partition_for("a", 50), 97 % 50);
        assert_eq!(partition_for("ab", 50), (97 * 31 + 98) % 50);
        assert_eq!(partition_for("", 50), 0);
    }
}
