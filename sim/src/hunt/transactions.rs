//! Transactions and members of groups in a swarm: a third of the seeds has the ones, a third the
//! others, with time-outs short enough that a storm outlasts them. Draws come from a stream of their
//! own, so that the other seeds stay as they are.

use super::adding::{add, lasting, server};
use super::dice::Dice;
use super::timing::config_ms;
use stormglass_scenarios::plan::{
    Action, Assignor, ConsumerPlan, MembershipPlan, Plan, Subscriptions, TransactionsPlan,
};

const MS: u64 = 1_000_000;

/// Makes some producers transactional, and some groups readers of committed records.
pub(super) fn draw(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "transactions");
    // what the log cleaner may do to transactions needs both
    let is_compacted = |name: &str| {
        let mut topics = plan.topics.iter().filter(|topic| topic.name == name);
        topics.any(|topic| topic.config.contains_key("cleanup.policy"))
    };
    let compacted = plan.producers.iter().position(|producer| is_compacted(&producer.topic));
    if !dice.percent(if compacted.is_some() { 60 } else { 30 }) {
        return;
    }
    draw_server(&mut dice, plan);
    let first = dice.index(plan.producers.len().max(1));
    let first = compacted.unwrap_or(first);
    for (index, producer) in plan.producers.iter_mut().enumerate() {
        if index != first && dice.percent(40) {
            continue;
        }
        producer.transactions = Some(TransactionsPlan {
            // each transaction costs some thirty messages: a few storms have many, most have fewer
            records: dice.pick(&[1, 10, 50, 50, 200, 200]),
            length_ns: dice.pick(&[20, 100, 400, 400, 1_500, 1_500]) * MS,
            aborted_permille: dice.pick(&[0, 100, 300, 500]),
            epoch_each: false,
            positions: false,
            former_members: false,
            restart_timeout_ms: None,
        });
        let timeout_ms = dice.pick(&[1_500, 3_000, 3_000, 8_000]);
        for (key, value) in [
            ("acks", "all".to_owned()),
            ("enable.idempotence", "true".to_owned()),
            ("transaction.timeout.ms", timeout_ms.to_string()),
        ] {
            producer.config.insert(key.to_owned(), value);
        }
    }
    draw_epochs(plan);
    let mut last = Dice::new(plan.seed, "last epochs");
    if last.percent(20) {
        // with a few more of them producers get other ids
        plan.first_producer_epoch = i16::MAX - last.pick(&[1, 2, 3, 10]);
    }
    let mut rare = Dice::new(plan.seed, "idle ids");
    if rare.percent(20) {
        // who is away for longer is forgotten
        let key = "transactional.id.expiration.ms".to_owned();
        plan.cluster.config.insert(key, rare.pick(&["2500", "5000"]).to_owned());
    }
    let first = dice.index(plan.consumers.len().max(1));
    for (index, consumer) in plan.consumers.iter_mut().enumerate() {
        let committed = index == first || dice.percent(60);
        let isolation = if committed { "read_committed" } else { "read_uncommitted" };
        consumer.config.insert("isolation.level".to_owned(), isolation.to_owned());
    }
}

/// In some of these seeds each transaction has an epoch of its own (KIP-890, second part), but for a few
/// producers that are older than that; in some, each commits a position, now and then for a member that is none.
fn draw_epochs(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "epochs");
    let (epochs, positions) = (dice.percent(45), dice.percent(45));
    let former_members = positions && Dice::new(plan.seed, "former members").percent(40);
    for transactions in plan.producers.iter_mut().filter_map(|of| of.transactions.as_mut()) {
        transactions.epoch_each = epochs && dice.percent(85);
        transactions.positions = positions;
        transactions.former_members = former_members;
    }
}

/// In some of these seeds a producer that is started again has another time-out than before, as its application was
/// deployed anew: what its coordinator knew of the session before holds no more. Longer ones end before a run does.
pub(super) fn draw_restarts(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "other time-outs");
    for producer in &mut plan.producers {
        let own_ms = config_ms(&producer.config, "transaction.timeout.ms").unwrap_or(60_000);
        let other_ms = if own_ms <= 3_000 { own_ms * 2 } else { own_ms / 2 };
        if let Some(transactions) = &mut producer.transactions
            && dice.percent(50)
        {
            transactions.restart_timeout_ms = i32::try_from(other_ms).ok();
        }
    }
}

