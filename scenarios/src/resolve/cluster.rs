//! Brokers and controllers on their hosts and AZs.

use super::{configs, hosts};
use crate::catalogue::managed::limits;
use crate::plan::{ClusterKind, ClusterPlan, NodePlan};
use crate::schema::cluster::{Cluster, Encryption, Kind};

/// Id of the first broker.
const BROKER_ID_FIRST: i32 = 1;
/// Id of the first controller, as on MSK.
const CONTROLLER_ID_FIRST: i32 = 10_001;
/// Controllers of an MSK cluster.
const MSK_CONTROLLERS: u32 = 3;

impl Cluster {
    /// Kind, in the plan's type.
    pub(crate) fn plan_kind(&self) -> ClusterKind {
        match self.kind.value {
            Kind::MskStandard => ClusterKind::MskStandard,
            Kind::MskExpress => ClusterKind::MskExpress,
            Kind::MskServerless => ClusterKind::MskServerless,
            Kind::SelfManaged => ClusterKind::SelfManaged,
        }
    }

    /// Ids of the brokers.
    pub(crate) fn broker_ids(&self) -> Vec<i32> {
        ids(BROKER_ID_FIRST, self.broker_count())
    }

    /// Ids of the controllers.
    pub(crate) fn controller_ids(&self) -> Vec<i32> {
        let count = self.controllers.as_ref().map_or(MSK_CONTROLLERS, |count| count.value.0);
        ids(CONTROLLER_ID_FIRST, count)
    }

    /// Kafka version as (major, minor).
    pub(crate) fn kafka_version(&self) -> (u32, u32) {
        let text = self.kafka.as_ref().map_or("3.9", |version| version.value.0.as_str());
        version(text).expect("check refused what is no version")
    }
}

/// Major and minor of `3.9` or `3.9.1`.
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    let version = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let patch = parts.next();
    let plain = parts.next().is_none() && patch.is_none_or(|patch| patch.parse::<u32>().is_ok());
    plain.then_some(version)
}

fn ids(first: i32, count: u32) -> Vec<i32> {
    (first..).take(count as usize).collect()
}

/// The cluster of a plan.
pub(crate) fn cluster(cluster: &Cluster) -> ClusterPlan {
    let kind = cluster.plan_kind();
    let azs = cluster.az_names();
    let broker_host = hosts::broker_host(kind, cluster);
    let instance = cluster.controller_instance.as_ref().map(|name| name.value.0.as_str());
    let controller_host = hosts::controller_host(kind, instance);
    let nodes = |ids: Vec<i32>, host: &crate::plan::HostPlan| {
        let spread = ids.into_iter().enumerate();
        spread
            .map(|(index, id)| NodePlan { id, az: index % azs.len(), host: host.clone() })
            .collect()
    };
    let paths = cluster.encryption.as_ref().map(|encryption| &encryption.value);
    let tls_default = kind.is_msk();
    let client = paths.and_then(|paths| paths.client.as_ref());
    let in_cluster = paths.and_then(|paths| paths.in_cluster.as_ref());
    ClusterPlan {
        kind,
        region: cluster.region_name().to_owned(),
        brokers: nodes(cluster.broker_ids(), &broker_host),
        controllers: nodes(cluster.controller_ids(), &controller_host),
        config: configs::server_config(cluster),
        tls_client: client.map_or(tls_default, |choice| choice.value == Encryption::Tls),
        tls_in_cluster: in_cluster.map_or(tls_default, |choice| choice.value == Encryption::Tls),
        limits: limits(kind, cluster.instance_name()),
        azs,
    }
}

impl Cluster {
    /// AWS region.
    pub(crate) fn region_name(&self) -> &str {
        self.region.as_ref().map_or("us-east-1", |region| region.value.0.as_str())
    }
}
