//! Instances and volumes: `msk.toml`, `ec2.toml`, `volumes.toml`.

use super::provenance::{Provenance, read};
use crate::units::scaled_decimal;
use serde::Deserialize;
use std::sync::OnceLock;

/// `msk.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Msk {
    pub(crate) provenance: MskProvenance,
    pub(crate) instances: Vec<MskInstance>,
}

/// Sources of `msk.toml` by column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MskProvenance {
    pub(crate) specs: Provenance,
    pub(crate) price: Provenance,
    pub(crate) heap: Provenance,
    pub(crate) provisioned_throughput: Provenance,
}

/// An MSK Standard broker size.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MskInstance {
    /// Name, such as `kafka.m5.large`.
    pub(crate) name: String,
    /// EC2 type below it.
    pub(crate) ec2: String,
    pub(crate) vcpus: u32,
    pub(crate) memory_gib: u64,
    /// US dollars, decimal.
    pub(crate) usd_per_hour: String,
    /// Partition replicas per broker that AWS recommends at most.
    pub(crate) recommended_partitions: u32,
    /// Partition replicas per broker beyond which updates are refused.
    pub(crate) max_partitions: u32,
    /// Highest provisioned throughput, MiB/s; absent: not eligible.
    pub(crate) max_provisioned_mib_per_sec: Option<String>,
}

/// `ec2.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ec2 {
    pub(crate) provenance: Ec2Provenance,
    pub(crate) limits: Limits,
    pub(crate) instances: Vec<Ec2Instance>,
}

/// Sources of `ec2.toml` by column.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ec2Provenance {
    pub(crate) size: Provenance,
    pub(crate) price: Provenance,
    pub(crate) network: Provenance,
    pub(crate) ebs: Provenance,
    pub(crate) ebs_derived: Provenance,
    pub(crate) nvme: Provenance,
    pub(crate) cpu_speed: Provenance,
    pub(crate) cpu_credits: Provenance,
    pub(crate) burst: Provenance,
}

/// Limits of every instance.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Seconds of full burst that a full bucket pays for.
    pub(crate) burst_seconds: u64,
    /// Highest rate of one flow, Gbit/s.
    pub(crate) flow_cap_gbps: String,
}

/// An EC2 instance type.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ec2Instance {
    pub(crate) name: String,
    pub(crate) vcpus: u32,
    pub(crate) memory_gib: u64,
    pub(crate) usd_per_hour: String,
    pub(crate) cpu_speed_permille: u32,
    pub(crate) cpu_baseline_permille: Option<u32>,
    pub(crate) cpu_credits_max_vcpu_minutes: Option<u64>,
    pub(crate) net_base_gbps: String,
    pub(crate) net_burst_gbps: String,
    pub(crate) ebs_base_mb_per_sec: String,
    pub(crate) ebs_burst_mb_per_sec: String,
    /// Absent: no figure, the volume's own limit holds.
    pub(crate) ebs_base_iops: Option<u64>,
    pub(crate) ebs_burst_iops: Option<u64>,
    /// EBS burst and IOPS are taken from a type with the same baseline.
    #[serde(default)]
    pub(crate) ebs_derived: bool,
    pub(crate) nvme: Option<Nvme>,
}

/// Local disks of an instance type.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nvme {
    pub(crate) disks: u32,
    pub(crate) gb_each: u64,
    pub(crate) read_iops_total: u64,
    pub(crate) write_iops_total: u64,
}

/// `volumes.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Volumes {
    pub(crate) gp2: Gp2,
    pub(crate) gp3: Gp3,
    pub(crate) msk: MskVolume,
    pub(crate) nvme: NvmeRule,
}

/// The rule of gp2. `provenance` fields are written in line.
#[derive(Debug, Deserialize)]
pub(crate) struct Gp2 {
    pub(crate) iops_per_gib: u64,
    pub(crate) iops_min: u64,
    pub(crate) iops_max: u64,
    pub(crate) iops_burst: u64,
    pub(crate) io_credits: u64,
    pub(crate) throughput_min_mib_per_sec: u64,
    pub(crate) throughput_max_mib_per_sec: u64,
    pub(crate) throughput_milli_mib_per_gib: u64,
    pub(crate) io_size_kib: u64,
    pub(crate) size_max_gib: u64,
    #[serde(flatten)]
    pub(crate) provenance: Provenance,
}

