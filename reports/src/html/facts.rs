//! What the verdict stands on: checkers, violations, assumptions.

use super::link::linked;
use crate::result::{CheckerResult, RunResult};
use crate::summary::safety_sentence;
use crate::text;
use maud::{Markup, html};

/// Violations in full, right below the verdict; nothing when there are none.
pub(super) fn violations(result: &RunResult) -> Markup {
    html! {
        @if !result.violations.is_empty() {
            section id="violations" {
                h2 { "Broken promises" }
                @for violation in &result.violations {
                    article.violation {
                        h3 {
                            (violation.checker) " at t=" (violation.at_s) " s"
                            @if let Some(partition) = &violation.partition { " on " (partition) }
                        }
                        pre { (violation.account) }
                    }
                }
            }
        }
    }
}

/// What was checked.
pub(super) fn checkers(result: &RunResult) -> Markup {
    html! {
        section id="safety" {
            h2 { "Safety" }
            @if result.checkers.is_empty() {
                p { "No checker ran: the verdict says nothing about safety." }
            } @else {
                p { (safety_sentence(result)) ". A checker that looked at nothing proves nothing, \
                     so each shows its count." }
                div.table {
                    table {
                        thead { tr {
                            th { "Outcome" } th { "Checker" } th { "Promise" }
                            th.n { "Facts checked" } th.n { "Violations" }
                        } }
                        tbody { @for checker in &result.checkers { (checker_row(checker)) } }
                    }
                }
            }
        }
    }
}

fn checker_row(checker: &CheckerResult) -> Markup {
    html! {
        tr {
            td {
                @if checker.violations > 0 { span.fail { "✗ broken" } }
                @else if checker.checked == 0 { span.unknown { "? not exercised" } }
                @else { span.pass { "✓ held" } }
            }
            td { code { (checker.name) } }
            td.wide { (text::capital(&checker.promise)) }
            td.n { (text::grouped(checker.checked)) }
            td.n { (text::grouped(checker.violations)) }
        }
    }
}

/// What the numbers do not say by themselves, such as what is out of the validated range, and every
/// constant with its source.
pub(super) fn assumptions(result: &RunResult) -> Markup {
    html! {
        section id="assumptions" {
            h2 { "Assumptions" }
            @if !result.validity_notes.is_empty() {
                div.notes {
                    p { strong { "What to know of these numbers" } }
                    ul { @for note in &result.validity_notes { li { (note) } } }
                }
            }
            // What was measured on a real cluster stands on none of them.
            @if result.is_simulated() { (constants(result)) }
        }
    }
}

/// Every constant with its source.
fn constants(result: &RunResult) -> Markup {
    html! {
        p { "Every constant behind these numbers, "
            (text::grouped(result.assumptions.len() as u64)) " of them: "
            (confidence(result)) "." }
        div.table {
            table.dense {
                thead { tr {
                    th { "Constant" } th.n { "Value" } th { "Unit" } th { "Confidence" }
                    th { "Source" }
                } }
                tbody {
                    @for row in &result.assumptions {
                        tr {
                            td { code { (row.name) } }
                            td.n.value { (value(&row.value)) }
                            td { (row.unit) }
                            td { (row.confidence) }
                            td.wide.source { (linked(&row.source)) }
                        }
                    }
                }
            }
        }
    }
}

/// How many constants there are of each confidence: `12 A first-party, 3 U assumption`.
fn confidence(result: &RunResult) -> String {
    let count =
        |letter: &str| result.assumptions.iter().filter(|row| row.confidence == letter).count();
    let shares: Vec<String> = [
        ("A", "first-party"),
        ("B", "second-party"),
        ("C", "third-party"),
        ("D", "digitised from a plot"),
        ("M", "measured here"),
        ("X", "derived by arithmetic"),
        ("U", "assumption without a source"),
    ]
    .into_iter()
    .filter(|(letter, _)| count(letter) > 0)
    .map(|(letter, meaning)| format!("{} {letter} ({meaning})", count(letter)))
    .collect();
    shares.join(", ")
}

/// Thousands apart where the value is a plain count.
fn value(value: &str) -> String {
    value.parse::<u64>().map_or_else(|_| value.to_owned(), text::grouped)
}
