//! Files written from the field lists of the formats, whole, halved and hostile.

use super::*;
use crate::plan::Plan;
use crate::{Source, load};
use proptest::prelude::*;

fn file(name: &str, text: &str) -> ImportFile {
    ImportFile { name: name.to_owned(), bytes: text.as_bytes().to_vec() }
}

fn imported(files: &[(&str, &str)]) -> Imported {
    let files: Vec<ImportFile> = files.iter().map(|(name, text)| file(name, text)).collect();
    import(&files, &ImportOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn plan(imported: &Imported) -> Plan {
    load(&Source::new("imported", imported.toml.as_str()), &[], 1).unwrap()
}

fn refused(files: &[(&str, &str)]) -> ImportError {
    let files: Vec<ImportFile> = files.iter().map(|(name, text)| file(name, text)).collect();
    import(&files, &ImportOptions::default()).unwrap_err()
}

const CLUSTER: &str = r#"{"ClusterInfo": {
  "ClusterType": "PROVISIONED", "ClusterName": "shop prod", "State": "ACTIVE",
  "Provisioned": {
    "BrokerNodeGroupInfo": {
      "ClientSubnets": ["subnet-1", "subnet-2", "subnet-3"], "InstanceType": "kafka.m7g.2xlarge",
      "StorageInfo": {"EbsStorageInfo": {
        "ProvisionedThroughput": {"Enabled": true, "VolumeThroughput": 300}, "VolumeSize": 2000}}},
    "CurrentBrokerSoftwareInfo": {"KafkaVersion": "3.9.x"},
    "EncryptionInfo": {"EncryptionInTransit": {"ClientBroker": "PLAINTEXT", "InCluster": true}},
    "NumberOfBrokerNodes": 6, "StorageMode": "LOCAL"}}}"#;

const METRICS: &str = r#"{"MetricDataResults": [
  {"Id": "i1", "Label": "x", "StatusCode": "Complete",
   "Timestamps": ["2026-11-20T10:01:00Z", "2026-11-20T10:00:00Z"], "Values": [3000000, 1000000]},
  {"Id": "i2", "Label": "y", "StatusCode": "PartialData",
   "Timestamps": ["2026-11-20T10:01:00Z"], "Values": [2000000]},
  {"Id": "o1", "Timestamps": ["2026-11-20T10:01:00Z"], "Values": [9900000]},
  {"Id": "m1", "Timestamps": ["2026-11-20T10:01:00Z"], "Values": [2500]}]}"#;

const QUERIES: &str = r#"{"MetricDataQueries": [
  {"Id": "i1", "MetricStat": {"Metric": {"Namespace": "AWS/Kafka", "MetricName": "BytesInPerSec",
    "Dimensions": [{"Name": "Cluster Name", "Value": "shop"}, {"Name": "Broker ID", "Value": "1"},
                   {"Name": "Topic", "Value": "orders"}]}, "Period": 60, "Stat": "Average"}},
  {"Id": "i2", "MetricStat": {"Metric": {"MetricName": "BytesInPerSec",
    "Dimensions": [{"Name": "Broker ID", "Value": "2"}, {"Name": "Topic", "Value": "clicks"}]},
    "Stat": "Average"}},
  {"Id": "o1", "MetricStat": {"Metric": {"MetricName": "BytesOutPerSec"}, "Stat": "Average"}},
  {"Id": "m1", "MetricStat": {"Metric": {"MetricName": "MessagesInPerSec"}, "Stat": "Average"}}]}"#;

const TOPICS: &str = "Topic: orders\tTopicId: AbC\tPartitionCount: 12\tReplicationFactor: 3\t\
  Configs: min.insync.replicas=2,cleanup.policy=compact,delete,retention.ms=86400000,made.up=1\n\
  \tTopic: orders\tPartition: 0\tLeader: 1\tReplicas: 1,2,3\tIsr: 1,2,3\tElr: N/A\n\
  Topic: __consumer_offsets\tPartitionCount: 50\tReplicationFactor: 3\tConfigs: \n";

const LOG_DIRS: &str = "Querying brokers for log directories information\n\
  Received log directory information from brokers 1,2\n\
  {\"version\":1,\"brokers\":[{\"broker\":1,\"logDirs\":[{\"logDir\":\"/d\",\"error\":null,\
  \"partitions\":[{\"partition\":\"orders-0\",\"size\":3000000000,\"offsetLag\":0,\"isFuture\":false},\
  {\"partition\":\"my-topic-7\",\"size\":600000000,\"offsetLag\":0,\"isFuture\":false}]}]}]}\n";

