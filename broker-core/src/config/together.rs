//! What must hold between configs of a topic, beyond what each of them may be (Kafka's
//! `LogConfig.validateValues`). More about topics with remote storage is in `controller::remote_storage`.

use super::{ServerConfig, TopicConfig};
use crate::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

const MIN_LAG: &str = "min.compaction.lag.ms";
const MAX_LAG: &str = "max.compaction.lag.ms";

/// A topic's configs: values of its own over what it inherits. Each of them was checked before; one that cannot be
/// read all the same, as another version's, leaves the others in force.
pub(crate) fn effective_topic<'a>(
    server: &ServerConfig,
    own: impl Iterator<Item = (&'a str, &'a str)>,
) -> TopicConfig {
    let mut topic = TopicConfig::from_server(server);
    let own: BTreeMap<Arc<str>, Arc<str>> =
        own.map(|(key, value)| (key.into(), value.into())).collect();
    topic.apply_readable(&own);
    topic
}

/// Whether a topic may have all these values of its own. Each of them was checked before.
///
/// # Errors
/// Which two do not go together, for the client.
pub(crate) fn check_together<'a>(
    server: &ServerConfig,
    mut own: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Result<(), String> {
    let topic = effective_topic(server, own.clone());
    check_lags("", millis(topic.min_compaction_lag), topic.max_compaction_lag_ms)?;
    // nobody else reads it
    let is_kept = own.any(|(key, value)| {
        key == "remote.log.copy.disable" && value.trim().eq_ignore_ascii_case("true")
    });
    if topic.remote_storage_enable && is_kept { check_kept(&topic) } else { Ok(()) }
}

/// The same of what topics inherit.
///
/// # Errors
/// Which two do not go together.
pub(crate) fn check_inherited(server: &ServerConfig) -> Result<(), String> {
    let min_ms = millis(server.log_cleaner_min_compaction_lag);
    check_lags("log.cleaner.", min_ms, server.log_cleaner_max_compaction_lag_ms)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Records would have to be compacted before they may be.
fn check_lags(prefix: &str, min_ms: i64, max_ms: i64) -> Result<(), String> {
    if min_ms <= max_ms {
        return Ok(());
    }
    Err(format!(
        "{prefix}{MIN_LAG} ({min_ms}) > {prefix}{MAX_LAG} ({max_ms}): the smallest lag must not be \
         above the largest"
    ))
}

/// What no longer goes to remote storage must stay on the disk for as long as all of it.
fn check_kept(topic: &TopicConfig) -> Result<(), String> {
    for (unit, local, whole) in [
        ("bytes", topic.local_retention_bytes, topic.retention_bytes),
        ("ms", topic.local_retention_ms, topic.retention_ms),
    ] {
        if local != -2 && local != whole {
            return Err(format!(
                "With remote.log.copy.disable nothing more goes to remote storage: \
                 local.retention.{unit} ({local}) must be -2, or retention.{unit} ({whole})"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: &[(&str, &str)]) -> Result<(), String> {
        let mut server = ServerConfig::kafka_defaults();
        server.log_cleaner_max_compaction_lag_ms = 1000;
        check_together(&server, own.iter().copied())
    }

    #[test]
    fn the_smallest_lag_is_not_above_the_largest() {
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&[(MIN_LAG, "1000")]), Ok(()));
        let said = check(&[(MIN_LAG, "1001")]).unwrap_err();
        assert!(said.starts_with("min.compaction.lag.ms (1001) > max.compaction.lag.ms (1000)"));
        assert_eq!(check(&[(MIN_LAG, "1001"), (MAX_LAG, "9223372036854775807")]), Ok(()));
        assert!(check(&[(MIN_LAG, "100"), (MAX_LAG, "50")]).is_err());
    }

    #[test]
    fn a_server_is_asked_under_its_own_names() {
        let mut server = ServerConfig::kafka_defaults();
        assert_eq!(check_inherited(&server), Ok(()));
        server.log_cleaner_min_compaction_lag = Duration::from_millis(7);
        server.log_cleaner_max_compaction_lag_ms = 6;
        let said = check_inherited(&server).unwrap_err();
        assert!(said.starts_with("log.cleaner.min.compaction.lag.ms (7) > log.cleaner.max."));
        assert!(check_together(&server, std::iter::empty()).is_err(), "it is inherited");
    }

    #[test]
    fn without_copies_the_disk_keeps_all_of_it() {
        let on = ("remote.storage.enable", "true");
        let no_copies = ("remote.log.copy.disable", "TRUE");
        let local = ("local.retention.bytes", "5");
        assert!(check(&[on, no_copies, local]).unwrap_err().contains("local.retention.bytes (5)"));
        assert!(check(&[on, no_copies, ("local.retention.ms", "5")]).is_err());
        assert_eq!(check(&[on, no_copies, local, ("retention.bytes", "5")]), Ok(()));
        assert_eq!(check(&[on, no_copies, ("local.retention.bytes", "-2")]), Ok(()));
        assert_eq!(check(&[on, no_copies]), Ok(()));
        for without in [[on, local], [no_copies, local]] {
            assert_eq!(check(&without), Ok(()), "{without:?}");
        }
    }
}
