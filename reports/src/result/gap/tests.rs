//! Each kind of fault has its own reason.

use super::*;
use crate::recording::VOLUME_FULL;
use crate::testing;
use stormglass_scenarios::plan::{Action, AzDownMode, Endpoint, EventPlan, LinkEffect};

/// The made-up outage with other faults from second 60 to second 120, and a gap of this length.
fn with(actions: Vec<Action>, longest_ns: u64) -> (Plan, Recording) {
    let mut plan = testing::plan();
    let timeout = ("request.timeout.ms".to_owned(), "30000".to_owned());
    plan.producers[0].config.extend([timeout]);
    let event = |action| EventPlan {
        at_ns: 60 * SECOND_NS,
        for_ns: Some(60 * SECOND_NS),
        action,
        line: None,
    };
    plan.events = actions.into_iter().map(event).collect();
    let mut recording = testing::az_outage();
    recording.unavailability[0].longest_ns = longest_ns;
    (plan, recording)
}

fn az(mode: AzDownMode) -> Action {
    Action::AzDown { az: 0, mode, clients: false }
}

fn reason(plan: &Plan, recording: &Recording) -> Option<String> {
    super::reason(plan, recording, &full::volumes(plan, recording))
}

fn of(action: Action, longest_ns: u64) -> Option<String> {
    let (plan, recording) = with(vec![action], longest_ns);
    reason(&plan, &recording)
}

#[test]
fn a_gap_as_long_as_the_election_is_detection() {
    for (action, what) in [
        (az(AzDownMode::PowerOff), "lost power with AZ a"),
        (az(AzDownMode::Isolate), "was cut off with AZ a"),
        (Action::HostCrash { node: 1 }, "lost power"),
        (Action::ProcessCrash { node: 1 }, "was killed"),
        (Action::ProcessPause { node: 1 }, "was stopped"),
        (Action::DiskFull { node: 1 }, "had a full volume and halted"),
        (Action::DiskError { node: 1 }, "had a failed volume and halted"),
        (Action::SyncError { node: 1 }, "halted as an fsync failed"),
    ] {
        let reason = of(action, 9_700_000_000).unwrap();
        let begin = format!("its leader, broker 1, {what}; detection takes most of it: ");
        assert!(reason.starts_with(&begin), "{reason}");
        assert!(reason.contains("a broker was fenced after 9.12 s"), "{reason}");
    }
}

#[test]
fn a_gap_as_long_as_the_clients_timeout_is_the_clients() {
    for (action, what) in [
        (az(AzDownMode::PowerOff), "a host without power is"),
        (az(AzDownMode::Isolate), "a host that is cut off is"),
        (Action::ProcessPause { node: 1 }, "a process that is stopped is"),
    ] {
        let reason = of(action, 30_050_000_000).unwrap();
        assert!(reason.contains("1 of 20 partitions outlasted the elections"), "{reason}");
        assert!(reason.contains("request.timeout.ms, 30.0 s"), "{reason}");
        assert!(reason.contains(what), "{reason}");
    }
}

/// Two brokers of an AZ: the other one is fenced first, and takes all elections along.
#[test]
fn elections_just_before_the_leader_was_fenced_are_its_own() {
    let (plan, mut recording) = with(vec![az(AzDownMode::Isolate)], 30_050_000_000);
    let fenced = recording.events.iter_mut().find(|event| event.kind == "broker-fenced");
    fenced.unwrap().at_ns = 69_200_000_000;
    let told = reason(&plan, &recording).unwrap();
    assert!(told.contains("outlasted the elections, which were over after 9.19 s"), "{told}");
}

#[test]
fn a_timeout_without_elections_is_told_of_a_silent_host_alone() {
    let without = |action| {
        let (plan, mut recording) = with(vec![action], 30_050_000_000);
        recording.events.retain(|event| event.kind != "leader-elected");
        reason(&plan, &recording)
    };
    let told = without(az(AzDownMode::Isolate)).unwrap();
    let begin = "a request on its way to a host that is cut off is never answered";
    assert!(told.starts_with(begin), "{told}");
    assert_eq!(without(Action::ProcessCrash { node: 1 }), None);
}

