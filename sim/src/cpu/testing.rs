//! A model with round figures for tests of the CPU and the disk.

use std::collections::BTreeMap;
use stormglass_scenarios::plan::{Constant, HostPlan, ModelPlan, Quantiles, RatePlan};

const VALUES: [(&str, i64); 28] = [
    ("cpu.network_request_ns", 5_000),
    ("cpu.network_ns_per_kib", 100),
    ("cpu.request_ns", 10_000),
    ("cpu.produce_partition_ns", 3_000),
    ("cpu.produce_batch_ns", 2_000),
    ("cpu.produce_ns_per_kib", 500),
    ("cpu.record_ns", 100),
    ("cpu.fetch_partition_ns", 1_000),
    ("cpu.fetch_ns_per_kib", 50),
    ("cpu.fetch_tls_ns_per_kib", 900),
    ("cpu.tls_ns_per_kib", 400),
    ("cpu.follower_append_ns_per_kib", 300),
    ("cpu.session_partition_ns", 200),
    ("cpu.tls_handshake_ns", 1_000_000),
    ("cpu.connection_ns", 50_000),
    ("jvm.young_gc_bytes", 512 << 20),
    ("jvm.gc_pause_median_ns", 10_000_000),
    ("jvm.gc_pause_p99_ns", 50_000_000),
    ("jvm.alloc_permille_of_bytes", 1000),
    ("disk.dirty_background_permille", 100),
    ("disk.dirty_permille", 200),
    ("disk.writeback_expire_ns", 30_000_000_000),
    ("disk.writeback_interval_ns", 5_000_000_000),
    ("disk.readahead_bytes", 128 << 10),
    ("disk.chunk_bytes", 1 << 20),
    ("os.reserved_bytes", 1 << 30),
    ("node.recovery_bytes_per_sec", 200_000_000),
    ("node.process_start_ns", 10_000_000_000),
];

/// Every constant that the CPU and the disk read; 1 ms reads and writes, without spread.
pub(crate) fn model() -> ModelPlan {
    let constants = VALUES
        .iter()
        .map(|&(name, value)| {
            let (unit, source) = (String::new(), String::new());
            (name.to_owned(), Constant { value, unit, source, confidence: "U".to_owned() })
        })
        .collect::<BTreeMap<_, _>>();
    ModelPlan {
        version: "test".to_owned(),
        catalogue_digest: String::new(),
        cpu_profile: "test".to_owned(),
        constants,
        latency_same_az: fixed(100_000),
        latency_cross_az: fixed(500_000),
        volume_read: fixed(1_000_000),
        volume_write: fixed(1_000_000),
        remote_request: None,
    }
}

/// A distribution with one value.
pub(crate) fn fixed(ns: u64) -> Quantiles {
    Quantiles {
        points: vec![(0, ns), (1_000_000, ns)],
        source: String::new(),
        confidence: "U".to_owned(),
    }
}

/// A host without volumes: 8 GiB of memory, half of it heap.
pub(crate) fn host(vcpus: u32) -> HostPlan {
    let rate = RatePlan { baseline_per_sec: 0, burst_per_sec: 0, bucket: 0, initial: 0 };
    HostPlan {
        instance: "test".to_owned(),
        vcpus,
        cpu_speed_permille: 1000,
        cpu_baseline_permille: 1000,
        cpu_credits_ns: 0,
        memory_bytes: 8 << 30,
        heap_bytes: 4 << 30,
        nic: rate,
        flow_cap_bytes_per_sec: 0,
        volumes: Vec::new(),
    }
}
