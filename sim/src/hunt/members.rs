//! Members of groups that keep the others waiting: some rebalances last longer than sessions, or than members are
//! given to join, some members stand still until the others have gone on without them, some heartbeats come after the
//! ones that were sent when nobody had answered them, or when who has sent them is back as another member, and some
//! members get an id and never join by it. Some groups have no room for more members than they have, or not for all of
//! them, and some read a topic that grows. Draws come from streams of their own, so that the other seeds stay as they
//! are.

use super::adding::{TRIES, Window, add, asks, drawn_whole, is_classic, lasting, window};
use super::dice::Dice;
use super::timing::config_ms;
use std::collections::BTreeMap;
use stormglass_scenarios::plan::{
    Action, Assignor, ClientProfile, ConsumerPlan, Endpoint, EventPlan, LinkEffect, Operation,
    Plan, TopicPlan,
};

const MS: u64 = 1_000_000;
/// A topic that members read, and nobody writes to.
const GROWN: &str = "grown";
/// `request.timeout.ms` of members that give up a heartbeat while it is under way.
const PATIENCE_MS: u64 = 1_000;

/// Gives some groups members that may be away for longer than the others wait, or than their sessions last.
pub(super) fn draw(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "members that are waited for");
    let azs = plan.cluster.azs.len().max(1);
    for group in &mut plan.consumers {
        let Some(membership) = &mut group.membership else { continue };
        let goes_over = membership.restarts_as.is_some();
        if goes_over || membership.closes || !dice.percent(45) {
            continue;
        }
        if membership.assignor.is_remote() {
            set(group, "request.timeout.ms", PATIENCE_MS);
        } else {
            let (session_ms, poll_ms, is_static) =
                dice.pick(&[(6_000, 2_000, true), (1_500, 8_000, false), (6_000, 2_000, false)]);
            membership.static_members = is_static;
            set(group, "session.timeout.ms", session_ms);
            set(group, "heartbeat.interval.ms", session_ms / 5);
            set(group, "max.poll.interval.ms", poll_ms);
        }
        // one that goes, one that is waited for, and one that waits
        group.count = group.count.max(3);
        while group.azs.len() < group.count as usize {
            group.azs.push(dice.index(azs));
        }
    }
}

fn divides_by_range(group: &ConsumerPlan) -> bool {
    group.membership.is_some_and(|of| of.assignor == Assignor::Range && of.restarts_as.is_none())
}

/// In some storms members that divide by range are librdkafka's, which say the same each time that they join, and read
/// a topic that grows: a leader that has nothing else to say joins again, for all to be divided anew.
pub(super) fn draw_grown(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "topics that grow");
    let replicas = plan.topics.first().and_then(|topic| topic.assignment.first()).cloned();
    let Some(replicas) = replicas else { return };
    if !plan.consumers.iter().any(divides_by_range) || !dice.percent(45) {
        return;
    }
    for group in plan.consumers.iter_mut().filter(|group| divides_by_range(group)) {
        let patience_ms = config_ms(&group.config, "request.timeout.ms").unwrap_or(3_000);
        group.profile = ClientProfile::Librdkafka;
        group.topics.push(GROWN.to_owned());
        // with Java's patience: members that wait for a minute, or look at topics every five, see nothing of the storm
        set(group, "socket.timeout.ms", patience_ms);
        set(group, "metadata.max.age.ms", 1_000);
    }
    plan.topics.push(TopicPlan {
        name: GROWN.to_owned(),
        assignment: vec![replicas],
        config: BTreeMap::new(),
        preload_bytes: 0,
        preload_record_bytes: 0,
    });
}

/// The topic gets more partitions.
fn grown(plan: &Plan, (from_ns, to_ns): Window) -> Vec<EventPlan> {
    let mut dice = Dice::new(plan.seed, "growing topics");
    if !plan.topics.iter().any(|topic| topic.name == GROWN) {
        return Vec::new();
    }
    let times = dice.between(2, 4);
    let mut times: Vec<u64> = (0..times).map(|_| dice.between(from_ns, to_ns)).collect();
    times.sort_unstable();
    let grows = |(at_ns, partitions)| {
        asks(at_ns, Operation::AddPartitions { topic: GROWN.to_owned(), partitions })
    };
    times.into_iter().zip(2..).map(grows).collect()
}

