//! What the configs of a plan mean for the checkers.

use super::suite::{OFFSETS_TOPIC, TRANSACTIONS_TOPIC};
use crate::client::TransactionStep;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stormglass_scenarios::plan::{Action, EventPlan, Operation, Plan};

/// `replica.lag.time.max.ms` of a plan's brokers, ns; Kafka's default when it has none.
pub(super) fn lag_max_ns(plan: &Plan) -> u64 {
    plan.cluster.config_ms("replica.lag.time.max.ms", 30_000).saturating_mul(1_000_000)
}

/// Compacted topics with their `delete.retention.ms`, those of coordinators included.
pub(super) fn compacted_topics(plan: &Plan) -> BTreeMap<String, u64> {
    let server = &plan.cluster.config;
    let number = |text: Option<&String>| text.and_then(|text| text.parse().ok());
    let inherited = plan.cluster.config_ms("log.cleaner.delete.retention.ms", 86_400_000);
    let is_compact = |policy: &String| policy.contains("compact");
    let of = plan.topics.iter().filter(|topic| {
        let own = topic.config.get("cleanup.policy");
        own.or_else(|| server.get("log.cleanup.policy")).is_some_and(is_compact)
    });
    let mut topics: BTreeMap<String, u64> = of
        .map(|topic| (topic.name.clone(), number(topic.config.get("delete.retention.ms"))))
        .map(|(name, own)| (name, own.unwrap_or(inherited)))
        .collect();
    // coordinators' logs always are; a log that was cut has a second segment, however large they are
    for topic in [OFFSETS_TOPIC, TRANSACTIONS_TOPIC] {
        topics.insert(topic.to_owned(), inherited);
    }
    // tombstones go by the wall clock
    let jumps = |event: &EventPlan| matches!(event.action, Action::ClockJump { .. });
    let left_ppm = match plan.events.iter().any(jumps) {
        true => 0,
        false => 1_000_000 - super::timeouts::hurry_ppm(plan),
    };
    for retention_ms in topics.values_mut() {
        let left_ms = u128::from(*retention_ms) * u128::from(left_ppm) / 1_000_000;
        *retention_ms = u64::try_from(left_ms).unwrap_or(u64::MAX);
    }
    topics
}

/// Whether brokers have topics created that somebody asks about.
pub(super) fn creates_topics(plan: &Plan) -> bool {
    let own = plan.cluster.config.get("auto.create.topics.enable");
    own.is_none_or(|value| !value.trim().eq_ignore_ascii_case("false"))
}

/// How often members of the consumer protocol are to be heard, ms.
pub(super) fn group_heartbeat_ms(plan: &Plan) -> i32 {
    let interval_ms = plan.cluster.config_ms("group.consumer.heartbeat.interval.ms", 5_000);
    i32::try_from(interval_ms).unwrap_or(i32::MAX)
}

/// Names of topics that an administrator deletes.
pub(super) fn deleted_topics(plan: &Plan) -> BTreeSet<String> {
    let deleted = operations(plan).filter_map(|operation| match operation {
        Operation::DeleteTopic { topic } => Some(topic.clone()),
        _ => None,
    });
    deleted.collect()
}

/// Whether the topic that has groups' positions is deleted, and all that groups have been told with it.
pub(super) fn deletes_positions(plan: &Plan) -> bool {
    deleted_topics(plan).contains(OFFSETS_TOPIC)
}

/// What an administrator asks for, in order.
pub(super) fn operations(plan: &Plan) -> impl Iterator<Item = &Operation> {
    plan.events.iter().filter_map(|event| match &event.action {
        Action::Admin { operation } => Some(operation),
        _ => None,
    })
}

/// Groups whose members' sessions become longer or shorter while they run.
pub(super) fn changed_sessions(plan: &Plan) -> BTreeSet<Arc<str>> {
    let group = |operation: &Operation| match operation {
        Operation::SetGroupConfig { group, key, .. } => {
            (key == "consumer.session.timeout.ms").then(|| group.as_str().into())
        }
        _ => None,
    };
    operations(plan).filter_map(group).collect()
}

/// Whether each consumer group reads committed records only.
pub(super) fn read_committed(plan: &Plan) -> Vec<bool> {
    let isolation = plan.consumers.iter().map(|group| group.config.get("isolation.level"));
    isolation.map(|level| level.is_some_and(|level| level == "read_committed")).collect()
}

