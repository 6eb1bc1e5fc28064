//! What a run leaves behind: outcomes and gauges become a
//! [`Recording`](stormglass_reports::recording::Recording).

mod buckets;
mod delivery;
mod latency;
mod outage;
mod paths;
mod phases;
mod recorder;
mod seconds;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod topics;

pub use recorder::{Finish, Recorder, SecondGauges, Transfer};
