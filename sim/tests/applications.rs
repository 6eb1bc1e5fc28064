//! Applications under test: the copy service of the examples, in calm weather and in storms.

#[path = "../examples/copy-service/service.rs"]
mod service;

use service::{INVOICES, Mode, ORDERS, application};
use stormglass_scenarios::plan::{Action, EventPlan, Plan};
use stormglass_scenarios::{Source, load};
use stormglass_sim::app::{CopyRule, Simulation};
use stormglass_sim::hunt::Judgement;

const SCENARIO: &str = include_str!("../examples/copy-service/copy-service.toml");
const SECOND: u64 = 1_000_000_000;

fn plan() -> Plan {
    load(&Source::new("copy-service.toml", SCENARIO), &[], 1)
        .expect("the scenario of the example loads")
}

fn simulation(plan: Plan, mode: Mode) -> Simulation {
    Simulation::new(plan).application(application(mode)).promises(CopyRule::new(ORDERS, INVOICES))
}

#[test]
fn in_calm_weather_every_order_becomes_one_invoice() {
    for mode in [Mode::Correct, Mode::PositionsAfterwards] {
        let outcome = simulation(plan(), mode).run();
        let recording = outcome.run.unwrap().recording;
        let copies = recording.checkers.iter().find(|checker| checker.name == "exactly-once-copy");
        let copies = copies.unwrap_or_else(|| panic!("{:?}", recording.violations));
        assert_eq!(outcome.judgement, Judgement::Sound, "{:?}", recording.violations);
        assert!(copies.checked > 6_000, "{}", copies.checked);
    }
}

#[test]
fn the_same_plan_has_the_same_events() {
    let of = || simulation(plan(), Mode::Correct).storm(3).run().run.unwrap().recording.event_hash;
    assert_eq!(of(), of());
}

#[test]
fn a_service_that_is_killed_goes_on_where_it_was() {
    let mut plan = plan();
    for (at, client) in [(4, "copy"), (9, "copy-0"), (14, "copy-1")] {
        let action = Action::ClientCrash { client: client.to_owned() };
        plan.events.push(EventPlan {
            at_ns: at * SECOND,
            for_ns: Some(SECOND / 2),
            action,
            line: None,
        });
    }
    let outcome = simulation(plan, Mode::Correct).run();
    assert_eq!(outcome.judgement, Judgement::Sound);
}

/// Storms of these seeds find the bug of the service that has one, and nothing in the other.
const SEEDS: std::ops::Range<u64> = 1..31;

fn failures(mode: Mode) -> Vec<(u64, String)> {
    let calm = simulation(plan(), mode);
    let failures = SEEDS.filter_map(|seed| {
        let outcome = calm.storm(seed).run();
        assert!(!matches!(outcome.judgement, Judgement::Refused(_)), "{:?}", outcome.judgement);
        outcome.failure().map(|failure| (seed, failure.account.clone()))
    });
    failures.collect()
}

#[test]
fn storms_find_nothing_in_the_correct_service() {
    let failures = failures(Mode::Correct);
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn storms_find_the_planted_bug() {
    let failures = failures(Mode::PositionsAfterwards);
    assert!(failures.len() >= 3, "{failures:#?}");
    for (seed, account) in failures {
        assert!(account.contains("was copied twice"), "seed {seed}: {account}");
    }
}
