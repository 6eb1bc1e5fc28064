//! The comparison as a page.

use super::curves;
use super::path;
use super::text as words;
use super::types::{ChangedKey, Comparison, Delta, KeyAttribution, PathShift, Trend};
use super::work;
use crate::charts::{Chart, shift};
use crate::figures::{ALL_MEASURED, Better, FigureName};
use crate::html::{figure, shell};
use crate::result::{Milli, RunResult};
use crate::text;
use maud::{Markup, html};

/// The whole page. `pairs` are the runs that were compared, `command` repeats the comparison.
#[must_use]
pub fn page(comparison: &Comparison, pairs: &[(&RunResult, &RunResult)], command: &str) -> String {
    let Comparison { a, b, .. } = comparison;
    let caption = comparison
        .path
        .iter()
        .find(|shift| shift.band == "p99")
        .map_or_else(String::new, |shift| {
            format!("Means over sampled produce requests near a percentile. {}", told(shift))
        });
    let charts: Vec<Chart> =
        [curves(pairs, (&a.name, &b.name)), shift::chart(&comparison.path, caption)]
            .into_iter()
            .flatten()
            .collect();
    let body = html! {
        header {
            p.kind { "Stormglass comparison" }
            h1 { (heading(comparison)) }
            @if a.name != a.scenario || b.name != b.scenario {
                p.setting { "A is " (a.name) ". B is " (b.name) "." }
            }
            p.setting { (setting(comparison)) }
            (verdict(comparison))
        }
        main {
            (key_figures(comparison))
            @if let Some(keys) = &comparison.keys { (keys_section(keys)) }
            @else if !comparison.plan_changes.is_empty() {
                section id="plans" {
                    h2 { "What differs in the plans" }
                    (plans_table(&comparison.plan_changes))
                }
            }
            @if !charts.is_empty() {
                section id="charts" {
                    h2 { "Charts" }
                    @for chart in &charts { (figure(chart)) }
                }
            }
            section id="path" {
                h2 { "Where the change comes from" }
                (path_table(&comparison.path))
                (work_part(comparison))
            }
            section id="figures" {
                h2 { "Every figure that changed" }
                (delta_rows(&changed(comparison)))
            }
            @if !comparison.notes.is_empty() {
                section id="notes" { div.notes { @for note in &comparison.notes { p { (note) } } } }
            }
            section id="reproduce" {
                h2 { "Reproduce" }
                pre.command { code { (command) } }
            }
        }
    };
    shell(&format!("{} and {}", a.name, b.name), &body)
}

/// What the change of CPU time went to.
fn work_part(comparison: &Comparison) -> Markup {
    html! {
        @if let Some(work) = &comparison.work {
            @for told in work::sentences(work) { p { (text::capital(&told)) "." } }
            (work::table(work))
        }
    }
}

/// The scenario, if it is one.
fn heading(comparison: &Comparison) -> String {
    let (a, b) = (&comparison.a.scenario, &comparison.b.scenario);
    if a == b { a.clone() } else { format!("{a} and {b}") }
}

fn setting(comparison: &Comparison) -> String {
    let seeds = text::counted(comparison.seeds.len() as u64, "seed");
    format!("{seeds}, paired; values are medians, changes medians of the pairs' changes")
}

fn told(shift: &PathShift) -> String {
    let change = path::signed_duration(shift.change_ms);
    path::sentence(shift).map_or_else(
        || "Nothing moved near p99.".to_owned(),
        |parts| format!("Near p99 it changed by {change}: {parts}."),
    )
}

fn verdict(comparison: &Comparison) -> Markup {
    let p99 = comparison.delta(&FigureName::new("response_latency", ALL_MEASURED, "p(99)"));
    let (class, mark, word) = match p99.map(|delta| delta.trend) {
        _ if comparison.is_same() => ("ok", "=", "Nothing changed"),
        Some(Trend::Worse) => ("missed", "▲", "Slower"),
        Some(Trend::Better) => ("ok", "▼", "Faster"),
        _ => ("interrupted", "≠", "Different"),
    };
    html! {
        div class={ "verdict " (class) } role="status" {
            p.word { span.mark aria-hidden="true" { (mark) } (word) }
            div {
                @if let Some(delta) = p99 {
                    p.answer {
                        "The response p99 went from " (words::value(delta.a, "ms")) " to "
                        (words::value(delta.b, "ms"))
                        @if let Some(percent) = delta.change_percent {
                            ", " (words::signed_percent(percent)) "\u{a0}%"
                        }
                        "."
                    }
                }
                @if let Some(shift) = comparison.path.iter().find(|shift| shift.band == "p99") {
                    p { (told(shift)) }
                }
            }
        }
    }
}

fn key_figures(comparison: &Comparison) -> Markup {
    let named = [
        ("Response median", "response_latency", "med"),
        ("Response p99", "response_latency", "p(99)"),
        ("End to end p99", "end_to_end_latency", "p(99)"),
        ("Acknowledged", "produce_throughput", "avg"),
        ("Longest gap", "unavailability", "max"),
        ("CPU, busiest broker", "cpu_utilisation", "avg"),
        ("Acked records lost", "lost_records", "value"),
        ("Cost a month", "monthly_cost", "value"),
    ];
    html! {
        section.figures aria-label="Key figures" {
            @for (name, metric, aggregate) in named {
                @if let Some(delta) =
                    comparison.delta(&FigureName::new(metric, ALL_MEASURED, aggregate))
                {
                    div {
                        p.name { (name) }
                        p.value { (words::value(delta.b, &delta.unit)) }
                        p.note { (words::change(delta)) " from " (words::value(delta.a, &delta.unit)) }
                    }
                }
            }
        }
    }
}

