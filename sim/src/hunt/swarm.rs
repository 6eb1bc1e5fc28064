//! From a scenario's plan and a seed to the plan of one storm. The plan is explicit: it reproduces
//! the run without the seed's draws.

use super::absent;
use super::behind;
use super::configs;
use super::coordinators;
use super::crossings;
use super::dice::Dice;
use super::elections;
use super::expiring;
use super::flushes;
use super::late;
use super::members;
use super::one_broker;
use super::operations;
use super::positioned;
use super::positions_gone;
use super::rarely;
use super::remote;
use super::stalls;
use super::stamped;
use super::storm;
use super::strangers;
use super::subscriptions;
use super::tails;
use super::timing::Timing;
use super::together;
use super::transactions;
use super::unheard;
use stormglass_scenarios::plan::{Action, KeyDist, NodePlan, Plan, TopicPlan};

/// The scenario whose cluster, clients and configs are drawn, too. Any other scenario keeps them,
/// and its own events, and gets faults on top.
pub const SWARM: &str = "swarm";

/// The storm of a seed. Thresholds go: what is slow in a storm is no finding.
#[must_use]
pub fn swarm(base: &Plan, seed: u64) -> Plan {
    let mut plan = base.clone();
    plan.seed = seed;
    plan.shuffled = true;
    plan.thresholds.clear();
    if plan.scenario == SWARM {
        draw_cluster(&mut plan);
        draw_hosts(&mut plan);
        operations::widen(&mut plan);
        draw_topics(&mut plan);
        draw_unclean(&mut plan);
        elections::draw(&mut plan);
        configs::draw(&mut plan);
        configs::draw_racks(&mut plan);
        configs::draw_creations(&mut plan);
        configs::draw_inherited(&mut plan);
        draw_ages(&mut plan);
        draw_compaction(&mut plan);
        draw_lags(&mut plan);
        flushes::draw(&mut plan);
        transactions::draw(&mut plan);
        transactions::draw_groups(&mut plan);
        transactions::draw_protocols(&mut plan);
        subscriptions::draw(&mut plan);
        transactions::draw_migrations(&mut plan);
        positioned::draw(&mut plan);
        members::draw(&mut plan);
        members::draw_grown(&mut plan);
    }
    storm::draw(&mut plan);
    transactions::storm(&mut plan);
    wait_for_hosts(&mut plan);
    if plan.scenario == SWARM {
        configs::draw_expiry(&mut plan);
        remote::draw(&mut plan);
        operations::storm(&mut plan);
        rarely::storm(&mut plan);
        subscriptions::storm(&mut plan);
        transactions::migrate(&mut plan);
        crossings::storm(&mut plan);
        flushes::storm(&mut plan);
        coordinators::storm(&mut plan);
        one_broker::storm(&mut plan);
        tails::storm(&mut plan);
        stalls::storm(&mut plan);
        members::storm(&mut plan);
        expiring::storm(&mut plan);
        late::storm(&mut plan);
        elections::storm(&mut plan);
        members::draw_sizes(&mut plan);
        transactions::draw_restarts(&mut plan);
        members::storm_of_names(&mut plan);
        subscriptions::look_ahead(&mut plan);
        coordinators::list(&mut plan);
        expiring::storm_of_heartbeats(&mut plan);
        expiring::storm_of_transactions(&mut plan);
        strangers::storm(&mut plan);
        absent::storm(&mut plan);
        unheard::storm(&mut plan);
        together::storm(&mut plan);
        stamped::storm(&mut plan);
        behind::storm(&mut plan);
        positioned::storm(&mut plan);
        positioned::spare(&mut plan);
        drop_administrator(&mut plan);
        positions_gone::storm(&mut plan);
    }
    plan
}

/// What storms have in common hides what happens without it: some have nobody who asks for anything.
fn drop_administrator(plan: &mut Plan) {
    if Dice::new(plan.seed, "no administrator").percent(5) {
        plan.events.retain(|event| !matches!(event.action, Action::Admin { .. }));
    }
}

/// A host that loses power at the end of a storm boots for as long as on a real one, and what was written
/// meanwhile has to be copied and read before liveness counts.
fn wait_for_hosts(plan: &mut Plan) {
    const CATCH_UP_NS: u64 = 30_000_000_000;
    let timing = Timing::of(plan);
    let least = timing.host_boot_ns + timing.process_start_ns + CATCH_UP_NS;
    if plan.scenario != SWARM {
        plan.phases.drain_ns = plan.phases.drain_ns.max(least);
    }
}

