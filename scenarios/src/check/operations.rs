//! Checks of what an administrator asks for in `[[events]]`.

use super::configs::check_entry;
use super::events::check_broker;
use super::require_known;
use crate::catalogue::configs::configs;
use crate::schema::cluster::Cluster;
use crate::schema::decode::Errors;
use crate::schema::events::{Reassign, TopicConfig};
use crate::schema::scenario::Scenario;
use crate::schema::workload::Topic;
use crate::text::diagnostic::Diagnostic;

fn name(topic: &Topic) -> &str {
    &topic.name.value.0
}

/// Replicas are brokers of the cluster, each once.
pub(super) fn check_replicas(change: &Reassign, cluster: &Cluster, errors: &mut Errors) {
    let mut seen = Vec::new();
    for node in &change.replicas.value.items {
        check_broker(node, cluster, errors);
        if seen.contains(&node.value.0) {
            let message = format!("broker {} is named twice", node.value.0);
            errors.push(Diagnostic::new(node.span, message, "again"));
        }
        seen.push(node.value.0);
    }
}

/// The partition exists, and keeps the number of its replicas.
pub(super) fn check_reassign(change: &Reassign, scenario: &Scenario, errors: &mut Errors) {
    require_known("topic", &change.topic, &scenario.topics, name, errors);
    let mut topics = scenario.topics.items.iter().map(|item| &item.value);
    let Some(topic) = topics.find(|topic| name(topic) == change.topic.value.0) else { return };
    if change.partition.value.0 >= topic.partitions.value.0 {
        let message = format!("`{}` has no partition {}", name(topic), change.partition.value.0);
        errors.push(
            Diagnostic::new(change.partition.span, message, "too many")
                .help("they are counted from 0"),
        );
    }
    let Some(replication) = &topic.replication else { return };
    let replicas = &change.replicas.value;
    if replicas.complete && replicas.items.len() != replication.value.0 as usize {
        let message =
            format!("`{}` has {} replicas of each partition", name(topic), replication.value.0);
        errors.push(Diagnostic::new(change.replicas.span, message, "another number of them"));
    }
}

/// What the checkers take from the plan for the whole run.
const FIXED: [&str; 3] =
    ["cleanup.policy", "remote.storage.enable", "unclean.leader.election.enable"];

/// Kafka knows the config, and would take the value.
pub(super) fn check_config(change: &TopicConfig, scenario: &Scenario, errors: &mut Errors) {
    require_known("topic", &change.topic, &scenario.topics, name, errors);
    let key = &change.key.value.0;
    if FIXED.contains(&key.as_str()) {
        let message = format!("`{key}` cannot change in a run: what is promised depends on it");
        errors.push(
            Diagnostic::new(change.key.span, message, "not while it runs")
                .help("write it into the topic's config"),
        );
        return;
    }
    let value = change.value.as_ref().map(|value| (value.value.0.as_str(), value.span));
    check_entry("topics", (key, change.key.span), value, &configs().topic, errors);
}
