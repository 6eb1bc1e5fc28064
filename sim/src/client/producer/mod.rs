//! The producer: Java's accumulator, sender and idempotence, and librdkafka's with its defaults.

mod accumulator;
mod ahead;
mod application;
mod batch;
mod idempotence;
mod intake;
mod machine;
mod replies;
mod sender;
mod sticky;
#[cfg(test)]
mod tests_batching;
#[cfg(test)]
mod tests_faults;
#[cfg(test)]
mod tests_transactions;
mod transactions;

pub use machine::{Producer, ProducerSetup};
pub use transactions::TransactionsSetup;
