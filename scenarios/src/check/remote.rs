//! Checks of topics with remote storage: what Kafka refuses, and what Amazon MSK does not offer. MSK
//! has it from Kafka 3.6 on; older versions are not simulated.

use crate::plan::ClusterKind;
use crate::schema::cluster::Cluster;
use crate::schema::decode::Errors;
use crate::schema::scalar::ConfigEntry;
use crate::schema::scenario::Scenario;
use crate::schema::workload::Topic;
use crate::text::diagnostic::Diagnostic;
use std::collections::BTreeMap;

/// MSK: smallest segment of a topic with tiered storage, bytes.
const MSK_SEGMENT_BYTES_MIN: i64 = 48 << 20;
/// MSK: shortest time after which a segment is rolled, ms.
const MSK_SEGMENT_MS_MIN: i64 = 10 * 60 * 1000;
/// MSK: shortest retention of a topic with tiered storage, ms.
const MSK_RETENTION_MS_MIN: i64 = 3 * 86_400_000;
/// Where MSK says so.
const MSK_GUIDE: &str = "Amazon MSK developer guide, tiered storage, topic-level configuration";

/// Server config that stands for a topic's when the topic has none.
const INHERITED: [(&str, &str); 6] = [
    ("cleanup.policy", "log.cleanup.policy"),
    ("retention.ms", "log.retention.ms"),
    ("retention.bytes", "log.retention.bytes"),
    ("local.retention.ms", "log.local.retention.ms"),
    ("local.retention.bytes", "log.local.retention.bytes"),
    ("segment.bytes", "log.segment.bytes"),
];

/// A topic with remote storage, and the server's configs.
struct Tiered<'a> {
    topic: &'a Topic,
    on: &'a ConfigEntry,
    server: &'a BTreeMap<String, String>,
}

impl Tiered<'_> {
    fn own(&self, key: &str) -> Option<&ConfigEntry> {
        self.topic.config.as_ref()?.value.entry(key)
    }

    fn text(&self, key: &str) -> &str {
        let inherited = INHERITED.iter().find(|(own, _)| *own == key).map(|(_, server)| *server);
        let own = self.own(key).map(|entry| entry.value.as_str());
        own.or_else(|| self.server.get(inherited?).map(String::as_str)).unwrap_or("")
    }

    fn number(&self, key: &str) -> i64 {
        self.text(key).trim().parse().unwrap_or(-1)
    }

    /// Reports at a config, or where remote storage is turned on.
    fn refuse(&self, key: &str, message: &str, help: &str, errors: &mut Errors) {
        let span = self.own(key).unwrap_or(self.on).span;
        let name = &self.topic.name.value.0;
        let message = format!("topic `{name}` has remote storage: {message}");
        errors.push(
            Diagnostic::new(span, message, "here").related(self.on.span, "turned on").help(help),
        );
    }
}

/// Reports what is wrong with topics that have remote storage.
pub(super) fn check(
    scenario: &Scenario,
    server: Option<&BTreeMap<String, String>>,
    errors: &mut Errors,
) {
    let (Some(cluster), Some(server)) = (scenario.cluster.get(), server) else { return };
    for topic in &scenario.topics.items {
        let Some(on) = topic.value.remote_storage() else { continue };
        let tiered = Tiered { topic: &topic.value, on, server };
        check_kafka(&tiered, cluster, errors);
        if cluster.plan_kind().is_msk() {
            check_msk(&tiered, cluster, errors);
        }
    }
}

/// What Kafka refuses when the topic is created.
fn check_kafka(tiered: &Tiered<'_>, cluster: &Cluster, errors: &mut Errors) {
    const SYSTEM: &str = "remote.log.storage.system.enable";
    let system = cluster.config.as_ref().and_then(|config| config.value.entry(SYSTEM));
    if let Some(off) = system.filter(|entry| entry.value == "false") {
        let message = format!("`{SYSTEM}` is false: no topic can have remote storage");
        errors.push(
            Diagnostic::new(off.span, message, "turned off here")
                .related(tiered.on.span, "and on here")
                .help("leave it out: it is true where a topic has remote storage"),
        );
    }
    if tiered.text("cleanup.policy").contains("compact") {
        let help = "Kafka has remote storage for `cleanup.policy = \"delete\"` alone";
        tiered.refuse("cleanup.policy", "it cannot be compacted", help, errors);
    }
    for unit in ["ms", "bytes"] {
        let (local_key, whole_key) =
            (format!("local.retention.{unit}"), format!("retention.{unit}"));
        let (local, whole) = (tiered.number(&local_key), tiered.number(&whole_key));
        if whole != -1 && local != -2 && (local == -1 || local > whole) {
            let message = format!("{local_key} = {local} is more than {whole_key} = {whole}");
            let help = "what stays on the disks is a part of the whole";
            tiered.refuse(&local_key, &message, help, errors);
        }
    }
}

/// What MSK does not offer.
fn check_msk(tiered: &Tiered<'_>, cluster: &Cluster, errors: &mut Errors) {
    const ON: &str = "remote.storage.enable";
    if cluster.plan_kind() != ClusterKind::MskStandard {
        let message = "MSK has tiered storage on Standard brokers only";
        let help = "leave it out: storage of this kind grows by itself";
        return tiered.refuse(ON, message, help, errors);
    }
    if cluster.instance_name() == "kafka.t3.small" {
        let help = "MSK offers tiered storage from kafka.m5.large and kafka.m7g.large on";
        tiered.refuse(ON, "kafka.t3.small brokers cannot have it", help, errors);
    }
    let limits = [
        ("segment.bytes", MSK_SEGMENT_BYTES_MIN, "48 MiB (50331648)"),
        ("segment.ms", MSK_SEGMENT_MS_MIN, "10 minutes (600000)"),
        ("retention.ms", MSK_RETENTION_MS_MIN, "3 days (259200000)"),
    ];
    for (key, least, shown) in limits {
        let value = tiered.own(key).map(|_| tiered.number(key));
        if value.is_some_and(|value| (0..least).contains(&value)) {
            let message = format!("{key} is at least {shown} on MSK");
            tiered.refuse(key, &message, MSK_GUIDE, errors);
        }
    }
    for unit in ["ms", "bytes"] {
        let key = format!("local.retention.{unit}");
        let whole = tiered.number(&format!("retention.{unit}"));
        if whole >= 0 && tiered.number(&key) == whole {
            let message = format!("{key} must be less than retention.{unit} on MSK");
            tiered.refuse(&key, &message, MSK_GUIDE, errors);
        }
    }
}
