//! Things that cross: a topic is made while brokers are fenced, a partition moves away from its leader while writes wait
//! for a follower, a transactional producer begins anew while its coordinator is slow to end what it has begun, and a
//! group's positions come from transactions and from elsewhere, or are deleted meanwhile, leadership goes round while
//! writes are on their way to disks, records are deleted while others wait to be committed, somebody asks for ends of
//! logs while leaders change, producers begin anew while a broker cannot get ids for them, and topics are placed while a
//! broker ends in order. Draws come from streams of their own, so that the other seeds stay as they are.

use super::adding::{
    Draw, Window, add_each, asks, brokers, copied, groups_with_positions, lasting, reassigns,
    topics_with_positions,
};
use super::dice::Dice;
use super::subscriptions::spare_topic;
use super::timing::Timing;
use stormglass_scenarios::plan::{
    Action, Endpoint, EventPlan, LinkEffect, Operation, Plan, ProducerPlan,
};

const MS: u64 = 1_000_000;
/// A topic that no client of the plan has. Members that subscribe by a regular expression may.
const MADE: &str = "spare-away";
/// The same of topics that the controller places.
const PLACED: &str = "spare-leaving";

const SORTS: [Draw; 10] = [
    made_while_away,
    moved_while_waiting,
    anew_while_ending,
    positions_from_both,
    positions_deleted,
    moved_while_written,
    deleted_while_waiting,
    asked_while_moved,
    anew_without_ids,
    placed_while_leaving,
];

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    if plan.topics.is_empty() || plan.cluster.brokers.is_empty() {
        return;
    }
    add_each(plan, &SORTS);
}

/// A topic is made whose first replicas are on a broker that is away, and fenced; sometimes all of them.
fn made_while_away(plan: &Plan, (_, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "made while away");
    if !dice.percent(15) {
        return Vec::new();
    }
    let (brokers, timing) = (brokers(plan), Timing::of(plan));
    let away = plan.events.iter().filter_map(|event| {
        let (Action::HostCrash { node }
        | Action::ProcessCrash { node }
        | Action::ProcessPause { node }) = event.action
        else {
            return None;
        };
        let fenced_ns = event.at_ns + timing.session_ns;
        let ends_ns = event.at_ns + event.for_ns?;
        (brokers.contains(&node) && fenced_ns < ends_ns).then_some((node, fenced_ns))
    });
    let away: Vec<(i32, u64)> = away.collect();
    let mut events = Vec::new();
    let mut free_ns = 0;
    for _ in 0..dice.between(1, 3) {
        if away.is_empty() {
            break;
        }
        let (node, fenced_ns) = dice.pick(&away);
        let at_ns = fenced_ns + dice.around(250 * MS);
        let others: Vec<i32> = brokers.iter().copied().filter(|id| *id != node).collect();
        let count = usize::try_from(dice.between(0, 2)).unwrap_or(0);
        let replicas = |dice: &mut Dice| {
            let rest = dice.shuffled(&others).into_iter().take(count);
            [node].into_iter().chain(rest).collect::<Vec<i32>>()
        };
        let assignment = (0..dice.between(1, 3)).map(|_| replicas(&mut dice)).collect();
        let gone_ns = at_ns + 500 * MS + dice.around(2_000 * MS);
        if at_ns < free_ns || gone_ns > to_ns {
            continue; // it would be there already
        }
        free_ns = gone_ns + 500 * MS;
        let topic = || spare_topic(plan, MADE);
        events.push(asks(at_ns, Operation::CreateTopic { topic: topic(), assignment }));
        events.push(asks(gone_ns, Operation::DeleteTopic { topic: topic() }));
    }
    events
}

