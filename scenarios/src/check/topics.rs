//! Checks of `[[topics]]`: names, replication, configs, preload.

use super::configs::check_config;
use super::refuse_duplicates;
use crate::bounds::{PRELOAD_RECORD_BYTES_MAX, PRELOAD_RECORD_BYTES_MIN, REPLICAS_MAX};
use crate::catalogue::configs::configs;
use crate::resolve::{broker_disk_bytes, server_config};
use crate::schema::cluster::Cluster;
use crate::schema::decode::Errors;
use crate::schema::scenario::Scenario;
use crate::schema::workload::Topic;
use crate::text::diagnostic::Diagnostic;
use std::collections::BTreeMap;

/// Names that Kafka keeps for itself.
const INTERNAL: &[&str] =
    &["__consumer_offsets", "__transaction_state", "__cluster_metadata", "__share_group_state"];

/// Reports what is wrong with the topics.
pub(super) fn check(scenario: &Scenario, errors: &mut Errors) {
    let topics = &scenario.topics;
    refuse_duplicates("topic", topics.items.iter().map(|topic| &topic.value.name), errors);
    if topics.items.is_empty() && topics.complete {
        let span = scenario.cluster.0.as_ref().map(|cluster| cluster.span).unwrap_or_default();
        errors.push(
            Diagnostic::new(span, "the scenario has no topic", "a cluster without topics")
                .help("add [[topics]] with `name` and `partitions`"),
        );
    }
    let sound = scenario.sound_cluster();
    let server = sound.map(server_config);
    for topic in &topics.items {
        check_topic(&topic.value, scenario, server.as_ref(), errors);
    }
    check_replicas(scenario, server.as_ref(), errors);
    check_preload(scenario, server.as_ref(), errors);
    super::remote::check(scenario, server.as_ref(), errors);
}

/// All replicas together must be as many as a cluster can have.
fn check_replicas(
    scenario: &Scenario,
    server: Option<&BTreeMap<String, String>>,
    errors: &mut Errors,
) {
    let default = server.and_then(|server| server.get("default.replication.factor")?.parse().ok());
    let mut replicas = 0_u64;
    for topic in &scenario.topics.items {
        let factor = topic.value.replication.as_ref().map(|factor| factor.value.0);
        let factor = factor.or(default).unwrap_or(1);
        replicas += u64::from(topic.value.partitions.value.0) * u64::from(factor);
        if replicas > REPLICAS_MAX {
            let message = format!("more than {REPLICAS_MAX} replicas in all topics together");
            let span = topic.value.partitions.span;
            errors.push(
                Diagnostic::new(span, message, "with these partitions")
                    .help("this is more than a cluster can be asked for: use fewer partitions"),
            );
            return;
        }
    }
}

fn check_topic(
    topic: &Topic,
    scenario: &Scenario,
    server: Option<&BTreeMap<String, String>>,
    errors: &mut Errors,
) {
    if INTERNAL.contains(&topic.name.value.0.as_str()) {
        let message = format!("`{}` is an internal topic of Kafka", topic.name.value.0);
        errors.push(Diagnostic::new(topic.name.span, message, "reserved"));
    }
    if let Some(config) = &topic.config {
        check_config("topics", &config.value, &configs().topic, errors);
    }
    let record = topic.preload_record_size.as_ref();
    let sizes = PRELOAD_RECORD_BYTES_MIN..=PRELOAD_RECORD_BYTES_MAX;
    if let Some(size) = record.filter(|size| !sizes.contains(&size.value.0)) {
        let message = "preloaded records have between 16 B and 1 MiB";
        errors.push(Diagnostic::new(size.span, message, "out of range"));
    }
    if let Some(size) = record.filter(|_| topic.preload.is_none()) {
        let message = "`preload_record_size` without `preload`";
        errors.push(Diagnostic::new(size.span, message, "nothing is preloaded"));
    }
    if let (Some(cluster), Some(server)) = (scenario.cluster.get(), server) {
        check_replication(topic, cluster, server, errors);
    }
}

fn check_replication(
    topic: &Topic,
    cluster: &Cluster,
    server: &BTreeMap<String, String>,
    errors: &mut Errors,
) {
    let from_server = |name: &str| server.get(name).and_then(|value| value.parse::<u32>().ok());
    let count = cluster.broker_count();
    let factor = topic
        .replication
        .as_ref()
        .map_or(from_server("default.replication.factor").unwrap_or(1), |factor| factor.value.0);
    let place = topic.replication.as_ref().map_or(topic.name.span, |factor| factor.span);
    if factor > count {
        let message = format!("replication factor {factor}, but there are {count} brokers");
        errors.push(
            Diagnostic::new(place, message, "more replicas than brokers")
                .related(cluster.brokers_span(), "brokers")
                .help(format!("at most `replication = {count}`")),
        );
        return;
    }
    let own = topic.config.as_ref().and_then(|config| config.value.entry("min.insync.replicas"));
    let in_sync = match own {
        Some(entry) => entry.value.parse().unwrap_or(1),
        None => from_server("min.insync.replicas").unwrap_or(1),
    };
    if in_sync > factor {
        let message = format!(
            "min.insync.replicas is {in_sync}, but topic `{}` has {factor} replicas: acks=all \
             would always fail",
            topic.name.value.0
        );
        let place = own.map_or(place, |entry| entry.span);
        errors.push(
            Diagnostic::new(place, message, "never enough replicas")
                .help("raise `replication`, or set the topic's min.insync.replicas lower"),
        );
    }
}

/// What of a backlog is on disks: local retention has deleted what is in remote storage as well.
fn on_disks(topic: &Topic, preload: u64) -> u64 {
    if topic.remote_storage().is_none() {
        return preload;
    }
    let local = topic.config.as_ref().and_then(|c| c.value.entry("local.retention.bytes"));
    let local = local.and_then(|entry| entry.value.parse::<u64>().ok());
    local.map_or(preload, |bytes| preload.min(bytes * u64::from(topic.partitions.value.0)))
}

/// What is preloaded must fit onto the brokers' disks.
fn check_preload(
    scenario: &Scenario,
    server: Option<&BTreeMap<String, String>>,
    errors: &mut Errors,
) {
    let (Some(cluster), Some(server)) = (scenario.cluster.get(), server) else { return };
    let Some(disk_bytes) = broker_disk_bytes(cluster) else { return };
    let default = server.get("default.replication.factor").and_then(|value| value.parse().ok());
    let room = u128::from(disk_bytes) * u128::from(cluster.broker_count());
    let mut held = 0_u128;
    for topic in &scenario.topics.items {
        let Some(preload) = &topic.value.preload else { continue };
        let factor = topic.value.replication.as_ref().map(|factor| factor.value.0);
        let factor = factor.or(default).unwrap_or(1);
        held += u128::from(on_disks(&topic.value, preload.value.0)) * u128::from(factor);
        if held > room {
            let message = format!(
                "preload of all replicas is {} GiB, the cluster's volumes hold {} GiB",
                held >> 30,
                room >> 30
            );
            errors.push(Diagnostic::new(preload.span, message, "does not fit"));
            return;
        }
    }
}