/// In some storms groups in the consumer protocol have room for the members that they have, and not for one more: who
/// begins anew may have to wait until its former self is given up. In others those in the classic protocol have.
pub(super) fn draw_sizes(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "group sizes");
    let of_members = plan.consumers.iter().filter(|group| group.membership.is_some());
    let largest = of_members.map(|group| group.count).max();
    if let Some(largest) = largest.filter(|_| dice.percent(20)) {
        plan.cluster.config.insert("group.consumer.max.size".to_owned(), largest.to_string());
    }
    draw_classic_sizes(plan);
}

/// The same of the classic protocol, where some groups may even have one more than there is room for: it gets in when
/// another one is away. Members with names of their own may lose their places in a full group (KIP-389): there are none.
fn draw_classic_sizes(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "classic group sizes");
    let (is_drawn, is_short) = (dice.percent(40), dice.percent(60));
    let speaks_classic = |group: &&ConsumerPlan| {
        group.membership.is_some_and(|of| {
            !of.assignor.is_remote() || of.restarts_as.is_some_and(|next| !next.is_remote())
        })
    };
    let groups: Vec<&ConsumerPlan> = plan.consumers.iter().filter(speaks_classic).collect();
    let is_static = |group: &&ConsumerPlan| group.membership.is_some_and(|of| of.static_members);
    let largest = groups.iter().map(|group| group.count).max();
    let Some(largest) = largest.filter(|_| is_drawn && !groups.iter().any(is_static)) else {
        return;
    };
    let room = largest.saturating_sub(u32::from(is_short)).max(1);
    plan.cluster.config.insert("group.max.size".to_owned(), room.to_string());
}

fn set(group: &mut ConsumerPlan, key: &str, value: u64) {
    group.config.insert(key.to_owned(), value.to_string());
}

/// Has one of their members go, and another one be away when the others hear of that; or has what they send come late.
pub(super) fn storm(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "members that are away");
    let (from_ns, to_ns) = window(plan);
    let groups: Vec<ConsumerPlan> =
        plan.consumers.iter().filter(|group| group.count >= 3).cloned().collect();
    for group in groups {
        for _ in 0..dice.between(1, 3) {
            // members with names of their own are restarted often, and one of the two alone keeps nobody waiting
            let tries = if is_static(&group) { TRIES + 1 } else { 1 };
            let drawn = drawn_whole(plan, to_ns, tries, || {
                let at_ns = dice.between(from_ns, to_ns);
                away(&mut dice, plan, &group, at_ns)
            });
            add(plan, to_ns, drawn.unwrap_or_else(|last| last));
        }
    }
    let events = grown(plan, (from_ns, to_ns));
    add(plan, to_ns, events);
    let mut dice = Dice::new(plan.seed, "ids that nobody uses");
    for group in plan.consumers.clone() {
        let (at_ns, is_drawn) = (dice.between(from_ns, to_ns), dice.percent(75));
        if is_drawn {
            let events = unused_ids(&mut dice, &group, at_ns);
            add(plan, to_ns, events);
        }
    }
    let mut dice = Dice::new(plan.seed, "members that stand still");
    let groups: Vec<ConsumerPlan> =
        plan.consumers.iter().filter(|group| group.count >= 2).cloned().collect();
    for group in groups {
        let (at_ns, is_drawn) = (dice.between(from_ns, to_ns), dice.percent(60));
        if is_drawn {
            let events = frozen(&mut dice, &group, at_ns);
            add(plan, to_ns, events);
        }
    }
}

/// One of them goes, and another one is away, or what they send comes late.
fn away(dice: &mut Dice, plan: &Plan, group: &ConsumerPlan, at_ns: u64) -> Vec<EventPlan> {
    match group.membership {
        Some(of) if of.assignor.is_remote() => late_heartbeats(dice, plan, group, at_ns),
        Some(of) => slow_rebalance(dice, (group, of.static_members), at_ns),
        None => Vec::new(),
    }
}

/// Has members that have names of their own start anew while what they have sent is under way.
pub(super) fn storm_of_names(plan: &mut Plan) {
    let mut dice = Dice::new(plan.seed, "names of former members");
    let (from_ns, to_ns) = window(plan);
    for group in plan.consumers.clone() {
        for _ in 0..dice.between(1, 3) {
            let drawn = drawn_whole(plan, to_ns, TRIES, || {
                let at_ns = dice.between(from_ns, to_ns);
                former(&mut dice, &group, at_ns)
            });
            if let Ok(events) = drawn {
                add(plan, to_ns, events);
            }
        }
    }
}

