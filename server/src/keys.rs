//! Keys of server.properties: which are read, which of Kafka's are not, and what one that is neither may
//! have been meant to be. docs/serve-keys.md lists those that are read.

use crate::config::SHELL_KEYS;
use crate::error::ServeError;
use crate::node_config;
use std::collections::BTreeMap;
use stormglass_broker_core::config::{ServerConfig, UnreadKey};

/// Below this likeness a suggestion would be a guess.
const LIKENESS_MIN: f64 = 0.7;

/// The same time in larger units, with their milliseconds: the first that is written counts, and
/// milliseconds of its own count more.
const IN_MILLISECONDS: [(&str, &str, i64); 3] = [
    ("log.retention.ms", "log.retention.minutes", 60_000),
    ("log.retention.ms", "log.retention.hours", 3_600_000),
    ("log.roll.ms", "log.roll.hours", 3_600_000),
];

/// Kafka's other keys, by name.
const NOT_READ: &[&str] = &[
    "add.partitions.to.txn.retry.backoff.ms",
    "alter.config.policy.class.name",
    "alter.log.dirs.replication.quota.window.num",
    "alter.log.dirs.replication.quota.window.size.seconds",
    "authorizer.class.name",
    "auto.include.jmx.reporter",
    "background.threads",
    "broker.id",
    "broker.id.generation.enable",
    "client.quota.callback.class",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.type",
    "compression.zstd.level",
    "connection.failed.authentication.delay.ms",
    "connections.max.reauth.ms",
    "control.plane.listener.name",
    "controlled.shutdown.max.retries",
    "controlled.shutdown.retry.backoff.ms",
    "controller.performance.always.log.threshold.ms",
    "controller.performance.sample.period.ms",
    "controller.quorum.append.linger.ms",
    "controller.quorum.auto.join.enable",
    "controller.quorum.bootstrap.servers",
    "controller.quota.window.num",
    "controller.quota.window.size.seconds",
    "create.topic.policy.class.name",
    "delegation.token.expiry.check.interval.ms",
    "delegation.token.expiry.time.ms",
    "delegation.token.max.lifetime.ms",
    "delegation.token.secret.key",
    "early.start.listeners",
    "eligible.leader.replicas.enable",
    "fetch.purgatory.purge.interval.requests",
    "group.coordinator.append.linger.ms",
    "group.coordinator.new.enable",
    "group.coordinator.threads",
    "group.share.delivery.count.limit",
    "group.share.enable",
    "group.share.heartbeat.interval.ms",
    "group.share.max.groups",
    "group.share.max.heartbeat.interval.ms",
    "group.share.max.record.lock.duration.ms",
    "group.share.max.session.timeout.ms",
    "group.share.max.share.sessions",
    "group.share.max.size",
    "group.share.min.heartbeat.interval.ms",
    "group.share.min.record.lock.duration.ms",
    "group.share.min.session.timeout.ms",
    "group.share.partition.max.record.locks",
    "group.share.record.lock.duration.ms",
    "group.share.session.timeout.ms",
    "initial.broker.registration.timeout.ms",
    "inter.broker.listener.name",
    "inter.broker.protocol.version",
    "kafka.metrics.polling.interval.secs",
    "kafka.metrics.reporters",
    "log.cleaner.io.buffer.load.factor",
    "log.cleaner.threads",
    "log.dir",
    "log.dir.failure.timeout.ms",
    "log.flush.interval.ms",
    "log.flush.scheduler.interval.ms",
    "log.flush.start.offset.checkpoint.interval.ms",
    "log.index.size.max.bytes",
    "log.initial.task.delay.ms",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "log.message.timestamp.difference.max.ms",
    "log.message.timestamp.type",
    "log.preallocate",
    "log.roll.jitter.hours",
    "log.roll.jitter.ms",
    "log.segment.delete.delay.ms",
    "max.connections.per.ip.overrides",
    "max.request.partition.size.limit",
    "metadata.log.dir",
    "metadata.log.max.snapshot.interval.ms",
    "metadata.log.segment.bytes",
    "metadata.log.segment.min.bytes",
    "metadata.log.segment.ms",
    "metadata.max.retention.bytes",
    "metadata.max.retention.ms",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "num.recovery.threads.per.data.dir",
    "num.replica.alter.log.dirs.threads",
    "offsets.commit.required.acks",
    "offsets.commit.timeout.ms",
    "offsets.load.buffer.size",
    "offsets.topic.compression.codec",
    "password.encoder.secret",
    "principal.builder.class",
    "producer.purgatory.purge.interval.requests",
    "queued.max.request.bytes",
    "queued.max.requests",
    "quota.window.num",
    "quota.window.size.seconds",
    "remote.log.index.file.cache.total.size.bytes",
    "remote.log.manager.copy.max.bytes.per.second",
    "remote.log.manager.copy.quota.window.num",
    "remote.log.manager.copy.quota.window.size.seconds",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.fetch.max.bytes.per.second",
    "remote.log.manager.fetch.quota.window.num",
    "remote.log.manager.fetch.quota.window.size.seconds",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.manager.task.retry.backoff.max.ms",
    "remote.log.manager.task.retry.backoff.ms",
    "remote.log.manager.task.retry.jitter",
    "remote.log.manager.thread.pool.size",
    "remote.log.metadata.custom.metadata.max.bytes",
    "remote.log.metadata.manager.class.name",
    "remote.log.metadata.manager.class.path",
    "remote.log.metadata.manager.impl.prefix",
    "remote.log.metadata.manager.listener.name",
    "remote.log.storage.manager.class.name",
    "remote.log.storage.manager.class.path",
    "remote.log.storage.manager.impl.prefix",
    "replica.socket.receive.buffer.bytes",
    "replication.quota.window.num",
    "replication.quota.window.size.seconds",
    "reserved.broker.max.id",
    "sasl.client.callback.handler.class",
    "sasl.enabled.mechanisms",
    "sasl.jaas.config",
    "sasl.kerberos.service.name",
    "sasl.login.callback.handler.class",
    "sasl.login.class",
    "sasl.mechanism.controller.protocol",
    "sasl.mechanism.inter.broker.protocol",
    "sasl.oauthbearer.jwks.endpoint.url",
    "sasl.server.callback.handler.class",
    "sasl.server.max.receive.size",
    "security.inter.broker.protocol",
    "security.providers",
    "server.max.startup.time.ms",
    "share.coordinator.state.topic.min.isr",
    "share.coordinator.state.topic.num.partitions",
    "share.coordinator.state.topic.replication.factor",
    "share.coordinator.state.topic.segment.bytes",
    "share.coordinator.threads",
    "socket.connection.setup.timeout.max.ms",
    "socket.connection.setup.timeout.ms",
    "socket.listen.backlog.size",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "ssl.cipher.suites",
    "ssl.client.auth",
    "ssl.enabled.protocols",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.password",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.principal.mapping.rules",
    "ssl.protocol",
    "ssl.provider",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
    "telemetry.max.bytes",
    "transaction.state.log.load.buffer.size",
    "transaction.two.phase.commit.enable",
    "transactions.topic.compression.codec",
    "unstable.api.versions.enable",
    "unstable.feature.versions.enable",
    "zookeeper.connect",
    "zookeeper.connection.timeout.ms",
    "zookeeper.session.timeout.ms",
];

