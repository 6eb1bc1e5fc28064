//! Outcomes and gauges in, a recording out. Counts and latencies only; promises are the checkers'
//! business.

use super::delivery::{BatchRegistry, Delivery, Spread, about_bytes};
use super::failures::Cause;
use super::latency::{ByPhase, Clamped, ProducerLatency, push_series};
use super::outage::Outages;
use super::paths::{PathTaken, Paths};
use super::phases::Phases;
use super::seconds::Timeline;
use super::tally::Tally;
use super::topics::Topics;
use crate::client::{BatchDone, Outcome, Unfinished};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_broker_core::ids::{Offset, TopicId};
use stormglass_broker_core::records::{Batch, Body};

use stormglass_reports::recording::{
    BrokerSecond, CheckerSummary, ClusterEvent, LatencyKind, LatencySeries, Phase, QuotaWait,
    Recording, RemoteTotals, ReplicaSecond, TransferTotals, Violation,
};
use stormglass_scenarios::plan::Plan;

/// Which traffic crossed AZs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// Client to broker.
    Produce,
    /// Broker to client.
    Consume,
    /// Broker to broker.
    Replication,
}

/// Gauges at the end of a second.
#[derive(Debug, Clone)]
pub struct SecondGauges {
    /// Second since the run began; each comes once, in order.
    pub index: u32,
    /// Phase at its start.
    pub phase: Phase,
    /// One entry per broker, in order of id.
    pub brokers: Vec<BrokerSecond>,
    /// `(sum, max)` lag in records of each consumer group, in plan order.
    pub lags: Vec<(u64, u64)>,
    /// Partitions without a leader.
    pub offline_partitions: u32,
    /// Active controller.
    pub controller: Option<i32>,
}

/// What the recorder does not know itself.
#[derive(Debug, Clone, Default)]
pub struct Finish {
    /// What was checked.
    pub checkers: Vec<CheckerSummary>,
    /// Broken promises.
    pub violations: Vec<Violation>,
    /// Acknowledged records that are gone.
    pub lost_records: u64,
    /// Rolling hash over every event, hex.
    pub event_hash: String,
    /// `(events so far, hash)`.
    pub checkpoints: Vec<(u64, u64)>,
    /// Events processed.
    pub events_processed: u64,
    /// Simulated time at the end, ns.
    pub sim_ns: u64,
    /// Whether the run was cut short.
    pub interrupted: bool,
    /// What quotas did, in order of brokers.
    pub quota_waits: Vec<QuotaWait>,
    /// Ranges that the models left.
    pub assumptions: Vec<String>,
    /// *Sometimes* marks that were hit, and how often.
    pub marks: BTreeMap<String, u64>,
    /// Replicas at the end of each second.
    pub replicas: Vec<ReplicaSecond>,
    /// Remote storage, where a topic has it.
    pub remote: Option<RemoteTotals>,
}

#[derive(Debug)]
struct ProducerGroup {
    name: String,
    topic: String,
    compression_permille: u32,
    latency: ProducerLatency,
}

#[derive(Debug)]
struct ConsumerGroup {
    name: String,
    /// End-to-end latency by topic slot.
    topics: Vec<ByPhase>,
}

/// Collects a run's measurements.
#[derive(Debug)]
pub struct Recorder {
    phases: Phases,
    producers: Vec<ProducerGroup>,
    consumers: Vec<ConsumerGroup>,
    /// Names of the topics that each consumer group reads.
    subscriptions: Vec<Vec<String>>,
    topics: Topics,
    /// Consumer groups that read a topic, by topic slot.
    readers: Vec<u32>,
    /// To what the first producer group of a topic compresses it, by topic slot.
    compression_permille: Vec<u32>,
    timeline: Timeline,
    outages: Outages,
    registry: BatchRegistry,
    clamped: Clamped,
    paths: Paths,
    events: Vec<ClusterEvent>,
    transfer: TransferTotals,
    /// Records without an outcome, and since when the oldest of them has waited, ns.
    unfinished: (u64, u64),
    /// Whether latencies, outages and critical paths are measured, and not only counted what came
    /// of records.
    measures: bool,
}

