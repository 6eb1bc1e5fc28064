//! Storms: what the timeline and the events of a run say must be what Kafka would do.

use crate::common::{Place, scenario};
use serde_json::Value;
use std::collections::BTreeMap;

/// When the AZ of `az.toml` goes, and when it is back, s.
const LOST_S: f64 = 10.0;
const BACK_S: f64 = 45.0;
/// `broker.session.timeout.ms`, `broker.heartbeat.interval.ms` and the clients'
/// `request.timeout.ms`, s.
const SESSION_S: f64 = 9.0;
const HEARTBEAT_S: f64 = 2.0;
const REQUEST_TIMEOUT_S: f64 = 30.0;
/// What a commit of the metadata log and its way to the brokers take at most, s.
const NEWS_S: f64 = 0.3;
/// `controller.quorum.fetch.timeout.ms`, s.
const QUORUM_FETCH_TIMEOUT_S: f64 = 2.0;
/// gp2 of up to 170 GiB moves 128 MiB/s, reads and writes together.
const VOLUME_BYTES: f64 = 128.0 * 1_048_576.0;

/// What a run left in its directory.
struct Run {
    events: Vec<Value>,
    rows: Vec<BTreeMap<String, String>>,
    result: Value,
}

impl Run {
    /// Runs a scenario that must end with this exit code.
    fn new(code: i32, scenario: &str, sets: &[&str]) -> Self {
        let place = Place::new();
        let mut words = vec!["run", scenario, "--seed", "3", "--out", "out"];
        for set in sets {
            words.extend(["--set", set]);
        }
        place.expect(code, &words);
        let events = place.read("out/events.jsonl");
        let timeline = place.read("out/timeline.csv");
        let mut lines = timeline.lines();
        let header: Vec<&str> = lines.next().unwrap().split(',').collect();
        let row = |line: &str| {
            let cells = line.split(',').map(str::to_owned);
            header.iter().map(|name| (*name).to_owned()).zip(cells).collect()
        };
        Self {
            events: events.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
            rows: lines.map(row).collect(),
            result: serde_json::from_str(&place.read("out/result.json")).unwrap(),
        }
    }

    /// Times of the events of a kind, s.
    fn times(&self, kind: &str) -> Vec<f64> {
        let of_kind = self.events.iter().filter(|event| event["kind"] == kind);
        of_kind.map(|event| event["at_s"].as_f64().unwrap()).collect()
    }

    /// Events of a kind within a time, s.
    fn count(&self, kind: &str, (from_s, to_s): (f64, f64)) -> usize {
        self.times(kind).into_iter().filter(|at| (from_s..to_s).contains(at)).count()
    }

    /// A cell of the timeline; `None` when it is empty.
    fn cell(&self, second: usize, name: &str) -> Option<f64> {
        let cell = self.rows[second].get(name).unwrap_or_else(|| panic!("no column {name}"));
        cell.parse().ok()
    }

    /// Cells of a column in the seconds `from..to` that have a value.
    fn column(&self, name: &str, (from, to): (usize, usize)) -> Vec<f64> {
        (from..to).filter_map(|second| self.cell(second, name)).collect()
    }

    fn mean(&self, name: &str, seconds: (usize, usize)) -> f64 {
        let cells = self.column(name, seconds);
        cells.iter().sum::<f64>() / cells.len() as f64
    }

    fn largest(&self, name: &str, seconds: (usize, usize)) -> f64 {
        self.column(name, seconds).into_iter().fold(0.0, f64::max)
    }

    /// Nothing is lost, every consumer got everything, every ISR is whole.
    fn assert_healed(&self) {
        assert_eq!(self.result["lost_records"], 0);
        assert_eq!(self.result["violations"].as_array().unwrap().len(), 0);
        let last = self.rows.len() - 1;
        assert_eq!(self.cell(last, "OfflinePartitionsCount"), Some(0.0));
        for broker in 1..=3 {
            let name = format!("UnderReplicatedPartitions (Broker {broker})");
            assert_eq!(self.cell(last, &name), Some(0.0), "{name}");
        }
        for name in self.rows[last].keys().filter(|name| name.starts_with("SumOffsetLag")) {
            assert_eq!(self.cell(last, name), Some(0.0), "{name}");
        }
    }

    /// The one fencing, within what sessions allow; elections and ISR shrinks come with it.
    fn assert_detected(&self, from_s: f64, to_s: f64) -> f64 {
        let fenced = self.times("broker-fenced");
        assert_eq!(fenced.len(), 1, "{fenced:?}");
        let fenced_s = fenced[0];
        assert!((from_s..=to_s).contains(&fenced_s), "fenced at {fenced_s} s");
        for kind in ["leader-elected", "isr-shrink"] {
            assert_eq!(self.count(kind, (LOST_S, fenced_s)), 0, "{kind} before anybody knew");
            assert!(self.count(kind, (fenced_s, fenced_s + NEWS_S)) > 0, "no {kind} at once");
        }
        fenced_s
    }
}

