//! Who is behind: a follower in the rack of consumers that are behind, too, one that has yet to copy batches which are
//! larger than a topic takes by now, a broker that begins and ends again without having heard of its cluster, one that
//! comes back while much is decided, and a leader elected from behind, of a topic whose remote storage goes on further.
//! Draws come from streams of their own, so that the other seeds stay as they are.

use super::adding::{
    TRIES, Window, add, asks, begins, brokers, down, drawn_whole, lasting, partition, sets_min_isr,
    window,
};
use super::dice::Dice;
use super::late::late;
use super::timing::Timing;
use stormglass_scenarios::plan::{
    Action, ClientProfile, Endpoint, EventPlan, LinkEffect, Operation, Plan, SizeDist, TopicPlan,
};

const MS: u64 = 1_000_000;
const UNCLEAN: &str = "unclean.leader.election.enable";
/// What a batch may have, bytes.
const LARGEST: &str = "max.message.bytes";
/// Less than most batches of several records have, bytes.
const SMALL_BYTES: &str = "600";
/// What fits into that with a header, bytes.
const RECORD_MAX_BYTES: u32 = 400;
/// What a controller takes to fence a broker whose session has ended, and brokers to hear of that, ns.
const SOON_NS: u64 = 300 * MS;

/// Draws one sort of what is added; nothing where it cannot be.
type Draw = fn(&Plan, Window, &mut Dice) -> Vec<EventPlan>;

/// A sort of what is added.
#[derive(Clone, Copy)]
struct Sort {
    purpose: &'static str,
    /// Of the seeds in which it can be, percent.
    chance: u32,
    draw: Draw,
    /// What else it needs.
    prepare: fn(&mut Plan, &[EventPlan]),
}

const SORTS: [Sort; 5] = [
    Sort { purpose: "behind in a rack", chance: 70, draw: in_rack, prepare: ask_leaders_again },
    Sort { purpose: "larger than taken", chance: 30, draw: larger, prepare: one_by_one },
    Sort { purpose: "without metadata", chance: 12, draw: without_metadata, prepare: keep_marks },
    Sort { purpose: "busy metadata", chance: 8, draw: busy_metadata, prepare: |_, _| () },
    Sort { purpose: "other histories", chance: 45, draw: other_history, prepare: let_lead },
];

/// Adds them to a storm.
pub(super) fn storm(plan: &mut Plan) {
    if plan.topics.is_empty() || plan.cluster.brokers.len() < 2 {
        return;
    }
    let window = window(plan);
    for sort in SORTS {
        let mut dice = Dice::new(plan.seed, sort.purpose);
        if !dice.percent(sort.chance) {
            continue;
        }
        let before: &Plan = plan;
        // of no use in part
        let drawn = drawn_whole(before, window.1, TRIES, || (sort.draw)(before, window, &mut dice));
        let events = drawn.unwrap_or_default();
        if !events.is_empty() {
            (sort.prepare)(plan, &events);
            add(plan, window.1, events);
        }
    }
}

/// Nothing passes between a broker and others.
fn cut(node: i32, to: Vec<Endpoint>, (at_ns, for_ns): (u64, u64)) -> EventPlan {
    let (from, effect) = (vec![Endpoint::Node(node)], LinkEffect::Cut);
    lasting(at_ns, for_ns, Action::Link { from, to, one_way: false, effect })
}

/// Where consumers read from the replica in their rack, they stop, and a follower does not hear of others until it is
/// out of sync; then they go on with what that one has.
fn in_rack(plan: &Plan, window: Window, dice: &mut Dice) -> Vec<EventPlan> {
    if !plan.cluster.config.contains_key("replica.selector.class") {
        return Vec::new();
    }
    let Some((_, _, replicas)) = partition(dice, plan.topics.iter()) else { return Vec::new() };
    let follower = dice.pick(&replicas[1..]);
    // brokers look at who is behind each half of that
    let stops_ns = Timing::of(plan).lag_ns * 3 / 2 + dice.between(500, 1_000) * MS;
    let away_ns = stops_ns + dice.between(1_500, 2_500) * MS;
    let Some(at_ns) = begins(dice, window, away_ns) else { return Vec::new() };
    let others = brokers(plan).into_iter().filter(|id| *id != follower);
    let others = others.map(Endpoint::Node).collect();
    let pauses = plan.consumers.iter().map(|group| {
        let action = Action::ConsumerPause { group: group.group.clone(), member: None };
        lasting(at_ns, stops_ns, action)
    });
    [cut(follower, others, (at_ns, away_ns))].into_iter().chain(pauses).collect()
}

/// Consumers do not keep to the replica that they were sent to before.
fn ask_leaders_again(plan: &mut Plan, _: &[EventPlan]) {
    for group in &mut plan.consumers {
        group.config.insert("metadata.max.age.ms".to_owned(), "1000".to_owned());
    }
}

