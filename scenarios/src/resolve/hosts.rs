//! Hosts: an instance type and its volumes as rates with bursts and credits.
//!
//! Leaves out what no figure exists for: instance store of types other than i3en, EBS IOPS limits
//! where the catalogue has none.

use crate::catalogue::hardware::{self, Ec2Instance, MskInstance, Nvme};
use crate::catalogue::managed::{express_instance, managed};
use crate::plan::{ClusterKind, HostPlan, RatePlan, VolumePlan};
use crate::schema::cluster::{Cluster, HostSpec, Storage, VolumeKind};
use crate::units::scaled_decimal;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
/// Bytes per second of one Gbit/s.
const GBPS: u128 = 125_000_000;
/// Local disks do not pass through the EBS path, nor through any other that they share.
const NO_SHARED_PATH: RatePlan =
    RatePlan { baseline_per_sec: 0, burst_per_sec: 0, bucket: 0, initial: 0 };
/// More than any run writes.
const ELASTIC_BYTES: u64 = 1 << 50;
/// Largest heap that is assumed, see `provenance.heap` of msk.toml.
const HEAP_BYTES_MAX: u64 = 6 * GIB;

/// Name of an instance that `[cluster.host]` describes.
pub(crate) const CUSTOM_INSTANCE: &str = "custom";

/// The EC2 type behind an instance name, and its MSK row.
pub(crate) fn host_instance(
    kind: ClusterKind,
    name: &str,
) -> Option<(&'static Ec2Instance, Option<&'static MskInstance>)> {
    match kind {
        ClusterKind::MskStandard => {
            let row = hardware::msk_instance(name)?;
            Some((hardware::ec2_instance(&row.ec2)?, Some(row)))
        }
        ClusterKind::MskExpress => {
            let offer = express_instance(name)?;
            let ec2 = offer.name.strip_prefix("express.")?;
            Some((hardware::ec2_instance(ec2)?, None))
        }
        ClusterKind::MskServerless => {
            Some((hardware::ec2_instance(&managed().serverless_instance)?, None))
        }
        ClusterKind::SelfManaged => Some((hardware::ec2_instance(name)?, None)),
    }
}

/// The host of a broker.
///
/// # Panics
/// If the instance is unknown: `check` refused it.
pub(crate) fn broker_host(kind: ClusterKind, cluster: &Cluster) -> HostPlan {
    if let Some(spec) = &cluster.host {
        return custom_host(&spec.value);
    }
    let name = cluster.instance_name();
    let (ec2, _) = host_instance(kind, name).expect("check refused unknown instances");
    let storage = cluster.storage.as_ref().map(|storage| &storage.value);
    let count = storage.and_then(|storage| storage.volumes.as_ref());
    let volume = broker_volume(kind, ec2, storage);
    let count = match (volume.kind.as_str(), ec2.nvme) {
        ("nvme", Some(nvme)) => count.map_or(nvme.disks, |count| count.value.0),
        _ => count.map_or(1, |count| count.value.0),
    };
    host(name, ec2, vec![volume; count as usize])
}

/// The host of a broker of a cluster that may still have errors.
pub(crate) fn broker_host_of(cluster: &Cluster) -> Option<HostPlan> {
    let kind = cluster.plan_kind();
    if let Some(spec) = &cluster.host {
        return Some(custom_host(&spec.value));
    }
    let (ec2, _) = host_instance(kind, cluster.instance_name())?;
    let diskless = cluster.volume_kind() == Some(VolumeKind::Nvme) && ec2.nvme.is_none();
    (!diskless).then(|| broker_host(kind, cluster))
}

/// Bytes that all volumes of one broker hold.
pub(crate) fn broker_disk_bytes(cluster: &Cluster) -> Option<u64> {
    let host = broker_host_of(cluster)?;
    Some(host.volumes.iter().fold(0_u64, |sum, volume| sum.saturating_add(volume.size_bytes)))
}

/// The host of a controller: MSK's are not documented and assumed to be as m5.large.
pub(crate) fn controller_host(kind: ClusterKind, instance: Option<&str>) -> HostPlan {
    let (name, ec2) = match (kind, instance) {
        (ClusterKind::MskStandard | ClusterKind::MskExpress | ClusterKind::MskServerless, _) => {
            ("msk-controller", "m5.large")
        }
        (ClusterKind::SelfManaged, None) => ("m6g.large", "m6g.large"),
        (ClusterKind::SelfManaged, Some(name)) => (name, name),
    };
    let ec2 = hardware::ec2_instance(ec2).expect("check refused unknown instances");
    host(name, ec2, vec![gp3(ec2, 100 * GIB, None, None)])
}

