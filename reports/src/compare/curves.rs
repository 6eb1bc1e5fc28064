//! Percentile curves of two sides, laid over each other.

use crate::charts::Chart;
use crate::charts::palette;
use crate::charts::percentiles::{Curve, drawn};
use crate::compare::median;
use crate::figures::ALL_MEASURED;
use crate::result::{LatencyRow, Milli, RunResult};
use crate::text;

/// How rare each percentile of a result is: one in so many.
const RARITIES: [f64; 7] = [2.0, 4.0, 10.0, 20.0, 100.0, 1_000.0, 10_000.0];

/// Response latency of both sides, medians over the seeds, end to end beside it.
pub(crate) fn curves(pairs: &[(&RunResult, &RunResult)], (a, b): (&str, &str)) -> Option<Chart> {
    let side = |is_b: bool| -> Vec<&RunResult> {
        pairs.iter().map(|(a, b)| if is_b { *b } else { *a }).collect()
    };
    let of = |is_b: bool, kind: &str, (index, width): (usize, u32)| {
        let side_name = if is_b { "B" } else { "A" };
        let label = format!("{side_name}, {}", kind.replace('_', " "));
        let points = points(&side(is_b), kind);
        Curve { label, ink: palette::series(index), width, points }
    };
    let mut curves = vec![
        of(false, "response", (0, 5)),
        of(true, "response", (1, 5)),
        of(false, "end_to_end", (5, 3)),
        of(true, "end_to_end", (6, 3)),
    ];
    curves.retain(|curve| !curve.points.is_empty());
    let p99 = |is_b: bool| {
        let rows: Vec<Milli> = rows(&side(is_b), "response").map(|row| row.p99_ms).collect();
        median(&rows).map_or("nothing".to_owned(), text::duration)
    };
    let caption = format!(
        "A is {a}, B is {b}. To the right it gets rarer: of 100 records 99 are acknowledged within \
         {} in A and {} in B.",
        p99(false),
        p99(true),
    );
    drawn(&curves, "Percentiles of A and B", caption)
}

fn rows<'a>(runs: &'a [&RunResult], kind: &'a str) -> impl Iterator<Item = &'a LatencyRow> {
    runs.iter().filter_map(move |run| run.latency_of(ALL_MEASURED, kind))
}

/// The percentiles that every run has.
fn points(runs: &[&RunResult], kind: &str) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    for (at, rarity) in RARITIES.into_iter().enumerate() {
        let values: Vec<Milli> = rows(runs, kind).filter_map(|row| percentiles(row)[at]).collect();
        if values.len() < runs.len() {
            break;
        }
        if let Some(value) = median(&values) {
            points.push((rarity, value.to_f64().max(0.001)));
        }
    }
    points
}

fn percentiles(row: &LatencyRow) -> [Option<Milli>; 7] {
    [
        Some(row.p50_ms),
        Some(row.p75_ms),
        Some(row.p90_ms),
        Some(row.p95_ms),
        Some(row.p99_ms),
        Some(row.p99_9_ms),
        row.p99_99_ms,
    ]
}
