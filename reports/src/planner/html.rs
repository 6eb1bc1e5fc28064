//! The answer as a page.

use super::charts::charts;
use super::formulas::FORMULA_NOTES;
use super::text::{INTERRUPTED, binds, headroom, missed, outlook, question, storage};
use super::types::{Candidate, PlanReport, RuledOut};
use crate::html::{figure, linked, price, shell};
use crate::text;
use maud::{Markup, html};

/// The whole page.
#[must_use]
pub fn page(report: &PlanReport) -> String {
    let body = html! {
        header {
            p.kind { "Stormglass plan" }
            h1 { @match report.fits.first() { Some(first) => (first.name()), None => "No cluster" } }
            p.setting { (question(&report.requirements)) }
            (verdict(report))
        }
        main {
            @if !report.fits.is_empty() {
                section id="ranking" {
                    h2 { "Clusters that meet it" }
                    (ranking(&report.fits))
                    ul { @for line in outlook(report) { li { (line) } } }
                }
                @for candidate in &report.fits { (section(candidate)) }
                @if let Some(first) = report.fits.first() { (bill(first)) }
            }
            @let charts = charts(report);
            @if !charts.is_empty() {
                section id="charts" { h2 { "Charts" } @for chart in &charts { (figure(chart)) } }
            }
            @if !report.formulas.is_empty() {
                section id="formulas" { h2 { "By other formulas" } (side_by_side(report)) }
            }
            @if !report.misses.is_empty() {
                section id="misses" { h2 { "Simulated and too small" } (misses(&report.misses)) }
            }
            @if !report.ruled_out.is_empty() {
                section id="ruled-out" {
                    h2 { "Ruled out without a simulation" }
                    (ruled_out(&report.ruled_out))
                }
            }
            section id="notes" {
                h2 { "What to keep in mind" }
                ul { @for assumption in &report.assumptions { li { (assumption) } } }
                p.small {
                    (text::counted(u64::from(report.cut_by_bounds), "cluster"))
                    " ruled out without a simulation, "
                    (text::counted(u64::from(report.runs), "simulation")) "."
                }
            }
            section id="reproduce" {
                h2 { "Reproduce" }
                pre.command { code { (report.command) } }
            }
        }
    };
    shell("Plan", &body)
}

fn verdict(report: &PlanReport) -> Markup {
    let answer = match (report.fits.first(), report.nearest_miss()) {
        (Some(first), _) => format!(
            "{} a month; holds up to {} of the load.",
            text::dollars(first.cluster.monthly_usd),
            headroom(first)
        ),
        (None, Some(miss)) => format!("Nearest: {}, {}.", miss.name(), missed(miss)),
        (None, None) if report.interrupted => "None found yet.".to_owned(),
        (None, None) => format!(
            "No cluster that was allowed is left to simulate.{}",
            report.ruled_out.first().map_or_else(String::new, |one| {
                format!(" For example: {}, of which {}.", one.cluster, one.reason)
            })
        ),
    };
    let (class, mark, word) = if report.interrupted {
        ("interrupted", "…", "Interrupted")
    } else if report.fits.is_empty() {
        ("missed", "!", "Nothing fits")
    } else {
        ("ok", "✓", "Fits")
    };
    html! {
        div class={ "verdict " (class) } role="status" {
            p.word { span.mark aria-hidden="true" { (mark) } (word) }
            div {
                p.answer { (answer) }
                @if report.interrupted { p { (INTERRUPTED) } }
            }
        }
    }
}

fn ranking(fits: &[Candidate]) -> Markup {
    html! {
        div.table {
            table.packed {
                thead { tr {
                    th { "Cluster" } th { "Kind" } th.n { "A month" } th.n { "Of it traffic" }
                    th.n { "Storage each" } th.n { "Partitions" }
                    th.n { "Headroom" } th { "Binds first" } th { "In state" }
                } }
                tbody {
                    @for one in fits {
                        tr {
                            td { (one.name()) }
                            td { (one.cluster.kind.name()) }
                            td.n { (text::dollars(one.cluster.monthly_usd)) }
                            td.n { (text::dollars(one.cluster.traffic_usd)) }
                            td.n { (storage(&one.cluster)) }
                            td.n { (one.cluster.partitions) }
                            td.n { (headroom(one)) }
                            td { (binds(one)) }
                            td { (one.headroom.as_ref().map_or("-", |h| h.state.name())) }
                        }
                    }
                }
            }
        }
    }
}

