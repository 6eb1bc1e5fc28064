//! Configs with their defaults: the broker's, and each client library's under Kafka's names.
//!
//! Leaves out configs that have no default and are not written: they stay unset.

use crate::catalogue::configs::{KeySet, configs};
use crate::catalogue::services::service_limit;
use crate::plan::ClusterKind;
use crate::schema::cluster::Cluster;
use crate::schema::scalar::Config;
use crate::schema::workload::Profile;
use std::collections::BTreeMap;

/// A client's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Produces.
    Producer,
    /// Consumes.
    Consumer,
}

/// server.properties of every broker: what is written, else MSK's default, else Kafka's.
pub(crate) fn server_config(cluster: &Cluster) -> BTreeMap<String, String> {
    let msk = cluster.plan_kind().is_msk();
    let (major, _) = cluster.kafka_version();
    let mut config = BTreeMap::new();
    for (name, spec) in &configs().server.keys {
        let kafka = spec.from_4_0.as_ref().filter(|_| major >= 4).or(spec.default.as_ref());
        let value = spec.msk.as_ref().filter(|_| msk).or(kafka);
        if let Some(value) = value {
            config.insert(name.clone(), value.clone());
        }
    }
    let azs = cluster.az_names().len();
    if msk && azs < 3 {
        // MSK's defaults for two AZs.
        config.insert("default.replication.factor".into(), "2".into());
        config.insert("min.insync.replicas".into(), "1".into());
    }
    let brokers = cluster.broker_count();
    if brokers < 3 {
        // Internal topics cannot have more replicas than there are brokers.
        for name in ["offsets.topic.replication.factor", "transaction.state.log.replication.factor"]
        {
            config.insert(name.into(), brokers.to_string());
        }
        config.insert("transaction.state.log.min.isr".into(), "1".into());
    }
    if cluster.plan_kind() == ClusterKind::MskServerless {
        let largest = service_limit("serverless-record-bytes").map(|limit| limit.value.to_string());
        config.extend(largest.map(|bytes| ("message.max.bytes".to_owned(), bytes)));
    }
    for entry in cluster.config.iter().flat_map(|config| &config.value.entries) {
        config.insert(entry.key.clone(), entry.value.clone());
    }
    in_milliseconds(&mut config, "log.retention");
    in_milliseconds(&mut config, "log.roll");
    config
}

/// Kafka's rule for times with several names: milliseconds, else minutes, else hours. The plan
/// always has the milliseconds.
fn in_milliseconds(config: &mut BTreeMap<String, String>, stem: &str) {
    let name = format!("{stem}.ms");
    if config.contains_key(&name) {
        return;
    }
    for (unit, factor) in [("minutes", 60_000_i64), ("hours", 3_600_000)] {
        let value = config.get(&format!("{stem}.{unit}"));
        if let Some(value) = value.and_then(|value| value.parse::<i64>().ok()) {
            // Below zero means no limit, in every unit.
            let ms = if value < 0 { -1 } else { value.saturating_mul(factor) };
            config.insert(name, ms.to_string());
            return;
        }
    }
}

/// The keys that a client of this library and part knows.
pub(crate) fn client_keys(profile: Profile, role: Role) -> &'static KeySet {
    let all = configs();
    match (profile, role) {
        (Profile::Java, Role::Producer) => &all.java_producer,
        (Profile::Java, Role::Consumer) => &all.java_consumer,
        (Profile::Librdkafka, Role::Producer) => &all.librdkafka_producer,
        (Profile::Librdkafka, Role::Consumer) => &all.librdkafka_consumer,
    }
}

/// A client's config under the Java client's names where there is one, with defaults.
pub(crate) fn client_config(
    profile: Profile,
    role: Role,
    written: Option<&Config>,
    kafka_major: u32,
) -> BTreeMap<String, String> {
    let keys = client_keys(profile, role);
    let mut config = BTreeMap::new();
    for (name, spec) in &keys.keys {
        let newer = spec.from_4_0.as_ref().filter(|_| kafka_major >= 4);
        if let Some(value) = newer.or(spec.default.as_ref()) {
            config.insert(spec.kafka.as_ref().unwrap_or(name).clone(), value.clone());
        }
    }
    let mut explicit = BTreeMap::new();
    for entry in written.iter().flat_map(|config| &config.entries) {
        let spec = keys.keys.get(&entry.key);
        let name = spec.and_then(|spec| spec.kafka.as_ref()).unwrap_or(&entry.key);
        explicit.insert(name.clone(), entry.value.clone());
    }
    config.extend(explicit.clone());
    normalise(&mut config);
    if role == Role::Producer {
        match profile {
            Profile::Java => java_producer_adjustments(&mut config, &explicit),
            Profile::Librdkafka => librdkafka_producer_adjustments(&mut config, &explicit),
        }
    }
    config
}

