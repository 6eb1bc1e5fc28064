//! Who is no member of a group, or is no more: a tool commits positions for a group that has members, who had a member's
//! name before says late that it leaves, members are taken out of their group by their names, while their first
//! rebalance is put off, too, and groups are deleted to which transactions are about to give positions. Draws come from
//! streams of their own, so that the other seeds stay as they are.

use super::adding::{
    Draw, TRIES, Window, add_each, asks, brokers, drawn_whole, groups_with_positions, is_classic,
    lasting, slow_brokers,
};
use super::dice::Dice;
use super::timing::config_ms;
use stormglass_scenarios::plan::{Action, ConsumerPlan, EventPlan, Operation, Plan};

const MS: u64 = 1_000_000;
/// A topic that no client of the plan reads, by whatever expression: a group without members may get positions in it.
const BESIDE: &str = "beside";

const SORTS: [Draw; 5] = [
    commits_beside_members,
    leaves_late,
    groups_deleted_while_open,
    removed,
    removed_while_joining,
];

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    add_each(plan, &SORTS);
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
    let groups = with_names(plan);
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

/// Groups in the classic protocol whose members have names of their own.
fn with_names(plan: &Plan) -> Vec<&ConsumerPlan> {
    let is_static = |group: &&ConsumerPlan| {
        is_classic(group) && group.membership.is_some_and(|of| of.static_members)
    };
    plan.consumers.iter().filter(is_static).collect()
}

fn removes(at_ns: u64, group: &ConsumerPlan, count: u32) -> EventPlan {
    asks(at_ns, Operation::RemoveMembers { group: group.group.clone(), count })
}

/// An administrator takes some members of such groups out of them, or all, whatever those are about to do (KIP-345):
/// others get what they had, and they come back.
fn removed(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "members removed");
    let groups = with_names(plan);
    if groups.is_empty() || !dice.percent(50) {
        return Vec::new();
    }
    let one = |dice: &mut Dice| {
        let group = dice.pick(&groups);
        let some = u32::try_from(dice.between(1, u64::from(group.count.max(1)))).unwrap_or(1);
        removes(dice.between(from_ns, to_ns), group, some)
    };
    (0..dice.between(2, 5)).map(|_| one(&mut dice)).collect()
}

/// All members of such a group are given up, and come back. While their first rebalance is put off (KIP-134) they are
/// taken out of the group, again and again, and somebody has been given a member id who does not come with it (KIP-394):
/// when that time is over the group may have nobody to go on with, and those that come next are to be waited for anew.
fn removed_while_joining(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "members removed while joining");
    let groups = with_names(plan);
    let delay_ms = plan.cluster.config_ms("group.initial.rebalance.delay.ms", 3_000);
    if groups.is_empty() || delay_ms == 0 || !dice.percent(80) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 2) {
        let group = dice.pick(&groups);
        let drawn = drawn_whole(plan, to_ns, TRIES, || {
            removed_when_back(&mut dice, (group, delay_ms), (from_ns, to_ns))
        });
        events.extend(drawn.unwrap_or_else(|last| last));
    }
    events
}

/// For a group whose first rebalance is put off for `delay_ms`.
fn removed_when_back(
    dice: &mut Dice,
    (group, delay_ms): (&ConsumerPlan, u64),
    (from_ns, to_ns): Window,
) -> Vec<EventPlan> {
    let session_ms = config_ms(&group.config, "session.timeout.ms").unwrap_or(45_000);
    let down = (session_ms + dice.between(400, 1_200)) * MS;
    let lasts = down + (delay_ms + 500) * MS;
    let at_ns = dice.between(from_ns, to_ns.saturating_sub(lasts).max(from_ns));
    let (back_ns, ends_ns) = (at_ns + down, at_ns + lasts);
    let name = || group.group.clone();
    let takes_id =
        Operation::TakeMemberId { group: name(), session_ms: dice.pick(&[3_000, 6_000]) };
    let mut events = vec![
        lasting(at_ns, down, Action::ClientCrash { client: name() }),
        asks(back_ns + dice.between(0, 150) * MS, takes_id),
    ];
    let mut removed_ns = back_ns + dice.between(60, 200) * MS;
    while removed_ns < ends_ns {
        events.push(removes(removed_ns, group, group.count));
        removed_ns += dice.between(90, 200) * MS;
    }
    events
}

/// Groups go while transactions that have given them positions are open, for longer than else: messages between brokers
/// are slow, and markers come late.
fn groups_deleted_while_open(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "groups deleted while open");
    let groups = groups_with_positions(plan);
    if groups.is_empty() || !dice.percent(45) {
        return Vec::new();
    }
    let mut events = Vec::new();
    for _ in 0..dice.between(1, 2) {
        let lasts = dice.between(4_000, 8_000) * MS;
        let at_ns = dice.between(from_ns, to_ns.saturating_sub(lasts).max(from_ns));
        events.push(lasting(at_ns, lasts, slow_brokers(dice.pick(&[80, 150, 250]) * MS)));
        for _ in 0..dice.between(12, 24) {
            let (group, _) = dice.pick(&groups);
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
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_each_of_them() {
        assert_some_seeds_have(&SORTS);
    }

    #[test]
    fn members_are_removed_once_they_are_back_and_while_they_are_waited_for() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut storms = 0;
        for plan in (1..600).map(|seed| swarm(&base, seed)) {
            let delay_ms = plan.cluster.config_ms("group.initial.rebalance.delay.ms", 3_000);
            let events = removed_while_joining(&plan, (0, 30_000 * MS));
            let mut back_ns = 0;
            for event in &events {
                match &event.action {
                    Action::ClientCrash { .. } => {
                        back_ns = event.at_ns + event.for_ns.unwrap();
                        storms += 1;
                    }
                    Action::Admin { operation: Operation::RemoveMembers { group, count } } => {
                        let of = plan.consumers.iter().find(|of| of.group == *group).unwrap();
                        assert!(of.membership.unwrap().static_members && *count == of.count);
                        let after_ms = event.at_ns.checked_sub(back_ns).unwrap() / MS;
                        assert!((60..delay_ms + 500).contains(&after_ms), "{after_ms} ms");
                    }
                    Action::Admin { operation: Operation::TakeMemberId { session_ms, .. } } => {
                        assert!(u64::from(*session_ms) > delay_ms + 500, "it would be over");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!((10..300).contains(&storms), "{storms}");
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
