//! The producer as a state machine: one step per input, one timer.
//!
//! Semantics are Java's (3.9 and later) or librdkafka's, by profile. Left out: interceptors, and
//! librdkafka's CRC32 key hash (murmur2 is used for both, which spreads keys as evenly but elsewhere).

use super::accumulator::Accumulator;
use super::application::{Calls, Desk};
use super::idempotence::Idempotence;
use super::intake::Intake;
use super::sticky::Sticky;
use super::transactions::{TransactionCall, Transactions, TransactionsSetup};
use crate::client::arrivals::Arrivals;
use crate::client::config::{ClientCosts, ProducerConfig};
use crate::client::io::{ClientCx, ClientInput, Unfinished};
use crate::client::network::Network;
use crate::client::wakeup::{NEVER, Wakeup};
use crate::rng::Stream;
use std::sync::Arc;
use stormglass_broker_core::ids::{NodeId, TopicPartition};

/// What a request in flight is for.
#[derive(Debug)]
pub(crate) enum Call {
    /// Leaders.
    Metadata,
    /// Producer id.
    InitProducerId,
    /// Batches, in the order of the request.
    Produce(Vec<SentBatch>),
    /// Of transactions.
    Transaction(TransactionCall),
}

/// A batch in flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SentBatch {
    /// Partition index.
    pub(crate) partition: u32,
    /// Which batch.
    pub(crate) tag: u64,
}

/// What a [`Producer`] is made from.
#[derive(Debug)]
pub struct ProducerSetup {
    /// Parsed config.
    pub config: ProducerConfig,
    /// CPU time of its work.
    pub costs: ClientCosts,
    /// Bootstrap servers.
    pub bootstrap: Vec<NodeId>,
    /// Topic produced to; must exist or come to exist.
    pub topic: Arc<str>,
    /// Where records come from.
    pub arrivals: Box<dyn Arrivals>,
    /// Random draws of this instance alone.
    pub draws: Stream,
    /// First batch tag; tags count up. To be unique over the run: client index << 40.
    pub first_tag: u64,
    /// Present where records go in transactions.
    pub transactions: Option<TransactionsSetup>,
}

/// A simulated producer for one topic.
#[derive(Debug)]
pub struct Producer {
    pub(super) config: ProducerConfig,
    pub(super) costs: ClientCosts,
    pub(super) network: Network<Call>,
    pub(super) accumulator: Accumulator,
    pub(super) intake: Intake,
    pub(super) sticky: Sticky,
    pub(super) idempotence: Idempotence,
    pub(super) transactions: Option<Box<Transactions>>,
    /// Present where an application under test calls.
    pub(super) desk: Option<Box<Desk>>,
    /// No batch reaches its delivery timeout earlier, ns.
    pub(super) expiry_floor_ns: u64,
    pub(super) paused: bool,
    /// Batches go out without lingering.
    pub(super) flushing: bool,
    /// Partition at which the next drain starts.
    pub(super) drain_start: usize,
    pub(super) ready_scratch: Vec<NodeId>,
    pub(super) drain_scratch: Vec<u32>,
    wakeup: Wakeup,
}

impl Producer {
    /// A producer that waits for [`ClientInput::Start`].
    #[must_use]
    pub fn new(setup: ProducerSetup) -> Self {
        let config = setup.config;
        let topics = [setup.topic];
        // a broker that knows nothing of a producer with an epoch for each transaction takes none but the first
        let is_epoch_each = setup.transactions.as_ref().is_some_and(|of| of.plan.epoch_each);
        let first_sequence = if is_epoch_each { 0 } else { config.first_sequence };
        Self {
            config,
            costs: setup.costs,
            network: Network::new(config.connection, &setup.bootstrap, topics, setup.draws),
            accumulator: Accumulator::new(&config, setup.first_tag),
            intake: Intake::new(setup.arrivals, config.compression_permille),
            sticky: Sticky::default(),
            idempotence: Idempotence::new(
                config.idempotent || setup.transactions.is_some(),
                first_sequence,
            ),
            transactions: setup.transactions.map(|setup| Box::new(Transactions::new(setup))),
            desk: None,
            expiry_floor_ns: NEVER,
            paused: false,
            flushing: false,
            drain_start: 0,
            ready_scratch: Vec::new(),
            drain_scratch: Vec::new(),
            wakeup: Wakeup::new(),
        }
    }

    /// A producer that does what an application asks of it ([`ClientInput::Asked`]): its transactions
    /// begin and end when they are told to.
    #[must_use]
    pub fn for_application(setup: ProducerSetup) -> Self {
        let mut producer = Self::new(setup);
        producer.desk = Some(Box::default());
        if let Some(transactions) = &mut producer.transactions {
            transactions.calls = Some(Box::<Calls>::default());
        }
        producer
    }

