//! A producer instance: hands records over when they are due, whatever became of those before.

use crate::message::{KEY_BYTES, Stamp, Values};
use crate::observer::Report;
use crate::run::{BenchError, Shared, TICK};
use crate::settings;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::util::Timeout;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use stormglass_broker_core::ids::{TopicId, TopicPartition};
use stormglass_scenarios::plan::{Plan, ProducerPlan, SizeDist};
use stormglass_sim::rng::Streams;
use stormglass_sim::workload::{Record, RecordSource};

/// Bits of a tag below the number of its producer instance.
pub(crate) const TAG_BITS: u32 = 40;
/// librdkafka waits whole milliseconds.
const SHORT: Duration = Duration::from_millis(1);
/// Records between two looks at what was delivered.
const ROUND: usize = 1000;

/// A record that librdkafka has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) tag: u64,
    pub(crate) intended_ns: u64,
    pub(crate) handed_ns: u64,
    pub(crate) bytes: u32,
}

/// Where a record went, and its offset; or why it did not.
pub(crate) type Fate = Result<(i32, i64), (i32, KafkaError)>;

/// What librdkafka says has become of records, until it is picked up.
#[derive(Default)]
struct Deliveries(Mutex<Vec<(Sent, Instant, Fate)>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Sent>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Box<Sent>) {
        let fate = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, message)) => Err((message.partition(), error.clone())),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((*sent, crate::run::now(), fate));
    }
}

/// A connected producer instance.
pub(crate) struct Client {
    group: usize,
    producer: BaseProducer<Deliveries>,
    source: RecordSource,
    values: Values,
    topic: String,
    topic_id: TopicId,
    partitions: u32,
    /// Of the next record.
    tag: u64,
}

/// One for each instance of each group.
pub(crate) fn connect_all(shared: &Shared) -> Result<Vec<Client>, BenchError> {
    let streams = Streams::new(shared.plan.seed);
    let mut clients = Vec::new();
    for (group, plan) in shared.plan.producers.iter().enumerate() {
        for instance in 0..plan.count {
            let number = clients.len() as u64;
            clients.push(Client::connect(shared, (group, plan), (instance, number), &streams)?);
        }
    }
    Ok(clients)
}

impl Client {
    fn connect(
        shared: &Shared,
        (group, plan): (usize, &ProducerPlan),
        (instance, number): (u32, u64),
        streams: &Streams,
    ) -> Result<Self, BenchError> {
        let config = settings::client(&shared.target, &plan.config);
        let producer: BaseProducer<Deliveries> =
            config.create_with_context(Deliveries::default())?;
        let mut source = RecordSource::new(plan, instance, streams);
        for (at_ns, permille) in shared.plan.load_changes(&plan.name) {
            source.set_multiplier(at_ns, permille);
        }
        let longest = match plan.record_size {
            SizeDist::Fixed { bytes } => bytes,
            SizeDist::Uniform { max_bytes, .. } => max_bytes,
        };
        let mut stream = streams.stream((plan.name.as_str(), u64::from(instance)), "values");
        let partitions = partitions(&shared.plan, &plan.topic);
        Ok(Self {
            group,
            producer,
            source,
            values: Values::new(longest as usize, plan.compression_permille, &mut stream),
            topic: shared.topic(&plan.topic),
            topic_id: topic_id(&shared.plan, &plan.topic),
            partitions: u32::try_from(partitions).unwrap_or(u32::MAX).max(1),
            tag: number << TAG_BITS,
        })
    }

    /// Until producers are told to end; then until nothing is under way.
    pub(crate) fn run(mut self, shared: &Shared, reports: &Sender<Report>) {
        let phases = shared.plan.phases;
        let load_ends_ns = phases.drain_starts_ns();
        let mut held = None;
        while !shared.producers_end.load(Ordering::Acquire) {
            let now_ns = shared.now_ns();
            let full = self.send_due(shared, &mut held, now_ns.min(load_ends_ns - 1));
            // what was due in time is handed over however late it is, while the drain lasts
            let over = !full && held.is_none() && self.is_done(load_ends_ns);
            if now_ns >= load_ends_ns && (over || now_ns >= phases.ends_ns()) {
                break;
            }
            let until = self.source.peek_ns().map_or(TICK, |at_ns| {
                Duration::from_nanos(at_ns.saturating_sub(shared.now_ns())).min(TICK)
            });
            self.wait(if full { SHORT } else { until });
            self.report(shared, reports);
        }
        self.flush(shared, reports);
        self.unsent(held, load_ends_ns, reports);
    }

    /// Nothing more is due before the load ends.
    fn is_done(&self, load_ends_ns: u64) -> bool {
        self.source.peek_ns().is_none_or(|at_ns| at_ns >= load_ends_ns)
    }

