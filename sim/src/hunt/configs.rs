//! Configs of a swarm: short time-outs, small limits, few slots, so that what is rare in a real
//! cluster is common here. Every value is one that Kafka accepts or a smaller one of its kind.

use super::dice::Dice;
use std::collections::BTreeMap;
use stormglass_scenarios::plan::{Action, ClientProfile, ConsumerPlan, EventPlan, Plan};

type Config = BTreeMap<String, String>;

/// Draws configs of brokers and clients.
pub(super) fn draw(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "server");
    draw_server(&mut dice, &mut plan.cluster.config);
    for (index, producer) in plan.producers.iter_mut().enumerate() {
        let mut dice = Dice::new(plan.seed, &format!("producer {index}"));
        if dice.percent(15) {
            producer.profile = ClientProfile::Librdkafka;
        }
        producer.count = dice.pick(&[1, 2, 2, 3]);
        let azs = plan.cluster.azs.len().max(1);
        producer.azs = (0..producer.count).map(|_| dice.index(azs)).collect();
        draw_producer(&mut dice, &mut producer.config);
        let mut dice = Dice::new(plan.seed, &format!("sequences {index}"));
        if dice.percent(8) {
            let before_end = dice.between(1, 300);
            producer.first_sequence = i32::MAX - i32::try_from(before_end).unwrap_or(0);
        }
    }
    for (index, consumer) in plan.consumers.iter_mut().enumerate() {
        let mut dice = Dice::new(plan.seed, &format!("consumer {index}"));
        draw_consumer(&mut dice, &mut consumer.config);
    }
}

/// In some storms consumers read from the replica in their own AZ, or in one that all of a group name (KIP-392).
pub(super) fn draw_racks(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "racks");
    if !dice.percent(15) {
        return;
    }
    let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    plan.cluster.config.insert("replica.selector.class".to_owned(), selector.to_owned());
    let azs: Vec<&str> = plan.cluster.azs.iter().map(String::as_str).collect();
    for group in &mut plan.consumers {
        let own = ConsumerPlan::OWN_AZ;
        let rack = if dice.percent(50) { own } else { dice.pick(&azs) };
        group.config.insert("client.rack".to_owned(), rack.to_owned());
        // how long before it asks the leader again
        set(&mut group.config, &mut dice, "metadata.max.age.ms", &[1_000, 5_000, 300_000]);
    }
}

/// In some storms producers that were idle for a while are forgotten. What is written again is so before that: no
/// request is under way for longer, and no clock is wrong.
pub(super) fn draw_expiry(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "idle producers");
    let is_wrong = |event: &EventPlan| {
        matches!(event.action, Action::ClockJump { .. } | Action::ClockDrift { .. })
    };
    if !dice.percent(20) || plan.events.iter().any(is_wrong) {
        return;
    }
    let server = &mut plan.cluster.config;
    set(server, &mut dice, "producer.id.expiration.ms", &[18_000, 22_000]);
    set(server, &mut dice, "producer.id.expiration.check.interval.ms", &[300, 2_000]);
}

/// In some storms brokers have no topic created that somebody asks about.
pub(super) fn draw_creations(plan: &mut Plan) {
    if Dice::new(plan.seed, "creations").percent(40) {
        let (key, off) = ("auto.create.topics.enable".to_owned(), "false".to_owned());
        plan.cluster.config.insert(key, off);
    }
}

/// In some storms server.properties have values that topics inherit and that are not Kafka's, whatever else is set while
/// brokers run (KAFKA-17584). What is kept is so for longer than a run takes, whatever clocks say.
pub(super) fn draw_inherited(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "inherited configs");
    let server = &mut plan.cluster.config;
    for (key, values) in [
        ("log.retention.ms", ["-1", "172800000", "2592000000"]),
        ("log.roll.ms", ["172800000", "1209600000", "2592000000"]),
        ("log.index.interval.bytes", ["1000", "2000", "16384"]),
    ] {
        if dice.percent(40) {
            server.insert(key.to_owned(), dice.pick(&values).to_owned());
        }
    }
}

fn set(config: &mut Config, dice: &mut Dice, key: &str, values: &[u64]) -> u64 {
    let value = dice.pick(values);
    config.insert(key.to_owned(), value.to_string());
    value
}