const GROUPS: &str = "\n\
  GROUP   TOPIC  PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID\n\
  billing orders 0         10             12             2   c-1         /1   c\n\
  billing orders 1         10             12             2   c-2         /1   c\n\
  idle    orders 0         -              12             -   -           -    -\n";

#[test]
fn a_cluster_its_topics_groups_and_traffic_make_one_scenario() {
    let result = imported(&[
        ("metrics.json", METRICS),
        ("cluster.json", CLUSTER),
        ("queries.json", QUERIES),
        ("topics.txt", TOPICS),
        ("dirs.txt", LOG_DIRS),
        ("groups.txt", GROUPS),
    ]);
    insta::assert_snapshot!(result.toml);
    let plan = plan(&result);
    assert_eq!(plan.cluster.brokers.len(), 6);
    assert_eq!(plan.scenario, "shop-prod");
}

/// The same document as the REST API writes it.
fn camel(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '"' && chars.peek().is_some_and(char::is_ascii_uppercase) {
            let word: String = chars.clone().take_while(|c| *c != '"').collect();
            let rest: String = chars.clone().skip(word.chars().count() + 1).take(1).collect();
            if rest == ":" {
                out.extend(chars.next().map(|c| c.to_ascii_lowercase()));
            }
        }
    }
    out
}

#[test]
fn both_cases_of_aws_read_alike() {
    let lower = camel(CLUSTER);
    assert!(lower.contains("\"numberOfBrokerNodes\"") && !lower.contains("\"Provisioned\""));
    let values = |text: &str| {
        imported(&[("c.json", text)])
            .found
            .into_iter()
            .map(|f| (f.key, f.value))
            .collect::<Vec<_>>()
    };
    assert_eq!(values(CLUSTER), values(&lower));
}

#[test]
fn what_is_to_be_created_and_what_cannot_be_simulated_still_runs() {
    let create = r#"{"ClusterName": "c", "KafkaVersion": "2.8.1", "NumberOfBrokerNodes": 4,
      "BrokerNodeGroupInfo": {"ClientSubnets": ["a", "b"], "InstanceType": "kafka.t3.small"}}"#;
    let result = imported(&[("create.json", create)]);
    assert!(result.left_out.iter().any(|one| one.contains("kafka.t3.small")), "{result:?}");
    assert!(result.left_out.iter().any(|one| one.contains("2.8.1")));
    assert_eq!(plan(&result).cluster.brokers.len(), 4);
    let express = CLUSTER.replace("kafka.m7g.2xlarge", "express.m7g.large");
    let result = imported(&[("x.json", &express)]);
    assert_eq!(plan(&result).cluster.brokers[0].host.instance, "express.m7g.large");
    let serverless = r#"{"ClusterInfo": {"ClusterName": "s", "Serverless": {"VpcConfigs": []}}}"#;
    assert_eq!(plan(&imported(&[("s.json", serverless)])).cluster.brokers.len(), 3);
}

#[test]
fn readers_that_no_file_names_are_missed_by_the_bytes_that_leave() {
    // In these files 9.9 MB/s leave of 5 that come in, and one group is named.
    let files = [("c.json", CLUSTER), ("m.json", METRICS), ("q.json", QUERIES)];
    let unnamed = |result: &Imported| {
        result.left_out.iter().filter(|one| one.contains("who else reads")).count()
    };
    assert_eq!(unnamed(&imported(&files)), 0, "as many groups as the bytes say");
    let one: Vec<&str> = GROUPS.lines().filter(|line| !line.contains("idle")).collect();
    let one = one.join("\n");
    let with_groups = [&files[..], &[("t.txt", TOPICS), ("g.txt", &one)]].concat();
    let result = imported(&with_groups);
    let groups = plan(&result).consumers.len();
    assert_eq!((groups, unnamed(&result)), (1, 1), "{:?}", result.left_out);
}

#[test]
fn a_name_that_was_typed_is_from_the_command() {
    let options = ImportOptions { name: Some("mine".to_owned()), ..ImportOptions::default() };
    let result = import(&[file("c.json", CLUSTER)], &options).unwrap();
    assert!(result.toml.contains("name = \"mine\" # from --name"), "{}", result.toml);
}

#[test]
fn figures_beyond_measure_and_answers_without_results_are_refused_in_few_words() {
    let huge = CLUSTER.replace("\"NumberOfBrokerNodes\": 6", "\"NumberOfBrokerNodes\": 1e300");
    let error = refused(&[("c.json", &huge)]);
    assert_eq!(error.message, "1e300 is not a whole number from 0 to 300");
    let empty = r#"{"MetricDataResults": []}"#;
    let error = refused(&[("m.json", empty), ("q.json", QUERIES)]);
    assert!(error.message == "no results" && error.place.ends_with("MetricDataResults"), "{error}");
}

