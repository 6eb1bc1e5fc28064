//! Kafka's own perf tools, and what they say.

use super::Case;
use super::figures::Produced;
use crate::conformance::{last_line, output};
use std::process::Command;

/// The tools, against a broker.
pub(super) struct Tools<'a> {
    pub(super) bootstrap: &'a str,
    pub(super) jars: &'a str,
}

/// What a producer has to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) bytes: u64,
    /// The first of them, which are in no figure.
    pub(super) warm_up_bytes: u64,
    /// Bytes per second, if not as fast as it can.
    pub(super) rate: Option<u64>,
}

impl Tools<'_> {
    pub(super) fn produce(&self, topic: &str, case: Case, work: Work) -> Result<Produced, String> {
        let records = |bytes: u64| (bytes / case.record_bytes).to_string();
        let (all, warm_up) = (records(work.bytes), records(work.warm_up_bytes));
        let rate = work.rate.map_or("-1".to_owned(), records);
        let size = case.record_bytes.to_string();
        let (bootstrap, acks) =
            (format!("bootstrap.servers={}", self.bootstrap), format!("acks={}", case.acks));
        let words = [
            &["--topic", topic, "--num-records", &all, "--record-size", &size][..],
            &["--warmup-records", &warm_up, "--throughput", &rate],
            &["--command-property", &bootstrap, &acks],
        ];
        let said = self.run("ProducerPerformance", &words.concat())?;
        steady(&said).ok_or_else(|| format!("ProducerPerformance said: {said}"))
    }

    /// Reads so many records; MiB per second.
    pub(super) fn consume(&self, topic: &str, records: u64) -> Result<f64, String> {
        let records = records.to_string();
        let words =
            ["--bootstrap-server", self.bootstrap, "--topic", topic, "--num-records", &records];
        let said = self.run("ConsumerPerformance", &words)?;
        fetched(&said).ok_or_else(|| format!("ConsumerPerformance said: {said}"))
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

/// Reads a line like `1 steady state records sent, 2.0 records/sec (3.00 MB/sec), 4.00 ms avg latency, 5.00
/// ms max latency, 6 ms 50th, 7 ms 95th, 8 ms 99th, 9 ms 99.9th.`; its megabytes are of 2^20 bytes.
fn steady(line: &str) -> Option<Produced> {
    let before = |unit: &str| {
        let (text, _) = line.split_once(unit)?;
        let word = text.rsplit([' ', '(']).next()?;
        word.parse().ok()
    };
    // without a warm-up, or if nothing came after it, there is only the line about all records
    line.contains(" steady state records sent").then_some(())?;
    Some(Produced {
        records_per_sec: before(" records/sec")?,
        mib_per_sec: before(" MB/sec")?,
        p50_ms: before(" ms 50th")?,
        p99_ms: before(" ms 99th")?,
        p999_ms: before(" ms 99.9th")?,
    })
}

/// Reads `fetch.MB.sec` of `start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg,
/// nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec`: without the time that it took to
/// join a group.
fn fetched(line: &str) -> Option<f64> {
    line.split(", ").nth(8)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_producers_line_about_the_steady_state_is_read() {
        let line = "700000 steady state records sent, 499800.812300 records/sec (47.66 MB/sec), 2.27 ms avg \
                    latency, 181.00 ms max latency, 1 ms 50th, 4 ms 95th, 17 ms 99th, 180 ms 99.9th.";
        let expected = Produced {
            records_per_sec: 499_800.812_3,
            mib_per_sec: 47.66,
            p50_ms: 1.0,
            p99_ms: 17.0,
            p999_ms: 180.0,
        };
        assert_eq!(steady(line), Some(expected));
        assert_eq!(steady(&line.replace(" steady state", "")), None, "the warm-up is in there");
        assert_eq!(steady("no records"), None);
    }

    #[test]
    fn the_consumers_rate_leaves_out_its_joining() {
        let line = "2026-11-29 10:00:00:000, 2026-11-29 10:00:05:000, 190.7349, 38.1470, 2000000, \
                    400000.0000, 3000, 2000, 95.3674, 1000000.0000";
        assert_eq!(fetched(line), Some(95.3674));
        assert_eq!(fetched("WARNING: Exiting before consuming"), None);
    }
}
