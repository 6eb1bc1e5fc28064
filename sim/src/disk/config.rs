//! What a host's disk is made of: sizes and constants, resolved from the plan.

use crate::cpu::{MissingConstant, constant};
use stormglass_scenarios::plan::{HostPlan, ModelPlan, Quantiles, VolumePlan};

/// Sizes and constants of one host's disk.
#[derive(Debug, Clone)]
pub struct DiskConfig {
    /// Log directories.
    pub volumes: Vec<VolumePlan>,
    /// Service latency of a read.
    pub read: Quantiles,
    /// Service latency of a write or flush.
    pub write: Quantiles,
    /// Page cache, bytes: memory less heap less what the system keeps.
    pub cache_bytes: u64,
    /// Dirty bytes above which background writeback runs.
    pub dirty_background_bytes: u64,
    /// Dirty bytes above which writers wait.
    pub dirty_limit_bytes: u64,
    /// Age at which dirty data is written back in any case, ns.
    pub writeback_expire_ns: u64,
    /// How often that age is looked at, ns.
    pub writeback_interval_ns: u64,
    /// First read-ahead window, bytes.
    pub readahead_bytes: u32,
    /// Granularity of the page cache and largest read-ahead window, bytes.
    pub chunk_bytes: u32,
    /// Speed of log recovery when the volume does not limit it, bytes per second.
    pub recovery_bytes_per_sec: u64,
    /// What was written survives a power failure of the host, written back or not: storage is
    /// apart from it (MSK Express).
    pub survives_power_failure: bool,
}

impl DiskConfig {
    /// From a host's plan and the `disk.*`, `os.*` and `node.*` constants.
    ///
    /// # Errors
    /// Names the constant that is missing.
    pub fn new(host: &HostPlan, model: &ModelPlan) -> Result<Self, MissingConstant> {
        let reserved = constant(model, "os.reserved_bytes")?;
        let chunk = narrow(model, "disk.chunk_bytes")?.max(4096);
        // A host too small for its heap still has a few chunks, or nothing could be written.
        let cache_bytes = host
            .memory_bytes
            .saturating_sub(host.heap_bytes)
            .saturating_sub(reserved)
            .max(16 * u64::from(chunk));
        let background = constant(model, "disk.dirty_background_permille")?;
        let limit = constant(model, "disk.dirty_permille")?;
        Ok(Self {
            volumes: host.volumes.clone(),
            read: model.volume_read.clone(),
            write: model.volume_write.clone(),
            cache_bytes,
            dirty_background_bytes: cache_bytes / 1000 * background,
            dirty_limit_bytes: cache_bytes / 1000 * limit,
            writeback_expire_ns: constant(model, "disk.writeback_expire_ns")?,
            writeback_interval_ns: constant(model, "disk.writeback_interval_ns")?.max(1),
            readahead_bytes: narrow(model, "disk.readahead_bytes")?.clamp(4096, chunk),
            chunk_bytes: chunk,
            recovery_bytes_per_sec: recovery_rate(host, model)?,
            survives_power_failure: is_elastic(host)
                && constant(model, "express.storage_durable")? > 0,
        })
    }
}

/// Whether storage is apart from the host.
pub(crate) fn is_elastic(host: &HostPlan) -> bool {
    !host.volumes.is_empty() && host.volumes.iter().all(|volume| volume.kind == "elastic")
}

/// Time of a recovery, parts per thousand of that on a host with volumes.
pub(crate) fn recovery_permille(
    host: &HostPlan,
    model: &ModelPlan,
) -> Result<u64, MissingConstant> {
    if is_elastic(host) { constant(model, "express.recovery_permille") } else { Ok(1000) }
}

fn recovery_rate(host: &HostPlan, model: &ModelPlan) -> Result<u64, MissingConstant> {
    let rate = constant(model, "node.recovery_bytes_per_sec")?;
    let permille = recovery_permille(host, model)?.max(1);
    Ok((rate.saturating_mul(1000) / permille).max(1))
}

fn narrow(model: &ModelPlan, name: &'static str) -> Result<u32, MissingConstant> {
    u32::try_from(constant(model, name)?).map_err(|_| MissingConstant(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::{host, model};

    #[test]
    fn the_page_cache_is_what_heap_and_system_leave() {
        let config = DiskConfig::new(&host(2), &model()).unwrap();
        assert_eq!(config.cache_bytes, 3 << 30);
        assert_eq!(config.dirty_background_bytes, (3 << 30) / 1000 * 100);
        assert_eq!(config.dirty_limit_bytes, 2 * config.dirty_background_bytes);
    }

    #[test]
    fn a_host_without_spare_memory_has_a_few_chunks() {
        let mut host = host(2);
        host.heap_bytes = host.memory_bytes;
        assert_eq!(DiskConfig::new(&host, &model()).unwrap().cache_bytes, 16 << 20);
    }

    #[test]
    fn a_missing_constant_is_named() {
        let mut model = model();
        model.constants.remove("disk.readahead_bytes");
        let error = DiskConfig::new(&host(2), &model).unwrap_err();
        assert_eq!(error, MissingConstant("disk.readahead_bytes"));
    }
}
