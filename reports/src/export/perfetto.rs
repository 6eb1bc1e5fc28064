//! A run as a trace: faults and phases as slices, cluster events as instants, timeline as counters,
//! and where the time of a produce request goes, by band, as slices of its mean parts.
//!
//! Times are simulated microseconds. Single requests are not in a run's directory.

use super::table::Timeline;
use super::{ExportError, RunFiles};
use crate::result::{EventRow, Milli, PathBand};
use serde_json::{Value, json};

/// Process id of the whole cluster; brokers have their own ids, controllers from 10001.
const CLUSTER: i32 = 0;
/// Process id of the critical path.
const PATHS: i32 = 20_001;
const US_PER_MILLI_S: i64 = 1000;

const COUNTERS: [(&str, &str); 5] = [
    ("OfferedRecordsPerSec", "offered records/s"),
    ("AckedRecordsPerSec", "acknowledged records/s"),
    ("ResponseP99Ms", "response p99, ms"),
    ("EndToEndP99Ms", "end to end p99, ms"),
    ("OfflinePartitionsCount", "partitions without a leader"),
];
const BROKER_COUNTERS: [&str; 6] = [
    "CpuUser+CpuSystem",
    "NetworkUtilisationPercent",
    "VolumeUtilisationPercent",
    "RequestQueueSize",
    "LeaderCount",
    "UnderReplicatedPartitions",
];

/// The text of the trace.
pub(super) fn trace(run: &RunFiles) -> Result<String, ExportError> {
    let mut events = Vec::new();
    let mut name = |pid: i32, text: String| {
        events.push(json!({"name": "process_name", "ph": "M", "pid": pid, "args": {"name": text}}));
    };
    name(CLUSTER, format!("cluster: {}", run.result.scenario.name));
    for node in &run.plan.cluster.brokers {
        name(node.id, format!("broker {} ({})", node.id, node.host.instance));
    }
    for node in &run.plan.cluster.controllers {
        name(node.id, format!("controller {}", node.id));
    }
    name(PATHS, "mean produce request by band of latency".to_owned());
    let end_us = run.result.simulated.seconds.units() * US_PER_MILLI_S;
    happened(run.file("events.jsonl")?, end_us, &mut events)?;
    counters(run, &mut events)?;
    for (band, path) in (1..).zip(&run.result.critical_path) {
        parts(band, path, &mut events);
    }
    let document = json!({"traceEvents": events, "displayTimeUnit": "ms"});
    let mut text = serde_json::to_string(&document).expect("JSON's own types can be written");
    text.push('\n');
    Ok(text)
}

fn micros(seconds: Milli) -> i64 {
    seconds.units().saturating_mul(US_PER_MILLI_S)
}

/// Events of the cluster. A phase ends where the next one begins.
fn happened(bytes: &[u8], end_us: i64, into: &mut Vec<Value>) -> Result<(), ExportError> {
    let mut rows: Vec<EventRow> = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if !line.is_empty() {
            let row = serde_json::from_slice(line).map_err(|error| {
                ExportError::new("events.jsonl", format!("line {number}: {error}"))
            })?;
            rows.push(row);
        }
    }
    let phases: Vec<i64> =
        rows.iter().filter(|row| row.kind == "phase").map(|row| micros(row.at_s)).collect();
    for row in &rows {
        let ts = micros(row.at_s);
        let pid = row.node.unwrap_or(CLUSTER);
        let until = match row.kind.as_str() {
            "phase" => phases.iter().copied().find(|at| *at > ts).or(Some(end_us)),
            _ => row.until_s.map(micros),
        };
        let args = json!({"detail": row.detail, "partition": row.partition});
        let title = if row.kind == "phase" || until.is_some() { &row.detail } else { &row.kind };
        into.push(match until {
            Some(until) => json!({"name": title, "cat": row.kind, "ph": "X", "ts": ts,
                "dur": (until - ts).max(0), "pid": pid,
                "tid": if row.kind == "phase" { 1 } else { 2 }, "args": args}),
            None => json!({"name": title, "cat": row.kind, "ph": "i", "s": "p", "ts": ts,
                "pid": pid, "tid": 3, "args": args}),
        });
    }
    Ok(())
}

fn counters(run: &RunFiles, into: &mut Vec<Value>) -> Result<(), ExportError> {
    let timeline = Timeline::read(run.file("timeline.csv")?)?;
    for row in 0..timeline.len() {
        let ts = timeline.number(row, "Second")?.unwrap_or(0.0) * 1_000_000.0;
        let mut push = |pid: i32, name: &str, value: Option<f64>| {
            if let Some(value) = value {
                into.push(json!({"name": name, "ph": "C", "ts": ts, "pid": pid,
                    "args": {"value": value}}));
            }
        };
        for (column, name) in COUNTERS {
            push(CLUSTER, name, timeline.number(row, column)?);
        }
        for node in &run.plan.cluster.brokers {
            for column in BROKER_COUNTERS {
                let cell = timeline.number(row, &format!("{column} (Broker {})", node.id))?;
                push(node.id, column, cell);
            }
        }
    }
    Ok(())
}

fn parts(band: i32, path: &PathBand, into: &mut Vec<Value>) {
    let parts = [
        ("client queue", path.client_queue_ms),
        ("network", path.network_ms),
        ("CPU queue", path.cpu_queue_ms),
        ("CPU", path.cpu_ms),
        ("disk", path.disk_ms),
        ("replication", path.replication_ms),
        ("purgatory", path.purgatory_ms),
        ("response", path.response_ms),
    ];
    let title = format!("{}: mean of {} requests", path.band, path.samples);
    into.push(json!({"name": "thread_name", "ph": "M", "pid": PATHS, "tid": band,
        "args": {"name": title}}));
    let mut ts = 0;
    for (name, part) in parts {
        // A thousandth of a millisecond is a microsecond.
        let dur = part.units();
        into.push(json!({"name": name, "cat": "critical-path", "ph": "X", "ts": ts, "dur": dur,
            "pid": PATHS, "tid": band}));
        ts += dur;
    }
}
