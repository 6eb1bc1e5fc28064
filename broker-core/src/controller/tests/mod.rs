//! The controller on a quorum that is stepped by hand.

mod broker_configs;
mod brokers;
mod features;
mod names;
mod partitions;
mod quotas;
mod reassignments;
mod rig;
mod takeover;
mod topic_changes;
mod unclean;
