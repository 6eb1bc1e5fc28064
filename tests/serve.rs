//! `serve`: a real broker, spoken to over sockets; killed, stopped and started again.

use crate::common::{Called, Place};
use crate::kafka::{Client, Serving, batch, group_id, retry, text, topic_name};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, ListOffsetsRequest, MetadataRequest,
    OffsetCommitRequest, OffsetFetchRequest,
};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn create(client: &mut Client, name: &str, partitions: i32, configs: &[(&str, &str)]) -> i16 {
    let config = |(key, value): &(&str, &str)| {
        CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
    };
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(-1)
        .with_configs(configs.iter().map(config).collect());
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5000);
    client.call(4, &request).topics[0].error_code
}

fn offset_at(client: &mut Client, topic: &str, timestamp: i64) -> i64 {
    let partition = ListOffsetsPartition::default().with_timestamp(timestamp);
    let topic =
        ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request =
        ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    let answer = client.call(7, &request);
    let found = &answer.topics[0].partitions[0];
    assert_eq!(found.error_code, 0);
    found.offset
}

fn commit(client: &mut Client, topic: &str, offset: i64) {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![partition]);
    let request =
        OffsetCommitRequest::default().with_group_id(group_id("billing")).with_topics(vec![topic]);
    let error = |client: &mut Client| client.call(7, &request).topics[0].partitions[0].error_code;
    retry(|| (error(client) == 0).then_some(()));
}

fn committed(client: &mut Client, topic: &str) -> i64 {
    client.coordinator("billing");
    let topic = OffsetFetchRequestTopic::default()
        .with_name(topic_name(topic))
        .with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(group_id("billing"))
        .with_topics(Some(vec![topic]));
    retry(|| {
        let answer = client.call(7, &request);
        (answer.error_code == 0).then(|| answer.topics[0].partitions[0].committed_offset)
    })
}

#[test]
fn what_is_acknowledged_survives_a_stop_and_a_kill() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    assert_eq!(create(&mut client, "orders", 2, &[("retention.ms", "-1")]), 0);
    assert_eq!(create(&mut client, "orders", 2, &[]), 36, "exists");
    assert_eq!(client.topic("orders"), 1);
    let producer = client.producer();
    assert_eq!(client.produce("orders", batch(&["a", "b"], Some((producer, 0)))), (0, 0));
    assert_eq!(client.produce("orders", batch(&["c"], Some((producer, 2)))), (0, 2));
    commit_first(&mut client);
    serving.stop();
    assert!(place.path("data/.kafka_cleanshutdown").exists());
    let log = std::fs::read(place.path("data/orders-0/00000000000000000000.log")).unwrap();
    assert_eq!((&log[..8], log[16]), (&[0; 8][..], 2), "a v2 batch at offset 0");

    for turn in 0..2 {
        let serving = Serving::start(&place, "data", &[]);
        let mut client = serving.client();
        client.topic("orders");
        assert_eq!(committed(&mut client, "orders"), 1);
        let last = batch(&["c"], Some((producer, 2)));
        assert_eq!(client.produce("orders", last), (0, 2), "known as a repetition");
        let next = i64::from(turn) + 3;
        let more = batch(&["d"], Some((producer, turn + 3)));
        assert_eq!(client.produce("orders", more), (0, next));
        let gap = batch(&["x"], Some((producer, turn + 9)));
        assert_eq!(client.produce("orders", gap).0, 45, "out of order");
        assert_eq!(client.produce("orders", batch(&["c"], Some((producer, 2)))), (0, 2));
        let read = client.consume("orders", 0);
        let values: Vec<&[u8]> = read.iter().map(|(_, value)| &value[..]).collect();
        let expected = [&b"a"[..], b"b", b"c", b"d", b"d"];
        assert_eq!(values, &expected[..values.len()]);
        assert_eq!(values.len(), 4 + usize::try_from(turn).unwrap());
        assert_eq!(offset_at(&mut client, "orders", -2), 0);
        assert_eq!(offset_at(&mut client, "orders", -1), next + 1);
        assert_eq!(offset_at(&mut client, "orders", 1_700_000_000_001), 1);
        serving.kill();
    }
}

fn commit_first(client: &mut Client) {
    client.coordinator("billing");
    commit(client, "orders", 1);
    assert_eq!(committed(client, "orders"), 1);
}

#[test]
fn many_segments_come_back() {
    let place = Place::new();
    let (total, large) = (60, "v".repeat(3000));
    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    assert_eq!(create(&mut client, "small", 1, &[("segment.bytes", "20000")]), 0);
    client.topic("small");
    for offset in 0..total {
        assert_eq!(client.produce("small", batch(&[&large], None)), (0, offset));
    }
    serving.kill();
    let segments = std::fs::read_dir(place.path("data/small-0")).unwrap();
    let logs = segments.filter(|e| e.as_ref().unwrap().path().extension() == Some("log".as_ref()));
    assert_eq!(logs.count(), 10);

    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic("small");
    let mut offset = 0;
    while offset < total {
        let read = client.consume("small", offset);
        assert!(!read.is_empty(), "nothing at {offset}");
        for (at, value) in read {
            assert_eq!((at, value.len()), (offset, 3000));
            offset += 1;
        }
    }
    assert_eq!(client.produce("small", batch(&[&large], None)), (0, total));
    serving.stop();
}

