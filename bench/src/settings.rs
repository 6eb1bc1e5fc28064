//! librdkafka's properties for a plan's clients. A scenario has the Java client's names; where
//! librdkafka has another one for the same thing it is translated, and what it has no word for is
//! left out.

use crate::run::Target;
use rdkafka::ClientConfig;
use std::collections::BTreeMap;

/// The scenario's name, and librdkafka's. A plan has every default of the Java client filled in: what
/// is not here has no meaning for librdkafka.
const NAMES: [(&str, &str); 32] = [
    ("acks", "acks"),
    ("batch.num.messages", "batch.num.messages"),
    ("batch.size", "batch.size"),
    ("client.rack", "client.rack"),
    ("compression.type", "compression.type"),
    ("delivery.timeout.ms", "message.timeout.ms"),
    ("enable.idempotence", "enable.idempotence"),
    ("fetch.max.bytes", "fetch.max.bytes"),
    ("fetch.max.wait.ms", "fetch.wait.max.ms"),
    ("fetch.min.bytes", "fetch.min.bytes"),
    ("fetch.wait.max.ms", "fetch.wait.max.ms"),
    ("heartbeat.interval.ms", "heartbeat.interval.ms"),
    ("isolation.level", "isolation.level"),
    ("linger.ms", "linger.ms"),
    ("max.in.flight.requests.per.connection", "max.in.flight.requests.per.connection"),
    ("max.partition.fetch.bytes", "max.partition.fetch.bytes"),
    ("max.poll.interval.ms", "max.poll.interval.ms"),
    ("max.request.size", "message.max.bytes"),
    ("message.max.bytes", "message.max.bytes"),
    ("message.timeout.ms", "message.timeout.ms"),
    ("metadata.max.age.ms", "metadata.max.age.ms"),
    ("queue.buffering.max.kbytes", "queue.buffering.max.kbytes"),
    ("queue.buffering.max.messages", "queue.buffering.max.messages"),
    ("queue.buffering.max.ms", "linger.ms"),
    ("reconnect.backoff.max.ms", "reconnect.backoff.max.ms"),
    ("reconnect.backoff.ms", "reconnect.backoff.ms"),
    ("request.timeout.ms", "request.timeout.ms"),
    ("retries", "message.send.max.retries"),
    ("retry.backoff.ms", "retry.backoff.ms"),
    ("session.timeout.ms", "session.timeout.ms"),
    ("socket.timeout.ms", "socket.timeout.ms"),
    ("sticky.partitioning.linger.ms", "sticky.partitioning.linger.ms"),
];

/// What only a producer takes; the others are refused or warned of.
const OF_PRODUCERS: [&str; 12] = [
    "acks",
    "batch.num.messages",
    "batch.size",
    "compression.type",
    "enable.idempotence",
    "linger.ms",
    "message.send.max.retries",
    "message.timeout.ms",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "request.timeout.ms",
    "sticky.partitioning.linger.ms",
];

/// Properties of a client: the plan's, then those of the command line.
pub(crate) fn client(target: &Target, config: &BTreeMap<String, String>) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", &target.bootstrap).set("client.id", "stormglass-bench");
    for (java, name) in NAMES {
        if let Some(value) = config.get(java) {
            client.set(name, value);
        }
    }
    if let Some(bytes) = config.get("buffer.memory").and_then(|bytes| bytes.parse::<u64>().ok()) {
        client.set("queue.buffering.max.kbytes", (bytes / 1024).max(1).to_string());
    }
    for (key, value) in &target.properties {
        client.set(key, value);
    }
    client
}

/// The same for a consumer, who has no use for what only producers do.
pub(crate) fn consumer(target: &Target, config: &BTreeMap<String, String>) -> ClientConfig {
    let mut client = client(target, config);
    for name in OF_PRODUCERS {
        client.remove(name);
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_librdkafkas_and_the_command_line_wins() {
        let config: BTreeMap<String, String> = [
            ("linger.ms", "7"),
            ("acks", "all"),
            ("buffer.memory", "2048"),
            ("fetch.max.wait.ms", "9"),
            ("max.poll.records", "5"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let target = Target {
            bootstrap: "a:1".to_owned(),
            properties: vec![("linger.ms".to_owned(), "8".to_owned())],
            keep_topics: false,
        };
        let client = client(&target, &config);
        let expected = [
            ("bootstrap.servers", Some("a:1")),
            ("linger.ms", Some("8")),
            ("acks", Some("all")),
            ("queue.buffering.max.kbytes", Some("2")),
            ("fetch.wait.max.ms", Some("9")),
            ("max.poll.records", None),
            ("buffer.memory", None),
        ];
        assert_eq!(expected.map(|(key, _)| (key, client.get(key))), expected);
    }
}
