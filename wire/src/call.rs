//! What the answer needs to know of its request.

use crate::api::Operations;
use crate::apis::ApiKey;
use crate::cluster::Cluster;
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::error::ErrorCode;
use stormglass_broker_core::ids::{NodeId, TopicId, TopicPartition};
use stormglass_broker_core::protocol::{DeletedTopic, ProducePartitionResponse};

/// First of the ids that stand for names that the cluster does not know. Real ids are larger than
/// `u32::MAX`, reserved ones smaller than this.
const UNKNOWN_ID_FIRST: u128 = 16;

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Call {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) client_id: Option<Arc<str>>,
    pub(crate) names: Names,
    pub(crate) aside: Aside,
    pub(crate) operations: Operations,
}

impl Call {
    /// Which API was called.
    #[must_use]
    pub fn api(&self) -> ApiKey {
        self.api
    }

    /// `client.id` of who called.
    #[must_use]
    pub fn client_id(&self) -> Option<&Arc<str>> {
        self.client_id.as_ref()
    }

    /// In which version.
    #[must_use]
    pub fn version(&self) -> i16 {
        self.version
    }
}

/// Parts of the answer that are known before the broker is asked.
#[derive(Debug, Default)]
pub(crate) enum Aside {
    #[default]
    Nothing,
    /// Produce: partitions whose records are not record batches.
    Refused(Vec<ProducePartitionResponse>),
    /// OffsetFetch: partitions in the request, as the oldest version has an error per partition.
    Asked(Vec<TopicPartition>),
    /// DescribeConfigs: where values come from is wanted, too.
    WithSynonyms,
    /// DescribeCluster: what cannot be told.
    Refusal(ErrorCode),
    /// DescribeQuorum: what has none, by topic.
    NoQuorum(Vec<(Arc<str>, Vec<i32>)>),
    /// Metadata: ids that no topic has.
    UnknownIds(Vec<TopicId>),
    /// DeleteTopics: topics that were named by name and id.
    NamedBothWays(Vec<DeletedTopic>),
    /// UnregisterBroker: which.
    Unregistered(NodeId),
}

/// Topics by the names that the request used. A name that the cluster does not know gets an id
/// that no topic has, so that the broker gives its usual answer for what it does not host.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_id: BTreeMap<TopicId, Arc<str>>,
}

impl Names {
    pub(crate) fn resolve(&mut self, cluster: &dyn Cluster, name: Arc<str>) -> TopicId {
        let id = cluster.topic_id(&name).unwrap_or_else(|| self.stand_in(&name));
        self.by_id.insert(id, name);
        id
    }

    fn stand_in(&self, name: &str) -> TopicId {
        let same = self.by_id.iter().find(|(id, known)| is_stand_in(**id) && ***known == *name);
        match same {
            Some((id, _)) => *id,
            None => TopicId(UNKNOWN_ID_FIRST + self.by_id.len() as u128),
        }
    }

    /// The name that the request used, or else the topic's.
    pub(crate) fn name(&self, cluster: &dyn Cluster, id: TopicId) -> Arc<str> {
        let known = self.by_id.get(&id).cloned();
        known.or_else(|| cluster.topic_name(id)).unwrap_or_else(|| "".into())
    }
}

fn is_stand_in(id: TopicId) -> bool {
    id.0 <= u128::from(u32::MAX)
}
