//! Changes of every figure over pairs of runs.

use super::types::{Delta, Trend};
use crate::figures::{Better, Figure, FigureName, figures, is_of_work};
use crate::result::{Milli, RunResult, div_half_up};
use std::collections::BTreeMap;

/// Of this many pairs one may go another way.
///
/// Of eight pairs all must agree: by chance they do in one of 128 cases, either way. If one of eight
/// might differ, they would in one of 14, and a suite of a few figures would fail on noise.
const PAIRS_FOR_ONE_AGAINST: u32 = 16;

/// The change of every figure. `pairs` are runs of the same seed, first side first.
#[must_use]
pub fn deltas(pairs: &[(&RunResult, &RunResult)]) -> Vec<Delta> {
    let mut order: Vec<Figure> = Vec::new();
    let mut known: BTreeMap<FigureName, usize> = BTreeMap::new();
    let mut values: Vec<Vec<(Option<Milli>, Option<Milli>)>> = Vec::new();
    for (at, (a, b)) in pairs.iter().enumerate() {
        // What one side's version did not count did not change.
        let counts_work = a.work.is_some() && b.work.is_some();
        for (is_b, result) in [(false, a), (true, b)] {
            for figure in figures(result) {
                if !counts_work && is_of_work(&figure.name) {
                    continue;
                }
                let row = *known.entry(figure.name.clone()).or_insert_with(|| {
                    order.push(figure.clone());
                    values.push(vec![(None, None); pairs.len()]);
                    values.len() - 1
                });
                let pair = &mut values[row][at];
                *(if is_b { &mut pair.1 } else { &mut pair.0 }) = figure.value;
            }
        }
    }
    order.iter().zip(&values).map(|(figure, values)| delta(figure, values)).collect()
}

fn delta(figure: &Figure, values: &[(Option<Milli>, Option<Milli>)]) -> Delta {
    // An event that a run does not have happened no times.
    let none = (figure.unit == "events").then_some(Milli::ZERO);
    let values: Vec<(Option<Milli>, Option<Milli>)> =
        values.iter().map(|(a, b)| (a.or(none), b.or(none))).collect();
    let both = || values.iter().filter_map(|(a, b)| Some(((*a)?, (*b)?)));
    let changes: Vec<Milli> = both().map(|(a, b)| minus(b, a)).collect();
    let relative: Vec<Milli> = both().filter_map(|(a, b)| percent(minus(b, a), a)).collect();
    let direction = |pair: &(Option<Milli>, Option<Milli>)| direction(figure.better, *pair);
    let count = |sign: i8| {
        u32::try_from(values.iter().filter(|pair| direction(pair) == sign).count()).unwrap_or(0)
    };
    let (up, down) = (count(1), count(-1));
    let pairs = u32::try_from(values.len()).unwrap_or(u32::MAX);
    let is_relative = !relative.is_empty() && relative.len() == changes.len();
    Delta {
        name: figure.name.clone(),
        unit: figure.unit.to_owned(),
        better: figure.better,
        a: median(&values.iter().filter_map(|pair| pair.0).collect::<Vec<_>>()),
        b: median(&values.iter().filter_map(|pair| pair.1).collect::<Vec<_>>()),
        change: median(&changes),
        change_percent: if is_relative { median(&relative) } else { None },
        change_min: changes.iter().min().copied(),
        change_max: changes.iter().max().copied(),
        up,
        down,
        pairs,
        trend: trend(figure.better, up, down, pairs),
    }
}

/// 1 up, -1 down, 0 neither. A value that was never reached is worse than any other.
fn direction(better: Better, pair: (Option<Milli>, Option<Milli>)) -> i8 {
    let worse = if better == Better::Higher { -1 } else { 1 };
    match pair {
        (Some(a), Some(b)) => match b.cmp(&a) {
            std::cmp::Ordering::Less => -1,
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Greater => 1,
        },
        (Some(_), None) => worse,
        (None, Some(_)) => -worse,
        (None, None) => 0,
    }
}

fn trend(better: Better, up: u32, down: u32, pairs: u32) -> Trend {
    let (is_up, is_down) = (agree(up, pairs), agree(down, pairs));
    match (up, down, better) {
        (0, 0, _) => Trend::Same,
        _ if !is_up && !is_down => Trend::Mixed,
        (.., Better::Neither) => Trend::Other,
        (.., Better::Lower) => {
            if is_up {
                Trend::Worse
            } else {
                Trend::Better
            }
        }
        (.., Better::Higher) => {
            if is_up {
                Trend::Better
            } else {
                Trend::Worse
            }
        }
    }
}

/// Whether so many of the pairs are a direction and not chance.
pub(crate) fn agree(with: u32, pairs: u32) -> bool {
    with > 0 && pairs - with <= pairs / PAIRS_FOR_ONE_AGAINST
}

fn minus(a: Milli, b: Milli) -> Milli {
    Milli::from_units(a.units().saturating_sub(b.units()))
}

/// `part` as percent of `whole`; of nothing there are no percent, but nothing of nothing is none.
pub(super) fn percent(part: Milli, whole: Milli) -> Option<Milli> {
    match (part.units(), whole.units()) {
        (0, 0) => Some(Milli::ZERO),
        (_, 0) => None,
        (part, whole) => {
            let (part, whole) = (i128::from(part) * 100, i128::from(whole));
            Some(Milli::ratio(part * whole.signum(), whole.abs()))
        }
    }
}

/// The middle value, or the mean of the two in the middle, rounded half up.
#[must_use]
pub fn median(values: &[Milli]) -> Option<Milli> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len() / 2;
    let high = sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(*high);
    }
    let sum = i128::from(sorted[middle - 1].units()) + i128::from(high.units());
    Some(Milli::from_units(i64::try_from(div_half_up(sum, 2)).unwrap_or(i64::MAX)))
}
