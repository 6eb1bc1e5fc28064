//! The simulation: kernel, resource models, clients, faults, checkers, recorder.
//!
//! Every simulation runs inside a madsim runtime on a fresh thread; the hot path is our own event
//! loop. [`simulate`] is the way in.

#[cfg(not(madsim))]
compile_error!(
    "`--cfg madsim` is missing: an environment RUSTFLAGS replaces .cargo/config.toml. \
     Unset it, or add `--cfg madsim` to it."
);

pub mod app;
pub mod checkers;
pub mod client;
pub mod clock;
pub mod cpu;
pub mod disk;
pub mod hunt;
pub mod kernel;
pub mod net;
mod object_storage;
pub mod recorder;
pub mod rng;
pub mod workload;

mod partition_index;
mod runtime;
mod world;

pub use madsim;
pub use runtime::{Finished, Progress, RunOptions, SimError, check_plant, quiet_panics, simulate};
pub use world::SetupError;