/// A follower that is in sync stands still, so that writes wait, and meanwhile the partition goes to another broker than
/// its leader, or than another replica. Mostly it comes back.
fn moved_while_waiting(plan: &Plan, window: Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "moved while waiting");
    let brokers = brokers(plan);
    let mut partitions = copied(plan.topics.iter());
    partitions.retain(|(.., replicas)| replicas.len() < brokers.len());
    if !dice.percent(25) || partitions.is_empty() {
        return Vec::new();
    }
    // not so long that it is fenced, or is not in sync any more
    let timing = Timing::of(plan);
    let longest = timing.session_ns.min(timing.lag_ns) / MS;
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 4) {
        let (topic, partition, replicas) = dice.pick(&partitions);
        let spare: Vec<i32> = brokers.iter().copied().filter(|id| !replicas.contains(id)).collect();
        let leaves = if dice.percent(65) { 0 } else { dice.index(replicas.len()) };
        let mut target = replicas.to_vec();
        target[leaves] = dice.pick(&spare);
        let stays: Vec<i32> = replicas.iter().copied().skip(1).collect();
        let node = dice.pick(&stays);
        let at_ns = dice.between(window.0, window.1);
        let lasts = dice.between(longest / 4, longest * 95 / 100) * MS;
        let action = Action::ProcessPause { node };
        events.push(lasting(at_ns, lasts, action));
        let moves_ns = at_ns + dice.around(150 * MS);
        events.push(reassigns(moves_ns, &topic.name, partition, &target));
        if dice.percent(70) {
            let later = at_ns + lasts + dice.around(1_000 * MS);
            events.push(reassigns(later, &topic.name, partition, replicas));
        }
    }
    events
}

/// Transactional producers begin anew while brokers are slow to write: their coordinator hears of the next session
/// before the log has the end, or the partitions, of the last one's transaction.
fn anew_while_ending(plan: &Plan, window: Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "anew while ending");
    let producers = plan.producers.iter().filter(|producer| producer.transactions.is_some());
    let producers: Vec<String> = producers.map(|producer| producer.name.clone()).collect();
    if producers.is_empty() || !dice.percent(30) {
        return Vec::new();
    }
    let brokers = brokers(plan);
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let at_ns = dice.between(window.0, window.1);
        let extra_latency_ns = dice.pick(&[40, 150, 400, 900]) * MS;
        let lasts = 4 * extra_latency_ns + dice.between(500, 2_500) * MS;
        for node in dice.shuffled(&brokers).into_iter().take(2) {
            let action = Action::SlowDisk { node, rate_permille: 1_000, extra_latency_ns };
            events.push(lasting(at_ns, lasts, action));
        }
        let client = dice.pick(&producers);
        let mut starts_ns = at_ns + dice.between(0, lasts / MS / 3) * MS;
        for _ in 0..dice.between(1, 3) {
            let down = dice.between(5, 200) * MS;
            let action = Action::ClientCrash { client: client.clone() };
            events.push(lasting(starts_ns, down, action));
            starts_ns += down + extra_latency_ns / 2 + dice.around(300 * MS);
        }
    }
    events
}

/// Somebody else gives groups positions whose positions come from transactions.
fn positions_from_both(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "positions from both");
    let (groups, topics) = (groups_with_positions(plan), topics_with_positions(plan));
    if groups.is_empty() || !dice.percent(30) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(4, 16) {
        let (group, _) = dice.pick(&groups);
        let topic = dice.pick(&topics);
        let offset = u32::try_from(dice.between(0, 1_000)).unwrap_or(0);
        let operation = Operation::CommitPositions { group, topic, offset };
        events.push(asks(dice.between(from_ns, to_ns), operation));
    }
    events
}

/// Groups lose positions while transactions are about to give them others.
fn positions_deleted(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "positions deleted while open");
    let (groups, topics) = (groups_with_positions(plan), topics_with_positions(plan));
    if groups.is_empty() || !dice.percent(30) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(4, 12) {
        let (group, _) = dice.pick(&groups);
        let operation = Operation::DeletePositions { group, topic: dice.pick(&topics) };
        events.push(asks(dice.between(from_ns, to_ns), operation));
    }
    events
}

