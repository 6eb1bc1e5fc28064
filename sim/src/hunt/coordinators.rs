//! What coordinators are in the middle of while something else happens: another broker takes a group over while its
//! members wait for each other, or while what it has to read is on its way to the disk, positions are asked for that a
//! transaction has on its way, or move while their coordinator asks about the transaction, a transaction ends while its
//! coordinator's log takes nothing, transactions go to another broker and come back, topics that members' regular
//! expressions match come, grow and go, or are replaced, and so does a topic in which a group with members has a
//! position. A broker that has lost power reads groups again while transactions end, or while their log is cleaned, and
//! one that leads them no longer is back before it has read what it had asked its disk for. And somebody asks which
//! groups there are while they move. Draws come from streams of their own, so that the other seeds stay as they are.

use super::adding::{
    OFFSETS_TOPIC, Window, add, asks, brokers, groups_with_positions, is_remote, lasting,
    positions, reassigns, reassigns_each, server, sets_min_isr, slow_brokers,
    topics_with_positions, window,
};
use super::dice::Dice;
use super::subscriptions::has_patterns;
use super::swarm::with_small_caches;
use super::timing::{Timing, config_ms};
use std::collections::BTreeSet;
use stormglass_scenarios::plan::{Action, ConsumerPlan, EventPlan, Operation, Plan};

const MS: u64 = 1_000_000;
/// Where coordinators keep transactions.
const TRANSACTIONS_TOPIC: &str = "__transaction_state";
/// How often they look for those that take too long.
const LATE_CHECK: &str = "transaction.abort.timed.out.transaction.cleanup.interval.ms";
/// How large segments of groups' positions are.
const OFFSETS_SEGMENT: &str = "offsets.topic.segment.bytes";
/// What a broker takes to be in sync again and to read groups' positions from a slow volume, ns.
const READ_NS: u64 = 4_000 * MS;
/// Topics that no client of the plan has. Members that subscribe by a regular expression do.
const MATCHED: &str = "spare-matched";
const REPLACED: &str = "spare-replaced";
const LEFT: &str = "spare-left";

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    if plan.topics.is_empty() || plan.cluster.brokers.is_empty() {
        return;
    }
    let window = window(plan);
    let read = read_while_ended(plan, window);
    if add(plan, window.1, read) {
        // of one segment all is read at once
        plan.cluster.config.insert(OFFSETS_SEGMENT.to_owned(), "2000".to_owned());
    }
    let cleaned = read_while_cleaned(plan, window);
    if add(plan, window.1, cleaned) {
        clean_groups(plan);
    }
    for events in [
        moved_while_joining(plan, window),
        asked_while_written(plan, window),
        ends_with_few(plan, window),
        matched(plan, window),
        replaced(plan, window),
        left(plan, window),
        moved_while_slow(plan, window),
        moved_back(plan, window),
        moved_while_asking(plan, window),
    ] {
        add(plan, window.1, events);
    }
    let twice = led_twice(plan, window);
    if add(plan, window.1, twice) {
        at_most(plan, OFFSETS_SEGMENT, 2500);
        with_small_caches(plan, 16_384);
    }
}

/// The log of groups has small segments, and is cleaned all the time.
fn clean_groups(plan: &mut Plan) {
    at_most(plan, OFFSETS_SEGMENT, 2000);
    at_most(plan, "log.cleaner.backoff.ms", 100);
    let ratio = "log.cleaner.min.cleanable.ratio".to_owned();
    plan.cluster.config.insert(ratio, "0.01".to_owned());
}

/// Plans name defaults, too, and some are drawn already: what is small enough stays.
fn at_most(plan: &mut Plan, key: &str, value: u64) {
    let server = &mut plan.cluster.config;
    let is_small = |has: &String| has.parse::<u64>().is_ok_and(|has| has <= value);
    if !server.get(key).is_some_and(is_small) {
        server.insert(key.to_owned(), value.to_string());
    }
}

/// Has somebody ask for groups, once all that moves them is drawn.
pub(super) fn list(plan: &mut Plan) {
    let (_, to_ns) = window(plan);
    let events = listed(plan);
    add(plan, to_ns, events);
}

