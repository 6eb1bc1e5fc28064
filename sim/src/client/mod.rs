//! Simulated Kafka clients: producer, consumer and admin as pure state machines.
//!
//! The world drives each with [`ClientInput`]s and carries out its [`ClientEffects`]. Left out:
//! the ApiVersions and SASL exchanges (the world charges them to connection set-up).

mod admin;
mod arrivals;
mod asks;
mod backoff;
mod cluster_view;
mod config;
#[cfg(test)]
mod config_keys_tests;
mod connections;
mod consumer;
mod io;
#[cfg(test)]
mod mock;
mod network;
mod operator;
mod producer;
mod templates;
mod wakeup;

pub use admin::Admin;
pub use arrivals::{Arrival, Arrivals, PlannedArrivals};
pub use asks::{Answer, Ask, GroupMember, Refusal};
pub use config::{
    AutoOffsetReset, ClientCosts, ConfigError, ConnectionConfig, ConsumerConfig, ProducerConfig,
};
pub(crate) use consumer::COORDINATOR_IDS;
pub use consumer::{
    Assignment, Assignor, ClassicSetup, Consumer, ConsumerSetup, HeartbeatSetup, MembershipSetup,
};
pub use io::{
    BatchDone, ClientCx, ClientEffects, ClientInput, ClientSend, ClientShared, ClientTimer,
    CreatedTopic, FailReason, Outcome, RecordTimes, RejectReason, TransactionStep, Unfinished,
};
pub use operator::{Operator, Task};
pub use producer::{Producer, ProducerSetup, TransactionsSetup};
pub use templates::Templates;