#[test]
fn a_configuration_comes_in_base64() {
    // "num.io.threads=16\nmade.up=1\n"
    let text = r#"{"Arn": "a", "Revision": 1, "ServerProperties": "bnVtLmlvLnRocmVhZHM9MTYKbWFkZS51cD0xCg=="}"#;
    let with =
        CLUSTER.replace("{\"KafkaVersion\"", "{\"ConfigurationArn\": \"a\", \"KafkaVersion\"");
    for files in
        [[("c.json", with.as_str()), ("p.json", text)], [("p.json", text), ("c.json", &with)]]
    {
        let result = imported(&files);
        assert!(result.toml.contains("config.\"num.io.threads\" = 16"), "{}", result.toml);
        assert!(!result.left_out.iter().any(|one| one.contains("MSK configuration")));
    }
    let error = refused(&[("p.json", r#"{"serverProperties": "%%%"}"#)]);
    assert_eq!(error.place, "p.json:1:22: serverProperties");
}

#[test]
fn the_migration_toolkits_discovery() {
    let text = r#"{"cluster_name": "old", "kafka": {"version": "2.8.0"},
      "topology": {"num_brokers": 5, "num_azs": 1},
      "topics": [{"name": "t", "num_partitions": 10, "replication_factor": 2,
                  "configs": {"retention.ms": "3600000"}}],
      "broker_configs": {"num.io.threads": 16},
      "metrics": {"peak_bytes_in_per_broker_mbps": 2, "peak_bytes_out_per_broker_mbps": 4.1}}"#;
    let result = imported(&[("cluster-config.json", text)]);
    assert!(result.toml.contains("rate = \"10000000 B/s\""), "{}", result.toml);
    let plan = plan(&result);
    assert_eq!((plan.cluster.brokers.len(), plan.consumers.len()), (5, 2));
}

#[test]
fn average_and_peak_are_told_apart() {
    let files = [file("m.json", METRICS), file("q.json", QUERIES)];
    let of = |load| import(&files, &ImportOptions { name: None, load }).unwrap().toml;
    assert!(of(Load::Peak).contains("rate = \"3000000 B/s\""), "{}", of(Load::Peak));
    assert!(of(Load::Average).contains("rate = \"2000000 B/s\""), "{}", of(Load::Average));
}

#[test]
fn our_own_queries_explain_their_results() {
    let options = |topics: &[&str]| QueryOptions {
        cluster: "shop".to_owned(),
        brokers: 2,
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
    };
    let text = queries(&options(&["orders"])).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let list = value["MetricDataQueries"].as_array().unwrap();
    assert_eq!(list.len(), 6);
    assert!(queries(&options(&[])).unwrap().contains("SUM(SEARCH("));
    let results: Vec<serde_json::Value> = list
        .iter()
        .map(|query| {
            serde_json::json!({"Id": query["Id"], "Label": query["Label"],
                "Timestamps": ["2026-11-20T10:00:00Z"], "Values": [500_000.0]})
        })
        .collect();
    let results = serde_json::json!({ "MetricDataResults": results }).to_string();
    for files in [vec![("r.json", results.as_str())], vec![("r.json", &results), ("q.json", &text)]]
    {
        assert!(imported(&files).toml.contains("rate = \"1000000 B/s\""));
    }
    let many: Vec<String> = (0..200).map(|n| format!("t{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(queries(&options(&many)).is_err());
}

#[test]
fn prometheus_by_either_name_and_with_a_counter_that_began_anew() {
    let range = r#"{"status": "success", "data": {"resultType": "matrix", "result": [
      {"metric": {"__name__": "kafka_server_brokertopicmetrics_bytesin_total", "topic": "orders",
        "instance": "b1:11001"}, "values": [[100, "0"], [160, "60000000"], [220, "6000000"]]},
      {"metric": {"__name__": "kafka_server_BrokerTopicMetrics_OneMinuteRate",
        "name": "BytesOutPerSec", "topic": "", "instance": "b1:11001"},
        "values": [[160, "2000000"], [220, "NaN"]]},
      {"metric": {"__name__": "kafka_topic_partitions", "topic": "orders"}, "values": [[160, "8"]]},
      {"metric": {"__name__": "kafka_brokers"}, "values": [[160, "3"]]},
      {"metric": {"__name__": "up"}, "values": [[160, "1"]]}]}}"#;
    let result = imported(&[("prom.json", range)]);
    assert!(result.toml.contains("rate = \"1000000 B/s\""), "{}", result.toml);
    assert!(result.toml.contains("partitions = 8"));
    assert_eq!(plan(&result).consumers.len(), 2);
    let text = "# TYPE kafka_topic_partitions gauge\nkafka_topic_partitions{topic=\"a\"} 4\n\
      kafka_consumergroup_members{consumergroup=\"g\"} 3\nkafka_brokers 3\n";
    let result = imported(&[("metrics.txt", text)]);
    assert!(result.toml.contains("partitions = 4") && result.toml.contains("group = \"g\""));
    plan(&result);
}

const WORKLOAD: &str = "name: 2 topics\ntopics: 2\npartitionsPerTopic: 4\nmessageSize: 1024\n\
  useRandomizedPayloads: true\nrandomBytesRatio: 0.5\nrandomizedPayloadPoolSize: 1000\n\
  keyDistributor: KEY_ROUND_ROBIN\nsubscriptionsPerTopic: 1\nconsumerPerSubscription: 2\n\
  producersPerTopic: 2\nproducerRate: 20000\nconsumerBacklogSizeGB: 0\ntestDurationMinutes: 15\n";
const DRIVER: &str = "name: Kafka\n\
  driverClass: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver\n\
  replicationFactor: 3\ntopicConfig: |\n  min.insync.replicas=2\ncommonConfig: |\n  bootstrap.servers=h:9092\n\
  producerConfig: |\n  acks=all\n  linger.ms=1\n  batch.size=131072\n  compression.type=lz4\n\
  consumerConfig: |\n  auto.offset.reset=earliest\n  enable.auto.commit=false\n";

#[test]
fn a_benchmarks_workload_and_driver() {
    let result = imported(&[("w.yaml", WORKLOAD), ("d.yaml", DRIVER)]);
    insta::assert_snapshot!(result.toml);
    assert_eq!(plan(&result).producers.len(), 2);
}

#[test]
fn a_template_is_a_sweep_and_a_search_brackets_the_rate() {
    let template = "nameFormat: ${topics}-topics\ntopics: [1]\npartitionsPerTopic: [1, 10]\n\
      messageSize: [100, 1024]\nsubscriptionsPerTopic: [1]\nproducersPerTopic: [1]\n\
      consumerPerSubscription: [1]\nproducerRate: [0]\ntestDurationMinutes: 1\n";
    let result = imported(&[("t.yaml", template)]);
    let paths: Vec<&str> = result.sweep.iter().map(|one| one.path.as_str()).collect();
    assert_eq!(paths, ["topics.*.partitions", "producers.*.record_size", "producers.*.rate"]);
    assert_eq!(result.sweep[0].values, ["1", "10"]);
    // Every value is one that the scenario takes.
    for varied in &result.sweep {
        for value in &varied.values {
            let sets = [(varied.path.clone(), value.clone())];
            load(&Source::new("t", result.toml.as_str()), &sets, 1).unwrap();
        }
    }
    let stepped =
        WORKLOAD.replace("producerRate: 20000", "producerRateList: [[0, 1000], [5, 4000]]");
    assert!(imported(&[("s.yaml", &stepped), ("d.yaml", DRIVER)]).toml.contains("interpolation"));
    let crowd = WORKLOAD.replace("topics: 2\n", "topics: 5000\n");
    assert_eq!(
        plan(&imported(&[("c.yaml", &crowd), ("d.yaml", DRIVER)])).topics[0].assignment.len(),
        20_000
    );
}

#[test]
fn trogdor_loads_and_faults() {
    let produce = r#"{"class": "org.apache.kafka.trogdor.workload.ProduceBenchSpec", "startMs": 1000,
      "durationMs": 60000, "producerNode": "node0", "targetMessagesPerSec": 1000, "maxMessages": 100,
      "valueGenerator": {"type": "constant", "size": 512}, "producerConf": {"linger.ms": 3},
      "activeTopics": {"foo[1-3]": {"numPartitions": 4, "replicationFactor": 3}},
      "inactiveTopics": {"bar": {"numPartitions": 1, "replicationFactor": 3}}}"#;
    let consume = r#"{"class": "org.apache.kafka.trogdor.workload.ConsumeBenchSpec",
      "startMs": 1000, "durationMs": 60000, "activeTopics": ["foo[1-2]:[0-1]"],
      "threadsPerWorker": 2, "consumerGroup": "cg"}"#;
    let cut = r#"{"class": "org.apache.kafka.trogdor.fault.NetworkPartitionFaultSpec",
      "startMs": 11000, "durationMs": 5000, "partitions": [["node1", "node2"], ["node3"]]}"#;
    let slow = r#"{"class": "org.apache.kafka.trogdor.fault.DegradedNetworkFaultSpec",
      "startMs": 21000, "durationMs": 5000, "nodeSpecs": {"node1": {"latencyMs": 50}}}"#;
    let stop = r#"{"class": "org.apache.kafka.trogdor.fault.ProcessStopFaultSpec",
      "startMs": 31000, "durationMs": 5000, "nodeNames": ["node2"], "javaProcessName": "Kafka"}"#;
    let result = imported(&[
        ("p.json", produce),
        ("c.json", consume),
        ("cut.json", cut),
        ("slow.json", slow),
        ("stop.json", stop),
    ]);
    insta::assert_snapshot!(result.toml);
    let plan = plan(&result);
    assert_eq!((plan.topics.len(), plan.producers.len(), plan.consumers.len()), (4, 3, 1));
}