/// What members with names of their own send comes late for as long as takes them to say that they are alive; they are
/// killed, and start anew. They have taken their places back when that comes (KIP-345).
fn former(dice: &mut Dice, group: &ConsumerPlan, at_ns: u64) -> Vec<EventPlan> {
    let beat = config_ms(&group.config, "heartbeat.interval.ms").filter(|_| is_static(group));
    let Some(beat) = beat else { return Vec::new() };
    let (lasts, down) = (beat + dice.between(100, 400), dice.between(20, 150));
    let extra = lasts + down + dice.between(1_000, 2_400);
    let late = Action::Link {
        from: vec![Endpoint::Clients],
        to: vec![Endpoint::Brokers],
        one_way: true,
        effect: LinkEffect::Delay { extra_ns: extra * MS, jitter_ns: 10 * MS },
    };
    let crash = Action::ClientCrash { client: group.group.clone() };
    let gone_ns = at_ns + (lasts + 10) * MS;
    vec![lasting(at_ns, lasts * MS, late), lasting(gone_ns, down * MS, crash)]
}

/// Whether members have no names of their own, and stay in the classic protocol.
fn is_dynamic(group: &ConsumerPlan) -> bool {
    is_classic(group) && !group.membership.is_some_and(|of| of.static_members)
}

/// Whether they have (KIP-345), and stay in it.
fn is_static(group: &ConsumerPlan) -> bool {
    is_classic(group) && group.membership.is_some_and(|of| of.static_members)
}

/// `session.timeout.ms` and `max.poll.interval.ms`, where both are set.
fn times_ms(group: &ConsumerPlan) -> Option<(u64, u64)> {
    let ms = |key: &str| config_ms(&group.config, key);
    ms("session.timeout.ms").zip(ms("max.poll.interval.ms"))
}

/// A member that has no name of its own leaves, as it does not poll, and another one stands still for longer than the
/// others wait for it, and for less than its session lasts: they go on without it.
fn frozen(dice: &mut Dice, group: &ConsumerPlan, at_ns: u64) -> Vec<EventPlan> {
    let Some((session, poll)) = times_ms(group) else { return Vec::new() };
    if !is_dynamic(group) || session < poll + 1_000 {
        return Vec::new();
    }
    let name = || group.group.clone();
    let leaves = Action::ConsumerPause { group: name(), member: Some(1) };
    let stands = Action::ClientPause { client: name(), instance: Some(0) };
    let stands_ns = at_ns + (poll - dice.between(50, 400)) * MS;
    let lasts = dice.between(poll + 500, session - 300) * MS;
    vec![lasting(at_ns, (poll + 2_500) * MS, leaves), lasting(stands_ns, lasts, stands)]
}

/// Members start anew while what brokers say comes late, and some of them stand still before they hear which id they
/// have been given, for longer than those are kept (KIP-394): the others wait for them, and for their former selves.
fn unused_ids(dice: &mut Dice, group: &ConsumerPlan, at_ns: u64) -> Vec<EventPlan> {
    let Some((session, poll)) = times_ms(group) else { return Vec::new() };
    // who is waited for is given up before that
    if !is_dynamic(group) || group.count < 2 || poll < session + 1_000 {
        return Vec::new();
    }
    let name = || group.group.clone();
    let (late, down) = (dice.pick(&[200, 400]), dice.between(20, 300));
    let back_ns = at_ns + down * MS;
    // metadata and the coordinator's name come first, and connections have to be made: the fifth answer is the id
    let mut stands = |from: u64, to: u64, action: Action| {
        let stands_ns = back_ns + dice.between(from * late / 2, to * late / 2) * MS;
        lasting(stands_ns, (session + dice.between(800, 2_000)) * MS, action)
    };
    let mut events = vec![
        lasting(at_ns, down * MS, Action::ClientCrash { client: name() }),
        stands(8, 10, Action::ClientPause { client: name(), instance: Some(0) }),
    ];
    if group.count > 2 {
        events.push(stands(7, 10, Action::ConsumerPause { group: name(), member: Some(1) }));
    }
    let slow = Action::Link {
        from: vec![Endpoint::Brokers],
        to: vec![Endpoint::Clients],
        one_way: true,
        effect: LinkEffect::Delay { extra_ns: late * MS, jitter_ns: 2 * MS },
    };
    events.push(lasting(at_ns + MS, (down + 6 * late) * MS, slow));
    events
}

fn gone(group: &ConsumerPlan, at_ns: u64, for_ns: u64) -> EventPlan {
    let action = Action::ClientPause { client: group.group.clone(), instance: Some(0) };
    lasting(at_ns, for_ns, action)
}

