//! The cluster of a plan: its nodes with their hosts, limits and volumes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What kind of cluster is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterKind {
    /// Amazon MSK provisioned, Standard brokers.
    MskStandard,
    /// Amazon MSK provisioned, Express brokers.
    MskExpress,
    /// Amazon MSK Serverless.
    MskServerless,
    /// Kafka on EC2 instances that the user runs.
    SelfManaged,
}

impl ClusterKind {
    /// As scenarios have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MskStandard => "msk-standard",
            Self::MskExpress => "msk-express",
            Self::MskServerless => "msk-serverless",
            Self::SelfManaged => "self-managed",
        }
    }

    /// Whether AWS runs it.
    #[must_use]
    pub const fn is_msk(self) -> bool {
        !matches!(self, Self::SelfManaged)
    }

    /// Whether brokers have storage that is apart from them, instead of volumes.
    #[must_use]
    pub const fn has_elastic_storage(self) -> bool {
        matches!(self, Self::MskExpress | Self::MskServerless)
    }
}

/// Brokers, controllers and the hosts that they run on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterPlan {
    /// Kind.
    pub kind: ClusterKind,
    /// Region, such as `us-east-1`.
    pub region: String,
    /// AZ names, such as `a`, `b`, `c`.
    pub azs: Vec<String>,
    /// Brokers in order of id, which starts at 1.
    pub brokers: Vec<NodePlan>,
    /// Controllers; ids follow MSK's habit and start at 10001.
    pub controllers: Vec<NodePlan>,
    /// server.properties that are set, by name. Unset keys have MSK's or Kafka's default.
    pub config: BTreeMap<String, String>,
    /// TLS between clients and brokers.
    pub tls_client: bool,
    /// TLS between brokers.
    pub tls_in_cluster: bool,
    /// What the service lets each broker do; absent: what its hardware can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsPlan>,
}

/// Quotas of a managed service for each broker, all of its clients together. What is above them is
/// throttled as Kafka throttles clients above their quotas; absent: not limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsPlan {
    /// From producers, without degradation; nothing happens above it but a note in the report.
    pub in_sustained_bytes_per_sec: Option<u64>,
    /// From producers at most.
    pub in_bytes_per_sec: Option<u64>,
    /// To consumers, without degradation; nothing happens above it but a note in the report.
    pub out_sustained_bytes_per_sec: Option<u64>,
    /// To consumers at most.
    pub out_bytes_per_sec: Option<u64>,
    /// To one partition at most.
    pub partition_in_bytes_per_sec: Option<u64>,
    /// From one partition at most.
    pub partition_out_bytes_per_sec: Option<u64>,
    /// Requests of clients per second at most.
    pub requests_per_sec: Option<u64>,
    /// Present where the figures of a broker are its part of quotas of the whole cluster with so many
    /// brokers up: those that are up share the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_by: Option<u32>,
    /// Where the figures come from.
    pub source: String,
}

/// One broker or controller and its host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    /// Kafka's node id.
    pub id: i32,
    /// Index into `azs`.
    pub az: usize,
    /// The host's resources.
    pub host: HostPlan,
}

/// A host's resources, resolved from the instance catalogue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostPlan {
    /// Instance type, such as `kafka.m5.large`.
    pub instance: String,
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Relative speed of a vCPU in parts per thousand of the profile's reference.
    pub cpu_speed_permille: u32,
    /// Baseline fraction of a vCPU for burstable instances (t3), parts per thousand; 1000 otherwise.
    pub cpu_baseline_permille: u32,
    /// CPU credits at the start, vCPU-nanoseconds; 0 when not burstable.
    pub cpu_credits_ns: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// JVM heap in bytes; the rest less a reserve is page cache.
    pub heap_bytes: u64,
    /// NIC, each direction.
    pub nic: RatePlan,
    /// Highest rate of a single flow, bytes per second.
    pub flow_cap_bytes_per_sec: u64,
    /// Data volumes (log directories).
    pub volumes: Vec<VolumePlan>,
}

/// A rate with a baseline, a burst and a bucket of credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RatePlan {
    /// Rate that is always there, units per second.
    pub baseline_per_sec: u64,
    /// Rate while credits last, units per second.
    pub burst_per_sec: u64,
    /// Size of the credit bucket, units. Credits are spent at (rate - baseline) and earned at
    /// (baseline - rate).
    pub bucket: u64,
    /// Credits at the start of the run, units.
    pub initial: u64,
}

/// A volume as the disk model sees it. Volume and instance EBS limits apply both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumePlan {
    /// `gp2`, `gp3`, `provisioned`, `nvme`, or `elastic`: storage apart from the broker, which
    /// grows with what is kept and survives the broker.
    pub kind: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Throughput of the volume, bytes per second.
    pub throughput: RatePlan,
    /// Operations per second of the volume (up to `io_size_bytes` each).
    pub iops: RatePlan,
    /// Operations per second that are provisioned, and billed, where the instance lets fewer through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioned_iops: Option<u64>,
    /// The instance's path to its volumes, bytes per second.
    pub instance_throughput: RatePlan,
    /// Largest I/O that counts as one operation.
    pub io_size_bytes: u64,
}
