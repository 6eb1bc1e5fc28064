//! How the cluster came back: a row per fault, what people open the report for.

use crate::result::{Milli, Recovery, Return, RunResult};
use crate::summary::{gap_reason, is_open, until};
use crate::text;
use maud::{Markup, html};

/// The table, and why the longest gap is as long as it is; nothing without faults.
pub(super) fn table(result: &RunResult) -> Markup {
    html! {
        @if !result.recoveries.is_empty() {
            h3 { "How it came back" }
            div.table tabindex="0" role="region" aria-label="How it came back" {
                table.packed {
                    thead { tr {
                        th scope="col" { "Fault or change" }
                        th.n scope="col" { "at" }
                        th.n scope="col" { "lasts" }
                        th.n scope="col" { "broker fenced" }
                        th.n scope="col" { "new leaders" }
                        th.n scope="col" { "produce flows" }
                        th.n scope="col" { "backlog gone" }
                        th.n scope="col" { "p99 normal" }
                        th.n scope="col" { "replicas in sync" }
                        th.n scope="col" { "consumers caught up" }
                    } }
                    tbody { @for (index, row) in result.recoveries.iter().enumerate() {
                        (fault_row(result, row, result.recoveries.get(index + 1)))
                    } }
                }
            }
            p.small {
                "Times after its beginning, until the next fault or the end of the run; a dash: \
                 nothing of the kind; steady: never disturbed. What comes from gauges (≤) is rounded up to a whole second. \
                 New leaders: the end of the first burst of elections. \
                 Produce flows when nine tenths of a second's offered records are acknowledged; \
                 the p99 is normal when it stays within three times its level before."
                @if overlap(&result.recoveries) {
                    " Faults overlap here: what is back only after the next one began is the work \
                     of several; not in 5 s: not within the 5 s until then."
                }
            }
            @if let Some(reason) = gap_reason(result) { p.reason { (reason) "." } }
        }
    }
}

/// Whether a fault was still felt when the next one began.
fn overlap(rows: &[Recovery]) -> bool {
    rows.windows(2).any(|pair| !pair[0].was_over_at(&pair[1]))
}

fn fault_row(result: &RunResult, row: &Recovery, next: Option<&Recovery>) -> Markup {
    let not_back = if is_open(result, row) { "not yet" } else { "not back" };
    let lasts = row.until_s.map(|until| Milli::from_units(until.units() - row.at_s.units()));
    let whole = |seconds| format!("{}\u{a0}s", text::short_seconds(seconds));
    let exact = |after: Option<Milli>| after.map_or("–".to_owned(), text::seconds);
    html! {
        tr {
            td.wide { (text::capital(&row.fault)) }
            td.n { (text::short_seconds(row.at_s)) "\u{a0}s" }
            td.n { (lasts.map_or("–".to_owned(), whole)) }
            td.n { (exact(row.detected_after_s)) }
            td.n { (exact(row.leaders_after_s)) }
            @for state in [row.produce, row.backlog, row.latency, row.replicas, row.consumers] {
                td.n { (returned(state, next.map(|next| until(row, next)), not_back)) }
            }
        }
    }
}

/// `next`: seconds until the next fault; `not_back`: what is said where there is none.
fn returned(state: Return, next: Option<Milli>, not_back: &str) -> Markup {
    html! {
        @match state {
            Return::Undisturbed => "steady",
            Return::Back { after_s } => { "≤\u{a0}" (text::short_seconds(after_s)) "\u{a0}s" },
            Return::NotBack => {
                @if let Some(next) = next {
                    "not in\u{a0}" (text::short_seconds(next)) "\u{a0}s"
                } @else {
                    strong.full { (not_back) }
                }
            },
        }
    }
}
