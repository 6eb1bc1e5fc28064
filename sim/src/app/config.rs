//! Configs of an application's clients: Kafka's names, Java's defaults.

use super::consumer::Subscription;
use super::error::Error;
use crate::client::{ConsumerConfig, ProducerConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use stormglass_scenarios::plan::{
    Arrival, ClientProfile, ConsumerPlan, KeyDist, ProducerPlan, SizeDist,
};

/// Keys and values, as `rdkafka::ClientConfig` has them. Keys that the model does not know have no
/// effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    values: BTreeMap<String, String>,
}

/// What a producer is made from.
#[derive(Debug)]
pub(crate) struct ProducerSpec {
    pub(crate) config: ProducerConfig,
    pub(crate) topic: Arc<str>,
    pub(crate) transactional_id: Option<Arc<str>>,
}

/// What a consumer is made from.
#[derive(Debug)]
pub(crate) struct ConsumerSpec {
    pub(crate) config: ConsumerConfig,
    pub(crate) client_id: Arc<str>,
    pub(crate) subscription: Subscription,
    /// `partition.assignment.strategy`
    pub(crate) is_cooperative: bool,
}

impl Config {
    /// Defaults only.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl ToString) -> Self {
        self.values.insert(key.to_owned(), value.to_string());
        self
    }

    pub(super) fn producer(&self, topic: &str) -> Result<ProducerSpec, Error> {
        let plan = ProducerPlan {
            name: topic.to_owned(),
            topic: topic.to_owned(),
            count: 1,
            azs: Vec::new(),
            profile: ClientProfile::Java,
            config: self.values.clone(),
            arrival: Arrival::Uniform,
            rate_curve: Vec::new(),
            record_size: SizeDist::Fixed { bytes: 0 },
            keys: KeyDist::None,
            compression_permille: 1_000,
            transactions: None,
            first_sequence: 0,
        };
        let config =
            ProducerConfig::parse(&plan).map_err(|error| Error::Config(error.to_string()))?;
        let transactional_id = self.values.get("transactional.id").map(|id| Arc::from(id.as_str()));
        Ok(ProducerSpec { config, topic: Arc::from(topic), transactional_id })
    }

    pub(super) fn consumer(
        &self,
        client_id: &str,
        subscription: Subscription,
    ) -> Result<ConsumerSpec, Error> {
        let value = |key: &str| self.values.get(key).map(String::as_str);
        let mut values = self.values.clone();
        // what was read is committed when the application says so
        values.insert("enable.auto.commit".to_owned(), "false".to_owned());
        let plan = ConsumerPlan {
            group: value("group.id").unwrap_or_default().to_owned(),
            topics: Vec::new(),
            count: 1,
            azs: Vec::new(),
            profile: ClientProfile::Java,
            config: values,
            start_ns: 0,
            process_ns_per_record: 0,
            from_beginning: value("auto.offset.reset") == Some("earliest"),
            membership: None,
        };
        let config =
            ConsumerConfig::parse(&plan).map_err(|error| Error::Config(error.to_string()))?;
        let strategy = value("partition.assignment.strategy").unwrap_or_default();
        let is_cooperative = strategy.contains("cooperative") || strategy.contains("Cooperative");
        Ok(ConsumerSpec { config, client_id: Arc::from(client_id), subscription, is_cooperative })
    }
}
