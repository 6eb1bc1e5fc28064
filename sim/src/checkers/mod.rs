//! Promises of the cluster, checked in every run: what the trace, the clients and the final state
//! say is joined, and a broken promise comes with its history.

mod acked_loss;
mod ages;
mod appends;
mod commits;
mod compaction;
mod completeness;
mod configured;
mod consumed;
mod copies;
mod duplicates;
mod epoch_log;
mod final_state;
mod high_watermark;
mod history;
mod isr_rules;
mod late_markers;
mod ledger;
mod log_matching;
mod log_starts;
mod marks;
mod messages;
mod one_leader;
mod one_value;
mod order;
mod ownership;
mod partition;
mod places;
mod revived;
mod roles;
mod state;
mod story;
mod suite;
mod table;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tiering;
mod timeouts;
mod transactions;
mod txn_positions;
mod unclean;
mod void;

pub(crate) use copies::{Copied, CopyPromise};
pub use final_state::{FinalPartition, FinalState, LogView};
pub use marks::{MARKS, Marks};
pub use messages::Speaker;
pub use state::{Moment, NodeView};
pub use story::Story;
pub use suite::{Checkers, Findings};
pub use void::Cause;