fn changed(comparison: &Comparison) -> Vec<&Delta> {
    let is_told = |delta: &&Delta| delta.trend != Trend::Same && delta.name.phase != "measure";
    comparison.deltas.iter().filter(is_told).collect()
}

/// A table of changes.
pub(crate) fn delta_rows(deltas: &[&Delta]) -> Markup {
    html! {
        @if deltas.is_empty() { p { "None." } }
        @else {
            div.table {
                table.packed {
                    thead { tr {
                        th { "Figure" } th.n { "A" } th.n { "B" } th.n { "Change" } th.n { "%" }
                        th.n { "Least to most" } th.n { "Seeds up / down" } th { "" }
                    } }
                    tbody { @for delta in deltas { (delta_row(delta)) } }
                }
            }
        }
    }
}

fn delta_row(delta: &Delta) -> Markup {
    let range = match (delta.change_min, delta.change_max) {
        (Some(low), Some(high)) if low != high => {
            format!("{} to {}", words::signed(low, &delta.unit), words::signed(high, &delta.unit))
        }
        _ => String::new(),
    };
    html! {
        tr {
            td { (delta.name) }
            td.n { (words::value(delta.a, &delta.unit)) }
            td.n { (words::value(delta.b, &delta.unit)) }
            td.n { (words::change(delta)) }
            td.n { (delta.change_percent.map_or_else(|| "-".to_owned(), words::signed_percent)) }
            td.n { (range) }
            td.n { (delta.up) " / " (delta.down) }
            td { @match (delta.trend, delta.better) {
                (Trend::Worse, _) => span.fail { "▲ worse" },
                (Trend::Better, _) => span.pass { "▼ better" },
                (Trend::Mixed, _) => span.unknown { "mixed" },
                (Trend::Other, Better::Neither) | (Trend::Other | Trend::Same, _) => "",
            } }
        }
    }
}

/// The parts' changes by band.
pub(crate) fn path_table(shifts: &[PathShift]) -> Markup {
    let bands: Vec<&PathShift> = shifts.iter().filter(|shift| shift.band != "all").collect();
    html! {
        @if let Some(first) = bands.first() {
            p { "Changes of the mean parts of sampled produce requests near each percentile; they add \
                 up to the change of the band. A request counts once, however many records it \
                 carries, so a band's change is near that of the records' percentile." }
            div.table {
                table.packed {
                    thead { tr {
                        th { "Part" }
                        @for band in &bands { th.n { (band.band) } th.n { "share" } }
                    } }
                    tbody {
                        @for (at, part) in first.parts.iter().enumerate() {
                            tr {
                                td { (part.part) }
                                @for band in &bands {
                                    td.n { (moved(band.parts[at].change_ms)) }
                                    td.n { (share(band.parts[at].share_percent)) }
                                }
                            }
                        }
                    }
                    tfoot { tr {
                        th { "Sum" }
                        @for band in &bands { td.n { strong { (moved(band.change_ms)) } } td {} }
                    } }
                }
            }
        } @else {
            p { "No request was sampled on both sides." }
        }
    }
}

fn moved(change: Milli) -> String {
    if change == Milli::ZERO { "0".to_owned() } else { path::signed_duration(change) }
}

fn share(percent: Option<Milli>) -> String {
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{} %", text::number(percent, 0)))
}

fn keys_section(keys: &KeyAttribution) -> Markup {
    html! {
        section id="keys" {
            h2 { "Which key explains how much" }
            (keys_table(keys))
        }
    }
}

fn plans_table(changes: &[ChangedKey]) -> Markup {
    html! {
        div.table {
            table.packed {
                thead { tr { th { "Value" } th { "A" } th { "B" } } }
                tbody {
                    @for key in changes {
                        tr {
                            td.wide { code { (key.path) } }
                            td.value { (shown(key.before.as_deref())) }
                            td.value { (shown(key.after.as_deref())) }
                        }
                    }
                }
            }
        }
    }
}

/// The keys that differ and what each explains.
pub(crate) fn keys_table(keys: &KeyAttribution) -> Markup {
    let effect = |value: Option<Milli>| {
        value.map_or_else(|| "-".to_owned(), |value| words::signed(value, &keys.unit))
    };
    html! {
        p { "Of " (keys.figure) ": each key was switched over alone, and all others without it; the \
             mean of both effects is what it explains. " (text::counted(u64::from(keys.runs), "run"))
             " over " (text::counted(keys.seeds.len() as u64, "seed")) "." }
        div.table {
            table.packed {
                thead { tr {
                    th { "Key" } th { "A" } th { "B" } th.n { "Alone" } th.n { "Missing without" }
                    th.n { "Explains" }
                } }
                tbody {
                    @for share in &keys.keys {
                        tr {
                            td.wide { @for key in &share.keys { code { (key.path) } br; } }
                            td.value { @for key in &share.keys { (shown(key.before.as_deref())) br; } }
                            td.value { @for key in &share.keys { (shown(key.after.as_deref())) br; } }
                            @if share.takes_part {
                                td.n { (effect(share.alone)) }
                                td.n { (effect(share.missing_without)) }
                                td.n { strong { (self::share(share.share_percent)) } }
                            } @else {
                                td.n {} td.n {} td.n { "takes no part" }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(together) = keys.together.filter(|rest| *rest != Milli::ZERO) {
            p.small { "Keys together explain another " (words::signed(together, &keys.unit)) "." }
        }
    }
}

fn shown(value: Option<&str>) -> &str {
    value.unwrap_or("-")
}
