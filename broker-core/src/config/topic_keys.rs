//! Every topic config of Kafka 4.1: name, server's key, type, default, and what values it may have.
//! Those that [`super::TopicConfig`] does not read are kept and shown, and change nothing.

use super::ConfigKind;

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Anything of its type.
    Any,
    /// A number from here on.
    AtLeast(i64),
    /// A number in these bounds.
    Between(i64, i64),
    /// A number from 0 to 1.
    Ratio,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of these words, not empty.
    ListOf(&'static [&'static str]),
    /// Bytes per second, a number above 0.
    Rate,
    /// Replicas, as [`super::ThrottledReplicas`] reads them.
    Replicas,
}

/// A topic config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicKey {
    /// Key.
    pub name: &'static str,
    /// Key in server.properties from which topics inherit.
    pub server: &'static str,
    /// Type.
    pub kind: ConfigKind,
    /// Kafka's default.
    pub default: &'static str,
    /// What a value must be.
    pub rule: Rule,
}

pub(super) const fn key(
    name: &'static str,
    server: &'static str,
    kind: ConfigKind,
    default: &'static str,
    rule: Rule,
) -> TopicKey {
    TopicKey { name, server, kind, default, rule }
}

pub(super) const LONG_MAX: &str = "9223372036854775807";
const COMPRESSION: Rule =
    Rule::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]);

/// All of them, by name.
#[rustfmt::skip]
pub const TOPIC_KEYS: &[TopicKey] = &[
    key("cleanup.policy", "log.cleanup.policy", ConfigKind::List, "delete", Rule::ListOf(&["compact", "delete"])),
    key("compression.gzip.level", "compression.gzip.level", ConfigKind::Int, "-1", Rule::Between(-1, 9)),
    key("compression.lz4.level", "compression.lz4.level", ConfigKind::Int, "9", Rule::Between(1, 17)),
    key("compression.type", "compression.type", ConfigKind::String, "producer", COMPRESSION),
    key("compression.zstd.level", "compression.zstd.level", ConfigKind::Int, "3", Rule::Between(-131_072, 22)),
    key("delete.retention.ms", "log.cleaner.delete.retention.ms", ConfigKind::Long, "86400000", Rule::AtLeast(0)),
    key("file.delete.delay.ms", "log.segment.delete.delay.ms", ConfigKind::Long, "60000", Rule::AtLeast(0)),
    key("flush.messages", "log.flush.interval.messages", ConfigKind::Long, LONG_MAX, Rule::AtLeast(1)),
    key("flush.ms", "log.flush.interval.ms", ConfigKind::Long, LONG_MAX, Rule::AtLeast(0)),
    key("follower.replication.throttled.replicas", "follower.replication.throttled.replicas", ConfigKind::List, "", Rule::Replicas),
    key("index.interval.bytes", "log.index.interval.bytes", ConfigKind::Int, "4096", Rule::AtLeast(0)),
    key("leader.replication.throttled.replicas", "leader.replication.throttled.replicas", ConfigKind::List, "", Rule::Replicas),
    key("local.retention.bytes", "log.local.retention.bytes", ConfigKind::Long, "-2", Rule::AtLeast(-2)),
    key("local.retention.ms", "log.local.retention.ms", ConfigKind::Long, "-2", Rule::AtLeast(-2)),
    key("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", ConfigKind::Long, LONG_MAX, Rule::AtLeast(1)),
    key("max.message.bytes", "message.max.bytes", ConfigKind::Int, "1048588", Rule::AtLeast(0)),
    key("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", ConfigKind::Long, "3600000", Rule::AtLeast(0)),
    key("message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", ConfigKind::Long, LONG_MAX, Rule::AtLeast(0)),
    key("message.timestamp.type", "log.message.timestamp.type", ConfigKind::String, "CreateTime", Rule::OneOf(&["CreateTime", "LogAppendTime"])),
    key("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", ConfigKind::Double, "0.5", Rule::Ratio),
    key("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", ConfigKind::Long, "0", Rule::AtLeast(0)),
    key("min.insync.replicas", "min.insync.replicas", ConfigKind::Int, "1", Rule::AtLeast(1)),
    key("preallocate", "log.preallocate", ConfigKind::Boolean, "false", Rule::Any),
    key("remote.log.copy.disable", "remote.log.copy.disable", ConfigKind::Boolean, "false", Rule::Any),
    key("remote.log.delete.on.disable", "remote.log.delete.on.disable", ConfigKind::Boolean, "false", Rule::Any),
    key("remote.storage.enable", "remote.storage.enable", ConfigKind::Boolean, "false", Rule::Any),
    key("retention.bytes", "log.retention.bytes", ConfigKind::Long, "-1", Rule::AtLeast(-1)),
    key("retention.ms", "log.retention.ms", ConfigKind::Long, "604800000", Rule::AtLeast(-1)),
    key("segment.bytes", "log.segment.bytes", ConfigKind::Int, "1073741824", Rule::AtLeast(14)),
    key("segment.index.bytes", "log.index.size.max.bytes", ConfigKind::Int, "10485760", Rule::AtLeast(4)),
    key("segment.jitter.ms", "log.roll.jitter.ms", ConfigKind::Long, "0", Rule::AtLeast(0)),
    key("segment.ms", "log.roll.ms", ConfigKind::Long, "604800000", Rule::AtLeast(1)),
    key("unclean.leader.election.enable", "unclean.leader.election.enable", ConfigKind::Boolean, "false", Rule::Any),
];

