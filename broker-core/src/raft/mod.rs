//! KRaft quorum: a replicated, fsynced metadata log (KIP-595), snapshots (KIP-630) and pre-votes
//! (KIP-996). Voters are fixed by configuration; changing them (KIP-853) is left out.

mod audit;
mod describe;
mod election;
mod follower;
mod leader;
mod log;
mod node;
mod outbox;
mod role;
mod snapshots;
mod state;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use node::{Committed, Content, Raft};
pub(crate) use role::RoleName;
pub(crate) use state::{named_snapshot, persisted};
