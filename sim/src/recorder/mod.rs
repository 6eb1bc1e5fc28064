//! What a run leaves behind: outcomes and gauges become a
//! [`Recording`](stormglass_reports::recording::Recording).

mod buckets;
mod collect;
mod delivery;
mod failures;
mod latency;
mod outage;
mod paths;
mod phases;
mod seconds;
mod tally;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod topics;

pub use collect::{Finish, Recorder, SecondGauges, Transfer};
pub(crate) use delivery::BACKLOG_TAGS;
pub use paths::PathTaken;
