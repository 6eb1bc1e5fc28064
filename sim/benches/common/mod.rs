//! What several benches set up alike.

use stormglass_scenarios::plan::{Quantiles, RatePlan, VolumePlan};
use stormglass_sim::disk::DiskConfig;

fn flat(per_sec: u64) -> RatePlan {
    RatePlan { baseline_per_sec: per_sec, burst_per_sec: per_sec, bucket: 0, initial: 0 }
}

/// A gp3 volume behind a page cache that writes back as Linux does.
pub(crate) fn disk_config() -> DiskConfig {
    let latency = Quantiles {
        points: vec![(0, 500_000), (900_000, 2_000_000), (1_000_000, 20_000_000)],
        source: String::new(),
        confidence: String::new(),
    };
    DiskConfig {
        volumes: vec![VolumePlan {
            kind: "gp3".to_owned(),
            size_bytes: u64::MAX,
            throughput: flat(250 << 20),
            iops: flat(3000),
            provisioned_iops: None,
            instance_throughput: flat(0),
            io_size_bytes: 256 << 10,
        }],
        read: latency.clone(),
        write: latency,
        cache_bytes: 4 << 30,
        dirty_background_bytes: 400 << 20,
        dirty_limit_bytes: 800 << 20,
        writeback_expire_ns: 30_000_000_000,
        writeback_interval_ns: 5_000_000_000,
        readahead_bytes: 128 << 10,
        chunk_bytes: 1 << 20,
        recovery_bytes_per_sec: 200_000_000,
        survives_power_failure: false,
    }
}
