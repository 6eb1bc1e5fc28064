//! From other tools' files to a run, and from a run to other tools' files.

use crate::common::{Place, scenario};

const WORKLOAD: &str = "name: small\ntopics: 1\npartitionsPerTopic: 6\nmessageSize: 1024\n\
  subscriptionsPerTopic: 1\nconsumerPerSubscription: 1\nproducersPerTopic: 1\nproducerRate: 200\n\
  testDurationMinutes: 1\nwarmupDurationMinutes: 0\n";
const DRIVER: &str = "name: Kafka\nreplicationFactor: 3\n\
  driverClass: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver\n\
  producerConfig: |\n  acks=all\n  linger.ms=1\n";
const CLUSTER: &str = r#"{"clusterInfo": {"clusterName": "shop", "provisioned": {
  "brokerNodeGroupInfo": {"clientSubnets": ["a", "b", "c"], "instanceType": "kafka.m7g.large"},
  "numberOfBrokerNodes": 3}}}"#;

#[test]
fn a_benchmarks_workload_is_imported_run_and_exported_again() {
    let place = Place::new();
    place.write("w.yaml", WORKLOAD);
    place.write("d.yaml", DRIVER);
    let text = place.expect(0, &["import", "w.yaml", "d.yaml"]).stdout;
    assert!(text.contains("stormglass run stormglass-out/import/small.toml"), "{text}");
    let run = ["run", "stormglass-out/import/small.toml", "--set", "phases.measure=3s"];
    place.expect(0, &[&run[..], &["--out", "a"]].concat());
    let written = place.expect(0, &["export", "omb", "a", "--json"]).json();
    // The benchmark's own scripts take `*.json`, and know one kind of them.
    let names: Vec<&str> =
        written["files"].as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
    assert_eq!(names, ["a/export/small-1.json", "a/export/small-1.provenance"]);
    let result: serde_json::Value =
        serde_json::from_str(&place.read("a/export/small-1.json")).unwrap();
    assert_eq!(result["messageSize"], 1024);
    let rate = result["publishRate"][0].as_f64().unwrap();
    assert!((rate - 200.0).abs() < 10.0, "{rate}");
    for (format, file) in [
        ("hgrm", "response.hgrm"),
        ("hlog", "response.hlog"),
        ("csv", "latency.csv"),
        ("open-metrics", "metrics.txt"),
        ("junit", "junit.xml"),
        ("bencher", "bencher.json"),
        ("github-action-benchmark", "smaller-is-better.json"),
        ("perfetto", "trace.json"),
    ] {
        let names = place.expect(0, &["export", format, "a", "--out", "b", "--json"]).json();
        assert!(names["files"].as_array().unwrap().iter().any(|name| name == &format!("b/{file}")));
        assert!(!place.read(&format!("b/{file}")).is_empty());
    }
}

#[test]
fn what_was_found_and_guessed_is_in_the_json_and_in_the_file() {
    let place = Place::new();
    place.write("c.json", CLUSTER);
    let words = ["import", "c.json", "--out", "c.toml", "--name", "mine", "--json"];
    let document = place.expect(0, &words).json();
    assert_eq!(
        (document["file"].as_str(), document["name"].as_str()),
        (Some("c.toml"), Some("mine"))
    );
    assert!(document["found"].as_array().unwrap().iter().any(|found| {
        found["key"] == "cluster.brokers"
            && found["from"] == "c.json: clusterInfo.provisioned.numberOfBrokerNodes"
    }));
    assert!(!document["guessed"].as_array().unwrap().is_empty());
    assert_eq!(document["toml"], place.read("c.toml"));
    place.expect(0, &["cost", "./c.toml"]);
}

#[test]
fn broken_files_are_exit_5_with_the_place() {
    let place = Place::new();
    place.write("c.json", CLUSTER.replace("3}}}", "\"three\"}}}"));
    let called = place.expect(5, &["import", "c.json"]);
    let part = "c.json:3:26: clusterInfo.provisioned.numberOfBrokerNodes: a number is wanted";
    assert!(called.stderr.contains(part), "{}", called.stderr);
    place.write("d.json", "{\n  \"ClusterInfo\": ,\n}");
    assert!(place.expect(5, &["import", "d.json"]).stderr.contains("d.json:2:"));
    place.expect(5, &["import", "absent.json"]);
    place.expect(2, &["import"]);
}

#[test]
fn the_query_file_is_json_for_the_cli() {
    let place = Place::new();
    let words = ["import", "--emit-queries", "shop", "--brokers", "2", "--topics", "a,b"];
    let queries = place.expect(0, &words).json();
    assert_eq!(queries["MetricDataQueries"].as_array().unwrap().len(), 2 * 3 * 2);
    place.expect(2, &["import", "--emit-queries", ""]);
}

#[test]
fn only_a_runs_directory_is_exported() {
    let place = Place::new();
    let called = place.expect(5, &["export", "junit", "nowhere"]);
    assert!(called.stderr.contains("not the directory of a run"), "{}", called.stderr);
    place.expect(0, &["run", &scenario("short"), "--out", "a"]);
    std::fs::remove_file(place.path("a/timeline.csv")).unwrap();
    let called = place.expect(5, &["export", "omb", "a"]);
    assert!(called.stderr.contains("timeline.csv"), "{}", called.stderr);
    place.expect(2, &["export", "junit", "a", "--omb-compat", "strict"]);
}