/// Keys that `serve` reads, those of the broker first.
fn read() -> impl Iterator<Item = &'static str> + Clone {
    let in_units = IN_MILLISECONDS.into_iter().map(|(_, key, _)| key);
    ServerConfig::KEYS.iter().copied().chain(SHELL_KEYS).chain(in_units)
}

/// Refuses the first key that is not read, unless Kafka's default is written for it: nothing changes then.
pub(crate) fn check_keys(properties: &BTreeMap<String, String>) -> Result<(), ServeError> {
    let is_harmless = |(key, value): (&String, &String)| {
        read().any(|known| known == key)
            || UnreadKey::find(key).is_some_and(|known| known.is_default(value))
    };
    match properties.iter().find(|pair| !is_harmless(*pair)) {
        None => Ok(()),
        Some((key, _)) => Err(unread(key)),
    }
}

fn unread(key: &str) -> ServeError {
    let list = "docs/serve-keys.md lists those that are";
    if node_config::KEYS.contains(&key) {
        let message = format!("config `{key}` is one of a node's, and not read here");
        return ServeError::new(message, "start the node with --config node.toml");
    }
    if NOT_READ.contains(&key) || UnreadKey::find(key).is_some() {
        let message = format!("config `{key}` is known to Kafka, and not read by Stormglass");
        return ServeError::new(message, format!("leave it out; {list}"));
    }
    let message = format!("config `{key}` is not one that this broker reads");
    let meant = closest(key).map(|meant| format!("did you mean `{meant}`? "));
    ServeError::new(message, format!("{}{list}", meant.unwrap_or_default()))
}