/// Lets members of some groups divide their partitions among themselves.
pub(super) fn draw_groups(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "groups");
    if !dice.percent(33) || plan.consumers.is_empty() {
        return;
    }
    let delay = dice.pick(&["0", "200", "1000"]);
    for (key, value) in
        [("group.initial.rebalance.delay.ms", delay), ("group.min.session.timeout.ms", "500")]
    {
        plan.cluster.config.insert(key.to_owned(), value.to_owned());
    }
    let azs = plan.cluster.azs.len().max(1);
    let first = dice.index(plan.consumers.len());
    for (index, group) in plan.consumers.iter_mut().enumerate() {
        if index != first && dice.percent(40) {
            continue;
        }
        let assignor = dice.pick(&[Assignor::Range, Assignor::CooperativeSticky]);
        group.membership = Some(MembershipPlan {
            assignor,
            static_members: dice.percent(30),
            subscriptions: Subscriptions::Same,
            closes: false,
            restarts_as: None,
        });
        group.count = dice.pick(&[1, 2, 3, 4]);
        group.azs = (0..group.count).map(|_| dice.index(azs)).collect();
        let session_ms = dice.pick(&[1_500, 3_000, 6_000]);
        let poll_ms = dice.pick(&[2_000, 4_000, 8_000]);
        for (key, value) in [
            ("session.timeout.ms", session_ms),
            ("heartbeat.interval.ms", session_ms / dice.pick(&[3, 5])),
            ("max.poll.interval.ms", poll_ms),
        ] {
            group.config.insert(key.to_owned(), value.to_string());
        }
    }
}

/// Has the coordinator divide the partitions of some of these groups (KIP-848), with sessions as short as
/// the others'.
pub(super) fn draw_protocols(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "protocols");
    let mut is_used = false;
    for membership in plan.consumers.iter_mut().filter_map(|group| group.membership.as_mut()) {
        let remote = dice.pick(&[Assignor::RemoteUniform, Assignor::RemoteRange]);
        if dice.percent(55) {
            membership.assignor = remote;
            is_used = true;
        }
    }
    if is_used {
        allow_heartbeats(&mut dice, plan);
    }
}

/// Lets brokers have groups of the consumer protocol.
pub(super) fn allow_heartbeats(dice: &mut Dice, plan: &mut Plan) {
    let session_ms = dice.pick(&[1_500, 3_000, 6_000]);
    for (key, value) in [
        ("group.consumer.session.timeout.ms", session_ms),
        ("group.consumer.min.session.timeout.ms", 500),
        ("group.consumer.heartbeat.interval.ms", session_ms / dice.pick(&[3, 5])),
        ("group.consumer.min.heartbeat.interval.ms", 100),
    ] {
        plan.cluster.config.insert(key.to_owned(), value.to_string());
    }
    let protocols = "group.coordinator.rebalance.protocols";
    plan.cluster.config.insert(protocols.to_owned(), "classic,consumer".to_owned());
}

/// Whether they may have some. Plans name what nobody has drawn, too: that is Kafka's default.
pub(super) fn allows_heartbeats(plan: &Plan) -> bool {
    let protocols = plan.cluster.config.get("group.coordinator.rebalance.protocols");
    protocols.is_some_and(|protocols| protocols.contains("consumer"))
}

/// Lets some groups go over to the other protocol when their members are restarted.
pub(super) fn draw_migrations(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "migrations");
    for group in &mut plan.consumers {
        let Some(membership) = &mut group.membership else { continue };
        if dice.percent(15) && membership.subscriptions == Subscriptions::Same && !membership.closes
        {
            membership.restarts_as = Some(match membership.assignor.is_remote() {
                true => dice.pick(&[Assignor::Range, Assignor::CooperativeSticky]),
                false => dice.pick(&[Assignor::RemoteUniform, Assignor::RemoteRange]),
            });
        }
    }
    let goes_over =
        |group: &ConsumerPlan| group.membership.is_some_and(|of| of.restarts_as.is_some());
    if plan.consumers.iter().any(goes_over) && !allows_heartbeats(plan) {
        allow_heartbeats(&mut dice, plan);
    }
}

