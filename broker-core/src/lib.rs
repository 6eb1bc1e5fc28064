//! A full Kafka broker as a pure state machine.
//!
//! One way in: [`Broker::step`]. Nothing here reads a clock, draws entropy, opens a file or a
//! socket, or starts a thread; the shells (`sim`, `server`) do.

pub mod config;
pub mod error;
pub mod features;
pub mod ids;
pub mod inspect;
pub mod log;
pub mod metadata;
pub mod plant;
pub mod protocol;
pub mod records;
pub mod seam;
pub mod time;

mod api;
mod broker;
mod controller;
mod effective;
mod failed_loads;
mod forwarding;
mod group;
mod lifecycle;
mod pattern;
mod pending;
mod quota;
mod raft;
mod random;
mod replica;
mod role;
mod step;
mod txn;

pub use broker::{Broker, BrokerGauges, ReplicaState};
pub use quota::{BrokerLimits, ConnectionLimits, Rate};
pub use replica::checkpoint;
