//! Several that are away at once, and come back in turn: brokers, so that nobody leads what coordinators keep, and members
//! in the consumer protocol (KIP-848), so that another one has to give up what it has in several steps. Draws come from
//! streams of their own, so that the other seeds stay as they are.

use super::adding::{TRIES, Window, add, brokers, drawn_whole, lasting, window};
use super::dice::Dice;
use super::timing::Timing;
use stormglass_scenarios::plan::{Action, ConsumerPlan, Endpoint, EventPlan, LinkEffect, Plan};

const MS: u64 = 1_000_000;
/// What is drawn has to fit among all that happens to brokers.
const TRIES_OF_BROKERS: u32 = 5 * TRIES;

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    let window = window(plan);
    let events = leaderless(plan, window);
    add(plan, window.1, events);
    let mut dice = Dice::new(plan.seed, "members that are back in turn");
    for group in plan.consumers.clone().iter().filter(|group| has_several(group)) {
        for _ in 0..dice.between(2, 4) {
            let drawn = drawn_whole(plan, window.1, TRIES, || back_in_turn(&mut dice, plan, group));
            add(plan, window.1, drawn.unwrap_or_default());
        }
    }
}

/// All brokers but one stand still until they are fenced, and not in sync any more, and that one ends as they come back:
/// nobody leads what it has led, and clients that look for coordinators are told so until it is back.
fn leaderless(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "leaderless coordinators");
    let ids = brokers(plan);
    if ids.len() < 2 || !dice.percent(20) {
        return Vec::new();
    }
    let session = Timing::of(plan).session_ns;
    let (alone, back) = (session + 1_000 * MS, session + 1_500 * MS);
    let down = session + dice.between(2_000, 3_500) * MS;
    let latest_ns = to_ns.saturating_sub(alone + down).max(from_ns);
    let drawn = drawn_whole(plan, to_ns, TRIES_OF_BROKERS, || {
        let (at_ns, last) = (dice.between(from_ns, latest_ns), dice.pick(&ids));
        let others = ids.iter().copied().filter(|id| *id != last);
        let others = others.map(|node| lasting(at_ns, back, Action::ProcessPause { node }));
        let ends = lasting(at_ns + alone, down, Action::ProcessCrash { node: last });
        others.chain([ends]).collect()
    });
    drawn.unwrap_or_default()
}

/// Whether a group in the consumer protocol has a member that stays while two are away.
fn has_several(group: &ConsumerPlan) -> bool {
    let stays = group.membership.filter(|of| of.restarts_as.is_none());
    stays.is_some_and(|of| of.assignor.is_remote()) && group.count >= 3
}

/// Two members stand still until they are given up, and are back one soon after the other, while what clients say and
/// hear is slow: who has what was theirs is to give some of it up, and before it can say that it has, more.
fn back_in_turn(dice: &mut Dice, plan: &Plan, group: &ConsumerPlan) -> Vec<EventPlan> {
    let (from_ns, to_ns) = window(plan);
    let ms = |key: &str, default_ms: u64| plan.cluster.config_ms(key, default_ms);
    let session = ms("group.consumer.session.timeout.ms", 45_000);
    let beat = ms("group.consumer.heartbeat.interval.ms", 5_000);
    let (slow, away) = (dice.pick(&[100, 150, 200]), session + dice.between(500, 1_000));
    // until the first one is back, the one that stays hears of it, and gives up
    let gap = dice.between(50, beat + 4 * slow);
    let lasts = (away + gap + beat + 8 * slow) * MS;
    let at_ns = dice.between(from_ns, to_ns.saturating_sub(lasts).max(from_ns));
    let gone = |instance: u32, ms: u64| {
        let action = Action::ClientPause { client: group.group.clone(), instance: Some(instance) };
        lasting(at_ns, ms * MS, action)
    };
    let late = Action::Link {
        from: vec![Endpoint::Clients],
        to: vec![Endpoint::Brokers],
        one_way: false,
        effect: LinkEffect::Delay { extra_ns: slow * MS, jitter_ns: 5 * MS },
    };
    let slow_ns = at_ns + away * MS - 50 * MS;
    vec![gone(0, away), gone(1, away + gap), lasting(slow_ns, (gap + beat + 8 * slow) * MS, late)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_in_time;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_leaderless_coordinators() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let stand_still = |plan: &Plan, at_ns: u64| {
            let at_once = plan.events.iter().filter(|event| event.at_ns == at_ns);
            at_once.filter(|event| matches!(event.action, Action::ProcessPause { .. })).count()
        };
        let has_one = |plan: &Plan| {
            let others = plan.cluster.brokers.len() - 1;
            plan.events.iter().any(|event| stand_still(plan, event.at_ns) == others)
        };
        let seeds = (1..600).filter(|seed| has_one(&swarm(&base, *seed))).count();
        assert!((10..200).contains(&seeds), "{seeds}");
    }

    #[test]
    fn a_broker_ends_alone_and_the_others_are_back_before_it() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        for seed in 1..300 {
            let mut plan = swarm(&base, seed);
            // it has what is drawn already
            plan.events.clear();
            let session = Timing::of(&plan).session_ns;
            let events = leaderless(&plan, window(&plan));
            let Some((ends, others)) = events.split_last() else { continue };
            assert_eq!(others.len() + 1, plan.cluster.brokers.len(), "seed {seed}");
            let end_ns = |event: &EventPlan| event.at_ns + event.for_ns.unwrap();
            for other in others {
                assert!(other.at_ns + session < ends.at_ns && ends.at_ns < end_ns(other));
                assert!(end_ns(other) + session < end_ns(ends), "seed {seed}");
            }
        }
    }

    #[test]
    fn some_seeds_have_members_that_are_back_in_turn() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut seeds = 0;
        for seed in 1..600 {
            let plan = swarm(&base, seed);
            assert_in_time(&plan);
            let Some(group) = plan.consumers.iter().find(|group| has_several(group)) else {
                continue;
            };
            seeds += 1;
            let events = back_in_turn(&mut Dice::new(seed, "test"), &plan, group);
            let [first, second, late] = events.as_slice() else { panic!("{events:?}") };
            let end_ns = |event: &EventPlan| event.at_ns + event.for_ns.unwrap();
            assert!(end_ns(first) < end_ns(second) && late.at_ns < end_ns(first));
            assert!(end_ns(second) < end_ns(late), "seed {seed}");
        }
        assert!((15..150).contains(&seeds), "{seeds}");
    }
}
