//! A run's directory, exported and read as the other tools would read it.

use super::*;
use crate::recording::Phase;
use crate::result;
use crate::run_dir::{ReportInput, RunInfo, write_run_dir};
use crate::testing;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn read_below(root: &Path, dir: &Path, into: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_below(root, &path, into);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            into.insert(name, fs::read(&path).unwrap());
        }
    }
}

fn run() -> RunFiles {
    let (plan, recording) = (testing::plan(), testing::az_outage());
    let result = result::build(&plan.digest(), &"9a".repeat(32), &plan, &recording);
    let dir = tempfile::tempdir().unwrap();
    let plan_json = plan.to_json();
    let input = ReportInput {
        plan: &plan,
        result: &result,
        recording: &recording,
        run_info: &RunInfo::new(
            std::time::Duration::from_secs(8),
            recording.sim_ns,
            1,
            None,
            "test",
        ),
        plan_json: &plan_json,
        command: "stormglass run az-outage",
    };
    write_run_dir(dir.path(), &input).unwrap();
    let mut files = BTreeMap::new();
    read_below(dir.path(), dir.path(), &mut files);
    RunFiles { plan, result, files }
}

fn text_of(files: &[(String, Vec<u8>)], name: &str) -> String {
    let (_, bytes) = files.iter().find(|(file, _)| file == name).unwrap();
    String::from_utf8(bytes.clone()).unwrap()
}

fn json_of(format: Format, run: &RunFiles) -> Value {
    serde_json::from_slice(&export(format, run).unwrap()[0].1).unwrap()
}

/// The benchmark's reader takes these keys and no others.
fn omb_keys() -> Vec<String> {
    let suffixes = ["Avg", "50pct", "75pct", "95pct", "99pct", "999pct", "9999pct", "Max"];
    let mut keys: Vec<String> = [
        "workload",
        "driver",
        "messageSize",
        "topics",
        "partitions",
        "producersPerTopic",
        "consumersPerTopic",
        "publishRate",
        "publishErrorRate",
        "consumeRate",
        "backlog",
        "aggregatedPublishLatencyQuantiles",
        "aggregatedPublishDelayLatencyQuantiles",
        "aggregatedEndToEndLatencyQuantiles",
    ]
    .map(str::to_owned)
    .to_vec();
    for prefix in [
        "publishLatency",
        "publishDelayLatency",
        "aggregatedPublishLatency",
        "aggregatedPublishDelayLatency",
        "endToEndLatency",
        "aggregatedEndToEndLatency",
    ] {
        keys.extend(suffixes.map(|suffix| format!("{prefix}{suffix}")));
    }
    keys.sort();
    keys
}

#[test]
fn as_many_records_are_consumed_as_consumers_got() {
    let run = run();
    let document = json_of(Format::Omb(OmbMode::Precise), &run);
    let list = |key: &str| -> f64 {
        document[key].as_array().unwrap().iter().filter_map(Value::as_f64).sum()
    };
    // Bytes that consumers get have headers of batches among them, or are compressed: twice as many
    // bytes of the same records are no more records.
    let mut doubled = run;
    let text = String::from_utf8(doubled.files["timeline.csv"].clone()).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let at = header.iter().position(|name| name == "ConsumedBytesPerSec").unwrap();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&header).unwrap();
    for row in reader.records() {
        let row = row.unwrap();
        let cells = row.iter().enumerate().map(|(column, cell)| match cell.parse::<u64>() {
            Ok(bytes) if column == at => (bytes * 2).to_string(),
            _ => cell.to_owned(),
        });
        writer.write_record(cells).unwrap();
    }
    doubled.files.insert("timeline.csv".to_owned(), writer.into_inner().unwrap());
    let again = json_of(Format::Omb(OmbMode::Precise), &doubled);
    assert!(list("consumeRate") > 0.0);
    assert_eq!(document["consumeRate"], again["consumeRate"]);
}

