//! A run from its beginning to its end: topics, members, clients, and what is heard of them.

use crate::message::Stamp;
use crate::observer::{Observer, Report};
use crate::{consumer, producer, topics};
use rdkafka::error::KafkaError;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use stormglass_reports::recording::Recording;
use stormglass_scenarios::plan::{Action, Arrival, Plan};

/// Longest wait until consumers have partitions.
pub(crate) const ASSIGNED_WITHIN: Duration = Duration::from_secs(30);
/// How often is looked whether something has ended.
pub(crate) const TICK: Duration = Duration::from_millis(20);

/// The cluster and how it is reached.
#[derive(Debug, Clone)]
pub struct Target {
    /// `host:port` of some brokers, separated by commas.
    pub bootstrap: String,
    /// librdkafka's properties beside those of the scenario; they win.
    pub properties: Vec<(String, String)>,
    /// Leaves the topics of the run in place.
    pub keep_topics: bool,
}

/// Why there is no recording.
#[derive(Debug)]
pub enum BenchError {
    /// A property that librdkafka does not take: its name, and why.
    Property(String, String),
    /// A cluster that is not there.
    Kafka(KafkaError),
    /// A topic cannot be made.
    Topic(String),
    /// What a real client cannot do.
    Unsupported(String),
    /// No random name for this run.
    Entropy(getrandom::Error),
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(key, why) => write!(f, "librdkafka does not take `{key}`: {why}"),
            Self::Kafka(error) => write!(f, "{error}"),
            Self::Topic(message) | Self::Unsupported(message) => f.write_str(message),
            Self::Entropy(error) => write!(f, "the system has no random numbers: {error}"),
        }
    }
}

impl std::error::Error for BenchError {}

impl From<KafkaError> for BenchError {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(_, why, key, _) => Self::Property(key, why),
            error => Self::Kafka(error),
        }
    }
}

/// What all threads of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Plan,
    pub(crate) target: Target,
    /// Of this run alone; in the names of its topics and groups, and in its records.
    pub(crate) run: u64,
    /// When the run's time begins.
    pub(crate) origin: Instant,
    pub(crate) producers_end: AtomicBool,
    pub(crate) consumers_end: AtomicBool,
}

impl Shared {
    /// Time since the run began, ns; 0 before.
    pub(crate) fn now_ns(&self) -> u64 {
        let elapsed = now().saturating_duration_since(self.origin);
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The name that a topic of the scenario has in the cluster.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("stormglass-{:08x}-{name}", self.run as u32)
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench runs in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Runs the plan's workload. `interrupt` ends it early; `progress` hears of each second.
///
/// # Errors
/// The cluster is not there, does not let topics be made, or the plan asks for what a real client
/// cannot do.
pub fn bench(
    plan: &Plan,
    target: &Target,
    interrupt: &AtomicBool,
    progress: impl FnMut(u64),
) -> Result<Recording, BenchError> {
    supported(plan)?;
    let run = getrandom::u64().map_err(BenchError::Entropy)?;
    let shared = Shared {
        plan: plan.clone(),
        target: target.clone(),
        run,
        origin: now() + ASSIGNED_WITHIN,
        producers_end: AtomicBool::new(false),
        consumers_end: AtomicBool::new(false),
    };
    let topics = topics::create(&shared)?;
    let recording = connect_and_drive(shared, (interrupt, progress));
    if !target.keep_topics {
        topics.delete()?;
    }
    recording
}

fn connect_and_drive(
    mut shared: Shared,
    watched: (&AtomicBool, impl FnMut(u64)),
) -> Result<Recording, BenchError> {
    // Members find each other, and their partitions, before the run's time begins.
    let consumers = consumer::join_all(&shared)?;
    let producers = producer::connect_all(&shared)?;
    shared.origin = now();
    Ok(drive(shared, producers, consumers, watched))
}

fn drive(
    shared: Shared,
    producers: Vec<producer::Client>,
    consumers: Vec<consumer::Member>,
    (interrupt, progress): (&AtomicBool, impl FnMut(u64)),
) -> Recording {
    let shared = Arc::new(shared);
    let (reports, inbox) = mpsc::channel::<Report>();
    let mut observer = Observer::new(&shared.plan, assumptions(&shared.plan));
    let sending = AtomicUsize::new(producers.len());
    thread::scope(|scope| {
        for client in producers {
            let (shared, reports, sending) = (Arc::clone(&shared), reports.clone(), &sending);
            scope.spawn(move || {
                client.run(&shared, &reports);
                sending.fetch_sub(1, Ordering::AcqRel);
            });
        }
        for member in consumers {
            let (shared, reports) = (Arc::clone(&shared), reports.clone());
            scope.spawn(move || member.run(&shared, &reports));
        }
        drop(reports);
        observer.watch(&shared, &inbox, (interrupt, &sending), progress);
    });
    observer.finish(&shared)
}

/// What a real client cannot do.
fn supported(plan: &Plan) -> Result<(), BenchError> {
    for producer in &plan.producers {
        if matches!(producer.arrival, Arrival::Closed { .. }) {
            let message = format!("producer `{}` is a closed loop, a bench is open", producer.name);
            return Err(BenchError::Unsupported(message));
        }
        if producer.transactions.is_some() {
            let message =
                format!("producer `{}` has transactions, a bench has none", producer.name);
            return Err(BenchError::Unsupported(message));
        }
    }
    Ok(())
}

/// What a reader must know of the figures.
fn assumptions(plan: &Plan) -> Vec<String> {
    let mut notes = vec![
        "measured on a real cluster, whose brokers are not looked into: their CPU, network, disks and \
         replicas have no figures, and costs are those of the scenario's cluster"
            .to_owned(),
        "clients, their threads and this process share one machine".to_owned(),
    ];
    let faults = plan.events.iter().filter(|event| !matches!(event.action, Action::Load { .. }));
    let faults = faults.count();
    if faults > 0 {
        notes.push(format!(
            "{faults} of the scenario's events need a simulation and did not happen"
        ));
    }
    let small = plan.producers.iter().filter(|producer| !Stamp::fits(producer.record_size));
    for producer in small {
        notes.push(format!(
            "records of `{}` have no room for a stamp of {} bytes: no end-to-end latency",
            producer.name,
            Stamp::BYTES
        ));
    }
    notes
}