fn host(name: &str, ec2: &Ec2Instance, volumes: Vec<VolumePlan>) -> HostPlan {
    let memory_bytes = ec2.memory_gib * GIB;
    let limits = &hardware::ec2().limits;
    let burst = |text: &str| scaled_decimal(text, GBPS).expect("a test reads every figure");
    HostPlan {
        instance: name.to_owned(),
        vcpus: ec2.vcpus,
        cpu_speed_permille: ec2.cpu_speed_permille,
        cpu_baseline_permille: ec2.cpu_baseline_permille.unwrap_or(1_000),
        cpu_credits_ns: ec2.cpu_credits_max_vcpu_minutes.unwrap_or(0) * 60_000_000_000,
        memory_bytes,
        heap_bytes: (memory_bytes / 2).min(HEAP_BYTES_MAX),
        nic: bursting(burst(&ec2.net_base_gbps), burst(&ec2.net_burst_gbps)),
        flow_cap_bytes_per_sec: burst(&limits.flow_cap_gbps),
        volumes,
    }
}

/// Hardware as the scenario describes it.
fn custom_host(spec: &HostSpec) -> HostPlan {
    let memory_bytes = spec.memory.value.0;
    let network = flat(spec.network.value.0);
    let volume = VolumePlan {
        kind: "nvme".to_owned(),
        size_bytes: spec.disk_size.value.0,
        throughput: flat(spec.disk_throughput.value.0),
        iops: flat(u64::from(spec.disk_iops.value.0)),
        provisioned_iops: None,
        instance_throughput: NO_SHARED_PATH,
        io_size_bytes: hardware::volumes().nvme.io_size_kib * 1024,
    };
    let disks = spec.disks.as_ref().map_or(1, |disks| disks.value.0);
    let speed = spec.cpu_speed.as_ref().map_or(1_000, |speed| speed.value.0 / 1_000);
    let default_heap = (memory_bytes / 2).min(HEAP_BYTES_MAX);
    HostPlan {
        instance: CUSTOM_INSTANCE.to_owned(),
        vcpus: spec.vcpus.value.0,
        cpu_speed_permille: u32::try_from(speed).expect("check bounded the speed"),
        cpu_baseline_permille: 1_000,
        cpu_credits_ns: 0,
        memory_bytes,
        heap_bytes: spec.heap.as_ref().map_or(default_heap, |heap| heap.value.0),
        nic: network,
        flow_cap_bytes_per_sec: network.baseline_per_sec,
        volumes: vec![volume; disks as usize],
    }
}

/// A rate whose full bucket pays for the catalogue's time of full burst.
fn bursting(baseline: u64, burst: u64) -> RatePlan {
    let burst = burst.max(baseline);
    let bucket = (burst - baseline) * hardware::ec2().limits.burst_seconds;
    RatePlan { baseline_per_sec: baseline, burst_per_sec: burst, bucket, initial: bucket }
}

/// A rate without burst.
fn flat(rate: u64) -> RatePlan {
    RatePlan { baseline_per_sec: rate, burst_per_sec: rate, bucket: 0, initial: 0 }
}

