//! Little's law on whole runs: what is outstanding is throughput times response, whatever happens
//! between a producer and its acknowledgements.

use stormglass_reports::recording::{LatencyKind, Phase};
use stormglass_scenarios::{Source, load};
use stormglass_sim::{RunOptions, simulate};

const CLOSED_LOOP: &str = r#"
name = "closed-loop"
question = "Does Little's law hold?"
expect = "Outstanding records are throughput times mean response."

[cluster]
kind = "self-managed"
instance = "custom"
brokers = 3
azs = 3

[cluster.host]
vcpus = 2
memory = "8 GiB"
network = "93750 kB/s"
disk_size = "100 GB"
disk_throughput = "81250 kB/s"
disk_iops = 3600

[[topics]]
name = "load"
partitions = 6
replication = 3

[[producers]]
name = "loop"
topic = "load"
count = 3
record_size = "1 KiB"
arrival = { closed = { outstanding = 50 } }
config = { acks = "all", linger.ms = 2 }

[phases]
warmup = "1s"
measure = "4s"
drain = "1s"
"#;

#[test]
fn a_closed_loop_obeys_littles_law_within_1_percent() {
    let plan = load(&Source::new("closed-loop", CLOSED_LOOP), &[], 1)
        .unwrap_or_else(|error| panic!("{error}"));
    let finished = simulate(&plan, RunOptions::default(), Box::new(()));
    let recording = finished.unwrap_or_else(|error| panic!("{error}")).recording;
    let series = recording
        .latency
        .iter()
        .find(|one| one.kind == LatencyKind::Response && one.phase == Phase::Measure)
        .expect("records were acknowledged");
    let seconds = recording.seconds.iter().filter(|second| second.phase == Phase::Measure);
    let acked: Vec<u64> = seconds.map(|second| second.acked_records).collect();
    let per_second = acked.iter().sum::<u64>() as f64 / acked.len() as f64;
    let outstanding = per_second * series.histogram.mean() / 1e9;
    assert!(per_second > 1_000.0, "{per_second} records/s");
    assert!((outstanding / 150.0 - 1.0).abs() < 0.01, "{outstanding} of 3 times 50 outstanding");
}