#[test]
fn leaders_of_a_lost_az_move_when_its_session_is_over_and_clients_follow() {
    let run = Run::new(0, &scenario("az"), &[]);
    let fenced_s =
        run.assert_detected(LOST_S + SESSION_S - HEARTBEAT_S - NEWS_S, LOST_S + SESSION_S + NEWS_S);

    // acks=all waits for the lost replica until it is out of the ISR
    let fenced = fenced_s as usize;
    assert_eq!(run.largest("AckedRecordsPerSec", (LOST_S as usize + 1, fenced)), 0.0);
    assert!(run.mean("AckedRecordsPerSec", (fenced + 1, fenced + 6)) > 50.0, "others go on");
    // what hangs on half-open connections comes when the clients give them up
    let given_up = (LOST_S + REQUEST_TIMEOUT_S) as usize;
    let slowest_ms = run.largest("ResponseMaxMs", (given_up - 1, given_up + 2));
    assert!((29_000.0..31_000.0).contains(&slowest_ms), "{slowest_ms} ms");
    let steady_ms = run.mean("ResponseP99Ms", (3, LOST_S as usize));
    let after_ms = run.mean("ResponseP99Ms", (given_up + 2, BACK_S as usize));
    assert!(after_ms < 2.0 * steady_ms, "{steady_ms} ms before, {after_ms} ms after");

    // two brokers carry everything, short of a replica, until the third is back
    assert_eq!(run.cell(fenced + 1, "Up (Broker 2)"), Some(0.0));
    for second in fenced + 1..BACK_S as usize {
        let of = |name: &str| {
            [1, 3].map(|id| run.cell(second, &format!("{name} (Broker {id})")).unwrap())
        };
        assert_eq!(of("LeaderCount").iter().sum::<f64>(), 9.0, "in second {second}");
        assert_eq!(of("UnderReplicatedPartitions").iter().sum::<f64>(), 9.0);
        assert_eq!(of("UnderMinIsrPartitionCount").iter().sum::<f64>(), 0.0);
    }
    assert_eq!(run.count("isr-expand", (LOST_S, BACK_S)), 0);
    let back_s = run.times("broker-unfenced")[0];
    assert!(back_s > BACK_S + 4.0, "host and process boot first");
    assert!(run.count("isr-expand", (back_s, back_s + 2.0)) > 0);
    run.assert_healed();
}

#[test]
fn clients_with_a_short_request_timeout_follow_as_soon_as_there_are_leaders() {
    // the same loss, but requests are given up after 2 s: nobody waits for 30
    let sets = [
        "producers.0.config.request.timeout.ms=2000",
        "producers.0.config.delivery.timeout.ms=60000",
    ];
    let run = Run::new(0, &scenario("az"), &sets);
    let fenced_s = run.times("broker-fenced")[0];
    let slowest_ms = run.largest("ResponseMaxMs", (LOST_S as usize, BACK_S as usize));
    let stall_ms = (fenced_s - LOST_S) * 1_000.0;
    assert!(slowest_ms >= stall_ms - 100.0 && slowest_ms < stall_ms + 4_000.0, "{slowest_ms} ms");
    run.assert_healed();
}

#[test]
fn an_isolated_az_serves_nobody_and_gives_up_what_only_it_has() {
    let run = Run::new(0, &scenario("az"), &["events.0.mode=\"isolate\""]);
    run.assert_detected(LOST_S + SESSION_S - HEARTBEAT_S - NEWS_S, LOST_S + SESSION_S + NEWS_S);
    // the old leader lives on without knowing, and nothing that it takes is acknowledged
    assert_eq!(run.cell(30, "Up (Broker 2)"), Some(1.0));
    assert!(run.cell(30, "LeaderCount (Broker 2)") > Some(0.0));
    let cut_off = run.mean("AckedRecordsPerSec", (41, BACK_S as usize));
    assert!((80.0..=110.0).contains(&cut_off), "two of three producers: {cut_off}/s");
    // what it took alone is cut, and the records of the producers there come late but come
    assert!(run.count("truncation", (BACK_S, BACK_S + 15.0)) > 0);
    assert!(run.largest("ResponseMaxMs", (BACK_S as usize, BACK_S as usize + 15)) > 30_000.0);
    let back_s = run.times("broker-unfenced")[0];
    assert!((BACK_S..BACK_S + 5.0).contains(&back_s), "no boot, only reconnects: {back_s}");
    run.assert_healed();
}

