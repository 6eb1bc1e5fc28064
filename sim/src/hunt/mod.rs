//! The hunt: a seed becomes a storm, a broken promise becomes a signature and a small plan.
//!
//! Pure: draws plans, judges recordings, makes plans smaller. Who runs many seeds side by side, and
//! what is written where, is the binary's business.

mod absent;
mod adding;
mod applications;
mod behind;
mod configs;
mod coordinators;
mod crossings;
mod dice;
mod elections;
mod expiring;
mod flushes;
mod judge;
mod late;
mod members;
mod names;
mod one_broker;
mod operations;
mod positioned;
mod positions_gone;
mod quotas;
mod rarely;
mod remote;
mod settings;
mod shrink;
mod stalls;
mod stamped;
mod storm;
mod strangers;
mod subscriptions;
mod swarm;
mod tails;
#[cfg(test)]
mod testing;
mod timing;
mod together;
mod transactions;
mod unheard;

pub use applications::strike;
pub use judge::{Failure, Judgement, judge};
pub use names::fault_name;
pub use shrink::{Shrunk, shrink};
pub use swarm::{SWARM, swarm};