#[test]
fn broken_files_are_refused_with_their_place() {
    for (name, text, place, part) in [
        ("a.json", "{\"ClusterInfo\": {\n  \"x\": }", "a.json:2:8", "not JSON"),
        ("b.json", "{\"what\": 1}", "b.json", "no known shape"),
        ("c.txt", "  \n", "c.txt", "empty"),
        ("d.yaml", "topics: [1\nmessageSize: 3", "d.yaml:", "not YAML"),
        ("e.yaml", "messageSize: -4\nproducerRate: 1", "e.yaml:1:14: messageSize", "whole number"),
        ("f.yaml", "messageSize: 4", "f.yaml", "producerRate"),
        (
            "g.json",
            r#"{"ClusterInfo": {"Provisioned": {}}}"#,
            "g.json:1:33: ClusterInfo.Provisioned",
            "BrokerNodeGroupInfo",
        ),
        (
            "h.json",
            r#"{"MetricDataResults": [{"Id": "x", "Timestamps": [], "Values": []}]}"#,
            "h.json:1:23: MetricDataResults",
            "which metric",
        ),
        (
            "i.json",
            r#"{"MetricDataResults": [{"Id": "x", "Label": "BytesInPerSec", "Timestamps": [], "Values": [1]}]}"#,
            "i.json:1:24: MetricDataResults[0]",
            "0 timestamps",
        ),
        ("j.txt", "Topic: a b\tPartitionCount: 1\tConfigs: ", "j.txt:1", "not a topic's name"),
        ("k.txt", "Topic: a\tPartitionCount: many\tConfigs: ", "k.txt:1", "not a number"),
        ("l.json", r#"{"class": "a.b.MadeUpSpec"}"#, "l.json:1:11: class", "not known"),
        (
            "m.json",
            r#"{"class": "ProduceBenchSpec", "targetMessagesPerSec": 1, "activeTopics": {"t[0-4000000000]": {}}}"#,
            "m.json",
            "range",
        ),
        (
            "n.yaml",
            "driverClass: io.x.PulsarDriver",
            "n.yaml:1:14: driverClass",
            "not a driver of Kafka",
        ),
        (
            "o.json",
            r#"{"status": "error", "data": {"result": []}}"#,
            "o.json:1:12: status",
            "failed",
        ),
        ("p.yaml", "a: &a [x]\nb: *c", "p.yaml", "not YAML"),
    ] {
        let error = refused(&[(name, text)]);
        assert!(error.place.starts_with(place), "{name}: {error:?}");
        assert!(error.message.contains(part), "{name}: {error:?}");
    }
    let two = CLUSTER.replace("\"NumberOfBrokerNodes\": 6", "\"NumberOfBrokerNodes\": 9");
    let error = refused(&[("one.json", CLUSTER), ("two.json", &two)]);
    assert!(error.message.contains("one.json"), "{error:?}");
}

#[test]
fn a_cluster_with_tiered_storage_has_it_where_topics_can() {
    let tiered = CLUSTER.replace("LOCAL", "TIERED");
    let topics = "Topic: clicks\tTopicId: a\tPartitionCount: 2\tReplicationFactor: 3\tConfigs: \n\
                  Topic: keys\tTopicId: b\tPartitionCount: 2\tReplicationFactor: 3\tConfigs: cleanup.policy=compact\n";
    let files = [file("cluster.json", &tiered), file("topics.txt", topics)];
    let imported = import(&files, &ImportOptions::default()).unwrap();
    assert!(imported.left_out.iter().all(|what| !what.contains("tiered")), "{imported:?}");
    assert!(imported.guessed.iter().any(|what| what.contains("local.retention.ms")));
    let plan = plan(&imported);
    let on = |name: &str| {
        let topic = plan.topics.iter().find(|topic| topic.name == name).unwrap();
        topic.config.contains_key("remote.storage.enable")
    };
    assert_eq!((on("clicks"), on("keys")), (true, false));
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let refs = vec![format!("*a{}", level - 1); 8].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
    }
    assert!(refused(&[("bomb.yaml", &bomb)]).message.contains("not YAML"));
    let deep = "[".repeat(100_000);
    assert!(refused(&[("deep.json", &deep)]).message.contains("not JSON"));
    assert!(
        refused(&[("deep.yaml", &format!("messageSize: {deep}"))]).message.contains("not YAML")
    );
}

