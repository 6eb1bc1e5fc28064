//! Elections that configs decide: when nobody in sync is left, a topic's own config counts before that of all brokers,
//! any replica may lead as soon as the config says so, and a reassignment that has all that is in sync is to be taken
//! back. In every seed controllers may look at what nobody leads after moments, and let brokers miss more or fewer
//! leaderships. Draws come from streams of their own, so that all else of a seed stays as it is.

use super::adding::{
    TRIES, Window, add, asks, begins, brokers, down, drawn_whole, partition, reassigns, window,
};
use super::dice::Dice;
use super::timing::Timing;
use stormglass_scenarios::plan::{EventPlan, Operation, Plan, TopicPlan};

const MS: u64 = 1_000_000;
const UNCLEAN: &str = "unclean.leader.election.enable";
/// How often controllers look at partitions that nobody leads.
const INTERVAL: &str = "unclean.leader.election.interval.ms";
/// Of a storm in which they do so often.
const ALLOWED_LATE: &str = "allowed late";
/// What a controller takes to fence a broker whose session has ended, and brokers to hear of that, ns.
const SOON_NS: u64 = 300 * MS;

/// Draws one sort of what is added; nothing where it cannot be.
type Draw = fn(&Plan, Window, &mut Dice) -> Vec<EventPlan>;

/// Configs of controllers, and of a topic that goes by what all brokers go by until that changes.
pub(super) fn draw(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "looks of controllers");
    let interval = dice.pick(&["300", "1000", "1000", "3000", "300000"]);
    let percentage = dice.pick(&["10", "10", "10", "0", "40"]);
    for (key, value) in
        [(INTERVAL, interval), ("leader.imbalance.per.broker.percentage", percentage)]
    {
        plan.cluster.config.insert(key.to_owned(), value.to_owned());
    }
    let has_own = plan.topics.iter().any(|topic| topic.config.contains_key(UNCLEAN));
    if has_own || !dice.percent(10) {
        return;
    }
    let all = plan.cluster.config.get(UNCLEAN).is_some_and(|value| value == "true");
    let at = dice.index(plan.topics.len().max(1));
    if let Some(topic) = plan.topics.get_mut(at) {
        topic.config.insert(UNCLEAN.to_owned(), all.to_string());
    }
}

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    if plan.topics.is_empty() || plan.cluster.brokers.len() < 2 {
        return;
    }
    let window = window(plan);
    let draws: [(&str, u32, Draw); 3] = [
        ("own config against all", 40, against_all),
        (ALLOWED_LATE, 8, allowed_late),
        ("taken back with all in sync", 20, taken_back),
    ];
    for (purpose, chance, draw) in draws {
        let events = whole(plan, window, (purpose, chance), draw);
        if purpose == ALLOWED_LATE && !events.is_empty() {
            plan.cluster.config.insert(INTERVAL.to_owned(), "300".to_owned());
        }
        add(plan, window.1, events);
    }
}

/// What some seeds have, at a time at which nothing else is in its way.
fn whole(
    plan: &Plan,
    window: Window,
    (purpose, chance): (&str, u32),
    draw: Draw,
) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, purpose);
    if !dice.percent(chance) {
        return Vec::new();
    }
    drawn_whole(plan, window.1, TRIES, || draw(plan, window, &mut dice)).unwrap_or_default()
}

/// When nobody leads a partition, and its leader is back, ns.
struct Leaderless {
    from_ns: u64,
    to_ns: u64,
}

/// The followers of a partition go, one after another until its first replica alone is in sync; that goes as they come
/// back, and stays away for so long after its session has ended.
fn leaderless(
    timing: Timing,
    replicas: &[i32],
    (at_ns, lasts_ns): (u64, u64),
) -> (Vec<EventPlan>, Leaderless) {
    let goes_ns = at_ns + timing.session_ns + 2 * SOON_NS;
    let from_ns = goes_ns + timing.session_ns;
    let to_ns = from_ns + lasts_ns;
    // they are back when it has just gone, and so do not come to be in sync again
    let followers = replicas.iter().skip(1).map(|id| down(*id, at_ns, goes_ns + SOON_NS - at_ns));
    let first = replicas.iter().take(1).map(|id| down(*id, goes_ns, to_ns - goes_ns));
    (followers.chain(first).collect(), Leaderless { from_ns, to_ns })
}

