//! `cargo xtask conformance --bench`: `stormglass serve` and an Apache Kafka, one after the other on
//! this machine, with Kafka's own perf tools and the same settings. Writes docs/against-kafka.md.
//!
//! Each case has a topic of its own. First it is filled as fast as the producer can, then read from
//! the beginning (from the page cache, as it was just written), then filled at a fixed rate that both
//! brokers keep up with, which is where their latencies can be compared.

mod page;
mod process;

use super::apache::Apache;
use super::clients::class_path;
use super::cluster::{self, Cluster};
use super::{last_line, output};
use crate::ci::root;
use process::{Usage, usage};
use std::fs;
use std::process::Command;

/// Bytes that the fastest filling of a topic writes.
const FILL_BYTES: u64 = 300_000_000;
/// The fixed rate, bytes per second, and for how long, s.
const PACED_BYTES_PER_SEC: u64 = 10_000_000;
const PACED_SECONDS: u64 = 8;

/// What is written.
#[derive(Debug, Clone, Copy)]
struct Case {
    acks: &'static str,
    record_bytes: u64,
    partitions: u32,
}

const CASES: [Case; 8] = [
    Case { acks: "1", record_bytes: 100, partitions: 1 },
    Case { acks: "1", record_bytes: 100, partitions: 16 },
    Case { acks: "1", record_bytes: 1024, partitions: 1 },
    Case { acks: "1", record_bytes: 1024, partitions: 16 },
    Case { acks: "all", record_bytes: 100, partitions: 1 },
    Case { acks: "all", record_bytes: 100, partitions: 16 },
    Case { acks: "all", record_bytes: 1024, partitions: 1 },
    Case { acks: "all", record_bytes: 1024, partitions: 16 },
];

/// What a producer reports at its end; latencies in ms.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Produced {
    records_per_sec: f64,
    mb_per_sec: f64,
    p50: f64,
    p99: f64,
    p999: f64,
}

/// What a broker did in a case.
#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    fastest: Produced,
    paced: Produced,
    consumed_mb_per_sec: f64,
    /// CPU time of the broker, s: fastest filling, reading, filling at the fixed rate.
    cpu: [f64; 3],
}

/// A broker's cases and its memory.
#[derive(Debug)]
struct Broker {
    name: String,
    cases: Vec<Measured>,
    /// Resident memory at the end and at its highest, MiB.
    rss_mib: f64,
    peak_mib: f64,
}

/// Measures and writes the page.
///
/// # Errors
/// A broker or a tool does not run.
pub(crate) fn versus() -> Result<(), String> {
    let binary = cluster::build_profile("release")?;
    let jars = class_path()?;
    let cluster = Cluster::start(&binary, 1)?;
    let ours = measure("stormglass serve", &cluster.bootstrap, cluster.process_id(), &jars)?;
    cluster.stop()?;
    let apache = Apache::start("")?;
    let theirs = measure("Apache Kafka 4.1.1", &apache.bootstrap, apache.process_id(), &jars)?;
    drop(apache);
    let page = page::page(&ours, &theirs);
    fs::write(root().join("docs/against-kafka.md"), &page)
        .map_err(|error| format!("cannot write docs/against-kafka.md: {error}"))?;
    print!("{page}");
    Ok(())
}

fn measure(name: &str, bootstrap: &str, process: u32, jars: &str) -> Result<Broker, String> {
    let tools = Tools { bootstrap, jars };
    // a JVM is slow until it has compiled what is hot; the other broker gets the same
    tools.create("warm-up", 4)?;
    tools.produce("warm-up", CASES[3], FILL_BYTES, None)?;
    tools.consume("warm-up", CASES[3])?;
    let mut cases = Vec::new();
    for (index, case) in CASES.into_iter().enumerate() {
        let topic = format!("case-{index}");
        tools.create(&topic, case.partitions)?;
        let mut marks: Vec<Usage> = vec![usage(process)?];
        let fastest = tools.produce(&topic, case, FILL_BYTES, None)?;
        marks.push(usage(process)?);
        let consumed_mb_per_sec = tools.consume(&topic, case)?;
        marks.push(usage(process)?);
        let rate = PACED_BYTES_PER_SEC / case.record_bytes;
        let paced = tools.produce(&topic, case, PACED_BYTES_PER_SEC * PACED_SECONDS, Some(rate))?;
        marks.push(usage(process)?);
        let cpu = [0, 1, 2].map(|n| marks[n + 1].cpu_seconds - marks[n].cpu_seconds);
        let measured = Measured { fastest, paced, consumed_mb_per_sec, cpu };
        eprintln!("{name}: {case:?} {measured:?}");
        cases.push(measured);
        tools.delete(&topic)?;
    }
    let Usage { rss_mib, peak_mib, .. } = usage(process)?;
    Ok(Broker { name: name.to_owned(), cases, rss_mib, peak_mib })
}

