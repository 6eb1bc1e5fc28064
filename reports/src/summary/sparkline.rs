//! A time series as a line of blocks.

use crate::recording::{ClusterEvent, Second};

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `seconds` seconds on `columns` columns: column -> its range of seconds.
fn bounds(column: usize, columns: usize, seconds: usize) -> (usize, usize) {
    let start = column * seconds / columns;
    let end = ((column + 1) * seconds / columns).max(start + 1).min(seconds);
    (start, end)
}

/// Mean of each column, scaled so that zero is the lowest and the largest the highest block. A
/// column without samples is blank.
pub(crate) fn linear(values: &[Option<u64>], columns: usize) -> String {
    let means = columns_of(values, columns, |some| some.iter().sum::<u64>() / some.len() as u64);
    let top = means.iter().flatten().copied().max().unwrap_or(0).max(1);
    draw(&means, |value| usize::try_from(value * 7 / top).unwrap_or(7))
}

/// Largest of each column on a logarithmic scale of at least two decades, since a latency's spike
/// would flatten everything else.
pub(crate) fn logarithmic(values: &[Option<u64>], columns: usize) -> String {
    let peaks = columns_of(values, columns, |some| some.iter().copied().max().unwrap_or(0));
    let floor = peaks.iter().flatten().copied().min().unwrap_or(1).max(1);
    let top = peaks.iter().flatten().copied().max().unwrap_or(1).max(1);
    let decades = |value: u64| libm::log10(to_f64(value.max(floor)) / to_f64(floor));
    let span = decades(top).max(2.0);
    draw(&peaks, |value| level(decades(value) / span))
}

#[expect(clippy::cast_precision_loss, reason = "a seventh of a line's height needs no more")]
fn to_f64(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share between 0 and 1 of seven levels"
)]
fn level(share: f64) -> usize {
    libm::round(share.clamp(0.0, 1.0) * 7.0) as usize
}

fn columns_of(
    values: &[Option<u64>],
    columns: usize,
    of: impl Fn(&[u64]) -> u64,
) -> Vec<Option<u64>> {
    (0..columns.min(values.len()))
        .map(|column| {
            let (start, end) = bounds(column, columns.min(values.len()), values.len());
            let some: Vec<u64> = values[start..end].iter().flatten().copied().collect();
            (!some.is_empty()).then(|| of(&some))
        })
        .collect()
}

fn draw(values: &[Option<u64>], level: impl Fn(u64) -> usize) -> String {
    values.iter().map(|value| value.map_or(' ', |value| BLOCKS[level(value).min(7)])).collect()
}

/// A mark under every column in which a fault is on.
pub(crate) fn fault_marks(events: &[ClusterEvent], seconds: &[Second], columns: usize) -> String {
    let columns = columns.min(seconds.len());
    let line: String = (0..columns)
        .map(|column| {
            let (start, end) = bounds(column, columns, seconds.len());
            let on = events.iter().filter(|event| event.kind == "fault-begin").any(|fault| {
                let until_ns = fault.until_ns.unwrap_or(fault.at_ns + 1);
                let from = usize::try_from(fault.at_ns / 1_000_000_000).unwrap_or(usize::MAX);
                let until = usize::try_from(until_ns.div_ceil(1_000_000_000)).unwrap_or(usize::MAX);
                from < end && until > start
            });
            if on { '▔' } else { ' ' }
        })
        .collect();
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn zero_is_the_lowest_block_and_no_sample_is_blank() {
        assert_eq!(linear(&[Some(0), None, Some(4), Some(8)], 10), "▁ ▄█");
        assert_eq!(linear(&[], 10), "");
    }

    #[test]
    fn many_seconds_share_a_column() {
        let values: Vec<Option<u64>> = (0..200).map(Some).collect();
        assert_eq!(linear(&values, 20).chars().count(), 20);
    }

    #[test]
    fn a_spike_leaves_the_rest_readable() {
        assert_eq!(logarithmic(&[Some(10), Some(40), Some(10_000)], 10), "▁▂█");
        assert_eq!(logarithmic(&[Some(10), Some(100), Some(1_000)], 10), "▁▅█");
        assert_eq!(logarithmic(&[Some(10), Some(10)], 10), "▁▁");
    }

    #[test]
    fn marks_stand_where_the_fault_is_on() {
        let recording = testing::az_outage();
        let marks = fault_marks(&recording.events, &recording.seconds, 20);
        assert_eq!(marks, format!("{}▔▔▔▔▔▔", " ".repeat(6)));
    }
}
