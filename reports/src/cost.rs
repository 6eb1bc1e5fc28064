//! What a cluster costs in a month, line by line, each with its unit price and source.
//!
//! Fixed point throughout: quantities in thousandths, prices in nano-dollars. A line is rounded
//! half up to the cent; the total is the sum of the rounded lines, so the table adds up. Leaves
//! out taxes, discounts, free tiers and what the clients' own hosts cost.

mod bill;
mod types;

pub use bill::{of_cluster, of_cluster_with, of_run, of_run_with};
pub use types::{CostLine, CostOptions, CostReport, Month, PriceOverride};
