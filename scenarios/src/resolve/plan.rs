//! The plan, put together from its parts.

use super::{clients, cluster, events, model, placement};
use crate::catalogue::remote;
use crate::plan::{ClusterPlan, PLAN_SCHEMA_VERSION, PhasesPlan, Plan, TopicPlan};
use crate::schema::scenario::Scenario;
use crate::schema::workload::Topic;
use crate::text::source::Sources;
use std::collections::BTreeMap;

/// Segments of topics with tiered storage on MSK, bytes, unless the topic says otherwise (MSK developer
/// guide: 128 MiB in the place of 1 GiB).
const MSK_TIERED_SEGMENT: &str = "134217728";

/// The plan of a scenario that has no errors.
pub(crate) fn plan(scenario: &Scenario, sources: &Sources, digest: String, seed: u64) -> Plan {
    let times = scenario.phases.sound().times();
    let mut cluster = cluster::cluster(scenario.cluster.sound());
    if scenario.has_remote_storage() {
        enable_remote_storage(&mut cluster);
    }
    let topics = scenario.topics.items.iter().enumerate();
    let topics = topics.map(|(index, topic)| self::topic(&topic.value, index, &cluster)).collect();
    let thresholds = scenario.thresholds.0.as_ref();
    Plan {
        schema_version: PLAN_SCHEMA_VERSION,
        scenario: scenario.name.sound().0.clone(),
        question: scenario.question.sound().0.clone(),
        expect: scenario.expect.sound().0.clone(),
        scenario_digest: digest,
        seed,
        wire: scenario.wire.as_ref().is_some_and(|wire| wire.value),
        shuffled: false,
        first_producer_epoch: 0,
        model: model::model(scenario),
        topics,
        producers: clients::producers(scenario, &cluster, times),
        consumers: clients::consumers(scenario, &cluster, times),
        events: events::events(scenario, &cluster, sources, times),
        phases: PhasesPlan {
            warmup_ns: times.warmup_ns,
            measure_ns: times.measure_ns,
            heal_ns: times.heal_ns,
            drain_ns: times.drain_ns,
        },
        thresholds: thresholds.map(|thresholds| thresholds.value.items.clone()).unwrap_or_default(),
        prices: model::prices(scenario),
        cluster,
    }
}

/// Gives a plan what it needs when topics of it get remote storage later: configs of its brokers, and the model of the
/// storage. What that costs is not part of it.
pub fn add_remote_storage(plan: &mut Plan) {
    enable_remote_storage(&mut plan.cluster);
    plan.model.constants.extend(remote::constants().clone());
    plan.model.remote_request = Some(remote::latency());
}

/// What brokers with remote storage have beside others.
fn enable_remote_storage(cluster: &mut ClusterPlan) {
    cluster.config.insert("remote.log.storage.system.enable".to_owned(), "true".to_owned());
    for (name, spec) in &remote::server_keys().keys {
        if let Some(default) = &spec.default {
            cluster.config.entry(name.clone()).or_insert_with(|| default.clone());
        }
    }
}

fn topic(topic: &Topic, index: usize, cluster: &ClusterPlan) -> TopicPlan {
    let partitions = topic.partitions.value.0;
    let default = cluster.config.get("default.replication.factor");
    let default = default.and_then(|factor| factor.parse().ok()).unwrap_or(1);
    let replication = topic.replication.as_ref().map_or(default, |factor| factor.value.0);
    let config = topic.config.iter().flat_map(|config| &config.value.entries);
    let mut config: BTreeMap<String, String> =
        config.map(|entry| (entry.key.clone(), entry.value.clone())).collect();
    if topic.remote_storage().is_some() && cluster.kind.is_msk() {
        config.entry("segment.bytes".to_owned()).or_insert_with(|| MSK_TIERED_SEGMENT.to_owned());
    }
    let preload_bytes = topic.preload.as_ref().map_or(0, |size| size.value.0);
    TopicPlan {
        name: topic.name.value.0.clone(),
        assignment: placement::assign(cluster, partitions, replication, index),
        config,
        preload_bytes: preload_bytes / u64::from(partitions),
        preload_record_bytes: topic.preload_record_size.as_ref().map_or(1024, |size| size.value.0),
    }
}
