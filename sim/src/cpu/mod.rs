//! The CPU of a host: what work costs, and who runs when.

mod credits;
mod pause;
mod pool;
mod profile;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod theory;

pub use pool::{Cpu, CpuConfig, CpuCounters, Pool, PoolSizes, Service, Ticket};
pub use profile::{CostProfile, MissingConstant, WorkCosts, constant};