/// Three to five brokers; one controller now and then instead of three, or five.
fn draw_cluster(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "cluster");
    let brokers = dice.pick(&[3_usize, 3, 3, 3, 3, 4, 5]);
    let cluster = &mut plan.cluster;
    let azs = cluster.azs.len().max(1);
    while let Some(last) = cluster.brokers.last().filter(|_| cluster.brokers.len() < brokers) {
        let id = last.id + 1;
        let more = NodePlan { id, az: cluster.brokers.len() % azs, host: last.host.clone() };
        cluster.brokers.push(more);
    }
    if dice.percent(10) {
        cluster.controllers.truncate(1);
    } else if dice.percent(25) {
        while let Some(last) = cluster.controllers.last().filter(|_| cluster.controllers.len() < 5)
        {
            let (id, az) = (last.id + 1, cluster.controllers.len() % azs);
            let more = NodePlan { id, az, host: last.host.clone() };
            cluster.controllers.push(more);
        }
    }
}

/// Some storms have hosts with next to no page cache: what was written a while ago is read from a volume,
/// which may be slow, and is on it sooner.
fn draw_hosts(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "hosts");
    if !dice.percent(12) {
        return;
    }
    let bytes = dice.pick(&[16_384, 65_536]);
    with_small_caches(plan, bytes);
}

/// Hosts of brokers have next to no page cache: sixteen chunks of so many bytes.
pub(super) fn with_small_caches(plan: &mut Plan, chunk_bytes: i64) {
    for node in &mut plan.cluster.brokers {
        node.host.heap_bytes = node.host.memory_bytes;
    }
    if let Some(chunk) = plan.model.constants.get_mut("disk.chunk_bytes") {
        chunk.value = chunk_bytes;
    }
}

/// Partitions and where their replicas are.
fn draw_topics(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "topics");
    let brokers: Vec<i32> = plan.cluster.brokers.iter().map(|node| node.id).collect();
    let replicas = if dice.percent(15) { 2 } else { 3 };
    let min_isr = match replicas {
        2 => dice.pick(&["1", "1", "2"]),
        _ => dice.pick(&["2", "2", "2", "2", "1"]),
    };
    plan.cluster.config.insert("min.insync.replicas".to_owned(), min_isr.to_owned());
    let replication = "offsets.topic.replication.factor";
    plan.cluster.config.insert(replication.to_owned(), replicas.to_string());
    if dice.percent(25) {
        // what coordinators write is rolled, synced and cleaned
        let bytes = dice.pick(&["2000", "10000"]);
        plan.cluster.config.insert("offsets.topic.segment.bytes".to_owned(), bytes.to_owned());
    }
    for topic in &mut plan.topics {
        let partitions = dice.pick(&[1, 2, 3, 3, 5]);
        topic.assignment = (0..partitions)
            .map(|_| dice.shuffled(&brokers).into_iter().take(replicas).collect())
            .collect();
        draw_segments(&mut dice, topic);
    }
    let unclean = if dice.percent(6) { "true" } else { "false" };
    plan.cluster.config.insert("unclean.leader.election.enable".to_owned(), unclean.to_owned());
}

/// In some storms one topic goes by another rule than the others when no replica in sync is left.
fn draw_unclean(plan: &mut Plan) {
    const KEY: &str = "unclean.leader.election.enable";
    let mut dice = Dice::new(plan.seed, "unclean topics");
    let all = plan.cluster.config.get(KEY).is_some_and(|value| value == "true");
    // where all are unclean, few storms would have another topic
    if !dice.percent(if all { 50 } else { 10 }) {
        return;
    }
    let at = dice.index(plan.topics.len().max(1));
    if let Some(topic) = plan.topics.get_mut(at) {
        topic.config.insert(KEY.to_owned(), (!all).to_string());
    }
}

/// Segments of a few batches make rolls, snapshots and retention common. The largest batch fits: a
/// producer whose first batch is refused for its size while the next ones are taken writes
/// duplicates, in Kafka as here.
fn draw_segments(dice: &mut Dice, topic: &mut TopicPlan) {
    let bytes = dice.pick(&["20000", "40000", "131072", "1073741824", "1073741824"]);
    let bytes = if dice.percent(25) {
        let retention = dice.pick(&["20000", "40000", "65536"]);
        topic.config.insert("retention.bytes".to_owned(), retention.to_owned());
        dice.pick(&["20000", "20000", "40000"])
    } else {
        bytes
    };
    topic.config.insert("segment.bytes".to_owned(), bytes.to_owned());
}

/// Some storms have a topic that keeps records for seconds only: followers fall behind its start, and
/// an idle log has nothing left but its end.
fn draw_ages(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "ages");
    if !dice.percent(20) {
        return;
    }
    let keep = dice.pick(&["300", "300", "2000"]);
    plan.cluster
        .config
        .insert("log.flush.offset.checkpoint.interval.ms".to_owned(), keep.to_owned());
    let at = dice.index(plan.topics.len());
    let Some(topic) = plan.topics.get_mut(at) else { return };
    let mut set = |key: &str, value: &str| topic.config.insert(key.to_owned(), value.to_owned());
    set("retention.ms", dice.pick(&["1000", "3000", "8000"]));
    set("segment.ms", dice.pick(&["500", "2000", "604800000"]));
    let check = dice.pick(&["300", "500", "1000"]);
    plan.cluster.config.insert("log.retention.check.interval.ms".to_owned(), check.to_owned());
}