/// Leadership of a partition goes round while volumes are slow, and the next leader is behind: what is cut, or led no
/// longer, is still on its way to a disk.
fn moved_while_written(plan: &Plan, window: Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "moved while written");
    let partitions = copied(plan.topics.iter());
    if !dice.percent(20) || partitions.is_empty() {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let (topic, partition, replicas) = dice.pick(&partitions);
        let mut order = dice.shuffled(replicas);
        let (moves, every) = (dice.between(1, 4), dice.pick(&[300, 700, 1_200]) * MS);
        let extra_latency_ns = dice.pick(&[100, 400, 900, 1_500]) * MS;
        let at_ns = dice.between(window.0, window.1);
        let lasts = moves * every + 2 * extra_latency_ns;
        let mut meanwhile = |action: Action| events.push(lasting(at_ns, lasts, action));
        for node in order.iter().copied().skip(1).filter(|_| dice.percent(70)) {
            meanwhile(Action::SlowDisk { node, rate_permille: 1_000, extra_latency_ns });
        }
        let extra_ns = dice.pick(&[60, 250, 600]) * MS;
        let others = order.iter().skip(1).map(|id| Endpoint::Node(*id)).collect();
        meanwhile(Action::Link {
            from: vec![Endpoint::Node(order[0])],
            to: others,
            one_way: dice.percent(50),
            effect: LinkEffect::Delay { extra_ns, jitter_ns: extra_ns / 10 },
        });
        if dice.percent(40) {
            meanwhile(Action::Load { producer: None, rate_permille: 3_000 });
        }
        let mut moves_ns = at_ns + every / 2;
        for _ in 0..moves {
            events.push(reassigns(moves_ns, &topic.name, partition, &order));
            let soon = moves_ns + dice.between(20, 120) * MS;
            events.push(asks(soon, Operation::ElectPreferred));
            order.rotate_left(1);
            moves_ns += every;
        }
    }
    events
}

/// A follower that is in sync stands still, so that nothing is committed, and meanwhile all records that are go.
fn deleted_while_waiting(plan: &Plan, window: Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "deleted while waiting");
    let partitions = copied(plan.topics.iter());
    if !dice.percent(12) || partitions.is_empty() {
        return Vec::new();
    }
    // not so long that it is fenced, or is not in sync any more
    let timing = Timing::of(plan);
    let longest = timing.session_ns.min(timing.lag_ns) / MS;
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let (topic, _, replicas) = dice.pick(&partitions);
        let node = replicas[dice.index(replicas.len() - 1) + 1];
        let at_ns = dice.between(window.0, window.1);
        let lasts = dice.between(longest / 2, longest * 95 / 100) * MS;
        let action = Action::ProcessPause { node };
        events.push(lasting(at_ns, lasts, action));
        // whoever is asked deletes what it leads
        for _ in 0..dice.between(2, 6) {
            let (topic, before) = (topic.name.clone(), None);
            let soon = at_ns + dice.between(lasts / MS / 4, lasts / MS) * MS;
            events.push(asks(soon, Operation::DeleteRecords { topic, before }));
        }
    }
    events
}

/// Leadership of a partition goes round while messages between its replicas are slow, and somebody asks where it ends:
/// a new leader has not heard yet what was committed.
fn asked_while_moved(plan: &Plan, window: Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "asked while moved");
    let partitions = copied(plan.topics.iter());
    if !dice.percent(15) || partitions.is_empty() {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let (topic, partition, replicas) = dice.pick(&partitions);
        let mut order = dice.shuffled(replicas);
        let (moves, every) = (dice.between(1, 4), dice.pick(&[500, 900, 1_500]) * MS);
        let extra_ns = dice.pick(&[60, 150, 400]) * MS;
        let at_ns = dice.between(window.0, window.1);
        let ends: Vec<Endpoint> = replicas.iter().map(|id| Endpoint::Node(*id)).collect();
        let effect = LinkEffect::Delay { extra_ns, jitter_ns: extra_ns / 10 };
        let action = Action::Link { from: ends.clone(), to: ends, one_way: false, effect };
        events.push(lasting(at_ns, (moves + 1) * every, action));
        for turn in 1..=moves {
            let moves_ns = at_ns + turn * every;
            events.push(reassigns(moves_ns, &topic.name, partition, &order));
            let soon = moves_ns + dice.between(5, 40) * MS;
            events.push(asks(soon, Operation::ElectPreferred));
            for _ in 0..dice.between(4, 8) {
                let (topic, committed) = (topic.name.clone(), dice.percent(40));
                let operation = Operation::ListOffsets { topic, back_ms: None, committed };
                events.push(asks(soon + dice.between(5, 300) * MS, operation));
            }
            order.rotate_left(1);
        }
    }
    events
}

