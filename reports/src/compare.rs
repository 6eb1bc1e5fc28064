//! Two sides, each one run or several seeds: what changed, by how much, and where in a request's way.
//!
//! Runs are paired by seed, so that what a seed deals to both sides cancels out. All figures are
//! compared exactly: the same run has changes of exactly zero.

mod curves;
mod deltas;
mod html;
mod path;
mod plans;
mod text;
mod types;
mod work;

pub use deltas::{deltas, median};
pub use html::page;
pub use path::{path_shifts, sentence as path_sentence};
pub use plans::plan_changes;
pub use text::table;
pub use types::*;
pub use work::{sentences as work_sentences, work_shift};

pub(crate) use curves::curves;
pub(crate) use deltas::agree;
pub(crate) use html::{delta_rows, keys_table, path_table};
pub(crate) use path::signed_duration;
pub(crate) use text::{change, keys_text, signed, signed_percent, value};
pub(crate) use work::table as work_table;

use crate::result::{RESULT_SCHEMA_VERSION, RunResult, Status};

/// Why two results cannot be compared, if they cannot.
#[must_use]
pub fn incomparable(a: &RunResult, b: &RunResult) -> Option<String> {
    for result in [a, b] {
        if result.schema_version != RESULT_SCHEMA_VERSION {
            return Some(format!(
                "{} seed {} has result schema {}, this program reads {RESULT_SCHEMA_VERSION}",
                result.scenario.name, result.seed, result.schema_version
            ));
        }
        if result.model_digest.is_empty() {
            let (name, seed) = (&result.scenario.name, result.seed);
            return Some(format!(
                "{name} seed {seed} ran a plan of an earlier version, which does not say its model"
            ));
        }
        if result.verdict.status == Status::Interrupted {
            let (name, seed) = (&result.scenario.name, result.seed);
            return Some(format!("{name} seed {seed} was interrupted: its figures cover a part"));
        }
    }
    (a.model_digest != b.model_digest).then(|| {
        format!(
            "the catalogue's values differ: model {} and {}",
            short(&a.model_digest),
            short(&b.model_digest)
        )
    })
}

/// The start of a digest.
#[must_use]
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests;
