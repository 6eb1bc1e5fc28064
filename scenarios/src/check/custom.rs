//! Checks of `cluster.host` and `cluster.network`: hardware that no catalogue lists.

use crate::bounds::{CPU_SPEED_PERMILLE_MAX, CPU_SPEED_PERMILLE_MIN, MEMORY_BYTES_MIN};
use crate::plan::ClusterKind;
use crate::resolve::CUSTOM_INSTANCE;
use crate::schema::cluster::Cluster;
use crate::schema::decode::{At, Errors};
use crate::schema::scalar::Duration;
use crate::text::diagnostic::Diagnostic;

/// Reports a host that is half described, or described where the catalogue decides.
pub(super) fn check(cluster: &Cluster, errors: &mut Errors) {
    let Some(name) = &cluster.instance else { return };
    let Some(host) = &cluster.host else {
        let message = "a custom instance needs [cluster.host]";
        errors.push(
            Diagnostic::new(name.span, message, "not described")
                .help("give vcpus, memory, network, disk_size, disk_throughput and disk_iops"),
        );
        return;
    };
    if name.value.0 != CUSTOM_INSTANCE || cluster.plan_kind() != ClusterKind::SelfManaged {
        let message = "[cluster.host] describes an instance that is not in the catalogue";
        errors.push(
            Diagnostic::new(host.span, message, "described here")
                .related(name.span, "chosen here")
                .help("write `kind = \"self-managed\"` and `instance = \"custom\"`"),
        );
    }
    if let Some(storage) = &cluster.storage {
        let message = "disks are described in [cluster.host] or [cluster.storage], not in both";
        errors.push(Diagnostic::new(storage.span, message, "storage").related(host.span, "host"));
    }
    let spec = &host.value;
    let memory_bytes = spec.memory.value.0;
    if memory_bytes < MEMORY_BYTES_MIN {
        let message = format!("a broker needs at least {} MiB of memory", MEMORY_BYTES_MIN >> 20);
        errors.push(Diagnostic::new(spec.memory.span, message, "too small"));
    }
    if let Some(heap) = spec.heap.as_ref().filter(|heap| heap.value.0 >= memory_bytes) {
        let message = "the heap takes all of the memory: nothing is left for the page cache";
        errors.push(
            Diagnostic::new(heap.span, message, "too large").related(spec.memory.span, "memory"),
        );
    }
    let ppm = |permille: u32| u64::from(permille) * 1_000;
    let speeds = ppm(CPU_SPEED_PERMILLE_MIN)..=ppm(CPU_SPEED_PERMILLE_MAX);
    if let Some(speed) = spec.cpu_speed.as_ref().filter(|speed| !speeds.contains(&speed.value.0)) {
        let message = "the speed of a vCPU is between 1% and 10000% of m5's";
        errors.push(Diagnostic::new(speed.span, message, "out of range"));
    }
    for (rate, what) in [(&spec.network, "network"), (&spec.disk_throughput, "disk")] {
        if rate.value.0 < 1_000 {
            let message = format!("a {what} of less than 1 kB/s moves nothing");
            errors.push(Diagnostic::new(rate.span, message, "too slow"));
        }
    }
    check_latency(spec.disk_latency.as_ref(), errors);
}

/// Reports latencies beyond anything physical.
pub(super) fn check_latency(latency: Option<&At<Duration>>, errors: &mut Errors) {
    let hour_ns = 3_600_000_000_000;
    if let Some(latency) = latency.filter(|latency| latency.value.0 > hour_ns) {
        let message = "a median latency of more than an hour";
        errors.push(Diagnostic::new(latency.span, message, "too long"));
    }
}