#[test]
fn a_lost_active_controller_is_replaced_first_and_gives_everybody_a_new_session() {
    let known = Run::new(0, &scenario("az"), &[]).cell(LOST_S as usize - 1, "ActiveControllerId");
    let az = ["a", "b", "c"][known.unwrap() as usize - 10_001];
    let run = Run::new(0, &scenario("az"), &[&format!("events.0.az=\"{az}\"")]);
    let elected = run.times("controller-elected");
    let elected_s = elected.into_iter().find(|at| *at > LOST_S).unwrap();
    let wait_s = elected_s - LOST_S;
    // the fetch time-out and up to as much again at random, then the votes
    assert!((QUORUM_FETCH_TIMEOUT_S - 0.6..2.0 * QUORUM_FETCH_TIMEOUT_S + 1.0).contains(&wait_s));
    run.assert_detected(elected_s + SESSION_S - 0.1, elected_s + SESSION_S + NEWS_S);
    run.assert_healed();
}

#[test]
fn clients_lost_with_their_az_ask_for_nothing_and_come_back_without_a_backlog() {
    let run = Run::new(0, &scenario("az"), &["events.0.clients=true"]);
    // arrivals are random: 1,000 records stray by 3 %
    let before = run.mean("OfferedRecordsPerSec", (3, LOST_S as usize));
    let without = run.mean("OfferedRecordsPerSec", (LOST_S as usize + 1, BACK_S as usize));
    let after = run.mean("OfferedRecordsPerSec", (BACK_S as usize + 1, 60));
    assert!((without / before - 2.0 / 3.0).abs() < 0.06, "{without} of {before}");
    assert!((after / before - 1.0).abs() < 0.06, "{after} after {before}");
    assert!(run.largest("ResponseMaxMs", (BACK_S as usize + 1, 60)) < 10_000.0);
    run.assert_healed();
}

#[test]
fn a_broker_comes_back_when_the_last_of_its_faults_is_over() {
    // broker 2 is in AZ b: its own crash ends at 16 s, that of the AZ at 26 s
    let crash = "{at=\"4s\",for=\"10s\",fault=\"host-crash\",node=2}";
    let az = "{at=\"8s\",for=\"16s\",fault=\"az-down\",az=\"b\",mode=\"power-off\"}";
    let run = Run::new(0, &scenario("az"), &[&format!("events=[{crash},{az}]")]);
    let up = run.column("Up (Broker 2)", (7, 26));
    assert!(up.iter().all(|up| *up == 0.0), "{up:?}");
    assert_eq!(run.cell(45, "Up (Broker 2)"), Some(1.0));
    run.assert_healed();
}

#[test]
fn a_rolling_restart_hands_over_before_it_stops_and_fails_nothing() {
    let sets = ["events.0={at=\"2s\",fault=\"rolling-restart\",down=\"3s\",pause=\"8s\"}"];
    let run = Run::new(0, &scenario("az"), &sets);
    let (down, moved) = (run.times("broker-down"), run.times("leader-elected"));
    assert_eq!(down.len(), 3, "{down:?}");
    for at in &down {
        assert!(moved.iter().any(|moved| moved < at && at - moved < 5.0), "leaders leave first");
    }
    // a follower may sit in a fetch of replica.fetch.wait.max.ms when its leader changes
    assert!(run.largest("ResponseMaxMs", (3, 60)) < 1_500.0);
    assert!(run.column("AckedRecordsPerSec", (3, 60)).into_iter().all(|acked| acked > 50.0));
    run.assert_healed();
}

/// Large records make few events, so that real volumes can be filled.
const SPIKE: [&str; 6] = [
    "producers.0.record_size=\"256 KiB\"",
    "producers.0.config.batch.size=1048576",
    "events.0.at=\"5s\"",
    "events.0.for=\"25s\"",
    "phases={warmup=\"5s\",measure=\"60s\",heal=\"5s\",drain=\"20s\"}",
    "topics.0.partitions=12",
];

