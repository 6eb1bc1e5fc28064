//! From a sound scenario to its plan: every default, recipe and constant resolved.
//!
//! Nothing here fails: what could was refused by `check`.

mod clients;
mod cluster;
mod configs;
mod events;
mod hosts;
mod model;
mod placement;
mod plan;

pub(crate) use clients::{mean_half_bytes, milli_records};
pub(crate) use cluster::version;
pub(crate) use configs::{Role, client_config, client_keys, server_config};
pub(crate) use events::endpoint;
pub(crate) use hosts::{CUSTOM_INSTANCE, broker_disk_bytes, broker_host_of, host_instance};
pub use plan::add_remote_storage;
pub(crate) use plan::plan;