/// While groups go from broker to broker somebody asks, again and again, which there are: of a broker that has yet to read
/// some of them, too.
fn listed(plan: &Plan) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "listed groups");
    let moves = plan.events.iter().filter_map(|event| match &event.action {
        Action::Admin { operation: Operation::Reassign { topic, .. } } => {
            (topic == OFFSETS_TOPIC).then_some(event.at_ns)
        }
        _ => None,
    });
    let moves: BTreeSet<u64> = moves.collect();
    if !dice.percent(60) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for at_ns in moves {
        for _ in 0..dice.between(5, 12) {
            events.push(asks(at_ns + dice.between(20, 1_500) * MS, Operation::ListGroups));
        }
    }
    events
}

/// Members that begin anew wait for their former selves until those are given up; meanwhile other brokers lead the
/// positions, and the former leaders live on.
fn moved_while_joining(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "moved while joining");
    let groups = plan.consumers.iter().filter(|group| group.membership.is_some());
    let groups: Vec<String> = groups.map(|group| group.group.clone()).collect();
    if groups.is_empty() || !dice.percent(35) {
        return Vec::new();
    }
    let brokers = brokers(plan);
    let (partitions, replicas) = positions(plan);
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let (at_ns, down) = (dice.between(from_ns, to_ns), dice.between(50, 600) * MS);
        let action = Action::ClientCrash { client: dice.pick(&groups) };
        events.push(lasting(at_ns, down, action));
        let moves_ns = at_ns + down + dice.between(100, 1_500) * MS;
        for partition in partitions.clone() {
            let order = dice.shuffled(&brokers);
            let replicas = &order[..replicas.min(order.len())];
            events.push(reassigns(moves_ns, OFFSETS_TOPIC, partition, replicas));
        }
        for _ in 0..2 {
            let soon = moves_ns + dice.between(50, 1_000) * MS;
            events.push(asks(soon, Operation::ElectPreferred));
        }
    }
    events
}

/// Groups go from broker to broker while volumes are slow: some of what the next one has copied is still on its way to
/// its disk, and it knows the groups once it can read that.
fn moved_while_slow(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "positions moved while slow");
    if plan.consumers.is_empty() || !dice.percent(18) {
        return Vec::new();
    }
    let (partitions, replicas) = positions(plan);
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 2) {
        let mut order = dice.shuffled(&brokers(plan));
        order.truncate(replicas);
        let (moves, every) = (dice.between(1, 4), dice.pick(&[500, 1_000]) * MS);
        let extra_latency_ns = dice.pick(&[100, 300, 700]) * MS;
        let at_ns = dice.between(from_ns, to_ns);
        let lasts = moves * every + 2 * extra_latency_ns;
        for node in order.iter().copied().filter(|_| dice.percent(80)) {
            let action = Action::SlowDisk { node, rate_permille: 1_000, extra_latency_ns };
            events.push(lasting(at_ns, lasts, action));
        }
        let mut moves_ns = at_ns + every / 2;
        for _ in 0..moves {
            order.rotate_left(1);
            events.extend(reassigns_each(moves_ns, OFFSETS_TOPIC, partitions.clone(), &order));
            let soon = moves_ns + dice.between(20, 200) * MS;
            events.push(asks(soon, Operation::ElectPreferred));
            moves_ns += every;
        }
    }
    events
}

