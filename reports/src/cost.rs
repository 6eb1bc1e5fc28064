//! What a cluster costs in a month, line by line, each with its unit price and source.
//!
//! Fixed point throughout: quantities in thousandths, prices in nano-dollars. A line is rounded
//! half up to the cent; the total is the sum of the rounded lines, so the table adds up. Leaves
//! out taxes, discounts, free tiers and what the clients' own hosts cost.

//!
//! Beside a cluster's own bill: the same workload on other services, AWS's sizing script, what a
//! change would save, and when another tool would do.

mod advice;
mod alternatives;
mod at_load;
mod bill;
mod capacity;
mod kept;
mod managed;
mod savings;
mod sheet;
mod sizer;
mod types;
mod unsaved;
mod workload;

pub use advice::advice;
pub use alternatives::{Alternative, LimitCheck, alternatives, self_managed};
pub use at_load::{AtLoad, at_load};
pub use bill::{of_cluster, of_cluster_that_keeps, of_cluster_with, of_run, of_run_with};
pub use kept::{copies_kept, with_reserve};
pub use savings::{Saving, savings};
pub use sizer::{Sized, SizerReport, aws_sizer};
pub use types::{CostLine, CostOptions, CostReport, Month, PriceOverride};
pub use unsaved::{Unsaved, unsaved};
pub use workload::Workload;

pub(crate) use capacity::shortage;
