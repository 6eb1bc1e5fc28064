//! The whole scenario: its sections in one type.

use super::cluster::Cluster;
use super::decode::{At, List, Part, Soft, section};
use super::events::Event;
use super::model::ModelOverrides;
use super::scalar::{Duration, Name, Text};
use super::threshold::Thresholds;
use super::workload::{Consumer, Producer, Topic};

section! {
    /// A scenario: a cluster, a load, a storm, and what must hold.
    "the scenario" Scenario {
        /// Name of the scenario.
        name: Part<Name>,
        /// The question that it answers.
        question: Part<Text>,
        /// What to expect from a healthy cluster.
        expect: Part<Text>,
        /// Clients and brokers speak through the codec of `stormglass serve`, which checks it and
        /// changes no result. Default: false.
        wire: Option<At<bool>>,
        /// Brokers, hosts and their settings.
        cluster: Part<Cluster>,
        /// Topics that exist when the run begins.
        topics: List<Topic>,
        /// Producer groups.
        producers: List<Producer>,
        /// Consumer groups.
        consumers: List<Consumer>,
        /// Faults, operations and load changes.
        events: List<Event>,
        /// How the run's time is divided.
        phases: Part<Phases>,
        /// What the run must meet.
        thresholds: Soft<Thresholds>,
        /// Model constants that replace those of the catalogue, by name.
        model: Soft<ModelOverrides>,
    }
}

impl Scenario {
    /// Whether a topic has remote storage.
    pub(crate) fn has_remote_storage(&self) -> bool {
        self.topics.items.iter().any(|topic| topic.value.remote_storage().is_some())
    }
}

impl<T> Part<T> {
    /// The section, if it is sound.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref().map(|part| &part.value)
    }

    /// The section of a scenario without errors.
    ///
    /// # Panics
    /// If the section is broken: reading it reported an error, and no plan is made then.
    pub(crate) fn sound(&self) -> &T {
        self.get().expect("a scenario without errors has every required section")
    }
}

section! {
    /// How the run's time is divided; phases follow one another in this order.
    "[phases]" Phases {
        /// Load runs, measurements are discarded. Default: 10s.
        warmup: Option<At<Duration>>,
        /// Load and events run, measurements count. Event times count from its start.
        measure: At<Duration>,
        /// Every fault is lifted, load goes on. Default: 0s.
        heal: Option<At<Duration>>,
        /// Producers stop, consumers must catch up: at most this long. Default: 30s.
        drain: Option<At<Duration>>,
    }
}

/// Phases with their defaults, ns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PhaseTimes {
    /// Warm-up.
    pub(crate) warmup_ns: u64,
    /// Measure.
    pub(crate) measure_ns: u64,
    /// Heal.
    pub(crate) heal_ns: u64,
    /// Drain.
    pub(crate) drain_ns: u64,
}

impl Phases {
    /// Phases with their defaults.
    pub(crate) fn times(&self) -> PhaseTimes {
        let or = |phase: &Option<At<Duration>>, default_seconds: u64| {
            phase.as_ref().map_or(default_seconds * 1_000_000_000, |phase| phase.value.0)
        };
        PhaseTimes {
            warmup_ns: or(&self.warmup, 10),
            measure_ns: self.measure.value.0,
            heal_ns: or(&self.heal, 0),
            drain_ns: or(&self.drain, 30),
        }
    }
}
