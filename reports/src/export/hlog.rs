//! Interval logs read back: rows of tag, start and histogram.

use super::ExportError;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use stormglass_scenarios::decode_base64;

/// A row.
#[derive(Debug)]
pub(super) struct Interval {
    /// `KIND.GROUP.TOPIC.PHASE`, or a phase.
    pub(super) tag: String,
    /// Seconds since the run began.
    pub(super) start_s: u64,
    /// Nanoseconds.
    pub(super) histogram: Histogram<u64>,
}

/// Every row of a log.
pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Vec<Interval>, ExportError> {
    let broken = |row: usize, what: &str| ExportError::new(file, format!("row {row}: {what}"));
    let mut deserializer = Deserializer::new();
    let mut intervals = Vec::new();
    for (row, entry) in (1..).zip(IntervalLogIterator::new(bytes)) {
        let entry = entry.map_err(|_| broken(row, "not a row of an interval log"))?;
        let LogEntry::Interval(interval) = entry else { continue };
        let payload = decode_base64(interval.encoded_histogram())
            .ok_or_else(|| broken(row, "the histogram is not base64"))?;
        let histogram = deserializer
            .deserialize(&mut payload.as_slice())
            .map_err(|_| broken(row, "the histogram cannot be read"))?;
        intervals.push(Interval {
            tag: interval.tag().map(|tag| tag.as_str().to_owned()).unwrap_or_default(),
            start_s: interval.start_timestamp().as_secs(),
            histogram,
        });
    }
    Ok(intervals)
}

/// The sum of histograms.
pub(super) fn merged<'a>(
    intervals: impl Iterator<Item = &'a Interval>,
) -> Result<Histogram<u64>, ExportError> {
    let mut sum = Histogram::new(3).expect("three digits are a valid precision");
    for interval in intervals {
        sum.add(&interval.histogram)
            .map_err(|error| ExportError::new("latency", error.to_string()))?;
    }
    Ok(sum)
}