/// Kafka's own perf tools.
struct Tools<'a> {
    bootstrap: &'a str,
    jars: &'a str,
}

impl Tools<'_> {
    fn create(&self, topic: &str, partitions: u32) -> Result<(), String> {
        let partitions = partitions.to_string();
        let words = ["--create", "--topic", topic, "--partitions", &partitions];
        self.topics(&words)
    }

    fn delete(&self, topic: &str) -> Result<(), String> {
        self.topics(&["--delete", "--topic", topic])
    }

    fn topics(&self, words: &[&str]) -> Result<(), String> {
        let words = [&["--bootstrap-server", self.bootstrap], words].concat();
        self.run("TopicCommand", &words).map(drop)
    }

    fn produce(
        &self,
        topic: &str,
        case: Case,
        bytes: u64,
        rate: Option<u64>,
    ) -> Result<Produced, String> {
        let records = (bytes / case.record_bytes).to_string();
        let rate = rate.map_or("-1".to_owned(), |rate| rate.to_string());
        let size = case.record_bytes.to_string();
        let (bootstrap, acks) =
            (format!("bootstrap.servers={}", self.bootstrap), format!("acks={}", case.acks));
        let words = [
            &["--topic", topic, "--num-records", &records, "--record-size", &size][..],
            &["--throughput", &rate, "--producer-props", &bootstrap, &acks],
        ];
        let said = self.run("ProducerPerformance", &words.concat())?;
        produced(&said).ok_or_else(|| format!("ProducerPerformance said: {said}"))
    }

    /// MB per second.
    fn consume(&self, topic: &str, case: Case) -> Result<f64, String> {
        let records = (FILL_BYTES / case.record_bytes).to_string();
        let words =
            ["--bootstrap-server", self.bootstrap, "--topic", topic, "--messages", &records];
        let said = self.run("ConsumerPerformance", &words)?;
        let column = said.split(", ").nth(3).and_then(|column| column.parse().ok());
        column.ok_or_else(|| format!("ConsumerPerformance said: {said}"))
    }

    /// Runs a tool; returns the last line that it wrote.
    fn run(&self, class: &str, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new("java");
        command.args(["-Xmx512m", "-cp", self.jars]);
        command.arg(format!("org.apache.kafka.tools.{class}")).args(words);
        let output = output(command)?;
        if !output.status.success() {
            return Err(format!("{class} failed: {}", last_line(&output.stderr)));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned())
    }
}

/// Reads a line like `1 records sent, 2.0 records/sec (3.00 MB/sec), 4.00 ms avg latency, 5.00 ms
/// max latency, 6 ms 50th, 7 ms 95th, 8 ms 99th, 9 ms 99.9th.`
fn produced(line: &str) -> Option<Produced> {
    let before = |unit: &str| {
        let (text, _) = line.split_once(unit)?;
        let word = text.rsplit([' ', '(']).next()?;
        word.parse().ok()
    };
    Some(Produced {
        records_per_sec: before(" records/sec")?,
        mb_per_sec: before(" MB/sec")?,
        p50: before(" ms 50th")?,
        p99: before(" ms 99th")?,
        p999: before(" ms 99.9th")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_producers_line_is_read() {
        let line = "1000 records sent, 499.8 records/sec (0.48 MB/sec), 2.27 ms avg latency, \
                    181.00 ms max latency, 1 ms 50th, 4 ms 95th, 17 ms 99th, 181 ms 99.9th.";
        let expected =
            Produced { records_per_sec: 499.8, mb_per_sec: 0.48, p50: 1.0, p99: 17.0, p999: 181.0 };
        assert_eq!(produced(line), Some(expected));
        assert_eq!(produced("no records"), None);
    }
}
