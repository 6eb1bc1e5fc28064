//! What tools look at, on a real cluster: partitions page by page, log directories,
//! the quorum, features.

use crate::common::Place;
use crate::kafka::{Client, Serving, batch, retry, text, topic_name};
use kafka_protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_quorum_response::ReplicaState;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::update_features_request::FeatureUpdateKey;
use kafka_protocol::messages::{
    AlterReplicaLogDirsRequest, ApiVersionsRequest, CreateTopicsRequest, DescribeClusterRequest,
    DescribeLogDirsRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest,
    UnregisterBrokerRequest, UpdateFeaturesRequest,
};

fn create(client: &mut Client, name: &str, partitions: i32) {
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(2);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5000);
    retry(|| (client.call(4, &request).topics[0].error_code == 0).then_some(()));
}

#[test]
fn partitions_are_described_page_by_page() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &["--brokers", "3"]);
    let mut client = serving.client();
    create(&mut client, "orders", 3);
    create(&mut client, "bills", 2);
    let mut request = DescribeTopicPartitionsRequest::default()
        .with_topics(
            ["orders", "bills", "none"]
                .map(|name| TopicRequest::default().with_name(topic_name(name)))
                .to_vec(),
        )
        .with_response_partition_limit(2);
    // this broker may hear of the topics a moment after the controller has made them
    retry(|| {
        let answer = client.call(0, &request.clone().with_response_partition_limit(9));
        (answer.topics.iter().all(|t| t.name == Some(topic_name("none")) || t.error_code == 0))
            .then_some(())
    });
    let mut seen = Vec::new();
    loop {
        let answer = client.call(0, &request);
        for topic in &answer.topics {
            let name = topic.name.as_ref().unwrap().to_string();
            if topic.partitions.is_empty() {
                seen.push(format!("{name}: {}", topic.error_code));
            }
            for partition in &topic.partitions {
                assert_eq!(partition.replica_nodes.len(), 2);
                assert!(partition.replica_nodes.contains(&partition.leader_id));
                assert!(partition.offline_replicas.is_empty());
                seen.push(format!("{name}-{}", partition.partition_index));
            }
        }
        let Some(next) = answer.next_cursor else { break };
        let cursor = Cursor::default()
            .with_topic_name(next.topic_name)
            .with_partition_index(next.partition_index);
        request = request.with_cursor(Some(cursor));
    }
    assert_eq!(seen, ["bills-0", "bills-1", "none: 3", "orders-0", "orders-1", "orders-2"]);
}

/// What a broker says of a topic's partitions in its log directory, and its size in all.
fn logs(client: &mut Client, topic: &str) -> Vec<(i32, i64, i64)> {
    let answer = client.call(4, &DescribeLogDirsRequest::default().with_topics(None));
    let [dir] = &answer.results[..] else { panic!("{answer:?}") };
    assert_eq!((answer.error_code, dir.error_code), (0, 0));
    assert!(dir.total_bytes > 0 && (0..=dir.total_bytes).contains(&dir.usable_bytes), "{dir:?}");
    let topics = dir.topics.iter().filter(|found| found.name == topic_name(topic));
    let logs = topics.flat_map(|found| &found.partitions);
    logs.map(|log| (log.partition_index, log.partition_size, log.offset_lag)).collect()
}

#[test]
fn a_log_directory_is_described_and_replicas_stay_in_it() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.topic("orders");
    retry(|| (client.produce("orders", batch(&["a", "b"], None)) == (0, 0)).then_some(()));
    let segment = place.path("data/orders-0/00000000000000000000.log");
    let size = i64::try_from(std::fs::metadata(segment).unwrap().len()).unwrap();
    assert_eq!(logs(&mut client, "orders"), [(0, size, 0)]);

    let here = place.path("data").canonicalize().unwrap();
    for (path, expected) in [(here.to_str().unwrap(), 0), ("/elsewhere", 57)] {
        let topic = AlterReplicaLogDirTopic::default()
            .with_name(topic_name("orders"))
            .with_partitions(vec![0]);
        let dir = AlterReplicaLogDir::default().with_path(text(path)).with_topics(vec![topic]);
        let request = AlterReplicaLogDirsRequest::default().with_dirs(vec![dir]);
        let answer = client.call(2, &request);
        assert_eq!(answer.results[0].partitions[0].error_code, expected, "{path}");
    }
}

