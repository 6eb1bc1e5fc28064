//! A member of a consumer group: takes what there is, and says which records it got.

use crate::message::Stamp;
use crate::observer::Report;
use crate::producer::{place, topic_id};
use crate::run::{ASSIGNED_WITHIN, BenchError, Shared, TICK, now};
use crate::settings;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;
use stormglass_broker_core::ids::{TopicId, TopicPartition};

/// Records told of at once.
const ROUND: usize = 1000;

/// A record that a member got.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Got {
    pub(crate) tp: TopicPartition,
    pub(crate) offset: i64,
    /// `None`: it carries no stamp of this run.
    pub(crate) tag: Option<u64>,
    pub(crate) at_ns: u64,
    pub(crate) bytes: u64,
}

/// A member with its group.
pub(crate) struct Member {
    group: usize,
    consumer: BaseConsumer,
    /// Names in the cluster, and which topics of the plan they are.
    topics: Vec<(String, TopicId)>,
    start_ns: u64,
    per_record: Duration,
}

/// All members of all groups. Those that read from the beginning of the run have their partitions.
pub(crate) fn join_all(shared: &Shared) -> Result<Vec<Member>, BenchError> {
    let mut members = Vec::new();
    for (group, plan) in shared.plan.consumers.iter().enumerate() {
        for _ in 0..plan.count {
            let mut config = settings::consumer(&shared.target, &plan.config);
            config.set("group.id", format!("stormglass-{:08x}-{}", shared.run as u32, plan.group));
            // the topics are new: their beginning is the run's, whoever is late
            config.set("auto.offset.reset", "earliest");
            let topics = plan.topics.iter();
            let topics = topics.map(|name| (shared.topic(name), topic_id(&shared.plan, name)));
            let member = Member {
                group,
                consumer: config.create()?,
                topics: topics.collect(),
                start_ns: plan.start_ns,
                per_record: Duration::from_nanos(plan.process_ns_per_record),
            };
            if plan.start_ns == 0 {
                member.join()?;
            }
            members.push(member);
        }
    }
    let until = now() + ASSIGNED_WITHIN;
    let waiting = |member: &&Member| member.start_ns == 0 && !member.has_partitions();
    while now() < until && members.iter().any(|member| waiting(&member)) {
        for member in members.iter().filter(|member| member.start_ns == 0) {
            // a member joins while it is polled; nothing is produced yet
            member.consumer.poll(Duration::from_millis(1));
        }
    }
    Ok(members)
}

impl Member {
    fn join(&self) -> Result<(), BenchError> {
        let names: Vec<&str> = self.topics.iter().map(|(name, _)| name.as_str()).collect();
        Ok(self.consumer.subscribe(&names)?)
    }

    fn has_partitions(&self) -> bool {
        self.consumer.assignment().is_ok_and(|list| list.count() > 0)
    }

    /// Until consumers are told to end.
    pub(crate) fn run(self, shared: &Shared, reports: &Sender<Report>) {
        let ends = || shared.consumers_end.load(Ordering::Acquire);
        while shared.now_ns() < self.start_ns && !ends() {
            thread::park_timeout(TICK);
        }
        if self.start_ns > 0
            && let Err(error) = self.join()
        {
            let _ = reports.send(Report::Trouble(error.to_string()));
            return;
        }
        let mut got = Vec::with_capacity(ROUND);
        while !ends() {
            match self.consumer.poll(TICK) {
                Some(Ok(message)) => got.push(self.got(shared, &message)),
                Some(Err(error)) => {
                    let _ = reports.send(Report::Trouble(error.to_string()));
                }
                None => self.tell(&mut got, reports),
            }
            if got.len() >= ROUND || got.first().is_some_and(|first| is_old(shared, first)) {
                self.tell(&mut got, reports);
            }
        }
        self.tell(&mut got, reports);
    }

    fn got(&self, shared: &Shared, message: &rdkafka::message::BorrowedMessage<'_>) -> Got {
        let at_ns = shared.now_ns();
        let stamp = message.payload().and_then(Stamp::read);
        let tag = stamp.filter(|stamp| stamp.run == shared.run).map(|stamp| stamp.tag);
        let topic = self.topics.iter().find(|(name, _)| name == message.topic());
        let topic = topic.map_or(TopicId(0), |(_, id)| *id);
        let bytes = (message.payload_len() + message.key_len()) as u64;
        if !self.per_record.is_zero() {
            thread::park_timeout(self.per_record);
        }
        Got { tp: place(topic, message.partition()), offset: message.offset(), tag, at_ns, bytes }
    }

    fn tell(&self, got: &mut Vec<Got>, reports: &Sender<Report>) {
        if !got.is_empty() {
            // whoever listens has gone only when the run is over
            let _ = reports.send(Report::Consumed { group: self.group, records: got.clone() });
            got.clear();
        }
    }
}

fn is_old(shared: &Shared, first: &Got) -> bool {
    shared.now_ns().saturating_sub(first.at_ns) > TICK.as_nanos() as u64
}
