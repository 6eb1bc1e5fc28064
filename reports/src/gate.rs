//! A suite's verdict: which figures moved further from their base than their limit allows, which
//! thresholds were missed, and what explains it; as table, page, JUnit, annotations and metrics.
//!
//! Only declared figures decide; all others are shown. A limit is passed when the median of the
//! paired changes is beyond it and the direction is the same in all seeds (one of sixteen may differ),
//! so that what a seed deals decides nothing.

mod github;
mod html;
mod judge;
mod junit;
mod markdown;
mod metrics;
mod text;
mod types;

pub use github::annotations;
pub use html::page;
pub use judge::{Judged, check, limit_outcome, thresholds};
pub(crate) use junit::escaped;
pub use junit::junit;
pub use markdown::summary;
pub use metrics::open_metrics;
pub(crate) use metrics::{family_name, label_set};
pub use text::table;
pub use types::*;

#[cfg(test)]
mod tests;