/// The key most like a word, if one is.
fn closest(word: &str) -> Option<&'static str> {
    let likeness = |key: &str| strsim::normalized_damerau_levenshtein(word, key);
    let candidates = read().chain(node_config::KEYS);
    candidates
        .map(|key| (likeness(key), key))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, key)| key)
}

/// Hours and minutes as milliseconds, which is what the broker reads.
pub(crate) fn in_milliseconds(
    properties: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, ServeError> {
    let mut all = properties.clone();
    for (key, in_units, unit_ms) in IN_MILLISECONDS {
        let Some(text) = all.remove(in_units) else { continue };
        let is_retention = key == "log.retention.ms";
        let number = text.trim().parse::<i32>().ok();
        let ms = match number.map(i64::from) {
            Some(number) if number > 0 => number * unit_ms,
            Some(number) if number < 0 && is_retention => -1,
            _ => {
                let range = if is_retention { "1 to 2147483647, or -1" } else { "1 to 2147483647" };
                let message = format!(
                    "Invalid value {text} for configuration {in_units}: Value must be a whole number, \
                     {range}"
                );
                return Err(ServeError::new(message, "correct the value"));
            }
        };
        all.entry(key.to_owned()).or_insert_with(|| ms.to_string());
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn retention(pairs: &[(&str, &str)]) -> String {
        in_milliseconds(&properties(pairs)).unwrap()["log.retention.ms"].clone()
    }

    #[test]
    fn milliseconds_count_more_than_minutes_and_these_more_than_hours() {
        let (ms, minutes, hours) = (
            ("log.retention.ms", "5"),
            ("log.retention.minutes", "2"),
            ("log.retention.hours", "168"),
        );
        assert_eq!(retention(&[hours]), "604800000");
        assert_eq!(retention(&[hours, minutes]), "120000");
        assert_eq!(retention(&[hours, minutes, ms]), "5");
        assert_eq!(retention(&[("log.retention.hours", "-1")]), "-1");
        for (key, value) in [("log.retention.hours", "0"), ("log.roll.hours", "-1")] {
            let error = in_milliseconds(&properties(&[(key, value)])).unwrap_err();
            assert!(error.to_string().contains(&format!("for configuration {key}")), "{error}");
        }
        assert_eq!(check_keys(&properties(&[hours, minutes, ms])), Ok(()));
    }

    #[test]
    fn keys_that_are_not_read_are_told_apart() {
        for (key, said, help) in [
            ("num.partition", "is not one that this broker reads", "`num.partitions`"),
            ("log.retention.hour", "is not one", "`log.retention.hours`"),
            ("inter.broker.listener.name", "known to Kafka, and not read", "leave it out"),
            ("num.recovery.threads.per.data.dir", "known to Kafka", "docs/serve-keys.md"),
            ("listeners", "is one of a node's", "--config node.toml"),
            ("colour", "is not one", "docs/serve-keys.md lists"),
        ] {
            let error = check_keys(&properties(&[(key, "1")])).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            assert!(error.help().contains(help), "{key}: {}", error.help());
        }
    }

    #[test]
    fn the_default_of_a_key_without_effect_may_be_written() {
        for (key, value) in [
            ("num.recovery.threads.per.data.dir", "2"),
            ("ssl.keystore.location", ""),
            ("sasl.enabled.mechanisms", "GSSAPI"),
        ] {
            assert_eq!(check_keys(&properties(&[(key, value)])), Ok(()), "{key}");
            let error = check_keys(&properties(&[(key, "9")])).unwrap_err();
            assert!(error.to_string().contains("known to Kafka"), "{error}");
        }
    }

    #[test]
    fn a_key_is_either_read_or_not_and_the_list_for_people_is_whole() {
        assert!(NOT_READ.is_sorted());
        let list = include_str!("../../docs/serve-keys.md");
        for key in read().chain(node_config::KEYS) {
            assert!(!NOT_READ.contains(&key), "{key}");
            assert!(list.contains(&format!("| `{key}` |")), "{key} is not in docs/serve-keys.md");
        }
    }
}
