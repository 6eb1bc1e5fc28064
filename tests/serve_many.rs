//! Topics of many partitions, which come and go.

use crate::common::Place;
use crate::kafka::{Client, Serving, batch, retry, topic_name};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest};
use std::fs;

const PARTITIONS: i32 = 700;

fn create(client: &mut Client) {
    let topic = CreatableTopic::default()
        .with_name(topic_name("orders"))
        .with_num_partitions(PARTITIONS)
        .with_replication_factor(3);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    retry(|| (client.call(4, &request).topics[0].error_code == 0).then_some(()));
}

fn delete(client: &mut Client) {
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name("orders")]);
    let request = request.with_timeout_ms(30_000);
    retry(|| (client.call(4, &request).responses[0].error_code == 0).then_some(()));
}

/// Directories of the topic that a node has, those of deleted logs included.
fn dirs(place: &Place, node: u32) -> Vec<String> {
    let entries = fs::read_dir(place.path(&format!("data/node-{node}"))).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("orders-")).collect()
}

/// Each time under the same names, while the logs of the topic before are still being made or deleted;
/// then once more by a process that was killed meanwhile.
#[test]
fn a_topic_of_many_partitions_comes_and_goes() {
    let place = Place::new();
    let three = ["--brokers", "3", "--set", "min.insync.replicas=3"];
    let serving = Serving::start(&place, "data", &three);
    let mut client = serving.client();
    for _ in 0..3 {
        create(&mut client);
        delete(&mut client);
    }
    create(&mut client);
    let leader = usize::try_from(client.topic("orders")).unwrap();
    let mut client = Client::connect(&serving.addresses[leader - 1]);
    let produce = |client: &mut Client| client.produce("orders", batch(&["kept"], None));
    retry(|| (produce(&mut client).0 == 0).then_some(()));
    serving.kill();

    let serving = Serving::start(&place, "data", &three);
    let mut client = serving.client();
    // whoever led has been killed, too, and another may lead now
    let kept = retry(|| {
        let leader = usize::try_from(client.topic("orders")).unwrap();
        let mut leader = Client::connect(&serving.addresses[leader - 1]);
        leader.try_consume("orders", 0).ok().flatten().filter(|records| !records.is_empty())
    });
    assert_eq!(kept[0].1, "kept");
    let settled = |node| {
        let dirs = dirs(&place, node);
        let stray = |name: &&String| name.ends_with("-stray");
        // those that the kill left under their old names have been set aside
        dirs.len() - dirs.iter().filter(stray).count() == usize::try_from(PARTITIONS).unwrap()
    };
    retry(|| (1..=3).all(settled).then_some(()));
    delete(&mut client);
    let gone = |node| dirs(&place, node).iter().all(|name| name.ends_with("-stray"));
    retry(|| (1..=3).all(gone).then_some(()));
    serving.stop();
    assert!(!place.read("data.log").contains("a disk operation failed"));
}
