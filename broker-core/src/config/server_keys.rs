//! What values keys of server.properties may have that an operator writes: the validators of Kafka's
//! `ConfigDef`s, and what its `KafkaConfig.validateValues` asks for. Where Kafka has no validator, a time
//! that is waited for again and again is at least 1 ms.
//!
//! Simulations do not ask: storms have values that no cluster would have.

use super::topic_keys::key;
use super::{ConfigKind, Rule, ServerConfig, TopicKey, check_inherited, dynamic_key};
use std::collections::BTreeMap;

const fn int(name: &'static str, min: i64) -> TopicKey {
    key(name, name, ConfigKind::Int, "", Rule::Between(min, i32::MAX as i64))
}

const fn short(name: &'static str, min: i64) -> TopicKey {
    key(name, name, ConfigKind::Short, "", Rule::Between(min, i16::MAX as i64))
}

const fn long(name: &'static str, min: i64) -> TopicKey {
    key(name, name, ConfigKind::Long, "", Rule::Between(min, i64::MAX))
}

/// Numbers that do not change while a broker runs; all others are among [`dynamic_key`]'s.
const SERVER_KEYS: &[TopicKey] = &[
    int("broker.heartbeat.interval.ms", 1),
    int("broker.session.timeout.ms", 1),
    int("controller.quorum.election.backoff.max.ms", 1),
    int("controller.quorum.election.timeout.ms", 1),
    int("controller.quorum.fetch.timeout.ms", 1),
    int("controller.quorum.request.timeout.ms", 1),
    int("controller.quorum.retry.backoff.ms", 1),
    int("controller.socket.timeout.ms", 1),
    // 32 bits in Kafka, which has no more than 16 for it in requests
    key(
        "default.replication.factor",
        "default.replication.factor",
        ConfigKind::Int,
        "",
        Rule::Between(1, i16::MAX as i64),
    ),
    int("fetch.max.bytes", 1024),
    int("group.consumer.heartbeat.interval.ms", 1),
    int("group.consumer.max.heartbeat.interval.ms", 1),
    int("group.consumer.max.session.timeout.ms", 1),
    int("group.consumer.max.size", 1),
    int("group.consumer.min.heartbeat.interval.ms", 1),
    int("group.consumer.min.session.timeout.ms", 1),
    int("group.consumer.session.timeout.ms", 1),
    int("group.initial.rebalance.delay.ms", 0),
    int("group.max.session.timeout.ms", 1),
    int("group.max.size", 1),
    int("group.min.session.timeout.ms", 1),
    long("leader.imbalance.check.interval.seconds", 1),
    int("leader.imbalance.per.broker.percentage", 0),
    int("log.flush.offset.checkpoint.interval.ms", 1),
    long("log.retention.check.interval.ms", 1),
    int("max.incremental.fetch.session.cache.slots", 0),
    long("metadata.log.max.record.bytes.between.snapshots", 1),
    int("metadata.max.idle.interval.ms", 0),
    int("num.partitions", 1),
    int("offset.metadata.max.bytes", 0),
    long("offsets.retention.check.interval.ms", 1),
    int("offsets.retention.minutes", 1),
    int("offsets.topic.num.partitions", 1),
    short("offsets.topic.replication.factor", 1),
    int("offsets.topic.segment.bytes", 1),
    int("producer.id.expiration.check.interval.ms", 1),
    int("remote.log.manager.copier.thread.pool.size", 1),
    long("remote.log.manager.task.interval.ms", 1),
    int("remote.log.reader.max.pending.tasks", 1),
    int("remote.log.reader.threads", 1),
    int("replica.fetch.backoff.ms", 0),
    int("replica.fetch.max.bytes", 0),
    int("replica.fetch.min.bytes", 0),
    int("replica.fetch.response.max.bytes", 0),
    int("replica.fetch.wait.max.ms", 0),
    long("replica.high.watermark.checkpoint.interval.ms", 1),
    long("replica.lag.time.max.ms", 1),
    int("replica.socket.timeout.ms", 1),
    int("request.timeout.ms", 1),
    int("transaction.abort.timed.out.transaction.cleanup.interval.ms", 1),
    int("transaction.max.timeout.ms", 1),
    int("transaction.remove.expired.transaction.cleanup.interval.ms", 1),
    int("transaction.state.log.min.isr", 1),
    int("transaction.state.log.num.partitions", 1),
    short("transaction.state.log.replication.factor", 1),
    int("transaction.state.log.segment.bytes", 1),
    int("transactional.id.expiration.ms", 1),
    long("unclean.leader.election.interval.ms", 1),
];

/// What a key may have, under its name in server.properties.
fn rule_of(name: &str) -> Option<TopicKey> {
    let dynamic = dynamic_key(name).map(|key| TopicKey { name: key.server, ..*key });
    dynamic.or_else(|| SERVER_KEYS.iter().find(|key| key.name == name).copied())
}

