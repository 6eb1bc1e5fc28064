//! `timeline.csv`: a row per simulated second.
//!
//! A column has CloudWatch's metric name and unit where one exists, and `(Broker N)` or
//! `(Group NAME)` after it; what CloudWatch does not have keeps our own name. `CpuUser+CpuSystem`
//! is one figure because the CPU model does not tell them apart. A broker that is down leaves its
//! cells empty.

use crate::recording::{BrokerSecond, Recording, Second, SecondLatency};
use crate::result::{Milli, phase_name};
use std::io;
use stormglass_scenarios::plan::{NodePlan, Plan};

const CLUSTER_COLUMNS: [&str; 19] = [
    "Second",
    "Phase",
    "OfferedRecordsPerSec",
    "OfferedBytesPerSec",
    "AckedRecordsPerSec",
    "AckedBytesPerSec",
    "FailedRecordsPerSec",
    "ConsumedBytesPerSec",
    "ActiveControllerCount",
    "ActiveControllerId",
    "OfflinePartitionsCount",
    "ResponseP50Ms",
    "ResponseP99Ms",
    "ResponseP99.9Ms",
    "ResponseMaxMs",
    "EndToEndP50Ms",
    "EndToEndP99Ms",
    "EndToEndP99.9Ms",
    "EndToEndMaxMs",
];

/// A column of a broker: its name, and the cell's text.
type Column = (&'static str, fn(&BrokerSecond, &NodePlan) -> String);

const BROKER_COLUMNS: [Column; 27] = [
    ("Up", |s, _| u8::from(s.up).to_string()),
    ("BytesInPerSec", |s, _| s.bytes_in.to_string()),
    ("BytesOutPerSec", |s, _| s.bytes_out.to_string()),
    ("MessagesInPerSec", |s, _| s.messages_in.to_string()),
    ("ReplicationBytesInPerSec", |s, _| s.replication_in.to_string()),
    ("ReplicationBytesOutPerSec", |s, _| s.replication_out.to_string()),
    ("CpuUser+CpuSystem", |s, _| percent(s.cpu_permille)),
    ("CPUCreditBalance", |s, _| Milli::ratio(i128::from(s.cpu_credits_ms), 60_000).to_string()),
    ("NetworkRxBytesPerSec", |s, _| s.net_rx.to_string()),
    ("NetworkTxBytesPerSec", |s, _| s.net_tx.to_string()),
    ("NetworkUtilisationPercent", |s, _| percent(s.net_permille)),
    ("NetworkCreditsPercent", |s, _| percent(s.net_credits_permille)),
    ("VolumeReadBytes", |s, _| s.disk_read.to_string()),
    ("VolumeWriteBytes", |s, _| s.disk_write.to_string()),
    ("VolumeOps", |s, _| s.disk_ops.to_string()),
    ("VolumeUtilisationPercent", |s, _| percent(s.disk_permille)),
    ("BurstBalance", |s, _| percent(s.burst_balance_permille)),
    ("DirtyBytes", |s, _| s.dirty_bytes.to_string()),
    ("CacheHitBytes", |s, _| s.cache_hit_bytes.to_string()),
    ("CacheMissBytes", |s, _| s.cache_miss_bytes.to_string()),
    ("RequestHandlerAvgIdlePercent", |s, _| percent(s.handler_idle_permille)),
    ("NetworkProcessorAvgIdlePercent", |s, _| percent(s.network_idle_permille)),
    ("RequestQueueSize", |s, _| s.request_queue.to_string()),
    ("LeaderCount", |s, _| s.leaders.to_string()),
    ("UnderReplicatedPartitions", |s, _| s.under_replicated.to_string()),
    ("UnderMinIsrPartitionCount", |s, _| s.under_min_isr.to_string()),
    ("KafkaDataLogsDiskUsed", disk_used),
];

/// Columns of a broker where a topic has remote storage.
const REMOTE_COLUMNS: [Column; 3] = [
    ("RemoteCopyBytesPerSec", |s, _| s.remote_copied.to_string()),
    ("RemoteFetchBytesPerSec", |s, _| s.remote_fetched.to_string()),
    ("RemoteSlowDownsPerSec", |s, _| s.remote_rejected.to_string()),
];

/// Columns of each broker.
fn broker_columns(has_remote: bool) -> impl Iterator<Item = &'static Column> {
    let remote: &[Column] = if has_remote { &REMOTE_COLUMNS } else { &[] };
    BROKER_COLUMNS.iter().chain(remote)
}