    /// Hands over what is due. `true`: librdkafka's buffer is full, and a record is held back.
    fn send_due(&mut self, shared: &Shared, held: &mut Option<Record>, now_ns: u64) -> bool {
        for _ in 0..ROUND {
            let Some(record) = held.take().or_else(|| self.source.next_due(now_ns)) else {
                return false;
            };
            if !self.send(shared, record) {
                *held = Some(record);
                return true;
            }
        }
        false
    }

    /// `false`: there is no room now.
    fn send(&mut self, shared: &Shared, record: Record) -> bool {
        let key = record.key_hash.map(u32::to_be_bytes);
        let key_bytes = if key.is_some() { KEY_BYTES } else { 0 };
        let len = (record.bytes as usize).saturating_sub(key_bytes);
        let stamp = Stamp { run: shared.run, tag: self.tag };
        let sent = Box::new(Sent {
            tag: self.tag,
            intended_ns: record.intended_ns,
            handed_ns: shared.now_ns(),
            bytes: record.bytes,
        });
        let mut message: BaseRecord<'_, [u8], [u8], Box<Sent>> =
            BaseRecord::with_opaque_to(&self.topic, sent).payload(self.values.stamped(len, stamp));
        if let Some(key) = &key {
            message = message.key(&key[..]);
            let partition = record.key_hash.map_or(0, |hash| hash % self.partitions);
            message = message.partition(i32::try_from(partition).unwrap_or(0));
        }
        match self.producer.send(message) {
            Ok(()) => {}
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => return false,
            // its fate is told as that of all others
            Err((error, refused)) => {
                let context = self.producer.context();
                let mut all = context.0.lock().unwrap_or_else(PoisonError::into_inner);
                all.push((*refused.delivery_opaque, crate::run::now(), Err((-1, error))));
            }
        }
        self.tag += 1;
        true
    }

    /// Lets librdkafka tell what it knows for about this long.
    fn wait(&self, time: Duration) {
        if time >= SHORT {
            self.producer.poll(Timeout::After(time));
        } else {
            self.producer.poll(Timeout::After(Duration::ZERO));
            thread::park_timeout(time);
        }
    }

    fn report(&self, shared: &Shared, reports: &Sender<Report>) {
        let context: &Arc<Deliveries> = self.producer.context();
        let done = std::mem::take(&mut *context.0.lock().unwrap_or_else(PoisonError::into_inner));
        if done.is_empty() {
            return;
        }
        let at_ns = |at: Instant| {
            let elapsed = at.saturating_duration_since(shared.origin);
            u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
        };
        let records = done.into_iter().map(|(sent, at, fate)| (sent, at_ns(at), fate));
        let (group, topic) = (self.group, self.topic_id);
        // whoever listens has gone only when the run is over
        let _ = reports.send(Report::Produced { group, topic, records: records.collect() });
    }

    /// Waits for what is under way, as long as the drain lasts.
    fn flush(&self, shared: &Shared, reports: &Sender<Report>) {
        let ends_ns = shared.plan.phases.ends_ns();
        while self.producer.in_flight_count() > 0
            && shared.now_ns() < ends_ns
            && !shared.consumers_end.load(Ordering::Acquire)
        {
            self.wait(TICK);
            self.report(shared, reports);
        }
        if self.producer.in_flight_count() > 0 {
            // what is purged is told as failed
            self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
            self.wait(TICK);
        }
        self.report(shared, reports);
    }

    /// What was due and never handed over counts as offered.
    fn unsent(&mut self, held: Option<Record>, load_ends_ns: u64, reports: &Sender<Report>) {
        let mut left: Vec<(u64, u32)> =
            held.into_iter().map(|record| (record.intended_ns, record.bytes)).collect();
        while let Some(record) = self.source.next_due(load_ends_ns.saturating_sub(1)) {
            left.push((record.intended_ns, record.bytes));
        }
        let _ = reports.send(Report::Unsent(left));
    }
}

fn partitions(plan: &Plan, name: &str) -> usize {
    let topic = plan.topics.iter().find(|topic| topic.name == name);
    topic.map_or(1, |topic| topic.assignment.len())
}

/// Topics are told apart by their place in the plan.
pub(crate) fn topic_id(plan: &Plan, name: &str) -> TopicId {
    let place = plan.topics.iter().position(|topic| topic.name == name).unwrap_or(0);
    TopicId(place as u128 + 1)
}

/// A partition of one.
pub(crate) fn place(topic: TopicId, partition: i32) -> TopicPartition {
    TopicPartition { topic, partition }
}
