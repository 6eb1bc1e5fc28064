//! What plans say: every default, recipe and constant of a scenario resolved.

use stormglass_scenarios::plan::{
    Action, Aggregate, Arrival, AzDownMode, ClientProfile, ClusterKind, Comparison, CreditResource,
    Endpoint, KeyDist, LinkEffect, Metric, Plan, SizeDist,
};
use stormglass_scenarios::{Source, closest_scenario, load};

const SECOND: u64 = 1_000_000_000;
const GIB: u64 = 1 << 30;

fn named(name: &str, sets: &[(&str, &str)]) -> Plan {
    let sets: Vec<(String, String)> =
        sets.iter().map(|(path, value)| ((*path).into(), (*value).into())).collect();
    load(&Source::library(name).unwrap(), &sets, 7).unwrap_or_else(|error| panic!("{error}"))
}

/// A small self-managed scenario with `more` appended.
fn small(more: &str) -> Plan {
    let text = format!(
        "{}\n{more}",
        r#"
        name = "small"
        question = "q"
        expect = "e"
        cluster.kind = "self-managed"
        cluster.instance = "i3en.2xlarge"
        cluster.brokers = 5
        cluster.azs = ["x", "y"]
        cluster.storage.type = "nvme"
        cluster.controllers = 5
        phases = { warmup = "10s", measure = "100s", heal = "5s" }
        topics = [{ name = "t", partitions = 7, replication = 3, preload = "14 GiB" }]
        "#
    );
    load(&Source::new("small.toml", text), &[], 1).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_reference_is_the_one_of_the_performance_targets() {
    let plan = named("reference", &[]);
    assert_eq!(plan.cluster.brokers.len(), 3);
    assert_eq!(plan.cluster.azs.len(), 3);
    assert_eq!(plan.topics.len(), 1);
    assert_eq!(plan.topics[0].assignment.len(), 60);
    assert!(plan.topics[0].assignment.iter().all(|replicas| replicas.len() == 3));
    let [producer] = plan.producers.as_slice() else { panic!("one producer group") };
    assert_eq!(producer.rate_curve, [(0, 97_656_250)], "100 MB/s of 1 KiB, in thousandths");
    assert_eq!(producer.record_size, SizeDist::Fixed { bytes: 1024 });
    assert_eq!(producer.config["batch.size"], "16384");
    assert_eq!(producer.config["acks"], "all");
    assert_eq!(plan.consumers.len(), 2);
    assert_eq!(plan.cluster.config["min.insync.replicas"], "2");
}

#[test]
fn az_outage_resolves_times_azs_and_msk_defaults() {
    let plan = named("az-outage", &[]);
    assert_eq!(plan.seed, 7);
    assert_eq!(plan.cluster.kind, ClusterKind::MskStandard);
    let ids: Vec<i32> = plan.cluster.brokers.iter().map(|broker| broker.id).collect();
    assert_eq!(ids, [1, 2, 3]);
    let ids: Vec<i32> = plan.cluster.controllers.iter().map(|node| node.id).collect();
    assert_eq!(ids, [10_001, 10_002, 10_003]);
    assert!(plan.cluster.tls_client && plan.cluster.tls_in_cluster);
    let [event] = plan.events.as_slice() else { panic!("one event") };
    // 20 s of warm-up before the measure phase, from which the scenario counts.
    assert_eq!((event.at_ns, event.for_ns), (80 * SECOND, Some(90 * SECOND)));
    let lost = Action::AzDown { az: 1, mode: AzDownMode::PowerOff, clients: false };
    assert_eq!(event.action, lost);
    let line = event.line.unwrap() as usize;
    let text = String::from_utf8(Source::library("az-outage").unwrap().bytes).unwrap();
    assert_eq!(text.lines().nth(line - 1), Some("[[events]]"));
    for (name, value) in [
        ("num.io.threads", "8"),
        ("num.network.threads", "5"),
        ("num.replica.fetchers", "2"),
        ("replica.lag.time.max.ms", "30000"),
        ("default.replication.factor", "3"),
        ("unclean.leader.election.enable", "false"),
        ("auto.create.topics.enable", "false"),
        ("broker.session.timeout.ms", "9000"),
    ] {
        assert_eq!(plan.cluster.config[name], value, "{name}");
    }
    assert!(plan.model.constants["assume.unclean_leader_election"].source.contains("MSK"));
    let web = &plan.producers[1];
    assert_eq!(web.record_size, SizeDist::Uniform { min_bytes: 100, max_bytes: 500 });
    assert_eq!((web.compression_permille, web.rate_curve[0].1), (400, 10_000_000));
    assert_eq!(plan.producers[0].azs, [0, 1, 2, 0, 1, 2]);
    let heal = plan.thresholds.iter().find(|threshold| threshold.phase.is_some()).unwrap();
    assert_eq!(heal.metric, Metric::ResponseLatency);
    assert_eq!((heal.aggregate, heal.op), (Aggregate::P(990_000), Comparison::Lt));
    assert_eq!((heal.limit, heal.text.as_str()), (250_000_000, "p(99) < 250ms"));
    let hour = plan.prices.iter().find(|price| price.meter == "broker-hour").unwrap();
    assert_eq!(hour.nano_usd, 204_000_000);
}

#[test]
fn steps_and_lines_of_a_curve_count_from_the_measure_phase() {
    let step = named("credit-exhaustion", &[]);
    let points = &step.producers[0].rate_curve;
    let at: Vec<u64> = points.iter().map(|point| point.0 / SECOND).collect();
    assert_eq!(at, [0, 20, 80, 80, 140, 140]);
    assert_eq!(points[2].1, points[1].1, "a step holds the old rate until it happens");
    assert!(points[3].1.abs_diff(2 * points[1].1) <= 1, "twice, up to rounding");
    let linear = named("credit-exhaustion", &[("producers.0.interpolation", "linear")]);
    assert_eq!(linear.producers[0].rate_curve.len(), 4);
}

#[test]
fn credits_of_every_broker_are_set_when_none_is_named() {
    let plan = named("credit-exhaustion", &[]);
    let nodes: Vec<i32> = plan
        .events
        .iter()
        .map(|event| match event.action {
            Action::SetCredits { node, resource, level_permille } => {
                assert_eq!((resource, level_permille), (CreditResource::Network, 0));
                node
            }
            ref other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(nodes, [1, 2, 3]);
}

#[test]
fn self_managed_clusters_have_their_disks_nodes_and_prices() {
    let plan = small("");
    let host = &plan.cluster.brokers[0].host;
    assert_eq!((host.vcpus, host.memory_bytes, host.heap_bytes), (8, 64 * GIB, 6 * GIB));
    assert_eq!(host.volumes.len(), 2);
    assert_eq!(host.volumes[0].kind, "nvme");
    assert_eq!(host.nic.baseline_per_sec, 1_050_000_000);
    let azs: Vec<usize> = plan.cluster.brokers.iter().map(|broker| broker.az).collect();
    assert_eq!(azs, [0, 1, 0, 1, 0]);
    assert_eq!(plan.cluster.controllers.len(), 5);
    assert!(!plan.cluster.tls_client);
    assert_eq!(plan.cluster.config["num.network.threads"], "3");
    assert_eq!(plan.topics[0].preload_bytes, 2 * GIB);
    assert_eq!(plan.phases.drain_ns, 30 * SECOND);
    assert!(plan.prices.iter().any(|price| price.meter == "ec2-hour"));
    assert!(plan.model.volume_read.source.contains("NVMe"));
}

#[test]
fn hardware_of_ones_own_and_its_round_trips_are_taken_as_described() {
    let text = r#"
        name = "own"
        question = "q"
        expect = "e"
        topics = [{ name = "t", partitions = 1 }]
        phases.measure = "60s"
        [cluster]
        kind = "self-managed"
        instance = "custom"
        brokers = 3
        azs = 1
        network.same_az_rtt = "0.87ms"
        [cluster.host]
        vcpus = 16
        cpu_speed = "70%"
        memory = "16 GiB"
        network = "1250 MB/s"
        disks = 6
        disk_size = "1 TB"
        disk_throughput = "137 MB/s"
        disk_iops = 120
        disk_latency = "8ms"
    "#;
    let plan = load(&Source::new("own.toml", text), &[], 1).unwrap();
    let host = &plan.cluster.brokers[2].host;
    assert_eq!((host.vcpus, host.cpu_speed_permille, host.volumes.len()), (16, 700, 6));
    assert_eq!((host.nic.bucket, host.heap_bytes), (0, 6 * GIB));
    let median = |points: &[(u32, u64)]| points.iter().find(|point| point.0 == 500_000).unwrap().1;
    assert_eq!(median(&plan.model.latency_same_az.points), 435_000);
    assert_eq!(median(&plan.model.volume_write.points), 8_000_000);
    assert_eq!(plan.prices[0].nano_usd, 0);
}

#[test]
fn every_kind_of_event_and_load_is_resolved_in_order_of_time() {
    let plan = small(
        r#"
        [[producers]]
        name = "p"
        topic = "t"
        arrival = { closed = { outstanding = 10 } }
        keys = { zipf = { count = 100, exponent = 0.99 } }
        profile = "librdkafka"
        azs = ["y"]
        count = 2
        [[consumers]]
        group = "g"
        topics = ["t"]
        start_at = "10s"
        process_time = "5us"
        config.auto.offset.reset = "earliest"
        [[events]]
        at = "50s"
        load = "250%"
        producer = "p"
        [[events]]
        at = "10s"
        for = "5s"
        fault = "link-delay"
        from = ["az:y", "controllers"]
        to = ["node:1", "clients"]
        extra = "3ms"
        one_way = true
        [[events]]
        at = "20s"
        fault = "link-loss"
        from = ["brokers"]
        to = ["brokers"]
        loss = "0.5%"
        [[events]]
        at = "5s"
        fault = "rolling-restart"
        down = "5s"
        pause = "1s"
        nodes = [2, 1]
        [[events]]
        at = "30s"
        fault = "consumer-pause"
        group = "g"
        "#,
    );
    let times: Vec<u64> = plan.events.iter().map(|event| event.at_ns / SECOND).collect();
    assert_eq!(times, [15, 20, 30, 40, 60]);
    assert_eq!(
        plan.events[1].action,
        Action::Link {
            from: vec![Endpoint::Az(1), Endpoint::Controllers],
            to: vec![Endpoint::Node(1), Endpoint::Clients],
            one_way: true,
            effect: LinkEffect::Delay { extra_ns: 3_000_000, jitter_ns: 0 },
        }
    );
    let loss = Action::Load { producer: Some("p".into()), rate_permille: 2_500 };
    assert_eq!(plan.events[4].action, loss);
    let producer = &plan.producers[0];
    assert_eq!(producer.arrival, Arrival::Closed { outstanding: 10 });
    assert_eq!(producer.keys, KeyDist::Zipf { count: 100, exponent_permille: 990 });
    assert_eq!(
        (producer.profile, producer.azs.as_slice()),
        (ClientProfile::Librdkafka, &[1, 1][..])
    );
    assert_eq!(producer.config["delivery.timeout.ms"], "300000");
    let consumer = &plan.consumers[0];
    assert!(consumer.from_beginning);
    assert_eq!((consumer.start_ns, consumer.process_ns_per_record), (20 * SECOND, 5_000));
}

#[test]
fn digests_follow_the_text_the_plan_and_the_model() {
    let base = named("steady", &[]);
    assert_eq!(base.digest(), named("steady", &[]).digest());
    let faster = named("steady", &[("model.cpu.request_ns", "1")]);
    assert_ne!(faster.run_digest(), base.run_digest());
    assert_ne!(faster.scenario_digest, base.scenario_digest);
    // A scenario's own constants are a change of the scenario, not another model.
    assert_eq!(faster.model.catalogue_digest, base.model.catalogue_digest);
    let mut seeded = base.clone();
    seeded.seed += 1;
    assert_ne!(seeded.digest(), base.digest());
    assert_eq!(seeded.model.catalogue_digest, base.model.catalogue_digest);
    assert_ne!(seeded.run_digest(), base.run_digest());
    let reworded = named(
        "steady",
        &[("question", "Another?"), ("thresholds.lost_records", "[\"value < 1\"]")],
    );
    assert_ne!(reworded.digest(), base.digest());
    assert_eq!(reworded.run_digest(), base.run_digest());
}

#[test]
fn a_plan_of_another_version_or_shape_is_refused() {
    let json = named("steady", &[]).to_json();
    for version in [0, 2] {
        let other = format!("\"schema_version\": {version}");
        let other = json.replacen("\"schema_version\": 1", &other, 1);
        let said = Plan::from_json(&other).unwrap_err().to_string();
        assert!(said.starts_with(&format!("schema_version is {version}, and this")), "{said}");
    }
    assert!(Plan::from_json("{}").is_err());
    for list in ["[1]", " []"] {
        let said = Plan::from_json(list).unwrap_err().to_string();
        assert_eq!(said, "not a plan: expected an object, found a list");
    }
    let odd = json.replacen("\"seed\"", "\"sead\"", 1);
    assert!(Plan::from_json(&odd).is_err());
}

#[test]
fn an_unknown_name_suggests_one_of_the_library() {
    let error = Source::library("az-outge").unwrap_err();
    assert_eq!(error.records()[0].help.as_deref(), Some("did you mean `az-outage`?"));
    assert_eq!(closest_scenario("az-outge"), Some("az-outage"));
    let error = Source::library("nowhere").unwrap_err();
    assert!(error.records()[0].help.as_deref().unwrap().starts_with("the library has steady, "));
    assert_eq!(closest_scenario("nowhere"), None);
}