#[test]
fn asking_for_a_topic_creates_it_unless_that_is_forbidden() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &["--set", "num.partitions=3"]);
    let mut client = serving.client();
    client.topic("wanted");
    let answer = client.call(9, &MetadataRequest::default().with_topics(None));
    assert_eq!(answer.topics[0].partitions.len(), 3);
    assert_eq!(answer.cluster_id.unwrap().len(), 22);
    serving.kill();

    let serving = Serving::start(&place, "other", &["--set", "auto.create.topics.enable=false"]);
    let mut client = serving.client();
    let asked = kafka_protocol::messages::metadata_request::MetadataRequestTopic::default()
        .with_name(Some(topic_name("wanted")));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_allow_auto_topic_creation(true);
    for _ in 0..3 {
        assert_eq!(client.call(9, &request).topics[0].error_code, 3);
    }
}

#[test]
fn hostile_frames_end_their_own_connection_only() {
    let place = Place::new();
    let limit = ["--set", "socket.request.max.bytes=1000000"];
    let serving = Serving::start(&place, "data", &limit);
    let mut honest = serving.client();
    honest.topic("orders");
    let frames: [&[u8]; 6] = [
        b"\x7f\xff\xff\xff",                                         // two gigabytes
        b"\xff\xff\xff\xff",                                         // a negative length
        b"\0\0\0\x0a\0\x63\0\0\0\0\0\x01\xff\xff",                   // an API that is not served
        b"\0\0\0\x0a\0\0\0\x02\0\0\0\x01\xff\xff",                   // a version that is too old
        b"\0\0\0\x0e\0\x03\0\x01\0\0\0\x01\xff\xff\x7f\xff\xff\xff", // two billion topics
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ];
    for frame in frames {
        let mut hostile = serving.client();
        hostile.stream.write_all(frame).unwrap();
        let mut rest = Vec::new();
        // closed, or reset because what was sent had not been read
        let closed = hostile.stream.read_to_end(&mut rest);
        assert!(closed.is_err() || rest.is_empty(), "{frame:?} was answered: {rest:?}");
    }
    assert_eq!(honest.produce("orders", batch(&["still here"], None)), (0, 0));
    let log = place.read("data.log");
    assert_eq!(log.matches("connection closed").count(), frames.len(), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn versions_are_told_before_anything_else() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let answer = serving.client().call(0, &ApiVersionsRequest::default());
    assert_eq!(answer.error_code, 0);
    assert!(answer.api_keys.iter().any(|api| (api.api_key, api.min_version) == (0, 0)));
    serving.stop();
}

/// What a scrape gives.
fn scrape(serving: &Serving) -> String {
    let mut stream = TcpStream::connect(serving.metrics.as_ref().unwrap()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn counts_are_told_in_kafkas_and_cloudwatchs_names() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &["--metrics", "127.0.0.1:0"]);
    let mut client = serving.client();
    client.topic("orders");
    let sent = batch(&["a", "b", "c"], None);
    let bytes = sent.len();
    assert_eq!(client.produce("orders", sent), (0, 0));
    assert_eq!(client.consume("orders", 0).len(), 3);
    let page = scrape(&serving);
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("application/openmetrics-text"), "{page}");
    for line in [
        &format!(
            "kafka_server_brokertopicmetrics_bytesin_total{{node=\"1\",topic=\"orders\"}} {bytes}"
        ),
        &format!(
            "kafka_server_brokertopicmetrics_bytesout_total{{node=\"1\",topic=\"orders\"}} {bytes}"
        ),
        "kafka_server_brokertopicmetrics_messagesin_total{node=\"1\",topic=\"orders\"} 3",
        "kafka_log_log_logendoffset{node=\"1\",topic=\"orders\",partition=\"0\"} 3",
        "kafka_network_requestmetrics_totaltimems_count{node=\"1\",request=\"Produce\"} 1",
        "kafka_server_replicamanager_leadercount{node=\"1\"} 1",
        "PartitionCount{node=\"1\"} 1",
        "UnderReplicatedPartitions{node=\"1\"} 0",
        "OfflinePartitionsCount{node=\"1\"} 0",
        "ActiveControllerCount{node=\"1\"} 1",
        "ConnectionCount{node=\"1\"} 1",
        "# EOF",
    ] {
        assert!(page.lines().any(|found| found == line), "no `{line}` in\n{page}");
    }
    serving.stop();
}

