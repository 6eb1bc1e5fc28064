//! HdrHistogram's two text formats: percentile distributions (`.hgrm`, milliseconds) and interval
//! logs (`.hlog`, V2+deflate, nanoseconds inside).

use crate::recording::{LatencyKind, Phase, Recording};
use crate::result::{KINDS, Milli, Scope, kind_name, merged, phase_bounds, phase_name};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;
use stormglass_scenarios::plan::PhasesPlan;

const TICKS_PER_HALF_DISTANCE: u32 = 5;
const NS_PER_MS: f64 = 1_000_000.0;
const HLOG_HEADER: &str = "#[Histogram log format version 1.3]\n\
    #[StartTime: 0.000 (seconds since epoch), Thu Jan 01 00:00:00 UTC 1970]\n\
    \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// All latency files, by name below the run's directory.
pub(crate) fn all(
    phases: &PhasesPlan,
    recording: &Recording,
) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = distributions(recording);
    files.push(("latency/response.hlog".to_owned(), per_second(recording)?));
    files.push(("latency/phases.hlog".to_owned(), per_phase(phases, recording)?));
    Ok(files)
}

/// `KIND.hgrm` covers measure and heal, `KIND-PHASE.hgrm` one phase, and with several groups or
/// topics `KIND-GROUP-TOPIC.hgrm` each of them over measure and heal.
fn distributions(recording: &Recording) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut push = |name: String, histogram: &Histogram<u64>| {
        if !histogram.is_empty() {
            files.push((format!("latency/{name}.hgrm"), hgrm(histogram).into_bytes()));
        }
    };
    for kind in KINDS {
        let name = kind_name(kind);
        push(name.to_owned(), &merged(recording, Scope::Measured, kind, None));
        for phase in [Phase::Measure, Phase::Heal] {
            let histogram = merged(recording, Scope::Only(phase), kind, None);
            push(format!("{name}-{}", phase_name(phase)), &histogram);
        }
        let series = series_of(recording, kind);
        if series.len() > 1 {
            for (group, topic) in series {
                let of = merged(recording, Scope::Measured, kind, Some((group, topic)));
                push(format!("{name}-{}-{}", file_safe(group), file_safe(topic)), &of);
            }
        }
    }
    files
}

fn series_of(recording: &Recording, kind: LatencyKind) -> BTreeSet<(&str, &str)> {
    recording
        .latency
        .iter()
        .filter(|series| series.kind == kind)
        .map(|series| (series.group.as_str(), series.topic.as_str()))
        .collect()
}

/// Group and topic names become part of a file name or a tag.
fn file_safe(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' })
        .collect()
}

/// A percentile distribution as HdrHistogram's plotter reads it.
fn hgrm(histogram: &Histogram<u64>) -> String {
    let mut text = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total += step.count_since_last_iteration();
        let value = Milli::ms_from_ns(step.value_iterated_to());
        let quantile = step.quantile_iterated_to();
        let _ = write!(text, "{value:>12} {quantile:.12} {total:>10}");
        if quantile < 1.0 {
            let _ = write!(text, " {:>14.2}", 1.0 / (1.0 - quantile));
        }
        text.push('\n');
    }
    let max = Milli::ms_from_ns(histogram.max());
    let sub_buckets = (2 * 10_u64.pow(u32::from(histogram.sigfig()))).next_power_of_two();
    let _ = write!(
        text,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]\n\
         #[Max     = {max:>12}, Total count    = {:>12}]\n\
         #[Buckets = {:>12}, SubBuckets     = {sub_buckets:>12}]\n",
        histogram.mean() / NS_PER_MS,
        histogram.stdev() / NS_PER_MS,
        histogram.len(),
        histogram.buckets(),
    );
    text
}

/// Response latency, an interval per simulated second, tagged by phase.
fn per_second(recording: &Recording) -> io::Result<Vec<u8>> {
    let mut log = Log::new();
    for interval in &recording.response_intervals {
        let mut histogram = empty();
        for (value, count) in &interval.counts {
            histogram.record_n(*value, *count).map_err(io::Error::other)?;
        }
        let phase = recording.seconds.get(interval.index as usize).map(|second| second.phase);
        let second = Duration::from_secs(1);
        let start = second * interval.index;
        log.write(&histogram, start, second, phase.map_or("", phase_name))?;
    }
    Ok(log.bytes)
}

/// Every series, an interval per phase, tagged `KIND.GROUP.TOPIC.PHASE`.
fn per_phase(phases: &PhasesPlan, recording: &Recording) -> io::Result<Vec<u8>> {
    let mut log = Log::new();
    for series in &recording.latency {
        let (start_ns, end_ns) = phase_bounds(phases, series.phase);
        let tag = format!(
            "{}.{}.{}.{}",
            kind_name(series.kind),
            file_safe(&series.group),
            file_safe(&series.topic),
            phase_name(series.phase)
        );
        let start = Duration::from_nanos(start_ns);
        log.write(&series.histogram, start, Duration::from_nanos(end_ns - start_ns), &tag)?;
    }
    Ok(log.bytes)
}

