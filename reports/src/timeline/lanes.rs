//! The drawing: a lane per broker over a time axis, as SVG in the page's colours.

use super::{Band, seconds};
use crate::recording::ReplicaSecond;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// Sizes, SVG units.
const WIDTH: u64 = 1_000;
const LEFT: u64 = 80;
const TOP: u64 = 26;
const LANE: u64 = 64;
const GAP: u64 = 14;
/// Room for a band's number.
const LABEL: u64 = 16;
/// Ticks of the time axis at most.
const TICKS_MAX: u64 = 12;
const SECOND_NS: u64 = 1_000_000_000;

/// What a broker is during a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    from_s: u64,
    until_s: u64,
    leads: bool,
    in_sync: bool,
    epoch: i32,
}

/// Draws the lanes of one partition.
pub(super) fn draw(
    sim_ns: u64,
    rows: &[&ReplicaSecond],
    faults: &[Band<'_>],
    broken_ns: &[u64],
) -> Markup {
    let mut lanes: BTreeMap<i32, Vec<&ReplicaSecond>> = BTreeMap::new();
    for row in rows {
        lanes.entry(row.node).or_default().push(row);
    }
    let end = rows.iter().map(|row| row.log_end).max().unwrap_or(0).max(1).unsigned_abs();
    let scale = Scale { sim_ns: sim_ns.max(SECOND_NS), end };
    let height = TOP + (LANE + GAP) * lanes.len() as u64 + 24;
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (height) } width="100%" role="img" {
            @for (number, (fault, label)) in (1..).zip(faults.iter().zip(labels(scale, faults))) {
                (band(scale, height, (number, label), *fault))
            }
            @for (at, (node, rows)) in (0..).zip(&lanes) { (lane(scale, at, *node, rows)) }
            (axis(scale, height))
            @for at_ns in broken_ns {
                @let x = scale.x(*at_ns);
                line class="broken" x1=(x) x2=(x) y1="14" y2=(height - 20)
                    stroke="var(--fault)" stroke-width="2.5" {
                    title { "broken at " (seconds(*at_ns)) " s" }
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Scale {
    sim_ns: u64,
    end: u64,
}

impl Scale {
    fn x(self, at_ns: u64) -> u64 {
        let at_ns = at_ns.min(self.sim_ns);
        LEFT + u64::try_from(u128::from(at_ns) * u128::from(WIDTH - LEFT) / u128::from(self.sim_ns))
            .unwrap_or(0)
    }

    /// Of an offset in a lane whose top is at `top`.
    fn y(self, top: u64, offset: i64) -> u64 {
        let offset = u64::try_from(offset).unwrap_or(0).min(self.end);
        top + LANE - offset * (LANE - 6) / self.end
    }
}

/// Where the bands' numbers stand: at their beginnings, side by side where those are close.
fn labels(scale: Scale, faults: &[Band<'_>]) -> Vec<u64> {
    let mut free = 0;
    let place = |fault: &Band<'_>| {
        let x = scale.x(fault.from_ns).max(free);
        free = x + LABEL;
        x
    };
    faults.iter().map(place).collect()
}

fn band(scale: Scale, height: u64, (number, label): (u32, u64), fault: Band<'_>) -> Markup {
    let (from, until) = (scale.x(fault.from_ns), scale.x(fault.until_ns));
    html! {
        rect x=(from) y="14" width=((until - from).max(1)) height=(height - 34)
            fill="var(--fault)" fill-opacity="0.10" {
            title { (number) ": " (fault.what) }
        }
        text x=(label) y="11" font-size="10" fill="var(--fault)" { (number) }
    }
}

fn lane(scale: Scale, at: u64, node: i32, rows: &[&ReplicaSecond]) -> Markup {
    let top = TOP + at * (LANE + GAP);
    let line =
        |value: fn(&ReplicaSecond) -> i64| -> Vec<String> { broken_line(scale, top, rows, value) };
    html! {
        text x="0" y=(top + LANE / 2) font-size="13" fill="var(--ink)" { "broker " (node) }
        @for stretch in stretches(rows) {
            @let from = scale.x(stretch.from_s * SECOND_NS);
            @let until = scale.x(stretch.until_s * SECOND_NS);
            @let opacity = match (stretch.leads, stretch.in_sync) { (true, _) => "0.55", (_, true) => "0.18", _ => "0" };
            rect x=(from) y=(top) width=(until - from) height=(LANE) rx="3" fill="var(--s1)"
                fill-opacity=(opacity) stroke="var(--axis)" {
                title { (describe(node, &stretch)) }
            }
            text x=(from + 3) y=(top + 11) font-size="10" fill="var(--muted)" { "e" (stretch.epoch) }
        }
        @for points in line(|row| row.log_end) {
            polyline points=(points) fill="none" stroke="var(--ink)" stroke-width="1.5" {}
        }
        @for points in line(|row| row.high_watermark) {
            polyline points=(points) fill="none" stroke="var(--s2)" stroke-width="1.5"
                stroke-dasharray="4 3" {}
        }
    }
}

fn describe(node: i32, stretch: &Stretch) -> String {
    let does = match (stretch.leads, stretch.in_sync) {
        (true, _) => "leads",
        (false, true) => "follows, in sync",
        (false, false) => "follows, out of sync",
    };
    let Stretch { from_s, until_s, epoch, .. } = stretch;
    format!("broker {node} {does} in epoch {epoch}, {from_s} to {until_s} s")
}

/// Seconds in which nothing changed, joined. Seconds without a sample part them.
fn stretches(rows: &[&ReplicaSecond]) -> Vec<Stretch> {
    let mut list: Vec<Stretch> = Vec::new();
    for row in rows {
        let second = u64::from(row.second);
        let (leads, in_sync, epoch) = (row.leads, row.in_sync, row.epoch);
        let same = |last: &&mut Stretch| {
            (last.until_s, last.leads, last.in_sync, last.epoch) == (second, leads, in_sync, epoch)
        };
        match list.last_mut().filter(same) {
            Some(last) => last.until_s = second + 1,
            None => {
                let (from_s, until_s) = (second, second + 1);
                list.push(Stretch { from_s, until_s, leads, in_sync, epoch });
            }
        }
    }
    list
}

/// Points of a line, parted where the broker is down.
fn broken_line(
    scale: Scale,
    top: u64,
    rows: &[&ReplicaSecond],
    value: fn(&ReplicaSecond) -> i64,
) -> Vec<String> {
    let mut lines: Vec<Vec<String>> = Vec::new();
    let mut before = None;
    for row in rows {
        if lines.is_empty() || before != row.second.checked_sub(1) {
            lines.push(Vec::new());
        }
        before = Some(row.second);
        let x = scale.x((u64::from(row.second) + 1) * SECOND_NS);
        let point = format!("{x},{}", scale.y(top, value(row)));
        if let Some(line) = lines.last_mut() {
            line.push(point);
        }
    }
    lines.into_iter().map(|points| points.join(" ")).collect()
}

fn axis(scale: Scale, height: u64) -> Markup {
    let seconds = scale.sim_ns / SECOND_NS;
    let step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 3_600];
    let step = step.into_iter().find(|step| seconds / step <= TICKS_MAX).unwrap_or(7_200);
    html! {
        @for at in (0..=seconds).filter(|at| at.is_multiple_of(step)) {
            @let x = scale.x(at * SECOND_NS);
            line x1=(x) x2=(x) y1=(height - 20) y2=(height - 15) stroke="var(--axis)" {}
            text x=(x) y=(height - 4) font-size="11" text-anchor="middle" fill="var(--muted)" {
                (at) " s"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seconds_join_and_a_gap_parts_them() {
        let row = |second, leads| ReplicaSecond {
            second,
            partition: "t-0".into(),
            node: 1,
            leads,
            in_sync: true,
            epoch: 3,
            log_end: 10,
            high_watermark: 5,
        };
        let rows = [row(0, false), row(1, false), row(2, true), row(5, true)];
        let rows: Vec<&ReplicaSecond> = rows.iter().collect();
        let found: Vec<_> =
            stretches(&rows).iter().map(|s| (s.from_s, s.until_s, s.leads)).collect();
        assert_eq!(found, [(0, 2, false), (2, 3, true), (5, 6, true)]);
        let scale = Scale { sim_ns: 10 * SECOND_NS, end: 10 };
        assert_eq!(broken_line(scale, 0, &rows, |row| row.log_end).len(), 2);
    }
}
