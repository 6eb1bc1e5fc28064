//! What clients are told of a config that its text does not say: nulls, secrets, and types that only
//! configs without effect have.

use super::{ConfigKind, UnreadKey};

/// Configs that the broker goes by and that Kafka has no default for. By name.
const NULL: [&str; 4] =
    ["broker.rack", "log.retention.ms", "log.roll.ms", "replica.selector.class"];

/// A value, or nothing where nobody has set it and Kafka has no default (null), or where it is secret.
#[must_use]
pub fn told_value<'a>(key: &str, kind: ConfigKind, value: &'a str) -> Option<&'a str> {
    let unread = UnreadKey::find(key);
    let may_be_null = unread.map_or(NULL.contains(&key), |key| key.default.is_none());
    let is_null = is_sensitive(key, kind) || (value.is_empty() && may_be_null);
    (!is_null).then_some(value)
}

/// Whether its value is a secret. That of a config which nobody knows may be one (`KafkaConfig.maybeSensitive`).
#[must_use]
pub fn is_sensitive(key: &str, kind: ConfigKind) -> bool {
    kind == ConfigKind::Unknown || UnreadKey::find(key).is_some_and(UnreadKey::is_sensitive)
}

/// Kafka's number of a config's type.
#[must_use]
pub fn type_number(key: &str, kind: ConfigKind) -> i8 {
    UnreadKey::find(key).map_or(kind as i8, UnreadKey::type_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_default_is_null_and_empty_text_is_not() {
        for key in ["log.roll.ms", "replica.selector.class", "ssl.keystore.location"] {
            let told = |value| told_value(key, ConfigKind::String, value);
            assert_eq!((told(""), told("5")), (None, Some("5")), "{key}");
        }
        for key in ["authorizer.class.name", "leader.replication.throttled.replicas"] {
            assert_eq!(told_value(key, ConfigKind::String, ""), Some(""), "{key}");
        }
    }

    #[test]
    fn passwords_are_secret_and_types_are_kafkas() {
        let text = ConfigKind::String;
        assert!(is_sensitive("ssl.key.password", text));
        assert!(!is_sensitive("ssl.keystore.location", text));
        assert_eq!(told_value("ssl.key.password", text, "hunter2"), None);
        assert_eq!(told_value("foo.bar", ConfigKind::Unknown, "hunter2"), None);
        assert_eq!(type_number("foo.bar", ConfigKind::Unknown), 0);
        let types = [
            ("ssl.key.password", ConfigKind::String, 9),
            ("principal.builder.class", ConfigKind::String, 8),
            ("ssl.cipher.suites", ConfigKind::List, 7),
            ("num.partitions", ConfigKind::Int, 3),
        ];
        for (key, kind, number) in types {
            assert_eq!(type_number(key, kind), number, "{key}");
        }
    }
}
