//! Instances, model constants and sources as tables of the reference.

use super::reference::{line, one_line};
use crate::catalogue::hardware::{self, Ec2Instance};
use crate::catalogue::model::model;
use crate::catalogue::provenance::Provenance;
use std::fmt::Write as _;

/// Instances with the figures that become rates.
pub(super) fn instances(text: &mut String) {
    line(text, "\n## Instances\n");
    line(
        text,
        "`kind = \"msk-standard\"` (KRaft clusters are simulated, in which MSK does not offer",
    );
    line(text, "kafka.t3.small). Partition limits count replicas on one broker.\n");
    line(
        text,
        "| instance | EC2 type below | vCPU | GiB | recommended | limit for updates | USD/h |",
    );
    line(text, "|---|---|---|---|---|---|---|");
    let msk = hardware::msk().instances.iter();
    for row in msk.filter(|row| row.name != "kafka.t3.small") {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} | {} |",
            row.name,
            row.ec2,
            row.vcpus,
            row.memory_gib,
            row.recommended_partitions,
            row.max_partitions,
            row.usd_per_hour
        );
    }
    line(
        text,
        "\n`kind = \"self-managed\"`. Rates are baseline / burst, IOPS of NVMe disks read / write.\n",
    );
    line(text, "| instance | vCPU | speed | GiB | Gbit/s | EBS MB/s | EBS IOPS | NVMe | USD/h |");
    line(text, "|---|---|---|---|---|---|---|---|---|");
    for row in &hardware::ec2().instances {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} / {} | {} / {} | {} | {} | {} |",
            row.name,
            row.vcpus,
            row.cpu_speed_permille,
            row.memory_gib,
            row.net_base_gbps,
            row.net_burst_gbps,
            row.ebs_base_mb_per_sec,
            row.ebs_burst_mb_per_sec,
            ebs_iops(row),
            nvme(row),
            row.usd_per_hour
        );
    }
}

fn ebs_iops(row: &Ec2Instance) -> String {
    match (row.ebs_base_iops, row.ebs_burst_iops) {
        (Some(base), Some(burst)) => format!("{base} / {burst}"),
        _ => String::new(),
    }
}

fn nvme(row: &Ec2Instance) -> String {
    row.nvme.map_or_else(String::new, |nvme| {
        format!(
            "{} x {} GB, {} / {}",
            nvme.disks, nvme.gb_each, nvme.read_iops_total, nvme.write_iops_total
        )
    })
}

/// Model constants with their sources.
pub(super) fn constants(text: &mut String) {
    line(text, "\n## Model constants\n");
    line(
        text,
        "`[model]` replaces them by name, such as `\"cpu.request_ns\" = 60000`. Confidence: A \
         first-party, B second-party, C third-party measurement, D digitised, M measured here, X \
         derived, U assumption.\n",
    );
    line(text, "| name | value | unit | confidence | source |");
    line(text, "|---|---|---|---|---|");
    for (name, constant) in &model().constants {
        let _ = writeln!(
            text,
            "| `{name}` | {} | {} | {} | {} |",
            constant.value,
            constant.unit,
            constant.confidence,
            one_line(&constant.source)
        );
    }
    let _ = writeln!(text, "\nDate of every constant: {}.", model().date);
}

/// Sources of the catalogue's columns.
pub(super) fn sources(text: &mut String) {
    line(text, "\n## Sources of the instance and volume figures\n");
    line(text, "| figures | source | date | confidence |");
    line(text, "|---|---|---|---|");
    let ec2 = &hardware::ec2().provenance;
    let msk = &hardware::msk().provenance;
    let volumes = hardware::volumes();
    let derived: Vec<&str> = hardware::ec2()
        .instances
        .iter()
        .filter(|row| row.ebs_derived)
        .map(|row| row.name.as_str())
        .collect();
    let derived = format!("EBS burst and IOPS of {}", derived.join(", "));
    let rows: [(&str, &Provenance); 17] = [
        ("MSK partition limits", &msk.specs),
        ("MSK prices", &msk.price),
        ("JVM heap", &msk.heap),
        ("MSK provisioned throughput", &msk.provisioned_throughput),
        ("EC2 vCPUs and memory", &ec2.size),
        ("EC2 prices", &ec2.price),
        ("network", &ec2.network),
        ("EBS path", &ec2.ebs),
        (&derived, &ec2.ebs_derived),
        ("NVMe disks", &ec2.nvme),
        ("vCPU speed", &ec2.cpu_speed),
        ("CPU credits", &ec2.cpu_credits),
        ("burst buckets", &ec2.burst),
        ("gp2", &volumes.gp2.provenance),
        ("gp3", &volumes.gp3.provenance),
        ("MSK volumes", &volumes.msk.provenance),
        ("NVMe throughput", &volumes.nvme.provenance),
    ];
    for (figures, Provenance { source, date, confidence }) in rows {
        let _ = writeln!(text, "| {figures} | {} | {date} | {confidence} |", one_line(source));
    }
}
