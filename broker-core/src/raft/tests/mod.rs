//! Raft under test: a small deterministic world, its checks, and what they are run on.

mod checks;
mod cluster;
mod describing;
mod disk;
mod random;
mod scripted;
mod solo;

pub(crate) use disk::TestDisk;
pub(crate) use solo::{Solo, alone, config, elected, fetch};
