//! The codec against an independent one, in every version that is served: what that one encodes is
//! read, and what ours encodes is read by that one and comes back byte for byte.

mod admin;
mod cluster;
mod consumers;
mod data;
mod describe;
mod groups;
mod hostile;
mod members;
mod quotas;
mod security;
mod transactions;

use crate::apis::{Api, ApiKey};
use crate::call::Call;
use crate::cluster::{Cluster, Endpoint, Levels};
use crate::codec::{Decoded, decode_request, encode_response};
use bytes::{Buf as _, Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};
use proptest::prelude::*;
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};
use stormglass_broker_core::ids::{NodeId, TopicId, TopicPartition};
use stormglass_broker_core::protocol::{Request, Response};

const CORRELATION: i32 = 0x0102_0304;
/// Ids of topics `topic-1`, `topic-2` and so on begin here.
const ID_FIRST: u128 = 1 << 64;
const TOPICS: u128 = 3;

/// Three topics, and nodes 1 to 3.
pub(crate) struct Known;

impl Cluster for Known {
    fn topic_id(&self, name: &str) -> Option<TopicId> {
        let number: u128 = name.strip_prefix("topic-")?.parse().ok()?;
        (1..=TOPICS).contains(&number).then(|| TopicId(ID_FIRST + number))
    }

    fn topic_name(&self, id: TopicId) -> Option<Arc<str>> {
        let number = id.0.checked_sub(ID_FIRST)?;
        (1..=TOPICS).contains(&number).then(|| format!("topic-{number}").into())
    }

    fn endpoint(&self, node: NodeId) -> Option<Endpoint<'_>> {
        (1..=3).contains(&node.0).then_some(Endpoint {
            host: "broker.example",
            port: 9092,
            rack: Some("az-1"),
        })
    }

    fn cluster_id(&self) -> &str {
        "a-cluster"
    }

    fn features(&self) -> Levels<'_> {
        static LEVELS: LazyLock<[(Arc<str>, i16); 1]> =
            LazyLock::new(|| [("group.version".into(), 1)]);
        Levels { epoch: 17, levels: &*LEVELS }
    }

    fn log_dir(&self) -> &str {
        "/logs"
    }

    fn log_dir_room(&self) -> Option<(i64, i64)> {
        Some((500, 20))
    }
}

pub(crate) fn tp(topic: u128, index: i32) -> TopicPartition {
    TopicPartition::new(TopicId(ID_FIRST + topic), index)
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic_name(topic: u128) -> theirs::TopicName {
    theirs::TopicName(text(&format!("topic-{topic}")))
}

fn topic_id(topic: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(ID_FIRST + topic)
}

/// Every version in which an API is served.
fn versions(key: ApiKey) -> RangeInclusive<i16> {
    let api = Api::of(key);
    api.min..=api.max
}

/// Partitions by topic, as they stand in a request: topics are not repeated.
fn partitions<T: Debug + Clone>(
    value: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = Vec<(TopicPartition, T)>> {
    let topic = proptest::collection::vec((0..100, value), 1..4);
    proptest::collection::vec(topic, 1..=3).prop_map(|topics| {
        let named = (1..).zip(topics);
        named
            .flat_map(|(topic, list)| list.into_iter().map(move |(i, value)| (tp(topic, i), value)))
            .collect()
    })
}

/// The same, below their topics.
fn by_topic<T: Clone, P, R>(
    flat: &[(TopicPartition, T)],
    partition: impl Fn(i32, &T) -> P,
    topic: impl Fn(u128, Vec<P>) -> R,
) -> Vec<R> {
    flat.chunk_by(|a, b| a.0.topic == b.0.topic)
        .map(|group| {
            let list = group.iter().map(|(tp, value)| partition(tp.partition, value)).collect();
            topic(group[0].0.topic.0 - ID_FIRST, list)
        })
        .collect()
}

/// A request as a client sends it, without its length.
fn frame<M: Encodable + HeaderVersion>(key: ApiKey, version: i16, body: &M) -> Bytes {
    let header = theirs::RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(CORRELATION)
        .with_client_id(Some(text("client-7")));
    let mut out = BytesMut::new();
    header.encode(&mut out, M::header_version(version)).unwrap();
    body.encode(&mut out, version).unwrap();
    out.freeze()
}

/// Decodes a request that is for the broker.
fn ask<M: Encodable + HeaderVersion>(key: ApiKey, version: i16, body: &M) -> (Request, Call) {
    match decode_request(frame(key, version, body), &Known) {
        Ok(Decoded::Ask(request, call)) => (*request, call),
        other => panic!("{key:?} v{version}: {other:?}"),
    }
}

/// Reads an answer as a client does: its header, its body, and nothing behind it. What is encoded
/// again must be the same bytes.
fn read<M: Decodable + Encodable + HeaderVersion>(mut frame: Bytes, version: i16) -> M {
    assert_eq!(frame.get_i32() as usize, frame.len(), "length prefix");
    let whole = frame.clone();
    let header = theirs::ResponseHeader::decode(&mut frame, M::header_version(version)).unwrap();
    assert_eq!(header.correlation_id, CORRELATION);
    let body = M::decode(&mut frame, version).unwrap();
    assert!(frame.is_empty(), "v{version}: {} bytes follow", frame.len());
    let mut again = BytesMut::new();
    header.encode(&mut again, M::header_version(version)).unwrap();
    body.encode(&mut again, version).unwrap();
    assert_eq!(whole, again.freeze(), "v{version}");
    body
}

/// Encodes the answer to a call and reads it.
fn answer<M: Decodable + Encodable + HeaderVersion>(call: &Call, response: &Response) -> M {
    let frame = encode_response(call, response, &Known).unwrap();
    read(frame.to_bytes(), call.version())
}
