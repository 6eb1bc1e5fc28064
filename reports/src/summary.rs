//! What `stormglass run` prints: the verdict, the numbers behind it, and where the report is.
//!
//! Plain text or with ANSI colours; the words are the same. The last line of a failure is the
//! command that reproduces it.

mod recovery;
mod render;
mod sparkline;

pub use render::{Style, SummaryInput, render};

pub(crate) use recovery::{is_open, until};
pub(crate) use render::{
    availability_sentence, cost_basis, failed_sentence, gap_reason, safety_sentence,
};
