//! Sizes compared with those of an independent encoder. They are equal: where typed messages do
//! not carry a name, the tests use names of the length that is taken for it.

mod admin;
mod data;
mod describe;
mod group;
mod members;
mod quorum;
mod quotas;
mod topics;
mod txn;

use crate::ids::{TopicId, TopicPartition};
use crate::protocol::{CLUSTER_ID_BYTES, HOST_BYTES, Request, Response, TOPIC_NAME_BYTES};
use bytes::BytesMut;
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};

const CLIENT_ID: &str = "producer-17";
const TOPIC: &str = "sixteen-letters!";
const HOST: &str = "b-1.mycluster.abc123.c2.kafka.us-east-1.amazonaws.com";
const CLUSTER_ID: &str = "c-kS7M0IRvKJj0PsnVdXgA";

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic() -> theirs::TopicName {
    theirs::TopicName(text(TOPIC))
}

fn tp(topic: u128, index: i32) -> TopicPartition {
    TopicPartition::new(TopicId(topic), index)
}

fn ids(count: i32) -> Vec<theirs::BrokerId> {
    (1..=count).map(Into::into).collect()
}

fn check_request<M: Encodable + HeaderVersion>(ours: Request, body: M, version: i16) {
    let header = theirs::RequestHeader::default().with_client_id(Some(text(CLIENT_ID)));
    let mut out = BytesMut::new();
    header.encode(&mut out, M::header_version(version)).unwrap();
    body.encode(&mut out, version).unwrap();
    let size = ours.wire_size(CLIENT_ID.len() as u64);
    assert_eq!(size, out.len() as u64 + 4, "{ours:?}");
}

fn check_response<M: Encodable + HeaderVersion>(ours: Response, body: M, version: i16) {
    let mut out = BytesMut::new();
    let header = theirs::ResponseHeader::default();
    header.encode(&mut out, M::header_version(version)).unwrap();
    body.encode(&mut out, version).unwrap();
    assert_eq!(ours.wire_size(), out.len() as u64 + 4, "{ours:?}");
}

#[test]
fn names_have_the_lengths_that_are_taken() {
    let lengths = [TOPIC.len(), HOST.len(), CLUSTER_ID.len()].map(|len| len as u64);
    assert_eq!(lengths, [TOPIC_NAME_BYTES, HOST_BYTES, CLUSTER_ID_BYTES]);
}
