//! Values of `group.*` keys that are words, and what must hold between the numbers.

use super::{ConfigError, ConfigKind, ConfigValue, ServerConfig};
use crate::group::Assignor;

/// `group.coordinator.rebalance.protocols`. The classic one is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RebalanceProtocols {
    /// Whether there is the consumer protocol (KIP-848).
    pub consumer: bool,
}

impl ConfigValue for RebalanceProtocols {
    const EXPECTED: &'static str = "`classic` or `classic,consumer`";
    const KIND: ConfigKind = ConfigKind::List;
    fn parse(text: &str) -> Option<Self> {
        let mut words: Vec<_> = text.split(',').map(str::trim).collect();
        words.sort_unstable();
        words.dedup();
        match *words {
            ["classic"] => Some(Self { consumer: false }),
            ["classic", "consumer"] => Some(Self { consumer: true }),
            _ => None,
        }
    }
    fn show(&self) -> String {
        if self.consumer { "classic,consumer".to_owned() } else { "classic".to_owned() }
    }
}

/// `group.consumer.assignors`; the first is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerAssignors(pub Vec<Assignor>);

impl ConfigValue for ConsumerAssignors {
    const EXPECTED: &'static str = "`uniform`, `range`, or both with a comma between them";
    const KIND: ConfigKind = ConfigKind::List;
    /// Names, or Kafka's names of the classes.
    fn parse(text: &str) -> Option<Self> {
        let mut assignors = Vec::new();
        for word in text.split(',').map(str::trim) {
            let class = word.rsplit('.').next().unwrap_or(word);
            let assignor = Assignor::ALL.into_iter().find(|known| match known {
                Assignor::Uniform => word == known.name() || class == "UniformAssignor",
                Assignor::Range => word == known.name() || class == "RangeAssignor",
            })?;
            if assignors.contains(&assignor) {
                return None;
            }
            assignors.push(assignor);
        }
        Some(Self(assignors))
    }
    fn show(&self) -> String {
        let names: Vec<_> = self.0.iter().map(|assignor| assignor.name()).collect();
        names.join(",")
    }
}

/// `group.consumer.migration.policy`. Groups with members are not converted, whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are Kafka's")]
pub enum MigrationPolicy {
    Disabled,
    Upgrade,
    Downgrade,
    Bidirectional,
}

impl MigrationPolicy {
    const ALL: [(&'static str, Self); 4] = [
        ("disabled", Self::Disabled),
        ("upgrade", Self::Upgrade),
        ("downgrade", Self::Downgrade),
        ("bidirectional", Self::Bidirectional),
    ];
}

impl ConfigValue for MigrationPolicy {
    const EXPECTED: &'static str = "disabled, upgrade, downgrade or bidirectional";
    const KIND: ConfigKind = ConfigKind::String;
    fn parse(text: &str) -> Option<Self> {
        let word = text.trim().to_ascii_lowercase();
        Self::ALL.into_iter().find(|(name, _)| *name == word).map(|(_, policy)| policy)
    }
    fn show(&self) -> String {
        let known = Self::ALL.into_iter().find(|(_, policy)| policy == self);
        known.map_or("", |(name, _)| name).to_owned()
    }
}

impl ServerConfig {
    /// What must hold between values of `group.consumer.*` (Kafka's `GroupCoordinatorConfig`).
    ///
    /// # Errors
    /// The first value that does not fit the others.
    pub fn check_groups(&self) -> Result<(), ConfigError> {
        let session = self.group_consumer_session_timeout_ms;
        let (session_min, session_max) = (
            self.group_consumer_min_session_timeout_ms,
            self.group_consumer_max_session_timeout_ms,
        );
        let beat = self.group_consumer_heartbeat_interval_ms;
        let (beat_min, beat_max) = (
            self.group_consumer_min_heartbeat_interval_ms,
            self.group_consumer_max_heartbeat_interval_ms,
        );
        let rules = [
            (beat_min >= 1, "group.consumer.min.heartbeat.interval.ms", beat_min, "at least 1"),
            (session_min >= 1, "group.consumer.min.session.timeout.ms", session_min, "at least 1"),
            (
                self.group_consumer_max_size >= 1,
                "group.consumer.max.size",
                self.group_consumer_max_size,
                "at least 1",
            ),
            (
                beat >= beat_min,
                "group.consumer.heartbeat.interval.ms",
                beat,
                "at least group.consumer.min.heartbeat.interval.ms",
            ),
            (
                beat <= beat_max,
                "group.consumer.heartbeat.interval.ms",
                beat,
                "at most group.consumer.max.heartbeat.interval.ms",
            ),
            (
                session >= session_min,
                "group.consumer.session.timeout.ms",
                session,
                "at least group.consumer.min.session.timeout.ms",
            ),
            (
                session <= session_max,
                "group.consumer.session.timeout.ms",
                session,
                "at most group.consumer.max.session.timeout.ms",
            ),
            (
                beat < session,
                "group.consumer.heartbeat.interval.ms",
                beat,
                "less than group.consumer.session.timeout.ms",
            ),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, key, value, expected)) => {
                Err(ConfigError { key: key.to_owned(), value: value.to_string(), expected })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_kafka_reads_them() {
        let protocols = RebalanceProtocols::parse("consumer, classic").unwrap();
        assert_eq!(protocols.show(), "classic,consumer");
        assert_eq!(RebalanceProtocols::parse("consumer"), None);
        assert_eq!(RebalanceProtocols::parse("classic,share"), None);
        let class = "org.apache.kafka.coordinator.group.assignor.RangeAssignor";
        assert_eq!(ConsumerAssignors::parse(class).unwrap().show(), "range");
        assert_eq!(ConsumerAssignors::parse("range,uniform").unwrap().show(), "range,uniform");
        assert_eq!(ConsumerAssignors::parse("range,range"), None);
        assert_eq!(MigrationPolicy::parse("UPGRADE"), Some(MigrationPolicy::Upgrade));
    }

    #[test]
    fn timeouts_must_fit_each_other() {
        let mut server = ServerConfig::kafka_defaults();
        assert_eq!(server.check_groups(), Ok(()));
        server.group_consumer_session_timeout_ms = 6000;
        let error = server.check_groups().unwrap_err();
        assert_eq!(error.expected, "at least group.consumer.min.session.timeout.ms");
        server.group_consumer_min_session_timeout_ms = 5000;
        server.group_consumer_session_timeout_ms = 5000;
        let error = server.check_groups().unwrap_err();
        assert_eq!(error.expected, "less than group.consumer.session.timeout.ms");
    }
}