/// Producers begin anew when a broker that has just restarted cannot reach a controller: it has no ids for them, and gets
/// none for longer than it waits for an answer.
fn anew_without_ids(plan: &Plan, window: Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "anew without ids");
    let has_id = |producer: &&ProducerPlan| {
        let is_on = producer.config.get("enable.idempotence").is_some_and(|on| on == "true");
        is_on || producer.transactions.is_some()
    };
    let producers = plan.producers.iter().filter(has_id);
    let producers: Vec<String> = producers.map(|producer| producer.name.clone()).collect();
    if producers.is_empty() || !dice.percent(15) {
        return Vec::new();
    }
    let answers_ns = plan.cluster.config_ms("controller.socket.timeout.ms", 30_000) * MS;
    let node = dice.pick(&brokers(plan));
    let at_ns = dice.between(window.0, window.1);
    let down = dice.between(5, 200) * MS;
    let action = Action::ProcessCrash { node };
    let mut events = vec![lasting(at_ns, down, action)];
    // it has registered by then
    let cut_ns =
        at_ns + down + Timing::of(plan).process_start_ns + 300 * MS + dice.around(400 * MS);
    let lasts = answers_ns + dice.between(200, 1_500) * MS;
    let action = Action::Link {
        from: vec![Endpoint::Node(node)],
        to: vec![Endpoint::Controllers],
        one_way: dice.percent(50),
        effect: LinkEffect::Cut,
    };
    events.push(lasting(cut_ns, lasts, action));
    for client in dice.shuffled(&producers) {
        let (at_ns, down) = (cut_ns + dice.between(20, 600) * MS, dice.between(5, 200) * MS);
        let action = Action::ClientCrash { client };
        events.push(lasting(at_ns, down, action));
    }
    events
}

/// The controller places topics, one after another, while a broker ends in order: it hands over what it leads, and is
/// not to get anything new.
fn placed_while_leaving(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    const HANDS_OVER_NS: u64 = 4_000 * MS;
    let mut dice = Dice::new(plan.seed, "placed while leaving");
    let brokers = brokers(plan);
    let down_ns = dice.between(20, 1_500) * MS;
    let lasts = down_ns + Timing::of(plan).process_start_ns + HANDS_OVER_NS;
    if !dice.percent(15) || brokers.len() < 2 || from_ns + lasts >= to_ns {
        return Vec::new();
    }
    let at_ns = dice.between(from_ns, to_ns - lasts);
    let nodes = vec![dice.pick(&brokers)];
    let action = Action::RollingRestart { nodes, down_ns, pause_ns: 100 * MS };
    let mut events = vec![lasting(at_ns, lasts, action)];
    let mut places_ns = at_ns;
    for turn in 0..dice.between(8, 16) {
        places_ns += dice.between(5, 80) * MS;
        let topic = || format!("{PLACED}-{turn}");
        let (partitions, replicas) = (dice.pick(&[1, 2, 3]), dice.pick(&[1, 1, 2]));
        events
            .push(asks(places_ns, Operation::PlaceTopic { topic: topic(), partitions, replicas }));
        let gone_ns = at_ns + HANDS_OVER_NS + turn * 50 * MS;
        events.push(asks(gone_ns, Operation::DeleteTopic { topic: topic() }));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_some_seeds_have;

    #[test]
    fn some_seeds_have_each_of_them() {
        assert_some_seeds_have(&SORTS);
    }
}
