//! The topic that has groups' positions is deleted, and is there again at once with the same leaders (KAFKA-19274): groups
//! begin anew, and nobody may be told anything of the old ones. Kafka promises nothing of what was in it, and the new
//! topic's leader epochs are the old one's, so that much of what is checked of groups rests then: there is nothing else
//! in such a storm but clients that begin anew. Draws come from a stream of their own, so that the other seeds stay as
//! they are.

use super::adding::{OFFSETS_TOPIC, Window, asks, brokers, lasting, server, window};
use super::dice::Dice;
use stormglass_scenarios::plan::{Action, EventPlan, Operation, Plan, Subscriptions};

const MS: u64 = 1_000_000;
/// Groups of which nobody is a member.
const GROUPS: [&str; 3] = ["gone-a", "gone-b", "gone-c"];
/// With these, the new topic's logs would be compacted in such a short time.
const COMPACTION: [&str; 2] = ["offsets.topic.segment.bytes", "log.cleaner.max.compaction.lag.ms"];

/// Makes a storm of that, now and then. Transactions give positions, and end there: they are left out.
pub(super) fn storm(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "positions gone with their topic");
    let has_transactions = plan.producers.iter().any(|producer| producer.transactions.is_some());
    let is_drawn = dice.percent(4);
    if !is_drawn || has_transactions || plan.consumers.is_empty() || plan.topics.is_empty() {
        return;
    }
    for key in COMPACTION {
        plan.cluster.config.remove(key);
    }
    // what they wait for came with the storm that this one takes the place of
    for of in plan.consumers.iter_mut().filter_map(|group| group.membership.as_mut()) {
        if of.subscriptions == Subscriptions::Ahead {
            of.subscriptions = Subscriptions::Same;
        }
    }
    let mut events = drawn(&mut dice, plan, window(plan));
    events.sort_by_key(|event| event.at_ns);
    plan.events = events;
}

fn drawn(dice: &mut Dice, plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut events = Vec::new();
    // between any two there is time for clients to find their coordinator
    let (times, from_ns) = (dice.between(1, 3), from_ns + 1_500 * MS);
    let each = to_ns.saturating_sub(from_ns) / times;
    for turn in 0..times {
        let at_ns = from_ns + turn * each + dice.between(0, each / 2);
        events.push(asks(at_ns, Operation::DeleteTopic { topic: OFFSETS_TOPIC.to_owned() }));
        let (topic, assignment) = (OFFSETS_TOPIC.to_owned(), placement(plan));
        events.push(asks(at_ns + MS, Operation::CreateTopic { topic, assignment }));
    }
    for _ in 0..dice.between(10, 30) {
        let (group, topic) = (dice.pick(&GROUPS).to_owned(), dice.pick(&plan.topics).name);
        let offset = u32::try_from(dice.between(0, 1_000)).unwrap_or(0);
        let operation = Operation::CommitPositions { group, topic, offset };
        events.push(asks(dice.between(from_ns - 1_000 * MS, to_ns), operation));
    }
    let clients: Vec<String> = plan.consumers.iter().map(|group| group.group.clone()).collect();
    if dice.percent(50) {
        let action = Action::ClientCrash { client: dice.pick(&clients) };
        let down = dice.between(50, 800) * MS;
        events.push(lasting(dice.between(from_ns, to_ns.saturating_sub(down)), down, action));
    }
    events
}

/// Where its partitions were before.
fn placement(plan: &Plan) -> Vec<Vec<i32>> {
    let number = |key: &str, default: &str| server(plan, key, default).parse().unwrap_or(1_usize);
    let brokers = brokers(plan);
    let replicas = number("offsets.topic.replication.factor", "3").clamp(1, brokers.len().max(1));
    let of = |partition: usize| -> Vec<i32> {
        let nodes = brokers.iter().cycle().skip(partition % brokers.len().max(1)).take(replicas);
        nodes.copied().collect()
    };
    (0..number("offsets.topic.num.partitions", "50")).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    fn deletes(event: &EventPlan) -> bool {
        let Action::Admin { operation: Operation::DeleteTopic { topic } } = &event.action else {
            return false;
        };
        topic == OFFSETS_TOPIC
    }

    #[test]
    fn a_few_seeds_have_nothing_else() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut found = 0;
        for plan in (1..800).map(|seed| swarm(&base, seed)) {
            if !plan.events.iter().any(deletes) {
                continue;
            }
            found += 1;
            let ends_ns = plan.phases.heal_starts_ns();
            assert!(plan.events.is_sorted_by_key(|event| event.at_ns));
            for event in &plan.events {
                assert!(event.at_ns + event.for_ns.unwrap_or(0) < ends_ns);
                let (Action::Admin { .. } | Action::ClientCrash { .. }) = event.action else {
                    panic!("{event:?}")
                };
            }
            assert!(plan.producers.iter().all(|producer| producer.transactions.is_none()));
            assert!(COMPACTION.iter().all(|key| !plan.cluster.config.contains_key(*key)));
        }
        assert!((5..45).contains(&found), "{found} of 799");
    }

    #[test]
    fn it_is_where_it_was() {
        let mut plan = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let ids = brokers(&plan);
        assert_eq!(ids.len(), 3);
        assert_eq!(placement(&plan), [ids.clone(), vec![ids[1], ids[2], ids[0]]]);
        let key = "offsets.topic.replication.factor".to_owned();
        plan.cluster.config.insert(key, "2".to_owned());
        assert_eq!(placement(&plan), [vec![ids[0], ids[1]], vec![ids[1], ids[2]]]);
    }
}