/// Whether producers of a topic send what is too large again in smaller batches. One that is idempotent may write it
/// twice, in Kafka as here: of a batch that is in the log, but was not acknowledged, the halves are no repetition.
fn may_shrink(plan: &Plan, topic: &TopicPlan) -> bool {
    let mut producers = plan.producers.iter().filter(|of| of.topic == topic.name);
    producers.all(|of| {
        let largest = match of.record_size {
            SizeDist::Fixed { bytes } => bytes,
            SizeDist::Uniform { max_bytes, .. } => max_bytes,
        };
        let is = |key: &str, value: &str| of.config.get(key).is_some_and(|set| set == value);
        let splits = of.profile == ClientProfile::Java && is("enable.idempotence", "false");
        splits && !is("acks", "0") && largest <= RECORD_MAX_BYTES
    })
}

/// A follower is away while others take batches that are larger than the topic takes when it is back.
fn larger(plan: &Plan, window: Window, dice: &mut Dice) -> Vec<EventPlan> {
    let topics = plan.topics.iter().filter(|topic| may_shrink(plan, topic));
    let Some((topic, _, replicas)) = partition(dice, topics) else { return Vec::new() };
    let follower = dice.pick(&replicas[1..]);
    let away_ns = dice.between(1_500, 3_000) * MS;
    let stays_ns = dice.between(3_000, 6_000) * MS;
    let Some(at_ns) = begins(dice, window, away_ns + stays_ns) else { return Vec::new() };
    let set = |at_ns: u64, value: Option<&str>| {
        let (topic, key) = (topic.name.clone(), LARGEST.to_owned());
        asks(at_ns, Operation::SetTopicConfig { topic, key, value: value.map(str::to_owned) })
    };
    let mut events = vec![down(follower, at_ns, away_ns)];
    // a request may be lost
    let last = [900, 600, 300].map(|ms| set(at_ns + away_ns - ms * MS, Some(SMALL_BYTES)));
    events.extend(last);
    if dice.percent(60) {
        events.push(set(at_ns + away_ns + stays_ns, None));
    }
    events
}

/// What is refused for its size is sent again before what comes after it.
fn one_by_one(plan: &mut Plan, events: &[EventPlan]) {
    let shrinks = changed_topic(events);
    for producer in plan.producers.iter_mut().filter(|of| Some(&of.topic) == shrinks.as_ref()) {
        let key = "max.in.flight.requests.per.connection".to_owned();
        producer.config.insert(key, "1".to_owned());
    }
}

/// The topic whose configs change.
fn changed_topic(events: &[EventPlan]) -> Option<String> {
    events.iter().find_map(|event| match &event.action {
        Action::Admin { operation: Operation::SetTopicConfig { topic, .. } } => Some(topic.clone()),
        _ => None,
    })
}

/// A broker begins while it does not reach the controllers, runs for so long that it writes down what it knows, and
/// ends again.
fn without_metadata(plan: &Plan, window: Window, dice: &mut Dice) -> Vec<EventPlan> {
    let node = dice.pick(&brokers(plan));
    let (first, second) = (dice.between(100, 800) * MS, dice.between(100, 600) * MS);
    let runs_ns = Timing::of(plan).process_start_ns + dice.between(1_300, 2_500) * MS;
    let Some(at_ns) = begins(dice, window, first + runs_ns + second) else { return Vec::new() };
    let again_ns = at_ns + first + runs_ns;
    let unheard_ns = first + runs_ns + second / 2;
    vec![
        down(node, at_ns, first),
        down(node, again_ns, second),
        cut(node, vec![Endpoint::Controllers], (at_ns, unheard_ns)),
    ]
}

/// Brokers write high watermarks down soon.
fn keep_marks(plan: &mut Plan, _: &[EventPlan]) {
    let key = "replica.high.watermark.checkpoint.interval.ms".to_owned();
    plan.cluster.config.insert(key, "200".to_owned());
}

/// A broker comes back while controllers decide one thing after another, and hears of each a little later.
fn busy_metadata(plan: &Plan, window: Window, dice: &mut Dice) -> Vec<EventPlan> {
    let node = dice.pick(&brokers(plan));
    let away_ns = dice.between(100, 1_200) * MS;
    let busy_ns = dice.between(1_500, 3_000) * MS;
    let start_ns = Timing::of(plan).process_start_ns;
    let Some(at_ns) = begins(dice, window, away_ns + start_ns + busy_ns) else {
        return Vec::new();
    };
    let back_ns = at_ns + away_ns + start_ns;
    let extra_ns = dice.between(60, 300) * MS;
    let slow = late(Endpoint::Controllers, Endpoint::Node(node), extra_ns);
    let mut events = vec![down(node, at_ns, away_ns), lasting(back_ns, busy_ns, slow)];
    let (mut next_ns, every) = (back_ns, dice.between(80, 200));
    while next_ns < back_ns + busy_ns {
        let topic = dice.pick(&plan.topics).name;
        let value = dice.pick(&[Some("20000"), Some("40000"), Some("131072"), None]);
        let (key, value) = ("segment.bytes".to_owned(), value.map(str::to_owned));
        events.push(asks(next_ns, Operation::SetTopicConfig { topic, key, value }));
        next_ns += every * MS;
    }
    events
}