impl TopicKey {
    /// A config by its name.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        TOPIC_KEYS.iter().find(|key| key.name == name)
    }

    /// Whether it may have this value.
    ///
    /// # Errors
    /// What is wrong, for the client.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let value = value.trim();
        let fits = match self.kind {
            ConfigKind::Boolean => {
                value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
            }
            ConfigKind::Int | ConfigKind::Short => {
                value.parse().is_ok_and(|number: i32| self.rule.admits(number.into()))
            }
            ConfigKind::Long => value.parse().is_ok_and(|number| self.rule.admits(number)),
            ConfigKind::Double if self.rule == Rule::Rate => {
                super::IoRate::of_text(value).is_some()
            }
            ConfigKind::Double => super::Ratio::of_text(value).is_some(),
            ConfigKind::Unknown => true,
            ConfigKind::String | ConfigKind::List => match self.rule {
                Rule::OneOf(words) => words.contains(&value),
                Rule::ListOf(words) => value.split(',').all(|word| words.contains(&word.trim())),
                Rule::Replicas => super::ThrottledReplicas::of_text(value).is_some(),
                Rule::Any | Rule::AtLeast(_) | Rule::Between(..) | Rule::Ratio | Rule::Rate => true,
            },
        };
        if fits {
            return Ok(());
        }
        let name = self.name;
        Err(format!("Invalid value {value} for configuration {name}: {}", self.expected()))
    }

    fn expected(&self) -> String {
        match self.rule {
            Rule::AtLeast(min) => format!("Value must be a whole number of at least {min}"),
            Rule::Between(min, max) => format!("Value must be a whole number, {min} to {max}"),
            Rule::Ratio => "Value must be a number, 0 to 1".to_owned(),
            Rule::OneOf(words) => format!("String must be one of: {}", words.join(", ")),
            Rule::ListOf(words) => format!("Entries must be of: {}", words.join(", ")),
            Rule::Rate => "Value must be a number above 0".to_owned(),
            Rule::Replicas => format!(
                "{} must be the literal '*' or a list of replicas in the following format: \
                 [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                self.name
            ),
            Rule::Any => "Value must be true or false".to_owned(),
        }
    }
}

impl Rule {
    fn admits(self, number: i64) -> bool {
        match self {
            Self::AtLeast(min) => number >= min,
            Self::Between(min, max) => (min..=max).contains(&number),
            Self::Any
            | Self::Ratio
            | Self::Rate
            | Self::OneOf(_)
            | Self::ListOf(_)
            | Self::Replicas => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::TopicConfig;
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_defaults_pass_their_own_rules() {
        assert!(TOPIC_KEYS.is_sorted_by(|a, b| a.name < b.name));
        for key in TOPIC_KEYS {
            assert_eq!(key.check(key.default), Ok(()), "{}", key.name);
        }
    }

    #[test]
    fn what_the_broker_reads_is_in_the_table_with_the_same_defaults() {
        for (name, value, kind) in TopicConfig::kafka_defaults().entries() {
            let key = TopicKey::find(name).unwrap();
            assert_eq!((key.default, key.kind), (&*value, kind), "{name}");
        }
    }

    #[test]
    fn values_out_of_bounds_are_named() {
        let bad = [
            ("retention.ms", "-2"),
            ("retention.ms", "soon"),
            ("segment.bytes", "13"),
            ("segment.bytes", "3000000000"),
            ("min.insync.replicas", "0"),
            ("cleanup.policy", "shrink"),
            ("cleanup.policy", ""),
            ("compression.type", "best"),
            ("min.cleanable.dirty.ratio", "1.5"),
            ("preallocate", "yes"),
            ("leader.replication.throttled.replicas", "0"),
            ("follower.replication.throttled.replicas", "*,0:1"),
        ];
        for (name, value) in bad {
            let said = TopicKey::find(name).unwrap().check(value).unwrap_err();
            assert!(said.contains(name), "{said}");
        }
        let good = [
            ("cleanup.policy", "compact, delete"),
            ("preallocate", "TRUE"),
            ("leader.replication.throttled.replicas", "*"),
            ("leader.replication.throttled.replicas", "0:1, 12:3"),
        ];
        for (name, value) in good {
            assert_eq!(TopicKey::find(name).unwrap().check(value), Ok(()), "{name}");
        }
        assert_eq!(TopicKey::find("retention.minutes"), None);
    }
}
