//! Compaction, by Kafka's rules and against a history.

mod random;
mod rig;
mod rules;
