//! The controller: decides the cluster's metadata while its node leads the quorum (KIP-500,
//! KIP-631). ELR (KIP-966) is left out.

mod alter_partition;
mod broker_configs;
mod brokers;
mod configs;
mod elections;
mod features;
mod names;
mod placement;
mod producer_ids;
mod quotas;
mod reassignments;
mod refusals;
mod remote_storage;
mod sessions;
mod state;
#[cfg(test)]
mod tests;
mod topic_changes;
mod topics;

pub(crate) use refusals::refuse_topics;
use refusals::take_back_topics;
pub(crate) use state::Controller;
pub(crate) use topics::{is_legal_name, why_illegal};
