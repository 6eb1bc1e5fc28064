//! Between applications and the world: what they have asked for, in order.
//!
//! Applications run inside madsim's executor while the world waits for them to come to rest; then it
//! takes what they said. Nothing here decides anything.

use super::application::InstanceId;
use super::call::{Call, Replier, call};
use super::config::{ConsumerSpec, ProducerSpec};
use crate::client::Ask;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stormglass_broker_core::ids::{Offset, TopicPartition};
use stormglass_broker_core::records::Batch;

/// A client that an application makes.
#[derive(Debug)]
pub(crate) enum Spec {
    /// A producer.
    Producer(Box<ProducerSpec>),
    /// A consumer.
    Consumer(Box<ConsumerSpec>),
}

/// Something that an application said.
#[derive(Debug)]
pub(crate) enum Command {
    /// It makes a client.
    Open {
        /// Names the client from now on.
        client: u64,
        /// Who makes it.
        owner: InstanceId,
        /// What.
        spec: Spec,
    },
    /// It calls.
    Ask {
        /// Which client.
        client: u64,
        /// What.
        ask: Box<Ask>,
        /// Where the reply goes.
        replier: Replier,
    },
    /// It has dropped a client.
    Close {
        /// Which.
        client: u64,
    },
}

/// Records of a batch that a consumer was given.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Partition.
    pub(crate) tp: TopicPartition,
    /// The whole batch.
    pub(crate) batch: std::sync::Arc<Batch>,
    /// First offset.
    pub(crate) first: Offset,
    /// How many offsets.
    pub(crate) count: u32,
}

#[derive(Debug, Default)]
struct State {
    clients: u64,
    commands: Vec<Command>,
}

/// Shared by a world and its applications.
#[derive(Debug, Default)]
pub(crate) struct Hub(Mutex<State>);

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a client; its number.
    pub(crate) fn open(&self, owner: InstanceId, spec: Spec) -> u64 {
        let mut state = self.state();
        state.clients += 1;
        let client = state.clients;
        state.commands.push(Command::Open { client, owner, spec });
        client
    }

    /// Calls a client.
    pub(crate) fn ask(&self, client: u64, ask: Ask) -> Call {
        let (call, replier) = call();
        self.state().commands.push(Command::Ask { client, ask: Box::new(ask), replier });
        call
    }

    /// Drops a client.
    pub(crate) fn close(&self, client: u64) {
        self.state().commands.push(Command::Close { client });
    }

    /// What was said since the last time.
    pub(crate) fn take(&self) -> Vec<Command> {
        std::mem::take(&mut self.state().commands)
    }
}