/// `get-metric-data` by broker and topic, newest first: `(metric, broker, topic, values from the newest)`.
fn metric_data(rows: &[(&str, &str, &str, &[u64])]) -> (String, String) {
    let dimension = |name: &str, value: &str| serde_json::json!({"Name": name, "Value": value});
    let (mut results, mut queries) = (Vec::new(), Vec::new());
    for (number, (metric, broker, topic, values)) in rows.iter().enumerate() {
        let id = format!("q{number}");
        let times: Vec<String> =
            (0..values.len()).map(|ago| format!("2026-11-20T10:{:02}:00Z", 59 - ago)).collect();
        let mut dimensions = vec![dimension("Broker ID", broker)];
        dimensions.extend((!topic.is_empty()).then(|| dimension("Topic", topic)));
        results.push(serde_json::json!({"Id": id, "Timestamps": times, "Values": values}));
        queries.push(serde_json::json!({"Id": id, "MetricStat": {"Stat": "Maximum",
            "Metric": {"MetricName": metric, "Dimensions": dimensions}}}));
    }
    let text = |key: &str, list: Vec<serde_json::Value>| serde_json::json!({key: list}).to_string();
    (text("MetricDataResults", results), text("MetricDataQueries", queries))
}

#[test]
fn metrics_tell_brokers_partitions_and_readers_even_if_a_broker_is_silent() {
    let mut rows: Vec<(&str, &str, &str, &[u64])> = Vec::new();
    for broker in ["1", "2", "3", "4", "5", "6"] {
        rows.push(("BytesInPerSec", broker, "orders", &[900_000, 1_000_000]));
        rows.push(("LeaderCount", broker, "", &[20, 20]));
    }
    // One of six does not say what it sends: twice what comes in at the others.
    for broker in ["1", "2", "3", "4", "5"] {
        rows.push(("BytesOutPerSec", broker, "orders", &[1_800_000, 2_000_000]));
    }
    let (results, queries) = metric_data(&rows);
    let result = imported(&[("m.json", &results), ("q.json", &queries)]);
    let plan = plan(&result);
    assert_eq!((plan.cluster.brokers.len(), plan.consumers.len()), (6, 2), "{}", result.toml);
    assert_eq!(plan.topics[0].assignment.len(), 120, "twenty leaders on each of six");
    let silent = "BytesOutPerSec: no series for 1 of 6";
    assert!(result.left_out.iter().any(|one| one.starts_with(silent)), "{:?}", result.left_out);
    let one: Vec<_> = rows.iter().copied().filter(|row| row.1 == "1").collect();
    let (results, queries) = metric_data(&one);
    let alone = imported(&[("m.json", &results), ("q.json", &queries)]);
    assert!(alone.toml.contains("brokers = 3 # guessed"), "{}", alone.toml);
}