/// Groups go from broker to broker while transactions give them positions, and messages between brokers are slow: who
/// coordinates a group asks who coordinates the transaction, and does not coordinate the group any more when it is told.
fn moved_while_asking(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "positions moved while asking");
    let (partitions, replicas) = positions(plan);
    let mut order = dice.shuffled(&brokers(plan));
    order.truncate(replicas);
    if topics_with_positions(plan).is_empty() || order.len() < 2 || !dice.percent(60) {
        return Vec::new();
    }
    let (turns, every) = (dice.between(5, 9), dice.pick(&[500, 800, 1_100]) * MS);
    let lasts = (turns + 1) * every;
    let at_ns = dice.between(from_ns, to_ns.saturating_sub(lasts).max(from_ns));
    let mut events = vec![lasting(at_ns, lasts, slow_brokers(dice.pick(&[30, 60, 120]) * MS))];
    for turn in 1..=turns {
        order.rotate_left(1);
        let moves_ns = at_ns + turn * every;
        events.extend(reassigns_each(moves_ns, OFFSETS_TOPIC, partitions.clone(), &order));
        for soon in [dice.between(20, 100), dice.between(150, 350)] {
            events.push(asks(moves_ns + soon * MS, Operation::ElectPreferred));
        }
    }
    events
}

/// A broker comes back from a loss of power, with nothing in its page cache and a slow volume. When it leads groups'
/// positions again it reads them segment by segment, while transactions end that have committed some.
fn read_while_ended(plan: &Plan, (_, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "positions read while transactions end");
    if topics_with_positions(plan).is_empty() || !dice.percent(80) {
        return Vec::new();
    }
    read_again(plan, &mut dice, to_ns)
}

/// Groups in the consumer protocol are read so while their log is cleaned: what is read in one part may have been
/// replaced in the next one (KAFKA-19862). Before that members begin anew, and what they had goes from one to the other.
fn read_while_cleaned(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "groups read while cleaned");
    let groups: Vec<&ConsumerPlan> =
        plan.consumers.iter().filter(|group| is_remote(group)).collect();
    if groups.is_empty() || !dice.percent(60) {
        return Vec::new();
    }
    let mut events = read_again(plan, &mut dice, to_ns);
    let Some(back_ns) = events.first().map(|slow| slow.at_ns) else { return events };
    for _ in 0..dice.between(2, 4) {
        let client = dice.pick(&groups).group.clone();
        let before = dice.between(0, 5_000) * MS;
        let at_ns = back_ns.saturating_sub(before).max(from_ns);
        let action = Action::ClientCrash { client };
        events.push(lasting(at_ns, dice.between(50, 400) * MS, action));
    }
    events
}

/// What has a broker read groups again: the first of these events has its volume slow as it is back.
fn read_again(plan: &Plan, dice: &mut Dice, to_ns: u64) -> Vec<EventPlan> {
    let (brokers, (partitions, replicas)) = (brokers(plan), positions(plan));
    let timing = Timing::of(plan);
    let starts_ns = timing.host_boot_ns + timing.process_start_ns + dice.around(500 * MS);
    let lost_power = plan.events.iter().filter_map(|event| match event.action {
        Action::HostCrash { node } => Some((node, event.at_ns + event.for_ns?)),
        _ => None,
    });
    // in part it would be of no use
    let is_in_time = |back_ns: u64| back_ns + starts_ns + READ_NS <= to_ns;
    let back = lost_power.filter(|(node, back_ns)| brokers.contains(node) && is_in_time(*back_ns));
    let back: Vec<(i32, u64)> = back.collect();
    if back.is_empty() {
        return Vec::new();
    }
    let (node, back_ns) = dice.pick(&back);
    let mut order = dice.shuffled(&brokers);
    order.retain(|id| *id != node);
    order.insert(0, node);
    order.truncate(replicas);
    let moves_ns = back_ns + starts_ns;
    let extra_latency_ns = dice.pick(&[50, 100, 200]) * MS;
    let slow = Action::SlowDisk { node, rate_permille: 1_000, extra_latency_ns };
    let mut events = vec![lasting(back_ns, starts_ns + READ_NS, slow)];
    events.extend(reassigns_each(moves_ns, OFFSETS_TOPIC, partitions, &order));
    // it is asked for until it is in sync
    for _ in 0..4 {
        let soon = moves_ns + dice.between(100, 3_000) * MS;
        events.push(asks(soon, Operation::ElectPreferred));
    }
    events
}