#[test]
fn the_benchmarks_result_has_its_keys_and_the_runs_figures() {
    let run = run();
    let document = json_of(Format::Omb(OmbMode::Precise), &run);
    let mut keys: Vec<String> = document.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, omb_keys());
    assert_eq!(keys.len(), 62);
    let measured = run.result.latency_of("measure+heal", "service").unwrap();
    let p99 = document["aggregatedPublishLatency99pct"].as_f64().unwrap();
    assert!((p99 - measured.p99_ms.to_f64()).abs() < 0.001, "{p99} {measured:?}");
    let ends = run.result.latency_of("measure+heal", "end_to_end").unwrap();
    let p50 = document["aggregatedEndToEndLatency50pct"].as_f64().unwrap();
    assert!((p50 - ends.p50_ms.to_f64()).abs() < 0.001);
    let windows = document["publishRate"].as_array().unwrap().len();
    for key in &keys {
        if let Some(list) = document[key].as_array() {
            assert_eq!(list.len(), windows, "{key}");
        }
    }
    // The benchmark's windows are whole: the slowest record of all of them is one of theirs.
    let seconds = u32::try_from(windows * 10).unwrap();
    let recording = testing::az_outage();
    let first =
        recording.seconds.iter().find(|second| second.phase == Phase::Measure).unwrap().index;
    let shown = |index: u32| (first..first + seconds).contains(&index);
    let counts = recording.response_intervals.iter().filter(|one| shown(one.index));
    let max = counts.flat_map(|one| one.counts.iter().map(|(ns, _)| *ns)).max().unwrap();
    let listed: Vec<f64> = serde_json::from_value(document["publishLatencyMax"].clone()).unwrap();
    let slowest = listed.into_iter().fold(0.0, f64::max) * 1e6;
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a minute")]
    let max = max as f64;
    assert!((slowest - max).abs() <= max / 500.0, "{slowest} {max}");
    for key in document["aggregatedPublishLatencyQuantiles"].as_object().unwrap().keys() {
        assert!((0.0..=100.0).contains(&key.parse::<f64>().unwrap()), "{key}");
    }
}

/// `bin/create_charts.py` of the benchmark takes texts, a list of numbers for each ten seconds, whose
/// largest is the axis' end, and maps from percentiles of at most 100 to numbers.
#[test]
fn the_benchmarks_chart_script_finds_what_it_reads() {
    const TEXTS: [&str; 2] = ["workload", "driver"];
    const LISTS: [&str; 7] = [
        "publishLatency99pct",
        "publishDelayLatency99pct",
        "publishRate",
        "publishErrorRate",
        "endToEndLatency95pct",
        "consumeRate",
        "endToEndLatencyAvg",
    ];
    const QUANTILES: [&str; 3] = [
        "aggregatedPublishLatencyQuantiles",
        "aggregatedPublishDelayLatencyQuantiles",
        "aggregatedEndToEndLatencyQuantiles",
    ];
    for mode in [OmbMode::Strict, OmbMode::Precise] {
        let document = json_of(Format::Omb(mode), &run());
        for key in TEXTS {
            assert!(document[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
        }
        for key in LISTS {
            let list = document[key].as_array().unwrap();
            assert!(!list.is_empty() && list.iter().all(Value::is_number), "{key}: {list:?}");
        }
        for key in QUANTILES {
            let map = document[key].as_object().unwrap();
            let drawn = map.keys().filter(|percent| percent.parse::<f64>().unwrap() <= 99.999);
            assert!(drawn.count() > 1 && map.values().all(Value::is_number), "{key}");
            assert!(map.keys().all(|percent| percent.parse::<f64>().unwrap() <= 100.0), "{key}");
        }
    }
}

#[test]
fn strict_measures_as_the_benchmark_does() {
    let run = run();
    let strict = json_of(Format::Omb(OmbMode::Strict), &run);
    for (percentile, value) in strict["aggregatedEndToEndLatencyQuantiles"].as_object().unwrap() {
        let value = value.as_f64().unwrap();
        // A histogram of three digits widens a value by a thousandth.
        assert!(value >= 1.0 && value - value.floor() <= value / 500.0, "{percentile} {value}");
    }
    assert!(strict["aggregatedPublishLatencyMax"].as_f64().unwrap() <= 60_100.0);
    let files = export(Format::Omb(OmbMode::Strict), &run).unwrap();
    assert!(String::from_utf8(files[1].1.clone()).unwrap().contains("\"mode\": \"strict\""));
}

#[test]
fn the_flat_formats_hold_every_figure_that_has_a_value() {
    let run = run();
    let figures = crate::figures::figures(&run.result);
    let valued = figures.iter().filter(|figure| figure.value.is_some()).count();
    let metrics = text_of(&export(Format::OpenMetrics, &run).unwrap(), "metrics.txt");
    assert_eq!(metrics.lines().filter(|line| !line.starts_with('#')).count(), valued);
    assert!(metrics.ends_with("# EOF\n"));
    let mut families: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("# TYPE")).collect();
    let count = families.len();
    families.dedup();
    assert_eq!(families.len(), count, "a family stands in one place");
    let bencher = json_of(Format::Bencher, &run);
    let measures = bencher[&run.result.scenario.name].as_object().unwrap();
    assert_eq!(measures.len(), valued, "no two figures have one slug");
    assert!(measures.values().all(|measure| measure["value"].is_number()));
    let files = export(Format::GithubActionBenchmark, &run).unwrap();
    let better: Value = serde_json::from_slice(&files[1].1).unwrap();
    let names: Vec<&str> =
        better.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.iter().any(|name| name.contains("produce_throughput")), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("latency")), "{names:?}");
}