#[test]
fn a_topic_stores_what_its_largest_replicas_do() {
    let replica = |partition: &str, size: u64| serde_json::json!({"partition": partition, "size": size, "offsetLag": 0, "isFuture": false});
    let broker = |id: u32, replicas: Vec<serde_json::Value>| serde_json::json!({"broker": id, "logDirs": [{"logDir": "/d", "error": null, "partitions": replicas}]});
    // The third broker's disk does not answer, the second one is behind with partition 0.
    let failed = serde_json::json!({"broker": 3, "logDirs": [{"logDir": "/d", "partitions": [],
        "error": "org.apache.kafka.common.errors.KafkaStorageException"}]});
    let dirs = serde_json::json!({"version": 1, "brokers": [
        broker(1, vec![replica("t-0", 400_000_000)]),
        broker(2, vec![replica("t-0", 300_000_000), replica("t-1", 500_000_000)]),
        failed,
    ]});
    let result = imported(&[("dirs.json", &dirs.to_string())]);
    assert!(result.toml.contains("preload = \"900000000 B\""), "{}", result.toml);
    assert!(result.left_out.iter().any(|one| one.contains("KafkaStorageException")));
    assert_eq!(plan(&result).cluster.brokers.len(), 3);
}

#[test]
fn the_region_of_a_cluster_decides_its_prices_or_is_missed() {
    let of = |region: &str| {
        let arn = format!(
            "\"ClusterInfo\": {{\"ClusterArn\": \"arn:aws:kafka:{region}:1:cluster/a/b\", "
        );
        imported(&[("c.json", &CLUSTER.replace("\"ClusterInfo\": {", &arn))])
    };
    let known = of("ap-southeast-1");
    assert!(known.toml.contains("region = \"ap-southeast-1\" # from c.json"), "{}", known.toml);
    plan(&known);
    let unknown = of("eu-central-1");
    assert!(!unknown.toml.contains("region ="), "{}", unknown.toml);
    assert!(
        unknown.left_out[0].contains("region eu-central-1: no prices"),
        "{:?}",
        unknown.left_out
    );
}