/// Groups go to another broker and come straight back while their coordinator reads them segment by segment, from a slow
/// volume, with next to nothing in its page cache: what it has asked its disk for in one leadership comes in the next
/// but one, which has begun to read at the start again (KAFKA-10614).
fn led_twice(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "positions led twice while they are read");
    let (partitions, replicas) = positions(plan);
    let mut order = dice.shuffled(&brokers(plan));
    order.truncate(replicas);
    if plan.consumers.is_empty() || order.len() < 2 || !dice.percent(18) {
        return Vec::new();
    }
    let mut turned = order.clone();
    turned.swap(0, 1);
    // there is something to read by then
    let from_ns = (from_ns + 5_000 * MS).min(to_ns);
    let mut events = Vec::new();
    for _ in 0..dice.between(2, 4) {
        let each = dice.pick(&[100, 150, 300]) * MS;
        let (away, reads) = (dice.between(300, 600) * MS, dice.between(2, 20) * each);
        let lasts = 100 * MS + away + reads + 8 * each;
        let at_ns = dice.between(from_ns, to_ns.saturating_sub(lasts).max(from_ns));
        for node in order.iter().copied() {
            let (rate_permille, extra_latency_ns) = (1_000, each);
            let action = Action::SlowDisk { node, rate_permille, extra_latency_ns };
            events.push(lasting(at_ns, lasts, action));
        }
        let back_ns = at_ns + 100 * MS + away;
        let again_ns = back_ns + reads;
        // it must be back before one read is through
        let soon_ns = again_ns + dice.between(20, 60) * MS;
        for (moves_ns, replicas) in
            [(back_ns - away, &turned), (back_ns, &order), (again_ns, &turned), (soon_ns, &order)]
        {
            events.extend(reassigns_each(moves_ns, OFFSETS_TOPIC, partitions.clone(), replicas));
            events.push(asks(moves_ns + MS, Operation::ElectPreferred));
        }
    }
    events
}

/// Two brokers take turns with all transactions, and each is without any for longer than it takes to look for late ones
/// once more: who finds nothing to look at begins to look anew when it is its turn.
fn moved_back(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "transactions moved back");
    let has_transactions = plan.producers.iter().any(|producer| producer.transactions.is_some());
    let number = |key: &str, default: &str| server(plan, key, default).parse().unwrap_or(1_u32);
    let mut order = dice.shuffled(&brokers(plan));
    order.truncate(number("transaction.state.log.replication.factor", "3") as usize);
    if !has_transactions || order.len() < 2 || !dice.percent(25) {
        return Vec::new();
    }
    let partitions = number("transaction.state.log.num.partitions", "50").min(2);
    let every = (plan.cluster.config_ms(LATE_CHECK, 10_000) + dice.between(300, 1_500)) * MS;
    let turns = dice.between(3, 5);
    let mut at_ns = dice.between(from_ns, to_ns.saturating_sub(turns * every).max(from_ns));
    let mut events = Vec::new();
    for _ in 0..turns {
        order.swap(0, 1);
        events.extend(reassigns_each(at_ns, TRANSACTIONS_TOPIC, 0..partitions, &order));
        // a replica that is new there has to have all of it first
        for soon in [dice.between(20, 200), dice.between(250, 600)] {
            events.push(asks(at_ns + soon * MS, Operation::ElectPreferred));
        }
        at_ns += every;
    }
    events
}

/// Somebody asks for positions of which transactions say something that is not replicated yet.
fn asked_while_written(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "asked while written");
    let (groups, topics) = (groups_with_positions(plan), topics_with_positions(plan));
    if groups.is_empty() || !dice.percent(45) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 2) {
        let (at_ns, lasts) = (dice.between(from_ns, to_ns), dice.between(2_000, 5_000) * MS);
        let extra_ns = dice.pick(&[20, 80, 250]) * MS;
        events.push(lasting(at_ns, lasts, slow_brokers(extra_ns)));
        // the moment for which a position is not replicated is short
        for _ in 0..dice.between(40, 90) {
            let (group, _) = dice.pick(&groups);
            let operation = Operation::FetchPositions { group, topic: dice.pick(&topics) };
            events.push(asks(dice.between(at_ns, at_ns + lasts), operation));
        }
    }
    events
}

