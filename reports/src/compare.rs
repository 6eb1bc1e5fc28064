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

use crate::result::{RESULT_SCHEMA_VERSION, RunResult};

/// Why two results cannot be compared, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomparable {
    /// A sentence without a full stop.
    pub reason: String,
    /// The next step.
    pub help: &'static str,
}

const SAME_VERSION: &str = "run both with the same version of Stormglass";
const TO_ITS_END: &str =
    "run it again to its end; what was cut short has no partner to compare with";

/// Why two results cannot be compared, if they cannot.
#[must_use]
pub fn incomparable(a: &RunResult, b: &RunResult) -> Option<Incomparable> {
    let because = |reason: String, help| Some(Incomparable { reason, help });
    for result in [a, b] {
        let (name, seed) = (&result.scenario.name, result.seed);
        if result.schema_version != RESULT_SCHEMA_VERSION {
            let schema = result.schema_version;
            let reason = format!(
                "{name} seed {seed} has result schema {schema}, this program reads \
                 {RESULT_SCHEMA_VERSION}"
            );
            return because(reason, SAME_VERSION);
        }
        if result.model_digest.is_empty() {
            let reason = format!(
                "{name} seed {seed} ran a plan of an earlier version, which does not say its model"
            );
            return because(reason, SAME_VERSION);
        }
        if result.is_interrupted() {
            let reason =
                format!("{name} seed {seed} was interrupted: its figures cover a part of the run");
            return because(reason, TO_ITS_END);
        }
    }
    let (one, other) = differing(&a.model_digest, &b.model_digest)?;
    let reason =
        format!("the catalogue's values differ: model {} and {}", short(one), short(other));
    because(reason, SAME_VERSION)
}

/// The first part in which the digests of two catalogues differ. What only some kinds of cluster use, such
/// as the figures of Express, has a part of its own (`+name:digest`), and counts where both have it.
fn differing<'a>(a: &'a str, b: &'a str) -> Option<(&'a str, &'a str)> {
    let named = |part: &'a str| part.split_once(':').unwrap_or(("", part));
    a.split('+').map(named).find_map(|(name, one)| {
        let (_, other) = b.split('+').map(named).find(|(also, _)| *also == name)?;
        (one != other).then_some((one, other))
    })
}

/// The start of a digest.
#[must_use]
pub fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

#[cfg(test)]
mod tests;