/// Some storms have a compacted topic, whose cleaner is at work all the time: tiny segments, a map
/// of a few keys now and then, tombstones that go at once or never. Others compact the positions of
/// groups.
fn draw_compaction(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "compaction");
    let (topics, positions) = (dice.percent(25), dice.percent(10));
    if !topics && !positions {
        return;
    }
    let server = &mut plan.cluster.config;
    let mut set = |key: &str, value: &str| server.insert(key.to_owned(), value.to_owned());
    set("log.cleaner.backoff.ms", dice.pick(&["100", "300", "1000"]));
    set("log.cleaner.min.cleanable.ratio", dice.pick(&["0.01", "0.2", "0.5"]));
    set("log.cleaner.io.buffer.size", dice.pick(&["2000", "524288"]));
    set("log.cleaner.delete.retention.ms", dice.pick(&["0", "500", "5000", "86400000"]));
    // A pass with a small map copies the log for a few keys: as fast as it can, it would do nothing else.
    let has_small_map = dice.percent(33);
    set("log.cleaner.dedupe.buffer.size", if has_small_map { "480" } else { "134217728" });
    let rate = if has_small_map { ["60000", "200000"] } else { ["300000", "1000000"] };
    set("log.cleaner.io.max.bytes.per.second", dice.pick(&rate));
    if positions {
        set("offsets.topic.segment.bytes", dice.pick(&["2000", "10000"]));
    }
    if !topics {
        return;
    }
    let at = dice.index(plan.topics.len());
    let Some(topic) = plan.topics.get_mut(at) else { return };
    let policy = dice.pick(&["compact", "compact", "compact", "compact,delete"]);
    topic.config.insert("cleanup.policy".to_owned(), policy.to_owned());
    topic.config.insert("segment.bytes".to_owned(), dice.pick(&["20000", "40000"]).to_owned());
    // with many, what is left fills several segments
    let keys = dice.pick(&[5, 50, 500, 2_000]);
    for producer in plan.producers.iter_mut().filter(|producer| producer.topic == topic.name) {
        producer.keys = KeyDist::Uniform { count: keys };
    }
}

/// In some seeds the cleaner waits until records have a certain age, or goes about them when they have: those of groups
/// and transactions, too, where no other topic is compacted.
fn draw_lags(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "compaction lags");
    if !dice.percent(40) {
        return;
    }
    let server = &mut plan.cluster.config;
    let mut set = |key: &str, value: &str| server.insert(key.to_owned(), value.to_owned());
    set("log.cleaner.min.compaction.lag.ms", dice.pick(&["0", "500", "2000", "5000"]));
    set("log.cleaner.max.compaction.lag.ms", dice.pick(&["5000", "8000", "9223372036854775807"]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_in_time;
    use std::collections::BTreeSet;
    use stormglass_scenarios::{Source, load};

    fn base(name: &str) -> Plan {
        load(&Source::library(name).unwrap(), &[], 1).unwrap()
    }

    #[test]
    fn a_seed_has_one_plan_and_another_seed_another_one() {
        let base = base(SWARM);
        let digests: BTreeSet<String> = (1..40).map(|seed| swarm(&base, seed).digest()).collect();
        assert_eq!(digests.len(), 39);
        assert_eq!(swarm(&base, 5), swarm(&base, 5));
        let plan = swarm(&base, 5);
        assert!(plan.shuffled && plan.to_json().contains("\"shuffled\": true"));
        assert_eq!(Plan::from_json(&plan.to_json()).unwrap(), plan);
    }

    #[test]
    fn storms_stay_in_their_phase_and_power_fails_at_few_brokers() {
        let base = base(SWARM);
        let mut several = 0;
        for seed in 1..300 {
            let plan = swarm(&base, seed);
            assert!(!plan.events.is_empty() && plan.events.is_sorted_by_key(|event| event.at_ns));
            assert_in_time(&plan);
            let powerless: BTreeSet<i32> = plan
                .events
                .iter()
                .filter_map(|event| match event.action {
                    Action::HostCrash { node } if node < 10_000 => Some(node),
                    _ => None,
                })
                .collect();
            assert!(powerless.len() <= 2, "seed {seed}");
            several += u32::from(powerless.len() == 2);
        }
        assert!(several < 40, "{several}");
    }

    #[test]
    fn another_scenario_keeps_its_cluster_its_clients_and_its_events() {
        let base = base("az-outage");
        let plan = swarm(&base, 9);
        assert_eq!((&plan.cluster, &plan.topics), (&base.cluster, &base.topics));
        assert_eq!((&plan.producers, &plan.consumers), (&base.producers, &base.consumers));
        assert!(base.events.iter().all(|event| plan.events.contains(event)));
        assert!(plan.events.len() > base.events.len() && plan.thresholds.is_empty());
    }
}