/// The log of transactions takes nothing for moments, as more replicas must be in sync than are, while ends that were
/// decided before are on their way.
fn ends_with_few(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "ends with few in sync");
    let all = server(plan, "transaction.state.log.replication.factor", "3");
    let least = server(plan, "transaction.state.log.min.isr", "2");
    let has_transactions = plan.producers.iter().any(|producer| producer.transactions.is_some());
    let timing = Timing::of(plan);
    // a follower that is silent is in sync for up to one and a half times as long as it may lag
    let (silent, lasts) = (2 * timing.lag_ns, dice.between(2_000, 5_000) * MS);
    let latest_ns = to_ns.saturating_sub(silent + lasts + 3_000 * MS);
    if !has_transactions || all == least || latest_ns <= from_ns || !dice.percent(35) {
        return Vec::new();
    }
    let at_ns = dice.between(from_ns, latest_ns);
    let action = Action::ProcessPause { node: dice.pick(&brokers(plan)) };
    let mut events = vec![lasting(at_ns, silent + lasts, action)];
    let (begins_ns, ends_ns) = (at_ns + silent, at_ns + silent + lasts);
    let slow = slow_brokers(dice.pick(&[5, 40, 120]) * MS);
    events.push(lasting(begins_ns, lasts, slow));
    let set = |at_ns: u64, value: &str| sets_min_isr(at_ns, TRANSACTIONS_TOPIC, value);
    let mut now_ns = begins_ns;
    while now_ns < ends_ns {
        events.push(set(now_ns, &all));
        now_ns += dice.between(100, 600) * MS;
        events.push(set(now_ns, &least));
        now_ns += dice.between(300, 1_200) * MS;
    }
    // a request may be lost
    events.extend((0..3).map(|turn| set(ends_ns + turn * 700 * MS, &least)));
    events
}

/// A topic that members subscribe to by a regular expression comes, grows and goes, and may be there again before
/// anybody has said that it is alive. It may stay.
fn matched(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "matched topics");
    if !has_patterns(plan) || !dice.percent(80) {
        return Vec::new();
    }
    let replicas = u32::try_from(plan.cluster.brokers.len().min(3)).unwrap_or(1);
    let number = |of: u64| u32::try_from(of).unwrap_or(1);
    let topic = || MATCHED.to_owned();
    let mut at_ns = dice.between(from_ns, from_ns + (to_ns - from_ns) / 2);
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let mut partitions = number(dice.between(1, 3));
        events.push(asks(at_ns, Operation::PlaceTopic { topic: topic(), partitions, replicas }));
        at_ns += dice.around(1_500 * MS);
        if dice.percent(60) {
            partitions += number(dice.between(1, 2));
            events.push(asks(at_ns, Operation::AddPartitions { topic: topic(), partitions }));
            at_ns += dice.around(1_500 * MS);
        }
        if dice.percent(35) {
            break;
        }
        events.push(asks(at_ns, Operation::DeleteTopic { topic: topic() }));
        at_ns += if dice.percent(60) { 0 } else { dice.around(1_500 * MS) };
    }
    events
}

/// A topic that members subscribe to by a regular expression is replaced by one that is like it, as large, too, before
/// anybody has said that it is alive; it stays then.
fn replaced(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "replaced topics");
    if !has_patterns(plan) || !dice.percent(60) {
        return Vec::new();
    }
    let replicas = u32::try_from(plan.cluster.brokers.len().min(3)).unwrap_or(1);
    let partitions = dice.pick(&[1, 2, 3]);
    let topic = || REPLACED.to_owned();
    let makes = |at_ns| asks(at_ns, Operation::PlaceTopic { topic: topic(), partitions, replicas });
    let mut at_ns = dice.between(from_ns, from_ns + (to_ns - from_ns) / 2);
    let mut events = vec![makes(at_ns)];
    for _ in 0..dice.between(2, 5) {
        // its members have to hear of it first
        at_ns += dice.between(1_000, 2_500) * MS;
        events.push(asks(at_ns, Operation::DeleteTopic { topic: topic() }));
        events.push(makes(at_ns + MS));
    }
    events
}

