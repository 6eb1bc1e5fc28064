//! Charts made of bars: where the time of a request goes, and where the money goes.

use super::axis;
use super::canvas::{self, Align, Canvas, LABEL_PX, TITLE_PX, Type, text_width};
use super::chart::{Chart, MARGIN, TITLE_STRIP};
use super::palette::{self, GRID, PAPER, TEXT};
use crate::result::{Cents, Milli, PathBand, RunResult};
use crate::text;

const WIDTH: i32 = 1800;
const BAR: i32 = 56;
const GAP: i32 = 36;

pub(super) fn title(canvas: &Canvas<'_>, text: &str) {
    let look = Type { px: TITLE_PX, bold: true, ..Type::label(TEXT, Align::Left) };
    canvas.text(text, (MARGIN, TITLE_STRIP / 2), look);
}

/// Shares of the critical path per band of latency; totals differ too much for absolute bars.
pub(crate) fn critical_path(result: &RunResult) -> Option<Chart> {
    let bands: Vec<&PathBand> = ["p50", "p90", "p99", "max"]
        .into_iter()
        .filter_map(|name| result.critical_path.iter().find(|band| band.band == name))
        .collect();
    let p99 = *bands.iter().find(|band| band.band == "p99")?;
    let (largest, part) = p99.parts().into_iter().max_by_key(|(_, part)| *part)?;
    let caption = format!(
        "Mean shares of the response time of sampled produce requests near a percentile; each \
         request counts once, however many records it carries. At the requests' p99 of {}, \
         {largest} takes the most: {}.",
        text::duration(p99.total_ms),
        text::duration(part),
    );
    let count = i32::try_from(bands.len()).ok()?;
    let top = TITLE_STRIP + 70;
    let height = top + count * (BAR + GAP);
    let svg = canvas::sheet(WIDTH, height, |canvas| {
        title(canvas, "Where the time goes");
        path_legend(canvas, &bands, TITLE_STRIP + 30);
        for (index, band) in (0..).zip(&bands) {
            path_bar(canvas, band, top + index * (BAR + GAP));
        }
    });
    Some(Chart {
        name: "critical-path",
        title: "Where the time goes".to_owned(),
        caption,
        width: WIDTH,
        height,
        svg,
        narrow: None,
        readout: None,
    })
}

/// Parts that take at least a thousandth of some band.
fn visible(bands: &[&PathBand]) -> Vec<usize> {
    (0..8)
        .filter(|index| {
            bands.iter().any(|band| band.parts()[*index].1.units() * 1000 > band.total_ms.units())
        })
        .collect()
}

fn path_legend(canvas: &Canvas<'_>, bands: &[&PathBand], y: i32) {
    let mut x = MARGIN;
    for index in visible(bands) {
        let name = bands[0].parts()[index].0;
        canvas.rect((x, y - 12), (x + 24, y + 12), palette::series(index), 1.0);
        canvas.text(name, (x + 34, y), Type::label(TEXT, Align::Left));
        x += 34 + text_width(name, LABEL_PX) + 30;
    }
}

fn path_bar(canvas: &Canvas<'_>, band: &PathBand, y: i32) {
    let (left, right) = (110, 1610);
    let bold = Type { bold: true, ..Type::label(TEXT, Align::Left) };
    canvas.text(&band.band, (MARGIN, y + BAR / 2), bold);
    let total = band.total_ms.to_f64().max(0.001);
    let mut before = 0.0;
    for (index, (_, part)) in band.parts().into_iter().enumerate() {
        let share = |sum: f64| left + axis::pixel(sum / total * f64::from(right - left));
        let from = share(before);
        before += part.to_f64();
        let until = share(before);
        if until > from {
            canvas.rect((from, y), (until, y + BAR), palette::series(index), 1.0);
            let label = text::duration(part);
            if until - from > text_width(&label, LABEL_PX) + 24 {
                let look = Type::label(PAPER, Align::Centre);
                canvas.text(&label, ((from + until) / 2, y + BAR / 2), look);
            }
        }
    }
    let total = text::duration(band.total_ms);
    canvas.text(&total, (right + 20, y + BAR / 2), bold);
}

/// The bill, a bar per line.
pub(crate) fn cost(result: &RunResult) -> Option<Chart> {
    let lines = &result.cost.lines;
    let dearest = lines.iter().max_by_key(|line| line.amount_usd)?;
    let total = text::dollars(result.cost.total_usd);
    let share = Milli::ratio(
        i128::from(dearest.amount_usd.units()) * 100,
        i128::from(result.cost.total_usd.units()),
    );
    let caption = format!(
        "{total} a month of {} hours; the largest line is {} % of it.",
        result.cost.month_hours,
        text::number(share, 0)
    );
    let row = BAR + 60;
    let height = TITLE_STRIP + i32::try_from(lines.len()).ok()? * row + 10;
    let svg = canvas::sheet(WIDTH, height, |canvas| {
        title(canvas, "Monthly cost");
        for (index, line) in (0..).zip(lines) {
            let y = TITLE_STRIP + index * row;
            canvas.text(&line.item, (MARGIN, y + 20), Type::label(TEXT, Align::Left));
            let amount = Type { bold: true, ..Type::label(TEXT, Align::Right) };
            canvas.text(&text::dollars(line.amount_usd), (1776, y + 20), amount);
            let (from, until) = (MARGIN, 1776);
            canvas.rect((from, y + 44), (until, y + 44 + BAR / 2), GRID, 1.0);
            let part = line.amount_usd.to_f64() / dearest.amount_usd.to_f64().max(0.01);
            let length = axis::pixel(part * f64::from(until - from));
            if line.amount_usd > Cents::ZERO {
                let end = from + length.max(3);
                canvas.rect((from, y + 44), (end, y + 44 + BAR / 2), palette::series(0), 1.0);
            }
        }
    });
    Some(Chart {
        name: "cost",
        title: "Monthly cost".to_owned(),
        caption,
        width: WIDTH,
        height,
        svg,
        narrow: None,
        readout: None,
    })
}
