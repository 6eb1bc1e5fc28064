//! Attribution by work: which kind of work a change of CPU time comes from, and what became of the
//! size of followers' fetches.

use super::path::{parts_told, totals};
use super::types::{PartShift, WorkShift};
use crate::compare::deltas::percent;
use crate::result::{Milli, RunResult, WorkResult};
use crate::text;
use maud::{Markup, html};

/// A change of followers' fetches below this is not told, percent.
const FETCH_CHANGE_MIN: i64 = 5_000;

/// The change of CPU time by kind of work, means over the pairs; none when a side does not have it.
#[must_use]
pub fn work_shift(pairs: &[(&RunResult, &RunResult)]) -> Option<WorkShift> {
    let a: Vec<&WorkResult> =
        pairs.iter().map(|pair| pair.0.work.as_ref()).collect::<Option<_>>()?;
    let b: Vec<&WorkResult> =
        pairs.iter().map(|pair| pair.1.work.as_ref()).collect::<Option<_>>()?;
    let first = *b.first()?;
    let mut parts: Vec<PartShift> = (first.cpu.iter())
        .map(|share| {
            let (a_ms, b_ms) =
                (mean(&a, |one| one.ms_of(&share.work)), mean(&b, |one| one.ms_of(&share.work)));
            let change_ms = Milli::from_units(b_ms.units() - a_ms.units());
            PartShift { part: share.work.clone(), a_ms, b_ms, change_ms, share_percent: None }
        })
        .collect();
    let (a_ms, b_ms, change_ms) = totals(&mut parts);
    Some(WorkShift {
        a_ms,
        b_ms,
        change_ms,
        parts,
        a_follower_fetches_per_s: mean(&a, |one| one.follower_fetches_per_s),
        b_follower_fetches_per_s: mean(&b, |one| one.follower_fetches_per_s),
        a_follower_fetch_kib: mean(&a, |one| one.follower_fetch_kib_avg),
        b_follower_fetch_kib: mean(&b, |one| one.follower_fetch_kib_avg),
        a_follower_fetch_kib_max: mean(&a, |one| one.follower_fetch_kib_max),
        b_follower_fetch_kib_max: mean(&b, |one| one.follower_fetch_kib_max),
    })
}

fn mean(side: &[&WorkResult], of: impl Fn(&WorkResult) -> Milli) -> Milli {
    let sum: i64 = side.iter().map(|one| of(one).units()).sum();
    Milli::ratio(i128::from(sum), side.len() as i128 * 1000)
}

/// `CPU time +2.4 %, +3.1 ms/s: follower fetch +2.0 ms (66 %), consumer fetch +1.1 ms (34 %)`, and
/// what became of the followers' fetches.
#[must_use]
pub fn sentences(shift: &WorkShift) -> Vec<String> {
    let mut told = Vec::new();
    if let Some(parts) = parts_told(&shift.parts) {
        let change = format!("{} in a second", super::path::signed_duration(shift.change_ms));
        let relative = percent(shift.change_ms, shift.a_ms)
            .map_or_else(String::new, |one| format!("{} %, ", super::text::signed_percent(one)));
        told.push(format!("CPU time {relative}{change}: {parts}"));
    }
    let sizes = [
        (shift.a_follower_fetch_kib, shift.b_follower_fetch_kib),
        (shift.a_follower_fetch_kib_max, shift.b_follower_fetch_kib_max),
    ];
    if sizes.into_iter().any(|(a, b)| is_told(a, b)) {
        let [(a, b), (a_max, b_max)] = sizes.map(|(a, b)| (text::short(a), text::short(b)));
        told.push(format!(
            "followers' fetches {a} to {b} KiB each, the largest {a_max} to {b_max} KiB, {} to {} a \
             second",
            text::short(shift.a_follower_fetches_per_s),
            text::short(shift.b_follower_fetches_per_s)
        ));
    }
    told
}

fn is_told(a: Milli, b: Milli) -> bool {
    let change = percent(Milli::from_units(b.units() - a.units()), a);
    change.is_some_and(|change| change.units().abs() >= FETCH_CHANGE_MIN)
}

/// CPU time by kind of work on both sides.
pub(crate) fn table(shift: &WorkShift) -> Markup {
    let shown = |value: Milli| format!("{} ms/s", text::short(value));
    let rows = || shift.parts.iter().filter(|part| part.a_ms.max(part.b_ms) != Milli::ZERO);
    html! {
        div.table {
            table {
                thead { tr {
                    th { "CPU time of" } th.n { "A" } th.n { "B" } th.n { "Change" }
                    th.n { "Share of the change" }
                } }
                tbody {
                    @for part in rows() {
                        tr {
                            td { (part.part) }
                            td.n { (shown(part.a_ms)) }
                            td.n { (shown(part.b_ms)) }
                            td.n { (shown(part.change_ms)) }
                            td.n {
                                (part.share_percent.map_or_else(
                                    || "-".to_owned(),
                                    |share| format!("{} %", text::number(share, 0)),
                                ))
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{self, CpuShare};
    use crate::testing;

    fn run(follower_fetch: i64, kib: i64) -> RunResult {
        let mut result = result::build("plan", "model", &testing::plan(), &testing::az_outage());
        let share = |work: &str, ms: i64| CpuShare {
            work: work.to_owned(),
            ms_per_s: Milli::from_units(ms * 1000),
        };
        result.work = Some(WorkResult {
            cpu: vec![share("produce", 60), share("follower fetch", follower_fetch)],
            follower_fetches_per_s: Milli::from_units(1_000_000 / kib),
            follower_fetch_kib_avg: Milli::from_units(kib * 1000),
            follower_fetch_kib_max: Milli::from_units(kib * 4000),
        });
        result
    }

    #[test]
    fn what_costs_more_is_named_with_its_share() {
        let (a, b) = (run(40, 16), run(50, 8));
        let shift = work_shift(&[(&a, &b)]).unwrap();
        assert_eq!(
            sentences(&shift),
            [
                "CPU time +10.0 %, +10.0 ms in a second: follower fetch +10.0 ms (100 %)",
                "followers' fetches 16.0 to 8.00 KiB each, the largest 64.0 to 32.0 KiB, 62.5 to 125 a \
                 second",
            ]
        );
        assert!(table(&shift).into_string().contains("follower fetch"));
    }

    #[test]
    fn without_a_change_or_on_one_side_only_nothing_is_told() {
        let (a, mut b) = (run(40, 16), run(40, 16));
        assert!(sentences(&work_shift(&[(&a, &b)]).unwrap()).is_empty());
        b.work = None;
        assert_eq!(work_shift(&[(&a, &b)]), None);
    }
}