/// All brokers are told the opposite of what a topic has of its own, and then nobody leads that while others are up.
fn against_all(plan: &Plan, (from_ns, to_ns): Window, dice: &mut Dice) -> Vec<EventPlan> {
    let own = plan.topics.iter().filter(|topic| topic.config.contains_key(UNCLEAN));
    let Some((topic, _, replicas)) = partition(dice, own) else { return Vec::new() };
    let is_enabled = topic.config.get(UNCLEAN).is_some_and(|value| value == "true");
    let timing = Timing::of(plan);
    // set before, and taken back after
    let (before, after) = (1_500 * MS, 1_700 * MS);
    let lasts_ns = dice.between(1_500, 4_000) * MS;
    let takes_ns = before + 2 * timing.session_ns + 2 * SOON_NS + lasts_ns + after;
    let Some(at_ns) = begins(dice, (from_ns, to_ns), takes_ns) else { return Vec::new() };
    let set = |at_ns: u64, value: Option<bool>| {
        let (key, value) = (UNCLEAN.to_owned(), value.map(|value| value.to_string()));
        asks(at_ns, Operation::SetBrokerConfig { node: None, key, value })
    };
    // a request may be lost
    let begins = [0, 400, 800].map(|ms| set(at_ns + ms * MS, Some(!is_enabled)));
    let (events, of) = leaderless(timing, replicas, (at_ns + before, lasts_ns));
    let ends = [300, 1_000, 1_700].map(|ms| set(of.to_ns + ms * MS, None));
    begins.into_iter().chain(events).chain(ends).collect()
}

/// Nobody leads a partition while others are up, controllers have looked at it, and only then any replica may lead: of
/// its topic, or of all topics without a config of their own.
fn allowed_late(plan: &Plan, (from_ns, to_ns): Window, dice: &mut Dice) -> Vec<EventPlan> {
    let inherits = plan.topics.iter().filter(|topic| !topic.config.contains_key(UNCLEAN));
    let Some((topic, _, replicas)) = partition(dice, inherits) else { return Vec::new() };
    let timing = Timing::of(plan);
    let lasts_ns = dice.between(3_500, 5_000) * MS;
    let takes_ns = 2 * timing.session_ns + 2 * SOON_NS + lasts_ns + 1_700 * MS;
    let Some(at_ns) = begins(dice, (from_ns, to_ns), takes_ns) else { return Vec::new() };
    let of_topic = dice.percent(60);
    let set = |at_ns: u64, value: Option<&str>| {
        let (key, value) = (UNCLEAN.to_owned(), value.map(str::to_owned));
        let operation = match of_topic {
            true => Operation::SetTopicConfig { topic: topic.name.clone(), key, value },
            false => Operation::SetBrokerConfig { node: None, key, value },
        };
        asks(at_ns, operation)
    };
    let (events, of) = leaderless(timing, replicas, (at_ns, lasts_ns));
    let allowed_ns = of.from_ns + dice.between(1_000, 1_800) * MS;
    let begins = [0, 400, 800].map(|ms| set(allowed_ns + ms * MS, Some("true")));
    let ends = [300, 1_000, 1_700].map(|ms| set(of.to_ns + ms * MS, None));
    begins.into_iter().chain(events).chain(ends).collect()
}