fn empty() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are a valid precision")
}

/// An interval log in memory.
struct Log {
    bytes: Vec<u8>,
    serializer: V2DeflateSerializer,
}

impl Log {
    fn new() -> Self {
        Self { bytes: HLOG_HEADER.as_bytes().to_vec(), serializer: V2DeflateSerializer::new() }
    }

    /// The library writes the row; it has no notion of our header, so a writer lives for one row.
    fn write(
        &mut self,
        histogram: &Histogram<u64>,
        start: Duration,
        length: Duration,
        tag: &str,
    ) -> io::Result<()> {
        let mut row = Vec::new();
        IntervalLogWriterBuilder::new()
            .with_max_value_divisor(NS_PER_MS)
            .begin_log_with(&mut row, &mut self.serializer)?
            .write_histogram(histogram, start, length, Tag::new(tag).filter(|_| !tag.is_empty()))
            .map_err(|error| io::Error::other(error.to_string()))?;
        let start_of_row = row.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.bytes.extend_from_slice(&row[start_of_row..]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    use stormglass_scenarios::decode_base64;

    fn decoded(log: &[u8]) -> Vec<(String, Duration, Histogram<u64>)> {
        let mut deserializer = Deserializer::new();
        IntervalLogIterator::new(log)
            .filter_map(|entry| match entry.unwrap() {
                LogEntry::Interval(interval) => {
                    let bytes = decode_base64(interval.encoded_histogram()).unwrap();
                    let tag = interval.tag().map(|tag| tag.as_str().to_owned());
                    Some((
                        tag.unwrap_or_default(),
                        interval.start_timestamp(),
                        deserializer.deserialize(&mut bytes.as_slice()).unwrap(),
                    ))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_log_reads_back_as_it_was_recorded() {
        let recording = testing::az_outage();
        let log = per_second(&recording).unwrap();
        let rows = decoded(&log);
        assert_eq!(rows.len(), 200);
        for (row, interval) in rows.iter().zip(&recording.response_intervals) {
            assert_eq!(row.1.as_secs(), u64::from(interval.index));
            let count: u64 = interval.counts.iter().map(|(_, count)| count).sum();
            assert_eq!(row.2.len(), count);
            for (value, count) in &interval.counts {
                assert_eq!(row.2.count_at(*value), *count);
            }
        }
        assert_eq!((rows[0].0.as_str(), rows[160].0.as_str()), ("warmup", "heal"));
    }

    #[test]
    fn the_phase_log_holds_every_series() {
        let (plan, recording) = (testing::plan(), testing::az_outage());
        let rows = decoded(&per_phase(&plan.phases, &recording).unwrap());
        assert_eq!(rows.len(), recording.latency.len());
        for (row, series) in rows.iter().zip(&recording.latency) {
            assert_eq!(row.2, series.histogram);
        }
        assert!(rows.iter().any(|row| row.0 == "end_to_end.billing.orders.heal"));
    }

    #[test]
    fn the_log_carries_the_formats_own_header() {
        let log = String::from_utf8(per_second(&testing::az_outage()).unwrap()).unwrap();
        assert!(log.starts_with("#[Histogram log format version 1.3]\n#[StartTime: 0.000"));
        assert_eq!(log.matches("\"StartTimestamp\"").count(), 1);
        assert!(log.lines().nth(3).unwrap().contains(",HISTFA"), "V2 with deflate");
    }

    #[test]
    fn a_distribution_counts_every_record_and_ends_at_the_maximum() {
        let mut histogram = empty();
        for ms in 1..=1000_u64 {
            histogram.record(ms * 1_000_000).unwrap();
        }
        let text = hgrm(&histogram);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().collect())
            .collect();
        let last = rows.last().unwrap();
        assert_eq!((last[1], last[2], last.len()), ("1.000000000000", "1000", 3));
        let counts: Vec<u64> = rows.iter().map(|row| row[2].parse().unwrap()).collect();
        assert!(counts.is_sorted());
        let median = rows.iter().find(|row| row[1] == "0.500000000000").unwrap();
        assert!((median[0].parse::<f64>().unwrap() - 500.0).abs() < 0.5, "{median:?}");
        assert_eq!(median[3], "2.00");
        assert!(text.contains("Total count    =         1000]"));
    }

    #[test]
    fn names_of_files_come_out_safe() {
        assert_eq!(file_safe("a/b c,d"), "a_b_c_d");
    }
}
