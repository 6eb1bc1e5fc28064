//! The bill, line by line.

use super::link::linked;
use crate::result::{Decimal, RunResult};
use crate::summary::cost_basis;
use crate::text;
use maud::{Markup, html};

/// The section; `figure` is the chart.
pub(super) fn section(result: &RunResult, figure: Option<Markup>) -> Markup {
    let cost = &result.cost;
    html! {
        section id="cost" {
            h2 { "Cost" }
            @if let Some(figure) = figure { (figure) }
            div.table {
                table {
                    thead { tr {
                        th { "Item" } th.n { "Quantity" } th { "Unit" } th.n { "Unit price" }
                        th.n { "Amount" } th { "Source of the price" }
                    } }
                    tbody {
                        @for line in &cost.lines {
                            tr {
                                td.wide { (line.item) }
                                td.n { (text::short(line.quantity)) }
                                td { (line.unit) }
                                td.n { "$" (price(line.unit_price_usd)) }
                                td.n { (text::dollars(line.amount_usd)) }
                                td.wide.small.source {
                                    (linked(&line.source)) ", " (line.date)
                                    " (" (line.confidence) ")"
                                }
                            }
                        }
                    }
                    tfoot {
                        tr {
                            th { "Total a month" } td {} td {} td {}
                            td.n { strong { (text::dollars(cost.total_usd)) } }
                            td.wide.small {
                                (cost_basis(result)) "; "
                                @if cost.complete { "list prices, before tax and discounts" }
                                @else { "not every price is known, see below" }
                            }
                        }
                    }
                }
            }
            ul.small { @for note in &cost.notes { li { (note) } } }
        }
    }
}

/// A unit price without trailing zeros, but with cents.
pub(crate) fn price(value: Decimal<9>) -> String {
    let text = value.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let trimmed = decimals.trim_end_matches('0');
    format!("{whole}.{trimmed:0<2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_keep_every_digit_that_counts() {
        assert_eq!(price(Decimal::from_units(50_000_000)), "0.05");
        assert_eq!(price(Decimal::from_units(45_600_000)), "0.0456");
        assert_eq!(price(Decimal::from_units(400)), "0.0000004");
        assert_eq!(price(Decimal::from_units(10_000_000_000)), "10.00");
    }
}
