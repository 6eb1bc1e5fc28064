//! The simulation: kernel, resource models, clients, faults, checkers, recorder.
//!
//! Every simulation runs inside a madsim runtime on a fresh thread; the hot path is our own event
//! loop.

#[cfg(not(madsim))]
compile_error!(
    "`--cfg madsim` is missing: an environment RUSTFLAGS replaces .cargo/config.toml. \
     Unset it, or add `--cfg madsim` to it."
);


pub mod client;
pub mod cpu;
pub mod disk;
pub mod clock;
pub mod kernel;
pub mod rng;
pub mod workload;
pub mod net;
pub mod checkers;
pub mod recorder;
