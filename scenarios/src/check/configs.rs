//! Checks of Kafka configs: known keys, types, values, and what clients refuse together.

use super::with_suggestion;
use crate::catalogue::configs::{KeySet, configs};
use crate::resolve::{Role, client_config, client_keys};
use crate::schema::decode::{At, Errors};
use crate::schema::scalar::Config;
use crate::schema::workload::Profile;
use crate::text::diagnostic::Diagnostic;
use crate::text::source::Span;

/// Keys that the simulator sets itself for each node or client.
const OWN: &[&str] = &[
    "node.id",
    "broker.id",
    "process.roles",
    "listeners",
    "advertised.listeners",
    "log.dir",
    "log.dirs",
    "metadata.log.dir",
    "controller.quorum.voters",
    "controller.listener.names",
    "controller.quorum.bootstrap.servers",
    "inter.broker.listener.name",
    "listener.security.protocol.map",
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "key.serializer",
    "value.serializer",
    "key.deserializer",
    "value.deserializer",
    "security.protocol",
];

/// Reports keys that do not exist and values that Kafka would refuse.
pub(super) fn check_config(what: &str, config: &Config, keys: &KeySet, errors: &mut Errors) {
    for entry in &config.entries {
        let value = Some((entry.value.as_str(), entry.span));
        check_entry(what, (&entry.key, entry.key_span), value, keys, errors);
    }
}

/// The same of one key, with a value or without.
pub(super) fn check_entry(
    what: &str,
    (key, key_span): (&str, Span),
    value: Option<(&str, Span)>,
    keys: &KeySet,
    errors: &mut Errors,
) {
    let Some(spec) = keys.keys.get(key) else {
        return errors.push(unknown_key(what, key, keys, key_span));
    };
    let Some((value, span)) = value else { return };
    if let Some(expected) = spec.refusal(value) {
        let shown: String = value.chars().take(60).collect();
        let message = format!("`{key}` cannot be `{shown}`");
        errors.push(
            Diagnostic::new(span, message, "not allowed").help(format!("expected {expected}")),
        );
    }
}

fn unknown_key(what: &str, key: &str, keys: &KeySet, span: Span) -> Diagnostic {
    if OWN.contains(&key) {
        let message = format!("`{key}` is set for each node and client by the simulation itself");
        return Diagnostic::new(span, message, "set by the simulation").help("leave it out");
    }
    let message = format!("`{key}` is not a key of {what}");
    let diagnostic = Diagnostic::new(span, message, "unknown key");
    if key.starts_with("zookeeper.") {
        return diagnostic.help("KRaft clusters are simulated: there is no ZooKeeper");
    }
    let close = crate::text::diagnostic::closest(key, keys.keys.keys().map(String::as_str));
    if close.is_none()
        && let Some(owner) = elsewhere(key)
    {
        return diagnostic.help(format!("it is a key of {owner}"));
    }
    with_suggestion(diagnostic, key, keys.keys.keys().map(String::as_str))
}

/// What a key belongs to, when it is misplaced rather than misspelt.
fn elsewhere(key: &str) -> Option<&'static str> {
    let all = configs();
    let places = [
        (&all.server, "server.properties: write it into [cluster.config]"),
        (&all.topic, "topics"),
        (&all.java_producer, "the Java producer"),
        (&all.java_consumer, "the Java consumer"),
        (&all.librdkafka_producer, "librdkafka producers: write `profile = \"librdkafka\"`"),
        (&all.librdkafka_consumer, "librdkafka consumers: write `profile = \"librdkafka\"`"),
    ];
    places.iter().find(|(set, _)| set.keys.contains_key(key)).map(|(_, owner)| *owner)
}

/// Reports what is wrong with a client's config.
pub(super) fn check_client(
    profile: Profile,
    role: Role,
    config: Option<&At<Config>>,
    kafka_major: u32,
    errors: &mut Errors,
) {
    let Some(config) = config else { return };
    let what = match (profile, role) {
        (Profile::Java, Role::Producer) => "the Java producer",
        (Profile::Java, Role::Consumer) => "the Java consumer",
        (Profile::Librdkafka, _) => "librdkafka",
    };
    let before = errors.len();
    check_config(what, &config.value, client_keys(profile, role), errors);
    if errors.len() == before && role == Role::Producer {
        check_producer(profile, &config.value, kafka_major, errors);
    }
}

/// Combinations that a producer refuses to start with.
fn check_producer(profile: Profile, config: &Config, kafka_major: u32, errors: &mut Errors) {
    let resolved = client_config(profile, Role::Producer, Some(config), kafka_major);
    let text = |name: &str| resolved.get(name).map_or("", String::as_str);
    let number = |name: &str| text(name).parse::<u64>().unwrap_or(0);
    let idempotence = config.entry("enable.idempotence").filter(|entry| entry.value == "true");
    if let Some(entry) = idempotence {
        let in_flight = number("max.in.flight.requests.per.connection");
        let reason = match text("acks") {
            "all" if in_flight <= 5 && number("retries") > 0 => None,
            "all" if in_flight > 5 => Some("at most 5 requests in flight"),
            "all" => Some("retries"),
            _ => Some("acks=all"),
        };
        if let Some(reason) = reason {
            let message = format!("an idempotent producer needs {reason}");
            errors.push(Diagnostic::new(entry.span, message, "idempotence asked for here"));
        }
    }
    let delivery = config.entry("delivery.timeout.ms").filter(|_| profile == Profile::Java);
    if let Some(entry) = delivery {
        let least = number("linger.ms") + number("request.timeout.ms");
        if number("delivery.timeout.ms") < least {
            let message = "`delivery.timeout.ms` is below `linger.ms` + `request.timeout.ms`";
            errors.push(
                Diagnostic::new(entry.span, message, "too short").help(format!("at least {least}")),
            );
        }
    }
    let buffer = config.entry("buffer.memory").or_else(|| config.entry("batch.size"));
    if let Some(entry) = buffer.filter(|_| number("buffer.memory") < number("batch.size")) {
        let message = "`buffer.memory` is below `batch.size`: no batch would fit";
        errors.push(Diagnostic::new(entry.span, message, "here"));
    }
}
