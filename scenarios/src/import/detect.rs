//! What a file is, by what is in it: nobody wants to say so on the command line.

use super::ImportError;
use serde_json::Value;

/// A file, read as far as its kind tells.
#[derive(Debug)]
pub(super) enum Kind {
    /// JSON, also the JSON line of kafka-log-dirs.
    Json(Value, JsonKind),
    /// kafka-topics --describe.
    Topics,
    /// kafka-consumer-groups --describe.
    Groups,
    /// Prometheus's text format.
    Exposition,
    /// An OpenMessaging Benchmark driver.
    OmbDriver(Value),
    /// An OpenMessaging Benchmark workload or template.
    OmbWorkload(Value),
}

/// What a JSON document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonKind {
    Msk,
    MskNodes,
    MskConfiguration,
    Queries,
    Metrics,
    Prometheus,
    LogDirs,
    Toolkit,
    Trogdor,
}

const KNOWN: &str = "known are: describe-cluster-v2, create-cluster, list-nodes and \
describe-configuration-revision of MSK, CloudWatch \
metric data and its queries, kafka-topics, kafka-log-dirs and kafka-consumer-groups --describe, \
Prometheus range queries and text, OpenMessaging workloads and drivers, Trogdor specs, cluster-config.json of AWS's migration toolkit";

/// The kind of a file that is not empty.
pub(super) fn kind(file: &str, text: &str) -> Result<Kind, ImportError> {
    if text.trim_start().starts_with(['{', '[']) && !starts_with_log_line(text) {
        let value = json(file, text)?;
        let kind = json_kind(&value).ok_or_else(|| unknown(file, "JSON of no known shape"))?;
        return Ok(Kind::Json(value, kind));
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    if text.starts_with("Querying brokers") || text.contains("\nReceived log directory") {
        let at = text.lines().position(|line| line.starts_with('{')).ok_or_else(|| {
            ImportError::new(file, "kafka-log-dirs' output has no JSON line").help("is it cut off?")
        })?;
        // Empty lines in place of those before, so that errors name the file's own.
        let line = text.lines().nth(at).unwrap_or_default();
        let line = format!("{}{line}", "\n".repeat(at));
        return Ok(Kind::Json(json(file, &line)?, JsonKind::LogDirs));
    }
    if lines.clone().any(is_topic_line) {
        return Ok(Kind::Topics);
    }
    if lines.clone().any(is_groups_header) {
        return Ok(Kind::Groups);
    }
    if let Some(at) = text.lines().position(is_other_groups_header) {
        let message = "a table of kafka-consumer-groups that does not tell what a group reads";
        return Err(ImportError::new(format!("{file}:{}", at + 1), message).help(
            "run it with --describe alone, without --members, --state or --offsets of share groups",
        ));
    }
    if lines.clone().any(|line| line.starts_with("# TYPE ") || line.starts_with("# HELP "))
        || lines.clone().all(|line| line.starts_with("kafka_"))
    {
        return Ok(Kind::Exposition);
    }
    yaml(file, text)
}

/// Kafka's tools write what they log to the same terminal: `[2026-11-20 10:00:00,123] WARN ...`.
fn starts_with_log_line(text: &str) -> bool {
    let after = text.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
    after.is_some_and(|(time, rest)| {
        let first = rest.split_whitespace().next().unwrap_or_default();
        time.starts_with(|c: char| c.is_ascii_digit())
            && ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&first)
    })
}

/// A line of kafka-topics; copied from a terminal, its tabs may have become spaces.
fn is_topic_line(line: &str) -> bool {
    let is_more = |key: &str| line.contains(key);
    line.trim_start().starts_with("Topic:")
        && ["\t", "PartitionCount:", "Partition:"].into_iter().any(is_more)
}

/// The first line of a table of kafka-consumer-groups.
pub(super) fn is_groups_header(line: &str) -> bool {
    line.contains("TOPIC") && line.contains("PARTITION") && line.contains("CURRENT-OFFSET")
}

/// `--members`, `--state`, or a share group.
fn is_other_groups_header(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next() == Some("GROUP")
        && words.any(|word| ["CONSUMER-ID", "COORDINATOR", "START-OFFSET", "STATE"].contains(&word))
}

fn unknown(file: &str, what: &str) -> ImportError {
    ImportError::new(file, what).help(KNOWN)
}

fn json(file: &str, text: &str) -> Result<Value, ImportError> {
    serde_json::from_str(text).map_err(|error| {
        let place = format!("{file}:{}:{}", error.line(), error.column().max(1));
        let message = error.to_string();
        // The library ends its message with the place.
        let message = message.split(" at line ").next().unwrap_or_default();
        ImportError::new(place, format!("not JSON: {message}"))
    })
}

fn json_kind(value: &Value) -> Option<JsonKind> {
    let has = |key: &str| {
        let lower = || {
            let mut chars = key.chars();
            let first = chars.next().map(|c| c.to_ascii_lowercase());
            first.into_iter().chain(chars).collect::<String>()
        };
        value.get(key).is_some() || value.get(lower()).is_some()
    };
    if value.as_array().is_some_and(|items| items.iter().any(|item| item.get("Id").is_some())) {
        return Some(JsonKind::Queries);
    }
    let kinds = [
        (JsonKind::Metrics, has("MetricDataResults") || has("Datapoints")),
        (JsonKind::Queries, has("MetricDataQueries")),
        (JsonKind::MskNodes, has("NodeInfoList")),
        (JsonKind::MskConfiguration, has("ServerProperties")),
        (JsonKind::Trogdor, value.get("class").is_some_and(Value::is_string)),
        // As the request that creates a task has it.
        (
            JsonKind::Trogdor,
            value.get("spec").is_some_and(|spec| spec.get("class").is_some_and(Value::is_string)),
        ),
        (JsonKind::Prometheus, value.get("data").is_some_and(|data| data.get("result").is_some())),
        (JsonKind::Prometheus, value.get("status").is_some() && value.get("error").is_some()),
        (JsonKind::Toolkit, value.get("topology").is_some_and(Value::is_object)),
        (JsonKind::LogDirs, value.get("brokers").is_some_and(Value::is_array)),
        (
            JsonKind::Msk,
            ["ClusterInfo", "ClusterInfoList", "Provisioned", "Serverless", "BrokerNodeGroupInfo"]
                .into_iter()
                .any(has),
        ),
    ];
    kinds.into_iter().find(|(_, is)| *is).map(|(kind, _)| kind)
}

fn yaml(file: &str, text: &str) -> Result<Kind, ImportError> {
    let value: Value = serde_saphyr::from_str(text).map_err(|error| {
        let place = error
            .location()
            .map_or_else(|| file.to_owned(), |at| format!("{file}:{}:{}", at.line(), at.column()));
        let message = error.to_string();
        let first = message.lines().next().unwrap_or_default();
        let first = first.strip_prefix("error: ").unwrap_or(first);
        ImportError::new(place, format!("not YAML: {first}")).help(KNOWN)
    })?;
    // `aws --output yaml`.
    if let Some(kind) = json_kind(&value) {
        return Ok(Kind::Json(value, kind));
    }
    let has = |keys: &[&str]| keys.iter().any(|key| value.get(key).is_some());
    if has(&["driverClass", "producerConfig", "topicConfig", "replicationFactor"]) {
        return Ok(Kind::OmbDriver(value));
    }
    if has(&["partitionsPerTopic", "producerRate", "messageSize", "producersPerTopic"]) {
        return Ok(Kind::OmbWorkload(value));
    }
    Err(unknown(file, "neither JSON nor YAML of a known shape"))
}