    /// Takes one input. Everything that follows from it is in `cx.effects`.
    pub fn step(&mut self, input: ClientInput, cx: &mut ClientCx<'_>) {
        if let ClientInput::Timer(timer) = input
            && !self.wakeup.fired(timer)
        {
            return;
        }
        // records due before the input must see the state before it
        self.ingest(cx);
        self.handle(&input, cx);
        if self.desk.is_some() {
            self.hand_over_records(cx);
        }
        while let Some(node) = self.network.connections.expired(cx) {
            self.disconnected(node, cx);
        }
        self.expire_batches(cx);
        let wake_ns = self.run(cx).min(self.expiry_floor_ns);
        let wake_ns = wake_ns.min(self.network.refresh(Call::Metadata, cx));
        let wake_ns = wake_ns.min(self.network.connections.deadline_ns());
        let wake_ns = self.arrivals_wake_ns(wake_ns, cx.now_ns);
        if wake_ns != NEVER {
            self.wakeup.arm(wake_ns.max(cx.now_ns + 1), cx.effects);
        }
    }

    fn handle(&mut self, input: &ClientInput, cx: &mut ClientCx<'_>) {
        match input {
            ClientInput::Start | ClientInput::Timer(_) => {}
            ClientInput::Connected { node } => {
                self.network.connections.connected(*node);
            }
            ClientInput::ConnectFailed { node } | ClientInput::Disconnected { node } => {
                self.disconnected(*node, cx);
            }
            ClientInput::Response { node, correlation, response } => {
                self.answered(*node, *correlation, response, cx);
            }
            ClientInput::LoadChanged { rate_permille } => {
                self.change_load(cx.now_ns, *rate_permille);
            }
            ClientInput::StopLoad => {
                // What the end of a transaction holds back was offered all the same: it goes in another one. What a
                // full buffer holds back is more than the brokers take, with and without transactions: the drain is for
                // consumers to catch up, and not for the rest of an overload.
                let is_held_back = self.transactions.as_ref().is_some_and(|txn| txn.holds_back());
                let goes_on = is_held_back && !self.intake.is_blocked();
                self.intake.stop(cx.now_ns, goes_on);
                self.flushing = true;
                if let Some(transactions) = &mut self.transactions {
                    transactions.stopped = true;
                }
            }
            ClientInput::Pause => self.paused = true,
            ClientInput::Resume => {
                self.paused = false;
                self.intake.resume(cx.now_ns);
            }
            ClientInput::Asked { id, ask } => self.asked(*id, ask, cx),
        }
    }

    /// Hands over and sends until neither makes room for the other. When to come back, ns.
    fn run(&mut self, cx: &mut ClientCx<'_>) -> u64 {
        loop {
            let was_used = self.accumulator.used_bytes(&self.config);
            self.ingest(cx);
            let wake_ns = self.send_ready(cx);
            let is_used = self.accumulator.used_bytes(&self.config);
            // acks=0 frees memory at once
            if !self.intake.is_blocked() || is_used >= was_used {
                return wake_ns;
            }
        }
    }

    /// A partition's name; `None` before metadata.
    pub(super) fn tp(&self, partition: usize) -> Option<TopicPartition> {
        let id = self.network.view.topics().first()?.id?;
        Some(TopicPartition::new(id, i32::try_from(partition).ok()?))
    }

    /// Whether every record that was offered has come to an end. To be asked after
    /// [`ClientInput::StopLoad`].
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let ended = |at: &super::accumulator::PartitionQueue| {
            at.waiting.is_empty() && at.in_flight.is_empty()
        };
        let open = self.transactions.as_ref().is_some_and(|transactions| transactions.is_open());
        self.intake.is_done() && !open && self.accumulator.partitions.iter().all(ended)
    }

    /// Shows all records without an outcome, some at a time, when the run is over. Those that `send()` never got
    /// were intended by now, or before the load stopped.
    pub fn unfinished(&mut self, now_ns: u64, show: &mut dyn FnMut(Unfinished<'_>)) {
        let mut times_ns = Vec::new();
        for (partition, queue) in self.accumulator.partitions.iter().enumerate() {
            let tp = self.tp(partition);
            for batch in queue.in_flight.iter().chain(&queue.waiting) {
                times_ns.clear();
                times_ns.extend(batch.records.iter().map(|record| record.intended_ns));
                show(Unfinished { tp, times_ns: &times_ns, bytes: batch.raw_bytes });
            }
        }
        let mut unsent = |times_ns: &[u64], bytes| show(Unfinished { tp: None, times_ns, bytes });
        self.intake.unsent(now_ns, &mut unsent);
    }

    /// What its transaction waits for, in words; `None` without transactions.
    #[must_use]
    pub fn transaction_waits(&self) -> Option<String> {
        self.transactions.as_ref().map(|transactions| transactions.waits(self.is_quiet()))
    }

    /// Whether the application calls `send()` now.
    pub(super) fn is_sending(&self) -> bool {
        let held_back = self.transactions.as_ref().is_some_and(|txn| txn.holds_back());
        !self.paused && !held_back
    }

    /// Until when the quotas of some broker ask for silence, ns; 0 if none has ever asked.
    #[must_use]
    pub fn throttled_ns(&self) -> u64 {
        self.network.connections.throttled_ns()
    }

    /// Bytes of `buffer.memory` in use.
    #[must_use]
    pub fn buffered_bytes(&self) -> u64 {
        self.accumulator.used_bytes(&self.config)
    }
}
