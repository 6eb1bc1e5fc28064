//! What configs of topics with remote storage must be (Kafka's `LogConfig.validateTopicLogConfigValues`
//! and, for changes, `ConfigurationControlManager`).

use crate::config::{ServerConfig, effective_topic};

/// Whether a topic may have these overrides, after `before`.
///
/// # Errors
/// Why not, for the client, in Kafka's words.
pub(super) fn check<'a>(
    server: &ServerConfig,
    before: impl Iterator<Item = (&'a str, &'a str)>,
    after: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), String> {
    let was_enabled = effective_topic(server, before).remote_storage_enable;
    let topic = effective_topic(server, after);
    if !topic.remote_storage_enable {
        if was_enabled {
            return Err("It is invalid to disable remote storage without deleting remote data. \
                        Deleting it with remote.log.delete.on.disable is not supported."
                .to_owned());
        }
        return Ok(());
    }
    if !server.remote_log_storage_system_enable {
        return Err("Tiered Storage functionality is disabled in the broker. Topic cannot be \
                    configured with remote log storage."
            .to_owned());
    }
    if topic.cleanup_policy.compact {
        return Err("Remote log storage is unsupported for the compacted topics".to_owned());
    }
    check_local("ms", topic.local_retention_ms, topic.retention_ms)?;
    check_local("bytes", topic.local_retention_bytes, topic.retention_bytes)
}

/// Local retention is a part of the whole; `-2` stands for the whole, `-1` for no limit.
fn check_local(unit: &str, local: i64, whole: i64) -> Result<(), String> {
    if whole == -1 || local == -2 {
        return Ok(());
    }
    let invalid = format!(
        "Invalid value {local} for configuration local.retention.{unit}: Value must not be"
    );
    if local == -1 {
        return Err(format!("{invalid} -1 as retention.{unit} value is set as {whole}."));
    }
    if local > whole {
        return Err(format!("{invalid} more than retention.{unit} property value: {whole}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_new(enabled: bool, configs: &[(&str, &str)]) -> Result<(), String> {
        let mut server = ServerConfig::kafka_defaults();
        server.remote_log_storage_system_enable = enabled;
        check(&server, std::iter::empty(), configs.iter().copied())
    }

    const ON: (&str, &str) = ("remote.storage.enable", "true");

    #[test]
    fn what_kafka_refuses_is_refused() {
        let refused: [(&[_], &str); 4] = [
            (&[ON, ("cleanup.policy", "compact")], "compacted"),
            (&[ON, ("cleanup.policy", "compact,delete")], "compacted"),
            (&[ON, ("retention.ms", "1000"), ("local.retention.ms", "1001")], "retention.ms"),
            (&[ON, ("retention.bytes", "9"), ("local.retention.bytes", "-1")], "set as 9"),
        ];
        for (configs, why) in refused {
            let said = check_new(true, configs).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        assert!(check_new(false, &[ON]).unwrap_err().contains("disabled in the broker"));
    }

    #[test]
    fn what_kafka_takes_is_taken() {
        let taken: [&[_]; 4] = [
            &[ON],
            &[ON, ("retention.ms", "-1"), ("local.retention.ms", "-1")],
            &[ON, ("retention.ms", "1000"), ("local.retention.ms", "1000")],
            &[("cleanup.policy", "compact"), ("local.retention.ms", "5")],
        ];
        for configs in taken {
            assert_eq!(check_new(true, configs), Ok(()), "{configs:?}");
        }
    }

    #[test]
    fn remote_storage_is_not_turned_off() {
        let mut server = ServerConfig::kafka_defaults();
        server.remote_log_storage_system_enable = true;
        let unreadable = ("segment.bytes", "many");
        for before in [vec![ON], vec![unreadable, ON]] {
            let off = check(&server, before.into_iter(), std::iter::empty());
            assert!(off.unwrap_err().contains("invalid to disable"));
        }
    }
}
