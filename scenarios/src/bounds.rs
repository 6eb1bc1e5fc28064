//! How much a scenario may ask for. `schema` and `check` keep scenarios to it, `plan::soundness` plans that are read
//! from a file: whatever a scenario is resolved to can be read again, and nothing else.
//!
//! Leaves out what AWS or Kafka limits, which only scenarios are told of, and the highest rate, which simulations know
//! as well ([`crate::plan::ProducerPlan::MILLI_RECORDS_PER_SEC_MAX`]).

/// Longest phase, ns: a year.
pub(crate) const PHASE_NS_MAX: u64 = 365 * 86_400 * 1_000_000_000;
/// Longest of any other duration, ns: what `units` reads at most.
pub(crate) const DURATION_NS_MAX: u64 = 1_000_000_000_000_000_000;

/// Brokers.
pub(crate) const BROKERS_MAX: u32 = 300;
/// Controllers.
pub(crate) const CONTROLLERS_MAX: u32 = 9;
/// vCPUs of a host.
pub(crate) const VCPUS_MAX: u32 = 1024;
/// Speed of a vCPU against that of m5, parts per thousand.
pub(crate) const CPU_SPEED_PERMILLE_MIN: u32 = 10;
/// The same at most.
pub(crate) const CPU_SPEED_PERMILLE_MAX: u32 = 100_000;
/// Memory of a host that can run a broker, bytes.
pub(crate) const MEMORY_BYTES_MIN: u64 = 512 << 20;

/// Partitions of a topic.
pub(crate) const PARTITIONS_MAX: u32 = 100_000;
/// Replicas of a whole cluster: beyond what one can be asked for, and what can be simulated.
pub(crate) const REPLICAS_MAX: u64 = 1_000_000;
/// Size of preloaded records, bytes.
pub(crate) const PRELOAD_RECORD_BYTES_MIN: u64 = 16;
/// The same at most.
pub(crate) const PRELOAD_RECORD_BYTES_MAX: u64 = 1 << 20;

/// Instances of a producer, members of a group.
pub(crate) const CLIENTS_MAX: u32 = 10_000;
/// Records in flight of each instance in a closed loop.
pub(crate) const OUTSTANDING_MAX: u32 = 1_000_000;
/// Records of a transaction.
pub(crate) const TRANSACTION_RECORDS_MAX: u32 = 1_000_000;
/// Keys.
pub(crate) const KEYS_MAX: u32 = 1_000_000_000;
/// Exponent of Zipf's law, parts per thousand.
pub(crate) const ZIPF_PERMILLE_MAX: u32 = 10_000;

/// Load of an event, parts per thousand of the curve's.
pub(crate) const LOAD_PERMILLE_MAX: u32 = 100_000;
/// Delay of a link, ns: an hour, as what is longer is a cut.
pub(crate) const LINK_DELAY_NS_MAX: u64 = 3_600_000_000_000;
/// How wrong a clock may run, parts per million: its time still moves forward.
pub(crate) const DRIFT_PPM_MAX: u32 = 500_000;

/// What a model constant has at least. Models divide by some of them or count in them, and would go by another
/// value than the plan says if it were below.
pub(crate) fn constant_min(name: &str) -> i64 {
    match name {
        "disk.chunk_bytes" => 4096,
        "client.nic_bytes_per_sec"
        | "disk.writeback_interval_ns"
        | "net.mss_bytes"
        | "net.window_bytes"
        | "node.recovery_bytes_per_sec"
        | "remote.attempts"
        | "remote.chunk_bytes"
        | "remote.part_bytes"
        | "remote.prefixes"
        | "remote.request_bytes_per_sec" => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{managed, model, remote};
    use crate::units::parse_duration_ns;

    #[test]
    fn the_catalogues_constants_are_in_bounds() {
        let file = managed::managed();
        let all = model::model().constants.iter().chain(remote::constants());
        for (name, constant) in all.chain(&file.express).chain(&file.serverless) {
            assert!(constant.value >= constant_min(name), "{name}");
        }
    }

    #[test]
    fn the_longest_duration_is_that_of_scenarios() {
        let text = |ns: u64| format!("{ns}ns");
        assert_eq!(parse_duration_ns(&text(DURATION_NS_MAX)), Ok(DURATION_NS_MAX));
        assert!(parse_duration_ns(&text(DURATION_NS_MAX + 1)).is_err());
    }
}