/// The rule of gp3.
#[derive(Debug, Deserialize)]
pub(crate) struct Gp3 {
    pub(crate) iops_base: u64,
    pub(crate) iops_max: u64,
    pub(crate) iops_per_gib_max: u64,
    pub(crate) throughput_base_mib_per_sec: u64,
    pub(crate) throughput_max_mib_per_sec: u64,
    pub(crate) throughput_milli_mib_per_iops: u64,
    pub(crate) io_size_kib: u64,
    pub(crate) size_max_gib: u64,
    #[serde(flatten)]
    pub(crate) provenance: Provenance,
}

/// Storage of MSK Standard brokers.
#[derive(Debug, Deserialize)]
pub(crate) struct MskVolume {
    pub(crate) size_min_gib: u64,
    pub(crate) size_max_gib: u64,
    pub(crate) default_size_gib: u64,
    pub(crate) provisioned_min_mib_per_sec: u64,
    pub(crate) provisioned_size_min_gib: u64,
    #[serde(flatten)]
    pub(crate) provenance: Provenance,
}

/// Throughput of local disks.
#[derive(Debug, Deserialize)]
pub(crate) struct NvmeRule {
    pub(crate) bytes_per_write_iops: u64,
    pub(crate) io_size_kib: u64,
    #[serde(flatten)]
    pub(crate) provenance: Provenance,
}

/// MSK Standard brokers.
pub(crate) fn msk() -> &'static Msk {
    static FILE: OnceLock<Msk> = OnceLock::new();
    FILE.get_or_init(|| read("msk.toml", include_str!("../../catalogue/msk.toml")))
}

/// EC2 instance types.
pub(crate) fn ec2() -> &'static Ec2 {
    static FILE: OnceLock<Ec2> = OnceLock::new();
    FILE.get_or_init(|| read("ec2.toml", include_str!("../../catalogue/ec2.toml")))
}

/// Volumes.
pub(crate) fn volumes() -> &'static Volumes {
    static FILE: OnceLock<Volumes> = OnceLock::new();
    FILE.get_or_init(|| read("volumes.toml", include_str!("../../catalogue/volumes.toml")))
}

/// An instance type that a plan may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Name, such as `kafka.m7g.large`.
    pub name: &'static str,
    /// Partition replicas for each broker that AWS recommends at most.
    pub recommended_partitions: u32,
}

/// The instance types of MSK Standard brokers, in the catalogue's order.
#[must_use]
pub fn msk_offers() -> Vec<Offer> {
    let offer = |row: &'static MskInstance| Offer {
        name: &row.name,
        recommended_partitions: row.recommended_partitions,
    };
    msk().instances.iter().map(offer).collect()
}

/// Partition replicas for each broker that a self-managed cluster is planned with at most: "Apache Kafka
/// Supports 200K Partitions Per Cluster" (Apache Kafka blog, 2018) recommends up to 4,000.
pub(crate) const SELF_MANAGED_PARTITIONS: u32 = 4_000;
/// Less memory leaves a broker no page cache beside its heap, GiB.
const SELF_MANAGED_MEMORY_GIB_MIN: u64 = 8;

/// The EC2 types that a self-managed broker may be, in the catalogue's order.
#[must_use]
pub fn ec2_offers() -> Vec<Offer> {
    let is_enough = |row: &&'static Ec2Instance| row.memory_gib >= SELF_MANAGED_MEMORY_GIB_MIN;
    let offer = |row: &'static Ec2Instance| Offer {
        name: &row.name,
        recommended_partitions: SELF_MANAGED_PARTITIONS,
    };
    ec2().instances.iter().filter(is_enough).map(offer).collect()
}

/// Local disks of an EC2 type, and its EBS baseline in bytes per second; nothing of an unknown type.
#[must_use]
pub fn ec2_storage(name: &str) -> Option<(u32, u64)> {
    let row = ec2_instance(name)?;
    let disks = row.nvme.map_or(0, |nvme| nvme.disks);
    let path = scaled_decimal(&row.ebs_base_mb_per_sec, 1_000_000)?;
    Some((disks, path))
}

/// An MSK broker size by name.
pub(crate) fn msk_instance(name: &str) -> Option<&'static MskInstance> {
    msk().instances.iter().find(|instance| instance.name == name)
}

/// An EC2 type by name.
pub(crate) fn ec2_instance(name: &str) -> Option<&'static Ec2Instance> {
    ec2().instances.iter().find(|instance| instance.name == name)
}
