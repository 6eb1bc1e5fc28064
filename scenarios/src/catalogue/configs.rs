//! Kafka configs: names, types, bounds and defaults, from `defaults.toml`.

use super::provenance::{Provenance, read};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// `defaults.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    pub(crate) server: KeySet,
    pub(crate) topic: KeySet,
    pub(crate) java_producer: KeySet,
    pub(crate) java_consumer: KeySet,
    pub(crate) librdkafka_producer: KeySet,
    pub(crate) librdkafka_consumer: KeySet,
}

/// The keys of one kind of config.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct KeySet {
    /// Keys by name.
    pub(crate) keys: BTreeMap<String, KeySpec>,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "shown to readers of the file; tests check it")
    )]
    #[serde(flatten)]
    pub(crate) provenance: Provenance,
}

/// Type of a config value, as Kafka names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum KeyType {
    /// Any text.
    String,
    /// Comma-separated texts.
    List,
    /// `true` or `false`.
    Boolean,
    /// 16-bit integer.
    Short,
    /// 32-bit integer.
    Int,
    /// 64-bit integer.
    Long,
    /// Floating-point number.
    Double,
}

/// One config key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeySpec {
    #[serde(rename = "type")]
    pub(crate) kind: KeyType,
    /// Kafka 3.9's default; absent: unset.
    pub(crate) default: Option<String>,
    /// MSK's default where stated.
    pub(crate) msk: Option<String>,
    /// Kafka's default from 4.0 on.
    pub(crate) from_4_0: Option<String>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    /// Allowed values.
    #[serde(default)]
    pub(crate) values: Vec<String>,
    /// The Java client's name for the same setting.
    pub(crate) kafka: Option<String>,
    /// Whether a simulation reads it.
    #[serde(default = "simulated")]
    pub(crate) simulated: bool,
    /// The key of the client's section without which it changes nothing.
    pub(crate) needs: Option<String>,
}

/// Most keys are read.
const fn simulated() -> bool {
    true
}

/// The configs.
pub(crate) fn configs() -> &'static Defaults {
    static FILE: OnceLock<Defaults> = OnceLock::new();
    FILE.get_or_init(|| read("defaults.toml", include_str!("../../catalogue/defaults.toml")))
}

impl KeySpec {
    /// Why Kafka would refuse `value`, if it would.
    pub(crate) fn refusal(&self, value: &str) -> Option<String> {
        let number = |min: i64, max: i64| self.number_refusal(value, min, max);
        match self.kind {
            KeyType::String | KeyType::List => self.choice_refusal(value),
            KeyType::Boolean if matches!(value, "true" | "false") => None,
            KeyType::Boolean => Some("true or false".to_owned()),
            KeyType::Short => number(i64::from(i16::MIN), i64::from(i16::MAX)),
            KeyType::Int => number(i64::from(i32::MIN), i64::from(i32::MAX)),
            KeyType::Long => number(i64::MIN, i64::MAX),
            KeyType::Double => self.fraction_refusal(value),
        }
    }

    /// Kafka's fractions are shares, factors and delays: none is negative.
    fn fraction_refusal(&self, value: &str) -> Option<String> {
        let plain = value.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
        let number = value.parse::<f64>().ok().filter(|number| plain && number.is_finite());
        let max = self.max.unwrap_or(i64::MAX);
        let whole = number.map(f64::ceil).map(|number| number as i64);
        match number {
            Some(number) if number >= 0.0 && (self.max.is_none() || whole <= Some(max)) => None,
            _ if self.max.is_some() => Some(format!("a number from 0 to {max}")),
            _ => Some("a number from 0".to_owned()),
        }
    }

    fn choice_refusal(&self, value: &str) -> Option<String> {
        let normal = value.replace(' ', "");
        let allowed = self.values.is_empty() || self.values.contains(&normal);
        (!allowed).then(|| format!("one of {}", self.values.join(", ")))
    }

    fn number_refusal(&self, value: &str, min: i64, max: i64) -> Option<String> {
        let (min, max) = (self.min.unwrap_or(min), self.max.unwrap_or(max));
        match value.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => None,
            _ => Some(format!("a whole number from {min} to {max}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_satisfy_their_own_rules() {
        let all = configs();
        let sets = [
            &all.server,
            &all.topic,
            &all.java_producer,
            &all.java_consumer,
            &all.librdkafka_producer,
            &all.librdkafka_consumer,
        ];
        for set in sets {
            set.provenance.check("a section of defaults.toml");
            for (name, spec) in &set.keys {
                for value in [&spec.default, &spec.msk, &spec.from_4_0].into_iter().flatten() {
                    assert_eq!(spec.refusal(value), None, "{name} = {value}");
                }
            }
        }
    }

    #[test]
    fn values_of_the_wrong_type_or_range_are_refused() {
        let server = &configs().server.keys;
        assert!(server["num.io.threads"].refusal("many").is_some());
        assert!(server["num.io.threads"].refusal("0").is_some());
        assert!(server["unclean.leader.election.enable"].refusal("yes").is_some());
        assert!(server["compression.type"].refusal("brotli").is_some());
        assert!(server["log.segment.bytes"].refusal("99999999999").is_some());
        let rdkafka = &configs().librdkafka_producer.keys;
        assert_eq!(rdkafka["linger.ms"].refusal("0.5"), None);
        for value in ["-0.5", "900001", "nan", "inf", "5ms", ""] {
            assert!(rdkafka["linger.ms"].refusal(value).is_some(), "{value}");
        }
    }

    #[test]
    fn what_a_key_needs_is_known() {
        let all = configs();
        let clients = [
            &all.java_producer,
            &all.java_consumer,
            &all.librdkafka_producer,
            &all.librdkafka_consumer,
        ];
        for (name, spec) in clients.into_iter().flat_map(|set| &set.keys) {
            let known = ["compressed_to", "transactional", "membership"];
            let needs = spec.needs.as_deref();
            assert!(needs.is_none_or(|needs| known.contains(&needs)), "{name}");
            assert!(spec.simulated || needs.is_none(), "{name}");
        }
    }

    #[test]
    fn aliases_of_librdkafka_point_at_java_names() {
        let all = configs();
        let pairs = [
            (&all.librdkafka_producer, &all.java_producer),
            (&all.librdkafka_consumer, &all.java_consumer),
        ];
        for (set, java) in pairs {
            for (name, spec) in &set.keys {
                if let Some(alias) = &spec.kafka {
                    assert!(java.keys.contains_key(alias), "{name} -> {alias}");
                }
            }
        }
    }
}
