//! Attribution by the critical path: which part of a request's way explains a change.
//!
//! The parts of a band add up to its total exactly, so their changes add up to its change. A band
//! holds requests and not records: its change is near that of the percentile, not the same.

use super::deltas::percent;
use super::types::{PartShift, PathShift};
use crate::result::{Milli, PathBand, RunResult};
use crate::text;

/// A part below this share of a change is not told, percent.
const TOLD_MIN: i64 = 10_000;
/// Most parts that a sentence names.
const TOLD_MAX: usize = 3;

/// The change of every band that both sides have in all seeds.
#[must_use]
pub fn path_shifts(pairs: &[(&RunResult, &RunResult)]) -> Vec<PathShift> {
    let Some((first, _)) = pairs.first() else { return Vec::new() };
    first.critical_path.iter().filter_map(|band| shift(&band.band, pairs)).collect()
}

fn shift(name: &str, pairs: &[(&RunResult, &RunResult)]) -> Option<PathShift> {
    let of = |result: &RunResult| -> Option<PathBand> {
        result.critical_path.iter().find(|band| band.band == name).cloned()
    };
    let a: Vec<PathBand> = pairs.iter().map(|pair| of(pair.0)).collect::<Option<_>>()?;
    let b: Vec<PathBand> = pairs.iter().map(|pair| of(pair.1)).collect::<Option<_>>()?;
    let names: Vec<&str> = a[0].parts().iter().map(|(name, _)| *name).collect();
    let mean = |bands: &[PathBand], part: usize| {
        let sum: i64 = bands.iter().map(|band| band.parts()[part].1.units()).sum();
        Milli::ratio(i128::from(sum), bands.len() as i128 * 1000)
    };
    let mut parts: Vec<PartShift> = (names.iter().enumerate())
        .map(|(part, name)| {
            let (a_ms, b_ms) = (mean(&a, part), mean(&b, part));
            let change_ms = Milli::from_units(b_ms.units() - a_ms.units());
            let part = (*name).to_owned();
            PartShift { part, a_ms, b_ms, change_ms, share_percent: None }
        })
        .collect();
    let (a_ms, b_ms, change_ms) = totals(&mut parts);
    Some(PathShift { band: name.to_owned(), a_ms, b_ms, change_ms, parts })
}

/// All parts together, before, after and the change, of which each part gets its share.
pub(super) fn totals(parts: &mut [PartShift]) -> (Milli, Milli, Milli) {
    let sum = |of: fn(&PartShift) -> Milli| {
        Milli::from_units(parts.iter().map(|part| of(part).units()).sum())
    };
    let (a_ms, b_ms, change_ms) = (sum(|p| p.a_ms), sum(|p| p.b_ms), sum(|p| p.change_ms));
    if change_ms != Milli::ZERO {
        for part in parts {
            part.share_percent = percent(part.change_ms, change_ms);
        }
    }
    (a_ms, b_ms, change_ms)
}

/// `client queue +4.98 ms (98 %), CPU +0.10 ms (2 %)`: the parts that explain a band's change.
#[must_use]
pub fn sentence(shift: &PathShift) -> Option<String> {
    parts_told(&shift.parts)
}

/// The parts that explain a change, those that explain most first.
pub(super) fn parts_told(parts: &[PartShift]) -> Option<String> {
    let mut parts: Vec<&PartShift> = parts
        .iter()
        .filter(|part| part.share_percent.is_some_and(|share| share.units().abs() >= TOLD_MIN))
        .collect();
    parts.sort_by_key(|part| -part.change_ms.units().abs());
    let told: Vec<String> = parts
        .iter()
        .take(TOLD_MAX)
        .map(|part| {
            let share = part.share_percent.unwrap_or(Milli::ZERO);
            let (change, share) = (signed_duration(part.change_ms), text::number(share, 0));
            format!("{} {change} ({share} %)", part.part)
        })
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// `+4.98 ms`, `-1.20 s`.
pub(crate) fn signed_duration(ms: Milli) -> String {
    let sign = if ms.units() > 0 { "+" } else { "" };
    format!("{sign}{}", text::duration(ms))
}
