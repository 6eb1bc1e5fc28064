//! Configs of share and streams groups (KIP-932, KIP-1071), of which there are none here: they are kept and shown, and
//! checked as Kafka's `GroupConfig` checks them. Bounds are the defaults of the brokers' `group.share.*` and
//! `group.streams.*`, which have no other values here.

use super::group_config::{GROUP_KEYS, not_a_number};
use crate::pattern;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Bounds of numbers, with what the broker calls them.
const BOUNDS: [(&str, RangeInclusive<i32>, &str, &str); 6] = [
    (
        "share.heartbeat.interval.ms",
        5_000..=15_000,
        "group.share.min.heartbeat.interval.ms",
        "group.share.max.heartbeat.interval.ms",
    ),
    (
        "share.session.timeout.ms",
        45_000..=60_000,
        "group.share.min.session.timeout.ms",
        "group.share.max.session.timeout.ms",
    ),
    (
        "share.record.lock.duration.ms",
        15_000..=60_000,
        "group.share.min.record.lock.duration.ms",
        "group.share.max.record.lock.duration.ms",
    ),
    (
        "streams.heartbeat.interval.ms",
        5_000..=15_000,
        "group.streams.min.heartbeat.interval.ms",
        "group.streams.max.heartbeat.interval.ms",
    ),
    (
        "streams.session.timeout.ms",
        45_000..=60_000,
        "group.streams.min.session.timeout.ms",
        "group.streams.max.session.timeout.ms",
    ),
    ("streams.num.standby.replicas", 0..=2, "0", "group.streams.max.standby.replicas"),
];

/// Numbers that must be greater than others.
const GREATER: [(&str, &str); 2] = [
    ("share.session.timeout.ms", "share.heartbeat.interval.ms"),
    ("streams.session.timeout.ms", "streams.heartbeat.interval.ms"),
];

const RESET: &str = "share.auto.offset.reset";
const ISOLATION: &str = "share.isolation.level";

/// Whether a group may have these configs, as far as they are about share and streams groups.
///
/// # Errors
/// What is wrong, in words.
pub(crate) fn check_other_groups(own: &BTreeMap<Arc<str>, Arc<str>>) -> Result<(), String> {
    for (key, bounds, min, max) in BOUNDS {
        let value = number(own, key)?;
        if value < *bounds.start() {
            return Err(format!("{key} must be greater than or equal to {min}"));
        }
        if value > *bounds.end() {
            return Err(format!("{key} must be less than or equal to {max}"));
        }
    }
    for (key, other) in GREATER {
        if number(own, key)? <= number(own, other)? {
            return Err(format!("{key} must be greater than {other}"));
        }
    }
    check_words(own)
}

/// A number of the group's own, or else the default.
fn number(own: &BTreeMap<Arc<str>, Arc<str>>, key: &str) -> Result<i32, String> {
    let default = GROUP_KEYS.iter().find(|known| known.name == key).map_or("", |key| key.default);
    let text = own.get(key).map_or(default, |text| text);
    text.trim().parse().map_err(|_| not_a_number(key, text))
}

fn check_words(own: &BTreeMap<Arc<str>, Arc<str>>) -> Result<(), String> {
    let levels = ["read_committed", "read_uncommitted"];
    if let Some(text) = own.get(ISOLATION).filter(|text| !levels.contains(&text.trim())) {
        let known = levels.join(", ");
        return Err(format!(
            "Invalid value {text} for configuration {ISOLATION}: String must be one of: {known}"
        ));
    }
    if let Some(text) = own.get(RESET).filter(|text| !is_reset(text.trim())) {
        return Err(format!(
            "Invalid value {text} for configuration {RESET}: Invalid value `{text}` for configuration {RESET}. The \
             value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS.>'."
        ));
    }
    Ok(())
}

/// Where a share group may begin: at an end of its log, or some time ago (KIP-1106).
fn is_reset(text: &str) -> bool {
    match text.split_once(':') {
        None => ["earliest", "latest"].contains(&text),
        Some((kind, duration)) => kind == "by_duration" && is_duration(duration),
    }
}

/// Whether it is a time in ISO 8601, days at most, not below 0 (Java's `Duration`).
fn is_duration(text: &str) -> bool {
    const FORM: &str = r"(?i)\+?P(\+?\d+D)?(T(\+?\d+H)?(\+?\d+M)?(\+?\d+([.,]\d{0,9})?S)?)?";
    let is_whole = !text.ends_with(['P', 'p', 'T', 't']);
    is_whole && text.is_ascii() && pattern::whole(FORM).is_ok_and(|form| form.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::super::ConfigKind;
    use super::*;

    fn check(of: &[(&str, &str)]) -> Result<(), String> {
        let own = of.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect();
        check_other_groups(&own)
    }

    #[test]
    fn numbers_are_within_the_brokers_bounds() {
        assert_eq!(check(&[]), Ok(()));
        for (key, value, why) in [
            ("share.session.timeout.ms", "44999", "group.share.min.session.timeout.ms"),
            ("share.heartbeat.interval.ms", "15001", "group.share.max.heartbeat.interval.ms"),
            ("share.record.lock.duration.ms", "14999", "group.share.min.record.lock.duration.ms"),
            ("streams.session.timeout.ms", "60001", "group.streams.max.session.timeout.ms"),
            ("streams.heartbeat.interval.ms", "4999", "group.streams.min.heartbeat.interval.ms"),
            ("streams.num.standby.replicas", "3", "group.streams.max.standby.replicas"),
            ("streams.num.standby.replicas", "-1", "greater than or equal to 0"),
            ("share.session.timeout.ms", "long", "Not a number of type INT"),
        ] {
            let said = check(&[(key, value)]).unwrap_err();
            assert!(said.starts_with("Invalid value long") || said.starts_with(key), "{said}");
            assert!(said.contains(why), "{said}");
        }
        let fits = [("share.session.timeout.ms", "50000"), ("streams.num.standby.replicas", "2")];
        assert_eq!(check(&fits), Ok(()));
    }

    #[test]
    fn words_are_those_of_kafka() {
        for (key, value, fits) in [
            (ISOLATION, "read_committed", true),
            (ISOLATION, "committed", false),
            (RESET, "earliest", true),
            (RESET, "none", false),
            (RESET, "by_duration:P1DT2H", true),
            (RESET, "by_duration:PT0.5S", true),
            (RESET, "by_duration:P", false),
            (RESET, "by_duration:PT", false),
            (RESET, "by_duration:-PT1S", false),
            (RESET, "by_duration:", false),
            (RESET, "an hour:PT1H", false),
        ] {
            assert_eq!(check(&[(key, value)]).is_ok(), fits, "{key}={value}");
        }
    }

    #[test]
    fn there_is_a_rule_for_each_key_and_the_defaults_keep_them() {
        for known in GROUP_KEYS.iter().filter(|known| !known.name.starts_with("consumer.")) {
            let is_bound = BOUNDS.iter().any(|(key, ..)| *key == known.name);
            assert_eq!(is_bound, known.kind == ConfigKind::Int, "{}", known.name);
            assert_eq!(check(&[(known.name, known.default)]), Ok(()), "{}", known.name);
        }
    }
}