#[test]
fn three_brokers_replicate() {
    let place = Place::new();
    let sets = ["--set", "default.replication.factor=3", "--set", "min.insync.replicas=2"];
    let serving = Serving::start(&place, "data", &[&["--brokers", "3"], &sets[..]].concat());
    assert_eq!(serving.addresses.len(), 3);
    let leader = usize::try_from(serving.client().topic("orders")).unwrap();
    let mut client = Client::connect(&serving.addresses[leader - 1]);
    // brokers learn of a topic one after the other
    let produce_until = |client: &mut Client, error: i16| {
        retry(|| {
            let answer = client.produce("orders", batch(&["a", "b"], None));
            (answer.0 == error).then_some(answer.1)
        })
    };
    assert_eq!(produce_until(&mut client, 0), 0);
    let mut other = Client::connect(&serving.addresses[leader % 3]);
    produce_until(&mut other, 6); // it is not the leader
    serving.stop();
    let log = |node: u32| {
        std::fs::read(place.path(&format!("data/node-{node}/orders-0/00000000000000000000.log")))
    };
    let first = log(1).unwrap();
    assert!(!first.is_empty());
    assert_eq!((&log(2).unwrap(), &log(3).unwrap()), (&first, &first));
}

/// Runs `serve`, which must end at once with a message and a next step.
fn refused(place: &Place, words: &[&str]) -> Called {
    let called = place.expect(1, &[&["serve"], words].concat());
    assert!(called.stderr.contains("= help: "), "{}", called.stderr);
    called
}

#[test]
fn what_an_operator_must_see_to_is_said() {
    let place = Place::new();
    let any = ["--listen", "127.0.0.1:0"];
    let data = ["--data-dir", "data"];
    let serving = Serving::start(&place, "data", &["--cluster-id", "one-cluster-of-several"]);
    let locked = refused(&place, &[&data, &any[..]].concat());
    assert!(locked.stderr.contains("data is in use by another process"), "{}", locked.stderr);
    let taken = &serving.addresses[0];
    let busy = refused(&place, &["--data-dir", "second", "--listen", taken]);
    assert!(busy.stderr.contains(&format!("cannot listen on {taken}")), "{}", busy.stderr);
    let metrics = [&["--data-dir", "second"], &any[..], &["--metrics", taken.as_str()]].concat();
    let busy = refused(&place, &metrics);
    assert!(busy.stderr.contains(&format!("cannot listen on {taken}")), "{}", busy.stderr);
    let high = ["--data-dir", "second", "--brokers", "2", "--listen", "127.0.0.1:65535"];
    refused(&place, &high);
    let bad = [&["--data-dir", "second"], &any[..], &["--cluster-id", "bad id!"]].concat();
    let bad = refused(&place, &bad);
    assert!(bad.stderr.contains("the cluster id `bad id!` is not a UUID"), "{}", bad.stderr);
    assert!(!place.path("second").exists(), "nothing is formatted for a start that fails");
    serving.kill();
    let other =
        refused(&place, &[&data, &any[..], &["--cluster-id", "two-cluster-of-several"]].concat());
    assert!(other.stderr.contains("belongs to cluster one"), "{}", other.stderr);
    let words = [&["serve"], &data[..], &any, &["--set", "num.partition=3"]].concat();
    let unknown = place.expect(2, &words);
    assert!(unknown.stderr.contains("`num.partition` is not"), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("did you mean `num.partitions`?"), "{}", unknown.stderr);
    let words = [&["serve"], &data[..], &any, &["--set", "num.partitions=0"]].concat();
    let senseless = place.expect(2, &words);
    let said =
        "Invalid value 0 for configuration num.partitions: Value must be a whole number, 1 to";
    assert!(senseless.stderr.contains(said), "{}", senseless.stderr);
    place.write("file", "");
    let file = refused(&place, &[&["--data-dir", "file"], &any[..]].concat());
    assert!(file.stderr.contains("cannot make the data directory"), "{}", file.stderr);
}

#[expect(clippy::disallowed_methods, reason = "a real process needs real time")]
fn pause(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

/// Its controller, which was stopped as long, does not take its broker for dead.
#[test]
fn a_node_that_was_stopped_for_longer_than_a_session_goes_on() {
    let place = Place::new();
    let session = "broker.session.timeout.ms=1500";
    let heartbeat = "broker.heartbeat.interval.ms=300";
    let serving = Serving::start(&place, "d", &["--set", session, "--set", heartbeat]);
    let mut client = serving.client();
    for _ in 0..3 {
        serving.signal("-STOP");
        pause(2);
        serving.signal("-CONT");
        client.call(4, &ApiVersionsRequest::default());
        pause(1);
    }
    let log = place.read("d.log");
    assert!(!log.contains("fenced=true"), "{log}");
    serving.stop();
}
