//! What a candidate keeps its records on: volumes of MSK, EBS volumes, local disks, or storage that
//! nobody sees.

use super::plan_scenario::Shape;
use stormglass_reports::cost::{copies_kept, with_reserve};
use stormglass_reports::planner::Requirements;
use stormglass_scenarios::plan::ClusterKind;
use stormglass_scenarios::{ec2_storage, serverless_offer};

/// From this size on a gp2 volume has its full 250 MiB/s.
const MSK_GIB_MIN: u64 = 334;
/// A gp3 volume has so much for nothing, MiB/s.
const GP3_MIB_MIN: u64 = 125;
/// And no more than this.
const GP3_MIB_MAX: u64 = 2_000;
/// Operations per second that a gp3 volume has for nothing; each pays for a quarter of a MiB/s.
const GP3_IOPS_MIN: u64 = 3_000;
const GP3_IOPS_PER_MIB: u64 = 4;

/// Kind of the clusters of a size of broker or of a family.
pub(super) fn kind_of(instance: &str) -> ClusterKind {
    match instance.split_once('.') {
        Some(("express", _)) => ClusterKind::MskExpress,
        Some(("kafka", _)) => ClusterKind::MskStandard,
        None if instance == serverless_offer().0.name => ClusterKind::MskServerless,
        _ => ClusterKind::SelfManaged,
    }
}

impl Shape {
    /// Storage of each broker that retention calls for, GiB; on Express and Serverless a broker's
    /// share of what is kept, once.
    pub(super) fn storage_gib(&self, requirements: &Requirements) -> u64 {
        let each = |copies| {
            let (rate, seconds) =
                (requirements.ingress_bytes_per_sec, requirements.retention_seconds);
            copies_kept(rate, seconds, copies) / u128::from(self.brokers)
        };
        let gib = |bytes: u128| u64::try_from(bytes.div_ceil(1 << 30)).unwrap_or(u64::MAX);
        let kind = kind_of(self.instance);
        if kind.has_elastic_storage() {
            return gib(each(1));
        }
        let least = if kind == ClusterKind::MskStandard { MSK_GIB_MIN } else { 1 };
        gib(with_reserve(each(requirements.replication))).max(least)
    }

    /// Keys of `[cluster]` about storage, and what replicas must have, which Express and Serverless fix.
    pub(super) fn storage_text(&self, requirements: &Requirements) -> String {
        let in_sync = requirements.replication.saturating_sub(1).max(1);
        let config = format!("config.min.insync.replicas = {in_sync}\n");
        match kind_of(self.instance) {
            ClusterKind::MskExpress | ClusterKind::MskServerless => String::new(),
            ClusterKind::MskStandard => {
                format!("storage.size = \"{} GiB\"\n{config}", self.storage_gib(requirements))
            }
            ClusterKind::SelfManaged => format!(
                "encryption = {{ client = \"tls\", in_cluster = \"tls\" }}\n{}{config}",
                self.own_storage_text(requirements)
            ),
        }
    }

    /// Local disks where there are any, else a gp3 volume that keeps up with the peak.
    fn own_storage_text(&self, requirements: &Requirements) -> String {
        let (disks, path_bytes) = ec2_storage(self.instance).unwrap_or_default();
        if disks > 0 {
            return format!("storage = {{ type = \"nvme\", volumes = {disks} }}\n");
        }
        let peak = requirements.ingress_bytes_per_sec * requirements.peak_permille / 1000;
        let received = peak * u64::from(requirements.replication) / u64::from(self.brokers);
        let wanted = with_reserve(u128::from(received)).div_ceil(1 << 20);
        let most = (path_bytes >> 20).clamp(GP3_MIB_MIN, GP3_MIB_MAX);
        let mib = u64::try_from(wanted).unwrap_or(u64::MAX).clamp(GP3_MIB_MIN, most);
        // What a volume has for nothing needs no size that would allow for it.
        let more = match (mib > GP3_MIB_MIN, mib * GP3_IOPS_PER_MIB) {
            (false, _) => String::new(),
            (true, ..=GP3_IOPS_MIN) => format!(", throughput = \"{mib} MiB/s\""),
            (true, iops) => format!(", throughput = \"{mib} MiB/s\", iops = {iops}"),
        };
        let gib = self.storage_gib(requirements);
        format!("storage = {{ type = \"gp3\", size = \"{gib} GiB\"{more} }}\n")
    }

    /// What Express and Serverless bill for storage follows from the topic's retention.
    pub(super) fn retention_text(&self, requirements: &Requirements) -> String {
        if kind_of(self.instance).has_elastic_storage() {
            let ms = requirements.retention_seconds.saturating_mul(1000);
            format!("config.retention.ms = {ms}\n")
        } else {
            String::new()
        }
    }
}