#[test]
fn a_template_is_named_after_its_first_values() {
    let text = "nameFormat: \"${topics}-t-${messageSize}b-${producerRate}\"\ntopics: [1]\n\
        partitionsPerTopic: [4, 8]\nmessageSize: [512, 2048]\nproducerRate: [1000, 5000]\n\
        producersPerTopic: [1]\nsubscriptionsPerTopic: [1]\nconsumerPerSubscription: [1]\n";
    assert_eq!(imported(&[("w.yaml", text)]).name, "1-t-512b-1000");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// What is cut out of a file, or put into it, never makes a panic, and what is taken loads.
    #[test]
    fn damaged_files_never_panic(which in 0..8_usize, at in 0..2000_usize, cut in 0..40_usize, noise in ".{0,6}") {
        let all = [CLUSTER, METRICS, QUERIES, TOPICS, LOG_DIRS, GROUPS, WORKLOAD, DRIVER];
        let chars: Vec<char> = all[which].chars().collect();
        let at = at % chars.len();
        let damaged: String = chars[..at].iter().copied()
            .chain(noise.chars())
            .chain(chars[(at + cut).min(chars.len())..].iter().copied())
            .collect();
        if let Ok(result) = import(&[file("x", &damaged), file("w", WORKLOAD)], &ImportOptions::default()) {
            plan(&result);
        }
        if let Ok(result) = import(&[file("x", &damaged)], &ImportOptions::default()) {
            plan(&result);
        }
    }
}

#[test]
fn rates_over_several_spans_count_once() {
    // As the JMX exporter of MSK's Open Monitoring writes one rate.
    let rate = |span: &str, name: &str, value: u64| {
        format!(
            "kafka_server_BrokerTopicMetrics_{span}{{name=\"{name}\",topic=\"orders\",}} {value}\n"
        )
    };
    let text: String = [
        rate("FiveMinuteRate", "BytesInPerSec", 9_000_000),
        rate("OneMinuteRate", "BytesInPerSec", 10_000_000),
        rate("MeanRate", "BytesInPerSec", 1_000_000),
        rate("Count", "BytesInPerSec", 77_000_000),
        rate("FiveMinuteRate", "MessagesInPerSec", 9_000),
        rate("OneMinuteRate", "MessagesInPerSec", 10_000),
    ]
    .concat();
    let result = imported(&[("scrape.txt", &text)]);
    assert!(result.toml.contains("rate = \"10000000 B/s\""), "{}", result.toml);
    assert!(result.toml.contains("record_size = \"1000 B\""), "{}", result.toml);
    assert!(result.left_out.iter().any(|line| line.contains("in another way")));
}