#[test]
fn any_broker_describes_the_quorum() {
    use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
    let place = Place::new();
    let serving = Serving::start(&place, "data", &["--brokers", "3"]);
    let asked = TopicData::default()
        .with_topic_name(topic_name("__cluster_metadata"))
        .with_partitions(vec![PartitionData::default()]);
    let request = DescribeQuorumRequest::default().with_topics(vec![asked]);
    let mut leaders = Vec::new();
    for address in &serving.addresses {
        let mut client = Client::connect(address);
        // A voter is caught up once it has fetched; the high watermark needs a majority of them only.
        let answer = retry(|| {
            let answer = client.call(2, &request);
            let partition = answer.topics.first()?.partitions.first()?;
            let known = |voter: &ReplicaState| {
                voter.last_caught_up_timestamp > 0
                    && voter.log_end_offset >= partition.high_watermark
            };
            partition.current_voters.iter().all(known).then_some(answer)
        });
        let partition = &answer.topics[0].partitions[0];
        leaders.push((partition.leader_id, partition.leader_epoch));
        let voters: Vec<i32> = partition.current_voters.iter().map(|v| v.replica_id.0).collect();
        assert_eq!(voters, [1, 2, 3]);
        assert!(partition.observers.is_empty(), "{partition:?}");
        let ports: Vec<String> = answer
            .nodes
            .iter()
            .map(|node| {
                let at = &node.listeners[0];
                format!("{}:{}", at.host, at.port)
            })
            .collect();
        assert_eq!(ports, serving.addresses);
    }
    assert!(leaders[0].1 > 0 && leaders.iter().all(|leader| *leader == leaders[0]), "{leaders:?}");
}

fn levels(client: &mut Client) -> Vec<(String, i16)> {
    let answer = client.call(4, &ApiVersionsRequest::default());
    let levels = answer.finalized_features.iter();
    levels.map(|level| (level.name.to_string(), level.max_version_level)).collect()
}

fn update(client: &mut Client, feature: &str, level: i16, upgrade_type: i8) -> i16 {
    let update = FeatureUpdateKey::default()
        .with_feature(text(feature))
        .with_max_version_level(level)
        .with_upgrade_type(upgrade_type);
    let request = UpdateFeaturesRequest::default().with_feature_updates(vec![update]);
    client.call(2, &request).error_code
}

#[test]
fn features_change_and_survive_a_restart() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &["--brokers", "3"]);
    let mut clients: Vec<Client> =
        serving.addresses.iter().map(|address| Client::connect(address)).collect();
    let of = |levels: &[(&str, i16)]| -> Vec<(String, i16)> {
        levels.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect()
    };
    let newest = of(&[("group.version", 1), ("metadata.version", 27), ("transaction.version", 2)]);
    let older = of(&[("metadata.version", 27), ("transaction.version", 1)]);
    for client in &mut clients {
        retry(|| (levels(client) == newest).then_some(()));
    }
    assert_eq!(update(&mut clients[0], "transaction.version", 1, 1), 95, "it goes down");
    assert_eq!(update(&mut clients[0], "transaction.version", 1, 2), 0);
    assert_eq!(update(&mut clients[1], "group.version", 0, 2), 0);
    for client in &mut clients {
        retry(|| (levels(client) == older).then_some(()));
    }
    serving.stop();
    let serving = Serving::start(&place, "data", &["--brokers", "3"]);
    let mut client = serving.client();
    retry(|| (levels(&mut client) == older).then_some(()));
}

#[test]
fn a_broker_that_is_unregistered_while_it_lives_comes_back() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &["--brokers", "3"]);
    let mut client = serving.client();
    let brokers = |client: &mut Client| client.call(1, &DescribeClusterRequest::default()).brokers;
    retry(|| (brokers(&mut client).len() == 3).then_some(()));
    let unregister = |client: &mut Client, id: i32| {
        client.call(0, &UnregisterBrokerRequest::default().with_broker_id(id.into())).error_code
    };
    assert_eq!(unregister(&mut client, 9), 102, "nobody has this id");
    // any broker may be asked, and each of them may be the one
    for id in 1..=3 {
        assert_eq!(unregister(&mut client, id), 0);
        retry(|| (brokers(&mut client).len() == 3).then_some(()));
    }
    serving.stop();
}
