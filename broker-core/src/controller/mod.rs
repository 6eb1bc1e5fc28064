//! The controller: decides the cluster's metadata while its node leads the quorum (KIP-500,
//! KIP-631). Reassignment, topic deletion, ELR (KIP-966) and feature upgrades are left out.

mod alter_partition;
mod brokers;
mod elections;
mod placement;
mod producer_ids;
mod sessions;
mod state;
#[cfg(test)]
mod tests;
mod topics;

pub(crate) use state::Controller;
pub(crate) use topics::is_legal_name;