impl Recorder {
    /// For a plan's producer and consumer groups.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let phases = Phases::new(&plan.phases);
        let producers = plan.producers.iter().map(|producer| ProducerGroup {
            name: producer.name.clone(),
            topic: producer.topic.clone(),
            compression_permille: producer.compression_permille,
            latency: ProducerLatency::default(),
        });
        let consumers = plan.consumers.iter();
        let consumers =
            consumers.map(|group| ConsumerGroup { name: group.group.clone(), topics: Vec::new() });
        Self {
            phases,
            producers: producers.collect(),
            consumers: consumers.collect(),
            subscriptions: plan.consumers.iter().map(|group| group.topics.clone()).collect(),
            topics: Topics::default(),
            readers: Vec::new(),
            compression_permille: Vec::new(),
            timeline: Timeline::new(plan.consumers.len()),
            outages: Outages::new(phases.warmup_end_ns),
            registry: BatchRegistry::default(),
            clamped: Clamped::default(),
            paths: Paths::default(),
            events: Vec::new(),
            transfer: TransferTotals::default(),
            unfinished: (0, u64::MAX),
            measures: true,
        }
    }

    /// Counts records and bytes only, from now on: who wants a verdict does not look at latencies.
    pub fn counts_only(&mut self) {
        self.measures = false;
    }

    /// Joins a topic's id with its name; before its first outcome, or its records have no
    /// end-to-end latency.
    pub fn topic(&mut self, id: TopicId, name: &Arc<str>) {
        if self.topics.slot(id).is_some() {
            return;
        }
        self.topics.insert(id, Arc::clone(name));
        let reads = |topics: &&Vec<String>| topics.iter().any(|topic| **topic == **name);
        let readers = self.subscriptions.iter().filter(reads).count();
        self.readers.push(u32::try_from(readers).expect("consumer groups are few"));
        let writer = self.producers.iter().find(|producer| *producer.topic == **name);
        let permille = writer.map_or(1_000, |producer| producer.compression_permille);
        self.compression_permille.push(permille);
        for group in &mut self.consumers {
            group.topics.push(ByPhase::default());
        }
    }

    /// An outcome of a client of producer group `producer` (index into the plan).
    pub fn produced(&mut self, producer: usize, outcome: &Outcome) {
        match outcome {
            Outcome::Acked(done) => self.acked(producer, done),
            Outcome::Failed(done, reason) => {
                self.failed(Cause::Failed(*reason), done.records.len() as u64);
                if self.measures {
                    self.ended(done, false);
                }
            }
            Outcome::Rejected { records, reason } => {
                self.failed(Cause::Rejected(*reason), *records);
            }
            _ => {}
        }
    }

    /// Counts intended records that never get an outcome: those refused before they got into a
    /// batch, and those that the client still holds when the run ends. All others are counted from
    /// their outcome.
    pub fn offered(&mut self, intended_ns: u64, records: u64, bytes: u64) {
        self.timeline.offered(intended_ns, records, bytes);
    }

    /// Records of producer group `producer` (index into the plan) have no outcome when the run ends: they were
    /// offered, and have waited until then.
    pub fn unfinished(&mut self, producer: usize, held: Unfinished<'_>, end_ns: u64) {
        let Unfinished { tp, times_ns, bytes } = held;
        let Some(oldest_ns) = times_ns.first().copied().filter(|_| self.measures) else { return };
        self.timeline.offered_run(times_ns, |intended_ns| *intended_ns, bytes);
        let latency = &mut self.producers[producer].latency;
        latency.unfinished(&self.phases, times_ns, end_ns, &mut self.clamped);
        if let Some(tp) = tp {
            self.outages.waited(tp, oldest_ns, end_ns);
        }
        let (records, since_ns) = self.unfinished;
        self.unfinished = (records + times_ns.len() as u64, since_ns.min(oldest_ns));
    }

    /// An outcome of a client of consumer group `consumer` (index into the plan).
    pub fn delivered(&mut self, consumer: usize, outcome: &Outcome) {
        let Outcome::Delivered { tp, batch, first_offset, count, delivered_ns, .. } = outcome
        else {
            return;
        };
        let topic = self.topics.slot(tp.topic);
        let permille = topic.map_or(1_000, |topic| self.compression_permille[topic]);
        let delivery = Delivery {
            consumer,
            first: index_in(batch, *first_offset),
            count: *count,
            at_ns: *delivered_ns,
            second: self.timeline.second(),
            bytes: 0,
        };
        let about = || about_bytes(batch, *count, permille);
        let Body::Template { tag, .. } = batch.body else {
            return self.got(None, delivery, about);
        };
        self.got(topic.map(|topic| (topic, tag)), delivery, about);
    }

    /// A record that consumer group `consumer` got outside of a simulation, known by the tag with which
    /// it was acknowledged as a batch of its own; with the bytes of its key and value.
    pub fn delivered_record(
        &mut self,
        consumer: usize,
        (topic, tag): (TopicId, Option<u64>),
        at_ns: u64,
        bytes: u64,
    ) {
        let second = self.timeline.second();
        let delivery = Delivery { consumer, first: 0, count: 1, at_ns, second, bytes: 0 };
        let batch = self.topics.slot(topic).zip(tag);
        self.got(batch, delivery, || bytes);
    }

    /// Bytes that crossed AZs at a time; only those of the measured time count.
    pub fn transfer(&mut self, now_ns: u64, kind: Transfer, bytes: u64) {
        if !self.phases.is_measured(now_ns) {
            return;
        }
        match kind {
            Transfer::Produce => self.transfer.produce_cross_az_bytes += bytes,
            Transfer::Consume => self.transfer.consume_cross_az_bytes += bytes,
            Transfer::Replication => self.transfer.replication_cross_az_bytes += bytes,
        }
    }

    /// A second is over.
    pub fn end_of_second(&mut self, gauges: SecondGauges) {
        self.count();
        self.timeline.end(gauges);
    }

    /// Something happened to the cluster.
    pub fn event(&mut self, event: ClusterEvent) {
        self.events.push(event);
    }

    /// A sampled critical path. Bounded: later ones thin out earlier ones evenly.
    pub fn path(&mut self, sample: PathTaken) {
        if self.measures {
            self.paths.push(sample);
        }
    }

    /// Everything measured.
    #[must_use]
    pub fn finish(mut self, finish: Finish) -> Recording {
        self.count();
        let latency = self.series();
        let group_name = |group: usize| self.producers[group].name.clone();
        let paths = std::mem::take(&mut self.paths).into_samples(group_name);
        self.events.sort_by_key(|event| event.at_ns);
        let mut assumptions = finish.assumptions;
        assumptions.extend(self.notes(finish.sim_ns));
        let measured_end_ns = finish.sim_ns.min(self.phases.heal_end_ns);
        self.transfer.measured_ns = measured_end_ns.saturating_sub(self.phases.warmup_end_ns);
        let (seconds, response_intervals) = self.timeline.finish();
        for second in &seconds {
            if second.phase.is_measured() {
                let brokers = second.brokers.iter();
                self.transfer.in_bytes += brokers.clone().map(|b| b.bytes_in).sum::<u64>();
                self.transfer.out_bytes += brokers.clone().map(|b| b.bytes_out).sum::<u64>();
                self.transfer.remote_fetched_bytes +=
                    brokers.map(|b| b.remote_fetched).sum::<u64>();
            }
        }
        Recording {
            latency,
            seconds,
            response_intervals,
            events: self.events,
            paths,
            violations: finish.violations,
            checkers: finish.checkers,
            lost_records: finish.lost_records,
            unresolved_records: self.unfinished.0,
            unavailability: self.outages.into_list(&self.topics),
            transfer: self.transfer,
            event_hash: finish.event_hash,
            checkpoints: finish.checkpoints,
            events_processed: finish.events_processed,
            sim_ns: finish.sim_ns,
            interrupted: finish.interrupted,
            quota_waits: finish.quota_waits,
            assumptions,
            marks: finish.marks,
            replicas: finish.replicas,
            remote: finish.remote,
        }
    }

    /// Adds the latencies of the current second to those of the phases.
    fn count(&mut self) {
        let current = &mut self.timeline.current;
        for group in &mut self.producers {
            group.latency.count(&mut current.response);
        }
        for tally in self.consumers.iter_mut().flat_map(|group| &mut group.topics).flatten() {
            tally.count(&mut current.end_to_end);
        }
    }

    fn acked(&mut self, producer: usize, done: &BatchDone) {
        let current = &mut self.timeline.current;
        current.acked_records += done.records.len() as u64;
        current.acked_bytes += done.raw_bytes;
        if !self.measures {
            return;
        }
        let latency = &mut self.producers[producer].latency;
        latency.acked(&self.phases, done, &mut self.clamped);
        self.ended(done, true);
    }

    fn failed(&mut self, cause: Cause, records: u64) {
        self.timeline.current.failed.count(cause, records);
    }

    /// A group gets records of a batch, known by its topic's slot and its tag. `about`: how many bytes, as far as the
    /// batch alone tells.
    fn got(
        &mut self,
        batch: Option<(usize, u64)>,
        mut delivery: Delivery,
        about: impl FnOnce() -> u64,
    ) {
        let batch = batch.filter(|_| self.measures);
        let known = batch.and_then(|(topic, tag)| {
            let spread = self.registry.take(tag, delivery.count)?;
            Some((topic, spread))
        });
        delivery.bytes = known.map_or_else(about, |(_, spread)| spread.bytes_of(delivery));
        self.timeline.delivered(&delivery);
        match (known, batch) {
            (Some((topic, spread)), _) => self.end_to_end(topic, spread, delivery),
            (None, Some((_, tag))) => self.registry.wait(tag, delivery),
            (None, None) => {}
        }
    }

    fn ended(&mut self, done: &BatchDone, acked: bool) {
        self.timeline.offered_batch(done);
        self.outages.ended(done, acked);
        let Some(topic) = self.topics.slot(done.tp.topic) else { return };
        let groups = self.readers[topic];
        if groups == 0 || !(acked || done.ambiguous) {
            return;
        }
        let batch = (done.records.as_slice(), done.raw_bytes);
        let Some((spread, early)) = self.registry.ended(done.tag, batch, groups) else { return };
        for delivery in early {
            self.timeline.correct(&delivery, spread.bytes_of(delivery));
            self.end_to_end(topic, spread, delivery);
        }
    }

    fn end_to_end(&mut self, topic: usize, spread: Spread, delivery: Delivery) {
        let by_phase = &mut self.consumers[delivery.consumer].topics[topic];
        let phase_of = |index| self.phases.index_at(spread.intended_ns(index));
        let (mut from, end) = (delivery.first, delivery.first + delivery.count);
        while from < end {
            let phase = phase_of(from);
            // nearly always the whole of it
            let whole = phase_of(end - 1) == phase;
            let beyond = |index: &u32| phase_of(*index) != phase;
            let to = if whole { end } else { (from..end).find(beyond).unwrap_or(end) };
            let intended = (from..to).map(|index| spread.intended_ns(index));
            by_phase[phase].add_until(delivery.at_ns, intended, &mut self.clamped);
            from = to;
        }
    }

    fn series(&self) -> Vec<LatencySeries> {
        let mut series = Vec::new();
        for group in &self.producers {
            group.latency.series(&group.name, &group.topic, &mut series);
        }
        for group in &self.consumers {
            for (topic, by_phase) in group.topics.iter().enumerate() {
                let names = (group.name.as_str(), self.topics.name(topic));
                let by_phase = by_phase.iter().map(Tally::counted);
                push_series(LatencyKind::EndToEnd, by_phase, names, &mut series);
            }
        }
        series.sort_by(|a, b| {
            (a.kind, &a.group, &a.topic, a.phase).cmp(&(b.kind, &b.group, &b.topic, b.phase))
        });
        series
    }

    fn notes(&self, sim_ns: u64) -> Vec<String> {
        let mut notes = Vec::new();
        let (unfinished, since_ns) = self.unfinished;
        if unfinished > 0 {
            notes.push(format!(
                "{unfinished} records had no outcome when the run ended, the oldest of them for {} ms: they \
                 are counted as offered, and in the response latency with the time that they have waited",
                sim_ns.saturating_sub(since_ns) / 1_000_000
            ));
        }
        if self.clamped.records > 0 {
            notes.push(format!(
                "{} latencies above one hour are counted as one hour",
                self.clamped.records
            ));
        }
        if self.registry.forgotten > 0 {
            notes.push(format!(
                "{} batches were consumed too late, or never produced in this run, and have no \
                 end-to-end latency",
                self.registry.forgotten
            ));
        }
        notes.extend(self.timeline.failures());
        notes
    }
}

/// Place of an offset in its batch.
fn index_in(batch: &Batch, offset: Offset) -> u32 {
    u32::try_from(offset - batch.base_offset()).unwrap_or(0)
}
