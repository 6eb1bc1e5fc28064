//! Names and addresses for the codec, which runs in connections' tasks: a snapshot that a node
//! replaces before it answers anything that depends on the change.

use super::names::Names;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use stormglass_broker_core::ids::{NodeId, TopicId};
use stormglass_broker_core::protocol::BrokerEndpoint;
use stormglass_wire::{Cluster, Endpoint, Levels, NO_LOG_DIR};

/// Addresses of brokers as clients are told, and their racks.
pub(crate) type Endpoints = BTreeMap<NodeId, Registered>;

/// Where a broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registered {
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) rack: Option<Arc<str>>,
}

/// A snapshot.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    cluster_id: Arc<str>,
    /// Where the node's logs are.
    log_dir: Arc<str>,
    endpoints: Arc<Endpoints>,
    /// Offset of the metadata, and levels of features as of then.
    features: (i64, Vec<(Arc<str>, i16)>),
    names: Names,
}

impl Directory {
    pub(crate) fn new(cluster_id: &str, endpoints: Endpoints) -> Self {
        Self {
            cluster_id: cluster_id.into(),
            log_dir: NO_LOG_DIR.into(),
            endpoints: Arc::new(endpoints),
            features: (-1, Vec::new()),
            names: Names::default(),
        }
    }

    /// The same of a node whose logs are there.
    pub(crate) fn in_dir(mut self, log_dir: &Path) -> Self {
        let path = log_dir.canonicalize().unwrap_or_else(|_| log_dir.to_owned());
        self.log_dir = path.to_string_lossy().into();
        self
    }

    /// The same with other topics, and with brokers where they have registered.
    fn with<'a>(
        &self,
        topics: impl Iterator<Item = (TopicId, &'a Arc<str>)>,
        brokers: impl Iterator<Item = (NodeId, &'a BrokerEndpoint, Option<&'a Arc<str>>)>,
        features: (i64, Vec<(Arc<str>, i16)>),
    ) -> Self {
        let mut next = Self::new("", Endpoints::new());
        next.cluster_id = Arc::clone(&self.cluster_id);
        next.log_dir = Arc::clone(&self.log_dir);
        next.endpoints = Arc::clone(&self.endpoints);
        next.features = features;
        for (node, BrokerEndpoint { host, port }, rack) in brokers {
            let (host, rack) = (Arc::clone(host), rack.cloned());
            let registered = Registered { host, port: *port, rack };
            if next.endpoints.get(&node) != Some(&registered) {
                Arc::make_mut(&mut next.endpoints).insert(node, registered);
            }
        }
        next.names = self.names.updated(&topics.collect::<Vec<_>>());
        next
    }
}

impl Cluster for Directory {
    fn topic_id(&self, name: &str) -> Option<TopicId> {
        self.names.id(name)
    }

    fn topic_name(&self, id: TopicId) -> Option<Arc<str>> {
        self.names.name(id).cloned()
    }

    fn endpoint(&self, node: NodeId) -> Option<Endpoint<'_>> {
        let Registered { host, port, rack } = self.endpoints.get(&node)?;
        Some(Endpoint { host, port: *port, rack: rack.as_deref() })
    }

    fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    fn features(&self) -> Levels<'_> {
        Levels { epoch: self.features.0, levels: &self.features.1 }
    }

    fn log_dir(&self) -> &str {
        &self.log_dir
    }

    fn log_dir_room(&self) -> Option<(i64, i64)> {
        room(&self.log_dir)
    }
}

/// Bytes of the volume that a directory is on, and those that this process may still use; `None` if
/// it cannot be asked.
fn room(dir: &str) -> Option<(i64, i64)> {
    let volume = rustix::fs::statvfs(dir).ok()?;
    let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(volume.f_frsize));
    // a volume of exbibytes is told as the largest there is, as Kafka does
    Some((bytes(volume.f_blocks).unwrap_or(i64::MAX), bytes(volume.f_bavail).unwrap_or(i64::MAX)))
}

/// The newest snapshot of a node.
#[derive(Debug, Clone)]
pub(crate) struct SharedDirectory {
    current: Arc<RwLock<Arc<Directory>>>,
}

impl SharedDirectory {
    pub(crate) fn new(directory: Directory) -> Self {
        Self { current: Arc::new(RwLock::new(Arc::new(directory))) }
    }

    pub(crate) fn current(&self) -> Arc<Directory> {
        // the value is replaced whole, so a panic elsewhere cannot have left half of one
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn replace<'a>(
        &self,
        topics: impl Iterator<Item = (TopicId, &'a Arc<str>)>,
        brokers: impl Iterator<Item = (NodeId, &'a BrokerEndpoint, Option<&'a Arc<str>>)>,
        features: (i64, Vec<(Arc<str>, i16)>),
    ) {
        let next = Arc::new(self.current().with(topics, brokers, features));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_has_its_rack_wherever_it_is_named() {
        let directory = SharedDirectory::new(Directory::new("cluster", Endpoints::new()));
        let endpoint = BrokerEndpoint { host: "kafka-1.example".into(), port: 9092 };
        let told = |rack: Option<&Arc<str>>| {
            let brokers = std::iter::once((NodeId(1), &endpoint, rack));
            directory.replace(std::iter::empty(), brokers, (0, Vec::new()));
            let current = directory.current();
            current.endpoint(NodeId(1)).and_then(|endpoint| endpoint.rack.map(str::to_owned))
        };
        assert_eq!(told(Some(&"az-1".into())), Some("az-1".to_owned()));
        assert_eq!(told(None), None, "registered anew");
    }
}