fn broker_volume(kind: ClusterKind, ec2: &Ec2Instance, storage: Option<&Storage>) -> VolumePlan {
    let rules = hardware::volumes();
    let size = storage.and_then(|storage| storage.size.as_ref()).map(|size| size.value.0);
    let size_bytes = size.unwrap_or(rules.msk.default_size_gib * GIB);
    let throughput = storage.and_then(|storage| storage.throughput.as_ref());
    let throughput = throughput.map(|rate| rate.value.0);
    let iops = storage.and_then(|storage| storage.iops.as_ref()).map(|iops| iops.value.0);
    let volume_kind = storage.and_then(|storage| storage.r#type.as_ref()).map(|kind| kind.value);
    match (kind, volume_kind.unwrap_or(VolumeKind::Gp3)) {
        (ClusterKind::MskExpress | ClusterKind::MskServerless, _) => elastic(),
        (ClusterKind::MskStandard, _) => match throughput {
            None => gp2(ec2, size_bytes),
            Some(rate) => provisioned(ec2, size_bytes, rate),
        },
        (ClusterKind::SelfManaged, VolumeKind::Gp2) => gp2(ec2, size_bytes),
        (ClusterKind::SelfManaged, VolumeKind::Gp3) => {
            gp3(ec2, size_bytes, throughput, iops.map(u64::from))
        }
        (ClusterKind::SelfManaged, VolumeKind::Nvme) => {
            nvme(ec2.nvme.as_ref().expect("check refused nvme on types without disks"))
        }
    }
}

/// gp2 by its size: IOPS with burst credits, throughput by rule.
fn gp2(ec2: &Ec2Instance, size_bytes: u64) -> VolumePlan {
    let rule = &hardware::volumes().gp2;
    let size_gib = size_bytes / GIB;
    let baseline = (size_gib * rule.iops_per_gib).clamp(rule.iops_min, rule.iops_max);
    let burst = baseline.max(rule.iops_burst);
    let credits = if burst > baseline { rule.io_credits } else { 0 };
    let iops = RatePlan {
        baseline_per_sec: baseline,
        burst_per_sec: burst,
        bucket: credits,
        initial: credits,
    };
    let by_size = size_gib * rule.throughput_milli_mib_per_gib / 1_000;
    let throughput =
        by_size.clamp(rule.throughput_min_mib_per_sec, rule.throughput_max_mib_per_sec);
    ebs("gp2", ec2, size_bytes, flat(throughput * MIB), iops, rule.io_size_kib)
}

/// MSK's provisioned throughput. IOPS are assumed to come with it at gp3's ratio.
fn provisioned(ec2: &Ec2Instance, size_bytes: u64, throughput: u64) -> VolumePlan {
    let rule = &hardware::volumes().gp3;
    let iops = (throughput / MIB * 1_000 / rule.throughput_milli_mib_per_iops).max(rule.iops_base);
    ebs("provisioned", ec2, size_bytes, flat(throughput), flat(iops), rule.io_size_kib)
}

fn gp3(ec2: &Ec2Instance, size_bytes: u64, rate: Option<u64>, iops: Option<u64>) -> VolumePlan {
    let rule = &hardware::volumes().gp3;
    let rate = rate.unwrap_or(rule.throughput_base_mib_per_sec * MIB);
    let iops = iops.unwrap_or(rule.iops_base);
    let volume = ebs("gp3", ec2, size_bytes, flat(rate), flat(iops), rule.io_size_kib);
    let provisioned_iops = (volume.iops.baseline_per_sec < iops).then_some(iops);
    VolumePlan { provisioned_iops, ..volume }
}

/// A volume behind the instance's EBS path, whose IOPS limit is folded into the volume's.
fn ebs(
    kind: &str,
    ec2: &Ec2Instance,
    size_bytes: u64,
    throughput: RatePlan,
    iops: RatePlan,
    io_size_kib: u64,
) -> VolumePlan {
    let mb = |text: &str| scaled_decimal(text, 1_000_000).expect("a test reads every figure");
    let path = bursting(mb(&ec2.ebs_base_mb_per_sec), mb(&ec2.ebs_burst_mb_per_sec));
    VolumePlan {
        kind: kind.to_owned(),
        size_bytes,
        throughput,
        iops: within(iops, ec2),
        provisioned_iops: None,
        instance_throughput: path,
        io_size_bytes: io_size_kib * 1024,
    }
}

/// IOPS of a volume within those of the instance.
fn within(iops: RatePlan, ec2: &Ec2Instance) -> RatePlan {
    let (Some(base), Some(burst)) = (ec2.ebs_base_iops, ec2.ebs_burst_iops) else { return iops };
    if iops.baseline_per_sec <= base && iops.burst_per_sec <= burst {
        return iops;
    }
    let instance = bursting(base, burst);
    let baseline_per_sec = iops.baseline_per_sec.min(base);
    let burst_per_sec = iops.burst_per_sec.min(burst);
    // The tighter bucket of those that apply.
    let bucket = match (iops.bucket, instance.bucket) {
        _ if burst_per_sec == baseline_per_sec => 0,
        (0, instance) => instance,
        (volume, 0) => volume,
        (volume, instance) => volume.min(instance),
    };
    RatePlan { baseline_per_sec, burst_per_sec, bucket, initial: bucket }
}

/// Storage apart from the broker: it has no size, and is not reached through the EBS path.
fn elastic() -> VolumePlan {
    let figures = managed();
    VolumePlan {
        kind: "elastic".to_owned(),
        size_bytes: ELASTIC_BYTES,
        throughput: flat(figures.express("express.storage_bytes_per_sec")),
        iops: flat(figures.express("express.storage_iops")),
        provisioned_iops: None,
        instance_throughput: NO_SHARED_PATH,
        io_size_bytes: hardware::volumes().gp3.io_size_kib * 1024,
    }
}

fn nvme(disks: &Nvme) -> VolumePlan {
    let rule = &hardware::volumes().nvme;
    let write_iops = disks.write_iops_total / u64::from(disks.disks);
    VolumePlan {
        kind: "nvme".to_owned(),
        size_bytes: disks.gb_each * 1_000_000_000,
        throughput: flat(write_iops * rule.bytes_per_write_iops),
        // Reads and writes share one meter; the write figure is the lower one.
        iops: flat(write_iops),
        provisioned_iops: None,
        instance_throughput: NO_SHARED_PATH,
        io_size_bytes: rule.io_size_kib * 1024,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_resolves_and_every_column_has_a_source() {
        for instance in &hardware::ec2().instances {
            let host = host(&instance.name, instance, vec![gp2(instance, GIB)]);
            assert!(host.nic.burst_per_sec >= host.nic.baseline_per_sec);
            assert!(host.heap_bytes < host.memory_bytes);
        }
        for instance in &hardware::msk().instances {
            let (ec2, row) = host_instance(ClusterKind::MskStandard, &instance.name).unwrap();
            assert_eq!((ec2.vcpus, ec2.memory_gib), (instance.vcpus, instance.memory_gib));
            assert!(row.unwrap().recommended_partitions <= instance.max_partitions);
        }
        let ec2 = &hardware::ec2().provenance;
        let msk = &hardware::msk().provenance;
        let volumes = hardware::volumes();
        for (what, provenance) in [
            ("ec2 size", &ec2.size),
            ("ec2 price", &ec2.price),
            ("ec2 network", &ec2.network),
            ("ec2 ebs", &ec2.ebs),
            ("ec2 derived ebs", &ec2.ebs_derived),
            ("ec2 nvme", &ec2.nvme),
            ("ec2 cpu speed", &ec2.cpu_speed),
            ("ec2 cpu credits", &ec2.cpu_credits),
            ("ec2 burst", &ec2.burst),
            ("msk specs", &msk.specs),
            ("msk price", &msk.price),
            ("msk heap", &msk.heap),
            ("msk provisioned", &msk.provisioned_throughput),
            ("gp2", &volumes.gp2.provenance),
            ("gp3", &volumes.gp3.provenance),
            ("msk volume", &volumes.msk.provenance),
            ("nvme", &volumes.nvme.provenance),
        ] {
            provenance.check(what);
        }
    }

    #[test]
    fn gp2_follows_its_rule() {
        let ec2 = hardware::ec2_instance("m5.2xlarge").unwrap();
        let small = gp2(ec2, 100 * GIB);
        assert_eq!(small.throughput.baseline_per_sec, 128 * MIB);
        assert_eq!((small.iops.baseline_per_sec, small.iops.burst_per_sec), (300, 3_000));
        assert_eq!(small.iops.bucket, 5_400_000);
        let large = gp2(ec2, 334 * GIB);
        assert_eq!(large.throughput.baseline_per_sec, 250 * MIB);
        let huge = gp2(ec2, 5_334 * GIB);
        // 16,000 IOPS by size, 12,000 at the instance's baseline.
        assert_eq!(huge.iops.baseline_per_sec, 12_000);
        assert!(huge.iops.bucket > 0);
    }

    #[test]
    fn gp3_keeps_what_is_provisioned_where_the_instance_lets_less_through() {
        let ec2 = hardware::ec2_instance("m5.2xlarge").unwrap();
        let cut = gp3(ec2, 1_000 * GIB, None, Some(16_000));
        assert_eq!((cut.iops.baseline_per_sec, cut.provisioned_iops), (12_000, Some(16_000)));
        let whole = gp3(ec2, 1_000 * GIB, None, Some(12_000));
        assert_eq!((whole.iops.baseline_per_sec, whole.provisioned_iops), (12_000, None));
    }

    #[test]
    fn local_disks_add_up_and_volumes_of_a_host_share_its_path() {
        let i3en = hardware::ec2_instance("i3en.6xlarge").unwrap();
        let disk = nvme(i3en.nvme.as_ref().unwrap());
        assert_eq!(disk.throughput.baseline_per_sec, 1_000_000_000);
        assert_eq!(disk.instance_throughput, NO_SHARED_PATH);
        let m5 = hardware::ec2_instance("m5.large").unwrap();
        assert_eq!(gp2(m5, GIB).instance_throughput.baseline_per_sec, 81_250_000);
    }

    #[test]
    fn a_full_network_bucket_pays_for_half_an_hour() {
        let ec2 = hardware::ec2_instance("m5.large").unwrap();
        let host = host("m5.large", ec2, Vec::new());
        assert_eq!(host.nic.baseline_per_sec, 93_750_000);
        assert_eq!(host.nic.burst_per_sec, 1_250_000_000);
        let spent_per_sec = host.nic.burst_per_sec - host.nic.baseline_per_sec;
        assert_eq!(host.nic.bucket / spent_per_sec, 1_800);
    }
}
