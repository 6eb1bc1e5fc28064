//! Configs of a group in the consumer protocol (Kafka's `GroupConfig`, KIP-848): what it has of its
//! own counts more than server.properties.

use super::ServerConfig;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A config of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupKey {
    /// Key.
    pub name: &'static str,
    /// Key in server.properties from which groups inherit.
    pub server: &'static str,
}

const HEARTBEAT: &str = "consumer.heartbeat.interval.ms";
const SESSION: &str = "consumer.session.timeout.ms";

/// All of them, by name. Those of share groups are not there.
pub const GROUP_KEYS: [GroupKey; 2] = [
    GroupKey { name: HEARTBEAT, server: "group.consumer.heartbeat.interval.ms" },
    GroupKey { name: SESSION, server: "group.consumer.session.timeout.ms" },
];

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
            Some(text) => text.trim().parse::<i32>().map_err(|_| {
                format!("Invalid value {text} for configuration {key}: Not a number of type INT")
            }),
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

    /// The value of a key.
    pub(crate) fn value(&self, key: &GroupKey) -> i32 {
        if key.name == HEARTBEAT { self.heartbeat_interval_ms } else { self.session_timeout_ms }
    }
}

#[cfg(test)]
mod tests {
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
}