/// One spelling for values that have several.
fn normalise(config: &mut BTreeMap<String, String>) {
    let rename = |value: &str| match value {
        "smallest" | "beginning" => "earliest".to_owned(),
        "largest" | "end" => "latest".to_owned(),
        "error" => "none".to_owned(),
        other => other.to_owned(),
    };
    if let Some(reset) = config.get_mut("auto.offset.reset") {
        *reset = rename(reset);
    }
    if let Some(acks) = config.get_mut("acks").filter(|acks| *acks == "-1") {
        *acks = "all".to_owned();
    }
}

fn number(config: &BTreeMap<String, String>, name: &str) -> u64 {
    config.get(name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// What the Java producer changes silently when it is configured.
fn java_producer_adjustments(
    config: &mut BTreeMap<String, String>,
    explicit: &BTreeMap<String, String>,
) {
    let conflict = config.get("acks").is_some_and(|acks| acks != "all")
        || number(config, "max.in.flight.requests.per.connection") > 5
        || number(config, "retries") == 0;
    if conflict && !explicit.contains_key("enable.idempotence") {
        config.insert("enable.idempotence".into(), "false".into());
    }
    let least = number(config, "linger.ms") + number(config, "request.timeout.ms");
    if number(config, "delivery.timeout.ms") < least
        && !explicit.contains_key("delivery.timeout.ms")
    {
        config.insert("delivery.timeout.ms".into(), least.to_string());
    }
}

/// What librdkafka changes, and its buffer under the Java client's name.
fn librdkafka_producer_adjustments(
    config: &mut BTreeMap<String, String>,
    explicit: &BTreeMap<String, String>,
) {
    let idempotent = config.get("enable.idempotence").is_some_and(|value| value == "true");
    let in_flight = "max.in.flight.requests.per.connection";
    if idempotent && !explicit.contains_key(in_flight) {
        config.insert(in_flight.into(), "5".into());
    }
    let buffer_bytes = number(config, "queue.buffering.max.kbytes") * 1024;
    config.insert("buffer.memory".into(), buffer_bytes.to_string());
    // librdkafka's one limit is both the message's and the request's; each name has a reader.
    let largest = number(config, "message.max.bytes");
    config.insert("max.request.size".into(), largest.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_and_librdkafka_differ_where_their_documentation_does() {
        let java = client_config(Profile::Java, Role::Producer, None, 3);
        assert_eq!(java["batch.size"], "16384");
        assert_eq!(java["linger.ms"], "0");
        assert_eq!(java["enable.idempotence"], "true");
        assert_eq!(java["acks"], "all");
        let newer = client_config(Profile::Java, Role::Producer, None, 4);
        assert_eq!(newer["linger.ms"], "5");
        let rdkafka = client_config(Profile::Librdkafka, Role::Producer, None, 3);
        assert_eq!(rdkafka["batch.size"], "1000000");
        assert_eq!(rdkafka["linger.ms"], "5");
        assert_eq!(rdkafka["enable.idempotence"], "false");
        assert_eq!(rdkafka["delivery.timeout.ms"], "300000");
        assert_eq!(rdkafka["max.request.size"], "1000000");
        assert_eq!(rdkafka["buffer.memory"], (1_u64 << 30).to_string());
    }

    #[test]
    fn times_with_several_names_are_resolved_to_milliseconds() {
        let entries = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        for (given, ms) in [
            (vec![("log.retention.hours", "168")], "604800000"),
            (vec![("log.retention.hours", "168"), ("log.retention.minutes", "2")], "120000"),
            (vec![("log.retention.hours", "168"), ("log.retention.ms", "5")], "5"),
            (vec![("log.retention.hours", "-1")], "-1"),
        ] {
            let mut config = entries(&given);
            in_milliseconds(&mut config, "log.retention");
            assert_eq!(config["log.retention.ms"], ms);
        }
    }

    #[test]
    fn the_java_producer_drops_idempotence_without_acks_all() {
        let span = crate::text::source::Span::default();
        let entry = |key: &str, value: &str| crate::schema::scalar::ConfigEntry {
            key: key.into(),
            key_span: span,
            value: value.into(),
            span,
        };
        let written = Config { entries: vec![entry("acks", "1"), entry("linger.ms", "200000")] };
        let config = client_config(Profile::Java, Role::Producer, Some(&written), 3);
        assert_eq!(config["enable.idempotence"], "false");
        assert_eq!(config["delivery.timeout.ms"], "230000");
    }
}
