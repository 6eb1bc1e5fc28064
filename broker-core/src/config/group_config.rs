//! Configs of groups (Kafka's `GroupConfig`): what a group has of its own counts more than server.properties. Those of
//! groups in the consumer protocol (KIP-848) are read; those of share and streams groups are in `other_groups`.

use super::{ConfigKind, ServerConfig};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A config of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupKey {
    /// Key.
    pub name: &'static str,
    /// Key in server.properties from which groups inherit; its own name where there is none.
    pub server: &'static str,
    /// Type.
    pub kind: ConfigKind,
    /// Kafka's default.
    pub default: &'static str,
}

const fn key(
    name: &'static str,
    server: &'static str,
    kind: ConfigKind,
    default: &'static str,
) -> GroupKey {
    GroupKey { name, server, kind, default }
}

const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
const SESSION: &str = "consumer.session.timeout.ms";

/// All of them, by name.
#[rustfmt::skip]
pub const GROUP_KEYS: [GroupKey; 10] = [
    key(HEARTBEAT, "group.consumer.heartbeat.interval.ms", ConfigKind::Int, "5000"),
    key(SESSION, "group.consumer.session.timeout.ms", ConfigKind::Int, "45000"),
    key("share.auto.offset.reset", "share.auto.offset.reset", ConfigKind::String, "latest"),
    key("share.heartbeat.interval.ms", "group.share.heartbeat.interval.ms", ConfigKind::Int, "5000"),
    key("share.isolation.level", "share.isolation.level", ConfigKind::String, "read_uncommitted"),
    key("share.record.lock.duration.ms", "group.share.record.lock.duration.ms", ConfigKind::Int, "30000"),
    key("share.session.timeout.ms", "group.share.session.timeout.ms", ConfigKind::Int, "45000"),
    key("streams.heartbeat.interval.ms", "group.streams.heartbeat.interval.ms", ConfigKind::Int, "5000"),
    key("streams.num.standby.replicas", "group.streams.num.standby.replicas", ConfigKind::Int, "0"),
    key("streams.session.timeout.ms", "group.streams.session.timeout.ms", ConfigKind::Int, "45000"),
];

impl GroupKey {
    /// What groups inherit.
    pub(crate) fn inherited(&self, server: &ServerConfig) -> String {
        match self.name {
            HEARTBEAT => server.group_consumer_heartbeat_interval_ms.to_string(),
            SESSION => server.group_consumer_session_timeout_ms.to_string(),
            _ => self.default.to_owned(),
        }
    }
}

pub(super) fn not_a_number(key: &str, text: &str) -> String {
    format!("Invalid value {text} for configuration {key}: Not a number of type INT")
}

/// Values for a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupConfig {
    /// `consumer.heartbeat.interval.ms`.
    pub heartbeat_interval_ms: i32,
    /// `consumer.session.timeout.ms`.
    pub session_timeout_ms: i32,
}

impl GroupConfig {
    /// With the group's own values.
    ///
    /// # Errors
    /// Why a value cannot be, in words.
    pub fn new(
        server: &ServerConfig,
        own: Option<&BTreeMap<Arc<str>, Arc<str>>>,
    ) -> Result<Self, String> {
        let value = |key: &str, inherited: i32| match own.and_then(|own| own.get(key)) {
            None => Ok(inherited),
            Some(text) => text.trim().parse::<i32>().map_err(|_| not_a_number(key, text)),
        };
        Ok(Self {
            heartbeat_interval_ms: value(HEARTBEAT, server.group_consumer_heartbeat_interval_ms)?,
            session_timeout_ms: value(SESSION, server.group_consumer_session_timeout_ms)?,
        })
    }

    /// Whether values are within the server's bounds.
    ///
    /// # Errors
    /// Which is not, in words.
    pub fn check(&self, server: &ServerConfig) -> Result<(), String> {
        let (beat, session) = (self.heartbeat_interval_ms, self.session_timeout_ms);
        let rules = [
            (
                beat >= server.group_consumer_min_heartbeat_interval_ms,
                HEARTBEAT,
                "greater than or equal to group.consumer.min.heartbeat.interval.ms",
            ),
            (
                beat <= server.group_consumer_max_heartbeat_interval_ms,
                HEARTBEAT,
                "less than or equal to group.consumer.max.heartbeat.interval.ms",
            ),
            (
                session >= server.group_consumer_min_session_timeout_ms,
                SESSION,
                "greater than or equal to group.consumer.min.session.timeout.ms",
            ),
            (
                session <= server.group_consumer_max_session_timeout_ms,
                SESSION,
                "less than or equal to group.consumer.max.session.timeout.ms",
            ),
            (session > beat, SESSION, "greater than consumer.heartbeat.interval.ms"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            None => Ok(()),
            Some((_, key, bound)) => Err(format!("{key} must be {bound}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::UnreadKey;
    use super::*;

    #[test]
    fn own_values_are_within_the_servers_bounds() {
        let server = ServerConfig::kafka_defaults();
        let check = |key: &str, value: &str| {
            let own = BTreeMap::from([(key.into(), value.into())]);
            GroupConfig::new(&server, Some(&own)).and_then(|config| config.check(&server))
        };
        assert_eq!(check(SESSION, "50000"), Ok(()));
        assert!(check(SESSION, "44999").unwrap_err().contains("group.consumer.min.session"));
        assert!(check(SESSION, "60001").unwrap_err().contains("group.consumer.max.session"));
        assert!(check(HEARTBEAT, "4999").unwrap_err().contains("group.consumer.min.heartbeat"));
        assert!(check(HEARTBEAT, "15001").unwrap_err().contains("group.consumer.max.heartbeat"));
        assert!(check(HEARTBEAT, "often").unwrap_err().contains("Not a number"));
        let config = GroupConfig::new(&server, None).unwrap();
        assert_eq!((config.heartbeat_interval_ms, config.session_timeout_ms), (5000, 45_000));
    }

    #[test]
    fn the_table_is_in_order_and_has_kafkas_defaults() {
        assert!(GROUP_KEYS.is_sorted_by(|a, b| a.name < b.name));
        let mut server = ServerConfig::kafka_defaults();
        for key in GROUP_KEYS {
            assert_eq!(key.inherited(&server), key.default, "{}", key.name);
            let unread = UnreadKey::find(key.server).map(|known| known.default);
            assert!(unread.is_none_or(|default| default == Some(key.default)), "{}", key.name);
        }
        server.group_consumer_session_timeout_ms = 50_000;
        assert_eq!(GROUP_KEYS[1].inherited(&server), "50000");
    }
}
