//! What the files tell, fact by fact, before anything is guessed.

use super::series::Series;
use super::{ImportError, Varied};
use std::collections::{BTreeMap, BTreeSet};

/// A value and where it is from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fact<T> {
    pub(super) value: T,
    /// File and place, or nothing for a guess.
    pub(super) from: Option<String>,
}

impl<T> Fact<T> {
    pub(super) fn new(value: T, from: impl Into<String>) -> Self {
        Self { value, from: Some(from.into()) }
    }

    pub(super) const fn guess(value: T) -> Self {
        Self { value, from: None }
    }
}

/// Kafka configs by name.
pub(super) type Configs = BTreeMap<String, Fact<String>>;

/// Everything known so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: Option<Fact<String>>,
    pub(super) cluster: ClusterDraft,
    pub(super) topics: BTreeMap<String, TopicDraft>,
    pub(super) producers: Vec<ProducerDraft>,
    pub(super) consumers: Vec<ConsumerDraft>,
    pub(super) events: Vec<EventDraft>,
    pub(super) warmup_seconds: Option<Fact<u64>>,
    pub(super) measure_seconds: Option<Fact<u64>>,
    /// Size of a measured record, bytes.
    pub(super) record_bytes: Option<Fact<u64>>,
    pub(super) traffic: Traffic,
    pub(super) series: Vec<Series>,
    pub(super) omb: super::omb::Omb,
    pub(super) trogdor: super::trogdor::Trogdor,
    pub(super) sweep: Vec<Varied>,
    pub(super) guessed: Vec<String>,
    pub(super) left_out: Vec<String>,
}

/// `[cluster]`.
#[derive(Debug, Default)]
pub(super) struct ClusterDraft {
    /// AWS region.
    pub(super) region: Option<Fact<String>>,
    pub(super) instance: Option<Fact<String>>,
    /// MSK Serverless, whose brokers nobody sees.
    pub(super) is_serverless: bool,
    pub(super) brokers: Option<Fact<u32>>,
    pub(super) azs: Option<Fact<u32>>,
    pub(super) storage_gib: Option<Fact<u64>>,
    pub(super) throughput_mib: Option<Fact<u64>>,
    pub(super) kafka: Option<Fact<String>>,
    /// TLS between clients and brokers.
    pub(super) client_tls: Option<Fact<bool>>,
    /// TLS between brokers.
    pub(super) in_cluster_tls: Option<Fact<bool>>,
    /// Where the cluster says that it has tiered storage.
    pub(super) tiered: Option<String>,
    pub(super) config: Configs,
}

/// A topic.
#[derive(Debug, Default)]
pub(super) struct TopicDraft {
    pub(super) partitions: Option<Fact<u32>>,
    pub(super) replication: Option<Fact<u32>>,
    pub(super) config: Configs,
    /// Bytes of all partitions, once each.
    pub(super) stored_bytes: Option<Fact<u64>>,
}

/// A rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rate {
    Bytes(u64),
    Records(u64),
}

/// A producer group.
#[derive(Debug)]
pub(super) struct ProducerDraft {
    pub(super) name: String,
    pub(super) topic: String,
    pub(super) count: Fact<u32>,
    pub(super) rate: Fact<Rate>,
    /// Seconds since the measure phase began, and the rate from then on; instead of `rate`.
    pub(super) curve: Vec<(u64, Rate)>,
    pub(super) record_bytes: Fact<u64>,
    /// As the scenario writes it; the default if not given.
    pub(super) arrival: Option<Fact<&'static str>>,
    pub(super) keys: Option<Fact<u64>>,
    pub(super) compressed_percent: Option<Fact<u64>>,
    pub(super) config: Configs,
}

/// A consumer group.
#[derive(Debug)]
pub(super) struct ConsumerDraft {
    pub(super) group: String,
    pub(super) topics: Fact<BTreeSet<String>>,
    pub(super) count: Fact<u32>,
    pub(super) config: Configs,
}

/// An event, its keys as the scenario writes them.
#[derive(Debug)]
pub(super) struct EventDraft {
    pub(super) keys: Vec<(&'static str, String)>,
    pub(super) from: String,
}

/// Measured rates of the whole cluster, bytes and records per second.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) bytes_in: Option<Fact<u64>>,
    pub(super) bytes_out: Option<Fact<u64>>,
    /// Bytes that came in where bytes that left are known, too.
    pub(super) bytes_in_of_senders: Option<u64>,
    pub(super) messages_in: Option<Fact<u64>>,
    /// Leaders of all partitions, those of Kafka's own topics included.
    pub(super) leaders: Option<Fact<u64>>,
    pub(super) bytes_in_by_topic: BTreeMap<String, Fact<u64>>,
}

impl Draft {
    /// The topic of that name. Names that Kafka would not take are refused, its own are told apart.
    pub(super) fn topic(
        &mut self,
        name: &str,
        place: &str,
    ) -> Result<Option<&mut TopicDraft>, ImportError> {
        let is_legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 249 || !name.chars().all(is_legal) {
            let shown: String = name.chars().take(60).collect();
            return Err(ImportError::new(place, format!("`{shown}` is not a topic's name")));
        }
        if name.starts_with("__") {
            self.leave_out(format!("internal topic {name}"));
            return Ok(None);
        }
        Ok(Some(self.topics.entry(name.to_owned()).or_default()))
    }

    /// Notes what is in a file and not in the scenario, once.
    pub(super) fn leave_out(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.left_out.contains(&what) {
            self.left_out.push(what);
        }
    }

    pub(super) fn guess(&mut self, what: impl Into<String>) {
        let what = what.into();
        if !self.guessed.contains(&what) {
            self.guessed.push(what);
        }
    }
}

/// Sets what is not known yet; a second file that says otherwise is an error.
pub(super) fn set<T: PartialEq + std::fmt::Debug>(
    slot: &mut Option<Fact<T>>,
    value: T,
    from: &str,
) -> Result<(), ImportError> {
    match slot {
        Some(known) if known.value != value => {
            let first = known.from.as_deref().unwrap_or("a guess");
            let message = format!("{value:?} here, but {:?} in {first}", known.value);
            Err(ImportError::new(from, message).help("import files of one cluster at a time"))
        }
        Some(_) => Ok(()),
        None => {
            *slot = Some(Fact::new(value, from));
            Ok(())
        }
    }
}

/// A name that a scenario takes, of any text.
pub(super) fn plain_name(text: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = text.trim().chars().take(120).map(safe).collect();
    let name = name.trim_matches('-').to_owned();
    if name.is_empty() { "imported".to_owned() } else { name }
}

impl ClusterDraft {
    /// As many brokers as events name, unless a file says how many there are.
    pub(super) fn brokers_at_least(&mut self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(3).next_multiple_of(3);
        if self.brokers.is_none() {
            self.brokers = Some(Fact::guess(count));
        }
    }
}