fn percent(permille: u32) -> String {
    Milli::percent_from_permille(u64::from(permille)).to_string()
}

/// Percent of the data volumes.
fn disk_used(second: &BrokerSecond, node: &NodePlan) -> String {
    let size: u64 = node.host.volumes.iter().map(|volume| volume.size_bytes).sum();
    Milli::ratio(i128::from(second.log_bytes) * 100, i128::from(size)).to_string()
}

/// The whole file.
pub(crate) fn csv(plan: &Plan, recording: &Recording) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let has_remote = recording.remote.is_some();
    writer.write_record(header(plan, has_remote))?;
    for second in &recording.seconds {
        writer.write_record(row(plan, second, has_remote))?;
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)
}

fn header(plan: &Plan, has_remote: bool) -> Vec<String> {
    let mut columns: Vec<String> = CLUSTER_COLUMNS.map(str::to_owned).to_vec();
    for node in &plan.cluster.brokers {
        let names = broker_columns(has_remote);
        columns.extend(names.map(|(name, _)| format!("{name} (Broker {})", node.id)));
    }
    for consumer in &plan.consumers {
        for name in ["SumOffsetLag", "MaxOffsetLag", "ConsumedBytesPerSec"] {
            columns.push(format!("{name} (Group {})", consumer.group));
        }
    }
    columns
}

fn row(plan: &Plan, second: &Second, has_remote: bool) -> Vec<String> {
    let mut cells = vec![
        second.index.to_string(),
        phase_name(second.phase).to_owned(),
        second.offered_records.to_string(),
        second.offered_bytes.to_string(),
        second.acked_records.to_string(),
        second.acked_bytes.to_string(),
        second.failed_records.to_string(),
        second.consumed_bytes.to_string(),
        u8::from(second.controller.is_some()).to_string(),
        second.controller.map(|id| id.to_string()).unwrap_or_default(),
        second.offline_partitions.to_string(),
    ];
    cells.extend(latency(&second.response));
    cells.extend(latency(&second.end_to_end));
    for (index, node) in plan.cluster.brokers.iter().enumerate() {
        let broker = second.brokers.get(index);
        let columns = broker_columns(has_remote).enumerate();
        cells.extend(columns.map(|(column, (_, cell))| match broker {
            Some(broker) if broker.up => cell(broker, node),
            Some(_) if column == 0 => "0".to_owned(),
            _ => String::new(),
        }));
    }
    for index in 0..plan.consumers.len() {
        cells.extend(second.groups.get(index).map_or_else(
            || [const { String::new() }; 3],
            |group| [group.sum_lag, group.max_lag, group.bytes].map(|value| value.to_string()),
        ));
    }
    cells
}

/// Empty cells when nothing completed in that second.
fn latency(of: &SecondLatency) -> [String; 4] {
    if of.count == 0 {
        return [const { String::new() }; 4];
    }
    [of.p50_ns, of.p99_ns, of.p999_ns, of.max_ns].map(|ns| Milli::ms_from_ns(ns).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_row_per_second_and_a_cell_per_column() {
        let (plan, recording) = (testing::plan(), testing::az_outage());
        let bytes = csv(&plan, &recording).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let header = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 200);
        let cell = |second: usize, name: &str| {
            let column = header.iter().position(|column| column == name).unwrap();
            rows[second][column].to_owned()
        };
        assert_eq!(cell(0, "Phase"), "warmup");
        assert_eq!(cell(65, "OfflinePartitionsCount"), "20");
        assert_eq!(cell(65, "Up (Broker 1)"), "0");
        assert_eq!(cell(65, "LeaderCount (Broker 1)"), "", "down is not the same as zero");
        assert_eq!(cell(80, "LeaderCount (Broker 2)"), "30");
        assert_eq!(cell(60, "ActiveControllerCount"), "0");
        assert_eq!(cell(199, "ResponseP99Ms"), "", "nothing was acknowledged after the drain");
        assert!(cell(10, "SumOffsetLag (Group billing)").parse::<u64>().unwrap() > 0);
    }
}