fn draw_server(dice: &mut Dice, config: &mut Config) {
    let session = set(config, dice, "broker.session.timeout.ms", &[1_000, 2_000, 2_000, 4_000]);
    let heartbeat = session / dice.pick(&[3, 4, 8]);
    config.insert("broker.heartbeat.interval.ms".to_owned(), heartbeat.to_string());
    let lag =
        set(config, dice, "replica.lag.time.max.ms", &[300, 1_000, 1_000, 2_000, 2_000, 5_000]);
    for (key, values) in [
        ("replica.fetch.wait.max.ms", &[100_u64, 500, 500, 500, 500][..]),
        ("replica.fetch.max.bytes", &[1_000, 16_384, 16_384, 1 << 20, 1 << 20]),
        ("replica.fetch.response.max.bytes", &[2_000, 10 << 20, 10 << 20, 10 << 20]),
        ("replica.fetch.backoff.ms", &[50, 200, 1_000]),
        ("replica.socket.timeout.ms", &[1_000, 2_000, 4_000]),
        ("replica.high.watermark.checkpoint.interval.ms", &[200, 1_000, 5_000]),
        ("log.flush.offset.checkpoint.interval.ms", &[300, 2_000, 60_000]),
        ("log.retention.check.interval.ms", &[500, 3_000]),
        ("max.incremental.fetch.session.cache.slots", &[1, 2, 1_000, 1_000]),
        ("num.replica.fetchers", &[1, 2]),
        ("leader.imbalance.check.interval.seconds", &[1, 2, 5, 300]),
        ("offsets.topic.num.partitions", &[1, 2]),
        ("metadata.log.max.record.bytes.between.snapshots", &[500, 2_000, 20 << 20]),
        ("controller.quorum.fetch.timeout.ms", &[500, 1_000, 2_000, 2_000, 2_000]),
        ("controller.quorum.election.timeout.ms", &[100, 300, 500, 1_000]),
        ("controller.quorum.election.backoff.max.ms", &[20, 200, 500]),
        // with Kafka's 30 s, nobody would find out before a run ends that a controller's host is gone
        ("controller.socket.timeout.ms", &[1_000, 2_000, 5_000]),
    ] {
        set(config, dice, key, values);
    }
    // what expires does so after days: looks for it find nothing that may go
    for key in [
        "offsets.retention.check.interval.ms",
        "transaction.remove.expired.transaction.cleanup.interval.ms",
    ] {
        set(config, dice, key, &[300, 1_000, 600_000]);
    }
    if lag < 1_000 {
        // as Kafka asks for: an idle follower must fetch often enough to stay in sync
        config.insert("replica.fetch.wait.max.ms".to_owned(), "100".to_owned());
    }
}

fn draw_producer(dice: &mut Dice, config: &mut Config) {
    let acks = dice.pick(&["all", "all", "all", "all", "all", "all", "all", "all", "1", "0"]);
    config.insert("acks".to_owned(), acks.to_owned());
    let idempotent = acks == "all" && dice.percent(80);
    config.insert("enable.idempotence".to_owned(), idempotent.to_string());
    let timeout = set(config, dice, "request.timeout.ms", &[500, 1_000, 2_000]);
    // librdkafka's own, which may outlast what the broker is given to replicate
    let patience = timeout * dice.pick(&[1, 3]);
    config.insert("socket.timeout.ms".to_owned(), patience.to_string());
    // where a new leader took a later batch first, the one before it is tried until it is given up, as in Kafka:
    // that is less than the drain takes (hunt seed 1102014)
    let delivery = set(config, dice, "delivery.timeout.ms", &[2_500, 4_000, 10_000, 12_000]);
    config.insert("message.timeout.ms".to_owned(), delivery.to_string());
    set(config, dice, "max.in.flight.requests.per.connection", &[1, 3, 5, 5]);
    // what a seed costs goes by its batches: some storms have many small ones, most have fewer
    set(config, dice, "linger.ms", &[50, 200, 200, 300, 300, 500]);
    set(config, dice, "batch.size", &[2_000, 16_384, 16_384, 16_384, 16_384, 16_384]);
    set(config, dice, "retry.backoff.ms", &[20, 100, 100]);
    // a backlog that is worked off before the run ends
    config.insert("buffer.memory".to_owned(), "262144".to_owned());
    config.insert("max.block.ms".to_owned(), "1000".to_owned());
}

fn draw_consumer(dice: &mut Dice, config: &mut Config) {
    set(config, dice, "auto.commit.interval.ms", &[200, 1_000, 5_000]);
    set(config, dice, "fetch.max.wait.ms", &[100, 500, 500, 500]);
    set(config, dice, "max.poll.records", &[10, 500, 500]);
    let partition = set(config, dice, "max.partition.fetch.bytes", &[2_000, 1 << 20, 1 << 20]);
    // who may get less than it waits for waits each time, and never keeps up
    let least = if partition > 2_000 { dice.pick(&[1, 2_000, 10_000]) } else { 1 };
    config.insert("fetch.min.bytes".to_owned(), least.to_string());
    set(config, dice, "request.timeout.ms", &[1_000, 3_000]);
}

#[cfg(test)]
mod tests {
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_inherit_other_values_than_kafkas() {
        const TWO_DAYS_MS: i64 = 172_800_000;
        const KAFKAS_MS: i64 = 604_800_000;
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut seeds = 0;
        for seed in 1..100 {
            let plan = swarm(&base, seed);
            let kept: i64 = plan.cluster.config["log.retention.ms"].parse().unwrap();
            assert!(kept == -1 || kept >= TWO_DAYS_MS, "seed {seed}");
            seeds += i32::from(kept != KAFKAS_MS);
        }
        assert!((20..65).contains(&seeds), "{seeds} of 99");
    }
}
