//! The published form of a run: `result.json`, its types, its schema, and how it is built.
//!
//! Everything here is a function of version, scenario and seed. Wall-clock time, host and paths
//! belong to [`crate::run_dir::RunInfo`].

mod build;
mod critical_path;
mod decimal;
mod early;
mod full;
mod gap;
mod latency;
mod phase;
mod quotas;
mod recovery;
mod remote;
mod resources;
mod throughput;
mod types;
mod work;

pub use build::build;
pub use decimal::{Cents, Decimal, Milli, div_half_up};
pub use phase::{kind_name, phase_at, phase_name};
pub use types::*;

pub(crate) use build::{SATURATION_NOTE, VOLUMES_NOTE, event_row};
pub(crate) use latency::{mean_ns, merged};
pub(crate) use phase::{KINDS, PHASES, Scope, phase_bounds};