/// How long positions are kept of groups without members, ns.
pub(super) fn retention_of_positions_ns(plan: &Plan) -> u64 {
    const MINUTE_NS: u64 = 60_000_000_000;
    let minutes = plan.cluster.config_ms("offsets.retention.minutes", 10_080).max(1);
    minutes.saturating_mul(MINUTE_NS)
}

/// Whether positions may be kept for less than the run takes, by some clock.
pub(super) fn positions_expire(plan: &Plan) -> bool {
    let jump = |event: &EventPlan| match event.action {
        Action::ClockJump { by_ns, .. } => by_ns.unsigned_abs(),
        _ => 0,
    };
    let jumps = plan.events.iter().map(jump).fold(0, u64::saturating_add);
    let takes_ns = plan.phases.ends_ns().saturating_mul(2).saturating_add(jumps);
    retention_of_positions_ns(plan) <= takes_ns
}

/// Whether no clock jumps or drifts.
pub(super) fn has_right_clocks(plan: &Plan) -> bool {
    let is_fault = |event: &EventPlan| {
        matches!(event.action, Action::ClockJump { .. } | Action::ClockDrift { .. })
    };
    !plan.events.iter().any(is_fault)
}

/// Whether some clock has another rate.
pub(super) fn has_drift(plan: &Plan) -> bool {
    plan.events.iter().any(|event| matches!(event.action, Action::ClockDrift { .. }))
}

/// Whether clients are under quotas at some time, and brokers of no managed service.
pub(super) fn has_client_quotas(plan: &Plan) -> bool {
    let is_set = |event: &EventPlan| {
        matches!(&event.action, Action::Admin { operation: Operation::SetClientQuota { .. } })
    };
    plan.cluster.limits.is_none() && plan.events.iter().any(is_set)
}

/// A time in ms of a plan's brokers.
pub(super) fn interval_ms(plan: &Plan, key: &str, default_ms: u64) -> i64 {
    i64::try_from(plan.cluster.config_ms(key, default_ms)).unwrap_or(i64::MAX)
}

/// The lowest `min.insync.replicas` that an administrator sets for a topic.
pub(super) fn lowest_min_isr(plan: &Plan) -> BTreeMap<String, usize> {
    let mut lowest: BTreeMap<String, usize> = BTreeMap::new();
    for event in &plan.events {
        let Action::Admin { operation } = &event.action else { continue };
        let Operation::SetTopicConfig { topic, key, value: Some(value) } = operation else {
            continue;
        };
        if key == "min.insync.replicas" {
            let value = value.parse().unwrap_or(1);
            lowest.entry(topic.clone()).and_modify(|of| *of = value.min(*of)).or_insert(value);
        }
    }
    lowest
}

/// Topics whose records an administrator deletes.
pub(super) fn trimmed_topics(plan: &Plan) -> BTreeSet<String> {
    let topic = |event: &EventPlan| match &event.action {
        Action::Admin { operation: Operation::DeleteRecords { topic, .. } } => Some(topic.clone()),
        _ => None,
    };
    plan.events.iter().filter_map(topic).collect()
}

/// Groups that an administrator deletes, or whose positions.
pub(super) fn emptied_groups(plan: &Plan) -> BTreeSet<String> {
    let group = |event: &EventPlan| match &event.action {
        Action::Admin {
            operation: Operation::DeleteGroup { group } | Operation::DeletePositions { group, .. },
        } => Some(group.clone()),
        _ => None,
    };
    plan.events.iter().filter_map(group).collect()
}

/// Groups that get positions from transactions, and from an administrator or members, too.
pub(super) fn given_positions(plan: &Plan) -> BTreeSet<String> {
    let group = |event: &EventPlan| match &event.action {
        Action::Admin { operation: Operation::CommitPositions { group, .. } } => {
            Some(group.clone())
        }
        _ => None,
    };
    let groups = plan.events.iter().filter_map(group);
    let groups = groups.chain(plan.consumers.iter().map(|of| of.group.clone()));
    groups.filter(|group| group.starts_with(TransactionStep::GROUPS)).collect()
}

/// Topics that have transactions: those of transactional producers, and where their positions are.
pub(super) fn transactional_topics(plan: &Plan) -> BTreeSet<String> {
    let written =
        plan.producers.iter().filter_map(|producer| Some((producer, producer.transactions?)));
    let topics = written.flat_map(|(producer, transactions)| {
        let positions = transactions.positions.then(|| OFFSETS_TOPIC.to_owned());
        positions.into_iter().chain([producer.topic.clone()])
    });
    topics.collect()
}
