//! A workload against a real broker, through librdkafka, which nobody here wrote.
#![cfg(unix)]

use crate::common::{Place, files, scenario};
use crate::kafka::Serving;
use kafka_protocol::messages::MetadataRequest;

#[test]
fn a_workload_runs_against_a_real_broker_and_beside_its_simulation() {
    let place = Place::new();
    let serving = Serving::start(&place, "d", &[]);
    let short = scenario("short");
    let words = ["bench", &short, "--bootstrap", &serving.addresses[0], "--out", "b"];
    let more = ["--set", "producers.*.config.compression.type=lz4", "--json"];
    let called = place.expect(0, &[&words[..], &more].concat());
    let result = called.json();
    assert_eq!(result["verdict"]["status"], "ok");
    assert_eq!(result["event_hash"], "", "nothing was simulated");
    // arrivals are those of the simulation: 200 a second for 5 s, drawn from the seed
    let checked = &result["checkers"][0];
    assert_eq!(checked["name"], "everything-consumed");
    assert_eq!((&checked["checked"], &checked["violations"]), (&1003.into(), &0.into()));
    assert_eq!(result["lost_records"], 0);
    assert!(result["resources"].as_array().unwrap().is_empty(), "brokers are not looked into");
    let page = place.read("b/index.html");
    assert!(!page.contains("CPU per broker") && !page.contains("Saturated first"));
    let written = files(&place.path("b"));
    for file in ["index.html", "result.json", "comparison/index.html", "prediction/result.json"] {
        assert!(written.iter().any(|name| name == file), "{file} of {written:?}");
    }
    // its topics are gone
    let asked = MetadataRequest::default().with_topics(None);
    let topics = serving.client().call(9, &asked).topics;
    let left = topics.iter().filter_map(|topic| topic.name.as_ref());
    let left: Vec<_> = left.filter(|name| name.starts_with("stormglass-")).collect();
    assert_eq!(left, Vec::<&kafka_protocol::messages::TopicName>::new());
    serving.stop();
}

#[test]
fn what_a_real_client_cannot_do_is_said_before_anything_happens() {
    let place = Place::new();
    let transactions = "producers.*.transactional=true";
    let short = scenario("short");
    let words = ["bench", &short, "--bootstrap", "127.0.0.1:1", "--set", transactions];
    let called = place.expect(5, &words);
    assert!(called.stderr.contains("producer `checkout` has transactions"), "{}", called.stderr);
}