#[test]
fn two_exporters_of_one_cluster_count_records_once() {
    let series = |name: &str, labels: &str, step: u64| {
        format!(
            "{{\"metric\": {{\"__name__\": \"{name}\", {labels}, \"topic\": \"orders\"}}, \
             \"values\": [[1700000000, \"0\"], [1700000060, \"{}\"]]}}",
            step * 60
        )
    };
    let list = [
        series("kafka_server_brokertopicmetrics_bytesin_total", "\"instance\": \"b1\"", 5_000_000),
        series("kafka_server_brokertopicmetrics_messagesin_total", "\"instance\": \"b1\"", 5_000),
        series("kafka_topic_partition_current_offset", "\"partition\": \"0\"", 5_000),
    ];
    let text = format!(r#"{{"status": "success", "data": {{"result": [{}]}}}}"#, list.join(","));
    let result = imported(&[("range.json", &text)]);
    assert!(result.toml.contains("record_size = \"1000 B\""), "{}", result.toml);
    // The same series again, as ranges that overlap have it.
    let again = imported(&[("range.json", &text), ("later.json", &text)]);
    assert!(again.toml.contains("rate = \"5000000 B/s\""), "{}", again.toml);
}

#[test]
fn averages_and_maxima_of_one_metric_count_once() {
    let query = |id: &str, stat: &str| {
        format!(
            r#"{{"Id": "{id}", "MetricStat": {{"Stat": "{stat}", "Period": 60, "Metric": {{
              "MetricName": "BytesInPerSec", "Dimensions": [{{"Name": "Broker ID", "Value": "1"}}]}}}}}}"#
        )
    };
    let queries = format!("[{}, {}]", query("max", "Maximum"), query("avg", "Average"));
    let result = |id: &str, time: &str, value: u64| {
        format!(r#"{{"Id": "{id}", "Timestamps": ["{time}"], "Values": [{value}]}}"#)
    };
    let results = [
        result("max", "2026-11-20T10:00:00Z", 9_000_000),
        result("avg", "2026-11-20T10:00:00+00:00", 4_000_000),
        result("avg", "2026-11-20T10:00:00.000Z", 4_000_000),
    ];
    let metrics = format!(r#"{{"MetricDataResults": [{}]}}"#, results.join(","));
    let result = imported(&[("metrics.json", &metrics), ("queries.json", &queries)]);
    assert!(result.toml.contains("rate = \"4000000 B/s\""), "{}", result.toml);
}

#[test]
fn names_with_spaces_and_old_tables_keep_their_groups() {
    let spaces = "\nGROUP TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID\n\
        the bills orders 0 1 2 1 my app-1 /10.0.0.1 my app\n\
        the bills orders 1 1 2 1 my app-2 /10.0.0.1 my app\n\
        Warning: Consumer group 'the bills' is rebalancing, and this line is of many words.\n";
    let toml = imported(&[("groups.txt", spaces)]).toml;
    assert!(toml.contains("group = \"the-bills\"") && toml.contains("count = 2"), "{toml}");
    let old = "Consumer group 'billing' has no active members.\n\n\
        TOPIC PARTITION CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID\n\
        orders 0 1 2 1 - - -\n";
    let toml = imported(&[("groups.txt", old)]).toml;
    assert!(toml.contains("group = \"billing\""), "{toml}");
    let members = "\nGROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS\nbilling c-1 /10.0.0.1 c 2\n";
    let error = refused(&[("members.txt", members)]);
    assert!(error.place == "members.txt:2" && error.help.unwrap().contains("--members"));
}

#[test]
fn answers_of_the_aws_cli_in_its_other_shapes() {
    let list = format!(
        "{{\"ClusterInfoList\": [{}]}}",
        CLUSTER.split_once(": ").unwrap().1.trim_end().strip_suffix('}').unwrap()
    );
    let plain = imported(&[("cluster.json", CLUSTER)]);
    let of_list = imported(&[("list.json", &list)]);
    assert_eq!(plan(&plain).cluster, plan(&of_list).cluster);
    let two = refused(&[("list.json", r#"{"clusterInfoList": [{}, {}]}"#)]);
    assert!(two.message.starts_with("2 clusters") && two.help.is_some(), "{two}");
    // PowerShell's `>`.
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(CLUSTER.encode_utf16().flat_map(u16::to_le_bytes));
    let file = ImportFile { name: "cluster.json".to_owned(), bytes: utf16 };
    let of_utf16 = import(&[file], &ImportOptions::default()).unwrap();
    assert_eq!(of_utf16, plain);
    let yaml = "ClusterInfo:\n  ClusterName: shop\n  Provisioned:\n    BrokerNodeGroupInfo:\n      \
        InstanceType: kafka.m5.large\n      ClientSubnets: [a, b, c]\n    NumberOfBrokerNodes: 3\n";
    assert_eq!(plan(&imported(&[("cluster.yaml", yaml)])).cluster.brokers.len(), 3);
    let nodes = r#"{"NodeInfoList": [{"InstanceType": "t3.small", "BrokerNodeInfo": {"ClientSubnet": "a"}},
      {"InstanceType": "t3.small", "BrokerNodeInfo": {"ClientSubnet": "b"}}]}"#;
    let t3 = imported(&[("nodes.json", nodes)]);
    assert!(t3.left_out.iter().any(|line| line.starts_with("kafka.t3.small is not simulated")));
}

#[test]
fn a_wrapped_spec_is_a_spec_and_too_many_topics_have_a_way_out() {
    let spec = r#"{"id": "x", "spec": {"class": "org.apache.kafka.trogdor.workload.ProduceBenchSpec",
      "durationMs": 60000, "targetMessagesPerSec": 100, "activeTopics": {"foo": {"numPartitions": 2}}}}"#;
    assert!(imported(&[("task.json", spec)]).toml.contains("rate = \"100 records/s\""));
    let error = refused(&[("w.yaml", "topics: 200000\nproducerRate: 5\n")]);
    assert!(error.help.unwrap().contains("simulated as one topic"));
    let many = imported(&[("w.yaml", "topics: 100000\nproducerRate: 5\n")]);
    assert!(many.guessed.iter().any(|line| line == "10000 producers in place of 100000"));
}