#[test]
fn librdkafka_waits_for_its_socket() {
    let (mut plan, recording) = with(vec![az(AzDownMode::PowerOff)], 60_050_000_000);
    assert_eq!(reason(&plan, &recording), None);
    plan.producers[0].profile = ClientProfile::Librdkafka;
    let timeout = ("socket.timeout.ms".to_owned(), "60000".to_owned());
    plan.producers[0].config.extend([timeout]);
    let told = reason(&plan, &recording).unwrap();
    assert!(told.contains("waits socket.timeout.ms, 60.0 s"), "{told}");
}

#[test]
fn what_is_lost_on_the_way_is_sent_again_late() {
    let told = of(az(AzDownMode::Isolate), 90 * SECOND_NS).unwrap();
    let begin =
        "its leader, broker 1, was cut off with AZ a for 60.0 s, and TCP, whose pauses double";
    assert!(told.starts_with(begin) && told.ends_with("only 30.0 s later"), "{told}");
    assert_eq!(of(Action::ProcessPause { node: 1 }, 90 * SECOND_NS), None);
    assert_eq!(of(az(AzDownMode::Isolate), 150 * SECOND_NS), None, "nor for ever");
}

#[test]
fn volumes_that_the_load_filled_are_named() {
    let (plan, mut recording) = with(Vec::new(), 50 * SECOND_NS);
    let mut halt = recording.events[0].clone();
    (halt.at_ns, halt.kind, halt.node) = (60_100_000_000, "broker-down".to_owned(), Some(1));
    halt.detail = format!("node 1 is down: {VOLUME_FULL}");
    recording.events.push(halt);
    for second in &mut recording.seconds[70..110] {
        second.offline_partitions = 20;
        second.brokers[0].up = false;
    }
    let told = reason(&plan, &recording).unwrap();
    assert!(told.ends_with("was up, and the volume of broker 1 was full"), "{told}");
}

#[test]
fn a_stopped_leader_answers_when_it_goes_on() {
    let reason = of(Action::ProcessPause { node: 1 }, 60_200_000_000).unwrap();
    assert!(reason.starts_with("its leader, broker 1, was stopped, and requests"), "{reason}");
    assert_eq!(of(Action::HostCrash { node: 1 }, 60_200_000_000), None);
}

#[test]
fn without_a_quorum_there_are_no_elections() {
    let actions = [10_001, 10_002, 1].map(|node| Action::ProcessCrash { node });
    let (plan, mut recording) = with(actions.to_vec(), 62 * SECOND_NS);
    for second in &mut recording.seconds[60..120] {
        second.controller = None;
    }
    let told = reason(&plan, &recording).unwrap();
    assert!(told.starts_with("no controller was active for 60 s of it: 2 of 3"), "{told}");
    for second in &mut recording.seconds {
        second.controller = None;
    }
    assert_eq!(reason(&plan, &recording), None, "a bench does not know");
}

#[test]
fn too_few_replicas_are_told_from_a_lost_leader() {
    let actions = [1, 2].map(|node| Action::HostCrash { node });
    let (plan, mut recording) = with(actions.to_vec(), 50 * SECOND_NS);
    for second in &mut recording.seconds[70..120] {
        second.brokers[2].under_min_isr = 20;
    }
    let told = reason(&plan, &recording).unwrap();
    assert!(told.starts_with("for 40 s of it fewer replicas were up"), "{told}");
    assert!(told.ends_with("min.insync.replicas=2"), "{told}");
    for second in &mut recording.seconds[70..120] {
        second.offline_partitions = 20;
    }
    let told = reason(&plan, &recording).unwrap();
    assert!(told.starts_with("for 40 s of it partitions had no leader"), "{told}");
}

#[test]
fn producers_that_are_away_are_no_fault_of_the_cluster() {
    let pause = Action::ClientPause { client: "checkout".to_owned(), instance: None };
    let told = of(pause, 60_100_000_000).unwrap();
    assert_eq!(told, "its producers were stopped for 60.0 s of it");
    let cut = Action::Link {
        from: vec![Endpoint::Clients],
        to: vec![Endpoint::Brokers],
        one_way: false,
        effect: LinkEffect::Cut,
    };
    let told = of(cut, 60_100_000_000).unwrap();
    assert_eq!(told, "its producers were cut off from their leader for 60.0 s of it");
}

#[test]
fn what_cannot_be_told_is_not() {
    assert_eq!(of(az(AzDownMode::PowerOff), 20 * SECOND_NS), None);
    let recording = testing::empty_recording();
    assert_eq!(reason(&testing::plan(), &recording), None);
}
