//! Configs of subscriptions to metrics of clients (Kafka's `ClientMetricsConfigs`, KIP-714): which metrics, how often,
//! and of which clients. They are kept and shown, and nothing is asked of clients: so does a broker of Kafka's that has
//! nobody to hand metrics to.

use super::ConfigKind;
use super::group_config::not_a_number;
use crate::error::ErrorCode;
use crate::pattern;
use std::collections::BTreeMap;
use std::sync::Arc;

const INTERVAL: &str = "interval.ms";
const MATCH: &str = "match";

/// All of them, by name, with their types and defaults.
pub(crate) const CLIENT_METRICS_KEYS: [(&str, ConfigKind, &str); 3] = [
    (INTERVAL, ConfigKind::Int, "300000"),
    (MATCH, ConfigKind::List, ""),
    ("metrics", ConfigKind::List, ""),
];

/// Shortest and longest interval, ms.
const INTERVAL_MS: std::ops::RangeInclusive<i32> = 100..=3_600_000;

/// What tells clients apart.
const PARAMS: [&str; 6] = [
    "client_id",
    "client_instance_id",
    "client_software_name",
    "client_software_version",
    "client_source_address",
    "client_source_port",
];

/// Whether a subscription may have these configs.
///
/// # Errors
/// What is wrong, for the client.
pub(crate) fn check_client_metrics(
    configs: &BTreeMap<Arc<str>, Arc<str>>,
) -> Result<(), (ErrorCode, String)> {
    let is_known = |key: &str| CLIENT_METRICS_KEYS.iter().any(|(known, ..)| *known == key);
    if let Some(key) = configs.keys().find(|key| !is_known(key)) {
        let message = format!("Unknown client metrics configuration: {key}");
        return Err((ErrorCode::InvalidRequest, message));
    }
    if let Some(text) = configs.get(INTERVAL) {
        let wrong = |_| (ErrorCode::InvalidConfig, not_a_number(INTERVAL, text));
        let ms: i32 = text.trim().parse().map_err(wrong)?;
        if !INTERVAL_MS.contains(&ms) {
            let message = format!(
                "Invalid value {ms} for {INTERVAL}, interval must be between 100 and 3600000 (1 hour)"
            );
            return Err((ErrorCode::InvalidRequest, message));
        }
    }
    let patterns = configs.get(MATCH).map_or_else(Vec::new, |text| words(text));
    match patterns.into_iter().find(|pattern| !is_pattern(pattern)) {
        None => Ok(()),
        Some(wrong) => {
            let message = format!("Illegal client matching pattern: {wrong}");
            Err((ErrorCode::InvalidConfig, message))
        }
    }
}

/// Whether it is `PARAM=REGEX`. Equals signs at the end are passed over, as Java's `split` does.
fn is_pattern(pattern: &str) -> bool {
    let parts: Vec<_> = pattern.trim_end_matches('=').split('=').map(str::trim).collect();
    match parts[..] {
        [param, value] => PARAMS.contains(&param) && pattern::whole(value).is_ok(),
        _ => false,
    }
}

/// The entries of a list, empty ones among them; none of an empty one.
fn words(text: &str) -> Vec<&str> {
    let text = text.trim();
    if text.is_empty() { Vec::new() } else { text.split(',').map(str::trim).collect() }
}

/// A value as it is told, however it was written.
pub(crate) fn shown_client_metrics(kind: ConfigKind, text: &str) -> String {
    match kind {
        ConfigKind::List => words(text).join(","),
        ConfigKind::Int => {
            let number = text.trim().parse::<i32>();
            number.map_or_else(|_| text.to_owned(), |number| number.to_string())
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: &str) -> Option<ErrorCode> {
        let configs = BTreeMap::from([(key.into(), value.into())]);
        check_client_metrics(&configs).err().map(|(error, _)| error)
    }

    #[test]
    fn values_are_checked_as_kafka_checks_them() {
        for (key, value, error) in [
            ("metrics", "", None),
            ("metrics", "org.apache.kafka.producer.,org.apache.kafka.consumer.", None),
            ("metrics", "*", None),
            ("interval.ms", "100", None),
            ("interval.ms", "3600000", None),
            ("interval.ms", "99", Some(ErrorCode::InvalidRequest)),
            ("interval.ms", "3600001", Some(ErrorCode::InvalidRequest)),
            ("interval.ms", "often", Some(ErrorCode::InvalidConfig)),
            ("match", "", None),
            ("match", "client_id=b1, client_software_version = 3\\..*", None),
            ("match", "client_id=b1=", None),
            ("match", "client_id", Some(ErrorCode::InvalidConfig)),
            ("match", "client_id=", Some(ErrorCode::InvalidConfig)),
            ("match", "client_id=a=b", Some(ErrorCode::InvalidConfig)),
            ("match", "client_id=a,", Some(ErrorCode::InvalidConfig)),
            ("match", "client_name=a", Some(ErrorCode::InvalidConfig)),
            ("match", "client_id=[a", Some(ErrorCode::InvalidConfig)),
            ("retention.ms", "5", Some(ErrorCode::InvalidRequest)),
        ] {
            assert_eq!(check(key, value), error, "{key}={value}");
        }
    }

    #[test]
    fn defaults_pass_and_values_are_told_in_one_way() {
        for (key, kind, default) in CLIENT_METRICS_KEYS {
            assert_eq!(check(key, default), None, "{key}");
            assert_eq!(shown_client_metrics(kind, default), default, "{key}");
        }
        assert_eq!(shown_client_metrics(ConfigKind::List, " a , b"), "a,b");
        assert_eq!(shown_client_metrics(ConfigKind::Int, " +100"), "100");
    }
}
