//! Clients of `serve` that are clumsy or mean no good, each on a connection of its own.

use crate::common::Place;
use crate::kafka::{Client, Serving, batch, topic_name};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{ApiVersionsRequest, FetchRequest, MetadataRequest};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;

/// All that comes until the connection ends, however it ends.
fn rest(client: &mut Client) -> Vec<u8> {
    let mut rest = Vec::new();
    // reset, if something that was sent had not been read
    let _ = client.stream.read_to_end(&mut rest);
    rest
}

#[test]
fn what_was_asked_before_a_bad_frame_is_answered_and_nothing_behind_it() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let bad: [&[u8]; 3] = [
        b"\0\0\0\0",                                 // no request at all
        b"\0\0\0\x02\0\x12",                         // half a header
        b"\0\0\0\x0a\0\x03\x7f\0\0\0\0\x01\xff\xff", // a version to come
    ];
    for frame in bad {
        let mut client = serving.client();
        client.send(0, &ApiVersionsRequest::default());
        client.stream.write_all(frame).unwrap();
        client.stream.write_all(b"\0\0\0\x0a\0\x12\0\0\0\0\0\x02\xff\xff").unwrap();
        let all = rest(&mut client);
        let len = usize::try_from(u32::from_be_bytes(*all.first_chunk().unwrap())).unwrap();
        assert_eq!(all.len(), 4 + len, "one answer to {frame:?}");
        assert_eq!(all[4..8], 1_i32.to_be_bytes());
    }
    serving.stop();
}

#[test]
fn who_asks_and_says_no_more_is_answered() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut client = serving.client();
    client.send(1, &MetadataRequest::default());
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(!client.receive::<MetadataRequest>(1).brokers.is_empty());
    assert!(rest(&mut client).is_empty());
    serving.stop();
}

#[test]
fn who_asks_and_never_reads_takes_nothing_from_others() {
    let place = Place::new();
    let serving = Serving::start(&place, "data", &[]);
    let mut honest = serving.client();
    honest.topic("orders");
    let large = "x".repeat(900_000);
    for _ in 0..8 {
        assert_eq!(honest.produce("orders", batch(&[&large], None)).0, 0);
    }
    let partition = FetchPartition::default().with_partition_max_bytes(i32::MAX);
    let topic =
        FetchTopic::default().with_topic(topic_name("orders")).with_partitions(vec![partition]);
    let fetch = FetchRequest::default()
        .with_max_bytes(i32::MAX)
        .with_replica_id((-1).into())
        .with_topics(vec![topic]);
    let mut deaf: Vec<Client> = (0..50).map(|_| serving.client()).collect();
    for client in &mut deaf {
        for _ in 0..20 {
            client.send(4, &fetch);
        }
    }
    // what is under way to them may leave others a batch at a time
    for offset in 0..8 {
        assert_eq!(honest.consume("orders", offset)[0].0, offset);
    }
    assert_eq!(honest.produce("orders", batch(&["still here"], None)), (0, 8));
    // all of them go at once, in the middle of their answers
    drop(deaf);
    assert_eq!(honest.produce("orders", batch(&["and now"], None)), (0, 9));
    serving.stop();
    assert!(!place.read("data.log").contains("panicked"));
}
