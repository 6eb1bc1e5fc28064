//! A made-up AZ outage, 200 seconds on three brokers, for this crate's tests.
//!
//! Shapes only: nothing here claims to be what a cluster would do.

mod az_outage;
mod plan;

pub(crate) use az_outage::{az_outage, empty_recording, empty_second, halting, violations};
pub(crate) use plan::plan;
