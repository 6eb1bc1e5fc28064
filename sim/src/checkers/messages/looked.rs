//! What a fetch names, or its session has, looked up as it comes, once for all rules that compare it with the replicas
//! here.

use super::is_told;
use stormglass_broker_core::Broker;
use stormglass_broker_core::inspect::ReplicaView;
use stormglass_broker_core::protocol::{EpochEndOffset, FetchPartition};

/// A position of a fetch, and the replica that it is about.
pub(super) struct Looked<'a> {
    pub(super) part: &'a FetchPartition,
    pub(super) view: ReplicaView<'a>,
    /// What the fetcher must be told of where its log differs.
    pub(super) told: Option<EpochEndOffset>,
}

impl<'a> Looked<'a> {
    /// Those of these positions that are about replicas here.
    pub(super) fn all(
        broker: &'a Broker,
        parts: impl Iterator<Item = &'a FetchPartition>,
    ) -> Vec<Self> {
        let looked = parts.filter_map(|part| {
            let view = broker.replica_view(part.tp)?;
            Some(Self { part, told: is_told(view.log, part), view })
        });
        looked.collect()
    }
}