/// A partition gets a new replica in the place of another one, which cannot end, as one that stays is away. The others
/// go, too: the new one is in sync alone, and somebody wants the replicas that were there before. In the end somebody
/// asks for them by name.
fn taken_back(plan: &Plan, (from_ns, to_ns): Window, dice: &mut Dice) -> Vec<EventPlan> {
    let brokers = brokers(plan);
    let movable = |of: &&TopicPlan| of.assignment.iter().all(|of| of.len() < brokers.len());
    let topics = plan.topics.iter().filter(movable);
    let Some((topic, partition, replicas)) = partition(dice, topics) else { return Vec::new() };
    let spare: Vec<i32> = brokers.iter().copied().filter(|id| !replicas.contains(id)).collect();
    let session_ns = Timing::of(plan).session_ns;
    let copied_ns = dice.between(2_000, 3_000) * MS;
    let takes_ns = 2 * session_ns + copied_ns + 4_500 * MS;
    let Some(at_ns) = begins(dice, (from_ns, to_ns), takes_ns) else { return Vec::new() };
    let goes_ns = at_ns + session_ns + copied_ns;
    let alone_ns = goes_ns + session_ns + SOON_NS;
    let back_ns = alone_ns + 2_500 * MS;
    let mut target = replicas.to_vec();
    target[0] = dice.pick(&spare);
    let moves = |at_ns: u64, replicas: &[i32]| reassigns(at_ns, &topic.name, partition, replicas);
    // one is away all the time, and the others until what is new has copied everything
    let away = replicas.len() - 1;
    let mut events = vec![down(replicas[away], at_ns, back_ns - at_ns)];
    let others = replicas.iter().take(away);
    events.extend(others.map(|id| down(*id, goes_ns, back_ns - goes_ns)));
    events.extend([100, 700].map(|ms| moves(at_ns + session_ns + ms * MS, &target)));
    for ms in [0, 500, 1_000, 1_500] {
        let topic = topic.name.clone();
        let operation = Operation::CancelReassignment { topic, partition };
        events.push(asks(alone_ns + ms * MS, operation));
    }
    events.push(moves(back_ns + 1_500 * MS, replicas));
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_in_time;
    use crate::hunt::{SWARM, swarm};
    use std::collections::{BTreeMap, BTreeSet};
    use stormglass_scenarios::plan::Action;
    use stormglass_scenarios::{Source, load};

    fn operations(plan: &Plan) -> impl Iterator<Item = &Operation> {
        plan.events.iter().filter_map(|event| match &event.action {
            Action::Admin { operation } => Some(operation),
            _ => None,
        })
    }

    /// Whether a reassignment is to be taken back as often as only this storm asks for it.
    fn is_taken_back(plan: &Plan) -> bool {
        let mut asked: BTreeMap<(&str, u32), u32> = BTreeMap::new();
        for operation in operations(plan) {
            if let Operation::CancelReassignment { topic, partition } = operation {
                *asked.entry((topic, *partition)).or_default() += 1;
            }
        }
        asked.values().any(|times| *times >= 4)
    }

    #[test]
    fn some_seeds_have_each_of_them() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut of_all = [0; 3];
        let mut intervals = BTreeSet::new();
        for seed in 1..600 {
            let plan = swarm(&base, seed);
            assert_in_time(&plan);
            intervals.insert(plan.cluster.config[INTERVAL].clone());
            let set = |is: &dyn Fn(&Operation) -> bool| u32::from(operations(&plan).any(is));
            let has_own = plan.topics.iter().any(|topic| topic.config.contains_key(UNCLEAN));
            let of_brokers = |of: &Operation| match of {
                Operation::SetBrokerConfig { key, .. } => key == UNCLEAN,
                _ => false,
            };
            let allows = |of: &Operation| match of {
                Operation::SetTopicConfig { key, value, .. } => {
                    key == UNCLEAN && value.as_deref() == Some("true")
                }
                _ => false,
            };
            of_all[0] += if has_own { set(&of_brokers) } else { 0 };
            of_all[1] += set(&allows);
            of_all[2] += u32::from(is_taken_back(&plan));
        }
        assert!(of_all.iter().all(|seeds| (5..120).contains(seeds)), "{of_all:?}");
        assert_eq!(intervals.len(), 4);
    }

    #[test]
    fn followers_are_back_when_their_leader_has_gone() {
        let plan = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let timing = Timing::of(&plan);
        let (events, of) = leaderless(timing, &[3, 1, 2], (10_000 * MS, 2_000 * MS));
        let ends_ns = |event: &EventPlan| event.at_ns + event.for_ns.unwrap();
        let [first, second, leader] = &events[..] else { panic!("{events:?}") };
        assert_eq!((first.at_ns, ends_ns(first)), (second.at_ns, ends_ns(second)));
        assert!(leader.at_ns - first.at_ns > timing.session_ns, "they are given up");
        assert!(ends_ns(first) > leader.at_ns && ends_ns(first) < of.from_ns);
        assert_eq!((of.from_ns, of.to_ns), (leader.at_ns + timing.session_ns, ends_ns(leader)));
    }
}
