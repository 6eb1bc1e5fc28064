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

/// Kafka's other keys that are no [`UnreadKey`]: those that it hides, those of other releases, and other
/// names of keys that are read. By name.
const NOT_READ: &[&str] = &[
    "auto.include.jmx.reporter",
    "broker.id",
    "broker.id.generation.enable",
    "control.plane.listener.name",
    "controlled.shutdown.max.retries",
    "controlled.shutdown.retry.backoff.ms",
    "controller.performance.always.log.threshold.ms",
    "controller.performance.sample.period.ms",
    "controller.quorum.auto.join.enable",
    "eligible.leader.replicas.enable",
    "group.coordinator.new.enable",
    "group.share.enable",
    "group.share.max.groups",
    "inter.broker.protocol.version",
    "log.dir",
    "log.initial.task.delay.ms",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "log.message.timestamp.difference.max.ms",
    "metadata.log.segment.min.bytes",
    "offsets.commit.required.acks",
    "password.encoder.secret",
    "remote.log.manager.follower.thread.pool.size",
    "remote.log.manager.task.retry.backoff.max.ms",
    "remote.log.manager.task.retry.backoff.ms",
    "remote.log.manager.task.retry.jitter",
    "reserved.broker.max.id",
    "server.max.startup.time.ms",
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
    use stormglass_broker_core::config::AT_START;

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
    fn the_broker_knows_what_only_the_shell_reads() {
        // nobody asks a broker for `cluster.id`, which is no config of Kafka's
        let own = node_config::KEYS.into_iter().filter(|key| *key != "cluster.id");
        let in_units = IN_MILLISECONDS.into_iter().map(|(_, key, _)| key);
        let other_names = ["broker.id", "log.dir"];
        let mut all: Vec<&str> = own.chain(SHELL_KEYS).chain(in_units).chain(other_names).collect();
        all.sort_unstable();
        assert_eq!(all, AT_START);
    }

    #[test]
    fn a_key_is_either_read_or_not_and_the_list_for_people_is_whole() {
        assert!(NOT_READ.is_sorted());
        for key in NOT_READ {
            assert!(UnreadKey::find(key).is_none(), "{key} is in the broker's list");
        }
        let list = include_str!("../../docs/serve-keys.md");
        for key in read().chain(node_config::KEYS) {
            assert!(!NOT_READ.contains(&key), "{key}");
            assert!(list.contains(&format!("| `{key}` |")), "{key} is not in docs/serve-keys.md");
        }
    }
}