#[test]
fn a_spike_past_the_volumes_queues_and_drains_and_half_of_it_passes() {
    let run = Run::new(0, "traffic-spike", &SPIKE);
    let half =
        Run::new(0, "traffic-spike", &[&SPIKE[..], &["producers.0.rate=\"15 MB/s\""]].concat());
    let p99_ms = |run: &Run, seconds| run.mean("ResponseP99Ms", seconds);
    let (before, spike, after) = ((6, 10), (25, 35), (58, 68));
    assert!(p99_ms(&run, spike) > 20.0 * p99_ms(&run, before), "{}", p99_ms(&run, spike));
    assert!(p99_ms(&run, after) < 2.0 * p99_ms(&run, before), "{}", p99_ms(&run, after));
    assert!(p99_ms(&half, spike) < p99_ms(&run, spike) / 20.0, "{}", p99_ms(&half, spike));
    // the volumes are what is full, and acknowledgements come at their rate
    for broker in 1..=3 {
        let full = format!("VolumeUtilisationPercent (Broker {broker})");
        assert!(run.mean(&full, spike) > 99.0 && half.mean(&full, spike) < 90.0, "{full}");
        let idle = format!("RequestHandlerAvgIdlePercent (Broker {broker})");
        assert!(run.mean(&idle, before) > 50.0, "{idle}");
        assert!(run.largest(&format!("NetworkUtilisationPercent (Broker {broker})"), spike) < 60.0);
    }
    let acked = run.mean("AckedBytesPerSec", spike);
    assert!((acked / VOLUME_BYTES - 1.0).abs() < 0.03, "{acked}");
    run.assert_healed();
}

#[test]
fn a_group_that_catches_up_reads_the_volumes_and_slows_the_producers() {
    let sets = [
        "producers.0.record_size=\"256 KiB\"",
        "producers.0.config.batch.size=1048576",
        "producers.0.rate=\"90 MB/s\"",
        "topics.0.preload=\"4 GiB\"",
        "topics.0.preload_record_size=\"256 KiB\"",
        "consumers.1.start_at=\"8s\"",
        "phases={warmup=\"5s\",measure=\"75s\",heal=\"5s\",drain=\"20s\"}",
    ];
    let run = Run::new(0, "consumer-catch-up", &sets);
    let (before, during, after) = ((6, 12), (18, 24), (70, 80));
    let mut volumes_read = 0.0;
    for broker in 1..=3 {
        let of = |name: &str| format!("{name} (Broker {broker})");
        assert_eq!(run.largest(&of("VolumeReadBytes"), before), 0.0, "live data is cached");
        assert_eq!(run.largest(&of("CacheMissBytes"), before), 0.0);
        assert!(run.mean(&of("CacheMissBytes"), during) > 1e6, "{}", of("CacheMissBytes"));
        let read = run.mean(&of("VolumeReadBytes"), during);
        let written = run.mean(&of("VolumeWriteBytes"), during);
        assert!(read > VOLUME_BYTES / 4.0, "{read}");
        assert!(((read + written) / VOLUME_BYTES - 1.0).abs() < 0.03, "{read} + {written}");
        assert_eq!(run.largest(&of("VolumeReadBytes"), after), 0.0, "it has caught up");
        volumes_read += read;
    }
    // the backlog shrinks as fast as three volumes read, less what is appended meanwhile
    let lag = |second| run.cell(second, "SumOffsetLag (Group backfill)").unwrap() * 262_144.0;
    let shrinks = (lag(during.0 - 1) - lag(during.1 - 1)) / (during.1 - during.0) as f64;
    let reads = shrinks + run.mean("AckedBytesPerSec", during);
    assert!((reads / volumes_read - 1.0).abs() < 0.1, "{reads} of {volumes_read}");
    // producers feel it once the dirty limit is reached, live consumers only through them
    let p99_ms = |seconds| run.mean("ResponseP99Ms", seconds);
    assert!(p99_ms((32, 44)) > 20.0 * p99_ms(before), "{} ms", p99_ms((32, 44)));
    assert!(p99_ms(after) < 2.0 * p99_ms(before), "{} ms", p99_ms(after));
    assert!(run.largest("SumOffsetLag (Group live)", during) < 200.0);
    run.assert_healed();
}

#[test]
fn one_slow_volume_holds_acks_all_to_its_rate_without_leaving_the_isr() {
    let sets = [
        "producers.0.record_size=\"256 KiB\"",
        "producers.0.config.batch.size=1048576",
        "topics.0.partitions=12",
        "events.0.at=\"5s\"",
        "events.0.for=\"45s\"",
        "phases={warmup=\"5s\",measure=\"70s\",heal=\"5s\",drain=\"20s\"}",
        "thresholds={lost_records=[\"value == 0\"]}",
    ];
    let run = Run::new(0, "slow-disk", &sets);
    assert_eq!(run.times("isr-shrink").len(), 0, "slow, but never 30 s behind");
    let slow = (38, 54);
    let acked = run.mean("AckedBytesPerSec", slow);
    let volume = 0.05 * 250.0 * 1_048_576.0;
    assert!((acked / volume - 1.0).abs() < 0.1, "{acked} of {volume}");
    assert!(run.mean("VolumeUtilisationPercent (Broker 2)", slow) > 99.0);
    assert!(run.mean("VolumeUtilisationPercent (Broker 1)", slow) < 20.0);
    run.assert_healed();
}
