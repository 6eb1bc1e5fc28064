//! Who is no member of a group, or is no more: a tool commits positions for a group that has members, who had a member's
//! name before says late that it leaves, and groups are deleted to which transactions are about to give positions. Draws
//! come from streams of their own, so that the other seeds stay as they are.

use super::adding::{
    Window, add, asks, brokers, is_classic, lasting, slow_brokers, topics_with_positions, window,
};
use super::dice::Dice;
use crate::client::TransactionStep;
use stormglass_scenarios::plan::{ConsumerPlan, EventPlan, Operation, Plan};

const MS: u64 = 1_000_000;
/// A topic that no client of the plan reads, by whatever expression: a group without members may get positions in it.
const BESIDE: &str = "beside";

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    let window = window(plan);
    for events in [
        commits_beside_members(plan, window),
        leaves_late(plan, window),
        groups_deleted_while_open(plan, window),
    ] {
        add(plan, window.1, events);
    }
}

/// A tool commits positions for groups at any time: mostly they have members, and it is refused.
fn commits_beside_members(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "commits beside members");
    let groups: Vec<&ConsumerPlan> =
        plan.consumers.iter().filter(|group| group.membership.is_some()).collect();
    if groups.is_empty() || !dice.percent(45) {
        return Vec::new();
    }
    let topic = || BESIDE.to_owned();
    let assignment = vec![dice.shuffled(&brokers(plan)).into_iter().take(3).collect()];
    let mut events = vec![asks(from_ns, Operation::CreateTopic { topic: topic(), assignment })];
    for _ in 0..dice.between(6, 12) {
        let group = dice.pick(&groups).group.clone();
        let offset = u32::try_from(dice.between(0, 1_000)).unwrap_or(0);
        let operation = Operation::CommitPositions { group, topic: topic(), offset };
        events.push(asks(dice.between(from_ns, to_ns), operation));
    }
    events
}

/// Members in the classic protocol that have names of their own hear nothing of it: who says that it leaves by such a
/// name is not the one that has it now (KIP-345).
fn leaves_late(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "members that leave late");
    let is_static = |group: &&ConsumerPlan| {
        is_classic(group) && group.membership.is_some_and(|of| of.static_members)
    };
    let groups: Vec<&ConsumerPlan> = plan.consumers.iter().filter(is_static).collect();
    if groups.is_empty() || !dice.percent(80) {
        return Vec::new();
    }
    let one = |dice: &mut Dice| {
        let group = dice.pick(&groups);
        let member = dice.between(0, u64::from(group.count.max(1)) - 1);
        let (group, member) = (group.group.clone(), u32::try_from(member).unwrap_or(0));
        asks(dice.between(from_ns, to_ns), Operation::LeaveLate { group, member })
    };
    (0..dice.between(3, 8)).map(|_| one(&mut dice)).collect()
}

/// Groups go while transactions that have given them positions are open, for longer than else: messages between brokers
/// are slow, and markers come late.
fn groups_deleted_while_open(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "groups deleted while open");
    if topics_with_positions(plan).is_empty() || !dice.percent(45) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 2) {
        let lasts = dice.between(4_000, 8_000) * MS;
        let at_ns = dice.between(from_ns, to_ns.saturating_sub(lasts).max(from_ns));
        events.push(lasting(at_ns, lasts, slow_brokers(dice.pick(&[80, 150, 250]) * MS)));
        for _ in 0..dice.between(12, 24) {
            let group = format!("{}{}", TransactionStep::GROUPS, dice.between(0, 4));
            let operation = Operation::DeleteGroup { group };
            events.push(asks(dice.between(at_ns, at_ns + lasts), operation));
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_some_seeds_have;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::plan::Action;
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_each_of_them() {
        assert_some_seeds_have(&[commits_beside_members, leaves_late, groups_deleted_while_open]);
    }

    #[test]
    fn who_leaves_late_had_a_members_name() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        for plan in (1..300).map(|seed| swarm(&base, seed)) {
            for event in &plan.events {
                let Action::Admin { operation: Operation::LeaveLate { group, member } } =
                    &event.action
                else {
                    continue;
                };
                let of = plan.consumers.iter().find(|of| of.group == *group).unwrap();
                assert!(*member < of.count && of.membership.unwrap().static_members);
            }
        }
    }
}