/// Has the members of these groups end, and start anew before or after their sessions are over.
pub(super) fn migrate(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "restarts of groups");
    let goes_over =
        |group: &&ConsumerPlan| group.membership.is_some_and(|of| of.restarts_as.is_some());
    let groups: Vec<String> =
        plan.consumers.iter().filter(goes_over).map(|group| group.group.clone()).collect();
    let (from_ns, to_ns) = (plan.phases.warmup_ns + 2_000 * MS, plan.phases.heal_starts_ns());
    for client in groups {
        for _ in 0..dice.between(1, 3) {
            let lasts = dice.pick(&[100, 1_000, 4_000, 7_000]) * MS;
            let at_ns = dice.between(from_ns, to_ns.saturating_sub(lasts).max(from_ns));
            let action = Action::ClientCrash { client: client.clone() };
            add(plan, to_ns, [lasting(at_ns, lasts, action)]);
        }
    }
}

/// Few partitions for the coordinators, replicated as everything else, and time-outs that are looked
/// for often.
fn draw_server(dice: &mut Dice, plan: &mut Plan) {
    let replicas = server(plan, "offsets.topic.replication.factor", "3");
    let min_isr = server(plan, "min.insync.replicas", "2");
    for (key, value) in [
        ("transaction.state.log.replication.factor", replicas),
        ("transaction.state.log.min.isr", min_isr),
        ("transaction.state.log.num.partitions", dice.pick(&["1", "2"]).to_owned()),
        ("transaction.state.log.segment.bytes", dice.pick(&["16384", "104857600"]).to_owned()),
        (
            "transaction.abort.timed.out.transaction.cleanup.interval.ms",
            dice.pick(&["200", "1000"]).to_owned(),
        ),
    ] {
        plan.cluster.config.insert(key.to_owned(), value);
    }
}

/// Adds what a storm has for such clients alone: one that is stopped, and crashes between two steps
/// of a transaction.
pub(super) fn storm(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "zombies");
    let producers = plan.producers.iter().filter(|producer| producer.transactions.is_some());
    let groups = plan.consumers.iter().filter(|group| group.membership.is_some());
    let names = producers.map(|producer| producer.name.clone());
    let names: Vec<String> = names.chain(groups.map(|group| group.group.clone())).collect();
    if names.is_empty() {
        return;
    }
    let from_ns = plan.phases.warmup_ns;
    let to_ns = from_ns + plan.phases.measure_ns;
    for _ in 0..dice.between(0, 3) {
        let client = dice.pick(&names);
        let lasts = dice.pick(&[300, 2_000, 4_500, 9_000]) * MS;
        let at_ns = dice.between(from_ns, to_ns.saturating_sub(lasts).max(from_ns));
        let action = match dice.percent(60) {
            true => {
                // the others go on, and take over what it had
                let instance = dice.percent(60).then_some(0);
                Action::ClientPause { client, instance }
            }
            false => Action::ClientCrash { client },
        };
        let mut events = vec![lasting(at_ns, lasts, action)];
        if dice.percent(35) {
            // its coordinator may be the one that goes: who comes after it knows the client from its
            // log only
            let brokers = &plan.cluster.brokers;
            let action = Action::ProcessCrash { node: brokers[dice.index(brokers.len())].id };
            let at_ns = at_ns + dice.between(0, 400) * MS;
            events.push(lasting(at_ns, dice.between(20, 800) * MS, action));
        }
        add(plan, to_ns, events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_producers_have_another_time_out_once_they_are_started_again() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut others = 0;
        for plan in (1..200).map(|seed| swarm(&base, seed)) {
            for producer in &plan.producers {
                let later_ms = producer.transactions.and_then(|of| of.restart_timeout_ms);
                let Some(later_ms) = later_ms.and_then(|ms| u64::try_from(ms).ok()) else {
                    continue;
                };
                others += 1;
                let own_ms = config_ms(&producer.config, "transaction.timeout.ms").unwrap();
                // each ends before a run does
                assert!(own_ms != later_ms && own_ms.max(later_ms) <= 8_000);
                assert!(own_ms.min(later_ms) >= 1_500);
            }
        }
        assert!((15..150).contains(&others), "{others}");
    }
}