fn section(candidate: &Candidate) -> Markup {
    html! {
        section {
            h3 { (candidate.name()) " in each state" }
            div.table {
                table.packed {
                    thead { tr {
                        th { "State" } th.n { "Load" } th.n { "p99, settled" }
                        th.n { "Acked" } th.n { "Longest gap" } th { "Use, busiest broker" }
                    } }
                    tbody {
                        @for one in &candidate.states {
                            tr {
                                td { (one.state.name()) }
                                td.n { (one.load_permille / 10) " %" }
                                td.n { (one.p99_ms.map_or("-".to_owned(), text::duration)) }
                                td.n { (text::number(one.acked_percent, 1)) " %" }
                                td.n { (text::duration(one.longest_gap_ms)) }
                                td.wide {
                                    @for (at, used) in one.uses.iter().enumerate() {
                                        @if at > 0 { ", " }
                                        (used.resource) " " (text::number(used.percent, 0)) " %"
                                    }
                                }
                            }
                        }
                    }
                }
            }
            p.small {
                "By arithmetic at least: "
                @for (at, bound) in candidate.bounds.iter().enumerate() {
                    @if at > 0 { ", " }
                    (bound.resource) " " (text::number(bound.percent, 0)) " % in "
                    (bound.state.name())
                }
                " of what is always there; the table has the use of what was there, bursts included."
            }
        }
    }
}

/// A month's bill, line by line; sources are numbered, as many lines share one.
fn bill(candidate: &Candidate) -> Markup {
    let (mut sources, mut numbers) = (Vec::new(), Vec::new());
    for line in &candidate.bill {
        let source = (&line.source, &line.date);
        let at = sources.iter().position(|one| *one == source).unwrap_or_else(|| {
            sources.push(source);
            sources.len() - 1
        });
        numbers.push(at + 1);
    }
    html! {
        section id="bill" {
            h2 { "The bill of " (candidate.name()) }
            p { "A month at average load, at the prices of these sources." }
            div.table {
                table.packed {
                    thead { tr {
                        th { "Item" } th.n { "Quantity" } th.n { "Unit price" } th.n { "USD" }
                        th.n { "Source" }
                    } }
                    tbody {
                        @for (line, number) in candidate.bill.iter().zip(&numbers) {
                            tr {
                                td.wide { (line.item) }
                                td.n { (text::number(line.quantity, 0)) " " (line.unit) }
                                td.n { "$" (price(line.unit_price_usd)) }
                                td.n { (text::dollars(line.amount_usd)) }
                                td.n { "[" (number) "]" }
                            }
                        }
                    }
                    tfoot { tr {
                        th { "Total a month" } td {} td {}
                        td.n { strong { (text::dollars(candidate.cluster.monthly_usd)) } } td {}
                    } }
                }
            }
            ol.small.sources {
                @for (source, date) in &sources { li { (linked(source)) ", " (date) } }
            }
        }
    }
}

fn side_by_side(report: &PlanReport) -> Markup {
    html! {
        div.table {
            table.packed {
                thead { tr {
                    th { "Instance type" } th.n { "This plan" } th.n { "Equation 1" }
                    th.n { "AWS's script" } th.n { "A month here" } th.n { "A month, script" }
                } }
                tbody {
                    @for one in &report.formulas {
                        tr {
                            td { (one.instance) }
                            td.n { (one.simulated.map_or("-".to_owned(), |n| n.to_string())) }
                            td.n { (one.equation_1) }
                            td.n { (one.aws_script.map_or("-".to_owned(), |n| n.to_string())) }
                            td.n { (one.simulated_usd.map_or("-".to_owned(), text::dollars)) }
                            td.n { (one.aws_script_usd.map_or("-".to_owned(), text::dollars)) }
                        }
                    }
                }
            }
        }
        ul.small { @for note in FORMULA_NOTES { li { (note) } } }
    }
}

fn misses(misses: &[Candidate]) -> Markup {
    html! {
        div.table {
            table.packed {
                thead { tr { th { "Cluster" } th.n { "A month" } th { "What does not hold" } } }
                tbody {
                    @for one in misses {
                        tr {
                            td { (one.name()) }
                            td.n { (text::dollars(one.cluster.monthly_usd)) }
                            td.wide { (missed(one)) }
                        }
                    }
                }
            }
        }
    }
}

fn ruled_out(kinds: &[RuledOut]) -> Markup {
    html! {
        div.table {
            table.packed {
                thead { tr { th { "Kind" } th { "For example" } th { "What it lacks" } } }
                tbody {
                    @for one in kinds {
                        tr { td { (one.kind.name()) } td { (one.cluster) } td.wide { (one.reason) } }
                    }
                }
            }
        }
    }
}