/// A group gets a position in a topic while all its members are away and given up; they come back, the topic goes, and
/// may come again.
fn left(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "left positions");
    let groups: Vec<&ConsumerPlan> =
        plan.consumers.iter().filter(|group| group.membership.is_some()).collect();
    if groups.is_empty() || !dice.percent(25) {
        return Vec::new();
    }
    let group = dice.pick(&groups);
    let own_ms = config_ms(&group.config, "session.timeout.ms").unwrap_or(0);
    // its members may speak either protocol by then
    let theirs_ms = plan.cluster.config_ms("group.consumer.session.timeout.ms", 0);
    let session_ns = own_ms.max(theirs_ms) * MS;
    let (topic, client) = (|| LEFT.to_owned(), group.group.clone());
    let replicas: Vec<i32> = dice.shuffled(&brokers(plan)).into_iter().take(3).collect();
    let makes = |at_ns: u64| {
        let assignment = vec![replicas.clone()];
        asks(at_ns, Operation::CreateTopic { topic: topic(), assignment })
    };
    let at_ns = dice.between(from_ns, from_ns + (to_ns - from_ns) / 3);
    let gone_ns = at_ns + 300 * MS;
    let given_up_ns = gone_ns + session_ns;
    let back_ns = given_up_ns + 2_500 * MS;
    let action = Action::ClientCrash { client };
    let crash = lasting(gone_ns, back_ns - gone_ns, action);
    let mut events = vec![makes(at_ns), crash];
    for turn in 1..=3 {
        let offset = u32::try_from(dice.between(0, 1_000)).unwrap_or(0);
        let (group, topic) = (group.group.clone(), topic());
        let operation = Operation::CommitPositions { group, topic, offset };
        events.push(asks(given_up_ns + turn * 700 * MS, operation));
    }
    let over_ns = back_ns + 1_000 * MS + dice.around(1_500 * MS);
    events.push(asks(over_ns, Operation::DeleteTopic { topic: topic() }));
    if dice.percent(60) {
        events.push(makes(over_ns + dice.around(600 * MS)));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::SWARM;
    use crate::hunt::testing::assert_some_seeds_have;
    use crate::recorder::testing::transactions_plan;
    use stormglass_scenarios::plan::TransactionsPlan;
    use stormglass_scenarios::{Source, load};

    #[test]
    fn positions_are_read_again_only_where_there_is_time_for_all_of_it() {
        let mut base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        base.producers[0].transactions =
            Some(TransactionsPlan { positions: true, ..transactions_plan() });
        let (window, node) = (window(&base), base.cluster.brokers[0].id);
        // of twenty seeds those that have it, with a host that is back half a second later
        let seeds = |at_ns: u64| {
            let has_it = |seed: &u64| {
                let mut plan = base.clone();
                plan.seed = *seed;
                plan.events = vec![lasting(at_ns, 500 * MS, Action::HostCrash { node })];
                let events = read_while_ended(&plan, window);
                let ends_ns = |event: &EventPlan| event.at_ns + event.for_ns.unwrap_or(0);
                assert!(events.iter().all(|event| ends_ns(event) <= window.1), "seed {seed}");
                storm(&mut plan);
                let segment = plan.cluster.config.get(OFFSETS_SEGMENT);
                let is_small = segment.is_some_and(|bytes| bytes == "2000");
                assert_eq!(is_small, !events.is_empty(), "seed {seed}");
                is_small
            };
            (1..=20).filter(has_it).count()
        };
        assert!(seeds(window.0) > 5);
        // it is up again in time, but what comes then would not be over
        assert_eq!(seeds(window.1 - READ_NS), 0);
    }

    #[test]
    fn some_seeds_have_each_of_them() {
        assert_some_seeds_have(&[
            moved_while_joining,
            asked_while_written,
            ends_with_few,
            matched,
            replaced,
            left,
            moved_while_slow,
            moved_back,
            moved_while_asking,
            read_while_ended,
            read_while_cleaned,
            led_twice,
            |plan, _| listed(plan),
        ]);
    }
}