/// The session of a member ends, and another one does not poll then, or stands still: the group waits for it, for longer
/// than it gives its members, or than their sessions last.
fn slow_rebalance(
    dice: &mut Dice,
    (group, is_static): (&ConsumerPlan, bool),
    at_ns: u64,
) -> Vec<EventPlan> {
    let Some((session, poll)) = times_ms(group) else { return Vec::new() };
    let beat = config_ms(&group.config, "heartbeat.interval.ms").unwrap_or(session / 3);
    if is_static == (session < poll) {
        return Vec::new(); // who has no name of its own leaves when it does not poll
    }
    // the last sign of life of the first one may be a heartbeat ago
    let early = beat + dice.between(50, 400);
    let lasts = match is_static {
        true => early + beat + poll + dice.between(500, 1_500),
        false => early + 2 * session + dice.between(0, 2_000),
    };
    let away_ns = at_ns + session.saturating_sub(early) * MS;
    let gone = gone(group, at_ns, (session + dice.between(1_000, 3_000)) * MS);
    let name = || group.group.clone();
    // for as long again the others wait until it asks for its assignment
    let given_up = session.min(early + 2 * poll).saturating_sub(beat);
    let away = match stands_still(dice, (early + poll, given_up)) {
        Some(ms) => {
            let action = Action::ClientPause { client: name(), instance: Some(1) };
            lasting(away_ns, ms * MS, action)
        }
        None => {
            let action = Action::ConsumerPause { group: name(), member: Some(1) };
            lasting(away_ns, lasts * MS, action)
        }
    };
    vec![gone, away]
}

/// For how long a member stands still, ms, if it does: until the others have gone on without it, and not until it is
/// given up. Who has a name of its own keeps its place meanwhile (KIP-345): it may have led them, and says that it is in
/// the generation that it knows.
fn stands_still(dice: &mut Dice, (joined_ms, given_up_ms): (u64, u64)) -> Option<u64> {
    let (least, most) = (joined_ms + 100, given_up_ms.saturating_sub(50));
    (least < most && dice.percent(70)).then(|| dice.between(least, most))
}

