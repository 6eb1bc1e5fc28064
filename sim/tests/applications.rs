//! Applications under test: the copy service of the examples, in calm weather and in storms.

#[path = "../examples/copy-service/service.rs"]
mod service;

use service::{INVOICES, Mode, ORDERS, application};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stormglass_scenarios::plan::{Action, EventPlan, Plan};
use stormglass_scenarios::{Source, load};
use stormglass_sim::app::{
    Application, Config, CopyRule, Env, Error, Record, Simulation, Subscription,
};
use stormglass_sim::hunt::Judgement;
use stormglass_sim::madsim::time::{sleep, timeout};

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

/// A service whose instances share the partitions of their group, and wait for records impatiently.
async fn member(env: &Env) -> Result<(), Error> {
    let id = format!("{}-{}", env.name(), env.instance());
    let writes = Config::new().set("transactional.id", id).set("transaction.timeout.ms", 4_000);
    let reads = Config::new()
        .set("group.id", "shared")
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", 3_000)
        .set("heartbeat.interval.ms", 500);
    let producer = env.producer(&writes.set("request.timeout.ms", 1_500), INVOICES)?;
    producer.init_transactions().await?;
    let topics = Subscription::Subscribed(vec![ORDERS.to_owned()]);
    let mut consumer = env.consumer(&reads.set("request.timeout.ms", 1_500), topics)?;
    loop {
        let polled = timeout(Duration::from_millis(7), consumer.poll(50)).await;
        let Ok(orders) = polled else { continue };
        let orders = orders?;
        producer.begin_transaction().await?;
        for order in orders.iter() {
            drop(
                producer.send(Record::value("invoice").partition(order.partition).made_from(order)),
            );
        }
        producer.send_offsets_to_transaction(&orders.positions(), orders.group()).await?;
        producer.commit_transaction().await?;
    }
}

#[test]
fn members_of_a_group_hand_over_without_losing_or_repeating() {
    let mut plan = plan();
    plan.cluster.config.insert("group.min.session.timeout.ms".to_owned(), "500".to_owned());
    let members = Application::new("member", |env| async move {
        loop {
            let _ = member(&env).await;
            sleep(Duration::from_millis(200)).await;
        }
    });
    let calm = Simulation::new(plan)
        .application(members.instances(3))
        .promises(CopyRule::new(ORDERS, INVOICES));
    for seed in 1..13 {
        let outcome = calm.storm(seed).run();
        let failure = outcome.failure();
        assert!(failure.is_none(), "seed {seed}: {failure:#?}");
    }
}

#[test]
fn a_producer_that_lost_its_transactional_id_hears_of_it() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let application = Application::new("rival", move |env| {
        let told = Arc::clone(&told);
        async move {
            sleep(Duration::from_secs(u64::from(env.instance()))).await;
            let config = Config::new().set("transactional.id", "same");
            let work = async {
                let producer = env.producer(&config, INVOICES)?;
                producer.init_transactions().await?;
                producer.begin_transaction().await?;
                producer.send(Record::value("x")).await?;
                sleep(Duration::from_secs(3)).await;
                producer.commit_transaction().await
            };
            let ended = (env.instance(), work.await);
            told.lock().expect("one thread").push(ended);
        }
    });
    let outcome = Simulation::new(plan()).application(application.instances(2)).run();
    assert_eq!(outcome.judgement, Judgement::Sound);
    let seen = seen.lock().expect("one thread").clone();
    assert_eq!(seen, [(0, Err(Error::Fenced)), (1, Ok(()))]);
}

#[test]
fn an_application_that_panics_fails_the_run() {
    let application = Application::new("fragile", |env| async move {
        sleep(Duration::from_secs(2)).await;
        assert!(env.restarts() > 0, "it breaks in its first life");
    });
    let outcome = Simulation::new(plan()).application(application).run();
    let failure = outcome.failure().expect("a panic is a failure");
    assert_eq!(failure.signature, "application-panic: it breaks in its first life");
}