#[test]
fn junit_has_a_case_for_each_threshold_and_promise() {
    let mut run = run();
    run.result.thresholds[0].passed = false;
    run.result.thresholds[0].text = "p(99) < 5ms & \"more\"".to_owned();
    let xml = text_of(&export(Format::Junit, &run).unwrap(), "junit.xml");
    let cases = run.result.thresholds.len() + run.result.checkers.len();
    assert_eq!(xml.matches("<testcase ").count(), cases);
    let failed = run.result.thresholds.iter().filter(|one| !one.passed).count();
    let broken = run.result.checkers.iter().filter(|one| one.violations > 0).count();
    assert_eq!(xml.matches("<failure ").count(), failed + broken);
    assert!(xml.contains("&lt; 5ms &amp; &quot;more&quot;"));
}

#[test]
fn a_trace_has_faults_counters_and_the_critical_path() {
    let run = run();
    let trace = json_of(Format::Perfetto, &run);
    let events = trace["traceEvents"].as_array().unwrap();
    let count = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
    assert!(count("M") >= 4 && count("C") > 200 && count("i") > 0, "{}", events.len());
    let fault = events.iter().find(|event| event["cat"] == "fault-begin").unwrap();
    assert!(fault["dur"].as_i64().unwrap() > 0);
    let band = &run.result.critical_path[0];
    let sum: i64 = events
        .iter()
        .filter(|event| event["cat"] == "critical-path" && event["tid"] == 1)
        .map(|event| event["dur"].as_i64().unwrap())
        .sum();
    assert!((sum - band.total_ms.units()).abs() <= 8, "{sum} {band:?}");
}

#[test]
fn texts_of_hdrhistogram_and_csv_are_passed_on() {
    let run = run();
    let names = |format| {
        export(format, &run).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert!(names(Format::Hgrm).contains(&"response.hgrm".to_owned()));
    assert_eq!(names(Format::Hlog), ["phases.hlog", "response.hlog"]);
    let latency = text_of(&export(Format::Csv, &run).unwrap(), "latency.csv");
    assert_eq!(latency.lines().count(), run.result.latency.len() + 1);
}

#[test]
fn damage_is_named_and_never_a_panic() {
    let formats = [Format::Omb(OmbMode::Precise), Format::Csv, Format::Perfetto];
    let whole = run();
    for name in ["timeline.csv", "events.jsonl", "latency/phases.hlog", "latency/response.hlog"] {
        let mut gone = whole.clone();
        gone.files.remove(name);
        let mut noisy = whole.clone();
        noisy.files.insert(name.to_owned(), b"Tag=a,1.0,1.0,1.0,HISTFAAA\n{\"x\": \xff".to_vec());
        let mut short = whole.clone();
        let bytes = short.files.get_mut(name).unwrap();
        bytes.truncate(bytes.len() * 2 / 3);
        for format in formats {
            // What does not need the file does not mind.
            for run in [&gone, &noisy, &short] {
                if let Err(error) = export(format, run) {
                    assert!(error.file == name || error.file == "latency", "{name}: {error}");
                }
            }
        }
    }
    let mut gone = whole;
    gone.files.remove("timeline.csv");
    assert_eq!(export(Format::Csv, &gone).unwrap_err().file, "timeline.csv");
}
