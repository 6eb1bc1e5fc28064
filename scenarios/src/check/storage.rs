//! Checks of `cluster.storage`: sizes and provisioning within what AWS offers.

use crate::catalogue::hardware;
use crate::plan::ClusterKind;
use crate::resolve::host_instance;
use crate::schema::cluster::{Cluster, Storage, VolumeKind};
use crate::schema::decode::Errors;
use crate::text::diagnostic::Diagnostic;
use crate::text::source::Span;
use crate::units::scaled_decimal;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// Reports what is wrong with the volumes.
pub(super) fn check(cluster: &Cluster, errors: &mut Errors) {
    let nvme = cluster.volume_kind() == Some(VolumeKind::Nvme);
    if nvme {
        check_nvme(cluster, errors);
    }
    let Some(storage) = &cluster.storage else { return };
    let storage = &storage.value;
    match (cluster.plan_kind(), cluster.volume_kind()) {
        (ClusterKind::MskStandard, _) => check_msk(cluster, storage, errors),
        // There are no volumes, and `managed` says so.
        (ClusterKind::MskExpress | ClusterKind::MskServerless, _) => {}
        (_, Some(VolumeKind::Gp2)) => check_gp2(storage, errors),
        (_, Some(VolumeKind::Gp3)) => check_gp3(storage, errors),
        (_, Some(VolumeKind::Nvme) | None) => {}
    }
}

fn refuse(span: Option<Span>, message: &str, help: &str, errors: &mut Errors) {
    if let Some(span) = span {
        errors.push(Diagnostic::new(span, message, "here").help(help));
    }
}

fn check_size(storage: &Storage, min_gib: u64, max_gib: u64, what: &str, errors: &mut Errors) {
    let Some(size) = &storage.size else { return };
    if size.value.0 < min_gib * GIB || size.value.0 > max_gib * GIB {
        let message = format!("{what} have between {min_gib} and {max_gib} GiB");
        errors.push(Diagnostic::new(size.span, message, "out of range"));
    }
}

fn check_msk(cluster: &Cluster, storage: &Storage, errors: &mut Errors) {
    let rule = &hardware::volumes().msk;
    check_size(storage, rule.size_min_gib, rule.size_max_gib, "MSK volumes", errors);
    let only = "only `kind = \"self-managed\"` has this choice";
    let span = storage.r#type.as_ref().map(|kind| kind.span);
    refuse(span, "MSK chooses the kind of volume itself", only, errors);
    let span = storage.iops.as_ref().map(|iops| iops.span);
    refuse(span, "MSK does not provision IOPS", only, errors);
    let span = storage.volumes.as_ref().map(|volumes| volumes.span);
    refuse(span, "MSK brokers have one volume", only, errors);
    let Some(throughput) = &storage.throughput else { return };
    let name = cluster.instance_name();
    let Some((_, Some(row))) = host_instance(ClusterKind::MskStandard, name) else { return };
    let Some(max) = &row.max_provisioned_mib_per_sec else {
        let message = format!("{name} cannot have provisioned throughput");
        errors.push(
            Diagnostic::new(throughput.span, message, "not eligible")
                .help("MSK provisions throughput from kafka.m5.4xlarge and kafka.m7g.2xlarge on"),
        );
        return;
    };
    let max_bytes = scaled_decimal(max, 1 << 20).unwrap_or(u64::MAX);
    let min_mib = rule.provisioned_min_mib_per_sec;
    if throughput.value.0 < min_mib * MIB || throughput.value.0 > max_bytes {
        let message = format!("{name} takes {min_mib} to {max} MiB/s of provisioned throughput");
        errors.push(Diagnostic::new(throughput.span, message, "out of range"));
    }
    let small =
        storage.size.as_ref().filter(|size| size.value.0 < rule.provisioned_size_min_gib * GIB);
    if let Some(size) = small {
        let message = format!(
            "provisioned throughput needs a volume of at least {} GiB",
            rule.provisioned_size_min_gib
        );
        errors.push(
            Diagnostic::new(size.span, message, "too small")
                .related(throughput.span, "provisioned here"),
        );
    }
}

fn check_gp2(storage: &Storage, errors: &mut Errors) {
    check_size(storage, 1, hardware::volumes().gp2.size_max_gib, "gp2 volumes", errors);
    let help = "use `type = \"gp3\"`, or leave the key out";
    let span = storage.throughput.as_ref().map(|rate| rate.span);
    refuse(span, "gp2's throughput follows from its size", help, errors);
    let span = storage.iops.as_ref().map(|iops| iops.span);
    refuse(span, "gp2's IOPS follow from its size", help, errors);
}

fn check_gp3(storage: &Storage, errors: &mut Errors) {
    let rule = &hardware::volumes().gp3;
    check_size(storage, 1, rule.size_max_gib, "gp3 volumes", errors);
    let iops = storage.iops.as_ref().map_or(rule.iops_base, |iops| u64::from(iops.value.0));
    let size_gib = storage.size.as_ref().map_or(1_000, |size| size.value.0 / GIB);
    if let Some(written) = &storage.iops {
        let most = (size_gib.saturating_mul(rule.iops_per_gib_max)).min(rule.iops_max);
        if iops < rule.iops_base || iops > most {
            let message = format!("gp3 of this size takes {} to {most} IOPS", rule.iops_base);
            errors.push(Diagnostic::new(written.span, message, "out of range"));
        }
    }
    let Some(throughput) = &storage.throughput else { return };
    let by_iops = iops * rule.throughput_milli_mib_per_iops / 1_000;
    let most = by_iops.min(rule.throughput_max_mib_per_sec);
    let least = rule.throughput_base_mib_per_sec;
    if throughput.value.0 < least * MIB || throughput.value.0 > most * MIB {
        let message = format!("gp3 with {iops} IOPS takes {least} to {most} MiB/s");
        errors.push(
            Diagnostic::new(throughput.span, message, "out of range")
                .help("each 0.25 MiB/s needs one provisioned IOPS: raise `iops`"),
        );
    }
}

fn check_nvme(cluster: &Cluster, errors: &mut Errors) {
    let name = cluster.instance_name();
    let Some((ec2, _)) = host_instance(ClusterKind::SelfManaged, name) else { return };
    let Some(storage) = &cluster.storage else { return };
    let storage = &storage.value;
    let Some(disks) = ec2.nvme else {
        let span = storage.r#type.as_ref().map(|kind| kind.span);
        let message = format!("{name} has no NVMe disks");
        refuse(span, &message, "use an i3en instance, or gp3", errors);
        return;
    };
    let fixed = format!("{name} has {} disks of {} GB", disks.disks, disks.gb_each);
    let help = "leave the key out";
    refuse(storage.size.as_ref().map(|size| size.span), &fixed, help, errors);
    let span = storage.throughput.as_ref().map(|rate| rate.span);
    refuse(span, "NVMe disks cannot be provisioned", help, errors);
    let span = storage.iops.as_ref().map(|iops| iops.span);
    refuse(span, "NVMe disks cannot be provisioned", help, errors);
    let many = storage.volumes.as_ref().filter(|count| count.value.0 > disks.disks);
    refuse(many.map(|count| count.span), &fixed, help, errors);
}
