//! Real sockets and files around `broker-core`: a broker that any Kafka client can talk to.
//!
//! A thread per node owns its [`stormglass_broker_core::Broker`] and its log files; two more
//! fsync and write small files. Connections are tokio tasks that decode and encode. Nodes of one
//! process talk through channels, those of different processes over TCP in a protocol of our own.

mod clock;
mod config;
mod data_dir;
mod error;
mod examine;
mod file_limit;
mod ids;
mod keys;
mod loggers;
mod metrics;
mod net;
mod node;
mod node_config;
mod serve;
mod storage;

pub use config::Options;
pub use error::ServeError;
pub use examine::examine;
pub use loggers::{LogLevel, LogLevels, offer_loggers};
pub use node_config::NodeOptions;
pub use serve::{Server, Stopper};
