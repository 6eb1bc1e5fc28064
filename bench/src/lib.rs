//! A scenario's workload against a real cluster: `stormglass bench`.
//!
//! Producers and consumers are librdkafka's, as many as the plan has, each on a thread of its own.
//! When a record is due comes from the same arrival processes as in a simulation, and never waits for
//! the cluster (open loop): what the client cannot take in time counts as delay. What is measured goes
//! through the simulator's recorder, so that the run's directory is that of `stormglass run`.
//!
//! Leaves out what only a model can do: faults, and what a broker is busy with. Those are named in the
//! recording's assumptions.

mod consumer;
mod ledger;
mod message;
mod observer;
mod producer;
mod run;
mod settings;
mod topics;

pub use run::{BenchError, Target, bench};