/// A leader of a topic with remote storage is in sync alone, for so long that what it has then goes there, and is gone
/// as the others come back: one of them leads, and writes what remote storage has otherwise.
fn other_history(plan: &Plan, window: Window, dice: &mut Dice) -> Vec<EventPlan> {
    let is_tiered = |topic: &&TopicPlan| {
        topic.config.get("remote.storage.enable").is_some_and(|value| value == "true")
    };
    let tiered = plan.topics.iter().filter(is_tiered);
    let Some((topic, _, replicas)) = partition(dice, tiered) else { return Vec::new() };
    let session_ns = Timing::of(plan).session_ns;
    let goes_ns = session_ns + 2 * SOON_NS + dice.between(3_000, 5_000) * MS;
    let away_ns = session_ns + dice.between(4_000, 6_000) * MS;
    let Some(at_ns) = begins(dice, window, goes_ns + away_ns) else { return Vec::new() };
    // they are back when it has just gone, and so do not come to be in sync again
    let followers = replicas.iter().skip(1).map(|id| down(*id, at_ns, goes_ns + SOON_NS));
    let mut events: Vec<EventPlan> = followers.collect();
    events.extend(replicas.first().map(|id| down(*id, at_ns + goes_ns, away_ns)));
    let set = |ms: u64| sets_min_isr(at_ns + ms * MS, &topic.name, "1");
    events.extend([0, 400, 800].map(set));
    events
}

/// Who is not in sync may lead, and nothing that is in remote storage stays on disks.
fn let_lead(plan: &mut Plan, events: &[EventPlan]) {
    let name = changed_topic(events);
    for topic in plan.topics.iter_mut().filter(|topic| Some(&topic.name) == name.as_ref()) {
        for (key, value) in [(UNCLEAN, "true"), ("local.retention.bytes", "0")] {
            topic.config.insert(key.to_owned(), value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::testing::assert_in_time;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    fn is_set(event: &EventPlan, of: &str, to: &str) -> bool {
        match &event.action {
            Action::Admin { operation: Operation::SetTopicConfig { key, value, .. } } => {
                key == of && value.as_deref() == Some(to)
            }
            _ => false,
        }
    }

    #[test]
    fn some_seeds_have_each_of_them() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut of_all = [0; SORTS.len()];
        for seed in 1..600 {
            let plan = swarm(&base, seed);
            let window = window(&plan);
            for (count, sort) in of_all.iter_mut().zip(SORTS) {
                let mut dice = Dice::new(seed, sort.purpose);
                let is_drawn = dice.percent(sort.chance);
                let can_be = !(sort.draw)(&plan, window, &mut dice).is_empty();
                *count += u32::from(is_drawn && can_be);
            }
            assert_in_time(&plan);
        }
        assert!(of_all.iter().all(|seeds| (5..200).contains(seeds)), "{of_all:?}");
    }

    #[test]
    fn what_is_refused_for_its_size_is_sent_again_before_anything_else() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut seeds = 0;
        for seed in 1..400 {
            let plan = swarm(&base, seed);
            let change = plan.events.iter().find(|event| is_set(event, LARGEST, SMALL_BYTES));
            let Some(change) = change else { continue };
            seeds += 1;
            let shrinks = changed_topic(std::slice::from_ref(change)).unwrap();
            for producer in plan.producers.iter().filter(|of| of.topic == shrinks) {
                let most = producer.config.get("max.in.flight.requests.per.connection");
                assert_eq!(most.map(String::as_str), Some("1"), "seed {seed}");
                assert_eq!(producer.config["enable.idempotence"], "false", "seed {seed}");
            }
        }
        assert!(seeds > 5, "{seeds} of 399");
    }

    #[test]
    fn whoever_may_lead_is_of_a_topic_with_remote_storage() {
        let mut plan = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut dice = Dice::new(1, "other histories");
        assert!(other_history(&plan, window(&plan), &mut dice).is_empty());
        let config = &mut plan.topics[1].config;
        config.insert("remote.storage.enable".to_owned(), "true".to_owned());
        let events = other_history(&plan, window(&plan), &mut dice);
        assert_eq!(changed_topic(&events).as_ref(), Some(&plan.topics[1].name));
        let crashes = events.iter().filter(|of| matches!(of.action, Action::ProcessCrash { .. }));
        assert_eq!(crashes.count(), plan.topics[1].assignment[0].len());
        let_lead(&mut plan, &events);
        let unclean = |at: usize| plan.topics[at].config.get(UNCLEAN).map(String::as_str);
        assert_eq!((unclean(0), unclean(1)), (None, Some("true")));
    }
}