/// Kafka's type of a number, which may be narrower than the broker's own.
pub(crate) fn kind_of(name: &str) -> Option<ConfigKind> {
    rule_of(name).map(|key| key.kind)
}

impl ServerConfig {
    /// Whether an operator may write these values, from which this config comes.
    ///
    /// # Errors
    /// The first that Kafka would refuse, in its words.
    pub fn check_written(&self, properties: &BTreeMap<String, String>) -> Result<(), String> {
        for (name, value) in properties {
            if let Some(key) = rule_of(name) {
                key.check(value)?;
            }
        }
        let wait_ms = u64::from(self.replica_fetch_wait_max_ms.unsigned_abs());
        let rules = [
            (
                self.log_retention_ms != 0,
                "log.retention.ms must be unlimited (-1) or, equal or greater than 1",
            ),
            (
                wait_ms <= self.replica_socket_timeout.as_millis(),
                "replica.socket.timeout.ms should always be at least replica.fetch.wait.max.ms to prevent \
                 unnecessary socket timeouts",
            ),
            (
                wait_ms <= self.replica_lag_time_max.as_millis(),
                "replica.fetch.wait.max.ms should always be less than or equal to \
                 replica.lag.time.max.ms to prevent frequent changes in ISR",
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            None => check_inherited(self),
            Some((_, said)) => Err(said.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_numbers_are_kafkas() {
        for (name, kind) in [
            ("default.replication.factor", Some(ConfigKind::Int)),
            ("offsets.topic.replication.factor", Some(ConfigKind::Short)),
            ("broker.session.timeout.ms", Some(ConfigKind::Int)),
            ("replica.lag.time.max.ms", Some(ConfigKind::Long)),
            ("log.roll.ms", Some(ConfigKind::Long)),
            ("replica.selector.class", None),
        ] {
            assert_eq!(kind_of(name), kind, "{name}");
        }
    }

    fn written(pairs: &[(&str, &str)]) -> Result<(), String> {
        let properties: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut server = ServerConfig::kafka_defaults();
        server.apply(&properties).map_err(|error| error.to_string())?;
        server.check_written(&properties)
    }

    #[test]
    fn every_number_has_bounds_within_which_its_default_is() {
        assert!(SERVER_KEYS.is_sorted_by(|a, b| a.name < b.name));
        for (name, value, kind) in ServerConfig::kafka_defaults().entries() {
            match rule_of(name) {
                Some(key) => assert_eq!(key.check(&value), Ok(()), "{name}"),
                None => assert!(
                    !matches!(kind, ConfigKind::Int | ConfigKind::Short | ConfigKind::Long),
                    "{name} has no bounds"
                ),
            }
        }
        for key in SERVER_KEYS {
            assert!(ServerConfig::KEYS.contains(&key.name), "{}", key.name);
            assert!(dynamic_key(key.name).is_none(), "{} is there twice", key.name);
        }
        assert_eq!(ServerConfig::kafka_defaults().check_written(&BTreeMap::new()), Ok(()));
    }

    #[test]
    fn what_kafka_refuses_is_refused_with_key_value_and_range() {
        for (name, value) in [
            ("num.partitions", "0"),
            ("log.segment.bytes", "13"),
            ("message.max.bytes", "-1"),
            ("min.insync.replicas", "0"),
            ("offsets.topic.num.partitions", "0"),
            ("broker.session.timeout.ms", "0"),
            ("broker.heartbeat.interval.ms", "99999999999"),
            ("controller.quorum.fetch.timeout.ms", "0"),
            ("default.replication.factor", "32768"),
            ("log.roll.ms", "0"),
        ] {
            let said = written(&[(name, value)]).unwrap_err();
            let begins = format!("Invalid value {value} for configuration {name}: Value must be ");
            assert!(said.starts_with(&begins), "{said}");
        }
        let said = written(&[("num.partitions", "0")]).unwrap_err();
        assert!(said.ends_with("a whole number, 1 to 2147483647"), "{said}");
        assert!(written(&[("log.retention.ms", "0")]).unwrap_err().contains("unlimited (-1)"));
        assert!(written(&[("replica.lag.time.max.ms", "499")]).unwrap_err().contains("in ISR"));
        assert!(written(&[("replica.socket.timeout.ms", "499")]).is_err());
        assert_eq!(written(&[("log.segment.bytes", "14"), ("log.retention.ms", "-1")]), Ok(()));
        let (min, max) = ("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms");
        assert_eq!(written(&[(min, "50"), (max, "50")]), Ok(()));
        assert!(written(&[(min, "51"), (max, "50")]).unwrap_err().contains("(51) > "));
    }
}