/// The session of a member ends while what clients send takes longer than they wait for an answer: what they send
/// after that comes first.
fn late_heartbeats(
    dice: &mut Dice,
    plan: &Plan,
    group: &ConsumerPlan,
    at_ns: u64,
) -> Vec<EventPlan> {
    if config_ms(&group.config, "request.timeout.ms") != Some(PATIENCE_MS) {
        return Vec::new();
    }
    let session_ms = plan.cluster.config_ms("group.consumer.session.timeout.ms", 45_000);
    let beat_ms = plan.cluster.config_ms("group.consumer.heartbeat.interval.ms", 5_000);
    let late_ns = at_ns + (session_ms.saturating_sub(beat_ms) + dice.between(0, 300)) * MS;
    let lasts = PATIENCE_MS * 3 / 2 + dice.between(0, 300);
    let action = Action::Link {
        from: vec![Endpoint::Clients],
        to: vec![Endpoint::Brokers],
        one_way: true,
        effect: LinkEffect::Delay { extra_ns: 2 * PATIENCE_MS * MS, jitter_ns: 10 * MS },
    };
    let late = lasting(late_ns, lasts * MS, action);
    vec![gone(group, at_ns, (session_ms + 2_000) * MS), late]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hunt::storm::clash;
    use crate::hunt::testing::assert_in_time;
    use crate::hunt::{SWARM, swarm};
    use stormglass_scenarios::{Source, load};

    #[test]
    fn some_seeds_have_each_of_them() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let (mut slow, mut late, mut still, mut full) = ([0; 2], 0, 0, 0);
        let (mut grow, mut unused, mut stops, mut named) = (0, 0, 0, 0);
        let mut packed = [0; 2];
        for seed in 1..600 {
            let plan = swarm(&base, seed);
            assert_in_time(&plan);
            full += i32::from(plan.cluster.config.contains_key("group.consumer.max.size"));
            let room: u32 = plan.cluster.config["group.max.size"].parse().unwrap();
            if room < 100 {
                let is_short = plan.consumers.iter().any(|group| {
                    group.count > room && group.membership.is_some() && is_dynamic(group)
                });
                packed[usize::from(is_short)] += 1;
            }
            grow += i32::from(!grown(&plan, window(&plan)).is_empty());
            for group in &plan.consumers {
                let events = unused_ids(&mut Dice::new(seed, "test"), group, 0);
                unused += i32::from(!events.is_empty());
                let events = former(&mut Dice::new(seed, "test"), group, 0);
                named += i32::from(!events.is_empty());
                let is_there = |name: &String| plan.topics.iter().any(|of| of.name == *name);
                assert!(group.topics.iter().all(is_there), "seed {seed}");
                // the same of another library's members, whose own default differs
                assert!(group.config.contains_key("isolation.level"), "seed {seed}");
            }
            for group in plan.consumers.iter().filter(|group| group.count >= 2) {
                let events = frozen(&mut Dice::new(seed, "test"), group, 0);
                still += i32::from(!events.is_empty());
            }
            for group in plan.consumers.iter().filter(|group| group.count >= 3) {
                let mut dice = Dice::new(seed, "test");
                match group.membership {
                    Some(of) if of.assignor.is_remote() => {
                        let events = late_heartbeats(&mut dice, &plan, group, 0);
                        late += i32::from(!events.is_empty());
                    }
                    Some(of) => {
                        let events = slow_rebalance(&mut dice, (group, of.static_members), 0);
                        slow[usize::from(of.static_members)] += i32::from(!events.is_empty());
                        let is_still = |event: &EventPlan| {
                            matches!(event.action, Action::ClientPause { instance: Some(1), .. })
                        };
                        stops += i32::from(events.iter().any(is_still));
                        let undone = |pair: &[EventPlan]| clash(&pair[0], &pair[1]);
                        assert!(!events.windows(2).any(undone), "seed {seed}");
                    }
                    None => {}
                }
            }
        }
        assert!(slow.iter().all(|groups| (5..150).contains(groups)), "{slow:?}");
        assert!((10..200).contains(&late), "{late}");
        assert!((5..150).contains(&still) && (5..150).contains(&full), "{still} {full}");
        assert!((5..100).contains(&grow) && (10..250).contains(&unused), "{grow} {unused}");
        assert!((4..60).contains(&stops), "{stops}");
        assert!((10..200).contains(&named), "{named}");
        assert!(packed.iter().all(|seeds| (3..100).contains(seeds)), "{packed:?}");
    }

    #[test]
    fn what_former_members_have_sent_comes_once_they_are_back() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let plans = (1..600).map(|seed| swarm(&base, seed));
        let groups = plans.flat_map(|plan| plan.consumers);
        let events = groups.map(|group| former(&mut Dice::new(1, "test"), &group, 0));
        let events: Vec<_> = events.filter(|events| !events.is_empty()).collect();
        assert!(!events.is_empty());
        for events in events {
            let [late, crash] = events.as_slice() else { panic!("{events:?}") };
            let Action::Link { effect: LinkEffect::Delay { extra_ns, .. }, .. } = late.action
            else {
                panic!("{late:?}")
            };
            let (slow_ns, back_ns) = (late.for_ns.unwrap(), crash.at_ns + crash.for_ns.unwrap());
            assert!(slow_ns < crash.at_ns && back_ns + 500 * MS < extra_ns);
        }
    }

    #[test]
    fn a_member_stands_still_until_the_others_have_joined_and_is_back_in_time() {
        let mut dice = Dice::new(1, "test");
        let times: Vec<u64> =
            (0..50).filter_map(|_| stands_still(&mut dice, (3_600, 4_800))).collect();
        assert!(!times.is_empty() && times.iter().all(|ms| (3_700..=4_750).contains(ms)));
        assert_eq!(stands_still(&mut dice, (4_700, 4_800)), None, "it would be given up");
    }

    #[test]
    fn a_group_waits_for_longer_than_it_gives_its_members_or_than_sessions_last() {
        let base = load(&Source::library(SWARM).unwrap(), &[], 1).unwrap();
        let mut group = base.consumers[0].clone();
        let mut waits = |session_ms, poll_ms, is_static| {
            set(&mut group, "session.timeout.ms", session_ms);
            set(&mut group, "max.poll.interval.ms", poll_ms);
            let events = slow_rebalance(&mut Dice::new(1, "test"), (&group, is_static), 0);
            let away = events.last()?;
            let back_ns = away.at_ns + away.for_ns?;
            Some(back_ns / MS - session_ms)
        };
        assert!(waits(6_000, 2_000, true).unwrap() > 2_000);
        assert!(waits(1_500, 8_000, false).unwrap() > 1_500);
        assert_eq!((waits(6_000, 2_000, false), waits(1_500, 8_000, true)), (None, None));
    }
}
